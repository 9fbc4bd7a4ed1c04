"""The form in four panes in Chromium: templates, keyboard, folded lines, drafts, a phone, a page without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

import browser
from adreel.store import Role
from browser import PASSWORD, PATIENCE_MS, PHONE, Town, opened, unfold, visiting
from home import make_home

chromium = browser.chromium

MOST_TABS_TO_SAVE = 25
"""From the page of a new dataset over a template to Save. It was 107 when the form was one."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """An account of the administrator's, and a dataset."""
    folder = tmp_path_factory.mktemp("panes") / "home"
    with opened(make_home(folder, advertisers=2, ads=4, days=40)) as running:
        admin = running.store.users.add_first("admin", PASSWORD)
        running.dataset(running.connect("Shop", admin), admin)
        yield running


def test_a_template_is_a_few_keys_from_its_first_rows_and_from_a_scheduled_dataset(
    chromium: Browser, town: Town
) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/new")
        template = page.get_by_role("link", name=re.compile("^Campaign overview by day"))
        presses = tabs_to(page, template)
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="First rows").get_by_role("row").nth(1)).to_contain_text("2026-")
        # Beside the columns stands what the first row has.
        begun = page.get_by_role("heading", name="Template Campaign overview by day")
        expect(begun).to_be_focused()
        expect(begun).to_have_accessible_description(re.compile(r"Every day at \d\d:00 UTC"))
        spend = page.locator("[data-example=spend]")
        expect(spend).to_have_text(re.compile(r"^[\d,.]+$"))
        template = page.get_by_role("region", name="Template Campaign overview by day")
        assert tabs_to(page, template.get_by_role("button", name="Save and schedule")) == 2
        assert presses <= MOST_TABS_TO_SAVE, presses
        page.keyboard.press("Enter")
        expect(page.locator("main > [data-said]")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="View charts")).to_be_focused()
        saved = town.store.datasets.get("Campaign overview by day")
        assert saved.next_run_at is not None


def tabs_to(page: Page, wanted: Locator) -> int:
    """How many presses of Tab lead there."""
    expect(wanted).to_be_visible()
    for presses in range(100):
        if wanted.evaluate("element => element === document.activeElement"):
            return presses
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}.")


def test_continue_says_what_is_lacking_and_leads_on_with_the_focus(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/new")
        page.get_by_role("link", name="Start from scratch").click()
        expect(page.get_by_role("combobox", name="Report")).to_be_focused()
        page.get_by_role("button", name="Continue").click()
        # The first field that is lacking has the focus.
        expect(page.get_by_text("Choose a data level.", exact=True)).to_be_visible()
        expect(page.get_by_role("radio", name="Ad account", exact=True)).to_be_focused()
        page.get_by_role("radio", name="Campaign", exact=True).check()
        page.get_by_role("button", name="+ Core").click()
        expect(page.locator("#spoken")).to_have_text(re.compile(r"^Estimate: \D+ \d+ requests, \d+ columns\.$"))
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("radio", name="Basic", exact=True).last).to_be_focused()
        expect(page.locator("details.pane[open]")).to_have_count(1)
        expect(page.get_by_text("Performance \u00b7 Campaign \u00b7 Daily \u00b7 14 metrics")).to_be_visible()
        # What is wrong is in a folded pane: the list of errors leads there.
        person.expect_refusal(422)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#summary")).to_be_focused()
        unfold(page, "Scheduling")
        page.locator("#summary").get_by_role("link", name="Name").click()
        expect(page.get_by_role("textbox", name="Name Required")).to_be_focused()
        page.on("dialog", lambda dialog: dialog.accept())


