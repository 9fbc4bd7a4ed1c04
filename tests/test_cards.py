"""Cards: what they show is what the rows come to, and what must not be added up is not."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel import catalog
from adreel.charts import (
    CardChoices,
    CardData,
    CardOffer,
    CardsData,
    as_table,
    card_data,
    cards_data,
    cards_of,
    chart_of,
)
from adreel.charts.definitions import CARDS, KINDS, ROWS, SHARING, SHARING_PART, TRAITS, VIDEO
from adreel.charts.measures import Count, Figures, Own, Quotient, Sum
from adreel.datasets.dataset import Dataset, Source, day_column, key_columns
from adreel.datasets.files import read
from adreel.datasets.schema import arrow_schema, columns, key
from adreel.datasets.validation import parse
from adreel.dates import Span
from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake, Write
from adreel.update_methods import Method
from home import Home, make_home
from running import saved, table

COSTS = "business_center_costs"
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""When the made-up tables were read: in their accounts the day is the 10th of March, and the 9th is over."""

Row = dict[str, Any]


# -- datasets and tables


def dataset_with(**keys: Any) -> Dataset:
    """A dataset file with these keys over a small daily report."""
    names = ["campaign_name"] if keys.get("data_level", "campaign") == "campaign" else []
    values = {
        "name": "Spend",
        "account": "demo",
        "report": "performance",
        "data_level": "campaign",
        "time_dimension": "day",
        "metrics": [*names, "spend", "impressions", "clicks", "conversion"],
        "dates": {"start": "2026-01-01", "end": "2026-03-10"},
    } | keys
    return parse(Source({name: value for name, value in values.items() if value is not None}, {}), NOON)


def row(campaign: str = "1", on: int = 1, spend: Decimal | int | None = 1, **more: Any) -> Row:
    """A campaign's day in March 2026."""
    return {
        "advertiser_id": "7",
        "campaign_id": campaign,
        "campaign_name": f"Campaign {campaign}",
        "stat_time_day": date(2026, 3, on),
        "spend": None if spend is None else Decimal(spend),
        "impressions": 100,
        "clicks": 10,
        "conversion": 1,
        "currency": "EUR",
        "timezone": "UTC+01:00",
    } | more


def commit_rows(lake: Lake, dataset: Dataset, rows: Sequence[Mapping[str, Any]], run: str = "run1") -> None:
    """Commits rows as a run of the dataset; columns that a row lacks are null."""
    schema = arrow_schema(columns(dataset))
    batch = pa.RecordBatch.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    write = Write(run, dataset.update.method, schema, key=key(dataset), day_column=day_column(dataset))
    lake.commit("spend", lambda: pa.RecordBatchReader.from_batches(schema, [batch]), write)


