"""The API's description: complete, and true of what the API answers to generated requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api_home import ADDRESS, API, SPEND, Program, description, program, table
from home import Home, make_home
from web_home import Site, open_site

DESCRIPTION = description()

SCHEMA = schemathesis.openapi.from_dict(dict(DESCRIPTION))

OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

EXAMPLES = 3


@dataclass
class Prepared:
    """A home with an account, a dataset that has run twice, and the parameters that lead to them."""

    home: Home
    parameters: dict[str, str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    home = make_home(tmp_path_factory.mktemp("api") / "home")
    home.add_account()
    with open_site(home) as site:
        asking = program(site)
        slug = table(site, asking)
        asking.good("POST", f"/datasets/{slug}/runs", 202)
        (run,) = site.work()
        daily = asking.good("POST", "/datasets", 201, json=SPEND | {"name": "Daily", "update": {"method": "partition"}})
        days = {"start": "2026-11-01", "end": "2026-11-02"}
        asking.good("POST", f"/datasets/{daily['slug']}/backfills", 201, json=days)
        preset = {"name": "Weekly", "metrics": ["spend"], "shared": True}
        asking.good("POST", "/metric-presets", 201, json=preset)
        saved = asking.good("POST", "/saved-queries", 201, json={"name": "Rows", "sql": "select 1", "shared": True})
        asking.good("POST", f"/datasets/{slug}/links", 201, json={"name": "Sheet"})
        asking.good("POST", f"/datasets/{slug}/views", 201, json={"name": "All"})
        board = asking.good("POST", "/dashboards", 201, json={"name": "Every morning"})["id"]
        asking.good("POST", f"/dashboards/{board}/pins", 201, json={"dataset": slug, "card": "spend"})
        link = asking.good("PUT", f"/dashboards/{board}/share")["link"]
        address = {"url": "json://hook.example.org/secret", "scope": "workspace"}
        address_id = asking.good("POST", "/notifications", 201, json=address)["id"]
        times = {"address": address_id, "at": "08:00"}
        asking.good("POST", f"/dashboards/{board}/deliveries", 201, json=times)
        file = {"name": "warehouse", "address": f"duckdb://{home.path.parent / 'warehouse.duckdb'}"}
        destination = asking.good("POST", "/destinations", 201, json=file)["id"]
        asking.good("PATCH", f"/datasets/{slug}", json={"publish": "warehouse"})
        viewer = site.user("viewer")
    parameters = {
        "dataset": slug,
        "run": run.id,
        "account": "1",
        "user": str(viewer.id),
        "token": "1",
        "card": "spend",
        "address": "1",
        "backfill": "1",
        "preset": "1",
        "query": saved["id"],
        "link": "1",
        "view": "1",
        "dashboard": board,
        "pin": "1",
        "share": link.rpartition("/")[2],
        "delivery": "1",
        "filter": "advertiser",
        "destination": destination,
    }
    return Prepared(
        home,
        parameters
        | {"report": "performance", "metric": "spend", "dimension": "country_code", "template": "ad_daily"}
        | {"version": "0"},
    )


@pytest.fixture
def site(prepared: Prepared, tmp_path: Path) -> Iterator[Site]:
    """A copy of that home, as some requests delete what they find."""
    path = tmp_path / "home"
    shutil.copytree(prepared.home.path, path)
    home = Home(path, prepared.home.config, prepared.home.world)
    with open_site(home) as opened:
        yield opened


def send(asking: Program, case: Case[Any]) -> None:
    """Sends what was generated, and compares the answer with the description."""
    sent = case.as_transport_kwargs(base_url=f"{ADDRESS}{API}", headers={"Authorization": f"Bearer {asking.token}"})
    # Written for another client, which takes texts and bytes as data.
    content = sent.pop("data", None)
    body = {"json": sent["json"]} if "json" in sent else {"content": content} if content is not None else {}
    answer = asking.client.request(
        sent["method"], sent["url"], params=sent.get("params"), headers=sent.get("headers"), **body
    )
    case.validate_response(answer, checks=CHECKS)


def check_generated_requests(prepared: Prepared, site: Site, name: str) -> None:
    """Requests that follow from the description, and such that it rules out, are answered as it says."""
    method, path = OPERATIONS[name]
    operation = SCHEMA[path][method]
    asking = program(site)
    path_parameters = {key: value for key, value in prepared.parameters.items() if f"{{{key}}}" in path}
    again = settings(
        max_examples=EXAMPLES,
        phases=(Phase.generate,),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )

    @seed(1)
    @again
    @given(case=operation.as_strategy(path_parameters=path_parameters))
    def right(case: Case[Any]) -> None:
        send(asking, case)

    @seed(1)
    @again
    @given(case=operation.as_strategy(GenerationMode.NEGATIVE))
    def wrong(case: Case[Any]) -> None:
        send(asking, case)

    right()
    if {"parameters", "requestBody"} & DESCRIPTION["paths"][path][method.lower()].keys():
        wrong()


# integrations/ has all of them.
@pytest.mark.parametrize("name", list(OPERATIONS)[::12])
def test_generated_requests_are_answered_as_the_description_says(prepared: Prepared, site: Site, name: str) -> None:
    check_generated_requests(prepared, site, name)


@pytest.fixture(scope="module")
def quiet(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One copy of the home for requests that are refused and change nothing."""
    path = tmp_path_factory.mktemp("quiet") / "home"
    shutil.copytree(prepared.home.path, path)
    with open_site(Home(path, prepared.home.config, prepared.home.world)) as opened:
        yield opened


