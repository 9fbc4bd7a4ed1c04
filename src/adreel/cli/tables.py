"""`adreel versions`, `diff`, `query`, `export`, `restore`, `vacuum`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from adreel.access import DatasetRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import NONE, SQL_NULL, Terminal, confirm, counted, print_json, print_table, say
from adreel.datasets.calculated_columns import readable_table, reader_columns_of
from adreel.datasets.runs import origin, runs_by_version, version_json
from adreel.errors import InputError, NotFoundError
from adreel.export.files import WRITERS, file_kind, placed, write_file
from adreel.lake import Lake
from adreel.lake.sql_errors import QueryError
from adreel.sandbox import AnswerForm, QueryRequest, Sandbox, object_store_environment, of_the_command
from adreel.store import SavedDataset
from adreel.store.audit import AuditAction, Subject, queried

if TYPE_CHECKING:
    from adreel.datasets.changed_rows import ChangedRows, ChangedRowsSearch, ValueChange
    from adreel.datasets.restatement import ColumnChange, Comparison

NON_ADDITIVE = "non-additive"

MOST_METRICS = 3
"""Metrics of changed rows that are printed as a table; files and JSON have all."""

MOST_ROWS = 1_000
"""Most rows of a query that are printed as a table."""


def versions(session: CommandContext, name: str, *, as_json: bool) -> None:
    """Prints the available versions, newest first."""
    with open_home(session) as home:
        saved = home.guard.dataset(name)
        available = _with_table(home, saved).versions(saved.table_slug)
        runs = runs_by_version(available, home.store.runs.good(saved, len(available)))
        made_by = [(version, runs.get(version.number)) for version in available]
        if as_json:
            print_json([version_json(version, run) for version, run in made_by])
            return
        print_table(
            ("version", "created (UTC)", "update method", "state", "rows", "run"),
            [
                (
                    version.number,
                    version.at,
                    origin(version, run),
                    None if run is None else run.state.label,
                    version.rows,
                    version.run_id,
                )
                for version, run in made_by
            ],
        )


def _with_table(home: OpenHome, saved: SavedDataset) -> Lake:
    """The lake. Raises NotFoundError if the dataset has no table in it yet."""
    lake = home.lake()
    if not lake.exists(saved.table_slug):
        raise NotFoundError(f"{saved.name!r} has no table yet. Run it: adreel run {saved.slug}")
    return lake


def diff(session: CommandContext, name: str, before: int | None, after: int | None, *, as_json: bool) -> None:
    """Prints what changed between two versions."""
    # Imported here: the other commands save its imports.
    from adreel.datasets.changed_rows import versions_to_compare
    from adreel.datasets.restatement import compare

    with open_home(session) as home:
        saved = home.guard.dataset(name)
        lake = _with_table(home, saved)
        pair = versions_to_compare(lake, saved, before, after)
        comparison = compare(home.store, lake, saved, *pair, session.clock())
        if as_json:
            print_json(comparison.as_json())
        else:
            _print_comparison(saved, comparison)


def diff_rows(
    session: CommandContext,
    name: str,
    versions: tuple[int | None, int | None],
    asked: tuple[str | None, str, str | None, bool],
    limit: int,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Prints or writes the rows of a day before and after; `asked` has day, ad account, metric, only restated."""
    from adreel.datasets.changed_rows import ChangedRowsSearch, changed_rows, versions_to_compare

    day, advertiser, by, restated = asked
    kind = file_kind(output) if output is not None else ""
    with open_home(session) as home:
        saved = home.guard.dataset(name)
        lake = _with_table(home, saved)
        before, after = versions_to_compare(lake, saved, *versions)
        search = ChangedRowsSearch(before, after, _day(day), advertiser, (), by, restated)
        with changed_rows(home.guard, lake, saved, search, session.clock()) as rows:
            if output is not None:
                details = {"format": kind, "versions": f"{before} to {after}"}
                home.store.audit.add(AuditAction.EXPORT, Subject.of(saved), details)
                say(f"Wrote {counted(write_file(rows.reader(), output, kind), 'row')} to {output}.")
            elif as_json:
                print_json(rows.as_json(search, 0, limit))
            else:
                _print_changed_rows(saved, rows, search, limit)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"--day {text!r} is not a date such as 2026-01-31.") from None


