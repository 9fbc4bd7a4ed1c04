"""The API as a whole: who may ask, what is refused and how that is said, and how it is described."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from adreel import errors
from adreel.errors import AdreelError, Problem
from adreel.store import Level, Role
from adreel.web.api.failures import add_handlers
from adreel.web.api.tables import OPERATORS
from api_home import ADDRESS, API, SPEND, Program, description, error_of, program, stranger, table
from home import Home
from web_home import PASSWORD, Site

DESCRIPTION = description()

OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}

KNOWN = {
    "dataset": "spend",
    "account": "1",
    "user": "1",
    "token": "1",
    "run": "0",
    "card": "spend",
    "report": "performance",
    "metric": "spend",
    "dimension": "country_code",
    "version": "0",
    "backfill": "1",
    "preset": "1",
    "template": "ad_daily",
    "query": "1",
    "link": "1",
    "view": "1",
    "filter": "campaign",
    "dashboard": "1",
    "pin": "1",
    "share": "none",
    "delivery": "1",
    "address": "1",
    "destination": "1",
}
"""What stands in addresses."""

ERRORS = {
    "AdreelError": 502,
    "InputError": 422,
    "FieldError": 422,
    "DatasetError": 422,
    "NotFoundError": 404,
    "ExistsError": 409,
    "ConfirmError": 409,
    "RequestError": 422,
    "ForbiddenError": 403,
    "ReconnectError": 409,
    "ExpiredError": 409,
    "AdvertiserError": 409,
    "SplitError": 502,
    "RetryError": 503,
    "LockLostError": 503,
    "ThrottledError": 429,
    "GuessingError": 429,
    "StorageError": 507,
    "DamagedError": 507,
    "BusyError": 409,
    "ProofError": 502,
    "CancelledError": 409,
    "StopError": 502,
    "AbsentError": 502,
}

CHANGES: dict[str, Any] = {
    "create_token": {"name": "mine"},
    "revoke_token": None,
    "create_user": {"name": "new", "password": PASSWORD},
    "change_user": {"role": "viewer"},
    "set_password": {"password": PASSWORD},
    "change_password": {"present": PASSWORD, "password": "another horse battery"},
    "delete_user": None,
    "change_workspace": {"name": "Growth"},
    "create_account": {"name": "other", "token": "abc"},
    "begin_consent": {"name": "other"},
    "change_account": {"name": "other"},
    "delete_account": None,
    "replace_token": {"token": "abc"},
    "refresh_advertisers": None,
    "choose_advertisers": {"advertisers": None},
    "share_with_everyone": {"level": "read"},
    "share": {"level": "read"},
    "create_dataset": SPEND,
    "import_datasets": SPEND,
    "bulk": {"action": "delete", "datasets": ["spend"]},
    "replace_dataset": SPEND,
    "change_dataset": {"tags": ["x"]},
    "delete_dataset": None,
    "duplicate_dataset": {"name": "other"},
    "convert_dataset": None,
    "set_tags": {"tags": ["x"]},
    "plan": SPEND,
    "preview": SPEND,
    "start_run": None,
    "cancel_run": None,
    "restore": None,
    "start_backfill": {"start": "2026-11-01", "end": "2026-11-02"},
    "pause_backfill": None,
    "resume_backfill": None,
    "cancel_backfill": None,
    "pause_schedule": None,
    "resume_schedule": None,
    "change_retention": {},
    "put_rates": {"csv": "date,from,to,rate\n2026-11-28,USD,EUR,0.92\n"},
    "delete_rates": None,
    "save_metric_preset": {"name": "Weekly", "metrics": ["spend"]},
    "change_metric_preset": {"name": "Weekly"},
    "delete_metric_preset": None,
    "create_link": {"name": "Sheet"},
    "revoke_link": None,
    "save_view": {"name": "Costly"},
    "change_view": {"name": "Costly"},
    "delete_view": None,
    "save_query": {"name": "Rows", "sql": "select 1"},
    "change_saved_query": {"name": "Rows"},
    "delete_saved_query": None,
    "clear_history": None,
    "set_app": {"app_id": "7000000000000000001", "secret": "secret"},
    "remove_app": None,
    "test_app": None,
    "add_address": {"url": "json://hook.example.org/secret", "scope": "workspace"},
    "remove_address": None,
    "test_address": None,
    "create_dashboard": {"name": "Every morning"},
    "change_dashboard": {"name": "Every day"},
    "delete_dashboard": None,
    "share_dashboard": None,
    "unshare_dashboard": None,
    "pin_chart": {"dataset": "spend", "card": "spend"},
    "change_pin": {"title": "Cost"},
    "remove_pin": None,
    "deliver_dashboard": {"address": "1", "at": "08:00"},
    "stop_delivery": None,
    "send_dashboard": None,
    "add_destination": {"name": "warehouse", "address": "duckdb:///nowhere/at/all.duckdb"},
    "test_destination": None,
    "delete_destination": None,
    "publish_dataset": {"destination": "warehouse"},
}
"""Every operation that changes something or asks TikTok by another method than GET, with a body that is right."""

OWN = {
    *("create_token", "revoke_token", "change_password", "remove_address", "test_address"),
    *("save_view", "change_view", "delete_view", "revoke_link"),
    *("save_query", "change_saved_query", "delete_saved_query", "clear_history"),
    *("create_dashboard", "change_dashboard", "delete_dashboard", "share_dashboard", "unshare_dashboard"),
    *("pin_chart", "change_pin", "remove_pin", "deliver_dashboard", "stop_delivery", "send_dashboard"),
}
"""What viewers change of their own; what is another's is not named to them."""

