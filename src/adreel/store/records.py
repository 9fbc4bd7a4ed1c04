"""What the store gives out: frozen records, free of the database. Times are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AccountStatus(StrEnum):
    """Whether TikTok still honours the token of an account, as far as was seen last."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Account:
    """One grant of a TikTok for Business user to one app. The token is not here; `Accounts.token` decrypts it.

    `base_url` is the API that the grant was made at. `owner` is the user's display name, or empty. `selection` are the
    advertisers that a person named by hand; None stands for all that the grant covers.
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


@dataclass(frozen=True, slots=True)
class Advertiser:
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
class AccountAdvertiser(Advertiser):
    """An advertiser as an account saw it at `refreshed_at`; `gone` if the account's last list was without it."""

    account_id: int
    refreshed_at: datetime
    gone: bool = False


@dataclass(frozen=True, slots=True)
class SavedDataset:
    """A dataset with its table. `spec` is the dataset file as JSON, which the store does not look into.

    `slug` names it on the command line and `table_slug` its table in the lake; both stay through a rename.
    `account_id` is None when the account was deleted; `account_name` is kept.
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

    @property
    def connected(self) -> bool:
        """Whether there is an account to read with."""
        return self.account_id is not None


class RunState(StrEnum):
    """Where a run stands; `sentence` says it to a person."""

    sentence: str

    QUEUED = "queued", "Waits for its turn."
    RUNNING = "running", "Reads from TikTok now."
    SUCCEEDED = "succeeded", "Read everything, and the table has it."
    WARNED = "warned", "The table has a new version, and something about it deserves a look."
    FAILED = "failed", "Met an error; the table stayed as it was."
    CANCELLED = "cancelled", "Was stopped by a person; the table stayed as it was."
    INTERRUPTED = "interrupted", "Its process died; run the dataset again to go on where it stopped."

    def __new__(cls, value: str, sentence: str = "") -> RunState:
        """The state's text is its value."""
        state = str.__new__(cls, value)
        state._value_ = value
        state.sentence = sentence
        return state


IN_PROGRESS = frozenset({RunState.QUEUED, RunState.RUNNING})
"""A process works on the run, or will."""

FINISHED = frozenset(RunState) - IN_PROGRESS
"""No process works on the run."""

SUCCESSFUL = frozenset({RunState.SUCCEEDED, RunState.WARNED})
"""The run made a new version of the table."""

RESUMABLE = IN_PROGRESS | {RunState.INTERRUPTED}
"""The run may begin, or go on after its process died."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, counted from its beginning, also over a resume.

    `requests` were sent, of `requests_planned`; `refused` of them met TikTok's limit; `pages` and `rows` came back.
    """

    requests: int = 0
    refused: int = 0
    pages: int = 0
    rows: int = 0
    chunks_done: int = 0
    chunks_total: int = 0
    requests_planned: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `version` is the table's, if the run made one; `skipped` says why, by advertiser id.

    `proof` is JSON that the store does not look into. `error` is the message for a person and `error_kind` the name of
    the error's class.
    """

    state: RunState
    version: int | None = None
    proof: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    error_kind: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a dataset. `dataset_id` is None when the dataset was deleted; its name and slug are kept.

    `dates` are the start and end that were asked for in place of the dataset's own.
    `created_at` is when it was asked for, `started_at` when it first began, `heartbeat_at` when its process last told
    of itself. The rest is as in `Progress` and `Outcome`.
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
    version: int | None
    proof: Mapping[str, Any]
    warnings: tuple[str, ...]
    skipped: Mapping[str, str]
    error: str
    error_kind: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log; `number` grows along the log."""

    number: int
    at: datetime
    text: str
