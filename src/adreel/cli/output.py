"""How commands print: tables and JSON to stdout, talk to stderr, questions only where somebody can answer."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, TypeVar

import orjson
import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adreel.errors import CancelledError, InputError

PIPED_WIDTH = 10_000
"""Columns of a table that goes into a pipe or a file: its rows are never folded there."""

WIDEST_CELL = 28
"""A column counts as this wide at most when it is decided how many columns fit; longer texts are folded."""

GAP = 3
"""Columns of the terminal between two of the table."""


def out() -> Console:
    """Data, on stdout: as wide as the terminal, or as COLUMNS says."""
    bounded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if bounded else PIPED_WIDTH, soft_wrap=False, highlight=False)


def talk() -> Console:
    """Everything else, on stderr."""
    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """A line on stderr."""
    talk().print(escape(_printable(text, keep="\n")), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    text = orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode() + "\n"
    sys.stdout.write(_escaped(text) if sys.stdout.isatty() else text)


def plain(value: Any) -> Any:
    """What JSON has no word for: money as a number with all its digits, sets as lists."""
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value.normalize():f}") if value.is_finite() else None
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)


def text(value: Any) -> str:
    """A value as a cell: two places at least for money and rates, a dot for nothing."""
    if value is None:
        return "·"
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(text(item) for item in value)
    return _printable(str(value))


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    short = value.normalize()
    exponent = short.as_tuple().exponent
    whole = isinstance(exponent, int) and exponent >= 0 and value.as_tuple().exponent == 0
    places = 0 if whole else max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{short:,.{places}f}"


JOINERS = "\u200c\u200d"
"""Letters of Persian, Hindi and others, and families of emoji, are written with them; they move nothing."""


def _printable(text: str, keep: str = "") -> str:
    """Without what would move the cursor or colour the terminal: names of ads are other people's texts."""
    keep += JOINERS
    return "".join(one if one.isprintable() or one in keep else " " if one.isspace() else "\ufffd" for one in text)


class Terminal(io.RawIOBase):
    """A terminal that gets UTF-8 text from a writer of files, without what would move its cursor or colour it.

    JSON keeps its meaning, for it is escaped there.
    """

    def __init__(self, *, as_json: bool) -> None:
        """Writes to stdout."""
        super().__init__()
        self._as_json = as_json
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Writes what is whole letters; the rest comes with the next piece."""
        text = self._decoder.decode(bytes(data))
        sys.stdout.write(_escaped(text) if self._as_json else _printable(text, keep="\r\n\t"))
        return len(data)


def _escaped(text: str) -> str:
    """JSON with what is not printable as escapes."""
    keep = JOINERS + "\n"
    return "".join(one if one.isprintable() or one in keep else json.dumps(one)[1:-1] for one in text)


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    fit: bool = False,
    whole: bool = False,
) -> tuple[str, ...]:
    """A table on stdout, numbers to the right.

    With `whole`, the first column is never folded, so that its names can be copied. With `fit`, only as many columns
    as the terminal has room for; returns the heads of those that were left out.
    """
    kept = [list(row) for row in rows]
    cells = [[text(cell) for cell in row] for row in kept]
    console = out()
    shown = _fitting(heads, cells, console.width) if fit else len(heads)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads[:shown]):
        numeric = any(isinstance(row[number], (int, float, Decimal)) for row in kept)
        table.add_column(
            escape(_printable(head)),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=whole and number == 0,
        )
    for row in cells:
        table.add_row(*(escape(cell) for cell in row[:shown]))
    console.print(table)
    return tuple(heads[shown:])


def _fitting(heads: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    """How many columns from the left fit side by side, at least one."""
    used, count = 0, 0
    for number, head in enumerate(heads):
        widest = max([cell_len(head), *(cell_len(row[number]) for row in cells)])
        used += min(widest, WIDEST_CELL) + (GAP if count else 0)
        if used > width and count:
            break
        count += 1
    return count


_Choice = TypeVar("_Choice", bound=StrEnum)


def choice_of(kind: type[_Choice], word: str) -> _Choice:
    """The choice that a person wrote; InputError names those that there are."""
    try:
        return kind(word.strip().lower())
    except ValueError:
        names = ", ".join(kind)
        raise InputError(f"There is no {kind.__name__.lower()} {word!r}; there are {names}.") from None


def confirm(question: str, *, yes: bool) -> None:
    """Asks before loss; CancelledError if the answer is no, InputError if nobody answers."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as error:
        if sys.stdin.isatty():
            raise
        raise InputError("Nobody can answer here; say --yes.") from error
    if not agreed:
        raise CancelledError("Nothing was changed.")
