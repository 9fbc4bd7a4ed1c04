"""One dataset's pages: overview, what the next run reads, the run at work, the table, files, and who may do what."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import sqlite3
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from adreel.export.cells import grouped
from adreel.lake import Lake
from adreel.store import Level, Phase, Progress, Role, RunOutcome, RunState, SavedDataset
from adreel.store.file_locks import FileLocks
from adreel.web.pages.data import Look, look_of
from api_home import program
from home import Home, copied, make_home
from web_home import Site, Visit, open_site, words_of

BASE = "/datasets/spend"


@pytest.fixture(scope="module")
def ran_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("ran") / "home")
    home.add_account()
    home.good("run", "-f", home.file(description="What each ad cost.", tags=["daily"]))
    return home


@pytest.fixture
def ran(ran_home: Home, tmp_path: Path) -> Iterator[Site]:
    """A dataset that ran once."""
    with open_site(copied(ran_home, tmp_path / "home")) as site:
        yield site


def saved(site: Site) -> SavedDataset:
    return site.store.datasets.get("spend")


def rows(site: Site, version: int | None = None) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = Lake(site.home.path / "lake").read("spend", version).read_all().to_pylist()
    return records


def somebody(site: Site, role: Role, level: Level) -> Visit:
    """Somebody with whom the account is shared."""
    user = site.user("somebody", role)
    site.store.shares.set(site.store.accounts.get("demo"), user, level)
    return site.visit(user)


# -- overview


def test_the_overview_has_size_freshness_verification_and_source(ran: Site) -> None:
    page = ran.visit("admin").words(BASE)
    count = len(rows(ran))
    assert f"Rows {count:,} 9 columns" in page
    assert "as of just now 2026-11-22 12:00 ; latest day 2026-11-21" in page
    assert "Version 0 2026-11-19 to 2026-11-21" in page
    assert "Verification Verified Matches TikTok: rows, keys, 4 sums." in page
    assert "Account demo Ad accounts 3 ad accounts" in page
    assert f"Table {ran.home.path / 'lake' / 'spend'}" in page
    assert "What each ad cost." in page
    assert "Update method Replace" in page
    assert "Primary key advertiser_id, ad_id, stat_time_day" in page


def test_times_are_shown_in_the_workspaces_zone_with_utc_for_programs(ran: Site) -> None:
    ran.store.workspace.set(zone="Asia/Tokyo")
    page = ran.visit("admin").good(BASE)
    assert '<time datetime="2026-11-22T12:00:00Z" title="2026-11-22 12:00:00 UTC">2026-11-22 21:00</time>' in page


def test_a_dataset_that_never_ran_says_so_on_every_tab_and_offers_a_run(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file())
    with open_site(home) as site:
        visit = site.visit("admin")
        for path in ("", "/data", "/data/columns", "/cards", "/versions"):
            page = visit.words(f"{BASE}{path}")
            assert "No table yet" in page, path
            assert "Run now" in page, path
        assert "No runs yet" in visit.words(f"{BASE}/history")
        assert "Export" not in visit.words(BASE)
        assert visit.get(f"{BASE}/export").status_code == 404
        visit.sent(f"{BASE}/run")
        # The same words while it is queued and while it runs: only the banner and the badge are refreshed.
        assert "Queued" in visit.words(BASE)
        assert "No table yet The table appears when the first run is complete." in visit.words(BASE)


def test_every_page_of_a_dataset_has_a_title_of_its_own(ran: Site) -> None:
    run_id = ran.store.runs.good(saved(ran), 1)[0].id
    titles = {
        "": "Overview",
        "/data": "Data",
        "/cards": "Charts",
        "/history": "History",
        "/versions": "Versions",
        "/restatements": "Restatements",
        "/settings": "Settings",
        "/data/columns": "Columns · Data",
        "/views": "Saved views · Data",
        "/links": "CSV links · Data",
        f"/history/{run_id}": f"Run {run_id} · History",
    }
    visit = ran.visit("admin")
    for ending, title in titles.items():
        assert f"<title>{title} · Spend · adreel</title>" in visit.good(BASE + ending), ending


def test_the_next_run_is_counted_without_asking_tiktok(ran: Site) -> None:
    ran.home.door("reset", {})
    page = ran.visit("admin").words(f"{BASE}/next")
    assert page.startswith("about 3 requests, about 1 s at API level 5000 Based on the last run.")
    assert "2026-11-19 to 2026-11-21 (UTC+01:00, 1 ad account)" in page
    assert ran.home.requests("") == []
    # A scheduled run reads the days of its own time.
    ran.home.good("run", "-f", ran.home.file("hours.yaml", name="Hours", schedule={"every": "day", "at": "09:00"}))
    scheduled = ran.visit("admin").words("/datasets/hours/next")
    assert "Days of a run that starts now:" in page
    assert "Days of the scheduled run at 2026-11-23 09:00 (UTC): 2026-11-20 to 2026-11-22" in scheduled


def test_what_the_last_run_changed_is_shown_per_currency(ran: Site) -> None:
    assert "No earlier version to compare with." in ran.visit("admin").words(f"{BASE}/since")
    ran.home.later(1)
    ran.home.good("run", "spend")
    text = ran.visit("admin").words(f"{BASE}/since")
    assert re.match(
        r"Since version 0: \d+ rows changed on 2 days; Conversions \+\d+\. 1 day added, with \d+ rows\.", text
    )
    assert f"{BASE}/versions?before=0&amp;after=1" in ran.visit("admin").good(f"{BASE}/since")


def test_settings_that_became_invalid_are_reported_and_the_rows_stay_readable(ran: Site) -> None:
    spec = json.loads(saved(ran).spec) | {"metrics": ["spend", "no_such_metric"]}
    ran.store.datasets.update(saved(ran), spec=json.dumps(spec))
    visit = ran.visit("admin")
    assert "TikTok no longer accepts these settings. metrics : " in visit.words(BASE)
    assert "Rows 1 to 50 of" in visit.words(f"{BASE}/data")
    assert "The settings are no longer valid: metrics: 'no_such_metric' is not available. Open settings" in visit.words(
        f"{BASE}/cards"
    )
    assert "no_such_metric" in visit.words(f"{BASE}/next")
    assert "advertiser_id" in visit.words(f"{BASE}/data/columns", count="1")


def test_a_disconnected_dataset_keeps_its_data_and_cannot_run(ran: Site) -> None:
    ran.home.good("accounts", "delete", "demo", "--yes")
    visit = ran.visit("admin")
    page = visit.words(BASE)
    assert "Disconnected. Account 'demo' was deleted" in page
    assert "Select another account" in page
    assert "Run now" not in page
    assert "Rows 1 to 50 of" in visit.words(f"{BASE}/data")
    assert "is disconnected" in words_of(visit.post(f"{BASE}/run").text)
    assert "The account was deleted." in visit.words(f"{BASE}/next")


def test_a_revoked_grant_asks_editors_to_reconnect_and_others_to_ask_an_owner(ran: Site) -> None:
    ran.home.door("revoke", {"token": ran.home.token})
    ran.home.bad("run", "spend")
    account = ran.store.accounts.get("demo")
    page = ran.visit("admin").good(BASE)
    assert f'href="/accounts/{account.id}">Reconnect account</a>' in page
    page = somebody(ran, Role.EDITOR, Level.READ).words(BASE)
    assert "Reconnect. The access token of account 'demo' is revoked. Reconnect the account, then run." in page
    assert "Ask an owner of the account to reconnect it." in page


def test_a_failed_run_is_reported_on_every_tab_with_what_to_do(ran: Site) -> None:
    ran.home.door("trouble", {"kind": "code", "code": 40002, "message": "No", "times": 0, "path": "report/integrated"})
    ran.home.bad("run", "spend")
    visit = ran.visit("admin")
    run = ran.store.runs.list(limit=1)[0]
    for path in ("", "/data", "/cards", "/history", "/versions"):
        page = visit.good(f"{BASE}{path}")
        assert re.search(r"Failed\. .*No.* \(TikTok code 40002", words_of(page)), path
        assert "Run again" in words_of(page), path
        assert f"{BASE}/history/{run.id}" in page, path


def test_markup_in_names_and_descriptions_is_shown_as_text_on_every_tab(home: Home) -> None:
    name = "<script>alert(1)</script><b>bold</b>"
    home.good("run", "-f", home.file(name=name, description="<img src=x onerror=alert(2)>", tags=["<i>t</i>"]))
    with open_site(home) as site:
        visit = site.visit("admin")
        slug = site.store.datasets.list()[0].slug
        for path in ("", "/data", "/data/columns", "/cards", "/history", "/versions", "/delete", "/live"):
            page = visit.good(f"/datasets/{slug}{path}")
            assert "<script>alert" not in page, path
            assert "<img" not in page, path
            assert "<i>t" not in page, path
        assert name in words_of(visit.good(f"/datasets/{slug}"))


# -- runs


def test_a_run_is_queued_executed_and_reported(ran: Site) -> None:
    visit = ran.visit("admin")
    assert visit.sent(f"{BASE}/run", {"onward": f"{BASE}/data?page=2"}) == f"{BASE}/data?page=2"
    waiting = visit.good(f"{BASE}/data")
    assert "Queued" in words_of(waiting)
    assert f'hx-get="{BASE}/live" hx-trigger="every 1s"' in waiting
    assert "Run now" not in words_of(waiting)
    (run,) = ran.work()
    assert (run.state, run.triggered_by, run.table_rows, run.table_columns) == (
        RunState.VERIFIED,
        "admin",
        len(rows(ran)),
        9,
    )
    over = visit.get(f"{BASE}/live")
    # Not the banner alone, which would contradict the rest of the page until that is refreshed too.
    assert (over.headers["HX-Trigger"], over.headers["HX-Reswap"]) == ("run-over", "none")
    assert f"Run complete: {run.rows} rows read, version 1. The rows of the last run match TikTok." in visit.words(BASE)


def test_the_settings_show_the_end_of_a_run_without_refreshing_the_form(ran: Site) -> None:
    visit = ran.visit("admin")
    visit.sent(f"{BASE}/run")
    assert f'hx-get="{BASE}/live?alone=true" hx-trigger="every 1s"' in visit.good(f"{BASE}/settings")
    assert f'hx-get="{BASE}/live?alone=true" hx-trigger="every 1s"' in visit.get(f"{BASE}/live?alone=true").text
    (run,) = ran.work()
    over = visit.get(f"{BASE}/live?alone=true")
    assert not {"HX-Trigger", "HX-Reswap"} & {name.title().replace("Hx", "HX") for name in over.headers}
    assert "hx-get" not in over.text
    assert f"Run complete: {run.rows} rows read, version 1." in words_of(over.text)


@pytest.mark.parametrize("earlier", [0, 1])
def test_an_overview_shows_no_table_of_a_run_that_it_calls_running(home: Home, earlier: int) -> None:
    for _ in range(1 + earlier):
        home.good("run", "-f", home.file())
        home.later(1)
    with open_site(home) as site:
        (run, *_) = site.store.runs.list(saved(site))
        # The moment between the commit of the table and the end of the run.
        with closing(sqlite3.connect(home.path / "adreel.db")) as database, database:
            database.execute(
                "UPDATE runs SET state = 'running', version = NULL, finished_at = NULL, verification = '{}'"
                " WHERE id = ?",
                (run.id,),
            )
        with FileLocks(home.path).dataset("spend", run_id=run.id):
            page = site.visit("admin").words(BASE)
        assert "Running Run" in page
        if earlier:
            assert "Version 0" in page
            assert "Version 1" not in page
        else:
            assert "The table appears when the first run is complete." in page
            assert "Verification" not in page


def test_a_run_that_ends_while_it_is_looked_at_is_not_taken_for_interrupted(ran: Site) -> None:
    run = ran.store.runs.add(saved(ran), "1" * 16)
    running = ran.store.runs.begin(run.id)
    assert ran.store.seen(running).state is RunState.INTERRUPTED
    ended = ran.store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=1, verification={"verified": True}))
    assert ran.store.seen(running) == ended


def test_a_running_run_shows_its_progress_and_the_time_left(ran: Site) -> None:
    run = ran.store.runs.add(saved(ran), "1" * 16)
    ran.store.runs.begin(run.id)
    ran.store.runs.progress(run.id, Progress(30, 2, 30, 12_345, 3, 4, 40, Phase.ROWS, 0.756))
    ran.home.now += timedelta(minutes=3)
    visit = ran.visit("admin")
    with FileLocks(ran.home.path).dataset("spend", run_id=run.id):
        page = visit.get(f"{BASE}/live")
        assert "HX-Trigger" not in page.headers
        assert 'value="75" max="100"' in page.text
        progress = program(ran).get(f"/runs/{run.id}")
        assert (progress["share"], progress["phase"], progress["requests_planned"]) == (0.756, "rows", 40)
        text = words_of(page.text)
        assert "Reading rows 30 of about 40 requests 12,345 rows 2 rate-limited and retried about 58 s left" in text
        assert "Cancel" in text
    assert "Interrupted. The process ended early; run the dataset again to resume." in visit.words(BASE)


def test_other_days_are_run_once_and_nonsense_is_refused(ran: Site) -> None:
    visit = ran.visit("admin")
    visit.sent(f"{BASE}/run", {"start": "2026-11-01", "end": "today-20"})
    assert ran.work()[0].dates == ("2026-11-01", "today-20")
    assert rows(ran)[0]["stat_time_day"] <= date(2026, 11, 2)
    for wrong in ({"start": "soon", "end": "today"}, {"start": "today"}, {"start": "today", "end": "today-3"}):
        answer = visit.post(f"{BASE}/run", wrong)
        assert answer.status_code == 422, wrong
    assert ran.work() == ()


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("tomorrow", "yesterday", "'tomorrow' is not a valid date. Use a date such as 2026-01-31 or today-28."),
        ("today", "2026-11-01", "is after the end 2026-11-01."),
        ("<b>", "today", "'<b>' is not a valid date."),
    ],
)
def test_invalid_days_are_reported_in_their_form_with_what_was_typed(ran: Site, start: str, end: str, why: str) -> None:
    answer = ran.visit("admin").post(f"{BASE}/run", {"start": start, "end": end})
    assert answer.status_code == 422
    dialog = re.search(r'(?s)<dialog id="other-days"[^>]* data-at-once>(.*?)</dialog>', answer.text)
    assert dialog is not None
    assert why in words_of(dialog[1])
    assert f'name="start" required autocomplete="off" value="{html.escape(start)}"' in dialog[1]
    assert f'name="end" required autocomplete="off" value="{end}"' in dialog[1]
    assert '<h2 class="h3" id="next">Next run</h2>' in answer.text
    assert "data-at-once" not in ran.visit("admin").good(BASE)


def test_a_second_run_leads_back_to_the_page_which_says_that_one_waits(ran: Site) -> None:
    visit = ran.visit("admin")
    visit.sent(f"{BASE}/run")
    assert visit.sent(f"{BASE}/run", {"onward": f"{BASE}/history"}) == f"{BASE}/history"
    page = visit.words(f"{BASE}/history")
    assert "A run is queued or running already, so no other run was started." in page
    assert "Queued Run" in page
    assert "adreel cancel" not in page
    assert len(ran.work()) == 1


def test_invalid_days_are_reported_also_while_a_run_is_queued(ran: Site) -> None:
    visit = ran.visit("admin")
    visit.sent(f"{BASE}/run")
    answer = visit.post(f"{BASE}/run", {"start": "soon", "end": "today"})
    assert "'soon' is not a valid date." in words_of(answer.text)


def test_a_waiting_run_is_cancelled_and_the_table_stays(ran: Site) -> None:
    visit = ran.visit("admin")
    visit.sent(f"{BASE}/run")
    run = ran.store.runs.list(limit=1)[0]
    assert visit.sent(f"/runs/{run.id}/cancel") == BASE
    assert ran.store.runs.get(run.id).state is RunState.CANCELLED
    assert "The run was cancelled. The table is unchanged." in visit.words(BASE)
    assert visit.post(f"/runs/{run.id}/cancel").status_code == 422


def test_a_failed_runs_problem_names_its_menu_by_the_title(ran: Site) -> None:
    run = ran.store.runs.add(saved(ran), "3" * 16)
    error = "dates: 2026-11-30 is in the future.\ncomment_ids: Not valid."
    ran.store.runs.finish(run.id, RunOutcome(RunState.FAILED, error=error))
    visit = ran.visit("admin")
    for path in (BASE, f"{BASE}/history/{run.id}", "/datasets"):
        page = visit.words(path)
        assert "Dates: 2026-11-30 is in the future." in page, path
        assert "dates: 2026" not in page, path


def test_a_failed_or_interrupted_backfill_is_run_again_for_its_days(ran: Site) -> None:
    ran.home.door("trouble", {"kind": "code", "code": 40002, "message": "No", "times": 0, "path": "report/integrated"})
    visit, days = ran.visit("admin"), {"start": "2026-11-01", "end": "2026-11-02"}
    visit.sent(f"{BASE}/run", days)
    ran.work()
    assert ran.store.runs.list(limit=1)[0].state is RunState.FAILED
    for label in ("Run backfill again", "Resume backfill"):
        form = re.search(
            rf'(?s)<form[^>]* action="{BASE}/run"[^>]*>((?:(?!</form>).)*{label}</button>)', visit.good(BASE)
        )
        assert form is not None, label
        sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
        assert sent == days
        visit.sent(f"{BASE}/run", sent)
        run = ran.store.runs.list(limit=1)[0]
        assert run.dates == ("2026-11-01", "2026-11-02")
        ran.store.runs.finish(run.id, RunOutcome(RunState.INTERRUPTED))


# -- deleting


@pytest.mark.parametrize("tables", ["delete", "keep"])
def test_a_dataset_is_deleted_after_a_question_with_its_table_or_without(ran: Site, tables: str) -> None:
    visit = ran.visit("admin")
    question = visit.words(f"{BASE}/delete")
    assert f"Delete Spend? Spend : Performance, {len(rows(ran))} rows in the table spend" in question
    assert visit.sent(f"{BASE}/delete", {"tables": tables}) == "/datasets"
    address = ran.home.path / "lake" / "spend"
    assert f"in the table spend {address}" in question
    stays = f"The table stays in {address}. To delete it too, delete this folder."
    assert stays in question
    notice = f"Deleted Spend. {stays}" if tables == "keep" else "Deleted Spend with all tables and versions."
    assert notice in visit.words("/datasets")
    assert visit.get(BASE).status_code == 404
    assert Lake(ran.home.path / "lake").exists("spend") is (tables == "keep")


def test_a_dataset_with_an_active_run_is_not_deleted(ran: Site) -> None:
    with FileLocks(ran.home.path).dataset("spend", run_id="abc"):
        answer = ran.visit("admin").post(f"{BASE}/delete")
    assert answer.status_code == 409
    assert "Run abc of dataset 'spend' is in progress" in words_of(answer.text)
    assert len(rows(ran)) > 0


# -- the table


def shown(page: str) -> list[list[str]]:
    """The rows of a page's table."""
    body = re.search(r"(?s)<tbody>(.*?)</tbody>", page[page.index("data-table") :])
    assert body is not None
    return [
        [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"(?s)<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"(?s)<tr>(.*?)</tr>", body[1])
    ]


def test_the_table_is_sorted_filtered_and_paged_by_the_server(ran: Site) -> None:
    visit = ran.visit("admin")
    everything = sorted(rows(ran), key=lambda row: row["spend"], reverse=True)
    page = visit.good(f"{BASE}/data", sort="-spend", page="2")
    assert [cells[2] for cells in shown(page)] == [f"{row['spend']:,.2f}" for row in everything[50:100]]
    dearest = shown(visit.good(f"{BASE}/data", sort="-impressions"))[0]
    assert f"{max(row['impressions'] for row in everything):,}" in dearest
    assert any("," in cell for cell in dearest)
    assert f"Rows 51 to 100 of {len(everything)}" in words_of(page)
    dear = [row for row in everything if row["spend"] >= 50 and row["currency"] == "EUR"]
    page = visit.good(f"{BASE}/data", where=["spend:>=:50", "currency:=:EUR"], sort="-spend")
    assert [cells[1] for cells in shown(page)] == [row["ad_id"] for row in dear]
    assert "Cost is at least 50" in words_of(page)
    assert f"of {len(dear)} ({len(everything)} without filters)" in words_of(page)


def test_an_added_filter_is_part_of_the_address(ran: Site) -> None:
    answer = ran.visit("admin").part(f"{BASE}/data", column="spend", op=">=", value="50", version="", size="50")
    assert answer.headers["HX-Replace-Url"] == f"{BASE}/data?where=spend%3A%3E%3D%3A50"
    assert "<html" not in answer.text
    # What the cells show is taken for what the table has.
    named = ran.visit("admin").part(f"{BASE}/data", column="objective_type", op="=", value="app promotion")
    assert named.headers["HX-Replace-Url"].endswith("objective_type%3A%3D%3AAPP_PROMOTION")
    empty = ran.visit("admin").part(f"{BASE}/data", column="spend", op=">=", value="")
    assert empty.headers["HX-Replace-Url"] == f"{BASE}/data"


def test_a_filter_without_a_value_is_reported_at_the_filter_and_keeps_what_was_chosen(ran: Site) -> None:
    visit = ran.visit("admin")
    words = "Enter a value, or select 'is empty'."
    part = visit.part(f"{BASE}/data", column="spend", op=">=", value=" ", add="filter")
    assert part.headers["HX-Replace-Url"] == f"{BASE}/data"
    assert words in words_of(part.text)
    assert '<option value="spend" selected>' in part.text
    assert '<option value="&gt;=" selected>' in part.text
    assert 'aria-invalid="true" aria-describedby="filter-said"' in part.text
    assert words not in visit.words(f"{BASE}/data", column="spend", op=">=", value=""), "nobody asked for a filter"
    assert words not in visit.words(f"{BASE}/data", column="spend", op="is null", value="", add="filter")
    page = visit.good(f"{BASE}/data")
    form = page[page.index('class="data-form"') :]
    assert '<button class="visually-hidden"' in form[: form.index("</button>")], "Enter in the value adds the filter"


def test_a_filter_of_a_wrong_type_is_reported_beside_the_form(ran: Site) -> None:
    page = ran.visit("admin").good(f"{BASE}/data", where="spend:>=:many")
    assert "spend: 'many' is not a value of this column" in words_of(page)
    assert "Remove filter: spend &gt;= many" in page


@pytest.mark.parametrize(
    "query",
    [
        {"where": "no_such:=:1"},
        {"where": "spend:~~:1"},
        {"sort": "no_such"},
        {"sort": "spend; DROP TABLE x"},
        {"where": 'spend" OR 1=1 --:=:1'},
    ],
)
def test_unknown_columns_and_comparisons_are_refused_in_words(ran: Site, query: dict[str, str]) -> None:
    page = ran.visit("admin").get(f"{BASE}/data", **query)
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert "data-table" not in page.text


def test_the_filter_form_fits_the_columns_type(ran: Site) -> None:
    visit = ran.visit("admin")
    assert 'type="date"' in visit.good(f"{BASE}/data/filter", column="stat_time_day")
    assert 'type="number"' in visit.good(f"{BASE}/data/filter", column="spend")
    text = visit.good(f"{BASE}/data/filter", column="ad_id")
    assert 'type="text"' in text
    assert '<option value="contains" selected>' in text
    assert 'value="contains"' not in visit.good(f"{BASE}/data/filter", column="spend")


def test_columns_can_be_chosen_and_all_of_them_need_no_address(ran: Site) -> None:
    visit = ran.visit("admin")
    page = visit.part(f"{BASE}/data", show=["spend", "stat_time_day"])
    assert [len(cells) for cells in shown(page.text)][:1] == [2]
    assert page.headers["HX-Replace-Url"] == f"{BASE}/data?show=spend&show=stat_time_day"
    every = re.findall(r'name="show" value="(\w+)"', visit.good(f"{BASE}/data"))
    assert sorted(every) == sorted(Lake(ran.home.path / "lake").table("spend").schema.names)
    assert visit.part(f"{BASE}/data", show=every).headers["HX-Replace-Url"] == f"{BASE}/data"
    assert visit.part(f"{BASE}/data", show=["gone"]).headers["HX-Replace-Url"] == f"{BASE}/data"


def test_an_earlier_version_is_shown_and_one_that_never_existed_is_reported(ran: Site) -> None:
    ran.home.later(1)
    ran.home.good("run", "spend")
    visit = ran.visit("admin")
    assert len(rows(ran, 0)) != len(rows(ran))
    assert f"of {len(rows(ran, 0))}." in visit.words(f"{BASE}/data", version="0")
    assert f"of {len(rows(ran))}." in visit.words(f"{BASE}/data")
    for path in ("/data", "/data/columns"):
        assert "The table spend has no version 7" in visit.words(f"{BASE}{path}", version="7")


def test_a_page_beyond_the_last_shows_the_last(ran: Site) -> None:
    page = ran.visit("admin").words(f"{BASE}/data", page="999")
    assert re.search(rf"to {len(rows(ran))} of {len(rows(ran))}\.", page)


def test_columns_have_title_type_meaning_key_and_statistics_that_come_later(ran: Site) -> None:
    visit = ran.visit("admin")
    first = visit.good(f"{BASE}/data/columns")
    assert f'hx-get="{BASE}/data/columns?count=1" hx-trigger="load"' in first
    assert "Cost spend money ad account's currency Money spent on the ads" in words_of(first)
    assert "Day stat_time_day Primary key date" in words_of(first)
    counted = visit.part(f"{BASE}/data/columns", count="1")
    assert "hx-trigger" not in counted.text
    text = words_of(counted.text)
    clicks = [row["clicks"] for row in rows(ran)]
    assert f"{min(clicks):,} to {max(clicks):,}" in text
    assert f"{sum(clicks):,}" in text
    money = sum(row["spend"] for row in rows(ran))
    assert f"{money:,.2f}" not in text, "three currencies are no sum"
    assert text.count("No sum: mixed currencies.") == 1
    costs = [row["spend"] for row in rows(ran)]
    assert f"{min(costs):,.2f} to {max(costs):,.2f} mixed currencies" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (21562491, "21,562,491"),
        (-1234, "-1,234"),
        (Decimal("-0.500000"), "-0.50"),
        (Decimal("1234567.125"), "1,234,567.125"),
        (Decimal("1E+4"), "10,000.00"),
        (1234.5, "1,234.5"),
        (float("-inf"), "-inf"),
        (1e16, "1e+16"),
        (True, "yes"),
        ("1234", "1234"),
        (None, ""),
    ],
)
def test_thousands_are_separated_in_numbers_and_nothing_else(value: Any, text: str) -> None:
    assert grouped(value) == text


