"""What a destination says about a table of adreel's, and what that rules out: one rule for all kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adreel.destinations.session import Place
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.language import Phrase, phrase


@dataclass(frozen=True, slots=True)
class TableMark:
    """What a destination says of one of its tables; `columns` are types by name, those of earlier versions too."""

    publisher: str
    version: int
    run_id: str
    columns: Mapping[str, str]


def refuse_changed(mark: TableMark, publisher: str, place: Place, types: Mapping[str, str]) -> None:
    """Raises InputError for a table of another publisher, and for columns that changed their type."""
    if mark.publisher != publisher:
        raise InputError(phrase(_OTHER, table=str(place)))
    retyped = [
        phrase("%(column)s was %(before)s and is %(after)s", column=name, before=mark.columns[name], after=kind)
        for name, kind in types.items()
        if mark.columns.get(name, kind) != kind
    ]
    if retyped:
        raise InputError(phrase(_RETYPED, table=str(place), columns="; ".join(retyped)))


def foreign(place: Place) -> InputError:
    """The error for a table that is there without a mark."""
    return InputError(phrase(_FOREIGN, table=str(place)))


def is_in_lake(lake: Lake, slug: str, mark: TableMark) -> bool:
    """Whether the lake still has the version there: of the same run, as numbers begin anew in a new table."""
    version = lake.version(slug, mark.version) if mark.version >= 0 else None
    return version is not None and version.run_id == mark.run_id


_FOREIGN = Phrase(
    "There is a table %(table)s at the destination that adreel did not make. Publish to another table, or delete that "
    "one."
)
_OTHER = Phrase(
    "Another dataset or another adreel publishes to the table %(table)s. Publish to another table, or take it over by "
    "loading it anew: everything in it is replaced."
)
_RETYPED = Phrase(
    "Columns of the table %(table)s changed their type (%(columns)s), which would break what people built on it. Load "
    "it anew to drop it and make it with the new types."
)
