"""The simulated world adds up, and changes as TikTok's figures do."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel import catalog
from simulator_client import EVERYTHING, LEVELS, TODAY, Sim, added, cents, ids_filter, world

ADDITIVE = (
    "spend",
    "impressions",
    "clicks",
    "conversion",
    "video_play_actions",
    "likes",
    "total_purchase",
    "total_purchase_value",
    "complete_payment",
    "vta_conversion",
)
SIM = Sim()
MOVING = Sim()
PLAIN = Sim(world(plain=True, advertisers=2, ads=12))

days = st.dates(date(2025, 1, 1), TODAY)
level = st.sampled_from(sorted(LEVELS))
metric = st.sampled_from(ADDITIVE)
advertiser = st.integers(0, 3)


def _of_account(
    at: str, name: str, start: date, end: date, *more: str, number: int, buying: str | None = None, **params: object
) -> int:
    """A metric of a whole account over a level's rows, deleted ones too; without `buying`, what comes unasked."""
    data_level, identity = LEVELS[at]
    rows = SIM.rows(
        advertiser_id=SIM.ids[number],
        data_level=data_level,
        dimensions=[identity, *more],
        metrics=[name],
        start_date=start.isoformat(),
        end_date=end.isoformat(),
        filtering=[*EVERYTHING.get(at, []), *(ids_filter("buying_type", [buying]) if buying else [])],
        **params,
    )
    return added(rows, name)


@given(days, level, metric, advertiser, st.sampled_from((None, "AUCTION", "RESERVATION_RF", "RESERVATION_TOP_VIEW")))
def test_every_level_adds_up_to_the_advertiser(day: date, at: str, name: str, number: int, buying: str | None) -> None:
    """Sums of ads, ad groups and campaigns are the account's own figure, to the cent, whatever the buying type."""
    account_total = _of_account("advertiser", name, day, day, number=number, buying=buying)
    assert _of_account(at, name, day, day, "stat_time_day", number=number, buying=buying) == account_total


WHOLE = ("age", "gender", "country_code", "province_id", "ac", "language", "platform", "placement", "device_brand_id")


@given(days, level, st.sampled_from(("spend", "impressions", "clicks")), advertiser, st.sampled_from(WHOLE))
def test_an_audience_at_any_level_is_what_the_ads_brought(
    day: date, at: str, name: str, number: int, split: str
) -> None:
    """Where an account's audience is, and who it is, adds up to the same sum as its ads."""
    start, end = day - timedelta(days=9), min(day, TODAY - timedelta(days=3))
    start = min(start, end)
    parts = _of_account(at, name, start, end, split, number=number, report_type="AUDIENCE")
    assert parts == _of_account("ad", name, start, end, number=number)


@pytest.mark.slow
@given(days, level, st.sampled_from(("age", "gender")))
def test_ages_and_genders_alone_are_those_of_both_together(day: date, at: str, alone: str) -> None:
    seen = []
    for split in ((alone,), ("age", "gender"), ("gender", "age")):
        sums: dict[str, int] = {}
        for row in SIM.rows_at(at, ["impressions"], day, day, *split, report_type="AUDIENCE"):
            value = row["dimensions"][alone]
            sums[value] = sums.get(value, 0) + int(row["metrics"]["impressions"])
        seen.append(sums)
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.slow
@given(days, st.integers(0, 29), st.sampled_from(("spend", "impressions", "clicks")), advertiser)
def test_videos_and_images_together_are_what_the_ads_brought(start: date, more: int, name: str, number: int) -> None:
    """By material, in a creative report as in one of ads, there is no more and no less than by ad."""
    end = min(start + timedelta(days=more), TODAY)
    shares = []
    for material, dimension in (("VIDEO", "video_material_id"), ("IMAGE", "image_id")):
        shares.append(_of_account("ad", name, start, end, dimension, number=number))
        assert _by_material(material, name, start, end, number) == shares[-1]
    assert sum(shares) == _of_account("ad", name, start, end, number=number)


