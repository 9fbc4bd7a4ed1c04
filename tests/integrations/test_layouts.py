"""Tables of Fivetran's layout out of datasets: names, types, versions of entities, and figures that are there once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.layouts import bound, refusal, table_of
from adreel.datasets.layouts.tables import LayoutTable
from adreel.datasets.schema import arrow_schema, columns, key
from adreel.datasets.validation import parse
from adreel.destinations.duckdb_file import open_duckdb
from adreel.destinations.layout_publishing import publish_layout
from adreel.destinations.postgres import open_postgres
from adreel.destinations.publishing import Published, PublishMode, PublishOrder
from adreel.destinations.session import DestinationSession, Place
from adreel.errors import InputError, ProofError
from adreel.lake import Lake
from lake_rows import Row, put, window
from postgres import PostgresServer

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNT = "7000000000000000001"
CAMPAIGN, OTHER_CAMPAIGN = "1700000000000000001", "1700000000000000002"
AD = "1800000000000000001"

Rows = Sequence[Row]


def dataset(report: str, **keys: Any) -> Dataset:
    return parse(Source({"name": report, "account": "demo", "report": report, **keys}, {}))


def performance(level: str, metrics: Sequence[str], **keys: Any) -> Dataset:
    values: dict[str, Any] = {
        "data_level": level,
        "time_dimension": "hour",
        "dates": {"start": "today-3", "end": "today"},
    }
    needed = ("spend", "impressions", "clicks", "conversion", "real_time_conversion")
    more = ("total_purchase_value", "total_sales_lead_value")
    listed = [*needed, *(() if "targeting_dimension" in keys else more), *metrics]
    return dataset("performance", **(values | keys), metrics=listed, update={"method": "upsert"})


@dataclass
class Warehouse:
    """A destination with Fivetran's layout that tests publish to and look into."""

    lake: Lake
    open: Callable[[], AbstractContextManager[DestinationSession]]
    query: Callable[[str], list[tuple[Any, ...]]]
    clock: list[datetime]
    layout: str = "fivetran"
    runs: dict[str, Dataset] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def put(self, slug: str, asked: Dataset, rows: Rows, method: str = "replace", **options: Any) -> None:
        """A run an hour after the one before."""
        self.clock[0] += HOUR
        self.runs[slug] = asked
        schema = options.pop("schema", arrow_schema(columns(asked)))
        day_column = {"hour": "stat_time_hour", "day": "stat_time_day"}.get(asked.time)
        put(
            self.lake,
            f"{slug} {self.now}",
            method,
            [{name: row.get(name) for name in schema.names} for row in rows],
            slug=slug,
            schema=schema,
            key=key(asked),
            day_column=day_column,
            **options,
        )

    def table(self, slug: str, version: int) -> LayoutTable:
        return bound(self.layout, self.runs[slug], self.lake.table(slug, version).schema)

    def publish(self, slug: str, *, version: int | None = None, reload: bool = False) -> Published:
        number = self.lake.table(slug).version if version is None else version
        (run_id,) = [each.run_id for each in self.lake.versions(slug) if each.number == number]
        table = self.table(slug, number)
        order = PublishOrder(slug, number, run_id, f"home/{slug}", Place("tiktok_ads", table.name), reload)
        with self.open() as session:
            return publish_layout(session, self.lake, order, table, self.now)

    def send(self, slug: str, asked: Dataset, rows: Rows, method: str = "replace", **options: Any) -> Published:
        """A run that is published at once."""
        self.put(slug, asked, rows, method, **options)
        return self.publish(slug)

    def types(self, table: str) -> dict[str, str]:
        answer = self.query(
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = 'tiktok_ads' AND table_name = '{table}'"
        )
        return {name: kind.upper() for name, kind in answer}


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    if request.param == "duckdb":
        yield duckdb_warehouse(tmp_path)
        return
    with postgres_warehouse(tmp_path, request.getfixturevalue("postgres")) as opened:
        yield opened


