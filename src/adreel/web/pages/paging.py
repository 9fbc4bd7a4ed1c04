"""Lists in pages: how many there are, and which one an address asks for."""

from __future__ import annotations


def page_count(rows: int, size: int) -> int:
    """How many pages of `size` rows there are; an empty list has one."""
    return max(1, -(-rows // size))


def page_number(text: str) -> int:
    """The number of a page, from 1, as an address has it; the first for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) else 1
