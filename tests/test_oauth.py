from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest

from adreel.errors import AdreelError, InputError, ReconnectError, RetryError
from adreel.tiktok.oauth import Listener, consent_url, new_state, read_callback

STATE = "s-1 / ü"
CODE = "a-code-that-nobody-may-see"
CALLBACK = f"http://localhost:8765/callback?auth_code={CODE}&code={CODE}&state={quote(STATE)}"


def test_a_state_is_long_and_never_the_same() -> None:
    states = {new_state() for _ in range(50)}
    assert len(states) == 50
    assert min(len(state) for state in states) >= 43


def test_the_consent_page_gets_app_state_and_redirect_address_and_keeps_its_own_query() -> None:
    url = consent_url(
        "https://business-api.tiktok.com/portal/auth?rid=7&state=old", "99", STATE, "http://localhost:1/c?x=1"
    )
    assert url.startswith("https://business-api.tiktok.com/portal/auth?")
    assert parse_qs(urlsplit(url).query) == {
        "rid": ["7"],
        "app_id": ["99"],
        "state": [STATE],
        "redirect_uri": ["http://localhost:1/c?x=1"],
    }


@pytest.mark.parametrize("url", ["business-api.tiktok.com/portal/auth", "ftp://x/y", "http://[", "https://a:b/"])
def test_a_consent_page_that_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="not a web address"):
        consent_url(url, "99", STATE, "http://localhost:1/c")


@pytest.mark.parametrize(
    "address",
    [
        CALLBACK,
        f"  {CALLBACK}#_\n",
        urlsplit(CALLBACK).query,
        f"?code={CODE}&state={quote(STATE)}",
        f"https://adreel.example/back?auth_code={CODE}&state={quote(STATE)}&extra=1",
    ],
)
def test_the_code_is_found_in_a_whole_address_or_its_query(address: str) -> None:
    assert read_callback(address, STATE) == CODE


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        (CALLBACK.replace("s-1", "s-2"), InputError, "another consent"),
        (f"{CALLBACK}&state=other", InputError, "another consent"),
        (f"{CALLBACK}&auth_code=other", InputError, "more than one"),
        (CODE, InputError, "no state"),
        ("", InputError, "no state"),
        ("http://[?", InputError, "no state"),
        (f"?auth_code={CODE}&state=", InputError, "no state"),
        (f"?auth_code={CODE}&state=\udcff", InputError, "another consent"),
        (f"?state={quote(STATE)}", ReconnectError, "refused or cancelled"),
        (f"?auth_code=&state={quote(STATE)}", ReconnectError, "refused or cancelled"),
        (f"?error=access_denied&state={quote(STATE)}", ReconnectError, "access_denied"),
    ],
)
def test_a_callback_that_cannot_be_used_says_why_and_shows_neither_code_nor_state(
    address: str, kind: type[AdreelError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read_callback(address, STATE)
    assert CODE not in str(caught.value)
    assert STATE not in str(caught.value)


async def visit(listener: Listener, query: str, method: str = "GET") -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as browser:
        return await browser.request(method, f"{listener.redirect_uri}?{query}")


GOOD = f"auth_code={CODE}&state={quote(STATE)}"


def test_the_listener_takes_the_first_valid_callback_and_refuses_all_else() -> None:
    async def main() -> tuple[str, list[httpx2.Response]]:
        async with Listener(STATE) as listener:
            code = asyncio.ensure_future(listener.code(30))
            pages = [
                await visit(listener, f"auth_code={CODE}&state=wrong"),
                await visit(listener, GOOD, "POST"),
            ]
            assert not code.done()
            pages.append(await visit(listener, GOOD))
            pages.append(await visit(listener, GOOD))
            return await code, pages

    code, pages = asyncio.run(main())
    assert code == CODE
    assert [page.status_code for page in pages] == [400, 405, 200, 410]
    for page, words in zip(pages, ("another consent", "GET requests only", "Connected", "Already used"), strict=True):
        assert words in page.text
        assert CODE not in page.text
        assert STATE not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_person_who_refuses_ends_the_wait_with_a_reason_that_cannot_become_markup() -> None:
    async def main() -> httpx2.Response:
        async with Listener(STATE) as listener:
            page = await visit(listener, f"error={quote('<b>denied</b>')}&state={quote(STATE)}")
            with pytest.raises(ReconnectError, match="denied"):
                await listener.code(30)
            return page

    page = asyncio.run(main())
    assert page.status_code == 403
    assert "<b>" not in page.text


def test_nobody_who_comes_back_ends_the_wait_in_time_and_later_visits_are_refused() -> None:
    async def main() -> httpx2.Response:
        async with Listener(STATE) as listener:
            with pytest.raises(RetryError, match="was not completed within"):
                await listener.code(0.02)
            return await visit(listener, GOOD)

    assert asyncio.run(main()).status_code == 410


def test_the_listener_answers_only_on_its_own_path_and_this_machine() -> None:
    async def main() -> tuple[int, str]:
        async with Listener(STATE, path="/back") as listener:
            async with httpx2.AsyncClient(trust_env=False) as browser:
                answer = await browser.get(listener.redirect_uri.replace("/back", "/favicon.ico"))
            return answer.status_code, listener.redirect_uri

    status, address = asyncio.run(main())
    assert status == 404
    assert address.startswith("http://127.0.0.1:")
    assert address.endswith("/back")


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\xfe nonsense\r\n\r\n", b"x" * 40_000])
def test_a_visitor_that_speaks_no_http_disturbs_nothing(sent: bytes) -> None:
    async def main() -> str:
        async with Listener(STATE) as listener:
            idle, guest = [
                await asyncio.open_connection("127.0.0.1", urlsplit(listener.redirect_uri).port) for _ in range(2)
            ]
            guest[1].write(sent)
            guest[1].write_eof()
            assert (await guest[0].read())[:12] in (b"", b"HTTP/1.1 404")
            await visit(listener, GOOD)
            code = await listener.code(30)
        for _, writer in (idle, guest):
            writer.close()
        return code

    assert asyncio.run(main()) == CODE


def test_a_redirect_address_on_this_machine_can_be_listened_at() -> None:
    async def main() -> str:
        async with Listener(STATE) as free:
            port = urlsplit(free.redirect_uri).port
        async with Listener.at(f"http://localhost:{port}/callback", STATE) as listener:
            await visit(listener, GOOD)
            return await listener.code(30)

    assert asyncio.run(main()) == CODE


@pytest.mark.parametrize("address", ["https://localhost:8765/callback", "http://adreel.example/callback", "http://[/"])
def test_a_redirect_address_elsewhere_is_refused_with_the_way_out(address: str) -> None:
    with pytest.raises(InputError, match=r"paste the address|not a web address"):
        Listener.at(address, STATE)


def test_a_port_that_is_taken_is_named() -> None:
    async def main() -> None:
        async with Listener(STATE) as first:
            port = urlsplit(first.redirect_uri).port or 0
            with pytest.raises(InputError, match=f"Port {port} of this machine"):
                async with Listener(STATE, port=port):
                    pass

    asyncio.run(main())
