"""Answers of TikTok's that are well-formed and odd: none of them becomes a wrong table, and none a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adreel.errors import ProofError, RetryError
from adreel.lake import Lake
from home import Home, make_home
from running import Tampered, latest, run, table

REPORT = "report/integrated"

COUNTED: dict[str, dict[str, Any]] = {
    REPORT: {"name": "Spend"},
    "campaign/get": {"report": "campaigns"},
    "adgroup/get": {"report": "ad_groups"},
    "ad/get": {"report": "ads"},
    "dmp/custom_audience/list": {"report": "custom_audiences"},
    "creative/report": {
        "report": "creatives",
        "material_type": "video",
        "info_fields": ["material_id", "video_id"],
        "metrics": ["spend"],
        "dates": {"start": "today-3", "end": "yesterday"},
    },
}
"""A dataset for each endpoint whose rows TikTok counts."""


def dataset_file(home: Home, path: str, **keys: Any) -> str:
    """A dataset file that reads from the endpoint."""
    values = COUNTED[path]
    if "report" not in values:
        return home.file(**values, **keys)
    file = home.path / f"{values['report']}.yaml"
    file.write_text(json.dumps({"name": values["report"], "account": "demo"} | values | keys))
    return str(file)


def slug_of(path: str) -> str:
    return str(COUNTED[path].get("report", "spend"))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which a dataset of every endpoint has run once."""
    home = make_home(tmp_path_factory.mktemp("calm") / "home", advertisers=2, ads=12)
    home.add_account()
    for path in COUNTED:
        home.good("run", "-f", dataset_file(home, path))
    return home


@pytest.fixture
def quiet(calm: Home) -> Iterator[Home]:
    """The same home, without trouble before and after."""
    yield calm
    calm.door("calm", {})


def versions(home: Home, slug: str) -> int:
    return len(Lake(home.path / "lake").versions(slug))


# -- what TikTok did not count


UNCOUNTED: dict[str, dict[str, Any]] = {
    "no page_info": {"kind": "uncounted"},
    **{data: {"kind": "data", "value": data} for data in ("null", "[]", "{}", '{"list":[]}')},
}


@pytest.mark.parametrize(
    ("path", "case"),
    [
        *((REPORT, case) for case in UNCOUNTED),
        *((path, case) for path in COUNTED if path != REPORT for case in ("no page_info", "null")),
    ],
)
def test_an_answer_without_a_count_is_requested_again_and_never_empties_a_table(
    quiet: Home, path: str, case: str
) -> None:
    order = UNCOUNTED[case]
    file, slug = dataset_file(quiet, path), slug_of(path)
    before, rows = versions(quiet, slug), table(quiet, slug)
    quiet.door("trouble", {**order, "path": path, "times": 2})
    assert run(quiet, file).verification["verified"]
    assert table(quiet, slug).equals(rows)
    quiet.door("trouble", {**order, "path": path, "times": 0})
    with pytest.raises(RetryError, match="with code 0 and without"):
        run(quiet, file)
    assert versions(quiet, slug) == before + 1
    assert latest(quiet, slug).state == "failed"


def test_details_of_audiences_without_a_list_are_requested_again(quiet: Home) -> None:
    file = quiet.path / "details.yaml"
    file.write_text(json.dumps({"name": "details", "account": "demo", "report": "custom_audience_details"}))
    quiet.door("trouble", {"kind": "data", "value": "{}", "path": "dmp/custom_audience/get", "times": 1})
    assert run(quiet, str(file)).verification["verified"]
    assert table(quiet, "details")["create_time"].null_count == 0
    quiet.door("trouble", {"kind": "drop", "path": "dmp/custom_audience/list", "times": 0})
    with pytest.raises(ProofError, match="TikTok counts 12 rows"):
        run(quiet, str(file))


def test_a_table_that_lost_its_rows_has_a_warning_wherever_the_dataset_is_shown(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=12, plain=True)
    home.add_account()

    def shown(keep: int) -> Any:
        def fewer(_: dict[str, str], data: dict[str, Any]) -> None:
            data["list"] = data["list"][:keep]
            data["page_info"] |= {"total_number": keep, "total_page": 1}
            data.pop("total_metrics", None)

        return Tampered(home, fewer)

    file = home.file(update={"method": "replace"})
    assert run(home, file).warnings == ()
    assert run(home, file, transport=shown(20)).warnings == ()
    few = run(home, file, transport=shown(9))
    assert few.warnings[0].startswith("The table shrank from 20 to 9 rows. TikTok counted 9 rows")
    none = run(home, file, transport=shown(0))
    assert (none.state, none.verification["verified"]) == ("verified_with_warnings", True)
    assert none.warnings[0].startswith("The table shrank from 9 to 0 rows.")
    assert "shrank from 9 to 0 rows" in home.json("datasets", "list")[0]["last_run"]["warnings"][0]
    assert "shrank from 9 to 0 rows" in home.good("datasets", "list").stderr
    assert "shrank from 9 to 0 rows" in home.json("history", "spend")[0]["warnings"][0]
    assert "shrank from 9 to 0 rows" in home.good("history", "spend").stdout


