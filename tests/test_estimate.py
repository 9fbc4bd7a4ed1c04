"""The estimate of a run against what the run then takes, and the progress of a run while it works."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.advertisers import Advertiser
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.pipeline.estimate import estimate, predicted_requests, size_of_run
from adreel.pipeline.plan import Plan, make_plan, narrowed
from adreel.pipeline.progress import PageProgress, progress_words
from adreel.pipeline.run import Watch
from adreel.store import Phase, Progress
from adreel.tiktok.rate_limit import limits_for
from api_home import program
from home import SPEND, Home, make_home
from running import metrics_of_ads, run
from web_home import open_site

TOLERANCE = 0.2
ADS = 200
DAYS = {"start": "today-14", "end": "yesterday"}
ENTITY = {"data_level": None, "time_dimension": None, "dates": None, "metrics": None}
REPORTS: dict[str, dict[str, Any]] = {
    "ads by day": {"dates": DAYS},
    "ads of whole counts, five ad accounts a request": {"dates": DAYS, "metrics": ["impressions", "clicks"]},
    "ads without deleted ones": {"dates": DAYS, "include_deleted": False},
    "audience": {
        "dates": {"start": "today-3", "end": "yesterday"},
        "report_type": "audience",
        "audience_dimensions": ["age", "gender"],
        "metrics": ["spend"],
    },
    "campaigns by hour": {"dates": {"start": "today-3", "end": "yesterday"}, "time_dimension": "hour"}
    | {"data_level": "campaign"},
    "ads of a whole period": {"dates": DAYS, "time_dimension": "none"},
    "ads": {"report": "ads"} | ENTITY,
    "ad groups": {"report": "ad_groups"} | ENTITY,
    "ad accounts": {"report": "advertisers"} | ENTITY,
    "creatives": {"report": "creatives", "dates": DAYS, "material_type": "video"}
    | {"data_level": None, "time_dimension": None, "metrics": ["spend"]},
    "audience details": {"report": "custom_audience_details"} | ENTITY,
    "many metrics, in two batches": {"dates": DAYS, "metrics": metrics_of_ads(101)},
}


@pytest.fixture(scope="module")
def large_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose requests have several pages; nobody works in it."""
    home = make_home(tmp_path_factory.mktemp("large") / "home", ads=ADS)
    home.add_account()
    return home.path


@pytest.fixture
def large(tmp_path: Path, large_home: Path) -> Home:
    shutil.copytree(large_home, tmp_path / "home")
    return make_home(tmp_path / "home", ads=ADS)


def plan_of(home: Home, file: str) -> dict[str, Any]:
    planned: dict[str, Any] = home.json("plan", "-f", file)
    return planned


def test_more_days_of_a_report_without_days_are_estimated_as_a_minimum(large: Home) -> None:
    run(large, large.file(name="Spend", time_dimension="none", dates=DAYS))
    assert large.json("plan", "spend")["requests_most"] is not None
    longer = large.json("plan", "spend", "--start", "today-60", "--end", "yesterday")
    assert (longer["requests_most"], longer["minutes_most"]) == (None, None)
    assert "These dates have more days" in longer["basis_text"]
    assert "at least 3" in large.good("plan", "spend", "--start", "today-60", "--end", "yesterday").stdout


def test_a_new_dataset_is_estimated_from_others_of_the_same_rows(large: Home) -> None:
    run(large, large.file(name="Spend", dates=DAYS))
    file = large.file(name="Clicks", metrics=["clicks", "ctr"], dates={"start": "today-10", "end": "yesterday"})
    expected = plan_of(large, file)
    assert (expected["basis"], expected["requests"]) == ("other_datasets", expected["requests_most"])
    assert expected["requests"] == pytest.approx(run(large, file).requests, rel=TOLERANCE)
    for other in ({"data_level": "campaign"}, {"time_dimension": "none"}, {"include_deleted": False}):
        assert plan_of(large, large.file(**{"name": "Other", "dates": DAYS} | other))["basis"] == "unknown", other


def test_datasets_of_other_accounts_say_nothing(large: Home) -> None:
    run(large, large.file(name="Spend", dates=DAYS))
    large.add_account("second")
    assert plan_of(large, large.file(name="Clicks", account="second", dates=DAYS))["basis"] == "unknown"


def test_ad_accounts_that_were_not_read_yet_make_the_estimate_a_minimum(large: Home) -> None:
    ids = [advertiser["advertiser_id"] for advertiser in large.door("state")["advertisers"]]
    run(large, large.file(name="Spend", dates=DAYS, advertisers=ids[:2]))
    file = large.file(name="Spend", dates=DAYS, advertisers=ids)
    expected = plan_of(large, file)
    assert (expected["basis"], expected["requests_most"]) == ("last_run", None)
    assert "1 ad account was not read yet, which counts as one page for each request." in expected["basis_text"]
    done = run(large, file)
    assert expected["requests"] < done.requests
    assert plan_of(large, file)["requests"] == done.requests


