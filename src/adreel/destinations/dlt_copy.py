"""A table of a database that dlt loads: job files, staging, merge statements and types are dlt's own.

dlt costs 100 MB and a second to import, so only processes that publish import this module.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from adreel.destinations.copies import CopyMark, FlaggedChanges, read_mark
from adreel.destinations.dlt_engines import Engine, destination_of
from adreel.destinations.figures import TableFigures, figures
from adreel.destinations.kinds import secrets_of
from adreel.destinations.publishing import MARKS
from adreel.destinations.session import Place
from adreel.errors import AdreelError, InputError, RetryError, StopError
from adreel.lake.engine import sql
from adreel.lake.row_changes import RowChanges
from adreel.language import phrase

REMOVED = "_adreel_removed"
"""The column by which dlt's merge knows rows to delete; it is null in all rows that stay."""

_ENVIRONMENT: Mapping[str, str] = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    # Names of columns stay as they are, where other conventions change them.
    "SCHEMA__NAMING": "sql_ci_v1",
    # What was left over elsewhere is never loaded on top of newer rows.
    "RESTORE_FROM_DESTINATION": "false",
    "ENABLE_RUNTIME_TRACE": "false",
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "1000000",
    "LOAD__RAISE_ON_FAILED_JOBS": "true",
}
"""dlt's settings, which the environment and files of the machine cannot change."""

MERGE: Mapping[str, str] = {"disposition": "merge", "strategy": "delete-insert"}
"""How changes are brought in: the one strategy that all of dlt's databases have."""

_TYPES: Mapping[Any, Mapping[str, Any]] = {
    pa.string(): {"data_type": "text"},
    pa.int64(): {"data_type": "bigint"},
    pa.float64(): {"data_type": "double"},
    pa.date32(): {"data_type": "date"},
    pa.bool_(): {"data_type": "bool"},
}

_MARK_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "table_name": {"data_type": "text"},
    "sequence": {"data_type": "bigint"},
    "version": {"data_type": "bigint"},
    "run_id": {"data_type": "text"},
    "row_count": {"data_type": "bigint"},
    "published_at": {"data_type": "timestamp"},
    "mark": {"data_type": "text"},
}


