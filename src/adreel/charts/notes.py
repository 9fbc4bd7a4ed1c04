"""The notes below a chart: what its figures cover, and what is left out and why."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence
from datetime import date
from typing import Any

from adreel import catalog
from adreel.charts.available import HOUR, CardOffer, within_sentence
from adreel.charts.definitions import LATE
from adreel.charts.measures import Count, Formula, Quotient, Sum
from adreel.charts.selection import CardSelection, span_text
from adreel.dates import Span


def notes_of(offer: CardOffer, selection: CardSelection, incomplete: Collection[str]) -> tuple[str, ...]:
    """All notes of a card; `incomplete` are columns that are null in some rows."""
    return (
        *_money(offer, selection),
        *_window(offer, selection),
        *selection.notes,
        *_days(offer, selection),
        *_parts(offer, incomplete),
        *_late(offer, selection),
    )


def others_note(offer: CardOffer, shown: Sequence[float], values: int, total: Any) -> tuple[str, ...]:
    """The share of the values that are not shown. `shown` are the first figures of those that are.

    `values` is the number of all values, `total` the sum of the first figure over them.
    """
    if values <= len(shown):
        return ()
    figure = offer.figures[0]
    noun = f"the {within_sentence(figure.title)}" if isinstance(figure.computation, Sum) else "all"
    if not isinstance(figure.computation, Sum | Count) or not total:
        return (f"Shows {len(shown)} of {values:,}.",)
    share = 100 * (1 - float(sum(shown)) / float(total))
    return (f"Shows {len(shown)} of {values:,}; the others have {share:.0f} % of {noun}.",)


def gaps_note(days: Sequence[date], days_with_rows: Container[Any]) -> tuple[str, ...]:
    """A note on the days without rows, if there are any."""
    missing = sum(day not in days_with_rows for day in days)
    if not missing:
        return ()
    have, they = ("has", "it was") if missing == 1 else ("have", "they were")
    return (f"{missing} of the {len(days)} days {have} no rows: no ads were delivered, or {they} not read.",)


def _money(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    if selection.conversion is not None and offer.has_money:
        yield from selection.conversion.notes
    if not selection.left_out or not (offer.has_money or selection.one_currency):
        return
    currency = selection.facts.currency or "an unknown currency"
    others = ", ".join(code or "an unknown currency" for code in selection.left_out)
    yield f"Ad accounts in {currency} only. Ad accounts in {others} are left out, as currencies are never summed."


def _window(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    window, open_days = selection.facts.window, selection.facts.open_days
    if window is None:
        return
    if window.end in open_days:
        yield f"{span_text(window)} was in progress when the rows were read. Figures will increase."
        return
    if not offer.has_days or offer.kind == "heat":
        yield f"Figures cover {span_text(window)}."
    if open_days:
        was, has = ("was", "is") if len(open_days) == 1 else ("were", "are")
        days = span_text(Span(open_days[0], open_days[-1]))
        yield f"{days} {was} in progress in some ad accounts when the rows were read and {has} left out of sums."
        if offer.kind == "line":
            yield "Dotted lines and hollow points mark incomplete days."


def _days(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    has_days = offer.has_days or any(axis.by == HOUR for axis in offer.axes)
    if has_days and selection.zones > 1:
        yield f"Days are in each ad account's time zone; these ad accounts are in {selection.zones} time zones."
    if not offer.card.previous:
        return
    if selection.no_previous:
        yield selection.no_previous
    window, previous = selection.facts.window, selection.facts.previous
    if window is not None and previous is not None and previous.days != window.days:
        before, now = _days_text(previous.days), _days_text(window.days)
        yield f"The {selection.previous_name} has {before}, the selected one {now}; sums are of all days of each."


def _parts(offer: CardOffer, incomplete: Collection[str]) -> Iterator[str]:
    computations = [figure.computation for figure in offer.figures]
    parts = {
        part
        for computation in computations
        if isinstance(computation, Quotient | Formula)
        for part in computation.parts
    }
    lacking = [catalog.metrics()[name].title for name in sorted(parts & set(incomplete))]
    if lacking:
        yield f"Some rows have no value for {', '.join(lacking)}; rates use only rows that have all of their parts."
    if offer.is_partial:
        yield "TikTok returns this breakdown for a part of delivery only, so sums can be lower than without it."


def _late(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    """A caveat of comparisons with the previous period: TikTok adds conversions to past days for weeks."""
    computations = [figure.computation for figure in offer.figures]
    parts = {computation.column for computation in computations if isinstance(computation, Sum)}
    parts |= {
        part
        for computation in computations
        if isinstance(computation, Quotient | Formula)
        for part in computation.parts
    }
    if offer.card.previous and selection.facts.previous is not None and LATE in parts:
        yield (
            "TikTok attributes conversions to the day of the view or click and adds them for weeks: recent days are "
            f"incomplete and look worse than the {selection.previous_name}."
        )


def _days_text(count: int) -> str:
    return f"{count:,} {'day' if count == 1 else 'days'}"
