"""Saved datasets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, true, update

from adreel.errors import AdreelError, ExistsError, NotFoundError
from adreel.language import phrase
from adreel.scheduling import Schedule, next_time
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database, Unchanged
from adreel.store.names import clean_name, is_id, kept_name, not_found, slug
from adreel.store.records import Account, SavedDataset, User
from adreel.store.tables import dataset_shares, datasets, kept_tables


@dataclass(frozen=True, slots=True)
class Timing:
    """When a dataset updates: its schedule, None for a manual one, and when it is stale without an update."""

    schedule: Schedule | None = None
    stale_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class NewDataset:
    """A dataset that is to be saved, of `owner`; `spec` is its file as JSON, which has `timing` too."""

    name: str
    account: Account
    spec: str
    description: str = ""
    tags: tuple[str, ...] = ()
    owner: User | None = None
    timing: Timing = field(default_factory=Timing)


class Datasets:
    """The datasets of one home."""

    __slots__ = ("_all", "_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._all = Unchanged(database, lambda: self._read(select(datasets)))

    def create(
        self,
        name: str,
        *,
        account: Account,
        spec: str,
        description: str = "",
        tags: Iterable[str] = (),
        owner: User | None = None,
    ) -> SavedDataset:
        """A new dataset of `owner`, with slugs made from its name.

        ExistsError if the name is the name or the slug of another.
        """
        (saved,) = self.create_all([NewDataset(name, account, spec, description, tuple(tags), owner)])
        return saved

    def create_all(self, new: Iterable[NewDataset]) -> tuple[SavedDataset, ...]:
        """New datasets in one transaction: all, or none if the name of one is refused. Errors as `create`."""
        now = self._clock()
        rows = [(clean_name(dataset.name, phrase("a dataset")), dataset) for dataset in new]
        with self._database.write() as connection:
            saved = tuple(as_dataset(_insert(connection, name, dataset, now)) for name, dataset in rows)
            for dataset in saved:
                record(
                    connection, now, AuditAction.DATASET_CREATE, Subject.of(dataset), {"account": dataset.account_name}
                )
        return saved

    def get(self, name: str | int, *, among: Collection[int] | None = None) -> SavedDataset:
        """The dataset of that slug, else of that name, else of that id; a number is an id.

        Only those whose ids are `among` these are looked at and named, if they are given. NotFoundError names the
        nearest.
        """
        offered = select(datasets).where(true() if among is None else datasets.c.id.in_(among))
        row: Row[Any] | None = None
        with self._database.read() as connection:
            if isinstance(name, str):
                named = or_(datasets.c.slug == name, datasets.c.name.in_((name, kept_name(name))))
                row = connection.execute(offered.where(named).order_by(datasets.c.slug != name).limit(1)).first()
            if row is None and is_id(name):
                row = connection.execute(offered.where(datasets.c.id == int(name))).first()
            if row is None:
                names = {row.slug: row.name for row in connection.execute(offered)}
                raise not_found("dataset", str(name), names.values(), phrase("Create a dataset first."), slugs=names)
        return as_dataset(row)

    def refusals(self, names_asked: Iterable[str], *, besides: SavedDataset | None = None) -> Mapping[str, AdreelError]:
        """Why datasets of these names could not be created one after the other, by the name at fault.

        With `besides` the names are for that dataset, to be renamed. Promises nothing: another process may be quicker.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(datasets)).all()
        others = [row for row in rows if besides is None or row.id != besides.id]
        own = besides.name if besides is not None else None
        names, slugs = {row.name for row in others}, {row.slug for row in others}
        used = slugs | {row.table_slug for row in rows}
        refused: dict[str, AdreelError] = {}
        for name in names_asked:
            try:
                cleaned = clean_name(name, phrase("a dataset"))
                if cleaned != own:
                    _free(cleaned, names, slugs)
            except AdreelError as error:
                refused[name] = error
                continue
            new_slug = slug(cleaned, used | names)
            names.add(cleaned)
            slugs.add(new_slug)
            used.add(new_slug)
        return refused

    def named(self, name: str) -> SavedDataset | None:
        """The dataset of exactly that name. InputError for what cannot be a name."""
        with self._database.read() as connection:
            row = connection.execute(select(datasets).where(datasets.c.name == clean_name(name, "a dataset"))).first()
        return None if row is None else as_dataset(row)

    def list(self, account: Account | None = None) -> tuple[SavedDataset, ...]:
        """All datasets, or those of an account, by name."""
        if account is None:
            return self._all.get()
        return self._read(select(datasets).where(datasets.c.account_id == account.id))

    def _read(self, statement: Select[Any]) -> tuple[SavedDataset, ...]:
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(datasets.c.name)).all()
        return tuple(as_dataset(row) for row in rows)

    def counts(self) -> Mapping[int, int]:
        """How many datasets each account has that has any, by the account's id."""
        statement = (
            select(datasets.c.account_id, func.count().label("datasets"))
            .where(datasets.c.account_id.is_not(None))
            .group_by(datasets.c.account_id)
        )
        with self._database.read() as connection:
            return {row.account_id: row.datasets for row in connection.execute(statement)}

    def of_accounts(self, account_ids: Collection[int]) -> Mapping[int, tuple[SavedDataset, ...]]:
        """The datasets of each of these accounts that has any, by the account's id, each by name."""
        statement = select(datasets).where(datasets.c.account_id.in_(account_ids)).order_by(datasets.c.name)
        by_account: dict[int, list[SavedDataset]] = {}
        with self._database.read() as connection:
            for row in connection.execute(statement).all():
                by_account.setdefault(row.account_id, []).append(as_dataset(row))
        return {account_id: tuple(saved) for account_id, saved in by_account.items()}

    def update(
        self,
        dataset: SavedDataset,
        *,
        name: str | None = None,
        spec: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        account: Account | None = None,
        timing: Timing | None = None,
        same_timing: bool = False,
        same_request: bool = False,
    ) -> SavedDataset:
        """The dataset with changes; what is None stays. Another `spec` counts `spec_version` up.

        Its slugs stay through another `name`; ExistsError as `create`. With a `timing` its next time is counted from
        now, unless its schedule is paused. `same_timing` says that `dataset` has that timing already: its next time
        stays. `same_request` says that the new `spec` asks TikTok the same. Neither holds for a dataset that was
        changed meanwhile.
        """
        changes = _described(name, description, tags, account)
        with self._database.write() as connection:
            now = connection.execute(select(datasets).where(datasets.c.id == dataset.id)).first()
            if now is None:
                raise _deleted(dataset)
            if changes.get("name", now.name) != now.name:
                _refuse_taken(connection, changes["name"], besides=dataset.id)
            if account is not None:
                connection.execute(delete(dataset_shares).where(dataset_shares.c.dataset_id == dataset.id))
            unchanged = now.spec_version == dataset.spec_version
            if spec is not None and spec != now.spec:
                changes |= {"spec": spec, "spec_version": now.spec_version + 1}
                if not (same_request and unchanged):
                    changes["request_version"] = now.spec_version + 1
            if timing is not None and not (same_timing and unchanged):
                changes |= _retimed(timing, self._clock(), paused=now.paused_at is not None)
            changed = self._change(connection, dataset, changes)
            details = _differences(dataset, changed)
            record(connection, changed.updated_at, AuditAction.DATASET_CHANGE, Subject.of(changed), details)
        return changed

    def pause(self, dataset: SavedDataset) -> SavedDataset:
        """The dataset with its schedule paused; one that is paused already stays as it is."""
        now = self._clock()
        with self._database.write() as connection:
            was_paused = _is_paused(connection, dataset)
            changes = {"paused_at": func.coalesce(datasets.c.paused_at, now), "next_run_at": None}
            changed = self._change(connection, dataset, changes, touch=False)
            if not was_paused:
                record(connection, now, AuditAction.SCHEDULE_PAUSE, Subject.of(changed))
        return changed

    def resume(self, dataset: SavedDataset, schedule: Schedule) -> SavedDataset:
        """The dataset with its schedule going on from now; times that passed meanwhile are not caught up."""
        now = self._clock()
        changes = {"paused_at": None, "next_run_at": next_time(schedule, now)}
        with self._database.write() as connection:
            was_paused = _is_paused(connection, dataset)
            changed = self._change(connection, dataset, changes, touch=False)
            if was_paused:
                record(connection, now, AuditAction.SCHEDULE_RESUME, Subject.of(changed))
        return changed

    def delete(self, dataset: SavedDataset, *, table_stays: bool = False) -> None:
        """Forgets the dataset; its runs stay, under its name. The table in the lake is not touched.

        If it stays there, its slug is not given to another dataset, which would write into it.
        """
        with self._database.write() as connection:
            if not connection.execute(delete(datasets).where(datasets.c.id == dataset.id)).rowcount:
                raise _deleted(dataset)
            if table_stays:
                connection.execute(insert(kept_tables).values(table_slug=dataset.table_slug))
            table = "kept" if table_stays else "deleted"
            record(connection, self._clock(), AuditAction.DATASET_DELETE, Subject.of(dataset), {"table": table})

    def _change(
        self, connection: Connection, dataset: SavedDataset, changes: dict[str, Any], *, touch: bool = True
    ) -> SavedDataset:
        values = {**changes, "updated_at": self._clock()} if touch else changes
        statement = update(datasets).where(datasets.c.id == dataset.id).values(values).returning(datasets)
        row = connection.execute(statement).first()
        if row is None:
            raise _deleted(dataset)
        return as_dataset(row)