ASKS: dict[str, Any] = {
    "get_offers": {},
    "validate": SPEND,
    "ask_query": {"sql": "select 1"},
    "export_query": {"sql": "select 1"},
    "explain_schedule": {"schedule": "0 6 * * *"},
    "preview_retention": {},
}
"""Those that only ask what is here."""


def address(name: str) -> tuple[str, str]:
    """Method and address of an operation, with what is known in the place of its parameters."""
    method, path, _ = OPERATIONS[name]
    return method, path.format(**KNOWN)


# -- who may ask


def test_a_request_without_a_token_gets_nothing(site: Site) -> None:
    asking = stranger(site)
    for name in OPERATIONS:
        method, path = address(name)
        assert asking.bad(method, path, 401)["kind"] == "SignInNeededError", name


def test_an_unknown_revoked_or_expired_token_is_refused(site: Site, home: Home) -> None:
    asking = program(site)
    assert asking.get("/me")["user"]["name"] == "admin"
    assert "unknown, revoked or expired" in Program(asking.client, "adreel_x").bad("GET", "/me", 401)["message"]
    assert Program(asking.client, "").ask("GET", "/me", headers={"Authorization": "Basic YTpi"}).status_code == 401
    admin = site.store.users.get("admin")
    _, secret = site.store.tokens.add(admin, "short", False, 1)
    assert Program(asking.client, secret).get("/me")
    home.now += timedelta(days=1)
    Program(asking.client, secret).bad("GET", "/me", 401)
    asking.good("DELETE", f"/tokens/{asking.get('/tokens')['items'][0]['id']}", 204)
    assert asking.bad("GET", "/me", 401)
    assert asking.ask("GET", "/me").headers["www-authenticate"] == "Bearer"


def test_tokens_of_a_disabled_user_are_refused_until_the_user_is_enabled(site: Site) -> None:
    ada = site.user("ada")
    theirs, admin = program(site, ada), program(site)
    assert admin.good("PATCH", f"/users/{ada.id}", json={"disabled": True})["disabled"] is True
    theirs.bad("GET", "/me", 401)
    admin.good("PATCH", f"/users/{ada.id}", json={"disabled": False})
    assert theirs.get("/me")["user"]["name"] == "ada"


def test_a_signed_in_browser_may_use_the_api_and_pages_of_other_sites_may_not_change_anything(site: Site) -> None:
    visit = site.visit("admin")
    assert visit.get(f"{API}/me").json()["user"]["name"] == "admin"
    body = {"name": "Growth"}
    assert visit.client.patch(f"{API}/workspace", json=body).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert visit.client.patch(f"{API}/workspace", json=body, headers=foreign).status_code == 403
    assert visit.get(f"{API}/workspace").json()["name"] == "adreel"
    own = {"Sec-Fetch-Site": "same-origin"}
    assert visit.client.patch(f"{API}/workspace", json=body, headers=own).json()["name"] == "Growth"


def test_a_session_does_not_replace_a_wrong_token(site: Site) -> None:
    visit = site.visit("admin")
    answer = visit.client.get(f"{API}/me", headers={"Authorization": "Bearer adreel_wrong"})
    assert answer.status_code == 401


def test_every_operation_that_changes_something_is_known_to_these_tests() -> None:
    changing = {name for name, (method, _, _) in OPERATIONS.items() if method != "GET"}
    assert changing == CHANGES.keys() | ASKS.keys()


