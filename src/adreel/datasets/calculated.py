"""The calculated metrics of a dataset: read from its file, checked, and as columns that tables are read with.

They are never stored: whoever reads a table computes them from the columns of its version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from adreel import catalog
from adreel.catalog.calculated import UNITS, CalculatedMetric, CalculatedUnit, unit_of
from adreel.catalog.formulas import Expression, FormulaError, name_spans, parse, parts
from adreel.datasets.menus import Offer, nearest
from adreel.datasets.values import scalar
from adreel.language import integer, phrase, phrases

KEY = "calculated_metrics"
"""The key of dataset files."""

MOST = 50
"""Calculated metrics of a dataset."""

LONGEST_TITLE = 100

_KEYS = ("name", "title", "formula", "unit", "meaning")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class ProblemList(Protocol):
    """Collects the problems of a dataset file."""

    def add(self, menu: str, reason: str, nearest: str | None = None) -> None:
        """One more problem."""


@dataclass(frozen=True, slots=True)
class Calculations:
    """The calculated metrics of a file, and the metrics that they need and that the file does not name."""

    metrics: tuple[CalculatedMetric, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is selected although the file does not name it, in a sentence."""
        if not self.added:
            return ()
        return (
            phrases(
                "Calculated metrics need %(metrics)s, which was added to the metrics.",
                "Calculated metrics need %(metrics)s, which were added to the metrics.",
                len(self.added),
                metrics=", ".join(self.added),
            ),
        )


def read_calculated(
    given: Any, selected: Iterable[str], offers: Iterable[Offer], columns: Iterable[str], problems: ProblemList
) -> Calculations:
    """The value of the key in a dataset file; what is wrong is added to `problems`.

    `selected` are the metrics of the dataset, `offers` all that its report has, `columns` the names of its columns.
    """
    entries = [] if given is None else given if isinstance(given, list) else [given]
    if len(entries) > MOST:
        problems.add(
            KEY, phrase("%(entries)s are listed; the limit is %(limit)s", entries=integer(len(entries)), limit=MOST)
        )
        return Calculations()
    reading = _EntryReader(tuple(selected), {offer.value: offer for offer in offers}, frozenset(columns), problems)
    metrics = tuple(metric for entry in entries if (metric := reading.metric(entry)) is not None)
    return Calculations(metrics, tuple(reading.added))


@dataclass(frozen=True, slots=True)
class FormulaFault:
    """What is wrong with a formula. `spans` are the characters at fault, as in `FormulaError`; none for all of it."""

    reason: str
    nearest: str | None = None
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadFormula:
    """A formula that was read: as a tree with the unit of what it gives, or with everything that is wrong."""

    expression: Expression | None
    unit: CalculatedUnit | None
    faults: tuple[FormulaFault, ...] = ()


def read_formula(formula: str, unit: str = "") -> ReadFormula:
    """The formula; `unit` is one of `UNITS`, or empty for the one that follows from it.

    Whether the report has the metrics is not asked here.
    """
    try:
        expression = parse(formula)
        names = parts(expression)
        if not names:
            raise FormulaError(phrase("the formula has no metric"))
        # Each is asked, so that every one that cannot be summed is named at once.
        faults = tuple(fault for name in names if (fault := _fault_of(name)) is not None)
        if not faults:
            return ReadFormula(expression, unit_of(expression, unit or None, catalog.metrics()))
    except FormulaError as error:
        return ReadFormula(None, None, (FormulaFault(str(error), None, (error.span,) if error.span else ()),))
    spans = name_spans(formula)
    return ReadFormula(None, None, tuple(replace(fault, spans=spans[name]) for name, fault in faults))


