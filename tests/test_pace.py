from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.errors import InputError, StorageError, ThrottledError
from adreel.tiktok.margin import Margin
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace, RateLimits, limits_for
from virtual_time import NOON, VirtualTime

BASIC = LEVELS["basic"]
MIDNIGHT = NOON + 43_200
FIRST = 1 + Margin().seconds
"""After how many seconds a second's budget is used again by an app that knows nothing of its network."""


def pace_at(clock: VirtualTime, folder: Path, limits: RateLimits = BASIC, app_id: str = "app") -> Pace:
    return Pace(FileLog(folder / "pace.db"), app_id, limits, clock=clock.epoch)


async def served(clock: VirtualTime, pace: Pace, arrival: float = 0.0) -> float:
    """When the turn came, in seconds since the start."""
    await asyncio.sleep(arrival)
    await pace.turn()
    return clock.passed


def most_within(times: Sequence[float], window: float) -> int:
    """The largest number of `times` in any half-open window of that many seconds."""
    ordered = sorted(times)
    return max((sum(1 for t in ordered[i:] if t < first + window) for i, first in enumerate(ordered)), default=0)


def greedy(arrivals: Sequence[float], limits: RateLimits) -> list[float]:
    """The earliest times that the limits allow, one request after the other, with the margins that are promised."""
    times: list[float] = []
    margin = Margin()
    for arrival in sorted(arrivals):
        at = arrival
        second = 1 + margin.seconds
        for back, gap in (
            (1, margin.between(limits.per_second)),
            (limits.per_second, second),
            (limits.per_minute, 60.5),
        ):
            if len(times) >= back:
                at = max(at, times[-back] + gap)
        if len(times) >= limits.per_second and at - times[-limits.per_second] < second + margin.seconds:
            margin = margin.tried(limits.per_second, 0.0)
        times.append(at)
    return times


def test_levels_are_those_that_tiktok_grants() -> None:
    assert LEVELS["basic"] == RateLimits(10, 600, 864_000)
    assert LEVELS["ultimate"] == RateLimits(50, 3_000, 4_320_000)


def test_a_level_can_be_named_in_any_case_or_given_as_a_number_per_second() -> None:
    assert limits_for(" Advanced ") == RateLimits(20, 1_200, 1_728_000)
    assert limits_for("7") == RateLimits(7, 420, 604_800)
    assert limits_for("2.5") == RateLimits(2, 150, 216_000)
    assert limits_for("0.5") == RateLimits(1, 30, 43_200)


@pytest.mark.parametrize("level", ["", "gold", "0", "-3", "inf", "nan", "0.01"])
def test_a_level_that_is_not_known_is_refused_with_the_choices(level: str) -> None:
    with pytest.raises(InputError, match="basic, advanced, premium, ultimate"):
        limits_for(level)


def test_a_burst_and_170_more_turns_at_ten_a_second_take_no_longer_than_the_limit_makes_them(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> list[float]:
        pace = pace_at(clock, tmp_path)
        times = await asyncio.gather(*(served(clock, pace) for _ in range(180)))
        pace.close()
        return times

    times = clock.run(main)
    assert times[9] < 0.1
    assert times[-1] <= 17.8
    assert most_within(times, 1.0) == 10


arrivals_by_process = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 90).map(lambda t: round(t, 2))), min_size=1, max_size=40
)
small_limits = st.builds(
    lambda second, minute: RateLimits(second, second + minute, 1_000_000), st.integers(1, 5), st.integers(0, 12)
)


