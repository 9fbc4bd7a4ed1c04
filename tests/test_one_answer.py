"""An action on a dataset has one outcome, or one refusal, on a page, over the API and on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adreel.access import Actor, Guard
from adreel.datasets.files import read_all
from adreel.datasets.imports import arrivals, bring
from adreel.datasets.stored import source_of
from adreel.errors import ExistsError
from adreel.store import Level, Role
from api_home import Program, program
from home import SPEND, Home, make_home
from web_home import Site, Visit, open_site, words_of

DEPRECATED: dict[str, Any] = {
    "name": "Older",
    "account": "demo",
    "report": "ad_performance",
    "time_granularity": "daily",
    "metrics": ["spend"],
    "dates": {"start": "today-3", "end": "yesterday"},
}
WHOLE: dict[str, Any] = SPEND | {
    "update": {"method": "replace"},
    "advertisers": "all",
    "service_type": "auction",
    "report_type": "basic",
    "id_dimension": "ad_id",
    "reading": "automatic",
    "dates": {"period": "last_30_days"},
}
"""With everything that the form says, too."""
EDGES = ("page", "api", "cli")
OTHER_KEY = {"data_level": "campaign", "metrics": ["spend"]}


@dataclass
class Edge:
    """One way in, as one user. Each action returns what a person reads of it."""

    site: Site
    user: str

    @property
    def visit(self) -> Visit:
        return self.site.visit(self.user)

    @property
    def program(self) -> Program:
        return program(self.site, self.user)

    def cli(self, *words: str) -> str:
        home = self.site.home
        home.environ["ADREEL_USER"] = self.user
        result = home.adreel(*words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return " ".join(result.stderr.split())

    def file(self, values: Any) -> str:
        path = self.site.home.path / "file.yaml"
        path.write_text(json.dumps(values))
        return str(path)

    def page(self, path: str, data: dict[str, Any] | None = None) -> str:
        visit = self.visit
        answer = visit.post(path, data)
        text = answer.text
        if answer.status_code == 303:
            text = visit.get(answer.headers["location"]).text
        return words_of(text)

    def api(self, method: str, path: str, **more: Any) -> str:
        answer = self.program.ask(method, path, **more)
        if not answer.is_error:
            return ""
        error = answer.json()["error"]
        return " ".join((str(error["message"]), *(problem["reason"] for problem in error["problems"])))


def fields(values: dict[str, Any]) -> dict[str, Any]:
    """A file's values as a form's fields."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{part}": text for part, text in value.items()}
        else:
            flat[name] = value
    return flat


def created(edge: Edge, way: str, values: dict[str, Any]) -> str:
    if way == "page":
        return edge.page("/datasets/new", fields(values))
    if way == "api":
        return edge.api("POST", "/datasets", json=values)
    return edge.cli("datasets", "create", "-f", edge.file(values))


def changed(edge: Edge, way: str, values: dict[str, Any]) -> str:
    if way == "page":
        version = str(edge.site.store.datasets.get("spend").spec_version)
        return edge.page("/datasets/spend/settings", fields(values) | {"slug": "spend", "spec_version": version})
    if way == "api":
        return edge.api("PUT", "/datasets/spend", json=values)
    return edge.cli("datasets", "edit", "spend", "-f", edge.file(values))


def imported(edge: Edge, way: str, values: Any) -> str:
    if way == "page":
        return edge.page("/datasets/import", {"text": json.dumps(values)})
    if way == "api":
        return edge.api("POST", "/datasets/import", json=values)
    return edge.cli("datasets", "import", edge.file(values))


def deleted(edge: Edge, way: str, _: Any) -> str:
    if way == "page":
        return edge.page("/datasets/spend/delete", {"tables": "delete"})
    if way == "api":
        return edge.api("DELETE", "/datasets/spend")
    return edge.cli("datasets", "delete", "spend", "--yes")


def converted(edge: Edge, way: str, slug: str) -> str:
    if way == "page":
        return edge.page(f"/datasets/{slug}/convert")
    if way == "api":
        return edge.api("POST", f"/datasets/{slug}/convert")
    return edge.cli("datasets", "convert", slug)


def ran(edge: Edge, way: str, _: Any) -> str:
    if way == "page":
        return edge.page("/datasets/spend/run")
    if way == "api":
        return edge.api("POST", "/datasets/spend/runs")
    return edge.cli("run", "spend")


def restored(edge: Edge, way: str, _: Any) -> str:
    if way == "page":
        return edge.page("/datasets/spend/versions/0/restore")
    if way == "api":
        return edge.api("POST", "/datasets/spend/versions/0/restore")
    return edge.cli("restore", "spend", "0", "--yes")


def shared(edge: Edge, way: str, _: Any) -> str:
    if way == "page":
        account = edge.site.store.accounts.get("demo")
        bob = edge.site.store.users.get("bob")
        return edge.page(f"/accounts/{account.id}/share", {"user": str(bob.id), "level": "owner"})
    if way == "api":
        account = edge.site.store.accounts.get("demo")
        bob = edge.site.store.users.get("bob")
        return edge.api("PUT", f"/accounts/{account.id}/shares/{bob.id}", json={"level": "owner"})
    return edge.cli("accounts", "share", "demo", "bob", "owner")