def test_append_has_no_sums(home: Home) -> None:
    home.good("run", "-f", home.file(update={"method": "append"}))
    with open_site(home) as site:
        text = words_of(site.visit("admin").part(f"{BASE}/data/columns", count="1").text)
        assert "No sum: append adds the same day once per run." in text


NAMES = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z")
FILTERS = st.tuples(
    NAMES, st.sampled_from(["=", "!=", "<", ">=", "contains", "in"]), st.text(min_size=1).map(str.strip)
)


@given(
    where=st.lists(FILTERS.filter(lambda condition: bool(condition[2])), max_size=4),
    sort=st.lists(st.tuples(st.booleans(), NAMES), max_size=3),
    show=st.lists(NAMES, max_size=5),
    page=st.integers(1, 10**8),
    version=st.none() | st.integers(0, 10**8),
)
def test_a_look_at_the_table_is_the_same_after_a_way_through_its_address(
    where: list[tuple[str, str, str]], sort: list[tuple[bool, str]], show: list[str], page: int, version: int | None
) -> None:
    pairs = [("where", f"{column}:{op}:{value}") for column, op, value in where]
    pairs += [("sort", ("-" if falls else "") + name) for falls, name in sort] + [("show", name) for name in show]
    pairs += [("page", str(page))] + ([("version", str(version))] if version is not None else [])
    look = look_of("spend", QueryParams(pairs))
    again = look_of("spend", QueryParams(urllib.parse.urlsplit(look.address).query))
    assert again == look
    assert [(condition.column, condition.op, condition.value) for condition in look.where] == list(dict.fromkeys(where))
    assert isinstance(look, Look)


