"""What becomes of the tables of deleted datasets, in sentences for pages, the command line and the API."""

from __future__ import annotations

from collections.abc import Iterable

from adreel.enumerations import first_of
from adreel.lake import Lake

MOST_NAMED = 20
"""Tables that are named one by one."""


def where_kept(lake: Lake, slugs: Iterable[str]) -> str:
    """Where the tables stay without their datasets, and how to delete them too; empty for no tables."""
    addresses = [lake.table_url(slug) for slug in slugs]
    if not addresses:
        return ""
    is_one = len(addresses) == 1
    subject = "The table stays in" if is_one else f"{len(addresses):,} tables stay in"
    listed = first_of(addresses, MOST_NAMED) + (f" of {lake.url}" if len(addresses) > MOST_NAMED else "")
    it, this = ("it", "this") if is_one else ("them", "these")
    things = ("folder" if is_one else "folders") if lake.is_folder else ("address" if is_one else "addresses")
    order = f"delete {this} {things}" if lake.is_folder else f"delete all objects under {this} {things}"
    return f"{subject} {listed}. To delete {it} too, {order}."
