"""Links that share a look at a table as CSV: who may make them, and what a link gives to whoever has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from adreel.access import Actor, DatasetRight, Guard, RoleRight
from adreel.datasets.calculated_columns import readable_table
from adreel.datasets.looks import TableLook, check_look
from adreel.errors import ForbiddenError, InputError, NotFoundError
from adreel.export.files import stream_sheets_csv
from adreel.lake import Lake, TableState
from adreel.language import integer, phrase, shown_day
from adreel.store import ExportLink, SavedDataset, Store

SHEETS_CELLS = 10_000_000
"""Cells of a Google spreadsheet (source: Google Drive Help, "Files you can store in Google Drive")."""

PRIVATE_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test")
"""Endings of host names that no public server has (source: RFC 6761, 6762, 8375, and ICANN's .internal)."""

LONGEST_SECRET = 100
"""Characters of an address that can be a link's secret."""


class LinkOverError(InputError):
    """The link was good once, and is no more."""


@dataclass(frozen=True, slots=True)
class LinkContent:
    """What a link gives: the dataset, and the look at its table."""

    link: ExportLink
    saved: SavedDataset
    look: TableLook


def path_of(secret: str) -> str:
    """The path of a link's address."""
    return f"/links/{secret}.csv"


def formula(web_url: str, secret: str) -> str:
    """What a person puts in a cell of Google Sheets."""
    return f'=IMPORTDATA("{web_url.rstrip("/")}{path_of(secret)}")'


def reach_warning(web_url: str) -> str:
    """Why Google cannot read a link at this address of the Data Center: its host is only of a private network."""
    host = urlsplit(web_url).hostname or ""
    try:
        is_private = not ip_address(host).is_global
    except ValueError:
        is_private = "." not in host or host.endswith(PRIVATE_NAMES)
    if not is_private:
        return ""
    return phrase(
        "Google Sheets cannot reach %(host)s, which is not on the internet. Set ADREEL_WEB_URL to the public address "
        "of the Data Center, or use the link with programs on this network.",
        host=host,
    )


def create_link(
    guard: Guard, lake: Lake, saved: SavedDataset, name: str, look: TableLook, days: int | None, now: datetime
) -> tuple[ExportLink, str]:
    """A new link with the rights of who asks, and its secret, which is shown once.

    Raises ForbiddenError for viewers and read-only tokens, InputError for a look that the table cannot give, and
    NotFoundError if there is no table yet.
    """
    guard.need_role(RoleRight.SHARE_LINKS)
    guard.need(DatasetRight.SEE, saved)
    if not lake.exists(saved.table_slug):
        raise NotFoundError(phrase("%(dataset)s has no table yet; run it first.", dataset=repr(saved.name)))
    check_look(lake, saved, look, now)
    return guard.store.export_links.add(saved, guard.actor.user, name, look.as_json(), days)


def may_revoke(guard: Guard, saved: SavedDataset, link: ExportLink) -> bool:
    """Whether who asks may revoke the link: its maker, and who may edit the dataset."""
    user = guard.actor.user
    own = user is not None and link.user_id == user.id
    return (own and guard.may_role(RoleRight.CHANGE_SELF)) or guard.may(DatasetRight.EDIT, saved)


def revoke_link(guard: Guard, saved: SavedDataset, link_id: int) -> ExportLink:
    """Ends a link. Raises ForbiddenError for one that another made, unless who asks may edit the dataset."""
    if guard.actor.read_only:
        guard.need_role(RoleRight.SHARE_LINKS)
    link = guard.store.export_links.get(saved, link_id)
    if not may_revoke(guard, saved, link):
        raise ForbiddenError(
            phrase(
                "Only %(user)s and users who can edit dataset %(dataset)s can revoke the link %(link)s.",
                user=link.user_name,
                dataset=repr(saved.name),
                link=repr(link.name),
            )
        )
    guard.store.export_links.revoke(saved, link_id)
    return link


def opened(store: Store, secret: str, now: datetime) -> LinkContent:
    """What the link of this secret gives.

    Raises NotFoundError if there is none, LinkOverError if it is over: revoked, expired, or of a person who may not
    see the dataset any more.
    """
    link = store.export_links.find(secret) if len(secret) <= LONGEST_SECRET else None
    if link is None:
        raise NotFoundError(phrase("This link does not exist, or the dataset or user that it belonged to was deleted."))
    if link.revoked_at is not None:
        raise LinkOverError(phrase("This link was revoked. Ask the person who sent it for a new one."))
    if link.expires_at is not None and link.expires_at <= now:
        raise LinkOverError(
            phrase(
                "This link expired on %(day)s. Ask the person who sent it for a new one.",
                day=shown_day(link.expires_at),
            )
        )
    saved = store.datasets.get(link.dataset_id)
    user = store.users.get(link.user_id) if link.user_id is not None else None
    if not Guard(store, Actor(user)).may(DatasetRight.SEE, saved):
        raise LinkOverError(
            phrase("%(user)s, who made this link, has no access to the dataset any more.", user=link.user_name)
        )
    return LinkContent(link, saved, TableLook.of_json(link.look))


def rows_of_link(lake: Lake, content: LinkContent, now: datetime) -> Any:
    """The newest version's rows as CSV for Google Sheets, piece by piece.

    Columns that the table has no more are left out. Raises InputError if a filter or the order needs one that is gone,
    NotFoundError without a table.
    """
    saved, look = content.saved, content.look
    table = readable_table(lake, saved, now)
    shown = _shown(look, table)
    reader = lake.read(table.slug, None, shown, where=look.where, order=look.order, calculated=table.calculated)
    return stream_sheets_csv(reader)


def _shown(look: TableLook, table: TableState) -> tuple[str, ...]:
    """The columns of a link: those that were chosen, else all as they are stored.

    Cells of a spreadsheet do not move when somebody puts the metrics of the dataset into another order.
    """
    return look.shown(table.in_order(()).readable.names)


def link_json(link: ExportLink) -> dict[str, Any]:
    """A link for programs: of the API and `links list --json`; without its secret."""
    return {
        "id": str(link.id),
        "name": link.name,
        "created_by": link.user_name,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "used_at": link.used_at,
        **link.look,
    }


def size_of(lake: Lake, saved: SavedDataset, look: TableLook, now: datetime) -> str:
    """How much a look is for Google Sheets today, in a sentence. Raises what `check_look` does."""
    table = readable_table(lake, saved, now)
    shown = _shown(look, table)
    page = lake.page(
        table.slug, columns=shown[:1], where=look.where, order=look.order, limit=1, calculated=table.calculated
    )
    cells = page.matching * len(shown)
    numbers = {
        "rows": integer(page.matching),
        "columns": integer(len(shown)),
        "cells": integer(cells),
        "most_cells": integer(SHEETS_CELLS),
    }
    if cells <= SHEETS_CELLS:
        return phrase(
            "%(rows)s rows of %(columns)s columns are %(cells)s cells; a Google spreadsheet holds %(most_cells)s.",
            **numbers,
        )
    return phrase(
        "%(rows)s rows of %(columns)s columns are %(cells)s cells, and a Google spreadsheet holds only "
        "%(most_cells)s. Add a filter, or choose fewer columns.",
        **numbers,
    )
