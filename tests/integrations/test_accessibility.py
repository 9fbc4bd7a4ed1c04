"""Every page in each of its states: axe finds nothing serious, and nothing is wider than a phone, in German either."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import pytest
from playwright.sync_api import Browser, expect

import browser
import test_browser_axe
from browser import PHONE, WIDE, Person, Town, unfold, visiting
from test_browser_axe import ADDRESSES, clipped, look, visited, wide

chromium = browser.chromium
town = test_browser_axe.town


MIDDLE = (1024, 768)


@pytest.fixture(scope="module")
def reader(chromium: Browser, town: Town) -> Iterator[Person]:
    """The administrator, who reads one page after the other in one window: a window costs more than a page."""
    with visited(chromium, town, "admin") as person:
        person.expect_refusal(422)
        yield person


@pytest.fixture(scope="module")
def german(chromium: Browser, town: Town) -> Iterator[Person]:
    """The administrator with a browser in German, whose words are longer than ours."""
    with visiting(chromium, town, "admin", reduced_motion="reduce", locale="de-DE") as person:
        person.expect_refusal(422)
        yield person


@pytest.mark.parametrize("route", ADDRESSES)
def test_a_page_is_accessible(reader: Person, town: Town, route: str) -> None:
    newest = town.store.runs.list(town.store.datasets.get("spend_by_ad"), limit=1)[0]
    reader.page.emulate_media(color_scheme="light")
    reader.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    reader.goto(ADDRESSES[route].format(run_id=newest.id, share=town.store.dashboards.get(1).share))
    look(reader.page)
    wrong = reader.take_faults()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", ADDRESSES)
def test_a_page_in_german_fits_every_screen(german: Person, town: Town, route: str) -> None:
    page = german.page
    newest = town.store.runs.list(town.store.datasets.get("spend_by_ad"), limit=1)[0]
    german.goto(ADDRESSES[route].format(run_id=newest.id, share=town.store.dashboards.get(1).share))
    expect(page.locator(".htmx-request, [aria-busy=true]")).to_have_count(0)
    faults = []
    for width, height in (WIDE, MIDDLE, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        faults += [f"{width}: {fault}" for fault in clipped(page)]
        if page.evaluate("document.scrollingElement.scrollWidth") > width:
            faults.append(f"{width}: too wide because of {wide(page)}")
    faults += german.take_faults()
    assert not faults, "\n".join(faults)


def wrong_password(person: Person, town: Town) -> None:
    person.goto("/login")
    person.page.get_by_label("Name").fill("nobody")
    person.page.get_by_label("Password").fill("a wrong password")
    person.page.get_by_role("button", name="Sign in").click()
    expect(person.page.get_by_role("alert")).to_be_visible()


def run_at_work(person: Person, town: Town) -> None:
    town.reports.clear()
    person.goto("/datasets/spend_by_ad/history")
    person.page.get_by_role("button", name="Run now").click()
    expect(person.page.get_by_role("region", name="Run in progress")).to_be_visible()


def faulty_form(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/new")
    page.get_by_role("radio", name="Ad", exact=True).check()
    page.get_by_role("button", name="+ Core").click()
    expect(page.get_by_role("button", name="Remove Cost", exact=True)).to_be_visible()
    page.get_by_label("Search metrics").fill("purchase")
    expect(page.get_by_text(re.compile(r"^\d+ of [\d,]+ metrics"))).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Fix to save")


def unavailable_options(person: Person, town: Town) -> None:
    """The settings with every choice, and what few people change; the other panes are looked at on the way."""
    page = person.page
    person.goto("/datasets/spend_by_ad/settings")
    for title in ("Credentials", "Scheduling", "Name & describe"):
        unfold(page, title)
        look(page)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    unfold(page, "Details")
    page.get_by_role("checkbox", name="Show unavailable options").check()
    page.get_by_text("More options").first.click()
    expect(page.get_by_text("Requires data level: Campaign").first).to_be_visible()


def draft(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/new?template=ad_daily")
    expect(page.get_by_role("region", name="First rows").get_by_role("row").nth(1)).to_be_visible()
    page.get_by_role("textbox", name="Name Required").fill("A draft")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    look(page)
    page.on("dialog", lambda dialog: dialog.accept())
    person.goto("/datasets/new")
    expect(page.get_by_role("link", name="Continue draft A draft, saved")).to_be_visible()


def formula(person: Person, town: Town) -> None:
    """The editor of a calculated metric with an error, suggestions, and twins beside each other."""
    page = person.page
    person.goto("/datasets/spend_by_ad/settings")
    unfold(page, "Details")
    page.get_by_label("Search metrics").fill("purchase")
    expect(page.get_by_role("checkbox", name="Purchases, website", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove CTR").click()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.get_by_role("button", name="+ Hook rate").first.click()
    page.get_by_role("button", name="New formula").click()
    editor = page.get_by_role("textbox", name="Formula")
    editor.press_sequentially("spnd / hook")
    expect(page.get_by_role("listbox", name="Metrics").get_by_role("option").first).to_be_visible()
    expect(page.locator("#calc-check mark")).to_have_count(2)
    page.on("dialog", lambda dialog: dialog.accept())


def first_rows(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/spend_by_ad/settings")
    page.get_by_role("button", name="Load preview").click()
    expect(page.get_by_role("region", name="First rows").get_by_role("row").nth(1)).to_be_visible()


def started_backfill(person: Person, town: Town) -> None:
    """Started in the dialog, which refuses days that are not over; and cancelled in the end."""
    page = person.page
    person.goto("/datasets/spend_by_ad")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Backfill…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("End date").fill("today")
    dialog.get_by_role("button", name="Start backfill").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is not over in every ad account")
    dialog.get_by_label("End date").fill("yesterday")
    dialog.get_by_role("button", name="Start backfill").click()
    card = page.get_by_role("region", name="Backfill")
    expect(card).to_contain_text("0 of 28 days")
    card.get_by_role("button", name="Pause backfill").click()
    expect(card).to_contain_text("Paused by admin.")
    look(page)
    card.get_by_role("button", name="Cancel backfill").click()
    expect(card).to_contain_text("Cancelled")


def opened_menus(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/spend_by_ad")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Backfill…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_contain_text("The run updates the rows of ")
    dialog.get_by_label("Start date").fill("today-")
    expect(dialog.get_by_role("status")).to_contain_text("'today-' is not a valid date.")
    look(page)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_text("admin", exact=True).first.click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def filtered_rows(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/spend_by_ad/data")
    page.get_by_label("Column", exact=True).select_option(label="Cost")
    page.get_by_label("Comparison").select_option(label="is more than")
    page.get_by_label("Value", exact=True).fill("0")
    page.get_by_role("button", name="Add filter", exact=True).click()
    expect(page.get_by_role("link", name=re.compile("^Remove filter: "))).to_be_visible()


def charts_as_tables(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/spend_by_ad/cards")
    expect(page.get_by_role("figure").locator("canvas").first).to_be_visible()
    for table in page.get_by_text("View as table").all():
        table.click()


def chosen_charts(person: Person, town: Town) -> None:
    """A budget and another metric, with the search for ad accounts open."""
    page = person.page
    budget = "budget=5000&budget_currency=EUR&budget_start=2026-11-01&budget_end=2026-11-30"
    person.goto(f"/datasets/spend_by_ad/cards?currency=EUR&days=3&compare=none&metric=accounts:clicks&{budget}")
    expect(page.get_by_text("Projected at the end")).to_be_visible()
    expect(page.get_by_role("heading", name="Top ad accounts by clicks (destination)")).to_be_visible()
    page.locator("summary").filter(has_text="Ad account All").click()
    expect(page.get_by_role("checkbox")).not_to_have_count(0)


def answered_query(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/query")
    page.get_by_label("SQL", exact=True).fill("select * from spend_by_ad limit 3")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("region", name="Query result").get_by_role("row")).to_have_count(4)
    page.get_by_text("Chart", exact=True).click()
    page.get_by_role("heading", name="History").click()


def failed_query(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/query")
    page.get_by_label("SQL", exact=True).fill("select spnd\nfrom spend_by_ad")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 1, column 8.")


def suggestions(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/query")
    page.get_by_label("SQL", exact=True).press_sequentially("select * from spe")
    expect(page.get_by_role("option").first).to_be_visible()


def faulty_import(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/datasets/import")
    page.get_by_label("Or paste its text").fill("name: A\nreport: performence\n")
    page.get_by_role("button", name="Import datasets", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was imported")


def restated_day(person: Person, _: Town) -> None:
    page = person.page
    person.goto("/datasets/spend_by_ad/restatements")
    page.get_by_role("table", name=re.compile("restated, by week")).get_by_role("link").first.press("Enter")
    expect(page.get_by_role("region", name="Changes of")).to_be_visible()


def pinning(person: Person, _: Town) -> None:
    page = person.page
    person.goto("/datasets/spend_by_ad/cards?days=7")
    page.get_by_text("Pin Cost by day to a dashboard").press("Enter")
    expect(page.get_by_role("button", name="Pin chart")).to_be_visible()


def sending(person: Person, _: Town) -> None:
    """The cards with their figures, one with its menu, one removed; then the dialogs of the dashboard."""
    page = person.page
    person.goto("/dashboards/1?days=3")
    expect(page.locator(".board canvas")).to_have_count(2)
    page.get_by_text("Edit None").press("Enter")
    page.get_by_role("article", name="None").get_by_role("button", name="Remove", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.get_by_text("Edit Ads").press("Enter")
    look(page)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.get_by_role("button", name="Undo").press("Enter")
    page.get_by_role("button", name="Share", exact=True).press("Enter")
    look(page)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Send", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Send at this time")).to_be_visible()


def new_token(person: Person, town: Town) -> None:
    page = person.page
    person.goto("/profile")
    page.get_by_label("Token name").fill("reports")
    page.get_by_role("button", name="Create API token").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()


STATES: Mapping[str, tuple[str | None, Callable[[Person, Town], None]]] = MappingProxyType(
    {
        "a wrong password": (None, wrong_password),
        "no such page": ("admin", lambda person, _: person.goto("/datasets/nothing")),
        "nothing shared": ("vera", lambda person, _: person.goto("/datasets")),
        "first steps": ("eddy", lambda person, _: person.goto("/home")),
        "nothing shared, at first": ("vera", lambda person, _: person.goto("/home")),
        "no restatements yet": ("admin", lambda person, _: person.goto("/datasets/never_run/restatements")),
        "a restated day": ("admin", restated_day),
        "a chart to pin": ("admin", pinning),
        "a dashboard to send": ("admin", sending),
        "no account shared": ("vera", lambda person, _: person.goto("/accounts")),
        "an account of another": ("eddy", lambda person, _: person.goto("/accounts/1")),
        "no table yet": ("admin", lambda person, _: person.goto("/datasets/never_run")),
        "no cards yet": ("admin", lambda person, _: person.goto("/datasets/never_run/cards")),
        "a run at work": ("admin", run_at_work),
        "a form with problems": ("admin", faulty_form),
        "unavailable options": ("admin", unavailable_options),
        "a draft": ("admin", draft),
        "first rows": ("admin", first_rows),
        "a formula": ("admin", formula),
        "a backfill": ("admin", started_backfill),
        "menus": ("admin", opened_menus),
        "filtered rows": ("admin", filtered_rows),
        "charts as tables": ("admin", charts_as_tables),
        "chosen charts": ("admin", chosen_charts),
        "an answer": ("admin", answered_query),
        "a query that fails": ("admin", failed_query),
        "suggestions": ("admin", suggestions),
        "the guide's last step": ("admin", lambda person, _: person.goto("/accounts/guide/ad-accounts")),
        "the guide's consent": ("eddy", lambda person, _: person.goto("/accounts/guide/consent")),
        "a faulty import": ("admin", faulty_import),
        "a new token": ("eddy", new_token),
    }
)
"""What pages show only after something was done there: who does it, and how."""


@pytest.mark.parametrize("state", STATES)
def test_later_states_of_a_page_are_accessible(chromium: Browser, town: Town, state: str) -> None:
    user, arrive = STATES[state]
    with visited(chromium, town, user) as person:
        for status in (404, 422):
            person.expect_refusal(status)
        try:
            arrive(person, town)
            look(person.page)
        finally:
            town.reports.set()
