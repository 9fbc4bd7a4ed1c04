"""What a child is asked: a query, the tables that it may read, and the form of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Literal

from adreel.lake import Snapshot
from adreel.language import in_language
from adreel.sandbox.limits import QueryLimits

ORDER = Struct("!d")
"""What is asked of the launcher: the seconds that the child may live. The child's two sockets come with it."""

AnswerForm = Literal["arrow", "cells", "items", "csv", "json", "parquet", "xlsx"]
"""An Arrow stream of the first rows; texts for a page; objects for the API; or a file with all rows.
"""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """One query over a lake's tables as they were. `most_rows` is for the first three forms.

    `separators` are those of thousands and decimals in texts for a page. `environ` is what the lake's object store
    needs to know; a folder needs nothing. It is sent over a socket, so no other process sees it.
    """

    sql: str
    snapshot: Snapshot
    limits: QueryLimits
    form: AnswerForm
    most_rows: int = 1_000
    read_only: bool = True
    for_spreadsheet: bool = False
    separators: str = field(default_factory=lambda: in_language(",."))
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