# -- files


def _csv(data: bytes) -> int:
    return int(pa_csv.read_csv(io.BytesIO(data)).num_rows)


def _json(data: bytes) -> int:
    return len(json.loads(data))


def _parquet(data: bytes) -> int:
    return int(pq.read_table(io.BytesIO(data)).num_rows)


def _excel(data: bytes) -> int:
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    return int(sheet.max_row) - 1


@pytest.mark.parametrize(("kind", "count"), [("csv", _csv), ("json", _json), ("parquet", _parquet), ("xlsx", _excel)])
def test_the_table_and_its_versions_come_as_files(ran: Site, kind: str, count: Callable[[bytes], int]) -> None:
    ran.home.later(1)
    ran.home.good("run", "spend")
    visit = ran.visit("admin")
    newest = visit.get(f"{BASE}/export", format=kind)
    assert newest.status_code == 200
    assert count(newest.content) == len(rows(ran))
    assert (
        newest.headers["content-disposition"] == f"attachment; filename=\"spend.{kind}\"; filename*=UTF-8''Spend.{kind}"
    )
    earlier = visit.get(f"{BASE}/export", format=kind, version=0)
    assert count(earlier.content) == len(rows(ran, 0))
    assert f'filename="spend.v0.{kind}"' in earlier.headers["content-disposition"]


