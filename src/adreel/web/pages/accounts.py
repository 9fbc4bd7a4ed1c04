"""Accounts: the list of them, looking after one, sharing it, deleting it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel import sharing
from adreel.access import VIEWERS, AccountRight
from adreel.connections import Connecting, own_app, status_words, zone_words
from adreel.datasets.status import Standing, standings
from adreel.enumerations import first_of
from adreel.errors import AdreelError, InputError
from adreel.language import Phrase, integer, phrase, phrases
from adreel.monitoring.home import gmv_max_costs
from adreel.store import Account, AccountAdvertiser, AccountStatus, Level, Role, RunState, SavedDataset, User
from adreel.store.names import is_id
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages import consent, guide
from adreel.web.pages.consent import lacking_app, read_ids, read_token, settle, to_consent
from adreel.web.pages.paging import page_count
from adreel.web.pages.wording import MOST_NAMED, gmv_max_sentences, sentence
from adreel.web.render import Page, go, is_fragment, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of
from adreel.web.wording import LEVEL_NAMES

router = APIRouter()
router.routes.extend(consent.router.routes)
router.routes.extend(guide.router.routes)

Text = Annotated[str, Form()]
Texts = Annotated[list[str], Form()]

PER_PAGE = 50
MOST_DATASETS = 20
"""Datasets that an account's page shows by itself; the list of datasets has them all."""

NO_ACCESS = Phrase("No access")
"""The trouble of an advertiser that the token lists but cannot read."""

TROUBLED = frozenset({RunState.FAILED, RunState.INTERRUPTED})

SORTS: Mapping[str, str] = MappingProxyType(
    {
        "name": Phrase("Name"),
        "created": Phrase("Created"),
        "updated": Phrase("Updated"),
        "status": Phrase("Status"),
        "datasets": Phrase("Datasets"),
    }
)
"""What the list can be sorted by; with a minus before it, the other way round."""

USED: Mapping[str, str] = MappingProxyType({"used": Phrase("Used by datasets"), "unused": Phrase("Not used")})

UPDATED: Mapping[str, str] = MappingProxyType(
    {
        "1": Phrase("In the last day"),
        "7": Phrase("In the last 7 days"),
        "30": Phrase("In the last 30 days"),
        "older": Phrase("Over 30 days ago"),
    }
)

ADVICE: Mapping[AccountStatus, str] = MappingProxyType(
    {
        AccountStatus.VALID: "",
        AccountStatus.EXPIRED: Phrase("The access token has expired. Reconnect the account to resume its datasets."),
        AccountStatus.REVOKED: Phrase("TikTok refused the access token. Reconnect the account to resume its datasets."),
    }
)


# -- the list


