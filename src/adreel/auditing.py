"""The audit log for administrators: the entries that a person asks for, as a page, as JSON and as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from adreel.access import Guard, RoleRight
from adreel.errors import InputError, did_you_mean
from adreel.language import Phrase, in_english, integer, phrase
from adreel.store.audit import WORKSPACE, AuditAction, AuditEntry, AuditFilter

FORMATS = ("csv", "json")

BATCH = 1_000
"""Entries of an export that are read at a time."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a text begins that a spreadsheet takes for a formula (source: OWASP, "CSV Injection")."""

COLUMNS = (
    "id",
    "at",
    "user_id",
    "user",
    "by",
    "token",
    "action",
    "meaning",
    "subject_kind",
    "subject_id",
    "subject",
    "details",
)
"""The columns of the CSV file, and the keys of the JSON of an entry."""


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """What a person asks for, as texts: names of actions, days from `start` to `end`, which is included."""

    who: str = ""
    action: tuple[str, ...] = ()
    subject: str = ""
    start: str = ""
    end: str = ""

    def chosen(self, zone: str = "UTC") -> AuditFilter:
        """The filter, its days in `zone`. InputError names what cannot be."""
        since, until = _midnight(self.start, zone), _midnight(self.end, zone, days=1)
        if since is not None and until is not None and since >= until:
            raise InputError(phrase("The start %(start)s is after the end %(end)s.", start=self.start, end=self.end))
        names = [name for name in self.action if name]
        return AuditFilter(self.who.strip(), frozenset(map(_action, names)), self.subject.strip(), since, until)


def entries(
    guard: Guard, chosen: AuditFilter, *, limit: int = 50, offset: int = 0
) -> tuple[tuple[AuditEntry, ...], int]:
    """Some of the entries, latest first, and how many there are. Raises ForbiddenError."""
    guard.need_role(RoleRight.VIEW_AUDIT)
    return guard.store.audit.page(chosen, limit=limit, offset=offset), guard.store.audit.count(chosen)


def exported(guard: Guard, chosen: AuditFilter, file_format: str) -> Iterator[bytes]:
    """All of the entries as a file, latest first; also adds to the log that they were exported.

    Raises ForbiddenError, and InputError for another format. What is added or pruned meanwhile leaves no gap.
    """
    guard.need_role(RoleRight.VIEW_AUDIT)
    if file_format not in FORMATS:
        raise InputError(
            phrase(
                "%(format)s is not a format of the audit log. Use one of: %(formats)s.",
                format=repr(file_format[:20]),
                formats=", ".join(FORMATS),
            )
        )
    guard.store.audit.add(AuditAction.AUDIT_EXPORT, WORKSPACE, {"format": file_format})
    return _as_csv(_all(guard, chosen)) if file_format == "csv" else _as_json(_all(guard, chosen))


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """An entry for programs: of the API, `audit --json`, and files."""
    values = (
        str(entry.id),
        entry.at,
        None if entry.user_id is None else str(entry.user_id),
        entry.user_name,
        str(entry.means),
        entry.token or None,
        str(entry.action),
        entry.action.label,
        entry.subject_kind,
        entry.subject_id or None,
        entry.subject_name or None,
        dict(entry.details),
    )
    return dict(zip(COLUMNS, values, strict=True))


def details_text(details: Mapping[str, Any]) -> str:
    """The details in words, such as "before: viewer, after: editor"."""
    named = ((_DETAILS.get(name) or name.replace("_", " "), value) for name, value in details.items())
    return ", ".join(f"{name}: {_text(value)}" for name, value in named)


_DETAILS: Mapping[str, Phrase] = {
    "account": Phrase("account"),
    "accounts": Phrase("accounts"),
    "address": Phrase("address"),
    "after": Phrase("after"),
    "app": Phrase("app"),
    "at": Phrase("at"),
    "audit_days": Phrase("audit days"),
    "audit_entries": Phrase("audit entries"),
    "before": Phrase("before"),
    "browsers_signed_out": Phrase("browsers signed out"),
    "changed": Phrase("changed"),
    "dataset": Phrase("dataset"),
    "dates": Phrase("dates"),
    "days": Phrase("days"),
    "end": Phrase("end"),
    "file": Phrase("file"),
    "format": Phrase("format"),
    "heir": Phrase("heir"),
    "log_days": Phrase("log days"),
    "log_lines": Phrase("log lines"),
    "old_key_removed": Phrase("old key removed"),
    "rates": Phrase("rates"),
    "read_only": Phrase("read only"),
    "removed": Phrase("removed"),
    "replaced": Phrase("replaced"),
    "role": Phrase("role"),
    "run": Phrase("run"),
    "run_days": Phrase("run days"),
    "runs": Phrase("runs"),
    "secret": Phrase("secret"),
    "selected": Phrase("selected"),
    "shared": Phrase("shared"),
    "source": Phrase("source"),
    "start": Phrase("start"),
    "table": Phrase("table"),
    "target": Phrase("target"),
    "targets": Phrase("targets"),
    "user": Phrase("user"),
    "valid_days": Phrase("valid days"),
    "version": Phrase("version"),
    "version_count": Phrase("version count"),
    "version_days": Phrase("version days"),
    "versions": Phrase("versions"),
}
"""The names of details in words. They are kept in English, as are the details themselves."""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return phrase("yes") if value else phrase("no")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return integer(value) if isinstance(value, int) else str(value)


def _all(guard: Guard, chosen: AuditFilter) -> Iterator[AuditEntry]:
    below: int | None = None
    while batch := guard.store.audit.page(chosen, limit=BATCH, below=below):
        yield from batch
        below = batch[-1].id


def _as_csv(wanted: Iterator[AuditEntry]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in wanted:
        with in_english():
            details = details_text(entry.details)
        values = entry_json(entry) | {"at": f"{entry.at:%Y-%m-%dT%H:%M:%SZ}", "details": details}
        # People choose the names, and a spreadsheet would run one that begins like a formula.
        writer.writerow([_guarded(value) if isinstance(value, str) else value for value in values.values()])
        if text.tell() > 1 << 16:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text


def _as_json(wanted: Iterator[AuditEntry]) -> Iterator[bytes]:
    before = b"["
    for entry in wanted:
        yield before + b"\n" + orjson.dumps(entry_json(entry), option=orjson.OPT_UTC_Z)
        before = b","
    yield b"[]\n" if before == b"[" else b"\n]\n"


def _action(name: str) -> AuditAction:
    if name in set(AuditAction):
        return AuditAction(name)
    near = [action for action in AuditAction if name.lower().replace(" ", "_") in (action, *str(action).split("_"))]
    fault = phrase("%(name)s is not an action.", name=repr(name))
    available = phrase("Available: %(actions)s.", actions=", ".join(AuditAction))
    raise InputError(f"{fault}{did_you_mean(near[:3])} {available}")


def _midnight(text: str, zone: str, days: int = 0) -> datetime | None:
    """The midnight that begins a day in the zone, or one so many days later; None for no text."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip()) + timedelta(days=days)
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(phrase("%(text)s is not a day. Write it as 2026-11-28.", text=repr(text[:40]))) from error