@pytest.mark.slow
def test_a_read_only_token_cannot_change_anything_or_call_tiktok(site: Site) -> None:
    run = waiting_run(site)
    reading = program(site, read_only=True)
    before, asked = site.home.kept(), len(site.home.requests(""))
    for name, body in CHANGES.items():
        method, path = address(name)
        error = reading.bad(method, path.replace("/runs/0", f"/runs/{run}"), 403, json=body)
        assert error["kind"] == "ForbiddenError", name
    for name in ("plan_dataset", "preview_dataset"):
        assert "read-only" in reading.bad(*address(name), 403)["message"]
    assert site.home.kept() == before
    assert len(site.home.requests("")) == asked


@pytest.mark.slow
def test_a_viewers_refusal_names_the_action_and_who_can_grant_it(site: Site) -> None:
    run = waiting_run(site)
    vera = site.user("vera", Role.VIEWER)
    site.store.shares.set(site.store.accounts.get("demo"), vera, Level.READ)
    viewing, before = program(site, vera), site.home.kept()
    for name in (CHANGES | {"list_users": None, "get_user": None, "list_settings": None}).keys() - OWN:
        method, path = address(name)
        message = viewing.bad(method, path.replace("/runs/0", f"/runs/{run}"), 403, json=CHANGES.get(name))["message"]
        refusal = (
            r"Only administrators( and editors)? can [a-z, ]+\. vera is a viewer\. Ask an administrator \(admin\) to"
        )
        assert re.match(refusal, message), (name, message)
    assert (
        "API tokens cannot create API tokens."
        in viewing.bad("POST", "/tokens", 403, json=CHANGES["create_token"])["message"]
    )
    assert site.home.kept() == before


def test_a_read_only_token_may_read_what_is_stored(site: Site) -> None:
    waiting_run(site)
    reading = program(site, read_only=True)
    for name, body in ASKS.items():
        assert reading.ask(*address(name), json=body).status_code == 200, name
    assert reading.ask(*address("export_query"), json=ASKS["export_query"]).text.split() == ['"1"', "1"]


def waiting_run(site: Site) -> str:
    """The id of a run that waits, of a new dataset; another dataset has a backfill, and the workspace an address."""
    asking = program(site)
    slug = asking.good("POST", "/datasets", 201, json=SPEND)["slug"]
    daily = asking.good("POST", "/datasets", 201, json=SPEND | {"name": "Daily", "update": {"method": "partition"}})
    asking.good("POST", f"/datasets/{daily['slug']}/backfills", 201, json=CHANGES["start_backfill"])
    asking.good("POST", "/notifications", 201, json=CHANGES["add_address"])
    return str(asking.good("POST", f"/datasets/{slug}/runs", 202)["run_id"])


@pytest.mark.slow
def test_a_viewer_cannot_change_anything(site: Site) -> None:
    run = waiting_run(site)
    viewer = site.user("viewer", Role.VIEWER)
    site.store.shares.set(site.store.accounts.get("demo"), viewer, Level.READ)
    looking = program(site, viewer)
    assert looking.get("/datasets")["total"] == 2
    before = site.home.kept()
    for name in CHANGES.keys() - OWN - {"begin_consent"}:
        method, path = address(name)
        error = looking.bad(method, path.replace("/runs/0", f"/runs/{run}"), 403, json=CHANGES[name])
        assert error["kind"] == "ForbiddenError", name
    assert site.home.kept() == before


def test_only_administrators_manage_users_and_see_settings(site: Site) -> None:
    editor = program(site, site.user("ada"))
    for name, (_, path, _) in OPERATIONS.items():
        if path.startswith(("/users", "/settings")):
            assert "Only administrators" in editor.bad(*address(name), 403, json=CHANGES.get(name))["message"]
    assert editor.bad("PATCH", "/workspace", 403, json={"name": "Mine"})


@pytest.mark.parametrize(
    ("level", "sees", "changes"),
    [(Level.NONE, False, False), (Level.READ, True, False), (Level.SHARE, True, False), (Level.EDIT, True, True)],
)
def test_what_an_editor_may_do_with_anothers_dataset_follows_the_accounts_sharing(
    site: Site, level: Level, *, sees: bool, changes: bool
) -> None:
    slug = table(site, program(site))
    ada = site.user("ada")
    site.store.shares.set(site.store.accounts.get("demo"), ada, level)
    asking = program(site, ada)
    path = f"/datasets/{slug}"
    if not sees:
        assert asking.get("/datasets")["total"] == 0
        assert asking.get("/runs")["total"] == 0
        assert "demo" not in str(asking.get("/accounts"))
        for ending in ("", "/rows", "/runs", "/export", "/cards", "/file", "/versions"):
            assert "Spend" not in asking.bad("GET", path + ending, 404)["message"]
        asking.bad("GET", f"/runs/{site.store.runs.list()[0].id}", 404)
        assert "was not found" in asking.bad("POST", "/query", 422, json={"sql": f"select * from {slug}"})["message"]
        return
    assert asking.get(path)["may"] == {"run": changes, "edit": changes, "delete": changes}
    assert asking.get(f"{path}/rows")["total"] > 0
    assert asking.good("POST", "/query", json={"sql": f"select count(*) as n from {slug}"})["items"][0]["n"] > 0
    for method, ending, good in (("POST", "/runs", 202), ("PATCH", "", 200), ("DELETE", "", 204)):
        answer = asking.ask(method, path + ending, json={"tags": ["x"]} if method == "PATCH" else None)
        if ending == "/runs":
            site.work()
        assert answer.status_code == (good if changes else 403), answer.text


