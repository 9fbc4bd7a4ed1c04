"""Lists of what ads of an ad account refer to by ID: pixels and identities.

Parameters and paging: TikTok's own client, and its pages "Get pixels" (doc 1740858697598978) and "Get identities"
(doc 1740218420781057). The names of the lists in answers are those of other clients, which differ on identities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PIXELS = "pixels"
IDENTITIES = "identities"


@dataclass(frozen=True, slots=True)
class AssetList:
    """A list of an ad account: its path, what TikTok calls it, its primary key, and the most rows of a page.

    `other_name` is what some sources call it.
    """

    path: str
    name: str
    key: tuple[str, ...]
    page_size: int
    other_name: str = ""


LISTS: Mapping[str, AssetList] = MappingProxyType(
    {
        PIXELS: AssetList("/pixel/list/", "pixels", ("pixel_id",), 20, "list"),
        IDENTITIES: AssetList(
            "/identity/get/",
            "identity_list",
            ("identity_type", "identity_authorized_bc_id", "identity_id"),
            100,
            "list",
        ),
    }
)
"""The lists by the name of their report."""

NO_BUSINESS_CENTER = "0"
"""What identities have as their Business Center if they have none: it belongs to the primary key."""
