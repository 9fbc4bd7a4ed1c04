"""What the histories at a destination have, noted with each publish, so that the next one knows what others changed.

A history has rows of versions that the lake may have no more, so that nothing else says what they were.
`_adreel_history_log` has for each history, by the version that closed rows, how many they are and the sum of a hash of
each; no version is that of the newest rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adreel.destinations.session import DestinationSession, Place
from adreel.lake.engine import literal, quoted, sql

LOG = "_adreel_history_log"

_COLUMNS = (
    "(table_name VARCHAR, run_id VARCHAR, closed_by BIGINT, row_count BIGINT, row_hashes VARCHAR, first_version BIGINT)"
)
_NOTHING = "chr(30)"
_BETWEEN = "chr(31)"


@dataclass(frozen=True, slots=True)
class ClosedRows:
    """Rows that one version closed: their number, the sum of their hashes, and the first version that any came with."""

    rows: int
    hashes: int
    first: int


Groups = Mapping[int | None, ClosedRows]
"""Rows by the version that closed them."""


class HistoryLog:
    """The log of one history, within a transaction of the destination."""

    def __init__(self, session: DestinationSession, place: Place, came: str, closed: str) -> None:
        """`place` is that of the history; `came` and `closed` are its columns of versions."""
        self._session = session
        self._place = place
        self._came, self._closed = quoted(came), quoted(closed)
        self._table = Place(place.schema, LOG).sql

    def prepare(self) -> None:
        """Creates the log unless it is there."""
        self._session.run(sql("CREATE TABLE IF NOT EXISTS", self._table, _COLUMNS))

    def noted(self, run_id: str) -> Groups | None:
        """What the log says of the history that a run's version left; None if it does not know that one."""
        mine = sql("WHERE table_name =", literal(self._place.table), "AND run_id =", literal(run_id))
        query = sql("SELECT closed_by, row_count, row_hashes, first_version FROM", self._table, mine)
        return _groups(self._session.rows(query)) or None

    def there(self, columns: Mapping[str, str], since: int | None = None) -> Groups:
        """The same of the rows that are there now; `columns` are the types of those that count, by name.

        With `since` only of the newest rows and of those that later versions closed.
        """
        existing = frozenset(self._session.columns(self._place))
        texts = f" || {_BETWEEN} || ".join(
            _text(name, kind) for name, kind in sorted(columns.items()) if name in existing
        )
        hashes = f"CAST(sum({self._session.text_hash.format(texts)}) AS VARCHAR)"
        query = sql("SELECT", self._closed, ", count(*),", hashes, f", min({self._came}) FROM", self._place.sql)
        if since is not None:
            query = sql(query, "WHERE", self._closed, "IS NULL OR", self._closed, ">", str(since))
        return _groups(self._session.rows(sql(query, "GROUP BY", self._closed)))

    def write(self, run_id: str, groups: Groups) -> None:
        """Replaces what the log says of the history."""
        name = literal(self._place.table)
        self._session.run(sql("DELETE FROM", self._table, "WHERE table_name =", name))
        lines = [
            f"({name}, {literal(run_id)}, {'NULL' if closed is None else closed}, {group.rows}, '{group.hashes}', "
            f"{group.first})"
            for closed, group in groups.items()
        ]
        if lines:
            self._session.run(sql("INSERT INTO", self._table, "VALUES", ", ".join(lines)))


def _text(name: str, kind: str) -> str:
    """A value as a text that tells it from all others of its column, in whatever zone the session is."""
    value = f"{quoted(name)} AT TIME ZONE 'UTC'" if kind == "TIMESTAMPTZ" else quoted(name)
    return f"coalesce(CAST({value} AS VARCHAR), {_NOTHING})"


def _groups(rows: Iterable[tuple[Any, ...]]) -> dict[int | None, ClosedRows]:
    return {
        None if closed is None else int(closed): ClosedRows(int(count), int(hashes), int(first))
        for closed, count, hashes, first in rows
    }
