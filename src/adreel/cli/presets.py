"""`adreel presets`: list, save, rename, share, unshare, delete."""

from __future__ import annotations

from typing import Any

import typer

from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import confirm, counted, print_json, print_table, say
from adreel.datasets import saved_presets
from adreel.datasets.presets import SETS, MetricSet
from adreel.datasets.stored import dataset_of
from adreel.store import MetricPreset


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Prints the built-in presets, the actor's own, and those that are shared."""
    with open_home(session) as home:
        saved = saved_presets.presets(home.guard)
        if as_json:
            print_json([*map(_built_in_json, SETS.values()), *map(_json, saved)])
            return
        rows: list[tuple[Any, ...]] = [
            (metric_set.name, "built in", len(metric_set.metrics), metric_set.meaning) for metric_set in SETS.values()
        ]
        rows += [(preset.name, _whose(preset), len(preset.metrics), ", ".join(preset.metrics[:5])) for preset in saved]
        print_table(("preset", "saved by", "metrics", "meaning"), rows)


def show(session: CommandContext, name: str, *, as_json: bool) -> None:
    """Prints the metrics of a preset as a dataset file has them."""
    with open_home(session) as home:
        preset = SETS.get(name) or saved_presets.preset(home.guard, name)
        if as_json:
            print_json(_json(preset) if isinstance(preset, MetricPreset) else _built_in_json(preset))
        else:
            typer.echo(f"metrics: [{', '.join(preset.metrics)}]")


def _whose(preset: MetricPreset) -> str:
    owner = preset.owner or "operator"
    return f"{owner}, shared" if preset.shared else owner


def _json(preset: MetricPreset) -> dict[str, Any]:
    return {
        "id": str(preset.id),
        "name": preset.name,
        "metrics": list(preset.metrics),
        "built_in": False,
        "shared": preset.shared,
        "owner": preset.owner or None,
        "created_at": preset.created_at,
        "updated_at": preset.updated_at,
    }


def _built_in_json(metric_set: MetricSet) -> dict[str, Any]:
    return {"name": metric_set.name, "metrics": list(metric_set.metrics), "built_in": True, "shared": True}


def save(
    session: CommandContext, name: str, metrics: list[str], dataset: str | None, *, shared: bool, replace: bool
) -> None:
    """Saves metrics as a preset, those named and those of a dataset; with `replace` in place of one of that name."""
    with open_home(session) as home:
        names = [word for text in metrics for word in text.replace(",", " ").split()]
        if dataset is not None:
            names += dataset_of(home.guard.dataset(dataset), session.clock()).metrics
        if replace:
            existing = saved_presets.preset(home.guard, name)
            preset = saved_presets.change(home.guard, existing, metrics=names, shared=shared or None)
        else:
            preset = saved_presets.save(home.guard, name, names, shared=shared)
        say(f"Saved preset {preset.name!r} with {counted(len(preset.metrics), 'metric')}.")


def rename(session: CommandContext, name: str, new_name: str) -> None:
    """Renames a preset."""
    with open_home(session) as home:
        preset = saved_presets.change(home.guard, saved_presets.preset(home.guard, name), name=new_name)
        say(f"The preset is now called {preset.name!r}.")


def share(session: CommandContext, name: str, *, shared: bool) -> None:
    """Shares a preset with all users, or no longer."""
    with open_home(session) as home:
        preset = saved_presets.change(home.guard, saved_presets.preset(home.guard, name), shared=shared)
        say(f"Preset {preset.name!r} is {'shared with all users' if shared else 'no longer shared'}.")


def delete(session: CommandContext, name: str, *, yes: bool) -> None:
    """Deletes a preset, once a user has confirmed it."""
    with open_home(session) as home:
        preset = saved_presets.preset(home.guard, name)
        confirm(f"Delete preset {preset.name!r}? Datasets made with it stay as they are.", yes=yes)
        saved_presets.delete(home.guard, preset)
        say(f"Deleted preset {preset.name!r}.")