@dataclass(frozen=True, slots=True)
class AccountFilters:
    """The filters, order and page of the list of accounts, as they are in its address."""

    q: str = ""
    owner: str = ""
    used: str = ""
    status: str = ""
    updated: str = ""
    sort: str = "name"
    page: int = 1

    @property
    def filtered(self) -> bool:
        """Whether any filter is set."""
        return bool(self.q or self.owner or self.used or self.status or self.updated)

    def address(self, **changes: object) -> str:
        """The address of the list with changes; defaults are left out."""
        # mypy cannot match the names of keywords with the fields.
        defaults, changed = AccountFilters(), replace(self, **changes)  # type: ignore[arg-type]
        names = ("q", "owner", "used", "status", "updated", "sort", "page")
        query = {name: getattr(changed, name) for name in names if getattr(changed, name) != getattr(defaults, name)}
        return f"/accounts?{urlencode(query)}" if query else "/accounts"

    def sorted_by(self, name: str) -> str:
        """The address of the list sorted by a column, the other way round if it is already."""
        return self.address(sort=f"-{name}" if self.sort == name else name, page=1)

    def direction(self, name: str) -> str:
        """The aria-sort value of a column."""
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account of the list; the last run of `failing` of its `count` datasets failed or was interrupted."""

    account: Account
    owners: tuple[User, ...]
    count: int
    may_edit: bool
    advice: str
    datasets: tuple[SavedDataset, ...] = ()
    failing: int = 0


@dataclass(frozen=True, slots=True)
class AccountsPage(Page):
    """The accounts with their filters; `any` whether there is an account at all."""

    template: ClassVar[str] = "accounts.html"
    rows: tuple[AccountRow, ...]
    filters: AccountFilters
    matching: int
    pages: int
    any: bool
    owners: tuple[tuple[str, str], ...]
    granters: tuple[str, ...]
    sorts: Mapping[str, str]
    used: Mapping[str, str]
    statuses: tuple[AccountStatus, ...]
    updated: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AccountTable(AccountsPage):
    """The part of it that filters change."""

    template: ClassVar[str] = "_accounts.html"


@router.get("/accounts")
def accounts(
    request: Request,
    deps: Here,
    who: Who,
    q: str = "",
    owner: str = "",
    used: str = "",
    status: str = "",
    updated: str = "",
    sort: str = "name",
    page: int = 1,
) -> Response:
    """The accounts that the person may see."""
    filters = AccountFilters(
        q=" ".join(q.split())[:100],
        owner=owner[:110],
        used=used if used in USED else "",
        status=status if status in set(AccountStatus) else "",
        updated=updated if updated in UPDATED else "",
        sort=sort if sort.removeprefix("-") in SORTS else "name",
        page=page,
    )
    kind = AccountTable if is_fragment(request) else AccountsPage
    return respond(request, _listed(deps, who, filters, kind), visitor=who)


def _listed(deps: Deps, who: Visitor, filters: AccountFilters, kind: type[AccountsPage]) -> AccountsPage:
    all_rows = _rows(deps, who)
    now = deps.clock()
    rows = _sorted([row for row in all_rows if _matches(row, filters, who.user, now)], filters.sort)
    pages = page_count(len(rows), PER_PAGE)
    filters = replace(filters, page=min(max(1, filters.page), pages))
    first = (filters.page - 1) * PER_PAGE
    people = {user.id: user.name for row in all_rows for user in row.owners}
    return kind(
        rows=_with_datasets(deps, rows[first : first + PER_PAGE]),
        filters=filters,
        matching=len(rows),
        pages=pages,
        any=bool(all_rows),
        owners=tuple((str(key), name) for key, name in sorted(people.items(), key=lambda item: item[1].casefold())),
        granters=tuple(sorted({row.account.owner for row in all_rows if row.account.owner}, key=str.casefold)),
        sorts=SORTS,
        used=USED,
        statuses=tuple(AccountStatus),
        updated=UPDATED,
    )


def _rows(deps: Deps, who: Visitor) -> list[AccountRow]:
    """Every account that the person may see, without its datasets: a handful of queries in all."""
    owners, counts = deps.store.shares.owners(), deps.store.datasets.counts()
    return [
        AccountRow(
            account,
            owners.get(account.id, ()),
            counts.get(account.id, 0),
            who.guard.may(AccountRight.EDIT, account),
            ADVICE[account.status],
        )
        for account in who.guard.accounts()
    ]


def _with_datasets(deps: Deps, rows: list[AccountRow]) -> tuple[AccountRow, ...]:
    """Rows of one page with their datasets."""
    datasets = deps.store.datasets.of_accounts([row.account.id for row in rows if row.count])
    failing = deps.store.runs.ended(TROUBLED) if datasets else frozenset()
    return tuple(
        replace(row, datasets=own, failing=sum(saved.id in failing for saved in own))
        for row in rows
        for own in (datasets.get(row.account.id, ()),)
    )


def _matches(row: AccountRow, filters: AccountFilters, me: User, now: datetime) -> bool:
    account = row.account
    words = f"{account.name} {account.owner} {' '.join(user.name for user in row.owners)}".casefold()
    return (
        all(word in words for word in filters.q.casefold().split())
        and _is_owned_by(row, filters.owner, me)
        and (not filters.used or (filters.used == "used") == bool(row.count))
        and (not filters.status or account.status == filters.status)
        and _updated_within(account, filters.updated, now)
    )


def _is_owned_by(row: AccountRow, owner: str, me: User) -> bool:
    """Whether the account is of this owner: me, none, a user's number, or `tiktok:` and who granted it there."""
    if owner.startswith("tiktok:"):
        return row.account.owner == owner.removeprefix("tiktok:")
    ids = {user.id for user in row.owners}
    if owner == "none":
        return not ids
    owner_id = me.id if owner == "me" else int(owner) if is_id(owner) else None
    return owner_id is None or owner_id in ids


