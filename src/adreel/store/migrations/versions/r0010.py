"""The audit log, the retention policy, and when each dataset was last pruned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds three tables; what was done before is not in the log."""
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("means", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("subject_name", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "retention",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_days", sa.Integer()),
        sa.Column("version_count", sa.Integer(), nullable=False),
        sa.Column("run_days", sa.Integer()),
        sa.Column("log_days", sa.Integer()),
        sa.Column("audit_days", sa.Integer()),
        sa.Column("swept_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_retention"),
    )
    op.create_table(
        "prunings",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_prunings_dataset_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_prunings"),
    )
