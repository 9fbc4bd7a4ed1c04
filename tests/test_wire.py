from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from adreel.errors import InputError, RetryError, StopError
from adreel.tiktok.client import Client
from adreel.tiktok.margin import Margin
from adreel.tiktok.rate_limit import LEVELS, FileLog, Pace, RateLimits

T = TypeVar("T")
TOKEN = "t0ken-that-nobody-may-see"
SECRET = "s3cret/that+nobody&may=see"
CODE = "auth-c0de-that-nobody-may-see"
BASE = "http://tiktok.test/open_api/v1.3"
REPORT = "/report/integrated/get/"
OK = b'{"code":0,"message":"OK","request_id":"R-1","data":{"list":[]}}'


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "all_proxy", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def ask(client: Client) -> Any:
    return await client.call("GET", REPORT, params={"advertiser_id": "123"})


@dataclass
class Peer:
    """A server on this machine that reads a request and says the given bytes; then it closes, or hangs."""

    says: list[bytes | None]
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            self.heard.append(await reader.readuntil(b"\r\n\r\n"))
            raw_answer = self.says.pop(0) if len(self.says) > 1 else self.says[0]
            if raw_answer is None:
                raw_answer = await reader.read()
            writer.write(raw_answer)
            await writer.drain()
        writer.close()


def http(body: bytes, length: int | None = None, status: str = "200 OK") -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode() + body


def over_the_network(
    tmp_path: Path,
    peer: Peer,
    use: Callable[[Client], Awaitable[T]],
    *,
    url: str = "",
    limits: RateLimits = LEVELS["basic"],
    **options: Any,
) -> T:
    async def no_wait(seconds: float) -> None:
        await asyncio.sleep(0)

    async def main() -> T:
        server = await peer.serve()
        pace = Pace(FileLog(tmp_path / "pace.db"), "app", limits, sleep=no_wait)
        base_url = url or f"http://127.0.0.1:{peer.port}/open_api/v1.3"
        try:
            async with Client(base_url=base_url, pace=pace, token=TOKEN, sleep=no_wait, **options) as client:
                return await use(client)
        finally:
            pace.close()
            server.close()
            await server.wait_closed()

    return asyncio.run(main())


GOOD = http(OK)


