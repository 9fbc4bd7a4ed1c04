"""How each metric is computed: sequences of events, and sums and quotients of them.

An ad's impressions are numbered from 1 on. Every other count is derived from that number by a rule that never decreases
and never increases by more than its parent, so that hours add up to days, parts to wholes, and no funnel step exceeds
the one before, whatever the slice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from adreel import catalog
from adreel.catalog.records import Metric
from adreel.simulator.world import table as surfaces
from adreel.simulator.world.hashing import word

ROOT = "impressions"
CLASSES = 64
"""Events of a sequence fall into this many classes in turn; the class decides how late an event is reported."""


@dataclass(frozen=True, slots=True)
class EventSequence:
    """A count derived from its parent at `rate` (in 1/65536), which swings over 2^-`shift` of the ad's wave.

    `surface` is a set of bits of which the ad needs one (0: any ad).
    """

    key: str
    parent: str
    rate: int
    shift: int = 0
    surface: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is summed over ads and time: events of the classes `low` to `high` of a sequence, times `price` if set.

    `lagged`: events are reported over the following days. `late_hours`: how late the whole figure is. `corrected`: it
    is a little too high until the daily correction. `unit` is 1 for counts, 100 for hundredths.
    """

    sequence: EventSequence
    low: int = 0
    high: int = CLASSES
    price: int = 0
    lagged: bool = False
    late_hours: int = 0
    corrected: bool = False
    unit: int = 1

    @property
    def is_money(self) -> bool:
        """Whether it is an amount of the account's currency; the only other hundredths are seconds of play."""
        return self.unit == 100 and self.sequence != PLAY_TIME


@dataclass(frozen=True, slots=True)
class LeafRecipe:
    """The sum of a leaf."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class UniqueUsersRecipe:
    """The unique users behind a leaf's events: fewer than events, and non-additive."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class SumRecipe:
    """The sum of several recipes."""

    parts: tuple[Recipe, ...]


@dataclass(frozen=True, slots=True)
class DifferenceRecipe:
    """`whole` minus `part`."""

    whole: Recipe
    part: Recipe


@dataclass(frozen=True, slots=True)
class QuotientRecipe:
    """`scale` times `over` divided by `under`."""

    over: Recipe
    under: Recipe
    scale: int


Recipe = LeafRecipe | UniqueUsersRecipe | SumRecipe | DifferenceRecipe | QuotientRecipe


def leaves(recipe: Recipe) -> Iterator[Leaf]:
    """Every leaf that a recipe needs."""
    match recipe:
        case LeafRecipe(leaf) | UniqueUsersRecipe(leaf):
            yield leaf
        case SumRecipe(parts):
            for part in parts:
                yield from leaves(part)
        case DifferenceRecipe(over, under) | QuotientRecipe(over, under, _):
            yield from leaves(over)
            yield from leaves(under)


def has_people(recipe: Recipe) -> bool:
    """Whether the recipe uses de-duplicated (unique user) figures."""
    match recipe:
        case UniqueUsersRecipe():
            return True
        case LeafRecipe():
            return False
        case SumRecipe(parts):
            return any(has_people(part) for part in parts)
        case DifferenceRecipe(over, under) | QuotientRecipe(over, under, _):
            return has_people(over) or has_people(under)


def unit_of(recipe: Recipe) -> int:
    """1 if the recipe's value is a whole number, 100 if it is in hundredths."""
    match recipe:
        case LeafRecipe(leaf):
            return leaf.unit
        case UniqueUsersRecipe():
            return 1
        case SumRecipe(parts):
            return unit_of(parts[0])
        case DifferenceRecipe(whole, _):
            return unit_of(whole)
        case QuotientRecipe():
            return 100


def _percent(share: float) -> int:
    return round(655.36 * share)


