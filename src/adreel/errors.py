"""Errors, grouped by what to do next.

    AdreelError
    ├── InputError            invalid input: correct it, then try again
    │   ├── DatasetError      a dataset with problems, each with its menu
    │   ├── NotFoundError     no such account, dataset, run, version
    │   ├── ExistsError       the name is taken: choose another
    │   ├── ConfirmError      rows would be removed that are not read again: confirm
    │   └── RequestError      TikTok refuses the parameters: the catalog is behind the API
    ├── ForbiddenError        the user lacks the right: ask for it, or ask the owner
    ├── ReconnectError        the grant is invalid: reconnect the account
    │   └── ExpiredError      the grant has expired
    ├── AdvertiserError       one advertiser cannot be read: exclude it, read the others
    ├── SplitError            too much for one request: send smaller requests
    ├── RetryError            temporary: try again later
    │   ├── ThrottledError    TikTok's rate limit
    │   ├── LockLostError     the dataset's lock was lost: run again
    │   └── GuessingError     too many wrong passwords: wait as long as the message says
    ├── StorageError          the disk or the lake cannot be read or written
    │   └── DamagedError      a file of a run is damaged
    ├── BusyError             another process runs the same dataset
    ├── ProofError            rows or totals differ from what TikTok counts
    ├── CancelledError        a person cancelled the run
    └── StopError             no known remedy: read the message
        └── AbsentError       the address has no such endpoint

The class of an error decides what follows: its exit code, and whether it `passes`, is `resumable`, or requires
reconnecting the account (`reconnects`). Return codes of the API are mapped here and nowhere else (`API_CODES`; source:
TikTok's page "Return codes", doc 1737172488964097).
"""

from __future__ import annotations

import errno
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import ClassVar

from adreel.language import Phrase, either, integer, phrase


class ExitCode(IntEnum):
    """The exit code of the process."""

    OK = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    RECONNECT = 4
    ADVERTISER = 5
    RETRY_LATER = 6
    STORAGE = 7
    BUSY = 8
    CHECK_FAILED = 9
    STOPPED = 10
    FORBIDDEN = 11
    SKIPPED = 12
    CHANGES = 13
    CANCELLED = 130


class AdreelError(Exception):
    """Base of all errors that adreel raises on purpose; the message is shown to people."""

    exit_code: ClassVar[ExitCode] = ExitCode.STOPPED
    passes: ClassVar[bool] = False
    """Whether the same request may work later."""
    resumable: ClassVar[bool] = False
    """Whether what a run has read stays valid, so that the next run resumes it."""
    reconnects: ClassVar[bool] = False
    """Whether a person has to reconnect the account."""
    lasts: ClassVar[bool] = False
    """Whether the same fails again until a person changes something, so that a schedule does not try it again."""

    def __init__(self, message: str, *, code: int | None = None, request_id: str | None = None) -> None:
        """`code` and `request_id` are TikTok's own, if TikTok answered."""
        self.message = message
        self.code = code
        self.request_id = request_id
        super().__init__(message)

    def __str__(self) -> str:
        """The message, followed by TikTok's code and request id in brackets."""
        facts = []
        if self.code is not None:
            facts.append(phrase("TikTok code %(code)s", code=self.code))
        if self.request_id:
            facts.append(phrase("request %(request_id)s", request_id=self.request_id))
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class InputError(AdreelError):
    """The input is invalid; correct it and try again."""

    exit_code = ExitCode.INPUT
    lasts = True


