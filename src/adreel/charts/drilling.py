"""From an ad account to its campaigns, ad groups and ads: which charts lead where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from adreel.charts.available import CardOffer
from adreel.charts.filters import ADVERTISER, FILTERS
from adreel.charts.rows import CardData
from adreel.charts.selection import CardChoices
from adreel.language import Phrase


@dataclass(frozen=True, slots=True)
class DrillLevel:
    """A level of the ad account: the key of its filter, its columns, and its chart."""

    key: str
    title: str
    plural: str
    columns: tuple[str, ...]
    card: str


LEVELS = (
    DrillLevel(ADVERTISER, Phrase("Ad account"), Phrase("ad accounts"), ("advertiser_id",), "accounts"),
    DrillLevel("campaign", Phrase("Campaign"), Phrase("campaigns"), FILTERS["campaign"], "campaigns"),
    DrillLevel("adgroup", Phrase("Ad group"), Phrase("ad groups"), FILTERS["adgroup"], "ad_groups"),
    DrillLevel("ad", Phrase("Ad"), Phrase("ads"), FILTERS["ad"], "ads"),
)
"""The levels from the top down."""


@dataclass(frozen=True, slots=True)
class Drills:
    """Where a chart's rows lead: to rows with one of the `values` in the filter `key`, by `down`, the level below."""

    key: str
    down: str
    values: tuple[str, ...]


def drills_of(data: CardData, names: Collection[str]) -> Drills | None:
    """Where the rows of a chart of one level lead; None if the table, with the columns `names`, has none below."""
    number = next((number for number, level in enumerate(LEVELS) if level.card == data.offer.card.name), None)
    if number is None or data.offer.kind != "bars":
        return None
    below = next((level for level in LEVELS[number + 1 :] if any(column in names for column in level.columns)), None)
    if below is None:
        return None
    (place,) = data.places("id")
    return Drills(LEVELS[number].key, below.plural, tuple(str(row[place] or "") for row in data.rows))


def is_above(offer: CardOffer, choices: CardChoices) -> bool:
    """Whether a chart compares the values of a level of which a single one is selected, or of one above that."""
    counts = {card_filter.key: len(card_filter.values) for card_filter in choices.filters}
    counts[ADVERTISER] = len(choices.advertisers)
    single = [number for number, level in enumerate(LEVELS) if counts.get(level.key) == 1]
    return bool(single) and offer.card.name in [level.card for level in LEVELS[: max(single) + 1]]
