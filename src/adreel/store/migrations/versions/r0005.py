"""One word for each state of a run, restores as entries of their own, notes beside warnings."""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_RESTORED = re.compile(r"Version (\d+) was restored as version \d+: ")
_BACKFILL = re.compile(r"Only the days of this run were replaced\. ")

_runs = sa.table(
    "runs",
    *map(
        sa.column,
        ("id", "state", "created_at", "started_at", "verification", "warnings", "notes", "skipped", "requests_planned"),
    ),
    *map(sa.column, ("restored_version", "rows_read_at", "requests")),
)


def upgrade() -> None:
    """Renames states and columns. Restores were runs that began when their rows were read, before they were asked for;
    of one that ended early nobody knows the version.
    """
    op.execute("ALTER TABLE runs RENAME COLUMN proof TO verification")
    op.execute("ALTER TABLE runs RENAME COLUMN asked_by TO triggered_by")
    op.add_column("runs", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("runs", sa.Column("restored_version", sa.Integer()))
    op.add_column("runs", sa.Column("rows_read_at", sa.DateTime()))
    connection = op.get_bind()
    for row in connection.execute(sa.select(_runs)).mappings().all():
        values = _restore(row) | _texts(row)
        if values:
            connection.execute(sa.update(_runs).where(_runs.c.id == row["id"]).values(values))


def _restore(row: Any) -> dict[str, Any]:
    """The columns of a restore; none of a run."""
    requests = row["requests"] or row["requests_planned"]
    if row["started_at"] is None or row["started_at"] >= row["created_at"] or requests:
        return {}
    match = next(filter(None, map(_RESTORED.match, json.loads(row["warnings"]))), None)
    return {
        "rows_read_at": row["started_at"],
        "started_at": row["created_at"],
        "restored_version": int(match[1]) if match else None,
    }


def _texts(row: Any) -> dict[str, Any]:
    """The state, verification, warnings and notes of a run that created a version."""
    if row["state"] not in ("succeeded", "warned"):
        return {}
    texts, skipped = json.loads(row["warnings"]), json.loads(row["skipped"])
    notes = [text for text in texts if _RESTORED.match(text) or _BACKFILL.match(text)]
    warnings = [text for text in texts if text not in notes]
    verification = json.loads(row["verification"])
    if "proved" in verification:
        verification["verified"] = verification.pop("proved")
    for pair in verification.get("totals", {}).values():
        pair["actual"] = pair.pop("got")
    if row["state"] == "succeeded":
        state = "verified"
    elif not verification:
        state = "verification_unknown"
    elif not verification.get("verified"):
        state = "check_failed"
    elif skipped:
        state = "advertisers_skipped"
    else:
        state = "verified_with_warnings" if warnings else "verified"
    return {
        "state": state,
        "verification": json.dumps(verification),
        "warnings": json.dumps(warnings),
        "notes": json.dumps(notes),
    }
