"""What a person keeps of a table: columns in their order, saved views, rows on the clipboard."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from adreel.store import Level, Role
from adreel.web.pages.data import Look
from api_home import program
from home import Home
from web_home import Site, Visit, open_site, words_of

DATA = "/datasets/spend/data"


@pytest.fixture
def ran(home: Home) -> Iterator[Site]:
    """A dataset that ran once, with names."""
    home.good("run", "-f", home.file(metrics=["ad_name", "campaign_name", "spend", "clicks"]))
    with open_site(home) as site:
        yield site


@pytest.mark.slow
def test_headings_say_the_unit_and_the_first_cell_is_that_of_its_row(ran: Site) -> None:
    visit = ran.visit("admin")
    page = visit.good(DATA, show=["ad_name", "spend"])
    heading = ' title="spend">Cost</a><div class="column-unit">{}</div>'
    assert heading.format("in the ad account&#39;s currency") in page
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert body.count('<th scope="row"') == body.count("<tr>") > 1
    (account,) = ran.home.rows("SELECT advertiser_id, currency FROM spend LIMIT 1")
    ran.home.good("run", "-f", ran.home.file("one.yaml", name="One", advertisers=[account["advertiser_id"]]))
    assert heading.format(account["currency"]) in visit.good("/datasets/one/data")


def columns(visit: Visit, **query: str | list[str]) -> list[str]:
    """The columns of the table, in their order."""
    page = visit.good(DATA, **query)
    head = page[page.index("<thead>") : page.index("</thead>")]
    return re.findall(r'data-column="(\w+)"', head)


def test_days_and_names_come_before_figures_and_ids_last(ran: Site) -> None:
    assert columns(ran.visit("admin")) == [
        "stat_time_day", "ad_name", "campaign_name", "spend", "clicks", "currency", "timezone", "advertiser_id",
        "ad_id",
    ]  # fmt: skip


def test_chosen_columns_keep_their_order_for_this_person_and_table_and_are_in_exports(ran: Site) -> None:
    visit, other = ran.visit("admin"), ran.visit(ran.user("ada", Role.ADMIN))
    before = columns(other)
    where = "where=spend%3A%3E%3D%3A20&size=100&page=2"
    location = visit.sent(f"{DATA}/columns", {"show": ["spend", "ad_name", "nothing"], "query": where})
    assert location == f"{DATA}?where=spend%3A%3E%3D%3A20&size=100"
    assert columns(visit) == ["spend", "ad_name"]
    assert visit.get("/datasets/spend/export").text.splitlines()[0] == '\ufeff"spend","ad_name"'
    assert columns(visit, show=["clicks", "spend"]) == ["clicks", "spend"]
    assert columns(other) == before
    visit.sent(f"{DATA}/columns", {"show": ["spend"], "reset": "yes", "query": ""})
    assert columns(visit) == before
    assert "Reset" not in visit.good(DATA)


def test_figures_are_first_sorted_from_the_greatest_and_texts_from_the_least() -> None:
    look = Look("spend")
    assert look.by("spend", numeric=True).endswith("sort=-spend")
    assert look.by("ad_name").endswith("sort=ad_name")


def test_a_view_is_kept_under_a_name_and_shared_with_those_who_see_the_dataset(ran: Site) -> None:
    account = ran.store.accounts.get("demo")
    viewer, stranger = ran.user("vera", Role.VIEWER), ran.user("sam", Role.EDITOR)
    ran.store.shares.set(account, viewer, Level.READ)
    visit, theirs = ran.visit("admin"), ran.visit(viewer)
    query = "where=spend%3A%3E%3D%3A20&sort=-spend&show=spend&show=ad_name"
    address = visit.sent("/datasets/spend/views", {"name": "Large", "query": query})
    assert columns(visit) != ["spend", "ad_name"]
    page = visit.good(address)
    assert re.search(r'<a href="[^"]*" aria-current="true">Large</a>', page)
    assert "Cost is at least 20" in words_of(page)
    assert theirs.get("/datasets/spend/views/1").status_code == 404
    assert "Large" not in theirs.good(DATA)
    visit.sent("/datasets/spend/views/1", {"name": "Large ads", "shared": "yes"})
    assert html.escape(address) in theirs.good(DATA)
    assert str(theirs.get("/datasets/spend/views/1").url).endswith(address)
    assert "Shared by admin" in theirs.good("/datasets/spend/views")
    assert theirs.post("/datasets/spend/views/1", {"name": "Mine"}).status_code == 303
    assert theirs.post("/datasets/spend/views/1/delete").status_code == 404
    assert theirs.post("/datasets/spend/views", {"name": "x", "shared": "yes"}).status_code == 403
    assert ran.visit(stranger).get("/datasets/spend/views/1").status_code == 404
    assert "already have a saved view named 'Large ads'" in words_of(
        visit.good(visit.sent("/datasets/spend/views", {"name": "Large ads"}))
    )
    visit.sent("/datasets/spend/views/1/delete")
    assert "Large ads" not in theirs.good(DATA)


def test_programs_keep_the_same_views(ran: Site) -> None:
    asking = program(ran)
    body = {"name": "Clicks", "columns": ["clicks"], "filter": ["clicks:gt:3", "ad_name:notnull"], "sort": ["-clicks"]}
    view = asking.good("POST", "/datasets/spend/views", 201, json=body)
    assert {name: view[name] for name in body} == body
    assert asking.bad("POST", "/datasets/spend/views", 409, json=body)["kind"] == "ExistsError"
    assert ">Clicks</a>" in ran.visit("admin").good(DATA)
    changed = asking.good(
        "PATCH", f"/datasets/spend/views/{view['id']}", json={"shared": True, "look": {"columns": []}}
    )
    assert (changed["shared"], changed["columns"], changed["filter"]) == (True, [], [])
    assert asking.bad("POST", "/datasets/spend/views", 422, json=body | {"name": "y", "columns": ["nothing"]})
    assert program(ran, read_only=True).bad("POST", "/datasets/spend/views", 403, json=body | {"name": "z"})
    asking.good("DELETE", f"/datasets/spend/views/{view['id']}", 204)
    assert asking.get("/datasets/spend/views")["total"] == 0


def test_copied_rows_are_those_of_all_pages_with_a_heading_and_without_formulas(ran: Site) -> None:
    visit = ran.visit("admin")
    answer = visit.get(f"{DATA}/copy", where="spend:>=:1", sort="-spend", show=["ad_id", "spend", "stat_time_day"])
    lines = [line.split("\t") for line in answer.text.splitlines()]
    assert lines[0] == ["Ad ID", "Cost", "Day"]
    assert answer.headers["x-rows"] == answer.headers["x-total-rows"] == str(len(lines) - 1)
    assert len(lines) > 60
    figures = [float(spend) for _, spend, _ in lines[1:]]
    assert figures == sorted(figures, reverse=True)
    assert all(re.fullmatch(r"'\d{16,}", ad) for ad, _, _ in lines[1:])
    assert visit.get(f"{DATA}/copy", where="spend").status_code == 422


def test_more_rows_than_are_copied_are_told(ran: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adreel.web.pages.data.MOST_COPIED", 20)
    monkeypatch.setattr("adreel.web.pages.data.COPY_PAGE", 10)
    answer = ran.visit("admin").get(f"{DATA}/copy")
    assert answer.headers["x-rows"] == "20"
    assert int(answer.headers["x-total-rows"]) > 20
    assert len(answer.text.splitlines()) == 21
