"""`adreel backup` and `adreel restore-backup`."""

from __future__ import annotations

from pathlib import Path

from adreel.backups import BackupInfo, back_up, checked, lost_tokens, restore
from adreel.cli import CommandContext
from adreel.cli.context import open_home, settings_of
from adreel.cli.output import counted, say
from adreel.lake import Lake
from adreel.store import Store
from adreel.store.audit import WORKSPACE, AuditAction, Means, Origin, acting


def backup(session: CommandContext, file: Path, *, tables: bool, key: bool) -> None:
    """Writes a backup, with its progress on stderr."""
    with open_home(session) as home:
        now = session.clock()
        size = back_up(home.guard, home.lake(), home.settings, file, now, tables=tables, key=key, say=say)
        say(
            f"Backed up {counted(size.rows, 'row')} of the store and {counted(size.tables, 'table')} to {file} "
            f"({size.size / 1e6:,.1f} MB)."
        )
        if key:
            say("warning: the file contains the encryption keys. A person who has it can use the accounts at TikTok.")
        else:
            say("The encryption keys are not included. Keep secret.key or ADREEL_SECRET_KEY elsewhere as well.")


def restore_backup(session: CommandContext, file: Path, *, check: bool) -> None:
    """Restores a backup into the empty home of the settings, or only verifies it."""
    if check:
        say(_title(checked(file, say)) + " is complete, and its checksums agree.")
        return
    settings = settings_of(session)
    info, size = restore(settings, Lake(settings.lake_url, clock=session.clock), file, say)
    with Store.open(settings, clock=session.clock) as store, acting(Origin.of(None, Means.COMMAND)):
        details = {"file": file.name, "made_at": f"{info.at:%Y-%m-%d %H:%M} UTC"}
        store.audit.add(AuditAction.BACKUP_RESTORE, WORKSPACE, details)
        lost = lost_tokens(store)
    say(
        f"{_title(info)} is restored in {settings.home}: {counted(size.rows, 'row')} of the store and "
        f"{counted(size.tables, 'table')}."
    )
    if not info.tables:
        say("warning: the backup has no tables. Each dataset's next run reads its dates again.")
    if lost:
        say(
            f"warning: no key here fits the tokens of {', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}. Copy "
            "secret.key into the home or set ADREEL_SECRET_KEY, or reconnect the accounts."
        )


def _title(info: BackupInfo) -> str:
    return f"The backup of {info.at:%Y-%m-%d %H:%M} UTC (adreel {info.adreel})"
