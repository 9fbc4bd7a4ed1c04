"""`adreel datasets`: create, import, convert, list, show, edit, delete."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from adreel.access import DatasetRight, Guard
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.files import read_text
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.datasets import service
from adreel.datasets.dataset import Source
from adreel.datasets.file_kinds import sources_in
from adreel.datasets.files import read
from adreel.datasets.imports import arrivals, bring
from adreel.datasets.status import standings
from adreel.datasets.stored import as_file, source_of
from adreel.datasets.templates import free_name, template_named
from adreel.datasets.validation import parse
from adreel.errors import AdreelError, DatasetError, InputError
from adreel.pipeline.lateness import template_file
from adreel.store import Run, SavedDataset
from adreel.store.home import private_file


def create(
    session: CommandContext, file: Path | None, *, template: str | None, account: str | None, name: str | None
) -> None:
    """A new dataset from a file, or from a template over an account."""
    if (file is None) is (template is None):
        raise InputError("Use one of -f FILE and --template NAME. List the templates: adreel templates")
    if file is not None:
        if account or name:
            raise InputError("--account and --name are for --template; a file has its own account and name.")
        source = read(read_text(file))
    with open_home(session) as home:
        if template is not None:
            source = _from_template(home.guard, template, account, name, session.clock())
        _tell_saved(service.create(home.guard, parse(source, session.clock())))


def _from_template(guard: Guard, name: str, account: str | None, dataset_name: str | None, now: datetime) -> Source:
    """The template's dataset over the account, or over the only one."""
    template = template_named(name)
    usable = guard.usable(account or only_account(guard))
    return Source(
        template_file(guard.store, template, usable, dataset_name or free_name(guard, template.title), now), {}
    )


def only_account(guard: Guard) -> str:
    """The only account. InputError if there are several, or none."""
    names = [usable.name for usable in guard.accounts()]
    if len(names) != 1:
        listed = f" Available: {', '.join(names)}." if names else " Connect one: adreel accounts connect NAME"
        raise InputError(f"Name the account with --account.{listed}")
    return names[0]


def _tell_saved(saved: SavedDataset) -> None:
    folder = f" The folder of its table is {saved.table_slug}." if saved.table_slug != saved.slug else ""
    say(f"Saved {saved.name!r}; its name in SQL and commands is {saved.slug}.{folder} Next: adreel run {saved.slug}")


def bring_over(session: CommandContext, file: Path) -> None:
    """Imports datasets of the older connector, one or several in a file; all are saved, or none."""
    sources = sources_in(read_text(file), str(file))
    with open_home(session) as home:
        try:
            brought = bring(home.guard, arrivals(home.store, home.guard, sources, session.clock()))
        except DatasetError as error:
            raise InputError(f"Nothing was imported.\n{error}") from error
        for saved in brought.there:
            say(f"{saved.name!r} already exists, unchanged.")
        for note in brought.notes:
            say(note)
        for saved in brought.saved:
            _tell_saved(saved)


def convert(session: CommandContext, name: str) -> None:
    """A deprecated report's dataset into Performance; its table goes on."""
    with open_home(session) as home:
        saved, empty = service.convert(home.guard, home.guard.dataset(name, DatasetRight.EDIT), session.clock())
        if empty:
            say(f"Columns removed because they were always empty: {', '.join(empty)}.")
        _tell_saved(saved)


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Every dataset with its last run."""
    with open_home(session) as home:
        latest, lake = home.store.runs.latest(), home.lake()
        rows, labels = [], []
        for entry in standings(home.store, home.guard, session.clock()):
            saved, run = entry.saved, latest.get(entry.saved.id)
            labels.append((entry.status.label, entry.words))
            rows.append(
                {
                    "slug": saved.slug,
                    "name": saved.name,
                    "tags": saved.tags,
                    "report": json.loads(saved.spec).get("report"),
                    "account": saved.account_name,
                    "account_id": str(saved.account_id) if saved.connected else None,
                    "rows": lake.table(saved.table_slug).rows if lake.exists(saved.table_slug) else None,
                    "status": str(entry.status),
                    "last_run": _last_run(run) if run else None,
                }
            )
        if as_json:
            print_json(rows)
        elif rows:
            _print_datasets(rows, labels)
        else:
            say("No dataset is saved yet. Save one with: adreel datasets create -f FILE (there are some in examples/)")


def _last_run(run: Run) -> dict[str, Any]:
    """The last run, with the keys of the API."""
    names = ("state", "created_at", "finished_at", "version", "warnings")
    return {"run_id": run.id} | {name: getattr(run, name) for name in names} | {"error": run.error or None}


def _print_datasets(rows: list[dict[str, Any]], labels: list[tuple[str, str]]) -> None:
    """Prints the datasets; `labels` has the title of each one's status and what is wrong."""
    heads = ("name", "slug", "report", "account", "rows", "last run (UTC)", "status")
    cells = []
    for row, (label, _) in zip(rows, labels, strict=True):
        account = row["account"] + ("" if row["account_id"] else " (disconnected)")
        last = row["last_run"] or {"finished_at": None, "created_at": None}
        ended = last["finished_at"] or last["created_at"]
        cells.append((row["name"], row["slug"], row["report"], account, row["rows"], ended, label))
    print_table(heads, cells, hidden_first=("report", "account", "last run (UTC)", "rows"))
    for row, (_, words) in zip(rows, labels, strict=True):
        if words:
            say(f"{row['name']}: {_short(words)}")


