"""The provider of Airflow, in the environment of Airflow, runs datasets of a served adreel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adreel.store import Store
from doc_programs import programs
from live_home import LiveHome, live_home
from running import settings_of
from test_cli_serve import serving

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-airflow" / "bin" / "python"
"""`make test-integrations` makes it from requirements-airflow.lock."""


@dataclass
class Airflow:
    """An installation of Airflow with a connection to a served home."""

    live: LiveHome
    environ: dict[str, str]

    def python(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PYTHON), *words],
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def run(self, **options: Any) -> tuple[dict[str, Any], str]:
        """The outcome of a task and its messages."""
        program = Path(self.environ["AIRFLOW_HOME"]) / "dags" / "ads.py"
        done = self.python(str(program), ADREEL_TASK=json.dumps(options))
        assert done.returncode == 0, done.stderr[-5000:]
        outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return outcome, done.stdout + done.stderr


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    folder = tmp_path_factory.mktemp("airflow")
    with live_home(folder / "home", advertisers=1, ads=8) as live:
        live.home.good("run", "-f", live.home.file())
        with Store.open(settings_of(live.home), clock=lambda: live.home.now) as store:
            user = store.users.add_first("ada", "correct horse battery")
            _, token = store.tokens.add(user, "airflow", False, None)
        with serving(live.home.path, "serve", "--port", "0", "--no-browser") as (_, url, _messages):
            own = {
                "AIRFLOW_HOME": str(folder / "airflow"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW_CONN_ADREEL_DEFAULT": json.dumps({"conn_type": "adreel", "host": url, "password": token}),
                "AIRFLOW_CONN_NOWHERE": json.dumps({"conn_type": "adreel", "host": url, "password": "adreel_no"}),
            }
            dags = folder / "airflow" / "dags"
            dags.mkdir(parents=True)
            shutil.copy(Path(__file__).parent / "airflow_program.py", dags / "ads.py")
            installed = Airflow(live, {**os.environ, **own})
            migrated = installed.python("-m", "airflow", "db", "migrate")
            assert migrated.returncode == 0, migrated.stderr[-5000:]
            yield installed


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_runs_a_dataset_and_has_its_version(airflow: Airflow, deferrable: bool) -> None:
    outcome, _ = airflow.run(dataset="spend", start="{{ ds }}", end="{{ ds }}", deferrable=deferrable)
    assert outcome["state"] == "success"
    run = airflow.live.home.json("history", "spend")[0]
    assert outcome["result"]["run_id"] == run["run_id"]
    assert outcome["result"]["version"] == run["version"]
    assert outcome["result"]["state"] == "verified"
    assert run["dates"] == {"start": "2026-11-20", "end": "2026-11-20"}


def test_a_run_that_fails_fails_the_task_with_its_message(airflow: Airflow) -> None:
    airflow.live.door("trouble", {"kind": "code", "code": 40002, "message": "metrics: what?", "path": "report"})
    try:
        outcome, messages = airflow.run(dataset="spend", deferrable=True)
    finally:
        airflow.live.door("calm", {})
    assert outcome["state"] == "failed"
    assert airflow.live.home.json("history", "spend")[0]["error"] in messages


def test_a_version_that_fails_its_check_fails_the_task(airflow: Airflow) -> None:
    fault = {"kind": "value", "field": "metrics.spend", "value": "1.00", "path": "report", "times": 0}
    airflow.live.door("trouble", fault)
    try:
        outcome, messages = airflow.run(dataset="spend")
    finally:
        airflow.live.door("calm", {})
    assert outcome["state"] == "failed"
    assert "differ from TikTok's own figures" in messages


def test_what_adreel_refuses_is_said_in_its_words(airflow: Airflow) -> None:
    for options, words in (
        ({"dataset": "spent"}, "Did you mean 'spend'"),
        ({"dataset": "spend", "adreel_conn_id": "nowhere"}, "token"),
    ):
        outcome, messages = airflow.run(**options)
        assert outcome["state"] == "failed"
        assert words in messages


def test_the_dag_of_the_manual_is_one(airflow: Airflow) -> None:
    (program,) = programs("integrations.md", "Airflow")
    done = airflow.python("-c", f"{program}\nprint(dag.get_task('ad_spend').deferrable)")
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr[-3000:]


def test_airflow_knows_the_connection_type(airflow: Airflow) -> None:
    script = "from airflow.providers_manager import ProvidersManager; print(sorted(ProvidersManager().hooks))"
    done = airflow.python("-c", script)
    assert "adreel" in done.stdout, done.stderr[-3000:]
    test = "from adreel_airflow.hook import AdreelHook; print(AdreelHook().test_connection())"
    assert "Signed in to adreel as ada." in airflow.python("-c", test).stdout
