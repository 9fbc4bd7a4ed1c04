"""How a card's figures are computed: the only place that decides on arithmetic.

An additive metric of the catalogue is summed. A rate, cost or ratio is its scale times the sum of its numerator over
the sum of its denominator, both additive and both in the table. A calculated metric of the dataset is its formula of
sums. Anything else (reach, averages, budgets) is shown row
by row or not at all. Money is summed in one currency at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from adreel import catalog
from adreel.catalog.calculated import CalculatedMetric
from adreel.catalog.formulas import Constant, Expression, MetricSum, Operation, divisors, parts
from adreel.catalog.records import Metric
from adreel.charts.definitions import MONEY, QUARTERS, RATES, RETURNS, ROWS, SPENT, CardSpec, Rest
from adreel.datasets.schema import Column
from adreel.language import phrase

Unit = Literal["money", "count", "percent", "ratio", "seconds", "per_user", "number"]

_UNITS: Mapping[str, Unit] = {
    "account_currency": "money",
    "count": "count",
    "percent": "percent",
    "ratio": "ratio",
    "seconds": "seconds",
    "per_user": "per_user",
    "number": "number",
}
_FIELD_UNITS: Mapping[str, Unit] = {"money": "money", "int": "count"}


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of an additive column."""

    column: str


@dataclass(frozen=True, slots=True)
class Quotient:
    """`scale` times the sum of one additive column over that of another, over the rows that have both."""

    over: str
    under: str
    scale: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The additive columns that are summed."""
        return (self.over, self.under)

    @property
    def divisors(self) -> tuple[str, ...]:
        """Those that it divides by."""
        return (self.under,)

    @property
    def expression(self) -> Expression:
        """The same as a formula."""
        return Operation("/", Operation("*", Constant(str(self.scale)), MetricSum(self.over)), MetricSum(self.under))


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula of the sums of additive columns, over the rows that have all of them."""

    expression: Expression

    @property
    def parts(self) -> tuple[str, ...]:
        """The additive columns that are summed."""
        return parts(self.expression)

    @property
    def divisors(self) -> tuple[str, ...]:
        """Those that it divides by."""
        return divisors(self.expression)


@dataclass(frozen=True, slots=True)
class Own:
    """A row's own value, never summed."""

    column: str


@dataclass(frozen=True, slots=True)
class Count:
    """The number of rows."""


Computation = Sum | Quotient | Formula | Own | Count


def columns_of(computation: Computation) -> tuple[str, ...]:
    """The columns of the table that a figure is computed from."""
    match computation:
        case Sum(column) | Own(column):
            return (column,)
        case Quotient() | Formula():
            return computation.parts
        case Count():
            return ()


@dataclass(frozen=True, slots=True)
class CardFigure:
    """A figure of a card. `has_money` says whether it depends on a currency, as a ratio of two amounts does too."""

    name: str
    title: str
    unit: Unit
    has_money: bool
    computation: Computation


