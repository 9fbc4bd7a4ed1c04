"""The advertisers of a simulated world and their ads."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from typing import Literal

from adreel.simulator.world.calendar import Calendar, day_number, era_of, make_calendar
from adreel.simulator.world.config import WorldConfig
from adreel.simulator.world.hashing import word
from adreel.simulator.world.money import currency_of
from adreel.simulator.world.naming import AGENCY, HOSTILE, Naming
from adreel.simulator.world.table import AdTable, make_table

Kind = Literal["ordinary", "no_permission", "empty"]

_ZONES: tuple[tuple[str, str, int, str, str], ...] = (
    ("Etc/GMT+8", "America/Los_Angeles", -480, "USD", "US"),
    ("Etc/GMT-1", "Europe/Berlin", 60, "EUR", "DE"),
    ("Etc/GMT-9", "Asia/Tokyo", 540, "JPY", "JP"),
    ("Asia/Kolkata", "Asia/Kolkata", 330, "INR", "IN"),
    ("Etc/GMT", "Europe/London", 0, "GBP", "GB"),
    ("Australia/Darwin", "Australia/Darwin", 570, "AUD", "AU"),
    ("Etc/GMT+3", "America/Sao_Paulo", -180, "BRL", "BR"),
    ("Etc/GMT+5", "America/New_York", -300, "USD", "US"),
    ("Etc/GMT-13", "Pacific/Auckland", 780, "NZD", "NZ"),
    ("Etc/GMT+11", "Pacific/Pago_Pago", -660, "USD", "US"),
)
"""timezone, display_timezone, minutes east of UTC, currency, country; days are those of the fixed offset."""


@dataclass(frozen=True, slots=True)
class SimulatedAdvertiser:
    """One ad account; `offset` is in minutes east of UTC, fixed for life; `created` counts seconds since 1970.

    `naming` names what is in it.
    """

    index: int
    id: str
    name: str
    kind: Kind
    currency: str
    timezone: str
    display_timezone: str
    offset: int
    country: str
    created: int
    naming: Naming


def entity_id(created: int, advertiser: int, kind: int, index: int) -> int:
    """A 19-digit id that grows with the time of creation, as TikTok's do; the low bits hold kind and index."""
    return created << 30 | advertiser << 20 | kind << 18 | index & 0x3FFFF


def _kind(config: WorldConfig, index: int) -> Kind:
    if config.plain or config.advertisers < 4 or index < config.advertisers - 2:
        return "ordinary"
    return "no_permission" if index == config.advertisers - 2 else "empty"


def _advertiser(config: WorldConfig, era: int, index: int) -> SimulatedAdvertiser:
    zone, display, offset, currency, country = _ZONES[index % len(_ZONES)]
    created = (era - 1480) * 86400 + 3600 * index + word(config.seed, "account", index) % 3000
    naming = HOSTILE if config.hostile_names else AGENCY
    return SimulatedAdvertiser(
        index=index,
        id=str(entity_id(created, index, 3, 0)),
        name=naming.account(index),
        kind=_kind(config, index),
        currency=currency,
        timezone=zone,
        display_timezone=display,
        offset=offset,
        country=country,
        created=created,
        naming=naming,
    )


class World:
    """Everything that does not change while the simulator runs."""

    def __init__(self, config: WorldConfig) -> None:
        """Creates advertisers only; `table` creates an advertiser's ads when they are first needed."""
        self.config = config
        self.era = era_of(config.today)
        self.calendar: Calendar = make_calendar(config.seed, self.era, plain=config.plain)
        self.first_day = max(self.calendar.origin + 1, _first_day(config))
        self.advertisers = tuple(_advertiser(config, self.era, i) for i in range(config.advertisers))
        self.by_id = {advertiser.id: advertiser for advertiser in self.advertisers}
        self._tables: OrderedDict[int, AdTable] = OrderedDict()

    def table(self, advertiser: SimulatedAdvertiser) -> AdTable:
        """The advertiser's ads; the most recently used tables are cached, up to a million ads."""
        table = self._tables.get(advertiser.index)
        if table is None:
            currency, empty = currency_of(advertiser.currency), advertiser.kind == "empty"
            table = make_table(self.config, self.era, advertiser.index, currency, empty=empty)
            self._tables[advertiser.index] = table
            while len(self._tables) > 1 and sum(len(table) for table in self._tables.values()) > 1_000_000:
                self._tables.popitem(last=False)
        self._tables.move_to_end(advertiser.index)
        return table


def _first_day(config: WorldConfig) -> int:
    year = date.fromordinal(config.today.toordinal() - config.days).year
    return day_number(date(year, 1, 1))