@pytest.mark.parametrize("method", ["replace", "append", "upsert", "partition"])
def test_a_metric_that_disappears_from_all_rows_gives_a_warning(tmp_path: Path, method: str) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=12, plain=True)
    home.add_account()

    def without_clicks(_: dict[str, str], data: dict[str, Any]) -> None:
        data.get("total_metrics", {}).pop("clicks", None)
        for row in data["list"]:
            row["metrics"].pop("clicks", None)

    file = home.file(update={"method": method}, metrics=["spend", "clicks"])
    assert run(home, file).warnings == ()
    report = run(home, file, transport=Tampered(home, without_clicks))
    assert report.state == "verified_with_warnings"
    assert report.warnings[0].startswith("TikTok sent no value of column clicks in any of the ")
    assert run(home, file).warnings == ()


def test_a_partition_that_removes_most_rows_gives_a_warning(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=12, plain=True)
    home.add_account()

    def none(_: dict[str, str], data: dict[str, Any]) -> None:
        data.update(list=[], page_info={"total_number": 0, "total_page": 0})
        data.pop("total_metrics", None)

    file = home.file(update={"method": "partition"})
    assert run(home, file).state == "verified"
    assert "shrank from 36 to 0 rows" in run(home, file, transport=Tampered(home, none)).warnings[0]


# -- pages of another size


@pytest.mark.parametrize("path", COUNTED)
def test_pages_that_are_smaller_than_requested_are_all_read(quiet: Home, path: str) -> None:
    file, slug = dataset_file(quiet, path), slug_of(path)
    rows = table(quiet, slug)
    quiet.door("trouble", {"kind": "cap", "rows": 5, "path": path, "times": 0})
    assert run(quiet, file).verification["verified"]
    assert table(quiet, slug).equals(rows)


def test_a_count_beyond_all_pages_fails_verification(quiet: Home) -> None:
    quiet.door("trouble", {"kind": "total", "change": 10**14, "path": REPORT, "times": 0})
    with pytest.raises(ProofError, match="TikTok counts"):
        run(quiet, dataset_file(quiet, REPORT))


# -- values that no column can hold