def test_an_ad_account_that_is_skipped_is_no_unread_one(large: Home) -> None:
    trouble = {"kind": "code", "code": 40002, "message": "No", "times": 1, "path": "report/integrated"}
    file = large.file(name="Spend", dates=DAYS, skip_failing_advertisers=True)
    large.door("trouble", trouble)
    assert len(run(large, file).skipped) == 1
    assert plan_of(large, file)["requests_most"] is not None


def test_the_number_of_ads_bounds_the_requests_of_a_first_run(large: Home) -> None:
    run(large, large.file(**{"name": "Ads", "report": "ads"} | ENTITY))
    file = large.file(name="Spend", dates=DAYS)
    expected = plan_of(large, file)
    assert (expected["basis"], expected["basis_text"]) == (
        "entity_counts",
        "Based on the number of ads: not all of them have rows.",
    )
    assert expected["requests"] < run(large, file).requests <= expected["requests_most"]


def test_rows_of_ad_accounts_by_day_need_one_page_for_each_request(large: Home) -> None:
    file = large.file(name="Spend", data_level="advertiser", dates=DAYS)
    expected = plan_of(large, file)
    assert (expected["basis"], expected["requests_most"]) == ("exact", expected["requests"])
    assert expected["requests"] == run(large, file).requests
    assert " 3 " in large.good("plan", "spend").stdout
    assert "about 3" not in large.good("plan", "spend").stdout
    # A preview may have read the ad accounts until the run begins.
    large.now += timedelta(hours=1)
    with open_site(large) as site:
        words = site.visit("admin").words("/datasets/spend/next")
    assert "at most 5 requests" in words
    assert "2 requests read the list of ad accounts, unless a preview" in words


def test_repeated_requests_are_no_part_of_the_next_estimate(large: Home) -> None:
    large.door("trouble", {"kind": "code", "code": 50000, "message": "Busy", "times": 5, "path": "report/integrated"})
    file = large.file(name="Spend", dates=DAYS)
    troubled = run(large, file).requests
    assert plan_of(large, file)["requests"] == troubled - 5 == run(large, file).requests


# -- page, API and command line


def figures(text: dict[str, Any]) -> dict[str, Any]:
    """The figures of a plan, without what only one of the edges has."""
    return {name: value for name, value in text.items() if name not in ("days", "unreadable")}


@pytest.mark.parametrize("state", ["unknown", "known", "stale"])
def test_page_api_and_command_line_show_the_same_estimate(large: Home, state: str) -> None:
    file = large.file(name="Spend", dates=DAYS)
    if state == "unknown":
        large.good("datasets", "create", "-f", file)
    else:
        run(large, file)
    if state == "stale":
        large.later(1)
        large.good("plan", "spend")
    with open_site(large) as site:
        words = site.visit("admin").words("/datasets/spend/next")
        answer = program(site).get("/datasets/spend/plan")
        posted = program(site).good("POST", "/datasets/plan", json=json.loads(Path(file).read_text()))
        settings = site.visit("admin").words("/datasets/spend/settings")
    plan = large.json("plan", "spend")
    assert figures(answer) == figures(posted) == figures(plan)
    table = " ".join(large.good("plan", "spend").stdout.split())
    requests = "at least 3" if state == "unknown" else f"about {plan['requests']}"
    assert f"{requests} requests, " in words
    assert f"Requests {requests} " in settings
    assert f" {requests} " in table
    for text in (words, settings, large.good("plan", "spend").stderr):
        assert plan["basis_text"] in " ".join(text.split())
    limit = "at least 1 s" if state == "unknown" else "about 1 s"
    assert all(limit in text for text in (words, settings, table))


def test_the_estimate_counts_the_requests_for_the_ad_accounts_when_these_are_due(large: Home) -> None:
    file = large.file(name="Spend", dates=DAYS)
    fresh = run(large, file).requests
    large.now += timedelta(hours=1)
    with open_site(large) as site:
        words = site.visit("admin").words("/datasets/spend/next")
    assert f"about {fresh + 2} requests" in words
    assert run(large, file).requests == fresh + 2


@pytest.mark.parametrize(
    ("requests", "level", "minutes", "text"),
    [(34, "basic", 0.06, "about 3 s"), (1200, "basic", 2.0, "about 2 min 0 s"), (1200, "premium", 0.67, "about 40 s")],
)
def test_the_time_is_that_of_the_requests_at_the_rate_limit(
    requests: int, level: str, minutes: float, text: str
) -> None:
    plan = plan_for(1)
    size = replace(size_of_run(plan, 1, "r", requests, {}, own_dates=True), dataset_name=plan.dataset.name)
    expected = estimate(plan, [size], (), 0, limits_for(level))
    assert (expected.requests, expected.minutes, expected.time_text) == (requests, minutes, text)


