"""A dashboard as plain values: what is drawn as a picture and a PDF, and the text of a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from adreel.charts import CardData, as_table, chart_of
from adreel.charts.echarts import NO_VALUE
from adreel.charts.labels import amount
from adreel.charts.selection import span_text
from adreel.dashboards.cards import PinnedCard, PinState
from adreel.store import Dashboard, Workspace

MOST_LINES = 5
"""Rows of a table in the text of a message."""

LONGEST_TROUBLE = 300

Document = dict[str, Any]


def document_of(
    board: Dashboard, cards: Sequence[PinnedCard], workspace: Workspace, now: datetime, note: str = ""
) -> Document:
    """The dashboard with its cards, all times in the zone of the workspace; `note` is said at the top."""
    subtitle = f"{workspace.name} · {_time(now, workspace.zone)}"
    return {
        "title": board.name,
        "subtitle": f"{subtitle} · {note}" if note else subtitle,
        "made_at": now.isoformat(),
        "cards": [_card(card, workspace.zone) for card in cards],
    }


def _card(card: PinnedCard, zone: str) -> Document:
    chart = card.chart if card.state is PinState.SHOWN else None
    data = chart.data if chart else None
    # Why a chart is refused is said in place of its figures, like what is wrong with the card.
    problem = card.problem or (data.refusal if data else "") or ""
    return {
        "title": card.title or "Chart",
        "meaning": _meaning(data) if data else "",
        "source": " · ".join(_source(card, zone)),
        "trouble": " ".join(filter(None, (card.trouble, card.period_note)))[:LONGEST_TROUBLE],
        "problem": problem,
        "chart": chart_of(data) if data and not problem else None,
        "table": asdict(as_table(data)) if data and not problem else None,
        "notes": list(data.notes) if data else [],
    }


def _meaning(data: CardData) -> str:
    """What the chart shows, without sentences on the table, which is below it on pages only."""
    converted = f"{data.converted}, converted. " if data.converted else ""
    sentences = f"{converted}{data.meaning}".replace(". ", ".\n").split("\n")
    return " ".join(sentence for sentence in sentences if "table below" not in sentence)


def _source(card: PinnedCard, zone: str) -> Iterator[str]:
    """The dataset, the days, and when they were read."""
    if card.saved is not None:
        yield card.saved.name
    facts = card.chart.facts if card.chart else None
    if facts is not None and facts.window is not None:
        previous = facts.previous if card.chart is not None and card.chart.offer.card.previous else None
        compared = f", compared with {span_text(previous)}" if previous else ""
        yield span_text(facts.window) + compared
    if card.standing is not None and card.standing.read_at is not None:
        yield f"read {_time(card.standing.read_at, zone)}"


def _time(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def summary(document: Mapping[str, Any]) -> str:
    """The document as the text of a message: of each card its source, what is wrong, and its first figures."""
    blocks = [f"{document['title']}\n{document['subtitle']}"]
    blocks += ["\n".join(_lines(card)) for card in document["cards"]]
    return "\n\n".join(blocks) if document["cards"] else f"{blocks[0]}\n\nThis dashboard has no charts."


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    yield card["title"]
    if card["source"]:
        yield card["source"]
    if card["trouble"]:
        yield card["trouble"]
    chart = card["chart"]
    if chart is not None and chart["converted"]:
        yield f"Money is converted to {chart['converted']}."
    if card["problem"]:
        yield card["problem"]
    elif chart is None or chart["empty"]:
        yield "No data for this chart."
    elif chart["kind"] == "numbers":
        yield from _numbers(chart)
    else:
        yield from _rows(chart["kind"], card["table"])


def _numbers(chart: Mapping[str, Any]) -> Iterator[str]:
    for number in chart["numbers"]:
        shape, change = number["format"], number.get("change")
        value = NO_VALUE
        if number["value"] is not None:
            value = amount(number["value"], shape["unit"], shape["currency"], shape["decimals"])
        yield f"- {number['title']}: {value}" + (f" ({change:+.1f} %)" if change is not None else "")


def _rows(kind: str, table: Mapping[str, Any]) -> Iterator[str]:
    """The largest values; of days the latest."""
    rows = table["rows"][-MOST_LINES:] if kind in ("line", "pacing") else table["rows"][:MOST_LINES]
    # Bars are ranked by their first figure; the others are in the table of the PDF.
    most = 1 if kind in ("bars", "map") else len(table["head"]) - 1
    for row in rows:
        titled = list(zip(table["head"][1:], row[1:], strict=True))[:most]
        values = [f"{title} {text}" if len(titled) > 1 else text for title, text in titled]
        yield f"- {row[0]}: {', '.join(values)}"
    left_out = len(table["rows"]) - len(rows)
    if left_out:
        yield f"  and {left_out:,} more row{'' if left_out == 1 else 's'}"
