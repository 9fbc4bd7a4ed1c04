"""What TikTok changed between two versions: page, command line and API give one answer, and it is the right one."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adreel.errors import ExitCode
from adreel.lake import Lake
from api_home import Program, program
from home import Home, make_home
from running import Tampered
from web_home import Site, open_site, words_of

CURRENCIES = {"EUR", "INR", "JPY", "USD"}
METRICS = ["ad_name", "spend", "impressions", "conversion", "cpc"]

Key = tuple[str, str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two readings, a day apart, of ad accounts in four currencies and as many zones, each with a day not yet over.

    A fifth cannot be read, so the second spares its rows.
    """
    home = make_home(tmp_path_factory.mktemp("restated") / "home", advertisers=6, ads=6)
    home.add_account(advertisers=[0, 1, 2, 3, 4])
    dates = {"start": "today-5", "end": "today"}
    home.adreel("run", "-f", home.file(metrics=METRICS, dates=dates, skip_failing_advertisers=True))
    home.later(1)
    home.adreel("run", "spend")
    assert [version["method"] for version in home.json("versions", "spend")] == ["partition", "replace"]
    with open_site(home) as opened_site:
        yield opened_site


def rows(home: Home, version: int) -> dict[Key, dict[str, Any]]:
    records = Lake(home.path / "lake").read("spend", version).read_all().to_pylist()
    return {(row["advertiser_id"], row["ad_id"], str(row["stat_time_day"])): row for row in records}


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def today(home: Home, zone: str, days_ago: int) -> str:
    """The ad account's day, from its fixed offset as the table has it."""
    sign, hours, minutes = (1 if zone[3] == "+" else -1), int(zone[4:6]), int(zone[7:9])
    offset = sign * timedelta(hours=hours, minutes=minutes)
    return str((home.now - timedelta(days=days_ago) + offset).date())


@pytest.mark.slow
def test_page_command_line_and_api_have_the_same_figures(site: Site) -> None:
    by_command = exact(site.home.good("diff", "spend", "0", "1", "--json").stdout)
    asking: Program = program(site)
    by_api = exact(asking.ask("GET", "/datasets/spend/difference", params={"before": 0, "after": 1}).text)
    assert by_command == by_api
    page = words_of(site.visit("admin").part("/datasets/spend/difference", before=0, after=1).text)
    terminal = " ".join(site.home.good("diff", "spend", "0", "1").stdout.split())
    assert "CPC (destination) cpc" in terminal
    assert by_api["summary"][1:] in page
    money = {sums["currency"]: sums for sums in _metric(by_api, "spend")["sums"]}
    assert set(money) == CURRENCIES
    for code, sums in money.items():
        row = f"Cost ({code}) {sums['values_changed']} {sums['before']:,.2f} {code} {sums['after']:,.2f} {code}"
        restated = f"{sums['restated']:+,.2f} {code}" if sums["restated"] else f"0 {code}"
        assert row in page, code
        assert restated in page.partition(row)[2][:60], code
        if sums["values_changed"] or sums["change"]:
            assert row.replace(f"({code})", f"({code}) spend") in terminal, code


def _metric(difference: Any, name: str) -> Any:
    return next(metric for metric in difference["metrics"] if metric["name"] == name)


def test_the_figures_are_those_of_comparing_row_by_row_in_each_currency(site: Site) -> None:
    before, after = rows(site.home, 0), rows(site.home, 1)
    difference = exact(site.home.good("diff", "spend", "0", "1", "--json").stdout)
    both = before.keys() & after.keys()
    changed = [key for key in both if before[key] != after[key]]
    assert difference["changed"] == len(changed)
    for name in ("spend", "impressions", "conversion"):
        sums = {part["currency"]: part for part in _metric(difference, name)["sums"]}
        for code in CURRENCIES if name == "spend" else {None}:
            own = [key for key in changed if code in (None, after[key]["currency"])]
            differing = [key for key in own if before[key][name] != after[key][name]]
            assert sums[code]["values_changed"] == len(differing), (name, code)
            over = [key for key in differing if key[2] < today(site.home, before[key]["timezone"], 1)]
            assert sums[code]["values_restated"] == len(over)
            assert sums[code]["restated"] == sum(after[key][name] - before[key][name] for key in over)
            for side, table in (("before", before), ("after", after)):
                total = sum(row[name] for row in table.values() if code in (None, row["currency"]))
                assert sums[code][side] == total
        assert _metric(difference, name)["values_changed"] == sum(part["values_changed"] for part in sums.values())
    assert _metric(difference, "cpc")["sums"] == []


