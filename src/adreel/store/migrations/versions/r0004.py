"""Who keeps what they had of datasets whose account was deleted, and keys by which a run is asked for once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two tables; of accounts that were deleted before, nobody knows with whom they were shared."""
    op.create_table(
        "dataset_shares",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_dataset_shares_dataset_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_dataset_shares_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", "user_id", name="pk_dataset_shares"),
    )
    op.create_index("ix_dataset_shares_user_id", "dataset_shares", ["user_id"])
    op.create_table(
        "run_keys",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("asked_hash", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_run_keys_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_keys_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "key_hash", name="pk_run_keys"),
    )
    op.create_index("ix_run_keys_created_at", "run_keys", ["created_at"])
