"""Pages and API of destinations: added, tested and deleted; datasets that publish there, and how that went."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from adreel.destinations.service import publish_due
from adreel.destinations.status import due_destinations
from adreel.lake import Lake
from adreel.monitoring.metrics import exposition
from adreel.store import Level, Role
from api_home import Program, program
from form_page import filled, sent
from home import Home, copied, make_home
from test_api_datasets import LEGACY
from test_destinations import rows_of
from test_web_details import data
from web_home import Site, Visit, open_site, words_of

PAGE = "/datasets/spend/destinations"
SECRET = "very-secret"
TIMES = ("published_at", "repaired_at")
PLACE = {"to": "warehouse", "table": "daily_ads"}


@dataclass
class Shop:
    """A Data Center with a dataset that ran once, and a DuckDB file that nothing is published to yet."""

    site: Site
    admin: Visit
    file: Path

    @property
    def home(self) -> Home:
        return self.site.home

    def add(self, name: str = "warehouse") -> str:
        """The words of the page after the file was added as a destination."""
        form = {"name": name, "address": f"duckdb://{self.file}", "schema": "tiktok"}
        return self.admin.words(self.admin.sent("/destinations", form))

    def attach(self, name: str = "warehouse", table: str = "") -> str:
        return self.admin.words(self.admin.sent(PAGE, {"destination": name, "table": table}))

    def publish(self) -> int:
        """What a worker does; how many tries there were."""
        store, lake = self.site.store, Lake(self.site.settings.lake_url)
        numbers = due_destinations(store, self.home.now)
        return sum(publish_due(store, lake, number, lambda: self.home.now) for number in numbers)

    def take_away(self) -> None:
        """A folder is where the file was, which cannot be opened."""
        self.file.rename(self.file.with_suffix(".away"))
        self.file.mkdir()

    def bring_back(self) -> None:
        self.file.rmdir()
        self.file.with_suffix(".away").rename(self.file)

    def targets(self, slug: str = "spend") -> Any:
        """`publish` of the dataset's file."""
        return yaml.safe_load(self.home.good("datasets", "show", slug).stdout).get("publish")

    def user(self, role: Role, level: Level = Level.READ) -> str:
        user = self.site.user(role.value, role)
        self.site.store.shares.set(self.site.store.accounts.get("demo"), user, level)
        return user.name


@pytest.fixture(scope="module")
def ran_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("ran") / "home")
    home.add_account()
    home.good("run", "-f", home.file())
    return home


@pytest.fixture
def shop(ran_home: Home, tmp_path: Path) -> Iterator[Shop]:
    with open_site(copied(ran_home, tmp_path / "home")) as site:
        yield Shop(site, site.visit("admin"), tmp_path / "warehouse.duckdb")


# -- the destinations of the workspace


def test_a_destination_is_added_tested_and_deleted(shop: Shop) -> None:
    assert "No destinations yet" in shop.admin.words("/destinations")
    page = shop.add()
    assert "Added warehouse: adreel can write there." in page
    assert f"duckdb://{shop.file}, schema tiktok" in page
    assert "No dataset publishes here yet." in page
    assert "adreel can write to warehouse." in shop.admin.words(shop.admin.sent("/destinations/1/test"))
    page = shop.admin.words(shop.admin.sent("/destinations/1/delete"))
    assert "Deleted warehouse. Its tables stay as they are." in page
    assert "No destinations yet" in page
    assert shop.file.exists()


