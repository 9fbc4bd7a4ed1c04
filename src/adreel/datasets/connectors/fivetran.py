"""Datasets out of the settings of a Fivetran connection of TikTok Ads.

Read are a connection (`config` with `sync_mode`, `accounts`, `timeframe_months`, `attribution_window_size` and
`custom_reports`, `sync_frequency`) and its schema (`schemas` with `tables` and their `columns`), as Fivetran's REST API
returns them, with or without `data` around them. `auth` is not looked at. Shapes: Fivetran's API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adreel.datasets.connectors import (
    ImportedSettings,
    ImportTarget,
    advertisers_of,
    at,
    days_of,
    every_minutes,
    metrics_in,
    objects,
    shown,
)
from adreel.datasets.layouts import fivetran
from adreel.errors import InputError
from adreel.language import phrase

DEFAULT_WINDOW = 28
"""Days that are read again unless the settings say otherwise: the longest usual attribution window."""

_ENTITIES = {
    "advertiser": "advertisers",
    "campaign_history": "campaigns",
    "adgroup_history": "ad_groups",
    "ad_history": "ads",
    fivetran.SMART_PLUS: "smart_plus_ads",
}
_WINDOWS = {"ONE": 1, "SEVEN": 7, "FOURTEEN": 14, "TWENTY_EIGHT": 28}
_MONTHS = {"THREE": 3, "SIX": 6, "TWELVE": 12, "TWENTY_FOUR": 24}
_REPORT = re.compile(
    r"(advertiser|campaign|adgroup|ad)_(report|age_gender_report|platform_report|country_report)(?:_(.+))?"
)
_CUSTOM = re.compile(r"auction_(basic|audience)_(advertiser|campaign|adgroup|ad)_report")
_BREAKDOWNS = {
    "age_gender_report": ["age", "gender"],
    "platform_report": ["platform"],
    "country_report": ["country_code"],
}
_TIMES = {"hourly": "hour", "daily": "day", None: "day"}


def table_values(name: str) -> dict[str, Any] | None:
    """The report of a table, as keys of a dataset file; None if adreel has no such report."""
    if name in _ENTITIES:
        return {"report": _ENTITIES[name]}
    match = _REPORT.fullmatch(name)
    if match is None:
        return None
    level, kind, time = match.groups()
    values: dict[str, Any] = {"report": "performance", "data_level": level}
    if kind == "report":
        if time == "lifetime":
            return values | {"time_dimension": "none", "lifetime": True}
        return values | {"time_dimension": _TIMES[time]} if time in ("hourly", "daily") else None
    if time not in (None, "daily"):
        return None
    values["time_dimension"] = "day"
    if kind == "country_report":
        return values | {"targeting_dimension": "country_code"}
    return values | {"report_type": "audience", "audience_dimensions": _BREAKDOWNS[kind]}


def read_fivetran(values: Iterable[Mapping[str, Any]], target: ImportTarget) -> ImportedSettings:
    """The datasets of a connection. InputError for values that are none of one."""
    settings = ImportedSettings()
    listed = [_inside(value) for value in values]
    config = next((each["config"] for each in listed if isinstance(each.get("config"), Mapping)), None)
    schemas = next((each["schemas"] for each in listed if isinstance(each.get("schemas"), Mapping)), None)
    service = next((each["service"] for each in listed if isinstance(each.get("service"), str)), "tiktok_ads")
    if (config is None and schemas is None) or service != "tiktok_ads":
        raise InputError(
            phrase(
                "No settings of a Fivetran connection of TikTok Ads in the file. Give the connection or its schema, as "
                "the API returns it."
            )
        )
    if any("auth" in each for each in listed):
        settings.leave("auth", phrase("not read; connect the account: %(command)s", command="adreel accounts connect"))
    tables = _tables(schemas, settings) if schemas is not None else dict.fromkeys(fivetran.usual_tables(), frozenset())
    shared = _shared(config or {}, listed, target, settings)
    for name, disabled in tables.items():
        _add(name, disabled, shared, settings)
    for custom in objects((config or {}).get("custom_reports")):
        _add_custom(custom, shared, settings)
    for key in (config or {}).keys() - _READ:
        settings.leave(str(key), phrase("no setting of adreel"))
    return settings


_READ = frozenset({"sync_mode", "accounts", "timeframe_months", "attribution_window_size", "custom_reports"})


def _inside(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer of the API is about."""
    data = value.get("data")
    return data if isinstance(data, Mapping) else value


def _tables(schemas: Mapping[str, Any], settings: ImportedSettings) -> dict[str, frozenset[str]]:
    """The tables that are enabled, each with its disabled columns; those that are not are noted."""
    tables: dict[str, frozenset[str]] = {}
    for schema in schemas.values():
        tables_of_schema = at(schema, "tables")
        for name, table in tables_of_schema.items() if isinstance(tables_of_schema, Mapping) else ():
            if at(schema, "enabled") is False or at(table, "enabled") is not True:
                settings.leave(str(name), phrase("disabled in Fivetran"))
                continue
            columns = at(table, "columns")
            listed = columns.items() if isinstance(columns, Mapping) else ()
            tables[str(name)] = frozenset(str(key) for key, column in listed if at(column, "enabled") is False)
    return tables


