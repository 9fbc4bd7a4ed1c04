"""The first page in a browser: what was restated since yesterday is one key press away, and charts are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import browser
from adreel.store import SavedDataset
from browser import PASSWORD, Town, opened, visiting
from home import make_home

chromium = browser.chromium


@contextmanager
def restated_town(tmp_path: Path) -> Iterator[tuple[Town, SavedDataset]]:
    """A town whose administrator's dataset was run again on the day after, when TikTok had restated its days."""
    with opened(make_home(tmp_path / "home", advertisers=3, ads=6, days=40)) as town:
        admin = town.store.users.add_first("admin", PASSWORD)
        daily = town.dataset(town.connect("Shop", admin), admin)
        town.run(daily)
        town.later(1)
        town.run(daily)
        yield town, daily


@pytest.mark.slow
def test_a_person_finds_the_restatement_of_yesterday_with_the_keyboard(chromium: Browser, tmp_path: Path) -> None:
    with restated_town(tmp_path) as (town, _), visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/")
        charts = page.locator("#home-spend [data-chart] canvas")
        expect(charts.first).to_be_visible()
        restated = page.get_by_role("region", name="Restated by ad account")
        row = restated.get_by_role("row").nth(1)
        advertiser = row.get_by_role("rowheader").inner_text()
        amount = row.locator(".cell-number").first.inner_text()
        row.get_by_role("link", name="View rows").press("Enter")
        expect(page.get_by_role("heading", level=2)).to_contain_text("rows")
        total = page.get_by_role("row").filter(has_text="Change of")
        expect(total).to_contain_text(amount)
        account = page.get_by_role("combobox", name="Ad account", exact=True)
        expect(account.locator("option:checked")).to_have_text(advertiser)


@pytest.mark.slow
def test_a_menu_is_sent_by_keyboard_with_enter_only_and_keeps_the_focus(chromium: Browser, tmp_path: Path) -> None:
    with restated_town(tmp_path) as (town, daily), visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto(f"/datasets/{daily.slug}/restatements")
        menu = page.get_by_label("Metric")
        before = menu.input_value()
        address = page.url
        menu.focus()
        menu.press("ArrowDown")
        chosen = menu.input_value()
        assert chosen != before
        assert page.url == address
        menu.press("Enter")
        page.wait_for_url("**figure=*")
        expect(menu).to_be_focused()
        expect(menu).to_have_value(chosen)
        expect(page.locator("#notes")).to_contain_text("Metric: ")
