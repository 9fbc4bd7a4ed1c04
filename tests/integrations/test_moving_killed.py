"""A move of the store that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import test_moving
from home import Home
from people import Clock, open_people
from postgres import PostgresServer
from test_moving import content, settings_of

full = test_moving.full
url = test_moving.url


def test_a_move_that_is_killed_leaves_the_target_empty_or_whole(full: Home, postgres: PostgresServer, url: str) -> None:
    database = url.rpartition("/")[2]
    code = "from adreel.cli import main; main()"
    environ = {**os.environ, "ADREEL_HOME": str(full.path)}
    before = content(settings_of(full))
    with open_people(full.path, Clock()) as store:
        for _ in range(20):
            store.runs.log("ab12", *["x" * 200] * 400)
    before = content(settings_of(full))
    command = [sys.executable, "-c", code, "migrate-store", "--to", url]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        busy = (
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE 'INSERT INTO run_log%'"
        )
        until = time.monotonic() + 30
        while postgres.ask(busy) == [(0,)]:
            assert process.poll() is None
            assert time.monotonic() < until
        process.send_signal(signal.SIGKILL)
    assert postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database) == [(0,)]
    assert content(settings_of(full)) == before
    full.good("migrate-store", "--to", url)
    moved = content(settings_of(full, url))
    assert len(moved["run_log"]) == len(before["run_log"])