def duckdb_warehouse(folder: Path) -> Warehouse:
    path, clock = folder / "warehouse.duckdb", [NOON]

    def query(statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            answer = connection.execute(statement)
            return [tuple(row.values()) for row in answer.to_arrow_table().to_pylist()] if answer.description else []

    return Warehouse(Lake(folder / "lake", clock=lambda: clock[0]), lambda: open_duckdb(path), query, clock)


@contextmanager
def postgres_warehouse(folder: Path, server: PostgresServer) -> Iterator[Warehouse]:
    clock = [NOON]
    with server.database("template1") as address:
        url = address.replace("postgresql+psycopg", "postgresql")

        def query(statement: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("SET TIME ZONE 'UTC'")
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

        yield Warehouse(Lake(folder / "lake", clock=lambda: clock[0]), lambda: open_postgres(url), query, clock)


def campaign(number: str = CAMPAIGN, **values: Any) -> Row:
    return {"advertiser_id": ACCOUNT, "campaign_id": number, "campaign_name": "Spring", **values}


def hour(day: int = 1, at: int = 10, **values: Any) -> Row:
    """An hour of a campaign in January."""
    figures = {"spend": Decimal("1.25"), "impressions": 100, "clicks": 3, "conversion": 1, "real_time_conversion": 1}
    return {
        "advertiser_id": ACCOUNT,
        "campaign_id": CAMPAIGN,
        "stat_time_hour": datetime(2026, 1, day, at),  # noqa: DTZ001 - hours of ad accounts have no zone
        **figures,
        **values,
    }


CAMPAIGNS = dataset("campaigns")
HOURS = performance("campaign", ["campaign_name"])
CURRENT = (
    "SELECT * FROM (SELECT h.*, row_number() OVER (PARTITION BY campaign_id ORDER BY updated_at DESC) AS n "
    "FROM tiktok_ads.campaign_history h) ranked WHERE n = 1"
)


def versions(warehouse: Warehouse, select: str = "status") -> list[tuple[Any, ...]]:
    columns = f"updated_at AT TIME ZONE 'UTC', {select}"
    return warehouse.query(f"SELECT {columns} FROM tiktok_ads.campaign_history ORDER BY campaign_id, updated_at")


# -- names and types


def test_figures_have_fivetrans_names_and_numbers_are_numbers(warehouse: Warehouse) -> None:
    names = ("video_views_p25", "video_watched_2s", "cost_per_1000_reached", "average_video_play", "split_test")
    asked = performance("campaign", [*names, "campaign_name", "purchase"])
    values: dict[str, Any] = {
        "video_views_p25": 7,
        "video_watched_2s": 8,
        "cost_per_1000_reached": Decimal("2.5"),
        "average_video_play": 1.5,
        "split_test": "-",
        "purchase": 4,
    }
    published = warehouse.send("hours", asked, [hour(**values)])
    renamed = "video_views_p_25, video_watched_2_s, cost_per_1000_reached, average_video_play, purchase"
    assert warehouse.query(f"SELECT {renamed} FROM tiktok_ads.campaign_report_hourly") == [
        (7, 8, Decimal("2.5"), 1.5, 4)
    ]
    types = warehouse.types("campaign_report_hourly")
    assert not {"TEXT", "VARCHAR", "CHARACTER VARYING", "INTEGER"} & {
        kind for name, kind in types.items() if not name.startswith("_")
    }
    assert {types[name] for name in ("campaign_id", "clicks", "impressions", "conversion", "purchase")} == {"BIGINT"}
    assert types["spend"].startswith(("DECIMAL", "NUMERIC"))
    assert types["stat_time_hour"] in ("TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE")
    notes = " ".join(published.notes)
    assert (
        "Empty columns of tiktok_ads.campaign_report_hourly, for which the dataset has nothing: reach, likes" in notes
    )
    assert "Columns of the dataset that are not in tiktok_ads.campaign_report_hourly: split_test" in notes


def test_every_table_has_ids_of_one_type_and_a_time_of_the_publish(warehouse: Warehouse) -> None:
    warehouse.send("accounts", dataset("advertisers"), [{"advertiser_id": ACCOUNT, "name": "A", "currency": "EUR"}])
    warehouse.send("campaigns", CAMPAIGNS, [campaign()])
    warehouse.send(
        "groups", dataset("ad_groups"), [campaign(adgroup_id="1900000000000000001", app_id="-", pixel_id="")]
    )
    warehouse.send("ads", dataset("ads"), [campaign(adgroup_id="1900000000000000001", ad_id=AD, video_id="v-1")])
    warehouse.send("hours", HOURS, [hour()])
    answer = warehouse.query(
        "SELECT DISTINCT upper(data_type) FROM information_schema.columns WHERE table_schema = 'tiktok_ads' "
        "AND column_name IN ('id', 'advertiser_id', 'campaign_id', 'adgroup_id', 'ad_id', 'app_id', 'pixel_id')"
    )
    assert answer == [("BIGINT",)]
    for table in ("advertiser", "campaign_history", "adgroup_history", "ad_history", "campaign_report_hourly"):
        kind = warehouse.types(table)["_fivetran_synced"]
        assert kind == "TIMESTAMP WITH TIME ZONE"
    assert warehouse.query("SELECT app_id, pixel_id FROM tiktok_ads.adgroup_history") == [(None, None)]
    assert "interest_category_v_2" in warehouse.types("adgroup_history")
    joined = "SELECT a.name FROM tiktok_ads.campaign_report_hourly r JOIN (" + CURRENT + ") c ON c.campaign_id = "
    joined += "r.campaign_id JOIN tiktok_ads.advertiser a ON a.id = c.advertiser_id"
    assert warehouse.query(joined) == [("A",)]


def test_an_id_that_is_no_number_is_refused_and_nothing_changes(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour()])
    warehouse.put("hours", HOURS, [hour(), hour(campaign_id="spring")])
    with pytest.raises(InputError, match="the dataset has 'spring' in the column campaign_id"):
        warehouse.publish("hours")
    assert warehouse.query("SELECT count(*) FROM tiktok_ads.campaign_report_hourly") == [(1,)]


def test_hours_are_the_wall_clock_of_the_account_in_every_session(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour(at=23), hour(2, 0)])
    days = "SELECT cast(stat_time_hour AS date) FROM tiktok_ads.campaign_report_hourly ORDER BY 1"
    expected = [(date(2026, 1, 1),), (date(2026, 1, 2),)]
    assert warehouse.query(days) == expected
    with warehouse.open() as session, session.transaction("zone"):
        session.run("SET TIME ZONE 'Asia/Tokyo'" if "postgres" in type(session).__name__.lower() else "SELECT 1")
        assert [tuple(row) for row in session.rows(days)] == expected


