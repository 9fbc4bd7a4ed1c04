"""Reports, metrics, dimensions and fields, and what a report's menus offer for what is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BeforeValidator, Field, JsonValue

from adreel import catalog
from adreel.access import RoleRight
from adreel.catalog import records
from adreel.catalog.templates import TemplateGroup
from adreel.datasets import menus, presets, saved_presets
from adreel.datasets.fitting import Fitted, fitted
from adreel.datasets.metric_search import search_calculated, search_metrics
from adreel.datasets.templates import template_named, template_values
from adreel.errors import NotFoundError, did_you_mean
from adreel.pipeline.lateness import template_file
from adreel.store import MetricPreset
from adreel.web.api.failures import failures
from adreel.web.api.routers import api_router
from adreel.web.api.shapes import Answer, Body, DatasetValues, Paged, Paging, having, located, ordered, part, source_of
from adreel.web.deps import Here, Visitor, Who

router = api_router("catalogue")

TIMES = ("none", "day", "hour")

Names = Annotated[list[str], BeforeValidator(ordered)]
"""A set of the catalogue as a list that is always the same."""

Levels = Annotated[list[str], BeforeValidator(lambda names: ordered(names, records.LEVELS))]
Times = Annotated[list[str], BeforeValidator(lambda names: ordered(names, TIMES))]

_NAMES = {"report": "performance", "metric": "spend", "dimension": "country_code"}


class ChoiceAnswer(Answer):
    """A value of a menu, and its conditions, which must all be met."""

    value: str = Field(examples=["ad"])
    title: str = Field(examples=["Ad"])
    meaning: str = Field(examples=[""])
    when: list[records.When]
    sure: bool = Field(description="False if it has a single source.", examples=[True])


class MenuAnswer(Answer):
    """A menu of a report: its conditions, choices and default."""

    name: str = Field(examples=["data_level"])
    title: str = Field(examples=["Data level"])
    source: str = Field(
        description="choices, metrics, dimensions, fields, advertisers, ids, dates or switch.", examples=["choices"]
    )
    meaning: str = Field(examples=["Level of the rows."])
    many: bool = Field(examples=[False])
    required: bool = Field(examples=[True])
    default: bool | str | list[str] | None = Field(examples=[None])
    choices: list[ChoiceAnswer]
    when: list[records.When]


class ReportAnswer(Answer):
    """A report."""

    name: str = Field(examples=["performance"])
    title: str = Field(examples=["Performance"])
    meaning: str = Field(examples=["Figures by level, time and breakdowns."])
    deprecated: bool = Field(description="Not available for new datasets.", examples=[False])
    sureness: str = Field(description="What TikTok does not document; empty if all is.", examples=[""])


class ReportWithMenus(ReportAnswer):
    """A report with its menus, in the order in which they depend on each other."""

    menus: list[MenuAnswer]


class ReportList(Paged[ReportAnswer]):
    """Reports."""


class FieldAnswer(Answer):
    """A column of a report that lists entities."""

    name: str = Field(examples=["campaign_id"])
    type: str = Field(examples=["string"])
    meaning: str = Field(examples=["The campaign's id."])


class FieldList(Paged[FieldAnswer]):
    """Columns of a report that lists entities."""


class MetricAnswer(Answer):
    """A figure or attribute that a report can carry."""

    name: str = Field(examples=["spend"])
    title: str = Field(examples=["Cost"])
    group: str = Field(examples=["basic"])
    type: str = Field(examples=["money"])
    unit: str = Field(examples=["account_currency"])
    additive: bool = Field(description="Whether values may be summed over rows.", examples=[True])
    attribute: bool = Field(examples=[False])
    reports: Names = Field(examples=[["BASIC"]])
    levels: Levels = Field(examples=[["ad"]])
    needs_any: Names = Field(description="Dimensions of which it requires one.", examples=[[]])
    refuses: Names = Field(description="Dimensions that it cannot be combined with.", examples=[[]])
    gmv_max: Names = Field(description="Levels of GMV Max reports that have it.", examples=[[]])
    numerator: str | None = Field(description="A rate or cost is scale * numerator / denominator.", examples=[None])
    denominator: str | None = Field(examples=[None])
    scale: int = Field(examples=[1])
    twins: list[str] = Field(description="The same figure of the same event elsewhere.", examples=[[]])
    surface: str = Field(
        description="Where the event is counted: app, website, onsite (TikTok), shop or offline; empty for none.",
        examples=[""],
    )
    event: str = Field(description="The event and its figure; the same as those of the twins.", examples=[""])
    synonyms: list[str] = Field(description="What marketers call it.", examples=[["ad spend", "amount spent"]])
    meaning: str = Field(examples=["What was paid."])
    sure: bool = Field(description="False if sources do not confirm it.", examples=[True])
    added: bool = Field(description="Whether catalog.yaml of the home added it.", examples=[False])


class CalculatedMetricAnswer(Answer):
    """A ready-made calculated metric."""

    name: str = Field(examples=["hook_rate"])
    title: str = Field(examples=["Hook rate"])
    formula: str = Field(description="Of sums of additive metrics.", examples=["100 * video_watched_2s / impressions"])
    unit: str = Field(examples=["percent"])
    meaning: str = Field(examples=["Impressions whose video was watched for at least 2 seconds."])
    parts: list[str] = Field(description="The metrics of the formula.", examples=[["video_watched_2s", "impressions"]])


class CalculatedMetricList(Paged[CalculatedMetricAnswer]):
    """Ready-made calculated metrics."""


class MetricEventAnswer(Answer):
    """An event and the metrics that count it, by surface."""

    name: str = Field(examples=["purchase count"])
    surfaces: dict[str, list[str]] = Field(examples=[{"website": ["complete_payment"], "app": ["total_purchase"]}])


class MetricEventList(Paged[MetricEventAnswer]):
    """Events that are counted on several surfaces."""


class MetricList(Paged[MetricAnswer]):
    """Metrics."""


class DimensionAnswer(Answer):
    """What a report can be broken down by."""

    name: str = Field(examples=["country_code"])
    title: str = Field(examples=["Country"])
    kind: str = Field(examples=["breakdown"])
    type: str = Field(examples=["string"])
    reports: Names = Field(examples=[["AUDIENCE"]])
    levels: Levels = Field(examples=[["ad"]])
    times: Times = Field(examples=[["none", "day"]])
    pairs: Names = Field(description="Dimensions that it can be combined with.", examples=[[]])
    lifetime: bool = Field(examples=[True])
    metrics: Names = Field(description="The only metrics available with it; empty for all.", examples=[[]])
    refuses: Names = Field(description="Metrics that are not available with it.", examples=[[]])
    meaning: str = Field(examples=["The user's country."])
    sure: bool = Field(examples=[True])
    added: bool = Field(description="Whether catalog.yaml of the home added it.", examples=[False])


class DimensionList(Paged[DimensionAnswer]):
    """Dimensions."""


class MetricSetList(Paged[presets.MetricSet]):
    """Metric presets."""


class MetricPresetAnswer(Answer):
    """A metric preset that a user saved."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["Weekly video"])
    metrics: list[str] = Field(description="In the order of the columns.", examples=[["spend", "video_watched_2s"]])
    shared: bool = Field(description="Whether all users see it.", examples=[True])
    owner: str | None = Field(description="The user who saved it.", examples=["ada"])
    may_change: bool = Field(description="Whether you may change and delete it.", examples=[True])
    created_at: datetime
    updated_at: datetime


