"""Configuration as code: a folder is planned and applied whole or not at all, and exported as what changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx2
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from typer.testing import Result

from adreel.configuration.documents import KEYS
from adreel.store import Level, Retention, Role, Store
from adreel.store.dashboards import Timetable
from adreel.store.destinations import NewDestination
from adreel.store.notifications import AddressChanges, IncidentKind, NewAddress, Threshold
from home import SPEND, Home, make_home
from people import CHEAP, PASSWORD
from postgres import PostgresServer
from running import settings_of

CHANGES = 13
EXAMPLES = Path(__file__).parent.parent / "examples"
HOOK, OTHER_HOOK = "jsons://hooks.example.org/a-secret-path", "jsons://hooks.example.org/other-path"
OWNER = "mailtos://ads:hunter2@mail.example.com?to=owner@example.com"


@contextmanager
def opened(home: Home) -> Iterator[Store]:
    with Store.open(settings_of(home), clock=lambda: home.now, cost=CHEAP) as store:
        yield store


@pytest.fixture
def folder(home: Home) -> Path:
    """A folder with a dataset, a destination, a notification address and the settings of the account."""
    path = home.path.parent / "config"
    path.mkdir()
    add_users(home)
    warehouse = f"duckdb://{home.path.parent}/warehouse.duckdb"
    write(path, "spend.yaml", {**SPEND, "publish": ["warehouse"], "schedule": {"every": "day", "at": "06:00"}})
    write(path, "parts/destinations.yaml", {"kind": "destination", "name": "warehouse", "address": warehouse})
    write(
        path,
        "notifications.yml",
        {"kind": "notification", "name": "Ops", "address": "${env:OPS}", "kinds": ["failed", "stale"]},
        {"kind": "notification", "name": "Ops", "dataset": "Spend", "address": "${env:OPS}", "threshold": "100"},
    )
    write(
        path,
        "account.yaml",
        {"kind": "account", "name": "demo", "advertisers": "all", "everyone": "read", "shares": {"ada": "owner"}},
    )
    home.environ["OPS"] = HOOK
    return path


def add_users(home: Home) -> None:
    """Two editors, one of whom has addresses of their own: they are in no file, and need not be checked again."""
    with opened(home) as store:
        store.users.add_first("admin", PASSWORD)
        ada, _ = (store.users.add(name, PASSWORD, Role.EDITOR) for name in ("ada", "bob"))
        for url in (HOOK, OTHER_HOOK, OWNER):
            store.addresses.add(NewAddress("Own", url, "jsons://hooks.example.org/****", user=ada, added_by=ada))


def write(folder: Path, name: str, *documents: Mapping[str, Any]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False), "utf-8")


def plan(home: Home, folder: Path, *options: str) -> dict[str, Any]:
    result = home.adreel("apply", "-f", str(folder), "--plan", "--json", *options)
    assert result.exit_code in (0, CHANGES), result.output
    values: dict[str, Any] = json.loads(result.stdout)
    assert (result.exit_code == CHANGES) is bool(values["changes"])
    return values


def subjects(values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(change["action"], change["kind"], change["name"]) for change in values["changes"]]


def fields(values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    (change,) = values["changes"]
    return {item["name"]: (item["old"], item["new"]) for item in change["fields"]}


def apply(home: Home, folder: Path, *options: str) -> str:
    result = home.good("apply", "-f", str(folder), "--yes", *options)
    return result.output


def notifications(home: Home) -> list[tuple[str, str]]:
    """The addresses of the workspace and of datasets."""
    return [(row["name"], row["address"]) for row in home.json("notifications", "list") if row["scope"] != "user"]


TABLES = (
    *("accounts", "account_shares", "datasets", "destinations", "notification_addresses", "publications", "audit"),
    *("dashboard_deliveries", "dashboards", "metric_presets", "pins", "retention"),
)


def content(home: Home) -> dict[str, list[Any]]:
    """All rows that apply may write, and those of the audit log."""
    with opened(home) as store, store.snapshot() as connection:
        return {
            table: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1")]
            for table in TABLES
        }


# -- plan and apply


def test_a_plan_changes_nothing_and_apply_does_what_it_says(home: Home, folder: Path) -> None:
    before = content(home)
    planned = plan(home, folder)
    assert subjects(planned) == [
        ("create", "destination", "warehouse"),
        ("create", "dataset", "Spend"),
        ("create", "notification", "Ops"),
        ("create", "notification", "Spend: Ops"),
        ("change", "account", "demo"),
    ]
    assert content(home) == before
    apply(home, folder)
    assert plan(home, folder)["changes"] == []
    assert home.json("schedules", "list")[0]["dataset"] == "spend"
    assert home.json("accounts", "shares", "demo")["everyone"] == "read"
    assert notifications(home) == [("Ops", "jsons://hooks.example.org/****")] * 2
    home.good("run", "spend")
    assert "verified" in home.good("publish", "spend").stderr


@pytest.mark.slow
def test_the_same_by_single_commands_leaves_the_same_audit_log(home: Home, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(home.path, tmp_path / "other")
    other = make_home(tmp_path / "other")
    apply(home, folder)
    other.good("destinations", "add", "warehouse", str(home.path.parent / "warehouse.duckdb"))
    other.good("datasets", "create", "-f", str(folder / "spend.yaml"))
    other.good("notifications", "add", "--name", "Ops", "--kind", "failed", "--kind", "stale", stdin=HOOK)
    other.good("notifications", "add", "--name", "Ops", "--dataset", "spend", "--threshold", "100", stdin=HOOK)
    other.good("accounts", "share", "demo", "--everyone", "read")
    other.good("accounts", "share", "demo", "ada", "owner")

    def log(of: Home) -> list[Any]:
        return [
            {key: entry[key] for key in ("user", "by", "action", "subject", "details")} for entry in of.json("audit")
        ]

    assert log(home) == log(other)
    other.environ["OPS"] = HOOK
    assert plan(other, folder)["changes"] == []


def test_a_change_is_shown_field_by_field_and_other_keys_keep_their_values(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("schedules", "pause", "spend")
    write(folder, "spend.yaml", {**SPEND, "publish": ["warehouse"], "metrics": ["spend"], "tags": ["daily"]})
    assert fields(plan(home, folder)) == {
        "metrics": (["spend", "impressions", "clicks", "conversion"], ["spend"]),
        "tags": (None, ["daily"]),
        "schedule": ({"every": "day", "at": "06:00"}, None),
    }
    text = home.adreel("apply", "-f", str(folder), "--plan").stdout
    assert "change  dataset 'Spend' (spend.yaml, line 1)" in text
    assert 'metrics: ["spend", "impressions", "clicks", "conversion"] -> ["spend"]' in text
    apply(home, folder)
    assert plan(home, folder)["changes"] == []


def test_a_change_says_what_the_next_run_removes_and_another_key_is_refused(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("run", "spend")
    home.good("publish", "spend")
    (folder / "spend.yaml").write_text(json.dumps({**SPEND, "publish": ["warehouse"], "metrics": ["spend"]}))
    (change,) = plan(home, folder)["changes"]
    validated = home.good("validate", "-f", str(folder / "spend.yaml")).output
    assert change["notes"]
    assert all(note in " ".join(validated.split()) for note in change["notes"])
    (folder / "spend.yaml").write_text(json.dumps({**SPEND, "publish": ["warehouse"], "time_dimension": "none"}))
    code, output = home.bad("apply", "-f", str(folder), "--plan")
    assert code == 3
    assert "spend.yaml, line 1, name: This change alters the primary key of 'Spend'" in output


def test_files_that_are_wrong_change_nothing_and_each_problem_has_file_and_line(home: Home, folder: Path) -> None:
    write(
        folder,
        "wrong.yaml",
        {"kind": "destination", "name": "team", "address": "postgresql://adreel:hunter2@db.example.org/w"},
        {"kind": "notification", "name": "Chat", "address": "https://hooks.slack.com/services/T0/B0/hunter2"},
        {"kind": "notification", "name": "Mail", "address": "mailtos://a:hunter2@example.org?to=b@example.org"},
        {"kind": "account", "name": "demo", "shares": {"ada": "king"}, "advertiser": "all"},
        {"kind": "destination", "name": "x", "address": "postgresql://adreel:${NAME}@db.example.org/w"},
        {"kind": "job", "name": "x"},
        {**SPEND, "name": "Spend"},
        {"kind": "destination", "name": "y", "address": "postgresql://adreel:${env:NOT_SET_HERE}@db.example.org/w"},
    )
    token = "motherduck:///warehouse?token=hunter2"
    write(folder, "token.yaml", {"kind": "destination", "name": "duck", "address": token})
    before = content(home)
    code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 3
    for expected in (
        "token.yaml, line 3, address: has a password, which files must not contain",
        "wrong.yaml, line 3, address: has a password, which files must not contain",
        "wrong.yaml, line 7, address: is a secret as a whole",
        "wrong.yaml, line 11, address: has a password",
        "wrong.yaml, line 16, shares.ada: 'king' is not an access level; choose from none, read, share, edit, owner.",
        "wrong.yaml, line 17, advertiser: unknown key; account has name, advertisers, everyone, shares.",
        "wrong.yaml, line 21, address: a reference is not valid; write ${env:NAME}",
        "wrong.yaml, line 23, kind: 'job' is not a kind; choose from account, destination, notification",
        "wrong.yaml, line 26, name: 'Spend' is defined twice; also in spend.yaml, line 1.",
        "NOT_SET_HERE",
    ):
        assert expected in output, output
    assert "hunter2" not in output
    assert content(home) == before


def test_what_a_home_lacks_is_a_problem_before_the_first_write(home: Home, folder: Path) -> None:
    write(folder, "z.yaml", {**SPEND, "name": "Z", "account": "dmo"}, {**SPEND, "name": "Y", "metrics": ["spent"]})
    write(
        folder,
        "account.yaml",
        {"kind": "account", "name": "dmo"},
        {"kind": "account", "name": "demo", "shares": {"eve": "read"}},
    )
    write(folder, "n.yaml", {"kind": "notification", "name": "N", "dataset": "Nothing", "address": "${env:OPS}"})
    before = content(home)
    code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 3
    for expected in (
        "z.yaml, line 2, account: 'dmo' was not found. Did you mean 'demo'?",
        "z.yaml, line 20, metrics: 'spent' is not available.",
        "account.yaml, line 2, name: Account 'dmo' was not found.",
        "account.yaml, line 7, shares.eve: User 'eve' was not found.",
        "n.yaml, line 3, dataset: Dataset 'Nothing' was not found.",
    ):
        assert expected in " ".join(output.split()), output
    assert content(home) == before


def test_problems_of_files_and_of_the_home_are_listed_at_once_without_what_only_follows_from_others(
    home: Home, folder: Path
) -> None:
    write(
        folder,
        "z.yaml",
        {"kind": "destination", "name": "team", "address": "postgresql://adreel:${env:NOT_SET_HERE}@db.example.org/w"},
        {"kind": "destination", "name": "other", "address": "postgresql://db.example.org/w", "scheme": "x"},
        {**SPEND, "name": "Z", "account": "dmo", "publish": ["team", {"to": "other", "table": "z"}]},
        {**SPEND, "name": "Y Ads", "publish": "team"},
        {"kind": "notification", "name": "N", "dataset": "Z", "address": "${env:OPS}"},
        {"kind": "account", "name": "dmo"},
        {"kind": "dashboard", "name": "D", "charts": [{"dataset": "z", "chart": "totals"}]},
        {**SPEND, "name": "X", "publish": "nowhere"},
    )
    before = content(home)
    _, output = home.bad("apply", "-f", str(folder), "--yes", "--delete")
    problems = [line for line in output.splitlines() if "z.yaml" in line]
    for expected in (
        "NOT_SET_HERE",
        "scheme: unknown key",
        "'dmo' was not found",
        "Account 'dmo' was not found",
        "'nowhere'",
    ):
        assert expected in output, output
    assert len(problems) == 5, output
    assert content(home) == before


def test_two_new_datasets_cannot_publish_to_one_table(home: Home, folder: Path) -> None:
    # The list of datasets was read before, and is read again within the transaction.
    home.good("datasets", "create", "-f", home.file(name="Before"))
    target = {"publish": [{"to": "warehouse", "table": "ads"}]}
    write(folder, "spend.yaml", {**SPEND, **target}, {**SPEND, **target, "name": "Twin"})
    before = content(home)
    code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 3
    assert "publish: another dataset publishes to the table ads; use another name." in " ".join(output.split())
    assert content(home) == before


def test_a_destination_that_cannot_be_reached_leaves_everything_as_it_was(home: Home, folder: Path) -> None:
    (home.path.parent / "warehouse.duckdb").write_text("no database")
    before = content(home)
    assert len(plan(home, folder)["changes"]) == 5, "a plan sends nothing"
    _, output = home.bad("apply", "-f", str(folder), "--yes")
    assert "Destination 'warehouse':" in output
    assert "Nothing was applied." in " ".join(output.split())
    assert content(home) == before


def test_a_selection_of_ad_accounts_that_the_token_cannot_read_changes_nothing(home: Home, folder: Path) -> None:
    write(folder, "account.yaml", {"kind": "account", "name": "demo", "advertisers": ["7000000000000999999"]})
    before = content(home)
    code, _ = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 5
    assert content(home)["datasets"] == before["datasets"]
    (first, *_) = home.json("accounts", "advertisers", "demo")
    write(folder, "account.yaml", {"kind": "account", "name": "demo", "advertisers": [first["id"]]})
    apply(home, folder)
    assert home.json("accounts", "list")[0]["advertisers"] == [first["id"]]
    assert home.json("accounts", "list")[0]["advertiser_count"] == 1
    assert plan(home, folder)["changes"] == []


def test_the_example_files_are_members_of_a_folder_as_they_are(home: Home, tmp_path: Path) -> None:
    examples = [Path(shutil.copy(path, tmp_path)) for path in EXAMPLES.glob("*.yaml")]
    values = plan(home, tmp_path)
    assert len(values["changes"]) == len(examples)
    apply(home, tmp_path)
    assert plan(home, tmp_path)["changes"] == []


def test_an_empty_folder_and_hidden_files_are_not_a_configuration(home: Home, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write(tmp_path / "new", ".hidden.yaml", SPEND)
    write(tmp_path / "new", ".git/x.yaml", SPEND)
    code, output = home.bad("apply", "-f", str(tmp_path / "new"), "--delete", "--yes")
    assert code == 3
    assert "has no files that end with .yaml or .yml" in " ".join(output.split())


def test_apply_asks_and_no_answer_changes_nothing(home: Home, folder: Path) -> None:
    before = content(home)
    assert home.bad("apply", "-f", str(folder))[0] == 3
    assert home.bad("apply", "-f", str(folder), stdin="n\n")[0] == 130
    assert content(home) == before
    home.good("apply", "-f", str(folder), stdin="y\n")
    assert plan(home, folder)["changes"] == []


# -- what is not in the files


def test_what_is_not_in_the_files_is_listed_and_deleted_only_with_the_option(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("run", "spend")
    home.good("accounts", "share", "demo", "bob", "edit")
    home.good("datasets", "create", "-f", home.file(name="Other", publish="warehouse"))
    write(folder, "spend.yaml", {**SPEND, "name": "New"})
    write(folder, "notifications.yml", {"kind": "notification", "name": "New", "address": "${env:OPS}"})
    (folder / "parts/destinations.yaml").unlink()
    values = plan(home, folder)
    assert subjects(values) == [("create", "dataset", "New"), ("create", "notification", "New")]
    assert [(absent["kind"], absent["name"]) for absent in values["absent"]] == [
        ("dataset", "Other"),
        ("dataset", "Spend"),
        ("notification", "Ops"),
        ("notification", "Spend: Ops"),
        ("share", "demo: bob"),
        ("destination", "warehouse"),
    ]
    apply(home, folder)
    assert {row["name"] for row in home.json("datasets", "list")} == {"New", "Other", "Spend"}
    planned = plan(home, folder, "--delete")
    assert subjects(planned) == [
        ("delete", "dataset", "Other"),
        ("delete", "dataset", "Spend"),
        ("delete", "notification", "Ops"),
        ("change", "account", "demo"),
        ("delete", "destination", "warehouse"),
    ]
    assert (
        planned["changes"][1]["consequence"] == "Its table is deleted with all versions; its runs stay in the history."
    )
    questions = home.adreel("apply", "-f", str(folder), "--delete", stdin="y\ny\nn\n").stderr
    assert "Delete the dataset 'Spend' and its table in" in " ".join(questions.split())
    assert {row["name"] for row in home.json("datasets", "list")} == {"New", "Other", "Spend"}
    apply(home, folder, "--delete")
    assert [row["name"] for row in home.json("datasets", "list")] == ["New"]
    assert home.json("destinations", "list") == []
    assert notifications(home) == [("New", "jsons://hooks.example.org/****")]
    assert [row["user"]["name"] for row in home.json("accounts", "shares", "demo")["users"]] == ["ada"]
    assert not (home.path / "lake" / "spend").exists()
    assert plan(home, folder, "--delete")["changes"] == []


def test_tables_of_deleted_datasets_stay_if_the_person_says_so(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("run", "spend")
    (folder / "spend.yaml").unlink()
    write(folder, "notifications.yml", {"kind": "notification", "name": "Ops", "address": "${env:OPS}"})
    apply(home, folder, "--delete", "--keep-tables")
    assert home.json("datasets", "list") == []
    assert (home.path / "lake" / "spend").exists()
    assert home.bad("apply", "-f", str(folder), "--keep-tables")[0] == 3


def test_a_destination_in_use_and_the_last_owner_are_not_deleted(home: Home, folder: Path) -> None:
    apply(home, folder)
    (folder / "parts/destinations.yaml").unlink()
    write(folder, "account.yaml", {"kind": "account", "name": "demo", "shares": {"ada": "read"}})
    before = content(home)
    code, output = home.bad("apply", "-f", str(folder), "--delete", "--yes")
    assert code == 3
    assert "Destination 'warehouse' is not in the files, but datasets publish there: Spend." in " ".join(output.split())
    assert "account.yaml, line 4, shares.ada: 'ada' is the last owner of the account 'demo'" in " ".join(output.split())
    assert content(home) == before
    write(folder, "account.yaml", {"kind": "account", "name": "demo", "shares": {"ada": "read", "bob": "owner"}})
    apply(home, folder)
    levels = {row["user"]["name"]: row["level"] for row in home.json("accounts", "shares", "demo")["users"]}
    assert levels == {"ada": "read", "bob": "owner"}


# -- secrets


@pytest.mark.slow
def test_secrets_come_from_variables_and_files_and_are_never_shown(home: Home, folder: Path) -> None:
    address = "postgresql://adreel:${env:PASSWORD}@127.0.0.1:1/w?sslmode=disable"
    write(folder, "team.yaml", {"kind": "destination", "name": "team", "address": address})
    write(folder, "ops/mail.yaml", {"kind": "notification", "name": "Mail", "address": "${file:mail.txt}"})
    _, output = home.bad("apply", "-f", str(folder), "--plan")
    assert "team.yaml, line 3, address: the environment variable PASSWORD is not set." in output
    assert "ops/mail.yaml, line 3, address: the file" in output
    (folder / "ops/mail.txt").write_text("mailtos://ops:hunter2@example.org?to=a@example.org\n")
    home.environ["PASSWORD"] = "p@ss/word:%40"
    text = home.adreel("apply", "-f", str(folder), "--plan", "--json").output
    assert "postgresql://adreel:****@127.0.0.1:1/w?sslmode=disable" in text
    assert "mailtos://example.org/****" in text
    assert not any(secret in text for secret in ("hunter2", "p@ss", "p%40ss", "a-secret-path"))
    home.environ["PASSWORD"] = ""
    assert "PASSWORD is empty" in home.bad("apply", "-f", str(folder), "--plan")[1]
    home.environ["OPS"] = "https://example.org/hunter2"
    output = home.bad("apply", "-f", str(folder), "--plan")[1]
    assert "notifications.yml, line 3, address: Addresses do not begin with https://" in output
    assert "hunter2" not in output


def test_settings_of_adreel_are_no_secrets_for_addresses(home: Home, folder: Path) -> None:
    address = "${env:ADREEL_TIKTOK_SECRET}"
    write(folder, "x.yaml", {"kind": "notification", "name": "X", "address": address})
    output = home.bad("apply", "-f", str(folder), "--plan")[1]
    assert "the variable ADREEL_TIKTOK_SECRET is a setting of adreel" in output


def test_another_secret_is_a_change_that_shows_neither(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.environ["OPS"] = OTHER_HOOK
    result = home.adreel("apply", "-f", str(folder), "--plan")
    assert result.exit_code == CHANGES
    assert "address: jsons://hooks.example.org/****, another secret" in result.stdout
    assert "path" not in result.output
    apply(home, folder)
    with opened(home) as store:
        urls = [store.addresses.url(address) for address in store.addresses.list()]
    assert urls[3:] == [OTHER_HOOK] * 2
    changes = [entry["details"]["changed"] for entry in home.json("audit", "--action", "address_change")]
    assert changes == [["address"]] * 2


def test_the_layout_of_a_destination_is_created_and_exported_and_cannot_change(home: Home, folder: Path) -> None:
    address = f"duckdb://{home.path.parent}/compatible.duckdb"
    document = {"kind": "destination", "name": "compatible", "address": address, "layout": "fivetran"}
    write(folder, "compatible.yaml", document)
    home.good("apply", "-f", str(folder), "--yes")
    (there,) = [row for row in home.json("destinations", "list") if row["name"] == "compatible"]
    assert (there["layout"], there["schema"]) == ("fivetran", "tiktok_ads")
    exported = home.path.parent / "exported"
    home.good("export-config", str(exported))
    assert "layout: fivetran" in "".join(path.read_text("utf-8") for path in exported.rglob("*.yaml"))
    write(folder, "compatible.yaml", document | {"layout": "airbyte"})
    assert "has the layout fivetran, which cannot change" in home.bad("apply", "-f", str(folder), "--yes")[1]


def test_another_place_of_a_destination_is_published_to_anew(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("run", "spend")
    home.good("publish", "spend")
    other = f"duckdb://{home.path.parent}/other.duckdb"
    write(folder, "parts/destinations.yaml", {"kind": "destination", "name": "Warehouse", "address": other})
    assert fields(plan(home, folder)) == {"address": (other.replace("other.", "warehouse."), other)}
    with opened(home) as store, store.locks.publishing(store.destinations.get("warehouse").id):
        code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 8
    assert "Another process is publishing to this destination" in " ".join(output.split())
    apply(home, folder)
    assert home.json("destinations", "status", "spend")[0]["state"] == "waiting"
    home.good("publish", "spend")
    assert home.json("destinations", "status", "spend")[0]["state"] == "published"


def test_single_commands_change_destinations_and_notifications_as_apply_does(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("destinations", "change", "warehouse", "--schema", "ads")
    assert fields(plan(home, folder)) == {"schema": ("ads", "tiktok")}
    home.good("destinations", "change", "warehouse", "--schema", "tiktok")
    home.good("notifications", "change", "4", "--kind", "failed", "--threshold", "7")
    assert fields(plan(home, folder)) == {"kinds": (["failed"], ["failed", "stale"]), "threshold": ("7", "0.1%")}
    home.good("notifications", "change", "4", "--new-address", stdin="json://hooks.example.org/third\n")
    assert "third" not in home.good("notifications", "list").stdout
    home.good("notifications", "change", "4", "--name", "Operations")
    assert subjects(plan(home, folder)) == [("create", "notification", "Ops")]
    assert home.bad("notifications", "change", "4")[0] == 3


# -- others meanwhile, and processes that die


class Interrupted(httpx2.AsyncBaseTransport):
    """The simulated world; at the first request, which comes after the plan and before all writes, `act` happens."""

    def __init__(self, home: Home, act: Callable[[], None]) -> None:
        self._world = httpx2.ASGITransport(home.world)
        self._act = act

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        act, self._act = self._act, lambda: None
        # Commands have an event loop of their own.
        thread = Thread(target=act)
        thread.start()
        thread.join()
        return await self._world.handle_async_request(request)


def meanwhile(home: Home, folder: Path, act: Callable[[Store], object], *options: str) -> Result:
    """Applies a folder, which selects an ad account, and lets `act` happen after its plan was made."""

    happened = []

    def other() -> None:
        happened.append(act)
        home.transport = None
        with opened(home) as store:
            act(store)

    (first, *_) = home.json("accounts", "advertisers", "demo")
    write(folder, "account.yaml", {"kind": "account", "name": "demo", "advertisers": [first["id"]]})
    home.transport = Interrupted(home, other)
    result = home.adreel("apply", "-f", str(folder), "--yes", *options)
    assert happened
    return result


def test_what_was_changed_between_plan_and_apply_is_not_overwritten(home: Home, folder: Path) -> None:
    apply(home, folder)
    write(folder, "spend.yaml", {**SPEND, "publish": ["warehouse"], "metrics": ["spend"]})
    home.environ["OPS"] = OTHER_HOOK

    def change_dataset(store: Store) -> None:
        saved = store.datasets.get("spend")
        store.datasets.update(saved, spec=json.dumps({**json.loads(saved.spec), "metrics": ["spend", "clicks"]}))

    def change_secret(store: Store) -> None:
        url = "jsons://hooks.example.org/third-path"
        store.addresses.change(
            store.addresses.get(4), AddressChanges(url=url, shown="jsons://hooks.example.org/****"), None
        )

    for act, subject in ((change_dataset, "dataset 'Spend'"), (change_secret, "notification 'Ops'")):
        result = meanwhile(home, folder, act)
        assert result.exit_code == 8, result.output
        assert f"Changed since the plan was made: {subject}. Nothing was applied." in " ".join(result.stderr.split())
        with opened(home) as store:
            assert json.loads(store.datasets.get("spend").spec)["metrics"] == ["spend", "clicks"]
    with opened(home) as store:
        urls = [store.addresses.url(address)[-10:] for address in store.addresses.list()]
    assert urls[3:] == ["third-path", "ecret-path"]
    apply(home, folder)
    assert plan(home, folder)["changes"] == []


def test_a_dataset_that_was_changed_meanwhile_is_not_deleted(home: Home, folder: Path) -> None:
    apply(home, folder)
    (folder / "spend.yaml").unlink()
    write(folder, "notifications.yml", {"kind": "notification", "name": "Ops", "address": "${env:OPS}"})

    def change(store: Store) -> None:
        saved = store.datasets.get("spend")
        store.datasets.update(saved, spec=json.dumps({**json.loads(saved.spec), "description": "Needed"}))

    assert meanwhile(home, folder, change, "--delete").exit_code == 8
    assert [row["name"] for row in home.json("datasets", "list")] == ["Spend"]


def test_of_two_applies_of_one_folder_the_second_finds_all_done(home: Home, folder: Path) -> None:
    result = meanwhile(home, folder, lambda _: apply(home, folder))
    assert result.exit_code == 0, result.output
    assert "Another process applied the same meanwhile." in result.stderr
    assert [entry["action"] for entry in home.json("audit")].count("dataset_create") == 1


@pytest.mark.slow
def test_two_processes_at_once_leave_what_the_files_say(home: Home, folder: Path) -> None:
    write(folder, "notifications.yml", {"kind": "notification", "name": "Ops", "address": "${env:OPS}"})
    environ = {"PATH": os.environ["PATH"], "ADREEL_HOME": str(home.path), "OPS": home.environ["OPS"]}
    command = [sys.executable, "-c", "import adreel.cli; adreel.cli.main()", "apply", "-f", str(folder), "--yes"]
    processes = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outcomes = [(process.communicate()[1], process.returncode) for process in processes]
    assert 0 in [code for _, code in outcomes]
    assert all(code in (0, 8) or "Destination 'warehouse'" in text for text, code in outcomes), outcomes
    assert plan(home, folder)["changes"] == []
    actions = [entry["action"] for entry in home.json("audit")]
    assert [actions.count(action) for action in ("dataset_create", "destination_add")] == [1, 1]
    assert len(notifications(home)) == 1


class KilledError(BaseException):
    """Ends a process at a write, without letting it do anything more."""


@contextmanager
def killed_at(number: int, beginning: str = "") -> Iterator[list[int]]:
    """Ends what writes to the store before the write of that number; `beginning` selects writes."""
    count = [0]

    def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")) and statement.startswith(beginning):
            count[0] += 1
            if count[0] == number:
                raise KilledError

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield count
    finally:
        event.remove(Engine, "before_cursor_execute", before)


@pytest.mark.slow
def test_a_process_that_dies_between_any_two_writes_leaves_nothing_of_it(home: Home, folder: Path) -> None:
    write(folder, "notifications.yml", {"kind": "notification", "name": "Ops", "address": "${env:OPS}"})
    before = content(home)
    command = ("apply", "-f", str(folder), "--yes")
    with killed_at(-1) as count:
        home.adreel(*command, "--plan")
    writes = count[0]
    assert writes >= 8
    for number in range(1, writes + 1):
        # The plan writes as often, and undoes it.
        with killed_at(writes + number), pytest.raises(KilledError):
            home.adreel(*command)
        assert content(home) == before
    apply(home, folder)
    assert plan(home, folder)["changes"] == []


def test_deletions_that_were_interrupted_are_finished_by_the_next_apply(home: Home, folder: Path) -> None:
    apply(home, folder)
    for name in ("A", "B"):
        home.good("run", "-f", home.file(name=name, publish="warehouse"))
    for file in ("spend.yaml", "notifications.yml", "parts/destinations.yaml"):
        (folder / file).unlink()
    with killed_at(2, "DELETE FROM datasets"), pytest.raises(KilledError):
        home.adreel("apply", "-f", str(folder), "--delete", "--yes")
    assert [row["name"] for row in home.json("datasets", "list")] == ["B", "Spend"]
    apply(home, folder, "--delete")
    assert home.json("datasets", "list") == []
    assert home.json("destinations", "list") == []
    assert plan(home, folder, "--delete")["changes"] == []


# -- rights


def test_an_editor_applies_what_they_may_change_and_is_refused_the_rest(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.good("datasets", "create", "-f", home.file(name="Hidden"))
    home.good("accounts", "share", "demo", "--everyone", "none")
    (folder / "account.yaml").unlink()
    home.environ["ADREEL_USER"] = "bob"
    code, output = home.bad("apply", "-f", str(folder), "--plan")
    assert code == 3
    assert "account: 'demo' was not found, or it is not shared with you." in " ".join(output.split())
    del home.environ["ADREEL_USER"]
    home.good("accounts", "share", "demo", "bob", "edit")
    home.environ["ADREEL_USER"] = "bob"
    write(folder, "spend.yaml", {**SPEND, "publish": ["warehouse"], "tags": ["bob"]})
    write(folder, "parts/destinations.yaml", {"kind": "destination", "name": "team", "address": "duckdb:///srv/x"})
    code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 11
    assert "parts/destinations.yaml, line 3, address: Only administrators can add, test or delete" in output
    assert "notifications.yml, line 2, name: Only administrators can change workspace settings" in output
    (folder / "parts/destinations.yaml").unlink()
    (folder / "notifications.yml").unlink()
    apply(home, folder)
    assert {row["name"]: row["tags"] for row in home.json("datasets", "list")} == {"Hidden": [], "Spend": ["bob"]}
    del home.environ["ADREEL_USER"]
    assert home.json("audit", "--action", "dataset_change")[0]["user"] == "bob"


# -- export


def test_an_export_brings_another_home_to_the_same_state(home: Home, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(home.path, tmp_path / "other")
    other = replace(make_home(tmp_path / "other"), environ=dict(home.environ))
    apply(home, folder)
    exported = tmp_path / "exported"
    output = " ".join(home.good("export-config", str(exported)).stderr.split())
    assert "Set before adreel apply: NOTIFICATION_OPS_ADDRESS, the address of notification address 'Ops'" in output
    assert {str(path.relative_to(exported)) for path in exported.rglob("*.yaml")} == {
        "accounts.yaml",
        "destinations.yaml",
        "notifications.yaml",
        "retention.yaml",
        "datasets/spend.yaml",
    }
    assert "a-secret-path" not in "".join(path.read_text() for path in exported.rglob("*.yaml"))
    for variable in ("NOTIFICATION_OPS_ADDRESS", "NOTIFICATION_SPEND_OPS_ADDRESS"):
        home.environ[variable] = other.environ[variable] = HOOK
    assert plan(home, exported, "--delete")["changes"] == []
    apply(other, exported, "--delete")
    again = tmp_path / "again"
    other.good("export-config", str(again))
    assert files(again) == files(exported)


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*.yaml"))}


def test_an_export_replaces_and_removes_only_files_that_an_export_wrote(home: Home, tmp_path: Path) -> None:
    home.good("datasets", "create", "-f", home.file())
    home.good("export-config", str(tmp_path / "c"))
    (tmp_path / "c/datasets/mine.yaml").write_text("name: mine\n")
    before = (tmp_path / "c/accounts.yaml").stat().st_mtime_ns
    home.good("datasets", "delete", "spend", "--yes")
    home.good("datasets", "create", "-f", home.file(name="Other"))
    home.good("export-config", str(tmp_path / "c"))
    assert set(files(tmp_path / "c")) == {
        *("accounts.yaml", "retention.yaml", "datasets/mine.yaml", "datasets/other.yaml")
    }
    assert (tmp_path / "c/accounts.yaml").stat().st_mtime_ns == before
    (tmp_path / "c/datasets/other.yaml").write_text("name: mine\n")
    code, output = home.bad("export-config", str(tmp_path / "c"))
    assert code == 3
    assert "other.yaml was not written by adreel export-config" in " ".join(output.split())
    assert (tmp_path / "c/datasets/other.yaml").read_text() == "name: mine\n"


def test_an_export_beside_own_files_defines_nothing_twice(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    own = folder / "spend of mine.yml"
    own.write_text(Path(home.file()).read_text("utf-8"))
    output = home.good("apply", "-f", str(folder), "--yes").stderr
    assert output.splitlines()[-1] == "Created dataset 'Spend'."
    code, output = home.bad("export-config", str(folder))
    assert code == 3
    assert "define what the export defines: 'Spend' (spend of mine.yml, line 1)." in " ".join(output.split())
    assert list(folder.iterdir()) == [own]
    own.write_text("services: {}\n")
    home.good("export-config", str(folder))
    own.unlink()
    assert plan(home, folder)["changes"] == []


def test_a_dataset_whose_account_was_deleted_is_exported_and_reconnected(home: Home, tmp_path: Path) -> None:
    home.good("datasets", "create", "-f", home.file())
    home.good("accounts", "delete", "demo", "--yes")
    home.good("export-config", str(tmp_path / "c"))
    assert plan(home, tmp_path / "c")["changes"] == []
    home.add_account()
    assert fields(plan(home, tmp_path / "c")) == {"account": ("demo (deleted)", "demo")}
    apply(home, tmp_path / "c")
    assert home.json("datasets", "list")[0]["account_id"] is not None


NAMES = st.sampled_from(
    ["yes", "123", "a: b", "# x", "~", "Zoë & Co", "${env:X}", "1e3", "- a", "'q\"", "null", "日本"]
)
SECRETS = st.text("aZ9@:/?#%&+ é$'{}", min_size=1, max_size=8).filter(lambda text: text.strip() != "")
DAYS = st.sampled_from([None, 30, 400])
KINDS = st.lists(st.sampled_from(list(IncidentKind)), min_size=1, max_size=3, unique=True)
MAIL = "mailtos://ops:{}@mail.example.org?to=a@example.org&from=b@example.org"
URLS = st.sampled_from(["jsons://h.example.org/{}", "slack://a/{}/c", MAIL, f"{MAIL}&pass={{}}"])
DATASETS = st.fixed_dictionaries(
    {"metrics": st.lists(st.sampled_from(["spend", "clicks", "conversion"]), min_size=1, unique=True)},
    optional={
        "description": NAMES,
        "tags": st.lists(NAMES, max_size=2, unique=True),
        "schedule": st.sampled_from(["manual", "0 6 * * MON", {"every": "day", "at": ["06:00", "18:00"]}]),
        "update": st.sampled_from([{"method": "upsert", "lookback": 7, "keep_days": 365}, "replace"]),
        "skip_failing_advertisers": st.booleans(),
        "dates": st.just({"start": "2026-11-01", "end": "2026-11-09"}),
    },
)


@pytest.mark.slow
@settings(max_examples=10, phases=[Phase.generate])
@given(data=st.data())
def test_applying_an_export_changes_nothing(connected_home: Path, data: st.DataObject) -> None:
    with TemporaryDirectory() as place:
        shutil.copytree(connected_home, Path(place) / "home")
        home = make_home(Path(place) / "home")
        draw = data.draw
        with opened(home) as store:
            account = store.accounts.get("demo")
            store.users.add_first("admin", PASSWORD)
            for name in ("Ada: 1", "yes"):
                user = store.users.add(name, PASSWORD, Role.EDITOR)
                store.shares.set(account, user, draw(st.sampled_from(list(Level))))
            store.shares.set_everyone(account, draw(st.sampled_from(list(Level)[:4])))
            store.accounts.choose_advertisers(account, draw(st.sampled_from([None, ["7000000000000000002", "71"]])))
            saved = {
                name: store.datasets.create(name, account=account, spec=json.dumps({**SPEND, **values, "name": name}))
                for name, values in draw(st.dictionaries(NAMES, DATASETS, max_size=3)).items()
            }
            for name, secret in draw(st.dictionaries(NAMES, SECRETS, max_size=2)).items():
                options = draw(st.sampled_from(["", "?sslmode=require", "?options=-csearch_path=x"]))
                url = f"postgresql://adreel:{quote(secret, safe='')}@db.example.org/w{options}"
                store.destinations.add(NewDestination(name, "postgres", url, "postgresql://db", draw(NAMES)))
            addresses = draw(st.lists(st.tuples(NAMES, URLS, SECRETS, KINDS), max_size=3))
            for name, url, secret, kinds in [*addresses, *addresses[:1], *addresses[:1]]:
                whose = draw(st.sampled_from([None, *saved.values()]))
                url = url.replace("{}", quote(secret, safe=""))
                threshold = draw(st.sampled_from([Threshold(), Threshold(2.5), Threshold(None, 7)]))
                store.addresses.add(NewAddress(name, url, "x://****", tuple(kinds), threshold, dataset=whose))
            for name, shared in draw(st.dictionaries(NAMES, st.booleans(), max_size=3)).items():
                store.presets.add(draw(st.sampled_from([None, user])), name, ["spend", "gone"], shared=shared)
            for name, of in (
                draw(st.dictionaries(NAMES, st.lists(st.sampled_from([*saved]), max_size=2))).items() if saved else ()
            ):
                board = store.dashboards.add(draw(st.sampled_from([None, user])), name)
                for dataset in of:
                    store.dashboards.add_pin(
                        board, saved[dataset], "spend", draw(NAMES), draw(st.sampled_from(["", "yes"]))
                    )
                store.dashboards.share(board, shared=draw(st.booleans()))
                for address in store.addresses.list()[: draw(st.integers(0, 2))]:
                    at = Timetable("08:00", draw(st.sampled_from([(0, 3), tuple(range(7))])), "UTC", home.now)
                    store.dashboard_deliveries.put(board, address, at)
            store.retention.set(draw(st.builds(Retention, DAYS, st.integers(2, 9), DAYS, DAYS, DAYS)))
        folder = Path(place) / "config"
        home.good("export-config", str(folder))
        home.environ |= secrets_of(home, folder)
        before = content(home)
        planned = plan(home, folder, "--delete")
        assert planned["changes"] == []
        assert planned["absent"] == []
        assert content(home) == before


def secrets_of(home: Home, folder: Path) -> dict[str, str]:
    """The variables that the files of an export name, with what the store keeps encrypted."""
    variables: dict[str, str] = {}
    with opened(home) as store:
        datasets = {saved.name: saved.id for saved in store.datasets.list()}
        for file in ("destinations.yaml", "notifications.yaml"):
            text = (folder / file).read_text("utf-8") if (folder / file).exists() else ""
            for document in yaml.safe_load_all(text):
                if file == "destinations.yaml":
                    url = store.destinations.address(store.destinations.get(document["name"]))
                else:
                    dataset_id = datasets[document["dataset"]] if "dataset" in document else None
                    same = [
                        address
                        for address in store.addresses.list()
                        if (address.dataset_id, address.name) == (dataset_id, document["name"])
                    ]
                    url = store.addresses.url(same[int(document.get("number", 1)) - 1])
                variable = re.search(r"(?<!\$)\$\{env:([A-Z0-9_]+)\}", document["address"])
                assert variable is not None
                whole = variable.group() == document["address"]
                variables[variable[1]] = url if whole else unquote(urlsplit(url).password or "")
    return variables


# -- Postgres


def test_a_store_in_postgres_is_applied_to_as_a_whole_too(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres.database() as url:
        home = replace(make_home(tmp_path / "home"), environ={"ADREEL_DATABASE_URL": url})
        home.add_account()
        (tmp_path / "config").mkdir()
        warehouse = f"duckdb://{tmp_path}/warehouse.duckdb"
        write(tmp_path / "config", "a.yaml", SPEND | {"publish": "warehouse"}, {**SPEND, "name": "Other"})
        write(tmp_path / "config", "b.yaml", {"kind": "destination", "name": "warehouse", "address": warehouse})
        with killed_at(-1) as count:
            assert len(plan(home, tmp_path / "config")["changes"]) == 3
        with killed_at(2 * count[0]), pytest.raises(KilledError):
            home.adreel("apply", "-f", str(tmp_path / "config"), "--yes")
        assert home.json("datasets", "list") == home.json("destinations", "list") == []
        apply(home, tmp_path / "config")
        assert plan(home, tmp_path / "config")["changes"] == []


# -- dashboards, presets and retention

CHARTS = [
    {"dataset": "Spend", "chart": "spend", "choices": "days=7&currency=EUR", "title": "Cost"},
    {"dataset": "Spend", "chart": "results"},
    {"dataset": "Spend", "chart": "spend"},
]


def test_dashboards_are_created_arranged_shared_and_deleted_and_those_of_others_stay(
    home: Home, tmp_path: Path
) -> None:
    add_users(home)
    home.good("accounts", "share", "demo", "ada", "read")
    home.environ["ADREEL_USER"] = "ada"
    home.good("dashboards", "create", "Morning")
    del home.environ["ADREEL_USER"]
    home.good("dashboards", "create", "Old")
    folder = tmp_path / "c"
    write(folder, "s.yaml", SPEND)
    board = {"kind": "dashboard", "name": "Morning", "shared": True}
    write(folder, "d.yaml", {**board, "charts": [{**CHARTS[0], "title": "Cost "}, *CHARTS[1:]]})
    planned = plan(home, folder)
    assert subjects(planned) == [("create", "dataset", "Spend"), ("create", "dashboard", "Morning")]
    assert {"kind": "dashboard", "name": "Old"} in planned["absent"]
    apply(home, folder, "--delete")
    assert plan(home, folder, "--delete")["changes"] == []
    rows = {(row["name"], row["owner"]): row for row in home.json("dashboards", "list")}
    assert rows.keys() == {("Morning", ""), ("Morning", "ada")}
    link, number = rows["Morning", ""]["link"], rows["Morning", ""]["id"]
    assert rows["Morning", "ada"]["link"] is None
    home.good("run", "spend")
    shown = home.json("dashboards", "show", number)["charts"]
    assert [(row["card"], row["choices"], row["state"]) for row in shown] == [
        ("spend", "days=7&currency=EUR", "shown"),
        ("results", "", "shown"),
        ("spend", "", "shown"),
    ]
    # Another order and one chart less: those that stay are the same pins, and the link is the same.
    write(folder, "d.yaml", {**board, "charts": [{**CHARTS[1], "dataset": "spend"}, CHARTS[0]]})
    assert fields(plan(home, folder)) == {"charts": (CHARTS, [CHARTS[1], CHARTS[0]])}
    apply(home, folder)
    after = home.json("dashboards", "show", number)
    assert [row["id"] for row in after["charts"]] == [shown[1]["id"], shown[0]["id"]]
    assert after["link"] == link
    write(folder, "d.yaml", {**board, "shared": False, "charts": [CHARTS[1], CHARTS[0]]})
    assert fields(plan(home, folder)) == {"shared": (True, False)}


def test_dashboards_are_sent_to_addresses_of_the_files_and_own_deliveries_stay(home: Home, folder: Path) -> None:
    ops = {"to": "Ops", "at": "08:00", "weekdays": ["monday", "friday"]}
    spend = {"to": "Ops", "dataset": "Spend", "at": "17:30"}
    board = {"kind": "dashboard", "name": "A", "charts": []}
    write(folder, "d.yaml", {**board, "deliveries": [{**spend, "dataset": "spend"}, ops]})
    apply(home, folder)
    assert plan(home, folder)["changes"] == []
    (first, second) = home.json("dashboards", "show", "A")["deliveries"]
    assert [(row["at"], row["weekdays"]) for row in (first, second)] == [("17:30", [*range(7)]), ("08:00", [0, 4])]
    write(folder, "d.yaml", {**board, "deliveries": [{**ops, "at": "9:15"}]})
    assert fields(plan(home, folder)) == {"deliveries": ([ops, spend], [{**ops, "at": "09:15"}])}
    apply(home, folder)
    (only,) = home.json("dashboards", "show", "A")["deliveries"]
    assert (only["id"], only["at"]) == (second["id"], "09:15")
    write(folder, "d.yaml", board)
    assert plan(home, folder)["changes"] == []
    for deliveries, problem in (
        ([{"to": "Own", "at": "08:00"}], "Notification address 'Own' was not found among those of the workspace"),
        ([ops, ops], "Address 'Ops' is listed twice."),
        ([{"to": "Ops", "at": "25:00"}], "'25:00' is not a time of the day."),
        ([{**ops, "weekdays": ["mon"]}], "delivery 1 must have the keys to, dataset, number, at, weekdays"),
        ([{"to": "Ops"}], "delivery 1 must have the keys to, dataset, number, at, weekdays"),
    ):
        write(folder, "d.yaml", {**board, "deliveries": deliveries})
        code, output = home.bad("apply", "-f", str(folder), "--plan")
        assert code == 3
        assert "d.yaml, line 4, deliveries: " in output
        assert problem in " ".join(output.split())


def test_a_user_s_own_address_is_in_no_delivery_of_files(home: Home, folder: Path) -> None:
    apply(home, folder)
    home.environ["ADREEL_USER"] = "ada"
    home.good("dashboards", "create", "Mine")
    (own, *_) = [row["id"] for row in home.json("notifications", "list") if row["scope"] == "user"]
    home.good("dashboards", "deliver", "Mine", own, "--at", "08:00")
    shutil.rmtree(folder)
    home.good("export-config", str(folder))
    home.environ |= {"NOTIFICATION_SPEND_OPS_ADDRESS": HOOK}
    assert yaml.safe_load((folder / "dashboards.yaml").read_text())["deliveries"] == []
    assert plan(home, folder)["changes"] == []
    write(folder, "dashboards.yaml", {"kind": "dashboard", "name": "Mine", "charts": [], "deliveries": []})
    assert plan(home, folder)["changes"] == []


def test_charts_that_a_dataset_does_not_have_change_nothing(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    board = {"kind": "dashboard", "name": "A", "charts": []}
    wrong = ({"chart": "spend"}, "spend", {**CHARTS[0], "card": "spend"}, {**CHARTS[0], "choices": ["days=7"]})
    write(folder, "d.yaml", *({**board, "name": f"A{number}", "charts": [each]} for number, each in enumerate(wrong)))
    write(folder, "e.yaml", {"kind": "dashboard", "name": "B"}, {**board, "shared": "yes!"}, {**board, "name": "a"})
    output = " ".join(home.bad("apply", "-f", str(folder), "--plan")[1].split())
    assert output.count("charts: chart 1 must have the texts dataset, chart, choices, title") == len(wrong)
    for expected in (
        "e.yaml, line 1, charts: required.",
        "e.yaml, line 7, shared: must be true or false.",
    ):
        assert expected in output, output
    shutil.rmtree(folder)
    write(folder, "s.yaml", SPEND)
    before = content(home)
    for chart, problem in (
        ({**CHARTS[0], "chart": "spnd"}, "'Spend' has no chart 'spnd'. Its charts: "),
        ({**CHARTS[0], "choices": "days=soon"}, "days"),
        ({**CHARTS[0], "choices": "metric=spend:nothing"}, "nothing"),
        ({**CHARTS[0], "dataset": "Spent"}, "Dataset 'Spent' was not found."),
    ):
        write(folder, "d.yaml", {**board, "charts": [CHARTS[0], chart]})
        code, output = home.bad("apply", "-f", str(folder), "--yes")
        assert code == 3
        assert "d.yaml, line 3, charts: " in output
        assert problem in " ".join(output.split())
    assert content(home) == before
    (folder / "s.yaml").unlink()
    home.good("datasets", "create", "-f", home.file())
    write(folder, "d.yaml", {**board, "charts": CHARTS})
    output = home.bad("apply", "-f", str(folder), "--delete", "--yes")[1]
    assert "Dataset 'Spend' is not in the files and is deleted." in " ".join(output.split())


def test_charts_of_deleted_and_hidden_datasets_are_not_exported_and_stay(home: Home, tmp_path: Path) -> None:
    for name in ("Spend", "Gone", "Stays"):
        home.good("datasets", "create", "-f", home.file(name=name))
    folder = tmp_path / "c"
    charts = [{"dataset": name, "chart": "spend"} for name in ("Gone", "Spend", "Stays")]
    write(folder, "d.yaml", {"kind": "dashboard", "name": "A", "charts": charts})
    apply(home, folder)
    home.good("datasets", "delete", "gone", "--yes")
    shutil.rmtree(folder)
    home.good("export-config", str(folder))
    (board,) = yaml.safe_load_all((folder / "dashboards.yaml").read_text())
    assert board == {"kind": "dashboard", "name": "A", "shared": False, "charts": charts[1:], "deliveries": []}
    assert plan(home, folder, "--delete")["changes"] == []
    (folder / "dashboards.yaml").unlink()
    write(folder, "d.yaml", {**board, "charts": [charts[2]]})
    apply(home, folder)
    assert [row["state"] for row in home.json("dashboards", "show", "A")["charts"]].count("deleted") == 1
    assert len(home.json("dashboards", "show", "A")["charts"]) == 2


# -- presets and retention


def test_shared_presets_are_created_changed_and_deleted_as_by_their_commands(home: Home, tmp_path: Path) -> None:
    add_users(home)
    home.environ["ADREEL_USER"] = "ada"
    home.good("presets", "save", "Own", "clicks")
    home.good("presets", "save", "Other", "clicks", "--shared")
    # The name of a preset that bob has for himself alone.
    home.environ["ADREEL_USER"] = "bob"
    home.good("presets", "save", "Daily", "reach")
    del home.environ["ADREEL_USER"]
    write(tmp_path / "c", "p.yaml", {"kind": "preset", "name": "Daily", "metrics": ["spend", "clicks"]})
    planned = plan(home, tmp_path / "c")
    assert fields(planned) == {"metrics": (None, ["spend", "clicks"])}
    assert [item["name"] for item in planned["absent"] if item["kind"] == "preset"] == ["Other"]
    apply(home, tmp_path / "c")
    write(tmp_path / "c", "p.yaml", {"kind": "preset", "name": "daily", "metrics": ["clicks", "spend"]})
    assert fields(plan(home, tmp_path / "c")) == {"metrics": (["spend", "clicks"], ["clicks", "spend"])}
    apply(home, tmp_path / "c", "--delete")
    assert plan(home, tmp_path / "c", "--delete")["changes"] == []
    presets = [row for row in home.json("presets", "list") if not row["built_in"]]
    rows = [(row["name"], row["owner"], row["metrics"]) for row in presets]
    assert sorted(rows, key=lambda row: row[1] or "") == [
        ("Daily", None, ["clicks", "spend"]),
        ("Own", "ada", ["clicks"]),
        ("Daily", "bob", ["reach"]),
    ]
    logged = [entry["action"] for entry in home.json("audit") if entry["action"].startswith("preset")]
    assert logged[:3] == ["preset_delete", "preset_change", "preset_create"]


def test_presets_that_cannot_be_or_are_of_another_user_change_nothing(home: Home, folder: Path) -> None:
    shutil.rmtree(folder)
    write(folder, "p.yaml", {"kind": "preset", "name": "A"}, {"kind": "preset", "name": "B", "metrics": ["spend"]})
    write(folder, "q.yaml", {"kind": "preset", "name": "b", "metrics": ["spend"]})
    output = " ".join(home.bad("apply", "-f", str(folder), "--plan")[1].split())
    assert "p.yaml, line 1, metrics: required." in output
    assert "q.yaml, line 2, name: 'b' is defined twice; also in p.yaml, line 4." in output
    (folder / "q.yaml").unlink()
    write(folder, "p.yaml", {"kind": "preset", "name": "A", "metrics": ["spent"]})
    assert "p.yaml, line 2, name: 'spent' is not a metric." in home.bad("apply", "-f", str(folder), "--plan")[1]
    write(folder, "p.yaml", {"kind": "preset", "name": "A", "metrics": ["spend"]})
    apply(home, folder)
    home.environ["ADREEL_USER"] = "bob"
    assert plan(home, folder)["changes"] == []
    write(folder, "p.yaml", {"kind": "preset", "name": "A", "metrics": ["clicks"]})
    before = content(home)
    code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 11
    assert "p.yaml, line 2, name: You cannot change preset 'A' of another user." in output
    assert content(home) == before


def test_a_retention_policy_is_planned_with_what_it_deletes_and_applied_as_by_its_command(
    home: Home, tmp_path: Path
) -> None:
    for _ in range(4):
        home.good("run", "-f", home.file())
        home.now += timedelta(days=20)
    write(tmp_path / "c", "a.yaml", {"kind": "retention", "version_days": 7, "version_count": 2})
    before = content(home)
    planned = plan(home, tmp_path / "c")
    assert fields(planned) == {"version_days": ("all", 7), "version_count": (10, 2)}
    (note,) = planned["changes"][0]["notes"]
    command = ("retention", "--version-days", "7", "--version-count", "2")
    assert note.startswith("Deletes 2 versions.")
    assert content(home) == before
    apply(home, tmp_path / "c")
    by_apply = home.json("audit", "--action", "retention_change")[0]["details"]
    assert plan(home, tmp_path / "c")["changes"] == []
    assert home.json("retention")["log_days"] == 365, "keys that the file does not have keep their values"
    home.good("retention", "--version-days", "all", "--version-count", "10", "--yes")
    assert note in home.good(*command, "--yes").stderr
    assert home.json("audit", "--action", "retention_change")[0]["details"] == by_apply


def test_retention_that_cannot_be_or_is_not_for_the_user_changes_nothing(home: Home, folder: Path) -> None:
    wrong = {"version_days": "6", "version_count": "all", "run_days": "ten", "log_day": 7}
    write(folder, "r.yaml", {"kind": "retention", **wrong}, {"kind": "retention", "audit_days": 29})
    output = " ".join(home.bad("apply", "-f", str(folder), "--plan")[1].split())
    for expected in (
        "r.yaml, line 3, version_count: must be a number of versions.",
        "r.yaml, line 4, run_days: must be a number of days, or `all`.",
        "r.yaml, line 5, log_day: unknown key; retention has version_days,",
        "r.yaml, line 8, audit_days: enter 30 to 100,000 days, or keep them for good; not 29.",
    ):
        assert expected in output, output
    write(folder, "r.yaml", *({"kind": "retention", "run_days": days} for days in ("all", 90)))
    output = home.bad("apply", "-f", str(folder), "--plan")[1]
    assert "r.yaml, line 4, kind: 'policy' is defined twice; also in r.yaml, line 1." in output
    shutil.rmtree(folder)
    write(folder, "r.yaml", {"kind": "retention", "run_days": 90})
    home.environ["ADREEL_USER"] = "bob"
    code, output = home.bad("apply", "-f", str(folder), "--yes")
    assert code == 11
    assert "r.yaml, line 1, kind: Only administrators can change the retention policy." in output
    home.good("export-config", str(folder / "own"))
    assert not (folder / "own/retention.yaml").exists()


# -- the docs, and the manifest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/configuration-as-code.md").read_text("utf-8")


def blocks_of(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_docs_list_the_keys_of_each_kind_of_document() -> None:
    for kind, keys in KEYS.items():
        section = re.split(f"\n### {kind.value.capitalize()}s?\n", PAGE)[1].split("\n#")[0]
        rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
        assert rows == [(key.name, key.absent, key.meaning) for key in keys]


@pytest.fixture
def documented(home: Home, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and in it the files of the docs with addresses that there are on this machine."""
    shutil.rmtree(folder)
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "mail"
    secret.write_text("hunter2\n")
    for number, block in enumerate(block for block in blocks_of("yaml") if block.startswith("kind:")):
        text = re.sub(r"postgresql://\S+", f"duckdb://{tmp_path}/${{env:TEAM_PASSWORD}}.duckdb", block)
        (tmp_path / f"config/{number}.yaml").write_text(text.replace("/run/secrets/mail", str(secret)))
    write(tmp_path / "config", "spend.yaml", SPEND)
    home.environ |= {"TEAM_PASSWORD": "team", "OPS_WEBHOOK": HOOK}
    return tmp_path / "config"


