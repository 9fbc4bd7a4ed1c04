"""The reference pages of the docs, generated from the catalog, settings and commands.

`python -m adreel.cli.reference docs/reference` writes them. They depend on no clock, terminal or setting.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from adreel import catalog, errors
from adreel.access import NEEDED, NEEDED_OF_ACCOUNT, ROLES, AccountRight, DatasetRight
from adreel.catalog import gmv_max, smart_plus
from adreel.catalog.records import LEVELS, Choice, Dimension, DimensionKind, Menu, Metric, Report, When
from adreel.catalog.report_types import FURTHER
from adreel.cli import app
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, key_columns
from adreel.datasets.schema import ARROW_TYPES
from adreel.datasets.status import Status
from adreel.dates import PERIODS, WEEKDAYS, Dates, span
from adreel.settings import FILE_NAME, SETTINGS
from adreel.store.records import FINISHED, SUCCESSFUL, Level, Role, RunState
from adreel.tiktok.rate_limit import LEVELS as APP_LEVELS

MARK = "<!-- Written by `make docs` from adreel's records. Change those, not this page. -->"
"""The first line of every page. A file that begins with it and is not a page is removed."""

EXAMPLE_DAY = date(2026, 3, 5)
"""A Thursday: today in the examples of periods."""

_KINDS: Mapping[DimensionKind, str] = {
    "id": "IDs",
    "time": "Time",
    "breakdown": "Breakdowns",
    "asset": "Parts of the ad",
    "search": "Search",
    "skan": "SKAdNetwork",
    "audience": "Audience",
}
_SPELT = {"tiktok": "TikTok", "skan": "SKAN", "gmv": "GMV", "max": "Max", "spc": "SPC"}
_VALUES = {"str": "TEXT", "int": "NUMBER", "float": "NUMBER", "path": "PATH", "file": "FILE", "directory": "FOLDER"}
_EXITS = {
    errors.ExitCode.OK: "The command succeeded.",
    errors.ExitCode.BUG: "Unexpected error.",
    errors.ExitCode.USAGE: "The command line is invalid.",
    errors.ExitCode.CHANGES: "`adreel apply --plan` would change something.",
    errors.ExitCode.SKIPPED: "The run created a verified version, but ad accounts were skipped, which it lists.",
}


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """A page: `summary` is shown under its title and in the list of pages, `body` yields its blocks."""

    file: str
    title: str
    summary: str
    body: Callable[[], Iterable[str]]


def pages() -> dict[str, str]:
    """Every page as Markdown, by file name."""
    return dict(_written())


@cache
def _written() -> Mapping[str, str]:
    texts = {page.file: _text(page.title, page.summary, page.body()) for page in _PAGES}
    rows = ((f"[{page.title}]({page.file})", _plain(page.summary)) for page in _PAGES)
    summary = "Commands, reports, metrics, dimensions, settings and errors of adreel."
    return {"README.md": _text("Reference", summary, [_table(("page", "contents"), rows)]), **texts}


def write(folder: Path) -> tuple[str, ...]:
    """Writes the pages, removes obsolete ones, and returns the names of the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    current = pages()
    changed = []
    for file in sorted(folder.glob("*.md")):
        if file.name not in current and file.read_text("utf-8").startswith(MARK):
            file.unlink()
            changed.append(file.name)
    for name, text in current.items():
        file = folder / name
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8", newline="\n")
            changed.append(name)
    return tuple(changed)


def _text(title: str, summary: str, blocks: Iterable[str]) -> str:
    return "\n\n".join([MARK, f"# {title}", summary, *blocks]) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    """A text escaped for Markdown."""
    shown = re.sub(r"([*\[`\\])", r"\\\1", text)
    return re.sub(r"&(?=#?\w+;)", "&amp;", shown).replace("<", "&lt;")


def _code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def _codes(names: Iterable[str], last: str = ",") -> str:
    """Names in code, with `last` before the last one, such as ` or`."""
    shown = [_code(name) for name in names]
    return ", ".join(shown) if last == "," or len(shown) < 2 else f"{', '.join(shown[:-1])}{last} {shown[-1]}"


def _yes(value: object) -> str:
    return "yes" if value else "no"


# -- reports


