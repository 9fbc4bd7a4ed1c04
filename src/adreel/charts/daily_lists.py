"""Lists of Business Centers with a day, as charts read them: one row for each ad account and day.

An ad account of several Business Centers is in the list of each. Charts have it once, so that nothing counts twice.
Costs have the names of the metrics that they are; balances are amounts of a moment and are never summed over days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from adreel import catalog
from adreel.catalog.business_centers import BALANCES, COSTS
from adreel.charts.source import VIEW, CardSource
from adreel.datasets import dataset as stored
from adreel.datasets import schema
from adreel.datasets.dataset import Dataset
from adreel.datasets.freshness import report_delay
from adreel.datasets.schema import Column
from adreel.lake import Lake
from adreel.lake.engine import literal, quoted, sql
from adreel.language import Phrase, integer, phrases

_DAY = "stat_time_day"
_ZONE = "timezone"
_STORED = "stored"


@dataclass(frozen=True, slots=True)
class DailyList:
    """A list with the column of its day and its amounts: by their column the name and title that charts have them by.

    With `zone`, days are of that zone in place of each ad account's. A list of `moments` has no days that go on.
    """

    day: str
    amounts: Mapping[str, tuple[str, str]]
    zone: str
    moments: bool = False


_LISTS: Mapping[str, DailyList] = MappingProxyType(
    {
        COSTS: DailyList(
            "cost_date",
            MappingProxyType(
                {
                    "amount": ("spend", Phrase("Cost")),
                    "cash_amount": ("cash_spend", Phrase("Cost in cash")),
                    "grant_amount": ("voucher_spend", Phrase("Cost in ad credit")),
                    "tax_amount": ("tax_spend", Phrase("Estimated tax")),
                }
            ),
            "UTC",
        ),
        BALANCES: DailyList(
            "balance_date",
            MappingProxyType(
                {
                    "account_balance": ("account_balance", Phrase("Balance")),
                    "valid_account_balance": ("valid_account_balance", Phrase("Balance that can be spent")),
                    "cash_balance": ("cash_balance", Phrase("Balance in cash")),
                    "grant_balance": ("grant_balance", Phrase("Balance in ad credit")),
                }
            ),
            "UTC",
            moments=True,
        ),
    }
)


def charted(dataset: Dataset) -> Dataset:
    """The dataset as its charts have it: a list by day has days and metrics; any other is as it is."""
    daily = _LISTS.get(dataset.report)
    if daily is None or dataset.time == "day":
        return dataset
    return replace(dataset, time="day", metrics=tuple(name for name, _ in daily.amounts.values()))


def columns(dataset: Dataset) -> tuple[Column, ...]:
    """The columns that charts of the dataset can have."""
    daily = _LISTS.get(dataset.report)
    if daily is None:
        return schema.columns(dataset)
    return tuple(_column(column, daily) for column in schema.columns(replace(dataset, time="none", metrics=())))


def _column(column: Column, daily: DailyList) -> Column:
    if column.name == daily.day:
        return replace(column, name=_DAY)
    if column.name not in daily.amounts:
        return column
    name, title = daily.amounts[column.name]
    additive = name in catalog.metrics()
    return replace(column, name=name, title=title, part="metrics", unit="account_currency", additive=additive)


def names_in(dataset: Dataset, names: Collection[str]) -> frozenset[str]:
    """Those of the columns that charts can have which a table with the columns `names` has."""
    daily = _LISTS.get(dataset.report)
    if daily is None:
        return frozenset(names)
    own = {daily.day: _DAY} | {column: name for column, (name, _) in daily.amounts.items()}
    return frozenset(own.get(name, name) for name in names) | ({_ZONE} if daily.day in names else frozenset())


def key_columns(dataset: Dataset) -> tuple[str, ...]:
    """What identifies a row for charts."""
    return ("advertiser_id", _DAY) if dataset.report in _LISTS else stored.key_columns(dataset)


def day_delay(dataset: Dataset) -> timedelta:
    """How long after its end a day is complete; that of a list of moments is complete before, when it was read."""
    daily = _LISTS.get(dataset.report)
    return timedelta(days=-1) if daily is not None and daily.moments else report_delay(dataset)


def has_late_metrics(dataset: Dataset) -> bool:
    """Whether TikTok documents that some metrics of the report are later than the others."""
    return dataset.report not in _LISTS


def has_returns(dataset: Dataset) -> bool:
    """Whether people look for a return on ad spend in charts of the report."""
    return dataset.report not in _LISTS


@contextmanager
def card_source(lake: Lake, slug: str, dataset: Dataset) -> Iterator[CardSource]:
    """The rows of the table as charts read them."""
    daily = _LISTS.get(dataset.report)
    with lake.connect({VIEW if daily is None else _STORED: slug}) as connection:
        source = CardSource(connection)
        if daily is not None:
            _open(source, daily, frozenset(lake.table(slug).schema.names))
        yield source


def _open(source: CardSource, daily: DailyList, names: Collection[str]) -> None:
    """The view with one row of each ad account and day: of several Business Centers that with the largest amount."""
    amounts = [name for name in daily.amounts if name in names]
    own = [f"{quoted(name)} AS {quoted(daily.amounts[name][0])}" for name in amounts]
    others = [quoted(name) for name in names if name not in (daily.day, _ZONE, *amounts)]
    shown = [*others, *own, f"{quoted(daily.day)} AS {quoted(_DAY)}", f"{literal(daily.zone)} AS {quoted(_ZONE)}"]
    identity = ", ".join(quoted(name) for name in ("advertiser_id", daily.day))
    order = [f"{quoted(name)} DESC NULLS LAST" for name in amounts] + [quoted("bc_id")]
    query = ["SELECT DISTINCT ON", f"({identity})", ", ".join(shown), "FROM", _STORED]
    source.keep("VIEW", VIEW, *query, "ORDER BY", ", ".join((identity, *order)))


def shared_notes(source: CardSource, dataset: Dataset, names: Collection[str]) -> tuple[str, ...]:
    """Sentences on ad accounts of several Business Centers: that they count once, and where their amounts differ."""
    daily = _LISTS.get(dataset.report)
    if daily is None:
        return ()
    amounts = [column for column, (name, _) in daily.amounts.items() if name in names]
    alike = " AND ".join(f"count(DISTINCT coalesce({quoted(name)}, -1)) = 1" for name in amounts) or "TRUE"
    by_day = sql("SELECT advertiser_id, count(DISTINCT bc_id) > 1 AS shared,", f"({alike}) AS alike FROM", _STORED)
    counted = "count(DISTINCT advertiser_id) FILTER (WHERE {})"
    columns_of_both = (counted.format("shared"), counted.format("shared AND NOT alike"))
    by = f"GROUP BY advertiser_id, {quoted(daily.day)}"
    ((shared, differing),) = source.kept_rows("SELECT", ", ".join(columns_of_both), "FROM (", by_day, by, ")")
    return tuple(_shared_sentences(shared, differing))


def _shared_sentences(shared: int, differing: int) -> Iterator[str]:
    if shared:
        yield phrases(
            "%(ad_accounts)s ad account is in several Business Centers and counts once.",
            "%(ad_accounts)s ad accounts are in several Business Centers and count once.",
            shared,
            ad_accounts=integer(shared),
        )
    if differing:
        yield phrases(
            "The amounts of %(ad_accounts)s ad account differ between its Business Centers; the largest is shown.",
            "The amounts of %(ad_accounts)s ad accounts differ between their Business Centers; the largest are shown.",
            differing,
            ad_accounts=integer(differing),
        )
