"""YAML that people write: read within limits, with the line of each key and every fault in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from adreel.errors import DatasetError, Problem
from adreel.language import Phrase, integer, phrase

MOST_BYTES = 500_000
MOST_DATASETS = 200
MOST_VALUES = 20_000
DEEPEST = 50
"""Of a file: its bytes in UTF-8, its datasets, its keys and values with what aliases stand for, and levels of nesting.
"""


class _LimitError(Exception):
    """More of something than a file of datasets may have; the message says what."""


class _Loader(yaml.SafeLoader):
    """YAML without guesses: every scalar but null and booleans stays the text that the person wrote (ids, dates)."""

    _values = _datasets = _depth = 0

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:  # noqa: N803 - the overridden name
        """A bracket that opens: each within others makes reading on slower, before there is an event of it."""
        if self.flow_level > DEEPEST:
            raise _LimitError(phrase(_NESTED, levels=DEEPEST))
        super().fetch_flow_collection_start(TokenClass)

    def get_event(self) -> yaml.Event:
        """The next thing in the file, if it may have so many."""
        event: yaml.Event = super().get_event()  # type: ignore[no-untyped-call] # PyYAML's own types lack it
        self._values += isinstance(event, yaml.NodeEvent)
        self._datasets += isinstance(event, yaml.DocumentStartEvent)
        self._depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if self._depth > DEEPEST:
            raise _LimitError(phrase(_NESTED, levels=DEEPEST))
        _refuse_more(_VALUES, self._values, MOST_VALUES)
        _refuse_more(_DATASETS, self._datasets, MOST_DATASETS)
        return event

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """The text; JSON writes a character such as an emoji as two escapes, which are put together."""
        value = super().construct_scalar(node)
        return value.encode("utf-16", "surrogatepass").decode("utf-16") if isinstance(value, str) else value

    def construct_yaml_bool(self, node: yaml.ScalarNode) -> bool:
        """The switch; refuses a word that somebody called one by `!!bool`."""
        word = self.construct_scalar(node)
        if word.lower() not in self.bool_values:
            reason = phrase("%(word)s is neither true nor false", word=repr(word[:50]))
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark)
        return self.bool_values[word.lower()]


# A tag such as !!float, !!set or !!binary would make what a dataset cannot hold: it is refused as any other tag.
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.endswith((":null", ":str", ":seq", ":map"))
}
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_yaml_bool)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag.endswith((":null", ":merge"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# Only true and false are switches: "No", "on" and "yes" are names, countries or words of the person.
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false|True|False"), list("tTfF"))


def documents(text: str) -> list[tuple[yaml.Node, Any]]:
    """The documents of a file, or the items of a list, each with its values; DatasetError if it is not YAML.

    Raises DatasetError also for a file beyond the limits above, before the rest of it is read.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    loader = None
    try:
        _refuse_more(_BYTES, size, MOST_BYTES)
        loader = _Loader(text)
        nodes: list[yaml.Node] = []
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            _refuse_growth(node)
            nodes += node.value if isinstance(node, yaml.SequenceNode) else [node]
            _refuse_more(_DATASETS, len(nodes), MOST_DATASETS)
        return [(node, loader.construct_document(node)) for node in nodes]
    except RecursionError:
        raise unreadable(phrase(_NESTED, levels=DEEPEST)) from None
    except _LimitError as error:
        raise unreadable(str(error)) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise unreadable(_syntax_fault(error, text)) from error
    finally:
        if loader is not None:
            loader.dispose()


_NESTED = Phrase("the file is nested more than %(levels)s levels deep; a dataset file needs fewer")
_VALUES = Phrase("the file has more than %(limit)s values; split it into several")
_DATASETS = Phrase("the file has more than %(limit)s datasets; split it into several")
_BYTES = Phrase("the file has more than %(limit)s bytes; split it into several")


def _refuse_more(reason: Phrase, number: int, most: int) -> None:
    if number > most:
        raise _LimitError(phrase(reason, limit=integer(most)))


def unreadable(reason: str) -> DatasetError:
    """The error for a file that cannot be read."""
    return DatasetError((Problem("file", reason),))


