"""The audit log: what people did, by which means, and to what. Entries are added and pruned, and never changed.

An entry is written in the transaction of the change that it tells of, so that there is neither without the other. Who
acts is said once, at the edge: by a page's or the API's visitor, and by a command (`acting`). It travels in a context
variable, as a request and a command are one flow of control each, through lists that others call as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, true

from adreel.enumerations import TextEnum
from adreel.language import Phrase
from adreel.store.database import Database
from adreel.store.records import User
from adreel.store.tables import audit

OPERATOR = Phrase("command line")
"""The name of whoever runs commands on this machine without ADREEL_USER."""

NOBODY = "adreel"
"""The name under which adreel itself acts, as when it prunes by the retention policy."""

LONGEST_SUBJECT = 500

STRANGER = Phrase("not signed in")
"""The name of visitors who could not sign in. What they typed is not kept: people type passwords there."""


class Means(TextEnum):
    """By what an action was done; `label` says it to a person."""

    label: str

    PAGE = "page", Phrase("Data Center")
    API = "api", "API"
    COMMAND = "command", Phrase("Command line")
    SYSTEM = "system", "adreel"


class AuditAction(TextEnum):
    """What was done; `label` says it to a person, and `kind` is what it is done to."""

    label: str
    kind: str

    SIGN_IN = "sign_in", Phrase("Signed in"), "user"
    SIGN_IN_FAILED = "sign_in_failed", Phrase("Failed to sign in"), "user"
    SIGN_OUT = "sign_out", Phrase("Signed out"), "user"
    SESSIONS_END = "sessions_end", Phrase("Signed out other browsers"), "user"
    USER_CREATE = "user_create", Phrase("Created user"), "user"
    USER_ROLE = "user_role", Phrase("Changed role"), "user"
    USER_PASSWORD = "user_password", Phrase("Changed password"), "user"
    USER_DISABLE = "user_disable", Phrase("Disabled user"), "user"
    USER_ENABLE = "user_enable", Phrase("Enabled user"), "user"
    USER_DELETE = "user_delete", Phrase("Deleted user"), "user"
    TOKEN_CREATE = "token_create", Phrase("Created API token"), "token"
    TOKEN_REVOKE = "token_revoke", Phrase("Revoked API token"), "token"
    LINK_CREATE = "link_create", Phrase("Created CSV link"), "link"
    LINK_REVOKE = "link_revoke", Phrase("Revoked CSV link"), "link"
    ACCOUNT_CONNECT = "account_connect", Phrase("Connected account"), "account"
    ACCOUNT_RECONNECT = "account_reconnect", Phrase("Reconnected account"), "account"
    ACCOUNT_RENAME = "account_rename", Phrase("Renamed account"), "account"
    ACCOUNT_ADVERTISERS = "account_advertisers", Phrase("Selected ad accounts"), "account"
    ACCOUNT_SHARE = "account_share", Phrase("Shared account"), "account"
    ACCOUNT_DELETE = "account_delete", Phrase("Deleted account"), "account"
    DATASET_CREATE = "dataset_create", Phrase("Created dataset"), "dataset"
    DATASET_CHANGE = "dataset_change", Phrase("Changed dataset"), "dataset"
    DATASET_DELETE = "dataset_delete", Phrase("Deleted dataset"), "dataset"
    SCHEDULE_PAUSE = "schedule_pause", Phrase("Paused schedule"), "dataset"
    SCHEDULE_RESUME = "schedule_resume", Phrase("Resumed schedule"), "dataset"
    RUN_START = "run_start", Phrase("Started run"), "dataset"
    RUN_CANCEL = "run_cancel", Phrase("Asked to cancel run"), "dataset"
    BACKFILL_START = "backfill_start", Phrase("Started backfill"), "dataset"
    BACKFILL_PAUSE = "backfill_pause", Phrase("Paused backfill"), "dataset"
    BACKFILL_RESUME = "backfill_resume", Phrase("Resumed backfill"), "dataset"
    BACKFILL_CANCEL = "backfill_cancel", Phrase("Cancelled backfill"), "dataset"
    VERSION_RESTORE = "version_restore", Phrase("Restored version"), "dataset"
    VERSIONS_DELETE = "versions_delete", Phrase("Deleted old versions"), "dataset"
    EXPORT = "export", Phrase("Exported table"), "dataset"
    QUERY = "query", Phrase("Ran query"), "query"
    QUERY_SAVE = "query_save", Phrase("Saved query"), "query"
    QUERY_CHANGE = "query_change", Phrase("Changed saved query"), "query"
    QUERY_DELETE = "query_delete", Phrase("Deleted saved query"), "query"
    QUERY_EXPORT = "query_export", Phrase("Exported query"), "query"
    WORKSPACE_CHANGE = "workspace_change", Phrase("Changed workspace"), "workspace"
    RATES_IMPORT = "rates_import", Phrase("Imported exchange rates"), "workspace"
    RATES_CHANGE = "rates_change", Phrase("Changed validity of exchange rates"), "workspace"
    RATES_DELETE = "rates_delete", Phrase("Deleted exchange rates"), "workspace"
    APP_CHANGE = "app_change", Phrase("Changed TikTok app"), "workspace"
    APP_REMOVE = "app_remove", Phrase("Removed TikTok app"), "workspace"
    APP_TEST = "app_test", Phrase("Tested TikTok app"), "workspace"
    RETENTION_CHANGE = "retention_change", Phrase("Changed retention policy"), "workspace"
    ADDRESS_ADD = "address_add", Phrase("Added notification address"), "address"
    ADDRESS_CHANGE = "address_change", Phrase("Changed notification address"), "address"
    ADDRESS_REMOVE = "address_remove", Phrase("Removed notification address"), "address"
    ADDRESS_TEST = "address_test", Phrase("Sent test message"), "address"
    DESTINATION_ADD = "destination_add", Phrase("Added destination"), "destination"
    DESTINATION_CHANGE = "destination_change", Phrase("Changed destination"), "destination"
    DESTINATION_DELETE = "destination_delete", Phrase("Deleted destination"), "destination"
    DESTINATION_TEST = "destination_test", Phrase("Tested destination"), "destination"
    PUBLISH = "publish", Phrase("Published table"), "dataset"
    PUBLISH_REPAIR = "publish_repair", Phrase("Repaired published table"), "dataset"
    PRESET_CREATE = "preset_create", Phrase("Saved metric preset"), "preset"
    PRESET_CHANGE = "preset_change", Phrase("Changed metric preset"), "preset"
    PRESET_DELETE = "preset_delete", Phrase("Deleted metric preset"), "preset"
    DASHBOARD_CREATE = "dashboard_create", Phrase("Created dashboard"), "dashboard"
    DASHBOARD_CHANGE = "dashboard_change", Phrase("Changed dashboard"), "dashboard"
    DASHBOARD_DELETE = "dashboard_delete", Phrase("Deleted dashboard"), "dashboard"
    DASHBOARD_SHARE = "dashboard_share", Phrase("Shared dashboard"), "dashboard"
    DASHBOARD_DELIVERY = "dashboard_delivery", Phrase("Changed delivery"), "dashboard"
    DASHBOARD_SEND = "dashboard_send", Phrase("Sent dashboard"), "dashboard"
    DASHBOARD_EXPORT = "dashboard_export", Phrase("Exported dashboard"), "dashboard"
    KEYS_ROTATE = "keys_rotate", Phrase("Rotated encryption keys"), "workspace"
    AUDIT_EXPORT = "audit_export", Phrase("Exported audit log"), "workspace"
    PRUNE = "prune", Phrase("Pruned"), "workspace"
    BACKUP = "backup", Phrase("Backed up"), "workspace"
    BACKUP_RESTORE = "backup_restore", Phrase("Restored backup"), "workspace"
    STORE_MOVE = "store_move", Phrase("Moved store"), "workspace"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts and by what; `user_id` is None for no user of the Data Center, `token` the name of an API token."""

    user_id: int | None
    name: str
    means: Means
    token: str = ""

    @classmethod
    def of(cls, user: User | None, means: Means, token: str = "") -> Origin:
        """A user by these means; without one whoever runs this machine."""
        return cls(user.id, user.name, means, token) if user is not None else cls(None, OPERATOR, means, token)


