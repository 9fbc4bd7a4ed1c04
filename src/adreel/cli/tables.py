"""`adreel versions`, `diff`, `query`, `export`, `vacuum`: the tables read."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from adreel.access import DatasetRight
from adreel.cli import Session
from adreel.cli.context import Opened, opened
from adreel.cli.output import Terminal, confirm, print_json, print_table, say
from adreel.errors import InputError, NotFoundError
from adreel.export.files import WRITERS, file_kind, placed, write_file
from adreel.lake import Lake
from adreel.lake.query import QueryError
from adreel.sandbox import AnswerForm, QueryRequest, Sandbox, object_store_environment, of_the_command
from adreel.store import SavedDataset
from adreel.store.locks import dataset_lock

if TYPE_CHECKING:
    from adreel.datasets.restatement import ColumnChange, Comparison

MOST_ROWS = 1_000
"""Rows of an answer that are printed as a table."""


def versions(session: Session, name: str, *, as_json: bool) -> None:
    """The versions that can be read, newest first."""
    with opened(session) as have:
        saved = have.guard.dataset(name)
        found = _with_table(have, saved).versions(saved.table_slug)
        rows = [
            {
                "version": version.number,
                "at": version.at,
                "method": version.method,
                "rows": version.rows,
                "run": version.run_id,
            }
            for version in found
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
    # Imported here: the store's and the catalogue's share that the other commands need not pay.
    from adreel.datasets.restatement import compare

    with opened(session) as have:
        saved = have.guard.dataset(name)
        lake = _with_table(have, saved)
        comparison = compare(have.store, lake, saved, before, after, session.clock())
        if as_json:
            print_json(comparison.as_json())
        else:
            _print_comparison(saved, comparison)


def _print_comparison(saved: SavedDataset, found: Comparison) -> None:
    say(f"{saved.name}: version {found.before} to {found.after}")
    if found.same:
        say("Both versions hold the same rows.")
        return
    print_table(("rows added", "rows gone", "rows changed"), [(found.added, found.gone, found.changed)])
    rows = [row for column in found.columns if column.has_moved for row in _metric_rows(column)]
    if rows:
        print_table(("metric", "currency", "values changed", "before", "after", "moved by", "restated by"), rows)
    if found.days:
        sums = found.moved_sums
        heads = [f"{column.name} {one.currency or ''}".strip() for column, one in sums]
        left_out = print_table(
            ("day", "", "added", "gone", "changed", *heads),
            [
                (
                    day.day,
                    day.kind.label,
                    day.added,
                    day.gone,
                    day.changed,
                    *(one.days.get((day.day, day.kind)) for _, one in sums),
                )
                for day in found.days
            ],
            fit=True,
        )
        if left_out:
            say(f"Not shown for want of room: {', '.join(left_out)}; --json has all.")
    say(found.summary[:1].upper() + found.summary[1:])


def _metric_rows(column: ColumnChange) -> list[tuple[Any, ...]]:
    """A line for each currency; without sums for a column that must not be summed."""
    if not column.sums:
        return [(column.name, None, column.values_changed, None, None, None, None)]
    return [
        (column.name, one.currency, one.values_changed, one.before, one.after, one.moved, one.restated)
        for one in column.sums
        if one.has_moved
    ]


def query(session: Session, sql: str, format_name: str, output: Path | None) -> None:
    """SQL over all tables, in a process of its own."""
    chosen = _format(format_name, output)
    with Sandbox() as box, opened(session) as have:
        # It starts while the tables are looked up.
        box.start()
        lake = have.lake()
        saved = have.guard.datasets()
        # All only if none is named: a table that is damaged then stands in nobody's way.
        wanted = [dataset for dataset in saved if dataset.slug in sql.casefold()] or saved
        tables = {dataset.slug: dataset.table_slug for dataset in wanted if lake.exists(dataset.table_slug)}
        request = QueryRequest(
            sql,
            lake.snapshot(tables),
            of_the_command(have.settings),
            "arrow" if chosen == "table" else cast("AnswerForm", chosen),
            MOST_ROWS,
            read_only=False,
            environ=object_store_environment(lake, os.environ),
        )
        try:
            _put(box, request, output)
        except QueryError as error:
            raise InputError(f"{error}\n{_tables(have)}") from error


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
    lake = have.lake()
    names = [saved.slug for saved in have.guard.datasets() if lake.exists(saved.table_slug)]
    return f"Tables: {', '.join(names) or 'none yet; run a dataset first'}"


def _put(box: Sandbox, request: QueryRequest, output: Path | None) -> None:
    """Asks, and puts the answer where it is wanted."""
    if output is not None:
        with placed(output) as file:
            rows = box.ask(request, into=file).rows
        if rows is not None:
            say(f"Wrote {rows:,} rows to {output}.")
    elif request.form == "arrow":
        answer = box.ask(request)
        rows = answer.rows
        with answer.file as file:
            if rows is not None:
                _print_answer(pa.ipc.open_stream(file).read_all())
    else:
        terminal = sys.stdout.isatty()
        target = io.BufferedWriter(Terminal(as_json=request.form == "json")) if terminal else sys.stdout.buffer
        rows = box.ask(request, into=target).rows
        target.flush()
    if rows is None:
        say("Done; there is nothing to show.")


def _print_answer(table: Any) -> None:
    """A table on the terminal; one row more than is shown tells that there are more."""
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    left_out = print_table(table.column_names, rows[:MOST_ROWS], fit=True)
    if left_out:
        say(f"Not shown for want of room: {', '.join(left_out)}. Name fewer columns, or write a file with -o FILE.")
    if len(rows) > MOST_ROWS:
        say(f"These are the first {MOST_ROWS:,} rows. All of them: --format csv, or -o FILE.")


def export(session: Session, name: str, output: Path, version: int | None, *, for_spreadsheet: bool) -> None:
    """A table, or an earlier version of it, as a file."""
    kind = file_kind(output)
    if for_spreadsheet and kind != "csv":
        raise InputError(f"--for-spreadsheet is for .csv files; {output.name} holds texts as texts without it.")
    with opened(session) as have:
        saved = have.guard.dataset(name)
        reader = _with_table(have, saved).read(saved.table_slug, version)
        rows = write_file(reader, output, kind, for_spreadsheet=for_spreadsheet)
        say(f"Wrote {rows:,} rows to {output}.")


def restore(session: Session, name: str, version: int) -> None:
    """An earlier version's rows as a new version."""
    # Imported here: what runs need, which the other commands need not load.
    from adreel.pipeline.orders import Orders

    with opened(session) as have:
        saved = have.guard.dataset(name, DatasetRight.RUN)
        run = Orders(have.settings, have.store, clock=session.clock).restore(have.guard, saved, version)
        for warning in run.warnings:
            say(warning)


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
