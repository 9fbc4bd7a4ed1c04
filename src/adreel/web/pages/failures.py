"""The page and the note of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from fastapi import Request

from adreel.errors import ForbiddenError, NotFoundError, Problem, did_you_mean
from adreel.language import Phrase, phrase
from adreel.web.render import Page

LISTS = (("/accounts", Phrase("View accounts")), ("/users", Phrase("View users")))
"""Addresses of lists besides that of the datasets, and what leads to each."""

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
        message = message.removesuffix(did_you_mean(error.nearest).strip()).rstrip().removesuffix(".") + "."
        nearest = tuple(Link(f"/datasets/{quote(name, safe='')}", name) for name in error.nearest)
    title, rest = _first_sentence(message) if not problems else (phrase("The settings are not valid."), "")
    return FailurePage(status, title[:1].upper() + title[1:], rest, problems, nearest, _onward(request, error))


def _first_sentence(message: str) -> tuple[str, str]:
    """The message's first sentence, and the rest; a full stop in a quoted name ends no sentence."""
    # Within a sentence, as in "z. B.", the space after a full stop does not break.
    sentence = re.match(r"((?:'[^'\n]*'|[^\n])*?\.)[ \n]+(?=\S)", message)
    return (sentence[1], message[sentence.end() :]) if sentence else (message, "")


def _onward(request: Request, error: Exception) -> Link:
    """Where the person goes on: the dataset whose page this is, or a list that they may see."""
    segments = request.url.path.split("/")
    missing = isinstance(error, NotFoundError) and error.kind == "dataset"
    if segments[1] == "datasets" and len(segments) > 3 and segments[3] in _TABS and not missing:
        return Link(f"/datasets/{quote(segments[2], safe='')}", phrase("Go to the dataset"))
    if isinstance(error, ForbiddenError) and segments[1] == "users":
        return Link("/datasets", phrase("View datasets"))
    lists = (Link(*pair) for pair in LISTS if request.url.path.startswith(pair[0]))
    return next(lists, Link("/datasets", phrase("View datasets")))


def malformed(details: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with the parameters of an address or form, as sentences; their values are not repeated."""
    faults = ((detail["loc"][-1], _FAULTS.get(detail["type"], _NOT_VALID)) for detail in details)
    return " ".join(dict.fromkeys(phrase(fault, name=repr(name)) for name, fault in faults))


_NOT_VALID = Phrase("The value %(name)s is not valid.")
_NOT_WHOLE = Phrase("The value %(name)s must be a whole number.")
_TOO_LONG = Phrase("The value %(name)s is too long.")

_FAULTS = {
    "missing": Phrase("The value %(name)s is missing from the address or form."),
    "int_parsing": _NOT_WHOLE,
    "int_from_float": _NOT_WHOLE,
    "bool_parsing": Phrase("The value %(name)s must be true or false."),
    "too_long": _TOO_LONG,
    "string_too_long": _TOO_LONG,
}
