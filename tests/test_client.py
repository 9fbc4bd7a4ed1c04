from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qs

import httpx2
import orjson
import pytest

from adreel.errors import (
    API_CODES,
    AbsentError,
    Action,
    AdreelError,
    AdvertiserError,
    ExpiredError,
    InputError,
    ReconnectError,
    RequestError,
    RetryError,
    SplitError,
    StopError,
    ThrottledError,
    action_for,
)
from adreel.tiktok.client import AdvertiserName, Client
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace, RateLimits
from virtual_time import VirtualTime

T = TypeVar("T")
TOKEN = "t0ken-that-nobody-may-see"
SECRET = "s3cret/that+nobody&may=see"
CODE = "auth-c0de-that-nobody-may-see"
BASE = "http://tiktok.test/open_api/v1.3"
REPORT = "/report/integrated/get/"


@dataclass(frozen=True)
class Reply:
    """What a server says; it says it `seconds` after it was asked."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def envelope(code: int = 0, data: object = None, message: str = "OK", **more: Any) -> Reply:
    content = {"code": code, "message": message, "request_id": "R-1", "data": {} if data is None else data}
    return Reply(orjson.dumps(content), **more)


def html(status: int, text: str = "<html><title>Oops</title><p>Bad\n gateway</p></html>") -> Reply:
    return Reply(text.encode(), status, {"Content-Type": "text/html"})


OK = envelope(0, {"list": []})


@dataclass(frozen=True)
class Asked:
    at: float
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Server:
    """An ASGI application that gives its replies one after the other, the last one for ever."""

    def __init__(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self.clock = VirtualTime()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        request = Asked(
            self.clock.passed,
            scope["method"],
            scope["path"],
            {name: values[0] for name, values in parse_qs(scope["query_string"].decode(), True).items()},
            {name.decode().lower(): value.decode() for name, value in scope["headers"]},
            body + message["body"],
        )
        self.asked.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        reply = reply if isinstance(reply, Reply) else reply(request)
        await asyncio.sleep(reply.seconds)
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    def times(self) -> list[float]:
        return [round(request.at, 3) for request in self.asked]


@pytest.fixture
def visit(tmp_path: Path) -> Callable[..., Any]:
    """Runs something with a client of a server, in virtual time."""

    def run(
        server: Server,
        use: Callable[[Client], Awaitable[T]],
        *,
        limits: RateLimits = LEVELS["basic"],
        **options: Any,
    ) -> T:
        async def main() -> T:
            pace = Pace(FileLog(tmp_path / "pace.db"), "app", limits, clock=server.clock.epoch)
            options.setdefault("random", lambda: 0.0)
            options.setdefault("token", TOKEN)
            transport = httpx2.ASGITransport(server)
            try:
                async with Client(
                    base_url=BASE, pace=pace, transport=transport, monotonic=server.clock.monotonic, **options
                ) as client:
                    return await use(client)
            finally:
                pace.close()

        return server.clock.run(main)

    return run


async def ask(client: Client) -> Any:
    return await client.call("GET", REPORT, params={"advertiser_id": "123"})


def failure(visit: Callable[..., Any], server: Server, **options: Any) -> AdreelError:
    with pytest.raises(AdreelError) as caught:
        visit(server, ask, **options)
    return caught.value


# --- what is sent


def test_lists_and_objects_travel_as_json_texts_and_absent_values_not_at_all(visit: Callable[..., Any]) -> None:
    server = Server(OK)
    filters = MappingProxyType({"field_name": "ad_status", "filter_value": '["STATUS_ALL"]'})
    params = {
        "dimensions": ("ad_id", "stat_time_day"),
        "filtering": [filters],
        "query_lifetime": False,
        "page_size": 1000,
        "name": "a b&c=ü",
        "order_field": None,
    }
    visit(server, lambda client: client.call("GET", REPORT, params=params))
    assert server.asked[0].path == "/open_api/v1.3/report/integrated/get/"
    assert server.asked[0].params == {
        "dimensions": '["ad_id","stat_time_day"]',
        "filtering": '[{"field_name":"ad_status","filter_value":"[\\"STATUS_ALL\\"]"}]',
        "query_lifetime": "false",
        "page_size": "1000",
        "name": "a b&c=ü",
    }


def test_the_token_travels_in_its_own_header(visit: Callable[..., Any]) -> None:
    server = Server(OK)
    visit(server, ask)
    assert server.asked[0].headers["access-token"] == TOKEN
    assert "authorization" not in server.asked[0].headers


def test_a_post_carries_its_body_as_json(visit: Callable[..., Any]) -> None:
    server = Server(OK)
    visit(server, lambda client: client.call("POST", "/x/", body={"a": [1, "ü"]}))
    assert server.asked[0].body == '{"a":[1,"ü"]}'.encode()
    assert server.asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("url", ["", "tiktok.test/v1.3", "ftp://x/v1.3", "http://[", "http://x:0/v", "http://x/?a=1"])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    pace = Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"])
    with pytest.raises(InputError, match="not the address of an API"):
        Client(base_url=url, pace=pace)
    pace.close()


@pytest.mark.parametrize("token", ["line\nbreak", "with blank", "ümlaut"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(visit: Callable[..., Any], token: str) -> None:
    with pytest.raises(ReconnectError) as caught:
        visit(Server(OK), ask, token=token)
    assert token not in str(caught.value)


# --- what comes back


@pytest.mark.parametrize(("code", "data"), [(0, {"a": 1}), (20001, {"a": 1}), ("0", {"a": 1})])
def test_an_answer_has_tiktoks_data_and_request_id(visit: Callable[..., Any], code: int, data: object) -> None:
    answer = visit(Server(envelope(code, data)), ask)
    assert (answer.data, answer.request_id, answer.cut) == (data, "R-1", False)


@pytest.mark.parametrize("body", [b'{"code":0}', b'{"code":0,"data":null}', b'{"code":0,"data":[]}'])
def test_an_answer_without_data_is_empty(visit: Callable[..., Any], body: bytes) -> None:
    answer = visit(Server(Reply(body, headers={"X-Tt-Logid": "L-1"})), ask)
    assert (answer.data, answer.request_id) == ({}, "L-1")


def test_the_cut_at_twenty_thousand_ids_is_told(visit: Callable[..., Any]) -> None:
    cut = {"X-Tt-Ads-Throttle": "Number of ad ids is equal or more than 20k"}
    server = Server(envelope(0, {"list": [], "page_info": {"total_number": 0}}, headers=cut))
    assert visit(server, ask).cut
    assert visit(server, lambda client: client.page(REPORT, {}, 1, 1000)).cut


COUNTED = envelope(0, {"list": [], "page_info": {"total_number": 0}})
ROW = {"dimensions": {"ad_id": "1"}, "metrics": {"spend": "1.00"}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"list": [ROW], "page_info": {"page": 1, "page_size": 1, "total_number": 7, "total_page": 7}}, (1, 7, 7)),
        ({"list": [ROW], "page_info": {"page_size": "2", "total_number": "7", "total_page": "4"}}, (1, 7, 4)),
        ({"list": [ROW], "page_info": {"page_size": 2, "total_number": 7.0, "total_page": None}}, (1, 7, 4)),
        ({"list": [ROW], "page_info": {"page_size": 7, "total_number": 60, "total_page": 9}}, (1, 60, 9)),
        ({"list": [ROW], "page_info": {"page_size": 7, "total_number": 60}}, (1, 60, 9)),
        ({"list": [ROW], "page_info": {"page_size": 1000, "total_number": 60, "total_page": 9}}, (1, 60, 9)),
        ({"list": [ROW], "page_info": {"total_number": 2001}}, (1, 2001, 3)),
        ({"list": [ROW], "page_info": {"total_number": 3, "total_page": 10**9}}, (1, 3, 3)),
        ({"list": [], "page_info": {"page": 1, "page_size": 10, "total_number": 0, "total_page": 0}}, (0, 0, 1)),
        ({"list": None, "page_info": {"total_number": 0, "total_page": 1}}, (0, 0, 1)),
    ],
)
def test_a_page_has_its_rows_and_the_count_of_all(
    visit: Callable[..., Any], data: object, expected: tuple[int, int, int]
) -> None:
    server = Server(envelope(0, data))
    page = visit(server, lambda client: client.page(REPORT, {"advertiser_id": "1"}, 2, 1000))
    assert (len(page.rows), page.total_number, page.total_page) == expected
    assert page.total_metrics is None
    assert (server.asked[0].params["page"], server.asked[0].params["page_size"]) == ("2", "1000")


def test_a_page_has_the_totals_that_were_asked_for(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {"list": [ROW], "page_info": {"total_number": 1}, "total_metrics": {"spend": "1.00"}}))
    assert visit(server, lambda client: client.page(REPORT, {}, 1, 10)).total_metrics == {"spend": "1.00"}


@pytest.mark.parametrize(
    "data",
    [
        {"list": ["no object"]},
        {"list": {"a": 1}},
        {"list": [], "page_info": {"total_number": 0}, "total_metrics": "5"},
    ],
)
def test_a_page_of_an_unknown_form_stops_with_its_request_id(visit: Callable[..., Any], data: object) -> None:
    with pytest.raises(StopError, match=r"page 3.*unknown format.*R-1"):
        visit(Server(envelope(0, data)), lambda client: client.page(REPORT, {}, 3, 10))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"list": []},
        {"list": None},
        {"list": [ROW]},
        {"page_info": {"total_number": 0}},
        {"list": [], "page_info": None},
        {"list": [], "page_info": [1]},
        {"list": [ROW], "page_info": {"total_page": 1}},
        {"list": [], "page_info": {"total_number": None, "total_page": 0}},
        {"list": [], "page_info": {"total_number": -1}},
        {"list": [], "page_info": {"total_number": True}},
        {"list": [], "page_info": {"total_number": 0.5}},
        {"list": [], "page_info": {"total_number": "9" * 400}},
    ],
)
def test_a_page_that_tiktok_did_not_count_is_asked_for_again(visit: Callable[..., Any], data: object) -> None:
    counted = envelope(0, {"list": [ROW], "page_info": {"total_number": 1}})
    server = Server(envelope(0, data), counted)
    assert visit(server, lambda client: client.page(REPORT, {}, 1, 10)).total_number == 1
    assert len(server.asked) == 2
    with pytest.raises(RetryError, match=r"code 0 and without .*Tried 8 times.*R-1"):
        visit(Server(envelope(0, data)), lambda client: client.page(REPORT, {}, 1, 10))


def test_an_empty_page_may_have_no_list(visit: Callable[..., Any]) -> None:
    empty = {"page_info": {"page": 1, "page_size": 10, "total_number": 0, "total_page": 0}}
    later = {"page_info": {"page": 3, "page_size": 10, "total_number": 11, "total_page": 3}}
    for number, data in ((1, empty), (3, later)):
        server = Server(envelope(0, data))
        page = visit(server, lambda client, number=number: client.page(REPORT, {}, number, 10))
        assert (list(page.rows), page.total_number) == ([], data["page_info"]["total_number"])
        assert len(server.asked) == 1
    lost = {"page_info": {"page": 1, "page_size": 10, "total_number": 11, "total_page": 2}}
    counted = Server(envelope(0, lost), envelope(0, {"list": [ROW], "page_info": {"total_number": 1}}))
    assert visit(counted, lambda client: client.page(REPORT, {}, 1, 10)).total_number == 1


ODD_TEXTS = {
    "half a character": (rb'"Ad \ud83d"', "Ad \ufffd"),
    "the other half": (rb'"\udc00 Ad"', "\ufffd Ad"),
    "halves the wrong way around": (rb'"\udc00\ud83d"', "\ufffd\ufffd"),
    "a whole character in two escapes": (rb'"\ud83d\ude00"', "\U0001f600"),
    "a backslash before what looks like half a character": (rb'"\\ud83d"', r"\ud83d"),
    "bytes that are no UTF-8": (b'"caf\xe9"', "caf\ufffd"),
    "half a character in bytes": (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
    "a control character as it is": (b'"a\x01b"', "a\x01b"),
    "a number beyond all types": (b"1" * 400, "1" * 400),
    "no number": (b"NaN", "NaN"),
    "a number without end": (b"-Infinity", "-Infinity"),
    "a power beyond all types": (b"1e999999999999999999999", "1e999999999999999999999"),
}


@pytest.mark.parametrize("case", ODD_TEXTS)
def test_text_that_is_no_unicode_and_numbers_of_any_size_are_read(visit: Callable[..., Any], case: str) -> None:
    written, expected = ODD_TEXTS[case]
    body = b'{"code":0,"message":' + written + b',"data":{"list":[{"name":' + written
    server = Server(Reply(body + b'}],"page_info":{"total_number":1}}}'))
    page = visit(server, lambda client: client.page(REPORT, {}, 1, 10))
    assert str(page.rows[0]["name"]) == expected
    assert len(server.asked) == 1


def test_numbers_keep_all_their_digits(visit: Callable[..., Any]) -> None:
    body = b'{"code":0,"data":{"list":[{"budget":12345678901234567.89}],"page_info":{"total_number":1}}}'
    page = visit(Server(Reply(body)), lambda client: client.page(REPORT, {}, 1, 10))
    assert str(page.rows[0]["budget"]) == "12345678901234567.89"


def test_a_byte_order_mark_before_an_answer_is_dropped(visit: Callable[..., Any]) -> None:
    server = Server(Reply(b'\xef\xbb\xbf{"code":0,"data":{"a":1}}'))
    assert visit(server, ask).data == {"a": 1}


def test_json_that_is_nested_without_end_is_no_answer(visit: Callable[..., Any]) -> None:
    body = b'{"code":0,"data":{"list":[{"a":' + b"[" * 5000 + b"]" * 5000 + b'}],"page_info":{"total_number":1}}}'
    assert isinstance(failure(visit, Server(Reply(body))), RetryError)


def test_a_token_of_another_app_says_so(visit: Callable[..., Any]) -> None:
    words = "The app_id is inconsistent with the token's app information. Please check."
    error = failure(visit, Server(envelope(40000, message=words)))
    assert isinstance(error, ReconnectError)
    assert "was not issued by the app" in error.message
    assert "ADREEL_TIKTOK_APP_ID" in error.message


def test_a_permission_that_the_app_lacks_says_so(visit: Callable[..., Any]) -> None:
    words = "advertiser does not grant you /report/integrated/get/:GET permission"
    error = failure(visit, Server(envelope(40001, message=words)))
    assert isinstance(error, AdvertiserError)
    assert "lacks the permission for /report/integrated/get/: give it the scope" in error.message
    assert "reconnect the account" in error.message


def test_counts_say_what_was_done(visit: Callable[..., Any]) -> None:
    server = Server(envelope(40100), envelope(50000), COUNTED, OK)

    async def use(client: Client) -> Any:
        await client.page(REPORT, {}, 1, 10)
        await ask(client)
        return client.counts

    counts = visit(server, use)
    assert (counts.requests, counts.pages, counts.refused, counts.retried) == (4, 1, 1, 2)


# --- what is retried, and what is not

PERMANENT = [code for code, api_code in API_CODES.items() if api_code.action not in {Action.WAIT, Action.THROTTLED}]
KINDS: Mapping[Action, type[AdreelError]] = {
    Action.FIX: RequestError,
    Action.SPLIT: SplitError,
    Action.DROP_ADVERTISER: AdvertiserError,
    Action.RECONNECT: ReconnectError,
    Action.ABSENT: AbsentError,
    Action.RENEW: ExpiredError,
    Action.STOP: StopError,
}


@pytest.mark.parametrize("code", [*(code for code in PERMANENT if code not in {0, 20001}), 40999, 1])
def test_what_is_permanent_is_asked_once_and_told_in_tiktoks_words(visit: Callable[..., Any], code: int) -> None:
    server = Server(envelope(code, message="Something  is \n wrong"))
    error = failure(visit, server)
    assert type(error) is KINDS[action_for(code)]
    assert len(server.asked) == 1
    assert "GET /report/integrated/get/ (advertiser 123): Something is wrong." in error.message
    assert (error.code, error.request_id) == (code, "R-1")


@pytest.mark.parametrize("code", [50000, 50002, 51001, 51039, 51305, 58765, 40200, 40201, 40202, 40700, 60001])
def test_what_passes_is_asked_again(visit: Callable[..., Any], code: int) -> None:
    server = Server(envelope(code), envelope(code), OK)
    visit(server, ask)
    assert len(server.asked) == 3


def test_waits_are_short_at_first_and_then_double_up_to_a_minute(visit: Callable[..., Any]) -> None:
    server = Server(envelope(50000))
    failure(visit, server, attempts=10)
    gaps = [round(b - a, 1) for a, b in zip(server.times(), server.times()[1:], strict=False)]
    assert gaps == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_waits_differ_by_chance_so_that_requests_do_not_come_back_together(visit: Callable[..., Any]) -> None:
    server = Server(envelope(50000), OK)
    visit(server, ask, random=lambda: 1.0)
    assert server.times() == [0, 0.625]


def test_maintenance_is_waited_for_in_minutes(visit: Callable[..., Any]) -> None:
    server = Server(envelope(60001), envelope(60001), OK)
    visit(server, ask)
    assert server.times() == [0, 60, 180]


def test_who_gives_up_says_what_was_tried_how_often_and_how_long(visit: Callable[..., Any]) -> None:
    lines: list[str] = []
    error = failure(visit, Server(envelope(50000, message="System error")), attempts=3, log=lines.append)
    assert type(error) is RetryError
    assert str(error) == (
        "GET /report/integrated/get/ (advertiser 123): System error. Tried 3 times in 2 s. Try again later. "
        "(TikTok code 50000, request R-1)"
    )
    assert lines == [
        "GET /report/integrated/get/ (advertiser 123): System error. Try 2 of 3 in 0.5 s",
        "GET /report/integrated/get/ (advertiser 123): System error. Try 3 of 3 in 1.0 s",
    ]


def test_a_code_without_words_is_told_by_its_meaning(visit: Callable[..., Any]) -> None:
    assert "the query is too large." in str(failure(visit, Server(envelope(40067, message=" "))))
    assert "an error without a message." in str(failure(visit, Server(envelope(49999, message=""))))


def test_the_message_names_advertisers_dates_and_page(visit: Callable[..., Any]) -> None:
    async def use(client: Client) -> Any:
        params = {"advertiser_ids": ["1", "2"], "start_date": "2026-01-01", "end_date": "2026-01-30"}
        return await client.page(REPORT, params, 4, 10)

    with pytest.raises(RequestError, match=r"\(advertisers 1, 2, 2026-01-01 to 2026-01-30, page 4\)"):
        visit(Server(envelope(40002)), use)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(b"404 page not found", 404), StopError, 'HTTP 404 "404 page not found".*ADREEL_TIKTOK_URL.*version'),
        (html(401), StopError, 'HTTP 401 "Oops Bad gateway": a proxy or firewall'),
        (html(403), StopError, 'HTTP 403 "Oops Bad gateway": a proxy or firewall'),
        (html(407), StopError, "HTTP 407"),
        (html(302, ""), StopError, r"HTTP 302 \(nothing readable\): this is not TikTok's API"),
        (html(400), StopError, "HTTP 400"),
        (html(413), SplitError, "too long"),
        (html(414), SplitError, "too long"),
        (envelope(40105, status=401), ReconnectError, "OK"),
    ],
)
def test_an_http_status_that_will_not_change_stops_at_once(
    visit: Callable[..., Any], reply: Reply, kind: type[AdreelError], words: str
) -> None:
    server = Server(reply)
    with pytest.raises(kind, match=words):
        visit(server, ask)
    assert len(server.asked) == 1


NEW_TOKEN = b"a-t0ken-that-the-client-does-not-know-yet"
PASSING = {
    "a page of a proxy": html(200),
    "a failing gateway": html(502),
    "a failing server": Reply(b"", 500),
    "a server that is too busy": html(503),
    "a gateway's time-out": html(408),
    "no body": Reply(b""),
    "a text": Reply(b"upstream connect error"),
    "cut-off JSON": Reply(b'{"code":0,"data":{"access_token":"' + NEW_TOKEN),
    "JSON without a code": Reply(b'{"access_token":"' + NEW_TOKEN + b'"}'),
    "JSON that is no object": Reply(b"[1]"),
    "data that is no object": envelope(0, "text"),
    "a success with a failing status": envelope(0, {"list": []}, status=500),
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING.keys())
def test_an_answer_that_is_not_tiktoks_is_asked_for_again_and_named_if_it_stays(
    visit: Callable[..., Any], reply: Reply
) -> None:
    server = Server(reply, OK)
    visit(server, ask)
    assert len(server.asked) == 2
    error = failure(visit, Server(reply), attempts=2)
    assert type(error) is RetryError
    assert f"HTTP {reply.status} " in error.message
    assert NEW_TOKEN.decode() not in str(error)
    assert "<" not in error.message


def test_the_first_words_of_a_page_are_shown_without_its_markup_and_cut(visit: Callable[..., Any]) -> None:
    page = "<!doctype html><style>p {a: b}</style><script>alert('x')</script><h1>Access \"denied\"</h1>" + "word " * 90
    error = failure(visit, Server(html(200, page)), attempts=1)
    assert "HTTP 200 \"Access 'denied' word word" in error.message
    assert "alert" not in error.message
    assert len(error.message) < 300


# --- TikTok's limits


def test_a_refusal_among_answers_is_asked_again_at_the_next_turn_and_holds_nobody(visit: Callable[..., Any]) -> None:
    server = Server(OK, envelope(40100), OK)

    async def use(client: Client) -> Any:
        await asyncio.gather(*(ask(client) for _ in range(4)))

    visit(server, use)
    assert len(server.asked) == 5
    assert server.times()[-1] < 0.05


def test_a_second_refusal_in_a_row_holds_every_process_of_the_app_for_a_second(tmp_path: Path) -> None:
    server = Server(envelope(40100), envelope(40100), OK)

    async def main() -> list[float]:
        paces = [
            Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"], clock=server.clock.epoch) for _ in range(2)
        ]
        clients = [
            Client(
                base_url=BASE,
                pace=pace,
                transport=httpx2.ASGITransport(server),
                monotonic=server.clock.monotonic,
                random=lambda: 0.0,
            )
            for pace in paces
        ]
        first = asyncio.ensure_future(ask(clients[0]))
        await asyncio.sleep(0.1)
        await ask(clients[1])
        await first
        for pace in paces:
            pace.close()
        return server.times()

    assert server.clock.run(main) == [0, 0.003, 1.103, 1.109]


def test_bursts_of_refusals_pass_with_short_waits(visit: Callable[..., Any]) -> None:
    refused = [envelope(40100, seconds=0.2)] * 12
    server = Server(*refused, *[OK] * 5, *refused, OK)

    async def use(client: Client) -> Any:
        await asyncio.gather(*(ask(client) for _ in range(60)))
        return client.counts

    counts = visit(server, use)
    assert counts.refused == 24
    assert server.clock.passed < 25


def test_the_five_minutes_after_the_minute_limit_are_waited_out_with_few_questions(visit: Callable[..., Any]) -> None:
    lines: list[str] = []

    def blocked_for_five_minutes(request: Asked) -> Reply:
        return OK if request.at < 2 or request.at >= 302 else envelope(40100, seconds=0.1)

    server = Server(blocked_for_five_minutes)

    async def use(client: Client) -> Any:
        await asyncio.gather(*(ask(client) for _ in range(100)))
        return client.counts

    counts = visit(server, use, log=lines.append)
    assert counts.requests - counts.refused == 100
    assert counts.refused < 45
    assert server.clock.passed < 302 + 40
    assert any("waits 305.0 s" in line for line in lines)


def test_a_limit_that_does_not_end_is_told_with_what_may_be_behind_it(visit: Callable[..., Any]) -> None:
    server = Server(envelope(40100, message="Requests made too frequently"))
    error = failure(visit, server)
    assert type(error) is ThrottledError
    assert "Requests made too frequently. Tried 8 times" in error.message
    assert "budget of the day" in error.message
    assert server.clock.passed < 1800


def test_a_limit_of_one_advertiser_and_path_delays_only_its_own_request(visit: Callable[..., Any]) -> None:
    def narrow(request: Asked) -> Reply:
        return envelope(40133) if request.params["advertiser_id"] == "123" and request.at < 5 else OK

    server = Server(narrow)

    async def use(client: Client) -> float:
        first = asyncio.ensure_future(ask(client))
        for _ in range(10):
            await client.call("GET", REPORT, params={"advertiser_id": "9"})
        others = server.clock.passed
        await first
        return others

    assert visit(server, use) < 1.1
    assert 5 < server.clock.passed < 10


def test_an_http_429_is_a_limit_and_its_retry_after_is_kept(visit: Callable[..., Any]) -> None:
    server = Server(Reply(b"slow down", 429, {"Retry-After": "30"}), Reply(b"slow down", 429), OK)
    visit(server, ask)
    assert server.times() == [0, 30, 31.1]


def test_the_whole_rate_is_used_though_answers_take_two_seconds(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {}, seconds=2.0))

    async def use(client: Client) -> Any:
        await asyncio.gather(*(ask(client) for _ in range(200)))

    visit(server, use)
    assert server.clock.passed < 200 / 10 * 1.02 + 2


def test_no_more_answers_wait_for_their_caller_than_requests_may_be_under_way(tmp_path: Path) -> None:
    handed_on = 0
    unfinished: list[int] = []

    def reply(_: Asked) -> Reply:
        unfinished.append(len(server.asked) - handed_on)
        return OK

    async def read(client: Client) -> None:
        nonlocal handed_on
        await ask(client)
        handed_on += 1

    async def main() -> None:
        # In time that passes while answers are read: virtual time stands still until all are.
        with closing(Pace(FileLog(tmp_path / "pace.db"), "app", RateLimits(10**6, 10**8, 10**10))) as pace:
            transport = httpx2.ASGITransport(server)
            async with Client(base_url=BASE, pace=pace, token=TOKEN, transport=transport) as client:
                await asyncio.gather(*(read(client) for _ in range(300)))

    server = Server(reply)
    asyncio.run(main())
    assert handed_on == 300
    assert max(unfinished) <= 20


# --- time


def test_a_try_that_takes_too_long_is_cut_short_and_asked_again_once(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {}, seconds=1e6), OK)
    visit(server, ask, request_seconds=60)
    assert server.times() == [0, 60.5]


def test_a_request_that_times_out_twice_is_given_up_before_tiktok_blocks_it(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {}, seconds=1e6))
    with pytest.raises(RetryError, match=r"no answer within 60 s\. Tried 2 times in 120 s\. TikTok blocks"):
        visit(server, ask, request_seconds=60)
    assert len(server.asked) == 2


def test_a_request_that_timed_out_twice_is_not_sent_for_ten_minutes_while_others_are(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {}, seconds=1e6), envelope(0, {}, seconds=1e6), OK)

    async def use(client: Client) -> Any:
        with pytest.raises(RetryError):
            await ask(client)
        with pytest.raises(RetryError, match="was not sent because it timed out twice"):
            await ask(client)
        assert len(server.asked) == 2
        await client.call("GET", REPORT, params={"advertiser_id": "9"})
        await asyncio.sleep(541)
        await ask(client)

    visit(server, use, request_seconds=60)


def test_a_retry_that_would_pass_the_deadline_is_not_waited_for(visit: Callable[..., Any]) -> None:
    server = Server(envelope(60001, message="Under maintenance"))
    error = failure(visit, server, deadline=30.0)
    assert type(error) is RetryError
    assert "Under maintenance. The run's deadline leaves no time" in error.message
    assert server.clock.passed < 1


def test_a_block_of_five_minutes_is_not_waited_for_if_the_run_ends_before(visit: Callable[..., Any]) -> None:
    server = Server(envelope(40100))
    assert type(failure(visit, server, deadline=120.0)) is ThrottledError
    assert server.clock.passed < 20


def test_the_deadline_ends_a_request_that_hangs(visit: Callable[..., Any]) -> None:
    server = Server(envelope(50000), envelope(0, {}, seconds=1e6))
    error = failure(visit, server, deadline=10.0, request_seconds=60)
    assert type(error) is RetryError
    assert "The run's deadline has come." in error.message
    assert error.request_id == "R-1"
    assert server.clock.passed == pytest.approx(10)


def test_the_deadline_ends_a_wait_for_the_pace(visit: Callable[..., Any]) -> None:
    server = Server(OK)

    async def use(client: Client) -> Any:
        await asyncio.gather(*(ask(client) for _ in range(100)))

    with pytest.raises(RetryError, match="deadline has come"):
        visit(server, use, deadline=5.0)
    assert server.clock.passed == pytest.approx(5)
    assert 40 < len(server.asked) < 60


def test_nothing_is_sent_after_the_deadline(visit: Callable[..., Any]) -> None:
    server = Server(OK)
    assert "was not sent. The run's deadline has come." in failure(visit, server, deadline=-1.0).message
    assert server.asked == []


# --- the account


def test_a_token_that_dies_in_the_middle_asks_for_a_new_connection(visit: Callable[..., Any]) -> None:
    server = Server(OK, OK, envelope(40105, message="Access token is incorrect or has been revoked"))

    async def use(client: Client) -> Any:
        for _ in range(5):
            await ask(client)

    with pytest.raises(ReconnectError, match=r"revoked\. Reconnect the account\."):
        visit(server, use)
    assert len(server.asked) == 3


def test_an_advertiser_that_is_gone_is_an_error_of_that_advertiser(visit: Callable[..., Any]) -> None:
    error = failure(visit, Server(envelope(40300, message="The advertiser does not exist")))
    assert type(error) is AdvertiserError
    assert "advertiser 123" in error.message


def test_a_code_is_exchanged_for_a_grant_without_asking_for_thousands_of_ids(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {"access_token": TOKEN, "scope": [4, "10", "x"], "advertiser_ids": [7]}))
    grant = visit(server, lambda client: client.exchange(CODE), token=None, app_id="99", secret=SECRET)
    assert (grant.access_token, grant.scopes, grant.advertiser_ids) == (TOKEN, (4, 10), ("7",))
    assert TOKEN not in repr(grant)
    assert server.asked[0].path.endswith("/oauth2/access_token/")
    assert "access-token" not in server.asked[0].headers
    assert orjson.loads(server.asked[0].body) == {
        "app_id": "99",
        "secret": SECRET,
        "auth_code": CODE,
        "return_advertiser_ids": False,
    }


@pytest.mark.parametrize("data", [{}, {"access_token": ""}, {"access_token": 5}])
def test_a_grant_without_a_token_stops(visit: Callable[..., Any], data: object) -> None:
    with pytest.raises(StopError, match="without a token"):
        visit(Server(envelope(0, data)), lambda client: client.exchange(CODE), app_id="99", secret=SECRET)


def test_what_needs_the_app_says_so_without_it(visit: Callable[..., Any]) -> None:
    server = Server(OK)
    for use in (Client.advertisers, Client.revoke, lambda client: client.exchange(CODE)):
        with pytest.raises(InputError, match="ID and the secret of your TikTok app"):
            visit(server, use, app_id="99")
    assert server.asked == []


def test_a_grant_is_revoked_by_its_token(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {"app_id": "99", "advertiser_ids": []}))
    visit(server, lambda client: client.revoke(), app_id="99", secret=SECRET)
    assert orjson.loads(server.asked[0].body) == {"app_id": "99", "secret": SECRET, "access_token": TOKEN}


def test_the_advertisers_of_a_token_have_ids_and_names(visit: Callable[..., Any]) -> None:
    rows = [{"advertiser_id": "7", "advertiser_name": "A"}, {"advertiser_id": 8, "advertiser_name": None}]
    server = Server(envelope(0, {"list": rows}))
    names = visit(server, lambda client: client.advertisers(), app_id="99", secret=SECRET)
    assert names == (AdvertiserName("7", "A"), AdvertiserName("8", ""))
    assert server.asked[0].params == {"app_id": "99", "secret": SECRET}


def test_the_user_of_a_token_is_known(visit: Callable[..., Any]) -> None:
    server = Server(envelope(0, {"display_name": "Ann", "core_user_id": 5, "email": "a***@x.com"}))
    user = visit(server, lambda client: client.user())
    assert (user.display_name, user.core_user_id, user.email) == ("Ann", "5", "a***@x.com")


def advertiser_info(bad: Mapping[str, int], longest: int = 100) -> Callable[[Asked], Reply]:
    """TikTok's /advertiser/info/ with ids that it refuses by a code, and a greatest number of ids."""

    def reply(request: Asked) -> Reply:
        ids = orjson.loads(request.params["advertiser_ids"])
        if len(ids) > longest:
            return envelope(40011, message="too many ids")
        codes = [bad[advertiser_id] for advertiser_id in ids if advertiser_id in bad]
        return (
            envelope(codes[0])
            if codes
            else envelope(0, {"list": [{"advertiser_id": advertiser_id} for advertiser_id in ids]})
        )

    return reply


