"""The state of the workspace: what runs, waits and fails."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from adreel.datasets.status import Status
from adreel.monitoring.status import HomeStatus, home_status
from adreel.store import AccountStatus, Trigger
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer
from adreel.web.deps import Here, Who

router = api_router("status")


class RunningRunAnswer(Answer):
    """A run in progress."""

    run_id: str = Field(examples=["0123456789abcdef"])
    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    trigger: Trigger = Field(examples=[Trigger.SCHEDULE])
    started_at: datetime
    share: float = Field(description="How much of it is done, from 0 to 1.", examples=[0.4])
    words: str = Field(description="What it does now.", examples=["Reading rows · 12 requests · 9,000 rows"])
    worker: str = Field(description="The worker that executes it; empty for the command line.", examples=[""])


class WaitingRunAnswer(Answer):
    """A run in the queue."""

    run_id: str = Field(examples=["0123456789abcdef"])
    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    trigger: Trigger = Field(examples=[Trigger.PERSON])
    created_at: datetime
    position: int = Field(description="Its place among all queued runs.", examples=[1])
    reason: str = Field(description="Why it has not begun.", examples=["It starts within seconds."])


class FailingDatasetAnswer(Answer):
    """A dataset that needs attention."""

    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    status: Status = Field(examples=[Status.FAILED])
    label: str = Field(examples=["Failed"])
    words: str = Field(description="The reason, and what to do.", examples=["The last run failed."])
    ran_at: datetime | None


class WaitingBackfillAnswer(Answer):
    """A backfill that paused by itself and waits for you."""

    id: int = Field(examples=[1])
    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    start: date
    end: date
    words: str = Field(description="The reason, and what to do.", examples=["The run of its days was cancelled."])
    command: str = Field(description="The command to go on.", examples=["To resume: adreel backfills resume spend"])


class FailingPublicationAnswer(Answer):
    """A dataset that could not be published to a destination for a day."""

    dataset: str = Field(description="The dataset's slug.", examples=["spend"])
    dataset_name: str = Field(examples=["Spend"])
    destination: str = Field(examples=["warehouse"])
    failing_since: datetime
    words: str = Field(description="The reason.", examples=["The Postgres database could not be reached."])


class PublishLagAnswer(Answer):
    """A destination that does not have the newest version of all datasets."""

    destination: str = Field(examples=["warehouse"])
    datasets: int = Field(description="Datasets whose newest version it does not have.", examples=[2])
    oldest_at: datetime | None = Field(description="When the oldest version was made that it was not given.")
    lag_seconds: float = Field(description="The age of that version.", examples=[420.0])
    failed_tries: int = Field(
        description="Failed tries since the last success, and since a person asked for a try.", examples=[2]
    )


class AccountTroubleAnswer(Answer):
    """An account that needs attention."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["acme"])
    status: AccountStatus = Field(examples=[AccountStatus.REVOKED])
    words: str = Field(examples=["The access token is revoked. Reconnect the account."])


class UnreadAdvertiserAnswer(Answer):
    """An ad account of whose figures no dataset of its account reads any."""

    account_id: int = Field(examples=[1])
    account: str = Field(examples=["demo"])
    advertiser_id: str = Field(examples=["7000000000000000001"])
    advertiser_name: str = Field(examples=["Nordlicht DE"])


class WorkerAnswer(Answer):
    """A process that executes runs."""

    id: str = Field(examples=["host-1-4711"])
    host: str = Field(examples=["host-1"])
    pid: int = Field(examples=[4711])
    runs: int = Field(description="Runs that it has.", examples=[1])
    runs_at_once: int = Field(description="Runs that it can have.", examples=[2])
    started_at: datetime
    heartbeat_at: datetime


class RequestPeriodAnswer(Answer):
    """The requests of five minutes."""

    began: datetime
    sent: int = Field(examples=[120])
    refused: int = Field(description="Those that TikTok refused as too many.", examples=[0])


class AppBudgetAnswer(Answer):
    """The requests of an app in the last 24 hours."""

    app_id: str = Field(examples=["7000000000000000001"])
    level: str = Field(description="The API level of ADREEL_TIKTOK_LEVEL.", examples=["basic"])
    limit_of_period: int = Field(description="TikTok's limit for five minutes.", examples=[3000])
    limit_of_day: int = Field(description="TikTok's limit from 00:00 to 24:00 UTC.", examples=[864000])
    sent_today: int = Field(description="Requests since 00:00 UTC.", examples=[120])
    periods: list[RequestPeriodAnswer] = Field(description="Earliest first.")


class StatusAnswer(Answer):
    """What runs, waits and fails."""

    at: datetime
    running: list[RunningRunAnswer]
    queued: list[WaitingRunAnswer] = Field(description="The first 100, in the order of the queue.")
    queued_total: int = Field(examples=[0])
    failing: list[FailingDatasetAnswer] = Field(description="Most urgent first.")
    backfills: list[WaitingBackfillAnswer] = Field(description="Paused backfills that wait for you.")
    publications: list[FailingPublicationAnswer] = Field(description="Publishing that fails for a day or longer.")
    publishing: list[PublishLagAnswer] = Field(description="Destinations that are behind.")
    accounts: list[AccountTroubleAnswer]
    unread: list[UnreadAdvertiserAnswer] = Field(
        description="Ad accounts that no dataset reads, once there are datasets."
    )
    workers: list[WorkerAnswer] | None = Field(description="null for users who are not administrators.")
    apps: list[AppBudgetAnswer] = Field(description="The apps of the accounts that you see.")


@router.get("/status", summary="Get the status", response_model=StatusAnswer, responses=failures())
def read_status(deps: Here, who: Who) -> HomeStatus:
    """Runs in progress and in the queue, datasets and accounts that need attention, workers, and requests by app."""
    return home_status(deps.store, who.guard, deps.settings, deps.clock())