SYSTEM = Origin(None, NOBODY, Means.SYSTEM)
"""adreel itself: workers, and processes of runs."""

_acting: ContextVar[Origin] = ContextVar("adreel_acting", default=SYSTEM)


def acting_as() -> Origin:
    """Who acts in this request, command or thread."""
    return _acting.get()


def act_as(origin: Origin) -> None:
    """Says who acts in the rest of this request."""
    _acting.set(origin)


@contextmanager
def acting(origin: Origin) -> Iterator[None]:
    """Says who acts while the block runs."""
    token = _acting.set(origin)
    try:
        yield
    finally:
        _acting.reset(token)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action is done to, as it was called then; `id` is empty where there is none."""

    id: str
    name: str

    @classmethod
    def of(cls, resource: Any) -> Subject:
        """An account, dataset, user or token."""
        return cls(str(resource.id), resource.name)


NO_DETAILS: Mapping[str, Any] = MappingProxyType({})

WORKSPACE = Subject("", "")
"""The workspace has no id."""


def queried(slugs: Iterable[str]) -> Subject:
    """The tables that a query may read; its text is not kept, as values of reports stand in it."""
    return Subject("", ", ".join(sorted(slugs))[:LONGEST_SUBJECT])


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action. `user_id` is None for no user; names are those of the time, kept when what they name is deleted."""

    id: int
    at: datetime
    user_id: int | None
    user_name: str
    means: Means
    token: str
    action: AuditAction
    subject_kind: str
    subject_id: str
    subject_name: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: those for which all that is given holds.

    `who` and `subject` are compared without regard to case: the whole name of who acted, a part of the subject's name.
    `since` is included, `until` is not.
    """

    who: str = ""
    actions: frozenset[AuditAction] = frozenset()
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_set(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.who or self.actions or self.subject or self.since or self.until)


def record(
    connection: Connection,
    at: datetime,
    action: AuditAction,
    subject: Subject,
    details: Mapping[str, Any] = NO_DETAILS,
    *,
    origin: Origin | None = None,
) -> None:
    """Adds an entry in the caller's transaction.

    `details` are a few JSON values: no secrets, no figures of reports; empty ones are left out. `origin` is who acts
    where that is not who `acting_as` says, as at a sign-in.
    """
    by = origin or acting_as()
    connection.execute(
        insert(audit).values(
            at=at,
            user_id=by.user_id,
            user_name=by.name,
            means=by.means,
            token=by.token,
            action=action,
            subject_kind=action.kind,
            subject_id=subject.id,
            subject_name=subject.name,
            details={name: value for name, value in details.items() if value not in (None, "", (), [])},
        )
    )


class Audit:
    """The audit log of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(
        self,
        action: AuditAction,
        subject: Subject,
        details: Mapping[str, Any] = NO_DETAILS,
        *,
        origin: Origin | None = None,
    ) -> None:
        """Adds an entry for what changes nothing in the store, such as an export; otherwise as `record`."""
        with self._database.write() as connection:
            record(connection, self._clock(), action, subject, details, origin=origin)

    def page(
        self, chosen: AuditFilter, *, limit: int = 50, offset: int = 0, below: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """Some of the entries, latest first; with `below` only those whose id is less."""
        which = _which(chosen) if below is None else and_(_which(chosen), audit.c.id < below)
        statement = select(audit).where(which).order_by(audit.c.id.desc()).limit(limit).offset(offset)
        with self._database.read() as connection:
            return tuple(_entry(row) for row in connection.execute(statement))

    def count(self, chosen: AuditFilter) -> int:
        """How many entries there are."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(audit).where(_which(chosen))).scalar_one())

    def names(self) -> tuple[str, ...]:
        """Everybody who did anything, by name."""
        with self._database.read() as connection:
            return tuple(sorted(connection.execute(select(audit.c.user_name).distinct()).scalars(), key=str.casefold))

    def prune(self, before: datetime, most: int) -> int:
        """Removes up to `most` entries that are older, oldest first; returns how many."""
        oldest = select(audit.c.id).where(audit.c.at < before).order_by(audit.c.id).limit(most)
        with self._database.write() as connection:
            ids = list(connection.execute(oldest).scalars())
            if ids:
                connection.execute(delete(audit).where(audit.c.id <= max(ids), audit.c.at < before))
        return len(ids)


def _which(chosen: AuditFilter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    if chosen.who:
        conditions.append(func.lower(audit.c.user_name) == chosen.who.lower())
    if chosen.actions:
        conditions.append(audit.c.action.in_(sorted(chosen.actions)))
    if chosen.subject:
        name = audit.c.subject_name.icontains(chosen.subject, autoescape=True)
        conditions.append(or_(name, audit.c.subject_id == chosen.subject))
    if chosen.since is not None:
        conditions.append(audit.c.at >= chosen.since)
    if chosen.until is not None:
        conditions.append(audit.c.at < chosen.until)
    return and_(true(), *conditions)


def _entry(row: Row[Any]) -> AuditEntry:
    values = row._asdict()
    return AuditEntry(**{**values, "means": Means(values["means"]), "action": AuditAction(values["action"])})
