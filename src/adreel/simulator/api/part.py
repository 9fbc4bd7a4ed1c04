"""One advertiser's share of a report: its sums and its rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.api.choosing import MATERIALS, AdSelection, select_ads
from adreel.simulator.api.query import Query
from adreel.simulator.world.advertisers import SimulatedAdvertiser, World
from adreel.simulator.world.breakdowns import Breakdown, late_hours, make_breakdown
from adreel.simulator.world.calendar import day_of
from adreel.simulator.world.clock import Clock
from adreel.simulator.world.entities import Entities
from adreel.simulator.world.figures import FigureBlock, Lags, Slices, impressions_until, metric_values
from adreel.simulator.world.hashing import word
from adreel.simulator.world.memory import Memory
from adreel.simulator.world.recipes import IMPRESSIONS, Leaf, leaves, metric_recipe
from adreel.simulator.world.table import SECOND_GOAL, AdTable

Ints = NDArray[np.int64]

SEEN = Leaf(IMPRESSIONS)
_CELLS_AT_ONCE = 60_000
"""Numbers per array in one pass; bounds its memory to a few such arrays."""


class ReportMemory:
    """Caches shared by the pages of one report: the ads it covers and the rows it returns."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes` for each of the two."""
        self.chosen: Memory[AdSelection] = Memory(most_bytes, lambda chosen: chosen.ads.nbytes + chosen.first.nbytes)
        self.rows: Memory[Ints] = Memory(most_bytes, lambda rows: rows.nbytes)

    def clear(self) -> None:
        """Drops all entries, as needed when the simulated time moves."""
        self.chosen.clear()
        self.rows.clear()


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the advertisers of one report share: the world, its clock, the request and the caches."""

    world: World
    clock: Clock
    lags: Lags
    query: Query
    memory: ReportMemory


class AdvertiserReport:
    """One advertiser's share of a report; a row's number is its place in an array of (group, slot, breakdown row)."""

    def __init__(self, scene: Scene, advertiser: SimulatedAdvertiser, chosen: AdSelection | None = None) -> None:
        """`chosen` replaces the ads that the query selects."""
        self.advertiser, self.query = advertiser, scene.query
        self._world, self._clock, self._lags = scene.world, scene.clock, scene.lags
        self.table: AdTable = scene.world.table(advertiser)
        self.entities = Entities(advertiser, self.table, scene.clock)
        self._memory = scene.memory
        self.chosen = self._memory.chosen.compute(self._ads_key(), self._choose) if chosen is None else chosen
        names = scene.query.breakdown
        self.breakdown: Breakdown | None = make_breakdown(names, advertiser, scene.world.config.seed) if names else None
        self._late_hours = late_hours(self.query.report, names)
        self._slices = self._make_slices(self._late_hours)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Groups, slots, rows per slot."""
        rows = 1 if self.breakdown is None else len(self.breakdown.rows)
        return len(self.chosen), len(self._slices.first), rows

    def everything(self) -> Ints:
        """The numbers of all groups."""
        return np.arange(len(self.chosen), dtype=np.int64)

    def _make_slices(self, late_hours: int) -> Slices:
        query, offset = self.query, self.advertiser.offset
        shift = offset // 30 if query.in_utc else 0
        start, end = query.start, query.end
        if query.lifetime:
            start, end = self._clock.first_day, self._clock.today(offset)
        if query.time == "day":
            return self._clock.by_day(start, end, offset, late_hours=late_hours, shift=shift)
        if query.time == "hour":
            return self._clock.by_hour(start, end, offset, late_hours=late_hours, shift=shift)
        daily = self.breakdown is not None
        return self._clock.whole(start, end, offset, late_hours=late_hours, shift=shift, daily=daily)

    def _ads_key(self) -> Hashable:
        """Everything that decides which ads the report covers, as a cache key."""
        query = self.query
        report_key = query.report, query.level, query.identity, *(MATERIALS.keys() & set(query.breakdown))
        return self.advertiser.index, report_key, query.synchronous, word(query.filters)

    def _choose(self) -> AdSelection:
        return select_ads(self.entities, self.query, self._world.config.id_cut)

    # --- sums -----------------------------------------------------------------------------------------------

    def sums(self, requested_leaves: Iterable[Leaf], groups: Ints) -> dict[Leaf, Ints]:
        """Sums by leaf, each an array of (group, slot, breakdown row)."""
        needed = tuple(dict.fromkeys(requested_leaves))
        _, slots, rows = self.shape
        result = {leaf: np.zeros((len(groups), slots, rows), dtype=np.int64) for leaf in needed}
        ads, owner = self.chosen.members(groups)
        step = max(1, _CELLS_AT_ONCE // self._width())
        for begin in range(0, len(ads), step):
            some, owners = ads[begin : begin + step], owner[begin : begin + step]
            starts = np.flatnonzero(np.diff(owners, prepend=-1))
            for leaf, amounts in self._amounts(needed, some).items():
                alone = len(starts) == len(owners)
                by_group = amounts if alone else np.add.reduceat(amounts, starts, axis=0)
                result[leaf][owners[starts]] += by_group
        return result

    def _width(self) -> int:
        """Numbers per ad."""
        cells = 1 if self.breakdown is None else self.breakdown.split.shares.shape[1]
        return len(self._slices.edges) * cells

    def _amounts(self, needed: tuple[Leaf, ...], ads: Ints) -> dict[Leaf, Ints]:
        """Amounts by leaf, each an array of (ad, slot, breakdown row)."""
        blocks: dict[int, FigureBlock] = {}
        result: dict[Leaf, Ints] = {}
        for leaf in needed:
            late = max(leaf.late_hours, self._late_hours)
            if late not in blocks:
                slices = self._make_slices(late) if late > self._late_hours else self._slices
                same = np.array_equal(slices.edges, self._slices.edges) and self._late_hours in blocks
                blocks[late] = blocks[self._late_hours] if same else self._block(ads, slices)
            amounts = blocks[late].amount(leaf)
            if len(self._slices.first) < amounts.shape[1]:
                amounts = np.add.reduceat(amounts, self._slices.first, axis=1)
            result[leaf] = amounts[..., None] if self.breakdown is None else self.breakdown.gather(amounts)
        return result

    def _block(self, ads: Ints, slices: Slices) -> FigureBlock:
        until = impressions_until(self.table, ads, self._world.calendar, slices.edges)
        split = None if self.breakdown is None else self.breakdown.split
        return FigureBlock(self.table, ads, until, slices, self._lags, split)

    # --- which rows -----------------------------------------------------------------------------------------

    def places(self) -> Ints:
        """The numbers of the rows that the report returns, in its order; cached."""
        query = self.query
        span = (query.dimensions, query.start, query.end, query.lifetime, query.in_utc)
        key = (self._ads_key(), span, query.order_field, query.descending, len(self.chosen))
        return self._memory.rows.compute(key, self._find_places)

    def _find_places(self) -> Ints:
        """Row numbers by `order_field`, else newest entity first and times ascending."""
        groups, slots, rows = self.shape
        seen = self.sums((SEEN,), self.everything())[SEEN] > 0
        if self.query.dimensions == (self.query.identity,) and not self._world.config.plain:
            seen[:, 0, 0] |= self._zero_rows()
        positions = np.flatnonzero(seen[::-1]).astype(np.int64)
        size = slots * rows
        places = (groups - 1 - positions // size) * size + positions % size
        if self.query.order_field is None:
            return places
        recipe = metric_recipe(self.query.order_field)
        values = metric_values(recipe, self.sums(leaves(recipe), self.everything())).ravel()[places]
        return places[np.argsort(-values if self.query.descending else values, kind="stable")]

    def _zero_rows(self) -> NDArray[np.bool_]:
        """Without a time dimension, about half of the entities without delivery are returned with zeros."""
        return (self.table.bits[self.chosen.leaders(self.everything())] & np.uint64(1)).astype(bool)

    # --- values of rows -------------------------------------------------------------------------------------

    def ids(self, groups: Ints) -> list[str]:
        """The ID dimension's value for each group."""
        if self.query.identity == "advertiser_id":
            return [self.advertiser.id] * len(groups)
        if self.query.identity == "ad_id_v2":
            return [self.entities.ad_id_v2(ad) for ad in self.chosen.leaders(groups).tolist()]
        return self._id_columns(self.query.identity or "", self.chosen.leaders(groups)) or []

    def _id_columns(self, name: str, ads: Ints) -> list[str] | None:
        """The ads' own ids, or those of their campaigns or ad groups; None if `name` is no such id."""
        match name:
            case "campaign_id":
                numbers = self.table.campaigns.ids[self.table.campaign[ads]]
            case "adgroup_id":
                numbers = self.table.adgroups.ids[self.table.adgroup[ads]]
            case "ad_id":
                numbers = self.table.ids[ads]
            case _:
                return None
        return [str(number) for number in numbers.tolist()]

    def times(self) -> list[str]:
        """The time dimension's value for each slot, in the advertiser's time or in UTC as the request says."""
        if self.query.time == "day":
            return [f"{day_of(day)} 00:00:00" for day in range(self.query.start, self.query.end + 1)]
        hours = range(24 * (self.query.end + 1 - self.query.start))
        return [f"{day_of(self.query.start + hour // 24)} {hour % 24:02d}:00:00" for hour in hours]

    def attributes(self, name: str, groups: Ints) -> list[str | list[str]]:
        """The attribute's value for each group, which is that of its first ad."""
        ads = self.chosen.leaders(groups)
        ids = self._id_columns(name, ads)
        return [self.entities.attribute(name, ad) for ad in ads.tolist()] if ids is None else [*ids]

    def has_second_goal(self, groups: Ints) -> NDArray[np.bool_]:
        """Whether any ad of each group has a secondary goal."""
        ads, owner = self.chosen.members(groups)
        has_goal = np.zeros(len(groups), dtype=bool)
        np.logical_or.at(has_goal, owner, (self.table.surfaces[ads] & SECOND_GOAL) != 0)
        return has_goal
