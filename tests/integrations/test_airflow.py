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

REFUSED, WRONG = "2026-11-18", "2026-11-17"
"""Days that TikTok refuses, and of which it gives other rows than it counts."""


def of_day(day: str, **more: Any) -> dict[str, Any]:
    return {"dataset": "spend", "start": day, "end": day, **more}


TASKS = {
    "waiting": of_day("{{ ds }}"),
    "deferred": of_day("{{ ds }}", deferrable=True),
    "refused": of_day(REFUSED, deferrable=True),
    "wrong": of_day(WRONG),
    "misspelt": {"dataset": "spent"},
    "stranger": {"dataset": "spend", "adreel_conn_id": "stranger"},
}


@dataclass
class Airflow:
    """An installation of Airflow with a connection to a served home; `messages` are those of its last process."""

    live: LiveHome
    environ: dict[str, str]
    messages: str = ""

    def python(self, *words: str) -> str:
        done = subprocess.run(
            [str(PYTHON), *words], env=self.environ, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr[-5000:]
        self.messages = done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    folder = tmp_path_factory.mktemp("airflow")
    with live_home(folder / "home", advertisers=1, ads=8) as live:
        live.home.good("run", "-f", live.home.file())
        with Store.open(settings_of(live.home), clock=lambda: live.home.now) as store:
            user = store.users.add_first("ada", "correct horse battery")
            _, token = store.tokens.add(user, "airflow", False, None)
        for day, fault in (
            (REFUSED, {"kind": "code", "code": 40002, "message": "metrics: what?"}),
            (WRONG, {"kind": "value", "field": "metrics.spend", "value": "1.00"}),
        ):
            live.door("trouble", fault | {"path": "report", "where": {"start_date": day}, "times": 0})
        with serving(live.home.path, "serve", "--port", "0", "--no-browser") as (_, url, _messages):
            connection = {"conn_type": "adreel", "host": url}
            own = {
                "AIRFLOW_HOME": str(folder / "airflow"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW_CONN_ADREEL_DEFAULT": json.dumps(connection | {"password": token}),
                "AIRFLOW_CONN_STRANGER": json.dumps(connection | {"password": "adreel_no"}),
                "ADREEL_TASKS": json.dumps(TASKS),
            }
            dags = folder / "airflow" / "dags"
            dags.mkdir(parents=True)
            shutil.copy(Path(__file__).parent / "airflow_program.py", dags / "ads.py")
            installed = Airflow(live, {**os.environ, **own})
            installed.python("-m", "airflow", "db", "migrate")
            yield installed


def test_tasks_run_a_dataset_or_fail_with_adreels_message(airflow: Airflow) -> None:
    answer = airflow.python(str(Path(airflow.environ["AIRFLOW_HOME"]) / "dags" / "ads.py"))
    outcomes = json.loads(answer.splitlines()[-1])
    messages = answer + airflow.messages
    runs = {run["run_id"]: run for run in airflow.live.home.json("history", "spend")}

    for name in ("waiting", "deferred"):
        state, result = outcomes[name]
        assert state == "success", messages[-5000:]
        run = runs[result["run_id"]]
        assert run["dates"] == {"start": "2026-11-20", "end": "2026-11-20"}
        assert (result["version"], result["state"]) == (run["version"], run["state"])
        # Runs after the one of "wrong" say that its day was not read again.
        assert run["state"] in ("verified", "verified_with_warnings")
    assert outcomes["waiting"][1]["run_id"] != outcomes["deferred"][1]["run_id"]

    assert {outcomes[name][0] for name in ("refused", "wrong", "misspelt", "stranger")} == {"failed"}
    (error,) = [run["error"] for run in runs.values() if run["error"]]
    assert "TikTok code 40002" in error
    assert error in messages
    assert "differ from TikTok's own figures" in messages
    assert "Did you mean 'spend'" in messages
    assert "token" in messages


def test_airflow_knows_the_connection_and_the_dag_of_the_manual(airflow: Airflow) -> None:
    (program,) = programs("integrations.md", "Airflow")
    lines = (
        program,
        "print('deferrable', dag.get_task('ad_spend').deferrable)",
        "from airflow.providers_manager import ProvidersManager",
        "print('known', 'adreel' in ProvidersManager().hooks)",
        "from adreel_airflow.hook import AdreelHook",
        "print(AdreelHook().test_connection()[1])",
    )
    answer = airflow.python("-c", "\n".join(lines))
    # Among messages of Airflow.
    assert {"deferrable True", "known True", "Signed in to adreel as ada."} <= set(answer.splitlines())
