"""Saved queries, the history of a person's queries, and errors of SQL at their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adreel.lake.sql_errors import SqlPlace, excerpt_of, plain_words, query_error, token_length
from adreel.store import Level, Role
from adreel.store.queries import MOST_PAST
from api_home import program
from home import make_home
from web_home import PASSWORD, Site, Visit, open_site, words_of


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The Data Center over a home in which a dataset has run, with people who may see it, and nils who may not."""
    home = make_home(tmp_path_factory.mktemp("saved") / "home", advertisers=1, ads=2)
    home.add_account()
    home.good("run", "-f", home.file())
    with open_site(home) as site:
        people = [site.user("eddy"), site.user("vera", Role.VIEWER), site.user("hist"), site.user("gone")]
        site.user("nils")
        for user in people:
            site.store.shares.set(site.store.accounts.get("demo"), user, Level.READ)
        yield site


def saved(visit: Visit, name: str, sql: str = "select 1", **form: str) -> str:
    location = visit.sent("/query/saved", {"name": name, "sql": sql, "act": "new", **form})
    match = re.fullmatch(r"/query\?saved=(\d+)", location)
    assert match, location
    return match[1]


def test_a_query_is_saved_opened_changed_renamed_and_deleted(ran: Site) -> None:
    visit = ran.visit("admin")
    key = saved(visit, "Spend by day", "select 1\r\n-- first")
    page = visit.good("/query", saved=key)
    assert "select 1\n-- first</textarea>" in page
    assert "Saved query Spend by day." in words_of(page)
    visit.sent("/query/saved", {"saved": key, "sql": "select 2", "act": "replace"})
    assert "select 2</textarea>" in visit.good("/query", saved=key)
    visit.sent(f"/query/saved/{key}", {"name": "Cost by day"})
    assert "Cost by day" in visit.words("/query")
    twice = visit.post("/query/saved", {"name": "Cost by day", "sql": "select 3", "act": "new"})
    assert twice.status_code == 409
    assert "already exists" in words_of(twice.text)
    assert "select 3</textarea>" in twice.text, "what was typed is not lost"
    assert "Delete Cost by day? This cannot be undone." in visit.words(f"/query/saved/{key}")
    visit.sent(f"/query/saved/{key}/delete")
    assert "Deleted query Cost by day." in visit.words("/query")
    assert "Cost by day" not in visit.words("/query")
    assert visit.get("/query", saved=key).status_code == 404


def test_a_private_query_is_seen_by_its_owner_alone_and_a_shared_one_by_all(ran: Site) -> None:
    admin, eddy, vera = (ran.visit(name) for name in ("admin", "eddy", "vera"))
    private = saved(eddy, "Eddy's own")
    shared = saved(eddy, "For everyone", shared="yes")
    for other in (admin, vera):
        page = other.words("/query")
        assert "Eddy's own" not in page
        assert "For everyone by eddy" in page
        assert other.get("/query", saved=private).status_code == 404
        assert other.post(f"/query/saved/{private}/delete").status_code == 404
    # Neither a viewer nor another editor changes it; an administrator does.
    assert vera.post(f"/query/saved/{shared}", {"name": "Mine now"}).status_code == 403
    assert vera.post("/query/saved", {"name": "x", "sql": "select 1", "act": "new", "shared": "yes"}).status_code == 403
    saved(vera, "Vera's own")
    assert admin.sent(f"/query/saved/{shared}", {"name": "Renamed", "shared": "no"}) == "/query", (
        "it is eddy's alone now"
    )
    assert "Saved query Renamed." in admin.words("/query")
    assert "Renamed" in eddy.words("/query")
    assert "Renamed" not in admin.words("/query")


def test_a_shared_query_shows_nobody_more_than_they_may_see(ran: Site) -> None:
    key = saved(ran.visit("admin"), "All spend", "select * from spend", shared="yes")
    nils = ran.visit("nils")
    assert nils.get("/query", saved=key).status_code == 200
    refused = nils.fragment("POST", "/query", {"sql": "select * from spend"})
    assert refused.status_code == 422
    assert "table spend was not found" in words_of(refused.text).lower()