def as_dataset(row: Row[Any]) -> SavedDataset:
    """The record of a whole row."""
    # By place and not by name, which for a thousand datasets takes three times as long.
    number, slug, table_slug, name, description, tags, *others = tuple(row)
    return SavedDataset(number, slug, table_slug, name, description, tuple(tags), *others)


def _is_paused(connection: Connection, dataset: SavedDataset) -> bool:
    return connection.execute(select(datasets.c.paused_at).where(datasets.c.id == dataset.id)).scalar() is not None


def _differences(before: SavedDataset, after: SavedDataset) -> dict[str, Any]:
    """Which keys of the dataset's file changed; the values are its history's, and may be long."""
    old, new = (orjson.loads(saved.spec) for saved in (before, after))
    keys = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    keys |= {"account"} if before.account_id != after.account_id else set()
    renamed = before.name if before.name != after.name else None
    return {"changed": sorted(keys), "name_before": renamed}


def _insert(connection: Connection, name: str, dataset: NewDataset, now: datetime) -> Row[Any]:
    _refuse_taken(connection, name)
    taken = _slugs(connection)
    values = {
        "name": name,
        "slug": slug(name, taken | _names(connection)),
        "table_slug": slug(name, taken | set(connection.execute(select(kept_tables.c.table_slug)).scalars())),
        "description": dataset.description.strip(),
        "tags": _tags(dataset.tags),
        "account_id": dataset.account.id,
        "account_name": dataset.account.name,
        "spec": dataset.spec,
        "spec_version": 1,
        "request_version": 1,
        "created_at": now,
        "updated_at": now,
        "owner_id": dataset.owner.id if dataset.owner is not None else None,
        **_timed(dataset.timing, now),
    }
    return connection.execute(insert(datasets).values(values).returning(datasets)).one()


