"""The process that draws a dashboard: `python -m adreel.dashboards.drawing`, with the order as JSON on stdin.

A process of its own, so that neither server nor worker has matplotlib in memory. The order has the document of
`adreel.dashboards.document`, and the paths of the files to write; the answer on stdout lists letters without a font.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages

from adreel.dashboards.paper import (
    DANGER,
    LARGE,
    LINE,
    NORMAL,
    QUIET,
    SMALL,
    WARNING,
    Block,
    Paper,
    Ruler,
    line_height,
    paragraph,
    set_up,
    space,
)
from adreel.dashboards.shapes import blocks_of

Json = Mapping[str, Any]

PICTURE_WIDTH = 5.2
PICTURE_DPI = 200
"""1,040 pixels wide: on a phone, letters have the size of its own texts."""

MOST_HEIGHT = 44.0
"""Inches of a picture: Telegram takes up to 10,000 pixels of width and height together. The PDF has all."""

PAGE_WIDTH, PAGE_HEIGHT = 8.27, 11.69
"""A4."""

MARGIN = 0.35
PAGE_MARGIN = 0.7
MOST_ROWS = 200
"""Rows of one table in the PDF."""

MOST_COLUMNS = 5
"""Columns of a table beside the first; more follow below."""


def draw(order: Json) -> tuple[str, ...]:
    """Writes the files of the order; returns the letters that no font of the machine has."""
    set_up()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ruler = Ruler()
        if order.get("png"):
            _picture(order["document"], ruler, Path(order["png"]))
        if order.get("pdf"):
            _pdf(order["document"], ruler, Path(order["pdf"]))
    glyphs = [re.search(r"Glyph (\d+)", str(warning.message)) for warning in caught]
    return tuple(sorted({chr(int(match[1])) for match in glyphs if match}))


# -- a card


def _card(card: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    """The card of a chart: what it is, how fresh it is, the chart, and notes."""
    yield paragraph(ruler, card["title"], room, LARGE, bold=True, after=0.02)
    if card["meaning"]:
        yield paragraph(ruler, card["meaning"], room, SMALL, color=QUIET)
    if card["source"]:
        yield paragraph(ruler, card["source"], room, SMALL, color=QUIET)
    if card["trouble"]:
        yield paragraph(ruler, card["trouble"], room, SMALL, color=WARNING, bold=True, most=5)
    yield space(0.1)
    if card["problem"]:
        yield paragraph(ruler, card["problem"], room, NORMAL, color=DANGER)
    elif card["chart"] is None or card["chart"]["empty"]:
        yield paragraph(ruler, "No data for this chart.", room, NORMAL, color=QUIET)
    else:
        yield from blocks_of(card["chart"], ruler, room)
    for note in card["notes"]:
        yield paragraph(ruler, note, room, SMALL, color=QUIET)


def _head(document: Json, ruler: Ruler, room: float) -> Iterator[Block]:
    yield paragraph(ruler, document["title"], room, 17, bold=True)
    yield paragraph(ruler, document["subtitle"], room, SMALL, color=QUIET)
    if not document["cards"]:
        yield paragraph(ruler, "This dashboard has no charts.", room, NORMAL)


def _rule(room: float) -> Block:
    return Block(0.36, lambda sheet, x, y: sheet.rule(x, y + 0.18, room))


# -- the picture


def _picture(document: Json, ruler: Ruler, path: Path) -> None:
    room = PICTURE_WIDTH - 2 * MARGIN
    blocks = list(_head(document, ruler, room))
    left_out = 0
    for card in document["cards"]:
        card_blocks = [_rule(room), *_card(card, ruler, room)]
        if left_out or sum(block.height for block in (*blocks, *card_blocks)) > MOST_HEIGHT:
            left_out += 1
        else:
            blocks += card_blocks
    if left_out:
        charts = "1 more chart is" if left_out == 1 else f"{left_out} more charts are"
        blocks += [_rule(room), paragraph(ruler, f"{charts} in the PDF and on the page.", room, NORMAL)]
    sheet = Paper(PICTURE_WIDTH, sum(block.height for block in blocks) + 2 * MARGIN)
    _stack(blocks, sheet, MARGIN, MARGIN)
    metadata = {"Title": document["title"], "Creation Time": document["made_at"], "Software": "adreel"}
    sheet.figure.savefig(path, format="png", dpi=PICTURE_DPI, metadata=metadata)


def _stack(blocks: Sequence[Block], sheet: Paper, x: float, y: float) -> float:
    for block in blocks:
        block.draw(sheet, x, y)
        y += block.height
    return y


# -- the PDF


class _PagedPdf:
    """Pages that fill up from the top, with a line at the foot of each."""

    def __init__(self, pdf: Any, document: Json, ruler: Ruler) -> None:
        self._pdf = pdf
        self._document = document
        self._ruler = ruler
        self._number = 0
        self._sheet: Paper | None = None
        self._y = 0.0
        self.room = PAGE_WIDTH - 2 * PAGE_MARGIN

    def add(self, blocks: Sequence[Block], *, before: float = 0.0) -> None:
        """Puts blocks below each other: on this page if all fit, else on the next, and over several if need be."""
        bottom = PAGE_HEIGHT - PAGE_MARGIN
        if self._sheet is not None and self._y + before + sum(block.height for block in blocks) > bottom:
            self.end()
        for block in blocks:
            if self._sheet is not None and self._y + block.height > bottom and self._y > PAGE_MARGIN:
                self.end()
            if self._sheet is None:
                self._sheet, self._y, before = Paper(PAGE_WIDTH, PAGE_HEIGHT), PAGE_MARGIN, 0.0
            self._y += before
            before = 0.0
            block.draw(self._sheet, PAGE_MARGIN, self._y)
            self._y += block.height

    def end(self) -> None:
        """Ends the page, if there is one."""
        if self._sheet is None:
            return
        self._number += 1
        y = PAGE_HEIGHT - 0.5
        foot = self._ruler.wrapped(
            f"{self._document['title']} · {self._document['subtitle']}", self.room - 0.6, SMALL, most=1
        )
        self._sheet.text(PAGE_MARGIN, y, foot, SMALL, color=QUIET)
        self._sheet.text(PAGE_WIDTH - PAGE_MARGIN, y, [str(self._number)], SMALL, color=QUIET, right=True)
        self._pdf.savefig(self._sheet.figure)
        self._sheet = None


def _pdf(document: Json, ruler: Ruler, path: Path) -> None:
    made_at = datetime.fromisoformat(document["made_at"])
    metadata = {
        "Title": document["title"],
        "Creator": "adreel",
        "CreationDate": made_at,
        "Subject": document["subtitle"],
    }
    with PdfPages(path, metadata=metadata) as pdf:
        pages = _PagedPdf(pdf, document, ruler)
        pages.add(list(_head(document, ruler, pages.room)))
        for card in document["cards"]:
            pages.add(list(_card(card, ruler, pages.room)), before=0.3)
        pages.end()
        for card in document["cards"]:
            if card["table"] and card["table"]["rows"]:
                _table(card, ruler, pages)
        pages.end()


def _table(card: Json, ruler: Ruler, pages: _PagedPdf) -> None:
    """The figures of a card as a table; of many columns, some at a time beside the first."""
    table = card["table"]
    head = [
        paragraph(ruler, card["title"], pages.room, LARGE, bold=True, after=0.02),
        paragraph(ruler, card["source"] or "", pages.room, SMALL, color=QUIET, after=0.06),
    ]
    others = list(range(1, len(table["head"])))
    for start in range(0, max(1, len(others)), MOST_COLUMNS):
        columns = [0, *others[start : start + MOST_COLUMNS]]
        widths = _widths(columns, pages.room)
        numeric = [table["numeric"][column] for column in columns]
        title = _row([table["head"][column] for column in columns], widths, numeric, ruler, bold=True)
        rows = [_row([row[column] for column in columns], widths, numeric, ruler) for row in table["rows"][:MOST_ROWS]]
        pages.add([*head, title, *rows[:1]], before=0.35)
        pages.add(())
        for row in rows[1:]:
            pages.add([row])
        head = [space(0.01)]
    if len(table["rows"]) > MOST_ROWS:
        pages.add(
            [paragraph(ruler, f"{len(table['rows']) - MOST_ROWS:,} more rows are on the page.", pages.room, SMALL)]
        )


def _widths(columns: Sequence[int], room: float) -> list[float]:
    """The first column, which has names, is the widest."""
    if len(columns) == 1:
        return [room]
    first = room * max(0.3, 0.62 - 0.08 * len(columns))
    return [first, *[(room - first) / (len(columns) - 1)] * (len(columns) - 1)]


def _row(
    texts: Sequence[str], widths: Sequence[float], numeric: Sequence[bool], ruler: Ruler, *, bold: bool = False
) -> Block:
    """A row of a table, with every text in full."""
    cells = [ruler.wrapped(text, width - 0.12, SMALL, bold=bold) for text, width in zip(texts, widths, strict=True)]
    height = max(map(len, cells)) * line_height(SMALL) + 0.08
    return Block(height, partial(_draw_row, cells, widths, numeric, height, bold))


def _draw_row(
    cells: Sequence[Sequence[str]],
    widths: Sequence[float],
    numeric: Sequence[bool],
    height: float,
    bold: bool,
    sheet: Paper,
    x: float,
    y: float,
) -> None:
    left = x
    for cell, width, is_number in zip(cells, widths, numeric, strict=True):
        place = left + width - 0.06 if is_number else left
        sheet.text(place, y + 0.02, cell, SMALL, bold=bold, right=is_number)
        left += width
    sheet.rule(x, y + height, sum(widths), LINE, thick=1.0 if bold else 0.5)


def main() -> None:
    """Reads the order from stdin and writes the answer to stdout."""
    missing = draw(json.load(sys.stdin))
    json.dump({"missing": "".join(missing)}, sys.stdout)


if __name__ == "__main__":
    main()
