"""A person's first days with the Data Center, in Chromium: by what stands there to read, and by nothing else."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

import browser
from adreel.store import Role
from browser import PASSWORD, Town, opened, unfold, visiting
from home import make_home

chromium = browser.chromium

MOST_TABS = 200
"""Presses of the Tab key until something must have been reached."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A home in which nobody has been yet."""
    with opened(make_home(tmp_path / "home", advertisers=3, ads=12, days=60)) as opened_town:
        yield opened_town


def test_a_user_creates_a_dataset_and_sees_the_next_day_what_tiktok_changed(
    chromium: Browser, town: Town, tmp_path: Path
) -> None:
    with visiting(chromium, town) as person:
        page = person.page
        person.expect_refusal(422)
        make_the_administrator(page)
        connect_an_account(page)
        describe_a_dataset(page)
        look_at_first_rows(page)
        save_and_watch(page, town)
        look_at_cards(page)
        sort_and_filter(page)
        town.later(1)
        run_again(page)
        shown_change = restated(page, "Conversions")
        old = downloaded(page, page.get_by_role("link", name=re.compile("^CSV of version")).last, tmp_path)
        page.get_by_text("Export", exact=True).click()
        new = downloaded(page, page.get_by_role("link", name=re.compile("^CSV of version")).first, tmp_path)
        assert shown_change == change(old, new, "conversion") > 0
        sign_out(page)


