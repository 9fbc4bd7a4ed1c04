"""The guide from no TikTok app to a first connected account, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel import guide
from adreel.access import AccountRight, RoleRight
from adreel.connections import STORED, app_in_use, status_words, zone_words
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.guide import Gap, Scope, Statement, Step, StepCheck
from adreel.language import Phrase, phrase
from adreel.store import Account
from adreel.store.names import is_id
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages import consent
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, respond
from adreel.web.sign_in import need_browser
from adreel.web.status import status_of

router = APIRouter()

Text = Annotated[str, Form()]

MOST_SHOWN = 100
"""Ad accounts that the last step lists, those that lack something first; the account's page has them all."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step in the list beside it."""

    step: Step
    done: bool


@dataclass(frozen=True, slots=True)
class AppShown:
    """The TikTok app as a person may see it; of its secret only whether it is set.

    `source` is empty if there is none. `unused` is the ID of the entered app where the environment sets another.
    """

    app_id: str
    has_secret: bool
    source: str
    stored: bool
    changed_at: datetime | None
    changed_by: str
    unused: str
    problem: str


@dataclass(frozen=True, slots=True)
class Came:
    """An ad account that came with the connection, and what it lacks."""

    id: str
    name: str
    currency: str
    zone: str
    status: str
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class GuideAdvertisers:
    """What a connection covers: its ad accounts, those with gaps first, and what differs between them."""

    account: Account
    rows: tuple[Came, ...]
    count: int
    lacking: int
    mixtures: tuple[str, ...]
    scopes: tuple[Scope, ...]
    may_use: bool


@dataclass(frozen=True, slots=True)
class GuidePage(Page):
    """One step of the guide; `check` is what its button found, and `error` what is wrong with its form."""

    template: ClassVar[str] = "guide.html"
    steps: tuple[StepRow, ...]
    step: Step
    done: bool
    by_hand: bool
    may_change_app: bool
    statements: tuple[Statement, ...]
    redirect_url: str
    returns_here: bool
    scopes: tuple[Scope, ...]
    app: AppShown
    lacking: str
    check: StepCheck | None
    error: str
    name: str
    app_id: str
    covered: GuideAdvertisers | None
    errors_at_tiktok: tuple[tuple[str, Step], ...]


ERRORS_AT_TIKTOK: tuple[tuple[str, Step], ...] = (
    (Phrase("It objects to the redirect address (redirect_uri)"), Step.REDIRECT),
    (Phrase("It does not know the app, or says that the app is blocked"), Step.KEYS),
    (Phrase("It says that the app or the developer is not approved"), Step.DEVELOPER),
    (Phrase("A permission is missing from its list"), Step.SCOPES),
    (Phrase("It shows the wrong TikTok user"), Step.CONSENT),
)
"""What TikTok's own page may show, which does not return to this server; and the step to go back to."""


@router.get("/accounts/guide")
def current_step(request: Request, deps: Here, who: Who) -> Response:
    """The step to go on with."""
    who.guard.need_role(RoleRight.CONNECT)
    return go(request, f"/accounts/guide/{guide.progress(who.guard, deps.settings).current}")


@router.get("/accounts/guide/{step}")
def show_step(request: Request, deps: Here, who: Who, step: str, name: str = "", account: str = "") -> Response:
    """One step."""
    who.guard.need_role(RoleRight.CONNECT)
    page = _page(deps, who, _step(step), name=name[:100], account=account)
    return respond(request, page, visitor=who)


@router.post("/accounts/guide/{step}/done")
def mark_step(request: Request, who: Who, step: str, done: Text = "yes") -> Response:
    """Marks a step as done and goes on, or as not done."""
    marked = _step(step)
    guide.mark(who.guard, marked, done=done == "yes")
    if done != "yes":
        return go(request, f"/accounts/guide/{marked}")
    if marked is Step.AD_ACCOUNTS:
        return go(request, "/accounts", phrase("The connection is set up."))
    return go(request, f"/accounts/guide/{list(Step)[marked.number]}")


@router.post("/accounts/guide/redirect/check")
def check_redirect(request: Request, deps: Here, who: Who) -> Response:
    """Whether the redirect URL leads back to this browser's session."""
    who.guard.need_role(RoleRight.CONNECT)
    opened = f"{request.url.scheme}://{request.headers.get('host', '')}"
    check = guide.check_redirect(consent.redirect_url(deps.settings), deps.settings.web_url, opened)
    return respond(request, _page(deps, who, Step.REDIRECT, check=check), visitor=who)


