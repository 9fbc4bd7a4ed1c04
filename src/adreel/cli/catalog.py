"""`adreel reports`, `templates`, `metrics`, `dimensions`: searches of the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import typer

from adreel import catalog, catalog_file
from adreel.catalog.additions import Additions, in_force
from adreel.catalog.calculated import CalculatedMetric
from adreel.catalog.records import LEVELS, Dimension, Menu, Metric, Report
from adreel.catalog_file import follow
from adreel.cli import CommandContext
from adreel.cli.context import settings_of
from adreel.cli.output import print_json, print_table, say
from adreel.datasets import menus
from adreel.datasets.metric_search import search_calculated, search_metrics
from adreel.datasets.stored import as_file
from adreel.datasets.templates import file_of, template_named, template_values
from adreel.errors import NotFoundError, did_you_mean
from adreel.settings import FILE_NAME, Settings

MOST_NAMED = 5
"""Calculated metrics that are named below the metrics."""

ACCOUNT = "ACCOUNT"
"""Stands for the account's name in a template that is printed as a file."""


def reports(name: str | None, *, as_json: bool) -> None:
    """Prints all reports, or the menus of one. Raises NotFoundError for an unknown report."""
    if name is None:
        rows = [
            (report.name, "deprecated" if report.deprecated else "", report.meaning)
            for report in catalog.REPORTS.values()
        ]
        if as_json:
            print_json([asdict(report) for report in catalog.REPORTS.values()])
        else:
            print_table(("report", "", "meaning"), rows)
        return
    report = catalog.REPORTS.get(name)
    if report is None:
        near = did_you_mean(menus.nearest(name, catalog.REPORTS))
        raise NotFoundError(f"Report {name!r} does not exist.{near or ' List them: adreel reports'}")
    if as_json:
        print_json(asdict(report))
        return
    menu_rows = [(menu.name, _choices(report, menu), _default(menu), _conditions(menu)) for menu in report.menus]
    heads = ("menu", "choices", "default", "requires")
    print_table(heads, menu_rows, title=f"{report.title}: {report.meaning}", hidden_first=("default",))
    if report.sureness:
        say(f"How sure this is: {report.sureness}")


def _choices(report: Report, menu: Menu) -> str:
    if menu.source == "choices":
        return ", ".join(choice.value for choice in menu.choices)
    if menu.source == "dimensions":
        return ", ".join(offer.value for offer in menus.offers(report, menu, {}))
    if menu.source == "fields":
        return f"{len(catalog.fields()[report.name])} columns; default: all"
    if menu.source == "metrics":
        return f"{len(catalog.metrics()):,} metrics; search: adreel metrics WORDS"
    return {
        "switch": "true, false",
        "advertisers": "all, or IDs",
        "ids": "IDs; default: all",
        "dates": "start and end, date, or period (with week_starts)",
    }[menu.source]


def _default(menu: Menu) -> str:
    if isinstance(menu.default, bool):
        return str(menu.default).lower()
    return str(menu.default) if menu.default is not None else ("required" if menu.required else "")


def _conditions(menu: Menu) -> str:
    return "; ".join(f"{when.menu} {' or '.join(when.among)}" for when in menu.when)


def templates(name: str | None, *, as_json: bool) -> None:
    """Prints all templates, or one as a dataset file. Raises NotFoundError for an unknown one."""
    if name is None:
        if as_json:
            print_json([template_values(template) for template in catalog.TEMPLATES.values()])
            return
        rows = [(template.name, template.title, template.question) for template in catalog.TEMPLATES.values()]
        print_table(("template", "title", "question"), rows, hidden_first=("title",))
        say("Create a dataset from one: adreel datasets create --template NAME")
        return
    template = template_named(name)
    if as_json:
        print_json(template_values(template))
    else:
        typer.echo(as_file(file_of(template, ACCOUNT)), nl=False)


def metrics(session: CommandContext, words: list[str], *, as_json: bool) -> None:
    """Prints the metrics that match all the words, the best first, and the ready-made calculated ones."""
    follow(Settings.load(session.environ).home)
    matching = search_metrics(" ".join(words))
    if as_json:
        print_json([_as_json(metric) for metric in matching])
        return
    calculated = search_calculated(" ".join(words)) if words else ()
    if not matching and not calculated:
        say(_no_match("metrics", words, catalog.metrics()))
        return
    if matching:
        print_table(
            ("metric", "type", "additive", "meaning"),
            [(m.name, m.type, m.additive, _meaning(m) + _twins(m)) for m in matching],
            hidden_first=("additive", "type"),
        )
    say(f"{len(matching):,} of {len(catalog.metrics()):,} metrics.")
    if calculated:
        names = ", ".join(metric.name for metric in calculated[:MOST_NAMED])
        say(f"Ready-made calculated metrics: {names}. Formulas: adreel calculated-metrics {' '.join(words)}")


