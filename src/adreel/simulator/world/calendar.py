"""Days and their weights: on which days ads are live, and how much each day delivers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from adreel.simulator.world.hashing import bits_of

Ints = NDArray[np.int64]

EPOCH = date(1970, 1, 1)
ERA = date(2026, 1, 1)
"""A world's contents depend on this day and not on today, so that moving today leaves the past unchanged."""

_FOUR_YEARS = 1461
_BEFORE, _AFTER = 1500, 4000
VARIANTS = 32
HALF_HOURS = 48


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """The date `number` days after 1970-01-01."""
    return EPOCH + timedelta(days=number)


def era_of(today: date) -> int:
    """The day number of the era of `today`: 2026-01-01, or the multiple of four years before it."""
    era = day_number(ERA)
    while day_number(today) < era:
        era -= _FOUR_YEARS
    return era


def noon(day: date) -> datetime:
    """Noon of `day`, the simulated time until an hour is set; naive, in UTC."""
    return datetime.combine(day, time(12))


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Running sums over days, one row per variant: `weight` in 1/1024 of an ordinary day, `order` counts live days.

    Column k covers the days before `origin + k`. `hours` are running shares of a day (in 1/4096) by half hour.
    """

    origin: int
    weight: Ints
    order: Ints
    hours: Ints

    @property
    def width(self) -> int:
        """Columns per row."""
        return int(self.weight.shape[1])


def _flights(variant: int, days: Ints) -> NDArray[np.bool_]:
    """Flags of the days on which ads of this variant are live: some always, some on weekdays, most in flights."""
    live = np.ones(days.shape, dtype=bool)
    if variant % 4 == 3:
        live &= (days + 3) % 7 < 5
    if variant % 8 >= 3:
        period = 25 + 11 * (variant % 9)
        live &= (days + 17 * variant) % period < period * (5 + variant % 4) // 9
    return live


def _weights(seed: int, variant: int, days: Ints) -> Ints:
    """Each day's weight in 1/1024, never below 300 where it is live."""
    noise = (bits_of(len(days), seed, "day", variant) >> np.uint64(54)).astype(np.int64)
    weekday = np.array([0, 20, 40, 30, 80, 170, 130], dtype=np.int64)[(days + 3) % 7]
    season = 150 - np.abs((days + 40 * (variant % 3)) % 364 - 182) * 150 // 182
    weights: Ints = 620 + weekday + season + noise * 440 // 1024
    return weights


def make_calendar(seed: int, era: int, *, plain: bool) -> Calendar:
    """The calendar of a world; with `plain`, every variant is live on every day."""
    origin = era - _BEFORE
    days = np.arange(origin, era + _AFTER, dtype=np.int64)
    weight = np.zeros((VARIANTS, len(days) + 1), dtype=np.int64)
    order = np.zeros_like(weight)
    for variant in range(VARIANTS):
        live = np.ones(days.shape, dtype=bool) if plain else _flights(variant, days)
        np.cumsum(np.where(live, _weights(seed, variant, days), 0), out=weight[variant, 1:])
        np.cumsum(live, out=order[variant, 1:])
    return Calendar(origin, weight, order, _hours(seed))


def _hours(seed: int) -> Ints:
    """Four shapes of a day: running shares of its half hours."""
    shapes = np.zeros((4, HALF_HOURS + 1), dtype=np.int64)
    clock = np.arange(HALF_HOURS, dtype=np.int64)
    for shape in range(4):
        noise = (bits_of(HALF_HOURS, seed, "hours", shape) >> np.uint64(58)).astype(np.int64)
        weight = 60 + (24 - np.abs((clock - 14 - 3 * shape) % 48 - 24)) * 6 + noise
        shapes[shape, 1:] = np.cumsum(weight) * 4096 // weight.sum()
    return shapes
