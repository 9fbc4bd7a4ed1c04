"""Tables that stayed in the lake when their datasets were deleted: no other dataset is to write into them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a table; of datasets that were deleted before, nobody knows whether their tables stayed."""
    op.create_table(
        "kept_tables",
        sa.Column("table_slug", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("table_slug", name="pk_kept_tables"),
    )
