"""The first page and the calendar of restatements: page, API and command line give one answer, and it is right."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adreel.store import AccountStatus, Role
from api_home import Program, program
from home import Home, make_home
from web_home import Site, open_site, path_of, words_of

METRICS = ["spend", "impressions", "conversion"]
DATES = {"start": "today-20", "end": "yesterday"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three readings, a day apart, of ad accounts in several currencies, and a second dataset that reads the same."""
    home = make_home(tmp_path_factory.mktemp("first") / "home", advertisers=6, ads=6)
    # Before noon in UTC, TikTok has not corrected the cost of the day before.
    home.now = home.now.replace(hour=9)
    at(home)
    home.add_account(advertisers=[0, 1, 2, 3])
    spend = home.file(metrics=METRICS, dates=DATES, update={"method": "upsert", "lookback": 20})
    home.good("run", "-f", spend)
    campaigns = {"name": "Campaigns", "data_level": "campaign", "metrics": ["spend", "conversion"], "dates": DATES}
    home.good("run", "-f", home.file("c.yaml", **campaigns))
    by_country = {"name": "By country", "targeting_dimension": "country_code", "metrics": ["spend"], "dates": DATES}
    home.good("run", "-f", home.file("b.yaml", **by_country))
    for _ in range(2):
        home.now += timedelta(days=1)
        at(home)
        home.good("run", "spend")
    with open_site(home) as opened_site:
        yield opened_site


def at(home: Home) -> None:
    """The simulator has the time of the home."""
    home.door("now", {"today": home.now.date().isoformat(), "hour": home.now.hour})


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def asked(asking: Program, path: str, **query: Any) -> Any:
    return exact(asking.ask("GET", path, params=query).text)


def moved(home: Home, slug: str, metric: str, *pairs: tuple[int, int]) -> dict[tuple[str, str | None], Decimal]:
    """What `adreel diff` calls restated, by day and currency, over pairs of versions."""
    amounts: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for before, after in pairs:
        for day in exact(home.good("diff", slug, str(before), str(after), "--json").stdout)["days"]:
            for part in day["sums"]:
                if day["kind"] == "restated" and part["name"] == metric:
                    amounts[day["day"], part["currency"]] += part["change"]
    return dict(amounts)


def summed(calendar: Any) -> dict[str, Decimal]:
    return {day["day"]: day["amount"] for day in calendar["days"]}


@pytest.mark.slow
def test_the_calendar_has_what_comparing_each_version_with_the_one_before_calls_restated(site: Site) -> None:
    home = site.home
    for metric in ("spend", "conversion"):
        expected = moved(home, "spend", metric, (0, 1), (1, 2))
        assert expected, "TikTok restated nothing, so that nothing is tested"
        for currency in {currency for _, currency in expected}:
            key = metric if currency is None else f"{metric}:{currency}"
            calendar = exact(home.good("restatements", "spend", "--metric", key, "--json").stdout)
            own = {day: amount for (day, code), amount in expected.items() if code == currency}
            assert {day: amount for day, amount in summed(calendar).items() if amount} == {
                day: amount for day, amount in own.items() if amount
            }
            assert calendar["amount"] == sum(own.values())
            for day in calendar["days"]:
                assert day["amount"] == sum(move["amount"] for move in day["moves"])


def test_page_command_line_and_api_show_one_calendar(site: Site) -> None:
    by_command = exact(site.home.good("restatements", "spend", "--json").stdout)
    assert asked(program(site), "/datasets/spend/restatements") == by_command
    assert by_command["figure"]["metric"] == "spend"
    assert [version["state"] for version in by_command["versions"]] == ["compared", "compared", "first"]
    key, currency = by_command["figure"]["key"], by_command["figure"]["currency"]
    visit = site.visit("admin")
    page = visit.words("/datasets/spend/restatements", figure=key)
    terminal = " ".join(site.home.good("restatements", "spend").stdout.split())
    for day in by_command["days"]:
        amount = f"{day['amount']:+,.2f} {currency}"
        assert f"{day['day']}: {amount}" in page
        assert day["day"] in terminal
        move = day["moves"][0]
        detail = visit.words("/datasets/spend/restatements", figure=key, day=day["day"]).partition(
            f"{day['day']}: Cost"
        )[2]
        assert f"{move['amount']:+,.2f} {currency}" in detail
        assert f"{move['before']} to {move['version']}" in detail
    since = by_command["days"][-1]["day"]
    late = exact(site.home.good("restatements", "spend", "--since", since, "--json").stdout)
    assert [day["day"] for day in late["days"]] == [since]
    assert asked(program(site), "/datasets/spend/restatements", since=since) == late


