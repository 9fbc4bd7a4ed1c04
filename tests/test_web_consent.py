"""Connecting accounts in the browser: TikTok's consent page, the way back, tokens, and another TikTok user's grant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from starlette.testclient import TestClient

from adreel.connections import Granter, same_user
from adreel.simulator import access_token
from adreel.store import Account, AccountStatus, Level, Role
from home import URL, Home, make_home
from web_home import ADDRESS, Site, Visit, open_site, path_of, words_of


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """The Data Center over a home without an account."""
    with open_site(make_home(tmp_path / "home", advertisers=4, ads=2)) as site:
        yield site


def begin(visit: Visit, name: str = "Shop") -> str:
    """TikTok's consent page for a new account."""
    return visit.sent("/accounts/connect", {"name": name})


def consent(home: Home, page: str, decision: str = "allow", ids: list[str] | None = None) -> str:
    """Where TikTok leads the browser after its page, as path and query of this site."""
    with TestClient(home.world, base_url=URL) as browser:
        form = browser.get(page).text
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
        ticked = re.findall(r'value="(\d+)" checked', form) if ids is None else ids
        data = {**hidden, "advertiser_id": ticked, "decision": decision}
        sent = browser.post(page.partition("?")[0], data=data, follow_redirects=False)
    location = str(sent.headers["location"])
    assert location.startswith(f"{ADDRESS}/callback?"), location
    return location.removeprefix(ADDRESS)


def landed(visit: Visit, way_back: str) -> str:
    """The page that a good way back leads to."""
    answer = visit.client.get(way_back, follow_redirects=False)
    assert answer.status_code == 303, words_of(answer.text)
    return words_of(visit.good(str(answer.headers["location"])))


def refused(visit: Visit, way_back: str, status: int) -> str:
    """What the page of a way back says that connects nothing."""
    answer = visit.client.get(way_back, follow_redirects=False)
    page_text = words_of(answer.text)
    assert answer.status_code == status, page_text
    assert "Connection failed" in page_text
    assert "Your accounts are unchanged." in page_text
    return page_text


def token_of(site: Site, account: Account) -> str:
    return site.store.accounts.token(site.store.accounts.get(account.id))


def test_connecting_leads_through_tiktoks_page_to_the_new_account(empty: Site) -> None:
    empty.user("ada")
    visit = empty.visit("ada")
    assert "No accounts yet" in words_of(visit.good("/accounts"))
    page = begin(visit)
    asked = parse_qs(urlsplit(page).query)
    assert page.startswith(f"{URL}/portal/auth?")
    assert asked["redirect_uri"] == [f"{ADDRESS}/callback"]
    assert len(asked["state"][0]) >= 32
    page_text = landed(visit, consent(empty.home, page))
    assert "Connected Shop as TikTok user Media Team 1: 3 ad accounts." in page_text
    assert "Nordlicht Möbel GmbH" in page_text
    assert "UTC-08:00 America/Los_Angeles" in page_text
    assert "Create dataset" in page_text
    assert "Connect an account" in words_of(visit.good("/accounts"))
    account = empty.store.accounts.get("Shop")
    assert {user.name: level for user, level in empty.store.shares.of(account).items()} == {"ada": Level.OWNER}


def test_an_advertiser_without_access_is_named_after_connecting(empty: Site) -> None:
    visit = empty.visit("admin")
    every = [advertiser["advertiser_id"] for advertiser in empty.home.door("state")["advertisers"]]
    closed = next(
        advertiser for advertiser in empty.home.door("state")["advertisers"] if advertiser["kind"] == "no_permission"
    )
    page_text = landed(visit, consent(empty.home, begin(visit), ids=every))
    assert f"TikTok denies access to {closed['advertiser_id']}" in page_text
    assert "No access" in page_text


def test_before_consent_the_page_says_which_tiktok_user_is_used(empty: Site) -> None:
    page_text = words_of(empty.visit("admin").good("/accounts/connect"))
    assert "TikTok connects the user who is logged in to TikTok in this browser." in page_text
    assert f"{ADDRESS}/callback" in page_text


