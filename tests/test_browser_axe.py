"""Where every page is, what is accessible, and the first page that anybody sees; integrations/ has all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from browser import PASSWORD, PHONE, Person, Town, opened, visiting
from home import make_home

AXE = Path(__file__).parent.parent / "node_modules" / "axe-core" / "axe.min.js"


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
        "/docs": "/docs",
        "/docs/search": "/docs/search?q=time+zones",
        "/docs/{address:path}": "/docs/dataset-files",
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


def routes() -> set[str]:
    """The paths of all pages and parts of pages."""
    contexts = [route for router in ROUTERS for route in iter_route_contexts(router.routes)]
    return {str(route.path) for route in contexts if "GET" in (route.methods or ())}


def test_every_page_is_checked_at_an_address() -> None:
    assert routes() == ADDRESSES.keys() | ELSEWHERE.keys()


@pytest.mark.slow
def test_the_first_visit_is_accessible(chromium: Browser, tmp_path: Path) -> None:
    with opened(make_home(tmp_path / "home", advertisers=1, ads=1)) as empty, visited(chromium, empty, None) as person:
        person.goto("/")
        look(person.page)


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
