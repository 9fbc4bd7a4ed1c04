"""Dashboards that are sent: when, to whom, with which rights, and what is on the picture and in the PDF."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.access import Actor, Guard
from adreel.charts.definitions import CARDS
from adreel.dashboards import boards
from adreel.dashboards.sending import deliver
from adreel.dashboards.times import next_time, read_time
from adreel.errors import ExistsError, InputError, StopError
from adreel.lake import Lake
from adreel.notify.sending import Message, Outcome
from adreel.notify.subscriptions import NewSubscription, Subscriptions
from adreel.store import Dashboard, DashboardDelivery, Level, Role, Store, User
from adreel.store.dashboards import Timetable
from adreel.store.notifications import NewAddress
from home import Home, make_home
from people import Clock, add_account, add_dataset, add_user, open_people
from web_home import Site, open_site

MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)
"""A Monday, the day after that of the simulated world."""


# -- times


@given(
    at=st.times().map(lambda time: f"{time:%H:%M}"),
    weekdays=st.sets(st.integers(0, 6), min_size=1),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
    after=st.timedeltas(timedelta(), timedelta(days=700)).map(lambda passed: MORNING + passed),
)
def test_the_next_time_is_later_on_a_chosen_weekday_at_the_wall_clocks_time_and_none_is_between(
    at: str, weekdays: set[int], zone: str, after: datetime
) -> None:
    due = next_time(at, weekdays, zone, after)
    local = due.astimezone(ZoneInfo(zone))
    assert after < due <= after + timedelta(days=8, hours=1)
    assert local.weekday() in weekdays
    is_in_gap = f"{local:%H:%M}" != at
    assert not is_in_gap or zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
    assert next_time(at, weekdays, zone, due - timedelta(microseconds=1)) == due
    assert next_time(at, weekdays, zone, due) > due


@pytest.mark.parametrize("text", ["", "8", "24:00", "08:60", "8:5", "08:00:00", "\u0660\u0668:\u0660\u0660", "-1:00"])
def test_what_is_no_time_of_the_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a time of the day"):
        read_time(text)
    assert read_time(" 8:05 ") == "08:05"


# -- sending


class Office:
    """A home with a dashboard of Ada's that is sent to her each morning, and what would have been sent."""

    def __init__(self, site: Site, lake: Lake) -> None:
        self.site, self.lake = site, lake
        self.store: Store = site.store
        self.sent: list[tuple[str, Message]] = []
        self.drawn: list[Mapping[str, Any]] = []
        self.broken = False
        self.ada: User = site.user("ada")
        self.store.shares.set(self.store.accounts.get("demo"), self.ada, Level.READ)
        self.guard = Guard(self.store, Actor(self.ada))
        self.board: Dashboard = boards.create(self.guard, "Every morning")
        boards.pin(self.guard, lake, self.board, self.store.datasets.get("spend"), "spend", "currency=EUR", self.now)
        address = Subscriptions(site.settings, self.guard, self.now).add(
            NewSubscription("json://hook.example.org/ada", "Ada"), personal=True
        )
        self.delivery: DashboardDelivery = boards.deliver(
            site.settings, self.guard, self.board, address.id, "08:00", range(7), self.now
        )

    @property
    def now(self) -> datetime:
        return self.site.home.now

    def send(self, url: str, message: Message, _private: bool) -> Outcome:
        assert all(path.is_file() for path in message.attachments)
        if self.broken:
            return Outcome(False, "Connection refused")
        self.sent.append((url, message))
        return Outcome(True)

    def draw(self, _home: Path, document: Mapping[str, Any], *, png: Path, pdf: Path) -> str:
        self.drawn.append(document)
        png.write_bytes(b"png")
        pdf.write_bytes(b"pdf")
        return ""

    def look(self, at: datetime | None = None, **more: Any) -> bool:
        if at is not None:
            self.site.home.now = at
        defaults = {"send": self.send, "draw": self.draw} | more
        return deliver(self.store, self.site.settings, self.lake, self.now, wall=self.now, **defaults)

    @property
    def state(self) -> DashboardDelivery:
        return self.store.dashboard_deliveries.get(self.board, self.delivery.id)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, connected_home: Path) -> Home:
    path = tmp_path_factory.mktemp("deliveries") / "home"
    shutil.copytree(connected_home, path)
    home = make_home(path)
    home.good("run", "-f", home.file(dates={"start": "today-9", "end": "yesterday"}))
    return home


@pytest.fixture
def office(ready: Home, tmp_path: Path) -> Iterator[Office]:
    shutil.copytree(ready.path, tmp_path / "home")
    with open_site(Home(tmp_path / "home", ready.config, ready.world)) as site:
        lake = Lake(site.settings.lake_url, clock=lambda: site.home.now)
        yield Office(site, lake)
        lake.close()


