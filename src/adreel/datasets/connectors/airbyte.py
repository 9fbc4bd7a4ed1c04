"""Datasets out of the settings of an Airbyte connection from TikTok Marketing.

Read are a configured catalogue (`streams` with `stream`, `sync_mode`), a connection of the public API
(`configurations.streams`, `schedule`) or of the Configuration API (`syncCatalog.streams`, `scheduleData`), and the
source's configuration (`start_date`, `end_date`, `attribution_window`, `include_deleted`). Of `credentials` only the
key `advertiser_id` is looked at. Shapes: Airbyte's protocol and API references; names of settings: the source's manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adreel.datasets.connectors import (
    ImportedSettings,
    ImportTarget,
    advertisers_of,
    at,
    day_of,
    days_of,
    every_minutes,
    metrics_in,
    objects,
    shown,
)
from adreel.errors import InputError
from adreel.language import phrase

DEFAULT_WINDOW = 3
"""Days that Airbyte reads again unless told otherwise."""

_ENTITIES = {
    "advertisers": "advertisers",
    "campaigns": "campaigns",
    "ad_groups": "ad_groups",
    "ads": "ads",
    "audiences": "custom_audiences",
}
_LEVELS = {"advertisers": "advertiser", "campaigns": "campaign", "ad_groups": "adgroup", "ads": "ad"}
_TIMES = {"hourly": "hour", "daily": "day"}
_AUDIENCE = {"ad_group": "adgroup", **_LEVELS}

DEFAULT_METRICS = (
    *("campaign_name", "campaign_id", "adgroup_name", "adgroup_id", "ad_name", "spend", "cpc", "cpm", "impressions"),
    *("clicks", "ctr", "reach", "cost_per_1000_reached", "frequency", "conversion", "cost_per_conversion"),
    *("conversion_rate", "real_time_conversion", "real_time_cost_per_conversion", "real_time_conversion_rate"),
    *("result", "cost_per_result", "result_rate", "real_time_result", "real_time_cost_per_result"),
    *("real_time_result_rate", "video_play_actions", "video_watched_2s", "video_watched_6s", "video_views_p25"),
    *("video_views_p50", "video_views_p75", "video_views_p100", "average_video_play", "likes", "comments", "shares"),
    *("follows", "profile_visits", "clicks_on_music_disc"),
)
"""Figures of Airbyte's report streams, for settings that do not list them."""


def stream_values(name: str) -> dict[str, Any] | None:
    """The report of a stream, as keys of a dataset file; None if adreel has no such report."""
    if name in _ENTITIES:
        return {"report": _ENTITIES[name]}
    prefix, part, rest = name.partition("_audience_reports_")
    if part and prefix in _AUDIENCE:
        return _audience_values(_AUDIENCE[prefix], rest)
    prefix, part, rest = name.partition("_reports_")
    if not part or prefix not in _LEVELS:
        return None
    values: dict[str, Any] = {"report": "performance", "data_level": _LEVELS[prefix]}
    if rest == "lifetime":
        return values | {"time_dimension": "none", "lifetime": True}
    if rest.startswith("by_country_") and prefix in ("ads", "ad_groups"):
        values["targeting_dimension"] = "country_code"
        rest = rest.removeprefix("by_country_")
    return values | {"time_dimension": _TIMES[rest]} if rest in _TIMES else None


def _audience_values(level: str, rest: str) -> dict[str, Any] | None:
    dimensions = {
        "daily": ["age", "gender"],
        "by_country_daily": ["country_code"],
        "by_platform_daily": ["platform"],
        "by_province_daily": ["province_id"],
    }.get(rest)
    if dimensions is None:
        return None
    return {
        "report": "performance",
        "report_type": "audience",
        "data_level": level,
        "time_dimension": "day",
        "audience_dimensions": dimensions,
    }


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream of a connection: `modes` is how it is synchronized, in one word or two; `metrics` None for all."""

    name: str
    modes: str
    metrics: tuple[str, ...] | None
    selected: bool


def read_airbyte(values: Iterable[Mapping[str, Any]], target: ImportTarget) -> ImportedSettings:
    """The datasets of a connection. InputError for values that are none of one."""
    settings = ImportedSettings()
    listed = list(values)
    streams = [stream for value in listed for stream in _streams(value)]
    if not streams:
        raise InputError(
            phrase(
                "No streams of Airbyte in the file. Give a configured catalog or a connection, as the API returns it, "
                "and the source's configuration beside it."
            )
        )
    config = _config(listed)
    schedule = _schedule(listed, settings)
    if any(_has_credentials(value) for value in listed):
        settings.leave(
            "credentials", phrase("not read; connect the account: %(command)s", command="adreel accounts connect")
        )
    for stream in streams:
        _add(stream, config, schedule, target, settings)
    for key in config.keys() - _READ:
        settings.leave(key, phrase("no setting of adreel"))
    return settings


_READ = frozenset({"start_date", "end_date", "attribution_window", "include_deleted", "credentials", "sourceType"})


def _streams(value: Mapping[str, Any]) -> Iterator[_Stream]:
    """The streams of a catalogue or a connection."""
    for each in objects(at(value, "configurations", "streams")):
        yield _Stream(
            str(each.get("name")), str(each.get("syncMode") or ""), _selected(each.get("selectedFields")), True
        )
    for each in [*objects(at(value, "syncCatalog", "streams")), *objects(value.get("streams"))]:
        config = at(each, "config")
        given = config if isinstance(config, Mapping) else each
        modes = [given.get(key) for key in ("sync_mode", "syncMode", "destination_sync_mode", "destinationSyncMode")]
        fields = given.get("selectedFields") if given.get("fieldSelectionEnabled") else None
        properties = at(each, "stream", "json_schema", "properties", "metrics", "properties")
        if properties is None:
            properties = at(each, "stream", "jsonSchema", "properties", "metrics", "properties")
        in_schema = tuple(properties) if isinstance(properties, Mapping) and properties else None
        name = at(each, "stream", "name")
        if isinstance(name, str):
            words = "_".join(str(mode) for mode in modes if mode)
            yield _Stream(name, words, _selected(fields) or in_schema, given.get("selected") is not False)


def _selected(fields: Any) -> tuple[str, ...] | None:
    """The metrics among selected fields; None if they are not chosen one by one."""
    paths = [each.get("fieldPath") for each in objects(fields)]
    names = [path[1] for path in paths if isinstance(path, list) and len(path) == 2 and path[0] == "metrics"]
    return tuple(map(str, names)) or None


def _config(values: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The source's configuration, which is alone in a file or within a source."""
    for value in values:
        for part in (value.get("connectionConfiguration"), value.get("configuration"), value):
            if isinstance(part, Mapping) and {"start_date", "credentials", "attribution_window"} & part.keys():
                return part
    return {}