def test_an_editor_does_everything_with_datasets_of_their_own(site: Site) -> None:
    ada = site.user("ada")
    site.store.shares.set(site.store.accounts.get("demo"), ada, Level.READ)
    asking = program(site, ada)
    slug = table(site, asking)
    assert asking.get(f"/datasets/{slug}")["owner"]["name"] == "ada"
    assert asking.good("PUT", f"/datasets/{slug}/tags", json={"tags": ["mine"]})["tags"] == ["mine"]
    asking.good("DELETE", f"/datasets/{slug}", 204)


# -- how errors are said


def test_these_tests_know_every_error_of_adreel() -> None:
    there = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, AdreelError)}
    assert there == ERRORS.keys()


def test_every_error_has_one_shape(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    assert asking.bad("GET", "/nowhere", 404)["kind"] == "NotFoundError"
    assert asking.bad("GET", "/line%0Abreak", 404)["kind"] == "NotFoundError"
    assert asking.bad("DELETE", "/me", 405)["kind"] == "MethodError"
    assert asking.ask("DELETE", "/me").headers["allow"] == "GET"
    assert asking.bad("GET", "/datasets/nothing", 404)["kind"] == "NotFoundError"
    assert asking.bad("GET", "/datasets/No-Slug", 422)["problems"][0]["menu"] == "dataset"
    json_type = {"Content-Type": "application/json"}
    assert asking.bad("POST", "/datasets", 422, content=b"{", headers=json_type)["problems"]
    for content in (b"\xff", b"[" * 100_000):
        assert asking.bad("POST", "/datasets", 422, content=content, headers=json_type)["kind"] == "InputError"
    assert asking.bad("POST", "/datasets", 422, content=b"{}", headers={"Content-Type": "text/plain"})


def test_an_unknown_parameter_or_key_is_refused(site: Site) -> None:
    asking = program(site)
    (problem,) = asking.bad("GET", "/datasets", 422, params={"stat": "verified"})["problems"]
    assert problem["menu"] == "stat"
    (problem,) = asking.bad("PATCH", "/workspace", 422, json={"nam": "x"})["problems"]
    assert problem["menu"] == "nam"
    assert {
        fault["menu"] for fault in asking.bad("GET", "/runs", 422, params={"limit": 0, "offset": -1})["problems"]
    } == {
        "limit",
        "offset",
    }


def test_a_dataset_with_problems_has_each_of_them_with_its_menu_and_the_nearest_choice(site: Site) -> None:
    error = program(site).bad("POST", "/datasets", 422, json=SPEND | {"metrics": ["spent"], "data_level": "adz"})
    assert error["kind"] == "DatasetError"
    nearest = {problem["menu"]: problem["nearest"] for problem in error["problems"]}
    assert nearest.keys() == {"metrics", "data_level"}
    assert "spend" in nearest["metrics"]


def test_the_error_has_tiktoks_code_and_request_id(site: Site) -> None:
    error = program(site).bad("POST", "/accounts", 409, json={"name": "other", "token": "wrong"})
    assert error["kind"] == "ReconnectError"
    assert error["tiktok_code"] == 40105
    assert error["request_id"]


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_every_kind_of_error_has_a_status_of_its_own_and_keeps_its_words(kind: str) -> None:
    api = FastAPI()
    add_handlers(api)
    given: dict[str, tuple[object, ...]] = {
        "DatasetError": ((Problem("metrics", "No."),),),
        "FieldError": ("url", "No."),
    }
    raised: AdreelError = getattr(errors, kind)(*given.get(kind, ("No.",)))

    @api.get("/")
    def fail() -> None:
        raise raised

    answer = TestClient(api).get("/")
    assert answer.status_code == ERRORS[kind]
    error = error_of(answer)
    assert error["kind"] == kind
    assert "No." in error["message"]
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))


