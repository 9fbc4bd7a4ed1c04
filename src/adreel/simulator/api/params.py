"""A request's parameters, read as strictly as TikTok reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime

import orjson

from adreel.simulator.api.errors import ApiError, bad, missing


class Params:
    """Parameters out of a query string (texts; lists and objects as JSON) or a JSON body (values as they are)."""

    def __init__(self, query: Mapping[str, str], body: Mapping[str, object]) -> None:
        """A parameter in the query comes before one in the body."""
        self._query, self._body = query, body

    def shown(self) -> dict[str, object]:
        """All parameters, for the request log, with secrets masked."""
        hidden = {"secret", "auth_code", "code", "access_token", "client_secret"}
        return {name: "***" if name in hidden else value for name, value in {**self._body, **self._query}.items()}

    def key(self) -> str:
        """A cache key: equal for equal parameters."""
        return orjson.dumps({**self._body, **self._query}, option=orjson.OPT_SORT_KEYS).decode()

    def capped(self, rows: int) -> Params:
        """The same, with pages of so many rows at most, as the default of 10 where none is asked for."""
        return Params({**self._query, "page_size": str(min(rows, self.number("page_size", 10, 1, 1000)))}, self._body)

    def replaced(self, name: str, value: object) -> Params:
        """The same with another value of a parameter."""
        return Params({**self._query, name: orjson.dumps(value).decode()}, self._body)

    def has(self, name: str) -> bool:
        """Whether the parameter has a value."""
        return self._query.get(name, "") != "" or self._body.get(name) not in (None, "")

    def require(self, *names: str) -> None:
        """Raises ApiError 40002 if any of the parameters is missing."""
        absent = [name for name in names if not self.has(name)]
        if absent:
            raise missing(*absent)

    def _raw(self, name: str) -> object:
        if self._query.get(name, "") != "":
            return self._query[name]
        return self._body.get(name)

    def text(self, name: str, default: str = "") -> str:
        """A text. Raises ApiError 40002 if a JSON body has another type."""
        value = self._raw(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise bad(f"{name}: Not a valid string.")
        return value or default

    def word(self, name: str, among: tuple[str, ...], default: str) -> str:
        """One of the values of an enumeration."""
        value = self.text(name, default)
        if value not in among:
            raise bad(f"{name}: The value '{value}' is not one of the enum values {list(among)}.")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """`true` or `false`."""
        value = self._raw(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in ("true", "false", "True", "False"):
            return str(value).lower() == "true"
        raise bad(f"{name}: Not a valid boolean.")

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._raw(name)
        if value is None:
            return default
        try:
            number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None:
            raise bad(f"{name}: Not a valid integer.")
        if not low <= number <= high:
            raise bad(f"{name}: The value {number} must be between {low} and {high}.")
        return number

    def json(self, name: str) -> object:
        """A list or an object; None if absent."""
        value = self._raw(name)
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise bad(f"{name}: Invalid JSON.") from None

    def strings(self, name: str) -> tuple[str, ...] | None:
        """A JSON list of strings; None if absent."""
        return strings_of(name, self.json(name))

    def day(self, name: str) -> date:
        """A date as YYYY-MM-DD."""
        return read_day(name, self.text(name))


def strings_of(name: str, value: object) -> tuple[str, ...] | None:
    """A list of strings, or None. Raises ApiError 40002 for anything else."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise bad(f"{name}: Not a valid list.")
    for place, item in enumerate(value):
        if not isinstance(item, str):
            raise bad(f"{name}.{place}: Not a valid string.")
    return tuple(value)


def read_day(name: str, text: str) -> date:
    """A date as YYYY-MM-DD, and nothing else."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise bad(f"{name}: Time format should be %Y-%m-%d. Please try again.") from None


def read_time(name: str, text: str) -> int:
    """Seconds since 1970 of a time in UTC written as YYYY-MM-DD HH:MM:SS."""
    try:
        return int(datetime.strptime(text + " +0000", "%Y-%m-%d %H:%M:%S %z").timestamp())
    except ValueError:
        raise bad(f"{name}: Time format should be %Y-%m-%d %H:%M:%S. Please try again.") from None


def read_body(content: bytes) -> dict[str, object]:
    """The JSON object in a request's body, empty without a body. Raises ApiError 40002."""
    if not content.strip():
        return {}
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise ApiError(40002, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise ApiError(40002, "The request body is not a JSON object.")
    return body