def lake_with(folder: Path, dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> Lake:
    lake = Lake(folder / "lake")
    commit_rows(lake, dataset, rows)
    return lake


def shown(lake: Lake, dataset: Dataset, choices: CardChoices | None = None, **options: Any) -> Shown:
    """All cards of the table, by key."""
    offers = cards_of(dataset, lake.table("spend").schema.names)
    return Shown(cards_data(lake, "spend", dataset, offers, choices, **({"read_at": NOON} | options)))


class Shown:
    """The cards of a page, by key."""

    def __init__(self, data: CardsData) -> None:
        self.facts = data.facts
        self.cards = {card.offer.key: card for card in data.cards}

    def __getitem__(self, name: str) -> CardData:
        return self.cards[name]

    def __contains__(self, name: str) -> bool:
        return name in self.cards


def column(card: CardData, name: str) -> list[Any]:
    """The values of a column, by its name."""
    place = [shown_column.name for shown_column in card.columns].index(name)
    return [row[place] for row in card.rows]


def by(card: CardData, name: str, value: str) -> dict[Any, Any]:
    """The values of one column by those of another."""
    return dict(zip(column(card, name), column(card, value), strict=True))


def notes_text(card: CardData) -> str:
    return " ".join(card.notes)


# -- real tables, from the simulator


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which every example was run, three accounts with a currency and a time zone each."""
    home = make_home(tmp_path_factory.mktemp("cards") / "home")
    home.add_account()
    for path in EXAMPLES:
        home.good("run", "-f", str(path))
    return home


def slug_of(path: Path) -> str:
    return str(read(path.read_text("utf-8")).values["name"]).lower().replace(" ", "_")


def of_example(home: Home, name: str, choices: CardChoices | None = None) -> tuple[Dataset, Shown, list[Row]]:
    """An example's dataset, its cards and the rows of its table."""
    (path,) = [example for example in EXAMPLES if example.stem == name]
    dataset = parse(read(path.read_text("utf-8")), home.now)
    lake, slug = Lake(home.path / "lake"), saved(home, slug_of(path)).table_slug
    offers = cards_of(dataset, lake.table(slug).schema.names)
    page = cards_data(lake, slug, dataset, offers, choices, read_at=home.now)
    return dataset, Shown(page), table(home, slug).to_pylist()


WITHOUT_CAMPAIGNS = frozenset(
    path.stem for path in EXAMPLES if path.stem.startswith(("business_center", "pixels", "identities"))
)
"""Lists of Business Centers, pixels and identities, of which charts only count rows."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({path.stem for path in EXAMPLES} - WITHOUT_CAMPAIGNS))
def test_every_report_has_two_cards_with_something_to_see(world: Home, name: str) -> None:
    _, page, _ = of_example(world, name)
    charts = [chart_of(card) for card in page.cards.values()]
    assert json.loads(json.dumps(charts)) == charts
    full = [chart for chart in charts if not chart["empty"] and not chart["refusal"]]
    assert len({chart["kind"] for chart in full}) >= 2
    assert len({chart["title"] for chart in charts}) == len(charts)


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_every_card_can_be_read_as_a_table(world: Home, name: str) -> None:
    _, page, _ = of_example(world, name)
    for card in page.cards.values():
        card_table = as_table(card)
        assert card.offer.title in card_table.caption
        assert {len(cells) for cells in (*card_table.rows, card_table.numeric)} <= {len(card_table.head)}
        assert bool(card_table.rows) is not card.is_empty
        if card_table.rows:
            assert not card_table.numeric[0]
            assert any(card_table.numeric)


def test_cost_by_day_is_the_sum_of_the_rows_of_one_currency(world: Home) -> None:
    for currency in ("EUR", "USD", "JPY"):
        _, page, rows = of_example(world, "ad_daily", CardChoices(currency=currency, days=7))
        sums: dict[date, Decimal] = defaultdict(Decimal)
        for row in rows:
            if row["currency"] == currency:
                sums[row["stat_time_day"]] += row["spend"]
        days = [date(2026, 11, 15) + timedelta(days=number) for number in range(7)]
        assert by(page["spend"], "day", "spend") == {day: pytest.approx(float(sums[day])) for day in days}
        before = {day: pytest.approx(float(sums[day])) for day in (day - timedelta(days=7) for day in days)}
        assert by(page["spend"], "previous day", "previous spend") == before
        assert {shown_column.currency for shown_column in page["spend"].columns if shown_column.unit == "money"} == {
            currency
        }


def test_counts_are_of_the_accounts_whose_money_is_shown(world: Home) -> None:
    """Else costs, clicks and views of one page would be of different ads."""
    _, page, rows = of_example(world, "ad_daily", CardChoices(days=7))
    since, currency = date(2026, 11, 15), page.facts.currency
    rows = [row for row in rows if row["stat_time_day"] >= since and row["currency"] == currency]
    clicks = sum(row["clicks"] for row in rows)
    assert sum(column(page["results"], "clicks")) == clicks
    assert clicks in column(page["totals"], "clicks")
    views = sum(row["video_play_actions"] for row in rows)
    assert column(page["funnel"], "value")[0] == views
    for card in ("totals", "results", "funnel"):
        assert f"Ad accounts in {currency} only." in notes_text(page[card])


def test_a_comparison_says_that_the_last_days_have_not_all_their_conversions(world: Home) -> None:
    _, page, _ = of_example(world, "ad_daily", CardChoices(days=7))
    assert "adds them for weeks" in notes_text(page["totals"])
    assert "adds them for weeks" not in notes_text(page["accounts"])


def test_a_currency_that_the_chosen_advertiser_does_not_have_is_told(tmp_path: Path) -> None:
    dataset, lake = two_currencies(tmp_path)
    page = shown(lake, dataset, CardChoices(currency="JPY", advertisers=("7",)))
    assert page.facts.currency == "EUR"
    assert "The selected ad account has no rows in JPY; its amounts are in EUR." in page["totals"].notes
    assert "no rows in" not in notes_text(shown(lake, dataset, CardChoices(currency="JPY"))["totals"])


def test_a_report_without_money_goes_over_all_accounts(tmp_path: Path) -> None:
    dataset = dataset_with(metrics=["impressions", "clicks"])
    rows = [row(), row("2", advertiser_id="8", currency="JPY")]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    assert column(page["totals"], "impressions") == [200]
    assert "currenc" not in notes_text(page["totals"])


def test_rates_are_made_of_sums(world: Home) -> None:
    _, page, rows = of_example(world, "ad_daily", CardChoices(currency="EUR", days=7))
    euro_rows = [row for row in rows if row["currency"] == "EUR" and row["stat_time_day"] >= date(2026, 11, 15)]
    sums = {
        name: float(sum(row[name] for row in euro_rows)) for name in ("spend", "impressions", "clicks", "conversion")
    }
    rates = {
        "ctr": 100 * sums["clicks"] / sums["impressions"],
        "conversion_rate_v2": 100 * sums["conversion"] / sums["impressions"],
        "cpc": sums["spend"] / sums["clicks"],
        "cpm": 1000 * sums["spend"] / sums["impressions"],
        "cost_per_conversion": sums["spend"] / sums["conversion"],
    }
    for name, value in (sums | rates).items():
        assert column(page["totals"], name)[0] == pytest.approx(value)


def test_the_top_ads_are_those_with_the_most_spend(world: Home) -> None:
    _, page, rows = of_example(world, "ad_daily", CardChoices(currency="USD", days=None))
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["currency"] == "USD":
            spent[row["ad_id"]] += row["spend"]
    best = sorted(spent, key=lambda ad: -spent[ad])[:10]
    assert column(page["ads"], "id") == best
    assert column(page["ads"], "spend") == [pytest.approx(float(spent[ad])) for ad in best]
    rest = 100 * (1 - float(sum(spent[ad] for ad in best)) / float(sum(spent.values())))
    assert f"Shows 10 of {len(spent)}; the others have {rest:.0f} % of the cost." in page["ads"].notes


def test_ads_have_their_names_and_what_lacks_a_name_has_its_id(world: Home) -> None:
    _, page, rows = of_example(world, "ad_daily")
    names = {row["ad_id"]: row["ad_name"] for row in rows}
    assert all(name.startswith(names[ad]) for ad, name in by(page["ads"], "id", "name").items())
    assert column(page["campaigns"], "name") == column(page["campaigns"], "id")


def test_the_funnel_has_the_steps_that_the_dataset_has(world: Home) -> None:
    _, page, rows = of_example(world, "ad_daily", CardChoices(days=None))
    steps = ("video_play_actions", "video_watched_2s", "video_watched_6s")
    sums = [sum(row[step] for row in rows if row["currency"] == page.facts.currency) for step in steps]
    assert column(page["funnel"], "value") == sums
    assert chart_of(page["funnel"])["shares"] == [pytest.approx(100 * count / sums[0]) for count in sums]


def test_hours_of_the_week_are_averages_of_whole_days(world: Home) -> None:
    _, page, rows = of_example(world, "campaign_hourly", CardChoices(currency="EUR"))
    assert page.facts.open_days == (date(2026, 11, 22),)
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        at = row["stat_time_hour"]
        if row["currency"] == "EUR" and at.date() < date(2026, 11, 22):
            sums[f"{at:%H}", f"{at:%A}"] += float(row["spend"])
    chart = chart_of(page["hours"])
    cells = {(chart["x"]["values"][x], chart["y"]["values"][y]): value for x, y, value in chart["cells"]}
    assert {place: value for place, value in cells.items() if value} == {
        place: pytest.approx(value) for place, value in sums.items() if value
    }
    assert chart["y"]["values"] == ["Friday", "Saturday"]


def test_an_hour_of_a_weekday_that_comes_twice_is_the_mean_of_both(tmp_path: Path) -> None:
    dataset = dataset_with(time_dimension="hour")
    hours = {day: datetime(2026, 3, day, 5, tzinfo=UTC).replace(tzinfo=None) for day in (1, 2, 8)}
    rows = [row(spend=spend, stat_time_hour=hours[day]) for day, spend in ((1, 4), (2, 7), (8, 6))]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    cells = {(day, hour): value for hour, day, value in page["hours"].rows}
    assert cells == {("Sunday", "05"): 5, ("Monday", "05"): 7}
    assert as_table(page["hours"]).rows == (("05", "7.00 EUR", "5.00 EUR"),)


def test_a_day_that_was_not_over_is_marked_and_in_no_sum(world: Home) -> None:
    _, page, rows = of_example(world, "campaign_hourly", CardChoices(currency="EUR"))
    chart = chart_of(page["spend"])
    assert chart["x"]["values"] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert chart["x"]["open"] == [2]
    closed_rows = [
        row for row in rows if row["currency"] == "EUR" and row["stat_time_hour"].date() < date(2026, 11, 22)
    ]
    assert column(page["totals"], "spend") == [pytest.approx(float(sum(row["spend"] for row in closed_rows)))]
    note = next(note for note in page["totals"].notes if "not complete" in note)
    assert note.startswith(
        "2026-11-22 was not complete in some ad accounts when the rows were read and is left out of sums"
    )


def test_age_and_gender_are_side_by_side(world: Home) -> None:
    _, page, rows = of_example(world, "audience_age_gender", CardChoices(currency="USD"))
    spent: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        if row["currency"] == "USD":
            spent[row["age"], row["gender"]] += float(row["spend"])
    chart = chart_of(page["age_gender"])
    assert chart["x"]["values"] == ["13-17", "18-24", "25-34", "35-44", "45-54", "55 and over"]
    (panel,) = chart["panels"]
    assert [series["name"] for series in panel["series"]] == ["Female", "Male", "Unknown"]
    assert panel["series"][1]["values"][1] == pytest.approx(spent["AGE_18_24", "MALE"])
    assert sum(column(page["age_gender"], "spend")) == pytest.approx(sum(spent.values()))


def test_countries_have_their_names(world: Home) -> None:
    _, page, _ = of_example(world, "spend_by_country")
    names = by(page["breakdown.country_code"], "id", "name")
    assert names["DE"] == "Germany"
    assert names["None"] == "Unknown"
    assert len(chart_of(page["breakdown_days.country_code"])["panels"][0]["series"]) == 5


def test_smart_plus_ads_without_names_say_where_names_are(world: Home) -> None:
    dataset, page, rows = of_example(world, "smart_plus_materials")
    how_to = "A dataset from the template Smart+ ads and their creatives has them"
    assert how_to in notes_text(page["ads"])
    (path,) = [example for example in EXAMPLES if example.stem == "smart_plus_materials"]
    lake, slug = Lake(world.path / "lake"), saved(world, slug_of(path)).table_slug
    names = {row["smart_plus_ad_id"]: "Spring" for row in rows}
    offers = cards_of(dataset, lake.table(slug).schema.names)
    named_page = Shown(cards_data(lake, slug, dataset, offers, read_at=world.now, names=names))
    assert how_to not in notes_text(named_page["ads"])
    assert column(named_page["ads"], "name")[0].startswith("Spring")


def test_catalogs_are_summed_and_their_products_only_compared(world: Home, tmp_path: Path) -> None:
    dataset, page, rows = of_example(world, "spend_by_catalog", CardChoices(currency="USD", days=None))
    spent: dict[str, float] = defaultdict(float)
    for each in rows:
        if each["currency"] == "USD" and each["stat_time_day"] not in page.facts.open_days:
            spent[each["catalog_id"]] += float(each["spend"])
    shown_cost = by(page["breakdown.catalog_id"], "id", "spend")
    assert shown_cost == {catalog_id: pytest.approx(cost) for catalog_id, cost in spent.items()}
    assert column(page["totals"], "spend") == [pytest.approx(sum(spent.values()))]
    assert "sums can be lower than without it" in notes_text(page["totals"])
    of_products = replace(dataset, breakdowns=("product_id",))
    sold = [row(product_id=product, spend=spend, timezone="UTC") for product, spend in (("11", 3), ("12", 4))]
    page = shown(lake_with(tmp_path, of_products, sold), of_products)
    assert "may count for several values of Product ID" in (page["totals"].refusal or "")
    panel = chart_of(page["breakdown_days.product_id"])["panels"][0]
    assert {series["name"]: max(filter(None, series["values"])) for series in panel["series"]} == {"11": 3, "12": 4}


def test_entities_are_counted_by_status(world: Home) -> None:
    _, page, rows = of_example(world, "ads")
    assert by(page["kinds.secondary_status"], "id", ROWS) == Counter(row["secondary_status"] for row in rows)
    assert sum(column(page["created"], ROWS)) == len(rows)
    assert page["owners"].offer.title == "Ads by ad account"


CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[A-Z]{4,}")
OWN_WORDS = (
    "_name",
    "_text",
    "name",
    "currency",
    "country",
    "country_code",
    "language",
    "languages",
    "company",
    "rule",
)
"""Columns whose values are the account's words, or codes of the world at large."""


def test_every_constant_that_tiktok_answers_has_a_label(world: Home) -> None:
    """Also those of columns that no chart shows, as the Data tab has them all."""
    nameless = set()
    counted = Counter[str]()
    for path in EXAMPLES:
        for name, values in table(world, saved(world, slug_of(path)).table_slug).to_pydict().items():
            parts = {part for value in values for part in (value if isinstance(value, list) else [value])}
            constants = {part for part in parts if isinstance(part, str) and CONSTANT.fullmatch(part)}
            if name.endswith(OWN_WORDS):
                continue
            labels = catalog.value_labels().get(name, {})
            nameless |= {(name, constant) for constant in constants if not labels.get(constant)}
            counted.update(dict.fromkeys([name] if constants else [], len(constants)))
    assert not nameless
    assert len(counted) > 30
    assert counted["secondary_status"] >= 3


def test_labels_are_what_ads_manager_says_and_not_the_constants_verbs() -> None:
    every = {label for of_column in catalog.value_labels().values() for label in of_column.values()}
    assert {"Active", "Paused", "Deleted", "No limit", "R&F reach", "TopView", "Lifetime"} <= every
    verbs = {"Enable", "Disable", "Delete", "Limit", "Infinite", "Rf reach", "Topview reach", "Delivery ok", "Total"}
    assert not every & verbs
    assert not [label for label in every if "_" in label or label != label.strip()]
    statuses = ("operation_status", "secondary_status", "status")
    shouted = [
        constant
        for column_name in statuses
        for constant, label in catalog.value_labels()[column_name].items()
        if label.casefold() in (constant.casefold(), constant.rpartition("_STATUS_")[2].replace("_", " ").casefold())
    ]
    assert shouted == ["FROZEN"]


def test_audiences_are_compared_by_size_and_not_added_up(world: Home) -> None:
    _, page, rows = of_example(world, "custom_audiences")
    sizes = sorted((row["cover_num"] for row in rows), reverse=True)
    assert column(page["sizes"], "cover_num") == sizes[:15]
    assert set(column(page["kinds.is_valid"], "name")) <= {"Valid", "Not valid"}
    assert page["sizes"].notes == (f"Shows 15 of {len(rows)}.",)


def test_creatives_are_ranked_among_those_that_were_shown_enough(world: Home) -> None:
    _, page, rows = of_example(world, "creatives")
    rows = [row for row in rows if row["currency"] == page.facts.currency and row["impressions"] >= 1000]
    rates = {row["material_id"]: 100 * row["clicks"] / row["impressions"] for row in rows}
    best = sorted(rates, key=lambda material: -rates[material])[:15]
    assert column(page["creative_rates"], "ctr") == [pytest.approx(rates[material]) for material in best]
    assert "Figures cover 2026-11-15 to 2026-11-21." in page["creatives"].notes


# -- arithmetic


def every_figure(dataset: Dataset) -> Figures:
    return Figures({entry.name: entry for entry in columns(dataset)})


def with_metrics(*names: str, **keys: Any) -> Dataset:
    """A dataset with any metrics of the catalogue, whether or not TikTok takes them together."""
    return replace(dataset_with(**keys), metrics=tuple(dict.fromkeys(names)))


DATASETS = (
    dataset_with(),
    dataset_with(time_dimension="hour"),
    dataset_with(time_dimension="none"),
    dataset_with(time_dimension="none", lifetime=True, dates=None),
    dataset_with(data_level="advertiser"),
    dataset_with(data_level="advertiser", id_dimension="none"),
    dataset_with(data_level="ad", id_dimension="ad_id_v2"),
    dataset_with(targeting_dimension="country_code"),
    dataset_with(targeting_dimension="page_id", metrics=["spend"]),
    dataset_with(report_type="audience", audience_dimensions=["age", "gender"], metrics=["spend"]),
    dataset_with(
        report_type="audience", audience_dimensions=["interest_category"], metrics=["spend"], time_dimension="none"
    ),
)
LISTS = tuple(
    dataset_with(report=name, data_level=None, time_dimension=None, metrics=None, dates=None)
    for name in ("ads", "ad_groups", "campaigns", "advertisers", "custom_audiences", "custom_audience_details")
)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize(
    "dataset", DATASETS, ids=lambda dataset: f"{dataset.level} {dataset.time} {' '.join(dataset.breakdowns)}"
)
def test_no_card_does_with_a_metric_what_must_not_be_done_with_it(dataset: Dataset, step: int) -> None:
    """All cards times all metrics, also where a rate's parts are not all there: every second, every third is."""
    wide = replace(dataset, metrics=tuple(catalog.metrics())[::step])
    names = {entry.name for entry in columns(wide)}
    offers = cards_of(wide, names, [replace(card, most=len(catalog.metrics())) for card in CARDS])
    assert offers
    for offer in offers:
        assert_sensible(offer, wide, names)


def assert_sensible(offer: CardOffer, dataset: Dataset, names: set[str]) -> None:
    metrics = catalog.metrics()
    grouped_by = {axis.by for axis in offer.axes}
    for figure in offer.needed:
        match figure.computation:
            case Sum(name):
                assert metrics[name].additive
                assert name in names
            case Quotient(over, under, scale):
                metric = metrics[figure.name]
                if offer.kind == "curve":
                    assert (over, under, scale) == (figure.name, VIDEO[0], 100)
                else:
                    assert (over, under, scale) == (metric.numerator, metric.denominator, metric.scale)
                assert metrics[over].additive
                assert metrics[under].additive
                assert {over, under} <= names
            case Own():
                days = {"stat_time_day"} if "@day" in grouped_by else set()
                assert set(key_columns(dataset)) <= grouped_by | {"advertiser_id"} | days
            case Count():
                assert offer.card.subject == "entities"
        money = [metrics[part].type == "money" for part in parts_of(figure.computation)]
        assert figure.has_money == any(money)
    overlapping = {name for name in dataset.breakdowns if name not in SHARING | SHARING_PART}
    if (
        any(isinstance(shown_figure.computation, Sum | Quotient) for shown_figure in offer.figures)
        and not overlapping <= grouped_by
    ):
        assert offer.refusal


def parts_of(computation: Any) -> tuple[str, ...]:
    match computation:
        case Quotient(over, under, _):
            return (over, under)
        case Sum(name) | Own(name):
            return (name,)
    return ()


def test_what_people_are_reached_is_neither_added_up_nor_averaged(tmp_path: Path) -> None:
    dataset = dataset_with(data_level="advertiser", metrics=["spend", "impressions", "reach", "frequency", "result"])
    rows = [
        {**row(on=day, spend=2), "advertiser_id": account, "reach": 50 + day, "frequency": 2.0, "result": 3}
        for day in (1, 2)
        for account in ("7", "8")
    ]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    named = {figure.name for card in page.cards.values() for figure in card.offer.figures}
    assert "reach" in named
    for name, card in page.cards.items():
        if "reach" in {figure.name for figure in card.offer.figures}:
            assert name == "people_days"
            assert set(column(card, "reach")) == {51, 52}


def test_a_row_s_own_value_is_not_shown_where_several_rows_stand_for_it(tmp_path: Path) -> None:
    dataset = dataset_with(data_level="advertiser", metrics=["spend", "reach"])
    page = shown(lake_with(tmp_path, dataset, [row(on=1, reach=5), row(on=2, reach=6), row(on=2, reach=7)]), dataset)
    assert column(page["people_days"], "reach") == [5, None]


def test_every_sum_and_rate_of_the_catalogue_is_what_the_rows_come_to(tmp_path: Path) -> None:
    names = tuple(catalog.metrics())
    dataset = with_metrics(*names)
    numbers = ("money", "int", "rate", "ratio", "float")
    kinds = {entry.name: entry.type for entry in columns(dataset) if entry.part == "metrics"}
    rows: list[Row] = []
    for number in range(6):
        values = {
            name: (number * 7 + place) % 11 if kind == "int" else Decimal((number * 5 + place) % 13) / 4
            for place, (name, kind) in enumerate(kinds.items())
            if kind in numbers
        }
        floats = {name: float(value) for name, value in values.items() if kinds[name] == "float"}
        keys = {"campaign_id": str(number % 2), "stat_time_day": date(2026, 3, 1 + number)}
        rows.append({"advertiser_id": "7", **values, **floats, **keys, "currency": "EUR", "timezone": "UTC+00:00"})
    lake = lake_with(tmp_path, dataset, rows)
    figures = every_figure(dataset)
    computable = [figure for name in names if (figure := figures.computed(name)) is not None]
    assert len(computable) == sum(metric.additive for metric in catalog.metrics().values()) + sum(map(has_sums, names))
    offers = {offer.key: offer for offer in cards_of(dataset, lake.table("spend").schema.names)}
    everything = replace(offers["totals"], figures=tuple(computable))
    totals = card_data(lake, "spend", dataset, everything, CardChoices(days=None), read_at=NOON)
    for figure, (value,) in zip(computable, (column(totals, figure.name) for figure in computable), strict=True):
        assert value == pytest.approx(expected(figure.computation, rows)), figure.name


def has_sums(name: str) -> bool:
    metric = catalog.metrics()[name]
    parts = [catalog.metrics().get(part or "") for part in (metric.numerator, metric.denominator)]
    return all(part is not None and part.additive for part in parts)


def expected(computation: Any, rows: Iterable[Row]) -> float | None:
    """The figure in plain Python; a rate goes over the rows that have both of its parts."""
    if isinstance(computation, Sum):
        values = [row[computation.column] for row in rows if row[computation.column] is not None]
        return float(sum(values)) if values else None
    both = [row for row in rows if row[computation.over] is not None and row[computation.under] is not None]
    under = sum(row[computation.under] for row in both)
    return computation.scale * float(sum(row[computation.over] for row in both)) / float(under) if under else None


counts = st.none() | st.integers(0, 10**9)
rows_of_any_kind = st.lists(
    st.builds(
        lambda account, campaign, day, spend, impressions, clicks: row(
            campaign,
            day,
            None if spend is None else Decimal(spend) / 100,
            advertiser_id=account,
            impressions=impressions,
            clicks=clicks,
            currency={"7": "EUR", "8": "USD", "9": None}[account],
        ),
        st.sampled_from("789"),
        st.sampled_from("123"),
        st.integers(1, 9),
        counts,
        counts,
        counts,
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: (row["advertiser_id"], row["campaign_id"], row["stat_time_day"]),
)


@settings(max_examples=15)
@given(rows=rows_of_any_kind, currency=st.sampled_from(["EUR", "USD", ""]))
def test_whatever_the_rows_are_sums_and_rates_are_those_of_one_currency(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], currency: str
) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path_factory.mktemp("rows"), dataset, rows)
    currencies = {row["currency"] or "" for row in rows}
    if currency not in currencies:
        with pytest.raises(InputError, match="currency"):
            shown(lake, dataset, CardChoices(currency=currency))
        return
    page = shown(lake, dataset, CardChoices(currency=currency, days=None))
    currency_rows = [row for row in rows if (row["currency"] or "") == currency]
    for figure in page["totals"].offer.figures:
        assert column(page["totals"], figure.name)[0] == pytest.approx(expected(figure.computation, currency_rows))
    for figure in page["rates"].offer.figures:
        for day, value in by(page["rates"], "day", figure.name).items():
            assert value == pytest.approx(
                expected(figure.computation, [row for row in currency_rows if row["stat_time_day"] == day])
            )
    campaigns = {row["campaign_id"] for row in currency_rows if row["spend"] is not None}
    assert set(column(page["campaigns"], "id")) == campaigns
    for campaign, value in by(page["campaigns"], "id", "cpc").items():
        mine = [row for row in currency_rows if row["campaign_id"] == campaign]
        assert value == pytest.approx(expected(Quotient("spend", "clicks", 1), mine))


