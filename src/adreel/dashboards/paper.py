"""Sheets of paper to draw on: places in inches from the top left corner, texts that are measured and wrapped.

Only the process that draws imports this, as matplotlib takes time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

INK, QUIET, LINE, GROUND = "#182433", "#5c6773", "#d9dee3", "#ffffff"
WARNING, DANGER = "#8a5a00", "#b3261e"
COLORS = ("#0b7285", "#c2570c", "#6741a8", "#2b7a3d", "#b02a6b", "#5c6773", "#1d4ed8", "#8a6d00")
"""As on pages: distinct for color-blind people (after Okabe and Ito)."""

FONTS = (
    "Noto Sans", "DejaVu Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Thai", "Noto Sans Devanagari",
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "UnDotum", "Noto Emoji",
)  # fmt: skip
"""Fonts that are used where the machine has them, each for the letters that those before it lack."""

SMALL, NORMAL, LARGE, HUGE = 8.0, 9.5, 12.5, 18.0
LEADING = 1.32
"""Height of a line, in heights of its letters."""

POINT = 1 / 72


def set_up() -> None:
    """Chooses fonts, and texts that stay texts in a PDF; no letter of a name is read as a formula."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    mpl.rcParams["font.family"] = [name for name in FONTS if name in installed] or ["DejaVu Sans"]
    mpl.rcParams["pdf.fonttype"] = 42
    mpl.rcParams["text.parse_math"] = False
    mpl.rcParams["axes.unicode_minus"] = False


def line_height(size: float) -> float:
    """The height of a line of text, in inches."""
    return size * LEADING * POINT


class Ruler:
    """Measures texts, and breaks them into lines."""

    def __init__(self) -> None:
        self._dpi = 144
        canvas: Any = FigureCanvasAgg(Figure(dpi=self._dpi))
        self._renderer = canvas.get_renderer()
        self._widths: dict[tuple[str, float, bool], float] = {}
        self._wrapped: dict[tuple[str, float, float, bool, int | None], list[str]] = {}

    def width(self, text: str, size: float = NORMAL, *, bold: bool = False) -> float:
        """The width of a text in inches."""
        key = (text, size, bold)
        if key not in self._widths:
            font = FontProperties(size=size, weight="bold" if bold else "normal")
            width, _, _ = self._renderer.get_text_width_height_descent(text, font, False)
            self._widths[key] = width / self._dpi
        return self._widths[key]

    def wrapped(
        self, text: str, room: float, size: float = NORMAL, *, bold: bool = False, most: int | None = None
    ) -> list[str]:
        """The text in lines that fit, broken between words, and within a word that is too long for a line.

        Of more than `most` lines the middle of the text is left out, as names often differ at their ends.
        """
        key = (text, room, size, bold, most)
        if key not in self._wrapped:
            self._wrapped[key] = self._shortened(text, room, size, bold=bold, most=most)
        return self._wrapped[key]

    def _shortened(self, text: str, room: float, size: float, *, bold: bool, most: int | None) -> list[str]:
        lines = self._lines(plain(text), room, size, bold=bold)
        if most is None or len(lines) <= most:
            return lines
        text = plain(text)
        kept = len(text)
        while kept > 2 and len(lines) > most:
            kept = min(kept - 1, kept * 9 // 10)
            lines = self._lines(f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}", room, size, bold=bold)
        return lines

    def _lines(self, text: str, room: float, size: float, *, bold: bool) -> list[str]:
        lines, line = [], ""
        for word in _words(text):
            if line and self.width((line + word).rstrip(), size, bold=bold) > room:
                lines.append(line.rstrip())
                line = ""
            line += word
            while len(line) > 1 and self.width(line.rstrip(), size, bold=bold) > room:
                fitting = self._fitting(line, room, size, bold=bold)
                lines.append(line[:fitting])
                line = line[fitting:]
        return [*lines, line.rstrip()] if line.strip() or not lines else lines

    def _fitting(self, text: str, room: float, size: float, *, bold: bool) -> int:
        """How many of the first letters fit; at least one."""
        least, most = 1, len(text) - 1
        while least < most:
            middle = (least + most + 1) // 2
            if self.width(text[:middle], size, bold=bold) > room:
                most = middle - 1
            else:
                least = middle
        return least


def plain(text: str) -> str:
    """The text in one line, without characters that cannot be drawn."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


def _words(text: str) -> list[str]:
    """The words, each with what follows it up to the next."""
    words, word = [], ""
    for letter in text:
        word += letter
        if letter in " -_/,|":
            words.append(word)
            word = ""
    return [*words, word] if word else words


class Paper:
    """A figure of a size in inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor=GROUND)

    def text(self, x: float, y: float, lines: Sequence[str], size: float = NORMAL, **look: Any) -> None:
        """Lines of text whose top is at `y`; `right` aligns them to end at `x`."""
        align = "right" if look.get("right") else "center" if look.get("center") else "left"
        for number, line in enumerate(lines):
            # The letters stand in the middle of the line.
            top = y + number * line_height(size) + (line_height(size) - size * POINT) / 2
            self.figure.text(
                x / self.width,
                1 - (top + size * POINT * 0.8) / self.height,
                line,
                fontsize=size,
                color=look.get("color", INK),
                fontweight="bold" if look.get("bold") else "normal",
                ha=align,
                va="baseline",
            )

    def bar(self, x: float, y: float, width: float, height: float, color: str) -> None:
        """A filled rectangle."""
        self.figure.add_artist(
            Rectangle(
                (x / self.width, 1 - (y + height) / self.height),
                max(0.0, width) / self.width,
                height / self.height,
                transform=self.figure.transFigure,
                facecolor=color,
                edgecolor="none",
            )
        )

    def rule(self, x: float, y: float, width: float, color: str = LINE, *, thick: float = 0.8, dash: Any = "-") -> None:
        """A horizontal line."""
        ends = (x / self.width, (x + width) / self.width)
        height = 1 - y / self.height
        self.figure.add_artist(
            Line2D(
                ends, (height, height), color=color, linewidth=thick, linestyle=dash, transform=self.figure.transFigure
            )
        )

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes at a place, with quiet lines."""
        axes = self.figure.add_axes(
            (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        )
        axes.set_facecolor(GROUND)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(LINE)
        axes.tick_params(length=0, labelsize=SMALL, labelcolor=QUIET)
        return axes


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a page that is not divided: its height in inches, and what draws it at a place of a sheet."""

    height: float
    draw: Callable[[Paper, float, float], None]


def space(height: float) -> Block:
    """Nothing."""
    return Block(height, lambda _sheet, _x, _y: None)


def paragraph(ruler: Ruler, text: str, room: float, size: float = NORMAL, **look: Any) -> Block:
    """A text in as many lines as it takes, or at most `most` of them."""
    lines = ruler.wrapped(text, room, size, bold=bool(look.get("bold")), most=look.pop("most", None))
    return Block(
        len(lines) * line_height(size) + look.pop("after", 0.0),
        lambda sheet, x, y: sheet.text(x, y, lines, size, **look),
    )
