"""`adreel validate`, `plan`, `preview`, `run`, `history`, `cancel` and the catalog on the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adreel import catalog
from adreel.errors import ExitCode
from adreel.store.file_locks import FileLocks
from home import Home, make_home
from running import Tampered

REPORT = {
    "run_id",
    "state",
    "rows",
    "requests",
    "rate_limited",
    "pages",
    "seconds",
    "version",
    "table",
    "verification",
    "warnings",
    "skipped_advertisers",
    "exit_code",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home for tests that change nothing, with a dataset that has run."""
    home = make_home(tmp_path_factory.mktemp("shared") / "home", ads=4)
    home.add_account()
    home.good("run", "-f", home.file(metrics=["spend", "clicks", "ctr"]))
    return home


# -- run


def test_a_run_prints_one_json_object_and_nothing_else_on_stdout(home: Home) -> None:
    result = home.good("run", "-f", home.file(metrics=["spend", "impressions", "clicks", "ctr"]), "--json")
    report = json.loads(result.stdout)
    assert set(report) >= REPORT
    assert (report["state"], report["version"], report["rate_limited"], report["exit_code"]) == ("verified", 0, 0, 0)
    verification = report["verification"]
    assert verification["rows_expected"] == verification["rows"] == report["rows"] > 0
    assert verification["duplicate_keys"] == 0
    assert set(verification["totals"]) == {"spend", "impressions", "clicks"}
    assert all(pair["expected"] == pair["actual"] for pair in verification["totals"].values())
    assert report["table"] == str(home.path / "lake" / "spend")
    assert home.rows("select count(*) as n from spend") == [{"n": report["rows"]}]
    assert len(home.requests()) <= report["requests"]


def test_a_run_prints_its_verification(home: Home) -> None:
    result = home.good("run", "-f", home.file(metrics=["spend"]))
    assert "Verified: rows, keys, 1 sum\n" in result.stdout
    assert re.search(r"Rows +(\d+) +\1 +Matches", result.stdout)
    assert re.search(r"Spend: Verified, \d+ rows in [\d.]+ s; \d+ requests\. Version 0", result.stderr)


def test_a_run_with_a_failed_check_exits_with_its_own_code(home: Home) -> None:
    def another_total(_: dict[str, str], data: dict[str, Any]) -> None:
        data["total_metrics"]["spend"] = "12345678.9"

    home.transport = Tampered(home, another_total)
    result = home.adreel("run", "-f", home.file(metrics=["spend"]), "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["state"], answer["verification"]["verified"]) == (
        ExitCode.CHECK_FAILED,
        "check_failed",
        False,
    )
    result = home.adreel("run", "spend")
    assert (result.exit_code, "Check failed: spend\n" in result.stdout) == (ExitCode.CHECK_FAILED, True)
    assert re.search(r"spend .* Differs", result.stdout)


