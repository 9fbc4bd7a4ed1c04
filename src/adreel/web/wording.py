"""Messages in the words of pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, partial
from types import MappingProxyType

from adreel import catalog
from adreel.language import MONTHS, SHORT_WEEKDAYS, Phrase, gettext, language, phrase, shown_time
from adreel.store import Level, Role

ROLE_NAMES: Mapping[Role, Phrase] = MappingProxyType(
    {Role.ADMIN: Phrase("admin"), Role.EDITOR: Phrase("editor"), Role.VIEWER: Phrase("viewer")}
)
"""The roles within a sentence."""

LEVEL_NAMES: Mapping[Level, Phrase] = MappingProxyType(
    {
        Level.NONE: Phrase("none"),
        Level.READ: Phrase("read"),
        Level.SHARE: Phrase("share"),
        Level.EDIT: Phrase("edit"),
        Level.OWNER: Phrase("owner"),
    }
)
"""The access levels within a sentence."""

_KEY = re.compile(r"^(\w+): ", re.MULTILINE)

_SWITCHED = (
    (Phrase("Set %(key)s: true"), Phrase("Turn on %(switch)s")),
    (Phrase("set %(key)s: true"), Phrase("turn on %(switch)s")),
)
"""How messages say that a switch of a dataset file is to be set, and how pages say it."""

_NAMES: Mapping[str, Phrase] = MappingProxyType(
    {
        **{role.value: name for role, name in ROLE_NAMES.items()},
        **{level.value: name for level, name in LEVEL_NAMES.items()},
        "valid": Phrase("Valid"),
        "expired": Phrase("Expired"),
        "revoked": Phrase("Revoked"),
    }
)
"""Roles, levels and the statuses of accounts."""


def titled(word: str) -> str:
    """A role, a level or the status of an account by itself, as in a table."""
    name = str(_NAMES[word])
    return name[:1].upper() + name[1:]


def on_page(text: str) -> str:
    """A message as a page says it: keys of a dataset file, at its start or as switches to set, become titles."""
    text = _KEY.sub(lambda match: f"{_titles().get(match[1], match[1])}: ", str(text))
    for advice, shown in _SWITCHED:
        text = _expression(language(), advice).sub(partial(_turned_on, shown), text)
    return text


def month_and_day(day: date) -> str:
    """A day without its year: Nov 30."""
    return phrase("%(month)s %(day)s", month=MONTHS[day.month - 1], day=day.day)


def weekday_and_time(moment: datetime) -> str:
    """A day and time of day with the day of the week: Mon 2026-11-30 14:05."""
    return phrase("%(weekday)s %(time)s", weekday=SHORT_WEEKDAYS[moment.weekday()], time=shown_time(moment))


def _turned_on(message: str, match: re.Match[str]) -> str:
    title = _switches().get(match["key"])
    return phrase(message, switch=title) if title else match[0]


@cache
def _expression(code: str, message: str) -> re.Pattern[str]:  # noqa: ARG001 - another language has its own
    """What matches the message in the language in force, whose code it is, with any key."""
    before, _, after = gettext(message).partition("%(key)s")
    return re.compile(rf"\b{re.escape(before)}(?P<key>\w+){re.escape(after)}\b")


@cache
def _titles() -> dict[str, str]:
    """The titles of the menus that dataset files have."""
    return {menu.name: menu.title for report in catalog.REPORTS.values() for menu in report.menus}


@cache
def _switches() -> dict[str, str]:
    """The titles of the switches that dataset files have."""
    return {
        menu.name: menu.title for report in catalog.REPORTS.values() for menu in report.menus if menu.source == "switch"
    }