Action = Callable[[Edge, str, Any], str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, connected_home: Path) -> Path:
    """A home with a dataset, a deprecated one, and the viewer bob, from which each edge has its copy."""
    path = tmp_path_factory.mktemp("prepared") / "home"
    shutil.copytree(connected_home, path)
    home = make_home(path)
    with open_site(home) as site:
        asking = program(site)
        asking.good("POST", "/datasets", 201, json=SPEND)
        asking.good("PATCH", "/datasets/spend", json={"name": "Renamed"})
        asking.good("POST", "/datasets/import", json=DEPRECATED)
        bob = site.user("bob", Role.VIEWER)
        site.store.shares.set(site.store.accounts.get("demo"), bob, Level.READ)
    return path


@contextmanager
def edge_of(prepared: Path, path: Path, user: str) -> Iterator[Edge]:
    shutil.copytree(prepared, path)
    with open_site(make_home(path)) as site:
        yield Edge(site, user)


def content(site: Site) -> list[dict[str, Any]]:
    return [asdict(dataset) for dataset in site.store.datasets.list()]


@pytest.mark.parametrize(
    ("user", "action", "given", "sentence"),
    [
        (
            "bob",
            created,
            SPEND | {"name": "New"},
            "Only administrators and editors can create datasets. bob is a viewer.",
        ),
        ("bob", imported, [SPEND | {"name": "New"}], "Only administrators and editors can import datasets."),
        (
            "bob",
            changed,
            SPEND | {"metrics": ["spend"]},
            "Only administrators and editors can edit datasets. bob is a viewer.",
        ),
        ("bob", deleted, None, "Only administrators and editors can delete datasets. bob is a viewer."),
        ("bob", converted, "older", "Only administrators and editors can edit datasets. bob is a viewer."),
        ("bob", ran, None, "Only administrators and editors can run datasets. bob is a viewer."),
        ("bob", restored, None, "Only administrators and editors can restore versions of datasets. bob is a viewer."),
        ("bob", shared, None, "Only administrators and editors can share accounts. bob is a viewer."),
        ("admin", restored, None, "'Renamed' has no table yet; run it first."),
        ("admin", created, SPEND | {"name": "Renamed"}, "here is a dataset 'Renamed' already; choose another name."),
        ("admin", created, SPEND | {"name": "spend"}, "'spend' is already the address of another dataset"),
        ("admin", changed, SPEND | {"name": "Older"}, "here is a dataset 'Older' already; choose another name."),
        ("admin", changed, SPEND | OTHER_KEY, "This change alters the primary key of 'Renamed' from"),
        ("admin", created, DEPRECATED | {"name": "New"}, "ad_performance is deprecated and not available"),
        ("admin", changed, DEPRECATED | {"name": "Renamed"}, "ad_performance is deprecated and not available"),
        ("admin", imported, [SPEND | {"name": "spend"}], "'spend' is already the address of another dataset"),
        ("admin", imported, [SPEND | {"name": "Renamed", "metrics": ["clicks"]}], "another dataset is named 'Renamed'"),
        ("admin", converted, "spend", "needs no conversion: its report is already performance."),
    ],
)
def test_a_refusal_has_the_same_words_everywhere_and_changes_nothing(
    prepared: Path, tmp_path: Path, user: str, action: Action, given: Any, sentence: str
) -> None:
    for way in EDGES:
        with edge_of(prepared, tmp_path / way, user) as edge:
            before = content(edge.site)
            answer = action(edge, way, given)
            assert sentence in answer, (way, answer[-1500:])
            assert content(edge.site) == before, way
            assert edge.site.store.runs.list() == (), way


@pytest.mark.parametrize(
    ("action", "given"),
    [
        (created, WHOLE | {"name": "New", "tags": ["daily"]}),
        (changed, WHOLE | {"name": "Newer", "metrics": ["clicks"]}),
        (imported, [SPEND | {"name": "A"}, DEPRECATED | {"name": "B"}]),
        (converted, "older"),
        (deleted, None),
    ],
)
def test_an_action_saves_the_same_everywhere(prepared: Path, tmp_path: Path, action: Action, given: Any) -> None:
    saved: list[Any] = []
    for way in EDGES:
        with edge_of(prepared, tmp_path / way, "admin") as edge:
            before = content(edge.site)
            action(edge, way, given)
            after = content(edge.site)
            assert after != before, way
            saved.append([dataset | {"spec": json.loads(dataset["spec"])} for dataset in after])
    assert saved[0] == saved[1] == saved[2]


