"""SQL that people and programs ask over the web: what it may see, and whose turn it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import IO

from anyio import CapacityLimiter, create_task_group, fail_after, to_thread
from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from adreel import sandbox
from adreel.datasets.calculated_columns import reader_columns_of
from adreel.errors import CancelledError, InputError, RetryError
from adreel.lake import ReaderColumns
from adreel.language import Phrase, integer, phrase
from adreel.sandbox import AnswerForm
from adreel.store import SavedDataset
from adreel.store.audit import AuditAction, queried
from adreel.store.queries import LONGEST_SQL
from adreel.web.deps import Deps, Visitor
from adreel.web.downloads import MEDIA_TYPES, attachment

AT_ONCE = 2
"""Queries that a server works on at a time, each in a process of its own; further ones wait."""

MOST_WAITING = 24
MOST_OF_ONE = 8
"""Queries that wait or are worked on, of everybody and of one user."""

LONGEST_WAIT = 60.0
"""Seconds that a query waits for its turn."""

MOST_FILES = 40
MOST_FILES_OF_ONE = 14
"""Answers that are waited for or fetched, of everybody and of one user: each may be a file of 1 GB until it is."""

MOST_JSON = 32 << 20
"""Bytes of an answer over the API; a download has all of it."""

PIECE = 1 << 18
"""Bytes that are sent at a time."""

MOST_OPENED = 50
"""Tables that are opened for a query that names none, so that it can ask which there are."""


@dataclass(slots=True)
class _UserCount:
    """How many of something there are, in all and of each user."""

    most: int
    most_of_one: int
    of: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def one_more(self, user: int, refusal: str) -> Iterator[None]:
        """One more while the block runs. RetryError with `refusal` if there are too many."""
        own = self.of.get(user, 0)
        if own >= self.most_of_one or sum(self.of.values()) >= self.most:
            raise RetryError(refusal)
        self.of[user] = own + 1
        try:
            yield
        finally:
            self.of[user] -= 1
            if not self.of[user]:
                del self.of[user]


@dataclass(frozen=True, slots=True)
class _Turns:
    """Whose turn it is: `AT_ONCE` of everybody's, and one of each user's, so that nobody takes all."""

    everybody: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(AT_ONCE))
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(AT_ONCE))
    own: dict[int, CapacityLimiter] = field(default_factory=dict)
    asked: _UserCount = field(default_factory=lambda: _UserCount(MOST_WAITING, MOST_OF_ONE))
    files: _UserCount = field(default_factory=lambda: _UserCount(MOST_FILES, MOST_FILES_OF_ONE))


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, and the seconds that its query waited for its turn."""

    file: IO[bytes]
    waited: float


async def answered(
    request: Request,
    deps: Deps,
    who: Visitor,
    sql: str,
    form: AnswerForm,
    *,
    most_rows: int = 1_000,
    output: int = 1 << 30,
    for_spreadsheet: bool = False,
) -> Asked:
    """The answer to a query of a person, worked out when it is its turn; given up when the client goes.

    Called on the event loop only, where nobody comes in between. Raises what `Sandbox.ask` does, InputError for a query
    that is empty or too long, and RetryError if too many wait already or the turn does not come.
    """
    turns = turns_of(request)
    if len(sql) > LONGEST_SQL:
        raise InputError(
            phrase(
                "The query has %(characters)s characters; the limit is %(limit)s.",
                characters=integer(len(sql)),
                limit=integer(LONGEST_SQL),
            )
        )
    limits = sandbox.of_the_web(deps.settings, output)
    given_up, began, waited = Event(), monotonic(), 0.0

    def work() -> IO[bytes]:
        views = _views(deps, who, sql)
        action = AuditAction.QUERY if form in ("cells", "items") else AuditAction.QUERY_EXPORT
        deps.store.audit.add(action, queried(views), {"format": form if action is AuditAction.QUERY_EXPORT else None})
        asked = sandbox.QueryRequest(
            sql,
            deps.lake.snapshot(views, _reader_columns(deps, who, views), sql),
            limits,
            form,
            most_rows,
            for_spreadsheet=for_spreadsheet,
            environ=sandbox.object_store_environment(deps.lake, os.environ),
        )
        return deps.sandbox.ask(asked, given_up=given_up).file

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        given_up.set()
        group.cancel_scope.cancel()

    failed: Exception | None = None
    files = list[IO[bytes]]()
    with turns.asked.one_more(who.user.id, phrase(_TOO_MANY, of_one=MOST_OF_ONE, of_all=MOST_WAITING)):
        async with create_task_group() as group:
            group.start_soon(watch)
            try:
                async with AsyncExitStack() as turn:
                    with fail_after(LONGEST_WAIT):
                        await turn.enter_async_context(turns.own.setdefault(who.user.id, CapacityLimiter(1)))
                        await turn.enter_async_context(turns.everybody)
                    waited = monotonic() - began
                    files.append(await to_thread.run_sync(work, limiter=turns.threads))
            except TimeoutError:
                failed = RetryError(phrase(_NO_TURN, seconds=format(LONGEST_WAIT, ".0f")))
            except Exception as error:  # noqa: BLE001 - raised again, outside of the group, which would wrap it
                failed = error
            group.cancel_scope.cancel()
    if failed is not None:
        raise failed
    if not files:
        raise CancelledError(phrase("The client disconnected before the query finished."))
    return Asked(files[0], waited)


