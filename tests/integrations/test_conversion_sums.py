"""Sums of any rows, converted at any rates."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_cards import by, column, dataset_with, lake_with
from test_conversion import CODES, GivenRates, account_row, converted, day, rates_of_any_kind, spend_rows


@settings(max_examples=20)
@given(cells=spend_rows, rates=rates_of_any_kind, days=st.integers(1, 9), fixed=st.booleans())
def test_converted_sums_are_those_of_exact_arithmetic_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    cells: dict[tuple[str, int], Any],
    rates: GivenRates,
    days: int,
    fixed: bool,
) -> None:
    dataset = dataset_with()
    rows = [account_row(account, on, spend, impressions=seen) for (account, on), (spend, seen) in cells.items()]
    lake = lake_with(tmp_path_factory.mktemp("rows"), dataset, rows)
    page = converted(lake, dataset, rates, days=days, fixed_rates=fixed)
    window = page.facts.window
    assert window is not None
    inside = {key: cell for key, cell in cells.items() if window.start <= day(key[1]) <= window.end}

    def rate(account: str, on: int) -> Fraction | None:
        return rates.of(CODES[account], window.end.day if fixed else on)

    lacking = sorted(
        {CODES[account] for (account, on), (spend, _) in inside.items() if spend and rate(account, on) is None}
    )
    for card in page.cards.values():
        assert (card.refusal is not None) is (bool(lacking) and card.offer.has_money), card.offer.key
    assert not page["results"].refusal
    assert sum(filter(None, column(page["results"], "impressions"))) == sum(seen for _, seen in inside.values())
    if lacking:
        refusal = page["totals"].refusal or ""
        assert "Rates to EUR are missing for days with money." in refusal
        assert all(f"{currency}: " in refusal for currency in lacking)
        return
    exact = {
        (account, on): Fraction(spend) * (rate(account, on) or 0)
        for (account, on), (spend, _) in inside.items()
        if spend is not None
    }
    if page["totals"].is_empty:
        assert not inside
        return
    assert column(page["totals"], "spend")[0] == (float(sum(exact.values())) if exact else None)
    seen = sum(inside[key][1] for key in exact)
    expected_cpm = float(1000 * sum(exact.values()) / seen) if seen and exact else None
    assert column(page["totals"], "cpm")[0] == (None if expected_cpm is None else pytest.approx(expected_cpm, abs=1e-2))
    by_day: dict[date, Fraction] = defaultdict(Fraction)
    for (_, on), amount in exact.items():
        by_day[day(on)] += amount
    assert {on: value for on, value in by(page["spend"], "day", "spend").items() if value is not None} == {
        on: float(amount) for on, amount in by_day.items()
    }
    by_campaign: dict[str, Fraction] = defaultdict(Fraction)
    for (account, _), amount in exact.items():
        by_campaign["1" if account == "7" else "2"] += amount
    assert by(page["campaigns"], "id", "spend") == {key: float(amount) for key, amount in by_campaign.items()}
