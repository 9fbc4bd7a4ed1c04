"""The page for SQL over the tables: what it shows, gives as a file, and refuses."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import json
import re
import resource
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import httpx2
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adreel.lake import Lake, Method, Write
from adreel.store import Level, Role
from adreel.web import queries
from home import make_home
from web_home import ADDRESS, Site, Visit, open_site, words_of


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The Data Center over a home in which a dataset has run, and one has not."""
    home = make_home(tmp_path_factory.mktemp("query") / "home")
    home.add_account()
    home.good("run", "-f", home.file())
    home.good("datasets", "create", "-f", home.file("later.yaml", name="Later"))
    with open_site(home) as site:
        yield site


@pytest.fixture
def visit(ran: Site) -> Visit:
    return ran.visit("admin")


def asked(visit: Visit, sql: str, status: int = 200) -> str:
    """The part of the page that answers."""
    answer = visit.fragment("POST", "/query", {"sql": sql})
    assert answer.status_code == status, words_of(answer.text)
    return str(answer.text)


def test_a_query_is_answered_as_a_table(ran: Site, visit: Visit) -> None:
    expected = ran.home.rows("select currency, sum(spend) as spend, count(*) as n from spend group by 1 order by 1")
    page_text = words_of(
        asked(visit, "select currency, sum(spend) as spend, count(*) as n from spend group by 1 order by 1")
    )
    assert page_text.startswith(f"Result {len(expected)} rows, in ")
    assert "currency text spend decimal n whole number" in page_text
    for row in expected:
        assert f"{row['currency']} {row['spend']:,.2f} {row['n']}" in page_text


def test_a_sum_of_whole_numbers_is_whole_and_has_thousands_separators(visit: Visit) -> None:
    page_text = words_of(asked(visit, "select sum(n) as s, -max(n) as m from (values (21562490::bigint), (1)) as t(n)"))
    assert "s whole number m whole number" in page_text
    assert page_text.endswith("21,562,491 -21,562,490")
    page_text = words_of(asked(visit, "select 170141183460469231731687303715884105727::hugeint as h, 12345.60 as d"))
    assert page_text.endswith("170,141,183,460,469,231,731,687,303,715,884,105,727 12,345.60")


def test_a_year_has_no_comma(visit: Visit) -> None:
    page_text = words_of(asked(visit, "select year(date '2026-11-22') as y, sum(2026) as s, 1234.5::double as f"))
    assert page_text.endswith("2026 2026 1,234.5")


def test_without_javascript_the_whole_page_comes_back(visit: Visit) -> None:
    answer = visit.post("/query", {"sql": "select 40 + 2 as answer\n-- <b>"})
    assert answer.status_code == 200
    assert "42" in words_of(answer.text)
    assert "select 40 + 2 as answer\n-- &lt;b&gt;</textarea>" in answer.text


def test_an_address_fills_the_editor_and_asks_nothing(visit: Visit) -> None:
    page = visit.good("/query", sql="select 40 + 2 as answer")
    assert "select 40 + 2 as answer</textarea>" in page
    assert "42" not in words_of(page)


def test_nulls_and_what_python_has_no_value_for_are_shown(visit: Visit) -> None:
    page_text = words_of(asked(visit, "select null as a, [1, null] as c, true as d, 1.50 as e, 'x' as f"))
    assert page_text.endswith("null 1, yes 1.50 x")
    page_text = words_of(asked(visit, "select date 'infinity' as a, timestamp_ns '2026-01-01 00:00:00.123456789' as b"))
    assert "out of range" in page_text
    assert page_text.endswith("2026-01-01 00:00:00.123456789")
    assert "(cannot be shown)" in words_of(asked(visit, "select [date 'infinity'] as a"))


def test_a_thousand_rows_are_shown_of_more(visit: Visit) -> None:
    part = asked(visit, "select * from range(5000)")
    assert "First 1,000 rows; download for all." in words_of(part)
    assert part.count("<tr>") == 1001
    wide = ", ".join(f"{number} as c{number}" for number in range(100))
    part = asked(visit, f"select {wide} from range(5000)")
    assert "First 300 rows; download for all." in words_of(part)
    exactly = asked(visit, "select * from range(1000)")
    assert "1,000 rows, in" in words_of(exactly)
    assert "0 rows, in" in words_of(asked(visit, "select 1 where false"))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "The query is empty"),
        ("   ", "The query is empty"),
        ("x" * 50_001, "the limit is 50,000"),
        ("selec 1", "Syntax error"),
        ("select nothing_of_that_name from spend", "nothing_of_that_name"),
        ("select * from no_such_table", "no_such_table"),
        ("select * from later", "later"),
    ],
)
def test_a_refused_query_is_explained_at_the_form(visit: Visit, sql: str, message: str) -> None:
    assert message in words_of(asked(visit, sql, 422))
    page = visit.post("/query", {"sql": sql})
    assert page.status_code == 422
    assert 'role="alert"' in page.text