class DltCopy:
    """The table at `place` of a database, while a process publishes to it.

    `folder` is for dlt's files: whatever is in it from earlier processes goes.
    """

    def __init__(self, engine: Engine, address: str, place: Place, schema: Any, folder: Path) -> None:
        """`schema` has the version's columns. InputError for names that the database would change."""
        set_up(folder)
        self.words = engine.words
        self._engine = engine
        self._address = address
        self._place = place
        self._schema = schema
        self._folder = folder
        os.environ["LOAD__WORKERS"] = str(engine.workers)
        with self._translated():
            self._destination = destination_of(
                engine,
                address,
                {"staging_dataset_name_layout": staging_name(place), "replace_strategy": "insert-from-staging"},
            )
            self._columns = {field.name: dlt_type(self._sent(field.type)) for field in schema}
            self._tables = _tables(place, self._columns)
            self.client = self._connectable()
        self._refuse_names()

    # -- what TableCopy wants

    def mark(self) -> CopyMark | None:
        """See `TableCopy`."""
        marks = self._marks()
        return read_mark(marks[-1][1]) if marks else None

    def write_mark(self, mark: CopyMark) -> None:
        """See `TableCopy`. The new one is added before the earlier ones go."""
        with self._opened() as client:
            self._add_tables(client)
        earlier = self._marks()
        sequence = earlier[-1][0] + 1 if earlier else 1
        values = (
            self._place.table,
            sequence,
            mark.table.version,
            mark.table.run_id,
            mark.rows,
            mark.at,
            mark.written(),
        )
        with self._opened() as client:
            names = ", ".join(map(client.sql_client.escape_column_name, _MARK_COLUMNS))
            places = ", ".join(["%s"] * len(values))
            client.sql_client.execute_sql(
                sql("INSERT INTO", self._name(client, MARKS), f"({names}) VALUES ({places})"), *values
            )
            if earlier:
                table, number = map(client.sql_client.escape_column_name, ("table_name", "sequence"))
                where = f"{table} = %s AND {number} < %s"
                client.sql_client.execute_sql(
                    sql("DELETE FROM", self._name(client, MARKS), "WHERE", where), self._place.table, sequence
                )

    def exists(self) -> bool:
        """See `TableCopy`."""
        with self._opened() as client:
            return self._has(client, self._place.table)

    def drop(self) -> None:
        """See `TableCopy`."""
        with self._opened() as client:
            client.drop_tables(self._place.table)

    def replace(self, rows: Any, count: int) -> None:
        """See `TableCopy`."""
        if count:
            self._load(self._plain(rows), "replace", ())
            return
        with self._opened() as client:
            # dlt leaves a table alone that it gets no rows for.
            self._add_tables(client)
            client.sql_client.truncate_tables(self._place.table)

    def change(self, changes: RowChanges) -> tuple[int, int]:
        """See `ChangingCopy`."""
        rows = FlaggedChanges(changes, self._schema, REMOVED, None)
        self._load(self._plain(rows.reader()), MERGE, changes.key)
        return rows.written, rows.removed

    def figures(self, schema: Any, day_column: str | None) -> TableFigures:
        """See `TableCopy`."""
        with self._opened() as client:

            def rows(query: str) -> Sequence[tuple[Any, ...]]:
                with client.sql_client.execute_query(query) as cursor:
                    return [tuple(row) for row in cursor.fetchall()]

            name = self._name(client, self._place.table)
            return figures(rows, name, schema, client.sql_client.escape_column_name, day_column, self.words)

    def probe(self) -> None:
        """Makes a table of one column `number`, writes and reads it, and takes it back."""
        with self._opened() as client:
            self._add_tables(client)
            name = self._name(client, self._place.table)
            number = client.sql_client.escape_column_name("number")
            try:
                client.sql_client.execute_sql(f"INSERT INTO {name}({number}) VALUES (%s)", 1)  # noqa: S608 - escaped
                client.sql_client.execute_sql(f"SELECT {number} FROM {name}")  # noqa: S608 - escaped
            finally:
                client.drop_tables(self._place.table)

    # -- dlt

    def _connectable(self) -> Any:
        from dlt.dataset.utils import get_destination_clients

        return get_destination_clients(self._tables, self._destination, self._place.schema)[0]

    def _refuse_names(self) -> None:
        """Raises InputError for names that dlt would change for this database, which may make two of them one."""
        naming = self._tables.naming
        names = [self._place.schema, self._place.table, *self._schema.names]
        longest = min(
            self.client.capabilities.max_identifier_length, self.client.capabilities.max_column_identifier_length
        )
        changed = [name for name in names if naming.normalize_identifier(name) != name or len(name) > longest]
        if changed:
            raise InputError(
                phrase(
                    "This destination cannot have the name %(name)s: use at most %(longest)s lower-case letters, "
                    "digits and single underscores.",
                    name=repr(changed[0]),
                    longest=longest,
                )
            )

    def _add_tables(self, client: Any) -> None:
        """Makes the table and that of the marks, or adds the columns that they lack.

        By what is there, not by what dlt noted of earlier loads, as people drop tables.
        """
        client.initialize_storage()
        client.update_stored_schema(force=True)

    def package(self, batches: Iterator[Any], disposition: Any, key: tuple[str, ...]) -> Any:
        """The pipeline of dlt that has these rows as job files; nothing is sent yet."""
        import dlt

        columns = _named(self._columns, key)
        columns[REMOVED] = {"name": REMOVED, "data_type": "bool", "nullable": True, "hard_delete": True}
        with self._translated():
            pipeline = dlt.pipeline(
                f"adreel_{self._place.table}",
                pipelines_dir=str(self._folder),
                destination=self._destination,
                dataset_name=self._place.schema,
            )
            resource = dlt.resource(
                lambda: batches, name=self._place.table, write_disposition=disposition, columns=columns
            )
            pipeline.extract(resource, schema=self._tables.clone())
            pipeline.normalize()
        return pipeline

    def _load(self, batches: Iterator[Any], disposition: Any, key: tuple[str, ...]) -> None:
        """Sends rows through staging tables of this table's own into it."""
        pipeline = self.package(batches, disposition, key)
        with self._opened() as client:
            self._drop_staging(client)
            self._add_tables(client)
        with self._translated():
            pipeline.load()
        with self._opened() as client:
            self._drop_staging(client)

    def _sent(self, kind: Any) -> Any:
        """The type as which a column is sent."""
        if pa.types.is_list(kind):
            return pa.string()
        is_clock = pa.types.is_timestamp(kind) and kind.tz is None
        return pa.timestamp("us", "UTC") if is_clock and not self._engine.has_clock_times else kind

    def _plain(self, reader: Any) -> Iterator[Any]:
        """The rows as tables, with lists as texts of JSON."""
        for batch in reader:
            if batch.num_rows:
                arrays = [
                    _text(column) if pa.types.is_list(column.type) else column.cast(self._sent(column.type))
                    for column in batch.columns
                ]
                yield pa.Table.from_arrays(arrays, names=batch.schema.names)

    def _drop_staging(self, client: Any) -> None:
        # Only within the block: outside of it the same call drops people's tables.
        with client.sql_client.with_staging_dataset():
            assert client.sql_client.dataset_name == staging_name(self._place)
            if client.sql_client.has_dataset():
                client.sql_client.drop_dataset()

    def _marks(self) -> list[tuple[int, str]]:
        """The marks of this table, the newest last."""
        with self._opened() as client:
            if not self._has(client, MARKS):
                return []
            sequence, mark, table = map(client.sql_client.escape_column_name, ("sequence", "mark", "table_name"))
            query = sql("SELECT", sequence, ",", mark, "FROM", self._name(client, MARKS), "WHERE", table, "= %s")
            return sorted(
                (int(number), text) for number, text in client.sql_client.execute_sql(query, self._place.table)
            )

    def _has(self, client: Any, table: str) -> bool:
        """Whether there is such a table. Asked by a query, as dlt fails to describe tables of types that it lacks."""
        from dlt.destinations.exceptions import DatabaseUndefinedRelation

        if not client.is_storage_initialized():
            return False
        try:
            client.sql_client.execute_sql(sql("SELECT 1 FROM", self._name(client, table), "WHERE 1 = 0"))
        except DatabaseUndefinedRelation:
            return False
        return True

    def _name(self, client: Any, table: str) -> str:
        return str(client.sql_client.make_qualified_table_name(table))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with self._translated(), self.client as client:
            yield client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns faults of dlt into AdreelErrors, without secrets; warnings are for developers of dlt and drivers."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except AdreelError:
            raise
        except Exception as error:  # noqa: BLE001 - drivers of ten databases raise what they like
            raise _fault(error, secrets_of(self._address)) from None


