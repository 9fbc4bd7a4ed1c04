"""Nothing is replaced without a word: other days, changed datasets, restored versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adreel.access import Actor, Guard
from adreel.errors import ExitCode
from adreel.lake import Lake
from adreel.pipeline.orders import Orders
from adreel.store import Role, RunState, Store
from api_home import program
from home import Home, make_home
from web_home import Site, open_site, words_of

FOUR_DAYS = {"start": "2026-11-16", "end": "2026-11-19"}
OTHER = ("--start", "2026-11-18", "--end", "2026-11-18")
TOTALS: dict[str, Any] = {"time_dimension": None, "dates": FOUR_DAYS}


@pytest.fixture
def small(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", advertisers=2, ads=4)
    home.add_account()
    return home


@pytest.fixture
def site(small: Home) -> Iterator[Site]:
    with open_site(small) as opened_site:
        yield opened_site


def rows(home: Home, version: int | None = None) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = Lake(home.path / "lake").read("spend", version).read_all().to_pylist()
    return records


def days(home: Home) -> Counter[str]:
    return Counter(str(row["stat_time_day"]) for row in rows(home))


def same(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> bool:
    return Counter(map(repr, first)) == Counter(map(repr, second))


# -- other days


@pytest.mark.parametrize("method", ["replace", "upsert", "partition"])
def test_other_days_replace_only_themselves_whatever_the_method(small: Home, method: str) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update={"method": method}))
    before = days(small)
    assert len(before) == 4
    report = small.json("run", "spend", *OTHER)
    assert days(small) == before
    small.good("run", "spend", "--start", "2026-11-20", "--end", "2026-11-20")
    assert set(days(small)) == {*before, "2026-11-20"}
    warnings = [warning for warning in report["warnings"] if "next run of the dataset's own dates replaces" in warning]
    assert len(warnings) == (method == "replace")


def test_other_days_merge_too_where_ad_accounts_were_skipped(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=5, ads=4)
    home.add_account()
    home.adreel("run", "-f", home.file(dates=FOUR_DAYS, skip_failing_advertisers=True))
    home.adreel("run", "spend")
    before = days(home)
    home.adreel("run", "spend", *OTHER)
    assert days(home) == before
    assert len(home.json("versions", "spend")) == 3


def test_other_days_add_to_what_append_has(small: Home) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update={"method": "append"}))
    before = days(small)
    small.good("run", "spend", *OTHER)
    assert days(small) == before + Counter({"2026-11-18": before["2026-11-18"]})


def test_other_days_of_a_replacing_dataset_keep_the_columns_that_were_not_asked_for(small: Home) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    clicks = sum(row["clicks"] for row in rows(small))
    small.good("datasets", "edit", "spend", "-f", small.file(dates=FOUR_DAYS, metrics=["spend"], reset_schema=True))
    small.good("run", "spend", *OTHER)
    assert sum(row["clicks"] for row in rows(small)) == clicks


def test_figures_over_a_range_are_replaced_only_after_confirmation(small: Home) -> None:
    small.good("run", "-f", small.file(**TOTALS))
    before = rows(small)
    code, message = small.bad("run", "spend", *OTHER)
    assert code == ExitCode.INPUT
    assert f"removes {len(before)} rows from its table" in message
    assert "To confirm, add --yes" in message
    assert same(rows(small), before)
    assert len(small.json("history", "spend")) == 1
    small.good("run", "spend", *OTHER, "--yes")
    assert {str(row["start_date"]) for row in rows(small)} == {"2026-11-18"}
    assert same(rows(small, 0), before)


def test_upserted_figures_over_a_range_ask_only_where_rows_would_be_overwritten(small: Home) -> None:
    small.good("run", "-f", small.file(**TOTALS, update={"method": "upsert"}))
    small.good("run", "spend", *OTHER)
    assert {str(row["start_date"]) for row in rows(small)} == {"2026-11-16", "2026-11-18"}
    code, message = small.bad("run", "spend", "--start", "2026-11-16", "--end", "2026-11-17")
    assert code == ExitCode.INPUT
    first = sum(str(row["start_date"]) == "2026-11-16" for row in rows(small))
    assert f"removes {first} rows" in message


def test_days_that_a_rolling_window_does_not_keep_are_refused(small: Home) -> None:
    update = {"method": "partition", "keep_days": 5}
    small.good("run", "-f", small.file(dates={"start": "today-3", "end": "yesterday"}, update=update))
    code, message = small.bad("run", "spend", "--start", "2026-11-01", "--end", "2026-11-02")
    assert code == ExitCode.INPUT
    assert "keeps 5 days, from 2026-11-18 on" in message


def test_the_api_answers_409_with_the_count_unless_the_request_says_to_replace(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(**TOTALS))
    asking = program(site)
    dates = {"start": "2026-11-18", "end": "2026-11-18"}
    error = asking.bad("POST", "/datasets/spend/runs", 409, json=dates)
    assert error["kind"] == "ConfirmError"
    assert f"removes {len(rows(small))} rows from its table" in error["message"]
    asking.good("POST", "/datasets/spend/runs", 202, json=dates | {"replace_rows": True})
    (run,) = site.work()
    assert run.state is RunState.SUCCEEDED
    assert {str(row["start_date"]) for row in rows(small)} == {"2026-11-18"}


def test_the_page_asks_with_the_count_and_runs_only_the_days_that_were_agreed_to(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(**TOTALS))
    visit = site.visit("admin")
    dates = {"start": "2026-11-18", "end": "2026-11-18"}
    page = visit.post("/datasets/spend/run", dates)
    assert page.status_code == 409
    assert f"removes {len(rows(small))} rows from its table" in words_of(page.text)
    assert "Run and replace rows" in words_of(page.text)
    assert not site.work()
    changed = {"start": "2026-11-17", "end": "2026-11-18", "agreed": "2026-11-18 2026-11-18"}
    assert visit.post("/datasets/spend/run", changed).status_code == 409
    assert visit.post("/datasets/spend/run", dates | {"agreed": "2026-11-18 2026-11-18"}).status_code == 303
    (run,) = site.work()
    assert run.dates == ("2026-11-18", "2026-11-18")


# -- what a changed dataset takes out


@pytest.mark.parametrize(
    ("keys", "notice"),
    [
        ({"dates": {"start": "2026-11-18", "end": "2026-11-19"}}, "removes {earlier} rows of days outside the dataset"),
        ({"metrics": ["spend"]}, "empties these columns, which are no longer selected: impressions, clicks"),
        (
            {"metrics": ["spend"], "update": {"method": "upsert"}},
            "keep their values and are no longer updated: impress",
        ),
        (
            {"metrics": ["spend"], "reset_schema": True},
            "removes these columns with all their values: impressions, clicks",
        ),
        ({"update": {"method": "partition", "keep_days": 5}}, "removes {oldest} rows of days before 2026-11-18"),
        ({"data_level": "campaign", "reset_schema": True}, "replaces all {all} rows of the table"),
        ({"name": "Spend"}, ""),
    ],
)
def test_a_change_says_before_it_is_saved_what_the_next_run_takes_out(
    small: Home, keys: dict[str, Any], notice: str
) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    counts = days(small)
    expected = notice.format(
        all=counts.total(),
        earlier=counts["2026-11-16"] + counts["2026-11-17"],
        oldest=counts["2026-11-16"] + counts["2026-11-17"],
    )
    file = small.file(**({"dates": FOUR_DAYS} | keys))
    for words in (("validate", "-f", file), ("datasets", "edit", "spend", "-f", file)):
        shown = " ".join(small.good(*words).stderr.split())
        assert expected in shown
        assert ("note: " in shown) == bool(notice), words


def test_a_change_by_page_and_api_says_it_too(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    asking = program(site)
    file = json.loads(Path(small.file(dates=FOUR_DAYS, metrics=["spend"])).read_text())
    (note,) = asking.good("POST", "/datasets/validate", json=file)["notes"]
    assert asking.good("PUT", "/datasets/spend", json=file)["notes"] == [note]
    assert note.startswith("The next run empties these columns")
    assert asking.get("/datasets/spend")["notes"] == []
    ids = sorted({row["advertiser_id"] for row in rows(small)})
    gone = sum(row["advertiser_id"] != ids[0] for row in rows(small))
    (note,) = asking.good("PATCH", "/datasets/spend", json={"advertisers": ids[:1]})["notes"]
    assert note == f"The next run removes {gone} rows of ad accounts that are no longer selected."


# -- restoring


def test_a_version_is_restored_by_command_page_and_api_and_nothing_is_lost(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "-f", small.file(dates=FOUR_DAYS, metrics=["spend"], reset_schema=True))
    first, second = rows(small, 0), rows(small, 1)
    small.good("restore", "spend", "0")
    assert same(rows(small), first)
    answer = program(site).good("POST", "/datasets/spend/versions/1/restore", 201)
    assert (answer["version"], answer["table_rows"], answer["asked_by"]) == (3, len(second), "admin")
    assert same(rows(small), second)
    visit = site.visit("admin")
    assert visit.post("/datasets/spend/versions/0/restore").status_code == 303
    assert same(rows(small), first)
    text = visit.words("/datasets/spend/versions")
    assert "restore of version 0" in text
    assert [same(rows(small, number), first) for number in range(5)] == [True, False, True, False, True]


def test_a_restored_table_shows_the_verification_of_the_run_that_read_it(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    small.later(2)
    small.good("restore", "spend", "0")
    latest, *_, first = small.json("history", "spend")
    assert latest["started_at"] == first["started_at"], "when its rows were read"
    assert latest["finished_at"] > first["finished_at"]
    assert "2 days ago" in site.visit("admin").words("/datasets/spend")
    assert (latest["state"], latest["version"], latest["proof"]) == ("warned", 2, first["proof"])
    assert latest["warnings"][0].startswith("Version 0 was restored as version 2: ")
    assert (latest["table_rows"], latest["table_columns"]) == (first["table_rows"], first["table_columns"])
    assert "Version 0 was restored" in site.visit("admin").words("/datasets/spend")


class Died(BaseException):
    """The process ends here."""


def test_an_interrupted_restore_leaves_no_table_that_wrongly_looks_verified(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    first = rows(small)
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    small.later(1)
    lives = 0
    for lives in range(1, 99):
        left = lives

        def dying_clock() -> datetime:
            nonlocal left
            left -= 1
            if left < 0:
                raise Died
            return small.now

        before = rows(small)
        with Store.open(site.settings, clock=dying_clock) as store:
            try:
                saved = store.datasets.get("spend")
                Orders(site.settings, store, clock=dying_clock).restore(Guard(store, Actor(None)), saved, 0)
                break
            except Died:
                pass
        latest = small.json("history", "spend")[0]
        assert same(rows(small), before) or latest["state"] not in ("succeeded", "warned"), lives
    assert lives > 3
    assert same(rows(small), first)
    small.good("run", "spend")
    assert small.json("history", "spend")[0]["proof"]["proved"]


@pytest.mark.parametrize("method", ["replace", "append", "upsert", "partition"])
def test_the_next_run_continues_from_a_restored_table(small: Home, method: str) -> None:
    """What it leaves is what it would have left had the restored version been the newest all along."""
    update = {"method": method}
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update=update))
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-20"}, update=update))
    expected = rows(small)
    small.good("run", "-f", small.file(dates={"start": "2026-11-10", "end": "2026-11-12"}, update=update))
    small.good("restore", "spend", "0")
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-20"}, update=update))
    assert same(rows(small), expected)


@pytest.mark.parametrize("method", ["replace", "append", "upsert", "partition"])
def test_every_page_of_a_restored_table_can_be_read(small: Home, site: Site, method: str) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update={"method": method}))
    small.good(
        "run", "-f", small.file(dates=FOUR_DAYS, update={"method": method}, metrics=["spend", "clicks", "reach"])
    )
    small.good("restore", "spend", "0")
    visit = site.visit("admin")
    for page in ("", "/data", "/cards", "/cards/all", "/history", "/versions", "/difference?before=1&after=2"):
        visit.good(f"/datasets/spend{page}")
    assert "Matches TikTok:." not in visit.words("/datasets/spend").replace(" ", "")
    assert "reach" in small.json("diff", "spend", "0", "1")["columns_added"]
    assert "Columns added: reach" in small.good("diff", "spend", "0", "1").stderr
    program(site).good("GET", "/datasets/spend/cards")


def test_days_of_a_restored_version_are_judged_by_when_its_rows_were_read(small: Home) -> None:
    small.good("run", "-f", small.file(dates={"start": "2026-11-20", "end": "today"}))
    small.later(1)
    small.good("run", "spend", "--start", "2026-11-20", "--end", "2026-11-22")
    expected = small.json("diff", "spend", "0", "1")
    small.good("restore", "spend", "0")
    assert any(day["kind"] == "incomplete" for day in expected["days"])
    small.good("restore", "spend", "1")
    difference = small.json("diff", "spend", "2", "3")
    assert difference | {"before": 0, "after": 1} == expected


def test_what_cannot_be_restored_is_refused_and_changes_nothing(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    assert small.bad("restore", "spend", "0")[0] == ExitCode.INPUT
    assert "no version 7" in small.bad("restore", "spend", "7")[1]
    small.good("run", "spend")
    vera = site.user("vera", Role.VIEWER)
    assert site.visit(vera).post("/datasets/spend/versions/0/restore").status_code in (403, 404)
    program(site, read_only=True).bad("POST", "/datasets/spend/versions/0/restore", 403)
    waiting = site.store.runs.add(site.store.datasets.get("spend"), "1" * 16)
    assert small.bad("restore", "spend", "0")[0] == ExitCode.BUSY
    small.good("cancel", waiting.id)
    assert [version["version"] for version in small.json("versions", "spend")] == [1, 0]


def test_a_restored_version_stays_readable_after_a_vacuum(small: Home) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    first = rows(small)
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    small.good("restore", "spend", "0")
    small.later(40)
    small.good("vacuum", "spend", "--keep-days", "0", "--keep-versions", "1", "--yes")
    assert [version["version"] for version in small.json("versions", "spend")] == [2]
    assert same(rows(small), first)