def plan_for(advertisers: int, **changes: Any) -> Plan:
    values = SPEND | changes
    asked = parse(Source(values, {}), NOW)
    return make_plan(asked, [Advertiser(str(n), "Shop", "USD", timedelta()) for n in range(advertisers)], NOW)


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@given(
    rows=st.lists(st.integers(0, 50_000), min_size=1, max_size=12),
    time=st.sampled_from(["day", "hour", "none"]),
    days=st.integers(1, 90),
    more=st.floats(1, 3),
)
def test_a_run_is_estimated_to_take_what_the_same_run_took(rows: list[int], time: str, days: int, more: float) -> None:
    plan = plan_for(len(rows), time_dimension=time, dates={"start": f"today-{days}", "end": "yesterday"})
    counts = {str(number): count for number, count in enumerate(rows)}
    spread = {name: (count, days) for name, count in counts.items()}
    took = round(predicted_requests(plan, spread) * more)
    size = size_of_run(plan, 1, "r", took, counts, own_dates=True)
    expected = estimate(plan, [size], (), 0, limits_for("basic"))
    assert (expected.requests, expected.most) == (took, took)


# -- progress


@dataclass
class Seen:
    """What a run showed of its progress."""

    all: list[Progress]

    @property
    def watch(self) -> Watch:
        return Watch(progress=self.all.append)

    @property
    def shares(self) -> list[float]:
        return [progress.share for progress in self.all]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is shown a thousand times a second."""
    monkeypatch.setattr("adreel.pipeline.run.TICK", 0.001)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("report", ["ads by day", "audience", "ad accounts"])
def test_the_progress_never_falls_and_is_complete_only_at_the_end(large: Home, report: str) -> None:
    file = large.file(**{"name": "Spend"} | REPORTS[report])
    for _ in range(2):
        seen = Seen([])
        done = run(large, file, watch=seen.watch)
        assert seen.shares == sorted(seen.shares)
        assert max(seen.shares[:-1]) <= 0.99
        assert seen.shares[-1] == 1.0
        phases = list(dict.fromkeys(progress.phase for progress in seen.all))
        assert phases[-1] is Phase.WRITING
        assert phases == [phase for phase in Phase if phase in phases]
        assert Phase.ROWS in phases
    # The second run knows from the first how much there is.
    reading = [progress for progress in seen.all if progress.phase is Phase.ROWS and progress.requests_planned]
    assert reading
    for progress in reading:
        assert progress.requests_planned == pytest.approx(done.requests, rel=TOLERANCE)
        assert progress.share == pytest.approx(0.97 * progress.pages / done.pages if done.pages else 0.97, abs=0.1)


@given(
    data=st.data(), pages=st.lists(st.integers(1, 9), min_size=1, max_size=40), expected=st.none() | st.integers(1, 400)
)
def test_the_share_of_pages_is_that_of_all_pages_once_each_first_page_is_read(
    data: st.DataObject, pages: list[int], expected: int | None
) -> None:
    plan = plan_for(len(pages))
    chunks = list(plan.chunks())
    reading = PageProgress(plan, expected)
    totals = {request.name: total for request, total in zip(plan.requests(), pages, strict=True)}
    for chunk in chunks:
        reading.start(chunk)
    assert (reading.share, reading.requests == 0) == (0, expected is None)
    first = data.draw(st.permutations(list(plan.requests())))
    done = 0
    for request in first:
        reading.page(request, 1, totals[request.name])
        done += 1
        assert 0 < reading.share <= 1
        assert reading.requests >= done
    assert reading.requests == sum(pages)
    for request in first:
        for number in range(2, totals[request.name] + 1):
            reading.page(request, number, totals[request.name])
            done += 1
        assert reading.share == pytest.approx(done / sum(pages))
    for chunk in chunks:
        reading.finish(chunk)
    assert (reading.share, reading.requests) == (1, sum(pages))


def test_requests_without_a_first_page_are_no_longer_expected_when_their_chunk_is_finished() -> None:
    plan = plan_for(4)
    first, skipped, split, earlier = plan.chunks()
    reading = PageProgress(plan, None)
    reading.skip(earlier, 3)
    for chunk in (first, skipped, split):
        reading.start(chunk)
    (request,), (whole,) = first.requests, split.requests
    reading.page(request, 1, 1)
    assert reading.share == pytest.approx(4 / 8)
    reading.finish(skipped)
    assert reading.share == pytest.approx(4 / 6)
    for half in ("a", "b"):
        reading.page(narrowed(whole, half, "ad_ids", ["1"]), 1, 1)
    reading.finish(split)
    assert (reading.share, reading.requests) == (1, 6)


def test_the_words_of_the_progress_name_the_phase_and_what_is_known() -> None:
    minute = timedelta(minutes=1)
    assert progress_words(Progress(), minute) == ("0 requests", "0 rows")
    reading = Progress(12, 0, 11, 8_123, 1, 3, 34, Phase.ROWS, 0.5)
    assert progress_words(reading, minute) == (
        "Reading rows",
        "12 of about 34 requests",
        "8,123 rows",
        "about 1 min 0 s left",
    )
    assert progress_words(replace(reading, refused=2), timedelta(seconds=4))[-1] == "2 rate-limited and retried"
    written = Progress(1, 0, 1, 1, 3, 3, 1, Phase.WRITING, 0.98)
    assert progress_words(written, minute)[:3] == ("Writing", "1 request", "1 row")
    assert progress_words(replace(written, share=1.0), minute) == ("1 request", "1 row")
