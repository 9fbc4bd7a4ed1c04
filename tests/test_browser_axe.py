"""Every page of the app can be used by everybody: axe finds nothing serious, and nothing is wider than a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Browser, Page, expect

import browser
from adreel.store import ExchangeRate, Level, Role
from adreel.store.destinations import NewDestination
from adreel.store.notifications import NewAddress
from adreel.web.pages import ROUTERS
from browser import PASSWORD, PHONE, WIDE, Person, Town, opened, unfold, visiting
from home import make_home

AXE = Path(__file__).parent.parent / "node_modules" / "axe-core" / "axe.min.js"

MIDDLE = (1024, 768)

chromium = browser.chromium

ADDRESSES: Mapping[str, str] = MappingProxyType(
    {
        "/home": "/home",
        "/datasets": "/datasets",
        "/datasets/new": "/datasets/new",
        "/datasets/import": "/datasets/import",
        "/datasets/{slug}": "/datasets/spend_by_ad",
        "/datasets/{slug}/settings": "/datasets/spend_by_ad/settings",
        "/datasets/{slug}/data": "/datasets/spend_by_ad/data",
        "/datasets/{slug}/data/columns": "/datasets/spend_by_ad/data/columns",
        "/datasets/{slug}/links": "/datasets/spend_by_ad/links",
        "/datasets/{slug}/views": "/datasets/spend_by_ad/views",
        "/datasets/{slug}/difference/rows": "/datasets/spend_by_ad/difference/rows?day=2026-11-21",
        "/datasets/{slug}/cards": "/datasets/spend_by_ad/cards",
        "/datasets/{slug}/history": "/datasets/spend_by_ad/history",
        "/datasets/{slug}/history/{run_id}": "/datasets/spend_by_ad/history/{run_id}",
        "/datasets/{slug}/versions": "/datasets/spend_by_ad/versions",
        "/datasets/{slug}/restatements": "/datasets/spend_by_ad/restatements",
        "/datasets/{slug}/versions/{version}/restore": "/datasets/spend_by_ad/versions/0/restore",
        "/datasets/{slug}/delete": "/datasets/spend_by_ad/delete",
        "/deletion": "/deletion?slug=spend_by_ad",
        "/dashboards": "/dashboards",
        "/dashboards/{dashboard_id:int}": "/dashboards/1",
        "/dashboards/shared/{share}": "/dashboards/shared/{share}",
        "/accounts": "/accounts",
        "/accounts/connect": "/accounts/connect",
        "/accounts/token": "/accounts/token",
        "/accounts/guide/{step}": "/accounts/guide/keys",
        "/callback": "/callback?error=access_denied",
        "/accounts/{account_id:int}": "/accounts/1",
        "/accounts/{account_id:int}/delete": "/accounts/1/delete",
        "/users": "/users",
        "/users/{user_id:int}": "/users/2",
        "/profile": "/profile",
        "/workspace": "/workspace",
        "/workspace/rates": "/workspace/rates",
        "/audit": "/audit",
        "/notifications": "/notifications",
        "/datasets/{slug}/notifications": "/datasets/spend_by_ad/notifications",
        "/destinations": "/destinations",
        "/datasets/{slug}/destinations": "/datasets/spend_by_ad/destinations",
        "/retention": "/retention",
        "/query": "/query?table=spend_by_ad",
        "/query/saved/{query_id:int}": "/query/saved/1",
        "/status": "/status",
    }
)
"""An address for each page, by its route; {run_id} is that of the newest run, {share} that of the dashboard."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "/": "leads to the first page",
        "/home/state": "part of the first page",
        "/home/restated": "part of the first page",
        "/home/spend": "part of the first page",
        "/health": "for programs",
        "/ready": "for programs",
        "/setup": "has a test of its own, in a home without users",
        "/login": "has a test of its own, for a stranger",
        "/datasets/{slug}/live": "part of each page of a dataset",
        "/datasets/{slug}/next": "part of the overview",
        "/datasets/{slug}/since": "part of the overview",
        "/datasets/{slug}/backfills": "part of the overview",
        "/datasets/{slug}/backfill": "part of a dialog of each page of a dataset",
        "/datasets/{slug}/cards/all": "part of the cards",
        "/datasets/{slug}/cards/one": "part of the cards",
        "/datasets/{slug}/cards/values": "part of the cards",
        "/datasets/{slug}/cards/file": "a file",
        "/dashboards/{dashboard_id:int}/file": "a file",
        "/dashboards/shared/{share}/file": "a file",
        "/dashboards/pin": "part of the cards",
        "/dashboards/{dashboard_id:int}/pins/{pin_id:int}": "part of a dashboard",
        "/dashboards/shared/{share}/pins/{pin_id:int}": "part of a dashboard",
        "/datasets/{slug}/data/filter": "part of the table",
        "/datasets/{slug}/difference": "part of the versions",
        "/status/requests": "part of the status page",
        "/accounts/guide": "leads to the step to go on with",
        "/query/history": "part of the query page",
        "/query/words": "for the editor's script",
        "/query/words/{slug}": "for the editor's script",
        "/query/tables": "part of the query page",
        "/query/tables/{slug}": "part of the query page",
        "/datasets/{slug}/download": "a file",
        "/datasets/{slug}/export": "a file",
        "/datasets/{slug}/difference/rows/export": "a file",
        "/datasets/{slug}/data/copy": "a text",
        "/datasets/{slug}/views/{view_id:int}": "leads to the table",
        "/links/{secret}.csv": "a file",
        "/audit/export": "a file",
        "/workspace/rates/export": "a file",
        "/datasets/{slug}/history/{run_id}/log": "a file",
    }
)
"""Routes that are no page of their own, and why."""