def test_page_api_and_command_line_add_destinations_with_the_tables_of_another_connector(shop: Shop) -> None:
    form = {"name": "page", "address": f"duckdb://{shop.file}", "layout": "fivetran", "schema": ""}
    page = shop.admin.words(shop.admin.sent("/destinations", form))
    assert f"duckdb://{shop.file}, schema tiktok_ads · Tables of Fivetran" in page
    body = {"name": "api", "address": f"duckdb://{shop.file}", "layout": "fivetran"}
    created = program(shop.site).good("POST", "/destinations", 201, json=body)
    shop.home.good("destinations", "add", "command", str(shop.file), "--layout", "fivetran")
    listed = shop.home.json("destinations", "list")
    assert [(row["layout"], row["schema"]) for row in listed] == [("fivetran", "tiktok_ads")] * 3
    assert (created["layout"], created["schema"]) == ("fivetran", "tiktok_ads")
    answer = shop.admin.post(PAGE, {"destination": "page", "table": ""})
    assert answer.status_code == 422
    reason = "The layout Tables of Fivetran needs these columns as well: real_time_conversion, total_purchase_value"
    assert reason in words_of(answer.text)
    refusal = program(shop.site).bad("POST", "/destinations", 422, json=body | {"layout": "other", "name": "b"})
    assert "layout" in str(refusal)
    assert "Is not a layout" not in shop.admin.words("/destinations")


def test_a_refused_destination_keeps_what_was_typed_but_the_address(shop: Shop) -> None:
    address = f"postgresql://adreel:{SECRET}@/warehouse"
    form = {"name": "Team <b>", "address": address, "schema": "marketing"}
    answer = shop.admin.post("/destinations", form)
    assert answer.status_code == 422
    assert "The address of a Postgres database has a host and a database" in words_of(answer.text)
    assert ("name", "Team <b>") in pairs_of(answer.text)
    assert ("schema", "marketing") in pairs_of(answer.text)
    assert ("address", "") in pairs_of(answer.text)
    assert SECRET not in answer.text
    assert shop.site.store.destinations.list() == ()
    shop.add()
    taken = shop.admin.post("/destinations", form | {"name": "Warehouse", "address": f"duckdb://{shop.file}"})
    assert taken.status_code == 409
    assert "There is already a destination 'Warehouse'" in words_of(taken.text)


def pairs_of(page: str) -> list[tuple[str, str]]:
    """The fields of the form to add something."""
    (form,) = [part for part in page.split("<form")[1:] if "narrow-form" in part]
    return sent(f'<form id="details"{form}')


def test_a_test_that_fails_says_why_on_the_page(shop: Shop) -> None:
    shop.add()
    shop.take_away()
    page = shop.admin.words(shop.admin.sent("/destinations/1/test"))
    assert "The test of warehouse failed: The DuckDB file could not be read or written" in page


def test_a_destination_that_datasets_publish_to_is_not_deleted(shop: Shop) -> None:
    shop.add()
    shop.attach()
    page = shop.admin.good("/destinations")
    assert "/destinations/1/delete" not in page
    assert "Spend tiktok.spend Waiting" in words_of(page)
    page = shop.admin.words(shop.admin.sent("/destinations/1/delete"))
    assert "Datasets publish to 'warehouse': Spend." in page
    assert len(shop.site.store.destinations.list()) == 1


def test_only_administrators_change_destinations_and_viewers_do_not_see_them(shop: Shop) -> None:
    shop.add()
    editor, viewer = shop.site.visit(shop.user(Role.EDITOR)), shop.site.visit(shop.user(Role.VIEWER))
    assert f"duckdb://{shop.file}" in editor.words("/destinations")
    assert "<form" not in editor.good("/destinations").split("<main")[1]
    assert viewer.get("/destinations").status_code == 403
    assert 'href="/destinations"' not in viewer.good("/home")
    assert 'href="/destinations"' in editor.good("/home")
    form = {"name": "b", "address": f"duckdb://{shop.file}", "schema": "tiktok"}
    for visit in (editor, viewer):
        for path in ("/destinations", "/destinations/1/test", "/destinations/1/delete"):
            answer = visit.post(path, form)
            assert answer.status_code == 403
            assert "Only administrators can add, test or delete destinations" in words_of(answer.text)
    assert [destination.name for destination in shop.site.store.destinations.list()] == ["warehouse"]


