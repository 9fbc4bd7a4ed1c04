"""`adreel datasets`: create, import, convert, list, show, edit, delete."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from adreel.cli import Session
from adreel.cli.opened import Opened, opened
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.dataset import Source, parse, read
from adreel.errors import BusyError, InputError
from adreel.lake import Lake
from adreel.runner import source_of
from adreel.saving import as_file, change, converted, refuse_deprecated, save
from adreel.store import SavedDataset
from adreel.store.locks import dataset_lock


def create(session: Session, file: Path) -> None:
    """A new dataset from a file."""
    source = read(file.read_text(encoding="utf-8"))
    refuse_deprecated(source)
    with opened(session) as have:
        name = parse(source, session.clock()).name
        if any(saved.name == name for saved in have.store.datasets.list()):
            raise InputError(
                f"There is a dataset {name!r} already; change it with: adreel datasets edit {name!r} -f {file}"
            )
        _tell_saved(save(have.store, source, session.clock()))


def _tell_saved(saved: SavedDataset) -> None:
    say(f"Saved {saved.name!r}; its table will be {saved.table_slug}. Next: adreel run {saved.slug}")


def bring_over(session: Session, file: Path) -> None:
    """Datasets of the older connector, one or several in a file; all are checked before any is saved."""
    text = file.read_text(encoding="utf-8")
    sources = list(_documents(text))
    with opened(session) as have:
        for source in sources:
            parse(source, session.clock())
        for source in sources:
            saved = save(have.store, source, session.clock())
            for note in parse(source, session.clock()).notes:
                say(f"{saved.name}: {note}")
            _tell_saved(saved)


def _documents(text: str) -> Iterator[Source]:
    """Each dataset of a file: YAML documents, or a JSON list of datasets."""
    if not text.lstrip().startswith("["):
        for part in text.split("\n---"):
            if part.strip().removeprefix("---").strip():
                yield read(part.removeprefix("---"))
        return
    try:
        listed = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"This is no list of datasets in JSON: {error}.") from error
    for values in listed:
        # Through the reader of dataset files, which JSON is a case of: ids stay texts, and entries are checked.
        yield read(json.dumps(values))


def convert(session: Session, name: str) -> None:
    """A deprecated report's dataset into Performance; its table goes on."""
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        now = session.clock()
        before = parse(source_of(saved), now)
        values = converted(source_of(saved).values, now)
        gone = before.null_columns
        if gone:
            say(f"These columns were always empty and are not asked for any more: {', '.join(gone)}.")
        _tell_saved(change(have.store, saved, Source(values, {}), now))


def show_all(session: Session, *, as_json: bool) -> None:
    """Every dataset with its last run."""
    with opened(session) as have:
        latest = have.store.runs.latest()
        rows = []
        for saved in have.store.datasets.list():
            run = latest.get(saved.id)
            rows.append(
                {
                    "name": saved.name,
                    "table": saved.table_slug,
                    "report": json.loads(saved.spec).get("report"),
                    "account": saved.account_name + ("" if saved.connected else " (disconnected)"),
                    "rows": run.rows if run else None,
                    "last run": run.finished_at or run.created_at if run else None,
                    "state": str(run.state) if run else "never run",
                    "tags": saved.tags,
                }
            )
        if as_json:
            print_json([{key.replace(" ", "_"): value for key, value in row.items()} for row in rows])
        elif rows:
            print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        else:
            say("No dataset is saved yet. Save one with: adreel datasets create -f FILE (there are some in examples/)")


def show(session: Session, name: str) -> None:
    """A dataset as its file."""
    with opened(session) as have:
        typer.echo(as_file(source_of(have.store.datasets.get(name)).values), nl=False)


def edit(session: Session, name: str, file: Path | None) -> None:
    """A dataset changed in the person's editor, or to a file."""
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        if file is not None:
            text = file.read_text(encoding="utf-8")
        else:
            before = as_file(source_of(saved).values)
            text = _edited(before)
            if text == before:
                say("Nothing was changed.")
                return
        _tell_saved(change(have.store, saved, read(text), session.clock()))


def _edited(text: str) -> str:
    """What the person makes of the text in the editor that $VISUAL or $EDITOR names."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*editor, str(path)], check=True)  # noqa: S603 - the person's own editor
        except (OSError, subprocess.CalledProcessError) as error:
            raise InputError(f"The editor {editor[0]!r} failed; name another in $EDITOR, or use -f FILE.") from error
        return path.read_text(encoding="utf-8")


def delete(session: Session, name: str, *, yes: bool, keep_table: bool) -> None:
    """A dataset, and its table unless it is to stay."""
    with opened(session) as have:
        saved = have.store.datasets.get(name)
        lake = Lake(have.settings.lake_url)
        what = f"Delete the dataset {saved.name!r}" + (
            "? Its table stays." if keep_table else f" and its table {saved.table_slug} with all versions?"
        )
        confirm(what, yes=yes)
        _delete(have, saved, lake, keep_table)
        say(f"Deleted {saved.name!r}.")


def _delete(have: Opened, saved: SavedDataset, lake: Lake, keep_table: bool) -> None:
    try:
        with dataset_lock(have.settings.home, saved.slug):
            have.store.datasets.delete(saved)
            if not keep_table:
                lake.drop(saved.table_slug)
    except BusyError as error:
        raise BusyError(f"{error.message} Cancel it first, or wait for its end.") from error
