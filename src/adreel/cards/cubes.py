"""Tables of sums, made in as few passes over the rows as will do, from which every card of a page is read.

A pass costs about as much for one card as for ten, so cards that tell rows apart by the same things share one table,
and so do those that tell by what goes with the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adreel.cards.figures import Count, Figure, Own, Quotient, Sum
from adreel.cards.offers import DAY, HOUR, MONTH, Offer
from adreel.cards.selection import Selection
from adreel.cards.source import VIEW, Source, day_of, where, within
from adreel.dataset import Dataset, key_columns
from adreel.dates import Span
from adreel.lake.engine import literal, quoted

CURRENCY = "@currency"
_ROWS = quoted("@rows")
_LAST = quoted("@last")


@dataclass(frozen=True, slots=True)
class Cube:
    """A table of sums by `by`: columns, or DAY, HOUR and MONTH of a column."""

    name: str
    by: frozenset[str]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table of sums is made, as SQL with a place for a column."""

    rows: str
    total: str
    present: str
    greatest: str


_MANY = _Shape("count(*)", "sum({})", "count({})", "max({})")
_ONE = _Shape("1", "{}", "CAST({} IS NOT NULL AS INTEGER)", "{}")
"""Of a single row."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of the sums: an offer's figures by what, of which days, under which conditions.

    `by` are columns or DAY, HOUR and MONTH, `labels` columns with names of what stands in them. `extra` are further
    expressions and `tail` is what comes after the groups, both as SQL.
    """

    offer: Offer
    by: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    days: Span | None = None
    conditions: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    tail: str = ""