def test_a_day_that_was_not_over_is_no_correction_of_tiktok_anywhere(site: Site) -> None:
    before = rows(site.home, 0)
    running = {today(site.home, row["timezone"], 1) for row in before.values()}
    difference = exact(site.home.good("diff", "spend", "0", "1", "--json").stdout)
    unfinished = [entry for entry in difference["days"] if entry["kind"] == "incomplete"]
    assert {entry["day"] for entry in unfinished} == running
    # Late conversions aside, what moved between the two readings is the rest of that day.
    money = _metric(difference, "spend")
    assert sum(part["values_restated"] for part in money["sums"]) < sum(
        part["values_changed"] for part in money["sums"]
    )
    steps: dict[str, Decimal] = defaultdict(Decimal)
    for day in unfinished:
        for step in day["sums"]:
            if step["name"] == "spend":
                steps[step["currency"]] += step["change"]
    assert set(steps) == CURRENCIES
    shown = " ".join(site.home.good("diff", "spend", "0", "1").stderr.split())
    assert "incomplete at the first reading" in shown
    for code in CURRENCIES:
        assert f"Cost {steps[code]:+,.2f} {code}" not in shown


def test_a_late_metric_that_was_completed_is_not_restated(tmp_path: Path) -> None:
    """The day ends at eight o'clock and is complete at ten, its net cost at seven in the evening."""
    home = make_home(tmp_path / "home", advertisers=1, ads=3)
    home.add_account()
    for hour in (11, 23):
        home.now = home.now.replace(hour=hour)
        home.door("now", {"today": home.now.date().isoformat(), "hour": hour})
        path = home.file(metrics=["spend", "billed_cost"], dates={"start": "today-20", "end": "yesterday"})
        home.good("run", "-f", path)
    difference = exact(home.good("diff", "spend", "0", "1", "--json").stdout)
    (last,) = {entry["day"] for entry in difference["days"] if entry["day"] == "2026-11-21"}
    (cost,) = _metric(difference, "billed_cost")["sums"]
    of_last = [step for entry in difference["days"] if entry["day"] == last for step in entry["sums"]]
    (completed,) = [step["change"] for step in of_last if step["name"] == "billed_cost"]
    assert completed > 0
    assert cost["change"] - cost["restated"] == completed
    assert _metric(difference, "billed_cost")["values_restated"] < _metric(difference, "billed_cost")["values_changed"]
    calendar = exact(home.good("restatements", "spend", "--metric", "billed_cost", "--json").stdout)
    assert last not in {day["day"] for day in calendar["days"]}
    assert calendar["amount"] == cost["restated"]


def test_no_number_anywhere_is_a_sum_over_currencies(site: Site) -> None:
    every = [
        row for version in (0, 1) for row in [sum(record["spend"] for record in rows(site.home, version).values())]
    ]
    texts = [
        site.home.good("diff", "spend", "0", "1", "--json").stdout,
        site.home.good("diff", "spend", "0", "1").stdout,
        site.visit("admin").part("/datasets/spend/difference", before=0, after=1).text,
    ]
    for total in (*every, every[1] - every[0]):
        for text in texts:
            assert f"{total:,.2f}" not in text
            assert f"{total.normalize():f}" not in text


def test_sample_rows_are_the_restated_ones_that_changed_most_by_names(site: Site) -> None:
    asking, visit, base = program(site), site.visit("admin"), "/datasets/spend/difference/rows"
    rows = exact(asking.ask("GET", base, params={"limit": 10, "restated": True}).text)
    assert rows["total"] > 10
    samples = words_of(visit.part("/datasets/spend/difference", before=0, after=1).text).partition("Sample rows")[2]
    place = 0
    assert f"10 of {rows['total']} restated rows. The largest change in Conversions comes first." in samples
    for item in rows["items"]:
        names = f"{item['names']['ad_id']} · {item['names']['advertiser_id']} · Day {item['day']}"
        (step,) = (value for value in item["values"] if value["name"] == rows["sorted_by"])
        place = samples.index(f"{names} changed Conversions {step['before']} {step['after']}", place)
        assert item["key"]["ad_id"] not in samples


