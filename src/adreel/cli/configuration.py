"""`adreel apply` and `adreel export-config`: settings as files in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.datasets import deletion_question
from adreel.cli.files import read_text
from adreel.cli.output import confirm, counted, print_json, say
from adreel.configuration.applying import Configuring
from adreel.configuration.desired import Desired, resolve
from adreel.configuration.documents import defined_in_both, read_documents
from adreel.configuration.exporting import MARK, export, stale
from adreel.configuration.performing import Deletions, Outside
from adreel.configuration.plan import ConfigurationPlan, applied, lines, plan_json, summary
from adreel.connections import Connecting
from adreel.destinations import service as destinations
from adreel.enumerations import first_of
from adreel.errors import AdreelError, ExitCode, InputError, StorageError
from adreel.notify.subscriptions import Subscriptions

SUFFIXES = frozenset({".yaml", ".yml"})

MOST_DOUBLES = 5
"""Things defined twice that are listed."""


def apply(
    session: CommandContext, folder: Path, deletions: Deletions, *, plan_only: bool, yes: bool, as_json: bool
) -> None:
    """Plans what the files of a folder say, asks, and does it. Exits with `CHANGES` for a plan with changes."""
    if deletions.keep_tables and not deletions.delete:
        raise InputError("--keep-tables is for --delete.")
    reading = read_documents(dict(_texts(folder)))
    with open_home(session) as home:
        desired = resolve(reading, session.environ, folder, lambda: _stored_urls(home))
        configuring = _configuring(home, desired, deletions)
        plan, outside = configuring.planned()
        if outside.changed or outside.retention is not None:
            plan = configuring.with_losses(plan, outside, home.lake())
        if plan_only or not plan.changes:
            _show(plan, is_applied=False, as_json=as_json)
            if plan.changes:
                raise typer.Exit(int(ExitCode.CHANGES))
            return
        if not as_json:
            _show(plan, is_applied=False, as_json=False)
        _confirm(home, plan, outside, deletions, yes=yes)
        connecting = Connecting(home.settings, home.store, session.transport, log=say)
        done = configuring.apply(plan, outside, asyncio.run(configuring.reached(outside, connecting)))
        if done.changes:
            _delete(home, outside, deletions)
        say(applied(done) if done.changes else "Another process applied the same meanwhile.")
        if as_json:
            _show(plan, is_applied=True, as_json=True)


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """The files of a folder and its folders by their paths in it, without hidden ones."""
    is_empty = True
    for name, text in _visible(folder):
        is_empty = False
        yield name, text
    if is_empty:
        raise InputError(
            f"{folder} has no files that end with .yaml or .yml. Write some: adreel export-config {folder}"
        )


def _visible(folder: Path) -> Iterator[tuple[str, str]]:
    files = sorted(
        (path.relative_to(folder), path) for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()
    )
    for name, path in files:
        if not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), read_text(path)


def _stored_urls(home: OpenHome) -> frozenset[str]:
    return frozenset(home.store.addresses.url(address) for address in home.store.addresses.list())


def _configuring(home: OpenHome, desired: Desired, deletions: Deletions) -> Configuring:
    return Configuring(home.settings, home.store, home.guard.actor, home.session.clock, desired, deletions)


def _show(plan: ConfigurationPlan, *, is_applied: bool, as_json: bool) -> None:
    if as_json:
        print_json(plan_json(plan, is_applied=is_applied))
        return
    for line in lines(plan):
        typer.echo(line)
    say(summary(plan) if plan.changes else "Nothing to change.")


def _confirm(home: OpenHome, plan: ConfigurationPlan, outside: Outside, deletions: Deletions, *, yes: bool) -> None:
    """Asks for all of it, and as `adreel datasets delete` does for each dataset that goes."""
    confirm(f"Apply {counted(len(plan.changes), 'change')}?", yes=yes)
    for saved in outside.deleted_datasets:
        confirm(deletion_question(home, saved, keep_table=deletions.keep_tables), yes=yes)


def _delete(home: OpenHome, outside: Outside, deletions: Deletions) -> None:
    """Deletes datasets and then destinations. Raises what hinders it; the rest is left for the next time."""
    if not outside.deleted_datasets and not outside.deleted_destinations:
        return
    # Imported here: the lake, which most plans need not load.
    from adreel.datasets.kept_tables import where_kept
    from adreel.pipeline.orders import Orders

    orders = Orders(home.settings, home.store, clock=home.session.clock)
    try:
        for saved in outside.deleted_datasets:
            if orders.delete(home.guard, saved, keep_table=deletions.keep_tables):
                say(where_kept(home.lake(), [saved.table_slug]))
        for destination in outside.deleted_destinations:
            destinations.delete(home.guard, destination)
    except AdreelError as error:
        error.message += " The other changes were applied. Run the command again for the deletions that are left."
        raise


def export_config(session: CommandContext, folder: Path) -> None:
    """Writes the present state to a folder. Replaces and removes only files that an export wrote."""
    with open_home(session) as home:
        exported = export(home.guard, Subscriptions(home.settings, home.guard, session.clock()))
    earlier = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", "replace").startswith(MARK)
        for path in (*folder.glob("*.yaml"), *folder.glob("datasets/*.yaml"))
    }
    foreign = [name for name in exported.files if earlier.get(name) is False]
    if foreign:
        raise InputError(
            f"{folder / foreign[0]} was not written by adreel export-config. Move it, or use another folder."
        )
    _refuse_doubles(folder, exported.files)
    try:
        for name, text in exported.files.items():
            _write(folder / name, text)
        for name in stale((name for name, is_own in earlier.items() if is_own), exported):
            (folder / name).unlink()
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}.") from error
    say(
        f"Wrote {counted(len(exported.files), 'file')} to {folder}, without saved queries, "
        "pauses and settings of the workspace."
    )
    for secret in exported.secrets:
        say(f"Set before adreel apply: {secret.variable}, the {secret.meaning}")


def _refuse_doubles(folder: Path, exported: Mapping[str, str]) -> None:
    """Raises InputError if files of the person's own define what the export does, which `adreel apply` refuses."""
    every = dict(_visible(folder))
    own = {name: text for name, text in every.items() if not text.startswith(MARK)}
    doubles = defined_in_both(own, exported)
    if doubles:
        named = first_of([f"{document.name!r} ({document.place})" for document in doubles], MOST_DOUBLES)
        raise InputError(
            f"Files in {folder} that are not of an export define what the export defines: {named}. adreel apply "
            "refuses what is defined twice. Export to another folder, or remove these from the files; nothing was "
            "written."
        )


def _write(path: Path, text: str) -> None:
    """Replaces a file as a whole, and only if it differs."""
    if path.exists() and path.read_text("utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, "utf-8", newline="\n")
    temporary.replace(path)
