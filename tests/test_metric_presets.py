"""Metric presets that people save: found in the form, on the command line and over the API, each in their rights."""

from __future__ import annotations

import html
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from adreel.access import ROLES, RoleRight
from adreel.store import Level, Role
from api_home import program
from form_page import filled, sent
from home import SPEND, Home
from web_home import Site, open_site

VIDEO = ["video_watched_6s", "spend", "video_watched_2s"]
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "HX-Request": "true"}


@pytest.fixture
def site(home: Home) -> Iterator[Site]:
    with open_site(home) as opened:
        for name in ("ada", "grace"):
            opened.user(name)
        opened.user("vera", Role.VIEWER)
        yield opened


def names(site: Site, user: str) -> list[str]:
    return [item["name"] for item in program(site, user).get("/metric-presets")["items"]]


def test_a_preset_is_of_its_user_until_it_is_shared_and_keeps_its_order(site: Site) -> None:
    ada, grace = program(site, "ada"), program(site, "grace")
    saved = ada.good("POST", "/metric-presets", 201, json={"name": " Weekly  video ", "metrics": VIDEO})
    assert (saved["name"], saved["metrics"], saved["owner"]) == ("Weekly video", VIDEO, "ada")
    assert (saved["shared"], saved["may_change"]) == (False, True)
    assert (names(site, "ada"), names(site, "grace"), names(site, "admin")) == (["Weekly video"], [], [])
    grace.bad("GET", f"/metric-presets/{saved['id']}", 404)
    ada.good("PATCH", "/metric-presets/weekly video", json={"shared": True, "name": "Film"})
    assert names(site, "grace") == names(site, "vera") == names(site, "admin") == ["Film"]
    assert grace.get("/metric-presets/Film")["may_change"] is False
    grace.bad("PATCH", "/metric-presets/Film", 403, json={"name": "Mine"})
    grace.bad("DELETE", "/metric-presets/Film", 403)
    assert program(site, "admin").good("PATCH", "/metric-presets/Film", json={"metrics": ["spend"]})["metrics"] == [
        "spend"
    ]
    ada.good("DELETE", "/metric-presets/Film", 204)
    assert names(site, "ada") == []


def test_viewers_and_read_only_tokens_save_none(site: Site) -> None:
    body = {"name": "Film", "metrics": VIDEO}
    program(site, "vera").bad("POST", "/metric-presets", 403, json=body)
    program(site, "ada", read_only=True).bad("POST", "/metric-presets", 403, json=body)
    assert ROLES[RoleRight.SAVE_PRESETS] == {Role.ADMIN, Role.EDITOR}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "Core", "metrics": ["spend"]}, 409, "built-in preset 'Core'"),
        ({"name": "SHARED one", "metrics": ["spend"]}, 409, "shared preset 'SHARED one'"),
        ({"name": "mine", "metrics": ["spend"]}, 409, "preset 'mine'"),
        ({"name": "New", "metrics": []}, 422, "at least one metric"),
        ({"name": "New", "metrics": ["impresions"]}, 422, "Did you mean 'impressions'"),
        ({"name": "  ", "metrics": ["spend"]}, 422, "cannot name a metric preset"),
    ],
)
def test_what_cannot_be_a_preset_is_refused(site: Site, body: dict[str, object], status: int, words: str) -> None:
    ada, grace = program(site, "ada"), program(site, "grace")
    grace.good("POST", "/metric-presets", 201, json={"name": "Shared one", "metrics": VIDEO, "shared": True})
    ada.good("POST", "/metric-presets", 201, json={"name": "Mine", "metrics": VIDEO})
    assert words in ada.bad("POST", "/metric-presets", status, json=body)["message"]
    # A name of somebody else's own preset is free, as nobody else sees it.
    grace.good("POST", "/metric-presets", 201, json={"name": "Mine", "metrics": ["clicks"]})
    assert grace.get("/metric-presets/mine")["metrics"] == ["clicks"]
    assert ada.get("/metric-presets/mine")["metrics"] == VIDEO


