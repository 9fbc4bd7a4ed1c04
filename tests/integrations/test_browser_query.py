"""The query page in Chromium, by keyboard: suggestions, errors marked in the text, saved queries, and the chart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import browser
from browser import PASSWORD, Person, Town, opened, visiting
from home import make_home

chromium = browser.chromium


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A home with a table."""
    with opened(make_home(tmp_path_factory.mktemp("query") / "home", advertisers=2, ads=4)) as opened_town:
        admin = opened_town.store.users.add_first("admin", PASSWORD)
        opened_town.run(opened_town.dataset(opened_town.connect("Shop", admin), admin))
        yield opened_town


@pytest.fixture
def person(chromium: Browser, town: Town) -> Iterator[Person]:
    with visiting(chromium, town, "admin") as somebody:
        somebody.goto("/query")
        yield somebody


def editor(page: Page) -> Locator:
    return page.get_by_label("SQL", exact=True)


def selected(page: Page) -> Any:
    return page.evaluate(
        "() => { const e = document.getElementById('sql'); return e.value.slice(e.selectionStart, e.selectionEnd); }"
    )


def test_tables_and_columns_are_completed_by_keyboard(person: Person) -> None:
    page = person.page
    editor(page).focus()
    page.keyboard.type("select  from spe")
    expect(page.get_by_role("option", name="spend_by_ad")).to_be_visible()
    expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    active = editor(page).get_attribute("aria-activedescendant")
    assert active == page.get_by_role("option").first.get_attribute("id")
    expect(page.locator("#completion-count")).to_contain_text("suggestion")
    page.keyboard.press("Enter")
    expect(editor(page)).to_have_value("select  from spend_by_ad")
    expect(page.get_by_role("listbox")).to_be_hidden()
    for _ in range(len(" from spend_by_ad")):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("impr")
    expect(page.get_by_role("option").first).to_contain_text("impressions")
    page.keyboard.press("Tab")
    expect(editor(page)).to_have_value("select impressions from spend_by_ad")
    page.keyboard.press("Control+z")
    expect(editor(page)).to_have_value("select impr from spend_by_ad")
    page.keyboard.press("Control+Space")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    # With the list closed, Tab leaves the editor.
    page.keyboard.press("Tab")
    expect(editor(page)).not_to_be_focused()


def test_nothing_is_suggested_within_texts_and_comments(person: Person) -> None:
    page = person.page
    for sql in ("select 'spe", "select 1 -- spe", "/* spe"):
        editor(page).fill("")
        editor(page).focus()
        page.keyboard.type(sql)
        page.wait_for_timeout(50)
        expect(page.get_by_role("listbox")).to_be_hidden()


def test_an_alias_completes_the_columns_of_its_table(person: Person) -> None:
    page = person.page
    editor(page).fill("select s. from spend_by_ad as s")
    editor(page).focus()
    page.keyboard.press("Control+Home")
    for _ in range(len("select s.")):
        page.keyboard.press("ArrowRight")
    page.keyboard.type("cli")
    expect(page.get_by_role("option").first).to_contain_text("clicks")
    expect(page.get_by_role("option", name="select", exact=True)).to_have_count(0)


def test_an_error_marks_its_word_in_the_text(person: Person) -> None:
    page = person.page
    person.expect_refusal(422)
    editor(page).fill("select '\N{SNOWMAN}' as a,\n  '\N{GRINNING FACE}', spnd\nfrom spend_by_ad")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Line 2, column 8. Column spnd does not exist.")
    assert selected(page) == "spnd"
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Go to line 2").click()
    assert selected(page) == "spnd"
    expect(editor(page)).to_have_attribute("aria-invalid", "true")


def test_a_query_is_run_saved_and_found_in_the_history(person: Person) -> None:
    page = person.page
    editor(page).fill("select count(*) as n from spend_by_ad")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("region", name="Query result")).to_be_visible()
    page.get_by_role("heading", name="History").click()
    expect(page.get_by_role("link", name="select count(*) as n from spend_by_ad")).to_be_visible()
    page.get_by_text("Save", exact=True).click()
    page.get_by_label("Name").fill("Rows")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved query Rows.")).to_be_visible()
    expect(page.get_by_role("link", name="Rows", exact=True)).to_be_visible()
    expect(editor(page)).to_have_value("select count(*) as n from spend_by_ad")


def test_the_answer_is_drawn_and_rows_are_never_summed_by_the_chart(person: Person) -> None:
    page = person.page
    editor(page).fill(
        "select stat_time_day, advertiser_id, sum(spend) as spend from spend_by_ad group by all order by all"
    )
    page.keyboard.press("Control+Enter")
    page.get_by_text("Chart", exact=True).click()
    canvas = page.locator("#query-chart-canvas canvas")
    expect(canvas).to_be_visible()
    chart = page.evaluate("() => JSON.parse(document.getElementById('query-chart-canvas').dataset.chart)")
    assert (chart["kind"], chart["x"]["type"]) == ("line", "day")
    assert len(chart["panels"][0]["series"]) == 2
    cells = page.locator(".answer-table tbody tr").first.locator("th, td").all_inner_texts()
    first = next(series for series in chart["panels"][0]["series"] if series["name"] == cells[1])
    assert first["values"][0] == float(cells[2].replace(",", ""))
    page.get_by_label("Split by").select_option("Nothing")
    expect(page.locator("#query-chart-note")).to_contain_text("has several rows. Choose what to split by")
    expect(canvas).to_be_hidden()
    editor(page).fill("select advertiser_id, sum(spend) as spend from spend_by_ad group by all")
    page.get_by_role("button", name="Run query").click()
    expect(page.locator(".answer-facts")).to_contain_text("2 rows")
    page.get_by_text("Chart", exact=True).click()
    expect(canvas).to_be_visible()
    assert page.evaluate("() => JSON.parse(document.getElementById('query-chart-canvas').dataset.chart).kind") == "bars"