def _print_changed_rows(saved: SavedDataset, rows: ChangedRows, search: ChangedRowsSearch, limit: int) -> None:
    from adreel.datasets.restatement import amount

    head, metrics = rows.head, rows.metrics[:MOST_METRICS]
    of_day = f" on {search.day}" if search.day else ""
    say(
        f"{saved.name}, version {search.before} to {search.after}: {counted(head.changed, 'row')} changed, "
        f"{head.added:,} added, {head.removed:,} removed{of_day}."
    )
    if rows.left_out:
        left_out = ", ".join(f"{count:,} {kind.label}" for kind, count in sorted(rows.left_out.items()))
        say(f"Left out, as TikTok did not restate them: {left_out}.")
    if not head.total:
        return
    for metric in metrics:
        if metric.totals:
            totals = ", ".join(amount(total.amount, total.currency, signed=True) for total in metric.totals)
            say(f"{metric.title}: {totals}.")
    lines = [
        (
            row.kind,
            row.day,
            row.day_kind.label,
            *(row.names.get(column, value) for column, value in row.key.items()),
            *(part for metric in metrics for part in _three(row.values[metric.name])),
        )
        for row in rows.rows(0, limit)
    ]
    parts = [f"{metric.title}{part}" for metric in metrics for part in (" before", " after", " change")]
    print_table(("kind", "day", "day is", *(rows.title(column) for column in rows.key), *parts), lines)
    if head.total > limit:
        say(f"First {limit:,} of {head.total:,} rows. For all rows, add -o FILE.")


def _three(value: ValueChange) -> tuple[Any, Any, Any]:
    return value.before, value.after, value.change


def _print_comparison(saved: SavedDataset, comparison: Comparison) -> None:
    say(f"{saved.name}, version {comparison.before} to {comparison.after}.")
    if comparison.same:
        if comparison.origin:
            say(comparison.origin)
        say(f"No changes. Both versions have the same {comparison.rows_after:,} rows.")
        return
    print_table(
        ("rows changed", "rows added", "rows removed", "rows before", "rows after"),
        [(comparison.changed, comparison.added, comparison.removed, comparison.rows_before, comparison.rows_after)],
    )
    if not comparison.keyed:
        say("The versions share no primary key, so a changed row counts as one removed and one added.")
    _print_metrics([column for column in comparison.columns if column.has_moved])
    if comparison.days:
        _print_days(comparison)
    say(comparison.summary[:1].upper() + comparison.summary[1:])


def _print_metrics(changes: Sequence[ColumnChange]) -> None:
    """Prints the columns that changed, each sum in its currency, and what the words in the table mean."""
    from adreel.datasets.restatement import amount

    rows: list[tuple[Any, ...]] = []
    for column in changes:
        if not column.sums:
            rows.append((column.title, column.name, column.values_changed, "", "", NON_ADDITIVE, ""))
        for total in column.sums:
            before, after = (
                None if value is None else amount(value, total.currency) for value in (total.before, total.after)
            )
            steps = (
                None if value is None else amount(value, total.currency, signed=True)
                for value in (total.change, total.restated)
            )
            rows.append((column.label(total), column.name, total.values_changed, before, after, *steps))
    if not rows:
        return
    heads = ("metric", "column", "values changed", "before", "after", "change", "restated by TikTok")
    print_table(heads, rows, hidden_first=("column", "before", "values changed"))
    cells = {cell for row in rows for cell in row}
    if any(column.sums for column in changes):
        say("Restated by TikTok: the part of the change on days that were complete in both versions.")
    if NON_ADDITIVE in cells:
        say("Non-additive: a sum over rows would be wrong, so only the number of changed values is shown.")
    if None in cells:
        say(f"{NONE} : no values, or money of several ad accounts in unknown currencies.")


def _print_days(comparison: Comparison) -> None:
    """Prints the days with changes, and by how much they changed each sum."""
    from adreel.datasets.restatement import DayKind, amount

    sums = comparison.moved_sums
    rows = []
    for day in comparison.days:
        steps = (total.days.get((day.day, day.kind)) for _, total in sums)
        amounts = (
            "" if step is None else amount(step, total.currency, signed=True)
            for step, (_, total) in zip(steps, sums, strict=True)
        )
        rows.append((day.day or "no date", day.kind.label, day.changed, day.added, day.removed, *amounts))
    labels = [column.label(total) for column, total in sums]
    print_table(("day", "kind", "rows changed", "rows added", "rows removed", *labels), rows)
    if any(day.kind is DayKind.INCOMPLETE for day in comparison.days):
        say("Incomplete: the day was not over when the earlier version was read.")


def query(session: CommandContext, sql: str, format_name: str, output: Path | None) -> None:
    """Runs SQL over the tables in a process of its own. Raises InputError for a query that fails."""
    file_format = _format(format_name, output)
    with session.sandbox or Sandbox() as box, open_home(session) as home:
        # The process starts while the tables are looked up.
        box.start()
        lake = home.lake()
        saved = home.guard.datasets()
        # Only tables in the query, so that a damaged table does not block queries on others; all if none is in it.
        selected = [dataset for dataset in saved if dataset.slug in sql.casefold()] or saved
        tables = {dataset.slug: dataset.table_slug for dataset in selected if lake.exists(dataset.table_slug)}
        request = QueryRequest(
            sql,
            lake.snapshot(
                tables, {dataset.slug: reader_columns_of(dataset, session.clock()) for dataset in selected}, sql
            ),
            of_the_command(home.settings),
            "arrow" if file_format == "table" else cast("AnswerForm", file_format),
            MOST_ROWS,
            read_only=False,
            environ=object_store_environment(lake, os.environ),
        )
        action, answer_format = (
            (AuditAction.QUERY_EXPORT, file_format) if output is not None else (AuditAction.QUERY, None)
        )
        home.store.audit.add(action, queried(tables), {"format": answer_format})
        try:
            _write_answer(box, request, output)
        except QueryError as error:
            raise InputError(f"{error}\n{_tables(home)}") from error