def test_a_deleted_users_own_presets_go_and_shared_ones_stay(site: Site) -> None:
    ada = program(site, "ada")
    for name, shared in (("Own", False), ("For all", True)):
        ada.good("POST", "/metric-presets", 201, json={"name": name, "metrics": VIDEO, "shared": shared})
    site.store.users.delete(site.store.users.get("ada"))
    assert [preset.name for preset in site.store.presets.visible(None)] == ["For all"]
    grace = program(site, "grace")
    assert grace.get("/metric-presets/For all")["owner"] is None
    grace.bad("DELETE", "/metric-presets/For all", 403)
    program(site, "admin").bad("PATCH", "/metric-presets/For all", 422, json={"shared": False})
    program(site, "admin").good("DELETE", "/metric-presets/For all", 204)


def test_a_preset_that_is_chosen_in_the_form_adds_its_metrics_and_the_file_has_a_plain_list(site: Site) -> None:
    program(site, "ada").good("POST", "/metric-presets", 201, json={"name": "Video <b>", "metrics": VIDEO})
    site.store.shares.set_everyone(site.store.accounts.get("demo"), Level.READ)
    visit = site.visit("ada")
    page = visit.good("/datasets/new")
    pairs = filled(page, account="demo", report="performance", data_level="ad", metrics="impressions")
    page = visit.client.post("/datasets/form", content=urlencode(pairs), headers=FORM).text
    assert "Video &lt;b&gt;" in page
    (preset,) = site.store.presets.visible(site.store.users.get("ada"))
    pairs = [*sent(page), ("do", f"add-set metrics saved-{preset.id}")]
    page = visit.client.post("/datasets/form", content=urlencode(pairs), headers=FORM).text
    assert [value for name, value in sent(html.unescape(page)) if name == "metrics"] == ["impressions", *VIDEO]
    assert "Video &lt;b&gt;" not in site.visit("grace").good("/datasets/new")


def test_the_form_saves_its_metrics_as_a_preset_in_their_order(site: Site) -> None:
    site.store.shares.set_everyone(site.store.accounts.get("demo"), Level.READ)
    visit = site.visit("ada")
    pairs = filled(visit.good("/datasets/new"), account="demo", report="performance", data_level="ad", metrics=VIDEO)
    page = visit.client.post("/datasets/form", content=urlencode(pairs), headers=FORM).text
    pairs = filled(page, preset__name="Weekly", preset__shared="true")
    page = visit.client.post("/datasets/form/preset", content=urlencode(pairs), headers=FORM).text
    assert "Saved preset &#39;Weekly&#39;; shared with all users." in page
    (preset,) = site.store.presets.visible(site.store.users.get("grace"))
    assert (preset.name, preset.metrics, preset.owner) == ("Weekly", tuple(VIDEO), "ada")
    assert dict(sent(page))["preset.name"] == ""
    pairs = filled(page, preset__name="weekly")
    page = visit.client.post("/datasets/form/preset", content=urlencode(pairs), headers=FORM).text
    assert "The preset was not saved. There is a shared preset &#39;weekly&#39; already; choose another name." in page
    assert dict(sent(page))["preset.name"] == "weekly"
    visit = site.visit("vera")
    assert visit.client.post("/datasets/form/preset", content=urlencode(pairs), headers=FORM).status_code == 403


def test_the_command_line_saves_lists_and_expands_presets(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file(metrics=["clicks", "spend"]))
    assert "has no owner" in home.bad("presets", "save", "Film", *VIDEO)[1]
    assert "3 metrics" in home.good("presets", "save", "Film", ", ".join(VIDEO), "--shared").output
    home.good("presets", "save", "As Spend", "--from", "spend", "--shared")
    assert home.good("presets", "show", "as spend").stdout == "metrics: [clicks, spend]\n"
    assert home.good("presets", "show", "core").stdout.startswith("metrics: [spend, impressions, ")
    listed = {preset["name"]: preset for preset in home.json("presets", "list")}
    assert listed["Film"]["metrics"] == VIDEO
    assert listed["core"]["built_in"] is True
    assert "Film" in home.good("presets", "list").stdout
    home.good("presets", "save", "Film", "spend", "--replace")
    home.good("presets", "rename", "Film", "Money")
    assert home.json("presets", "show", "Money")["metrics"] == ["spend"]
    assert "stays shared" in home.bad("presets", "share", "Money", "--stop")[1]
    home.good("presets", "delete", "Money", "--yes")
    assert "Did you mean 'As Spend'" in home.bad("presets", "show", "As Spent")[1]
    assert home.json("datasets", "list")[0]["name"] == SPEND["name"]
