"""A dbt project of a person who installed adreel's package, in a folder of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DBT = Path(sys.executable).parent / "dbt"
OFFLINE = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


@dataclass(frozen=True)
class DbtAnswer:
    """What a dbt command did: states of models and tests by their short name."""

    code: int
    output: str
    states: Mapping[str, str]

    def failed(self) -> set[str]:
        """The tests that failed, without what dbt appends to their names, and models that could not be built."""
        return {name for name, state in self.states.items() if state in ("fail", "error")}


@dataclass(frozen=True)
class DbtProject:
    """A project with the package in it."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, output: Mapping[str, Any], variables: Mapping[str, Any]) -> DbtProject:
        """`output` says in dbt's words where the database is."""
        folder.mkdir()
        content: dict[str, Any] = {
            "dbt_project.yml": {
                "name": "shop",
                "version": "1.0.0",
                "config-version": 2,
                "profile": "shop",
                "flags": {"send_anonymous_usage_stats": False},
                "vars": {"adreel": dict(variables)},
            },
            "packages.yml": {"packages": [{"local": str(ROOT / "dbt")}]},
            "profiles.yml": {"shop": {"target": "dev", "outputs": {"dev": {"schema": "shop", "threads": 1, **output}}}},
        }
        for name, values in content.items():
            (folder / name).write_text(yaml.safe_dump(values))
        project = cls(folder)
        installed = project.run("deps")
        assert installed.code == 0, installed.output
        return project

    def run(self, *words: str) -> DbtAnswer:
        """Runs a dbt command in a process of its own."""
        results = self.folder / "target" / "run_results.json"
        results.unlink(missing_ok=True)
        done = subprocess.run(
            [str(DBT), "--no-use-colors", *words, "--profiles-dir", "."],
            cwd=self.folder,
            env={**os.environ, **OFFLINE},
            capture_output=True,
            text=True,
            timeout=300,
        )
        listed = json.loads(results.read_text())["results"] if results.exists() else []
        states = {result["unique_id"].split(".", 2)[2]: result["status"] for result in listed}
        return DbtAnswer(done.returncode, done.stdout + done.stderr, states)