def test_a_switch_has_its_key_in_a_file_and_its_title_on_a_page(prepared: Path, tmp_path: Path) -> None:
    for way, words in (
        ("page", "turn on Reset schema with the update method replace."),
        ("api", "set reset_schema: true with the update method replace."),
        ("cli", "set reset_schema: true with the update method replace."),
    ):
        with edge_of(prepared, tmp_path / way, "admin") as edge:
            assert words in changed(edge, way, SPEND | OTHER_KEY), way


def future_answers(edge: Edge) -> dict[str, str]:
    """What each way says of the days of the dataset `spend`, before and when it runs."""
    file = edge.file(source_of(edge.site.store.datasets.get("spend")).values)
    answers = {
        "validate": edge.cli("validate", "spend"),
        "plan": edge.cli("plan", "spend"),
        "page": edge.visit.words("/datasets/spend/next"),
        "form": edge.visit.words("/datasets/spend/settings"),
        "api validate": edge.program.ask("POST", "/datasets/validate", json=json.loads(Path(file).read_text())).text,
        "api plan": edge.program.ask("GET", "/datasets/spend/plan").text,
        "run": edge.cli("run", "spend"),
    }
    return {way: " ".join(answer.split()) for way, answer in answers.items()}


def test_days_that_have_not_begun_in_some_ad_accounts_are_noted_and_in_all_are_refused(site: Site) -> None:
    home, edge = site.home, Edge(site, "admin")
    dates = {"start": "2026-11-20", "end": "2026-11-23"}
    home.good("datasets", "create", "-f", home.file(dates=dates))
    home.good("accounts", "advertisers", "demo")
    for way, answer in future_answers(edge).items():
        fault = "2026-11-23 is in the future in every selected ad account; the last day available is today, 2026-11-22."
        assert fault in answer, (way, answer[-1500:])
    assert "no table yet" in edge.cli("versions", "spend")
    days = {"start": dates["end"], "end": dates["end"]}
    for answer in (
        edge.visit.get(f"/datasets/spend/backfill?{urlencode(days)}").text,
        edge.visit.post("/datasets/spend/run", days).text,
        edge.program.ask("POST", "/datasets/spend/runs", json=days).text,
        edge.cli("run", "spend", "--start", days["start"], "--end", days["end"]),
    ):
        assert fault in " ".join(answer.split()), answer[-1500:]
    assert site.store.runs.list() == (), "what is refused is no failed run"
    # An hour later, the day has begun at the easternmost ad account.
    home.now = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    home.good("accounts", "advertisers", "demo")
    for way, answer in future_answers(edge).items():
        note = "2026-11-23 is in the future for 2 of 3 ad accounts: their last day is 2026-11-22."
        assert note in answer, (way, answer[-1500:])


def test_an_import_whose_third_dataset_was_taken_meanwhile_saves_none(site: Site, home: Home) -> None:
    files = [SPEND | {"name": name} for name in ("A", "B", "C", "D", "E")]
    guard = Guard(site.store, Actor(None))
    checked = arrivals(site.store, guard, read_all(json.dumps(files)), home.now)
    home.good("datasets", "create", "-f", home.file(name="C"))
    with pytest.raises(ExistsError, match=r"Nothing was imported\. There is a dataset 'C' already"):
        bring(guard, checked)
    assert [dataset.name for dataset in site.store.datasets.list()] == ["C"]


def equal_where_named_alike(own: Any, of_api: Any, only_here: frozenset[str], place: str) -> None:
    """Checks that each key of the command line's object is one of the API's, except `only_here`, with its value."""
    if isinstance(own, list) and isinstance(of_api, list):
        assert len(own) == len(of_api), place
        for number, (item, other) in enumerate(zip(own, of_api, strict=True)):
            equal_where_named_alike(item, other, only_here, f"{place}[{number}]")
    elif isinstance(own, dict) and isinstance(of_api, dict):
        assert own.keys() - of_api.keys() <= only_here, place
        for key in own.keys() & of_api.keys():
            equal_where_named_alike(own[key], of_api[key], only_here, f"{place}.{key}")
    else:
        assert own == of_api, place


@pytest.mark.parametrize(
    ("words", "path", "only_here"),
    [
        ("accounts list", "/accounts", {"advertiser_count"}),
        ("accounts advertisers demo", "/accounts/1/advertisers", set()),
        ("accounts shares demo", "/accounts/1/shares", {"role"}),
        ("users list", "/users", set()),
        ("datasets list", "/datasets", {"state", "warnings"}),
        ("metrics", "/metrics", {"doubtful", "id_and_day_only"}),
        ("dimensions", "/dimensions", {"doubtful"}),
        ("reports performance", "/reports/performance", set()),
    ],
)
def test_the_command_line_has_the_keys_and_values_of_the_api(
    prepared: Path, tmp_path: Path, words: str, path: str, only_here: set[str]
) -> None:
    with edge_of(prepared, tmp_path / "home", "admin") as edge:
        own = edge.site.home.json(*words.split())
        answer = edge.program.get(path)
    items = answer.get("items", answer)
    assert own
    if words in ("metrics", "dimensions"):
        own = own[: len(items)]
    equal_where_named_alike(own, items, frozenset(only_here), words)
