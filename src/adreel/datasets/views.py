"""Saved views of a table, and the columns that it shows at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from adreel.access import DatasetRight, Guard, RoleRight
from adreel.datasets.looks import TableLook, check_look
from adreel.datasets.schema import NAME_COLUMNS, Column
from adreel.errors import InputError
from adreel.lake import Lake
from adreel.language import phrase
from adreel.store import SavedDataset, SavedView, User

ADVERTISER = "advertiser_id"

_DAYS = ("stat_time_day", "stat_time_hour", "start_date", "end_date")
_CONTEXT = ("currency", "timezone", "stat_time_hour_utc")


def default_columns(names: Sequence[str], selected: Mapping[str, Column]) -> tuple[str, ...]:
    """A table's columns as they are shown at first: days, names, other texts, metrics, and last what explains them.

    Metrics are in the order of `names`, which is that of the dataset. Ids are last where the table has names for them,
    and before the metrics where it has none; that of the ad account is last also where there is a narrower one.
    """
    ids = [name for name in names if name in NAME_COLUMNS]
    named = {column for column in ids if NAME_COLUMNS[column] in names}
    named |= {ADVERTISER} if len(ids) > 1 else set()
    labels = [name for name in NAME_COLUMNS.values() if name in names]

    def place(name: str) -> int:
        if name in _DAYS:
            return 0
        if name in labels:
            return 1
        if name in _CONTEXT:
            return 5
        if name in named:
            return 6
        if name in NAME_COLUMNS:
            return 2
        column = selected.get(name)
        return 4 if column and column.part in ("metrics", "calculated") and column.type != "string" else 3

    # The narrowest entity first: the ad, then the ad group, then the campaign, then the ad account.
    narrow = ("ad_name", "adgroup_name", "campaign_name", "advertiser_name")
    return tuple(sorted(names, key=lambda name: (place(name), narrow.index(name) if name in narrow else 0)))


def save_view(
    guard: Guard, lake: Lake, saved: SavedDataset, name: str, look: TableLook, now: datetime, *, shared: bool
) -> SavedView:
    """Saves a look of the acting user under a name.

    Raises InputError for a look that the table cannot give, ExistsError for a name that they have, ForbiddenError for
    a viewer who shares it and for read-only tokens.
    """
    user = _user(guard, saved, shared=shared)
    check_look(lake, saved, look, now)
    return guard.store.saved_views.add(saved, user, name, look.as_json(), shared=shared)


def change_view(
    guard: Guard,
    lake: Lake,
    saved: SavedDataset,
    view_id: int,
    now: datetime,
    *,
    name: str | None = None,
    shared: bool | None = None,
    look: TableLook | None = None,
) -> SavedView:
    """Changes one of the acting user's own views; None stays. Raises as `save_view`, NotFoundError for another's."""
    user = _user(guard, saved, shared=bool(shared))
    if look is not None:
        check_look(lake, saved, look, now)
    values = None if look is None else look.as_json()
    return guard.store.saved_views.change(saved, user, view_id, name=name, shared=shared, look=values)


def delete_view(guard: Guard, saved: SavedDataset, view_id: int) -> SavedView:
    """Deletes one of the acting user's own views, and returns it. NotFoundError for another's."""
    return guard.store.saved_views.delete(saved, _user(guard, saved, shared=False), view_id)


def _user(guard: Guard, saved: SavedDataset, *, shared: bool) -> User:
    guard.need(DatasetRight.SEE, saved)
    guard.need_role(RoleRight.KEEP_VIEWS)
    if shared:
        guard.need_role(RoleRight.SHARE_VIEWS)
    if guard.actor.user is None:
        raise InputError(phrase("Saved views belong to users. Set ADREEL_USER to the name of one."))
    return guard.actor.user
