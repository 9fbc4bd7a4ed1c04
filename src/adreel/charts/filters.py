"""The filters of charts by campaign, ad group, ad and objective: which a table has, and the values to choose from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from adreel.charts.daily_lists import card_source, charted, columns, key_columns, names_in
from adreel.charts.labels import distinct, named
from adreel.charts.source import VIEW, CardSource, among, day_of, where
from adreel.datasets.dataset import Dataset
from adreel.datasets.schema import NAME_COLUMNS
from adreel.errors import InputError, NotFoundError
from adreel.lake import Lake
from adreel.lake.engine import literal, quoted, sql
from adreel.language import Phrase, phrase, within_sentence

FILTERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "campaign": ("campaign_id",),
        "adgroup": ("adgroup_id",),
        "ad": ("ad_id_v2", "smart_plus_ad_id", "ad_id"),
        "objective": ("objective_type",),
    }
)
"""The columns of each filter; the first that a table has is used. Ad accounts are chosen apart from these."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "campaign": Phrase("Campaign"),
        "adgroup": Phrase("Ad group"),
        "ad": Phrase("Ad"),
        "objective": Phrase("Objective"),
    }
)

ADVERTISER = "advertiser"
"""The key of the choice of ad accounts, which every table has."""

MOST_VALUES = 50
"""Values that a menu lists at once; the others are found by searching."""