def test_deleting_a_user_keeps_what_they_shared_and_nothing_else(ran: Site) -> None:
    user = ran.store.users.get("gone")
    visit = ran.visit("gone")
    saved(visit, "Gone's own")
    shared = saved(visit, "Gone's gift", shared="yes")
    visit.fragment("POST", "/query", {"sql": "select 7"})
    ran.store.users.delete(user)
    admin = ran.visit("admin")
    assert "Gone's gift by a deleted user" in admin.words("/query")
    names = {query.name for query in ran.store.saved_queries.list(ran.store.users.get("admin"))}
    assert "Gone's own" not in names
    unowned = admin.post(f"/query/saved/{shared}", {"name": "Gone's gift", "shared": "no"})
    assert unowned.status_code == 422, "nobody would see it"
    admin.sent(f"/query/saved/{shared}/delete")


def test_the_api_has_the_same_saved_queries(ran: Site) -> None:
    asking, reading = program(ran, "eddy"), program(ran, "eddy", read_only=True)
    body = {"name": "By program", "sql": "select 1", "shared": True}
    created = asking.ask("POST", "/saved-queries", json=body)
    assert created.status_code == 201
    key = created.json()["id"]
    assert created.headers["location"].endswith(f"/saved-queries/{key}")
    assert "By program by eddy" in ran.visit("admin").words("/query")
    changed = asking.good("PATCH", f"/saved-queries/{key}", json={"sql": "select 2"})
    assert (changed["sql"], changed["shared"], changed["owner"]) == ("select 2", True, "eddy")
    assert reading.get(f"/saved-queries/{key}") == changed
    assert key in {item["id"] for item in reading.get("/saved-queries")["items"]}
    reading.bad("POST", "/saved-queries", 403, json=body)
    reading.bad("DELETE", f"/saved-queries/{key}", 403)
    program(ran, "vera").bad("PATCH", f"/saved-queries/{key}", 403, json={"name": "x"})
    asking.good("DELETE", f"/saved-queries/{key}", 204)
    asking.bad("GET", f"/saved-queries/{key}", 404)


def test_the_history_has_the_last_queries_of_the_person_alone(ran: Site) -> None:
    user = ran.store.users.get("hist")
    visit = ran.visit("hist")
    visit.fragment("POST", "/query", {"sql": "select * from range(5000)"})
    visit.fragment("POST", "/query", {"sql": "selec 1"})
    ran.home.now += timedelta(minutes=2)
    part = words_of(visit.fragment("GET", "/query/history").text)
    assert "selec 1 2 minutes ago, failed" in part
    assert "select * from range(5000) 2 minutes ago, 1,000+ rows in" in part
    assert "range(5000)" not in words_of(ran.visit("admin").fragment("GET", "/query/history").text)
    newest = ran.store.query_history.list(user)[0]
    assert "selec 1</textarea>" in visit.good("/query", past=str(newest.id))
    other = ran.visit("eddy").fragment("POST", "/query/history/delete", {"past": str(newest.id)})
    assert other.status_code == 200
    assert ran.store.query_history.list(user)[0] == newest, "nobody removes what is another's"
    assert "failed" not in words_of(visit.fragment("POST", "/query/history/delete", {"past": str(newest.id)}).text)
    assert [past["sql"] for past in program(ran, user).get("/query/history")["items"]] == ["select * from range(5000)"]
    program(ran, user).good("DELETE", "/query/history", 204)
    assert ran.store.query_history.list(user) == ()


def test_the_history_is_bounded_and_has_each_text_once(ran: Site) -> None:
    user = ran.store.users.add("many", PASSWORD, Role.EDITOR)
    history = ran.store.query_history
    for number in range(MOST_PAST + 5):
        history.add(user, f"select {number}", 0.1, 1)
    history.add(user, "select 30", 0.2, 2)
    texts = [past.sql for past in history.list(user)]
    assert len(texts) == len(set(texts)) == MOST_PAST
    assert texts[:2] == ["select 30", f"select {MOST_PAST + 4}"]


