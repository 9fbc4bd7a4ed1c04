"""The first page: what needs attention, what TikTok restated, spend by day, and what comes next."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.access import DatasetRight
from adreel.charts import CardTable
from adreel.charts.choices import CONVERT, UNCONVERTED, converted_to, target_of
from adreel.charts.labels import amount as in_words
from adreel.charts.rows import money_decimals
from adreel.charts.selection import span_text
from adreel.enumerations import first_of
from adreel.errors import ForbiddenError, NotFoundError
from adreel.language import integer, phrase, shown_day
from adreel.monitoring.home import (
    CurrencySpend,
    FirstSteps,
    LastReading,
    Restated,
    RestatedFigure,
    ScheduledRun,
    Spend,
    SpendDay,
    SpendPeriod,
    SpendSource,
    UnreadSpend,
    first_steps,
    next_runs,
    restated,
    spend_by_day,
    spend_sources,
    unscheduled,
)
from adreel.monitoring.status import HomeStatus, home_status
from adreel.store import SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages.changed_rows import rows_address
from adreel.web.pages.charts import last_currency, remember_currency
from adreel.web.pages.restatements import calendar_address
from adreel.web.pages.wording import MOST_NAMED, gmv_max_sentences
from adreel.web.render import Page, go, is_opened, respond

HOME = "/home"

router = APIRouter()


MOST_DRAFTS = 3
"""Drafts that are shown; the list of datasets and the settings of each have the rest."""


@dataclass(frozen=True, slots=True)
class DraftLink:
    """A form that was filled in and not saved, and where it is gone on with."""

    key: str
    title: str
    saved_at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class HomePage(Page):
    """The frame: first steps while there are no numbers, else parts that are loaded after it.

    `drafts` are the person's, and `discarded` the key of one that was just put away.
    """

    template: ClassVar[str] = "home.html"
    steps: FirstSteps
    drafts: tuple[DraftLink, ...]
    discarded: str
    convert: str | None = None


@dataclass(frozen=True, slots=True)
class StatePart(Page):
    """What needs attention, what runs next, and the requests of apps."""

    template: ClassVar[str] = "_home_state.html"
    state: HomeStatus
    upcoming: tuple[ScheduledRun, ...]
    unscheduled: tuple[SavedDataset, ...]
    unread_names: str
    most_named: int = MOST_NAMED


@dataclass(frozen=True, slots=True)
class FigureLine:
    """A restated figure; `calendar` and `day` are addresses of its calendar, `rows` that of its rows.

    `day` is that of the latest day. `rows` is empty if there is no version before.
    """

    figure: RestatedFigure
    calendar: str
    day: str
    rows: str


@dataclass(frozen=True, slots=True)
class OutdatedLine:
    """A dataset that no schedule reads, and what the person may do about it."""

    reading: LastReading
    may_run: bool
    may_edit: bool


@dataclass(frozen=True, slots=True)
class RestatedPart(Page):
    """What TikTok restated since yesterday.

    `all_rows` is the address of the rows of the first figure's dataset, of all ad accounts; empty without any.
    """

    template: ClassVar[str] = "_home_restated.html"
    restated: Restated
    lines: tuple[FigureLine, ...]
    outdated: tuple[OutdatedLine, ...]
    all_rows: str


@dataclass(frozen=True, slots=True)
class LargeFigure:
    """A figure that is shown large, or why there is none; `words` say what it is compared with and what it lacks."""

    title: str
    value: str
    is_known: bool
    change: float | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpendFigure:
    """The spend of one currency: large figures, the chart, and its table."""

    currency: str
    advertisers: int
    numbers: tuple[LargeFigure, ...]
    chart: str
    table: CardTable

    @property
    def name(self) -> str:
        """The id of the chart's element in the page."""
        return f"spend-{self.currency}"


@dataclass(frozen=True, slots=True)
class UnreadLine:
    """GMV Max cost that the figures lack; `amount` is empty if it is not known."""

    spend: UnreadSpend
    amount: str


@dataclass(frozen=True, slots=True)
class SpendPart(Page):
    """Spend by day. `chosen` is the currency that the address converts to, empty for none; None: it chooses nothing.

    `unread` is GMV Max cost that the figures lack, `gmv_max_words` what is known of the other ad accounts.
    """

    template: ClassVar[str] = "_home_spend.html"
    spend: Spend
    without_rows: str
    figures: tuple[SpendFigure, ...]
    sources: tuple[SpendSource, ...]
    chosen: str | None
    unread: tuple[UnreadLine, ...] = ()
    may_edit: bool = False
    gmv_max_words: str = ""


