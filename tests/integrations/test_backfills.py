"""Backfills: earlier days in slices, beside everything else that a dataset does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adreel.access import Actor, Guard
from adreel.language import PSEUDO, speaking
from adreel.notify.observe import observe
from adreel.notify.sending import Message, Outcome
from adreel.notify.ticking import deliver
from adreel.notify.ticking import tick as notify
from adreel.pipeline.backfill_orders import BackfillOrders, progress
from adreel.pipeline.backfills import tick
from adreel.pipeline.process import work
from adreel.settings import Settings
from adreel.store import (
    IN_PROGRESS,
    Backfill,
    BackfillState,
    Role,
    Run,
    RunOutcome,
    RunState,
    SavedDataset,
    Store,
    Trigger,
    new_run_id,
)
from adreel.store.backfills import NewBackfill
from adreel.store.datasets import NewDataset
from adreel.store.file_locks import FileLocks
from adreel.store.notifications import IncidentKind, NewAddress
from adreel.worker.schedules import enqueue_due
from api_home import program
from desk import Desk
from home import Home, make_home
from shared import begin_store
from web_home import Site, open_site, words_of

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = ("2026-08-01", "2026-10-31")
FAILS, LASTS = 40777, 40002


class BackfillDesk(Desk):
    """A desk with a backfill."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.backfill_orders = BackfillOrders(self.orders)

    @property
    def backfill(self) -> Backfill:
        return self.store.backfills.list()[0]

    def dataset(self, **keys: Any) -> SavedDataset:
        return super().dataset(**{"update": {"method": "partition"}} | keys)

    def start(self, start: str = DAYS[0], end: str = DAYS[1]) -> Backfill:
        self.home.good("backfill", "spend", "--start", start, "--end", end)
        return self.backfill

    def tick(self) -> int:
        return tick(self.store, self.home.now)

    def work_next(self) -> Run:
        """Works on the next run of the queue."""
        (claimed,) = self.claim(limit=1)
        return self.work(claimed)

    def finish(self) -> list[Run]:
        """Works the backfill off; its runs."""
        runs = []
        while self.tick():
            if self.backfill.run_id is not None and self.backfill.state is BackfillState.ACTIVE:
                runs.append(self.work_next())
        return runs

    def trouble(self, code: int, times: int = 100) -> None:
        body = {"kind": "code", "path": "report/integrated", "code": code, "message": "No", "times": times}
        self.home.door("trouble", body)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BackfillDesk]:
    home = make_home(tmp_path / "home", today=NOW.date(), advertisers=2, ads=2)
    home.now = NOW
    home.add_account()
    desk = BackfillDesk(home)
    with desk.store:
        yield desk


def table(home: Home) -> list[dict[str, Any]]:
    ours = ("_run", "run_id", "synced", "_at")
    rows = home.rows("select * from spend order by stat_time_day, advertiser_id, ad_id")
    return [{key: value for key, value in row.items() if not any(word in key for word in ours)} for row in rows]


def test_runs_of_a_schedule_and_of_people_go_between_two_slices(desk: BackfillDesk) -> None:
    saved = desk.dataset(schedule={"every": "1 hours"})
    desk.start("2026-01-01")
    desk.tick()
    desk.home.now += HOUR
    enqueue_due(desk.store, desk.home.now)
    assert desk.work_next().trigger is Trigger.SCHEDULE
    assert desk.work_next().trigger is Trigger.BACKFILL
    desk.tick()
    desk.tick()
    desk.orders.enqueue(desk.operator, saved)
    assert desk.work_next().trigger is Trigger.PERSON
    assert desk.work_next().dates == desk.runs[2].dates
    assert [run.trigger for run in desk.runs].count(Trigger.BACKFILL) == 2