@dataclass(frozen=True, slots=True)
class CardFilter:
    """Rows with one of the `values` only; `key` is one of FILTERS."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilterOffer:
    """A filter that a table has, by the values of `column`; `label` is the column with the names of ids."""

    key: str
    title: str
    column: str = field(repr=False)
    label: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FilterValue:
    """A value of a filter with its name, and how many rows of the table have it."""

    value: str
    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class FilterFacts:
    """A filter that the table has, and its selected values."""

    key: str
    title: str
    selected: tuple[FilterValue, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterValues:
    """Values to choose from, by name, the first of `total`; those `selected` already are apart from these."""

    values: tuple[FilterValue, ...]
    total: int
    selected: tuple[FilterValue, ...] = ()


def filters_of(dataset: Dataset, names: Collection[str]) -> tuple[FilterOffer, ...]:
    """The filters of a report whose table has the columns `names`; none for entity lists."""
    if not dataset.metrics:
        return ()
    types = {column.name: column.type for column in columns(dataset)}
    return tuple(
        FilterOffer(key, TITLES[key], column, label if (label := NAME_COLUMNS.get(column)) in names else None)
        for key, candidates in FILTERS.items()
        for column in [name for name in candidates if name in names and types.get(name) == "string"][:1]
    )


def filter_conditions(offers: Sequence[FilterOffer], filters: Iterable[CardFilter]) -> tuple[str, ...]:
    """SQL conditions, one for each filter. InputError for a filter that the table does not have."""
    return tuple(_conditions(offers, filters))


def _conditions(offers: Sequence[FilterOffer], filters: Iterable[CardFilter]) -> Iterator[str]:
    by_key = {offer.key: offer for offer in offers}
    for card_filter in filters:
        if card_filter.key not in by_key:
            raise InputError(f"{card_filter.key}: {_missing(card_filter.key, by_key)}")
        if card_filter.values:
            yield among(by_key[card_filter.key].column, card_filter.values)


def _missing(key: str, keys: Iterable[str]) -> str:
    title = within_sentence(TITLES.get(key, key))
    if not keys:
        return phrase(
            "the table cannot be filtered by %(filter)s, as it has no such column. It has no filters.", filter=title
        )
    return phrase(
        "the table cannot be filtered by %(filter)s, as it has no such column. Choose one of: %(filters)s.",
        filter=title,
        filters=", ".join(keys),
    )


def filter_facts(
    source: CardSource, dataset: Dataset, offers: Sequence[FilterOffer], filters: Iterable[CardFilter]
) -> tuple[FilterFacts, ...]:
    """All filters with their selected values; a selected value without rows is named by its id."""
    chosen = {card_filter.key: card_filter.values for card_filter in filters}
    return tuple(
        FilterFacts(offer.key, offer.title, _selected(source, dataset, offer, chosen.get(offer.key, ())))
        for offer in offers
    )


def _selected(
    source: CardSource, dataset: Dataset, offer: FilterOffer, values: tuple[str, ...]
) -> tuple[FilterValue, ...]:
    if not values:
        return ()
    with_rows = {value.value: value for value in _values(source, dataset, offer, among(offer.column, values))}
    return tuple(with_rows.get(value) or FilterValue(value, value, 0) for value in dict.fromkeys(values))


def _values(source: CardSource, dataset: Dataset, offer: FilterOffer, *conditions: str) -> list[FilterValue]:
    """The values under the conditions by their newest names, in the order of these."""
    column = quoted(offer.column)
    query = ["SELECT", column, ",", _name(dataset, offer), ", count(*) FROM", VIEW]
    rows = source.rows(*query, where(*conditions, f"{column} IS NOT NULL"), "GROUP BY", column)
    names = [str(name) if offer.label and name else named(offer.column, value) for value, name, _ in rows]
    values = [
        FilterValue(row[0], name, row[2])
        for row, name in zip(rows, distinct(names, [row[0] for row in rows]), strict=True)
    ]
    return sorted(values, key=lambda value: (value.name.casefold(), value.value))


def named_by_id(value: str, names: Mapping[str, str]) -> str:
    """A name with its id; the id alone if it has no name."""
    name = names.get(value, "")
    return f"{name} ({value})" if name else value


def named_values(values: Iterable[FilterValue], names: Mapping[str, str]) -> tuple[FilterValue, ...]:
    """The values, those without a name in the table with that of their id."""
    return tuple(
        replace(value, name=named_by_id(value.value, names)) if value.name == value.value else value for value in values
    )


def _name(dataset: Dataset, offer: FilterOffer) -> str:
    if offer.label is None:
        return "NULL"
    label = quoted(offer.label)
    return f"max({label})" if dataset.time == "none" else f"arg_max({label}, {day_of(dataset)})"


def filter_values(
    lake: Lake,
    slug: str,
    dataset: Dataset,
    key: str,
    search: str = "",
    *,
    advertisers: Sequence[str] = (),
    filters: Sequence[CardFilter] = (),
    limit: int = MOST_VALUES,
    names_by_id: Mapping[str, str] = MappingProxyType({}),
) -> FilterValues:
    """The values of the filter `key` whose name or id contains `search`, among rows under the other filters.

    `key` may be `advertiser` too. `names_by_id` are names of ids that the table has no names of. NotFoundError if the
    table does not have the filter, InputError for other filters that it does not have.
    """
    dataset = charted(dataset)
    names = frozenset(column.name for column in columns(dataset)) & names_in(dataset, lake.table(slug).schema.names)
    offers = filters_of(dataset, names) if names.issuperset(key_columns(dataset)) else ()
    label = "advertiser_name" if "advertiser_name" in names else None
    candidates = (FilterOffer(ADVERTISER, phrase("Ad account"), "advertiser_id", label), *offers)
    offer = next((offer for offer in candidates if offer.key == key), None)
    if offer is None:
        reason = _missing(key, [offer.key for offer in candidates])
        raise NotFoundError(phrase("No filter %(filter)s: %(reason)s", filter=repr(key), reason=reason))
    chosen = _chosen(key, advertisers, filters)
    conditions = list(filter_conditions(offers, (other for other in filters if other.key != key)))
    if advertisers and key != ADVERTISER:
        conditions.append(among("advertiser_id", advertisers))
    wanted = search.strip().lower()
    if wanted and offer.label:
        # Names change, so a value is searched by each name it had, and shown by its newest.
        texts = (f"contains(lower({quoted(name)}), {literal(wanted)})" for name in (offer.column, offer.label))
        matching = sql("SELECT", quoted(offer.column), "FROM", VIEW, where(*conditions, " OR ".join(texts)))
        conditions.append(f"{quoted(offer.column)} IN ({matching})")
    with card_source(lake, slug, dataset) as source:
        selected = _selected(source, dataset, offer, chosen)
        values = _values(source, dataset, offer, *conditions)
    if not offer.label:
        selected = named_values(selected, names_by_id)
        values = list(named_values(values, names_by_id))
        values.sort(key=lambda value: value.name.casefold())
    if wanted and not offer.label:
        values = [value for value in values if wanted in value.name.lower() or wanted in value.value.lower()]
    values = [value for value in values if value.value not in chosen]
    return FilterValues(tuple(values[:limit]), len(values), selected)


def _chosen(key: str, advertisers: Sequence[str], filters: Iterable[CardFilter]) -> tuple[str, ...]:
    """The selected values of the filter `key`."""
    if key == ADVERTISER:
        return tuple(advertisers)
    return next((card_filter.values for card_filter in filters if card_filter.key == key), ())
