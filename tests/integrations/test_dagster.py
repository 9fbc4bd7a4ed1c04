"""Dagster materializes datasets as assets, and fails them with adreel's own words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from adreel.errors import NotFoundError
from doc_programs import add_what_the_manual_names, programs, run_programs
from live_home import LiveHome, live_home

# Of other packages, while Dagster is imported.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dagster as dg

    from adreel.dagster import AdreelComponent, dataset_assets

# Of Dagster's own code.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHome]:
    with live_home(tmp_path_factory.mktemp("live") / "home", advertisers=1, ads=8) as live:
        live.home.good("run", "-f", live.home.file())
        yield live


def materialized(assets: list[Any]) -> Any:
    return dg.materialize(assets, raise_on_error=False)


def test_an_asset_says_what_the_run_did_and_verified(live: LiveHome) -> None:
    result = materialized(dataset_assets(["spend"], live.folder))
    assert result.success
    (event,) = result.asset_materializations_for_node("spend")
    metadata = {name: value.value for name, value in event.metadata.items()}
    run = live.home.json("history", "spend")[0]
    assert metadata["version"] == run["version"] == 1
    assert metadata["dagster/row_count"] == run["table_rows"] > 0
    assert metadata["run"] == run["run_id"]
    assert metadata["state"] == "verified"
    assert metadata["verification"]["rows_expected"] == metadata["rows_read"]


def test_a_run_that_fails_fails_the_asset_with_its_message(live: LiveHome) -> None:
    live.door("trouble", {"kind": "code", "code": 40002, "message": "metrics: what?", "path": "report"})
    try:
        result = materialized(dataset_assets(["spend"], live.folder))
    finally:
        live.door("calm", {})
    assert not result.success
    failure = failure_of(result)
    assert "metrics: what?" in failure.description
    assert "TikTok code 40002" in failure.description
    assert failure.description == live.home.json("history", "spend")[0]["error"]


def test_a_version_that_fails_its_check_fails_the_asset(live: LiveHome) -> None:
    live.door("trouble", {"kind": "value", "field": "metrics.spend", "value": "1.00", "path": "report", "times": 0})
    try:
        result = materialized(dataset_assets(["spend"], live.folder))
    finally:
        live.door("calm", {})
    failure = failure_of(result)
    assert "differ from TikTok's own figures" in failure.description
    assert failure.metadata["state"].value == "check_failed"


def failure_of(result: Any) -> Any:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error
    return data.user_failure_data


def test_a_component_file_has_the_assets_of_its_home(live: LiveHome) -> None:
    from dagster.components.testing import create_defs_folder_sandbox

    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            AdreelComponent,
            defs_yaml_contents={
                "type": "adreel.dagster.AdreelComponent",
                "attributes": {"home": live.folder, "datasets": ["spend"]},
            },
        )
        with sandbox.load_component_and_build_defs(path) as (_, definitions):
            assert [key.to_user_string() for key in definitions.resolve_all_asset_keys()] == ["spend"]


def test_an_unknown_dataset_is_refused_when_the_definitions_are_loaded(live: LiveHome) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'spend'"):
        dataset_assets(["spent"], live.folder)


def test_the_program_of_the_manual_runs(live: LiveHome, monkeypatch: pytest.MonkeyPatch) -> None:
    add_what_the_manual_names(live)
    monkeypatch.setenv("ADREEL_HOME", live.folder)
    definitions = run_programs(programs("integrations.md", "Dagster"))["defs"]
    assert [key.to_user_string() for key in definitions.resolve_all_asset_keys()] == ["ad_spend"]