def test_a_paused_backfill_reads_no_further_slice_and_goes_on_where_it_stood(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start("2026-01-01")
    desk.tick()
    desk.work_next()
    desk.tick()
    desk.tick()
    assert "90 of 304 days" in desk.home.good("backfills", "list").stdout
    desk.home.good("backfills", "pause", "spend")
    assert desk.runs[-1].state is RunState.CANCELLED, "the slice that waited"
    assert desk.tick() == 0
    desk.home.bad("backfills", "pause", "spend")
    desk.home.good("backfills", "resume", "spend")
    days = [run.dates for run in desk.finish()]
    assert days[0] == ("2026-05-05", "2026-08-02")
    assert (desk.backfill.state, desk.backfill.reason) == (BackfillState.DONE, "")


def test_what_is_kept_of_a_pause_in_another_language_is_english(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    desk.tick()
    with speaking(PSEUDO):
        desk.backfill_orders.pause(Guard(desk.store, Actor(None)), desk.backfill)
    assert (desk.backfill.reason, desk.runs[-1].error) == ("Paused.", "Cancelled before it started.")


def test_a_slice_that_is_read_while_its_backfill_is_paused_counts(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    desk.tick()
    (claimed,) = desk.store.queue.claim("a", 1, desk.home.now)
    desk.store.runs.begin(claimed.id)
    desk.home.good("backfills", "pause", "spend")
    desk.store.runs.finish(claimed.id, RunOutcome(RunState.VERIFIED, version=0))
    assert desk.tick() == 1
    assert (desk.backfill.state, desk.backfill.days_done) == (BackfillState.PAUSED, 90)


def test_a_slice_that_fails_while_its_backfill_is_paused_by_a_person_needs_attention_too(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    desk.tick()
    (claimed,) = desk.store.queue.claim("a", 1, desk.home.now)
    desk.store.runs.begin(claimed.id)
    desk.home.good("backfills", "pause", "spend")
    assert (desk.tick(), desk.backfill.waits) == (0, False)
    desk.store.runs.finish(claimed.id, RunOutcome(RunState.FAILED, error="TikTok is away.", error_kind="StopError"))
    assert (desk.tick(), desk.tick()) == (1, 0)
    assert (desk.backfill.state, desk.backfill.waits) == (BackfillState.PAUSED, True)
    assert "TikTok is away." in desk.backfill.reason


def test_a_cancelled_backfill_leaves_the_days_that_it_read_and_nothing_in_the_queue(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start("2026-01-01")
    desk.tick()
    desk.work_next()
    desk.tick()
    desk.tick()
    rows = len(table(desk.home))
    desk.home.good("backfills", "cancel", "spend")
    assert (desk.backfill.state, desk.runs[-1].state) == (BackfillState.CANCELLED, RunState.CANCELLED)
    assert desk.tick() == 0
    assert desk.store.queue.claim("a", 5, desk.home.now) == ()
    assert len(table(desk.home)) == rows > 0
    desk.home.good("backfill", "spend", "--start", DAYS[0], "--end", DAYS[1])


@pytest.mark.parametrize("state", [RunState.VERIFIED, RunState.ADVERTISERS_SKIPPED, RunState.CHECK_FAILED])
def test_a_cancelled_backfill_counts_the_slice_that_was_committed_all_the_same(
    desk: BackfillDesk, state: RunState
) -> None:
    desk.dataset()
    desk.start("2026-01-01")
    desk.tick()
    (claimed,) = desk.store.queue.claim("a", 1, desk.home.now)
    desk.store.runs.begin(claimed.id)
    with FileLocks(desk.home.path).dataset("spend", run_id=claimed.id):
        printed = " ".join(desk.home.good("backfills", "cancel", "spend").stderr.split())
        assert "The slice in progress is being cancelled; if it ends first, its days stay too." in printed
    desk.store.runs.finish(claimed.id, RunOutcome(state, version=0))
    desk.tick()
    assert (desk.backfill.state, desk.backfill.days_done) == (BackfillState.CANCELLED, 90)
    assert desk.tick() == 0


def test_a_slice_that_fails_for_good_pauses_the_backfill_with_the_reason(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    desk.trouble(LASTS)
    run = desk.finish()[0]
    assert run.state is RunState.FAILED
    assert desk.backfill.state is BackfillState.PAUSED
    assert "The run of 2026-08-03 to 2026-10-31 failed" in desk.backfill.reason
    assert str(LASTS) in desk.backfill.reason
    assert "40002" in desk.home.good("backfills", "list").stderr
    observe(desk.store, desk.home.now)
    kinds = [incident.kind for incident in desk.store.incidents.list(is_open=True)]
    assert kinds == [IncidentKind.BACKFILL_PAUSED], "one incident, and not of the run besides"
    desk.home.door("calm", {})
    assert "nothing to accept" in desk.home.bad("backfills", "resume", "spend", "--accept")[1]
    desk.home.good("backfills", "resume", "spend")
    assert desk.finish()[0].dates == run.dates
    assert desk.backfill.days_done == 92


def test_a_slice_that_fails_for_a_passing_reason_is_tried_again_as_a_scheduled_run_is(
    desk: BackfillDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.dataset(schedule={"every": "day"}, retry={"times": 1, "wait": "15 minutes"})
    desk.start()
    desk.trouble(FAILS, times=1)
    desk.tick()
    run = desk.work_next()
    assert (run.state, run.attempt) == (RunState.QUEUED, 2)
    assert desk.tick() == 0
    desk.home.now += HOUR / 4
    with caplog.at_level("INFO", logger="adreel.pipeline.run"):
        assert desk.work_next().state is RunState.VERIFIED
    (ended,) = [record for record in caplog.records if record.message == "Run ended: Verified"]
    assert vars(ended)["duration_seconds"] == 900, "from the first start, as in the history"
    assert desk.tick() == 1
    assert desk.backfill.days_done == 90


class Wrong(httpx2.AsyncBaseTransport):
    """TikTok, whose total differs from its rows."""

    def __init__(self, home: Home) -> None:
        self.world = httpx2.ASGITransport(home.world)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self.world.handle_async_request(request)
        answer = json.loads(await response.aread())
        if "report/integrated" in request.url.path and "total_metrics" in answer["data"]:
            answer["data"]["total_metrics"]["spend"] = "12345678.9"
        return httpx2.Response(response.status_code, json=answer)


def test_a_slice_whose_check_failed_pauses_the_backfill_until_a_person_accepts_it_or_has_it_read_again(
    desk: BackfillDesk,
) -> None:
    desk.dataset()
    desk.start("2026-01-01")
    for answer in ("again", "accept"):
        desk.tick()
        (claimed,) = desk.store.queue.claim("a", 1, desk.home.now)
        clock = desk.orders.clock
        run = work(desk.settings, desk.store, claimed.id, clock=clock, transport=Wrong(desk.home))
        assert run.state is RunState.CHECK_FAILED
        desk.tick()
        assert desk.backfill.state is BackfillState.PAUSED
        assert "differ from TikTok's own figures" in desk.backfill.reason
        assert (desk.tick(), desk.backfill.days_done) == (0, 0)
        desk.home.good("backfills", "resume", "spend", *(["--accept"] if answer == "accept" else []))
    assert (desk.backfill.state, desk.backfill.days_done) == (BackfillState.ACTIVE, 90)


@pytest.fixture
def four(tmp_path: Path) -> Iterator[BackfillDesk]:
    """A desk with a backfill of a dataset one of whose four ad accounts TikTok refuses; its first slice was read."""
    home = make_home(tmp_path / "home", today=NOW.date(), advertisers=4, ads=2)
    home.now = NOW
    home.add_account()
    desk = BackfillDesk(home)
    with desk.store:
        desk.dataset(skip_failing_advertisers=True)
        desk.start("2026-01-01")
        desk.tick()
        assert desk.work_next().state is RunState.ADVERTISERS_SKIPPED
        desk.tick()
        yield desk


def test_a_slice_without_some_ad_accounts_pauses_the_backfill_until_that_is_accepted_for_all_slices(
    four: BackfillDesk,
) -> None:
    (skipped,) = four.runs[0].skipped
    words = four.backfill.reason
    assert f"The slice 2026-08-03 to 2026-10-31 was read without 1 ad account: {skipped} (run" in words
    assert "To resume without accepting reads these days again, and pauses again while it is skipped." in words
    with open_site(four.home) as site:
        answer = program(site).get("/backfills")["items"][0]
        page = site.visit("admin").words("/datasets/spend")
    assert (answer["days_done"], answer["days_to_accept"], answer["waits"]) == (0, 90, True)
    listed = four.home.good("backfills", "list")
    for text in (page, " ".join(listed.stdout.split())):
        assert "0 of 304 days · 90 more in the table, waiting for you to accept them" in text
    assert "To accept: adreel backfills resume spend --accept" in " ".join(listed.stderr.split())
    assert "Resume and read again Accept slice and resume Cancel backfill" in page
    assert "Run backfill again" not in page
    four.home.good("backfills", "resume", "spend", "--accept")
    assert four.backfill.accepted == {skipped}
    assert [run.state for run in four.finish()] == [RunState.ADVERTISERS_SKIPPED] * 3
    assert (four.backfill.state, four.backfill.days_done) == (BackfillState.DONE, 304)


def test_what_was_not_accepted_pauses_the_backfill_again(four: BackfillDesk) -> None:
    four.home.good("backfills", "resume", "spend")
    four.finish()
    assert (four.backfill.state, four.backfill.days_done) == (BackfillState.PAUSED, 0)
    four.home.good("backfills", "resume", "spend", "--accept")
    advertiser = min(row["advertiser_id"] for row in table(four.home))
    four.home.door("remove", {"advertiser_id": advertiser})
    four.finish()
    assert (four.backfill.state, four.backfill.days_done) == (BackfillState.PAUSED, 90)
    assert f"was read without 2 ad accounts: {', '.join(four.runs[-1].skipped)}" in four.backfill.reason


def test_a_backfill_that_paused_by_itself_needs_attention_everywhere_and_one_message(four: BackfillDesk) -> None:
    words, about = four.backfill.reason, "Backfill 2026-01-01 to 2026-10-31"
    url = "json://hook.example.org/all"
    four.store.addresses.add(NewAddress("Hook", url, "json://hook.example.org/…"))
    messages: list[Message] = []

    def send(_url: str, message: Message, _private: bool) -> Outcome:
        messages.append(message)
        return Outcome(True)

    def look() -> None:
        for _ in range(2):
            notify(four.store, four.settings, four.home.now)
            deliver(four.store, four.settings, four.home.now, send, wall=four.home.now)
            four.home.now += timedelta(minutes=1)

    def attention() -> tuple[int, str, str]:
        with open_site(four.home) as site:
            state = program(site).get("/status")
            assert state == {**four.home.json("status"), "at": state["at"]}
            page = site.visit("admin").words("/status").split("Running No runs")[0]
        return len(state["backfills"]), page, " ".join(four.home.good("status").output.split())

    number, page, printed = attention()
    assert number == 1
    assert f"{about}" in page
    assert "Backfill paused" in page
    assert words in page
    assert words[:60] in printed
    assert "1 backfill and 0 accounts to look at" in printed
    look()
    (message,) = messages
    assert message.title == "[adreel] Backfill paused: Spend"
    assert f"{about}, which waits for a person. {words}" in message.body
    assert "adreel backfills resume spend, or with --accept" in message.body
    four.home.good("backfills", "resume", "spend", "--accept")
    look()
    assert [message.title for message in messages][1:] == ["[adreel] Backfill no longer paused: Spend (after 2 min)"]
    four.home.good("backfills", "pause", "spend")
    look()
    assert len(messages) == 2
    number, page, printed = attention()
    assert (number, "Backfill paused" in page + printed) == (0, False)


def test_a_dataset_that_is_changed_meanwhile_pauses_its_backfill(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start("2026-01-01")
    desk.tick()
    desk.work_next()
    desk.home.good("run", "-f", desk.home.file(update={"method": "partition"}, description="Other words"))
    assert desk.tick() == 1
    assert desk.backfill.state is BackfillState.ACTIVE, "words change nothing of what is read"
    desk.home.good("run", "-f", desk.home.file(update={"method": "partition"}, metrics=["spend", "clicks"]))
    desk.tick()
    assert (desk.backfill.state, desk.backfill.days_done) == (BackfillState.PAUSED, 90)
    assert "was changed after the backfill began" in desk.backfill.reason
    desk.home.good("backfills", "resume", "spend")
    desk.finish()
    assert desk.backfill.days_done == 304


def test_a_slice_whose_process_is_killed_goes_on_and_no_second_one_begins(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    desk.tick()
    (claimed,) = desk.store.queue.claim("a", 1, desk.home.now)
    desk.store.runs.begin(claimed.id)
    assert desk.tick() == 0
    desk.store.queue.died(claimed.id, "a", "signal 9")
    assert desk.tick() == 0
    desk.home.now += HOUR
    assert desk.work_next().id == claimed.id
    assert desk.tick() == 1
    assert [run.id for run in desk.runs] == [claimed.id]


def test_a_backfill_goes_with_its_dataset(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    desk.tick()
    desk.home.good("datasets", "delete", "spend", "--yes")
    assert desk.tick() == 0
    assert desk.store.backfills.list() == ()
    assert desk.store.queue.cancel_deleted() == 1


@pytest.mark.parametrize(
    ("keys", "days", "words"),
    [
        ({"update": {"method": "replace"}}, DAYS, "to partition"),
        ({"time_dimension": "none", "update": {"method": "upsert"}}, DAYS, "have no day"),
        ({}, ("2026-10-01", "today"), "is not over in every ad account"),
        ({}, ("2026-10-31", "2026-10-01"), "is after the end"),
        ({}, ("2015-01-01", "2015-02-01"), "the first day available is 2016-09-01"),
        ({}, ("2016-10-01", "2026-10-01"), "too many"),
        ({}, ("soon", "2026-10-01"), "'soon' is not a valid date"),
        ({"update": {"method": "partition", "keep_days": 60}}, DAYS, "The table keeps 60 days"),
        ({"update": {"method": "append"}, "dates": {"start": "today-30", "end": "yesterday"}}, DAYS, "own runs read"),
    ],
)
def test_a_backfill_that_would_lose_or_double_rows_or_has_no_such_days_is_refused(
    desk: BackfillDesk, keys: dict[str, Any], days: tuple[str, str], words: str
) -> None:
    desk.dataset(**keys)
    assert words in desk.home.bad("backfill", "spend", "--start", days[0], "--end", days[1])[1]
    assert desk.store.backfills.list() == ()


def test_an_appending_dataset_gets_days_once_and_is_refused_them_again(desk: BackfillDesk) -> None:
    desk.dataset(update={"method": "append"})
    desk.start()
    desk.finish()
    assert desk.backfill.state is BackfillState.DONE
    rows = table(desk.home)
    assert len({tuple(map(str, row.values())) for row in rows}) == len(rows) > 0
    _, words = desk.home.bad("backfill", "spend", "--start", DAYS[1], "--end", "2026-11-02")
    assert "in the table twice" in words


def test_a_dataset_has_one_backfill_at_a_time(desk: BackfillDesk) -> None:
    desk.dataset()
    desk.start()
    _, words = desk.home.bad("backfill", "spend", "--start", "2026-01-01", "--end", "2026-02-01")
    assert "2026-08-01 to 2026-10-31" in words
    assert "adreel backfills cancel spend" in words


def test_the_progress_counts_days_and_tells_what_is_left(desk: BackfillDesk) -> None:
    desk.dataset()
    begun = progress(desk.store, desk.start("2026-01-01"))
    assert (begun.days, begun.days_done, begun.share) == (304, 0, 0.0)
    desk.tick()
    run = desk.work_next()
    desk.tick()
    later = progress(desk.store, desk.backfill)
    assert later.requests_left == round((304 - 90) / 90 * run.requests)
    assert later.words.startswith(f"90 of 304 days · about {later.requests_left} requests left, ")
    (listed,) = desk.home.json("backfills", "list")
    assert (listed["days_done"], listed["requests_left"], listed["state"]) == (90, later.requests_left, "active")


# -- over the API and on the page


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    home = make_home(tmp_path / "home", today=NOW.date(), advertisers=2, ads=2)
    home.now = NOW
    home.add_account()
    home.good("datasets", "create", "-f", home.file(update={"method": "partition"}))
    with open_site(home) as opened_site:
        yield opened_site


def test_a_backfill_is_started_followed_and_ended_over_the_api(site: Site) -> None:
    asking = program(site)
    days = {"start": "2026-01-01", "end": "today-22"}
    answer = asking.ask("POST", "/datasets/spend/backfills", json=days)
    begun = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/v1/backfills/{begun['id']}")
    assert (begun["start"], begun["end"], begun["days"], begun["state"]) == ("2026-01-01", "2026-10-31", 304, "active")
    assert (begun["triggered_by"], begun["days_done"], begun["next_day"]) == ("admin", 0, "2026-10-31")
    assert asking.bad("POST", "/datasets/spend/backfills", 409, json=days)["kind"] == "BusyError"
    tick(site.store, site.home.now)
    site.work()
    tick(site.store, site.home.now)
    path = f"/backfills/{begun['id']}"
    assert asking.get(path)["days_done"] == 90
    assert asking.good("POST", f"{path}/pause", 200)["state"] == "paused"
    asking.bad("POST", f"{path}/resume", 422, json={"accept": True})
    assert asking.good("POST", f"{path}/resume", 200)["state"] == "active"
    assert asking.good("POST", f"{path}/cancel", 200)["state"] == "cancelled"
    asking.bad("POST", f"{path}/cancel", 422)
    assert [item["id"] for item in asking.get("/backfills")["items"]] == [begun["id"]]
    asking.bad("POST", "/datasets/spend/backfills", 422, json={"start": "2026-11-01", "end": "today"})


def test_a_backfill_is_as_visible_as_its_dataset(site: Site) -> None:
    backfill = program(site).good(
        "POST", "/datasets/spend/backfills", 201, json={"start": "2026-08-01", "end": "2026-08-02"}
    )
    stranger = program(site, site.user("eddy", Role.EDITOR))
    assert stranger.get("/backfills")["total"] == 0
    for path in ("pause", "resume", "cancel"):
        stranger.bad("POST", f"/backfills/{backfill['id']}/{path}", 404)
    stranger.bad("POST", "/datasets/spend/backfills", 404, json={"start": "2026-08-01", "end": "2026-08-02"})


def test_the_page_of_a_dataset_starts_a_backfill_and_shows_how_far_it_is(site: Site) -> None:
    visit, base = site.visit("admin"), "/datasets/spend"
    refused = visit.post(f"{base}/backfills", {"start": "2026-10-01", "end": "today"})
    assert refused.status_code == 422
    assert "is not over in every ad account" in words_of(refused.text)
    assert visit.sent(f"{base}/backfills", {"start": "2026-01-01", "end": "2026-10-31"}) == base
    tick(site.store, site.home.now)
    site.work()
    tick(site.store, site.home.now)
    words = visit.words(base)
    assert "Backfill 2026-01-01 to 2026-10-31 In progress · 90 of 304 days" in words
    assert "Pause backfill Cancel backfill" in words
    visit.sent(f"{base}/backfills/pause")
    assert "Paused by admin." in visit.words(base)
    visit.sent(f"{base}/backfills/resume")
    visit.sent(f"{base}/backfills/cancel")
    assert "Cancelled · 90 of 304 days" in visit.words(base)
    site.home.later(2)
    assert "Cancelled · 90" not in visit.words(base)


def test_a_slice_hides_neither_a_failed_run_nor_that_the_dataset_is_stale(desk: BackfillDesk) -> None:
    saved = desk.dataset(schedule={"every": "6 hours"}, retry=False)
    desk.home.good("run", "spend")
    desk.home.now += timedelta(days=1)
    desk.enqueue_due()
    desk.trouble(FAILS)
    failed = desk.work_next()
    assert failed.state is RunState.FAILED
    desk.home.door("calm", {})
    desk.start(*DAYS)
    assert [run.state for run in desk.finish()] == [RunState.VERIFIED] * 2

    def status() -> str:
        (row,) = desk.home.json("datasets", "list")
        assert row["rows"] == desk.home.rows("select count(*) as n from spend")[0]["n"]
        return str(row["status"])

    assert status() == "failed"
    with open_site(desk.home) as site:
        asking = program(site)
        assert asking.get("/datasets/spend")["last_run"]["run_id"] == failed.id
        assert [entry["dataset"] for entry in asking.get("/status")["failing"]] == ["spend"]
        assert "TikTok code 40777" in site.visit("admin").words("/datasets/spend")
    assert desk.store.activity.last_runs()[RunState.FAILED] == 1
    assert desk.store.runs.ended({RunState.FAILED}) == {saved.id}
    desk.home.good("run", "spend")
    assert status() == "verified"
    desk.home.good("schedules", "pause", "spend")
    desk.home.now += timedelta(days=8)
    desk.start("2026-07-01", "2026-07-02")
    desk.finish()
    assert status() == "stale"


def test_a_backfill_makes_the_latest_days_no_newer_than_their_own_run(desk: BackfillDesk) -> None:
    desk.dataset(dates={"start": "today-6", "end": "today"}, stale_after="2 days")
    desk.home.good("run", "spend")
    read_at = desk.runs[0].read_at
    desk.home.now += timedelta(days=1)
    desk.start("2026-10-01", "2026-10-31")
    assert desk.finish()[0].state is RunState.VERIFIED
    with open_site(desk.home) as site:
        asking, visit = program(site), site.visit("admin")
        assert datetime.fromisoformat(asking.get("/datasets/spend")["read_at"]) == read_at
        assert datetime.fromisoformat(asking.get("/datasets")["items"][0]["read_at"]) == read_at
        assert "Rows as of 1 day ago" in visit.words("/datasets/spend")
        facts = asking.get("/datasets/spend/cards/spend")["facts"]
        assert facts["open_days"] == ["2026-11-22"], "it was in progress when it was read"
    desk.home.now += timedelta(days=1, hours=1)
    observe(desk.store, desk.home.now)
    assert [incident.kind for incident in desk.store.incidents.list(is_open=True)] == [IncidentKind.STALE]


# -- whatever happens


class Steps:
    """A home without TikTok whose backfill is worked on in any order, also by those who look at old rows."""

    def __init__(self, folder: Path, days: int, slice_days: int) -> None:
        self.now = NOW
        begin_store(folder)
        self.store = Store.open(Settings.load({"ADREEL_HOME": str(folder)}), clock=lambda: self.now)
        account = self.store.accounts.add("demo", app_id="1", token="t", base_url="http://tiktok.test")
        (saved,) = self.store.datasets.create_all([NewDataset("Spend", account, "{}")])
        first = date(2026, 1, 1)
        self.days = [first + timedelta(days=number) for number in range(days)]
        new = NewBackfill(first, self.days[-1], slice_days, 1.0, 1.0)
        self.old = self.store.backfills.add(saved, new, triggered_by="")

    @property
    def backfill(self) -> Backfill:
        return self.store.backfills.get(self.old.id)

    def step(self, what: str) -> None:
        backfills, runs = self.store.backfills, self.store.runs
        self.now += timedelta(seconds=5)
        if what == "look":
            self.old = self.backfill
        elif what == "old":
            backfills.enqueue(self.old, new_run_id())
            for run in runs.list(limit=1):
                if run.state is RunState.VERIFIED:
                    backfills.advance(self.old, run)
        elif what == "tick":
            tick(self.store, self.now)
        elif what == "pause":
            backfills.pause(self.backfill, "Paused.")
        elif what == "resume" and self.backfill.state is BackfillState.PAUSED:
            run_id = self.backfill.run_id
            keeps = run_id is not None and runs.get(run_id).state in {*IN_PROGRESS, RunState.VERIFIED}
            backfills.resume(self.backfill, keeps_run=keeps)
        else:
            for run in self.store.queue.claim("a", 1, self.now):
                runs.begin(run.id)
                if what == "die":
                    self.store.queue.died(run.id, "a", "signal 9")
                else:
                    state = RunState.VERIFIED if what == "read" else RunState.FAILED
                    runs.finish(run.id, RunOutcome(state, version=0 if what == "read" else None))

    def read(self) -> list[date]:
        """The days that slices read, as often as they did."""
        spans = [run.dates for run in self.store.runs.list(limit=1_000) if run.state is RunState.VERIFIED]
        return [day for day in self.days for span in spans if span and span[0] <= day.isoformat() <= span[1]]
