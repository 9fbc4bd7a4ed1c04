"""A dataset's cards on its page: charts with a table beside each, choices, and what stands where there is no chart."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adreel.lake import Lake
from api_home import program
from home import Home, copied, make_home
from running import Tampered
from web_home import Site, open_site, words_of

BASE = "/datasets/spend"
EVIL = '</script><img src=x onerror="alert(1)">{b|x}'


@pytest.fixture(scope="module")
def ran_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("ran") / "home")
    home.add_account()
    metrics = ["spend", "impressions", "clicks", "conversion", "reach", "video_play_actions", "video_watched_2s"]
    home.good("run", "-f", home.file(metrics=metrics, dates={"start": "today-9", "end": "yesterday"}))
    return home


@pytest.fixture
def site(ran_home: Home, tmp_path: Path) -> Iterator[Site]:
    """Ads by day of three accounts in three currencies."""
    with open_site(copied(ran_home, tmp_path / "home")) as opened:
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
        waits = title == "Pacing against a budget"
        assert ("Enter a budget" if waits else "View as table") in words_of(figure), title
        heading = re.search(r'<figcaption><h2[^>]*id="([^"]*)"', figure)
        assert heading is not None
        assert heading[1] in re.findall(r'aria-labelledby="([^"]*)"', figure)
    chart = charts(page)["Cost by day"]
    (series,) = chart["panels"][0]["series"]
    table = re.findall(
        r'<th scope="row"[^>]*>([^<]*)</th><td class="cell-number">([^<]*)</td>', figures(page)["Cost by day"]
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


def test_what_a_chart_shows_can_be_kept_as_a_file_with_plain_numbers(site: Site) -> None:
    visit = site.visit("admin")
    page = figures(visit.good(f"{BASE}/cards/all", currency="EUR", days="7"))["Cost by day"]
    (address,) = (html.unescape(link) for link in re.findall(r'href="([^"]*/cards/file[^"]*)"', page))
    answer = visit.get(address)
    assert answer.headers["content-disposition"].startswith("attachment")
    head, *lines = csv.reader(answer.content.decode("utf-8-sig").splitlines())
    assert head[:2] == ["Day", "Cost (EUR)"]
    chart = charts(page)["Cost by day"]
    assert [line[0] for line in lines] == chart["x"]["values"]
    values = chart["panels"][0]["series"][0]["values"]
    assert [float(line[1]) for line in lines] == pytest.approx(values, abs=0.005)


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
    assert f'value="{advertiser}" checked' in page
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
        stored = words_of(page).partition("Label Stored value")[2]
        assert "Active ENABLE" in stored
        assert "On/off status is Active" in words_of(page)
        assert "Filters, files and SQL use the stored values." in page
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


# -- what is chosen


LEVELS = [
    "spend",
    "impressions",
    "clicks",
    "reach",
    "campaign_id",
    "campaign_name",
    "adgroup_id",
    "adgroup_name",
    "ad_name",
]


@pytest.fixture(scope="module")
def levels_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("levels") / "home")
    home.add_account()
    home.good("run", "-f", home.file(metrics=LEVELS, dates={"start": "today-9", "end": "yesterday"}))
    return home


@pytest.fixture
def levels(levels_home: Home, tmp_path: Path) -> Iterator[Site]:
    """Ads by day with the campaigns and ad groups that they belong to."""
    with open_site(copied(levels_home, tmp_path / "home")) as opened:
        yield opened


def bars(page: str, title: str) -> dict[str, float]:
    """The values of a chart's bars by id."""
    chart = charts(page)[title]
    return dict(zip(chart["x"]["ids"], chart["panels"][0]["series"][0]["values"], strict=True))


def links_of(page: str, title: str) -> dict[str, str]:
    """The addresses in the table under a chart, by the names that lead there."""
    pairs = re.findall(r'<th scope="row"[^>]*><a href="([^"]*)">([^<]*)</a>', figures(page)[title])
    return {html.unescape(name): html.unescape(address) for address, name in pairs}