class MetricPresetList(Paged[MetricPresetAnswer]):
    """Metric presets that people saved."""


class MetricPresetBody(Body):
    """A new metric preset."""

    name: str = Field(max_length=200, examples=["Weekly video"])
    metrics: list[str] = Field(
        max_length=1_000, description="Names of metrics, in order.", examples=[["spend", "video_watched_2s"]]
    )
    shared: bool = Field(False, description="Whether all users see it.")


class MetricPresetChanges(Body):
    """Changes to a metric preset; omitted keys stay."""

    name: str | None = Field(None, max_length=200, examples=["Weekly video"])
    metrics: list[str] | None = Field(None, max_length=1_000, description="All metrics, in order.")
    shared: bool | None = Field(None, description="Whether all users see it.")


class TemplateAnswer(Answer):
    """A ready question, and the dataset that answers it."""

    name: str = Field(examples=["ad_daily"])
    title: str = Field(examples=["Daily ad performance"])
    question: str = Field(examples=["What did each ad cost and bring, day by day?"])
    group: TemplateGroup = Field(description="Results are figures; lists are names, settings and assets.")
    values: dict[str, JsonValue] = Field(
        description="The keys of a dataset file, without `name` and `account`. Add both to create the dataset.",
        examples=[{"report": "performance", "data_level": "ad", "metrics": ["spend"]}],
    )


