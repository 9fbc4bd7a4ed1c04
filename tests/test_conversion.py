"""Money of several currencies shown in one: exactly what the rates of each day come to, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from adreel.charts import Budget, CardChoices, as_table, chart_of
from adreel.dates import Span
from adreel.exchange_rates import RateTable
from adreel.store import ExchangeRate, RateImport
from test_cards import Row, Shown, column, dataset_with, lake_with, notes_text, row, shown

CODES = {"7": "EUR", "8": "USD", "9": "JPY"}
SOURCE = RateImport(1, datetime(2026, 3, 9, 9, 12, tzinfo=UTC), "ada", "rates.csv")


def day(number: int) -> date:
    return date(2026, 3, number)


@dataclass
class GivenRates:
    """Rates to EUR by currency and day of March 2026."""

    rates: Mapping[tuple[str, int], Decimal]
    valid_days: int = 7
    targets: tuple[str, ...] = ("EUR",)

    @property
    def usual(self) -> str:
        return self.targets[0]

    def table(self, target: str, currencies: Iterable[str], days: Span) -> RateTable:
        since = days.start - timedelta(days=self.valid_days)
        chosen = [
            ExchangeRate(day(number), currency, target, rate, 1)
            for (currency, number), rate in sorted(self.rates.items())
            if currency in set(currencies) and since <= day(number) <= days.end
        ]
        return RateTable(target, self.valid_days, chosen, {1: SOURCE})

    def of(self, currency: str, number: int) -> Fraction | None:
        """The rate of a day, in plain Python."""
        if currency == "EUR":
            return Fraction(1)
        days = [n for code, n in self.rates if code == currency and n <= number < n + self.valid_days]
        return Fraction(self.rates[currency, max(days)]) if days else None


def account_row(account: str, on: int, spend: Decimal | int | None, **more: Any) -> Row:
    return row("1" if account == "7" else "2", on, spend, advertiser_id=account, currency=CODES[account], **more)


def converted(lake: Any, dataset: Any, rates: GivenRates, **choices: Any) -> Shown:
    return shown(lake, dataset, CardChoices(**({"convert": "EUR"} | choices)), rates=rates)


amounts = st.none() | st.just(Decimal(0)) | st.decimals("-1000", "1000000000000", allow_nan=False, places=6)
rates_of_any_kind = st.builds(
    GivenRates,
    st.dictionaries(
        st.tuples(st.sampled_from(["USD", "JPY"]), st.integers(1, 10)),
        st.decimals("0.000000001", "9999999", allow_nan=False, places=15),
        max_size=20,
    ),
    st.integers(1, 8),
)
spend_rows = st.dictionaries(
    st.tuples(st.sampled_from("789"), st.integers(1, 9)), st.tuples(amounts, st.integers(0, 10**6)), min_size=1
)


def test_a_converted_chart_is_marked_and_says_where_its_rates_come_from(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [account_row("7", 8, 1), account_row("8", 8, 10), account_row("9", 9, 0), account_row("9", 8, 1000)]
    lake = lake_with(tmp_path, dataset, rows)
    rates = GivenRates({("USD", 6): Decimal("0.9"), ("JPY", 8): Decimal("0.006")})
    page = converted(lake, dataset, rates, days=2)
    assert column(page["totals"], "spend") == [16]
    assert page.facts.currency == page.facts.convert == "EUR"
    totals = page["totals"]
    assert totals.converted == "EUR"
    assert [shown_column.title for shown_column in totals.columns][1] == "Cost (EUR, converted)"
    assert chart_of(totals)["converted"] == "EUR"
    assert as_table(totals).head[1] == "Cost (EUR, converted)"
    assert "Amounts are converted to EUR at the rate of each day, then summed." in totals.notes
    assert "Rates used: 2026-03-06 to 2026-03-08, imported 2026-03-09 09:12 UTC by ada from rates.csv." in totals.notes
    assert "3 rates of a day and currency are those of an earlier day, as on weekends." in totals.notes
    # What depends on no currency is neither marked nor left out.
    assert page["results"].converted is None
    assert "converted" not in notes_text(page["results"])
    assert column(page["results"], "clicks") == [30, 10]
    assert not any("left out" in note for card in page.cards.values() for note in card.notes)
    plain = shown(lake, dataset, CardChoices(days=2, currency="USD"), rates=rates)
    assert column(plain["totals"], "spend") == [10]
    assert plain["totals"].converted is None
    assert [(offer.target, offer.refusal) for offer in plain.facts.conversions] == [("EUR", None)]


def test_days_without_a_rate_are_named_by_currency_and_nothing_is_summed(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [account_row("8", on, 10) for on in range(1, 10)] + [account_row("9", on, 10) for on in (2, 4, 5, 6, 8)]
    lake = lake_with(tmp_path, dataset, rows)
    rates = GivenRates({("USD", 3): Decimal("0.9"), ("JPY", 2): Decimal("0.006")}, valid_days=2)
    page = converted(lake, dataset, rates, days=None)
    words = "JPY: 2026-03-04 to 2026-03-06, 2026-03-08; USD: 2026-03-01 to 2026-03-02, 2026-03-05 to 2026-03-09."
    assert words in (page.facts.conversion_refusal or "")
    assert page["totals"].refusal == page.facts.conversion_refusal
    assert page["totals"].rows == ()
    none = shown(lake, dataset, CardChoices(convert="EUR"), rates=None)
    assert "There are no rates to EUR." in (none["totals"].refusal or "")
    assert not none["results"].is_empty
    # Filters leave what can be converted.
    assert column(
        converted(lake, dataset, rates, days=Span(day(3), day(4)), advertisers=("8",))["totals"], "spend"
    ) == [18]


def test_a_comparison_has_its_own_rates_or_those_of_the_last_day(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [account_row("8", on, 10) for on in range(1, 10)] + [account_row("7", on, 1) for on in range(1, 10)]
    lake = lake_with(tmp_path, dataset, rows)
    rates = GivenRates({("USD", on): Decimal(on) / 10 for on in range(1, 10)}, valid_days=1)
    daily = converted(lake, dataset, rates, days=2)
    assert column(daily["totals"], "spend") == [2 + 8 + 9, 2 + 6 + 7]
    fixed = converted(lake, dataset, rates, days=2, fixed_rates=True)
    assert column(fixed["totals"], "spend") == [2 + 18, 2 + 18]
    assert "Amounts are converted to EUR at the rates of 2026-03-09 for all days, then summed." in fixed["totals"].notes
    without = GivenRates({key: rate for key, rate in rates.rates.items() if key[1] != 6}, valid_days=1)
    page = converted(lake, dataset, without, days=2)
    assert column(page["totals"], "spend") == [2 + 8 + 9]
    assert "No comparison: Rates to EUR are missing for days with money. USD: 2026-03-06." in page["totals"].notes
    missing = GivenRates({key: rate for key, rate in rates.rates.items() if key[1] != 9}, valid_days=1)
    assert "USD: 2026-03-09" in (converted(lake, dataset, missing, days=2, fixed_rates=True)["totals"].refusal or "")


def test_a_budget_in_the_target_is_spent_at_the_rates_of_its_days(tmp_path: Path) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [account_row("8", on, 10) for on in range(1, 10)])
    rates = GivenRates({("USD", 1): Decimal("0.5"), ("USD", 5): Decimal("0.25")})
    budget = Budget(Decimal(100), "EUR", Span(day(1), day(20)))
    page = converted(lake, dataset, rates, days=2, budget=budget)
    assert page["pacing"].pacing is not None
    assert page["pacing"].pacing.spent == 4 * 5 + 5 * Decimal("2.5")
    short = converted(lake, dataset, GivenRates({("USD", 5): Decimal("0.25")}), days=2, budget=budget)
    assert "USD: 2026-03-01 to 2026-03-04." in (short["pacing"].refusal or "")
    assert column(short["totals"], "spend")[0] == 5
    dollars = converted(lake, dataset, rates, days=2, budget=Budget(Decimal(1), "USD", Span(day(1), day(2))))
    assert "Enter a budget in EUR." in notes_text(dollars["pacing"])


def test_hours_are_converted_at_the_rate_of_their_local_day(tmp_path: Path) -> None:
    dataset = dataset_with(time_dimension="hour")
    rows = [
        {key: value for key, value in account_row("8", 8, 10).items() if key != "stat_time_day"}
        | {
            "stat_time_hour": datetime.fromisoformat(f"2026-03-{on:02}T{hour:02}:00"),
            "stat_time_hour_utc": datetime(2026, 3, on, hour, tzinfo=UTC),
        }
        for on, hour in ((8, 0), (8, 23), (9, 0))
    ]
    lake = lake_with(tmp_path, dataset, rows)
    rates = GivenRates({("USD", 8): Decimal("0.5"), ("USD", 9): Decimal("0.25")})
    page = converted(lake, dataset, rates, days=2)
    assert column(page["spend"], "spend") == [10, 2.5]
    heat = next(card for card in page.cards.values() if card.offer.kind == "heat" and card.offer.has_money)
    assert sorted(float(str(row[-1])) for row in heat.rows) == [2.5, 5, 5]


def ranged_row(account: str, start: int, end: int, spend: Decimal | int) -> Row:
    row = {key: value for key, value in account_row(account, 1, spend).items() if key != "stat_time_day"}
    return row | {"start_date": day(start), "end_date": day(end)}


def test_a_table_without_days_is_converted_at_the_rates_of_the_last_day_that_it_covers(tmp_path: Path) -> None:
    whole = dataset_with(time_dimension="none")
    rates = GivenRates({("USD", 1): Decimal("0.5"), ("USD", 9): Decimal("0.25"), ("JPY", 9): Decimal("0.125")})
    # Of the ranges of an ad account the newest is shown, and of those of all the last day counts.
    rows = [ranged_row("7", 1, 8, 10), ranged_row("8", 1, 8, 1000), ranged_row("8", 1, 9, 10), ranged_row("9", 1, 8, 8)]
    lake = lake_with(tmp_path / "a", whole, rows)
    page = converted(lake, whole, rates)
    assert [(offer.target, offer.refusal) for offer in page.facts.conversions] == [("EUR", None)]
    assert column(page["totals"], "spend") == [10 + 2.5 + 1]
    assert any("at the rates of 2026-03-09 for all days" in note for note in page["totals"].notes)
    missing = converted(lake, whole, GivenRates({("USD", 1): Decimal("0.5")}))
    assert "JPY: 2026-03-09" in (missing["totals"].refusal or "")
    without_money = lake_with(tmp_path / "b", whole, [ranged_row("7", 1, 9, 10), ranged_row("8", 1, 9, 0)])
    assert column(converted(without_money, whole, GivenRates({}))["totals"], "spend") == [10]


def test_what_cannot_be_converted_is_not_offered_with_the_reason(tmp_path: Path) -> None:
    rates = GivenRates({("USD", 1): Decimal("0.5")}, targets=("EUR", "GBP"))
    whole = dataset_with(time_dimension="none", dates=None, lifetime=True)
    rows = [
        {key: value for key, value in account_row(account, 1, 10).items() if key != "stat_time_day"} for account in "78"
    ]
    page = converted(lake_with(tmp_path / "a", whole, rows), whole, rates)
    assert [offer.target for offer in page.facts.conversions] == ["EUR", "GBP"]
    assert all("does not say of which days" in (offer.refusal or "") for offer in page.facts.conversions)
    assert "does not say of which days" in (page["totals"].refusal or "")
    dataset = dataset_with()
    unknown = lake_with(tmp_path / "b", dataset, [account_row("7", 9, 1), row(on=9, advertiser_id="6", currency=None)])
    refused = converted(unknown, dataset, rates, days=1)
    assert "no known currency" in (refused["totals"].refusal or "")
    assert "no known currency" not in (
        converted(unknown, dataset, rates, days=1, advertisers=("7",))["totals"].refusal or ""
    )
    counts = dataset_with(metrics=["campaign_name", "impressions", "clicks"])
    counting = lake_with(tmp_path / "c", counts, [account_row("7", 9, 1), account_row("8", 9, 1)])
    page = converted(counting, counts, rates, days=1)
    assert page.facts.conversions == ()
    assert page.facts.convert is None
    assert column(page["totals"], "impressions") == [200]
    only = lake_with(tmp_path / "d", dataset, [account_row("7", 9, 1)])
    assert [offer.target for offer in shown(only, dataset, rates=rates).facts.conversions] == ["GBP"]


def test_without_a_choice_money_of_several_currencies_is_converted_where_there_are_rates_for_all_of_it(
    tmp_path: Path,
) -> None:
    dataset = dataset_with()
    rows = [account_row(account, on, 10) for account in "789" for on in range(1, 10)]
    rates = GivenRates({("USD", 1): Decimal("0.5"), ("JPY", 1): Decimal("0.25")}, valid_days=31)
    lake = lake_with(tmp_path / "all", dataset, rows)
    opened = CardChoices(days=2, convert_if_possible="")
    page = shown(lake, dataset, opened, rates=rates)
    assert (page.facts.convert, column(page["totals"], "spend")[0]) == ("EUR", 2 * (10 + 5 + 2.5))
    assert page.facts.left_out_advertisers == 0
    for other in (
        shown(lake, dataset, opened, rates=GivenRates({("USD", 1): Decimal("0.5")}, valid_days=31)),
        shown(lake, dataset, opened, rates=None),
        shown(lake, dataset, CardChoices(days=2), rates=rates),
    ):
        assert (other.facts.convert, other.facts.conversion_refusal) == (None, None)
        assert (other.facts.left_out_advertisers, other.facts.shown_advertisers) == (2, 3)
    single = shown(lake, dataset, CardChoices(days=2, advertisers=("8",), convert_if_possible=""), rates=rates)
    assert (single.facts.convert, single.facts.currency) == (None, "USD")
