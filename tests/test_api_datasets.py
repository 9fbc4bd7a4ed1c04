"""Datasets over the API: made, changed, checked, planned, previewed, carried over."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import yaml

from adreel.store import Level
from api_home import API, SPEND, Program, program, table
from home import Home
from web_home import Site

LEGACY: dict[str, Any] = {
    "name": "Older",
    "account": "demo",
    "report": "ad_performance",
    "time_granularity": "daily",
    "metrics": ["spend", "impressions"],
    "dates": {"start": "today-3", "end": "yesterday"},
}


def test_a_dataset_is_created_got_replaced_and_deleted(site: Site) -> None:
    asking = program(site)
    answer = asking.ask("POST", "/datasets", json=SPEND | {"tags": ["daily"], "description": "What it cost"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{API}/datasets/spend"
    dataset = answer.json()
    assert (dataset["slug"], dataset["name"], dataset["tags"], dataset["spec_version"]) == (
        "spend",
        "Spend",
        ["daily"],
        1,
    )
    assert (dataset["status"], dataset["rows"], dataset["last_run"]) == ("never", None, None)
    assert dataset["owner"]["name"] == "admin"
    assert dataset["key"] == ["advertiser_id", "ad_id", "stat_time_day"]
    assert dataset["file"]["metrics"] == SPEND["metrics"]
    assert asking.get("/datasets/spend") == dataset
    other = asking.good("PUT", "/datasets/spend", json=SPEND | {"name": "Cost", "metrics": ["spend"]})
    assert (other["slug"], other["name"], other["spec_version"]) == ("spend", "Cost", 2)
    asking.good("DELETE", "/datasets/spend", 204)
    asking.bad("GET", "/datasets/spend", 404)


def test_the_api_and_the_command_line_create_the_same_dataset(site: Site, home: Home) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND | {"update": {"method": "partition", "keep_days": 30}})
    home.good("datasets", "create", "-f", home.file(name="Other", update={"method": "partition", "keep_days": 30}))
    by_api, by_command = (site.store.datasets.get(slug) for slug in ("spend", "other"))
    assert by_api.spec.replace("Spend", "Other") == by_command.spec


def test_a_name_is_unique(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    assert "already" in asking.bad("POST", "/datasets", 409, json=SPEND)["message"]
    hers = program(site, site.user("ada"))
    site.store.shares.set(site.store.accounts.get("demo"), site.store.users.get("ada"), Level.READ)
    hers.bad("POST", "/datasets", 409, json=SPEND)
    assert site.store.datasets.get("spend").spec_version == 1


def test_one_of_several_programs_creates_a_name_and_nothing_is_overwritten(site: Site) -> None:
    bodies = [SPEND | {"description": str(number)} for number in range(6)]

    def create(asking: Program, body: dict[str, Any]) -> httpx2.Response:
        return asking.ask("POST", "/datasets", json=body)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(create, [program(site) for _ in bodies], bodies))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    (created,) = (answer.json() for answer in answers if answer.status_code == 201)
    saved = site.store.datasets.get("spend")
    assert (saved.description, saved.spec_version) == (created["description"], 1)


def test_a_file_whose_datasets_have_the_same_address_is_refused_whole(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    for names in (["Other", "other"], ["Fine", "spend"]):
        text = "\n---\n".join(json.dumps(SPEND | {"name": name}) for name in names)
        headers = {"Content-Type": "application/yaml"}
        message = asking.bad("POST", "/datasets/import", 422, content=text, headers=headers)["message"]
        assert "is already the address of another dataset" in message
    assert asking.get("/datasets")["total"] == 1
    asking.bad("PATCH", "/datasets/spend", 422, json={"name": ""})
    copy = asking.good("POST", "/datasets/spend/duplicate", 201)["slug"]
    assert asking.bad("PATCH", f"/datasets/{copy}", 409, json={"name": "spend"})["kind"] == "ExistsError"


def test_a_dataset_of_an_account_without_access_cannot_be_created(site: Site) -> None:
    hers = program(site, site.user("ada"))
    assert hers.bad("POST", "/datasets", 404, json=SPEND)["message"] == (
        "Account 'demo' was not found, or it is not shared with you."
    )


def test_some_keys_are_changed_and_null_removes_one(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND | {"tags": ["daily"]})
    changed = asking.good("PATCH", "/datasets/spend", json={"metrics": ["spend", "clicks"], "tags": None})
    assert changed["file"]["metrics"] == ["spend", "clicks"]
    assert changed["tags"] == []
    assert "tags" not in changed["file"]
    assert changed["file"]["time_dimension"] == "day"


def test_a_change_over_an_older_version_is_refused(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    asking.good("PATCH", "/datasets/spend", json={"tags": ["a"]}, params={"spec_version": 1})
    for method, body in (("PATCH", {"tags": ["b"]}), ("PUT", SPEND)):
        error = asking.bad(method, "/datasets/spend", 409, json=body, params={"spec_version": 1})
        assert "has changed: its version is 2" in error["message"]
    assert asking.get("/datasets/spend")["tags"] == ["a"]


def test_a_change_of_the_primary_key_is_refused_as_on_the_command_line(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    assert (
        "alters the primary key"
        in asking.bad("PATCH", "/datasets/spend", 422, json={"data_level": "campaign"})["message"]
    )


def test_every_problem_of_a_dataset_is_listed(site: Site) -> None:
    asking = program(site)
    wrong = {"name": "", "account": "dem", "report": "performance", "metrics": ["spent"], "dates": {"start": "x"}}
    validation = asking.good("POST", "/datasets/validate", json=wrong)
    assert validation["valid"] is False
    assert {"name", "account", "data_level", "metrics"} <= {problem["menu"] for problem in validation["problems"]}
    assert any(problem["menu"].startswith("dates") for problem in validation["problems"])
    good = asking.good("POST", "/datasets/validate", json=SPEND)
    assert (good["valid"], good["problems"]) == (True, [])
    assert good["key"] == ["advertiser_id", "ad_id", "stat_time_day"]
    assert set(SPEND["metrics"]) <= set(good["columns"])
    assert asking.get("/datasets")["total"] == 0


ODD: tuple[dict[str, Any], ...] = (
    {"name": "\ud800"},
    {"tags": ["\udfff"]},
    {"\ud800": 1},
    {"metrics": {"a": 1}},
    {"metrics": [["spend"]]},
    {"dates": {"start": {"a": 1}, "end": 2}},
    {"update": {"method": ["upsert"], "keep_days": 1e999}},
    {"name": [1]},
    {"report": ["performance"]},
    {"account": {"a": "b"}},
    {"name": "x" * 5_000},
    {"a": 12345678901234567890123},
)


def test_odd_values_are_problems_and_no_failures(site: Site) -> None:
    asking = program(site)
    for odd in ODD:
        sent: Any = {"content": json.dumps(SPEND | odd), "headers": {"Content-Type": "application/json"}}
        assert asking.good("POST", "/datasets/validate", **sent)["problems"], odd
        asking.bad("POST", "/datasets", 422, **sent)
    assert asking.get("/datasets")["total"] == 0


def test_a_text_comes_back_with_every_character(site: Site) -> None:
    asking = program(site)
    text = 'a\x7fb \u0085 € \U0001f600 "quoted" \\ line\nnext\ttab: - # yes'
    asking.good("POST", "/datasets", 201, json=SPEND | {"description": text, "name": "yes"})
    assert asking.get("/datasets/yes")["file"]["description"] == text
    assert yaml.safe_load(asking.ask("GET", "/datasets/yes/file").text)["description"] == text


def test_a_plan_names_the_requests_and_the_days_of_each_advertiser(site: Site) -> None:
    asking = program(site)
    plan = asking.good("POST", "/datasets/plan", json=SPEND)
    assert (plan["requests"], plan["advertisers"], plan["level"]) == (3, 3, "5000")
    assert {span["start"] for span in plan["days"]} == {"2026-11-19"}
    asking.good("POST", "/datasets", 201, json=SPEND)
    assert asking.get("/datasets/spend/plan") == plan
    other = asking.get("/datasets/spend/plan", start="today-10", end="today-9")
    assert {(span["start"], span["end"]) for span in other["days"]} == {("2026-11-12", "2026-11-13")}
    assert (
        "are required together"
        in asking.bad("GET", "/datasets/spend/plan", 422, params={"start": "today-2"})["message"]
    )
    assert not site.home.requests()


def test_a_preview_has_typed_first_rows_and_saves_nothing(site: Site) -> None:
    asking = program(site)
    preview = asking.good("POST", "/datasets/preview", json=SPEND, params={"rows": 3})
    assert len(preview["items"]) == 3
    assert {column["name"]: column["type"] for column in preview["columns"]}["spend"].startswith("decimal")
    assert isinstance(preview["items"][0]["spend"], float | int)
    assert asking.get("/datasets")["total"] == 0
    asking.good("POST", "/datasets", 201, json=SPEND)
    assert asking.get("/datasets/spend/preview", rows=3) == preview


def test_an_exported_file_is_imported_unchanged(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND | {"name": "Spend / 50 €", "tags": ["a, b"]})
    answer = asking.ask("GET", "/datasets/spend_50/file")
    assert answer.headers["content-type"] == "application/yaml"
    assert 'filename="spend_50.yaml"' in answer.headers["content-disposition"]
    assert yaml.safe_load(answer.text) == SPEND | {"name": "Spend / 50 €", "tags": ["a, b"]}
    asking.good("DELETE", "/datasets/spend_50", 204)
    imported = asking.good(
        "POST", "/datasets/import", content=answer.content, headers={"Content-Type": "application/yaml"}
    )
    assert [dataset["slug"] for dataset in imported["saved"]] == ["spend_50"]


def test_several_datasets_are_imported_all_or_none_and_twice_changes_nothing(site: Site) -> None:
    asking = program(site)
    files = [SPEND, LEGACY]
    broken = asking.bad("POST", "/datasets/import", 422, json=[*files, SPEND | {"name": "X", "metrics": ["spent"]}])
    assert [problem["menu"] for problem in broken["problems"]] == ["dataset 3"]
    assert asking.get("/datasets")["total"] == 0
    assert [dataset["slug"] for dataset in asking.good("POST", "/datasets/import", json=files)["saved"]] == [
        "spend",
        "older",
    ]
    again = asking.good("POST", "/datasets/import", json=files)
    assert (again["saved"], again["there"]) == ([], ["spend", "older"])
    tabbed = '{\n\t"name": "Tabbed",\n\t"account": "demo",\n\t"report": "campaigns"\n}'
    headers = {"Content-Type": "application/json"}
    assert asking.good("POST", "/datasets/import", content=tabbed, headers=headers)["saved"][0]["slug"] == "tabbed"
    for content in (b"\xff\xfe", b"a\0b", b"{", b"", b"[]"):
        asking.bad("POST", "/datasets/import", 422, content=content, headers=headers)


def test_a_dataset_of_a_deprecated_report_is_converted_and_cannot_be_created_again(site: Site) -> None:
    asking = program(site)
    assert "deprecated" in asking.bad("POST", "/datasets", 422, json=LEGACY)["message"]
    asking.good("POST", "/datasets/import", json=LEGACY)
    dataset = asking.good("POST", "/datasets/older/convert")
    assert dataset["report"] == dataset["file"]["report"] == "performance"
    assert "needs no conversion" in asking.bad("POST", "/datasets/older/convert", 422)["message"]


def test_a_copy_is_a_dataset_of_its_own(site: Site) -> None:
    asking = program(site)
    slug = table(site, asking, tags=["daily"])
    answer = asking.ask("POST", f"/datasets/{slug}/duplicate")
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{API}/datasets/spend_copy"
    copy = answer.json()
    assert (copy["name"], copy["tags"], copy["rows"]) == ("Spend copy", ["daily"], None)
    assert asking.good("POST", f"/datasets/{slug}/duplicate", 201, json={"name": "Third"})["slug"] == "third"
    asking.bad("POST", f"/datasets/{slug}/duplicate", 409, json={"name": "Third"})


def test_datasets_are_filtered_sorted_and_paged(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND | {"name": "Zeta", "tags": ["a"]})
    table(site, asking)
    asking.good("POST", "/datasets", 201, json={"name": "Mid", "account": "demo", "report": "campaigns"})

    def names(**query: object) -> list[str]:
        return [dataset["name"] for dataset in asking.get("/datasets", **query)["items"]]

    assert names() == ["Mid", "Spend", "Zeta"]
    assert names(sort="-name") == ["Zeta", "Spend", "Mid"]
    assert names(sort="-rows")[0] == "Spend"
    assert names(status="never") == ["Mid", "Zeta"]
    assert names(status="verified") == ["Spend"]
    assert names(tag="a") == ["Zeta"]
    assert names(report="campaigns") == ["Mid"]
    assert names(account="demo", q="spe") == ["Spend"]
    assert names(recent=True) == ["Spend"]
    assert names(attention=True) == []
    assert names(limit=1, offset=1) == ["Spend"]
    site.store.shares.set_everyone(site.store.accounts.get("demo"), Level.READ)
    assert program(site, site.user("ada")).get("/datasets", mine=True)["total"] == 0
    dataset = asking.get("/datasets", status="verified")["items"][0]
    assert dataset["rows"] > 0
    assert dataset["last_run"]["verified"] is True


def test_tags_are_set_in_the_file_too(site: Site) -> None:
    asking = program(site)
    asking.good("POST", "/datasets", 201, json=SPEND)
    dataset = asking.good("PUT", "/datasets/spend/tags", json={"tags": ["b", "a", "b"]})
    assert dataset["tags"] == dataset["file"]["tags"] == ["b", "a"]


def test_bulk_actions_report_the_result_of_each_dataset(site: Site) -> None:
    asking = program(site)
    for name in ("One", "Two"):
        asking.good("POST", "/datasets", 201, json=SPEND | {"name": name})

    def bulk(action: str, *slugs: str, **more: object) -> list[dict[str, Any]]:
        body = {"action": action, "datasets": list(slugs), **more}
        return list(asking.good("POST", "/datasets/bulk", json=body)["results"])

    tagged = bulk("tag", "one", "nothing", "two", tag=" x  y ")
    assert [(result["dataset"], result["done"]) for result in tagged] == [
        ("one", True),
        ("nothing", False),
        ("two", True),
    ]
    assert tagged[1]["error"]["kind"] == "NotFoundError"
    assert asking.get("/datasets", tag="x y")["total"] == 2
    bulk("untag", "one", tag="x y")
    assert asking.get("/datasets/one")["tags"] == []
    runs = bulk("run", "one", "two", "one")
    assert [result["done"] for result in runs] == [True, True]
    assert {run["run_id"] for run in runs} == {run["run_id"] for run in asking.get("/runs")["items"]}
    assert [result["error"]["kind"] for result in bulk("run", "one")] == ["BusyError"]
    site.work()
    assert [result["done"] for result in bulk("delete", "one", "two")] == [True, True]
    assert asking.get("/datasets")["total"] == 0
    asking.bad("POST", "/datasets/bulk", 422, json={"action": "tag", "datasets": ["one"]})


def test_bulk_does_to_each_what_the_person_may(site: Site) -> None:
    asking, ada = program(site), site.user("ada")
    hers = program(site, ada)
    asking.good("POST", "/datasets", 201, json=SPEND | {"name": "Theirs"})
    site.store.shares.set(site.store.accounts.get("demo"), ada, Level.READ)
    hers.good("POST", "/datasets", 201, json=SPEND | {"name": "Hers"})
    body = {"action": "delete", "datasets": ["theirs", "hers"]}
    results = hers.good("POST", "/datasets/bulk", json=body)["results"]
    assert [(result["done"], result["error"] and result["error"]["kind"]) for result in results] == [
        (False, "ForbiddenError"),
        (True, None),
    ]
    assert names_of(asking) == ["Theirs"]


def names_of(asking: Program) -> list[str]:
    return [dataset["name"] for dataset in asking.get("/datasets")["items"]]


def test_the_table_of_a_deleted_dataset_is_deleted_unless_it_is_kept(site: Site) -> None:
    asking = program(site)
    lake = site.home.path / "lake"
    for keep in (True, False):
        slug = table(site, asking, name=f"Keep {keep}")
        assert (lake / slug).is_dir()
        asking.good("DELETE", f"/datasets/{slug}", 204, params={"keep_table": keep})
        assert (lake / slug).is_dir() is keep


def test_a_dataset_of_the_same_name_does_not_reuse_a_table_that_was_kept(site: Site) -> None:
    """An upsert would mix its rows with those of another dataset."""
    asking = program(site)
    slug = table(site, asking)
    kept = sorted((site.home.path / "lake" / slug).rglob("*"))
    asking.good("DELETE", f"/datasets/{slug}", 204, params={"keep_table": True})
    assert asking.good("POST", "/datasets", 201, json=SPEND)["slug"] == slug
    asking.bad("GET", f"/datasets/{slug}/rows", 404)
    asking.good("POST", f"/datasets/{slug}/runs", 202)
    site.work()
    assert asking.get(f"/datasets/{slug}/versions")["total"] == 1
    assert sorted((site.home.path / "lake" / slug).rglob("*")) == kept
    rows = asking.get(f"/datasets/{slug}/rows")["total"]
    asked = {"sql": f"SELECT count(*) AS rows FROM {slug}"}
    assert asking.good("POST", "/query", 200, json=asked)["items"] == [{"rows": rows}]
