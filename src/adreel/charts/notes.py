"""The notes below a chart: what its figures cover, and what is left out and why."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from adreel import catalog
from adreel.charts.available import HOUR, CardOffer
from adreel.charts.definitions import LATE
from adreel.charts.measures import Computation, Count, Formula, Own, Quotient, Sum, columns_of
from adreel.charts.selection import CardSelection, span_text
from adreel.dates import Span
from adreel.language import decimal, integer, phrase, phrases, within_sentence


def notes_of(offer: CardOffer, selection: CardSelection, incomplete: Collection[str]) -> tuple[str, ...]:
    """All notes of a card; `incomplete` are columns that are null in some rows."""
    return (
        *_money(offer, selection),
        *_window(offer, selection),
        *selection.notes,
        *_days(offer, selection),
        *_parts(offer, incomplete),
        *_late(offer, selection),
        *late_metrics_notes((offer,), selection),
    )


def late_metrics_notes(offers: Iterable[CardOffer], selection: CardSelection) -> tuple[str, ...]:
    """What is said of metrics that were not complete on the last day, of those that the cards show."""
    columns = {name for offer in offers for figure in offer.figures for name in columns_of(figure.computation)}
    window = selection.facts.window
    return tuple(
        late.sentence if window and late.complete_until >= window.start else late.sentence_without_days
        for late in selection.late
        if columns.intersection(late.metrics)
    )


def others_note(offer: CardOffer, shown: Sequence[float], values: int, total: Any) -> tuple[str, ...]:
    """The share of the values that are not shown. `shown` are the first figures of those that are.

    `values` is the number of all values, `total` the sum of the first figure over them.
    """
    if values <= len(shown):
        return ()
    figure, numbers = offer.figures[0], {"shown": integer(len(shown)), "values": integer(values)}
    if not isinstance(figure.computation, Sum | Count) or not total:
        return (phrase("Shows %(shown)s of %(values)s.", **numbers),)
    numbers["share"] = decimal(100 * (1 - float(sum(shown)) / float(total)), 0)
    if isinstance(figure.computation, Count):
        return (phrase("Shows %(shown)s of %(values)s; the others have %(share)s %% of all.", **numbers),)
    return (
        phrase(
            "Shows %(shown)s of %(values)s; the others have %(share)s %% of the %(figure)s.",
            figure=within_sentence(figure.title),
            **numbers,
        ),
    )


def incomplete_note(open_days: Sequence[date]) -> str:
    """A note on days that follow those that are summed."""
    return phrases(
        "%(days)s was not complete in some ad accounts when the rows were read and is left out of sums.",
        "%(days)s were not complete in some ad accounts when the rows were read and are left out of sums.",
        len(open_days),
        days=span_text(Span(open_days[0], open_days[-1])),
    )


def gaps_note(days: Sequence[date], days_with_rows: Container[Any]) -> tuple[str, ...]:
    """A note on the days without rows, if there are any."""
    missing = sum(day not in days_with_rows for day in days)
    if not missing:
        return ()
    return (
        phrases(
            "%(missing)s of the %(days)s days has no rows: no ads were delivered, or it was not read.",
            "%(missing)s of the %(days)s days have no rows: no ads were delivered, or they were not read.",
            missing,
            missing=integer(missing),
            days=integer(len(days)),
        ),
    )


def _money(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    if selection.conversion is not None and offer.has_money:
        yield from selection.conversion.notes
    if not selection.left_out or not (offer.has_money or selection.one_currency):
        return
    currency = selection.facts.currency or phrase("an unknown currency")
    others = ", ".join(code or phrase("an unknown currency") for code in selection.left_out)
    yield phrase(
        "Ad accounts in %(currency)s only. Ad accounts in %(others)s are left out, as currencies are never summed.",
        currency=currency,
        others=others,
    )


def _window(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    window, open_days = selection.facts.window, selection.facts.open_days
    if window is None:
        return
    if window.end in open_days:
        yield phrase(
            "%(days)s was not complete when the rows were read. Figures will increase.", days=span_text(window)
        )
        return
    if offer.card.last_day:
        yield phrase("As of %(day)s.", day=span_text(Span(window.end, window.end)))
    elif not offer.has_days or offer.kind == "heat":
        yield phrase("Figures cover %(days)s.", days=span_text(window))
    if open_days:
        yield incomplete_note(open_days)
        if offer.kind == "line":
            yield phrase("Dotted lines and hollow points mark incomplete days.")


def _days(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    has_days = offer.has_days or any(axis.by == HOUR for axis in offer.axes)
    if has_days and selection.zones > 1:
        yield phrase(
            "Days are in each ad account's time zone; these ad accounts are in %(zones)s time zones.",
            zones=integer(selection.zones),
        )
    if not offer.card.previous:
        return
    if selection.facts.no_previous:
        yield selection.facts.no_previous
    window, previous = selection.facts.window, selection.facts.previous
    if window is not None and previous is not None and previous.days != window.days:
        yield phrase(
            "The %(previous_period)s has %(previous_days)s, the selected one %(days)s; sums are of all days of each.",
            previous_period=selection.previous_name,
            previous_days=_days_text(previous.days),
            days=_days_text(window.days),
        )


def _parts(offer: CardOffer, incomplete: Collection[str]) -> Iterator[str]:
    computations = [figure.computation for figure in offer.figures]
    parts = {
        part
        for computation in computations
        if isinstance(computation, Quotient | Formula)
        for part in computation.parts
    }
    lacking = [str(catalog.metrics()[name].title) for name in sorted(parts & set(incomplete))]
    if lacking:
        yield phrase(
            "Some rows have no value for %(metrics)s; rates use only rows that have all of their parts.",
            metrics=", ".join(lacking),
        )
    if offer.is_partial:
        yield phrase("TikTok returns this breakdown for a part of delivery only, so sums can be lower than without it.")


def is_late(computation: Computation) -> bool:
    """Whether a figure is one that TikTok adds to for weeks, or is computed from one."""
    return not isinstance(computation, Own) and LATE in columns_of(computation)


def _late(offer: CardOffer, selection: CardSelection) -> Iterator[str]:
    """A caveat of comparisons with the previous period: TikTok adds conversions to past days for weeks."""
    late = any(is_late(figure.computation) for figure in offer.figures)
    if offer.card.previous and selection.facts.previous is not None and late:
        yield (
            phrase(
                "TikTok attributes conversions to the day of the view or click and adds them for weeks: "
                "recent days are incomplete and look worse than the %(previous_period)s.",
                previous_period=selection.previous_name,
            )
        )


def _days_text(count: int) -> str:
    return phrases("%(days)s day", "%(days)s days", count, days=integer(count))
