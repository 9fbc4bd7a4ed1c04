"""How commands print: tables and JSON to stdout, messages to stderr, questions only if stdin can answer."""

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
"""Characters per line in a pipe or a file, so that rows are never folded there."""

WIDEST_CELL = 28
"""Most characters that a column counts for when columns are fitted to the terminal; longer texts are folded."""

GAP = 3
"""Characters between two columns of a table."""


def out() -> Console:
    """The console of stdout, for data: as wide as the terminal or as COLUMNS."""
    bounded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if bounded else PIPED_WIDTH, soft_wrap=False, highlight=False)


def messages() -> Console:
    """The console of stderr, for messages and progress."""
    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Prints a message on stderr."""
    messages().print(escape(_printable(text, keep="\n")), soft_wrap=True)


def print_json(value: Any) -> None:
    """Prints a JSON value on stdout."""
    text = orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode() + "\n"
    sys.stdout.write(_escaped(text) if sys.stdout.isatty() else text)


def plain(value: Any) -> Any:
    """The JSON form of other types: a Decimal is a number with all its digits, a set a sorted list.

    Raises TypeError for types without one.
    """
    if isinstance(value, Decimal):
        return orjson.Fragment(f"{value.normalize():f}") if value.is_finite() else None
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)


def text(value: Any) -> str:
    """A value as the text of a cell: a Decimal with at least two places, a dot for None."""
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
    is_whole = isinstance(exponent, int) and exponent >= 0 and value.as_tuple().exponent == 0
    places = 0 if is_whole else max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{short:,.{places}f}"


JOINERS = "\u200c\u200d"
"""Characters that join letters of Persian, Hindi and others, and emoji; they do not move the cursor."""


def _printable(text: str, keep: str = "") -> str:
    """The text without control characters, which could move the cursor or color the terminal."""
    keep += JOINERS
    return "".join(
        letter if letter.isprintable() or letter in keep else " " if letter.isspace() else "\ufffd" for letter in text
    )


class Terminal(io.RawIOBase):
    """A file of UTF-8 text that prints on the terminal without control characters; in JSON they are escaped."""

    def __init__(self, *, as_json: bool) -> None:
        """Prints on stdout; `as_json` escapes control characters instead of replacing them."""
        super().__init__()
        self._as_json = as_json
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """Returns True."""
        return True

    def write(self, data: Any) -> int:
        """Prints the complete characters of `data`; the bytes of an incomplete one are kept for the next call."""
        text = self._decoder.decode(bytes(data))
        sys.stdout.write(_escaped(text) if self._as_json else _printable(text, keep="\r\n\t"))
        return len(data)


def _escaped(text: str) -> str:
    """JSON with control characters as escapes."""
    keep = JOINERS + "\n"
    return "".join(letter if letter.isprintable() or letter in keep else json.dumps(letter)[1:-1] for letter in text)


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    fit: bool = False,
    names_unfolded: bool = False,
) -> tuple[str, ...]:
    """Prints a table on stdout with numbers aligned right; returns the heads of columns that were left out.

    With `names_unfolded`, the first column is never folded, so that its names can be copied. With `fit`, columns that
    do not fit the width of the terminal are left out.
    """
    values = [list(row) for row in rows]
    cells = [[text(cell) for cell in row] for row in values]
    console = out()
    shown = _fitting(heads, cells, console.width) if fit else len(heads)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads[:shown]):
        numeric = any(isinstance(row[number], (int, float, Decimal)) for row in values)
        table.add_column(
            escape(_printable(head)),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=names_unfolded and number == 0,
        )
    for row in cells:
        table.add_row(*(escape(cell) for cell in row[:shown]))
    console.print(table)
    return tuple(heads[shown:])


def _fitting(heads: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    """How many columns from the left fit the width, at least 1."""
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
    """The choice that a user typed. Raises InputError, which lists the choices."""
    try:
        return kind(word.strip().lower())
    except ValueError:
        names = ", ".join(kind)
        raise InputError(f"{word!r} is not a {kind.__name__.lower()}. Choose one of: {names}.") from None


def confirm(question: str, *, yes: bool) -> None:
    """Asks for confirmation. Raises CancelledError if the answer is no, InputError if stdin has no answer."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as error:
        if sys.stdin.isatty():
            raise
        raise InputError("Confirmation is required, and stdin has no answer. Add --yes to confirm.") from error
    if not agreed:
        raise CancelledError("Nothing was changed.")
