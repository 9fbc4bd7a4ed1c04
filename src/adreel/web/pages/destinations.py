"""Destinations: those of the workspace, and where a dataset publishes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.access import DatasetRight, RoleRight
from adreel.datasets.layouts import WarehouseLayout, read_layout
from adreel.destinations import service
from adreel.destinations.kinds import LONGEST_ADDRESS, DestinationKind, read_address
from adreel.destinations.status import PublicationStatus, is_due, publishers, statuses_of, with_repairs
from adreel.errors import AdreelError, DatasetError
from adreel.language import phrase
from adreel.store import Destination, SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.forms.fields import FormFields
from adreel.web.forms.posted import Posted
from adreel.web.forms.problems import sentence as problem_sentence
from adreel.web.pages.wording import sentence
from adreel.web.render import Notice, Page, go, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()

_NOTHING = FormFields({})


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """A dataset that publishes to a destination, and how it stands there."""

    saved: SavedDataset
    status: PublicationStatus


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """A destination with the datasets that publish there and the user may see; `hidden` are how many others."""

    destination: Destination
    datasets: tuple[PublishedDataset, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class DestinationsPage(Page):
    """All destinations, and the form for a new one with what was typed."""

    template: ClassVar[str] = "destinations.html"
    rows: tuple[DestinationRow, ...]
    kinds: tuple[DestinationKind, ...]
    may_change: bool
    typed: FormFields
    problem: str
    layouts: tuple[WarehouseLayout, ...]
    longest: int


@dataclass(frozen=True, slots=True)
class DatasetDestinationsPage(Page):
    """Where a dataset publishes to, and destinations that it could publish to as well.

    `in_progress`: a worker publishes there next, or does so now.
    """

    template: ClassVar[str] = "dataset_destinations.html"
    saved: SavedDataset
    statuses: tuple[PublicationStatus, ...]
    in_progress: bool
    others: tuple[Destination, ...]
    may_edit: bool
    may_run: bool
    may_add: bool
    typed: FormFields
    problem: str


@router.get("/destinations")
def destinations(request: Request, deps: Here, who: Who) -> Response:
    """The destinations, for who may publish datasets."""
    return respond(request, _page(deps, who), visitor=who)


@router.post("/destinations")
def add(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """Adds a destination once it has been reached."""
    need_browser(who, phrase("API tokens cannot add destinations on this page."))
    who.guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    try:
        address = read_address(fields.text("address"))
        layout = fields.text("layout") or WarehouseLayout.DATASETS
        destination = service.add(
            who.guard, fields.text("name"), address, fields.text("schema") or None, read_layout(layout)
        )
    except AdreelError as error:
        return respond(request, _page(deps, who, fields, sentence(error)), status_of(error), who)
    text = phrase("Added %(name)s: adreel can write there. Publish datasets to it.", name=destination.name)
    return go(request, "/destinations", text)


@router.post("/destinations/{destination_id:int}/test")
def test(request: Request, deps: Here, who: Who, destination_id: int) -> Response:
    """Makes a table there and takes it back."""
    who.guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    destination = deps.store.destinations.get(destination_id)
    try:
        service.test(who.guard, destination)
    except AdreelError as error:
        problem = phrase("The test of %(name)s failed: %(reason)s", name=destination.name, reason=sentence(error))
        return go(request, "/destinations", Notice(problem, failed=True))
    return go(request, "/destinations", phrase("adreel can write to %(name)s.", name=destination.name))


@router.post("/destinations/{destination_id:int}/delete")
def delete(request: Request, deps: Here, who: Who, destination_id: int) -> Response:
    """Forgets a destination; tables there stay."""
    who.guard.need_role(RoleRight.CHANGE_DESTINATIONS)
    destination = deps.store.destinations.get(destination_id)
    return _acted(
        request,
        "/destinations",
        lambda: service.delete(who.guard, destination),
        phrase("Deleted %(name)s. Its tables stay as they are.", name=destination.name),
    )


# -- of a dataset


@router.get("/datasets/{slug}/destinations")
def dataset_destinations(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """Where a dataset publishes to."""
    return respond(request, _dataset_page(deps, who, who.guard.dataset(slug)), visitor=who)


@router.post("/datasets/{slug}/destinations")
def attach(request: Request, deps: Here, who: Who, slug: str, fields: Posted) -> Response:
    """Has a dataset publish to one more destination."""
    saved = who.guard.dataset(slug, DatasetRight.EDIT)
    try:
        destination = deps.store.destinations.get(fields.text("destination"))
        table, history = fields.text("table") or None, fields.last("history") == "yes"
        service.attach(who.guard, saved, destination, table, deps.clock(), history=history)
    except AdreelError as error:
        return respond(request, _dataset_page(deps, who, saved, fields, _reason(error)), status_of(error), who)
    return go(request, _home(saved), phrase("The dataset publishes to %(name)s after each run.", name=destination.name))


def _reason(error: AdreelError) -> str:
    """Why a dataset cannot publish there, without the keys of its file."""
    problems = error.problems if isinstance(error, DatasetError) else ()
    return " ".join(map(problem_sentence, problems)) or sentence(error)


@router.post("/datasets/{slug}/destinations/{destination_id:int}/publish")
def publish(request: Request, deps: Here, who: Who, slug: str, destination_id: int, fields: Posted) -> Response:
    """Publishes soon, and loads the table anew if that is asked for."""
    saved = who.guard.dataset(slug, DatasetRight.RUN)
    destination = deps.store.destinations.get(destination_id)
    reload = fields.last("reload") == "yes"
    text = (
        phrase("The table at %(name)s is loaded anew in a moment.", name=destination.name)
        if reload
        else phrase("Publishing to %(name)s begins in a moment.", name=destination.name)
    )
    return _acted(request, _home(saved), lambda: service.ask(who.guard, saved, destination, reload=reload), text)


@router.post("/datasets/{slug}/destinations/detach")
def detach(request: Request, deps: Here, who: Who, slug: str, fields: Posted) -> Response:
    """Has a dataset no longer publish to a destination."""
    saved = who.guard.dataset(slug, DatasetRight.EDIT)
    name = fields.text("destination")
    return _acted(
        request,
        _home(saved),
        lambda: service.detach(who.guard, saved, name, deps.clock()),
        phrase("The dataset no longer publishes to %(name)s. The table there stays.", name=name),
    )


def _acted(request: Request, path: str, act: Callable[[], object], text: str) -> Response:
    """Does it, and says on the page that follows how it went."""
    try:
        act()
    except AdreelError as error:
        return go(request, path, Notice(sentence(error), failed=True))
    return go(request, path, text)


def _home(saved: SavedDataset) -> str:
    return f"/datasets/{saved.slug}/destinations"


def _page(deps: Deps, who: Visitor, typed: FormFields = _NOTHING, problem: str = "") -> DestinationsPage:
    who.guard.need_role(RoleRight.VIEW_DESTINATIONS)
    rows = tuple(_row(deps, who, destination) for destination in deps.store.destinations.list())
    may_change = who.guard.may_role(RoleRight.CHANGE_DESTINATIONS)
    layouts = tuple(WarehouseLayout)
    return DestinationsPage(rows, tuple(DestinationKind), may_change, typed, problem, layouts, LONGEST_ADDRESS)


def _row(deps: Deps, who: Visitor, destination: Destination) -> DestinationRow:
    every = publishers(deps.store, destination)
    seen = tuple(saved for saved in every if who.guard.may(DatasetRight.SEE, saved))
    datasets = tuple(
        PublishedDataset(saved, status)
        for saved, status in statuses_of(deps.store, seen)
        if status.destination == destination
    )
    return DestinationRow(destination, datasets, len(every) - len(seen))


def _dataset_page(
    deps: Deps, who: Visitor, saved: SavedDataset, typed: FormFields = _NOTHING, problem: str = ""
) -> DatasetDestinationsPage:
    listed = tuple(status for _, status in with_repairs(deps.store, statuses_of(deps.store, (saved,))))
    now = deps.clock()
    taken = {status.destination.id for status in listed if status.destination is not None}
    may_edit = who.guard.may(DatasetRight.EDIT, saved)
    others = deps.store.destinations.list() if may_edit else ()
    return DatasetDestinationsPage(
        saved=saved,
        statuses=listed,
        in_progress=any(is_due(status, now) for status in listed),
        others=tuple(destination for destination in others if destination.id not in taken),
        may_edit=may_edit,
        may_run=who.guard.may(DatasetRight.RUN, saved),
        may_add=who.guard.may_role(RoleRight.CHANGE_DESTINATIONS),
        typed=typed,
        problem=problem,
    )