def part_of(address: str) -> str:
    """The address of the charts of a page."""
    return address.replace("/cards?", "/cards/all?")


def test_a_campaign_leads_to_its_ad_groups_and_these_to_their_ads_and_back(levels: Site) -> None:
    visit = levels.visit("admin")
    page = visit.good(f"{BASE}/cards/all", days="all", currency="EUR")
    chart = charts(page)["Top campaigns by cost"]
    links = links_of(page, "Top campaigns by cost")
    assert list(links.values()) == chart["x"]["links"]
    campaign = chart["x"]["ids"][0]
    below = visit.good(part_of(chart["x"]["links"][0]))
    assert "Top campaigns by cost" not in figures(below)
    of_campaign = [row for row in rows(levels) if row["campaign_id"] == campaign and row["currency"] == "EUR"]
    spent: dict[str, float] = {}
    for row in of_campaign:
        spent[row["adgroup_id"]] = spent.get(row["adgroup_id"], 0) + float(row["spend"])
    assert bars(below, "Top ad groups by cost") == pytest.approx(spent)
    assert f"All \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} Campaign {of_campaign[0]['campaign_name']}" in words_of(
        below
    )
    group = charts(below)["Top ad groups by cost"]["x"]
    ads = visit.good(part_of(group["links"][0]))
    assert "Top ad groups by cost" not in figures(ads)
    in_group = {row["ad_id"] for row in of_campaign if row["adgroup_id"] == group["ids"][0]}
    assert set(bars(ads, "Top ads by cost")) == in_group
    assert not links_of(ads, "Top ads by cost")
    crumbs = re.findall(r'<a href="([^"]*)"', re.findall(r'(?s)<nav class="chart-crumbs".*?</nav>', ads)[0])
    assert [f"campaign={campaign}" in crumb for crumb in crumbs] == [False, True]
    assert all("adgroup=" not in crumb and "days=all" in crumb for crumb in crumbs)


def test_a_filter_of_names_is_searched_and_applies_with_the_others(levels: Site) -> None:
    visit = levels.visit("admin")
    row = next(row for row in rows(levels) if row["currency"] == "EUR")
    values = visit.part(f"{BASE}/cards/values?key=campaign&search={row['campaign_name'][:9].upper()}").text
    assert f'value="{row["campaign_id"]}"' in values
    assert row["campaign_name"] in html.unescape(values)
    chosen = visit.part(f"{BASE}/cards/values?key=campaign&campaign={row['campaign_id']}&search=zzz").text
    assert re.findall(r'value="([^"]*)" checked', chosen) == [row["campaign_id"]]
    assert "Nothing else has zzz in its name or ID." in words_of(chosen)
    advertiser = visit.part(f"{BASE}/cards/values?key=advertiser&search={row['advertiser_id']}").text
    assert advertiser.count("<input") == 1
    page = visit.good(f"{BASE}/cards/all", days="all", campaign=row["campaign_id"], adgroup=row["adgroup_id"])
    clicks = sum(entry["clicks"] for entry in rows(levels) if entry["adgroup_id"] == row["adgroup_id"])
    assert f"{clicks:,}" in words_of(figures(page)["Totals"])
    assert visit.part(f"{BASE}/cards/values?key=objective").status_code == 404
    fault = words_of(visit.part(f"{BASE}/cards/all?objective=TRAFFIC").text)
    assert "Objective: the table cannot be filtered by objective" in fault
    assert "Reset filters" in fault