class TemplateList(Paged[TemplateAnswer]):
    """Templates."""


class ReportsQuery(Paging):
    """Which reports."""

    deprecated: bool | None = Field(None, description="Only deprecated ones (true), or only current ones (false).")


class Words(Paging):
    """A search by words."""

    q: str = Field("", max_length=200, description="Words that must all be in the name, title or meaning.")


class MetricsQuery(Words):
    """A search for metrics."""

    group: str = Field("", max_length=60, description="Only of this group.")


class OffersBody(Body):
    """The selection."""

    values: DatasetValues = Field(
        default_factory=dict,
        description="Menus with their values, as in a dataset file. Omitted menus have their default.",
        examples=[{"data_level": "ad", "time_dimension": "day", "metrics": ["spend"]}],
    )
    menus: list[str] | None = Field(None, description="Only these menus; default: all.", examples=[["time_dimension"]])


class MenuNow(Answer):
    """A menu for the selection: whether it is available, its values and choices."""

    name: str = Field(examples=["time_dimension"])
    title: str = Field(examples=["Time dimension"])
    source: str = Field(examples=["choices"])
    meaning: str = Field(examples=["Time of the rows."])
    many: bool = Field(examples=[False])
    required: bool = Field(examples=[False])
    refusal: str | None = Field(description="Why the menu is not available; null if it is.", examples=[None])
    chosen: list[str] = Field(description="The selected values, or the default.", examples=[["day"]])
    offers: list[menus.Offer]


class MenusNow(Answer):
    """All menus of a report for the selection."""

    report: str = Field(examples=["performance"])
    values: dict[str, JsonValue] = Field(description="The selection without values that are not available together.")
    notices: list[str] = Field(description="Which values were removed, and why.", examples=[[]])
    menus: list[MenuNow]


Saver = Annotated[Visitor, having(RoleRight.SAVE_PRESETS)]
PresetName = Annotated[str, Path(max_length=200, description="A preset's name or ID.", examples=["Weekly video"])]
ReportName = Annotated[str, Path(max_length=60, description="A report's name.", examples=[_NAMES["report"]])]


@router.get("/reports", summary="List the reports", responses=failures())
def list_reports(query: Annotated[ReportsQuery, Query()], _: Who) -> ReportList:
    """All reports; deprecated ones are for datasets of the older connector."""
    reports = [report for report in catalog.REPORTS.values() if query.deprecated in (None, report.deprecated)]
    items = [ReportAnswer.model_validate(report) for report in part(reports, query)]
    return ReportList(items=items, total=len(reports), limit=query.limit, offset=query.offset)


@router.get("/reports/{report}", summary="Get a report with its menus", responses=failures(404))
def get_report(report: ReportName, _: Who) -> ReportWithMenus:
    """The menus of a report in their order, with the conditions of menus and choices."""
    return ReportWithMenus.model_validate(_report_of(report))


@router.post("/reports/{report}/offers", summary="Get the available choices", responses=failures(403, 404))
def get_offers(report: ReportName, body: OffersBody, _: Who) -> MenusNow:
    """What the form does when something is chosen: which menus are there, what each offers, and why some is refused.

    Changes nothing, so a token that may only read can ask.
    """
    fitting = fitted({**source_of(body.values).values, "report": _report_of(report).name})
    assert fitting is not None, "the report is all_fields"
    return MenusNow(
        report=fitting.report.name,
        values={name: value for name, value in fitting.values.items() if name != "report"},
        notices=list(fitting.notices),
        menus=[
            _menu_now(fitting, menu) for menu in fitting.report.menus if body.menus is None or menu.name in body.menus
        ],
    )


