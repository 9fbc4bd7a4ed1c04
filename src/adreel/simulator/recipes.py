"""What each metric is made of: sequences of events, and sums and quotients of them.

An ad's impressions are numbered from 1 on. Every other count follows from that number by a rule that never goes down
and never goes up by more than its parent does, so that hours add up to days, parts to wholes, and no funnel runs
backwards, whatever the slice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from adreel import catalog
from adreel.catalog.records import Metric
from adreel.simulator import table as surfaces
from adreel.simulator.hashing import word

ROOT = "impressions"
CLASSES = 64
"""Events of a sequence fall into so many classes in turn; the class says how late an event becomes known."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A count that follows its parent at `rate` (in 1/65536), with swings over 2^`-shift` of the ad's own wave.

    `surface` is a set of bits of which the ad needs one (0: any ad has it).
    """

    key: str
    parent: str
    rate: int
    shift: int = 0
    surface: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is added up over ads and time: events of some classes of a sequence, at a price if they have one.

    `lagged`: events become known over the following days. `slow`: the whole figure comes 16 hours late.
    `corrected`: it stands a little too high until the daily repair. `unit` is 1 for counts, 100 for hundredths.
    """

    sequence: Sequence
    low: int = 0
    high: int = CLASSES
    price: int = 0
    lagged: bool = False
    slow: bool = False
    corrected: bool = False
    unit: int = 1

    @property
    def is_money(self) -> bool:
        """Whether it is an amount of the account's currency; the only other hundredths are seconds of play."""
        return self.unit == 100 and self.sequence != PLAY_TIME


@dataclass(frozen=True, slots=True)
class Plain:
    """The leaf itself."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class People:
    """The leaf's events by different people: fewer than events, and not to be added up."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of several."""

    parts: tuple[Recipe, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """What one leaves of another."""

    whole: Recipe
    part: Recipe


@dataclass(frozen=True, slots=True)
class Quotient:
    """`scale` times one over another."""

    over: Recipe
    under: Recipe
    scale: int


Recipe = Plain | People | Total | Rest | Quotient


def leaves(recipe: Recipe) -> Iterator[Leaf]:
    """Every leaf that a recipe needs."""
    match recipe:
        case Plain(leaf) | People(leaf):
            yield leaf
        case Total(parts):
            for part in parts:
                yield from leaves(part)
        case Rest(over, under) | Quotient(over, under, _):
            yield from leaves(over)
            yield from leaves(under)


def has_people(recipe: Recipe) -> bool:
    """Whether de-duplicated figures are part of it."""
    match recipe:
        case People():
            return True
        case Plain():
            return False
        case Total(parts):
            return any(has_people(part) for part in parts)
        case Rest(over, under) | Quotient(over, under, _):
            return has_people(over) or has_people(under)


def unit_of(recipe: Recipe) -> int:
    """1 if the value is whole, 100 if it is in hundredths."""
    match recipe:
        case Plain(leaf):
            return leaf.unit
        case People():
            return 1
        case Total(parts):
            return unit_of(parts[0])
        case Rest(whole, _):
            return unit_of(whole)
        case Quotient():
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
    name: Sequence(name, parent, _percent(share), shift, surface) for name, parent, share, shift, surface in _TREE
}
IMPRESSIONS = Sequence(ROOT, "", 0)
SPEND = Sequence("spend", ROOT, 0)
CORRECTION = Sequence("correction", "spend", _percent(1.2), 0)
PLAY_TIME = Sequence("play_time", "video_play_actions", 0, 0, _V)

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
_ELSEWHERE = (surfaces.EVERYWHERE, ROOT, 0.8, False)
_AT_ONCE = frozenset({"real_time_conversion", "real_time_result", "real_time_app_install"})
_SPLITS = {"vta_": (0, 12), "cta_": (12, 52), "evta_": (52, 60)}


def sequence(key: str) -> Sequence:
    """A sequence that stands in the tree above."""
    return IMPRESSIONS if key == ROOT else SPEND if key == "spend" else _TREE_SEQUENCES[key]


def _own_sequence(key: str, group: str) -> tuple[Sequence, bool]:
    """The sequence behind a metric's events, and whether they become known late."""
    known = _TREE_SEQUENCES.get(key)
    surface, parent, share, lagged = _GROUPS.get(group, _ELSEWHERE)
    if known is not None:
        return known, group in _GROUPS or key in {"conversion", "result", "secondary_goal_result"}
    rate = _percent(share * (20 + word(key) % 100) / 100)
    return Sequence(key, parent, rate, 6 if parent == "clicks" else 0, surface), lagged


