"""One run into its table: one new version or none, by the dataset's update method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import CommitProperties, Schema, TableFeatures, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from adreel.arrow import pc
from adreel.errors import AdreelError, BusyError, InputError, StorageError
from adreel.lake.columns import conform, joined, wider_type
from adreel.lake.day_order import DayOrder
from adreel.lake.files import GROUP_ROWS, DataFile, FileWriter, Range, read_file
from adreel.lake.kept_values import KeptColumns, kept_batches, with_values
from adreel.lake.keys import KeyIndex, key_faults
from adreel.lake.storage import Storage
from adreel.lake.tables import NOTE, TableState, commit_info, find_table, read_commits
from adreel.lake.text_hours import stored_schema, text_columns
from adreel.lake.windows import Leaving, Spared, Superseded, Window, as_days
from adreel.language import integer, phrase
from adreel.update_methods import Method

if TYPE_CHECKING:
    import numpy as np
else:
    from adreel.arrow import np

ATTEMPTS = 5
"""Tries of a commit when other writers are faster each time."""

SMALL_FILES = 16
"""Files of less than a row group that a table may gather before a commit puts them together."""

TABLE_PROPERTIES: Mapping[str, str | None] = MappingProxyType(
    # Earlier versions are promised until `vacuum` is asked for, so Delta's own clean-up of its log stays off. With a
    # checkpoint at every tenth version a commit reads ten entries of the log, not up to a hundred (30 ms).
    {
        "delta.enableExpiredLogCleanup": "false",
        "delta.logRetentionDuration": "interval 36500 days",
        "delta.checkpointInterval": "10",
    }
)


@dataclass(frozen=True, slots=True)
class Write:
    """What a commit does.

    `schema` has the columns of the new rows, with title and description as field metadata. `windows` are the
    advertiser-days that the run read whole: with PARTITION their rows are replaced whole, or all rows of their
    advertisers if there is no `day_column` or with `whole_advertisers`; rows that are `spared` stay. Rows that are
    `superseded` leave with UPSERT although no new row has their key, which needs a `day_column`. Rows of days
    before `keep_from` leave with any method. `days_read` are the first and last day read, by the zone of ad accounts,
    and `coverage` records of the caller's own, JSON values; the version keeps both. `follows` is the newest version of
    a run or restore that the caller knows, -1 if it knows that there is none: after another one there, nothing is
    written.
    """

    run_id: str
    method: Method
    schema: Any
    key: tuple[str, ...] = ()
    day_column: str | None = None
    windows: tuple[Window, ...] = ()
    keep_from: date | None = None
    reset_schema: bool = False
    advertiser_column: str = "advertiser_id"
    whole_advertisers: bool = False
    days_read: Mapping[str, tuple[date, date]] = field(default_factory=lambda: MappingProxyType({}))
    coverage: Sequence[Mapping[str, Any]] = ()
    follows: int | None = None
    spared: Spared | None = None
    superseded: Superseded | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did; counts are None where the method does not know them. `columns` are the table's.

    `changed` are rows whose key was there before, whether or not their values differ. `rows_before` is None for a
    table's first version; `widened` are columns whose type had to grow. `kept` counts, by column that the run did not
    ask for, the values that rows which it read again keep. `emptied` are columns whose earlier values left the table
    without being read again. `blank` are columns with values before of which no new row has one. `repeated`: the run
    had been committed before, and nothing was done now.
    """

    version: int
    rows_in: int
    rows_after: int
    added: int | None
    changed: int | None
    removed: int | None
    columns: int
    rows_before: int | None = None
    widened: tuple[str, ...] = ()
    kept: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    emptied: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    repeated: bool = False


