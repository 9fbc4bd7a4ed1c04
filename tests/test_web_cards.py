"""A dataset's cards on its page: charts with a table beside each, choices, and what stands where there is no chart."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from adreel.lake import Lake
from home import Home
from running import Tampered
from web_home import Site, open_site, words_of

BASE = "/datasets/spend"
EVIL = '</script><img src=x onerror="alert(1)">{b|x}'


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    """Ads by day of three accounts in three currencies."""
    metrics = ["spend", "impressions", "clicks", "conversion", "reach", "video_play_actions", "video_watched_2s"]
    home.good("run", "-f", home.file(metrics=metrics, dates={"start": "today-9", "end": "yesterday"}))
    with open_site(home) as opened:
        yield opened


def figures(page: str) -> dict[str, str]:
    """The page's cards by title."""
    blocks = re.findall(r"(?s)<figure.*?</figure>", page)
    return {html.unescape(re.findall(r"<h2[^>]*>([^<]*)</h2>", block)[0]): block for block in blocks}


def charts(page: str) -> dict[str, dict[str, Any]]:
    """What is to be drawn, by title."""
    attributes = re.findall(r'data-chart="([^"]*)"', page)
    return {chart["title"]: chart for chart in (json.loads(html.unescape(attribute)) for attribute in attributes)}


def rows(site: Site) -> list[dict[str, Any]]:
    table_rows: list[dict[str, Any]] = Lake(site.home.path / "lake").read("spend").read_all().to_pylist()
    return table_rows


def test_the_page_is_there_at_once_and_its_charts_come_in_one_request(site: Site) -> None:
    page = site.visit("admin").good(f"{BASE}/cards")
    assert page.count('hx-trigger="load"') == 1
    assert f'hx-get="{BASE}/cards/all"' in page
    assert "data-chart" not in page
    waiting = figures(page)
    assert {"Totals", "Cost by day", "Top ads by cost"} <= set(waiting)
    assert all('aria-busy="true"' in figure for figure in waiting.values())
    assert "echarts.min.js" in page
    assert "<script>" not in page


def test_each_chart_has_a_title_a_meaning_and_the_same_figures_as_a_table(site: Site) -> None:
    page = site.visit("admin").good(f"{BASE}/cards/all")
    for title, figure in figures(page).items():
        assert "View as table" in words_of(figure), title
        heading = re.search(r'<figcaption><h2[^>]*id="([^"]*)"', figure)
        assert heading is not None
        assert heading[1] in re.findall(r'aria-labelledby="([^"]*)"', figure)
    chart = charts(page)["Cost by day"]
    (series,) = chart["panels"][0]["series"]
    table = re.findall(
        r'<th scope="row">([^<]*)</th><td class="cell-number">([^<]*)</td>', figures(page)["Cost by day"]
    )
    assert [day for day, _ in table] == chart["x"]["values"]
    assert [float(text.split()[0].replace(",", "")) for _, text in table] == pytest.approx(series["values"], abs=0.5)


def test_money_is_of_one_currency_and_another_can_be_chosen(site: Site) -> None:
    visit = site.visit("admin")
    for currency in ("EUR", "USD", "JPY"):
        chart = charts(visit.good(f"{BASE}/cards/all", currency=currency))["Cost by day"]
        shown = sum(value for value in chart["panels"][0]["series"][0]["values"] if value is not None)
        spent = sum(float(row["spend"]) for row in rows(site) if row["currency"] == currency)
        assert shown == pytest.approx(spent)
        assert chart["panels"][0]["format"]["currency"] == currency
    page = visit.good(f"{BASE}/cards/all", currency="EUR")
    assert 'value="EUR" selected' in page
    assert "currencies are never summed" in words_of(page)


def test_what_all_cards_have_to_say_is_said_once(site: Site) -> None:
    page = words_of(site.visit("admin").good(f"{BASE}/cards/all"))
    assert page.count("Ad accounts in EUR, USD are left out, as currencies are never summed.") == 1


def test_days_and_advertiser_are_chosen_and_stay_in_the_address(site: Site) -> None:
    visit = site.visit("admin")
    advertiser = rows(site)[0]["advertiser_id"]
    page = visit.good(f"{BASE}/cards", days="7", advertiser=advertiser, currency="")
    assert f'hx-get="{BASE}/cards/all?advertiser={advertiser}&amp;days=7"' in page
    page = visit.good(f"{BASE}/cards/all", days="7", advertiser=advertiser)
    assert len(charts(page)["Cost by day"]["x"]["values"]) == 7
    assert f'value="{advertiser}" selected' in page
    names = {
        account.advertiser_id: account.name
        for account in site.store.accounts.advertisers(site.store.accounts.get("demo"))
    }
    assert f"{names[advertiser]} ({advertiser})" in words_of(page)
    assert len(charts(visit.good(f"{BASE}/cards/all", days="all"))["Cost by day"]["x"]["values"]) == 9