def _family(metric: Metric) -> tuple[str, str, int, int]:
    """The metric whose events these are a part of, its group, and which classes of them."""
    known = catalog.metrics()
    for prefix, (low, high) in _SPLITS.items():
        if metric.name.startswith(prefix):
            rest = metric.name.removeprefix(prefix)
            for name in (f"total_{rest}", rest, "complete_payment" if rest == "payments_completed" else rest):
                if name in known:
                    return name, known[name].group, low, high
    early = re.fullmatch(r"(.+)_(?:calendar_)?d(?:ay)?(\d+)", metric.name)
    if early:
        return early[1], metric.group, 0, min(CLASSES, 16 + 2 * int(early[2]))
    if not metric.additive:
        name = f"total_{metric.name}"
        if name in known:
            return name, known[name].group, 0, CLASSES
        return re.sub(r"(^|_)unique_", r"\1", metric.name), metric.group, 0, CLASSES
    return metric.name, metric.group, 0, CLASSES


@cache
def _counted_by() -> Mapping[str, str]:
    """By metric of money: the count whose events it is the value of."""
    return {
        metric.numerator: metric.denominator
        for metric in catalog.metrics().values()
        if metric.type == "money" and metric.numerator and metric.denominator and metric.numerator != "spend"
    }


def _events(name: str) -> Leaf:
    """The leaf behind a count or a value of the catalogue."""
    metric = catalog.metrics()[name]
    counted = catalog.metrics().get(_counted_by().get(name, ""), metric)
    key, group, low, high = _family(counted)
    own, lagged = _own_sequence(key, group)
    leaf = Leaf(own, low, high, lagged=lagged and name not in _AT_ONCE)
    if metric.type == "money":
        return replace(leaf, price=900 + word("price", key) % 5000, unit=100)
    return leaf


def _spend(name: str) -> Recipe | None:
    spend = Plain(Leaf(SPEND, unit=100, corrected=True))
    part = {
        "billed_cost": Sequence("billed_cost", "spend", _percent(97.0)),
        "cash_spend": Sequence("cash_spend", "spend", _percent(88.0)),
        "tax_spend": Sequence("tax_spend", "spend", _percent(9.0)),
        "cashback_coupon_spend": Sequence("cashback_coupon_spend", "spend", _percent(1.0)),
    }.get(name)
    if part is not None:
        return Plain(Leaf(part, unit=100))
    if name == "voucher_spend":
        return Rest(spend, Plain(Leaf(Sequence("cash_spend", "spend", _percent(88.0)), unit=100)))
    return spend if name in {"spend", "cost"} else None


def _special(name: str) -> Recipe | None:
    """Metrics that the general rules do not reach."""
    impressions = Plain(Leaf(IMPRESSIONS))
    plays = Leaf(sequence("video_play_actions"))
    seconds = Plain(Leaf(PLAY_TIME, unit=100))
    reactions = ("clicks", "likes", "comments", "shares", "follows", "profile_visits")
    match name:
        case "impressions":
            return impressions
        case "gross_impressions":
            return Total((impressions, Plain(Leaf(sequence("more_impressions")))))
        case "reach":
            return People(Leaf(IMPRESSIONS, slow=True))
        case "average_video_play" | "ix_average_video_play":
            return Quotient(seconds, Plain(plays), 1)
        case "average_video_play_per_user":
            return Quotient(seconds, People(replace(plays, slow=True)), 1)
        case "engagements":
            return Total(tuple(Plain(Leaf(sequence(key))) for key in reactions))
        case "result" | "real_time_result" | "live_unique_views":
            base = sequence("live_views" if name == "live_unique_views" else name)
            return People(Leaf(base, lagged=name == "result", slow=name == "live_unique_views"))
    return _spend(name)


def _guess(metric: Metric) -> Recipe:
    """A quotient that the catalogue has no formula for."""
    known = catalog.metrics()
    if metric.type == "money" and re.search("value|revenue", metric.name) and "per" not in metric.name:
        return Plain(_events(metric.name))
    spend, clicks = metric_recipe("spend"), metric_recipe("clicks")
    own, lagged = _own_sequence(metric.name, metric.group)
    events = Plain(Leaf(own, lagged=lagged))
    stem = re.sub(r"cost_per_|cost_|_cost|_rate|_per_click", "", metric.name)
    for name in (stem, f"total_{stem}", f"{stem}s"):
        if name in known and known[name].type == "int":
            events = Plain(_events(name))
            break
    if metric.type == "rate":
        return Quotient(events, clicks, 100)
    if metric.type == "money" and "value" not in metric.name:
        return Quotient(spend, events, 1)
    value = Plain(replace(events.leaf, price=900 + word("price", metric.name) % 5000, unit=100))
    return Quotient(value, spend if metric.type == "ratio" else events, 1)


@cache
def metric_recipe(name: str) -> Recipe:
    """What the metric `name` of the catalogue is made of; not for attributes."""
    metric = catalog.metrics()[name]
    special = _special(name)
    if special is not None:
        return special
    if metric.numerator and metric.denominator:
        over, under = metric_recipe(metric.numerator), metric_recipe(metric.denominator)
        return Quotient(over, under, metric.scale)
    if metric.type == "int":
        leaf = _events(name)
        return Plain(leaf) if metric.additive else People(leaf)
    if metric.additive:
        return Plain(_events(name))
    return _guess(metric)