def test_counts_with_fractions_stay_exact(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour()])
    schema = arrow_schema(columns(HOURS))
    at = schema.get_field_index("conversion")
    schema = schema.set(at, schema.field(at).with_type(pa.decimal128(24, 6)))
    rows = [hour(conversion=Decimal("12.5"))]
    warehouse.send("hours", HOURS, rows, schema=schema)
    assert warehouse.query("SELECT conversion FROM tiktok_ads.campaign_report_hourly") == [(Decimal("12.5"),)]


def test_lists_are_json_and_switches_are_words(warehouse: Warehouse) -> None:
    actions = [
        '{"action_period": 7, "action_category_ids": ["1", "2"], "video_user_actions": ["LIKED"]}',
        '{"action_period": 7, "action_category_ids": ["3"]}',
    ]
    row = campaign(
        adgroup_id="1900000000000000001",
        age_groups=["AGE_18_24"],
        interest_category_ids=["15"],
        actions=actions,
        video_download_disabled=True,
    )
    warehouse.send("groups", dataset("ad_groups"), [row])
    texts = "CAST(age_groups AS VARCHAR), CAST(interest_category_v_2 AS VARCHAR), CAST(action_categories AS VARCHAR)"
    (answer,) = warehouse.query(f"SELECT {texts}, action_days, video_download FROM tiktok_ads.adgroup_history")
    assert [str(value).replace(" ", "") for value in answer] == [
        '["AGE_18_24"]',
        '["15"]',
        '["1","2","3"]',
        "7",
        "PREVENT_DOWNLOAD",
    ]
    assert warehouse.types("adgroup_history")["age_groups"] in ("JSON", "JSONB")
    assert warehouse.send("groups", dataset("ad_groups"), [row]).written == 0