def test_advertisers_that_may_not_be_read_do_not_hide_the_others(visit: Callable[..., Any]) -> None:
    ids = [str(number) for number in range(250)]
    bad = {"3": 40001, "120": 40300, "249": 40301}
    server = Server(advertiser_info(bad))
    lines: list[str] = []
    rows = visit(server, lambda client: client.advertiser_info(ids, ["currency"]), refused=lines.append)
    assert [row["advertiser_id"] for row in rows] == [
        advertiser_id for advertiser_id in ids if advertiser_id not in bad
    ]
    assert all(request.params["fields"] == '["currency"]' for request in server.asked)
    assert all(any(f"advertiser {advertiser_id} was skipped" in line for line in lines) for advertiser_id in bad)
    assert len(server.asked) < 60


def test_advertisers_are_asked_for_in_smaller_parts_if_tiktok_wants_it(visit: Callable[..., Any]) -> None:
    ids = [str(number) for number in range(130)]
    server = Server(advertiser_info({}, longest=30))
    rows = visit(server, lambda client: client.advertiser_info(ids))
    assert [row["advertiser_id"] for row in rows] == ids
    assert "fields" not in server.asked[0].params


def test_a_dead_token_ends_the_question_about_advertisers(visit: Callable[..., Any]) -> None:
    ids = [str(number) for number in range(250)]
    with pytest.raises(ReconnectError):
        visit(Server(envelope(40105)), lambda client: client.advertiser_info(ids))


def test_no_advertisers_are_no_request(visit: Callable[..., Any]) -> None:
    server = Server(OK)
    assert visit(server, lambda client: client.advertiser_info([])) == []
    assert server.asked == []


# --- secrets


def test_what_tiktok_repeats_of_our_secrets_is_hidden(visit: Callable[..., Any]) -> None:
    lines: list[str] = []
    words = f"Access token {TOKEN} of {SECRET} with s3cret%2Fthat%2Bnobody%26may%3Dsee for {CODE} is wrong"
    for code in (40105, 50000, 40100, 40002):
        server = Server(envelope(code, message=words))
        with pytest.raises(AdreelError) as caught:
            visit(
                server,
                lambda client: client.exchange(CODE),
                app_id="99",
                secret=SECRET,
                attempts=2,
                log=lines.append,
            )
        shown = f"{caught.value!r} {caught.value} {caught.value.__context__!r}"
        assert "Access token *** of *** with *** for *** is wrong" in shown
        for secret in (TOKEN, SECRET, CODE):
            assert secret not in shown
    assert lines
    assert not [line for line in lines if TOKEN in line or SECRET in line or CODE in line]
