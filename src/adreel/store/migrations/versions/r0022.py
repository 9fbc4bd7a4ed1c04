"""The layout of a destination's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a column."""
    op.add_column("destinations", sa.Column("layout", sa.String(), nullable=False, server_default="datasets"))