def _by_material(material: str, name: str, start: date, end: date, number: int) -> int:
    answer = SIM.get(
        "creative/report/get/",
        advertiser_id=SIM.ids[number],
        material_type=material,
        metrics_fields=[name],
        start_date=start.isoformat(),
        end_date=end.isoformat(),
        page_size=1000,
    )
    return added(answer["data"]["list"], name)


@pytest.mark.slow
@given(days, st.integers(0, 29), level, metric)
def test_days_add_up_to_their_range(start: date, more: int, at: str, name: str) -> None:
    """Daily rows and rows without a time say the same."""
    end = min(start + timedelta(days=more), TODAY)
    daily = SIM.rows_at(at, [name], start, end, "stat_time_day")
    range_rows = SIM.rows_at(at, [name], start, end)
    assert added(daily, name) == added(range_rows, name)


@pytest.mark.slow
@given(days, level, metric, advertiser)
def test_hours_add_up_to_their_day(day: date, at: str, name: str, number: int) -> None:
    """Hourly rows of a day sum to the day's row, today's hours so far included."""
    hours = SIM.rows_at(at, [name], day, day, "stat_time_hour", advertiser_id=SIM.ids[number])
    day_rows = SIM.rows_at(at, [name], day, day, "stat_time_day", advertiser_id=SIM.ids[number])
    assert added(hours, name) == added(day_rows, name)


@pytest.mark.slow
@given(days, level, st.sampled_from(("spend", "impressions", "clicks", "conversion")), st.data())
def test_audience_parts_add_up_to_the_whole(day: date, at: str, name: str, data: st.DataObject) -> None:
    """Once late figures have come, the parts of every whole breakdown sum to the basic figure."""
    day = min(day, TODAY - timedelta(days=3))
    split = data.draw(
        st.sampled_from((("gender",), ("age",), ("age", "gender"), ("platform",), ("country_code",), ("ac",)))
    )
    parts = SIM.rows_at(at, [name], day, day, "stat_time_day", *split, report_type="AUDIENCE")
    undivided = SIM.rows_at(at, [name], day, day, "stat_time_day")
    assert added(parts, name) == added(undivided, name)


@pytest.mark.slow
@given(days, level)
def test_audience_parts_of_a_range_add_up_over_days(start: date, at: str) -> None:
    """A breakdown over a range is the sum of its days."""
    end = min(start + timedelta(days=9), TODAY)
    params = {"report_type": "AUDIENCE"}
    range_rows = SIM.rows_at(at, ["impressions", "spend"], start, end, "gender", **params)
    daily = SIM.rows_at(at, ["impressions", "spend"], start, end, "gender", "stat_time_day", **params)
    for name in ("impressions", "spend"):
        assert added(range_rows, name) == added(daily, name)


def test_a_lifetime_is_the_sum_of_its_years() -> None:
    names = ["spend", "clicks", "conversion"]
    lifetime = SIM.rows_at("campaign", names, TODAY, TODAY, query_lifetime=True)
    years = [
        (date(2024, 1, 1), date(2024, 12, 30)),
        (date(2024, 12, 31), date(2025, 12, 30)),
        (date(2025, 12, 31), TODAY),
    ]
    parts = [row for start, end in years for row in SIM.rows_at("campaign", names, start, end)]
    for name in names:
        assert added(lifetime, name) == added(parts, name) > 0


@given(days, level, advertiser)
def test_no_funnel_runs_backwards(day: date, at: str, number: int) -> None:
    chains = (
        ("impressions", "clicks", "conversion"),
        ("impressions", "video_play_actions", "video_watched_2s", "video_watched_6s"),
        ("video_watched_2s", "video_views_p25", "video_views_p50", "video_views_p75", "video_views_p100"),
        ("total_purchase", "purchase"),
        ("impressions", "reach"),
    )
    names = sorted({name for chain in chains for name in chain})
    for row in SIM.rows_at(at, names, day, day, "stat_time_day", advertiser_id=SIM.ids[number]):
        for chain in chains:
            values = [int(row["metrics"][name]) for name in chain]
            assert values == sorted(values, reverse=True), chain