class FieldError(InputError):
    """The input of one field of a form is invalid; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        """The message says what to enter, also where there is no form."""
        self.field = field
        super().__init__(message)


def did_you_mean(names: str | Iterable[str] | None) -> str:
    """A question that names similar valid values, given in a list or separated by commas; empty if there are none."""
    listed = names.split(", ") if isinstance(names, str) else list(names or ())
    quoted = [f"'{name}'" for name in listed if name]
    if not quoted:
        return ""
    return " " + phrase("Did you mean %(names)s?", names=either(quoted))


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a dataset: the menu, the reason, and the nearest valid choice if there is one.

    `advice` is what else to do on the command line, such as a search for the right name.
    """

    menu: str
    reason: str
    nearest: str | None = None
    line: int | None = None
    advice: str = ""

    def __str__(self) -> str:
        """One sentence for a person."""
        where = phrase("line %(line)s, %(menu)s", line=self.line, menu=self.menu) if self.line else self.menu
        reason = self.reason if self.reason.endswith((".", "?")) else f"{self.reason}."
        return f"{where}: {reason}{self.question}" + (f" {self.advice}" if self.advice else "")

    @property
    def question(self) -> str:
        """The nearest choices as a question, with a space before it; empty where the reason names them."""
        return did_you_mean(self.nearest) if self.nearest and f"'{self.nearest}'" not in self.reason else ""


def shortened(problems: Sequence[Problem], most: int = 100) -> tuple[Problem, ...]:
    """The first problems of a long list; the last of them counts the others."""
    if len(problems) <= most:
        return tuple(problems)
    return (
        *problems[:most],
        Problem("file", phrase("and %(number)s more problems.", number=integer(len(problems) - most))),
    )


class DatasetError(InputError):
    """The dataset is invalid; every problem of it is listed."""

    def __init__(self, problems: tuple[Problem, ...], message: str = "") -> None:
        """At least one problem; `message` is what a person reads in place of them."""
        self.problems = problems
        super().__init__(message or "\n".join(str(problem) for problem in problems))


class NotFoundError(InputError):
    """The account, dataset, run or version does not exist."""

    def __init__(self, message: str, *, kind: str = "", nearest: Sequence[str] = ()) -> None:
        """`kind` is account, dataset or user if a list of them has the right name; `nearest` are similar names."""
        self.kind = kind
        self.nearest = tuple(nearest)
        super().__init__(message)


class ConfirmError(InputError):
    """The change removes `rows` rows from a table that are not read again, and has to be confirmed."""

    def __init__(self, message: str, rows: int = 0) -> None:
        self.rows = rows
        super().__init__(message)


class ExistsError(InputError):
    """The name of an account, dataset or user is already taken."""


class RequestError(InputError):
    """TikTok refused the parameters of a request."""


class ForbiddenError(AdreelError):
    """The user lacks the right to do this; the message names who can do or grant it."""

    exit_code = ExitCode.FORBIDDEN
    lasts = True


class ReconnectError(AdreelError):
    """The token is invalid, revoked or issued to another app; reconnect the account."""

    exit_code = ExitCode.RECONNECT
    resumable = True
    reconnects = True
    lasts = True


class ExpiredError(ReconnectError):
    """The token has expired; reconnect the account."""


class AdvertiserError(AdreelError):
    """One advertiser cannot be read; the others can."""

    exit_code = ExitCode.ADVERTISER
    lasts = True


class SplitError(AdreelError):
    """TikTok refuses a request of this size."""

    exit_code = ExitCode.RETRY_LATER


class RetryError(AdreelError):
    """The problem is temporary; try again later."""

    exit_code = ExitCode.RETRY_LATER
    passes = True
    resumable = True


class ThrottledError(RetryError):
    """TikTok's rate limit was reached."""


class LockLostError(RetryError):
    """Another process may work on the dataset by now: stop, and write nothing more."""


class GuessingError(RetryError):
    """Too many wrong passwords came from this address."""

    def __init__(self, message: str, *, seconds: int = 60) -> None:
        """`seconds` have to pass before the next try."""
        self.seconds = seconds
        super().__init__(message)


class StorageError(AdreelError):
    """The disk or the lake cannot be read or written."""

    exit_code = ExitCode.STORAGE
    resumable = True


class DamagedError(StorageError):
    """A file of a run is damaged, for example after a power failure."""


class BusyError(AdreelError):
    """Another process runs the same dataset."""

    exit_code = ExitCode.BUSY


class ProofError(AdreelError):
    """Verification failed: the rows or totals differ from what TikTok counts."""

    exit_code = ExitCode.CHECK_FAILED


class CancelledError(AdreelError):
    """A person cancelled the run, or declined to confirm."""

    exit_code = ExitCode.CANCELLED
    lasts = True