def _reports() -> Iterator[str]:
    yield (
        "A dataset file has a `report` and the keys of that report's menus. Every dataset also has `name`, `account`, "
        "`description`, `tags` and `update`: see [dataset files](../dataset-files.md). A menu or choice with a "
        "condition is available only if the menus above it fulfill the condition."
    )
    rows = ((_anchored(report), _plain(report.title), _plain(report.meaning)) for report in catalog.REPORTS.values())
    yield _table(("report", "title", "meaning"), rows)
    for report in catalog.REPORTS.values():
        yield from _report(report)
    yield "## Periods"
    weekday = WEEKDAYS[EXAMPLE_DAY.weekday()].title()
    yield (
        "Periods use each ad account's own time zone. `last_N_days` ends yesterday, `this_…` ends today. "
        f"Example: today is {weekday}, {EXAMPLE_DAY}, and weeks start on Monday."
    )
    spans = ((name, span(Dates(period=name), EXAMPLE_DAY)) for name in PERIODS)
    yield _table(
        ("period", "first day", "last day", "days"),
        ((_code(name), str(days.start), str(days.end), str(days.days)) for name, days in spans),
    )


def _anchored(report: Report) -> str:
    return f"[{_code(report.name)}](#{report.name})"


def _report(report: Report) -> Iterator[str]:
    yield f"## {report.name}"
    old = " Not available for new datasets." if report.deprecated else ""
    yield f"**{_plain(report.title)}.** {_plain(report.meaning)}{old}"
    if report.sureness:
        yield f"*How sure this is:* {_plain(report.sureness)}"
    if report.name in catalog.fields():
        yield f"Columns: [{report.name}](fields.md#{report.name})."
    heads = ("menu", "title", "values", "default", "requires", "meaning")
    yield _table(heads, ((*_menu(report, menu), _plain(menu.meaning)) for menu in report.menus))
    for menu in report.menus:
        if menu.choices:
            yield f"Choices of {_code(menu.name)}:"
            yield _table(("choice", "title", "requires", "meaning"), map(_choice, menu.choices))


def _menu(report: Report, menu: Menu) -> tuple[str, str, str, str, str]:
    return _code(menu.name), _plain(menu.title), _takes(report, menu), left_out(menu), _conditions(menu.when)


def _choice(choice: Choice) -> tuple[str, str, str, str]:
    doubt = "" if choice.sure else " *Weakly documented.*"
    return _code(choice.value), _plain(choice.title), _conditions(choice.when), _plain(choice.meaning) + doubt


def _takes(report: Report, menu: Menu) -> str:
    many = "any of" if menu.many else "one of"
    if menu.source == "choices":
        return f"{many} {_codes(choice.value for choice in menu.choices)}"
    if menu.source == "dimensions":
        return f"{many} {_codes(offer.value for offer in menus.offers(report, menu, {}))}"
    return {
        "switch": "`true` or `false`",
        "advertisers": "`all`, or IDs",
        "ids": "IDs",
        "dates": "`period`, `date`, or `start` and `end`; `week_starts`",
        "metrics": f"{many} the [metrics](metrics.md)",
        "fields": f"{many} the [columns](fields.md#{report.name})",
    }[menu.source]


def left_out(menu: Menu) -> str:
    """The default of a menu, also by condition; or `all`, `none`, or `required`."""
    value = menus.defaults(menu, {})
    if value:
        return _codes(value)
    by_condition = dict.fromkeys(
        (menus.defaults(menu, {when.menu: (above,)}), when.menu, above)
        for choice in menu.choices
        for when in choice.when
        for above in when.among
    )
    fitting = [f"{_codes(chosen)} with {menu_above} {above}" for chosen, menu_above, above in by_condition if chosen]
    if fitting:
        return "; ".join(fitting)
    if menu.required:
        return "required"
    return "all" if menu.source in ("fields", "ids") else "none"


def _conditions(conditions: Iterable[When]) -> str:
    return " and ".join(f"{_code(when.menu)} {_codes(when.among, ' or')}" for when in conditions)


# -- metrics and dimensions


def _offered() -> dict[str, str]:
    """By TikTok's report type: the report of adreel that reads it."""
    performance = catalog.REPORTS["performance"]
    types = next(menu.choices for menu in performance.menus if menu.name == "report_type")
    by_type = {
        menus.grouping_of(performance, {"report_type": (choice.value,)}).kind: (
            f"`performance` with `report_type: {choice.value}`"
        )
        for choice in types
    }
    others = ("creatives", gmv_max.REPORT, smart_plus.MATERIALS)
    return by_type | {menus.grouping_of(catalog.REPORTS[name], {}).kind: _code(name) for name in (*others, *FURTHER)}