@given(days, st.integers(1, 29))
def test_reach_does_not_add_up(start: date, more: int) -> None:
    """People seen on several days count once: less than the sum, no less than the best day."""
    start = min(start, TODAY - timedelta(days=40))
    end = start + timedelta(days=more)
    range_rows = SIM.rows_at("advertiser", ["reach"], start, end)
    daily = SIM.rows_at("advertiser", ["reach"], start, end, "stat_time_day")
    people = [int(row["metrics"]["reach"]) for row in daily]
    assert max(people) <= added(range_rows, "reach") < sum(people)


@given(days, level)
def test_quotients_are_those_of_their_parts(day: date, at: str) -> None:
    names = ["spend", "impressions", "clicks", "conversion", "ctr", "cpc", "cpm", "cost_per_conversion"]
    for row in SIM.rows_at(at, names, day, day, "stat_time_day"):
        value = {name: cents(text) for name, text in row["metrics"].items()}
        assert value["ctr"] == _rounded(100 * 100 * value["clicks"], value["impressions"])
        assert value["cpc"] == _rounded(value["spend"], value["clicks"])
        assert value["cpm"] == _rounded(1000 * value["spend"], value["impressions"])
        assert value["cost_per_conversion"] == _rounded(value["spend"], value["conversion"])


def _rounded(over: int, under: int) -> int:
    return (2 * over + under) // (2 * under) if under else 0


def test_what_has_no_denominator_is_nought() -> None:
    rows = SIM.rows_at("ad", ["clicks", "cpc"], TODAY, TODAY, "stat_time_hour")
    without = [row["metrics"]["cpc"] for row in rows if row["metrics"]["clicks"] == "0"]
    assert without
    assert set(without) == {"0.00"}


def test_totals_are_the_sums_of_all_rows_and_a_dash_for_what_does_not_add_up() -> None:
    names = ["spend", "impressions", "clicks", "ctr", "reach", "frequency", "campaign_name"]
    rows = SIM.rows(metrics=names, enable_total_metrics=True)
    totals = SIM.report(metrics=names, enable_total_metrics=True, page_size=1)["total_metrics"]
    for name in ("spend", "impressions", "clicks"):
        assert cents(totals[name]) == added(rows, name)
    assert cents(totals["ctr"]) == _rounded(10000 * added(rows, "clicks"), added(rows, "impressions"))
    assert [totals[name] for name in ("reach", "frequency", "campaign_name")] == ["-", "-", "-"]


@pytest.mark.parametrize("number", [0, 2, 3])
@pytest.mark.parametrize("lasting", [1, 30, 365])
def test_amounts_of_every_size_and_currency_add_up_to_their_total(number: int, lasting: int) -> None:
    names = ["spend", "total_complete_payment_rate"]
    span = {"start_date": (TODAY - timedelta(days=lasting - 1)).isoformat(), "end_date": TODAY.isoformat()}
    params = {"advertiser_id": SIM.ids[number], "metrics": names, "dimensions": ["campaign_id"], **span}
    totals = SIM.report(enable_total_metrics=True, **params)["total_metrics"]
    for name in names:
        assert added(SIM.rows(**params), name) == cents(totals[name]) > 0


# --- money -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "rate"), [(0, 1), (1, 1), (2, 150), (3, 85)])
def test_prices_are_on_the_scale_of_the_currency(number: int, rate: int) -> None:
    """A thousand impressions cost a few dollars, and as much in euros, yen and rupees; an event's value goes along."""
    names = ["currency", "cpm", "value_per_complete_payment"]
    start, end = TODAY - timedelta(days=60), TODAY - timedelta(days=31)
    (row,) = SIM.rows_at("advertiser", names, start, end, advertiser_id=SIM.ids[number])
    assert row["metrics"]["currency"] == ("USD", "EUR", "JPY", "INR")[number]
    assert 4 * rate < float(row["metrics"]["cpm"]) < 10 * rate
    assert 9 * rate < float(row["metrics"]["value_per_complete_payment"]) < 60 * rate