_V = surfaces.VIDEO
_TREE: tuple[tuple[str, str, float, int, int], ...] = (
    ("clicks", ROOT, 1.4, 0, 0),
    ("more_impressions", ROOT, 2.0, 0, 0),
    ("video_play_actions", ROOT, 93.0, 0, _V),
    ("video_watched_2s", "video_play_actions", 42.0, 0, _V),
    ("video_watched_6s", "video_watched_2s", 45.0, 1, _V),
    ("video_views_p25", "video_watched_2s", 66.0, 1, _V),
    ("video_views_p50", "video_views_p25", 58.0, 1, _V),
    ("video_views_p75", "video_views_p50", 62.0, 2, _V),
    ("video_views_p100", "video_views_p75", 66.0, 2, _V),
    ("engaged_view", "video_watched_6s", 70.0, 2, _V),
    ("engaged_view_15s", "engaged_view", 30.0, 3, _V),
    ("paid_engaged_view", "engaged_view", 90.0, 2, _V),
    ("paid_engagement_engaged_view", "paid_engaged_view", 20.0, 3, _V),
    ("paid_engaged_view_15s", "engaged_view_15s", 90.0, 4, _V),
    ("paid_engagement_engaged_view_15s", "paid_engaged_view_15s", 20.0, 4, _V),
    ("organic_video_views", "video_play_actions", 6.0, 2, _V),
    ("earned_page_video_views", "organic_video_views", 40.0, 4, _V),
    ("earned_page_video_views_p100", "earned_page_video_views", 30.0, 4, _V),
    ("earned_page_clicks", "earned_page_video_views", 5.0, 5, _V),
    ("likes", ROOT, 0.6, 0, 0),
    ("comments", "likes", 7.0, 6, 0),
    ("shares", "likes", 9.0, 6, 0),
    ("profile_visits", ROOT, 0.25, 0, 0),
    ("follows", "profile_visits", 14.0, 6, 0),
    ("clicks_on_music_disc", ROOT, 0.04, 0, 0),
    ("new_consideration_size", ROOT, 3.0, 0, 0),
    ("conversion", "clicks", 9.0, 6, 0),
    ("real_time_conversion", "clicks", 8.0, 6, 0),
    ("result", "clicks", 12.0, 6, 0),
    ("real_time_result", "clicks", 11.0, 6, 0),
    ("secondary_goal_result", "clicks", 4.0, 6, surfaces.SECOND_GOAL),
    ("app_install", "clicks", 10.0, 6, surfaces.APP),
    ("real_time_app_install", "clicks", 9.5, 6, surfaces.APP),
    ("live_views", ROOT, 5.0, 0, surfaces.LIVE),
    ("live_effective_views", "live_views", 30.0, 3, surfaces.LIVE),
    ("live_product_clicks", "live_effective_views", 8.0, 5, surfaces.LIVE),
)
_TREE_SEQUENCES = {
    name: EventSequence(name, parent, _percent(share), shift, surface) for name, parent, share, shift, surface in _TREE
}
IMPRESSIONS = EventSequence(ROOT, "", 0)
SPEND = EventSequence("spend", ROOT, 0)
CORRECTION = EventSequence("correction", "spend", _percent(1.2), 0)
PLAY_TIME = EventSequence("play_time", "video_play_actions", 0, 0, _V)

