"""The generated files of the dbt package: what its macros know of metrics, and its documented and tested columns.

`python -m adreel.cli.dbt_package dbt` writes them. They depend on no clock, terminal or setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from adreel import catalog
from adreel.catalog.records import LEVELS, Level, Metric
from adreel.catalog.templates import TEMPLATES
from adreel.cli.demonstration import DEMO_DATASET
from adreel.datasets.schema import UNIT_TITLES

MARK = "Written by `make docs` from adreel's records. Change those, not this file."

WIDTH = 120

_NAMES: Mapping[Level, str] = {"advertiser": "ad account", "campaign": "campaign", "adgroup": "ad group", "ad": "ad"}

_OF_KEY: Mapping[str, Level] = {f"{level}_id": level for level in LEVELS}

_HAS_LEVEL = "{{{{ '{level}' in var('adreel_levels') }}}}"
_HAS_HISTORY = "{{{{ var('adreel_history') and '{level}' in var('adreel_levels') }}}}"

_OPEN_ROWS = "_to_version is null"

Node = dict[str, Any]


def files() -> dict[str, str]:
    """The generated files by their path in the package."""
    return {
        "macros/catalog.sql": _catalog_macros(),
        "models/docs.md": _doc_blocks(),
        "models/sources.yml": _yaml({"sources": [_source()]}),
        "models/models.yml": _yaml({"models": list(_models())}),
    }


def write(folder: Path) -> tuple[str, ...]:
    """Writes the files and returns the names of those that changed."""
    changed = []
    for name, text in files().items():
        file = folder / name
        if not file.exists() or file.read_text("utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")
            changed.append(name)
    return tuple(changed)


def _yaml(content: Node) -> str:
    text = yaml.safe_dump({"version": 2, **content}, sort_keys=False, width=WIDTH, allow_unicode=True)
    return f"# {MARK}\n{text}"


# -- metrics


def rates() -> dict[str, tuple[str, str, int]]:
    """Numerator, denominator and scale of each rate whose parts may both be summed."""
    metrics = catalog.metrics()
    return {
        metric.name: (metric.numerator, metric.denominator, metric.scale)
        for metric in metrics.values()
        if metric.numerator is not None
        and metric.denominator is not None
        and metrics[metric.numerator].additive
        and metrics[metric.denominator].additive
    }


def _catalog_macros() -> str:
    metrics = catalog.metrics().values()
    listed = {
        "adreel_additive_metrics": [metric.name for metric in metrics if metric.additive],
        "adreel_attributes": ["timezone", *(metric.name for metric in metrics if metric.attribute)],
    }
    lists = [
        _macro(name, "[" + "".join(f"\n    '{value}'," for value in dict.fromkeys(values)) + "\n  ]")
        for name, values in listed.items()
    ]
    lines = (f"\n    '{name}': ['{top}', '{bottom}', {scale}]," for name, (top, bottom, scale) in rates().items())
    return "\n\n".join([f"{{#- {MARK} -#}}", *lists, _macro("adreel_rates", "{" + "".join(lines) + "\n  }")]) + "\n"


def _macro(name: str, value: str) -> str:
    return f"{{%- macro {name}() -%}}\n  {{{{ return({value}) }}}}\n{{%- endmacro -%}}"


def _doc_blocks() -> str:
    """A block of each metric, for models of others: `{{ doc('adreel', 'adreel_metric_spend') }}`."""
    blocks = (
        f"{{% docs adreel_metric_{metric.name} %}}\n{_described(metric)}\n{{% enddocs %}}"
        for metric in catalog.metrics().values()
    )
    return "\n\n".join(blocks) + "\n"


def _described(metric: Metric) -> str:
    unit = UNIT_TITLES.get(metric.unit, "")
    facts = [str(metric.meaning).removesuffix(".")]
    if unit and metric.unit != "count":
        facts.append(f"Unit: {unit}")
    if not metric.attribute:
        facts.append("Additive" if metric.additive else "Not additive")
    return ". ".join(facts) + "."


def _documented(level: Level) -> Iterator[Metric]:
    """The metrics that templates and the demo use, at this level; other columns are in the tables all the same."""
    reports = (template.values for template in TEMPLATES.values() if template.values["report"] == "performance")
    names = {name for values in (*reports, DEMO_DATASET) for name in values["metrics"]}
    for metric in catalog.metrics().values():
        if metric.name in names and level in metric.levels and "BASIC" in metric.reports:
            yield metric


# -- sources


def _source() -> Node:
    tables = [table for level in LEVELS for table in (_published(level), _published_history(level))]
    return {
        "name": "adreel",
        "description": "Tables that adreel publishes; see docs/dbt.md of adreel.",
        "database": "{{ var('adreel_database', target.database) }}",
        "schema": "{{ var('adreel_schema') }}",
        "tables": [*tables, *_verification_tables()],
    }


def _published(level: Level) -> Node:
    name = f"{level}_daily"
    return {
        "name": name,
        "description": f"One row for each {_NAMES[level]} and day of its ad account.",
        "identifier": f"{{{{ var('adreel_{level}_table') }}}}",
        "config": {"enabled": _HAS_LEVEL.format(level=level)},
        "data_tests": [
            *_identified(*_key(level), "stat_time_day"),
            _test("adreel_one_currency", group_by=["advertiser_id"]),
            *_verified(name),
        ],
        "columns": _columns(level, "stat_time_day"),
    }


def _published_history(level: Level) -> Node:
    name = f"{level}_daily_history"
    return {
        "name": name,
        "description": f"Each row of {level}_daily as every version had it.",
        "identifier": f"{{{{ var('adreel_{level}_table') }}}}_history",
        "config": {"enabled": _HAS_HISTORY.format(level=level)},
        "data_tests": [
            *_identified(
                *_key(level), "stat_time_day", "_from_version", others=("_from_time", "_from_kind", "currency")
            ),
            _test("adreel_same_version", source_name=f"{level}_daily"),
            *_verified(name, only=_OPEN_ROWS),
        ],
        "columns": [
            _column("_from_version", "Version that the row came with."),
            _column("_from_time", "When that version was created."),
            _column("_from_kind", f"Why the row came: {_KINDS}"),
            _column("_to_version", "Version that the row was changed or removed with; null for current rows."),
            _column("_to_time", "When that version was created."),
            _column("_to_kind", "Why the row was changed or removed, in the same words."),
        ],
    }


_KINDS = (
    "first (in the first version of the history), added (of a day that was not read before), restated (by TikTok), "
    "incomplete (TikTok had not completed the day), removed, unread (not read again, as after a restore), unverified "
    "(a check failed), columns (only columns were added or dropped), or unknown (adreel did not have the version "
    "before any more)."
)


def _verified(name: str, **only: str) -> list[Node]:
    tests = ("adreel_published_rows", "adreel_published_days", "adreel_published_sums")
    return [_test(test, source_name=name, **only) for test in tests]


def _verification_tables() -> Iterator[Node]:
    yield {
        "name": "tables",
        "identifier": "_adreel_tables",
        "description": "The version that each published table has.",
        "data_tests": _identified("table_name", others=("version", "row_count", "published_at")),
        "columns": [
            _column("table_name", "Name of the table."),
            _column("version", "Version of the dataset."),
            _column("run_id", "Run that created the version."),
            _column("row_count", "Rows of the version."),
            _column("published_at", "When it was published."),
        ],
    }
    yield {
        "name": "figures",
        "identifier": "_adreel_figures",
        "description": "What the columns of each published table must add up to, by the version in adreel.",
        "data_tests": _identified("table_name", "column_name", others=("value_count",)),
        "columns": [
            _column("table_name", "Name of the table."),
            _column("column_name", "Name of the column."),
            _column("value_count", "Rows with a value."),
            _column("value_sum", "Sum of numbers, of lengths of texts, of yes; null for other types."),
        ],
    }
    yield {
        "name": "days",
        "identifier": "_adreel_days",
        "description": "The rows that each day and currency of a published table must have, by the version in adreel.",
        "data_tests": [
            _test("adreel_not_null", columns=["table_name", "row_count"]),
            _test("adreel_unique", columns=["table_name", "day", "currency"]),
        ],
        "columns": [
            _column("table_name", "Name of the table."),
            _column("day", "Day in the time zone of each ad account."),
            _column("currency", "Currency of the rows."),
            _column("row_count", "Rows of the day in the currency."),
        ],
    }


# -- models


def _models() -> Iterator[Node]:
    for level in LEVELS:
        yield {
            "name": f"stg_adreel__{level}_daily",
            "description": f"The rows of {level}_daily; stat_time_day is called day.",
        }
    for level in LEVELS:
        yield _daily(level)
        yield _daily_history(level)
    yield _currency_daily()
    yield _day_changes()


def _daily(level: Level) -> Node:
    return {
        "name": f"adreel__{level}_daily",
        "description": f"One row for each {_NAMES[level]} and day. Rates are computed from their parts.",
        "data_tests": [
            *_identified(*_key(level), "day"),
            _test("adreel_one_currency", group_by=["advertiser_id"]),
            _test("adreel_same_sums", source_name=f"{level}_daily"),
        ],
        "columns": _columns(level, "day"),
    }


def _daily_history(level: Level) -> Node:
    additive = [metric for metric in _documented(level) if metric.additive]
    changes = [
        _column(f"{metric.name}_change", f"{metric.title}: change from the version before.") for metric in additive
    ]
    return {
        "name": f"adreel__{level}_daily_history",
        "description": f"One row for each {_NAMES[level]}, day and version that changed it, with the changes.",
        "data_tests": [
            *_identified(*_key(level), "day", "version", "currency", others=("version_at", "kind", "is_removed")),
            _test("adreel_same_sums", source_name=f"{level}_daily", suffix="_change"),
        ],
        "columns": [*_columns(level, "day"), *_step_columns(), *changes],
    }


def _step_columns() -> list[Node]:
    return [
        _column("version", "Version that changed the row."),
        _column("version_at", "When the version was created."),
        _column("kind", f"Why it changed: {_KINDS}"),
        _column("previous_version", "Version that the row had come with before; null for a new row."),
        _column("next_version", "Version that changed the row again; null for current rows."),
        _column("is_removed", "Whether the version has no such row; metrics are null then."),
    ]


def _currency_daily() -> Node:
    metrics = [metric for metric in _documented("advertiser") if metric.additive or metric.name in rates()]
    return {
        "name": "adreel__currency_daily",
        "description": "Sums of all ad accounts by currency and day, of the coarsest level. Only additive metrics, and "
        "rates computed from these sums.",
        "data_tests": [
            *_identified("currency", "day"),
            *(_test("adreel_same_sums", source_name=f"{level}_daily", enabled=_is_coarsest(level)) for level in LEVELS),
        ],
        "columns": [
            _column("currency", "Currency of all money in the row (ISO 4217)."),
            _column("day", "Day in the time zone of each ad account."),
            _column("advertisers", "Ad accounts with rows on the day."),
            *(_column(metric.name, _described(metric)) for metric in metrics),
        ],
    }


def _is_coarsest(level: Level) -> str:
    coarser = LEVELS[: LEVELS.index(level)]
    conditions = [
        f"'{level}' in var('adreel_levels')",
        *(f"'{other}' not in var('adreel_levels')" for other in coarser),
    ]
    return f"{{{{ {' and '.join(conditions)} }}}}"


def _day_changes() -> Node:
    additive = [metric for metric in _documented("ad") if metric.additive]
    return {
        "name": "adreel__day_changes",
        "description": "By how much each version changed each day of an ad account; of the finest level.",
        "data_tests": _identified("version", "kind", "advertiser_id", "currency", "day", others=("version_at",)),
        "columns": [
            *(column for column in _step_columns() if column["name"] in ("version", "version_at", "kind")),
            _column("advertiser_id", "ID of the ad account."),
            _column("currency", "Currency of all money in the row (ISO 4217)."),
            _column("day", "Day in the time zone of the ad account."),
            _column("rows_changed", "Rows that came, changed or were removed."),
            *(_column(f"{metric.name}_change", f"{metric.title}: sum of the changes.") for metric in additive),
        ],
    }


# -- columns and tests


def _key(level: Level) -> list[str]:
    return ["advertiser_id"] if level == "advertiser" else ["advertiser_id", f"{level}_id"]


def _columns(level: Level, day: str) -> list[Node]:
    keys = [_column(name, f"ID of the {_NAMES[_OF_KEY[name]]}.") for name in _key(level)]
    context = [
        _column(day, "Day in the time zone of the ad account."),
        _column("currency", "The ad account's currency, used for all money (ISO 4217)."),
        _column("timezone", "The ad account's fixed offset from UTC, used for its days."),
    ]
    named = {column["name"] for column in (*keys, *context)}
    metrics = [metric for metric in _documented(level) if metric.name not in named]
    return [*keys, *context, *(_column(metric.name, _described(metric)) for metric in metrics)]


def _column(name: str, description: Any) -> Node:
    return {"name": name, "description": str(description)}


def _identified(*key: str, others: Sequence[str] = ()) -> list[Node]:
    """Each row has a key of its own, and values in the key and in other columns."""
    return [_test("adreel_not_null", columns=[*key, *others]), _test("adreel_unique", columns=list(key))]


def _test(name: str, *, enabled: str = "", **arguments: str | Sequence[str]) -> Node:
    settings = {"config": {"enabled": enabled}} if enabled else {}
    return {name: {"arguments": arguments, **settings}}


def main(folder: Annotated[Path, typer.Argument(help="The folder of the package.")]) -> None:
    """Write the generated files of the dbt package."""
    changed = write(folder)
    typer.echo(f"{len(changed)} of {len(files())} files changed in {folder}.", err=True)


if __name__ == "__main__":
    typer.run(main)
