"""The checks of a run as a list, the same for pages, API and command line.

Rows and keys are checked in every report. Sums are checked where TikTok's API gives totals to compare with, so a report
without totals is verified by less than one with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adreel.enumerations import first_of
from adreel.language import integer, phrase, phrases

Kind = Literal["rows", "keys", "sums"]

MOST_NAMED = 5
"""Differing checks that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of TikTok's beside the table's. `name` is the metric's for a sum, else the kind.

    `is_checksum`: a sum of money over several currencies, which is not an amount.
    """

    kind: Kind
    name: str
    expected: int | float
    actual: int | float
    agrees: bool
    is_checksum: bool = False


def checks_of(verification: Mapping[str, Any]) -> tuple[Check, ...]:
    """The checks of a run's verification; none for a run that made no version."""
    if not verification:
        return ()
    rows, expected, repeated = verification["rows"], verification["rows_expected"], verification["duplicate_keys"]
    checksums = frozenset(verification.get("checksums", ()))
    differing = frozenset(verification.get("differing", ()))
    return (
        Check("rows", "rows", expected, rows, rows == expected),
        Check("keys", "keys", 0, repeated, not repeated),
        *(
            Check("sums", name, pair["expected"], pair["actual"], name not in differing, name in checksums)
            for name, pair in verification.get("totals", {}).items()
        ),
    )


def checked(sums: int) -> str:
    """Which checks there were, in words, by how many sums were compared: `rows, keys, 14 sums`."""
    counted = (phrases("%(sums)s sum", "%(sums)s sums", sums, sums=integer(sums)),) if sums else ()
    return ", ".join((phrase("rows"), phrase("keys"), *counted))


def checked_in(verification: Mapping[str, Any]) -> str:
    """The checks of a run in words: all that agree, or only those that differ, and how many days were incomplete.

    Empty for a run that made no version, and for one that failed otherwise than by these checks.
    """
    named = {"rows": phrase("rows"), "keys": phrase("keys")}
    differing = [named.get(check.name, check.name) for check in checks_of(verification) if not check.agrees]
    if differing or not verification.get("verified"):
        return first_of(differing, MOST_NAMED)
    return "; ".join(filter(None, (checked(len(verification.get("totals", {}))), incomplete_in(verification))))


def incomplete_in(verification: Mapping[str, Any]) -> str:
    """How many days TikTok had not completed when they were read, as in `1 day incomplete`; empty for none."""
    days = len({day["day"] for day in verification.get("incomplete", ())})
    return phrases("%(days)s day incomplete", "%(days)s days incomplete", days, days=integer(days)) if days else ""
