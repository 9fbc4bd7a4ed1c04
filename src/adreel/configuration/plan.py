"""What applying a folder would do, as values: for a person, for programs, and to compare with what it then does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from adreel.enumerations import first_of

NONE = "(none)"
"""What a plan shows for a value that there is none of."""


class PlanAction(StrEnum):
    """What happens to one thing."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


_DONE: Mapping[PlanAction, str] = MappingProxyType(
    {PlanAction.CREATE: "Created", PlanAction.CHANGE: "Changed", PlanAction.DELETE: "Deleted"}
)

MOST_SUBJECTS = 10
"""Things of which the names are listed after each verb."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field with its old and its new value, None for none; of a secret both are what may be shown.

    `mark` differs for each old secret, so that a plan is another one if the secret changed meanwhile.
    """

    name: str
    old: Any
    new: Any
    has_other_secret: bool = False
    mark: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The change in words."""
        secret = ", another secret" if self.has_other_secret else ""
        if self.old == self.new:
            return f"{self.name}: {_written(self.new)}{secret}"
        return f"{self.name}: {_written(self.old)} -> {_written(self.new)}{secret}"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One thing that is created, changed or deleted, with where the folder defines it, empty for what it does not.

    `consequence` says what a deletion means. `mark` differs for each state of what is deleted. Two changes are equal
    whatever their `notes` are, which say more.
    """

    action: PlanAction
    kind: str
    name: str
    place: str = ""
    fields: tuple[FieldChange, ...] = ()
    consequence: str = ""
    mark: str = field(default="", repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def subject(self) -> str:
        """What it is about."""
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True, slots=True)
class AbsentThing:
    """Something that is here and not in the files, with what becomes of it: it is not changed."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ConfigurationPlan:
    """All that would change, in the order in which it does, and what is here and not in the files."""

    changes: tuple[PlannedChange, ...]
    absent: tuple[AbsentThing, ...]

    def of(self, action: PlanAction) -> tuple[PlannedChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.action is action)

    def differing(self, other: ConfigurationPlan) -> tuple[str, ...]:
        """What the two plans differ in."""
        every = (*self.changes, *other.changes)
        differing = (change for change in every if change not in self.changes or change not in other.changes)
        return tuple(dict.fromkeys(change.subject for change in differing))


def secret_mark(text: str) -> str:
    """A text that differs for each secret, and does not tell it. Only for comparing plans of one process."""
    return hashlib.sha256(text.encode()).hexdigest()


def lines(plan: ConfigurationPlan) -> Iterator[str]:
    """The plan for a person."""
    for change in plan.changes:
        yield f"{change.action:<7} {change.subject}" + (f" ({change.place})" if change.place else "")
        if change.consequence:
            yield f"          {change.consequence}"
        if change.action is PlanAction.CHANGE:
            yield from (f"          {item}" for item in change.fields)
        yield from (f"          note: {note}" for note in change.notes)
    for item in plan.absent:
        yield f"absent  {item.kind} {item.name!r} is not in the files; it is not changed"


def summary(plan: ConfigurationPlan) -> str:
    """How much would change."""
    counts = [f"{len(plan.of(action)):,} to {action}" for action in PlanAction]
    return f"{', '.join(counts)}; {len(plan.absent):,} not in the files."


def applied(plan: ConfigurationPlan) -> str:
    """What was done, by the names of things."""
    done = ((_DONE[action], [change.subject for change in plan.of(action)]) for action in PlanAction)
    return " ".join(f"{verb} {first_of(subjects, MOST_SUBJECTS)}." for verb, subjects in done if subjects)


def plan_json(plan: ConfigurationPlan, *, is_applied: bool) -> Mapping[str, Any]:
    """The plan for programs."""
    return {
        "applied": is_applied,
        "changes": [
            {
                "action": change.action,
                "kind": change.kind,
                "name": change.name,
                "place": change.place or None,
                "fields": [
                    {"name": item.name, "old": item.old, "new": item.new, "other_secret": item.has_other_secret}
                    for item in change.fields
                ],
                "consequence": change.consequence or None,
                "notes": change.notes,
            }
            for change in plan.changes
        ],
        "absent": [{"kind": item.kind, "name": item.name} for item in plan.absent],
        "counts": {action.value: len(plan.of(action)) for action in PlanAction},
    }


def field_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of `new`, then of `old`."""
    names: Iterable[str] = dict.fromkeys((*new, *old))
    return tuple(
        FieldChange(name, old.get(name), new.get(name))
        for name in names
        if name not in old or name not in new or old[name] != new[name]
    )


def _written(value: Any) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