@pytest.mark.parametrize(
    ("url", "params", "expected"),
    [
        ("https://shop.example/a", ["utm_source", "tik tok"], "https://shop.example/a?utm_source=tik%20tok"),
        ("https://shop.example/a?x=1#top", ["utm_source", "t"], "https://shop.example/a?x=1&utm_source=t#top"),
        ("https://shop.example/?utm_source=own", ["utm_source", "t"], "https://shop.example/?utm_source=own"),
        ("https://shop.example/", [], "https://shop.example/"),
        ("", ["utm_source", "t"], None),
    ],
)
def test_utm_parameters_are_in_the_landing_page(tmp_path: Path, url: str, params: list[str], expected: str) -> None:
    warehouse = duckdb_warehouse(tmp_path)
    listed = ['{"key": "%s", "value": "%s"}' % tuple(params)] if params else []  # noqa: UP031 - braces of JSON
    row = campaign(adgroup_id="1900000000000000001", ad_id=AD, landing_page_url=url, utm_params=listed)
    warehouse.send("ads", dataset("ads"), [row])
    assert warehouse.query("SELECT landing_page_url FROM tiktok_ads.ad_history") == [(expected,)]


def test_countries_have_a_day_and_unknown_ones_a_code(warehouse: Warehouse) -> None:
    asked = performance("campaign", [], time_dimension="day", targeting_dimension="country_code")
    rows = [hour(stat_time_day=date(2026, 1, 1), country_code=code) for code in ("DE", "-")]
    warehouse.send("countries", asked, rows)
    answer = warehouse.query(
        "SELECT country_code, cast(stat_time_day AS date), spend FROM tiktok_ads.campaign_country_report ORDER BY 1"
    )
    assert answer == [(code, date(2026, 1, 1), Decimal("1.25")) for code in ("DE", "ZZ")]
    assert warehouse.types("campaign_country_report")["stat_time_day"].startswith("TIMESTAMP")


# -- accounts


def test_an_account_has_one_row_whichever_datasets_and_accounts_have_it(warehouse: Warehouse) -> None:
    asked = dataset("advertisers")
    old = {"advertiser_id": ACCOUNT, "name": "Old", "currency": "EUR", "balance": Decimal("1.5")}
    warehouse.put("second", asked, [old | {"name": "Late"}])
    warehouse.send("first", asked, [old])
    warehouse.send("first", asked, [old | {"name": "New"}])
    # A run of another dataset that is published late saw the account before.
    warehouse.publish("second")
    assert warehouse.query("SELECT id, name, balance FROM tiktok_ads.advertiser") == [
        (int(ACCOUNT), "New", Decimal("1.5"))
    ]
    warehouse.send("second", asked, [old | {"name": "Newest"}])
    assert warehouse.query("SELECT name FROM tiktok_ads.advertiser") == [("Newest",)]
    # An account that is gone keeps its row, as its spend stays.
    warehouse.send("second", asked, [])
    assert warehouse.query("SELECT name FROM tiktok_ads.advertiser") == [("Newest",)]


# -- history


def test_a_version_is_appended_when_a_published_column_changes_and_only_then(warehouse: Warehouse) -> None:
    created, modified = NOON - timedelta(days=9), NOON - timedelta(days=2)
    row = campaign(secondary_status="ON", create_time=created, modify_time=modified)
    warehouse.send("campaigns", CAMPAIGNS, [row])
    assert warehouse.send("campaigns", CAMPAIGNS, [row]).written == 0
    # The status changes, and TikTok's time of the change does not.
    warehouse.send("campaigns", CAMPAIGNS, [{**row, "secondary_status": "OFF"}])
    seen = warehouse.now
    later = warehouse.now + timedelta(minutes=30)
    warehouse.send("campaigns", CAMPAIGNS, [{**row, "secondary_status": "ON", "modify_time": later}])
    expected = [(modified, "ON"), (seen, "OFF"), (later, "ON")]
    assert versions(warehouse) == [(at.replace(tzinfo=None), status) for at, status in expected]
    assert warehouse.query(f"SELECT status, campaign_name FROM ({CURRENT}) c") == [("ON", "Spring")]