def _has_credentials(value: Any) -> bool:
    return "credentials" in value or any("credentials" in each for each in value.values() if isinstance(each, Mapping))


def _schedule(values: Iterable[Mapping[str, Any]], settings: ImportedSettings) -> dict[str, str] | None:
    for value in values:
        cron = at(value, "schedule", "cronExpression") or at(value, "scheduleData", "cron", "cronExpression")
        if cron:
            settings.leave(
                f"schedule {shown(cron)}",
                phrase(
                    "Airbyte's expressions are not those of cron; set it: %(command)s", command="adreel schedules set"
                ),
            )
            return None
        basic = at(value, "scheduleData", "basicSchedule")
        units, unit = at(basic, "units"), at(basic, "timeUnit")
        timing = str(at(value, "schedule", "basicTiming") or "").lower().split()
        if len(timing) == 3 and timing[0] == "every":
            units, unit = timing[1], timing[2]
        minutes = {"minutes": 1, "hours": 60, "days": 1440}.get(str(unit).lower())
        if minutes is not None and str(units).isdigit():
            return every_minutes(int(str(units)) * minutes)
    return None


def _add(
    stream: _Stream,
    config: Mapping[str, Any],
    schedule: Mapping[str, str] | None,
    target: ImportTarget,
    settings: ImportedSettings,
) -> None:
    """The dataset of a stream, or why there is none."""
    report = stream_values(stream.name)
    if not stream.selected:
        settings.leave(stream.name, phrase("not selected in Airbyte"))
        return
    if report is None:
        settings.leave(stream.name, phrase("adreel has no such report"))
        return
    values: dict[str, Any] = {"name": stream.name, "account": target.account} | report
    advertisers = advertisers_of(at(config, "credentials", "advertiser_id"))
    if advertisers and report["report"] != "advertisers":
        values["advertisers"] = advertisers
    if report["report"] == "performance":
        values["metrics"] = metrics_in(values, stream.metrics or DEFAULT_METRICS, stream.name, settings)
    if report["report"] not in ("advertisers", "custom_audiences"):
        values["include_deleted"] = config.get("include_deleted") is True
    values |= _dates(stream, values, config, settings)
    if schedule is not None:
        values["schedule"] = dict(schedule)
    if target.destination is not None:
        values["publish"] = target.destination
    settings.files.append(values)


def _dates(
    stream: _Stream, values: Mapping[str, Any], config: Mapping[str, Any], settings: ImportedSettings
) -> dict[str, Any]:
    """Dates and update method of a stream."""
    if values["report"] != "performance" or values.get("lifetime"):
        return {"update": {"method": "replace"}}
    start, end = day_of(config.get("start_date")), day_of(config.get("end_date"))
    is_full = "full_refresh" in stream.modes
    if stream.modes.endswith("append"):
        settings.leave(
            f"{stream.name}: {stream.modes}",
            phrase("copies of the same day are not kept; each version of the table is, in adreel's history"),
        )
    last = end.isoformat() if end is not None else "today"
    if start is not None and (is_full or end is not None):
        return {"dates": {"start": start.isoformat(), "end": last}, "update": {"method": "replace"}}
    window = days_of(config.get("attribution_window"), "attribution_window", settings)
    days = DEFAULT_WINDOW if window is None else window
    if start is not None:
        settings.leave(
            f"{stream.name}: start_date {start}",
            phrase(
                "a run reads the last days only; read the days before once: %(command)s",
                command=f"adreel backfill {stream.name} --start {start} --end yesterday",
            ),
        )
    return {
        "dates": {"start": f"today-{max(days, 1)}", "end": last},
        "update": {"method": "partition", "lookback": days},
    }
