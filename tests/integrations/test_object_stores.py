"""Lakes on S3 and Google Cloud Storage, against servers on this machine (`object_stores.py`)."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2
import pyarrow as pa
import pytest

from adreel.errors import StorageError
from adreel.lake import Lake
from home import Home, make_home
from lake_rows import SCHEMA, in_order, put, row, table_rows, window
from object_stores import ObjectStore, serving
from running import latest, questions, run
from s3_server import object_store

KINDS = ("s3", "gs")


@pytest.fixture(scope="session")
def stores() -> Iterator[dict[str, ObjectStore]]:
    """A server of each kind, for all tests of this process."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(serving(kind)) for kind in KINDS}


@pytest.fixture(params=KINDS)
def store(
    request: pytest.FixtureRequest, stores: dict[str, ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    """A store without faults, named by the environment."""
    chosen = stores[request.param]
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    for name, value in chosen.environ.items():
        monkeypatch.setenv(name, value)
    chosen.order()
    yield chosen
    chosen.order()


only_s3 = pytest.mark.parametrize("store", ["s3"], indirect=True)


def lake_at(store: ObjectStore, name: str) -> Lake:
    return Lake(f"{store.url}/{name}")


def left_in(store: ObjectStore, folder: str) -> list[str]:
    """The objects of a lake, but for the note that its store was checked."""
    return [key for key in store.stored() if key.startswith(folder) and not key.endswith("/_store.json")]


def test_a_table_in_a_store_goes_through_the_same_versions_as_one_in_a_folder(
    store: ObjectStore, tmp_path: Path
) -> None:
    with closing(lake_at(store, "some/lake")) as far, closing(Lake(tmp_path / "lake")) as near:
        for lake in (far, near):
            assert not lake.exists("ads")
            put(lake, "run1", "replace", [row("a", 1), row("b", 2), row("a", 3)])
            put(lake, "run2", "upsert", [row("b", 2, 5), row("c", 2, 5)])
            put(lake, "run3", "partition", [row("d", 3)], windows=(window(3, 3),))
            put(lake, "run4", "append", [row("e", 4)])
            assert put(lake, "run4", "append", [row("e", 4)]).repeated
            assert lake.restore("ads", 1, "run5", lambda _: None).number == 4
            # Past the tenth version, of which delta-rs makes a checkpoint.
            for number in range(6, 13):
                put(lake, f"run{number}", "append", [row("f", number)])
        for version in (0, 1, 2, 4, 11):
            assert in_order(table_rows(far, version=version)) == in_order(table_rows(near, version=version))
        assert far.difference("ads", 0, 3) == near.difference("ads", 0, 3)
        assert far.page("ads").rows == near.page("ads").rows
        assert far.vacuum("ads", keep_days=0, keep_versions=2).versions == 10
        assert [version.run_id for version in far.versions("ads")] == ["run12", "run11"]
        assert in_order(table_rows(far)) == in_order(table_rows(near))
        far.drop("ads")
        assert not far.exists("ads")
    assert left_in(store, "some/lake/") == []


def test_parts_and_notes_of_runs_are_written_found_and_removed(store: ObjectStore) -> None:
    lake = lake_at(store, "parts")
    table = pa.Table.from_pylist([dict(row("a", 1))], SCHEMA)
    for name in ("c1/r-1", "c1/r-2", "c2/r-1"):
        lake.write_part("run1", name, table, {"total": 1})
    lake.write_note("run2", "c1/split", [1, 2])
    assert lake.list_parts("run1", "c1/") == ("c1/r-1", "c1/r-2")
    assert (lake.part("run1", "c1/r-1").rows, lake.part("run1", "c1/r-1").facts) == (1, {"total": 1})
    assert lake.read_parts("run1").read_all().num_rows == 3
    assert (lake.has_part("run1", "c2/r-1"), lake.has_part("run1", "c2/r-2")) == (True, False)
    assert (lake.read_note("run2", "c1/split"), lake.read_note("run1", "other")) == ([1, 2], None)
    assert lake.list_runs() == ("run1", "run2")
    lake.drop_parts("run1", "c1/")
    assert lake.list_parts("run1") == ("c2/r-1",)
    for run_id in ("run1", "run1", "run2"):
        lake.drop_run(run_id)
    assert lake.list_runs() == ()
    assert [key for key in store.stored() if key.startswith("parts/")] == []


@only_s3
def test_a_run_of_more_parts_than_one_listing_holds_is_found_whole(store: ObjectStore) -> None:
    lake = lake_at(store, "many")
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(lambda number: lake.write_note("run1", f"c/{number:04}", number), range(1_005)))
    assert len(lake.list_notes("run1")) == 1_005
    lake.drop_run("run1")
    assert [key for key in store.stored() if key.startswith("many/")] == []


@pytest.mark.parametrize("is_conditional", [True, False])
def test_a_store_that_overwrites_in_spite_of_the_condition_is_refused_before_a_run_reads(
    home: Home, monkeypatch: pytest.MonkeyPatch, is_conditional: bool
) -> None:
    with object_store(is_conditional=is_conditional) as (address, objects):
        for name, value in {"ENDPOINT_URL": address, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        home.environ["ADREEL_LAKE_URL"] = "s3://bucket/lake"
        file = home.file()
        if not is_conditional:
            for _ in range(2):
                _, words = home.bad("run", "-f", file)
                assert "ignores If-None-Match" in words
                assert "ADREEL_LAKE_URL" in words
            assert not home.requests()
            assert not [key for key in objects if "_probe" in key or "spend" in key]
            return
        home.good("run", "-f", file)
        assert not [key for key in objects if "_probe" in key]
        note = objects["lake/_store.json"]
        home.good("run", "-f", file)
        assert objects["lake/_store.json"] is note, "it is checked once"


CONCURRENT = """
    import sys
    sys.path.insert(0, {tests!r})
    from adreel.errors import BusyError
    from adreel.lake import Lake
    from lake_rows import put, row

    lake = Lake({lake!r})
    for number in range(6):
        while True:
            try:
                put(lake, f"run-{name}-{{number}}", "upsert", [row("{name}", 1 + number), row("shared", 1 + number)])
                break
            except BusyError:
                pass
"""


def test_two_processes_that_commit_at_once_lose_and_double_no_version(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Meant for other programs: without the conditions of adreel these would change how delta-rs commits.
    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    lake, tests = lake_at(store, "race"), str(Path(__file__).parent.parent)
    codes = [textwrap.dedent(CONCURRENT).format(tests=tests, lake=lake.url, name=name) for name in ("one", "two")]
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for code in codes]
    assert [process.communicate(timeout=60)[1] for process in running] == [b"", b""]
    ad_days = sorted((lake_row["ad_id"], lake_row["stat_time_day"].day) for lake_row in table_rows(lake))
    assert ad_days == sorted((ad, number) for ad in ("one", "two", "shared") for number in range(1, 7))
    runs = [version.run_id for version in lake.versions("ads")]
    assert sorted(runs) == sorted(f"run-{name}-{number}" for name in ("one", "two") for number in range(6))


SUMS = "select stat_time_day, advertiser_id, sum(spend) as spend, count(*) as rows from spend group by all order by all"


def test_commands_leave_the_same_table_in_a_store_as_in_a_folder(store: ObjectStore, tmp_path: Path) -> None:
    homes = [make_home(tmp_path / name) for name in ("far", "near")]
    homes[0].environ["ADREEL_LAKE_URL"] = f"{store.url}/commands"
    answers = []
    for home in homes:
        home.add_account()
        run(home, home.file())
        home.later(1)
        home.good("run", "spend")
        exported = home.path / "spend.csv"
        home.good("export", "spend", "--output", str(exported))
        difference = home.json("diff", "spend", "0", "1")
        home.good("restore", "spend", "0", "--yes")
        restored = home.rows(SUMS)
        home.good("run", "spend", "--start", "2026-11-10", "--end", "2026-11-11")
        answers.append((restored, home.rows(SUMS), difference, sorted(exported.read_text().splitlines())))
    assert answers[0] == answers[1]
    assert len(answers[0][0]) == 9
    homes[0].good("datasets", "delete", "spend", "--yes")
    assert left_in(store, "commands/") == []


class GoesAway(httpx2.AsyncBaseTransport):
    """The simulated world; after some reports the store closes every connection."""

    def __init__(self, home: Home, store: ObjectStore, reports: int) -> None:
        self._under, self._store, self._left = httpx2.ASGITransport(home.world), store, reports

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        if "report/integrated" in request.url.path:
            self._left -= 1
            if self._left == 0:
                self._store.order(hang_up=".")
        return response


@only_s3
def test_a_run_whose_store_goes_away_resumes_and_asks_for_no_stored_page_again(
    store: ObjectStore, home: Home, tmp_path: Path
) -> None:
    home.environ["ADREEL_LAKE_URL"] = f"{store.url}/away"
    file = home.file(dates={"start": "today-110", "end": "yesterday"})
    with pytest.raises(StorageError, match=r"adreel cannot reach the .* check the address, the credentials"):
        run(home, file, transport=GoesAway(home, store, 11))
    failed = latest(home)
    assert not any(secret in str(failed) for secret in store.secrets)
    store.order()
    report = run(home, file)
    assert (report.run_id, report.resumed, report.version) == (failed.id, True, 0)
    assert [key for key in store.stored() if key.startswith("away/_runs/")] == []
    assert len(questions(home)) < 2 * len(set(questions(home)))
    far = home.rows(SUMS)
    home.environ["ADREEL_LAKE_URL"] = str(tmp_path / "undisturbed")
    run(home, file)
    assert home.rows(SUMS) == far


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", "The store denied access to the .* rights to list, read, write and delete"),
        ("InvalidAccessKeyId", "The store refused the credentials for the .* Check the credentials"),
        ("SignatureDoesNotMatch", "The store refused the credentials for the .* Check the credentials"),
    ],
)
@only_s3
def test_a_refusal_of_the_store_says_what_to_do_and_shows_no_key(store: ObjectStore, code: str, message: str) -> None:
    store.order(refuse=["^(PUT|POST|DELETE) ", 403, code, "No."])
    lake = lake_at(store, "refused")
    for attempt in (lambda: lake.write_note("run1", "plan", 1), lambda: put(lake, "run1", "append", [row("a", 1)])):
        with pytest.raises(StorageError, match=message) as caught:
            attempt()
        assert not any(secret in str(caught.value) for secret in store.secrets)
    store.order()
    assert not lake.exists("ads")


@only_s3
def test_a_bucket_that_does_not_exist_is_named(store: ObjectStore) -> None:
    with pytest.raises(StorageError, match=r"The bucket does not exist: .* at s3://nowhere/lake. Create the bucket"):
        Lake("s3://nowhere/lake").write_note("run1", "plan", 1)
