"""Exchange rates that charts convert money at."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adreel import exchange_rates
from adreel.access import RoleRight
from adreel.errors import InputError
from adreel.exchange_rates import MOST_BYTES, Direction, RatesChange
from adreel.store.exchange_rates import LONGEST_FILE_NAME, LONGEST_VALIDITY
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, Exact, Paged, Paging, having, part
from adreel.web.deps import Here, Visitor, Who

router = api_router("rates")

Number = int | float
Code = Annotated[str, Field(max_length=3, examples=["EUR"])]


class RateAnswer(Answer):
    """One unit of `currency` was worth `rate` units of `target` from `day` on."""

    day: date
    currency: str = Field(examples=["USD"])
    target: str = Field(examples=["EUR"])
    rate: Number = Field(examples=[0.92])
    imported_at: datetime
    imported_by: str = Field(examples=["ada"])
    file: str = Field(description="Empty for rates sent without a file.", examples=["rates.csv"])


class RateSeriesAnswer(Answer):
    """The rates of a currency to a target."""

    currency: str = Field(examples=["USD"])
    target: str = Field(examples=["EUR"])
    rates: int = Field(description="Number of rates.", examples=[60])
    first: date
    last: date
    gap_days: int = Field(description="Days between them without a valid rate.", examples=[0])
    jumps: list[str] = Field(description="Rates that differ by more than 20 % from the one before.", examples=[[]])


class RateList(Paged[RateAnswer]):
    """Rates by target, currency and day."""

    valid_days: int = Field(description="Days for which a rate holds if no other follows.", examples=[7])
    series: list[RateSeriesAnswer]


class RatesQuery(Paging):
    """Which rates are listed."""

    target: Code | None = Field(None, description="Only rates to this currency.")


class RatesBody(Body):
    """Rates to save, or for how many days a rate holds."""

    csv: str | None = Field(
        None,
        max_length=MOST_BYTES,
        description="Columns date, from, to, rate; or date, currency, rate; or a date and a column for each currency.",
        examples=["date,from,to,rate\n2026-11-28,USD,EUR,0.92\n"],
    )
    target: Code = Field("", description="For files without `to`.")
    direction: Direction | None = Field(
        None,
        description="For files without `to`: units of the target for one of the currency, or (as the European Central "
        "Bank writes them) units of the currency for one of the target. Required for a column for each currency.",
    )
    replace: bool = Field(False, description="Delete all other rates.")
    file: str = Field("", max_length=LONGEST_FILE_NAME, description="Where they come from, for notes of charts.")
    preview: bool = Field(False, description="Change nothing.")
    valid_days: int | None = Field(None, ge=1, le=LONGEST_VALIDITY, examples=[7])


class RatesChangeAnswer(Answer):
    """What was saved, or would be."""

    added: int = Field(examples=[60])
    changed: int = Field(examples=[0])
    unchanged: int = Field(examples=[0])
    removed: int = Field(examples=[0])
    skipped: int = Field(description="Rates of days before the first ads of TikTok.", examples=[0])
    examples: list[str] = Field(examples=[["1 USD = 0.92 EUR on 2026-11-28"]])
    jumps: list[str] = Field(description="Rates that differ by more than 20 % from the one before.", examples=[[]])
    valid_days: int = Field(examples=[7])
    saved: bool = Field(examples=[True])


class RatesWhich(Body):
    """Which rates are deleted."""

    target: Code | None = Field(None, description="Only rates to this currency; default: all.")


@router.get("/rates", summary="List exchange rates", response_model=RateList, responses=failures())
def list_rates(deps: Here, _: Who, query: Annotated[RatesQuery, Query()]) -> Response:
    """The rates of the workspace, with a summary of each currency."""
    rates, imports = deps.store.exchange_rates.list(query.target), deps.store.exchange_rates.imports()
    valid_days = deps.store.exchange_rates.valid_days()
    items: list[dict[str, Any]] = []
    for rate in part(rates, query):
        source = imports.get(rate.import_id)
        items.append(
            {
                "day": rate.day,
                "currency": rate.currency,
                "target": rate.target,
                "rate": rate.rate,
                "imported_at": source.imported_at if source else None,
                "imported_by": source.imported_by if source else "",
                "file": source.file if source else "",
            }
        )
    series = [each.as_json() for each in exchange_rates.series_of(rates, valid_days)]
    return Exact(
        {
            "items": items,
            "total": len(rates),
            "limit": query.limit,
            "offset": query.offset,
            "valid_days": valid_days,
            "series": series,
        }
    )


@router.put("/rates", summary="Import exchange rates", responses=failures(403))
def put_rates(
    deps: Here, who: Annotated[Visitor, having(RoleRight.CHANGE_WORKSPACE)], body: RatesBody
) -> RatesChangeAnswer:
    """Saves rates in place of those of the same days and currencies. Administrators only."""
    if body.csv is None and body.valid_days is None:
        raise InputError("Send rates as csv, or valid_days.")
    change = None
    if body.csv is not None:
        file = exchange_rates.read_rates(
            body.csv, today=deps.clock().date(), target=body.target, direction=body.direction
        )
        change = exchange_rates.preview(deps.store, file, replace_all=body.replace)
        if not body.preview:
            exchange_rates.save(who.guard, file, body.file, replace_all=body.replace)
    if body.valid_days is not None and not body.preview:
        exchange_rates.set_valid_days(who.guard, body.valid_days)
    return _answer(change, deps.store.exchange_rates.valid_days(), saved=not body.preview)


@router.delete("/rates", summary="Delete exchange rates", status_code=204, responses=failures(403))
def delete_rates(
    who: Annotated[Visitor, having(RoleRight.CHANGE_WORKSPACE)], query: Annotated[RatesWhich, Query()]
) -> None:
    """Deletes the rates to a currency, or all. Administrators only."""
    exchange_rates.delete(who.guard, query.target)


def _answer(change: RatesChange | None, valid_days: int, *, saved: bool) -> RatesChangeAnswer:
    return RatesChangeAnswer(
        added=change.added if change else 0,
        changed=change.changed if change else 0,
        unchanged=change.unchanged if change else 0,
        removed=change.removed if change else 0,
        skipped=change.file.skipped if change else 0,
        examples=list(change.file.examples) if change else [],
        jumps=[jump.text for jump in change.jumps] if change else [],
        valid_days=valid_days,
        saved=saved,
    )
