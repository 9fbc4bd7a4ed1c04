"""What a person should know of a table's rows before they sum them, beside the rows and charts themselves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from adreel.catalog.business_centers import BALANCES, COSTS
from adreel.datasets.dataset import Dataset
from adreel.export.cells import digits
from adreel.language import phrase
from adreel.store import Run

UNASSIGNED = "unassigned"
"""The key of a run's verification with the costs of campaigns that TikTok assigns to no row."""

MOST_NAMED = 3


def row_hints(dataset: Dataset, run: Run | None) -> Iterator[str]:
    """Sentences on rows whose sum is not what it seems; `run` is the one that made the newest version."""
    if dataset.report in (BALANCES, COSTS):
        yield phrase(
            "An ad account of several Business Centers has a row for each of them: sum the rows of one Business "
            "Center. Charts count each ad account once."
        )
    if dataset.report == COSTS:
        yield phrase(
            "Days are in UTC; those of reports are in each ad account's time zone, so their costs of a day differ."
        )
    unassigned = run.verification.get(UNASSIGNED) if run is not None else None
    if isinstance(unassigned, list):
        for part in unassigned[:MOST_NAMED]:
            yield phrase(
                "%(name)s: in the last run the rows sum to %(cost)s of the %(total)s %(currency)s that the campaigns "
                "cost. TikTok assigns the other %(rest)s to no row.",
                name=part["name"],
                cost=digits(Decimal(part["cost"]), thousands_apart=True),
                total=digits(Decimal(part["total"]), thousands_apart=True),
                rest=digits(Decimal(part["total"]) - Decimal(part["cost"]), thousands_apart=True),
                currency=part["currency"],
            )
