"""Runs the migrations. Imported only when there is one to run: alembic costs 0.2 s."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config() -> Config:
    """Alembic's configuration, with the scripts of this package."""
    made = Config()
    # Alembic's options are templates, in which a percent sign is written twice.
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def upgrade(connection: Connection, revision: str) -> None:
    """Brings the schema up to `revision` within the transaction of `connection`."""
    made = config()
    made.attributes["connection"] = connection
    command.upgrade(made, revision)
