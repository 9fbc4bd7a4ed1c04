"""Lengths of time as people write them, such as `15 minutes`, and what is made of them: retries and stale warnings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from adreel.language import phrase
from adreel.scheduling.reading import Fault
from adreel.scheduling.schedule import (
    LONGEST_STALE,
    LONGEST_WAIT,
    MOST_RETRIES,
    SHORTEST_STALE,
    SHORTEST_WAIT,
    Retry,
)

_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
_DURATION = re.compile(r"(?P<number>\d{1,5})\s+(?P<unit>minute|hour|day|week)s?", re.ASCII)


def read_duration(value: Any) -> timedelta | None:
    """The length of time of a text such as `2 days`; None if it is none."""
    match = _DURATION.fullmatch(str(value).strip().lower())
    return int(match["number"]) * _UNITS[match["unit"]] if match else None


def written_duration(duration: timedelta) -> str:
    """The length of time in the largest unit that it is a multiple of, at least a minute."""
    unit = next(name for name in reversed(_UNITS) if not duration % _UNITS[name])
    number = duration // _UNITS[unit]
    return f"{number} {unit}{'s' if number != 1 else ''}"


def read_retry(value: Any, fault: Fault) -> Retry | None:
    """The `retry` of a dataset file; None for `false`, the default where it is absent.

    A number is that of the times, as the command line's `--retries` has it.
    """
    if value is None:
        return Retry()
    if value is False:
        return None
    if value is not True and _times(value) is not None:
        value = {"times": value}
    if not isinstance(value, Mapping):
        fault("retry", phrase("must be false, or have the keys times and wait"))
        return Retry()
    for key in value:
        if key not in ("times", "wait"):
            fault(f"retry.{key}", phrase("%(key)s is not a key of retry; keys are times, wait", key=repr(str(key))))
    times = _times(value.get("times", Retry().times))
    wait = read_duration(value.get("wait", "15 minutes"))
    if times is None:
        fault("retry.times", phrase("must be from 0 to %(most)s", most=MOST_RETRIES))
        times = Retry().times
    if wait is None or not SHORTEST_WAIT <= wait <= LONGEST_WAIT:
        fault("retry.wait", phrase("must be from 1 minute to 1 day; write for example 15 minutes"))
        wait = Retry().wait
    return Retry(times, wait) if times else None


def _times(value: Any) -> int | None:
    """The number of retries, which a dataset file has as text; None if it is none."""
    text = "" if isinstance(value, bool) else str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 and int(text) <= MOST_RETRIES else None


def written_retry(retry: Retry | None) -> Any:
    """The retries as a dataset file has them."""
    return {"times": retry.times, "wait": written_duration(retry.wait)} if retry else False


def read_stale_after(value: Any, fault: Fault) -> timedelta | None:
    """The `stale_after` of a dataset file; None without one and where a fault was reported."""
    if value is None:
        return None
    duration = read_duration(value)
    if duration is None or not SHORTEST_STALE <= duration <= LONGEST_STALE:
        fault(
            "stale_after",
            phrase("must be from 1 hour to %(days)s days; write for example 2 days", days=LONGEST_STALE.days),
        )
        return None
    return duration
