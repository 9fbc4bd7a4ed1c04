"""What a person chose on the Charts tab, as the address has it: days, comparison, filters, metrics and a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import cast
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from adreel.charts import (
    CALENDAR_PERIODS,
    COMPARISONS,
    Budget,
    CalendarPeriod,
    CardChoices,
    CardFacts,
    CardFilter,
    Comparison,
)
from adreel.charts.filters import FILTERS
from adreel.charts.periods import read_span
from adreel.dates import Span
from adreel.errors import InputError
from adreel.exchange_rates import CURRENCIES
from adreel.language import phrase

ALL_DAYS = "all"
CUSTOM = "custom"
AUTO = "auto"
"""The days that charts open with: the longest of a few periods that can be compared."""

UNCONVERTED = "each"
"""A person's choice to see each currency by itself."""

CONVERT = "convert:"
"""How a menu of currencies begins those that money is converted to."""

DAILY_RATES, FIXED_RATES = "daily", "fixed"
"""Whether each day is converted at its own rates, or all days at those of the last."""

MOST_CHOSEN = 200
"""Values of one filter that an address may have."""


@dataclass(frozen=True, slots=True)
class AskedCharts:
    """What an address asks for. `metrics` are metrics by the keys of the charts that show them."""

    choices: CardChoices = field(default_factory=CardChoices)
    metrics: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names and values of the address, without those that nobody has to write."""
        return tuple(self._pairs())

    def _pairs(self) -> Iterator[tuple[str, str]]:
        chosen = self.choices
        if chosen.convert:
            yield "convert", chosen.convert
            if chosen.fixed_rates:
                yield "rates", FIXED_RATES
        elif chosen.currency:
            yield "currency", chosen.currency
        yield from (("advertiser", advertiser) for advertiser in chosen.advertisers)
        for card_filter in chosen.filters:
            yield from ((card_filter.key, value) for value in card_filter.values)
        yield from _days_pairs(chosen)
        yield from _comparison_pairs(chosen)
        yield from (("metric", f"{key}:{name}") for key, name in self.metrics.items())
        if chosen.budget is not None:
            yield "budget", str(chosen.budget.amount)
            yield "budget_currency", chosen.budget.currency
            yield "budget_start", str(chosen.budget.days.start)
            yield "budget_end", str(chosen.budget.days.end)

    @property
    def query(self) -> str:
        """The query of the address, with its question mark; empty without any choice."""
        return f"?{urlencode(self.pairs)}" if self.pairs else ""

    def having(self, *names: str, **values: str | Iterable[str]) -> str:
        """The query with other `values`, and without what else the address has of `names` and of these."""
        kept = [pair for pair in self.pairs if pair[0] not in names and pair[0] not in values]
        for name, value in values.items():
            kept += [(name, text) for text in ([value] if isinstance(value, str) else value)]
        # Never empty: an address without choices opens the last ones.
        return f"?{urlencode(kept or [('days', AUTO)])}"


def _days_pairs(chosen: CardChoices) -> Iterator[tuple[str, str]]:
    match chosen.days:
        case None:
            yield "days", ALL_DAYS
        case Span(start, end):
            yield from (("days", CUSTOM), ("start", str(start)), ("end", str(end)))
        case days if not chosen.fitting_days:
            yield "days", str(days)


def _comparison_pairs(chosen: CardChoices) -> Iterator[tuple[str, str]]:
    match chosen.comparison:
        case Span(start, end):
            yield from (("compare", CUSTOM), ("compare_start", str(start)), ("compare_end", str(end)))
        case comparison if comparison != CardChoices().comparison:
            yield "compare", comparison


def asked_of(address: QueryParams) -> AskedCharts:
    """What the address asks for. InputError, which names the part, for what no table could have."""

    def text(name: str) -> str:
        return address.get(name, "")

    convert = converted_to(text("convert"), text("currency"))
    choices = CardChoices(
        currency=None if convert else text("currency") or None,
        days=days_of(text("days").removesuffix(AUTO), text("start"), text("end")),
        fitting_days=text("days") == AUTO,
        advertisers=_several(address, "advertiser"),
        comparison=comparison_of(text("compare"), text("compare_start"), text("compare_end")),
        filters=tuple(CardFilter(key, values) for key in FILTERS if (values := _several(address, key))),
        budget=budget_of(*(text(f"budget{part}") for part in ("", "_currency", "_start", "_end"))),
        convert=convert,
        fixed_rates=bool(convert) and fixed_rates_of(text("rates")),
    )
    metrics = dict(chosen.rpartition(":")[::2] for chosen in _several(address, "metric"))
    return AskedCharts(choices, MappingProxyType({key: name for key, name in metrics.items() if key and name}))


def opened_with(address: QueryParams, last_currency: str = "") -> AskedCharts:
    """What a page at the address shows: of what it does not choose, the person's last currency and days that fit.

    `last_currency` is a code, a currency to convert to as `convert:EUR`, or UNCONVERTED. Without one, and for tables
    that do not have it, money of several currencies is converted to the usual one where there are rates for all of it.
    InputError, which names the part, for what no table could have.
    """
    asked = asked_of(address)
    has_days = any(address.get(name) for name in ("days", "start", "end"))
    target = target_of(last_currency)
    return replace(
        asked,
        choices=replace(
            asked.choices,
            fitting_days=asked.choices.fitting_days or not has_days,
            preferred_currency=last_currency if target is None else None,
            convert_if_possible=target,
        ),
    )


def target_of(last_currency: str) -> str | None:
    """The currency to convert to, by the person's last choice; empty for the usual one, None for none."""
    return last_currency.removeprefix(CONVERT) if not last_currency or last_currency.startswith(CONVERT) else None


