"""The page and the note of an error."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from adreel.errors import Problem
from adreel.web.render import Page


@dataclass(frozen=True, slots=True)
class FailurePage(Page):
    """The page of an error: its title, its message, and the problems of a dataset if it concerns one."""

    template: ClassVar[str] = "failure.html"
    status: HTTPStatus
    title: str
    message: str
    problems: tuple[Problem, ...]

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
