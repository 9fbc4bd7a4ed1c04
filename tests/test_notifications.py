"""Incidents, who hears of them, and messages that arrive at a local mail server and a local webhook."""

from __future__ import annotations

import json
import re
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from adreel.access import Actor, Guard
from adreel.clock import wall_clock
from adreel.datasets.status import Status, standing
from adreel.errors import ForbiddenError, InputError, NotFoundError
from adreel.notify.mail import MailServer, Security, mail_url, read_recipients
from adreel.notify.schemes import read_url, redacted, shown, webhook_url
from adreel.notify.sending import Message, Outcome, sender
from adreel.notify.subscriptions import NewSubscription, Subscriptions
from adreel.notify.ticking import deliver, tick
from adreel.scheduling import Recurrence, Unit
from adreel.settings import Settings
from adreel.store import AccountStatus, Level, Role, RunOutcome, RunState, SavedDataset, Store, User, new_run_id
from adreel.store.datasets import NewDataset, Timing
from adreel.store.destinations import NewDestination, PublishedVersion
from adreel.store.notifications import STARTING_KINDS, Address, IncidentKind, NewAddress, StaleDataset, Threshold
from adreel.worker import Worker
from api_home import program as program_of
from home import URL, Home, environment_of, make_home
from people import Clock, add_account, add_dataset, add_user, open_people
from web_home import Site, words_of

TOKEN = "T0psecretTokenOfAWebhook"


@dataclass
class Office:
    """A store with a clock, and what would have been sent: the address's URL and the message."""

    home: Path
    clock: Clock
    store: Store
    sent: list[tuple[str, Message]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    @property
    def settings(self) -> Settings:
        return Settings.load({"ADREEL_HOME": str(self.home), "ADREEL_WEB_URL": "https://adreel.example.org"})

    def send(self, url: str, message: Message, _private: bool) -> Outcome:
        if url in self.broken:
            return Outcome(False, "Connection refused")
        self.sent.append((url, message))
        return Outcome(True)

    def look(self, **later: float) -> None:
        """The worker's look, after this time."""
        self.clock.later(**later)
        tick(self.store, self.settings, self.clock())
        deliver(self.store, self.settings, self.clock(), self.send, wall=self.clock())

    def wait(self, minutes: int = 3) -> None:
        for _ in range(minutes * 2):
            self.look(seconds=31)

    def subscribe(self, url: str = "json://hook.example.org/all", **values: Any) -> Address:
        return self.store.addresses.add(NewAddress("Hook", url, shown(url), **values))

    def run(self, saved: SavedDataset, state: RunState, error: str = "", **outcome: Any) -> None:
        dates = outcome.pop("dates", None)
        run = self.store.runs.add(saved, new_run_id(), dates)
        self.store.runs.begin(run.id)
        kind = "RetryError" if error else ""
        self.store.runs.finish(run.id, RunOutcome(state, error=error, error_kind=kind, **outcome))

    def fail(self, saved: SavedDataset, error: str = "TikTok did not answer.") -> None:
        self.run(saved, RunState.FAILED, error)

    def succeed(self, saved: SavedDataset) -> None:
        self.run(saved, RunState.VERIFIED, version=0)

    @property
    def titles(self) -> list[str]:
        return [message.title for _, message in self.sent]


@contextmanager
def office_in(home: Path) -> Iterator[Office]:
    clock = Clock()
    with open_people(home, clock) as store:
        yield Office(home, clock, store)


@pytest.fixture
def office(store_folder: Path) -> Iterator[Office]:
    with office_in(store_folder) as office:
        yield office


@pytest.fixture
def file_office(tmp_path: Path) -> Iterator[Office]:
    """For what says nothing of the kind of database, or looks into its file."""
    with office_in(tmp_path / "home") as office:
        yield office


@pytest.fixture
def spend(office: Office) -> SavedDataset:
    return add_dataset(office.store, add_account(office.store))


# -- incidents


def test_a_dataset_that_fails_and_recovers_sends_one_message_for_each(office: Office, spend: SavedDataset) -> None:
    office.subscribe()
    for _ in range(3):
        office.fail(spend)
        office.wait()
    assert office.titles == ["[adreel] Run failed: Spend"]
    office.clock.later(hours=2)
    office.succeed(spend)
    office.wait()
    office.succeed(spend)
    office.wait()
    assert office.titles[1:] == ["[adreel] Runs succeed again: Spend (after 2 h 9 min)"]
    body = office.sent[0][1].body
    assert "TikTok did not answer." in body
    assert "Dataset: Spend (account shop)" in body
    assert "adreel run spend" in body
    assert "https://adreel.example.org/datasets/spend/history" in body


def test_a_failure_is_told_within_a_minute(office: Office, spend: SavedDataset) -> None:
    office.subscribe()
    office.fail(spend)
    office.look(seconds=5)
    assert office.titles == []
    office.look(seconds=31)
    assert len(office.titles) == 1


@pytest.mark.slow
def test_fifty_failures_at_once_are_one_message_and_so_is_their_end(file_office: Office) -> None:
    office = file_office
    office.subscribe()
    account = add_account(office.store)
    datasets = [add_dataset(office.store, account, f"Report {number:02}") for number in range(50)]
    for saved in datasets:
        office.fail(saved)
        office.clock.later(milliseconds=200)
    office.wait()
    assert office.titles == ["[adreel] 50 runs failed"]
    assert "Run failed (50), account shop" in office.sent[0][1].body
    for number, saved in enumerate(datasets):
        office.succeed(saved)
        if not number % 5:
            office.look(seconds=100)
    office.wait(5)
    assert len(office.titles) == 2
    assert office.titles[1].startswith("[adreel] Resolved: 50 runs failed")


@pytest.mark.slow
def test_failures_that_go_on_for_minutes_are_a_few_messages(file_office: Office) -> None:
    office = file_office
    office.subscribe()
    account = add_account(office.store)
    for number in range(50):
        office.fail(add_dataset(office.store, account, f"Report {number:02}"))
        office.look(seconds=12)
    office.wait(5)
    assert len(office.titles) <= 6
    assert sum(body.body.count("- Report") + (body.title.count("Run failed: Report")) for _, body in office.sent) == 50


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (RunState.FAILED, IncidentKind.FAILED),
        (RunState.CHECK_FAILED, IncidentKind.CHECK_FAILED),
        (RunState.VERIFIED_WITH_WARNINGS, IncidentKind.WARNINGS),
        (RunState.ADVERTISERS_SKIPPED, IncidentKind.WARNINGS),
    ],
)
def test_each_state_of_a_run_opens_an_incident_that_a_verified_run_closes(
    office: Office, spend: SavedDataset, state: RunState, kind: IncidentKind
) -> None:
    office.run(spend, state, version=None if state is RunState.FAILED else 0)
    office.look(seconds=1)
    (incident,) = office.store.incidents.list(is_open=True)
    assert incident.kind is kind
    office.succeed(spend)
    office.look(seconds=1)
    assert office.store.incidents.list(is_open=True) == ()


