"""adreel in notebooks and programs: datasets, runs and tables as Arrow, pandas, Polars or DuckDB.

A home is opened as the command line does, with the settings of the environment; whoever opens it is the operator of the
machine, or the user in ADREEL_USER.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx2

from adreel.access import DatasetRight, guard_of
from adreel.catalog_file import follow
from adreel.clock import HomeClock
from adreel.datasets.dataset import Source
from adreel.datasets.stored import dataset_of
from adreel.datasets.validation import parse
from adreel.destinations.figures import TableFigures, figures
from adreel.errors import NotFoundError, ProofError
from adreel.lake import Lake, TablePart
from adreel.lake.engine import quoted
from adreel.language import phrase
from adreel.pipeline.preview import Asking
from adreel.pipeline.report import PlannedReport, ReportReader, VerifiedReport
from adreel.pipeline.run import Runner, RunReport, Watch
from adreel.settings import Settings
from adreel.store import Latest, Progress, SavedDataset, Store
from adreel.store.audit import Means, Origin, acting

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

    from adreel.lake.row_changes import RowChanges

_T = TypeVar("_T")


class ReportWarning(UserWarning):
    """What a person should know of a verified report, such as a day that TikTok had not completed."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A dataset of a home. What follows `description` is of its newest version, None before the first run.

    `read_at` is in UTC. `verified` is None, too, if it is not known, as of a restored version of another home.
    """

    slug: str
    name: str
    description: str
    version: int | None
    rows: int | None
    read_at: datetime | None
    verified: bool | None


@dataclass(frozen=True, slots=True)
class DatasetTable:
    """A version of a dataset's table, which is read when it is asked for.

    `url` is the address of the Delta table. `key` are the columns of the primary key as the run used it. `run_id` is
    empty, and `verified` None, if the home does not know what made the version. `parts` can be sent to other processes
    and have all rows together.
    """

    slug: str
    name: str
    url: str
    version: int
    rows: int
    schema: Any
    key: tuple[str, ...]
    run_id: str
    verified: bool | None
    parts: tuple[TablePart, ...]
    _batches: Callable[[], Any]

    def refuse_unverified(self) -> None:
        """Raises ProofError if the rows differ from those that TikTok counts."""
        if self.verified is False:
            raise ProofError(
                phrase(
                    "Version %(version)s of dataset %(dataset)s failed its check: its rows differ from TikTok's own "
                    "figures. Run the dataset again, or name an earlier version. To read this one as it is, set "
                    "unverified to true.",
                    version=self.version,
                    dataset=repr(self.slug),
                )
            )

    def batches(self) -> Any:
        """The rows as a pyarrow RecordBatchReader, which holds a part of them at a time."""
        return self._batches()

    def arrow(self) -> Any:
        """The rows as a pyarrow Table."""
        return self._batches().read_all()

    def pandas(self) -> pd.DataFrame:
        """The rows as a DataFrame of pandas, with Arrow's types, so that money stays decimal."""
        import pandas as pd

        return self.arrow().to_pandas(types_mapper=pd.ArrowDtype)

    def polars(self) -> pl.DataFrame:
        """The rows as a DataFrame of Polars."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame), "a table is a frame"
        return frame

    def duckdb(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """The rows as a relation of DuckDB, in a connection of the caller's or DuckDB's own."""
        import duckdb

        return duckdb.from_arrow(self.arrow(), connection=connection or duckdb.default_connection())


class Home:
    """A home; to be closed, or used in a `with` block."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`clock` gives aware times; `transport` replaces the network. Raises as `Store.open` and `follow`."""
        follow(settings.home)
        self._settings = settings
        home_clock = HomeClock()
        self._clock = clock or home_clock
        self._transport = transport
        self._store = Store.open(settings, clock=self._clock)
        if clock is None:
            home_clock.follow(self._store.accounts)
        self._guard = guard_of(settings, self._store)
        self._lake = Lake(settings.lake_url, clock=self._clock)

    def __repr__(self) -> str:
        return f"<adreel home {str(self._settings.home)!r}>"

    @property
    def datasets(self) -> tuple[DatasetInfo, ...]:
        """The datasets that the user may see, by name."""
        briefs = self._store.runs.briefs()
        return tuple(_info(saved, briefs.get(saved.id)) for saved in self._guard.datasets())

    def info(self, name: str) -> DatasetInfo:
        """One of the datasets. Raises NotFoundError."""
        saved = self._guard.dataset(name)
        return _info(saved, self._store.runs.briefs().get(saved.id))

    def read(self, name: str, version: int | None = None, columns: Sequence[str] | None = None) -> DatasetTable:
        """A dataset's table, or an earlier version of it. Raises NotFoundError, and InputError for unknown columns."""
        saved = self._guard.dataset(name)
        state = self._lake.table(saved.table_slug, version)
        names = None if columns is None else tuple(columns)
        reader = self._lake.read(saved.table_slug, state.version, names)
        made_by = next((each for each in self._lake.versions(saved.table_slug) if each.number == state.version), None)
        return DatasetTable(
            saved.slug,
            saved.name,
            self._lake.table_url(saved.table_slug),
            state.version,
            state.rows,
            reader.schema,
            made_by.key if made_by else (),
            made_by.run_id if made_by else "",
            self._verified(made_by.run_id) if made_by else None,
            self._lake.table_parts(saved.table_slug, state.version, names),
            lambda: self._lake.read(saved.table_slug, state.version, names),
        )

    def _verified(self, run_id: str) -> bool | None:
        try:
            return self._store.runs.get(run_id).state.verified
        except NotFoundError:
            return None

    def figures(self, name: str, version: int) -> tuple[Any, TableFigures]:
        """The columns of a version, and what proves that a copy of it elsewhere has its rows. Raises NotFoundError."""
        slug = self._guard.dataset(name).table_slug
        schema = self._lake.table(slug, version).schema
        with self._lake.version_query(slug, version, "version") as rows:
            return schema, figures(rows, "version", schema, quoted, None)

    def changes(self, name: str, before: int, after: int) -> AbstractContextManager[RowChanges | None]:
        """The rows that a copy of version `before` needs to be `after`, to be read while a block runs.

        None if no key names the rows of both versions, as when rows were appended. Raises NotFoundError for versions
        that are not kept any more.
        """
        return self._lake.row_changes(self._guard.dataset(name).table_slug, before, after)

    def run(
        self,
        name: str,
        dates: tuple[str, str] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> RunReport:
        """Runs a dataset in this process and returns how the run ended; `dates`, the first and last
        day as in a dataset file, replace its own.

        Raises BusyError if it is running, and the error that ended the run.
        """
        saved = self._guard.dataset(name, DatasetRight.RUN)
        runner = Runner(self._settings, self._store, clock=self._clock, transport=self._transport)
        watch = Watch(progress=progress) if progress else Watch()
        return self._acting(lambda: runner.run(saved, watch, dates))

    def plan(self, name: str) -> Mapping[str, Any]:
        """The requests and minutes that a run of a dataset takes, and how it is split; no report is requested."""
        saved = self._guard.dataset(name)
        asking = Asking(self._settings, self._store, self._clock, self._transport)
        account = self._store.accounts.get(saved.account_id or 0)
        advertisers = _run_async(lambda: asyncio.run(asking.advertisers(account)))
        return asking.planned(dataset_of(saved, self._clock()), account, advertisers, saved).figures()

    def report(self, **keys: Any) -> Any:
        """Reads a report without a saved dataset; `keys` are those of a dataset file, without its name.

        Returns a pyarrow RecordBatchReader, once all rows are verified. Raises DatasetError for keys that TikTok would
        refuse, ProofError if the rows or sums are not those that TikTok counts.
        """
        report = self.read_planned(self.plan_report(keys))
        for text in report.outcome.warnings:
            warnings.warn(text, ReportWarning, stacklevel=3)
        return report.batches()

    def plan_report(self, keys: Mapping[str, Any]) -> PlannedReport:
        """What `report` requests for those keys. Raises DatasetError for keys that TikTok would refuse."""
        dataset = parse(Source({"name": "report", **keys}, {}), self._clock())
        account = self._guard.usable(dataset.account)
        return self._acting(lambda: self._reports.plan(dataset, account))

    def read_planned(self, planned: PlannedReport) -> VerifiedReport:
        """Reads and verifies a planned report, or a part of one. Raises ProofError."""
        account = self._guard.usable(planned.plan.dataset.account)
        return self._acting(lambda: self._reports.read_planned(planned, account))

    @property
    def _reports(self) -> ReportReader:
        return ReportReader(self._settings, self._store, self._clock, self._transport)

    def close(self) -> None:
        """Closes the store and the lake."""
        self._lake.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _acting(self, act: Callable[[], _T]) -> _T:
        def work() -> _T:
            with acting(Origin.of(self._guard.actor.user, Means.COMMAND)):
                return act()

        return _run_async(work)


def _info(saved: SavedDataset, latest: Latest | None) -> DatasetInfo:
    good = latest.good if latest else None
    return DatasetInfo(
        saved.slug,
        saved.name,
        saved.description,
        good.version if good else None,
        good.table_rows if good else None,
        good.read_at if good else None,
        good.state.verified if good else None,
    )


def _run_async(work: Callable[[], _T]) -> _T:
    """Does what has an event loop of its own; in a thread where there is one already, as in notebooks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def open(home: str | Path | None = None) -> Home:  # noqa: A001 - adreel.open reads well
    """The home in that folder, by default that of ADREEL_HOME or of the command line."""
    environ = dict(os.environ)
    if home is not None:
        environ["ADREEL_HOME"] = str(Path(home).expanduser())
    return Home(Settings.load(environ))


def report(home: str | Path | None = None, **keys: Any) -> Any:
    """A report of a home without a saved dataset; see `Home.report`."""
    with open(home) as opened:
        return opened.report(**keys)