def test_a_rate_leaves_out_rows_without_one_of_its_parts_and_says_so(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row(on=1, spend=4, clicks=2), row(on=2, spend=100, clicks=None)]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    assert column(page["totals"], "cpc") == [2]
    assert column(page["totals"], "spend") == [104]
    assert "Some rows have no value for Clicks (destination)" in notes_text(page["totals"])
    assert "no value" not in notes_text(page["results"])


def test_impressions_that_may_count_twice_are_not_added_up(tmp_path: Path) -> None:
    dataset = dataset_with(
        report_type="audience", audience_dimensions=["contextual_tag"], metrics=["spend", "impressions"]
    )
    rows = [row(on=1, contextual_tag=tag) for tag in ("a", "b")]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    for name in ("totals", "spend", "results", "campaigns"):
        assert "may count for several values of Contextual tag" in (page[name].refusal or "")
        assert page[name].rows == ()
        assert chart_of(page[name])["refusal"] == page[name].refusal
    assert by(page["breakdown.contextual_tag"], "id", "spend") == {"a": 1, "b": 1}


def test_images_of_a_carousel_are_not_added_up(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"report": "creatives", "data_level": None, "time_dimension": None}
    metrics = ["spend", "impressions", "clicks"]
    image = dataset_with(**keys, metrics=metrics, material_type="image")
    video = dataset_with(**keys, metrics=metrics, material_type="video")
    for dataset, refused in ((image, True), (video, False)):
        offers = {entry.key: entry for entry in cards_of(dataset, {entry.name for entry in columns(dataset)})}
        assert bool(offers["totals"].refusal) is refused
        assert offers["creatives"].refusal is None


