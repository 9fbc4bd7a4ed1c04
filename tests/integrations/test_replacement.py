"""Nothing is replaced without a word: other days, changed datasets, restored versions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adreel.access import Actor, Guard
from adreel.errors import ExitCode
from adreel.lake import Lake
from adreel.language import PSEUDO, speaking
from adreel.pipeline.orders import Orders
from adreel.store import SUCCESSFUL, Role, RunState, Store
from api_home import program
from home import Home, copied, make_home
from web_home import Site, open_site, words_of

FOUR_DAYS = {"start": "2026-11-16", "end": "2026-11-19"}
OTHER = ("--start", "2026-11-18", "--end", "2026-11-18")
TOTALS: dict[str, Any] = {"time_dimension": None, "dates": FOUR_DAYS}


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("small") / "home", advertisers=2, ads=4)
    home.add_account()
    return home


@pytest.fixture
def small(small_home: Home, tmp_path: Path) -> Home:
    return copied(small_home, tmp_path / "home")


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


def effect_of(site: Site, start: str, end: str) -> str:
    """What the Backfill dialog says while these days are typed."""
    return words_of(site.visit("admin").good("/datasets/spend/backfill", start=start, end=end))


@pytest.mark.parametrize("method", ["replace", "upsert", "partition", "append"])
def test_the_dialog_says_what_other_days_do_before_they_run(small: Home, site: Site, method: str) -> None:
    small.good("datasets", "create", "-f", small.file(dates=FOUR_DAYS, update={"method": method}))
    two_days = ("2026-11-18", "2026-11-19")
    created = "The run creates the table with the rows of 2026-11-18 to 2026-11-19 (2 days)."
    assert effect_of(site, *two_days) == created
    small.good("run", "spend")
    before = days(small)
    every, of_these = sum(before.values()), sum(before[day] for day in two_days)
    next_run = " The next run of the dataset's own dates replaces the whole table." * (method == "replace")
    replaces = (
        f"The table has {of_these} rows of 2026-11-18 to 2026-11-19 (2 days); the run replaces them. "
        f"The other {every - of_these} rows stay."
    )
    sentences = {
        "upsert": "The run updates the rows of 2026-11-18 to 2026-11-19 (2 days) and adds new ones. No row is removed: "
        f"the table has {every} rows, {of_these} of these days.",
        "append": f"The run adds the rows of 2026-11-18 to 2026-11-19 (2 days). The {every} rows in the table stay, "
        f"with {of_these} of these days: these days are in the table twice then.",
    }
    assert effect_of(site, *two_days) == sentences.get(method, replaces) + next_run
    small.good("run", "spend", "--start", two_days[0], "--end", two_days[1])
    assert "The other" not in effect_of(site, FOUR_DAYS["start"], FOUR_DAYS["end"])
    twice = Counter({day: before[day] for day in two_days if method == "append"})
    assert days(small) == before + twice
    added = effect_of(site, "2026-11-20", "2026-11-20")
    assert (
        added == f"The run adds the rows of 2026-11-20. The {every + twice.total()} rows in the table stay.{next_run}"
    )
    small.good("run", "spend", "--start", "2026-11-20", "--end", "2026-11-20")
    assert days(small) - Counter({"2026-11-20": 10_000}) == before + twice


def test_the_dialog_and_the_refusal_say_the_same_of_rows_that_would_go(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(**TOTALS))
    _, message = small.bad("run", "spend", *OTHER)
    loss = re.findall(r"The run removes .* can be restored\.", " ".join(message.split()))[0]
    assert f"removes {len(rows(small))} rows" in loss
    assert effect_of(site, "2026-11-18", "2026-11-18") == f"{loss} Run once asks for confirmation."
    asked = site.visit("admin").post("/datasets/spend/run", {"start": "2026-11-18", "end": "2026-11-18"})
    assert loss in words_of(asked.text)
    for start, end, sentence in (
        ("", "", ""),
        ("soon", "today", "'soon' is not a valid date. Use a date such as 2026-01-31 or today-28."),
        ("today", "2026-11-01", "is after the end 2026-11-01."),
    ):
        assert sentence in effect_of(site, start, end)


@pytest.mark.parametrize("method", ["replace", "upsert", "partition"])
def test_other_days_replace_only_themselves_whatever_the_method(small: Home, method: str) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update={"method": method}))
    before = days(small)
    assert len(before) == 4
    report = small.json("run", "spend", *OTHER)
    assert days(small) == before
    small.good("run", "spend", "--start", "2026-11-20", "--end", "2026-11-20")
    assert set(days(small)) == {*before, "2026-11-20"}
    assert (report["kind"], report["state"], report["warnings"]) == ("backfill", "verified", [])
    notes = [note for note in report["notes"] if "The next run replaces the whole table" in note]
    assert len(notes) == len(report["notes"]) == (method == "replace")
    assert all("set the update method to partition (update: {method: partition})" in note for note in notes)
    assert small.json("datasets", "list")[0]["status"] == "verified"


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
    assert f"removes {len(before)} rows from the table" in message
    assert "To confirm, add --yes" in message
    assert same(rows(small), before)
    assert len(small.json("history", "spend")) == 1
    report = small.json("run", "spend", *OTHER, "--yes")
    assert {str(row["start_date"]) for row in rows(small)} == {"2026-11-18"}
    assert same(rows(small, 0), before)
    (note,) = report["notes"]
    assert (report["state"], report["warnings"]) == ("verified", [])
    counts = (
        f"The {len(before)} rows of the table were replaced with {len(rows(small))} rows of other days, as confirmed."
    )
    assert note.startswith(counts)


def test_rows_that_a_user_agreed_to_lose_are_a_note_and_no_warning(small: Home) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    before = len(rows(small))
    other_key = small.file(dates=FOUR_DAYS, data_level="campaign", metrics=["spend"], reset_schema=True)
    small.good("datasets", "edit", "spend", "-f", other_key)
    report = small.json("run", "spend", *OTHER, "--yes")
    after = len(rows(small))
    assert before >= 10 > 2 * after > 0, "as many as give a warning where no user agreed"
    assert not any("shrank" in warning for warning in report["warnings"])
    assert report["notes"][0].startswith(
        f"The {before} rows of the table were replaced with {after} rows of other days"
    )


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
    assert f"removes {len(rows(small))} rows from the table" in error["message"]
    asking.good("POST", "/datasets/spend/runs", 202, json=dates | {"replace_rows": True})
    (run,) = site.work()
    assert run.state is RunState.VERIFIED
    assert {str(row["start_date"]) for row in rows(small)} == {"2026-11-18"}


def test_the_page_asks_with_the_count_and_runs_only_the_days_that_were_agreed_to(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(**TOTALS))
    visit = site.visit("admin")
    dates = {"start": "2026-11-18", "end": "2026-11-18"}
    page = visit.post("/datasets/spend/run", dates)
    assert page.status_code == 409
    assert f"removes {len(rows(small))} rows from the table" in words_of(page.text)
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
        (
            {"metrics": ["spend"]},
            "empties 3 columns in {all} rows, as no longer selected: impressions, clicks, conversion.",
        ),
        (
            {"metrics": ["spend"], "update": {"method": "upsert"}},
            "note: 3 columns keep their values and are no longer updated: impressions, clicks, conversion.",
        ),
        (
            {"metrics": ["spend"], "reset_schema": True},
            "removes 3 columns with the values of {all} rows: impressions, clicks, conversion.",
        ),
        ({"update": {"method": "partition", "keep_days": 5}}, "removes {oldest} rows of days before 2026-11-18"),
        ({"data_level": "campaign", "reset_schema": True}, "replaces all {all} rows of the table"),
        (
            {"dates": {"start": "2026-11-18", "end": "2026-11-19"}, "metrics": ["spend", "clicks", "conversion"]},
            "(2026-11-18 to 2026-11-19). note: The next run empties 1 column in {all} rows, as no longer selected: imp",
        ),
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
    validated = " ".join(small.good("validate", "-f", file).stderr.split())
    edited = " ".join(small.good("datasets", "edit", "spend", "-f", file).stderr.split())
    assert expected in validated
    assert expected in edited
    assert ("note: This changes the existing dataset 'Spend'. note: " in validated) == bool(notice)
    assert ("note: " in validated) == ("note: " in edited) == bool(notice)


@pytest.mark.parametrize(
    ("method", "end", "replaced"), [("replace", 17, True), ("upsert", 17, True), ("upsert", 19, False)]
)
def test_figures_over_other_dates_say_which_rows_they_replace(
    small: Home, method: str, end: int, replaced: bool
) -> None:
    update, first = {"method": method}, "2026-11-16"
    small.good("run", "-f", small.file(**TOTALS | {"dates": {"start": first, "end": "2026-11-19"}, "update": update}))
    file = small.file(**TOTALS | {"dates": {"start": first, "end": f"2026-11-{end}"}, "update": update})
    shown = " ".join(small.good("validate", "-f", file).stderr.split())
    assert (f"note: The next run replaces {len(rows(small))} rows" in shown) == replaced


def test_a_change_by_page_and_api_says_it_too(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    asking = program(site)
    file = json.loads(Path(small.file(dates=FOUR_DAYS, metrics=["spend"])).read_text())
    existing, note = asking.good("POST", "/datasets/validate", json=file)["notes"]
    assert existing == "This changes the existing dataset 'Spend'."
    assert asking.good("PUT", "/datasets/spend", json=file)["notes"] == [note]
    assert note.startswith("The next run empties 3 columns in ")
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
    small.good("restore", "spend", "0", "--yes")
    assert same(rows(small), first)
    answer = program(site).good("POST", "/datasets/spend/versions/1/restore", 201)
    assert (answer["version"], answer["table_rows"], answer["triggered_by"]) == (3, len(second), "admin")
    assert same(rows(small), second)
    visit = site.visit("admin")
    assert visit.post("/datasets/spend/versions/0/restore").status_code == 303
    assert same(rows(small), first)
    text = visit.words("/datasets/spend/versions")
    assert "Restore of version 0" in text
    assert "Restore of version 1" in small.good("versions", "spend").stdout
    listed = [small.json("versions", "spend"), program(site).get("/datasets/spend/versions")["items"]]
    assert [[version["restored_version"] for version in versions] for versions in listed] == [[0, 1, 0, None, None]] * 2
    assert [same(rows(small, number), first) for number in range(5)] == [True, False, True, False, True]


def test_a_restored_table_shows_the_verification_of_the_run_that_read_it(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    small.later(2)
    small.good("restore", "spend", "0", "--yes")
    latest, *_, first = small.json("history", "spend")
    assert latest["rows_read_at"] == first["started_at"], "when its rows were read"
    assert latest["finished_at"] > first["finished_at"]
    page = site.visit("admin").words("/datasets/spend")
    assert "2 days ago" in page
    # A restore asks nothing of TikTok.
    matched = "The rows matched TikTok when they were read, 2026-11-22 12:00 UTC."
    assert f"Verification Verified {matched} View checks" in page
    assert re.search(rf"Restored version 0: \d+ rows, version 2\. {re.escape(matched)}", page)
    assert "atches TikTok" not in page
    assert latest["meaning"] == program(site).get(f"/runs/{latest['run_id']}")["meaning"] == matched
    assert matched in " ".join(small.good("history", "spend", "--run", latest["run_id"]).stdout.split())
    assert matched in site.visit("admin").words(f"/datasets/spend/history/{latest['run_id']}")
    for listed in ("/datasets", "/datasets/spend/history"):
        assert f'title="{matched}"' in site.visit("admin").good(listed)
    assert (latest["state"], latest["version"], latest["verification"]) == ("verified", 2, first["verification"])
    assert (latest["table_rows"], latest["table_columns"]) == (first["table_rows"], first["table_columns"])


def test_a_restore_is_an_entry_of_its_own_at_its_own_time(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    small.later(2)
    visit, count = site.visit("admin"), len(rows(small, 0))
    visit.sent("/datasets/spend/versions/0/restore")
    latest, *_ = small.json("history", "spend")
    assert (latest["kind"], latest["restored_version"], latest["triggered_by"]) == ("restore", 0, "admin")
    assert (latest["rows"], latest["requests"], latest["warnings"]) == (count, 0, [])
    assert datetime.fromisoformat(latest["started_at"]) == small.now
    by_api = program(site).get(f"/runs/{latest['run_id']}")
    assert by_api == latest
    page = visit.words("/datasets/spend/history")
    assert f"{small.now:%Y-%m-%d %H:%M} Restored version 0 Verified" in page
    assert re.search(rf"Restored version 0 Verified Verified 0\.0 s \S {count} 2 .*? admin ", page)
    line = next(line for line in small.good("history", "spend").stdout.splitlines() if latest["run_id"] in line)
    assert re.search(rf"Verified +0 +- +{count} +2 +admin +Restored version 0", line)
    detail = small.good("history", "spend", "--run", latest["run_id"]).stdout
    assert "Restored version 0" in detail
    assert f"Restored version 0 as version 2: {count} rows read on 2026-11-22 at 12:00 UTC." in " ".join(detail.split())
    assert "{" not in detail


def test_what_is_kept_of_a_restore_in_another_language_is_english(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "spend")
    with speaking(PSEUDO):
        orders = Orders(site.settings, site.store, clock=lambda: small.now)
        orders.restore(Guard(site.store, Actor(None)), site.store.datasets.get("spend"), 0)
    notes = small.json("history", "spend")[0]["notes"]
    assert notes
    assert "⟦" not in "".join(notes)


NEXT_RUNS = {
    "replace": "The next run replaces all rows of the table.",
    "append": "The next run adds its rows and changes none of these.",
    "upsert": "The next run updates the rows that it reads, and adds new ones. All other rows stay as restored.",
    "partition": "The next run replaces the days of the dataset's dates. Other days stay as restored; to update them, "
    "run a backfill.",
}


@pytest.mark.parametrize("method", sorted(NEXT_RUNS))
def test_a_restore_that_was_asked_for_is_a_note_and_says_what_the_next_run_does(
    small: Home, site: Site, method: str
) -> None:
    update = {"method": method}
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update=update))
    small.good("run", "spend")
    small.good("restore", "spend", "0", "--yes")
    latest = small.json("history", "spend")[0]
    assert (latest["state"], latest["warnings"], latest["notes"][1:]) == ("verified", [], [NEXT_RUNS[method]])
    assert small.json("datasets", "list")[0]["status"] == "verified"
    page = site.visit("admin").words("/datasets/spend")
    assert f"Notes {' '.join(latest['notes'])}" in page
    assert "Warnings" not in page


def test_a_restore_without_a_next_run_says_nothing_of_it(small: Home) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "spend")
    small.good("accounts", "delete", "demo", "--yes")
    small.good("restore", "spend", "0", "--yes")
    assert len(small.json("history", "spend")[0]["notes"]) == 1


def test_a_restore_asks_first_with_what_the_table_will_have(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    before, after = len(rows(small, 1)), len(rows(small, 0))
    effect = (
        f"The table gets the {after} rows of version 0 (2026-11-22 12:00 UTC) in place of its {before} rows. To undo "
        "this, restore version 1."
    )
    visit = site.visit("admin")
    assert 'href="/datasets/spend/versions/0/restore"' in visit.good("/datasets/spend/versions")
    assert effect in visit.words("/datasets/spend/versions/0/restore")
    code, stderr = small.bad("restore", "spend", "0")
    assert (code, effect in stderr, "--yes" in stderr) == (ExitCode.INPUT, True, True)
    assert len(small.json("versions", "spend")) == 2
    newest = visit.words("/datasets/spend/versions/1/restore")
    assert "Version 1 is already the newest of the table spend." in newest
    vera = site.user("vera", Role.VIEWER)
    assert site.visit(vera).get("/datasets/spend/versions/0/restore").status_code in (403, 404)


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
        assert same(rows(small), before) or latest["state"] not in SUCCESSFUL, lives
        assert (latest["kind"], latest["restored_version"]) in (("restore", 0), ("run", None))
    assert lives > 3
    assert same(rows(small), first)
    small.good("run", "spend")
    assert small.json("history", "spend")[0]["verification"]["verified"]


@pytest.mark.parametrize("method", ["replace", "append", "upsert", "partition"])
def test_the_next_run_continues_from_a_restored_table(small: Home, method: str) -> None:
    """What it leaves is what it would have left had the restored version been the newest all along."""
    update = {"method": method}
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update=update))
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-20"}, update=update))
    expected = rows(small)
    small.good("run", "-f", small.file(dates={"start": "2026-11-10", "end": "2026-11-12"}, update=update))
    small.good("restore", "spend", "0", "--yes")
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-20"}, update=update))
    assert same(rows(small), expected)


@pytest.mark.parametrize("method", ["replace", "append", "upsert", "partition"])
def test_every_page_of_a_restored_table_can_be_read(small: Home, site: Site, method: str) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS, update={"method": method}))
    small.good(
        "run", "-f", small.file(dates=FOUR_DAYS, update={"method": method}, metrics=["spend", "clicks", "reach"])
    )
    small.good("restore", "spend", "0", "--yes")
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
    small.good("restore", "spend", "0", "--yes")
    assert any(day["kind"] == "incomplete" for day in expected["days"])
    small.good("restore", "spend", "1", "--yes")
    difference = small.json("diff", "spend", "2", "3")
    assert difference.pop("summary").startswith("Version 2 restores version 0. Version 3 restores version 1. ")
    assert expected.pop("summary").startswith("Version 1 is a backfill of 2026-11-20 to 2026-11-22. ")
    assert difference | {"before": 0, "after": 1} == expected


def test_what_cannot_be_restored_is_refused_and_changes_nothing(small: Home, site: Site) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    assert small.bad("restore", "spend", "0", "--yes")[0] == ExitCode.INPUT
    assert "no version 7" in small.bad("restore", "spend", "7", "--yes")[1]
    small.good("run", "spend")
    vera = site.user("vera", Role.VIEWER)
    assert site.visit(vera).post("/datasets/spend/versions/0/restore").status_code in (403, 404)
    program(site, read_only=True).bad("POST", "/datasets/spend/versions/0/restore", 403)
    waiting = site.store.runs.add(site.store.datasets.get("spend"), "1" * 16)
    assert small.bad("restore", "spend", "0", "--yes")[0] == ExitCode.BUSY
    small.good("cancel", waiting.id)
    assert [version["version"] for version in small.json("versions", "spend")] == [1, 0]


def test_a_restored_version_stays_readable_after_a_vacuum(small: Home) -> None:
    small.good("run", "-f", small.file(dates=FOUR_DAYS))
    first = rows(small)
    small.good("run", "-f", small.file(dates={"start": "2026-11-19", "end": "2026-11-19"}))
    small.good("restore", "spend", "0", "--yes")
    small.later(40)
    small.good("vacuum", "spend", "--keep-days", "0", "--keep-versions", "1", "--yes")
    assert [version["version"] for version in small.json("versions", "spend")] == [2]
    assert same(rows(small), first)


def test_a_run_names_ad_accounts_that_stay_in_the_table_and_were_not_read(small: Home) -> None:
    update = {"method": "partition"}
    first, second = [row["id"] for row in small.json("accounts", "advertisers", "demo")][:2]
    small.good("run", "-f", small.file(update=update, advertisers=[first, second]))
    run = small.json("run", "-f", small.file(update=update, advertisers=[first]))
    note = (
        f"The table has rows of 1 ad account that this run did not read: {second}. They stay as earlier runs read them."
    )
    assert (run["state"], run["notes"]) == ("verified", [note])
    assert small.json("run", "-f", small.file(update=update, advertisers=[first, second]))["notes"] == []
    assert small.json("run", "-f", small.file(advertisers=[first]))["notes"] == [], "replace keeps no others"
