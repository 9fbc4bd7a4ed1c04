"""What can go wrong, grouped by what to do next.

    AdreelError
    ├── InputError            fix what was asked, then ask again
    │   ├── DatasetError      a dataset with problems, each with the menu at fault
    │   ├── NotFoundError     no such account, dataset, run, version
    │   ├── ExistsError       the name is taken: choose another
    │   ├── ConfirmError      rows would go that are not read again: ask again with a yes
    │   └── RequestError      TikTok refuses the request as it is: the catalogue is behind the API
    ├── ForbiddenError        what was asked is another person's to do: ask them, or for the right
    ├── ReconnectError        the grant is dead: a person has to connect the account again
    │   └── ExpiredError      the grant has run out
    ├── AdvertiserError       this advertiser cannot be read: drop it, go on with the others
    ├── SplitError            TikTok wants less at once: ask for parts
    ├── RetryError            it passes: try again later
    │   ├── ThrottledError    TikTok's limit was met
    │   └── GuessingError     too many wrong passwords: wait as long as it says
    ├── StorageError          the disk or the lake cannot take or give data
    │   └── DamagedError      a file of a run is not what was written
    ├── BusyError             another process works on the same dataset
    ├── ProofError            what came is not what TikTok says it has
    ├── CancelledError        a person stopped the run
    └── StopError             nothing that we know helps; read the message
        └── AbsentError       there is no such endpoint at this address

What follows from an error is said by its class: its exit code, and whether it `passes`, is `resumable`, or needs the
person to connect again (`reconnects`). Return codes of the API are mapped here and nowhere else (`API_CODES`; source:
TikTok's page "Return codes", doc 1737172488964097).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    RECONNECT = 4
    ADVERTISER = 5
    RETRY_LATER = 6
    STORAGE = 7
    BUSY = 8
    NOT_PROVED = 9
    STOPPED = 10
    FORBIDDEN = 11
    SKIPPED = 12
    CANCELLED = 130


class AdreelError(Exception):
    """Base of all errors that adreel raises on purpose; the message is for a person."""

    exit_code: ClassVar[ExitCode] = ExitCode.STOPPED
    passes: ClassVar[bool] = False
    """Whether the same request may work later."""
    resumable: ClassVar[bool] = False
    """Whether what a run read before is still good, so that the next run goes on where it stopped."""
    reconnects: ClassVar[bool] = False
    """Whether a person has to connect the account again."""

    def __init__(self, message: str, *, code: int | None = None, request_id: str | None = None) -> None:
        """`code` and `request_id` are TikTok's own, where TikTok was asked."""
        self.message = message
        self.code = code
        self.request_id = request_id
        super().__init__(message)

    def __str__(self) -> str:
        """The message, with TikTok's code and request id where there are any."""
        facts = []
        if self.code is not None:
            facts.append(f"TikTok code {self.code}")
        if self.request_id:
            facts.append(f"request {self.request_id}")
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


class InputError(AdreelError):
    """What was asked cannot be done; ask differently."""

    exit_code = ExitCode.INPUT


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a dataset: the menu, why, and the nearest valid choice if there is one."""

    menu: str
    reason: str
    nearest: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """One sentence for a person."""
        where = f"line {self.line}, {self.menu}" if self.line else self.menu
        hint = f" Nearest: {self.nearest}." if self.nearest else ""
        return f"{where}: {self.reason}{hint}"


def shortened(problems: Sequence[Problem], most: int = 100) -> tuple[Problem, ...]:
    """The first problems of a long list, and how many more there are."""
    if len(problems) <= most:
        return tuple(problems)
    return (*problems[:most], Problem("file", f"and {len(problems) - most:,} more problems."))


class DatasetError(InputError):
    """A dataset that TikTok would refuse, with every problem that it has."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """At least one problem."""
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class NotFoundError(InputError):
    """No account, dataset, run or version of that name."""


class ConfirmError(InputError):
    """What was asked takes `rows` rows out of a table that are not read again, and nobody has agreed to it."""

    def __init__(self, message: str, rows: int = 0) -> None:
        self.rows = rows
        super().__init__(message)


class ExistsError(InputError):
    """An account, dataset or user of that name is there already."""


class RequestError(InputError):
    """TikTok refused the parameters of a request."""


class ForbiddenError(AdreelError):
    """The user may not do this; the message says whom to ask."""

    exit_code = ExitCode.FORBIDDEN


class ReconnectError(AdreelError):
    """The token is wrong, revoked or of another app; a person has to connect the account again."""

    exit_code = ExitCode.RECONNECT
    resumable = True
    reconnects = True


class ExpiredError(ReconnectError):
    """The token has expired; a person has to connect the account again."""


class AdvertiserError(AdreelError):
    """One advertiser cannot be read; the others can."""

    exit_code = ExitCode.ADVERTISER


class SplitError(AdreelError):
    """TikTok refuses so much at once."""

    exit_code = ExitCode.RETRY_LATER


class RetryError(AdreelError):
    """It passes; the same request may work later."""

    exit_code = ExitCode.RETRY_LATER
    passes = True
    resumable = True


class ThrottledError(RetryError):
    """TikTok's limit was met."""


