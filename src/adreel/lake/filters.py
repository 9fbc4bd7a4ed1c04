"""Which rows a person asks for, and in which order: conditions typed by their columns, and sentences for them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from adreel.errors import InputError
from adreel.lake.engine import quoted
from adreel.language import Phrase, phrase


class Takes(StrEnum):
    """What an operator compares with."""

    NOTHING = "nothing"
    ONE = "one"
    MANY = "many"


class Kind(StrEnum):
    """What a column holds, as far as comparing goes."""

    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    TIME = "time"
    TRUTH = "truth"
    LIST = "list"


ORDERED = frozenset({Kind.TEXT, Kind.NUMBER, Kind.DAY, Kind.TIME})
SINGLE = ORDERED | {Kind.TRUTH}


@dataclass(frozen=True, slots=True)
class Operator:
    """A comparison: `label` is for a menu; `sentence` has places for the column and the value, `sql` too."""

    key: str
    label: str
    sentence: str
    sql: str
    takes: Takes = Takes.ONE
    kinds: Collection[Kind] = ORDERED


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        operator.key: operator
        for operator in (
            Operator("=", Phrase("is"), Phrase("%(column)s is %(value)s"), "{column} = {value}", kinds=SINGLE),
            # Of a person's rows each is this or not this, so null is not 10; SQL's own <> leaves such rows out.
            Operator(
                "!=",
                Phrase("is not"),
                Phrase("%(column)s is not %(value)s"),
                "{column} IS DISTINCT FROM {value}",
                kinds=SINGLE,
            ),
            Operator("<", Phrase("is less than"), Phrase("%(column)s is less than %(value)s"), "{column} < {value}"),
            Operator("<=", Phrase("is at most"), Phrase("%(column)s is at most %(value)s"), "{column} <= {value}"),
            Operator(">", Phrase("is more than"), Phrase("%(column)s is more than %(value)s"), "{column} > {value}"),
            Operator(">=", Phrase("is at least"), Phrase("%(column)s is at least %(value)s"), "{column} >= {value}"),
            Operator(
                "contains",
                Phrase("contains"),
                Phrase("%(column)s contains %(value)s"),
                "contains(lower({column}), lower({value}))",
                kinds=frozenset({Kind.TEXT, Kind.LIST}),
            ),
            Operator(
                "in",
                Phrase("is one of"),
                Phrase("%(column)s is one of %(value)s"),
                "{column} IN ({value})",
                Takes.MANY,
            ),
            Operator(
                "is null",
                Phrase("is empty"),
                Phrase("%(column)s is empty"),
                "{column} IS NULL",
                Takes.NOTHING,
                SINGLE | {Kind.LIST},
            ),
            Operator(
                "is not null",
                Phrase("is not empty"),
                Phrase("%(column)s is not empty"),
                "{column} IS NOT NULL",
                Takes.NOTHING,
                SINGLE | {Kind.LIST},
            ),
        )
    }
)
"""Every operator by its key, in the order of a menu."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column; `op` is a key of `OPERATORS`.

    `value` is a text as a form sends it, or a value of the column's type; for "in" a sequence of either, or one text:
    a JSON list, or values with commas between.
    """

    column: str
    op: str
    value: object = None

    def sentence(self, title: str | None = None) -> str:
        """The condition for a person, with the column's title if there is one: "spend is at least 10"."""
        operator = _operator(self)
        values = [] if operator.takes is Takes.NOTHING else _values(self, operator)
        shown = ", ".join(str(value) if str(value).strip() else f'"{value}"' for value in values)
        return phrase(operator.sentence, column=title or self.column, value=shown)


@dataclass(frozen=True, slots=True)
class Order:
    """A column to sort by; nulls are last, whichever the direction."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a WHERE clause, with the values of its places; `columns` are those that it reads."""

    sql: str
    values: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


EVERY = Condition("TRUE")
"""What holds for every row."""


def operators_for(kind: Any) -> tuple[Operator, ...]:
    """The operators that go with a column of this Arrow type."""
    return tuple(operator for operator in OPERATORS.values() if kind_of(kind) in operator.kinds)


def kind_of(kind: Any) -> Kind:
    """What a column of this Arrow type holds."""
    if pa.types.is_nested(kind):
        return Kind.LIST
    if pa.types.is_boolean(kind):
        return Kind.TRUTH
    if pa.types.is_date(kind):
        return Kind.DAY
    if pa.types.is_timestamp(kind):
        return Kind.TIME
    numbers = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_floating)
    return Kind.NUMBER if any(number(kind) for number in numbers) else Kind.TEXT


def sql_type(kind: Any) -> str:
    """DuckDB's name of an Arrow type."""
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_integer(kind):
        return "BIGINT"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    names = {Kind.NUMBER: "DOUBLE", Kind.DAY: "DATE", Kind.TRUTH: "BOOLEAN"}
    return names.get(kind_of(kind), "VARCHAR")


