"""A dashboard as a file to keep: the one answer of page and command line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from adreel.access import Guard
from adreel.dashboards.cards import CommonPeriod, pinned_cards
from adreel.dashboards.document import document_of
from adreel.dashboards.rendering import render
from adreel.lake import Lake
from adreel.store import Dashboard
from adreel.store.audit import AuditAction, Subject

KINDS = ("png", "pdf")
"""A picture, or pages to print."""


def write_file(
    home: Path,
    guard: Guard,
    lake: Lake,
    board: Dashboard,
    now: datetime,
    path: Path,
    period: CommonPeriod | None = None,
) -> tuple[int, str]:
    """Writes a dashboard as the actor sees it, in one of `KINDS` by the ending of the file, and records that.

    Returns the number of its charts, and the letters that no font of the machine has. Raises what `render` raises.
    """
    cards = pinned_cards(guard, lake, board, now, period)
    document = document_of(board, cards, guard.store.workspace.get(), now)
    kind = path.suffix[1:].lower()
    missing = render(home, document, png=path if kind == "png" else None, pdf=path if kind == "pdf" else None)
    guard.store.audit.add(AuditAction.DASHBOARD_EXPORT, Subject.of(board), {"format": kind})
    return len(cards), missing