def test_a_file_has_the_rows_columns_and_order_of_the_page_that_links_to_it(ran: Site) -> None:
    visit = ran.visit("admin")
    everything = len(rows(ran))
    look = {"where": ["spend:>=:20", "currency:!=:EUR"], "sort": ["currency", "-spend"], "show": ["ad_id", "spend"]}
    page = visit.good(f"{BASE}/data", **look, size="250")
    matching = int(re.search(r"Rows 1 to [\d,]+ of (\d+)", words_of(page))[1])  # type: ignore[index]
    assert f"Export {matching} of {everything} rows" in words_of(page)
    assert 50 < matching < 250
    links = [html.unescape(link) for link in re.findall(rf'href="({BASE}/export[^"]*)"', page)]
    assert len(links) == 4
    lines = list(csv.reader(io.StringIO(visit.get(links[0]).content.decode("utf-8-sig"))))
    assert lines[0] == ["ad_id", "spend"]
    assert [[ad, Decimal(spend)] for ad, spend in lines[1:]] == [
        [ad, Decimal(spend.replace(",", ""))] for ad, spend in shown(page)
    ]
    (parquet,) = [link for link in links if "format=parquet" in link]
    table = pq.read_table(io.BytesIO(visit.get(parquet).content))
    assert table.schema.types == [ran_type(ran, name) for name in ("ad_id", "spend")]
    assert table.column("ad_id").to_pylist() == [ad for ad, _ in lines[1:]]