def test_a_part_of_the_whole_is_called_one(tmp_path: Path) -> None:
    dataset = dataset_with(
        data_level="adgroup", targeting_dimension="search_terms", metrics=["spend", "clicks", "impressions"]
    )
    page = shown(lake_with(tmp_path, dataset, [row(adgroup_id="3", search_terms="shoes")]), dataset)
    assert "a part of delivery only" in notes_text(page["totals"])


def test_the_same_rate_is_not_shown_under_two_names() -> None:
    dataset = dataset_with(metrics=["conversion", "impressions", "conversion_rate", "conversion_rate_v2"])
    (rates,) = [
        entry for entry in cards_of(dataset, {entry.name for entry in columns(dataset)}) if entry.key == "rates"
    ]
    assert [shown_figure.name for shown_figure in rates.figures] == ["conversion_rate_v2"]


def test_what_the_dataset_lacks_is_not_shown() -> None:
    dataset = dataset_with(metrics=["spend", "cpc"])
    offers = {entry.key: entry for entry in cards_of(dataset, {entry.name for entry in columns(dataset)})}
    assert "rates" not in offers
    without = {offer.key for offer in cards_of(dataset, {"advertiser_id", "campaign_id", "stat_time_day", "spend"})}
    assert "spend" not in without, "money without a currency is no amount"
    assert cards_of(dataset, set()) == ()