_GROUPS: Mapping[str, tuple[int, str, float, bool]] = {
    "app_event": (surfaces.APP, "clicks", 6.0, True),
    "native_growth": (surfaces.APP, "clicks", 2.0, True),
    "app_event_skan": (surfaces.SKAN, "clicks", 4.0, True),
    "core_skan": (surfaces.SKAN, "clicks", 5.0, True),
    "attribution_skan": (surfaces.SKAN, "clicks", 1.0, True),
    "attribution": (surfaces.EVERYWHERE, "clicks", 1.5, True),
    "website": (surfaces.WEBSITE, "clicks", 7.0, True),
    "website_legacy": (surfaces.WEBSITE, "clicks", 3.0, True),
    "tiktok_onsite": (surfaces.ONSITE, "clicks", 4.0, True),
    "shop": (surfaces.SHOP, "clicks", 4.0, True),
    "offline": (surfaces.OFFLINE, "clicks", 1.5, True),
    "messaging": (surfaces.ONSITE, "clicks", 2.0, True),
    "instant_experience": (surfaces.ONSITE, "clicks", 30.0, False),
    "image": (surfaces.IMAGE, ROOT, 60.0, False),
}
_OTHER_GROUPS = (surfaces.EVERYWHERE, ROOT, 0.8, False)
_AT_ONCE = frozenset({"real_time_conversion", "real_time_result", "real_time_app_install"})
_SPLITS = {"vta_": (0, 12), "cta_": (12, 52), "evta_": (52, 60)}


def event_sequence(key: str) -> EventSequence:
    """The sequence of that name in the tree above."""
    return IMPRESSIONS if key == ROOT else SPEND if key == "spend" else _TREE_SEQUENCES[key]


def _metric_sequence(key: str, group: str) -> tuple[EventSequence, bool]:
    """The sequence of a metric's events, and whether they are reported late."""
    sequence = _TREE_SEQUENCES.get(key)
    surface, parent, share, lagged = _GROUPS.get(group, _OTHER_GROUPS)
    if sequence is not None:
        return sequence, group in _GROUPS or key in {"conversion", "result", "secondary_goal_result"}
    rate = _percent(share * (20 + word(key) % 100) / 100)
    return EventSequence(key, parent, rate, 6 if parent == "clicks" else 0, surface), lagged


def _family(metric: Metric) -> tuple[str, str, int, int]:
    """The metric whose events contain this metric's, its group, and the range of classes."""
    catalog_metrics = catalog.metrics()
    for prefix, (low, high) in _SPLITS.items():
        if metric.name.startswith(prefix):
            rest = metric.name.removeprefix(prefix)
            for name in (f"total_{rest}", rest, "complete_payment" if rest == "payments_completed" else rest):
                if name in catalog_metrics:
                    return name, catalog_metrics[name].group, low, high
    early = re.fullmatch(r"(.+)_(?:calendar_)?d(?:ay)?(\d+)", metric.name)
    if early:
        return early[1], metric.group, 0, min(CLASSES, 16 + 2 * int(early[2]))
    if not metric.additive:
        name = f"total_{metric.name}"
        if name in catalog_metrics:
            return name, catalog_metrics[name].group, 0, CLASSES
        return re.sub(r"(^|_)unique_", r"\1", metric.name), metric.group, 0, CLASSES
    return metric.name, metric.group, 0, CLASSES


@cache
def _counted_by() -> Mapping[str, str]:
    """By money metric: the count whose events it is the value of."""
    return {
        metric.numerator: metric.denominator
        for metric in catalog.metrics().values()
        if metric.type == "money" and metric.numerator and metric.denominator and metric.numerator != "spend"
    }


def _event_leaf(name: str) -> Leaf:
    """The leaf of a count or a value metric."""
    metric = catalog.metrics()[name]
    counted = catalog.metrics().get(_counted_by().get(name, ""), metric)
    key, group, low, high = _family(counted)
    sequence, lagged = _metric_sequence(key, group)
    leaf = Leaf(sequence, low, high, lagged=lagged and name not in _AT_ONCE)
    if metric.type == "money":
        return replace(leaf, price=900 + word("price", key) % 5000, unit=100)
    return leaf


