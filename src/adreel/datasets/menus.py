"""Which menus a report shows, and what each offers, given what is chosen in the menus above.

Validation, forms and docs all read the catalogue's conditions here. A choice is a mapping from menu names to tuples
of values, with switches as `true` and `false`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from adreel import catalog
from adreel.catalog import all_spend, gmv_max, smart_plus
from adreel.catalog.additions import per_catalogue
from adreel.catalog.records import LEVELS, Dimension, Menu, Metric, Report, When
from adreel.catalog.report_types import FURTHER, TYPES
from adreel.language import Phrase, either, language, phrase, within_sentence

Chosen = Mapping[str, tuple[str, ...]]

MOST_METRICS = 100
"""Metrics that TikTok advises at most in one request; more are asked for in several and joined on the key."""

UNKNOWN = "?"
"""A value that its menu does not have. It meets every condition, so that one mistake is reported once."""

_TIMES = {"none": "none", "day": "day", "hour": "hour", "daily": "day", "hourly": "hour"}
_TIME_DIMENSIONS = {"day": "stat_time_day", "hour": "stat_time_hour"}
_KINDS = {"basic": "BASIC", "audience": "AUDIENCE", "dsa": "CATALOG"}
_REPORT_KINDS = {
    "BASIC": Phrase("Basic"),
    "AUDIENCE": Phrase("Audience"),
    "CATALOG": "DSA",
    "CREATIVE": Phrase("Creatives"),
    "GMV_MAX": Phrase("GMV Max"),
    "ALL_SPEND": Phrase("All TikTok spend"),
    "SMART_PLUS": Phrase("Smart+ materials"),
    "TT_SHOP": Phrase("Seller Center ads"),
    "PLAYABLE_MATERIAL": Phrase("Playable ads"),
    "BC": Phrase("Spend of Business Centers"),
}
_SWITCH = {"true": Phrase("on"), "false": Phrase("off")}


@dataclass(frozen=True, slots=True)
class Offer:
    """A value of a menu; `refusal` is why it cannot be chosen now, such as "requires data level: Campaign", or None.

    It is `unconfirmed` if it rests on a single source or an inference, or if sources differ, as the catalogue says.
    """

    value: str
    title: str
    meaning: str
    refusal: str | None
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class ReportGrouping:
    """What decides which dimensions and metrics go together: report type, level, and the dimensions chosen."""

    kind: str
    level: str
    time: str
    dimensions: tuple[str, ...]
    id: str | None
    promotion: str = "all"


def shown(report: Report, chosen: Chosen) -> Iterator[Menu]:
    """The menus that are there, in order."""
    return (menu for menu in report.menus if unmet(menu.when, chosen) is None)


def unmet(conditions: Iterable[When], chosen: Chosen) -> str | None:
    """The first condition that is not met, as in "requires data level: Campaign"; None if all are met."""
    for when in conditions:
        values = chosen.get(when.menu, ())
        if when.open and not values:
            continue
        if UNKNOWN not in values and not any(value in when.among for value in values):
            return _required(when.menu, when.among)
    return None


def defaults(menu: Menu, chosen: Chosen) -> tuple[str, ...]:
    """The values if nothing is chosen: the declared default, else the first choice that is available.

    A choice that is required and has no default may have none of them.
    """
    if isinstance(menu.default, bool):
        return (str(menu.default).lower(),)
    available = (choice.value for choice in menu.choices if unmet(choice.when, chosen) is None)
    if isinstance(menu.default, str):
        refused = (choice for choice in menu.choices if choice.value == menu.default and unmet(choice.when, chosen))
        return tuple(available)[:1] if any(refused) else (menu.default,)
    if menu.name == "id_dimension":
        return tuple(available)[:1]
    if menu.source == "choices" and menu.required and len(menu.choices) == 1:
        return (menu.choices[0].value,)
    return ()


def offers(report: Report, menu: Menu, chosen: Chosen) -> tuple[Offer, ...]:
    """Every value of the menu, each with the reason if it cannot be chosen now."""
    if menu.source == "choices":
        return tuple(Offer(c.value, c.title, c.meaning, unmet(c.when, chosen), not c.sure) for c in menu.choices)
    if menu.source == "fields":
        return tuple(Offer(field.name, field.title, field.meaning, None) for field in catalog.fields()[report.name])
    grouping = grouping_of(report, chosen)
    if menu.source == "dimensions":
        dimensions = [d for d in catalog.dimensions().values() if _belongs(menu, d)]
        return tuple(
            Offer(d.name, _shown(d), d.meaning, dimension_refusal(d, grouping, chosen), _is_doubtful(d, grouping))
            for d in dimensions
        )
    if menu.source == "metrics":
        return _metric_offers(grouping, language())
    return ()


def _shown(dimension: Dimension) -> str:
    """The title, which says of a dimension of the home's own file that it is one."""
    return phrase("%(title)s (added here)", title=dimension.title) if dimension.added else dimension.title