def _report_types(records: Iterable[Metric | Dimension]) -> Iterator[str]:
    offered = _offered()
    every = sorted({name for record in records for name in record.reports})
    ordered = [*offered, *(name for name in every if name not in offered)]
    yield "`reports` are TikTok's report types. These reports of adreel read them:"
    rows = ((_code(name), offered.get(name, "none")) for name in ordered)
    yield _table(("TikTok's report type", "report of adreel"), rows)


def _metrics() -> Iterator[str]:
    by_group: dict[str, list[Metric]] = defaultdict(list)
    for metric in catalog.metrics().values():
        by_group[metric.group].append(metric)
    offered = set(_offered())
    total, available = len(catalog.metrics()), sum(bool(m.reports & offered) for m in catalog.metrics().values())
    yield (
        f"The catalog has {total:,} metrics; {available:,} of them are available in a report of adreel. "
        "Search them with `adreel metrics WORDS`."
    )
    yield from _report_types(catalog.metrics().values())
    yield (
        "`type`: see [column types](types.md). `additive`: whether values may be summed over rows, which excludes "
        "rates, averages and counts of people. `levels`: the data levels with the metric."
    )
    yield (
        "Notes: *Twins* are the same figure of the same event on other surfaces (app, website, TikTok, TikTok Shop, "
        "offline); one of them can be 0 where another is not. *Sources differ* lists what adreel allows although its "
        "sources differ or lack it. *Weakly documented* marks a metric with few or no recent sources."
    )
    rows = (
        (f"[{_heading(group)}](#{_slug(_heading(group))})", str(len(metrics))) for group, metrics in by_group.items()
    )
    yield _table(("group", "metrics"), rows)
    units = _units_by_type()
    heads = ("metric", "title", "type", "additive", "levels", "reports", "meaning", "notes")
    for group, metrics in by_group.items():
        yield f"## {_heading(group)}"
        yield _table(heads, (_metric(metric, units[metric.type]) for metric in metrics))
    yield "## Calculated metrics"
    yield (
        "Ready-made metrics for `calculated_metrics` in [dataset files](../dataset-files.md#calculated-metrics). They "
        "are computed from sums when tables are read. Search them with `adreel calculated-metrics WORDS`."
    )
    yield _table(
        ("name", "title", "formula", "unit", "meaning"),
        (
            (f"`{metric.name}`", metric.title, f"`{metric.formula}`", metric.unit, metric.meaning)
            for metric in catalog.calculated_metrics().values()
        ),
    )


