"""Business Centers and the balances of their ad accounts: bc/get and advertiser/balance/get (doc 1739939106470913)."""

from __future__ import annotations

from adreel.simulator.api.call import Call, Reply, page_info, paged, reply
from adreel.simulator.api.errors import ApiError, bad
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.hashing import word
from adreel.simulator.world.money import currency_of

_MOST = 50
_FIRST_ID = 7_000_000_000_000_000_100
_NAMES = ("Northwind Agency", "Northwind Partners")
IDS = tuple(str(_FIRST_ID + number) for number in range(len(_NAMES)))
"""The world's Business Centers: the first owns all ad accounts, the second shares every second one."""


def business_centers(call: Call) -> Reply:
    """GET /bc/get/."""
    call.grant()
    only = call.params.text("bc_id")
    rows = [_center(call, bc_id) for bc_id in IDS if only in ("", bc_id)]
    return paged(rows, call.params, _MOST)


def _center(call: Call, bc_id: str) -> dict[str, object]:
    role = call.simulator.finance_roles.get(bc_id, "ANALYST")
    return {
        "bc_info": {
            "bc_id": bc_id,
            "name": _NAMES[IDS.index(bc_id)],
            "company": "Northwind Ltd.",
            "currency": "USD",
            "registered_area": "US",
            "timezone": "Etc/GMT+8",
            "status": "ENABLE",
            "type": "AGENCY",
            "verification_status": "VERIFIED",
        },
        "user_role": "ADMIN",
        "ext_user_role": {"finance_role": role} if role else {},
    }


def balances(call: Call) -> Reply:
    """GET /advertiser/balance/get/."""
    call.grant()
    call.params.require("bc_id")
    bc_id = call.params.text("bc_id")
    if bc_id not in IDS:
        raise ApiError(40001, f"No permission to operate Business Center {bc_id}.")
    if not call.simulator.finance_roles.get(bc_id, "ANALYST"):
        raise ApiError(40001, f"The user has no finance role in Business Center {bc_id}.")
    page = call.params.number("page", 1, 1, 1 << 31)
    size = call.params.number("page_size", 10, 1, _MOST)
    if call.params.json("filtering") is not None:
        raise bad("filtering: not simulated for balances.")
    step = 1 + IDS.index(bc_id)
    rows = [_balance(call, advertiser) for advertiser in call.simulator.world.advertisers[::step]]
    shown = rows[(page - 1) * size : page * size]
    return reply({"advertiser_account_list": shown, "page_info": page_info(page, size, len(rows))})


def _balance(call: Call, advertiser: SimulatedAdvertiser) -> dict[str, object]:
    currency, day = currency_of(advertiser.currency), call.simulator.clock.now.date()
    cash = round(currency.worth((1_000 + word(advertiser.id, "cash", day.toordinal()) % 900_000) / 100), 2)
    credit = round(currency.worth((word(advertiser.id, "credit") % 50_000) / 100), 2)
    return {
        "advertiser_id": advertiser.id,
        "advertiser_name": advertiser.name,
        "advertiser_status": "SHOW_ACCOUNT_STATUS_APPROVED",
        "advertiser_type": "AUCTION",
        "timezone": advertiser.timezone,
        "currency": advertiser.currency,
        "company": advertiser.name,
        "create_time": advertiser.created,
        "account_balance": round(cash + credit, 2),
        "valid_account_balance": round(cash + credit, 2),
        "frozen_balance": 0,
        "tax": 0,
        "cash_balance": cash,
        "valid_cash_balance": cash,
        "grant_balance": credit,
        "valid_grant_balance": credit,
        "budget_mode": "UNLIMITED",
        "budget": 0,
        "budget_cost": 0,
    }
