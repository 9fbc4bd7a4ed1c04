"""Rows as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import orjson
from numpy.typing import NDArray

from adreel import catalog
from adreel.simulator.figures import finish
from adreel.simulator.part import Part
from adreel.simulator.query import Query
from adreel.simulator.recipes import Recipe, leaves, metric_recipe, unit_of

Ints = NDArray[np.int64]

_SECONDARY = "secondary_goal"


def is_money(name: str) -> bool:
    """Whether a metric is an amount of the account's currency."""
    return catalog.metrics()[name].type == "money"


def text_of(name: str, recipe: Recipe, *, several: bool) -> Callable[[int], str]:
    """How one value of a metric is written; of several advertisers, money has no decimals (doc 1740302848100353)."""
    if unit_of(recipe) == 1:
        return str
    if several and is_money(name):
        return lambda value: str((value + 50) // 100)
    return lambda value: f"{value // 100}.{value % 100:02d}"


def metric_names(query: Query) -> tuple[str, ...]:
    """The metrics of each row; several advertisers bring their zone, currency and id along (doc 1740302848100353)."""
    extra = ("currency", "timezone", "advertiser_id") if query.several else ()
    return tuple(dict.fromkeys((*query.metrics, *extra)))


def recipes_of(names: Sequence[str]) -> dict[str, Recipe]:
    """The recipes of those metrics that are figures."""
    return {name: metric_recipe(name) for name in names if not catalog.metrics()[name].attribute}


def write_rows(part: Part, places: Ints) -> str:
    """Rows as JSON objects, with commas between."""
    return _Writer(part, places).write() if len(places) else ""


@cache
def _texts(decimals: int) -> NDArray[np.object_]:
    """How the numbers below 100,000 are written (in hundredths: up to 999.99); looking one up beats making it."""
    numbers = range(100_000)
    made = [f"{n // 100}.{n % 100:02d}" for n in numbers] if decimals else [str(n) for n in numbers]
    return np.array(made, dtype=object)


@cache
def _ends() -> NDArray[np.object_]:
    """The two decimals of a number, with their point."""
    return np.array([f".{n:02d}" for n in range(100)], dtype=object)


def _written(values: Ints, decimals: int) -> list[str]:
    known = _texts(decimals)
    texts: list[str]
    if values.size == 0 or 0 <= values.min() <= values.max() < len(known):
        texts = known[values].tolist()
        return texts
    if not decimals:
        return [str(value) for value in values.tolist()]
    whole, rest = np.divmod(values, 100)
    known, ends = _texts(0), _ends()[rest]
    if 0 <= whole.min() <= whole.max() < len(known):
        texts = (known[whole] + ends).tolist()
        return texts
    return [f"{number}{end}" for number, end in zip(whole.tolist(), ends.tolist(), strict=True)]


class _Writer:
    """Columns of texts with constant text between them, dealt out row by row and joined in one go."""

    def __init__(self, part: Part, places: Ints) -> None:
        _, slots, rows = part.shape
        self._part, self._count = part, len(places)
        number, rest = np.divmod(places, slots * rows)
        self._slot, self._row = np.divmod(rest, rows)
        self._groups, self._local = np.unique(number, return_inverse=True)
        self._pieces: list[list[str]] = []
        self._between = ""

    def write(self) -> str:
        self._between = '{"dimensions":{'
        for name in self._dimension_names():
            self._dimension(name)
        self._between = self._between.removesuffix(",") + '},"metrics":{'
        self._metrics()
        self._constant(self._between.removesuffix(",") + "}},")
        flat = [""] * (self._count * len(self._pieces))
        for place, piece in enumerate(self._pieces):
            flat[place :: len(self._pieces)] = piece
        flat[-1] = flat[-1].removesuffix(",")
        return "".join(flat)

    def _constant(self, text: str) -> None:
        self._pieces.append([text] * self._count)

    def _add(self, name: str, values: list[str], quote: str = '"') -> None:
        """A column; `values` are texts that need no escaping, or with `quote` empty, JSON."""
        self._constant(f'{self._between}"{name}":{quote}')
        self._pieces.append(values)
        self._between = quote + ","

    def _dimension_names(self) -> list[str]:
        names = list(self._part.query.dimensions)
        return [*names, "interest_category_v2"] if "interest_category" in names else names

    def _dimension(self, name: str) -> None:
        query, breakdown = self._part.query, self._part.breakdown
        if name == query.identity:
            self._add(name, _pick(self._part.ids(self._groups), self._local))
        elif breakdown is None or name in {"stat_time_day", "stat_time_hour"}:
            self._add(name, _pick(self._part.times(), self._slot))
        else:
            place = query.breakdown.index(name if name in query.breakdown else "interest_category")
            values = [orjson.dumps(row[place]).decode() for row in breakdown.rows]
            self._add(name, _pick(values, self._row), quote="")

    def _metrics(self) -> None:
        query = self._part.query
        recipes = recipes_of(query.metrics)
        needed = [leaf for recipe in recipes.values() for leaf in leaves(recipe)]
        sums = {
            leaf: values[self._local, self._slot, self._row]
            for leaf, values in self._part.sums(needed, self._groups).items()
        }
        for name in metric_names(query):
            recipe = recipes.get(name)
            if recipe is None:
                attributes = self._part.attributes(name, self._groups)
                values = [orjson.dumps(value).decode() for value in attributes]
                self._add(name, _pick(values, self._local), quote="")
            else:
                self._add(name, self._figures(name, finish(recipe, sums), recipe))

    def _figures(self, name: str, values: Ints, recipe: Recipe) -> list[str]:
        """A metric's values as texts: "-" for a secondary goal that is not there, "<5" for a few by search term."""
        decimals = 0 if unit_of(recipe) == 1 else 2
        if decimals and self._part.query.several and is_money(name):
            values, decimals = (values + 50) // 100, 0
        texts = _written(values, decimals)
        if name == "impressions" and "search_terms" in self._part.query.breakdown:
            return ["<5" if value < 5 else text for value, text in zip(values.tolist(), texts, strict=True)]
        if _SECONDARY in name:
            there = self._part.has_second_goal(self._groups)[self._local].tolist()
            return [text if has else "-" for text, has in zip(texts, there, strict=True)]
        return texts


def _pick(values: list[str], places: Ints) -> list[str]:
    picked: list[str] = np.array(values, dtype=object)[places].tolist()
    return picked
