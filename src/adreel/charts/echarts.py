"""A card's data as a chart description for the browser, and as a table of texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from adreel.charts.definitions import rise_of
from adreel.charts.labels import amount, named, shown_month
from adreel.charts.measures import Sum
from adreel.charts.notes import is_late
from adreel.charts.rows import CardColumn, CardData, Value
from adreel.charts.tiles import country_tiles
from adreel.language import WEEKDAYS, phrase, shown_day

Json = dict[str, Any]

NO_VALUE = "\N{EN DASH}"
"""For a figure that does not exist: no rows of the day, a rate without its denominator, a day that is to come."""


@dataclass(frozen=True, slots=True)
class CardTable:
    """A card as a table of texts. The first text of a row is its header; `numeric` says which columns are numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def chart_of(data: CardData) -> Json:
    """The chart as plain JSON values; the docstring of `adreel.charts` describes their shape."""
    offer = data.offer
    chart: Json = {
        "name": offer.key,
        "kind": offer.kind,
        "title": offer.title,
        "meaning": data.meaning,
        "notes": list(data.notes),
        "refusal": None if data.refusal is None else str(data.refusal),
        "empty": data.is_empty,
        "converted": data.converted,
    }
    if data.refusal is not None or data.is_empty:
        return chart
    match offer.kind:
        case "numbers":
            return chart | _numbers(data)
        case "line":
            return chart | _line(data)
        case "heat":
            return chart | _heat(data)
        case "grouped":
            return chart | _grouped(data)
        case "curve":
            return chart | _curve(data)
        case "pacing":
            return chart | _pacing(data)
        case "map":
            return chart | _map(data)
        case _:
            return chart | _bars(data)


def as_table(data: CardData) -> CardTable:
    """The card's figures as texts, one row per category."""
    caption = f"{data.offer.title}. {data.meaning}"
    if data.refusal is not None:
        return CardTable(caption, (), (), ())
    if data.places("series") and len(data.places("value")) == 1:
        return _crossed(caption, data)
    shown = [number for number, column in enumerate(data.columns) if column.role not in ("id", "open", "picture")]
    rows = tuple(tuple(_cell_text(data, row, number) for number in shown) for row in data.rows)
    columns = [data.columns[number] for number in shown]
    return CardTable(
        caption, tuple(column.title for column in columns), rows, tuple(column.unit is not None for column in columns)
    )


def _crossed(caption: str, data: CardData) -> CardTable:
    """A table with a row per category and a column per series."""
    crossed = _Crossed(data)
    (place,) = data.places("category")
    category, value = data.columns[place], data.columns[crossed.values[0]]
    opened = {row[place] for row in data.rows if data.is_open(row) or data.is_late(row, crossed.values[0])}
    rows = tuple(
        (
            _text(category_value, category, category_value in opened),
            *(_text(cell, value) for cell in crossed.row(category_value, crossed.values[0])),
        )
        for category_value in crossed.categories
    )
    head = (category.title, *map(str, crossed.series))
    return CardTable(caption, head, rows, (False, *(True for _ in crossed.series)))


def _cell_text(data: CardData, row: tuple[Value, ...], place: int) -> str:
    text = _text(row[place], data.columns[place], data.is_open(row))
    is_late = row[place] is not None and not data.is_open(row) and data.is_late(row, place)
    return phrase("%(value)s (incomplete)", value=text) if is_late else text


def _text(value: Value, column: CardColumn, is_open: bool = False) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, date):
        day = shown_month(value) if column.name == "month" else shown_day(value)
        return phrase("%(day)s (incomplete)", day=day) if is_open and column.role == "category" else day
    if column.unit is None or isinstance(value, str):
        return str(value)
    return amount(value, column.unit, column.currency, column.decimals)


class _Crossed:
    """Rows with a category and a series, as a grid."""

    def __init__(self, data: CardData) -> None:
        (category,), (series,) = data.places("category"), data.places("series")
        self.values = data.places("value")
        self.categories: list[Value] = list(dict.fromkeys(row[category] for row in data.rows))
        self.series: list[Value] = list(dict.fromkeys(row[series] for row in data.rows))
        self._rows = {(row[category], row[series]): row for row in data.rows}

    def row(self, category: Value, place: int) -> list[Value]:
        """The values of one category, series by series."""
        return [self._cell(category, series_value, place) for series_value in self.series]

    def column(self, series: Value, place: int) -> list[Value]:
        """The values of one series, category by category."""
        return [self._cell(category_value, series, place) for category_value in self.categories]

    def _cell(self, category: Value, series: Value, place: int) -> Value:
        row = self._rows.get((category, series))
        return None if row is None else row[place]