def _fault_of(part: str) -> tuple[str, FormulaFault] | None:
    """Why the metric of a formula cannot be summed, with its name; None if its values may be summed."""
    metric = catalog.metrics().get(part)
    if metric is None:
        ready = catalog.calculated_metrics().get(part)
        if ready is None:
            return part, FormulaFault(phrase("%(metric)s is not a metric", metric=repr(part)), _like(part))
        return part, FormulaFault(
            phrase(
                "%(metric)s is not a metric; it is calculated itself: write its formula, (%(formula)s)",
                metric=repr(part),
                formula=ready.formula,
            )
        )
    if metric.additive:
        return None
    if metric.numerator and metric.denominator:
        factor = f"{metric.scale} * " if metric.scale != 1 else ""
        return part, FormulaFault(
            phrase(
                "%(metric)s is non-additive: its values must not be summed over rows; write (%(formula)s) instead",
                metric=part,
                formula=f"{factor}{metric.numerator} / {metric.denominator}",
            )
        )
    return part, FormulaFault(
        phrase("%(metric)s is non-additive: its values must not be summed over rows", metric=part)
    )


@dataclass(frozen=True, slots=True)
class EntryFault:
    """What is wrong with an entry; `key` is that of the entry at fault, empty if none is."""

    key: str
    reason: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry as a file would have it: the metric, or what is wrong; `added` are metrics that it needs besides."""

    metric: CalculatedMetric | None
    faults: tuple[EntryFault, ...]
    added: tuple[str, ...]


def check_entry(
    entry: Any, others: Iterable[Any], selected: Iterable[str], offers: Iterable[Offer], columns: Iterable[str]
) -> CheckedEntry:
    """One entry beside the `others` of a file, by the same rules as `read_calculated`."""
    faults = _Faults()
    reading = _EntryReader(tuple(selected), {offer.value: offer for offer in offers}, frozenset(columns), faults)
    for other in others:
        reading.metric(other)
    faults.found.clear()
    reading.added.clear()
    metric = reading.metric(entry)
    return CheckedEntry(metric, tuple(faults.found), tuple(reading.added))


class _Faults:
    """Collects what is wrong with an entry."""

    def __init__(self) -> None:
        self.found: list[EntryFault] = []

    def add(self, menu: str, reason: str, nearest: str | None = None) -> None:
        """One more."""
        self.found.append(EntryFault(menu.partition(".")[2], reason, nearest))


class _EntryReader:
    """Reads the entries of one file."""

    def __init__(
        self, selected: tuple[str, ...], offers: Mapping[str, Offer], columns: frozenset[str], problems: ProblemList
    ) -> None:
        self._selected = selected
        self._offers = offers
        self._columns = columns
        self._problems = problems
        self._names: set[str] = set()
        self.added: dict[str, None] = {}

    def metric(self, entry: Any) -> CalculatedMetric | None:
        """The calculated metric of an entry: the name of a ready-made one, or keys; None after a problem was added."""
        values = entry if isinstance(entry, dict) else {"name": scalar(entry)}
        if not isinstance(entry, dict) and not scalar(entry).strip():
            self._problems.add(KEY, phrase("must be names of ready-made ones, or name with formula"))
            return None
        name = scalar(values.get("name")).strip()
        unknown = [str(key) for key in values if key not in _KEYS]
        for key in unknown:
            self._problems.add(
                f"{KEY}.{key}",
                phrase("%(key)s is not a key of a calculated metric", key=repr(key)),
                nearest(key, _KEYS),
            )
        if unknown or not self._is_free(name):
            return None
        metric = self._own(name, values) if "formula" in values else self._ready(name, values)
        if metric is None or not self._is_computable(metric):
            return None
        self._names.add(name)
        return metric

    def _is_free(self, name: str) -> bool:
        """Whether a column may have the name."""
        if not _NAME.fullmatch(name):
            reason = (
                phrase("%(name)s is not a name; use small letters, digits and _, such as hook_rate", name=repr(name))
                if name
                else phrase("required")
            )
            self._problems.add(f"{KEY}.name", reason)
        elif name in self._names:
            self._problems.add(f"{KEY}.name", phrase("%(name)s is listed more than once", name=name))
        elif name in catalog.metrics() or name in catalog.dimensions() or name in self._columns:
            self._problems.add(
                f"{KEY}.name", phrase("%(name)s is the name of a column of TikTok's; choose another", name=name)
            )
        else:
            return True
        return False

    def _ready(self, name: str, values: Mapping[str, Any]) -> CalculatedMetric | None:
        ready = catalog.calculated_metrics().get(name)
        if ready is None:
            near = nearest(name, catalog.calculated_metrics())
            self._problems.add(
                KEY, phrase("%(name)s is not a ready-made calculated metric, and has no formula", name=name), near
            )
            return None
        if scalar(values.get("unit")):
            self._problems.add(
                f"{KEY}.unit", phrase("%(name)s has its unit; write a formula to choose another", name=name)
            )
            return None
        return replace(
            ready,
            title=scalar(values.get("title")).strip() or ready.title,
            meaning=scalar(values.get("meaning")).strip() or ready.meaning,
        )

    def _own(self, name: str, values: Mapping[str, Any]) -> CalculatedMetric | None:
        formula, unit = scalar(values.get("formula")).strip(), scalar(values.get("unit")).strip()
        title = scalar(values.get("title")).strip() or name.replace("_", " ").capitalize()
        if unit and unit not in UNITS:
            reason = phrase(
                "%(name)s: %(unit)s is not a unit; choose from %(units)s, or leave it out",
                name=name,
                unit=repr(unit),
                units=", ".join(UNITS),
            )
            self._problems.add(f"{KEY}.unit", reason, nearest(unit, UNITS))
            return None
        if len(title) > LONGEST_TITLE:
            self._problems.add(
                f"{KEY}.title",
                phrase("%(name)s: longer than %(characters)s characters", name=name, characters=LONGEST_TITLE),
            )
            return None
        read = read_formula(formula, unit)
        for fault in read.faults:
            self._problems.add(f"{KEY}.formula", f"{name}: {fault.reason}", fault.nearest)
        if read.expression is None or read.unit is None:
            return None
        meaning = scalar(values.get("meaning")).strip() or f"{title}."
        return CalculatedMetric(name, title, formula, read.unit, meaning, read.expression)

    def _is_computable(self, metric: CalculatedMetric) -> bool:
        """Whether the report has every metric of the formula; those that are not selected are added."""
        missing = [part for part in metric.parts if part not in self._selected]
        refusals = {part: offer.refusal if (offer := self._offers.get(part)) else phrase("unknown") for part in missing}
        for part, refusal in refusals.items():
            if refusal is not None:
                self._problems.add(
                    KEY, phrase("%(name)s needs %(metric)s: %(reason)s", name=metric.name, metric=part, reason=refusal)
                )
        if any(refusal is not None for refusal in refusals.values()):
            return False
        self.added.update(dict.fromkeys(missing))
        return True


@dataclass(frozen=True, slots=True)
class Removed:
    """A calculated metric that does not go with what is chosen, and why."""

    name: str
    reason: str


def fitting_entries(given: Any, offers: Mapping[str, Offer]) -> tuple[list[Any], tuple[Removed, ...]]:
    """The entries of a file whose metrics the report offers, and those removed.

    Entries that cannot be read stay, to be told of by the check.
    """
    kept: list[Any] = []
    removed: list[Removed] = []
    for entry in given if isinstance(given, list) else [given]:
        refusals = [offers[part].refusal for part in _parts_of(entry) if part in offers]
        refusal = next((refusal for refusal in refusals if refusal is not None), None)
        if refusal is None:
            kept.append(entry)
        else:
            removed.append(Removed(_title_of(entry), refusal))
    return kept, tuple(removed)


def _parts_of(entry: Any) -> tuple[str, ...]:
    values = entry if isinstance(entry, dict) else {"name": scalar(entry)}
    ready = catalog.calculated_metrics().get(scalar(values.get("name")))
    if "formula" not in values:
        return ready.parts if ready else ()
    try:
        return parts(parse(scalar(values["formula"])))
    except FormulaError:
        return ()


def _title_of(entry: Any) -> str:
    values = entry if isinstance(entry, dict) else {"name": scalar(entry)}
    name = scalar(values.get("name"))
    ready = catalog.calculated_metrics().get(name)
    return scalar(values.get("title")) or (ready.title if ready else name)


def _like(word: str) -> str | None:
    """Additive metrics with a name like `word`, or whose title it is."""
    additive = [metric for metric in catalog.metrics().values() if metric.additive]
    plain = word.replace("_", " ").lower()
    titled = [metric.name for metric in additive if metric.title.lower() == plain]
    return ", ".join(titled) or nearest(word, [metric.name for metric in additive])