VALUES = {
    "digits beyond a decimal": ("metrics.spend", '"1234567890123456789.12"'),
    "digits beyond a whole number": ("metrics.impressions", '"99999999999999999999"'),
    "a JSON number beyond a whole number": ("metrics.impressions", "1" * 30),
    "a JSON number beyond all": ("metrics.impressions", "1" * 5000),
    "a power beyond a decimal": ("metrics.ctr", '"1e40"'),
    "a power beyond all": ("metrics.ctr", '"1e999999999"'),
    "infinity": ("metrics.impressions", '"Infinity"'),
    "no number": ("metrics.spend", '"NaN"'),
    "a bare infinity": ("metrics.spend", "-Infinity"),
    "a truth": ("metrics.impressions", "true"),
    "something nested": ("metrics.spend", '{"a": [1, null]}'),
    "digits of another script": ("metrics.impressions", '"\u0661\u0662"'),
    "digits with marks between them": ("metrics.impressions", '"1_000"'),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_no_column_can_hold_is_empty_and_gives_a_warning(quiet: Home, case: str) -> None:
    field, value = VALUES[case]
    quiet.door("trouble", {"kind": "value", "field": field, "value": value, "rows": 2, "path": REPORT, "times": 0})
    report = run(quiet, quiet.file("odd.yaml", name="odd", metrics=["spend", "impressions", "ctr"]))
    name = field.rpartition(".")[2]
    assert report.state == ("verified_with_warnings" if report.verification["verified"] else "check_failed")
    assert table(quiet, "odd")[name].null_count == 4
    assert f"4 values of {name} could not be read" in " ".join(report.warnings)
    assert max(map(len, report.warnings)) < 300


ENTITY_VALUES = [
    ("campaign/get", "budget", "12345678901234567890"),
    ("campaign/get", "create_time", '"0000-01-01 00:00:00"'),
    ("campaign/get", "create_time", "999999999999999999"),
    ("campaign/get", "is_new_structure", '"maybe"'),
    ("adgroup/get", "budget", '"1e40"'),
    ("adgroup/get", "schedule_end_time", '"10000-01-01 00:00:00"'),
    ("dmp/custom_audience/list", "cover_num", "123456789012345678901234567890"),
    ("dmp/custom_audience/list", "is_valid", "7"),
    ("ad/get", "modify_time", '"soon"'),
    ("creative/report", "metrics.spend", '"Infinity"'),
    ("dmp/custom_audience/list", "cover_num", '"0x10"'),
    ("advertiser/info", "balance", "1e400"),
    ("advertiser/info", "create_time", "-99999999999999999999"),
]


@pytest.mark.parametrize(("path", "field", "value"), ENTITY_VALUES)
def test_an_invalid_value_is_empty_in_every_list(quiet: Home, path: str, field: str, value: str) -> None:
    values = COUNTED.get(path, {"report": "advertisers"})
    file = quiet.path / "odd.yaml"
    slug = f"odd_{values['report']}"
    file.write_text(json.dumps({"account": "demo", **values, "name": slug}))
    quiet.door("trouble", {"kind": "value", "field": field, "value": value, "path": path, "times": 0})
    report = run(quiet, str(file))
    name = field.rpartition(".")[2]
    assert report.verification["verified"]
    assert table(quiet, slug)[name].null_count > 0
    assert f"of {name} could not be read" in " ".join(report.warnings)
    quiet.good("query", f"select * from {slug}", "--format", "json")


def test_invalid_unicode_in_names_becomes_a_replacement_character(quiet: Home) -> None:
    order = {"kind": "value", "field": "metrics.ad_name", "value": '"Ad \\ud83d"', "path": REPORT}
    quiet.door("trouble", {**order, "rows": 1})
    asked = len(quiet.requests())
    report = run(quiet, quiet.file("odd.yaml", name="half", metrics=["spend", "ad_name"]))
    assert (report.state, report.verification["verified"]) == ("verified", True)
    assert "Ad \ufffd" in table(quiet, "half")["ad_name"].to_pylist()
    assert len(quiet.requests()) - asked == 2, "asked once for each advertiser"


def test_a_byte_order_mark_is_ignored(quiet: Home) -> None:
    quiet.door("trouble", {"kind": "mark", "times": 0})
    assert run(quiet, dataset_file(quiet, REPORT)).verification["verified"]


# -- counts with a fraction


def test_a_count_with_a_fraction_is_kept_with_all_its_digits(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=5, plain=True)
    home.add_account()

    def half(_: dict[str, str], data: dict[str, Any]) -> None:
        data["list"][0]["metrics"]["conversion"] = str(
            Decimal(data["list"][0]["metrics"]["conversion"]) + Decimal("0.5")
        )
        total = data.get("total_metrics")
        if total:
            total["conversion"] = str(Decimal(total["conversion"]) + Decimal("0.5"))

    file = home.file(update={"method": "upsert"})
    assert run(home, file).state == "verified"
    whole = sum(table(home)["conversion"].to_pylist())
    report = run(home, file, transport=Tampered(home, half))
    assert (report.state, report.verification["verified"]) == ("verified_with_warnings", True)
    assert report.verification["differing"] == []
    ids = table(home).slice(0, 1).to_pylist()[0]
    assert report.warnings[0].startswith("1 value of conversion, a count, had fractions:")
    assert f"advertiser_id={ids['advertiser_id']}, ad_id=" in report.warnings[0]
    assert sum(table(home)["conversion"].to_pylist()) == whole + Decimal("0.5")
    assert run(home, file, transport=Tampered(home, half)).state == "verified", "one warning only"
    assert run(home, file).state == "verified", "whole numbers go into decimals"
    assert sum(table(home)["conversion"].to_pylist()) == whole
    home.good("preview", "-f", file)
    home.good("diff", "spend", "0", "1")


# -- breakdowns without a value


@pytest.mark.parametrize(
    ("method", "breakdown"),
    [
        ("upsert", {"targeting_dimension": "country_code"}),
        ("partition", {"targeting_dimension": "country_code"}),
        ("upsert", {"targeting_dimension": "ad_type"}),
        ("upsert", {"report_type": "audience", "audience_dimensions": ["province_id"]}),
    ],
    ids=str,
)
def test_a_missing_value_of_a_breakdown_is_one_value(tmp_path: Path, method: str, breakdown: dict[str, Any]) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=4, plain=True)
    home.add_account()
    name = breakdown.get("targeting_dimension") or breakdown["audience_dimensions"][0]
    file = home.file(metrics=["spend"], update={"method": method}, dates={"date": "yesterday"}, **breakdown)

    def empty(value: Any, *, copy: bool = False) -> Any:
        def change(_: dict[str, str], data: dict[str, Any]) -> None:
            first = data["list"][0]["dimensions"]
            if value is ...:
                del first[name]
            else:
                first[name] = value
            if copy:
                again = json.loads(json.dumps(data["list"][0]))
                again["dimensions"][name] = "-"
                data["list"].append(again)
                data["page_info"]["total_number"] += 1
            data.pop("total_metrics", None)

        return Tampered(home, change)

    rows = [run(home, file, transport=empty(value)).rows for value in (None, "", ..., "-")]
    assert len(set(rows)) == 1
    assert table(home).num_rows == rows[0]
    assert table(home)[name].to_pylist().count("-") == 1
    with pytest.raises(ProofError, match=f"1 duplicate, in each of 4 attempts.*: advertiser_id=.*{name}=-"):
        run(home, file, transport=empty(None, copy=True))


