"""Figures of ads over slices of time and audience, as whole numbers that add up exactly.

Nothing is stored. An ad's impressions up to an instant are a sum of calendar weights plus bounded chance, so that any
stretch of time costs the same to look up; everything else follows from that number (`recipes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.calendar import HALF_HOURS, Calendar
from adreel.simulator.hashing import Bits, mix, word
from adreel.simulator.recipes import (
    CLASSES,
    CORRECTION,
    PLAY_TIME,
    ROOT,
    SPEND,
    Leaf,
    People,
    Plain,
    Quotient,
    Recipe,
    Rest,
    Sequence,
    Total,
    sequence,
    unit_of,
)
from adreel.simulator.table import AdTable

Ints = NDArray[np.int64]

_ORDER = np.uint64(0x9E3779B97F4A7C15)
SPLIT = 1 << 12
"""Shares of a breakdown are in 1/4096."""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Stretches of time that follow each other without a gap, in half hours since 1970 of the advertiser's clock.

    `edges` has one more entry than there are stretches. `ages` says for each how many days ago it was (at most the
    restatement window), `rough` whether its spend awaits the daily repair. Stretches make up `slots`: `first` holds the
    position of each slot's first stretch.
    """

    edges: Ints
    ages: Ints
    rough: Ints
    first: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Running shares of an audience (in 1/4096), one row per habit of ads; `habit` picks the row by the ad's bits."""

    shares: Ints
    key: int

    def of(self, bits: Bits) -> Ints:
        """Each ad's running shares."""
        habits = (mix(bits ^ np.uint64(self.key)) % np.uint64(len(self.shares))).astype(np.int64)
        return self.shares[habits]


def impressions_until(table: AdTable, ads: Ints, calendar: Calendar, edges: Ints) -> Ints:
    """How many impressions each ad (row) has had when each edge (column) comes."""
    days = edges // HALF_HOURS
    clock = edges - days * HALF_HOURS
    until = _until_day(table, ads, calendar, days)
    if not clock.any():
        return until
    partial = np.flatnonzero(clock)
    before = until[:, partial]
    whole = _until_day(table, ads, calendar, days[partial] + 1) - before
    shares = calendar.hours[table.shape[ads]][:, clock[partial]]
    until[:, partial] = before + (whole * shares >> 12)
    return until


def _until_day(table: AdTable, ads: Ints, calendar: Calendar, days: Ints) -> Ints:
    live = np.clip(days[None, :], table.start[ads][:, None], table.stop[ads][:, None]) - calendar.origin
    np.clip(live, 0, calendar.width - 1, out=live)
    live += (table.variant[ads] * calendar.width)[:, None]
    weight, order = calendar.weight.ravel().take(live), calendar.order.ravel().take(live)
    chance = mix(table.bits[ads][:, None] ^ (order.astype(np.uint64) * _ORDER)) >> np.uint64(44)
    jitter = chance.astype(np.int64) * table.jitter[ads][:, None] >> 20
    return (table.base[ads][:, None] * weight >> 10) + jitter