UNREAD = "Not included: ad account Shop (7) spent 9.00 USD in GMV Max. If on purpose, set excludes_gmv_max: true."


@pytest.mark.parametrize(
    ("more", "kinds"), [((), {IncidentKind.GMV_MAX}), (("Look.",), {IncidentKind.GMV_MAX, IncidentKind.WARNINGS})]
)
def test_gmv_max_cost_that_no_dataset_reads_is_an_incident_of_its_own_that_addresses_of_warnings_hear(
    office: Office, spend: SavedDataset, more: tuple[str, ...], kinds: set[IncidentKind]
) -> None:
    office.subscribe(kinds=(IncidentKind.WARNINGS,))
    office.subscribe("json://hook.example.org/gmv", kinds=(IncidentKind.GMV_MAX,))
    costs = {"gmv_max": {"checked_at": "2026-11-22T12:00:00+00:00", "costs": [{"advertiser_id": "7"}]}}
    office.run(spend, RunState.VERIFIED_WITH_WARNINGS, version=0, warnings=(*more, UNREAD), verification=costs)
    office.look(seconds=1)
    assert {incident.kind for incident in office.store.incidents.list(is_open=True)} == kinds
    office.wait()
    heard = dict(office.sent)
    assert len(heard) == 2
    assert all("spent 9.00 USD in GMV Max" in message.body for message in heard.values())
    assert "--template all_spend" in heard["json://hook.example.org/gmv"].body
    office.succeed(spend)
    office.look(seconds=1)
    assert office.store.incidents.list(is_open=True) == ()


def test_a_cancelled_run_and_a_backfill_say_nothing_of_the_datasets_own_days(
    office: Office, spend: SavedDataset
) -> None:
    office.fail(spend)
    office.run(spend, RunState.CANCELLED)
    office.run(spend, RunState.VERIFIED, version=0, dates=("2026-01-01", "2026-01-02"))
    office.look(seconds=1)
    assert [incident.kind for incident in office.store.incidents.list(is_open=True)] == [IncidentKind.FAILED]


@pytest.mark.slow
def test_a_run_that_waits_for_its_next_attempt_has_not_failed_yet(office: Office, spend: SavedDataset) -> None:
    office.subscribe()
    run = office.store.runs.add(spend, new_run_id())
    failed = RunOutcome(RunState.FAILED, error="TikTok did not answer.", error_kind="RetryError")
    for _ in range(2):
        office.store.runs.begin(run.id)
        waiting = office.store.runs.finish(run.id, failed, retry_at=office.clock() + timedelta(minutes=10))
        assert (waiting.state, waiting.error) == (RunState.QUEUED, "TikTok did not answer.")
        office.wait(10)
    assert (office.titles, office.store.incidents.list()) == ([], ())
    office.store.runs.begin(run.id)
    office.store.runs.finish(run.id, failed)
    office.wait()
    assert office.titles == ["[adreel] Run failed: Spend"]
    office.store.runs.requeue(run.id)
    office.store.runs.begin(run.id)
    office.store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=0))
    office.wait()
    assert office.titles[1:] == ["[adreel] Runs succeed again: Spend (after 3 min)"]


def test_an_interrupted_run_counts_as_failed_if_nobody_takes_it_over(office: Office, spend: SavedDataset) -> None:
    run = office.store.runs.add(spend, new_run_id())
    office.store.runs.begin(run.id)
    office.store.runs.interrupt(spend)
    office.look(minutes=14)
    assert office.store.incidents.list() == ()
    office.look(minutes=2)
    assert len(office.store.incidents.list(is_open=True)) == 1


def test_an_account_that_needs_reconnecting_is_an_incident_until_it_is_valid(
    office: Office, spend: SavedDataset
) -> None:
    office.subscribe()
    account = office.store.accounts.get("shop")
    revoked = office.store.accounts.set_status(account, AccountStatus.REVOKED)
    office.wait()
    office.store.accounts.set_token(revoked, "act.new")
    office.wait()
    assert office.titles == [
        "[adreel] Reconnect account: account shop",
        "[adreel] Reconnected: account shop (after 3 min)",
    ]


def add_manual(office: Office, stale_after: timedelta) -> SavedDataset:
    manual = NewDataset(
        "Manual", add_account(office.store), '{"report": "performance"}', timing=Timing(stale_after=stale_after)
    )
    return office.store.datasets.create_all([manual])[0]


def status_of(office: Office, saved: SavedDataset) -> Status:
    return standing(office.store, Guard(office.store, Actor(None)), saved, office.clock()).status


def test_a_dataset_with_stale_after_is_stale_until_it_is_updated(office: Office) -> None:
    office.subscribe()
    manual = add_manual(office, timedelta(days=2))
    office.succeed(manual)
    office.wait()
    office.look(days=1)
    assert (office.titles, status_of(office, manual)) == ([], Status.VERIFIED)
    office.look(days=1)
    office.wait()
    assert (office.titles, status_of(office, manual)) == (["[adreel] Not updated: Manual"], Status.STALE)
    assert "not updated for 2 days" in office.sent[0][1].body
    office.succeed(manual)
    office.wait()
    assert status_of(office, manual) is Status.VERIFIED
    assert office.titles[1].startswith("[adreel] Updated again: Manual")


