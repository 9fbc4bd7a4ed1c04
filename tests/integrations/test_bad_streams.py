"""Commands whose output goes into pipes, to full disks and nowhere."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import test_bad_input
from adreel.errors import ExitCode
from home import Home, environment_of
from test_bad_input import limited

unchanged = test_bad_input.unchanged
shared = test_bad_input.shared


def test_a_full_disk_leaves_no_partial_file(unchanged: Home, tmp_path: Path) -> None:
    sql = "select range as number, md5(range::varchar) as text from range(5000)"
    for name in ("x.csv", "x.xlsx"):
        environ = environment_of(unchanged, "http://127.0.0.1:1")
        done = limited(environ, 50_000, "query", sql, "-o", str(tmp_path / name))
        assert done.returncode == ExitCode.STORAGE, done.stderr
        assert f"{tmp_path / name} cannot be written: File too large" in done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [
        ("query 'select 1' --format csv", ""),
        ("query 'select 1' --format json", "1"),
        ("settings", ""),
        ("settings", "1"),
        ("--version", ""),
    ],
)
def test_a_full_disk_behind_stdout_is_reported(unchanged: Home, words: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from adreel.cli import main; main()", *shlex.split(words)],
            env={**os.environ, "ADREEL_HOME": str(unchanged.path), "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == ExitCode.STORAGE
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("form", "variable"),
    [
        ([], "PYTHONIOENCODING=ascii"),
        ([], "COLUMNS=0"),
        (["--format", "json"], "PYTHONIOENCODING=cp1252"),
        (["--format", "json"], "COLUMNS="),
    ],
)
def test_a_pipe_gets_the_whole_table_in_utf8_whatever_the_terminal_says(
    unchanged: Home, form: list[str], variable: str
) -> None:
    name, _, value = variable.partition("=")
    done = subprocess.run(
        [sys.executable, "-c", "from adreel.cli import main; main()", "query", "select 'é 漢' as word", *form],
        env={**os.environ, "ADREEL_HOME": str(unchanged.path), name: value},
        capture_output=True,
        check=False,
    )
    assert "é 漢" in done.stdout.decode("utf-8")
    assert done.returncode == 0


@pytest.mark.parametrize(("words", "code"), [("settings", ExitCode.STORAGE), ("run nothing", ExitCode.INPUT)])
def test_the_exit_code_is_right_where_stderr_cannot_be_written(unchanged: Home, words: str, code: ExitCode) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from adreel.cli import main; main()", *words.split()],
            env={**os.environ, "ADREEL_HOME": str(unchanged.path), "PYTHONUNBUFFERED": ""},
            stdout=full,
            stderr=full,
            check=False,
        )
    assert done.returncode == code