def test_an_event_is_shown_with_its_twins() -> None:
    twins = next(metric for metric in catalog.metrics().values() if metric.additive and len(metric.twins) > 1)
    dataset = with_metrics("spend", twins.name, *twins.twins)
    (card,) = [entry for entry in cards_of(dataset, {entry.name for entry in columns(dataset)}) if entry.key == "twins"]
    additive = [name for name in (twins.name, *twins.twins) if catalog.metrics()[name].additive]
    assert [shown_figure.name for shown_figure in card.figures] == additive[: card.card.most]


# -- currencies and accounts


def two_currencies(tmp_path: Path) -> tuple[Dataset, Lake]:
    dataset = dataset_with()
    rows = [row("1", day, 5, advertiser_id="7") for day in (1, 2, 3)]
    rows += [row("2", day, 900, advertiser_id="8", currency="JPY") for day in (1, 2)]
    return dataset, lake_with(tmp_path, dataset, rows)


def test_money_is_shown_in_the_currency_with_the_most_rows(tmp_path: Path) -> None:
    dataset, lake = two_currencies(tmp_path)
    page = shown(lake, dataset)
    assert page.facts.currency == "EUR"
    assert [(currency.code, currency.rows) for currency in page.facts.currencies] == [("EUR", 3), ("JPY", 2)]
    assert column(page["totals"], "spend") == [15]
    note = "Ad accounts in EUR only. Ad accounts in JPY are left out, as currencies are never summed."
    assert note in page["totals"].notes
    assert column(page["accounts"], "id") == ["7"]


def test_another_currency_can_be_chosen(tmp_path: Path) -> None:
    dataset, lake = two_currencies(tmp_path)
    page = shown(lake, dataset, CardChoices(currency="JPY"))
    assert column(page["totals"], "spend") == [1800]
    assert as_table(page["totals"]).rows[0][1] == "1,800 JPY"
    (money,) = [number["format"] for number in chart_of(page["totals"])["numbers"] if number["title"] == "Cost"]
    assert money == {"unit": "money", "currency": "JPY", "decimals": 0}


def test_one_account_can_be_chosen_and_brings_its_currency(tmp_path: Path) -> None:
    dataset, lake = two_currencies(tmp_path)
    page = shown(lake, dataset, CardChoices(currency="EUR", advertisers=("8",)))
    assert page.facts.currency == "JPY"
    assert column(page["totals"], "spend") == [1800]
    assert {account.id for account in page.facts.advertisers} == {"7", "8"}


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (CardChoices(currency="CHF"), "the table has no rows in 'CHF'. Choose one of: EUR, JPY"),
        (CardChoices(advertisers=("x' OR 1=1",)), "the table has no rows of ad account"),
        (CardChoices(days=0), "0 is not a valid number of days"),
    ],
)
def test_choices_that_the_table_does_not_have_are_refused(tmp_path: Path, choices: CardChoices, words: str) -> None:
    dataset, lake = two_currencies(tmp_path)
    with pytest.raises(InputError, match=words):
        shown(lake, dataset, choices)


def test_a_table_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        cards_data(Lake("/nowhere/lake"), "spend", dataset_with(), (), read_at=NOON)


def test_a_table_of_other_settings_is_not_guessed_at(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, dataset_with(), [row(on=1)])
    changed = dataset_with(time_dimension="hour", update={"method": "replace"}, reset_schema=True)
    page = shown(lake, changed)
    assert "totals" in page
    for card in page.cards.values():
        assert "Run the dataset to see this chart" in (card.refusal or "")


def test_an_empty_table_has_empty_cards(tmp_path: Path) -> None:
    dataset = dataset_with()
    page = shown(lake_with(tmp_path, dataset, []), dataset)
    assert page.facts.rows == 0
    assert all(card.is_empty for card in page.cards.values())
    assert all(chart_of(card)["empty"] for card in page.cards.values())
    assert page["people"].is_empty if "people" in page else True


# -- days


def test_the_days_before_are_shown_if_the_table_has_them_whole(tmp_path: Path) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [row(on=day, spend=day) for day in range(1, 10)])
    page = shown(lake, dataset, CardChoices(days=4))
    assert page.facts.window is not None
    assert page.facts.previous is not None
    assert column(page["totals"], "period") == ["2026-03-06 to 2026-03-09", "2026-03-02 to 2026-03-05"]
    assert column(page["totals"], "spend") == [30, 14]
    (cost,) = [number for number in chart_of(page["totals"])["numbers"] if number["title"] == "Cost"]
    assert cost["change"] == pytest.approx(100 * 16 / 14)
    assert shown(lake, dataset, CardChoices(days=5)).facts.previous is None
    alone = shown(lake, dataset, CardChoices(days=5))
    assert "previous spend" not in [shown_column.name for shown_column in alone["spend"].columns]
    # The help says what is drawn: the previous period only where there is one.
    assert page["spend"].meaning == "Cost of each day. Dashed: the previous period."
    assert alone["spend"].meaning == "Cost of each day."
    everything = [card.meaning + notes_text(card) for card in alone.cards.values()]
    assert not [text for text in everything if "previous period" in text and "No previous period" not in text]


