"""`adreel record` and `adreel replay`."""

from __future__ import annotations

import os
from pathlib import Path

from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.files import read_text
from adreel.cli.output import confirm, say
from adreel.cli.runs import asked_dataset
from adreel.datasets.stored import source_of
from adreel.errors import InputError
from adreel.pipeline.report import ReportReader
from adreel.recording.exchanges import from_lines, to_lines
from adreel.recording.record import record
from adreel.recording.replay import replay
from adreel.store.audit import AuditAction, Subject

_QUESTION = (
    "Read {dataset!r} from TikTok once, about {requests:,} requests, and write its answers to {path}? Names, IDs, "
    "figures and days are replaced; no rows are saved. Nothing is sent anywhere."
)


def write_record(session: CommandContext, name: str, path: Path, *, yes: bool) -> None:
    """Reads a saved dataset and writes what TikTok answered, with everything of the account replaced."""
    if path.exists():
        raise InputError(f"{path} already exists. Choose another file with -o.")
    with open_home(session) as home:
        saved, dataset, account, requests = asked_dataset(home, name)
        confirm(_QUESTION.format(dataset=saved.name, requests=requests, path=path), yes=yes)
        reader = ReportReader(home.settings, home.store, home.session.clock, home.session.transport)
        recorded = record(reader, dataset, source_of(saved), account)
        home.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": "record"})
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(to_lines(recorded.record))
    if recorded.error is not None:
        say(f"The dataset could not be read: {recorded.error}")
    say(f"Wrote {len(recorded.record.exchanges):,} answers to {path}. Look through the file before you send it.")
    say(f"Try it: adreel replay {path}")


def replay_record(path: Path) -> None:
    """Reads a dataset from a record and says what came of it. Raises the error that it ends with."""
    result = replay(from_lines(read_text(path), str(path)))
    if result.error is not None:
        raise result.error
    say(f"Verified: {result.rows:,} rows.")
