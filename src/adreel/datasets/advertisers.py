"""The names of ad accounts, as their account saw them last."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from adreel.access import Guard
from adreel.errors import InputError
from adreel.store import AccountAdvertiser, SavedDataset


def names_of(advertisers: Iterable[AccountAdvertiser]) -> dict[str, str]:
    """The names of ad accounts, by id; without those that have none."""
    return {advertiser.advertiser_id: advertiser.name for advertiser in advertisers if advertiser.name}


def advertiser_names(guard: Guard, saved: SavedDataset) -> dict[str, str]:
    """The names of the ad accounts of the dataset's account; none if who asks may not see the account."""
    if saved.account_id is None:
        return {}
    with suppress(InputError):
        return names_of(guard.store.accounts.advertisers(guard.account(saved.account_id)))
    return {}