def converted_to(convert: str, currency: str = "") -> str | None:
    """The currency to convert money to; also from a menu of currencies, which has `convert:EUR`. None for none."""
    code = convert or (currency.removeprefix(CONVERT) if currency.startswith(CONVERT) else "")
    if code and code not in CURRENCIES:
        raise InputError(
            phrase("convert: %(currency)s is not a currency. Use a code such as EUR.", currency=repr(code[:20]))
        )
    return code or None


def fixed_rates_of(rates: str) -> bool:
    """Whether all days are converted at the rates of one. InputError for what says neither."""
    if rates not in ("", DAILY_RATES, FIXED_RATES):
        raise InputError(
            phrase(
                "rates: %(rates)s is neither %(daily_rates)s nor %(fixed_rates)s.",
                rates=repr(rates[:20]),
                daily_rates=DAILY_RATES,
                fixed_rates=FIXED_RATES,
            )
        )
    return rates == FIXED_RATES


def _several(address: QueryParams, name: str) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(filter(None, address.getlist(name))))
    if len(values) > MOST_CHOSEN:
        raise InputError(
            phrase(
                "%(filter)s: %(values)s values are more than the %(limit)s that an address can have.",
                filter=name,
                values=len(values),
                limit=MOST_CHOSEN,
            )
        )
    return values


def days_of(days: str, start: str = "", end: str = "") -> int | CalendarPeriod | Span | None:
    """The period: a number of days, a calendar period, `all`, or a range. InputError for what is none."""
    if days == CUSTOM or (not days and (start or end)):
        return read_span(start, end, phrase("Period"))
    if days in ("", ALL_DAYS):
        return None if days else CardChoices().days
    if days in CALENDAR_PERIODS:
        return cast(CalendarPeriod, days)
    if days.isascii() and days.isdecimal() and len(days) < 5:
        return int(days)
    raise InputError(
        phrase(
            "%(days)s is not a valid number of days. Enter a number such as 30, or %(all_days)s.",
            days=repr(days),
            all_days=ALL_DAYS,
        )
    )


def comparison_of(compare: str, start: str = "", end: str = "") -> Comparison | Span:
    """The comparison: where the days to compare with are, or a range. InputError for what is none."""
    if compare == CUSTOM or (not compare and (start or end)):
        return read_span(start, end, phrase("Comparison"))
    if compare in ("", *COMPARISONS):
        return cast(Comparison, compare or CardChoices().comparison)
    raise InputError(
        phrase(
            "%(comparison)s is not a comparison. Choose one of: %(comparisons)s.",
            comparison=repr(compare),
            comparisons=", ".join((*COMPARISONS, CUSTOM)),
        )
    )


def budget_of(amount: str, currency: str = "", start: str = "", end: str = "") -> Budget | None:
    """The budget that a person typed; None without an amount. InputError for what is none."""
    typed = amount.strip().replace(",", "").replace("\N{NO-BREAK SPACE}", "").replace(" ", "")
    if not typed:
        return None
    try:
        value = Decimal(typed)
    except InvalidOperation:
        raise InputError(
            phrase("Budget: %(amount)s is not an amount. Enter a number such as 5000.", amount=repr(amount))
        ) from None
    if not value.is_finite() or not 0 < value < Decimal(10) ** 15:
        raise InputError(
            phrase("Budget: %(amount)s is not an amount above zero. Enter a number such as 5000.", amount=repr(amount))
        )
    return Budget(value, currency, read_span(start, end, phrase("Budget")))


def as_shown(asked: AskedCharts, facts: CardFacts) -> AskedCharts:
    """What is asked for, with the currency and days that are shown: they belong to an address that others open."""
    choices = asked.choices
    if choices.fitting_days and facts.window is not None:
        choices = replace(choices, days=facts.days, fitting_days=False)
    if facts.convert:
        choices = replace(choices, convert=facts.convert)
    elif len(facts.currencies) > 1 and facts.currency is not None:
        choices = replace(choices, currency=facts.currency)
    return replace(asked, choices=choices)
