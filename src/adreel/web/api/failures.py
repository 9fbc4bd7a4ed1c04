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

from adreel.errors import AdreelError, DatasetError, Problem, shortened
from adreel.web.api.shapes import Answer
from adreel.web.deps import SignInNeededError, bearer_of
from adreel.web.status import RETRY_SECONDS, retry_after, status_of


class Fault(Answer):
    """One thing that is wrong with what was asked."""

    menu: str = Field(description="The menu, key or field at fault, as `dates.start`.", examples=["metrics"])
    reason: str = Field(description="Why it cannot be so, as a sentence.", examples=["'spent' is not known here."])
    nearest: str | None = Field(description="Valid choices like the one given, nearest first.", examples=["spend"])


class Failure(Answer):
    """What went wrong, for a program (`kind`) and for a person (`message`)."""

    kind: str = Field(
        description="The kind of error, by what to do next; see the reference page on errors.",
        examples=["DatasetError"],
    )
    message: str = Field(
        description="What happened, where, and what to do next.", examples=["metrics: 'spent' is not known here."]
    )
    problems: list[Fault] = Field(description="Everything that is wrong with what was asked, if that is the matter.")
    tiktok_code: int | None = Field(description="TikTok's return code, where TikTok refused.", examples=[None])
    request_id: str | None = Field(description="TikTok's id of the request, for its support.", examples=[None])


class Failed(Answer):
    """The answer to everything that was refused or went wrong."""

    error: Failure


_MEANINGS: Mapping[int, str] = {
    401: "No token, or one that is over: make one in the Data Center, under your name.",
    403: "You, or this token, may not do that; the message says whom to ask.",
    404: "There is no such thing, or you may not see it.",
    408: "The body did not come in time; send it again, at once.",
    409: "The name is taken, another run or person works on the same, or TikTok does not honour the account's token.",
    411: "Send the request with its length, not in chunks.",
    413: "The body is too large.",
    421: "The server does not answer to this name; set ADREEL_WEB_URL.",
    422: "What was asked cannot be; `problems` names each thing that is wrong.",
    429: "TikTok's limit was met, or too many passwords were wrong; try again after `Retry-After` seconds.",
    500: "A bug of adreel; the server's log says more.",
    502: "TikTok answered what nothing that is known helps against.",
    503: "It passes: TikTok, the database or the queue of queries is busy; try again after `Retry-After` seconds.",
    507: "The disk or the lake cannot take or give data.",
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
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*ALWAYS, *statuses}):
        found[status] = {"model": Failed, "description": _MEANINGS[status]}
        if status in (429, 503):
            seconds = {"type": "string", "pattern": "^[0-9]+$"}
            found[status]["headers"] = {"Retry-After": {"schema": seconds, "description": "Seconds."}}
    return found


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
    )


def failed(status: int, failure: Failure) -> Response:
    """The answer with that status."""
    answer = JSONResponse(Failed(error=failure).model_dump(), status)
    if status in (429, 503):
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def refused(status: int, message: str, problems: Iterable[Problem] = ()) -> Response:
    """The answer to what no error of ours stands for."""
    faults = [fault(problem) for problem in problems]
    kind = KINDS.get(status, "InputError")
    return failed(status, Failure(kind=kind, message=message, problems=faults, tiktok_code=None, request_id=None))


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
        words = "This API token is not known, was revoked, or is over; make another one in the Data Center."
    answer = refused(401, words)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def refused_address(_: Request, error: Exception) -> Response:
    """What the framework refuses by itself: addresses, methods, and bodies that are no JSON."""
    assert isinstance(error, HTTPException)
    words = {404: "There is no such address in this API.", 405: "This address does not know that method."}
    status = 422 if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code
    answer = refused(status, words.get(status, f"{error.detail}."))
    answer.headers.update(error.headers or {})
    return answer


def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = shortened([_problem(one) for one in error.errors()])
    return refused(422, "\n".join(map(str, problems)), problems)


def _problem(found: Mapping[str, Any]) -> Problem:
    """A fault of a parameter or a body; what stood there is not repeated, as it may be a secret."""
    where = ".".join(str(step) for step in found["loc"][1:]) or str(found["loc"][0])
    return Problem(where, str(found["msg"]).removeprefix("Value error, "))


def _broken(_: Request, __: Exception) -> Response:
    return refused(
        500,
        "This is a bug of adreel; the server's log says more. Nothing was changed by the step that failed.",
    )