def make_the_administrator(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Welcome to adreel")).to_be_visible()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill("password12")
    page.get_by_label("Confirm password").fill("password12")
    page.get_by_label("Confirm password").press("Enter")
    # What was typed is still there, and the field at fault has the focus.
    expect(page.get_by_role("alert")).to_contain_text("The password is too easy to guess")
    expect(page.get_by_label("Password", exact=True)).to_have_value("password12")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    page.get_by_role("button", name="Create the administrator").click()
    expect(page.get_by_role("list", name="First steps")).to_be_visible()


def connect_an_account(page: Page) -> None:
    page.get_by_role("link", name="Connect an account").click()
    page.get_by_label("Display name").fill("Shop")
    page.get_by_role("button", name="Continue to TikTok").click()
    expect(page.get_by_role("heading", name="Allow this app to read your ad accounts?")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Connected Shop as TikTok user")).to_be_visible()


def describe_a_dataset(page: Page) -> None:
    """Menus follow what is chosen above them."""
    page.get_by_role("link", name="Create dataset").first.click()
    # The only account is chosen, and its pane is folded.
    expect(page.get_by_text("Shop \u00b7 3 ad accounts")).to_be_visible()
    report = page.get_by_role("combobox", name="Report")
    report.select_option(label="Ads")
    expect(metrics(page)).to_have_count(0)
    report.select_option(label="Performance")
    expect(metrics(page)).to_be_visible()

    page.get_by_role("radio", name="Campaign", exact=True).check()
    expect(page.get_by_text("ID dimension Campaign ID The only choice here.")).to_be_visible()
    page.get_by_role("radio", name="Ad", exact=True).check()
    expect(page.get_by_text("ID dimension: Ad ID")).to_be_visible()
    expect(page.get_by_role("radio", name="Daily")).to_be_checked()
    page.get_by_role("button", name="+ Core").click()
    expect(page.get_by_text("Missing: Name", exact=True)).to_be_visible()

    page.get_by_label("Search metrics").fill("likes")
    page.get_by_role("checkbox", name="Paid likes likes").check()
    expect(page.get_by_role("button", name="Remove Paid likes", exact=True)).to_be_visible()
    page.get_by_label("Search metrics").fill("live name")
    expect(page.get_by_text(re.compile(r"\d+ more (is|are) unavailable"))).to_be_visible()
    page.get_by_role("checkbox", name="Show unavailable options").check()
    greyed = page.get_by_role("checkbox", name="LIVE name live_name")
    expect(greyed).to_have_attribute("aria-disabled", "true")
    expect(greyed).to_have_accessible_description(re.compile("Not available in Basic reports"))
    greyed.click(force=True)
    expect(greyed).not_to_be_checked()

    page.get_by_role("radio", name="Range").check()
    page.get_by_label("days back").first.fill("today-7")
    page.get_by_label("days back").last.fill("yesterday")
    page.get_by_role("button", name="Continue").click()
    expect(
        page.get_by_text("Performance \u00b7 Ad \u00b7 Daily \u00b7 15 metrics \u00b7 today-7 to yesterday")
    ).to_be_visible()
    page.get_by_role("radio", name="Upsert").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Manually \u00b7 Upsert")).to_be_visible()


def metrics(page: Page) -> Locator:
    return page.get_by_role("group", name="Metrics Required")


def look_at_first_rows(page: Page) -> None:
    page.get_by_role("button", name="Load preview").click()
    rows = page.get_by_role("region", name="First rows").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("2026-11-")
    expect(rows.first).to_contain_text("Cost")


def save_and_watch(page: Page, town: Town) -> None:
    """The page follows the run to its end by itself."""
    town.reports.clear()
    page.get_by_label("Name Required").fill("Spend by ad")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Spend by ad")).to_be_visible()
    expect(page.get_by_role("region", name="Run in progress")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Run progress")).to_be_visible()
    page.evaluate("window.stayed = true")
    town.reports.set()
    expect(page.locator("#live").get_by_text("Run complete:")).to_be_visible()
    expect(page.get_by_text("Matches TikTok: rows, keys")).to_be_visible()
    assert page.evaluate("window.stayed")


def look_at_cards(page: Page) -> None:
    page.get_by_role("link", name="Charts", exact=True).click()
    expect(page.get_by_role("heading", name="Totals")).to_be_visible()
    charts = page.get_by_role("figure").locator("canvas")
    expect(charts.first).to_be_visible()
    assert charts.count() >= 3
    for chart in charts.all():
        chart.scroll_into_view_if_needed()
        assert painted(chart) > 100, "A chart is empty."
    window = page.viewport_size
    for width in (390, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        # Waits for the charts to be drawn anew, and fails if a name is cut off or wider than its place.
        page.wait_for_function(NAMES_IN_FULL)
    assert window is not None
    page.set_viewport_size(window)


NAMES_IN_FULL = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const bare = (text) => text.replace(/\\s/g, "");
    const names = [...document.querySelectorAll("[data-chart]")].flatMap((element) => {
        const chart = JSON.parse(element.dataset.chart);
        if (chart.kind !== "bars" && chart.kind !== "funnel") return [];
        const canvas = echarts.getInstanceByDom(element);
        const { yAxis: [axis], grid: [{ left }] } = canvas.getOption();
        return chart.x.values.map((name, place) => {
            const label = axis.axisLabel.formatter(name, place);
            const width = Math.max(...label.split("\\n").map((line) => pen.measureText(line).width));
            return bare(label) === bare(name) && width < left && left < canvas.getWidth() / 2 + 100
                && canvas.getWidth() === element.clientWidth;
        });
    });
    return names.length > 5 && names.every(Boolean);
}"""


def painted(canvas: Locator) -> int:
    """How many points of it are neither clear nor of the colour of its first one."""
    pixels = canvas.evaluate(
        """canvas => {
            const points = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let count = 0;
            for (let at = 3; at < points.length; at += 4) if (points[at] > 0) count += 1;
            return count;
        }"""
    )
    return int(pixels)


def sort_and_filter(page: Page) -> None:
    page.get_by_role("link", name="Data", exact=True).click()
    rows = page.get_by_role("region", name="Rows").get_by_role("row")
    summary = page.get_by_text(re.compile(r"^Rows 1 to \S+ of \d"))
    total = summary.inner_text().split(" of ")[1].partition(".")[0]
    # Costs would be sorted within their currencies.
    impressions = page.get_by_role("columnheader", name=re.compile("^Impressions"))
    impressions.get_by_role("link").click()
    expect(impressions).to_have_attribute("aria-sort", "descending")
    shown = [Decimal(text.replace(",", "")) for text in cells(page, impressions)]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > shown[-1]

    middle = shown[len(shown) // 2]
    page.get_by_label("Column", exact=True).select_option(label="Impressions")
    page.get_by_label("Comparison").select_option(label="is more than")
    page.get_by_label("Value", exact=True).fill(str(middle))
    page.get_by_role("button", name="Add filter", exact=True).click()
    few = sum(value > middle for value in shown)
    expect(page.get_by_text(re.compile(rf"^Rows 1 to {few} of {few} \({total} without filters\)"))).to_be_visible()
    expect(rows).to_have_count(few + 1)
    page.get_by_role("link", name=re.compile("^Remove filter: ")).click()
    expect(page.get_by_text(re.compile(rf"^Rows 1 to .* of {total}\."))).to_be_visible()


def cells(page: Page, heading: Locator) -> list[str]:
    """What stands below a heading of the table of rows."""
    place = heading.evaluate("cell => cell.cellIndex")
    return page.get_by_role("region", name="Rows").locator(f"tbody td:nth-child({place + 1})").all_inner_texts()


def run_again(page: Page) -> None:
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("Since version 0:")).to_be_visible()


def restated(page: Page, figure: str) -> Decimal:
    """By how much TikTok changed the figure since yesterday, on days that were read then."""
    page.get_by_role("link", name="View changes").first.click()
    expect(page.get_by_role("heading", name="Version 0 (the first) to 1")).to_be_visible()
    table = page.get_by_role("region", name="By metric").last
    heading = table.get_by_role("columnheader", name="Restated by TikTok")
    place = heading.evaluate("cell => cell.cellIndex")
    row = table.get_by_role("row", name=re.compile(f"^{figure} "))
    number = row.locator(f"td:nth-child({place + 1})").inner_text()
    expect(page.get_by_text(f"{figure} {number}.")).to_be_visible()
    return Decimal(number.replace(",", ""))


def downloaded(page: Page, link: Locator, folder: Path) -> list[dict[str, str]]:
    """The rows of the CSV file that the link gives."""
    with page.expect_download() as waiting:
        link.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def change(old: list[dict[str, str]], new: list[dict[str, str]], column: str) -> Decimal:
    """By how much the column's sum differs, on days of which both have rows."""
    days = {row["stat_time_day"] for row in old} & {row["stat_time_day"] for row in new}
    before, after = (
        sum((Decimal(row[column] or 0) for row in rows if row["stat_time_day"] in days), Decimal())
        for rows in (old, new)
    )
    return after - before


def sign_out(page: Page) -> None:
    page.get_by_text("ada", exact=True).first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/datasets")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_person_without_a_mouse_signs_in_and_saves_a_dataset(chromium: Browser, town: Town) -> None:
    town.store.users.add_first("ada", PASSWORD)
    town.connect("Shop")
    with visiting(chromium, town) as person:
        page = person.page
        person.goto("/")
        # The page puts the cursor into the first field.
        page.keyboard.type("ada")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Home")).to_be_visible()
        press(page, page.get_by_role("link", name="Create dataset").first, "Enter")

        report = page.get_by_role("combobox", name="Report Required")
        reach(page, report)
        page.keyboard.type("Ads")
        expect(metrics(page)).to_have_count(0)
        expect(report).to_be_focused()
        page.keyboard.press("Home")
        expect(metrics(page)).to_be_visible()

        # One stop for all levels, and arrows between them.
        levels = page.get_by_role("radiogroup", name="Data level").get_by_role("radio")
        press(page, levels.first, "Space")
        expect(levels.first).to_be_checked()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_text("ID dimension Campaign ID")).to_be_visible()

        search = page.get_by_role("searchbox", name="Search metrics")
        reach(page, search)
        page.keyboard.type("clicks")
        checkbox = page.get_by_role("checkbox", name="Clicks (destination) clicks", exact=True)
        press(page, checkbox, "Space")
        expect(page.get_by_role("button", name="Remove Clicks (destination)", exact=True)).to_be_visible()
        expect(checkbox).to_be_focused()

        for title in ("Scheduling", "Name & describe"):
            press(page, page.get_by_role("button", name="Continue"), "Enter")
            pane = page.locator("details.pane[open]")
            expect(pane.locator("summary").first).to_contain_text(title)
            # The first field of the pane has the focus.
            expect(pane.locator(":focus")).to_have_attribute("id", re.compile("^f-"))
        reach(page, page.get_by_role("textbox", name="Name Required"))
        page.keyboard.type("Clicks")
        press(page, page.get_by_role("button", name="Save", exact=True), "Enter")
        expect(page.get_by_role("heading", name="Clicks")).to_be_visible()
        expect(page.locator("#live").get_by_text("Run complete:")).to_be_visible()


def reach(page: Page, wanted: Locator) -> None:
    """Presses Tab until the cursor is there."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} presses of the Tab key do not lead to {wanted}.")


def press(page: Page, wanted: Locator, key: str) -> None:
    reach(page, wanted)
    page.keyboard.press(key)


def test_leaving_unsaved_changes_asks_first(chromium: Browser, town: Town) -> None:
    ada = town.user("ada", Role.ADMIN)
    base = f"/datasets/{town.dataset(town.connect(owner=ada), ada).slug}"
    with visiting(chromium, town, ada) as person:
        page, asked = person.page, list[str]()

        def stay(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.dismiss()

        def leave() -> None:
            page.get_by_role("link", name="Overview").click()

        page.on("dialog", stay)
        person.goto(f"{base}/settings")
        # Whoever only looks has nothing to lose.
        unfold(page, "Details")
        page.get_by_label("Search metrics").fill("likes")
        expect(page.get_by_role("checkbox", name="Paid likes likes")).to_be_visible()
        leave()
        expect(page).to_have_url(f"{town.url}{base}")
        assert asked == []

        person.goto(f"{base}/settings")
        unfold(page, "Details")
        page.get_by_label("Search metrics").fill("likes")
        page.get_by_role("checkbox", name="Paid likes likes").check()
        expect(page.get_by_role("button", name="Remove Paid likes", exact=True)).to_be_visible()
        unfold(page, "Name & describe")
        page.get_by_label("Name Required").fill("")
        leave()
        person.expect_refusal(422)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert").first).to_contain_text("Fix to save")
        leave()
        page.get_by_label("Name Required").fill("Likes by ad")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="Likes by ad")).to_be_visible()
        assert asked == ["beforeunload", "beforeunload"]
