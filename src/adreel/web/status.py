"""What the web says to an error: its status, for pages and the API alike."""

from __future__ import annotations

from http import HTTPStatus

from adreel import errors
from adreel.errors import AdreelError

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
"""The status of each kind of error; the first that fits."""


RETRY_SECONDS = 60
"""How long a client that met TikTok's limit, or a busy server, had better wait."""


def retry_after(error: AdreelError) -> dict[str, str]:
    """The header that says when to try again, for an error that passes."""
    if isinstance(error, errors.GuessingError):
        return {"Retry-After": str(error.seconds)}
    return {"Retry-After": str(RETRY_SECONDS)} if isinstance(error, errors.RetryError) else {}


def status_of(error: AdreelError) -> HTTPStatus:
    """The status for an error; what is not in the table is TikTok's doing (502)."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), HTTPStatus.BAD_GATEWAY)
