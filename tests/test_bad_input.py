"""Invalid input: a message, an exit code, and no change."""

from __future__ import annotations

import errno
import json
import re
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adreel.errors import ExitCode
from adreel.store.file_locks import FileLocks
from home import Home, environment_of, make_home, served

BIG_INTEGER = "9" * 5000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home for tests that change nothing, with a dataset that has run."""
    home = make_home(tmp_path_factory.mktemp("shared") / "home", ads=4)
    home.add_account()
    home.good("run", "-f", home.file("spend.yaml", metrics=["spend"]))
    return home


@pytest.fixture
def unchanged(shared: Home) -> Iterator[Home]:
    """The shared home, which the test must leave unchanged."""
    before = shared.kept()
    yield shared
    assert shared.kept() == before


def refused(home: Home, *words: str, code: ExitCode = ExitCode.INPUT, stdin: str | None = None) -> str:
    """The message on stderr; stdout must be empty."""
    result = home.adreel(*words, stdin=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.replace("│", " ").split())


# -- datasets that TikTok would refuse: nothing is sent, nothing is kept


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"report": "perfomance"}, "report: 'perfomance' is not a report. Did you mean 'performance"),
        ({"report": None}, "report: required; choose from performance, creatives"),
        ({"metrcs": ["spend"]}, "'metrcs' is not a key. Did you mean 'metrics'?"),
        ({"material_type": "video"}, "material_type: not available in report performance"),
        ({"metrics": ["spnd"]}, "metrics: 'spnd' is not available. Did you mean 'spend'?"),
        ({"metrics": []}, "metrics: required"),
        ({"metrics": "spend, clicks"}, "metrics: 'spend, clicks' is not available"),
        ({"metrics": {"spend": True}}, "metrics: must be a list of values"),
        ({"metrics": ["spend", "spend"]}, "spend is listed more than once"),
        ({"data_level": "keyword"}, "data_level: 'keyword' is not available; choose from advertiser, campaign"),
        ({"data_level": "campaign", "id_dimension": "ad_id"}, "id_dimension"),
        ({"data_level": "advertiser", "metrics": ["ad_name"]}, "ad_name"),
        ({"report_type": "audience"}, "audience_dimensions: required"),
        ({"report_type": "audience", "audience_dimensions": ["age"], "time_dimension": "hour"}, "age"),
        ({"report_type": "audience", "audience_dimensions": ["age"], "service_type": "reservation"}, "service type"),
        ({"lifetime": True}, "lifetime: requires time dimension: None"),
        ({"advertisers": "everyone"}, "advertisers: 'everyone' is not a valid ID; use digits, or all"),
        ({"advertisers": ["²"]}, "'²' is not a valid ID; use digits, or all"),
        ({"dates": None}, "dates: required: start and end, date, or period"),
        ({"dates": "yesterday"}, "must have keys: start and end, date, or period"),
        ({"dates": {"start": "2026-11-05", "end": "2026-11-01"}}, "the start 2026-11-05 is after the end 2026-11-01"),
        ({"dates": {"start": "1", "end": "5"}}, "is after the end"),
        ({"dates": {"start": "2026-11-01", "end": "2026-12-31"}}, "2026-12-31 is in the future."),
        ({"dates": {"start": "2010-01-01", "end": "today"}}, "the first day available is 2016-09-01"),
        ({"dates": {"start": "today-9999999", "end": "today"}}, "the first day is 2016-09-01"),
        ({"dates": {"start": BIG_INTEGER, "end": "today"}}, "is not a day"),
        ({"dates": {"start": "2026-02-30", "end": "today"}}, "'2026-02-30' is not a day"),
        (
            {"dates": {"period": "last_9_days"}},
            "dates.period: 'last_9_days' is not a period. Did you mean 'last_90_days",
        ),
        ({"dates": {"period": "last_week", "week_starts": "mittwoch"}}, "'mittwoch' is not a weekday"),
        ({"dates": {"date": "today", "period": "today"}}, "use one of: period, date, or start with end"),
        ({"update": {"method": "merge"}}, "update.method: 'merge' is not an update method"),
        (
            {"update": {"method": "append"}, "reset_schema": True},
            "reset_schema: not available with append, which keeps existing rows",
        ),
        (
            {"update": {"method": "upsert", "key": ["ad_id"]}},
            "missing advertiser_id, stat_time_day; without it keys repeat",
        ),
        (
            {"update": {"method": "partition"}, "time_dimension": "none"},
            "update.method: partition requires a time dimension",
        ),
        ({"update": {"method": "partition", "keep_days": BIG_INTEGER}}, "is not a number of days"),
        ({"update": {"method": "partition", "keep_days": "²"}}, "'²' is not a number of days"),
        (
            {"update": {"method": "append", "keep_days": 3}},
            "update.keep_days: requires method: partition; it is append",
        ),
        ({"name": None}, "name: required."),
        ({"name": "\x1b[31mred"}, "cannot name a dataset"),
        ({"name": "x" * 101}, "cannot name a dataset"),
        ({"name": "\ud83d"}, "not valid YAML"),
        ({"account": None}, "account: required."),
        ({"account": "dmo"}, "error: Account 'dmo' was not found. Did you mean 'demo'?"),
    ],
)
def test_an_invalid_dataset_is_refused_with_the_menu_and_the_reason(
    unchanged: Home, keys: dict[str, Any], message: str
) -> None:
    sent = len(unchanged.requests(""))
    file = Path(unchanged.file("bad.yaml"))
    values = json.loads(file.read_text()) | {"name": "Bad"} | keys
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    assert message in refused(unchanged, "run", "-f", str(file))
    assert len(unchanged.requests("")) == sent


def test_all_problems_of_a_file_are_listed_with_their_lines(unchanged: Home, tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(
        "name: A\naccount: demo\nreport: performance\ndata_level: ad\nmetrics: [spnd]\ndates: {date: soon}\n"
    )
    message = refused(unchanged, "datasets", "create", "-f", str(file))
    assert "line 5, metrics" in message
    assert "line 6, dates.date" in message


WITHOUT_REPORT = """\
name: A
name: B
account: dmo
report: perfomance
metrcs: [spend]
metrics: [nope]
data_level: adgrup
skip_failing_advertisers: maybe
dates: {start: soon, end: later}
update: {method: merge, keep_days: x}
"""
WITH_REPORT = """\
name: A
account: demo
report: performance
data_level: ad
metrics: [cost, Impressions, stat_cost, zzqq]
dates: {date: 2026-13-01, period: lastweek, week_starts: x}
update_method: merge
start_date: 2026-11-01
"""


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (
            WITHOUT_REPORT,
            [
                "line 2, name: duplicate key; it is on line 1 too. Remove one.",
                "line 3, account: 'dmo' was not found. Did you mean 'demo'?",
                "line 4, report: 'perfomance' is not a report. Did you mean 'performance'",
                "line 5, metrcs: 'metrcs' is not a key. Did you mean 'metrics'?",
                "line 6, metrics: 'nope' is not available.",
                "line 7, data_level: 'adgrup' is not available; choose from",
                "line 8, skip_failing_advertisers: 'maybe' is not true or false.",
                "line 9, dates.start: 'soon' is not a day",
                "line 9, dates.end: 'later' is not a day",
                "line 10, update.method: 'merge' is not an update method; choose from replace, append",
                "upsert, partition. Did you mean 'upsert'?",
                "line 10, update.keep_days: 'x' is not a number of days.",
            ],
        ),
        (
            WITH_REPORT,
            [
                "line 5, metrics: cost: not available in Basic reports; 'cost' is called 'spend' here. Search: adr",
                "line 5, metrics: 'Impressions' is called 'impressions'. Search: adreel metrics impressions",
                "line 5, metrics: 'stat_cost' is called 'spend'.",
                "line 5, metrics: 'zzqq' is not available. List them: adreel metrics",
                "line 6, dates.date: '2026-13-01' is not a day",
                "line 6, dates.period: 'lastweek' is not a period. Did you mean 'last_week'",
                "line 6, dates.week_starts: 'x' is not a weekday.",
                "line 6, dates: use one of: period, date, or start with end.",
                "line 7, update.method: 'merge' is not an update method; choose from",
                "line 7, update_method: 'update_method' is not a key; write update: {method: upsert}.",
                "line 8, start_date: 'start_date' is not a key; write it inside dates, as start.",
            ],
        ),
    ],
)
def test_independent_problems_of_every_level_are_listed_at_once(
    unchanged: Home, tmp_path: Path, content: str, messages: list[str]
) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(content)
    shown = refused(unchanged, "validate", "-f", str(file))
    assert [message for message in messages if message not in shown] == [], shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: A\n  account: demo\n", "(line 2, column 10): no value can begin here; check the indentation"),
        ("name: A\n\taccount: demo\n", "(line 2, column 1): a tab cannot indent; use spaces"),
        ("name: A\naccount demo\nreport: x\n", "(line 2, column 1): a colon is missing; write key: value"),
        ("dates: {start: 1, end: 2\nmetrics: [a]\n", "(line 1, column 8): this bracket is not closed"),
        ('name: "A\nreport: x\n', "(line 1, column 7): this quotation mark is not closed"),
        ("name: @a\n", "(line 1, column 7): a value cannot begin with @; put it in quotes"),
        ("name: *a\n", "(line 1, column 7): nothing has the name *a; put a text that begins with * in quotes"),
        ("name: !a b\n", "(line 1, column 7): the tag !a cannot be used"),
        ('name: "a\\qb"\n', "(line 1, column 10): \\q has no meaning in double quotes; use single quotes"),
        ("metrics: [a, , b]\n", "(line 1, column 14): a value is missing, or a sign is out of place here"),
        ("[1]: a\n", "(line 1, column 1): a list or a group of keys cannot be a key"),
        ("a: 1\nname: a\x01b\n", "(line 2, column 8): the character U+0001 is not allowed; remove it"),
    ],
)
def test_a_syntax_error_has_line_column_and_what_to_do(
    unchanged: Home, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(content)
    assert f"file: not valid YAML {message}" in refused(unchanged, "validate", "-f", str(file))


def test_ad_accounts_that_the_account_does_not_cover_are_noted_with_those_that_it_does(unchanged: Home) -> None:
    ad_accounts = [row["id"] for row in unchanged.json("accounts", "advertisers", "demo")]
    shown = unchanged.good("validate", "-f", unchanged.file("bad.yaml", advertisers=["42"], name="Covered")).stderr
    words = " ".join(shown.split())
    assert "note: Ad account 42 cannot be read: the account does not cover it; it covers " in words
    assert all(ad_account in words for ad_account in ad_accounts)


@pytest.mark.parametrize("command", ["validate", "plan"])
@pytest.mark.parametrize(
    ("covered", "skips", "then"),
    [
        (True, False, "A run will fail. Exclude it from the dataset, or set skip_failing_advertisers: true."),
        (True, True, "A run skips it."),
        (False, True, "A run will fail. Select other ad accounts, as none of the selected ones can be read."),
    ],
)
def test_ad_accounts_that_cannot_be_read_are_noted_with_what_a_run_does(
    unchanged: Home, command: str, covered: bool, skips: bool, then: str
) -> None:
    advertisers = [unchanged.json("accounts", "advertisers", "demo")[0]["id"]] if covered else []
    file = unchanged.file(
        "bad.yaml", advertisers=[*advertisers, "42"], name="Covered", skip_failing_advertisers=skips or None
    )
    assert f". {then}" in " ".join(unchanged.good(command, "-f", file).stderr.split())


def test_validate_lists_the_same_problems_as_json(unchanged: Home, tmp_path: Path) -> None:
    result = unchanged.adreel("validate", "-f", unchanged.file("bad.yaml", metrics=["spnd"]), "--json")
    assert result.exit_code == ExitCode.INPUT
    answer = json.loads(result.stdout)
    assert answer["valid"] is False
    assert [(problem["menu"], problem["nearest"].split(",")[0]) for problem in answer["problems"]] == [
        ("metrics", "spend")
    ]
    (tmp_path / "empty.yaml").touch()
    result = unchanged.adreel("validate", "-f", str(tmp_path / "empty.yaml"), "--json")
    assert json.loads(result.stdout)["problems"][0]["menu"] == "file"


# -- files that are not dataset files


@pytest.mark.parametrize("words", [("datasets", "create", "-f"), ("datasets", "import"), ("run", "-f"), ("plan", "-f")])
def test_a_missing_file_or_a_folder_is_a_usage_error(unchanged: Home, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "does not exist" in refused(unchanged, *words, str(tmp_path / "no.yaml"), code=ExitCode.USAGE)
    assert "is a directory" in refused(unchanged, *words, str(tmp_path), code=ExitCode.USAGE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "d.yaml is empty. adreel imports dataset files (YAML or JSON)."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "d.yaml is an image, not a dataset file. adreel imports dataset files"),
        (b"day,spend\n2026-11-01,1.5\n2026-11-02,\n", "d.yaml is a CSV file, not a dataset file."),
        (b"day;spend: EUR\n2026-11-01;1,5\n", "not valid YAML"),
        (b"<!doctype html><title>Sign in</title>", "d.yaml is an HTML or XML document, not a dataset file."),
        (b"# nothing but words about it\n", "the file is empty"),
        (b"\xff\xfe\x00n\x00a", "is not UTF-8 text (line 1)"),
        (b"name: A\naccount: caf\xe9\n", "is not UTF-8 text (line 2)"),
        (b"name: A\x00\n", "d.yaml is not text: it contains control characters"),
        (b"\x7fELF\x02\x01", "d.yaml is not text: it contains control characters"),
        (b"PAR1\x15\x04\x15", "d.yaml is a Parquet file, not a dataset file."),
        (b"just words", "a dataset file has keys"),
        (b"name: [", "not valid YAML"),
        (b"name: A\nname: B\n", "duplicate key; it is on line 1 too"),
        (b"name: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        (b"x: " + b"[" * 50_000, "the file is nested more than 50 levels deep"),
        (b"[" * 5_000 + b"]" * 5_000, "the file is nested more than 50 levels deep"),
        (b"x: " + b"y" * 1_000_001, "is not a dataset file"),
        (b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
            b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 10)) for n in range(ord("b"), ord("j"))
        ), "more than 20,000 values"),
        (b"name: &a [*a]\n", "more than 20,000 values"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", [("datasets", "create", "-f"), ("datasets", "import"), ("run", "-f")])
def test_a_file_that_is_not_a_dataset_file_is_refused(
    unchanged: Home, tmp_path: Path, words: tuple[str, ...], content: bytes, message: str
) -> None:
    file = tmp_path / "d.yaml"
    file.write_bytes(content)
    assert message in refused(unchanged, *words, str(file))


# -- names that do not exist


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "spnd"), "Dataset 'spnd' was not found. Did you mean 'spend'?"),
        (("run",), "Specify either the name of a saved dataset or a file (-f FILE)"),
        (("run", "spend", "--start", "today-3"), "--start and --end must be used together"),
        (("run", "spend", "--start", "today", "--end", "yesterday"), "is after the end"),
        (("plan", "spend", "--start", "soon", "--end", "today"), "'soon' is not a day"),
        (("preview", "nothing"), "Dataset 'nothing' was not found. List all with: adreel datasets list"),
        (("history", "nothing"), "was not found"),
        (("history", "spend", "--run", "zzz"), "Run 'zzz' was not found"),
        (("cancel", "zzz"), "was not found"),
        (("versions", "nothing"), "was not found"),
        (("diff", "spend", "0", "7"), "7"),
        (("export", "spend", "-o", "x.doc"), "sets the format; use one of .csv, .json, .parquet, .xlsx"),
        (("export", "spend", "-o", "spend"), "the file extension sets the format"),
        (("export", "spend", "-o", "/nowhere/at/all/x.csv"), "the folder /nowhere/at/all does not exist"),
        (("export", "spend", "-o", "x.csv", "--version", "9"), "9"),
        (("datasets", "show", "nothing"), "was not found"),
        (("datasets", "delete", "nothing", "--yes"), "was not found"),
        (("datasets", "edit", "nothing"), "was not found"),
        (("datasets", "convert", "spend"), "needs no conversion"),
        (("accounts", "rename", "nothing", "x"), "Account 'nothing' was not found"),
        (("accounts", "rename", "demo", " "), "cannot name an account"),
        (("accounts", "delete", "nothing", "--yes"), "was not found"),
        (("accounts", "advertisers", "nothing"), "was not found"),
        (("accounts", "reconnect", "nothing"), "was not found"),
        (("accounts", "connect", "demo"), "adreel accounts reconnect 'demo'"),
        (("accounts", "add", "other"), "--token-stdin"),
        (("reports", "perfomance"), "Did you mean 'performance"),
        (("query", "select * from nothing"), "Tables: spend"),
        (("query", "select 1", "--format", "doc"), "Choose one of: table, csv, json, parquet, xlsx"),
        (("query", "select 1", "--format", "xlsx"), "Write a file with -o FILE"),
        (("query", "select 1", "-o", "x.doc"), "the file extension sets the format"),
        (("query", "select 1", "-o", "a.csv", "--format", "json"), "--format json contradicts -o a.csv"),
        (("simulate", "--today", "2026-13-01"), "The simulated data cannot be created"),
        (("simulate", "--advertisers", "100000"), "choose 1 to 1024"),
        (("demo", "--once", "--ads", "100000000"), "choose 0 to"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_invalid_name_or_value_is_reported_with_the_next_step(
    unchanged: Home, words: tuple[str, ...], message: str
) -> None:
    assert message in refused(unchanged, *words)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from read_csv('/etc/passwd')", "queries read tables, and no files"),
        ("select * from '/etc/passwd'", "table /etc/passwd does not exist"),
        ("copy (select 1) to 'x.csv'", "A COPY statement cannot be used here"),
        ("attach 'x.db'", "ATTACH statement cannot be used here"),
        ("install httpfs", "cannot be used here"),
        ("set enable_external_access = true", "SET statement cannot be used here"),
        ("insert into spend select * from spend", "The query failed"),
        ("drop view spend; create table spend as select 1", "cannot be used here"),
        ("selct 1", "syntax error"),
        ("", "The query is empty"),
        ("   ", "The query is empty"),
        (";", "The query is empty"),
        ("/* nothing */", "The query is empty"),
        ("select 1; select 2", "There are 2 statements, and only the last may be a SELECT. Run one at a time."),
        ("select cast(advertiser_id || 'x' as int) from spend", "Could not convert string"),
    ],
)  # fmt: skip
def test_a_query_reads_the_tables_and_nothing_else(unchanged: Home, sql: str, message: str) -> None:
    if sql.startswith("drop"):
        # A query creates and drops only views in its own memory; the table is unchanged.
        unchanged.good("query", sql)
    else:
        assert message in refused(unchanged, "query", sql)


# -- accounts and advertisers


@pytest.mark.parametrize("words", [(), ("--advertisers", "1"), ("--advertisers", "all")])
def test_a_wrong_token_creates_no_account(unchanged: Home, words: tuple[str, ...]) -> None:
    code = ExitCode.INPUT if "all" in words else ExitCode.RECONNECT
    message = refused(unchanged, "accounts", "add", "x", "--token-stdin", *words, stdin="not-a-token\n", code=code)
    assert "not-a-token" not in message
    assert ("not a list of IDs" if "all" in words else "TikTok code 40105") in message


def test_an_empty_token_creates_no_account(unchanged: Home) -> None:
    assert "access token on stdin is empty" in refused(unchanged, "accounts", "add", "x", "--token-stdin", stdin="")


def test_a_missing_app_is_reported_with_its_settings(unchanged: Home) -> None:
    unchanged.environ = {"ADREEL_TIKTOK_APP_ID": "", "ADREEL_TIKTOK_SECRET": ""}
    try:
        for words in (("add", "x", "--token-stdin"), ("connect", "x", "--no-browser")):
            message = refused(unchanged, "accounts", *words, stdin="t\n")
            assert "ADREEL_TIKTOK_APP_ID and ADREEL_TIKTOK_SECRET are not set" in message
    finally:
        unchanged.environ = {}


def test_a_wrong_app_secret_creates_no_account(unchanged: Home) -> None:
    unchanged.environ = {"ADREEL_TIKTOK_SECRET": "wrong"}
    try:
        token = f"{unchanged.token}\n"
        message = refused(unchanged, "accounts", "add", "x", "--token-stdin", stdin=token, code=ExitCode.RECONNECT)
    finally:
        unchanged.environ = {}
    assert "40101" in message


def test_advertisers_that_the_token_cannot_read_create_no_account(unchanged: Home) -> None:
    words = ("accounts", "add", "x", "--token-stdin", "--advertisers", "123,456")
    message = refused(unchanged, *words, stdin=f"{unchanged.token}\n", code=ExitCode.ADVERTISER)
    assert "no details of ad accounts 123, 456" in message


def test_a_revoked_token_fails_the_run_and_marks_the_account_until_it_is_reconnected(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend"]))
    home.door("revoke", {"token": home.token})
    home.later(1)
    table = home.kept("accounts", "account_advertisers", "runs")
    message = refused(home, "run", "spend", code=ExitCode.RECONNECT)
    assert "TikTok code 40105" in message
    assert home.token not in message
    assert home.kept("accounts", "account_advertisers", "runs") == table
    assert [run["state"] for run in home.json("history", "spend")] == ["failed", "verified"]
    assert home.json("accounts", "list")[0]["status"] == "revoked"
    assert "adreel accounts reconnect 'demo'" in refused(home, "run", "spend", code=ExitCode.RECONNECT)
    ids = [advertiser["advertiser_id"] for advertiser in home.door("state")["advertisers"]]
    other = home.door("token", {"advertiser_ids": ids})
    refused(home, "accounts", "reconnect", "demo", "--token-stdin", stdin="wrong\n", code=ExitCode.RECONNECT)
    token = other["access_token"]
    if token == home.token:
        home.door("reset", {})
    home.good("accounts", "reconnect", "demo", "--token-stdin", stdin=f"{token}\n")
    home.good("run", "spend")


def test_an_advertiser_without_permission_fails_the_run_or_is_skipped_as_the_dataset_has_it(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=4, ads=3)
    home.add_account()
    advertisers = home.door("state")["advertisers"]
    closed = next(advertiser for advertiser in advertisers if advertiser["kind"] == "no_permission")
    file = home.file(metrics=["spend"])
    message = refused(home, "run", "-f", file, code=ExitCode.ADVERTISER)
    assert closed["advertiser_id"] in message
    assert "or set skip_failing_advertisers: true." in message
    assert home.kept()["lake"] == []
    file = home.file(metrics=["spend"], skip_failing_advertisers=True)
    report = home.json("run", "-f", file, code=ExitCode.SKIPPED)
    assert (report["state"], report["exit_code"]) == ("advertisers_skipped", ExitCode.SKIPPED)
    assert list(report["skipped_advertisers"]) == [closed["advertiser_id"]]


# -- runs reported as JSON


def test_a_run_that_never_started_prints_one_json_object(unchanged: Home) -> None:
    result = unchanged.adreel("run", "-f", unchanged.file("bad.yaml", metrics=["spnd"]), "--json")
    assert result.exit_code == ExitCode.INPUT
    answer = json.loads(result.stdout)
    assert (answer["run_id"], answer["state"], answer["exit_code"]) == (None, "failed", 3)
    assert (answer["error_kind"], answer["problems"][0]["menu"]) == ("DatasetError", "metrics")


def test_a_failed_run_prints_one_json_object(home: Home) -> None:
    home.door("trouble", {"kind": "code", "path": "report/integrated", "code": 40118, "times": 99})
    result = home.adreel("run", "-f", home.file(metrics=["spend"]), "--json")
    assert result.exit_code == ExitCode.STOPPED
    answer = json.loads(result.stdout)
    run = home.json("history", "spend")[0]
    assert (answer["run_id"], answer["state"], answer["error"]) == (run["run_id"], "failed", run["error"])
    assert answer["tiktok_code"] == 40118
    assert answer["request_id"]
    assert answer["requests"] >= 1


class Broken(httpx2.AsyncBaseTransport):
    """A network with a bug in it."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        del request
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ZeroDivisionError("of nothing"), "ZeroDivisionError", ExitCode.BUG),
        (OSError(errno.ENOSPC, "No space left on device"), "StorageError", ExitCode.STORAGE),
        (sqlite3.OperationalError("database or disk is full"), "StorageError", ExitCode.STORAGE),
    ],
    ids=str,
)
def test_a_run_that_ends_by_any_error_prints_one_json_object(
    home: Home, error: BaseException, kind: str, code: int
) -> None:
    home.good("datasets", "create", "-f", home.file())
    home.transport = Broken(error)
    home.now += timedelta(minutes=10)
    result = home.adreel("run", "spend", "--json")
    answer = json.loads(result.stdout)
    run = home.json("history", "spend")[0]
    assert (answer["error_kind"], answer["exit_code"], result.exit_code) == (kind, code, code)
    assert (answer["run_id"], answer["state"], run["error_kind"]) == (run["run_id"], "failed", kind)


