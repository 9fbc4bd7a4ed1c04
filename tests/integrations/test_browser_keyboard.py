"""How far the usual ways are for who has no mouse or no picture: presses of Tab from where a page puts the focus."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

import browser
from browser import Person, visiting
from test_browser_home import restated_town
from test_browser_panes import tabs_to

chromium = browser.chromium

MOST_TABS_TO_PIN = 1
MOST_TABS_TO_ROWS = 2
MOST_TABS_TO_SAVED = 3


def test_charts_and_restated_rows_are_a_few_tabs_from_where_a_page_begins(chromium: Browser, tmp_path: Path) -> None:
    with restated_town(tmp_path) as (town, daily), visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto(f"/datasets/{daily.slug}")
        page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Charts").press("Enter")
        expect(page.get_by_role("heading", name="Totals")).to_be_visible()
        charts = page.get_by_role("region", name="Charts", exact=True)
        pin = page.get_by_text("Pin Totals to a dashboard")
        expect(pin).to_be_visible()
        expect(charts).to_be_focused()
        expect(charts).to_have_accessible_description(re.compile(r"^[\d-]+ to [\d-]+"))
        presses = tabs_to(page, pin)
        assert presses <= MOST_TABS_TO_PIN, presses
        # Whoever goes from heading to heading has the button of each chart behind its heading.
        after = page.locator("figure.chart-card h2").evaluate_all(
            "titles => titles.map(e => e.nextElementSibling.className)"
        )
        assert set(after) == {"menu pin-menu"}
        # The name is there already: opening the menu and Enter pin the chart.
        page.keyboard.press("Enter")
        expect(page.get_by_label("Name of a new dashboard")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name=f"Pinned to dashboard {daily.name}")).to_be_focused()

        page.get_by_role("navigation", name="Main").get_by_role("link", name="Home").press("Enter")
        link = page.get_by_role("region", name="Restated by ad account").get_by_role("link", name="View rows").first
        expect(link).to_be_visible()
        expect(page.get_by_role("heading", name="Home")).to_be_focused()
        expect(page.locator("#notes")).to_contain_text(re.compile(r"^Restated since yesterday: Conversions [+-][\d,]+"))
        presses = tabs_to(page, page.get_by_role("link", name="Skip to restatements"))
        page.keyboard.press("Enter")
        view = page.get_by_role("link", name="View restated rows")
        expect(view).to_be_focused()
        expect(view).to_have_accessible_description(re.compile(r"Conversions, \d ad account"))
        assert presses <= MOST_TABS_TO_ROWS, presses
        page.keyboard.press("Enter")
        rows = page.get_by_role("region", name="Restated rows")
        expect(rows).to_be_focused()
        expect(rows).to_have_accessible_description(re.compile(r"^\d+ rows? changed since version \d+ of 2026-"))
        cells = rows.get_by_role("cell").all_inner_texts()
        heard = page.locator(".changed-rows tbody td .visually-hidden").all_inner_texts()
        assert any(re.fullmatch(r"from [\d.,]+ to [\d.,]+, up by [\d.,]+", step) for step in heard), heard
        # The first row says what changed in it at once, under the name of its ad.
        first = rows.locator("tbody tr").nth(1).get_by_role("rowheader")
        assert re.search(r"\d+ November: .*Conversions \d+ to \d+", first.inner_text().replace("\n", " "))
        assert (first.get_attribute("abbr") or "-") in first.inner_text()
        assert sum("=" in cell for cell in cells) == heard.count("unchanged")
        snapshot = rows.aria_snapshot()
        assert "=" not in snapshot
        assert "before → after" not in snapshot


def test_a_template_is_looked_at_scheduled_and_saved_from_where_the_focus_is(chromium: Browser, tmp_path: Path) -> None:
    with restated_town(tmp_path) as (town, _), visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets")
        page.get_by_role("link", name="Create dataset").press("Enter")
        expect(page.get_by_role("heading", name="Start from a template")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Template Daily ad performance")).to_be_focused()
        announced = page.locator("#notes[aria-live=polite]")
        expect(announced).to_contain_text("rows from TikTok. Nothing is saved.")
        presses = tabs_to(page, page.get_by_role("link", name="Skip to the first rows"))
        page.keyboard.press("Enter")
        rows = page.get_by_role("region", name="First rows")
        expect(rows).to_be_focused()
        heading = rows.get_by_role("rowheader").first.inner_text().replace("\n", " ")
        assert re.match(r"\w.* \d+ \w+: Cost [\d.,]+ [A-Z]{3}, Impressions \d", heading), heading
        assert "ad_name" not in rows.get_by_role("row").first.aria_snapshot()
        presses += tabs_to(page, page.get_by_role("link", name="Skip to the schedule"))
        page.keyboard.press("Enter")
        time = page.get_by_label("At (UTC)")
        expect(time).to_be_focused()
        expect(time).to_have_accessible_description(re.compile(r"Press Enter to continue\.$"))
        time.fill("00:30")
        expect(page.locator("#late-schedule")).to_contain_text("yesterday is not over")
        page.keyboard.press("Enter")
        name = page.get_by_label("Name", exact=False).and_(page.locator("#f-name"))
        expect(name).to_be_focused()
        expect(name).to_have_accessible_description(re.compile(r"Press Enter to save\.$"))
        # What was announced while the time was typed is not announced again.
        expect(announced).not_to_contain_text("00:30 UTC")
        name.fill("Ads of the morning")
        page.keyboard.press("Enter")
        notice = page.locator("main > [data-said]")
        expect(notice).to_be_focused()
        expect(notice).to_contain_text(
            re.compile(r"is queued\. Every day at 00:30 UTC; next run \w{3} [\d-]+ 00:30 UTC\.")
        )
        assert presses <= MOST_TABS_TO_SAVED, presses
    saved = town.store.datasets.get("ads_of_the_morning")
    assert saved.next_run_at is not None
    assert (saved.next_run_at.hour, saved.next_run_at.minute) == (0, 30)


def test_a_saved_schedule_is_one_sentence_that_has_the_focus(chromium: Browser, tmp_path: Path) -> None:
    with restated_town(tmp_path) as (town, daily), visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto(f"/datasets/{daily.slug}/settings")
        browser.unfold(page, "Scheduling")
        page.get_by_label("Update", exact=True).select_option("week")
        meaning = page.locator("#schedule-meaning")
        expect(meaning.get_by_role("status")).to_have_text(re.compile(r"^Every week on [^.]+ UTC\.?$"))
        expect(meaning.get_by_role("table")).to_be_visible()
        page.get_by_role("button", name="Save", exact=True).press("Enter")
        notice = page.locator("main > [data-said]")
        expect(notice).to_be_focused()
        expect(notice).to_contain_text(re.compile(r"Settings saved\. Next run: \w{3} [\d-]+ [\d:]+ UTC\."))
        begins_at_the_top_without_a_way(page, person)


def begins_at_the_top_without_a_way(page: Page, person: Person) -> None:
    """A page that is opened by its address is not entered in the middle."""
    person.goto("/datasets")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
