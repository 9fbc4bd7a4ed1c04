"""How the simulator refuses."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with a return code other than 0, in TikTok's manner."""

    def __init__(self, code: int, message: str) -> None:
        """`code` is one of TikTok's return codes (doc 1737172488964097)."""
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class NotSimulatedError(Exception):
    """TikTok may well answer this; the simulator does not."""


def bad(message: str) -> ApiError:
    """A parameter error (40002)."""
    return ApiError(40002, message)


def conflict() -> ApiError:
    """Dimensions and metrics that do not go together."""
    return bad("Conflict occurs. The input params including metrics and dimensions have no relation.")


def bad_metrics(names: list[str]) -> ApiError:
    """Metrics that do not exist, or not for this report and level."""
    return bad(
        f"Please correct the information in invalid metric fields and try again. Invalid metric fields: {names!r}. "
    )


def missing(*names: str) -> ApiError:
    """Required parameters that did not come."""
    return bad(f"Missing required field(s): {', '.join(names)}.")