def test_the_calendar_of_one_ad_account_is_the_same_everywhere_and_leads_to_its_rows(site: Site) -> None:
    asking, visit, base = program(site), site.visit("admin"), "/datasets/spend/restatements"
    whole = asked(asking, base, figure="conversion")
    advertisers = {move["advertiser_id"] for day in whole["days"] for move in day["moves"]}
    assert len(advertisers) > 1
    total = Decimal(0)
    for advertiser_id in sorted(advertisers):
        own = asked(asking, base, figure="conversion", advertiser=advertiser_id)
        by_command = site.home.good(
            "restatements", "spend", "--metric", "conversion", "--advertiser", advertiser_id, "--json"
        )
        assert exact(by_command.stdout) == own
        assert {move["advertiser_id"] for day in own["days"] for move in day["moves"]} == {advertiser_id}
        total += own["amount"]
    assert total == whole["amount"]
    day, move = whole["days"][-1]["day"], whole["days"][-1]["moves"][0]
    page = visit.good(base, figure="conversion", advertiser=move["advertiser_id"], day=day)
    (address,) = set(re.findall(r'href="(/datasets/spend/difference/rows[^"]+)">View rows', page))
    assert page.count('<th scope="row" class="calendar-week"') == page.count("Week of ") > 1
    assert 'href="#restated-days"' in page
    assert f'<option value="{move["advertiser_id"]}" selected>' in page
    rows = visit.words(html.unescape(address))
    assert f"Restated rows on {day}" in rows or f"Changed rows on {day}" in rows
    assert f"{int(move['amount']):+,}" in rows.partition("Change of")[2][:80]
    asking.bad("GET", base, 422, params={"advertiser": "1"})
    assert "has no days of ad account 1" in site.home.bad("restatements", "spend", "--advertiser", "1")[1]


def test_metrics_without_a_restatement_are_named_and_weeks_begin_with_the_table(site: Site) -> None:
    calendar = asked(program(site), "/datasets/spend/restatements")
    nothing = [figure for figure in calendar["figures"] if not figure["restated"]]
    assert nothing
    assert {figure["metric"] for figure in calendar["figures"]} == set(METRICS)
    visit = site.visit("admin")
    page = visit.good("/datasets/spend/restatements")
    for figure in nothing:
        title = f"{figure['title']} ({figure['currency']})" if figure["currency"] else figure["title"]
        assert f"{title}: nothing restated</option>" in page
        own = visit.words("/datasets/spend/restatements", figure=figure["key"])
        assert f"{title}: nothing restated, {calendar['table_days']['start']} to" in own
    days = re.findall(r'hidden">(20[\d-]{8}): ', page)
    first, last = date.fromisoformat(calendar["table_days"]["start"]), site.home.now.date()
    monday = first - timedelta(days=first.weekday())
    assert min(days) == str(monday)
    assert max(days) == str(last), "days to come are none"
    assert days[0] > days[-1], "the newest week is not the first"


def test_what_is_no_figure_or_day_is_refused_everywhere(site: Site) -> None:
    assert (
        "No restated amounts of 'nonsense' are known"
        in site.home.bad("restatements", "spend", "--metric", "nonsense")[1]
    )
    assert "is not a day" in site.home.bad("restatements", "--since", "soon")[1]
    assert "requires the NAME" in site.home.bad("restatements", "--metric", "spend")[1]
    program(site).bad("GET", "/datasets/spend/restatements", 422, params={"figure": "nonsense"})
    program(site).bad("GET", "/datasets/spend/restatements", 422, params={"since": "2026-02-01", "until": "2026-01-01"})
    visit = site.visit("admin")
    for query in ({"figure": "nonsense"}, {"day": "soon"}, {"until": "0001-01-01"}, {"until": "9999-12-31"}):
        assert visit.get("/datasets/spend/restatements", **query).status_code == 422, query


