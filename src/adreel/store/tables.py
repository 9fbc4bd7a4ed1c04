"""The tables. A change here needs a migration (see `migrations/`) and a new `HEAD` in database.py."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Utc(TypeDecorator[datetime]):
    """An aware time, kept in UTC; databases without zones keep the wall clock of UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """For the database."""
        if value is None:
            return None
        assert value.tzinfo is not None, "times are aware"
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """For the program."""
        return value.replace(tzinfo=UTC) if value is not None else None


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# Alembic's own table, outside the schema that it manages.
alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# Facts about the database itself. An older adreel reads them, so this table never changes.
marks = Table(
    "marks",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("app_id", String, nullable=False),
    Column("base_url", String, nullable=False),
    # Both encrypted (see secrets.py); the secret is empty where none was given.
    Column("token", Text, nullable=False),
    Column("app_secret", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("selection", JSON(none_as_null=True)),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("last_checked_at", Utc),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

account_advertisers = Table(
    "account_advertisers",
    metadata,
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("advertiser_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("timezone", String, nullable=False),
    Column("display_timezone", String, nullable=False),
    Column("status", String, nullable=False),
    Column("country", String, nullable=False),
    Column("refreshed_at", Utc, nullable=False),
    Column("gone", Boolean, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", String, nullable=False),
    Column("table_slug", String, nullable=False),
    Column("name", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("account_id", ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("account_name", String, nullable=False),
    Column("spec", Text, nullable=False),
    Column("spec_version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    UniqueConstraint("slug"),
    UniqueConstraint("table_slug"),
    UniqueConstraint("name"),
    Index(None, "account_id"),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    # The order in which runs were asked for, also where clocks are coarse or go back.
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="SET NULL")),
    Column("dataset_name", String, nullable=False),
    Column("dataset_slug", String, nullable=False),
    Column("spec_version", Integer, nullable=False),
    Column("dates", JSON(none_as_null=True)),
    Column("state", String, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("started_at", Utc),
    Column("finished_at", Utc),
    Column("heartbeat_at", Utc),
    Column("cancel_requested", Boolean, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("chunks_done", Integer, nullable=False),
    Column("chunks_total", Integer, nullable=False),
    Column("requests_planned", Integer, nullable=False),
    Column("version", Integer),
    Column("proof", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("skipped", JSON, nullable=False),
    Column("error", Text, nullable=False),
    Column("error_kind", String, nullable=False),
    UniqueConstraint("id"),
    Index(None, "dataset_id"),
    sqlite_autoincrement=True,
)

run_log = Table(
    "run_log",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "run_id"),
    sqlite_autoincrement=True,
)
