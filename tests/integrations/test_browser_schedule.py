"""The Scheduling pane in Chromium, as somebody uses it who has never written a cron expression."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import browser
from adreel.datasets.stored import schedule_of
from adreel.scheduling import Cron, Recurrence, Unit
from browser import PASSWORD, PHONE, Town, opened, unfold, visiting
from home import make_home
from test_browser_axe import look

chromium = browser.chromium


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with opened(make_home(tmp_path / "home", advertisers=1, ads=2, days=30)) as running:
        admin = running.store.users.add_first("admin", PASSWORD)
        running.store.workspace.set(zone="Europe/Berlin")
        running.dataset(running.connect("Shop", admin), admin)
        yield running


def test_a_schedule_is_picked_typed_saved_and_paused(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/settings")
        unfold(page, "Scheduling")
        meaning = page.locator("#schedule-meaning")
        page.get_by_label("Update", exact=True).select_option("week")
        expect(meaning).to_contain_text("Every week on Monday at 06:00 UTC")
        page.get_by_label("Friday").check()
        page.get_by_label("At (UTC)").fill("06:30")
        # While it is typed, and without leaving the field.
        expect(meaning).to_contain_text("Every week on Monday and Friday at 06:30 UTC")
        expect(meaning.get_by_role("row")).to_have_count(6)
        expect(meaning).to_contain_text("Mon 2026-11-23 06:30 Mon 2026-11-23 07:30")
        look(page)
        page.get_by_label("At (UTC)").fill("26:00")
        expect(page.locator("[id='said-schedule.at']")).to_contain_text("'26:00' is not a time of the day")
        expect(page.get_by_label("At (UTC)")).to_be_focused()
        page.get_by_label("Advanced").check()
        page.get_by_label("Weekdays of the month, such as the second Sunday").check()
        page.get_by_label("Second", exact=True).check()
        page.get_by_label("First", exact=True).uncheck()
        page.get_by_label("Fourth", exact=True).check()
        page.get_by_label("Weekday of the month", exact=True).select_option("SUN")
        expect(meaning).to_contain_text("Sun 2026-12-13 06:00")
        look(page)
        page.get_by_label("Edit the expression").check()
        expect(page.get_by_label("Cron expression (UTC)")).to_have_value("0 6 * * SUN#2,SUN#4")
        page.get_by_label("Cron expression (UTC)").fill("0 25 * * SUN#2")
        expect(page.locator("#said-schedule")).to_contain_text("'25' is not valid as hour")
        page.get_by_label("Cron expression (UTC)").fill("0 7 * * SUN#2")
        expect(meaning).to_contain_text("second Sunday")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="Schedule", exact=True)).to_be_visible()
        assert schedule_of(town.store.datasets.get("spend_by_ad")) == Cron("0 7 * * SUN#2")
        page.get_by_role("button", name="Pause schedule").click()
        expect(page.get_by_role("button", name="Resume schedule")).to_be_visible()
        look(page)


def test_a_schedule_is_set_with_the_keyboard_on_a_phone(chromium: Browser, town: Town) -> None:
    options = {"viewport": {"width": PHONE[0], "height": PHONE[1]}, "color_scheme": "dark"}
    with visiting(chromium, town, "admin", **options) as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/settings")
        unfold(page, "Scheduling")
        unit = page.get_by_label("Update", exact=True)
        unit.focus()
        page.keyboard.press("H")
        expect(page.locator("#schedule-meaning")).to_contain_text("Every 6 hours")
        look(page)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="Schedule", exact=True)).to_be_visible()
        assert schedule_of(town.store.datasets.get("spend_by_ad")) == Recurrence(Unit.HOUR, 6)
