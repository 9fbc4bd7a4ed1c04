"""The reports of Business Centers: their paths, what TikTok calls their lists, and their primary keys.

Rules: TikTok's pages "Get Business Centers", "Get the balance of ad accounts" (doc 1739939106470913), "Get the
transaction records of a BC or ad accounts" (doc 1792849810925569), "Get the cost records of a BC and ad accounts"
(doc 1829079287639041) and "Get assets".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CENTERS = "business_centers"
BALANCES = "balances"
TRANSACTIONS = "business_center_transactions"
COSTS = "business_center_costs"
ASSETS = "business_center_assets"


@dataclass(frozen=True, slots=True)
class CenterList:
    """A list that each Business Center has; `name` is what TikTok calls it in its answers.

    `longest_span` is in days, 0 for a list without dates. A `financial` one needs a finance role.
    """

    path: str
    name: str
    key: tuple[str, ...]
    financial: bool = False
    longest_span: int = 0


LISTS: Mapping[str, CenterList] = MappingProxyType(
    {
        CENTERS: CenterList("/bc/get/", "list", ("bc_id",)),
        BALANCES: CenterList(
            "/advertiser/balance/get/", "advertiser_account_list", ("bc_id", "advertiser_id", "balance_date"), True
        ),
        TRANSACTIONS: CenterList(
            "/bc/account/transaction/get/", "transaction_list", ("bc_id", "transaction_id"), True, 365
        ),
        # TikTok sends one row for each ad account, whatever days are asked for, so that each day is a request.
        COSTS: CenterList("/bc/account/cost/get/", "cost_list", ("bc_id", "advertiser_id", "cost_date"), True, 1),
        ASSETS: CenterList("/bc/asset/get/", "list", ("bc_id", "asset_type", "asset_id")),
    }
)
"""The reports of Business Centers by name."""

PATHS = frozenset(center_list.path for center_list in LISTS.values())

PAGE_SIZE = 50
"""The most rows of a page."""

TRANSACTION_LEVELS = ("advertiser", "bc", "payment_portfolio")
"""Whose transactions there are."""

ASSET_TYPES = ("ADVERTISER", "CATALOG", "TIKTOK_SHOP", "PIXEL", "LEAD", "TT_ACCOUNT", "STOREFRONT", "DOMAIN")

ALL_ASSETS = "all"

_USUAL = ASSET_TYPES[:6]
"""Those that every source names; a user who may not list one of the others would read none at all."""


def asset_types(choice: str) -> tuple[str, ...]:
    """TikTok's names of the asset types of a choice: of one type, or of all that every source names."""
    return _USUAL if choice == ALL_ASSETS else (choice.upper(),)
