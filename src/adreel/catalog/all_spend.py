"""The report of all spend: campaigns of basic reports and of GMV Max reports by day, in one table.

TikTok leaves GMV Max campaigns out of basic reports at campaign level, so their costs can be added there. The metrics
are those of which a sum over both kinds is right: what only one kind has is empty in rows of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REPORT = "all_spend"
"""The name of the report."""

BASIC = "BASIC"
GMV_MAX = "GMV_MAX"

SHARED: Mapping[str, str] = MappingProxyType(
    {"campaign_name": "campaign_name", "spend": "cost", "billed_cost": "net_cost"}
)
"""Metrics of both kinds by the name in basic reports, which is the column's: TikTok defines each pair alike."""

BASIC_ONLY = ("impressions", "clicks", "conversion")
GMV_MAX_ONLY = ("orders", "gross_revenue")

METRICS = (*SHARED, *BASIC_ONLY, *GMV_MAX_ONLY)
"""All metrics of the report, which has no rates: a quotient of sums would divide figures of different campaigns."""


def basic_metrics(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the metrics that the basic report is asked for."""
    return tuple(name for name in metrics if name not in GMV_MAX_ONLY)


def gmv_max_metrics(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """The names in GMV Max reports of those of the metrics that they have."""
    return tuple(SHARED.get(name, name) for name in metrics if name not in BASIC_ONLY)


def column_names(values: Mapping[str, object]) -> dict[str, object]:
    """Values by the names in GMV Max reports as values by the table's columns."""
    columns = {name: column for column, name in SHARED.items()}
    return {columns.get(name, name): value for name, value in values.items()}