def condition(schema: Any, column_filter: Filter) -> Condition:
    """The filter as SQL. Raises InputError, naming the column, for a filter that the column cannot have."""
    operator = _operator(column_filter)
    if column_filter.column not in schema.names:
        raise InputError(
            phrase(
                "Column %(column)s to filter by was not found; available: %(columns)s.",
                column=column_filter.column,
                columns=", ".join(schema.names),
            )
        )
    kind = schema.field(column_filter.column).type
    if kind_of(kind) not in operator.kinds:
        operators = ", ".join(repr(fitting.key) for fitting in operators_for(kind))
        raise InputError(
            phrase(
                "%(column)s: %(operator)s cannot be used with its type; choose one of %(operators)s.",
                column=column_filter.column,
                operator=repr(operator.key),
                operators=operators,
            )
        )
    values: tuple[str, ...] = ()
    if operator.takes is not Takes.NOTHING:
        values = tuple(typed(column_filter.column, kind, value) for value in _values(column_filter, operator))
    column = quoted(column_filter.column)
    if kind_of(kind) is Kind.LIST and operator.takes is not Takes.NOTHING:
        column = f"array_to_string({column}, chr(10))"
    places = ", ".join(f"CAST(? AS {sql_type(kind)})" for _ in values)
    return Condition(operator.sql.format(column=column, value=places), values, (column_filter.column,))


def sorted_by(schema: Any, order: Sequence[Order]) -> tuple[Order, ...]:
    """The order with each column once. Raises InputError for a column that is not there or has no order."""
    for column_order in order:
        if column_order.column not in schema.names:
            raise InputError(
                phrase(
                    "Column %(column)s to sort by was not found; available: %(columns)s.",
                    column=column_order.column,
                    columns=", ".join(schema.names),
                )
            )
        if kind_of(schema.field(column_order.column).type) is Kind.LIST:
            raise InputError(
                phrase(
                    "%(column)s holds lists, which have no order; sort by another column.", column=column_order.column
                )
            )
    return tuple(
        {column_order.column: column_order for column_order in reversed(order)}[name]
        for name in dict.fromkeys(o.column for o in order)
    )


def _operator(column_filter: Filter) -> Operator:
    operator = OPERATORS.get(column_filter.op)
    if operator is None:
        raise InputError(
            phrase(
                "%(column)s: unknown operator %(operator)s; available: %(operators)s.",
                column=column_filter.column,
                operator=repr(column_filter.op),
                operators=", ".join(OPERATORS),
            )
        )
    return operator


def _values(column_filter: Filter, operator: Operator) -> list[object]:
    """The values of a filter whose operator takes some. Raises InputError if there is none."""
    value = column_filter.value
    many: list[object] = [value]
    if operator.takes is Takes.MANY and isinstance(value, str):
        many = _split(column_filter.column, value)
    elif operator.takes is Takes.MANY and isinstance(value, Collection):
        many = list(value)
    if not many or None in many:
        raise InputError(
            phrase(
                "%(column)s: %(operator)s needs a value to compare with.",
                column=column_filter.column,
                operator=repr(str(operator.label)),
            )
        )
    return many


def _split(column: str, text: str) -> list[object]:
    if not text.lstrip().startswith("["):
        return [value.strip() for value in next(csv.reader([text], skipinitialspace=True), [])]
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            phrase(
                "%(column)s: %(text)s is not a JSON list; write one, or separate the values with commas.",
                column=column,
                text=repr(text[:60]),
            )
        ) from error
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def typed(column: str, kind: Any, value: object) -> str:
    """A value as the text that `sql_type(kind)` is cast from. Raises InputError if it is no value of that type."""
    text = value.strip() if isinstance(value, str) and kind_of(kind) is not Kind.TEXT else value
    reader, hint = _READERS[kind_of(kind)]
    try:
        sql_text = reader(kind, text)
        # What UTF-8 cannot write is in no table, and DuckDB would not take it.
        sql_text.encode()
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InputError(
            phrase(
                "%(column)s: %(value)s is not a value of this column; %(hint)s.",
                column=column,
                value=ascii(str(value)[:60]),
                hint=hint,
            )
        ) from error
    return sql_text


def _number(kind: Any, value: Any) -> str:
    if isinstance(value, bool):
        return _refuse()
    if pa.types.is_integer(kind):
        integer = int(value)
        fits = (isinstance(value, str) or integer == value) and -(2**63) <= integer < 2**63
        return str(integer) if fits else _refuse()
    if pa.types.is_floating(kind):
        number = float(value)
        return repr(number) if isfinite(number) else _refuse()
    return _decimal(kind, Decimal(str(value)))


def _decimal(kind: Any, value: Decimal) -> str:
    if not value:
        return "0"
    if not value.is_finite() or not -kind.scale <= value.adjusted() < kind.precision - kind.scale:
        return _refuse()
    text = f"{value:f}"
    return text if len(text.partition(".")[2].rstrip("0")) <= kind.scale else _refuse()


def _day(_kind: Any, value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return date.fromisoformat(value).isoformat() if isinstance(value, str) else _refuse()


def _time(kind: Any, value: Any) -> str:
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(time, datetime):
        return _refuse()
    if not kind.tz:
        return time.isoformat(" ") if time.tzinfo is None else _refuse()
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(" ")


def _truth(_kind: Any, value: Any) -> str:
    return {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}.get(
        str(value).casefold()
    ) or _refuse()


def _refuse() -> str:
    raise ValueError("no value of the type")


_READERS: Mapping[Kind, tuple[Callable[[Any, Any], str], str]] = MappingProxyType(
    {
        Kind.TEXT: (lambda _kind, value: str(value), Phrase("enter text")),
        Kind.LIST: (lambda _kind, value: str(value), Phrase("enter text")),
        Kind.NUMBER: (_number, Phrase("enter a number such as 12, or 12.5 where the column has decimals")),
        Kind.DAY: (_day, Phrase("enter a date such as 2026-01-31")),
        Kind.TIME: (_time, Phrase("enter a time such as 2026-01-31 18:00, with a zone only where the column has one")),
        Kind.TRUTH: (_truth, Phrase("enter true or false")),
    }
)
