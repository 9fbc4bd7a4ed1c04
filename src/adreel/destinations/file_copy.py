"""Tables as files in a folder or an object store: a Parquet file, a Delta table or an Iceberg table.

Marks are small files beside the tables, `_adreel/<table>.json` in the folder of the schema.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema, TableFeatures, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from adreel.destinations.copies import CopyMark, FlaggedChanges, TableCopy, read_mark
from adreel.destinations.figures import STANDARD, TableFigures, figures
from adreel.destinations.kinds import DestinationKind
from adreel.destinations.session import Place
from adreel.errors import InputError, RetryError
from adreel.lake.engine import engine, quoted
from adreel.lake.query import create_view
from adreel.lake.row_changes import RowChanges
from adreel.lake.storage import Storage, checked, fault_reason
from adreel.lake.tables import open_table
from adreel.language import phrase

MARKS = "_adreel"
"""The folder of the marks; readers of tables pass over names that begin with an underscore."""

GROUP_ROWS = 100_000
"""Rows of a row group."""

UPLOAD_BYTES = 8 * 1024 * 1024

MEMORY = "512MB"
MERGE_BYTES = 512 * 1024 * 1024
"""What a merge holds in memory; more goes to disk."""

KEEP_FILES = timedelta(days=7)
"""How long files of earlier versions stay for readers that are at them, as other writers of Delta tables do."""

_VIEW = "published"
_GONE = "_adreel_removed"


class FilesCopy(TableCopy):
    """What all tables of files have: a place, and a mark beside it."""

    words = STANDARD

    def __init__(self, storage: Storage, place: Place, schema: Any, folder: Path) -> None:
        """`storage` is that of the schema's folder; `schema` has the version's columns; `folder` is for files."""
        self._storage = storage
        self._place = place
        self._schema = schema
        self._folder = folder
        self._is_anew = False

    def mark(self) -> CopyMark | None:
        """See `TableCopy`."""
        with self._guard():
            try:
                return read_mark(self._storage.read(self._mark_path).to_pybytes())
            except FileNotFoundError:
                return None

    def write_mark(self, mark: CopyMark) -> None:
        """See `TableCopy`."""
        with self._guard():
            self._storage.write(self._mark_path, mark.written().encode(), durable=True)

    def probe(self) -> None:
        """Writes a file, reads it and takes it back."""
        path = f"{MARKS}/{self._place.table}"
        with self._guard():
            self._storage.write(path, b"adreel")
            self._storage.read(path)
            self._storage.delete([path])

    @property
    def _mark_path(self) -> str:
        return f"{MARKS}/{self._place.table}.json"

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DeltaError, pa.ArrowException, duckdb.Error) as error:
            # Without the cause: texts of object stores may hold signed addresses.
            raise self._failed(fault_reason(error)[0]) from None

    def _failed(self, reason: str) -> RetryError:
        return RetryError(
            phrase(
                "The table %(table)s at %(url)s could not be read or written: %(reason)s. If its files are damaged, "
                "load it anew.",
                table=str(self._place),
                url=self._storage.url,
                reason=reason,
            )
        )


class ParquetCopy(FilesCopy):
    """One Parquet file, which is replaced whole in one step, so that nobody sees half of it."""

    @property
    def _path(self) -> str:
        return f"{checked(self._place.table)}.parquet"

    def exists(self) -> bool:
        """See `TableCopy`."""
        with self._guard():
            return self._storage.exists(self._path)

    def drop(self) -> None:
        """See `TableCopy`. The next file does."""

    def replace(self, rows: Any, count: int) -> None:
        """See `TableCopy`. The file is complete on a disk before it takes its place."""
        del count
        with self._guard():
            if self._storage.folder is not None:
                self._storage.folder.mkdir(parents=True, exist_ok=True)
                partial = self._storage.folder / f".{self._path}.part"
                _write_parquet(rows, partial)
                partial.replace(self._storage.folder / self._path)
                return
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, mode=0o700)
            whole = self._folder / self._path
            _write_parquet(rows, whole)
            with whole.open("rb") as file, self._storage.files.open_output_stream(self._path) as stream:
                shutil.copyfileobj(file, stream, UPLOAD_BYTES)
            whole.unlink()

    def figures(self, schema: Any, day_column: str | None) -> TableFigures:
        """See `TableCopy`."""
        import pyarrow.dataset as pa_dataset

        with self._guard(), engine(MEMORY) as connection:
            source = pa_dataset.dataset(self._path, filesystem=self._storage.files, format="parquet")
            connection.register(_VIEW, source)
            return figures(_asked(connection), _VIEW, schema, quoted, day_column)


def _write_parquet(rows: Any, path: Path) -> None:
    with path.open("wb") as file:
        with pq.ParquetWriter(file, rows.schema, compression="zstd") as writer:
            for batch in rows:
                writer.write_batch(batch, row_group_size=GROUP_ROWS)
        file.flush()
        os.fsync(file.fileno())


class DeltaCopy(FilesCopy):
    """A Delta table, each publish one version of it."""

    @property
    def _url(self) -> str:
        return self._storage.table_url(self._place.table)

    def _table(self) -> Any:
        """The table as delta-rs has it; None if there is none."""
        try:
            return DeltaTable(self._url, storage_options=self._storage.delta_options)
        except TableNotFoundError:
            return None

    def exists(self) -> bool:
        """See `TableCopy`."""
        with self._guard():
            return bool(self._storage.list_files(f"{self._place.table}/_delta_log", recursive=False))

    def drop(self) -> None:
        """See `TableCopy`. The next version does, with columns of its own."""
        self._is_anew = True

    def replace(self, rows: Any, count: int) -> None:
        """See `TableCopy`."""
        del count
        with self._guard():
            table = self._table()
            if table is not None:
                self._add_columns(table)
            write_deltalake(
                self._url,
                rows,
                mode="overwrite",
                schema_mode="overwrite" if self._is_anew else "merge",
                storage_options=self._storage.delta_options,
            )
            self._clean()

    def change(self, changes: RowChanges) -> tuple[int, int]:
        """See `ChangingCopy`."""
        rows = FlaggedChanges(changes, self._schema, _GONE, stays=False)
        columns = {quoted(name): f"s.{quoted(name)}" for name in self._schema.names}
        with self._guard():
            table = self._table()
            self._add_columns(table)
            if changes.key:
                merge = table.merge(
                    rows.reader(),
                    " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in changes.key),
                    source_alias="s",
                    target_alias="t",
                    max_spill_size=MERGE_BYTES,
                )
                merge = merge.when_matched_delete(f"s.{_GONE}").when_matched_update(columns)
                merge.when_not_matched_insert(columns, f"NOT s.{_GONE}").execute()
            else:
                write_deltalake(table, _without_flag(rows.reader()), mode="append", schema_mode="merge")
            self._clean()
        return rows.written, rows.removed

    def figures(self, schema: Any, day_column: str | None) -> TableFigures:
        """See `TableCopy`."""
        with self._guard(), engine(MEMORY) as connection:
            create_view(connection, _VIEW, self._storage, open_table(self._storage, self._place.table))
            return figures(_asked(connection), _VIEW, schema, quoted, day_column)

    def _add_columns(self, table: Any) -> None:
        """Adds the columns that the table lacks."""
        names = frozenset(pa.schema(table.schema()).names)
        missing = pa.schema([field.remove_metadata() for field in self._schema if field.name not in names])
        if any(pa.types.is_timestamp(field.type) and field.type.tz is None for field in missing):
            table.alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)
        if len(missing):
            table.alter.add_columns(Schema.from_arrow(missing).fields)

    def _clean(self) -> None:
        """Deletes files that only versions of a week ago need."""
        table = self._table()
        if table is not None:
            table.vacuum(int(KEEP_FILES.total_seconds() // 3600), dry_run=False)


def _without_flag(rows: Any) -> Any:
    schema = rows.schema.remove(len(rows.schema) - 1)
    return pa.RecordBatchReader.from_batches(schema, (batch.select(schema.names) for batch in rows))


def _asked(connection: duckdb.DuckDBPyConnection) -> Any:
    return lambda query: connection.execute(query).fetchall()


def open_files(kind: str, address: str, place: Place, schema: Any, folder: Path) -> FilesCopy:
    """The table at `place` of a folder or an object store. InputError if it cannot be there; touches nothing."""
    storage = storage_of(address, place.schema)
    if kind == DestinationKind.ICEBERG:
        from adreel.destinations.iceberg_copy import IcebergCopy

        return IcebergCopy(storage, place, schema, folder)
    if kind == DestinationKind.DELTA:
        return DeltaCopy(storage, place, schema, folder)
    return ParquetCopy(storage, place, schema, folder)


def storage_of(address: str, folder: str) -> Storage:
    """The place of a folder under an address, with the address's credentials before those of the environment."""
    parts = urlsplit(address)
    store = parts.scheme.partition("+")[2]
    if not store:
        # Not made here: it may be a disk that is away.
        if not Path(parts.path).is_dir():
            raise InputError(
                phrase("The folder %(folder)s does not exist; create it, or use another one.", folder=parts.path)
            )
        return Storage(f"{parts.path}/{checked(folder)}")
    place = parts.netloc.rpartition("@")[2]
    return Storage(f"{store}://{place}{parts.path}/{checked(folder)}", os.environ | credentials_of(address))


def credentials_of(address: str) -> dict[str, str]:
    """What an address says of its object store, under the names of environment variables."""
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query))
    given = {
        "AWS_ACCESS_KEY_ID": unquote(parts.username or ""),
        "AWS_SECRET_ACCESS_KEY": unquote(parts.password or ""),
        "AWS_REGION": query.get("region", ""),
        "AWS_ENDPOINT_URL": query.get("endpoint", ""),
        "AZURE_STORAGE_ACCOUNT_NAME": query.get("account", ""),
        "AZURE_STORAGE_ACCOUNT_KEY": query.get("key", "").replace(" ", "+"),
        "AZURE_STORAGE_SAS_TOKEN": query.get("sas", ""),
    }
    return {name: value for name, value in given.items() if value}