@router.get(HOME)
def home(
    request: Request, deps: Here, who: Who, discarded: str = "", convert: str | None = None, prefer: bool = False
) -> Response:
    """The page, whose parts are loaded after it; `convert` is the currency that cost is converted to, empty for none.

    With `prefer` it is kept for all pages.
    """
    drafts = tuple(islice(_drafts(deps, who), MOST_DRAFTS)) if who.may_edit else ()
    chosen = _chosen(convert)
    answer = respond(request, HomePage(first_steps(deps.store, who.guard), drafts, discarded, chosen), visitor=who)
    return _preferred(answer, deps, chosen if prefer else None)


def _chosen(convert: str | None) -> str | None:
    return None if convert is None else converted_to(convert) or ""


def _preferred(answer: Response, deps: Deps, chosen: str | None) -> Response:
    if chosen is not None:
        remember_currency(answer, deps, f"{CONVERT}{chosen}" if chosen else UNCONVERTED)
    return answer


def _drafts(deps: Deps, who: Visitor) -> Iterator[DraftLink]:
    """The person's drafts, the latest first, of datasets that they may change still."""
    for draft in deps.store.drafts.of_user(who.user):
        if draft.dataset_id is None:
            yield DraftLink(draft.key, draft.title, draft.saved_at, "/datasets/new")
            continue
        with suppress(NotFoundError, ForbiddenError):
            saved = who.guard.dataset(draft.dataset_id, DatasetRight.EDIT)
            title = phrase("Settings of %(dataset)s", dataset=draft.title)
            yield DraftLink(draft.key, title, draft.saved_at, f"/datasets/{saved.slug}/settings")


@router.get("/home/state")
def home_state(request: Request, deps: Here, who: Who) -> Response:
    """What needs attention, for htmx."""
    if is_opened(request):
        return go(request, HOME)
    state = home_status(deps.store, who.guard, deps.settings, deps.clock())
    unread = first_of([each.advertiser_name for each in state.unread], MOST_NAMED)
    return respond(request, StatePart(state, next_runs(who.guard), unscheduled(who.guard), unread), visitor=who)


@router.get("/home/restated")
def home_restated(request: Request, deps: Here, who: Who) -> Response:
    """What TikTok restated, for htmx."""
    if is_opened(request):
        return go(request, HOME)
    findings = restated(deps.store, deps.lake, who.guard, deps.clock())
    lines = tuple(map(_figure_line, findings.figures))
    outdated = tuple(_outdated_line(who, reading) for reading in findings.outdated)
    part = RestatedPart(findings, lines, outdated, next(map(_rows_of_all, filter(_has_rows, findings.figures)), ""))
    return respond(request, part, visitor=who)


def _has_rows(figure: RestatedFigure) -> bool:
    return figure.before is not None


def _rows_of_all(figure: RestatedFigure) -> str:
    assert figure.before is not None
    return rows_address(figure.dataset, figure.before, figure.after, by=figure.key)


def _figure_line(figure: RestatedFigure) -> FigureLine:
    asked, days = (figure.dataset, figure.key, figure.advertiser_id), figure.days
    rows = (
        ""
        if figure.before is None
        else rows_address(
            figure.dataset,
            figure.before,
            figure.after,
            day=days[0].day if len(days) == 1 else None,
            advertiser=figure.advertiser_id,
            by=figure.key,
        )
    )
    return FigureLine(figure, calendar_address(*asked), calendar_address(*asked, day=days[-1].day) + "#day", rows)


def _outdated_line(who: Visitor, reading: LastReading) -> OutdatedLine:
    saved = who.guard.dataset(reading.dataset)
    may_run = who.guard.may(DatasetRight.RUN, saved) and saved.connected
    return OutdatedLine(reading, may_run, who.guard.may(DatasetRight.EDIT, saved))


