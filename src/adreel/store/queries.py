"""Queries that users saved, and the last ones that they ran."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update

from adreel.errors import ExistsError, InputError, NotFoundError
from adreel.language import integer, phrase
from adreel.store.audit import AuditAction, Subject, record
from adreel.store.database import Database
from adreel.store.names import LONGEST_NAME, clean_name
from adreel.store.records import PastQuery, SavedQuery, User
from adreel.store.tables import query_history, saved_queries, users

MOST_SAVED = 200
"""Saved queries of one user."""

MOST_PAST = 50
"""Queries that are remembered of one user; the oldest are forgotten."""

LONGEST_SQL = 50_000
"""Characters of a query that is run or saved."""


class SavedQueries:
    """The saved queries of one home. Who may change one is not asked here: that is `adreel.saved_queries`."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def list(self, user: User) -> tuple[SavedQuery, ...]:
        """The queries of the user and those that others share, by name."""
        with self._database.read() as connection:
            rows = connection.execute(_seen_by(user).order_by(func.lower(saved_queries.c.name), saved_queries.c.id))
            return tuple(_query(row) for row in rows.all())

    def get(self, user: User, query_id: int) -> SavedQuery:
        """One of the queries that `list` has. NotFoundError if it is none of them."""
        with self._database.read() as connection:
            return _one(connection, user, query_id)

    def add(self, user: User, name: str, sql: str, *, shared: bool) -> SavedQuery:
        """A new query of the user. InputError for a name or SQL that is none, ExistsError for a name in use."""
        name, sql, now = clean_name(name, phrase("a query"), LONGEST_NAME), _sql(sql), self._clock()
        with self._database.write() as connection:
            mine = connection.execute(select(func.count()).where(saved_queries.c.user_id == user.id)).scalar()
            if (mine or 0) >= MOST_SAVED:
                raise InputError(
                    phrase("You have %(limit)s saved queries, which is the limit. Delete one first.", limit=MOST_SAVED)
                )
            _refuse_taken(connection, user.id, name)
            values = {"user_id": user.id, "name": name, "sql": sql, "shared": shared}
            statement = insert(saved_queries).values(**values, created_at=now, updated_at=now)
            key = connection.execute(statement.returning(saved_queries.c.id)).scalar_one()
            record(connection, now, AuditAction.QUERY_SAVE, Subject(str(key), name), {"shared": shared})
            return _one(connection, user, key)

    def change(
        self, query: SavedQuery, *, name: str | None = None, sql: str | None = None, shared: bool | None = None
    ) -> SavedQuery:
        """The query with changes; what is None stays. Errors as `add`, and NotFoundError if it was deleted."""
        now = self._clock()
        changes: dict[str, object] = {"updated_at": now}
        if name is not None:
            changes["name"] = clean_name(name, phrase("a query"), LONGEST_NAME)
        if sql is not None:
            changes["sql"] = _sql(sql)
        if shared is not None:
            changes["shared"] = shared
        with self._database.write() as connection:
            if "name" in changes and query.user_id is not None:
                _refuse_taken(connection, query.user_id, str(changes["name"]), besides=query.id)
            statement = update(saved_queries).where(saved_queries.c.id == query.id).values(changes)
            if not connection.execute(statement).rowcount:
                raise _deleted(query)
            details = {"changed": sorted(set(changes) - {"updated_at"})}
            record(connection, now, AuditAction.QUERY_CHANGE, Subject.of(query), details)
            row = connection.execute(_all().where(saved_queries.c.id == query.id)).one()
            return _query(row)

    def delete(self, query: SavedQuery) -> None:
        """Forgets the query. NotFoundError if it was deleted already."""
        with self._database.write() as connection:
            if not connection.execute(delete(saved_queries).where(saved_queries.c.id == query.id)).rowcount:
                raise _deleted(query)
            record(connection, self._clock(), AuditAction.QUERY_DELETE, Subject.of(query))


class QueryHistory:
    """The last queries of each user, which only they see."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def list(self, user: User) -> tuple[PastQuery, ...]:
        """The user's last queries, the newest first."""
        history = query_history
        columns = (history.c.id, history.c.sql, history.c.ran_at, history.c.seconds, history.c.rows, history.c.more)
        statement = select(*columns).where(history.c.user_id == user.id).order_by(history.c.id.desc()).limit(MOST_PAST)
        with self._database.read() as connection:
            return tuple(PastQuery(**row._asdict()) for row in connection.execute(statement).all())

    def add(self, user: User, sql: str, seconds: float, rows: int | None, *, more: bool = False) -> None:
        """Remembers a query, and forgets the same text run before and what is over `MOST_PAST`."""
        mine = query_history.c.user_id == user.id
        values = {"sql": sql, "ran_at": self._clock(), "seconds": seconds, "rows": rows, "more": more}
        with self._database.write() as connection:
            connection.execute(delete(query_history).where(mine, query_history.c.sql == sql))
            connection.execute(insert(query_history).values(user_id=user.id, **values))
            newest = select(query_history.c.id).where(mine).order_by(query_history.c.id.desc()).limit(MOST_PAST)
            connection.execute(delete(query_history).where(mine, query_history.c.id.not_in(newest.scalar_subquery())))

    def delete(self, user: User, past_id: int | None = None) -> int:
        """Forgets one of the user's queries, or all; returns how many."""
        statement = delete(query_history).where(query_history.c.user_id == user.id)
        if past_id is not None:
            statement = statement.where(query_history.c.id == past_id)
        with self._database.write() as connection:
            return connection.execute(statement).rowcount


def _all() -> Select[tuple[object, ...]]:
    return select(saved_queries, users.c.name.label("owner")).outerjoin(users, users.c.id == saved_queries.c.user_id)


def _seen_by(user: User) -> Select[tuple[object, ...]]:
    return _all().where(or_(saved_queries.c.user_id == user.id, saved_queries.c.shared))


def _one(connection: Connection, user: User, query_id: int) -> SavedQuery:
    row = connection.execute(_seen_by(user).where(saved_queries.c.id == query_id)).first()
    if row is None:
        raise NotFoundError(phrase("The saved query does not exist, or is not shared with you."))
    return _query(row)


def _query(row: Row[tuple[object, ...]]) -> SavedQuery:
    values = row._asdict()
    return SavedQuery(**{**values, "owner": values["owner"] or ""})


def _refuse_taken(connection: Connection, user_id: int, name: str, besides: int | None = None) -> None:
    mine = saved_queries.c.user_id == user_id, saved_queries.c.name == name
    holder = connection.execute(select(saved_queries.c.id).where(*mine)).scalar()
    if holder is not None and holder != besides:
        raise ExistsError(phrase("A saved query %(name)s already exists. Choose another name.", name=repr(name)))


def is_text(sql: str) -> bool:
    """Whether the characters can be kept by every database: no NUL, and no half of a character."""
    return re.search("[\0\ud800-\udfff]", sql) is None


def _sql(sql: str) -> str:
    if not sql.strip():
        raise InputError(phrase("The query is empty. Write the SQL before saving it."))
    if len(sql) > LONGEST_SQL:
        raise InputError(
            phrase(
                "The query has %(characters)s characters; the limit is %(limit)s.",
                characters=integer(len(sql)),
                limit=integer(LONGEST_SQL),
            )
        )
    if not is_text(sql):
        raise InputError(phrase("The query has characters that are not text; retype it."))
    return sql


def _deleted(query: SavedQuery) -> NotFoundError:
    return NotFoundError(phrase("The saved query %(name)s was deleted meanwhile.", name=repr(query.name)))
