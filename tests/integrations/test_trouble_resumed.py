"""Runs that go on over what an earlier one left, whole, damaged or of another version of adreel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import test_trouble
from home import Home, copied
from running import Tampered, latest, left_behind, questions, run, table
from test_trouble import FORTY_DAYS, HOURS, stopped_after

calm = test_trouble.calm
calm_home = test_trouble.calm_home
fresh = test_trouble.fresh
fresh_home = test_trouble.fresh_home


@pytest.mark.parametrize("method", ["upsert", "partition", "replace"])
def test_days_of_a_failed_check_are_named_by_each_run_until_they_are_read_again(calm: Home, method: str) -> None:
    def other(_: dict[str, str], data: dict[str, Any]) -> None:
        data["total_metrics"]["impressions"] = str(int(data["total_metrics"]["impressions"]) + 1)

    def file(start: str, end: str) -> str:
        return calm.file(dates={"start": start, "end": end}, update={"method": method})

    failed = run(calm, file("2026-11-15", "2026-11-17"), transport=Tampered(calm, other))
    assert failed.state == "check_failed"
    run(calm, file("2026-11-17", "2026-11-19"))
    for end in ("2026-11-19", "2026-11-20"):
        report = run(calm, file("2026-11-17", end))
        if method == "replace":
            assert report.warnings == ()
            return
        assert report.state == "verified_with_warnings"
        (warning,) = report.warnings
        assert warning.startswith(
            "2 days of the table (2026-11-15 to 2026-11-16) were read by the run of version "
            f"{failed.version}, whose check failed, and not read again. "
        )
    calm.good("run", "spend", "--start", "2026-11-15", "--end", "2026-11-16")
    assert latest(calm).state == "verified"
    assert run(calm, file("2026-11-17", "2026-11-20")).state == "verified"


def damage_first_part(home: Home) -> None:
    parts = sorted((home.path / "lake" / "_runs").glob("*/*/*/*.arrow"))
    parts[0].write_bytes(parts[0].read_bytes()[:100])


def empty_first_part(home: Home) -> None:
    parts = sorted((home.path / "lake" / "_runs").glob("*/*/*/*.arrow"))
    parts[0].write_bytes(b"")


def lose_first_part(home: Home) -> None:
    sorted((home.path / "lake" / "_runs").glob("*/*/*/*.arrow"))[0].unlink()


def tear_records(home: Home) -> None:
    for record in (home.path / "lake" / "_runs").glob("*/*/finished.json"):
        record.write_bytes(record.read_bytes()[:50])


def change_records(**changes: Any) -> Callable[[Home], None]:
    def change(home: Home) -> None:
        for record in (home.path / "lake" / "_runs").glob("*/*/finished.json"):
            record.write_text(json.dumps(json.loads(record.read_text()) | changes))

    return change


def swap_records(home: Home) -> None:
    records = sorted((home.path / "lake" / "_runs").glob("*/*/finished.json"))
    texts = [record.read_text() for record in records]
    for record, text in zip(records, reversed(texts), strict=True):
        record.write_text(text)


DAMAGES: dict[str, Callable[[Home], None]] = {
    "a part is torn": damage_first_part,
    "a part is empty": empty_first_part,
    "a part is gone": lose_first_part,
    "records are torn": tear_records,
    "records are of another plan": change_records(plan="0" * 32),
    "records have another shape": change_records(outcome=[1, 2]),
    "records are no records": change_records(parts="none", chunk=7),
    "records stand in each other's place": swap_records,
}


@pytest.fixture(scope="module")
def whole(fresh_home: Home, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The table of forty days of hours, as a run without trouble makes it."""
    home = copied(fresh_home, tmp_path_factory.mktemp("whole") / "home")
    run(home, home.file(**FORTY_DAYS))
    return table(home)


@pytest.fixture(scope="module")
def stopped_home(fresh_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which a run of forty days of hours stopped after a hundred requests; nobody works in it."""
    home = copied(fresh_home, tmp_path_factory.mktemp("stopped") / "home")
    stopped_after(home, home.file(**FORTY_DAYS), 100)
    assert len(list((home.path / "lake" / "_runs").glob("*/*/finished.json"))) >= 2
    return home


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_damaged_or_foreign_files_beside_the_parts_are_read_again(
    stopped_home: Home, whole: pa.Table, tmp_path: Path, damage: str
) -> None:
    home, before = copied(stopped_home, tmp_path / "home"), questions(stopped_home)
    DAMAGES[damage](home)
    report = run(home, home.file(**FORTY_DAYS))
    assert (report.resumed, report.state, report.verification["verified"]) == (True, "verified", True)
    again = questions(home)
    pages = 1 if damage.startswith("a part") else 0
    assert len(again) + len(before) - len(set(before)) <= 120 - len(set(before)) + pages
    assert len({*before, *again}) == 120
    assert left_behind(home) == []
    assert table(home).equals(whole)


@pytest.mark.parametrize("changes", [{"plan": "0" * 32}, {"now": "yesterday"}, {"advertisers": 3}])
def test_a_run_of_another_adreel_is_read_again_entirely(fresh: Home, changes: dict[str, Any]) -> None:
    stopped = stopped_after(fresh, fresh.file(**HOURS), 30)
    (begun,) = (fresh.path / "lake" / "_runs").glob("*/asked.json")
    begun.write_text(json.dumps(json.loads(begun.read_text()) | changes))
    before = len(questions(fresh))
    # Left by a chunk that this adreel would not name so.
    parts = begun.parent / "000000"
    shutil.copytree(parts, begun.parent / "999999")
    report = run(fresh, fresh.file(**HOURS))
    assert (report.run_id, report.state, report.verification["verified"]) == (stopped, "verified", True)
    assert len(questions(fresh)) - before == 60
    assert left_behind(fresh) == []