class GuessingError(RetryError):
    """Too many wrong passwords came from this address."""

    def __init__(self, message: str, *, seconds: int = 60) -> None:
        """`seconds` have to go by before the next try."""
        self.seconds = seconds
        super().__init__(message)


class StorageError(AdreelError):
    """The disk or the lake cannot take or give data."""

    exit_code = ExitCode.STORAGE
    resumable = True


class DamagedError(StorageError):
    """A file of a run is there and is not what was written, as after a power cut."""


class BusyError(AdreelError):
    """Another process works on the same dataset."""

    exit_code = ExitCode.BUSY


class ProofError(AdreelError):
    """What came is not what TikTok says it has: not proved is not green."""

    exit_code = ExitCode.NOT_PROVED


class CancelledError(AdreelError):
    """A person stopped the run, or answered a question with no."""

    exit_code = ExitCode.CANCELLED


class StopError(AdreelError):
    """Nothing that we know helps."""


class AbsentError(StopError):
    """There is no such endpoint at this address, as some are missing in TikTok's sandbox."""


DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""Of the system's errors those that are the disk's."""

_DISK_WORDS = ("database or disk is full", "disk I/O error", "attempt to write a readonly database")


def disk_fault(error: BaseException) -> StorageError | None:
    """What a person is told of an error that is the disk's, or that followed from one; None for another error.

    SQLite tells of a full disk in words, which the libraries over it pass on.
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
    return StorageError(f"What was to be written could not be: {words}. Free some space, then try again.")


@contextmanager
def disk_faults_told() -> Iterator[None]:
    """Raises StorageError in place of what a full or broken disk makes of whatever is done inside."""
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
    """The exit code of the error of that name; of a name that is none of ours, that of a bug."""
    return _EXIT_CODES.get(kind, ExitCode.BUG)


