"""`adreel query`, `export`, `versions`, `diff`, `vacuum` on the command line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from adreel.cli.output import print_table, text
from adreel.errors import ExitCode
from home import Home, make_home

NASTY = (
    "=1+1",
    "+49 30",
    "@sum(a1)",
    "-5",
    "山田 🍋 Ünïcödé",
    'say "hi", ok',
    "two\nlines",
    "[bold]no[/bold]",
    "007",
    "",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose dataset has two versions."""
    home = make_home(tmp_path_factory.mktemp("shared") / "home", ads=4)
    home.add_account()
    file = home.file(metrics=["ad_name", "spend", "impressions", "ctr"], update={"method": "upsert"})
    home.good("run", "-f", file)
    home.later(1)
    home.good("run", "spend")
    nothing: dict[str, Any] = {"data_level": None, "time_dimension": None, "metrics": None, "dates": None}
    home.good("run", "-f", home.file("ads.yaml", name="Ads", report="ads", **nothing))
    return home


def values(*texts: str) -> str:
    return ", ".join("('" + text.replace("'", "''") + "')" for text in texts)


def sheet(path: Path) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(path)
    return list(book["data"].iter_rows(values_only=True))


def test_every_dataset_is_a_table_by_its_slug(shared: Home) -> None:
    assert shared.rows("select count(distinct s.ad_id) as n from spend s join ads using (ad_id)")[0]["n"] > 0


def test_a_query_answers_in_every_format_on_stdout(shared: Home) -> None:
    sql = "select 'Ä' as name, 1.50::decimal(9, 2) as money, date '2026-01-31' as day, null as nothing, [1, 2] as list"
    assert "1.50" in shared.good("query", sql).stdout
    rows = list(csv.DictReader(io.StringIO(shared.good("query", sql, "--format", "csv").stdout)))
    assert rows == [{"name": "Ä", "money": "1.50", "day": "2026-01-31", "nothing": "", "list": "[1,2]"}]
    text = shared.good("query", sql, "--format", "json").stdout
    assert json.loads(text) == [{"name": "Ä", "money": 1.5, "day": "2026-01-31", "nothing": None, "list": [1, 2]}]
    table = pq.read_table(io.BytesIO(shared.good("query", sql, "--format", "parquet").stdout_bytes))
    assert table.to_pylist()[0]["money"] == Decimal("1.50")


def test_a_sum_of_whole_numbers_is_shown_whole(shared: Home) -> None:
    stdout = shared.good("query", "select sum(n) as total from (values (21562490::bigint), (1)) as t(n)").stdout
    assert "21,562,491 " in stdout.replace("\n", " ")


def test_money_and_big_numbers_keep_all_their_digits_in_json(shared: Home) -> None:
    sql = "select 12345678901234567.123456::decimal(24, 6) as money, sum(9223372036854775807) as big"
    text = shared.good("query", sql, "--format", "json").stdout
    assert json.loads(text, parse_float=str, parse_int=str) == [
        {"money": "12345678901234567.123456", "big": "9223372036854775807"}
    ]


def test_numbers_of_38_digits_are_never_rounded(shared: Home) -> None:
    whole, cents = "123456789012345678901234567890", "12345678901234567890123456789.123456"
    sql = f"select {whole}::hugeint as h, {cents}::decimal(38, 6) as d, [{cents}::decimal(38, 6)] as list"
    for number in (f"{int(whole):,}", "12,345,678,901,234,567,890,123,456,789.123456"):
        assert number in shared.good("query", sql).stdout
    text = shared.good("query", sql, "--format", "json").stdout
    assert json.loads(text, parse_float=str, parse_int=str) == [{"h": whole, "d": cents, "list": [cents]}]
    assert f'{whole},{cents},"[{cents}]"' in shared.good("query", sql, "--format", "csv").stdout
    nested = f"select [{{'a': {cents}::decimal(38, 6)}}] as list"
    assert cents in shared.good("query", nested, "--format", "csv").stdout