@given(arrivals=arrivals_by_process, limits=small_limits)
def test_any_arrivals_over_several_processes_are_served_at_the_earliest_times_within_the_limits(
    arrivals: list[tuple[int, float]], limits: RateLimits
) -> None:
    clock = VirtualTime()

    async def main(folder: Path) -> list[float]:
        paces = [pace_at(clock, folder, limits) for _ in range(3)]
        times = await asyncio.gather(*(served(clock, paces[owner], at) for owner, at in arrivals))
        for pace in paces:
            pace.close()
        return times

    with tempfile.TemporaryDirectory() as folder:
        times = sorted(clock.run(lambda: main(Path(folder))))
    assert most_within(times, 1.0) <= limits.per_second
    assert most_within(times, 60.0) <= limits.per_minute
    assert times == pytest.approx(greedy([at for _, at in arrivals], limits), abs=1e-4)


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 20)), min_size=1, max_size=40),
    per_day=st.integers(1, 30),
    before_midnight=st.floats(-5, 15),
)
def test_no_utc_day_gets_more_than_its_budget(
    arrivals: list[tuple[int, float]], per_day: int, before_midnight: float
) -> None:
    clock = VirtualTime(start=MIDNIGHT - before_midnight)

    async def main(folder: Path) -> list[float | BaseException]:
        paces = [pace_at(clock, folder, RateLimits(4, 240, per_day)) for _ in range(3)]
        turns = (served(clock, paces[owner], at) for owner, at in arrivals)
        times = await asyncio.gather(*turns, return_exceptions=True)
        for pace in paces:
            pace.close()
        return times

    with tempfile.TemporaryDirectory() as folder:
        outcomes = clock.run(lambda: main(Path(folder)))
    times = [clock.start + time for time in outcomes if isinstance(time, float)]
    days = [int(time // 86_400) for time in times]
    assert all(days.count(day) <= per_day for day in days)
    assert all(isinstance(outcome, float | ThrottledError) for outcome in outcomes)
    if len(times) < len(outcomes):
        assert per_day in [days.count(day) for day in days]


def test_a_day_that_is_used_up_is_refused_with_the_time_of_its_renewal(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> None:
        pace = pace_at(clock, tmp_path, RateLimits(10, 600, 1))
        await pace.turn()
        try:
            with pytest.raises(ThrottledError, match="2026-01-03 00:00 UTC"):
                await pace.turn()
        finally:
            pace.close()

    clock.run(main)


def test_a_day_that_is_nearly_over_is_waited_for(tmp_path: Path) -> None:
    clock = VirtualTime(start=MIDNIGHT - 100)

    async def main() -> list[float]:
        pace = pace_at(clock, tmp_path, RateLimits(10, 600, 2))
        times = [await served(clock, pace) for _ in range(3)]
        pace.close()
        return times

    assert clock.run(main) == pytest.approx([0, 0.003, 100], abs=1e-3)


def test_a_hold_of_one_process_stops_every_process_of_the_app_and_no_other_app(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> list[float]:
        first, second, other = (pace_at(clock, tmp_path, app_id=app) for app in ("app", "app", "other"))
        first.hold(305)
        first.hold(1)
        times = await asyncio.gather(*(served(clock, pace) for pace in (first, second, other)))
        for pace in (first, second, other):
            pace.close()
        return times

    first, second, other = clock.run(main)
    assert (first, second) == pytest.approx((305, 305.003), abs=1e-3)
    assert other == 0


def test_those_who_wait_for_their_slot_when_a_hold_comes_wait_for_its_end(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> list[float]:
        first, second = pace_at(clock, tmp_path), pace_at(clock, tmp_path)
        turns = [asyncio.ensure_future(served(clock, pace)) for pace in (first, second) for _ in range(20)]
        await asyncio.sleep(1.5)
        second.hold(10)
        times = await asyncio.gather(*turns)
        first.close()
        second.close()
        return times

    times = sorted(clock.run(main))
    assert not [time for time in times if 1.5 < time < 11.5]
    assert most_within(times, 1.0) == 10
    # What is left after the hold goes at the full rate again: twenty had gone, twenty are left.
    assert times[20] == pytest.approx(11.5, abs=0.05)
    assert times[-1] < 11.5 + 1.3


def test_those_who_wait_for_their_slot_when_the_margin_is_widened_wait_for_the_wider(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> tuple[float, float]:
        first, second = (pace_at(clock, tmp_path, RateLimits(2, 120, 1_000)) for _ in range(2))
        slots = [await first.turn(), await first.turn()]
        waiting = asyncio.ensure_future(served(clock, first))
        await asyncio.sleep(0.5)
        wider = second.refused(slots[1])
        second.close()
        time = await waiting
        first.close()
        return time, wider

    time, wider = clock.run(main)
    assert wider > Margin().seconds
    assert time == pytest.approx(1 + wider, abs=1e-3)


def test_a_sleeper_who_wakes_up_late_makes_no_second_over_full(tmp_path: Path) -> None:
    clock = VirtualTime()
    naps = 0

    async def oversleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        await asyncio.sleep(seconds + (0.4 if naps % 7 == 0 else 0.0))

    async def main() -> list[float]:
        pace = Pace(FileLog(tmp_path / "pace.db"), "app", RateLimits(5, 300, 1_000), clock=clock.epoch, sleep=oversleep)
        times = await asyncio.gather(*(served(clock, pace) for _ in range(60)))
        pace.close()
        return times

    assert most_within(clock.run(main), 1.0) == 5


def test_a_request_that_goes_later_than_its_turn_counts_from_then(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> list[float]:
        pace = pace_at(clock, tmp_path, RateLimits(2, 120, 1_000))
        slots = [await pace.turn(), await pace.turn()]
        await asyncio.sleep(0.3)
        for slot in slots:
            pace.went(slot)
        times = [await served(clock, pace) for _ in range(2)]
        pace.close()
        return times

    late = 0.015 + 0.3
    assert clock.run(main) == pytest.approx([late + FIRST, late + FIRST + 0.015], abs=1e-3)


def test_a_cancelled_waiter_costs_the_others_at_most_its_slot(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> float:
        pace = pace_at(clock, tmp_path)
        crowd = [asyncio.ensure_future(served(clock, pace)) for _ in range(100)]
        await asyncio.sleep(0.5)
        for waiter in crowd:
            waiter.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        time = await served(clock, pace)
        pace.close()
        return time

    assert clock.run(main) == pytest.approx(FIRST + 0.003, abs=1e-3)


def test_a_clock_that_was_set_back_stops_nobody(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> list[float]:
        pace = pace_at(clock, tmp_path, RateLimits(2, 120, 1_000))
        times = [await served(clock, pace) for _ in range(2)]
        clock.start -= 7_200
        times += [await served(clock, pace) for _ in range(4)]
        pace.close()
        return times

    times = clock.run(main)
    assert most_within(times, 1.0) == 2
    assert times[-1] < 3


def test_a_hold_ends_in_time_though_the_clock_was_set_back(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> float:
        pace = pace_at(clock, tmp_path)
        await pace.turn()
        pace.hold(30)
        clock.start -= 7_200
        time = await served(clock, pace)
        pace.close()
        return time

    assert clock.run(main) == pytest.approx(30, abs=0.1)


PROCESS = """
import asyncio, json, sys
from pathlib import Path
from adreel.tiktok.rate_limit import FileLog, Pace, RateLimits

async def main():
    slots = []
    naps = []
    async def sleep(seconds):
        naps.append(seconds)
    pace = Pace(FileLog(Path(sys.argv[1])), "app", RateLimits(50, 3000, 10**6), clock=lambda: 1000.0, sleep=sleep)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(400):
        naps.clear()
        await pace.turn()
        slots.append(sum(naps))
    pace.close()
    print(json.dumps(slots))

asyncio.run(main())
"""


def test_two_processes_at_full_speed_never_get_the_same_slot(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "new" / "pace.db")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    slots = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(slots[0] + slots[1]) == pytest.approx(greedy([0.0] * 800, RateLimits(50, 3000, 10**6)), abs=1e-6)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "pace.db"
    Pace(FileLog(path), "app", BASIC).close()
    path.chmod(0o644)
    pace = Pace(FileLog(path), "app", BASIC)
    asyncio.run(pace.turn())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    pace.close()
    assert set(modes.values()) == {0o600}
    assert "pace.db" in modes


def test_the_log_stays_small(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> int:
        pace = pace_at(clock, tmp_path, RateLimits(100, 200, 10**6))
        for _ in range(20):
            await asyncio.gather(*(served(clock, pace) for _ in range(200)))
            await asyncio.sleep(60)
        pace.close()
        return (tmp_path / "pace.db").stat().st_size

    assert clock.run(main) < 50_000


def test_slots_taken_before_a_restart_count(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> float:
        first = pace_at(clock, tmp_path, RateLimits(1, 60, 1_000))
        await first.turn()
        first.close()
        again = pace_at(clock, tmp_path, RateLimits(1, 60, 1_000))
        time = await served(clock, again)
        again.close()
        return time

    assert clock.run(main) == pytest.approx(FIRST, abs=1e-3)


def test_a_file_from_before_there_was_anything_to_learn_is_used_on(tmp_path: Path) -> None:
    clock = VirtualTime()

    async def main() -> float:
        first = pace_at(clock, tmp_path, RateLimits(1, 60, 1_000))
        await first.turn()
        first.close()
        with closing(sqlite3.connect(tmp_path / "pace.db", isolation_level=None)) as connection:
            connection.execute("DROP TABLE margin")
        again = pace_at(clock, tmp_path, RateLimits(1, 60, 1_000))
        slot = await again.turn()
        assert again.refused(slot) > slot.margin
        again.close()
        return clock.passed

    assert clock.run(main) == pytest.approx(FIRST, abs=1e-3)


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, None])
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "pace.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=r"pace\.db.*cannot be used.*delete it"):
        Pace(FileLog(path), "app", BASIC)