class Figures:
    """The figures that can be computed from a table's columns."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        calculated: Iterable[CalculatedMetric] = (),
        *,
        has_quotients: bool = True,
    ) -> None:
        """`columns` are those of the table, by name, `calculated` the calculated metrics of its dataset.

        Without `has_quotients` no sum may be divided by another, as only some rows have both figures.
        """
        self._columns = columns
        self._has_quotients = has_quotients
        self._has_currency = "currency" in columns
        self.calculated = tuple(_present(map(self._calculated, calculated)))
        """Those that the table has all parts of."""
        self._computable = tuple(figure for figure in map(self.computed, columns) if figure is not None)

    def chosen(self, card: CardSpec) -> tuple[CardFigure, ...]:
        """The card's figures: the preferred ones, then those that fill up; none if fewer than `card.least`."""
        if card.kind == "curve":
            return self._shares(card)
        if card.own:
            candidates = _present(self.own(name) for name in card.figures)
        else:
            candidates = self._distinct((*card.figures, *self._rest(card.rest)))
        shown = tuple(islice(candidates, card.most))
        if card.calculated:
            shown += tuple(figure for figure in self.calculated[: card.calculated] if figure not in shown)
        return shown if len(shown) >= card.least else ()

    def _shares(self, card: CardSpec) -> tuple[CardFigure, ...]:
        """The card's figures as percents of its first, over the rows that have both; none without two quarters."""
        whole, *parts = card.figures
        figures = [self.computed(name) for name in parts] if self._is_summable(whole) else []
        shares = tuple(
            replace(figure, unit="percent", computation=Quotient(figure.name, whole, 100))
            for figure in _present(figures)
        )
        return tuple(shares) if sum(share.name in QUARTERS for share in shares) >= 2 else ()

    def switchable(self, card: CardSpec) -> tuple[CardFigure, ...]:
        """Every figure that the card can show in place of its own, each computation once; the card's own come first."""
        if card.subject == "entities" or card.kind in ("numbers", "funnel", "columns", "curve", "pacing"):
            return ()
        if card.kind == "grouped" and len(card.axes) == 1:
            return ()
        if card.own:
            return tuple(_present(self.own(name) for name in card.figures))
        figures = self._distinct((*card.figures, *RATES, *RETURNS, *self._columns))
        # An hour of the week is an average over days, which a rate of sums has none of.
        return tuple(figure for figure in figures if card.kind != "heat" or isinstance(figure.computation, Sum))

    def not_summable(self, offered: Sequence[CardFigure]) -> tuple[str, ...]:
        """The titles of the table's numeric metrics that are not among those offered, as they cannot be summed."""
        names = {figure.name for figure in offered}
        computations = {figure.computation for figure in offered}
        return tuple(
            column.title
            for column in self._columns.values()
            if column.part == "metrics"
            and column.unit in _UNITS
            and column.name not in names
            and ((figure := self.computed(column.name)) is None or figure.computation not in computations)
        )

    def computed(self, name: str) -> CardFigure | None:
        """The figure as a sum or a quotient of sums; None if the table lacks what it needs."""
        if name == ROWS:
            return CardFigure(ROWS, phrase("Rows"), "count", has_money=False, computation=Count())
        metric = catalog.metrics().get(name)
        if metric is None:
            return None
        if self._is_summable(name):
            return self._figure(metric, Sum(name))
        over, under = metric.numerator, metric.denominator
        if over and under and self._has_quotients and self._is_summable(over) and self._is_summable(under):
            return self._figure(metric, Quotient(over, under, metric.scale))
        return None

    def _calculated(self, metric: CalculatedMetric) -> CardFigure | None:
        """The calculated metric; None if the table lacks one of its parts."""
        if not all(map(self._is_summable, metric.parts)):
            return None
        has_money = any(catalog.metrics()[part].type == "money" for part in metric.parts)
        return CardFigure(metric.name, metric.title, _UNITS[metric.unit], has_money, Formula(metric.expression))

    def own(self, name: str) -> CardFigure | None:
        """The figure as each row's own value; None if the table lacks the column or it is not a number."""
        column = self._columns.get(name)
        if column is None:
            return None
        unit = _UNITS.get(column.unit) or _FIELD_UNITS.get(column.type)
        if unit is None or (unit == "money" and not self._has_currency):
            return None
        return CardFigure(name, column.title, unit, unit == "money", Own(name))

    def _is_summable(self, name: str) -> bool:
        """Whether the table has the column as a metric of the report and its values may be summed."""
        column, metric = self._columns.get(name), catalog.metrics().get(name)
        if column is None or metric is None or column.part != "metrics":
            return False
        return metric.additive and (metric.type != "money" or self._has_currency)

    def _figure(self, metric: Metric, computation: Sum | Quotient) -> CardFigure:
        column = self._columns.get(metric.name)
        summed = (computation.column,) if isinstance(computation, Sum) else computation.parts
        has_money = any(catalog.metrics()[part].type == "money" for part in summed)
        title = column.title if column is not None else metric.title
        return CardFigure(metric.name, title, _UNITS.get(metric.unit, "number"), has_money, computation)

    def _distinct(self, names: Iterable[str]) -> Iterator[CardFigure]:
        """The figures of these names without repeated computations, as two metrics may be the same rate."""
        computations: set[Computation] = set()
        for figure in _present(self.computed(name) for name in names):
            if figure.computation not in computations:
                computations.add(figure.computation)
                yield figure

    def _rest(self, rest: Rest) -> Iterable[str]:
        """Other columns of the table that fill up a card, in the table's order."""
        if rest == "none":
            return ()
        if rest == "twins":
            return self._twins()
        return (figure.name for figure in self._computable if _fits(figure, rest))

    def _twins(self) -> tuple[str, ...]:
        """The first event that the table has on several surfaces, with its twins."""
        for name in self._columns:
            if self._is_summable(name):
                twins = [twin for twin in catalog.metrics()[name].twins if self._is_summable(twin)]
                if twins:
                    return (name, *twins)
        return ()


def _fits(figure: CardFigure, rest: Rest) -> bool:
    match figure.computation:
        case Sum(column):
            is_value = figure.unit == "money" and column not in SPENT
            return rest == "sums" or (rest == "counts" and figure.unit == "count") or (rest == "values" and is_value)
        case Quotient(_, under, _):
            is_return = figure.unit == "ratio" and under in MONEY
            return (rest == "returns" and is_return) or (rest == "rates" and not is_return)
        case _:
            return False


def _present(figures: Iterable[CardFigure | None]) -> Iterator[CardFigure]:
    return (figure for figure in figures if figure is not None)
