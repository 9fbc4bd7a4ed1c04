"""The file `catalog.yaml` of a home: metrics, dimensions and values of TikTok's that this release does not know yet.

`follow` is what every process of a home calls. An entry that contradicts the catalogue is refused, as one of the two
would be wrong without a word; one that repeats it has no effect, and is noted. Values are summed over rows only if the
entry says that they may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar, cast, get_args

from adreel.catalog import gmv_max
from adreel.catalog.additions import GROUP, NONE, Additions, put_in_force
from adreel.catalog.legacy import OLDER_NAMES
from adreel.catalog.load import calculated_metrics, fields, own_dimensions, own_metrics, own_value_labels
from adreel.catalog.records import LEVELS, Dimension, Level, Metric, ValueType
from adreel.catalog.report_types import FURTHER
from adreel.catalog.report_types import TYPES as FURTHER_TYPES
from adreel.errors import AdreelError, DatasetError, InputError, Problem, StorageError, shortened
from adreel.language import phrase
from adreel.logs import logger_of

FILE_NAME = "catalog.yaml"
"""The name of the file in the home."""

LONGEST_TITLE = 100
LONGEST_DESCRIPTION = 1_000
LONGEST_NAME = 100

REPORTS: Mapping[str, str] = MappingProxyType(
    {
        "basic": "BASIC",
        "audience": "AUDIENCE",
        "dsa": "CATALOG",
        "creatives": "CREATIVE",
        "gmv_max": "GMV_MAX",
        **{further.kind: further.type for further in FURTHER.values()},
    }
)
"""What the file calls the report types."""

GMV_MAX_LEVELS = tuple(sorted({name for level in gmv_max.LEVELS.values() for name in level.metric_levels}))
TYPES = get_args(ValueType)[:8]
"""Types of metrics: days and times are dimensions."""

UNITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "money": ("account_currency",),
        "int": ("count", "seconds"),
        "rate": ("percent",),
        "ratio": ("ratio",),
        "float": ("seconds", "per_user", "ratio", "count"),
    }
)
"""The units of each type of number; the first is the default, except that a float has none."""

RESERVED = frozenset(
    (
        *("advertiser_id", "campaign_id", "adgroup_id", "ad_id", "ad_id_v2", "currency", "timezone", "buying_type"),
        *("start_date", "end_date", "stat_time_day", "stat_time_hour", "stat_time_hour_utc"),
        *("store_id", "store_name", "promotion_type"),
    )
)
"""Columns that adreel itself writes."""

_SECTIONS = ("metrics", "dimensions", "values")
_METRIC_KEYS = ("title", "description", "type", "unit", "summable", "reports", "levels", "gmv_max_levels")
_DIMENSION_KEYS = ("title", "description", "reports", "levels", "times", "lifetime")
_TIMES = ("none", "day", "hour")
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_VALUE = re.compile(r"\S(.{0,98}\S)?")

R = TypeVar("R", Metric, Dimension)

logger = logger_of(__name__)

_lock = Lock()
_logged = ""
_followed: tuple[Path, tuple[int, ...] | None] | None = None
"""The file whose additions are in force, and its stamp; None for a home without one."""


def follow(home: Path) -> None:
    """Puts the additions of a home in force in this process; reads the file again only if it changed.

    Raises InputError with every problem of the file and its line, and StorageError if it cannot be read. Then the
    additions that were in force stay in force.
    """
    global _followed
    path = home / FILE_NAME
    with _lock:
        stamp = _stamp(path)
        if _followed == (path, stamp):
            return
        put_in_force(NONE if stamp is None else read_additions(path))
        _followed = (path, stamp)


def follow_or_log(home: Path) -> None:
    """As `follow`, for processes that serve datasets without additions all the same: an error is logged, once."""
    global _logged
    try:
        follow(home)
    except AdreelError as error:
        if str(error) != _logged:
            logger.error("%s", error)
        _logged = str(error)
    else:
        _logged = ""


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when the file does; None if there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        # A home that cannot be made says so itself.
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(phrase("%(path)s cannot be read: %(reason)s.", path=path, reason=error.strerror or error))


def read_additions(path: Path) -> Additions:
    """The additions of a file. Raises InputError with every problem and its line, StorageError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        additions, problems = _read(data.decode())
    except UnicodeDecodeError:
        problems = (Problem("file", phrase("not UTF-8; save the file as UTF-8")),)
    except DatasetError as error:
        problems = error.problems
    if problems:
        listed = " · ".join(map(str, shortened(sorted(problems, key=lambda problem: problem.line or 0), 20)))
        raise InputError(
            phrase(
                "The additions to the catalogue in %(path)s cannot be used: %(problems)s Correct the file, or move it "
                "away. Check it: adreel catalog additions",
                path=path,
                problems=listed,
            )
        )
    return additions


