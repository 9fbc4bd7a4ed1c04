from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset
from adreel.datasets.files import read
from adreel.datasets.validation import parse
from adreel.dates import Span
from adreel.errors import DatasetError
from adreel.pipeline.plan import CHUNK_REQUESTS, LONGEST_SPAN, MOST_ADVERTISERS, Plan, make_plan

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMIT = {"per_second": 10, "per_minute": 600, "per_day": 864_000}


def advertiser(number: int, hours: float = 0) -> Advertiser:
    return Advertiser(f"{7_000_000_000_000_000_000 + number}", f"Shop {number}", "USD", timedelta(hours=hours))


def dataset(text: str = "", **changes: str) -> Dataset:
    keys = {
        "name": "T",
        "account": "demo",
        "report": "performance",
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": "[spend, impressions]",
        "dates": "{start: 2026-11-01, end: 2026-11-20}",
    } | changes
    return parse(read("\n".join(f"{key}: {value}" for key, value in keys.items() if value) + "\n" + text), NOW)


def params(plan: Plan) -> list[dict[str, Any]]:
    return [dict(request.params) for request in plan.requests()]


@given(
    time_dimension=st.sampled_from(["none", "day", "hour"]),
    start=st.dates(date(2024, 1, 1), date(2026, 11, 20)),
    days=st.integers(1, 800),
    zones=st.lists(st.integers(-12, 14), min_size=1, max_size=4),
    whole=st.booleans(),
)
def test_a_plan_covers_each_advertiser_and_day_once_within_the_limits(
    time_dimension: str, start: date, days: int, zones: list[int], whole: bool
) -> None:
    end = min(start + timedelta(days=days - 1), date(2026, 11, 20))
    asked = dataset(
        time_dimension=time_dimension,
        dates=f"{{start: {start}, end: {end}}}",
        metrics="[impressions, clicks]" if whole else "[spend]",
    )
    plan = make_plan(asked, [advertiser(n, zone) for n, zone in enumerate(zones)], NOW)
    seen: Counter[tuple[str, date]] = Counter()
    names = Counter(request.name for request in plan.requests())
    for request in plan.requests():
        assert request.span is not None
        assert request.span.days <= LONGEST_SPAN[time_dimension]
        assert len(request.advertisers) <= MOST_ADVERTISERS
        for requested in request.advertisers:
            seen.update((requested.id, request.span.start + timedelta(days=n)) for n in range(request.span.days))
    wanted = {
        (advertiser(n).id, start + timedelta(days=d)) for n in range(len(zones)) for d in range((end - start).days + 1)
    }
    assert seen == Counter(wanted)
    assert set(names.values()) == {1}
    assert plan.request_count == names.total()
    assert plan.chunk_count == len(list(plan.chunks()))


def test_a_plan_has_the_fewest_requests_that_the_limits_allow() -> None:
    ninety = "{start: 2026-08-23, end: 2026-11-20}"
    assert make_plan(dataset(dates=ninety), [advertiser(1)], NOW).request_count == 3
    assert make_plan(dataset(dates=ninety, time_dimension="none"), [advertiser(1)], NOW).request_count == 1
    assert make_plan(dataset(dates=ninety, time_dimension="hour"), [advertiser(1)], NOW).request_count == 90


def test_relative_days_are_counted_in_each_advertisers_own_zone() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    asked = dataset(dates="{date: today}")
    plan = make_plan(asked, [advertiser(1, 9), advertiser(2, -8)], late)
    assert {who.id[-1]: days for who, days in plan.days()} == {
        "1": Span(date(2026, 11, 23), date(2026, 11, 23)),
        "2": Span(date(2026, 11, 22), date(2026, 11, 22)),
    }