@router.post("/accounts/guide/keys")
def save_app(request: Request, deps: Here, who: Who, app_id: Text = "", secret: Text = "") -> Response:
    """Saves the app's ID and secret, encrypted."""
    who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    need_browser(who, phrase("API tokens cannot enter the app's secret on this page."))
    try:
        deps.store.app.set(app_id, secret)
    except InputError as error:
        page = _page(deps, who, Step.KEYS, error=sentence(error), app_id=app_id[:200])
        return respond(request, page, status_of(error), who)
    return go(request, "/accounts/guide/keys", phrase("Saved the TikTok app. Test it before you go on."))


@router.post("/accounts/guide/keys/check")
async def check_app(request: Request, deps: Here, who: Who) -> Response:
    """What TikTok says of the app."""
    check = await guide.check_app(who.guard, deps.settings, deps.transport)
    return respond(request, _page(deps, who, Step.KEYS, check=check), visitor=who)


@router.post("/accounts/guide/keys/remove")
def remove_app(request: Request, deps: Here, who: Who) -> Response:
    """Forgets the app that was entered."""
    who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    deps.store.app.remove()
    return go(request, "/accounts/guide/keys", phrase("Removed the TikTok app. Connected accounts keep theirs."))


def _step(text: str) -> Step:
    try:
        return Step(text)
    except ValueError:
        raise NotFoundError(
            phrase("The guide has no step %(text)s. Open /accounts/guide.", text=repr(text[:40]))
        ) from None


def _page(
    deps: Deps,
    who: Visitor,
    step: Step,
    *,
    check: StepCheck | None = None,
    error: str = "",
    name: str = "",
    app_id: str = "",
    account: str = "",
) -> GuidePage:
    app = _app(deps)
    progress = guide.progress(who.guard, deps.settings) if not app.problem else guide.GuideProgress(frozenset())
    return GuidePage(
        steps=tuple(StepRow(row, row in progress.done) for row in Step),
        step=step,
        done=step in progress.done,
        by_hand=step in guide.BY_HAND,
        may_change_app=_may_change_app(who),
        statements=guide.STATEMENTS[step],
        redirect_url=consent.redirect_url(deps.settings),
        returns_here=consent.redirects_here(deps.settings),
        scopes=guide.SCOPES,
        app=app,
        lacking=app.problem or consent.lacking_app(deps.settings, deps.store),
        check=check,
        error=error,
        name=name,
        app_id=app_id or app.app_id,
        covered=_covered(deps, who, account) if step is Step.AD_ACCOUNTS else None,
        errors_at_tiktok=ERRORS_AT_TIKTOK,
    )


def _may_change_app(who: Visitor) -> bool:
    try:
        who.guard.need_role(RoleRight.CHANGE_WORKSPACE)
    except AdreelError:
        return False
    return True


def _app(deps: Deps) -> AppShown:
    stored = deps.store.app.get()
    at, by = (stored.changed_at, stored.changed_by) if stored is not None else (None, "")
    try:
        app = app_in_use(deps.settings, deps.store)
    except InputError as error:
        app_id = stored.app_id if stored is not None else ""
        return AppShown(app_id, True, STORED, True, at, by, "", sentence(error))
    is_stored = app.source == STORED
    unused = stored.app_id if stored is not None and not is_stored else ""
    return AppShown(app.app_id, bool(app.secret), app.source, is_stored, at, by, unused, "")


def _covered(deps: Deps, who: Visitor, account: str) -> GuideAdvertisers | None:
    """What the account covers; without one, the account that was connected last."""
    accounts = who.guard.accounts()
    if account:
        chosen = who.guard.account(int(account) if is_id(account) else account)
    elif accounts:
        chosen = max(accounts, key=lambda connected: connected.created_at)
    else:
        return None
    advertisers = deps.store.accounts.advertisers(chosen)
    rows = [
        Came(
            advertiser.advertiser_id,
            advertiser.name,
            advertiser.currency,
            zone_words(advertiser) or "",
            status_words(advertiser) or "",
            guide.gaps(advertiser),
        )
        for advertiser in advertisers
    ]
    rows.sort(key=lambda row: (not row.gaps, row.name.casefold(), row.id))
    return GuideAdvertisers(
        account=chosen,
        rows=tuple(rows[:MOST_SHOWN]),
        count=len(rows),
        lacking=sum(bool(row.gaps) for row in rows),
        mixtures=guide.mixtures(advertisers),
        scopes=guide.missing_scopes(chosen.scopes),
        may_use=who.guard.may(AccountRight.USE, chosen),
    )
