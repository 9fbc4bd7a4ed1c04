"""Request slots in Postgres, which processes of several machines share: the same times as in a file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adreel.errors import RetryError, ThrottledError
from adreel.settings import Settings
from adreel.store.database import slot_log
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace, RateLimits, SlotLog
from postgres import PostgresServer
from test_pace import BASIC, MIDNIGHT, most_within
from virtual_time import NOON, VirtualTime


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as address:
        yield address


def log_in(url: str, folder: Path) -> SlotLog:
    return slot_log(Settings.load({"ADREEL_HOME": str(folder), "ADREEL_DATABASE_URL": url}))


def times_of(log: SlotLog, others: SlotLog, count: int, limits: RateLimits = BASIC) -> list[float]:
    """When turns came that two processes of one app asked for at once; with a hold and a refusal in between."""
    clock = VirtualTime()

    async def turn(pace: Pace) -> float:
        slot = await pace.turn()
        if slot.number == 30:
            pace.refused(slot)
        if slot.number == 50:
            pace.hold(7)
        pace.scattered(0.03 if slot.number % 2 else 0.01)
        return clock.passed

    async def main() -> list[float]:
        paces = [Pace(each, "app", limits, clock=clock.epoch) for each in (log, others)]
        times = await asyncio.gather(*(turn(paces[number % 2]) for number in range(count)))
        for pace in paces:
            pace.close()
        return sorted(times)

    return clock.run(main)


def test_slots_in_postgres_come_at_the_times_of_slots_in_a_file(url: str, tmp_path: Path) -> None:
    in_file = times_of(FileLog(tmp_path / "pace.db"), FileLog(tmp_path / "pace.db"), 90)
    in_postgres = times_of(log_in(url, tmp_path), log_in(url, tmp_path), 90)
    assert in_postgres == pytest.approx(in_file, abs=0.001)
    assert most_within(in_postgres, 1.0) == 10


def test_the_day_of_an_app_is_used_up_for_all(url: str, tmp_path: Path) -> None:
    limits = RateLimits(5, 300, 3)
    clock = VirtualTime()

    async def main() -> None:
        paces = [Pace(log_in(url, tmp_path), "app", limits, clock=clock.epoch) for _ in range(2)]
        for number in range(3):
            await paces[number % 2].turn()
        for pace in paces:
            with pytest.raises(ThrottledError, match="budget of 3 requests"):
                await pace.turn()
        other = Pace(log_in(url, tmp_path), "other app", limits, clock=clock.epoch)
        await other.turn()
        for pace in (*paces, other):
            pace.close()

    clock.run(main)
    assert clock.epoch() < MIDNIGHT
    assert clock.epoch() >= NOON


def test_a_machine_whose_clock_is_wrong_keeps_to_the_servers_time(url: str, tmp_path: Path) -> None:
    """Two machines, one an hour behind: taken for a clock that was set back, it would get the slots of an hour ago."""
    with closing(Pace(log_in(url, tmp_path), "app", LEVELS["basic"])) as pace:
        first = [asyncio.run(pace.turn()).at for _ in range(2)]
    code = """
import asyncio, sys, time
real = time.time
time.time = lambda: real() - 3600
from pathlib import Path
from adreel.settings import Settings
from adreel.store.database import slot_log
from adreel.tiktok.rate_limit import LEVELS, Pace
settings = Settings.load({"ADREEL_HOME": sys.argv[1], "ADREEL_DATABASE_URL": sys.argv[2]})
pace = Pace(slot_log(settings), "app", LEVELS["basic"], clock=time.time)
print(*(asyncio.run(pace.turn()).at for _ in range(2)))
pace.close()
"""
    command = [sys.executable, "-c", code, str(tmp_path), url]
    behind = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with closing(Pace(log_in(url, tmp_path), "app", LEVELS["basic"])) as pace:
        last = [asyncio.run(pace.turn()).at for _ in range(2)]
    times = [*first, *map(float, behind.split()), *last]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 60


def test_a_process_killed_in_the_middle_of_a_reservation_leaves_the_app_free(url: str, tmp_path: Path) -> None:
    code = """
import asyncio, sys
from adreel.settings import Settings
from adreel.store.database import slot_log
from adreel.tiktok.rate_limit import RateLimits, Pace
log = slot_log(Settings.load({"ADREEL_HOME": sys.argv[1], "ADREEL_DATABASE_URL": sys.argv[2]}))
pace = Pace(log, "app", RateLimits(2, 100, 1000))
for _ in range(2):
    asyncio.run(pace.turn())
with log.transaction("app") as sql:
    sql.execute("UPDATE app SET blocked_until = ? WHERE app_id = ?", (1e12, "app"))
    print("held", flush=True)
    sys.stdin.readline()
"""
    command = [sys.executable, "-c", code, str(tmp_path), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    with closing(Pace(log_in(url, tmp_path), "app", RateLimits(2, 100, 1000))) as pace:
        # Its two slots stay taken, what it had not finished never was.
        assert asyncio.run(pace.turn()).number == 2
        with pace._log.statement() as sql:
            assert sql.execute("SELECT blocked_until FROM app WHERE app_id = ?", ("app",)).fetchone() == (0,)


@pytest.mark.slow
def test_a_server_that_restarts_costs_one_try(url: str, tmp_path: Path, postgres: PostgresServer) -> None:
    with closing(Pace(log_in(url, tmp_path), "app", LEVELS["basic"])) as pace:
        asyncio.run(pace.turn())
        postgres.stop()
        postgres.start()
        with pytest.raises(RetryError, match=r"(T|t)ry again"):
            asyncio.run(pace.turn())
        assert asyncio.run(pace.turn()).number == 1