@pytest.mark.parametrize(
    "sql",
    [
        "create table mine as select 1",
        "drop view spend",
        "insert into spend select * from spend",
        "copy spend to '/tmp/stolen.csv'",
        "attach '/tmp/other.db'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '10GB'",
        "pragma database_list",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from read_text('/etc/passwd')",
        "select * from glob('/**')",
        "select * from 'https://example.com/x.parquet'",
        "select getenv('ADREEL_SECRET_KEY')",
        "select current_setting('temp_directory')",
        "select * from duckdb_secrets()",
        "select * from duckdb_settings()",
        "select 1; select * from read_text('/etc/passwd')",
        "select * from sniff_csv('/etc/passwd')",
    ],
)
def test_a_query_reads_nothing_but_tables(visit: Visit, sql: str) -> None:
    part = asked(visit, sql, 422)
    assert "root:" not in part


def test_only_tables_of_visible_datasets_can_be_queried(ran: Site) -> None:
    ran.user("eve", Role.VIEWER)
    eve = ran.visit("eve")
    assert "No tables yet" in words_of(eve.good("/query"))
    assert "spend" in words_of(asked(eve, "select count(*) as n from spend", 422))
    assert eve.get("/query/tables/spend").status_code == 404
    ran.store.shares.set(ran.store.accounts.get("demo"), ran.store.users.get("eve"), Level.READ)
    assert "1 row, in" in words_of(asked(eve, "select count(*) as n from spend"))
    assert "spend" in words_of(eve.good("/query/tables"))
    ran.store.users.delete(ran.store.users.get("eve"))


def test_a_missing_table_is_reported_with_the_available_ones(visit: Visit) -> None:
    for sql in ("select * from later", "select * from later join spend using (ad_id)", "select * from nothing"):
        assert "; available: spend." in words_of(asked(visit, sql, 422)), sql


def test_a_message_shows_no_place_of_this_machine(ran: Site, visit: Visit) -> None:
    for sql in ("select * from parquet_metadata('x')", "select cast('a' as int) from spend", "select * from spendd"):
        assert str(ran.home.path) not in asked(visit, sql, 422)


def test_the_tables_are_listed_searched_and_opened(visit: Visit) -> None:
    page = visit.good("/query")
    assert "spend Spend" not in words_of(page)
    assert 'hx-get="/query/tables/spend"' in page
    assert 'data-sql="select *\nfrom spend\nlimit 100"' in page
    assert 'hx-get="/query/tables/later"' not in page
    assert "1 dataset has no table yet. Run it first." in words_of(page)
    assert "spend" in words_of(visit.fragment("GET", "/query/tables", {"q": "SPE"}).text)
    assert "No tables match this search." in words_of(visit.fragment("GET", "/query/tables", {"q": "none"}).text)
    columns = visit.fragment("GET", "/query/tables/spend").text
    page_text = words_of(columns)
    assert "Cost by day" in page_text
    assert "spend decimal" in page_text
    assert "stat_time_day date" in page_text
    assert "The dataset has no table yet. Run it first." in words_of(visit.good("/query/tables/later"))
    assert "Cost by day" in words_of(visit.good("/query", table="spend"))


def test_the_examples_are_queries_that_work(ran: Site, visit: Visit) -> None:
    part = visit.good("/query/tables/spend")
    examples = [html.unescape(text) for text in re.findall(r'data-sql="([^"]+)"', part)]
    assert len(examples) == 4
    for sql in examples:
        asked(visit, sql)


# -- files


def downloaded(visit: Visit, sql: str, kind: str) -> bytes:
    answer = visit.post("/query/download", {"sql": sql, "kind": kind})
    assert answer.status_code == 200, words_of(answer.text)
    assert f'filename="query.{kind}"' in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return bytes(answer.content)


