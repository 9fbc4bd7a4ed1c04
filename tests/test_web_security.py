"""What holds on every page: who may send forms, under which names, what browsers may do, where secrets go."""

from __future__ import annotations

import logging
import re
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from adreel.settings import Settings
from adreel.store import Level, Role, Store
from adreel.web.app import create_app
from adreel.web.pages import ROUTERS
from adreel.web.security import Shield
from home import Home, make_home
from web_home import ADDRESS, PASSWORD, Site, open_site, words_of

OPEN = {
    *("/", "/health", "/ready", "/setup", "/login", "/logout", "/theme", "/language", "/callback", "/links/1.csv"),
    *("/docs", "/docs/1", "/docs/search"),
}
"""Pages for which nobody has to be signed in; whoever has a CSV link needs no more (test_csv_links.py)."""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One Data Center for all tests in which nothing may happen."""
    home = make_home(tmp_path_factory.mktemp("quiet") / "home")
    home.add_account()
    with open_site(home) as site:
        yield site


def routes(method: str, **values: str) -> list[str]:
    """The paths of all pages that take the method, with `values` or 1 in the place of each parameter."""
    names = {
        re.sub(r"\{([a-z_]+)[^}]*\}", lambda parameter: values.get(parameter[1], "1"), route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and method in (route.methods or ())
    }
    return sorted(names)


def browser(site: Site, user: str | None = None) -> TestClient:
    """A browser that adds no headers of its own."""
    return site.visit(user).client


# -- forms of other sites


@pytest.mark.parametrize("path", routes("POST"))
def test_a_form_of_another_site_does_nothing(quiet: Site, path: str) -> None:
    client = browser(quiet, "admin")
    before = quiet.home.kept()
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.localhost"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {},
    ):
        answer = client.post(path, data={"name": "evil"}, headers=headers, follow_redirects=False)
        assert answer.status_code == 403, headers
        assert "came from another site" in answer.text
    assert quiet.home.kept() == before
    assert client.get("/accounts", follow_redirects=False).status_code == 200


@pytest.mark.parametrize("kind", ["Basic YTpi", "Negotiate x", "Bearer", "Bearer ", "adreel_x", "", "Digest a=b"])
def test_an_authorization_that_is_not_ours_opens_nothing_and_shuts_nothing(quiet: Site, kind: str) -> None:
    headers = {"Authorization": kind}
    for path in ("/login", "/logout", "/theme", "/users", "/profile/password", "/api/v1/tokens"):
        answer = browser(quiet, "admin").post(path, headers=headers | {"Origin": "https://evil.example"})
        assert answer.status_code == 403, path
    if not kind.startswith("Bearer"):
        # A proxy with a password of its own has the browser send one along.
        assert browser(quiet, "admin").get("/accounts", headers=headers, follow_redirects=False).status_code == 200


def test_a_browser_that_sends_only_its_origin_can_send_forms(site: Site) -> None:
    client = browser(site)
    form = {"name": "admin", "password": PASSWORD}
    assert client.post("/login", data=form, headers={"Origin": ADDRESS}, follow_redirects=False).status_code == 303


# -- who is not signed in


@pytest.mark.parametrize("path", [path for path in routes("GET") if path not in OPEN])
def test_no_page_is_shown_to_a_stranger(quiet: Site, path: str) -> None:
    answer = browser(quiet).get(path, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", [path for path in routes("POST") if path not in OPEN])
def test_no_form_is_taken_from_a_stranger(quiet: Site, path: str) -> None:
    before = quiet.home.kept()
    answer = quiet.visit().post(path, {"name": "evil", "sql": "select 1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert quiet.home.kept() == before


def test_an_address_of_a_page_that_is_none_leads_to_sign_in(quiet: Site) -> None:
    for address in ("http://[", "http://[::1", "//", "\\x"):
        answer = browser(quiet).get("/accounts", headers={"HX-Request": "true", "HX-Current-URL": address})
        assert answer.headers["hx-redirect"] == "/login"


def test_a_token_that_is_none_is_not_helped_by_a_session(site: Site) -> None:
    client = browser(site, "admin")
    for header in ("Bearer adreel_wrong", "Bearer ", "bearer"):
        answer = client.get("/accounts", headers={"Authorization": header}, follow_redirects=False)
        assert answer.status_code == 303, header


# -- names


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "192.0.2.7:8765",
        "[2001:db8::1]",
        "my_evil.example",
        "localhost@evil.example",
        "localhost/evil",
        "localhost:evil",
        "[",
        "evil example",
        "localhost.",
    ],
)
def test_other_names_are_not_answered_to(quiet: Site, host: str) -> None:
    client = browser(quiet)
    answer = client.get("/login", headers={"Host": host}, follow_redirects=False)
    assert answer.status_code == 421
    own = {"Host": host, "Sec-Fetch-Site": "same-origin", "Origin": f"http://{host}"}
    for path in ("/login", "/api/v1/users"):
        assert client.post(path, headers=own).status_code == 421
    assert "ADREEL_WEB_URL" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "10.0.0.7:8765", "127.0.0.1", "[::1]:8765", "[", ""])
def test_monitors_can_use_any_host_name(quiet: Site, host: str) -> None:
    client = browser(quiet)
    for path, words in (("/health", "ok\n"), ("/ready", "ready\n")):
        answer = client.get(path, headers={"Host": host}, follow_redirects=False)
        assert (answer.status_code, answer.text) == (200, words)
        answer = client.head(path, headers={"Host": host}, follow_redirects=False)
        assert (answer.status_code, answer.text) == (200, "")
        assert client.post(path, headers={"Host": "evil.example"}).status_code == 421
    for path in ("/health/", "/health/../login", "/HEALTH", "//health"):
        assert client.get(path, headers={"Host": "evil.example"}, follow_redirects=False).status_code == 421, path


def test_a_home_that_cannot_be_read_is_not_ready_and_the_server_is_healthy(site: Site) -> None:
    client = browser(site)
    assert client.get("/ready").status_code == 200
    site.store.close()
    for path in site.home.path.glob("adreel.db*"):
        path.write_bytes(b"no database " * 100)
    answer = client.get("/ready")
    assert (answer.status_code, answer.text) == (503, "The database cannot be read.\n")
    assert client.get("/health").status_code == 200


# -- where requests come from


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ("", "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("10.0.0.0/8", "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.0.0.0/8,::1", "::1", "2001:db8::5", "2001:db8::/64"),
    ],
)
def test_only_named_proxies_say_where_a_request_came_from(
    tmp_path: Path, proxies: str, peer: str, forwarded: str, address: str
) -> None:
    home = make_home(tmp_path / "home")
    home.environ = {"ADREEL_PROXIES": proxies}
    with open_site(home) as site, TestClient(site.app, base_url=ADDRESS, client=(peer, 4711)) as client:
        headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": forwarded}
        client.post("/login", data={"name": "admin", "password": "wrong"}, headers=headers)
        with closing(sqlite3.connect(home.path / "adreel.db")) as database:
            assert database.execute("SELECT address FROM attempts").fetchall() == [(address,)]


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "[::1]:8765"])
def test_other_names_of_this_machine_redirect_to_the_name_of_the_cookies(quiet: Site, host: str) -> None:
    answer = browser(quiet).get("/callback?state=a%20b&code=c", headers={"Host": host}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{ADDRESS}/callback?state=a%20b&code=c")


# -- what browsers may do with answers


def headers_of(site: Site) -> Iterator[tuple[str, httpx2.Response]]:
    """An answer of every kind."""
    client = browser(site, "admin")
    own = {"Sec-Fetch-Site": "same-origin"}
    yield "page", client.get("/accounts")
    yield "fragment", client.get("/accounts", headers={"HX-Request": "true"})
    yield "redirect", client.get("/", follow_redirects=False)
    yield "sign-in", browser(site).get("/login")
    yield "not found", client.get("/no/such/page")
    yield "refused", client.get("/accounts/999")
    yield "malformed", client.get("/accounts?page=x")
    yield "form", client.post("/users", data={"name": ""}, headers=own)
    yield "other site", client.post("/users", data={"name": ""})
    yield "other name", client.get("/accounts", headers={"Host": "evil.example"})
    yield "too large", client.post("/users", data={"name": "x" * 4_100_000}, headers=own)
    yield "method", client.delete("/accounts", headers=own)
    yield "health", client.get("/health")
    yield "static", client.get("/static/adreel.css")
    yield "no static", client.get("/static/../../app.py")
    yield "api", client.get("/api/v1/me")
    yield "no api", client.get("/api/v1/no/such/thing")


def test_every_kind_of_answer_has_security_headers(site: Site) -> None:
    for kind, answer in headers_of(site):
        policy = dict(
            directive.strip().partition(" ")[::2] for directive in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'self'", kind
        assert policy["script-src"] == "'self'", kind
        assert policy["style-src"] == "'self'", kind
        assert policy["frame-ancestors"] == "'none'", kind
        assert policy["base-uri"] == "'none'", kind
        assert policy["object-src"] == "'none'", kind
        assert policy["form-action"] == "'self' http://tiktok.test", kind
        assert "unsafe" not in answer.headers["content-security-policy"], kind
        assert answer.headers["x-content-type-options"] == "nosniff", kind
        assert answer.headers["referrer-policy"] == "same-origin", kind
        if kind not in ("static", "no static"):
            assert answer.headers["cache-control"] == "no-store", kind


def test_pages_hold_no_script_and_no_style_of_their_own(site: Site) -> None:
    visit = site.visit("admin")
    for path in ("/accounts", "/accounts/connect", "/accounts/token", "/accounts/1", "/accounts/1/delete", "/users"):
        assert_plain(visit.good(path))
    for path in ("/users/1", "/profile", "/workspace", "/query"):
        assert_plain(visit.good(path))
    assert_plain(site.visit().good("/login"))


def assert_plain(page: str) -> None:
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert "<style" not in page
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page)
    assert "javascript:" not in page
    assert not re.search(r'(src|href|action)="(https?:)?//(?!tiktok\.test)', page)


# -- cookies


def cookies_of(answer: httpx2.Response) -> dict[str, tuple[str, set[str]]]:
    """Each cookie that an answer sets: its value and its flags."""
    cookies = {}
    for header in answer.headers.get_list("set-cookie"):
        first, *rest = [part.strip() for part in header.split(";")]
        parsed: SimpleCookie = SimpleCookie(first)
        for name, morsel in parsed.items():
            cookies[name] = (morsel.value, {part.casefold() for part in rest})
    return cookies


def test_a_sessions_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    answer = site.visit().post("/login", {"name": "admin", "password": PASSWORD})
    value, flags = cookies_of(answer)["adreel_session"]
    assert len(value) >= 43
    assert {"httponly", "samesite=lax", "path=/"} <= flags
    assert "secure" not in flags
    assert not any(flag.startswith("domain") for flag in flags)


def test_over_https_cookies_travel_by_https_alone(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.environ = {"ADREEL_WEB_URL": "https://ads.example"}
    with open_site(home) as site, TestClient(site.app, base_url="https://ads.example") as client:
        form = {"name": "admin", "password": PASSWORD, "onward": "/workspace"}
        own = {"Sec-Fetch-Site": "same-origin"}
        answer = client.post("/login", data=form, headers=own, follow_redirects=False)
        assert "secure" in cookies_of(answer)["adreel_session"][1]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        saved = client.post("/workspace", data={"name": "x", "zone": "UTC"}, headers=own, follow_redirects=False)
        assert "secure" in cookies_of(saved)["adreel_said"][1]
        theme = client.post("/theme", data={"theme": "dark"}, headers=own, follow_redirects=False)
        assert "secure" in cookies_of(theme)["adreel_theme"][1]


# -- addresses that are wrong


PATHS = [path for path in routes("GET", slug="spend", run_id="0") if path not in OPEN]
NONSENSE = "slug before after version page count column days format currency advertiser key account report like table"


def test_a_page_that_is_not_there_says_so_once_with_the_nearest_and_a_way_on(quiet: Site) -> None:
    quiet.home.good("datasets", "create", "-f", quiet.home.file("found.yaml", name="Spend by ad"))
    visit = quiet.visit("admin")
    page = visit.get("/datasets/spend_by_add").text
    main = words_of(page[page.index("<main") :])
    assert main == "404 Dataset 'spend_by_add' was not found. Did you mean spend_by_ad ? View datasets"
    assert 'href="/datasets/spend_by_ad"' in page
    quiet.user("eve", Role.EDITOR)
    for user, path, sentence, onward in (
        (
            "eve",
            "/datasets/spend_by_add",
            "Dataset 'spend_by_add' was not found, or it is not shared with you.",
            "datasets",
        ),
        ("admin", "/datasets/zzz", "Dataset 'zzz' was not found.", "datasets"),
        ("admin", "/accounts/77", "Account '77' was not found.", "accounts"),
        ("admin", "/users/77", "User '77' was not found.", "users"),
        ("admin", "/nothing", "This page does not exist.", "datasets"),
    ):
        page = quiet.visit(user).get(path).text
        assert words_of(page[page.index("<main") :]) == f"404 {sentence} View {onward}", path


# -- secrets


def test_the_database_holds_no_secret_of_ours_in_clear_text(site: Site) -> None:
    visit = site.visit("admin")
    session = visit.client.cookies["adreel_session"]
    _, token = site.store.tokens.add(site.store.users.get("admin"), "program", False, None)
    page = visit.sent("/accounts/connect", {"name": "Shop"})
    state = re.findall(r"state=([^&]+)", page)[0]
    site.store.close()
    kept = b"".join(path.read_bytes() for path in site.home.path.rglob("*") if path.is_file())
    for secret in (session, token, state, PASSWORD, site.home.token):
        assert secret.encode() not in kept


def test_no_secret_reaches_a_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visit = site.visit("admin")
    session = visit.client.cookies["adreel_session"]
    created = visit.post("/users", {"name": "ada", "role": "editor"})
    password = re.findall(r'id="made" value="([^"]+)"', created.text)[0]
    token = re.findall(
        r'id="made" value="([^"]+)"',
        visit.post("/profile/tokens", {"name": "x", "kind": "read", "days": "30", "newest": "0"}).text,
    )[0]
    visit.post("/accounts/1/refresh")
    visit.post("/accounts/token", {"name": "Shop", "token": site.home.token})
    visit.post("/accounts/token", {"name": "Shop", "token": "wrong-token-0123456789"})
    secrets = (session, password, token, PASSWORD, site.home.token, site.home.config.secret, "wrong-token-0123456789")
    written = caplog.text + "".join(str(record.__dict__) for record in caplog.records if record.name != "httpx2")
    for secret in secrets:
        assert secret not in written


def test_an_unexpected_error_has_one_id_for_its_page_the_api_and_the_log(tmp_path: Path) -> None:
    class Broken(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            raise RuntimeError(f"boom {request.headers.get('access-token')}")

    home: Home = make_home(tmp_path / "home")
    home.add_account()
    home.transport = Broken()
    with open_site(home) as site:
        cookie = site.visit("admin").client.cookies["adreel_session"]
        logged: list[str] = []

        async def logging_server(scope: Scope, receive: Receive, send: Send) -> None:
            """What uvicorn does with an error that an app raises after its answer."""
            try:
                await site.app(scope, receive, send)
            except RuntimeError as error:
                logged.append("".join(traceback.format_exception(error)))

        client = TestClient(logging_server, base_url=ADDRESS)
        headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"adreel_session={cookie}"}
        page = client.post("/accounts/1/refresh", headers=headers)
        answer = client.post("/api/v1/accounts/1/advertisers/refresh", headers=headers)
    ids = [re.findall(r"Unexpected error ([0-9a-f]{8})\. Send", words_of(sent.text))[0] for sent in (page, answer)]
    assert ids[0] != ids[1] == answer.json()["error"]["error_id"]
    for sent, error_id, lines in zip((page, answer), ids, logged, strict=True):
        assert sent.status_code == 500
        assert "script-src 'self'" in sent.headers["content-security-policy"]
        assert sent.headers["cache-control"] == "no-store"
        assert lines.endswith(f"\nError ID: {error_id}\n")
        for hidden in ("boom", home.token, "Traceback"):
            assert hidden not in sent.text


def test_a_fault_of_the_database_that_no_page_can_show_is_answered_in_plain_text(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with open_site(home) as site:
        visit = site.visit("admin")
        client = TestClient(
            site.app, base_url=ADDRESS, raise_server_exceptions=False, cookies=dict(visit.client.cookies)
        )
        with closing(sqlite3.connect(home.path / "adreel.db")) as database:
            database.execute("DROP TABLE workspace")
            database.commit()
        answer = client.get("/profile")
    assert answer.status_code == 507
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "The database cannot be read. An administrator can find the reason in the server's log.\n"


# -- the form for SQL


def test_sql_of_another_site_is_not_asked(site: Site) -> None:
    client = browser(site, "admin")
    for path in ("/query", "/query/download"):
        answer = client.post(path, data={"sql": "select 42"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
    assert "42" not in words_of(client.get("/query?sql=select%2042").text)


def test_text_in_an_answer_is_shown_and_not_run(site: Site) -> None:
    site.home.good("run", "-f", site.home.file())
    visit = site.visit("admin")
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    part = visit.fragment("POST", "/query", {"sql": f"select '{evil}' as \"{evil}\", spend from spend limit 1"}).text
    assert "<script" not in part
    assert "<img" not in part
    # The heading, the value, and the choices of the chart.
    assert part.count("&lt;script&gt;") == 4
    wrong = visit.fragment("POST", "/query", {"sql": f'select "{evil}" from spend'}).text
    assert "<img" not in wrong


# -- every role


@pytest.mark.parametrize("role", list(Role))
def test_no_page_breaks_for_any_role(site: Site, role: Role) -> None:
    site.user("eve", role)
    visit = site.visit("eve")
    for path in ("/accounts", "/accounts/connect", "/accounts/token", "/accounts/1", "/accounts/1/delete", "/users"):
        assert visit.get(path).status_code in (200, 403, 404), path
    for path in ("/users/1", "/profile", "/workspace", "/query", "/query/tables", "/query/tables/spend"):
        assert visit.get(path).status_code in (200, 403, 404), path


def test_a_home_without_a_user_shows_nothing_but_the_first_visit(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    settings = Settings.load({"ADREEL_HOME": str(home.path)})
    with Store.open(settings, clock=lambda: home.now) as store:
        client = TestClient(create_app(settings, store, clock=lambda: home.now), base_url=ADDRESS)
        answer = client.post(
            "/accounts/token", data={"name": "x"}, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/setup")


ANYTHING = {"slug": "spend", "action": "run", "sql": "select 1"}


@pytest.mark.slow
def test_a_viewers_refusal_names_the_action_and_who_can_grant_it(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.add_account()
    with open_site(home) as site:
        home.good("datasets", "create", "-f", home.file())
        vera = site.user("vera", Role.VIEWER)
        site.store.shares.set(site.store.accounts.get("demo"), vera, Level.READ)
        site.store.runs.add(site.store.datasets.get("spend"), "0")
        visit = site.visit("vera")
        before = home.kept()
        refused = {
            (method, path): words_of(answer.text)
            for method in ("GET", "POST")
            for path in routes(method, slug="spend", run_id="0")
            if path not in OPEN and not path.startswith("/profile")
            for answer in [visit.get(path) if method == "GET" else visit.post(path, ANYTHING)]
            if answer.status_code == 403
        }
        assert home.kept() == before
    assert len(refused) == 76
    sentence = (
        r"Only administrators( and editors)? can [a-z, ]+\. vera is a viewer\. "
        r"Ask an administrator \(admin\) to change this role\."
    )
    assert {route: words for route, words in refused.items() if not re.search(sentence, words)} == {}


# -- bodies


def test_memory_for_large_bodies_is_bounded(quiet: Site) -> None:
    """Each is allowed; together they are more than the server keeps at a time."""
    body = b" " * 900_000
    headers = [(b"host", b"localhost"), (b"content-length", b"900000"), (b"authorization", b"Bearer adreel_x")]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/query", "query_string": b"", "scheme": "http"}
    answered: list[list[Any]] = []

    async def asked() -> None:
        over = anyio.Event()

        async def waiting(_: Any, __: Any, ___: Any) -> None:
            await over.wait()

        shield = Shield(waiting, quiet.settings)

        async def ask() -> None:
            sent: list[Any] = []
            answered.append(sent)

            async def receive() -> Any:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: Any) -> None:
                sent.append(message)

            await shield({**scope, "headers": headers, "server": ("localhost", 80)}, receive, send)

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            over.set()

    anyio.run(asked)
    statuses = [sent[0]["status"] for sent in answered if sent]
    assert statuses == [503, 503]