def test_a_comparison_of_money_needs_the_days_before_of_its_own_accounts_only(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row(on=day) for day in range(1, 9)]
    rows += [row("2", day, 70, advertiser_id="8", currency="JPY") for day in range(5, 9)]
    page = shown(lake_with(tmp_path, dataset, rows), dataset, CardChoices(currency="EUR", days=4))
    assert len(column(page["totals"], "spend")) == 2
    yen = shown(lake_with(tmp_path, dataset, rows), dataset, CardChoices(currency="JPY", days=4))
    assert len(column(yen["totals"], "spend")) == 1
    assert yen.facts.first == date(2026, 3, 5)


def test_the_days_are_those_of_the_accounts_that_are_shown(tmp_path: Path) -> None:
    """An account in another zone, for which a day was not over, takes no day from those that are shown."""
    dataset = dataset_with(dates={"start": "2026-01-01", "end": "today"})
    rows = [row(on=day) for day in range(1, 10)] + [row("2", 3, 70, advertiser_id="8", currency="USD")]
    lake = lake_with(tmp_path, dataset, rows)
    dollars, euros = (shown(lake, dataset, CardChoices(currency=code, days=4)) for code in ("USD", "EUR"))
    assert column(dollars["totals"], "spend") == [70]
    assert dollars.facts.window == Span(date(2026, 3, 3), date(2026, 3, 3))
    assert euros.facts.window == Span(date(2026, 3, 6), date(2026, 3, 9))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(on=day) for day in (1, 2, 3, 4, 6, 7, 8, 9)], "the table has no rows of 2026-03-05"),
        (
            [row(on=day) for day in range(1, 10)] + [row("2", day, advertiser_id="8") for day in (3, 4, 7)],
            "does not have all days from 2026-03-02 on for ad account 8",
        ),
    ],
)
def test_days_that_may_not_be_whole_are_not_compared_with(tmp_path: Path, rows: list[Row], reason: str) -> None:
    dataset = dataset_with()
    page = shown(lake_with(tmp_path, dataset, rows), dataset, CardChoices(days=4))
    assert page.facts.previous is None
    assert reason in notes_text(page["totals"])
    assert reason in notes_text(page["spend"])
    assert len(page["totals"].rows) == 1


def test_an_account_that_stopped_earlier_does_not_hide_the_previous_period(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row(on=day) for day in range(1, 10)] + [row("2", 4, advertiser_id="8")]
    assert shown(lake_with(tmp_path, dataset, rows), dataset, CardChoices(days=4)).facts.previous is not None


def test_a_day_is_over_when_it_is_over_in_every_account(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row(on=day) for day in (7, 8, 9)] + [row("2", 9, advertiser_id="8", timezone="UTC-11:00")]
    lake = lake_with(tmp_path, dataset, rows)
    after = datetime(2026, 3, 10, 1, tzinfo=UTC)
    page = shown(lake, dataset, read_at=after)
    assert page.facts.open_days == (date(2026, 3, 9),)
    assert shown(lake, dataset, CardChoices(advertisers=("7",)), read_at=after).facts.open_days == ()
    assert "these ad accounts are in 2 time zones" in notes_text(page["spend"])


@pytest.mark.parametrize("zone", [None, "somewhere"])
def test_without_a_zone_a_day_is_complete_two_hours_after_it_is_over_everywhere(
    tmp_path: Path, zone: str | None
) -> None:
    dataset = dataset_with()
    lake = lake_with(tmp_path, dataset, [row(on=day, timezone=zone) for day in (8, 9)])
    assert shown(lake, dataset, read_at=datetime(2026, 3, 10, 13, tzinfo=UTC)).facts.open_days == (date(2026, 3, 9),)
    assert shown(lake, dataset, read_at=datetime(2026, 3, 10, 14, tzinfo=UTC)).facts.open_days == ()


def test_if_no_day_is_over_the_day_is_shown_and_named(tmp_path: Path) -> None:
    dataset = dataset_with(dates={"date": "today"})
    page = shown(lake_with(tmp_path, dataset, [row(on=10, spend=3)]), dataset)
    assert column(page["totals"], "spend") == [3]
    assert "2026-03-10 was not complete when the rows were read. Figures will increase." in page["totals"].notes
    assert "reads each day only while it is in progress" in notes_text(page["totals"])
    assert chart_of(page["spend"])["x"]["open"] == [0]


def test_incomplete_days_of_a_late_metric_are_on_no_side_of_a_comparison(tmp_path: Path) -> None:
    """Net cost is complete eleven hours after the end of a day, at ten o'clock; the other metrics are after two."""
    dataset = dataset_with(
        metrics=["spend", "billed_cost", "clicks"],
        calculated_metrics=[{"name": "net_cpc", "title": "Net CPC", "formula": "billed_cost / clicks"}],
    )
    lake = lake_with(tmp_path, dataset, [row(on=day, spend=day, billed_cost=Decimal(day)) for day in range(1, 10)])
    nine = datetime(2026, 3, 10, 9, tzinfo=UTC)

    def page(choices: CardChoices, read_at: datetime = nine) -> Shown:
        return shown(lake, dataset, choices, read_at=read_at)

    early = page(CardChoices(days=4))
    assert column(early["totals"], "spend") == [30, 14]
    assert column(early["totals"], "billed_cost") == [6 + 7 + 8, 2 + 3 + 4]
    assert column(early["totals"], "net_cpc") == [pytest.approx(21 / 30), pytest.approx(9 / 30)]
    changes = {number["title"]: number["change"] for number in chart_of(early["totals"])["numbers"]}
    assert changes["Cost"] == pytest.approx(100 * 16 / 14)
    assert changes["Net cost until 2026-03-08"] == pytest.approx(100 * 12 / 9)
    assert [title for title in as_table(early["totals"]).head if "until" in title] == [
        "Net cost until 2026-03-08",
        "Net CPC until 2026-03-08",
    ]
    sentence = "Net cost of 2026-03-09 was not complete when the rows were read (complete on 2026-03-10 at 10:00 UTC)."
    assert sentence in notes_text(early["totals"])
    assert sentence in " ".join(early.facts.choice_notes)
    # Without a period before, the day is in no total either.
    assert column(page(CardChoices(days=6))["totals"], "billed_cost") == [4 + 5 + 6 + 7 + 8]
    # A single day has no earlier one: it is shown, and compared with nothing.
    yesterday = page(CardChoices(days=1))
    assert column(yesterday["totals"], "spend") == [9, 8]
    assert column(yesterday["totals"], "billed_cost") == [9, None]
    assert "is too low, so it is not compared" in notes_text(yesterday["totals"])
    # Periods of different lengths have no days to leave out alike; days to compare with may be incomplete themselves.
    uneven = page(CardChoices(days=4, comparison=Span(date(2026, 3, 1), date(2026, 3, 3))))
    assert column(uneven["totals"], "billed_cost") == [6 + 7 + 8, None]
    later = page(CardChoices(days=Span(date(2026, 3, 1), date(2026, 3, 2)), comparison=Span(*[date(2026, 3, 9)] * 2)))
    assert column(later["totals"], "billed_cost") == [3, None]
    complete = page(CardChoices(days=4), nine + timedelta(hours=1))
    assert column(complete["totals"], "billed_cost") == [30, 14]
    assert sentence not in notes_text(complete["totals"])


