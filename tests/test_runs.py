"""Whole runs against the simulator: what ends up in the table, and whether it is verified."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adreel.datasets.files import read
from adreel.errors import BusyError, ExitCode
from adreel.lake import Lake
from adreel.pipeline.run import Watch
from adreel.store import RunState
from home import Home, make_home
from running import Tampered, latest, left_behind, log_of, metrics_of_ads, questions, run, saved, table

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))


def named(home: Home, name: str, **keys: Any) -> str:
    """A dataset file of another name."""
    path = Path(home.file(f"{name}.yaml", **keys))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": name}))
    return str(path)


# -- every example


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that several tests of examples share; each has its own dataset."""
    home = make_home(tmp_path_factory.mktemp("shared") / "home")
    home.add_account()
    return home


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_is_verified_and_runs_again(shared: Home, example: Path) -> None:
    first, second = (shared.json("run", "-f", str(example)) for _ in range(2))
    for report in (first, second):
        assert (report["state"], report["verification"]["verified"]) == ("verified", True)
        assert report["rows"] == report["verification"]["rows"] > 0
    slug = first["table"].rpartition("/")[2]
    assert (first["version"], second["version"]) == (0, 1)
    assert table(shared, slug).num_rows == first["rows"]
    assert table(shared, slug).equals(table(shared, slug, 0))
    assert left_behind(shared) == []


TYPES: dict[str, dict[str, pa.DataType]] = {
    "ad_daily": {
        "advertiser_id": pa.string(),
        "ad_id": pa.string(),
        "stat_time_day": pa.date32(),
        "ad_name": pa.string(),
        "spend": pa.decimal128(24, 6),
        "impressions": pa.int64(),
        "ctr": pa.decimal128(24, 6),
        "currency": pa.string(),
        "timezone": pa.string(),
    },
    "campaign_hourly": {"stat_time_hour": pa.timestamp("us"), "stat_time_hour_utc": pa.timestamp("us", "UTC")},
    "campaign_lifetime": {"purchase": pa.int64(), "campaign_id": pa.string()},
    "audience_age_gender": {"age": pa.string(), "gender": pa.string(), "clicks": pa.int64()},
    "spend_by_country": {"country_code": pa.string()},
    "legacy_basic": {"no_longer_offered": pa.string(), "registration": pa.int64()},
    "ads": {"ad_id": pa.string(), "create_time": pa.timestamp("us", "UTC")},
    "advertisers": {"advertiser_id": pa.string(), "create_time": pa.timestamp("us", "UTC")},
    "creatives": {"start_date": pa.date32(), "spend": pa.decimal128(24, 6)},
}


@pytest.mark.parametrize("example", TYPES)
def test_the_columns_of_an_example_have_their_types(shared: Home, example: str) -> None:
    file = next(path for path in EXAMPLES if path.stem == example)
    name = read(file.read_text()).values["name"]
    shared.good("run", "-f", str(file))
    schema = table(shared, saved(shared, name).table_slug).schema
    assert {column: schema.field(column).type for column in TYPES[example]} == TYPES[example]


def test_the_values_are_those_that_tiktok_sent(home: Home) -> None:
    sent: list[dict[str, Any]] = []
    report = run(home, home.file(), transport=Tampered(home, lambda _, data: sent.extend(data["list"])))
    rows = {(row["ad_id"], row["stat_time_day"]): row for row in table(home).to_pylist()}
    assert len(rows) == len(sent) == report.rows
    for sent_row in sent:
        day = date.fromisoformat(sent_row["dimensions"]["stat_time_day"][:10])
        row = rows[sent_row["dimensions"]["ad_id"], day]
        assert row["spend"] == Decimal(sent_row["metrics"]["spend"])
        assert row["impressions"] == int(sent_row["metrics"]["impressions"])


def test_a_note_is_shown_and_logged_and_the_run_succeeds(home: Home) -> None:
    file = home.file(report_type="basic", time_dimension=None, lifetime=True)
    notes: list[str] = []
    report = run(home, file, watch=Watch(say=notes.append))
    assert (report.state, report.warnings) == ("verified", ())
    assert notes == ["note: Lifetime data is on, so dates are ignored."]
    assert notes[0] in log_of(home)


# -- restatement and update methods


def conversions_of(home: Home, version: int | None = None) -> dict[date, int]:
    """Conversions by day."""
    by_day: Counter[date] = Counter()
    for row in table(home, version=version).to_pylist():
        by_day[row["stat_time_day"]] += row["conversion"]
    return dict(by_day)