def test_each_chart_can_show_another_metric_and_none_that_cannot_be_summed(levels: Site) -> None:
    visit = levels.visit("admin")
    page = visit.good(f"{BASE}/cards/all", days="all", currency="EUR", metric="campaigns:clicks")
    clicks: dict[str, float] = {}
    for row in rows(levels):
        if row["currency"] == "EUR":
            clicks[row["campaign_id"]] = clicks.get(row["campaign_id"], 0) + row["clicks"]
    assert bars(page, "Top campaigns by clicks (destination)") == clicks
    figure = figures(page)["Top campaigns by clicks (destination)"]
    assert 'value="campaigns:clicks" selected' in figure
    assert '<optgroup label="Cannot be summed, so not offered"><option disabled>Reach</option>' in figure
    assert 'name="metric" value="campaigns:clicks"' in figures(page)["Cost by day"]
    refused = figures(visit.good(f"{BASE}/cards/all", metric="campaigns:reach"))
    (text,) = (figure for title, figure in refused.items() if title.startswith("Top campaigns"))
    assert "This chart cannot show the metric" in words_of(text)
    assert "campaigns:clicks" in text


def test_choices_are_kept_while_tabs_are_changed_until_they_are_reset(levels: Site) -> None:
    visit = levels.visit("admin")
    chosen = f"{BASE}/cards?days=7&compare=none"
    visit.good(chosen)
    answer = visit.client.get(f"{BASE}/cards", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, chosen)
    # A page that refreshes itself keeps its own choices, whatever another window has chosen since.
    own = visit.client.get(
        f"{BASE}/cards", headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{BASE}/cards?days=14"}
    )
    assert f'hx-get="{BASE}/cards/all?days=14"' in own.text
    visit.client.get(f"{BASE}/cards", params={"reset": "1"}, follow_redirects=False)
    assert visit.client.get(f"{BASE}/cards", follow_redirects=False).status_code == 200


def test_a_currency_that_was_chosen_for_the_charts_of_a_dataset_is_not_that_of_others(levels: Site) -> None:
    visit = levels.visit("admin")
    assert visit.client.get(f"{BASE}/cards/all", params={"currency": "EUR", "prefer": "1"}).status_code == 200
    levels.home.good("run", "-f", levels.home.file(name="Other", metrics=["spend"], dates={"period": "last_7_days"}))
    assert 'value="EUR" selected' in visit.good(f"{BASE}/cards/all")
    assert 'value="EUR" selected' not in visit.good("/datasets/other/cards/all")
    assert 'value="USD" selected' in visit.good("/datasets/other/cards/all", currency="USD")


def test_what_changes_how_figures_are_read_is_in_sight_and_all_else_is_folded(levels: Site) -> None:
    visit = levels.visit("admin")
    campaign = rows(levels)[0]
    page = visit.good(f"{BASE}/cards/all", currency="EUR", days="7", campaign=campaign["campaign_id"])
    (sight,) = re.findall(r'<p class="chart-cautions" id="charts-cautions">([^<]*)</p>', page)
    (filters,) = re.findall(r'(?s)<ul class="chips" aria-label="Active filters">.*?</ul>', page)
    assert f"Campaign: {campaign['campaign_name']}" in words_of(filters)
    first, every = (html.unescape(address) for address in re.findall(r'<a href="([^"]*)"', filters))
    assert first == every
    assert "campaign=" not in first
    assert "Active filters" not in visit.good(first.replace("/cards", "/cards/all"))
    assert f"Filtered by Campaign: {campaign['campaign_name']}." in html.unescape(page)
    assert "No previous period: the table begins on" in sight
    page = visit.good(f"{BASE}/cards/all", currency="EUR", days="7")
    assert "2 of 3 ad accounts are in other currencies and left out." in words_of(page)
    assert "Previous period: not available" in words_of(page)
    (folded,) = re.findall(r'(?s)<details class="cards-notes".*?</details>', page)
    assert re.search(r"\d+ notes? on these charts", words_of(folded))
    assert "No previous period" not in folded


