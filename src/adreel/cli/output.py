"""How commands print: tables and JSON to stdout, talk to stderr, questions only where somebody can answer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adreel.errors import InputError


def out() -> Console:
    """Data, on stdout; as wide as the terminal, and never cut where it is piped."""
    return Console(width=None if sys.stdout.isatty() else 200, soft_wrap=False, highlight=False)


def talk() -> Console:
    """Everything else, on stderr."""
    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """A line on stderr."""
    talk().print(escape(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    sys.stdout.write(orjson.dumps(value, default=plain, option=orjson.OPT_INDENT_2).decode() + "\n")


def plain(value: Any) -> Any:
    """What JSON has no word for: money as a number, sets as lists."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
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
        short = value.normalize()
        exponent = short.as_tuple().exponent
        places = max(2, -exponent) if isinstance(exponent, int) else 2
        return f"{short:,.{places}f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(text(item) for item in value)
    return str(value)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table on stdout; numbers to the right."""
    shown = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        numeric = any(isinstance(row[number], (int, float, Decimal)) for row in shown)
        table.add_column(escape(head), justify="right" if numeric else "left", overflow="fold")
    for row in shown:
        table.add_row(*(escape(text(cell)) for cell in row))
    out().print(table)


def confirm(question: str, *, yes: bool) -> None:
    """Asks before loss; InputError if nobody can answer, typer.Abort if the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody can answer here; say --yes.")
    typer.confirm(question, abort=True, err=True)
