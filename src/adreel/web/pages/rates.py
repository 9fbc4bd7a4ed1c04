"""Exchange rates of the workspace: looked at, imported after a preview, exported and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, ClassVar

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import Response

from adreel import exchange_rates
from adreel.access import RoleRight
from adreel.errors import InputError
from adreel.exchange_rates import Direction, RatesChange, RateSeries, in_words, shown_rate
from adreel.language import integer, phrase, phrases, shown_day
from adreel.store.exchange_rates import LONGEST_FILE_NAME, LONGEST_VALIDITY
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import attachment
from adreel.web.import_turn import one_at_a_time
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond

RATES = "/workspace/rates"

router = APIRouter()

Text = Annotated[str, Form()]

WIDTH, HEIGHT = 120, 28
"""Of the small line of a currency, in its own units."""

MOST_POINTS = 240
MOST_EXAMPLES = 12
MOST_JUMPS = 10
MOST_GAPS = 3


@dataclass(frozen=True, slots=True)
class RateRow:
    """A currency's rates in a row of the table; `points` draw the line of all its rates."""

    series: RateSeries
    latest: str
    words: str
    points: str
    gaps: tuple[str, ...]
    more_gaps: int


@dataclass(frozen=True, slots=True)
class RatesFields:
    """What a person entered; `text` is the file."""

    text: str = ""
    target: str = ""
    direction: str = ""
    mode: str = "add"
    file: str = ""


@dataclass(frozen=True, slots=True)
class RatesPage(Page):
    """The rates that there are, and the form; `change` is what saving the file does, once it was looked at.

    `to_check` are jumps of the rates that there are.
    """

    template: ClassVar[str] = "rates.html"
    rows: tuple[RateRow, ...]
    to_check: tuple[str, ...]
    targets: tuple[str, ...]
    total: int
    valid_days: int
    longest_validity: int
    entered: RatesFields
    may_change: bool
    error: str = ""
    change: RatesChange | None = None
    examples: tuple[str, ...] = ()
    more_examples: int = 0
    jumps: tuple[str, ...] = ()
    more_jumps: int = 0
    seen: str = ""


@router.get(RATES)
def rates(request: Request, deps: Here, who: Who) -> Response:
    """The rates, and the form to import others."""
    who.guard.need_role(RoleRight.VIEW_SETTINGS)
    return respond(request, _page(deps, who, RatesFields()), visitor=who)


@router.post(RATES)
async def import_rates(
    request: Request,
    deps: Here,
    who: Who,
    file: Annotated[UploadFile | None, File()] = None,
    text: Text = "",
    target: Text = "",
    direction: Text = "",
    mode: Text = "add",
    name: Text = "",
    seen: Text = "",
) -> Response:
    """Shows what saving a file would do, and saves it if the person has seen that of the same file and rates."""
    content = file.file.read() if file is not None and file.filename else None
    file_name = " ".join(((file.filename if file is not None else "") or name).split())[:LONGEST_FILE_NAME]
    # Browsers send line ends as CR LF, whatever the page had.
    entered = RatesFields(text.replace("\r\n", "\n"), target.strip().upper()[:3], direction, mode, file_name)
    return await one_at_a_time(request, lambda: _imported(request, deps, who, content, entered, seen))


def _imported(
    request: Request, deps: Deps, who: Visitor, content: bytes | None, entered: RatesFields, seen: str
) -> Response:
    who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    try:
        if content is None and not entered.text.strip():
            raise InputError(phrase("Choose a file, or paste its text."))
        rate_file = exchange_rates.read_rates(
            entered.text if content is None else content,
            today=deps.clock().date(),
            target=entered.target,
            direction=Direction(entered.direction) if entered.direction in list(Direction) else None,
        )
        if content is not None:
            text = content.decode("utf-8-sig").replace("\r\n", "\n")
            entered = RatesFields(text, entered.target, entered.direction, entered.mode, entered.file)
        replace_all = entered.mode == "replace"
        signature = _signature(deps, entered)
        if seen == signature:
            exchange_rates.save(who.guard, rate_file, entered.file, replace_all=replace_all)
            return go(
                request,
                RATES,
                phrases(
                    "Imported %(rates)s exchange rate.",
                    "Imported %(rates)s exchange rates.",
                    len(rate_file.rates),
                    rates=integer(len(rate_file.rates)),
                ),
            )
        change = exchange_rates.preview(deps.store, rate_file, replace_all=replace_all)
    except InputError as error:
        return respond(request, _page(deps, who, entered, error=sentence(error)), 422, who)
    return respond(request, _page(deps, who, entered, change=change, seen=signature), visitor=who)


