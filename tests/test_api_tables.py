"""Tables over the API: versions, differences, rows, statistics, files, cards, SQL."""

from __future__ import annotations

import asyncio
import io
import json
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from api_home import API, SPEND, Program, program, table
from home import Home
from web_home import Site, words_of


@pytest.fixture
def asking(site: Site) -> Program:
    """A program over a site with a table called spend."""
    client = program(site)
    table(site, client)
    return client


def exact(answer: Any) -> Any:
    """An answer's JSON with decimals, as a client that books money reads it."""
    return json.loads(answer.text, parse_float=Decimal)


def test_rows_are_those_of_the_table_with_all_their_digits(asking: Program, home: Home) -> None:
    answer = asking.ask("GET", "/datasets/spend/rows", params={"limit": 1000, "sort": ["stat_time_day", "ad_id"]})
    page = exact(answer)
    expected = home.good("query", "select * from spend order by stat_time_day, ad_id", "--format", "json").stdout
    assert page["items"] == json.loads(expected, parse_float=Decimal)
    assert page["total"] == page["table_rows"] == len(page["items"])
    assert [column["name"] for column in page["columns"]] == list(page["items"][0])


def test_rows_are_filtered_sorted_and_paged(asking: Program) -> None:
    def rows(**query: Any) -> dict[str, Any]:
        return dict(asking.get("/datasets/spend/rows", **query))

    every = rows(limit=1000)["items"]
    rich = rows(filter=["spend:ge:50", "clicks:gt:10"], sort="-spend", limit=5)
    expected = sorted(
        (row for row in every if row["spend"] >= 50 and row["clicks"] > 10), key=lambda row: -row["spend"]
    )
    assert rich["total"] == len(expected) > 5
    assert [row["spend"] for row in rich["items"]] == [row["spend"] for row in expected[:5]]
    second = rows(filter=["spend:ge:50", "clicks:gt:10"], sort="-spend", limit=5, offset=5)
    assert [row["spend"] for row in second["items"]] == [row["spend"] for row in expected[5:10]]
    assert list(rows(columns=["ad_id", "spend"], limit=1)["items"][0]) == ["ad_id", "spend"]
    days = rows(filter="stat_time_day:eq:2026-11-20", limit=1000)["items"]
    assert {row["stat_time_day"] for row in days} == {"2026-11-20"}
    assert rows(filter="currency:in:EUR,JPY")["total"] + rows(filter="currency:eq:USD")["total"] == len(every)
    assert rows(filter="spend:null")["total"] == 0
    assert rows(filter="spend:notnull")["total"] == len(every)
    assert rows(filter="timezone:contains:utc")["total"] == len(every)


def test_invalid_queries_of_rows_are_refused(asking: Program) -> None:
    for query in (
        {"filter": "spend"},
        {"filter": "spend:about:1"},
        {"filter": "spend:ge:much"},
        {"filter": "nothing:eq:1"},
        {"filter": "spend:ge"},
        {"sort": "nothing"},
        {"columns": "nothing"},
        {"limit": 1001},
        {"version": "x"},
    ):
        assert asking.bad("GET", "/datasets/spend/rows", 422, params=query)["message"], query