def _heading(group: str) -> str:
    words = [_SPELT.get(word, word) for word in group.split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def _slug(heading: str) -> str:
    """The anchor that a heading gets on GitHub."""
    return heading.lower().replace(" ", "-")


def _units_by_type() -> dict[str, list[str]]:
    """The units of metrics, by type."""
    units: dict[str, set[str]] = defaultdict(set)
    for metric in catalog.metrics().values():
        units[metric.type].add(metric.unit)
    return {kind: sorted(unit for unit in units[kind] if unit) for kind in ARROW_TYPES}


def _metric(metric: Metric, units: Sequence[str]) -> tuple[str, ...]:
    return (
        _code(metric.name),
        _plain(metric.title),
        metric.type if metric.unit in units and len(units) == 1 else f"{metric.type} {metric.unit}".strip(),
        _yes(metric.additive),
        _levels(metric.levels),
        " ".join(sorted(metric.reports)),
        _plain(metric.meaning),
        _notes(metric),
    )


def _levels(levels: Iterable[str]) -> str:
    ordered = [level for level in LEVELS if level in set(levels)]
    return "all" if len(ordered) == len(LEVELS) else ", ".join(ordered)


def _notes(metric: Metric) -> str:
    scale = f"{metric.scale} * " if metric.scale != 1 else ""
    formula = f"{scale}{metric.numerator} / {metric.denominator}" if metric.numerator else ""
    notes = (
        f"Equals {_code(formula)}." if formula else "",
        f"Twins: {_codes(metric.twins)}." if metric.twins else "",
        "Requires an ID dimension." if metric.attribute else "",
        f"Requires {_codes(sorted(metric.needs_any), ' or')}." if metric.needs_any else "",
        "Requires the ID dimension, alone or with the day." if metric.id_and_day_only else "",
        f"Not available with {_codes(sorted(metric.refuses))}." if metric.refuses else "",
        f"GMV Max levels: {_codes(level for level in _GMV_MAX_LEVELS if level in metric.gmv_max)}."
        if metric.gmv_max
        else "",
        *_doubts(metric),
    )
    return " ".join(note for note in notes if note)


_GMV_MAX_LEVELS = (
    *("account", "product_campaign", "live_campaign", "product", "creative", "livestream"),
    *("product_duration", "live_duration"),
)


def _doubts(record: Metric | Dimension) -> Iterator[str]:
    if record.doubtful:
        yield f"*Sources differ* on {_codes(sorted(record.doubtful))}."
    if not record.sure:
        yield "*Weakly documented.*"


def _dimensions() -> Iterator[str]:
    yield "Search them with `adreel dimensions WORDS`."
    yield from _report_types(catalog.dimensions().values())
    yield (
        "`time`: the time dimensions that it can be combined with. `breakdowns`: the other breakdowns that it can be "
        "combined with. `lifetime`: whether it is available for lifetime figures. *Sources differ* lists what adreel "
        "allows although its sources differ or lack it. *Weakly documented* marks a dimension with few sources."
    )
    heads = ("dimension", "title", "type", "levels", "time", "breakdowns", "lifetime", "reports", "meaning", "notes")
    for kind, heading in _KINDS.items():
        yield f"## {heading}"
        yield _table(
            heads, (_dimension(dimension) for dimension in catalog.dimensions().values() if dimension.kind == kind)
        )
    yield "## Metrics by dimension"
    yield "Other dimensions are available with every metric of the report type and level."
    for dimension in catalog.dimensions().values():
        if dimension.metrics:
            yield f"{_code(dimension.name)} is available only with: {_codes(sorted(dimension.metrics))}."
        if dimension.refuses:
            yield f"{_code(dimension.name)} is not available with: {_codes(sorted(dimension.refuses))}."


def _dimension(dimension: Dimension) -> tuple[str, ...]:
    return (
        _code(dimension.name),
        _plain(dimension.title),
        dimension.type,
        _levels(dimension.levels),
        ", ".join(time for time in ("none", "day", "hour") if time in dimension.times),
        _codes(sorted(dimension.pairs)),
        _yes(dimension.lifetime),
        " ".join(sorted(dimension.reports)),
        _plain(dimension.meaning),
        " ".join(_doubts(dimension)),
    )


def _fields() -> Iterator[str]:
    yield "`type`: see [column types](types.md). The primary key identifies a row."
    for report, columns in catalog.fields().items():
        yield f"## {report}"
        yield f"**{_plain(catalog.REPORTS[report].title)}.** Primary key: {' or '.join(_keys(report))}."
        yield _table(
            ("column", "type", "meaning"), ((_code(field.name), field.type, _plain(field.meaning)) for field in columns)
        )


def _keys(report: str) -> Iterator[str]:
    """The primary keys of a report that lists entities: several if a menu changes the key."""
    materials = (menu.choices for menu in catalog.REPORTS[report].menus if menu.name == "material_type")
    datasets = [Dataset("", "", report, material_type=choice.value) for choices in materials for choice in choices] or [
        Dataset("", "", report)
    ]
    yield from dict.fromkeys(_codes(key_columns(dataset)) for dataset in datasets)


def _types() -> Iterator[str]:
    yield (
        "Values that TikTok sends as `-`, as empty text or not at all are null in the table, never 0; in a breakdown "
        "they are `-`. IDs are text. Days are dates and hours are wall-clock times in the ad account's own time zone; "
        "times are instants in UTC. A count with a fraction turns its column into decimals. Tables with hours use "
        "Delta Lake's feature `timestampNtz`, which readers must support."
    )
    units = _units_by_type()
    rows = ((_code(name), _code(arrow), _codes(units[name])) for name, arrow in ARROW_TYPES.items())
    yield _table(("type", "Arrow type of the column", "units of metrics"), rows)


# -- old names


def _older_names() -> Iterator[str]:
    yield (
        "Datasets of deprecated reports may use metric names of API v1.1 and v1.2. This page lists the column of each "
        "such name. Other names are unchanged."
    )
    yield "## Two names, one column"
    yield (
        "Both names mean one metric, so a dataset with both has one column. A metric that TikTok no longer offers "
        "keeps its column, which is always null."
    )
    rows = (
        (*map(_code, (pair.first, pair.second, pair.name)), _yes(pair.name in catalog.metrics()))
        for pair in catalog.LEGACY_RULE_A
    )
    yield _table(("first", "second", "column", "offered by TikTok"), rows)
    yield "## Two columns, one title"
    yield "The first metric has the shared title. In a dataset with both, the title of the second is its name."
    pairs = ((_code(pair.first), _code(pair.second), _plain(pair.name)) for pair in catalog.LEGACY_RULE_B)
    yield _table(("first", "second", "shared title"), pairs)
    yield "## Renamed"
    paired = {name for pair in catalog.LEGACY_RULE_A for name in (pair.first, pair.second)}
    renamed = ((old, new) for old, new in catalog.legacy.OLDER_NAMES.items() if old not in paired)
    yield _table(("older name", "name in v1.3"), ((_code(old), _code(new)) for old, new in renamed))


# -- settings, errors, runs


def _settings() -> Iterator[str]:
    yield (
        f"A setting is an environment variable or a line `NAME=value` of the file `{FILE_NAME}` in the home folder. "
        "The environment overrides the file, and the file overrides the default; an empty value counts as not set. "
        "`ADREEL_HOME` cannot be set in the file."
    )
    heads = ("variable", "default", "meaning", "allowed", "secret")
    yield _table(
        heads,
        (
            (
                _code(setting.variable),
                _code(setting.default),
                _plain(setting.help),
                _plain(setting.allowed),
                _yes(setting.secret),
            )
            for setting in SETTINGS
        ),
    )
    yield "## Levels of a TikTok app"
    yield "Requests that TikTok accepts from an app, for all its accounts and ad accounts together. Days are UTC days."
    limits = ((_code(name), *(f"{count:,}" for count in _limits(name))) for name in APP_LEVELS)
    yield _table(("level", "per second", "per minute", "per day"), limits)


def _limits(level: str) -> tuple[int, int, int]:
    limits = APP_LEVELS[level]
    return limits.per_second, limits.per_minute, limits.per_day


def _errors() -> Iterator[str]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AdreelError)]
    yield (
        "A command that fails prints the reason on stderr and exits with an exit code. If TikTok refused a request, "
        "the message has TikTok's code and request ID."
    )
    yield "## Exit codes"
    yield _table(("exit code", "name", "meaning", "errors"), (_exit(code, kinds[1:]) for code in errors.ExitCode))
    yield "## Errors"
    yield "Errors are grouped by what to do next."
    classes = ((_code(kind.__name__), _parent(kind), _meaning(kind), str(int(kind.exit_code))) for kind in kinds)
    yield _table(("error", "subclass of", "meaning", "exit code"), classes)
    yield "## Codes of TikTok's API"
    yield (
        "TikTok answers with a code. What adreel does after a code from 50000 to 59999 that is not listed: "
        f"{errors.action_for(59999).value}. After other codes that are not listed: {errors.action_for(49999).value}."
    )
    codes = (
        (str(code), _plain(row.meaning), _plain(row.action.value), _error_of(code))
        for code, row in sorted(errors.API_CODES.items())
    )
    yield _table(("code", "meaning", "what adreel does", "error"), codes)


