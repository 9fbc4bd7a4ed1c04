"""What pages say to a screen reader, and where the focus is, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import browser
from browser import PASSWORD, PHONE, Town, opened, unfold, visiting
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


def test_rows_are_sorted_where_the_focus_is_and_their_order_is_announced_once(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/data")
        announcements = listen(page)
        # Without the name of the API, which is heard with each cell of the column otherwise.
        cost = page.get_by_role("columnheader", name=re.compile("^Cost( [↑↓])? USD$")).get_by_role("link")
        for direction in ("descending", "ascending"):
            cost.press("Enter")
            head = page.locator(f"th[aria-sort={direction}]", has_text="Cost")
            expect(head.get_by_role("link")).to_be_focused()
            announced(page, f"Sorted by Cost. {direction.capitalize()}.")
        assert announcements() == ["Sorted by Cost. Descending.", "Sorted by Cost. Ascending."]
        assert "sort=spend" in page.url
        page.go_back()
        expect(page.locator("th[aria-sort=descending]", has_text="Cost")).to_be_visible()
        person.goto("/datasets?status=verified")
        page.get_by_role("link", name="Report", exact=True).press("Enter")
        expect(page.get_by_role("link", name="Report", exact=True)).to_be_focused()
        announced(page, "Sorted by Report. Ascending.")
        assert page.locator("form [name=sort]").input_value() == "report", "a filter would undo the order"


def listen(page: Page) -> Callable[[], list[str]]:
    """What is announced from now on, each time that it is."""
    page.evaluate(
        """() => {
            window.heard = [];
            const hear = () => {
                for (const part of document.querySelectorAll("#notes, #rows [role=status]")) {
                    const words = part.textContent.trim();
                    if (words && part.heard !== words) window.heard.push(words);
                    part.heard = words;
                }
            };
            hear();
            window.heard = [];
            new MutationObserver(hear).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    return lambda: page.evaluate("window.heard")


def test_a_button_that_waits_for_its_answer_keeps_the_focus(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/query")
        page.get_by_label("SQL").fill("select count(*) from spend_by_ad")
        run = page.get_by_role("button", name="Run query")
        run.press("Enter")
        expect(page.get_by_role("region", name="Query result")).to_be_visible()
        expect(run).to_be_focused()
        person.goto("/datasets/spend_by_ad/data")
        copy = page.locator("#copy-rows")
        copy.press("Enter")
        expect(page.locator("#copy-said")).to_contain_text(re.compile("Copied|Copy failed"))
        expect(copy).to_be_focused()


def test_the_bar_that_saves_does_not_cover_what_has_the_focus_on_a_phone(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin", reduced_motion="reduce") as person:
        page = person.page
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        person.goto("/datasets/new?template=ad_daily")
        expect(page.get_by_role("region", name="First rows")).to_be_visible()
        page.locator("#pane-credentials summary").focus()
        for _ in range(8):
            page.keyboard.press("Tab")
            # A browser scrolls in the frame after.
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            covered = page.evaluate(
                """() => {
                    const bar = document.querySelector(".details-bar");
                    const at = document.activeElement;
                    if (bar.contains(at)) return false;
                    const isCovered = at.getBoundingClientRect().bottom > bar.getBoundingClientRect().top;
                    return isCovered && (at.id || at.textContent);
                }"""
            )
            assert not covered, covered


def test_an_excel_file_is_said_to_be_prepared_and_downloaded(chromium: Browser, town: Town, tmp_path: Path) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad")
        page.get_by_text("Export", exact=True).click()
        announcements = listen(page)
        with page.expect_download() as event:
            page.get_by_role("link", name="Excel").click()
        announced(page, f"Downloaded {event.value.suggested_filename}.")
        # The first may be there for less time than between two looks.
        assert announcements() == ["Preparing Excel…", f"Downloaded {event.value.suggested_filename}."]
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