def test_a_pane_that_is_opened_while_an_answer_is_on_its_way_stays_open(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/spend_by_ad/settings")
        expect(page.locator("details.pane[open]")).to_have_count(0)
        unfold(page, "Details")
        held: list[Route] = []
        page.route("**/datasets/form", lambda route: held.append(route))
        with page.expect_request("**/datasets/form"):
            page.get_by_role("radio", name="Hourly").check()
        unfold(page, "Scheduling")
        with page.expect_response("**/datasets/form"):
            held[0].continue_()
        expect(page.get_by_text("Performance \u00b7 Ad \u00b7 Hourly")).to_be_visible()
        expect(page.locator("details.pane[open]")).to_have_attribute("id", "pane-scheduling")
        page.unroute("**/datasets/form")
        # The next answer knows it too.
        page.get_by_role("radio", name="Append").check()
        expect(page.get_by_text("Draft saved")).to_be_visible()
        expect(page.locator("details.pane[open]")).to_have_attribute("id", "pane-scheduling")
        page.on("dialog", lambda dialog: dialog.accept())


def test_what_is_typed_is_there_again_after_the_tab_was_closed(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, town.user("dora", Role.ADMIN)) as person:
        page = person.page
        person.goto("/datasets/new")
        unfold(page, "Name & describe")
        with page.expect_request("**/datasets/draft"):
            # The field is not left, so the form is not sent.
            page.get_by_role("textbox", name="Description").press_sequentially("to the last letter")
        page.close()
        other = page.context.new_page()
        draft = other.get_by_role("link", name="Continue draft Unnamed Performance")
        # What a closed tab sends last arrives when it does.
        for _ in range(PATIENCE_MS // 100):
            other.goto("/datasets")
            if draft.count():
                break
            other.wait_for_timeout(100)
        draft.click()
        unfold(other, "Name & describe")
        expect(other.get_by_role("textbox", name="Description")).to_have_value("to the last letter")
        other.goto("/datasets")
        other.get_by_role("button", name="Discard draft Unnamed Performance").click()
        expect(other.get_by_text("Draft discarded.")).to_be_visible()
        other.get_by_role("button", name="Undo").click()
        expect(other.get_by_role("link", name="Continue draft Unnamed Performance")).to_be_visible()


def test_the_summary_is_beside_the_form_and_below_it_on_a_phone(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets/new?template=ad_daily")
        panes, aside = page.locator("#panes"), page.get_by_role("complementary", name="Estimate")
        for width, height in ((1440, 900), (1024, 768), PHONE):
            page.set_viewport_size({"width": width, "height": height})
            left, right = panes.bounding_box(), aside.bounding_box()
            assert left is not None
            assert right is not None
            beside = right["x"] >= left["x"] + left["width"]
            below = right["y"] >= left["y"] + left["height"]
            assert beside if width > PHONE[0] else below, width
        for words in ("Requests", "Days now", "Primary key", "17 columns"):
            expect(aside).to_contain_text(words)


def test_the_form_can_be_filled_in_and_saved_without_scripts(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin", java_script_enabled=False) as person:
        page = person.page
        person.goto("/datasets/new")
        page.get_by_role("combobox", name="Report").select_option(label="Campaigns")
        unfold(page, "Details").get_by_role("button", name="Refresh menus").click()
        expect(page.get_by_role("group", name="Fields")).to_be_visible()
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("details.pane[open]")).to_have_attribute("id", "pane-scheduling")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("textbox", name="Name Required").fill("Without scripts")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("heading", name="Without scripts")).to_be_visible()


def test_metrics_are_ordered_and_a_formula_is_written_by_keyboard_and_back_finds_the_form(
    chromium: Browser, town: Town
) -> None:
    with visiting(chromium, town, town.user("kim", Role.ADMIN)) as person:
        page = person.page
        page.on("dialog", lambda dialog: dialog.accept())
        person.goto("/datasets/new")
        page.get_by_role("link", name="Start from scratch").click()
        page.get_by_role("radio", name="Ad", exact=True).check()
        page.get_by_role("button", name="+ Core").click()
        expect(page.get_by_role("list", name="14 selected")).to_be_visible()
        order = page.locator("ol[data-order=metrics]")
        first = order.get_by_role("listitem").first
        expect(first).to_contain_text("Cost")
        # By keyboard, from whatever has the focus in the row.
        page.get_by_role("button", name="Remove Impressions").focus()
        page.keyboard.press("Alt+ArrowUp")
        expect(first).to_contain_text("Impressions")
        expect(page.get_by_role("button", name="Remove Impressions")).to_be_focused()
        expect(page.locator("#notes")).to_have_text("Impressions: place 1 of 14.")
        columns = page.locator("#columns tbody th code")
        expect(columns.nth(3)).to_have_text("impressions")
        page.keyboard.press("Alt+End")
        expect(order.get_by_role("listitem").last).to_contain_text("Impressions")
        # By pointer.
        grip, target = order.locator(".kept-grip").nth(2), order.get_by_role("listitem").first
        grip.hover()
        page.mouse.down()
        box = target.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 8, box["y"] + 2, steps=5)
        page.mouse.up()
        expect(first).to_contain_text("CTR")
        expect(columns.nth(3)).to_have_text("ctr")
        # Removed, and put back by the key that the focus is on.
        page.get_by_role("button", name="Remove Cost", exact=True).press("Enter")
        expect(page.get_by_role("button", name="Undo")).to_be_focused()
        page.keyboard.press("Enter")
        expect(order.get_by_role("listitem").nth(1)).to_contain_text("Cost")
        # A formula, with what a marketer says.
        page.get_by_role("button", name="New formula").press("Enter")
        expect(page.get_by_role("textbox", name="Title")).to_be_focused()
        page.keyboard.type("Carts per click")
        editor = page.get_by_role("textbox", name="Formula")
        editor.focus()
        page.keyboard.type("add to cart")
        expect(page.get_by_role("listbox", name="Metrics").get_by_role("option").first).to_contain_text(
            "Adds to cart (website)"
        )
        expect(editor).not_to_have_attribute("aria-activedescendant", "calc-completion-0")
        page.keyboard.press("ArrowDown")
        expect(editor).to_have_attribute("aria-activedescendant", "calc-completion-0")
        page.keyboard.press("Enter")
        expect(editor).to_have_value("web_event_add_to_cart")
        page.keyboard.type(" / clcks")
        expect(page.locator("#calc-check mark")).to_have_text("clcks")
        expect(editor).to_have_attribute("aria-invalid", "true")
        page.keyboard.press("Escape")
        for _ in "lcks":
            page.keyboard.press("Backspace")
        page.keyboard.type("licks")
        expect(page.get_by_role("button", name="Add Adds to cart (website)")).to_be_visible()
        expect(editor).not_to_have_attribute("aria-invalid", "true")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Add Adds to cart (website)").press("Enter")
        expect(page.locator("#notes")).to_contain_text("Added Adds to cart (website).")
        expect(editor).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("listitem").filter(has_text="web_event_add_to_cart / clicks")).to_be_focused()
        expect(columns.last).to_have_text("carts_per_click")
        # The page is left, and Back finds the form as it was.
        expect(page.get_by_text("Draft saved")).to_be_visible()
        person.goto("/datasets")
        page.go_back()
        unfold(page, "Details")
        expect(first).to_contain_text("CTR")
        expect(columns.last).to_have_text("carts_per_click")
