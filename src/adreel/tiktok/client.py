"""The client of TikTok's Business API: one paced, retried request at a time, pages, and who may be read.

Every call raises errors of `adreel.errors` only: RequestError, ReconnectError, AdvertiserError, SplitError and
StopError at once, RetryError and ThrottledError when waiting did not help within the attempts or the run's deadline.
Each names the request, TikTok's words and TikTok's request id; none shows the token, the app's secret or an
authorization code.
"""

from __future__ import annotations

import asyncio
import random as randomness
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2

from adreel.errors import (
    ERRORS,
    Action,
    AdreelError,
    AdvertiserError,
    InputError,
    SplitError,
    StopError,
    api_error,
    is_narrow,
    is_other_app,
    is_outage,
    lacks_scope,
)
from adreel.language import Phrase, phrase
from adreel.tiktok.margin import scatter_of
from adreel.tiktok.rate_limit import Pace, Slot
from adreel.tiktok.response import ApiAnswer, FailedAnswer, ListPage, Reader, read_list, read_page
from adreel.tiktok.transport import ApiRequest, Value, Wire, checked_url, make_request

T = TypeVar("T")

LONGEST_ADVERTISER_BATCH = 100
"""How many advertisers clients ask /advertiser/info/ for at once; TikTok's own limit is not documented."""

# TikTok restricts an app whose report requests time out: the same one three times in ten minutes is blocked for ten
# (page "timeouts best practice", doc 1738864817670145).
_TIMEOUTS = 2
_TIMEOUT_SECONDS = 600.0
# A limit of the second is over after a second; one of the minute shuts the app out for five minutes (page "Rate
# limits"). The answers do not say which it was. One refusal among answers is a request that arrived too soon after
# others: the pace widens its margin, and nobody waits. If what is sent then is refused before anything succeeds, all
# wait a second, then two; a fourth refusal in a row means the minute.
_THROTTLED_SECONDS = 1.1
_HOLDS = (0.0, _THROTTLED_SECONDS, 2 * _THROTTLED_SECONDS)
_BLOCKED_SECONDS = 305.0
# Tries at an address where no server is and none answered this client before: somebody waits for a mistyped address, or
# for a simulator that is not started. A server that answered before may be restarting, and is waited for as any other.
_ABSENT_ATTEMPTS = 3
# Requests under way: at first, and at most. An answer that takes L seconds needs rate x L of them, and some that wait
# for their turn.
_WAYS = 20
_MOST_WAYS = 128
_SPARE = 1.5
_FASTEST = 50


@dataclass(slots=True)
class Counts:
    """What a client did so far: requests sent, pages read, refusals for being too fast, and requests sent again."""

    requests: int = 0
    pages: int = 0
    refused: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a person granted: the token, and TikTok's numbers of what it may do.

    `advertiser_ids` is what TikTok says at that moment; `Client.advertisers` knows better.
    """

    access_token: str = field(repr=False)
    advertiser_ids: tuple[str, ...]
    scopes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdvertiserName:
    """An advertiser that the token may read."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class TikTokUser:
    """The TikTok for Business user who granted the token; TikTok masks the e-mail address."""

    display_name: str
    core_user_id: str
    email: str


@dataclass(slots=True)
class _Tries:
    """What was done so far for one request."""

    began: float
    sent: int = 0
    throttled: int = 0
    last: FailedAnswer | None = None