class StopError(AdreelError):
    """The problem has no known remedy; the message says more."""


class AbsentError(StopError):
    """The address has no such endpoint; TikTok's sandbox lacks some of them."""


DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""Numbers of the operating system's errors that concern the disk."""

_DISK_WORDS = ("database or disk is full", "disk I/O error", "attempt to write a readonly database")


def disk_fault(error: BaseException) -> StorageError | None:
    """The StorageError for an error of the disk, or for one that followed from it; None for another error.

    SQLite reports a full disk by its message only, which the libraries above it repeat.
    """
    if isinstance(error, AdreelError):
        return error if isinstance(error, StorageError) else None
    seen: BaseException | None = error
    while seen is not None:
        words = str(seen)
        if isinstance(seen, StorageError):
            return seen
        if isinstance(seen, OSError) and seen.errno in DISK_FAULTS:
            return _disk_error(seen.strerror or words)
        for fault in _DISK_WORDS:
            if fault in words:
                return _disk_error(fault)
        seen = seen.__cause__ or seen.__context__
    return None


def _disk_error(words: str) -> StorageError:
    return StorageError(
        phrase("The disk could not be written: %(words)s. Free some space, then try again.", words=words)
    )


@contextmanager
def disk_faults_raised() -> Iterator[None]:
    """Raises StorageError in place of an error that a full or broken disk caused inside the block."""
    try:
        yield
    except AdreelError:
        raise
    except Exception as error:
        fault = disk_fault(error)
        if fault is None:
            raise
        raise fault from error


def exit_code_of(kind: str) -> ExitCode:
    """The exit code of the class of that name; ExitCode.BUG for any other name."""
    return _CLASSES[kind].exit_code if kind in _CLASSES else ExitCode.BUG


def is_resumable(kind: str) -> bool:
    """Whether a run that ended with an error of the class of that name can be resumed."""
    return kind in _CLASSES and _CLASSES[kind].resumable


def lasts(kind: str) -> bool:
    """Whether an error of the class of that name stays until a person changes something."""
    return kind in _CLASSES and _CLASSES[kind].lasts