def test_restated_conversions_are_shown_by_diff_on_their_days(home: Home) -> None:
    file = home.file(dates={"start": "today-6", "end": "yesterday"}, update={"method": "upsert"})
    home.good("run", "-f", file)
    home.later(2)
    home.good("run", "-f", file)
    before, after = conversions_of(home, 0), conversions_of(home, 1)
    assert min(after) == min(before), "upsert keeps what is before the days that were read"
    assert max(after) == max(before) + timedelta(days=2)
    restated = {str(day): after[day] - before[day] for day in before if after[day] != before[day]}
    assert restated, "the simulator restates"
    shown = home.json("diff", "spend", "0", "1")
    changes = {
        day["day"]: metric["change"]
        for day in shown["days"]
        for metric in day["sums"]
        if metric["name"] == "conversion" and day["kind"] == "restated"
    }
    assert changes == restated


def test_partition_replaces_the_days_that_were_read_and_keeps_the_others(home: Home) -> None:
    file = home.file(dates={"start": "today-6", "end": "yesterday"}, update={"method": "partition", "lookback": 0})
    home.good("run", "-f", file)
    home.later(3)
    home.good("run", "-f", file)
    before, after = conversions_of(home, 0), conversions_of(home, 1)
    days = sorted(before)
    assert [after[day] for day in days[:2]] == [before[day] for day in days[:2]]
    assert set(after) > set(before)
    fresh = make_home(home.path.parent / "fresh")
    fresh.add_account()
    fresh.later(3)
    fresh.good("run", "-f", fresh.file(dates={"start": "today-6", "end": "yesterday"}))
    again = conversions_of(fresh)
    assert {day: after[day] for day in again} == again


def test_a_day_that_became_empty_is_emptied_by_partition(home: Home) -> None:
    file = home.file(update={"method": "partition"})
    run(home, file)
    gone = max(row["stat_time_day"] for row in table(home).to_pylist())

    def emptied(_: dict[str, str], data: dict[str, Any]) -> None:
        data["list"] = [row for row in data["list"] if not row["dimensions"]["stat_time_day"].startswith(str(gone))]
        data["page_info"]["total_number"] = len(data["list"])
        data.pop("total_metrics", None)

    report = run(home, file, transport=Tampered(home, emptied))
    assert report.verification["verified"]
    assert set(conversions_of(home)) == set(conversions_of(home, 0)) - {gone}


def test_days_older_than_keep_days_are_dropped(home: Home) -> None:
    file = home.file(dates={"start": "today-6", "end": "yesterday"}, update={"method": "partition", "keep_days": 7})
    home.good("run", "-f", file)
    home.later(4)
    home.good("run", "-f", file)
    # It is noon in UTC: the advertiser furthest behind has the same day.
    kept = sorted(conversions_of(home))
    assert kept[0] == home.now.date() - timedelta(days=6)
    assert kept[-1] == home.now.date() - timedelta(days=1)
    assert min(conversions_of(home, 0)) == home.now.date() - timedelta(days=10)


def test_append_adds_the_rows_of_each_run(home: Home) -> None:
    file = home.file(update={"method": "append"})
    first, second = home.json("run", "-f", file), home.json("run", "-f", file)
    assert table(home).num_rows == first["rows"] + second["rows"]


# -- time zones


def test_today_is_each_advertisers_own(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=12)
    home.add_account()
    home.now = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)
    home.door("now", {"today": "2026-11-22", "hour": 11, "minute": 30})
    file = home.file(dates={"date": "today"}, skip_failing_advertisers=True)
    home.json("run", "-f", file, code=ExitCode.SKIPPED)
    offsets = {
        advertiser["advertiser_id"]: advertiser["offset_minutes"] for advertiser in home.door("state")["advertisers"]
    }
    asked = {
        request["advertiser"]: request["params"]["start_date"] for request in home.requests() if request["code"] == 0
    }
    assert asked == {
        advertiser: str((home.now + timedelta(minutes=offsets[advertiser])).date()) for advertiser in asked
    }
    assert set(asked.values()) == {"2026-11-22", "2026-11-23"}
    assert {str(day) for day in pc.unique(table(home)["stat_time_day"]).to_pylist()} <= set(asked.values())


