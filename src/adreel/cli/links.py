"""`adreel links`: list, create, revoke."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import typer

from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.datasets import csv_links
from adreel.datasets.looks import TableLook, look_of_texts


def show_all(session: CommandContext, name: str, *, as_json: bool) -> None:
    """Prints the CSV links of a dataset's table, without their secrets."""
    with open_home(session) as home:
        saved = home.guard.dataset(name)
        links = home.store.export_links.list(saved)
        if as_json:
            print_json([csv_links.link_json(link) for link in links])
        elif links:
            print_table(
                ("id", "name", "columns", "filter and order", "created by", "created (UTC)", "last used", "expires"),
                [
                    (
                        link.id,
                        link.name,
                        len(link.look["columns"]) or "all",
                        TableLook.of_json(link.look).words({}),
                        link.user_name,
                        link.created_at,
                        link.used_at,
                        link.expires_at,
                    )
                    for link in links
                ],
            )
        else:
            say(f"0 links. Create one: adreel links create {saved.slug} LINK-NAME")


def create(
    session: CommandContext,
    name: str,
    link_name: str,
    look: tuple[Sequence[str], Sequence[str], Sequence[str]],
    days: int | None,
) -> None:
    """Creates a link and prints its formula once; `look` has columns, filters and order."""
    with open_home(session) as home, closing(home.lake()) as lake:
        saved = home.guard.dataset(name)
        table_look = look_of_texts(*look)
        link, secret = csv_links.create_link(home.guard, lake, saved, link_name, table_look, days, session.clock())
        say(f"Created the link {link.name!r} (ID {link.id}). The formula for Google Sheets is shown only once.")
        say(f"Today, {csv_links.size_of(lake, saved, table_look, session.clock())}")
        if warning := csv_links.reach_warning(home.settings.web_url):
            say(warning)
        typer.echo(csv_links.formula(home.settings.web_url, secret))


def revoke(session: CommandContext, name: str, link_id: int, *, yes: bool) -> None:
    """Revokes a link once a user has confirmed it."""
    with open_home(session) as home:
        saved = home.guard.dataset(name)
        link = home.store.export_links.get(saved, link_id)
        confirm(f"Revoke the link {link.name!r} of {saved.name!r}?", yes=yes)
        csv_links.revoke_link(home.guard, saved, link_id)
        say(f"Revoked the link {link.name!r}. It gives no data any more.")