def test_datasets_that_an_editor_may_not_see_are_only_counted(shop: Shop) -> None:
    shop.add()
    shop.attach()
    editor = shop.site.visit(shop.user(Role.EDITOR, Level.NONE))
    page = editor.words("/destinations")
    assert "Spend" not in page
    assert "1 dataset that you may not see publishes here." in page
    assert program(shop.site, "editor").get("/destinations")["items"][0]["datasets"] == []


# -- the destinations of a dataset


def test_a_dataset_is_attached_with_its_history(shop: Shop) -> None:
    shop.add()
    shop.admin.sent(PAGE, {"destination": "warehouse", "table": "daily", "history": "yes"})
    assert "warehouse tiktok.daily with history" in shop.admin.words(PAGE)
    assert shop.targets() == [{"to": "warehouse", "table": "daily", "history": True}]
    assert shop.publish() == 1
    ((table, history),) = rows_of(
        shop.file, "select (select count(*) from tiktok.daily), (select count(*) from tiktok.daily_history)"
    )
    assert table == history > 0


def test_a_dataset_is_attached_published_and_detached(shop: Shop) -> None:
    assert "Administrators can add" not in shop.admin.words(PAGE)
    shop.add()
    page = shop.admin.words(PAGE)
    assert "This dataset publishes nowhere" in page
    assert "Default: spend" in page
    page = shop.attach(table="daily_ads")
    assert "The dataset publishes to warehouse after each run." in page
    assert "warehouse tiktok.daily_ads Waiting A worker publishes version 0 next." in page
    assert shop.targets() == [PLACE]
    assert shop.publish() == 1
    ((rows,),) = rows_of(shop.file, "select count(*) from tiktok.daily_ads")
    page = shop.admin.words(PAGE)
    assert f"Up to date Version 0 with {rows:,} rows, verified just now" in page
    assert f"{rows:,} rows written, 0 removed" in page
    page = shop.admin.words(shop.admin.sent(f"{PAGE}/detach", {"destination": "warehouse"}))
    assert "The dataset no longer publishes to warehouse. The table there stays." in page
    assert "This dataset publishes nowhere" in page
    assert shop.targets() is None
    assert rows_of(shop.file, "select count(*) from tiktok.daily_ads") == [(rows,)]
    # Attached once more, it is looked at whether the table is there still.
    assert "Waiting" in shop.attach(table="daily_ads")
    assert shop.publish() == 1


def test_a_repair_is_in_the_audit_log_and_page_api_and_command_line_say_the_same_of_it(shop: Shop) -> None:
    shop.add()
    shop.attach()
    (first,) = shop.home.json("publish", "spend")
    assert (first["state"], first["version"], first["notes"], first["repair"]) == ("published", 0, [], None)
    with duckdb.connect(str(shop.file)) as connection:
        connection.execute("UPDATE tiktok.spend SET spend = spend + 1")
    (published,) = shop.home.json("publish", "spend")
    assert published["repair"] == "Something else had changed the table tiktok.spend, so all rows were sent again."
    assert (published["mode"], published["rows_written"]) == ("full", published["rows"])
    (status,) = shop.home.json("destinations", "status", "spend")
    (answer,) = program(shop.site).get("/datasets/spend/destinations")
    published.pop("notes")
    assert json.dumps(published) == json.dumps(status)
    assert {**answer, **dict.fromkeys(TIMES)} == {**status, **dict.fromkeys(TIMES)}
    assert published["repair"] in shop.admin.words(PAGE)
    (entry,) = shop.home.json("audit", "--action", "publish_repair")
    assert (entry["details"]["destination"], entry["details"]["repair"]) == ("warehouse", published["repair"])
    assert "last repair" in shop.home.good("destinations", "status").stdout


