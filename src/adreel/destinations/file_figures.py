"""The figures of a version from those of its files, which a destination has of earlier publishes.

A file of the lake never changes, so that its figures are read from its rows once: those of a new version are the sum
of those of its files, most of which earlier versions have too. `_adreel_files` at the destination has them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

from adreel.destinations.figures import SqlWords, TableFigures, combined, figures_text, part_figures, read_figures
from adreel.destinations.session import DestinationSession, Place
from adreel.lake import Lake
from adreel.lake.engine import literal, sql

FILES = "_adreel_files"

_COLUMNS = "(table_name VARCHAR, file VARCHAR, basis VARCHAR, figures VARCHAR)"
_VIEW, _FILE = "published", "file of the row"


def prepare_files(session: DestinationSession, schema: str) -> None:
    """Creates the table unless it is there."""
    session.run(sql("CREATE TABLE IF NOT EXISTS", Place(schema, FILES).sql, _COLUMNS))


class FileFigures:
    """The figures of the files of one version. `basis` says of what columns they are and how texts are measured."""

    def __init__(self, lake: Lake, slug: str, version: int, day_column: str | None, words: SqlWords) -> None:
        self._lake = lake
        self._slug = slug
        self._version = version
        self._day_column = day_column
        self._words = words
        table = lake.table(slug, version)
        self._schema: Any = table.schema
        self._paths = frozenset(file.path for file in table.files)
        about = [f"{field.name} {field.type}" for field in self._schema]
        self.basis = sha256("\n".join([str(day_column), str(words), *about]).encode()).hexdigest()

    def recorded(self, session: DestinationSession, place: Place) -> Mapping[str, TableFigures]:
        """Those that the destination has."""
        query = sql("SELECT file, figures FROM", Place(place.schema, FILES).sql, "WHERE table_name =")
        rows = session.rows(query + f" {literal(place.table)} AND basis = {literal(self.basis)}")
        return {path: read_figures(text, self._schema) for path, text in rows if path in self._paths}

    def read(self, recorded: Mapping[str, TableFigures]) -> Mapping[str, TableFigures]:
        """Those of all files, of which only the others are read. Errors of the lake."""
        missing = self._paths - recorded.keys()
        if not missing:
            return dict(recorded)
        with self._lake.file_query(self._slug, self._version, missing, _VIEW, _FILE) as rows:
            new = part_figures(rows, _VIEW, self._schema, self._day_column, self._words, _FILE)
        return {**recorded, **new}

    def whole(self, files: Mapping[str, TableFigures]) -> TableFigures:
        """The figures of the version."""
        return combined(files.values(), self._schema, self._words)

    def write(
        self, session: DestinationSession, place: Place, files: Mapping[str, TableFigures], recorded: Collection[str]
    ) -> None:
        """Replaces those that the destination has, but for the `recorded` ones, which came from there."""
        table, name = Place(place.schema, FILES).sql, literal(place.table)
        stay = ", ".join(map(literal, sorted(recorded))) or "''"
        outdated = f"(basis <> {literal(self.basis)} OR file NOT IN ({stay}))"
        session.run(sql("DELETE FROM", table, "WHERE table_name =", name, "AND", outdated))
        for path in sorted(files.keys() - set(recorded)):
            values = (name, literal(path), literal(self.basis), literal(figures_text(files[path])))
            session.run(sql("INSERT INTO", table, "VALUES (", ", ".join(values), ")"))
