"""Transactions, costs and assets of Business Centers, by day and with what proves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from adreel.errors import ExitCode
from adreel.simulator.api.business_centers import IDS
from home import SPEND, Home, make_home
from web_home import open_site

_EMPTY = dict.fromkeys(SPEND)
WEEK = {"start": "2026-11-14", "end": "2026-11-20"}
TRANSACTIONS: dict[str, Any] = {
    **_EMPTY,
    "name": "Transactions",
    "account": "demo",
    "report": "business_center_transactions",
    "dates": WEEK,
    "update": {"method": "upsert"},
}
COSTS = {**TRANSACTIONS, "name": "Costs", "report": "business_center_costs"}


class Changed(httpx2.AsyncBaseTransport):
    """The simulated world, with other parameters or rows of one path."""

    def __init__(self, home: Home, path: str, *, unfiltered: bool = False, **values: Any) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._path, self._unfiltered, self._values = path, unfiltered, values

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._path not in request.url.path:
            return await self._under.handle_async_request(request)
        if self._unfiltered:
            request = httpx2.Request("GET", request.url.copy_remove_param("filtering"), headers=request.headers)
        response = await self._under.handle_async_request(request)
        answer = orjson.loads(await response.aread())
        for rows in answer["data"].values():
            for row in rows if isinstance(rows, list) else ():
                row.update(self._values)
        return httpx2.Response(200, content=orjson.dumps(answer))


def test_transactions_of_further_days_join_those_that_the_table_has(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(**TRANSACTIONS))
    home.good("run", "transactions", "--yes")
    rows = home.rows("SELECT * FROM transactions ORDER BY transaction_date")
    assert home.json("history", "transactions")[0]["state"] == "verified"
    # The second Business Center owns no ad accounts.
    assert {row["bc_id"] for row in rows} == {IDS[0]}
    assert all("2026-11-14" <= row["transaction_date"] <= row["created_local"] for row in rows)
    assert all(row["advertiser_id"] and row["currency"] and row["timezone"] == "UTC+00:00" for row in rows)
    sums = "SELECT count(*) AS rows, sum(amount - subtotal - tax_amount) AS rest FROM transactions"
    assert home.rows(sums) == [{"rows": len(rows), "rest": 0.0}]
    home.good("run", "transactions", "--yes", "--start", "2026-10-01", "--end", "2026-11-20")
    more = home.rows("SELECT transaction_id FROM transactions WHERE transaction_date < DATE '2026-11-14'")
    assert home.rows("SELECT count(*) AS rows FROM transactions") == [{"rows": len(rows) + len(more)}]
    assert more
    code, text = home.bad("backfill", "transactions", "--start", "2026-10-01", "--end", "2026-10-02")
    assert code == ExitCode.INPUT
    assert "once with the other dates: adreel run transactions --start DAY" in " ".join(text.split())
    partition = home.file(**TRANSACTIONS | {"update": {"method": "partition"}})
    assert "not available for Business Centers" in home.bad("plan", "-f", partition)[1]
    sent = home.requests("account/transaction")[0]["params"]
    times = {"start_time": "2026-11-14 00:00:00", "end_time": "2026-11-20 23:59:59"}
    assert orjson.loads(sent["filtering"]) == times


def test_transactions_of_more_than_a_year_and_of_the_business_center_itself(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", days=500)
    home.add_account()
    dates = {"start": "2025-10-01", "end": "2026-11-20"}
    values = {**TRANSACTIONS, "dates": dates, "business_centers": [IDS[0]], "transaction_level": "bc"}
    assert home.json("plan", "-f", home.file(**values))["requests"] >= 3
    home.good("run", "-f", home.file(**values), "--yes")
    days = "min(transaction_date) < DATE '2025-10-15' AS old, max(transaction_date) > DATE '2026-11-05' AS new"
    (row,) = home.rows(f"SELECT {days}, count(advertiser_id) AS accounts FROM transactions")
    assert row == {"old": True, "new": True, "accounts": 0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1764000000", "TikTok sent '1764000000' as create_time, a form that adreel does not know"),
        ("2026-02-30 00:00:00", "a form that adreel does not know"),
        ("2026-11-22 00:00:00", "a transaction of 2026-11-22, a day that was not requested"),
    ],
)
def test_a_time_that_is_not_of_the_documented_form_or_days_fails_the_run(home: Home, value: str, message: str) -> None:
    home.transport = Changed(home, "account/transaction", create_time=value)
    code, text = home.bad("run", "-f", home.file(**TRANSACTIONS, business_centers=[IDS[0]]), "--yes")
    assert code == ExitCode.CHECK_FAILED
    assert message in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize("values", [TRANSACTIONS, COSTS])
def test_days_after_a_time_without_runs_are_read_and_those_too_far_back_are_named(
    home: Home, values: dict[str, Any]
) -> None:
    slug = values["name"].lower()
    yesterday = {**values, "dates": {"period": "yesterday"}, "business_centers": [IDS[0]]}
    home.good("datasets", "create", "-f", home.file(**yesterday))
    home.good("run", slug, "--yes")
    home.later(20)
    home.good("run", slug, "--yes")
    whole = {**values, "name": "Whole", "dates": {"start": "2026-11-21", "end": "2026-12-11"}}
    home.good("run", "-f", home.file(**whole | {"business_centers": [IDS[0]]}), "--yes")
    (rows, all_rows) = (home.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in (slug, "whole"))
    assert rows == all_rows > 0
    home.good("datasets", "edit", slug, "-f", home.file(**yesterday | {"update": {"method": "upsert", "lookback": 0}}))
    home.later(5)
    home.good("run", slug, "--yes")
    warning = " ".join(home.json("history", slug)[0]["warnings"])
    assert "The table lacks 2026-12-12 to 2026-12-15." in warning
    assert f"adreel run {slug} --start 2026-12-12 --end 2026-12-15" in warning
    home.good("run", slug, "--yes", "--start", "2026-12-12", "--end", "2026-12-15")
    home.good("run", slug, "--yes")
    assert not home.json("history", slug)[0]["warnings"]


def test_costs_have_a_row_for_each_day_and_sum_up_to_those_of_all_days(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(**COSTS))
    home.good("run", "costs", "--yes")
    assert home.json("history", "costs")[0]["state"] == "verified"
    groups = home.rows("SELECT bc_id, cost_date, count(*) AS rows FROM costs GROUP BY ALL ORDER BY ALL")
    assert [row["rows"] for row in groups] == [3] * 7 + [2] * 7
    assert home.rows("SELECT sum(amount - cash_amount - grant_amount) AS rest FROM costs") == [{"rest": 0.0}]
    # A request for each day and Business Center, one for all days of each, and the list of Business Centers.
    assert len(home.requests("account/cost")) == 16
    estimate = home.json("plan", "-f", home.file(**COSTS, business_centers=list(IDS)))
    assert estimate["requests"] >= 17


@pytest.mark.parametrize("days", [7, 1])
def test_costs_of_other_days_than_those_requested_are_not_verified(home: Home, days: int) -> None:
    values = {**COSTS, "dates": WEEK if days > 1 else {"date": "2026-11-20"}, "business_centers": [IDS[1]]}
    home.good("run", "-f", home.file(**values), "--yes")
    # Costs of each day, of all days, and of the day before a day alone.
    requests = len(home.requests("account/cost"))
    assert requests == (8 if days > 1 else 3)
    assert home.json("plan", "-f", home.file(**{**values, "name": "Other"}))["requests"] == requests + 1
    home.transport = Changed(home, "account/cost", unfiltered=True)
    code, text = home.bad("run", "costs", "--yes")
    assert code == ExitCode.CHECK_FAILED
    assert "The costs of single days from" in " ".join(text.split())


def test_who_lacks_the_finance_role_reads_no_costs_but_assets(home: Home) -> None:
    home.door("finance-role", {"bc_id": IDS[1], "finance_role": ""})
    code, text = home.bad("run", "-f", home.file(**COSTS), "--yes")
    assert code == ExitCode.ADVERTISER
    assert f"Business Center Northwind Partners ({IDS[1]}) could not be read" in text
    assets = {**_EMPTY, "name": "Assets", "account": "demo", "report": "business_center_assets"}
    home.good("run", "-f", home.file(**assets), "--yes")
    counts = home.rows("SELECT asset_type, count(*) AS assets FROM assets GROUP BY ALL ORDER BY ALL")
    assert {row["asset_type"]: row["assets"] for row in counts} == {
        "ADVERTISER": 5,
        "CATALOG": 4,
        "LEAD": 2,
        "PIXEL": 4,
        "TIKTOK_SHOP": 2,
        "TT_ACCOUNT": 2,
    }
    pixels = home.json("preview", "-f", home.file(**{**assets, "name": "Pixels"}, asset_type="pixel"))
    assert {row["asset_name"] for row in pixels} == {"Website", "Outlet"}
    home.transport = Changed(home, "bc/asset", asset_type="LEAD")
    code, text = home.bad("run", "-f", home.file(**assets), "--yes")
    assert code == ExitCode.CHECK_FAILED
    assert "an asset of type 'LEAD', and ADVERTISER was requested" in " ".join(text.split())


def test_the_business_centers_are_a_table_of_their_own(home: Home) -> None:
    values = {**_EMPTY, "name": "Centers", "account": "demo", "report": "business_centers"}
    home.good("datasets", "create", "-f", home.file(**values, update={"method": "upsert"}))
    for _ in range(2):
        home.good("run", "centers", "--yes")
    rows = home.rows("SELECT bc_id, name, currency, finance_role FROM centers ORDER BY bc_id")
    assert [(row["bc_id"], row["name"], row["finance_role"]) for row in rows] == [
        (IDS[0], "Northwind Agency", "ANALYST"),
        (IDS[1], "Northwind Partners", "ANALYST"),
    ]
    # A table without ad accounts has all pages.
    with open_site(home) as site:
        for page in ("", "/data", "/cards", "/settings", "/restatements", "/versions"):
            assert "Unexpected error" not in site.visit("admin").good(f"/datasets/centers{page}")


def test_costs_are_what_the_reports_of_the_same_ad_accounts_sum_up_to_in_utc(home: Home) -> None:
    hours = {"account": "demo", "time_dimension": "hour", "dates": {"start": "2026-11-12", "end": "2026-11-21"}}
    basic = {"report": "performance", "data_level": "advertiser", "metrics": ["spend"]}
    shop = {"report": "gmv_max", "gmv_max_level": "account", "metrics": ["cost", "net_cost"]}
    for name, values in (("basic", basic), ("shop", shop)):
        home.good("run", "-f", home.file(**dict.fromkeys(SPEND) | hours | values | {"name": name}), "--yes")
    home.good("run", "-f", home.file(**COSTS, business_centers=[IDS[0]]), "--yes")
    utc = "CAST(stat_time_hour - INTERVAL 1 HOUR * CAST(replace(left(timezone, 6), 'UTC', '') AS INTEGER) AS DATE)"
    spent = f"""SELECT advertiser_id, {utc} AS day, spend FROM basic
                UNION ALL SELECT advertiser_id, {utc}, cost FROM shop"""
    by_day = f"SELECT advertiser_id, day, sum(spend) AS spend FROM ({spent}) GROUP BY ALL"
    rows = home.rows(
        f"SELECT currency, amount, tax_amount, cash_amount, spend FROM costs JOIN ({by_day}) AS reports"
        " ON costs.advertiser_id = reports.advertiser_id AND cost_date = day"
    )
    assert {row["currency"] for row in rows} == {"USD", "EUR", "JPY"}
    for row in rows:
        # The shop of the ad account in yen is not in the list of shops, so that only its basic cost was read.
        assert row["amount"] > row["spend"] if row["currency"] == "JPY" else row["amount"] == row["spend"]
        assert row["amount"] > row["cash_amount"] > 10 * row["tax_amount"] * 0.7 > 0


def test_balances_fall_by_the_costs_and_rise_by_what_was_added(home: Home) -> None:
    until_now = {"dates": {"start": "2026-11-16", "end": "today"}, "business_centers": [IDS[0]]}
    balances = {**dict.fromkeys(SPEND), "name": "Balances", "account": "demo", "report": "balances"}

    def left() -> dict[str, tuple[float, float]]:
        for values in (balances, COSTS | until_now):
            home.good("run", "-f", home.file(**values), "--yes")
        of_now = (
            "SELECT advertiser_id, cash_balance AS cash FROM balances QUALIFY balance_date = max(balance_date) OVER ()"
        )
        paid = "SELECT advertiser_id, sum(cash_amount + tax_amount) AS paid FROM costs GROUP BY ALL"
        rows = home.rows(f"SELECT * FROM ({of_now}) JOIN ({paid}) USING (advertiser_id)")
        return {row["advertiser_id"]: (row["cash"], row["paid"]) for row in rows}

    before = left()
    home.later(6)
    after = left()
    home.good("run", "-f", home.file(**TRANSACTIONS | until_now), "--yes")
    added = "amount_type = 'POSITIVE' AND billing_type = 'CASH' AND created_local > TIMESTAMP '2026-11-22 12:00:00'"
    sums = home.rows(f"SELECT advertiser_id, sum(amount) AS added FROM transactions WHERE {added} GROUP BY ALL")
    assert len(sums) == 3
    for row in sums:
        (first, paid_before), (last, paid) = before[row["advertiser_id"]], after[row["advertiser_id"]]
        assert last - first == pytest.approx(row["added"] - (paid - paid_before))
        assert 0 < row["added"] < first