def test_yen_are_whole_and_have_decimals_all_the_same() -> None:
    names = [
        metric.name
        for metric in catalog.metrics().values()
        if metric.type == "money" and metric.additive and not metric.attribute and "BASIC" in metric.reports
        if {"advertiser", "ad"} <= metric.levels and not metric.needs_any
    ]
    for at in ("advertiser", "ad"):
        rows = SIM.rows_at(at, names, TODAY - timedelta(days=9), TODAY, "stat_time_day", advertiser_id=SIM.ids[2])
        values = [value for row in rows for value in row["metrics"].values()]
        assert {value[-3:] for value in values if value != "-"} == {".00"}
        assert max(float(value) for value in values if value != "-") > 1000


def test_totals_come_with_the_first_page_only() -> None:
    assert "total_metrics" not in SIM.report(enable_total_metrics=True, page=2)
    assert "total_metrics" not in SIM.report()


# --- restatement -----------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 40), st.sampled_from(("conversion", "total_purchase", "complete_payment", "result")))
def test_attributed_events_of_a_day_grow_from_day_to_day_and_then_stand(age: int, name: str) -> None:
    """The same day, seen on two days that follow each other."""
    day = TODAY - timedelta(days=3)
    seen = []
    for later in (age, age + 1):
        MOVING.door("POST", "now", today=(day + timedelta(days=1 + later)).isoformat())
        seen.append({_key(row): int(row["metrics"][name]) for row in MOVING.rows_at("ad", [name], day, day)})
    for key, value in seen[0].items():
        assert seen[1].get(key, 0) >= value
    if age >= MOVING.config.restate_days:
        assert seen[0] == {key: seen[1][key] for key in seen[0]}


def _key(row: dict[str, dict[str, str]]) -> tuple[str, ...]:
    return tuple(row["dimensions"].values())


def test_conversions_of_a_week_have_grown_after_a_month_but_real_time_ones_have_not() -> None:
    sim = Sim()
    start, end = TODAY - timedelta(days=7), TODAY - timedelta(days=1)
    names = ["conversion", "real_time_conversion", "real_time_app_install", "impressions", "clicks"]
    before = sim.rows_at("campaign", names, start, end)
    sim.door("POST", "now", days=30)
    after = sim.rows_at("campaign", names, start, end)
    assert added(after, "conversion") > added(before, "conversion")
    for name in names[1:]:
        assert added(after, name) == added(before, name)


def test_yesterdays_spend_is_repaired_at_noon_in_utc() -> None:
    sim = Sim()
    yesterday = TODAY - timedelta(days=1)
    seen = []
    for hour in (11, 12, 13):
        sim.door("POST", "now", hour=hour)
        seen.append(added(sim.rows_at("advertiser", ["spend"], yesterday, yesterday), "spend"))
    assert seen[0] > seen[1] == seen[2]


def test_the_same_seed_and_day_give_the_same_answer_whoever_asks_and_however_it_came_to_be_that_day() -> None:
    moved = Sim(world(today=TODAY - timedelta(days=50)))
    moved.door("POST", "now", today=TODAY.isoformat())
    params = {"metrics": ["spend", "conversion", "campaign_name"], "page_size": 1000}
    assert Sim().report(**params) == SIM.report(**params) == moved.report(**params)
    other = Sim(world(seed=2))
    assert other.report(**params) != SIM.report(**params)


# --- time ------------------------------------------------------------------------------------------------------


def test_nothing_is_known_of_the_future() -> None:
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    assert SIM.report(start_date=tomorrow, end_date="2026-09-10")["list"] == []


@pytest.mark.parametrize(("number", "last"), [(0, 3), (1, 12), (2, 20), (3, 16)])
def test_todays_hours_end_at_the_present_of_each_zone(number: int, last: int) -> None:
    """At noon in UTC it is 4 in the US West, 13 in Berlin, 21 in Tokyo and half past 17 in India."""
    rows = SIM.rows_at("advertiser", ["impressions"], TODAY, TODAY, "stat_time_hour", advertiser_id=SIM.ids[number])
    assert max(row["dimensions"]["stat_time_hour"] for row in rows) == f"2026-08-20 {last:02d}:00:00"