def test_a_fall_of_figures_that_still_grow_is_not_called_worse(levels: Site) -> None:
    wide = {"metrics": ["spend", "clicks", "conversion"], "dates": {"start": "today-21", "end": "yesterday"}}
    levels.home.good("run", "-f", levels.home.file("wide.yaml", name="Wide", **wide))
    page = levels.visit("admin").good("/datasets/wide/cards/all", currency="USD", days="7")
    totals = re.findall(r"(?s)<dt>(.*?)</dt><dd>(.*?)</dd>", figures(page)["Totals"])
    changes = {words_of(title): words_of(change) for title, change in totals}
    assert re.search(r"▼ [\d.]+ % -[\d.]+ % ; recent days still grow", changes["Conversions"]), changes
    assert "worse" not in changes["Conversions"]


def test_creatives_have_the_names_of_the_ads_that_use_them_as_far_as_these_may_be_seen(levels: Site) -> None:
    videos = {"name": "Videos", "report": "creatives", "data_level": None, "time_dimension": None, "metrics": ["spend"]}
    levels.home.good("run", "-f", levels.home.file("videos.yaml", **videos))
    table = Lake(levels.home.path / "lake").read("videos").read_all().to_pylist()
    names = {row["ad_id"]: row["ad_name"] for row in rows(levels)}
    used = {row["material_id"]: {names[ad] for ad in row["related_ad_ids"] if ad in names} for row in table}
    visit = levels.visit("admin")
    page = visit.good("/datasets/videos/cards/all", currency="EUR")
    chart = charts(page)["Top creatives by cost"]
    bars = dict(zip(chart["x"]["ids"], chart["x"]["values"], strict=True))
    assert bars
    for material, label in bars.items():
        name, _, more = label.split(" (…")[0].partition(" and ")
        assert name == min(used[material])
        assert more == (f"{len(used[material]) - 1} more" if len(used[material]) > 1 else "")
    assert "Creatives have the names of the ads that use them." in words_of(page)
    drawn = program(levels).get("/datasets/videos/cards/creatives", currency="EUR")["chart"]
    assert drawn["x"]["values"] == chart["x"]["values"]


def test_filters_that_do_not_go_with_the_currency_that_is_chosen_are_removed_with_a_word(levels: Site) -> None:
    visit = levels.visit("admin")
    accounts = {row["currency"]: row["advertiser_id"] for row in rows(levels)}
    chosen = {"currency": "USD", "advertiser": accounts["EUR"]}
    answer = visit.part(f"{BASE}/cards/all", **chosen, prefer="1")
    assert "The filter Ad account was removed, as its rows are not in USD." in words_of(answer.text)
    assert "advertiser" not in answer.headers["HX-Push-Url"]
    assert 'value="USD" selected' in answer.text
    kept = visit.part(f"{BASE}/cards/all", currency="EUR", advertiser=accounts["EUR"], prefer="1")
    assert "was removed" not in kept.text
    assert f"advertiser={accounts['EUR']}" in kept.headers["HX-Push-Url"]
    # Whoever filters in a currency keeps the filter.
    filtered = visit.part(f"{BASE}/cards/all", **chosen)
    assert "was removed" not in filtered.text
    assert 'value="EUR" selected' in filtered.text


def test_converted_money_is_what_charts_home_and_dashboards_open_with_until_another_is_chosen(site: Site) -> None:
    visit, asking = site.visit("admin"), program(site)
    days = sorted({str(row["stat_time_day"]) for row in rows(site)})
    lines = [f"{days[0]},{currency},EUR,0.5" for currency in ("USD", "JPY")]
    asking.good("PUT", "/rates", json={"csv": "\n".join(["date,from,to,rate", *lines]), "valid_days": 31})
    page = visit.good(f"{BASE}/cards/all")
    assert "EUR, converted" in words_of(figures(page)["Cost by day"])
    assert "left out" not in words_of(page)
    assert "Cost (EUR, converted)" in visit.part("/home/spend").text
    board = asking.good("POST", "/dashboards", 201, json={"name": "Morning"})["id"]
    pinned = asking.good("POST", f"/dashboards/{board}/pins", 201, json={"dataset": "spend", "card": "spend"})
    assert "convert=EUR" in pinned["choices"]
    visit.good("/home", convert="", prefer="1")
    page = visit.good(f"{BASE}/cards/all")
    assert "EUR, converted" not in page
    (address,) = re.findall(r'<a href="([^"]*)"[^>]*>Show all, converted to EUR</a>', page)
    assert "EUR, converted" in visit.good(html.unescape(address).replace("/cards", "/cards/all"))
    assert "Cost (EUR, converted)" not in visit.part("/home/spend").text
    # What is chosen for the charts of a dataset changes no other page.
    visit.part(f"{BASE}/cards/all?currency=convert%3AEUR&prefer=1")
    assert "EUR, converted" in words_of(visit.good(f"{BASE}/cards/all"))
    assert "Cost (EUR, converted)" not in visit.part("/home/spend").text
    visit.good("/home", convert="EUR", prefer="1")
    visit.part(f"{BASE}/cards/all?currency=JPY&prefer=1")
    assert "EUR, converted" not in words_of(visit.good(f"{BASE}/cards/all"))
    assert "Cost (EUR, converted)" in visit.part("/home/spend").text


