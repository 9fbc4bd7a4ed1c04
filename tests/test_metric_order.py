"""The order of metrics: moved in the form, kept in files, seen wherever a table is read, and asked of nobody anew."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adreel import catalog
from adreel.advertisers import Advertiser
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.schema import columns
from adreel.datasets.stored import asks_the_same, spec_of
from adreel.datasets.validation import parse
from adreel.lake import Lake
from adreel.pipeline.checkpoints import fingerprint
from adreel.pipeline.plan import make_plan
from adreel.web.forms.buttons import WAYS, TakenOut, moved
from api_home import program
from form_page import Pairs, sent
from home import SPEND, Home
from test_web_details import begun, data, form, settings_of
from web_home import Site, Visit, open_site

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GROUPING = menus.ReportGrouping("BASIC", "ad", "day", (), "ad_id")
OF_ADS = [name for name, metric in catalog.metrics().items() if menus.metric_refusal(metric, GROUPING) is None][:150]
METRICS = ["spend", "impressions", "clicks"]
OTHER = ["clicks", "spend", "impressions"]


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    home.good("run", "-f", home.file(metrics=METRICS, calculated_metrics=["cpa"], update={"method": "upsert"}))
    with open_site(home) as opened:
        yield opened


def metrics_of(page: str | Pairs) -> list[str]:
    """The metrics that a form would send, in their order."""
    return [value for name, value in (sent(page) if isinstance(page, str) else page) if name == "metrics"]


def pressed(visit: Visit, page: str, button: str) -> str:
    """The form after one of its buttons."""
    return form(visit, [*sent(page), ("do", button)])


def figures(names: list[str]) -> list[str]:
    """The names that are metrics of these tests."""
    return [name for name in names if name in (*METRICS, "conversion", "cpa")]


def test_the_order_of_the_dataset_is_that_of_its_columns_wherever_they_are_read(site: Site) -> None:
    home, visit, api = site.home, site.visit("admin"), program(site)
    dataset = site.store.datasets.get("spend")
    asked, files = len(home.requests("")), sorted((home.path / "lake").rglob("*"))
    pairs = settings_of(visit, dataset, metrics=OTHER)
    assert visit.sent("/datasets/spend/settings", data(pairs)) == "/datasets/spend"
    assert len(home.requests("")) == asked
    assert sorted((home.path / "lake").rglob("*")) == files
    wanted = [*OTHER, "conversion", "cpa"]
    assert yaml.safe_load(home.good("datasets", "show", "spend").stdout)["metrics"] == OTHER
    assert figures([column["name"] for column in api.get("/datasets/spend/schema")["columns"]]) == wanted
    assert figures(list(api.get("/datasets/spend/rows")["items"][0])) == wanted
    exported = api.ask("GET", "/datasets/spend/export", params={"format": "csv"}).text
    assert figures(next(csv.reader(io.StringIO(exported)))) == wanted
    statistics = api.get("/datasets/spend/statistics")["columns"]
    assert figures([column["name"] for column in statistics]) == wanted
    target = home.path / "out.csv"
    home.good("export", "spend", "-o", str(target))
    assert figures(next(csv.reader(target.read_text().splitlines()))) == wanted
    assert figures(list(home.rows("select * from spend")[0])) == wanted
    answer = api.good("POST", "/query", json={"sql": "select * from spend"})
    assert figures(list(answer["items"][0])) == wanted
    heads = re.findall(r'data-column="(\w+)"', visit.good("/datasets/spend/data"))
    assert figures(heads) == wanted
    # Cells of spreadsheets do not move.
    body = {"name": "Sheet", "days": None}
    link = api.good("POST", "/datasets/spend/links", 201, json=body)["address"].removeprefix("http://localhost:8765")
    assert figures(next(csv.reader(io.StringIO(site.visit().get(link).text)))) == [*METRICS, "conversion", "cpa"]
    # The files keep the order in which the columns came, and the next run that of each file.
    home.good("run", "spend")
    stored = figures(Lake(home.path / "lake").table("spend").schema.names)
    assert stored == [*METRICS, "conversion"]
    rows = api.get("/datasets/spend/rows", limit=500)["items"]
    assert {row["ad_id"] for row in rows}
    assert figures(list(rows[0])) == wanted


@given(names=st.permutations(OF_ADS), most=st.sampled_from([3, 120, 150]))
def test_another_order_asks_tiktok_the_same_and_a_run_goes_on_with_it(names: list[str], most: int) -> None:
    first, second = (dataset_with([name for name in order if name in OF_ADS[:most]]) for order in (OF_ADS, names))
    assert asks_the_same(spec_of(first.source), spec_of(second.source))
    plans = [make_plan(dataset, [Advertiser("1", "A", "USD", NOW - NOW)], NOW) for dataset in (first, second)]
    assert fingerprint(plans[0]) == fingerprint(plans[1])
    assert {column.name for column in columns(first)} == {column.name for column in columns(second)}


def dataset_with(metrics: list[str]) -> Dataset:
    return parse(Source(SPEND | {"metrics": metrics}, {}), NOW)


def test_other_metrics_ask_something_else() -> None:
    first, second = dataset_with(OF_ADS[:3]), dataset_with(OF_ADS[:4])
    assert not asks_the_same(spec_of(first.source), spec_of(second.source))


# -- the form


def test_a_metric_is_moved_by_buttons_and_the_columns_follow(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, metrics=METRICS)
    for button, order in (
        ("move metrics clicks up", ["spend", "clicks", "impressions"]),
        ("move metrics clicks first", ["clicks", "spend", "impressions"]),
        ("move metrics clicks down", ["spend", "clicks", "impressions"]),
        ("move metrics spend last", ["clicks", "impressions", "spend"]),
        ("move metrics spend down", ["clicks", "impressions", "spend"]),
        ("move metrics nothing up", ["clicks", "impressions", "spend"]),
        ("move metrics clicks sideways", ["clicks", "impressions", "spend"]),
    ):
        page = pressed(visit, page, button)
        assert metrics_of(page) == order, button
        assert figures(re.findall(r'<th scope="row"><code>(\w+)', page)) == order, button


def test_what_was_removed_is_put_back_at_its_place(site: Site) -> None:
    visit = site.visit("admin")
    page = pressed(visit, begun(visit, metrics=METRICS), "remove metrics impressions")
    assert metrics_of(page) == ["spend", "clicks"]
    assert "Removed Impressions." in page
    # Other changes go on in between.
    page = form(visit, [*sent(page), ("description", "New")])
    page = pressed(visit, page, "restore metrics")
    assert metrics_of(page) == METRICS
    assert "Undo" not in page
    page = pressed(visit, pressed(visit, page, "empty metrics"), "restore metrics")
    assert metrics_of(page) == METRICS


@given(
    values=st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True),
    place=st.integers(0, 7),
    way=st.sampled_from([*WAYS, "away"]),
    gone=st.sets(st.sampled_from("abcdefgh")),
)
def test_moving_loses_nothing_and_taking_out_can_be_undone(
    values: list[str], place: int, way: str, gone: set[str]
) -> None:
    place %= len(values)
    after = moved(values, place, way)
    assert sorted(after) == sorted(values)
    assert [value for value in after if value != values[place]] == [v for v in values if v != values[place]]
    left = [value for value in values if value not in gone]
    taken = TakenOut.of(TakenOut.between(values, left).text)
    assert taken.restored(left) == values


@pytest.mark.parametrize("text", ["x", "1", ":spend", "-1:spend", "9999999:spend", "²:spend"])
def test_what_the_form_never_wrote_puts_nothing_back(text: str) -> None:
    assert TakenOut.of(text).restored(["clicks"]) == ["clicks"]


def test_the_order_is_kept_by_drafts_copies_and_presets(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, metrics=METRICS, name="Ordered")
    page = pressed(visit, page, "move metrics clicks first")
    # A draft has what the button did, though nothing else was changed after it.
    (link,) = re.findall(r'href="([^"]*\?draft=[^"]+)"', visit.good("/home"))
    assert metrics_of(visit.good(link)) == OTHER
    program(site).good("POST", "/metric-presets", 201, json={"name": "Mine", "metrics": OTHER})
    preset = site.store.presets.visible(None)[0]
    page = pressed(visit, pressed(visit, page, "empty metrics"), f"add-set metrics saved-{preset.id}")
    assert metrics_of(page) == OTHER
    assert visit.sent("/datasets/new", data([*sent(page), ("then", "open")])) == "/datasets/ordered"
    assert json.loads(site.store.datasets.get("ordered").spec)["metrics"] == OTHER
    assert metrics_of(visit.good("/datasets/new?like=ordered")) == OTHER
