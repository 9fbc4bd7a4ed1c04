"""The rows of cards, read from the tables of sums, with their notes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

from adreel.charts.aggregates import CubeQuery, Cubes
from adreel.charts.available import DAY, HOUR, OUTDATED, CardAxis, CardOffer, missing_of
from adreel.charts.daily_lists import card_source, charted, columns, key_columns, names_in
from adreel.charts.definitions import QUARTERS, CardKind
from adreel.charts.labels import distinct, named, named_by
from adreel.charts.measures import CardFigure, Count, Own, Sum, Unit, columns_of
from adreel.charts.notes import gaps_note, late_metrics_notes, notes_of, others_note
from adreel.charts.pacing import Budget, Pacing, pacing
from adreel.charts.selection import MOST_NAMED, CardChoices, CardFacts, CardSelection, days_of, select, span_text
from adreel.charts.tiles import country_tiles
from adreel.datasets.dataset import Dataset
from adreel.dates import Span
from adreel.enumerations import first_of
from adreel.exchange_rates import Rates
from adreel.lake import Lake
from adreel.lake.engine import literal, quoted
from adreel.language import WEEKDAYS, Phrase, integer, phrase, phrases, shown_day, within_sentence
from adreel.update_methods import Method

Value = str | int | float | bool | date | None
Role = Literal["category", "id", "series", "value", "previous_category", "previous", "open", "share", "picture"]


ORDERED = frozenset({"age"})
"""Columns whose values have an order of their own, which is that of their texts; what is not known is last."""

_SMART_AD = "smart_plus_ad_id"
_SMART_ADS_BY_ID = Phrase(
    "TikTok's report has no names of Smart+ ads. A dataset from the template Smart+ ads and their creatives has them, "
    "and this chart shows them then."
)

_NAMED_APART = ("advertiser_id", "material_id", "campaign_id", "adgroup_id", "smart_plus_ad_id")
"""Columns of IDs whose names are not in the table."""

_WHOLE_MONEY = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
"""Currencies without a smaller unit (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class CardColumn:
    """A column of a card's rows: its role, and for figures the unit, currency and decimals to show."""

    name: str
    title: str
    role: Role
    unit: Unit | None = None
    currency: str | None = None
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class CardData:
    """A card's rows as plain values; amounts are floats, exact enough for charts but not for accounting.

    `notes` are sentences about the rows. With a `refusal` there are no rows. `previous_name` is what the period that
    the rows are compared with is called in a sentence. `pacing` is that of the card of this name, with a budget.
    `converted` is the currency that money was converted to, None if no figure depends on one or none was.
    `complete_until` is the last complete day of figures that are later than the others, by name.
    """

    offer: CardOffer
    columns: tuple[CardColumn, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str | None = None
    previous_name: str = Phrase("previous period")
    pacing: Pacing | None = None
    converted: str | None = None
    complete_until: Mapping[str, date] = field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """What the chart shows, with the period compared with only where there is one."""
        if self.offer.kind == "line" and self.places("previous"):
            return phrase(
                "%(meaning)s Dashed: the %(previous_period)s.",
                meaning=self.offer.meaning,
                previous_period=self.previous_name,
            )
        return self.offer.meaning

    @property
    def is_empty(self) -> bool:
        """Whether no row has a figure."""
        values = self.places("value")
        return not any(row[number] is not None for row in self.rows for number in values)

    def places(self, role: Role) -> tuple[int, ...]:
        """The positions of the columns with that role."""
        return tuple(number for number, column in enumerate(self.columns) if column.role == role)

    def is_open(self, row: tuple[Value, ...]) -> bool:
        """Whether the row is of a day that was incomplete when the rows were read."""
        return any(row[number] for number in self.places("open"))

    def is_late(self, row: tuple[Value, ...], place: int) -> bool:
        """Whether the figure at that position was incomplete on the day of the row, although others were not."""
        until = self.complete_until.get(self.columns[place].name)
        days = [row[number] for number in self.places("category")]
        return until is not None and any(isinstance(day, date) and day > until for day in days)


@dataclass(frozen=True, slots=True)
class CardsData:
    """The cards of a page, in the order of the offers, and the table's facts for filters."""

    cards: tuple[CardData, ...]
    facts: CardFacts


def cards_data(
    lake: Lake,
    slug: str,
    dataset: Dataset,
    offers: Sequence[CardOffer],
    choices: CardChoices | None = None,
    *,
    read_at: datetime,
    methods: Collection[Method] = (),
    names: Mapping[str, str] = MappingProxyType({}),
    rates: Rates | None = None,
) -> CardsData:
    """The data of all offers, read together from the newest version of the table `slug`.

    `read_at` is the aware start time of the run that read the rows: days that were incomplete then are left out of
    sums. `methods` are the update methods that wrote the version, if the dataset had others before. `names` are
    names of ad accounts and creatives by id, for tables without a column of them. `rates` are for choices that convert
    money.

    Raises NotFoundError if there is no table, InputError for choices that the table does not have, and StorageError.
    """
    dataset = charted(dataset)
    stored_names = names_in(dataset, lake.table(slug).schema.names)
    names_in_table = frozenset(column.name for column in columns(dataset)) & stored_names
    if not names_in_table.issuperset(key_columns(dataset)):
        no_facts = CardFacts(rows=0, currencies=(), advertisers=(), currency=None, first=None, last=None)
        return CardsData(tuple(CardData(offer, refusal=offer.refusal or OUTDATED) for offer in offers), no_facts)
    with card_source(lake, slug, dataset) as source:
        selection = select(source, dataset, names_in_table, choices or CardChoices(), read_at, methods, rates, names)
        facts = replace(selection.facts, missing=missing_of(dataset, names_in_table))
        refusals = {offer.key: _refusal(offer, selection) for offer in offers}
        shown = [offer for offer in offers if refusals[offer.key] is None]
        late_notes = late_metrics_notes(shown, selection)
        facts = replace(facts, choice_notes=(*facts.choice_notes, *late_notes))
        if not shown:
            return CardsData(tuple(CardData(offer, refusal=refusals[offer.key]) for offer in offers), facts)
        reading = _CardReader(Cubes(source, dataset, names_in_table, selection, shown), selection, names)
        cards = tuple(
            CardData(offer, refusal=refusal) if (refusal := refusals[offer.key]) is not None else reading.card(offer)
            for offer in offers
        )
        return CardsData(cards, facts)


def _refusal(offer: CardOffer, selection: CardSelection) -> str | None:
    """Why the card cannot be shown; None if it can."""
    money_refusal = selection.facts.conversion_refusal if offer.has_money else None
    return offer.refusal or selection.refusal or money_refusal


def card_data(
    lake: Lake,
    slug: str,
    dataset: Dataset,
    offer: CardOffer,
    choices: CardChoices | None = None,
    *,
    read_at: datetime,
    methods: Collection[Method] = (),
    names: Mapping[str, str] = MappingProxyType({}),
    rates: Rates | None = None,
) -> CardData:
    """The data of one offer; `cards_data` is faster for several. Same arguments and errors."""
    page = cards_data(
        lake, slug, dataset, (offer,), choices, read_at=read_at, methods=methods, names=names, rates=rates
    )
    return page.cards[0]


class _CardReader:
    """Reads cards one by one from the tables of sums."""

    def __init__(self, cubes: Cubes, selection: CardSelection, names: Mapping[str, str]) -> None:
        self._cubes = cubes
        self._selection = selection
        self._names_by_id = names
        self._facts = selection.facts
        self._by_kind: Mapping[CardKind, Callable[[CardOffer], CardData]] = {
            "numbers": self._numbers,
            "line": self._line,
            "bars": self._bars,
            "columns": self._months,
            "grouped": self._grouped,
            "funnel": self._funnel,
            "heat": self._heat,
            "curve": self._curve,
            "map": self._map,
            "pacing": self._pacing,
        }

    def card(self, offer: CardOffer) -> CardData:
        """The card's rows and notes."""
        data = self._by_kind[offer.kind](offer)
        notes = (*data.notes, *notes_of(offer, self._selection, self._cubes.incomplete))
        converted = self._facts.convert if offer.has_money else None
        return replace(
            data,
            notes=notes,
            previous_name=self._selection.previous_name,
            converted=converted,
            complete_until={
                figure.name: until for figure in offer.figures if (until := self._complete_until(figure)) is not None
            },
        )

    def _complete_until(self, figure: CardFigure) -> date | None:
        return self._selection.complete_until(columns_of(figure.computation))

    def _values(self, offer: CardOffer, role: Role = "value") -> tuple[CardColumn, ...]:
        """The columns of a card's figures."""
        previous_name = self._selection.previous_name
        return tuple(
            CardColumn(
                name=figure.name if role == "value" else f"{role} {figure.name}",
                title=self._title(figure) if role == "value" else f"{self._title(figure)}, {previous_name}",
                role=role,
                unit=figure.unit,
                currency=self._facts.currency if figure.unit == "money" else None,
                decimals=_decimals(figure, self._facts.currency),
            )
            for figure in offer.figures
        )

    def _title(self, figure: CardFigure) -> str:
        """The figure's title; converted amounts say so wherever they are named."""
        is_converted = figure.unit == "money" and self._facts.convert is not None
        return (
            phrase("%(figure)s (%(currency)s, converted)", figure=figure.title, currency=self._facts.convert)
            if is_converted
            else str(figure.title)
        )

    def _title_with_currency(self, figure: CardFigure) -> str:
        """The figure's title with what its amounts are in."""
        is_plain = figure.unit == "money" and self._facts.convert is None and self._facts.currency
        return f"{figure.title} ({self._facts.currency})" if is_plain else self._title(figure)

    def _numbers(self, offer: CardOffer) -> CardData:
        previous = self._facts.previous
        periods = (self._facts.window, *([previous] if previous else []))
        days = [self._complete_until(figure) for figure in offer.figures]
        totals = {until: self._totals(offer, until) for until in dict.fromkeys((None, *days))}
        rows = [
            (
                span_text(span) if span else self._rows_text(),
                *(totals[until][number][place] for place, until in enumerate(days)),
            )
            for number, span in enumerate(periods)
        ]
        values = tuple(
            replace(value, title=phrase("%(figure)s until %(day)s", figure=value.title, day=shown_day(until)))
            if until is not None and self._ends_early(until)
            else value
            for value, until in zip(self._values(offer), days, strict=True)
        )
        head = (CardColumn("period", phrase("Days"), "category"), *values)
        has_rows = any(value is not None for total in totals[None] for value in total)
        return CardData(offer, head, tuple(rows) if has_rows else ())

    def _rows_text(self) -> str:
        """What the rows of a table without days cover."""
        return span_text(self._facts.range) if self._facts.range else phrase("All rows")

    def _ends_early(self, until: date) -> bool:
        """Whether the window has days until then and after."""
        window = self._facts.window
        return window is not None and window.start <= until < window.end

    def _totals(self, offer: CardOffer, until: date | None) -> list[tuple[Value, ...]]:
        """The figures of the window and of the period compared with, of both without the days after `until`.

        Where the window has no earlier day, or a period of another length is compared with, nothing is compared.
        """
        window, previous = self._facts.window, self._facts.previous
        compared: tuple[Span | None, ...] = (previous,) if previous else ()
        blank: tuple[Value, ...] = (None,) * len(offer.figures)
        if until is not None and window is not None:
            end = min(until, window.end)
            if previous is not None:
                is_alike = window.start <= end and (end == window.end or previous.days == window.days)
                shorter = Span(previous.start, previous.end - (window.end - end)) if is_alike else None
                compared = (shorter if shorter and shorter.end <= until else None,)
            window = Span(window.start, end) if window.start <= end else window
        now = next(_plain(self._cubes.rows(CubeQuery(offer, days=window))), blank)
        before = [
            blank if span is None else next(_plain(self._cubes.rows(CubeQuery(offer, days=span))), blank)
            for span in compared
        ]
        return [now, *before]

    # -- by day

    def _line(self, offer: CardOffer) -> CardData:
        shown = self._selection.shown
        if shown is None:
            return CardData(offer)
        if len(offer.axes) > 1:
            return self._lines(offer, offer.axes[1], shown)
        previous = self._facts.previous if offer.card.previous else None
        now, before = self._by_day(offer, shown), self._by_day(offer, previous)
        blank = (None,) * len(offer.figures)
        earlier = days_of(previous)
        untils = [self._complete_until(figure) for figure in offer.figures]
        rows = []
        for number, day in enumerate(days_of(shown)):
            row = (day, day in self._facts.open_days, *now.get(day, blank))
            past = earlier[number] if number < len(earlier) else None
            compared = (
                None if until is not None and max(day, past or day) > until else value
                for value, until in zip(before.get(past, blank), untils, strict=True)
            )
            rows.append((*row, past, *compared) if earlier else row)
        head = (
            CardColumn("day", phrase("Day"), "category"),
            CardColumn("open", phrase("In progress"), "open"),
            *self._values(offer),
        )
        if earlier:
            head += (
                CardColumn(
                    "previous day",
                    phrase("Day in %(previous_period)s", previous_period=self._selection.previous_name),
                    "previous_category",
                ),
                *self._values(offer, "previous"),
            )
        return CardData(offer, head, tuple(rows), gaps_note(days_of(self._facts.window), now))

    def _by_day(self, offer: CardOffer, days: Span | None) -> dict[Value, tuple[Value, ...]]:
        if days is None:
            return {}
        return {row[0]: row[1:] for row in _plain(self._cubes.rows(CubeQuery(offer, (DAY,), days=days)))}

    def _lines(self, offer: CardOffer, axis: CardAxis, shown: Span) -> CardData:
        """A line for each of the values that rank highest by the first figure."""
        first = offer.figures[0]
        # Own values cannot be summed, so values rank by their greatest one.
        most = f"max({quoted('=' + first.name)})" if isinstance(first.computation, Own) else self._cubes.value(first)
        tail = f"ORDER BY {most} DESC NULLS LAST, {quoted(axis.by)} LIMIT {offer.card.limit}"
        best = self._cubes.rows(
            CubeQuery(offer, (axis.by,), _labels(axis), self._facts.window, extra=("count(*) OVER ()",), tail=tail)
        )
        names = dict(zip((row[0] for row in best), self._names(axis, best, 1), strict=True))
        condition = " OR ".join(_is(axis.by, value) for value in names) or "false"
        figures_by_day: dict[tuple[Any, Any], tuple[Value, ...]] = {
            (row[0], row[1]): row[2:]
            for row in _plain(self._cubes.rows(CubeQuery(offer, (axis.by, DAY), days=shown, conditions=(condition,))))
        }
        blank = (None,) * len(offer.figures)
        rows = [
            (day, day in self._facts.open_days, name, *figures_by_day.get((value, day), blank))
            for value, name in names.items()
            for day in days_of(shown)
        ]
        head = (
            CardColumn("day", phrase("Day"), "category"),
            CardColumn("open", phrase("In progress"), "open"),
            CardColumn(axis.by, str(axis.title), "series"),
        )
        hidden = best[0][-1] - len(best) if best else 0
        notes = (
            (
                phrases(
                    "%(values)s more value is not shown.",
                    "%(values)s more values are not shown.",
                    hidden,
                    values=integer(hidden),
                ),
            )
            if hidden
            else ()
        )
        return CardData(offer, (*head, *self._values(offer)), tuple(rows), notes)

    def _names(self, axis: CardAxis, rows: Sequence[tuple[Any, ...]], place: int) -> list[str]:
        """Display names of the values in the first column: the label at `place`, else a name of the value itself."""
        names_by_id = self._names_by_id if axis.by in _NAMED_APART else {}
        names = [
            named(axis.label, row[place])
            if axis.label and row[place]
            else names_by_id.get(row[0]) or named(axis.by, row[0])
            for row in rows
        ]
        return distinct(names, [str(row[0]) for row in rows])

    # -- by values

    def _days(self, offer: CardOffer) -> Span | None:
        """The days that the values are of: those of the window, or its last."""
        window = self._facts.window
        return Span(window.end, window.end) if window and offer.card.last_day else window

    def _bars(self, offer: CardOffer) -> CardData:
        axis, first = offer.axes[0], offer.figures[0]
        most = self._cubes.value(first)
        with_value = f"HAVING {most} IS NOT NULL"
        enough = "" if offer.floor is None else f" AND {self._cubes.value(offer.floor)} >= {offer.least}"
        order = "ASC" if offer.is_cheapest_first else "DESC"
        ranked = f" ORDER BY {most} {order}, {quoted(axis.by)} LIMIT {offer.card.limit}"
        is_summed = isinstance(first.computation, Sum | Count)
        extra = ("count(*) OVER ()", f"sum({most}) OVER ()" if is_summed else "NULL")
        has_own = any(isinstance(figure.computation, Own) for figure in offer.figures)
        by = (axis.by, "advertiser_id") if has_own and axis.by != "advertiser_id" else (axis.by,)
        labels = _labels(axis)
        query = CubeQuery(offer, by, labels, self._days(offer), extra=extra, tail=with_value + enough + ranked)
        sums = self._cubes.rows(query)
        is_floored = bool(sums and enough) and offer.card.at_least is None
        if not sums and offer.card.at_least is None and enough:
            # None has as many results: they are ranked all the same.
            sums = self._cubes.rows(replace(query, tail=with_value + ranked))
        if all(row[0] in (None, "") for row in sums):
            # The column has no values to compare.
            sums = []
        names = self._names(axis, sums, len(by))
        skipped = len(by) + len(labels)
        has_shares = offer.has_shares and isinstance(first.computation, Sum)
        rows = [
            (
                row[0] if row[0] is None else str(row[0]),
                name,
                *((_address(row[skipped - 1]),) if axis.picture else ()),
                *(_number(value) for value in row[skipped:-2]),
                *((_share(row[skipped], row[-1]),) if has_shares else ()),
            )
            for row, name in zip(sums, names, strict=True)
        ]
        if axis.by in ORDERED:
            rows.sort(key=lambda row: (row[0] in (None, "", "NONE"), str(row[0])))
        head: tuple[CardColumn, ...] = (
            CardColumn("id", str(axis.title), "id"),
            CardColumn("name", named_by(axis.title), "category"),
        )
        if axis.picture:
            head += (CardColumn("picture", phrase("Picture"), "picture"),)
        values = self._values(offer)
        if has_shares:
            share_title = phrase("Share of %(figure)s", figure=within_sentence(first.title))
            values += (CardColumn("share", share_title, "share", "percent", decimals=1),)
        first_values = [row[-len(values)] for row in rows]
        notes = others_note(offer, first_values, sums[0][-2], sums[0][-1]) if sums else ()
        if is_floored and offer.floor is not None:
            notes = (
                phrase(
                    "Values with fewer than %(least)s %(results)s are not ranked.",
                    least=integer(offer.least),
                    results=within_sentence(offer.floor.title),
                ),
                *notes,
            )
        if axis.by == "material_id" and any(row[0] in self._names_by_id for row in rows):
            notes = (*notes, phrase("Creatives have the names of the ads that use them."))
        if axis.by == _SMART_AD and not any(row[0] in self._names_by_id for row in rows):
            notes = (*notes, phrase(_SMART_ADS_BY_ID))
        return CardData(offer, (*head, *values), tuple(rows), notes)

    def _map(self, offer: CardOffer) -> CardData:
        """Bars of all countries; those without a tile are named, as they are in the table only."""
        data = self._bars(offer)
        (place,), (name,) = data.places("id"), data.places("category")
        elsewhere = [str(row[name]) for row in data.rows if row[place] not in country_tiles()]
        if not elsewhere:
            return data
        note = phrase("Not on the map, but in the table: %(countries)s.", countries=first_of(elsewhere, MOST_NAMED))
        return replace(data, notes=(*data.notes, note))

    def _months(self, offer: CardOffer) -> CardData:
        by = offer.axes[0].by
        counts = dict(_plain(self._cubes.rows(CubeQuery(offer, (by,), tail=f"ORDER BY {quoted(by)}"))))
        undated = counts.pop(None, None)
        months = [month for month in counts if isinstance(month, date)]
        rows = [(month, counts.get(month, 0)) for month in _months(months)]
        notes = (
            (phrases("%(rows)s has no such date.", "%(rows)s have no such date.", undated, rows=integer(undated)),)
            if undated
            else ()
        )
        return CardData(
            offer, (CardColumn("month", phrase("Month"), "category"), *self._values(offer)), tuple(rows), notes
        )

    def _grouped(self, offer: CardOffer) -> CardData:
        if len(offer.axes) == 1:
            return self._grouped_figures(offer, offer.axes[0])
        across, series = offer.axes
        query = CubeQuery(offer, (across.by, series.by), days=self._facts.window)
        rows = sorted(
            _plain(self._cubes.rows(query)), key=lambda row: [(value == "NONE", str(value)) for value in row[:2]]
        )
        head = (
            CardColumn(across.by, str(across.title), "category"),
            CardColumn(series.by, str(series.title), "series"),
        )
        named_rows = ((named(across.by, row[0]), named(series.by, row[1]), *row[2:]) for row in rows)
        return CardData(offer, (*head, *self._values(offer)), tuple(named_rows))

    def _grouped_figures(self, offer: CardOffer, axis: CardAxis) -> CardData:
        """The card's figures side by side for each of the values that have most of the first."""
        has_own = any(isinstance(figure.computation, Own) for figure in offer.figures)
        by = (axis.by, "advertiser_id") if has_own and axis.by != "advertiser_id" else (axis.by,)
        labels = _labels(axis)
        most = self._cubes.value(offer.figures[0])
        tail = f"ORDER BY {most} DESC NULLS LAST, {quoted(axis.by)} LIMIT {offer.card.limit}"
        extra = ("count(*) OVER ()",)
        best = self._cubes.rows(CubeQuery(offer, by, labels, self._days(offer), extra=extra, tail=tail))
        names, skipped = self._names(axis, best, len(by)), len(by) + len(labels)
        rows = [
            (name, self._title_with_currency(figure), _number(row[skipped + place]))
            for row, name in zip(best, names, strict=True)
            for place, figure in enumerate(offer.figures)
        ]
        head = (
            CardColumn(axis.by, named_by(axis.title), "category"),
            CardColumn("figure", phrase("Figure"), "series"),
            replace(self._values(offer)[0], title=phrase("Amount")),
        )
        first = [_number(row[skipped]) for row in best]
        return CardData(offer, head, tuple(rows), others_note(offer, first, best[0][-1], None) if best else ())

    def _funnel(self, offer: CardOffer) -> CardData:
        steps = next(iter(_plain(self._cubes.rows(CubeQuery(offer, days=self._facts.window)))), ())
        rows = [
            (str(figure.title), value, 100 * value / steps[0] if value is not None and steps[0] else None)
            for figure, value in zip(offer.figures, steps, strict=False)
        ]
        head = (
            CardColumn("step", phrase("Step"), "category"),
            CardColumn("value", phrase("Number"), "value", "count"),
            CardColumn(
                "share", phrase("Share of %(figure)s", figure=offer.figures[0].title), "share", "percent", decimals=1
            ),
        )
        return CardData(offer, head, tuple(rows))

    def _curve(self, offer: CardOffer) -> CardData:
        shares = next(iter(_plain(self._cubes.rows(CubeQuery(offer, days=self._facts.window)))), ())
        rows = [(phrase("Start"), "", 100.0)] if any(share is not None for share in shares) else []
        for figure, share in zip(offer.figures, shares, strict=False):
            rows.append((str(figure.title), QUARTERS.get(figure.name, ""), share))
        head = (
            CardColumn("step", phrase("Part of the video"), "category"),
            CardColumn("quarter", phrase("Quarter"), "id"),
            CardColumn("share", phrase("Share of video views"), "value", "percent", decimals=1),
        )
        return CardData(offer, head, tuple(rows))

    def _pacing(self, offer: CardOffer) -> CardData:
        budget, currency = self._selection.budget, self._facts.currency
        if budget is None:
            return CardData(offer)
        if budget.currency != currency:
            note = (
                phrase(
                    "The budget is in %(budget_currency)s, and the amounts are in %(currency)s. "
                    "Enter a budget in %(currency)s.",
                    budget_currency=budget.currency,
                    currency=currency,
                )
                if currency
                else phrase(
                    "The budget is in %(budget_currency)s, and the amounts are in no known currency.",
                    budget_currency=budget.currency,
                )
            )
            return CardData(offer, notes=(note,))
        if self._selection.budget_refusal is not None:
            return CardData(offer, refusal=self._selection.budget_refusal)
        figures = pacing(budget, self._cubes.spend_by_day(offer, budget.days), self._facts.complete_until)
        rows = [
            (day.day, *(None if value is None else float(value) for value in (day.spend, day.cumulated, day.even)))
            for day in figures.days
        ]
        (value,) = self._values(offer)
        titles = {
            "spend": value.title,
            "cumulated": phrase("%(figure)s to date", figure=value.title),
            "even": phrase("Even pace"),
        }
        roles: Mapping[str, Role] = {"spend": "share", "cumulated": "value", "even": "previous"}
        head = tuple(replace(value, name=name, title=title, role=roles[name]) for name, title in titles.items())
        day = CardColumn("day", phrase("Day"), "category")
        return CardData(offer, (day, *head), tuple(rows), tuple(self._pacing_notes(budget, figures)), pacing=figures)

    def _pacing_notes(self, budget: Budget, figures: Pacing) -> Iterator[str]:
        until, lacking = self._facts.complete_until, self._selection.days_without_rows
        if figures.projected is None:
            yield phrase("None of the budget's days is complete in the table, so nothing was spent of it yet.")
        elif until is not None:
            last = shown_day(min(until, budget.days.end))
            yield phrase("Complete days until %(day)s. The projection assumes the average of a day so far.", day=last)
        if lacking:
            days = first_of([shown_day(day) for day in lacking], MOST_NAMED)
            yield phrase(
                "The table has no rows of %(days)s: nothing was spent, or the spend is missing here.", days=days
            )

    def _heat(self, offer: CardOffer) -> CardData:
        """Averages by hour of the week: an hour's sum divided by the number of such weekdays in the window."""
        figure = offer.figures[0]
        sums: dict[tuple[int, int], Any] = defaultdict(int)
        for day, hour, value in self._cubes.rows(CubeQuery(offer, (DAY, HOUR), days=self._facts.window)):
            if value is not None:
                sums[day.weekday(), hour] += value
        weekdays = Counter(day.weekday() for day in days_of(self._facts.window))
        rows = [
            (f"{hour:02}", str(WEEKDAYS[weekday]), _number(sums[weekday, hour]) / count)
            for weekday, count in sorted(weekdays.items())
            for hour in range(24)
            if (weekday, hour) in sums
        ]
        head = (
            CardColumn("hour", phrase("Hour"), "category"),
            CardColumn("weekday", phrase("Weekday"), "series"),
            replace(
                self._values(offer)[0], title=phrase("%(figure)s, average", figure=self._title(figure)), decimals=2
            ),
        )
        return CardData(offer, head, tuple(rows))


def money_decimals(currency: str | None) -> int:
    """The decimals of amounts of money: none in a currency without a smaller unit."""
    return 0 if currency in _WHOLE_MONEY else 2


def _decimals(figure: CardFigure, currency: str | None) -> int:
    if figure.unit == "count":
        return 0
    return money_decimals(currency) if isinstance(figure.computation, Sum) else 2


def _share(value: Any, total: Any) -> float | None:
    """The percent that a value is of the sum of all; None without one."""
    return 100 * float(value) / float(total) if value is not None and total and total > 0 else None


def _labels(axis: CardAxis) -> tuple[str, ...]:
    return tuple(column for column in (axis.label, axis.picture) if column)


def _address(value: Any) -> str | None:
    """The address of a picture, if it is one that a browser may open from a page: TikTok's columns have others too."""
    text = str(value or "").strip()
    return text if text.startswith("https://") and text.isprintable() and " " not in text else None


def _is(column: str, value: str | bool | None) -> str:
    """The SQL condition that a column equals the value."""
    if value is None:
        return f"{quoted(column)} IS NULL"
    return f"{quoted(column)} = {literal(value) if isinstance(value, str) else value}"


def _plain(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows with decimals as floats."""
    return (tuple(_number(value) for value in row) for row in rows)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _months(months: Sequence[date]) -> Iterator[date]:
    """Every month from the first to the last."""
    if not months:
        return
    month = months[0]
    while month <= months[-1]:
        yield month
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
