"""adreel as a data source of Spark: versions of datasets, and reports read from TikTok by the executors.

    spark.dataSource.register(adreel.spark.AdreelDataSource)
    spark.read.format("adreel").option("home", "/srv/adreel").load("ad_spend")

Spark asks a source of this kind for nothing when a query ends, so that nothing could be proved then. Hence each
partition proves itself before it gives its first row: a data file by its number of rows at its end, a part of a report
by TikTok's counts and totals for it. As no two parts have a row in common, rows that are all proved are proved as a
whole. A partition without its proof fails the query.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from adreel.datasets.files import read as read_file
from adreel.errors import DatasetError, InputError, ProofError
from adreel.lake import TablePart
from adreel.language import phrase
from adreel.notebook import open as open_home
from adreel.pipeline.report import PlannedReport

_TABLE_OPTIONS = frozenset({"home", "path", "dataset", "version", "columns", "unverified"})


class SourcePart(Protocol):
    """What a partition has: rows that it proves by itself."""

    def batches(self) -> Iterator[Any]:
        """The rows as pyarrow RecordBatches."""


@dataclass(frozen=True, slots=True)
class ReportPart:
    """A part of a planned report of the home in a folder, None for the executor's own."""

    home: str | None
    planned: PlannedReport

    def batches(self) -> Iterator[Any]:
        """The rows as pyarrow RecordBatches, once TikTok's counts and totals are those of the part.

        Raises ProofError if they are not, and for values that could not be read: a query has nobody to warn.
        """
        with open_home(self.home) as home:
            report = home.read_planned(self.planned)
            rows = report.batches()
            problems = [*report.unread, *_other_types(self.planned.schema, rows.schema)]
            if problems:
                report.close()
                raise ProofError(
                    phrase(
                        "Spark cannot read this report as it is: %(problems)s Run it as a dataset, and read the "
                        "dataset from Spark.",
                        problems=" ".join(problems),
                    )
                )
            yield from rows


def _other_types(planned: Any, schema: Any) -> list[str]:
    return [
        phrase(
            "Column %(column)s has values that do not fit its type, %(type)s.",
            column=field.name,
            type=planned.field(field.name).type,
        )
        for field in schema
        if field.type != planned.field(field.name).type
    ]


class AdreelPartition(InputPartition):  # type: ignore[misc] # PySpark is in the environment of integrations only
    """A partition of Spark's: a data file of a version, or a part of a report."""

    def __init__(self, part: SourcePart) -> None:
        self.part = part


class AdreelReader(DataSourceReader):  # type: ignore[misc] # as above
    """Reads the parts of one source."""

    def __init__(self, schema: StructType, parts: tuple[SourcePart, ...]) -> None:
        self._schema = schema
        self._parts = parts

    def partitions(self) -> list[InputPartition]:
        """A partition for each part."""
        return [AdreelPartition(part) for part in self._parts]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """The rows of a partition, on an executor; none of the one that Spark makes of an empty source."""
        if not isinstance(partition, AdreelPartition):
            return
        target = to_arrow_schema(self._schema, timezone="UTC")
        for batch in partition.part.batches():
            yield pa.RecordBatch.from_arrays(
                [batch.column(field.name).cast(field.type) for field in target], schema=target
            )


class AdreelDataSource(DataSource):  # type: ignore[misc] # as above
    """The data source "adreel", with options as texts.

    Of a dataset: `load("ad_spend")` or `dataset`, with `version`, `columns` (names with commas) and `unverified`. The
    version is fixed by `load`. Of a report: the keys of a dataset file without `name`, lists and mappings as YAML or
    JSON; see `report_options`. Its days and ad accounts are fixed by `load`, and every action on it that is not cached
    requests it anew. `home` is the folder of the home, by default that of ADREEL_HOME.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        given = {name.lower(): text for name, text in options.items()}
        source: tuple[Any, tuple[SourcePart, ...]] = _report(given) if "report" in given else _table(given)
        self._schema, self._parts = source

    @classmethod
    def name(cls) -> str:
        """The name for `spark.read.format`."""
        return "adreel"

    def schema(self) -> StructType:
        """The columns; hours in the zone of an ad account are timestamps without a zone."""
        return from_arrow_schema(self._schema, prefer_timestamp_ntz=True)

    def reader(self, schema: StructType) -> DataSourceReader:
        """The reader of what `load` fixed. Raises InputError for a schema of the caller's."""
        if schema != self.schema():
            raise InputError(phrase("The data source adreel has its own columns. Leave out schema()."))
        return AdreelReader(schema, self._parts)


def report_options(**keys: Any) -> dict[str, str]:
    """The keys of a dataset file as options of the data source."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in keys.items()}


def _table(options: Mapping[str, str]) -> tuple[Any, tuple[TablePart, ...]]:
    unknown = sorted(options.keys() - _TABLE_OPTIONS)
    name = options.get("dataset") or options.get("path")
    if unknown or not name:
        raise InputError(
            phrase(
                "%(problem)s A dataset takes home, version, columns and unverified; a report takes the keys of a "
                "dataset file, report among them.",
                problem=phrase("The data source adreel has no option %(option)s.", option=unknown[0])
                if unknown
                else phrase('Name a dataset, as in load("ad_spend"), or a report.'),
            )
        )
    columns = [column.strip() for column in options["columns"].split(",")] if options.get("columns") else None
    with open_home(options.get("home")) as home:
        table = home.read(name, _version(options.get("version")), columns)
    if options.get("unverified", "").lower() != "true":
        table.refuse_unverified()
    return table.schema, table.parts


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InputError(phrase("version is a whole number, not %(value)s.", value=repr(text)))
    return int(text)


def _report(options: Mapping[str, str]) -> tuple[Any, tuple[ReportPart, ...]]:
    keys = {name: _value(text) for name, text in options.items() if name != "home"}
    folder = options.get("home")
    with open_home(folder) as home:
        planned = home.plan_report(keys)
    if planned.plan.dataset.skip_failing:
        raise InputError(
            phrase(
                "skip_failing_advertisers is not possible in Spark, whose partitions do not know of each other: an ad "
                "account that fails for one would have some of its rows. Exclude the ad account instead."
            )
        )
    return planned.schema, tuple(ReportPart(folder, part) for part in planned.parts())


def _value(text: str) -> Any:
    """A value as in a dataset file; lists, mappings, true and false are YAML, and everything else is text."""
    if not text.startswith(("[", "{")) and text not in ("true", "false"):
        return text
    source = read_file(f"value: {text}")
    if source.problems:
        raise DatasetError(source.problems)
    return source.values["value"]
