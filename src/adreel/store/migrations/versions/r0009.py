"""Totals of ended runs, and the requests of each app, for metrics and the status page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two tables; counting begins with this version."""
    op.create_table(
        "run_totals",
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("most_seconds", sa.Integer(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("restated_cells", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trigger", "state", "most_seconds", name="pk_run_totals"),
    )
    op.create_table(
        "app_requests",
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "began", name="pk_app_requests"),
    )
