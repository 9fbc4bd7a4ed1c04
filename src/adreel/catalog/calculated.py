"""Calculated metrics: a name, a formula of additive metrics, and the unit of what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adreel.catalog.formulas import Expression, FormulaError, money_power, numbers, parts
from adreel.catalog.records import Metric
from adreel.language import phrase

CalculatedUnit = Literal["account_currency", "percent", "ratio", "number"]

UNITS = ("percent", "ratio", "number")
"""The units that can be chosen for what is no amount of money."""


@dataclass(frozen=True, slots=True)
class CalculatedMetric:
    """A metric that is computed from sums of others when tables are read.

    `formula` is the text of `expression`. The unit of an amount of money is the ad account's currency; a percentage has
    its factor of 100 in the formula.
    """

    name: str
    title: str
    formula: str
    unit: CalculatedUnit
    meaning: str
    expression: Expression

    @property
    def parts(self) -> tuple[str, ...]:
        """The metrics whose sums it needs."""
        return parts(self.expression)


def unit_of(expression: Expression, unit: str | None, metrics: Mapping[str, Metric]) -> CalculatedUnit:
    """The unit of what the formula gives; `unit` is one of `UNITS`, or None for the usual one.

    `metrics` has those of the formula. FormulaError for a unit that does not go with the formula.
    """
    power = money_power(expression, {name for name in parts(expression) if metrics[name].type == "money"})
    if (power or 0) not in (-1, 0, 1):
        raise FormulaError(phrase("the formula multiplies money by money, or divides by it twice"))
    if power == 1:
        if unit is not None:
            raise FormulaError(phrase("the formula gives an amount of money, not a %(unit)s; remove unit", unit=unit))
        return "account_currency"
    if unit == "percent" and not any(float(number) == 100 for number in numbers(expression)):
        raise FormulaError(phrase("a percentage needs the factor 100 in its formula, as in 100 * clicks / impressions"))
    return "percent" if unit == "percent" else "ratio" if unit == "ratio" else "number"