def test_a_line_of_a_late_metric_marks_its_incomplete_days_and_compares_them_with_nothing(tmp_path: Path) -> None:
    dataset = dataset_with(metrics=["spend", "billed_cost", "clicks"])
    lake = lake_with(tmp_path, dataset, [row(on=day, spend=day, billed_cost=Decimal(day)) for day in range(1, 10)])
    names = lake.table("spend").schema.names
    (offer,) = [card for card in cards_of(dataset, names, metrics={"spend": "billed_cost"}) if card.key == "spend"]
    read_at = datetime(2026, 3, 10, 9, tzinfo=UTC)
    card = card_data(lake, "spend", dataset, offer, CardChoices(days=4), read_at=read_at)
    chart = chart_of(card)
    (panel,) = chart["panels"]
    assert chart["x"]["open"] == []
    assert panel["open"] == [3]
    assert panel["total"] == 6 + 7 + 8
    assert panel["series"][0]["values"] == [6, 7, 8, 9]
    assert panel["series"][1]["values"] == [2, 3, 4, None]
    assert as_table(card).rows[-1] == ("2026-03-09", "9.00 EUR (incomplete)", "2026-03-05", "\N{EN DASH}")
    own = shown(lake, dataset, CardChoices(days=4), read_at=read_at)["spend"]
    assert "open" not in chart_of(own)["panels"][0]
    assert "Net cost" not in notes_text(own)


def test_more_days_than_the_table_has_are_all_of_them(tmp_path: Path) -> None:
    dataset = dataset_with()
    page = shown(lake_with(tmp_path, dataset, [row(on=day) for day in (1, 2)]), dataset, CardChoices(days=10**12))
    assert column(page["totals"], "spend") == [2]


def test_days_without_rows_are_gaps_and_not_zeros(tmp_path: Path) -> None:
    dataset = dataset_with()
    page = shown(lake_with(tmp_path, dataset, [row(on=1), row(on=4)]), dataset)
    assert column(page["spend"], "spend") == [1, None, None, 1]
    assert "2 of the 4 days have no rows" in notes_text(page["spend"])
    assert as_table(page["spend"]).rows[1] == ("2026-03-02", "\N{EN DASH}")


def test_a_campaign_has_its_newest_name(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row(on=1, campaign_name="Zebra"), row(on=2, campaign_name="Aardvark")]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    assert column(page["campaigns"], "name") == ["Aardvark"]
    assert column(page["campaigns"], "spend") == [2]


def test_things_of_one_name_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    dataset = dataset_with()
    rows = [row("1", 1, campaign_name="Same"), row("2", 1, campaign_name="Same", spend=2)]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    assert column(page["campaigns"], "name") == ["Same (2)", "Same (1)"]


# -- rows that stand there several times


def appended(tmp_path: Path, *runs: Sequence[int], **keys: Any) -> tuple[Dataset, Lake]:
    dataset = dataset_with(update={"method": "append"}, **keys)
    lake = Lake(tmp_path / "lake")
    for number, days in enumerate(runs):
        commit_rows(lake, dataset, [row(on=day) for day in days], f"run{number}")
    return dataset, lake


def test_rows_that_were_appended_once_are_counted(tmp_path: Path) -> None:
    dataset, lake = appended(tmp_path, (1, 2), (3, 4))
    assert column(shown(lake, dataset)["totals"], "spend") == [4]


def test_rows_that_were_appended_twice_are_not_counted_twice(tmp_path: Path) -> None:
    dataset, lake = appended(tmp_path, (1, 2, 3), (3, 4))
    page = shown(lake, dataset)
    for card in page.cards.values():
        assert card.rows == ()
        assert "1 of 5 rows repeat another row's advertiser_id, campaign_id, stat_time_day" in (card.refusal or "")
    assert column(shown(lake, dataset, CardChoices(days=1))["totals"], "spend") == [1]


def test_rows_that_were_appended_before_the_method_changed_are_not_counted_twice(tmp_path: Path) -> None:
    _, lake = appended(tmp_path, (1, 2, 3), (3, 4))
    now = dataset_with(update={"method": "upsert"})
    assert shown(lake, now, methods=(Method.APPEND, Method.UPSERT))["totals"].refusal


def test_a_key_with_more_columns_may_keep_a_row_twice(tmp_path: Path) -> None:
    key = ["advertiser_id", "campaign_id", "stat_time_day", "campaign_name"]
    dataset = dataset_with(update={"method": "upsert", "key": key})
    lake = lake_with(tmp_path, dataset, [row(on=1, campaign_name="Old")])
    commit_rows(lake, dataset, [row(on=1, campaign_name="New")], "run2")
    assert shown(lake, dataset)["totals"].refusal


def test_ranges_that_overlap_are_not_added_up(tmp_path: Path) -> None:
    dataset = dataset_with(time_dimension="none", dates={"period": "last_7_days"}, update={"method": "upsert"})
    lake = Lake(tmp_path / "lake")

    def range_row(account: str, end: int, spend: int) -> Row:
        days = {"start_date": date(2026, 3, end) - timedelta(days=6), "end_date": date(2026, 3, end)}
        return row(account, 1, spend, advertiser_id=account, **days)

    commit_rows(lake, dataset, [range_row("7", 8, 5), range_row("8", 8, 7)], "run1")
    commit_rows(lake, dataset, [range_row("7", 9, 6)], "run2")
    page = shown(lake, dataset)
    assert by(page["campaigns"], "id", "spend") == {"8": 7, "7": 6}
    assert column(page["totals"], "spend") == [13]
    assert "1 row of earlier ranges left out" in notes_text(page["totals"])
    assert "2026-03-02 to 2026-03-08, 2026-03-03 to 2026-03-09" in notes_text(page["totals"])


# -- the cards themselves


# -- lists of Business Centers


def daily_list(report: str) -> Dataset:
    nothing = dict.fromkeys(("data_level", "time_dimension", "metrics"))
    dates = {"dates": None} if report == "balances" else {}
    return dataset_with(report=report, **nothing, **dates)


def balance(account: str, on: int, cash: int, center: str = "1", **more: Any) -> Row:
    """What an ad account has left on a day of March 2026 as a Business Center has it, with 5 of ad credit."""
    return {
        "bc_id": center,
        "balance_date": date(2026, 3, on),
        "advertiser_id": account,
        "advertiser_name": f"Shop {account}",
        "currency": "EUR",
        "timezone": "Asia/Tokyo",
        "account_balance": Decimal(cash + 5),
        "cash_balance": Decimal(cash),
        "grant_balance": Decimal(5),
    } | more


