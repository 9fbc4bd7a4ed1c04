"""Reports, metrics, dimensions and fields, and what a report's menus offer for what is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field, JsonValue

from adreel import catalog
from adreel.catalog import records
from adreel.datasets import menus
from adreel.datasets.fitting import Fitted, fitted
from adreel.datasets.presets import SETS
from adreel.errors import NotFoundError
from adreel.web.api.failures import failures
from adreel.web.api.shapes import Answer, Body, DatasetValues, Paged, Paging, ordered, part, source_of
from adreel.web.deps import Who

router = APIRouter(tags=["catalogue"])

TIMES = ("none", "day", "hour")
_NAMES = {"report": "performance", "metric": "spend", "dimension": "country_code"}


class When(Answer):
    """A condition on a menu above: it has one of these values."""

    menu: str = Field(examples=["data_level"])
    among: list[str] = Field(examples=[["ad"]])


class Choice(Answer):
    """A value of a menu, and on what it depends; every condition must hold."""

    value: str = Field(examples=["ad"])
    title: str = Field(examples=["Ad"])
    meaning: str = Field(examples=[""])
    when: list[When]


class Menu(Answer):
    """A menu of a report: when it appears, what it offers, what holds if nothing is chosen."""

    name: str = Field(examples=["data_level"])
    title: str = Field(examples=["Data level"])
    source: str = Field(
        description="choices, metrics, dimensions, fields, advertisers, ids, dates or switch.", examples=["choices"]
    )
    meaning: str = Field(examples=["What a row is about."])
    many: bool = Field(examples=[False])
    required: bool = Field(examples=[True])
    default: bool | str | list[str] | None = Field(examples=[None])
    choices: list[Choice]
    when: list[When]


class Report(Answer):
    """A report that datasets can be of."""

    name: str = Field(examples=["performance"])
    title: str = Field(examples=["Performance"])
    meaning: str = Field(examples=["Figures by level, time and breakdowns."])
    deprecated: bool = Field(description="New datasets cannot be of it.", examples=[False])


class ReportWithMenus(Report):
    """A report with its menus, in the order in which they depend on each other."""

    menus: list[Menu]


class Reports(Paged[Report]):
    """Reports."""


class FieldAnswer(Answer):
    """A column of a report that lists entities."""

    name: str = Field(examples=["campaign_id"])
    type: str = Field(examples=["string"])
    meaning: str = Field(examples=["The campaign's id."])


class Fields(Paged[FieldAnswer]):
    """Columns of a report that lists entities."""


class Metric(Answer):
    """A figure or attribute that a report can carry."""

    name: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    group: str = Field(examples=["basic"])
    type: str = Field(examples=["money"])
    unit: str = Field(examples=["account_currency"])
    additive: bool = Field(description="Whether values may be summed over rows.", examples=[True])
    attribute: bool = Field(examples=[False])
    reports: list[str] = Field(examples=[["BASIC"]])
    levels: list[str] = Field(examples=[["ad"]])
    needs_any: list[str] = Field(description="It is given only with one of these.", examples=[[]])
    refuses: list[str] = Field(description="It is not given with any of these.", examples=[[]])
    numerator: str | None = Field(description="A rate or cost is scale * numerator / denominator.", examples=[None])
    denominator: str | None = Field(examples=[None])
    scale: int = Field(examples=[1])
    twins: list[str] = Field(description="The same figure of the same event elsewhere.", examples=[[]])
    meaning: str = Field(examples=["What was paid."])
    sure: bool = Field(description="False where what is known of it is weak.", examples=[True])


class Metrics(Paged[Metric]):
    """Metrics."""


class Dimension(Answer):
    """What a report can be broken down by."""

    name: str = Field(examples=["country_code"])
    title: str = Field(examples=["Country"])
    kind: str = Field(examples=["breakdown"])
    type: str = Field(examples=["string"])
    reports: list[str] = Field(examples=[["AUDIENCE"]])
    levels: list[str] = Field(examples=[["ad"]])
    times: list[str] = Field(examples=[["none", "day"]])
    pairs: list[str] = Field(description="Dimensions that may stand beside it.", examples=[[]])
    lifetime: bool = Field(examples=[True])
    metrics: list[str] = Field(description="All that it takes, if any are named.", examples=[[]])
    refuses: list[str] = Field(description="Metrics that are not given with it.", examples=[[]])
    meaning: str = Field(examples=["The user's country."])
    sure: bool = Field(examples=[True])


class Dimensions(Paged[Dimension]):
    """Dimensions."""


class MetricSet(Answer):
    """Metrics that are chosen together; those that do not go with what else is chosen are left out."""

    name: str = Field(examples=["core"])
    title: str = Field(examples=["Core"])
    meaning: str = Field(examples=["What was spent, what was seen of it, and what came of it."])
    metrics: list[str] = Field(examples=[["spend", "impressions", "clicks"]])


class MetricSets(Paged[MetricSet]):
    """Sets of metrics."""


class ReportsQuery(Paging):
    """Which reports."""

    deprecated: bool | None = Field(None, description="Only those that are deprecated, or only those that are not.")


class Words(Paging):
    """A search by words."""

    q: str = Field("", max_length=200, description="Words; each must be in the name, title or meaning.")


class MetricsQuery(Words):
    """A search for metrics."""

    group: str = Field("", max_length=60, description="Only of this group.")


class OffersBody(Body):
    """What is chosen so far."""

    values: DatasetValues = Field(
        default_factory=dict,
        description="Menus with their values, as in a dataset file. What is left out has its default.",
        examples=[{"data_level": "ad", "time_dimension": "day", "metrics": ["spend"]}],
    )
    menus: list[str] | None = Field(
        None, description="Offers of these menus only; of all if this is left out.", examples=[["time_dimension"]]
    )


class Offer(Answer):
    """A value of a menu, and why it cannot be chosen now; null if it can."""

    value: str = Field(examples=["hour"])
    title: str = Field(examples=["Hour"])
    meaning: str = Field(examples=[""])
    refusal: str | None = Field(examples=[None])


class MenuNow(Answer):
    """A menu as it is for what is chosen: whether it is there, what holds in it, what it offers."""

    name: str = Field(examples=["time_dimension"])
    title: str = Field(examples=["Time dimension"])
    source: str = Field(examples=["choices"])
    meaning: str = Field(examples=["The time that a row is of."])
    many: bool = Field(examples=[False])
    required: bool = Field(examples=[False])
    refusal: str | None = Field(description="Why the menu is not there now; null if it is.", examples=[None])
    chosen: list[str] = Field(description="What is chosen, or the default.", examples=[["day"]])
    offers: list[Offer]


class MenusNow(Answer):
    """All menus of a report for what is chosen."""

    report: str = Field(examples=["performance"])
    values: dict[str, JsonValue] = Field(description="What was chosen, without what does not fit together.")
    told: list[str] = Field(description="What was taken back, and why.", examples=[[]])
    menus: list[MenuNow]


ReportName = Annotated[str, Path(max_length=60, description="A report's name.", examples=[_NAMES["report"]])]


@router.get("/reports", summary="List the reports", responses=failures())
def list_reports(query: Annotated[ReportsQuery, Query()], _: Who) -> Reports:
    """Every report that a dataset can be of; deprecated ones only serve datasets of the older connector."""
    reports = [report for report in catalog.REPORTS.values() if query.deprecated in (None, report.deprecated)]
    items = [_report(one) for one in part(reports, query)]
    return Reports(items=items, total=len(reports), limit=query.limit, offset=query.offset)


@router.get("/reports/{report}", summary="Get a report with its menus", responses=failures(404))
def get_report(report: ReportName, _: Who) -> ReportWithMenus:
    """The menus of a report in their order, with the conditions under which menus and choices can be had."""
    found = _report_of(report)
    return ReportWithMenus(**dict(_report(found)), menus=[_menu(menu) for menu in found.menus])


@router.post("/reports/{report}/offers", summary="See what the menus offer now", responses=failures(403, 404))
def get_offers(report: ReportName, body: OffersBody, _: Who) -> MenusNow:
    """What the form does when something is chosen: which menus are there, what each offers, and why some is refused.

    Changes nothing, so a token that may only read can ask.
    """
    fitting = fitted({**source_of(body.values).values, "report": _report_of(report).name})
    assert fitting is not None, "the report is known"
    return MenusNow(
        report=fitting.report.name,
        values={name: value for name, value in fitting.values.items() if name != "report"},
        told=list(fitting.told),
        menus=[
            _menu_now(fitting, menu) for menu in fitting.report.menus if body.menus is None or menu.name in body.menus
        ],
    )


@router.get("/reports/{report}/fields", summary="List the columns of an entity report", responses=failures(404))
def list_fields(report: ReportName, query: Annotated[Words, Query()], _: Who) -> Fields:
    """The columns of a report that lists ads, campaigns and the like; other reports have none."""
    known = catalog.fields().get(_report_of(report).name, ())
    fields = [field for field in known if _has(query.q, field.name, field.meaning)]
    items = [FieldAnswer(name=one.name, type=one.type, meaning=one.meaning) for one in part(fields, query)]
    return Fields(items=items, total=len(fields), limit=query.limit, offset=query.offset)


@router.get("/metrics", summary="Search the metrics", responses=failures())
def list_metrics(query: Annotated[MetricsQuery, Query()], _: Who) -> Metrics:
    """Metrics that have all the words in their name, title or meaning, in the catalogue's order."""
    metrics = [
        metric
        for metric in catalog.metrics().values()
        if query.group in ("", metric.group) and _has(query.q, metric.name, metric.title, metric.meaning)
    ]
    items = [_metric(one) for one in part(metrics, query)]
    return Metrics(items=items, total=len(metrics), limit=query.limit, offset=query.offset)


