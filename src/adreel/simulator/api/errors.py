"""The errors that the simulator answers with."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with a return code other than 0, sent as TikTok sends it."""

    def __init__(self, code: int, message: str) -> None:
        """`code` is one of TikTok's return codes (doc 1737172488964097)."""
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class NotSimulatedError(Exception):
    """A request that TikTok may answer and the simulator does not; sent as HTTP 501."""


def bad(message: str) -> ApiError:
    """A parameter error (40002)."""
    return ApiError(40002, message)


def conflict() -> ApiError:
    """The refusal (40002) of dimensions and metrics that cannot be combined."""
    return bad("Conflict occurs. The input params including metrics and dimensions have no relation.")


def bad_metrics(names: list[str]) -> ApiError:
    """The refusal (40002) of metrics that do not exist or are not available for the report and level."""
    return bad(
        f"Please correct the information in invalid metric fields and try again. Invalid metric fields: {names!r}. "
    )


def missing(*names: str) -> ApiError:
    """The refusal (40002) of a request without required parameters."""
    return bad(f"Missing required field(s): {', '.join(names)}.")
