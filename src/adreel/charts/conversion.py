"""Money of several currencies converted to one, at rates that people imported.

Each amount of a row is multiplied by the rate of the row's day in its ad account's zone, exactly, and then summed: the
same as converting each day's sum. Nothing is rounded before that. Where a day with money has no rate, nothing is
converted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from adreel import catalog
from adreel.charts.daily_lists import columns
from adreel.charts.periods import ONE_DAY
from adreel.charts.source import VIEW, CardSource, day_of, where, within_any
from adreel.datasets.dataset import Dataset
from adreel.dates import Span
from adreel.enumerations import first_of
from adreel.exchange_rates import PLACES, Rates, RateTable, missing_rates
from adreel.lake.engine import literal, quoted, sql
from adreel.language import Phrase, integer, phrase, phrases, shown_day, shown_days, shown_time
from adreel.store import ExchangeRate, RateImport

CONVERTED = "@converted"
"""The view whose amounts are converted; as `VIEW` otherwise."""

_RATES = "@rates"
_RATE_TYPE = f"DECIMAL(22, {PLACES})"

MOST_NAMED = 3

WHERE_RATES_ARE = Phrase("Import rates of these days under Workspace > Rates, or choose a currency.")


@dataclass(frozen=True, slots=True)
class ConversionOffer:
    """A currency that money can be converted to; `refusal` says why it cannot, None if it can."""

    target: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """How money is converted to `target`: the rate of each of the `days`, by currency; None where none is needed.

    `used` are the rates that were needed and `imports` where they come from. `fixed_day` is the day whose rates are
    used for every day; None if each day has its own.
    """

    target: str
    days: Span
    by_currency: Mapping[str, tuple[Decimal | None, ...]]
    used: tuple[ExchangeRate, ...]
    carried: int
    imports: tuple[RateImport, ...]
    fixed_day: date | None

    def create(self, source: CardSource, dataset: Dataset, names: Collection[str]) -> None:
        """Creates the rates and the view `CONVERTED` in the connection; `names` are the table's columns."""
        source.keep("TABLE", _RATES, " UNION ALL ".join(map(self._rate_rows, self.by_currency)))
        day = _rate_day_of(dataset, self.days.end)
        self.keep_view(source, CONVERTED, VIEW, amounts_of(dataset, names), quoted("currency"), day)

    def keep_view(
        self, source: CardSource, name: str, over: str, amounts: Collection[str], currency: str, day: str
    ) -> None:
        """Creates the view `name` of `over` in which the columns `amounts` are converted.

        `currency` and `day` are the currency and the day of its rows, as SQL.
        """
        # An amount of zero is zero whatever the rate; one without a rate is null, but then nothing is shown.
        rate = f"e.{quoted('@rate')}"
        converted = ", ".join(
            f"CASE WHEN t.{quoted(amount)} = 0 THEN 0 ELSE t.{quoted(amount)} * {rate} END AS {quoted(amount)}"
            for amount in amounts
        )
        source.keep(
            "VIEW",
            name,
            *("SELECT t.*", f"REPLACE ({converted})" if amounts else "", "FROM", over, "AS t"),
            *("LEFT JOIN", quoted(_RATES), "AS e ON", f"e.{quoted('@of')} = {currency} AND e.{quoted('@on')} = {day}"),
        )

    def _rate_rows(self, currency: str) -> str:
        """The rates of a currency as SQL. As one text, as a list of thousands of values takes long to be parsed."""
        rates = self.by_currency[currency]
        texts = literal(",".join("" if rate is None else format(rate, "f") for rate in rates))
        return sql(
            *("SELECT", literal(currency), "AS", quoted("@of")),
            f", CAST(DATE '{self.days.start}' + CAST(number AS INTEGER) AS DATE) AS {quoted('@on')}",
            f", CAST(nullif(rate, '') AS {_RATE_TYPE}) AS {quoted('@rate')}",
            *("FROM (SELECT", f"unnest(range({len(rates)})) AS number"),
            f", unnest(string_split({texts}, ',')) AS rate)",
        )

    @property
    def notes(self) -> Iterator[str]:
        """What is said of the rates under every chart with money."""
        if self.fixed_day:
            yield phrase(
                "Amounts are converted to %(currency)s at the rates of %(day)s for all days, then summed.",
                currency=self.target,
                day=shown_day(self.fixed_day),
            )
        else:
            yield phrase(
                "Amounts are converted to %(currency)s at the rate of each day, then summed.", currency=self.target
            )
        sources = [_source_words(rate_import) for rate_import in self.imports]
        if self.used:
            first, last = min(rate.day for rate in self.used), max(rate.day for rate in self.used)
            yield phrase(
                "Rates used: %(days)s, imported %(imports)s.",
                days=shown_days(first, last),
                imports=first_of(sources, MOST_NAMED),
            )
        if self.carried:
            yield phrases(
                "%(rates)s rate of a day and currency is that of an earlier day, as on weekends.",
                "%(rates)s rates of a day and currency are those of an earlier day, as on weekends.",
                self.carried,
                rates=integer(self.carried),
            )


