"""Pixels and identities of ad accounts: pixel/list (doc 1740858697598978) and identity/get (doc 1740218420781057)."""

from __future__ import annotations

from adreel.simulator.api.call import Call, Reply, page_info, reply
from adreel.simulator.api.errors import NotSimulatedError, missing
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.hashing import word

_PIXELS = 23
_TYPES = ("CUSTOMIZED_USER", "AUTH_CODE", "TT_USER", "BC_AUTH_TT")


def pixels(call: Call) -> Reply:
    """GET /pixel/list/."""
    advertiser = call.advertiser()
    for name in ("pixel_id", "code", "name", "order_by", "filtering"):
        if call.params.has(name):
            raise NotSimulatedError(f"the parameter {name} of pixel/list")
    return _page(call, "pixels", [_pixel(advertiser, place) for place in range(_PIXELS)], most=20)


def _pixel(advertiser: SimulatedAdvertiser, place: int) -> dict[str, object]:
    dice = word(advertiser.id, "pixel", place)
    shared = place % 4 == 1
    return {
        "pixel_id": f"7{dice % 10**18:018}",
        "pixel_code": f"C{dice % 10**12:012}",
        "pixel_name": f"Website {place + 1}",
        "pixel_category": "ONLINE_STORE",
        "pixel_setup_mode": "DEVELOPER",
        "partner_name": "Shopify" if place % 3 == 0 else None,
        "create_time": "2026-01-05 10:00:00",
        "pixel_script": "<script></script>",
        "asset_ownership": {
            "asset_relation_status": "SHARED" if shared else None,
            "ownership_status": not shared,
            "owner_bc_id": None,
        },
        "advanced_matching_fields": {"email": True, "phone_number": False},
        "events": [{"event_id": str(dice % 10**9), "event_type": "ON_WEB_ORDER", "statistic_type": "EVERY_TIME"}],
    }


def identities(call: Call) -> Reply:
    """GET /identity/get/."""
    advertiser, kind = call.advertiser(), call.params.word("identity_type", ("", *_TYPES), "")
    if kind == "BC_AUTH_TT" and not call.params.has("identity_authorized_bc_id"):
        raise missing("identity_authorized_bc_id")
    rows = [_identity(advertiser, place) for place in range(2 * len(_TYPES))]
    # A TikTok account that two Business Centers have.
    rows.append({**rows[3], "identity_authorized_bc_id": "7000000000000000101"})
    name = "list" if call.simulator.further.plain_identity_list else "identity_list"
    return _page(call, name, [row for row in rows if kind in ("", row["identity_type"])], most=100)


def _identity(advertiser: SimulatedAdvertiser, place: int) -> dict[str, object]:
    kind = _TYPES[place % len(_TYPES)]
    facts = {"identity_authorized_bc_id": "7000000000000000100"} if kind == "BC_AUTH_TT" else {}
    return {
        "identity_id": f"{word(advertiser.id, 'identity', place) % 10**15}",
        "identity_type": kind,
        "display_name": f"Northwind {place + 1}",
        "username": f"northwind{place + 1}",
        "profile_image": "https://example.com/picture.jpg",
        "available_status": "AVAILABLE",
        "can_pull_video": kind != "AUTH_CODE",
        "can_push_video": kind == "TT_USER",
        **facts,
    }


def _page(call: Call, name: str, rows: list[dict[str, object]], most: int) -> Reply:
    page, size = call.params.number("page", 1, 1, 1 << 31), call.params.number("page_size", 10, 1, most)
    return reply({name: rows[(page - 1) * size : page * size], "page_info": page_info(page, size, len(rows))})