@per_catalogue()
def _metric_offers(grouping: ReportGrouping, _language: str) -> tuple[Offer, ...]:
    """Kept by language, since a page of a dataset asks up to eight times for the same, at 2 ms each; 0.3 MB each."""
    return tuple(
        Offer(m.name, m.title, m.meaning, metric_refusal(m, grouping), _is_doubtful(m, grouping))
        for m in catalog.metrics().values()
    )


def _is_doubtful(record: Metric | Dimension, grouping: ReportGrouping) -> bool:
    """Whether sources on the record are unreliable, or differ on it in a report of this grouping."""
    if not record.sure or not record.doubtful:
        return not record.sure
    return bool(record.doubtful & {grouping.kind, grouping.level, grouping.time, *grouping.dimensions})


def _belongs(menu: Menu, dimension: Dimension) -> bool:
    """Whether the menu lists the dimension at all."""
    if dimension.kind in ("id", "time") and menu.name != "dsa_dimension":
        return False
    if menu.name == "dsa_dimension":
        return dimension.kind == "id" and dimension.reports == {"CATALOG"}
    report_type = {
        "audience_dimensions": "AUDIENCE",
        "targeting_dimension": "BASIC",
        "asset_dimensions": "SMART_PLUS",
    }.get(menu.name)
    return bool(dimension.reports & {"AUDIENCE", "BASIC"}) if report_type is None else report_type in dimension.reports


def grouping_of(report: Report, chosen: Chosen) -> ReportGrouping:
    """The grouping that the choices make."""
    if report.name == "creatives":
        return ReportGrouping("CREATIVE", "ad", "none", (), None)
    if report.name == gmv_max.REPORT:
        promotion = _first(chosen, "promotion_type") or "all"
        return ReportGrouping("GMV_MAX", _first(chosen, "gmv_max_level"), "none", (), None, promotion)
    if report.name == all_spend.REPORT:
        return ReportGrouping("ALL_SPEND", "campaign", "day", (), "campaign_id")
    if report.name in FURTHER:
        further = FURTHER[report.name]
        rows = further.grouping(_first(chosen, further.menu))
        time = rows.time or _first(chosen, "time_dimension") or "none"
        return ReportGrouping(further.type, rows.level or "", time, rows.breakdowns, rows.id)
    level = _first(chosen, "data_level") or _first(chosen, "report_level")
    if report.name == smart_plus.MATERIALS:
        assets, time = chosen.get("asset_dimensions", ()), _first(chosen, "time_dimension") or "none"
        return ReportGrouping("SMART_PLUS", level, time, assets, smart_plus.IDS.get(level, "advertiser_id"))
    time = _TIMES.get(_first(chosen, "time_dimension") or _first(chosen, "time_granularity"), "none")
    extra = ("audience_dimensions", "targeting_dimension", "dsa_dimension", "dimensions")
    dimensions = tuple(value for menu in extra for value in chosen.get(menu, ()))
    kind = "AUDIENCE" if report.name == "ad_audience" else _KINDS[_first(chosen, "report_type") or "basic"]
    if UNKNOWN in chosen.get("report_type", ()):
        kind = ""
    named = _first(chosen, "id_dimension") or (f"{level}_id" if level else "none")
    return ReportGrouping(kind, level, time, dimensions, None if named == "none" else named)


def _first(chosen: Chosen, menu: str) -> str:
    return next((value for value in chosen.get(menu, ()) if value != UNKNOWN), "")