def test_an_excel_file_says_what_its_columns_mean_the_same_from_page_api_and_command_line(
    ran: Site, tmp_path: Path
) -> None:
    target = tmp_path / "spend.xlsx"
    ran.home.good("export", "spend", "-o", str(target))
    query = {"format": "xlsx", "filter": ["spend:ge:20"], "sort": ["-spend"], "columns": ["ad_id", "spend"]}
    look = {"where": "spend:>=:20", "sort": "-spend", "show": ["ad_id", "spend"]}
    files = [
        ran.visit("admin").get(f"{BASE}/export", format="xlsx", **look).content,
        program(ran).ask("GET", "/datasets/spend/export", params=query).content,
        target.read_bytes(),
    ]
    sheets = [openpyxl.load_workbook(io.BytesIO(data))["About"] for data in files]
    texts = [[tuple(record) for record in sheet.iter_rows(values_only=True)] for sheet in sheets]
    assert texts[0] == texts[1]
    facts = {record[0]: record[1] for record in texts[0]}
    assert facts["Filter and order"] == "Cost is at least 20; Cost, largest first"
    assert facts["Version"] == "0 (2026-11-22 12:00 UTC)"
    assert str(facts["Verification"]).startswith("Verified (rows, keys, 4 sums).")
    assert facts["Rows"] == f"{len([row for row in rows(ran) if row['spend'] >= 20]):,}"
    cost = ("spend", "Cost", "money", "ad account's currency", "May be summed")
    assert [record[:5] for record in texts[0][-2:]] == [("ad_id", "Ad ID", "text", "", ""), cost]
    assert all(record[5] for record in texts[2][-9:])
    assert {record[0]: record[1] for record in texts[2]}["Days"] == "2026-11-19 to 2026-11-21"


