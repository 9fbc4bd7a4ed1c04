"""Who is notified: of the workspace, of a dataset, and one's own addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel.access import DatasetRight, RoleRight
from adreel.errors import AdreelError, ForbiddenError
from adreel.language import Phrase, phrase
from adreel.notify.subscriptions import NewSubscription, Subscriptions, written_threshold
from adreel.store import SavedDataset
from adreel.store.notifications import Address, Incident, IncidentKind
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]
Texts = Annotated[list[str], Form()]


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An address as a person sees it; `paused`: who added it may not see the dataset any more."""

    address: Address
    threshold: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Section:
    """The addresses of the workspace, of a person or of a dataset, and the form for a new one.

    `scope` is the last part of the form's address, `problem` what was wrong with what was sent.
    """

    scope: str
    title: str
    help: str
    rows: tuple[AddressRow, ...]
    may_add: bool
    problem: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that lasts: the name of its dataset or account, and the address of that one's page."""

    incident: Incident
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class NotificationsPage(Page):
    """The addresses that the user may see, and what is wrong now."""

    template: ClassVar[str] = "notifications.html"
    sections: tuple[Section, ...]
    kinds: tuple[IncidentKind, ...]
    dataset: SavedDataset | None
    incidents: tuple[OpenIncident, ...]


_HELP: Mapping[str, str] = MappingProxyType(
    {
        "workspace": Phrase("For all accounts and datasets. Administrators only."),
        "personal": Phrase("For what you own, or for all that is visible to you."),
        "dataset": Phrase("For this dataset and its account, while the user who added it can see the dataset."),
    }
)


def _subscriptions(deps: Deps, who: Visitor) -> Subscriptions:
    return Subscriptions(deps.settings, who.guard, deps.clock())


@router.get("/notifications")
def notifications(request: Request, deps: Here, who: Who) -> Response:
    """The user's own addresses, and the workspace's for administrators."""
    return respond(request, _page(deps, who, None), visitor=who)


@router.get("/datasets/{slug}/notifications")
def dataset_notifications(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The addresses of a dataset."""
    return respond(request, _page(deps, who, who.guard.dataset(slug)), visitor=who)


@router.post("/notifications/{scope}")
def add(
    request: Request,
    deps: Here,
    who: Who,
    scope: str,
    url: Text = "",
    name: Text = "",
    kinds: Texts = [],  # noqa: B006 - FastAPI copies it
    threshold: Text = "",
    reach: Text = "own",
    dataset: Text = "",
) -> Response:
    """Adds an address of the workspace, of a dataset, or of the user."""
    need_browser(who, phrase("API tokens cannot add notification addresses on this page."))
    saved = who.guard.dataset(dataset) if scope == "dataset" else None
    wanted = NewSubscription(url, name, tuple(kinds), threshold, owned_only=reach != "all")
    try:
        address = _subscriptions(deps, who).add(wanted, dataset=saved, personal=scope == "personal")
    except ForbiddenError:
        raise
    except AdreelError as error:
        # The address itself is not sent back: it has secrets.
        page = _page(deps, who, saved, scope=scope, problem=sentence(error), name=name[:200])
        return respond(request, page, status_of(error), who)
    return go(
        request, _home(saved), phrase("Added %(name)s. Send a test message to see whether it works.", name=address.name)
    )


@router.post("/notifications/{address_id:int}/test")
def send_test(request: Request, deps: Here, who: Who, address_id: int) -> Response:
    """Sends a test message, and says what came back."""
    subscriptions = _subscriptions(deps, who)
    address = subscriptions.get(address_id)
    outcome = subscriptions.test(address_id)
    saved = deps.store.datasets.get(address.dataset_id) if address.dataset_id is not None else None
    if outcome.accepted:
        return go(request, _home(saved), phrase("%(address)s accepted the test message.", address=address.shown))
    problem = phrase("The test message to %(name)s failed: %(reason)s", name=address.name, reason=outcome.reason)
    return respond(request, _page(deps, who, saved, scope=_scope(address), problem=problem), 422, who)


@router.post("/notifications/{address_id:int}/remove")
def remove(request: Request, deps: Here, who: Who, address_id: int) -> Response:
    """Removes an address."""
    address = _subscriptions(deps, who).remove(address_id)
    saved = deps.store.datasets.get(address.dataset_id) if address.dataset_id is not None else None
    return go(request, _home(saved), phrase("Removed %(name)s.", name=address.name))


def _home(saved: SavedDataset | None) -> str:
    return f"/datasets/{saved.slug}/notifications" if saved else "/notifications"


def _scope(address: Address) -> str:
    return "workspace" if address.is_workspace else "dataset" if address.dataset_id else "personal"


def _page(
    deps: Deps, who: Visitor, saved: SavedDataset | None, *, scope: str = "", problem: str = "", name: str = ""
) -> NotificationsPage:
    subscriptions = _subscriptions(deps, who)

    def section(key: str, title: str, addresses: tuple[Address, ...], *, may_add: bool) -> Section:
        rows = tuple(
            AddressRow(address, written_threshold(address.threshold), subscriptions.is_paused(address))
            for address in addresses
        )
        mine = key == scope
        return Section(key, title, _HELP[key], rows, may_add, problem if mine else "", name if mine else "")

    if saved is not None:
        may_edit = who.guard.may(DatasetRight.EDIT, saved)
        sections = [section("dataset", phrase("Addresses"), subscriptions.of_dataset(saved), may_add=may_edit)]
    else:
        sections = [section("personal", phrase("Your addresses"), subscriptions.own(), may_add=True)]
        if who.guard.may_role(RoleRight.VIEW_SETTINGS):
            sections.append(section("workspace", phrase("Workspace"), subscriptions.of_workspace(), may_add=True))
    return NotificationsPage(tuple(sections), tuple(IncidentKind), saved, tuple(_lasting(deps, who, saved)))


def _lasting(deps: Deps, who: Visitor, saved: SavedDataset | None) -> Iterator[OpenIncident]:
    """The incidents that last and the user may see."""
    datasets = {dataset.id: dataset for dataset in who.guard.datasets()}
    accounts = {account.id: account for account in who.guard.accounts()}
    for incident in deps.store.incidents.list(is_open=True):
        dataset, account = datasets.get(incident.dataset_id or 0), accounts.get(incident.account_id or 0)
        if saved is not None and incident.dataset_id != saved.id:
            continue
        if dataset is not None:
            yield OpenIncident(incident, dataset.name, f"/datasets/{dataset.slug}")
        elif account is not None:
            yield OpenIncident(incident, phrase("Account %(account)s", account=account.name), f"/accounts/{account.id}")