@router.get("/metrics/{metric}", summary="Get a metric", responses=failures(404))
def get_metric(
    metric: Annotated[str, Path(max_length=200, description="TikTok's name.", examples=[_NAMES["metric"]])], _: Who
) -> Metric:
    """Everything that is known of a metric."""
    found = catalog.metrics().get(metric)
    if found is None:
        raise _unknown("metric", metric, catalog.metrics())
    return _metric(found)


@router.get("/metric-sets", summary="List the sets of metrics", responses=failures())
def list_metric_sets(query: Annotated[Paging, Query()], _: Who) -> MetricSets:
    """Sets of metrics that are often chosen together: a beginning, not a rule."""
    metric_sets = list(SETS.values())
    items = [
        MetricSet(
            name=metric_set.name, title=metric_set.title, meaning=metric_set.meaning, metrics=list(metric_set.metrics)
        )
        for metric_set in part(metric_sets, query)
    ]
    return MetricSets(items=items, total=len(metric_sets), limit=query.limit, offset=query.offset)


@router.get("/dimensions", summary="Search the dimensions", responses=failures())
def list_dimensions(query: Annotated[Words, Query()], _: Who) -> Dimensions:
    """Dimensions that have all the words in their name, title or meaning."""
    dimensions = [
        dimension
        for dimension in catalog.dimensions().values()
        if _has(query.q, dimension.name, dimension.title, dimension.meaning)
    ]
    items = [_dimension(one) for one in part(dimensions, query)]
    return Dimensions(items=items, total=len(dimensions), limit=query.limit, offset=query.offset)