def test_hours_are_the_advertisers_own_and_utc_and_add_up_to_its_day(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=10, ads=4, plain=True)
    home.add_account()
    day = {"date": "yesterday"}
    home.good("run", "-f", home.file(time_dimension="hour", data_level="advertiser", dates=day))
    home.good("run", "-f", named(home, "Days", data_level="advertiser", dates=day))
    offsets = {
        advertiser["advertiser_id"]: advertiser["offset_minutes"] for advertiser in home.door("state")["advertisers"]
    }
    assert {minutes % 60 for minutes in offsets.values()} == {0, 30}
    sums: Counter[tuple[str, date]] = Counter()
    for row in table(home).to_pylist():
        wall = row["stat_time_hour"].replace(tzinfo=UTC)
        assert wall - row["stat_time_hour_utc"] == timedelta(minutes=offsets[row["advertiser_id"]])
        sums[row["advertiser_id"], wall.date()] += row["impressions"]
    days = {(row["advertiser_id"], row["stat_time_day"]): row["impressions"] for row in table(home, "days").to_pylist()}
    assert dict(sums) == days
    assert len(days) == 10


# -- more metrics than a request takes


def test_250_metrics_equal_those_of_runs_with_a_hundred(home: Home) -> None:
    names = metrics_of_ads(250)
    assert len(names) == 250
    report = home.json("run", "-f", home.file(metrics=names, dates={"date": "yesterday"}))
    assert report["verification"]["verified"]
    assert report["requests"] == 9
    whole = table(home)
    assert whole.num_rows == report["rows"] == report["verification"]["rows_expected"]
    for number in range(3):
        part = names[100 * number : 100 * number + 100]
        file = named(home, f"Part {number}", metrics=part, dates={"date": "yesterday"})
        assert home.json("run", "-f", file)["verification"]["verified"]
        assert whole.select(["ad_id", *part]).equals(table(home, f"part_{number}").select(["ad_id", *part]))


def test_a_batch_of_metrics_with_fewer_rows_fails_verification_and_leaves_cells_empty(home: Home) -> None:
    names = metrics_of_ads(150)

    def shortened(params: dict[str, str], data: dict[str, Any]) -> None:
        if "spend" not in json.loads(params["metrics"]):
            data["list"].pop()
            data["page_info"]["total_number"] -= 1
            data.pop("total_metrics", None)

    file = home.file(metrics=names, dates={"date": "yesterday"}, advertisers=[advertisers_of(home)[0]])
    report = run(home, file, transport=Tampered(home, shortened))
    assert (report.state, report.verification["verified"]) == ("check_failed", False)
    assert any("different numbers of rows for the batches of metrics" in warning for warning in report.warnings)
    rows = table(home)
    assert rows.num_rows == report.rows
    assert rows[names[-1]].null_count >= 1
    assert rows["spend"].null_count == 0


def advertisers_of(home: Home) -> list[str]:
    return [str(advertiser["advertiser_id"]) for advertiser in home.door("state")["advertisers"]]


# -- the cut at 20,000 ids


@pytest.mark.parametrize("level", ["ad", "adgroup", "campaign"])
def test_a_report_that_tiktok_cuts_is_read_whole_in_parts(tmp_path: Path, level: str) -> None:
    tables, counts = [], []
    for cut in (6, 20_000):
        home = make_home(tmp_path / str(cut), advertisers=1, ads=240, id_cut=cut)
        home.add_account()
        report = home.json("run", "-f", home.file(data_level=level, dates={"start": "today-2", "end": "yesterday"}))
        assert (report["state"], report["verification"]["verified"]) == ("verified", True), report
        assert report["verification"]["totals"]["spend"]["expected"] > 0
        tables.append(table(home))
        counts.append(report["requests"])
        assert len(questions(home)) == len(set(questions(home)))
    assert tables[0].num_rows > 10
    assert tables[0].equals(tables[1])
    assert counts[0] < 200


def test_an_audience_report_that_tiktok_cuts_is_read_whole_in_parts(tmp_path: Path) -> None:
    tables = []
    for cut in (15, 20_000):
        home = make_home(tmp_path / str(cut), advertisers=1, ads=60, id_cut=cut)
        home.add_account()
        file = home.file(report_type="audience", audience_dimensions=["gender"], dates={"date": "today-3"})
        report = home.json("run", "-f", file)
        assert report["verification"]["verified"]
        tables.append(table(home).sort_by([("ad_id", "ascending"), ("gender", "ascending")]))
    assert tables[0].num_rows > 0
    assert tables[0].equals(tables[1])


