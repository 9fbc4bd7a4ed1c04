"""A dataset's columns: names, types, titles, primary key, and the Arrow schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import pyarrow as pa

from adreel import catalog
from adreel.arrow import KEPT_AS_TEXT
from adreel.catalog import all_spend, business_centers, gmv_max, smart_plus
from adreel.catalog.records import ValueType
from adreel.catalog.report_types import CENTER_SPEND, FURTHER
from adreel.datasets.dataset import Dataset, key_columns
from adreel.language import Phrase, phrase

DECIMAL = pa.decimal128(24, 6)
"""Money, rates and ratios: TikTok sends two to four places; six lose none of them."""

ARROW_TYPES: Mapping[ValueType, pa.DataType] = MappingProxyType(
    {
        "money": DECIMAL,
        "rate": DECIMAL,
        "ratio": DECIMAL,
        "int": pa.int64(),
        "float": pa.float64(),
        "string": pa.string(),
        "bool": pa.bool_(),
        "list": pa.list_(pa.string()),
        "day": pa.date32(),
        "hour": pa.timestamp("us"),
        "time": pa.timestamp("us", tz="UTC"),
    }
)


UNIT_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "account_currency": Phrase("ad account's currency"),
        "per_user": Phrase("per user"),
        "percent": Phrase("percent"),
        "ratio": Phrase("ratio"),
        "seconds": Phrase("seconds"),
        "count": Phrase("count"),
    }
)
"""What pages call the units."""


def unit_mark(unit: str, currencies: Collection[str]) -> str:
    """What a column's heading says of its unit; empty for counts, texts and all else that needs none.

    `currencies` are those of the table's rows: amounts are in the only one, or in that of each ad account.
    """
    if unit == "account_currency":
        return next(iter(currencies)) if len(currencies) == 1 else phrase("in the ad account's currency")
    return {"percent": "%", "seconds": "s"}.get(unit, "")


NAME_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "campaign_id": "campaign_name",
        "adgroup_id": "adgroup_name",
        "ad_id": "ad_name",
        "ad_id_v2": "ad_name",
        "smart_plus_ad_id": "ad_name",
        "advertiser_id": "advertiser_name",
        "store_id": "store_name",
        "item_group_id": "product_name",
        "item_id": "title",
        "main_material_id": "main_material_name",
        "ad_text_entity_id": "ad_text",
        "call_to_action_entity_id": "call_to_action",
        "interactive_add_on_entity_id": "interactive_add_on_name",
        "room_id": "live_name",
    }
)
"""The column with the names of an id column's entities."""

TYPE_TITLES: Mapping[ValueType, str] = MappingProxyType(
    {
        "money": Phrase("money"),
        "rate": Phrase("rate"),
        "ratio": Phrase("rate"),
        "int": Phrase("whole number"),
        "float": Phrase("decimal"),
        "string": Phrase("text"),
        "bool": Phrase("yes/no"),
        "list": Phrase("list"),
        "day": Phrase("date"),
        "hour": Phrase("time"),
        "time": Phrase("time"),
    }
)
"""The types as pages name them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `part` is the source of its value.

    dimensions, metrics, info and entity are the parts of TikTok's rows; advertiser, shop, span and buying are known
    from the request; null is a metric that the API no longer has; calculated is computed from others when a table is
    read, and stored nowhere. A `breakdown` has a value in every row: "-" where TikTok gives none. Hours that are
    `kept_as_text` are text in the table's files only.
    """

    name: str
    type: ValueType
    part: str
    title: str
    meaning: str
    unit: str = ""
    additive: bool = False
    breakdown: bool = False
    kept_as_text: bool = False

    @property
    def type_title(self) -> str:
        """The type as pages name it."""
        return TYPE_TITLES[self.type]


def columns(dataset: Dataset) -> tuple[Column, ...]:
    """The dataset's columns in their order: primary key, selected columns, zone and currency."""
    every = _columns(dataset)
    if dataset.hour_type != "text":
        return every
    return tuple(replace(column, kept_as_text=True) if column.type == "hour" else column for column in every)


def _columns(dataset: Dataset) -> tuple[Column, ...]:
    if dataset.report == CENTER_SPEND:
        return _unique(_center_columns(dataset))
    if dataset.report == "performance" or dataset.report in FURTHER:
        return _unique(_report_columns(dataset))
    if dataset.report == gmv_max.REPORT:
        return _unique(_gmv_max_columns(dataset))
    if dataset.report == all_spend.REPORT:
        return _unique(_all_spend_columns(dataset))
    if dataset.report == smart_plus.MATERIALS:
        return _unique(_materials_columns(dataset))
    if dataset.report == "creatives":
        return _unique(
            (_ADVERTISER_ID, *_fields(dataset, "info"), *_span_columns(dataset), *_metrics(dataset), *_CONTEXT)
        )
    if dataset.report in business_centers.LISTS:
        # The ad account is that of the row, and need not be one of the connection.
        return _unique(_fields(dataset, "entity"))
    others = (_OTHER_FIELDS,) if dataset.other_fields else ()
    return _unique((_ADVERTISER_ID, *_fields(dataset, "entity"), *others))


