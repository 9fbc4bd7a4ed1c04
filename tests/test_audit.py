"""The audit log: every change by page, API and command line is in it, and administrators can read and export it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from adreel.auditing import FORMULAS
from adreel.cli import app as commands
from adreel.store import Role
from adreel.store.audit import WORKSPACE, AuditFilter, Means
from adreel.store.audit import AuditAction as Action
from adreel.web import pages
from adreel.web.api import app as api
from api_home import Program, program
from form_page import filled
from home import SPEND, URL, Home
from test_api_datasets import LEGACY
from test_web_consent import begin, consent, key_of
from web_home import PASSWORD, Site, words_of

LONG = "a longer horse battery"

READS_ONLY = "reads or validates, and changes nothing"
NO_DECISION = "writes down what TikTok says, which is no decision of a person"
OWN_HISTORY = "what only the person sees; that the query ran is recorded"
OWN_LOOK = "how people look at a table; no figures, settings or rights change"
OWN_BOARD = "which charts a person looks at, in which order; no figures, settings or rights change"
STEPS_OF_FORM = "a step of a form; what it leads to is recorded when it is sent"

PAGES_WITHOUT: dict[str, str] = {
    "POST /theme": "the look of one browser, kept in its cookie",
    "POST /language": "the language of one browser, kept in its cookie",
    "POST /datasets/form": STEPS_OF_FORM,
    "POST /datasets/form/advertisers": NO_DECISION,
    "POST /datasets/form/formula": READS_ONLY,
    "POST /datasets/form/metrics": READS_ONLY,
    "POST /datasets/preview": READS_ONLY,
    "POST /datasets/draft": STEPS_OF_FORM,
    "POST /drafts/{key}/discard": STEPS_OF_FORM,
    "POST /drafts/{key}/restore": STEPS_OF_FORM,
    "POST /datasets/{slug}/duplicate": STEPS_OF_FORM,
    "POST /accounts/{account_id:int}/refresh": NO_DECISION,
    "POST /accounts/{account_id:int}/reconnect": STEPS_OF_FORM,
    "POST /accounts/connect": STEPS_OF_FORM,
    "POST /accounts/guide/{step}/done": "a note of how far the set-up has come",
    "POST /accounts/guide/redirect/check": READS_ONLY,
    "POST /query/history/delete": OWN_HISTORY,
    "POST /datasets/{slug}/data/columns": OWN_LOOK,
    "POST /datasets/{slug}/views": OWN_LOOK,
    "POST /datasets/{slug}/views/{view_id:int}": OWN_LOOK,
    "POST /datasets/{slug}/views/{view_id:int}/delete": OWN_LOOK,
    "POST /dashboards/pin": OWN_BOARD,
    **{
        f"POST /dashboards/{{dashboard_id:int}}/pins/{{pin_id:int}}/{word}": OWN_BOARD
        for word in ("move", "title", "remove", "restore")
    },
}
API_WITHOUT: dict[str, str] = {
    "POST /datasets/validate": READS_ONLY,
    "POST /schedules/explain": READS_ONLY,
    "POST /datasets/plan": READS_ONLY,
    "POST /retention/preview": READS_ONLY,
    "POST /datasets/preview": READS_ONLY,
    "POST /reports/{report}/offers": READS_ONLY,
    "POST /accounts/{account}/advertisers/refresh": NO_DECISION,
    "POST /accounts/consents": STEPS_OF_FORM,
    "DELETE /query/history": OWN_HISTORY,
    "POST /datasets/{dataset}/views": OWN_LOOK,
    "PATCH /datasets/{dataset}/views/{view}": OWN_LOOK,
    "DELETE /datasets/{dataset}/views/{view}": OWN_LOOK,
    "POST /dashboards/{dashboard}/pins": OWN_BOARD,
    "PATCH /dashboards/{dashboard}/pins/{pin}": OWN_BOARD,
    "DELETE /dashboards/{dashboard}/pins/{pin}": OWN_BOARD,
}
COMMANDS_WITHOUT: dict[str, str] = {
    **dict.fromkeys(
        (
            "reports",
            "templates",
            "metrics",
            "dimensions",
            "validate",
            "plan",
            "preview",
            "replay",
            "settings",
            "catalog check",
            "catalog additions",
        ),
        READS_ONLY,
    ),
    **dict.fromkeys(("history", "versions", "diff", "datasets list", "datasets show"), READS_ONLY),
    **dict.fromkeys(
        ("status", "schedules list", "schedules show", "schedules explain", "notifications list", "backfills list"),
        READS_ONLY,
    ),
    **dict.fromkeys(("accounts list", "accounts shares", "app show", "users list", "links list"), READS_ONLY),
    **dict.fromkeys(
        (("calculated-metrics", "presets list", "presets show", "restatements", "rates show", "rates export")),
        READS_ONLY,
    ),
    **dict.fromkeys(("dashboards list", "dashboards show", "destinations list", "destinations status"), READS_ONLY),
    **dict.fromkeys(("dashboards pin", "dashboards unpin"), OWN_BOARD),
    "export-config": READS_ONLY,
    "catalog check": READS_ONLY,
    "accounts advertisers": NO_DECISION,
    "accounts connect": "needs a browser at TikTok; it ends in the same function as `accounts add`",
    "restore-backup": "fills an empty home, whose log has it (test_backups.py)",
    "demo": "a trial home; what people do in it is recorded by its pages",
    "simulate": "serves a simulated TikTok, without a home",
    "migrate-store": "leaves the store as it was; the log of the new one has it (test_moving.py)",
    "worker": "starts what people and schedules asked for, which is recorded then",
    "serve": "serves pages, each of which is recorded",
}
EXPORTS = {
    "GET /datasets/{slug}/export",
    "GET /datasets/{slug}/difference/rows/export",
    "GET /datasets/{slug}/data/copy",
    "GET /datasets/{slug}/cards/file",
    "GET /dashboards/{dashboard_id:int}/file",
    "GET /dashboards/shared/{share}/file",
    "GET /audit/export",
    "GET /datasets/{dataset}/export",
}
"""What is downloaded by GET."""


class Walk:
    """Steps through routes or commands, each of which must add an entry of its action by the right means."""

    def __init__(self, site: Site, means: Means, user: str, token: str = "") -> None:
        self.site, self.means, self.user, self.token = site, means, user, token
        self.walked: set[str] = set()

    def step(
        self, route: str, act: Callable[[], Any], action: Action, subject: str | None = None, most_status: int = 399
    ) -> Any:
        latest = self.site.store.audit.page(AuditFilter(), limit=1)
        answer = act()
        if isinstance(answer, httpx2.Response):
            assert answer.status_code <= most_status, (route, answer.status_code, words_of(answer.text)[:1000])
        after = latest[0].id if latest else 0
        new = [entry for entry in self.site.store.audit.page(AuditFilter(), limit=20) if entry.id > after]
        matching = [entry for entry in new if entry.action is action]
        assert matching, (route, action, [entry.action for entry in new])
        entry = matching[0]
        assert (entry.means, entry.user_name, entry.token) == (self.means, self.user, self.token), (route, entry)
        assert entry.at == self.site.home.now
        if subject is not None:
            assert entry.subject_name == subject, route
        self.walked.add(route)
        return answer


def each_route(routers: Any) -> Iterator[APIRoute]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield route
            else:
                # A router included in another, which FastAPI keeps whole.
                yield from each_route([route.original_router])


def routes_of(routers: Any) -> set[str]:
    """What changes something or downloads figures, as "METHOD /path"."""
    routes = {f"{method} {route.path}" for route in each_route(routers) for method in route.methods or ()}
    return {route for route in routes if not route.startswith(("GET ", "HEAD ")) or route in EXPORTS}


def ran(site: Site, asking: Program, **keys: Any) -> str:
    slug: str = asking.good("POST", "/datasets", 201, json=SPEND | keys)["slug"]
    for _ in range(2):
        asking.good("POST", f"/datasets/{slug}/runs", 202)
        site.work()
    return slug


@pytest.mark.slow
def test_every_page_that_changes_or_exports_something_is_recorded(site: Site) -> None:
    visit, asking = site.visit("admin"), program(site)
    slug = ran(site, asking)
    walk = Walk(site, Means.PAGE, "admin")
    step, post = walk.step, visit.post
    store = site.store

    def client(path: str) -> Callable[[], httpx2.Response]:
        return lambda: visit.client.get(path, follow_redirects=False)

    step("POST /users", lambda: post("/users", {"name": "ada", "role": "editor"}), Action.USER_CREATE, "ada")
    ada = store.users.get("ada").id
    user = "POST /users/{user_id:int}"
    step(f"{user}/role", lambda: post(f"/users/{ada}/role", {"role": "viewer"}), Action.USER_ROLE, "ada")
    step(f"{user}/password", lambda: post(f"/users/{ada}/password", {"password": LONG}), Action.USER_PASSWORD, "ada")
    step(f"{user}/disable", lambda: post(f"/users/{ada}/disable"), Action.USER_DISABLE, "ada")
    step(f"{user}/enable", lambda: post(f"/users/{ada}/enable"), Action.USER_ENABLE, "ada")
    step("POST /workspace", lambda: post("/workspace", {"name": "W", "zone": "UTC"}), Action.WORKSPACE_CHANGE)
    rates = {"text": "date,from,to,rate\n2026-11-28,USD,EUR,0.92\n", "mode": "add"}
    rates["seen"] = post("/workspace/rates", rates).text.split('name="seen" value="')[1].split('"')[0]
    step("POST /workspace/rates", lambda: post("/workspace/rates", rates), Action.RATES_IMPORT)
    step(
        "POST /workspace/rates/validity",
        lambda: post("/workspace/rates/validity", {"valid_days": "31"}),
        Action.RATES_CHANGE,
    )
    step("POST /workspace/rates/delete", lambda: post("/workspace/rates/delete"), Action.RATES_DELETE)
    token = {"name": "t", "kind": "read", "days": "30", "newest": "1"}
    step("POST /profile/tokens", lambda: post("/profile/tokens", token), Action.TOKEN_CREATE, "t")
    revoke = "/profile/tokens/2/revoke"
    step("POST /profile/tokens/{token_id:int}/revoke", lambda: post(revoke), Action.TOKEN_REVOKE, "t")
    step("POST /profile/sessions/end", lambda: post("/profile/sessions/end"), Action.SESSIONS_END)
    policy = {"version_days": "", "version_count": "5", "run_days": "", "log_days": "", "audit_days": ""}
    seen = {"seen": "None 5 None None None"}
    step("POST /retention", lambda: post("/retention", policy | seen), Action.RETENTION_CHANGE)
    # Accounts
    named = {"name": "By token", "token": site.home.token, "advertisers": ""}
    step("POST /accounts/token", lambda: post("/accounts/token", named), Action.ACCOUNT_CONNECT, "By token")
    number = store.accounts.get("By token").id
    base, account = f"/accounts/{number}", "POST /accounts/{account_id:int}"
    step(f"{account}/rename", lambda: post(f"{base}/rename", {"name": "X"}), Action.ACCOUNT_RENAME, "X")
    again = {"token": site.home.token}
    step(f"{account}/token", lambda: post(f"{base}/token", again), Action.ACCOUNT_RECONNECT, "X")
    ids = store.accounts.advertisers(store.accounts.get("X"))[0].advertiser_id
    only = {"choice": "only", "ids": ids}
    step(f"{account}/advertisers", lambda: post(f"{base}/advertisers", only), Action.ACCOUNT_ADVERTISERS, "X")
    shared = {"user": str(ada), "level": "read"}
    step(f"{account}/share", lambda: post(f"{base}/share", shared), Action.ACCOUNT_SHARE, "X")
    step(f"{account}/delete", lambda: post(f"{base}/delete"), Action.ACCOUNT_DELETE, "X")
    store.accounts.rename(store.accounts.get("demo"), "first")
    back = consent(site.home, begin(visit, "Shop"))
    step("GET /callback", client(back), Action.ACCOUNT_CONNECT)
    pasted = {"address": f"http://localhost:8765{consent(site.home, begin(visit, 'Pasted'))}", "consent": ""}
    step("POST /accounts/connect/paste", lambda: post("/accounts/connect/paste", pasted), Action.ACCOUNT_CONNECT)
    back = consent(site.home, begin(visit, "Taken"))
    site.home.add_account("Taken", [0])
    key = key_of(visit.get(back).text)
    choice = {"key": key, "choice": "new", "name": "Not taken"}
    step("POST /accounts/connect/decide", lambda: post("/accounts/connect/decide", choice), Action.ACCOUNT_CONNECT)
    store.accounts.rename(store.accounts.get("first"), "demo")
    app = {"app_id": site.home.config.app_id, "secret": "s"}
    step("POST /accounts/guide/keys", lambda: post("/accounts/guide/keys", app), Action.APP_CHANGE)
    step("POST /accounts/guide/keys/check", lambda: post("/accounts/guide/keys/check"), Action.APP_TEST)
    step("POST /accounts/guide/keys/remove", lambda: post("/accounts/guide/keys/remove"), Action.APP_REMOVE)
    # Datasets
    page = visit.good(f"/datasets/{slug}/settings")
    pairs: Any = filled(page, name="Renamed")
    change = f"/datasets/{slug}/settings"
    step("POST /datasets/{slug}/settings", lambda: post(change, as_form(pairs)), Action.DATASET_CHANGE, "Renamed")
    weekly: Any = filled(visit.good(change), **{"preset.name": "Weekly"})
    keep = "/datasets/form/preset"
    step(f"POST {keep}", lambda: post(keep, as_form(weekly)), Action.PRESET_CREATE, "Weekly")
    new: Any = filled(visit.good(f"/datasets/new?like={slug}"), name="Copied")
    step("POST /datasets/new", lambda: post("/datasets/new", as_form(new)), Action.DATASET_CREATE, "Copied")
    imported = {"text": json.dumps(LEGACY)}
    step("POST /datasets/import", lambda: post("/datasets/import", imported), Action.DATASET_CREATE)
    convert = "/datasets/older/convert"
    step("POST /datasets/{slug}/convert", lambda: post(convert), Action.DATASET_CHANGE)
    tagged = {"slug": [slug], "action": "tag", "tag_name": "x"}
    step("POST /datasets/bulk", lambda: post("/datasets/bulk", tagged), Action.DATASET_CHANGE)
    asking.good("PATCH", f"/datasets/{slug}", json={"schedule": {"every": "day", "at": "06:30"}})
    pause, resume = "POST /datasets/{slug}/pause", "POST /datasets/{slug}/resume"
    step(pause, lambda: post(f"/datasets/{slug}/pause"), Action.SCHEDULE_PAUSE, "Renamed")
    step(resume, lambda: post(f"/datasets/{slug}/resume"), Action.SCHEDULE_RESUME, "Renamed")
    step("POST /datasets/{slug}/run", lambda: post(f"/datasets/{slug}/run"), Action.RUN_START, "Renamed")
    run_id = store.runs.list(limit=1)[0].id
    step("POST /runs/{run_id}/cancel", lambda: post(f"/runs/{run_id}/cancel"), Action.RUN_CANCEL, "Renamed")
    restore = "/datasets/{slug}/versions/{version}/restore"
    step(f"POST {restore}", lambda: post(f"/datasets/{slug}/versions/0/restore"), Action.VERSION_RESTORE)
    step("GET /datasets/{slug}/export", client(f"/datasets/{slug}/export?format=csv"), Action.EXPORT, "Renamed")
    step("GET /datasets/{slug}/data/copy", client(f"/datasets/{slug}/data/copy"), Action.EXPORT, "Renamed")
    step("GET /datasets/{slug}/cards/file", client(f"/datasets/{slug}/cards/file?key=totals"), Action.EXPORT, "Renamed")
    changed = f"/datasets/{slug}/difference/rows/export?before=0&after=1&day=2026-11-21"
    step("GET /datasets/{slug}/difference/rows/export", client(changed), Action.EXPORT, "Renamed")
    link = {"name": "Sheet", "days": "30"}
    links = f"/datasets/{slug}/links"
    step("POST /datasets/{slug}/links", lambda: post(links, link), Action.LINK_CREATE, "Sheet")
    revoke = "POST /datasets/{slug}/links/{link_id:int}/revoke"
    step(revoke, lambda: post(f"{links}/1/revoke"), Action.LINK_REVOKE, "Sheet")
    sql = {"sql": f"select * from {slug}"}
    step("POST /query", lambda: post("/query", sql), Action.QUERY, slug)
    kept = sql | {"name": "Kept", "act": "new"}
    step("POST /query/saved", lambda: post("/query/saved", kept), Action.QUERY_SAVE, "Kept")
    query_id = store.saved_queries.list(store.users.get("admin"))[0].id
    query = "POST /query/saved/{query_id:int}"
    step(query, lambda: post(f"/query/saved/{query_id}", {"name": "Other"}), Action.QUERY_CHANGE, "Kept")
    step(f"{query}/delete", lambda: post(f"/query/saved/{query_id}/delete"), Action.QUERY_DELETE, "Other")
    step("POST /query/download", lambda: post("/query/download", sql | {"kind": "csv"}), Action.QUERY_EXPORT, slug)
    asking.good("POST", "/datasets", 201, json=SPEND | {"name": "Daily", "update": {"method": "partition"}})
    days = {"start": "2026-11-01", "end": "2026-11-02"}
    started = "POST /datasets/{slug}/backfills"
    step(started, lambda: post("/datasets/daily/backfills", days), Action.BACKFILL_START, "Daily")
    backfill = "POST /datasets/{slug}/backfills/{change}"
    step(backfill, lambda: post("/datasets/daily/backfills/pause"), Action.BACKFILL_PAUSE, "Daily")
    step(backfill, lambda: post("/datasets/daily/backfills/resume"), Action.BACKFILL_RESUME, "Daily")
    step(backfill, lambda: post("/datasets/daily/backfills/cancel"), Action.BACKFILL_CANCEL, "Daily")
    address = {"url": "json://hook.example.org/secret", "name": "Ops", "scope": "workspace"}
    step("POST /notifications", lambda: post("/notifications", address), Action.ADDRESS_ADD, "Ops")
    own_address = "POST /datasets/{slug}/notifications"
    step(own_address, lambda: post("/datasets/daily/notifications", address), Action.ADDRESS_ADD, "Ops")
    number = store.addresses.list()[0].id
    file = {"name": "warehouse", "address": f"duckdb://{site.home.path / 'a.duckdb'}", "schema": "tiktok"}
    step("POST /destinations", lambda: post("/destinations", file), Action.DESTINATION_ADD, "warehouse")
    there, of_dataset = "POST /destinations/{destination_id:int}", "POST /datasets/{slug}/destinations"
    step(f"{there}/test", lambda: post("/destinations/1/test"), Action.DESTINATION_TEST, "warehouse")
    attached = f"/datasets/{slug}/destinations"
    target = {"destination": "warehouse", "table": ""}
    step(of_dataset, lambda: post(attached, target), Action.DATASET_CHANGE, "Renamed")
    publish = f"{of_dataset}/{{destination_id:int}}/publish"
    step(publish, lambda: post(f"{attached}/1/publish"), Action.PUBLISH, "Renamed")
    step(f"{of_dataset}/detach", lambda: post(f"{attached}/detach", target), Action.DATASET_CHANGE, "Renamed")
    step(f"{there}/delete", lambda: post("/destinations/1/delete"), Action.DESTINATION_DELETE, "warehouse")
    board, own = "POST /dashboards/{dashboard_id:int}", "/dashboards/1"
    morning = {"name": "Morning"}
    step("POST /dashboards", lambda: post("/dashboards", morning), Action.DASHBOARD_CREATE, "Morning")
    step(f"{board}/rename", lambda: post(f"{own}/rename", {"name": "M"}), Action.DASHBOARD_CHANGE, "M")
    step(f"{board}/share", lambda: post(f"{own}/share"), Action.DASHBOARD_SHARE, "M")
    shown = f"/dashboards/shared/{store.dashboards.get(1).share}"
    step("GET /dashboards/{dashboard_id:int}/file", client(f"{own}/file?kind=png"), Action.DASHBOARD_EXPORT, "M")
    step("GET /dashboards/shared/{share}/file", client(f"{shown}/file?kind=pdf"), Action.DASHBOARD_EXPORT, "M")
    times = {"address": str(number), "at": "08:00", "weekdays": "0"}
    step(f"{board}/deliveries", lambda: post(f"{own}/deliveries", times), Action.DASHBOARD_DELIVERY, "M")
    delivery = f"{board}/deliveries/{{delivery_id:int}}"
    step(f"{delivery}/send", lambda: post(f"{own}/deliveries/1/send"), Action.DASHBOARD_SEND, "M")
    step(f"{delivery}/remove", lambda: post(f"{own}/deliveries/1/remove"), Action.DASHBOARD_DELIVERY, "M")
    step(f"{board}/delete", lambda: post(f"{own}/delete"), Action.DASHBOARD_DELETE, "M")
    sent = f"/notifications/{number}/test"
    step("POST /notifications/{address_id:int}/test", lambda: post(sent), Action.ADDRESS_TEST, "Ops")
    gone = f"/notifications/{number}/remove"
    step("POST /notifications/{address_id:int}/remove", lambda: post(gone), Action.ADDRESS_REMOVE, "Ops")
    step("POST /datasets/{slug}/delete", lambda: post(f"/datasets/{slug}/delete"), Action.DATASET_DELETE, "Renamed")
    step("GET /audit/export", client("/audit/export?format=json"), Action.AUDIT_EXPORT)
    step("POST /users/{user_id:int}/delete", lambda: post(f"/users/{ada}/delete"), Action.USER_DELETE, "ada")
    password = {"present": PASSWORD, "password": LONG, "again": LONG, "tokens": "stay"}
    step("POST /profile/password", lambda: post("/profile/password", password), Action.USER_PASSWORD, "admin")
    step("POST /logout", lambda: post("/logout"), Action.SIGN_OUT, "admin")
    sign_in = {"name": "admin", "password": LONG}
    step("POST /login", lambda: post("/login", sign_in), Action.SIGN_IN, "admin")
    walk.walked |= {"POST /setup"}  # `test_the_first_administrator_is_recorded`
    assert routes_of(pages.ROUTERS) - set(PAGES_WITHOUT) == walk.walked - {"GET /callback"}
    assert set(PAGES_WITHOUT) <= routes_of(pages.ROUTERS)
    assert LONG not in json.dumps([dict(entry.details) for entry in store.audit.page(AuditFilter(), limit=500)])


def as_form(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


@pytest.mark.slow
def test_every_request_of_the_api_that_changes_or_exports_something_is_recorded(site: Site) -> None:
    asking = program(site)
    slug = ran(site, asking)
    walk = Walk(site, Means.API, "admin", "a program")
    store = site.store

    def step(method: str, route: str, path: str, action: Action, status: int = 200, **more: Any) -> Any:
        answer = walk.step(f"{method} {route}", lambda: asking.ask(method, path, **more), action)
        assert answer.status_code == status
        return answer

    ada = step("POST", "/users", "/users", Action.USER_CREATE, 201, json={"name": "ada", "password": LONG}).json()["id"]
    step("PATCH", "/users/{user}", f"/users/{ada}", Action.USER_ROLE, json={"role": "editor"})
    step(
        "PUT",
        "/users/{user}/password",
        f"/users/{ada}/password",
        Action.USER_PASSWORD,
        204,
        json={"password": LONG},
    )
    step("PATCH", "/workspace", "/workspace", Action.WORKSPACE_CHANGE, json={"name": "W"})
    step("PUT", "/retention", "/retention", Action.RETENTION_CHANGE, json={})
    body = {"name": "By token", "token": site.home.token}
    number = step("POST", "/accounts", "/accounts", Action.ACCOUNT_CONNECT, 201, json=body).json()["id"]
    base, account = f"/accounts/{number}", "/accounts/{account}"
    step("PATCH", account, base, Action.ACCOUNT_RENAME, json={"name": "X"})
    again = {"token": site.home.token}
    step("PUT", f"{account}/token", f"{base}/token", Action.ACCOUNT_RECONNECT, json=again)
    chosen = {"advertisers": [store.accounts.advertisers(store.accounts.get("X"))[0].advertiser_id]}
    step("PUT", f"{account}/advertisers", f"{base}/advertisers", Action.ACCOUNT_ADVERTISERS, json=chosen)
    level = {"level": "read"}
    step("PUT", f"{account}/shares/everyone", f"{base}/shares/everyone", Action.ACCOUNT_SHARE, json=level)
    step("PUT", f"{account}/shares/{{user}}", f"{base}/shares/{ada}", Action.ACCOUNT_SHARE, json=level)
    step("DELETE", account, base, Action.ACCOUNT_DELETE, 204)
    step("POST", "/datasets", "/datasets", Action.DATASET_CREATE, 201, json=SPEND | {"name": "Other"})
    dataset = "/datasets/{dataset}"
    step(
        "PUT",
        dataset,
        "/datasets/other",
        Action.DATASET_CHANGE,
        json=SPEND | {"name": "Other", "description": "d"},
    )
    step("PATCH", dataset, "/datasets/other", Action.DATASET_CHANGE, json={"description": "e"})
    daily = {"schedule": {"every": "day", "at": "06:30"}}
    step("PATCH", dataset, "/datasets/other", Action.DATASET_CHANGE, json=daily)
    step("POST", f"{dataset}/pause", "/datasets/other/pause", Action.SCHEDULE_PAUSE)
    step("POST", f"{dataset}/resume", "/datasets/other/resume", Action.SCHEDULE_RESUME)
    step("PUT", f"{dataset}/tags", "/datasets/other/tags", Action.DATASET_CHANGE, json={"tags": ["x"]})
    step(
        "POST",
        f"{dataset}/duplicate",
        "/datasets/other/duplicate",
        Action.DATASET_CREATE,
        201,
        json={"name": "Copy"},
    )
    step("POST", "/datasets/import", "/datasets/import", Action.DATASET_CREATE, json=LEGACY)
    step("POST", f"{dataset}/convert", "/datasets/older/convert", Action.DATASET_CHANGE)
    bulk = {"action": "run", "datasets": ["other"]}
    step("POST", "/datasets/bulk", "/datasets/bulk", Action.RUN_START, json=bulk)
    run_id = step("POST", f"{dataset}/runs", f"/datasets/{slug}/runs", Action.RUN_START, 202).json()["run_id"]
    step("POST", "/runs/{run}/cancel", f"/runs/{run_id}/cancel", Action.RUN_CANCEL, 202)
    restore = "/versions/{version}/restore"
    step("POST", f"{dataset}{restore}", f"/datasets/{slug}/versions/0/restore", Action.VERSION_RESTORE, 201)
    step("GET", f"{dataset}/export", f"/datasets/{slug}/export?format=csv", Action.EXPORT)
    step("POST", f"{dataset}/links", f"/datasets/{slug}/links", Action.LINK_CREATE, 201, json={"name": "Sheet"})
    step("DELETE", f"{dataset}/links/{{link}}", f"/datasets/{slug}/links/1", Action.LINK_REVOKE, 204)
    sql = {"sql": f"select * from {slug}"}
    step("POST", "/query", "/query", Action.QUERY, json=sql)
    kept = sql | {"name": "Kept"}
    key = step("POST", "/saved-queries", "/saved-queries", Action.QUERY_SAVE, 201, json=kept).json()["id"]
    path = f"/saved-queries/{key}"
    step("PATCH", "/saved-queries/{query}", path, Action.QUERY_CHANGE, json={"name": "Other"})
    step("DELETE", "/saved-queries/{query}", path, Action.QUERY_DELETE, 204)
    preset = {"name": "Weekly", "metrics": ["spend"], "shared": True}
    key = step("POST", "/metric-presets", "/metric-presets", Action.PRESET_CREATE, 201, json=preset).json()["id"]
    path = f"/metric-presets/{key}"
    step("PATCH", "/metric-presets/{preset}", path, Action.PRESET_CHANGE, json={"name": "Monthly"})
    step("DELETE", "/metric-presets/{preset}", path, Action.PRESET_DELETE, 204)
    csv = {"csv": "date,from,to,rate\n2026-11-28,USD,EUR,0.92\n"}
    step("PUT", "/rates", "/rates", Action.RATES_IMPORT, json=csv)
    step("DELETE", "/rates", "/rates", Action.RATES_DELETE, 204)
    step("PUT", "/app", "/app", Action.APP_CHANGE, json={"app_id": "1", "secret": "s"})
    step("POST", "/app/test", "/app/test", Action.APP_TEST)
    step("DELETE", "/app", "/app", Action.APP_REMOVE, 204)
    step("POST", "/query/export", "/query/export", Action.QUERY_EXPORT, json=sql | {"format": "csv"})
    step("GET", "/audit/export", "/audit/export", Action.AUDIT_EXPORT)
    daily = SPEND | {"name": "Daily", "update": {"method": "partition"}}
    step("POST", "/datasets", "/datasets", Action.DATASET_CREATE, 201, json=daily)
    days = {"start": "2026-11-01", "end": "2026-11-02"}
    path, backfills = "/datasets/daily/backfills", f"{dataset}/backfills"
    number = step("POST", backfills, path, Action.BACKFILL_START, 201, json=days).json()["id"]
    for word, action in (
        ("pause", Action.BACKFILL_PAUSE),
        ("resume", Action.BACKFILL_RESUME),
        ("cancel", Action.BACKFILL_CANCEL),
    ):
        step("POST", f"/backfills/{{backfill}}/{word}", f"/backfills/{number}/{word}", action)
    address = {"url": "json://hook.example.org/secret", "name": "Ops"}
    address_id = step("POST", "/notifications", "/notifications", Action.ADDRESS_ADD, 201, json=address).json()["id"]
    file = {"name": "warehouse", "address": f"duckdb://{site.home.path / 'a.duckdb'}"}
    step("POST", "/destinations", "/destinations", Action.DESTINATION_ADD, 201, json=file)
    step("POST", "/destinations/{destination}/test", "/destinations/1/test", Action.DESTINATION_TEST, 204)
    step("PATCH", dataset, f"/datasets/{slug}", Action.DATASET_CHANGE, json={"publish": "warehouse"})
    order = {"destination": "warehouse"}
    step("POST", f"{dataset}/publish", f"/datasets/{slug}/publish", Action.PUBLISH, 202, json=order)
    step("PATCH", dataset, f"/datasets/{slug}", Action.DATASET_CHANGE, json={"publish": None})
    step("DELETE", "/destinations/{destination}", "/destinations/1", Action.DESTINATION_DELETE, 204)
    board, own = "/dashboards/{dashboard}", "/dashboards/1"
    morning = {"name": "Morning"}
    step("POST", "/dashboards", "/dashboards", Action.DASHBOARD_CREATE, 201, json=morning)
    step("PATCH", board, own, Action.DASHBOARD_CHANGE, json={"name": "M"})
    step("PUT", f"{board}/share", f"{own}/share", Action.DASHBOARD_SHARE)
    step("DELETE", f"{board}/share", f"{own}/share", Action.DASHBOARD_SHARE, 204)
    times = {"address": address_id, "at": "08:00"}
    deliveries = f"{board}/deliveries"
    step("POST", deliveries, f"{own}/deliveries", Action.DASHBOARD_DELIVERY, 201, json=times)
    step("POST", f"{deliveries}/{{delivery}}/send", f"{own}/deliveries/1/send", Action.DASHBOARD_SEND, 202)
    step("DELETE", f"{deliveries}/{{delivery}}", f"{own}/deliveries/1", Action.DASHBOARD_DELIVERY, 204)
    step("DELETE", board, own, Action.DASHBOARD_DELETE, 204)
    path = f"/notifications/{address_id}"
    step("POST", "/notifications/{address}/test", f"{path}/test", Action.ADDRESS_TEST)
    step("DELETE", "/notifications/{address}", path, Action.ADDRESS_REMOVE, 204)
    step("DELETE", dataset, f"/datasets/{slug}", Action.DATASET_DELETE, 204)
    step("DELETE", "/users/{user}", f"/users/{ada}", Action.USER_DELETE, 204)
    change = {"present": PASSWORD, "password": LONG, "keep_tokens": True}
    step("PUT", "/me/password", "/me/password", Action.USER_PASSWORD, 204, json=change)
    token_id = asking.get("/tokens")["items"][0]["id"]
    step("DELETE", "/tokens/{token}", f"/tokens/{token_id}", Action.TOKEN_REVOKE, 204)
    walk.walked |= {"POST /tokens"}  # `test_a_browser_that_uses_the_api_is_recorded_as_such`
    assert routes_of(api.ROUTERS) - set(API_WITHOUT) == walk.walked
    assert set(API_WITHOUT) <= routes_of(api.ROUTERS)


def command_names() -> Iterator[str]:
    for command in commands.registered_commands:
        yield str(command.name)
    for group in commands.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            yield f"{group.name} {command.name}"


@pytest.mark.slow
def test_every_command_that_changes_or_exports_something_is_recorded(site: Site, tmp_path: Any) -> None:
    home = site.home
    walk = Walk(site, Means.COMMAND, "command line")
    name = {"d": "Spend"}

    def step(command: str, action: Action, *words: str, stdin: str | None = None) -> None:
        walk.step(command, lambda: home.good(*command.split(), *words, stdin=stdin), action)

    step("users add", Action.USER_CREATE, "ada", "--role", "editor", "--password-stdin", stdin=f"{LONG}\n")
    step("users role", Action.USER_ROLE, "ada", "viewer")
    step("users password", Action.USER_PASSWORD, "ada", "--password-stdin", stdin=f"{LONG}\n")
    step("users disable", Action.USER_DISABLE, "ada")
    step("users enable", Action.USER_ENABLE, "ada")
    token = f"{home.token}\n"
    step("accounts add", Action.ACCOUNT_CONNECT, "Other", "--token-stdin", stdin=token)
    step("accounts rename", Action.ACCOUNT_RENAME, "Other", "X")
    step("accounts reconnect", Action.ACCOUNT_RECONNECT, "X", "--token-stdin", stdin=token)
    step("accounts share", Action.ACCOUNT_SHARE, "X", "ada", "read")
    step("accounts delete", Action.ACCOUNT_DELETE, "X", "--yes")
    step("app set", Action.APP_CHANGE, home.config.app_id, "--secret-stdin", stdin=f"{home.config.secret}\n")
    step("app test", Action.APP_TEST)
    step("app remove", Action.APP_REMOVE, "--yes")
    step("datasets create", Action.DATASET_CREATE, "-f", home.file())
    step("run", Action.RUN_START, name["d"])
    home.good("run", name["d"])
    step("schedules set", Action.DATASET_CHANGE, name["d"], "--every", "day", "--at", "06:30")
    step("schedules pause", Action.SCHEDULE_PAUSE, name["d"])
    step("schedules resume", Action.SCHEDULE_RESUME, name["d"])
    step("datasets edit", Action.DATASET_CHANGE, name["d"], "-f", home.file(description="d"))
    legacy = home.path / "legacy.json"
    legacy.write_text(json.dumps(LEGACY))
    step("datasets import", Action.DATASET_CREATE, str(legacy))
    step("datasets convert", Action.DATASET_CHANGE, "older")
    queued = program(site).good("POST", "/datasets/spend/runs", 202)["run_id"]
    step("cancel", Action.RUN_CANCEL, queued)
    step("restore", Action.VERSION_RESTORE, name["d"], "0", "--yes")
    step("vacuum", Action.VERSIONS_DELETE, name["d"], "--keep-days", "0", "--keep-versions", "1", "--yes")
    site.store.audit.add(Action.PRUNE, WORKSPACE)
    home.later(40)
    step("retention", Action.RETENTION_CHANGE, "--audit-days", "30", "--yes")
    step("prune", Action.PRUNE, "--yes")
    step("query", Action.QUERY, "select count(*) from spend")
    step("export", Action.EXPORT, name["d"], "-o", str(tmp_path / "a.csv"))
    step("record", Action.EXPORT, name["d"], "-o", str(tmp_path / "a.jsonl"), "--yes")
    step("presets save", Action.PRESET_CREATE, "Weekly", "spend", "--shared")
    step("presets rename", Action.PRESET_CHANGE, "Weekly", "Monthly")
    program(site).good("POST", "/metric-presets", 201, json={"name": "Own", "metrics": ["spend"]})
    step("presets share", Action.PRESET_CHANGE, "Own")
    step("presets delete", Action.PRESET_DELETE, "Monthly", "--yes")
    rates = home.path / "rates.csv"
    rates.write_text("date,from,to,rate\n2026-11-28,USD,EUR,0.92\n")
    step("rates import", Action.RATES_IMPORT, str(rates), "--yes")
    step("rates validity", Action.RATES_CHANGE, "31")
    step("rates clear", Action.RATES_DELETE, "--yes")
    step("links create", Action.LINK_CREATE, name["d"], "Sheet")
    step("links revoke", Action.LINK_REVOKE, name["d"], "1", "--yes")
    step("audit", Action.AUDIT_EXPORT, "-o", str(tmp_path / "audit.csv"))
    step("backup", Action.BACKUP, str(tmp_path / "a.tar"))
    partition = home.file(name="Daily", update={"method": "partition"})
    step("datasets create", Action.DATASET_CREATE, "-f", partition)
    days = ("--start", "2026-11-01", "--end", "2026-11-02")
    step("backfill", Action.BACKFILL_START, "daily", *days)
    step("backfills pause", Action.BACKFILL_PAUSE, "daily")
    step("backfills resume", Action.BACKFILL_RESUME, "daily")
    step("backfills cancel", Action.BACKFILL_CANCEL, "daily")
    step("notifications add", Action.ADDRESS_ADD, "--name", "Ops", stdin="json://hook.example.org/secret\n")
    # Nobody answers at this address.
    walk.step("notifications test", lambda: home.bad("notifications", "test", "1"), Action.ADDRESS_TEST)
    step("destinations add", Action.DESTINATION_ADD, "warehouse", str(tmp_path / "warehouse.duckdb"))
    step("destinations test", Action.DESTINATION_TEST, "warehouse")
    step("destinations attach", Action.DATASET_CHANGE, name["d"], "warehouse", "--table", "daily")
    step("publish", Action.PUBLISH, name["d"])
    step("destinations detach", Action.DATASET_CHANGE, name["d"], "warehouse")
    step("destinations change", Action.DESTINATION_CHANGE, "warehouse", "--schema", "ads")
    step("destinations delete", Action.DESTINATION_DELETE, "warehouse")
    home.good("destinations", "add", "compatible", str(tmp_path / "compatible.duckdb"), "--layout", "fivetran")
    step("destinations create-datasets", Action.DATASET_CREATE, "compatible", "--account", "demo")
    stream = {"stream": {"name": "campaigns"}, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    fivetran = {"service": "tiktok_ads", "config": {"sync_mode": "AllAccounts"}}
    for connector, settings in (("airbyte", {"streams": [stream]}), ("fivetran", fivetran)):
        exported = tmp_path / f"{connector}.json"
        exported.write_text(json.dumps(settings), "utf-8")
        step(f"import {connector}", Action.DATASET_CREATE, str(exported), "--account", "demo")
    step("dashboards create", Action.DASHBOARD_CREATE, "Morning")
    step("dashboards rename", Action.DASHBOARD_CHANGE, "Morning", "M")
    step("dashboards share", Action.DASHBOARD_SHARE, "M")
    step("dashboards deliver", Action.DASHBOARD_DELIVERY, "M", "1")
    # Nobody answers at this address.
    walk.step("dashboards send", lambda: home.bad("dashboards", "send", "M", "1"), Action.DASHBOARD_SEND)
    step("dashboards export", Action.DASHBOARD_EXPORT, "M", "-o", str(tmp_path / "m.png"))
    step("dashboards delete", Action.DASHBOARD_DELETE, "M", "--yes")
    step("notifications change", Action.ADDRESS_CHANGE, "1", "--kind", "failed")
    step("notifications remove", Action.ADDRESS_REMOVE, "1")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "a.json.yaml").write_text(json.dumps(SPEND | {"name": "Applied"}))
    step("apply", Action.DATASET_CREATE, "-f", str(folder), "--yes")
    step("datasets delete", Action.DATASET_DELETE, name["d"], "--yes")
    step("users delete", Action.USER_DELETE, "ada", "--yes")
    step("secrets rotate", Action.KEYS_ROTATE)
    assert set(command_names()) - set(COMMANDS_WITHOUT) == walk.walked
    assert set(COMMANDS_WITHOUT) <= set(command_names())
    home.environ["ADREEL_USER"] = "admin"
    home.good("users", "add", "eve", "--role", "viewer", "--password-stdin", stdin=f"{LONG}\n")
    assert home.json("audit", "--user", "ADMIN", "--action", "user_create")[0]["subject"] == "eve"


def test_the_first_administrator_is_recorded(home: Home) -> None:
    from web_home import open_site

    with open_site(home) as site:
        entries = site.store.audit.page(AuditFilter(actions=frozenset({Action.USER_CREATE})))
        assert [(entry.user_name, entry.subject_name, entry.means) for entry in entries] == [
            ("admin", "admin", Means.PAGE)
        ]


def test_a_browser_that_uses_the_api_is_recorded_as_such(site: Site) -> None:
    visit = site.visit("admin")
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = visit.client.post("/api/v1/tokens", json={"name": "t"}, headers=headers)
    assert answer.status_code == 201
    (entry,) = site.store.audit.page(AuditFilter(actions=frozenset({Action.TOKEN_CREATE})))
    assert (entry.means, entry.token, entry.user_name) == (Means.API, "", "admin")
    assert answer.json()["secret"] not in str(entry)


def test_a_failed_sign_in_names_the_user_but_never_what_else_was_typed(site: Site) -> None:
    for name in ("admin", "hunter2-typed-in-the-wrong-field"):
        assert site.visit().post("/login", {"name": name, "password": "wrong"}).status_code == 422
    entries = site.store.audit.page(AuditFilter(actions=frozenset({Action.SIGN_IN_FAILED})))
    assert [(entry.user_name, entry.subject_name) for entry in entries] == [
        ("not signed in", "unknown user"),
        ("not signed in", "admin"),
    ]
    assert "hunter2" not in site.visit("admin").good("/audit")


def test_what_is_refused_is_not_recorded(site: Site) -> None:
    site.user("bob", Role.VIEWER)
    bob, before = site.visit("bob"), site.store.audit.count(AuditFilter())
    assert bob.post("/users", {"name": "x", "role": "admin"}).status_code == 403
    assert bob.post("/workspace", {"name": "x", "zone": "UTC"}).status_code == 403
    assert site.visit("admin").post("/workspace", {"name": "x", "zone": "Mars"}).status_code == 422
    assert site.store.audit.count(AuditFilter()) == before + 1  # the administrator's sign-in


def test_names_outlive_what_they_name(site: Site) -> None:
    ada = site.user("ada", Role.ADMIN)
    site.visit("ada").sent("/workspace", {"name": "Hers", "zone": "UTC"})
    site.store.users.delete(ada)
    assert "ada Data Center Changed workspace" in site.visit("admin").words("/audit", user="ada")


def test_the_page_filters_pages_and_exports(site: Site) -> None:
    for number in range(60):
        site.store.accounts.add(f"Shop {number}", token="t", app_id="1", base_url="http://x.test")
    site.home.later(1)
    site.store.accounts.add("=HYPERLINK(1)", token="t", app_id="1", base_url="http://x.test")
    visit = site.visit("admin")
    page = visit.words("/audit", action="account_connect")
    assert "Page 1 of 2" in page
    assert "Page 2 of 2" in visit.words("/audit", action="account_connect", page=2)
    assert "1 entry" in visit.words("/audit", subject="shop 59")
    assert "1 entry" in visit.words("/audit", action="account_connect", start="2026-11-23", end="2026-11-23")
    assert "No entries match these filters." in visit.words("/audit", subject="nothing like it")
    assert "is not a day" in words_of(visit.get("/audit", start="yesterday-ish").text)
    assert "after the end" in words_of(visit.get("/audit", start="2026-11-24", end="2026-11-23").text)
    rows = list(csv.DictReader(io.StringIO(visit.get("/audit/export", action="account_connect").text)))
    # The fixture's own account is one of them.
    assert len(rows) == 62
    assert not any(value.startswith(FORMULAS) for row in rows for value in row.values())
    entries = visit.get("/audit/export", format="json", subject="Shop").json()
    assert len(entries) == 60
    asking = program(site)
    listed = asking.get("/audit", action=["account_connect"], subject="Shop", limit=7)
    assert (listed["total"], [item["id"] for item in listed["items"]]) == (60, [item["id"] for item in entries[:7]])
    assert asking.get("/audit", action=["account_connect", "audit_export"])["total"] == 64


@pytest.mark.parametrize("role", [Role.EDITOR, Role.VIEWER])
def test_only_administrators_read_it_and_nobody_changes_it(site: Site, role: Role) -> None:
    site.user("bob", role)
    visit, asking = site.visit("bob"), program(site, "bob")
    for path in ("/audit", "/audit/export"):
        assert visit.get(path).status_code == 403
        asking.bad("GET", path, 403)
    site.home.environ["ADREEL_USER"] = "bob"
    assert "Only administrators can view the audit log" in site.home.bad("audit")[1]
    routes = each_route((*pages.ROUTERS, *api.ROUTERS))
    assert not [route.path for route in routes if "audit" in route.path and set(route.methods or ()) - {"GET", "HEAD"}]


def test_an_action_that_is_none_is_named(site: Site) -> None:
    code, message = site.home.bad("audit", "--action", "run")
    assert code == 3
    assert "'run' is not an action. Did you mean 'run_start' or 'run_cancel'?" in " ".join(message.split())
    assert site.home.good("audit", "--limit", "1").stdout.count("\n") >= 2
    assert re.search(r"Connected account", site.home.good("audit").stdout)
    assert URL not in site.home.good("audit").stdout