def _source_words(rate_import: RateImport) -> str:
    """When, by whom and from which file rates were imported, to follow "imported"."""
    time, person = shown_time(rate_import.imported_at), rate_import.imported_by
    if rate_import.file:
        return phrase("%(time)s UTC by %(person)s from %(file)s", time=time, person=person, file=rate_import.file)
    return phrase("%(time)s UTC by %(person)s", time=time, person=person)


@dataclass(frozen=True, slots=True)
class Converting:
    """What came of the wish to convert: a conversion, or why there is none.

    `previous_refusal` says why the period compared with cannot be converted, `budget_refusal` why a budget's days.
    """

    conversion: Conversion | None = None
    refusal: str | None = None
    previous_refusal: str | None = None
    budget_refusal: str | None = None


@dataclass(frozen=True, slots=True)
class ConvertedDays:
    """The days to convert: those shown, those compared with, and those of a budget that are over."""

    shown: Span
    previous: Span | None = None
    budget: Span | None = None

    @property
    def parts(self) -> tuple[Span | None, ...]:
        """Those shown, compared with, and of the budget."""
        return self.shown, self.previous, self.budget

    @property
    def spans(self) -> tuple[Span, ...]:
        """Those that there are."""
        return tuple(span for span in self.parts if span is not None)

    @property
    def every_day(self) -> tuple[date, ...]:
        """Every day of the spans, in order."""
        return tuple(sorted({span.start + number * ONE_DAY for span in self.spans for number in range(span.days)}))

    @property
    def whole(self) -> Span:
        """From the first to the last."""
        return Span(min(span.start for span in self.spans), max(span.end for span in self.spans))


def has_amounts(dataset: Dataset, names: Collection[str]) -> bool:
    """Whether the table, with the columns `names`, has amounts that are summed."""
    return bool(_summable_amounts(dataset, names))


def offers_of(
    dataset: Dataset, names: Collection[str], currencies: Collection[str], targets: Iterable[str]
) -> tuple[ConversionOffer, ...]:
    """What the money of a report can be converted to. `currencies` are those of the table with columns `names`.

    Empty for tables without money, and for those that have money in the target alone.
    """
    if not has_amounts(dataset, names):
        return ()
    refusal = static_refusal(dataset, names)
    return tuple(ConversionOffer(target, refusal) for target in targets if set(currencies) != {target})


def static_refusal(dataset: Dataset, names: Collection[str]) -> str | None:
    """Why the table cannot be converted, whatever the rates; None if it can."""
    if "currency" not in names:
        return phrase("Amounts cannot be converted, as the table has no column with their currency.")
    if dataset.time == "none" and (dataset.lifetime or "end_date" not in names):
        return phrase("Amounts cannot be converted, as the table does not say of which days they are.")
    return None


def _rate_day_of(dataset: Dataset, last: date) -> str:
    """SQL for the day whose rate converts a row; that of a table without days is the `last` day of its range."""
    return f"DATE '{last}'" if dataset.time == "none" else day_of(dataset)


@dataclass(frozen=True, slots=True)
class ConvertedRows:
    """The rows to convert: those of a table with the columns `names` under a `condition`.

    `currencies` are those of their ad accounts; empty for unknown.
    """

    source: CardSource
    dataset: Dataset
    names: Collection[str]
    condition: str
    currencies: frozenset[str]