def test_a_dataset_without_a_table_says_that_it_has_to_run(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    for part in ("rows", "versions", "schema", "statistics", "difference", "export", "cards", "cards/spend"):
        error = asking.bad("GET", f"/datasets/spend/{part}", 404)
        assert "run it first" in error["message"]
        assert str(site.home.path) not in error["message"]


def test_the_schema_says_what_each_column_is(asking: Program) -> None:
    schema = asking.get("/datasets/spend/schema")
    columns = {column["name"]: column for column in schema["columns"]}
    assert [name for name, column in columns.items() if column["key"]] == ["advertiser_id", "ad_id", "stat_time_day"]
    assert columns["spend"]["additive"] is True
    assert columns["ad_id"]["additive"] is False
    assert columns["spend"]["unit"] == "account_currency"
    assert columns["spend"]["meaning"]
    assert schema["rows"] == asking.get("/datasets/spend")["rows"]


def test_statistics_sum_only_what_may_be_summed(asking: Program) -> None:
    rows = exact(asking.ask("GET", "/datasets/spend/rows", params={"limit": 1000}))["items"]
    columns = {column["name"]: column for column in exact(asking.ask("GET", "/datasets/spend/statistics"))["columns"]}
    assert columns["clicks"]["total"] == sum(row["clicks"] for row in rows)
    assert columns["spend"]["total"] is None, "three currencies"
    assert columns["spend"]["greatest"] == max(row["spend"] for row in rows)
    assert columns["ad_id"]["total"] is None
    assert columns["ad_id"]["distinct"] == len({row["ad_id"] for row in rows})
    (clicks,) = asking.get("/datasets/spend/statistics", columns=["clicks"])["columns"]
    assert sum(part["rows"] for part in clicks["histogram"]) == len(rows)


def test_versions_are_compared_and_the_last_two_unless_others_are_named(site: Site, asking: Program) -> None:
    assert asking.bad("GET", "/datasets/spend/difference", 404)["kind"] == "NotFoundError"
    before = exact(asking.ask("GET", "/datasets/spend/rows", params={"limit": 1000}))["items"]
    site.home.later(1)
    asking.good("POST", "/datasets/spend/runs", 202)
    site.work()
    after = exact(asking.ask("GET", "/datasets/spend/rows", params={"limit": 1000}))["items"]
    versions = asking.get("/datasets/spend/versions")
    assert [version["version"] for version in versions["items"]] == [1, 0]
    assert exact(asking.ask("GET", "/datasets/spend/rows", params={"limit": 1000, "version": 0}))["items"] == before
    difference = exact(asking.ask("GET", "/datasets/spend/difference"))
    assert (difference["before"], difference["after"], difference["keyed"]) == (0, 1, True)
    assert (difference["rows_before"], difference["rows_after"]) == (len(before), len(after))
    sums = {(metric["name"], part["currency"]): part for metric in difference["metrics"] for part in metric["sums"]}
    assert difference["currencies"] == ["EUR", "JPY", "USD"]
    assert set(sums) >= {("clicks", None), *(("spend", code) for code in difference["currencies"])}
    assert ("spend", None) not in sums
    for (name, code), part in sums.items():
        for side, rows in (("before", before), ("after", after)):
            assert part[side] == sum(row[name] for row in rows if code in (None, row["currency"]))
        steps = [
            step
            for day in difference["days"]
            for step in day["sums"]
            if (step["name"], step["currency"]) == (name, code)
        ]
        assert sum(step["change"] for step in steps) == part["change"] == part["after"] - part["before"]
    assert exact(asking.ask("GET", "/datasets/spend/difference", params={"before": 0, "after": 1})) == difference
    asking.bad("GET", "/datasets/spend/difference", 404, params={"before": 0, "after": 7})
    asking.bad("GET", "/datasets/spend/rows", 404, params={"version": 7})


def test_sql_names_earlier_versions_on_the_page_over_the_api_and_on_the_command_line(
    site: Site, asking: Program
) -> None:
    site.home.later(1)
    asking.good("POST", "/datasets/spend/runs", 202)
    site.work()
    first = exact(asking.ask("GET", "/datasets/spend/rows", params={"limit": 1, "version": 0}))["total"]
    newest = exact(asking.ask("GET", "/datasets/spend/rows", params={"limit": 1}))["total"]
    sql = 'select (select count(*) from spend) as "now", (select count(*) from "Spend@0") as "then"'
    assert first != newest
    assert asking.good("POST", "/query", json={"sql": sql})["items"] == [{"now": newest, "then": first}]
    assert site.home.rows(sql) == [{"now": newest, "then": first}]
    visit = site.visit("admin")
    assert f"{newest} {first}" in words_of(visit.fragment("POST", "/query", {"sql": sql}).text)
    for refused, message in (
        ('select * from "spend@7"', "The table spend has no version 7; available: 0, 1."),
        ("select * from spend@0", 'Write "spend@0" with its quotation marks'),
    ):
        status = 404 if "no version" in message else 422
        assert message in asking.bad("POST", "/query", status, json={"sql": refused})["message"]
        assert message in site.home.bad("query", refused)[1]
        assert message in words_of(visit.fragment("POST", "/query", {"sql": refused}).text)


def test_money_in_one_currency_is_summed_and_what_append_repeats_is_not(site: Site) -> None:
    asking = program(site)
    ids = [advertiser["id"] for advertiser in asking.get("/accounts/1/advertisers")["items"]]
    slug = table(site, asking, advertisers=ids[:1])
    rows = exact(asking.ask("GET", f"/datasets/{slug}/rows", params={"limit": 1000}))["items"]
    totals = {
        column["name"]: column["total"]
        for column in exact(asking.ask("GET", f"/datasets/{slug}/statistics"))["columns"]
    }
    assert totals["spend"] == sum(row["spend"] for row in rows)
    appended = table(site, asking, name="Appended", advertisers=ids[:1], update={"method": "append"})
    assert all(column["total"] is None for column in asking.get(f"/datasets/{appended}/statistics")["columns"])


def test_a_table_is_downloaded_in_every_format(asking: Program) -> None:
    total = asking.get("/datasets/spend")["rows"]

    def file(kind: str, **query: Any) -> Any:
        answer = asking.ask("GET", "/datasets/spend/export", params={"format": kind, **query})
        assert answer.status_code == 200, answer.text
        assert f'filename="spend.{kind}"' in answer.headers["content-disposition"]
        return answer

    assert len(file("csv").text.splitlines()) == total + 1
    assert len(file("json").json()) == total
    assert pq.read_table(io.BytesIO(file("parquet").content)).num_rows == total
    sheet = openpyxl.load_workbook(io.BytesIO(file("xlsx").content)).active
    assert sheet is not None
    assert sheet.max_row == total + 1
    assert file("csv", columns=["ad_id"], version=0).text.splitlines()[0] == '"ad_id"'
    some = {"columns": ["ad_id", "spend"], "filter": ["spend:ge:50"], "sort": ["-spend"]}
    page = exact(asking.ask("GET", "/datasets/spend/rows", params={**some, "limit": 1000}))
    assert 0 < page["total"] < total
    assert [row["ad_id"] for row in file("json", **some).json()] == [row["ad_id"] for row in page["items"]]
    asking.bad("GET", "/datasets/spend/export", 422, params={"format": "pdf"})
    asking.bad("GET", "/datasets/spend/export", 422, params={"columns": ["nothing"]})
    asking.bad("GET", "/datasets/spend/export", 404, params={"version": 7})


def test_cards_are_offered_and_their_data_is_never_added_over_currencies(asking: Program) -> None:
    offered = asking.get("/datasets/spend/cards", limit=1000)
    assert offered["total"] == len(offered["items"]) > 1
    shown = [chart["key"] for chart in offered["items"] if chart["refusal"] is None]
    for key in shown:
        answer = asking.get(f"/datasets/spend/cards/{key}", days=0)
        assert answer["chart"]["name"] == key
        assert len(answer["table"]["head"]) == len(answer["table"]["numeric"])
    rows = asking.get("/datasets/spend/rows", limit=1000)["items"]
    answer = asking.get("/datasets/spend/cards/spend", currency="EUR", days=0)
    assert answer["facts"]["currency"] == "EUR"
    assert {currency["code"] for currency in answer["facts"]["currencies"]} == {"EUR", "JPY", "USD"}
    drawn = [value for value in answer["chart"]["panels"][0]["series"][0]["values"] if value is not None]
    assert sum(drawn) == pytest.approx(sum(row["spend"] for row in rows if row["currency"] == "EUR"))
    asking.bad("GET", "/datasets/spend/cards/nothing", 404)
    asking.bad("GET", "/datasets/spend/cards/spend", 422, params={"currency": "XXX"})


def test_charts_are_chosen_by_days_filters_and_metric_as_on_the_page(asking: Program) -> None:
    rows = asking.get("/datasets/spend/rows", limit=1000)["items"]
    account = next(row["advertiser_id"] for row in rows if row["currency"] == "EUR")
    last = max(row["stat_time_day"] for row in rows)
    values = asking.get("/datasets/spend/filters/advertiser", search=account)
    assert [value["value"] for value in values["values"]] == [account]
    assert values["values"][0]["rows"] == sum(row["advertiser_id"] == account for row in rows)
    ad = next(row["ad_id"] for row in rows if row["advertiser_id"] == account)
    ads = asking.get("/datasets/spend/filters/ad", advertiser=[account], ad=[ad], limit=1)
    assert [value["value"] for value in ads["selected"]] == [ad]
    chosen = {"start": last, "end": last, "compare": "none", "advertiser": [account], "ad": [ad]}
    answer = asking.get("/datasets/spend/cards/spend", metric="clicks", **chosen)
    (shown,) = [row for row in rows if row["ad_id"] == ad and row["stat_time_day"] == last]
    assert answer["chart"]["title"] == "Clicks (destination) by day"
    assert answer["chart"]["panels"][0]["series"][0]["values"] == [shown["clicks"]]
    assert answer["facts"]["window"] == {"start": last, "end": last}
    assert [entry["key"] for entry in answer["facts"]["filters"]] == ["ad"]
    budget = {"budget": "100", "budget_currency": "EUR", "budget_start": last, "budget_end": last}
    pacing = asking.get("/datasets/spend/cards/pacing", advertiser=[account], **budget)
    numbers = {number["title"]: number["value"] for number in pacing["chart"]["numbers"]}
    of_day = [row["spend"] for row in rows if row["advertiser_id"] == account and row["stat_time_day"] == last]
    assert numbers["Cost to date"] == pytest.approx(sum(of_day))
    asking.bad("GET", "/datasets/spend/filters/objective", 404)
    asking.bad("GET", "/datasets/spend/cards/spend", 422, params={"start": last})
    asking.bad("GET", "/datasets/spend/cards/pacing", 422, params={"budget": "lots"})


def test_sql_is_answered_with_types_and_says_if_there_is_more(asking: Program) -> None:
    body = {"sql": "select currency, sum(spend) as cost from spend group by all order by 1", "limit": 2}
    answer = exact(asking.ask("POST", "/query", json=body))
    assert [row["currency"] for row in answer["items"]] == ["EUR", "JPY"]
    assert answer["more"] is True
    assert answer["columns"][1]["type"].startswith("decimal")
    assert isinstance(answer["items"][0]["cost"], Decimal)
    assert asking.good("POST", "/query", json={**body, "limit": 3})["more"] is False


def test_odd_values_and_names_of_sql_are_json_too(asking: Program) -> None:
    sql = """
        select 1 as a, 2 as a, 'x'::blob as b, interval 1 day as i, time '01:02:03' as t, 'nan'::double as n,
               date '290000-01-01' as far, timestamp_ns '2020-01-01 00:00:00.123456789' as ns, map {'k': 1.50} as m,
               18446744073709551615::ubigint as u, [date '2026-01-01'] as days, {'d': 1.5::decimal(9, 2)} as s,
               12345678901234567890123456789.123456::decimal(38, 6) as great
    """
    (row,) = exact(asking.ask("POST", "/query", json={"sql": sql}))["items"]
    assert (row["a"], row["a_2"], row["n"]) == (1, 2, None)
    assert row["u"] == 18446744073709551615
    assert row["great"] == Decimal("12345678901234567890123456789.123456")
    assert row["days"] == ["2026-01-01"]
    assert row["s"] == {"d": Decimal("1.5")}
    assert isinstance(row["far"], str)
    assert "123456789" in row["ns"]


def test_sql_that_reads_or_writes_anything_else_is_refused(asking: Program) -> None:
    for sql in (
        "select * from nothing",
        "selec 1",
        "select 1 from",
        "copy spend to '/tmp/x.csv'",
        "attach '/tmp/x.db'",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "install httpfs",
        "create table x as select 1",
        "drop view spend",
        "set threads = 1",
        "select getenv('HOME')",
        "",
        " ",
        ";",
        "select 1; select 2",
    ):
        assert asking.bad("POST", "/query", 422, json={"sql": sql})["message"], sql
        assert asking.bad("POST", "/query/export", 422, json={"sql": sql})["message"], sql


def test_an_answer_of_sql_is_downloaded_whole(asking: Program) -> None:
    answer = asking.ask("POST", "/query/export", json={"sql": "select range as n from range(5000)", "format": "csv"})
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 5001
    formula = {"sql": "select '=1+1' as name", "format": "csv"}
    assert asking.ask("POST", "/query/export", json=formula).text.splitlines()[1] == '"=1+1"'
    safe = asking.ask("POST", "/query/export", json=formula | {"for_spreadsheet": True})
    assert safe.text.splitlines()[1] == '"\'=1+1"'


ENDLESS = "select count(*) from range(10000000000) a, range(1000000) b"


def test_a_query_ends_when_its_client_disconnects(asking: Program, site: Site) -> None:
    body = json.dumps({"sql": ENDLESS}).encode()
    headers = {"authorization": f"Bearer {asking.token}", "content-type": "application/json", "host": "localhost:8765"}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"{API}/query",
        "raw_path": f"{API}/query".encode(),
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in {**headers, "content-length": str(len(body))}.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8765),
    }

    async def leave() -> None:
        came = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if came:
                return came.pop()
            await asyncio.sleep(0.3)
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            pass

        # Far less than the 20 seconds that a query may take.
        await asyncio.wait_for(site.app(scope, receive, send), 10)

    asyncio.run(leave())
    assert asking.good("POST", "/query", json={"sql": "select 1 as one"})["items"] == [{"one": 1}]
