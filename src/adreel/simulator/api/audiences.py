"""Custom audiences: their list and their details."""

from __future__ import annotations

from adreel.simulator.api.call import Call, Reply, paged, reply
from adreel.simulator.api.errors import bad
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.entities import utc_text
from adreel.simulator.world.hashing import word

_COUNT = 12
_MOST_IDS = 100
_TYPES = ("CUSTOMER_FILE", "WEBSITE", "ENGAGEMENT", "LOOKALIKE", "APP")


def _audience(advertiser: SimulatedAdvertiser, index: int) -> dict[str, object]:
    created = advertiser.created + 86400 * 30 * (index + 1)
    kind = _TYPES[index % len(_TYPES)]
    valid = index % 6 != 4
    return {
        "audience_id": str(10**8 + advertiser.index * 1000 + index),
        "name": advertiser.naming.audience(index),
        "audience_type": kind,
        "audience_sub_type": "NORMAL",
        "calculate_type": "EMAIL_SHA256" if kind == "CUSTOMER_FILE" else None,
        "cover_num": word(advertiser.id, "cover", index) % 2_000_000 if valid else 0,
        "shared": index % 4 == 1,
        "is_creator": index % 4 != 1,
        "owner_id": advertiser.id,
        "is_valid": valid,
        "is_expiring": index % 6 == 5,
        "is_auto_refresh": kind == "WEBSITE",
        "rule": '{"inclusions":{"operator":"OR"}}' if kind in {"WEBSITE", "ENGAGEMENT", "APP"} else None,
        "lookalike_spec": '{"audience_size":"BALANCED","location_ids":["6252001"]}' if kind == "LOOKALIKE" else None,
        "msg": "Available" if valid else "Too small",
        "error_msg": None,
        "create_time": utc_text(created),
        "expired_time": utc_text(created + 86400 * 365 * 12),
    }


def _audiences(advertiser: SimulatedAdvertiser) -> list[dict[str, object]]:
    count = 0 if advertiser.kind == "empty" else _COUNT
    return [_audience(advertiser, index) for index in reversed(range(count))]


def _requested_ids(call: Call) -> tuple[str, ...] | None:
    ids = call.params.strings("custom_audience_ids")
    if ids is not None and not 1 <= len(ids) <= _MOST_IDS:
        raise bad(f"custom_audience_ids: takes 1 to {_MOST_IDS} ids.")
    return ids


def audience_list(call: Call) -> Reply:
    """GET /dmp/custom_audience/list/."""
    advertiser, requested_ids = call.advertiser(), _requested_ids(call)
    rows = [row for row in _audiences(advertiser) if requested_ids is None or row["audience_id"] in requested_ids]
    return paged(rows, call.params, most=100)


def audience_details(call: Call) -> Reply:
    """GET /dmp/custom_audience/get/."""
    advertiser = call.advertiser()
    call.params.require("custom_audience_ids")
    requested_ids, history_size = _requested_ids(call) or (), call.params.number("history_size", 10, 1, 1000)
    listed = [
        {"audience_details": row, "audience_history": _history(row)[:history_size]}
        for row in _audiences(advertiser)
        if row["audience_id"] in requested_ids
    ]
    return reply({"list": listed})


def _history(row: dict[str, object]) -> list[dict[str, object]]:
    created = {"action": "CREATE", "action_detail": "", "editor": "open_api", "msg": "", "opt_time": row["create_time"]}
    renamed = created | {"action": "UPDATE_NAME", "action_detail": f"Renamed to {row['name']}", "editor": "A***"}
    return [renamed, created]