def _described(
    name: str | None, description: str | None, tags: Iterable[str] | None, account: Account | None
) -> dict[str, Any]:
    """The columns of what is not None."""
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = clean_name(name, phrase("a dataset"))
    if description is not None:
        changes["description"] = description.strip()
    if tags is not None:
        changes["tags"] = _tags(tags)
    if account is not None:
        changes |= {"account_id": account.id, "account_name": account.name}
    return changes


def _timed(timing: Timing, now: datetime) -> dict[str, Any]:
    """The columns of a timing, whose next time is counted from `now`."""
    return {
        "next_run_at": next_time(timing.schedule, now) if timing.schedule is not None else None,
        "stale_after": int(timing.stale_after.total_seconds()) if timing.stale_after is not None else None,
    }


def _retimed(timing: Timing, now: datetime, *, paused: bool) -> dict[str, Any]:
    """The columns of a changed timing: a pause goes on, but not without a schedule."""
    if timing.schedule is None:
        return _timed(timing, now) | {"paused_at": None}
    return _timed(timing, now) | ({"next_run_at": None} if paused else {})


def _deleted(dataset: SavedDataset) -> NotFoundError:
    return NotFoundError(phrase("The dataset %(name)s was deleted meanwhile.", name=repr(dataset.slug)))


def _refuse_taken(connection: Connection, name: str, besides: int | None = None) -> None:
    """Raises ExistsError if another dataset has the name, or is reached by it."""
    taken = or_(datasets.c.name == name, datasets.c.slug == name)
    rows = connection.execute(select(datasets.c.id, datasets.c.name, datasets.c.slug).where(taken)).all()
    others = [row for row in rows if row.id != besides]
    _free(name, {row.name for row in others}, {row.slug for row in others})


def _free(name: str, names: Collection[str], slugs: Collection[str]) -> None:
    """Raises ExistsError for a name that is one of these.

    A slug always wins, so a dataset that is named like another's could not be reached by its name.
    """
    if name in names:
        raise ExistsError(phrase("There is a dataset %(name)s already; choose another name.", name=repr(name)))
    if name in slugs:
        raise ExistsError(
            phrase("%(name)s is already the address of another dataset; choose another name.", name=repr(name))
        )


def _names(connection: Connection) -> set[str]:
    return set(connection.execute(select(datasets.c.name)).scalars())


def _slugs(connection: Connection) -> set[str]:
    rows = connection.execute(select(datasets.c.slug, datasets.c.table_slug))
    return {text for row in rows for text in row}


def _tags(tags: Iterable[str]) -> list[str]:
    """The tags once each, in the order given, with single spaces."""
    return list(dict.fromkeys(clean for tag in tags if (clean := kept_name(tag))))