def _updated_within(account: Account, updated: str, now: datetime) -> bool:
    if not updated:
        return True
    age = now - account.updated_at
    return age > timedelta(days=30) if updated == "older" else age <= timedelta(days=int(updated))


def _sorted(rows: Iterable[AccountRow], sort: str) -> list[AccountRow]:
    """Rows in the order of `sort`, equal ones by name; times and counts begin with the newest or largest."""
    by_name = sorted(rows, key=lambda row: row.account.name.casefold())
    name, reverse = sort.removeprefix("-"), sort.startswith("-")
    if name == "name":
        return by_name[::-1] if reverse else by_name
    keys: dict[str, list[float]] = {
        "created": [-row.account.created_at.timestamp() for row in by_name],
        "updated": [-row.account.updated_at.timestamp() for row in by_name],
        "status": [list(AccountStatus).index(row.account.status) for row in by_name],
        "datasets": [-row.count for row in by_name],
    }
    sign = -1 if reverse else 1
    order = sorted(range(len(by_name)), key=lambda index: sign * keys[name][index])
    return [by_name[index] for index in order]


# -- one account


@dataclass(frozen=True, slots=True)
class AdvertiserRow:
    """An advertiser as an account's page shows it; `trouble` says why it cannot be read, if it cannot."""

    id: str
    name: str
    currency: str
    zone: str
    status: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Advertisers(Page):
    """An account's advertisers that match the text `q`, one page of them; `covered` counts those that runs read."""

    template: ClassVar[str] = "_advertisers.html"
    account: Account
    rows: tuple[AdvertiserRow, ...]
    q: str
    page: int
    pages: int
    matching: int
    covered: int
    closed: tuple[str, ...]
    may_edit: bool
    refreshed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountPage(Page):
    """One account; `problem` is the error of a form that was sent, and `place` names that form."""

    template: ClassVar[str] = "account.html"
    account: Account
    advice: str
    list: Advertisers
    gmv_max: str
    datasets: tuple[Standing, ...]
    more_datasets: int
    owners: tuple[User, ...]
    shares: tuple[tuple[User, Level], ...]
    everyone: Level
    others: tuple[User, ...]
    levels: tuple[Level, ...]
    viewers: Level
    level: Level
    may_use: bool
    may_edit: bool
    may_share: bool
    may_delete: bool
    lacking: str
    place: str
    problem: str
    typed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeleteAccount(Page):
    """The question before an account is deleted; `hidden` counts datasets that the person may not see."""

    template: ClassVar[str] = "account_delete.html"
    account: Account
    datasets: tuple[SavedDataset, ...]
    hidden: int
    problem: str


@router.get("/accounts/{account_id:int}")
def account(request: Request, deps: Here, who: Who, account_id: int, q: str = "", page: int = 1) -> Response:
    """One account, or the part of it that lists advertisers."""
    account = who.guard.account(account_id)
    if is_fragment(request):
        return respond(request, _advertisers(deps, who, account, q, page), visitor=who)
    return respond(request, _account_page(deps, who, account, q=q, page=page), visitor=who)


def _gmv_max_words(deps: Deps, who: Visitor, account: Account) -> str:
    """Of how many ad accounts all GMV Max cost is read, as Home says it, and of which it is not."""
    costs, check = gmv_max_costs(deps.store, deps.lake, who.guard, account, deps.clock())
    words = gmv_max_sentences(check) if check is not None else ""
    if not costs:
        return words
    names = first_of(sorted(cost.advertiser_name for cost in costs), MOST_NAMED)
    lacking = phrase("No dataset reads all GMV Max cost of %(names)s; Home has the amounts.", names=names)
    return f"{words} {lacking}".strip()