def _exit(code: errors.ExitCode, kinds: Iterable[type[errors.AdreelError]]) -> tuple[str, str, str, str]:
    same_code = [kind for kind in kinds if kind.exit_code is code]
    heads = (_meaning(kind) for kind in same_code if kind.__mro__[1] is errors.AdreelError)
    meaning = _EXITS.get(code) or " ".join(heads)
    return str(int(code)), code.name, meaning, _codes(kind.__name__ for kind in same_code)


def _meaning(kind: type[errors.AdreelError]) -> str:
    return _plain(inspect.cleandoc(kind.__doc__ or ""))


def _parent(kind: type[errors.AdreelError]) -> str:
    parent = kind.__mro__[1]
    return _code(parent.__name__) if issubclass(parent, errors.AdreelError) else ""


def _error_of(code: int) -> str:
    if errors.action_for(code) is errors.Action.GO_ON:
        return ""
    return _code(type(errors.api_error(code, "", None)).__name__)


def _run_states() -> Iterator[str]:
    yield "List the runs of a dataset with `adreel history NAME`."
    rows = (
        (_code(state.value), state.label, _plain(state.sentence), _yes(state in FINISHED), _yes(state in SUCCESSFUL))
        for state in RunState
    )
    yield "Programs get the state, people the label. A restore is an entry in the history with the same states."
    yield _table(("state", "label", "meaning", "finished", "new version"), rows)
    yield "## Dataset status"
    yield "The status of a dataset follows from its last run, account and settings."
    statuses = (
        (_code(status.value), status.label, _plain(status.meaning), _yes(status.attention)) for status in Status
    )
    yield _table(("status", "label", "meaning", "requires action"), statuses)


