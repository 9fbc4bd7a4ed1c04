"""Setting up the TikTok app and the first connection: the steps, what can be checked of each, and where to go back to.

What a step says of TikTok's developer portal has a `Sureness`: the portal changes, and not all of it is documented.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from adreel import catalog
from adreel.access import Guard, RoleRight
from adreel.connections import (
    ASSUMED,
    PATIENCE_SECONDS,
    Access,
    app_access,
    app_in_use,
    connected,
    need_app,
    zone_words,
)
from adreel.enumerations import TextEnum
from adreel.errors import AdreelError, ReconnectError, lacks_scope
from adreel.language import Phrase, phrase
from adreel.settings import LOOPBACK, Settings
from adreel.store import AccountAdvertiser, Store
from adreel.store.audit import WORKSPACE, AuditAction


class Sureness(TextEnum):
    """How sure a statement about TikTok is; `label` says it to a person."""

    label: str

    SEVERAL = "several", Phrase("Several independent sources agree.")
    ONE = "one", Phrase("From a single source: TikTok's page may differ.")
    UNKNOWN = "unknown", Phrase("Not documented: follow what the page shows.")


class Step(TextEnum):
    """A step of the guide, in order; `heading` names it."""

    heading: str

    DEVELOPER = "developer", Phrase("Sign in to the developer portal")
    APP = "app", Phrase("Create the app")
    REDIRECT = "redirect", Phrase("Register the redirect URL")
    SCOPES = "scopes", Phrase("Select the permissions")
    KEYS = "keys", Phrase("Enter app ID and secret")
    CONSENT = "consent", Phrase("Allow access")
    AD_ACCOUNTS = "ad-accounts", Phrase("Review the ad accounts")

    @property
    def number(self) -> int:
        """Its place, from 1."""
        return list(Step).index(self) + 1


BY_HAND = frozenset({Step.DEVELOPER, Step.APP, Step.REDIRECT, Step.SCOPES, Step.AD_ACCOUNTS})
"""The steps that a person marks as done, as adreel cannot see the portal. The others are done when they have worked."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of one of TikTok's screens."""

    text: str
    sureness: Sureness


STATEMENTS: Mapping[Step, tuple[Statement, ...]] = {
    Step.DEVELOPER: (
        Statement(
            Phrase("The portal of TikTok for Business is at business-api.tiktok.com/portal."),
            Sureness.SEVERAL,
        ),
        Statement(
            Phrase(
                "TikTok approves developer profiles. Requests of a profile that is not approved are "
                "refused with code 40124."
            ),
            Sureness.ONE,
        ),
        Statement(Phrase("How long the approval takes and which documents it needs."), Sureness.UNKNOWN),
    ),
    Step.APP: (
        Statement(Phrase("My Apps lists your apps."), Sureness.ONE),
        Statement(Phrase("Each app has an ID and a secret."), Sureness.SEVERAL),
        Statement(
            Phrase(
                "For a first try without real ad accounts, the portal also issues a sandbox account with a "
                "token of its own. It needs no app and no consent: connect it with an access token."
            ),
            Sureness.SEVERAL,
        ),
        Statement(Phrase("Which names, descriptions and texts the portal requires of an app."), Sureness.UNKNOWN),
    ),
    Step.REDIRECT: (
        Statement(Phrase("An app has up to 10 redirect URLs, and localhost is allowed."), Sureness.ONE),
        Statement(
            Phrase(
                "After the consent TikTok redirects the browser to this address, with a code that works "
                "once and lives for an hour."
            ),
            Sureness.SEVERAL,
        ),
    ),
    Step.SCOPES: (
        Statement(
            Phrase(
                "Permissions are selected in the app. The consent page asks for those, and its link cannot "
                "ask for others."
            ),
            Sureness.ONE,
        ),
        Statement(
            Phrase("The numbers of the permissions come with the token, so that they are checked after the consent."),
            Sureness.SEVERAL,
        ),
    ),
    Step.KEYS: (
        Statement(Phrase("Both are on the app's page in the portal (My Apps)."), Sureness.ONE),
        Statement(
            Phrase("A secret of another app is refused with code 40101, an unknown app with 40113."), Sureness.SEVERAL
        ),
    ),
    Step.CONSENT: (
        Statement(Phrase("The user selects the ad accounts on TikTok's page."), Sureness.ONE),
        Statement(Phrase("TikTok verifies the user by e-mail, and asks again after 48 hours."), Sureness.ONE),
        Statement(
            Phrase("The token does not expire. It ends when the app is removed in TikTok Ads Manager."),
            Sureness.SEVERAL,
        ),
    ),
    Step.AD_ACCOUNTS: (),
}
"""What is known of the portal at each step."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A permission of a TikTok app: its number in the answer to a consent, and what adreel needs it for."""

    number: int
    title: str
    purpose: str
    required: bool