class Cubes:
    """The tables of sums for some cards."""

    def __init__(
        self, source: Source, dataset: Dataset, columns: frozenset[str], selection: Selection, offers: Sequence[Offer]
    ) -> None:
        """Makes them; `columns` are the dataset's in its table, `offers` cards that can be shown."""
        self._source = source
        self._dataset = dataset
        self._columns = columns
        self._selection = selection
        self._cubes = tuple(self._plan(offers))
        self._paired: frozenset[Quotient] = frozenset()
        self._make()
        self.incomplete = self._incomplete()
        """Columns that rates are made of and that some rows have no value for."""
        if self.incomplete:
            every = (one.making for cube in self._cubes for one in cube.figures)
            self._paired = frozenset(
                one for one in every if isinstance(one, Quotient) and {one.over, one.under} & self.incomplete
            )
            self._make()

    def rows(self, ask: Ask) -> list[tuple[Any, ...]]:
        """The rows that are asked for: what they are told apart by, names, the offer's figures, what is extra."""
        offer = ask.offer
        cube = self._cube_for(_wanted(offer, self._selection))
        conditions = list(ask.conditions)
        if offer.has_money:
            conditions.append(f"{quoted(CURRENCY)} = {literal(self._selection.facts.currency or '')}")
        if ask.days is not None and DAY in cube.by:
            conditions.append(f"{quoted(DAY)} BETWEEN DATE '{ask.days.start}' AND DATE '{ask.days.end}'")
        by = [quoted(one) for one in ask.by]
        labels = (self._label(one, cube) for one in ask.labels)
        shown = [*by, *labels, *(self.value(one) for one in offer.figures), *ask.extra]
        group = f"GROUP BY {', '.join(by)}" if by else "HAVING count(*) > 0"
        query = ("SELECT", ", ".join(shown), "FROM", quoted(cube.name), where(*conditions), group, ask.tail)
        return self._source.rows(*query)

    def value(self, figure: Figure) -> str:
        """A figure over rows of sums, as SQL: the one place that computes one."""
        match figure.making:
            case Sum(column):
                return f"sum({quoted('+' + column)})"
            case Quotient(over, under, scale) as making:
                names = (f"{over}|{under}", f"{under}|{over}") if making in self._paired else ("+" + over, "+" + under)
                above, below = (f"CAST(sum({quoted(name)}) AS DOUBLE)" for name in names)
                return f"{scale} * {above} / nullif({below}, 0)"
            case Own(column):
                return f"CASE WHEN sum({_ROWS}) = 1 THEN max({quoted('=' + column)}) END"
            case Count():
                return f"sum({_ROWS})"

    def _label(self, column: str, cube: Cube) -> str:
        """The newest name of an id: a thing that was renamed has its old name in older rows."""
        if self._dataset.time == "none":
            return f"max({quoted(column)})"
        return f"arg_max({quoted(column)}, {quoted(DAY) if DAY in cube.by else _LAST})"

    # -- which tables

    def _plan(self, offers: Sequence[Offer]) -> Iterator[Cube]:
        """As few tables as have what every card is told apart by."""
        wanted = {offer.key: _wanted(offer, self._selection) for offer in offers}
        joint: frozenset[str] = frozenset().union(*(by for by in wanted.values() if self._goes_with_ids(by)))
        every = {joint if self._goes_with_ids(by) else by for by in wanted.values()}
        largest = [by for by in every if not any(by < other for other in every)]
        figures: dict[frozenset[str], dict[Figure, None]] = {
            by: {} for by in sorted(largest, key=lambda by: (len(by), sorted(by)))
        }
        for offer in offers:
            figures[_first(figures, wanted[offer.key])].update(dict.fromkeys(offer.needed))
        for number, (by, needed) in enumerate(figures.items()):
            yield Cube(f"@sums {number}", by, tuple(needed))

    def _goes_with_ids(self, by: frozenset[str]) -> bool:
        """Whether these are ids of a report's rows and what goes with them, and not further ways to tell them apart."""
        apart = {*self._dataset.breakdowns, DAY, HOUR}
        return bool(self._dataset.metrics) and not by & apart

    def _cube_for(self, by: frozenset[str]) -> Cube:
        cubes = {cube.by: cube for cube in self._cubes}
        return cubes[_first(cubes, by)]

    # -- how they are made

    def _make(self) -> None:
        for cube in self._cubes:
            shown = [f"{self._by(one)} AS {quoted(one)}" for one in sorted(cube.by)]
            shown.append(f"{self._currency()} AS {quoted(CURRENCY)}")
            groups = ", ".join(str(number + 1) for number in range(len(shown)))
            shape = _ONE if self._is_one_row_each(cube) else _MANY
            last = "1" if self._dataset.time == "none" or DAY in cube.by else day_of(self._dataset)
            shown += [f"{shape.rows} AS {_ROWS}", f"{shape.greatest.format(last)} AS {_LAST}"]
            shown += self._sums(cube, shape)
            days = self._selection.read if DAY in cube.by else self._selection.facts.window
            query = ["SELECT", ", ".join(shown), f"FROM {VIEW}"]
            query.append(where(self._selection.condition, within(self._dataset, days) if days else ""))
            if shape is _ONE:
                self._source.keep("VIEW", cube.name, *query)
            else:
                self._source.keep("TABLE", cube.name, *query, "GROUP BY", groups)

    def _is_one_row_each(self, cube: Cube) -> bool:
        """Whether the rows are told apart as far as they can be, so that there is nothing to sum up beforehand."""
        days = {"day": "stat_time_day", "hour": "stat_time_hour"}
        told = {DAY} if self._dataset.time == "day" else {DAY, HOUR}
        time = {days[self._dataset.time]} if self._dataset.time != "none" and told <= cube.by else set()
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
        return f"coalesce({quoted('currency')}, '')" if "currency" in self._columns else "''"

    def _sums(self, cube: Cube, shape: _Shape) -> Iterator[str]:
        makings = [figure.making for figure in cube.figures]
        quotients = [one for one in makings if isinstance(one, Quotient)]
        parts = dict.fromkeys(part for one in quotients for part in (one.over, one.under))
        summed = dict.fromkeys((*(one.column for one in makings if isinstance(one, Sum)), *parts))
        yield from (f"{shape.total.format(quoted(name))} AS {quoted('+' + name)}" for name in summed)
        yield from (f"{shape.present.format(quoted(name))} AS {quoted('#' + name)}" for name in parts)
        own = dict.fromkeys(one.column for one in makings if isinstance(one, Own))
        yield from (f"{shape.greatest.format(quoted(name))} AS {quoted('=' + name)}" for name in own)
        pairs = [(one.over, one.under) for one in quotients if one in self._paired]
        for name, other in dict.fromkeys((*pairs, *((under, over) for over, under in pairs))):
            value = f"CASE WHEN {quoted(other)} IS NOT NULL THEN {quoted(name)} END"
            yield f"{shape.total.format(value)} AS {quoted(f'{name}|{other}')}"

    def _incomplete(self) -> frozenset[str]:
        found: set[str] = set()
        for cube in self._cubes:
            quotients = [one.making for one in cube.figures if isinstance(one.making, Quotient)]
            parts = list(dict.fromkeys(part for one in quotients for part in (one.over, one.under)))
            if parts:
                counts = ", ".join(f"sum({_ROWS}) > sum({quoted('#' + part)})" for part in parts)
                ((answers),) = self._source.rows("SELECT", counts, "FROM", quoted(cube.name))
                found |= {part for part, lacking in zip(parts, answers, strict=True) if lacking}
        return frozenset(found)


def _first(tables: Iterable[frozenset[str]], by: frozenset[str]) -> frozenset[str]:
    """The first of the tables, which begin with the smallest, that tells apart what is wanted."""
    return next(one for one in tables if by <= one)


def _wanted(offer: Offer, selection: Selection) -> frozenset[str]:
    """What a card's rows are told apart by, with the names of ids."""
    by: set[str] = {side.by for side in offer.sides}
    by |= {side.label for side in offer.sides if side.label}
    if any(isinstance(figure.making, Own) for figure in offer.figures):
        by.add("advertiser_id")
    if offer.card.previous and selection.facts.previous is not None:
        by.add(DAY)
    return frozenset(by)
