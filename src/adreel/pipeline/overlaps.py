"""Campaigns that a basic report and a GMV Max report both have, so that a table of all spend has them once.

TikTok leaves GMV Max campaigns out of basic reports at campaign level, as two sources state. If it does not for a
campaign, the row of the GMV Max report stays, which has orders and revenue too, without the basic row of that day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pyarrow as pa

from adreel.arrow import pc
from adreel.catalog import all_spend
from adreel.export.cells import digits
from adreel.language import phrase

_KEY = ("advertiser_id", "campaign_id", "stat_time_day")
OVERLAP_COLUMNS = (*_KEY, "spend_source", "spend")
"""The columns of rows that are looked at."""

_CENT = Decimal("0.01")

_Key = tuple[str, str, date]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The days of campaigns that both reports have, with their cost in the basic and in the GMV Max report."""

    days: dict[_Key, tuple[Decimal, Decimal]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The number of basic rows to leave out."""
        return len(self.days)

    @property
    def costs(self) -> dict[str, tuple[Decimal, Decimal]]:
        """The costs by campaign."""
        sums: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
        for (_, campaign, _), (basic, shop) in self.days.items():
            sums[campaign] = sums[campaign][0] + basic, sums[campaign][1] + shop
        return dict(sums)

    def faults(self, complete: date) -> Iterator[str]:
        """A sentence for each campaign whose cost differs between the reports on days up to `complete`."""
        differing = {key[1] for key, (basic, shop) in self.days.items() if key[2] <= complete and basic - shop > _CENT}
        for campaign in sorted(differing):
            basic, shop = self.costs[campaign]
            yield phrase(
                "cost: the basic report has campaign %(campaign)s, which is a GMV Max campaign, with %(basic)s, and "
                "the GMV Max report has %(shop)s on the same days. The table has the latter.",
                campaign=campaign,
                basic=digits(basic, thousands_apart=True),
                shop=digits(shop, thousands_apart=True),
            )


def overlap_of(rows: pa.Table, campaigns: Collection[str]) -> Overlap:
    """What rows of both reports have in common; `campaigns` are those of GMV Max."""
    rows = rows.filter(pc.is_in(rows["campaign_id"], value_set=pa.array(sorted(campaigns), pa.string())))
    costs: dict[str, dict[_Key, Decimal]] = {all_spend.BASIC: {}, all_spend.GMV_MAX: {}}
    for row in rows.to_pylist():
        costs[row["spend_source"]][row["advertiser_id"], row["campaign_id"], row["stat_time_day"]] = row[
            "spend"
        ] or Decimal(0)
    basic, shop = costs[all_spend.BASIC], costs[all_spend.GMV_MAX]
    return Overlap({key: (basic[key], shop[key]) for key in sorted(basic.keys() & shop.keys())})


def without_overlap(batches: Iterable[pa.RecordBatch], overlap: Overlap) -> Iterator[pa.RecordBatch]:
    """The rows without the basic rows of the overlap."""
    campaigns = pa.array(sorted({key[1] for key in overlap.days}), pa.string())
    for batch in batches:
        suspects = pc.and_(
            pc.equal(batch["spend_source"], all_spend.BASIC), pc.is_in(batch["campaign_id"], value_set=campaigns)
        )
        if not pc.any(suspects).as_py():
            yield batch
            continue
        keys = zip(*(batch[name].to_pylist() for name in _KEY), strict=True)
        both = [suspect and key in overlap.days for suspect, key in zip(suspects.to_pylist(), keys, strict=True)]
        yield batch.filter(pc.invert(pa.array(both, pa.bool_())))
