"""Saved queries of users: the right is checked through `adreel.access`, then they are written."""

from __future__ import annotations

from adreel.access import Guard, RoleRight
from adreel.errors import ForbiddenError, InputError
from adreel.language import phrase
from adreel.store import Role, SavedQuery, User


def save(guard: Guard, name: str, sql: str, *, shared: bool) -> SavedQuery:
    """A new query of the actor. ForbiddenError for sharing without the right, errors as `SavedQueries.add`."""
    guard.need_role(RoleRight.SHARE_QUERIES if shared else RoleRight.SAVE_QUERIES)
    return guard.store.saved_queries.add(_user(guard), name, sql, shared=shared)


def may_change(guard: Guard, query: SavedQuery) -> bool:
    """Whether the actor may change or delete the query: its owner, and administrators if it is shared."""
    user = _user(guard)
    return query.user_id == user.id or (query.shared and user.role is Role.ADMIN)


def change(
    guard: Guard,
    query_id: int,
    *,
    name: str | None = None,
    sql: str | None = None,
    shared: bool | None = None,
) -> SavedQuery:
    """The query with changes; what is None stays. NotFoundError, ForbiddenError, and errors as `SavedQueries.add`."""
    query = _changeable(guard, query_id)
    if shared and not query.shared:
        guard.need_role(RoleRight.SHARE_QUERIES)
    if shared is False and query.user_id is None:
        raise InputError(phrase("This query has no owner and stays shared. Delete it instead."))
    return guard.store.saved_queries.change(query, name=name, sql=sql, shared=shared)


def remove(guard: Guard, query_id: int) -> SavedQuery:
    """Deletes the query, and returns it as it was. NotFoundError, ForbiddenError."""
    query = _changeable(guard, query_id)
    guard.store.saved_queries.delete(query)
    return query


def forget_history(guard: Guard, past_id: int | None = None) -> int:
    """Forgets one of the actor's last queries, or all; returns how many."""
    guard.need_role(RoleRight.SAVE_QUERIES)
    return guard.store.query_history.delete(_user(guard), past_id)


def _changeable(guard: Guard, query_id: int) -> SavedQuery:
    guard.need_role(RoleRight.SAVE_QUERIES)
    query = guard.store.saved_queries.get(_user(guard), query_id)
    if not may_change(guard, query):
        owner, name = query.owner or phrase("an administrator"), repr(query.name)
        raise ForbiddenError(
            phrase("Only %(owner)s can change %(query)s. Save a copy instead.", owner=owner, query=name)
        )
    return query


def _user(guard: Guard) -> User:
    if guard.actor.user is None:
        raise InputError(phrase("Saved queries belong to users."))
    return guard.actor.user