def test_the_table_is_unchanged_if_an_id_or_a_day_is_missing(quiet: Home) -> None:
    before = versions(quiet, "spend")
    for field in ("dimensions.ad_id", "dimensions.stat_time_day"):
        for value in ("null", ""):
            quiet.door("trouble", {"kind": "value", "field": field, "value": value, "path": REPORT, "times": 0})
            with pytest.raises(ProofError, match="without a value of the primary key"):
                run(quiet, dataset_file(quiet, REPORT))
            quiet.door("calm", {})
    assert versions(quiet, "spend") == before


UNREQUESTED: dict[str, tuple[str, str, str, str]] = {
    "another day": (REPORT, "dimensions.stat_time_day", '"2026-01-02 00:00:00"', "a day that was not requested"),
    "another day's hour": (REPORT, "dimensions.stat_time_day", '"2026-01-02 05:00:00"', "a day that was not requested"),
    "another ad account's campaign": ("campaign/get", "advertiser_id", "77", "ad account 77, which was not requested"),
    "a rounded id": (REPORT, "dimensions.ad_id", "1.76e18", "is not an ID"),
    "an object for an id": (REPORT, "dimensions.ad_id", '{"id": "1"}', "is not an ID"),
    "a dash for an id": (REPORT, "dimensions.ad_id", '"-"', "is not an ID"),
    "a rounded id in a list": ("campaign/get", "campaign_id", "1760244909426343936.0", "is not an ID"),
    "a boolean in a list": ("dmp/custom_audience/list", "audience_id", "true", "is not an ID"),
}
"""Rows that are not of the request: the endpoint, the field, its value and the words of the error."""


@pytest.mark.parametrize("case", UNREQUESTED)
def test_rows_that_are_not_of_the_request_never_reach_the_table(quiet: Home, case: str) -> None:
    path, field, value, words = UNREQUESTED[case]
    before = versions(quiet, slug_of(path))
    quiet.door("trouble", {"kind": "value", "field": field, "value": value, "rows": 1, "path": path, "times": 0})
    with pytest.raises(ProofError, match=words):
        run(quiet, dataset_file(quiet, path))
    assert versions(quiet, slug_of(path)) == before


@pytest.mark.parametrize(("field", "value"), [("dimensions.ad_id", "null"), ("dimensions.ad_id", "1.76e18")])
def test_a_page_with_an_invalid_row_is_read_again(quiet: Home, field: str, value: str) -> None:
    rows = table(quiet, "spend")
    quiet.door("trouble", {"kind": "value", "field": field, "value": value, "rows": 1, "path": REPORT, "times": 2})
    assert run(quiet, dataset_file(quiet, REPORT)).verification["verified"]
    assert table(quiet, "spend").equals(rows)


def test_audiences_whose_details_do_not_come_are_not_verified(quiet: Home) -> None:
    file = quiet.path / "details.yaml"
    file.write_text(json.dumps({"name": "details", "account": "demo", "report": "custom_audience_details"}))
    quiet.door("trouble", {"kind": "data", "value": '{"list": []}', "path": "dmp/custom_audience/get", "times": 0})
    report = run(quiet, str(file))
    assert not report.verification["verified"]
    assert "no details of 12 of its 12 audiences" in " ".join(report.warnings)


def test_duplicate_rows_are_reported_with_their_key(quiet: Home) -> None:
    quiet.door("trouble", {"kind": "repeat", "path": REPORT, "times": 0})
    with pytest.raises(ProofError) as caught:
        run(quiet, dataset_file(quiet, REPORT))
    assert "advertiser_id=" in caught.value.message
    assert "ad_id=" in caught.value.message
    assert "stat_time_day=2026-11-" in caught.value.message
    assert "changed while it was read" not in caught.value.message