def _account_page(
    deps: Deps,
    who: Visitor,
    account: Account,
    *,
    q: str = "",
    page: int = 1,
    place: str = "",
    problem: str = "",
    typed: Mapping[str, str] | None = None,
) -> AccountPage:
    all_standings = standings(deps.store, who.guard, deps.clock())
    rows = sorted(
        (standing for standing in all_standings if standing.saved.account_id == account.id),
        key=lambda standing: standing.status.rank,
    )
    shares = tuple(deps.store.shares.of(account).items())
    may = {right: who.guard.may(right, account) for right in AccountRight}
    level = who.guard.level(account)
    sharing_ids = {user.id for user, _ in shares}
    return AccountPage(
        account=account,
        advice=ADVICE[account.status],
        list=_advertisers(deps, who, account, q, page),
        gmv_max=_gmv_max_words(deps, who, account),
        datasets=tuple(rows[:MOST_DATASETS]),
        more_datasets=max(0, len(rows) - MOST_DATASETS),
        owners=tuple(user for user, has in shares if has is Level.OWNER),
        shares=shares,
        everyone=deps.store.shares.everyone(account),
        others=(
            tuple(user for user in deps.store.users.list() if user.id not in sharing_ids)
            if may[AccountRight.SHARE]
            else ()
        ),
        levels=tuple(option for option in Level if option <= level),
        viewers=VIEWERS,
        level=level,
        may_use=may[AccountRight.USE],
        may_edit=may[AccountRight.EDIT],
        may_share=may[AccountRight.SHARE],
        may_delete=may[AccountRight.DELETE],
        lacking=_why_not_reconnect(deps, account),
        place=place,
        problem=problem,
        typed=typed or {},
    )


def _why_not_reconnect(deps: Deps, account: Account) -> str:
    """Why the account cannot be reconnected at TikTok's consent page; empty if it can."""
    try:
        access = own_app(deps.settings, deps.store, account)
    except InputError as error:
        # The app's secret is kept under a key that is lost; the page is needed all the more.
        return sentence(error)
    return "" if access.app_id and access.secret else lacking_app(deps.settings, deps.store)


def _advertisers(deps: Deps, who: Visitor, account: Account, q: str, page: int) -> Advertisers:
    advertisers, words = deps.store.accounts.advertisers(account), q.casefold().split()
    # Thousands of advertisers have a handful of zones.
    zones = {(advertiser.timezone, advertiser.display_timezone): zone_words(advertiser) for advertiser in advertisers}
    rows = [
        _advertiser(advertiser, account, zones[advertiser.timezone, advertiser.display_timezone])
        for advertiser in advertisers
    ]
    matching = [row for row in rows if not words or all(word in _searched(row) for word in words)]
    matching.sort(key=lambda row: (bool(row.trouble), row.name.casefold()))
    pages = page_count(len(matching), PER_PAGE)
    page = min(max(1, page), pages)
    return Advertisers(
        account=account,
        rows=tuple(matching[(page - 1) * PER_PAGE : page * PER_PAGE]),
        q=q,
        page=page,
        pages=pages,
        matching=len(matching),
        covered=sum(not advertiser.gone for advertiser in advertisers),
        closed=tuple(row.id for row in rows if row.trouble == NO_ACCESS),
        may_edit=who.guard.may(AccountRight.EDIT, account),
        refreshed_at=max((advertiser.refreshed_at for advertiser in advertisers), default=None),
    )


def _searched(row: AdvertiserRow) -> str:
    return f"{row.id} {row.name} {row.currency} {row.zone} {row.status} {row.trouble}".casefold()


def _advertiser(advertiser: AccountAdvertiser, account: Account, zone: str | None) -> AdvertiserRow:
    trouble = ""
    if advertiser.gone:
        left_out = account.selection is not None and advertiser.advertiser_id not in account.selection
        trouble = phrase("Excluded") if left_out else phrase("Access removed")
    elif zone is None:
        trouble = NO_ACCESS
    status = "" if trouble else status_words(advertiser) or ""
    return AdvertiserRow(advertiser.advertiser_id, advertiser.name, advertiser.currency, zone or "", status, trouble)