def test_an_address_is_that_of_what_is_shown(levels: Site) -> None:
    """So that it can be sent: with the currency, which others may have chosen differently."""
    visit = levels.visit("admin")
    header = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{BASE}/cards?days=7&compare=previous"}
    first = visit.client.get(f"{BASE}/cards/all?days=7", headers=header)
    currency = charts(first.text)["Cost by day"]["panels"][0]["format"]["currency"]
    assert first.headers["HX-Replace-Url"] == f"{BASE}/cards?currency={currency}&days=7"
    second = visit.client.get(f"{BASE}/cards/all?days=14", headers=header)
    assert second.headers["HX-Push-Url"] == f"{BASE}/cards?currency={currency}&days=14"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("days=custom&start=2026-03-02&end=2026-03-01", "the start 2026-03-02 is after the end 2026-03-01. Swap them."),
        ("days=custom&start=x", "Period: enter a start and an end date, such as 2026-01-31."),
        ("compare=never", "'never' is not a comparison. Choose one of: previous, year, none, custom."),
        ("budget=lots&budget_start=2026-03-01", "'lots' is not an amount. Enter a number such as 5000."),
        ("budget=-5", "'-5' is not an amount above zero."),
        ("budget=NaN", "'NaN' is not an amount above zero."),
        ("&".join(f"campaign={number}" for number in range(201)), "201 values are more than the 200"),
    ],
)
def test_choices_that_are_none_are_refused_with_what_to_do(levels: Site, query: str, words: str) -> None:
    answer = levels.visit("admin").get(f"{BASE}/cards?{query}")
    assert answer.status_code == 422
    assert words in words_of(answer.text)


def test_a_budget_is_typed_into_its_chart_and_spent_by_complete_days(levels: Site) -> None:
    visit = levels.visit("admin")
    page = visit.good(f"{BASE}/cards/all", currency="EUR")
    assert "Budget in EUR" in words_of(figures(page)["Pacing against a budget"])
    budget = {"budget": "1,000.50", "budget_currency": "EUR", "budget_start": "2026-11-01", "budget_end": "2026-11-30"}
    page = visit.good(f"{BASE}/cards/all", currency="EUR", **budget)
    spent = sum(float(row["spend"]) for row in rows(levels) if row["currency"] == "EUR")
    words = words_of(figures(page)["Pacing against a budget"])
    assert f"Cost to date {spent:,.2f} EUR" in words
    assert 'value="1000.50"' in page
    assert "Days left" in words
    other = words_of(visit.good(f"{BASE}/cards/all", currency="USD", **budget))
    assert "The budget is in EUR, and the amounts are in USD. Enter a budget in USD." in other