SCOPES: tuple[Scope, ...] = (
    Scope(4, Phrase("Reporting"), Phrase("Reports: every metric of every dataset"), True),
    Scope(1, Phrase("Ad account management"), Phrase("The list of ad accounts"), True),
    Scope(10, Phrase("Ad account information"), Phrase("Names, time zones and currencies of ad accounts"), True),
    Scope(
        2,
        Phrase("Ads management"),
        Phrase("Names and settings of campaigns, ad groups and ads; adreel only reads them"),
        True,
    ),
    Scope(6, Phrase("Creative management"), Phrase("Details of videos and images in creative reports"), False),
    Scope(3, Phrase("Audience management"), Phrase("Names of audiences"), False),
    Scope(15, Phrase("Business Center"), Phrase("Balances, transactions, costs and assets"), False),
)
"""The permissions that adreel uses (numbers: TikTok's page "Authorization"; the portal's titles may differ)."""


def missing_scopes(granted: Iterable[int] | None) -> tuple[Scope, ...]:
    """The required permissions that are not among those granted; none if TikTok did not say which those are."""
    if granted is None:
        return ()
    numbers = set(granted)
    return tuple(scope for scope in SCOPES if scope.required and scope.number not in numbers)


# -- progress


@dataclass(frozen=True, slots=True)
class GuideProgress:
    """Which steps are done; `current` is the first that is not, or the last."""

    done: frozenset[Step]

    @property
    def current(self) -> Step:
        """Where to go on."""
        return next((step for step in Step if step not in self.done), Step.AD_ACCOUNTS)


def progress(guard: Guard, settings: Settings) -> GuideProgress:
    """How far the set-up has come, for all users of the workspace. Raises InputError as `app_in_use`.

    A connected account proves the steps before it.
    """
    marked = {step for step in BY_HAND if step in guard.store.guide_steps.done()}
    app = app_in_use(settings, guard.store)
    done = marked | ({Step.KEYS} if app.app_id and app.secret else set())
    if any(account.app_id and account.app_id == app.app_id for account in guard.store.accounts.list()):
        done |= set(Step) - {Step.AD_ACCOUNTS}
    return GuideProgress(frozenset(done))


def mark(guard: Guard, step: Step, *, done: bool) -> None:
    """Marks a step as done or not, for all users. ForbiddenError for viewers."""
    guard.need_role(RoleRight.CONNECT)
    if step in BY_HAND:
        guard.store.guide_steps.mark(step, done=done)


# -- checks


@dataclass(frozen=True, slots=True)
class StepCheck:
    """What a check found: whether it is well, in words, and the step to return to if it is not."""

    good: bool
    words: str
    step: Step | None = None


def check_redirect(redirect: str, web_url: str, opened: str) -> StepCheck:
    """Whether the browser that opened the Data Center at the address `opened` will come back by the redirect URL."""
    parts, opened_at = urlsplit(redirect), urlsplit(opened)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return StepCheck(
            False,
            phrase(
                "%(redirect)s is not encrypted, and TikTok's code would cross the network in the clear. "
                "Serve the Data Center over https and set ADREEL_WEB_URL to that address, then restart the "
                "server.",
                redirect=redirect,
            ),
            Step.REDIRECT,
        )
    if not redirect.startswith(f"{web_url}/"):
        return StepCheck(
            True,
            phrase(
                "%(redirect)s is not on this server. After the consent, copy the address of TikTok's tab "
                "and paste it in the Data Center.",
                redirect=redirect,
            ),
        )
    if (parts.scheme, parts.netloc) != (opened_at.scheme, opened_at.netloc):
        return StepCheck(
            False,
            phrase(
                "You opened the Data Center at %(opened_origin)s, but the redirect URL leads to "
                "%(redirect_origin)s. This browser is not signed in there. Open the Data Center at "
                "that address, or set ADREEL_WEB_URL to the address that people use, then restart the server.",
                opened_origin=f"{opened_at.scheme}://{opened_at.netloc}",
                redirect_origin=f"{parts.scheme}://{parts.netloc}",
            ),
            Step.REDIRECT,
        )
    return StepCheck(
        True,
        phrase("%(redirect)s leads to this server as you opened it. Register it exactly as shown.", redirect=redirect),
    )


MADE_UP_CODE = "adreel-app-check"
"""An authorization code that TikTok never issued."""


