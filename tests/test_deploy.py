"""The files in deploy/: alerts name metrics that there are, and services and containers start what there is, safely."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from adreel.cli import app
from adreel.monitoring.metrics import exposition
from adreel.settings import Settings
from adreel.store import RequestCounts, RunOutcome, RunState
from people import Clock, add_account, add_dataset, open_people

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all series of a home in which a run has ended, and one dataset is published."""
    clock = Clock()
    with open_people(tmp_path_factory.mktemp("home") / "home", clock) as store:
        account = add_account(store)
        run = store.runs.add(add_dataset(store, account), "0" * 16)
        published = {"report": "performance", "publish": ["warehouse"]}
        store.datasets.create("Published", account=account, spec=json.dumps(published))
        store.runs.begin(run.id)
        store.runs.finish(run.id, RunOutcome(RunState.VERIFIED, version=0))
        store.runs.add(store.datasets.list()[0], "1" * 16)
        store.app_requests.add("app", RequestCounts(1, 0))
        text = exposition(store, Settings.load({"ADREEL_HOME": "/nowhere"}), clock()).decode()
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def test_alerts_name_metrics_and_states_that_there_are(metrics: set[str]) -> None:
    rules = [
        rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    assert len(rules) > 5
    for rule in rules:
        named = set(re.findall(r"adreel_[a-z_]+", rule["expr"]))
        assert named <= metrics, rule["alert"]
        for states in re.findall(r'state=~"([^"]*)"', rule["expr"]):
            assert set(states.split("|")) <= set(RunState)
        assert rule["annotations"]["summary"].endswith((".", "?"))


def test_the_docs_list_every_metric(metrics: set[str]) -> None:
    documented = set(re.findall(r"`(adreel_[a-z_]+)", (ROOT / "docs/operations.md").read_text("utf-8")))
    series = {re.sub("_(bucket|sum|count)$", "", name) for name in metrics}
    assert series == documented


def options_of(*command: str) -> str:
    return CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output


def test_the_server_is_started_with_options_that_it_has() -> None:
    image = (DEPLOY / "Containerfile").read_text()
    (command,) = [json.loads(text) for text in re.findall(r"^CMD (\[.*\])$", image, re.MULTILINE)]
    (unit_command,) = re.findall(
        r"^ExecStart=/opt/adreel/bin/adreel (.*)$", (DEPLOY / "adreel.service").read_text(), re.MULTILINE
    )
    for words in (command, unit_command.split()):
        assert words[0] == "serve"
        for option in words[1:]:
            assert not option.startswith("--") or option in options_of("serve")


def test_containers_and_services_run_without_rights_and_without_secrets_in_files() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name in ("serve", "worker"):
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        for variable, value in service["environment"].items():
            secret = any(word in variable for word in ("SECRET", "TOKEN", "DATABASE"))
            assert not secret or "${" in value, variable
    assert re.search(r"^USER 10001:10001$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    for unit in DEPLOY.glob("*.service"):
        lines = unit.read_text().splitlines()
        for line in (
            "User=adreel",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "CapabilityBoundingSet=",
            "UMask=0077",
        ):
            assert line in lines, (unit.name, line)