@router.get("/dimensions/{dimension}", summary="Get a dimension", responses=failures(404))
def get_dimension(
    dimension: Annotated[str, Path(max_length=200, description="TikTok's name.", examples=[_NAMES["dimension"]])],
    _: Who,
) -> Dimension:
    """Everything that is known of a dimension."""
    found = catalog.dimensions().get(dimension)
    if found is None:
        raise _unknown("dimension", dimension, catalog.dimensions())
    return _dimension(found)


def _menu_now(fitting: Fitted, menu: records.Menu) -> MenuNow:
    refusal = menus.unmet(menu.when, fitting.chosen)
    offers: Iterable[menus.Offer] = ()
    if refusal is None:
        listed = fitting.offers.get(menu.name)
        offers = menus.offers(fitting.report, menu, fitting.chosen) if listed is None else listed.values()
    return MenuNow(
        name=menu.name,
        title=menu.title,
        source=menu.source,
        meaning=menu.meaning,
        many=menu.many,
        required=menu.required,
        refusal=refusal,
        chosen=list(fitting.chosen.get(menu.name, ())) if refusal is None else [],
        offers=[
            Offer(value=offer.value, title=offer.title, meaning=offer.meaning, refusal=offer.refusal)
            for offer in offers
        ],
    )


def _report_of(name: str) -> records.Report:
    report = catalog.REPORTS.get(name)
    if report is None:
        raise _unknown("report", name, catalog.REPORTS)
    return report


def _unknown(what: str, name: str, known: Iterable[str]) -> NotFoundError:
    near = menus.nearest(name, known)
    return NotFoundError(f"There is no {what} {name!r}." + (f" Nearest: {near}." if near else ""))


def _has(words: str, *texts: str) -> bool:
    whole = " ".join(texts).lower()
    return all(word in whole for word in words.lower().split())


def _report(report: records.Report) -> Report:
    return Report(name=report.name, title=report.title, meaning=report.meaning, deprecated=report.deprecated)


def _menu(menu: records.Menu) -> Menu:
    return Menu(
        name=menu.name,
        title=menu.title,
        source=menu.source,
        meaning=menu.meaning,
        many=menu.many,
        required=menu.required,
        default=list(menu.default) if isinstance(menu.default, tuple) else menu.default,
        choices=[
            Choice(value=each.value, title=each.title, meaning=each.meaning, when=_when(each.when))
            for each in menu.choices
        ],
        when=_when(menu.when),
    )


def _when(conditions: Iterable[records.When]) -> list[When]:
    return [When(menu=when.menu, among=list(when.among)) for when in conditions]


def _metric(metric: records.Metric) -> Metric:
    plain: dict[str, Any] = {name: getattr(metric, name) for name in Metric.model_fields}
    sets = {name: ordered(plain[name]) for name in ("reports", "needs_any", "refuses")}
    return Metric(**plain | sets | {"levels": ordered(metric.levels, records.LEVELS), "twins": list(metric.twins)})


def _dimension(dimension: records.Dimension) -> Dimension:
    plain: dict[str, Any] = {name: getattr(dimension, name) for name in Dimension.model_fields}
    sets = {name: ordered(plain[name]) for name in ("reports", "pairs", "metrics", "refuses")}
    levels, times = ordered(dimension.levels, records.LEVELS), ordered(dimension.times, TIMES)
    return Dimension(**plain | sets | {"levels": levels, "times": times})
