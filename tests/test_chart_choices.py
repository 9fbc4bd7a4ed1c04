"""What is chosen on the charts: whatever it is, figures are those of the rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.charts import (
    Budget,
    CalendarPeriod,
    CardChoices,
    CardFilter,
    as_table,
    cards_data,
    cards_of,
    chart_of,
    filter_values,
)
from adreel.charts.measures import Own, Quotient, Sum
from adreel.charts.pacing import pacing
from adreel.charts.periods import calendar_span, compared_span
from adreel.datasets.dataset import Dataset
from adreel.datasets.schema import columns
from adreel.dates import Span
from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake
from adreel.update_methods import Method
from test_cards import (
    NOON,
    Row,
    Shown,
    appended,
    by,
    column,
    commit_rows,
    dataset_with,
    expected,
    lake_with,
    notes_text,
    row,
    shown,
)

MARCH = Span(date(2026, 3, 1), date(2026, 3, 31))


def march(first: int, last: int) -> Span:
    return Span(date(2026, 3, first), date(2026, 3, last))


def ads_dataset(**keys: Any) -> Dataset:
    """Ads by day with the levels above them, names, objective and currency."""
    metrics = ["spend", "impressions", "clicks", "conversion"]
    attributes = ["campaign_id", "campaign_name", "adgroup_id", "adgroup_name", "ad_name", "objective_type"]
    return dataset_with(data_level="ad", metrics=[*metrics, *attributes], **keys)


def ad_row(ad: str, on: int, spend: int | None = 1, **more: Any) -> Row:
    """A day of an ad; the ads 11, 12 are of the ad group 1, 21 of 2, and both groups of the campaign 1, others of 2."""
    group = ad[0]
    campaign = "1" if group in "12" else "2"
    return row(campaign, on, spend) | {
        "ad_id": ad,
        "ad_name": f"Ad {ad}",
        "adgroup_id": group,
        "adgroup_name": f"Group {group}",
        "objective_type": "TRAFFIC" if campaign == "1" else "LEAD_GENERATION",
        **more,
    }


# -- periods


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("this_month", Span(date(2026, 3, 1), date(2026, 3, 9))),
        ("last_month", Span(date(2026, 2, 1), date(2026, 2, 28))),
        ("this_quarter", Span(date(2026, 1, 1), date(2026, 3, 9))),
        ("last_quarter", Span(date(2025, 12, 1), date(2025, 12, 31))),
        ("this_year", Span(date(2026, 1, 1), date(2026, 3, 9))),
        (march(2, 5), march(2, 5)),
        (28, Span(date(2026, 2, 10), date(2026, 3, 9))),
    ],
)
def test_each_period_shows_its_days_that_the_table_has(tmp_path: Path, period: Any, days: Span) -> None:
    dataset = dataset_with()
    start = date(2025, 12, 1)
    rows = [row(on=1, spend=1, stat_time_day=start + timedelta(days=number)) for number in range(99)]
    assert rows[-1]["stat_time_day"] == date(2026, 3, 9)
    page = shown(lake_with(tmp_path, dataset, rows), dataset, CardChoices(days=period, comparison="none"))
    assert page.facts.window == days
    assert column(page["totals"], "spend") == [days.days]
    is_cut = period == "last_quarter"
    note = "The table has only a part of 2025-10-01 to 2025-12-31: its days are 2025-12-01 to 2026-03-09."
    assert (note in page["totals"].notes) is is_cut


@pytest.mark.parametrize(("in_table", "days"), [(60, 28), (56, 28), (55, 14), (30, 14), (14, 7), (13, 30)])
def test_charts_open_with_the_longest_period_that_can_be_compared(tmp_path: Path, in_table: int, days: int) -> None:
    dataset = dataset_with()
    rows = [row(on=1, stat_time_day=date(2026, 3, 9) - timedelta(days=number)) for number in range(in_table)]
    facts = shown(lake_with(tmp_path, dataset, rows), dataset, CardChoices(fitting_days=True)).facts
    assert facts.days == days
    assert (facts.previous is None, facts.no_previous is None) == (days == 30, days != 30)


def test_days_that_the_table_does_not_have_are_said_and_nothing_else_is_shown_for_them(tmp_path: Path) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [row(on=day) for day in (4, 5)])
    page = shown(lake, dataset, CardChoices(days=Span(date(2025, 1, 1), date(2025, 1, 31))))
    assert all(card.is_empty for card in page.cards.values())
    note = "The table has no rows of 2025-01-01 to 2025-01-31: its days are 2026-03-04 to 2026-03-05."
    assert note in page["totals"].notes


def test_a_month_that_goes_on_shows_its_complete_days_and_a_range_of_today_alone_says_so(tmp_path: Path) -> None:
    dataset = dataset_with(dates={"start": "2026-01-01", "end": "today"})
    lake = lake_with(tmp_path, dataset, [row(on=day, spend=day) for day in range(1, 11)])
    page = shown(lake, dataset, CardChoices(days="this_month"))
    assert column(page["totals"], "spend") == [45]
    assert page.facts.open_days == (date(2026, 3, 10),)
    today = shown(lake, dataset, CardChoices(days=march(10, 10)))
    assert column(today["totals"], "spend") == [10]
    assert "was not complete when the rows were read" in notes_text(today["totals"])
    earlier = shown(lake, dataset, CardChoices(days=march(2, 3)))
    assert earlier.facts.open_days == ()


@given(st.dates(date(2016, 9, 1), date(2040, 1, 1)), st.integers(1, 800))
def test_compared_periods_have_the_days_of_the_calendar(start: date, count: int) -> None:
    days = Span(start, start + timedelta(days=count - 1))
    previous = compared_span("previous", days)
    assert previous is not None
    assert (previous.days, previous.end) == (count, start - timedelta(days=1))
    year = compared_span("year", days)
    assert year is not None
    for then, now in ((year.start, days.start), (year.end, days.end)):
        assert (then.year, then.month) == (now.year - 1, now.month)
        assert then.day == now.day or (now.month, now.day, then.day) == (2, 29, 28)
    assert compared_span("none", days) is None


@given(st.dates(date(2017, 1, 1), date(2040, 1, 1)), st.sampled_from(get_args(CalendarPeriod)))
def test_calendar_periods_end_today_or_before_the_period_of_today(today: date, period: CalendarPeriod) -> None:
    days = calendar_span(period, today)
    if period == "yesterday":
        assert days == Span(today - timedelta(days=1), today - timedelta(days=1))
        return
    if period == "last_week":
        this = calendar_span("this_week", today)
        assert (days.days, days.end + timedelta(days=1)) == (7, this.start)
        assert compared_span("previous", days) == Span(days.start - timedelta(days=7), days.start - timedelta(days=1))
        return
    if period == "this_week":
        assert (days.start.weekday(), days.end) == (0, today)
        assert days.days <= 7
        return
    assert days.start.day == 1
    this = calendar_span("this_quarter" if "quarter" in period else "this_month", today)
    if period.startswith("last"):
        assert days.end + timedelta(days=1) == this.start
    else:
        assert days.end == today


def test_a_year_before_and_any_range_can_be_compared_with(tmp_path: Path) -> None:
    dataset = dataset_with(dates={"start": "2025-01-01", "end": "2026-03-09"})
    start = date(2025, 3, 1)
    rows = [
        row(spend=number, stat_time_day=start + timedelta(days=number))
        for number in range((date(2026, 3, 9) - start).days + 1)
    ]
    spend = {entry["stat_time_day"]: float(entry["spend"]) for entry in rows}
    lake = lake_with(tmp_path, dataset, rows)
    page = shown(lake, dataset, CardChoices(days=march(2, 8), comparison="year"))
    year = Span(date(2025, 3, 2), date(2025, 3, 8))
    assert page.facts.previous == year
    now, before = column(page["totals"], "spend")
    assert (now, before) == tuple(sum_of(spend, days) for days in (march(2, 8), year))
    assert page["spend"].meaning == "Cost of each day. Dashed: the period a year before."
    assert column(page["spend"], "previous spend") == [spend[year.start + timedelta(days=n)] for n in range(7)]
    # The days between the two are read for neither.
    assert sum(column(page["campaigns"], "spend")) == now
    other = Span(date(2025, 6, 1), date(2025, 6, 3))
    custom = shown(lake, dataset, CardChoices(days=march(2, 8), comparison=other))
    assert column(custom["totals"], "spend") == [now, sum_of(spend, other)]
    assert "The compared period has 3 days, the selected one 7 days" in notes_text(custom["totals"])
    later = shown(lake, dataset, CardChoices(days=march(2, 3), comparison=march(3, 6)))
    assert column(later["totals"], "spend") == [sum_of(spend, march(2, 3)), sum_of(spend, march(3, 6))]
    assert len(shown(lake, dataset, CardChoices(days=7, comparison="none"))["totals"].rows) == 1


def sum_of(spend: dict[date, float], days: Span) -> float:
    return sum(amount for day, amount in spend.items() if days.start <= day <= days.end)


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        (CardChoices(days=5), "No previous period: the table begins on 2026-03-01."),
        (CardChoices(days=3, comparison="year"), "a year before, 2025-03-07 to 2025-03-09: the table begins on"),
        (CardChoices(days=3, comparison=march(9, 10)), "the table is complete until 2026-03-09 only."),
        (CardChoices(days=2, comparison=march(4, 6)), "the table has no rows of 2026-03-05."),
    ],
)
def test_an_incomplete_comparison_is_not_made_and_its_reason_is_said(
    tmp_path: Path, choices: CardChoices, reason: str
) -> None:
    dataset = dataset_with(dates={"start": "2026-01-01", "end": "today"})
    lake = lake_with(tmp_path, dataset, [row(on=day) for day in range(1, 11) if day != 5])
    page = shown(lake, dataset, choices)
    assert page.facts.previous is None
    assert reason in notes_text(page["totals"])
    assert len(page["totals"].rows) == 1


def test_a_campaign_that_paused_can_be_compared_as_the_ad_account_has_all_days(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row("1", day) for day in range(1, 10)] + [row("2", day, 5) for day in (3, 8)]
    page = shown(lake_with(tmp_path, dataset, rows), dataset, filtered(campaign="2", days=4))
    assert column(page["totals"], "spend") == [5, 5]
    assert page.facts.window == march(6, 9)


# -- filters


def filtered(days: Any = None, **filters: str | tuple[str, ...]) -> CardChoices:
    values = {key: (value,) if isinstance(value, str) else value for key, value in filters.items()}
    return CardChoices(days=days, filters=tuple(CardFilter(key, value) for key, value in values.items()))


ads = st.sampled_from(["11", "12", "21", "31", "41"])
amounts = st.none() | st.integers(0, 10**6)
ad_rows = st.lists(
    st.builds(
        lambda ad, on, spend, clicks, account: ad_row(
            ad, on, spend, clicks=clicks, advertiser_id=account, currency={"7": "EUR", "8": "EUR", "9": "USD"}[account]
        ),
        ads,
        st.integers(1, 9),
        amounts,
        amounts,
        st.sampled_from("789"),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda entry: (entry["advertiser_id"], entry["ad_id"], entry["stat_time_day"]),
)
COLUMNS = {"campaign": "campaign_id", "adgroup": "adgroup_id", "ad": "ad_id", "objective": "objective_type"}


def assert_sums(page: Shown, rows: list[Row], days: Span | None) -> None:
    """Every figure against plain sums over the rows."""
    chosen = within(rows, days)
    for figure in page["totals"].offer.figures:
        values = column(page["totals"], figure.name)
        assert [values[0] if values else None] == [pytest.approx(expected(figure.computation, chosen))]
        if page.facts.previous is not None and values:
            before = within(rows, page.facts.previous)
            assert values[1] == pytest.approx(expected(figure.computation, before))
    for card, name in (("campaigns", "campaign_id"), ("ad_groups", "adgroup_id"), ("ads", "ad_id")):
        sums: dict[str, list[Row]] = defaultdict(list)
        for entry in chosen:
            sums[entry[name]].append(entry)
        of_rows = {key: expected(Sum("spend"), entries) for key, entries in sums.items()}
        assert by(page[card], "id", "spend") == {
            key: pytest.approx(value) for key, value in of_rows.items() if value is not None
        }
    for day, value in by(page["spend"], "day", "spend").items() if page["spend"].rows else ():
        assert value == pytest.approx(expected(Sum("spend"), within(rows, Span(day, day))))


def within(rows: list[Row], days: Span | None) -> list[Row]:
    return [entry for entry in rows if days is None or days.start <= entry["stat_time_day"] <= days.end]


def test_a_filter_brings_the_currency_of_its_rows(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row("1", day) for day in (1, 2, 3)] + [row("2", 2, 900, advertiser_id="8", currency="JPY")]
    lake = lake_with(tmp_path, dataset, rows)
    page = shown(lake, dataset, filtered(campaign="2"))
    assert (page.facts.currency, column(page["totals"], "spend")) == ("JPY", [900])
    other = shown(lake, dataset, replace(filtered(campaign="2"), currency="EUR"))
    assert "The filters leave no rows in EUR; amounts are in JPY." in other["totals"].notes


def test_a_value_without_rows_is_named_and_a_filter_that_the_table_lacks_is_refused(tmp_path: Path) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [row("1", 1)])
    page = shown(lake, dataset, filtered(campaign=("1", "99")))
    assert column(page["totals"], "spend") == [1]
    assert "The table has no rows of campaign 99." in page["totals"].notes
    (campaign,) = page.facts.filters
    assert [(value.value, value.name, value.rows) for value in campaign.selected] == [
        ("1", "Campaign 1", 1),
        ("99", "99", 0),
    ]
    with pytest.raises(InputError, match="cannot be filtered by ad group, as it has no such column"):
        shown(lake, dataset, filtered(adgroup="1"))
    evil = shown(lake, dataset, filtered(campaign="1' OR '1'='1"))
    assert all(card.is_empty for card in evil.cards.values())


def test_rows_of_other_campaigns_do_not_keep_a_filtered_chart_from_being_shown(tmp_path: Path) -> None:
    dataset = dataset_with(update={"method": "append"})
    lake = Lake(tmp_path / "lake")
    commit_rows(lake, dataset, [row("1", 1), row("2", 1)], "run1")
    commit_rows(lake, dataset, [row("1", 1)], "run2")
    assert "repeat another row's" in (shown(lake, dataset, filtered(campaign="1"))["totals"].refusal or "")
    assert column(shown(lake, dataset, filtered(campaign="2"))["totals"], "spend") == [1]


def test_values_are_found_by_any_name_they_had_and_shown_by_their_newest(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row("1", 1, campaign_name="Spring"), row("1", 2, campaign_name="ÄRGER"), row("2", 1, campaign_name="100%")]
    lake = lake_with(tmp_path, dataset, [*rows, row("3", 1, campaign_name="ärger")])

    def names_of(search: str, **more: Any) -> list[str]:
        return [value.name for value in filter_values(lake, "spend", dataset, "campaign", search, **more).values]

    assert names_of("") == ["100%", "ÄRGER", "ärger"]
    assert names_of("sPRing") == ["ÄRGER"]
    assert names_of("ärg") == ["ÄRGER", "ärger"]
    assert names_of("%") == ["100%"]
    assert names_of("3") == ["ärger"]
    assert names_of("'") == []
    assert names_of("", limit=1) == ["100%"]
    assert filter_values(lake, "spend", dataset, "campaign", limit=1).total == 3
    chosen = filter_values(lake, "spend", dataset, "campaign", filters=(CardFilter("campaign", ("1",)),))
    assert [value.name for value in chosen.selected] == ["ÄRGER"]
    assert [value.name for value in chosen.values] == ["100%", "ärger"]
    accounts = filter_values(lake, "spend", dataset, "advertiser", "shop", names_by_id={"7": "My shop"})
    assert [(value.value, value.name, value.rows) for value in accounts.values] == [("7", "My shop (7)", 4)]
    with pytest.raises(NotFoundError, match="cannot be filtered by ad group"):
        filter_values(lake, "spend", dataset, "adgroup")


def test_the_values_of_a_level_are_those_under_the_other_filters(tmp_path: Path) -> None:
    dataset = ads_dataset()
    lake = lake_with(tmp_path, dataset, [ad_row(ad, 1) for ad in ("11", "12", "21", "31")])
    filters = (CardFilter("campaign", ("1",)), CardFilter("adgroup", ("2",)))
    groups = filter_values(lake, "spend", dataset, "adgroup", filters=filters)
    assert [value.name for value in groups.values] == ["Group 1"]
    assert [value.name for value in groups.selected] == ["Group 2"]


# -- metrics


@pytest.mark.slow
def test_a_chart_shows_any_metric_that_can_be_summed_or_computed_from_sums(tmp_path: Path) -> None:
    dataset = ads_dataset()
    dataset = replace(dataset, metrics=(*dataset.metrics, "reach", "frequency"))
    rows = [ad_row(ad, on, clicks=on, reach=5, frequency=1.5) for ad in ("11", "21", "31") for on in (1, 2)]
    lake = lake_with(tmp_path, dataset, rows)
    names = lake.table("spend").schema.names
    switched = 0
    for own in cards_of(dataset, names):
        if own.metrics and not own.refusal:
            assert not {figure.name for figure in own.metrics} & {"reach", "frequency"}
            assert {"Reach", "Frequency"} <= set(own.not_offered)
        for figure in own.metrics:
            assert_switched(lake, dataset, own.key, figure.name, rows)
            switched += 1
    assert switched > 40


def assert_switched(lake: Lake, dataset: Dataset, key: str, metric: str, rows: list[Row]) -> None:
    names = lake.table("spend").schema.names
    (offer,) = (offer for offer in cards_of(dataset, names, metrics={key: metric}) if offer.key == key)
    assert (offer.metric, offer.figures[0].name) == (metric, metric)
    assert "{" not in offer.title + offer.meaning
    card = cards_data(lake, "spend", dataset, (offer,), CardChoices(days=None), read_at=NOON).cards[0]
    place = card.places("value")[0]
    figure, currency = offer.figures[0], card.columns[place].currency
    has_currency = figure.unit == "money" and offer.kind in ("line", "grouped")
    assert chart_of(card)["panels"][0]["title"] == (f"{figure.title} ({currency})" if has_currency else figure.title)
    if offer.kind == "line" and not card.places("series"):
        computation = offer.figures[0].computation
        for entry in card.rows:
            day = [source for source in rows if source["stat_time_day"] == entry[0]]
            assert entry[place] == pytest.approx(expected(computation, day))


@pytest.mark.parametrize("step", [1, 2])
def test_no_metric_is_offered_that_would_be_summed_wrongly(step: int) -> None:
    """All of the catalogue on every kind of chart."""
    wide = replace(ads_dataset(time_dimension="hour"), metrics=tuple(catalog.metrics())[::step])
    metrics = catalog.metrics()
    for offer in cards_of(wide, {entry.name for entry in columns(wide)}):
        for figure in offer.metrics:
            match figure.computation:
                case Sum(name):
                    assert metrics[name].additive
                case Quotient(over, under, _):
                    assert metrics[over].additive
                    assert metrics[under].additive
                    assert offer.kind != "heat"
                case other:
                    assert isinstance(other, Own)
                    assert offer.card.own


def test_a_metric_that_a_chart_cannot_show_is_refused_in_its_place(tmp_path: Path) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [row(on=1)])
    offers = cards_of(dataset, lake.table("spend").schema.names, metrics={"spend": "reach", "campaigns": "clicks"})
    page = Shown(cards_data(lake, "spend", dataset, offers, read_at=NOON))
    assert "cannot show the metric 'reach'" in (page["spend"].refusal or "")
    assert page["campaigns"].offer.title == "Top campaigns by clicks (destination)"
    assert page["totals"].refusal is None


def test_the_best_of_a_cost_of_each_result_are_the_lowest(tmp_path: Path) -> None:
    dataset = dataset_with(metrics=["campaign_name", "spend", "conversion", "cost_per_conversion"])
    costs = ((10, 10), (100, 50), (4, 0), (50, 10), (1, 9))
    rows = [row(str(number), 1, spend, conversion=results) for number, (spend, results) in enumerate(costs)]
    lake = lake_with(tmp_path, dataset, rows)

    def ranked(metric: str, table: Lake = lake) -> tuple[str, list[object], bool]:
        offers = cards_of(dataset, table.table("spend").schema.names, metrics={"campaigns": metric})
        card = Shown(cards_data(table, "spend", dataset, offers, read_at=NOON))["campaigns"]
        return card.offer.title, column(card, metric), "fewer than 10 conversions" in " ".join(card.notes)

    assert ranked("cost_per_conversion") == ("Campaigns with the lowest cost per conversion", [1, 2, 5], True)
    assert ranked("spend") == ("Top campaigns by cost", [100, 50, 10, 4, 1], False)
    few = lake_with(tmp_path / "few", dataset, rows[2:3] + rows[4:])
    assert ranked("cost_per_conversion", few)[1:] == ([pytest.approx(1 / 9)], False)


# -- pacing


@given(
    amount=st.decimals(Decimal("0.01"), Decimal(10**9), places=2),
    total=st.integers(1, 400),
    spend=st.dictionaries(st.integers(0, 500), st.decimals(0, 10**6, places=2), max_size=20),
    until=st.none() | st.integers(-5, 500),
)
def test_a_budget_is_spent_as_its_days_come_to(
    amount: Decimal, total: int, spend: dict[int, Decimal], until: int | None
) -> None:
    start = date(2026, 1, 1)
    budget = Budget(amount, "EUR", Span(start, start + timedelta(days=total - 1)))
    by_day = {start + timedelta(days=number): value for number, value in spend.items()}
    last = None if until is None else start + timedelta(days=until)
    answer = pacing(budget, by_day, last)
    over = [] if until is None else [number for number in range(total) if number <= until]
    assert answer.spent == sum((spend.get(number, Decimal(0)) for number in over), Decimal(0))
    assert answer.left == total - len(over)
    assert float(answer.expected) == pytest.approx(float(amount) * len(over) / total)
    assert (answer.projected is None) is (not over)
    if answer.projected is not None:
        assert float(answer.projected) == pytest.approx(float(answer.spent) / len(over) * total)
    assert len(answer.days) == total
    assert answer.days[-1].even == pytest.approx(amount)
    cumulated = [day.cumulated for day in answer.days if day.cumulated is not None]
    assert len(cumulated) == len(over)
    assert cumulated == sorted(cumulated)


def test_pacing_is_of_the_budget_s_days_whatever_the_charts_show(tmp_path: Path) -> None:
    dataset = dataset_with(dates={"start": "2026-01-01", "end": "today"})
    rows = [row("1", day, 10) for day in range(1, 11) if day != 4]
    rows += [row("2", day, 1) for day in range(1, 11) if day != 4]
    rows += [row("3", day, 500, advertiser_id="8", currency="JPY") for day in range(1, 11)]
    lake = lake_with(tmp_path, dataset, rows)
    budget = Budget(Decimal(310), "EUR", MARCH)
    page = shown(lake, dataset, CardChoices(days=2, currency="EUR", budget=budget))
    numbers = {number["title"]: number["value"] for number in chart_of(page["pacing"])["numbers"]}
    assert numbers == {
        "Cost to date": 88,
        "Expected at even pace": 90,
        "Projected at the end": pytest.approx(88 / 9 * 31),
        "Days left": 22,
    }
    assert "Complete days until 2026-03-09." in notes_text(page["pacing"])
    assert "The table has no rows of 2026-03-04: nothing was spent, or the spend is missing here." in notes_text(
        page["pacing"]
    )
    assert as_table(page["pacing"]).rows[0] == ("2026-03-01", "11.00 EUR", "11.00 EUR", "10.00 EUR")
    assert as_table(page["pacing"]).rows[-1][1:3] == ("\N{EN DASH}", "\N{EN DASH}")
    of_campaign = shown(lake, dataset, replace(filtered(campaign="2"), budget=budget))
    assert chart_of(of_campaign["pacing"])["numbers"][0]["value"] == 8
    yen = shown(lake, dataset, CardChoices(currency="JPY", budget=budget))
    assert yen["pacing"].rows == ()
    assert "The budget is in EUR, and the amounts are in JPY. Enter a budget in JPY." in yen["pacing"].notes
    assert shown(lake, dataset)["pacing"].is_empty


def test_a_budget_whose_days_were_read_twice_is_not_compared_with(tmp_path: Path) -> None:
    dataset, lake = appended(tmp_path, (1, 2, 3), (3, 4, 5))
    budget = Budget(Decimal(100), "EUR", MARCH)
    page = shown(lake, dataset, CardChoices(days=2, budget=budget), methods=(Method.APPEND,))
    assert column(page["totals"], "spend") == [2]
    assert "repeat another row's" in (page["pacing"].refusal or "")


def test_a_budget_that_has_not_begun_or_is_over_says_so(tmp_path: Path) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [row(on=day, spend=10) for day in range(1, 10)])
    april = Budget(Decimal(100), "EUR", Span(date(2026, 4, 1), date(2026, 4, 30)))
    begun = shown(lake, dataset, CardChoices(budget=april))["pacing"]
    assert "None of the budget's days is complete" in notes_text(begun)
    week = shown(lake, dataset, CardChoices(budget=replace(april, days=march(1, 7))))["pacing"]
    assert chart_of(week)["numbers"][3]["value"] == 0
    assert chart_of(week)["numbers"][2]["value"] == 70


# -- retention curves and returns on ad spend


def test_retention_is_the_share_of_views_and_leaves_out_rows_without_a_part(tmp_path: Path) -> None:
    metrics = ["video_play_actions", "video_watched_2s", "video_views_p25", "video_views_p50", "video_views_p100"]
    dataset = dataset_with(metrics=["spend", *metrics])
    views: Row = dict(zip(metrics, (200, 120, 100, 60, 20), strict=True))
    rows = [row(on=1) | views, row(on=2) | views | {"video_views_p25": None}]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    chart = chart_of(page["retention"])
    assert chart["x"]["values"] == ["Start", "25 %", "50 %", "100 %"]
    assert chart["panels"][0]["series"][0]["values"] == [100, 50, 30, 10]
    assert [(number["title"], number["value"]) for number in chart["numbers"]] == [("2-second video views", 60)]
    assert "Some rows have no value for Video views at 25%" in notes_text(page["retention"])
    assert as_table(page["retention"]).rows[1] == ("2-second video views", "60.0 %")


def test_without_a_purchase_value_it_is_said_which_metric_makes_the_return(tmp_path: Path) -> None:
    dataset = dataset_with()
    (missing,) = shown(lake_with(tmp_path, dataset, [row(on=1)]), dataset).facts.missing
    assert missing.startswith("Return on ad spend (ROAS) is not shown")
    name = "total_complete_payment_rate"
    assert catalog.metrics()[name].title in missing
    with_value = replace(dataset, metrics=(*dataset.metrics, name))
    lake = lake_with(tmp_path / "value", with_value, [row(on=1, spend=4) | {name: Decimal(10)}])
    page = shown(lake, with_value)
    assert page.facts.missing == ()
    assert column(page["returns"], "complete_payment_roas") == [2.5]


def test_charts_are_of_the_newest_version_however_often_the_earlier_was_looked_at(tmp_path: Path) -> None:
    dataset = ads_dataset()
    lake = lake_with(tmp_path, dataset, [ad_row("11", on, spend=1) for on in (7, 8)])
    for _ in range(2):
        assert column(shown(lake, dataset, CardChoices(days=2))["totals"], "spend") == [2]
    commit_rows(lake, dataset, [ad_row("11", on, spend=5, currency="USD") for on in (7, 8, 9)], "run2")
    for _ in range(2):
        page = shown(lake, dataset, CardChoices(days=2))
        assert (column(page["totals"], "spend"), page.facts.currency) == ([10], "USD")
        assert page.facts.last == date(2026, 3, 9)
    # A table that begins anew has the numbers of the versions before.
    lake.drop("spend")
    commit_rows(lake, dataset, [ad_row("21", 5, spend=3)], "run1")
    page = shown(lake, dataset, CardChoices(days=2))
    assert (column(page["totals"], "spend"), page.facts.last) == ([3], date(2026, 3, 5))
