"""How a run changes its dataset's table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from adreel.language import Phrase


class Method(StrEnum):
    """How a run changes the table."""

    REPLACE = "replace"
    APPEND = "append"
    UPSERT = "upsert"
    PARTITION = "partition"


TITLES: Mapping[Method, str] = MappingProxyType(
    {
        Method.REPLACE: Phrase("Replace"),
        Method.APPEND: Phrase("Append"),
        Method.UPSERT: Phrase("Upsert"),
        Method.PARTITION: Phrase("Replace partitions"),
    }
)
"""What pages call each."""


def method_title(name: str) -> str:
    """What pages call an update method, or another way by which a version came about, such as a restore."""
    return TITLES[Method(name)] if name in set(Method) else name[:1].upper() + name[1:]
