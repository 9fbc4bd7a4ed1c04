"""Secrets at rest: TikTok's tokens encrypted with Fernet, under keys that are elsewhere; our own as SHA-256."""

from __future__ import annotations

import hashlib
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adreel.errors import InputError, StorageError
from adreel.language import Phrase, phrase
from adreel.settings import Secret
from adreel.store.home import KEY_FILE, close_to_others, sync_folder

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


def fingerprint(secret: str) -> str:
    """What is kept of a secret that we made ourselves: SHA-256, which is enough as nobody can guess 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


RECONNECT = Phrase("reconnect the account")
ADD_AGAIN = Phrase("remove the address and add it again")
"""What to do about a token that no key fits, and about a notification address."""


class Keys:
    """The keys of one home: those of ADREEL_SECRET_KEY if it is set, else those of the key file, newest first.

    The file is made when something is encrypted for the first time, and never by decrypting.
    """

    __slots__ = ("_file", "_given", "_is_first")

    def __init__(self, given: Secret, home: Path, is_first: Callable[[], bool] = lambda: True) -> None:
        """`is_first`: whether nothing is encrypted with a key that another machine has."""
        self._given = given
        self._is_first = is_first
        self._file = home / KEY_FILE

    def __repr__(self) -> str:
        return f"Keys({self._where()})"

    @property
    def home(self) -> Path:
        """The home whose keys these are."""
        return self._file.parent

    def encrypt(self, text: str) -> str:
        """`text` under the newest key."""
        if not self._given and not self._file.exists():
            self._make_file()
        return self._fernet().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted: str, whose: str, remedy: str = RECONNECT) -> str:
        """What `encrypt` was given, under any of the keys; InputError that names `whose` text it is if none fits."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(encrypted).decode()
        except (InvalidToken, _NoKeyError):
            raise InputError(
                phrase(
                    "The token of %(whose)s was encrypted with a key that is not in %(where)s. Add that key to "
                    "ADREEL_SECRET_KEY (after newer ones, separated by commas), or %(remedy)s.",
                    whose=whose,
                    where=self._where(),
                    remedy=remedy,
                )
            ) from None

    def rotate(self, encrypted: str, whose: str, remedy: str = RECONNECT) -> str:
        """The same text under the newest key; errors as `decrypt`."""
        return self.encrypt(self.decrypt(encrypted, whose, remedy))

    def add_first(self) -> None:
        """Puts a new key before those of the key file. InputError where the keys are ADREEL_SECRET_KEY's."""
        self._need_file()
        if self._file.exists():
            new = urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
            self._replace_file([new, *_read_key_file(self._file)])
        else:
            self._make_file()

    def drop_old(self) -> None:
        """Leaves the first key of the key file alone. Nothing may be under another. InputError as `add_first`."""
        self._need_file()
        if self._file.exists():
            self._replace_file(_read_key_file(self._file)[:1])

    def count(self) -> int:
        """How many keys there are."""
        try:
            return len(self._keys())
        except _NoKeyError:
            return 0

    def _make_file(self) -> None:
        if not self._is_first():
            raise InputError(
                phrase(
                    "The tokens in the database are encrypted with a key that this machine does not have. Copy "
                    "secret.key from the home folder of a machine that has it to %(file)s, or set "
                    "ADREEL_SECRET_KEY.",
                    file=self._file,
                )
            )
        _make_key_file(self._file)

    def _need_file(self) -> None:
        if self._given:
            raise InputError(
                phrase(
                    "The keys are in ADREEL_SECRET_KEY, which adreel cannot change. Put a new key before the "
                    "old one, restart every process of adreel, run adreel secrets rotate, then remove the old "
                    "key."
                )
            )

    def _replace_file(self, keys: Sequence[str]) -> None:
        """The key file with these keys: as a whole, and on the disk before anything depends on it."""
        draft = self._file.with_name(f".{self._file.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in keys))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._file)
            sync_folder(self._file.parent)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StorageError(
                phrase("%(file)s cannot be written: %(strerror)s.", file=self._file, strerror=error.strerror)
            ) from error

    def _fernet(self) -> MultiFernet:
        # Imported only here: 0.05 s that a process without tokens need not pay.
        from cryptography.fernet import Fernet, MultiFernet

        try:
            return MultiFernet([Fernet(key) for key in self._keys()])
        except ValueError:
            raise InputError(
                phrase("%(where)s does not hold Fernet keys; restore the file.", where=self._where())
            ) from None

    def _keys(self) -> Sequence[str]:
        if self._given:
            return self._given.reveal().split(",")
        if not self._file.exists():
            raise _NoKeyError
        return _read_key_file(self._file)

    def _where(self) -> str:
        return "ADREEL_SECRET_KEY" if self._given else str(self._file)


class _NoKeyError(Exception):
    """There is no key yet."""


def _read_key_file(path: Path) -> Sequence[str]:
    close_to_others(path)
    try:
        return path.read_text("ascii").replace(",", "\n").split()
    except OSError as error:
        raise StorageError(
            phrase("%(path)s cannot be read: %(strerror)s.", path=path, strerror=error.strerror)
        ) from error


def _make_key_file(path: Path) -> None:
    """Writes one new key for the user alone; another process that was faster wins, as a key must never be replaced."""
    key = urlsafe_b64encode(secrets.token_bytes(32))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(key + b"\n")
            file.flush()
            # On the disk before any token depends on it.
            os.fsync(file.fileno())
        try:
            # A link, unlike a rename, fails if there is a key already.
            os.link(draft, path)
        except FileExistsError:
            return
        finally:
            draft.unlink()
    except OSError as error:
        raise StorageError(
            phrase(
                "%(path)s cannot be created: %(strerror)s. Set ADREEL_SECRET_KEY.", path=path, strerror=error.strerror
            )
        ) from error
