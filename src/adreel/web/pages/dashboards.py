"""Dashboards: the list, each with its charts, shared ones, and pinning a chart from the Charts tab."""

from __future__ import annotations

import json
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.charts import CALENDAR_PERIODS, DAYS
from adreel.charts.choices import opened_with
from adreel.charts.periods import period_words
from adreel.charts.selection import span_text
from adreel.dashboards import boards
from adreel.dashboards.cards import CommonPeriod, PinnedCard, PinState, described, period_of, pinned_card, query_of
from adreel.dashboards.files import KINDS, write_file
from adreel.datasets.advertisers import advertiser_names
from adreel.dates import Span
from adreel.errors import AdreelError, ForbiddenError, InputError
from adreel.language import WEEKDAYS, Phrase, in_english, phrase
from adreel.store import Dashboard, DashboardDelivery, Pin, SavedDataset
from adreel.store.names import is_id
from adreel.store.notifications import Address
from adreel.stored_texts import translated
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import attachment
from adreel.web.pages.charts import Figure, Menus, figure_of, filter_menus, waiting, yesterday_of
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, is_fragment, is_opened, respond
from adreel.web.status import status_of

router = APIRouter()

_DRAWING = threading.Lock()
_MEDIA_TYPES = {"png": "image/png", "pdf": "application/pdf"}

Text = Annotated[str, Form()]
Numbers = Annotated[list[int], Form()]

NEW = "new"
"""Chosen in place of a dashboard to create one."""


@dataclass(frozen=True, slots=True)
class DashboardsPage(Page):
    """The user's dashboards; `problem` is what was wrong with the `name` of a new one."""

    template: ClassVar[str] = "dashboards.html"
    dashboards: tuple[Dashboard, ...]
    name: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """The common period of a dashboard: as the query of the address, and in words."""

    days: str
    common: CommonPeriod | None

    @property
    def query(self) -> str:
        """The query of the address, with its question mark; empty for the charts' own periods."""
        span = self.range
        if span is not None:
            return f"?days=custom&start={span.start}&end={span.end}"
        return f"?days={self.days}" if self.common else ""

    @property
    def range(self) -> Span | None:
        """The days of a custom range."""
        return self.common.days if self.common and isinstance(self.common.days, Span) else None

    @property
    def words(self) -> str:
        """The period in words."""
        if self.common is None:
            return phrase("Each chart's own")
        days = self.common.days
        return span_text(days) if isinstance(days, Span) else period_words(days)


