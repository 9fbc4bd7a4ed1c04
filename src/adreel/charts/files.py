"""What a chart shows as rows for a file."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from adreel.charts.rows import CardColumn, CardData, Value

_NOT_IN_FILES = ("open", "picture")


def rows_of(data: CardData) -> pa.RecordBatchReader:
    """The figures as numbers of the decimals that the chart shows, below their titles; ids as texts."""
    places = [place for place, column in enumerate(data.columns) if column.role not in _NOT_IN_FILES]
    columns = [data.columns[place] for place in places]
    schema = pa.schema(
        [
            pa.field(title, pa.float64() if column.unit else pa.string())
            for title, column in zip(_titles(columns), columns, strict=True)
        ]
    )
    values = ([_plain(row[place], column) for row in data.rows] for place, column in zip(places, columns, strict=True))
    arrays = [pa.array(cells, field.type) for cells, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema).to_reader()


def _titles(columns: list[CardColumn]) -> Iterator[str]:
    """Titles with the unit of amounts and percentages, unless they have it already."""
    for column in columns:
        unit = column.currency or ("%" if column.unit == "percent" else "")
        title = str(column.title)
        yield f"{title} ({unit})" if unit and unit not in title else title


def _plain(value: Value, column: CardColumn) -> float | str | None:
    if value is None:
        return None
    if column.unit and isinstance(value, int | float):
        return round(float(value), column.decimals)
    return str(value)
