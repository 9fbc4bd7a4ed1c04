"""What the store gives out: frozen records, free of the database. Times are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from adreel.enumerations import TextEnum
from adreel.errors import ExitCode, ExpiredError, ReconnectError, exit_code_of
from adreel.language import Phrase, phrase, shown_time


class Role(TextEnum):
    """What a user may do at all; `meaning` says it to a person."""

    meaning: str

    ADMIN = "admin", Phrase("Manages users, with full access to every account and dataset.")
    EDITOR = "editor", Phrase("Connects accounts, and creates, runs and edits datasets.")
    VIEWER = "viewer", Phrase("Views the data of shared accounts without changing anything.")


class Level(StrEnum):
    """How far an account is shared with a user; each level has what those below it have. Levels compare by that.

    `meaning` says it to a person, `rank` counts from 0. The user's role may allow less.
    """

    meaning: str
    rank: int

    NONE = "none", Phrase("No access.")
    READ = "read", Phrase("Can use it in datasets, and view the data of its datasets.")
    SHARE = "share", Phrase("Can also share it.")
    EDIT = "edit", Phrase("Can also rename and reconnect it, and run, edit and delete its datasets.")
    OWNER = "owner", Phrase("Can also delete it and add other owners.")

    def __new__(cls, value: str, meaning: str = "") -> Level:
        """The level's text is its value."""
        level = str.__new__(cls, value)
        level._value_ = value
        level.meaning = meaning
        level.rank = len(cls.__members__)
        return level

    def __lt__(self, other: str) -> bool:
        return self.rank < Level(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Level(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Level(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Level(other).rank


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in. `seen_at` is when they, or a program with a token of theirs, last did something."""

    id: int
    name: str
    role: Role
    disabled: bool
    created_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in; `agent` is what it says of itself. Its secret is not here, nor in the database."""

    id: int
    user_id: int
    agent: str
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class MetricPreset:
    """Metrics by their API names under a name, in the order of the columns.

    `owner` is the name of the user who saved it; empty, and `user_id` None, for one of the operator and for one shared
    by a user who was deleted. Other users see it if it is `shared`.
    """

    id: int
    user_id: int | None
    name: str
    metrics: tuple[str, ...]
    shared: bool
    created_at: datetime
    updated_at: datetime
    owner: str


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A key for programs that act as the user, or only read as the user. Its secret is not here, nor in the database.

    `expires_at` is None for one that is good until it is revoked; `used_at` is to the minute.
    """

    id: int
    user_id: int
    name: str
    read_only: bool
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExportLink:
    """A link that gives a look at a dataset's table as CSV to whoever has it. Its secret is not here.

    `user_id` is whose rights it has, None for the operator of the machine; `user_name` is the name at that time.
    `expires_at` is None for one that is good until it is revoked; `used_at` is to the minute.
    """

    id: int
    dataset_id: int
    user_id: int | None
    user_name: str
    name: str
    look: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SavedView:
    """A look at a dataset's table under a name; `shared` with all who may see the dataset."""

    id: int
    dataset_id: int
    user_id: int
    user_name: str
    name: str
    shared: bool
    look: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user went to TikTok's consent page for: to connect the account again, or a new one under this name."""

    user_id: int
    account_id: int | None
    name: str | None
    created_at: datetime
    guided: bool = False


@dataclass(frozen=True, slots=True)
class StoredApp:
    """The TikTok app that an administrator entered; `Apps.secret` decrypts its secret."""

    app_id: str
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query under a name: of its owner alone, or shared with all users. `user_id` is None once the owner is gone."""

    id: int
    user_id: int | None
    owner: str
    name: str
    sql: str
    shared: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PastQuery:
    """A query that a user ran: when, for how many seconds, and how many rows were shown; None if it failed."""

    id: int
    sql: str
    ran_at: datetime
    seconds: float
    rows: int | None
    more: bool


@dataclass(frozen=True, slots=True)
class Workspace:
    """What all users of a home share: its name, and the IANA zone in which pages show times."""

    name: str
    zone: str


class AccountStatus(StrEnum):
    """Whether TikTok still honours the token of an account, as far as was seen last."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"

    @classmethod
    def after(cls, error: ReconnectError) -> AccountStatus:
        """What the account is once TikTok gave this error."""
        return cls.EXPIRED if isinstance(error, ExpiredError) else cls.REVOKED


@dataclass(frozen=True, slots=True)
class Account:
    """One grant of a TikTok for Business user to one app. The token is not here; `Accounts.token` decrypts it.

    `base_url` is the API that the grant was made at. `owner` is the user's display name, or empty. `selection` are the
    advertisers that a person named by hand; None stands for all that the grant covers. `scopes` are the numbers of the
    permissions that came with the token; None if they are not known.
    """

    id: int
    name: str
    app_id: str
    base_url: str
    status: AccountStatus
    owner: str
    selection: tuple[str, ...] | None
    created_at: datetime
    updated_at: datetime
    last_checked_at: datetime | None
    scopes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class AdvertiserInfo:
    """One TikTok ad account in TikTok's words; a text that is not known is empty.

    `timezone` is the fixed offset that days are counted in, such as Etc/GMT+8 (which is UTC-8); `display_timezone` is
    an IANA name for labels (source: /advertiser/info/).
    """

    advertiser_id: str
    name: str = ""
    currency: str = ""
    timezone: str = ""
    display_timezone: str = ""
    status: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAdvertiser(AdvertiserInfo):
    """An advertiser as an account saw it at `refreshed_at`; `gone` if the account's last list was without it."""

    account_id: int
    refreshed_at: datetime
    gone: bool = False


@dataclass(frozen=True, slots=True)
class SavedDataset:
    """A dataset with its table. `spec` is the dataset file as JSON, which the store does not look into.

    `slug` names it on the command line and `table_slug` its table in the lake; both stay through a rename.
    `account_id` is None when the account was deleted; `account_name` is kept. `owner_id` is the user who made it, or
    None for one that the command line made and for one whose owner was deleted. `next_run_at` is when its schedule is
    due next, None without a schedule and while that is paused, since `paused_at`. `stale_after` are the seconds after
    which a dataset without an update is stale. `request_version` is the `spec_version` since which TikTok is asked for
    the same.
    """

    id: int
    slug: str
    table_slug: str
    name: str
    description: str
    tags: tuple[str, ...]
    account_id: int | None
    account_name: str
    spec: str
    spec_version: int
    created_at: datetime
    updated_at: datetime
    owner_id: int | None = None
    next_run_at: datetime | None = None
    paused_at: datetime | None = None
    stale_after: int | None = None
    request_version: int = 1

    @property
    def connected(self) -> bool:
        """Whether there is an account to read with."""
        return self.account_id is not None


class RunState(TextEnum):
    """The state of a run or restore: `label` names it, `sentence` explains it.

    `sentence_of_restore` explains it for a restore, with the time when its rows were read; empty if `sentence` does.
    """

    label: str
    sentence: str
    sentence_of_restore: str

    QUEUED = "queued", Phrase("Queued"), Phrase("Waiting to start.")
    RUNNING = "running", Phrase("Running"), Phrase("Reading from TikTok.")
    VERIFIED = (
        "verified",
        Phrase("Verified"),
        Phrase("The rows match TikTok's own figures."),
        Phrase("The rows matched TikTok when they were read, %(time)s UTC."),
    )
    VERIFIED_WITH_WARNINGS = (
        "verified_with_warnings",
        Phrase("Verified with warnings"),
        Phrase("The rows match TikTok's own figures. Review the warnings."),
        Phrase("The rows matched TikTok when they were read, %(time)s UTC. Review the warnings."),
    )
    ADVERTISERS_SKIPPED = (
        "advertisers_skipped",
        Phrase("Ad accounts skipped"),
        Phrase("The rows match TikTok's own figures, except for ad accounts that were skipped."),
        Phrase("The rows matched TikTok when they were read, %(time)s UTC, except for ad accounts that were skipped."),
    )
    CHECK_FAILED = (
        "check_failed",
        Phrase("Check failed"),
        Phrase("The rows in the table differ from TikTok's own figures."),
        Phrase("The rows differed from TikTok's own figures when they were read, %(time)s UTC."),
    )
    VERIFICATION_UNKNOWN = (
        "verification_unknown",
        Phrase("Verification unknown"),
        Phrase("Restored rows of a run that this home does not have."),
    )
    FAILED = "failed", Phrase("Failed"), Phrase("Stopped by an error; the table is unchanged.")
    CANCELLED = "cancelled", Phrase("Cancelled"), Phrase("Cancelled by a user; the table is unchanged.")
    INTERRUPTED = (
        "interrupted",
        Phrase("Interrupted"),
        Phrase("The process ended early; run the dataset again to resume."),
        Phrase("The process ended early; the latest version shows whether the rows were restored."),
    )

    @classmethod
    def of_version(
        cls, verification: Mapping[str, Any], warnings: Sequence[str], skipped: Mapping[str, str]
    ) -> RunState:
        """The state of a run that created a version: the first that applies, most serious first."""
        if not verification:
            return cls.VERIFICATION_UNKNOWN
        if not verification.get("verified"):
            return cls.CHECK_FAILED
        if skipped:
            return cls.ADVERTISERS_SKIPPED
        return cls.VERIFIED_WITH_WARNINGS if warnings else cls.VERIFIED

    @property
    def label_in_sentence(self) -> Phrase:
        """The label within a sentence."""
        return _WITHIN_SENTENCES[self]

    @property
    def verified(self) -> bool | None:
        """Whether the rows of the run's version match TikTok's figures; None without a version, or if unknown."""
        return False if self is RunState.CHECK_FAILED else True if self in _VERIFIED else None


_WITHIN_SENTENCES = {
    RunState.QUEUED: Phrase("queued"),
    RunState.RUNNING: Phrase("running"),
    RunState.VERIFIED: Phrase("verified"),
    RunState.VERIFIED_WITH_WARNINGS: Phrase("verified with warnings"),
    RunState.ADVERTISERS_SKIPPED: Phrase("ad accounts skipped"),
    RunState.CHECK_FAILED: Phrase("check failed"),
    RunState.VERIFICATION_UNKNOWN: Phrase("verification unknown"),
    RunState.FAILED: Phrase("failed"),
    RunState.CANCELLED: Phrase("cancelled"),
    RunState.INTERRUPTED: Phrase("interrupted"),
}


class Trigger(TextEnum):
    """What asked for a run; the first goes first. `label` is its text."""

    label: str

    PERSON = "person", Phrase("Person")
    SCHEDULE = "schedule", Phrase("Schedule")
    BACKFILL = "backfill", Phrase("Backfill")


IN_PROGRESS = frozenset({RunState.QUEUED, RunState.RUNNING})
"""A process works on the run, or will."""

FINISHED = frozenset(RunState) - IN_PROGRESS
"""No process works on the run."""

_VERIFIED = frozenset({RunState.VERIFIED, RunState.VERIFIED_WITH_WARNINGS, RunState.ADVERTISERS_SKIPPED})

SUCCESSFUL = _VERIFIED | {RunState.CHECK_FAILED, RunState.VERIFICATION_UNKNOWN}
"""The run made a new version of the table."""

RESUMABLE = IN_PROGRESS | {RunState.INTERRUPTED}
"""The run may begin, or go on after its process died."""


class Phase(TextEnum):
    """What a running run does now; `label` is its text."""

    label: str

    AD_ACCOUNTS = "ad_accounts", Phrase("Reading ad accounts")
    ROWS = "rows", Phrase("Reading rows")
    VERIFYING = "verifying", Phrase("Verifying")
    WRITING = "writing", Phrase("Writing")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, counted from its beginning, also over a resume.

    `requests` were sent, of `requests_planned`, which is revised while the run reads and 0 while nothing is known;
    `refused` of them met TikTok's limit; `pages` and `rows` came back. `share` is the part of the run that is done,
    from 0 to 1; it never falls, and is 1 only when the run succeeded. `phase` is None before the first one.
    """

    requests: int = 0
    refused: int = 0
    pages: int = 0
    rows: int = 0
    chunks_done: int = 0
    chunks_total: int = 0
    requests_planned: int = 0
    phase: Phase | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended. `version` is the table's, if the run made one; `skipped` says why, by advertiser id.

    `verification` is JSON that the store does not look into. `notes` are about what the user asked for, `warnings`
    about what no user asked for. `error` is the message for a person and `error_kind` the name of the error's class.
    `table_rows` and `table_columns` are those of the whole table in that version.
    """

    state: RunState
    version: int | None = None
    verification: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    error_kind: str = ""
    table_rows: int | None = None
    table_columns: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of_error(cls, error: Exception, state: RunState = RunState.FAILED) -> RunOutcome:
        """How a run ended that this error ended."""
        return cls(state, error=str(error), error_kind=type(error).__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a dataset, or one restore of its table. `dataset_id` is None when the dataset was deleted; its
    name and slug are kept.

    `dates` are the start and end that were asked for in place of the dataset's own. Of a restore, `rows_read_at` is
    when the run began that read the rows, and `restored_version` the version restored, None for a restore of an older
    adreel that was interrupted; of a run, both are None.
    `created_at` is when it was asked for, `started_at` when it first began, `heartbeat_at` when its process last told
    of itself. `triggered_by` is the name of the user who asked, or empty for the command line's own. `due_at` is the
    time of the schedule that it stands for; a queued one waits until `not_before`. `attempt` counts its attempts from
    1, `deaths` its processes that ended without a word, and `worker` is who took it from the queue. The rest is as in
    `Progress` and `RunOutcome`.
    """

    id: str
    dataset_id: int | None
    dataset_name: str
    dataset_slug: str
    spec_version: int
    dates: tuple[str, str] | None
    state: RunState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    cancel_requested: bool
    requests: int
    refused: int
    pages: int
    rows: int
    chunks_done: int
    chunks_total: int
    requests_planned: int
    phase: Phase | None
    share: float
    version: int | None
    verification: Mapping[str, Any]
    warnings: tuple[str, ...]
    skipped: Mapping[str, str]
    error: str
    error_kind: str
    triggered_by: str
    table_rows: int | None
    table_columns: int | None
    notes: tuple[str, ...] = ()
    restored_version: int | None = None
    rows_read_at: datetime | None = None
    trigger: Trigger = Trigger.PERSON
    due_at: datetime | None = None
    not_before: datetime | None = None
    attempt: int = 1
    worker: str = ""
    deaths: int = 0

    @property
    def read_at(self) -> datetime:
        """When the run began that read the rows; before that, when it was asked for."""
        return self.rows_read_at or self.started_at or self.created_at

    @property
    def exit_code(self) -> ExitCode | None:
        """What `adreel run` ends with for this run; None while it is not over, or can be resumed."""
        if self.state in SUCCESSFUL:
            if not self.state.verified:
                return ExitCode.CHECK_FAILED
            return ExitCode.SKIPPED if self.state is RunState.ADVERTISERS_SKIPPED else ExitCode.OK
        if self.state is RunState.CANCELLED:
            return ExitCode.CANCELLED
        return exit_code_of(self.error_kind) if self.state is RunState.FAILED else None

    @property
    def restores(self) -> bool:
        """Whether it brought back rows that an earlier run had read."""
        return self.rows_read_at is not None

    @property
    def meaning(self) -> str:
        """The state as a sentence."""
        if self.state is RunState.QUEUED and self.not_before is not None and self.attempt > 1:
            return phrase(
                "Attempt %(attempt)s failed. The next attempt starts at %(time)s UTC.",
                attempt=self.attempt - 1,
                time=shown_time(self.not_before),
            )
        # A worker's run has no end until it is given up: the worker that finds it puts it back into the queue.
        if self.state is RunState.INTERRUPTED and self.worker and self.finished_at is None:
            return phrase("The process ended early; a worker continues the run.")
        return _meaning(self.state, self.rows_read_at)


@dataclass(frozen=True, slots=True)
class RunSize:
    """What a dataset's run took, to estimate later ones.

    `shape` is a text of what decides on the rows; runs of the same shape have the same rows for the same ad accounts
    and days. `requests` were needed to read them, where `predicted` follow from `rows`: by advertiser id, the rows
    that were read and the days that they span, 0 without dates. `own_dates`: the days were the dataset's own.
    """

    dataset_id: int
    dataset_name: str
    run_id: str
    shape: str
    own_dates: bool
    requests: int
    predicted: int
    rows: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RunKey:
    """A user's own key for a run, and what is asked for under it: the same key means the same run."""

    user_id: int
    key: str
    asked: str


@dataclass(frozen=True, slots=True)
class RunBrief:
    """What a list of datasets shows of a run. `warning` is the first of its warnings, `sums` how many sums were
    compared with TikTok's, `has_own_dates` whether it read the dataset's dates and no others; the rest is as in `Run`.
    """

    id: str
    state: RunState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int | None
    error: str
    table_rows: int | None
    table_columns: int | None
    warning: str = ""
    sums: int = 0
    skipped: int = 0
    rows_read_at: datetime | None = None
    trigger: Trigger = Trigger.PERSON
    has_own_dates: bool = True

    @property
    def speaks(self) -> bool:
        """Whether the run says how the dataset stands: the backfill itself tells how its ended slices went."""
        return self.trigger is not Trigger.BACKFILL or self.state in IN_PROGRESS

    @property
    def updates(self) -> bool:
        """Whether the table is as new as the run: it made a version, and read the dataset's own dates."""
        return self.version is not None and self.has_own_dates

    @property
    def read_at(self) -> datetime:
        """When the run began that read the rows; before that, when it was asked for."""
        return self.rows_read_at or self.started_at or self.created_at

    @property
    def restores(self) -> bool:
        """Whether it brought back rows that an earlier run had read."""
        return self.rows_read_at is not None

    @property
    def meaning(self) -> str:
        """The state as a sentence."""
        return _meaning(self.state, self.rows_read_at)


class Latest(NamedTuple):
    """The latest runs of a dataset: that which says how it stands, that which made a version, and that which read the
    dataset's own dates and made one. None where there is none.

    Runs of backfills say nothing once they have ended: a slice that was read must not hide a failed run.
    """

    speaking: RunBrief | None
    good: RunBrief | None
    updated: RunBrief | None


def _meaning(state: RunState, rows_read_at: datetime | None) -> str:
    """The state as a sentence; of a restore, which asks nothing of TikTok, as of `rows_read_at`."""
    if rows_read_at is None or not state.sentence_of_restore:
        return state.sentence
    return phrase(state.sentence_of_restore, time=shown_time(rows_read_at))


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log; `number` grows along the log."""

    number: int
    at: datetime
    text: str
