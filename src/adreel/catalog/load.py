"""Reads the CSV files beside this module into records, once per process, with what the home adds to them.

Each metric, dimension or field is one line of its file. Titles, meanings and labels are translated when shown. A list
is names separated by blanks, a flag is `yes` or empty. Empty `levels` means all, empty `unit` the type's usual one.
`formula` is a rate or cost such as `1000 * spend / impressions`; `event` is a surface and an event on it such as
`app: purchase count`, from which twins are derived; `metrics` of a dimension may contain `@group` for a whole group;
`sure` is `no` or empty. A line of gmv_max.csv has the levels of GMV Max reports with a metric, one of labels.csv the
display name of a value in some columns, one of calculated.csv a ready-made calculated metric, one of synonyms.csv what
marketers call some metrics, in small letters with single blanks, the most likely metric first.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

from adreel.catalog.additions import in_force, per_catalogue
from adreel.catalog.calculated import CalculatedMetric, unit_of
from adreel.catalog.formulas import parse
from adreel.catalog.records import LEVELS, Dimension, DimensionKind, Event, Field, Level, Metric, ValueType
from adreel.language import Phrase

_HERE = Path(__file__).parent
_ALL_LEVELS: frozenset[Level] = frozenset(LEVELS)
_UNITS = {"money": "account_currency", "int": "count", "rate": "percent", "ratio": "ratio"}


def _rows(name: str) -> list[dict[str, str]]:
    with (_HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@cache
def _names(cell: str) -> frozenset[str]:
    return frozenset(cell.split())


@cache
def _levels(cell: str) -> frozenset[Level]:
    return cast(frozenset[Level], _names(cell)) if cell else _ALL_LEVELS


def _formula(cell: str) -> tuple[str | None, str | None, int]:
    """Numerator, denominator and scale of a cell such as `1000 * spend / impressions`."""
    if not cell:
        return None, None, 1
    over, under = cell.split(" / ")
    scale, _, numerator = over.rpartition(" * ")
    return numerator, under, int(scale or 1)


def _twins(rows: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """By metric, the metrics of the same event, such as `purchase count`, on other surfaces, such as `website`."""
    by_event: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if row["event"]:
            surface, event = row["event"].split(": ")
            by_event[event].append((surface, row["name"]))
    return {
        name: tuple(other for elsewhere, other in same if elsewhere != surface)
        for same in by_event.values()
        for surface, name in same
    }


def _metric(row: Mapping[str, str], twins: tuple[str, ...], gmv_max: frozenset[str]) -> Metric:
    numerator, denominator, scale = _formula(row["formula"])
    return Metric(
        name=row["name"],
        title=Phrase(row["title"]),
        group=row["group"],
        type=cast(ValueType, row["type"]),
        unit=row["unit"] or _UNITS.get(row["type"], ""),
        additive=row["additive"] == "yes",
        reports=_names(row["reports"]),
        levels=_levels(row["levels"]),
        attribute=row["attribute"] == "yes",
        needs_any=_names(row["needs_any"]),
        refuses=_names(row["refuses"]),
        id_and_day_only=row["id_and_day_only"] == "yes",
        numerator=numerator,
        denominator=denominator,
        scale=scale,
        twins=twins,
        meaning=Phrase(row["meaning"]),
        sure=row["sure"] != "no",
        doubtful=_names(row["doubtful"]),
        surface=row["event"].partition(": ")[0],
        event=row["event"].partition(": ")[2],
        gmv_max=gmv_max,
    )


def _allowed(cell: str) -> frozenset[str]:
    """The metrics of a cell, with each `@group` replaced by the group's metrics."""
    names = _names(cell)
    groups = {name[1:] for name in names if name.startswith("@")}
    if not groups:
        return names
    group_metrics = {metric.name for metric in own_metrics().values() if metric.group in groups}
    return frozenset(group_metrics | {name for name in names if not name.startswith("@")})


@cache
def _refusing() -> Mapping[str, frozenset[str]]:
    """The metrics that cannot be combined with a dimension, by dimension."""
    refusing: dict[str, set[str]] = defaultdict(set)
    for metric in own_metrics().values():
        for dimension in metric.refuses:
            refusing[dimension].add(metric.name)
    return {dimension: frozenset(names) for dimension, names in refusing.items()}