def _with_problem(
    request: Request, deps: Deps, who: Visitor, account: Account, place: str, error: AdreelError, **typed: str
) -> Response:
    """The account's page with the error at its form, and the form's fields as they were sent."""
    page = _account_page(deps, who, account, place=place, problem=sentence(error), typed=typed)
    return respond(request, page, status_of(error), who)


@router.post("/accounts/{account_id:int}/rename")
def rename(request: Request, deps: Here, who: Who, account_id: int, name: Text = "") -> Response:
    """Renames the account, also in its datasets."""
    account = who.guard.account(account_id, AccountRight.EDIT)
    try:
        renamed = deps.store.accounts.rename(account, name)
    except InputError as error:
        return _with_problem(request, deps, who, account, "rename", error, name=name[:200])
    return go(
        request,
        f"/accounts/{account.id}",
        phrase("Renamed %(account)s to %(name)s, also in its datasets.", account=account.name, name=renamed.name),
    )


@router.post("/accounts/{account_id:int}/reconnect")
def reconnect(request: Request, deps: Here, who: Who, account_id: int) -> Response:
    """Sends the browser to TikTok's consent page to reconnect this account."""
    need_browser(who, phrase("API tokens cannot start a TikTok consent."))
    account = who.guard.account(account_id, AccountRight.EDIT)
    try:
        return to_consent(request, deps, who, account, None)
    except InputError as error:
        return _with_problem(request, deps, who, account, "connect", error)


@router.post("/accounts/{account_id:int}/token")
async def reconnect_by_token(request: Request, deps: Here, who: Who, account_id: int, token: Text = "") -> Response:
    """Reconnects the account with another token, after TikTok has accepted it."""
    need_browser(who, phrase("API tokens cannot reconnect accounts on this page."))
    account = who.guard.account(account_id, AccountRight.EDIT)
    try:
        access = replace(own_app(deps.settings, deps.store, account), token=read_token(token))
        connecting = Connecting(deps.settings, deps.store, deps.transport)
        granted = await connecting.granted(access, account.selection, account)
    except AdreelError as error:
        return _with_problem(request, deps, who, account, "token", error)
    return await settle(request, deps, who, granted, account, account.name)


@router.post("/accounts/{account_id:int}/refresh")
async def refresh(request: Request, deps: Here, who: Who, account_id: int) -> Response:
    """The advertisers as TikTok lists them now."""
    account = who.guard.account(account_id, AccountRight.USE)
    try:
        advertisers = await deps.asking.refreshed(account)
    except AdreelError as error:
        return _with_problem(request, deps, who, who.guard.account(account_id), "advertisers", error)
    return go(request, f"/accounts/{account.id}#advertisers", _synced(advertisers))


def _synced(advertisers: Sequence[AccountAdvertiser]) -> str:
    count = sum(not advertiser.gone for advertiser in advertisers)
    return phrases(
        "Synced: %(ad_accounts)s ad account.",
        "Synced: %(ad_accounts)s ad accounts.",
        count,
        ad_accounts=integer(count),
    )


@router.post("/accounts/{account_id:int}/advertisers")
async def choose_advertisers(
    request: Request,
    deps: Here,
    who: Who,
    account_id: int,
    choice: Text = "",
    advertiser: Texts = [],  # noqa: B006 - read only, and FastAPI copies it
    ids: Text = "",
) -> Response:
    """Sets the advertisers that the account reads: all that the grant covers, or a selection."""
    account = who.guard.account(account_id, AccountRight.EDIT)
    try:
        named = (*(read_ids(" ".join(advertiser)) or ()), *(read_ids(ids) or ()))
        selection = _selection(deps, account, choice, tuple(dict.fromkeys(named)))
        chosen = await Connecting(deps.settings, deps.store, deps.transport).choose(account, selection)
    except AdreelError as error:
        return _with_problem(request, deps, who, who.guard.account(account_id), "advertisers", error, ids=ids)
    count = sum(not advertiser.gone for advertiser in deps.store.accounts.advertisers(chosen))
    if selection is None:
        notice = phrases(
            "%(account)s uses %(ad_accounts)s ad account, including future ones.",
            "%(account)s uses %(ad_accounts)s ad accounts, including future ones.",
            count,
            account=account.name,
            ad_accounts=integer(count),
        )
    else:
        notice = phrases(
            "%(account)s uses %(ad_accounts)s ad account.",
            "%(account)s uses %(ad_accounts)s ad accounts.",
            count,
            account=account.name,
            ad_accounts=integer(count),
        )
    return go(request, f"/accounts/{account.id}#advertisers", notice)


