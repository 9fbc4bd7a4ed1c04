"""The phase of a run and how much of it is done, and what the latest run of each dataset took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two columns and a table; runs that succeeded before are done."""
    op.add_column("runs", sa.Column("phase", sa.String()))
    op.add_column("runs", sa.Column("share", sa.Float(), nullable=False, server_default="0"))
    op.execute("UPDATE runs SET share = 1 WHERE version IS NOT NULL")
    op.create_table(
        "run_sizes",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("own_dates", sa.Boolean(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("predicted", sa.Integer(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_run_sizes_dataset_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_run_sizes"),
    )
    op.create_index("ix_run_sizes_shape", "run_sizes", ["shape"])
