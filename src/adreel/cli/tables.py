"""`adreel versions`, `diff`, `query`, `export`, `vacuum`: the tables read."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from adreel.access import DatasetRight
from adreel.cli import Session
from adreel.cli.opened import Opened, opened
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.errors import InputError, NotFoundError
from adreel.export import WRITERS, file_kind, write_file
from adreel.lake import Lake
from adreel.lake.difference import Difference
from adreel.saving import dataset_of
from adreel.schema import columns
from adreel.store import SavedDataset
from adreel.store.locks import dataset_lock

MOST_ROWS = 1_000
"""Rows of an answer that are printed as a table."""


def versions(session: Session, name: str, *, as_json: bool) -> None:
    """The versions that can be read, newest first."""
    with opened(session) as have:
        saved = have.guard.dataset(name)
        found = _with_table(have, saved).versions(saved.table_slug)
        rows = [
            {"version": one.number, "at": one.at, "method": one.method, "rows": one.rows, "run": one.run_id}
            for one in found
        ]
        if as_json:
            print_json(rows)
        else:
            print_table(("version", "at (UTC)", "method", "rows", "run"), [tuple(row.values()) for row in rows])


def _with_table(have: Opened, saved: SavedDataset) -> Lake:
    """The lake; NotFoundError if the dataset has no table in it yet."""
    lake = have.lake()
    if not lake.exists(saved.table_slug):
        raise NotFoundError(f"{saved.name!r} has no table yet. Run it first: adreel run {saved.slug}")
    return lake


def diff(session: Session, name: str, before: int, after: int, *, as_json: bool) -> None:
    """What changed between two versions."""
    with opened(session) as have:
        saved = have.guard.dataset(name)
        additive = tuple(c.name for c in columns(dataset_of(saved, session.clock())) if c.additive)
        lake = _with_table(have, saved)
        found = lake.difference(saved.table_slug, before, after, additive)
        if as_json:
            print_json(found.as_json())
        else:
            _print_difference(saved, found, _currencies(lake, saved, after))


def _currencies(lake: Lake, saved: SavedDataset, version: int) -> list[str]:
    """The currencies that a version's money is in."""
    if "currency" not in lake.table(saved.table_slug, version).schema.names:
        return []
    found: set[str] = set()
    for batch in lake.read(saved.table_slug, version, columns=("currency",)):
        found |= set(batch.column("currency").unique().to_pylist())
    return sorted(one for one in found if one)


def _print_difference(saved: SavedDataset, found: Difference, currencies: list[str]) -> None:
    say(f"{saved.name}: version {found.before} to {found.after}")
    print_table(("rows added", "rows gone", "rows changed"), [(found.added, found.gone, found.changed)])
    moved = [one for one in found.metrics if one.values_changed]
    if moved:
        print_table(
            ("metric", "values changed", "before", "after", "moved by"),
            [(one.name, one.values_changed, one.before, one.after, one.moved) for one in moved],
        )
    days = [day for day in found.days if day.added or day.gone or day.changed]
    if days:
        names = [one.name for one in moved if one.moved is not None]
        left_out = print_table(
            ("day", "added", "gone", "changed", *names),
            [(day.day, day.added, day.gone, day.changed, *(day.moved.get(name) for name in names)) for day in days],
            fit=True,
        )
        if left_out:
            say(f"Not shown for want of room: {', '.join(left_out)}; --json has all.")
    if len(currencies) > 1 and any(one.moved is not None for one in moved):
        say(f"Sums of money go over {', '.join(currencies)}: they show that something moved, and are no amounts.")
    if not (found.added or found.gone or found.changed):
        say("Both versions hold the same rows.")


def query(session: Session, sql: str, format_name: str, output: Path | None) -> None:
    """SQL over all tables."""
    chosen = _format(format_name, output)
    with opened(session) as have:
        lake = have.lake()
        saved = have.guard.datasets()
        # All only if none is named: a table that is damaged then stands in nobody's way.
        wanted = [one for one in saved if one.slug in sql.casefold()] or saved
        there = {one.slug: one.table_slug for one in wanted if lake.exists(one.table_slug)}
        with lake.connect(there) as connection:
            try:
                answer = connection.sql(sql)
                if answer is None:
                    say("Done; there is nothing to show.")
                else:
                    _put(answer, chosen, output)
            except duckdb.Error as error:
                raise InputError(f"The query failed: {error}\n{_tables(have)}") from error


def _format(name: str, output: Path | None) -> str:
    """The format that the answer is to have: the option's, else what the file's ending says."""
    if name not in ("table", *WRITERS):
        raise InputError(f"--format: {name!r} is not known; there are table, {', '.join(WRITERS)}.")
    if output is not None:
        return name if name != "table" else file_kind(output)
    if name == "xlsx" or (name == "parquet" and sys.stdout.isatty()):
        raise InputError(f"--format {name} is no text for a terminal; name a file with -o FILE.")
    return name


def _tables(have: Opened) -> str:
    names = [saved.slug for saved in have.guard.datasets()]
    return f"Tables: {', '.join(names) or 'none yet; run a dataset first'}"


def _put(answer: duckdb.DuckDBPyRelation, format_name: str, output: Path | None) -> None:
    if output is not None:
        rows = write_file(answer.to_arrow_reader(10_000), output, format_name)
        say(f"Wrote {rows:,} rows to {output}.")
    elif format_name == "table":
        _print_answer(answer)
    else:
        write_file(answer.to_arrow_reader(10_000), sys.stdout.buffer, format_name)


def _print_answer(answer: duckdb.DuckDBPyRelation) -> None:
    # One more than is shown tells that there are more; a terminal is no place for a million rows.
    # Through Arrow: DuckDB's own rows need another time zone library for instants.
    table = answer.limit(MOST_ROWS + 1).to_arrow_table()
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    left_out = print_table(answer.columns, rows[:MOST_ROWS], fit=True)
    if left_out:
        say(f"Not shown for want of room: {', '.join(left_out)}. Name fewer columns, or write a file with -o FILE.")
    if len(rows) > MOST_ROWS:
        say(f"These are the first {MOST_ROWS:,} rows. All of them: --format csv, or -o FILE.")


def export(session: Session, name: str, output: Path, version: int | None) -> None:
    """A table, or an earlier version of it, as a file."""
    kind = file_kind(output)
    with opened(session) as have:
        saved = have.guard.dataset(name)
        rows = write_file(_with_table(have, saved).read(saved.table_slug, version), output, kind)
        say(f"Wrote {rows:,} rows to {output}.")


def vacuum(session: Session, name: str, keep_days: int, keep_versions: int, *, yes: bool) -> None:
    """Frees what versions need that history no longer promises."""
    with opened(session) as have:
        saved = have.guard.dataset(name, DatasetRight.EDIT)
        lake = _with_table(have, saved)
        confirm(
            f"Versions of {saved.name!r} older than {keep_days} days, but for the last {keep_versions}, "
            "cannot be read afterwards. Go on?",
            yes=yes,
        )
        with dataset_lock(have.settings.home, saved.slug):
            before = len(lake.versions(saved.table_slug))
            lake.vacuum(saved.table_slug, keep_days=keep_days, keep_versions=keep_versions)
            left = len(lake.versions(saved.table_slug))
        say(f"{left} of {before} versions can be read.")
