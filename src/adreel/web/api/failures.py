"""One shape for everything that is refused or goes wrong, whatever was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from adreel.errors import AdreelError, DatasetError, Problem, error_id_of, shortened
from adreel.web.api.shapes import Answer
from adreel.web.deps import SignInNeededError, bearer_of
from adreel.web.status import RETRY_SECONDS, retry_after, status_of, unexpected


class Fault(Answer):
    """One problem of a request."""

    menu: str = Field(description="The invalid menu, key or field, such as `dates.start`.", examples=["metrics"])
    reason: str = Field(description="The reason, as a sentence.", examples=["'spent' is not available."])
    nearest: str | None = Field(description="Similar valid values, nearest first.", examples=["spend"])


class Failure(Answer):
    """What went wrong, for a program (`kind`) and for a person (`message`)."""

    kind: str = Field(
        description="The kind of error, by what to do next; see the reference page on errors.",
        examples=["DatasetError"],
    )
    message: str = Field(
        description="What happened, where, and what to do next.", examples=["metrics: 'spent' is not available."]
    )
    problems: list[Fault] = Field(description="All problems of the request, for a 422.")
    tiktok_code: int | None = Field(description="TikTok's return code, where TikTok refused.", examples=[None])
    request_id: str | None = Field(description="TikTok's request ID, for TikTok support.", examples=[None])
    error_id: str | None = Field(
        description="The ID of an unexpected error, also in the output of `adreel serve`.", examples=[None]
    )


class Failed(Answer):
    """The answer to everything that was refused or went wrong."""

    error: Failure


_MEANINGS: Mapping[int, str] = {
    401: "The token is missing, expired or revoked. Create one in your profile in the Data Center.",
    403: "You or this token have no permission; the message names who does.",
    404: "It does not exist, or you have no permission to see it.",
    408: "The body was not received in time. Send it again.",
    409: "The name exists, another run or user changes the same object, or TikTok refuses the account's token.",
    411: "Content-Length is required; chunked bodies are not supported.",
    413: "The body is too large.",
    421: "The host name is unknown; set ADREEL_WEB_URL.",
    422: "The request is invalid; `problems` lists the reasons.",
    429: "TikTok's rate limit was reached, or too many passwords were wrong. Retry after `Retry-After` seconds.",
    500: "Unexpected error; the output of `adreel serve` has the traceback with the `error_id`.",
    502: "TikTok returned an error that cannot be resolved here.",
    503: "TikTok, the database or the query queue is busy. Retry after `Retry-After` seconds.",
    507: "The disk or the lake cannot be read or written.",
}

KINDS: Mapping[int, str] = {
    401: "SignInNeededError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "MethodError",
    500: "BugError",
}
"""The kinds of what no error of ours stands for; all others are InputErrors."""

ALWAYS = (401, 408, 411, 413, 421, 422, 500, 503, 507)
"""What every request may meet."""


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer besides what was asked for, as OpenAPI has it."""
    answers: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*ALWAYS, *statuses}):
        answers[status] = {"model": Failed, "description": _MEANINGS[status]}
        if status in (429, 503):
            seconds = {"type": "string", "pattern": "^[0-9]+$"}
            answers[status]["headers"] = {"Retry-After": {"schema": seconds, "description": "Seconds."}}
    return answers


def fault(problem: Problem) -> Fault:
    """One thing that is wrong, as the API says it."""
    reason = problem.reason if problem.reason.endswith(".") else f"{problem.reason}."
    return Fault(menu=problem.menu, reason=reason, nearest=problem.nearest)


def failure_of(error: AdreelError) -> Failure:
    """An error as the API says it."""
    return Failure(
        kind=type(error).__name__,
        message=error.message,
        problems=[fault(problem) for problem in error.problems] if isinstance(error, DatasetError) else [],
        tiktok_code=error.code,
        request_id=error.request_id,
        error_id=None,
    )


def failed(status: int, failure: Failure) -> Response:
    """The answer with that status."""
    answer = JSONResponse(Failed(error=failure).model_dump(), status)
    if status in (429, 503):
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def refused(status: int, message: str, problems: Iterable[Problem] = (), error_id: str | None = None) -> Response:
    """The answer to what no error of ours stands for."""
    faults = [fault(problem) for problem in problems]
    kind = KINDS.get(status, "InputError")
    failure = Failure(kind=kind, message=message, problems=faults, tiktok_code=None, request_id=None, error_id=error_id)
    return failed(status, failure)


def add_handlers(api: FastAPI) -> None:
    """Turns every exception into that answer."""
    api.add_exception_handler(AdreelError, _refused)
    api.add_exception_handler(SignInNeededError, _stranger)
    api.add_exception_handler(HTTPException, refused_address)
    api.add_exception_handler(RequestValidationError, _malformed)
    api.add_exception_handler(Exception, _broken)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, AdreelError)
    answer = failed(status_of(error), failure_of(error))
    answer.headers.update(retry_after(error))
    return answer


def _stranger(request: Request, _: Exception) -> Response:
    if bearer_of(request.headers.get("authorization")) is None:
        words = "Sign in, or send an API token: Authorization: Bearer adreel_…"
    else:
        words = "This API token is unknown, revoked or expired. Create another one in the Data Center."
    answer = refused(401, words)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def refused_address(_: Request, error: Exception) -> Response:
    """What the framework refuses by itself: addresses, methods, and bodies that are no JSON."""
    assert isinstance(error, HTTPException)
    words = {404: "This address does not exist in the API.", 405: "This address does not support the method."}
    status = 422 if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code
    answer = refused(status, words.get(status, f"{error.detail}."))
    answer.headers.update(error.headers or {})
    return answer


def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = shortened([_problem(detail) for detail in error.errors()])
    return refused(422, "\n".join(map(str, problems)), problems)


def _problem(detail: Mapping[str, Any]) -> Problem:
    """A fault of a parameter or a body; what stood there is not repeated, as it may be a secret."""
    where = ".".join(str(step) for step in detail["loc"][1:]) or str(detail["loc"][0])
    return Problem(where, str(detail["msg"]).removeprefix("Value error, "))


def _broken(_: Request, error: Exception) -> Response:
    return refused(500, unexpected(error), error_id=error_id_of(error))