@pytest.mark.slow
def test_a_dashboard_is_sent_once_each_morning_with_its_figures_and_files(office: Office) -> None:
    assert not office.look(MORNING - timedelta(minutes=1))
    assert office.look(MORNING)
    assert not office.look(MORNING + timedelta(minutes=5))
    ((url, message),) = office.sent
    assert url == "json://hook.example.org/ada"
    assert message.title == "[adreel] Every morning"
    assert [path.name for path in message.attachments] == ["Every_morning.png", "Every_morning.pdf"]
    assert "Cost by day" in message.body
    assert "Spend · 2026-11-13 to 2026-11-21 · read 2026-11-22 12:00 UTC" in message.body
    assert "- 2026-11-21: " in message.body
    assert " EUR" in message.body
    assert not any(path.exists() for path in message.attachments)
    assert office.look(MORNING + timedelta(days=1))
    assert (len(office.sent), office.state.sent_at) == (2, MORNING + timedelta(days=1))


def test_missed_mornings_are_caught_up_by_one_message(office: Office) -> None:
    assert office.look(MORNING + timedelta(days=9, hours=3))
    assert not office.look()
    assert len(office.sent) == 1
    assert office.state.next_at == MORNING + timedelta(days=10)


def test_two_workers_send_one_message_and_a_dead_ones_is_sent_again(office: Office) -> None:
    office.site.home.now = MORNING
    claims = office.store.dashboard_deliveries
    first = claims.claim(MORNING, wall=MORNING)
    assert first is not None
    assert claims.claim(MORNING, wall=MORNING) is None
    assert not office.look()
    # The first one died with it.
    assert office.look(MORNING + timedelta(minutes=11))
    assert len(office.sent) == 1
    # It was only slow: what it says now changes nothing.
    claims.retry(first, MORNING)
    claims.finish(first, MORNING)
    assert not office.look(MORNING + timedelta(minutes=12))


def test_a_wish_to_send_now_while_it_is_being_sent_is_one_more_message(office: Office) -> None:
    def send(url: str, message: Message, private: bool) -> Outcome:
        if not office.sent:
            boards.send_now(office.guard, office.board, office.delivery.id)
        return office.send(url, message, private)

    office.site.home.now = MORNING
    assert [office.look(send=send) for _ in range(3)] == [True, True, False]
    assert office.state.next_at == MORNING + timedelta(days=1)


@pytest.mark.slow
def test_a_message_that_is_not_accepted_is_tried_again_and_given_up(office: Office) -> None:
    office.broken = True
    times = [MORNING + timedelta(minutes=minutes) for minutes in range(60)]
    assert sum(office.look(time) for time in times) == 4
    assert office.state.failure == "Connection refused"
    assert office.state.next_at == MORNING + timedelta(days=1)
    office.broken = False
    assert office.look(MORNING + timedelta(days=1))
    assert office.state.failure == ""


def test_what_cannot_be_drawn_is_sent_as_text(office: Office) -> None:
    def draw(*_: Any, **__: Any) -> str:
        raise StopError("The dashboard could not be drawn: no fonts.")

    assert office.look(MORNING, draw=draw)
    ((_, message),) = office.sent
    assert message.attachments == ()
    assert "Without picture and PDF: The dashboard could not be drawn: no fonts." in message.body
    assert "- 2026-11-21: " in message.body


def test_rights_are_those_of_the_moment_at_which_it_is_sent(office: Office) -> None:
    store = office.store
    store.users.disable(office.ada)
    assert office.look(MORNING)
    assert office.sent == []
    assert "disabled" in office.state.failure
    assert office.state.next_at == MORNING + timedelta(days=1)


def test_a_dataset_that_the_owner_may_not_see_any_more_is_not_sent(office: Office) -> None:
    store = office.store
    store.shares.set(store.accounts.get("demo"), office.ada, Level.NONE)
    assert office.look(MORNING)
    assert office.sent == []
    assert "may not see them any more" in office.state.failure
    # Beside others it is a card without figures.
    store.shares.set(store.accounts.get("demo"), office.ada, Level.READ)
    office.site.home.add_account("second", [0])
    office.site.home.good("run", "-f", office.site.home.file(name="Other client", account="second"))
    other = store.datasets.get("other_client")
    store.dashboards.add_pin(office.board, other, "spend", "currency=EUR")
    assert office.look(MORNING + timedelta(days=1))
    ((_, message),) = office.sent
    assert "You have no access to the dataset of this chart." in message.body
    assert "Other client" not in message.body