@router.get("/reports/{report}/fields", summary="List the columns of an entity report", responses=failures(404))
def list_fields(report: ReportName, query: Annotated[Words, Query()], _: Who) -> FieldList:
    """The columns of a report that lists ads, campaigns and the like; other reports have none."""
    all_fields = catalog.fields().get(_report_of(report).name, ())
    fields = [field for field in all_fields if _has(query.q, field.name, field.meaning)]
    items = [FieldAnswer.model_validate(field) for field in part(fields, query)]
    return FieldList(items=items, total=len(fields), limit=query.limit, offset=query.offset)


@router.get("/metrics", summary="Search the metrics", responses=failures())
def list_metrics(query: Annotated[MetricsQuery, Query()], _: Who) -> MetricList:
    """Metrics that have all the words in name, title, synonyms or meaning, the best first, as the form ranks them.

    A word that no metric has is taken for one with a typo. Without words the order is that of the catalogue.
    """
    metrics = search_metrics(query.q, query.group)
    items = [_metric_answer(metric) for metric in part(metrics, query)]
    return MetricList(items=items, total=len(metrics), limit=query.limit, offset=query.offset)


@router.get("/metrics/{metric}", summary="Get a metric", responses=failures(404))
def get_metric(
    metric: Annotated[str, Path(max_length=200, description="TikTok's name.", examples=[_NAMES["metric"]])], _: Who
) -> MetricAnswer:
    """A metric."""
    record = catalog.metrics().get(metric)
    if record is None:
        raise _unknown("metric", metric, catalog.metrics())
    return _metric_answer(record)


@router.get("/calculated-metrics", summary="Search the ready-made calculated metrics", responses=failures())
def list_calculated_metrics(query: Annotated[Words, Query()], _: Who) -> CalculatedMetricList:
    """Calculated metrics that a dataset can have by their names; others have a formula of their own."""
    calculated = search_calculated(query.q)
    items = [CalculatedMetricAnswer.model_validate(metric) for metric in part(calculated, query)]
    return CalculatedMetricList(items=items, total=len(calculated), limit=query.limit, offset=query.offset)


@router.get("/metric-events", summary="List the events counted on several surfaces", responses=failures())
def list_metric_events(query: Annotated[Paging, Query()], _: Who) -> MetricEventList:
    """Events such as purchases with the metrics that count them in the app, on the website, on TikTok and elsewhere."""
    events = tuple(catalog.events().values())
    items = [MetricEventAnswer.model_validate(event) for event in part(events, query)]
    return MetricEventList(items=items, total=len(events), limit=query.limit, offset=query.offset)


@router.get("/metric-sets", summary="List the built-in metric presets", responses=failures())
def list_metric_sets(query: Annotated[Paging, Query()], _: Who) -> MetricSetList:
    """Presets of metrics that are often used together."""
    metric_sets = list(presets.SETS.values())
    items = list(part(metric_sets, query))
    return MetricSetList(items=items, total=len(metric_sets), limit=query.limit, offset=query.offset)


@router.get("/metric-presets", summary="List the saved metric presets", responses=failures())
def list_metric_presets(query: Annotated[Paging, Query()], who: Who) -> MetricPresetList:
    """Your own presets and those that are shared, by name. Built-in presets are `/metric-sets`."""
    presets_seen = saved_presets.presets(who.guard)
    items = [_preset_answer(who, preset) for preset in part(presets_seen, query)]
    return MetricPresetList(items=items, total=len(presets_seen), limit=query.limit, offset=query.offset)


@router.post(
    "/metric-presets",
    summary="Save a metric preset",
    status_code=201,
    responses=failures(403, 409) | located(201, "The preset."),
)
def save_metric_preset(body: MetricPresetBody, who: Saver, response: Response) -> MetricPresetAnswer:
    """A preset of your own, or shared with all users. Datasets get its metrics when it is chosen, and keep them."""
    preset = saved_presets.save(who.guard, body.name, body.metrics, shared=body.shared)
    response.headers["Location"] = f"/api/v1/metric-presets/{preset.id}"
    return _preset_answer(who, preset)


@router.get("/metric-presets/{preset}", summary="Get a saved metric preset", responses=failures(404))
def get_metric_preset(preset: PresetName, who: Who) -> MetricPresetAnswer:
    """A preset by its name or ID."""
    return _preset_answer(who, saved_presets.preset(who.guard, preset))