def calculated_metrics(words: list[str], *, as_json: bool) -> None:
    """Prints the ready-made calculated metrics that match all the words."""
    matching = search_calculated(" ".join(words))
    if as_json:
        print_json([_calculated_as_json(metric) for metric in matching])
        return
    if not matching:
        say(_no_match("calculated-metrics", words, catalog.calculated_metrics()))
        return
    print_table(
        ("calculated metric", "unit", "formula", "meaning"),
        [(m.name, m.unit, m.formula, f"{m.title}: {m.meaning}") for m in matching],
        hidden_first=("unit",),
    )


def _calculated_as_json(metric: CalculatedMetric) -> dict[str, Any]:
    facts = {name: getattr(metric, name) for name in ("name", "title", "formula", "unit", "meaning")}
    return facts | {"parts": list(metric.parts)}


def dimensions(session: CommandContext, words: list[str], *, as_json: bool) -> None:
    """Prints the dimensions that match all the words."""
    follow(Settings.load(session.environ).home)
    matching = menus.matching_dimensions(words)
    if as_json:
        print_json([_as_json(dimension) for dimension in matching])
        return
    if not matching:
        say(_no_match("dimensions", words, catalog.dimensions()))
        return
    print_table(
        ("dimension", "reports", "levels", "time", "meaning"),
        [(d.name, sorted(d.reports), _levels(d), _ordered(d.times, TIMES), _meaning(d)) for d in matching],
        hidden_first=("reports", "time", "levels"),
    )
    say(f"{len(matching)} of {len(catalog.dimensions())} dimensions.")


def additions(session: CommandContext, *, as_json: bool) -> None:
    """Prints what the home adds to the catalogue, and notes on entries without effect. Raises as `follow`."""
    path = settings_of(session).home / catalog_file.FILE_NAME
    added = in_force()
    if as_json:
        print_json(
            {
                "file": str(path) if path.exists() else None,
                "metrics": [_as_json(metric) for metric in added.metrics.values()],
                "dimensions": [_as_json(dimension) for dimension in added.dimensions.values()],
                "values": added.values,
                "notes": added.notes,
            }
        )
        return
    rows = [
        *(("metric", metric.name, _summed(metric), _meaning(metric)) for metric in added.metrics.values()),
        *(("dimension", record.name, record.type, _meaning(record)) for record in added.dimensions.values()),
        *(("value", f"{column}: {value}", "", label) for column, value, label in _added_values(added)),
    ]
    if rows:
        print_table(("kind", "name", "type", "meaning"), rows, hidden_first=("type",))
    for note in added.notes:
        say(note)
    if not rows and not added.notes:
        say(f"No additions. Write them to {path}.")


def _summed(metric: Metric) -> str:
    return f"{metric.type}, {'summable' if metric.additive else 'not summable'}"


def _added_values(added: Additions) -> Iterator[tuple[str, str, str]]:
    for column, labels in added.values.items():
        yield from ((column, value, label) for value, label in labels.items())


def _no_match(kind: str, words: Iterable[str], names: Iterable[str]) -> str:
    """A search without a hit, with the nearest names."""
    searched = " ".join(words)
    near = did_you_mean(menus.nearest("_".join(searched.lower().split()), names))
    return f"No {kind} match {searched!r}.{near or f' List them: adreel {kind}'}"


def _meaning(record: Metric | Dimension) -> str:
    doubt = "" if record.sure else " (From one source, or inferred.)"
    added = " (Added here.)" if record.added else ""
    return f"{record.title}: {record.meaning}{doubt}{added}"


def _twins(metric: Metric) -> str:
    return f" Same figure on other surfaces: {', '.join(metric.twins)}." if metric.twins else ""


def _levels(dimension: Dimension) -> str | list[str]:
    return "all" if dimension.levels == set(LEVELS) else _ordered(dimension.levels, LEVELS)


def _as_json(record: Metric | Dimension) -> dict[str, Any]:
    """The record with levels and times in their order, as in the API."""
    times = {"times": _ordered(record.times, TIMES)} if isinstance(record, Dimension) else {}
    synonyms = {"synonyms": list(catalog.synonyms().get(record.name, ()))} if isinstance(record, Metric) else {}
    return asdict(record) | synonyms | {"levels": _ordered(record.levels, LEVELS)} | times


def _ordered(names: Collection[str], order: tuple[str, ...]) -> list[str]:
    return [*(name for name in order if name in names), *sorted(set(names) - set(order))]


TIMES = ("none", "day", "hour")


def settings(session: CommandContext, *, as_json: bool) -> None:
    """Prints every setting with its value and source."""
    current = settings_of(session)
    rows = [(shown.setting.variable, shown.text, shown.source, shown.setting.help) for shown in current.shown()]
    if as_json:
        print_json([dict(zip(("variable", "value", "source", "help"), row, strict=True)) for row in rows])
    else:
        print_table(("setting", "value", "source", "meaning"), rows, hidden_first=("source",))
        say(f"Set them as environment variables, or as NAME=VALUE lines in {current.home / FILE_NAME}.")
