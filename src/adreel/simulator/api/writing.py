"""Report rows as JSON text, written column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import orjson
from numpy.typing import NDArray

from adreel import catalog
from adreel.simulator.api.part import AdvertiserReport
from adreel.simulator.api.query import Query
from adreel.simulator.world.figures import metric_values
from adreel.simulator.world.recipes import Recipe, leaves, metric_recipe, unit_of

Ints = NDArray[np.int64]

_SECONDARY = "secondary_goal"


def is_money(name: str) -> bool:
    """Whether a metric is an amount of the account's currency."""
    return catalog.metrics()[name].type == "money"


def text_of(name: str, recipe: Recipe, *, several: bool) -> Callable[[int], str]:
    """How a metric's value is written; in multi-advertiser reports money has no decimals (doc 1740302848100353)."""
    if unit_of(recipe) == 1:
        return str
    if several and is_money(name):
        return lambda value: str((value + 50) // 100)
    return lambda value: f"{value // 100}.{value % 100:02d}"


def metric_names(query: Query) -> tuple[str, ...]:
    """The metrics of each row; multi-advertiser reports add currency, timezone and id (doc 1740302848100353)."""
    extra = ("currency", "timezone", "advertiser_id") if query.several else ()
    return tuple(dict.fromkeys((*query.metrics, *extra)))


def recipes_of(names: Sequence[str]) -> dict[str, Recipe]:
    """The recipes of the metrics in `names` that are figures, not attributes."""
    return {name: metric_recipe(name) for name in names if not catalog.metrics()[name].attribute}


def write_rows(part: AdvertiserReport, places: Ints) -> str:
    """Rows as JSON objects, with commas between."""
    return _Writer(part, places).write() if len(places) else ""


@cache
def _text_table(decimals: int) -> NDArray[np.object_]:
    """The texts of the numbers below 100,000 (in hundredths: up to 999.99), to be looked up and not formatted."""
    numbers = range(100_000)
    texts = [f"{n // 100}.{n % 100:02d}" for n in numbers] if decimals else [str(n) for n in numbers]
    return np.array(texts, dtype=object)


@cache
def _decimal_texts() -> NDArray[np.object_]:
    """The texts .00 to .99."""
    return np.array([f".{n:02d}" for n in range(100)], dtype=object)


def _number_texts(values: Ints, decimals: int) -> list[str]:
    text_table = _text_table(decimals)
    texts: list[str]
    if values.size == 0 or 0 <= values.min() <= values.max() < len(text_table):
        texts = text_table[values].tolist()
        return texts
    if not decimals:
        return [str(value) for value in values.tolist()]
    whole_part, rest = np.divmod(values, 100)
    text_table, ends = _text_table(0), _decimal_texts()[rest]
    if 0 <= whole_part.min() <= whole_part.max() < len(text_table):
        texts = (text_table[whole_part] + ends).tolist()
        return texts
    return [f"{number}{end}" for number, end in zip(whole_part.tolist(), ends.tolist(), strict=True)]


class _Writer:
    """Collects columns of texts with constant text between them, then joins all rows at once."""

    def __init__(self, part: AdvertiserReport, places: Ints) -> None:
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
                self._add(name, self._figures(name, metric_values(recipe, sums), recipe))

    def _figures(self, name: str, values: Ints, recipe: Recipe) -> list[str]:
        """A metric's values as texts: "-" without a secondary goal, "<5" for impressions below 5 by search term."""
        decimals = 0 if unit_of(recipe) == 1 else 2
        if decimals and self._part.query.several and is_money(name):
            values, decimals = (values + 50) // 100, 0
        texts = _number_texts(values, decimals)
        if name == "impressions" and "search_terms" in self._part.query.breakdown:
            return ["<5" if value < 5 else text for value, text in zip(values.tolist(), texts, strict=True)]
        if _SECONDARY in name:
            has_goal = self._part.has_second_goal(self._groups)[self._local].tolist()
            return [text if has else "-" for text, has in zip(texts, has_goal, strict=True)]
        return texts


def _pick(values: list[str], places: Ints) -> list[str]:
    picked: list[str] = np.array(values, dtype=object)[places].tolist()
    return picked