def test_balances_are_shown_by_day_and_side_by_side_as_of_the_last_and_never_added_up(tmp_path: Path) -> None:
    dataset = daily_list("balances")
    of_two_centers = [balance("7", day, 10 * day, center) for day in (9, 10) for center in ("1", "2")]
    lake = lake_with(tmp_path, dataset, [*of_two_centers, balance("8", 9, 50), balance("9", 10, 0)])
    page = shown(lake, dataset)
    days = page["balance_days"]
    assert {(str(row[0])[-2:], row[2]): row[3] for row in days.rows} == {
        ("09", "Shop 7"): 95,
        ("10", "Shop 7"): 105,
        ("09", "Shop 8"): 55,
        ("10", "Shop 8"): None,
        ("09", "Shop 9"): None,
        ("10", "Shop 9"): 5,
    }
    assert by(page["balance_accounts"], "name", "account_balance") == {"Shop 7": 105, "Shop 9": 5}
    parts = page["balance_parts"]
    assert [row for row in parts.rows if row[0] == "Shop 7"] == [
        ("Shop 7", "Balance in cash (EUR)", 100.0),
        ("Shop 7", "Balance in ad credit (EUR)", 5.0),
    ]
    assert "As of 2026-03-10." in parts.notes
    assert page.facts.open_days == ()
    assert not any(isinstance(figure.computation, Sum) for card in page.cards.values() for figure in card.offer.figures)
    assert "1 ad account is in several Business Centers and counts once." in page.facts.choice_notes
    assert "differ" not in " ".join(page.facts.choice_notes)


def test_costs_of_an_ad_account_in_two_business_centers_count_once_and_differences_are_named(tmp_path: Path) -> None:
    dataset = daily_list(COSTS)

    def cost(account: str, amount: int, center: str = "1") -> Row:
        values = {name: Decimal(amount) for name in ("amount", "cash_amount", "grant_amount", "tax_amount")}
        day = {"bc_id": center, "cost_date": date(2026, 3, 8), "advertiser_id": account}
        return day | {"advertiser_name": f"Shop {account}", "currency": "EUR"} | values

    lake = lake_with(
        tmp_path, dataset, [cost("7", 3), cost("7", 3, "2"), cost("8", 4), cost("9", 6), cost("9", 5, "2")]
    )
    page = shown(lake, dataset)
    assert by(page["accounts"], "name", "spend") == {"Shop 9": 6, "Shop 8": 4, "Shop 7": 3}
    assert column(page["spend"], "spend") == [13]
    assert page.facts.choice_notes == (
        "2 ad accounts are in several Business Centers and count once.",
        "The amounts of 1 ad account differ between its Business Centers; the largest is shown.",
    )
    assert page.facts.missing == ()


def test_cards_are_declared_completely() -> None:
    assert len({card.name for card in CARDS}) == len(CARDS)
    names = set(catalog.metrics()) | set(catalog.dimensions()) | {ROWS}
    fields = {entity_field.name for several in catalog.fields().values() for entity_field in several}
    for card in CARDS:
        assert card.meaning.endswith(".")
        assert card.least <= card.most
        assert set(card.figures) <= names | fields
        for axis in card.axes:
            assert set(axis.columns) <= names | fields | {"buying_type", "spend_source"}
    assert set(TRAITS) <= names | fields | {"buying_type", "spend_source"}
    assert set(KINDS) <= fields
    assert set(catalog.dimensions()) >= SHARING | SHARING_PART
    assert not SHARING & SHARING_PART


def test_every_card_fits_some_dataset() -> None:
    materials = dataset_with(
        report="creatives", data_level=None, time_dimension=None, metrics=["spend", "impressions", "clicks"]
    )
    twins = next(metric for metric in catalog.metrics().values() if metric.additive and metric.twins)
    more = (
        *SHOWN,
        "total_purchase_value",
        "reach",
        "objective_type",
        "campaign_id",
        "adgroup_id",
        twins.name,
        *twins.twins,
    )
    shops = (
        dataset_with(report="gmv_max", data_level=None, gmv_max_level=level, time_dimension=None, metrics=metrics)
        for level, metrics in (
            ("creative", ["cost", "orders"]),
            ("livestream", ["cost"]),
            ("live_duration", ["cost", "bid_type"]),
        )
    )
    playables = dataset_with(report="playable_ads", data_level=None, time_dimension=None, metrics=["spend"])
    had = set()
    for dataset in (*DATASETS, *LISTS, materials, playables, *shops, daily_list("balances"), daily_list(COSTS)):
        wide = replace(dataset, metrics=(*dataset.metrics, *more)) if dataset.report == "performance" else dataset
        had |= {offer.card.name for offer in cards_of(wide, {entry.name for entry in columns(wide)})}
    assert had == {card.name for card in CARDS}


SHOWN = ("spend", "impressions", "clicks", "conversion", *VIDEO)


def test_titles_and_meanings_are_sentences_for_people() -> None:
    for dataset in (*DATASETS, *LISTS):
        for offer in cards_of(dataset, {entry.name for entry in columns(dataset)}):
            assert "{" not in offer.title + offer.meaning
            assert "_" not in offer.title
            assert offer.title[0].isupper() or offer.title[0].isdigit()


def test_cards_tell_what_stands_in_a_trait(tmp_path: Path) -> None:
    dataset = dataset_with(metrics=["spend", "clicks", "objective_type"])
    rows = [row(on=1, objective_type="LEAD_GENERATION"), row("2", 1, 3, objective_type=None)]
    page = shown(lake_with(tmp_path, dataset, rows), dataset)
    assert by(page["trait.objective_type"], "name", "spend") == {"Not set": 3, "Lead generation": 1}


def test_the_help_speaks_only_of_figures_that_the_chart_shows() -> None:
    def meanings(**keys: Any) -> dict[str, tuple[str, str]]:
        dataset = dataset_with(**keys)
        offers = cards_of(dataset, {entry.name for entry in columns(dataset)})
        return {offer.key: (offer.title, offer.meaning) for offer in offers}

    cost = meanings(metrics=["spend"])
    assert cost["totals"] == ("Totals", "Totals of the chosen rows.")
    assert "rates" not in cost
    assert not [text for text in cost.values() if "ates" in text[1] or "Reach" in text[1] or "other figures" in text[1]]
    clicks = meanings(metrics=["spend", "impressions", "clicks"])
    assert clicks["results"] == ("Results by day", "Clicks (destination) and Impressions of each day.")
    assert clicks["totals"][1].endswith("Rates and costs are computed from the sums, not averaged.")
    assert clicks["rates"][1].startswith("CTR (destination), CPC (destination) and CPM of each day,")
    conversions = meanings(metrics=["conversion"])
    assert conversions["results"][0] == "Conversions by day"
    assert "recent days still increase" in conversions["results"][1]
    people = meanings(data_level="advertiser", metrics=["spend", "reach"])
    assert people["totals"][1] == "Totals of the chosen rows. Not included, as sums over rows would be wrong: Reach."
    assert "A person reached on two days" in people["people_days"][1]
    results = meanings(data_level="advertiser", metrics=["spend", "result"])
    assert "person" not in results["people_days"][1]
    assert "Reach" not in results["people_days"][0]


def test_one_card_is_what_it_is_among_all(tmp_path: Path) -> None:
    dataset, lake = two_currencies(tmp_path)
    page = shown(lake, dataset)
    for card in page.cards.values():
        assert card_data(lake, "spend", dataset, card.offer, read_at=NOON) == card


def test_values_of_the_same_name_are_told_apart_by_as_much_of_their_ids_as_it_takes(tmp_path: Path) -> None:
    dataset = dataset_with()
    ids = {"1804326251509841965": "Sale", "1804326251509851965": "Sale", "1804326251509840001": "Sale", "17": "Other"}
    rows = [row(campaign, campaign_name=name, spend=place) for place, (campaign, name) in enumerate(ids.items(), 1)]
    bars = shown(lake_with(tmp_path, dataset, rows), dataset)["campaigns"]
    (place,) = bars.places("category")
    assert [entry[place] for entry in bars.rows] == ["Other", "Sale (…40001)", "Sale (…51965)", "Sale (…41965)"]