@router.patch("/metric-presets/{preset}", summary="Change a metric preset", responses=failures(403, 404, 409))
def change_metric_preset(preset: PresetName, body: MetricPresetChanges, who: Saver) -> MetricPresetAnswer:
    """Renames a preset, sets its metrics, or shares it: your own, and as an administrator any that is shared."""
    saved = saved_presets.preset(who.guard, preset)
    changed = saved_presets.change(who.guard, saved, name=body.name, metrics=body.metrics, shared=body.shared)
    return _preset_answer(who, changed)


@router.delete(
    "/metric-presets/{preset}", summary="Delete a metric preset", status_code=204, responses=failures(403, 404)
)
def delete_metric_preset(preset: PresetName, who: Saver) -> None:
    """Deletes a preset. Datasets that were made with it stay as they are."""
    saved_presets.delete(who.guard, saved_presets.preset(who.guard, preset))


@router.get("/templates", summary="List the templates", responses=failures())
def list_templates(query: Annotated[Paging, Query()], _: Who) -> TemplateList:
    """Ready questions for new datasets."""
    templates = list(catalog.TEMPLATES.values())
    items = [TemplateAnswer.model_validate(template_values(template)) for template in part(templates, query)]
    return TemplateList(items=items, total=len(templates), limit=query.limit, offset=query.offset)


@router.get("/templates/{template}", summary="Get a template", responses=failures(404))
def get_template(
    template: Annotated[str, Path(max_length=60, description="A template's name.", examples=["ad_daily"])],
    deps: Here,
    who: Who,
    account: Annotated[
        str | None,
        Query(max_length=200, description="An account's name: the schedule runs when its ad accounts have yesterday."),
    ] = None,
) -> TemplateAnswer:
    """A template. With an account, its schedule is at a time when the figures of yesterday are complete."""
    record = template_named(template)
    answer = template_values(record)
    if account is not None:
        values = template_file(deps.store, record, who.guard.usable(account), record.title, deps.clock())
        answer |= {"values": {name: values[name] for name in answer["values"]}}
    return TemplateAnswer.model_validate(answer)


@router.get("/dimensions", summary="Search the dimensions", responses=failures())
def list_dimensions(query: Annotated[Words, Query()], _: Who) -> DimensionList:
    """Dimensions that have all the words in their name, title or meaning."""
    dimensions = [
        dimension
        for dimension in catalog.dimensions().values()
        if _has(query.q, dimension.name, dimension.title, dimension.meaning)
    ]
    items = [DimensionAnswer.model_validate(dimension) for dimension in part(dimensions, query)]
    return DimensionList(items=items, total=len(dimensions), limit=query.limit, offset=query.offset)


@router.get("/dimensions/{dimension}", summary="Get a dimension", responses=failures(404))
def get_dimension(
    dimension: Annotated[str, Path(max_length=200, description="TikTok's name.", examples=[_NAMES["dimension"]])],
    _: Who,
) -> DimensionAnswer:
    """A dimension."""
    record = catalog.dimensions().get(dimension)
    if record is None:
        raise _unknown("dimension", dimension, catalog.dimensions())
    return DimensionAnswer.model_validate(record)


def _metric_answer(metric: records.Metric) -> MetricAnswer:
    values = {field: getattr(metric, field) for field in MetricAnswer.model_fields if field != "synonyms"}
    return MetricAnswer.model_validate(values | {"synonyms": list(catalog.synonyms().get(metric.name, ()))})


def _preset_answer(who: Visitor, preset: MetricPreset) -> MetricPresetAnswer:
    return MetricPresetAnswer(
        id=str(preset.id),
        name=preset.name,
        metrics=list(preset.metrics),
        shared=preset.shared,
        owner=preset.owner or None,
        may_change=saved_presets.may_change(who.guard, preset),
        created_at=preset.created_at,
        updated_at=preset.updated_at,
    )


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
        offers=list(offers),
    )


def _report_of(name: str) -> records.Report:
    report = catalog.REPORTS.get(name)
    if report is None:
        raise _unknown("report", name, catalog.REPORTS)
    return report


def _unknown(what: str, name: str, names: Iterable[str]) -> NotFoundError:
    return NotFoundError(f"There is no {what} {name!r}.{did_you_mean(menus.nearest(name, names))}")


def _has(words: str, *texts: str) -> bool:
    text = " ".join(texts).lower()
    return all(word in text for word in words.lower().split())
