"""The sentences below a card: what its figures cover, what is left out of them and why."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence
from datetime import date
from typing import Any

from adreel import catalog
from adreel.cards.figures import Count, Quotient, Sum
from adreel.cards.offers import HOUR, CardOffer, within_sentence
from adreel.cards.selection import CardSelection, span_text
from adreel.dates import Span

LATE = "conversion"
"""The results that cards show and that TikTok goes on adding to past days (facts in the metric's meaning)."""


def notes_of(offer: CardOffer, selection: CardSelection, incomplete: Collection[str]) -> tuple[str, ...]:
    """What belongs to a card; `incomplete` are columns of which some rows have no value."""
    return (
        *_money(offer, selection),
        *_window(offer, selection),
        *selection.notes,
        *_days(offer, selection),
        *_parts(offer, incomplete),
        *_late(offer),
    )


def others_note(offer: CardOffer, rows: Sequence[tuple[Any, ...]], values: int, total: Any) -> tuple[str, ...]:
    """How much the values have that are not shown; `rows` begin with two columns that are no figures."""
    if values <= len(rows):
        return ()
    figure = offer.figures[0]
    noun = f"the {within_sentence(figure.title)}" if isinstance(figure.computation, Sum) else "all"
    shown = sum(row[2] for row in rows)
    if not isinstance(figure.computation, Sum | Count) or not total:
        return (f"These are {len(rows)} of {values:,}.",)
    share = 100 * (1 - float(shown) / float(total))
    return (f"These are {len(rows)} of {values:,}; the others have {share:.0f} % of {noun}.",)


def gaps_note(days: Sequence[date], days_with_rows: Container[Any]) -> tuple[str, ...]:
    """How many of the days have no rows."""
    missing = sum(day not in days_with_rows for day in days)
    if not missing:
        return ()
    have = "has" if missing == 1 else "have"
    return (f"{missing} of the {len(days)} days {have} no rows: nothing was shown then, or they were not read.",)


def _money(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    if not selection.left_out or not (offer.has_money or selection.one_currency):
        return
    currency = selection.facts.currency or "a currency that is not known"
    others = ", ".join(code or "no known currency" for code in selection.left_out)
    yield f"Accounts in {currency} only: those in {others} are left out, as currencies are never added up."


def _window(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    window, open_days = selection.facts.window, selection.facts.open_days
    if window is None:
        return
    if window.end in open_days:
        yield f"{span_text(window)} was not over when the rows were read: these figures still grow."
        return
    if not offer.has_days or offer.kind == "heat":
        yield f"Figures cover {span_text(window)}."
    if open_days:
        was, has = ("was", "is") if len(open_days) == 1 else ("were", "are")
        days = span_text(Span(open_days[0], open_days[-1]))
        yield (
            f"{days} {was} not over in every account when the rows were read, and {has} left out; lines draw what "
            f"there is apart."
        )


def _days(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    has_days = offer.has_days or any(axis.by == HOUR for axis in offer.axes)
    if has_days and selection.zones > 1:
        yield f"Each account's days are its own: the accounts here are in {selection.zones} time zones."
    if offer.card.previous and selection.no_previous:
        yield selection.no_previous


def _parts(offer: CardOffer, incomplete: Collection[str]) -> Iterator[str]:
    computations = [figure.computation for figure in offer.figures]
    parts = {
        part
        for computation in computations
        if isinstance(computation, Quotient)
        for part in (computation.over, computation.under)
    }
    lacking = [catalog.metrics()[name].title for name in sorted(parts & set(incomplete))]
    if lacking:
        yield f"Some rows have no value for {', '.join(lacking)}; rates are made of the rows that have both parts."
    if offer.is_partial:
        yield "TikTok gives such rows for a part of the whole only, so sums can be less than without the breakdown."


def _late(offer: CardOffer) -> Iterator[str]:
    """What a comparison with days before has to say of results that come in for weeks."""
    computations = [figure.computation for figure in offer.figures]
    parts = {computation.column for computation in computations if isinstance(computation, Sum)}
    parts |= {
        part
        for computation in computations
        if isinstance(computation, Quotient)
        for part in (computation.over, computation.under)
    }
    if offer.card.previous and LATE in parts:
        yield (
            "Conversions are booked on the day of the ad's view or click and come in for weeks: the last days have "
            "fewer than they will have, and look worse than the days before."
        )
