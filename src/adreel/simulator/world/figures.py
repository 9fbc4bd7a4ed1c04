"""Figures of ads over slices of time and audience, as whole numbers that add up exactly.

Nothing is stored. An ad's impressions up to an instant are a sum of calendar weights plus bounded noise, so that any
stretch of time costs the same to look up; every other figure is derived from that number (`recipes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.calendar import HALF_HOURS, Calendar
from adreel.simulator.world.hashing import Bits, mix, word
from adreel.simulator.world.recipes import (
    CLASSES,
    CORRECTION,
    PLAY_TIME,
    ROOT,
    SPEND,
    DifferenceRecipe,
    EventSequence,
    Leaf,
    LeafRecipe,
    QuotientRecipe,
    Recipe,
    SumRecipe,
    UniqueUsersRecipe,
    event_sequence,
    unit_of,
)
from adreel.simulator.world.table import AdTable

Ints = NDArray[np.int64]

_ORDER = np.uint64(0x9E3779B97F4A7C15)
SPLIT = 1 << 12
"""Shares of a breakdown are in 1/4096."""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Consecutive stretches of time without gaps, in half hours since 1970 of the advertiser's fixed-offset clock.

    `edges` has one more entry than there are stretches. `ages` is how many days ago each stretch was (at most the
    restatement window), `rough` whether its spend is still to be corrected. Several stretches make up a slot (a row's
    day, hour or range): `first` holds the position of each slot's first stretch.
    """

    edges: Ints
    ages: Ints
    rough: Ints
    first: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Running shares of an audience (in 1/4096), one row per habit of ads; an ad's bits and `key` pick its row."""

    shares: Ints
    key: int

    def of(self, bits: Bits) -> Ints:
        """Each ad's running shares."""
        habits = (mix(bits ^ np.uint64(self.key)) % np.uint64(len(self.shares))).astype(np.int64)
        return self.shares[habits]


def impressions_until(table: AdTable, ads: Ints, calendar: Calendar, edges: Ints) -> Ints:
    """Cumulative impressions of each ad (row) up to each edge (column)."""
    days = edges // HALF_HOURS
    clock = edges - days * HALF_HOURS
    until = _until_day(table, ads, calendar, days)
    if not clock.any():
        return until
    partial = np.flatnonzero(clock)
    before = until[:, partial]
    day_total = _until_day(table, ads, calendar, days[partial] + 1) - before
    shares = calendar.hours[table.shape[ads]][:, clock[partial]]
    until[:, partial] = before + (day_total * shares >> 12)
    return until


def _until_day(table: AdTable, ads: Ints, calendar: Calendar, days: Ints) -> Ints:
    live = np.clip(days[None, :], table.start[ads][:, None], table.stop[ads][:, None]) - calendar.origin
    np.clip(live, 0, calendar.width - 1, out=live)
    live += (table.variant[ads] * calendar.width)[:, None]
    weight, order = calendar.weight.ravel().take(live), calendar.order.ravel().take(live)
    chance = mix(table.bits[ads][:, None] ^ (order.astype(np.uint64) * _ORDER)) >> np.uint64(44)
    jitter = chance.astype(np.int64) * table.jitter[ads][:, None] >> 20
    return (table.base[ads][:, None] * weight >> 10) + jitter


class FigureBlock:
    """Figures of some ads over some slices, each sequence computed once.

    `split` divides every stretch of time among its buckets; results are then (ads, stretches, buckets), and without it
    (ads, stretches).
    """

    def __init__(
        self, table: AdTable, ads: Ints, until: Ints, slices: Slices, lags: Lags, split: Split | None = None
    ) -> None:
        """`until` is the result of `impressions_until` for the slices' edges."""
        self._table, self._ads, self._slices, self._lags = table, ads, slices, lags
        self._split = split is not None
        self._event_counts: dict[str, Ints] = {
            ROOT: until if split is None else _positions(until, split.of(table.bits[ads]))
        }

    @cached_property
    def _bits(self) -> Bits:
        return self._table.bits[self._ads]

    def _wide(self, values: Ints) -> Ints:
        """One value per ad, shaped to go with the positions."""
        return values.reshape(values.shape + (1,) * (self._event_counts[ROOT].ndim - 1))

    def amount(self, leaf: Leaf) -> Ints:
        """The leaf's figure per ad and stretch (and bucket)."""
        place = self._until(leaf.sequence)
        partly = leaf.lagged or leaf.low > 0 or leaf.high < CLASSES
        amounts = self._visible(leaf, place) if partly else np.diff(place)
        if leaf.corrected and self._slices.rough.any():
            amounts += np.diff(self._until(CORRECTION)) * self._by_stretch(self._slices.rough)
        if leaf.price:
            amounts *= self._wide(self._price(leaf))
        if leaf.is_money and self._table.currency.coin > 1:
            amounts *= self._table.currency.coin
        if leaf.sequence.surface:
            has_surface = (self._table.surfaces[self._ads] & leaf.sequence.surface) != 0
            amounts *= self._wide(has_surface.astype(np.int64))
        return amounts

    def _price(self, leaf: Leaf) -> Ints:
        """Each ad's own, in coins."""
        spread = (mix(self._bits ^ np.uint64(word("value", leaf.sequence.key))) >> np.uint64(54)).astype(np.int64)
        return (leaf.price * (512 + spread) >> 10) * self._table.currency.rate // 100

    def _by_stretch(self, values: Ints) -> Ints:
        """One value per stretch, shaped to go with the amounts."""
        return values[None, :, None] if self._split else values[None, :]

    def _until(self, sequence: EventSequence) -> Ints:
        """The running count of a sequence at the positions."""
        counts = self._event_counts.get(sequence.key)
        if counts is None:
            parent = self._until(event_sequence(sequence.parent)) if sequence.parent else self._event_counts[ROOT]
            counts = self._event_counts[sequence.key] = self._follow(sequence, parent)
        return counts

    def _follow(self, sequence: EventSequence, parent: Ints) -> Ints:
        """`rate` of the parent's count, with swings; rises by 0 or 1 per event while rates are below a half."""
        sequence_bits = mix(self._bits ^ np.uint64(word("rate", sequence.key)))
        spread = (sequence_bits >> np.uint64(54)).astype(np.int64)
        rate = _rate(sequence, spread)
        if sequence == SPEND:
            rate = rate * self._table.currency.rate // 100
        swing = np.minimum(rate >> 1, np.maximum(65536 - rate, 0)) if sequence not in (SPEND, PLAY_TIME) else rate >> 2
        wave = np.maximum(self._table.wave[self._ads] >> sequence.shift, 16)
        phase = (sequence_bits & np.uint64(0xFFFFFFFF)).astype(np.int64)
        place = (parent + self._wide(phase)) & self._wide(wave - 1)
        np.minimum(place, self._wide(wave) - place, out=place)
        place *= self._wide(swing)
        place += parent * self._wide(rate)
        place >>= 16
        return place

    def _visible(self, leaf: Leaf, place: Ints) -> Ints:
        """Events of the leaf's classes that have been reported by now."""
        counts = self._lags.counts(leaf)
        ages = self._slices.ages if leaf.lagged else np.full_like(self._slices.ages, self._lags.window)
        row = self._by_stretch(ages) * (CLASSES + 1)
        phase = self._wide(
            (mix(self._bits ^ np.uint64(word("class", leaf.sequence.key))) >> np.uint64(58)).astype(np.int64)
        )
        place = place + phase
        rounds, rest = place >> 6, place & (CLASSES - 1)
        per_round = counts.take(row + CLASSES)
        above = rounds[..., 1:] * per_round + counts.take(rest[..., 1:] + row)
        visible: Ints = above - rounds[..., :-1] * per_round - counts.take(rest[..., :-1] + row)
        return visible