class Landing:
    """Commits one run to one table."""

    def __init__(
        self,
        storage: Storage,
        slug: str,
        batches: Callable[[], Any],
        write: Write,
        clock: Callable[[], datetime],
        landing: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._slug = slug
        self._batches = batches
        self._write = write
        self._clock = clock
        self._landing = landing
        self._leaving = Leaving(
            write.windows if write.method is Method.PARTITION else (),
            write.keep_from,
            None if write.whole_advertisers else write.day_column,
            write.advertiser_column,
            write.spared,
            write.superseded if write.method is Method.UPSERT else None,
        )
        key = write.key if write.method is Method.UPSERT else ()
        day = (write.day_column,) if write.day_column else ()
        self._ranged = tuple(dict.fromkeys((*day, *self._leaving.columns, *key)))
        self._what = phrase("the table %(table)s", table=slug)
        self._valued: set[str] = set()

    def land(self) -> Commit:
        """Commits, unless the run was committed before. Raises what `Lake.commit` says."""
        _check(self._write)
        for _ in range(ATTEMPTS):
            table = find_table(self._storage, self._slug)
            done = self._earlier_commit(table)
            if done is not None:
                return done
            self._refuse_unknown(table)
            schema = joined(
                self._slug, table.schema if table else None, self._write.schema, reset=self._write.reset_schema
            )
            if table is not None:
                _refuse_other_hours(table, schema)
            if table is not None and _needs_feature(table, schema):
                self._add_feature(table)
                continue
            landed = self._attempt(table, schema)
            if landed is not None:
                return landed
        raise BusyError(
            phrase(
                "Other processes changed the table %(table)s in each of %(attempts)s attempts to commit run "
                "%(run_id)s; this run changed nothing. Run again when they are done.",
                table=self._slug,
                attempts=ATTEMPTS,
                run_id=self._write.run_id,
            )
        )

    def _earlier_commit(self, table: TableState | None) -> Commit | None:
        """The commit of this run that is in the table already."""
        version = table.delta.transaction_version(self._write.run_id) if table else None
        if version is None:
            return None
        with self._storage.guard(self._what):
            actions = read_commits(self._storage, self._slug, (version,)).get(version)
        if actions is None:
            raise InputError(
                phrase(
                    "Run %(run_id)s was committed as version %(version)s of the table %(table)s, which a vacuum "
                    "has since removed; nothing was changed. Start a new run.",
                    run_id=self._write.run_id,
                    version=version,
                    table=self._slug,
                )
            )
        note = commit_info(actions)[NOTE]
        return Commit(
            version,
            note["rows_in"],
            note["rows"],
            note["added"],
            note["changed"],
            note["removed"],
            len(table.schema) if table else 0,
            note.get("rows_before"),
            tuple(note.get("widened", ())),
            note.get("kept", {}),
            tuple(note.get("emptied", ())),
            tuple(note.get("blank", ())),
            repeated=True,
        )

    def _refuse_unknown(self, table: TableState | None) -> None:
        """Raises BusyError if a run or restore that the caller does not know has changed the table.

        Versions that neither made are no reason: they have the same rows, as after Delta's own compaction.
        """
        follows = self._write.follows
        if follows is None or table is None:
            return
        with self._storage.guard(self._what):
            later = read_commits(self._storage, self._slug, tuple(range(follows + 1, table.version + 1)))
        others = [(number, note) for number, actions in later.items() if (note := commit_info(actions).get(NOTE))]
        if others:
            number, note = others[-1]
            raise BusyError(
                phrase(
                    "Run %(other_run)s made version %(version)s of the table %(table)s while run %(run_id)s was in "
                    "progress, which is possible only if that had lost the lock of the dataset. This run "
                    "changed nothing. Run again.",
                    other_run=note["run"],
                    version=number,
                    table=self._slug,
                    run_id=self._write.run_id,
                )
            )

    def _add_feature(self, table: TableState) -> None:
        """Makes the table one that may hold wall clock hours, which Delta Lake wants said beforehand.

        This takes a version of its own, without any change of rows. It is met only when a table without hours gets
        its first column of them.
        """
        # Whoever was faster is met again by the next try.
        with self._storage.guard(self._what), suppress(CommitFailedError):
            table.delta.alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)

    def _attempt(self, table: TableState | None, schema: Any) -> Commit | None:
        """One try; None if another writer was faster."""
        writer = FileWriter(self._storage, self._slug, schema, self._ranged)
        try:
            change = self._prepare(table, schema, writer)
        except BaseException:
            _discard(writer)
            raise
        return self._log_version(table, schema, writer, change)

    # -- the new files

    def _prepare(self, table: TableState | None, schema: Any, writer: FileWriter) -> _Change:
        """Writes the files of the new version and says which old ones stay."""
        rows_in, written, values_kept = self._take_in(table, schema, writer)
        with self._storage.guard(self._what):
            incoming = tuple(writer.files)
            index = self._indexed(table, schema, incoming)
            if table is None:
                return _Change((), rows_in, written, written, 0, 0)
            emptied, blank = self._emptied(table, schema), self._blank(table, rows_in)
            if self._write.method is Method.REPLACE:
                return _Change((), rows_in, written, written, None, table.rows, emptied=emptied, blank=blank)
            leavers = self._leavers(table, schema)
            matched = self._match(table, schema, incoming, index, leavers) if index else 0
            kept_files = self._carry_over(table, schema, writer, leavers)
        left = sum(int(mask.sum()) for mask in leavers.values())
        rows_after = table.rows - left + written
        changed = None if self._write.method is Method.PARTITION else matched
        touched_days = self._touched_days(incoming) if schema.equals(table.schema) else None
        return _Change(
            kept_files,
            rows_in,
            rows_after,
            written - matched,
            changed,
            left - matched,
            values_kept,
            emptied,
            blank,
            touched_days,
        )

    def _touched_days(self, incoming: tuple[DataFile, ...]) -> tuple[date, date] | None:
        """The first and last day of new rows and of rows that they replace; None if these may be of any day."""
        write, day = self._write, self._write.day_column
        by_day = write.method is Method.PARTITION or (write.method is Method.UPSERT and day in write.key)
        if day is None or not by_day or write.whole_advertisers:
            return None
        ranges = [as_days(file.ranges.get(day)) for file in incoming if file.rows]
        if write.method is Method.PARTITION:
            ranges += [(window.start, window.end) for window in write.windows]
        bounded = [ends for ends in ranges if ends is not None]
        if not bounded or len(bounded) < len(ranges):
            return None
        return min(first for first, _ in bounded), max(last for _, last in bounded)

    def _take_in(self, table: TableState | None, schema: Any, writer: FileWriter) -> tuple[int, int, Mapping[str, int]]:
        """Writes the new rows; how many came, how many are of days to keep, and the values kept by unasked column."""
        names = self._unasked(table)
        if table is None or not names.unasked:
            return *self._write_new(schema, writer), {}
        draft = FileWriter(self._storage, self._slug, schema, tuple(dict.fromkeys((*names.leaving, *names.key))))
        try:
            counts = self._write_new(schema, draft)
            return *counts, self._fill(table, schema, names, tuple(draft.files), writer)
        finally:
            _discard(draft)

    def _unasked(self, table: TableState | None) -> KeptColumns:
        """The columns whose values rows that are read again keep: those that the run did not ask for."""
        merges = self._write.method in (Method.UPSERT, Method.PARTITION) and not self._write.reset_schema
        key = self._write.key
        if table is None or not merges or not key or not set(key) <= set(table.schema.names):
            return KeptColumns(key, (), ())
        names = tuple(name for name in table.schema.names if name not in self._write.schema.names)
        return KeptColumns(key, names, self._leaving.columns if self._write.method is Method.PARTITION else ())

    def _fill(
        self, table: TableState, schema: Any, names: KeptColumns, drafted: tuple[DataFile, ...], writer: FileWriter
    ) -> Mapping[str, int]:
        """Writes the new rows with what earlier runs read of the unasked columns; how many values these are."""
        counts = dict.fromkeys(names.unasked, 0)
        leaves = self._leaving.inside if self._write.method is Method.PARTITION else None
        with self._storage.guard(self._what):
            for file in drafted:
                old_files = [old for old in table.files if _may_match(old, (file,), names.key)]
                for batch in kept_batches(self._storage, self._slug, schema, names, file, old_files, leaves):
                    for name in names.unasked:
                        counts[name] += batch.num_rows - batch.column(name).null_count
                    writer.write(batch)
            writer.end_file()
        return {name: count for name, count in counts.items() if count}

    def _emptied(self, table: TableState, schema: Any) -> tuple[str, ...]:
        """The columns whose values leave without being read again, or cannot stay in their new type."""
        if self._write.method is Method.REPLACE:
            names = [name for name in table.schema.names if name not in self._write.schema.names]
        elif self._write.reset_schema:
            names = [
                field.name
                for field in table.schema
                if field.name not in schema.names
                or wider_type(field.type, schema.field(field.name).type) != schema.field(field.name).type
            ]
        else:
            names = []
        return with_values(self._storage, self._slug, table.files, table.schema, names)

    def _blank(self, table: TableState, rows_in: int) -> tuple[str, ...]:
        """The columns with values in the table and in no new row."""
        shared = set(self._write.schema.names) & set(table.schema.names)
        names = sorted(shared - self._valued) if rows_in else ()
        return with_values(self._storage, self._slug, table.files, table.schema, names)

    def _write_new(self, schema: Any, writer: FileWriter) -> tuple[int, int]:
        """Writes the new rows; how many came, and how many are of days to keep."""
        came = written = 0
        self._valued = set()
        with DayOrder(self._write.day_column) as ordered:
            for raw in self._batches():
                came += raw.num_rows
                empty = [name for name in raw.schema.names if name not in self._valued]
                self._valued.update(name for name in empty if raw.column(name).null_count < raw.num_rows)
                batch = conform(raw, schema)
                if self._write.keep_from:
                    batch = batch.filter(pc.invert(self._leaving.expired(batch)))
                if self._write.method is Method.PARTITION:
                    self._refuse_outside(batch)
                written += batch.num_rows
                with self._storage.guard(self._what):
                    for ready in ordered.add(batch):
                        writer.write(ready)
            with self._storage.guard(self._what):
                for ready in ordered.batches():
                    writer.write(ready)
                writer.end_file()
        return came, written

    def _refuse_outside(self, batch: Any) -> None:
        inside = pc.sum(self._leaving.inside(batch)).as_py() or 0
        if inside < batch.num_rows:
            raise InputError(
                phrase(
                    "%(rows)s new rows of run %(run_id)s belong to days or advertisers that the run did not "
                    "read in full, so the next run would duplicate them; the table %(table)s is unchanged.",
                    rows=integer(batch.num_rows - inside),
                    run_id=self._write.run_id,
                    table=self._slug,
                )
            )

    def _leavers(self, table: TableState, schema: Any) -> dict[str, np.ndarray[Any, Any]]:
        """For each file with rows that leave by their day or advertiser, which they are."""
        touched = (file for file in table.files if self._leaving.may_touch(file))
        return {file.path: mask for file in touched if (mask := self._mask(schema, file)).any()}

    def _mask(self, schema: Any, file: DataFile) -> np.ndarray[Any, Any]:
        """For each row of the file whether it leaves by its day or advertiser."""
        batches = read_file(self._storage, self._slug, file, _only(schema, self._leaving.mask_columns))
        masks = [self._leaving.mask(batch).to_numpy(zero_copy_only=False) for batch in batches]
        return np.concatenate(masks) if masks else np.zeros(0, bool)

    def _indexed(self, table: TableState | None, schema: Any, incoming: tuple[DataFile, ...]) -> KeyIndex | None:
        """With upsert the new rows by their key, which must name them; None if there are no others to find them for."""
        if self._write.method is not Method.UPSERT:
            return None
        keys = _only(schema, self._write.key)
        if table is None:
            # A third of the memory of an index.
            self._refuse_faults(keys, incoming)
            return None
        index = KeyIndex(self._rows_of(incoming, keys), self._write.key)
        if index.suspect:
            self._refuse_faults(keys, incoming)
        return index

    def _match(
        self,
        table: TableState,
        schema: Any,
        incoming: tuple[DataFile, ...],
        index: KeyIndex,
        leavers: dict[str, np.ndarray[Any, Any]],
    ) -> int:
        """Adds the rows with the keys of new rows to `leavers`; how many new rows have the key of one."""
        keys = _only(schema, self._write.key)
        matched = np.zeros(len(index), bool)
        for file in (file for file in table.files if _may_match(file, incoming, self._write.key)):
            mask = leavers.get(file.path, np.zeros(file.rows, bool))
            row = 0
            for batch in self._rows_of((file,), keys):
                ndarray, new_rows = index.find(batch)
                mask[row + ndarray] = True
                matched[new_rows] = True
                row += batch.num_rows
            if mask.any():
                leavers[file.path] = mask
        return int(matched.sum())

    def _rows_of(self, files: Iterable[DataFile], columns: Any) -> Iterator[Any]:
        return chain.from_iterable(read_file(self._storage, self._slug, file, columns) for file in files)

    def _refuse_faults(self, keys: Any, incoming: tuple[DataFile, ...]) -> None:
        faults = key_faults(
            lambda: pa.RecordBatchReader.from_batches(keys, self._rows_of(incoming, keys)), self._write.key
        )
        if not faults:
            return
        shown = ", ".join(f"{name}={value}" for name, value in faults.examples[0].items() if name != "rows")
        raise InputError(
            phrase(
                "The primary key (%(key)s) is not unique in the new rows of the table %(table)s: "
                "%(repeated)s keys are repeated and %(nulls)s rows have a null, such as %(shown)s. Choose "
                "another primary key or update method; the table is unchanged.",
                key=", ".join(self._write.key),
                table=self._slug,
                repeated=integer(faults.repeated),
                nulls=integer(faults.nulls),
                shown=shown,
            )
        )

    def _carry_over(
        self, table: TableState, schema: Any, writer: FileWriter, leavers: Mapping[str, np.ndarray[Any, Any]]
    ) -> tuple[DataFile, ...]:
        """Writes anew what stays of files that cannot stay as they are; returns the files that can."""
        grown = not schema.equals(table.schema)
        stay = [file for file in table.files if file.path not in leavers]
        small = [file for file in stay if file.rows < GROUP_ROWS]
        gathered = {file.path for file in small} if len(small) >= SMALL_FILES else set()
        kept_files = []
        for file in table.files:
            if file.path not in leavers and not grown and file.path not in gathered:
                kept_files.append(file)
                continue
            self._copy(file, schema, writer, leavers.get(file.path))
        writer.end_file()
        return tuple(kept_files)

    def _copy(self, file: DataFile, schema: Any, writer: FileWriter, leaves: np.ndarray[Any, Any] | None) -> None:
        if leaves is not None and leaves.all():
            return
        row = 0
        for batch in read_file(self._storage, self._slug, file, schema):
            stay = None if leaves is None else pa.array(~leaves[row : row + batch.num_rows])
            row += batch.num_rows
            writer.write(batch if stay is None else batch.filter(stay))

    # -- the commit

    def _log_version(self, table: TableState | None, schema: Any, writer: FileWriter, change: _Change) -> Commit | None:
        """Puts the version into the log; None, with the new files removed, if another writer took its number."""
        version = table.version + 1 if table else 0
        counts = (change.rows_in, change.rows_after, change.added, change.changed, change.removed)
        before = table.rows if table else None
        widened = _widened(table, schema) if table else ()
        commit = Commit(
            version, *counts, len(schema), before, widened, change.values_kept, change.emptied, change.blank
        )
        try:
            self._landing()
        except AdreelError:
            _discard(writer)
            raise
        try:
            self._write_log_entry(table, schema, writer.files, change, commit)
        except (DeltaError, OSError) as error:
            # What a store answers does not tell for sure whether the commit is there: the log does. While that
            # cannot be read the new files stay, as the log may refer to them.
            seen = find_table(self._storage, self._slug)
            landed = self._earlier_commit(seen)
            if landed is not None:
                return replace(landed, repeated=False)
            _discard(writer)
            if seen is not None and seen.version >= version:
                return None
            raise self._storage.fault(error, self._what) from None
        return commit

    def _write_log_entry(
        self, table: TableState | None, schema: Any, added: list[DataFile], change: _Change, commit: Commit
    ) -> None:
        now = int(self._clock().timestamp() * 1000)
        # No retries by delta-rs: it would put this change on top of another writer's without looking at its rows.
        properties = CommitProperties(
            custom_metadata={NOTE: self._note(commit, change.touched_days, now)},
            max_commit_retries=0,
            app_transactions=[Transaction(self._write.run_id, commit.version)],
        )
        adds = [AddAction(file.path, file.size, {}, now, True, file.stats()) for file in added]
        delta_schema = Schema.from_arrow(stored_schema(schema))
        if table is None:
            create_table_with_add_actions(
                self._storage.table_url(self._slug),
                delta_schema,
                adds,
                configuration=dict(TABLE_PROPERTIES),
                storage_options=self._storage.delta_options,
                commit_properties=properties,
            )
            return
        stay = {file.path for file in change.kept}
        removes = [RemoveAction(file.path, True, now, file.size, {}) for file in table.files if file.path not in stay]
        # "overwrite" takes all files out by itself and is the one mode that can change the columns.
        if change.kept or schema.equals(table.schema, check_metadata=True):
            table.delta.create_write_transaction(
                [*adds, *removes], "append", delta_schema, commit_properties=properties
            )
        else:
            table.delta.create_write_transaction(adds, "overwrite", delta_schema, commit_properties=properties)

    def _note(self, commit: Commit, touched_days: tuple[date, date] | None, now: int) -> dict[str, Any]:
        """What the version keeps of its run; `now` is in milliseconds since 1970."""
        return {
            "at": now,
            "run": self._write.run_id,
            "method": str(self._write.method),
            "key": list(self._write.key),
            "day_column": self._write.day_column,
            "days_read": {zone: [str(first), str(last)] for zone, (first, last) in self._write.days_read.items()},
            "coverage": list(self._write.coverage),
            "only_days_read": self._write.method is Method.REPLACE or self._write.whole_advertisers,
            "rows": commit.rows_after,
            "rows_in": commit.rows_in,
            "added": commit.added,
            "changed": commit.changed,
            "removed": commit.removed,
            "rows_before": commit.rows_before,
            "widened": list(commit.widened),
            "kept": dict(commit.kept),
            "emptied": list(commit.emptied),
            "blank": list(commit.blank),
            "touched_days": None if touched_days is None else [day.isoformat() for day in touched_days],
        }