@router.post(f"{RATES}/validity")
def change_validity(request: Request, deps: Here, who: Who, valid_days: Text = "") -> Response:
    """Changes for how many days a rate holds."""
    who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    typed = valid_days.strip()
    try:
        if not (typed.isascii() and typed.isdecimal() and len(typed) < 6):
            raise InputError(
                phrase(
                    "%(typed)s is not a number of days. Enter 1 to %(most)s.",
                    typed=repr(typed[:20]),
                    most=LONGEST_VALIDITY,
                )
            )
        exchange_rates.set_valid_days(who.guard, int(typed))
    except InputError as error:
        return respond(request, _page(deps, who, RatesFields(), error=sentence(error)), 422, who)
    return go(request, RATES, phrase("Saved for how many days a rate holds."))


@router.post(f"{RATES}/delete")
def delete_rates(request: Request, deps: Here, who: Who, target: Text = "") -> Response:
    """Deletes the rates to a currency, or all."""
    who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    try:
        count = exchange_rates.delete(who.guard, target or None)
    except InputError as error:
        return respond(request, _page(deps, who, RatesFields(), error=sentence(error)), 422, who)
    return go(
        request,
        RATES,
        phrases("Deleted %(rates)s exchange rate.", "Deleted %(rates)s exchange rates.", count, rates=integer(count)),
    )


@router.get(f"{RATES}/export")
def export_rates(deps: Here, who: Who) -> Response:
    """All rates as a file that can be imported."""
    who.guard.need_role(RoleRight.VIEW_SETTINGS)
    text = exchange_rates.as_csv(deps.store.exchange_rates.list())
    return Response(text, media_type="text/csv; charset=utf-8", headers=attachment("rates.csv", "rates.csv"))


def _page(
    deps: Deps,
    who: Visitor,
    entered: RatesFields,
    *,
    error: str = "",
    change: RatesChange | None = None,
    seen: str = "",
) -> RatesPage:
    stored, valid_days = deps.store.exchange_rates.list(), deps.store.exchange_rates.valid_days()
    series = exchange_rates.series_of(stored, valid_days)
    examples = change.file.examples if change else ()
    jumps = tuple(jump.text for jump in change.jumps) if change else ()
    return RatesPage(
        rows=tuple(map(_row, series)),
        to_check=tuple(jump.text for each in series for jump in each.jumps)[:MOST_JUMPS] if change is None else (),
        targets=tuple(dict.fromkeys(each.target for each in series)),
        total=len(stored),
        valid_days=valid_days,
        longest_validity=LONGEST_VALIDITY,
        entered=entered,
        may_change=who.guard.may_role(RoleRight.CHANGE_WORKSPACE),
        error=error,
        change=change,
        examples=examples[:MOST_EXAMPLES],
        more_examples=max(0, len(examples) - MOST_EXAMPLES),
        jumps=jumps[:MOST_JUMPS],
        more_jumps=max(0, len(jumps) - MOST_JUMPS),
        seen=seen,
    )


def _signature(deps: Deps, entered: RatesFields) -> str:
    """What was seen: another file, other choices, or rates that changed meanwhile need another look."""
    imports = deps.store.exchange_rates.imports()
    parts = (entered.text, entered.target, entered.direction, entered.mode, str(sorted(imports)))
    return sha256("\0".join(parts).encode()).hexdigest()


def _row(series: RateSeries) -> RateRow:
    gaps = tuple(
        shown_day(gap.start)
        if gap.days == 1
        else phrase("%(first)s to %(last)s", first=shown_day(gap.start), last=shown_day(gap.end))
        for gap in series.gaps[-MOST_GAPS:]
    )
    return RateRow(
        series=series,
        latest=shown_rate(series.latest.rate),
        words=in_words(series.latest),
        points=_points(series),
        gaps=gaps,
        more_gaps=len(series.gaps) - len(gaps),
    )


def _points(series: RateSeries) -> str:
    """The line of the rates, from the left bottom of its lowest to the right; of many rates every so many."""
    step = -(-len(series.rates) // MOST_POINTS)
    # Those of a jump are always drawn.
    kept = {
        *series.rates[::step],
        series.latest,
        *(each for jump in series.jumps for each in (jump.before, jump.after)),
    }
    drawn = sorted(kept, key=lambda rate: rate.day)
    least, most = min(rate.rate for rate in drawn), max(rate.rate for rate in drawn)
    days = max(1, (drawn[-1].day - drawn[0].day).days)
    # A rate that hardly changes is a flat line, whatever its last digits.
    height = max(most - least, most * Decimal("0.02"))
    return " ".join(
        f"{WIDTH * (rate.day - drawn[0].day).days / days:.1f},"
        f"{2 + float((HEIGHT - 4) * (1 - (rate.rate - least) / height)):.1f}"
        for rate in drawn
    )