def _with_subclasses(parent: type[AdreelError]) -> Iterator[type[AdreelError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _with_subclasses(child)


_CLASSES: Mapping[str, type[AdreelError]] = MappingProxyType(
    {kind.__name__: kind for kind in _with_subclasses(AdreelError)}
)


_ERROR_ID = "Error ID: "


def error_id_of(error: BaseException) -> str:
    """The ID of an unexpected error, which is printed below its traceback; a new one on the first call."""
    notes = (note for note in getattr(error, "__notes__", ()) if note.startswith(_ERROR_ID))
    note = next(notes, "")
    if not note:
        note = f"{_ERROR_ID}{secrets.token_hex(4)}"
        error.add_note(note)
    return note.removeprefix(_ERROR_ID)


class Action(Enum):
    """What to do with an answer of TikTok."""

    GO_ON = "continue"
    WAIT = "wait a little, then send the same again"
    THROTTLED = "wait for the limit, then send the same again"
    SPLIT = "send smaller requests"
    DROP_ADVERTISER = "exclude the advertiser"
    RECONNECT = "reconnect the account"
    RENEW = "reconnect the account, as its grant has expired"
    FIX = "correct the request"
    ABSENT = "continue without the endpoint, or stop"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ApiCode:
    """A return code of the API: its meaning and what to do next.

    The limit behind a `narrow` code counts one value of a field, or one advertiser and path: other requests may be
    sent. An `outage` lasts minutes rather than seconds.
    """

    meaning: str
    action: Action
    narrow: bool = False
    outage: bool = False


API_CODES: Mapping[int, ApiCode] = MappingProxyType(
    {
        0: ApiCode("OK", Action.GO_ON),
        20001: ApiCode(Phrase("partial success"), Action.GO_ON),
        40000: ApiCode(Phrase("invalid parameters"), Action.FIX),
        40001: ApiCode(Phrase("no permission for this advertiser or operation"), Action.DROP_ADVERTISER),
        40002: ApiCode(Phrase("a parameter is wrong"), Action.FIX),
        40006: ApiCode(
            Phrase("the API version does not match the parameters, or the path does not exist"), Action.ABSENT
        ),
        40007: ApiCode(Phrase("the object or operation does not exist"), Action.FIX),
        40008: ApiCode(Phrase("the endpoint does not exist"), Action.ABSENT),
        40009: ApiCode(Phrase("the sandbox does not know this parameter"), Action.FIX),
        40010: ApiCode(Phrase("wrong host for this API version"), Action.STOP),
        40011: ApiCode(Phrase("too many ids in one request"), Action.SPLIT),
        40013: ApiCode(Phrase("the sandbox account does not exist"), Action.DROP_ADVERTISER),
        40014: ApiCode(Phrase("the sandbox does not offer this"), Action.ABSENT),
        40016: ApiCode(Phrase("too many requests"), Action.THROTTLED),
        40050: ApiCode(Phrase("the same request was sent twice"), Action.FIX),
        40051: ApiCode(Phrase("invalid API version"), Action.STOP),
        40052: ApiCode(Phrase("this creative material exists already"), Action.FIX),
        40053: ApiCode(Phrase("wrong video id"), Action.FIX),
        40065: ApiCode(Phrase("against the policy for minors in the US"), Action.FIX),
        40067: ApiCode(Phrase("the query is too large"), Action.SPLIT),
        40100: ApiCode(Phrase("requests made too frequently"), Action.THROTTLED),
        40101: ApiCode(Phrase("the app id, secret or code is wrong"), Action.RECONNECT),
        40102: ApiCode(Phrase("the access token has expired"), Action.RENEW),
        40103: ApiCode(Phrase("the refresh token has expired"), Action.RENEW),
        40104: ApiCode(Phrase("the access token is missing"), Action.RECONNECT),
        40105: ApiCode(Phrase("the access token is invalid or was revoked"), Action.RECONNECT),
        40106: ApiCode(Phrase("the token does not belong to the user"), Action.RECONNECT),
        40107: ApiCode(Phrase("the refresh token is invalid"), Action.RECONNECT),
        40108: ApiCode(Phrase("the grant type is wrong"), Action.STOP),
        40109: ApiCode(Phrase("the token cannot be deciphered"), Action.RECONNECT),
        40110: ApiCode(Phrase("the authorization code is wrong, used or too old"), Action.RECONNECT),
        40112: ApiCode(Phrase("the password is wrong"), Action.RECONNECT),
        40113: ApiCode(
            Phrase("the app is unknown, blocked, or not the one that the token was issued to"), Action.RECONNECT
        ),
        40115: ApiCode(Phrase("the authorization timestamp is too old"), Action.RECONNECT),
        40116: ApiCode(Phrase("the signature is wrong"), Action.STOP),
        40117: ApiCode(Phrase("the signature method is wrong"), Action.STOP),
        40118: ApiCode(Phrase("the app is not on the allow-list for this"), Action.STOP),
        40119: ApiCode(Phrase("developer and advertiser belong to different companies"), Action.STOP),
        40121: ApiCode(Phrase("the creator marketplace refuses"), Action.STOP),
        40122: ApiCode(Phrase("the creator marketplace refuses"), Action.STOP),
        40124: ApiCode(Phrase("the developer profile is not approved"), Action.STOP),
        40125: ApiCode(Phrase("the developer lacks a required permission"), Action.STOP),
        40132: ApiCode(Phrase("too many requests for one value of a field"), Action.THROTTLED, narrow=True),
        40133: ApiCode(Phrase("too many requests for this advertiser and path"), Action.THROTTLED, narrow=True),
        40200: ApiCode(Phrase("the report task failed"), Action.WAIT),
        40201: ApiCode(Phrase("the report task is not ready"), Action.WAIT),
        40202: ApiCode(Phrase("another write is in progress"), Action.WAIT),
        40300: ApiCode(Phrase("the advertiser does not exist or was deleted"), Action.DROP_ADVERTISER),
        40301: ApiCode(Phrase("the advertiser cannot be matched"), Action.DROP_ADVERTISER),
        40502: ApiCode(Phrase("the advertiser's quota of ads is used up"), Action.STOP),
        40700: ApiCode(Phrase("internal validation failed"), Action.WAIT),
        40900: ApiCode(Phrase("file error"), Action.STOP),
        40901: ApiCode(Phrase("the file is still being transcoded"), Action.WAIT),
        40902: ApiCode(Phrase("the file could not be fetched"), Action.WAIT),
        40903: ApiCode(Phrase("the file could not be fetched"), Action.WAIT),
        40913: ApiCode(Phrase("the file could not be fetched"), Action.WAIT),
        41000: ApiCode(Phrase("TikTok does not serve this country"), Action.STOP),
        41001: ApiCode(Phrase("this endpoint is offline"), Action.STOP),
        41002: ApiCode(Phrase("a field is no longer in use"), Action.FIX),
        50000: ApiCode(Phrase("TikTok's system failed"), Action.WAIT),
        50002: ApiCode(Phrase("TikTok could not process the request"), Action.WAIT),
        51001: ApiCode(Phrase("a TikTok service failed"), Action.WAIT),
        51002: ApiCode(Phrase("a TikTok service timed out"), Action.WAIT),
        51039: ApiCode(Phrase("a TikTok service failed"), Action.WAIT),
        51305: ApiCode(Phrase("a TikTok service failed"), Action.WAIT),
        60001: ApiCode(Phrase("TikTok is under maintenance"), Action.WAIT, outage=True),
        **{code: ApiCode(Phrase("file error"), Action.STOP) for code in range(40904, 40916) if code != 40913},
    }
)
"""Every return code that is documented, with its meaning and what follows from it."""

ERRORS: Mapping[Action, type[AdreelError]] = MappingProxyType(
    {
        Action.WAIT: RetryError,
        Action.THROTTLED: ThrottledError,
        Action.SPLIT: SplitError,
        Action.DROP_ADVERTISER: AdvertiserError,
        Action.RECONNECT: ReconnectError,
        Action.FIX: RequestError,
        Action.ABSENT: AbsentError,
        Action.RENEW: ExpiredError,
        Action.STOP: StopError,
    }
)
"""The class of error for each action that is not `GO_ON`."""


_OTHER_APP = re.compile(
    r"app_?id is inconsistent with the token|token.{0,40}(another|different|other) app", re.IGNORECASE
)
_NO_SCOPE = re.compile(r"(/[a-z0-9_/]+/)(:[A-Z]+)?\s*(permission|scope)", re.IGNORECASE)


def lacks_scope(code: int | None, message: str) -> str | None:
    """The path that the app lacks the permission for, if an answer with `code` says so."""
    path = _NO_SCOPE.search(message) if code == 40001 else None
    return path[1] if path else None


def is_other_app(code: int | None, message: str) -> bool:
    """Whether an answer says that the token was issued to another app than the one that sent the request."""
    return code == 40000 and _OTHER_APP.search(message) is not None


def is_narrow(code: int | None) -> bool:
    """Whether a refusal with `code` leaves other requests of the app unaffected; see `ApiCode`."""
    return code is not None and code in API_CODES and API_CODES[code].narrow


def is_outage(code: int | None) -> bool:
    """Whether `code` is of an outage that lasts minutes; see `ApiCode`."""
    return code is not None and code in API_CODES and API_CODES[code].outage


def action_for(code: int, message: str = "") -> Action:
    """What to do after `code`; an unknown 5xxxx is temporary (TikTok adds them by incident), any other stops."""
    if is_other_app(code, message):
        return Action.RECONNECT
    if code in API_CODES:
        return API_CODES[code].action
    return Action.WAIT if 50000 <= code < 60000 else Action.STOP


def api_error(code: int, message: str, request_id: str | None) -> AdreelError:
    """The error for an answer with `code`, with TikTok's own message; `code` must not mean success."""
    kind = ERRORS[action_for(code, message)]
    return kind(message.strip() or API_CODES[code].meaning, code=code, request_id=request_id)