@dataclass(frozen=True, slots=True)
class _Change:
    """What a new version is made of, beside the new files: the old files that stay, and its counts.

    `touched_days` as in `Version`.
    """

    kept: tuple[DataFile, ...]
    rows_in: int
    rows_after: int
    added: int | None
    changed: int | None
    removed: int | None
    values_kept: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    emptied: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    touched_days: tuple[date, date] | None = None


def _widened(table: TableState, schema: Any) -> tuple[str, ...]:
    """The columns that are of another type than in the table."""
    shared = [name for name in schema.names if name in table.schema.names]
    return tuple(name for name in shared if schema.field(name).type != table.schema.field(name).type)


def _check(write: Write) -> None:
    """Raises InputError for a write that cannot be done whatever the table holds."""
    names = write.schema.names
    needed: list[str] = []
    if write.method is Method.APPEND and write.reset_schema:
        raise InputError(
            phrase(
                "reset_schema cannot be used with append, whose older rows keep their columns; choose another method."
            )
        )
    if write.method is Method.UPSERT:
        if not write.key:
            raise InputError(phrase("upsert needs a primary key: name its columns, or choose another update method."))
        needed += write.key
    if write.method is Method.PARTITION:
        needed.append(write.advertiser_column)
    if write.keep_from and not write.day_column:
        raise InputError(phrase("A rolling window of days needs a day column; leave it out, or select daily figures."))
    needed += [write.day_column] if write.day_column else []
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputError(
            phrase(
                "%(method)s needs the columns %(columns)s, which the new rows do not have.",
                method=write.method,
                columns=", ".join(missing),
            )
        )
    if write.day_column and not _is_day(write.schema.field(write.day_column).type):
        raise InputError(
            phrase(
                "Column %(column)s has no days; %(method)s needs a day or an hour column.",
                column=write.day_column,
                method=write.method,
            )
        )


