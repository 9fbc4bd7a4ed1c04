"""When a dashboard is sent: at a time of the day on some weekdays, in the zone of the workspace."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from adreel.errors import InputError
from adreel.language import phrase


def read_time(text: str) -> str:
    """A time of the day as 08:00. InputError for what is none."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip(), re.ASCII)
    if match is None:
        raise InputError(phrase("%(text)s is not a time of the day. Enter one such as 08:00.", text=repr(text[:20])))
    return f"{int(match[1]):02}:{match[2]}"


def next_time(at: str, weekdays: Collection[int], zone: str, after: datetime) -> datetime:
    """The first time after `after`, in UTC.

    A time that a day does not have, as clocks go forward, is as much later as the clocks; of a time that it has twice
    the first one counts.
    """
    local = ZoneInfo(zone)
    today = after.astimezone(local).date()
    for days in range(15):
        day = today + timedelta(days=days)
        moment = datetime.combine(day, time.fromisoformat(at), tzinfo=local).astimezone(UTC)
        if day.weekday() in weekdays and moment > after:
            return moment
    raise InputError(phrase("Choose at least one weekday."))