@pytest.mark.parametrize(
    ("sql", "place", "words"),
    [
        ("selec 1", (1, 1), 'Syntax error at "selec".'),
        ("select 1 +", None, "the query ends too early"),
        ("select spend,\n  spnd\nfrom spend", (2, 3), "Column spnd does not exist. Near it: spend"),
        ("select spend.spnd from spend", None, "Column spnd does not exist in spend."),
        ("select spend from spend\nwhere stat_time_day > 5", None, "date and integer cannot be compared"),
        ("select ad_id,\r\n       sum(spend)\r\nfrom spend", (1, 8), "neither grouped nor summed"),
        ("select 'Ünï', nope from spend", (1, 15), "Column nope does not exist."),
        ("select *\nfrom nowhere", (2, 6), "Table nowhere was not found"),
        ("select 1,\n getenv('HOME')", (2, 2), "The function getenv is not available here."),
        ("select sum(ad_id) from spend", (1, 8), "no function takes these types"),
        ("select ad_id from spend\ngroup by 1\nhaving spnd > 1", (3, 8), "column spnd is neither grouped"),
        ("select 1 from spend\nwhere spend > 'many'", (2, 15), 'Could not convert string "many"'),
        ("select cast(ad_id as date) from spend", (1, 13), "source column ad_id"),
        (
            "select ad_id from spend group by 1 having clicks > 1 and clicks < 9",
            None,
            "column clicks is neither grouped",
        ),
    ],
)
def test_an_error_is_in_plain_words_at_its_place(
    ran: Site, sql: str, place: tuple[int, int] | None, words: str
) -> None:
    answer = ran.visit("admin").fragment("POST", "/query", {"sql": sql})
    text = words_of(answer.text)
    assert answer.status_code == 422
    assert words.lower() in text.lower()
    for jargon in ("Binder Error", "Parser Error", "Catalog Error", "LINE ", "Candidate bindings"):
        assert jargon not in text
    marked = re.search(r'data-line="(\d+)" data-column="(\d+)" data-length="(\d+)"', answer.text)
    if place is not None:
        assert marked, text
        assert (int(marked[1]), int(marked[2])) == place
        assert f"Line {place[0]}, column {place[1]}." in text


def test_page_and_command_line_name_the_same_place(ran: Site) -> None:
    sql = "select spend,\n  spnd\nfrom spend"
    _, words = ran.home.bad("query", sql)
    assert "at line 2, column 3: column spnd does not exist" in words
    assert "  spnd\n" in words
    error = program(ran).bad("POST", "/query", 422, json={"sql": sql})
    assert "at line 2, column 3: column spnd does not exist" in str(error)


def test_completion_offers_only_tables_and_columns_that_a_person_may_see(ran: Site) -> None:
    admin, nils = ran.visit("admin"), ran.visit("nils")
    assert [table["name"] for table in admin.get("/query/words").json()["tables"]] == ["spend"]
    names = {column["name"] for column in admin.get("/query/words/spend").json()["columns"]}
    assert {"spend", "advertiser_id", "stat_time_day"} <= names
    assert nils.get("/query/words").json() == {"tables": []}
    assert nils.get("/query/words/spend").status_code == 404
    assert ran.visit().client.get("/query/words", follow_redirects=False).status_code == 303


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8")), min_size=1),
    data=st.data(),
)
def test_a_place_is_found_again_wherever_the_caret_is(lines: list[str], data: Any) -> None:
    number = data.draw(st.integers(1, len(lines)))
    column = data.draw(st.integers(1, len(lines[number - 1]) + 1))
    query = "\n".join(lines)
    shown = excerpt_of(query, SqlPlace(number, column))
    assert shown.count("\n") == 1
    assert shown.endswith("^")
    assert token_length(query, SqlPlace(number, column)) >= 1


def test_words_of_duckdb_that_are_not_known_stay_without_the_name_of_their_class() -> None:
    assert plain_words("Conversion Error: Could not convert string 'x' to INT32") == (
        "Could not convert string 'x' to INT32"
    )
    assert query_error("Out of Range Error: Overflow\n\nLINE 9: far\n  ^", "select 1").place is None
