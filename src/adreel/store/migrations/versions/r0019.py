"""Dashboards, their pins, and where they are sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds three tables."""
    op.create_table(
        "dashboards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("share", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_dashboards_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_dashboards"),
        sa.UniqueConstraint("share", name="uq_dashboards_share"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dashboards_user_id", "dashboards", ["user_id"])
    op.create_table(
        "pins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dashboard_id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=True),
        sa.Column("dataset_name", sa.String(), nullable=False),
        sa.Column("card", sa.String(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("removed_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["dashboard_id"], ["dashboards.id"], name="fk_pins_dashboard_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_pins_dataset_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_pins"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pins_dashboard_id", "pins", ["dashboard_id"])
    op.create_index("ix_pins_dataset_id", "pins", ["dataset_id"])
    op.create_table(
        "dashboard_deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dashboard_id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("weekdays", sa.JSON(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"], ["dashboards.id"], name="fk_dashboard_deliveries_dashboard_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["address_id"],
            ["notification_addresses.id"],
            name="fk_dashboard_deliveries_address_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dashboard_deliveries"),
        sa.UniqueConstraint("dashboard_id", "address_id", name="uq_dashboard_deliveries_dashboard_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dashboard_deliveries_address_id", "dashboard_deliveries", ["address_id"])
    op.create_index("ix_dashboard_deliveries_next_at", "dashboard_deliveries", ["next_at"])