def ran_type(ran: Site, name: str) -> Any:
    """The type of a column in the table."""
    return Lake(ran.home.path / "lake").table("spend").schema.field(name).type


def test_every_row_of_a_filtered_table_is_in_its_file_however_many_pages_it_has(ran: Site) -> None:
    visit = ran.visit("admin")
    reader = csv.DictReader(
        io.StringIO(visit.get(f"{BASE}/export", where="impressions:>=:1").content.decode("utf-8-sig"))
    )
    assert [record["ad_id"] for record in reader] == [row["ad_id"] for row in rows(ran) if row["impressions"] >= 1]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"version": "newest"}, "'newest' is not a valid version. Enter its number, or omit it for the latest."),
        ({"version": "-1"}, "'-1' is not a valid version. Enter its number, or omit it for the latest."),
        ({"where": "spend"}, "'spend' is not a valid filter. Use column:operator:value, such as spend:>=:10."),
        ({"where": "spend:>=:much"}, "is not a value of this column"),
        ({"where": "nothing:=:1"}, "Column nothing"),
        ({"sort": "nothing"}, "Column nothing"),
    ],
)
def test_a_file_that_would_hold_something_else_than_was_asked_for_is_refused(
    ran: Site, query: dict[str, str], words: str
) -> None:
    answer = ran.visit("admin").get(f"{BASE}/export", **query)
    assert answer.status_code == 422
    assert words in words_of(answer.text)


