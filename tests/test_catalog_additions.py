"""The home's own additions to the catalogue: what catalog.yaml adds is there for all, and a bad file stops all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from adreel.catalog.additions import NONE, put_in_force
from adreel.catalog_file import FILE_NAME, follow, read_additions
from adreel.datasets.lookback import is_attributed
from adreel.errors import ExitCode, InputError
from adreel.store import RunState
from api_home import program
from home import Home
from web_home import Site, words_of

FILE = """
metrics:
  minis_saves:
    title: Saves of minis
    description: How often people saved a mini.
    type: int
    summable: true
    reports: [basic]
    levels: [campaign, ad]
  minis_users:
    title: Users of minis
    description: People who opened a mini.
    type: int
    summable: false
    reports: [basic]
dimensions:
  minis_kind:
    title: Kind of mini
    description: Game or other.
    reports: [basic]
values:
  objective_type:
    MINIS: TikTok Minis
"""
METRICS = ["spend", "minis_saves", "minis_users"]


@pytest.fixture(autouse=True)
def _nothing_left_in_force(tmp_path: Path) -> Iterator[None]:
    """Homes of other tests have no additions."""
    yield
    follow(tmp_path / "no home")
    put_in_force(NONE)


def write(home: Home, text: str) -> None:
    (home.path / FILE_NAME).write_text(textwrap.dedent(text))


def test_an_added_metric_is_read_verified_and_marked_and_summed_only_if_it_may_be(site: Site) -> None:
    home = site.home
    assert "not available" in home.bad("validate", "-f", home.file(metrics=METRICS))[1]
    write(home, FILE)
    home.good("run", "-f", home.file(metrics=METRICS), "--yes")
    rows = home.rows("SELECT sum(minis_saves) AS saves, max(minis_users) AS users FROM spend")
    assert rows[0]["saves"] > 0
    assert rows[0]["users"] > 0
    assert "(Added here.)" in " ".join(home.good("metrics", "minis", "saves").stdout.split())
    asking = program(site)
    assert asking.get("/metrics/minis_saves")["added"] is True
    assert asking.get("/metrics/minis_users")["additive"] is False
    assert asking.get("/dimensions/minis_kind")["added"] is True
    assert asking.get("/metrics/spend")["added"] is False
    offered = {
        figure["name"] for card in asking.get("/datasets/spend/cards", limit=100)["items"] for figure in card["metrics"]
    }
    assert ("minis_saves" in offered, "minis_users" in offered) == (True, False)
    form = site.visit("admin").good("/datasets/new?report=performance&data_level=ad")
    assert "Kind of mini (added here)" in words_of(form)


def test_an_added_metric_counts_as_late_and_as_restated(home: Home) -> None:
    write(home, FILE)
    home.now = home.now.replace(hour=9)
    update = {"method": "upsert"}
    spend = home.json("plan", "-f", home.file(metrics=["spend"], update=update))
    saves = home.json("plan", "-f", home.file(metrics=["spend", "minis_saves"], update=update))
    assert "Saves of minis" in str(saves["notes"])
    assert "Saves of minis" not in str(spend["notes"])
    follow(home.path)
    assert (is_attributed("minis_saves"), is_attributed("spend")) == (True, False)


def test_what_the_file_adds_is_listed(home: Home) -> None:
    assert "No additions" in home.good("catalog", "additions").stderr
    write(home, FILE)
    added = home.json("catalog", "additions")
    assert [metric["name"] for metric in added["metrics"]] == ["minis_saves", "minis_users"]
    assert [dimension["name"] for dimension in added["dimensions"]] == ["minis_kind"]
    assert added["values"] == {"objective_type": {"MINIS": "TikTok Minis"}}


FIELDS = "title: N, description: D"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("metrics:\n  new: {FIELDS, type: int, reports: [basic]}", "line 2, metrics.new.summable: req"),
        ("metrics:\n  new: {FIELDS, type: rate, summable: yes, reports: [basic]}", "only money and int"),
        ("metrics:\n  new: {FIELDS, type: number, reports: [basic]}", "one of money, int"),
        ("metrics:\n  new: {FIELDS, type: int, summable: no, reports: [bsic]}", "some of basic"),
        ("metrics:\n  new: {FIELDS, type: int, summable: no}", "metrics.new.reports"),
        ("metrics:\n  spend: {FIELDS, type: money, summable: no, reports: [basic]}", "summable: true"),
        ("metrics:\n  spend: {FIELDS, type: int, summable: yes, reports: [basic]}", "type: money"),
        ("metrics:\n  age: {FIELDS, type: string, reports: [basic]}", "dimension of this name"),
        ("metrics:\n  currency_x: {}\n  stat_cost: {}", "older name of spend"),
        ("metrics:\n  store_id: {FIELDS, type: string, reports: [gmv_max]}", "column of this name"),
        ("metrics:\n  video_id: {FIELDS, type: string, reports: [creatives]}", "leave out creatives"),
        ("metrics:\n  hook_rate: {FIELDS, type: rate, summable: no, reports: [basic]}", "calculated"),
        ("metrics:\n  New-1: {FIELDS, type: string, reports: [basic]}", "not a name"),
        ("metrics:\n  a: {titel: N}\n", "line 2, metrics.a.titel: unknown"),
        ("metrics:\n  a: {}\n  a: {}\n", "line 3, metrics.a: duplicate key"),
        ("metric:\n  a: {}\n", "line 1, metric: unknown"),
        ("dimensions:\n  spend: {FIELDS, reports: [basic]}", "metric of this name"),
        ("dimensions:\n  new: {FIELDS, reports: [basic], times: [week]}", "some of none, day, hour"),
        ("values:\n  objectiv_type: {A: b}", "'objective_type'"),
        ("values:\n  operation_status: {ENABLE: Off}", "calls it Active"),
        ("metrics: [", "line 1"),
        ("- a", "write the keys metrics"),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_line_and_what_to_do(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(text.replace("FIELDS", FIELDS))
    with pytest.raises(InputError) as raised:
        read_additions(path)
    assert fault in str(raised.value)
    assert "Correct the file, or move it away" in str(raised.value)


def test_an_entry_that_a_release_brought_by_now_is_noted_and_has_no_effect(home: Home) -> None:
    write(
        home,
        """
        metrics:
          clicks: {title: Taps, description: Taps., type: int, summable: true, reports: [basic]}
        """,
    )
    result = home.good("catalog", "additions")
    assert "metrics.clicks is in the catalogue of this release by now; remove the entry." in result.stderr
    assert home.json("metrics", "clicks")[0]["title"] != "Taps"


def test_a_bad_file_stops_commands_pages_the_api_and_runs_until_it_is_corrected(site: Site) -> None:
    home = site.home
    asking, visit = program(site), site.visit("admin")
    home.good("datasets", "create", "-f", home.file())
    run = asking.good("POST", "/datasets/spend/runs", 202)
    write(home, "metrics:\n  new: {title: N, description: D, type: int, reports: [basic]}")
    fault = "line 2, metrics.new.summable"
    code, message = home.bad("datasets", "list")
    assert (code, fault in message) == (ExitCode.INPUT, True)
    assert fault in home.bad("metrics", "spend")[1]
    assert fault in asking.ask("GET", "/datasets").text
    answer = visit.get("/datasets")
    assert (answer.status_code, fault in words_of(answer.text)) == (422, True)
    assert fault not in site.visit().get("/login").text
    (ended,) = site.work()
    assert (ended.id, ended.state) == (run["run_id"], RunState.FAILED)
    assert fault in ended.error
    write(home, FILE)
    assert "Kind of mini (added here)" in visit.words("/datasets/new?report=performance&data_level=ad")
    asking.good("POST", "/datasets/spend/runs", 202)
    assert site.work()[0].state is RunState.VERIFIED


def test_a_dataset_says_which_entry_it_lacks_and_its_table_stays_readable(site: Site) -> None:
    home = site.home
    write(home, FILE)
    home.good("datasets", "create", "-f", home.file(metrics=METRICS))
    home.good("run", "spend", "--yes")
    (home.path / FILE_NAME).unlink()
    code, message = home.bad("run", "spend", "--yes")
    assert code == ExitCode.INPUT
    assert "'minis_saves' is not available" in message
    assert "If catalog.yaml of the home added it, put its entry back" in message
    assert home.rows("SELECT count(minis_saves) AS rows FROM spend")[0]["rows"] > 0
    visit = site.visit("admin")
    for tab in ("", "/data", "/charts", "/history", "/restatements", "/details"):
        answer = visit.get(f"/datasets/spend{tab}")
        assert answer.status_code in (200, 404, 422), (tab, answer.status_code)
    assert "minis_saves" in visit.words("/datasets/spend/data")


def test_another_type_of_an_added_metric_is_another_type_of_its_column(home: Home) -> None:
    write(home, FILE)
    home.good("datasets", "create", "-f", home.file(metrics=METRICS))
    home.good("run", "spend", "--yes")
    before = home.rows("SELECT sum(minis_saves) AS saves FROM spend")[0]["saves"]
    write(home, FILE.replace("type: int\n    summable: true", "type: money\n    summable: true"))
    home.good("run", "spend", "--yes")
    after = home.rows("SELECT sum(minis_saves) AS saves, typeof(any_value(minis_saves)) AS type FROM spend")[0]
    assert after["type"].startswith("DECIMAL")
    assert float(after["saves"]) != 0
    assert before


def test_a_backup_carries_the_file_and_a_restore_keeps_another_one(home: Home, tmp_path: Path) -> None:
    write(home, FILE)
    home.good("backup", str(tmp_path / "a.tar"))
    for name, own in (("empty", None), ("other", "metrics: {}\n")):
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        if own is not None:
            (folder / FILE_NAME).write_text(own)
        restored = Home(folder, home.config, home.world)
        messages = restored.good("restore-backup", str(tmp_path / "a.tar")).stderr
        assert ("exists already and was kept" in messages) == (own is not None)
        assert (folder / FILE_NAME).read_text() == (own or textwrap.dedent(FILE))
