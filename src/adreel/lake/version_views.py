"""Earlier versions of tables in SQL: "ad_spend@3" is version 3 of the table ad_spend."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from adreel.errors import InputError
from adreel.language import phrase

_QUOTED = re.compile(r'"(?P<table>[^"@]+)@(?P<version>\d{1,9})"')
_BARE = re.compile(r"(?:\bFROM|\bJOIN|,)\s+(?P<table>\w+)@(?P<version>\d{1,9})\b", re.IGNORECASE)


def version_views(sql: str, tables: Collection[str]) -> Iterator[tuple[str, str, int]]:
    """The versions of these tables that a query names: the name there, the table and the version.

    Raises InputError for one without quotation marks, which SQL does not take.
    """
    names = {table.casefold(): table for table in tables}
    for match in _BARE.finditer(sql):
        if match["table"].casefold() in names:
            named = f"{match['table']}@{match['version']}"
            raise InputError(
                phrase('Write "%(name)s" with its quotation marks: SQL takes @ in a name only so.', name=named)
            )
    named_versions = {(match["table"].casefold(), int(match["version"])) for match in _QUOTED.finditer(sql)}
    for table, version in sorted(named_versions):
        if table in names:
            yield f"{names[table]}@{version}", names[table], version
