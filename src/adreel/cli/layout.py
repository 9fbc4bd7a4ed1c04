"""How a table fits a terminal: which columns are shown, how wide, and where their texts are wrapped.

Numbers, ids, dates and amounts with their currency stay on one line. Other texts are wrapped between words. What does
not fit then is left out by whole columns, never cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len, chop_cells

GAP = 3
"""Characters between two columns."""

LONGEST_WORD, LONGEST_ADDRESS = 60, 24
"""Characters of the longest word, and the longest path or URL, that is never folded.

Ids, dates, amounts and names of columns are shorter.
"""

NARROWEST_TEXT, NARROWEST_SENTENCE, SENTENCE = 16, 20, 60
"""Characters that a column of wrapped texts has at least; the second one for texts longer than the third.

Only sentences in so narrow a column have longer words folded.
"""

_NUMBER = re.compile(r"[+-]?[\d.,:-]*\d")
_UNIT = re.compile(r"[A-Z]{3}|[\d.:+-]+Z?")
"""What belongs to the number before it: a currency code, or the time of a date."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that are shown, by their number, and the width of each."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]


def layout(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    hidden_first: Sequence[str],
    longest_sentence: int | None = None,
) -> Layout:
    """Fits a table to `width` characters.

    Columns are left out in the order of `hidden_first`, then from the right; the first column always stays, and is
    folded where even it is too wide. Texts longer than `longest_sentence` are wrapped, however wide the table may be.
    """
    columns = [[head, *(row[number] for row in rows)] for number, head in enumerate(heads)]
    least = [_least(column) for column in columns]
    natural = [max(map(cell_len, column)) for column in columns]
    if longest_sentence is not None:
        # Numbers, IDs and names stay whole.
        natural = [
            max(narrowest, longest_sentence) if widest > longest_sentence else widest
            for narrowest, widest in zip(least, natural, strict=True)
        ]
    shown = list(range(len(heads)))
    for number in _hiding_order(heads, hidden_first):
        if sum(least[column] for column in shown) + GAP * (len(shown) - 1) <= width:
            break
        shown.remove(number)
    if len(shown) == 1:
        return Layout(tuple(shown), (min(natural[shown[0]], width),))
    spare = width - sum(least[column] for column in shown) - GAP * (len(shown) - 1)
    return Layout(
        tuple(shown), _shared([least[column] for column in shown], [natural[column] for column in shown], spare)
    )


def _hiding_order(heads: Sequence[str], hidden_first: Sequence[str]) -> Iterator[int]:
    named = [heads.index(name) for name in hidden_first if name in heads]
    yield from named
    yield from (number for number in range(len(heads) - 1, 0, -1) if number not in named)


def _least(column: Sequence[str]) -> int:
    """The width that a column has at least: of its widest piece, and wide enough to read the texts under its head."""
    natural = max(map(cell_len, column[1:]), default=0)
    piece = max((_unfolded(piece) for cell in column for piece in _pieces(cell)), default=0)
    if natural > SENTENCE:
        return max(NARROWEST_SENTENCE, cell_len(column[0]))
    return max(piece, min(natural, NARROWEST_TEXT))


def _unfolded(piece: str) -> int:
    return min(cell_len(piece), LONGEST_ADDRESS if "/" in piece else LONGEST_WORD)


def _shared(least: Sequence[int], natural: Sequence[int], spare: int) -> tuple[int, ...]:
    """The widths of columns that share `spare` characters: those that lack little are served first."""
    widths = list(least)
    lacking = sorted(range(len(least)), key=lambda number: natural[number] - least[number])
    for served, number in enumerate(lacking):
        more = min(natural[number] - least[number], spare // (len(lacking) - served))
        widths[number] += more
        spare -= more
    return tuple(widths)


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` characters, wrapped between words; only longer words are folded."""
    if cell_len(text) <= width:
        return text
    lines = [""]
    for piece in _pieces(text):
        joined = f"{lines[-1]} {piece}" if lines[-1] else piece
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines[len(lines) - (not lines[-1]) :] = chop_cells(piece, width)
    return "\n".join(lines)


def _pieces(text: str) -> list[str]:
    """The words of a text; a number stays together with its currency, a date with its time."""
    words = text.split()
    pieces = words[:1]
    for before, word in pairwise(words):
        if _NUMBER.fullmatch(before) and _UNIT.fullmatch(word):
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces
