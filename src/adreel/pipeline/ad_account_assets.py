"""Rows of the lists of pixels and identities, in the columns of their tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from adreel.catalog.ad_account_assets import LISTS, NO_BUSINESS_CENTER, PIXELS
from adreel.tiktok.response import Reader, reader_of

READERS: Mapping[str, Reader] = MappingProxyType(
    {report: reader_of(dict[str, Any], assets.name, assets.other_name) for report, assets in LISTS.items()}
)
"""What reads the answers of each list."""


def asset_rows(rows: Iterable[Mapping[str, Any]], report: str) -> list[dict[str, Any]]:
    """The rows with the facts of the owner beside the others, and with a Business Center in each identity."""
    return [_pixel(row) if report == PIXELS else _identity(row) for row in rows]


def _pixel(row: Mapping[str, Any]) -> dict[str, Any]:
    owner = row.get("asset_ownership")
    facts = owner if isinstance(owner, Mapping) else {}
    return {**facts, **{name: value for name, value in row.items() if name != "asset_ownership" or facts is not owner}}


def _identity(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: value for name, value in row.items() if name != "user_name"}
    return {
        **names,
        "username": row.get("username") or row.get("user_name"),
        "identity_authorized_bc_id": row.get("identity_authorized_bc_id") or NO_BUSINESS_CENTER,
    }
