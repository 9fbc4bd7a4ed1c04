"""Where a dataset publishes its table: `publish` of a dataset file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from adreel.datasets.dataset import PublishTarget
from adreel.language import phrase
from adreel.scheduling.reading import Fault

MOST_TARGETS = 20

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Names that need no quotes in any database, and that no database cuts (source: Postgres' manual, "Identifiers")."""

_KEYS = frozenset({"to", "table", "history"})


def read_publish(value: Any, fault: Fault) -> tuple[PublishTarget, ...]:
    """The destinations in a dataset file: a name, or a list of names and of mappings with `to`, `table`, `history`."""
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if len(given) > MOST_TARGETS:
        fault("publish", phrase("has more than %(limit)s destinations", limit=MOST_TARGETS))
        return ()
    targets = tuple(target for item in given for target in _target(item, fault))
    if len({target.destination.casefold() for target in targets}) < len(targets):
        fault("publish", phrase("names a destination twice"))
    return targets


def _target(item: Any, fault: Fault) -> Iterator[PublishTarget]:
    values = item if isinstance(item, Mapping) else {"to": item}
    unknown = sorted(str(key) for key in values if key not in _KEYS)
    name, table, history = values.get("to"), values.get("table"), values.get("history")
    if unknown:
        fault("publish", phrase("has a key %(key)s; use to, table and history", key=repr(unknown[0])))
    elif not isinstance(name, str) or not name.strip():
        fault("publish", phrase("needs the name of a destination, as in: to: warehouse"))
    elif table is not None and not (isinstance(table, str) and TABLE_NAME.fullmatch(table)):
        fault(
            "publish",
            phrase("table must begin with a letter and have at most 63 lower-case letters, digits and underscores"),
        )
    elif not isinstance(history, bool | None):
        fault("publish", phrase("history must be yes or no"))
    else:
        yield PublishTarget(name.strip(), table, bool(history))


def written_target(target: PublishTarget) -> Any:
    """A destination as a dataset file has it."""
    values = {"to": target.destination, "table": target.table, "history": target.history}
    given = {key: value for key, value in values.items() if value}
    return given if len(given) > 1 else target.destination
