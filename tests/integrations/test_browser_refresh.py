"""What a person does on a page stays while the page refreshes itself, and what went wrong is in view, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

import browser
from browser import PASSWORD, PHONE, Town, opened, unfold, visiting
from home import make_home

chromium = browser.chromium


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """An account of the administrator's, and a dataset with a table."""
    with opened(make_home(tmp_path / "home", advertisers=2, ads=4, days=30)) as opened_town:
        admin = opened_town.store.users.add_first("admin", PASSWORD)
        opened_town.run(opened_town.dataset(opened_town.connect("Shop", admin), admin))
        yield opened_town


def test_what_is_ticked_typed_and_open_stays_while_a_run_refreshes_the_page(chromium: Browser, town: Town) -> None:
    town.reports.clear()
    town.ask_for_run(town.store.datasets.get("spend_by_ad"))
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto("/datasets")
        box = page.get_by_role("checkbox", name="Select Spend by ad")
        box.check()
        page.locator("#tag-name").fill("weekly")
        for _ in range(2):
            with page.expect_response(lambda answer: answer.url.endswith("/datasets")):
                pass
        page.evaluate("() => new Promise(requestAnimationFrame)")
        expect(box).to_be_checked()
        expect(page.locator("[data-count]")).to_have_text("1")
        expect(page.locator("#tag-name")).to_have_value("weekly")
        expect(page.get_by_role("button", name="Add tag")).to_be_enabled()
        person.goto("/datasets/spend_by_ad/data")
        page.locator("#columns-menu > summary").click()
        column = page.locator("#columns-menu input[name=show]").nth(1)
        column.uncheck()
        town.reports.set()
        expect(page.locator("#live")).to_contain_text("Run complete")
        expect(page.locator("#columns-menu")).to_have_attribute("open", "")
        expect(column).not_to_be_checked()


def test_the_overview_of_a_first_run_never_contradicts_itself(chromium: Browser, town: Town) -> None:
    admin = town.store.users.get("admin")
    first = town.dataset(town.store.accounts.list()[0], admin, name="First")
    town.reports.clear()
    town.ask_for_run(first)
    with visiting(chromium, town, "admin") as person:
        page = person.page
        person.goto(f"/datasets/{first.slug}")
        expect(page.locator("#live")).to_contain_text("Running")
        expect(page.locator("#notes")).to_have_text("Running")
        expect(page.locator("main")).to_contain_text("The table appears when the first run is complete.")
        page.evaluate(STATES)
        town.reports.set()
        expect(page.locator("#live")).to_contain_text("Run complete")
        expect(page.locator("#notes")).to_have_text(re.compile("^Run complete: .* rows read"))
        expect(page.locator("main")).to_contain_text("Verification")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        states: list[list[bool]] = page.evaluate("() => window.states")
        assert [False, True, False, True] in states
        assert states[-1] == [True, False, True, False]
        assert {tuple(state) for state in states} <= {(False, True, False, True), (True, False, True, False)}


def test_charts_that_arrive_before_the_script_that_draws_them_are_drawn(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin") as person:
        page = person.page
        held: list[Route] = []
        page.route("**/echarts.min.js*", lambda route: held.append(route))
        page.goto("/datasets/spend_by_ad/cards", wait_until="commit")
        expect(page.get_by_text("View as table").first).to_be_visible()
        held[0].continue_()
        expect(page.locator("figure canvas").first).to_be_visible()


STATES = """() => {
  window.states = [];
  const look = () => {
    const [banner, main] = [document.querySelector("#live").textContent, document.querySelector("main").textContent];
    window.states.push([/Run complete/.test(banner), /Running|Queued/.test(banner),
      /Rows as of/.test(main), /The table appears when the first run/.test(main)]);
  };
  look();
  const frame = () => { look(); requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""
"""What a person sees, frame by frame: the banner and the rest of the page."""


def test_a_form_that_was_refused_says_why_in_view_and_keeps_what_was_filled_in(chromium: Browser, town: Town) -> None:
    with visiting(chromium, town, "admin", viewport={"width": PHONE[0], "height": PHONE[1]}) as person:
        page = person.page
        person.expect_refusal(422)
        person.goto("/datasets/new")
        unfold(page, "Name & describe")
        page.get_by_label("Description", exact=True).fill("for Monday")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#summary")).to_be_focused()
        expect(page.locator("#summary")).to_be_in_viewport()
        assert urlsplit(page.url).path == "/datasets/new"
        expect(page.get_by_label("Description", exact=True)).to_have_value("for Monday")
        person.goto("/users/1")
        page.get_by_role("button", name="Disable admin").click()
        expect(page.get_by_role("alert")).to_be_in_viewport()
        expect(page.get_by_role("alert")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_to_fill_in_differ_from_what_surrounds_them(chromium: Browser, town: Town, scheme: str) -> None:
    with visiting(chromium, town, "admin", color_scheme=scheme) as person:
        for path in ("/datasets", "/datasets/new", "/datasets/spend_by_ad/data", "/accounts/1"):
            person.goto(path)
            ratios: dict[str, float] = person.page.evaluate(CONTRAST)
            assert ratios, path
            assert min(ratios.values()) >= 3, (path, ratios)


CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const seen = (color) => !/, 0\\)$|^transparent$/.test(color);
  const behind = (element) => {
    while (element && !seen(getComputedStyle(element).backgroundColor)) element = element.parentElement;
    return element ? getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
  };
  const found = {};
  for (const element of document.querySelectorAll("main .form-control, main .form-select, main .form-check-input")) {
    if (element.checked || element.disabled || element.ariaDisabled === "true" || !element.offsetWidth) continue;
    if (getComputedStyle(element).opacity < 1) continue;
    const [one, other] = [light(getComputedStyle(element).borderTopColor), light(behind(element.parentElement))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found[element.className + element.type] = Math.min(ratio, found[element.className + element.type] ?? 99);
  }
  return found;
}"""
