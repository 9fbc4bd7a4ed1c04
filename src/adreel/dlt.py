"""A dlt source of datasets: their tables at any destination of dlt, brought up to date by what changed.

    pipeline = dlt.pipeline("ads", destination="bigquery", dataset_name="tiktok")
    pipeline.run(adreel.dlt.tiktok_ads(["ad_spend"]))
    adreel.dlt.verify(pipeline)

dlt's state says which version the destination has. With the next version come the rows that are new or differ, and the
keys of rows that are gone, as a merge; days that became empty are empty there, too. Whatever has no such changes is
loaded whole, in place of the table: a first load, appended rows, rows without a primary key, and an earlier version
that is not kept any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from adreel.destinations.figures import figures, prove
from adreel.errors import InputError, NotFoundError
from adreel.language import phrase
from adreel.notebook import DatasetTable, Home
from adreel.notebook import open as open_home

DELETED = "adreel_deleted"
"""The column that marks rows to delete for dlt's merge; null in every row of the destination."""

SOURCE = "tiktok_ads"

_STATE = "adreel"


def tiktok_ads(
    datasets: Sequence[str] | None = None, home: str | Path | None = None, *, unverified: bool = False
) -> Any:
    """The source: a resource for each dataset that has run, or for those named.

    A version that failed its check ends the load with ProofError, unless it may be `unverified`. Raises NotFoundError
    for a dataset that does not exist or has not run.
    """

    def resources() -> Iterator[Any]:
        with open_home(home) as opened:
            names = datasets or [info.slug for info in opened.datasets if info.version is not None]
            tables = [opened.read(name) for name in names]
        for table in tables:
            yield dlt.resource(
                _rows(table.slug, home, unverified),
                name=table.slug,
                primary_key=table.key or None,
                columns=_hints(table.schema),
            )

    return dlt.source(resources, name=SOURCE, max_table_nesting=0)()


def verify(pipeline: Any, home: str | Path | None = None) -> dict[str, int]:
    """Compares the tables that a pipeline loaded with their versions, and returns these by dataset.

    Rows, counts of values, sums, lengths of texts, and first and last times have to agree; for destinations that take
    SQL. Raises ProofError, which names the first difference.
    """
    resources = pipeline.state.get("sources", {}).get(SOURCE, {}).get("resources", {})
    versions = {name: state[_STATE]["version"] for name, state in resources.items() if _STATE in state}
    with open_home(home) as opened, pipeline.sql_client() as client:

        def rows(query: str) -> Sequence[tuple[Any, ...]]:
            return [tuple(row) for row in client.execute_sql(query)]

        for name, version in versions.items():
            schema, expected = opened.figures(name, version)
            table = client.make_qualified_table_name(name)
            copy = figures(rows, table, schema, client.capabilities.escape_identifier, None)
            prove(expected, copy, table)
    return versions


def _hints(schema: Any) -> dict[str, Any]:
    """What Arrow's types do not tell dlt: hours of ad accounts have no zone, and lists are no tables of their own."""
    hints: dict[str, Any] = {DELETED: {"data_type": "bool", "hard_delete": True}}
    for field in schema:
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            hints[field.name] = {"data_type": "timestamp", "timezone": False}
        elif pa.types.is_list(field.type):
            hints[field.name] = {"data_type": "json"}
        description = (field.metadata or {}).get(b"description")
        if description:
            hints.setdefault(field.name, {})["description"] = description.decode()
    return hints


def _rows(name: str, home: str | Path | None, unverified: bool) -> Any:
    def rows() -> Iterator[Any]:
        with open_home(home) as opened:
            table = opened.read(name)
            if not unverified:
                table.refuse_unverified()
            loaded = dlt.current.resource_state()
            before = loaded.get(_STATE)
            if before is not None:
                _refuse_retyped(table, before["columns"])
                if before["run_id"] == table.run_id:
                    return
            yield from _changes(opened, table, before)
            columns = {field.name: str(field.type) for field in table.schema}
            loaded[_STATE] = {"version": table.version, "run_id": table.run_id, "columns": columns}

    return rows


def _changes(home: Home, table: DatasetTable, before: Mapping[str, Any] | None) -> Iterator[Any]:
    """The changes since the version that was loaded, or all rows."""
    if before is None or not before["columns"].keys() <= set(table.schema.names) or not _is_kept(home, table, before):
        yield from _whole(table)
        return
    with home.changes(table.slug, before["version"], table.version) as changes:
        if changes is None or not changes.key:
            yield from _whole(table)
            return
        merge = dlt.mark.make_hints(
            primary_key=changes.key, write_disposition={"disposition": "merge", "strategy": "delete-insert"}
        )
        for batch in changes.removed():
            yield dlt.mark.with_hints(_marked(batch, table.schema, deleted=True), merge)
        for batch in changes.written():
            yield dlt.mark.with_hints(_marked(batch, table.schema, deleted=None), merge)


def _whole(table: DatasetTable) -> Iterator[Any]:
    replace = dlt.mark.make_hints(write_disposition="replace")
    # Without rows, too, the table there is to be emptied.
    yield dlt.mark.with_hints(_marked(table.schema.empty_table(), table.schema, deleted=None), replace)
    for batch in table.batches():
        yield _marked(batch, table.schema, deleted=None)


def _marked(rows: Any, schema: Any, *, deleted: bool | None) -> Any:
    """Rows with all columns of the table, null where they lack one, and with the mark."""
    count = rows.num_rows
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.schema.names else pa.nulls(count, field.type)
        for field in schema
    ]
    mark = pa.array([deleted] * count, pa.bool_())
    return pa.table([*columns, mark], schema=pa.schema([*schema, pa.field(DELETED, pa.bool_())]))


def _is_kept(home: Home, table: DatasetTable, before: Mapping[str, Any]) -> bool:
    """Whether the lake still has the version that was loaded: of the same run, as a new table counts from 0 again."""
    try:
        return home.read(table.slug, before["version"]).run_id == str(before["run_id"])
    except NotFoundError:
        return False


def _refuse_retyped(table: DatasetTable, columns: Mapping[str, str]) -> None:
    """Dlt keeps the type that a column had, and leaves it to the destination to round what does not fit."""
    retyped = [
        phrase("%(column)s was %(before)s and is %(after)s", column=field.name, before=before, after=str(field.type))
        for field in table.schema
        if (before := columns.get(field.name, str(field.type))) != str(field.type)
    ]
    if retyped:
        raise InputError(
            phrase(
                "Columns of dataset %(dataset)s changed their type (%(columns)s). Run the pipeline once with "
                'refresh="drop_resources": it drops the table there and loads it with the new types.',
                dataset=repr(table.slug),
                columns="; ".join(retyped),
            )
        )
