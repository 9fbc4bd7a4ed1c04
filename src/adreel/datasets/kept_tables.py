"""What becomes of the tables of deleted datasets, in sentences for pages, the command line and the API."""

from __future__ import annotations

from collections.abc import Iterable

from adreel.enumerations import first_of
from adreel.lake import Lake
from adreel.language import integer, phrase, phrases

MOST_NAMED = 20
"""Tables that are named one by one."""


def where_kept(lake: Lake, slugs: Iterable[str]) -> str:
    """Where the tables stay without their datasets, and how to delete them too; empty for no tables."""
    addresses = [lake.table_url(slug) for slug in slugs]
    if not addresses:
        return ""
    number = len(addresses)
    listed = first_of(addresses, MOST_NAMED)
    if number > MOST_NAMED:
        listed = phrase("%(addresses)s of %(lake)s", addresses=listed, lake=lake.url)
    if number == 1:
        where = phrase("The table stays in %(address)s.", address=listed)
    else:
        where = phrases(
            "%(tables)s table stays in %(addresses)s.",
            "%(tables)s tables stay in %(addresses)s.",
            number,
            tables=integer(number),
            addresses=listed,
        )
    order = (
        phrases("To delete it too, delete this folder.", "To delete them too, delete these folders.", number)
        if lake.is_folder
        else phrases(
            "To delete it too, delete all objects under this address.",
            "To delete them too, delete all objects under these addresses.",
            number,
        )
    )
    return f"{where} {order}"