def test_a_files_name_leads_out_of_no_folder_and_into_no_header(home: Home) -> None:
    home.good("run", "-f", home.file(name='../../etc/"pass\\wd" Ünïcode; x=y'))
    with open_site(home) as site:
        slug = site.store.datasets.list()[0].slug
        header = site.visit("admin").get(f"/datasets/{slug}/export").headers["content-disposition"]
        ((plain, full),) = re.findall(r"^attachment; filename=\"([a-z0-9_.]+)\"; filename\*=UTF-8''(\S+)$", header)
        assert plain == f"{slug}.csv"
        name = urllib.parse.unquote(full)
        assert name == "_.._etc__pass_wd_ Ünïcode; x=y.csv"
        assert not set('/\\"') & set(name)


def test_a_text_that_a_spreadsheet_would_take_for_a_formula_is_defused_in_csv(home: Home) -> None:
    fields = {"data_level": None, "time_dimension": None, "metrics": None, "dates": None}
    home.good("run", "-f", home.file(report="campaigns", **fields))
    lake = Lake(home.path / "lake")
    with open_site(home) as site:
        text = site.visit("admin").get(f"{BASE}/export").text
        # Excel knows by the mark that letters beyond ASCII are in UTF-8.
        assert text.startswith('\ufeff"campaign_name"')
        names = [row["campaign_name"] for row in lake.read("spend").read_all().to_pylist()]
        assert all(not line.startswith(("=", "@")) for line in re.findall(r'"([^"]*)"', text))
        assert len(names) == text.count("\n") - 1


