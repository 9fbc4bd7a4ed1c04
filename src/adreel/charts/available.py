"""Which cards a dataset has: those whose columns, time dimension and breakdowns the dataset has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog import all_spend
from adreel.catalog.report_types import CENTER_SPEND
from adreel.charts.daily_lists import charted, columns, has_returns, key_columns, names_in
from adreel.charts.definitions import (
    CARDS,
    ENTITY_NAMES,
    ID_NOUNS,
    KINDS,
    LATE,
    MONEY,
    OVERLAPPING_MATERIALS,
    PEOPLE,
    PERSONS,
    PICTURES,
    RETURNS,
    SHARING,
    SHARING_PART,
    Axis,
    CardKind,
    CardSpec,
    When,
    rise_of,
)
from adreel.charts.measures import CardFigure, Count, Figures, Formula, Own, Quotient
from adreel.datasets.dataset import Dataset, day_column
from adreel.datasets.schema import NAME_COLUMNS, Column
from adreel.language import Phrase, in_english, listed, phrase, within_sentence

DAY = "@day"
HOUR = "@hour"
MONTH = "@month "
"""What rows are grouped by besides columns; no column's name begins with @. A column of times follows MONTH."""


_DAY_WORDS: Mapping[str, Any] = MappingProxyType(
    {"title": Phrase("%(figure)s by day"), "single": "", "meaning": Phrase("%(figure)s of each day."), "remarks": ()}
)
"""What a chart by day says once a person has chosen its metric."""

OUTDATED = Phrase("The table was loaded with other dataset settings. Run the dataset to see this chart.")


@dataclass(frozen=True, slots=True)
class CardAxis:
    """An axis of a card for a dataset: `by` is a column, DAY, HOUR or MONTH, `label` the column with names of ids.

    `picture` is the column with addresses of pictures of what the ids stand for.
    """

    axis: Axis
    by: str
    title: str
    label: str | None = None
    picture: str | None = None


LEAST_RESULTS = 10
"""Results that a value needs to be ranked by what each of them costs."""


@dataclass(frozen=True, slots=True)
class CardOffer:
    """A card as a dataset has it. `key` is unique among the dataset's cards; `stored_title` is its title in English.

    `floor` is the figure of which a value needs at least `least` to be ranked, None for no such figure. `refusal` says
    why the card cannot be shown although the dataset has its columns, None if it can. `is_partial` says whether TikTok
    returns rows for only a part of the impressions.

    `metrics` are the figures that a person can switch the card to, `metric` is the name of the one chosen, empty for
    the card's own. `not_offered` are titles of metrics of the table that cannot be summed.
    """

    key: str
    card: CardSpec
    title: str
    stored_title: str
    meaning: str
    figures: tuple[CardFigure, ...]
    axes: tuple[CardAxis, ...]
    floor: CardFigure | None = None
    least: int = 0
    refusal: str | None = None
    is_partial: bool = False
    metrics: tuple[CardFigure, ...] = ()
    metric: str = ""
    not_offered: tuple[str, ...] = ()

    @property
    def kind(self) -> CardKind:
        """The kind of chart."""
        return self.card.kind

    @property
    def needed(self) -> tuple[CardFigure, ...]:
        """The figures to compute: those shown and the floor."""
        return self.figures if self.floor is None else (*self.figures, self.floor)

    @property
    def is_cheapest_first(self) -> bool:
        """Whether the values with the least of the first figure come first, as with costs of each result."""
        return _cheapest(self.card, self.figures) is not None

    @property
    def has_money(self) -> bool:
        """Whether a figure depends on a currency, so that only one currency is shown."""
        return any(figure.has_money for figure in self.figures)

    @property
    def has_shares(self) -> bool:
        """Whether each row has one of the axis's values, so that what these have adds up to the whole."""
        return self.card.shares and all(axis.axis.kind == "value" or axis.by in SHARING for axis in self.axes)

    @property
    def has_days(self) -> bool:
        """Whether it has an axis of days."""
        return any(axis.by == DAY for axis in self.axes)


