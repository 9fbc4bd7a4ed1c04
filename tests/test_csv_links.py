"""CSV links: a look at one table for whoever has the address, until it is over; the address is nowhere else."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from adreel.datasets.csv_links import reach_warning
from adreel.lake import Lake
from adreel.logs import log_handler
from adreel.settings import Settings
from adreel.store import Level, Role
from adreel.store.audit import AuditAction, AuditFilter
from adreel.web.link_turns import MOST_OF_LINK, MOST_WRONG
from adreel.web.request_log import RequestLog
from api_home import program
from home import Home, copied, make_home
from web_home import ADDRESS, Site, Visit, open_site, words_of

LINKS = "/datasets/spend/links"


@pytest.fixture(scope="module")
def ran_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("ran") / "home")
    home.add_account()
    home.good("run", "-f", home.file(metrics=["ad_name", "spend", "clicks"]))
    return home


@pytest.fixture
def ran(ran_home: Home, tmp_path: Path) -> Iterator[Site]:
    """A dataset that ran once."""
    with open_site(copied(ran_home, tmp_path / "home")) as site:
        yield site


def new_link(visit: Visit, name: str = "Sheet", query: str = "", days: str = "30") -> str:
    """The path of a new link."""
    answer = visit.post(LINKS, {"name": name, "query": query, "days": days})
    assert answer.status_code == 200, words_of(answer.text)
    match = re.search(r"=IMPORTDATA\(&#34;http://localhost:8765(/links/[\w-]+\.csv)&#34;\)", answer.text)
    assert match is not None
    return match[1]


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_link_gives_what_was_looked_at_without_signing_in_and_follows_the_newest_version(ran: Site) -> None:
    query = "where=spend%3A%3E%3D%3A20&sort=-spend&show=ad_name&show=ad_id&show=spend"
    visit = ran.visit("admin")
    assert "Cost is at least 20; Cost, largest first" in words_of(visit.good(f"{LINKS}?{query}"))
    path = new_link(visit, query=query)
    answer = ran.visit().get(path)
    assert answer.status_code == 200
    assert (answer.headers["referrer-policy"], answer.headers["x-robots-tag"]) == ("no-referrer", "noindex, nofollow")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert not answer.text.startswith("\ufeff")

    def expected() -> list[tuple[str, float]]:
        rows: list[dict[str, Any]] = Lake(ran.home.path / "lake").read("spend").read_all().to_pylist()
        chosen = sorted((row for row in rows if row["spend"] >= 20), key=lambda row: -row["spend"])
        return [(row["ad_id"], float(row["spend"])) for row in chosen]

    lines = records(answer.text)
    assert list(lines[0]) == ["ad_name", "ad_id", "spend"]
    # Google Sheets would round an id of 16 digits and more.
    assert all(re.fullmatch(r"'\d{16,}", line["ad_id"]) for line in lines)
    assert [(line["ad_id"].removeprefix("'"), float(line["spend"])) for line in lines] == expected()
    ran.home.later(1)
    ran.home.good("run", "spend")
    assert len(records(ran.visit().get(path).text)) == len(expected())
    listed = words_of(visit.good(LINKS))
    assert "Sheet 3 columns Cost is at least 20; Cost, largest first admin" in listed
    assert path.split("/")[-1].removesuffix(".csv") not in visit.good(LINKS)
    (link,) = ran.store.export_links.list(ran.store.datasets.get("spend"))
    assert link.used_at is not None


def test_a_link_says_in_plain_words_when_it_is_over(ran: Site) -> None:
    visit, stranger = ran.visit("admin"), ran.visit()
    revoked, expired = new_link(visit, "First"), new_link(visit, "Second", days="30")
    assert visit.sent(f"{LINKS}/1/revoke") == LINKS
    answer = stranger.get(revoked)
    assert (answer.status_code, answer.text) == (
        410,
        "This link was revoked. Ask the person who sent it for a new one.\n",
    )
    ran.home.now += timedelta(days=30)
    answer = stranger.get(expired)
    assert (answer.status_code, "This link expired on 2026-12-22." in answer.text) == (410, True)
    unknown = stranger.get("/links/nothing.csv")
    assert (unknown.status_code, "does not exist" in unknown.text) == (404, True)
    actions = [entry.action for entry in ran.store.audit.page(AuditFilter()) if entry.subject_kind == "link"]
    assert actions == [AuditAction.LINK_REVOKE, AuditAction.LINK_CREATE, AuditAction.LINK_CREATE]
    forever = new_link(ran.visit("admin"), "Third", days="")
    ran.home.now += timedelta(days=4_000)
    assert stranger.get(forever).status_code == 200
    ran.store.datasets.delete(ran.store.datasets.get("spend"))
    assert stranger.get(forever).status_code == 404


def test_a_link_ends_with_the_rights_of_who_made_it(ran: Site) -> None:
    user = ran.user("eddy", Role.EDITOR)
    account = ran.store.accounts.get("demo")
    ran.store.shares.set(account, user, Level.READ)
    path, stranger = new_link(ran.visit(user)), ran.visit()
    assert stranger.get(path).status_code == 200
    ran.store.shares.set(account, user, Level.NONE)
    answer = stranger.get(path)
    assert (answer.status_code, answer.text) == (
        410,
        "eddy, who made this link, has no access to the dataset any more.\n",
    )
    ran.store.shares.set(account, user, Level.READ)
    ran.store.users.disable(user)
    assert stranger.get(path).status_code == 410
    ran.store.users.delete(user)
    assert stranger.get(path).status_code == 404


def test_a_link_opens_nothing_but_its_rows(ran: Site) -> None:
    path = new_link(ran.visit("admin"))
    secret = path.split("/")[-1].removesuffix(".csv")
    visit = ran.visit()
    for address in ("/datasets/spend/data", "/datasets/spend/export", "/api/v1/datasets/spend/rows"):
        for headers in ({"Authorization": f"Bearer {secret}"}, {"Cookie": f"adreel_session={secret}"}):
            answer = visit.client.get(address, headers=headers, follow_redirects=False)
            assert answer.status_code in (303, 401), address
    # What the link gives does not follow its address's query.
    assert len(records(visit.get(f"{path}?where=spend:>=:1000000&show=ad_id").text)) > 0
    for attempt in (f"/links/{secret}", f"/links/{secret}/x.csv", f"/links/{secret}.json"):
        answer = ran.visit("admin").get(attempt)
        assert (answer.status_code, secret in answer.text) == (404, False), attempt
    assert visit.post(path).status_code in (403, 405)


def test_the_secret_of_a_link_is_nowhere_but_in_its_address(ran: Site) -> None:
    stream = io.StringIO()
    handler = log_handler(Settings.load({"ADREEL_LOG_LEVEL": "debug"}), stream)
    logger = logging.getLogger("adreel")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    path = new_link(ran.visit("admin"))
    client = TestClient(RequestLog(ran.app), base_url=ADDRESS)
    try:
        for address in (path, f"{path}x", path.removesuffix(".csv")):
            client.get(address)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    secret = path.split("/")[-1].removesuffix(".csv")
    assert stream.getvalue().count("path=/links/***") == 3
    assert secret not in stream.getvalue()
    for file in ran.home.path.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


@pytest.mark.slow
def test_links_are_asked_for_only_so_often(ran: Site) -> None:
    path, stranger = new_link(ran.visit("admin")), ran.visit()
    statuses = [stranger.get(path).status_code for _ in range(MOST_OF_LINK + 1)]
    assert statuses == [200] * MOST_OF_LINK + [429]
    wrong = [stranger.get("/links/wrong.csv") for _ in range(MOST_WRONG + 1)]
    assert [answer.status_code for answer in wrong] == [404] * MOST_WRONG + [429]
    assert wrong[-1].headers["retry-after"] == "600"
    ran.home.now += timedelta(minutes=10)
    assert stranger.get(path).status_code == 200


@pytest.mark.parametrize(
    ("address", "is_private"),
    [
        ("http://localhost:8765", True),
        ("http://192.168.1.5:8765", True),
        ("http://[fd00::1]", True),
        ("https://adreel", True),
        ("https://adreel.local/x", True),
        ("https://adreel.example.org", False),
        ("https://8.8.8.8", False),
    ],
)
def test_an_address_that_google_cannot_reach_is_warned_of(address: str, is_private: bool) -> None:
    assert ("Google Sheets cannot reach" in reach_warning(address)) is is_private


def test_the_export_menu_leads_to_the_links_which_say_that_google_cannot_reach_this_server(ran: Site) -> None:
    visit = ran.visit("admin")
    for page in ("/datasets/spend", "/datasets/spend/data"):
        assert '/datasets/spend/links">Google Sheets (link)…</a>' in visit.good(page)
    assert "Google Sheets cannot reach localhost" in words_of(visit.good(LINKS))
    result = ran.home.good("links", "create", "spend", "By command")
    assert "Google Sheets cannot reach localhost" in " ".join(result.stderr.split())


def test_viewers_and_read_only_tokens_make_no_links_and_only_makers_and_editors_revoke_them(ran: Site) -> None:
    account = ran.store.accounts.get("demo")
    viewer, editor = ran.user("vera", Role.VIEWER), ran.user("eddy", Role.EDITOR)
    for user in (viewer, editor):
        ran.store.shares.set(account, user, Level.READ)
    visit = ran.visit(viewer)
    assert visit.post(LINKS, {"name": "x", "days": "30"}).status_code == 403
    assert "Google Sheets (link)" not in visit.good("/datasets/spend/data")
    assert "Google Sheets (link)" not in visit.good("/datasets/spend")
    assert "Create link" not in visit.good(LINKS)
    assert program(ran, read_only=True).bad("POST", "/datasets/spend/links", 403, json={"name": "x"})
    new_link(ran.visit("admin"))
    assert ran.visit(editor).post(f"{LINKS}/1/revoke").status_code == 403
    ran.store.shares.set(account, editor, Level.EDIT)
    assert ran.visit(editor).post(f"{LINKS}/1/revoke").status_code == 303


def test_links_are_made_listed_and_revoked_by_programs_and_commands_too(ran: Site) -> None:
    asking = program(ran)
    look = {"columns": ["ad_name", "spend"], "filter": ["spend:ge:20", "ad_name:notnull"], "sort": ["-spend"]}
    link = asking.good("POST", "/datasets/spend/links", 201, json={"name": "By API", "days": None, **look})
    assert (link["expires_at"], link["columns"], link["filter"]) == (None, look["columns"], look["filter"])
    assert "a Google spreadsheet holds 10,000,000." in link["size"]
    assert link["formula"] == f'=IMPORTDATA("{link["address"]}")'
    path = link["address"].removeprefix("http://localhost:8765")
    given = ran.visit().get(path).text
    assert records(given)
    result = ran.home.good(
        "links", "create", "spend", "By command", "--column", "ad_name", "--column", "spend",
        "--filter", "spend:>=:20", "--filter", "ad_name:is not null", "--sort=-spend", "--days", "0",
    )  # fmt: skip
    assert "shown only once" in result.stderr
    own = result.stdout.strip().removeprefix('=IMPORTDATA("http://localhost:8765').removesuffix('")')
    assert ran.visit().get(own).text == given
    listed = asking.get("/datasets/spend/links")["items"]
    shown = ran.home.json("links", "list", "spend")
    assert [(item["name"], item["created_by"]) for item in listed] == [
        ("By API", "admin"),
        ("By command", "command line"),
    ]
    assert [item["name"] for item in shown] == [item["name"] for item in listed]
    asking.good("DELETE", f"/datasets/spend/links/{link['id']}", 204)
    asking.bad("DELETE", f"/datasets/spend/links/{link['id']}", 404)
    ran.home.good("links", "revoke", "spend", shown[1]["id"], "--yes")
    assert ran.visit().get(path).status_code == ran.visit().get(own).status_code == 410
    assert asking.get("/datasets/spend/links")["total"] == 0


def test_a_link_that_the_table_cannot_give_is_refused(ran: Site) -> None:
    visit = ran.visit("admin")
    for query, words in (
        ("where=nothing%3A%3D%3A1", "Column nothing"),
        ("sort=nothing", "Column nothing"),
        ("show=nothing", "no columns nothing"),
        ("where=spend", "is not a valid filter"),
    ):
        answer = visit.post(LINKS, {"name": "x", "days": "30", "query": query})
        assert (answer.status_code, words in words_of(answer.text)) == (422, True), query
    for fields in ({"name": "", "days": "30"}, {"name": "x", "days": "7"}):
        assert visit.post(LINKS, fields).status_code == 422
    assert ran.home.bad("links", "create", "spend", "x", "--filter", "spend")[0] != 0