def test_a_dataset_that_is_no_longer_watched_is_not_stale(office: Office) -> None:
    manual = add_manual(office, timedelta(hours=1))
    office.look(hours=2)
    office.look(seconds=1)
    assert len(office.store.incidents.list(is_open=True)) == 1
    office.store.datasets.update(manual, timing=Timing())
    office.look(seconds=1)
    assert office.store.incidents.list(is_open=True) == ()


def test_publishing_that_fails_for_an_hour_sends_one_message_and_one_when_it_is_over(office: Office) -> None:
    office.subscribe()
    there = office.store.destinations.add(
        NewDestination("warehouse", "duckdb", "duckdb:///w.duckdb", "duckdb:///w.duckdb", "tiktok")
    )
    spec = '{"report": "performance", "publish": "warehouse"}'
    (saved,) = office.store.datasets.create_all([NewDataset("Spend", add_account(office.store), spec)])
    attempts = 0

    def fail(minutes: int) -> None:
        nonlocal attempts
        attempts, now = attempts + 1, office.clock()
        office.store.publications.failed(
            saved, there, "spend", "a", "The file is away.", attempts=attempts, at=now, next_at=now + timedelta(hours=1)
        )
        office.look(minutes=minutes)
        office.wait()

    fail(30)
    fail(20)
    assert office.titles == []
    fail(30)
    fail(60)
    assert office.titles == ["[adreel] Publishing failed: Spend"]
    body = office.sent[0][1].body
    assert "Destination warehouse: The file is away." in body
    assert "adreel publish spend" in body
    assert "https://adreel.example.org/datasets/spend/destinations" in body
    # A worker whose clock is behind does not end it.
    tick(office.store, office.settings, office.clock() - timedelta(hours=3))
    assert len(office.store.incidents.list()) == len(office.store.incidents.list(is_open=True)) == 1
    version = PublishedVersion("spend", 0, "a", "full", 5, 5, 0, 0.1)
    office.store.publications.done(saved, there, version, office.clock())
    office.wait()
    assert len(office.titles) == 2
    assert office.titles[1].startswith("[adreel] Published again: Spend (after 2 h")


def test_a_worker_whose_clock_is_behind_ends_no_stale_warning(office: Office) -> None:
    add_manual(office, timedelta(hours=1))
    office.look(hours=1, seconds=1)
    tick(office.store, office.settings, office.clock() - timedelta(seconds=3))
    assert len(office.store.incidents.list()) == len(office.store.incidents.list(is_open=True)) == 1


def test_a_dataset_that_was_updated_since_it_was_judged_is_not_stale(office: Office) -> None:
    manual = add_manual(office, timedelta(hours=1))
    judged = StaleDataset(manual.id, manual.created_at + timedelta(hours=1), 3600, "")
    office.clock.later(hours=2)
    office.succeed(manual)
    office.store.incidents.change_stale([judged], (), office.clock())
    assert office.store.incidents.list() == ()


# -- exactly once


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([RunState.FAILED, RunState.CHECK_FAILED, RunState.VERIFIED, RunState.VERIFIED_WITH_WARNINGS]),
        st.integers(0, 900),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)


def expected(states: list[RunState]) -> dict[IncidentKind, int]:
    """How often each kind opens and closes over the runs of one dataset, said another way than the code does."""
    failed = [state is RunState.FAILED for state in states]
    checked = [state for state in states if state is not RunState.FAILED]
    check_failed = [state is RunState.CHECK_FAILED for state in checked]
    warned = [state is RunState.VERIFIED_WITH_WARNINGS for state in checked if state is not RunState.CHECK_FAILED]

    def changes(flags: list[bool]) -> int:
        return sum(flag != before for before, flag in zip([False, *flags], flags, strict=False))

    return {
        IncidentKind.FAILED: changes(failed),
        IncidentKind.CHECK_FAILED: changes(check_failed),
        IncidentKind.WARNINGS: changes(warned),
    }


