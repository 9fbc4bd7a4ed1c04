"""Cards: the charts that a dataset has, and their data."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from adreel.datasets.dataset import Dataset
from adreel.datasets.provenance import made
from adreel.datasets.stored import dataset_of
from adreel.errors import NotFoundError
from adreel.store import SavedDataset
from adreel.web.api.failures import failures
from adreel.web.api.shapes import Answer, Body, Exact, Paged, Paging, Slug, part
from adreel.web.api.tables import with_table
from adreel.web.deps import Center, Here, Who
from adreel.web.pages.heading import advertiser_names

router = APIRouter(tags=["cards"])


class Card(Answer):
    """A chart that a dataset has."""

    key: str = Field(description="Names it among the dataset's cards.", examples=["spend"])
    title: str = Field(examples=["Cost by day"])
    meaning: str = Field(examples=["What was spent each day, in one currency."])
    kind: str = Field(description="How it is drawn.", examples=["line"])
    refusal: str | None = Field(description="Why it cannot be shown of this dataset.", examples=[None])
    has_money: bool = Field(description="Whether it shows one currency alone.", examples=[True])
    has_days: bool = Field(description="Whether it is drawn day by day.", examples=[True])


class Cards(Paged[Card]):
    """Cards, in the order in which they are shown."""


class CurrencyFacts(Answer):
    """A currency that there is to choose."""

    code: str = Field(examples=["EUR"])
    rows: int = Field(examples=[90])


class AdvertiserFacts(Answer):
    """An advertiser that there is to choose."""

    id: str = Field(examples=["7000000000000000000"])
    currency: str | None = Field(examples=["EUR"])
    zone: str | None = Field(examples=["UTC-08:00"])
    rows: int = Field(examples=[30])
    first: date | None
    last: date | None


class Span(Answer):
    """Days, both ends included."""

    start: date
    end: date


class Facts(Answer):
    """What the table has to choose from, and what of it is shown."""

    rows: int = Field(examples=[90])
    currencies: list[CurrencyFacts]
    advertisers: list[AdvertiserFacts]
    currency: str | None = Field(description="The one that money is shown in.", examples=["EUR"])
    first: date | None
    last: date | None
    window: Span | None = Field(description="The days that are added up.")
    previous: Span | None = Field(description="The days before them, if the table has them whole.")
    open_days: list[date] = Field(description="Days that were not over when the rows were read.")


class Chart(Answer):
    """What a chart shows; what else there is depends on its kind. Numbers are for drawing, not for booking."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(description="The card's key.", examples=["spend"])
    kind: str = Field(examples=["line"])
    title: str = Field(examples=["Cost by day"])
    meaning: str = Field(examples=["What was spent each day, in one currency."])
    notes: list[str] = Field(description="Sentences that belong to the figures.", examples=[[]])
    refusal: str | None = Field(examples=[None])
    empty: bool = Field(description="Whether there is nothing to draw.", examples=[False])


class CardTable(Answer):
    """The same figures as texts."""

    caption: str = Field(examples=["Cost by day."])
    head: list[str] = Field(examples=[["Day", "Cost"]])
    rows: list[list[str]] = Field(examples=[[["2026-11-01", "12.40"]]])
    numeric: list[bool] = Field(examples=[[False, True]])


class CardAnswer(Answer):
    """A card with its data."""

    chart: Chart
    table: CardTable
    facts: Facts


class CardQuery(Body):
    """What of the table is shown."""

    currency: str | None = Field(None, max_length=10, description="The one with the most rows if it is left out.")
    advertiser: str | None = Field(None, max_length=40, description="One advertiser's id; all if it is left out.")
    days: int = Field(30, ge=0, le=10_000, description="The last days; 0 for all.")


@router.get("/datasets/{dataset}/cards", summary="List a dataset's cards", responses=failures(404))
def list_cards(deps: Here, who: Who, dataset: Slug, query: Annotated[Paging, Query()]) -> Cards:
    """The charts that a dataset has by its columns; nothing is read of the table."""
    from adreel.charts import cards_of

    saved = with_table(deps, who, dataset)
    card_offers = cards_of(_parsed(deps, saved), deps.lake.table(saved.table_slug).schema.names)
    items = [
        Card(**{name: getattr(card_offer, name) for name in Card.model_fields})
        for card_offer in part(card_offers, query)
    ]
    return Cards(items=items, total=len(card_offers), limit=query.limit, offset=query.offset)


@router.get(
    "/datasets/{dataset}/cards/{card}",
    summary="Get a card's data",
    response_model=CardAnswer,
    responses=failures(404),
)
def get_card(
    deps: Here,
    who: Who,
    dataset: Slug,
    card: Annotated[str, Path(max_length=200, description="The card's key.", examples=["spend"])],
    query: Annotated[CardQuery, Query()],
) -> Response:
    """A chart's data over the newest version, as values to draw and as a table. Currencies are never added up."""
    from adreel.charts import CardChoices, as_table, cards_data, cards_of, chart_of

    saved = with_table(deps, who, dataset)
    parsed = _parsed(deps, saved)
    offers = [
        card_offer
        for card_offer in cards_of(parsed, deps.lake.table(saved.table_slug).schema.names)
        if card_offer.key == card
    ]
    if not offers:
        raise NotFoundError(f"{saved.name!r} has no card {card!r}.")
    choices = CardChoices(query.currency, query.days or None, query.advertiser)
    by = made(deps.store, deps.lake, saved)
    names = advertiser_names(deps, who, saved)
    found = cards_data(
        deps.lake, saved.table_slug, parsed, offers, choices, read_at=by.read_at, methods=by.methods, names=names
    )
    data, facts = found.cards[0], found.facts
    return Exact({"chart": chart_of(data), "table": as_table(data), "facts": facts})


def _parsed(deps: Center, saved: SavedDataset) -> Dataset:
    """The dataset; DatasetError if its settings do not hold any more."""
    return dataset_of(saved, deps.clock())
