"""A table's versions: which there are, and which files may go when history no longer promises some of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from deltalake import CommitProperties, Transaction
from deltalake.exceptions import CommitFailedError

from adreel.errors import BusyError, InputError, NotFoundError
from adreel.lake.storage import Storage
from adreel.lake.tables import (
    LOG,
    NOTE,
    TableState,
    commit_info,
    find_table,
    log_versions,
    no_table,
    open_table,
    read_commits,
)
from adreel.language import phrase

RESTORE = "restore"
"""The method of a version that brings back the rows of an earlier one."""

ORPHAN_AGE = timedelta(days=2)
"""Files that no commit refers to are left over from a writer that died once they are so old."""


@dataclass(frozen=True, slots=True)
class Version:
    """The table as one run or restore left it. `at` is aware UTC; `rows` are the rows of the whole table.

    `restored` is the version whose rows a restore brought back, None for a run's. `days_read` are the first and last
    day that the run read, by the zone of ad accounts; empty for a restore, for rows without dates, and for a version of
    an older adreel. `only_days_read`: the run kept no other days of the ad accounts that it read. `emptied` are columns
    whose earlier values left the table without being read again. `coverage` are the writer's own records of what was
    read up to then, JSON values; empty for a version of an older adreel. `touched_days` are the first and last day of
    rows that the version brought or changed; None if it may have changed any. Rows of other days may have left it.
    """

    number: int
    at: datetime
    method: str
    run_id: str
    rows: int
    key: tuple[str, ...]
    day_column: str | None
    restored: int | None = None
    days_read: Mapping[str, tuple[date, date]] = field(default_factory=lambda: MappingProxyType({}))
    only_days_read: bool = False
    emptied: tuple[str, ...] = ()
    coverage: tuple[Mapping[str, Any], ...] = ()
    touched_days: tuple[date, date] | None = None


READING = timedelta(hours=12)
"""For so long after a version was forgotten its files stay, for those who read it."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Which versions stay: so many days of them, so many of the newest, and those that are `needed` by number."""

    days: int
    versions: int
    needed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What a vacuum freed: versions no longer promised, and files with their bytes."""

    versions: int
    files: int
    size: int


def versions(storage: Storage, slug: str) -> tuple[Version, ...]:
    """The versions that runs made and that can be read, newest first. Raises NotFoundError if there is no table."""
    numbers = log_versions(storage, slug)
    if not numbers:
        raise no_table(storage, slug)
    with storage.guard(phrase("the table %(table)s", table=slug)):
        commits = read_commits(storage, slug, numbers)
    made_by_runs = (_version(number, commit_info(actions)) for number, actions in commits.items())
    return tuple(reversed([version for version in made_by_runs if version is not None]))


def versions_between(storage: Storage, slug: str, first: int, last: int) -> Mapping[int, Version]:
    """The versions from one number to another that runs made and that can be read, by their numbers."""
    with storage.guard(phrase("the table %(table)s", table=slug)):
        commits = read_commits(storage, slug, tuple(range(first, last + 1)))
    by_number = {number: _version(number, commit_info(actions)) for number, actions in commits.items()}
    return {number: version for number, version in by_number.items() if version is not None}


def touched_days(
    noted: Mapping[int, Version], before: int, after: int, day_column: str | None
) -> tuple[tuple[date, date], ...] | None:
    """The days on which rows may differ between two versions, whichever is the earlier; None if on any day.

    Rows of other days may have left with the versions between, so that there are fewer.
    """
    numbers = range(min(before, after) + 1, max(before, after) + 1)
    between = [version for number in numbers if (version := noted.get(number)) is not None]
    spans = [
        version.touched_days
        for version in between
        if version.touched_days is not None and version.day_column == day_column
    ]
    return tuple(spans) if day_column is not None and len(spans) == len(numbers) else None


def newest_version(storage: Storage, slug: str) -> Version | None:
    """The newest version that a run or a restore made; None if there is none."""
    noted = (version_note(storage, slug, number) for number in reversed(log_versions(storage, slug)))
    return next((version for version in noted if version is not None), None)


def version_note(storage: Storage, slug: str, number: int) -> Version | None:
    """What is known of one version; None if no run made it."""
    with storage.guard(phrase("the table %(table)s", table=slug)):
        commits = read_commits(storage, slug, (number,))
    return _version(number, commit_info(commits.get(number, [])))


def restorable(storage: Storage, latest: TableState, number: int) -> Version:
    """The version, if it can be restored. Raises InputError for the newest, NotFoundError if no run created it."""
    if number == latest.version:
        raise InputError(
            phrase(
                "Version %(version)s is already the newest of the table %(table)s.", version=number, table=latest.slug
            )
        )
    origin = version_note(storage, latest.slug, number)
    if origin is None:
        raise NotFoundError(
            phrase(
                "Version %(version)s of the table %(table)s was not created by a run; restore another version.",
                version=number,
                table=latest.slug,
            )
        )
    return origin


def restore(
    storage: Storage, slug: str, number: int, run_id: str, now: datetime, begin: Callable[[Version], None]
) -> Version:
    """Makes a new version with the rows and columns of an earlier one; see `Lake.restore`."""
    latest, earlier = open_table(storage, slug), open_table(storage, slug, number)
    origin = restorable(storage, latest, number)
    note = {
        "at": int(now.timestamp() * 1000),
        "run": run_id,
        "method": RESTORE,
        "restored": number,
        "key": list(origin.key),
        "day_column": origin.day_column,
        "coverage": list(origin.coverage),
        "rows": earlier.rows,
        "rows_in": earlier.rows,
        "added": None,
        "changed": None,
        "removed": None,
    }
    begin(origin)
    new_number = latest.version + 1
    # No retries by delta-rs: it would put the old rows over those of another writer that came meanwhile.
    properties = CommitProperties(
        custom_metadata={NOTE: note}, max_commit_retries=0, app_transactions=[Transaction(run_id, new_number)]
    )
    try:
        with storage.guard(phrase("the table %(table)s", table=slug)):
            latest.delta.restore(number, commit_properties=properties)
    except CommitFailedError:
        raise BusyError(
            phrase(
                "Another process changed the table %(table)s at the same time; nothing was restored. Try again.",
                table=slug,
            )
        ) from None
    version = version_note(storage, slug, new_number)
    assert version is not None
    return version


def vacuum(storage: Storage, slug: str, keep_days: int, keep_versions: int, now: datetime) -> Vacuumed:
    """Removes what only versions need that are neither among the newest `keep_versions` nor `keep_days` young.

    The latest version always stays. The log forgets a version before its first file goes, so that `versions` never
    names one that cannot be read, wherever this stops. Raises InputError for negative numbers, NotFoundError if there
    is no table.
    """
    if keep_days < 0 or keep_versions < 0:
        raise InputError(phrase("Days and versions to keep cannot be negative; the latest version always stays."))
    table = open_table(storage, slug)
    first = _oldest_kept(storage, table, keep_days, keep_versions, now)
    with storage.guard(phrase("the table %(table)s", table=slug)):
        needed, gone = _needed_and_removed(storage, table, first)
        forgotten = _forget(storage, table, first)
        return _remove(storage, slug, needed, gone, forgotten, now)


def forget(storage: Storage, slug: str, keep: Keep, now: datetime) -> Vacuumed:
    """Forgets what `keep` does not keep, and removes the files of what was forgotten half a day ago or longer.

    So whoever began to read a version, in whatever process, can read it to its end. What is removed is counted, and
    what is forgotten as versions. Wherever this stops, it goes on the next time.
    """
    table = open_table(storage, slug)
    first = _oldest_kept(storage, table, keep.days, keep.versions, now, keep.needed)
    with storage.guard(phrase("the table %(table)s", table=slug)):
        oldest = min(log_versions(storage, slug))
        freed = Vacuumed(0, 0, 0)
        if _was_forgotten_long_ago(storage, slug, oldest, now):
            needed, _ = _needed_and_removed(storage, table, oldest)
            freed = _remove(storage, slug, needed, set(), 0, now)
        return Vacuumed(_forget(storage, table, first), freed.files, freed.size)


def forgettable(storage: Storage, slug: str, keep: Keep, now: datetime) -> Vacuumed:
    """What `forget` would forget and free in the end; nothing changes."""
    table = open_table(storage, slug)
    first = _oldest_kept(storage, table, keep.days, keep.versions, now, keep.needed)
    with storage.guard(phrase("the table %(table)s", table=slug)):
        needed, gone = _needed_and_removed(storage, table, first)
        outdated = sum(number < first for number in log_versions(storage, slug))
        removable = [
            info
            for info in storage.list_files(slug, recursive=False)
            if info.is_file and info.base_name not in needed and (info.base_name in gone or _is_orphan(info, now))
        ]
        return Vacuumed(outdated, len(removable), sum(info.size for info in removable))


def _was_forgotten_long_ago(storage: Storage, slug: str, oldest: int, now: datetime) -> bool:
    """Whether the log began at `oldest` half a day ago; a checkpoint was written there when it was shortened."""
    info = storage.files.get_file_info(f"{slug}/{LOG}/{oldest:020}.checkpoint.parquet")
    return not info.is_file or info.mtime is None or now.astimezone(UTC) - info.mtime > READING


def _is_orphan(info: Any, now: datetime) -> bool:
    return info.mtime is None or now.astimezone(UTC) - info.mtime > ORPHAN_AGE


def _oldest_kept(
    storage: Storage,
    table: TableState,
    keep_days: int,
    keep_versions: int,
    now: datetime,
    needed: Collection[int] = (),
) -> int:
    """The oldest version that stays; all after it do."""
    all_versions = versions(storage, table.slug)
    since = now - timedelta(days=keep_days)
    promised = [
        version.number
        for order, version in enumerate(all_versions)
        if order < keep_versions or version.at >= since or version.number in needed
    ]
    return min([table.version, *promised])


def _needed_and_removed(storage: Storage, table: TableState, first: int) -> tuple[set[str], set[str]]:
    """The files that versions from `first` on need, and those that only earlier ones did."""
    earliest = find_table(storage, table.slug, first)
    assert earliest is not None
    needed = {file.path for file in earliest.files} | {file.path for file in table.files}
    gone: set[str] = set()
    for number, actions in read_commits(storage, table.slug, log_versions(storage, table.slug)).items():
        if number > first:
            needed |= set(_paths(actions, "add"))
        else:
            gone |= set(_paths(actions, "remove"))
    return needed, gone - needed


def _paths(actions: Iterable[dict[str, Any]], kind: str) -> Iterable[str]:
    return (action[kind]["path"] for action in actions if kind in action)


def _forget(storage: Storage, table: TableState, first: int) -> int:
    """Shortens the log to begin at `first`; how many versions it forgot.

    Without its commit a version can be read only from a checkpoint, so one is made first.
    """
    old = [number for number in log_versions(storage, table.slug) if number < first]
    if not old:
        return 0
    earliest = find_table(storage, table.slug, first)
    assert earliest is not None
    earliest.delta.create_checkpoint()
    table.delta.create_checkpoint()
    names = [info.base_name for info in storage.list_files(f"{table.slug}/{LOG}", recursive=False) if info.is_file]
    outdated = [name for name in names if name[:20].isdigit() and int(name[:20]) < first]
    # Newest first: wherever this stops, what is left of the log can still be read.
    outdated.sort(key=lambda name: (-int(name[:20]), "checkpoint" in name))
    storage.delete([f"{table.slug}/{LOG}/{name}" for name in outdated])
    return len(old)


def _remove(storage: Storage, slug: str, needed: set[str], gone: set[str], forgotten: int, now: datetime) -> Vacuumed:
    """Removes the files that no version needs, with those that a dead writer left."""
    files = size = 0
    for info in storage.list_files(slug, recursive=False):
        if not info.is_file or info.base_name in needed or not (info.base_name in gone or _is_orphan(info, now)):
            continue
        storage.delete([info.path])
        files += 1
        size += info.size
    return Vacuumed(forgotten, files, size)


def _version(number: int, info: dict[str, Any]) -> Version | None:
    note = info.get(NOTE)
    if note is None:
        return None
    return Version(
        number=number,
        # delta-rs writes down a time of its own, which is not that of the lake's clock.
        at=datetime.fromtimestamp(note.get("at", info["timestamp"]) / 1000, UTC),
        method=note["method"],
        run_id=note["run"],
        rows=note["rows"],
        key=tuple(note["key"]),
        day_column=note["day_column"],
        restored=note.get("restored"),
        days_read={
            zone: (date.fromisoformat(first), date.fromisoformat(last))
            for zone, (first, last) in note.get("days_read", {}).items()
        },
        only_days_read=note.get("only_days_read", False),
        emptied=tuple(note.get("emptied", ())),
        coverage=tuple(note.get("coverage", ())),
        touched_days=_days(note.get("touched_days")),
    )


def _days(ends: Sequence[str] | None) -> tuple[date, date] | None:
    return (date.fromisoformat(ends[0]), date.fromisoformat(ends[1])) if ends else None
