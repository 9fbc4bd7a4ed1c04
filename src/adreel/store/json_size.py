"""How many entries an object in a JSON column has, counted by the database, which spares reading it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Integer, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class json_size(GenericFunction[int]):  # noqa: N801 - named as functions of SQL are
    """The number of entries of the object in `column`, or of the object under `key` in it; 0 if there is none."""

    type = Integer()
    inherit_cache = True

    def __init__(self, column: Column[Any], key: str | None = None) -> None:
        assert isinstance(column.type, JSON), "the column holds JSON"
        super().__init__(column, *(() if key is None else (literal(key),)))


@compiles(json_size, "sqlite")
def _of_sqlite(element: json_size, compiler: SQLCompiler, **options: Any) -> str:
    column, *keys = (compiler.process(clause, **options) for clause in element.clauses)
    path = f", '$.' || {keys[0]}" if keys else ""
    return f"(SELECT count(*) FROM json_each({column}{path}))"  # noqa: S608 - of compiled expressions


@compiles(json_size, "postgresql")
def _of_postgres(element: json_size, compiler: SQLCompiler, **options: Any) -> str:
    column, *keys = (compiler.process(clause, **options) for clause in element.clauses)
    value = f"{column} -> {keys[0]}" if keys else column
    return f"(SELECT count(*) FROM json_object_keys(coalesce({value}, '{{}}')))"  # noqa: S608 - of compiled expressions
