"""The Business Centers of a connection, and the balances that each has of its ad accounts.

Rules: TikTok's "Get Business Centers" (`/bc/get/`, pages of at most 50) and "Get the balance of ad accounts"
(doc 1739939106470913). The balances need a finance role in the Business Center, and are of the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from adreel.enumerations import first_of
from adreel.errors import AdvertiserError, ProofError, lacks_scope
from adreel.language import phrase
from adreel.pipeline.plan import BALANCE_PATH, BUSINESS_CENTER_PAGE_SIZE, BUSINESS_CENTERS_PATH, Request
from adreel.tiktok.client import Client

BALANCE_LIST = "advertiser_account_list"
"""What TikTok calls the list of an answer with balances."""

ROUNDS = 3
"""How often the list of Business Centers is read while it has another number than TikTok counts."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class BusinessCenter:
    """A Business Center, with the finance role of the user who connected; empty if TikTok names none."""

    id: str
    name: str
    finance_role: str

    @property
    def words(self) -> str:
        """The Business Center for a person, with its ID."""
        return f"{self.name} ({self.id})" if self.name else self.id


async def read_business_centers(client: Client, chosen: Sequence[str]) -> tuple[BusinessCenter, ...]:
    """The chosen Business Centers of the connection, or all.

    Raises AdvertiserError if a chosen one is not among them or there are none, ProofError if the list has another
    number of them than TikTok counts.
    """
    for _ in range(ROUNDS):
        listed, count = await _listed(client)
        if len(listed) == count:
            break
    else:
        raise ProofError(
            phrase(
                "TikTok listed %(listed)s Business Centers and counts %(count)s. The table is unchanged. Run again in "
                "a few minutes.",
                listed=len(listed),
                count=count,
            )
        )
    missing = [bc_id for bc_id in chosen if bc_id not in listed]
    if missing or not listed:
        raise AdvertiserError(
            phrase(
                "The connection has no Business Center %(ids)s. It has: %(names)s. Correct business_centers, or have "
                "the user who connected added to it.",
                ids=", ".join(missing),
                names=first_of([center.words for center in listed.values()], MOST_NAMED) if listed else "-",
            )
        )
    return tuple(listed[bc_id] for bc_id in (chosen or listed))


async def _listed(client: Client) -> tuple[dict[str, BusinessCenter], int]:
    """The Business Centers by ID, and how many TikTok counts."""
    listed: dict[str, BusinessCenter] = {}
    number = pages = 1
    count = 0
    while number <= pages:
        page = await client.page(BUSINESS_CENTERS_PATH, {}, number, BUSINESS_CENTER_PAGE_SIZE)
        pages, count = page.total_page, page.total_number
        for row in page.rows:
            center = _center(row)
            listed[center.id] = center
        number += 1
    return listed, count


def _center(row: Mapping[str, Any]) -> BusinessCenter:
    facts, roles = row.get("bc_info"), row.get("ext_user_role")
    facts = facts if isinstance(facts, Mapping) else {}
    roles = roles if isinstance(roles, Mapping) else {}
    return BusinessCenter(
        str(facts.get("bc_id") or ""), str(facts.get("name") or ""), str(roles.get("finance_role") or "")
    )


def balance_request(request: Request, center: BusinessCenter) -> Request:
    """The planned request for the balances of one Business Center."""
    given = {"bc_id": center.id, "bc_name": center.name}
    params = {**request.params, "bc_id": center.id}
    return replace(request, name=f"{request.name}-{center.id}", path=BALANCE_PATH, params=params, given=given)


def balance_rows(rows: Iterable[Mapping[str, Any]], request: Request, now: datetime) -> list[dict[str, Any]]:
    """The rows of a page, with the Business Center and the day of the run in UTC; `now` is aware."""
    day = now.astimezone(UTC).date().isoformat()
    return [{**row, **request.given, "balance_date": day} for row in rows]


def balance_error(center: BusinessCenter, error: AdvertiserError) -> AdvertiserError:
    """The error for a Business Center whose balances TikTok refuses, with what to do.

    A missing permission of the app stays as it is.
    """
    if lacks_scope(error.code, error.message):
        return error
    role = phrase(
        "TikTok gives balances to users with a finance role: have an administrator of the Business Center give the "
        "user who connected the role Finance manager or Finance analyst, or choose others as business_centers: [ID]."
    )
    reason = error.message if error.message.endswith(".") else f"{error.message}."
    failure = phrase(
        "The balances of Business Center %(center)s could not be read: %(reason)s", center=center.words, reason=reason
    )
    return AdvertiserError(f"{failure} {role}", code=error.code, request_id=error.request_id)