def _tables(place: Place, columns: Mapping[str, Mapping[str, Any]]) -> Any:
    """What dlt is to know of the table and of that of the marks."""
    from dlt.common.schema import Schema

    tables = Schema(place.table)
    tables.update_table({"name": MARKS, "columns": _named(_MARK_COLUMNS)})
    tables.update_table({"name": place.table, "columns": _named({**columns, REMOVED: {"data_type": "bool"}})})
    return Schema.from_dict(tables.to_dict(bump_version=True))


def set_up(folder: Path) -> None:
    """Empties the folder and sets dlt up, before it is imported first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ.update(_ENVIRONMENT)
    # Where dlt would look for settings of the machine's other programs.
    os.environ.update({name: str(folder) for name in ("DLT_DATA_DIR", "DLT_PROJECT_DIR", "DLT_LOCAL_DIR")})


def staging_name(place: Place) -> str:
    """A schema for the staging tables of one table: where several share one, rows get lost or double."""
    digest = hashlib.sha256(str(place).encode()).hexdigest()[:10]
    return f"adreel_staging_{digest}"


def dlt_type(kind: Any) -> Mapping[str, Any]:
    """The hints by which dlt chooses a column's type."""
    if pa.types.is_decimal(kind):
        return {"data_type": "decimal", "precision": kind.precision, "scale": kind.scale}
    if pa.types.is_timestamp(kind):
        return {"data_type": "timestamp", "timezone": kind.tz is not None, "precision": 6}
    return _TYPES[kind]


def _named(columns: Mapping[str, Mapping[str, Any]], key: Sequence[str] = ()) -> dict[str, Any]:
    named = {name: {"name": name, "nullable": True, **hints} for name, hints in columns.items()}
    return {name: {**hints, "primary_key": True} if name in key else hints for name, hints in named.items()}


def _text(column: Any) -> Any:
    values = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_pylist()
    ]
    return pa.array(values, pa.string())


def _fault(error: Exception, secrets: Sequence[str]) -> AdreelError:
    from dlt.common.configuration.exceptions import ConfigurationException
    from dlt.common.exceptions import MissingDependencyException, TransientException

    cause = _cause(error)
    reason = " ".join(str(cause).split())
    for secret in secrets:
        reason = reason.replace(secret, "***")
    reason = f"{type(cause).__name__}: {reason[:300]}"
    causes = [error, cause]
    if any(isinstance(each, (ConfigurationException, MissingDependencyException)) for each in causes):
        return InputError(phrase("The destination cannot be opened: %(reason)s. Check its address.", reason=reason))
    if any(isinstance(each, (TransientException, OSError)) or _is_operational(each) for each in causes):
        return RetryError(phrase("The destination could not be reached or did not go on: %(reason)s.", reason=reason))
    return StopError(phrase("The destination refused: %(reason)s", reason=reason))


def _is_operational(error: BaseException) -> bool:
    """Whether a driver says that the server is the trouble, not what was asked (source: PEP 249, "Exceptions")."""
    return any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__)


def _cause(error: BaseException) -> BaseException:
    """What a step of dlt failed at."""
    while True:
        inner = getattr(error, "exception", None) or getattr(error, "dbapi_exception", None) or error.__cause__
        if not isinstance(inner, BaseException) or inner is error:
            return error
        error = inner
