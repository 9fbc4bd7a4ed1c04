"""What pages say to a screen reader, and where the focus is, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import browser
from browser import PASSWORD, Town, opened, unfold, visiting
from home import make_home
from test_browser_axe import look

chromium = browser.chromium


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    path = tmp_path_factory.mktemp("announcements") / "home"
    with opened(make_home(path, advertisers=1, ads=2, days=30)) as running:
        admin = running.store.users.add_first("admin", PASSWORD)
        running.run(running.dataset(running.connect("Shop", admin), admin))
        yield running


def announced(page: Page, words: str) -> None:
    expect(page.locator("#notes[aria-live=polite]")).to_contain_text(words)


def test_a_preview_is_announced_by_its_number_of_rows_and_not_by_its_rows(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/settings")
        page.get_by_role("button", name="Load preview").click()
        announced(page, "rows from TikTok. Nothing is saved.")
        expect(page.locator("#notes")).not_to_contain_text("The form has changed since.")
        table = page.get_by_role("region", name="First rows")
        assert table.locator("xpath=ancestor::*[@aria-live or @role='status']").count() == 0


def test_a_wrong_time_marks_its_field_and_is_live_once_the_field_is_left(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/settings")
        unfold(page, "Scheduling")
        page.get_by_label("Update", exact=True).select_option("day")
        time = page.get_by_label("At (UTC)")
        time.fill("5 bm")
        time.press("Tab")
        expect(time).to_have_attribute("aria-invalid", "true")
        error = page.locator("[aria-live=polite] [id='said-schedule.at']")
        expect(error).to_contain_text("are not times of the day")
        expect(page.get_by_label("Start (UTC)")).to_be_focused()
        time.fill("5 am")
        expect(page.locator("#schedule-meaning")).to_contain_text("Every day at 05:00 UTC")
        expect(page.locator("#late-schedule[role=status]")).to_contain_text("The earliest time with all figures is")
        look(page)


def test_an_excel_file_is_said_to_be_prepared_and_downloaded(chromium: Browser, town: Town, tmp_path: Path) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad")
        page.get_by_text("Export", exact=True).click()
        with page.expect_download() as event:
            page.get_by_role("link", name="Excel").click()
            announced(page, "Excel…")
        announced(page, f"Downloaded {event.value.suggested_filename}.")
        event.value.save_as(tmp_path / "file.xlsx")
        assert (tmp_path / "file.xlsx").read_bytes().startswith(b"PK")


def test_an_address_shows_only_the_fields_of_its_way_and_a_refused_one_has_the_focus(
    chromium: Browser, town: Town
) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/notifications")
        page.locator("#personal-add summary").click()
        form = page.locator("#personal-add form")
        expect(form.get_by_label("Recipients")).to_be_visible()
        form.get_by_label("E-mail").focus()
        page.keyboard.press("ArrowRight")
        expect(form.get_by_label("Slack", exact=True)).to_be_checked()
        expect(form.get_by_label("Recipients")).to_be_hidden()
        page.keyboard.press("Tab")
        url = form.get_by_label("Webhook URL of Slack")
        expect(url).to_be_focused()
        person.expect_refusal(422)
        url.fill("https://example.org/hook")
        url.press("Enter")
        expect(url).to_be_focused()
        expect(url).to_have_attribute("aria-invalid", "true")
        expect(url).to_have_accessible_description(re.compile("paste the one from Slack"))
        look(page)


def test_a_metric_that_is_chosen_by_an_arrow_and_left_by_tab_leaves_the_focus_where_it_went(
    chromium: Browser, town: Town
) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/cards?days=7")
        menu = page.locator("#card-spend-metric")
        menu.focus()
        menu.press("ArrowDown")
        chosen = menu.evaluate("menu => menu.selectedOptions[0].textContent.trim()")
        with page.expect_response("**/cards/all*"):
            menu.press("Tab")
        expect(page.locator("#card-spend figcaption")).to_contain_text(chosen)
        expect(page.locator("#card-spend .chart-table summary")).to_be_focused()


def test_charts_that_are_replaced_leave_the_focus_on_the_button_of_the_menu(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/cards?days=7")
        button = page.locator("#period-menu summary")
        button.press("Enter")
        page.locator('#period-menu a[href*="days=14"]').press("Enter")
        expect(button).to_contain_text("14")
        expect(button).to_be_focused()
