"""Who is notified: of the workspace, of a dataset, and one's own addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.access import DatasetRight, RoleRight
from adreel.dashboards import boards
from adreel.errors import AdreelError, FieldError
from adreel.language import Phrase, phrase
from adreel.notify.mail import Security
from adreel.notify.schemes import as_webhook
from adreel.notify.subscriptions import NewSubscription, Subscriptions, written_threshold
from adreel.store import Dashboard, SavedDataset
from adreel.store.names import is_id
from adreel.store.notifications import STARTING_KINDS, Address, Incident, IncidentKind, Threshold
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.forms.addresses import Way, address_url, as_mail, way_of, without_password
from adreel.web.forms.fields import FormFields
from adreel.web.forms.posted import Posted
from adreel.web.pages.wording import sentence
from adreel.web.render import NextStep, Notice, Page, go, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()

_NOTHING = FormFields({})


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An address as a person sees it; `paused`: who added it may not see the dataset any more."""

    address: Address
    threshold: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Section:
    """The addresses of the workspace, of a person or of a dataset, and the form for a new one.

    `typed` is what was sent, `problem` what was wrong with it, and `field` where, if it was in one field. `servers` are
    the e-mail addresses whose mail server may be used again. `reach` says whether messages are of what the person owns
    or of `all` that they see.
    """

    scope: str
    title: str
    help: str
    rows: tuple[AddressRow, ...]
    may_add: bool
    servers: tuple[Address, ...] = ()
    typed: FormFields = _NOTHING
    problem: str = ""
    field: str = ""
    is_open: bool = False
    reach: str = "own"

    @property
    def way(self) -> Way:
        """The way of sending that is chosen."""
        return way_of(self.typed)


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
    dashboard: Dashboard | None
    ways: tuple[Way, ...] = tuple(Way)
    securities: tuple[Security, ...] = tuple(Security)
    starting_kinds: tuple[IncidentKind, ...] = STARTING_KINDS
    threshold: str = written_threshold(Threshold())


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
def notifications(request: Request, deps: Here, who: Who, dashboard: str = "") -> Response:
    """The user's own addresses, and the workspace's for administrators; for a new one to send a dashboard to."""
    typed = FormFields.of([("dashboard", dashboard)]) if dashboard else _NOTHING
    return respond(request, _page(deps, who, None, _Refused("personal", typed)), visitor=who)