# -- users


def _rights() -> Iterator[str]:
    yield (
        "Commands run with all rights, or with those of the user in `ADREEL_USER`. Accounts and datasets that a user "
        "may not see count as not found; other actions without the right end with exit code "
        f"{errors.ExitCode.FORBIDDEN.value}."
    )
    yield "## Roles"
    yield _table(("role", "meaning"), ((_code(role.value), _plain(role.meaning)) for role in Role))
    allowed = (
        (_plain(role_right.value), ", ".join(_code(role.value) for role in Role if role in roles))
        for role_right, roles in ROLES.items()
    )
    yield _table(("right", "roles"), allowed)
    yield "## Access levels"
    yield (
        "An account is shared with single users, with everyone, or both; the higher level applies. Each level includes "
        "those above it in this list. The user who connects an account owns it. Administrators own every account, also "
        "those without another owner."
    )
    yield _table(("level", "meaning"), ((_code(level.value), _plain(level.meaning)) for level in Level))
    yield "## Rights with an account"
    yield "Viewers only have the right `see`."
    rows = ((_code(right.value), _ACCOUNT_RIGHTS[right], _code(NEEDED[right].value)) for right in AccountRight)
    yield _table(("right", "meaning", "minimum level of an editor"), rows)
    yield "## Rights with a dataset"
    yield (
        "Editors have every right with their own datasets. When an account is deleted, users keep their rights with "
        "its datasets until these have another account; rights are never extended."
    )
    rows = (
        (_code(dataset_right.value), _DATASET_RIGHTS[dataset_right], _code(NEEDED_OF_ACCOUNT[dataset_right].value))
        for dataset_right in DatasetRight
    )
    yield _table(("right", "meaning", "minimum level of an editor for its account"), rows)


_ACCOUNT_RIGHTS: Mapping[AccountRight, str] = {
    AccountRight.SEE: "View it, its datasets, and the users that it is shared with.",
    AccountRight.USE: "Use it for the list of its ad accounts, for estimates and previews, and in own datasets.",
    AccountRight.SHARE: "Share it, up to the user's own level.",
    AccountRight.EDIT: "Rename and reconnect it.",
    AccountRight.DELETE: "Delete it.",
}
_DATASET_RIGHTS: Mapping[DatasetRight, str] = {
    DatasetRight.SEE: "View it, its table with all versions, and its runs; query and export it.",
    DatasetRight.RUN: "Run it, cancel its runs, and view its estimate and preview.",
    DatasetRight.RESTORE: "Restore earlier versions of its table.",
    DatasetRight.EDIT: "Edit it, and delete old versions.",
    DatasetRight.DELETE: "Delete it.",
}


# -- commands


def _commands() -> Iterator[str]:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    yield _plain(f"{root.help} {root.epilog}")
    yield (
        "Every command has the option `--help`. Data goes to stdout, messages go to stderr. See also "
        "[exit codes](errors.md#exit-codes)."
    )
    yield from _parameters(root)
    panels: dict[str, list[str]] = defaultdict(list)
    for name, command in sorted(root.commands.items(), key=lambda item: not isinstance(item[1], TyperGroup)):
        path = f"adreel {name}"
        if isinstance(command, TyperGroup):
            panels[path] = [_plain(command.help or "")]
            for inner, subcommand in command.commands.items():
                assert isinstance(subcommand, TyperCommand)
                panels[path].extend(_command(f"{path} {inner}", subcommand))
        else:
            assert isinstance(command, TyperCommand)
            panels[str(command.rich_help_panel or "Commands")].extend(_command(path, command))
    for panel, blocks in panels.items():
        yield f"## {panel}"
        yield from blocks


