"""How each kind of chart is drawn, from the values of `adreel.charts.chart_of`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from adreel.dashboards.paper import (
    COLORS,
    GROUND,
    HUGE,
    INK,
    LINE,
    NORMAL,
    QUIET,
    SMALL,
    Block,
    Paper,
    Ruler,
    line_height,
    paragraph,
    space,
)

Json = Mapping[str, Any]

MOST_BARS = 15
"""Bars of a picture; the table has all."""

BAR = 0.13
AXIS = 0.62
"""Room for the labels of values, in inches."""

SHADES = LinearSegmentedColormap.from_list("adreel", ["#e3f1f4", "#0b7285"])


def blocks_of(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    """The parts of a chart, which stand below each other in so many inches of width."""
    yield from KINDS[chart["kind"]](chart, ruler, room)


# -- figures as texts


def value_text(value: float | None, shape: Json) -> str:
    """A figure with its unit."""
    if value is None:
        return "\N{EN DASH}"
    number = f"{value:,.{shape['decimals']}f}"
    if shape["unit"] == "money":
        return f"{number} {shape['currency']}" if shape["currency"] else number
    return f"{number} %" if shape["unit"] == "percent" else number


def short_text(value: float, _place: object = None) -> str:
    """A label of an axis."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= unit:
            return f"{value / unit:.1f}".removesuffix(".0") + name
    return f"{value:.3g}"


def unit_of(shape: Json) -> str:
    """The unit of an axis, to follow a title."""
    if shape["unit"] == "money":
        return f" in {shape['currency']}" if shape["currency"] else ""
    return " in %" if shape["unit"] == "percent" else ""


def _titled(panel: Json) -> str:
    """The title of a panel with its unit, unless it has its currency already."""
    title, shape = str(panel["title"]), panel["format"]
    return title if shape["currency"] and f"({shape['currency']}" in title else f"{title}{unit_of(shape)}"


# -- kinds


def _numbers(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    half = (room - 0.2) / 2
    numbers = chart["numbers"]
    for first in range(0, len(numbers), 2):
        pair = numbers[first : first + 2]
        titles = [ruler.wrapped(number["title"], half, SMALL) for number in pair]
        head = max(map(len, titles)) * line_height(SMALL)
        height = head + line_height(HUGE) + line_height(SMALL) + 0.1
        yield Block(height, partial(_number_pair, pair, titles, head, half, ruler))
    compared = f", compared with {chart['previous_period']}" if chart.get("previous_period") else ""
    if chart.get("period"):
        yield paragraph(ruler, f"{chart['period']}{compared}", room, SMALL, color=QUIET)


def _number_pair(
    pair: Sequence[Json],
    titles: Sequence[Sequence[str]],
    head: float,
    half: float,
    ruler: Ruler,
    sheet: Paper,
    x: float,
    y: float,
) -> None:
    for place, (number, title) in enumerate(zip(pair, titles, strict=True)):
        left = x + place * (half + 0.2)
        sheet.text(left, y, title, SMALL, color=QUIET)
        text = value_text(number["value"], number["format"])
        size = HUGE
        while ruler.width(text, size, bold=True) > half and size > SMALL:
            size -= 1
        sheet.text(left, y + head, [text], size, bold=True)
        change = number.get("change")
        if change is not None:
            sign = "▲" if change > 0 else "▼" if change < 0 else "="
            sheet.text(left, y + head + line_height(HUGE), [f"{sign} {abs(change):.1f} %"], SMALL, color=QUIET)


def _legend(ruler: Ruler, names: Sequence[tuple[str, str, str]], room: float) -> Block:
    """Names with their colors and dashes, in full, in as many rows as they take."""
    placed: list[tuple[float, float, list[str], str, str]] = []
    left = top = 0.0
    height = line_height(SMALL)
    for name, color, dash in names:
        lines = ruler.wrapped(name, room - 0.4, SMALL)
        width = 0.4 + max(ruler.width(line, SMALL) for line in lines) + 0.15
        if left and left + width > room:
            left, top = 0.0, top + height
            height = line_height(SMALL)
        placed.append((left, top, lines, color, dash))
        height = max(height, len(lines) * line_height(SMALL))
        left += width

    def draw(sheet: Paper, x: float, y: float) -> None:
        for left, top, lines, color, dash in placed:
            middle = y + top + line_height(SMALL) / 2
            sheet.rule(x + left, middle, 0.28, color, thick=2, dash=dash)
            sheet.text(x + left + 0.36, y + top, lines, SMALL)

    return Block(top + height + 0.08, draw)


def _line(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    panels = chart["panels"]
    names: dict[str, tuple[str, str, str]] = {}
    for number, panel in enumerate(panels):
        for place, series in enumerate(panel["series"]):
            if series["role"] == "part" or len(panels) == 1:
                names[series["name"]] = (series["name"], *_look(series, place, number))
    if len(names) > 1:
        yield _legend(ruler, list(names.values()), room)
    for number, panel in enumerate(panels):
        title = _titled(panel)
        yield paragraph(ruler, title, room, SMALL, bold=True, after=0.04)
        plot = 1.9 if len(panels) == 1 else 1.1
        yield Block(plot + 0.34, partial(_panel, chart, panel, number, plot, room))


def _look(series: Json, place: int, number: int) -> tuple[str, str]:
    """Color and dash of a series."""
    if series["role"] == "previous":
        return QUIET, "--"
    if series["role"] == "part":
        return COLORS[place % len(COLORS)], ("-", "--", ":")[place % 3]
    return COLORS[number % len(COLORS)], "-"


def _panel(chart: Json, panel: Json, number: int, plot: float, room: float, sheet: Paper, x: float, y: float) -> None:
    axes = sheet.axes(x + AXIS, y, room - AXIS - 0.1, plot)
    opened = {*(chart["x"].get("open") or ()), *(panel.get("open") or ())}
    days = chart["x"]["values"]
    for place, series in enumerate(panel["series"]):
        color, dash = _look(series, place, number)
        values = [float("nan") if value is None else value for value in series["values"]]
        is_open = series["role"] != "previous" and bool(opened)
        whole = [float("nan") if is_open and day in opened else value for day, value in enumerate(values)]
        marker = "o" if _has_alone(whole) else ""
        axes.plot(range(len(days)), whole, color=color, linestyle=dash, linewidth=1.6, marker=marker, markersize=3)
        if is_open:
            rest = [value if day in opened or day + 1 in opened else float("nan") for day, value in enumerate(values)]
            axes.plot(
                range(len(days)), rest, color=color, linestyle=":", marker="o", markerfacecolor=GROUND, markersize=3
            )
    _value_axis(axes, panel["format"])
    _day_axis(axes, chart["x"], room - AXIS)
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), high if high > 0 else 1.0)


