"""What is kept of versions of tables: amounts that TikTok restated, and daily sums of ad accounts.

Both are of the rows of a lake, which a page of many datasets cannot read. They go with the run or dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from adreel.enumerations import TextEnum
from adreel.language import Phrase
from adreel.store.database import Database
from adreel.store.records import Run
from adreel.store.runs import PUBLIC, as_run
from adreel.store.tables import daily_sums, datasets, restated_amounts, runs, version_figures


class FiguresState(TextEnum):
    """Whether a version was compared with an earlier one, and why not; `meaning` says it in a sentence."""

    meaning: str

    COMPARED = "compared", Phrase("Compared with the version before.")
    FIRST = "first", Phrase("The first version has nothing to be compared with.")
    RESTORED = "restored", Phrase("A restored version is not read from TikTok.")
    CHECK_FAILED = "check_failed", Phrase("The check of its run failed, so it is not compared.")
    CHANGED = "changed", Phrase("The settings of the dataset changed before its run, so it is not compared.")
    REMOVED = "removed", Phrase("The version, or the one before it, was removed.")


Amounts = Mapping[str, Decimal]
"""Amounts by column."""


@dataclass(frozen=True, slots=True)
class AdvertiserAmounts:
    """By how much a version restated the sums of an ad account's days; `currency` is empty where it is not known."""

    advertiser_id: str
    currency: str
    days: Mapping[date, Amounts]


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """What a run's version restated since version `before`; `read_at` is when the run began."""

    run_id: str
    dataset_id: int
    version: int
    before: int | None
    state: FiguresState
    read_at: datetime
    amounts: tuple[AdvertiserAmounts, ...] = ()


@dataclass(frozen=True, slots=True)
class DailySums:
    """The sums of a metric of an ad account by day, in the version that the run `run_id` made of the dataset's table.

    All days from `first_day` to `last_day` were read; `complete_day` is the last of them that TikTok had completed
    then, None for none. `days` lacks those without rows, and is empty in a list of heads.
    """

    dataset_id: int
    advertiser_id: str
    metric: str
    currency: str
    run_id: str
    first_day: date
    last_day: date
    complete_day: date | None
    days: Mapping[date, Decimal]


