"""The page and the note of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from fastapi import Request

from adreel.errors import ForbiddenError, NotFoundError, Problem
from adreel.web.render import Page

LISTS = (("/accounts", "accounts"), ("/users", "users"))
"""Addresses of lists besides that of the datasets, and what each lists."""

_TABS = frozenset({"cards", "data", "difference", "history", "versions"})


@dataclass(frozen=True, slots=True)
class Link:
    """An address with what it leads to."""

    address: str
    title: str


@dataclass(frozen=True, slots=True)
class FailurePage(Page):
    """The page of an error: its first sentence as the heading, the others, and the problems of a dataset.

    `nearest` are what the person may have meant, `onward` is the list in which it can be found.
    """

    template: ClassVar[str] = "failure.html"
    status: HTTPStatus
    title: str
    message: str
    problems: tuple[Problem, ...]
    nearest: tuple[Link, ...]
    onward: Link

    @staticmethod
    def fragment(status: HTTPStatus, message: str, problems: tuple[Problem, ...] = ()) -> FailureNote:
        """The same in a part of a page."""
        return FailureNote(status, message, problems)


@dataclass(frozen=True, slots=True)
class FailureNote(Page):
    """A note about an error, where a part of a page was asked for."""

    template: ClassVar[str] = "_failure.html"
    status: HTTPStatus
    message: str
    problems: tuple[Problem, ...]


def failure_page(
    request: Request, status: HTTPStatus, message: str, problems: tuple[Problem, ...], error: Exception
) -> FailurePage:
    """The page of an error that this request met."""
    nearest: tuple[Link, ...] = ()
    if isinstance(error, NotFoundError) and error.kind == "dataset":
        message = message.split(" Did you mean ")[0].removesuffix(".") + "."
        nearest = tuple(Link(f"/datasets/{quote(name, safe='')}", name) for name in error.nearest)
    title, rest = _first_sentence(message) if not problems else ("The settings are not valid.", "")
    return FailurePage(status, title[:1].upper() + title[1:], rest, problems, nearest, _onward(request, error))


def _first_sentence(message: str) -> tuple[str, str]:
    """The message's first sentence, and the rest; a full stop in a quoted name ends no sentence."""
    sentence = re.match(r"((?:'[^'\n]*'|[^\n])*?\.)\s+(?=\S)", message)
    return (sentence[1], message[sentence.end() :]) if sentence else (message, "")


def _onward(request: Request, error: Exception) -> Link:
    """Where the person goes on: the dataset whose page this is, or a list that they may see."""
    segments = request.url.path.split("/")
    missing = isinstance(error, NotFoundError) and error.kind == "dataset"
    if segments[1] == "datasets" and len(segments) > 3 and segments[3] in _TABS and not missing:
        return Link(f"/datasets/{quote(segments[2], safe='')}", "Go to the dataset")
    if isinstance(error, ForbiddenError) and segments[1] == "users":
        return Link("/datasets", "View datasets")
    address, listed = next((pair for pair in LISTS if request.url.path.startswith(pair[0])), ("/datasets", "datasets"))
    return Link(address, f"View {listed}")


def malformed(details: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with the parameters of an address or form, as sentences; their values are not repeated."""
    faults = ((detail["loc"][-1], _FAULTS.get(detail["type"], "is not valid")) for detail in details)
    return " ".join(dict.fromkeys(f"The value {name!r} {fault}." for name, fault in faults))


_FAULTS = {
    "missing": "is missing from the address or form",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "too_long": "is too long",
    "string_too_long": "is too long",
}
