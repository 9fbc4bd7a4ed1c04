"""What a day of an advertiser is to two versions: TikTok changed it, it went on, it came, or it left.

Days are those of each advertiser's own zone: while yesterday is over and read for one, it may not be for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from adreel.dates import Span, fixed_offset, today_at
from adreel.errors import InputError

RESTATED, GREW, CAME, WENT = KINDS = ("both versions have", "was not over", "came", "left")
"""On days that both versions have, what moved is what TikTok changed, unless the day was not over when the first was
read: then most of it is the rest of the day."""

Ends = tuple[date, date]
"""A first and a last day."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a version has of days: each advertiser's first and last by its id, and its zone.

    `read_at` is when the run began that made the version, None if that is not known.
    """

    ends: Mapping[str | None, Ends]
    zones: Mapping[str | None, str]
    read_at: datetime | None

    def today(self, advertiser: str | None) -> date | None:
        """The advertiser's day at which the version was read; None if that is not known."""
        zone = self.zones.get(advertiser)
        if self.read_at is None or not zone:
            return None
        try:
            return today_at(self.read_at, fixed_offset(zone))
        except InputError:
            return None

    def spans(self) -> Mapping[str | None, Span]:
        """The days that were read of each advertiser, also those at an end on which nothing was shown.

        All advertisers are asked for the same days, counted back from their own today or by date. So one that has
        fewer than others, which have them that far back, had nothing to show.
        """
        if not self.ends:
            return {}
        first, last = min(one[0] for one in self.ends.values()), max(one[1] for one in self.ends.values())
        todays = {one: self.today(one) for one in self.ends}
        known = {one: today for one, today in todays.items() if today is not None}
        if len(known) < len(todays):
            return dict.fromkeys(self.ends, Span(first, last))
        oldest = max((today - self.ends[one][0] for one, today in known.items()), default=timedelta())
        newest = min((today - self.ends[one][1] for one, today in known.items()), default=timedelta())
        return {one: Span(max(today - oldest, first), min(today - newest, last)) for one, today in known.items()}


class Kinds:
    """Tells the kind of each day of two versions."""

    def __init__(self, before: Held, after: Held) -> None:
        self._before = before
        self._spans = before.spans(), after.spans()

    def of(self, advertiser: str | None, day: date | None) -> str:
        """One of `KINDS`; RESTATED for rows without a day."""
        if day is None:
            return RESTATED
        for spans, kind in zip(self._spans, (CAME, WENT), strict=True):
            span = spans.get(advertiser)
            if span is None or not span.start <= day <= span.end:
                return kind
        today = self._before.today(advertiser)
        return GREW if today is not None and day >= today else RESTATED
