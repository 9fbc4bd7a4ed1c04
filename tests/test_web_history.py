"""A dataset's runs with verification and log, its versions, and the number that TikTok changed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from adreel.datasets.advertisers import names_of
from adreel.errors import ExitCode
from adreel.lake import Lake
from adreel.store import Level, LogLine, Role, RunOutcome, RunState, SavedDataset
from adreel.store.file_locks import FileLocks
from home import Home, copied, make_home
from running import Tampered
from web_home import Site, open_site, words_of

BASE = "/datasets/spend"


@pytest.fixture(scope="module")
def twice_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("twice") / "home")
    home.add_account()
    home.good("run", "-f", home.file())
    home.later(1)
    home.good("run", "spend")
    return home


@pytest.fixture
def twice(twice_home: Home, tmp_path: Path) -> Iterator[Site]:
    """A dataset that ran on two days: the second found conversions that came late, a new day, and one day less."""
    home = copied(twice_home, tmp_path / "home")
    home.later(0)
    with open_site(home) as site:
        yield site


def saved(site: Site) -> SavedDataset:
    return site.store.datasets.get("spend")


def rows(site: Site, version: int) -> dict[tuple[str, str], dict[str, Any]]:
    records = Lake(site.home.path / "lake").read("spend", version).read_all().to_pylist()
    return {(row["ad_id"], str(row["stat_time_day"])): row for row in records}


def chart(page: str) -> dict[str, Any]:
    match = re.search(r'data-chart="([^"]*)"', page)
    assert match is not None
    drawn: dict[str, Any] = json.loads(html.unescape(match[1]))
    return drawn


# -- runs


def test_the_history_has_every_run_with_who_asked_latest_first(twice: Site) -> None:
    visit = twice.visit("admin")
    visit.sent(f"{BASE}/run")
    twice.work()
    page = visit.words(f"{BASE}/history")
    count = len(rows(twice, 2))
    # The state is in the page twice: below the time on phones, else in a column.
    assert re.search(
        rf"2026-11-23 12:00 Verified Verified 0\.0 s \d+ {count} 2 Compare with 1 Verified rows, keys, 4 sums admin",
        page,
    )
    assert re.search(
        r"2026-11-22 12:00 Verified Verified 0\.0 s \d+ \d+ 0 Verified rows, keys, 4 sums Command line 3 runs", page
    )


def test_the_history_comes_in_pages(twice: Site) -> None:
    for number in range(60):
        run = twice.store.runs.add(saved(twice), f"{number:016}")
        twice.store.runs.finish(run.id, RunOutcome(RunState.FAILED, error=f"Reason {number}."))
    visit = twice.visit("admin")
    assert "Page 1 of 2" in visit.words(f"{BASE}/history")
    last = visit.words(f"{BASE}/history", page="2")
    assert "Reason 9." in last
    assert "Reason 10." not in last
    assert "62 runs" in last


def test_a_run_shows_its_verification_line_by_line(twice: Site) -> None:
    run = twice.store.runs.list(limit=1)[0]
    page = twice.visit("admin").words(f"{BASE}/history/{run.id}")
    table_rows = rows(twice, 1).values()
    assert "Verification: Verified" in page
    assert f"Rows {len(table_rows)} {len(table_rows)} Matches" in page
    assert "Duplicate keys 0 0 Matches" in page
    clicks = f"{sum(row['clicks'] for row in table_rows):,}"
    assert f"Clicks (destination) (clicks) {clicks} {clicks} Matches" in page
    assert "Cost (spend) (checksum of mixed currencies)" in page


def test_a_run_whose_check_failed_is_not_green_and_says_what_differs(home: Home) -> None:
    def change(asked: dict[str, str], data: dict[str, Any]) -> None:
        if "total_metrics" in data:
            data["total_metrics"]["clicks"] = "1"

    home.transport = Tampered(home, change)
    assert home.adreel("run", "-f", home.file()).exit_code == 9
    with open_site(home) as site:
        visit = site.visit("admin")
        run = site.store.runs.list(limit=1)[0]
        page = visit.words(f"{BASE}/history/{run.id}")
        assert "Verification: Check failed clicks" in page
        assert "Check failed clicks" in visit.words(f"{BASE}/history")
        assert re.search(r"Clicks \(destination\) \(clicks\) \d [\d,]+ Differs", page)
        assert (
            "Check failed. The last run's rows differ from TikTok's own figures. See its verification, then run again."
            in page
        )
        assert "1 of 6 checks differ" in visit.words(BASE)
        assert 'value="check_failed" selected' in visit.good("/datasets", status="check_failed")


def test_a_run_that_skipped_an_advertiser_names_it_with_its_reason(home: Home) -> None:
    gone = home.door("state")["advertisers"][0]["advertiser_id"]
    home.good("run", "-f", home.file(skip_failing_advertisers=True))
    home.door("remove", {"advertiser_id": gone})
    assert home.bad("run", "spend")[0] == ExitCode.SKIPPED
    with open_site(home) as site:
        visit = site.visit("admin")
        run = site.store.runs.list(limit=1)[0]
        name = {
            advertiser.advertiser_id: advertiser.name
            for advertiser in site.store.accounts.advertisers(site.store.accounts.get("demo"))
        }
        page = visit.words(f"{BASE}/history/{run.id}")
        assert f"{name[str(gone)]} {gone} {run.skipped[str(gone)]}" in page
        assert "1 ad account was skipped." in visit.words(BASE)
        assert "Ad accounts skipped. 1 ad account was skipped." in visit.words(BASE)


def test_a_failed_runs_page_says_why_and_that_the_table_stayed(twice: Site) -> None:
    twice.home.door("trouble", {"kind": "code", "code": 40002, "message": "<b>No</b>", "times": 0, "path": "report"})
    visit = twice.visit("admin")
    visit.sent(f"{BASE}/run")
    (run,) = twice.work()
    page = visit.good(f"{BASE}/history/{run.id}")
    assert "<b>No" not in page
    assert "<b>No</b>" in words_of(page)
    assert "Version None; the table is unchanged" in words_of(page)
    assert "Triggered 2026-11-23 12:00 by admin" in words_of(page)


def test_the_page_of_an_active_run_follows_its_log(twice: Site) -> None:
    run = twice.store.runs.add(saved(twice), "1" * 16, ("today-3", "today"))
    twice.store.runs.begin(run.id)
    twice.store.runs.log(run.id, "first <i>line</i>")
    visit = twice.visit("admin")
    base = f"{BASE}/history/{run.id}"
    with FileLocks(twice.home.path).dataset("spend", run_id=run.id):
        page = visit.good(base)
        assert f'hx-get="{base}" hx-trigger="every 1s"' in page
        assert "12:00:00 first <i>line</i>" in words_of(page)
        assert "<i>line" not in page
        (line,) = twice.store.runs.log_lines(run.id)
        assert isinstance(line, LogLine)
        assert f'hx-get="{base}/log?after={line.number}" hx-trigger="every 1s"' in page
        twice.store.runs.log(run.id, "second line")
        more = visit.part(f"{base}/log", after=line.number)
        assert words_of(more.text) == "12:00:00 second line"
        assert f"log?after={line.number + 1}" in more.text
        assert 'hx-target="#log" hx-swap="beforeend"' in more.text
        assert "HX-Trigger" not in visit.part(base).headers
    twice.store.runs.finish(run.id, RunOutcome(RunState.FAILED, error="No."))
    over = visit.part(base)
    assert (over.headers["HX-Trigger"], over.headers["HX-Reswap"]) == ("run-over", "none")
    assert "every 1s" not in visit.good(base)
    assert "hx-get" not in visit.part(f"{base}/log", after=line.number).text


def test_a_log_is_a_file_too_and_its_page_shows_the_end_of_a_long_one(twice: Site) -> None:
    run = twice.store.runs.list(limit=1)[0]
    twice.store.runs.log(run.id, *(f"line {number}" for number in range(700)))
    visit = twice.visit("admin")
    page = visit.words(f"{BASE}/history/{run.id}")
    assert "Download the log for 200 earlier lines." in page
    assert "line 199 " not in page
    assert "line 699" in page
    file = visit.get(f"{BASE}/history/{run.id}/log")
    assert file.headers["content-disposition"].startswith(f'attachment; filename="spend.{run.id}.log"')
    assert file.text.count("\n") == 700


def test_a_run_of_another_dataset_or_an_unknown_run_is_not_found(twice: Site) -> None:
    twice.home.good("run", "-f", twice.home.file("o.yaml", name="Other"))
    other = twice.store.runs.list(limit=1)[0]
    visit = twice.visit("admin")
    for path in (f"{BASE}/history/{other.id}", f"{BASE}/history/{other.id}/log", f"{BASE}/history/ffffffffffffffff"):
        assert visit.get(path).status_code == 404, path


def test_a_run_is_not_found_by_a_user_who_may_not_see_its_dataset(twice: Site) -> None:
    run = twice.store.runs.list(limit=1)[0]
    twice.store.datasets.create(
        "Hers", account=twice.store.accounts.get("demo"), spec='{"report": "ads"}', owner=twice.user("ada")
    )
    visit = twice.visit("ada")
    assert visit.get("/datasets/hers/history").status_code == 200
    assert visit.get(f"/datasets/hers/history/{run.id}").status_code == 404
    assert visit.post(f"/runs/{run.id}/cancel").status_code == 404


# -- versions


def test_versions_are_listed_with_what_made_them_and_the_last_two_are_compared(twice: Site) -> None:
    visit = twice.visit("admin")
    page = visit.good(f"{BASE}/versions")
    assert f'hx-get="{BASE}/difference?before=0&amp;after=1" hx-trigger="load"' in page
    for number in (0, 1):
        run = twice.store.runs.good(saved(twice), 2)[1 - number]
        assert f'href="{BASE}/history/{run.id}"' in page
        assert f"Replace Verified {len(rows(twice, number))} {run.id}" in words_of(page)
    assert "2 versions available" in words_of(page)


def test_the_version_before_is_taken_where_only_one_is_named(twice: Site) -> None:
    twice.home.good("run", "spend")
    visit = twice.visit("admin")
    assert "difference?before=0&amp;after=1" in visit.good(f"{BASE}/versions", after="1")
    assert "difference?before=0&amp;after=2" in visit.good(f"{BASE}/versions", before="2", after="0")
    assert "difference?before=1&amp;after=2" in visit.good(f"{BASE}/versions")
    assert "Select two different versions." in visit.words(f"{BASE}/versions", before="1", after="1")


def test_a_deleted_version_is_reported_and_not_offered(twice: Site) -> None:
    twice.home.good("vacuum", "spend", "--keep-days", "0", "--keep-versions", "1", "--yes")
    visit = twice.visit("admin")
    page = visit.words(f"{BASE}/versions")
    assert "1 version available" in page
    assert "Version 0 is no longer kept. The oldest is version 1." in visit.words(
        f"{BASE}/versions", before="0", after="1"
    )
    assert visit.part(f"{BASE}/difference", before=0, after=1).status_code == 404
    assert "No earlier version to compare with." in visit.words(f"{BASE}/since")


# -- the difference


def test_what_tiktok_changed_is_named_first(twice: Site) -> None:
    before, after = rows(twice, 0), rows(twice, 1)
    both = {day for _, day in before} & {day for _, day in after}
    changed = [key for key in before if key in after and before[key] != after[key]]
    late = sum(after[key]["conversion"] - before[key]["conversion"] for key in changed)
    assert late > 0
    page = twice.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
    text = words_of(page)
    assert text.startswith(f"{len(changed)} rows changed on {len(both)} days; Conversions +{late}. 1 day added")
    drawn = chart(page)
    assert drawn["panels"][0]["title"] == "Conversions"
    steps = dict(zip(drawn["x"]["values"], drawn["panels"][0]["series"][0]["values"], strict=True))
    expected = dict.fromkeys(both, 0)
    for ad, day in changed:
        expected[day] += after[ad, day]["conversion"] - before[ad, day]["conversion"]
    assert {day: steps[day] for day in both} == expected
    (own,) = re.findall(rf"Restated by TikTok Change Conversions {len(changed)} \S+ \S+ (\S+) ", text)
    assert own == f"+{late}"


@pytest.mark.slow
def test_the_chart_has_every_day_and_every_metric_that_changed(home: Home) -> None:
    video = [f"video_views_p{part}" for part in (25, 50, 75, 100)]
    actions = ["likes", "comments", "shares", "follows", "profile_visits"]
    metrics = ["spend", "impressions", "clicks", "conversion", "video_play_actions", *video, *actions]
    extended = ["video_watched_2s", "video_watched_6s", "real_time_conversion", "result"]
    home.good("run", "-f", home.file(metrics=[*metrics, *extended], dates={"start": "today-20", "end": "today"}))
    home.later(1)
    home.good("run", "spend")
    with open_site(home) as site:
        page = site.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
    drawn = chart(page)
    days = [date.fromisoformat(day) for day in drawn["x"]["values"]]
    assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
    sums = page.partition('aria-label="Sample rows"')[0]
    changed = re.findall(
        r'<th scope="row"[^>]*>([^<]*)</th><td class="cell-number">[\d,]+</td><td class="cell-number">', sums
    )
    menu = re.findall(r'<option value="\d+">([^<]*)</option>', page)
    assert len(menu) > 17
    assert set(changed) <= set(menu)
    assert [panel["title"] for panel in drawn["panels"]] == [html.unescape(title) for title in menu]


def test_money_is_shown_per_currency_and_never_added(twice: Site) -> None:
    page = twice.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
    text = words_of(page)
    assert "Amounts are shown separately for EUR, JPY, USD." in text
    for currency in ("EUR", "JPY", "USD"):
        sums = [
            sum(row["spend"] for row in rows(twice, number).values() if row["currency"] == currency)
            for number in (0, 1)
        ]
        moved = f"{sums[1] - sums[0]:+,.2f} {currency}"
        assert f"Cost ({currency})" in text
        assert f"{sums[0]:,.2f} {currency} {sums[1]:,.2f} {currency} 0.00 {currency} {moved}" in text
    everything = sum(row["spend"] for row in rows(twice, 1).values())
    assert f"{everything:,.2f}" not in text
    assert {"Cost (EUR)", "Cost (JPY)", "Cost (USD)"} <= {panel["title"] for panel in chart(page)["panels"]}


def test_added_and_removed_days_are_separate_from_what_was_restated(twice: Site) -> None:
    page = twice.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
    days = [sorted({day for _, day in rows(twice, number)}) for number in (0, 1)]
    text = words_of(page)
    assert f"{days[0][0]} removed" in text
    assert f"{days[1][-1]} added" in text
    panel = next(candidate for candidate in chart(page)["panels"] if candidate["title"] == "Impressions")
    restated, grew, came, left = (series["values"] for series in panel["series"])
    assert [series["shown"] for series in panel["series"]] == [True, False, False, False]
    assert grew == [None] * 4
    assert [value is not None for value in came] == [False, False, False, True]
    assert [value is not None for value in left] == [True, False, False, False]
    assert restated[1:3] == [0, 0]


def test_the_rest_of_an_unfinished_day_is_separate_from_what_was_restated(home: Home) -> None:
    home.good("run", "-f", home.file(dates={"start": "2026-11-20", "end": "today"}))
    home.later(1)
    home.good("run", "spend")
    with open_site(home) as site:
        page = site.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
    text = words_of(page)
    assert "2026-11-22 incomplete at the first reading" in text
    assert "Impressions" not in text.partition("incomplete at")[0]
    panel = next(candidate for candidate in chart(page)["panels"] if candidate["title"] == "Impressions")
    restated, grew, *_ = (
        dict(zip(chart(page)["x"]["values"], series["values"], strict=True)) for series in panel["series"]
    )
    assert grew["2026-11-22"] > 0
    assert restated["2026-11-21"] == 0


def steps_by_day(page: str, title: str) -> list[dict[str, float | None]]:
    """What moved of a figure by day: restated, went on, came, left."""
    drawn = chart(page)
    panel = next(candidate for candidate in drawn["panels"] if candidate["title"] == title)
    return [dict(zip(drawn["x"]["values"], series["values"], strict=True)) for series in panel["series"]]


def at(home: Home, hour: int) -> None:
    """Lets it be that hour of the day, in UTC, for both sides."""
    home.now = home.now.replace(hour=hour)
    home.door("now", {"today": home.now.date().isoformat(), "hour": hour})


def test_a_day_may_be_new_for_one_advertiser_and_restated_for_another(home: Home) -> None:
    """At 2:00 UTC yesterday is over in Berlin and Tokyo, and in Los Angeles it is the day before that was read last."""
    at(home, 2)
    home.good("run", "-f", home.file())
    home.later(1)
    at(home, 2)
    home.good("run", "spend")
    with open_site(home) as site:
        page = site.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
        new = [row for (_, day), row in rows(site, 1).items() if day == "2026-11-21" and row["currency"] == "USD"]
    text = words_of(page)
    first = text.partition(" added, with ")[0]
    assert "Conversions +" in first
    # In the last hours before a reading TikTok's figures are not final; those of Los Angeles were not read at all.
    assert "USD" not in first
    assert "2 days" in first
    restated, _, came, _ = steps_by_day(page, "Cost (USD)")
    assert not any(restated.values())
    assert came["2026-11-21"] == pytest.approx(float(sum(row["spend"] for row in new)))
    restated, _, came, _ = steps_by_day(page, "Cost (EUR)")
    assert restated["2026-11-21"]
    assert not came["2026-11-21"]
    assert came["2026-11-22"]
    conversions = steps_by_day(page, "Conversions")[0]
    assert conversions["2026-11-21"]


def test_a_day_that_was_over_for_one_advertiser_continued_for_another(home: Home) -> None:
    """At 17:00 UTC the day is over in Tokyo alone."""
    at(home, 17)
    home.good("run", "-f", home.file(dates={"start": "2026-11-20", "end": "2026-11-22"}))
    home.later(1)
    home.good("run", "spend")
    with open_site(home) as site:
        page = site.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
    assert "2026-11-22 incomplete" in words_of(page)
    for code, kind in (("JPY", 0), ("EUR", 1), ("USD", 1)):
        steps = steps_by_day(page, f"Cost ({code})")
        assert [bool(step["2026-11-22"]) for step in steps] == [number == kind for number in range(4)], code


def test_rows_are_shown_before_and_after(twice: Site) -> None:
    text = words_of(twice.visit("admin").part(f"{BASE}/difference", before=0, after=1).text)
    before, after = rows(twice, 0), rows(twice, 1)
    ad, day = next(key for key in sorted(before) if key in after and before[key] != after[key])
    row = before[ad, day]
    name = names_of(twice.store.accounts.advertisers(twice.store.accounts.get("demo")))[row["advertiser_id"]]
    assert re.search(rf"Ad ID \d+ · {re.escape(name)} · Day 2026-11-2\d changed Conversions \d+ \d+", text)
    assert day in text


def test_two_versions_alike_say_that_nothing_changed(twice: Site) -> None:
    twice.home.good("run", "spend")
    visit = twice.visit("admin")
    page = visit.part(f"{BASE}/difference", before=1, after=2)
    assert "rows." in words_of(page.text)
    assert "data-chart" not in page.text
    assert "Since version 1: nothing changed." in visit.words(f"{BASE}/since")


def test_non_additive_figures_are_counted_and_not_summed(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend", "reach"]))
    home.later(1)
    home.good("run", "spend")
    with open_site(home) as site:
        before, after = rows(site, 0), rows(site, 1)
        changed = sum(before[key]["reach"] != after[key]["reach"] for key in before if key in after)
        assert changed
        page = site.visit("admin").part(f"{BASE}/difference", before=0, after=1).text
        assert f"Reach {changed} No sum" in words_of(page)
        assert "Reach" not in {panel["title"] for panel in chart(page)["panels"]}


def test_a_list_without_days_is_compared_row_by_row(home: Home) -> None:
    nothing = {"data_level": None, "time_dimension": None, "metrics": None, "dates": None}
    home.good("run", "-f", home.file(report="campaigns", **nothing))
    home.later(3)
    home.good("run", "spend")
    with open_site(home) as site:
        page = site.visit("admin").part(f"{BASE}/difference", before=0, after=1)
        assert page.status_code == 200
        assert "By day" not in words_of(page.text)


def test_the_same_version_twice_and_unknown_versions_are_refused(twice: Site) -> None:
    visit = twice.visit("admin")
    assert visit.part(f"{BASE}/difference", before=1, after=1).status_code == 422
    missing = visit.part(f"{BASE}/difference", before=1, after=9)
    assert missing.status_code == 404
    assert "has no version 9" in words_of(missing.text)
    assert visit.part(f"{BASE}/difference", before="x", after=1).status_code == 422


def test_versions_in_the_wrong_order_are_put_right_visibly(twice: Site) -> None:
    page = twice.visit("admin").words(f"{BASE}/versions", before=1, after=0)
    assert "Version 1 is later than version 0, so changes are shown from 0 to 1." in page
    assert "Version 0 (the first) to 1" in page


@pytest.mark.parametrize(
    ("part", "page"),
    [
        (f"{BASE}/difference?before=1&after=0", f"{BASE}/versions?before=1&after=0"),
        (f"{BASE}/live", BASE),
        (f"{BASE}/next", BASE),
        (f"{BASE}/since", BASE),
        (f"{BASE}/backfill?start=today-3&end=today", BASE),
        (f"{BASE}/data/filter?column=spend", f"{BASE}/data"),
        (f"{BASE}/cards/one?key=days", f"{BASE}/cards?key=days"),
        ("/query/tables?q=spend", "/query?q=spend"),
        ("/query/tables/spend", "/query?table=spend"),
        # Addresses that take only forms, which a browser loads again after a refusal.
        (f"{BASE}/run", BASE),
        ("/accounts/1/refresh", "/accounts/1"),
        ("/profile/tokens/7/revoke", "/profile"),
        ("/runs/0/cancel", "/"),
    ],
)
def test_a_part_or_an_action_that_a_browser_opens_by_itself_leads_to_its_page(
    twice: Site, part: str, page: str
) -> None:
    visit = twice.visit("admin")
    answer = visit.client.get(part, headers={"Accept": "text/html,*/*"}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (303, page)
    assert visit.get(page).status_code == 200


def test_a_viewer_compares_and_cannot_cancel(twice: Site) -> None:
    run = twice.store.runs.add(saved(twice), "2" * 16)
    user = twice.user("vera", Role.VIEWER)
    twice.store.shares.set(twice.store.accounts.get("demo"), user, Level.READ)
    visit = twice.visit(user)
    assert visit.part(f"{BASE}/difference", before=0, after=1).status_code == 200
    assert "Cancel" not in visit.words(f"{BASE}/history/{run.id}")
    assert visit.post(f"/runs/{run.id}/cancel").status_code == 403
    assert twice.store.runs.get(run.id).state is RunState.QUEUED
