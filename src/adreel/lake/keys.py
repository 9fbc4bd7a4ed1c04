"""Keys: whether they name each row once, and which rows of a table have the keys of new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from adreel.errors import InputError
from adreel.lake.engine import engine, quoted, sql

Source = Callable[[], Any]
"""Gives a pyarrow RecordBatchReader or Dataset over the same rows each time that it is called."""

SMALL = 20_000
"""Rows of a table in memory that Python counts sooner than DuckDB starts (30 ms)."""


@dataclass(frozen=True, slots=True)
class KeyFaults:
    """Rows that their key does not name.

    `nulls` counts rows with a null in the key, `repeated` counts keys that several rows have; `examples` are some of
    these keys, with the number of their rows under "rows".
    """

    nulls: int
    repeated: int
    examples: tuple[Mapping[str, Any], ...]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.nulls or self.repeated)


NO_FAULTS = KeyFaults(0, 0, ())


def key_faults(source: Any, key: tuple[str, ...], examples: int = 5) -> KeyFaults:
    """The rows of `source` that `key` does not name: null in a key column, or a key that came before.

    `source` is a pyarrow Table, RecordBatchReader or Dataset, or a callable that gives one of the latter two anew each
    time; of a callable and a Dataset first only hashes are kept, which takes less memory. Raises InputError if a key
    column is not there.
    """
    again: Source = source if callable(source) else lambda: source
    once = isinstance(source, pa.RecordBatchReader)
    first = again()
    missing = [name for name in key if name not in first.schema.names]
    if missing or not key:
        raise InputError(f"The key ({', '.join(key) or 'none'}) is not in the rows; they lack: {', '.join(missing)}.")
    if isinstance(first, pa.Table) and first.num_rows <= SMALL:
        return _counted(first, key, examples)
    with engine() as connection:
        if not once and not _suspicious(connection, first, key):
            return NO_FAULTS
        return _examined(connection, first if once else again(), key, examples)


def matches(
    incoming: Source, table: Source, key: tuple[str, ...]
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Which rows of `table` have the key of a row of `incoming`.

    Both give a RecordBatchReader with the key columns and "row", an integer; `table` also "file". Yields the files and
    rows of the table with the rows of `incoming` that they match, as arrays of equal length.
    """
    on = " AND ".join(f"t.{quoted(name)} = i.{quoted(name)}" for name in key)
    with engine() as connection:
        connection.register("incoming", incoming())
        connection.register("existing", table())
        found = connection.execute(sql("SELECT t.file, t.row, i.row FROM existing t JOIN incoming i ON", on))
        for batch in found.to_arrow_reader(100_000):
            file, row, new = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
            yield file, row, new


def _counted(table: Any, key: tuple[str, ...], examples: int) -> KeyFaults:
    rows = list(zip(*(table.column(name).to_pylist() for name in key), strict=True))
    if len(set(rows)) == len(rows) and not any(table.column(name).null_count for name in key):
        return NO_FAULTS
    counts: dict[tuple[Any, ...], int] = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    nulls = sum(None in row for row in rows)
    wrong = [(row, count) for row, count in counts.items() if count > 1 or None in row]
    repeated = sum(count > 1 and None not in row for row, count in wrong)
    shown = tuple({**dict(zip(key, row, strict=True)), "rows": count} for row, count in wrong[:examples])
    return KeyFaults(nulls, repeated, shown)


def _suspicious(connection: duckdb.DuckDBPyConnection, rows: Any, key: tuple[str, ...]) -> bool:
    """Whether there may be a fault: judged by hashes of keys, which take a fifth of the keys' memory."""
    names = ", ".join(map(quoted, key))
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    connection.register("rows", rows)
    counts = f"count(*), count(DISTINCT hash({names})), count(*) FILTER ({nulls})"
    found = connection.execute(sql("SELECT", counts, "FROM rows")).fetchall()
    connection.unregister("rows")
    total, different, faulty = found[0]
    return bool(faulty or different < total)


def _examined(connection: duckdb.DuckDBPyConnection, rows: Any, key: tuple[str, ...], examples: int) -> KeyFaults:
    names = ", ".join(map(quoted, key))
    nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    connection.register("rows", rows)
    found = sql("SELECT", names, ", count(*) AS times, (", nulls, ") AS empty FROM rows GROUP BY", names)
    connection.execute(sql("CREATE TEMP TABLE faults AS", found, "HAVING times > 1 OR empty"))
    counted = connection.execute(
        "SELECT coalesce(sum(times) FILTER (empty), 0), count(*) FILTER (NOT empty) FROM faults"
    ).fetchall()
    shown = connection.execute(sql("SELECT", names, ", times FROM faults ORDER BY ALL LIMIT", str(examples))).fetchall()
    return KeyFaults(
        int(counted[0][0]),
        int(counted[0][1]),
        tuple({**dict(zip(key, row, strict=False)), "rows": row[-1]} for row in shown),
    )