def dimension_refusal(dimension: Dimension, grouping: ReportGrouping, chosen: Chosen) -> str | None:
    """Why TikTok refuses the dimension in this grouping, or None (docs: "Supported dimensions", facts in catalogue)."""
    if grouping.kind and grouping.kind not in dimension.reports:
        return phrase("not available in %(report_type)s reports", report_type=_REPORT_KINDS[grouping.kind])
    if grouping.kind == "SMART_PLUS":
        return _asset_refusal(dimension, grouping, chosen)
    if dimension.levels and grouping.level and grouping.level not in dimension.levels:
        return _level_only(dimension.levels)
    if grouping.time not in dimension.times:
        return _required("time_dimension", [time for time in ("none", "day", "hour") if time in dimension.times])
    for other in grouping.dimensions:
        if other != dimension.name and other not in dimension.pairs:
            if not dimension.pairs:
                return phrase("cannot be combined with %(dimension)s", dimension=_dimension_title(other))
            return phrase(
                "cannot be combined with %(dimension)s; allowed: %(dimensions)s",
                dimension=_dimension_title(other),
                dimensions=either(_titles(dimension.pairs)),
            )
    if dimension.name == "match_type" and "search_keyword" not in grouping.dimensions:
        return phrase("requires dimension: %(dimensions)s", dimensions=_dimension_title("search_keyword"))
    if _first(chosen, "lifetime") == "true" and not dimension.lifetime:
        return phrase("not available with lifetime data")
    return None


def _asset_refusal(dimension: Dimension, grouping: ReportGrouping, chosen: Chosen) -> str | None:
    """Why an asset cannot be combined with others: only the breakdown of an ad account has combinations."""
    if not set(grouping.dimensions) - {dimension.name}:
        return None
    if grouping.level not in ("", "advertiser"):
        return _required("data_level", ["advertiser"])
    return phrase("not available with lifetime data") if _first(chosen, "lifetime") == "true" else None


def metric_refusal(metric: Metric, grouping: ReportGrouping) -> str | None:
    """Why TikTok refuses the metric in this grouping, or None."""
    kinds = metric.reports | ({"ALL_SPEND"} if metric.name in all_spend.METRICS else set())
    if grouping.kind and grouping.kind not in kinds:
        return phrase("not available in %(report_type)s reports", report_type=_REPORT_KINDS[grouping.kind])
    if grouping.kind in ("CREATIVE", "ALL_SPEND") or grouping.kind in TYPES:
        return None
    if grouping.kind == "GMV_MAX":
        return _gmv_max_refusal(metric, grouping)
    if grouping.kind == "SMART_PLUS":
        return _material_refusal(metric, grouping)
    if grouping.level and metric.levels and grouping.level not in metric.levels:
        return _level_only(metric.levels)
    if metric.attribute and grouping.id is None:
        return phrase("requires an ID dimension")
    return _breakdown_refusal(metric, grouping)


def _gmv_max_refusal(metric: Metric, grouping: ReportGrouping) -> str | None:
    """Why a GMV Max report does not have the metric at its level, or for its type of campaigns."""
    if not metric.gmv_max:
        return phrase("not read by adreel")
    if not grouping.level or metric.gmv_max & gmv_max.metric_levels(grouping.level, grouping.promotion):
        return None
    if metric.name in gmv_max.NAMES_ABOVE.get(grouping.level, ()):
        return None
    if metric.gmv_max & gmv_max.metric_levels(grouping.level, "all"):
        promotions = [kind for kind in ("product", "live") if f"{kind}_campaign" in metric.gmv_max]
        return _required("promotion_type", ["all", *promotions])
    levels = [
        level.name
        for level in gmv_max.LEVELS.values()
        if level.metric_levels & metric.gmv_max or metric.name in gmv_max.NAMES_ABOVE.get(level.name, ())
    ]
    return _required("gmv_max_level", levels)


def _material_refusal(metric: Metric, grouping: ReportGrouping) -> str | None:
    """Why a report of Smart+ materials does not have the metric, or has it empty."""
    asset = smart_plus.NAMES.get(metric.name)
    if asset is not None:
        return None if asset in grouping.dimensions else _requires_dimension([asset])
    if metric.name in smart_plus.AD_ONLY and grouping.level not in ("", "ad"):
        return _level_only(["ad"])
    return _breakdown_refusal(metric, grouping)


