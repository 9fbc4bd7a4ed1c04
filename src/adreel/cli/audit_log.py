"""`adreel audit`."""

from __future__ import annotations

from pathlib import Path

from adreel.auditing import FORMATS, AuditSearch, details_text, entries, entry_json, exported
from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import print_json, print_table, say
from adreel.errors import InputError
from adreel.export.files import placed


def show(session: CommandContext, search: AuditSearch, limit: int, output: Path | None, *, as_json: bool) -> None:
    """Prints the entries that match, latest first, or writes all of them to a file."""
    with open_home(session) as home:
        chosen = search.chosen()
        if output is not None:
            file_format = output.suffix.removeprefix(".").lower()
            if file_format not in FORMATS:
                raise InputError(f"{output.name}: name a file that ends in .csv or .json.")
            chunks = exported(home.guard, chosen, file_format)
            with placed(output) as file:
                for chunk in chunks:
                    file.write(chunk)
            say(f"Wrote the audit log to {output}.")
            return
        shown_entries, total = entries(home.guard, chosen, limit=limit)
        if as_json:
            print_json([entry_json(entry) for entry in shown_entries])
            return
        print_table(
            ("time (UTC)", "user", "by", "action", "subject", "details"),
            [
                (
                    entry.at,
                    entry.user_name,
                    f"{entry.means.label} ({entry.token})" if entry.token else entry.means.label,
                    entry.action.label,
                    entry.subject_name,
                    details_text(entry.details),
                )
                for entry in shown_entries
            ],
        )
        if total > len(shown_entries):
            say(f"Showing {len(shown_entries):,} of {total:,} entries. For more, add --limit.")
