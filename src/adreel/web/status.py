"""The HTTP status of each error, for pages and the API alike.

It is kept here in one table, and not in the classes, since `adreel.errors` knows nothing of HTTP.
"""

from __future__ import annotations

from http import HTTPStatus

from adreel import errors
from adreel.errors import AdreelError, error_id_of
from adreel.language import phrase

STATUS: tuple[tuple[type[AdreelError], HTTPStatus], ...] = (
    (errors.NotFoundError, HTTPStatus.NOT_FOUND),
    (errors.ForbiddenError, HTTPStatus.FORBIDDEN),
    (errors.BusyError, HTTPStatus.CONFLICT),
    (errors.ExistsError, HTTPStatus.CONFLICT),
    (errors.ConfirmError, HTTPStatus.CONFLICT),
    (errors.InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.ReconnectError, HTTPStatus.CONFLICT),
    (errors.AdvertiserError, HTTPStatus.CONFLICT),
    (errors.CancelledError, HTTPStatus.CONFLICT),
    (errors.ThrottledError, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.GuessingError, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.RetryError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.StorageError, HTTPStatus.INSUFFICIENT_STORAGE),
)
"""The first class that an error is an instance of decides its status."""

RETRY_SECONDS = 60
"""How long a client waits before it tries again, where the error does not say."""


def retry_after(error: AdreelError) -> dict[str, str]:
    """The `Retry-After` header of a temporary error; empty for any other."""
    if isinstance(error, errors.GuessingError):
        return {"Retry-After": str(error.seconds)}
    return {"Retry-After": str(RETRY_SECONDS)} if isinstance(error, errors.RetryError) else {}


def unexpected(error: Exception) -> str:
    """What a person reads of an unexpected error: its ID, where its traceback is, and what to send to whom."""
    return phrase(
        "Unexpected error %(error_id)s. Send this error ID to an administrator. The output of adreel "
        "serve has the traceback with the ID; administrators send it to the developers of adreel.",
        error_id=error_id_of(error),
    )


def status_of(error: AdreelError) -> HTTPStatus:
    """The status of an error; one that is not in `STATUS` comes from TikTok (502)."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), HTTPStatus.BAD_GATEWAY)