def test_home_counts_each_ad_account_once_and_adds_no_currencies(site: Site) -> None:
    answer = asked(program(site), "/home")["spend"]
    yesterday = date.fromisoformat(answer["yesterday"])
    assert yesterday == (site.home.now - timedelta(days=1)).date()
    sql = "SELECT currency, stat_time_day AS day, CAST(sum(spend) AS VARCHAR) AS spend FROM spend GROUP BY ALL"
    sums = {(row["currency"], row["day"][:10]): Decimal(row["spend"]) for row in site.home.rows(sql)}
    zones = site.home.rows("SELECT DISTINCT currency, timezone FROM spend")
    of_workspace = yesterday
    assert len(answer["currencies"]) > 1
    for own in answer["currencies"]:
        yesterday = date.fromisoformat(own["yesterday"]["days"]["end"])
        assert str(yesterday) == own["days"][-1]["day"]
        assert yesterday <= of_workspace
        for day in own["days"]:
            in_table = sums.get((own["currency"], day["day"]))
            assert (day["amount"] or 0) == (in_table or 0), (own["currency"], day)
        week = [str(yesterday - timedelta(days=number)) for number in range(7)]
        assert own["week"]["amount"] == sum(sums.get((own["currency"], day), Decimal(0)) for day in week)
        before = [str(yesterday - timedelta(days=number)) for number in range(7, 14)]
        earlier = sum(sums.get((own["currency"], day), Decimal(0)) for day in before)
        # West of UTC, TikTok has not completed yesterday at nine.
        is_over = all(row["timezone"].startswith("UTC+") for row in zones if row["currency"] == own["currency"])
        assert own["week"]["compared"] == own["week"]["complete"] == (own["advertisers"] if is_over else 0)
        change = own["week"]["change"]
        if is_over:
            assert float(change) == pytest.approx(float(100 * (own["week"]["amount"] - earlier) / earlier))
        else:
            assert change is None
    assert {own["week"]["compared"] > 0 for own in answer["currencies"]} == {True, False}
    # Both datasets read each ad account; the one by country is of another kind.
    assert {(account["dataset"], account["readers"]) for account in answer["accounts"]} == {("spend", 2)}
    assert {account["preferred"] for account in answer["accounts"]} == {"more_days"}
    words = words_of(site.visit("admin").part("/home/spend").text)
    assert f"{len(answer['accounts'])} ad accounts as read by Spend ." in words
    assert "this one is used because it has more of these days." in words
    for own in answer["currencies"]:
        assert f"Cost by day ({own['currency']})" in words
        decimals = 0 if own["currency"] == "JPY" else 2
        period, amount = own["yesterday"], own["yesterday"]["amount"]
        assert f"Yesterday ({period['days']['end']}) {amount:,.{decimals}f} {own['currency']}" in words


def test_home_says_that_gmv_max_is_not_in_its_cost_and_where_it_is(small: Home) -> None:
    small.good("run", "-f", small.file())
    assert "Without GMV Max" not in _home_words(small)
    keys = {"report": "gmv_max", "gmv_max_level": "campaign", "metrics": ["cost", "orders"], "time_dimension": "day"}
    dates = {"start": "today-3", "end": "yesterday"}
    file = small.path / "shops.yaml"
    file.write_text(json.dumps({"name": "Shops", "account": "demo", "dates": dates, **keys}), "utf-8")
    small.good("datasets", "create", "-f", str(file))
    assert (
        "Without GMV Max campaigns, which TikTok leaves out of these reports. Their cost is in: Shops"
        in _home_words(small)
    )
    with open_site(small) as site:
        spend = asked(program(site), "/home")["spend"]
        assert spend["gmv_max"] == [{"dataset": "shops", "dataset_name": "Shops"}]
        # The dataset has not read any yet.
        assert spend["gmv_max_check"]["read"] == 0
        assert spend["gmv_max_check"]["unknown"]
    assert "It is not known whether these ad accounts have GMV Max cost" in _home_words(small)
    small.good("run", "shops")
    with open_site(small) as site:
        spend = asked(program(site), "/home")["spend"]
        check = spend["gmv_max_check"]
        assert (check["read"], check["without_cost"], check["unknown"]) == (len(spend["accounts"]), 0, [])
        account = site.visit("admin").words(f"/accounts/{site.store.accounts.get('demo').id}")
    for words in (_home_words(small), account):
        assert re.search(
            r"all GMV Max cost of the shops that TikTok lists for \d ad accounts? \(last run on 20\S+ \S+ UTC\)", words
        )


def _home_words(home: Home) -> str:
    with open_site(home) as site:
        return words_of(site.visit("admin").part("/home/spend").text)


