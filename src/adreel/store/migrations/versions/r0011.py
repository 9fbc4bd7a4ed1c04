"""Incidents, who hears of them, and the messages to send; which runs were looked at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds five tables and a column; runs that ended before are no news."""
    op.add_column("runs", sa.Column("noticed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE runs SET noticed = true WHERE finished_at IS NOT NULL"))
    op.create_index("ix_runs_noticed", "runs", ["noticed"])
    _addresses()
    _incidents()
    _messages()
    _measures()


def _addresses() -> None:
    """Adds who hears of incidents."""
    op.create_table(
        "notification_addresses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer()),
        sa.Column("user_id", sa.Integer()),
        sa.Column("added_by", sa.Integer()),
        sa.Column("added_by_name", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("owned_only", sa.Boolean(), nullable=False),
        sa.Column("least_percent", sa.Float()),
        sa.Column("least_values", sa.Integer()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("failing_since", sa.DateTime()),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.DateTime()),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_notification_addresses_dataset_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_notification_addresses_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["added_by"], ["users.id"], name="fk_notification_addresses_added_by", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification_addresses"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notification_addresses_dataset_id", "notification_addresses", ["dataset_id"])
    op.create_index("ix_notification_addresses_user_id", "notification_addresses", ["user_id"])


def _incidents() -> None:
    """Adds what happened."""
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("open_key", sa.String()),
        sa.Column("dataset_id", sa.Integer()),
        sa.Column("account_id", sa.Integer()),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("closed_at", sa.DateTime()),
        sa.Column("first_run", sa.String(), nullable=False),
        sa.Column("last_run", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("percent", sa.Float()),
        sa.Column("values_restated", sa.Integer()),
        sa.Column("routed_at", sa.DateTime()),
        sa.Column("settled_at", sa.DateTime()),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_incidents_dataset_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_incidents_account_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("open_key", name="uq_incidents_open_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incidents_dataset_id", "incidents", ["dataset_id"])
    op.create_index("ix_incidents_settled_at", "incidents", ["settled_at"])


def _messages() -> None:
    """Adds the messages, and what each tells."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.Column("claim", sa.String(), nullable=False),
        sa.Column("claimed_until", sa.DateTime()),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_id"], ["notification_addresses.id"], name="fk_deliveries_address_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_address_id", "deliveries", ["address_id"])
    op.create_index("ix_deliveries_state", "deliveries", ["state"])
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("delivery_id", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["address_id"], ["notification_addresses.id"], name="fk_notices_address_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="fk_notices_incident_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_notices_delivery_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("address_id", "incident_id", "over", name="uq_notices_address_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_delivery_id", "notices", ["delivery_id"])
    op.create_index("ix_notices_incident_id", "notices", ["incident_id"])


def _measures() -> None:
    """Adds what is still to be measured."""
    op.create_table(
        "restatement_checks",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_restatement_checks_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name="pk_restatement_checks"),
    )