def cards_of(
    dataset: Dataset,
    names: Collection[str],
    cards: Iterable[CardSpec] = CARDS,
    metrics: Mapping[str, str] = MappingProxyType({}),
) -> tuple[CardOffer, ...]:
    """The cards, in order, that fit a dataset whose table has the columns `names`.

    `metrics` are metrics to show in place of the cards' own, by the cards' keys. A card that cannot show its metric is
    refused with the reason.
    """
    if no_charts(dataset):
        return ()
    fitting = _CardFitting(charted(dataset), names_in(dataset, names), metrics)
    return tuple(offer for card in cards for offer in fitting.offers(card))


def no_charts(dataset: Dataset) -> str:
    """Why there are no charts of the dataset, whatever its columns are; empty if there can be some."""
    if dataset.report != CENTER_SPEND:
        return ""
    return phrase(
        "There are no charts of the spend of Business Centers: TikTok does not document the currency of the amounts, "
        "so that they are not summed."
    )


def missing_of(dataset: Dataset, names: Collection[str]) -> tuple[str, ...]:
    """Sentences on charts that people look for and that the table has no metrics for: return on ad spend."""
    if reason := no_charts(dataset):
        return (reason,)
    if not has_returns(dataset):
        return ()
    in_table = {column.name: column for column in columns(dataset) if column.name in names}
    if not any(name in in_table and in_table[name].part == "metrics" for name in MONEY):
        return ()
    figures = Figures(in_table, has_quotients=dataset.report != all_spend.REPORT)
    if any(figures.computed(name) is not None for name in RETURNS):
        return ()
    if dataset.report == all_spend.REPORT:
        return (
            phrase(
                "Return on ad spend (ROAS) is not shown, as revenue is that of GMV Max campaigns and cost is that of "
                "all campaigns. A dataset of the report GMV Max has both."
            ),
        )
    report = "CREATIVE" if dataset.report == "creatives" else dataset.report_type.upper()
    metrics = catalog.metrics()
    values = [metrics[name].numerator for name in RETURNS if "spend" in in_table]
    titles = [str(metrics[name].title) for name in values if name and report in metrics[name].reports]
    if titles:
        return (
            phrase(
                "Return on ad spend (ROAS) is not shown, as it is computed from sums of a purchase value and of Cost: "
                "add one of the metrics %(metrics)s in Settings.",
                metrics=", ".join(titles),
            ),
        )
    return (
        phrase(
            "Return on ad spend (ROAS) is not shown, as it is computed from sums of a purchase value and of Cost, "
            "and this report has no purchase values."
        ),
    )