def test_the_time_of_a_version_is_never_empty_and_grows(warehouse: Warehouse) -> None:
    ahead = NOON + timedelta(days=30)
    warehouse.send("campaigns", CAMPAIGNS, [campaign(), campaign(OTHER_CAMPAIGN, modify_time=ahead)])
    first = warehouse.now
    renamed = [campaign(campaign_name="A"), campaign(OTHER_CAMPAIGN, campaign_name="B", modify_time=ahead)]
    warehouse.send("campaigns", CAMPAIGNS, renamed)
    answer = [(at.replace(tzinfo=UTC), name) for at, name in versions(warehouse, "campaign_name")]
    step = timedelta(microseconds=1)
    assert answer == [(first, "Spring"), (warehouse.now, "A"), (ahead, "Spring"), (ahead + step, "B")]


def test_versions_of_the_lake_that_were_not_published_are_versions_there_too(warehouse: Warehouse) -> None:
    for status in ("A", "B", "B", "C"):
        warehouse.put("campaigns", CAMPAIGNS, [campaign(secondary_status=status)])
    assert warehouse.publish("campaigns").written == 3
    warehouse.put("campaigns", CAMPAIGNS, [campaign(secondary_status="D")])
    warehouse.put("campaigns", CAMPAIGNS, [campaign(secondary_status="E")])
    warehouse.publish("campaigns")
    assert [status for _, status in versions(warehouse)] == ["A", "B", "C", "D", "E"]
    assert warehouse.publish("campaigns").mode is PublishMode.NOTHING


def test_versions_of_before_a_column_was_read_are_there_without_it(warehouse: Warehouse) -> None:
    few = dataset("campaigns", fields=["campaign_id", "campaign_name"])
    warehouse.put("campaigns", few, [campaign()])
    warehouse.send("campaigns", CAMPAIGNS, [campaign(secondary_status="A")])
    assert versions(warehouse, "campaign_name, status") == [
        (at.replace(tzinfo=None), "Spring", status)
        for at, status in ((warehouse.now - HOUR, None), (warehouse.now, "A"))
    ]


def test_an_entity_that_is_gone_keeps_its_versions(warehouse: Warehouse) -> None:
    warehouse.send("campaigns", CAMPAIGNS, [campaign(), campaign(OTHER_CAMPAIGN)])
    warehouse.send("campaigns", CAMPAIGNS, [campaign()])
    assert warehouse.query(f"SELECT count(*) FROM ({CURRENT}) c") == [(2,)]


def test_two_datasets_with_the_same_campaigns_make_one_history(warehouse: Warehouse) -> None:
    warehouse.put("late", CAMPAIGNS, [campaign(secondary_status="STALE")])
    warehouse.send("campaigns", CAMPAIGNS, [campaign(secondary_status="A")])
    warehouse.publish("late")
    assert [status for _, status in versions(warehouse)] == ["A"]
    warehouse.send("late", CAMPAIGNS, [campaign(secondary_status="B")])
    warehouse.send("campaigns", CAMPAIGNS, [campaign(secondary_status="B")])
    assert [status for _, status in versions(warehouse)] == ["A", "B"]


def test_a_version_that_somebody_took_out_comes_back(warehouse: Warehouse) -> None:
    warehouse.send("campaigns", CAMPAIGNS, [campaign(secondary_status="A")])
    warehouse.query("UPDATE tiktok_ads.campaign_history SET status = 'X'")
    warehouse.send("campaigns", CAMPAIGNS, [campaign(secondary_status="A")])
    assert warehouse.query(f"SELECT status FROM ({CURRENT}) c") == [("A",)]


def test_a_campaign_of_two_ad_accounts_is_refused(warehouse: Warehouse) -> None:
    warehouse.put("campaigns", CAMPAIGNS, [campaign(), campaign(advertiser_id="7000000000000000002")])
    with pytest.raises(InputError, match=f"the dataset has {CAMPAIGN} in two ad accounts"):
        warehouse.publish("campaigns")


