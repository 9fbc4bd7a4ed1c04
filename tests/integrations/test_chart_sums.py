"""Charts of any rows, whatever is chosen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.charts import (
    CardChoices,
    CardFilter,
)
from adreel.dates import Span
from adreel.errors import InputError
from test_cards import (
    Row,
    lake_with,
    notes_text,
    shown,
)
from test_chart_choices import COLUMNS, ad_rows, ads_dataset, assert_sums, march


@settings(max_examples=40, deadline=None)
@given(
    rows=ad_rows,
    accounts=st.lists(st.sampled_from("789"), unique=True, max_size=2),
    filters=st.fixed_dictionaries(
        {},
        optional={
            "campaign": st.lists(st.sampled_from("12"), unique=True, min_size=1),
            "adgroup": st.lists(st.sampled_from("1234"), unique=True, min_size=1),
            "objective": st.just(["TRAFFIC"]),
        },
    ),
    days=st.sampled_from([None, march(2, 5), march(4, 9)]),
    comparison=st.sampled_from(["previous", "none", march(1, 3)]),
    currency=st.sampled_from(["EUR", "USD"]),
)
def test_whatever_is_chosen_figures_are_the_sums_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    accounts: list[str],
    filters: dict[str, list[str]],
    days: Span | None,
    comparison: Any,
    currency: str,
) -> None:
    dataset = ads_dataset()
    lake = lake_with(tmp_path_factory.mktemp("choices"), dataset, rows)
    choices = CardChoices(
        days=days,
        comparison=comparison,
        advertisers=tuple(accounts),
        filters=tuple(CardFilter(key, tuple(values)) for key, values in filters.items()),
        preferred_currency=currency,
    )
    if not set(accounts) <= {entry["advertiser_id"] for entry in rows}:
        with pytest.raises(InputError, match="no rows of ad account"):
            shown(lake, dataset, choices)
        return
    page = shown(lake, dataset, choices)
    matching = [
        entry
        for entry in rows
        if (not accounts or entry["advertiser_id"] in accounts)
        and all(entry[COLUMNS[key]] in values for key, values in filters.items())
    ]
    if not matching:
        assert all(card.is_empty for card in page.cards.values())
        assert not filters or "No rows match all filters together." in notes_text(page["totals"])
        return
    in_currency = [entry for entry in matching if entry["currency"] == page.facts.currency]
    assert page.facts.currency == currency or not [entry for entry in matching if entry["currency"] == currency]
    assert page.facts.rows == len(in_currency)
    assert_sums(page, in_currency, days)
