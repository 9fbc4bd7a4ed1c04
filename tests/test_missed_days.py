"""Days that no run has read: after a time without runs, and of ad accounts that were added later."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adreel.advertisers import Advertiser
from adreel.datasets.coverage import DaysOf, RunDays, as_json, covering, from_json, missed_days
from adreel.datasets.files import read
from adreel.datasets.lookback import with_lookback
from adreel.datasets.validation import parse
from adreel.dates import Span
from home import Home, make_home
from running import table
from web_home import open_site

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", restate_days=7, ads=4, advertisers=2)
    home.add_account()
    return home


def named(home: Home, name: str = "spend", **keys: Any) -> str:
    method = {"method": "partition"}
    return home.file(f"{name}.yaml", name=name, **{"dates": {"date": "yesterday"}, "update": method} | keys)


def ids(home: Home) -> list[str]:
    return sorted(row["id"] for row in home.json("accounts", "advertisers", "demo"))


def missed(report: Any) -> list[str]:
    return [line for line in report["warnings"] if "lacks" in line]


def within(home: Home, slug: str, first: date, last: date) -> list[dict[str, Any]]:
    return [row for row in table(home, slug).to_pylist() if first <= row["stat_time_day"] <= last]


def test_an_ad_account_that_is_read_later_is_named_with_the_command_that_fills_the_table(home: Home) -> None:
    old, new = ids(home)
    home.good("run", "-f", named(home, advertisers=[old], dates={"start": "today-30", "end": "yesterday"}))
    home.later(1)
    (warning,) = missed(home.json("run", "-f", named(home, advertisers=[old, new])))
    assert f"({new})" in warning
    assert old not in warning
    assert "its table begins on 2026-10-23" in warning
    assert "adreel backfill spend --start 2026-10-23 --end 2026-11-15" in warning
    with open_site(home) as site:
        visit = site.visit("admin")
        page = visit.good("/datasets/spend")
        assert "Start backfill 2026-10-23 to 2026-11-15" in page
        visit.sent("/datasets/spend/backfills", {"start": "2026-10-23", "end": "2026-11-15"})
        (backfill,) = site.store.backfills.list()
        assert (backfill.first_day, backfill.last_day) == (date(2026, 10, 23), date(2026, 11, 15))
        site.store.backfills.cancel(backfill)
    home.good("run", "spend", "--start", "2026-10-23", "--end", "2026-11-15")
    home.later(1)
    assert not missed(home.json("run", "spend"))
    home.good("run", "-f", named(home, "truth", dates={"start": "2026-10-23", "end": "2026-11-15"}))
    span = date(2026, 10, 23), date(2026, 11, 15)
    assert within(home, "spend", *span) == within(home, "truth", *span)


def test_an_ad_account_without_rows_is_not_taken_for_a_new_one(home: Home) -> None:
    old, new = ids(home)
    long_ago = {"start": "today-3010", "end": "today-3000"}
    home.good("run", "-f", named(home, advertisers=[old, new], dates=long_ago))
    assert not within(home, "spend", date.min, date.max)
    home.later(1)
    assert not missed(home.json("run", "spend"))


def test_a_table_of_replace_and_a_restored_one_miss_what_they_lack(home: Home) -> None:
    old, new = ids(home)
    file = named(home, advertisers=[old], update={"method": "replace"})
    home.good("run", "-f", file)
    home.later(40)
    assert not missed(home.json("run", "-f", named(home, update={"method": "replace"}))), "the dates are all it has"
    home.later(1)
    home.good("run", "-f", named(home))
    home.later(1)
    home.good("run", "spend")
    first = home.json("versions", "spend")[-2]["version"]
    home.good("restore", "spend", str(first), "--yes")
    home.later(1)
    assert not missed(home.json("run", "spend"))
    days = {row["stat_time_day"] for row in table(home).to_pylist()}
    assert max(days) - min(days) == timedelta(days=len(days) - 1)
    assert new in {row["advertiser_id"] for row in table(home).to_pylist()}


# The rules, without a network

DATASET = parse(
    read(
        "name: x\naccount: demo\nreport: performance\ndata_level: ad\ntime_dimension: day\nmetrics: [spend]\n"
        "dates: {date: yesterday}\nupdate: {method: upsert, lookback: 2}\n"
    ),
    NOW,
)
SHOPS = [Advertiser(str(number), f"Shop {number}", "USD", timedelta()) for number in range(3)]


HISTORIES = st.lists(
    st.tuples(st.integers(0, 150), st.sets(st.integers(0, 2), min_size=1), st.booleans()), min_size=1, max_size=12
)
"""The days between two runs, the ad accounts that each one reads, and whether it is a backfill."""


def days_of(span: Span) -> set[date]:
    return {span.start + timedelta(days=day) for day in range(span.days)}


@settings(max_examples=60)
@given(HISTORIES)
@example([(0, {0}, False), (0, {0}, True), (0, {0}, False)])
def test_every_day_since_the_first_run_is_read_or_said_to_be_missed(history: list[tuple[int, set[int], bool]]) -> None:
    coverage: dict[str, DaysOf] = {}
    today, read_days = date(2024, 1, 1), {shop.id: set[date]() for shop in SHOPS}
    expected = {shop.id: set[date]() for shop in SHOPS}
    for wait, numbers, is_backfill in history:
        today += timedelta(days=wait)
        own = Span(today - timedelta(days=1), today - timedelta(days=1))
        first = min((min(days) for days in read_days.values() if days), default=own.start)
        reads: list[tuple[Advertiser, Span, date]] = []
        for shop in (SHOPS[number] for number in sorted(numbers)):
            if is_backfill:
                span = Span(today - timedelta(days=9), today - timedelta(days=5))
            else:
                span = with_lookback(DATASET, own, today, first, coverage.get(shop.id, DaysOf()).last)
                if expected[shop.id] or not read_days[shop.id]:
                    # Days between a backfill and the first run are nobody's: a person chose those of the backfill.
                    since = min(expected[shop.id], default=first)
                    expected[shop.id] |= days_of(Span(since, span.end))
            reads.append((shop, span, today))
        coverage = covering(coverage, RunDays(tuple(reads), own=not is_backfill), DATASET)
        assert from_json(as_json(coverage)) == coverage
        for shop, span, _ in reads:
            read_days[shop.id] |= days_of(span)
        for shop in SHOPS:
            shop_days = coverage.get(shop.id, DaysOf())
            missing = set[date]().union(*map(days_of, shop_days.missed))
            assert read_days[shop.id] == set[date]().union(*map(days_of, shop_days.read))
            assert not missing & read_days[shop.id]
            assert expected[shop.id] <= missing | read_days[shop.id]
            assert missing == set() or missing <= set().union(*(days_of(m.days) for m in missed_days(coverage, [shop])))