def _spend_recipe(name: str) -> Recipe | None:
    spend = LeafRecipe(Leaf(SPEND, unit=100, corrected=True))
    part = {
        "billed_cost": EventSequence("billed_cost", "spend", _percent(97.0)),
        "cash_spend": EventSequence("cash_spend", "spend", _percent(88.0)),
        "tax_spend": EventSequence("tax_spend", "spend", _percent(9.0)),
        "cashback_coupon_spend": EventSequence("cashback_coupon_spend", "spend", _percent(1.0)),
    }.get(name)
    if part is not None:
        return LeafRecipe(Leaf(part, late_hours=11 if name == "billed_cost" else 16, unit=100))
    if name == "voucher_spend":
        late_spend = Leaf(SPEND, late_hours=16, unit=100, corrected=True)
        return DifferenceRecipe(LeafRecipe(late_spend), metric_recipe("cash_spend"))
    return spend if name in {"spend", "cost"} else None


def _special_recipe(name: str) -> Recipe | None:
    """Recipes of metrics that the general rules do not cover."""
    impressions = LeafRecipe(Leaf(IMPRESSIONS))
    plays = Leaf(event_sequence("video_play_actions"))
    seconds = LeafRecipe(Leaf(PLAY_TIME, unit=100))
    reactions = ("clicks", "likes", "comments", "shares", "follows", "profile_visits")
    match name:
        case "impressions":
            return impressions
        case "gross_impressions":
            return SumRecipe((impressions, LeafRecipe(Leaf(event_sequence("more_impressions")))))
        case "reach":
            return UniqueUsersRecipe(Leaf(IMPRESSIONS, late_hours=16))
        case "average_video_play" | "ix_average_video_play":
            return QuotientRecipe(seconds, LeafRecipe(plays), 1)
        case "average_video_play_per_user":
            return QuotientRecipe(seconds, UniqueUsersRecipe(replace(plays, late_hours=16)), 1)
        case "engagements":
            return SumRecipe(tuple(LeafRecipe(Leaf(event_sequence(key))) for key in reactions))
        case "result" | "real_time_result" | "live_unique_views":
            base = event_sequence("live_views" if name == "live_unique_views" else name)
            return UniqueUsersRecipe(
                Leaf(base, lagged=name == "result", late_hours=16 if name == "live_unique_views" else 0)
            )
    return _spend_recipe(name)


def _recipe_without_formula(metric: Metric) -> Recipe:
    """A recipe, mostly a quotient, for a metric without a formula in the catalogue."""
    catalog_metrics = catalog.metrics()
    if metric.type == "money" and re.search("value|revenue", metric.name) and "per" not in metric.name:
        return LeafRecipe(_event_leaf(metric.name))
    spend, clicks = metric_recipe("spend"), metric_recipe("clicks")
    sequence, lagged = _metric_sequence(metric.name, metric.group)
    events = LeafRecipe(Leaf(sequence, lagged=lagged))
    stem = re.sub(r"cost_per_|cost_|_cost|_rate|_per_click", "", metric.name)
    for name in (stem, f"total_{stem}", f"{stem}s"):
        if name in catalog_metrics and catalog_metrics[name].type == "int":
            events = LeafRecipe(_event_leaf(name))
            break
    if metric.type == "rate":
        return QuotientRecipe(events, clicks, 100)
    if metric.type == "money" and "value" not in metric.name:
        return QuotientRecipe(spend, events, 1)
    value = LeafRecipe(replace(events.leaf, price=900 + word("price", metric.name) % 5000, unit=100))
    return QuotientRecipe(value, spend if metric.type == "ratio" else events, 1)


@cache
def metric_recipe(name: str) -> Recipe:
    """The recipe of a metric of the catalogue that is not an attribute."""
    metric = catalog.metrics()[name]
    special = _special_recipe(name)
    if special is not None:
        return special
    if metric.numerator and metric.denominator:
        over, under = metric_recipe(metric.numerator), metric_recipe(metric.denominator)
        return QuotientRecipe(over, under, metric.scale)
    if metric.type == "int":
        leaf = _event_leaf(name)
        return LeafRecipe(leaf) if metric.additive else UniqueUsersRecipe(leaf)
    if metric.additive:
        return LeafRecipe(_event_leaf(name))
    return _recipe_without_formula(metric)
