"""`adreel datasets`, through the front door: saved, imported, changed, converted, removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from adreel.errors import ExitCode
from home import Home

LEGACY: dict[str, Any] = {
    "name": "Old basic",
    "account": "demo",
    "report": "ad_performance",
    "report_level": "ad",
    "time_granularity": "daily",
    "metrics": ["spend", "time_attr_active_pay", "add_billing", "no_longer_offered"],
    "dates": {"start": "today-3", "end": "yesterday"},
}


def shown(home: Home, slug: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(home.good("datasets", "show", slug).stdout)
    return values


def editor(home: Home, folder: Path, script: str) -> None:
    """Sets an editor that does what the script says with the file `$1`."""
    path = folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    home.environ = {"EDITOR": str(path)}


def test_a_dataset_is_saved_listed_and_shown_as_a_file_that_makes_it_anew(home: Home, tmp_path: Path) -> None:
    result = home.good("datasets", "create", "-f", home.file(tags=["a", "b"], description="Größe 🍋"))
    assert (result.stdout, "Next: adreel run spend" in result.stderr) == ("", True)
    assert "Never run" in home.good("datasets", "list").stdout
    (row,) = home.json("datasets", "list")
    assert (row["slug"], row["status"], row["tags"], row["last_run"]) == ("spend", "never", ["a", "b"], None)
    text = home.good("datasets", "show", "Spend").stdout
    assert "Größe 🍋" in text
    before = home.kept()
    (tmp_path / "same.yaml").write_text(text)
    home.good("datasets", "edit", "spend", "-f", str(tmp_path / "same.yaml"))
    assert shown(home, "spend") == yaml.safe_load(text)
    assert home.kept("datasets") == {key: value for key, value in before.items() if key != "datasets"}


def test_a_name_that_is_taken_is_not_overwritten_by_create(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file())
    before = home.kept()
    code, stderr = home.bad("datasets", "create", "-f", home.file(metrics=["clicks"]))
    assert (code, "choose another name" in stderr) == (ExitCode.INPUT, True)
    assert home.kept() == before


def test_a_deprecated_report_cannot_be_chosen_anew_nor_by_an_edit(home: Home) -> None:
    file = home.path / "old.yaml"
    file.write_text(json.dumps(LEGACY))
    code, stderr = home.bad("datasets", "create", "-f", str(file))
    assert (code, "Did you mean 'performance'?" in stderr, "datasets import" in stderr) == (ExitCode.INPUT, True, True)
    home.good("datasets", "create", "-f", home.file())
    assert home.bad("datasets", "edit", "spend", "-f", str(file))[0] == ExitCode.INPUT
    assert [dataset["report"] for dataset in home.json("datasets", "list")] == ["performance"]


def as_yaml(*datasets: dict[str, Any]) -> str:
    return "# two of them\n---\n" + "\n--- # the next\n".join(yaml.safe_dump(dataset) for dataset in datasets)


def as_list(*datasets: dict[str, Any]) -> str:
    return json.dumps(datasets)


@pytest.mark.parametrize("written", [as_yaml, as_list])
def test_several_datasets_are_imported_with_their_older_names_and_run(home: Home, written: Any) -> None:
    other = {**LEGACY, "name": "Other 🍋", "metrics": ["spend", "clicks"]}
    file = home.path / "old"
    file.write_text(written(LEGACY, other))
    result = home.good("datasets", "import", str(file))
    assert "TikTok no longer offers no_longer_offered" in result.stderr
    assert [dataset["name"] for dataset in home.json("datasets", "list")] == ["Old basic", "Other 🍋"]
    before = home.kept()
    assert "already exists, unchanged" in home.good("datasets", "import", str(file)).stderr
    assert home.kept() == before
    assert home.json("run", "old_basic")["verification"]["verified"]
    row = home.rows("select * from old_basic limit 1")[0]
    assert row["no_longer_offered"] is None
    assert "purchase" in row


def test_a_converted_dataset_goes_on_with_its_table(home: Home) -> None:
    file = home.path / "old.json"
    file.write_text(json.dumps(LEGACY))
    home.good("datasets", "import", str(file))
    assert home.json("run", "old_basic")["version"] == 0
    rows = "select ad_id, stat_time_day, spend from old_basic order by all"
    before = home.rows(rows)
    assert "no_longer_offered" in home.good("datasets", "convert", "old_basic").stderr
    assert shown(home, "old_basic")["report"] == "performance"
    assert home.json("run", "old_basic")["version"] == 1
    assert home.rows(rows) == before
    assert home.bad("datasets", "convert", "old_basic")[0] == ExitCode.INPUT


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"metrics": ["spnd"]}, "dataset 2: "),
        ({"account": "dmo"}, "Did you mean 'demo'?"),
        ({"name": "Old basic"}, "two datasets named 'Old basic'"),
        ({"name": "Spend"}, "another dataset is named 'Spend'"),
    ],
)
def test_one_dataset_that_cannot_be_imported_keeps_all_out(home: Home, second: dict[str, Any], message: str) -> None:
    home.good("datasets", "create", "-f", home.file())
    before = home.kept()
    file = home.path / "old.json"
    broken = {"metrics": ["spend"], "report": "performance", "data_level": "ad"} | second
    values = {**{key: LEGACY[key] for key in ("account", "dates")}, "name": "Second", **broken}
    file.write_text(as_list(LEGACY, values))
    code, stderr = home.bad("datasets", "import", str(file))
    assert (code, message in stderr, "Nothing was imported" in stderr) == (ExitCode.INPUT, True, True), stderr
    assert home.kept() == before


def test_a_dataset_is_changed_in_the_persons_editor(home: Home, tmp_path: Path) -> None:
    home.good("datasets", "create", "-f", home.file())
    editor(home, tmp_path, "sed -i 's/^name: Spend/name: Money/; s/- clicks/- likes/' \"$1\"")
    assert "Saved 'Money'" in home.good("datasets", "edit", "spend").stderr
    assert (shown(home, "spend")["name"], "likes" in shown(home, "spend")["metrics"]) == ("Money", True)
    assert not list(home.path.glob("*.draft.yaml"))


def test_an_edit_that_is_refused_says_nothing_of_the_next_run(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend", "clicks"], update={"method": "upsert"}))
    code, stderr = home.bad(
        "datasets", "edit", "spend", "-f", home.file(metrics=["spend"], data_level="campaign", dimensions=None)
    )
    assert (code, "alters the primary key" in stderr, "note: " in stderr) == (ExitCode.INPUT, True, False), stderr


def test_an_edit_that_changes_nothing_changes_nothing(home: Home, tmp_path: Path) -> None:
    home.good("datasets", "create", "-f", home.file())
    before = home.kept()
    editor(home, tmp_path, "true")
    assert "Nothing was changed" in home.good("datasets", "edit", "spend").stderr
    editor(home, tmp_path, "echo 'metrics: [' >> \"$1\"; exit 1")
    code, stderr = home.bad("datasets", "edit", "spend")
    assert (code, "name another in $EDITOR" in stderr) == (ExitCode.INPUT, True)
    home.environ = {"EDITOR": "/no/such/editor"}
    assert home.bad("datasets", "edit", "spend")[0] == ExitCode.INPUT
    assert home.kept() == before


def test_what_was_typed_in_the_editor_is_kept_if_it_cannot_be_saved(home: Home, tmp_path: Path) -> None:
    home.good("datasets", "create", "-f", home.file())
    before = home.kept()
    editor(home, tmp_path, "sed -i 's/- clicks/- clics/' \"$1\"")
    code, stderr = home.bad("datasets", "edit", "spend")
    draft = home.path / "spend.draft.yaml"
    assert (code, "Did you mean 'clicks'" in stderr, str(draft) in stderr.replace("\n", "")) == (
        ExitCode.INPUT,
        True,
        True,
    )
    assert home.kept() == before
    draft.write_text(draft.read_text().replace("clics", "likes"))
    home.good("datasets", "edit", "spend", "-f", str(draft))
    assert "likes" in shown(home, "spend")["metrics"]


def test_an_edit_after_which_old_and_new_rows_could_not_be_told_apart_is_refused(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file())
    before = home.kept()
    changes = {"data_level": "campaign", "metrics": ["spend"]}
    code, stderr = home.bad("datasets", "edit", "spend", "-f", home.file("e.yaml", **changes))
    assert (code, "Create a new dataset instead" in stderr) == (ExitCode.INPUT, True)
    assert home.bad("run", "-f", home.file("e.yaml", **changes))[0] == ExitCode.INPUT
    assert home.kept() == before
    home.good("datasets", "edit", "spend", "-f", home.file("e.yaml", **changes, reset_schema=True))


def test_delete_asks_and_no_means_no(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend"]))
    before = home.kept()
    code, stderr = home.bad("datasets", "delete", "spend", stdin="n\n")
    assert code == ExitCode.CANCELLED
    assert f"{home.path}/lake/spend with all versions?" in stderr
    assert "Nothing was changed" in stderr
    assert home.bad("datasets", "delete", "spend", stdin="")[0] == ExitCode.INPUT
    assert home.kept() == before
    home.good("datasets", "delete", "spend", stdin="y\n")
    assert home.json("datasets", "list") == []
    assert [path for path in home.kept()["lake"] if "/spend/" in path] == []
    assert "No dataset is saved yet" in home.good("datasets", "list").stderr


def test_a_table_can_outlive_its_dataset(home: Home) -> None:
    home.good("run", "-f", home.file(metrics=["spend"]))
    before = home.kept()["lake"]
    ended = home.good("datasets", "delete", "spend", "--yes", "--keep-table").stderr
    address = home.path / "lake" / "spend"
    assert f"The table stays in {address}. To delete it too, delete this folder." in ended.replace("\n", " ")
    assert address.is_dir()
    assert home.kept()["lake"] == before
    again = " ".join(home.good("datasets", "create", "-f", home.file(metrics=["spend"])).stderr.split())
    assert "its name in SQL and commands is spend. The folder of its table is spend_2. Next: adreel run spend" in again