def _short(error: str) -> str:
    """An error's beginning, where it is one of several in a list."""
    return error if len(error) <= 200 else f"{error[:200]}… (all of it: adreel history)"


def show(session: CommandContext, name: str) -> None:
    """A dataset as its file."""
    with open_home(session) as home:
        typer.echo(as_file(source_of(home.guard.dataset(name)).values), nl=False)


def edit(session: CommandContext, name: str, file: Path | None) -> None:
    """A dataset changed in the person's editor, or to a file."""
    with open_home(session) as home:
        saved = home.guard.dataset(name, DatasetRight.EDIT)
        if file is not None:
            _change(home, saved, read_text(file))
            return
        before = as_file(source_of(saved).values)
        draft = home.settings.home / f"{saved.slug}.draft.yaml"
        private_file(draft).write_text(before, encoding="utf-8")
        _edit(session, draft)
        text = read_text(draft)
        if text == before:
            say("Nothing was changed.")
        else:
            try:
                _change(home, saved, text)
            except AdreelError as error:
                raise InputError(
                    f"{error}\nNothing was changed. Your text is kept: correct it, then "
                    f"adreel datasets edit {saved.slug} -f {draft}"
                ) from error
        draft.unlink()


def _change(home: OpenHome, saved: SavedDataset, text: str) -> None:
    now = home.session.clock()
    dataset = parse(read(text), now)
    losses = service.losses(home.guard, dataset, home.lake(), now, saved)
    changed = service.change(home.guard, saved, dataset, now)
    for line in losses:
        say(f"note: {line}")
    _tell_saved(changed)


def _edit(session: CommandContext, draft: Path) -> None:
    """Lets the person work on the draft in the editor that $VISUAL or $EDITOR names."""
    editor = shlex.split(session.environ.get("VISUAL") or session.environ.get("EDITOR") or "vi")
    try:
        subprocess.run([*editor, str(draft)], check=True)  # noqa: S603 - the person's own editor
    except (OSError, subprocess.CalledProcessError) as error:
        draft.unlink()
        raise InputError(f"The editor {editor[0]!r} failed; name another in $EDITOR, or use -f FILE.") from error


def deletion_question(home: OpenHome, saved: SavedDataset, *, keep_table: bool) -> str:
    """The question before a dataset is deleted, with the address of its table."""
    address = home.lake().table_url(saved.table_slug)
    table = f"; keep its table in {address}?" if keep_table else f" and its table in {address} with all versions?"
    return f"Delete the dataset {saved.name!r}{table}"


def delete(session: CommandContext, name: str, *, yes: bool, keep_table: bool) -> None:
    """A dataset, and its table unless it is to stay."""
    with open_home(session) as home:
        saved = home.guard.dataset(name, DatasetRight.DELETE)
        # Imported here: the lake, which the other commands need not load.
        from adreel.datasets.kept_tables import where_kept
        from adreel.pipeline.orders import Orders

        confirm(deletion_question(home, saved, keep_table=keep_table), yes=yes)
        orders = Orders(home.settings, home.store, clock=session.clock)
        table_stays = orders.delete(home.guard, saved, keep_table=keep_table)
        say(f"Deleted {saved.name!r}{'' if keep_table else ' and its table'}.")
        if table_stays:
            say(where_kept(home.lake(), [saved.table_slug]))