NOT_THERE = {"dataset": "none", "run": "ffffffff", "card": "none", "report": "none", "metric": "none"}
NOT_THERE |= {
    "preset": "none",
    "template": "none",
    "address": "99",
    "account": "99",
    "user": "99",
    "token": "99",
    "dimension": "none",
    "version": "99",
    "backfill": "99",
    "query": "99",
    "link": "99",
    "view": "99",
    "dashboard": "99",
    "pin": "99",
    "share": "none",
    "delivery": "99",
    "filter": "none",
    "destination": "99",
}


BEFOREHAND = ("a token that is none", "another kind", "another name", "in chunks", "too large", "another site")
"""What is refused before anybody looks for what an address names."""


@pytest.fixture(scope="module")
def refusals(quiet: Site) -> dict[str, tuple[Any, dict[str, Any], set[int]]]:
    """Requests that change nothing: by whom, with what, and the statuses that there may be if they are refused."""
    stranger_client = quiet.visit().client
    signed_in = quiet.visit("admin").client
    reader = {"Authorization": f"Bearer {program(quiet, read_only=True).token}"}
    editor = {"Authorization": f"Bearer {program(quiet, 'viewer').token}"}
    admin = {"Authorization": f"Bearer {program(quiet).token}"}
    json_body, xml = {"Content-Type": "application/json"}, {"Content-Type": "application/xml"}
    return {
        "no token": (stranger_client, {"headers": json_body, "content": b"{}"}, {401}),
        "a token that is none": (stranger_client, {"headers": {"Authorization": "Bearer adreel_x"}}, {401}),
        "another kind": (stranger_client, {"headers": {"Authorization": "Basic YTpi"}}, {401}),
        "another name": (stranger_client, {"headers": admin | {"Host": "evil.example"}}, {421}),
        "in chunks": (stranger_client, {"headers": admin | {"Transfer-Encoding": "chunked"}}, {411}),
        "too large": (stranger_client, {"headers": admin | {"Content-Length": "4000001"}, "content": b""}, {413}),
        "another site": (signed_in, {"headers": json_body | {"Origin": "null"}, "content": b"{}"}, {403}),
        "only reading": (stranger_client, {"headers": reader | json_body, "content": b"{}"}, set()),
        "an editor without shares": (stranger_client, {"headers": editor | json_body, "content": b"{}"}, set()),
        "no JSON": (stranger_client, {"headers": admin | json_body, "content": b"{"}, {403, 404, 422}),
        "another type": (stranger_client, {"headers": admin | xml, "content": b"<a/>"}, {403, 404, 422}),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_refusals_are_as_the_description_says(
    prepared: Prepared, quiet: Site, refusals: dict[str, tuple[Any, dict[str, Any], set[int]]], name: str
) -> None:
    method, path = OPERATIONS[name]
    operation = SCHEMA[path][method]
    takes_body = "requestBody" in DESCRIPTION["paths"][path][method.lower()]
    before = quiet.home.kept()
    for parameters in (prepared.parameters, NOT_THERE):
        address = path.format(**parameters)
        case = operation.Case(path_parameters=parameters)
        for what, (client, sent, statuses) in refusals.items():
            if parameters is NOT_THERE and what in BEFOREHAND:
                continue
            if what in ("no JSON", "another type") and not takes_body:
                continue  # An administrator's request, to which the body means nothing.
            answer = client.request(method, f"{API}{address}", follow_redirects=False, **sent)
            case.validate_response(answer, checks=CHECKS)
            if statuses and (what, method) != ("another site", "GET"):
                assert answer.status_code in statuses, (what, answer.status_code, answer.text)
    assert quiet.home.kept() == before
