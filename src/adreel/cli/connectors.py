"""`adreel import`: datasets from the settings of another connector."""

from __future__ import annotations

from pathlib import Path

import typer

from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.datasets import only_account
from adreel.cli.files import read_text
from adreel.cli.output import counted, say
from adreel.datasets.connectors import ImportTarget, named, read_settings
from adreel.datasets.connectors.airbyte import read_airbyte
from adreel.datasets.connectors.fivetran import read_fivetran
from adreel.datasets.dataset import Source
from adreel.datasets.service import create_all
from adreel.datasets.stored import as_file
from adreel.datasets.validation import check
from adreel.errors import InputError

_READERS = {"airbyte": read_airbyte, "fivetran": read_fivetran}


def import_settings(
    session: CommandContext,
    connector: str,
    files: list[Path],
    account: str | None,
    destination: str | None,
    *,
    dry_run: bool,
) -> None:
    """Creates the datasets, all or none, or prints them; says line by line what is not carried over."""
    values = [value for file in files for value in read_settings(read_text(file), str(file))]
    with open_home(session) as home:
        target = ImportTarget(account or only_account(home.guard), destination)
        settings = _READERS[connector](values, target)
        sources = [Source(file, {}) for file in named(home.guard, settings)]
        checked = [check(source, session.clock()) for source in sources]
        faults = [
            f"{source.values['name']}: {problem}"
            for source, outcome in zip(sources, checked, strict=True)
            for problem in outcome.problems
        ]
        for line in settings.left_out:
            say(f"Not carried over: {line}")
        if faults:
            raise InputError("Nothing was imported.\n" + "\n".join(faults))
        if dry_run:
            typer.echo("---\n".join(as_file(source.values) for source in sources), nl=False)
            return
        saved = create_all(home.guard, [outcome.dataset for outcome in checked if outcome.dataset is not None])
        for dataset in saved:
            say(f"Created {dataset.name!r}. Next: adreel run {dataset.slug}")
        say(f"{counted(len(saved), 'dataset')} created, {counted(len(settings.left_out), 'setting')} not carried over.")