@router.get("/datasets/{slug}/notifications")
def dataset_notifications(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """The addresses of a dataset."""
    return respond(request, _page(deps, who, who.guard.dataset(slug)), visitor=who)


@router.post("/notifications")
def add(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """Adds an address of the workspace or of the user."""
    return _add(request, deps, who, None, fields)


@router.post("/datasets/{slug}/notifications")
def add_to_dataset(request: Request, deps: Here, who: Who, slug: str, fields: Posted) -> Response:
    """Adds an address of a dataset."""
    return _add(request, deps, who, who.guard.dataset(slug), fields)


def _add(request: Request, deps: Deps, who: Visitor, saved: SavedDataset | None, fields: FormFields) -> Response:
    need_browser(who, phrase("API tokens cannot add notification addresses on this page."))
    scope = "dataset" if saved else "workspace" if fields.last("scope") == "workspace" else "personal"
    subscriptions = _subscriptions(deps, who)
    subscriptions.need_right(saved, personal=scope == "personal")
    try:
        url, name = address_url(fields, subscriptions.same_server)
        if "with_kinds" in fields and not fields.all("kinds"):
            raise FieldError("kinds", phrase("Choose at least one kind of notification."))
        wanted = NewSubscription(
            url,
            fields.text("name") or name,
            fields.all("kinds"),
            fields.last("threshold"),
            owned_only=fields.last("reach", "own") != "all",
        )
        address = subscriptions.add(wanted, dataset=saved, personal=scope == "personal")
    except AdreelError as error:
        page = _page(deps, who, saved, _refused(scope, fields, error))
        return respond(request, page, status_of(error), who)
    text = phrase("Added %(name)s. Send a test message to see whether it works.", name=address.name)
    dashboard = _dashboard(who, fields)
    onward = f"/dashboards/{dashboard.id}?send={address.id}" if dashboard else _home(saved)
    return go(request, onward, Notice(text, offer=NextStep.TEST, subject=str(address.id)))


@router.post("/notifications/{address_id:int}/test")
def send_test(request: Request, deps: Here, who: Who, address_id: int) -> Response:
    """Sends a test message, and says what came back."""
    subscriptions = _subscriptions(deps, who)
    address = subscriptions.get(address_id)
    outcome = subscriptions.test(address_id)
    saved = deps.store.datasets.get(address.dataset_id) if address.dataset_id is not None else None
    if outcome.accepted:
        return go(
            request, _home(saved), phrase("%(address)s accepted the test message.", address=as_webhook(address.shown))
        )
    problem = phrase("The test message to %(name)s failed: %(reason)s", name=address.name, reason=outcome.reason)
    return go(request, _home(saved), Notice(problem, failed=True, offer=NextStep.TEST, subject=str(address.id)))


@router.post("/notifications/{address_id:int}/remove")
def remove(request: Request, deps: Here, who: Who, address_id: int) -> Response:
    """Removes an address."""
    address = _subscriptions(deps, who).remove(address_id)
    saved = deps.store.datasets.get(address.dataset_id) if address.dataset_id is not None else None
    return go(request, _home(saved), phrase("Removed %(name)s.", name=address.name))


def _home(saved: SavedDataset | None) -> str:
    return f"/datasets/{saved.slug}/notifications" if saved else "/notifications"


@dataclass(frozen=True, slots=True)
class _Refused:
    """What was sent for a section, and what was wrong with it."""

    scope: str
    typed: FormFields
    problem: str = ""
    field: str = ""


def _refused(scope: str, fields: FormFields, error: AdreelError) -> _Refused:
    """An e-mail address that was typed as something else is shown as one."""
    field = error.field if isinstance(error, FieldError) else ""
    if field == "recipients" and way_of(fields) is not Way.MAIL:
        return _Refused(scope, as_mail(fields), sentence(error), "host")
    field = str(way_of(fields)) if field == "url" else field
    return _Refused(scope, without_password(fields), sentence(error), field)


def _dashboard(who: Visitor, fields: FormFields) -> Dashboard | None:
    """The user's dashboard that the new address is for."""
    number = fields.text("dashboard")
    return boards.own_dashboard(who.guard, int(number)) if is_id(number) else None


def _reach(who: Visitor) -> str:
    """What a new address of the person begins with: who owns no dataset would hear nothing of those they own."""
    owns = any(saved.owner_id == who.user.id for saved in who.guard.datasets())
    return "own" if owns else "all"


def _page(deps: Deps, who: Visitor, saved: SavedDataset | None, refused: _Refused | None = None) -> NotificationsPage:
    subscriptions = _subscriptions(deps, who)
    dashboard = _dashboard(who, refused.typed) if refused else None
    servers, reach = subscriptions.mail_servers(), _reach(who)

    def section(key: str, title: str, addresses: tuple[Address, ...], *, may_add: bool) -> Section:
        rows = tuple(
            AddressRow(address, written_threshold(address.threshold), subscriptions.is_paused(address))
            for address in addresses
        )
        bare = Section(key, title, _HELP[key], rows, may_add, servers, reach=reach)
        if refused is None or key != refused.scope:
            return bare
        is_open = bool(refused.problem or dashboard)
        # The fields of a new mail server are shown only if one is asked for.
        field = (
            "server" if refused.field == "host" and bare.servers and not refused.typed.text("host") else refused.field
        )
        return replace(bare, typed=refused.typed, problem=refused.problem, field=field, is_open=is_open)

    if saved is not None:
        may_edit = who.guard.may(DatasetRight.EDIT, saved)
        sections = [section("dataset", phrase("Addresses"), subscriptions.of_dataset(saved), may_add=may_edit)]
    else:
        sections = [section("personal", phrase("Your addresses"), subscriptions.own(), may_add=True)]
        if who.guard.may_role(RoleRight.VIEW_SETTINGS):
            sections.append(section("workspace", phrase("Workspace"), subscriptions.of_workspace(), may_add=True))
    incidents = tuple(_lasting(deps, who, saved))
    return NotificationsPage(tuple(sections), tuple(IncidentKind), saved, incidents, dashboard)


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