def _format(name: str, output: Path | None) -> str:
    """The output format: of the option, or else of the file extension. Raises InputError for an unsuitable one."""
    if name not in ("table", *WRITERS):
        raise InputError(f"--format: {name!r} is not a format. Choose one of: table, {', '.join(WRITERS)}.")
    if output is not None:
        if name == "table":
            return file_kind(output)
        ending = output.suffix.removeprefix(".").lower()
        if ending in WRITERS and ending != name:
            raise InputError(f"--format {name} contradicts -o {output}. Leave out --format, or name a .{name} file.")
        return name
    if name == "xlsx" or (name == "parquet" and sys.stdout.isatty()):
        raise InputError(f"--format {name} is not text for a terminal. Write a file with -o FILE.")
    return name


def _tables(home: OpenHome) -> str:
    lake = home.lake()
    names = [saved.slug for saved in home.guard.datasets() if lake.exists(saved.table_slug)]
    return f"Tables: {', '.join(names) or 'none yet; run a dataset first'}"


def _write_answer(box: Sandbox, request: QueryRequest, output: Path | None) -> None:
    """Runs the query, and writes the answer to the file or to stdout."""
    if output is not None:
        with placed(output) as file:
            rows = box.ask(request, into=file).rows
        if rows is not None:
            say(f"Wrote {counted(rows, 'row')} to {output}.")
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
        say("Done. The statement returned no rows.")


def _print_answer(table: Any) -> None:
    """Prints an answer of at most `MOST_ROWS` + 1 rows; the last one only shows that there are more."""
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    for_all = "select fewer columns, or write a file with -o FILE"
    print_table(table.column_names, rows[:MOST_ROWS], for_all=for_all, null=SQL_NULL)
    if len(rows) > MOST_ROWS:
        say(f"First {MOST_ROWS:,} rows. For all rows, add --format csv or -o FILE.")


def export(session: CommandContext, name: str, output: Path, version: int | None, *, for_spreadsheet: bool) -> None:
    """Writes a table, or an earlier version of it, to a file."""
    kind = file_kind(output)
    if for_spreadsheet and kind != "csv":
        raise InputError(f"--for-spreadsheet requires a .csv file. {output.name} does not need it.")
    with open_home(session) as home:
        saved = home.guard.dataset(name)
        lake = _with_table(home, saved)
        table = readable_table(lake, saved, session.clock(), version)
        reader = lake.read(saved.table_slug, version, table.readable.names, calculated=table.calculated)
        home.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": kind, "version": version})
        sheet = None
        if kind == "xlsx":
            # Imported here: the other formats have no place for it.
            from adreel.datasets.about import about
            from adreel.datasets.looks import TableLook

            sheet = about(home.store, lake, saved, version, TableLook(), session.clock())
        rows = write_file(reader, output, kind, for_spreadsheet=for_spreadsheet, about=sheet)
        say(f"Wrote {counted(rows, 'row')} to {output}.")


def restore(session: CommandContext, name: str, version: int, *, yes: bool) -> None:
    """Restores an earlier version as a new version, once a user has confirmed it."""
    # Imported here: other commands do not need it.
    from adreel.pipeline.orders import Orders

    with open_home(session) as home:
        saved = home.guard.dataset(name, DatasetRight.RESTORE)
        orders = Orders(home.settings, home.store, clock=session.clock)
        say(orders.restore_effect(home.guard, saved, version))
        confirm(f"Restore version {version} of {saved.name!r}?", yes=yes)
        run = orders.restore(home.guard, saved, version)
        for note in run.notes:
            say(note)
        for warning in run.warnings:
            say(f"warning: {warning}")


def vacuum(session: CommandContext, name: str, keep_days: int, keep_versions: int, *, yes: bool) -> None:
    """Deletes the files of versions that are neither recent enough nor among the latest to keep."""
    with open_home(session) as home:
        saved = home.guard.dataset(name, DatasetRight.EDIT)
        lake = _with_table(home, saved)
        confirm(
            f"Delete the versions of {saved.name!r} older than {keep_days} days, except the latest {keep_versions}?",
            yes=yes,
        )
        with home.store.locks.dataset(saved.slug):
            before = len(lake.versions(saved.table_slug))
            lake.vacuum(saved.table_slug, keep_days=keep_days, keep_versions=keep_versions)
            left = len(lake.versions(saved.table_slug))
            details = {"versions_deleted": before - left, "versions_left": left}
            home.store.audit.add(AuditAction.VERSIONS_DELETE, Subject.of(saved), details)
        say(f"Kept {left:,} of {counted(before, 'version')}.")
