"""Accounts over the API: added by token, looked after, shared, let go of."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from adreel.simulator import access_token
from adreel.store import Level, Role
from api_home import API, SPEND, program
from web_home import Site


def test_an_account_is_added_with_a_valid_token_and_belongs_to_its_creator(site: Site) -> None:
    ada = site.user("ada")
    asking = program(site, ada)
    answer = asking.ask("POST", "/accounts", json={"name": "brand", "token": site.home.token})
    assert answer.status_code == 201, answer.text
    account = answer.json()
    assert answer.headers["location"] == f"{API}/accounts/{account['id']}"
    assert (account["name"], account["status"], account["level"]) == ("brand", "valid", "owner")
    assert [owner["name"] for owner in account["owners"]] == ["ada"]
    assert account["granted_by"]
    assert asking.get(f"/accounts/{account['id']}/advertisers")["total"] == 3
    assert site.home.token not in str(asking.get("/accounts"))
    assert "already" in asking.bad("POST", "/accounts", 409, json={"name": "brand", "token": "x"})["message"]


def test_an_account_of_some_advertisers_reads_only_these(site: Site) -> None:
    asking = program(site)
    ids = [advertiser["id"] for advertiser in asking.get("/accounts/1/advertisers")["items"]]
    body = {"name": "one", "token": site.home.token, "advertisers": ids[:1]}
    account = asking.good("POST", "/accounts", 201, json=body)
    assert account["advertisers"] == ids[:1]
    assert [advertiser["id"] for advertiser in asking.get(f"/accounts/{account['id']}/advertisers")["items"]] == ids[:1]
    path = f"/accounts/{account['id']}/advertisers"
    assert asking.good("PUT", path, json={"advertisers": ids[:2]})["advertisers"] == ids[:2]
    assert asking.good("PUT", path, json={"advertisers": None})["advertisers"] is None
    assert asking.get(path, removed=False)["total"] == 3
    asking.bad("PUT", path, 422, json={"advertisers": []})
    asking.bad("PUT", path, 422, json={"advertisers": ["x"]})


def test_an_account_of_the_sandbox_has_the_given_zone_or_utc(site: Site) -> None:
    asking = program(site)
    ids = [advertiser["id"] for advertiser in asking.get("/accounts/1/advertisers")["items"]]
    site.home.door("trouble", {"kind": "code", "code": 40006, "path": "advertiser/info", "times": 0})
    body = {"token": site.home.token, "advertisers": ids[:1]}
    given = {**body, "name": "given", "timezone": "UTC+08:00", "currency": "USD"}
    for sent, zone in ((given, "UTC+08:00 (given by hand)"), ({**body, "name": "assumed"}, "UTC (assumed)")):
        account = asking.good("POST", "/accounts", 201, json=sent)
        assert asking.get(f"/accounts/{account['id']}/advertisers")["items"][0]["display_timezone"] == zone
    path = f"/accounts/{asking.get('/accounts', q='given')['items'][0]['id']}"
    asking.good("PUT", f"{path}/token", json={"token": site.home.token})
    assert asking.get(f"{path}/advertisers")["items"][0]["timezone"] == "UTC+08:00"
    asking.bad("POST", "/accounts", 422, json={**given, "name": "wrong", "currency": "dollars"})


def test_a_token_that_tiktok_refuses_creates_no_account(site: Site) -> None:
    asking = program(site)
    for token, status in (("wrong", 409), ("two words", 422), ("", 422)):
        asking.bad("POST", "/accounts", status, json={"name": "other", "token": token})
    assert asking.get("/accounts")["total"] == 1


def test_a_new_token_keeps_the_account_and_its_datasets(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    token = access_token(site.home.config, [0, 1])
    account = asking.good("PUT", "/accounts/1/token", json={"token": token})
    assert (account["id"], account["datasets"]) == ("1", ["spend"])
    assert asking.get("/accounts/1/advertisers", removed=False)["total"] == 2
    assert asking.bad("PUT", "/accounts/1/token", 409, json={"token": "wrong"})["kind"] == "ReconnectError"


def test_the_token_of_another_tiktok_user_needs_confirmation(site: Site) -> None:
    asking = program(site)
    # As if somebody else had granted the account, whose token is dead by now.
    site.home.door("revoke", {"token": site.home.token})
    site.store.accounts.set_token(site.store.accounts.get("demo"), site.home.token, owner="Berlin Office")
    token = access_token(site.home.config, [0])
    error = asking.bad("PUT", "/accounts/1/token", 409, json={"token": token})
    assert "Another TikTok user" in error["message"]
    assert asking.get("/accounts/1")["granted_by"] == "Berlin Office"
    account = asking.good("PUT", "/accounts/1/token", json={"token": token, "another_user": True})
    assert account["granted_by"] != "Berlin Office"


def test_advertisers_are_refreshed(site: Site) -> None:
    asking = program(site)
    asked = len(site.home.requests("oauth2/advertiser"))
    advertisers = asking.good("POST", "/accounts/1/advertisers/refresh")
    assert advertisers["total"] == len(advertisers["items"]) == 3
    assert len(site.home.requests("oauth2/advertiser")) == asked + 1
    first = advertisers["items"][0]
    assert asking.get("/accounts/1/advertisers", q=first["id"])["items"] == [first]


def test_an_account_is_renamed_and_its_datasets_follow(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    assert asking.good("PATCH", "/accounts/1", json={"name": "brand"})["name"] == "brand"
    assert asking.get("/datasets/spend")["account"] == "brand"
    assert asking.get("/datasets/spend")["file"]["account"] == "brand"


def test_accounts_are_filtered_sorted_and_paged(site: Site) -> None:
    asking = program(site)
    for name in ("alpha", "Beta"):
        asking.good("POST", "/accounts", 201, json={"name": name, "token": site.home.token})
    asking.good("POST", "/datasets", 201, json=SPEND)

    def names(**query: object) -> list[str]:
        return [account["name"] for account in asking.get("/accounts", **query)["items"]]

    assert names() == ["alpha", "Beta", "demo"]
    assert names(sort="-name") == ["demo", "Beta", "alpha"]
    assert names(sort="-datasets") == ["demo", "alpha", "Beta"]
    assert names(used=True) == ["demo"]
    assert names(used=False) == ["alpha", "Beta"]
    assert names(q="BET") == ["Beta"]
    assert names(status="expired") == []
    assert names(limit=1, offset=1) == ["Beta"]
    assert asking.get("/accounts", limit=1)["total"] == 3
    asking.bad("GET", "/accounts", 422, params={"sort": "colour"})


def test_an_account_is_shared_with_a_user_and_with_everyone(site: Site) -> None:
    ada, asking = site.user("ada"), program(site)
    hers = program(site, ada)
    hers.bad("GET", "/accounts/1", 404)
    shares = asking.good("PUT", f"/accounts/1/shares/{ada.id}", json={"level": "read"})
    assert shares == {"everyone": "none", "users": [{"user": {"id": str(ada.id), "name": "ada"}, "level": "read"}]}
    assert hers.get("/accounts/1")["may"] == {"use": True, "share": False, "edit": False, "delete": False}
    assert "share" in hers.bad("PUT", f"/accounts/1/shares/{ada.id}", 403, json={"level": "owner"})["message"]
    assert asking.good("PUT", "/accounts/1/shares/everyone", json={"level": "share"})["everyone"] == "share"
    assert hers.get("/accounts/1")["level"] == "share"
    asking.bad("PUT", "/accounts/1/shares/everyone", 422, json={"level": "owner"})
    asking.good("PUT", "/accounts/1/shares/everyone", json={"level": "none"})
    asking.good("PUT", f"/accounts/1/shares/{ada.id}", json={"level": "none"})
    hers.bad("GET", "/accounts/1", 404)


def test_an_accounts_last_owner_stays(site: Site) -> None:
    ada = site.user("ada")
    site.store.shares.set(site.store.accounts.get("demo"), ada, Level.OWNER)
    error = program(site, ada).bad("PUT", f"/accounts/1/shares/{ada.id}", 422, json={"level": "edit"})
    assert "last owner" in error["message"]


def test_a_deleted_account_leaves_its_datasets_with_their_data(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    asking.good("DELETE", "/accounts/1", 204, params={"revoke": True})
    assert len(site.home.requests("oauth2/revoke_token")) == 1
    asking.bad("GET", "/accounts/1", 404)
    dataset = asking.get("/datasets/spend")
    assert (dataset["status"], dataset["account"], dataset["account_id"]) == ("disconnected", "demo", None)
    assert "disconnected" in asking.bad("POST", "/datasets/spend/runs", 422)["message"]
    assert "disconnected" in asking.bad("GET", "/datasets/spend/plan", 422)["message"]


def test_a_consent_starts_in_its_browser_and_not_with_a_token(site: Site) -> None:
    error = program(site).bad("POST", "/accounts/consents", 403, json={"name": "brand"})
    assert "browser" in error["message"]
    visit = site.visit("admin")
    own = {"Sec-Fetch-Site": "same-origin"}
    answer = visit.client.post(f"{API}/accounts/consents", json={"name": "brand"}, headers=own)
    assert answer.status_code == 201, answer.text
    query = parse_qs(urlsplit(answer.json()["address"]).query)
    assert query["app_id"] == [site.home.config.app_id]
    assert query["redirect_uri"] == ["http://localhost:8765/callback"]
    assert query["state"]
    for body, status in (({}, 422), ({"name": "brand", "account": "1"}, 422), ({"name": "demo"}, 409)):
        assert visit.client.post(f"{API}/accounts/consents", json=body, headers=own).status_code == status
    again = visit.client.post(f"{API}/accounts/consents", json={"account": "1"}, headers=own)
    assert again.status_code == 201


def test_a_viewer_sees_an_account_and_starts_no_consent(site: Site) -> None:
    viewer = site.user("viewer", Role.VIEWER)
    site.store.shares.set(site.store.accounts.get("demo"), viewer, Level.READ)
    assert program(site, viewer).get("/accounts/1")["level"] == "read"
    visit = site.visit(viewer)
    own = {"Sec-Fetch-Site": "same-origin"}
    assert visit.client.post(f"{API}/accounts/consents", json={"name": "mine"}, headers=own).status_code == 403
