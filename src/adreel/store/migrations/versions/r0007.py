"""Schedules of datasets, the queue of runs, and the workers that take runs from it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns, a table and indexes; runs so far were asked for by people, and datasets have no schedule."""
    op.add_column("datasets", sa.Column("next_run_at", sa.DateTime()))
    op.add_column("datasets", sa.Column("paused_at", sa.DateTime()))
    op.add_column("datasets", sa.Column("stale_after", sa.Integer()))
    op.create_index("ix_datasets_next_run_at", "datasets", ["next_run_at"])
    op.add_column("runs", sa.Column("trigger", sa.String(), nullable=False, server_default="person"))
    op.add_column("runs", sa.Column("due_at", sa.DateTime()))
    op.add_column("runs", sa.Column("not_before", sa.DateTime()))
    op.add_column("runs", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("runs", sa.Column("worker", sa.String(), nullable=False, server_default=""))
    op.add_column("runs", sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_index("uq_runs_dataset_id", "runs", ["dataset_id", "due_at"], unique=True)
    op.create_table(
        "workers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("runs_at_once", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
