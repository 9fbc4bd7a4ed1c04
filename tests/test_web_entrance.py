"""First visit, signing in and out, sessions, and how guessing passwords is slowed down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.settings import Settings
from adreel.store import Role, Store
from adreel.web.app import create_app
from adreel.web.render import own_path
from home import make_home
from web_home import PASSWORD, Site, Visit, path_of, words_of

COOKIE = "adreel_session"


@pytest.fixture
def unused(tmp_path: Path) -> Iterator[Site]:
    """The Data Center of a home where nobody has been yet."""
    home = make_home(tmp_path / "home")
    settings = Settings.load({"ADREEL_HOME": str(home.path)})
    store = Store.open(settings, clock=lambda: home.now)
    site = Site(home, settings, store, create_app(settings, store, clock=lambda: home.now))
    yield site
    site.close()


def tried(visit: Visit, name: str, password: str) -> str:
    """What the sign-in page says; empty if the door opens."""
    answer = visit.post("/login", {"name": name, "password": password})
    return "" if answer.status_code == 303 else words_of(answer.text)


# -- the first visit


def test_every_page_of_a_new_home_redirects_to_the_set_up(unused: Site) -> None:
    visit = unused.visit()
    for path in ("/", "/datasets", "/accounts", "/query", "/users", "/login"):
        answer = visit.client.get(path)
        assert answer.url.path == "/setup", path
        assert "Create the administrator" in words_of(answer.text)


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({"password": PASSWORD, "again": "another one"}, "again", "The passwords do not match."),
        ({"password": "short", "again": "short"}, "password", "A password must have 10"),
        ({"name": "\t"}, "name", "cannot name"),
    ],
)
def test_a_refused_set_up_marks_its_field_and_has_the_focus_there(
    unused: Site, form: dict[str, str], field: str, words: str
) -> None:
    answer = unused.visit().post("/setup", {"name": "Ada", "password": PASSWORD, "again": PASSWORD} | form)
    assert answer.status_code == 422
    assert words in words_of(answer.text)
    (marked,) = re.findall(r"<input [^>]*aria-invalid[^>]*>", answer.text)
    assert f'name="{field}"' in marked
    assert 'aria-invalid="true"' in marked
    assert re.findall(r"<input [^>]*autofocus[^>]*>", answer.text) == [marked]


def test_only_the_first_visitor_becomes_the_administrator(unused: Site) -> None:
    visit = unused.visit()
    form = {"name": "Ada", "password": PASSWORD, "again": PASSWORD}
    assert visit.sent("/setup", form) == "/home"
    assert unused.store.users.get("ada").role is Role.ADMIN
    assert "No accounts yet" in words_of(visit.good("/accounts"))
    other = unused.visit()
    assert path_of(other.sent("/setup", {**form, "name": "Eve"})) == "/login"
    assert path_of(other.client.get("/setup", follow_redirects=False).headers["location"]) == "/login"
    assert [user.name for user in unused.store.users.list()] == ["Ada"]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"again": "another password"}, "The passwords do not match."),
        ({"password": "short", "again": "short"}, "10 to 1,000 characters"),
        ({"name": "  "}, "cannot name a user"),
        ({"name": PASSWORD}, "The password is too easy to guess: it is close to the user"),
    ],
)
def test_an_invalid_administrator_is_refused_at_the_form(unused: Site, form: dict[str, str], message: str) -> None:
    answer = unused.visit().post("/setup", {"name": "Ada", "password": PASSWORD, "again": PASSWORD} | form)
    assert answer.status_code == 422
    assert message in words_of(answer.text)
    assert not unused.store.users.any()
    assert COOKIE not in answer.cookies


# -- signing in


def test_signing_in_leads_to_the_page_that_was_wanted(site: Site) -> None:
    visit = site.visit()
    answer = visit.client.get("/accounts?used=used&q=a%20b", follow_redirects=False)
    assert answer.status_code == 303
    login = answer.headers["location"]
    assert login == "/login?next=/accounts%3Fused%3Dused%26q%3Da%2520b"
    page = visit.good(login)
    assert 'name="onward" value="/accounts?used=used&amp;q=a%20b"' in page
    form = {"name": "ADMIN", "password": PASSWORD, "onward": "/accounts?used=used&q=a%20b"}
    assert visit.sent("/login", form) == "/accounts?used=used&q=a%20b"


def test_a_part_of_a_page_sends_the_whole_page_to_sign_in(site: Site) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost:8765/accounts?used=used"}
    answer = site.visit().client.get("/accounts", headers=headers, follow_redirects=False)
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"] == "/login?next=/accounts%3Fused%3Dused"
    foreign = headers | {"HX-Current-URL": "https://evil.example//evil.example/x"}
    answer = site.visit().client.get("/accounts", headers=foreign, follow_redirects=False)
    assert answer.headers["hx-redirect"] == "/login"


def test_a_form_that_was_sent_without_a_session_leads_to_sign_in_and_does_nothing(site: Site) -> None:
    visit = site.visit()
    answer = visit.post("/accounts/1/delete")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert len(site.store.accounts.list()) == 1


def test_a_wrong_name_and_a_wrong_password_have_the_same_message(site: Site) -> None:
    site.store.users.disable(site.user("gone"))
    visit = site.visit()
    for name, password in (("admin", "wrong horse battery"), ("nobody", PASSWORD), ("gone", PASSWORD), ("", "")):
        page_text = tried(visit, name, password)
        assert "The name or the password is wrong." in page_text
        assert "Too many" not in page_text
    answer = visit.post("/login", {"name": "ada<b>", "password": "never shown"})
    assert "ada&lt;b&gt;" in answer.text
    assert "never shown" not in answer.text


def test_a_signed_in_visitor_is_redirected(site: Site) -> None:
    visit = site.visit("admin")
    answer = visit.client.get("/login?next=/query", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/query")


# -- guessing


def test_after_five_wrong_passwords_even_the_right_one_waits(site: Site) -> None:
    visit = site.visit()
    for _ in range(5):
        assert "is wrong" in tried(visit, "admin", "wrong horse battery")
    assert "Too many wrong passwords. Wait 1 min" in tried(visit, "Admin", PASSWORD)
    answer = visit.post("/login", {"name": "admin", "password": PASSWORD})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    site.home.now += timedelta(seconds=61)
    assert "is wrong" in tried(visit, "admin", "wrong horse battery")
    assert "Wait 2 min" in tried(visit, "admin", PASSWORD)
    site.home.now += timedelta(seconds=121)
    assert tried(visit, "admin", PASSWORD) == ""
    assert "is wrong" in tried(visit, "admin", "wrong horse battery")


def test_an_address_cannot_try_many_names(site: Site) -> None:
    visit = site.visit()
    for number in range(50):
        assert "is wrong" in tried(visit, f"name{number}", "wrong horse battery")
    assert "Too many wrong passwords." in tried(visit, "admin", PASSWORD)
    site.home.now += timedelta(minutes=16)
    assert tried(visit, "admin", PASSWORD) == ""


# -- sessions


def test_a_session_ends_with_signing_out_and_its_secret_is_good_for_nothing(site: Site) -> None:
    visit = site.visit("admin")
    secret = visit.client.cookies[COOKIE]
    assert path_of(visit.sent("/logout")) == "/login"
    assert COOKIE not in visit.client.cookies
    thief = site.visit()
    thief.client.cookies.set(COOKIE, secret, domain="localhost.local")
    assert thief.client.get("/accounts", follow_redirects=False).status_code == 303


def test_a_session_ends_after_a_week_without_use_and_after_a_month_with_it(site: Site) -> None:
    visit = site.visit("admin")
    for _ in range(4):
        site.home.now += timedelta(days=6)
        visit.good("/accounts")
    site.home.now += timedelta(days=6, hours=1)
    assert visit.client.get("/accounts", follow_redirects=False).status_code == 303
    other = site.visit("admin")
    site.home.now += timedelta(days=7, minutes=1)
    assert other.client.get("/accounts", follow_redirects=False).status_code == 303


def test_signing_in_never_reuses_an_earlier_session(site: Site) -> None:
    """Else whoever planted a session in a browser would be signed in with its user."""
    visit = site.visit()
    visit.client.cookies.set(COOKIE, "planted", domain="localhost.local")
    visit.sent("/login", {"name": "admin", "password": PASSWORD})
    secrets = {cookie.value for cookie in visit.client.cookies.jar if cookie.name == COOKIE}
    assert "planted" not in {secret for secret in secrets if secret and site.store.sessions.find(secret)}
    assert site.store.sessions.find("planted") is None
    first = next(secret for secret in secrets if secret and site.store.sessions.find(secret))
    visit.client.cookies.clear()
    visit.client.cookies.set(COOKIE, first, domain="localhost.local")
    visit.post("/login", {"name": "admin", "password": PASSWORD})
    assert site.store.sessions.find(first) is None


def test_the_look_is_kept_by_the_browser(site: Site) -> None:
    visit = site.visit("admin")
    assert visit.sent("/theme", {"theme": "dark", "onward": "/accounts"}) == "/accounts"
    assert 'data-bs-theme="dark"' in visit.good("/accounts")
    visit.sent("/theme", {"theme": '"><script>', "onward": "/accounts"})
    assert 'data-theme="auto"' in visit.good("/accounts")


def test_a_notice_is_shown_on_the_next_page_only(site: Site) -> None:
    visit = site.visit("admin")
    visit.sent("/workspace", {"name": "<b>Nord</b>", "zone": "UTC"})
    assert "Saved the workspace." in words_of(visit.good("/workspace"))
    assert "Saved the workspace." not in words_of(visit.good("/workspace"))


# -- where a person goes


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "evil.example",
    ],
)
def test_a_redirect_never_leads_to_another_site(site: Site, target: str) -> None:
    visit = site.visit()
    answer = visit.post("/login", {"name": "admin", "password": PASSWORD, "onward": target})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert visit.sent("/theme", {"theme": "dark", "onward": target}) == "/"
    signed = visit.client.get("/login", params={"next": target}, follow_redirects=False)
    assert signed.headers["location"] == "/"
    assert "evil" not in site.visit().get("/login", next=target).text


@given(st.text(max_size=30))
def test_an_own_path_never_names_a_host(text: str) -> None:
    path = own_path(text, "")
    assert path == "" or (path[0] == "/" and path[1:2] not in ("/", "\\") and "\\" not in path)


def test_the_server_reports_its_health(site: Site) -> None:
    answer = site.visit().get("/health")
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_every_page_shows_that_numbers_are_of_a_simulated_tiktok(site: Site) -> None:
    """Also when the Data Center is served without the settings that named the simulator: the account knows."""
    visit = site.visit("admin")
    assert "imulated TikTok" not in visit.words("/datasets")
    trial = site.store.accounts.add("Trial", token="t", app_id="a", base_url="http://127.0.0.1:8766/open_api/v1.3")
    assert "Some accounts read a simulated TikTok: their figures are invented." in visit.words("/datasets")
    for account in site.store.accounts.list():
        if account != trial:
            site.store.accounts.delete(account)
    assert "Simulated TikTok: all figures are invented." in visit.words("/users")
    assert 'href="http://127.0.0.1:8766/"' in visit.good("/users")
