"""Backfills, which are worked off in slices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a table; backfills of before were single runs."""
    op.create_table(
        "backfills",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("slice_days", sa.Integer(), nullable=False),
        sa.Column("slice_requests", sa.Float(), nullable=False),
        sa.Column("slice_seconds", sa.Float(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("next_day", sa.Date(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("request_version", sa.Integer(), nullable=False),
        sa.Column("triggered_by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_backfills_dataset_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_backfills"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_backfills_dataset_id", "backfills", ["dataset_id"])
    op.create_index("ix_backfills_state", "backfills", ["state"])