@router.get("/home/spend")
def home_spend(request: Request, deps: Here, who: Who, convert: str | None = None, prefer: bool = False) -> Response:
    """Spend by day, for htmx. Without `convert` in the currency that the person chose last."""
    if is_opened(request):
        return go(request, HOME)
    chosen = _chosen(convert)
    spend = spend_by_day(
        deps.store,
        deps.lake,
        who.guard,
        deps.clock(),
        convert=chosen or None,
        convert_if_possible=target_of(last_currency(request)) if chosen is None else None,
    )
    is_converted = spend.convert is not None and spend.conversion_refusal is None
    figures = tuple(_spend_figure(currency, is_converted=is_converted) for currency in spend.currencies)
    answer = respond(
        request,
        SpendPart(
            spend,
            first_of(spend.without_rows, MOST_NAMED),
            figures,
            spend_sources(spend.accounts),
            chosen,
            tuple(map(_unread_line, spend.unread)),
            who.may_edit,
            gmv_max_sentences(spend.gmv_max_check) if spend.gmv_max_check else "",
        ),
        visitor=who,
    )
    # The address keeps the currency, as it does without a script.
    answer.headers["HX-Replace-Url"] = HOME if chosen is None else f"{HOME}?convert={chosen}"
    return _preferred(answer, deps, chosen if prefer else None)


def _unread_line(unread: UnreadSpend) -> UnreadLine:
    return UnreadLine(unread, "" if unread.cost is None else _money(unread.cost, unread.currency))


def _spend_figure(spend: CurrencySpend, *, is_converted: bool) -> SpendFigure:
    title = (
        phrase("Cost by day in %(currency)s, converted", currency=spend.currency)
        if is_converted
        else phrase("Cost by day in %(currency)s", currency=spend.currency)
    )
    days = [str(day.day) for day in spend.days]
    opened = _incomplete(spend.days)
    amounts = [None if day.amount is None else float(day.amount) for day in spend.days]
    decimals = money_decimals(spend.currency)
    chart = {
        "kind": "line",
        "title": title,
        "x": {"title": phrase("Day"), "type": "day", "values": days, "open": opened},
        "panels": [
            {
                "title": phrase("Cost (%(currency)s, converted)", currency=spend.currency)
                if is_converted
                else phrase("Cost (%(currency)s)", currency=spend.currency),
                "format": {"unit": "money", "currency": spend.currency, "decimals": decimals},
                "series": [{"name": phrase("Cost"), "role": "main", "values": amounts}],
                "total": math.fsum(
                    amount for place, amount in enumerate(amounts) if amount is not None and place not in opened
                ),
            }
        ],
    }
    rows = tuple(
        (
            phrase("%(day)s (incomplete)", day=shown_day(day.day)) if number in opened else shown_day(day.day),
            phrase("not read") if day.amount is None else _money(day.amount, spend.currency),
            phrase("%(number)s of %(all)s", number=integer(day.advertisers), all=integer(spend.advertisers)),
        )
        for number, day in enumerate(spend.days)
    )
    table = CardTable(title, (phrase("Day"), phrase("Cost"), phrase("Ad accounts read")), rows, (False, True, True))
    numbers = (
        _large(phrase("Yesterday"), spend, spend.yesterday),
        _large(phrase("Last 7 days"), spend, spend.week),
    )
    return SpendFigure(spend.currency, spend.advertisers, numbers, json.dumps(chart), table)


def _incomplete(days: Sequence[SpendDay]) -> list[int]:
    """The places of days that are incomplete for an ad account, or were not read of one that was read before."""
    most, places = 0, []
    for number, day in enumerate(days):
        most = max(most, day.advertisers)
        if day.complete < most:
            places.append(number)
    return places


def _money(amount: Decimal, currency: str) -> str:
    return in_words(float(amount), "money", currency, money_decimals(currency))


def _large(title: str, spend: CurrencySpend, period: SpendPeriod) -> LargeFigure:
    words = []
    if period.amount is not None and period.complete < spend.advertisers:
        words.append(
            phrase(
                "Complete for %(complete)s of %(ad_accounts)s ad accounts.",
                complete=integer(period.complete),
                ad_accounts=integer(spend.advertisers),
            )
        )
    if period.change is not None:
        before = phrase("vs the day before") if period.days.days == 1 else phrase("vs the 7 days before")
        if period.compared < spend.advertisers:
            before = phrase(
                "%(comparison)s, %(compared)s of %(ad_accounts)s ad accounts",
                comparison=before,
                compared=integer(period.compared),
                ad_accounts=integer(spend.advertisers),
            )
        words.insert(0, before)
    dated = phrase("%(period)s (%(days)s)", period=title, days=span_text(period.days))
    value = phrase("Not read yet") if period.amount is None else _money(period.amount, spend.currency)
    return LargeFigure(dated, value, period.amount is not None, period.change, tuple(words))