_TOO_MANY = Phrase(
    "Too many queries at once: the limit is %(of_one)s for each user and %(of_all)s in all. "
    "Wait until one finishes, then try again."
)

_NO_TURN = Phrase(
    "The query did not start within %(seconds)s seconds: other queries are running. Try again in a minute."
)

_TOO_MANY_FILES = Phrase(
    "Too many downloads at once: the limit is %(of_one)s for each user and %(of_all)s in all. "
    "Wait until one finishes, then try again."
)


def turns_of(request: Request) -> _Turns:
    """The app's turns; called on the event loop only, where nobody comes in between."""
    turns: _Turns | None = getattr(request.app.state, "query_turns", None)
    if turns is None:
        turns = request.app.state.query_turns = _Turns()
    return turns


async def file_of(
    request: Request, deps: Deps, who: Visitor, sql: str, kind: AnswerForm, *, for_spreadsheet: bool
) -> Response:
    """The whole answer as a file of a format of `adreel.export.files`. Raises what `answered` does."""
    headers = attachment(f"query.{kind}", f"query.{kind}")
    # Said so that it is not compressed on the way: that costs more time than it saves, and two formats are already.
    headers["Content-Encoding"] = "identity"
    with _fetching(request, who) as kept:
        asked = await answered(request, deps, who, sql, kind, for_spreadsheet=for_spreadsheet)
        kept.enter_context(asked.file)
        return _Fetched(asked.file, MEDIA_TYPES[kind], headers, kept.pop_all())


async def items_of(request: Request, deps: Deps, who: Visitor, sql: str, most_rows: int) -> Response:
    """The first rows of the answer as the API's JSON. Raises what `answered` does."""
    with _fetching(request, who) as kept:
        asked = await answered(request, deps, who, sql, "items", most_rows=most_rows, output=MOST_JSON)
        kept.enter_context(asked.file)
        return _Fetched(asked.file, "application/json", {}, kept.pop_all())


def _fetching(request: Request, who: Visitor) -> ExitStack:
    kept = ExitStack()
    refusal = phrase(_TOO_MANY_FILES, of_one=MOST_FILES_OF_ONE, of_all=MOST_FILES)
    kept.enter_context(turns_of(request).files.one_more(who.user.id, refusal))
    return kept


class _Fetched(StreamingResponse):
    """A file as it is fetched; `kept` is let go of when that ends, whoever ends it."""

    def __init__(self, file: IO[bytes], media_type: str, headers: Mapping[str, str], kept: ExitStack) -> None:
        super().__init__(iter(lambda: file.read(PIECE), b""), media_type=media_type, headers=headers)
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._kept:
            await super().__call__(scope, receive, send)


def _views(deps: Deps, who: Visitor, sql: str) -> dict[str, str]:
    """The tables of the datasets that the person may see and the query names, each under its slug."""
    words = set(re.findall(r"\w+", sql.casefold()))
    seen = who.guard.datasets()
    named = [dataset for dataset in seen if dataset.slug in words]
    views = _with_table(deps, named)
    if not named or len(views) < len(named):
        # A dataset that is named has no table: the error names the tables that can be queried instead.
        views = _with_table(deps, seen[:MOST_OPENED]) | views
    return views


def _reader_columns(deps: Deps, who: Visitor, views: Mapping[str, str]) -> dict[str, ReaderColumns]:
    """What readers see of the tables that are asked, by the names of their datasets."""
    now = deps.clock()
    return {dataset.slug: reader_columns_of(dataset, now) for dataset in who.guard.datasets() if dataset.slug in views}


def _with_table(deps: Deps, datasets: Iterable[SavedDataset]) -> dict[str, str]:
    """The tables of these datasets that there are, by the names that queries know them by."""
    return {dataset.slug: dataset.table_slug for dataset in datasets if deps.lake.exists(dataset.table_slug)}
