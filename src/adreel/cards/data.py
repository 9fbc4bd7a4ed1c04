"""What cards show: their rows, read from the sums, with the sentences that belong to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

from adreel.cards.cubes import Ask, Cubes
from adreel.cards.figures import Count, Figure, Own, Sum, Unit
from adreel.cards.notes import gaps_note, notes_of, others_note
from adreel.cards.offers import DAY, HOUR, OUTDATED, Offer, Side
from adreel.cards.selection import Choices, Facts, Selection, days_of, select, span_text
from adreel.cards.source import Source
from adreel.cards.values import distinct, named
from adreel.catalog.cards import CardKind
from adreel.dataset import Dataset, Method, key_columns
from adreel.dates import WEEKDAYS, Span
from adreel.lake import Lake
from adreel.lake.engine import literal, quoted
from adreel.schema import columns

Value = str | int | float | bool | date | None
Role = Literal["category", "id", "series", "value", "previous_category", "previous", "open", "share"]


ORDERED = frozenset({"age"})
"""Columns whose values have an order of their own, which is that of their texts; what is not known is last."""

_WHOLE_MONEY = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
"""Currencies without a smaller unit (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class CardColumn:
    """A column of a card's rows: what it is there for, and of figures the unit and the currency."""

    name: str
    title: str
    role: Role
    unit: Unit | None = None
    currency: str | None = None
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class CardData:
    """A card's rows as plain values; numbers are exact enough to be drawn and read, not to be booked.

    `notes` are sentences that belong to the rows. With a `refusal` there are no rows; `is_empty` says that there is
    nothing to draw.
    """

    offer: Offer
    columns: tuple[CardColumn, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no row has a figure."""
        values = self.places("value")
        return not any(row[number] is not None for row in self.rows for number in values)

    def places(self, role: Role) -> tuple[int, ...]:
        """Where the columns of that role stand in a row."""
        return tuple(number for number, column in enumerate(self.columns) if column.role == role)

    def is_open(self, row: tuple[Value, ...]) -> bool:
        """Whether the row is of a day that was not over."""
        return any(row[number] for number in self.places("open"))


@dataclass(frozen=True, slots=True)
class CardsData:
    """The cards of a page, in the order of the offers, and what there is to choose from."""

    cards: tuple[CardData, ...]
    facts: Facts


def cards_data(
    lake: Lake,
    slug: str,
    dataset: Dataset,
    offers: Sequence[Offer],
    choices: Choices | None = None,
    *,
    read_at: datetime,
    methods: Collection[Method] = (),
    names: Mapping[str, str] = MappingProxyType({}),
) -> CardsData:
    """What the cards show of the newest version of the table `slug`, read in one go.

    `read_at` is the aware time at which the run began that read the rows: days that were not over then are told
    apart. `methods` are the update methods that made the version, if the dataset had others before. `names` are those
    of advertisers by their ids, for tables without a column of them. Raises NotFoundError if there is no table,
    InputError for choices that the table does not have, StorageError.
    """
    there = frozenset(one.name for one in columns(dataset)) & frozenset(lake.table(slug).schema.names)
    if not there.issuperset(key_columns(dataset)):
        nothing = Facts(rows=0, currencies=(), advertisers=(), currency=None, first=None, last=None)
        return CardsData(tuple(CardData(offer, refusal=offer.refusal or OUTDATED) for offer in offers), nothing)
    with lake.connect({"rows": slug}) as connection:
        source = Source(connection)
        selection = select(source, dataset, there, choices or Choices(), read_at, methods)
        if selection.refusal is not None:
            cards = tuple(CardData(offer, refusal=offer.refusal or selection.refusal) for offer in offers)
            return CardsData(cards, selection.facts)
        shown = [offer for offer in offers if offer.refusal is None]
        reading = _Reading(Cubes(source, dataset, there, selection, shown), selection, names)
        cards = tuple(
            reading.card(offer) if offer.refusal is None else CardData(offer, refusal=offer.refusal) for offer in offers
        )
        return CardsData(cards, selection.facts)


def card_data(
    lake: Lake,
    slug: str,
    dataset: Dataset,
    offer: Offer,
    choices: Choices | None = None,
    *,
    read_at: datetime,
    methods: Collection[Method] = (),
    names: Mapping[str, str] = MappingProxyType({}),
) -> CardData:
    """What one card shows; as `cards_data`, which is better for several."""
    found = cards_data(lake, slug, dataset, (offer,), choices, read_at=read_at, methods=methods, names=names)
    return found.cards[0]


class _Reading:
    """Reads card after card from the sums."""

    def __init__(self, cubes: Cubes, selection: Selection, advertisers: Mapping[str, str]) -> None:
        self._cubes = cubes
        self._selection = selection
        self._advertisers = advertisers
        self._facts = selection.facts
        self._by_kind: Mapping[CardKind, Callable[[Offer], CardData]] = {
            "numbers": self._numbers,
            "line": self._line,
            "bars": self._bars,
            "columns": self._months,
            "grouped": self._grouped,
            "funnel": self._funnel,
            "heat": self._heat,
        }

    def card(self, offer: Offer) -> CardData:
        """The card's rows and all its notes."""
        found = self._by_kind[offer.kind](offer)
        return replace(found, notes=(*found.notes, *notes_of(offer, self._selection, self._cubes.incomplete)))

    def _values(self, offer: Offer, role: Role = "value") -> tuple[CardColumn, ...]:
        """The columns of a card's figures."""
        return tuple(
            CardColumn(
                name=one.name if role == "value" else f"{role} {one.name}",
                title=one.title if role == "value" else f"{one.title}, days before",
                role=role,
                unit=one.unit,
                currency=self._facts.currency if one.unit == "money" else None,
                decimals=_decimals(one, self._facts.currency),
            )
            for one in offer.figures
        )

    def _numbers(self, offer: Offer) -> CardData:
        previous = self._facts.previous
        periods = (self._facts.window, *([previous] if previous else []))
        found = [next(_plain(self._cubes.rows(Ask(offer, days=span))), None) for span in periods]
        blank = (None,) * len(offer.figures)
        rows = [
            (span_text(span) if span else "All rows", *(one or blank)) for span, one in zip(periods, found, strict=True)
        ]
        head = (CardColumn("period", "Days", "category"), *self._values(offer))
        return CardData(offer, head, tuple(rows) if any(found) else ())

    # -- by day

    def _line(self, offer: Offer) -> CardData:
        shown = self._selection.shown
        if shown is None:
            return CardData(offer)
        if len(offer.sides) > 1:
            return self._lines(offer, offer.sides[1], shown)
        previous = self._facts.previous if offer.card.previous else None
        now, before = self._by_day(offer, shown), self._by_day(offer, previous)
        blank = (None,) * len(offer.figures)
        earlier = days_of(previous)
        rows = []
        for number, day in enumerate(days_of(shown)):
            row = (day, day in self._facts.open_days, *now.get(day, blank))
            past = earlier[number] if number < len(earlier) else None
            rows.append((*row, past, *before.get(past, blank)) if earlier else row)
        found = (CardColumn("day", "Day", "category"), CardColumn("open", "Not over", "open"), *self._values(offer))
        if earlier:
            found += (CardColumn("previous day", "Day before", "previous_category"), *self._values(offer, "previous"))
        return CardData(offer, found, tuple(rows), gaps_note(days_of(self._facts.window), now))

    def _by_day(self, offer: Offer, days: Span | None) -> dict[Value, tuple[Value, ...]]:
        if days is None:
            return {}
        return {row[0]: row[1:] for row in _plain(self._cubes.rows(Ask(offer, (DAY,), days=days)))}

    def _lines(self, offer: Offer, side: Side, shown: Span) -> CardData:
        """A line for each of the values that have the most."""
        first = offer.figures[0]
        # A row's own values are compared one by one: the greatest of each.
        most = f"max({quoted('=' + first.name)})" if isinstance(first.making, Own) else self._cubes.value(first)
        tail = f"ORDER BY {most} DESC NULLS LAST, {quoted(side.by)} LIMIT {offer.card.limit}"
        best = self._cubes.rows(
            Ask(offer, (side.by,), _labels(side), self._facts.window, extra=("count(*) OVER ()",), tail=tail)
        )
        names = dict(zip((row[0] for row in best), self._names(side, best, 1), strict=True))
        condition = " OR ".join(_is(side.by, value) for value in names) or "false"
        found: dict[tuple[Any, Any], tuple[Value, ...]] = {
            (row[0], row[1]): row[2:]
            for row in _plain(self._cubes.rows(Ask(offer, (side.by, DAY), days=shown, conditions=(condition,))))
        }
        blank = (None,) * len(offer.figures)
        rows = [
            (day, day in self._facts.open_days, name, *found.get((value, day), blank))
            for value, name in names.items()
            for day in days_of(shown)
        ]
        head = (
            CardColumn("day", "Day", "category"),
            CardColumn("open", "Not over", "open"),
            CardColumn(side.by, side.title, "series"),
        )
        left = best[0][-1] - len(best) if best else 0
        notes = (f"{left:,} more {'is' if left == 1 else 'are'} not drawn.",) if left else ()
        return CardData(offer, (*head, *self._values(offer)), tuple(rows), notes)

    def _names(self, side: Side, rows: Sequence[tuple[Any, ...]], place: int) -> list[str]:
        """What the values of the first column are called: by the names at `place`, else by themselves."""
        known = self._advertisers if side.by == "advertiser_id" else {}
        names = [
            str(row[place]) if side.label and row[place] else known.get(row[0]) or named(side.by, row[0])
            for row in rows
        ]
        return distinct(names, [str(row[0]) for row in rows])

    # -- by values

    def _bars(self, offer: Offer) -> CardData:
        side, first = offer.sides[0], offer.figures[0]
        most = self._cubes.value(first)
        having = [f"{most} IS NOT NULL"]
        if offer.floor is not None and offer.card.at_least is not None:
            having.append(f"{self._cubes.value(offer.floor)} >= {offer.card.at_least[1]}")
        tail = f"HAVING {' AND '.join(having)} ORDER BY {most} DESC, {quoted(side.by)} LIMIT {offer.card.limit}"
        is_summed = isinstance(first.making, Sum | Count)
        extra = ("count(*) OVER ()", f"sum({most}) OVER ()" if is_summed else "NULL")
        by = (side.by,) if side.by == "advertiser_id" or not _is_own(offer) else (side.by, "advertiser_id")
        labels = _labels(side)
        found = self._cubes.rows(Ask(offer, by, labels, self._facts.window, extra=extra, tail=tail))
        if all(row[0] in (None, "") for row in found):
            # Nothing to compare: the column has no values.
            found = []
        names = self._names(side, found, len(by))
        skipped = len(by) + len(labels)
        rows = [
            (row[0] if row[0] is None else str(row[0]), name, *(_number(value) for value in row[skipped:-2]))
            for row, name in zip(found, names, strict=True)
        ]
        if side.by in ORDERED:
            rows.sort(key=lambda row: (row[0] in (None, "", "NONE"), str(row[0])))
        title = side.title.removesuffix(" ID")
        head = (CardColumn("id", side.title, "id"), CardColumn("name", title, "category"))
        notes = others_note(offer, rows, found[0][-2], found[0][-1]) if found else ()
        return CardData(offer, (*head, *self._values(offer)), tuple(rows), notes)

    def _months(self, offer: Offer) -> CardData:
        by = offer.sides[0].by
        found = dict(_plain(self._cubes.rows(Ask(offer, (by,), tail=f"ORDER BY {quoted(by)}"))))
        undated = found.pop(None, None)
        months = [month for month in found if isinstance(month, date)]
        rows = [(month, found.get(month, 0)) for month in _months(months)]
        notes = (f"{undated:,} have no such date.",) if undated else ()
        return CardData(offer, (CardColumn("month", "Month", "category"), *self._values(offer)), tuple(rows), notes)

    def _grouped(self, offer: Offer) -> CardData:
        across, series = offer.sides
        ask = Ask(offer, (across.by, series.by), days=self._facts.window)
        rows = sorted(_plain(self._cubes.rows(ask)), key=lambda row: [(one == "NONE", str(one)) for one in row[:2]])
        head = (CardColumn(across.by, across.title, "category"), CardColumn(series.by, series.title, "series"))
        named_rows = ((named(across.by, row[0]), named(series.by, row[1]), *row[2:]) for row in rows)
        return CardData(offer, (*head, *self._values(offer)), tuple(named_rows))

    def _funnel(self, offer: Offer) -> CardData:
        found = next(iter(_plain(self._cubes.rows(Ask(offer, days=self._facts.window)))), ())
        rows = [
            (figure.title, value, _share(value, found[0])) for figure, value in zip(offer.figures, found, strict=False)
        ]
        head = (
            CardColumn("step", "Step", "category"),
            CardColumn("value", "Number", "value", "count"),
            CardColumn("share", f"Share of {offer.figures[0].title}", "share", "percent", decimals=1),
        )
        return CardData(offer, head, tuple(rows))

    def _heat(self, offer: Offer) -> CardData:
        """An hour's average over the weeks: its sum over the number of such weekdays, as days are of equal length."""
        figure = offer.figures[0]
        sums: dict[tuple[int, int], Any] = defaultdict(int)
        for day, hour, value in self._cubes.rows(Ask(offer, (DAY, HOUR), days=self._facts.window)):
            if value is not None:
                sums[day.weekday(), hour] += value
        weekdays = Counter(day.weekday() for day in days_of(self._facts.window))
        rows = [
            (f"{hour:02}", WEEKDAYS[weekday].capitalize(), _number(sums[weekday, hour]) / count)
            for weekday, count in sorted(weekdays.items())
            for hour in range(24)
            if (weekday, hour) in sums
        ]
        head = (
            CardColumn("hour", "Hour", "category"),
            CardColumn("weekday", "Weekday", "series"),
            replace(self._values(offer)[0], title=f"{figure.title}, average", decimals=2),
        )
        return CardData(offer, head, tuple(rows))


def _decimals(figure: Figure, currency: str | None) -> int:
    is_whole = figure.unit == "count" or (isinstance(figure.making, Sum) and currency in _WHOLE_MONEY)
    return 0 if is_whole else 2


def _is_own(offer: Offer) -> bool:
    return any(isinstance(figure.making, Own) for figure in offer.figures)


def _labels(side: Side) -> tuple[str, ...]:
    return (side.label,) if side.label else ()


def _is(column: str, value: str | bool | None) -> str:
    """The condition that a column has the value."""
    if value is None:
        return f"{quoted(column)} IS NULL"
    return f"{quoted(column)} = {literal(value) if isinstance(value, str) else value}"


def _plain(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows with numbers as ints and floats."""
    return (tuple(_number(value) for value in row) for row in rows)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _share(value: float | None, whole: float | None) -> float | None:
    return 100 * value / whole if value is not None and whole else None


def _months(there: Sequence[date]) -> Iterator[date]:
    """Every month from the first to the last."""
    if not there:
        return
    month = there[0]
    while month <= there[-1]:
        yield month
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
