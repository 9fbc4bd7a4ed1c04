"""A look at a table: which columns in which order, which rows, sorted by what. What saved views and CSV links keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adreel.datasets.calculated_columns import readable_table
from adreel.datasets.schema import Column
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.lake.filters import OPERATORS, Filter, Order, Takes, condition, sorted_by
from adreel.language import phrase
from adreel.store import SavedDataset

MOST_FILTERS = 50
MOST_ORDERS = 3
"""Columns that rows are sorted by."""


@dataclass(frozen=True, slots=True)
class TableLook:
    """`columns` are in the order in which they are shown; none are all of the table."""

    columns: tuple[str, ...] = ()
    where: tuple[Filter, ...] = ()
    order: tuple[Order, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The look as the store keeps it and the API shows it."""
        return {
            "columns": list(self.columns),
            "filter": [spelled(condition) for condition in self.where],
            "sort": [spelled_order(order) for order in self.order],
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> TableLook:
        """The look of `as_json`. InputError for a filter that is none."""
        return look_of_texts(values.get("columns", ()), values.get("filter", ()), values.get("sort", ()))

    def shown(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of a table's columns that are shown, in order; all if the table has none of them."""
        return tuple(name for name in self.columns if name in names) or tuple(names)

    def words(self, selected: Mapping[str, Column]) -> str:
        """Its filters and order as a person reads them; empty for all rows as they are."""
        titles = {name: str(column.title) for name, column in selected.items()}
        parts = [condition.sentence(titles.get(condition.column)) for condition in self.where]
        for order in self.order:
            column = titles.get(order.column, order.column)
            parts.append(
                phrase("%(column)s, largest first", column=column)
                if order.descending
                else phrase("%(column)s, smallest first", column=column)
            )
        return "; ".join(parts)


def look_of_texts(columns: Sequence[str], filters: Sequence[str], sorts: Sequence[str]) -> TableLook:
    """A look as texts such as `spend:>=:10` and `-spend`. InputError for a filter that is none, or too much."""
    if len(filters) > MOST_FILTERS or len(sorts) > MOST_ORDERS:
        raise InputError(
            phrase(
                "A table view has at most %(filters)s filters and %(columns)s columns to sort by.",
                filters=MOST_FILTERS,
                columns=MOST_ORDERS,
            )
        )
    return TableLook(
        tuple(dict.fromkeys(columns)),
        tuple(dict.fromkeys(read_filter(text) for text in filters)),
        tuple(Order(text.removeprefix("-"), text.startswith("-")) for text in sorts),
    )


def check_look(lake: Lake, saved: SavedDataset, look: TableLook, now: datetime) -> None:
    """Raises InputError for a column, operator or value that the table does not have, NotFoundError without a table."""
    schema = readable_table(lake, saved, now).readable
    missing = [name for name in look.columns if name not in schema.names]
    if missing:
        raise InputError(
            phrase("%(dataset)s has no columns %(columns)s.", dataset=repr(saved.name), columns=", ".join(missing))
        )
    for column_filter in look.where:
        condition(schema, column_filter)
    sorted_by(schema, look.order)


def spelled(condition: Filter) -> str:
    """A filter as a text: `spend:>=:10`."""
    operator = OPERATORS.get(condition.op)
    bare = operator is not None and operator.takes is Takes.NOTHING
    return f"{condition.column}:{condition.op}" if bare else f"{condition.column}:{condition.op}:{condition.value}"


def spelled_order(order: Order) -> str:
    """A column to sort by as a text: `-spend` for the largest first."""
    return ("-" if order.descending else "") + order.column


def unspelled(text: str) -> Filter | None:
    """The filter of the text; None if it is none."""
    column, _, rest = text.partition(":")
    op, _, value = rest.partition(":")
    return Filter(column, op, value) if column and op else None


def read_filter(text: str) -> Filter:
    """The filter of the text. InputError if it is none."""
    column_filter = unspelled(text)
    if column_filter is None or column_filter.op not in OPERATORS:
        raise InputError(
            phrase(
                "%(filter)s is not a valid filter. Use column:operator:value, such as spend:>=:10.",
                filter=repr(text[:60]),
            )
        )
    return column_filter