@pytest.mark.slow
def test_an_address_that_the_owner_may_not_use_any_more_gets_nothing(office: Office) -> None:
    store = office.store
    admin = Guard(store, Actor(store.users.get("admin")))
    address = Subscriptions(office.site.settings, admin, office.now).add(
        NewSubscription("json://hook.example.org/all", "All")
    )
    store.users.set_role(office.ada, Role.ADMIN)
    guard = Guard(store, Actor(store.users.get("ada")))
    boards.deliver(office.site.settings, guard, office.board, address.id, "09:00", [0], office.now)
    store.users.set_role(office.ada, Role.EDITOR)
    office.look(MORNING)
    office.look(MORNING + timedelta(hours=1))
    assert [url for url, _ in office.sent] == ["json://hook.example.org/ada"]
    failures = [delivery.failure for delivery in store.dashboard_deliveries.of(office.board)]
    assert failures == ["", "ada may not use this notification address any more."]
    store.addresses.remove(address)
    assert len(store.dashboard_deliveries.of(office.board)) == 1


@pytest.mark.slow
def test_it_waits_for_a_run_in_progress_for_an_hour_and_then_says_that_it_is_running(office: Office) -> None:
    store = office.store
    run = store.runs.add(store.datasets.get("spend"), "abcd0000abcd0000", None)
    times = [MORNING + timedelta(minutes=minutes) for minutes in range(0, 60, 4)]
    assert all(office.look(time) for time in times)
    assert office.sent == []
    assert office.look(MORNING + timedelta(minutes=61))
    ((_, message),) = office.sent
    assert "Not updated yet: Spend." in message.body
    assert office.state.attempts == 0
    # Sent by a person's wish, it waits for nothing.
    boards.send_now(office.guard, office.board, office.delivery.id)
    assert office.look()
    assert len(office.sent) == 2
    assert store.runs.get(run.id).state.value == "queued"


def test_times_follow_the_zone_of_the_workspace(office: Office) -> None:
    office.store.workspace.set(zone="America/New_York")
    assert not office.look(MORNING)
    assert office.look(MORNING + timedelta(hours=5))
    assert "2026-11-23 08:00 America/New_York" in office.sent[0][1].body


def test_dashboards_are_kept_in_every_kind_of_database(store_folder: Path) -> None:
    clock = Clock()
    with open_people(store_folder, clock) as store:
        ada = add_user(store, "Grace")
        saved = add_dataset(store, add_account(store))
        board = store.dashboards.add(ada, "Morning")
        store.dashboards.add(None, "Morning")
        with pytest.raises(ExistsError):
            store.dashboards.add(ada, "MORNING")
        pins = [store.dashboards.add_pin(board, saved, f"card {number}", "days=7") for number in range(3)]
        store.dashboards.order(board, [pins[2].id])
        store.dashboards.remove_pin(pins[0])
        assert [pin.card for pin in store.dashboards.pins(board)] == ["card 2", "card 1"]
        assert store.dashboards.of(ada)[0].pins == 2
        share = store.dashboards.share(board, shared=True).share
        assert share is not None
        assert store.dashboards.shared(share) == store.dashboards.get(board.id)
        address = store.addresses.add(NewAddress("Hook", "json://h/x", "json://h/****", user=ada))
        times = Timetable("08:00", (0, 4), "UTC", clock() + timedelta(hours=1))
        delivery = store.dashboard_deliveries.put(board, address, times)
        assert store.dashboard_deliveries.claim(clock(), wall=clock()) is None
        clock.later(hours=1)
        assert store.dashboard_deliveries.wait(clock(), "UTC", wall=clock())
        claimed = store.dashboard_deliveries.claim(clock(), wall=clock())
        assert claimed is not None
        assert not store.dashboard_deliveries.wait(clock(), "UTC", wall=clock()), "another process sends it"
        assert store.dashboard_deliveries.wait(clock(), "UTC", wall=clock() + timedelta(minutes=11)), "it died"
        store.dashboard_deliveries.finish(claimed, clock() + timedelta(days=1), sent_at=clock())
        assert not store.dashboard_deliveries.wait(clock(), "UTC", wall=clock())
        assert store.dashboard_deliveries.get(board, delivery.id).sent_at == clock()
        store.datasets.delete(saved)
        assert {pin.dataset_id for pin in store.dashboards.pins(board)} == {None}
        store.users.delete(ada)
        assert [board.owner for board in store.dashboards.of(None)] == [""]


# -- over the network, with a real picture


# -- pictures


LONG = (
    "Summer sale | prospecting | lookalike 1 % purchasers 180 d | broad | ages 18-34 | United Kingdom and Ireland | v17"
)
NAMES = (LONG, "x" * 300, "حملة الصيف الكبيرة", "夏のセール キャンペーン", "$a_b^2$ {c} \\d", "")


