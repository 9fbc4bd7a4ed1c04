"""The rows of a day before and after: all of them, by names, the largest change first, the same everywhere."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel.errors import InputError
from adreel.lake import Lake
from adreel.lake.changed_rows import ChangedRowsQuery
from adreel.lake.filters import Filter
from api_home import program
from home import Home
from lake_rows import Row, day, put, row
from web_home import Site, open_site, words_of

BASE = "/datasets/spend/difference/rows"


def read(lake: Lake, **asked: Any) -> tuple[tuple[int, int, int], list[tuple[Any, Any, Any]]]:
    """Counts of rows changed, added and removed, and each row: its ad, its spend before and after."""
    with lake.changed_rows("ads", 0, 1, ChangedRowsQuery(**asked)) as reader:
        head = reader.head()
        rows = [
            (
                (part.after or part.before or {})["ad_id"],
                (part.before or {}).get("spend"),
                (part.after or {}).get("spend"),
            )
            for offset in range(0, head.total, 2)
            for part in reader.rows(offset, 2)
        ]
        return (head.changed, head.added, head.removed), rows


ADS = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.integers(1, 2), st.one_of(st.none(), st.integers(0, 3))),
    unique_by=lambda ad: ad[:2],
    max_size=10,
)


@pytest.mark.slow
@settings(max_examples=25)
@given(ADS, ADS)
def test_every_row_of_the_day_that_differs_is_there_once_and_the_largest_change_comes_first(
    before: list[tuple[str, int, int | None]], after: list[tuple[str, int, int | None]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for number, ads in enumerate((before, after)):
            put(lake, f"run{number}", "replace", [row(ad, on, spend) for ad, on, spend in ads])
        old, new = ({ad: spend for ad, on, spend in ads if on == 1} for ads in (before, after))
        missing = object()
        differing = [ad for ad in sorted({*old, *new}) if old.get(ad, missing) != new.get(ad, missing)]
        expected = [(ad, old.get(ad), new.get(ad)) for ad in differing]
        counts, rows = read(lake, day=day(1), by="spend")
        assert sorted(rows, key=lambda part: part[0]) == expected
        assert sum(counts) == len(expected)
        steps = [abs((now or 0) - (then or 0)) for _, then, now in rows]
        assert steps == sorted(steps, reverse=True)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_a_row_counts_if_it_holds_to_the_filters_in_one_of_the_versions(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, 1), row("b", 1, 5), row("c", 1, 1, advertiser="2")])
    put(lake, "run2", "replace", [row("a", 1, 9), row("b", 1, 6), row("c", 1, 2, advertiser="2")])
    assert read(lake, day=day(1), where=(Filter("spend", "<", "2"),))[1] == [("a", 1, 9), ("c", 1, 2)]
    of_one = (Filter("advertiser_id", "=", "2"), Filter("spend", ">", "1"))
    assert read(lake, day=day(1), where=of_one)[1] == [("c", 1, 2)]
    for asked, words in (
        ({"day": day(1), "where": (Filter("nothing", "=", "1"),)}, "Column nothing"),
        ({"day": day(1), "by": "ad_id"}, "no metric of both versions"),
    ):
        with pytest.raises(InputError, match=words):
            read(lake, **asked)


def test_without_a_day_rows_of_all_days_are_there_and_can_be_kept_by_owner_and_day(lake: Lake) -> None:
    put(lake, "run1", "replace", [row("a", 1, 1), row("b", 2, 5), row("c", 1, 1, advertiser="2")])
    put(lake, "run2", "replace", [row("a", 1, 9), row("b", 2, 6), row("c", 1, 4, advertiser="2")])
    assert read(lake, by="spend")[1] == [("a", 1, 9), ("c", 1, 4), ("b", 5, 6)]
    asked = ChangedRowsQuery(by="spend", owner="advertiser_id", unit="advertiser_id", sums=("spend",))
    with lake.changed_rows("ads", 0, 1, asked) as reader:
        assert reader.places() == {("1", day(1)): 1, ("1", day(2)): 1, ("2", day(1)): 1}
        assert reader.head().sums == {"spend": {"1": 9, "2": 3}}
        reader.keep([("1", day(2)), ("2", day(1))])
        head = reader.head()
        assert (head.total, head.sums) == (2, {"spend": {"1": 1, "2": 3}})
        assert [(part.after or {})["ad_id"] for part in reader.rows(0, 9)] == ["c", "b"]


def test_rows_whose_key_repeats_cannot_be_matched(lake: Lake) -> None:
    put(lake, "run1", "append", [row("a", 1, 1)])
    put(lake, "run2", "append", [row("a", 1, 2), row("a", 1, 3)])
    with pytest.raises(InputError, match="names several rows"):
        read(lake, day=day(1))


@pytest.mark.slow
def test_joins_in_several_parts_are_the_same_as_in_one(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[Row] = [row(f"ad {number}", 1, number) for number in range(3_000)]
    put(lake, "run1", "replace", before)
    put(lake, "run2", "replace", [row(f"ad {number}", 1, number + number % 3) for number in range(3_000)])
    in_one_part = read(lake, day=day(1), by="spend", where=(Filter("spend", "<", "90"),))
    monkeypatch.setattr("adreel.lake.changed_rows.SLICE_CELLS", 1)
    assert read(lake, day=day(1), by="spend", where=(Filter("spend", "<", "90"),)) == in_one_part
    assert in_one_part[0] == (60, 0, 0)


# -- page, command line, API


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory, connected_home: Path) -> Iterator[Site]:
    """A dataset with names that ran on two days."""
    import shutil

    from home import make_home

    path = tmp_path_factory.mktemp("changed") / "home"
    shutil.copytree(connected_home, path)
    home = make_home(path)
    home.good("run", "-f", home.file(metrics=["ad_name", "spend", "clicks", "conversion"]))
    home.good("run", "-f", home.file("bare.yaml", name="Bare", metrics=["conversion"]))
    home.later(1)
    home.good("run", "spend")
    home.good("run", "bare")
    with open_site(home) as site:
        yield site


def expected_rows(home: Home, on: str) -> dict[str, tuple[Any, Any]]:
    """The ads of the day whose rows differ, with both rows."""
    versions = [Lake(home.path / "lake").read("spend", number).read_all().to_pylist() for number in (0, 1)]
    old, new = ({part["ad_id"]: part for part in rows if str(part["stat_time_day"]) == on} for rows in versions)
    return {ad: (old.get(ad), new.get(ad)) for ad in {*old, *new} if old.get(ad) != new.get(ad)}


DAY = "2026-11-21"


def test_a_wrong_day_leaves_the_rest_of_the_form_as_it_was(twice: Site) -> None:
    page = twice.visit("admin").get(BASE, before="0", after="1", day="61128-02-02", by="spend").text
    assert "'61128-02-02' is not a valid date. Use a date such as 2026-01-31." in words_of(page)
    assert 'name="before" value="0"' in page
    assert 'name="after" value="1"' in page
    assert "Version 0 (the first) to 1" in words_of(page)


@pytest.mark.slow
def test_page_api_and_command_line_have_the_same_rows_by_names(twice: Site) -> None:
    asking, visit = program(twice), twice.visit("admin")
    expected = expected_rows(twice.home, DAY)
    assert len(expected) > 3
    answer = asking.ask(
        "GET", "/datasets/spend/difference/rows", params={"day": DAY, "by": "conversion", "limit": 1000}
    )
    page = json.loads(answer.text, parse_float=Decimal)
    assert page["total"] == len(expected) == len(page["items"])
    assert {item["key"]["ad_id"] for item in page["items"]} == expected.keys()
    for item in page["items"]:
        before, after = expected[item["key"]["ad_id"]]
        assert item["names"]["ad_id"] == after["ad_name"]
        assert item["names"]["advertiser_id"]
        for value in item["values"]:
            assert (value["before"], value["after"]) == (before[value["name"]], after[value["name"]])
    steps = [
        abs(value["change"]) for item in page["items"] for value in item["values"] if value["name"] == "conversion"
    ]
    assert steps == sorted(steps, reverse=True)
    assert twice.home.json(
        "diff", "spend", "--rows", "--day", DAY, "--by", "conversion", "--limit", "1000", "--json"
    ) == (json.loads(answer.text) | {"limit": 1000})
    text = visit.words(BASE, before=0, after=1, day=DAY, by="conversion")
    assert f"{len(expected)} rows changed since version 0 of 2026-" in text
    assert "The largest change in Conversions comes first." in text
    first = page["items"][0]
    assert f"Change of all {len(expected)} rows" in text
    assert text.index(first["names"]["ad_id"]) < text.index(f"Ad ID {first['key']['ad_id']}")
    header = visit.good(BASE, before=0, after=1, day=DAY).partition('<th scope="row" abbr=')[2].partition("</th>")[0]
    assert first["key"]["ad_id"] not in header
    assert (
        f"difference/rows?before=0&amp;after=1&amp;day={DAY}"
        in visit.fragment("GET", "/datasets/spend/difference", {"before": 0, "after": 1}).text
    )
    refused = visit.good(BASE, before=0, after=1, column="spend", value="many")
    assert 'value="many" aria-invalid="true" aria-describedby="changed-fault" autofocus>' in refused
    assert '<option value="spend" selected>' in refused
    # Cost did not change, so that the largest changes are of what did.
    assert asking.get("/datasets/spend/difference/rows", day=DAY)["sorted_by"] == "conversion"
    printed = twice.home.good("diff", "spend", "--rows", "--day", DAY).stdout
    assert first["names"]["ad_id"] in printed


def test_rows_of_a_table_without_names_have_those_of_another_dataset_of_the_account(twice: Site) -> None:
    query = {"day": DAY, "by": "conversion", "limit": 1000}
    named, bare = (program(twice).get(f"/datasets/{slug}/difference/rows", **query) for slug in ("spend", "bare"))
    names = {item["key"]["ad_id"]: item["names"]["ad_id"] for item in named["items"]}
    assert bare["items"]
    assert all(item["names"]["ad_id"] == names[item["key"]["ad_id"]] for item in bare["items"])
    search = {"before": 0, "after": 1, "by": "conversion"}
    page = twice.visit("admin").good("/datasets/bare/difference/rows", **search, day=DAY)
    assert bare["items"][0]["names"]["ad_id"] in html.unescape(page)
    assert re.search(r'<span class="visually-hidden">from [\d,]+ to [\d,]+, up by [\d,]+</span>', page)
    # A row is heard at once: what changed in it, and where there are several days the day first.
    steps = {value["name"]: f"{value['before']:,} to {value['after']:,}" for value in bare["items"][0]["values"]}
    words = f"Conversions {steps['conversion']}"
    assert re.search(rf'<div class="visually-hidden">{words}[,<]', page)
    whole = twice.visit("admin").good("/datasets/bare/difference/rows", **search)
    assert re.search(rf'<div class="visually-hidden">21 November: {words}[,<]', whole)


def test_changed_rows_are_filtered_and_exported_whole(twice: Site, tmp_path: Path) -> None:
    visit = twice.visit("admin")
    expected = expected_rows(twice.home, DAY)
    lines = list(
        csv.DictReader(io.StringIO(visit.get(f"{BASE}/export", before=0, after=1, day=DAY).content.decode("utf-8-sig")))
    )
    assert {line["ad_id"] for line in lines} == expected.keys()
    assert all(
        int(line["conversion_after"] or 0) - int(line["conversion_before"] or 0) == int(line["conversion_change"])
        for line in lines
    )
    target = tmp_path / "changed.csv"
    twice.home.good("diff", "spend", "0", "1", "--rows", "--day", DAY, "-o", str(target))
    with target.open(newline="") as file:
        assert {line["ad_id"] for line in csv.DictReader(file)} == expected.keys()
    name = lines[0]["ad_name"]
    text = visit.words(BASE, before=0, after=1, day=DAY, column="ad_name", value=name)
    assert "Remove" not in text
    assert f"contains {name}" in text
    assert f"{sum(name in line['ad_name'] for line in lines)} row" in text


def test_what_cannot_be_compared_is_said_on_the_page(twice: Site) -> None:
    visit = twice.visit("admin")
    assert "No rows changed" in visit.words(BASE, day="2026-01-01")
    for query in ({"before": 7, "after": 9, "day": DAY}, {"before": 1, "after": 0}, {"day": "x"}, {"after": "x"}):
        assert 'role="alert"' in visit.good(BASE, **query), query
    answer = visit.get(f"{BASE}/export", format="doc")
    assert (answer.status_code, "is not an export format" in words_of(answer.text)) == (422, True)
