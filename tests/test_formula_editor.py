"""Calculated metrics in the form: suggestions, the check of files while a formula is typed, examples, ready ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from adreel.datasets.dataset import Source
from adreel.datasets.validation import check
from form_page import sent
from home import SPEND, Home
from test_web_details import at, begun, data, form
from web_home import Site, Visit, open_site, words_of

HOOK = "100 * video_watched_2s / impressions"


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    with open_site(home) as opened:
        yield opened


def pressed(visit: Visit, page: str, button: str, **fields: str) -> str:
    """The form after one of its buttons, with what was typed before."""
    named = {name.replace("__", "."): value for name, value in fields.items()}
    pairs = [(name, value) for name, value in sent(page) if name not in named]
    return form(visit, [*pairs, *named.items(), ("do", button)])


def typed(visit: Visit, page: str, formula: str, **fields: str) -> str:
    """What is feedback while a formula is typed."""
    named = {"calc.formula": formula} | {name.replace("__", "."): value for name, value in fields.items()}
    pairs = [(name, value) for name, value in sent(page) if name not in named]
    answer = visit.fragment("POST", "/datasets/form/formula", data([*pairs, *named.items()]))
    assert answer.status_code == 200
    return answer.text


def entries(page: str) -> Any:
    """The calculated metrics that the form carries along."""
    return json.loads(dict(sent(page)).get("calculated_metrics", "[]"))


def opened(visit: Visit, **fields: Any) -> str:
    """A new form with an empty editor."""
    return pressed(visit, begun(visit, **fields), "calc new")


def test_a_formula_is_written_checked_and_added_with_the_metrics_that_it_lacks(site: Site) -> None:
    visit = site.visit("admin")
    page = opened(visit, name="Hooks")
    feedback = typed(visit, page, HOOK)
    assert "2-second video views" in words_of(feedback)
    assert 'value="calc need video_watched_2s"' in feedback
    assert 'value="calc need impressions"' not in feedback
    page = pressed(visit, page, "calc save", calc__title="My hook rate", calc__formula=HOOK, calc__unit="percent")
    mine = {"name": "my_hook_rate", "title": "My hook rate", "formula": HOOK, "unit": "percent"}
    assert entries(page) == [mine]
    assert "calc-editor" not in page
    assert [value for name, value in sent(page) if name == "metrics"] == ["spend", "impressions", "video_watched_2s"]
    # It is a column of the summary, and of the first rows.
    assert "<code>my_hook_rate</code>" in page.split('id="columns"')[1]
    preview = visit.fragment("POST", "/datasets/preview", data(sent(page))).text
    rows = re.findall(r"<tr>(.*?)</tr>", preview.split("<tbody>")[1])
    heads = re.findall(r'data-column="(\w+)"', preview)
    assert rows
    for row in rows:
        cells = dict(zip(heads, re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row), strict=True))
        views, impressions = (Decimal(cells[name].replace(",", "")) for name in ("video_watched_2s", "impressions"))
        rate = Decimal(cells["my_hook_rate"].replace(",", ""))
        assert abs(rate - 100 * views / impressions) < Decimal("0.000001")
    assert visit.sent("/datasets/new", data([*sent(page), ("then", "open")])) == "/datasets/hooks"
    assert json.loads(site.store.datasets.get("hooks").spec)["calculated_metrics"] == [mine]


@pytest.mark.parametrize(
    ("formula", "marked"),
    [
        ("spend / imprssions", ["imprssions"]),
        ("spend clicks", ["clicks"]),
        ("spend / (clicks", ["("]),
        ("spend ^ 2", ["^"]),
        ("spend /", [" "]),
        ("ctr + reach", ["ctr", "reach"]),
        ("spend + clicks", []),
        ("spend * spend", []),
        ("1 + 2", []),
    ],
)
def test_an_error_is_told_at_its_place_in_the_words_of_the_file(site: Site, formula: str, marked: list[str]) -> None:
    visit = site.visit("admin")
    feedback = typed(visit, opened(visit), formula)
    assert re.findall(r"<mark>(.*?)</mark>", feedback) == marked
    values = SPEND | {"calculated_metrics": [{"name": "mine", "formula": formula}]}
    for problem in check(Source(values, {}), site.home.now).problems:
        reason = problem.reason.removeprefix("mine: ").removesuffix(".")
        assert reason[1:] in words_of(feedback), (reason, words_of(feedback))
    # Nothing wrong is added, and the editor stays with what was typed.
    page = pressed(visit, opened(visit), "calc save", calc__title="Mine", calc__formula=formula)
    assert entries(page) == []
    assert dict(sent(page))["calc.formula"].strip() == formula


def test_a_taken_name_is_told_at_the_name_and_an_edit_keeps_its_own(site: Site) -> None:
    visit = site.visit("admin")
    page = pressed(visit, begun(visit), "calc add cpa")
    page = pressed(visit, page, "calc new")
    assert "listed more than once" in at(
        pressed(visit, page, "calc save", calc__name="cpa", calc__formula=HOOK), "calc-name"
    )
    assert "choose another" in at(
        pressed(visit, page, "calc save", calc__name="spend", calc__formula=HOOK), "calc-name"
    )
    assert "Enter a title" in at(pressed(visit, page, "calc save", calc__formula=HOOK), "calc-name")
    page = pressed(visit, page, "calc edit cpa")
    assert dict(sent(page))["calc.formula"].strip() == "spend / conversion"
    # Applied as it is, it stays the ready-made one.
    assert entries(pressed(visit, page, "calc save")) == ["cpa"]
    changed = pressed(visit, page, "calc save", calc__title="Cost per action")
    assert entries(changed) == [{"name": "cpa", "formula": "spend / conversion", "title": "Cost per action"}]


def test_a_ready_formula_is_one_click_and_adds_its_metrics(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, metrics__search="hook rate")
    assert 'value="calc add hook_rate"' in page.split('id="found-metrics"')[1].split("</div>")[0]
    page = pressed(visit, page, "calc add hook_rate")
    assert entries(page) == ["hook_rate"]
    assert "video_watched_2s" in [value for name, value in sent(page) if name == "metrics"]
    page = pressed(visit, page, "calc add cpa")
    assert entries(pressed(visit, page, "calc move cpa up")) == ["cpa", "hook_rate"]
    page = pressed(visit, page, "calc remove hook_rate")
    assert entries(page) == ["cpa"]
    assert "Removed Hook rate." in words_of(page)
    assert entries(pressed(visit, page, "calc restore")) == ["hook_rate", "cpa"]
    # A report that lacks the metrics offers none of them.
    assert 'value="calc add' not in form(visit, [(n, "campaigns" if n == "report" else v) for n, v in sent(page)])


def test_an_example_has_the_sums_of_the_first_rows_or_of_the_last_run(site: Site) -> None:
    visit = site.visit("admin")
    page = opened(visit, advertisers__how="all")
    assert "Load preview for an example" in typed(visit, page, "spend / clicks")
    sums = json.dumps({"currency": "EUR", "sums": {"spend": "12.5", "clicks": "5"}})
    feedback = words_of(typed(visit, page, "1000 * spend / clicks", calc__sums=sums))
    assert "Gives money in EUR . With the sums of the first rows: 1000 * 12.50 / 5 = 2,500.00 EUR" in feedback
    feedback = words_of(typed(visit, page, "spend / clicks", calc__sums=sums.replace('"5"', '"0"')))
    assert "empty: it divides by zero" in feedback
    several = json.dumps({"currency": "", "several_currencies": True, "sums": {"clicks": "5"}})
    feedback = words_of(typed(visit, page, "spend / clicks", calc__sums=several))
    assert "No example: Cost is in several currencies, so it has no sum." in feedback
    lacking = words_of(typed(visit, page, "spend / impressions", calc__sums=several.replace("true", "false")))
    assert "No example: the first rows have no sum of Cost and Impressions." in lacking
    for odd in ("[]", "{", '{"currency": 1, "sums": {"spend": "1e999999", "clicks": "NaN"}}', "9" * 200_000):
        assert "Load preview for an example" in typed(visit, page, "spend / clicks", calc__sums=odd)
    preview = visit.fragment("POST", "/datasets/preview", data(sent(page))).text
    carried = json.loads(dict(sent(f'<form id="details">{preview}</form>'))["calc.sums"])
    assert Decimal(carried["sums"]["impressions"]) > 0
    site.home.good("run", "-f", site.home.file(metrics=["spend", "clicks", "impressions"]))
    page = pressed(visit, visit.good("/datasets/spend/settings"), "calc new")
    feedback = words_of(typed(visit, page, "100 * clicks / impressions", calc__unit="percent"))
    totals = site.store.runs.good(site.store.datasets.get("spend"))[0].verification["totals"]
    clicks, impressions = (totals[name]["actual"] for name in ("clicks", "impressions"))
    assert f"100 * {clicks:,} / {impressions:,} = {100 * clicks / impressions:,.2f} %" in feedback


def test_a_percentage_gets_its_factor_by_a_click(site: Site) -> None:
    visit = site.visit("admin")
    page = opened(visit)
    feedback = typed(visit, page, "clicks / impressions", calc__unit="percent")
    assert "factor 100" in feedback
    assert 'value="calc percent"' in feedback
    money = words_of(typed(visit, page, "spend / clicks", calc__unit="percent"))
    assert "The formula gives an amount of money, not a percent; choose the automatic format." in money
    page = pressed(visit, page, "calc percent", calc__formula="clicks / impressions", calc__unit="percent")
    assert dict(sent(page))["calc.formula"].strip() == "100 * (clicks / impressions)"
    assert "Gives percent" in words_of(page)


@pytest.mark.parametrize(
    ("words", "name"), [("hook", "video_watched_2s"), ("add to ca", "web_event_add_to_cart"), ("impr", "impressions")]
)
def test_suggestions_know_what_marketers_say_and_have_no_rates(site: Site, words: str, name: str) -> None:
    visit = site.visit("admin")
    answer = visit.fragment("POST", f"/datasets/form/metrics?q={words}", data(sent(opened(visit))))
    names = [metric["name"] for metric in answer.json()["metrics"]]
    assert name in names
    assert len(names) <= 8
    assert "ctr" not in names


@pytest.mark.parametrize(("words", "name"), [("click", "clicks"), ("spe", "spend"), ("cost", "spend")])
def test_the_first_suggestion_is_the_selected_metric_that_begins_so(site: Site, words: str, name: str) -> None:
    visit = site.visit("admin")
    answer = visit.fragment("POST", f"/datasets/form/metrics?q={words}", data(sent(opened(visit))))
    assert answer.json()["metrics"][0]["name"] == name


def test_a_half_written_formula_is_in_the_draft(site: Site) -> None:
    visit = site.visit("admin")
    page = opened(visit, name="Half")
    form(visit, [*((n, v) for n, v in sent(page) if n != "calc.formula"), ("calc.formula", "spend /")])
    (link,) = re.findall(r'href="(/datasets/new\?draft=[^"]+)"', visit.good("/home"))
    continued = visit.good(link)
    assert dict(sent(continued))["calc.formula"].strip() == "spend /"
    saved = pressed(visit, continued, "calc save", calc__formula="spend / clicks", calc__title="Per click")
    assert [entry["name"] for entry in entries(saved)] == ["per_click"]
    again = visit.good(link)
    assert [entry["name"] for entry in entries(again)] == ["per_click"]
    assert "calc-editor" not in again


def test_a_formula_that_is_not_added_is_not_lost_when_the_form_is_saved(site: Site) -> None:
    visit = site.visit("admin")
    page = opened(visit, name="Unfinished")
    pairs = [(name, value) for name, value in sent(page) if name != "calc.formula"]
    answer = visit.post("/datasets/new", data([*pairs, ("calc.formula", "spend / clicks"), ("then", "open")]))
    assert answer.status_code == 422
    assert "The formula in the editor is not in the list yet. Add it, or cancel it." in words_of(answer.text)
    assert dict(sent(answer.text))["calc.formula"].strip() == "spend / clicks"
    # An editor in which nothing was typed is in nobody's way.
    assert visit.sent("/datasets/new", data([*sent(page), ("then", "open")])) == "/datasets/unfinished"
