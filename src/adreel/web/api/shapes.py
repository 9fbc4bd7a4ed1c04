"""What all families of the API share: shapes of bodies and answers, paging, exact numbers, and who may call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from adreel.access import RoleRight
from adreel.datasets.dataset import Source
from adreel.datasets.files import read
from adreel.errors import DatasetError, Problem
from adreel.export.exact_json import exact
from adreel.web.deps import Visitor, Who
from adreel.web.sign_in import need_browser

LONGEST_PAGE = 1_000
FURTHEST = 2**53

_Item = TypeVar("_Item")


class Body(BaseModel):
    """What a client sends; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """What a client gets, also from a record with the same fields. Times are UTC in ISO 8601 with Z, ids are texts."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Paging(Body):
    """Which part of a list is asked for."""

    limit: int = Field(50, ge=1, le=LONGEST_PAGE, description="Maximum number of items.")
    offset: int = Field(0, ge=0, le=FURTHEST, description="Number of items to skip.")


class Paged(Answer, Generic[_Item]):
    """A part of a list, and how long the whole list is."""

    items: list[_Item]
    total: int = Field(description="Number of all items.", examples=[1])
    limit: int = Field(examples=[50])
    offset: int = Field(examples=[0])


def located(status: int, what: str) -> dict[int | str, dict[str, Any]]:
    """An answer whose `Location` header says where the new thing is, as OpenAPI has it."""
    header = {"schema": {"type": "string"}, "description": what, "required": True}
    return {status: {"headers": {"Location": header}}}


DatasetValues = dict[str, JsonValue]
"""A dataset file as JSON: keys such as name, account and report, and the report's menus."""


def source_of(values: Mapping[str, Any]) -> Source:
    """The dataset file as the command line reads it from disk, where numbers are texts.

    Raises DatasetError for what no file could hold, such as half of a character.
    """
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DatasetError((Problem("file", "a text has half of a character (a lone surrogate)."),)) from None
    # The one character that JSON takes as it is and YAML does not.
    return read(json.dumps(values).replace("\x7f", "\\u007f"))


def part(items: Sequence[_Item], paging: Paging) -> Sequence[_Item]:
    """The part of a list that is asked for."""
    return items[paging.offset : paging.offset + paging.limit]


class Exact(Response):
    """An answer with numbers of exact size: JSON numbers with all their digits, as `--json` prints them."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The answer's JSON."""
        return orjson.dumps(content, default=plain, option=orjson.OPT_UTC_Z)


def plain(value: Any) -> Any:
    """What JSON has no word for: exact numbers with all digits, records as objects, the rest as texts."""
    if isinstance(value, BaseModel):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return exact(value)


def ordered(names: Iterable[str], order: Iterable[str] = ()) -> list[str]:
    """Names of a set as a list that is always the same: those of `order` first, the others by the alphabet."""
    there, first = set(names), list(order)
    return [*(name for name in first if name in there), *sorted(there - set(first))]


# -- who may call


def having(right: RoleRight) -> Any:
    """The parameter of a user whose role has the right."""

    def visitor(who: Who) -> Visitor:
        who.guard.need_role(right)
        return who

    return Depends(visitor)


def in_browser(action: str) -> Any:
    """The parameter of a user in a browser, for an action that API tokens cannot do."""

    def visitor(who: Who) -> Visitor:
        need_browser(who, f"API tokens cannot {action}.")
        return who

    return Depends(visitor)


Id = Annotated[str, Path(pattern="^[0-9]{1,18}$", description="An ID from a list.", examples=["1"])]
Slug = Annotated[
    str, Path(pattern="^[a-z][a-z0-9_]{0,47}$", description="A dataset's slug, its name in SQL.", examples=["spend"])
]
RunId = Annotated[
    str,
    Path(pattern="^[0-9a-f]{1,32}$", description="A run's ID, or its first characters.", examples=["0123456789abcdef"]),
]
