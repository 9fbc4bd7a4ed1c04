"""What a run was checked by: its proof as a list of checks, the same for pages, API and command line.

Rows and keys are checked in every report. Sums are checked where TikTok's API gives totals to compare with, so a report
without totals is verified by less than one with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["rows", "keys", "sums"]


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of TikTok's beside the table's. `name` is the metric's for a sum, else the kind.

    `is_checksum`: a sum of money over several currencies, which is not an amount.
    """

    kind: Kind
    name: str
    expected: int | float
    got: int | float
    agrees: bool
    is_checksum: bool = False


def checks_of(proof: Mapping[str, Any]) -> tuple[Check, ...]:
    """The checks of a run's proof; none for a run that made no version."""
    if not proof:
        return ()
    rows, expected, repeated = proof["rows"], proof["rows_expected"], proof["duplicate_keys"]
    checksums = frozenset(proof.get("checksums", ()))
    differing = frozenset(proof.get("differing", ()))
    return (
        Check("rows", "rows", expected, rows, rows == expected),
        Check("keys", "keys", 0, repeated, not repeated),
        *(
            Check("sums", name, pair["expected"], pair["got"], name not in differing, name in checksums)
            for name, pair in proof.get("totals", {}).items()
        ),
    )


def checked(sums: int) -> str:
    """Which checks there were, in words, by how many sums were compared: `rows, keys, 14 sums`."""
    return ", ".join(("rows", "keys", *((f"{sums:,} sum{'' if sums == 1 else 's'}",) if sums else ())))


def checked_in(proof: Mapping[str, Any]) -> str:
    """The same of a run's proof; empty for a run that made no version."""
    return checked(len(proof.get("totals", {}))) if proof else ""