class KeptFigures:
    """The figures of one home."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, figures: VersionFigures, sums: Iterable[DailySums] | None) -> None:
        """Keeps what is known of a version, in place of what was kept of it before.

        `sums` replace those of the dataset; None if it is not the newest version. Without a word nothing is kept of a
        dataset or run that was deleted meanwhile.
        """
        with self._database.write() as connection:
            run = select(runs.c.id).where(runs.c.id == figures.run_id, runs.c.dataset_id == figures.dataset_id)
            if connection.execute(run).first() is None:
                return
            connection.execute(delete(version_figures).where(version_figures.c.run_id == figures.run_id))
            head = {
                "run_id": figures.run_id,
                "dataset_id": figures.dataset_id,
                "version": figures.version,
                "before": figures.before,
                "state": str(figures.state),
                "read_at": figures.read_at,
            }
            connection.execute(insert(version_figures).values(head))
            rows = [
                {
                    "run_id": figures.run_id,
                    "advertiser_id": amounts.advertiser_id,
                    "currency": amounts.currency,
                    "days": {
                        str(day): {name: str(amount) for name, amount in moved.items()}
                        for day, moved in amounts.days.items()
                    },
                }
                for amounts in figures.amounts
            ]
            if rows:
                connection.execute(insert(restated_amounts), rows)
            if sums is not None:
                _save_sums(connection, figures.dataset_id, sums)

    def known(self, run_ids: Collection[str]) -> frozenset[str]:
        """Those of these runs of whose version something is kept."""
        statement = select(version_figures.c.run_id).where(version_figures.c.run_id.in_(run_ids))
        with self._database.read() as connection:
            return frozenset(connection.execute(statement).scalars())

    def missing(self, dataset_id: int, limit: int) -> tuple[tuple[Run, ...], int]:
        """Runs of the dataset that made a version of which nothing is kept, latest first, and how many there are."""
        kept = select(version_figures.c.run_id).where(version_figures.c.run_id == runs.c.id).exists()
        chosen = (runs.c.dataset_id == dataset_id) & runs.c.version.is_not(None) & ~kept
        with self._database.read() as connection:
            count = connection.execute(select(func.count()).select_from(runs).where(chosen)).scalar_one()
            rows = connection.execute(select(*PUBLIC).where(chosen).order_by(runs.c.seq.desc()).limit(limit)).all()
        return tuple(as_run(row) for row in rows), int(count)

    def versions(self, dataset_id: int) -> tuple[VersionFigures, ...]:
        """What is kept of the dataset's versions, newest first."""
        return self._versions(version_figures.c.dataset_id == dataset_id)

    def since(self, dataset_ids: Collection[int], moment: datetime) -> tuple[VersionFigures, ...]:
        """What is kept of the versions of these datasets that were read after that, newest first."""
        return self._versions(version_figures.c.dataset_id.in_(dataset_ids) & (version_figures.c.read_at > moment))

    def latest_compared(self, dataset_ids: Collection[int]) -> VersionFigures | None:
        """The version of these datasets that was read last and compared, without its amounts; None for none."""
        compared = version_figures.c.dataset_id.in_(dataset_ids) & version_figures.c.before.is_not(None)
        newest = select(version_figures).where(compared).order_by(version_figures.c.read_at.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(newest).first()
        if row is None:
            return None
        return VersionFigures(row.run_id, row.dataset_id, row.version, row.before, FiguresState(row.state), row.read_at)

    def _versions(self, chosen: Any) -> tuple[VersionFigures, ...]:
        heads = select(version_figures).join(runs, runs.c.id == version_figures.c.run_id).where(chosen)
        amounts = (
            select(restated_amounts)
            .join(version_figures, version_figures.c.run_id == restated_amounts.c.run_id)
            .where(chosen)
            .order_by(restated_amounts.c.advertiser_id, restated_amounts.c.currency)
        )
        with self._database.read() as connection:
            head_rows = connection.execute(heads.order_by(runs.c.seq.desc())).all()
            amount_rows = connection.execute(amounts).all()
        by_run: dict[str, list[AdvertiserAmounts]] = {}
        for row in amount_rows:
            by_run.setdefault(row.run_id, []).append(_amounts(row))
        return tuple(
            VersionFigures(
                row.run_id,
                row.dataset_id,
                row.version,
                row.before,
                FiguresState(row.state),
                row.read_at,
                tuple(by_run.get(row.run_id, ())),
            )
            for row in head_rows
        )

    def heads(self, dataset_ids: Collection[int]) -> tuple[DailySums, ...]:
        """The daily sums of these datasets without the days."""
        columns = [column for column in daily_sums.columns if column.name != "days"]
        statement = select(*columns).where(daily_sums.c.dataset_id.in_(dataset_ids))
        with self._database.read() as connection:
            return tuple(DailySums(**row._mapping, days={}) for row in connection.execute(statement))

    def with_days(self, heads: Iterable[DailySums]) -> tuple[DailySums, ...]:
        """The same with their days; without those that were replaced meanwhile."""
        wanted = {_key(head): head for head in heads}
        if not wanted:
            return ()
        ids, metrics = {key[0] for key in wanted}, {key[2] for key in wanted}
        statement = select(daily_sums).where(daily_sums.c.dataset_id.in_(ids), daily_sums.c.metric.in_(metrics))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return tuple(
            replace(wanted[_key(row)], days=_days(row.days))
            for row in rows
            if _key(row) in wanted and wanted[_key(row)].run_id == row.run_id
        )


def _key(row: DailySums | Row[Any]) -> tuple[int, str, str, str]:
    return row.dataset_id, row.advertiser_id, row.metric, row.currency


def _days(days: Mapping[str, str]) -> dict[date, Decimal]:
    return {date.fromisoformat(day): Decimal(amount) for day, amount in days.items()}


def _amounts(row: Row[Any]) -> AdvertiserAmounts:
    days = {
        date.fromisoformat(day): {name: Decimal(amount) for name, amount in moved.items()}
        for day, moved in sorted(row.days.items())
    }
    return AdvertiserAmounts(row.advertiser_id, row.currency, days)


def _save_sums(connection: Connection, dataset_id: int, sums: Iterable[DailySums]) -> None:
    if connection.execute(select(datasets.c.id).where(datasets.c.id == dataset_id)).first() is None:
        return
    connection.execute(delete(daily_sums).where(daily_sums.c.dataset_id == dataset_id))
    rows = [
        {
            "dataset_id": dataset_id,
            "advertiser_id": each.advertiser_id,
            "metric": each.metric,
            "currency": each.currency,
            "run_id": each.run_id,
            "first_day": each.first_day,
            "last_day": each.last_day,
            "complete_day": each.complete_day,
            "days": {str(day): str(amount) for day, amount in each.days.items()},
        }
        for each in sums
    ]
    if rows:
        connection.execute(insert(daily_sums), rows)
