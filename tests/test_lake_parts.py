"""Run parts: whole or not at all, read back in order, gone with their run."""

from pathlib import Path

import pyarrow as pa
import pytest

from adreel.errors import DamagedError, InputError, NotFoundError, StorageError
from adreel.lake import Lake
from lake_rows import SCHEMA, row, with_columns


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def table(*ads: str, schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist([dict(row(ad, 1)) for ad in ads], schema)


def test_a_part_comes_back_as_it_was_written(lake: Lake) -> None:
    lake.write_part("run1", "chunk/request-1", table("a", "b"))
    assert lake.read_parts("run1").read_all().equals(table("a", "b"))


def test_a_record_batch_is_a_part_too(lake: Lake) -> None:
    lake.write_part("run1", "p", table("a").to_batches()[0])
    assert lake.read_parts("run1").read_all().num_rows == 1


def test_parts_are_read_in_the_order_of_their_names(lake: Lake) -> None:
    for name in ("c2/r-1", "c1/r-2", "c1/r-1"):
        lake.write_part("run1", name, table(name))
    assert lake.list_parts("run1") == ("c1/r-1", "c1/r-2", "c2/r-1")
    assert lake.read_parts("run1").read_all()["ad_id"].to_pylist() == ["c1/r-1", "c1/r-2", "c2/r-1"]


def test_a_prefix_chooses_parts_whether_it_ends_a_step_or_not(lake: Lake) -> None:
    for name in ("c1/r1-1", "c1/r1-2", "c1/r2-1", "c10/r1-1"):
        lake.write_part("run1", name, table(name))
    assert lake.list_parts("run1", "c1/r1-") == ("c1/r1-1", "c1/r1-2")
    assert lake.list_parts("run1", "c1/") == ("c1/r1-1", "c1/r1-2", "c1/r2-1")
    assert lake.list_parts("run1", "c1") == ("c1/r1-1", "c1/r1-2", "c1/r2-1", "c10/r1-1")
    assert lake.list_parts("run2") == ()


def test_what_is_known_of_a_part_needs_none_of_its_rows(lake: Lake) -> None:
    written = lake.write_part("run1", "p", table("a", "b"), {"total": 7, "sums": {"spend": "1.50"}})
    info = lake.part("run1", "p")
    assert info == written
    assert (info.rows, info.facts) == (2, {"total": 7, "sums": {"spend": "1.50"}})


def test_a_part_without_rows_keeps_its_columns(lake: Lake) -> None:
    lake.write_part("run1", "p", SCHEMA.empty_table())
    assert lake.part("run1", "p").rows == 0
    assert lake.read_parts("run1").read_all().schema == SCHEMA


def test_a_part_written_twice_replaces_itself(lake: Lake) -> None:
    lake.write_part("run1", "p", table("a"))
    lake.write_part("run1", "p", table("b"))
    assert lake.read_parts("run1").read_all()["ad_id"].to_pylist() == ["b"]


def test_a_file_that_a_crash_left_half_written_is_no_part(lake: Lake, tmp_path: Path) -> None:
    lake.write_part("run1", "c/p-1", table("a"))
    (tmp_path / "lake" / "_runs" / "run1" / "c" / "p-2.arrow.0a1b2c3d.tmp").write_bytes(b"ARROW1")
    assert lake.list_parts("run1") == ("c/p-1",)
    assert not lake.has_part("run1", "c/p-2")


def test_writing_a_part_leaves_no_other_file(lake: Lake, tmp_path: Path) -> None:
    lake.write_part("run1", "c/p-1", table("a"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["p-1.arrow"]


def test_columns_that_a_part_lacks_are_null(lake: Lake) -> None:
    lake.write_part("run1", "p1", table("a"))
    lake.write_part("run1", "p2", table("b", schema=with_columns(likes=pa.int64())))
    part_rows = lake.read_parts("run1", schema=with_columns(likes=pa.int64())).read_all()
    assert part_rows["likes"].to_pylist() == [None, None]
    assert lake.parts_dataset("run1", schema=with_columns(likes=pa.int64())).to_table()["ad_id"].to_pylist() == [
        "a",
        "b",
    ]


def test_only_the_columns_that_are_asked_for_are_read(lake: Lake) -> None:
    lake.write_part("run1", "p", table("a"))
    assert lake.read_parts("run1", columns=("ad_id", "clicks")).read_all().to_pylist() == [{"ad_id": "a", "clicks": 1}]


def test_parts_are_a_dataset(lake: Lake) -> None:
    for name in ("p1", "p2", "q1"):
        lake.write_part("run1", name, table(name))
    assert lake.parts_dataset("run1", "p").count_rows() == 2


def test_there_is_no_guessing_the_columns_of_no_parts(lake: Lake) -> None:
    with pytest.raises(NotFoundError, match="Run run1 has no parts"):
        lake.read_parts("run1")
    assert lake.read_parts("run1", schema=SCHEMA).read_all().num_rows == 0
    with pytest.raises(NotFoundError, match="no part p"):
        lake.part("run1", "p")


def test_notes_stand_beside_parts_and_are_none_if_not_there(lake: Lake) -> None:
    lake.write_note("run1", "plan", {"chunks": ["é"]})
    lake.write_note("run1", "plan", {"chunks": ["ü", 2]})
    assert lake.read_note("run1", "plan") == {"chunks": ["ü", 2]}
    assert lake.read_note("run1", "c/other") is None
    assert lake.list_parts("run1") == ()


def test_dropping_parts_spares_the_others_and_the_notes(lake: Lake) -> None:
    for name in ("c/r1-1", "c/r2-1"):
        lake.write_part("run1", name, table("a"))
    lake.write_note("run1", "c/r1", [1])
    lake.drop_parts("run1", "c/r1-")
    assert lake.list_parts("run1") == ("c/r2-1",)
    assert lake.read_note("run1", "c/r1") == [1]


def test_a_run_that_is_dropped_is_gone_and_may_be_dropped_again(lake: Lake) -> None:
    lake.write_part("run1", "c/p", table("a"))
    lake.write_note("run2", "plan", 1)
    assert lake.list_runs() == ("run1", "run2")
    lake.drop_run("run1")
    lake.drop_run("run1")
    assert lake.list_runs() == ("run2",)
    assert lake.list_parts("run1") == ()


def test_an_empty_lake_has_no_runs(lake: Lake) -> None:
    assert lake.list_runs() == ()


@pytest.mark.parametrize("name", ["", "..", "../x", "a//b", "/a", "a/../../b", ".hidden", "_x"])
def test_names_cannot_lead_out_of_the_run(lake: Lake, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name"):
        lake.write_part("run1", name, table("a"))
    with pytest.raises(InputError, match="cannot be the name"):
        lake.read_note(name, "plan")


def test_a_part_that_was_spoilt_is_told_of_by_name(lake: Lake, tmp_path: Path) -> None:
    lake.write_part("run1", "c/p", table("a"))
    (tmp_path / "lake" / "_runs" / "run1" / "c" / "p.arrow").write_bytes(b"no arrow")
    with pytest.raises(StorageError, match=r"part c/p of run run1 at .* are damaged"):
        lake.read_parts("run1", schema=SCHEMA).read_all()
    with pytest.raises(DamagedError, match=r"Part c/p of run run1 at .* is damaged"):
        lake.part("run1", "c/p")


def test_a_note_that_was_spoilt_is_none(lake: Lake, tmp_path: Path) -> None:
    lake.write_note("run1", "plan", 1)
    (tmp_path / "lake" / "_runs" / "run1" / "plan.json").write_text("{")
    assert lake.read_note("run1", "plan") is None


def test_parts_that_do_not_go_with_the_schema_are_refused(lake: Lake) -> None:
    lake.write_part("run1", "p", table("a", schema=with_columns(likes=pa.int64())))
    with pytest.raises(InputError, match="columns that the schema lacks: likes"):
        lake.read_parts("run1", schema=SCHEMA).read_all()
