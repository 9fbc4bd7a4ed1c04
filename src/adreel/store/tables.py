"""The tables. A change here needs a migration (see `migrations/`) and a new `HEAD` in database.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
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
    false,
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

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """For the program. In one step: lists of a thousand rows have several times each."""
        read = self.impl_instance.result_processor(dialect, coltype)

        def process(value: Any) -> datetime | None:
            time = read(value) if read else value
            return time.replace(tzinfo=UTC) if time is not None else None

        return process


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
    # The level that every user has at least.
    Column("everyone", String, nullable=False, server_default="none"),
    # The numbers of the permissions that TikTok gave with the token; null where they are not known.
    Column("scopes", JSON(none_as_null=True)),
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
    Column("owner_id", ForeignKey("users.id", ondelete="SET NULL")),
    # When its schedule is due next; null without a schedule, while it is paused, and when no time is left.
    Column("next_run_at", Utc),
    # When a person paused the schedule.
    Column("paused_at", Utc),
    # Seconds without an update after which it is stale; null where nobody asked.
    Column("stale_after", Integer),
    # The version of the spec since which TikTok is asked for the same.
    Column("request_version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("slug"),
    UniqueConstraint("table_slug"),
    UniqueConstraint("name"),
    Index(None, "account_id"),
    Index(None, "next_run_at"),
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
    Column("verification", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("skipped", JSON, nullable=False),
    Column("error", Text, nullable=False),
    Column("error_kind", String, nullable=False),
    # The name of the user who asked, kept when the user goes; empty for the command line's own.
    Column("triggered_by", String, nullable=False, server_default=""),
    # The whole table as the run left it, so that lists need not open tables.
    Column("table_rows", Integer),
    Column("table_columns", Integer),
    Column("notes", JSON, nullable=False, server_default="[]"),
    # Both of a restore only.
    Column("restored_version", Integer),
    Column("rows_read_at", Utc),
    Column("phase", String),
    Column("share", Float, nullable=False, server_default="0"),
    # What asked for the run: a person, the schedule, or a backfill.
    Column("trigger", String, nullable=False, server_default="person"),
    # The time of the schedule that the run stands for.
    Column("due_at", Utc),
    # A queued run waits until then, as after a failed attempt.
    Column("not_before", Utc),
    Column("attempt", Integer, nullable=False, server_default="1"),
    # The worker that took the run; empty while none has, and for the command line's own.
    Column("worker", String, nullable=False, server_default=""),
    # How often a process of the run ended without a word.
    Column("deaths", Integer, nullable=False, server_default="0"),
    # Whether notifications have looked at how it ended.
    Column("noticed", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("id"),
    Index(None, "dataset_id"),
    # Two workers cannot start one time of a schedule twice.
    Index("uq_runs_dataset_id", "dataset_id", "due_at", unique=True),
    Index(None, "state"),
    Index(None, "noticed"),
    sqlite_autoincrement=True,
)

backfills = Table(
    "backfills",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("slice_days", Integer, nullable=False),
    # What a slice of so many days takes: estimated, then as the latest slice took.
    Column("slice_requests", Float, nullable=False),
    Column("slice_seconds", Float, nullable=False),
    Column("state", String, nullable=False),
    # The latest day that no slice has read yet; the day before the first one when all are read.
    Column("next_day", Date, nullable=False),
    # The run of the slice that was begun last; null between two slices.
    Column("run_id", String),
    # The dataset's when it began or was resumed.
    Column("request_version", Integer, nullable=False),
    Column("triggered_by", String, nullable=False),
    # Why it is paused; empty otherwise.
    Column("reason", Text, nullable=False),
    # Whether it paused by itself, and waits for a person.
    Column("waits", Boolean, nullable=False, server_default=false()),
    # Ids of ad accounts that a person accepted to be left out.
    Column("accepted", JSON, nullable=False, server_default="[]"),
    Column("created_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Index(None, "dataset_id"),
    Index(None, "state"),
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

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    # The name as it is compared: without regard to case.
    Column("name_key", String, nullable=False),
    # Argon2id with its parameters and salt (see passwords.py).
    Column("password", String, nullable=False),
    Column("role", String, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("seen_at", Utc),
    UniqueConstraint("name_key"),
    sqlite_autoincrement=True,
)

# Of every secret that a browser or a program shows, only its SHA-256 is kept (see secrets.py).
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("secret_hash", String, nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("agent", String, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    UniqueConstraint("secret_hash"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("secret_hash", String, nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("used_at", Utc),
    UniqueConstraint("secret_hash"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

# Sign-ins that failed. The name only as SHA-256: people type passwords there.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name_hash", String, nullable=False),
    Column("address", String, nullable=False),
    Column("at", Utc, nullable=False),
    # Seconds that this failure makes the same name and address wait.
    Column("wait", Integer, nullable=False),
    Index(None, "name_hash"),
    Index(None, "address"),
    Index(None, "at"),
)

account_shares = Table(
    "account_shares",
    metadata,
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("level", String, nullable=False),
    Index(None, "user_id"),
)

consents = Table(
    "consents",
    metadata,
    Column("state_hash", String, primary_key=True),
    Column("session_hash", String, nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("name", String),
    Column("created_at", Utc, nullable=False),
    Column("used_at", Utc),
    # Whether it began on the guide, to which the browser then comes back.
    Column("guided", Boolean, nullable=False, server_default=false()),
)

# One row, or none while the app is in the environment alone. The secret is encrypted (see secrets.py).
tiktok_app = Table(
    "tiktok_app",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("app_id", String, nullable=False),
    Column("secret", Text, nullable=False),
    Column("changed_at", Utc, nullable=False),
    Column("changed_by", String, nullable=False),
)

# Steps of setting up the app that a person marked as done.
guide_steps = Table(
    "guide_steps",
    metadata,
    Column("step", String, primary_key=True),
    Column("done_at", Utc, nullable=False),
    Column("done_by", String, nullable=False),
)

# Private ones go with their user; shared ones stay, without an owner.
saved_queries = Table(
    "saved_queries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL")),
    Column("name", String, nullable=False),
    Column("sql", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    UniqueConstraint("user_id", "name"),
    sqlite_autoincrement=True,
)

# The last queries of each user. Rows are null for a query that failed.
query_history = Table(
    "query_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("sql", Text, nullable=False),
    Column("ran_at", Utc, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("rows", Integer),
    # Whether there were more rows than those.
    Column("more", Boolean, nullable=False),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

# One row, or none while everything is as it was at first.
workspace = Table(
    "workspace",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("zone", String, nullable=False),
)

# Tables in the lake that outlived their datasets.
kept_tables = Table(
    "kept_tables",
    metadata,
    Column("table_slug", String, primary_key=True),
)

# What users had of a dataset through its account when that was deleted; gone when it gets another account.
dataset_shares = Table(
    "dataset_shares",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("level", String, nullable=False),
    Index(None, "user_id"),
)

# Runs that programs asked for under a key of theirs, so that asking again gives the same run. Both as SHA-256.
run_keys = Table(
    "run_keys",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key_hash", String, primary_key=True),
    Column("asked_hash", String, nullable=False),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Utc, nullable=False),
    Index(None, "created_at"),
)

# What the latest run of each dataset took, from which later ones are estimated.
run_sizes = Table(
    "run_sizes",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("run_id", String, nullable=False),
    Column("shape", Text, nullable=False),
    Column("own_dates", Boolean, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("predicted", Integer, nullable=False),
    # By advertiser: rows and days.
    Column("rows", JSON, nullable=False),
    Column("at", Utc, nullable=False),
    Index(None, "shape"),
)

# Processes that take runs from the queue. Times are the machine's own, also in a home that follows a simulator.
workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("runs_at_once", Integer, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("heartbeat_at", Utc, nullable=False),
    Column("ended_at", Utc),
)

# Ends of runs, added up in the transaction that ends each, so that totals stay when runs are pruned.
run_totals = Table(
    "run_totals",
    metadata,
    Column("trigger", String, primary_key=True),
    Column("state", String, primary_key=True),
    # The bound of the duration by which runs are counted.
    Column("most_seconds", Integer, primary_key=True, autoincrement=False),
    Column("runs", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("restated_cells", BigInteger, nullable=False),
)

# Requests of each TikTok app, by periods of five minutes that begin at these epoch seconds; 0 is of all older ones.
app_requests = Table(
    "app_requests",
    metadata,
    Column("app_id", String, primary_key=True),
    Column("began", BigInteger, primary_key=True, autoincrement=False),
    Column("sent", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)

# What people did. Ids and names stay when what they name is deleted, so there are no foreign keys.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("user_id", Integer),
    Column("user_name", String, nullable=False),
    Column("means", String, nullable=False),
    Column("token", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject_kind", String, nullable=False),
    Column("subject_id", String, nullable=False),
    Column("subject_name", String, nullable=False),
    Column("details", JSON, nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

# One row, or none while everything is as it was at first. Empty days: kept for good.
retention = Table(
    "retention",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version_days", Integer),
    Column("version_count", Integer, nullable=False),
    Column("run_days", Integer),
    Column("log_days", Integer),
    Column("audit_days", Integer),
    # When old logs, runs of deleted datasets and audit entries were last removed to the end.
    Column("swept_at", Utc),
)

# When the versions and runs of a dataset were last pruned, or are tried again if it was running then.
prunings = Table(
    "prunings",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("next_at", Utc, nullable=False),
)

# Who hears of incidents: of the workspace (neither dataset nor user), of a dataset, or of a person.
notification_addresses = Table(
    "notification_addresses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    # Who added it: the id goes with the user and the name stays; both empty for the operator of the machine.
    Column("added_by", ForeignKey("users.id", ondelete="SET NULL")),
    Column("added_by_name", String, nullable=False),
    Column("name", String, nullable=False),
    # Encrypted (see secrets.py), and what may be shown of it.
    Column("url", Text, nullable=False),
    Column("shown", String, nullable=False),
    Column("kinds", JSON, nullable=False),
    # Of a person's address: only what they own.
    Column("owned_only", Boolean, nullable=False),
    # The least restatement to hear of: in percent of a sum, or in values.
    Column("least_percent", Float),
    Column("least_values", Integer),
    Column("created_at", Utc, nullable=False),
    # The last delivery failed, and all since this time.
    Column("failing_since", Utc),
    Column("failure", Text, nullable=False),
    Column("delivered_at", Utc),
    Index(None, "dataset_id"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    # What it is about; unique among those that are not over, and null for the others.
    Column("open_key", String),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("opened_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("first_run", String, nullable=False),
    Column("last_run", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("percent", Float),
    Column("values_restated", Integer),
    # When it was decided who hears that it is open, and that it is over.
    Column("routed_at", Utc),
    Column("settled_at", Utc),
    UniqueConstraint("open_key"),
    Index(None, "dataset_id"),
    Index(None, "settled_at"),
    sqlite_autoincrement=True,
)

# Messages to send, and those that were sent.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("address_id", ForeignKey("notification_addresses.id", ondelete="CASCADE"), nullable=False),
    Column("state", String, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("claim", String, nullable=False),
    Column("claimed_until", Utc),
    Column("finished_at", Utc),
    Column("error", Text, nullable=False),
    Index(None, "address_id"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)

# That an address hears of an incident, once that it is open and once that it is over; waits for its delivery.
notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("address_id", ForeignKey("notification_addresses.id", ondelete="CASCADE"), nullable=False),
    Column("incident_id", ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False),
    Column("over", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE")),
    UniqueConstraint("address_id", "incident_id", "over"),
    Index(None, "incident_id"),
    Index(None, "delivery_id"),
    sqlite_autoincrement=True,
)

# Runs whose restatement is still to be measured.
restatement_checks = Table(
    "restatement_checks",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
)

# What a run's version changed of the days that TikTok had completed before; kept so that no page compares versions.
version_figures = Table(
    "version_figures",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    # The version that it was compared with; null if it was compared with none.
    Column("before", Integer),
    Column("state", String, nullable=False),
    Column("read_at", Utc, nullable=False),
    Index(None, "dataset_id"),
    Index(None, "read_at"),
)

restated_amounts = Table(
    "restated_amounts",
    metadata,
    Column("run_id", ForeignKey("version_figures.run_id", ondelete="CASCADE"), primary_key=True),
    Column("advertiser_id", String, primary_key=True),
    # Empty where it is not known.
    Column("currency", String, primary_key=True),
    # Amounts as texts, by column, by day.
    Column("days", JSON, nullable=False),
)

# Sums of each day of the newest version, of datasets whose rows are all figures of their ad accounts.
daily_sums = Table(
    "daily_sums",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("advertiser_id", String, primary_key=True),
    Column("metric", String, primary_key=True),
    Column("currency", String, primary_key=True),
    # The run whose version it is; of another version the sums say nothing.
    Column("run_id", String, nullable=False),
    # The days without a gap that were read up to the last one, and the last of them that TikTok had completed.
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("complete_day", Date),
    # Amounts as texts by day; a day between the first and the last that has none had no rows.
    Column("days", JSON, nullable=False),
)

# Lists of metrics under names. Without a user: of the operator, or shared by a user who was deleted.
metric_presets = Table(
    "metric_presets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("name", String, nullable=False),
    # As names are compared.
    Column("name_key", String, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

# Links by which anybody who has one reads a look at a dataset's table as CSV. Of the secret only its SHA-256 is kept.
export_links = Table(
    "export_links",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("secret_hash", String, nullable=False),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    # Who made it, and whose rights it has; null for the operator of the machine.
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("user_name", String, nullable=False),
    Column("name", String, nullable=False),
    # Columns, filters and order, see `datasets.looks`.
    Column("look", JSON, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("used_at", Utc),
    # Kept after it is revoked, so that who uses it is told so.
    Column("revoked_at", Utc),
    UniqueConstraint("secret_hash"),
    Index(None, "dataset_id"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

# Looks at tables that people gave a name.
saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    # Whether all who may see the dataset see it.
    Column("shared", Boolean, nullable=False),
    Column("look", JSON, nullable=False),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("dataset_id", "user_id", "name"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

# The columns of a table that a person chose, in their order.
column_choices = Table(
    "column_choices",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("columns", JSON, nullable=False),
    Index(None, "user_id"),
)

# Forms of datasets that people filled in and did not save: of a new dataset, or of the settings of one.
drafts = Table(
    "drafts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # Of the page that began it.
    Column("key", String, nullable=False),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("title", String, nullable=False),
    # Pairs of a name and a value, in the order of the form.
    Column("fields", JSON, nullable=False),
    # The page that wrote last.
    Column("tab", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("saved_at", Utc, nullable=False),
    # A discarded draft can be restored for a while.
    Column("discarded_at", Utc),
    UniqueConstraint("user_id", "key"),
    Index(None, "dataset_id"),
    sqlite_autoincrement=True,
)

# Dashboards of people; those without a user are the operator's. They go with their user.
dashboards = Table(
    "dashboards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE")),
    Column("name", String, nullable=False),
    # As names are compared.
    Column("name_key", String, nullable=False),
    # The last part of the address at which all users find it; null while it is not shared.
    Column("share", String),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    UniqueConstraint("share"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)

# Charts on dashboards. A deleted dataset leaves its pins, which then say so.
pins = Table(
    "pins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dashboard_id", ForeignKey("dashboards.id", ondelete="CASCADE"), nullable=False),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="SET NULL")),
    Column("dataset_name", String, nullable=False),
    # The key of the chart.
    Column("card", String, nullable=False),
    # What is chosen, as the query of the address of the Charts tab.
    Column("query", Text, nullable=False),
    # Empty: the chart's own.
    Column("title", String, nullable=False),
    # Places are in order, and may have gaps.
    Column("place", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    # A removed pin can be restored for a while.
    Column("removed_at", Utc),
    Index(None, "dashboard_id"),
    Index(None, "dataset_id"),
    sqlite_autoincrement=True,
)

# To which address a dashboard is sent, and when.
dashboard_deliveries = Table(
    "dashboard_deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dashboard_id", ForeignKey("dashboards.id", ondelete="CASCADE"), nullable=False),
    Column("address_id", ForeignKey("notification_addresses.id", ondelete="CASCADE"), nullable=False),
    # The time of the day, as 08:00, and the weekdays, in the zone of the workspace when the next time was counted.
    Column("at", String, nullable=False),
    Column("weekdays", JSON, nullable=False),
    Column("zone", String, nullable=False),
    # The time that is sent next, or is being sent; and when that is tried next.
    Column("due_at", Utc, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claim", String, nullable=False),
    Column("claimed_until", Utc),
    Column("created_at", Utc, nullable=False),
    Column("sent_at", Utc),
    # Why the latest time was not sent; empty if it was.
    Column("failure", Text, nullable=False),
    UniqueConstraint("dashboard_id", "address_id"),
    Index(None, "address_id"),
    Index(None, "next_at"),
    sqlite_autoincrement=True,
)

# Where exchange rates come from.
rate_imports = Table(
    "rate_imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("imported_at", Utc, nullable=False),
    Column("imported_by", String, nullable=False),
    # Empty for rates that were pasted.
    Column("file", String, nullable=False),
    sqlite_autoincrement=True,
)

# One unit of the currency was worth `rate` units of the target from this day on.
exchange_rates = Table(
    "exchange_rates",
    metadata,
    Column("target", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("day", Date, primary_key=True),
    # A decimal as a text.
    Column("rate", String, nullable=False),
    Column("import_id", ForeignKey("rate_imports.id"), nullable=False),
    Index(None, "import_id"),
)

# One row, or none while everything is as it was at first.
rate_settings = Table(
    "rate_settings",
    metadata,
    Column("id", Integer, primary_key=True),
    # For how many days a rate holds if no other of its currency follows.
    Column("valid_days", Integer, nullable=False),
)

# Databases elsewhere to which datasets publish their tables.
destinations = Table(
    "destinations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    # As names are compared.
    Column("name_key", String, nullable=False),
    Column("kind", String, nullable=False),
    # Encrypted, as it has secrets; and without them, to be shown.
    Column("address", Text, nullable=False),
    Column("shown", String, nullable=False),
    Column("schema_name", String, nullable=False),
    # Whose tables datasets fill there: their own, or those of another connector.
    Column("layout", String, nullable=False, server_default="datasets"),
    # Tells the tables that this installation published there from those of others.
    Column("publisher", String, nullable=False),
    Column("created_at", Utc, nullable=False),
    UniqueConstraint("name_key"),
    sqlite_autoincrement=True,
)

# Which version of a dataset a destination has, and how the latest try went. Whether there are tries at all is in the
# dataset's file.
publications = Table(
    "publications",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("destination_id", ForeignKey("destinations.id", ondelete="CASCADE"), primary_key=True),
    Column("table_name", String, nullable=False),
    # Null until something was published.
    Column("version", Integer),
    Column("run_id", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("rows", Integer),
    Column("written", Integer),
    Column("removed", Integer),
    Column("seconds", Float),
    Column("published_at", Utc),
    # Failed tries since, the run whose version the latest was of, and when it is tried again.
    Column("attempts", Integer, nullable=False),
    Column("tried_run", String, nullable=False),
    Column("next_at", Utc),
    Column("failed_at", Utc),
    # When the first of these tries failed.
    Column("failing_since", Utc),
    Column("failure", Text, nullable=False),
    # Whether a person asked to drop the table there and load it anew.
    Column("reload", Boolean, nullable=False),
    Index(None, "destination_id"),
)
