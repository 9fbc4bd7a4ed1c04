"""Backups of a home in one file, made while it works, and homes restored from one.

The file is a tar archive: `backup.json` says what it is, `store/` has the store's tables as compressed lines of JSON,
`lake/` the files of the dataset tables, `catalog.yaml` what the home adds to the catalogue, and `checksums.json`, the
last, the size and SHA-256 of all others. A file without it was cut off, and is no backup.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa

from adreel.access import Guard, RoleRight
from adreel.catalog_file import FILE_NAME as ADDITIONS_FILE
from adreel.errors import InputError, RetryError, StorageError
from adreel.lake import Lake
from adreel.settings import Settings
from adreel.store import Store
from adreel.store.audit import WORKSPACE, AuditAction
from adreel.store.database import HEAD, open_backend
from adreel.store.dump import StoreDump, StoreLoad
from adreel.store.file_locks import FileLocks
from adreel.store.home import DATABASE, KEY_FILE, RESTORING, prepare_home, private_file, sync_folder
from adreel.store.moving import refuse_content

FORMAT = 1
"""The format of the file; a newer one is refused."""

HEADER = "backup.json"
CHECKSUMS = "checksums.json"

PIECE = 1 << 20
"""Bytes that are read and written at a time."""

MOST_SMALL = 1 << 28
"""Bytes of a member that is read as a whole: a part of the store is some megabytes."""

OWN_FILES = frozenset({"adreel.env", ADDITIONS_FILE, KEY_FILE, "lake", "locks", "tmp", RESTORING, "pace.db"})
"""What may be in a home before a restore; a lake must be empty."""

_NAME = re.compile(
    r"(store/[a-z_]+/[0-9]{6}\.jsonl\.zst|lake/[A-Za-z0-9._=/-]+|backup\.json|checksums\.json|secret\.key|catalog\.yaml)"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BackupInfo:
    """What a backup is of: its time, the adreel and schema that made it, and whether tables and keys are in it."""

    at: datetime
    adreel: str
    revision: str
    tables: bool
    key: bool
    sequences: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BackupSize:
    """How much was backed up or restored: rows of the store, tables of the lake, and bytes of the file."""

    rows: int
    tables: int
    size: int


# -- making one


def back_up(
    guard: Guard, lake: Lake, settings: Settings, target: Path, now: datetime, *, tables: bool, key: bool, say: Say
) -> BackupSize:
    """Writes a backup, which is at `target` when it is whole, in place of an earlier one, and never half.

    The store is as at one moment; tables have the versions that it knows of then. `tables` False leaves the lake out.
    `key` puts the encryption keys in. Raises ForbiddenError, InputError for a target that cannot be or keys that are
    not in the home, RetryError if a table was deleted meanwhile, StorageError if the disk is full.
    """
    guard.need_role(RoleRight.BACK_UP)
    keys = _keys(settings) if key else None
    details = {"file": target.name, "tables": tables, "keys": key}
    guard.store.audit.add(AuditAction.BACKUP, WORKSPACE, details)
    with _placed(target) as file, guard.store.snapshot() as connection:
        dump = StoreDump(connection)
        info = BackupInfo(now, version("adreel"), HEAD, tables, key, dump.sequences())
        with _Archive(file, now) as writer:
            writer.add(HEADER, orjson.dumps({"format": FORMAT, **_as_json(info)}))
            rows = _add_store(writer, dump, say)
            count = _add_lake(writer, guard.store, lake, dump.last_versions(), say) if tables else 0
            if keys is not None:
                writer.add(KEY_FILE, keys)
            additions = _additions(settings.home)
            if additions is not None:
                writer.add(ADDITIONS_FILE, additions)
            writer.finish()
    return BackupSize(rows, count, target.stat().st_size)


def _as_json(info: BackupInfo) -> dict[str, Any]:
    return {
        "at": info.at,
        "adreel": info.adreel,
        "revision": info.revision,
        "tables": info.tables,
        "key": info.key,
        "sequences": dict(info.sequences),
    }


def _keys(settings: Settings) -> bytes:
    if settings.secret_key:
        raise InputError("The keys are in ADREEL_SECRET_KEY, not in the home. Keep a copy of that variable instead.")
    path = settings.home / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist, as no token was ever encrypted here. Leave out --with-key.") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error


def _additions(home: Path) -> bytes | None:
    """The additions to the catalogue, without which some datasets do not hold; None if there are none."""
    path = home / ADDITIONS_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error


def _add_store(writer: _Archive, dump: StoreDump, say: Say) -> int:
    rows, numbers = 0, dict[str, int]()
    for name, part in dump.parts():
        numbers[name] = numbers.get(name, 0) + 1
        writer.add(f"store/{name}/{numbers[name]:06}.jsonl.zst", _compressed(part))
        rows += part.count(b"\n") - 1
        if numbers[name] % 10 == 0:
            say(f"Store: {rows:,} rows.")
    return rows


def _add_lake(writer: _Archive, store: Store, lake: Lake, versions: Mapping[str, int | None], say: Say) -> int:
    count = 0
    for number, (slug, last) in enumerate(sorted(versions.items()), 1):
        files = lake.files_of(slug, last)
        if not files and last is not None:
            _need_missing(store, lake, slug)
            say(f"warning: the table {slug} is not in {lake.url}, so it is not in the backup.")
        for file in files:
            with lake.open_file(file) as stream:
                writer.stream(f"lake/{file.path}", file.size, stream)
        count += bool(files)
        if number % 10 == 0 or number == len(versions):
            say(f"Tables: {number:,} of {len(versions):,}, {writer.size / 1e6:,.1f} MB.")
    return count


def _need_missing(store: Store, lake: Lake, slug: str) -> None:
    """Raises RetryError unless the table is missing for another reason than what happened during the backup."""
    is_dataset = any(saved.table_slug == slug for saved in store.datasets.list())
    if not is_dataset or lake.exists(slug):
        raise RetryError(f"The table {slug}, or old versions of it, were deleted during the backup. Try again.")


def _compressed(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def _uncompressed(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return bytes(stream.read())


@contextmanager
def _placed(target: Path) -> Iterator[IO[bytes]]:
    """A file for the user alone, renamed to `target` once it is whole and on the disk."""
    if target.is_dir() or not target.parent.is_dir():
        reason = "it is a folder" if target.is_dir() else f"the folder {target.parent} does not exist"
        raise InputError(f"{target} cannot be written: {reason}.")
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with private_file(partial).open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


class _Archive:
    """A tar archive as it is written, with the checksums of its members."""

    def __init__(self, file: IO[bytes], now: datetime) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._time = now.timestamp()
        self._sums: dict[str, list[Any]] = {}
        self.size = 0

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._tar.close()

    def add(self, name: str, data: bytes) -> None:
        self.stream(name, len(data), io.BytesIO(data))

    def stream(self, name: str, size: int, source: Any) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(self._time), 0o600
        hashed = _Hashed(source)
        try:
            self._tar.addfile(member, hashed)
        except tarfile.ReadError as error:
            raise StorageError(f"{name} is shorter than its table's log says. The table is damaged.") from error
        self._sums[name] = [size, hashed.digest]
        self.size += size

    def finish(self) -> None:
        """The last member, which makes the file a backup."""
        self.add(CHECKSUMS, orjson.dumps(self._sums))


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = PIECE) -> bytes:
        try:
            data = bytes(self._source.read(size))
        except tarfile.TarError as error:
            raise InputError(f"The backup is not complete: it was cut off ({error}). Use another backup.") from error
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


# -- restoring one


def checked(source: Path, say: Say) -> BackupInfo:
    """What a backup is of, once every byte of it was compared with its checksum.

    Raises InputError for a file that is no backup of this adreel or an older one, or that is damaged or cut off.
    """
    sums, info, last = dict[str, list[Any]](), None, b""
    since_said = 0
    for name, stream in _members(source):
        if info is None:
            info = _info(source, name, stream)
            sums[HEADER] = [stream.size, stream.digest]
            continue
        if last:
            raise InputError(f"{source} is damaged: it goes on after its end. Use another backup.")
        if name == CHECKSUMS:
            last = stream.read(MOST_SMALL)
            continue
        while stream.read(PIECE):
            pass
        sums[name] = [stream.size, stream.digest]
        since_said += stream.size
        if since_said > 1 << 30:
            say(f"Verified {sum(size for size, _ in sums.values()) / 1e6:,.0f} MB.")
            since_said = 0
    if info is None or not last:
        raise InputError(f"{source} is not complete: it was cut off. Use another backup.")
    if orjson.dumps(sums) != last:
        raise InputError(f"{source} is damaged: its contents differ from its checksums. Use another backup.")
    return info


def _info(source: Path, name: str, stream: _Hashed) -> BackupInfo:
    if name != HEADER:
        raise InputError(f"{source} is not a backup of adreel.")
    try:
        values = orjson.loads(stream.read(MOST_SMALL))
        newer = values.pop("format") != FORMAT or values["revision"] > HEAD
        made_by = values["adreel"]
        info = None if newer else BackupInfo(**{**values, "at": datetime.fromisoformat(values["at"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{source} is damaged: its first entry cannot be read. Use another backup.") from error
    if info is None:
        raise InputError(
            f"{source} was made by adreel {made_by}, which is newer than this one ({version('adreel')}). Install that "
            "version, or a newer one."
        )
    return info


def _members(source: Path) -> Iterator[tuple[str, _Hashed]]:
    try:
        with source.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not _NAME.fullmatch(member.name) or ".." in member.name:
                    raise InputError(f"{source} is not a backup of adreel: it has {member.name[:100]!r}.")
                yield member.name, _Hashed(content)
    except tarfile.TarError as error:
        raise InputError(f"{source} is not complete, or is not a backup of adreel ({error}).") from error
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}.") from error


def restore(settings: Settings, lake: Lake, source: Path, say: Say) -> tuple[BackupInfo, BackupSize]:
    """Fills an empty home, database and lake from a backup; runs that were under way are interrupted.

    The home cannot be opened until all is there, so a restore that was interrupted is run again, and begins anew.
    Raises InputError as `checked`, for a home, database or lake that is not empty, and StorageError if the disk fails.
    """
    info = checked(source, say)
    home = settings.home
    prepare_home(home)
    _refuse_used(home)
    with FileLocks(home).schema():
        _refuse_used(home)
        if settings.database_url:
            with closing(open_backend(settings)) as receiving:
                refuse_content(receiving)
        marker = home / RESTORING
        if marker.exists():
            _drop_tables(lake, marker)
        lake.refuse_tables()
        _mark(marker, source)
        try:
            size = _fill(settings, lake, source, info, say)
        except OSError as error:
            raise StorageError(f"{home} cannot be written: {error.strerror or error}.") from error
        marker.unlink()
        sync_folder(home)
    return info, size


def _refuse_used(home: Path) -> None:
    names = {entry.name for entry in home.iterdir()}
    database = {DATABASE, *(name for name in names if name.startswith(f"{DATABASE}."))}
    others = names - OWN_FILES - (database if RESTORING in names else set())
    if others:
        raise InputError(
            f"{home} is in use or not empty ({', '.join(sorted(others)[:3])}). Restore into an empty folder: set "
            "ADREEL_HOME to a new one, or move this one away."
        )


def _mark(marker: Path, source: Path) -> None:
    """From now on the home cannot be opened; the slugs of tables that are written are noted in the file."""
    slugs = sorted({name.split("/")[1] for name, _ in _members(source) if name.startswith("lake/")})
    with private_file(marker).open("wb") as file:
        file.write(orjson.dumps(slugs))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(marker.parent)


def _drop_tables(lake: Lake, marker: Path) -> None:
    """Removes the tables that an interrupted restore may have begun."""
    content = marker.read_bytes()
    for slug in orjson.loads(content) if content else ():
        lake.drop(slug)


def _fill(settings: Settings, lake: Lake, source: Path, info: BackupInfo, say: Say) -> BackupSize:
    """Writes the lake and the database, which is put in place last."""
    rows, size, slugs = 0, 0, set[str]()
    load = StoreLoad(settings.home / f"{DATABASE}.restoring", info.revision)
    try:
        for name, stream in _members(source):
            folder, _, path = name.partition("/")
            if folder == "store":
                rows += load.load(_uncompressed(stream.read(MOST_SMALL)))
            elif folder == "lake":
                with lake.create_file(path) as target:
                    while piece := stream.read(PIECE):
                        target.write(piece)
                if path.split("/")[0] not in slugs:
                    slugs.add(path.split("/")[0])
                    say(f"Tables: {len(slugs):,}, {size / 1e6:,.1f} MB.")
            elif name == KEY_FILE:
                _keep(settings.home / KEY_FILE, stream.read(MOST_SMALL), "for the keys of the backup", say)
            elif name == ADDITIONS_FILE:
                _keep(settings.home / name, stream.read(MOST_SMALL), "for the catalogue of the backup", say)
            size += stream.size
        load.finish(info.sequences)
        load.place(settings)
    finally:
        load.close()
    return BackupSize(rows, len(slugs), size)


def _keep(path: Path, content: bytes, purpose: str, say: Say) -> None:
    if path.exists() and path.read_bytes() != content:
        say(f"warning: {path} exists already and was kept. Move it away and restore again {purpose}.")
        return
    with private_file(path).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def lost_tokens(store: Store) -> tuple[str, ...]:
    """The accounts whose tokens no key of this home fits, by name."""
    lost = []
    for account in store.accounts.list():
        try:
            store.accounts.token(account)
        except InputError:
            lost.append(account.name)
    return tuple(lost)
