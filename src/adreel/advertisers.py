"""An ad account and a shop as requests need them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adreel.dates import offset_name
from adreel.language import Phrase


@dataclass(frozen=True, slots=True)
class Shop:
    """A TikTok Shop; `name` is empty if TikTok does not list the shop."""

    id: str
    name: str = ""

    @property
    def words(self) -> str:
        """The shop for a person, with its ID."""
        return f"{self.name} ({self.id})" if self.name else self.id


SKIP_ADVICE = Phrase("Exclude it from the dataset, or set skip_failing_advertisers: true.")
"""What to do about an advertiser that cannot be read."""


@dataclass(frozen=True, slots=True)
class Advertiser:
    """An ad account as the plan needs it; `offset` is its fixed distance from UTC."""

    id: str
    name: str
    currency: str
    offset: timedelta

    @property
    def zone(self) -> str:
        """`UTC-08:00`."""
        return offset_name(self.offset)
