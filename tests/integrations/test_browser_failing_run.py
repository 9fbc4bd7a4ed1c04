"""A run that fails, and what a person then does about it, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import browser
from browser import PASSWORD, Town, opened, visiting
from home import make_home

chromium = browser.chromium


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A dataset with a table, whose account's grant has just been taken back at TikTok."""
    with opened(make_home(tmp_path / "home", advertisers=2, ads=4, days=30)) as opened_town:
        admin = opened_town.store.users.add_first("admin", PASSWORD)
        account = opened_town.connect("Shop", admin)
        opened_town.run(opened_town.dataset(account, admin))
        opened_town.door("revoke", token=opened_town.store.accounts.token(account))
        yield opened_town


def test_a_failed_run_shows_the_reason_and_succeeds_after_the_account_is_reconnected(
    chromium: Browser, town: Town
) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad")
        page.get_by_role("button", name="Run now").click()
        trouble = page.get_by_role("region", name="Needs attention")
        expect(trouble).to_contain_text("Reconnect.")
        expect(trouble).to_contain_text("The access token of account 'Shop' is revoked")

        page.get_by_role("navigation", name="Main").get_by_role("link", name="Datasets").click()
        row = page.get_by_role("row", name="Spend by ad")
        expect(row).to_contain_text("Reconnect")
        expect(row).to_contain_text("The access token of account 'Shop' is revoked")

        row.get_by_role("link", name="Spend by ad").click()
        trouble.get_by_role("link", name="Reconnect account").click()
        page.get_by_role("button", name="Reconnect").click()
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_role("status").filter(has_text="Reconnected")).to_be_visible()

        page.get_by_role("row", name="Spend by ad").get_by_role("link").click()
        page.get_by_role("button", name="Run now").click()
        expect(page.locator("#live").get_by_text("Run complete:")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("Verified")
        expect(trouble).to_have_count(0)