def test_a_table_name_that_cannot_be_is_kept_in_the_form_with_its_problem(shop: Shop) -> None:
    shop.add()
    shop.add("other")
    answer = shop.admin.post(PAGE, {"destination": "warehouse", "table": "Ads daily"})
    assert answer.status_code == 422
    assert "Table must begin with a letter" in words_of(answer.text)
    assert ("table", "Ads daily") in pairs_of(answer.text)
    assert ("destination", "warehouse") in pairs_of(answer.text)
    assert shop.targets() is None
    shop.home.good("datasets", "create", "-f", shop.home.file(name="Second", publish="warehouse"))
    answer = shop.admin.post(PAGE, {"destination": "warehouse", "table": "second"})
    assert "Another dataset publishes to the table second; use another name." in words_of(answer.text)
    answer = shop.admin.post(PAGE, {"destination": "gone", "table": ""})
    assert answer.status_code == 404
    assert "Destination 'gone' was not found" in words_of(answer.text)


def test_publish_now_tries_what_failed_at_once(shop: Shop) -> None:
    shop.add()
    shop.attach()
    shop.take_away()
    assert shop.publish() == 1
    page = shop.admin.words(PAGE)
    assert "Failed The DuckDB file could not be read or written" in page
    assert "Failing since 2026-11-22 12:00 . Next try: 2026-11-22 12:01 ." in page
    assert "warehouse Failed" in shop.admin.words("/datasets/spend")
    shop.bring_back()
    assert shop.publish() == 0
    assert "every 2s" not in shop.admin.good(PAGE)
    page = shop.admin.good(shop.admin.sent(f"{PAGE}/1/publish"))
    assert "Publishing to warehouse begins in a moment." in words_of(page)
    # The page follows what the worker does.
    assert 'hx-get="/datasets/spend/destinations" hx-trigger="every 2s"' in page
    assert shop.publish() == 1
    page = shop.admin.good(PAGE)
    assert "Up to date" in words_of(page)
    assert "Publish now" not in page
    assert "warehouse Up to date" in shop.admin.words("/datasets/spend")


def test_publish_now_under_another_name_does_not_pass_for_published(shop: Shop) -> None:
    shop.add()
    shop.attach()
    shop.publish()
    shop.home.good("destinations", "attach", "spend", "warehouse", "--table", "daily_ads")
    assert "Waiting" in shop.admin.words(shop.admin.sent(f"{PAGE}/1/publish"))
    assert shop.publish() == 1
    assert rows_of(shop.file, "select count(*) > 0 from tiktok.daily_ads") == [(True,)]


def test_a_table_is_loaded_anew_once(shop: Shop) -> None:
    import duckdb

    shop.add()
    shop.attach()
    shop.publish()
    with duckdb.connect(str(shop.file)) as connection:
        connection.execute("ALTER TABLE tiktok.spend ADD COLUMN note VARCHAR")
    page = shop.admin.words(shop.admin.sent(f"{PAGE}/1/publish", {"reload": "yes"}))
    assert "The table at warehouse is loaded anew in a moment." in page
    assert "Waiting" in page
    assert shop.publish() == 1
    assert "Up to date" in shop.admin.words(PAGE)
    assert shop.publish() == 0
    columns = rows_of(shop.file, "select column_name from information_schema.columns where table_name = 'spend'")
    assert ("note",) not in columns


def test_viewers_see_where_a_dataset_publishes_to_and_change_nothing(shop: Shop) -> None:
    shop.add()
    shop.attach()
    viewer = shop.site.visit(shop.user(Role.VIEWER))
    page = viewer.good(PAGE)
    assert "warehouse tiktok.spend Waiting" in words_of(page)
    assert "<form" not in page.split("<main")[1]
    for path, form in (
        (PAGE, {"destination": "warehouse", "table": "x"}),
        (f"{PAGE}/1/publish", {}),
        (f"{PAGE}/detach", {"destination": "warehouse"}),
    ):
        assert viewer.post(path, form).status_code == 403
    assert shop.targets() == ["warehouse"]
    shop.site.user("stranger", Role.EDITOR)
    assert shop.site.visit("stranger").get(PAGE).status_code == 404


