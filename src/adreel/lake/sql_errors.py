"""SQL that DuckDB cannot do: its messages in plain words, with their place in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from adreel.errors import InputError
from adreel.language import phrase

LONGEST_EXCERPT = 100
"""Characters of the line around the place that a message repeats."""

_CLASS = re.compile(r"^(?:(?:[A-Z][A-Za-z]+ )+Error|INTERNAL Error): ")
_LINE = re.compile(r"\n+LINE (?P<line>\d+): (?P<text>[^\n]*)\n(?P<space> *)\^\s*$")
"""How DuckDB shows where it failed: the line, shortened with dots at either end, and below it a caret."""

_UNGROUPED = re.compile(r'column "?(?P<name>[^"]+)"? must appear in the GROUP BY clause')
_CONVERTED = re.compile(r"""(?:string|range:|format:) (?:'([^\n]{0,300}?)'|"([^\n]{0,300}?)")(?= to |,|\s|$)""")
"""Values of usual length: a query can make one of megabytes, whose search would need all its memory."""

_FROM_COLUMN = re.compile(r'source column "?(\w+)"?')
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


@dataclass(frozen=True, slots=True)
class SqlPlace:
    """A place in a query: its line and column, from 1 and in characters."""

    line: int
    column: int


class QueryError(InputError):
    """SQL that DuckDB cannot do, or that is not taken; `reason` without the place, which is None if it is not known."""

    def __init__(self, reason: str, place: SqlPlace | None = None, excerpt: str = "") -> None:
        """`excerpt` is the line with a caret below the place."""
        self.reason = reason
        self.place = place
        self.excerpt = excerpt
        if place is None:
            words = phrase("The query failed: %(reason)s", reason=reason)
        else:
            words = phrase(
                "The query failed at line %(line)s, column %(column)s: %(reason)s",
                line=place.line,
                column=place.column,
                reason=reason,
            )
        super().__init__(f"{words}\n{excerpt}" if excerpt else words)


def has_place(duckdb_words: str) -> bool:
    """Whether DuckDB's message shows where it failed."""
    return _LINE.search(duckdb_words) is not None


def one_line_up(duckdb_words: str) -> str:
    """The message about a query to which a line was added in front; for its first line, where that was."""
    shown = _LINE.search(duckdb_words)
    if shown is None:
        return duckdb_words
    number, less = shown["line"], int(shown["line"]) - 1
    indent = shown["space"][len(number) - len(str(less)) :]
    return f"{duckdb_words[: shown.start()]}\n\nLINE {less}: {shown['text']}\n{indent}^"


def query_error(duckdb_words: str, query: str, with_place: str = "") -> QueryError:
    """The error for DuckDB's message about a query; `with_place` is the same message with its place, if it is known."""
    own = _LINE.search(duckdb_words)
    shown = _LINE.search(with_place) or own
    reason = plain_words(duckdb_words[: own.start()] if own else duckdb_words)
    place = (_place_of(shown, query) if shown else None) or _place_by_words(duckdb_words, query)
    return QueryError(reason, place, excerpt_of(query, place) if place else "")


def error_at(reason: str, query: str, byte: int | None) -> QueryError:
    """The error for a place given as a number of bytes of UTF-8, as DuckDB's tree has it."""
    place = None
    if byte is not None and 0 <= byte < len(query.encode()):
        before = query.encode()[:byte].decode(errors="ignore")
        line = before.count("\n") + 1
        place = SqlPlace(line, len(before) - (before.rfind("\n") + 1) + 1)
    return QueryError(reason, place, excerpt_of(query, place) if place else "")


