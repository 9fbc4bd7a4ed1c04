"""Codes and tokens: digests of the seed and of what was granted, so that they stay valid after a restart."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256

from adreel.simulator.api.errors import ApiError
from adreel.simulator.world.config import WorldConfig

_CODE_SECONDS = 3600
_TOKEN_DIGITS, _CODE_DIGITS = 40, 32


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person granted: advertisers, by their number in the world; `serial` is the number of the consent."""

    advertisers: frozenset[int]
    serial: int


def _mask(advertisers: Iterable[int]) -> int:
    return sum(1 << index for index in set(advertisers))


def _indexes(mask: int) -> frozenset[int]:
    return frozenset(index for index in range(mask.bit_length()) if mask >> index & 1)


def _digest(config: WorldConfig, kind: str, content: str, digits: int) -> str:
    key = f"{config.secret}/{config.app_id}/{config.seed}".encode()
    return hmac.new(key, f"{kind}/{content}".encode(), sha256).hexdigest()[:digits]


def access_token(config: WorldConfig, advertisers: Collection[int] | None = None, serial: int = 0) -> str:
    """A token that reads the advertisers with these numbers (None: all of the world's), without any consent."""
    content = f"{serial:04x}{_mask(range(config.advertisers) if advertisers is None else advertisers):x}"
    return _digest(config, "token", content, _TOKEN_DIGITS) + content


def auth_code(config: WorldConfig, advertisers: Collection[int], serial: int, now: float) -> str:
    """The code of a consent given at `now` (seconds since 1970)."""
    content = f"{int(now):09x}{serial:04x}{_mask(advertisers):x}"
    return _digest(config, "code", content, _CODE_DIGITS) + content


def read_token(config: WorldConfig, token: str) -> Grant | None:
    """What a token allows; None if it is not one of this world's."""
    content = token[_TOKEN_DIGITS:]
    if len(content) < 5 or not _matches(config, "token", token, _TOKEN_DIGITS):
        return None
    return Grant(_indexes(int(content[4:], 16)), int(content[:4], 16))


def read_code(config: WorldConfig, code: str, now: float) -> Grant:
    """What a code allows; raises ApiError 40110 if it is wrong or too old."""
    content = code[_CODE_DIGITS:]
    if len(content) < 14 or not _matches(config, "code", code, _CODE_DIGITS):
        raise bad_code()
    if not -60 <= now - int(content[:9], 16) < _CODE_SECONDS:
        raise bad_code()
    return Grant(_indexes(int(content[13:], 16)), int(content[9:13], 16))


def _matches(config: WorldConfig, kind: str, text: str, digits: int) -> bool:
    if not text.isascii():
        return False
    return hmac.compare_digest(text[:digits], _digest(config, kind, text[digits:], digits))


def bad_code() -> ApiError:
    """A code that is wrong, used or expired."""
    return ApiError(40110, "The auth_code is canceled. Please re-authorize and try again with a new auth_code.")