def test_pictures_are_links_that_the_page_does_not_load(home: Home) -> None:
    nothing = {"data_level": None, "time_dimension": None, "dates": {"period": "last_7_days"}}
    pages = {"material_type": "instant_page", "metrics": ["spend", "impressions", "clicks"]}
    home.good("run", "-f", home.file(report="creatives", **nothing, **pages))
    with open_site(home) as site:
        page = site.visit("admin").good(f"{BASE}/cards/all")
    (figure,) = (figure for title, figure in figures(page).items() if title.startswith("Top creatives by cost"))
    links = re.findall(r'<a href="(https://[^"]*)" target="_blank" rel="noreferrer noopener">', figure)
    assert set(links) == {"https://p16.example/page.png"}
    assert "<img" not in page


def test_money_of_all_currencies_is_shown_in_one_at_rates_that_were_imported(site: Site) -> None:
    visit, asking = site.visit("admin"), program(site)
    assert "Convert to one currency" in visit.words(f"{BASE}/cards/all")
    days = sorted({str(row["stat_time_day"]) for row in rows(site)})
    usable = {"USD": Decimal("0.92"), "JPY": Decimal("0.0061")}
    lines = [f"{day},{currency},EUR,{rate}" for day in days for currency, rate in usable.items()]
    csv = "\n".join(["date,from,to,rate", *lines[1:]])
    asking.good("PUT", "/rates", json={"csv": csv, "file": "bank.csv"})
    chosen = visit.part(f"{BASE}/cards/all?currency=convert%3AEUR&days=all&prefer=1")
    assert chosen.headers["hx-push-url"] == f"{BASE}/cards?convert=EUR&days=all"
    words = words_of(chosen.text)
    assert words.count(f"Rates to EUR are missing for days with money. USD: {days[0]}.") == 1
    assert "Import rates" in words
    assert words_of(figures(chosen.text)["Totals"]).endswith("Not converted, for the reason above.")
    assert "data-chart" in figures(chosen.text)["Results by day"]
    refused = asking.get("/datasets/spend/cards/totals", convert="EUR", days=0)
    assert f"USD: {days[0]}." in refused["chart"]["refusal"] == refused["facts"]["conversion_refusal"]
    asking.good("PUT", "/rates", json={"csv": "\n".join(["date,from,to,rate", lines[0]]), "file": "bank.csv"})
    page = visit.good(f"{BASE}/cards/all", convert="EUR", days="all")
    rate = usable | {"EUR": Decimal(1)}
    spent = sum(row["spend"] * rate[row["currency"]] for row in rows(site) if row["spend"] is not None)
    assert f"Cost (EUR, converted) {spent:,.2f} EUR" in words_of(figures(page)["Totals"])
    assert "EUR, converted" in words_of(figures(page)["Cost by day"])
    assert "EUR, converted" not in words_of(figures(page)["Results by day"])
    assert charts(page)["Cost by day"]["panels"][0]["title"] == "Cost (EUR, converted)"
    assert "by admin from bank.csv" in words_of(page)
    assert re.findall(r'<option value="([^"]*)" selected>', page)[:1] == ["convert:EUR"]
    answer = asking.get("/datasets/spend/cards/totals", convert="EUR", days=0)
    assert answer["chart"]["numbers"][0]["value"] == float(spent)
    assert answer["chart"]["converted"] == "EUR"
    assert answer["facts"]["conversions"] == [{"target": "EUR", "refusal": None}]
    plain = asking.get("/datasets/spend/cards/totals", currency="EUR", days=0)["chart"]
    assert (plain["converted"], plain["numbers"][0]["title"]) == (None, "Cost")
    assert "EUR, converted" not in words_of(visit.good(f"{BASE}/cards/all", currency="EUR", days="all"))
    fixed = visit.good(f"{BASE}/cards/all", convert="EUR", days="3", rates="fixed")
    assert f"at the rates of {days[-1]} for all days" in words_of(fixed)
    assert 'value="fixed" selected' in fixed
    for query in ("convert=EURO", "convert=EUR&rates=mine", "currency=convert:x"):
        assert visit.get(f"{BASE}/cards?{query}").status_code == 422, query
    asking.bad("GET", "/datasets/spend/cards/totals", 422, params={"convert": "xxx"})
