"""Charts of a dataset, and their data."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from adreel.charts.echarts import CardTable
from adreel.charts.selection import CurrencyFacts
from adreel.datasets.dataset import Dataset
from adreel.datasets.provenance import provenance
from adreel.datasets.stored import dataset_of
from adreel.dates import Span
from adreel.errors import NotFoundError
from adreel.store import SavedDataset
from adreel.web.api.failures import failures
from adreel.web.api.shapes import Answer, Body, Exact, Paged, Paging, Slug, part
from adreel.web.api.tables import with_table
from adreel.web.deps import Deps, Here, Who
from adreel.web.pages.heading import advertiser_names

router = APIRouter(tags=["cards"])


class Card(Answer):
    """A chart that a dataset has."""

    key: str = Field(description="The chart's key.", examples=["spend"])
    title: str = Field(examples=["Cost by day"])
    meaning: str = Field(examples=["Cost of each day."])
    kind: str = Field(description="Kind of chart.", examples=["line"])
    refusal: str | None = Field(description="Why it is not available.", examples=[None])
    has_money: bool = Field(description="Whether it shows money, in one currency.", examples=[True])
    has_days: bool = Field(description="Whether it is by day.", examples=[True])


class CardList(Paged[Card]):
    """Charts, in the order of the page."""


class AdvertiserFactsAnswer(Answer):
    """An advertiser of the table."""

    id: str = Field(examples=["7000000000000000000"])
    currency: str | None = Field(examples=["EUR"])
    zone: str | None = Field(examples=["UTC-08:00"])
    rows: int = Field(examples=[30])
    first: date | None
    last: date | None


class Facts(Answer):
    """Available currencies, advertisers and days, and the selection."""

    rows: int = Field(examples=[90])
    currencies: list[CurrencyFacts]
    advertisers: list[AdvertiserFactsAnswer]
    currency: str | None = Field(description="Currency of the money shown.", examples=["EUR"])
    first: date | None
    last: date | None
    window: Span | None = Field(description="The selected days.")
    previous: Span | None = Field(description="The previous period, if the table has all its days.")
    open_days: list[date] = Field(description="Days that were not complete when read.")


class Chart(Answer):
    """The values to draw; further keys depend on the kind. Numbers are rounded for drawing."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(description="The chart's key.", examples=["spend"])
    kind: str = Field(examples=["line"])
    title: str = Field(examples=["Cost by day"])
    meaning: str = Field(examples=["Cost of each day."])
    notes: list[str] = Field(description="Notes on the figures.", examples=[[]])
    refusal: str | None = Field(examples=[None])
    empty: bool = Field(description="Whether there is nothing to draw.", examples=[False])


class CardAnswer(Answer):
    """A chart with its data."""

    chart: Chart
    table: CardTable
    facts: Facts


class CardQuery(Body):
    """What of the table is shown."""

    currency: str | None = Field(None, max_length=10, description="Default: the one with the most rows.")
    advertiser: str | None = Field(None, max_length=40, description="ID of one advertiser; default: all.")
    days: int = Field(30, ge=0, le=10_000, description="The last days; 0 for all.")


@router.get("/datasets/{dataset}/cards", summary="List a dataset's charts", responses=failures(404))
def list_cards(deps: Here, who: Who, dataset: Slug, query: Annotated[Paging, Query()]) -> CardList:
    """The charts of a dataset, from its columns; rows are not read."""
    from adreel.charts import cards_of

    saved = with_table(deps, who, dataset)
    card_offers = cards_of(_parsed(deps, saved), deps.lake.table(saved.table_slug).schema.names)
    items = [Card.model_validate(card_offer) for card_offer in part(card_offers, query)]
    return CardList(items=items, total=len(card_offers), limit=query.limit, offset=query.offset)


@router.get(
    "/datasets/{dataset}/cards/{card}",
    summary="Get a chart's data",
    response_model=CardAnswer,
    responses=failures(404),
)
def get_card(
    deps: Here,
    who: Who,
    dataset: Slug,
    card: Annotated[str, Path(max_length=200, description="The chart's key.", examples=["spend"])],
    query: Annotated[CardQuery, Query()],
) -> Response:
    """A chart's data over the newest version, as values to draw and as a table. Currencies are never summed."""
    from adreel.charts import CardChoices, as_table, cards_data, cards_of, chart_of

    saved = with_table(deps, who, dataset)
    parsed = _parsed(deps, saved)
    offers = [
        card_offer
        for card_offer in cards_of(parsed, deps.lake.table(saved.table_slug).schema.names)
        if card_offer.key == card
    ]
    if not offers:
        raise NotFoundError(f"{saved.name!r} has no chart {card!r}.")
    choices = CardChoices(query.currency, query.days or None, query.advertiser)
    origin = provenance(deps.store, deps.lake, saved)
    names = advertiser_names(deps, who, saved)
    drawn = cards_data(
        deps.lake,
        saved.table_slug,
        parsed,
        offers,
        choices,
        read_at=origin.read_at,
        methods=origin.methods,
        names=names,
    )
    data, facts = drawn.cards[0], drawn.facts
    return Exact({"chart": chart_of(data), "table": as_table(data), "facts": facts})


def _parsed(deps: Deps, saved: SavedDataset) -> Dataset:
    """The dataset; DatasetError if its settings do not hold any more."""
    return dataset_of(saved, deps.clock())
