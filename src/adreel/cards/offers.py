"""Which cards a dataset has: those whose columns, time dimension and breakdowns it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from adreel.cards.figures import CardFigure, Count, Figures, Own
from adreel.catalog.cards import (
    CARDS,
    KINDS,
    NAMES,
    OVERLAPPING_MATERIALS,
    SHARING,
    SHARING_PART,
    THINGS,
    Axis,
    CardKind,
    CardSpec,
)
from adreel.dataset import Dataset, key_columns
from adreel.schema import Column, columns, day_column

DAY = "@day"
HOUR = "@hour"
MONTH = "@month "
"""What rows are told apart by beside columns, whose names have no such sign; behind MONTH comes a column of times."""


OUTDATED = "The table was made with other settings than the dataset has now; run the dataset to see this card."


@dataclass(frozen=True, slots=True)
class CardAxis:
    """An axis on a dataset: `by` is a column or one of DAY, HOUR and MONTH, `label` the column with names."""

    axis: Axis
    by: str
    title: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class CardOffer:
    """A card of a dataset. `key` names it among the dataset's cards.

    `floor` is the figure that its values need so much of. `refusal` says why the card cannot be shown, though its
    columns are there; None if it can. `is_partial` says whether TikTok gives rows for only a part of the whole.
    """

    key: str
    card: CardSpec
    title: str
    meaning: str
    figures: tuple[CardFigure, ...]
    axes: tuple[CardAxis, ...]
    floor: CardFigure | None = None
    refusal: str | None = None
    is_partial: bool = False

    @property
    def kind(self) -> CardKind:
        """How it is drawn."""
        return self.card.kind

    @property
    def needed(self) -> tuple[CardFigure, ...]:
        """The figures that it is made of."""
        return self.figures if self.floor is None else (*self.figures, self.floor)

    @property
    def has_money(self) -> bool:
        """Whether it shows one currency only."""
        return any(figure.has_money for figure in self.figures)

    @property
    def has_days(self) -> bool:
        """Whether it is drawn day by day."""
        return any(axis.by == DAY for axis in self.axes)


def cards_of(dataset: Dataset, names: Collection[str], cards: Iterable[CardSpec] = CARDS) -> tuple[CardOffer, ...]:
    """Those of the cards that a dataset has whose table has the columns `names`, in their order."""
    fitting = _CardFitting(dataset, names)
    return tuple(offer for card in cards for offer in fitting.offers(card))


class _CardFitting:
    """A dataset's table as cards look at it."""

    def __init__(self, dataset: Dataset, names: Collection[str]) -> None:
        self._dataset = dataset
        self._columns: Mapping[str, Column] = {
            column.name: column for column in columns(dataset) if column.name in names
        }
        self._figures = Figures(self._columns)
        self._key = key_columns(dataset)
        self._day = day_column(dataset)
        self._breakdowns = tuple(name for name in dataset.breakdowns if name in self._columns)
        self._overlapping = _overlapping(dataset)

    def offers(self, card: CardSpec) -> Iterator[CardOffer]:
        """The card as often as the dataset has it."""
        if (card.subject == "things") is not (not self._dataset.metrics):
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
            if self._is_sensible(figures, axes):
                yield replace(self._offer(card, figures, axes, last), floor=floor)

    def _axes(self, axis: Axis) -> Iterator[CardAxis]:
        """What the axis can stand for, the first first."""
        if axis.kind in ("day", "weekday", "hour"):
            if self._day in self._columns and (axis.kind == "day" or self._dataset.time == "hour"):
                titles = {"day": "Day", "weekday": "Weekday", "hour": "Hour"}
                yield CardAxis(axis, HOUR if axis.kind == "hour" else DAY, titles[axis.kind])
            return
        for name in self._candidates(axis):
            label = axis.label or NAMES.get(name)
            title = _title(self._columns[name])
            by = MONTH + name if axis.kind == "month" else name
            yield CardAxis(
                axis, by, "Month" if axis.kind == "month" else title, label if label in self._columns else None
            )

    def _candidates(self, axis: Axis) -> Iterable[str]:
        if axis.kind == "breakdown":
            return (name for name in self._breakdowns if not axis.columns or name in axis.columns)
        types = ("time",) if axis.kind == "month" else ("string", "bool")
        candidates = (name for name in axis.columns if name in self._columns and name not in self._breakdowns)
        return (name for name in candidates if self._columns[name].type in types)

    def _is_sensible(self, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...]) -> bool:
        """Whether each value shown stands for what it seems to."""
        by = {axis.by for axis in axes}
        if any(isinstance(figure.computation, Own) for figure in figures):
            # A row's own value stands alone: whatever names the row has to be told apart.
            distinguished = (
                by | {"advertiser_id"} | ({self._day} if DAY in by and self._dataset.time == "day" else set())
            )
            return set(self._key) <= distinguished
        if any(isinstance(figure.computation, Count) for figure in figures):
            return self._key[-1] not in by
        return not (by == {"advertiser_id"} and len(self._dataset.advertisers or ()) == 1)

    def _offer(
        self, card: CardSpec, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...], each: CardAxis | None
    ) -> CardOffer:
        words = {
            "figure": within_sentence(figures[0].title),
            "column": within_sentence(KINDS.get(axes[-1].by, axes[-1].title)) if axes else "",
            "things": THINGS.get(self._key[-1], "rows"),
        }
        title = card.title.format(**words)
        return CardOffer(
            key=f"{card.name}.{each.by}" if each else card.name,
            card=card,
            title=title[:1].upper() + title[1:],
            meaning=card.meaning.format(**words),
            figures=figures,
            axes=axes,
            refusal=self._refusal(figures, axes),
            is_partial=any(name in SHARING_PART for name in self._breakdowns),
        )

    def _refusal(self, figures: tuple[CardFigure, ...], axes: tuple[CardAxis, ...]) -> str | None:
        if not set(self._key) <= self._columns.keys():
            return OUTDATED
        if any(isinstance(figure.computation, Own | Count) for figure in figures):
            return None
        merged = self._overlapping - {axis.by for axis in axes}
        if not merged:
            return None
        names = " and ".join(_title(self._columns[name]) if name in self._columns else name for name in sorted(merged))
        return f"One impression may count for several values of {names}, so these rows cannot be added up over it."


def _title(column: Column) -> str:
    """What a column is called; fields go by their names, which are no words."""
    if column.title != column.name or column.part not in ("entity", "info"):
        return column.title
    return column.name.replace("_", " ").capitalize().replace(" id", " ID")


def within_sentence(title: str) -> str:
    """A title as it stands within a sentence: small, unless it begins with a short form."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _overlapping(dataset: Dataset) -> frozenset[str]:
    """What the rows are told apart by whose values may count the same impression twice."""
    overlapping = {name for name in dataset.breakdowns if name not in SHARING | SHARING_PART}
    if dataset.material_type in OVERLAPPING_MATERIALS and "material_id" in key_columns(dataset):
        overlapping.add("material_id")
    return frozenset(overlapping)