def _dimension(row: Mapping[str, str]) -> Dimension:
    return Dimension(
        name=row["name"],
        title=Phrase(row["title"]),
        kind=cast(DimensionKind, row["kind"]),
        type=cast(ValueType, row["type"]),
        reports=_names(row["reports"]),
        levels=_levels(row["levels"]),
        times=_names(row["times"]),
        pairs=_names(row["pairs"]),
        lifetime=row["lifetime"] == "yes",
        metrics=_allowed(row["metrics"]),
        refuses=_refusing().get(row["name"], frozenset()),
        meaning=Phrase(row["meaning"]),
        sure=row["sure"] != "no",
        doubtful=_names(row["doubtful"]),
    )


@per_catalogue()
def metrics() -> Mapping[str, Metric]:
    """Every known metric of TikTok's reports by its API name, in the order of the file; added ones come last."""
    added = in_force().metrics
    return MappingProxyType({**own_metrics(), **added}) if added else own_metrics()


@cache
def own_metrics() -> Mapping[str, Metric]:
    """The metrics without those that the home adds."""
    rows = _rows("metrics.csv")
    twins = _twins(rows)
    levels = {row["metric"]: _names(row["levels"]) for row in _rows("gmv_max.csv")}
    return MappingProxyType(
        {row["name"]: _metric(row, twins.get(row["name"], ()), levels.get(row["name"], frozenset())) for row in rows}
    )


@cache
def synonyms() -> Mapping[str, Mapping[str, int]]:
    """By metric what marketers call it, each with the metric's place among those that are called so."""
    by_metric: dict[str, dict[str, int]] = defaultdict(dict)
    for row in _rows("synonyms.csv"):
        for place, name in enumerate(row["metrics"].split()):
            by_metric[name][row["phrase"]] = place
    return MappingProxyType({name: MappingProxyType(phrases) for name, phrases in by_metric.items()})


@per_catalogue()
def events() -> Mapping[str, Event]:
    """Every event that is counted on several surfaces, such as `purchase count`, by name, with its metrics."""
    by_event: dict[str, dict[str, tuple[str, ...]]] = {}
    for metric in metrics().values():
        if metric.twins:
            surfaces = by_event.setdefault(metric.event, {})
            surfaces[metric.surface] = (*surfaces.get(metric.surface, ()), metric.name)
    return MappingProxyType({name: Event(name, MappingProxyType(surfaces)) for name, surfaces in by_event.items()})


@cache
def calculated_metrics() -> Mapping[str, CalculatedMetric]:
    """The ready-made calculated metrics by name, in the order of the file."""
    return MappingProxyType({row["name"]: _calculated(row) for row in _rows("calculated.csv")})


def _calculated(row: Mapping[str, str]) -> CalculatedMetric:
    expression = parse(row["formula"])
    unit = unit_of(expression, row["unit"] or None, metrics())
    title, meaning = Phrase(row["title"]), Phrase(row["meaning"])
    return CalculatedMetric(row["name"], title, row["formula"], unit, meaning, expression)


@per_catalogue()
def dimensions() -> Mapping[str, Dimension]:
    """Every known dimension of TikTok's reports by its API name, in the order of the file; added ones come last."""
    added = in_force().dimensions
    return MappingProxyType({**own_dimensions(), **added}) if added else own_dimensions()


@cache
def own_dimensions() -> Mapping[str, Dimension]:
    """The dimensions without those that the home adds."""
    return MappingProxyType({row["name"]: _dimension(row) for row in _rows("dimensions.csv")})


@cache
def fields() -> Mapping[str, tuple[Field, ...]]:
    """The columns of each entity list by the report's name, in the order of the table."""
    by_report: dict[str, list[Field]] = defaultdict(list)
    for row in _rows("fields.csv"):
        by_report[row["report"]].append(Field(row["name"], cast(ValueType, row["type"]), Phrase(row["meaning"])))
    return MappingProxyType({report: tuple(columns) for report, columns in by_report.items()})


@per_catalogue()
def value_labels() -> Mapping[str, Mapping[str, str]]:
    """The display names of TikTok's constants: by column, the label of each value."""
    own, added = own_value_labels(), in_force().values
    if not added:
        return own
    return MappingProxyType(
        {column: MappingProxyType({**own.get(column, {}), **added.get(column, {})}) for column in {**own, **added}}
    )


@cache
def own_value_labels() -> Mapping[str, Mapping[str, str]]:
    """The display names without those that the home adds."""
    by_column: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _rows("labels.csv"):
        label = Phrase(row["label"])
        for column in _names(row["columns"]):
            by_column[column][row["value"]] = label
    return MappingProxyType({column: MappingProxyType(of_column) for column, of_column in by_column.items()})