def test_an_unexpected_error_of_a_run_is_in_its_log_under_the_same_id_and_without_secrets(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file())
    home.transport = Broken(ZeroDivisionError(f"of nothing with {home.token}"))
    answer = json.loads(home.adreel("run", "spend", "--json").stdout)
    shown = home.json("history", "spend", "--run", answer["run_id"])
    error_id = re.findall(r"Unexpected error ([0-9a-f]{8}) \(ZeroDivisionError\)\. Send the log", shown["error"])[0]
    assert f"Unexpected error {error_id}: ZeroDivisionError" in answer["error"]
    lines = [line["text"] for line in shown["log"]]
    assert f"Unexpected error {error_id} (ZeroDivisionError):" in lines
    assert any("handle_async_request" in line for line in lines)
    assert home.token not in json.dumps(shown)


def test_an_unexpected_error_of_a_command_has_an_id_and_says_what_to_send() -> None:
    lines = (
        "import adreel.cli as cli",
        "@cli.app.command('crash')",
        "def crash() -> None: 1 / 0",
        "cli.main()",
    )
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), "crash"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (ExitCode.BUG, "")
    *trace, note, last = ended.stderr.splitlines()
    assert trace[0].startswith("Traceback")
    error_id = re.fullmatch(r"Error ID: ([0-9a-f]{8})", note)
    assert error_id
    assert last.startswith(f"error: Unexpected error {error_id[1]}. Send the traceback above, which has this error ID")