def test_an_editor_of_the_dataset_attaches_and_publishes(shop: Shop) -> None:
    shop.add()
    editor = shop.site.visit(shop.user(Role.EDITOR, Level.EDIT))
    assert "publishes to warehouse" in editor.words(editor.sent(PAGE, {"destination": "warehouse", "table": ""}))
    assert editor.sent(f"{PAGE}/1/publish") == PAGE
    assert editor.sent(f"{PAGE}/detach", {"destination": "warehouse"}) == PAGE


def test_a_viewer_of_a_dataset_that_publishes_nowhere_reads_who_can_change_that(shop: Shop) -> None:
    editor = shop.site.visit(shop.user(Role.EDITOR, Level.EDIT))
    assert "Administrators can add destinations." in editor.words(PAGE)


def test_no_page_shows_a_password(shop: Shop) -> None:
    store = shop.site.store
    url = f"postgresql://adreel:{SECRET}@127.0.0.1:1/warehouse"
    answer = shop.admin.post("/destinations", {"name": "team", "address": url, "schema": "tiktok"})
    assert answer.status_code in (422, 502, 503)
    assert SECRET not in answer.text
    from adreel.store.destinations import NewDestination

    shown = "postgresql://adreel@127.0.0.1:1/warehouse"
    store.destinations.add(NewDestination("team", "postgres", url, shown, "tiktok"))
    shop.attach("team")
    assert shop.publish() == 1
    asking = program(shop.site)
    texts = [shop.admin.good(path) for path in ("/destinations", PAGE, "/datasets/spend", "/audit")]
    texts += [asking.ask("GET", path).text for path in ("/destinations", PAGE, "/audit")]
    texts.append(shop.admin.good(shop.admin.sent("/destinations/1/test")))
    texts.append(asking.ask("POST", "/destinations/1/test").text)
    assert "Failed" in words_of(texts[1])
    assert shown in texts[0]
    assert SECRET not in "".join(texts)


# -- what keeps `publish`


def test_settings_and_drafts_keep_where_a_dataset_publishes_to(shop: Shop) -> None:
    shop.add()
    address = "/datasets/spend/settings"
    # Opened before the dataset was attached: this is no setting of the form.
    before = filled(shop.admin.good(address), description="Before")
    shop.admin.fragment("POST", "/datasets/form", data(before))
    shop.attach(table="daily_ads")
    answer = shop.admin.post(address, data(before))
    assert answer.status_code == 409
    shop.admin.sent(address, data(filled(answer.text)))
    assert shop.targets() == [PLACE]
    assert shop.site.store.datasets.get("spend").description == "Before"
    changed = filled(shop.admin.good(address), description="After")
    kept = shop.admin.fragment("POST", "/datasets/form", data(changed)).text
    (link,) = re.findall(r'href="([^"]*\?draft=[^"]+)"', shop.admin.good(address))
    assert ("description", "After") in sent(kept)
    shop.admin.sent(address, data(sent(shop.admin.good(link))))
    assert shop.targets() == [PLACE]
    assert shop.site.store.datasets.get("spend").description == "After"


def test_a_copy_begins_without_destinations(shop: Shop) -> None:
    shop.add()
    shop.attach()
    copy = filled(shop.admin.good("/datasets/new?like=spend"), name="Copy")
    shop.admin.sent("/datasets/new", data(copy))
    assert shop.targets("copy") is None


def test_commands_and_the_api_keep_where_a_dataset_publishes_to(shop: Shop) -> None:
    shop.add()
    shop.attach(table="daily_ads")
    asking = program(shop.site)
    shop.home.good("schedules", "set", "spend", "--every", "day", "--at", "06:30")
    assert shop.targets() == [PLACE]
    shop.home.environ["EDITOR"] = "sed -i s/impressions/reach/"
    shop.home.good("datasets", "edit", "spend")
    assert "reach" in shop.home.good("datasets", "show", "spend").stdout
    assert shop.targets() == [PLACE]
    asking.good("PATCH", "/datasets/spend", json={"description": "d"})
    asking.good("PUT", "/datasets/spend/tags", json={"tags": ["x"]})
    assert shop.targets() == [PLACE]