def test_restated_rows_are_those_of_days_that_were_complete_and_add_up_in_each_currency(site: Site) -> None:
    difference = exact(site.home.good("diff", "spend", "0", "1", "--json").stdout)
    asking, visit, base = program(site), site.visit("admin"), "/datasets/spend/difference/rows"
    every = exact(asking.ask("GET", base, params={"limit": 1000}).text)
    own = exact(asking.ask("GET", base, params={"limit": 1000, "restated": True, "by": "spend:USD"}).text)
    by_command = site.home.good(
        "diff", "spend", "--rows", "--restated", "--by", "spend:USD", "--limit", "1000", "--json"
    )
    assert exact(by_command.stdout) == own
    counts = {kind["kind"]: kind["rows"] for kind in own["day_kinds"]}
    assert counts["restated"] == own["total"] == sum(item["day_kind"] == "restated" for item in every["items"])
    assert counts["incomplete"] > 0
    assert sum(counts.values()) == every["total"]
    totals = {
        metric["name"]: {total["currency"]: total["change"] for total in metric["totals"]} for metric in own["columns"]
    }
    for name in ("spend", "impressions", "conversion"):
        sums = {part["currency"]: part["restated"] for part in _metric(difference, name)["sums"]}
        assert {code: total for code, total in totals.get(name, {}).items() if total} == {
            code: total for code, total in sums.items() if total
        }, name
    sizes: dict[str, list[Any]] = defaultdict(list)
    for item in every["items"]:
        spend = [(value["after"] or 0) - (value["before"] or 0) for value in item["values"] if value["name"] == "spend"]
        sizes[item["currency"]].append(abs(sum(spend)))
    assert list(sizes) == sorted(CURRENCIES), "a currency is in two places"
    assert all(steps == sorted(steps, reverse=True) for steps in sizes.values())
    first = exact(asking.ask("GET", base, params={"limit": 1, "by": "spend:USD"}).text)["items"][0]
    assert first["currency"] == "USD"
    page = visit.words(base, before=0, after=1, by="conversion")
    assert f"{own['total']} rows changed" in page
    assert f"left out: {counts['incomplete']} of days that were incomplete" in page
    whole = visit.words(base, before=0, after=1, by="spend:USD", rows="all")
    assert "Rows are grouped by currency: USD, EUR, INR, JPY. In each, the largest change in Cost comes first." in whole
    assert "was incomplete" in whole


@pytest.mark.parametrize("method", ["upsert", "partition"])
def test_a_metric_taken_out_of_a_dataset_keeps_its_history_and_its_place_in_comparisons(
    tmp_path: Path, method: str
) -> None:
    home = make_home(tmp_path / "home", advertisers=2, ads=4)
    home.add_account()
    home.good("run", "-f", home.file(update={"method": method}))
    home.later(1)
    report = json.loads(
        home.good("run", "-f", home.file(metrics=["spend"], update={"method": method}), "--json").stdout
    )
    (warning,) = report["warnings"]
    assert warning.startswith("No longer selected: columns impressions, clicks, conversion. Rows ")
    assert re.search(
        r"Rows that the run read again keep their earlier values \(\d+ rows per column\), and new rows have none\.",
        warning,
    )
    assert "To remove the columns, set reset_schema: true." in warning
    before, after = rows(home, 0), rows(home, 1)
    for key, row in after.items():
        assert row["clicks"] == (before[key]["clicks"] if key in before else None)
    difference = home.json("diff", "spend", "0", "1")
    clicks = _metric(difference, "clicks")
    assert (clicks["title"], clicks["type"], clicks["values_changed"]) == ("Clicks (destination)", "int", 0)
    assert clicks["sums"][0]["before"] == clicks["sums"][0]["after"] == sum(row["clicks"] for row in before.values())
    assert _metric(difference, "spend")["sums"]


def test_replace_says_which_values_left_with_a_column_and_where_they_are(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=2, ads=4)
    home.add_account()
    home.good("run", "-f", home.file())
    report = json.loads(home.good("run", "-f", home.file(metrics=["spend", "clicks"]), "--json").stdout)
    (warning,) = report["warnings"]
    assert (
        "The earlier values of columns impressions, conversion were removed, because they are no longer selected or "
        "have another type now."
    ) in warning
    assert "Restore version 0 to get them back" in warning
    assert json.loads(home.good("run", "spend", "--json").stdout)["warnings"] == []


# -- restores and backfills