def test_a_whole_answer_is_downloaded_in_every_format(visit: Visit) -> None:
    sql = "select i as n, i * 1.5 as half, date '2026-01-01' + i::int as day, 'x' || i as word from range(2500) t(i)"
    rows = list(csv.DictReader(io.StringIO(downloaded(visit, sql, "csv").decode())))
    assert (len(rows), rows[-1]["word"]) == (2500, "x2499")
    rows = json.loads(downloaded(visit, sql, "json"))
    assert (len(rows), rows[0]) == (2500, {"n": 0, "half": 0, "day": "2026-01-01", "word": "x0"})
    table = pq.read_table(io.BytesIO(downloaded(visit, sql, "parquet")))
    assert (table.num_rows, table.column("day")[1].as_py()) == (2500, date(2026, 1, 2))
    sheet = openpyxl.load_workbook(io.BytesIO(downloaded(visit, sql, "xlsx"))).active
    assert sheet is not None
    assert sheet.max_row == 2501


def test_a_refused_download_is_explained_on_the_page(visit: Visit) -> None:
    for form, message in (
        ({"sql": "selec 1", "kind": "csv"}, "Syntax error"),
        ({"sql": "select 1", "kind": "exe"}, "Format 'exe' is not available."),
        ({"sql": "create table x as select 1", "kind": "json"}, "A CREATE statement cannot be used here"),
    ):
        answer = visit.post("/query/download", form)
        assert answer.status_code == 422, form
        assert "attachment" not in str(answer.headers)
        assert message in words_of(answer.text)
        assert f"{form['sql']}</textarea>" in answer.text


def test_a_text_that_a_spreadsheet_would_run_is_disarmed_in_csv(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.add_account()
    with open_site(home) as site:
        saved = site.store.datasets.create("Ads", account=site.store.accounts.get("demo"), spec='{"report": "ads"}')
        rows = pa.table({"name": ["=1+1", "fine"], "spend": [Decimal("-1.50"), Decimal("2.00")]})
        write = Write("r1", Method.REPLACE, rows.schema)
        Lake(site.settings.lake_url).commit(saved.table_slug, rows.to_reader, write)
        text = downloaded(site.visit("admin"), "select * from ads", "csv").decode()
        assert "'=1+1" in text
        assert "-1.50" in text
        assert "'-1.50" not in text


def at_once(site: Site, visit: Visit, sql: str, times: int) -> list[httpx2.Response]:
    """The answers to a query that one person asks several times at the same moment."""
    cookies = {"adreel_session": visit.client.cookies["adreel_session"]}
    headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}

    async def ask() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(site.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url=ADDRESS, cookies=cookies, headers=headers
        ) as client:
            return list(await asyncio.gather(*(client.post("/query", data={"sql": sql}) for _ in range(times))))

    return asyncio.run(ask())


def test_queries_are_queued_and_refused_beyond_a_limit(
    ran: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may take much memory, so a server works on a few at a time; the others are answered all the same."""
    monkeypatch.setattr("adreel.web.pages.query.SHOWN_WAIT", 0.0)
    answers = at_once(ran, visit, "select sum(range) as n from range(300000)", queries.MOST_OF_ONE + 2)
    by_status = {status: [answer for answer in answers if answer.status_code == status] for status in (200, 503)}
    assert (len(by_status[200]), len(by_status[503])) == (queries.MOST_OF_ONE, 2)
    assert all("44,999,850,000" in words_of(answer.text) for answer in by_status[200])
    assert "in the queue" in words_of(by_status[200][-1].text)
    for answer in by_status[503]:
        assert "Wait until one finishes, then try again." in words_of(answer.text)
    assert "1 row, in" in words_of(asked(visit, "select 1"))
    monkeypatch.setattr(queries, "LONGEST_WAIT", 0.0)
    assert "did not start within" in words_of(asked(visit, "select 1", 503))


def resident() -> int:
    """Bytes of memory that this process, which is the server here, holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold no limit of memory")
def test_a_server_stays_small_while_queries_want_all_of_its_memory(ran: Site, visit: Visit) -> None:
    before = resident()
    answers = at_once(ran, visit, "select repeat('x', 2000000000)", 4)
    assert all("needed more than 512 MB of memory" in words_of(answer.text) for answer in answers)
    assert resident() - before < 30 << 20