@pytest.mark.slow
@hypothesis_settings(max_examples=12, deadline=None)
@given(steps=STEPS)
def test_each_incident_is_told_once_when_it_opens_and_once_when_it_is_over(
    steps: list[tuple[int, RunState, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, office_in(Path(folder)) as office:
        account = add_account(office.store)
        datasets = [add_dataset(office.store, account, f"Report {number}") for number in range(3)]
        messages: list[tuple[str, str]] = []
        office.subscribe()
        states: dict[int, list[RunState]] = {0: [], 1: [], 2: []}
        for number, state, seconds, is_down in steps:
            states[number].append(state)
            office.broken = {"json://hook.example.org/all"} if is_down else set()
            office.run(datasets[number], state, version=None if state is RunState.FAILED else 0)
            office.look(seconds=seconds)
        office.broken = set()
        for _ in range(12):
            office.look(minutes=35)
        for _, message in office.sent:
            messages += [
                (name, kind.over if message.over else kind.label)
                for kind in IncidentKind
                for name in (f"Report {number}" for number in range(3))
                for _ in range(mentions(message, kind, name))
            ]
        counts = Counter(messages)
        for number, sequence in states.items():
            for kind, changes in expected(sequence).items():
                name = f"Report {number}"
                assert counts[name, kind.label] == (changes + 1) // 2
                assert counts[name, kind.over] == changes // 2


def mentions(message: Message, kind: IncidentKind, name: str) -> int:
    """How often a message says this of the dataset."""
    label = kind.over if message.over else kind.label
    if message.body.startswith(f"{label}: {name}"):
        return 1
    blocks = [block for block in message.body.split("\n\n") if block.startswith(f"{label} (")]
    return sum(line.startswith(f"- {name}") for block in blocks for line in block.splitlines())


# -- deliveries


def test_an_address_that_fails_is_retried_named_and_holds_up_no_other(office: Office, spend: SavedDataset) -> None:
    bad = office.subscribe("json://down.example.org/")
    office.subscribe("json://up.example.org/")
    office.broken = {"json://down.example.org/"}
    office.fail(spend)
    office.wait()
    assert [url for url, _ in office.sent] == ["json://up.example.org/"]
    failing = office.store.addresses.get(bad.id)
    assert (failing.failure, failing.failing_since is not None) == ("Connection refused", True)
    office.broken = set()
    office.wait(20)
    assert [url for url, _ in office.sent] == ["json://up.example.org/", "json://down.example.org/"]
    assert office.store.addresses.get(bad.id).failing_since is None


@pytest.mark.slow
def test_a_message_is_given_up_after_a_day(office: Office, spend: SavedDataset) -> None:
    office.subscribe("json://down.example.org/")
    office.broken = {"json://down.example.org/"}
    office.fail(spend)
    for _ in range(40):
        office.look(hours=1)
    office.broken = set()
    office.look(hours=2)
    assert office.sent == []


def test_two_workers_send_a_message_once(office: Office, spend: SavedDataset) -> None:
    office.subscribe()
    office.fail(spend)
    office.clock.later(seconds=40)
    tick(office.store, office.settings, office.clock())
    office.clock.later(seconds=40)
    tick(office.store, office.settings, office.clock())
    both = threading.Barrier(2)

    def work() -> None:
        with open_people(office.home, office.clock) as store:
            both.wait()
            deliver(store, office.settings, office.clock(), office.send)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(office.sent) == 1


def test_a_jump_of_the_homes_clock_while_a_message_is_sent_sends_no_second_one(
    office: Office, spend: SavedDataset
) -> None:
    office.subscribe()
    office.fail(spend)
    for _ in range(2):
        office.clock.later(seconds=40)
        tick(office.store, office.settings, office.clock())
    wall, sent = office.clock(), []

    def send(url: str, message: Message, is_workspace: bool) -> Outcome:
        sent.append(url)
        if len(sent) == 1:
            office.clock.later(days=1)
            with open_people(office.home, office.clock) as store:
                assert deliver(store, office.settings, office.clock(), send, wall=wall + timedelta(seconds=1)) == 0
        return Outcome(True)

    assert deliver(office.store, office.settings, office.clock(), send, wall=wall) == 1
    assert len(sent) == 1


def test_a_message_whose_sender_died_is_sent_by_another(office: Office, spend: SavedDataset) -> None:
    office.subscribe()
    office.fail(spend)
    for _ in range(2):
        office.clock.later(seconds=40)
        tick(office.store, office.settings, office.clock())
    assert len(office.store.deliveries.claim(office.clock(), 5, wall=office.clock())) == 1
    office.look(minutes=4)
    assert office.sent == []
    office.look(minutes=2)
    assert len(office.sent) == 1


# -- who hears


def urls(office: Office) -> set[str]:
    return {url for url, _ in office.sent}


def person(office: Office, name: str, role: Role = Role.EDITOR, **values: Any) -> User:
    user = add_user(office.store, name, role)
    office.subscribe(f"json://{name}.example.org/", user=user, **values)
    return user


def test_a_person_hears_only_of_what_they_may_see(office: Office) -> None:
    owner = person(office, "owner")
    reader = person(office, "reader", Role.VIEWER, owned_only=False)
    person(office, "stranger", owned_only=False)
    person(office, "away", owned_only=False)
    account = add_account(office.store, user=owner)
    for name in ("reader", "away"):
        office.store.shares.set(account, office.store.users.get(name), Level.READ)
    office.store.users.disable(office.store.users.get("away"))
    saved = add_dataset(office.store, account, owner=owner)
    office.fail(saved)
    office.wait()
    assert urls(office) == {"json://owner.example.org/", "json://reader.example.org/"}
    office.store.shares.set(account, reader, Level.NONE)
    office.sent.clear()
    office.succeed(saved)
    office.wait()
    assert urls(office) == {"json://owner.example.org/"}


def test_the_address_of_a_dataset_hears_nothing_after_its_editor_lost_access(office: Office) -> None:
    owner, editor = add_user(office.store, "owner"), add_user(office.store, "editor")
    account = add_account(office.store, user=owner)
    office.store.shares.set(account, editor, Level.EDIT)
    saved = add_dataset(office.store, account, owner=owner)
    office.subscribe("json://team.example.org/", dataset=saved, added_by=editor)
    office.store.shares.set(account, editor, Level.NONE)
    office.fail(saved)
    office.wait()
    assert office.sent == []


def test_an_address_hears_only_of_its_kinds(office: Office, spend: SavedDataset) -> None:
    office.subscribe(kinds=(IncidentKind.CHECK_FAILED,))
    office.fail(spend)
    office.run(spend, RunState.CHECK_FAILED, version=0)
    office.wait()
    assert office.titles == ["[adreel] Check failed: Spend"]


# -- addresses


def test_addresses_are_encrypted_also_after_the_keys_are_rotated(file_office: Office) -> None:
    office = file_office
    url = f"json://hook.example.org/{TOKEN}"
    address = office.subscribe(url)
    office.store.keys.add_first()
    office.store.accounts.rotate_tokens(drop_old=True)
    assert office.store.addresses.url(address) == url
    assert TOKEN.encode() not in (office.home / "adreel.db").read_bytes()
    assert TOKEN not in repr(address)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (f"json://user:{TOKEN}@hook.example.org:8080/{TOKEN}?+X-Key={TOKEN}", "json://hook.example.org/****"),
        (f"mailtos://me:{TOKEN}@example.org?to=ops@example.org", "mailtos://example.org/****"),
        (f"slack://{TOKEN}/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack://****"),
        (f"tgram://123456789:{TOKEN}/12315544/", "tgram://****"),
        (f"ntfy://{TOKEN}", "ntfy://****"),
        (f"workflows://prod.logic.azure.com:443/{TOKEN}/{TOKEN}", "workflows://prod.logic.azure.com/****"),
    ],
)
def test_nothing_secret_of_an_address_is_shown(url: str, masked: str) -> None:
    assert shown(read_url(url)) == masked
    assert TOKEN not in redacted(f"error at {url} and /{TOKEN} for {TOKEN.lower()}{TOKEN}", url)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "syslog://",
        "dbus://",
        "exec:///bin/sh",
        "windows://",
        "http://hook.example.org/",
        "apprise://hook.example.org/token",
        f"slack://{TOKEN}/A1BRTD4JD/b?template=/etc/passwd",
        "mailto://me:pw@example.org?pgppub=/etc/passwd",
        "json://host:99999999/",
        "json://host/\nX: y",
        "",
    ],
)
def test_addresses_that_could_reach_the_machine_itself_are_refused_without_quoting_them(url: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_url(url)
    assert TOKEN not in str(refusal.value)


def test_addresses_are_changed_only_by_those_who_may(office: Office) -> None:
    editor = add_user(office.store, "editor")
    viewer = add_user(office.store, "viewer", Role.VIEWER)
    saved = add_dataset(office.store, add_account(office.store, user=editor), owner=editor)
    workspace = office.subscribe()
    subscriptions = Subscriptions(office.settings, Guard(office.store, Actor(editor)), office.clock())
    with pytest.raises(ForbiddenError):
        subscriptions.add(NewSubscription("json://hook.example.org/"))
    with pytest.raises(NotFoundError):
        subscriptions.remove(workspace.id)
    theirs = Subscriptions(office.settings, Guard(office.store, Actor(viewer)), office.clock())
    with pytest.raises(ForbiddenError):
        theirs.add(NewSubscription("json://hook.example.org/"), dataset=saved)
    assert subscriptions.add(NewSubscription("json://hook.example.org/"), dataset=saved).dataset_id == saved.id
    own = theirs.add(NewSubscription("json://hook.example.org/"), personal=True)
    assert (own.user_id, theirs.all()) == (viewer.id, (own,))


# -- over the network


@dataclass
class Hook:
    """A webhook on this machine: its port, what it received, and the status that it returns once it `answers`."""

    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    location: str = ""
    answers: threading.Event = field(default_factory=threading.Event)
    path: str = ""


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    hook = Hook()
    hook.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.path = self.path
            hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            hook.answers.wait(20)
            self.send_response(hook.status)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


def settings_in(home: Path, **variables: str) -> Settings:
    return Settings.load({"ADREEL_HOME": str(home), **variables})


MESSAGE = Message("[adreel] Run failed: Spend täglich", "TikTok did not answer.\n\nWhat to do: adreel run spend")


def test_a_webhook_receives_the_message(tmp_path: Path, hook: Hook) -> None:
    hook.bodies.clear()
    url = f"json://127.0.0.1:{hook.port}/{TOKEN}"
    assert sender(settings_in(tmp_path))(url, MESSAGE, True) == Outcome(True)
    (body,) = hook.bodies
    assert (body["title"], body["message"]) == (MESSAGE.title, MESSAGE.body)


def test_a_refusal_is_told_without_the_address(tmp_path: Path, hook: Hook) -> None:
    hook.status = 401
    try:
        outcome = sender(settings_in(tmp_path))(f"json://127.0.0.1:{hook.port}/{TOKEN}", MESSAGE, True)
    finally:
        hook.status = 200
    assert not outcome.accepted
    assert "401" in outcome.reason
    assert TOKEN not in outcome.reason


@pytest.mark.slow
def test_only_the_workspace_and_named_hosts_reach_private_networks(tmp_path: Path, hook: Hook) -> None:
    url = f"json://127.0.0.1:{hook.port}/{TOKEN}"
    refused = sender(settings_in(tmp_path))(url, MESSAGE, False)
    assert not refused.accepted
    assert "127.0.0.1 is in a private network" in refused.reason
    assert "ADREEL_NOTIFICATION_HOSTS" in refused.reason
    named = settings_in(tmp_path, ADREEL_NOTIFICATION_HOSTS="127.0.0.0/8")
    assert sender(named)(url, MESSAGE, False).accepted


def test_a_redirect_does_not_reach_a_refused_network(tmp_path: Path, hook: Hook) -> None:
    hook.status, hook.location = 307, "http://169.254.169.254/latest/meta-data"
    try:
        outcome = sender(settings_in(tmp_path))(f"json://127.0.0.1:{hook.port}/", MESSAGE, True)
    finally:
        hook.status, hook.location = 200, ""
    assert not outcome.accepted
    assert "169.254.169.254 is in a private network" in outcome.reason


@dataclass
class Mails:
    """Takes mails, as aiosmtpd calls it."""

    port: int
    contents: list[bytes] = field(default_factory=list)

    @property
    def received(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=policy.default) for content in self.contents]

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.contents.append(envelope.content)
        return "250 OK"


