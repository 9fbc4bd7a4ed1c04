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
from adreel.errors import AdreelError, InputError
from adreel.store import Account, AccountAdvertiser, AccountStatus, Level, Role, RunState, SavedDataset, User
from adreel.web.deps import Center, Here, Visitor, Who
from adreel.web.pages import consent
from adreel.web.pages.consent import lacking_app, read_ids, read_token, settle, to_consent
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, is_fragment, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()
router.include_router(consent.router)

Text = Annotated[str, Form()]
Texts = Annotated[list[str], Form()]

PER_PAGE = 50
MOST_DATASETS = 20
"""Datasets that an account's page shows by itself; the list of datasets has them all."""

NO_ACCESS = "no access"
"""What is said of an advertiser that the token lists and may not read."""

TROUBLED = frozenset({RunState.FAILED, RunState.INTERRUPTED})

SORTS: Mapping[str, str] = MappingProxyType(
    {"name": "Name", "created": "Created", "updated": "Updated", "status": "Status", "datasets": "Datasets"}
)
"""What the list can be sorted by; with a minus before it, the other way round."""

USED: Mapping[str, str] = MappingProxyType({"used": "Used by datasets", "unused": "Not used"})

UPDATED: Mapping[str, str] = MappingProxyType(
    {"1": "In the last day", "7": "In the last 7 days", "30": "In the last 30 days", "older": "Longer ago"}
)

ADVICE: Mapping[AccountStatus, str] = MappingProxyType(
    {
        AccountStatus.VALID: "",
        AccountStatus.EXPIRED: "TikTok says that its token has expired. Connect it again; its datasets then go on.",
        AccountStatus.REVOKED: "TikTok takes its token no more. Connect it again; its datasets then go on.",
    }
)


# -- the list


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the accounts is asked for: the list's address in parts."""

    q: str = ""
    owner: str = ""
    used: str = ""
    status: str = ""
    updated: str = ""
    sort: str = "name"
    page: int = 1

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.q or self.owner or self.used or self.status or self.updated)

    def address(self, **changes: object) -> str:
        """The address of the list with changes; what is as usual is left out."""
        # mypy cannot match the names of keywords with the fields.
        usual, asked = Wanted(), replace(self, **changes)  # type: ignore[arg-type]
        names = ("q", "owner", "used", "status", "updated", "sort", "page")
        given = {name: getattr(asked, name) for name in names if getattr(asked, name) != getattr(usual, name)}
        return f"/accounts?{urlencode(given)}" if given else "/accounts"

    def sorted_by(self, name: str) -> str:
        """The address of the list sorted by a column, the other way round if it is already."""
        return self.address(sort=f"-{name}" if self.sort == name else name, page=1)

    def direction(self, name: str) -> str:
        """What aria-sort says of a column."""
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")


@dataclass(frozen=True, slots=True)
class Row:
    """One account of the list; `failing` of its `count` datasets ended their last run badly."""

    account: Account
    owners: tuple[User, ...]
    count: int
    may_edit: bool
    advice: str
    datasets: tuple[SavedDataset, ...] = ()
    failing: int = 0


@dataclass(frozen=True, slots=True)
class AccountList(Page):
    """The accounts with their filters; `any` whether there is an account at all."""

    template: ClassVar[str] = "accounts.html"
    rows: tuple[Row, ...]
    wanted: Wanted
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
class AccountTable(AccountList):
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
    wanted = Wanted(
        q=" ".join(q.split())[:100],
        owner=owner[:110],
        used=used if used in USED else "",
        status=status if status in set(AccountStatus) else "",
        updated=updated if updated in UPDATED else "",
        sort=sort if sort.removeprefix("-") in SORTS else "name",
        page=page,
    )
    kind = AccountTable if is_fragment(request) else AccountList
    return respond(request, _listed(deps, who, wanted, kind), visitor=who)