def test_an_unknown_format_is_refused(ran: Site) -> None:
    answer = ran.visit("admin").get(f"{BASE}/export", format="docx")
    assert answer.status_code == 422
    assert "'docx' is not an export format. Use one of: csv, json, parquet, xlsx." in words_of(answer.text)


# -- who may

WRITES = [f"{BASE}/run", f"{BASE}/delete"]


def test_a_viewer_sees_everything_without_buttons_and_cannot_change_anything(ran: Site) -> None:
    visit = somebody(ran, Role.VIEWER, Level.READ)
    for path in ("", "/data", "/cards", "/history", "/versions"):
        page = visit.good(f"{BASE}{path}")
        for action in ("/run", "/duplicate", "/delete", "/settings"):
            assert f"{BASE}{action}" not in page, (path, action)
    assert visit.get(f"{BASE}/export").status_code == 200
    for path in WRITES:
        assert visit.post(path).status_code == 403, path
    assert visit.get(f"{BASE}/delete").status_code == 403
    refused = words_of(visit.get(f"{BASE}/versions/0/restore").text)
    assert "Only administrators and editors can restore versions of datasets." in refused
    account = ran.store.accounts.get("demo")
    assert "Read: Can view the data of its datasets." in visit.words(f"/accounts/{account.id}")
    assert "Full access As a viewer: limited to viewing." in visit.words("/profile")
    assert len(ran.store.datasets.list()) == 1
    assert not ran.store.runs.list(states={RunState.QUEUED})


def test_who_may_use_the_account_but_not_change_its_datasets_cannot_run_or_cancel_them(ran: Site) -> None:
    ran.visit("admin").sent(f"{BASE}/run")
    visit = somebody(ran, Role.EDITOR, Level.SHARE)
    run = ran.store.runs.list(limit=1)[0]
    assert visit.post(f"/runs/{run.id}/cancel").status_code == 403
    assert "Cancel" not in visit.words(f"{BASE}/live")
    assert visit.post(f"{BASE}/run").status_code == 403
    assert ran.store.runs.get(run.id).state is RunState.QUEUED


def test_who_may_change_the_accounts_datasets_runs_and_deletes_them(ran: Site) -> None:
    visit = somebody(ran, Role.EDITOR, Level.EDIT)
    visit.sent(f"{BASE}/run")
    assert ran.work()[0].triggered_by == "somebody"
    visit.sent(f"{BASE}/delete")
    assert ran.store.datasets.list() == ()


PATHS = ["", "/live", "/next", "/since", "/data", "/data/filter", "/data/columns", "/cards", "/cards/all", "/history"]
PATHS += ["/versions", "/difference?before=0&after=1", "/export", "/delete"]


@pytest.mark.parametrize("path", PATHS)
def test_a_dataset_that_is_not_shared_is_not_found(ran: Site, path: str) -> None:
    visit = ran.visit(ran.user("ada"))
    answer = visit.get(f"{BASE}{path}")
    assert answer.status_code == 404
    assert "3 ad accounts" not in answer.text
    assert visit.post(f"{BASE}/run").status_code == 404
    stranger = ran.visit().client.get(f"{BASE}{path}", follow_redirects=False)
    assert stranger.headers["location"].startswith("/login")