def test_a_state_works_once(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    landed(visit, back)
    assert "was already used" in refused(visit, back, 422)
    assert len(empty.store.accounts.list()) == 1


def test_a_wrong_state_is_refused_and_the_right_one_still_works(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    wrong = re.sub(r"state=[^&]+", "state=of-somebody-else", back)
    assert "matches no connection started here" in refused(visit, wrong, 422)
    twice = f"{back}&state=another"
    assert "no state or several" in refused(visit, twice, 422)
    none = re.sub(r"&?state=[^&]+", "", back)
    assert "no state or several" in refused(visit, none, 422)
    assert "Connected Shop" in landed(visit, back)


def test_a_state_of_another_browser_is_refused(empty: Site) -> None:
    mine, other = empty.visit("admin"), empty.visit("admin")
    back = consent(empty.home, begin(mine))
    assert "was started in another browser" in refused(other, back, 422)
    assert empty.store.accounts.list() == ()
    assert "Connected Shop" in landed(mine, back)


def test_a_state_expires_after_15_minutes(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    empty.home.now += timedelta(minutes=16)
    assert "more than 15 minutes ago" in refused(visit, back, 422)
    assert empty.store.accounts.list() == ()


def test_a_redirect_to_a_signed_out_browser_shows_no_code(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    visit.post("/logout")
    answer = visit.client.get(back, follow_redirects=False)
    code = parse_qs(urlsplit(back).query)["auth_code"][0]
    assert answer.status_code == 403
    assert "You are signed out in this browser" in words_of(answer.text)
    assert code not in answer.text
    assert code not in str(answer.headers)


def test_a_refused_consent_is_reported_with_a_link_to_try_again(empty: Site) -> None:
    visit = empty.visit("admin")
    answer = visit.client.get(consent(empty.home, begin(visit), "refuse"))
    assert answer.status_code == 409
    assert "the consent was refused or cancelled" in words_of(answer.text)
    assert 'href="/accounts/connect?name=Shop"' in answer.text
    assert 'value="Shop"' in visit.good("/accounts/connect?name=Shop")
    assert empty.store.accounts.list() == ()


def test_a_code_that_tiktok_does_not_take_connects_nothing(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    bent = re.sub(r"code=[^&]+", "code=0123456789abcdef", back)
    page_text = refused(visit, bent, 409)
    assert "TikTok code 40110" in page_text
    assert "0123456789abcdef" not in page_text
    assert empty.store.accounts.list() == ()


def test_an_error_of_tiktok_after_the_redirect_is_shown_and_connects_nothing(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    empty.home.door("trouble", {"kind": "code", "code": 40118, "path": "oauth2/access_token"})
    assert "TikTok code 40118" in refused(visit, back, 502)
    assert empty.store.accounts.list() == ()


def test_without_an_app_there_is_no_redirect_to_tiktok(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.environ = {"ADREEL_TIKTOK_APP_ID": "", "ADREEL_TIKTOK_SECRET": ""}
    with open_site(home) as site:
        visit = site.visit("admin")
        page_text = words_of(visit.good("/accounts/connect"))
        assert "ADREEL_TIKTOK_APP_ID and ADREEL_TIKTOK_SECRET are not set" in page_text
        assert "Continue to TikTok" not in page_text
        answer = visit.post("/accounts/connect", {"name": "Shop"})
        assert answer.status_code == 422
        assert "ADREEL_TIKTOK_APP_ID" in words_of(answer.text)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "tab\x07"])
def test_an_invalid_name_is_refused_before_the_redirect_to_tiktok(empty: Site, name: str) -> None:
    answer = empty.visit("admin").post("/accounts/connect", {"name": name})
    assert answer.status_code == 422
    assert "cannot name an account" in words_of(answer.text)
    assert 'aria-invalid="true"' in answer.text


def test_a_taken_name_is_refused_before_the_redirect_to_tiktok(site: Site) -> None:
    answer = site.visit("admin").post("/accounts/connect", {"name": "demo"})
    assert answer.status_code == 422
    assert "Account 'demo' already exists" in words_of(answer.text)


def test_a_name_that_is_taken_meanwhile_can_be_chosen_anew_without_another_consent(empty: Site) -> None:
    visit = empty.visit("admin")
    back = consent(empty.home, begin(visit))
    empty.home.add_account("Shop", [0])
    answer = visit.get(back)
    assert answer.status_code == 409
    assert "Name already in use" in words_of(answer.text)
    key = key_of(answer.text)
    again = visit.post("/accounts/connect/decide", {"key": key, "choice": "new", "name": "Shop"})
    assert again.status_code == 422
    assert "Account 'Shop' already exists" in words_of(again.text)
    visit.sent("/accounts/connect/decide", {"key": key, "choice": "new", "name": "Shop 2"})
    assert sorted(account.name for account in empty.store.accounts.list()) == ["Shop", "Shop 2"]
    over = visit.post("/accounts/connect/decide", {"key": key, "choice": "new", "name": "Shop 3"})
    assert over.status_code == 422
    assert "This decision has expired" in words_of(over.text)


def test_a_configured_redirect_url_is_sent_to_tiktok_unchanged(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.environ = {"ADREEL_TIKTOK_REDIRECT_URL": "https://other.example/cb/Back/"}
    with open_site(home) as site:
        visit = site.visit("admin")
        answer = visit.post("/accounts/connect", {"name": "Shop"})
        # The way back does not lead here: the address is brought by hand.
        assert answer.status_code == 200
        page_text = words_of(answer.text)
        assert "https://other.example/cb/Back/" in page_text
        page = consent_page(answer.text)
        assert parse_qs(urlsplit(page).query)["redirect_uri"] == ["https://other.example/cb/Back/"]
        back = pasted(home, page)
        assert visit.post("/accounts/connect/paste", {"address": "http://[", "consent": page}).status_code == 422
        wrong = visit.post("/accounts/connect/paste", {"address": "https://other.example/cb/Back/", "consent": page})
        assert wrong.status_code == 422
        assert "the state is missing" in words_of(wrong.text)
        assert consent_page(wrong.text) == page
        location = visit.sent("/accounts/connect/paste", {"address": f"  {back} ", "consent": page})
        assert "Connected Shop" in words_of(visit.good(location))


def test_a_pasted_page_never_links_elsewhere(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.environ = {"ADREEL_TIKTOK_REDIRECT_URL": "https://other.example/cb"}
    with open_site(home) as site:
        visit = site.visit("admin")
        for evil in ("javascript:alert(1)", f"{URL}/portal/auth.evil", f"{URL}.evil.example/portal/auth", "//evil"):
            answer = visit.post("/accounts/connect/paste", {"address": "x", "consent": evil})
            assert evil not in answer.text


def consent_page(page: str) -> str:
    match = re.search(r'name="consent" value="([^"]+)"', page)
    assert match
    return match[1].replace("&amp;", "&")


def pasted(home: Home, page: str) -> str:
    """The address that TikTok leads to, wherever that is."""
    with TestClient(home.world, base_url=URL) as browser:
        form = browser.get(page).text
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
        ticked = re.findall(r'value="(\d+)" checked', form)
        data = {**hidden, "advertiser_id": ticked, "decision": "allow"}
        return str(browser.post(page.partition("?")[0], data=data, follow_redirects=False).headers["location"])


# -- connecting again


def test_an_account_is_reconnected_and_keeps_its_datasets(site: Site) -> None:
    account = site.store.accounts.get("demo")
    site.home.good("datasets", "create", "-f", site.home.file())
    site.home.door("revoke", {"token": site.home.token})
    site.store.accounts.set_status(account, AccountStatus.REVOKED)
    visit = site.visit("admin")
    assert "TikTok refused the access token. Reconnect the account" in words_of(visit.good("/accounts"))
    page_text = landed(visit, consent(site.home, visit.sent(f"/accounts/{account.id}/reconnect")))
    assert "Reconnected demo as TikTok user Media Team 1: 3 ad accounts." in page_text
    now = site.store.accounts.get("demo")
    assert (now.id, now.status) == (account.id, AccountStatus.VALID)
    assert [dataset.slug for dataset in site.store.datasets.list(now)] == ["spend"]


def another_user(site: Site) -> Account:
    """The account as if somebody else had granted it, whose token is dead by now."""
    account = site.store.accounts.get("demo")
    site.home.door("revoke", {"token": site.home.token})
    return site.store.accounts.set_token(account, site.home.token, owner="Berlin Office")


def key_of(page: str) -> str:
    match = re.search(r'name="key" value="([^"]+)"', page)
    assert match, words_of(page)
    return match[1]


def asked(site: Site, visit: Visit, account: Account) -> str:
    """The page that asks what becomes of another user's grant."""
    first = site.home.door("state")["advertisers"][0]["advertiser_id"]
    answer = visit.get(consent(site.home, visit.sent(f"/accounts/{account.id}/reconnect"), ids=[first]))
    assert answer.status_code == 409, words_of(answer.text)
    return str(answer.text)


def test_another_tiktok_user_needs_a_decision_before_anything_changes(site: Site) -> None:
    account, visit = another_user(site), site.visit("admin")
    before = token_of(site, account)
    page = asked(site, visit, account)
    page_text = words_of(page)
    assert "is connected as Berlin Office" in page_text
    assert "TikTok is now logged in as Media Team 1" in page_text
    assert "has access to 1 ad account." in page_text
    assert "These ad accounts would be lost: O'Brien & Sons" in page_text
    assert token_of(site, account) == before
    location = visit.sent("/accounts/connect/decide", {"key": key_of(page), "choice": "again"})
    assert path_of(location) == f"/accounts/{account.id}"
    now = site.store.accounts.get("demo")
    assert now.owner == "Media Team 1"
    assert token_of(site, account) != before


def test_another_tiktok_users_grant_can_become_an_account_of_its_own(site: Site) -> None:
    account, visit = another_user(site), site.visit("admin")
    before = token_of(site, account)
    page = asked(site, visit, account)
    visit.sent("/accounts/connect/decide", {"key": key_of(page), "choice": "new", "name": "Media Team"})
    assert token_of(site, account) == before
    assert site.store.accounts.get("Media Team").owner == "Media Team 1"


def test_another_tiktok_users_grant_can_be_let_go(site: Site) -> None:
    account, visit = another_user(site), site.visit("admin")
    before = token_of(site, account)
    key = key_of(asked(site, visit, account))
    visit.sent("/accounts/connect/decide", {"key": key, "choice": "drop"})
    assert token_of(site, account) == before
    assert visit.post("/accounts/connect/decide", {"key": key, "choice": "again"}).status_code == 422


def test_another_browser_cannot_decide_and_a_decision_waits_a_quarter_of_an_hour(site: Site) -> None:
    account, visit = another_user(site), site.visit("admin")
    before = token_of(site, account)
    key = key_of(asked(site, visit, account))
    other = site.visit("admin").post("/accounts/connect/decide", {"key": key, "choice": "again"})
    assert (other.status_code, "another browser" in words_of(other.text)) == (422, True)
    site.home.now += timedelta(minutes=16)
    assert visit.post("/accounts/connect/decide", {"key": key, "choice": "again"}).status_code == 422
    assert token_of(site, account) == before


def test_the_same_user_under_another_name_is_not_asked_about(site: Site) -> None:
    account = site.store.accounts.get("demo")
    # The token is good still, so TikTok's own number of the user tells that it is the same.
    site.store.accounts.set_token(account, site.home.token, owner="Media Team before the merger")
    visit = site.visit("admin")
    page_text = landed(visit, consent(site.home, visit.sent(f"/accounts/{account.id}/reconnect")))
    assert "Reconnected demo" in page_text


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (Granter("Ada", "1"), Granter("Ada", "2"), False),
        (Granter("Ada", "1"), Granter("Ada Lovelace", "1"), True),
        (Granter("Ada"), Granter("Ada", "2"), True),
        (Granter("Ada"), Granter("Bob", "2"), False),
        (Granter("", "1"), Granter("Bob"), True),
        (Granter(), Granter("Bob", "2"), True),
    ],
)
def test_tiktok_users_are_compared_by_number_or_else_by_name(before: Granter, now: Granter, same: bool) -> None:
    assert same_user(before, now) is same


def test_a_user_who_lost_the_right_meanwhile_connects_nothing(site: Site) -> None:
    account, ada = site.store.accounts.get("demo"), site.user("ada")
    site.store.shares.set(account, ada, Level.EDIT)
    visit = site.visit("ada")
    back = consent(site.home, visit.sent(f"/accounts/{account.id}/reconnect"))
    site.store.shares.set(account, ada, Level.READ)
    before = token_of(site, account)
    assert "cannot edit account 'demo'" in refused(visit, back, 403)
    assert token_of(site, account) == before


# -- with a token


def test_a_token_creates_an_account_and_is_never_shown_again(empty: Site) -> None:
    empty.user("ada")
    visit, token = empty.visit("ada"), empty.home.token
    bad = visit.post("/accounts/token", {"name": "Shop", "token": f"{token}x", "advertisers": ""})
    assert bad.status_code == 409
    assert "TikTok code 40105" in words_of(bad.text)
    assert token not in bad.text
    assert 'value="Shop"' in bad.text
    location = visit.sent("/accounts/token", {"name": "Shop", "token": f" {token}\n"})
    page = visit.good(location)
    assert "Connected Shop" in words_of(page)
    assert token not in page
    account = empty.store.accounts.get("Shop")
    assert token_of(empty, account) == token
    assert [user.name for user in empty.store.shares.of(account)] == ["ada"]


def test_a_token_that_may_not_list_its_advertisers_takes_their_ids(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.environ = {"ADREEL_TIKTOK_APP_ID": "", "ADREEL_TIKTOK_SECRET": ""}
    first, second, *_ = [advertiser["advertiser_id"] for advertiser in home.door("state")["advertisers"]]
    with open_site(home) as site:
        visit = site.visit("admin")
        form = {"name": "Shop", "token": home.token}
        without = visit.post("/accounts/token", form)
        assert (without.status_code, "ADREEL_TIKTOK_APP_ID" in words_of(without.text)) == (422, True)
        wrong = visit.post("/accounts/token", {**form, "advertisers": f"{first}, 12x"})
        assert (wrong.status_code, "'12x' is not a valid ad account ID" in words_of(wrong.text)) == (422, True)
        assert f"{first}, 12x" in wrong.text
        nobody = visit.post("/accounts/token", {**form, "advertisers": "123"})
        assert (nobody.status_code, "no details of ad account 123" in words_of(nobody.text)) == (409, True)
        visit.sent("/accounts/token", {**form, "advertisers": f"{first};\n{second},{first}"})
        assert site.store.accounts.get("Shop").selection == (first, second)


@pytest.mark.parametrize("token", ["", " ", "two words", "ümlaut", "x" * 1001])
def test_text_that_cannot_be_a_token_is_refused_and_not_sent(empty: Site, token: str) -> None:
    answer = empty.visit("admin").post("/accounts/token", {"name": "Shop", "token": token})
    assert answer.status_code == 422
    assert "The access token is not valid." in words_of(answer.text)
    assert empty.home.requests("user/info") == []


def test_an_account_takes_another_token(site: Site) -> None:
    account, visit = site.store.accounts.get("demo"), site.visit("admin")
    path = f"/accounts/{account.id}/token"
    bad = visit.post(path, {"token": "0123456789"})
    assert bad.status_code == 409
    assert "TikTok code 40105" in words_of(bad.text)
    assert token_of(site, account) == site.home.token
    other = access_token(site.home.config, [0])
    visit.sent(path, {"token": other})
    assert token_of(site, account) == other
    assert sum(not advertiser.gone for advertiser in site.store.accounts.advertisers(account)) == 1


# -- who may


def test_viewers_and_tokens_connect_nothing(site: Site) -> None:
    account, eve = site.store.accounts.get("demo"), site.user("eve", Role.VIEWER)
    site.store.shares.set(account, eve, Level.READ)
    visit = site.visit("eve")
    assert "Connect an account" not in visit.good("/accounts")
    for path in ("/accounts/connect", "/accounts/token"):
        assert visit.get(path).status_code == 403
        assert visit.post(path, {"name": "Shop", "token": site.home.token}).status_code == 403
    for action in ("reconnect", "token"):
        assert visit.post(f"/accounts/{account.id}/{action}", {"token": "x"}).status_code == 403
    _, secret = site.store.tokens.add(site.store.users.get("admin"), "program", False, None)
    program = site.visit().client
    for path in ("/accounts/connect", "/accounts/token", f"/accounts/{account.id}/reconnect"):
        sent = program.post(path, data={"name": "Shop"}, headers={"Authorization": f"Bearer {secret}"})
        assert (sent.status_code, "API tokens cannot " in words_of(sent.text)) == (403, True)
    assert len(site.store.accounts.list()) == 1


def test_a_redirect_with_garbage_shows_a_page(site: Site) -> None:
    visit = site.visit("admin")
    for query in ("", "state", "state=&auth_code=", urlencode({"state": "\x00\ud83d".encode("utf-8", "replace")}), "%"):
        assert "Connection failed" in words_of(visit.get(f"/callback?{query}").text)
