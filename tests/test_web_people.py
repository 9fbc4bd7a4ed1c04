"""The pages of people: users, one's own profile with API tokens, and the workspace."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from adreel.store import Level, Role
from web_home import PASSWORD, Site, Visit, path_of, words_of

LONG = "a longer horse battery"


def signs_in(site: Site, name: str, password: str) -> bool:
    return site.visit().post("/login", {"name": name, "password": password}).status_code == 303


def shown_once(page: str) -> str:
    """The password or token that a page shows."""
    match = re.search(r'id="made" value="([^"]+)"', page)
    assert match, words_of(page)
    return match[1]


# -- users


def test_the_list_shows_all_users(site: Site) -> None:
    ada = site.user("ada")
    site.store.users.disable(site.user("bob", Role.VIEWER))
    site.store.accounts.add("Shop", token="t", app_id="1", base_url="http://x.test", user=ada)
    page_text = words_of(site.visit("admin").good("/users"))
    assert "ada Editor never 1 Enabled" in page_text
    assert "admin (you) Admin just now 0 Enabled" in page_text
    assert "bob Viewer never 0 Disabled" in page_text


def test_a_user_is_added_with_a_password(site: Site) -> None:
    visit = site.visit("admin")
    assert visit.sent("/users", {"name": "ada", "role": "viewer", "password": LONG}) == "/users"
    assert site.store.users.get("ada").role is Role.VIEWER
    assert signs_in(site, "Ada", LONG)
    assert LONG not in visit.good("/users")


def test_a_generated_password_is_shown_once(site: Site) -> None:
    visit = site.visit("admin")
    answer = visit.post("/users", {"name": "ada", "role": "editor"})
    password = shown_once(answer.text)
    assert len(password) >= 20
    assert signs_in(site, "ada", password)
    assert password not in str(answer.headers)
    assert password not in visit.good("/users")
    assert shown_once(visit.post("/users", {"name": "bob", "role": "editor"}).text) != password


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"name": "ADMIN", "role": "editor", "password": LONG}, "There is a user 'ADMIN' already"),
        ({"name": "", "role": "editor", "password": LONG}, "cannot name a user"),
        ({"name": "ada", "role": "king", "password": LONG}, "Select a role."),
        ({"name": "ada", "role": "editor", "password": "short"}, "A password must have 10 to 1,000 characters"),
        (
            {"name": "ada lovelace", "role": "editor", "password": "Ada Lovelace"},
            "close to the user's name",
        ),
    ],
)
def test_an_invalid_user_is_refused_at_the_form(site: Site, form: dict[str, str], message: str) -> None:
    answer = site.visit("admin").post("/users", form)
    assert answer.status_code == 422
    assert message in words_of(answer.text)
    assert form["password"] not in answer.text
    assert f'value="{form["name"]}"' in answer.text
    assert len(site.store.users.list()) == 1


def test_another_role_holds_from_the_next_request_on(site: Site) -> None:
    ada, visit = site.user("ada"), site.visit("admin")
    hers = site.visit("ada")
    assert hers.get("/accounts/connect").status_code == 200
    visit.sent(f"/users/{ada.id}/role", {"role": "viewer"})
    assert hers.get("/accounts/connect").status_code == 403


def test_a_disabled_user_is_signed_out_at_once_and_can_be_enabled(site: Site) -> None:
    ada, visit = site.user("ada"), site.visit("admin")
    hers = site.visit("ada")
    _, secret = site.store.tokens.add(ada, "program", True, None)
    bearer = {"Authorization": f"Bearer {secret}"}
    visit.sent(f"/users/{ada.id}/disable")
    assert path_of(hers.client.get("/accounts", follow_redirects=False).headers["location"]) == "/login"
    assert hers.client.get("/accounts", headers=bearer, follow_redirects=False).status_code == 303
    assert not signs_in(site, "ada", PASSWORD)
    assert "Disabled" in words_of(visit.good(f"/users/{ada.id}"))
    visit.sent(f"/users/{ada.id}/enable")
    assert signs_in(site, "ada", PASSWORD)


def test_a_new_password_signs_the_user_out_everywhere(site: Site) -> None:
    ada, visit = site.user("ada"), site.visit("admin")
    hers = site.visit("ada")
    visit.sent(f"/users/{ada.id}/password", {"password": LONG})
    assert hers.client.get("/accounts", follow_redirects=False).status_code == 303
    assert (signs_in(site, "ada", PASSWORD), signs_in(site, "ada", LONG)) == (False, True)
    password = shown_once(visit.post(f"/users/{ada.id}/password").text)
    assert signs_in(site, "ada", password)
    short = visit.post(f"/users/{ada.id}/password", {"password": "short"})
    assert (short.status_code, "A password must have 10" in words_of(short.text)) == (422, True)


def test_a_password_from_an_administrator_ends_the_users_api_tokens(site: Site) -> None:
    ada, visit = site.user("ada"), site.visit("admin")
    _, secret = site.store.tokens.add(ada, "program", True, None)
    visit.sent(f"/users/{ada.id}/password", {"password": LONG})
    assert site.store.tokens.find(secret) is None


@pytest.mark.parametrize(("choice", "left"), [("stay", 1), ("end", 0)])
def test_a_password_change_keeps_or_revokes_the_users_tokens(site: Site, choice: str, left: int) -> None:
    ada = site.user("ada")
    hers = site.visit("ada")
    form = {"present": PASSWORD, "password": LONG, "again": LONG}
    assert 'name="tokens"' not in hers.good("/profile"), "nobody is asked about what they do not have"
    site.store.tokens.add(ada, "program", True, None)
    assert 'name="tokens"' in hers.good("/profile")
    answer = hers.post("/profile/password", form)
    assert (answer.status_code, "Select whether to keep or revoke your API tokens." in words_of(answer.text)) == (
        422,
        True,
    )
    assert signs_in(site, "ada", PASSWORD), "nothing was changed"
    hers.sent("/profile/password", form | {"tokens": choice})
    assert len(site.store.tokens.list(ada)) == left
    assert signs_in(site, "ada", LONG)


def test_an_administrators_own_password_needs_the_current_one(site: Site) -> None:
    admin = site.store.users.get("admin")
    answer = site.visit("admin").post(f"/users/{admin.id}/password", {"password": LONG})
    assert answer.status_code == 422
    assert "Change your own password on your profile" in words_of(answer.text)
    assert signs_in(site, "admin", PASSWORD)


def test_the_last_administrator_stays_one(site: Site) -> None:
    admin, visit = site.store.users.get("admin"), site.visit("admin")
    for action, form in (("role", {"role": "editor"}), ("disable", {}), ("delete", {})):
        answer = visit.post(f"/users/{admin.id}/{action}", form)
        assert answer.status_code == 422, action
        assert "'admin' is the last administrator who can sign in" in words_of(answer.text)
    site.user("root", Role.ADMIN)
    assert visit.sent(f"/users/{admin.id}/role", {"role": "editor"}) == "/"
    assert visit.get("/users").status_code == 403


def test_a_user_who_owns_accounts_alone_is_deleted_with_an_heir(site: Site) -> None:
    ada, bob, eve, visit = site.user("ada"), site.user("bob"), site.user("eve", Role.VIEWER), site.visit("admin")
    account = site.store.accounts.add("Shop", token="t", app_id="1", base_url="http://x.test", user=ada)
    page = visit.good(f"/users/{ada.id}")
    assert "New owner of Shop" in words_of(page)
    assert f'<option value="{bob.id}">' in page
    assert f'<option value="{eve.id}">' not in page
    path = f"/users/{ada.id}/delete"
    for heir, message in (("", "only owner of Shop"), (str(eve.id), "'eve' cannot take over Shop")):
        answer = visit.post(path, {"heir": heir})
        assert (answer.status_code, message in words_of(answer.text)) == (422, True)
    assert visit.sent(path, {"heir": bob.id}) == "/users"
    assert {user.name: level for user, level in site.store.shares.of(account).items()} == {"bob": Level.OWNER}
    assert visit.get(f"/users/{ada.id}").status_code == 404


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
def test_only_administrators_look_after_people_and_workspace(site: Site, role: Role) -> None:
    ada = site.user("ada")
    site.user("eve", role)
    visit = site.visit("eve")
    eve = site.store.users.get("eve")
    for path in ("/users", f"/users/{ada.id}", "/workspace"):
        refused = visit.get(path)
        assert refused.status_code == 403, path
        assert words_of(refused.text).endswith("View datasets"), path
    posts = ["/users", "/workspace"]
    posts += [f"/users/{eve.id}/{action}" for action in ("role", "password", "disable", "delete")]
    for path in posts:
        answer = visit.post(path, {"name": "x", "role": "admin", "password": LONG, "zone": "UTC"})
        assert answer.status_code == 403, path
    assert site.store.users.get("eve") == eve
    assert "Users" not in words_of(visit.good("/accounts"))


# -- one's own profile


def test_a_users_own_password_is_changed_with_the_current_one(site: Site) -> None:
    ada = site.user("ada")
    visit, other = site.visit("ada"), site.visit("ada")
    form = {"present": PASSWORD, "password": LONG, "again": LONG}
    for wrong, message in (
        ({"present": "wrong horse battery"}, "The current password is wrong."),
        ({"again": "something else"}, "The new passwords do not match."),
        ({"password": "short", "again": "short"}, "A password must have 10"),
    ):
        answer = visit.post("/profile/password", form | wrong)
        assert (answer.status_code, message in words_of(answer.text)) == (422, True)
        assert PASSWORD not in answer.text
    before = visit.client.cookies["adreel_session"]
    assert visit.sent("/profile/password", form) == "/profile"
    assert visit.client.cookies["adreel_session"] != before
    assert "Changed your password" in words_of(visit.good("/profile"))
    assert site.store.sessions.find(before) is None
    assert other.client.get("/profile", follow_redirects=False).status_code == 303
    assert len(site.store.sessions.list(ada)) == 1
    assert signs_in(site, "ada", LONG)


def test_guesses_of_the_current_password_are_limited(site: Site) -> None:
    site.user("ada")
    visit = site.visit("ada")
    form = {"present": "wrong horse battery", "password": LONG, "again": LONG}
    page_text = [words_of(visit.post("/profile/password", form).text) for _ in range(7)]
    assert "The current password is wrong." in page_text[0]
    assert "Too many wrong passwords." in page_text[-1]
    assert "Too many wrong passwords." in words_of(visit.post("/profile/password", form | {"present": PASSWORD}).text)


def test_other_browsers_are_listed_and_signed_out(site: Site) -> None:
    site.user("ada")
    phone = Visit(site.visit().client)
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"
    phone.post("/login", {"name": "ada", "password": PASSWORD}, headers={"User-Agent": agent})
    site.home.now += timedelta(hours=2)
    visit = site.visit("ada")
    page_text = words_of(visit.good("/profile"))
    assert "(this browser)" in page_text
    assert "Safari on iPhone" in page_text
    assert "2 hours ago" in page_text
    visit.sent("/profile/sessions/end")
    assert "Signed out 1 other browser." in words_of(visit.good("/profile"))
    assert phone.client.get("/profile", follow_redirects=False).status_code == 303


def test_an_api_token_is_created_shown_once_used_and_revoked(site: Site) -> None:
    ada = site.user("ada")
    visit = site.visit("ada")
    answer = visit.post("/profile/tokens", {"name": "nightly", "kind": "read", "days": "30", "newest": "0"})
    secret = shown_once(answer.text)
    assert secret.startswith("adreel_")
    page = visit.good("/profile")
    assert secret not in page
    assert "nightly Read only 2026-11-22 12:00 never 2026-12-22 12:00" in words_of(page)
    bearer = {"Authorization": f"Bearer {secret}"}
    program = site.visit().client
    assert program.get("/accounts", headers=bearer).status_code == 200
    (token,) = site.store.tokens.list(ada)
    assert token.read_only
    site.home.now += timedelta(days=31)
    visit = site.visit("ada")
    assert "Expired" in words_of(visit.good("/profile"))
    visit.sent(f"/profile/tokens/{token.id}/revoke")
    assert site.store.tokens.list(ada) == ()
    for number in (token.id, 10**30):
        assert visit.post(f"/profile/tokens/{number}/revoke").status_code == 404


def test_a_token_form_that_is_sent_again_creates_no_second_token(site: Site) -> None:
    """As a page that shows a secret does when it is loaded again."""
    visit = site.visit("admin")
    form = {"name": "nightly", "kind": "read", "days": "30", "newest": "0"}
    page = visit.post("/profile/tokens", form).text
    again = visit.post("/profile/tokens", form)
    assert (again.status_code, "This form was sent already" in words_of(again.text)) == (422, True)
    (token,) = site.store.tokens.list(site.store.users.get("admin"))
    assert f'name="newest" value="{token.id}"' in page
    shown_once(visit.post("/profile/tokens", form | {"newest": str(token.id)}).text)
    assert len(site.store.tokens.list(site.store.users.get("admin"))) == 2


def test_another_persons_token_cannot_be_revoked(site: Site) -> None:
    site.user("ada")
    token, _ = site.store.tokens.add(site.store.users.get("admin"), "nightly", False, None)
    assert site.visit("ada").post(f"/profile/tokens/{token.id}/revoke").status_code == 404
    assert site.store.tokens.list(site.store.users.get("admin")) == (token,)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"name": "", "kind": "read", "days": "30"}, "cannot name an API token"),
        ({"name": "x", "kind": "everything", "days": "30"}, "Select the access"),
        ({"name": "x", "kind": "all", "days": "31"}, "expiry of the API token"),
    ],
)
def test_an_invalid_token_form_is_refused(site: Site, form: dict[str, str], message: str) -> None:
    answer = site.visit("admin").post("/profile/tokens", form | {"newest": "0"})
    assert (answer.status_code, message in words_of(answer.text)) == (422, True)
    assert site.store.tokens.list(site.store.users.get("admin")) == ()


def test_an_api_token_creates_no_token_and_changes_no_password(site: Site) -> None:
    """Else one that may only read could make itself one that may do all."""
    admin = site.store.users.get("admin")
    _, secret = site.store.tokens.add(admin, "program", True, None)
    client, bearer = site.visit().client, {"Authorization": f"Bearer {secret}"}
    for path, form in (
        ("/profile/tokens", {"name": "more", "kind": "all", "days": ""}),
        ("/profile/password", {"present": PASSWORD, "password": LONG, "again": LONG}),
        ("/profile/sessions/end", {}),
        ("/users", {"name": "eve", "role": "admin", "password": LONG}),
        (f"/users/{admin.id}/role", {"role": "viewer"}),
        ("/workspace", {"name": "mine", "zone": "UTC"}),
    ):
        answer = client.post(path, data=form, headers=bearer, follow_redirects=False)
        assert answer.status_code == 403, path
    assert client.get("/profile", headers=bearer).status_code == 403
    assert client.get("/users", headers=bearer).status_code == 200
    assert len(site.store.tokens.list(admin)) == 1
    assert len(site.store.users.list()) == 1


# -- the workspace


def test_the_workspaces_name_and_zone_are_changed(site: Site) -> None:
    visit = site.visit("admin")
    assert visit.sent("/workspace", {"name": "Nordlicht", "zone": "asia/tokyo"}) == "/workspace"
    page = visit.good("/workspace")
    assert 'value="Asia/Tokyo"' in page
    assert "Admin of Nordlicht" in words_of(page)
    assert "2026-11-22 21:00" in words_of(visit.good("/accounts"))
    wrong = visit.post("/workspace", {"name": "Nordlicht", "zone": "Europe/Berln"})
    assert wrong.status_code == 422
    assert "Did you mean 'Europe/Berlin'?" in words_of(wrong.text)
    assert 'value="Europe/Berln"' in wrong.text


def test_the_workspace_shows_settings_without_secrets(site: Site) -> None:
    page = site.visit("admin").good("/workspace")
    page_text = words_of(page)
    for text in (str(site.home.path), "http://tiktok.test/open_api/v1.3", site.home.config.app_id, "ADREEL_LAKE_URL"):
        assert text in page_text
    assert "TikTok app secret (set) ADREEL_TIKTOK_SECRET, environment" in page_text
    assert site.home.config.secret not in page
    assert "Versions adreel" in page_text
    key = (site.home.path / "secret.key").read_text().strip()
    assert key not in page