def _command(path: str, command: TyperCommand) -> Iterator[str]:
    yield f"### {path}"
    yield _plain(inspect.cleandoc(command.help or ""))
    arguments = [_usage(param) for param in command.params if isinstance(param, TyperArgument)]
    yield f"```text\n{' '.join([path, '[OPTIONS]', *arguments])}\n```"
    yield from _parameters(command)


def _usage(argument: TyperArgument) -> str:
    name = _argument_name(argument)
    shown = name if argument.required else f"[{name}]"
    return shown if argument.nargs == 1 else f"{shown}..."


def _argument_name(argument: TyperArgument) -> str:
    return (argument.metavar or str(argument.name).upper()).strip("[]")


def _parameters(command: TyperCommand | TyperGroup) -> Iterator[str]:
    arguments = [param for param in command.params if isinstance(param, TyperArgument)]
    if arguments:
        yield _table(
            ("argument", "required", "meaning"),
            (
                (
                    _code(_argument_name(typer_argument)),
                    _yes(typer_argument.required),
                    _plain(typer_argument.help or ""),
                )
                for typer_argument in arguments
            ),
        )
    options = [param for param in command.params if isinstance(param, TyperOption) and not param.hidden]
    if options:
        yield _table(("option", "value", "default", "meaning"), (_option(typer_option) for typer_option in options))


def _option(option: TyperOption) -> tuple[str, str, str, str]:
    names = sorted([*option.opts, *option.secondary_opts], key=lambda name: not name.startswith("--"))
    value = "" if option.is_flag else _option_value(option)
    return _codes(names), value, _option_default(option), _plain(option.help or "")


def _option_value(option: TyperOption) -> str:
    word = option.type.name.removesuffix(" range")
    bounds = (("at least", getattr(option.type, "min", None)), ("at most", getattr(option.type, "max", None)))
    limits = [f"{words} {bound}" for words, bound in bounds if bound is not None]
    return " ".join([_code(option.metavar or _VALUES.get(word, word)), *limits])


def _option_default(option: TyperOption) -> str:
    if option.required:
        return "required"
    if option.is_flag:
        return _codes(() if option.default else option.secondary_opts)
    return "" if option.default is None else _code(option.default)


# -- operations of the API


def _operations() -> Iterator[str]:
    # Its import builds the API, which takes longer than all other pages.
    from adreel.cli.operations_reference import blocks

    for text, table in blocks():
        yield text
        if table is not None:
            yield _table(*table)


_PAGES = (
    ReferencePage("commands.md", "Commands", "Every command with its arguments and options.", _commands),
    ReferencePage("operations.md", "API operations", "Every operation of the REST API with its values.", _operations),
    ReferencePage("reports.md", "Reports", "Every report with its menus and their choices.", _reports),
    ReferencePage("metrics.md", "Metrics", "Every metric of TikTok's reports in the catalog, by group.", _metrics),
    ReferencePage("dimensions.md", "Dimensions", "Every dimension of TikTok's reports in the catalog.", _dimensions),
    ReferencePage("fields.md", "Fields", "The columns of the reports that list entities.", _fields),
    ReferencePage("types.md", "Column types", "The column types in tables, with their Arrow types.", _types),
    ReferencePage(
        "older-names.md", "Older names", "Metric names of API v1.1 and v1.2 with their columns.", _older_names
    ),
    ReferencePage("settings.md", "Settings", "Every setting with its default and allowed values.", _settings),
    ReferencePage("rights.md", "Roles and rights", "What users may do with accounts and datasets.", _rights),
    ReferencePage("run-states.md", "Run states", "The states of runs and the status of datasets.", _run_states),
    ReferencePage("errors.md", "Errors", "Exit codes, the errors behind them, and the codes of TikTok's API.", _errors),
)
"""The pages, in the order of their list."""


def main(folder: Annotated[Path, typer.Argument(help="The folder to write to.")]) -> None:
    """Write the reference pages."""
    changed = write(folder)
    typer.echo(f"{len(changed)} of {len(pages())} pages changed in {folder}.", err=True)


if __name__ == "__main__":
    typer.run(main)
