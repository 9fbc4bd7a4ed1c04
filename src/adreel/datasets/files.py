"""Dataset files: YAML or JSON, with the line of each key."""

from __future__ import annotations

from typing import Any

import yaml

from adreel.datasets.dataset import Source
from adreel.language import phrase
from adreel.yaml_files import documents, lines_of, unreadable

MOST_PROBLEMS = 100


def read(text: str) -> Source:
    """A dataset file's values and lines; DatasetError if it is not YAML or not a list of keys."""
    sources = read_all(text)
    if len(sources) > 1:
        raise unreadable(phrase("the file has several datasets; import them with: adreel datasets import FILE"))
    return sources[0]


def read_all(text: str) -> tuple[Source, ...]:
    """The datasets of a file, at least one: YAML documents, or a list of datasets in YAML or JSON.

    Raises DatasetError as `read` does, and for a file beyond the limits of `documents`.
    """
    pairs = documents(text)
    if not pairs:
        raise unreadable(phrase("the file is empty; a dataset file has keys such as name, account, report and metrics"))
    return tuple(_source(node, values) for node, values in pairs)


def _source(node: yaml.Node, values: Any) -> Source:
    if not isinstance(node, yaml.MappingNode) or not isinstance(values, dict):
        raise unreadable(phrase("a dataset file has keys such as name, account, report and metrics"))
    lines: dict[str, int] = {}
    repeated = tuple(lines_of(node, "", lines))
    return Source(values, lines, repeated)