class Block:
    """Some ads over some slices, with whatever figures are asked for.

    `split` divides every stretch of time among its buckets; results are then (ads, stretches, buckets), and without it
    (ads, stretches).
    """

    def __init__(
        self, table: AdTable, ads: Ints, until: Ints, slices: Slices, lags: Lags, split: Split | None = None
    ) -> None:
        """`until` is what `impressions_until` says about the slices' edges."""
        self._table, self._ads, self._slices, self._lags = table, ads, slices, lags
        self._split = split is not None
        self._known: dict[str, Ints] = {ROOT: until if split is None else _positions(until, split.of(table.bits[ads]))}

    @cached_property
    def _bits(self) -> Bits:
        return self._table.bits[self._ads]

    def _wide(self, values: Ints) -> Ints:
        """One value per ad, shaped to go with the positions."""
        return values.reshape(values.shape + (1,) * (self._known[ROOT].ndim - 1))

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
            here = (self._table.surfaces[self._ads] & leaf.sequence.surface) != 0
            amounts *= self._wide(here.astype(np.int64))
        return amounts

    def _price(self, leaf: Leaf) -> Ints:
        """Each ad's own, in coins."""
        spread = (mix(self._bits ^ np.uint64(word("value", leaf.sequence.key))) >> np.uint64(54)).astype(np.int64)
        return (leaf.price * (512 + spread) >> 10) * self._table.currency.rate // 100

    def _by_stretch(self, values: Ints) -> Ints:
        """One value per stretch, shaped to go with the amounts."""
        return values[None, :, None] if self._split else values[None, :]

    def _until(self, what: Sequence) -> Ints:
        """The running count of a sequence at the positions."""
        known = self._known.get(what.key)
        if known is None:
            parent = self._until(sequence(what.parent)) if what.parent else self._known[ROOT]
            known = self._known[what.key] = self._follow(what, parent)
        return known

    def _follow(self, what: Sequence, parent: Ints) -> Ints:
        """`rate` of the parent's count, with swings; rises by 0 or 1 per event while rates are below a half."""
        own = mix(self._bits ^ np.uint64(word("rate", what.key)))
        spread = (own >> np.uint64(54)).astype(np.int64)
        rate = _rate(what, spread)
        if what == SPEND:
            rate = rate * self._table.currency.rate // 100
        swing = np.minimum(rate >> 1, np.maximum(65536 - rate, 0)) if what not in (SPEND, PLAY_TIME) else rate >> 2
        wave = np.maximum(self._table.wave[self._ads] >> what.shift, 16)
        phase = (own & np.uint64(0xFFFFFFFF)).astype(np.int64)
        place = (parent + self._wide(phase)) & self._wide(wave - 1)
        np.minimum(place, self._wide(wave) - place, out=place)
        place *= self._wide(swing)
        place += parent * self._wide(rate)
        place >>= 16
        return place

    def _visible(self, leaf: Leaf, place: Ints) -> Ints:
        """Events of the leaf's classes that are known by now."""
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
        known: Ints = above - rounds[..., :-1] * per_round - counts.take(rest[..., :-1] + row)
        return known


def _rate(what: Sequence, spread: Ints) -> Ints:
    """Each ad's own rate in 1/65536, from half to one and a half of the sequence's, and at most the whole."""
    rate: Ints = np.minimum(what.rate * (512 + spread) >> 10, 65536)
    if what == SPEND:
        rate = 13_000 + spread * 60
    elif what == PLAY_TIME:
        rate = (300 + spread) * 65536
    elif what.rate > 50_000:
        rate = what.rate - (spread * (65536 - what.rate) >> 11)
    return rate


def _positions(until: Ints, shares: Ints) -> Ints:
    """Where buckets begin and end: a stretch's impressions are dealt out to one after another."""
    begin = until[:, :-1, None]
    return begin + ((until[:, 1:, None] - begin) * shares[:, None, :] >> 12)


class Lags:
    """How many events of a sequence are known after how many days: most at once, the last on the window's last day."""

    def __init__(self, window: int) -> None:
        """`window` in days."""
        self.window = window
        self._counts: dict[tuple[str, int, int], Ints] = {}

    def counts(self, leaf: Leaf) -> Ints:
        """Flat table, rows by age: events among the first k of a round for k in 0..64."""
        key = (leaf.sequence.key, leaf.low, leaf.high)
        known = self._counts.get(key)
        if known is None:
            known = self._counts[key] = self._make(leaf)
        return known

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
        """Per class: half of the events are known at once, most within a quarter of the window, one on its last day."""
        spread = np.concatenate([np.zeros(34), np.linspace(1, 7, 22), np.linspace(8, 28, 8)])
        return np.ceil(spread * self.window / 28).astype(np.int64)


def people(events: Ints) -> Ints:
    """Different people behind so many events: fewer the more there are, so that no sum of parts is the whole."""
    different: Ints = -(-(4 * events * 2_000_000) // (5 * (2_000_000 + events)))
    return different


def finish(recipe: Recipe, sums: Mapping[Leaf, Ints]) -> Ints:
    """The metric's values out of the sums of its leaves: whole, or in hundredths (`recipes.unit_of`).

    Quotients are rounded half up; what has no denominator is 0.
    """
    match recipe:
        case Plain(leaf):
            return sums[leaf]
        case People(leaf):
            return people(sums[leaf])
        case Total(parts):
            total = np.zeros_like(finish(parts[0], sums))
            for part in parts:
                total += finish(part, sums)
            return total
        case Rest(whole, part):
            return finish(whole, sums) - finish(part, sums)
        case Quotient(over, under, scale):
            up = finish(over, sums) * (100 * scale * unit_of(under))
            down = finish(under, sums) * unit_of(over)
            return np.where(down > 0, (2 * up + down) // np.maximum(2 * down, 1), 0)
