"""Several processes over one store."""

import os
from pathlib import Path

import pytest

import test_store
from adreel.errors import BusyError
from adreel.store import (
    Store,
)
from adreel.store.locks import Holder
from test_store import Clock, host, printed, python, settings, tell

home = test_store.home
store = test_store.store


def test_processes_that_open_a_new_home_and_write_at_once_do_not_fail(home: Path) -> None:
    code = """
import sys
from datetime import UTC, datetime
from adreel.settings import Settings
from adreel.store import Store
home, me = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with Store.open(Settings.load({"ADREEL_HOME": home}), clock=lambda: datetime.now(UTC)) as store:
    account = store.accounts.add(me, token="t" + me, app_id="a", base_url="http://127.0.0.1")
    dataset = store.datasets.create("Of " + me, account=account, spec="{}")
    run = store.runs.add(dataset, me)
    for number in range(40):
        store.runs.log(run.id, str(number))
"""
    with python(code, home, "one") as first, python(code, home, "two") as second, python(code, home, "three") as third:
        processes = (first, second, third)
        assert [printed(process) for process in processes] == ["ready"] * 3
        for process in processes:
            tell(process, "go")
        assert [process.wait() for process in processes] == [0, 0, 0]
    with Store.open(settings(home), clock=Clock()) as store:
        for name in ("one", "two", "three"):
            assert store.accounts.token(store.accounts.get(name)) == f"t{name}"
            assert [line.text for line in store.runs.log_lines(name)] == [str(number) for number in range(40)]


def test_a_lock_of_another_process_is_free_once_that_process_is_killed(home: Path, store: Store) -> None:
    code = """
import sys
from datetime import UTC, datetime
from adreel.settings import Settings
from adreel.store import Store
with (
    Store.open(Settings.load({"ADREEL_HOME": sys.argv[1]}), clock=lambda: datetime.now(UTC)) as store,
    store.locks.dataset("spend", run_id="r1"),
):
    print("held", flush=True)
    sys.stdin.readline()
"""
    locks = store.locks
    with python(code, home) as other:
        assert printed(other) == "held"
        assert locks.holder("spend") == Holder("r1", other.pid, host(store))
        with (
            pytest.raises(BusyError, match=rf"Run r1 .* \(process {other.pid}( on .+)?\)"),
            locks.dataset("spend", run_id="r2", wait=0),
        ):
            pass
        other.kill()
        other.wait()
        with locks.dataset("spend", run_id="r2"):
            assert locks.holder("spend") == Holder("r2", os.getpid(), host(store))
