"""Charts of a dataset, and their data."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from adreel.charts.choices import FIXED_RATES, MOST_CHOSEN, budget_of, comparison_of, converted_to, days_of
from adreel.charts.echarts import CardTable
from adreel.charts.filters import FILTERS, MOST_VALUES, CardFilter
from adreel.charts.periods import CalendarPeriod, Comparison
from adreel.charts.selection import CardChoices, CurrencyFacts
from adreel.datasets.creatives import names_by_id
from adreel.datasets.dataset import Dataset
from adreel.datasets.provenance import provenance
from adreel.datasets.stored import dataset_of
from adreel.dates import Span
from adreel.errors import NotFoundError
from adreel.exchange_rates import WorkspaceRates
from adreel.store import SavedDataset
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import LONGEST_PAGE, Answer, Body, Exact, Paged, Paging, Slug, part
from adreel.web.api.tables import with_table
from adreel.web.deps import Deps, Here, Who

router = api_router("cards")


class CardMetric(Answer):
    """A metric that a chart can show."""

    name: str = Field(examples=["clicks"])
    title: str = Field(examples=["Clicks (destination)"])


class Card(Answer):
    """A chart that a dataset has."""

    key: str = Field(description="The chart's key.", examples=["spend"])
    title: str = Field(examples=["Cost by day"])
    meaning: str = Field(examples=["Cost of each day."])
    kind: str = Field(description="Kind of chart.", examples=["line"])
    refusal: str | None = Field(description="Why it is not available.", examples=[None])
    has_money: bool = Field(description="Whether it shows money, in one currency.", examples=[True])
    has_days: bool = Field(description="Whether it is by day.", examples=[True])
    metrics: list[CardMetric] = Field(description="Metrics that `metric` can switch it to.")
    not_offered: list[str] = Field(description="Metrics of the table that cannot be summed.", examples=[["Reach"]])


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


class FilterValueAnswer(Answer):
    """A value of a filter."""

    value: str = Field(examples=["1800000000000000"])
    name: str = Field(examples=["Spring sale"])
    rows: int = Field(examples=[30])


class FilterAnswer(Answer):
    """A filter that the table has, and its selected values."""

    key: str = Field(examples=["campaign"])
    title: str = Field(examples=["Campaign"])
    selected: list[FilterValueAnswer]


class FilterValuesAnswer(Answer):
    """Values of a filter to choose from; those selected already are apart."""

    values: list[FilterValueAnswer]
    total: int = Field(description="Number of all matching values.", examples=[1])
    selected: list[FilterValueAnswer]


class ConversionAnswer(Answer):
    """A currency that money can be converted to."""

    target: str = Field(examples=["EUR"])
    refusal: str | None = Field(description="Why it is not available.", examples=[None])


class Facts(Answer):
    """Available currencies, advertisers and days, and the selection."""

    rows: int = Field(examples=[90])
    currencies: list[CurrencyFacts]
    advertisers: list[AdvertiserFactsAnswer]
    currency: str | None = Field(description="Currency of the money shown.", examples=["EUR"])
    first: date | None
    last: date | None
    window: Span | None = Field(description="The selected days.")
    previous: Span | None = Field(description="The period compared with, if the table has all its days.")
    open_days: list[date] = Field(description="Days that were not complete when read.")
    complete_until: date | None = Field(description="The last complete day of the table.")
    filters: list[FilterAnswer]
    missing: list[str] = Field(description="Notes on charts that the table lacks metrics for.")
    convert: str | None = Field(description="The currency that money is converted to.", examples=[None])
    conversions: list[ConversionAnswer] = Field(description="Currencies that `convert` can be.")
    conversion_refusal: str | None = Field(description="Why money is not converted.", examples=[None])


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
    converted: str | None = Field(description="The currency that money was converted to.", examples=[None])


class CardAnswer(Answer):
    """A chart with its data."""

    chart: Chart
    table: CardTable
    facts: Facts


class CardFilters(Body):
    """Which rows are shown; all filters apply at once."""

    advertiser: list[str] = Field([], max_length=MOST_CHOSEN, description="Ad account IDs; default: all.")
    campaign: list[str] = Field([], max_length=MOST_CHOSEN, description="Campaign IDs.")
    adgroup: list[str] = Field([], max_length=MOST_CHOSEN, description="Ad group IDs.")
    ad: list[str] = Field([], max_length=MOST_CHOSEN, description="Ad IDs.")
    objective: list[str] = Field([], max_length=MOST_CHOSEN, description="Advertising objectives.")

    @property
    def filters(self) -> tuple[CardFilter, ...]:
        """The filters other than that of ad accounts."""
        return tuple(CardFilter(key, tuple(values)) for key in FILTERS if (values := getattr(self, key)))


class CardQuery(CardFilters):
    """What of the table is shown."""

    currency: str | None = Field(None, max_length=10, description="Default: the one with the most rows.")
    convert: str | None = Field(
        None, max_length=3, description="Convert money to this currency, in place of `currency`.", examples=["EUR"]
    )
    rates: Literal["daily", "fixed"] = Field(
        "daily", description="For `convert`: the rates of each day, or those of the last day for all."
    )
    days: int = Field(30, ge=0, le=10_000, description="The last days; 0 for all.")
    period: CalendarPeriod | None = Field(None, description="A calendar period, in place of `days`.")
    start: date | None = Field(None, description="The first day of a range, in place of `days`.")
    end: date | None = Field(None, description="The last day of the range.")
    compare: Comparison = Field("previous", description="The period to compare with.")
    compare_start: date | None = Field(None, description="The first day of a range, in place of `compare`.")
    compare_end: date | None = Field(None, description="The last day of the range.")
    metric: str | None = Field(None, max_length=200, description="The metric to show in place of the chart's own.")
    budget: str = Field("", max_length=40, description="For `pacing`: the budget's amount.", examples=["5000"])
    budget_currency: str = Field("", max_length=10, description="The budget's currency.")
    budget_start: date | None = Field(None, description="The budget's first day.")
    budget_end: date | None = Field(None, description="The budget's last day.")

    @property
    def choices(self) -> CardChoices:
        """What is chosen, as pages have it. InputError for ranges and budgets that are none."""
        days: int | CalendarPeriod | Span | None = self.period or self.days or None
        if self.start or self.end:
            days = days_of("", _text(self.start), _text(self.end))
        comparison = self.compare if not (self.compare_start or self.compare_end) else ""
        convert = converted_to(self.convert or "")
        return CardChoices(
            currency=None if convert else self.currency,
            days=days,
            advertisers=tuple(self.advertiser),
            comparison=comparison_of(comparison, _text(self.compare_start), _text(self.compare_end)),
            filters=self.filters,
            budget=budget_of(self.budget, self.budget_currency, _text(self.budget_start), _text(self.budget_end)),
            convert=convert,
            fixed_rates=bool(convert) and self.rates == FIXED_RATES,
        )


def _text(day: date | None) -> str:
    return str(day) if day else ""


class FilterQuery(CardFilters):
    """Which values are listed."""

    search: str = Field("", max_length=200, description="A part of names or IDs.")
    limit: int = Field(MOST_VALUES, ge=1, le=LONGEST_PAGE, description="Maximum number of values.")


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
    """A chart's data over the newest version, as values to draw and as a table. Only `convert` sums currencies."""
    from adreel.charts import as_table, cards_data, cards_of, chart_of

    saved = with_table(deps, who, dataset)
    parsed = _parsed(deps, saved)
    offers = [
        card_offer
        for card_offer in cards_of(
            parsed,
            deps.lake.table(saved.table_slug).schema.names,
            metrics={card: query.metric} if query.metric else {},
        )
        if card_offer.key == card
    ]
    if not offers:
        raise NotFoundError(f"{saved.name!r} has no chart {card!r}.")
    origin = provenance(deps.store, deps.lake, saved)
    names = names_by_id(who.guard, deps.lake, saved)
    drawn = cards_data(
        deps.lake,
        saved.table_slug,
        parsed,
        offers,
        query.choices,
        read_at=origin.read_at,
        methods=origin.methods,
        names=names,
        rates=WorkspaceRates(deps.store),
    )
    data, facts = drawn.cards[0], drawn.facts
    return Exact({"chart": chart_of(data), "table": as_table(data), "facts": facts})


@router.get(
    "/datasets/{dataset}/filters/{filter}", summary="List the values of a chart filter", responses=failures(404)
)
def list_filter_values(
    deps: Here,
    who: Who,
    dataset: Slug,
    key: Annotated[
        str, Path(alias="filter", max_length=40, description="The filter's key, or advertiser.", examples=["campaign"])
    ],
    query: Annotated[FilterQuery, Query()],
) -> FilterValuesAnswer:
    """The values of a filter by name, among the rows that the other filters leave."""
    from adreel.charts import filter_values

    saved = with_table(deps, who, dataset)
    values = filter_values(
        deps.lake,
        saved.table_slug,
        _parsed(deps, saved),
        key,
        query.search,
        advertisers=query.advertiser,
        filters=query.filters,
        limit=query.limit,
        names_by_id=names_by_id(who.guard, deps.lake, saved),
    )
    return FilterValuesAnswer.model_validate(values)


def _parsed(deps: Deps, saved: SavedDataset) -> Dataset:
    """The dataset; DatasetError if its settings do not hold any more."""
    return dataset_of(saved, deps.clock())