@pytest.mark.parametrize("days", ["many", "-1", "99999", "0x10"])
def test_days_that_are_no_number_are_refused(site: Site, days: str) -> None:
    answer = site.visit("admin").get(f"{BASE}/cards", days=days)
    assert answer.status_code == 422
    assert "is not a valid number of days" in words_of(answer.text)


def test_a_choice_that_the_table_does_not_have_fails_in_each_cards_place_and_can_be_tried_again(site: Site) -> None:
    visit = site.visit("admin")
    shown = figures(visit.part(f"{BASE}/cards/all", currency="XXX").text)
    assert {"Totals", "Cost by day"} <= set(shown)
    for title, figure in shown.items():
        assert "The chart failed to load: " in words_of(figure), title
        assert "Try again" in words_of(figure), title
    again = re.search(r'hx-get="([^"]*)"', shown["Cost by day"])
    assert again is not None
    path = html.unescape(again[1]).replace("currency=XXX", "currency=EUR")
    answer = visit.part(path)
    assert list(charts(answer.text)) == ["Cost by day"]
    assert "<html" not in answer.text


def test_a_card_that_is_none_is_not_found(site: Site) -> None:
    assert site.visit("admin").get(f"{BASE}/cards/one", key="no.such").status_code == 404


def test_reach_is_added_up_on_no_card(site: Site) -> None:
    page = site.visit("admin").good(f"{BASE}/cards/all")
    reach = sum(row["reach"] for row in rows(site))
    assert f"{reach:,}" not in words_of(page)
    assert all("reach" not in str(chart.get("panels", "")).lower() for chart in charts(page).values())


def test_with_append_cards_say_why_they_are_not_shown(home: Home) -> None:
    home.good("run", "-f", home.file(update={"method": "append"}))
    home.good("run", "spend")
    with open_site(home) as site:
        page = site.visit("admin").good(f"{BASE}/cards/all")
        assert not charts(page)
        assert all("chart-state" in figure for figure in figures(page).values())


def test_names_with_markup_reach_charts_and_tables_as_text(home: Home) -> None:
    def change(_: dict[str, str], data: dict[str, Any]) -> None:
        for row in data.get("list") or []:
            if "campaign_name" in row.get("metrics", {}):
                row["metrics"]["campaign_name"] = EVIL

    home.transport = Tampered(home, change)
    home.good("run", "-f", home.file(data_level="campaign", metrics=["spend", "clicks", "campaign_name"]))
    with open_site(home) as site:
        visit = site.visit("admin")
        page = visit.good(f"{BASE}/cards/all")
        assert EVIL in str(charts(page))
        for text in (page, visit.good(f"{BASE}/data"), visit.good(f"{BASE}/data/columns", count="1")):
            assert "<img" not in text
            assert "&lt;img src=x" in text


def test_a_list_of_campaigns_has_cards_of_its_own(home: Home) -> None:
    nothing = {"data_level": None, "time_dimension": None, "metrics": None, "dates": None}
    home.good("run", "-f", home.file(report="campaigns", **nothing))
    with open_site(home) as site:
        drawn = charts(site.visit("admin").good(f"{BASE}/cards/all"))
        assert len(drawn) >= 2
        count = len(rows(site))
        assert any(sum(chart["panels"][0]["series"][0]["values"]) == count for chart in drawn.values())
        assert set(drawn["Campaigns by on/off status"]["x"]["values"]) <= {"Active", "Paused", "Deleted"}
        assert {"Campaigns by Smart+", "Campaigns by objective"} <= set(drawn)
        visit = site.visit("admin")
        page = visit.good(f"{BASE}/data", where="operation_status:=:ENABLE", column="operation_status")
        assert '<span title="ENABLE">Active</span>' in page
        assert "On/off status is Active" in words_of(page)
        assert "which filters, files and SQL use" in page
        assert '<option value="DISABLE">Paused</option>' in visit.good(f"{BASE}/data/filter", column="operation_status")
        assert "Version 0 No earlier versions" in visit.words(BASE)
        assert "ENABLE" in visit.get(f"{BASE}/export", where="operation_status:=:ENABLE").text


def test_cards_of_a_dataset_that_changed_its_method_look_at_the_versions(home: Home) -> None:
    home.good("run", "-f", home.file(update={"method": "append"}))
    home.good("run", "-f", home.file(update={"method": "replace"}))
    with open_site(home) as site:
        assert "Cost by day" in charts(site.visit("admin").good(f"{BASE}/cards/all"))


def test_advertisers_are_called_by_their_names_where_the_table_has_only_ids(site: Site) -> None:
    names = {account.name for account in site.store.accounts.advertisers(site.store.accounts.get("demo"))}
    drawn = figures(site.visit("admin").part(f"{BASE}/cards/all").text)
    (bars,) = (text for title, text in drawn.items() if title == "Top ad accounts by cost")
    # One, since each of the three has another currency.
    assert len([name for name in names if html.escape(name) in bars]) == 1