@pytest.mark.parametrize("broken", [http(OK, length=9999), b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense\r\n\r\n"])
def test_an_answer_that_breaks_off_is_asked_for_again(tmp_path: Path, broken: bytes) -> None:
    peer = Peer([broken, GOOD])
    assert over_the_network(tmp_path, peer, ask).data == {"list": []}
    assert len(peer.heard) == 2


def test_an_answer_that_always_breaks_off_is_told(tmp_path: Path) -> None:
    peer = Peer([http(OK, length=9999)])
    with pytest.raises(RetryError, match=r"the answer broke off .* Tried 3 times"):
        over_the_network(tmp_path, peer, ask, attempts=3)


def test_a_packed_answer_that_is_damaged_is_asked_for_again(tmp_path: Path) -> None:
    damaged = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    assert over_the_network(tmp_path, Peer([damaged, GOOD]), ask).data == {"list": []}


def test_hanging_answers_use_up_no_connection(tmp_path: Path) -> None:
    # At one request a second there are eight connections.
    peer = Peer([None])

    async def eight(client: Client, first: int) -> list[Any]:
        params = [{"advertiser_id": str(number)} for number in range(first, first + 8)]
        return await asyncio.gather(
            *(client.call("GET", REPORT, params=report_params) for report_params in params), return_exceptions=True
        )

    async def use(client: Client) -> tuple[list[Any], list[Any]]:
        hanging = await eight(client, 0)
        peer.says = [GOOD]
        return hanging, await eight(client, 8)

    limits = RateLimits(1, 10**6, 10**9)
    hanging, fine = over_the_network(tmp_path, peer, use, limits=limits, request_seconds=1.0, attempts=1)
    assert [type(outcome) for outcome in hanging] == [RetryError] * 8
    assert [outcome.data for outcome in fine] == [{"list": []}] * 8


def test_a_request_counts_from_when_it_goes_and_not_from_when_its_connection_is_asked_for(tmp_path: Path) -> None:
    peer = Peer([GOOD])
    now = [1_000.0]
    naps: list[float] = []

    class SlowToConnect(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            now[0] += 0.5
            return await super().handle_async_request(request)

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    async def use(_: Client) -> None:
        pace = Pace(FileLog(tmp_path / "slow.db"), "app", RateLimits(1, 60, 1_000), clock=lambda: now[0], sleep=nap)
        base_url = f"http://127.0.0.1:{peer.port}/open_api/v1.3"
        async with Client(base_url=base_url, pace=pace, transport=SlowToConnect()) as client:
            await ask(client)
            await ask(client)
        pace.close()

    over_the_network(tmp_path, peer, use)
    assert naps == pytest.approx([1 + Margin().seconds])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_server_on_this_machine_ends_after_three_tries_and_names_address_and_simulator(
    tmp_path: Path, host: str
) -> None:
    port = free_port()
    url = f"http://name:passw0rd@{host}:{port}/open_api/v1.3"
    with pytest.raises(RetryError) as caught:
        over_the_network(tmp_path, Peer([GOOD]), ask, url=url)
    message = str(caught.value)
    assert f"{REPORT} (advertiser 123): nothing answers at http://{host}:{port}. Tried 3 times in 0 s." in message
    assert message.endswith(f"If it is the simulator, start it with: adreel simulate --port {port}")
    assert not any(hidden in message for hidden in ("passw0rd", TOKEN, "open_api"))


def test_a_server_that_answered_before_is_waited_for_as_long_as_tiktok(tmp_path: Path) -> None:
    port = free_port()

    async def use(client: Client) -> int:
        peer = Peer([GOOD])
        server = await asyncio.start_server(peer._answer, "127.0.0.1", port)
        await ask(client)
        server.close()
        await server.wait_closed()
        with pytest.raises(RetryError, match=r"nothing answers at .* Tried 8 times"):
            await ask(client)
        server = await asyncio.start_server(peer._answer, "127.0.0.1", port)
        await ask(client)
        server.close()
        await server.wait_closed()
        return client.counts.requests

    assert over_the_network(tmp_path, Peer([GOOD]), use, url=f"http://127.0.0.1:{port}/open_api/v1.3") == 10


@pytest.mark.parametrize(
    ("host", "tries"), [("tiktok.test", 3), ("nottiktok.com", 3), ("business-api.tiktok.com", 8), ("tiktok.com", 8)]
)
def test_a_host_name_that_cannot_be_resolved_is_named_and_given_up_soon_unless_it_is_tiktoks(
    tmp_path: Path, host: str, tries: int
) -> None:
    class Nameless(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, _: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("[Errno -2] Name or service not known") from socket.gaierror(-2, "unknown")

    words = (
        rf"the host name {host} cannot be resolved\. Tried {tries} times in \d s\. "
        r"Check the network and the address of the API \(ADREEL_TIKTOK_URL\)\."
    )
    with pytest.raises(RetryError, match=words):
        over_the_network(tmp_path, Peer([GOOD]), ask, url=f"https://{host}/open_api/v1.3", transport=Nameless())


def test_the_proxy_of_the_environment_is_used_and_its_refusal_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer([http(b"<p>Log in first", status="407 Proxy Authentication Required")])

    async def use(_: Client) -> None:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{peer.port}")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{peer.port}")
        pace = Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"])
        async with Client(base_url=BASE, pace=pace, token=TOKEN) as client:
            with pytest.raises(StopError, match='HTTP 407 "Log in first": a proxy or firewall'):
                await ask(client)
        async with Client(base_url=BASE.replace("http:", "https:"), pace=pace, token=TOKEN) as client:
            with pytest.raises(StopError, match=r"the proxy refuses the connection \(407 Proxy Auth"):
                await ask(client)
        pace.close()

    over_the_network(tmp_path, peer, use)
    assert peer.heard[0].startswith(b"GET http://tiktok.test/open_api/v1.3/report/integrated/get/?")
    assert peer.heard[1].startswith(b"CONNECT tiktok.test:443 ")


def test_this_machine_is_reached_without_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.test:1")
    assert over_the_network(tmp_path, Peer([GOOD]), ask).data == {"list": []}


@pytest.mark.parametrize("proxy", ["socks5://user:pa55word@x:1", "gopher://user:pa55word@x"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    pace = Pace(FileLog(tmp_path / "pace.db"), "app", LEVELS["basic"])
    with pytest.raises(InputError, match="proxy that the environment names") as caught:
        Client(base_url="https://tiktok.test/open_api/v1.3", pace=pace)
    pace.close()
    assert "pa55word" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_secrets_are_in_no_log_of_the_libraries_below(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def use(client: Client) -> Any:
        await client.advertisers()
        with pytest.raises(StopError):
            await client.exchange(CODE)

    over_the_network(tmp_path, Peer([GOOD]), use, app_id="99", secret=SECRET)
    logged = caplog.text + repr([record.__dict__ for record in caplog.records])
    assert "httpcore2" in logged, "the libraries below do log"
    for secret in (TOKEN, SECRET, "s3cret", CODE):
        assert secret not in logged