def _listed(deps: Center, who: Visitor, wanted: Wanted, kind: type[AccountList]) -> AccountList:
    every = _rows(deps, who)
    now = deps.clock()
    rows = _sorted([row for row in every if _matches(row, wanted, who.user, now)], wanted.sort)
    pages = max(1, -(-len(rows) // PER_PAGE))
    wanted = replace(wanted, page=min(max(1, wanted.page), pages))
    first = (wanted.page - 1) * PER_PAGE
    people = {user.id: user.name for row in every for user in row.owners}
    return kind(
        rows=_shown(deps, rows[first : first + PER_PAGE]),
        wanted=wanted,
        matching=len(rows),
        pages=pages,
        any=bool(every),
        owners=tuple((str(key), name) for key, name in sorted(people.items(), key=lambda one: one[1].casefold())),
        granters=tuple(sorted({row.account.owner for row in every if row.account.owner}, key=str.casefold)),
        sorts=SORTS,
        used=USED,
        statuses=tuple(AccountStatus),
        updated=UPDATED,
    )


def _rows(deps: Center, who: Visitor) -> list[Row]:
    """Every account that the person may see, and with it all of its datasets: a handful of questions in all."""
    owners, counts = deps.store.shares.owners(), deps.store.datasets.counts()
    return [
        Row(
            account,
            owners.get(account.id, ()),
            counts.get(account.id, 0),
            who.guard.may(AccountRight.EDIT, account),
            ADVICE[account.status],
        )
        for account in who.guard.accounts()
    ]


def _shown(deps: Center, rows: list[Row]) -> tuple[Row, ...]:
    """Rows of one page with their datasets."""
    datasets = deps.store.datasets.of_accounts([row.account.id for row in rows if row.count])
    failing = deps.store.runs.ended(TROUBLED) if datasets else frozenset()
    return tuple(
        replace(row, datasets=own, failing=sum(saved.id in failing for saved in own))
        for row in rows
        for own in (datasets.get(row.account.id, ()),)
    )


def _matches(row: Row, wanted: Wanted, me: User, now: datetime) -> bool:
    account = row.account
    words = f"{account.name} {account.owner} {' '.join(user.name for user in row.owners)}".casefold()
    return (
        all(word in words for word in wanted.q.casefold().split())
        and _owned(row, wanted.owner, me)
        and (not wanted.used or (wanted.used == "used") == bool(row.count))
        and (not wanted.status or account.status == wanted.status)
        and _lately(account, wanted.updated, now)
    )


def _owned(row: Row, owner: str, me: User) -> bool:
    """Whether the account is of this owner: me, none, a user's number, or `tiktok:` and who granted it there."""
    if owner.startswith("tiktok:"):
        return row.account.owner == owner.removeprefix("tiktok:")
    ids = {user.id for user in row.owners}
    if owner == "none":
        return not ids
    wanted = me.id if owner == "me" else int(owner) if owner.isdecimal() and owner.isascii() else None
    return wanted is None or wanted in ids


def _lately(account: Account, updated: str, now: datetime) -> bool:
    if not updated:
        return True
    age = now - account.updated_at
    return age > timedelta(days=30) if updated == "older" else age <= timedelta(days=int(updated))


def _sorted(rows: Iterable[Row], sort: str) -> list[Row]:
    """By name within what is the same; the newest first where it is about times."""
    by_name = sorted(rows, key=lambda row: row.account.name.casefold())
    name, turned = sort.removeprefix("-"), sort.startswith("-")
    if name == "name":
        return by_name[::-1] if turned else by_name
    keys: dict[str, list[float]] = {
        "created": [-row.account.created_at.timestamp() for row in by_name],
        "updated": [-row.account.updated_at.timestamp() for row in by_name],
        "status": [list(AccountStatus).index(row.account.status) for row in by_name],
        "datasets": [-row.count for row in by_name],
    }
    sign = -1 if turned else 1
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
    """An account's advertisers, found by a text, a page at a time."""

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
class OneAccount(Page):
    """One account; `problem` is what was wrong with what was sent, and `place` the form that it came from."""

    template: ClassVar[str] = "account.html"
    account: Account
    advice: str
    list: Advertisers
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
    """What deleting an account means, before it is done."""

    template: ClassVar[str] = "account_delete.html"
    account: Account
    datasets: tuple[SavedDataset, ...]
    hidden: int
    problem: str


@router.get("/accounts/{account_id:int}")
def account(request: Request, deps: Here, who: Who, account_id: int, q: str = "", page: int = 1) -> Response:
    """One account, or the part of it that lists advertisers."""
    found = who.guard.account(account_id)
    if is_fragment(request):
        return respond(request, _advertisers(deps, who, found, q, page), visitor=who)
    return respond(request, _one(deps, who, found, q=q, page=page), visitor=who)


def _one(
    deps: Center,
    who: Visitor,
    found: Account,
    *,
    q: str = "",
    page: int = 1,
    place: str = "",
    problem: str = "",
    typed: Mapping[str, str] | None = None,
) -> OneAccount:
    every = standings(deps.store, who.guard, deps.settings.home, deps.clock())
    rows = sorted(
        (standing for standing in every if standing.saved.account_id == found.id), key=lambda one: one.status.rank
    )
    shares = tuple(deps.store.shares.of(found).items())
    may = {right: who.guard.may(right, found) for right in AccountRight}
    level = who.guard.level(found)
    known = {user.id for user, _ in shares}
    return OneAccount(
        account=found,
        advice=ADVICE[found.status],
        list=_advertisers(deps, who, found, q, page),
        datasets=tuple(rows[:MOST_DATASETS]),
        more_datasets=max(0, len(rows) - MOST_DATASETS),
        owners=tuple(user for user, has in shares if has is Level.OWNER),
        shares=shares,
        everyone=deps.store.shares.everyone(found),
        others=tuple(one for one in deps.store.users.list() if one.id not in known) if may[AccountRight.SHARE] else (),
        levels=tuple(one for one in Level if one <= level),
        viewers=VIEWERS,
        level=level,
        may_use=may[AccountRight.USE],
        may_edit=may[AccountRight.EDIT],
        may_share=may[AccountRight.SHARE],
        may_delete=may[AccountRight.DELETE],
        lacking=_lacking(deps, found),
        place=place,
        problem=problem,
        typed=typed or {},
    )


def _lacking(deps: Center, found: Account) -> str:
    """Why the account cannot be connected again by TikTok's page; empty if it can."""
    try:
        access = own_app(deps.settings, deps.store, found)
    except InputError as error:
        # The app's secret is kept under a key that is lost; the page is needed all the more.
        return sentence(error)
    return "" if access.app_id and access.secret else lacking_app(deps.settings)


def _advertisers(deps: Center, who: Visitor, found: Account, q: str, page: int) -> Advertisers:
    advertisers, words = deps.store.accounts.advertisers(found), q.casefold().split()
    # Thousands of advertisers have a handful of zones.
    zones = {(advertiser.timezone, advertiser.display_timezone): zone_words(advertiser) for advertiser in advertisers}
    rows = [_advertiser(one, found, zones[one.timezone, one.display_timezone]) for one in advertisers]
    matching = [row for row in rows if not words or all(word in _searched(row) for word in words)]
    matching.sort(key=lambda row: (bool(row.trouble), row.name.casefold()))
    pages = max(1, -(-len(matching) // PER_PAGE))
    page = min(max(1, page), pages)
    return Advertisers(
        account=found,
        rows=tuple(matching[(page - 1) * PER_PAGE : page * PER_PAGE]),
        q=q,
        page=page,
        pages=pages,
        matching=len(matching),
        covered=sum(not one.gone for one in advertisers),
        closed=tuple(row.id for row in rows if row.trouble == NO_ACCESS),
        may_edit=who.guard.may(AccountRight.EDIT, found),
        refreshed_at=max((one.refreshed_at for one in advertisers), default=None),
    )


def _searched(row: AdvertiserRow) -> str:
    return f"{row.id} {row.name} {row.currency} {row.zone} {row.status} {row.trouble}".casefold()


def _advertiser(advertiser: AccountAdvertiser, found: Account, zone: str | None) -> AdvertiserRow:
    trouble = ""
    if advertiser.gone:
        left_out = found.selection is not None and advertiser.advertiser_id not in found.selection
        trouble = "left out here" if left_out else "not covered any more"
    elif zone is None:
        trouble = NO_ACCESS
    status = "" if trouble else status_words(advertiser) or ""
    return AdvertiserRow(advertiser.advertiser_id, advertiser.name, advertiser.currency, zone or "", status, trouble)


def _wrong(
    request: Request, deps: Center, who: Visitor, found: Account, place: str, error: AdreelError, **typed: str
) -> Response:
    """The account's page again, with what was wrong at its form, and what was typed there."""
    page = _one(deps, who, found, place=place, problem=sentence(error), typed=typed)
    return respond(request, page, status_of(error), who)


@router.post("/accounts/{account_id:int}/rename")
def rename(request: Request, deps: Here, who: Who, account_id: int, name: Text = "") -> Response:
    """Another name; datasets follow."""
    found = who.guard.account(account_id, AccountRight.EDIT)
    try:
        renamed = deps.store.accounts.rename(found, name)
    except InputError as error:
        return _wrong(request, deps, who, found, "rename", error, name=name[:200])
    return go(request, f"/accounts/{found.id}", f"{found.name} is now called {renamed.name}; its datasets follow.")


@router.post("/accounts/{account_id:int}/reconnect")
def reconnect(request: Request, deps: Here, who: Who, account_id: int) -> Response:
    """On to TikTok's page, for this account."""
    need_browser(who)
    found = who.guard.account(account_id, AccountRight.EDIT)
    try:
        return to_consent(request, deps, who, found, None)
    except InputError as error:
        return _wrong(request, deps, who, found, "connect", error)


@router.post("/accounts/{account_id:int}/token")
async def reconnect_by_token(request: Request, deps: Here, who: Who, account_id: int, token: Text = "") -> Response:
    """Another token for this account, once TikTok has shown that it is good."""
    need_browser(who)
    found = who.guard.account(account_id, AccountRight.EDIT)
    try:
        access = replace(own_app(deps.settings, deps.store, found), token=read_token(token))
        granted = await Connecting(deps.settings, deps.store, deps.transport).granted(access, found.selection, found)
    except AdreelError as error:
        return _wrong(request, deps, who, found, "token", error)
    return await settle(request, deps, who, granted, found, found.name)


@router.post("/accounts/{account_id:int}/refresh")
async def refresh(request: Request, deps: Here, who: Who, account_id: int) -> Response:
    """The advertisers as TikTok lists them now."""
    found = who.guard.account(account_id, AccountRight.USE)
    try:
        advertisers = await deps.asking.refreshed(found)
    except AdreelError as error:
        return _wrong(request, deps, who, who.guard.account(account_id), "advertisers", error)
    return go(request, f"/accounts/{found.id}#advertisers", f"{_listed_now(advertisers)}.")


def _listed_now(advertisers: Sequence[AccountAdvertiser]) -> str:
    count = sum(not advertiser.gone for advertiser in advertisers)
    return "TikTok lists 1 advertiser now" if count == 1 else f"TikTok lists {count:,} advertisers now"


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
    """Which advertisers the account reads: all that the grant covers, or those named here."""
    found = who.guard.account(account_id, AccountRight.EDIT)
    try:
        named = (*(read_ids(" ".join(advertiser)) or ()), *(read_ids(ids) or ()))
        selection = _selection(deps, found, choice, tuple(dict.fromkeys(named)))
        chosen = await Connecting(deps.settings, deps.store, deps.transport).choose(found, selection)
    except AdreelError as error:
        return _wrong(request, deps, who, who.guard.account(account_id), "advertisers", error, ids=ids)
    count = sum(not one.gone for one in deps.store.accounts.advertisers(chosen))
    said = f"{found.name} reads all that its grant covers: {count:,} now." if selection is None else ""
    return go(request, f"/accounts/{found.id}#advertisers", said or f"{found.name} reads {count:,} advertisers.")


def _selection(deps: Center, found: Account, choice: str, named: tuple[str, ...]) -> tuple[str, ...] | None:
    """The account's advertisers after the choice; None for all that the grant covers."""
    if choice == "all":
        return None
    if not named:
        raise InputError("No advertiser is named; tick some in the list, or write their ids.")
    if choice == "only":
        return named
    present = found.selection or tuple(
        advertiser.advertiser_id for advertiser in deps.store.accounts.advertisers(found) if not advertiser.gone
    )
    if choice == "add":
        return tuple(dict.fromkeys((*present, *named)))
    left = tuple(one for one in present if one not in named)
    if not left:
        raise InputError("No advertiser would be left; keep one at least, or delete the account.")
    return left


@router.post("/accounts/{account_id:int}/share")
def share(request: Request, deps: Here, who: Who, account_id: int, user: Text = "", level: Text = "") -> Response:
    """How far a user, or everyone, has the account."""
    found = who.guard.account(account_id, AccountRight.SHARE)
    try:
        if level not in set(Level):
            raise InputError("Choose a level.")
        wanted = Level(level)
        if user == "everyone":
            sharing.share_with_everyone(who.guard, found, wanted)
            said = f"Everyone has {found.name} at the level {wanted}."
        else:
            person = _person(deps, user)
            sharing.share(who.guard, found, person, wanted)
            said = f"{person.name} has {found.name} at the level {wanted}."
            if person.role is Role.VIEWER and wanted > VIEWERS:
                said += f" As a viewer they can do with it what the level {VIEWERS} allows, until their role changes."
    except InputError as error:
        return _wrong(request, deps, who, found, "share", error)
    # Who gave up their own access comes back to the list.
    may_see = who.guard.may(AccountRight.SEE, found)
    return go(request, f"/accounts/{found.id}#people" if may_see else "/accounts", said)


def _person(deps: Center, number: str) -> User:
    if not (number.isascii() and number.isdecimal()):
        raise InputError("Choose a person.")
    return deps.store.users.get(int(number))


@router.get("/accounts/{account_id:int}/delete")
def ask_to_delete(request: Request, deps: Here, who: Who, account_id: int) -> Response:
    """Names the datasets that would stop."""
    found = who.guard.account(account_id, AccountRight.DELETE)
    return respond(request, _deleting(deps, who, found), visitor=who)


@router.post("/accounts/{account_id:int}/delete")
async def delete(request: Request, deps: Here, who: Who, account_id: int, revoke: Text = "") -> Response:
    """Forgets the account, and ends its grant at TikTok if that is wanted."""
    found = who.guard.account(account_id, AccountRight.DELETE)
    said = f"Deleted {found.name}."
    if revoke:
        try:
            said += " " + await Connecting(deps.settings, deps.store, deps.transport).revoke(found)
        except AdreelError as error:
            return respond(request, _deleting(deps, who, found, sentence(error)), status_of(error), who)
    deps.store.accounts.delete(found)
    return go(request, "/accounts", said)


def _deleting(deps: Center, who: Visitor, found: Account, problem: str = "") -> DeleteAccount:
    every = deps.store.datasets.list(found)
    seen = {dataset.id for dataset in who.guard.datasets()}
    shown = tuple(one for one in every if one.id in seen)
    return DeleteAccount(found, shown, len(every) - len(shown), problem)
