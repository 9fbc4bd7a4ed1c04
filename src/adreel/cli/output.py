"""How commands print: tables and JSON to stdout, messages to stderr, questions only if stdin can answer."""

from __future__ import annotations

import codecs
import io
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adreel.cli.layout import GAP, layout, wrapped
from adreel.errors import CancelledError, InputError
from adreel.export.cells import digits, grouped

if TYPE_CHECKING:
    from adreel.settings import Settings

UNLIMITED = 1_000_000_000
"""Characters per line in a pipe or a file."""

LONGEST_SENTENCE = 100
"""Characters of a line of text in a pipe or a file; rows of data are not wrapped there."""

EDGES = 2
"""Characters beside the first and the last column of a table."""

NONE = "-"
"""What a table shows for a value that there is none of."""

SQL_NULL = "NULL"
"""What a table of rows shows instead, where `NONE` could be a value: TikTok's breakdowns have `-` for none."""

_AMOUNT = re.compile(r"[+-]?\d{1,3}(,\d{3})*(\.\d+)?( [A-Z]{3})?")


def out() -> Console:
    """The console of stdout, for data: as wide as the terminal, or without limit where stdout is none."""
    return Console(width=None if sys.stdout.isatty() else UNLIMITED, highlight=False)


def messages() -> Console:
    """The console of stderr, for messages and progress."""
    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Prints a message on stderr."""
    messages().print(escape(_printable(text, keep="\n")), soft_wrap=True)


def announce(settings: Settings, text: str, *, warning: bool = False) -> None:
    """Says it to who started a server or worker, or to the log if that is for programs."""
    if settings.log_format != "json":
        say(f"warning: {text}" if warning else text)
        return
    # Imported here: commands have no log.
    import logging

    from adreel.logs import logger_of

    logger_of(__name__).log(logging.WARNING if warning else logging.INFO, "%s", text)


def print_json(value: Any) -> None:
    """Prints a JSON value on stdout."""
    text = orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n"
    sys.stdout.write(_escaped(text) if sys.stdout.isatty() else text)


def plain(value: Any) -> Any:
    """The JSON form of other types: a Decimal is a number with all its digits, a set a sorted list.

    Raises TypeError for types without one.
    """
    if isinstance(value, Decimal):
        return orjson.Fragment(digits(value)) if value.is_finite() else None
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)


def text(value: Any) -> str:
    """A value as the text of a cell: a Decimal with at least two places, `NONE` for None."""
    if value is None:
        return NONE
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
    # DuckDB gives sums of whole numbers as decimals without places.
    return f"{value:,f}" if value.as_tuple().exponent == 0 else grouped(value)


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
    hidden_first: Sequence[str] = (),
    for_all: str = "use --json",
    null: str = NONE,
) -> None:
    """Prints a table on stdout, with numbers aligned right, as wide as the terminal.

    In a pipe or a file every column is shown, and longer texts are wrapped at `LONGEST_SENTENCE`, but not rows of data.

    Columns that do not fit are left out, those in `hidden_first` first and never the first column. A message lists
    them, and `for_all` says how to see them. `null` is shown for None.
    """
    values = [list(row) for row in rows]
    cells = [[null if cell is None else text(cell) for cell in row] for row in values]
    names = [_printable(head) for head in heads]
    console = out()
    is_data = null == SQL_NULL
    unlimited = console.width == UNLIMITED
    fitted = layout(
        names, cells, console.width - EDGES, hidden_first, LONGEST_SENTENCE if unlimited and not is_data else None
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, width in zip(fitted.shown, fitted.widths, strict=True):
        numeric = _is_numeric([row[number] for row in values])
        table.add_column(
            Text(wrapped(names[number], width)), justify="right" if numeric else "left", no_wrap=True, width=width
        )
    for row in cells:
        table.add_row(
            *(Text(wrapped(row[number], width)) for number, width in zip(fitted.shown, fitted.widths, strict=True))
        )
    if title:
        console.print(Text(title, style="table.title"), soft_wrap=True)
    console.print(table, width=sum(fitted.widths) + GAP * (len(fitted.widths) - 1) + EDGES)
    hidden = [name for number, name in enumerate(names) if number not in fitted.shown]
    if hidden:
        say(f"{counted(len(hidden), 'column')} hidden: {', '.join(hidden)}. Widen the terminal or {for_all}.")


def _is_numeric(column: Sequence[Any]) -> bool:
    """Whether a column is aligned right: with numbers, or if most of its texts are amounts."""
    if any(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in column):
        return True
    texts = [value for value in column if isinstance(value, str) and value]
    return sum(_AMOUNT.fullmatch(value) is not None for value in texts) * 2 > len(texts)


_Choice = TypeVar("_Choice", bound=StrEnum)


def choice_of(kind: type[_Choice], word: str) -> _Choice:
    """The choice that a user typed. Raises InputError, which lists the choices."""
    try:
        return kind(word.strip().lower())
    except ValueError:
        names = ", ".join(kind)
        raise InputError(f"{word!r} is not a {kind.__name__.lower()}. Choose one of: {names}.") from None


def counted(count: int, noun: str) -> str:
    """A count with its noun, as in "1 row" and "2,000 rows"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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


def secret_line(label: str, file: Path | None) -> str:
    """A line with secrets, which arguments would show: from a file, stdin, or a prompt that does not show it."""
    if file is not None:
        lines = file.read_text("utf-8").splitlines()
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    typed: str = typer.prompt(label, hide_input=True, err=True)
    return typed
