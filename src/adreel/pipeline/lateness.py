"""At which times of the day TikTok has the figures of yesterday, and templates that run at such a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adreel.advertisers import Advertiser
from adreel.catalog.templates import Template
from adreel.connections import covered
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.freshness import last_complete_day, report_delay
from adreel.datasets.templates import file_of
from adreel.datasets.validation import parse
from adreel.pipeline.plan import days_for
from adreel.store import Account, Store


@dataclass(frozen=True, slots=True)
class LateOffsets:
    """UTC offsets, one for each ad account, in which yesterday is not over, or not complete, at some moment."""

    unended: tuple[timedelta, ...] = ()
    incomplete: tuple[timedelta, ...] = ()


def late_offsets(dataset: Dataset, offsets: Iterable[timedelta], moment: datetime, zone: str) -> LateOffsets:
    """Of the ad accounts with these offsets, those whose yesterday a run at `moment` reads too early.

    Yesterday is that of `zone`. None are late for a dataset that does not read it.
    """
    yesterday = moment.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    days = days_for(dataset, yesterday + timedelta(days=1)) if dataset.dates is not None else None
    if days is None or not days.start <= yesterday <= days.end:
        return LateOffsets()
    every, delay = tuple(offsets), report_delay(dataset)
    return LateOffsets(
        tuple(offset for offset in every if last_complete_day(offset, timedelta(), moment) < yesterday),
        tuple(offset for offset in every if last_complete_day(offset, delay, moment) < yesterday),
    )


def template_file(store: Store, template: Template, account: Account, name: str, now: datetime) -> dict[str, Any]:
    """The values of a template's dataset over an account, run when its ad accounts have the figures of yesterday."""
    advertisers = covered(store.accounts.advertisers(account), account.selection).advertisers
    return on_time(file_of(template, account.name, name), advertisers, now, store.workspace.get().zone)


def on_time(values: Mapping[str, Any], advertisers: Iterable[Advertiser], now: datetime, zone: str) -> dict[str, Any]:
    """A dataset file whose schedule runs once a day, at the first full hour from its own on without late figures.

    Its own time stays if no hour of the day has all figures of yesterday, and if it has several times or none.
    """
    schedule = values.get("schedule")
    times = schedule.get("at") if isinstance(schedule, Mapping) else None
    if not isinstance(schedule, Mapping) or not isinstance(times, list | tuple) or len(times) != 1:
        return dict(values)
    dataset = parse(Source(dict(values), {}), now)
    offsets = [advertiser.offset for advertiser in advertisers]
    day = now + timedelta(days=1)
    for hour in range(int(str(times[0]).partition(":")[0]), 24):
        moment = day.replace(hour=hour, minute=0, second=0, microsecond=0)
        if not late_offsets(dataset, offsets, moment, zone).incomplete:
            return dict(values) | {"schedule": dict(schedule) | {"at": [f"{hour:02}:00"]}}
    return dict(values)