@pytest.fixture
def mails() -> Iterator[Mails]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        mails = Mails(free.getsockname()[1])
    controller = Controller(mails, hostname="127.0.0.1", port=mails.port)
    controller.start()
    yield mails
    controller.stop()


def test_a_mail_has_a_subject_and_plain_text(tmp_path: Path, mails: Mails) -> None:
    url = f"mailto://127.0.0.1:{mails.port}?from=adreel@example.org&to=ops@example.org"
    assert sender(settings_in(tmp_path))(url, MESSAGE, True) == Outcome(True)
    (mail,) = mails.received
    assert (mail["Subject"], mail["To"]) == (MESSAGE.title, "ops@example.org")
    part = mail.get_body(("plain",))
    assert part is not None
    assert part.get_content().replace("\r\n", "\n").strip() == MESSAGE.body


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    outcome = sender(settings_in(tmp_path))("json://127.0.0.1:9/secretpath", MESSAGE, True)
    assert not outcome.accepted
    assert "refused" in outcome.reason.lower()
    assert "secretpath" not in outcome.reason


def test_a_slow_server_holds_up_no_schedule_and_the_worker_stops_with_its_messages(
    file_office: Office, hook: Hook
) -> None:
    office, store = file_office, file_office.store
    office.subscribe(f"json://127.0.0.1:{hook.port}/{TOKEN}")
    office.fail(add_dataset(store, add_account(store), "Failing"))
    for _ in range(2):
        office.clock.later(seconds=40)
        tick(store, office.settings, office.clock())
    schedule = Recurrence(Unit.MINUTE, 15)
    spec = '{"report": "performance", "schedule": {"every": "15 minutes"}}'
    new = NewDataset("Due", store.accounts.get("shop"), spec, timing=Timing(schedule))
    (saved,) = store.datasets.create_all([new])
    hook.bodies.clear()
    hook.answers.clear()
    worker = Worker(office.settings, store, {}, clock=office.clock, wall=wall_clock, runs_at_once=0)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        until(lambda: bool(hook.bodies))
        office.clock.later(minutes=15)
        until(lambda: store.runs.count(saved) == 1)
        assert store.addresses.list()[0].delivered_at is None
        stop.set()
    finally:
        stop.set()
        hook.answers.set()
        thread.join()
    assert store.addresses.list()[0].delivered_at is not None
    assert len(hook.bodies) == 1
    assert "upkeep" not in {other.name for other in threading.enumerate()}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- pages, API and command line