def test_a_converted_dataset_keeps_where_it_publishes_to(shop: Shop) -> None:
    shop.add()
    asking = program(shop.site)
    asking.good("POST", "/datasets/import", json=LEGACY)
    asking.good("PATCH", "/datasets/older", json={"publish": [PLACE]})
    asking.good("POST", "/datasets/older/convert")
    assert shop.targets("older") == [PLACE]


# -- the API and the command line


def test_the_api_adds_tests_and_deletes_destinations(shop: Shop) -> None:
    asking = program(shop.site)
    body = {"name": "warehouse", "address": f"duckdb://{shop.file}"}
    created = asking.good("POST", "/destinations", 201, json=body)
    assert created["address"] == f"duckdb://{shop.file}"
    assert (created["kind"], created["schema"], created["datasets"]) == ("duckdb", "tiktok", [])
    assert asking.bad("POST", "/destinations", 409, json=body)["kind"] == "ExistsError"
    asking.good("POST", "/destinations/1/test", 204)
    asking.good("PATCH", "/datasets/spend", json={"publish": "warehouse"})
    (row,) = asking.get("/destinations")["items"]
    assert row == created | {"datasets": ["spend"]}
    assert "Datasets publish to 'warehouse'" in asking.bad("DELETE", "/destinations/1", 422)["message"]
    asking.good("PATCH", "/datasets/spend", json={"publish": None})
    asking.good("DELETE", "/destinations/1", 204)
    assert asking.get("/destinations")["total"] == 0
    bad = {"name": "x", "address": f"postgresql://adreel:{SECRET}@/db"}
    assert SECRET not in str(asking.bad("POST", "/destinations", 422, json=bad))


def test_the_api_refuses_what_the_pages_refuse(shop: Shop) -> None:
    shop.add()
    shop.attach()
    editor, viewer = program(shop.site, shop.user(Role.EDITOR)), program(shop.site, shop.user(Role.VIEWER))
    body = {"name": "b", "address": f"duckdb://{shop.file}"}
    for asking in (editor, viewer):
        asking.bad("POST", "/destinations", 403, json=body)
        asking.bad("POST", "/destinations/1/test", 403)
        asking.bad("DELETE", "/destinations/1", 403)
        asking.bad("POST", "/datasets/spend/publish", 403, json={"destination": "warehouse"})
        assert asking.get(PAGE)[0]["state"] == "waiting"
    assert editor.get("/destinations")["total"] == 1
    viewer.bad("GET", "/destinations", 403)


def test_the_api_has_a_table_loaded_anew(shop: Shop) -> None:
    shop.add()
    shop.attach()
    shop.publish()
    asking = program(shop.site)
    body = {"destination": "Warehouse", "reload": True}
    (status,) = asking.good("POST", "/datasets/spend/publish", 202, json=body)
    assert status["state"] == "waiting"
    assert shop.publish() == 1
    assert asking.get(PAGE)[0]["mode"] == "full"
    asking.bad("POST", "/datasets/spend/publish", 404, json={"destination": "gone"})
    shop.add("other")
    refusal = asking.bad("POST", "/datasets/spend/publish", 422, json={"destination": "other"})
    assert "does not publish to 'other'" in refusal["message"]