@dataclass(frozen=True, slots=True)
class PinView:
    """A card as a page shows it; `figure` is None for one that cannot be shown, for the reason `card.problem`.

    `menus` has what is chosen, `cautions` what changes how the figures are read. `error`: the card failed to load, and
    can be tried again. `title` is never empty.
    """

    card: PinnedCard
    title: str
    figure: Figure | None
    menus: Menus | None
    error: str = ""
    days: str = ""
    previous_days: str = ""
    address: str = ""
    cautions: tuple[str, ...] = ()

    @property
    def pin(self) -> Pin:
        """The pin."""
        return self.card.pin

    @property
    def name(self) -> str:
        """The id of the card's element in the page."""
        return f"pin-{self.pin.id}"

    @property
    def loaded(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.figure is None or self.figure.loaded or bool(self.error)


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard as a page shows it, at the address `base`; who may not change it sees it by a shared link."""

    dashboard: Dashboard
    base: str
    period: Period
    may_change: bool


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with the address that it goes to; `stopped` says why it is not sent."""

    delivery: DashboardDelivery
    address: Address
    weekdays: str


@dataclass(frozen=True, slots=True)
class DashboardPage(Page):
    """A dashboard with its cards, whose figures are loaded one by one. `share_url` is empty if it is not shared.

    `datasets` are those whose charts can be added.
    """

    template: ClassVar[str] = "dashboard.html"
    board: Board
    cards: tuple[PinView, ...]
    share_url: str
    deliveries: tuple[DeliveryRow, ...]
    addresses: tuple[Address, ...]
    dialog: str = ""
    problem: str = ""
    chosen: str = ""
    days: tuple[int, ...] = DAYS
    calendar: tuple[tuple[str, str], ...] = tuple(CALENDAR_PERIODS.items())
    datasets: tuple[SavedDataset, ...] = ()
    weekdays: tuple[str, ...] = WEEKDAYS


@dataclass(frozen=True, slots=True)
class PinPart(Page):
    """One card with its figures."""

    template: ClassVar[str] = "_pin.html"
    board: Board
    pinned: PinView


@dataclass(frozen=True, slots=True)
class RemovedPart(Page):
    """What stands in the place of a removed card until the page is left."""

    template: ClassVar[str] = "_pin_removed.html"
    board: Board
    pin: Pin


@dataclass(frozen=True, slots=True)
class PinForm(Page):
    """The form that pins a chart; `query` is what is chosen."""

    template: ClassVar[str] = "_pin_form.html"
    dashboards: tuple[Dashboard, ...]
    dataset: str
    card: str
    query: str
    chosen: str = ""
    name: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PinnedPart(Page):
    """What is said after a chart was pinned."""

    template: ClassVar[str] = "_pinned.html"
    dashboard: Dashboard


# -- the list


@router.get("/dashboards")
def list_dashboards(request: Request, who: Who) -> Response:
    """The user's dashboards."""
    return respond(request, DashboardsPage(boards.dashboards(who.guard)), visitor=who)


@router.post("/dashboards")
def create(request: Request, who: Who, name: Text = "") -> Response:
    """Creates a dashboard."""
    try:
        board = boards.create(who.guard, name)
    except ForbiddenError:
        raise
    except InputError as error:
        page = DashboardsPage(boards.dashboards(who.guard), name[:200], sentence(error))
        return respond(request, page, status_of(error), who)
    return go(request, f"/dashboards/{board.id}", phrase("Created %(dashboard)s.", dashboard=board.name))


# -- pinning


@router.get("/dashboards/pin")
def pin_form(request: Request, who: Who, dataset: str, card: str) -> Response:
    """The form that pins a chart, with what is chosen; a new dashboard is named as the dataset."""
    saved = who.guard.dataset(dataset)
    if is_opened(request):
        return go(request, f"/datasets/{dataset}/cards")
    chosen = [(name, value) for name, value in request.query_params.multi_items() if name not in ("dataset", "card")]
    query = boards.pin_query(opened_with(query_of(urlencode(chosen))), card)
    form = PinForm(boards.dashboards(who.guard), dataset, card, query, name=saved.name[:100])
    return respond(request, form, visitor=who)


@router.post("/dashboards/pin")
def pin(
    request: Request,
    deps: Here,
    who: Who,
    dataset: Text,
    card: Text,
    query: Text = "",
    dashboard: Text = NEW,
    name: Text = "",
) -> Response:
    """Pins a chart to a dashboard, or to a new one of that name."""
    saved = who.guard.dataset(dataset)
    try:
        if dashboard == NEW:
            board = boards.pin_to_new(who.guard, deps.lake, name, saved, card, query, deps.clock())
        else:
            board = _own(who, _number(dashboard))
            boards.pin(who.guard, deps.lake, board, saved, card, query, deps.clock())
    except ForbiddenError:
        raise
    except AdreelError as error:
        form = PinForm(
            boards.dashboards(who.guard), saved.slug, card, query, dashboard, name[:200], problem=sentence(error)
        )
        return respond(request, form, status_of(error), who)
    if not is_fragment(request):
        return go(request, f"/dashboards/{board.id}")
    return respond(request, PinnedPart(board), visitor=who)


# -- a dashboard


@router.get("/dashboards/{dashboard_id:int}")
def show(
    request: Request,
    deps: Here,
    who: Who,
    dashboard_id: int,
    days: str = "",
    start: str = "",
    end: str = "",
    send: str = "",
) -> Response:
    """A dashboard of the user's; with `send`, the dialog that sends it to the address of that id is open."""
    board = _board(_own(who, dashboard_id), days, start, end)
    page = _page(deps, who, board, "deliveries" if send else "")
    return respond(request, replace(page, chosen=send), visitor=who)


@router.get("/dashboards/shared/{share}")
def show_shared(
    request: Request, deps: Here, who: Who, share: str, days: str = "", start: str = "", end: str = ""
) -> Response:
    """A dashboard that its owner shares by this link."""
    board = _shared(who, share, days, start, end)
    return respond(request, _page(deps, who, board), visitor=who)


@router.get("/dashboards/{dashboard_id:int}/file")
def file(
    deps: Here, who: Who, dashboard_id: int, kind: str = "pdf", days: str = "", start: str = "", end: str = ""
) -> Response:
    """A dashboard of the user's as a picture or PDF."""
    return _file(deps, who, _board(_own(who, dashboard_id), days, start, end), kind)


@router.get("/dashboards/shared/{share}/file")
def shared_file(
    deps: Here, who: Who, share: str, kind: str = "pdf", days: str = "", start: str = "", end: str = ""
) -> Response:
    """A shared dashboard as a picture or PDF, with the charts that the user may see."""
    return _file(deps, who, _shared(who, share, days, start, end), kind)


def _file(deps: Deps, who: Visitor, board: Board, kind: str) -> Response:
    if kind not in KINDS:
        raise InputError(phrase("%(kind)s is not a format of dashboards. Use png or pdf.", kind=repr(kind[:20])))
    dashboard = board.dashboard
    # Drawing takes a core and some 200 MB: one at a time.
    with _DRAWING, in_english(), tempfile.TemporaryDirectory(prefix="adreel-dashboard-") as folder:
        path = Path(folder) / f"dashboard.{kind}"
        write_file(deps.settings.home, who.guard, deps.lake, dashboard, deps.clock(), path, board.period.common)
        content = path.read_bytes()
    headers = attachment(f"dashboard.{kind}", f"{dashboard.name}.{kind}")
    return Response(content, media_type=_MEDIA_TYPES[kind], headers=headers)


@router.get("/dashboards/{dashboard_id:int}/pins/{pin_id:int}")
def card(
    request: Request,
    deps: Here,
    who: Who,
    dashboard_id: int,
    pin_id: int,
    days: str = "",
    start: str = "",
    end: str = "",
) -> Response:
    """One card with its figures."""
    return _card(request, deps, who, _board(_own(who, dashboard_id), days, start, end), pin_id)


@router.get("/dashboards/shared/{share}/pins/{pin_id:int}")
def shared_card(
    request: Request, deps: Here, who: Who, share: str, pin_id: int, days: str = "", start: str = "", end: str = ""
) -> Response:
    """One card of a shared dashboard with its figures."""
    return _card(request, deps, who, _shared(who, share, days, start, end), pin_id)


def _card(request: Request, deps: Deps, who: Visitor, board: Board, pin_id: int) -> Response:
    if is_opened(request):
        return go(request, f"{board.base}{board.period.query}#pin-{pin_id}")
    pinned = deps.store.dashboards.pin(board.dashboard, pin_id)
    view = _pinned(deps, who, board, pinned)
    return respond(request, PinPart(board, view), visitor=who)


@router.post("/dashboards/{dashboard_id:int}/rename")
def rename(request: Request, deps: Here, who: Who, dashboard_id: int, name: Text = "") -> Response:
    """Renames a dashboard."""
    board = _own(who, dashboard_id)
    try:
        board = boards.rename(who.guard, board, name)
    except InputError as error:
        return _refused(request, deps, who, board, "rename", error)
    return go(
        request, f"/dashboards/{board.id}", phrase("The dashboard is now called %(dashboard)s.", dashboard=board.name)
    )


@router.post("/dashboards/{dashboard_id:int}/delete")
def delete(request: Request, who: Who, dashboard_id: int) -> Response:
    """Deletes a dashboard."""
    board = _own(who, dashboard_id)
    boards.delete(who.guard, board)
    return go(request, "/dashboards", phrase("Deleted %(dashboard)s.", dashboard=board.name))


@router.post("/dashboards/{dashboard_id:int}/share")
def share(request: Request, who: Who, dashboard_id: int, stop: Text = "") -> Response:
    """Creates a new link, or revokes it."""
    board = boards.share(who.guard, _own(who, dashboard_id), shared=not stop)
    notice = (
        phrase("%(dashboard)s has a new link.", dashboard=board.name)
        if board.share
        else phrase("%(dashboard)s is no longer shared.", dashboard=board.name)
    )
    return go(request, f"/dashboards/{board.id}", notice)


# -- cards


@router.post("/dashboards/{dashboard_id:int}/pins/{pin_id:int}/move")
def move(request: Request, who: Who, dashboard_id: int, pin_id: int, to: Annotated[int, Form()]) -> Response:
    """Moves a card to a place, counted from 1."""
    board = _own(who, dashboard_id)
    boards.move(who.guard, board, pin_id, to)
    if request.headers.get("accept") == "application/json":
        return Response(status_code=204)
    return go(request, f"/dashboards/{board.id}#pin-{pin_id}")


@router.post("/dashboards/{dashboard_id:int}/pins/{pin_id:int}/title")
def entitle(request: Request, deps: Here, who: Who, dashboard_id: int, pin_id: int, title: Text = "") -> Response:
    """Gives a card another title; an empty one is the chart's own."""
    board = _board(_own(who, dashboard_id))
    pinned = boards.entitle(who.guard, board.dashboard, pin_id, title)
    if not is_fragment(request):
        return go(request, f"{board.base}#pin-{pin_id}")
    return respond(request, PinPart(board, _pinned(deps, who, board, pinned)), visitor=who)


@router.post("/dashboards/{dashboard_id:int}/pins/{pin_id:int}/remove")
def remove(request: Request, who: Who, dashboard_id: int, pin_id: int) -> Response:
    """Removes a card, which can be undone."""
    board = _board(_own(who, dashboard_id))
    removed = boards.unpin(who.guard, board.dashboard, pin_id)
    if not is_fragment(request):
        return go(request, board.base, phrase("Removed the chart."))
    return respond(request, RemovedPart(board, removed), visitor=who)


@router.post("/dashboards/{dashboard_id:int}/pins/{pin_id:int}/restore")
def restore(request: Request, deps: Here, who: Who, dashboard_id: int, pin_id: int) -> Response:
    """Brings a removed card back."""
    board = _board(_own(who, dashboard_id))
    restored = boards.restore(who.guard, board.dashboard, pin_id)
    if not is_fragment(request):
        return go(request, f"{board.base}#pin-{pin_id}")
    return respond(request, PinPart(board, _pinned(deps, who, board, restored)), visitor=who)


# -- deliveries


@router.post("/dashboards/{dashboard_id:int}/deliveries")
def deliver(
    request: Request,
    deps: Here,
    who: Who,
    dashboard_id: int,
    address: Text = "",
    at: Text = "",
    weekdays: Numbers = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Has the dashboard sent to an address at a time of some weekdays."""
    board = _own(who, dashboard_id)
    try:
        delivery = boards.deliver(deps.settings, who.guard, board, _number(address), at, weekdays, deps.clock())
    except ForbiddenError:
        raise
    except InputError as error:
        return _refused(request, deps, who, board, "deliveries", error)
    name = deps.store.addresses.get(delivery.address_id).name
    return go(
        request,
        f"/dashboards/{board.id}",
        phrase(
            "%(dashboard)s is sent to %(address)s at %(time)s (%(zone)s).",
            dashboard=board.name,
            address=name,
            time=delivery.at,
            zone=deps.store.workspace.get().zone,
        ),
    )


@router.post("/dashboards/{dashboard_id:int}/deliveries/{delivery_id:int}/send")
def send(request: Request, who: Who, dashboard_id: int, delivery_id: int) -> Response:
    """Has the dashboard sent within seconds."""
    board = _own(who, dashboard_id)
    boards.send_now(who.guard, board, delivery_id)
    return go(
        request, f"/dashboards/{board.id}", phrase("The dashboard is sent within a minute, while a worker is running.")
    )


@router.post("/dashboards/{dashboard_id:int}/deliveries/{delivery_id:int}/remove")
def stop_delivery(request: Request, who: Who, dashboard_id: int, delivery_id: int) -> Response:
    """Sends the dashboard to that address no more."""
    board = _own(who, dashboard_id)
    boards.stop_delivery(who.guard, board, delivery_id)
    return go(request, f"/dashboards/{board.id}", phrase("The dashboard is no longer sent to that address."))


# -- what pages show


def _number(text: str) -> int:
    """The id that a form sends. InputError for none."""
    if not is_id(text):
        raise InputError(phrase("Choose one of the list."))
    return int(text)


def _own(who: Visitor, dashboard_id: int) -> Dashboard:
    """The user's dashboard of that id."""
    return boards.own_dashboard(who.guard, dashboard_id)


def _board(dashboard: Dashboard, days: str = "", start: str = "", end: str = "") -> Board:
    period = Period(days, period_of(days, start, end))
    return Board(dashboard, f"/dashboards/{dashboard.id}", period, may_change=True)


def _shared(who: Visitor, share: str, days: str, start: str, end: str) -> Board:
    dashboard = boards.shared_dashboard(who.guard, share)
    period = Period(days, period_of(days, start, end))
    return Board(dashboard, boards.share_path(dashboard), period, may_change=False)


def _page(deps: Deps, who: Visitor, board: Board, dialog: str = "", problem: str = "") -> DashboardPage:
    now = deps.clock()
    pins = deps.store.dashboards.pins(board.dashboard)
    cards = tuple(_waiting(described(who.guard, board.dashboard, pinned, now)) for pinned in pins)
    if not board.may_change:
        return DashboardPage(board, cards, "", (), ())
    addresses = {address.id: address for address in boards.addresses(deps.settings, who.guard, now)}
    deliveries = tuple(
        DeliveryRow(delivery, address, _weekdays(delivery.weekdays))
        for delivery in deps.store.dashboard_deliveries.of(board.dashboard)
        if (address := addresses.get(delivery.address_id)) is not None
    )
    share_url = boards.share_link(deps.settings, board.dashboard)
    return DashboardPage(
        board,
        cards,
        share_url,
        deliveries,
        tuple(addresses.values()),
        dialog,
        problem,
        datasets=tuple(sorted(who.guard.datasets(), key=lambda saved: saved.name.casefold())),
    )


def _weekdays(numbers: tuple[int, ...]) -> str:
    if numbers == tuple(range(7)):
        return phrase("Every day")
    if numbers == tuple(range(5)):
        return phrase("Weekdays")
    return ", ".join(str(WEEKDAYS[number]) for number in numbers)


def _refused(
    request: Request, deps: Deps, who: Visitor, dashboard: Dashboard, dialog: str, error: AdreelError
) -> Response:
    """The page with a dialog in which something was wrong."""
    page = _page(deps, who, _board(dashboard), dialog, sentence(error))
    return respond(request, page, status_of(error), who)


_UNTITLED = {
    PinState.HIDDEN: Phrase("Chart without access"),
    PinState.DELETED: Phrase("Chart of a deleted dataset"),
}


def _title(pinned: PinnedCard) -> str:
    # Before its figures are loaded, a chart pinned under its own title has it in English, as it is stored.
    title = pinned.title if pinned.chart else translated(pinned.title)
    return title or str(_UNTITLED.get(pinned.state, phrase("Chart")))


def _waiting(pinned: PinnedCard) -> PinView:
    """A card before its figures are loaded; one that has none says so at once."""
    if pinned.saved is None:
        return PinView(pinned, _title(pinned), None, None)
    figure = Figure(f"pin-{pinned.pin.id}", _title(pinned), "", "line", loaded=False)
    return PinView(pinned, _title(pinned), figure, Menus(pinned.saved.slug, pinned.asked))


def _pinned(deps: Deps, who: Visitor, board: Board, pin: Pin) -> PinView:
    """A card with its figures."""
    pinned = pinned_card(who.guard, deps.lake, board.dashboard, pin, deps.clock(), board.period.common)
    if pinned.saved is None:
        return PinView(pinned, _title(pinned), None, None)
    menus = Menus(pinned.saved.slug, pinned.asked)
    if pinned.chart is not None:
        facts, names = pinned.chart.facts, advertiser_names(who.guard, pinned.saved)
        if not pinned.chart.offer.card.previous:
            facts = replace(facts, previous=None, no_previous=None)
        menus = replace(
            menus, facts=facts, filters=filter_menus(pinned.asked, facts, names), yesterday=yesterday_of(deps)
        )
    address = f"/datasets/{pinned.saved.slug}/cards{menus.query or menus.asked.having()}"
    if pinned.chart is None or pinned.state is not PinState.SHOWN:
        error = pinned.problem if pinned.state is PinState.FAILED else ""
        return PinView(pinned, _title(pinned), None, menus, error=error, address=address)
    chart = pinned.chart
    figure = replace(figure_of(chart.data, menus, chart.names), key=f"pin-{pin.id}")
    facts, anchor = menus.facts or chart.facts, waiting(chart.offer).name
    ranges = () if facts.window or pinned.period_note else facts.range_notes
    return PinView(
        pinned,
        _title(pinned),
        replace(figure, title=_title(pinned), chart=_renamed(figure.chart, _title(pinned))),
        menus,
        days=span_text(facts.window) if facts.window else "",
        previous_days=span_text(facts.previous) if facts.previous else "",
        cautions=tuple(filter(None, (menus.filtered, *menus.cautions, *ranges))),
        address=f"{address}#{anchor}",
    )


def _renamed(chart: str, title: str) -> str:
    """The chart for the browser under the title of the pin, which its description for screen readers has."""
    return json.dumps(json.loads(chart) | {"title": title}, ensure_ascii=False) if chart else ""