def test_an_unexpected_error_reveals_nothing_of_the_inside() -> None:
    api = FastAPI()
    add_handlers(api)

    @api.get("/")
    def fail() -> None:
        raise RuntimeError("the inside")

    answer = TestClient(api, raise_server_exceptions=False).get("/")
    assert answer.status_code == 500
    assert error_of(answer)["kind"] == "BugError"
    assert "inside" not in answer.text


def test_a_secret_that_was_sent_in_a_wrong_request_is_not_repeated(site: Site) -> None:
    asking = program(site)
    secret = "xyzzy-secret-" * 200
    for method, path, body in (
        ("POST", "/accounts", {"name": "a", "token": secret}),
        ("PUT", "/accounts/1/token", {"token": secret, "more": 1}),
        ("POST", "/users", {"name": "a", "password": secret}),
        ("PUT", "/users/1/password", {"password": [secret]}),
    ):
        assert "xyzzy" not in str(asking.bad(method, path, 422, json=body))


# -- how it is described


@pytest.mark.slow
def test_the_description_is_public_and_names_the_address_of_the_api(site: Site) -> None:
    answer = site.visit().get(f"{API}/openapi.json")
    assert answer.status_code == 200
    description = answer.json()
    assert description["servers"] == [{"url": API}]
    assert description["paths"] == DESCRIPTION["paths"]
    assert description["security"] == [{"token": []}, {"session": []}]
    assert description["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_operation_is_described_with_its_errors_and_answers() -> None:
    tags = {tag["name"] for tag in DESCRIPTION["tags"]}
    counted = Counter(
        operation["operationId"] for methods in DESCRIPTION["paths"].values() for operation in methods.values()
    )
    assert counted.total() == len(counted), "two operations have one name"
    for name, (method, path, operation) in OPERATIONS.items():
        assert operation["summary"], name
        assert operation["description"].strip().endswith("."), name
        assert set(operation["tags"]) <= tags
        answers = operation["responses"]
        assert {"401", "422", "503", "507"} <= answers.keys(), name
        assert method == "GET" or name in ASKS or "403" in answers, name
        assert "{" not in path or path.startswith("/reports") or "404" in answers, name
        for status, answer in answers.items():
            assert answer["description"], (name, status)
            if status >= "400":
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Failed"}, (name, status)
            elif status != "204":
                assert all(content["schema"] for content in answer["content"].values()), (name, status)


def test_every_parameter_and_key_is_described_or_has_an_example() -> None:
    for name, (_, _, operation) in OPERATIONS.items():
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description") or parameter["schema"].get("description"), (name, parameter["name"])


def test_the_page_with_the_description_loads_nothing_from_other_sites(site: Site) -> None:
    for visit in (site.visit(), site.visit("admin")):
        answer = visit.get(f"{API}/docs")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        page = answer.text
        assert 'data-description="/api/v1/openapi.json"' in page
        assert "http://" not in page.replace(ADDRESS, "")
        assert "https://" not in page
        assert "<script>" not in page
        assert " style=" not in page
        for name in ("swagger-ui.js", "swagger-ui.css", "api-docs.js"):
            assert name in page


def test_refusals_of_the_shield_have_the_same_shape(site: Site) -> None:
    visit = site.visit("admin")
    refused = visit.client.patch(f"{API}/workspace", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert error_of(refused)["kind"] == "ForbiddenError"
    elsewhere = visit.client.get(f"{API}/me", headers={"Host": "evil.example"})
    assert (elsewhere.status_code, error_of(elsewhere)["kind"]) == (421, "InputError")
    large = visit.client.post(f"{API}/query", content=b" " * 5_000_000, headers={"Authorization": "Bearer x"})
    assert (large.status_code, error_of(large)["kind"]) == (413, "InputError")
    chunked = visit.client.post(f"{API}/query", content=iter([b"{", b"}"]), headers={"Authorization": "Bearer x"})
    assert (chunked.status_code, error_of(chunked)["kind"]) == (411, "InputError")


def test_the_docs_have_every_operation_and_no_other() -> None:
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted((method, path) for method, path, _ in OPERATIONS.values())


def test_the_docs_name_every_status_and_operator_of_a_filter() -> None:
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
    documented = set(re.findall(r"\b[45]\d\d\b", " ".join(re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE))))
    declared = {status for _, _, operation in OPERATIONS.values() for status in operation["responses"] if status > "4"}
    assert declared <= documented
    assert all(f"`{name}`" in text for name in OPERATORS)