def test_page_api_and_command_line_say_the_same_of_a_datasets_destinations(shop: Shop) -> None:
    shop.add()
    shop.add("other")
    shop.attach()
    shop.publish()
    shop.take_away()
    shop.attach("other", "daily_ads")
    shop.publish()
    asking = program(shop.site)
    listed = asking.get(PAGE)
    assert listed == shop.home.json("destinations", "status", "spend")
    assert [status["state"] for status in listed] == ["published", "failed"]
    page, printed = shop.admin.words(PAGE), " ".join(shop.home.good("destinations", "status", "spend").stdout.split())
    for status in listed:
        for fact in (status["destination"], status["table"], status["failure"] or ""):
            assert fact in page
            assert fact in printed
    assert f"with {listed[0]['rows']:,} rows" in page
    destinations = asking.get("/destinations")["items"]
    for row in destinations:
        assert row.pop("id")
    assert destinations == shop.home.json("destinations", "list")


def test_the_command_line_attaches_and_detaches(shop: Shop) -> None:
    shop.add()
    output = shop.home.good("destinations", "attach", "Spend", "Warehouse", "--table", "daily_ads").stderr
    assert "Dataset 'Spend' publishes to tiktok.daily_ads of 'warehouse' after each run." in output
    assert shop.targets() == [PLACE]
    shop.home.good("destinations", "attach", "spend", "warehouse")
    assert shop.targets() == ["warehouse"]
    assert "table must begin with" in shop.home.bad("destinations", "attach", "spend", "warehouse", "--table", "A b")[1]
    assert "no longer publishes to 'warehouse'" in shop.home.good("destinations", "detach", "spend", "warehouse").stderr
    assert shop.targets() is None
    assert "does not publish to 'warehouse'" in shop.home.bad("destinations", "detach", "spend", "warehouse")[1]
    # What the refusal names is a command that does it.
    refusal = " ".join(shop.home.bad("publish", "spend", "--to", "warehouse")[1].split())
    shop.home.good(*shlex.split(refusal.partition("To have it do so: adreel ")[2]))
    assert shop.targets() == ["warehouse"]


# -- where failing things are listed


@pytest.mark.slow
def test_publishing_that_fails_for_a_day_needs_attention(shop: Shop) -> None:
    shop.add()
    shop.attach()
    shop.publish()
    shop.home.good("run", "spend")
    shop.take_away()
    shop.publish()
    assert status_of(program(shop.site))["publications"] == []
    shop.home.now += timedelta(days=1)
    shop.publish()
    api = status_of(program(shop.site))
    assert api == shop.home.json("status")
    (lag,) = api["publishing"]
    assert (lag["destination"], lag["datasets"], lag["failed_tries"]) == ("warehouse", 1, 2)
    assert lag["lag_seconds"] == pytest.approx(86_400, abs=60)
    metrics = scraped(shop)
    assert metrics["adreel_publish_lag_seconds"] == lag["lag_seconds"]
    assert metrics["adreel_publish_failed_tries"] == 2
    (entry,) = api["publications"]
    assert (entry["dataset"], entry["destination"]) == ("spend", "warehouse")
    printed = " ".join(shop.home.good("status").stdout.split())
    assert re.search("warehouse 1 (1 day ago|yesterday) 2", shop.admin.words("/status"))
    for text in (shop.admin.words("/status"), words_of(shop.admin.part("/home/state").text), printed):
        assert "Not published to warehouse" in text
        assert entry["words"] in text
    shop.bring_back()
    shop.home.now += timedelta(hours=1)
    # A later version that is missing as well makes it no younger.
    shop.home.good("run", "spend")
    assert [lag["oldest_at"] for lag in shop.home.json("status")["publishing"]] == [lag["oldest_at"]]
    assert shop.publish() == 1
    api = status_of(program(shop.site))
    assert (api["publications"], api["publishing"]) == ([], [])
    assert scraped(shop)["adreel_publish_lag_seconds"] == 0


def scraped(shop: Shop) -> dict[str, float]:
    """The metrics of publishing, by name."""
    text = exposition(shop.site.store, shop.site.settings, shop.home.now).decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("adreel_publish_"))
    return {name.partition("{")[0]: float(value) for name, _, value in lines}


def status_of(asking: Program) -> Any:
    return asking.get("/status")