# -- entities that only reports know


def test_an_ad_that_only_the_report_has_gets_a_row_until_the_list_has_it(warehouse: Warehouse) -> None:
    asked = performance("ad", ["ad_name", "adgroup_id", "campaign_id"])
    group = "1900000000000000001"
    row = hour(ad_id=AD, ad_name="GMV", adgroup_id=group)
    warehouse.send("ad_hours", asked, [row, hour(at=11, ad_id=AD, ad_name="GMV new", adgroup_id="-")])
    history = (
        "SELECT ad_name, advertiser_id, campaign_id, adgroup_id, updated_at IS NOT NULL FROM tiktok_ads.ad_history"
    )
    ids = (int(ACCOUNT), int(CAMPAIGN), int(group), True)
    assert warehouse.query(history) == [("GMV new", *ids)]
    warehouse.send("ad_hours", asked, [row, hour(at=11, ad_id=AD, ad_name="Newest", adgroup_id=group)])
    assert warehouse.query(f"{history} ORDER BY updated_at") == [("GMV new", *ids), ("Newest", *ids)]
    modified = NOON - timedelta(days=400)
    listed = campaign(ad_id=AD, adgroup_id=group, ad_name="Listed", modify_time=modified)
    warehouse.send("ads", dataset("ads"), [listed])
    warehouse.send("ad_hours", asked, [row])
    assert warehouse.query("SELECT ad_name, updated_at AT TIME ZONE 'UTC' FROM tiktok_ads.ad_history") == [
        ("Listed", modified.replace(tzinfo=None))
    ]


# -- figures


def figures(warehouse: Warehouse) -> tuple[Any, ...]:
    ((*values,),) = warehouse.query("SELECT count(*), sum(spend), sum(clicks) FROM tiktok_ads.campaign_report_hourly")
    return tuple(int(value) if value == int(value) else value for value in values)


def test_a_restatement_rewrites_its_hours_and_no_others(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour(day, at) for day in (1, 2) for at in range(24)])
    changed = [hour(2, 5, conversion=9), hour(2, 6)]
    # Day 2 has two hours now, of which one has other figures.
    published = warehouse.send("hours", HOURS, changed, "partition", windows=(window(2, 2, ACCOUNT),))
    assert published == Published(PublishMode.CHANGES, 26, 1, 22, published.notes)
    assert figures(warehouse) == (26, Decimal("32.5"), 78)
    assert warehouse.query(
        "SELECT conversion FROM tiktok_ads.campaign_report_hourly WHERE stat_time_hour = '2026-01-02 05:00:00'"
    ) == [(9,)]


def test_a_publish_without_changes_says_that_the_rows_are_fresh(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour()])
    warehouse.send("campaigns", CAMPAIGNS, [campaign()])
    warehouse.put("hours", HOURS, [hour()])
    warehouse.put("campaigns", CAMPAIGNS, [campaign()])
    for slug, table in (("hours", "campaign_report_hourly"), ("campaigns", "campaign_history")):
        assert warehouse.publish(slug).written == 0
        (answer,) = warehouse.query(f"SELECT max(_fivetran_synced) AT TIME ZONE 'UTC' FROM tiktok_ads.{table}")
        assert answer == (warehouse.now.replace(tzinfo=None),)


def test_days_are_rows_at_midnight_with_the_same_totals(warehouse: Warehouse) -> None:
    asked = performance("campaign", [], time_dimension="day")
    warehouse.send("days", asked, [hour(stat_time_day=date(2026, 1, day)) for day in (1, 2)])
    assert warehouse.query("SELECT stat_time_hour FROM tiktok_ads.campaign_report_hourly ORDER BY 1") == [
        (datetime(2026, 1, day),)  # noqa: DTZ001 - hours of ad accounts have no zone
        for day in (1, 2)
    ]
    # The dataset changes to hours: its days go, so that nothing is there twice.
    warehouse.lake.drop("days")
    warehouse.send("days", HOURS, [hour(at=10), hour(at=11)])
    assert figures(warehouse) == (2, Decimal("2.5"), 6)