def _is_day(kind: Any) -> bool:
    return bool(pa.types.is_date32(kind) or pa.types.is_timestamp(kind))


def _only(schema: Any, names: tuple[str, ...]) -> Any:
    return pa.schema([schema.field(name) for name in names])


def _needs_feature(table: TableState, schema: Any) -> bool:
    """Whether the schema has wall clock hours and the table may not have them yet."""
    hours = any(pa.types.is_timestamp(field.type) and field.type.tz is None for field in stored_schema(schema))
    return hours and not _has_feature(table)


def _has_feature(table: TableState) -> bool:
    return "timestampNtz" in (table.delta.protocol().reader_features or [])


def _refuse_other_hours(table: TableState, schema: Any) -> None:
    """Raises InputError where hours would be kept otherwise than the table's.

    A table never goes back to the protocol without the feature, so that hours as text would help no reader there.
    """
    as_text, as_text_before = text_columns(schema), text_columns(table.schema)
    if as_text and _has_feature(table):
        reason = phrase(
            "The table %(table)s has, or had, hours as timestamp_ntz, and a Delta table never goes back to an earlier "
            "protocol. Set hour_type: timestamp, or create a new dataset with hour_type: text and backfill its days; "
            "the table is unchanged.",
            table=table.slug,
        )
    elif as_text_before - as_text:
        reason = phrase(
            "The table %(table)s has hours as text, and new rows have them as timestamp_ntz. Set hour_type: text, or "
            "create a new dataset and backfill its days; the table is unchanged.",
            table=table.slug,
        )
    else:
        return
    raise InputError(reason)


def _may_match(file: DataFile, incoming: tuple[DataFile, ...], key: tuple[str, ...]) -> bool:
    """Whether a file may have keys of the new files, judged by their ranges."""
    return any(all(_overlap(file.ranges.get(name), new.ranges.get(name)) for name in key) for new in incoming)


def _overlap(bounds: Range | None, other: Range | None) -> bool:
    if bounds is None or other is None or type(bounds[0]) is not type(other[0]):
        return True
    return bool(bounds[0] <= other[1] and other[0] <= bounds[1])


def _discard(writer: FileWriter) -> None:
    """Removes files that no commit refers to; what cannot be removed now goes with the next vacuum."""
    with suppress(OSError, StorageError):
        writer.discard()
