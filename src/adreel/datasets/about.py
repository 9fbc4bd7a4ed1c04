"""What a workbook says of a dataset's rows: which version, which rows of it, whether they were checked, what columns
mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from adreel.datasets.calculated_columns import readable_table
from adreel.datasets.dataset import day_column
from adreel.datasets.looks import TableLook
from adreel.datasets.runs import origin, runs_by_version
from adreel.datasets.schema import UNIT_TITLES, Column, columns_by_name
from adreel.datasets.stored import source_of
from adreel.datasets.validation import parse
from adreel.datasets.verification import checked_in
from adreel.errors import DatasetError
from adreel.export.cells import type_words
from adreel.export.files import About, AboutColumn
from adreel.lake import Lake
from adreel.language import Phrase, in_english, phrase, shown_time
from adreel.store import Run, SavedDataset, Store

ZONE_RULE = Phrase(
    "Days and hours are of each ad account's own time zone, a fixed offset from UTC (column "
    "timezone). Columns whose names end in _utc are in UTC."
)
SUM_RULE = Phrase("Sum only columns marked 'May be summed', and money of one currency only (column currency).")
NOT_SUMMED = Phrase("Not additive")
SUMMED = Phrase("May be summed")


def about(
    store: Store,
    lake: Lake,
    saved: SavedDataset,
    version: int | None,
    look: TableLook,
    now: datetime,
) -> About:
    """The facts of a look at a version (None for the newest), in English, as files go to other people.

    Raises NotFoundError for a version that is not there.
    """
    with in_english():
        return _about(store, lake, saved, version, look, now)


def _about(store: Store, lake: Lake, saved: SavedDataset, version: int | None, look: TableLook, now: datetime) -> About:
    table = readable_table(lake, saved, now, version)
    selected = known_columns(saved, now)
    day = None
    with suppress(DatasetError):
        day = day_column(parse(source_of(saved), now))
    facts = [
        (phrase("Dataset"), saved.name),
        (phrase("Table"), saved.slug),
        *_version_facts(store, lake, saved, table.version),
        (phrase("Filter and order"), look.words(selected) or phrase("None: all rows as in the table")),
        (phrase("Time zone"), str(ZONE_RULE)),
        (phrase("Sums"), str(SUM_RULE)),
        (phrase("Exported"), f"{shown_time(now)} UTC"),
    ]
    fields = {field.name: field for field in table.readable}
    described = tuple(_about_column(fields[name], selected.get(name)) for name in look.shown(table.readable.names))
    return About(tuple(facts), described, day)


def known_columns(saved: SavedDataset, now: datetime) -> Mapping[str, Column]:
    """The columns of the dataset's table, calculated ones too, by name; none if its settings do not hold any more."""
    with suppress(DatasetError):
        return columns_by_name(parse(source_of(saved), now))
    return {}


def _version_facts(store: Store, lake: Lake, saved: SavedDataset, number: int) -> list[tuple[str, str]]:
    versions = lake.versions(saved.table_slug)
    version = next((version for version in versions if version.number == number), None)
    if version is None:
        return [(phrase("Version"), str(number))]
    run = runs_by_version((version,), store.runs.good(saved, len(versions))).get(number)
    return [
        (phrase("Version"), f"{number} ({shown_time(version.at)} UTC)"),
        (phrase("Update method"), origin(version, run)),
        (phrase("Verification"), _verification(run)),
    ]


def _verification(run: Run | None) -> str:
    if run is None:
        return phrase("Unknown: this home does not have the run.")
    checks = checked_in(run.verification)
    state = f"{run.state.label}{f' ({checks})' if checks else ''}. {run.meaning}"
    if not run.skipped:
        return state
    return " ".join((state, phrase("Skipped ad accounts: %(ad_accounts)s.", ad_accounts=", ".join(run.skipped))))


def _about_column(field: Any, column: Column | None) -> AboutColumn:
    """A column as the dataset has it; one that it no longer selects as the table's own metadata has it."""
    name, kind = field.name, field.type
    if column is not None:
        unit = UNIT_TITLES.get(column.unit, column.unit)
        is_figure = column.part == "metrics" and column.type not in ("string", "bool", "list")
        summed = SUMMED if column.additive else NOT_SUMMED if is_figure else ""
        return AboutColumn(name, str(column.title), str(column.type_title), str(unit), str(summed), str(column.meaning))
    facts = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
    unit = facts.get("unit", "")
    title, meaning = facts.get("title", name), facts.get("description", "")
    return AboutColumn(name, title, type_words(kind), str(UNIT_TITLES.get(unit, unit)), "", meaning)
