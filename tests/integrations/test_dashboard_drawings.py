"""Every chart as it is drawn for a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from test_dashboard_delivery import DRAWN, LONG, document_with


@pytest.mark.filterwarnings("ignore:Glyph")
def test_no_text_of_a_picture_or_page_is_cut_and_none_lies_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from adreel.dashboards import drawing, paper

    sheets: list[paper.Paper] = []

    class Watched(paper.Paper):
        def __init__(self, width: float, height: float) -> None:
            super().__init__(width, height)
            sheets.append(self)

    monkeypatch.setattr(drawing, "Paper", Watched)
    document = document_with(DRAWN)
    missing = drawing.draw({"document": document, "png": str(tmp_path / "a.png"), "pdf": str(tmp_path / "a.pdf")})
    assert (tmp_path / "a.png").stat().st_size > 50_000
    assert (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page ") >= 5
    assert isinstance(missing, tuple)
    texts: list[str] = []
    for sheet in sheets:
        canvas: Any = FigureCanvasAgg(sheet.figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        width, height = canvas.get_width_height()
        for text in [*sheet.figure.texts, *(text for axes in sheet.figure.axes for text in axes.texts)]:
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, text.get_text()
            assert box.x1 <= width + 1, text.get_text()
            assert box.y0 >= -1, text.get_text()
            assert box.y1 <= height + 1, text.get_text()
            texts.append(text.get_text())
    whole = "".join("".join(texts).split())
    for name in (LONG, "x" * 300, "$a_b^2${c}\\d"):
        assert "".join(name.split()) in whole, name