def calculated_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The calculated metrics as columns, which whoever reads a table sees after those that are stored."""
    return tuple(
        Column(
            metric.name,
            "money" if metric.unit == "account_currency" else "ratio",
            "calculated",
            metric.title,
            phrase(
                "%(meaning)s. Calculated: %(formula)s",
                meaning=str(metric.meaning).removesuffix("."),
                formula=metric.formula,
            ),
            "" if metric.unit == "number" else metric.unit,
        )
        for metric in dataset.calculated
    )


def readable_columns(dataset: Dataset) -> tuple[Column, ...]:
    """Every column that a reader of the table can see: those that are stored and the calculated metrics."""
    return (*columns(dataset), *calculated_columns(dataset))


def columns_by_name(dataset: Dataset) -> dict[str, Column]:
    """The same by name."""
    return {column.name: column for column in readable_columns(dataset)}


_ADVERTISER_ID = Column(
    "advertiser_id", "string", "advertiser", Phrase("Ad account ID"), Phrase("The ad account of the row.")
)
_CONTEXT = (
    Column(
        "currency",
        "string",
        "advertiser",
        Phrase("Currency"),
        Phrase("The ad account's currency, used for all money (ISO 4217)."),
    ),
    Column(
        "timezone",
        "string",
        "advertiser",
        Phrase("Time zone"),
        Phrase("The ad account's fixed offset from UTC, used for its days."),
    ),
)
OTHER_FIELDS = "other_fields"
"""The column of the fields of a list that the catalogue lacks."""

_OTHER_FIELDS = Column(
    OTHER_FIELDS,
    "string",
    "entity",
    Phrase("Other fields"),
    Phrase("What TikTok sends and adreel's catalogue lacks, as a JSON object; empty if there is nothing."),
)
_HOUR_UTC = Column(
    "stat_time_hour_utc",
    "time",
    "advertiser",
    Phrase("Hour (UTC)"),
    Phrase("The start of the hour in UTC."),
)


def _unique(all_columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The first of each name: an advertiser's own id, currency and zone may be asked for as metrics too."""
    first: dict[str, Column] = {}
    for column in all_columns:
        first.setdefault(column.name, column)
    return tuple(first.values())


def _dimensions(names: Iterable[str], breakdowns: Collection[str] = ()) -> Iterator[Column]:
    catalogue = catalog.dimensions()
    for name in names:
        about = catalogue[name]
        yield Column(name, about.type, "dimensions", about.title, about.meaning, breakdown=name in breakdowns)


def _report_columns(dataset: Dataset) -> tuple[Column, ...]:
    names = (name for name in dimensions_asked(dataset) if name != "advertiser_id")
    dimensions = tuple(_dimensions(names, dataset.breakdowns))
    buying = Column(
        "buying_type", "string", "buying", Phrase("Buying type"), Phrase("RESERVATION_RF or RESERVATION_TOP_VIEW.")
    )
    return (
        _ADVERTISER_ID,
        *dimensions,
        *((buying,) if dataset.service_type == "reservation" else ()),
        *_span_columns(dataset),
        *_metrics(dataset),
        *_CONTEXT,
        *((_HOUR_UTC,) if dataset.time == "hour" else ()),
    )


def _center_columns(dataset: Dataset) -> tuple[Column, ...]:
    """Those of figures of Business Centers. Amounts have no unit, as TikTok does not document their currency."""
    return (
        Column(
            "bc_id", "string", "dimensions", Phrase("Business Center ID"), Phrase("The Business Center of the row.")
        ),
        Column("bc_name", "string", "dimensions", Phrase("Business Center"), Phrase("Name of the Business Center.")),
        *_dimensions(dimensions_asked(dataset), dataset.breakdowns),
        *_span_columns(dataset),
        *(_without_currency(column) for column in _metrics(dataset)),
    )


def _without_currency(column: Column) -> Column:
    if column.type != "money":
        return column
    meaning = phrase(
        "%(title)s as TikTok sends it, in a currency that TikTok neither sends nor documents.", title=column.title
    )
    return replace(column, meaning=meaning, unit="")


_SHOP = (
    Column("store_id", "string", "shop", Phrase("Shop ID"), Phrase("The TikTok Shop of the row.")),
    Column(
        "store_name",
        "string",
        "shop",
        Phrase("Shop"),
        Phrase("Name of the shop; empty if TikTok does not list the shop for the ad account."),
    ),
    Column(
        "promotion_type",
        "string",
        "shop",
        Phrase("Campaign type"),
        Phrase("PRODUCT or LIVE, the type of the GMV Max campaigns of the row."),
    ),
)


