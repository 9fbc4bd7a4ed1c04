"""What sources on further types of reports disagree about (`further_reports.py`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FurtherBehavior:
    """What sources on these reports disagree about or do not say; each way can be ordered through the side door.

    `playable_names` says whether playable ads have the metrics that reports of Smart+ materials name. Without
    `empty_list` an answer without rows lacks its list. `other_groupings` says whether a Business Center takes ad
    account and day together. With `plain_identity_list` identities are in `list` and not in `identity_list`.
    """

    playable_names: bool = True
    empty_list: bool = True
    other_groupings: bool = False
    plain_identity_list: bool = False
