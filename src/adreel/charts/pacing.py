"""Spend against a budget that a person typed: how far it is, where an even pace would be, and where it leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from adreel.charts.periods import ONE_DAY
from adreel.dates import Span


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount in a currency, to be spent over some days."""

    amount: Decimal
    currency: str
    days: Span


@dataclass(frozen=True, slots=True)
class PacingDay:
    """A day of the budget: its spend and the spend until its end, None if it is not over, and the even pace."""

    day: date
    spend: Decimal | None
    cumulated: Decimal | None
    even: Decimal


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a budget goes until the last complete day.

    `spent` is the spend to date, `expected` what an even pace would have spent by then, `projected` the spend at the
    end if the average so far goes on; None before the first complete day. `left` are the days that are not over.
    """

    days: tuple[PacingDay, ...]
    spent: Decimal
    expected: Decimal
    projected: Decimal | None
    left: int


def pacing(budget: Budget, spend: dict[date, Decimal], until: date | None) -> Pacing:
    """The pacing of a budget from the `spend` by day; `until` is the last complete day, None without one."""
    total = budget.days.days
    over = 0 if until is None else max(0, min(total, (until - budget.days.start).days + 1))
    days, spent = [], Decimal(0)
    for number in range(total):
        day = budget.days.start + number * ONE_DAY
        even = budget.amount * (number + 1) / total
        if number < over:
            spent += spend.get(day, Decimal(0))
            days.append(PacingDay(day, spend.get(day), spent, even))
        else:
            days.append(PacingDay(day, None, None, even))
    return Pacing(
        days=tuple(days),
        spent=spent,
        expected=budget.amount * over / total,
        projected=spent * total / over if over else None,
        left=total - over,
    )
