"""Saved views of tables, private or shared, and the columns that each person chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from adreel.errors import ExistsError, InputError, NotFoundError
from adreel.language import phrase
from adreel.store.database import Database
from adreel.store.names import clean_name
from adreel.store.records import SavedDataset, SavedView, User
from adreel.store.tables import column_choices, saved_views, users

MOST_VIEWS = 100
"""Saved views of one person for one dataset."""

_COLUMNS = (*saved_views.c, users.c.name.label("user_name"))


class SavedViews:
    """The saved views and column choices of one home."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def list(self, saved: SavedDataset, user: User) -> tuple[SavedView, ...]:
        """The user's own views of the dataset's table and those that others share, by name."""
        seen = or_(saved_views.c.user_id == user.id, saved_views.c.shared)
        statement = (
            select(*_COLUMNS)
            .join(users)
            .where(saved_views.c.dataset_id == saved.id, seen)
            .order_by(saved_views.c.name, saved_views.c.id)
        )
        with self._database.read() as connection:
            return tuple(SavedView(**row._asdict()) for row in connection.execute(statement))

    def get(self, saved: SavedDataset, user: User, view_id: int) -> SavedView:
        """A view that the user sees. NotFoundError if there is none of that id."""
        view = next((view for view in self.list(saved, user) if view.id == view_id), None)
        if view is None:
            raise NotFoundError(
                phrase(
                    "%(name)s has no saved view %(view_id)s, or it is not shared with you.",
                    name=repr(saved.name),
                    view_id=view_id,
                )
            )
        return view

    def add(self, saved: SavedDataset, user: User, name: str, look: Mapping[str, Any], *, shared: bool) -> SavedView:
        """Saves a view. ExistsError if the user has one of that name, InputError for a name that cannot be."""
        name = clean_name(name, phrase("a saved view"))
        with self._database.write() as connection:
            count = len(connection.execute(_own(saved, user)).all())
            if count >= MOST_VIEWS:
                raise InputError(
                    phrase(
                        "You have %(limit)s saved views of %(dataset)s, the most there can be. Delete one.",
                        limit=count,
                        dataset=repr(saved.name),
                    )
                )
            _refuse_taken(connection, saved, user, name)
            values = {"dataset_id": saved.id, "user_id": user.id, "name": name, "shared": shared, "look": dict(look)}
            statement = insert(saved_views).values(**values, created_at=self._clock()).returning(saved_views.c.id)
            view_id: int = connection.execute(statement).scalar_one()
        return self.get(saved, user, view_id)

    def change(
        self,
        saved: SavedDataset,
        user: User,
        view_id: int,
        *,
        name: str | None = None,
        shared: bool | None = None,
        look: Mapping[str, Any] | None = None,
    ) -> SavedView:
        """Changes one of the user's own views; None stays. NotFoundError for another's; ExistsError as `add`."""
        view = self._own(saved, user, view_id)
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = clean_name(name, phrase("a saved view"))
        if shared is not None:
            changes["shared"] = shared
        if look is not None:
            changes["look"] = dict(look)
        with self._database.write() as connection:
            if changes.get("name", view.name) != view.name:
                _refuse_taken(connection, saved, user, changes["name"])
            if changes:
                connection.execute(update(saved_views).where(saved_views.c.id == view.id).values(changes))
        return self.get(saved, user, view_id)

    def delete(self, saved: SavedDataset, user: User, view_id: int) -> SavedView:
        """Deletes one of the user's own views, and returns it. NotFoundError for another's."""
        view = self._own(saved, user, view_id)
        with self._database.write() as connection:
            connection.execute(delete(saved_views).where(saved_views.c.id == view.id))
        return view

    def _own(self, saved: SavedDataset, user: User, view_id: int) -> SavedView:
        view = self.get(saved, user, view_id)
        if view.user_id != user.id:
            raise NotFoundError(
                phrase(
                    "The saved view %(name)s is of %(user)s; only they can change it.",
                    name=repr(view.name),
                    user=view.user_name,
                )
            )
        return view

    # -- columns

    def columns(self, saved: SavedDataset, user: User) -> tuple[str, ...]:
        """The columns that the user chose for the dataset's table, in order; none if they never did."""
        mine = (column_choices.c.dataset_id == saved.id) & (column_choices.c.user_id == user.id)
        with self._database.read() as connection:
            names = connection.execute(select(column_choices.c.columns).where(mine)).scalar()
        return tuple(names or ())

    def choose_columns(self, saved: SavedDataset, user: User, names: Sequence[str]) -> None:
        """Keeps the columns for the next time; none forgets them."""
        mine = (column_choices.c.dataset_id == saved.id) & (column_choices.c.user_id == user.id)
        with self._database.write() as connection:
            connection.execute(delete(column_choices).where(mine))
            if names:
                values = {"dataset_id": saved.id, "user_id": user.id, "columns": list(names)}
                connection.execute(insert(column_choices).values(values))


def _own(saved: SavedDataset, user: User) -> Any:
    return select(saved_views.c.id).where(saved_views.c.dataset_id == saved.id, saved_views.c.user_id == user.id)


def _refuse_taken(connection: Connection, saved: SavedDataset, user: User, name: str) -> None:
    if connection.execute(_own(saved, user).where(saved_views.c.name == name)).first():
        raise ExistsError(phrase("You already have a saved view named %(name)s. Use another name.", name=repr(name)))
