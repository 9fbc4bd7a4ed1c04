"""What people of each role find on the pages, in Chromium; the rights themselves are tested without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from playwright.sync_api import Browser, Page, expect

import browser
from adreel.store import Level, Role
from browser import PASSWORD, Town, opened, unfold, visiting
from home import make_home

chromium = browser.chromium

CHANGING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "/datasets": ("Create dataset", "Import datasets", "Run datasets", "Add tag", "Delete datasets…"),
        "/datasets/spend_by_ad": ("Run now", "Settings", "Backfill…", "Duplicate", "Delete dataset…"),
        "/datasets/spend_by_ad/history": ("Run now",),
        "/accounts": ("Connect an account",),
        "/accounts/1": ("Reconnect", "Sync list", "Use only these", "Rename account", "Delete account…"),
    }
)
"""Buttons and links that change something, or lead to where that is done, by page."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """An account of the administrator's, and a dataset with a table."""
    with opened(make_home(tmp_path / "home", advertisers=2, ads=4, days=30)) as running:
        admin = running.store.users.add_first("admin", PASSWORD)
        running.run(running.dataset(running.connect("Shop", admin), admin))
        yield running


def test_a_viewer_sees_only_buttons_they_may_use(chromium: Browser, town: Town) -> None:
    vera = town.user("vera", Role.VIEWER)
    town.store.shares.set(town.store.accounts.get("Shop"), vera, Level.READ)
    with visiting(chromium, town, "admin") as admin:
        for path, names in CHANGING.items():
            admin.goto(path)
            assert {name for name in names if not offered(admin.page, name)} == set(), path
    with visiting(chromium, town, vera) as viewer:
        for path, names in CHANGING.items():
            viewer.goto(path)
            assert {name for name in names if offered(viewer.page, name)} == set(), path
        look_at_everything(viewer.page)
        viewer.expect_refusal(403)
        viewer.goto("/datasets/new")
        expect(viewer.page.get_by_role("alert")).to_contain_text("viewer")


def offered(page: Page, name: str) -> bool:
    """Whether a button or link has this name, be it in a menu that is closed."""
    both = page.locator("a, button, summary")
    return name in {" ".join(text.split()) for text in both.all_text_contents()}


def look_at_everything(page: Page) -> None:
    """What a viewer is here for."""
    page.goto("/datasets")
    page.get_by_role("link", name="Spend by ad").click()
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_role("region", name="Rows").get_by_role("row").nth(1)).to_be_visible()
    page.get_by_role("link", name="Charts", exact=True).click()
    expect(page.get_by_role("figure").locator("canvas").first).to_be_visible()
    page.get_by_role("link", name="Query").click()
    page.get_by_role("textbox", name="SQL").fill("select count(*) as n from spend_by_ad")
    page.get_by_role("button", name="Run", exact=False).first.click()
    expect(page.get_by_role("region", name="Query result").get_by_role("row")).to_have_count(2)


def test_an_editor_sees_an_account_once_it_is_shared(chromium: Browser, town: Town) -> None:
    town.user("eddy", Role.EDITOR)
    with visiting(chromium, town, "eddy") as person:
        page = person.page
        person.goto("/accounts")
        expect(page.get_by_text("No accounts yet")).to_be_visible()
        person.goto("/datasets/new")
        expect(page.get_by_text("No accounts yet.")).to_be_visible()
        person.expect_refusal(404)
        person.goto("/datasets/spend_by_ad")
        expect(page.get_by_role("alert")).to_contain_text("Dataset 'spend_by_ad' was not found")

        share(chromium, town)
        person.goto("/accounts")
        page.get_by_role("link", name="Shop").click()
        expect(page.get_by_text("Your access")).to_be_visible()
        page.get_by_role("link", name="Create dataset").first.click()
        expect(page.get_by_text("Shop \u00b7 2 ad accounts")).to_be_visible()
        page.get_by_role("combobox", name="Report").select_option(label="Campaigns")
        expect(page.get_by_role("group", name="Metrics")).to_have_count(0)
        unfold(page, "Name & describe")
        page.get_by_role("textbox", name="Name Required").fill("My campaigns")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="My campaigns")).to_be_visible()
        expect(page.locator("#live").get_by_text("Run complete:")).to_be_visible()

        # Another's dataset of that account is there to be looked at, and its buttons are not.
        person.goto("/datasets/spend_by_ad")
        expect(page.get_by_role("heading", name="Spend by ad")).to_be_visible()
        assert not offered(page, "Run now")
        assert offered(page, "Duplicate")


def share(chromium: Browser, town: Town) -> None:
    """The administrator lets the editor use the account."""
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/accounts/1")
        page.get_by_role("combobox", name="Share with").select_option(label="eddy (Editor)")
        page.get_by_role("combobox", name="Access", exact=True).select_option(label="Read")
        page.get_by_role("button", name="Share account", exact=True).click()
        expect(page.get_by_role("combobox", name="Access of eddy")).to_have_value("read")