@pytest.mark.slow
def test_only_data_goes_through_a_pipe(shared: Home) -> None:
    for format_name in ("csv", "parquet"):
        words = ("query", "select 1 as a", "--format", format_name)
        done = subprocess.run(
            [sys.executable, "-c", "from adreel.cli import main; main()", *words],
            env={**os.environ, "ADREEL_HOME": str(shared.path)},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == b'"a"\n1\n' or pq.read_table(io.BytesIO(done.stdout)).num_rows == 1


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "xlsx"])
def test_a_query_writes_its_rows_to_a_file(shared: Home, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    result = shared.good("query", f"select * from (values {values(*NASTY)}) t(text)", "-o", str(path))
    assert (result.stdout, f"Wrote {len(NASTY)} rows" in result.stderr) == ("", True)
    read: dict[str, Any] = {
        "csv": lambda: [row["text"] for row in csv.DictReader(io.StringIO(path.read_bytes().decode()))],
        "json": lambda: [row["text"] for row in json.loads(path.read_text())],
        "parquet": lambda: pq.read_table(path)["text"].to_pylist(),
        "xlsx": lambda: ["" if row[0] is None else row[0] for row in sheet(path)[1:]],
    }
    assert tuple(read[kind]()) == NASTY


def test_a_sheet_has_the_types_of_excel(shared: Home, tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    sql = """
        select '=1+1' as formula, 1.5::decimal(24, 6) as money, 3 as whole, 12345678901234567890::hugeint as big,
        date '2026-01-31' as day, timestamp '2026-01-31 13:00' as hour, timestamptz '2026-01-31 13:00:00+00' as at,
        'nan'::double as nan, date '1800-01-01' as old, true as yes, ['a', 'ü'] as list, {'a': 1} as struct,
        null as nothing, (interval 1 day)::varchar as span"""
    shared.good("query", sql, "-o", str(path))
    heads, row = sheet(path)
    cell_values = dict(zip(heads, row, strict=True))
    assert {name: str(cell_values.pop(name)) for name in ("day", "hour", "at")} == {
        "day": "2026-01-31 00:00:00",
        "hour": "2026-01-31 13:00:00",
        "at": "2026-01-31 13:00:00",
    }
    assert cell_values == {
        "formula": "=1+1",
        "money": 1.5,
        "whole": 3,
        "big": "12345678901234567890",
        "nan": "nan",
        "old": "1800-01-01",
        "yes": True,
        "list": '["a","ü"]',
        "struct": '{"a":1}',
        "nothing": None,
        "span": "1 day",
    }
    cells = openpyxl.load_workbook(path)["data"][2]
    assert [cells[0].data_type, cells[4].number_format, cells[5].number_format] == [
        "s",
        "yyyy-mm-dd",
        "yyyy-mm-dd hh:mm",
    ]


def test_a_text_too_long_for_a_cell_is_refused_and_leaves_the_file_unchanged(shared: Home, tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_text("mine")
    code, stderr = shared.bad("query", "select repeat('x', 40000) as long", "-o", str(path))
    assert (code, "an Excel cell holds at most 32,767" in stderr) == (ExitCode.INPUT, True)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("x.xlsx", "mine")]


def test_a_type_that_a_format_lacks_is_refused(shared: Home, tmp_path: Path) -> None:
    code, stderr = shared.bad("query", "select interval 1 day as span", "-o", str(tmp_path / "x.parquet"))
    assert (code, "cannot be written as parquet" in stderr) == (ExitCode.INPUT, True), stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "xlsx"])