@pytest.fixture
def small(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", advertisers=2, ads=4)
    home.add_account()
    return home


PARTITION = {"method": "partition"}


def kinds(difference: Any) -> dict[str, set[str]]:
    """The days of each kind."""
    days: dict[str, set[str]] = defaultdict(set)
    for day in difference["days"]:
        days[day["kind"]].add(day["day"])
    return days


def as_an_older_adreel_wrote(home: Home) -> None:
    """Takes the days that runs read out of the table's log."""
    for path in sorted((home.path / "lake/spend/_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in path.read_text().splitlines()]
        for action in actions:
            note = action.get("commitInfo", {}).get("adreel")
            note = json.loads(note) if isinstance(note, str) else note
            if note is not None:
                kept = {name: value for name, value in note.items() if name not in ("days_read", "only_days_read")}
                is_text = isinstance(action["commitInfo"]["adreel"], str)
                action["commitInfo"]["adreel"] = json.dumps(kept) if is_text else kept
        path.write_text("".join(f"{json.dumps(action)}\n" for action in actions))


def test_days_that_a_backfill_read_first_are_added_also_between_days_of_the_table(small: Home) -> None:
    for start, end in (("2026-11-10", "2026-11-11"), ("2026-11-17", "2026-11-18")):
        small.good("run", "-f", small.file(dates={"start": start, "end": end}, update=PARTITION))
    small.good("run", "spend", "--start", "2026-11-13", "--end", "2026-11-14")
    difference = small.json("diff", "spend", "1", "2")
    assert kinds(difference) == {"added": {"2026-11-13", "2026-11-14"}}
    assert difference["summary"].startswith("Version 2 is a backfill of 2026-11-13 to 2026-11-14. Nothing changed on ")
    with open_site(small) as site:
        text = site.visit("admin").words("/datasets/spend/versions")
    assert "Backfill 2026-11-13 to 2026-11-14 (replace partitions)" in text
    assert "Backfill 2026-11-13 to 2026-11-14 (replace partitions)" in small.good("versions", "spend").stdout


def test_a_day_is_judged_by_the_run_that_read_it_and_not_by_a_later_backfill_of_other_days(small: Home) -> None:
    small.good("run", "-f", small.file(dates={"start": "today-3", "end": "today"}, update=PARTITION))
    zones = {row["timezone"] for row in rows(small, 0).values()}
    running = {today(small, zone, 0) for zone in zones}
    small.later(1)
    small.good("run", "spend", "--start", "2026-11-10", "--end", "2026-11-12")
    small.good("run", "spend")
    difference = small.json("diff", "spend", "1", "2")
    assert kinds(difference)["incomplete"] == running
    assert not running & kinds(difference)["restated"]


@pytest.mark.slow
def test_rows_that_append_adds_again_are_not_restated_by_tiktok(small: Home) -> None:
    small.good("run", "-f", small.file(dates={"start": "2026-11-17", "end": "2026-11-18"}, update={"method": "append"}))
    small.good("run", "spend")
    difference = small.json("diff", "spend", "0", "1")
    assert kinds(difference) == {"repeated": {"2026-11-17", "2026-11-18"}}
    assert not any(part["restated"] for metric in difference["metrics"] for part in metric["sums"])
    words = f"{len(rows_of(small, 0))} rows added again on 2 days."
    assert difference["summary"] == words
    assert "rows added again" in small.good("diff", "spend", "0", "1").stdout
    with open_site(small) as site:
        page = words_of(site.visit("admin").part("/datasets/spend/difference", before=0, after=1).text)
    assert words in page
    assert "Bars show days with rows added again." in page
    small.good("run", "spend", "--start", "2026-11-19", "--end", "2026-11-19")
    assert kinds(small.json("diff", "spend", "1", "2")) == {"added": {"2026-11-19"}}


def rows_of(home: Home, version: int) -> list[Any]:
    return list(Lake(home.path / "lake").read("spend", version).read_all().to_pylist())


# -- columns whose values left


# -- failed checks


@pytest.mark.slow
def test_what_a_run_read_whose_check_failed_is_not_restated_by_tiktok(small: Home) -> None:
    def wrong(_: dict[str, str], data: dict[str, Any]) -> None:
        for row in data["list"]:
            row["metrics"]["spend"] = "7.77"
        data["total_metrics"]["spend"] = "12345678.9"

    dates = {"start": "2026-11-17", "end": "2026-11-18"}
    small.good("run", "-f", small.file(dates=dates, metrics=["spend"], update=PARTITION))
    small.transport = Tampered(small, wrong)
    assert small.adreel("run", "spend").exit_code == ExitCode.CHECK_FAILED
    small.transport = None
    words = "Version 1 failed its check: its figures differ from TikTok's own."
    for pair in (("0", "1"), ("1", "2")):
        if pair == ("1", "2"):
            small.good("run", "spend")
        difference = small.json("diff", "spend", *pair)
        assert kinds(difference) == {"unverified": {"2026-11-17", "2026-11-18"}}
        assert difference["changed"] > 0
        assert not any(metric["values_restated"] for metric in difference["metrics"])
        assert not any(part["restated"] for metric in difference["metrics"] for part in metric["sums"])
        count = f"{difference['changed']} rows changed on 2 days"
        assert difference["summary"] == f"{words} {count} read by a run whose check failed."
    assert "check failed" in small.good("diff", "spend", "0", "1").stdout
    with open_site(small) as site:
        visit = site.visit("admin")
        page = words_of(visit.part("/datasets/spend/difference", before=0, after=1).text)
        assert words in page
        assert "Bars show days whose check failed." in page
        assert "Restated by TikTok" not in page
        _shows_states_and_warns_of_a_restore(small, site, words)
    # Days that neither version's own run read, but one in between whose check failed.
    small.good("restore", "spend", "1", "--yes")
    restored = small.json("diff", "spend", "0", "3")
    assert kinds(restored) == {"unverified": {"2026-11-17", "2026-11-18"}}
    assert restored["summary"].startswith("Version 3 restores version 1. Version 3 failed its check: ")


def _shows_states_and_warns_of_a_restore(home: Home, site: Site, words: str) -> None:
    states = ["verified", "check_failed", "verified"]
    assert [version["state"] for version in home.json("versions", "spend")] == states
    assert [version["state"] for version in program(site).get("/datasets/spend/versions")["items"]] == states
    table = home.good("versions", "spend").stdout
    assert (table.count("Check failed"), table.count("Verified")) == (1, 2)
    visit = site.visit("admin")
    assert visit.words("/datasets/spend/versions").count("Check failed") == 1
    assert words in visit.words("/datasets/spend/versions/1/restore")
    assert words in home.adreel("restore", "spend", "1").stderr
    assert "failed its check" not in home.adreel("restore", "spend", "0").stderr


def test_a_version_whose_run_is_not_in_the_store_has_no_state(small: Home) -> None:
    small.good("run", "-f", small.file(metrics=["spend"]))
    with closing(sqlite3.connect(small.path / "adreel.db")) as database:
        database.execute("DELETE FROM runs")
        database.commit()
    assert [version["state"] for version in small.json("versions", "spend")] == [None]
    assert "Verified" not in small.good("versions", "spend").stdout
    with open_site(small) as site:
        assert [version["state"] for version in program(site).get("/datasets/spend/versions")["items"]] == [None]
        assert "Verified" not in site.visit("admin").words("/datasets/spend/versions").partition("State")[2]


def test_a_day_of_two_kinds_says_in_which_zones_it_is_which(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=6, ads=6)
    # In America, the day before is not over.
    home.now = home.now.replace(hour=1)
    home.door("now", {"today": home.now.date().isoformat(), "hour": 1})
    home.add_account(advertisers=[0, 1, 2, 3])
    home.good("run", "-f", home.file(metrics=METRICS, dates={"start": "today-5", "end": "today"}))
    home.later(1)
    home.good("run", "spend")
    difference = exact(home.good("diff", "spend", "0", "1", "--json").stdout)
    with open_site(home) as site:
        page = words_of(site.visit("admin").part("/datasets/spend/difference", before=0, after=1).text)
    kinds_of: dict[str, list[Any]] = defaultdict(list)
    for entry in difference["days"]:
        kinds_of[entry["day"]].append(entry)
    twice = {day: entries for day, entries in kinds_of.items() if len(entries) > 1}
    assert twice, "no day is of two kinds, so that nothing is tested"
    for day, entries in twice.items():
        zones = [set(entry["zones"]) for entry in entries]
        assert sum(map(len, zones)) == len(set().union(*zones))
        for entry in entries:
            label = "in both versions" if entry["kind"] == "restated" else entry["kind"]
            *first, last = entry["zones"]
            assert f"{day} {label} {', '.join(first)}{' and ' if first else ''}{last}" in page
