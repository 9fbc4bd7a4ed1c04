"""Metric presets of people: saved, changed and found, each through the rights in `adreel.access`.

A preset is expanded when it is chosen: dataset files have lists of metrics, and no preset by name.
"""

from __future__ import annotations

from collections.abc import Iterable

from adreel import catalog
from adreel.access import Guard, RoleRight
from adreel.datasets.menus import nearest
from adreel.datasets.presets import SETS, MetricSet
from adreel.errors import ExistsError, ForbiddenError, InputError, NotFoundError, did_you_mean
from adreel.language import Phrase, integer, phrase
from adreel.store import MetricPreset, Role
from adreel.store.users import name_key

MOST_METRICS = 500
"""Metrics of a preset."""

PREFIX = "saved-"
"""How the names of saved presets begin as sets of metrics, so that none is that of a built-in one."""


def presets(guard: Guard) -> tuple[MetricPreset, ...]:
    """The actor's own presets and those that are shared, by name."""
    return guard.store.presets.visible(guard.actor.user)


def metric_sets(guard: Guard) -> tuple[MetricSet, ...]:
    """Every preset that the actor can choose: the built-in ones, then those that people saved."""
    return (*SETS.values(), *map(as_set, presets(guard)))


def as_set(preset: MetricPreset) -> MetricSet:
    """A saved preset in the form of the built-in ones."""
    meaning = phrase("Your preset.")
    if preset.shared:
        meaning = phrase("Shared by %(owner)s.", owner=preset.owner) if preset.owner else phrase("Shared.")
    return MetricSet(f"{PREFIX}{preset.id}", preset.name, meaning, preset.metrics)


def preset(guard: Guard, name: str) -> MetricPreset:
    """The preset of that name or id that the actor sees, their own before a shared one of the same name.

    NotFoundError, with the nearest names.
    """
    user = guard.actor.user
    visible = sorted(presets(guard), key=lambda seen: user is None or seen.user_id != user.id)
    key = name_key(name)
    for seen in visible:
        if name_key(seen.name) == key:
            return seen
    for seen in visible:
        if str(seen.id) == name.strip():
            return seen
    near = did_you_mean(nearest(name, [seen.name for seen in visible]))
    raise NotFoundError(phrase("Preset %(preset)s was not found.", preset=repr(name)) + near, kind="preset")


def save(guard: Guard, name: str, metrics: Iterable[str], *, shared: bool) -> MetricPreset:
    """A new preset of the actor's.

    InputError for metrics that cannot be and for a preset of the operator's that is not shared, ExistsError if the
    actor sees one of that name, ForbiddenError for viewers and read-only tokens.
    """
    guard.need_role(RoleRight.SAVE_PRESETS)
    if guard.actor.user is None and not shared:
        raise InputError(phrase("A preset that the command line saves without a user has no owner. Share it: --shared"))
    _refuse_built_in(name)
    return guard.store.presets.add(guard.actor.user, name, _checked(metrics), shared=shared)


def change(
    guard: Guard,
    saved: MetricPreset,
    *,
    name: str | None = None,
    metrics: Iterable[str] | None = None,
    shared: bool | None = None,
) -> MetricPreset:
    """The preset changed in what is given. Errors as `save`; ForbiddenError for another user's."""
    _need_own(
        guard,
        saved,
        Phrase("You cannot change preset %(preset)s of another user. Ask %(owner)s or an administrator."),
        Phrase("You cannot change preset %(preset)s of another user. Ask an administrator."),
    )
    if saved.user_id is None and shared is False:
        raise InputError(
            phrase("The preset %(preset)s has no owner and stays shared. Delete it instead.", preset=repr(saved.name))
        )
    if name is not None:
        _refuse_built_in(name)
    return guard.store.presets.change(
        saved,
        name=saved.name if name is None else name,
        metrics=saved.metrics if metrics is None else _checked(metrics),
        shared=saved.shared if shared is None else shared,
    )


def delete(guard: Guard, saved: MetricPreset) -> None:
    """Removes the preset; datasets that were made with it stay as they are. ForbiddenError for another user's."""
    _need_own(
        guard,
        saved,
        Phrase("You cannot delete preset %(preset)s of another user. Ask %(owner)s or an administrator."),
        Phrase("You cannot delete preset %(preset)s of another user. Ask an administrator."),
    )
    guard.store.presets.delete(saved)


def may_change(guard: Guard, saved: MetricPreset) -> bool:
    """Whether the actor may change and delete the preset: its owner, and administrators if it is shared."""
    user = guard.actor.user
    own = user is None or saved.user_id == user.id or (user.role is Role.ADMIN and saved.shared)
    return own and guard.may_role(RoleRight.SAVE_PRESETS)


def _need_own(guard: Guard, saved: MetricPreset, refusal: Phrase, without_owner: Phrase) -> None:
    """Raises ForbiddenError unless the actor may change the preset, with one of two messages."""
    guard.need_role(RoleRight.SAVE_PRESETS)
    if not may_change(guard, saved):
        message = refusal if saved.owner else without_owner
        raise ForbiddenError(phrase(message, preset=repr(saved.name), owner=saved.owner))


def _refuse_built_in(name: str) -> None:
    key = name_key(name)
    if any(key in (name_key(built_in.name), name_key(built_in.title)) for built_in in SETS.values()):
        raise ExistsError(
            phrase("There is a built-in preset %(preset)s; choose another name.", preset=repr(name.strip()))
        )


def _checked(metrics: Iterable[str]) -> tuple[str, ...]:
    """The metrics in their order, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in metrics))
    if not names:
        raise InputError(phrase("A preset needs at least one metric."))
    if len(names) > MOST_METRICS:
        raise InputError(
            phrase(
                "A preset has at most %(limit)s metrics, not %(metrics)s.",
                limit=MOST_METRICS,
                metrics=integer(len(names)),
            )
        )
    for name in names:
        if name not in catalog.metrics():
            near = did_you_mean(nearest(name, catalog.metrics()))
            raise InputError(phrase("%(metric)s is not a metric.", metric=repr(name[:100])) + near)
    return names