def _kinds(kind: type[AdreelError]) -> Iterator[type[AdreelError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


_EXIT_CODES: Mapping[str, ExitCode] = MappingProxyType({kind.__name__: kind.exit_code for kind in _kinds(AdreelError)})


class Action(Enum):
    """What to do with an answer of TikTok."""

    GO_ON = "go on"
    WAIT = "wait a little, then send the same again"
    THROTTLED = "wait for the limit, then send the same again"
    SPLIT = "ask for less at once"
    DROP_ADVERTISER = "drop the advertiser"
    RECONNECT = "ask the person to connect the account again"
    RENEW = "ask the person to connect the account again, as its time is over"
    FIX = "correct the request"
    ABSENT = "do without the endpoint, or stop"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ApiCode:
    """A return code of the API: its meaning and what to do next."""

    meaning: str
    action: Action


def _codes() -> dict[int, ApiCode]:
    go, wait, throttled = Action.GO_ON, Action.WAIT, Action.THROTTLED
    split, drop, reconnect, renew = Action.SPLIT, Action.DROP_ADVERTISER, Action.RECONNECT, Action.RENEW
    fix, stop, absent = Action.FIX, Action.STOP, Action.ABSENT
    rows: tuple[tuple[int, str, Action], ...] = (
        (0, "OK", go),
        (20001, "partly OK", go),
        (40000, "invalid parameters", fix),
        (40001, "no permission for this advertiser or operation", drop),
        (40002, "a parameter is wrong", fix),
        (40006, "the API version does not go with the parameters, or there is no such path", absent),
        (40007, "the object or operation does not exist", fix),
        (40008, "there is no such endpoint", absent),
        (40009, "the sandbox does not know this parameter", fix),
        (40010, "wrong host for this API version", stop),
        (40011, "too many ids in one request", split),
        (40013, "there is no such sandbox account", drop),
        (40014, "the sandbox does not offer this", absent),
        (40016, "too many requests", throttled),
        (40050, "the same request was sent twice", fix),
        (40051, "invalid API version", stop),
        (40052, "this creative material exists already", fix),
        (40053, "wrong video id", fix),
        (40065, "against the policy for minors in the US", fix),
        (40067, "the query is too large", split),
        (40100, "requests made too frequently", throttled),
        (40101, "the app id, secret or code is wrong", reconnect),
        (40102, "the access token has expired", renew),
        (40103, "the refresh token has expired", renew),
        (40104, "the access token is missing", reconnect),
        (40105, "the access token is invalid or was revoked", reconnect),
        (40106, "the token does not go with the user", reconnect),
        (40107, "the refresh token is invalid", reconnect),
        (40108, "the grant type is wrong", stop),
        (40109, "the token cannot be deciphered", reconnect),
        (40110, "the authorization code is wrong, used or too old", reconnect),
        (40112, "the password is wrong", reconnect),
        (40113, "the app is unknown, blocked, or not the one that the token was made for", reconnect),
        (40115, "the authorization timestamp is too old", reconnect),
        (40116, "the signature is wrong", stop),
        (40117, "the signature method is wrong", stop),
        (40118, "the app is not on the allow-list for this", stop),
        (40119, "developer and advertiser belong to different companies", stop),
        (40121, "the creator marketplace refuses", stop),
        (40122, "the creator marketplace refuses", stop),
        (40124, "the developer profile is not approved", stop),
        (40125, "the developer lacks a permission that this needs", stop),
        (40132, "too many requests for one value of a field", throttled),
        (40133, "too many requests for this advertiser and path", throttled),
        (40200, "the report task failed", wait),
        (40201, "the report task is not ready", wait),
        (40202, "another write is under way", wait),
        (40300, "the advertiser does not exist or was deleted", drop),
        (40301, "the advertiser cannot be matched", drop),
        (40502, "the advertiser's quota of ads is used up", stop),
        (40700, "internal validation failed", wait),
        (40900, "file error", stop),
        (40901, "the file is still being transcoded", wait),
        (40902, "the file could not be fetched", wait),
        (40903, "the file could not be fetched", wait),
        (40913, "the file could not be fetched", wait),
        (41000, "TikTok does not serve this country", stop),
        (41001, "this endpoint is off line", stop),
        (41002, "a field is no longer in use", fix),
        (50000, "TikTok's system failed", wait),
        (50002, "TikTok could not process the request", wait),
        (51001, "a TikTok service failed", wait),
        (51002, "a TikTok service timed out", wait),
        (51039, "a TikTok service failed", wait),
        (51305, "a TikTok service failed", wait),
        (60001, "TikTok is under maintenance", wait),
    )
    table = {code: ApiCode(meaning, action) for code, meaning, action in rows}
    files = set(range(40904, 40916)) - {40913}
    return table | {code: ApiCode("file error", stop) for code in files}


API_CODES: Mapping[int, ApiCode] = MappingProxyType(_codes())
"""Every return code that is known, with its meaning and the action that follows."""

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
"""The error that says that an action is called for; none for going on."""


_OTHER_APP = re.compile(
    r"app_?id is inconsistent with the token|token.{0,40}(another|different|other) app", re.IGNORECASE
)
_NO_SCOPE = re.compile(r"(/[a-z0-9_/]+/)(:[A-Z]+)?\s*(permission|scope)", re.IGNORECASE)


def lacks_scope(code: int | None, message: str) -> str | None:
    """The path that TikTok says the app may not ask, if that is what an answer of `code` says."""
    path = _NO_SCOPE.search(message) if code == 40001 else None
    return path[1] if path else None


def is_other_app(code: int | None, message: str) -> bool:
    """Whether TikTok says that the token was made by another app than the one that asks."""
    return code == 40000 and _OTHER_APP.search(message) is not None


def action_for(code: int, message: str = "") -> Action:
    """What to do after `code`; an unknown 5xxxx passes (TikTok adds them one incident at a time), all else stops."""
    if is_other_app(code, message):
        return Action.RECONNECT
    if code in API_CODES:
        return API_CODES[code].action
    return Action.WAIT if 50000 <= code < 60000 else Action.STOP


def api_error(code: int, message: str, request_id: str | None) -> AdreelError:
    """The error for an answer with `code`, in TikTok's words; `code` is not one that means success."""
    kind = ERRORS[action_for(code, message)]
    return kind(message.strip() or API_CODES[code].meaning, code=code, request_id=request_id)


def is_resumable(kind: str) -> bool:
    """Whether a run that ended with an error of that class can be gone on with; `kind` is the name that was kept."""
    return any(found.resumable for found in _below(AdreelError) if found.__name__ == kind)


def _below(kind: type[AdreelError]) -> Iterator[type[AdreelError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)