def test_an_export_holds_the_whole_table(shared: Home, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"spend.{kind}"
    shared.good("export", "spend", "-o", str(path))
    expected = {(row["ad_id"], row["stat_time_day"], float(row["spend"])) for row in shared.rows("select * from spend")}
    read: dict[str, Any] = {
        "csv": lambda: csv.DictReader(io.StringIO(path.read_bytes().decode())),
        "json": lambda: json.loads(path.read_text()),
        "parquet": lambda: pq.read_table(path).to_pylist(),
        "xlsx": lambda: [dict(zip(sheet(path)[0], row, strict=True)) for row in sheet(path)[1:]],
    }
    rows = [(row["ad_id"], str(row["stat_time_day"])[:10], float(row["spend"])) for row in read[kind]()]
    assert len(rows) == len(expected)
    assert set(rows) == expected


def test_an_export_keeps_types_and_lists(shared: Home, tmp_path: Path) -> None:
    shared.good("export", "spend", "-o", str(tmp_path / "x.parquet"))
    schema = pq.read_schema(tmp_path / "x.parquet")
    assert (schema.field("spend").type, schema.field("stat_time_day").type) == (pa.decimal128(24, 6), pa.date32())
    shared.good("export", "ads", "-o", str(tmp_path / "ads.csv"))
    with (tmp_path / "ads.csv").open(newline="") as file:
        ads = list(csv.DictReader(file))
    lists = [name for name, value in ads[0].items() if value.startswith("[")]
    assert lists
    assert all(isinstance(json.loads(ad[name]), list) for ad in ads for name in lists if ad[name])


def test_an_earlier_version_can_be_exported(shared: Home, tmp_path: Path) -> None:
    shared.good("export", "spend", "-o", str(tmp_path / "x.json"), "--version", "0")
    shared.good("export", "spend", "-o", str(tmp_path / "y.json"))
    first, last = (json.loads((tmp_path / name).read_text()) for name in ("x.json", "y.json"))
    assert max(row["stat_time_day"] for row in first) == "2026-11-21"
    assert max(row["stat_time_day"] for row in last) == "2026-11-22"


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "xlsx"])
def test_a_table_without_rows_is_a_file_with_a_heading(shared: Home, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    result = shared.good("query", "select ad_id, spend from spend where false", "-o", str(path))
    assert "Wrote 0 rows" in result.stderr
    read: dict[str, Any] = {
        "csv": lambda: path.read_text() == '"ad_id","spend"\n',
        "json": lambda: json.loads(path.read_text()) == [],
        "parquet": lambda: pq.read_table(path).column_names == ["ad_id", "spend"],
        "xlsx": lambda: sheet(path) == [("ad_id", "spend")],
    }
    assert read[kind]()


def test_a_dataset_that_never_ran_has_no_table(shared: Home, tmp_path: Path) -> None:
    shared.good("datasets", "create", "-f", shared.file("n.yaml", name="Fresh", metrics=["spend"]))
    for words in (
        ("export", "fresh", "-o", str(tmp_path / "x.csv")),
        ("versions", "fresh"),
        ("diff", "fresh", "0", "1"),
    ):
        code, stderr = shared.bad(*words)
        assert (code, "Run it: adreel run fresh" in stderr) == (ExitCode.INPUT, True)
    shared.good("datasets", "delete", "fresh", "--yes")


def test_versions_are_listed_newest_first(shared: Home) -> None:
    assert [version["version"] for version in shared.json("versions", "spend")] == [1, 0]
    runs = {run["version"]: run["run_id"] for run in shared.json("history", "spend")}
    assert {version["version"]: version["run_id"] for version in shared.json("versions", "spend")} == runs
    assert "Upsert" in shared.good("versions", "spend").stdout


def test_diff_prints_rows_and_metrics_by_day(shared: Home) -> None:
    comparison = shared.json("diff", "spend", "0", "1")
    new = shared.rows("select count(*) as n from spend where stat_time_day = '2026-11-22'")[0]["n"]
    assert comparison["added"] == new
    text = shared.good("diff", "spend", "0", "1")
    assert "2026-11-22" in text.stdout
    assert "version 0 to 1" in text.stderr
    assert "Both versions have the same" in shared.good("diff", "spend", "1", "1").stderr


def without_styles(output: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", output)


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_terminal_shows_whole_values_and_lists_the_columns_that_do_not_fit(shared: Home, width: int) -> None:
    sql = "select * from spend order by all limit 3"
    shown, message = on_terminal(shared, "query", sql, width=width)
    rows = shared.rows(sql)
    assert max(map(len, without_styles(shown).splitlines())) <= width
    hidden = re.findall(r"^(\d+) columns? hidden: (.*)\. Widen the terminal or select fewer columns", message)
    names = hidden[0][1].split(", ") if hidden else []
    assert len(names) == (int(hidden[0][0]) if hidden else 0)
    assert bool(names) is (width < 120)
    for row in rows:
        for name in row.keys() & {"advertiser_id", "ad_id", "stat_time_day", "currency"} - set(names):
            assert str(row[name]) in shown


def test_a_pipe_gets_whole_values_whatever_the_width_of_the_terminal(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    result = shared.good("query", f"select *, '{'long text ' * 2_000}' as text from spend limit 1")
    assert "long text " * 2_000 in result.stdout
    assert "hidden" not in result.stderr
    assert len(result.stdout.splitlines()) == 5


@pytest.mark.slow
def test_a_terminal_without_unicode_shows_a_table_of_ascii(shared: Home) -> None:
    shown, _ = on_terminal(shared, "versions", "spend", environ={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert shown.isascii()
    assert "\\u" not in shown


def test_numbers_and_amounts_are_aligned_right_and_texts_left(shared: Home) -> None:
    sql = (
        "select * from (values ('1.50 EUR', 'a', 2), ('-', 'bbb', 10), ('12,345.00 EUR', '7', null)) t(money, word, n)"
    )
    lines = shared.good("query", sql).stdout.splitlines()
    assert lines[3:6] == [
        "      1.50 EUR   a         2 ",
        "             -   bbb      10 ",
        " 12,345.00 EUR   7      NULL ",
    ]


class TerminalText(io.StringIO):
    """A text that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


WORDS = st.sampled_from(["Harbor", "&", "山田珈琲店", "Möbel", "wide-and-long-name-of-an-ad", "x" * 70, "Σ"])
NUMBERS = st.one_of(
    st.decimals(-(10**12), 10**12, places=2, allow_nan=False), st.integers(-(10**15), 10**15), st.dates()
)
AMOUNTS = st.sampled_from(["+4,352.38 EUR", "24,932,190.10 INR", "2026-11-29 10:10Z", "1760244909426343936"])
CELLS = st.one_of(NUMBERS, AMOUNTS, st.lists(WORDS, max_size=12).map(" ".join), st.none())
TABLES = st.integers(1, 8).flatmap(
    lambda width: st.tuples(
        st.lists(WORDS, min_size=width, max_size=width).map(
            lambda words: [f"{word}{n}" for n, word in enumerate(words)]
        ),
        st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=4),
    )
)


@given(TABLES, st.integers(40, 200))
def test_a_table_keeps_to_the_terminal_and_breaks_no_number(
    table: tuple[list[str], list[list[Any]]], width: int
) -> None:
    (heads, rows), shown, message = table, TerminalText(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown), contextlib.redirect_stderr(message):
        patch.setenv("COLUMNS", str(width))
        print_table(heads, rows)
    lines = without_styles(shown.getvalue()).splitlines()
    assert all(cell_len(line) <= width for line in lines)
    hidden = re.sub(r".*hidden: |\. Widen.*", "", message.getvalue().replace("\n", " ")).strip()
    hidden_heads = hidden.split(", ") if hidden else []
    whole = "\n".join(lines)
    for row in rows:
        for head, value in zip(heads, row, strict=True):
            is_whole = not isinstance(value, str) or value[0:1] in "+0123456789"
            if head not in hidden_heads and is_whole and value != "":
                assert text(value) in whole


def test_names_cannot_control_the_terminal(shared: Home) -> None:
    text = shared.good("query", "select chr(27) || '[2J' || chr(10) || '[red]x' as name").stdout
    assert "\x1b" not in text
    assert "[red]x" in text


def test_a_table_on_the_terminal_ends_after_1000_rows(shared: Home) -> None:
    result = shared.good("query", "select * from range(3000)")
    assert len(result.stdout.splitlines()) < 1010
    assert "First 1,000 rows" in result.stderr


def test_vacuum_asks_for_confirmation_and_deletes_old_versions(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend"]))
    home.later(40)
    home.good("run", "spend")
    before = home.kept()
    words = ("vacuum", "spend", "--keep-days", "30", "--keep-versions", "1")
    assert home.bad(*words, stdin="n\n")[0] == ExitCode.CANCELLED
    assert home.kept() == before
    rows = home.rows("select * from spend order by all")
    assert "Kept 1 of 2 versions." in home.good(*words, "--yes").stderr
    assert home.rows("select * from spend order by all") == rows
    assert home.bad("export", "spend", "-o", str(home.path / "x.csv"), "--version", "0")[0] == ExitCode.INPUT


def test_an_hourly_table_is_shown_with_its_instants(home: Home) -> None:
    file = home.file(time_dimension="hour", data_level="campaign", dates={"date": "yesterday"})
    home.good("run", "-f", file)
    shown = home.good("query", "select stat_time_hour, stat_time_hour_utc from spend order by all limit 1").stdout
    assert "2026-11-21 00:00" in shown
    assert "2026-11-20 15:00Z" in shown or "2026-11-21 08:00Z" in shown


# -- files for people, and terminals


def test_an_export_for_a_spreadsheet_is_marked_and_holds_no_formula(shared: Home, tmp_path: Path) -> None:
    shared.door("trouble", {"kind": "value", "field": "ad_name", "value": '"=1+1"', "path": "ad/get", "rows": 1})
    nothing: dict[str, Any] = {"data_level": None, "time_dimension": None, "metrics": None, "dates": None}
    shared.good("run", "-f", shared.file("odd.yaml", name="Odd", report="ads", **nothing))
    for place, options in (("plain.csv", ()), ("people.csv", ("--for-spreadsheet",))):
        shared.good("export", "odd", "-o", str(tmp_path / place), *options)
    plain, people = ((tmp_path / place).read_bytes() for place in ("plain.csv", "people.csv"))
    assert people.startswith(b"\xef\xbb\xbf")
    assert b',"\'=1+1",' in people
    assert not plain.startswith(b"\xef\xbb\xbf")
    assert b',"=1+1",' in plain
    code, stderr = shared.bad("export", "ads", "-o", str(tmp_path / "x.xlsx"), "--for-spreadsheet")
    assert (code, "requires a .csv file" in stderr) == (ExitCode.INPUT, True)
    assert not (tmp_path / "x.xlsx").exists()


JOINED = "می\u200cروم 👨\u200d👩"


def on_terminal(home: Home, *words: str, width: int = 80, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The output of the command on a terminal of its own, and its messages."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, width))
    process = subprocess.Popen(
        [sys.executable, "-c", "from adreel.cli import main; main()", *words],
        env={**os.environ, "ADREEL_HOME": str(home.path), "PYTHONUTF8": "1", "TERM": "xterm", **(environ or {})},
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # The other end is closed.
        while piece := os.read(ours, 65536):
            written += piece
    os.close(ours)
    message = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 0, message
    return written.decode(), message


def test_letters_that_join_are_printed(shared: Home) -> None:
    assert JOINED in shared.good("query", f"select '{JOINED}' as name").stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_escapes_are_cleaned_on_a_terminal_and_raw_in_a_pipe(shared: Home, kind: str) -> None:
    sql = f"select 'a' || chr(27) || '[31mRED' || chr(155) || '2J' || chr(8238) || '{JOINED}' as name, 'é' as other"
    raw = shared.good("query", sql, "--format", kind).stdout
    shown, message = on_terminal(shared, "query", sql, "--format", kind)
    assert message == ""
    assert JOINED in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    if kind == "csv":
        assert "a\x1b[31mRED\x9b2J\u202e" in raw
        assert "a\ufffd[31mRED\ufffd2J\ufffd" in shown
    else:
        assert json.loads(shown) == json.loads(raw)


def test_a_table_in_a_pipe_wraps_long_texts_and_keeps_ids_names_and_rows_of_data_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = "TikTok refused the request. " * 40
    ids = ", ".join(["1760244909426343936"] * 30)
    print_table(("dataset", "reason", "run"), [("Spend by day", error, "20261122-120000-abcdef"), ("b", ids, "c")])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 150
    assert " ".join(printed.split()).count("TikTok refused") == 40
    assert printed.count("1760244909426343936") == 30
    assert "20261122-120000-abcdef" in printed
    print_table(("text",), [(error,)], null="NULL")
    assert error.strip() in capsys.readouterr().out
