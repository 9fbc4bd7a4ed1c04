"""What versions restated, and daily sums of ad accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds three tables, which fill as versions are looked at."""
    op.create_table(
        "version_figures",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("read_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_version_figures_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_version_figures_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", name="pk_version_figures"),
    )
    op.create_index("ix_version_figures_dataset_id", "version_figures", ["dataset_id"])
    op.create_index("ix_version_figures_read_at", "version_figures", ["read_at"])
    op.create_table(
        "restated_amounts",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("advertiser_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["version_figures.run_id"], name="fk_restated_amounts_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "advertiser_id", "currency", name="pk_restated_amounts"),
    )
    op.create_table(
        "daily_sums",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("advertiser_id", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("complete_day", sa.Date(), nullable=True),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_daily_sums_dataset_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", "advertiser_id", "metric", "currency", name="pk_daily_sums"),
    )
