"""`adreel retention` and `adreel prune`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.errors import InputError
from adreel.pruning import change, effect, preview
from adreel.pruning import prune as prune_now

LABELS = {
    "version_days": "versions of tables",
    "version_count": "latest versions that always stay",
    "run_days": "runs",
    "log_days": "logs of runs",
    "audit_days": "audit entries",
}


def retention(
    session: CommandContext,
    days: Mapping[str, str | None],
    version_count: int | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Prints the policy, or changes what is given after a confirmation that says what that deletes."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.VIEW_RETENTION)
        policy = home.store.retention.get()
        changes: dict[str, Any] = {name: _days(name, text) for name, text in days.items() if text is not None}
        if version_count is not None:
            changes["version_count"] = version_count
        if changes:
            home.guard.need_role(RoleRight.CHANGE_RETENTION)
            policy = replace(policy, **changes)
            pruned = preview(home.guard, home.lake(), policy, session.clock())
            say(effect(pruned))
            confirm("Save this policy?", yes=yes)
            change(home.guard, policy)
            say("Saved the retention policy. Workers apply it once a day; to apply it now: adreel prune")
        if as_json:
            print_json(asdict(policy))
        elif not changes:
            print_table(
                ("kept", "for"), [(LABELS[name], _shown(name, value)) for name, value in asdict(policy).items()]
            )


def prune(session: CommandContext, *, dry_run: bool, yes: bool) -> None:
    """Says what the policy deletes, and deletes it after a confirmation."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.PRUNE)
        lake = home.lake()
        say(effect(preview(home.guard, lake, home.store.retention.get(), session.clock())))
        if dry_run:
            return
        confirm("Delete it?", yes=yes)
        pruned = prune_now(home.guard, lake, session.clock())
        say(effect(pruned, past=True))
        if pruned.versions:
            say("Files of these versions are deleted by the next pruning in 12 hours or more, after their readers.")


def _days(name: str, text: str) -> int | None:
    if text.strip().lower() == "all":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError(f"--{name.replace('_', '-')}: {text[:40]!r} is not a number of days. Use a number, or all.")
    return int(text)


def _shown(name: str, value: int | None) -> str:
    if value is None:
        return "always"
    return f"{value:,}" if name == "version_count" else f"{value:,} days"