def _refuse_growth(node: yaml.Node) -> None:
    """Refuses a few lines of references that stand for millions of values, or for themselves."""
    sizes: dict[int, int] = {}

    def size(part_node: yaml.Node) -> int:
        if isinstance(part_node, yaml.ScalarNode):
            return 1
        if id(part_node) not in sizes:
            # While its parts are counted, a node that comes again is a part of itself.
            sizes[id(part_node)] = MOST_VALUES + 1
            parts = (
                part_node.value
                if isinstance(part_node, yaml.SequenceNode)
                else [part for pair in part_node.value for part in pair]
            )
            sizes[id(part_node)] = 1 + sum(map(size, parts))
        return sizes[id(part_node)]

    if size(node) > MOST_VALUES:
        raise _LimitError(
            phrase("the references in the file expand to more than %(values)s values", values=integer(MOST_VALUES))
        )


def _syntax_fault(error: Exception, text: str) -> str:
    """What is wrong with a text that is not YAML, with line and column where the parser names them."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        place = _place(before.count("\n"), len(before) - before.rfind("\n") - 1)
        return phrase(
            "not valid YAML (%(place)s): the character U+%(code)s is not allowed; remove it",
            place=place,
            code=format(ord(text[error.position]), "04X"),
        )
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return phrase("not valid YAML: a character is half of another; save the file as UTF-8 again")
    problem = error.problem or ""
    mark = error.problem_mark
    if error.context_mark is not None and _BEGINS_EARLIER.search(problem):
        mark = error.context_mark
    quoted = re.search(r"'([^']*)'(?!.*')", problem)
    reason = next((reason for pattern, reason in _SYNTAX if re.search(pattern, problem)), None)
    words = problem if reason is None else phrase(reason, quoted=quoted[1] if quoted else "")
    return phrase("not valid YAML (%(place)s): %(reason)s", place=_place(mark.line, mark.column), reason=words)


def _place(line: int, column: int) -> str:
    """A place in a file, counted from 0, as a person counts it."""
    return phrase("line %(line)s, column %(column)s", line=line + 1, column=column + 1)


_BEGINS_EARLIER = re.compile("could not find expected ':'|unexpected end of stream|expected ',' or")
"""Problems of PyYAML whose cause is at the beginning of what it was reading, not where it stopped."""

_SYNTAX = (
    (
        "mapping values are not allowed",
        Phrase("no value can begin here; check the indentation, and quote texts with a colon"),
    ),
    ("character '\\\\t'", Phrase("a tab cannot indent; use spaces")),
    ("that cannot start any token", Phrase("a value cannot begin with %(quoted)s; put it in quotes")),
    ("could not find expected ':'", Phrase("a colon is missing; write key: value")),
    ("expected ',' or", Phrase("this bracket is not closed, or a comma is missing in it")),
    ("unexpected end of stream", Phrase("this quotation mark is not closed")),
    ("undefined alias", Phrase("nothing has the name *%(quoted)s; put a text that begins with * in quotes")),
    ("second occurrence", Phrase("the name of a part (&) is given twice; use another name")),
    ("unknown escape character", Phrase("\\%(quoted)s has no meaning in double quotes; use single quotes")),
    (
        "could not determine a constructor",
        Phrase("the tag %(quoted)s cannot be used; put a text that begins with ! in quotes"),
    ),
    ("unhashable key", Phrase("a list or a group of keys cannot be a key; use a word")),
    ("but found '<block end>'", Phrase("this line is indented less than the lines above it; align them")),
    (
        "expected <block end>",
        Phrase("this line does not continue the lines above it; align keys, and quote special characters"),
    ),
    (
        "expected the node content|expected <document start>",
        Phrase("a value is missing, or a sign is out of place here"),
    ),
)
"""What PyYAML finds wrong, in words for a person; quoted is what it quotes."""


def lines_of(node: yaml.MappingNode, prefix: str, lines: dict[str, int]) -> Iterable[Problem]:
    """Fills in the line of every key, and yields the keys that stand there twice."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if name in lines:
            yield Problem(
                name,
                phrase("duplicate key; it is on line %(line)s too. Remove one.", line=lines[name]),
                line=key.start_mark.line + 1,
            )
        lines[name] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from lines_of(value, f"{name}.", lines)