def test_the_commands_of_the_docs_work_on_the_files_of_the_docs(home: Home, documented: Path) -> None:
    commands = [line for block in blocks_of("sh") for line in block.splitlines() if line.startswith("adreel ")]
    assert len(commands) == 7
    for line in commands[2:]:
        answers = "y\n" * 5 if "--yes" not in line else None
        result = home.adreel(*line.split()[1:], stdin=answers)
        assert result.exit_code in ((0, CHANGES) if "--plan" in line else (0,)), result.output
    shutil.rmtree(documented)
    for line in commands[:1]:
        home.good(*line.split()[1:])
    home.environ |= {"NOTIFICATION_OPS_ADDRESS": HOOK, "NOTIFICATION_SPEND_OWNER_ADDRESS": OWNER}
    assert home.adreel(*commands[1].split()[1:]).exit_code == 0


def test_the_workflow_of_the_docs_plans_and_applies(home: Home, documented: Path) -> None:
    (workflow,) = [yaml.safe_load(block) for block in blocks_of("yaml") if block.startswith("name: adreel")]
    (job,) = workflow["jobs"].values()
    named = set(re.findall(r"\$\{env:(\w+)\}", "".join(files(documented).values())))
    assert named <= job["env"].keys()
    steps = {step["name"]: step["run"] for step in job["steps"] if "name" in step}
    planning, allowed = steps["Plan"].split(" || ")
    assert allowed == f"test $? -eq {CHANGES}"
    assert home.adreel(*planning.split()[1:]).exit_code == CHANGES
    home.good(*steps["Apply"].split()[1:])
    assert home.adreel(*planning.split()[1:]).exit_code == 0


def test_the_job_applies_a_mounted_configmap_without_rights(home: Home, documented: Path, tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / "deploy/adreel-apply.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] == "Never"
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == mounts.keys()
    assert "env" not in container, "secrets are in the Secret"
    # Kubernetes mounts links to a hidden folder, which it replaces as a whole.
    mounted = tmp_path / "mounted"
    documented.rename(mounted_as := tmp_path / "..2026_11_22")
    mounted.mkdir()
    mounted_as.rename(mounted / "..2026_11_22")
    (mounted / "..data").symlink_to("..2026_11_22")
    for path in (mounted / "..2026_11_22").iterdir():
        (mounted / path.name).symlink_to(f"..data/{path.name}")
    words = [str(mounted) if word == mounts["config"] else word for word in container["args"]]
    home.good(*words)
    assert plan(home, mounted)["changes"] == []
    (line,) = [line for block in blocks_of("sh") for line in block.splitlines() if line.startswith("podman run")]
    assert line.split(" adreel ")[1].split() == container["args"]