def _shared(
    config: Mapping[str, Any], listed: Iterable[Mapping[str, Any]], target: ImportTarget, settings: ImportedSettings
) -> dict[str, Any]:
    """What every dataset has: account, ad accounts, schedule, look-back and destination."""
    shared: dict[str, Any] = {"account": target.account}
    if str(config.get("sync_mode")) == "SpecificAccounts":
        advertisers = advertisers_of(config.get("accounts"))
        if not advertisers:
            raise InputError(
                phrase("sync_mode is SpecificAccounts, and accounts has no IDs. Nothing was imported; list them.")
            )
        shared["advertisers"] = advertisers
    window = config.get("attribution_window_size")
    days = days_of(_WINDOWS.get(str(window), window), "attribution_window_size", settings)
    shared["lookback"] = DEFAULT_WINDOW if days is None else days
    months = _MONTHS.get(str(config.get("timeframe_months")))
    if config.get("timeframe_months") is not None:
        start = f"today-{months * 30}" if months else "DAY"
        settings.leave(
            f"timeframe_months {shown(config['timeframe_months'])}",
            phrase(
                "a run reads the last days only; read the days before once: %(command)s",
                command=f"adreel backfill NAME --start {start} --end yesterday",
            ),
        )
    minutes = next((each["sync_frequency"] for each in listed if isinstance(each.get("sync_frequency"), int)), None)
    schedule = every_minutes(minutes) if minutes is not None else None
    if schedule is not None:
        shared["schedule"] = schedule
    elif minutes is not None:
        settings.leave(f"sync_frequency {minutes}", phrase("runs are at least 15 minutes apart; set a schedule"))
    if target.destination is not None:
        shared["publish"] = target.destination
    return shared


def _add(name: str, disabled: frozenset[str], shared: Mapping[str, Any], settings: ImportedSettings) -> None:
    """The dataset of a table, or why there is none."""
    report = table_values(name)
    if report is None:
        settings.leave(name, phrase("adreel has no such report"))
        return
    values: dict[str, Any] = {"name": name, "account": shared["account"]} | report
    if report["report"] == "performance":
        like = f"{report['data_level']}_report_hourly"
        named_metrics = fivetran.metrics_for(like if like in fivetran.TABLES else "campaign_report_hourly")
        wanted = [metric for metric in named_metrics if fivetran.fivetran_name(metric) not in disabled]
        values["metrics"] = metrics_in(values, wanted, name, settings) if disabled else _offered(values, wanted)
    elif disabled:
        settings.leave(f"{name}: {', '.join(sorted(map(shown, disabled)))}", phrase("disabled there, read by adreel"))
    settings.files.append(_completed(values, shared))


def _offered(values: dict[str, Any], wanted: list[str]) -> list[str]:
    return metrics_in(values, wanted, "", ImportedSettings())


def _completed(values: dict[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """The file with what every dataset has, and its dates."""
    more = {key: shared[key] for key in ("advertisers", "schedule", "publish") if key in shared}
    if values["report"] == "advertisers":
        more.pop("advertisers", None)
    else:
        more["include_deleted"] = True
    if values["report"] != "performance" or values.get("lifetime"):
        return values | more | {"update": {"method": "replace"}}
    days = shared["lookback"]
    dates = {"start": f"today-{max(days, 1)}", "end": "today"}
    return values | more | {"dates": dates, "update": {"method": "partition", "lookback": days}}


def _add_custom(custom: Mapping[str, Any], shared: Mapping[str, Any], settings: ImportedSettings) -> None:
    """The dataset of a custom report, or why there is none."""
    name = f"custom report {shown(custom.get('table_name'))}"
    match = _CUSTOM.fullmatch(str(custom.get("report_type")))
    aggregate = str(custom.get("aggregate") or "daily").lower()
    if match is None or aggregate not in ("hourly", "daily", "lifetime"):
        kind = f"{shown(custom.get('report_type'))}, {shown(aggregate)}"
        settings.leave(name, phrase("adreel has no such report: %(kind)s", kind=kind))
        return
    kind, level = match.groups()
    given = custom.get("dimensions")
    times = ("stat_time_day", "stat_time_hour", f"{level}_id")
    dimensions = [str(each) for each in given if str(each) not in times] if isinstance(given, list) else []
    key = "audience_dimensions" if kind == "audience" else "targeting_dimension"
    values: dict[str, Any] = {
        "name": shown(custom.get("table_name") or "custom_report"),
        "account": shared["account"],
        "report": "performance",
        "report_type": kind,
        "data_level": level,
        "time_dimension": {"hourly": "hour", "daily": "day"}.get(aggregate, "none"),
        **({key: dimensions} if dimensions else {}),
        **({"lifetime": True} if aggregate == "lifetime" else {}),
    }
    metrics = custom.get("metrics")
    values["metrics"] = metrics_in(values, metrics if isinstance(metrics, list) else (), name, settings)
    if not values["metrics"]:
        settings.leave(name, phrase("no metric of it is left"))
        return
    settings.files.append(_completed(values, shared))