def test_a_day_that_has_not_begun_for_an_advertiser_gives_a_note() -> None:
    asked = dataset(dates="{start: 2026-11-22, end: 2026-11-23}")
    plan = make_plan(asked, [advertiser(1, 13), advertiser(2, -13)], datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert [(who.id[-1], days.days) for who, days in plan.days()] == [("1", 2)]
    assert plan.notes[0] == "2026-11-23 is in the future for 1 of 2 ad accounts: its last day is 2026-11-21."
    assert "0000002" in plan.notes[1]


def test_the_last_days_of_ad_accounts_on_three_dates_are_each_counted() -> None:
    asked = dataset(dates="{start: 2026-11-20, end: 2026-11-23}")
    three = [advertiser(1, 13), advertiser(2, -12), advertiser(3, -12), advertiser(4, 0)]
    plan = make_plan(asked, three, datetime(2026, 11, 22, 11, 30, tzinfo=UTC))
    last = "their last days are 2026-11-21 (2) and 2026-11-22 (1)"
    assert plan.notes[0] == (f"2026-11-23 is in the future for 3 of 4 ad accounts: {last}.")
    with pytest.raises(DatasetError, match="in every selected ad account; the last day available is today, 2026-11-22"):
        make_plan(asked, three[1:], datetime(2026, 11, 22, 11, 30, tzinfo=UTC))


def test_deleted_entities_are_included_by_default() -> None:
    asked = params(make_plan(dataset(), [advertiser(1)], NOW))[0]
    assert asked["filtering"] == [{"field_name": "ad_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}]
    without = params(make_plan(dataset(include_deleted="false"), [advertiser(1)], NOW))[0]
    assert "filtering" not in without


def test_each_level_includes_its_own_deleted_entities() -> None:
    for level, field in (("campaign", "campaign_status"), ("adgroup", "adgroup_status")):
        asked = params(make_plan(dataset(data_level=level), [advertiser(1)], NOW))[0]
        assert asked["filtering"][0]["field_name"] == field
        assert asked["dimensions"] == [f"{level}_id", "stat_time_day"]
        assert asked["data_level"] == f"AUCTION_{level.upper()}"


def test_more_than_a_hundred_metrics_are_batches_of_the_same_chunk() -> None:
    grouping = menus.ReportGrouping("BASIC", "ad", "day", (), "ad_id")
    able = [name for name, metric in catalog.metrics().items() if menus.metric_refusal(metric, grouping) is None][:250]
    plan = make_plan(dataset(metrics=f"[{', '.join(able)}]"), [advertiser(1)], NOW)
    asked = params(plan)
    assert [len(request_params["metrics"]) for request_params in asked] == [100, 100, 50]
    assert [name for request_params in asked for name in request_params["metrics"]] == able
    assert plan.chunk_count == 1


def test_advertisers_share_a_request_only_where_no_decimals_can_be_lost() -> None:
    ten = [advertiser(n) for n in range(10)]
    shared = params(make_plan(dataset(metrics="[impressions, clicks]"), ten, NOW))
    assert [len(request_params["advertiser_ids"]) for request_params in shared] == [5, 5]
    for metrics in ("[spend]", "[impressions, ctr]", "[impressions, frequency]"):
        assert all(
            "advertiser_id" in request_params
            for request_params in params(make_plan(dataset(metrics=metrics), ten, NOW))
        )


def test_totals_are_requested_where_tiktok_gives_them() -> None:
    def with_totals(**changes: str) -> bool:
        return "enable_total_metrics" in params(make_plan(dataset(**changes), [advertiser(1)], NOW))[0]

    assert with_totals()
    assert with_totals(time_dimension="none")
    assert not with_totals(time_dimension="hour")
    assert not with_totals(targeting_dimension="country_code")
    assert not with_totals(report_type="audience", audience_dimensions="[gender]")
    assert not with_totals(service_type="reservation")


def test_reservation_is_requested_by_buying_type() -> None:
    asked = params(make_plan(dataset(service_type="reservation"), [advertiser(1)], NOW))
    kinds = [orjson.loads(request_params["filtering"][-1]["filter_value"]) for request_params in asked]
    assert kinds == [["RESERVATION_RF"], ["RESERVATION_TOP_VIEW"]]
    assert {request_params["data_level"] for request_params in asked} == {"AUCTION_AD"}


def test_lifetime_requests_have_no_dates() -> None:
    asked = params(make_plan(dataset(time_dimension="none", lifetime="true", dates=""), [advertiser(1)], NOW))
    assert asked[0]["query_lifetime"] is True
    assert "start_date" not in asked[0]


def test_entities_are_requested_with_deleted_ones_and_topview() -> None:
    text = "name: A\naccount: demo\nreport: ad_groups\n"
    plan = make_plan(parse(read(text), NOW), [advertiser(1)], NOW)
    requests = list(plan.requests())
    assert [request.params["filtering"] for request in requests] == [
        {"primary_status": "STATUS_ALL"},
        {"primary_status": "STATUS_ALL", "buying_types": ["RESERVATION_TOP_VIEW"]},
    ]
    assert [request.page_size for request in requests] == [1000, 100]


def test_advertiser_attributes_are_requested_a_hundred_at_a_time() -> None:
    text = "name: A\naccount: demo\nreport: advertisers\n"
    plan = make_plan(parse(read(text), NOW), [advertiser(n) for n in range(250)], NOW)
    assert [len(request_params["advertiser_ids"]) for request_params in params(plan)] == [100, 100, 50]


def test_the_estimate_is_the_requests_at_the_slower_limit() -> None:
    plan = make_plan(dataset(time_dimension="hour"), [advertiser(n) for n in range(100)], NOW)
    assert plan.request_count == 2000
    assert plan.seconds(**LIMIT) == pytest.approx(200)
    assert plan.seconds(10, 300, 864_000) == pytest.approx(400)


def test_a_plan_of_a_million_requests_is_as_small_as_its_parts() -> None:
    asked = dataset(time_dimension="hour", dates="{start: 2023-11-21, end: 2026-11-20}")
    plan = make_plan(asked, [advertiser(n) for n in range(1000)], NOW)
    assert plan.request_count == 1_096_000
    assert len(plan.reads[0].spans) == 1096
    assert plan.reads[0].spans is plan.reads[999].spans
    first = next(plan.chunks())
    assert len(first.requests) == CHUNK_REQUESTS