@pytest.mark.slow
def test_home_says_what_was_restated_since_yesterday_by_ad_account(site: Site) -> None:
    answer = asked(program(site), "/home")["restated"]
    by_command = exact(site.home.good("restatements", "--json").stdout)
    assert by_command == answer
    expected = moved(site.home, "spend", "spend", (1, 2))
    for currency in {currency for _, currency in expected}:
        total = sum(amount for (_, code), amount in expected.items() if code == currency)
        own = [figure for figure in answer["figures"] if (figure["metric"], figure["currency"]) == ("spend", currency)]
        assert sum(figure["amount"] for figure in own) == total
        totals = [
            part["amount"] for part in answer["totals"] if (part["metric"], part["currency"]) == ("spend", currency)
        ]
        assert totals == [total]
    assert {figure["dataset"] for figure in answer["figures"]} == {"spend"}
    conversions = sum(figure["amount"] for figure in answer["figures"] if figure["metric"] == "conversion")
    assert conversions == sum(moved(site.home, "spend", "conversion", (1, 2)).values())
    assert len({figure["advertiser_id"] for figure in answer["figures"]}) > 1
    page = site.visit("admin").part("/home/restated").text
    for figure in answer["figures"]:
        assert figure["advertiser_name"] in words_of(page)
        assert f"advertiser={figure['advertiser_id']}" in page
    (whole,) = re.findall(r'href="([^"]+)"[^>]*>View restated rows<', page)
    assert page.index("View restated rows") < page.index("<table")
    assert "from " in site.visit("admin").words(html.unescape(whole)).partition("Change of")[2]
    addresses = [html.unescape(address) for address in re.findall(r'href="([^"]+)">View rows<', page)]
    assert len(addresses) == len(answer["figures"])
    for figure, address in zip(answer["figures"], addresses, strict=True):
        rows = words_of(site.visit("admin").good(address))
        amount = f"{figure['amount']:+,.2f} {figure['currency']}" if figure["currency"] else f"{figure['amount']:+,}"
        assert amount in rows.partition("Change of")[2][:200], figure
    assert "No restatements" not in site.home.good("restatements").stdout


def test_amounts_are_sorted_within_each_currency(site: Site) -> None:
    visit = site.visit("admin")
    data = visit.good("/datasets/spend/data", size="250", show=["currency", "spend"])
    (address,) = set(re.findall(r'href="([^"]*sort=[^"]*)" title="spend">Cost<', data))
    assert html.unescape(address).endswith("sort=currency&sort=-spend&show=currency&show=spend&size=250")
    page = visit.good(html.unescape(address))
    assert "Sorted by Cost within each currency." in words_of(page)
    rows = re.findall(r'<tr><th scope="row">([A-Z]{3})</th><td class="cell-number">([\d,.]+)<', page)
    assert len({currency for currency, _ in rows}) > 1
    amounts = [(currency, -Decimal(amount.replace(",", ""))) for currency, amount in rows]
    assert amounts == sorted(amounts)


def test_home_names_datasets_without_a_next_run_and_ad_accounts_without_rows(site: Site) -> None:
    visit = site.visit("admin")
    saved = site.store.datasets.get("spend")
    site.home.good("schedules", "set", "spend", "--every", "day", "--at", "10:00")
    words = visit.part("/home/state").text
    others = [each.name for each in site.store.datasets.list() if each.next_run_at is None]
    assert saved.name not in others
    assert f"{len(others)} dataset{'s' if len(others) > 1 else ''} without a next run: {others[0]}" in words_of(words)
    site.home.good("schedules", "set", "spend", "--manual")
    assert "No next run. Updated manually." in visit.words("/datasets/spend")


def test_sample_rows_of_a_comparison_name_the_currency_of_money(site: Site) -> None:
    page = words_of(site.visit("admin").part("/datasets/spend/difference", before=0, after=1).text)
    samples = page.partition("Sample rows")[2].partition("View restated rows")[2]
    amounts = re.findall(r" Cost ([\d,.]+) ([A-Z]{3}) ([\d,.]+) ([A-Z]{3}) ", samples)
    assert amounts
    assert len(amounts) == samples.count(" Cost "), "money without a currency"
    sizes = [abs(Decimal(after.replace(",", "")) - Decimal(before.replace(",", ""))) for before, _, after, _ in amounts]
    assert sizes == sorted(sizes, reverse=True)


