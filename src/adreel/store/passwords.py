"""Passwords at rest: Argon2id. argon2 is imported only where a password is looked at, which a run never does."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from adreel.errors import FieldError, RetryError
from adreel.language import integer, phrase

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 10
LONGEST = 1_000
"""Characters of a password."""

GUESSES = 100_000_000
"""A password that a guesser who begins with what people use most comes to sooner is refused (zxcvbn's estimate)."""

LOOKED_AT = 40
"""Characters that are looked at for that: time grows with the square of their number."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one look at a password costs: memory, passes over it, threads.

    The default is one of those that OWASP's "Password Storage Cheat Sheet" names as equally strong for Argon2id, with
    little memory and more passes.
    """

    memory_kib: int = 9 * 1024
    passes: int = 4
    threads: int = 1


COST = Cost()


class Passwords:
    """Hashes passwords, and checks them against hashes, at one cost and one at a time: many would fill the memory."""

    __slots__ = ("_cost", "_turn")

    def __init__(self, cost: Cost = COST) -> None:
        self._cost = cost
        self._turn = Lock()

    def hashed(self, password: str, name: str) -> str:
        """A hash with its salt and cost.

        InputError if the password is too short or too long, one of the common ones, or made of the user's `name`.
        """
        plain = unicodedata.normalize("NFKC", password)
        if not SHORTEST <= len(plain) <= LONGEST:
            raise FieldError(
                "password",
                phrase(
                    "A password must have %(shortest)s to %(longest)s characters; choose another.",
                    shortest=SHORTEST,
                    longest=integer(LONGEST),
                ),
            )
        _refuse_common(plain, name)
        return self._work(password)

    def fits(self, hashed: str, password: str) -> bool:
        """Whether `hashed` was made of the password. RetryError if there is not enough memory to tell."""
        from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

        try:
            with self._turn:
                return self._hasher().verify(hashed, _bytes(password))
        except (VerifyMismatchError, InvalidHashError):
            return False
        except VerificationError as error:
            raise _failed(error) from error

    def waste(self, password: str) -> None:
        """The work of `fits` where there is no hash: how long an answer takes must not tell which names there are."""
        self._work(password)

    def outdated(self, hashed: str) -> bool:
        """Whether a hash was made at another cost than passwords cost now."""
        return self._hasher().check_needs_rehash(hashed)

    def again(self, password: str) -> str:
        """A new hash of a password that is in use already, whatever rules there are by now."""
        return self._work(password)

    def _work(self, password: str) -> str:
        from argon2.exceptions import HashingError

        try:
            with self._turn:
                return self._hasher().hash(_bytes(password))
        except HashingError as error:
            raise _failed(error) from error

    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(self._cost.passes, self._cost.memory_kib, self._cost.threads)


def _refuse_common(password: str, name: str) -> None:
    """Raises InputError for a password that is guessed soon; it is not repeated."""
    # Imported only here: 15 MB of lists, which a server needs when somebody sets a password.
    from zxcvbn import zxcvbn

    own = unicodedata.normalize("NFKC", name)
    # zxcvbn fails at an empty text, and at a line break after digits.
    looked_at = " ".join(password.split())[:LOOKED_AT] or "password"
    estimate = zxcvbn(looked_at, user_inputs=[own, *own.split(), "adreel", "tiktok"])
    if estimate["guesses"] >= GUESSES:
        return
    if any(match.get("dictionary_name") == "user_inputs" for match in estimate["sequence"]):
        raise FieldError(
            "password", phrase("The password is too easy to guess: it is close to the user's name. Choose another.")
        )
    raise FieldError(
        "password",
        phrase(
            "The password is too easy to guess: it is a common one, or made of common parts. Choose "
            "several unrelated words."
        ),
    )


def _bytes(password: str) -> bytes:
    """The password as it is hashed: however a keyboard composed it, and cut where no password goes on."""
    return unicodedata.normalize("NFKC", password[: 2 * LONGEST]).encode("utf-8", "surrogatepass")


def _failed(error: Exception) -> RetryError:
    return RetryError(
        phrase("Passwords cannot be checked now (%(error)s); free some memory, then try again.", error=error)
    )
