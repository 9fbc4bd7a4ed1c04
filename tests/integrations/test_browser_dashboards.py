"""A dashboard by the keyboard: charts of two datasets are pinned, moved, shared, and seen by another person."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

import browser
from adreel.store import Level, Role
from browser import PASSWORD, Town, opened, visiting
from home import make_home

chromium = browser.chromium


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two datasets of two accounts."""
    with opened(make_home(tmp_path_factory.mktemp("boards") / "home", advertisers=2, ads=4, days=30)) as running:
        admin = running.store.users.add_first("admin", PASSWORD)
        running.run(running.dataset(running.connect("Shop", admin), admin))
        running.run(running.dataset(running.connect("Secret", admin), admin, name="Hidden client"))
        yield running


def pin(page: Page, title: str, name: str) -> None:
    """Pins a chart to a dashboard by keys, to a new one if there is none of that name."""
    chart = page.get_by_role("figure", name=title)
    summary = chart.get_by_text(f"Pin {title} to a dashboard")
    summary.focus()
    page.keyboard.press("Enter")
    menu = chart.get_by_role("group", name="Pin to a dashboard")
    expect(menu.get_by_role("button", name="Pin chart")).to_be_visible()
    if menu.get_by_role("radio").count():
        expect(menu.get_by_role("radio", name=name)).to_be_focused()
    else:
        expect(menu.get_by_label("Name of a new dashboard")).to_be_focused()
        page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(chart.get_by_role("link", name=f"Pinned to dashboard {name}")).to_be_focused()


def titles(page: Page) -> list[str]:
    return page.locator(".board h2").all_inner_texts()


def test_a_dashboard_is_made_by_the_keyboard_and_shared_with_who_sees_a_part_of_it(
    chromium: Browser, town: Town
) -> None:
    vera = town.user("vera", Role.VIEWER)
    town.store.shares.set(town.store.accounts.get("Shop"), vera, Level.READ)
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/cards?days=7")
        pin(page, "Cost by day", "Every morning")
        person.goto("/datasets/hidden_client/cards?days=7")
        pin(
            page,
            "Clicks (destination) by day" if page.get_by_role("figure", name="Clicks").count() else "Totals",
            "Every morning",
        )
        page.get_by_role("link", name="Every morning").press("Enter")
        expect(page.get_by_role("heading", name="Every morning", level=1)).to_be_visible()
        expect(page.locator(".board canvas").first).to_be_visible()
        before = titles(page)
        assert before[0] == "Cost by day"
        page.get_by_text("Edit Cost by day").press("Enter")
        later = page.get_by_role("article", name="Cost by day").get_by_role("button", name="Move later")
        with page.expect_response(lambda answer: "/move" in answer.url):
            later.press("Enter")
        expect(later).to_be_hidden()
        expect(
            page.get_by_role("article", name="Cost by day").get_by_role("button", name="Move earlier")
        ).to_be_focused()
        assert titles(page) == before[::-1]
        page.reload()
        expect(page.locator(".board canvas").first).to_be_visible()
        assert titles(page) == before[::-1]
        page.get_by_role("article").first.locator(".pin-head").drag_to(page.get_by_role("article").last)
        assert titles(page) == before
        page.get_by_text("Edit Cost by day").press("Enter")
        page.get_by_role("article", name="Cost by day").get_by_role("button", name="Remove").press("Enter")
        expect(page.get_by_text("Removed Cost by day.")).to_be_visible()
        page.get_by_role("button", name="Undo").press("Enter")
        expect(page.get_by_role("article", name="Cost by day").locator("canvas")).to_be_visible()
        page.get_by_role("button", name="Share", exact=True).press("Enter")
        page.get_by_role("button", name="Create link").press("Enter")
        expect(page.get_by_text("has a new link")).to_be_visible()
        link = page.locator("#share-link").input_value()
    with visiting(chromium, town, vera) as person:
        page = person.page
        page.goto(link)
        expect(page.get_by_role("article", name="Cost by day").locator("canvas")).to_be_visible()
        expect(page.get_by_text("You have no access to the dataset of this chart.")).to_be_visible()
        expect(page.get_by_text("Hidden client")).to_have_count(0)
        expect(page.get_by_role("button", name="Share")).to_have_count(0)