def test_home_names_metrics_without_a_restatement_and_datasets_that_nothing_will_read(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=2, ads=3)
    home.now = home.now.replace(hour=9)
    at(home)
    home.add_account()
    values = ["spend", "conversion", "total_complete_payment_rate"]
    home.good("run", "-f", home.file(metrics=values, dates=DATES))
    with open_site(home) as site:
        first = site.visit("admin").part("/home/restated").text
    assert "Restatements appear after the second run" in words_of(first)
    home.good("run", "spend")
    with open_site(home) as site:
        visit = site.visit("admin")
        answer = asked(program(site), "/home")["restated"]
        assert [each["metric"] for each in answer["unchanged"]] == values
        assert answer["outdated"] == []
        words = words_of(visit.part("/home/restated").text)
        for title in ("Cost", "Conversions", "Purchase value (website)"):
            assert f"{title}: nothing restated since yesterday" in words
    home.later(2)
    with open_site(home) as site:
        visit = site.visit("admin")
        answer = asked(program(site), "/home")["restated"]
        assert answer == exact(home.good("restatements", "--json").stdout)
        assert (answer["unchanged"], answer["versions"]) == ([], 0)
        assert [each["dataset"] for each in answer["outdated"]] == [answer["last_compared"]["dataset"]] == ["spend"]
        page = visit.part("/home/restated").text
        assert "The same days were last read again by Spend on" in words_of(page)
        assert "has no schedule" in words_of(page)
        assert 'action="/datasets/spend/run"' in page
        assert 'href="/datasets/spend/settings#menu-schedule"' in page
    home.good("run", "spend")
    with open_site(home) as site:
        answer = asked(program(site), "/home")["restated"]
        assert answer["outdated"] == []
        expected = moved(home, "spend", values[-1], (1, 2))
        assert expected
        own: dict[str | None, Decimal] = defaultdict(Decimal)
        for figure in answer["figures"]:
            if figure["metric"] == values[-1]:
                own[figure["currency"]] += figure["amount"]
        assert own
        assert own == {
            currency: sum(amount for (_, code), amount in expected.items() if code == currency) for currency in own
        }


@pytest.mark.parametrize("hour", [1, 19])
def test_home_and_charts_mean_the_same_day_by_yesterday_and_say_which(tmp_path: Path, hour: int) -> None:
    home = make_home(tmp_path / "home", advertisers=6, ads=3)
    home.now = home.now.replace(hour=hour)
    at(home)
    home.add_account(advertisers=[0, 1, 2, 3])
    home.good("run", "-f", home.file(metrics=METRICS, dates={"start": "today-20", "end": "today"}))
    with open_site(home) as site:
        answer = asked(program(site), "/home")["spend"]
        visit = site.visit("admin")
        words = words_of(visit.part("/home/spend", convert="").text)
        days = {own["currency"]: own["yesterday"]["days"]["end"] for own in answer["currencies"]}
        # At one o'clock it is the evening before in America, at seven in the evening the next morning in Asia.
        assert len(set(days.values())) == 2
        for own in answer["currencies"]:
            day, amount, currency = days[own["currency"]], own["yesterday"]["amount"], own["currency"]
            shown = f"{amount:,.{0 if currency == 'JPY' else 2}f} {currency}"
            assert f"Yesterday ({day}) {shown}" in words
            charts = words_of(visit.part("/datasets/spend/cards/all", currency=currency, days="yesterday").text)
            assert f"{day} to {day}" in charts
            assert shown in charts


def test_charts_say_which_metrics_of_a_complete_day_are_not_complete_yet(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=2)
    sentence = "Net cost of {day} was not complete when the rows were read"
    at(home)
    home.add_account()
    # The day ends at eight o'clock; most figures are complete at ten, and the net cost is at seven in the evening.
    for hour, is_late in ((11, True), (23, False)):
        home.now = home.now.replace(hour=hour)
        at(home)
        metrics = ["spend", "billed_cost"]
        home.good("run", "-f", home.file(metrics=metrics, dates={"start": "today-20", "end": "yesterday"}))
        with open_site(home) as site:
            words = words_of(site.visit("admin").part("/datasets/spend/cards/all", days="yesterday").text)
        assert (sentence.format(day=home.now.date() - timedelta(days=1)) in words) is is_late, words