def test_parts_of_a_cut_report_that_lack_rows_are_compared_with_the_totals_above(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=120, id_cut=10)
    home.add_account()

    def shortened(params: dict[str, str], data: dict[str, Any]) -> None:
        narrowed = "_ids" in params.get("filtering", "") and data["list"]
        if narrowed and params["data_level"] == "AUCTION_AD":
            data["list"].pop()
            data["page_info"]["total_number"] -= 1
            for name in data.get("total_metrics", {}):
                data["total_metrics"][name] = str(sum(Decimal(row["metrics"][name]) for row in data["list"]))

    report = run(home, home.file(dates={"date": "yesterday"}), transport=Tampered(home, shortened))
    assert (report.state, report.verification["verified"]) == ("check_failed", False)
    assert "impressions" in report.verification["differing"]
    assert any("TikTok's own total" in warning for warning in report.warnings)


# -- several advertisers in one request


def test_whole_numbers_of_several_advertisers_are_the_same_in_shared_requests(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=7, plain=True, ads=5)
    home.add_account()
    shared = home.json("run", "-f", home.file(metrics=["impressions", "clicks"]))
    single = home.json("run", "-f", named(home, "Single", metrics=["impressions", "clicks", "spend"]))
    assert shared["verification"]["verified"]
    assert (shared["requests"], single["requests"]) == (2, 7)
    names = ["advertiser_id", "ad_id", "stat_time_day", "impressions", "clicks", "currency", "timezone"]
    assert table(home).select(names).equals(table(home, "single").select(names))


def test_an_advertiser_that_fails_in_a_shared_request_does_not_affect_the_others(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=7, ads=5, plain=True)
    home.add_account()
    gone = advertisers_of(home)[2]
    home.door("remove", {"advertiser_id": gone})
    file = home.file(metrics=["impressions"], skip_failing_advertisers=True)
    report = home.json("run", "-f", file, code=ExitCode.SKIPPED)
    assert (report["state"], report["verification"]["verified"]) == ("advertisers_skipped", True)
    assert list(report["skipped_advertisers"]) == [gone]
    assert set(table(home)["advertiser_id"].to_pylist()) == set(advertisers_of(home)) - {gone}


# -- advertisers that fail


def fragile(tmp_path: Path) -> Home:
    """Six advertisers: four ordinary ones, one without permission, one without ads."""
    home = make_home(tmp_path / "home", advertisers=6, ads=20)
    home.add_account()
    return home


def by_kind(home: Home) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for advertiser in home.door("state")["advertisers"]:
        ids.setdefault(advertiser["kind"], []).append(advertiser["advertiser_id"])
    return ids


def test_advertisers_that_fail_are_skipped_and_named_with_the_reason(tmp_path: Path) -> None:
    home = fragile(tmp_path)
    kinds = by_kind(home)
    removed, broken = kinds["ordinary"][1], kinds["ordinary"][2]
    home.json("plan", "-f", home.file())
    home.door("remove", {"advertiser_id": removed})
    trouble = {"kind": "code", "code": 50000, "times": 0, "where": {"advertiser_id": broken}}
    home.door("trouble", {**trouble, "path": "report"})
    report = run(home, home.file(skip_failing_advertisers=True))
    assert (report.state, report.verification["verified"]) == ("advertisers_skipped", True)
    assert set(report.skipped) == {removed, broken, *kinds["no_permission"]}
    assert "40300" in report.skipped[removed]
    assert "50000" in report.skipped[broken]
    assert set(table(home)["advertiser_id"].to_pylist()) == {kinds["ordinary"][0], kinds["ordinary"][3]}
    assert report.verification["rows_expected"] == report.rows == table(home).num_rows


@pytest.mark.slow
def test_an_advertiser_that_fails_on_some_of_its_days_is_skipped_entirely(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ads=5)
    home.add_account()
    broken = advertisers_of(home)[1]
    trouble = {"kind": "code", "code": 40001, "times": 0, "path": "report"}
    home.door("trouble", {**trouble, "where": {"advertiser_id": broken, "start_date": "2026-11-20"}})
    dates = {"start": "2026-10-01", "end": "yesterday"}
    file = home.file(time_dimension="hour", dates=dates, skip_failing_advertisers=True)
    report = run(home, file)
    assert report.verification["verified"], report
    assert list(report.skipped) == [broken]
    assert broken not in table(home)["advertiser_id"].to_pylist()