def converting(
    rows: ConvertedRows, days: ConvertedDays, target: str, rates: Rates | None, fixed_day: date | None
) -> Converting:
    """The conversion of rows to the target. With a `fixed_day` its rates are used for every day."""
    if rates is None or target not in rates.targets:
        return Converting(
            refusal=phrase(
                "There are no rates to %(currency)s. Import rates under Workspace > Rates, or choose a currency.",
                currency=target,
            )
        )
    whole = days.whole
    asked = Span(min(whole.start, fixed_day or whole.start), max(whole.end, fixed_day or whole.end))
    foreign = sorted(rows.currencies - {target})
    table = rates.table(target, [currency for currency in foreign if currency], asked)
    lacking = {
        currency: [day for day in days.every_day if table.on(currency, fixed_day or day) is None]
        for currency in foreign
    }
    if any(lacking.values()):
        # Days without money need no rate.
        with_money = _days_with_money(rows, days.spans, target)
        lacking = {currency: [day for day in own if day in with_money[currency]] for currency, own in lacking.items()}
    if _within(lacking.get("", ()), days.shown):
        return Converting(
            refusal=phrase(
                "Some rows with money have no known currency, so they cannot be converted. Choose a currency."
            )
        )
    refused = [_missing(lacking, span, target, fixed_day) if span else None for span in days.parts]
    if refused[0] is not None:
        return Converting(refusal=f"{refused[0]} {WHERE_RATES_ARE}")
    converted_spans = [span for span, reason in zip(days.parts, refused, strict=True) if span and reason is None]
    return Converting(_conversion(table, foreign, converted_spans, whole, fixed_day), None, *refused[1:])


def _conversion(
    table: RateTable, currencies: Sequence[str], spans: Sequence[Span], whole: Span, fixed_day: date | None
) -> Conversion:
    every_day = [whole.start + number * ONE_DAY for number in range(whole.days)]
    taken: dict[tuple[str, date], ExchangeRate] = {}
    carried = set[tuple[str, date]]()
    by_currency: dict[str, tuple[Decimal | None, ...]] = {table.target: (Decimal(1),) * whole.days}
    for currency in filter(None, currencies):
        rates = [table.on(currency, fixed_day or day) for day in every_day]
        by_currency[currency] = tuple(None if rate is None else rate.rate for rate in rates)
        for day, rate in zip(every_day, rates, strict=True):
            if rate is not None and any(span.start <= day <= span.end for span in spans):
                taken[currency, rate.day] = rate
                if rate.day != (fixed_day or day):
                    carried.add((currency, fixed_day or day))
    ids = sorted({rate.import_id for rate in taken.values()}, reverse=True)
    return Conversion(
        target=table.target,
        days=whole,
        by_currency=by_currency,
        used=tuple(taken.values()),
        carried=len(carried),
        imports=tuple(table.imports[import_id] for import_id in ids if import_id in table.imports),
        fixed_day=fixed_day,
    )


def _missing(lacking: Mapping[str, Sequence[date]], span: Span, target: str, fixed_day: date | None) -> str | None:
    """Which days of the span have no rate, by currency; None if all that need one have it."""
    inside = {currency: _within(days, span) for currency, days in lacking.items()}
    return missing_rates(
        target, {currency: [fixed_day] if fixed_day and days else days for currency, days in inside.items()}
    )


def _within(days: Iterable[date], span: Span) -> list[date]:
    return [day for day in days if span.start <= day <= span.end]


def _days_with_money(rows: ConvertedRows, spans: Sequence[Span], target: str) -> Mapping[str, set[date]]:
    """The days on which ad accounts of other currencies have amounts, by currency; empty for unknown."""
    currency = f"coalesce({quoted('currency')}, '')"
    money = " OR ".join(f"{quoted(name)} <> 0" for name in _summable_amounts(rows.dataset, rows.names))
    shown = within_any(rows.dataset, spans) if rows.dataset.time != "none" else ""
    conditions = where(rows.condition, f"{currency} <> {literal(target)}", shown, money)
    query = ("SELECT DISTINCT", currency, ",", _rate_day_of(rows.dataset, spans[0].end), "FROM", VIEW, conditions)
    days: dict[str, set[date]] = defaultdict(set)
    for code, day in rows.source.kept_rows(*query):
        days[code].add(day)
    return days


def amounts_of(dataset: Dataset, names: Collection[str]) -> list[str]:
    """The columns with amounts in the currency of the ad account."""
    return [
        column.name
        for column in columns(dataset)
        if column.name in names and (column.type == "money" or column.unit == "account_currency")
    ]


def _summable_amounts(dataset: Dataset, names: Collection[str]) -> list[str]:
    """Those of the report that are of a day: all others follow from them, or are settings."""
    if not dataset.metrics:
        return []
    metrics = catalog.metrics()
    return [
        column.name
        for column in columns(dataset)
        if column.name in names
        and column.part == "metrics"
        and column.type == "money"
        and (column.name not in metrics or metrics[column.name].additive)
    ]