def test_today_grows_with_the_hour() -> None:
    sim = Sim()
    seen = []
    for hour in (8, 12, 23):
        sim.door("POST", "now", hour=hour)
        seen.append(added(sim.rows_at("advertiser", ["impressions"], TODAY, TODAY), "impressions"))
    assert seen[0] < seen[1] < seen[2]


def test_a_live_world_goes_by_the_machines_hours_until_the_side_door_sets_others() -> None:
    sim = Sim(world(live=True))
    seen = []
    for wall in ("2026-08-20T06:59:00", "2026-08-20T09:01:00", "2026-08-22T00:00:00"):
        sim.wall = datetime.fromisoformat(wall + "+00:00").timestamp()
        seen.append(added(sim.rows_at("advertiser", ["impressions"], TODAY, TODAY), "impressions"))
        assert sim.door("GET", "state")["now"] == wall[:13] + ":00:00+00:00"
    assert 0 == seen[0] < seen[1] < seen[2]
    sim.door("POST", "now", today="2026-08-20", hour=9)
    assert added(sim.rows_at("advertiser", ["impressions"], TODAY, TODAY), "impressions") == seen[1]


def test_reach_comes_sixteen_hours_late() -> None:
    """At noon in UTC, reach of the last 16 hours is missing; impressions are there."""
    metrics = ["reach", "impressions"]
    hours = SIM.rows_at("advertiser", metrics, TODAY, TODAY, "stat_time_hour")
    assert added(hours, "impressions") > 0 == added(hours, "reach")
    prompt = Sim(world(late=False)).rows_at("advertiser", metrics, TODAY, TODAY, "stat_time_hour")
    assert added(prompt, "reach") > 0


def test_figures_begin_with_the_year_that_the_history_reaches_back_to() -> None:
    years = {year: SIM.rows_at("advertiser", ["spend"], date(year, 1, 1), date(year, 12, 30)) for year in (2023, 2024)}
    assert [len(years[year]) for year in years] == [0, 1]


# --- every metric ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_metric_that_the_catalogue_gives_a_level_has_a_value_there() -> None:
    for at, (_, identity) in LEVELS.items():
        names = [
            metric.name
            for metric in catalog.metrics().values()
            if "BASIC" in metric.reports and at in metric.levels and metric.needs_any <= {identity, "stat_time_day"}
        ]
        names = [name for name in names if name not in {"ad_id_v2"}]
        for begin in range(0, len(names), 150):
            metrics = names[begin : begin + 150]
            (row, *_) = SIM.rows_at(at, metrics, TODAY - timedelta(days=9), TODAY - timedelta(days=9), "stat_time_day")
            assert list(row["metrics"]) == metrics
            assert all(value == "-" or value for value in row["metrics"].values())


def test_events_happen_where_the_campaign_sends_people() -> None:
    """A metric of another surface reads 0, as it does at TikTok."""
    names = ["objective_type", "total_purchase", "complete_payment"]
    rows = SIM.rows_at("campaign", names, TODAY - timedelta(days=200), TODAY)
    by_objective = {row["metrics"]["objective_type"]: row["metrics"] for row in rows}
    assert int(by_objective["WEB_CONVERSIONS"]["complete_payment"]) > 0
    assert by_objective["WEB_CONVERSIONS"]["total_purchase"] == "0"
    assert int(by_objective["APP_PROMOTION"]["total_purchase"]) > 0
    assert by_objective["APP_PROMOTION"]["complete_payment"] == "0"


# --- plain worlds ----------------------------------------------------------------------------------------------


@given(days, st.integers(0, 29))
def test_in_a_plain_world_every_ad_has_a_row_on_every_day(start: date, more: int) -> None:
    end = min(start + timedelta(days=more), TODAY - timedelta(days=1))
    start = min(start, end)
    for identity in PLAIN.ids:
        rows = PLAIN.rows(
            advertiser_id=identity,
            data_level="AUCTION_AD",
            dimensions=["ad_id", "stat_time_day"],
            start_date=start.isoformat(),
            end_date=end.isoformat(),
        )
        assert len(rows) == 12 * ((end - start).days + 1)
