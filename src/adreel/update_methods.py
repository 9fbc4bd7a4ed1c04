"""How a run changes its dataset's table."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """How a run changes the table."""

    REPLACE = "replace"
    APPEND = "append"
    UPSERT = "upsert"
    PARTITION = "partition"
