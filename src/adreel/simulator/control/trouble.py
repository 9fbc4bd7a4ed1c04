"""Trouble that a test orders through the side door: what goes wrong with the next requests."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import orjson

Kind = Literal[
    "code",
    "http",
    "html",
    "hang",
    "cut",
    "garbage",
    "drop",
    "repeat",
    "total",
    "uncounted",
    "value",
    "data",
    "mark",
    "cap",
    "truncate",
]
KINDS: tuple[str, ...] = get_args(Kind)

PAGE_KINDS = frozenset({"drop", "repeat", "total", "uncounted", "value"})
"""What happens to a page of rows, and to no other answer."""

FILE_KINDS = frozenset({"drop", "repeat", "value", "data", "truncate"})
"""What happens to the file of a task."""

_PLACE = "~ the value of a trouble ~"


@dataclass(slots=True)
class Trouble:
    """What happens to requests whose path contains `path` and whose parameters hold `where`.

    The first `skip` of them pass; then it happens `times` times (0: always). `code` and `message` are the answer's,
    `status` the HTTP status, `seconds` how long it hangs, `rows` how many rows are dropped, repeated or given another
    value, or to how many rows a page is capped, `change` what is added to total_number. `value` is JSON as it is
    written, right or not: the data of the answer, or what stands in `field` (`metrics.spend`, `budget`) of the rows;
    nothing takes the field away. A file of a task loses, repeats or changes rows as a page does, and is truncated by
    `change` characters, as if it were complete. An answer with a mark begins with the byte order mark of UTF-8.
    """

    kind: Kind
    path: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    skip: int = 0
    code: int = 50000
    message: str = "System error"
    status: int = 502
    seconds: float = 0.0
    rows: int = 1
    change: int = 1
    field: str = ""
    value: str = ""
    happened: int = 0

    def strikes(self, path: str, params: Mapping[str, object]) -> bool:
        """Whether it happens to this request; counts."""
        if self.path not in path or any(str(params.get(name)) != value for name, value in self.where.items()):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times and self.happened >= self.times:
            return False
        self.happened += 1
        return True

    @property
    def over(self) -> bool:
        """Whether it will not happen again."""
        return bool(self.times) and self.happened >= self.times


def read_trouble(body: Mapping[str, object]) -> Trouble:
    """A trouble as the side door gets it; raises ValueError with what is wrong with it."""
    kind = body.get("kind")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; known are {', '.join(KINDS)}.")
    types: Mapping[str, type | tuple[type, ...]] = {
        "path": str,
        "times": int,
        "skip": int,
        "code": int,
        "message": str,
        "status": int,
        "seconds": (int, float),
        "rows": int,
        "change": int,
        "field": str,
        "value": str,
    }
    values: dict[str, object] = {}
    for name, value in body.items():
        if name in {"kind", "where"}:
            continue
        if name not in types or not isinstance(value, types[name]):
            raise ValueError(f"{name}={value!r} is not a part of a trouble.")
        values[name] = value
    where = body.get("where", {})
    if not isinstance(where, dict):
        raise ValueError("where is not an object of parameters.")
    if kind == "value" and not values.get("field"):
        raise ValueError("A value needs the field that gets it, as in metrics.spend.")
    if kind == "data" and not values.get("value"):
        raise ValueError("Data need a value, as in null.")
    texts = {str(name): str(value) for name, value in where.items()}
    return Trouble(kind=cast(Kind, kind), where=texts, **values)  # type: ignore[arg-type] # checked one by one above


_LISTS = ("list", "advertiser_account_list", "transaction_list", "cost_list", "pixels", "identity_list")
"""What TikTok calls the rows of a page."""


def spoil(data: bytes, trouble: Trouble) -> bytes:
    """A page with rows dropped, repeated or of another value, with another total_number, or without a count."""
    page = orjson.loads(data)
    name = next((name for name in _LISTS if name in page), "list")
    rows, info = page.get(name), page.get("page_info")
    if not isinstance(rows, list) or (trouble.kind != "value" and not isinstance(info, dict)):
        return data
    if trouble.kind == "drop":
        page[name] = rows[: max(0, len(rows) - trouble.rows)]
    elif trouble.kind == "repeat":
        keep = max(0, len(rows) - trouble.rows)
        page[name] = rows[:keep] + rows[: len(rows) - keep]
    elif trouble.kind == "uncounted":
        del page["page_info"]
    elif trouble.kind == "value":
        for row in rows[: trouble.rows]:
            _set_field(row, trouble)
    else:
        info["total_number"] += trouble.change
        info["total_page"] = -(-info["total_number"] // info["page_size"])
    return orjson.dumps(page).replace(orjson.dumps(_PLACE), trouble.value.encode())


def spoil_file(content: bytes, trouble: Trouble) -> bytes:
    """The file of a task with rows lost, repeated or changed, another text in its place, or without its end."""
    if trouble.kind == "truncate":
        return content[: max(0, len(content) - trouble.change)]
    if trouble.kind == "data":
        return trouble.value.encode()
    heading, *rows = csv.reader(io.StringIO(content.decode()))
    if trouble.kind == "drop":
        rows = rows[: max(0, len(rows) - trouble.rows)]
    elif trouble.kind == "repeat":
        rows += rows[: trouble.rows]
    elif trouble.kind == "value" and trouble.field in heading:
        for row in rows[-trouble.rows :]:
            row[heading.index(trouble.field)] = trouble.value
    file = io.StringIO()
    csv.writer(file).writerows([heading, *rows])
    return file.getvalue().encode()


def _set_field(row: dict[str, Any], trouble: Trouble) -> None:
    """Another value in a field of a row that has it, or no such field."""
    *parts, name = trouble.field.split(".")
    for part in parts:
        row = row[part] if isinstance(row.get(part), dict) else {}
    if name not in row:
        return
    if trouble.value:
        row[name] = _PLACE
    else:
        del row[name]