def test_days_of_another_dataset_are_refused_until_they_are_taken_over(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour(1), hour(2)])
    asked = performance("campaign", [], time_dimension="day")
    warehouse.send("other", asked, [hour(stat_time_day=date(2026, 1, 3))])
    warehouse.put("other", asked, [hour(stat_time_day=date(2026, 1, day)) for day in (2, 3)])
    with pytest.raises(InputError, match=f"Another dataset published days of campaign_id {CAMPAIGN}"):
        warehouse.publish("other")
    assert figures(warehouse) == (3, Decimal("3.75"), 9)
    warehouse.publish("other", reload=True)
    assert figures(warehouse) == (3, Decimal("3.75"), 9)
    # The first one does not lose its day silently.
    warehouse.put("hours", HOURS, [hour(1), hour(2), hour(3, 9)])
    with pytest.raises(InputError, match="Another dataset published days"):
        warehouse.publish("hours")


def test_rows_that_somebody_changed_are_put_right_with_the_next_version(warehouse: Warehouse) -> None:
    warehouse.send("hours", HOURS, [hour(at=at) for at in range(3)])
    for number, harm in enumerate(
        (
            "DELETE FROM {} WHERE stat_time_hour = '2026-01-01 00:00:00'",
            "UPDATE {} SET spend = 7",
            "INSERT INTO {} SELECT * FROM {}",
        )
    ):
        warehouse.query(harm.replace("{}", "tiktok_ads.campaign_report_hourly"))
        published = warehouse.send("hours", HOURS, [hour(at=0), hour(at=1), hour(at=2, clicks=number)])
        assert published.mode is PublishMode.FULL
        assert figures(warehouse) == (3, Decimal("3.75"), 6 + number)


def test_a_table_of_another_connector_is_left_alone(warehouse: Warehouse) -> None:
    warehouse.query("CREATE SCHEMA tiktok_ads")
    warehouse.query("CREATE TABLE tiktok_ads.campaign_history AS SELECT 1 AS mine")
    warehouse.put("campaigns", CAMPAIGNS, [campaign()])
    warehouse.put("hours", HOURS, [hour()])
    for slug in ("campaigns", "hours"):
        with pytest.raises(
            InputError, match=r"a table tiktok_ads\.campaign_history at the destination that adreel did"
        ):
            warehouse.publish(slug)
    assert warehouse.query("SELECT * FROM tiktok_ads.campaign_history") == [(1,)]


def test_what_does_not_arrive_is_an_error_and_changes_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres_warehouse(tmp_path, postgres) as warehouse:
        warehouse.send("hours", HOURS, [hour()])
        warehouse.query(
            "CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.spend := NEW.spend / 2; RETURN NEW; END $$"
        )
        warehouse.query(
            "CREATE TRIGGER half BEFORE INSERT ON tiktok_ads.campaign_report_hourly FOR EACH ROW "
            "EXECUTE FUNCTION half()"
        )
        warehouse.put("hours", HOURS, [hour(clicks=4)])
        with pytest.raises(ProofError, match="differs from the version in column spend"):
            warehouse.publish("hours")
        assert figures(warehouse) == (1, Decimal("1.25"), 3)
        assert warehouse.query(
            "SELECT version FROM tiktok_ads._adreel_layout_tables WHERE table_name LIKE '%hourly'"
        ) == [(0,)]


# -- Airbyte


