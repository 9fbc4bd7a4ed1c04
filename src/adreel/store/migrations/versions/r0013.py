"""What a backfill waits for, and ad accounts that it goes on without."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two columns; the reasons of backfills that a person paused begin with "Paused".

    Who hears of failed runs also hears of backfills that wait: before, these were failed runs.
    """
    op.add_column("backfills", sa.Column("waits", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("backfills", sa.Column("accepted", sa.JSON(), nullable=False, server_default="[]"))
    op.execute(sa.text("UPDATE backfills SET waits = true WHERE state = 'paused' AND reason NOT LIKE 'Paused%'"))
    addresses = sa.table("notification_addresses", sa.column("id", sa.Integer), sa.column("kinds", sa.JSON))
    connection = op.get_bind()
    for number, kinds in connection.execute(sa.select(addresses.c.id, addresses.c.kinds)).all():
        if "failed" in kinds:
            changed = sa.update(addresses).where(addresses.c.id == number).values(kinds=[*kinds, "backfill_paused"])
            connection.execute(changed)
