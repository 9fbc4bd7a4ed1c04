"""The list of datasets: what it shows, how it is narrowed down, and what is done to several at once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from adreel.datasets.kept_tables import where_kept
from adreel.lake import Lake
from adreel.store import Level, Role, RunState, SavedDataset
from adreel.store.file_locks import FileLocks
from home import Home, copied, make_home
from web_home import Site, Visit, open_site, words_of

MOST_BYTES = 40_000


@pytest.fixture(scope="module")
def three_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("three") / "home")
    home.add_account()
    home.good("run", "-f", home.file("a.yaml", name="Ads by day", tags=["daily", "core"]))
    home.door(
        "trouble", {"kind": "code", "code": 40002, "message": "No such field", "times": 0, "path": "campaign/get"}
    )
    campaigns = {"data_level": None, "time_dimension": None, "metrics": None, "dates": None}
    home.bad("run", "-f", home.file("b.yaml", name="Campaigns", report="campaigns", **campaigns))
    home.door("calm", {})
    home.good("datasets", "create", "-f", home.file("c.yaml", name="Zeroth hour", tags=["core"]))
    return home


@pytest.fixture
def three(three_home: Home, tmp_path: Path) -> Iterator[Site]:
    """Three datasets: one with a table, one that failed, one that never ran."""
    with open_site(copied(three_home, tmp_path / "home")) as site:
        yield site


def names_of(page: str) -> list[str]:
    """The datasets of a page of the list, in their order."""
    return re.findall(r'<td class="cell-name"><a href="/datasets/[a-z0-9_]+">([^<]*)</a>', page)


def saved(site: Site, slug: str) -> SavedDataset:
    return site.store.datasets.get(slug)


@contextmanager
def shared(site: Site, role: Role, level: Level) -> Iterator[Visit]:
    """Somebody with whom the account is shared."""
    user = site.user("somebody", role)
    site.store.shares.set(site.store.accounts.get("demo"), user, level)
    yield site.visit(user)


# -- what the list shows


def test_a_new_workspace_asks_for_an_account_and_then_for_a_dataset(home: Home) -> None:
    home.good("accounts", "delete", "demo", "--yes")
    with open_site(home) as site:
        visit = site.visit("admin")
        assert 'href="/accounts">Connect an account</a>' in visit.good("/datasets")
        home.add_account()
        page = visit.good("/datasets")
        assert "Connect an account" not in page
        assert 'href="/datasets/new">Create dataset</a>' in page


def test_a_viewer_who_sees_nothing_learns_whom_to_ask(home: Home) -> None:
    with open_site(home) as site:
        page = site.visit(site.user("vera", Role.VIEWER)).good("/datasets")
        assert "Nothing is shared with you yet" in page
        assert "/datasets/new" not in page
        site.store.shares.set(site.store.accounts.get("demo"), site.store.users.get("vera"), Level.READ)
        page = words_of(site.visit("vera").good("/datasets"))
        assert "No datasets yet One account is shared with you." in page
        assert "Nothing is shared" not in page


def test_a_row_says_what_the_table_holds_and_how_the_last_run_went(three: Site) -> None:
    page = words_of(three.visit("admin").good("/datasets"))
    rows = Lake(three.home.path / "lake").table("ads_by_day").rows
    badge = "Verified: rows, keys, 4 sums"
    assert (
        f"Ads by day daily core {badge} {rows:,} rows · just now Performance demo {rows:,} 9 just now {badge}" in page
    )
    assert "Zeroth hour core Never run Performance demo \N{EN DASH} \N{EN DASH} Never Never run" in page


def test_a_dataset_that_failed_shows_the_errors_words_in_the_list(three: Site) -> None:
    page = words_of(three.visit("admin").good("/datasets"))
    assert re.search(r"Campaigns .*No such field.* \(TikTok code 40002, request \w+\) Campaigns demo .* ! Failed", page)


def test_the_list_opens_no_table(three: Site) -> None:
    shutil.rmtree(three.home.path / "lake")
    page = three.visit("admin").good("/datasets")
    assert names_of(page) == ["Ads by day", "Campaigns", "Zeroth hour"]
    assert "198" in page or "Proved" in page


def test_a_name_with_markup_is_shown_as_text(home: Home) -> None:
    name = '<script>alert("1")</script> & <b>'
    home.good("datasets", "create", "-f", home.file(name=name, description="<img src=x>", tags=["<i>tag</i>"]))
    with open_site(home) as site:
        page = site.visit("admin").good("/datasets")
        assert "<script>alert" not in page
        assert "<i>tag" not in page
        assert name in words_of(page)


def test_a_dataset_whose_account_was_deleted_or_died_needs_attention(three: Site) -> None:
    visit = three.visit("admin")
    three.home.door("revoke", {"token": three.home.token})
    three.home.bad("run", "ads_by_day")
    page = words_of(visit.good("/datasets", attention="1"))
    assert "The access token of account 'demo' is revoked. Reconnect the account, then run." in page
    three.home.good("accounts", "delete", "demo", "--yes")
    page = words_of(visit.good("/datasets", status="disconnected"))
    assert "Account 'demo' was deleted, so this dataset is no longer updated." in page
    assert "demo (deleted)" in page


def test_a_table_that_grew_old_is_stale_unless_its_days_are_fixed(home: Home) -> None:
    home.good("run", "-f", home.file("a.yaml", name="Moving"))
    home.good("run", "-f", home.file("b.yaml", name="Fixed", dates={"start": "2026-11-01", "end": "2026-11-03"}))
    home.now += timedelta(days=9)
    with open_site(home) as site:
        page = site.visit("admin").good("/datasets", status="stale")
        assert names_of(page) == ["Moving"]
        assert "The rows were read 9 days ago." in page


def test_a_run_whose_process_died_is_shown_as_interrupted(three: Site) -> None:
    run = three.store.runs.add(saved(three, "zeroth_hour"), "0" * 16)
    three.store.runs.begin(run.id)
    visit = three.visit("admin")
    assert "Interrupted" in words_of(visit.good("/datasets", q="zeroth"))
    with FileLocks(three.home.path).dataset("zeroth_hour", run_id=run.id):
        assert "Running" in words_of(visit.good("/datasets", q="zeroth"))


# -- narrowing down


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "DAY daily"}, ["Ads by day"]),
        ({"q": "nothing like it"}, []),
        ({"status": "failed"}, ["Campaigns"]),
        ({"report": "campaigns"}, ["Campaigns"]),
        ({"account": "demo", "tag": "core"}, ["Ads by day", "Zeroth hour"]),
        ({"mine": "1"}, []),
        ({"recent": "1"}, ["Ads by day", "Campaigns"]),
        ({"attention": "1"}, ["Campaigns"]),
        ({"sort": "-name"}, ["Zeroth hour", "Campaigns", "Ads by day"]),
        ({"sort": "-rows"}, ["Ads by day", "Campaigns", "Zeroth hour"]),
        ({"sort": "status"}, ["Campaigns", "Zeroth hour", "Ads by day"]),
        ({"sort": "report"}, ["Campaigns", "Ads by day", "Zeroth hour"]),
        ({"sort": "last_run"}, ["Zeroth hour", "Ads by day", "Campaigns"]),
        ({"sort": "no such column", "page": "x"}, ["Ads by day", "Campaigns", "Zeroth hour"]),
    ],
)
def test_the_list_is_searched_filtered_and_sorted_by_its_address(
    three: Site, query: dict[str, str], names: list[str]
) -> None:
    assert names_of(three.visit("admin").good("/datasets", **query)) == names


def test_owned_by_me_shows_what_i_made(three: Site) -> None:
    admin = three.store.users.get("admin")
    three.store.datasets.create("Mine", account=three.store.accounts.get("demo"), spec="{}", owner=admin)
    assert names_of(three.visit("admin").good("/datasets", mine="1")) == ["Mine"]


def test_a_part_of_the_page_sets_the_address_of_the_browser(three: Site) -> None:
    answer = three.visit("admin").part("/datasets", q="ads", status="", sort="-rows", tag="")
    assert names_of(answer.text) == ["Ads by day"]
    assert "<html" not in answer.text
    assert answer.headers["HX-Replace-Url"] == "/datasets?q=ads&sort=-rows"


def test_a_list_with_an_active_run_refreshes_itself_and_one_without_does_not(three: Site) -> None:
    visit = three.visit("admin")
    assert 'hx-trigger="every 3s"' not in visit.good("/datasets")
    visit.sent("/datasets/ads_by_day/run")
    assert 'hx-trigger="every 3s"' in visit.good("/datasets")


def test_a_page_has_fifty_datasets_and_stays_small(home: Home) -> None:
    with open_site(home) as site:
        account = site.store.accounts.get("demo")
        for number in range(1, 121):
            site.store.datasets.create(f"Dataset {number:03}", account=account, spec='{"report": "ads"}')
        visit = site.visit("admin")
        first = visit.get("/datasets")
        assert (len(names_of(first.text)), names_of(first.text)[0]) == (50, "Dataset 001")
        assert int(first.headers["content-length"]) < MOST_BYTES
        assert 'href="/datasets?page=2"' in first.text
        last = visit.good("/datasets", page="3", sort="-name")
        assert names_of(last)[-1] == "Dataset 001"
        assert names_of(visit.good("/datasets", page="99")) == [f"Dataset {number:03}" for number in range(101, 121)]


# -- several at once


def test_several_datasets_are_run_at_once_and_those_that_cannot_are_named(three: Site) -> None:
    visit = three.visit("admin")
    chosen = {"slug": ["ads_by_day", "campaigns"], "action": "run", "onward": "/datasets?tag=core"}
    assert visit.sent("/datasets/bulk", chosen) == "/datasets?tag=core"
    assert "2 runs started." in visit.good("/datasets")
    again = visit.post("/datasets/bulk", {"slug": ["ads_by_day", "zeroth_hour"], "action": "run"})
    assert again.status_code == 409
    assert "1 run started." in words_of(again.text)
    assert "Ads by day : A run is queued or running already" in words_of(again.text)
    assert "adreel cancel" not in again.text
    assert {run.triggered_by for run in three.work()} == {"admin"}


def test_deleting_several_asks_first_and_names_them(three: Site) -> None:
    visit = three.visit("admin")
    chosen = {"slug": ["ads_by_day", "campaigns"], "action": "delete", "onward": "/datasets?q=a"}
    question = visit.good(visit.sent("/datasets/bulk", chosen))
    assert "Delete 2 datasets? Ads by day : Performance, 198 rows in the table ads_by_day" in words_of(question)
    assert len(three.store.datasets.list()) == 3, "nothing was done yet"
    assert visit.sent("/datasets/bulk", chosen | {"sure": "yes", "tables": "delete"}) == "/datasets?q=a"
    assert [dataset.name for dataset in three.store.datasets.list()] == ["Zeroth hour"]
    assert not Lake(three.home.path / "lake").exists("ads_by_day")


def test_tables_can_be_kept_when_their_datasets_are_deleted(three: Site) -> None:
    visit, table = three.visit("admin"), three.home.path / "lake" / "ads_by_day"
    slugs = ["ads_by_day", "campaigns", "zeroth_hour"]
    visit.sent("/datasets/bulk", {"slug": slugs, "action": "delete", "sure": "yes", "tables": "keep"})
    assert Lake(table.parent).exists("ads_by_day")
    order = f"Deleted 3 datasets. The table stays in {table}. To delete it too, delete this folder."
    assert order in visit.words("/datasets")


def test_a_table_that_stays_in_an_object_store_is_named_by_its_address() -> None:
    lake = Lake("s3://ads/lake")
    assert where_kept(lake, []) == ""
    order = "To delete it too, delete all objects under this address."
    assert where_kept(lake, ["spend"]) == f"The table stays in s3://ads/lake/spend. {order}"
    many = where_kept(lake, [f"t{number}" for number in range(23)])
    assert many.startswith("23 tables stay in s3://ads/lake/t0, s3://ads/lake/t1, ")
    assert "s3://ads/lake/t19 and 3 more of s3://ads/lake. To delete them too" in many


def test_tags_are_put_on_and_taken_away_in_the_datasets_file_too(three: Site) -> None:
    visit = three.visit("admin")
    both = {"slug": ["ads_by_day", "campaigns"], "tag_name": " new   tag "}
    visit.sent("/datasets/bulk", both | {"action": "tag"})
    assert saved(three, "ads_by_day").tags == ("daily", "core", "new tag")
    assert saved(three, "campaigns").tags == ("new tag",)
    assert yaml.safe_load(three.home.good("datasets", "show", "campaigns").stdout)["tags"] == ["new tag"]
    visit.sent("/datasets/bulk", both | {"action": "untag"})
    assert saved(three, "ads_by_day").tags == ("daily", "core")
    assert "tags" not in yaml.safe_load(three.home.good("datasets", "show", "campaigns").stdout)
    visit.sent("/datasets/bulk", {"slug": ["campaigns"], "tag_name": "a, b ,,", "action": "tag"})
    assert saved(three, "campaigns").tags == ("a", "b")


def test_the_settings_of_several_are_one_file_that_can_be_imported(three: Site) -> None:
    answer = three.visit("admin").post("/datasets/bulk", {"slug": ["campaigns", "zeroth_hour"], "action": "download"})
    assert answer.headers["content-disposition"].startswith('attachment; filename="datasets.yaml"')
    file = three.home.path / "again.yaml"
    file.write_text(answer.text)
    three.home.good("datasets", "delete", "campaigns", "--yes")
    three.home.good("datasets", "import", str(file))
    assert [dataset.name for dataset in three.store.datasets.list()] == ["Ads by day", "Campaigns", "Zeroth hour"]


@pytest.mark.parametrize("action", ["", "explode"])
def test_what_cannot_be_done_to_several_is_refused(three: Site, action: str) -> None:
    answer = three.visit("admin").post("/datasets/bulk", {"slug": "campaigns", "action": action})
    assert answer.status_code == 422
    assert "Use run, delete, tag, untag or download" in words_of(answer.text)


def test_choosing_none_and_a_tag_without_a_name_are_reported(three: Site) -> None:
    visit = three.visit("admin")
    assert "Select at least one dataset." in words_of(visit.post("/datasets/bulk", {"action": "run"}).text)
    nameless = visit.post("/datasets/bulk", {"slug": "campaigns", "action": "tag", "tag_name": " "})
    assert "Enter a tag name" in words_of(nameless.text)
    assert (
        visit.post("/datasets/bulk", {"slug": "campaigns", "action": "tag", "tag_name": "x" * 101}).status_code == 409
    )


def test_the_browser_reports_a_tag_without_a_name_and_the_choice_stays(three: Site) -> None:
    page = three.visit("admin").good("/datasets")
    assert re.search(r'<input[^>]* name="tag_name"[^>]* required>', page)
    free = {
        action: "formnovalidate" in more for action, more in re.findall(r'name="action" value="(\w+)"([^>]*)>', page)
    }
    assert free == {"tag": False, "untag": False, "run": True, "download": True, "delete": True}


def test_on_a_narrow_screen_the_status_is_below_the_name(three: Site) -> None:
    page = three.visit("admin").good("/datasets")
    name = re.search(r'(?s)<td class="cell-name">.*?</td>', page)
    assert name is not None
    below = re.search(r'(?s)<div class="narrow-only">(.*?)</div>', name[0])
    assert below is not None
    column = re.findall(r'(?s)<td class="wide-only">(.*?)</td>', page)
    assert below[1] in column


def test_a_foreign_address_to_go_on_to_is_not_followed(three: Site) -> None:
    chosen = {"slug": "ads_by_day", "action": "run", "onward": "https://elsewhere.test/"}
    assert three.visit("admin").sent("/datasets/bulk", chosen) == "/datasets"


# -- who may


@pytest.mark.parametrize("action", ["run", "delete", "tag", "untag"])
def test_a_viewer_has_no_buttons_and_is_refused(three: Site, action: str) -> None:
    with shared(three, Role.VIEWER, Level.READ) as visit:
        page = visit.good("/datasets")
        assert f'value="{action}"' not in page
        assert "/datasets/new" not in page
        answer = visit.post("/datasets/bulk", {"slug": "ads_by_day", "action": action, "tag_name": "x", "sure": "yes"})
        assert answer.status_code == 403
    assert not three.store.runs.list(states={RunState.QUEUED})
    assert saved(three, "ads_by_day").tags == ("daily", "core")


def test_nothing_is_done_to_any_if_one_is_not_mine_to_change(three: Site) -> None:
    with shared(three, Role.EDITOR, Level.READ) as visit:
        mine = three.store.datasets.create(
            "Mine", account=three.store.accounts.get("demo"), spec="{}", owner=three.store.users.get("somebody")
        )
        chosen = {"slug": [mine.slug, "ads_by_day"], "action": "delete", "sure": "yes"}
        assert visit.post("/datasets/bulk", chosen).status_code == 403
        assert saved(three, "mine") == mine


def test_datasets_of_accounts_that_are_not_shared_are_not_listed(three: Site) -> None:
    visit = three.visit(three.user("ada"))
    assert "No datasets yet" not in visit.good("/datasets")
    assert names_of(visit.good("/datasets")) == []
    for action in ("run", "download"):
        answer = visit.post("/datasets/bulk", {"slug": "ads_by_day", "action": action})
        assert answer.status_code == 404
        assert "Ads by day" not in answer.text
