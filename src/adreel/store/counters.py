"""The counters that number rows: an ID of a deleted row is not given anew, in another database neither."""

from __future__ import annotations

from sqlalchemy import Connection, Integer, Table, func, select, text


def counted(table: Table) -> str | None:
    """The column that numbers the rows of a table by itself."""
    column = table.autoincrement_column
    return column.name if column is not None and isinstance(column.type, Integer) and not column.foreign_keys else None


def last_id(connection: Connection, table: Table) -> int:
    """The last number that was given to a row; 0 if there is none."""
    name = counted(table)
    if name is None:
        return 0
    if connection.dialect.name == "sqlite":
        counter = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        own = counter.scalar() if table.dialect_options["sqlite"]["autoincrement"] else None
    else:
        own = connection.execute(
            text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :name)::regclass)"),
            {"table": table.name, "name": name},
        ).scalar()
    return int(own or connection.execute(select(func.max(table.c[name]))).scalar() or 0)


def set_last_id(connection: Connection, table: Table, number: int) -> None:
    """Has the next row get a greater number. Nothing to do where the greatest of the rows decides."""
    if connection.dialect.name == "sqlite":
        if table.dialect_options["sqlite"]["autoincrement"]:
            connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
            connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"),
                {"name": table.name, "seq": number},
            )
        return
    connection.execute(
        text("SELECT setval(pg_get_serial_sequence(:table, :name), :number)"),
        {"table": table.name, "name": counted(table), "number": number},
    )