@pytest.mark.slow
def test_the_pages_add_test_and_remove_an_address_and_never_show_it(site: Site, hook: Hook) -> None:
    visit = site.visit("admin")
    url = f"json://127.0.0.1:{hook.port}/{TOKEN}"
    form = {"url": url, "name": "Ops", "kinds": ["failed", "restated"], "threshold": "100", "scope": "workspace"}
    assert visit.sent("/notifications", form) == "/notifications"
    page = visit.good("/notifications")
    assert "Ops http://127.0.0.1/**** Run failed, Restated Restated: from 100 values No messages yet" in words_of(page)
    (address,) = site.store.addresses.list()
    assert page.count(f'action="/notifications/{address.id}/test"') == 2, "one in the message that it was added"
    hook.bodies.clear()
    assert visit.sent(f"/notifications/{address.id}/test") == "/notifications"
    assert len(hook.bodies) == 1
    hook.status = 403
    try:
        assert visit.sent(f"/notifications/{address.id}/test") == "/notifications"
    finally:
        hook.status = 200
    failed = visit.good("/notifications")
    assert "The test message to Ops failed" in words_of(failed)
    assert TOKEN not in page + failed
    visit.sent(f"/notifications/{address.id}/remove")
    assert site.store.addresses.list() == ()


MAIL = {
    "way": "mail",
    "recipients": "ops@example.org; ada@example.org",
    "host": "smtp.example.org",
    "security": "tls",
    "user": "adreel@example.org",
    "password": "p@ss:w/rd",
}


@pytest.mark.slow
def test_an_e_mail_is_filled_in_by_fields_and_its_server_is_offered_for_the_next_recipient(site: Site) -> None:
    visit = site.visit("admin")
    visit.sent("/notifications", MAIL | {"scope": "workspace"})
    (address,) = site.store.addresses.list()
    assert (address.name, address.shown) == ("ops@example.org, ada@example.org", "mailtos://smtp.example.org/****")
    url = site.store.addresses.url(address)
    assert url.startswith("mailtos://adreel%40example.org:p%40ss%3Aw%2Frd@smtp.example.org:465?")
    page = visit.good("/notifications")
    assert f"Same mail server as {address.name}" in words_of(page)
    assert "p@ss" not in page
    visit.sent("/notifications", {"way": "mail", "recipients": "max@example.org", "server": str(address.id)})
    again = site.store.addresses.list()[1]
    assert site.store.addresses.url(again) == url.replace("ops%40example.org%2Cada%40example.org", "max%40example.org")
    assert again.user_id is not None
    site.user("eve")
    theirs = site.visit("eve")
    assert "Same mail server" not in words_of(theirs.good("/notifications"))
    for server in (str(address.id), "9" * 5000):
        typed = {"way": "mail", "recipients": "eve@example.org", "server": server}
        assert theirs.post("/notifications", typed).status_code == 422
    assert len(site.store.addresses.list()) == 2


def test_who_owns_no_dataset_begins_with_all_that_is_visible(site: Site) -> None:
    site.home.good("datasets", "create", "-f", site.home.file())
    visit = site.visit("admin")
    assert 'name="reach" value="all" checked' in visit.good("/notifications")
    add_dataset(site.store, site.store.accounts.list()[0], "mine", owner=site.store.users.get("admin"))
    assert 'name="reach" value="own" checked' in visit.good("/notifications")