def test_rows_that_differ_from_tiktoks_count_create_no_version(home: Home) -> None:
    home.door("trouble", {"kind": "drop", "path": "report/integrated", "times": 0})
    result = home.adreel("run", "-f", home.file(metrics=["spend"]), "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["state"], answer["error_kind"]) == (ExitCode.CHECK_FAILED, "failed", "ProofError")
    assert answer["rows"] > 0
    assert home.bad("versions", "spend")[0] == ExitCode.INPUT


def test_other_dates_apply_to_one_run_only(home: Home) -> None:
    file = home.file(metrics=["spend"])
    home.good("run", "-f", file, "--start", "2026-11-01", "--end", "2026-11-02")
    assert {row["stat_time_day"] for row in home.rows("select distinct stat_time_day from spend")} == {
        "2026-11-01",
        "2026-11-02",
    }
    assert "end: yesterday" in home.good("datasets", "show", "spend").stdout
    home.good("run", "spend")
    assert home.rows("select max(stat_time_day) as day from spend") == [{"day": "2026-11-21"}]


def test_a_file_that_is_run_again_unchanged_leaves_its_dataset_alone(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend"]))
    before = home.kept()["datasets"]
    home.later(1)
    home.good("run", "-f", home.file(metrics=["spend"]))
    assert home.kept()["datasets"] == before
    home.good("run", "-f", home.file(metrics=["spend", "clicks"]))
    assert home.kept()["datasets"] != before


# -- validate, plan, preview


def test_a_valid_dataset_is_printed_with_columns_and_primary_key(shared: Home) -> None:
    result = shared.good("validate", "-f", shared.file("v.yaml", metrics=["spend"]))
    assert (result.stdout, "primary key advertiser_id, ad_id, stat_time_day" in result.stderr) == ("", True)
    assert shared.json("validate", "spend") == {"valid": True, "problems": [], "notes": []}
    code, words = shared.bad("validate", "-f", shared.file("v.yaml", account="other"))
    unknown = "account: 'other' was not found. Available: demo. Connect it: adreel accounts connect other"
    assert (code, unknown in " ".join(words.split())) == (ExitCode.INPUT, True)


def test_a_plan_estimates_a_run_without_requesting_a_report(shared: Home) -> None:
    before, request_count = shared.kept(), len(shared.requests())
    plan = shared.json("plan", "-f", shared.file("p.yaml", name="Planned"))
    assert (plan["advertisers"], plan["requests"] >= 1, plan["minutes"] >= 0) == (3, True, True)
    assert {day["timezone"] for day in plan["days"]} == {"UTC-08:00", "UTC+01:00", "UTC+09:00"}
    assert {day["end"] for day in plan["days"]} == {"2026-11-21"}
    text = shared.good("plan", "spend", "--start", "2026-11-01", "--end", "2026-11-03").stdout
    assert "2026-11-01" in text
    assert re.search(r"requests +time +API level +rows per page +chunks", text)
    assert (shared.kept(), len(shared.requests())) == (before, request_count)


def test_a_preview_shows_typed_rows_and_saves_nothing(shared: Home) -> None:
    before = shared.kept()
    rows = shared.json("preview", "-f", shared.file("p.yaml", name="Seen", metrics=["spend", "ad_name"]))
    assert 0 < len(rows) <= 20
    assert {"advertiser_id", "ad_id", "stat_time_day", "spend", "ad_name"} <= set(rows[0])
    assert isinstance(rows[0]["spend"], (int, float))
    assert "ad_name" in shared.good("preview", "-f", shared.file("p.yaml", name="Seen", metrics=["ad_name"])).stdout
    assert shared.kept() == before


def test_a_preview_of_days_without_rows_says_so(shared: Home) -> None:
    words = ("preview", "spend", "--start", "2018-01-01", "--end", "2018-01-02")
    assert "TikTok returned 0 rows" in shared.good(*words).stderr
    assert shared.json(*words) == []


# -- history and cancel


def test_history_lists_runs_and_shows_one(shared: Home) -> None:
    (run,) = shared.json("history", "spend")
    assert (run["state"], run["version"], run["verification"]["verified"]) == ("verified", 0, True)
    assert run["run_id"] in shared.good("history", "spend").stdout
    with_log = shared.json("history", "spend", "--run", run["run_id"][:6])
    assert (with_log["run_id"], isinstance(with_log["log"], list)) == (run["run_id"], True)
    assert with_log.keys() - run.keys() == {"log"}
    page = " ".join(shared.good("history", "spend", "--run", run["run_id"]).stdout.split())
    assert " ".join(shared.good("history", run["run_id"]).stdout.split()) == page
    assert page.startswith(f"run {run['run_id']} ")
    for words in (
        "State Verified. The rows match TikTok's own figures.",
        "by command line",
        "Exit code 0 (ok)",
        f"Requests {run['requests']:,} Pages",
        f"Rows read {run['rows']:,}",
        f"Rows {run['rows']:,} {run['rows']:,} Matches",
    ):
        assert words in page
    counts = Counter(row["advertiser_id"] for row in shared.rows("select advertiser_id from spend"))
    assert all(f"{advertiser} {count}" in page for advertiser, count in counts.items())
    assert "{" not in page, "no value as Python prints it"


def test_a_run_has_the_same_keys_wherever_programs_read_it(home: Home) -> None:
    report = home.json("run", "-f", home.file(metrics=["spend"]))
    (run,) = home.json("history", "spend")
    assert report == run | {name: report[name] for name in ("seconds", "table", "resumed")}
    home.door("trouble", {"kind": "code", "code": 40002, "times": 0, "path": "report"})
    failed = home.json("run", "spend", code=int(ExitCode.INPUT))
    assert failed.keys() - run.keys() <= {"tiktok_code", "request_id"}
    assert run.keys() <= failed.keys()


def test_history_shows_a_failed_run_with_its_error_and_log(home: Home) -> None:
    home.door("trouble", {"kind": "code", "code": 40002, "times": 0, "path": "report"})
    home.bad("run", "-f", home.file(metrics=["spend"]))
    (run,) = home.json("history", "spend")
    page = " ".join(home.good("history", "spend", "--run", run["run_id"]).stdout.split())
    assert "State Failed. Stopped by an error; the table is unchanged." in page
    assert f"Error {run['error']}"[:40] in page
    log = home.json("history", "spend", "--run", run["run_id"])["log"]
    assert all(" ".join(line["text"].split()) in page for line in log)
    assert f"Exit code {run['exit_code']} (" in page
    assert "rows of the table" not in page


def test_a_dataset_that_never_ran_has_no_history(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file())
    assert "Run it: adreel run spend" in home.good("history", "spend").stderr
    assert home.json("history", "spend") == []


def test_a_run_that_is_over_cannot_be_cancelled(shared: Home) -> None:
    before = shared.kept()
    code, stderr = shared.bad("cancel", shared.json("history", "spend")[0]["run_id"])
    assert code == ExitCode.INPUT
    assert re.search(r"error: Run \w+ is finished \(verified\) and cannot be cancelled\.", stderr)
    assert shared.kept() == before


def test_a_second_dataset_runs_while_the_first_is_busy(home: Home) -> None:
    with FileLocks(home.path).dataset("first"):
        assert home.bad("run", "-f", home.file(name="First", metrics=["spend"]))[0] == ExitCode.BUSY
        assert home.json("run", "-f", home.file(name="Second", metrics=["spend"]))["state"] == "verified"


# -- the catalog


def test_reports_are_listed_and_one_is_shown_with_its_menus(shared: Home) -> None:
    assert {report["name"] for report in shared.json("reports")} == set(catalog.REPORTS)
    assert "deprecated" in shared.good("reports").stdout
    for name in catalog.REPORTS:
        text = shared.good("reports", name).stdout
        assert all(menu.name in text for menu in catalog.REPORTS[name].menus)
    assert shared.json("reports", "ads")["name"] == "ads"


def test_metrics_and_dimensions_are_found_by_words(shared: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(shared.json("metrics")) == len(catalog.metrics())
    metrics = [metric["name"] for metric in shared.json("metrics", "PURCHASE", "value")]
    assert "total_purchase_value" in metrics
    assert "spend" not in metrics
    assert [dimension["name"] for dimension in shared.json("dimensions", "age range")] == ["age"]
    monkeypatch.setenv("COLUMNS", "80")
    text = shared.good("metrics", "purchase", "value").stdout
    assert all(name in text for name in metrics)


def test_a_search_without_a_hit_says_so_with_the_nearest_names(shared: Home) -> None:
    for words, sentence in (
        (("metrics", "zzqq"), "No metrics match 'zzqq'. List them: adreel metrics"),
        (("metrics", "impresionns"), "No metrics match 'impresionns'. Did you mean 'impressions'"),
        (("dimensions", "Contry", "code"), "No dimensions match 'Contry code'. Did you mean 'country_code'?"),
        (("dimensions", "nothing like it"), "No dimensions match 'nothing like it'. List them: adreel dimensions"),
    ):
        result = shared.good(*words)
        assert (result.stdout, sentence in result.stderr) == ("", True), words
    assert shared.json("metrics", "zzqq") == []


# -- start of the program


def test_help_groups_the_commands_and_starts_with_what_to_try(shared: Home) -> None:
    text = shared.good("--help").stdout
    panels = ("Try out", "Manage", "Look up", "Run", "Tables", "Data Center")
    places = [text.index(f" {panel} ") for panel in panels]
    assert places == sorted(places)
    assert re.search(r" demo +Try adreel", text)
    assert " Commands " not in text


@pytest.mark.parametrize("words", ["--help", "run --help", "--version"])
def test_help_imports_nothing_heavy(words: str) -> None:
    code = (
        "import sys; from adreel.cli import main\n"
        f"sys.argv = ['adreel', *{words.split()!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "adreel" in done.stdout
    heavy = {"pyarrow", "sqlalchemy", "duckdb", "deltalake", "httpx2", "starlette", "uvicorn", "yaml", "orjson"}
    assert not heavy & set(re.findall(r"\w+", done.stderr))


def test_the_program_can_be_started_as_it_is_installed() -> None:
    program = Path(sys.executable).with_name("adreel")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"adreel \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("word", ["runs", "logs", "list", "show", "start", "connect", "sql"])
def test_a_word_of_another_tool_names_the_command_that_is_meant(shared: Home, word: str) -> None:
    _, stderr = shared.bad(word)
    meant = re.search(rf"No such command '{word}'\. Did you mean: adreel ([a-z ]+)", stderr)
    assert meant is not None
    shared.good(*meant[1].split(), "--help")
    assert "Did you mean 'query'?" in shared.bad("qery")[1]