def _selection(deps: Deps, account: Account, choice: str, named: tuple[str, ...]) -> tuple[str, ...] | None:
    """The account's advertisers after the choice; None for all that the grant covers."""
    if choice == "all":
        return None
    if not named:
        raise InputError(phrase("Select ad accounts in the list, or enter their IDs."))
    if choice == "only":
        return named
    present = account.selection or tuple(
        advertiser.advertiser_id for advertiser in deps.store.accounts.advertisers(account) if not advertiser.gone
    )
    if choice == "add":
        return tuple(dict.fromkeys((*present, *named)))
    left = tuple(advertiser_id for advertiser_id in present if advertiser_id not in named)
    if not left:
        raise InputError(phrase("Keep at least one ad account, or delete the account."))
    return left


@router.post("/accounts/{account_id:int}/share")
def share(request: Request, deps: Here, who: Who, account_id: int, user: Text = "", level: Text = "") -> Response:
    """Sets the access level of a user, or of everyone."""
    account = who.guard.account(account_id, AccountRight.SHARE)
    try:
        if level not in set(Level):
            raise InputError(phrase("Select an access level."))
        new_level = Level(level)
        if user == "everyone":
            sharing.share_with_everyone(who.guard, account, new_level)
            notice = phrase(
                "Everyone has access level %(level)s for %(account)s.",
                level=LEVEL_NAMES[new_level],
                account=account.name,
            )
        else:
            person = _person(deps, user)
            sharing.share(who.guard, account, person, new_level)
            notice = phrase(
                "%(user)s has access level %(level)s for %(account)s.",
                user=person.name,
                level=LEVEL_NAMES[new_level],
                account=account.name,
            )
            if person.role is Role.VIEWER and new_level > VIEWERS:
                limit = phrase("The role viewer limits it to %(level)s.", level=LEVEL_NAMES[VIEWERS])
                notice = f"{notice} {limit}"
    except InputError as error:
        return _with_problem(request, deps, who, account, "share", error)
    # A person who removed their own access goes to the list.
    may_see = who.guard.may(AccountRight.SEE, account)
    return go(request, f"/accounts/{account.id}#people" if may_see else "/accounts", notice)


def _person(deps: Deps, number: str) -> User:
    if not is_id(number):
        raise InputError(phrase("Select a user."))
    return deps.store.users.get(int(number))


@router.get("/accounts/{account_id:int}/delete")
def ask_to_delete(request: Request, deps: Here, who: Who, account_id: int) -> Response:
    """Asks before deleting, with the datasets that would stop updating."""
    account = who.guard.account(account_id, AccountRight.DELETE)
    return respond(request, _deleting(deps, who, account), visitor=who)


@router.post("/accounts/{account_id:int}/delete")
async def delete(request: Request, deps: Here, who: Who, account_id: int, revoke: Text = "") -> Response:
    """Deletes the account, and revokes its access at TikTok if `revoke` is set."""
    account = who.guard.account(account_id, AccountRight.DELETE)
    notice = phrase("Deleted account %(name)s.", name=account.name)
    if revoke:
        try:
            notice += " " + await Connecting(deps.settings, deps.store, deps.transport).revoke(account)
        except AdreelError as error:
            return respond(request, _deleting(deps, who, account, sentence(error)), status_of(error), who)
    deps.store.accounts.delete(account)
    return go(request, "/accounts", notice)


def _deleting(deps: Deps, who: Visitor, account: Account, problem: str = "") -> DeleteAccount:
    datasets = deps.store.datasets.list(account)
    visible_ids = {dataset.id for dataset in who.guard.datasets()}
    visible = tuple(dataset for dataset in datasets if dataset.id in visible_ids)
    return DeleteAccount(account, visible, len(datasets) - len(visible), problem)
