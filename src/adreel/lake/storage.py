"""Where the lake is: a folder or an object store, behind one file system, with storage faults in plain words."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.fs as pa_fs
from deltalake.exceptions import DeltaError

from adreel.errors import InputError, StorageError
from adreel.lake.object_stores import SCHEMES, object_store
from adreel.language import Phrase, phrase

RUNS = "_runs"
"""The folder of run parts under the root; table names never begin with an underscore."""

PROBE = "_probe-"
CHECKED = "_store.json"
"""How the folder begins in which the object store is checked, and the note that it has passed."""

_REFUSED = Phrase(
    "The store refused the credentials for %(subject)s at %(url)s. Check the credentials in the environment of adreel, "
    "then run again (%(reason)s)."
)
_REFUSALS = (
    (
        "NO_SUCH_BUCKET|NoSuchBucket|[Bb]ucket (does not exist|not found)|ContainerNotFound|container does not exist",
        Phrase(
            "The bucket does not exist: %(subject)s at %(url)s. Create the bucket or container, or correct "
            "ADREEL_LAKE_URL, then run again (%(reason)s)."
        ),
    ),
    (
        "INVALID_ACCESS_KEY|InvalidAccessKey|SIGNATURE_DOES_NOT|SignatureDoesNot|EXPIRED_TOKEN|ExpiredToken|InvalidToken",
        _REFUSED,
    ),
    (
        "INVALID_CLIENT_TOKEN|UNAUTHENTICATED|AuthenticationFailed|status 401",
        _REFUSED,
    ),
    (
        "ACCESS_DENIED|AccessDenied|PERMISSION_DENIED|AuthorizationPermission|AuthorizationFailure|HTTP 403|Forbidden",
        Phrase(
            "The store denied access to %(subject)s at %(url)s. Check the credentials and give them the rights to "
            "list, read, write and delete, then run again (%(reason)s)."
        ),
    ),
)
"""Answers of stores that no waiting helps, with what happened and what to do."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Storage:
    """The root of a lake. `files` holds everything under it, whichever kind of store it is."""

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ) -> None:
        """Raises InputError if `url` is no folder, file://, s3://, gs:// or az:// address; touches no disk.

        Credentials of object stores are in `environ`, or where their own programs look for them.
        """
        self.folder = _folder(url)
        self.url = str(self.folder) if self.folder else url.rstrip("/")
        self.store = object_store(self.url, environ) if urlsplit(url).scheme in SCHEMES else None
        self.is_checked = False
        self._files: Any = None
        if self.folder is not None and "%" in self.url:
            raise InputError(
                phrase("%(url)s has a %% in its name, which Delta Lake would decode; choose another.", url=self.url)
            )
        if self.folder is None and self.store is None:
            raise InputError(
                phrase(
                    "%(url)s is not an address of a lake; use a folder, or file://, s3://, gs:// or az:// …",
                    url=repr(url),
                )
            )

    @property
    def files(self) -> Any:
        """The pyarrow file system whose root is the lake's root."""
        if self._files is None:
            if self.store is not None:
                self._files = pa_fs.SubTreeFileSystem(self.store.root, self.store.open_files())
            else:
                self._files = pa_fs.SubTreeFileSystem(str(self.folder), pa_fs.LocalFileSystem())
        return self._files

    def table_url(self, slug: str) -> str:
        """The address of a dataset's table. Raises InputError for a name that is no table's."""
        return f"{self.url}/{checked(slug)}"

    @property
    def delta_options(self) -> dict[str, str]:
        """delta-rs's options for the object store; the rest it reads from the environment itself."""
        return dict(self.store.delta_options) if self.store else {}

    def write(self, path: str, data: Any, *, durable: bool = False) -> None:
        """Puts a small file there whole or not at all: renamed into place, or put as one object.

        A `durable` one is whole after a power cut, too, which on a disk takes a few milliseconds.
        """
        if self.folder is None:
            with self.files.open_output_stream(path) as stream:
                stream.write(data)
            return
        self.files.create_dir(path.rpartition("/")[0], recursive=True)
        partial = f"{path}.{secrets.token_hex(4)}.tmp"
        try:
            with self.files.open_output_stream(partial) as stream:
                stream.write(data)
            if durable:
                self.flush(partial)
            self.files.move(partial, path)
        except BaseException:
            self.delete([partial])
            raise

    def read(self, path: str) -> Any:
        """A file's bytes as a buffer; raises FileNotFoundError."""
        with self.files.open_input_stream(path) as stream:
            return stream.read_buffer()

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return bool(self.files.get_file_info(path).is_file)

    def list_files(self, folder: str, *, recursive: bool = True) -> list[Any]:
        """Pyarrow's FileInfo of what lies in a folder, in the order of the paths; empty if there is no such folder."""
        selector = pa_fs.FileSelector(folder, recursive=recursive, allow_not_found=True)
        return sorted(self.files.get_file_info(selector), key=lambda info: str(info.path))

    def delete(self, paths: list[str]) -> None:
        """Removes files that may be gone already."""
        for path in paths:
            with suppress(FileNotFoundError):
                self.files.delete_file(path)

    def delete_folder(self, path: str) -> None:
        """Removes a folder with all that is in it; it may be gone already."""
        # Asked first, as pyarrow's error for a folder that is not there differs from store to store.
        if self.folder is None and not self.list_files(path):
            return
        with suppress(FileNotFoundError):
            self.files.delete_dir(path)

    def flush(self, path: str) -> None:
        """Makes sure that a local file survives a power cut, before anything refers to it."""
        if self.folder is not None:
            number = os.open(self.folder / path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    @contextmanager
    def guard(self, subject: str) -> Iterator[None]:
        """Turns faults of the disk, the store and the files into StorageError; `what` begins its sentence."""
        try:
            yield
        except (OSError, DeltaError, pa.ArrowException) as error:
            # Without the cause: texts of object stores may hold signed addresses.
            raise self.fault(error, subject) from None

    def fault(self, error: Exception, subject: str) -> StorageError:
        """The StorageError for a fault met while working on `subject`."""
        reason, number = fault_reason(error)
        if number in _FULL:
            return StorageError(
                phrase(
                    "No space is left for %(subject)s at %(url)s (%(reason)s); free some space, then run again.",
                    subject=subject,
                    url=self.url,
                    reason=reason,
                )
            )
        refusal = _refusal(str(error)) if self.store else None
        if refusal is not None:
            return StorageError(phrase(refusal, subject=subject, url=self.url, reason=reason))
        if self.folder is None and isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return StorageError(
                phrase(
                    "adreel cannot reach %(subject)s at %(url)s (%(reason)s); check the address, the "
                    "credentials and the network, then run again.",
                    subject=subject,
                    url=self.url,
                    reason=reason,
                )
            )
        if number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            return StorageError(
                phrase(
                    "adreel has no permission for %(subject)s at %(url)s (%(reason)s); make the folder "
                    "readable and writable for the user who runs adreel, or choose another lake.",
                    subject=subject,
                    url=self.url,
                    reason=reason,
                )
            )
        return StorageError(
            phrase(
                "The files of %(subject)s at %(url)s are damaged or missing (%(reason)s); restore them "
                "from a backup, or delete the dataset's table and run the dataset again.",
                subject=subject,
                url=self.url,
                reason=reason,
            )
        )


def checked(name: str) -> str:
    """A name that can be a folder or file under the root. Raises InputError for any other."""
    if not _NAME.fullmatch(name):
        raise InputError(
            phrase(
                "%(name)s cannot be the name of a table, run or part: letters, digits, . _ = - only.", name=repr(name)
            )
        )
    return name


def _folder(url: str) -> Path | None:
    if "://" not in url:
        return Path(url).expanduser().absolute()
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _refusal(text: str) -> Phrase | None:
    """What is said of a store's answer that no waiting helps; None for other faults."""
    return next((words for pattern, words in _REFUSALS if re.search(pattern, text)), None)


def fault_reason(error: Exception) -> tuple[str, int | None]:
    """Why in one line without addresses' queries, and the system's error number if there is one."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    number = getattr(error, "errno", None)
    stated = re.search(r"\((?:os )?error (\d+)\)|\[errno (\d+)\]|Errno (\d+)", text)
    if number is None and stated:
        number = int(next(group for group in stated.groups() if group))
    if number is not None and 0 < number < 200:
        return os.strerror(number), number
    answer = re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", text, re.DOTALL)
    if answer:
        # No more of it: the answer to a wrong signature quotes the request.
        return ": ".join(part for part in answer.groups() if part)[:200], None
    text = re.sub(r"^When .*?(?=AWS Error )", "", text, flags=re.DOTALL)
    lines = [line.strip(" ↳\t") for line in text.splitlines() if line.strip() and not re.match(r"\s*(\d+:|at )", line)]
    cause = lines[-1] if "↳" in text else lines[0] if lines else type(error).__name__
    return re.sub(r"\?\S*", "", cause)[:200], None
