"""The reference page of the API's operations, from the API's own description (OpenAPI)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from starlette.datastructures import State

from adreel.web.api.app import create_api
from adreel.web.deps import API

Rows = Iterable[Sequence[str]]

_COMMON = frozenset({"401", "403", "404", "408", "411", "413", "421", "422", "429", "500", "503", "507"})
"""Statuses that most operations share; `docs/api.md` explains them once."""

_TITLES = {"me": "Your user", "cards": "Charts"}
"""Subjects that a reader would not look for by the API's own word."""


def blocks() -> Iterator[tuple[str, tuple[Sequence[str], Rows] | None]]:
    """The blocks of the page: a text, or a heading with a table of columns and rows after it."""
    description = api_description()
    text = (
        f"Addresses begin with `{API}`. [REST API](../api.md) has what all operations share: tokens, lists, values",
        f"and the [statuses](../api.md#errors) of refused requests. The Data Center shows the same at `{API}/docs`,",
        f"where requests can be tried. `{API}/openapi.json` has the shapes of answers.",
    )
    yield " ".join(text), None
    for tag in description["tags"]:
        yield f"## {_TITLES.get(tag['name'], tag['name'].capitalize())}", None
        yield _text(tag["description"]), None
        for path, methods in description["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(description, method.upper(), path, operation)


@cache
def api_description() -> Mapping[str, Any]:
    """The API's description, which takes two seconds to make."""
    openapi: Mapping[str, Any] = create_api(State()).openapi()
    return openapi


def _operation(
    description: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Sequence[str], Rows] | None]]:
    yield f"### {method} `{path}`", None
    yield f"**{_text(operation['summary'])}.** {_text(operation.get('description', ''))}".strip(), None
    parameters = operation.get("parameters", ())
    if parameters:
        rows = [
            (
                f"`{parameter['name']}`",
                parameter["in"],
                _type(parameter["schema"]),
                _yes(parameter.get("required")),
                _text(parameter.get("description", "")),
            )
            for parameter in parameters
        ]
        yield "Parameters:", (("parameter", "in", "type", "required", "meaning"), rows)
    yield from _body(description, operation)
    yield f"Answers: {_answers(operation['responses'])}.", None


def _body(
    description: Mapping[str, Any], operation: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Sequence[str], Rows] | None]]:
    content = operation.get("requestBody", {}).get("content", {})
    for kind, body in content.items():
        schema = _resolved(description, body.get("schema", {}))
        fields = schema.get("properties", {})
        if not fields:
            yield f"Body: {_type(schema)} (`{kind}`).", None
            continue
        required = set(schema.get("required", ()))
        rows = [
            (f"`{name}`", _type(field), _yes(name in required), _text(field.get("description", "")))
            for name, field in fields.items()
        ]
        yield f"Body (`{kind}`):", (("field", "type", "required", "meaning"), rows)


def _resolved(description: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or what the one it names is; null beside it is left out."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return _resolved(description, choices[0])
    if "$ref" in schema:
        named: Mapping[str, Any] = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return named
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _answers(responses: Mapping[str, Any]) -> str:
    """The statuses of an operation that not every other one has."""
    own = [
        f"{status} ({_text(answer['description']).rstrip('.')})"
        for status, answer in responses.items()
        if status >= "300" and status not in _COMMON
    ]
    return ", ".join([*(status for status in responses if status < "300"), *own])


def _text(text: str) -> str:
    """A text of the description in one line; it is Markdown already."""
    return re.sub(r"\s+", " ", text).replace("<", "&lt;").strip()


def _yes(value: object) -> str:
    return "yes" if value else "no"
