"""Places of countries on a map of tiles: a grid with one tile for each country, near its place in the world.

The grid was made for adreel: each country's middle, to about a degree, was stretched where countries are small and
many, and moved to the nearest free tile so that all tiles together move least.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_FILE = Path(__file__).with_name("country_tiles.csv")


@dataclass(frozen=True, slots=True)
class Tile:
    """A place of the grid; columns count from the west and rows from the north, from 0."""

    column: int
    row: int


@cache
def country_tiles() -> Mapping[str, Tile]:
    """The tile of each country and region, by its two-letter code."""
    with _FILE.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType(
            {line["code"]: Tile(int(line["column"]), int(line["row"])) for line in csv.DictReader(lines)}
        )
