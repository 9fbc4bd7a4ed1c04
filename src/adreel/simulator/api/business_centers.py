"""Business Centers and what each has: balances, transactions and costs of its ad accounts, and assets.

Pages "Get the balance of ad accounts" (doc 1739939106470913), "Get the transaction records of a BC or ad accounts"
(doc 1792849810925569), "Get the cost records of a BC and ad accounts" (doc 1829079287639041) and "Get assets".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from adreel.simulator.api.call import Call, Reply, page_info, paged, reply
from adreel.simulator.api.errors import ApiError, bad
from adreel.simulator.api.params import read_day
from adreel.simulator.world.advertisers import SimulatedAdvertiser
from adreel.simulator.world.calendar import day_number
from adreel.simulator.world.hashing import word
from adreel.simulator.world.ledger import Payment
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
    bc_id = _bc_id(call, finance=True)
    if call.params.json("filtering") is not None:
        raise bad("filtering: not simulated for balances.")
    return _page(
        call, "advertiser_account_list", [_balance(call, advertiser) for advertiser in accounts_of(call, bc_id)]
    )


def readable_center(call: Call) -> str:
    """The Business Center of a report. Raises ApiError if the user may not read it."""
    return _bc_id(call, finance=False)


def _bc_id(call: Call, *, finance: bool) -> str:
    """The Business Center of the request. Raises ApiError if the user may not read it."""
    call.grant()
    call.params.require("bc_id")
    bc_id = call.params.text("bc_id")
    if bc_id not in IDS:
        raise ApiError(40001, f"No permission to operate Business Center {bc_id}.")
    if finance and not call.simulator.finance_roles.get(bc_id, "ANALYST"):
        raise ApiError(40001, f"The user has no finance role in Business Center {bc_id}.")
    return bc_id


def accounts_of(call: Call, bc_id: str) -> Sequence[SimulatedAdvertiser]:
    """The ad accounts of a Business Center."""
    return call.simulator.world.advertisers[:: 1 + IDS.index(bc_id)]


def _page(call: Call, name: str, rows: Sequence[Mapping[str, object]], **more: object) -> Reply:
    page = call.params.number("page", 1, 1, 1 << 31)
    size = call.params.number("page_size", 10, 1, _MOST)
    shown = rows[(page - 1) * size : page * size]
    return reply({name: shown, "page_info": page_info(page, size, len(rows)), **more})


def _balance(call: Call, advertiser: SimulatedAdvertiser) -> dict[str, object]:
    left = call.simulator.ledger().balance(advertiser)
    whole, cash, credit = (cents / 100 for cents in (left.cash + left.credit, left.cash, left.credit))
    return {
        "advertiser_id": advertiser.id,
        "advertiser_name": advertiser.name,
        "advertiser_status": "SHOW_ACCOUNT_STATUS_APPROVED",
        "advertiser_type": "AUCTION",
        "timezone": advertiser.timezone,
        "currency": advertiser.currency,
        "company": advertiser.name,
        "create_time": advertiser.created,
        "account_balance": whole,
        "valid_account_balance": whole,
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


def transactions(call: Call) -> Reply:
    """GET /bc/account/transaction/get/."""
    bc_id = _bc_id(call, finance=True)
    level = call.params.word("transaction_level", ("ADVERTISER", "BC", "PAYMENT_PORTFOLIO"), "ADVERTISER")
    first, last = _times(call)
    if level == "PAYMENT_PORTFOLIO":
        return _page(call, "transaction_list", [])
    ledger = call.simulator.ledger()
    # A Business Center has the transactions of the ad accounts that it owns; the first owns all.
    owned = accounts_of(call, bc_id) if bc_id == IDS[0] else ()
    payments = [(owner, payment) for owner in owned for payment in ledger.payments(owner, first, last)]
    if level == "BC":
        rows = [_transfer(bc_id, owner, payment) for owner, payment in payments if payment.added]
    else:
        rows = [_transaction(bc_id, owner, payment) for owner, payment in payments]
    return _page(call, "transaction_list", rows)


def _transaction(bc_id: str, owner: SimulatedAdvertiser, payment: Payment) -> dict[str, object]:
    return {
        "transaction_id": f"{owner.id}{payment.at:%Y%m%d%H%M}",
        "account_id": owner.id,
        "account_name": owner.name,
        "bc_id": bc_id,
        "bc_name": _NAMES[IDS.index(bc_id)],
        "amount": (payment.subtotal + payment.tax) / 100,
        "subtotal": payment.subtotal / 100,
        "tax_amount": payment.tax / 100,
        "currency": owner.currency,
        "amount_type": "POSITIVE" if payment.added else "NEGATIVE",
        "transaction_type": "ADD_BALANCE" if payment.added else "BILL_PAYMENT",
        "billing_type": payment.billing,
        "timezone": "UTC+00:00",
        "create_time": f"{payment.at:%Y-%m-%d %H:%M:%S}",
        "invoice_id": f"{word(owner.id, 'invoice', payment.at.toordinal()) % 10**9:09}",
        "serial_number": f"TT{word(owner.id, 'serial', payment.at.toordinal()) % 10**6:06}",
        "payment_portfolio_id": None,
        "payment_portfolio_name": None,
    }


def _transfer(bc_id: str, owner: SimulatedAdvertiser, payment: Payment) -> dict[str, object]:
    """What was added to the Business Center's own balance for that of an ad account, in US dollars."""
    dollars = currency_of(owner.currency).dollars(payment.subtotal) / 100
    return _transaction(bc_id, owner, payment) | {
        "transaction_id": f"{bc_id[-6:]}{owner.id}{payment.at:%Y%m%d%H%M}",
        "account_id": None,
        "account_name": None,
        "amount": dollars,
        "subtotal": dollars,
        "currency": "USD",
    }