def test_replace_keeps_the_rows_of_a_skipped_advertiser(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.add_account()
    file = home.file(skip_failing_advertisers=True, update={"method": "replace"})
    home.good("run", "-f", file)
    count = "select advertiser_id, count(*) as n from spend group by 1 order by 1"
    before = home.rows(count)
    gone = before[0]["advertiser_id"]
    home.door("remove", {"advertiser_id": gone})
    report = home.json("run", "-f", file, code=ExitCode.SKIPPED)
    assert list(report["skipped_advertisers"]) == [gone]
    assert (report["state"], report["exit_code"]) == ("advertisers_skipped", ExitCode.SKIPPED)
    assert home.rows(count) == before


def test_without_skipping_a_failing_advertiser_ends_the_run_and_the_table_is_unchanged(tmp_path: Path) -> None:
    home = fragile(tmp_path)
    ordinary = by_kind(home)["ordinary"]
    home.good("run", "-f", home.file(advertisers=ordinary))
    home.door("remove", {"advertiser_id": ordinary[1]})
    code, words = home.bad("run", "-f", home.file(advertisers=ordinary))
    assert code == 5
    assert ordinary[1] in words
    assert "or set skip_failing_advertisers: true." in words
    assert table(home).equals(table(home, version=0))
    assert latest(home).state == "failed"


def test_an_advertiser_without_permission_is_named_before_anything_is_read(tmp_path: Path) -> None:
    home = fragile(tmp_path)
    code, words = home.bad("run", "-f", home.file())
    assert code == 5
    assert by_kind(home)["no_permission"][0] in words
    assert home.requests() == []


def test_an_advertiser_without_rows_does_not_fail(tmp_path: Path) -> None:
    home = fragile(tmp_path)
    file = home.file(advertisers=by_kind(home)["empty"])
    report = home.json("run", "-f", file)
    assert (report["state"], report["rows"], report["verification"]["verified"]) == ("verified", 0, True)
    assert table(home).num_rows == 0


def test_when_all_advertisers_fail_the_run_fails_and_the_table_is_unchanged(home: Home) -> None:
    file = home.file(skip_failing_advertisers=True)
    home.good("run", "-f", file)
    for advertiser in advertisers_of(home):
        home.door("remove", {"advertiser_id": advertiser})
    code, words = home.bad("run", "-f", file)
    assert code == 5
    assert "No ad account could be read. The table is unchanged." in words
    # One reason is said once, with the ad accounts whose reason it is.
    accounts = advertisers_of(home)
    assert words.count("does not exist or has been deleted") == 1, words
    assert f"{len(accounts)} ad accounts, " in words
    assert all(advertiser in words for advertiser in accounts)
    assert [version["version"] for version in home.json("versions", "spend")] == [0]


# -- values that cannot be read


def test_values_that_cannot_be_read_become_null_and_are_counted_over_all_pages(home: Home) -> None:
    def hidden(_: dict[str, str], data: dict[str, Any]) -> None:
        for row in data["list"][:2]:
            row["metrics"]["impressions"] = "<5"
        data.pop("total_metrics", None)

    report = run(home, home.file(), transport=Tampered(home, hidden))
    assert report.state == "verified_with_warnings"
    assert report.warnings == (
        "6 values of impressions could not be read as a whole number and were left empty, for example '<5'.",
    )
    assert table(home)["impressions"].null_count == 6


# -- order


class Reordered(httpx2.AsyncBaseTransport):
    """Answers the requests that are under way in the order of `ranks`."""

    def __init__(self, home: Home, ranks: list[int]) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._ranks = ranks
        self._number = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        import asyncio

        rank = self._ranks[self._number % len(self._ranks)]
        self._number += 1
        response = await self._under.handle_async_request(request)
        for _ in range(rank):
            await asyncio.sleep(0)
        return response


@settings(max_examples=3, phases=(Phase.generate,), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ranks=st.lists(st.integers(0, 60), min_size=3, max_size=12))
def test_the_table_does_not_depend_on_the_order_of_pages(shared: Home, ranks: list[int]) -> None:
    file = named(shared, "Any order", dates={"start": "today-90", "end": "yesterday"})
    report = run(shared, file, transport=Reordered(shared, ranks))
    assert report.verification["verified"]
    assert report.pages > 6
    assert table(shared, "any_order").equals(table(shared, "any_order", 0))


def test_a_run_whose_table_another_changes_meanwhile_commits_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ads=2)
    home.add_account()
    for _ in range(2):
        run(home, home.file())
    lake = Lake(home.path / "lake")

    def overtake(_params: dict[str, str], _data: dict[str, Any]) -> None:
        if lake.table("spend").version == 1:
            lake.restore("spend", 0, "other", lambda _: None)

    with pytest.raises(BusyError, match="Run other made version 2 of the table spend"):
        run(home, home.file(), transport=Tampered(home, overtake))
    assert lake.table("spend").version == 2
    assert latest(home).state is RunState.FAILED
    assert run(home, home.file()).version == 3
