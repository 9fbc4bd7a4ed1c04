"""Messages in the words of pages."""

from __future__ import annotations

import re
from functools import cache

from adreel import catalog

_KEY = re.compile(r"^(\w+): ", re.MULTILINE)
_SET = re.compile(r"\b([Ss])et (\w+): true\b")


def on_page(text: str) -> str:
    """A message as a page says it: keys of a dataset file, at its start or as switches to set, become titles."""
    text = _KEY.sub(lambda match: f"{_titles().get(match[1], match[1])}: ", text)
    return _SET.sub(lambda match: _turned_on(match[0], match[1], match[2]), text)


def _turned_on(words: str, first: str, name: str) -> str:
    title = _switches().get(name)
    return f"{'Turn' if first == 'S' else 'turn'} on {title}" if title else words


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