def test_a_mail_of_the_fields_arrives_from_the_sender_at_its_recipients(tmp_path: Path, mails: Mails) -> None:
    server = MailServer("127.0.0.1", str(mails.port), Security.NONE, sender="adreel@example.org")
    recipients = read_recipients("ops@example.org, ada@example.org")
    assert sender(settings_in(tmp_path))(mail_url(server, recipients), MESSAGE, True) == Outcome(True)
    assert [(mail["From"], mail["To"]) for mail in mails.received] == [
        ("adreel@example.org", recipient) for recipient in recipients
    ]


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        (MAIL | {"recipients": ""}, "recipients", "Recipients: enter an e-mail address"),
        (MAIL | {"recipients": "ops"}, "recipients", "'ops' is not an e-mail address"),
        (MAIL | {"host": "a b"}, "host", "Mail server: enter its name"),
        (MAIL | {"port": "99999"}, "port", "Port: enter a number"),
        (MAIL | {"user": "adreel"}, "sender", "Sender: enter the e-mail address"),
        (MAIL | {"user": ""}, "user", "User: enter the user"),
        (MAIL | {"threshold": "much"}, "threshold", "The threshold 'much' is not valid"),
        ({"way": "slack", "slack": "https://example.org/"}, "slack", "https://hooks.slack.com/"),
        ({"way": "slack", "slack": "https://hooks.slack.com/x"}, "slack", "Copy it again from the service"),
        ({"way": "teams", "teams": "https://x.webhook.office.com/webhookb2/1"}, "teams", "Microsoft has retired"),
        ({"way": "webhook", "webhook": "hooks"}, "webhook", "Webhook: enter an address"),
        ({"way": "url", "url": "file:///etc"}, "url", "The address must begin with one of"),
    ],
)
def test_a_refused_form_names_its_field_and_keeps_what_was_typed_but_no_password(
    site: Site, typed: dict[str, str], field: str, words: str
) -> None:
    sent = {"name": "Mine", "kinds": "failed", "scope": "personal", "user": "adreel@example.org"} | typed
    answer = site.visit("admin").post("/notifications", sent)
    assert answer.status_code == 422
    assert words in words_of(answer.text)
    (invalid,) = re.findall(r'<input [^>]*aria-invalid="true"[^>]*>', answer.text)
    assert f'id="personal-{field}"' in invalid
    assert "autofocus" in invalid
    assert f'name="way" value="{typed["way"]}" checked' in answer.text
    assert "p@ss" not in answer.text
    for name, value in sent.items():
        if name not in ("password", "way", "scope", "kinds", "security"):
            assert f'name="{name}"' in answer.text
            assert f'value="{value}"' in answer.text
    assert answer.text.count('name="kinds" value="failed" checked') == 2
    assert answer.text.count('name="kinds" value="gmv_max" checked') == 1, "the other form is as it was"
    assert 'name="kinds" value="restated" checked' not in answer.text
    assert site.store.addresses.list() == ()


def test_a_new_address_begins_with_failures_and_money_and_is_refused_without_any_kind(site: Site) -> None:
    page = site.visit("admin").good("/notifications").partition('action="/notifications"')[2].partition("</form>")[0]
    assert re.findall(r'name="kinds" value="(\w+)" checked', page) == [str(kind) for kind in STARTING_KINDS]
    assert 'data-all="kinds"' in page
    assert f'data-count="kinds">{len(STARTING_KINDS)}<' in page
    bare = {"way": "webhook", "webhook": "https://example.org/x", "scope": "personal", "with_kinds": "yes"}
    answer = site.visit("admin").post("/notifications", bare)
    assert answer.status_code == 422
    assert "Choose at least one kind of notification." in words_of(answer.text)
    assert site.store.addresses.list() == ()


@pytest.mark.parametrize("way", ["slack", "teams", "webhook", "url"])
def test_an_e_mail_address_typed_elsewhere_leads_to_the_e_mail_fields(site: Site, way: str) -> None:
    answer = site.visit("admin").post("/notifications", {"way": way, way: "ada@example.org", "name": "Ada"})
    assert answer.status_code == 422
    assert 'name="way" value="mail" checked' in answer.text
    assert 'name="recipients" type="text" value="ada@example.org"' in answer.text
    assert "For an e-mail address, choose its mail server, too." in words_of(answer.text)


_WORKFLOW = (
    "workflows/643e69f8/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KOu-6R"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "url", "start"),
    [
        ("slack", f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}", "slack://T1JJ3T3L2/A1BRTD4JD/"),
        ("slack", "https://hooks.slack.com/triggers/T123ABC/1234567/abcdef", "slack://T123ABC/1234567/abcdef/"),
        ("teams", f"https://prod-1.logic.azure.com:443/{_WORKFLOW}", "workflow://prod-1.logic.azure.com:443/643e69f8/"),
        (
            "teams",
            f"https://a1.f4.environment.api.powerplatform.com:443/powerautomate/automations/direct/{_WORKFLOW}",
            "workflow://a1.f4.environment.api.powerplatform.com:443/643e69f8/",
        ),
        ("webhook", "https://hooks.example.org/x?a=b&token=c", "jsons://hooks.example.org/x?-a=b&-token=c"),
        ("webhook", "http://127.0.0.1:9/x", "json://127.0.0.1:9/x"),
    ],
)
def test_the_address_that_a_service_shows_is_taken_as_it_is(site: Site, way: str, url: str, start: str) -> None:
    site.visit("admin").sent("/notifications", {"way": way, way: url})
    (address,) = site.store.addresses.list()
    saved_url = site.store.addresses.url(address)
    assert saved_url.startswith(start)
    if way != "webhook":
        program_of(site, "admin").good("POST", "/notifications", 201, json={"url": url})
        assert site.store.addresses.url(site.store.addresses.list()[1]) == saved_url, "the API takes it, too"


def test_a_webhook_is_shown_by_the_address_that_was_entered_without_its_secrets(site: Site) -> None:
    visit = site.visit("admin")
    visit.sent("/notifications", {"way": "webhook", "webhook": f"https://hooks.example.org/{TOKEN}?key={TOKEN}"})
    page = visit.good("/notifications")
    assert "https://hooks.example.org https://hooks.example.org/****" in words_of(page)
    board = visit.good(visit.sent("/dashboards", {"name": "Morning"}))
    assert "https://hooks.example.org (https://hooks.example.org/****)" in board
    assert not any(TOKEN in text or "jsons" in words_of(text) for text in (page, board))


def test_a_webhook_receives_the_parameters_of_its_address(tmp_path: Path, hook: Hook) -> None:
    url = webhook_url(f"http://127.0.0.1:{hook.port}/x?key=a%20b&to=c")
    assert sender(settings_in(tmp_path))(url, MESSAGE, True) == Outcome(True)
    assert parse_qs(urlsplit(hook.path).query) == {"key": ["a b"], "to": ["c"]}


