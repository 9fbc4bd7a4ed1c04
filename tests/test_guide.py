"""The guide to a first connection: its steps, the app that is entered there, what is checked, and where errors lead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adreel import guide
from adreel.errors import ExitCode, InputError, ReconnectError, StopError
from adreel.guide import Step
from adreel.store import AccountAdvertiser, Role
from api_home import program
from home import Home, make_home
from test_web_consent import consent
from web_home import ADDRESS, Site, Visit, open_site, words_of

UNSET = {"ADREEL_TIKTOK_APP_ID": "", "ADREEL_TIKTOK_SECRET": ""}


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Site]:
    """The Data Center of a new home whose environment names no app."""
    home = make_home(tmp_path / "home", advertisers=4, ads=2)
    home.environ = dict(UNSET)
    with open_site(home) as site:
        yield site


def enter(visit: Visit, site: Site, secret: str | None = None) -> None:
    config = site.home.config
    form = {"app_id": f" {config.app_id} ", "secret": config.secret if secret is None else secret}
    assert visit.sent("/accounts/guide/keys", form) == "/accounts/guide/keys"


def begun(visit: Visit, name: str = "Shop") -> str:
    return visit.sent("/accounts/connect", {"name": name, "guided": "1"})


def test_the_guide_leads_from_no_app_to_the_ad_accounts_and_keeps_the_place(bare: Site) -> None:
    visit = bare.visit("admin")
    assert "/accounts/guide" in visit.good("/accounts")
    assert "ADREEL_TIKTOK_APP_ID and ADREEL_TIKTOK_SECRET are not set" in visit.words("/accounts/connect")
    for step in (Step.DEVELOPER, Step.APP, Step.REDIRECT, Step.SCOPES):
        # Each time the guide is opened anew, as on another day.
        assert path(visit) == f"/accounts/guide/{step}"
        assert step.heading in visit.words("/accounts/guide/" + step)
        visit.sent(f"/accounts/guide/{step}/done", {"done": "yes"})
    assert path(bare.visit("admin")) == "/accounts/guide/keys"
    assert f'value="{ADDRESS}/callback"' in visit.good("/accounts/guide/redirect")
    visit.sent("/accounts/guide/app/done", {"done": "no"})
    assert path(visit) == "/accounts/guide/app"
    enter(visit, bare)
    visit.sent("/accounts/guide/app/done", {"done": "yes"})
    assert path(visit) == "/accounts/guide/consent"
    back = consent(bare.home, begun(visit))
    onward = str(visit.client.get(back, follow_redirects=False).headers["location"])
    account = bare.store.accounts.get("Shop")
    assert onward == f"/accounts/guide/ad-accounts?account={account.id}"
    page = visit.words(onward)
    assert "Connected Shop as TikTok user Media Team 1: 3 ad accounts." in page
    assert "Currencies: EUR" in page
    assert "A day begins at a different time in each." in page
    visit.sent("/accounts/guide/ad-accounts/done", {"done": "yes"})
    assert account.scopes == (1, 2, 3, 4, 6, 10)


def path(visit: Visit) -> str:
    return str(visit.client.get("/accounts/guide", follow_redirects=False).headers["location"])


def test_an_ad_account_without_access_is_named_with_what_to_do(bare: Site) -> None:
    visit = bare.visit("admin")
    enter(visit, bare)
    every = [advertiser["advertiser_id"] for advertiser in bare.home.door("state")["advertisers"]]
    back = consent(bare.home, begun(visit), ids=every)
    page = words_of(visit.client.get(back).text)
    assert "1 of them with problems" in page
    assert "No access: TikTok gives no details. Ask its owner to give the TikTok user access" in page


def test_the_secret_is_kept_encrypted_and_shown_nowhere(bare: Site) -> None:
    visit, config = bare.visit("admin"), bare.home.config
    enter(visit, bare)
    page = visit.good("/accounts/guide/keys")
    assert config.app_id in page
    assert "Entered " in words_of(page)
    assert "by admin." in words_of(page)
    for path_ in ("/accounts/guide/keys", "/workspace", "/audit"):
        assert config.secret not in visit.good(path_), path_
    answer = program(bare).get("/app")
    assert config.secret not in json.dumps(answer)
    assert (answer["app_id"], answer["secret_set"], answer["source"]) == (config.app_id, True, "stored")
    assert config.secret.encode() not in b"".join(
        file.read_bytes() for file in bare.home.path.rglob("*") if file.is_file()
    )
    assert bare.store.app.secret() == config.secret


def test_page_command_line_and_api_have_one_app(bare: Site) -> None:
    home, asking = bare.home, program(bare)
    config = home.config
    home.bad("app", "set", config.app_id)
    home.good("app", "set", config.app_id, "--secret-stdin", stdin=f"{config.secret}\n")
    shown = home.json("app", "show")
    api = asking.get("/app")
    assert shown.pop("changed_at").replace("+00:00", "Z")[:19] == api.pop("changed_at")[:19]
    assert shown == api
    assert config.app_id in bare.visit("admin").words("/workspace")
    for answer in (asking.good("POST", "/app/test"), home.json("app", "test")):
        assert answer["good"], answer
    assert f"Removed TikTok app {config.app_id}." in home.good("app", "remove", "--yes").stderr
    assert asking.get("/app")["source"] == home.json("app", "show")["source"] == ""
    asking.good("PUT", "/app", json={"app_id": "123", "secret": "of-another"})
    assert home.json("app", "show")["app_id"] == "123"
    code, words = home.bad("app", "test")
    assert code == ExitCode.RECONNECT
    assert asking.good("POST", "/app/test")["words"] in words
    assert "does not know this app ID" in words


def test_the_environment_wins_over_what_is_entered_and_the_page_says_so(tmp_path: Path) -> None:
    with open_site(make_home(tmp_path / "home", advertisers=1, ads=1)) as site:
        site.store.app.set("999", "of-another-app")
        visit = site.visit("admin")
        page = visit.words("/accounts/guide/keys")
        assert "The app is set by the server (environment), which takes precedence over this page." in page
        assert "App 999, which is entered here, is not used." in page
        query = parse_qs(urlsplit(visit.sent("/accounts/connect", {"name": "Shop"})).query)
        assert query["app_id"] == [site.home.config.app_id]
        assert program(site).get("/app")["source"] == "environment"
        assert "takes precedence" in site.home.good("app", "show").stderr


def test_half_an_app_of_the_environment_is_never_completed_from_the_store(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=1)
    home.environ = {"ADREEL_TIKTOK_SECRET": ""}
    with open_site(home) as site:
        site.store.app.set("999", "of-another-app")
        page = site.visit("admin").words("/accounts/connect")
        assert "ADREEL_TIKTOK_SECRET is not set, but ADREEL_TIKTOK_APP_ID is." in page
        assert not program(site).get("/app")["secret_set"]


def test_a_rotated_secret_holds_for_connected_accounts_at_once(bare: Site) -> None:
    visit = bare.visit("admin")
    enter(visit, bare)
    visit.client.get(consent(bare.home, begun(visit)), follow_redirects=False)
    account = bare.store.accounts.get("Shop")
    enter(visit, bare, "rotated-but-wrong")
    assert visit.post(f"/accounts/{account.id}/refresh").status_code != 303
    enter(visit, bare)
    assert visit.post(f"/accounts/{account.id}/refresh").status_code == 303
    # Without a new secret the old one stays, but never for another app.
    enter(visit, bare, "")
    assert bare.store.app.secret() == bare.home.config.secret
    refused = visit.post("/accounts/guide/keys", {"app_id": "another", "secret": ""})
    assert refused.status_code == 422
    assert "The secret is missing." in words_of(refused.text)


def test_rotating_the_keys_takes_the_app_along(bare: Site) -> None:
    enter(bare.visit("admin"), bare)
    bare.home.good("secrets", "rotate", "--new-key", "--drop-old")
    assert bare.store.app.secret() == bare.home.config.secret


def test_a_backup_has_the_app_the_steps_and_saved_queries(bare: Site, tmp_path: Path) -> None:
    visit = bare.visit("admin")
    enter(visit, bare)
    visit.sent("/accounts/guide/app/done", {"done": "yes"})
    visit.sent("/query/saved", {"name": "Mine", "sql": "select 1", "act": "new"})
    bare.home.good("backup", str(tmp_path / "b.tar"), "--with-key")
    other = Home(tmp_path / "other", bare.home.config, bare.home.world)
    other.environ = dict(UNSET)
    other.good("restore-backup", str(tmp_path / "b.tar"))
    assert other.json("app", "show")["app_id"] == bare.home.config.app_id


@pytest.mark.parametrize(
    ("app_id", "secret", "words"),
    [
        (None, "wrong", "TikTok refuses the secret: it is not that of this app ID. [40101]"),
        ("123", None, "TikTok does not know this app ID, or has blocked the app."),
        (None, None, "TikTok knows the app: it objected only to the made-up code of this test."),
    ],
)
def test_the_test_button_says_what_tiktok_answers(
    bare: Site, app_id: str | None, secret: str | None, words: str
) -> None:
    config = bare.home.config
    bare.store.app.set(app_id or config.app_id, secret or config.secret)
    answer = bare.visit("admin").post("/accounts/guide/keys/check")
    assert words in words_of(answer.text)
    assert (secret or config.secret) not in answer.text


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        (ADDRESS, "leads to this server as you opened it"),
        ("http://127.0.0.1:8765", "You opened the Data Center at http://127.0.0.1:8765, but"),
    ],
)
def test_the_redirect_url_is_compared_with_the_address_that_is_open(bare: Site, opened: str, words: str) -> None:
    check = guide.check_redirect(f"{ADDRESS}/callback", ADDRESS, opened)
    assert words in check.words
    assert check.good is (opened == ADDRESS)
    answer = bare.visit("admin").post("/accounts/guide/redirect/check")
    assert "leads to this server as you opened it" in words_of(answer.text)


def test_a_redirect_url_in_clear_text_is_refused_beyond_this_machine() -> None:
    check = guide.check_redirect("http://ads.example.com/callback", "http://ads.example.com", "http://ads.example.com")
    assert not check.good
    assert "would cross the network in the clear" in check.words


def test_errors_of_the_consent_name_the_step_to_return_to(bare: Site) -> None:
    visit = bare.visit("admin")
    enter(visit, bare)
    back = consent(bare.home, begun(visit), decision="refuse")
    assert "go back to step 6: Allow access" in words_of(visit.get(back).text)
    back = consent(bare.home, begun(visit))
    bare.store.app.set(bare.home.config.app_id, "wrong")
    page = visit.get(back).text
    assert "go back to step 5: Enter app ID and secret" in words_of(page)
    assert 'href="/accounts/guide/consent?name=Shop"' in page


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (ReconnectError("x", code=40110), Step.CONSENT),
        (ReconnectError("x", code=40113), Step.KEYS),
        (StopError("x", code=40124), Step.DEVELOPER),
        (StopError("No permission of scope", code=40001), Step.SCOPES),
        (
            ReconnectError("TikTok sent no authorization (redirect_uri mismatch): the consent was refused"),
            Step.REDIRECT,
        ),
        (ReconnectError("TikTok sent no authorization (invalid scope): the consent was refused"), Step.SCOPES),
        (InputError("This connection was begun more than 15 minutes ago and is over; begin anew."), Step.CONSENT),
    ],
)
def test_each_error_leads_to_the_step_that_mends_it(error: ReconnectError, step: Step) -> None:
    assert guide.step_for(error) is step


def test_only_administrators_enter_the_app_and_viewers_see_no_guide(bare: Site) -> None:
    bare.user("eddy")
    bare.user("vera", Role.VIEWER)
    eddy, vera = bare.visit("eddy"), bare.visit("vera")
    assert "Ask an administrator to enter" in eddy.words("/accounts/guide/keys")
    for form in ("/accounts/guide/keys", "/accounts/guide/keys/check", "/accounts/guide/keys/remove"):
        assert eddy.post(form, {"app_id": "1", "secret": "x"}).status_code == 403, form
    assert vera.get("/accounts/guide/app").status_code == 403
    assert vera.post("/accounts/guide/app/done", {"done": "yes"}).status_code == 403
    program(bare, "eddy").bad("GET", "/app", 403)
    program(bare, "admin", read_only=True).bad("PUT", "/app", 403, json={"app_id": "1", "secret": "x"})
    assert bare.store.app.get() is None


def test_missing_permissions_are_named_after_the_consent(bare: Site) -> None:
    visit = bare.visit("admin")
    enter(visit, bare)
    visit.client.get(consent(bare.home, begun(visit)), follow_redirects=False)
    account = bare.store.accounts.get("Shop")
    secret = bare.store.accounts.token(account)
    bare.store.accounts.set_token(account, secret, scopes=[1, 2, 10])
    page = visit.words("/accounts/guide/ad-accounts", account=str(account.id))
    assert "TikTok gave no permission for Reporting (4)." in page
    bare.store.accounts.set_token(account, secret)
    assert "gave no permission" not in visit.words("/accounts/guide/ad-accounts", account=str(account.id))


def test_what_an_ad_account_lacks_is_said_with_a_remedy(bare: Site) -> None:
    whole = AccountAdvertiser(
        account_id=1,
        advertiser_id="1",
        name="One",
        currency="EUR",
        timezone="Etc/GMT-1",
        display_timezone="Europe/Berlin",
        status="STATUS_ENABLE",
        country="DE",
        refreshed_at=bare.home.now,
        gone=False,
    )
    assert guide.gaps(whole) == ()
    facts: dict[str, dict[str, Any]] = {
        "No currency": {"currency": ""},
        "Status: ": {"status": "STATUS_DISABLE"},
        "No longer covered": {"gone": True},
        "No time zone from TikTok": {"display_timezone": "UTC (assumed)"},
        "is not a fixed offset": {"timezone": "Nowhere/Else", "display_timezone": ""},
    }
    for words, changes in facts.items():
        (gap,) = guide.gaps(replace(whole, **changes))
        assert words in gap.problem
        assert gap.remedy.endswith(".")


def test_each_permission_is_listed_once_with_what_it_is_for() -> None:
    assert [scope.number for scope in guide.SCOPES if scope.required] == [4, 1, 10, 2]
    assert len({scope.number for scope in guide.SCOPES}) == len(guide.SCOPES)
    assert all(re.fullmatch(r"[A-Z].*", scope.purpose) for scope in guide.SCOPES)
