"""A dbt project of a person who installed adreel's package, in a folder of a test."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["dbt.cli.main", "dbt.task.build", "dbt.adapters.duckdb", "dbt.adapters.postgres"])
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
        """Runs a dbt command in a process of its own, forked from one that has imported dbt: that takes two seconds."""
        results, output = self.folder / "target" / "run_results.json", self.folder / "output.txt"
        results.unlink(missing_ok=True)
        process = FORKS.Process(target=_run, args=(self.folder, output, words))
        process.start()
        process.join(timeout=300)
        assert process.exitcode is not None
        listed = json.loads(results.read_text())["results"] if results.exists() else []
        states = {result["unique_id"].split(".", 2)[2]: result["status"] for result in listed}
        return DbtAnswer(process.exitcode, output.read_text(), states)


def _run(folder: Path, output: Path, words: tuple[str, ...]) -> None:
    """The process of a command: what the program `dbt` does."""
    from dbt.cli.main import cli

    with output.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        os.chdir(folder)
        os.environ.update(OFFLINE)
        sys.argv = ["dbt", "--no-use-colors", *words, "--profiles-dir", "."]
        cli()