def test_an_address_for_a_dashboard_is_added_on_the_way_and_chosen_in_its_dialog(site: Site) -> None:
    visit = site.visit("admin")
    board = visit.sent("/dashboards", {"name": "Morning"})
    number = board.rpartition("/")[2]
    assert f'href="/notifications?dashboard={number}#personal-add"' in visit.good(board)
    form = visit.good("/notifications", dashboard=number)
    assert "to send Morning to" in words_of(form)
    typed = {"way": "webhook", "webhook": "nothing", "dashboard": number}
    refused = visit.post("/notifications", typed)
    assert f'name="dashboard" value="{number}"' in refused.text
    onward = visit.post("/notifications", typed | {"webhook": "https://hooks.example.org/x"}).headers["location"]
    (address,) = site.store.addresses.list()
    assert onward == f"{board}?send={address.id}"
    page = visit.good(onward)
    assert re.search(r'<dialog id="deliveries"[^>]* data-at-once>', page)
    assert f'<option value="{address.id}" selected>' in page
    site.store.workspace.set(zone="Europe/Berlin")
    visit.sent(f"{board}/deliveries", {"address": str(address.id), "at": "08:00", "weekdays": ["0"]})
    page = words_of(visit.good(board))
    assert f"Morning is sent to {address.name} at 08:00 (Europe/Berlin)." in page
    assert "Monday at 08:00 (Europe/Berlin)" in page
    assert "Time (Europe/Berlin)" in page


def test_open_incidents_of_one_kind_and_dataset_are_told_apart_by_run_days_and_text(site: Site) -> None:
    site.home.good("datasets", "create", "-f", site.home.file())
    store = site.store
    for day in ("2026-10-01", "2026-10-02"):
        run = store.runs.add(store.datasets.get("spend"), new_run_id(), (day, day))
        store.runs.begin(run.id)
        store.runs.finish(run.id, RunOutcome(RunState.VERIFIED_WITH_WARNINGS, version=0, warnings=("Few rows <b>.",)))
    tick(store, site.settings, site.home.now)
    page = site.visit("admin").good("/notifications")
    for run in store.runs.list():
        assert f'<a href="/datasets/spend/history/{run.id}">' in page
        assert run.dates is not None
        assert f"Warnings Only {run.dates[0]} to {run.dates[1]}. Few rows <b>. Spend {run.id} 2026-" in words_of(page)
    assert "Few rows <b>" not in page


def test_a_viewer_has_only_their_own_addresses(site: Site) -> None:
    site.user("vic", Role.VIEWER)
    workspace = site.store.addresses.add(NewAddress("Ops", "json://hook.example.org/", "json://hook.example.org/****"))
    visit = site.visit("vic")
    assert "Ops" not in words_of(visit.good("/notifications"))
    assert visit.post(f"/notifications/{workspace.id}/test").status_code == 404
    assert visit.post(f"/notifications/{workspace.id}/remove").status_code == 404
    assert visit.post("/notifications", {"url": "json://hook.example.org/", "scope": "workspace"}).status_code == 403
    assert visit.sent("/notifications", {"url": "json://hook.example.org/x"}) == "/notifications"


@pytest.mark.slow
def test_the_api_adds_lists_tests_and_removes_addresses(site: Site, hook: Hook) -> None:
    program = program_of(site, "admin")
    body = {"url": f"json://127.0.0.1:{hook.port}/{TOKEN}", "scope": "workspace", "kinds": ["failed"]}
    added = program.good("POST", "/notifications", 201, json=body)
    assert (added["address"], added["kinds"], added["added_by"]) == ("json://127.0.0.1/****", ["failed"], "admin")
    assert program.get("/notifications")["items"] == [added]
    assert program.good("POST", f"/notifications/{added['id']}/test") == {"accepted": True, "reason": ""}
    assert program_of(site, "admin", read_only=True).bad("DELETE", f"/notifications/{added['id']}", 403)
    program.good("DELETE", f"/notifications/{added['id']}", 204)
    assert program.get("/incidents")["items"] == []
    assert TOKEN not in json.dumps(program.bad("POST", "/notifications", 422, json={"url": f"file:///{TOKEN}"}))


def test_the_command_line_takes_an_address_from_stdin(home: Home, hook: Hook) -> None:
    url = f"json://127.0.0.1:{hook.port}/{TOKEN}"
    shown_text = home.good("notifications", "add", "--name", "Ops", stdin=f"{url}\n").output
    assert TOKEN not in shown_text
    assert "json://127.0.0.1/****" in home.good("notifications", "list").output
    hook.bodies.clear()
    home.good("notifications", "test", "1")
    assert len(hook.bodies) == 1
    home.good("notifications", "remove", "1")
    assert json.loads(home.good("notifications", "list", "--json").stdout) == []


@pytest.fixture
def small_home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", advertisers=2, ads=10, hostile_names=False)
    home.add_account()
    return home


def test_a_restatement_is_told_to_those_whose_threshold_it_reaches(small_home: Home) -> None:
    home = small_home
    dates = {"start": "today-5", "end": "yesterday"}
    home.good("datasets", "create", "-f", home.file(dates=dates, metrics=["spend", "conversion"]))
    home.good("run", "spend")
    settings = Settings.load({**environment_of(home, URL), "ADREEL_HOME": str(home.path)})
    sent: list[tuple[str, Message]] = []

    def send(url: str, message: Message, _private: bool) -> Outcome:
        sent.append((url, message))
        return Outcome(True)

    with Store.open(settings, clock=lambda: home.now) as store:
        for name, threshold in (("low", Threshold(None, 1)), ("high", Threshold(None, 1_000_000))):
            url = f"json://{name}.example.org/"
            store.addresses.add(NewAddress(name, url, shown(url), threshold=threshold))
        tick(store, settings, home.now)
        home.later(1)
        home.good("run", "spend")
        for seconds in (0, 1, 40):
            tick(store, settings, home.now + timedelta(seconds=seconds))
        deliver(store, settings, home.now + timedelta(seconds=60), send)
        (incident,) = store.incidents.list()
    assert [url for url, _ in sent] == ["json://low.example.org/"]
    assert sent[0][1].title.endswith("Restated: Spend")
    assert incident.closed_at is not None
    assert incident.values_restated is not None
    assert incident.text in sent[0][1].body
    difference = json.loads(home.good("diff", "spend", "0", "1", "--json").stdout)
    assert incident.values_restated == sum(metric["values_restated"] for metric in difference["metrics"]) > 0
    assert incident.text == difference["summary"]