def test_home_comes_first_and_leads_on(site: Site) -> None:
    visit = site.visit("admin")
    assert path_of(str(visit.client.get("/", follow_redirects=False).headers["location"])) == "/home"
    page = visit.good("/home")
    assert re.search(r'<a class="navbar-brand" href="/home" tabindex="-1" aria-hidden="true">', page)
    assert re.findall(r'class="nav-link[^"]*" href="([^"]+)"', page)[:2] == ["/home", "/datasets"]
    state = words_of(visit.part("/home/state").text)
    assert "All datasets and accounts are fine" in state
    assert "No scheduled runs" in state
    assert "Requests today" in state
    for path in ("/home/state", "/home/restated", "/home/spend"):
        answer = visit.client.get(path, headers={"accept": "text/html"}, follow_redirects=False)
        assert answer.headers["location"] == "/home"


def test_home_shows_only_what_a_person_may_see(site: Site) -> None:
    site.user("vera", Role.VIEWER)
    site.user("eddy", Role.EDITOR)
    assert "Ask an administrator of" in site.visit("vera").words("/home")
    assert "Connect an account" in site.visit("eddy").words("/home")
    for name in ("vera", "eddy"):
        answer = asked(program(site, name), "/home")
        assert (answer["spend"]["accounts"], answer["restated"]["figures"]) == ([], [])
        assert answer["spend"]["lacking"] == 0
        program(site, name).bad("GET", "/datasets/spend/restatements", 404)
        for path in ("/home/spend", "/home/restated", "/home/state"):
            assert "Spend" not in words_of(site.visit(name).part(path).text)


def test_home_shows_cost_in_one_currency_at_the_rates_of_each_day_or_says_what_is_missing(site: Site) -> None:
    asking, visit = program(site), site.visit("admin")
    before = asked(asking, "/home")["spend"]
    days = [day["day"] for day in before["currencies"][0]["days"]]
    codes = sorted({own["currency"] for own in before["currencies"]} - {"EUR"})
    rates = {
        (code, day): Decimal(number + 1) / 100 + Decimal(place) / 1000
        for number, code in enumerate(codes)
        for place, day in enumerate(days)
    }
    lines = [f"{day},{code},EUR,{rate}" for (code, day), rate in rates.items()]
    asking.good("PUT", "/rates", json={"csv": "\n".join(["date,from,to,rate", *lines]), "valid_days": 1})
    answer = asked(asking, "/home", convert="EUR")["spend"]
    (own,) = answer["currencies"]
    assert (answer["convert"], answer["conversion_refusal"], answer["targets"]) == ("EUR", None, ["EUR"])
    assert own["advertisers"] == sum(each["advertisers"] for each in before["currencies"])
    for place, day in enumerate(days):
        amounts = [(each["currency"], each["days"][place]["amount"] or 0) for each in before["currencies"]]
        assert (own["days"][place]["amount"] or 0) == sum(
            amount * (Decimal(1) if code == "EUR" else rates[code, day]) for code, amount in amounts
        )
    assert own["week"]["amount"] == sum(day["amount"] or 0 for day in own["days"][-7:])
    assert "Cost (EUR, converted)" in visit.part("/home/spend", convert="EUR").text
    assert re.search(r'id="home-converted" value="EUR"', visit.good("/home", convert="EUR"))
    asking.good("PUT", "/rates", json={"csv": "\n".join(["date,from,to,rate", *lines[:-3]]), "replace": True})
    answer = asked(asking, "/home", convert="EUR")["spend"]
    assert answer["conversion_refusal"] == (
        f"Rates to EUR are missing for days with money. {codes[-1]}: {days[-3]} to {days[-1]}."
    )
    assert answer["currencies"] == before["currencies"]
    assert "Not converted." in words_of(visit.part("/home/spend", convert="EUR").text)
    asking.good("DELETE", "/rates", 204)
    assert "There are no rates to EUR." in asked(asking, "/home", convert="EUR")["spend"]["conversion_refusal"]
    assert visit.get("/home", convert="nonsense").status_code == 422


# -- homes of their own


