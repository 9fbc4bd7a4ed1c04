"""Dataset files out of the settings of other connectors: what is carried over, and line by line what is not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from adreel.access import Guard
from adreel.datasets.layouts.plans import offered_metrics
from adreel.datasets.lookback import LONGEST
from adreel.datasets.templates import free_name
from adreel.errors import InputError
from adreel.language import phrase

MOST_CHARACTERS = 2_000_000
MOST_DEPTH = 40
LONGEST_SHOWN = 200
MOST_SHOWN = 20


@dataclass(slots=True)
class ImportedSettings:
    """Values of dataset files, without their names' check, and what is not carried over, in sentences."""

    files: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def leave(self, what: str, reason: str) -> None:
        """Notes a setting that no dataset has."""
        self.left_out.append(f"{shown(what)}: {reason}.")


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """What the datasets get: the account they read, and the destination they publish to, if any."""

    account: str
    destination: str | None


def read_settings(text: str, name: str) -> tuple[Mapping[str, Any], ...]:
    """The JSON objects of an exported file: one, or a list of them. InputError for anything else."""
    if len(text) > MOST_CHARACTERS:
        raise InputError(phrase("%(file)s has more than %(most)s characters.", file=name, most=MOST_CHARACTERS))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(phrase("%(file)s is not JSON. Export the settings as JSON.", file=name)) from None
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(each, dict) for each in listed):
        raise InputError(phrase("%(file)s has no settings: it is no JSON object.", file=name))
    return tuple(listed)


def shown(text: object) -> str:
    """A text of the file, short and on one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}…"


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; nothing of what is none."""
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else iter(())


def at(value: Any, *path: str) -> Any:
    """The value at a path of keys; None if it ends before."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def day_of(value: Any) -> date | None:
    """The day of a date or a time as text; None for anything else."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def days_of(value: Any, what: str, settings: ImportedSettings) -> int | None:
    """The look-back for an attribution window in days, at most the longest; None if there is none."""
    if isinstance(value, bool) or not str(value).isdigit():
        return None
    days = int(str(value))
    if days > LONGEST:
        settings.leave(
            f"{what} = {days}", phrase("the longest look-back is %(days)s days, which it becomes", days=LONGEST)
        )
    return min(days, LONGEST)


def every_minutes(minutes: int) -> dict[str, str] | None:
    """A schedule with the interval; None if there is none like it."""
    if minutes == 24 * 60:
        return {"every": "day"}
    if minutes % (24 * 60) == 0:
        return {"every": f"{minutes // (24 * 60)} days"}
    if minutes % 60 == 0 and minutes < 24 * 60:
        return {"every": f"{minutes // 60} hours"}
    return {"every": f"{minutes} minutes"} if 15 <= minutes < 60 else None


def advertisers_of(value: Any) -> list[str]:
    """Ids of ad accounts; those that are no numbers are none."""
    listed = value if isinstance(value, list) else [value]
    return [str(each) for each in listed if not isinstance(each, bool) and str(each).isdigit()]


def metrics_in(values: dict[str, Any], names: Iterable[str], what: str, settings: ImportedSettings) -> list[str]:
    """Those of the metrics that adreel's report has; the others are noted."""
    wanted = tuple(dict.fromkeys(str(name) for name in names))
    offered = offered_metrics(values, wanted)
    missing = [name for name in wanted if name not in offered]
    if missing:
        listed = ", ".join(map(shown, missing[:MOST_SHOWN]))
        more = f" +{len(missing) - MOST_SHOWN}" if len(missing) > MOST_SHOWN else ""
        settings.leave(f"{what}: {listed}{more}", phrase("no metric of this report in adreel"))
    return list(offered)


def named(guard: Guard, settings: ImportedSettings) -> list[dict[str, Any]]:
    """The files with names that no dataset has."""
    taken: set[str] = set()
    files = []
    for values in settings.files:
        title = str(values["name"])
        name = free_name(guard, title)
        while name.casefold() in taken:
            name = free_name(guard, f"{name} 2")
        taken.add(name.casefold())
        files.append({**values, "name": name})
    return files
