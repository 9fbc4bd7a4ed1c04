"""Users, tokens and the workspace over the API."""

from __future__ import annotations

from adreel.store import Level, Role
from api_home import API, program
from web_home import PASSWORD, Site


def test_me_has_the_user_and_their_rights(site: Site) -> None:
    profile = program(site, site.user("ada", Role.VIEWER), read_only=True).get("/me")
    assert profile["user"]["name"] == "ada"
    assert (profile["user"]["role"], profile["read_only"], profile["may_edit"]) == ("viewer", True, False)
    assert profile["workspace"] == {"name": "adreel", "zone": "UTC"}
    assert profile["simulated"] is None


def test_an_administrator_adds_changes_and_deletes_a_user(site: Site) -> None:
    asking = program(site)
    answer = asking.ask("POST", "/users", json={"name": "Grace", "password": PASSWORD, "role": "editor"})
    assert answer.status_code == 201
    user = answer.json()
    assert answer.headers["location"] == f"{API}/users/{user['id']}"
    assert asking.get(f"/users/{user['id']}") == user
    assert PASSWORD not in answer.text
    site.visit("Grace")
    assert asking.good("PATCH", f"/users/{user['id']}", json={"role": "viewer"})["role"] == "viewer"
    assert [entry["name"] for entry in asking.get("/users")["items"]] == ["admin", "Grace"]
    assert asking.get("/users", limit=1, offset=1)["items"][0]["name"] == "Grace"
    asking.good("DELETE", f"/users/{user['id']}", 204)
    asking.bad("GET", f"/users/{user['id']}", 404)


def test_another_password_ends_the_users_sessions(site: Site) -> None:
    ada = site.user("ada")
    visit, asking = site.visit(ada), program(site)
    assert visit.get(f"{API}/me").status_code == 200
    asking.good("PUT", f"/users/{ada.id}/password", 204, json={"password": "another horse battery"})
    assert visit.get(f"{API}/me").status_code == 401
    assert site.store.users.check("ada", "another horse battery")
    asking.bad("PUT", f"/users/{ada.id}/password", 422, json={"password": "short"})


def test_another_password_by_an_administrator_ends_the_users_tokens(site: Site) -> None:
    ada = site.user("ada")
    hers = program(site, ada)
    hers.get("/me")
    program(site).good("PUT", f"/users/{ada.id}/password", 204, json={"password": "another horse battery"})
    hers.bad("GET", "/me", 401)


def test_a_change_of_the_own_password_needs_the_present_one(site: Site) -> None:
    ada = site.user("ada")
    hers, other = program(site, ada), program(site, ada)
    body = {"present": PASSWORD, "password": "another horse battery"}
    assert "is wrong" in hers.bad("PUT", "/me/password", 422, json=body | {"present": "wrong horse battery"})["message"]
    hers.good("PUT", "/me/password", 204, json=body | {"keep_tokens": True})
    other.get("/me")
    hers.good("PUT", "/me/password", 204, json={"present": "another horse battery", "password": PASSWORD})
    for asking in (hers, other):
        asking.bad("GET", "/me", 401)
    admin = program(site)
    me = admin.get("/me")["user"]["id"]
    message = admin.bad("PUT", f"/users/{me}/password", 422, json={"password": "another horse battery"})["message"]
    assert "/me/password" in message


def test_repeated_wrong_passwords_by_program_are_delayed(site: Site) -> None:
    asking = program(site, site.user("ada"))
    body = {"present": "wrong horse battery", "password": "another horse battery"}
    for _ in range(5):
        asking.bad("PUT", "/me/password", 422, json=body)
    answer = asking.ask("PUT", "/me/password", json=body | {"present": PASSWORD})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert answer.json()["error"]["kind"] == "GuessingError"


def test_the_last_administrator_stays_one_and_users_cannot_delete_themselves(site: Site) -> None:
    asking = program(site)
    me = asking.get("/me")["user"]["id"]
    for body in ({"role": "viewer"}, {"disabled": True}, {"role": "editor", "disabled": True}):
        assert "last administrator" in asking.bad("PATCH", f"/users/{me}", 422, json=body)["message"]
    assert "You cannot delete your own user" in asking.bad("DELETE", f"/users/{me}", 422)["message"]
    assert asking.get("/me")["user"]["role"] == "admin"


def test_a_user_who_alone_owns_an_account_is_deleted_only_with_an_heir(site: Site) -> None:
    ada, asking = site.user("ada"), program(site)
    account = site.store.accounts.get("demo")
    site.store.shares.set(account, ada, Level.OWNER)
    assert "demo" in asking.bad("DELETE", f"/users/{ada.id}", 422)["message"]
    asking.good("DELETE", f"/users/{ada.id}", 204, params={"heir": asking.get("/me")["user"]["id"]})
    assert [owner["name"] for owner in asking.get(f"/accounts/{account.id}")["owners"]] == ["admin"]


def test_a_token_is_created_in_the_browser_shown_once_and_revoked_by_a_program(site: Site) -> None:
    visit = site.visit("admin")
    answer = visit.client.post(
        f"{API}/tokens",
        json={"name": "dashboards", "read_only": False, "days": 30},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 201
    secret = answer.json()["secret"]
    assert secret.startswith("adreel_")
    asking = program(site)
    tokens = asking.get("/tokens")
    assert secret not in str(tokens)
    mine = next(token for token in tokens["items"] if token["name"] == "dashboards")
    assert mine["expires_at"].startswith("2026-12-22")
    asking.good("DELETE", f"/tokens/{mine['id']}", 204)
    assert asking.ask("GET", "/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    asking.bad("DELETE", f"/tokens/{mine['id']}", 404)


def test_a_token_cannot_create_tokens(site: Site) -> None:
    error = program(site).bad("POST", "/tokens", 403, json={"name": "child"})
    assert "API tokens cannot create API tokens." in error["message"]


def test_users_cannot_revoke_tokens_of_others(site: Site) -> None:
    asking, theirs = program(site), program(site, site.user("ada"))
    (mine,) = asking.get("/tokens")["items"]
    theirs.bad("DELETE", f"/tokens/{mine['id']}", 404)
    assert asking.get("/me")


def test_the_workspace_is_renamed_and_given_a_zone_by_an_administrator(site: Site) -> None:
    asking = program(site)
    assert asking.good("PATCH", "/workspace", json={"zone": "europe/berlin"}) == {
        "name": "adreel",
        "zone": "Europe/Berlin",
    }
    assert asking.good("PATCH", "/workspace", json={"name": "Growth"})["zone"] == "Europe/Berlin"
    assert "Europe/Berlin" in asking.bad("PATCH", "/workspace", 422, json={"zone": "Europe/Berlim"})["message"]
    assert program(site, site.user("ada")).get("/workspace")["name"] == "Growth"


def test_settings_are_shown_without_secrets(site: Site) -> None:
    settings = {setting["variable"]: setting["value"] for setting in program(site).get("/settings")["items"]}
    assert settings["ADREEL_TIKTOK_LEVEL"] == "5000"
    assert settings["ADREEL_TIKTOK_SECRET"] == "(set)"
    assert site.home.config.secret not in str(settings)