def _rate(sequence: EventSequence, spread: Ints) -> Ints:
    """Each ad's own rate in 1/65536, from half to one and a half of the sequence's, and at most the whole."""
    rate: Ints = np.minimum(sequence.rate * (512 + spread) >> 10, 65536)
    if sequence == SPEND:
        rate = 13_000 + spread * 60
    elif sequence == PLAY_TIME:
        rate = (300 + spread) * 65536
    elif sequence.rate > 50_000:
        rate = sequence.rate - (spread * (65536 - sequence.rate) >> 11)
    return rate


def _positions(until: Ints, shares: Ints) -> Ints:
    """Where buckets begin and end: a stretch's impressions are dealt out to one after another."""
    begin = until[:, :-1, None]
    return begin + ((until[:, 1:, None] - begin) * shares[:, None, :] >> 12)


class Lags:
    """How many events of a sequence are reported after how many days: most at once, the last after `window` days."""

    def __init__(self, window: int) -> None:
        """`window` in days."""
        self.window = window
        self._counts: dict[tuple[str, int, int], Ints] = {}

    def counts(self, leaf: Leaf) -> Ints:
        """Flat table, rows by age: events among the first k of a round for k in 0..64."""
        key = (leaf.sequence.key, leaf.low, leaf.high)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = self._make(leaf)
        return counts

    def _make(self, leaf: Leaf) -> Ints:
        places = np.arange(CLASSES, dtype=np.uint64)
        scattered = np.argsort(mix(places ^ np.uint64(word("split", leaf.sequence.key)))).astype(np.int64)
        chosen = (scattered >= leaf.low) & (scattered < leaf.high)
        late = np.argsort(mix(places ^ np.uint64(word("late", leaf.sequence.key)))).astype(np.int64)
        days = self._days_late()[late]
        table = np.zeros((self.window + 1, CLASSES + 1), dtype=np.int64)
        for age in range(self.window + 1):
            np.cumsum(chosen & (days <= age), out=table[age, 1:])
        return table.ravel()

    def _days_late(self) -> Ints:
        """Days by class: half are reported at once, most within a quarter of the window, the last on its last day."""
        spread = np.concatenate([np.zeros(34), np.linspace(1, 7, 22), np.linspace(8, 28, 8)])
        return np.ceil(spread * self.window / 28).astype(np.int64)


def unique_users(events: Ints) -> Ints:
    """Unique users behind a number of events: sublinear, so that the sum of parts is never the whole."""
    different: Ints = -(-(4 * events * 2_000_000) // (5 * (2_000_000 + events)))
    return different


def metric_values(recipe: Recipe, sums: Mapping[Leaf, Ints]) -> Ints:
    """The metric's values from the sums of its leaves: whole numbers, or hundredths (`recipes.unit_of`).

    Quotients are rounded half up; a zero denominator gives 0.
    """
    match recipe:
        case LeafRecipe(leaf):
            return sums[leaf]
        case UniqueUsersRecipe(leaf):
            return unique_users(sums[leaf])
        case SumRecipe(parts):
            total = np.zeros_like(metric_values(parts[0], sums))
            for part in parts:
                total += metric_values(part, sums)
            return total
        case DifferenceRecipe(minuend, subtrahend):
            return metric_values(minuend, sums) - metric_values(subtrahend, sums)
        case QuotientRecipe(over, under, scale):
            up = metric_values(over, sums) * (100 * scale * unit_of(under))
            down = metric_values(under, sums) * unit_of(over)
            return np.where(down > 0, (2 * up + down) // np.maximum(2 * down, 1), 0)
