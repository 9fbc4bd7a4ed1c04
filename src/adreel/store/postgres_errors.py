"""Failures of Postgres as errors for a person."""

from __future__ import annotations

import re

import psycopg

from adreel.errors import AdreelError, InputError, RetryError, StorageError
from adreel.language import phrase


def named_error(name: str, error: BaseException | None) -> AdreelError:
    """The error for a person, by what to do next. The text is the server's first line, which has no values."""
    state = getattr(error, "sqlstate", None) or ""
    reason = str(error).partition("\n")[0].strip().rstrip(".") or type(error).__name__
    if state == "55P03":
        return RetryError(phrase("Another process is writing to %(name)s; try again in a moment.", name=name))
    if state == "42501":
        return InputError(
            phrase(
                "The user in ADREEL_DATABASE_URL lacks a right in %(name)s: %(reason)s. Make it the owner "
                "of the database, or grant it all rights on the database and on its schema public.",
                name=name,
                reason=reason,
            )
        )
    if state[:2] in ("40", "53", "57", "08") and state != "53100":
        return RetryError(
            phrase("%(name)s could not answer: %(reason)s. Try again in a moment.", name=name, reason=reason)
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state:
        return _unreachable(name, reason)
    return StorageError(phrase("%(name)s failed: %(reason)s.", name=name, reason=reason))


def _unreachable(name: str, reason: str) -> AdreelError:
    """Of a connection that could not be made, or is lost: psycopg gives it no code."""
    if re.search(r'database ".*" does not exist', reason):
        return InputError(
            phrase("%(name)s does not exist. Create it with createdb, or correct ADREEL_DATABASE_URL.", name=name)
        )
    if re.search(r'authentication failed|role ".*"|no password|pg_hba', reason):
        return InputError(
            phrase(
                "%(name)s refused to sign in: %(reason)s. Correct user and password in ADREEL_DATABASE_URL.",
                name=name,
                reason=reason,
            )
        )
    return RetryError(
        phrase(
            "%(name)s cannot be reached: %(reason)s. Check that the server runs and that host and port "
            "in ADREEL_DATABASE_URL are right, then try again.",
            name=name,
            reason=reason,
        )
    )