async def check_app(guard: Guard, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> StepCheck:
    """What TikTok says of the app in use; one request. ForbiddenError unless an administrator.

    TikTok has no request for that, so a code that it never issued is exchanged: it may refuse the code (40110), the
    secret (40101) or the app (40113).
    """
    guard.need_role(RoleRight.CHANGE_WORKSPACE)
    store = guard.store
    try:
        access = app_access(settings, store)
        need_app(settings, access)
        store.audit.add(AuditAction.APP_TEST, WORKSPACE, {"app": access.app_id})
        await _exchange(settings, store, access, transport)
    except AdreelError as error:
        return _verdict(error)
    return StepCheck(False, phrase("TikTok accepted a code that it never issued. Check ADREEL_TIKTOK_URL."), Step.KEYS)


async def _exchange(
    settings: Settings, store: Store, access: Access, transport: httpx2.AsyncBaseTransport | None
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with connected(settings, store, access, transport=transport, deadline=deadline) as client:
        await client.exchange(MADE_UP_CODE)


def _verdict(error: AdreelError) -> StepCheck:
    match error.code if isinstance(error, ReconnectError) else None:
        case 40110:
            return StepCheck(
                True,
                phrase(
                    "TikTok knows the app: it objected only to the made-up code of this test. The consent "
                    "proves the secret. [%(code)s]",
                    code=error.code,
                ),
            )
        case 40101:
            return StepCheck(
                False,
                phrase("TikTok refuses the secret: it is not that of this app ID. [%(code)s]", code=error.code),
                Step.KEYS,
            )
        case 40113:
            return StepCheck(
                False,
                phrase(
                    "TikTok does not know this app ID, or has blocked the app. Compare it with My Apps. [%(code)s]",
                    code=error.code,
                ),
                Step.KEYS,
            )
    return StepCheck(False, str(error), step_for(error))


_STEP_OF_CODE: Mapping[int, Step] = {
    40101: Step.KEYS,
    40113: Step.KEYS,
    40118: Step.APP,
    40119: Step.APP,
    40124: Step.DEVELOPER,
    40125: Step.DEVELOPER,
    40110: Step.CONSENT,
}


def step_for(error: AdreelError) -> Step:
    """The step to return to after an error of the consent or of what follows it."""
    code = error.code
    if code is not None and code in _STEP_OF_CODE:
        return _STEP_OF_CODE[code]
    if lacks_scope(code, error.message) or (code == 40001 and re.search("scope|permission", error.message, re.I)):
        return Step.SCOPES
    if "ADREEL_TIKTOK_APP_ID" in error.message or "ADREEL_TIKTOK_SECRET" in error.message:
        return Step.KEYS
    if code is None and re.search(r"redirect[ _-]?ur[il]", error.message, re.I):
        return Step.REDIRECT
    if code is None and re.search(r"\(.*(scope|permission)", error.message, re.I):
        return Step.SCOPES
    return Step.CONSENT


# -- what came


@dataclass(frozen=True, slots=True)
class Gap:
    """What an ad account lacks, and what to do about it."""

    problem: str
    remedy: str


ENABLED = "STATUS_ENABLE"


def gaps(advertiser: AccountAdvertiser) -> tuple[Gap, ...]:
    """What a connected ad account lacks; none if it can be read in full."""
    if advertiser.gone:
        return (
            Gap(
                phrase("No longer covered by the connection"),
                phrase(
                    "Assign it to the TikTok user in Business Center and refresh the list, or leave it out of datasets."
                ),
            ),
        )
    if not advertiser.timezone and not advertiser.currency:
        return (
            Gap(
                phrase("No access: TikTok gives no details"),
                phrase(
                    "Ask its owner to give the TikTok user access, then refresh the list. Until then runs fail "
                    "on it, unless the dataset leaves it out or skips failing ad accounts."
                ),
            ),
        )
    return tuple(_part_gaps(advertiser))


def _part_gaps(advertiser: AccountAdvertiser) -> Iterable[Gap]:
    if zone_words(advertiser) is None:
        yield Gap(
            phrase("Time zone %(timezone)s is not a fixed offset", timezone=advertiser.timezone or phrase("missing")),
            phrase("The start of its days is unknown, so runs fail on it. Exclude it from datasets."),
        )
    elif advertiser.display_timezone.endswith(ASSUMED):
        yield Gap(
            phrase("No time zone from TikTok: days are in UTC"),
            phrase("Delete the account, and add it again with --timezone."),
        )
    if not advertiser.currency:
        yield Gap(
            phrase("No currency"), phrase("Amounts of money have no unit. Check the ad account in TikTok Ads Manager.")
        )
    if advertiser.status and advertiser.status != ENABLED:
        label = catalog.label("status", advertiser.status) or advertiser.status
        yield Gap(
            phrase("Status: %(status)s", status=label),
            phrase("Past days can be loaded; new days have figures once TikTok enables the ad account."),
        )


def mixtures(advertisers: Iterable[AccountAdvertiser]) -> tuple[str, ...]:
    """What differs between ad accounts and changes how figures are read, in sentences."""
    readable = [advertiser for advertiser in advertisers if not advertiser.gone and advertiser.timezone]
    currencies = sorted({advertiser.currency for advertiser in readable if advertiser.currency})
    zones = sorted({words.split()[0] for advertiser in readable if (words := zone_words(advertiser))})
    sentences = []
    if len(currencies) > 1:
        sentences.append(
            phrase(
                "Currencies: %(currencies)s. Amounts are never summed over currencies.",
                currencies=", ".join(currencies),
            )
        )
    if len(zones) > 1:
        sentences.append(
            phrase("Time zones: %(zones)s. A day begins at a different time in each.", zones=", ".join(zones))
        )
    return tuple(sentences)