def _gmv_max_columns(dataset: Dataset) -> tuple[Column, ...]:
    names = [name for name in key_columns(dataset) if name in catalog.dimensions() and name != "advertiser_id"]
    return (
        _ADVERTISER_ID,
        *_SHOP,
        *_dimensions(names, {gmv_max.PERIOD}),
        *_span_columns(dataset),
        *_metrics(dataset),
        *_CONTEXT,
        *((_HOUR_UTC,) if dataset.time == "hour" else ()),
    )


_SPEND_SOURCE = Column(
    "spend_source",
    "string",
    "shop",
    Phrase("Spend source"),
    Phrase("The report that has the campaign: BASIC, or GMV_MAX for GMV Max campaigns of TikTok Shops."),
)


def _all_spend_columns(dataset: Dataset) -> tuple[Column, ...]:
    return (
        _ADVERTISER_ID,
        _SPEND_SOURCE,
        *_dimensions(("campaign_id", "stat_time_day")),
        *_SHOP,
        *_metrics(dataset),
        *_CONTEXT,
    )


_ASSET_TYPES = {
    "main_material_type": Column(
        "main_material_type",
        "string",
        "dimensions",
        Phrase("Material type"),
        Phrase("Type of the main material, such as VIDEO_SPARK_ADS; materials of a catalog have the catalog's ID."),
        breakdown=True,
    ),
    "call_to_action_entity_type": Column(
        "call_to_action_entity_type",
        "string",
        "dimensions",
        Phrase("Call to action type"),
        Phrase("Whether the call to action is a standard or a dynamic one."),
        breakdown=True,
    ),
}


def _materials_columns(dataset: Dataset) -> tuple[Column, ...]:
    names = [name for name in key_columns(dataset) if name in catalog.dimensions() and name != "advertiser_id"]
    types = [smart_plus.TYPES[name] for name in dataset.breakdowns if name in smart_plus.TYPES]
    return (
        _ADVERTISER_ID,
        *_dimensions(names, dataset.breakdowns),
        *(_ASSET_TYPES[name] for name in types),
        *_span_columns(dataset),
        *_metrics(dataset),
        *_CONTEXT,
        *((_HOUR_UTC,) if dataset.time == "hour" else ()),
    )


def dimensions_asked(dataset: Dataset) -> tuple[str, ...]:
    """The dimensions of the request, TikTok's names, in the order of the key."""
    if dataset.report == smart_plus.MATERIALS and not smart_plus.is_overview(dataset.breakdowns, dataset.time):
        dataset = replace(dataset, id_dimension=None)
    time = {"day": ("stat_time_day",), "hour": ("stat_time_hour",)}.get(dataset.time, ())
    ids = (dataset.id_dimension,) if dataset.id_dimension else ()
    return (*ids, *time, *dataset.breakdowns)


def _span_columns(dataset: Dataset) -> tuple[Column, ...]:
    if dataset.time != "none" or dataset.lifetime:
        return ()
    return (
        Column(
            "start_date", "day", "span", Phrase("Start date"), Phrase("The first day that the row's figures cover.")
        ),
        Column("end_date", "day", "span", Phrase("End date"), Phrase("The last day that the row's figures cover.")),
    )


def _metrics(dataset: Dataset) -> tuple[Column, ...]:
    catalogue = catalog.metrics()
    current = tuple(
        Column(
            name,
            catalogue[name].type,
            "metrics",
            dataset.titles.get(name, catalogue[name].title),
            catalogue[name].meaning,
            catalogue[name].unit,
            catalogue[name].additive,
        )
        for name in dataset.metrics
    )
    gone = tuple(
        Column(name, "string", "null", name, Phrase("TikTok no longer offers this metric."))
        for name in dataset.null_columns
    )
    return current + gone


def _fields(dataset: Dataset, part: str) -> tuple[Column, ...]:
    key = key_columns(dataset)
    picked = set(dataset.fields) | set(key)
    every = catalog.fields()[dataset.report]
    fields = [field for field in every if not dataset.fields or field.name in picked]
    ordered = sorted(fields, key=lambda field: field.name not in key)
    return tuple(Column(field.name, field.type, part, field.title, field.meaning) for field in ordered)


def key(dataset: Dataset) -> tuple[str, ...]:
    """The primary key; figures over a range have the range's start in it too."""
    own = dataset.update.key or key_columns(dataset)
    has_span = bool(_span_columns(dataset)) and dataset.report in (
        "performance",
        "creatives",
        gmv_max.REPORT,
        smart_plus.MATERIALS,
        *FURTHER,
    )
    return (*own, "start_date") if has_span and "start_date" not in own else own


def arrow_schema(all_columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema, with each column's title, meaning and unit as metadata, and what the lake keeps as text."""
    return pa.schema(
        [
            pa.field(
                column.name,
                ARROW_TYPES[column.type],
                metadata={
                    "title": column.title,
                    "description": column.meaning,
                    "unit": column.unit,
                    **(KEPT_AS_TEXT if column.kept_as_text else {}),
                },
            )
            for column in all_columns
        ]
    )