def test_streams_have_airbytes_names_keys_and_objects(warehouse: Warehouse) -> None:
    warehouse.layout = "airbyte"
    names = ["campaign_name", "average_video_play"]
    rows = [hour(at=at, campaign_name="Spring", average_video_play=0.1, spend=Decimal("12.3")) for at in (0, 1)]
    published = warehouse.send("hours", performance("campaign", names), rows)
    assert published.notes == ()
    figure = "metrics ->> 'spend', metrics ->> 'clicks', metrics ->> 'campaign_name', metrics ->> 'reach'"
    dimension = "dimensions ->> 'stat_time_hour', dimensions ->> 'campaign_id'"
    table = "tiktok_ads.campaigns_reports_hourly"
    (first, _) = warehouse.query(f"SELECT campaign_id, advertiser_id, {figure}, {dimension} FROM {table} ORDER BY 7")
    expected = (int(CAMPAIGN), int(ACCOUNT), "12.3", "3", "Spring", None, "2026-01-01 00:00:00", CAMPAIGN)
    assert first == expected
    changed = warehouse.send("hours", performance("campaign", names), [rows[0], {**rows[1], "spend": Decimal(5)}])
    assert (changed.mode, changed.written) == (PublishMode.CHANGES, 1)
    assert warehouse.query(f"SELECT sum(CAST(metrics ->> 'spend' AS DECIMAL(24, 6))) FROM {table}") == [
        (Decimal("17.3"),)
    ]
    types = warehouse.types("campaigns_reports_hourly")
    assert types["stat_time_hour"] in ("TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE")
    assert types["metrics"] in ("JSON", "JSONB")


def test_objects_come_without_the_character_that_postgres_cannot_hold(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres_warehouse(tmp_path, postgres) as warehouse:
        warehouse.layout = "airbyte"
        asked, row = performance("campaign", ["campaign_name"]), hour(campaign_name="\0A\0\0 \\u0000\\\0")
        warehouse.send("hours", asked, [row])
        names = "SELECT metrics ->> 'campaign_name', metrics ->> 'clicks' FROM tiktok_ads.campaigns_reports_hourly"
        assert warehouse.query(names) == [("A \\u0000\\", "3")]
        assert warehouse.send("hours", asked, [{**row, "clicks": 4}]).mode is PublishMode.CHANGES
        assert warehouse.query(names) == [("A \\u0000\\", "4")]
        assert warehouse.publish("hours").mode is PublishMode.NOTHING


def test_streams_of_entities_have_one_row_each_and_times_without_a_zone(warehouse: Warehouse) -> None:
    warehouse.layout = "airbyte"
    modified = NOON - timedelta(days=2)
    for name in ("A", "B"):
        warehouse.send("campaigns", CAMPAIGNS, [campaign(campaign_name=name, modify_time=modified)])
    answer = warehouse.query("SELECT campaign_id, campaign_name, modify_time FROM tiktok_ads.campaigns")
    assert answer == [(int(CAMPAIGN), "B", modified.replace(tzinfo=None))]


@pytest.mark.parametrize(
    ("level", "keys", "stream"),
    [
        ("ad", {}, "ads_reports_hourly"),
        ("adgroup", {"time_dimension": "day"}, "ad_groups_reports_daily"),
        ("advertiser", {"time_dimension": "none", "lifetime": True, "dates": None}, "advertisers_reports_lifetime"),
        (
            "campaign",
            {"time_dimension": "day", "targeting_dimension": "country_code"},
            "campaigns_audience_reports_by_country_daily",
        ),
        (
            "adgroup",
            {"time_dimension": "day", "report_type": "audience", "audience_dimensions": ["age", "gender"]},
            "ad_group_audience_reports_daily",
        ),
        ("ad", {"time_dimension": "none"}, None),
    ],
)
def test_a_report_has_the_name_of_its_stream(level: str, keys: dict[str, Any], stream: str | None) -> None:
    values: dict[str, Any] = {"time_dimension": "hour", "dates": {"date": "yesterday"}, "metrics": ["spend"]}
    assert table_of("airbyte", dataset("performance", data_level=level, **(values | keys))) == stream


# -- which datasets fit


def test_a_dataset_that_fills_no_table_is_told_so() -> None:
    assert "no table of the layout" in str(refusal("fivetran", dataset("custom_audiences")))
    lifetime = performance("campaign", [], time_dimension="none", lifetime=True, dates=None)
    assert "no table of the layout" in str(refusal("fivetran", lifetime))
    assert "another update method than append" in str(
        refusal("fivetran", replace(HOURS, update=parse_update("append")))
    )
    bare = replace(HOURS, metrics=("spend", "clicks"))
    assert "needs these columns as well: impressions, conversion" in str(refusal("fivetran", bare))
    assert refusal("fivetran", HOURS) is None


def parse_update(method: str) -> Any:
    return dataset("campaigns", update={"method": method}).update
