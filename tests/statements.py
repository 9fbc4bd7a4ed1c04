"""SQLAlchemy's work for a statement, done once for all stores of this process.

SQLAlchemy compiles each statement anew for each engine. A command or a server has one store; the tests open a dozen
for each test, and compiling was a quarter of the time of a command.
"""

from __future__ import annotations

from sqlalchemy import Connection, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

_compiled: LRUCache[object, object] = LRUCache(2_000)


def _kind(dialect: SQLiteDialect_pysqlite) -> tuple[object, ...]:
    """What of a dialect a compiled statement depends on; the library below is the same for all of them."""
    return type(dialect), dialect._json_serializer, dialect._json_deserializer


def _share(connection: Connection) -> None:
    if isinstance(connection.dialect, SQLiteDialect_pysqlite):
        connection.execution_options(compiled_cache=_compiled)


def compile_statements_once() -> None:
    """From now on, stores of this process in files share their compiled statements."""
    dialect = SQLiteDialect_pysqlite
    dialect.__eq__ = lambda self, other: isinstance(other, dialect) and _kind(self) == _kind(other)  # type: ignore[method-assign,assignment]
    dialect.__hash__ = lambda self: hash(_kind(self))  # type: ignore[method-assign,assignment]
    event.listen(Engine, "engine_connect", _share)
