"""The TikTok app and the steps of setting it up, scopes of accounts, saved queries, and queries that were run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds four tables and two columns; the scopes of accounts that were connected before are not known."""
    op.add_column("accounts", sa.Column("scopes", sa.JSON()))
    op.add_column("consents", sa.Column("guided", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "tiktok_app",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tiktok_app"),
    )
    op.create_table(
        "guide_steps",
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=False),
        sa.Column("done_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("step", name="pk_guide_steps"),
    )
    op.create_table(
        "saved_queries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_saved_queries_user_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_queries"),
        sa.UniqueConstraint("user_id", "name", name="uq_saved_queries_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "query_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("ran_at", sa.DateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("rows", sa.Integer()),
        sa.Column("more", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_query_history_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_query_history"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_query_history_user_id", "query_history", ["user_id"])
