"""`adreel versions`, `diff`, `query`, `export`, `vacuum`: the tables read."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from adreel.cli import Session
from adreel.cli.opened import Opened, opened
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.dataset import parse
from adreel.errors import InputError, NotFoundError
from adreel.export import FORMATS, write_file
from adreel.lake import Lake
from adreel.lake.difference import Difference
from adreel.runner import source_of
from adreel.schema import columns
from adreel.store import SavedDataset
from adreel.store.locks import dataset_lock


def _lake(have: Opened) -> Lake:
    return Lake(have.settings.lake_url)


def versions(session: Session, name: str, *, as_json: bool) -> None:
    """The versions that can be read, newest first."""
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        found = _lake(have).versions(saved.table_slug)
        rows = [
            {"version": one.number, "at": one.at, "method": one.method, "rows": one.rows, "run": one.run_id}
            for one in found
        ]
        if as_json:
            print_json(rows)
        else:
            print_table(("version", "at (UTC)", "method", "rows", "run"), [tuple(row.values()) for row in rows])


def diff(session: Session, name: str, before: int, after: int, *, as_json: bool) -> None:
    """What changed between two versions."""
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        additive = tuple(c.name for c in columns(parse(source_of(saved), session.clock())) if c.additive)
        found = _lake(have).difference(saved.table_slug, before, after, additive)
        if as_json:
            print_json(found.as_json())
        else:
            _print_difference(saved, found)


def _print_difference(saved: SavedDataset, found: Difference) -> None:
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
        names = [one.name for one in moved if one.moved is not None][:6]
        print_table(
            ("day", "added", "gone", "changed", *names),
            [(day.day, day.added, day.gone, day.changed, *(day.moved.get(name) for name in names)) for day in days],
        )
    if not (found.added or found.gone or found.changed):
        say("Both versions hold the same rows.")


def query(session: Session, sql: str, format_name: str, output: Path | None) -> None:
    """SQL over all tables."""
    if format_name not in ("table", *FORMATS) and not (format_name == "xlsx" and output):
        raise InputError(f"--format: {format_name!r} is not known; there are table, csv, json and parquet.")
    with opened(session) as have:
        lake = _lake(have)
        slugs = {saved.slug: saved.table_slug for saved in have.store.datasets.list()}
        there = {slug: table for slug, table in slugs.items() if lake.exists(table)}
        with lake.connect(there) as connection:
            try:
                answer = connection.sql(sql)
            except duckdb.Error as error:
                raise InputError(f"The query failed: {error}{_tables(there)}") from error
            if answer is None:
                say("Done; there is nothing to show.")
                return
            _put(answer, format_name, output)


def _tables(there: dict[str, str]) -> str:
    return f"\nTables: {', '.join(sorted(there)) or 'none yet; run a dataset first'}"


def _put(answer: duckdb.DuckDBPyRelation, format_name: str, output: Path | None) -> None:
    if output is not None:
        chosen = output.suffix.removeprefix(".").lower() if format_name == "table" else format_name
        rows = write_file(answer.to_arrow_reader(10_000), output, chosen)
        say(f"Wrote {rows:,} rows to {output}.")
    elif format_name == "table":
        print_table(answer.columns, answer.fetchall())
    elif format_name == "parquet" and sys.stdout.isatty():
        raise InputError("Parquet is no text for a terminal; name a file with -o FILE.")
    else:
        write_file(answer.to_arrow_reader(10_000), sys.stdout.buffer, format_name)


def export(session: Session, name: str, output: Path, version: int | None) -> None:
    """A table, or an earlier version of it, as a file."""
    kind = output.suffix.removeprefix(".").lower()
    if kind not in ("csv", "parquet", "xlsx", "json"):
        raise InputError(f"{output.name}: the file's ending says its format: .csv, .parquet, .xlsx or .json.")
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        lake = _lake(have)
        if not lake.exists(saved.table_slug):
            raise NotFoundError(f"{saved.name!r} has no table yet. Run it first: adreel run {saved.slug}")
        rows = write_file(lake.read(saved.table_slug, version), output, kind)
        say(f"Wrote {rows:,} rows to {output}.")


def vacuum(session: Session, name: str, keep_days: int, keep_versions: int, *, yes: bool) -> None:
    """Frees what versions need that history no longer promises."""
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        lake = _lake(have)
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
