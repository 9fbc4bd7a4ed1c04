"""Whether a scheduled run would come before TikTok has the figures of yesterday."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.freshness import complete_at, late_delays, report_delay
from adreel.datasets.validation import parse
from adreel.dates import offset_name
from adreel.language import integer, listed, phrase
from adreel.pipeline.lateness import late_offsets


def time_words(values: Mapping[str, Any], advertisers: Iterable[Advertiser], now: datetime, zone: str) -> str:
    """Why a template begins at the time that `on_time` chose; empty where it has no time of the day."""
    schedule = values.get("schedule")
    times = schedule.get("at") if isinstance(schedule, Mapping) else None
    if not times:
        return ""
    dataset, at = parse(Source(dict(values), {}), now), str(times[0])
    offsets = [advertiser.offset for advertiser in advertisers]
    if dataset.dates is None or not offsets:
        return phrase("%(time)s UTC is the usual time: it reads no days that TikTok has to complete first.", time=at)
    moment = (now + timedelta(days=1)).replace(hour=int(at.partition(":")[0]), minute=0, second=0, microsecond=0)
    if late_offsets(dataset, offsets, moment, zone).incomplete:
        return phrase(
            "%(time)s UTC is the usual time: at no hour of the day has TikTok completed yesterday in all ad accounts. "
            "Runs note incomplete days, and the next ones read them again.",
            time=at,
        )
    words = phrase(
        "%(time)s UTC is the first full hour, from 06:00 on, at which TikTok has completed yesterday in all ad "
        "accounts.",
        time=at,
    )
    return " ".join(sentence for sentence in (words, _later(dataset)) if sentence)


def late_yesterday(dataset: Dataset, advertisers: Iterable[Advertiser], moment: datetime, zone: str) -> str:
    """For which ad accounts yesterday is not over or complete at `moment`, and the earliest time at which it is.

    Yesterday is that of `zone`, the workspace's. Empty if all have it, or the dataset does not read it.
    """
    offsets = [advertiser.offset for advertiser in advertisers]
    early = late_offsets(dataset, offsets, moment, zone)
    if not early.incomplete:
        return ""
    late = early.unended or early.incomplete
    facts = {
        "time": f"{moment.astimezone(UTC):%H:%M}",
        "zones": listed(offset_name(offset) for offset in sorted(set(late))),
        "some": integer(len(late)),
        "all": integer(len(offsets)),
    }
    words = (
        phrase("At %(time)s UTC, yesterday is not over in %(zones)s (%(some)s of %(all)s ad accounts).", **facts)
        if early.unended
        else phrase(
            "At %(time)s UTC, TikTok has not completed yesterday in %(zones)s (%(some)s of %(all)s ad accounts).",
            **facts,
        )
    )
    yesterday, delay = moment.astimezone(ZoneInfo(zone)).date() - timedelta(days=1), report_delay(dataset)
    complete = max(complete_at(yesterday, offset, delay) for offset in offsets)
    sentences = (words, _earliest(complete, moment, zone), _later(dataset))
    return " ".join(sentence for sentence in sentences if sentence)


def _later(dataset: Dataset) -> str:
    """The metrics that are not among all figures of that time, as they are later; empty if there are none."""
    later = late_delays(dataset)
    if not later:
        return ""
    names = listed(str(catalog.metrics()[name].title) for name in later)
    return phrase("It comes before %(metrics)s, which TikTok completes later.", metrics=names)


def _earliest(complete: datetime, moment: datetime, zone: str) -> str:
    at = f"{complete.astimezone(UTC):%H:%M}"
    if complete.astimezone(UTC).date() > moment.astimezone(UTC).date():
        return phrase("TikTok completes it by %(time)s UTC of the next day.", time=at)
    if zone == "UTC":
        return phrase("The earliest time with all figures is %(time)s UTC.", time=at)
    return phrase(
        "The earliest time with all figures is %(time)s UTC (%(local)s in %(zone)s now).",
        time=at,
        local=f"{complete.astimezone(ZoneInfo(zone)):%H:%M}",
        zone=zone,
    )