def _format(column: CardColumn) -> Json:
    return {"unit": column.unit, "currency": column.currency, "decimals": column.decimals}


def _axis(data: CardData, values: Sequence[Value]) -> Json:
    (place,) = data.places("category")
    column = data.columns[place]
    kind = column.name if column.name in ("day", "month") else "text"
    texts = [value.strftime("%Y-%m") if kind == "month" and isinstance(value, date) else str(value) for value in values]
    axis: Json = {"title": column.title, "type": kind, "values": texts}
    ids = data.places("id")
    if ids:
        axis["ids"] = [row[ids[0]] for row in data.rows]
    for picture in data.places("picture"):
        axis["pictures"] = _column(data, picture)
    if data.places("open"):
        opened = {row[place] for row in data.rows if data.is_open(row)}
        axis["open"] = [number for number, value in enumerate(values) if value in opened]
    return axis


def _series(name: str, role: str, values: Sequence[Value]) -> Json:
    return {"name": name, "role": role, "values": list(values)}


def _column(data: CardData, place: int) -> list[Value]:
    return [row[place] for row in data.rows]


def _numbers(data: CardData) -> Json:
    now, before = data.rows[0], data.rows[1] if len(data.rows) > 1 else None
    late = {figure.name for figure in data.offer.figures if is_late(figure.computation)}
    numbers = [
        {
            "title": data.columns[place].title,
            "format": _format(data.columns[place]),
            "value": now[place],
            "previous": None if before is None else before[place],
            "change": None if before is None else _change(now[place], before[place]),
            "rise": rise_of(data.columns[place].name),
            "late": data.columns[place].name in late,
        }
        for place in data.places("value")
    ]
    return {"numbers": numbers, "period": now[0], "previous_period": before[0] if before else ""}


def _change(now: Value, before: Value) -> float | None:
    """The change in percent; None if the earlier value is zero or missing."""
    if not isinstance(now, int | float) or not isinstance(before, int | float) or not before:
        return None
    return 100 * (now - before) / abs(before)


def _line(data: CardData) -> Json:
    if data.places("series"):
        return _grouped(data) | {"previous_x": None}
    (place,) = data.places("category")
    previous = data.places("previous")
    sums = {figure.name for figure in data.offer.figures if isinstance(figure.computation, Sum)}
    panels = []
    for number, value in enumerate(data.places("value")):
        column = data.columns[value]
        series = [_series(column.title, "main", _column(data, value))]
        if previous:
            earlier = previous[number]
            series.append(_series(data.columns[earlier].title, "previous", _column(data, earlier)))
        total = _total(data, value) if column.name in sums else None
        panel = {"title": _panel_title(data, column), "format": _format(column), "series": series, "total": total}
        panels.append(panel | _late_days(data, value))
    days = data.places("previous_category")
    before = [None if day is None else str(day) for day in _column(data, days[0])] if days else None
    return {"x": _axis(data, _column(data, place)), "previous_x": before, "panels": panels}


def _total(data: CardData, place: int) -> float | None:
    """The sum of a figure over the complete days; None if nothing is known of it."""
    rows = [row for row in data.rows if not data.is_open(row) and not data.is_late(row, place)]
    values = [value for row in rows if isinstance(value := row[place], int | float)]
    return math.fsum(values) if values else None


def _late_days(data: CardData, place: int) -> Json:
    """The positions of days on which the figure alone was incomplete, if there are any."""
    (category,) = data.places("category")
    days = list(dict.fromkeys(row[category] for row in data.rows))
    late = {row[category] for row in data.rows if not data.is_open(row) and data.is_late(row, place)}
    return {"open": [number for number, day in enumerate(days) if day in late]} if late else {}


def _panel_title(data: CardData, column: CardColumn) -> str:
    """The title of an axis without units of its own: money has its currency, unless its title says it already."""
    is_plain = column.unit == "money" and column.currency and data.converted is None
    return f"{column.title} ({column.currency})" if is_plain else column.title