@pytest.fixture
def small(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", advertisers=5, ads=3)
    home.add_account(advertisers=[0, 1])
    return home


def forget(home: Home) -> None:
    """As an older adreel left it, which kept no figures."""
    with closing(sqlite3.connect(home.path / "adreel.db")) as database:
        for table in ("restated_amounts", "version_figures", "daily_sums"):
            database.execute(f"DELETE FROM {table}")
        database.commit()


@pytest.mark.slow
def test_versions_that_nobody_looked_at_are_read_when_they_are_asked_for(small: Home) -> None:
    small.good("run", "-f", small.file(metrics=METRICS, dates=DATES))
    for _ in range(7):
        small.later(1)
        small.good("run", "spend")
    kept = small.good("restatements", "spend", "--json").stdout, small.good("restatements", "--json").stdout
    forget(small)
    with open_site(small) as site:
        asking = program(site)
        assert asked(asking, "/datasets/spend/restatements")["missing"] == 3
        page = site.visit("admin").good("/datasets/spend/restatements")
        assert 'hx-trigger="load delay' not in page.partition("Metric")[0], "all eight are read after two looks"
        assert asked(asking, "/datasets/spend/restatements") == exact(kept[0])
        assert asked(asking, "/home")["restated"] == exact(kept[1])
        assert asked(asking, "/home")["spend"]["missing"] == 0
    forget(small)
    assert small.good("restatements", "spend", "--json").stdout == kept[0]


def test_a_restore_counts_no_restatement_twice(small: Home) -> None:
    small.good("run", "-f", small.file(metrics=METRICS, dates=DATES))
    small.later(1)
    small.good("run", "spend")
    once = exact(small.good("restatements", "spend", "--metric", "conversion", "--json").stdout)
    assert once["amount"]
    small.good("restore", "spend", "0", "--yes")
    with open_site(small) as site:
        restored = asked(program(site), "/home")["spend"]
    for own in restored["currencies"]:
        sql = f"SELECT CAST(sum(spend) AS VARCHAR) AS spend FROM spend WHERE currency = '{own['currency']}'"
        in_days = sum(day["amount"] or 0 for day in own["days"])
        assert in_days == Decimal(small.rows(sql)[0]["spend"]), "the sums are those of the version before the restore"
    # The same moment, so that TikTok restates no more.
    small.good("run", "spend")
    again = exact(small.good("restatements", "spend", "--metric", "conversion", "--json").stdout)
    assert summed(again) == summed(once)
    assert [version["state"] for version in again["versions"]] == ["compared", "restored", "compared", "first"]
    assert again["versions"][0]["before"] == 1


def test_a_new_dataset_of_the_same_ad_accounts_hides_no_restatement(small: Home) -> None:
    small.good("run", "-f", small.file(metrics=METRICS, dates=DATES))
    small.later(1)
    small.good("run", "spend")
    before = exact(small.good("restatements", "--json").stdout)
    assert before["totals"]
    longer = {"name": "Longer", "metrics": METRICS, "dates": {"start": "today-40", "end": "yesterday"}}
    small.good("run", "-f", small.file("l.yaml", **longer))
    with open_site(small) as site:
        assert {account["dataset"] for account in asked(program(site), "/home")["spend"]["accounts"]} == {"longer"}
        after = asked(program(site), "/home")["restated"]
    assert (after["figures"], after["totals"]) == (before["figures"], before["totals"])


def test_an_ad_account_that_comes_later_or_was_skipped_is_not_restated(tmp_path: Path) -> None:
    small = make_home(tmp_path / "home", advertisers=30, ads=3)
    small.add_account("more")
    first, second = same_zone(small)
    late = {"metrics": METRICS, "dates": DATES, "skip_failing_advertisers": True, "account": "more"}
    small.good("datasets", "create", "-f", small.file(**late, advertisers=[first]))
    small.good("run", "spend")
    small.later(1)
    small.good("datasets", "edit", "spend", "-f", small.file(**late, advertisers=[first, second]))
    small.good("run", "spend")
    small.later(1)
    small.good("run", "spend")
    calendar = exact(small.good("restatements", "spend", "--metric", "conversion", "--json").stdout)
    # The settings were changed, and after that both ad accounts were read twice.
    assert [version["state"] for version in calendar["versions"]] == ["compared", "changed", "first"]
    difference = exact(small.good("diff", "spend", "0", "1", "--json").stdout)
    (impressions,) = (metric for metric in difference["metrics"] if metric["name"] == "impressions")
    restated = sum(part["restated"] for part in impressions["sums"])
    added = sum(
        part["change"]
        for day in difference["days"]
        if day["kind"] == "added"
        for part in day["sums"]
        if part["name"] == "impressions"
    )
    assert restated == 0, "the days of the ad account that came later were added, and not restated"
    assert added > 0


def same_zone(home: Home) -> tuple[str, str]:
    """Two ad accounts whose days are the same."""
    by_zone: dict[str, list[str]] = defaultdict(list)
    for each in home.door("state")["advertisers"]:
        if each["kind"] == "ordinary":
            by_zone[each["timezone"]].append(each["advertiser_id"])
    first, second = next(ids for ids in by_zone.values() if len(ids) > 1)[:2]
    return first, second


def advertiser(home: Home, number: int) -> str:
    listed = [each["advertiser_id"] for each in home.door("state")["advertisers"] if each["kind"] != "no_permission"]
    return str(listed[number])


def test_an_ad_account_that_could_not_be_read_has_no_zero_in_its_place(tmp_path: Path) -> None:
    small = make_home(tmp_path / "home", advertisers=30, ads=3)
    small.add_account("more")
    failing, other = same_zone(small)
    dates = {"start": "today-20", "end": "today"}
    keys = {"metrics": METRICS, "dates": dates, "skip_failing_advertisers": True, "account": "more"}
    small.good("run", "-f", small.file(**keys, advertisers=[failing, other]))
    small.later(1)
    refusal = {"kind": "code", "code": 40001, "times": 0, "path": "report", "where": {"advertiser_id": failing}}
    small.door("trouble", refusal)
    small.adreel("run", "spend")
    with open_site(small) as site:
        spend = asked(program(site), "/home")["spend"]
        complete = {account["advertiser_id"]: account["complete_day"] for account in spend["accounts"]}
        yesterday = spend["yesterday"]
        assert complete[failing] < yesterday
        assert [day for who, day in complete.items() if who != failing] == [yesterday]
        currency = next(account["currency"] for account in spend["accounts"] if account["advertiser_id"] == failing)
        (own,) = (each for each in spend["currencies"] if each["currency"] == currency)
        assert own["yesterday"]["complete"] == own["advertisers"] - 1
        words = words_of(site.visit("admin").part("/home/spend").text)
        assert "Complete for" in words


def test_a_dataset_takes_its_figures_along(small: Home) -> None:
    small.good("run", "-f", small.file(metrics=METRICS, dates=DATES))
    small.later(1)
    small.good("run", "spend")
    small.good("datasets", "delete", "spend", "--yes")
    with closing(sqlite3.connect(small.path / "adreel.db")) as database:
        for table in ("restated_amounts", "version_figures", "daily_sums"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize(
    "keys",
    [
        {"update": {"method": "append"}},
        {"time_dimension": None, "dates": DATES},
        {"targeting_dimension": "country_code"},
        {"data_level": "campaign", "report_type": "audience", "audience_dimensions": ["gender"]},
    ],
    ids=["appended", "without days", "by country", "audience"],
)
def test_rows_that_do_not_add_up_to_an_ad_account_are_no_cost_of_it(small: Home, keys: dict[str, Any]) -> None:
    small.good("run", "-f", small.file(**({"metrics": ["spend"], "dates": DATES} | keys)))
    with open_site(small) as site:
        spend = asked(program(site), "/home")["spend"]
        assert (spend["accounts"], spend["lacking"], spend["missing"]) == ([], 2, 0)
        assert "No dataset has cost by day" in site.visit("admin").part("/home/spend").text


def test_the_first_steps_lead_from_an_empty_home_to_numbers(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=2)
    with open_site(home) as site:
        visit = site.visit("admin")

        def opened() -> str:
            (step,) = re.findall(r'aria-current="step">.*?href="([^"]+)"', visit.good("/home"), re.S)
            return str(step)

        assert opened() == "/accounts/connect"
        home.add_account()
        assert opened() == "/datasets/new"
        home.good("datasets", "create", "-f", home.file())
        assert opened() == "/datasets/spend"
        home.good("run", "spend")
        page = visit.words("/home")
        assert "Create a dataset" not in page
        assert "Loading cost by day" in page


def test_what_failed_is_said_with_the_next_step(small: Home) -> None:
    small.good("run", "-f", small.file())
    with open_site(small) as site:
        site.store.accounts.set_status(site.store.accounts.get("demo"), AccountStatus.REVOKED)
        words = words_of(site.visit("admin").part("/home/state").text)
        status = program(site).get("/status")
        for entry in (*status["accounts"], *status["failing"]):
            assert entry["words"] in words
        assert status["accounts"]
        assert status["failing"]