def _read(text: str) -> tuple[Additions, tuple[Problem, ...]]:
    # Imported only here: few homes have the file.
    import yaml

    from adreel.yaml_files import documents, lines_of

    pairs = documents(text)
    if not pairs or pairs == [(pairs[0][0], None)]:
        return NONE, ()
    if len(pairs) > 1 or not isinstance(pairs[0][0], yaml.MappingNode):
        return NONE, (Problem("file", phrase("write the keys metrics, dimensions and values, each once")),)
    lines: dict[str, int] = {}
    repeated = list(lines_of(pairs[0][0], "", lines))
    reader = _Reader(lines, repeated)
    additions = reader.read(pairs[0][1])
    return additions, tuple(reader.problems)


@dataclass(slots=True)
class _Reader:
    """Reads the sections of a file; collects problems with the line of the key that each is about, and notes."""

    lines: Mapping[str, int]
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)

    def add(self, place: str, reason: str, nearest: Iterable[str] = ()) -> None:
        line = self.lines.get(place) or self.lines.get(place.rpartition(".")[0])
        near = ", ".join(nearest) or None
        self.problems.append(Problem(place, reason if reason.endswith(".") else f"{reason}.", near, line))

    def read(self, values: Mapping[str, Any]) -> Additions:
        for key in values:
            if key not in _SECTIONS:
                self.add(str(key), phrase("unknown; the keys are %(keys)s", keys=", ".join(_SECTIONS)))
        metrics = self._entries(values, "metrics", self._metric)
        dimensions = self._entries(values, "dimensions", self._dimension)
        for name in metrics.keys() & dimensions.keys():
            self.add(f"dimensions.{name}", phrase("there is a metric of this name too; keep one of them"))
        return Additions(metrics, dimensions, self._values(values.get("values")), tuple(self.notes))

    def _entries(
        self, values: Mapping[str, Any], section: str, read: Callable[[str, str, Mapping[str, Any]], R | None]
    ) -> Mapping[str, R]:
        entries: dict[str, R] = {}
        given = values.get(section)
        if given is None:
            return entries
        if not isinstance(given, dict):
            self.add(section, phrase("write one key for each name"))
            return entries
        for name, entry in given.items():
            place = f"{section}.{name}"
            if not isinstance(entry, dict):
                self.add(place, phrase("write its title, description and other keys below it"))
            elif self._is_name(place, str(name)):
                record = read(place, str(name), entry)
                if record is not None:
                    entries[str(name)] = record
        return entries

    def _is_name(self, place: str, name: str) -> bool:
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            self.add(place, phrase("not a name of TikTok's: small letters, digits and _, at most 100"))
        elif name in RESERVED and name not in own_metrics():
            self.add(place, phrase("adreel has a column of this name"))
        elif name in OLDER_NAMES:
            self.add(place, phrase("an older name of %(name)s, which the catalogue has", name=OLDER_NAMES[name]))
        elif name in calculated_metrics():
            self.add(place, phrase("a ready-made calculated metric has this name"))
        else:
            return True
        return False

    def _metric(self, place: str, name: str, entry: Mapping[str, Any]) -> Metric | None:
        before = len(self.problems)
        self._known_keys(place, entry, _METRIC_KEYS)
        title, description = self._texts(place, entry)
        kind = self._choice(place, entry, "type", TYPES)
        is_number = kind in UNITS
        unit = self._unit(place, entry, kind)
        summable = self._summable(place, entry, kind)
        reports = self._choices(place, entry, "reports", tuple(REPORTS), required=True)
        levels = self._choices(place, entry, "levels", LEVELS) or LEVELS
        of_gmv_max = self._gmv_max(place, entry, reports)
        if name in own_dimensions():
            self.add(place, phrase("the catalogue has a dimension of this name"))
        elif "creatives" in reports and name in {column.name for column in fields()["creatives"]}:
            self.add(place, phrase("the report creatives has a column of this name; leave out creatives"))
        if len(self.problems) > before:
            return None
        record = Metric(
            name=name,
            title=title,
            group=GROUP,
            type=cast(ValueType, kind),
            unit=unit,
            additive=summable,
            reports=frozenset(REPORTS[report] for report in reports),
            levels=frozenset(cast("tuple[Level, ...]", levels)),
            attribute=not is_number,
            needs_any=frozenset(),
            refuses=frozenset(),
            id_and_day_only=False,
            numerator=None,
            denominator=None,
            scale=1,
            twins=(),
            meaning=description,
            sure=True,
            gmv_max=frozenset(of_gmv_max),
            added=True,
        )
        return self._unless_known(place, record, own_metrics().get(name), ("type", "unit", "additive"))

    def _dimension(self, place: str, name: str, entry: Mapping[str, Any]) -> Dimension | None:
        before = len(self.problems)
        self._known_keys(place, entry, _DIMENSION_KEYS)
        title, description = self._texts(place, entry)
        reports = self._choices(place, entry, "reports", ("basic", "audience"), required=True)
        levels = self._choices(place, entry, "levels", LEVELS) or LEVELS
        times = self._choices(place, entry, "times", _TIMES) or ("none", "day")
        lifetime = self._switch(place, entry, "lifetime") or False
        if name in own_metrics():
            self.add(place, phrase("the catalogue has a metric of this name"))
        if len(self.problems) > before:
            return None
        record = Dimension(
            name=name,
            title=title,
            kind="breakdown" if "basic" in reports else "audience",
            type="string",
            reports=frozenset(REPORTS[report] for report in reports),
            levels=frozenset(cast("tuple[Level, ...]", levels)),
            times=frozenset(times),
            pairs=frozenset(),
            lifetime=lifetime,
            metrics=frozenset(),
            refuses=frozenset(),
            meaning=description,
            sure=True,
            added=True,
        )
        return self._unless_known(place, record, own_dimensions().get(name), ("type", "lifetime"))

    def _unless_known(self, place: str, record: R, of_release: R | None, facts: tuple[str, ...]) -> R | None:
        """The record, if the catalogue lacks it; a contradiction is a problem, a repetition a note.

        A metric that the catalogue has may be added to a further type of report.
        """
        if of_release is None:
            return record
        keys = {"additive": "summable"}
        for fact in facts:
            if getattr(record, fact) != getattr(of_release, fact):
                self.add(
                    f"{place}.{keys.get(fact, fact)}",
                    phrase(
                        "the catalogue of this release has %(name)s with %(key)s: %(value)s; remove the entry",
                        name=record.name,
                        key=keys.get(fact, fact),
                        value=str(getattr(of_release, fact)).lower() or "none",
                    ),
                )
                return None
        if isinstance(record, Metric) and isinstance(of_release, Metric) and record.reports <= FURTHER_TYPES:
            new = record.reports - of_release.reports
            if new:
                # Their lists of metrics are not public, so a name that other reports have may be theirs, too.
                reports, doubtful = of_release.reports | new, of_release.doubtful | new
                return replace(of_release, reports=reports, doubtful=doubtful)
        wider = [
            key
            for key in ("reports", "levels", "times", "gmv_max")
            if getattr(record, key, frozenset()) - getattr(of_release, key, frozenset())
        ]
        if wider:
            self.add(
                place,
                phrase(
                    "the catalogue of this release has %(name)s with fewer %(keys)s; remove the entry",
                    name=record.name,
                    keys=", ".join(wider),
                ),
            )
        else:
            self.notes.append(
                phrase("%(place)s is in the catalogue of this release by now; remove the entry.", place=place)
            )
        return None

    def _values(self, given: Any) -> Mapping[str, Mapping[str, str]]:
        labels: dict[str, dict[str, str]] = {}
        if given is None:
            return labels
        if not isinstance(given, dict):
            self.add("values", phrase("write one key for each column, and below it VALUE: label"))
            return labels
        own = own_value_labels()
        for column, entries in given.items():
            place = f"values.{column}"
            if column not in own:
                near = get_close_matches(str(column), own, n=3)
                self.add(place, phrase("no column of the catalogue has values with labels by this name"), near)
            elif not isinstance(entries, dict):
                self.add(place, phrase("write VALUE: label below it"))
            else:
                labels[column] = self._labels(place, entries, own[column])
        return {column: entries for column, entries in labels.items() if entries}

    def _labels(self, place: str, entries: Mapping[Any, Any], own: Mapping[str, str]) -> dict[str, str]:
        labels: dict[str, str] = {}
        for value, label in entries.items():
            value_place = f"{place}.{value}"
            if not isinstance(label, str) or not _VALUE.fullmatch(label) or not _VALUE.fullmatch(str(value)):
                self.add(value_place, phrase("write VALUE: label, each on one line of at most 100 characters"))
            elif str(value) not in own:
                labels[str(value)] = label
            elif str.__str__(own[str(value)]) == label:
                note = phrase(
                    "%(place)s is in the catalogue of this release by now; remove the entry.", place=value_place
                )
                self.notes.append(note)
            else:
                self.add(
                    value_place,
                    phrase("the catalogue of this release calls it %(label)s; remove the entry", label=own[str(value)]),
                )
        return labels

    def _known_keys(self, place: str, entry: Mapping[str, Any], keys: tuple[str, ...]) -> None:
        for key in entry:
            if key not in keys:
                near = get_close_matches(str(key), keys, n=1)
                self.add(f"{place}.{key}", phrase("unknown; the keys are %(keys)s", keys=", ".join(keys)), near)

    def _texts(self, place: str, entry: Mapping[str, Any]) -> tuple[str, str]:
        return self._text(place, entry, "title", LONGEST_TITLE), self._text(
            place, entry, "description", LONGEST_DESCRIPTION
        )

    def _text(self, place: str, entry: Mapping[str, Any], key: str, most: int) -> str:
        value = entry.get(key)
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if not text or len(text) > most:
            self.add(f"{place}.{key}", phrase("required: text of at most %(most)s characters", most=most))
        return text

    def _choice(self, place: str, entry: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
        value = str(entry.get(key) or "")
        if value not in choices:
            reason = phrase("required: one of %(choices)s", choices=", ".join(choices))
            self.add(f"{place}.{key}", reason, get_close_matches(value, choices, n=1))
            return ""
        return value

    def _choices(
        self, place: str, entry: Mapping[str, Any], key: str, choices: tuple[str, ...], *, required: bool = False
    ) -> tuple[str, ...]:
        value = entry.get(key)
        if value is None and not required:
            return ()
        names = value if isinstance(value, list) else [value]
        if not names or any(not isinstance(name, str) or name not in choices for name in names):
            word = phrase("required: some of %(choices)s", choices=", ".join(choices))
            self.add(f"{place}.{key}", word)
            return ()
        return tuple(choice for choice in choices if choice in names)

    def _switch(self, place: str, entry: Mapping[str, Any], key: str) -> bool | None:
        value = entry.get(key)
        if value is None:
            return None
        switch = _SWITCH.get(str(value).lower())
        if switch is None:
            self.add(f"{place}.{key}", phrase("write true or false"))
        return switch

    def _unit(self, place: str, entry: Mapping[str, Any], kind: str) -> str:
        units, given = UNITS.get(kind, ()), entry.get("unit")
        if given is not None and str(given) not in units:
            reason = (
                phrase("of type %(type)s: %(units)s", type=kind, units=", ".join(units))
                if units
                else phrase("only numbers have a unit; remove it")
            )
            self.add(f"{place}.unit", reason)
        elif given is None and kind == "float":
            self.add(f"{place}.unit", phrase("required: one of %(choices)s", choices=", ".join(units)))
        return str(given or (units[0] if units else ""))

    def _summable(self, place: str, entry: Mapping[str, Any], kind: str) -> bool:
        summable = self._switch(place, entry, "summable")
        if kind in UNITS and entry.get("summable") is None:
            reason = phrase(
                "required: true if values of several rows may be added, as with cost; false for users, rates and costs "
                "per result"
            )
            self.add(f"{place}.summable", reason)
        elif summable and kind not in ("money", "int"):
            self.add(f"{place}.summable", phrase("only money and int can be summed; write false, or remove it"))
        return bool(summable)

    def _gmv_max(self, place: str, entry: Mapping[str, Any], reports: tuple[str, ...]) -> tuple[str, ...]:
        if "gmv_max" not in reports:
            if entry.get("gmv_max_levels") is not None:
                self.add(f"{place}.gmv_max_levels", phrase("only with the report gmv_max; remove it"))
            return ()
        return self._choices(place, entry, "gmv_max_levels", GMV_MAX_LEVELS, required=True)
