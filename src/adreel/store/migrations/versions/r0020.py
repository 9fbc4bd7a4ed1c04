"""Exchange rates that people import."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds three tables."""
    op.create_table(
        "rate_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.Column("imported_by", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate_imports"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "exchange_rates",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rate", sa.String(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["rate_imports.id"], name="fk_exchange_rates_import_id"),
        sa.PrimaryKeyConstraint("target", "currency", "day", name="pk_exchange_rates"),
    )
    op.create_index("ix_exchange_rates_import_id", "exchange_rates", ["import_id"])
    op.create_table(
        "rate_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("valid_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate_settings"),
    )