class _CardFitting:
    """Fits cards to one dataset's table."""

    def __init__(self, dataset: Dataset, names: Collection[str], metrics: Mapping[str, str]) -> None:
        self._dataset = dataset
        self._metrics = metrics
        self._columns: Mapping[str, Column] = {
            column.name: column for column in columns(dataset) if column.name in names
        }
        has_quotients = dataset.report != all_spend.REPORT
        self._figures = Figures(self._columns, dataset.calculated, has_quotients=has_quotients)
        self._key = key_columns(dataset)
        self._day = day_column(dataset)
        self._breakdowns = tuple(name for name in dataset.breakdowns if name in self._columns)
        self._overlapping = _overlapping(dataset)

    def offers(self, card: CardSpec) -> Iterator[CardOffer]:
        """The card fitted to the dataset: not at all, once, or once per column of its last axis (`each`)."""
        if (card.subject == "entities") is not (not self._dataset.metrics):
            return
        figures = self._figures.chosen(card)
        floor = self._figures.computed(card.at_least[0]) if card.at_least else None
        if not figures or (card.at_least and floor is None):
            return
        candidates = [tuple(self._axes(axis)) for axis in card.axes]
        if not all(candidates):
            return
        fixed = tuple(axes[0] for axes in candidates[: -1 if card.each else None])
        for last in candidates[-1][: card.each] if card.each else (None,):
            axes = fixed if last is None else (*fixed, last)
            if self._is_sensible(figures, axes, is_of_last_day=card.last_day):
                offer = self._switched(card, figures, axes, last)
                if floor is not None and card.at_least is not None:
                    yield replace(offer, floor=floor, least=card.at_least[1])
                else:
                    yield self._with_floor(offer)

    def _with_floor(self, offer: CardOffer) -> CardOffer:
        """A ranking by the lowest cost of a result, without values of too few results: their costs vary by chance."""
        first = offer.figures[0].computation
        if not offer.is_cheapest_first or not isinstance(first, Quotient):
            return offer
        results = self._figures.computed(first.under)
        return replace(offer, floor=results, least=max(LEAST_RESULTS, first.scale)) if results else offer

    def _switched(
        self, card: CardSpec, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...], each: CardAxis | None
    ) -> CardOffer:
        """The card with the metric that a person chose for it, if any, and those to choose from."""
        offer = self._offer(card, figures, axes, each)
        metrics = self._figures.switchable(card)
        offer = replace(offer, metrics=metrics, not_offered=self._figures.not_summable(metrics) if metrics else ())
        name = self._metrics.get(offer.key)
        if not name:
            return offer
        chosen = next((figure for figure in metrics if figure.name == name), None)
        if chosen is None:
            refusal = phrase(
                "This chart cannot show the metric %(metric)s: it is not in the table, or cannot be summed. "
                "Choose another.",
                metric=repr(name),
            )
            return replace(offer, metric=name, refusal=offer.refusal or refusal)
        by_day = len(axes) == 1 and axes[0].by == DAY
        others = () if card.kind == "line" else (figure for figure in figures if figure.name != name)
        shown = (chosen, *others)[: card.most]
        switched = self._offer(replace(card, **_DAY_WORDS) if by_day else card, shown, axes, each)
        return replace(switched, card=card, metrics=metrics, metric=name, not_offered=offer.not_offered)

    def _axes(self, axis: Axis) -> Iterator[CardAxis]:
        """The axis fitted to each of the dataset's columns that it allows, the preferred one first."""
        if axis.kind in ("day", "weekday", "hour"):
            if self._day in self._columns and (axis.kind == "day" or self._dataset.time == "hour"):
                titles = {"day": phrase("Day"), "weekday": phrase("Weekday"), "hour": phrase("Hour")}
                yield CardAxis(axis, HOUR if axis.kind == "hour" else DAY, titles[axis.kind])
            return
        for name in self._candidates(axis):
            label = axis.label or NAME_COLUMNS.get(name)
            title = self._columns[name].title
            by = MONTH + name if axis.kind == "month" else name
            pictures = (column for column in PICTURES.get(name, ()) if column in self._columns)
            yield CardAxis(
                axis,
                by,
                phrase("Month") if axis.kind == "month" else title,
                label if label in self._columns else None,
                next((column for column in pictures if self._columns[column].type == "string"), None),
            )

    def _candidates(self, axis: Axis) -> Iterable[str]:
        if axis.kind == "breakdown":
            return (name for name in self._breakdowns if not axis.columns or name in axis.columns)
        types = ("time",) if axis.kind == "month" else ("string", "bool")
        # What a row stands for comes before its attributes, such as the empty material of an instant page.
        ordered = sorted(axis.columns, key=lambda name: name not in self._key)
        candidates = (name for name in ordered if name in self._columns and name not in self._breakdowns)
        return (name for name in candidates if self._columns[name].type in types)

    def _is_sensible(
        self, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...], *, is_of_last_day: bool
    ) -> bool:
        """Whether grouping by these axes gives each figure its meaning."""
        by = {axis.by for axis in axes}
        if any(isinstance(figure.computation, Own) for figure in figures):
            # A row's own value is not summed, so the axes have to identify the row.
            has_day = self._dataset.time == "day" and (DAY in by or is_of_last_day)
            return set(self._key) <= by | {"advertiser_id"} | ({self._day} if has_day else set())
        if any(isinstance(figure.computation, Count) for figure in figures):
            return self._key[-1] not in by
        return not (by == {"advertiser_id"} and len(self._dataset.advertisers or ()) == 1)

    def _offer(
        self, card: CardSpec, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...], each: CardAxis | None
    ) -> CardOffer:
        words = self._words(figures, axes)
        with in_english():
            stored_title = self._title(card, figures, axes)
        holding = self._holding(figures)
        remarks = (remark.text for remark in card.remarks if remark.when in holding)
        _, meaning = _cheapest(card, figures) or ("", card.meaning)
        sentences = [_capital(phrase(text, **words)) for text in (meaning, *remarks)]
        return CardOffer(
            key=f"{card.name}.{each.by}" if each else card.name,
            card=card,
            title=self._title(card, figures, axes),
            stored_title=stored_title,
            meaning=" ".join(sentences),
            figures=figures,
            axes=axes,
            refusal=self._refusal(figures, axes),
            is_partial=any(name in SHARING_PART for name in self._breakdowns),
        )

    def _title(self, card: CardSpec, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...]) -> str:
        title = card.single if card.single and len(figures) == 1 else card.title
        title, _ = _cheapest(card, figures) or (title, "")
        return _capital(phrase(title, **self._words(figures, axes)))

    def _words(self, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...]) -> dict[str, str]:
        """What the texts of cards have placeholders for."""
        return {
            "figure": within_sentence(figures[0].title),
            "figures": listed(figure.title for figure in figures),
            "column": _noun(axes[-1]) if axes else "",
            "entities": ENTITY_NAMES.get(self._key[-1], phrase("rows")),
            "people": listed(self._columns[name].title for name in PEOPLE if name in self._columns),
        }

    def _holding(self, figures: tuple[CardFigure, ...]) -> frozenset[When]:
        """What holds for the figures that a card shows, and for the dataset."""
        names = {figure.name for figure in figures}
        may_include_deleted = not self._dataset.metrics and self._key[-1] in (
            "campaign_id",
            "adgroup_id",
            "ad_id",
            "smart_plus_ad_id",
        )
        conditions: Mapping[When, bool] = {
            "rates": any(isinstance(figure.computation, Quotient | Formula) for figure in figures),
            "several": len(figures) > 1,
            "late": LATE in names,
            "people": bool(names & PERSONS),
            "both plays": any("watched" in name for name in names) and any("views_p" in name for name in names),
            "non-additive": any(name in self._columns for name in PEOPLE),
            "shared": self._key[-1] == "audience_id",
            "with deleted": may_include_deleted and self._dataset.include_deleted,
            "without deleted": may_include_deleted and not self._dataset.include_deleted,
        }
        return frozenset(name for name, holds in conditions.items() if holds)

    def _refusal(self, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...]) -> str | None:
        if not set(self._key) <= self._columns.keys():
            return OUTDATED
        if any(isinstance(figure.computation, Own | Count) for figure in figures):
            return None
        merged = self._overlapping - {axis.by for axis in axes}
        if not merged:
            return None
        names = listed(self._columns[name].title if name in self._columns else name for name in sorted(merged))
        return phrase(
            "An impression may count for several values of %(columns)s, so rows cannot be summed over it.",
            columns=names,
        )


def _cheapest(card: CardSpec, figures: Sequence[CardFigure]) -> tuple[str, str] | None:
    """The title and meaning of a card that begins with the least of its first figure; None if the most comes first."""
    return card.cheapest if rise_of(figures[0].name) == "worse" else None


def _noun(axis: CardAxis) -> str:
    """What an axis groups by, within a sentence."""
    return KINDS.get(axis.by) or ID_NOUNS.get(axis.by) or within_sentence(axis.title)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _overlapping(dataset: Dataset) -> frozenset[str]:
    """The dataset's groupings in which an impression may count for several values."""
    overlapping = {name for name in dataset.breakdowns if name not in SHARING | SHARING_PART}
    if dataset.material_type in OVERLAPPING_MATERIALS and "material_id" in key_columns(dataset):
        overlapping.add("material_id")
    return frozenset(overlapping)