def _breakdown_refusal(metric: Metric, grouping: ReportGrouping) -> str | None:
    have = {*grouping.dimensions, grouping.id, _TIME_DIMENSIONS.get(grouping.time)}
    if metric.needs_any and not metric.needs_any & have:
        return _requires_dimension(metric.needs_any)
    refused = sorted(metric.refuses & have)
    if refused:
        return phrase("not available with %(dimension)s", dimension=_dimension_title(refused[0]))
    if metric.id_and_day_only and (grouping.dimensions or grouping.time == "hour" or grouping.id is None):
        return phrase("available only by ID dimension, or by ID dimension and day")
    for name in grouping.dimensions:
        dimension = catalog.dimensions().get(name)
        if dimension is None:
            continue
        if metric.name in dimension.refuses:
            return phrase("not available with %(dimension)s", dimension=dimension.title)
        if dimension.metrics and metric.name not in dimension.metrics:
            return phrase(
                "not available with %(dimension)s, which allows %(metrics)s metrics only",
                dimension=dimension.title,
                metrics=len(dimension.metrics),
            )
    return None


# -- what a person reads: titles, as forms show no keys of dataset files


@cache
def _menu_titles() -> Mapping[str, tuple[str, dict[str, str]]]:
    """By menu: its title, and the titles of its choices by value."""
    return {
        menu.name: (menu.title, {choice.value: choice.title for choice in menu.choices})
        for report in reversed(tuple(catalog.REPORTS.values()))
        for menu in report.menus
    }


def _required(menu: str, values: Iterable[str]) -> str:
    """As in "requires data level: Ad group or Ad"."""
    title, choices = _menu_titles()[menu]
    words = [choices.get(value) or _SWITCH.get(value) or value for value in values]
    return phrase("requires %(menu)s: %(values)s", menu=within_sentence(title), values=either(words))


def level_words(level: str) -> str:
    """A level of a report within a sentence, as in "ad group"."""
    titles = _menu_titles()["gmv_max_level"][1] | _menu_titles()["data_level"][1]
    return within_sentence(titles[level])


def _requires_dimension(names: Iterable[str]) -> str:
    return phrase("requires dimension: %(dimensions)s", dimensions=either(_titles(names)))


def _level_only(levels: Iterable[str]) -> str:
    given = frozenset(levels)
    return phrase(
        "available at %(levels)s level only", levels=either(level_words(level) for level in LEVELS if level in given)
    )


def _dimension_title(name: str) -> str:
    dimension = catalog.dimensions().get(name)
    return str(dimension.title) if dimension else name


def _titles(names: Iterable[str]) -> list[str]:
    return sorted(map(_dimension_title, names))


LONGEST_WORD = 100


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Up to three of the names that are like `word`, nearest first; None if no name is, or `word` is too long."""
    if len(word) > LONGEST_WORD:
        return None
    return ", ".join(get_close_matches(word, list(names), n=3, cutoff=0.6)) or None


def synonym(word: str, offers: Iterable[Offer]) -> str | None:
    """The value among `offers` whose title or older name is `word`; None if there is none.

    Pages and messages have titles, such as Ad account; dataset files have values, such as advertiser.
    """
    titles = {offer.value: offer.title for offer in offers}
    older = catalog.legacy.column_name(word)
    if older != word and older in titles:
        return older
    plain = _plain(word)
    return next((value for value, title in titles.items() if _plain(title) == plain), None)


def _plain(text: str) -> str:
    """A name or title with single spaces, in lower case."""
    return " ".join(text.replace("_", " ").lower().split())


def matching_dimensions(words: Iterable[str]) -> tuple[Dimension, ...]:
    """The dimensions whose name, title or meaning has all the words."""
    searched = [word.lower() for word in words]
    return tuple(dimension for dimension in catalog.dimensions().values() if _has(searched, dimension))


def _has(words: Iterable[str], record: Dimension) -> bool:
    text = " ".join((record.name, record.title, record.meaning, str(record.title), str(record.meaning))).lower()
    return all(word in text for word in words)