def _filtering(call: Call, names: tuple[str, str]) -> tuple[str, str] | None:
    """Both ends of the filter; None without one. Raises ApiError 40002 for other filters, or one end alone."""
    filtering = call.params.json("filtering")
    if filtering is None:
        return None
    if not isinstance(filtering, dict):
        raise bad("filtering: Field must be set to object.")
    if set(filtering) != set(names) or not all(isinstance(filtering[name], str) for name in names):
        raise bad(f"filtering: {names[0]} and {names[1]} are required together, and others are not simulated.")
    return filtering[names[0]], filtering[names[1]]


def _times(call: Call) -> tuple[datetime, datetime]:
    ends = _filtering(call, ("start_time", "end_time"))
    if ends is None:
        now = call.simulator.clock.now.replace(tzinfo=None)
        return now - timedelta(days=90), now
    try:
        first, last = (datetime.strptime(text, "%Y-%m-%d %H:%M:%S") for text in ends)  # noqa: DTZ007  # as above
    except ValueError:
        raise bad("filtering: Time format should be %Y-%m-%d %H:%M:%S. Please try again.") from None
    _check_range(first.date(), last.date())
    return first, last


def _check_range(first: date, last: date) -> None:
    if not timedelta() <= last - first < timedelta(days=365):
        raise bad("filtering: The time range must be 1 to 365 days.")


def costs(call: Call) -> Reply:
    """GET /bc/account/cost/get/."""
    bc_id = _bc_id(call, finance=True)
    today = call.simulator.clock.now.date()
    ends = _filtering(call, ("start_date", "end_date"))
    first, last = (
        (today - timedelta(days=7), today - timedelta(days=1))
        if ends is None
        else (read_day("start_date", ends[0]), read_day("end_date", ends[1]))
    )
    _check_range(first, last)
    start, end = day_number(first), day_number(min(last, today))
    rows = [_cost(call, advertiser, start, end) for advertiser in accounts_of(call, bc_id)]
    return _page(call, "cost_list", rows)


def _cost(call: Call, advertiser: SimulatedAdvertiser, start: int, end: int) -> dict[str, object]:
    cash = credit = tax = 0
    if start <= end:
        costs = call.simulator.ledger().costs(advertiser, start, end)
        cash, credit, tax = (int(part.sum()) for part in (costs.cash, costs.credit, costs.tax))
    return {
        "advertiser_id": advertiser.id,
        "advertiser_name": advertiser.name,
        "amount": (cash + credit) / 100,
        "cash_amount": cash / 100,
        "grant_amount": credit / 100,
        "tax_amount": tax / 100,
        "currency": advertiser.currency,
    }


_ASSETS = {
    "CATALOG": ("Shoes", "Summer"),
    "TIKTOK_SHOP": ("Northwind Shop",),
    "PIXEL": ("Website", "Outlet"),
    "LEAD": ("Newsletter",),
    "TT_ACCOUNT": ("northwind",),
    "STOREFRONT": (),
    "DOMAIN": (),
}
"""Names of a Business Center's assets other than ad accounts."""


def assets(call: Call) -> Reply:
    """GET /bc/asset/get/."""
    bc_id = _bc_id(call, finance=False)
    call.params.require("asset_type")
    kind = call.params.word("asset_type", ("ADVERTISER", *_ASSETS), "")
    if call.params.json("filtering") is not None:
        raise bad("filtering: not simulated for assets.")
    if kind == "ADVERTISER":
        named = [(advertiser.id, advertiser.name) for advertiser in accounts_of(call, bc_id)]
    else:
        first = word(bc_id, kind) % 10**15
        named = [(f"7{first + place:018}", name) for place, name in enumerate(_ASSETS[kind])]
    return _page(call, "list", [_asset(bc_id, kind, asset_id, name) for asset_id, name in named])


def _asset(bc_id: str, kind: str, asset_id: str, name: str) -> dict[str, object]:
    is_account = kind == "ADVERTISER"
    return {
        "asset_id": asset_id,
        "asset_name": name,
        "asset_type": kind,
        "relation_type": "OWNER_BC",
        "relation_status": "BOUND" if kind in ("ADVERTISER", "PIXEL", "TIKTOK_SHOP") else None,
        "owner_bc_name": None if kind == "TT_ACCOUNT" else _NAMES[IDS.index(bc_id)],
        "advertiser_role": "ADMIN" if is_account else None,
        "advertiser_account_type": "AUCTION" if is_account else None,
        "advertiser_status": "STATUS_ENABLE" if is_account else None,
        "catalog_role": "ADMIN" if kind == "CATALOG" else None,
        "ad_creation_eligible": "AVAILABLE" if kind == "CATALOG" else None,
        "store_role": "AD_PROMOTION" if kind == "TIKTOK_SHOP" else None,
        "pixel_code": f"C{asset_id[-10:]}" if kind == "PIXEL" else None,
        "tt_account_roles": ["POST"] if kind == "TT_ACCOUNT" else None,
    }
