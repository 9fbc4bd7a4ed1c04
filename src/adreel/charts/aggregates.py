"""Tables of sums, computed in as few passes over the rows as possible, from which all cards of a page are read.

A pass costs about as much for one card as for ten, so cards with the same grouping share a table, and so do cards that
group by ids of the report and by attributes of these ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adreel.catalog.formulas import sql_of
from adreel.charts.available import DAY, HOUR, MONTH, CardOffer
from adreel.charts.conversion import CONVERTED, amounts_of
from adreel.charts.daily_lists import key_columns
from adreel.charts.measures import CardFigure, Count, Formula, Own, Quotient, Sum, columns_of
from adreel.charts.selection import CardSelection
from adreel.charts.source import VIEW, CardSource, day_of, where, within, within_any
from adreel.datasets.dataset import Dataset
from adreel.dates import Span
from adreel.lake.engine import literal, quoted

CURRENCY = "@currency"
_ROWS = quoted("@rows")
_LAST = quoted("@last")


@dataclass(frozen=True, slots=True)
class Cube:
    """A temporary table of sums, grouped by `by`: columns, DAY, HOUR or MONTH of a column."""

    name: str
    by: frozenset[str]
    figures: tuple[CardFigure, ...]


@dataclass(frozen=True, slots=True)
class _SumShape:
    """SQL templates for the columns of a table of sums, each with a placeholder for a column."""

    rows: str
    total: str
    present: str
    greatest: str


_MANY = _SumShape("count(*)", "sum({})", "count({})", "max({})")
_ONE = _SumShape("1", "{}", "CAST({} IS NOT NULL AS INTEGER)", "{}")
"""For cubes in which each row is a group of its own, so that nothing needs to be aggregated."""


@dataclass(frozen=True, slots=True)
class _CubeSum:
    """A column of a table of sums: its name, its SQL, and the column whose values it has; empty for a count."""

    name: str
    sql: str
    column: str


@dataclass(frozen=True, slots=True)
class CubeQuery:
    """A query of the sums: an offer's figures, grouped by `by`, of some days and under conditions in SQL.

    `by` are columns, DAY, HOUR or MONTH, `labels` columns with the names of ids in `by`. `extra` are further SQL
    expressions, `tail` is the SQL after GROUP BY.
    """

    offer: CardOffer
    by: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    days: Span | None = None
    conditions: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    tail: str = ""


class Cubes:
    """The tables of sums that some cards need, and queries of them."""

    def __init__(
        self,
        source: CardSource,
        dataset: Dataset,
        columns: frozenset[str],
        selection: CardSelection,
        offers: Sequence[CardOffer],
    ) -> None:
        """Creates the tables. `columns` are the dataset's columns in its table, `offers` cards without a refusal."""
        self._source = source
        self._dataset = dataset
        self._columns = columns
        self._selection = selection
        self._view = VIEW
        if selection.conversion is not None:
            selection.conversion.create(source, dataset, columns)
            self._view = quoted(CONVERTED)
        self._cubes = tuple(self._plan(offers))
        self._paired: frozenset[Quotient | Formula] = frozenset()
        self._make()
        self.incomplete = self._incomplete()
        """Parts of rates and calculated metrics that are null in some rows."""
        if self.incomplete:
            computations = (figure.computation for cube in self._cubes for figure in cube.figures)
            self._paired = frozenset(
                computation
                for computation in computations
                if isinstance(computation, Quotient | Formula) and self.incomplete.intersection(computation.parts)
            )
            self._make()

    def rows(self, cube_query: CubeQuery) -> list[tuple[Any, ...]]:
        """Rows of the query's `by`, `labels`, the offer's figures and `extra`, in this order of columns."""
        offer = cube_query.offer
        grouping = _grouping_of(offer, self._selection)
        cube = next(cube for cube in self._cubes if grouping <= cube.by)
        conditions = list(cube_query.conditions)
        if offer.has_money:
            conditions.append(f"{quoted(CURRENCY)} = {literal(self._selection.facts.currency or '')}")
        if cube_query.days is not None and DAY in cube.by:
            conditions.append(f"{quoted(DAY)} BETWEEN DATE '{cube_query.days.start}' AND DATE '{cube_query.days.end}'")
        by = [quoted(column) for column in cube_query.by]
        labels = (self._label(column, cube) for column in cube_query.labels)
        shown = [*by, *labels, *(self.value(figure) for figure in offer.figures), *cube_query.extra]
        group = f"GROUP BY {', '.join(by)}" if by else "HAVING count(*) > 0"
        source = quoted(cube.name)
        return self._source.rows("SELECT", ", ".join(shown), "FROM", source, where(*conditions), group, cube_query.tail)

    def spend_by_day(self, offer: CardOffer, days: Span) -> dict[date, Decimal]:
        """Exact sums of the offer's first figure by day, of any days of the table, in the currency that is shown."""
        day, column = day_of(self._dataset), quoted(offer.figures[0].name)
        currency = f"{self._currency()} = {literal(self._selection.facts.currency or '')}"
        conditions = where(self._selection.condition, currency, within(self._dataset, days))
        rows = self._source.rows("SELECT", day, f", sum({column}) FROM", self._view, conditions, "GROUP BY", day)
        return {row[0]: row[1] for row in rows if row[1] is not None}

    def value(self, figure: CardFigure) -> str:
        """SQL that computes a figure from rows of sums; the only place that does."""
        match figure.computation:
            case Sum(column):
                return f"sum({quoted('+' + column)})"
            case Quotient() | Formula() as computation:
                prefix = _among(computation) if computation in self._paired else "+"
                return sql_of(computation.expression, lambda part: f"sum({quoted(prefix + part)})")
            case Own(column):
                return f"CASE WHEN sum({_ROWS}) = 1 THEN max({quoted('=' + column)}) END"
            case Count():
                return f"sum({_ROWS})"

    def _label(self, column: str, cube: Cube) -> str:
        """SQL for the newest name of an id, as rows from before a renaming have the old name."""
        if self._dataset.time == "none":
            return f"max({quoted(column)})"
        return f"arg_max({quoted(column)}, {quoted(DAY) if DAY in cube.by else _LAST})"

    # -- planning

    def _plan(self, offers: Sequence[CardOffer]) -> Iterator[Cube]:
        """The fewest tables that have every card's grouping."""
        groupings = {offer.key: _grouping_of(offer, self._selection) for offer in offers}
        joint: frozenset[str] = frozenset().union(*(by for by in groupings.values() if self._goes_with_ids(by)))
        distinct_groupings = {joint if self._goes_with_ids(by) else by for by in groupings.values()}
        largest = [by for by in distinct_groupings if not any(by < other for other in distinct_groupings)]
        figures: dict[frozenset[str], dict[CardFigure, None]] = {
            by: {} for by in sorted(largest, key=lambda by: (len(by), sorted(by)))
        }
        for offer in offers:
            figures[_first(figures, groupings[offer.key])].update(dict.fromkeys(offer.needed))
        for number, (by, needed) in enumerate(figures.items()):
            yield Cube(f"@sums {number}", by, tuple(needed))

    def _goes_with_ids(self, by: frozenset[str]) -> bool:
        """Whether the grouping has ids of a report and their attributes only, no breakdowns or times."""
        apart = {*self._dataset.breakdowns, DAY, HOUR}
        return bool(self._dataset.metrics) and not by & apart

    # -- creation

    def _make(self) -> None:
        for cube in self._cubes:
            shape = _ONE if self._is_one_row_each(cube) else _MANY
            conversion = self._selection.conversion
            if conversion is None or shape is _ONE or DAY not in cube.by:
                self._keep(cube, cube.name, shape, self._view, ())
                continue
            # Sums of a day and currency are converted, which are fewer than the rows.
            unconverted, from_currency = f"{cube.name} unconverted", quoted("@from")
            self._keep(cube, unconverted, shape, VIEW, (f"{quoted('currency')} AS {from_currency}",))
            money = amounts_of(self._dataset, self._columns)
            amounts = [cube_sum.name for cube_sum in self._sums(cube, shape) if cube_sum.column in money]
            conversion.keep_view(self._source, cube.name, quoted(unconverted), amounts, from_currency, quoted(DAY))

    def _keep(self, cube: Cube, name: str, shape: _SumShape, view: str, more: Sequence[str]) -> None:
        """Keeps the sums of a view under a name; `more` are further columns to group by."""
        shown = [f"{self._by(column)} AS {quoted(column)}" for column in sorted(cube.by)]
        shown += [f"{self._currency()} AS {quoted(CURRENCY)}", *more]
        groups = ", ".join(str(number + 1) for number in range(len(shown)))
        last = "1" if self._dataset.time == "none" or DAY in cube.by else day_of(self._dataset)
        shown += [f"{shape.rows} AS {_ROWS}", f"{shape.greatest.format(last)} AS {_LAST}"]
        shown += [f"{cube_sum.sql} AS {quoted(cube_sum.name)}" for cube_sum in self._sums(cube, shape)]
        window = self._selection.facts.window
        days = self._selection.read if DAY in cube.by else (window,) if window else ()
        query = ["SELECT", ", ".join(shown), f"FROM {view}"]
        query.append(where(self._selection.condition, within_any(self._dataset, days)))
        if shape is _ONE:
            self._source.keep("VIEW", name, *query)
        else:
            self._source.keep("TABLE", name, *query, "GROUP BY", groups)

    def _is_one_row_each(self, cube: Cube) -> bool:
        """Whether the grouping contains the table's key, so that each row is a group of its own."""
        days = {"day": "stat_time_day", "hour": "stat_time_hour"}
        day_columns = {DAY} if self._dataset.time == "day" else {DAY, HOUR}
        time = {days[self._dataset.time]} if self._dataset.time != "none" and day_columns <= cube.by else set()
        return set(key_columns(self._dataset)) <= cube.by | time

    def _by(self, name: str) -> str:
        if name == DAY:
            return day_of(self._dataset)
        if name == HOUR:
            return f"hour({quoted('stat_time_hour')})"
        if name.startswith(MONTH):
            return f"CAST(date_trunc('month', {quoted(name.removeprefix(MONTH))}) AS DATE)"
        return quoted(name)

    def _currency(self) -> str:
        if self._selection.conversion is not None:
            return literal(self._selection.conversion.target)
        if self._selection.single_currency:
            return literal(self._selection.facts.currency or "")
        return f"coalesce({quoted('currency')}, '')" if "currency" in self._columns else "''"

    def _sums(self, cube: Cube, shape: _SumShape) -> Iterator[_CubeSum]:
        computations = [figure.computation for figure in cube.figures]
        formulas = [computation for computation in computations if isinstance(computation, Quotient | Formula)]
        parts = dict.fromkeys(part for formula in formulas for part in formula.parts)
        summed = dict.fromkeys(
            (*(computation.column for computation in computations if isinstance(computation, Sum)), *parts)
        )
        yield from (_CubeSum(f"+{name}", shape.total.format(quoted(name)), name) for name in summed)
        yield from (_CubeSum(f"#{name}", shape.present.format(quoted(name)), "") for name in parts)
        own_columns = dict.fromkeys(computation.column for computation in computations if isinstance(computation, Own))
        yield from (_CubeSum(f"={name}", shape.greatest.format(quoted(name)), name) for name in own_columns)
        paired = {_among(formula): formula.parts for formula in formulas if formula in self._paired}
        for among, names in paired.items():
            present = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names)
            for name in names:
                value = f"CASE WHEN {present} THEN {quoted(name)} END"
                yield _CubeSum(among + name, shape.total.format(value), name)

    def _incomplete(self) -> frozenset[str]:
        incomplete: set[str] = set()
        for cube in self._cubes:
            computations = [figure.computation for figure in cube.figures]
            formulas = [computation for computation in computations if isinstance(computation, Quotient | Formula)]
            parts = list(dict.fromkeys(part for formula in formulas for part in formula.parts))
            if parts:
                counts = ", ".join(f"sum({_ROWS}) > sum({quoted('#' + part)})" for part in parts)
                ((answers),) = self._source.rows("SELECT", counts, "FROM", quoted(cube.name))
                incomplete |= {part for part, lacking in zip(parts, answers, strict=True) if lacking}
        return frozenset(incomplete)


def _among(computation: Quotient | Formula) -> str:
    """What begins the names of sums over the rows that have all parts of the computation."""
    return f"{'|'.join(sorted(computation.parts))}|"


def _first(tables: Iterable[frozenset[str]], by: frozenset[str]) -> frozenset[str]:
    """The first of the groupings, which are sorted by size, that contains `by`."""
    return next(grouping for grouping in tables if by <= grouping)


def _grouping_of(offer: CardOffer, selection: CardSelection) -> frozenset[str]:
    """What a card's rows are grouped by, with the columns of names of ids."""
    by: set[str] = {axis.by for axis in offer.axes}
    by |= {column for axis in offer.axes for column in (axis.label, axis.picture) if column}
    if any(isinstance(figure.computation, Own) for figure in offer.figures):
        by.add("advertiser_id")
    if offer.card.last_day:
        by.add(DAY)
    has_late = any(selection.complete_until(columns_of(figure.computation)) for figure in offer.figures)
    if offer.card.previous and (selection.facts.previous is not None or has_late):
        by.add(DAY)
    return frozenset(by)
