"""Balances of Business Centers: one row for each ad account and day of a run, of every Business Center."""

from __future__ import annotations

import httpx2
import orjson
import pytest

from adreel.errors import ExitCode
from adreel.simulator.api.business_centers import IDS
from home import SPEND, Home, make_home

BALANCES = {**dict.fromkeys(SPEND), "name": "Balances", "account": "demo", "report": "balances"}


def test_each_run_adds_a_day_of_balances_of_all_business_centers(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(**BALANCES, update={"method": "upsert"}))
    home.good("run", "balances", "--yes")
    rows = home.rows("SELECT * FROM balances ORDER BY bc_id, advertiser_id")
    # The first has all three ad accounts, the second every second one of them.
    assert [(row["bc_id"], row["bc_name"]) for row in rows] == [
        *[(IDS[0], "Northwind Agency")] * 3,
        *[(IDS[1], "Northwind Partners")] * 2,
    ]
    assert {row["balance_date"] for row in rows} == {"2026-11-22"}
    assert all(row["account_balance"] is not None and row["currency"] for row in rows)
    previewed = home.json("preview", "balances")
    assert [(row["bc_id"], row["advertiser_id"]) for row in previewed] == [
        (row["bc_id"], row["advertiser_id"]) for row in rows
    ]
    run = home.json("history", "balances")[0]
    assert (run["state"], run["rows"]) == ("verified", 5)
    home.good("run", "balances", "--yes")
    assert home.rows("SELECT count(*) AS rows FROM balances") == [{"rows": 5}]
    home.later(1)
    home.good("run", "balances", "--yes")
    days = home.rows("SELECT balance_date, count(*) AS rows FROM balances GROUP BY ALL ORDER BY ALL")
    assert days == [{"balance_date": "2026-11-22", "rows": 5}, {"balance_date": "2026-11-23", "rows": 5}]


def test_the_estimate_says_that_business_centers_are_not_counted_yet(home: Home) -> None:
    estimate = home.good("plan", "-f", home.file(**BALANCES))
    assert "Counted with one Business Center. A run reads all of the account." in " ".join(estimate.output.split())
    assert home.json("plan", "-f", home.file(**BALANCES, business_centers=list(IDS)))["requests"] >= 3


def test_amounts_are_those_of_the_answer_to_the_cent(home: Home) -> None:
    home.door("trouble", {"kind": "value", "path": "advertiser/balance", "field": "account_balance", "value": "0.1"})
    home.good("run", "-f", home.file(**BALANCES, business_centers=[IDS[1]]), "--yes")
    rows = home.rows("SELECT bc_id, CAST(account_balance AS VARCHAR) AS balance FROM balances")
    assert {row["bc_id"] for row in rows} == {IDS[1]}
    assert "0.100000" in {row["balance"] for row in rows}


def test_ad_accounts_that_did_not_authorize_the_app_have_their_balances_too(home: Home) -> None:
    home.add_account("one", [0])
    home.good("run", "-f", home.file(**{**BALANCES, "account": "one"}, business_centers=IDS[:1]), "--yes")
    assert home.rows("SELECT count(*) AS rows FROM balances") == [{"rows": 3}]


def test_who_lacks_the_finance_role_reads_what_to_do_and_the_table_stays(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(**BALANCES))
    home.good("run", "balances", "--yes")
    home.door("finance-role", {"bc_id": IDS[1], "finance_role": ""})
    code, message = home.bad("run", "balances", "--yes")
    assert code == ExitCode.ADVERTISER
    assert f"Business Center Northwind Partners ({IDS[1]}) could not be read" in message
    assert "Finance manager or Finance analyst" in message
    refusal = "advertiser does not grant you /advertiser/balance/get/:GET permission"
    home.door("trouble", {"kind": "code", "path": "advertiser/balance", "code": 40001, "message": refusal, "times": 0})
    message = home.bad("run", "balances", "--yes")[1]
    assert "The app lacks the permission for /advertiser/balance/get/" in message
    assert "Finance manager" not in message
    assert home.rows("SELECT count(*) AS rows FROM balances") == [{"rows": 5}]


def test_a_business_center_that_the_connection_lacks_is_named(home: Home) -> None:
    code, message = home.bad("run", "-f", home.file(**BALANCES, business_centers=["7000000000000000999"]), "--yes")
    assert code == ExitCode.ADVERTISER
    assert "no Business Center 7000000000000000999" in message
    assert "Northwind Agency" in message


class Shortened(httpx2.AsyncBaseTransport):
    """The simulated world whose list of Business Centers lacks the last one, which it counts."""

    def __init__(self, home: Home) -> None:
        self._under = httpx2.ASGITransport(home.world)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        if "/bc/get/" not in request.url.path:
            return response
        answer = orjson.loads(await response.aread())
        answer["data"]["list"].pop()
        return httpx2.Response(200, content=orjson.dumps(answer))


@pytest.mark.parametrize("kind", ["a business center", "an ad account"])
def test_what_tiktok_counts_and_does_not_send_fails_the_run(home: Home, kind: str) -> None:
    if kind == "a business center":
        home.transport = Shortened(home)
    else:
        home.door("trouble", {"kind": "total", "path": "advertiser/balance", "change": 1, "times": 0})
    code, _ = home.bad("run", "-f", home.file(**BALANCES), "--yes")
    assert code == ExitCode.CHECK_FAILED


def test_more_ad_accounts_than_a_page_has_are_read_to_the_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    # The last but one of them cannot be read, which is no matter of balances.
    home = make_home(tmp_path_factory.mktemp("many") / "home", advertisers=60, ads=1)
    home.add_account()
    home.good("run", "-f", home.file(**BALANCES, business_centers=IDS[:1]), "--yes")
    assert home.rows("SELECT count(DISTINCT advertiser_id) AS ads FROM balances") == [{"ads": 60}]
    sizes = {request["params"]["page_size"] for request in home.requests("advertiser/balance")}
    assert sizes == {"50"}
