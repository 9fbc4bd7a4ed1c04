"""Checks SQL of users: one SELECT of the views, nothing of the machine itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import duckdb

from adreel.errors import InputError, did_you_mean
from adreel.lake.functions import FUNCTIONS, TABLE_FUNCTIONS
from adreel.lake.sql_errors import QueryError, error_at, plain_words
from adreel.language import Phrase, phrase

NESTED = Phrase("The query is nested too deeply. Write parts of it as WITH name AS (...).")

_SOURCES = frozenset({"EMPTY", "BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "PIVOT"})
_SHOWS = frozenset({"DESCRIBE", "SUMMARY"})


def check_select(connection: duckdb.DuckDBPyConnection, query: str, views: Collection[str]) -> None:
    """Raises InputError for SQL that is more than one SELECT of `views` (names in lower case).

    DuckDB's own parser says what it holds, so that comments, quotes and case hide nothing.
    """
    tree = _parsed(connection, query)
    source = _QueryText(query, views)
    named = frozenset(name.casefold() for node in _nodes(tree) for name in _with_names(node))
    # A name that a WITH gives holds in a part of the query only; elsewhere it is DuckDB's own view of that name.
    own = named & _own_views(connection) if named else frozenset()
    if own:
        raise InputError(
            phrase(
                "WITH cannot give the name %(name)s, which DuckDB uses for a view of its own; choose another.",
                name=min(own),
            )
        )
    for node in _nodes(tree):
        if "sample" in node:
            _check_source(node, source, named)
        if "function_name" in node:
            _check_function(node, source)


@dataclass(frozen=True, slots=True)
class _QueryText:
    """The query, and the views that it may read."""

    query: str
    views: Collection[str]

    def refusal(self, reason: str, node: dict[str, Any]) -> QueryError:
        """The error for a part of the query, with its place."""
        byte = node.get("query_location")
        return error_at(reason, self.query, byte if isinstance(byte, int) else None)


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    try:
        (text,) = connection.execute("SELECT json_serialize_sql(CAST(? AS VARCHAR))", [query]).fetchall()[0]
        tree = json.loads(text)
    except RecursionError as error:
        raise InputError(NESTED) from error
    if tree["error"]:
        raise InputError(phrase("The query cannot be used here: %(reason)s", reason=plain_words(tree["error_message"])))
    if len(tree["statements"]) != 1:
        raise InputError(
            phrase("There are %(count)s statements; run one SELECT at a time.", count=len(tree["statements"]))
        )
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the tree; the function of a table function only by its arguments."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            yield node
            in_from = node.get("type") == "TABLE_FUNCTION" and "sample" in node
            waiting += [child for key, child in node.items() if not (in_from and key == "function")]
            if in_from:
                waiting += node["function"]["children"]


def _with_names(node: dict[str, Any]) -> list[str]:
    return [entry["key"] for entry in node.get("cte_map", {}).get("map", [])]


def _own_views(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute("SELECT view_name FROM duckdb_views() WHERE internal").fetchall()
    return {name.casefold() for (name,) in rows}


def _check_source(node: dict[str, Any], source: _QueryText, named: Collection[str]) -> None:
    """Checks an entry of FROM."""
    kind = node["type"]
    if kind == "BASE_TABLE":
        name = node["table_name"]
        full_name = ".".join(part for part in (node["catalog_name"], node["schema_name"], name) if part)
        exists = name.casefold() in source.views or (name.casefold() in named and full_name == name)
        if not exists or full_name not in (name, f"main.{name}", f"memory.main.{name}"):
            available = ", ".join(sorted(source.views)) or phrase("none yet")
            raise source.refusal(
                phrase(
                    "table %(table)s was not found; available: %(available)s.",
                    table=full_name,
                    available=available,
                ),
                node,
            )
    elif kind == "TABLE_FUNCTION":
        function = node["function"].get("function_name", "")
        if function.casefold() not in TABLE_FUNCTIONS:
            raise source.refusal(
                phrase(
                    "the function %(function)s cannot be used in FROM here; tables and SELECT can.", function=function
                ),
                node,
            )
    elif kind == "SHOW_REF":
        if node["show_type"] not in _SHOWS or node["query"] is None:
            raise source.refusal(phrase("only DESCRIBE and SUMMARIZE of a table or SELECT can be used here."), node)
    elif kind not in _SOURCES and not kind.endswith("_NODE"):
        raise source.refusal(phrase("%(kind)s cannot be used in FROM here; tables and SELECT can.", kind=kind), node)


def _check_function(node: dict[str, Any], source: _QueryText) -> None:
    """Looks at a function that makes values."""
    name = node["function_name"].casefold()
    if name not in FUNCTIONS:
        near = get_close_matches(name, FUNCTIONS, n=1)
        refusal = phrase("the function %(function)s is not available here.", function=name)
        raise source.refusal(f"{refusal}{did_you_mean(near)}", node)
