"""campaign/get, adgroup/get and ad/get."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sized
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from adreel import catalog
from adreel.simulator.api.call import Call, Reply, page_info
from adreel.simulator.api.choosing import numbers_of
from adreel.simulator.api.errors import NotSimulatedError, bad
from adreel.simulator.api.params import Params, read_time, strings_of
from adreel.simulator.api.query import STATUSES, top_view_alone
from adreel.simulator.world.entities import Entities, Record
from adreel.simulator.world.table import AUCTION, BUYING_TYPES, RESERVATION_RF, AdTable

Level = Literal["campaign", "adgroup", "ad"]
Flags = NDArray[np.bool_]

_REPORTS: Mapping[Level, str] = {"campaign": "campaigns", "adgroup": "ad_groups", "ad": "ads"}
_PREFIX: Mapping[Level, str] = {"campaign": "CAMPAIGN", "adgroup": "ADGROUP", "ad": "AD"}
_MOST_IDS = 100
_SIMULATED = frozenset(
    [
        "campaign_ids",
        "adgroup_ids",
        "ad_ids",
        "primary_status",
        "secondary_status",
        "objective_type",
        "buying_types",
        "creation_filter_start_time",
        "creation_filter_end_time",
        "campaign_name",
        "adgroup_name",
        "ad_name",
        "campaign_system_origins",
        "modified_after",
        "campaign_automation_type",
    ]
)


def campaigns(call: Call) -> Reply:
    """GET /campaign/get/."""
    return _list(call, "campaign")


def adgroups(call: Call) -> Reply:
    """GET /adgroup/get/."""
    return _list(call, "adgroup")


def ads(call: Call) -> Reply:
    """GET /ad/get/."""
    return _list(call, "ad")


def _list(call: Call, level: Level) -> Reply:
    advertiser = call.advertiser()
    table = call.simulator.world.table(advertiser)
    entities = Entities(advertiser, table, call.simulator.clock)
    new_fields = call.simulator.new_fields.get(level, {})
    fields = _read_fields(call.params, level, new_fields)
    entity_filter = _EntityFilter(entities, level, _filtering(call.params))
    page = call.params.number("page", 1, 1, 1 << 31)
    size = call.params.number("page_size", 10, 1, entity_filter.longest_page)
    indexes = np.flatnonzero(entity_filter.mask())[::-1]
    make: Callable[[int], Record] = getattr(entities, level)
    rows = [_complete(make(int(index)), level) | new_fields for index in indexes[(page - 1) * size : page * size]]
    if "NULL_FIELD" in (call.params.strings("exclude_field_types_in_response") or ()):
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    if fields is not None:
        shown = {f"{level}_id", *fields}
        rows = [{name: value for name, value in row.items() if name in shown} for row in rows]
    data = {"list": rows, "page_info": page_info(page, size, len(indexes))}
    return Reply(orjson.dumps(data))


def _complete(row: Record, level: Level) -> Record:
    """The row with null for every documented field that the world lacks, except that modify_time may be absent."""
    return {name: row.get(name) for name in _fields(level) if name in row or name != "modify_time"}


def _fields(level: Level) -> list[str]:
    return [field.name for field in catalog.fields()[_REPORTS[level]]]


def _read_fields(params: Params, level: Level, new_fields: Collection[str]) -> tuple[str, ...] | None:
    fields = params.strings("fields")
    if fields is not None and (wrong := [name for name in fields if name not in (*_fields(level), *new_fields)]):
        raise bad(f"fields: Invalid fields: {wrong!r}.")
    return fields


def _filtering(params: Params) -> dict[str, object]:
    value = params.json("filtering")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad("filtering: Not a valid object.")
    return value


class _EntityFilter:
    """The filters of an entity list. Raises ApiError (40002) for bad values, NotSimulatedError for unknown filters."""

    def __init__(self, entities: Entities, level: Level, filtering: dict[str, object]) -> None:
        self._entities, self._level, self._filtering = entities, level, filtering
        unknown = filtering.keys() - _SIMULATED
        if unknown:
            raise NotSimulatedError(f"the filter {', '.join(sorted(unknown))} of {level}/get")
        self._buying = self._read_buying()

    @property
    def longest_page(self) -> int:
        """The largest page_size: 1,000, but 100 for ad groups of TopView."""
        return 100 if self._level == "adgroup" and self._buying == ("RESERVATION_TOP_VIEW",) else 1000

    def _read_buying(self) -> tuple[str, ...]:
        values = strings_of("filtering.buying_types", self._filtering.get("buying_types"))
        if values is None:
            return BUYING_TYPES[AUCTION], BUYING_TYPES[RESERVATION_RF]
        if any(value not in BUYING_TYPES for value in values):
            raise bad("filtering.buying_types: not a valid value.")
        if "RESERVATION_TOP_VIEW" in values and len(values) > 1:
            raise top_view_alone()
        return values

    def mask(self) -> Flags:
        """Which entities of the level are listed."""
        table = self._entities.table
        campaign = table.campaign[_first_ads(table, self._level)]
        mask = self._with_status()
        if self._level == "ad":
            mask &= ~table.gmv_max[campaign]
        mask &= np.isin(table.buying, [BUYING_TYPES.index(name) for name in self._buying])[campaign]
        for name in ("campaign_ids", "adgroup_ids", "ad_ids"):
            mask &= self._with_ids(name)
        mask &= self._of_origin() & self._of_type()[campaign] & self._created_between() & self._with_name()
        return mask

    def _with_status(self) -> Flags:
        status = self._text("primary_status", "STATUS_NOT_DELETE")
        everything = f"{_PREFIX[self._level]}_STATUS_ALL"
        secondary = self._text("secondary_status", "")
        if "STATUS_ALL" in (status, secondary) or everything in (status, secondary):
            status = "STATUS_ALL"
        if status not in STATUSES:
            raise bad(f"filtering.primary_status: The value '{status}' is not valid.")
        mask = self._entities.having(self._level, frozenset({status}))
        if secondary and secondary != everything and secondary != "STATUS_ALL":
            make: Callable[[int], Record] = getattr(self._entities, self._level)
            matches = [make(int(i))["secondary_status"] == secondary for i in np.flatnonzero(mask)]
            mask[np.flatnonzero(mask)] = matches
        return mask

    def _text(self, name: str, default: str) -> str:
        value = self._filtering.get(name, default)
        if not isinstance(value, str):
            raise bad(f"filtering.{name}: Not a valid string.")
        return value

    def _with_ids(self, name: str) -> Flags:
        requested_ids = strings_of(f"filtering.{name}", self._filtering.get(name))
        table, count = self._entities.table, _count(self._entities.table, self._level)
        if requested_ids is None:
            return np.ones(count, dtype=bool)
        if not 1 <= len(requested_ids) <= _MOST_IDS:
            raise bad(f"filtering.{name}: takes 1 to {_MOST_IDS} ids.")
        ids = {"campaign_ids": table.campaigns.ids, "adgroup_ids": table.adgroups.ids, "ad_ids": table.ids}[name]
        matches = np.isin(ids, numbers_of(requested_ids))
        level = name.removesuffix("_ids")
        if level == self._level:
            return matches
        owners = {"campaign": table.campaign, "adgroup": table.adgroup}.get(level)
        if owners is None or (level == "adgroup" and self._level == "campaign"):
            raise bad(f"filtering.{name}: not supported for {self._level}/get.")
        return matches[owners[_first_ads(table, self._level)]]

    def _of_origin(self) -> Flags:
        origins = strings_of("filtering.campaign_system_origins", self._filtering.get("campaign_system_origins"))
        shown = origins is None or "TT_ADS_PLATFORM" in origins
        return np.full(_count(self._entities.table, self._level), shown)

    def _of_type(self) -> Flags:
        """Whether each campaign has the objective and the automation type."""
        objective = self._text("objective_type", "")
        automation = self._text("campaign_automation_type", "")
        types = self._entities.objective_types()
        return np.array(
            [
                objective in ("", name) and automation in ("", self._entities.automation(index))
                for index, name in enumerate(types)
            ],
            dtype=bool,
        )

    def _created_between(self) -> Flags:
        table = self._entities.table
        groups = {"campaign": table.campaigns, "adgroup": table.adgroups}.get(self._level)
        created = table.created if groups is None else groups.created
        begin, end = self._text("creation_filter_start_time", ""), self._text("creation_filter_end_time", "")
        mask = np.ones(len(created), dtype=bool)
        if begin:
            mask &= created >= read_time("filtering.creation_filter_start_time", begin)
        if end:
            mask &= created <= read_time("filtering.creation_filter_end_time", end)
        if self._text("modified_after", ""):
            raise NotSimulatedError("the filter modified_after of ad/get")
        return mask

    def _with_name(self) -> Flags:
        count = _count(self._entities.table, self._level)
        part = self._text(f"{self._level}_name", "")
        if not part:
            return np.ones(count, dtype=bool)
        name: Callable[[int], str] = getattr(self._entities, f"{self._level}_name")
        return np.array([part.lower() in name(index).lower() for index in range(count)], dtype=bool)


def _count(table: AdTable, level: Level) -> int:
    entities: Mapping[Level, Sized] = {"campaign": table.campaigns, "adgroup": table.adgroups, "ad": table}
    return len(entities[level])


def _first_ads(table: AdTable, level: Level) -> NDArray[np.int64]:
    """The position of the first ad of each entity."""
    if level == "ad":
        return np.arange(len(table), dtype=np.int64)
    return (table.campaigns if level == "campaign" else table.adgroups).first[:-1]