def _has_alone(values: Sequence[float]) -> bool:
    """Whether a value has no neighbor, so that no line would show it."""
    given = [value == value for value in values]
    return any(
        is_given and not (place and given[place - 1]) and not (place + 1 < len(given) and given[place + 1])
        for place, is_given in enumerate(given)
    )


def _value_axis(axes: Axes, shape: Json) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(short_text))
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=shape["unit"] == "count"))
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def _day_axis(axes: Axes, axis: Json, room: float) -> None:
    """Days as 01-31, as many as there is room for, always with the first and the last one."""
    texts = [text[5:] if axis["type"] == "day" else text for text in axis["values"]]
    fitting = max(2, int(room / 0.75))
    last = len(texts) - 1
    step = max(1, -(-len(texts) // fitting))
    places = [place for place in range(0, last, step) if last - place >= step] + [last]
    axes.set_xticks(places, [texts[place] for place in places])
    axes.set_xlim(-0.5, last + 0.5)


def _bars(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    """A bar below each name, which so has the whole width."""
    (panel,) = chart["panels"]
    (series,) = panel["series"]
    shares = chart.get("shares") or [None] * len(series["values"])
    names = list(zip(chart["x"]["values"], series["values"], shares, strict=True))
    yield paragraph(ruler, _titled(panel), room, SMALL, bold=True, after=0.06)
    most = max((abs(value) for _, value, _ in names if value is not None), default=0) or 1
    for name, value, share in names[:MOST_BARS]:
        text = value_text(value, panel["format"]) + (f" ({share:.1f} %)" if share is not None else "")
        lines = ruler.wrapped(name, room - ruler.width(text, NORMAL, bold=True) - 0.2, NORMAL, most=3)
        height = len(lines) * line_height(NORMAL) + BAR + 0.13
        yield Block(height, partial(_bar, lines, text, (value or 0) / most, room))
    if len(names) > MOST_BARS:
        yield paragraph(ruler, f"{len(names) - MOST_BARS:,} more are in the table.", room, SMALL, color=QUIET)


def _bar(lines: Sequence[str], text: str, share: float, room: float, sheet: Paper, x: float, y: float) -> None:
    sheet.text(x, y, lines, NORMAL)
    sheet.text(x + room, y, [text], NORMAL, bold=True, right=True)
    top = y + len(lines) * line_height(NORMAL) + 0.01
    sheet.bar(x, top, room, BAR, "#eef2f4")
    sheet.bar(x, top, room * max(0.0, min(1.0, share)), BAR, COLORS[0])


def _columns(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    (panel,) = chart["panels"]
    series = panel["series"]
    yield paragraph(ruler, _titled(panel), room, SMALL, bold=True, after=0.04)
    if len(series) > 1:
        names = [(part["name"], COLORS[place % len(COLORS)], "-") for place, part in enumerate(series)]
        yield _legend(ruler, names, room)
    labels = chart["x"]["values"]
    each = (room - AXIS) / max(1, len(labels))
    step = max(1, -(-len(labels) // 12))
    texts = [
        ruler.wrapped(text, max(0.4, each * step - 0.06), SMALL, most=4) if not place % step else [""]
        for place, text in enumerate(labels)
    ]
    below = max(map(len, texts)) * line_height(SMALL) + 0.1
    yield Block(2.1 + below, partial(_column_plot, panel, texts, room))


def _column_plot(panel: Json, texts: Sequence[Sequence[str]], room: float, sheet: Paper, x: float, y: float) -> None:
    axes = sheet.axes(x + AXIS, y, room - AXIS - 0.05, 2.1)
    series = panel["series"]
    width = 0.8 / len(series)
    for number, part in enumerate(series):
        values = [value or 0 for value in part["values"]]
        places = [place - 0.4 + width * (number + 0.5) for place in range(len(values))]
        axes.bar(places, values, width * 0.92, color=COLORS[number % len(COLORS)])
    _value_axis(axes, panel["format"])
    axes.set_xticks(range(len(texts)), ["\n".join(lines) for lines in texts])
    axes.set_xlim(-0.5, len(texts) - 0.5)


def _heat(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    shape = chart["format"]
    yield paragraph(ruler, chart["title_value"], room, SMALL, bold=True, after=0.04)
    days = chart["y"]["values"]
    plot = 0.3 * len(days)
    yield Block(plot + 0.34, partial(_heat_plot, chart, plot, room))
    least, most = (value_text(chart[name], shape) for name in ("least", "most"))
    yield paragraph(ruler, f"Light: {least}. Dark: {most}. Empty: no rows.", room, SMALL, color=QUIET)


def _heat_plot(chart: Json, plot: float, room: float, sheet: Paper, x: float, y: float) -> None:
    left = 0.85
    axes = sheet.axes(x + left, y, room - left - 0.05, plot)
    columns, days = chart["x"]["values"], chart["y"]["values"]
    grid = [[float("nan")] * len(columns) for _ in days]
    for column, row, value in chart["cells"]:
        grid[row][column] = float("nan") if value is None else value
    axes.imshow(grid, aspect="auto", cmap=SHADES, vmin=min(0, chart["least"]), vmax=chart["most"] or 1)
    axes.set_xticks(range(0, len(columns), 3), columns[::3])
    axes.set_yticks(range(len(days)), days)
    axes.spines["bottom"].set_visible(False)


def _curve(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    (panel,) = chart["panels"]
    yield paragraph(ruler, _titled(panel), room, SMALL, bold=True, after=0.04)
    yield Block(2.3, partial(_curve_plot, chart, panel, room))
    for number in chart["numbers"]:
        text = f"{number['title']}: {value_text(number['value'], number['format'])}"
        yield paragraph(ruler, text, room, SMALL)


def _curve_plot(chart: Json, panel: Json, room: float, sheet: Paper, x: float, y: float) -> None:
    axes = sheet.axes(x + AXIS, y + 0.1, room - AXIS - 0.4, 1.85)
    (series,) = panel["series"]
    values = [float("nan") if value is None else value for value in series["values"]]
    axes.plot(range(len(values)), values, color=COLORS[0], linewidth=1.8, marker="o", markersize=4)
    for place, value in enumerate(values):
        if place and value == value:
            text = value_text(value, panel["format"])
            axes.annotate(
                text, (place, value), (0, 5), textcoords="offset points", fontsize=SMALL, ha="center", color=INK
            )
    _value_axis(axes, panel["format"])
    axes.set_ylim(0, 108)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_xticks(range(len(values)), chart["x"]["values"])


def _pacing(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    yield from _numbers({"numbers": chart["numbers"]}, ruler, room)
    yield from _line(chart, ruler, room)


def _map(chart: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    tiles = chart["tiles"]
    columns, rows = max(tile["x"] for tile in tiles) + 1, max(tile["y"] for tile in tiles) + 1
    size = min(room / columns, 0.26)
    yield Block(size * rows + 0.08, partial(_map_plot, tiles, columns, rows, size))
    yield space(0.05)
    yield from _bars(chart, ruler, room)


def _map_plot(tiles: Sequence[Json], columns: int, rows: int, size: float, sheet: Paper, x: float, y: float) -> None:
    axes = sheet.axes(x, y, size * columns, size * rows)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.axis("off")
    most = max((tile["value"] or 0 for tile in tiles), default=0) or 1
    for tile in tiles:
        value = tile["value"]
        share = max(0.0, value) / most if value is not None else None
        face = SHADES(0.15 + 0.85 * share) if share is not None else "none"
        axes.add_patch(
            Rectangle((tile["x"] + 0.06, tile["y"] + 0.06), 0.88, 0.88, facecolor=face, edgecolor=LINE, linewidth=0.5)
        )
        color = QUIET if share is None else GROUND if share > 0.45 else INK
        place = (tile["x"] + 0.5, tile["y"] + 0.52)
        axes.text(*place, tile["code"], fontsize=size * 72 * 0.36, ha="center", va="center", color=color)


KINDS: Mapping[str, Callable[[Json, Ruler, float], Iterator[Block]]] = {
    "numbers": _numbers,
    "line": _line,
    "bars": _bars,
    "funnel": _bars,
    "columns": _columns,
    "grouped": _columns,
    "heat": _heat,
    "curve": _curve,
    "pacing": _pacing,
    "map": _map,
}
"""By the kind of `adreel.charts.definitions.CardKind`."""