def shape(unit: str = "money") -> dict[str, Any]:
    return {"unit": unit, "currency": "EUR" if unit == "money" else None, "decimals": 2}


def series(values: list[float | None], name: str = "Cost", role: str = "main") -> dict[str, Any]:
    return {"name": name, "role": role, "values": values}


def panel(*lines: dict[str, Any], unit: str = "money") -> dict[str, Any]:
    return {"title": LONG, "format": shape(unit), "series": list(lines)}


def number(title: str, value: float | None, change: float | None = None) -> dict[str, Any]:
    return {"title": title, "format": shape(), "value": value, "previous": None, "change": change}


DAYS = [f"2026-11-{day:02}" for day in range(1, 31)]
AMOUNTS: list[float | None] = [None, 1e12, 0.0, -5.0, *[float(day) for day in range(26)]]

DRAWN: dict[str, dict[str, Any]] = {
    "numbers": {"numbers": [number(LONG, 1e14), number("Cost", None), number("CPC", 0.123, -3.2)], "period": "a day"},
    "line": {
        "x": {"title": "Day", "type": "day", "values": DAYS, "open": [28, 29]},
        "previous_x": DAYS,
        "panels": [panel(series(AMOUNTS), series(AMOUNTS, "Previous", "previous"))],
    },
    "bars": {
        "x": {"title": "Campaign", "type": "text", "values": list(NAMES)},
        "panels": [panel(series([9e9, 3, 2, 1, 0, None]))],
    },
    "funnel": {
        "x": {"title": "Step", "type": "text", "values": list(NAMES[:2])},
        "panels": [panel(series([10, 5]), unit="count")],
        "shares": [100.0, 50.0],
    },
    "columns": {
        "x": {"title": "Month", "type": "month", "values": ["2026-10", "2026-11"]},
        "panels": [panel(series([1, 2]))],
    },
    "grouped": {
        "x": {"title": "Age", "type": "text", "values": ["18-24", LONG, "Not set"]},
        "panels": [panel(series([1, None, 3], LONG, "part"), series([3, 2, 1], "Male", "part"))],
    },
    "heat": {
        "x": {"title": "Hour", "type": "text", "values": [f"{hour:02}" for hour in range(24)]},
        "y": {"title": "Weekday", "type": "text", "values": ["Monday", "Wednesday"]},
        "title_value": "Cost, average",
        "format": shape(),
        "cells": [[hour, day, float(hour) if hour else None] for hour in range(24) for day in (0, 1)],
        "least": 1.0,
        "most": 23.0,
    },
    "curve": {
        "x": {"title": "Part", "type": "text", "values": ["Start", "25 %", "50 %", "75 %", "100 %"]},
        "panels": [panel(series([100.0, 60.5, None, 20.0, 10.0]), unit="percent")],
        "numbers": [number("Watched 2 s", 33.3)],
    },
    "pacing": {
        "x": {"title": "Day", "type": "day", "values": DAYS},
        "previous_x": None,
        "panels": [panel(series([1.0, *[None] * 29]), series([float(day) for day in range(30)], "Even", "previous"))],
        "numbers": [number("Spent", 1.0)],
    },
    "map": {
        "x": {"title": "Country", "type": "text", "values": ["Germany", LONG]},
        "panels": [panel(series([5.0, 1.0]))],
        "tiles": [
            {"code": "DE", "name": "Germany", "x": 0, "y": 0, "value": 5.0},
            {"code": "FR", "name": "France", "x": 29, "y": 15, "value": None},
        ],
    },
}
"""A chart of each kind, with long and odd names and values."""


def document_with(charts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    table = {"head": [LONG, *["Cost"] * 12], "rows": [[name, *["1.00"] * 12] for name in NAMES * 4]}
    table["numeric"] = [False, *[True] * 12]
    return {
        "title": f"Every morning {LONG}",
        "subtitle": "adreel · 2026-11-30 08:00 UTC",
        "made_at": "2026-11-30T08:00:00+00:00",
        "cards": [
            {
                "title": LONG if kind == "line" else kind,
                "meaning": "Cost of each day.",
                "source": f"{LONG} · 2026-11-01 to 2026-11-30",
                "trouble": "Failed: TikTok did not answer.",
                "problem": "",
                "chart": {"kind": kind, "empty": False, **chart},
                "table": table if kind == "bars" else None,
                "notes": ["A note."],
            }
            for kind, chart in charts.items()
        ],
    }


def test_every_kind_of_chart_has_a_drawing() -> None:
    from adreel.dashboards.shapes import KINDS

    assert {card.kind for card in CARDS} <= KINDS.keys() == DRAWN.keys()