def test_a_second_run_of_a_dataset_is_refused_with_the_run_in_progress(unchanged: Home) -> None:
    file = str(unchanged.path / "spend.yaml")
    with FileLocks(unchanged.path).dataset("spend", run_id="abc123"):
        for words in (("run", "spend"), ("run", "-f", file), ("datasets", "delete", "spend", "--yes")):
            message = refused(unchanged, *words, code=ExitCode.BUSY)
            assert "Run abc123 of dataset 'spend' is in progress" in message
        result = unchanged.adreel("run", "spend", "--json")
    assert result.exit_code == ExitCode.BUSY
    assert json.loads(result.stdout)["run_id"] is None


# -- homes, settings, disks and lakes


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ADREEL_TIKTOK_LEVEL": "fast"}, "ADREEL_TIKTOK_LEVEL is 'fast'; allowed: basic, advanced"),
        ({"ADREEL_TIKTOK_URL": "tiktok"}, "ADREEL_TIKTOK_URL is 'tiktok'; allowed: an http or https address"),
        ({"ADREEL_LAKE_URL": "ftp://x"}, "ADREEL_LAKE_URL is 'ftp://x'"),
        ({"ADREEL_SECRET_KEY": "secret"}, "ADREEL_SECRET_KEY is a value (not shown)"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(home: Home, environ: dict[str, str], message: str) -> None:
    before = home.kept()
    home.environ = environ
    assert message in refused(home, "accounts", "list")
    assert message in refused(home, "demo", "--once")
    assert home.kept() == before


def test_a_home_of_a_newer_version_is_left_alone(home: Home) -> None:
    with closing(sqlite3.connect(home.path / "adreel.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE marks SET value = '7.0' WHERE name = 'adreel'")
    before = home.kept()
    assert "created by a newer adreel than this one" in refused(home, "datasets", "list")
    assert "install version 7.0 or newer" in refused(home, "run", "-f", home.file())
    assert home.kept() == before


def test_a_home_below_a_file_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home.environ = {"ADREEL_HOME": str(tmp_path / "file")}
    assert "ADREEL_HOME" in refused(home, "accounts", "list")
    home.environ = {"ADREEL_HOME": str(tmp_path / "file" / "home")}
    assert "cannot be created: Not a directory" in refused(home, "accounts", "list", code=ExitCode.STORAGE)


@pytest.mark.parametrize("url", ["{tmp}/file/lake", "s3://bucket/lake"])
def test_a_lake_that_cannot_be_reached_is_named_and_loses_nothing(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "k", "AWS_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen")
    (tmp_path / "file").touch()
    home.good("datasets", "create", "-f", home.file(metrics=["spend"]))
    datasets = home.kept("runs")
    home.environ = {"ADREEL_LAKE_URL": url.format(tmp=tmp_path)}
    for words in (("run", "spend"), *((("datasets", "delete", "spend", "--yes"),) if "s3" in url else ())):
        message = refused(home, *words, code=ExitCode.STORAGE)
        assert url.format(tmp=tmp_path).removesuffix("/lake") in message
        assert "not-to-be-seen" not in message
    assert home.kept("runs") == datasets


def limited(environ: dict[str, str], size: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own whose files cannot grow beyond `size` bytes."""
    return subprocess.run(
        [sys.executable, "-c", "from adreel.cli import main; main()", *words],
        env=environ,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_a_full_disk_fails_the_run_and_the_next_one_resumes_it(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=300)
    home.add_account()
    metrics = ["spend", "impressions", "clicks", "ctr", "cpc", "cpm", "reach", "frequency", "conversion", "likes"]
    file = home.file(metrics=metrics, dates={"start": "2026-08-01", "end": "2026-11-20"})
    home.good("datasets", "create", "-f", file)
    with served(home.config) as url:
        done = limited(environment_of(home, url), 350_000, "run", "spend", "--json")
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["state"], answer["error_kind"]) == (ExitCode.STORAGE, "failed", "StorageError")
    assert "No space is left" in answer["error"]
    assert "Traceback" not in done.stderr
    report = home.json("run", "spend")
    assert (report["run_id"], report["verification"]["verified"]) == (answer["run_id"], True)
