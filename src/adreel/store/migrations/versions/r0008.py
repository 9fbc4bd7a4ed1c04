"""The version of a dataset's settings since which TikTok is asked for the same."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; what changed until now is not known, so that each change may have been one."""
    op.add_column("datasets", sa.Column("request_version", sa.Integer(), nullable=False, server_default="1"))
    op.execute("UPDATE datasets SET request_version = spec_version")
