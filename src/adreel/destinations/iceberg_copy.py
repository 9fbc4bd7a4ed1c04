"""An Iceberg table in a folder or an object store, without a catalog of somebody else's.

`metadata/version-hint.text` says which `metadata/v<number>.metadata.json` holds, as in Hadoop's tables (source:
Iceberg's specification, "File System Tables"): Spark, DuckDB and pyiceberg open the table by its folder. The hint is
written last, so that readers see one version or the next.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from adreel.destinations.figures import TableFigures, figures
from adreel.destinations.file_copy import KEEP_FILES, MEMORY, FilesCopy
from adreel.lake.engine import engine, quoted

BATCH_ROWS = 500_000
"""Rows of a file, which are held in memory while it is written."""

_HINT = "metadata/version-hint.text"
_NAME = "adreel.published"
_VIEW = "published"


class IcebergCopy(FilesCopy):
    """An Iceberg table whose rows are replaced whole, each time by one change of its metadata."""

    def exists(self) -> bool:
        """See `TableCopy`."""
        with self._guard():
            return self._storage.exists(self._under(_HINT))

    def drop(self) -> None:
        """See `TableCopy`."""
        with self._guard():
            self._storage.delete_folder(self._place.table)

    def replace(self, rows: Any, count: int) -> None:
        """See `TableCopy`."""
        del count
        number = self._number()
        with self._guard(), self._faults():
            table = self._opened(number) if number else self._created()
            with table.update_schema() as update:
                update.union_by_name(_bare(self._schema))
            with table.transaction() as transaction, warnings.catch_warnings():
                # That there was nothing to delete.
                warnings.simplefilter("ignore", UserWarning)
                if table.current_snapshot() is not None:
                    transaction.delete(_everything())
                for part in _parts(rows):
                    transaction.append(part)
            expired = table.maintenance.expire_snapshots().older_than(datetime.now(UTC) - KEEP_FILES)
            expired.commit()
            self._point_to(table.refresh(), number + 1)
            self._clean(table)

    def figures(self, schema: Any, day_column: str | None) -> TableFigures:
        """See `TableCopy`."""
        with self._guard(), self._faults(), engine(MEMORY) as connection:
            table = self._opened(self._number())

            def rows(query: str) -> list[tuple[Any, ...]]:
                # For each query, as a reader gives its rows once.
                connection.register(_VIEW, table.scan().to_arrow_batch_reader())
                return connection.execute(query).fetchall()

            return figures(rows, _VIEW, schema, quoted, day_column)

    # -- metadata

    def _under(self, path: str) -> str:
        return f"{self._place.table}/{path}"

    @property
    def _location(self) -> str:
        url = self._storage.table_url(self._place.table)
        return url if "://" in url else f"file://{url}"

    def _number(self) -> int:
        """The number of the metadata that holds; 0 without any."""
        with self._guard():
            try:
                return int(self._storage.read(self._under(_HINT)).to_pybytes())
            except FileNotFoundError:
                return 0

    def _catalog(self) -> Any:
        from pyiceberg.catalog.memory import InMemoryCatalog

        catalog = InMemoryCatalog("adreel", warehouse=self._location, **self._properties())
        catalog.create_namespace(_NAME.partition(".")[0])
        return catalog

    def _properties(self) -> Mapping[str, str]:
        """What pyiceberg opens the object store with; without credentials it looks where the store's programs do."""
        options = self._storage.delta_options
        names = {
            "aws_endpoint": "s3.endpoint",
            "aws_region": "s3.region",
            "aws_access_key_id": "s3.access-key-id",
            "aws_secret_access_key": "s3.secret-access-key",
            "aws_session_token": "s3.session-token",
            "azure_storage_account_name": "adls.account-name",
            "azure_storage_account_key": "adls.account-key",
        }
        files = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO"}
        return files | {names[name]: value for name, value in options.items() if name in names}

    def _created(self) -> Any:
        return self._catalog().create_table(_NAME, _bare(self._schema), location=self._location)

    def _opened(self, number: int) -> Any:
        return self._catalog().register_table(_NAME, f"{self._location}/metadata/v{number}.metadata.json")

    def _point_to(self, table: Any, number: int) -> None:
        """Has readers see the table as it is now."""
        name = table.metadata_location.rpartition("/")[2]
        metadata = self._storage.read(self._under(f"metadata/{name}")).to_pybytes()
        self._storage.write(self._under(f"metadata/v{number}.metadata.json"), metadata, durable=True)
        self._storage.write(self._under(_HINT), str(number).encode(), durable=True)

    def _clean(self, table: Any) -> None:
        """Deletes files of a week ago that no snapshot needs any more."""
        needed = {name.rpartition("/")[2] for name in _files(table)}
        limit = datetime.now(UTC) - KEEP_FILES
        old = [
            info.path
            for info in self._storage.list_files(self._place.table)
            if info.is_file and info.base_name not in needed and info.mtime is not None and info.mtime < limit
        ]
        hint = {self._under(_HINT), self._under(f"metadata/v{self._number()}.metadata.json")}
        self._storage.delete([path for path in old if path not in hint])

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns pyiceberg's own errors into RetryError."""
        from pyiceberg.exceptions import NoSuchTableError, ValidationError

        try:
            yield
        except (NoSuchTableError, ValidationError, ValueError) as error:
            raise self._failed(str(error)[:300]) from None


def _bare(schema: Any) -> Any:
    """The columns without what adreel notes of them."""
    return pa.schema([field.remove_metadata() for field in schema])


def _everything() -> Any:
    from pyiceberg.expressions import AlwaysTrue

    return AlwaysTrue()


def _parts(rows: Any) -> Iterator[Any]:
    """The rows as tables of a bounded size."""
    schema = _bare(rows.schema)
    held: list[Any] = []
    for batch in itertools.chain(rows, (None,)):
        if batch is not None:
            held.append(batch)
        if held and (batch is None or sum(part.num_rows for part in held) >= BATCH_ROWS):
            yield pa.Table.from_batches(held).cast(schema)
            held = []


def _files(table: Any) -> Iterator[str]:
    """All files that the snapshots of the table need."""
    for snapshot in table.metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                yield entry.data_file.file_path