class Client:
    """Requests to one address with one token, at the pace of one app; an async context manager for one event loop.

    `deadline` is when the run has to end, in seconds of `monotonic`; no call goes on after it. `request_seconds` bounds
    one try from sending to the last byte, `attempts` the tries of one request. `random` gives numbers from 0 to 1 for
    the jitter of waits. `log` gets one line for each wait, and `refused` one for each advertiser that is left out.
    """

    def __init__(
        self,
        *,
        base_url: str,
        pace: Pace,
        path_paces: Mapping[str, Pace] = MappingProxyType({}),
        token: str | None = None,
        app_id: str | None = None,
        secret: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        request_seconds: float = 60.0,
        attempts: int = 8,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
        deadline: float | None = None,
        log: Callable[[str], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        """`base_url` ends with the API's version; raises InputError if it is no web address.

        `path_paces` are of paths that have limits of their own beside those of the app.

        `transport` is TikTok's end by default, through the proxies of the environment.
        """
        self.counts = Counts()
        self._base_url = checked_url(base_url)
        self._pace = pace
        self._path_paces = path_paces
        self._two_turns = asyncio.Lock()
        self._app_id = app_id
        self._secret = secret
        self._token = token
        self._hidden = {text for text in (token, secret) if text}
        self._attempts = attempts
        self._sleep = sleep
        self._monotonic = monotonic
        self._random = random
        self._deadline = deadline
        self._log = log
        self._refused = refused
        self._ways = min(_WAYS, max(8, 2 * pace.limits.per_second))
        self._in_flight = asyncio.Semaphore(self._ways)
        self._handing_on = asyncio.Lock()
        self._latencies: deque[float] = deque(maxlen=_WAYS)
        self._journeys: deque[float] = deque(maxlen=_WAYS)
        self._wire = Wire(
            self._base_url,
            token=token,
            connections=_MOST_WAYS,
            request_seconds=request_seconds,
            transport=transport,
        )
        self._timeouts: dict[int, list[float]] = {}
        self._answered = False
        self._refusals = 0
        self._refused_at = self._held_until = float("-inf")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections; the pace stays open."""
        await self._wire.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Value] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> ApiAnswer:
        """The answer to one request; `path` begins and ends with a slash."""
        return await self._answer(make_request(self._base_url, method, path, params or {}, body), _as_it_is)

    async def uncounted(self, path: str, params: Mapping[str, Value]) -> list[dict[str, Any]]:
        """All rows of a list that TikTok gives whole, without a count of them; none if there is no list."""
        request = make_request(self._base_url, "GET", path, params, None)
        return list((await self._answer(request, lambda answer: read_page(answer, request.where))).rows)

    async def listed(self, path: str, params: Mapping[str, Value]) -> list[dict[str, Any]]:
        """As `uncounted`, where an answer without a list is asked for again like a failure of TikTok's."""
        request = make_request(self._base_url, "GET", path, params, None)
        return list((await self._answer(request, lambda answer: read_list(answer, request.where))).rows)

    async def page(
        self, path: str, params: Mapping[str, Value], page: int, page_size: int, reader: Reader | None = None
    ) -> ListPage:
        """One page of a list, pages counted from 1; its rows are dictionaries, or what `reader` makes of them."""
        paged = {**params, "page": page, "page_size": page_size}
        request = make_request(self._base_url, "GET", path, paged, None)
        more = {"reader": reader} if reader else {}
        answer_page = await self._answer(
            request, lambda answer: read_page(answer, request.where, page_size=page_size, **more)
        )
        self.counts.pages += 1
        return answer_page

    async def file(self, path: str, params: Mapping[str, Value]) -> bytes:
        """The text of a file that TikTok sends as it is, such as the CSV of a report task."""
        request = make_request(self._base_url, "GET", path, params, None, file=True)
        return bytes((await self._answer(request, _as_it_is)).body)

    async def pause(self, seconds: float) -> None:
        """Waits for something that TikTok works on."""
        await self._sleep(seconds)

    async def exchange(self, auth_code: str) -> TokenGrant:
        """The grant for a code of the consent page; works once for each code.

        Raises ReconnectError if the code is wrong, used or over an hour old, or does not go with the app.
        """
        self._hidden.add(auth_code)
        body = {
            **self._app(),
            "auth_code": auth_code,
            # Their ids are a snapshot without names, and TikTok advises against asking for thousands of them here.
            "return_advertiser_ids": False,
        }
        answer = await self.call("POST", "/oauth2/access_token/", body=body)
        token = answer.data.get("access_token")
        if not isinstance(token, str) or not token:
            raise StopError(
                phrase("TikTok granted access without a token; reconnect the account."), request_id=answer.request_id
            )
        self._hidden.add(token)
        return TokenGrant(
            token,
            tuple(_words(answer.data.get("advertiser_ids"))),
            tuple(int(scope) for scope in _words(answer.data.get("scope")) if scope.isdigit()),
        )

    async def revoke(self) -> None:
        """Ends the grant of this client's token; raises ReconnectError if it is over already."""
        await self.call("POST", "/oauth2/revoke_token/", body={**self._app(), "access_token": self._token})

    async def advertisers(self) -> tuple[AdvertiserName, ...]:
        """The advertisers that the token may read now, in TikTok's order."""
        rows = await self.uncounted("/oauth2/advertiser/get/", self._app())
        return tuple(AdvertiserName(_word(row, "advertiser_id"), _word(row, "advertiser_name")) for row in rows)

    async def advertiser_info(self, ids: Sequence[str], fields: Sequence[str] = ()) -> list[dict[str, Any]]:
        """What TikTok knows of each advertiser, all fields if none is named.

        Advertisers that may not be read or are gone are absent from the list, and told to `refused`. Raises
        AdvertiserError if there are none because the app lacks the permission.
        """
        size = LONGEST_ADVERTISER_BATCH
        batches = [ids[start : start + size] for start in range(0, len(ids), size)]
        refusals: list[AdvertiserError] = []
        answers = await together([self._advertiser_batch(batch, fields, refusals) for batch in batches])
        rows = [row for batch_rows in answers for row in batch_rows]
        if not rows and refusals and lacks_scope(refusals[0].code, refusals[0].message):
            raise refusals[0]
        return rows

    async def user(self) -> TikTokUser:
        """Who granted the token."""
        data = (await self.call("GET", "/user/info/")).data
        return TikTokUser(_word(data, "display_name"), _word(data, "core_user_id"), _word(data, "email"))

    async def _advertiser_batch(
        self, ids: Sequence[str], fields: Sequence[str], refusals: list[AdvertiserError]
    ) -> list[dict[str, Any]]:
        """The advertisers of one request; one that TikTok refuses is found by halving, and why added to `refusals`."""
        params: dict[str, Value] = {"advertiser_ids": list(ids), "fields": list(fields) or None}
        try:
            return await self.uncounted("/advertiser/info/", params)
        except AdvertiserError as error:
            if len(ids) == 1:
                if self._refused is not None:
                    self._refused(
                        self._clean(
                            phrase("advertiser %(advertiser)s was skipped: %(error)s", advertiser=ids[0], error=error)
                        )
                    )
                refusals.append(error)
                return []
        except SplitError:
            if len(ids) == 1:
                raise
        half = len(ids) // 2
        first, second = await together(
            [self._advertiser_batch(part, fields, refusals) for part in (ids[:half], ids[half:])]
        )
        return first + second

    def _app(self) -> dict[str, str]:
        if not self._app_id or not self._secret:
            raise InputError(phrase("The ID and the secret of your TikTok app are missing; set both."))
        return {"app_id": self._app_id, "secret": self._secret}

    async def _answer(self, request: ApiRequest, read: Callable[[ApiAnswer], T | FailedAnswer]) -> T:
        """Tries until there is an answer that `read` can read, or an error that says why there is none."""
        tries = _Tries(began=self._monotonic())
        left = None if self._deadline is None else self._deadline - tries.began
        self._refuse_unsent(request, tries, left)
        try:
            async with asyncio.timeout(left) as limit:
                while True:
                    outcome = await self._try(request, tries, read)
                    if not isinstance(outcome, FailedAnswer):
                        return outcome
                    await self._sleep(self._wait(request, outcome, tries))
        except TimeoutError:
            if not limit.expired():
                raise
            last = tries.last or FailedAnswer(phrase("there is no answer yet."), Action.WAIT)
            raise self._error(request, last, tries, phrase("The run's deadline has come.")) from None

    async def _try(
        self, request: ApiRequest, tries: _Tries, read: Callable[[ApiAnswer], T | FailedAnswer]
    ) -> T | FailedAnswer:
        async with self._in_flight:
            slot = await self._turn(request)
            sent = self._monotonic()
            self.counts.requests += 1
            tries.sent += 1
            answer, journey = await self._journey(request, slot)
            self._learn(answer, sent, slot)
            self._widen(self._monotonic() - sent)
            if isinstance(answer, ApiAnswer):
                self._answered = True
                self._journeys.append(journey)
                self._pace.scattered(scatter_of(self._journeys))
            outcome = answer if isinstance(answer, FailedAnswer) else read(answer)
            if isinstance(outcome, FailedAnswer):
                tries.last = outcome
                tries.throttled += outcome.action is Action.THROTTLED
            # Handed on one in each round of the loop: what the callers make of ten pages at once would keep the next
            # burst from going in time, and make answers that wait for this process look like a network that scatters.
            # Until then the request counts as under way, which bounds the pages in memory: 272 MB, not 453, for 180
            # pages of a server that answers at once.
            async with self._handing_on:
                await asyncio.sleep(0)
        return outcome

    async def _turn(self, request: ApiRequest) -> Slot:
        """Returns when the request may be sent: by the limits of its path, if it has any, and by those of the app."""
        pace = self._path_paces.get(request.path)
        if pace is None:
            return await self._pace.turn()
        # One request at a time waits for both, so that the app's turns do not bring those of the path together.
        async with self._two_turns:
            own = await pace.turn()
            slot = await self._pace.turn()
            pace.went(own)
            return slot

    async def _journey(self, request: ApiRequest, slot: Slot) -> tuple[ApiAnswer | FailedAnswer, float]:
        """What came of a request, and the seconds from its going, on an open connection, to its answer's head."""
        began = self._monotonic()
        ended: float | None = None

        def went() -> None:
            nonlocal began
            self._pace.went(slot)
            began = self._monotonic()

        def came() -> None:
            nonlocal ended
            ended = self._monotonic()

        outcome = await self._wire.send(request, went, came)
        return outcome, (self._monotonic() if ended is None else ended) - began

    def _widen(self, seconds: float) -> None:
        """Puts more requests under way if answers take so long that those at hand would not use the rate.

        Judged by the quickest of the last answers: the others may only have waited for this process. Each way has a
        connection of its own, which costs about 2 ms of processor time; without latency few are as fast as many.
        """
        self._latencies.append(seconds)
        rate = min(self._pace.limits.per_second, _FASTEST)
        ways = min(_MOST_WAYS, ceil(_SPARE * rate * min(self._latencies)))
        for _ in range(self._ways, ways):
            self._in_flight.release()
        self._ways = max(self._ways, ways)

    def _learn(self, outcome: ApiAnswer | FailedAnswer, sent: float, slot: Slot) -> None:
        """Keeps requests further apart when TikTok refuses the app, and holds them all if no success comes between."""
        refused = isinstance(outcome, FailedAnswer) and outcome.action is Action.THROTTLED
        self.counts.refused += refused
        # What was sent before the last refusal was known tells nothing about the time after it.
        if sent <= self._refused_at:
            return
        if not isinstance(outcome, FailedAnswer) or (outcome.code is not None and not refused):
            self._refusals = 0
        elif refused and not is_narrow(outcome.code):
            self._refusals += 1
            self._refused_at = self._monotonic()
            margin = self._pace.refused(slot)
            hold = _HOLDS[self._refusals - 1] if self._refusals <= len(_HOLDS) else _BLOCKED_SECONDS
            self._hold(max(hold, outcome.seconds), margin, outcome.what)

    def _hold(self, seconds: float, margin: float, why: str) -> None:
        if seconds:
            self._pace.hold(seconds)
            self._held_until = self._refused_at + seconds
            self._write_log(
                phrase(
                    "TikTok refuses the whole app for now (%(why)s): it waits %(seconds)s s",
                    why=why,
                    seconds=format(seconds, ".1f"),
                )
            )
        else:
            self._write_log(
                phrase(
                    "TikTok counts requests too close together (%(why)s): a second's budget is used again "
                    "after %(margin)s s",
                    why=why,
                    margin=format(1 + margin, ".2f"),
                )
            )

    def _wait(self, request: ApiRequest, trouble: FailedAnswer, tries: _Tries) -> float:
        """The one decision whether a request is sent again: the seconds until then, or the error that ends it."""
        if trouble.action not in {Action.WAIT, Action.THROTTLED}:
            raise self._error(request, trouble, tries)
        if trouble.timed_out and self._timeouts_of(request, now=True) >= _TIMEOUTS:
            raise self._error(request, trouble, tries, str(_THIRD_TIMEOUT))
        attempts = self._attempts
        if trouble.absent and not self._answered:
            attempts = min(attempts, _ABSENT_ATTEMPTS)
        if tries.sent >= attempts:
            raise self._error(request, trouble, tries, trouble.advice or phrase("Try again later."))
        wait = self._seconds(trouble, tries)
        if self._deadline is not None and self._monotonic() + wait >= self._deadline:
            raise self._error(
                request, trouble, tries, trouble.advice or phrase("The run's deadline leaves no time to retry.")
            )
        self.counts.retried += 1
        self._write_log(
            phrase(
                "%(where)s: %(what)s Try %(sent)s of %(attempts)s in %(wait)s s",
                where=request.where,
                what=trouble.what,
                sent=tries.sent + 1,
                attempts=attempts,
                wait=format(wait, ".1f"),
            )
        )
        return wait

    def _seconds(self, trouble: FailedAnswer, tries: _Tries) -> float:
        """Short at first, doubled each time up to a cap, and never quite the same for two requests."""
        least = trouble.seconds
        if trouble.action is Action.THROTTLED:
            least = max(least, self._held_until - self._monotonic())
            # A first refusal by the app's limit is the pace's to mend: the request waits for its turn only.
            number = tries.throttled - (not is_narrow(trouble.code))
            if number < 1:
                return max(0.0, least)
            first, cap = _THROTTLED_SECONDS, 60.0
        elif is_outage(trouble.code):
            first, cap, number = 60.0, 300.0, tries.sent
        else:
            first, cap, number = 0.5, 60.0, tries.sent
        return max(min(cap, first * 2.0 ** (number - 1)) * (1 + 0.25 * self._random()), least)

    def _refuse_unsent(self, request: ApiRequest, tries: _Tries, left: float | None) -> None:
        """Raises for a request that must not be sent any more, or not again so soon."""
        if left is not None and left <= 0:
            raise self._error(
                request,
                FailedAnswer(phrase("it was not sent."), Action.WAIT),
                tries,
                phrase("The run's deadline has come."),
            )
        if self._timeouts_of(request) >= _TIMEOUTS:
            trouble = FailedAnswer(
                phrase("it was not sent because it timed out twice within ten minutes."), Action.WAIT
            )
            raise self._error(request, trouble, tries, str(_THIRD_TIMEOUT))

    def _timeouts_of(self, request: ApiRequest, *, now: bool = False) -> int:
        """How often the same request timed out in the last ten minutes; `now` adds one."""
        time_now = self._monotonic()
        recent = {
            key: times
            for key, all_times in self._timeouts.items()
            if (times := [then for then in all_times if then > time_now - _TIMEOUT_SECONDS])
        }
        if now:
            recent.setdefault(request.key, []).append(time_now)
        self._timeouts = recent
        return len(recent.get(request.key, ()))

    def _error(self, request: ApiRequest, trouble: FailedAnswer, tries: _Tries, next_step: str = "") -> AdreelError:
        """The error for a request that is given up: what happened, how often it was tried, and what to do next."""
        often = ""
        if tries.sent > 1:
            often = phrase(
                "Tried %(sent)s times in %(seconds)s s.",
                sent=tries.sent,
                seconds=format(self._monotonic() - tries.began, ".0f"),
            )
        if is_other_app(trouble.code, trouble.what):
            next_step = phrase(
                "The token was not issued by the app %(app_id)s of ADREEL_TIKTOK_APP_ID: set the app that "
                "issued it, or reconnect the account with this one.",
                app_id=self._app_id,
            )
        elif ERRORS[trouble.action].reconnects:
            next_step = phrase("Reconnect the account.")
        scope = lacks_scope(trouble.code, trouble.what)
        if scope:
            next_step = phrase(
                "The app lacks the permission for %(scope)s: give it the scope of that endpoint in "
                "TikTok's developer portal (My Apps), then reconnect the account.",
                scope=scope,
            )
        if trouble.action is Action.THROTTLED and not is_narrow(trouble.code):
            budget = phrase("If no other program uses this app, its budget of the day may be used up until 00:00 UTC.")
            next_step = f"{next_step} {budget}".lstrip()
        words = " ".join(part for part in (f"{request.where}: {trouble.what}", often, str(next_step)) if part)
        if trouble.code is not None:
            return api_error(trouble.code, self._clean(words), trouble.request_id)
        return ERRORS[trouble.action](self._clean(words), request_id=trouble.request_id)

    def _write_log(self, line: str) -> None:
        if self._log is not None:
            self._log(self._clean(line))

    def _clean(self, text: str) -> str:
        """`text` without secrets, whoever put them there."""
        for secret in self._hidden:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text


_THIRD_TIMEOUT = Phrase(
    "TikTok blocks a request that times out a third time within ten minutes: try again after "
    "that, or request less at once."
)


def _as_it_is(answer: ApiAnswer) -> ApiAnswer | FailedAnswer:
    return answer


def _word(row: Mapping[str, Any], name: str) -> str:
    """A value as a text, whether TikTok gives a text, a number or nothing."""
    value = row.get(name)
    return "" if value is None else str(value)


def _words(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All answers in order; the first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        raise first_failure(failures) from None
    return [task.result() for task in tasks]


def first_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that came first and ended the others."""
    first = failures.exceptions[0]
    return first_failure(first) if isinstance(first, BaseExceptionGroup) else first
