"""Dashboards through pages, API and command line: pinning, order, a common period, sharing, and what is gone."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adreel.access import Actor, Guard
from adreel.dashboards import boards
from adreel.dashboards.cards import PinState, period_of, pinned_card, pinned_cards
from adreel.dashboards.document import document_of, summary
from adreel.lake import Lake
from adreel.store import ExchangeRate, Level, Role, RunOutcome, RunState
from api_home import program
from home import Home, make_home
from web_home import Site, Visit, open_site, words_of

BOARD = "Every morning"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, connected_home: Any) -> Home:
    """A home with two datasets that have run; tests work in copies of it."""
    path = tmp_path_factory.mktemp("boards") / "home"
    shutil.copytree(connected_home, path)
    home = make_home(path)
    home.good("run", "-f", home.file(dates={"start": "today-9", "end": "yesterday"}))
    home.good("run", "-f", home.file(name="Campaigns", data_level="campaign", metrics=["spend", "clicks"]))
    return home


@pytest.fixture
def site(ready: Home, tmp_path: Any) -> Iterator[Site]:
    shutil.copytree(ready.path, tmp_path / "home")
    with open_site(Home(tmp_path / "home", ready.config, ready.world)) as opened:
        yield opened


def pin(
    visit: Visit, card: str = "spend", query: str = "days=7&currency=EUR", dataset: str = "spend", **more: str
) -> str:
    """What the Charts tab says after a chart was pinned."""
    data = {"dataset": dataset, "card": card, "query": query} | (more if more else {"name": BOARD, "dashboard": "new"})
    answer = visit.fragment("POST", "/dashboards/pin", data)
    assert answer.status_code == 200, words_of(answer.text)
    return answer.text


def charts(page: str) -> list[dict[str, Any]]:
    return [json.loads(html.unescape(text)) for text in re.findall(r'data-chart="([^"]*)"', page)]


def lake_of(site: Site) -> Lake:
    return Lake(site.settings.lake_url, clock=lambda: site.home.now)


# -- pinning


def test_a_chart_is_pinned_from_the_charts_tab_to_a_new_dashboard_and_shows_the_same_figures(site: Site) -> None:
    visit = site.visit("admin")
    assert "No dashboards yet" in visit.words("/dashboards")
    tab = visit.good("/datasets/spend/cards/all", days="7", currency="EUR")
    form = next(path for path in re.findall(r'hx-get="(/dashboards/pin[^"]*)"', tab) if "card=spend&" in path + "&")
    shown = visit.part(html.unescape(form)).text
    assert re.findall(r'name="(dataset|card|query)" value="([^"]*)"', shown) == [
        ("dataset", "spend"),
        ("card", "spend"),
        ("query", "currency=EUR&amp;days=7"),
    ]
    assert 'name="name" maxlength="100" autocomplete="off" value="Spend" ' in shown
    words = pin(visit)
    assert f"Pinned to dashboard {BOARD}" in words_of(words)
    (address,) = re.findall(r'href="(/dashboards/\d+)"', words)
    page = visit.good(address)
    (part,) = re.findall(r'hx-get="([^"]*/pins/\d+)" hx-trigger="load"', page)
    card = visit.part(part).text
    (chart,) = charts(card)
    (same,) = [drawn for drawn in charts(tab) if drawn["name"] == "spend"]
    assert chart["panels"] == same["panels"]
    (panel,) = chart["panels"]
    assert panel["total"] == pytest.approx(sum(panel["series"][0]["values"]))
    assert len(chart["x"]["values"]) == 7
    words = words_of(card)
    assert "Spend · 2026-11-15 to 2026-11-21" in words
    assert "read just now" in words
    assert "/datasets/spend/cards?currency=EUR&amp;days=7#card-spend" in card


def test_a_pinned_period_moves_with_the_days_and_a_common_period_is_of_all_charts(site: Site) -> None:
    visit = site.visit("admin")
    pin(visit, query="days=3&currency=EUR")
    days, compared = "days=custom&start=2026-11-19&end=2026-11-20", "compare=custom&compare_start=2026-11-21"
    compared += "&compare_end=2026-11-21"
    pin(visit, dataset="campaigns", query=f"{days}&{compared}&currency=EUR", dashboard="1")
    for path, counts in (("/dashboards/1", [3, 2]), ("/dashboards/1?days=1", [1, 1])):
        parts = re.findall(r'hx-get="([^"]*)" hx-trigger="load"', visit.good(path))
        drawn = [charts(visit.part(html.unescape(part)).text)[0] for part in parts]
        assert [len(chart["x"]["values"]) for chart in drawn] == counts
        previous = drawn[1]["previous_x"]
        assert previous == (["2026-11-21", None] if counts == [3, 2] else ["2026-11-20"]), path
    # A ranking is of its own days alone, and does not say that it is compared with others.
    pin(visit, card="accounts", query="days=3&currency=EUR", dashboard="1")
    compared = "2026-11-19 to 2026-11-21, compared with 2026-11-16 to 2026-11-18"
    line, ranking = (words_of(visit.part(f"/dashboards/1/pins/{number}").text) for number in (1, 3))
    assert compared in line
    assert "2026-11-19 to 2026-11-21" in ranking
    assert "compared with" not in ranking
    board = site.store.dashboards.get(1)
    cards = pinned_cards(Guard(site.store, Actor(None)), lake_of(site), board, site.home.now, period_of(""))
    document = document_of(board, cards, site.store.workspace.get(), site.home.now)
    assert ["compared with" in card["source"] for card in document["cards"]] == [True, True, False]
    site.home.later(1)
    site.home.good("run", "spend")
    (chart,) = charts(visit.part("/dashboards/1/pins/1").text)
    assert chart["x"]["values"][-1] == "2026-11-22"
    (fixed,) = charts(visit.part("/dashboards/1/pins/2").text)
    assert fixed["x"]["values"] == ["2026-11-19", "2026-11-20"]


def test_a_common_period_that_a_report_without_days_cannot_have_is_said_in_sight(site: Site) -> None:
    keys = {"report": "creatives", "metrics": ["spend", "impressions"], "data_level": None, "time_dimension": None}
    site.home.good("run", "-f", site.home.file(name="Videos", **keys))
    visit, lake = site.visit("admin"), lake_of(site)
    (card, *_) = re.findall(r'card=([a-z_]+)"', html.unescape(visit.good("/datasets/videos/cards/all", currency="EUR")))
    pin(visit, card=card, dataset="videos", query="currency=EUR")
    note = "The period of the dashboard does not apply, as this report has no days. "
    note += "Figures cover 2026-11-19 to 2026-11-21."
    own = words_of(visit.part("/dashboards/1/pins/1").text)
    assert note not in own
    assert "Figures cover 2026-11-19 to 2026-11-21." in own
    (part,) = re.findall(r'hx-get="([^"]*)" hx-trigger="load"', visit.good("/dashboards/1?days=1"))
    (cautions,) = re.findall(r'<p class="pin-cautions">([^<]*)</p>', visit.part(html.unescape(part)).text)
    assert note in cautions
    guard, period = Guard(site.store, Actor(None)), period_of("1")
    board = site.store.dashboards.get(1)
    cards = pinned_cards(guard, lake, board, site.home.now, period)
    document = document_of(board, cards, site.store.workspace.get(), site.home.now)
    assert note in summary(document)


def test_a_pin_keeps_the_currency_that_was_shown_and_only_what_concerns_its_chart(site: Site) -> None:
    asking = program(site)
    board = asking.good("POST", "/dashboards", 201, json={"name": BOARD})["id"]
    choices = "days=7&metric=spend:clicks&metric=clicks:spend&budget=500&budget_currency=EUR"
    choices += "&budget_start=2026-11-01&budget_end=2026-11-30"
    body = {"dataset": "spend", "card": "spend", "choices": choices}
    pinned = asking.good("POST", f"/dashboards/{board}/pins", 201, json=body)
    assert re.fullmatch(r"currency=(EUR|USD|JPY)&days=7&metric=spend%3Aclicks", pinned["choices"])
    assert "no chart" in asking.bad("POST", f"/dashboards/{board}/pins", 404, json=body | {"card": "none"})["message"]
    bad = body | {"choices": "days=many"}
    assert "not a valid number" in asking.bad("POST", f"/dashboards/{board}/pins", 422, json=bad)["message"]
    bad = body | {"choices": "currency=XXX"}
    assert "XXX" in asking.bad("POST", f"/dashboards/{board}/pins", 422, json=bad)["message"]


def test_a_pin_of_converted_money_shows_it_as_the_charts_tab_and_says_so_in_page_and_message(site: Site) -> None:
    rates = site.store.exchange_rates
    pairs = (("EUR", "2"), ("USD", "1"), ("JPY", "0.01"))
    first = date(2026, 11, 1)
    rates.save([ExchangeRate(first, code, "GBP", Decimal(rate)) for code, rate in pairs], "r.csv", replace=False)
    rates.set_valid_days(60)
    visit, guard = site.visit("admin"), Guard(site.store, Actor(None))
    tab = charts(visit.good("/datasets/spend/cards/all", days="7", convert="GBP"))
    pin(visit, query="days=7&convert=GBP")
    card = visit.part("/dashboards/1/pins/1").text
    (chart,) = charts(card)
    assert chart["panels"] == next(drawn["panels"] for drawn in tab if drawn["name"] == "spend")
    assert chart["panels"][0]["format"]["currency"] == "GBP"
    assert "GBP, converted" in words_of(card)
    board = site.store.dashboards.get(1)
    cards = pinned_cards(guard, lake_of(site), board, site.home.now)
    document = document_of(board, cards, site.store.workspace.get(), site.home.now)
    assert document["cards"][0]["meaning"].startswith("GBP, converted. ")
    assert "Money is converted to GBP." in summary(document)


def test_a_name_in_use_is_refused_in_the_menu_that_pins(site: Site) -> None:
    visit = site.visit("admin")
    pin(visit)
    data = {"dataset": "spend", "card": "spend", "query": "", "dashboard": "new", "name": "every  MORNING"}
    answer = visit.fragment("POST", "/dashboards/pin", data)
    assert answer.status_code == 409
    assert "already a dashboard" in words_of(answer.text)
    assert 'value="every  MORNING"' in answer.text


# -- order, titles, removal


def order(site: Site) -> list[int]:
    return [pinned.id for pinned in site.store.dashboards.pins(site.store.dashboards.get(1))]


def test_cards_are_moved_renamed_removed_and_restored_to_their_place(site: Site) -> None:
    visit = site.visit("admin")
    pin(visit)
    pin(visit, query="", dashboard="1")
    pin(visit, card="campaigns", dataset="campaigns", query="currency=EUR", dashboard="1")
    assert order(site) == [1, 2, 3]
    visit.sent("/dashboards/1/pins/3/move", {"to": "1"})
    assert order(site) == [3, 1, 2]
    visit.sent("/dashboards/1/pins/3/move", {"to": "99"})
    assert order(site) == [1, 2, 3]
    card = visit.fragment("POST", "/dashboards/1/pins/2/title", {"title": "Cost <b>"}).text
    assert "Cost &lt;b&gt;" in card
    removed = visit.fragment("POST", "/dashboards/1/pins/2/remove").text
    assert "Removed Cost &lt;b&gt;" in removed
    assert order(site) == [1, 3]
    assert visit.get("/dashboards/1/pins/2").status_code == 404
    (undo,) = re.findall(r'hx-post="([^"]*restore)"', removed)
    assert "Cost &lt;b&gt;" in visit.fragment("POST", undo).text
    assert order(site) == [1, 2, 3]
    program(site).good("PATCH", "/dashboards/1", json={"order": ["3", "2"]})
    assert order(site) == [3, 2, 1]


# -- sharing


@pytest.fixture
def shared(site: Site) -> str:
    """The link of a dashboard with charts of two datasets, of which others see one at most."""
    visit = site.visit("admin")
    site.home.add_account("second", [0])
    site.home.good("run", "-f", site.home.file(name="Secret client", account="second"))
    pin(visit, query="currency=EUR")
    site.store.dashboards.add_pin(
        site.store.dashboards.get(1), site.store.datasets.get("secret_client"), "spend", "days=7", "Client X"
    )
    visit.sent("/dashboards/1/share")
    (link,) = re.findall(r'id="share-link" readonly value="([^"]*)"', visit.good("/dashboards/1"))
    return str(link).removeprefix("http://localhost:8765")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_who_has_the_link_sees_the_charts_that_they_may_see_and_no_name_of_the_others(
    site: Site, shared: str, role: Role
) -> None:
    vera = site.user("vera", role)
    site.store.shares.set(site.store.accounts.get("demo"), vera, Level.READ)
    visit = site.visit(vera)
    page = visit.good(shared)
    assert "shared by admin" in words_of(page)
    assert "Rename" not in page
    assert charts(visit.part(f"{shared}/pins/1").text)
    hidden = visit.part(f"{shared}/pins/2").text
    assert "You have no access to the dataset of this chart." in words_of(hidden)
    everything = page + hidden + str(program(site, vera).get(f"/shared-dashboards/{shared.rpartition('/')[2]}"))
    assert "Secret" not in everything
    assert "secret" not in everything
    assert "Client X" not in everything
    # It is theirs to see, not to change, and not to find by its number.
    assert visit.get("/dashboards/1").status_code == 404
    for order_of in ("rename", "delete", "share", "pins/1/remove", "pins/1/move", "deliveries"):
        assert visit.post(f"/dashboards/1/{order_of}", {"name": "x", "to": "1"}).status_code == 404, order_of
    assert visit.words("/dashboards").count(BOARD) == 0


def test_a_link_ends_when_it_is_replaced_or_revoked_and_strangers_have_to_sign_in(site: Site, shared: str) -> None:
    visit = site.visit("admin")
    assert site.visit().get(shared).url.path == "/login"
    visit.sent("/dashboards/1/share")
    again = site.store.dashboards.get(1).share
    assert again is not None
    assert visit.get(shared).status_code == 404
    assert visit.get(f"/dashboards/shared/{again}").status_code == 200
    visit.sent("/dashboards/1/share", {"stop": "1"})
    answer = visit.get(f"/dashboards/shared/{again}")
    assert answer.status_code == 404
    assert "revoked" in words_of(answer.text)


# -- what is gone


def test_a_card_whose_dataset_column_metric_or_table_is_gone_says_so_and_shows_no_figures(site: Site) -> None:
    home, visit = site.home, site.visit("admin")
    pin(visit, query="currency=EUR&metric=spend:conversion")
    pin(visit, card="results", query="currency=EUR", dashboard="1")
    pin(visit, dataset="campaigns", query="currency=EUR", dashboard="1")
    home.good("datasets", "edit", "spend", "-f", home.file(metrics=["spend"]))
    home.good("run", "spend")
    home.good("datasets", "delete", "campaigns", "--yes")
    words = [words_of(visit.part(f"/dashboards/1/pins/{number}").text) for number in (1, 2, 3)]
    assert "This chart cannot show the metric 'conversion'" in words[0]
    assert "no longer has this chart" in words[1] or "No data" in words[1]
    assert "The dataset 'Campaigns' of this chart was deleted." in words[2]
    for text in words:
        assert "Remove chart" in text
        assert not re.search(r"\d+\.\d\d", text), text
    assert program(site).get("/dashboards/1/pins/3")["dataset"] is None
    home.good("datasets", "delete", "spend", "--yes")
    assert "was deleted" in words_of(visit.part("/dashboards/1/pins/1").text)


def test_a_failed_run_is_said_on_the_card_with_the_figures_of_the_version_before(site: Site) -> None:
    visit = site.visit("admin")
    pin(visit, query="currency=EUR")
    (before,) = charts(visit.part("/dashboards/1/pins/1").text)
    saved = site.store.datasets.get("spend")
    run = site.store.runs.begin(site.store.runs.add(saved, "ffff0000ffff0000", None).id)
    site.store.runs.finish(run.id, RunOutcome(RunState.FAILED, error="TikTok did not answer.", error_kind="RetryError"))
    card = visit.part("/dashboards/1/pins/1").text
    assert charts(card) == [before]
    assert "Failed: TikTok did not answer." in words_of(card)


def test_dashboards_go_with_their_user_and_pins_stay_without_their_dataset(site: Site) -> None:
    ada = site.user("ada", Role.ADMIN)
    pin(site.visit(ada))
    site.store.users.delete(ada)
    assert site.store.dashboards.of(None) == ()


# -- one answer


def test_page_api_and_command_line_say_the_same_of_a_card(site: Site) -> None:
    visit, asking = site.visit("admin"), program(site)
    pin(visit, query="days=7&currency=EUR")
    (chart,) = charts(visit.part("/dashboards/1/pins/1").text)
    answer = asking.get("/dashboards/1/pins/1")
    drawn = answer["chart"]
    assert {key: chart[key] for key in ("kind", "x", "panels")} == {key: drawn[key] for key in ("kind", "x", "panels")}
    shown = site.home.json("dashboards", "show", BOARD)
    (card,) = shown["charts"]
    assert card["table"] == answer["table"]
    assert {key: card[key] for key in ("title", "dataset", "choices", "state", "status", "read_at")} == {
        key: answer[key] for key in ("title", "dataset", "choices", "state", "status", "read_at")
    }
    assert asking.get("/dashboards")["items"] == site.home.json("dashboards", "list")
    listed = site.home.good("dashboards", "show", "1").stdout
    assert "2026-11-21" in listed


def test_the_command_line_creates_pins_shares_and_deletes_with_the_rights_of_its_user(site: Site) -> None:
    home = site.home
    ada = site.user("ada")
    site.store.shares.set(site.store.accounts.get("demo"), ada, Level.READ)
    home.environ["ADREEL_USER"] = "ada"
    home.good("dashboards", "create", "Ada's")
    home.good("dashboards", "pin", "Ada's", "spend", "spend", "--choices", "days=7&currency=EUR", "--title", "Cost")
    link = home.good("dashboards", "share", "Ada's").stdout.strip()
    assert link.startswith("http://localhost:8765/dashboards/shared/")
    assert [row["owner"] for row in home.json("dashboards", "list")] == ["ada"]
    home.environ["ADREEL_USER"] = "admin"
    assert home.json("dashboards", "list") == []
    assert "was not found" in home.bad("dashboards", "show", "Ada's")[1]
    del home.environ["ADREEL_USER"]
    assert [row["name"] for row in home.json("dashboards", "list")] == ["Ada's"]
    home.good("dashboards", "unpin", "Ada's", "1")
    home.good("dashboards", "delete", "Ada's", "--yes")
    assert home.json("dashboards", "list") == []


def test_a_read_only_token_sees_dashboards_and_changes_none(site: Site) -> None:
    pin(site.visit("admin"))
    reading = program(site, read_only=True)
    assert reading.get("/dashboards")["total"] == 1
    assert reading.get("/dashboards/1/pins/1")["state"] == "shown"
    assert "read-only" in reading.bad("DELETE", "/dashboards/1", 403)["message"]


def test_errors_of_one_card_leave_the_others_as_they_are(site: Site) -> None:
    visit = site.visit("admin")
    pin(visit, query="currency=EUR")
    board = site.store.dashboards.get(1)
    broken = site.store.dashboards.add_pin(board, site.store.datasets.get("spend"), "spend", "currency=XXX")
    guard = Guard(site.store, Actor(site.store.users.get("admin")))
    card = pinned_card(guard, lake_of(site), board, broken, site.home.now)
    assert card.state is PinState.FAILED
    assert "XXX" in card.problem
    page = words_of(visit.part(f"/dashboards/1/pins/{broken.id}").text)
    assert "The chart failed to load" in page
    assert "Try again" in page
    assert boards.dashboard(guard, BOARD).pins == 2