def _grouped(data: CardData) -> Json:
    crossed = _Crossed(data)
    panels = [
        {
            "title": _panel_title(data, data.columns[place]),
            "format": _format(data.columns[place]),
            "series": [
                _series(str(series_value), "part", crossed.column(series_value, place))
                for series_value in crossed.series
            ],
        }
        | _late_days(data, place)
        for place in crossed.values
    ]
    return {"x": _axis(data, crossed.categories), "panels": panels}


def _bars(data: CardData) -> Json:
    """One panel with the first figure; the other figures are shown in the table only."""
    (place,), value = data.places("category"), data.places("value")[0]
    column = data.columns[value]
    panel = {
        "title": column.title,
        "format": _format(column),
        "series": [_series(column.title, "main", _column(data, value))],
    }
    chart: Json = {"x": _axis(data, _column(data, place)), "panels": [panel]}
    shares = data.places("share")
    return chart | {"shares": _column(data, shares[0])} if shares else chart


def _map(data: CardData) -> Json:
    """The bars' figures with a tile for each country of the world; those without rows have null."""
    (place,), value = data.places("id"), data.places("value")[0]
    values = {row[place]: row[value] for row in data.rows}
    tiles = [
        {"code": code, "name": named("country_code", code), "x": tile.column, "y": tile.row, "value": values.get(code)}
        for code, tile in country_tiles().items()
    ]
    return _bars(data) | {"tiles": tiles}


def _curve(data: CardData) -> Json:
    """The quarters of the video as a curve; times, which are on another scale, as numbers."""
    (step,), (quarter,), (share,) = data.places("category"), data.places("id"), data.places("value")
    points = [row for number, row in enumerate(data.rows) if row[quarter] or not number]
    column = data.columns[share]
    panel = {
        "title": column.title,
        "format": _format(column),
        "series": [_series(column.title, "main", [row[share] for row in points])],
    }
    labels = [str(row[quarter] or row[step]) for row in points]
    return {
        "x": {"title": phrase("Part of the video"), "type": "text", "values": labels},
        "panels": [panel],
        "numbers": [
            {"title": row[step], "format": _format(column), "value": row[share]}
            for row in data.rows
            if row not in points
        ],
    }


def _pacing(data: CardData) -> Json:
    (day,), (cumulated,), (even,) = data.places("category"), data.places("value"), data.places("previous")
    column, pacing = data.columns[cumulated], data.pacing
    assert pacing is not None
    panel = {
        "title": column.title,
        "format": _format(column),
        "series": [
            _series(column.title, "main", _column(data, cumulated)),
            _series(data.columns[even].title, "previous", _column(data, even)),
        ],
    }
    amounts = {
        column.title: pacing.spent,
        phrase("Expected at even pace"): pacing.expected,
        phrase("Projected at the end"): pacing.projected,
    }
    numbers = [
        {"title": title, "format": _format(column), "value": None if value is None else float(value)}
        for title, value in amounts.items()
    ]
    left = {
        "title": phrase("Days left"),
        "format": {"unit": "count", "currency": None, "decimals": 0},
        "value": pacing.left,
    }
    return {
        "x": _axis(data, _column(data, day)),
        "previous_x": None,
        "panels": [panel],
        "numbers": [*numbers, left],
    }


def _heat(data: CardData) -> Json:
    crossed = _Crossed(data)
    place = crossed.values[0]
    hours = [f"{hour:02}" for hour in range(24)]
    days = [day for day in map(str, WEEKDAYS) if day in crossed.series]
    grid = {
        (hour, day): value
        for day in days
        for hour, value in zip(crossed.categories, crossed.column(day, place), strict=True)
    }
    cells = [[x, y, grid.get((hour, day))] for y, day in enumerate(days) for x, hour in enumerate(hours)]
    values = [cell[2] for cell in cells if cell[2] is not None]
    (series,) = data.places("series")
    return {
        "x": {"title": phrase("Hour"), "type": "text", "values": hours},
        "y": {"title": data.columns[series].title, "type": "text", "values": days},
        "title_value": data.columns[place].title,
        "format": _format(data.columns[place]),
        "cells": cells,
        "least": min(values),
        "most": max(values),
    }
