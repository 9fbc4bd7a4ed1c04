"""Runs the migrations. Imported only when there is one to run: alembic costs 0.2 s."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config() -> Config:
    """Alembic's configuration, with the scripts of this package."""
    alembic_config = Config()
    # Alembic's options are templates, in which a percent sign is written twice.
    alembic_config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return alembic_config


def upgrade(connection: Connection, revision: str) -> None:
    """Brings the schema up to `revision` within the transaction of `connection`."""
    alembic_config = config()
    alembic_config.attributes["connection"] = connection
    command.upgrade(alembic_config, revision)