def excerpt_of(query: str, place: SqlPlace) -> str:
    """The line of the place, shortened around it, with a caret below."""
    line = query.split("\n")[place.line - 1].replace("\t", " ").rstrip("\r")
    start = max(0, min(place.column - 1 - LONGEST_EXCERPT // 2, len(line) - LONGEST_EXCERPT))
    part = line[start : start + LONGEST_EXCERPT]
    before, after = "…" if start else "", "…" if start + LONGEST_EXCERPT < len(line) else ""
    space = _width(before + line[start : place.column - 1])
    return f"  {before}{part}{after}\n  {' ' * space}^"


def token_length(query: str, place: SqlPlace) -> int:
    """How many characters the word at the place has, at least one."""
    lines = query.split("\n")
    rest = lines[place.line - 1][place.column - 1 :] if place.line <= len(lines) else ""
    word = re.match(r'\w+|"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|\S', rest)
    return len(word[0]) if word else 1


def _place_of(shown: re.Match[str], query: str) -> SqlPlace | None:
    """The place that DuckDB's caret is below; None if that line is not in the query."""
    lines = query.split("\n")
    number, text = int(shown["line"]), shown["text"]
    if not 1 <= number <= len(lines):
        return None
    line = lines[number - 1]
    columns = len(shown["space"]) - len(f"LINE {number}: ")
    cut = text.startswith("...") and not line.startswith("...")
    part = text[3:] if cut else text
    columns -= 3 if cut else 0
    bare = part.removesuffix("...") if part.endswith("...") and part not in line else part
    start = line.replace("\t", " ").find(bare.replace("\t", " "))
    if start < 0 or columns < 0:
        # DuckDB shows some errors in its own writing of the query.
        return None
    column, width = 0, 0
    while column < len(bare) and width < columns:
        width += _width(bare[column])
        column += 1
    return SqlPlace(number, start + column + 1)


def _place_by_words(duckdb_words: str, query: str) -> SqlPlace | None:
    """The place of what a message without a place names; None unless the query has it once."""
    return _place_after_having(duckdb_words, query) or _place_of_value(duckdb_words, query)


def _place_of_value(duckdb_words: str, query: str) -> SqlPlace | None:
    """The place of a text that cannot be converted: where it is written, else of the column that has it."""
    if not duckdb_words.startswith("Conversion Error"):
        return None
    # An apostrophe within a text is doubled in SQL.
    texts = [(text or other).replace("'", "''") for text, other in _CONVERTED.findall(duckdb_words)]
    columns = _FROM_COLUMN.findall(duckdb_words)
    patterns = [*(re.escape(f"'{text}'") for text in texts), *(rf"(?<!\w){re.escape(name)}(?!\w)" for name in columns)]
    for pattern in patterns:
        places = [match.start() for match in re.finditer(pattern, query, re.IGNORECASE)]
        if len(places) == 1:
            return _place_at(query, places[0])
    return None


def _place_at(query: str, character: int) -> SqlPlace:
    before = query[:character]
    return SqlPlace(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _place_after_having(duckdb_words: str, query: str) -> SqlPlace | None:
    """The place of a column that HAVING must not use, which DuckDB leaves out; None unless it is there once."""
    ungrouped, having = _UNGROUPED.search(duckdb_words), list(re.finditer(r"\bhaving\b", query, re.IGNORECASE))
    if ungrouped is None or len(having) != 1:
        return None
    name = re.compile(rf'(?<![\w"]){re.escape(ungrouped["name"])}(?!\w)', re.IGNORECASE)
    places = [match.start() for match in name.finditer(query, having[0].end())]
    if len(places) != 1:
        return None
    return _place_at(query, places[0])


def _width(text: str) -> int:
    """The columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def plain_words(duckdb_words: str) -> str:
    """DuckDB's message for somebody who does not know DuckDB: what is wrong, and what to write instead."""
    text = _CLASS.sub("", duckdb_words).strip()
    for pattern, words in _PLAIN:
        match = pattern.search(text)
        if match is not None:
            return words(match)
    return text


def _names(text: str) -> str:
    return ", ".join(name.replace('""', '"') for name in _QUOTED.findall(text)) or text.strip()


def _column(match: re.Match[str]) -> str:
    near = _names(match["near"]) if match["near"] else ""
    if near:
        return phrase("column %(name)s does not exist. Near it: %(near)s.", name=match["name"], near=near)
    return phrase("column %(name)s does not exist.", name=match["name"])


def _table(match: re.Match[str]) -> str:
    if match["near"]:
        return phrase("table %(name)s does not exist. Did you mean %(near)s?", name=match["name"], near=match["near"])
    return phrase("table %(name)s does not exist.", name=match["name"])


def _table_not_in_from(match: re.Match[str]) -> str:
    if match["near"]:
        tables = _names(match["near"])
        return phrase("table %(name)s is not in FROM. There is: %(tables)s.", name=match["name"], tables=tables)
    return phrase("table %(name)s is not in FROM.", name=match["name"])


_PLAIN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(
            r'^Referenced column "(?P<name>(?:[^"]|"")*)" (?:was )?not found in FROM clause!'
            r"(?:\s*Candidate bindings: (?P<near>.*))?",
            re.DOTALL,
        ),
        _column,
    ),
    (
        re.compile(
            r'^(?:Table|Values list) "(?P<table>[^"]+)" does not have a column named "(?P<name>[^"]+)"'
            r"(?:\s*Candidate bindings: (?P<near>.*))?",
            re.DOTALL,
        ),
        _column,
    ),
    (
        re.compile(
            r'^Table with name (?P<name>.+?) does not exist!(?:\s*Did you mean "(?P<near>[^"]+)"\??)?', re.DOTALL
        ),
        _table,
    ),
    (
        re.compile(r"^Cannot extract field '(?P<name>[^']+)' from expression \"(?P<table>[^\"]+)\" because"),
        lambda m: phrase("column %(name)s does not exist in %(table)s.", name=m["name"], table=m["table"]),
    ),
    (
        re.compile(r'^Referenced table "(?P<name>[^"]+)" not found!(?:\s*Candidate tables: (?P<near>.*))?', re.DOTALL),
        _table_not_in_from,
    ),
    (
        re.compile(r'^syntax error at or near "(?P<near>.*)"$', re.DOTALL),
        lambda m: phrase('syntax error at "%(near)s".', near=m["near"]),
    ),
    (re.compile(r"^syntax error at end of input"), lambda _: phrase("syntax error: the query ends too early.")),
    (
        _UNGROUPED,
        lambda m: phrase(
            "column %(name)s is neither grouped nor summed. Add it to GROUP BY (or write GROUP BY ALL), or put it "
            "into a function such as sum() or any_value().",
            name=m["name"],
        ),
    ),
    (
        re.compile(r'^Ambiguous reference to column name "(?P<name>[^"]+)"(?: \(use: (?P<near>.*)\))?'),
        lambda m: phrase(
            "column %(name)s is in several tables. Write %(columns)s.",
            name=m["name"],
            columns=_names(m["near"] or "table.column"),
        ),
    ),
    (
        re.compile(r"^No function matches the given name and argument types '(?P<call>[^']+)'"),
        lambda m: phrase(
            "no function takes these types: %(call)s. Convert the values, as in CAST(column AS DOUBLE).", call=m["call"]
        ),
    ),
    (
        re.compile(r"^Cannot compare values of type (?P<one>\S+)(?: \([^)]*\))? and (?:type )?(?P<other>\S+)"),
        lambda m: phrase(
            "%(type)s and %(other_type)s cannot be compared. Convert one of them with CAST.",
            type=_type(m["one"]),
            other_type=_type(m["other"]),
        ),
    ),
    (
        re.compile(r"^Cannot access file |^Scanning \S+ files is disabled"),
        lambda _: phrase("queries read tables, and no files of this machine."),
    ),
    (
        re.compile(r"^aggregate function calls cannot be nested"),
        lambda _: phrase("sums cannot be nested. Compute the inner one in a WITH, then sum its result."),
    ),
    (
        re.compile(r"^(?:WHERE|GROUP BY) clause cannot contain (?:aggregates|aggregate functions)", re.IGNORECASE),
        lambda _: phrase("WHERE cannot use sums of rows. Use HAVING after GROUP BY."),
    ),
    (
        re.compile(r"^[Tt]he given query is not allowed|^Cannot prepare multiple statements"),
        lambda _: phrase("only one statement can be run at a time."),
    ),
)
"""DuckDB's commonest messages, and what is said instead. Any other is shown as DuckDB has it."""


def _type(text: str) -> str:
    return text.removesuffix("_LITERAL").rstrip(",-").lower()
