"""What the first page shows, and the calendar of restatements of a dataset."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adreel.charts.choices import converted_to
from adreel.datasets.restatement_calendar import calendar
from adreel.dates import Span
from adreel.errors import InputError
from adreel.monitoring.home import Preference, next_runs, restated, spend_by_day
from adreel.store import FiguresState
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Exact, Slug
from adreel.web.deps import Here, Who

router = api_router("status")

Number = int | float

MISSING = "Datasets whose newest table is not included yet; the next request includes some of them."


class RestatedDayAnswer(Answer):
    """A restated day."""

    day: date
    amount: Number = Field(description="The net change.", examples=[1.5])


class RestatedFigureAnswer(Answer):
    """What TikTok restated of a metric of an ad account."""

    advertiser_id: str = Field(examples=["7000000000000000000"])
    advertiser_name: str = Field(description="Empty if unknown.", examples=["Shop"])
    metric: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    currency: str | None = Field(description="Null if not money; empty if unknown.", examples=["EUR"])
    amount: Number = Field(description="The net change of all days.", examples=[1.5])
    days: list[RestatedDayAnswer]
    dataset: str = Field(description="Slug of the dataset that is used for this ad account.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    before: int | None = Field(description="The version before the first change.", examples=[0])
    after: int = Field(description="The latest version with a change.", examples=[1])


class RestatedTotalAnswer(Answer):
    """The sum over ad accounts, of money in one currency."""

    metric: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    currency: str | None = Field(examples=["EUR"])
    amount: Number = Field(examples=[1.5])
    advertisers: int = Field(description="Ad accounts with a change.", examples=[1])


class UnchangedMetricAnswer(Answer):
    """A metric that was compared and of which nothing was restated."""

    metric: str = Field(examples=["conversion"])
    title: str = Field(examples=["Conversions"])


class LastReadingAnswer(Answer):
    """When a dataset was read last."""

    dataset: str = Field(examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    read_at: datetime


class RestatedAnswer(Answer):
    """What runs since a moment found restated. Each ad account counts once, as read by one dataset."""

    since: datetime
    figures: list[RestatedFigureAnswer]
    totals: list[RestatedTotalAnswer] = Field(description="Without ad accounts of unknown currency.")
    unchanged: list[UnchangedMetricAnswer]
    last_compared: LastReadingAnswer | None = Field(description="The latest at any time; null for none.")
    outdated: list[LastReadingAnswer] = Field(description="Read more than a day ago, and without a schedule.")
    versions: int = Field(description="Versions that were compared with the one before.", examples=[1])
    datasets: int = Field(description="Datasets that are used.", examples=[1])
    missing: int = Field(description=MISSING, examples=[0])


class SpanAnswer(Answer):
    """Days, both included."""

    start: date
    end: date


class SpendPeriodAnswer(Answer):
    """The cost of some days."""

    days: SpanAnswer
    amount: Number | None = Field(description="Null if the days were read for no ad account.", examples=[120.5])
    complete: int = Field(description="Ad accounts whose days are complete.", examples=[1])
    compared: int = Field(description="Ad accounts that `change` is over.", examples=[1])
    change: float | None = Field(description="Percent against the period before.", examples=[3.2])


class SpendDayAnswer(Answer):
    """The cost of a day."""

    day: date
    amount: Number | None = Field(description="Null if the day was read for no ad account.", examples=[17.2])
    advertisers: int = Field(description="Ad accounts that it was read for.", examples=[1])
    complete: int = Field(description="Ad accounts that it is complete for.", examples=[1])


class CurrencySpendAnswer(Answer):
    """The cost of the ad accounts of a currency."""

    currency: str = Field(examples=["EUR"])
    advertisers: int = Field(examples=[1])
    yesterday: SpendPeriodAnswer
    week: SpendPeriodAnswer
    days: list[SpendDayAnswer]
    running: list[str] = Field(
        description="Zones in which yesterday of the workspace is not over.", examples=[["UTC-08:00"]]
    )


class GmvMaxDatasetAnswer(Answer):
    """A dataset with the cost of GMV Max campaigns."""

    dataset: str = Field(examples=["gmv_max_by_day"])
    dataset_name: str = Field(examples=["GMV Max by day"])


class UnreadSpendAnswer(Answer):
    """GMV Max cost of an ad account that these figures lack."""

    advertiser_id: str = Field(examples=["7000000000000000000"])
    advertiser_name: str = Field(examples=["Shop"])
    account: str = Field(examples=["shop"])
    currency: str = Field(examples=["EUR"])
    cost: Number | None = Field(
        description="What a run found out; None if TikTok refuses it to the dataset of all spend.", examples=[12.5]
    )
    start: date | None = Field(description="The first day of the cost.")
    end: date | None = Field(description="The last day of the cost.")
    dataset: str = Field(description="The dataset whose run found it out.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])


class SpendAccountAnswer(Answer):
    """An ad account, and the dataset that is used for it."""

    advertiser_id: str = Field(examples=["7000000000000000000"])
    advertiser_name: str = Field(examples=["Shop"])
    currency: str = Field(examples=["EUR"])
    dataset: str = Field(examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    first_day: date
    last_day: date
    complete_day: date | None = Field(description="The last complete day.")
    readers: int = Field(description="Datasets that read this ad account by day.", examples=[2])
    preferred: Preference | None = Field(description="Why this dataset is used rather than another that reads it.")


class GmvMaxCheckAnswer(Answer):
    """What is known of the GMV Max cost of ad accounts without any that no dataset reads."""

    read: int = Field(description="Ad accounts of which datasets read all of it.", examples=[2])
    without_cost: int = Field(description="Ad accounts that a run found to have none besides.", examples=[1])
    unknown: list[str] = Field(description="Names of those of which no run could find it out.", examples=[[]])
    checked_at: datetime | None = Field(description="When the first of those without cost was checked.")
    read_at: datetime | None = Field(description="When datasets last read it.")


class SpendAnswer(Answer):
    """Cost by day over all datasets that have it; each ad account counts once."""

    yesterday: date = Field(description="In the workspace's zone. Each currency has its own days.")
    currencies: list[CurrencySpendAnswer]
    accounts: list[SpendAccountAnswer]
    unknown: int = Field(description="Ad accounts of unknown currency, which are left out.", examples=[0])
    lacking: int = Field(description="Ad accounts that no dataset reads by day.", examples=[0])
    missing: int = Field(description=MISSING, examples=[0])
    targets: list[str] = Field(description="Currencies that `convert` can be.", examples=[["EUR"]])
    convert: str | None = Field(description="The currency that cost is converted to.", examples=[None])
    conversion_refusal: str | None = Field(description="Why cost is not converted.", examples=[None])
    gmv_max: list[GmvMaxDatasetAnswer] = Field(description="Datasets whose cost is not included: that of GMV Max.")
    unread: list[UnreadSpendAnswer] = Field(description="GMV Max cost that no dataset reads.")
    gmv_max_check: GmvMaxCheckAnswer | None = Field(
        description="What is known of GMV Max cost of the other ad accounts."
    )


class NextRunAnswer(Answer):
    """The next run of a schedule."""

    dataset: str = Field(examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    at: datetime


class HomeAnswer(Answer):
    """The first page; what needs attention is in the status."""

    restated: RestatedAnswer = Field(description="Since a day ago.")
    spend: SpendAnswer
    next_runs: list[NextRunAnswer] = Field(description="At most five, earliest first.")


class FigureAnswer(Answer):
    """What a calendar can show."""

    key: str = Field(description="For `figure`.", examples=["spend:EUR"])
    metric: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    currency: str | None = Field(description="Null if not money; empty if unknown.", examples=["EUR"])
    restated: bool = Field(description="Whether TikTok restated it on any day.")


class MoveAnswer(Answer):
    """By how much a version restated the day of an ad account."""

    version: int = Field(examples=[1])
    before: int | None = Field(description="The version that it was compared with.", examples=[0])
    run_id: str = Field(examples=["0123456789abcdef"])
    read_at: datetime
    advertiser_id: str = Field(examples=["7000000000000000000"])
    amount: Number = Field(examples=[1.5])


class CalendarDayAnswer(Answer):
    """A restated day."""

    day: date
    amount: Number = Field(examples=[1.5])
    moves: list[MoveAnswer] = Field(description="Latest first.")


class CalendarVersionAnswer(Answer):
    """A version, and what it restated."""

    version: int = Field(examples=[1])
    before: int | None = Field(description="The version that it was compared with.", examples=[0])
    run_id: str = Field(examples=["0123456789abcdef"])
    read_at: datetime
    state: FiguresState = Field(description="Whether it was compared, or why not.", examples=[FiguresState.COMPARED])
    amount: Number = Field(examples=[1.5])
    days: int = Field(description="Days that it restated.", examples=[1])


class CalendarAnswer(Answer):
    """Restated days of a dataset, oldest first."""

    figure: FigureAnswer | None = Field(description="The one that is shown; null if no versions were compared.")
    figures: list[FigureAnswer] = Field(description="All that were compared.")
    amount: Number = Field(description="The net change of all days.", examples=[1.5])
    days: list[CalendarDayAnswer]
    versions: list[CalendarVersionAnswer] = Field(description="Newest first.")
    missing: int = Field(
        description="Versions that are not included yet; the next request includes some of them.", examples=[0]
    )
    table_days: SpanAnswer | None = Field(description="The days of the newest version; null if they are not known.")


class CalendarQuery(Body):
    """Which figure and days."""

    figure: str = Field("", max_length=200, description="A metric, or metric:currency. Default: cost.")
    advertiser: str = Field("", max_length=64, description="Only this ad account, by its ID.")
    since: date | None = Field(None, description="The first day.")
    until: date | None = Field(None, description="The last day.")

    @property
    def span(self) -> Span | None:
        """The days; None for all."""
        if self.since is None and self.until is None:
            return None
        span = Span(self.since or date.min, self.until or date.max)
        if span.start > span.end:
            raise InputError(f"since: {span.start} is after until, {span.end}.")
        return span


class HomeQuery(Body):
    """How cost is shown."""

    convert: str = Field("", max_length=3, description="Convert cost to this currency.", examples=["EUR"])


@router.get(
    "/home",
    summary="Get restatements, cost by day and next runs",
    response_model=HomeAnswer,
    responses=failures(),
)
def read_home(deps: Here, who: Who, query: Annotated[HomeQuery, Query()]) -> Response:
    """What the first page shows: restatements since a day ago, cost by day, and the next runs."""
    now, convert = deps.clock(), converted_to(query.convert)
    answer = {
        "restated": restated(deps.store, deps.lake, who.guard, now).as_json(),
        "spend": spend_by_day(deps.store, deps.lake, who.guard, now, convert=convert).as_json(),
        "next_runs": list(next_runs(who.guard)),
    }
    return Exact(answer)


@router.get(
    "/datasets/{dataset}/restatements",
    summary="List the restated days of a dataset",
    response_model=CalendarAnswer,
    responses=failures(404),
)
def list_restatements(deps: Here, who: Who, dataset: Slug, query: Annotated[CalendarQuery, Query()]) -> Response:
    """Days that TikTok restated, by how much, and which version found it. Amounts are net changes of sums."""
    saved = who.guard.dataset(dataset)
    shown = calendar(
        deps.store,
        deps.lake,
        saved,
        deps.clock(),
        key=query.figure,
        advertiser=query.advertiser,
        days=query.span,
    )
    return Exact(shown.as_json())