AWAY = "Another process has the DuckDB file open (locked). Close it there, then try again."


def duckdb_file(name: str) -> NewDestination:
    """A file that is not there, as a destination."""
    address = f"duckdb:///srv/{name}.duckdb"
    return NewDestination(name, "duckdb", address, address, "tiktok")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A home with all that pages show: two versions, a dataset that never ran, people with shares."""
    with opened(make_home(tmp_path_factory.mktemp("axe") / "home", advertisers=3, ads=6, days=40)) as opened_town:
        admin = opened_town.store.users.add_first("admin", PASSWORD)
        opened_town.user("eddy", Role.EDITOR)
        opened_town.user("vera", Role.VIEWER)
        account = opened_town.connect("Shop", admin)
        opened_town.store.shares.set(account, opened_town.store.users.get("eddy"), Level.EDIT)
        there = [opened_town.store.destinations.add(duckdb_file(name)) for name in ("warehouse", "team", "spare")]
        publish = [{"to": "warehouse"}, {"to": "team", "table": "tiktok_ads_daily"}]
        description = "What the ads cost, day by day."
        daily = opened_town.dataset(account, admin, tags=["daily"], description=description, publish=publish)
        opened_town.run(daily)
        opened_town.store.publications.failed(
            daily, there[0], "spend_by_ad", "a", AWAY, attempts=1, at=opened_town.home.now, next_at=opened_town.home.now
        )
        opened_town.dataset(account, admin, name="Never run")
        opened_town.store.saved_queries.add(admin, "Rows", "select count(*) from spend_by_ad", shared=True)
        board = opened_town.store.dashboards.add(admin, "Every morning")
        for card in ("spend", "numbers", "ads", "none"):
            opened_town.store.dashboards.add_pin(board, daily, card, "days=7", card.capitalize())
        opened_town.store.dashboards.share(board, shared=True)
        days = [opened_town.home.now.date() - timedelta(days=ago) for ago in (9, 2, 1)]
        values = zip(days, (Decimal("0.9"), Decimal("0.6"), Decimal("0.9")), strict=True)
        rates = [ExchangeRate(day, "USD", "EUR", rate) for day, rate in values]
        opened_town.store.exchange_rates.save(rates, "rates.csv", replace=False)
        opened_town.store.addresses.add(
            NewAddress("Mail", "mailto://a:b@example.org", "mailto://example.org/****", user=admin)
        )
        opened_town.later(1)
        opened_town.run(daily)
        yield opened_town


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


def routes() -> set[str]:
    """The paths of all pages and parts of pages."""
    contexts = [route for router in ROUTERS for route in iter_route_contexts(router.routes)]
    return {str(route.path) for route in contexts if "GET" in (route.methods or ())}


def test_every_page_is_checked_at_an_address() -> None:
    assert routes() == ADDRESSES.keys() | ELSEWHERE.keys()


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


def test_the_first_visit_is_accessible(chromium: Browser, tmp_path: Path) -> None:
    with opened(make_home(tmp_path / "home", advertisers=1, ads=1)) as empty, visited(chromium, empty, None) as person:
        person.goto("/")
        look(person.page)


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


def visited(chromium: Browser, town: Town, user: str | None) -> AbstractContextManager[Person]:
    """A visit in which nothing moves, so that colours are what they are to be."""
    return visiting(chromium, town, user, reduced_motion="reduce")


def look(page: Page) -> None:
    """Looks at the page as it is on a wide light screen, and on a narrow dark one."""
    # Without it, a color is measured on its way from light to dark.
    page.emulate_media(reduced_motion="reduce")
    # Parts of the page that come with requests of their own.
    expect(page.locator(".htmx-request, [aria-busy=true]")).to_have_count(0)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    faults = [f"wide and light: {fault}" for fault in (*axe(page), *clipped(page))]
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    faults += [f"narrow and dark: {fault}" for fault in (*axe(page), *clipped(page))]
    width = page.evaluate("document.scrollingElement.scrollWidth")
    if width > PHONE[0]:
        faults.append(f"narrow: the page is {width} wide, because of {wide(page)}")
    assert not faults, "\n".join(faults)


def axe(page: Page) -> list[str]:
    """What axe finds serious or critical, each with where it is."""
    # What it would load beforehand is for a rule about sounds that play by themselves: no page has any.
    results = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:300]} {' '.join(node['failureSummary'].split())}"
        for violation in results["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def clipped(page: Page) -> list[str]:
    """Rows of links that scroll up and down, boxes that scroll by a few pixels, and menus that open beyond the page."""
    return list(
        page.evaluate(
            """async () => {
                const scrolls = (one) => ["auto", "scroll"].includes(getComputedStyle(one).overflowY);
                const excess = (one) => one.clientHeight ? one.scrollHeight - one.clientHeight : 0;
                const rows = [...document.querySelectorAll("nav")].filter((one) => scrolls(one) && excess(one) > 0);
                const boxes = [...document.querySelectorAll("body *")]
                    .filter((one) => scrolls(one) && excess(one) > 0 && excess(one) < 4);
                const menus = [];
                for (const menu of document.querySelectorAll("details.menu")) {
                    const before = menu.open;
                    menu.open = true;
                    await new Promise((resolve) => setTimeout(resolve));
                    const { left, right } = menu.querySelector(".menu-body").getBoundingClientRect();
                    menu.open = before;
                    if (left < 0 || right > document.documentElement.clientWidth + 1) menus.push(menu);
                }
                return [...rows, ...boxes, ...menus].map((one) => `clipped: ${one.outerHTML.slice(0, 160)}`);
            }"""
        )
    )


def wide(page: Page) -> list[str]:
    """The elements that reach beyond the right edge, and do not scroll by themselves."""
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
                .filter((one) => {
                    for (let box = one.parentElement; box && box !== document.body; box = box.parentElement) {
                        if (getComputedStyle(box).overflowX !== "visible") return false;
                    }
                    return true;
                })
                .slice(0, 5).map((one) => one.outerHTML.slice(0, 160))"""
        )
    )
