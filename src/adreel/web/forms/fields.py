"""A dataset's values as the fields of a form, and back.

Menus are read by their source in the catalogue, and no report is known by name here. A menu's field has the menu's
name; what belongs to it has a name after a dot, such as `dates.kind` or `metrics.search`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from adreel import catalog
from adreel.catalog.records import Menu, Report
from adreel.datasets.calculated import KEY as CALCULATED
from adreel.datasets.values import FIRST_DATES, LISTS, scalar, texts
from adreel.dates import read_day
from adreel.errors import InputError
from adreel.language import integer, phrase
from adreel.update_methods import Method
from adreel.web.forms.scheduling import schedule_pairs, schedule_values

MOST_FIELDS = 50_000
"""In one form: every metric and every box of a long list fit in."""


_SEPARATORS = re.compile(r"[\s,;|\"'\[\](){}]+")


@dataclass(frozen=True, slots=True)
class FormFields:
    """The names and values that a form sends; a name may come several times."""

    values: Mapping[str, tuple[str, ...]]

    @staticmethod
    def of(pairs: Iterable[tuple[str, str]]) -> FormFields:
        """From pairs in the order of the page."""
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        return FormFields({name: tuple(all_values) for name, all_values in values.items()})

    @staticmethod
    def read(body: bytes) -> FormFields:
        """From a form's body as browsers send it. InputError if it has more fields than any form of ours."""
        try:
            text = body.decode("ascii", "replace")
            pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS)
        except ValueError as error:
            raise InputError(
                phrase("The form has more than %(fields)s fields; select fewer values.", fields=integer(MOST_FIELDS))
            ) from error
        return FormFields.of((name, value.replace("\r\n", "\n")) for name, value in pairs)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the field."""
        return self.values.get(name, ())

    def last(self, name: str, otherwise: str = "") -> str:
        """The value of a field that comes once; the last of several, as of a switch with its hidden `false`."""
        return self.values[name][-1] if name in self.values else otherwise

    def text(self, name: str, otherwise: str = "") -> str:
        """The same without blanks around it."""
        return self.last(name, otherwise).strip()

    def __contains__(self, name: str) -> bool:
        return name in self.values


# -- values to fields


def fields_of(values: Mapping[str, Any]) -> FormFields:
    """The fields of a form that shows the dataset file's values."""
    return FormFields.of(_pairs(values))


def _pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("name", "description", "account", "report"):
        yield name, scalar(values.get(name))
    yield "tags", tags_text(texts(values.get("tags")))
    report = catalog.REPORTS.get(scalar(values.get("report")))
    for menu in report.menus if report else ():
        if values.get(menu.name) is not None:
            yield from _menu_pairs(menu, values[menu.name])
    if text := calculated_text(values):
        yield CALCULATED, text
    yield from _update_pairs(values.get("update"))
    yield from schedule_pairs(values)


def _menu_pairs(menu: Menu, value: Any) -> Iterator[tuple[str, str]]:
    given = texts(value)
    if menu.source == "dates":
        yield from _dates_pairs(value if isinstance(value, dict) else {})
    elif menu.source == "advertisers":
        digits = all(text.isascii() and text.isdigit() for text in given)
        yield f"{menu.name}.how", "all" if given in ((), ("all",)) else "picked" if digits else "typed"
        yield menu.name, "" if given == ("all",) else " ".join(given)
    elif menu.source == "ids":
        yield menu.name, " ".join(given)
    else:
        yield from ((menu.name, text) for text in given)


def _dates_pairs(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kinds = {"period": "period", "date": "date", "start": "range", "end": "range"}
    yield "dates.kind", next((kinds[key] for key in kinds if given.get(key) is not None), "")
    for key in ("period", "week_starts"):
        if given.get(key) is not None:
            yield f"dates.{key}", scalar(given[key]).lower().replace(" ", "_")
    for key in ("date", "start", "end"):
        if given.get(key) is not None:
            yield from _day_pairs(f"dates.{key}", scalar(given[key]).strip())


def _day_pairs(name: str, text: str) -> Iterator[tuple[str, str]]:
    """A calendar day goes into the calendar, what is counted back into the field for that, and slips there too."""
    try:
        fixed = read_day(text).fixed
    except (ValueError, OverflowError):
        fixed = None
    yield f"{name}.how", "on" if fixed else "back"
    yield f"{name}.{'on' if fixed else 'back'}", fixed.isoformat() if fixed else text


def _update_pairs(update: Any) -> Iterator[tuple[str, str]]:
    given = update if isinstance(update, dict) else {}
    yield "update.method", scalar(given.get("method") or Method.REPLACE).lower()
    yield "update.key", ", ".join(texts(given.get("key")))
    yield "update.keep_days", scalar(given.get("keep_days"))
    yield "update.lookback", scalar(given.get("lookback"))


def tags_text(tags: Iterable[str]) -> str:
    """Tags in one line with commas between; one that has a comma or a quote itself stands in quotes."""
    return ", ".join('"' + tag.replace('"', '""') + '"' if set(tag) & set(',"') else tag for tag in tags)


def tags_in(text: str) -> tuple[str, ...]:
    """The tags of such a line, each once."""
    line = " ".join(text.split())
    try:
        tag_texts = [tag_text for row in csv.reader([line], skipinitialspace=True) for tag_text in row]
    except csv.Error:
        tag_texts = line.split(",")
    return tuple(dict.fromkeys(tag for tag_text in tag_texts if (tag := tag_text.strip())))


# -- fields to values


def values_of(fields: FormFields) -> dict[str, Any]:
    """The dataset file's values as the form has them: the menus of its report, of those that were on the page."""
    values: dict[str, Any] = {name: fields.text(name) for name in ("name", "account", "report")}
    if fields.text("description"):
        values["description"] = fields.last("description")
    if tags := tags_in(fields.last("tags")):
        values["tags"] = list(tags)
    report = catalog.REPORTS.get(values["report"])
    for menu in report.menus if report else ():
        value = _menu_value(menu, fields)
        if value is not None:
            values[menu.name] = value
    if fields.text(CALCULATED):
        values[CALCULATED] = _calculated_value(fields.text(CALCULATED))
    return values | {"update": _update_value(fields)} | schedule_values(fields)


def calculated_text(values: Mapping[str, Any]) -> str:
    """The calculated metrics of a dataset file's values as the form carries them along; empty for none."""
    given = values.get(CALCULATED)
    return json.dumps(given, ensure_ascii=False) if given else ""


def _calculated_value(text: str) -> Any:
    """The calculated metrics, which the form carries along as JSON; what is none is told of by the check."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _menu_value(menu: Menu, fields: FormFields) -> Any:
    """What is chosen in a menu; None if it was not on the page, or nothing is."""
    if menu.source == "dates":
        return _dates_value(fields) if "dates.kind" in fields else None
    if menu.source == "advertisers":
        return advertisers_value(menu, fields)
    if menu.source == "switch":
        on = fields.last(menu.name) == "true"
        return on if menu.name in fields and on is not bool(menu.default) else None
    if menu.source == "ids":
        return list(ids_in(*fields.all(menu.name))) or None
    if menu.source in LISTS:
        return list(ticked(menu.name, fields)) or None
    return fields.text(menu.name) or None


def advertisers_value(menu: Menu, fields: FormFields) -> Any:
    """`all`, or ids, of which there may be none; None if the menu was not on the page."""
    how = fields.last(f"{menu.name}.how")
    return None if not how else "all" if how == "all" else list(advertiser_ids(menu, fields))


def advertiser_ids(menu: Menu, fields: FormFields) -> tuple[str, ...]:
    """The ids that are picked or typed, also while all advertisers are chosen."""
    picked = ticked(menu.name, fields, ids_in(*fields.all(menu.name)))
    return tuple(dict.fromkeys((*picked, *ids_in(fields.last(f"{menu.name}.typed")))))


def ticked(name: str, fields: FormFields, before: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """What is chosen of a list that is shown in part: what was chosen before, and what the boxes say that were there.

    The field itself has what was chosen when the page was made, `.seen` the boxes that it had, `.tick` those ticked.
    """
    seen = {text_value for text in fields.all(f"{name}.seen") for text_value in text.split()}
    now = fields.all(f"{name}.tick")
    kept = [
        text_value
        for text_value in (fields.all(name) if before is None else before)
        if text_value and (text_value not in seen or text_value in now)
    ]
    return tuple(dict.fromkeys((*kept, *now)))


def ids_in(*given: str) -> tuple[str, ...]:
    """Every id in texts, whatever stands between them; a word that is no id is kept, to be told of."""
    words = (word for text in given for word in _SEPARATORS.split(text) if word)
    return tuple(dict.fromkeys(words))


def _dates_value(fields: FormFields) -> dict[str, str]:
    kind = fields.last("dates.kind")
    if kind == "period":
        period = fields.text("dates.period", FIRST_DATES["period"])
        week = fields.text("dates.week_starts")
        matters = week and (week != "monday" or "week" in period)
        return {"period": period} | ({"week_starts": week} if matters else {})
    keys = {"date": ("date",), "range": ("start", "end")}.get(kind, ())
    # A day that is not chosen yet stays, so that it can be told which one is missing.
    return {key: day_value(key, fields) for key in keys}


def day_value(key: str, fields: FormFields) -> str:
    """A day of the dates as a dataset file has it; the first one if the form did not ask for it yet."""
    how = fields.last(f"dates.{key}.how")
    return fields.text(f"dates.{key}.{'on' if how == 'on' else 'back'}") if how else FIRST_DATES[key]


def _update_value(fields: FormFields) -> dict[str, Any]:
    method = fields.text("update.method") or str(Method.REPLACE)
    key, days = ids_in(fields.last("update.key")), fields.text("update.keep_days")
    lookback = fields.text("update.lookback")
    return (
        {"method": method}
        | ({"key": list(key)} if key and method == Method.UPSERT else {})
        | ({"keep_days": days} if days and method == Method.PARTITION else {})
        | ({"lookback": lookback} if lookback and method in (Method.PARTITION, Method.UPSERT) else {})
    )


def carried(fields: FormFields, report: Report | None) -> tuple[tuple[str, str], ...]:
    """Choices of menus that only other reports have, so that they are back when one of those is selected again."""
    own = {menu.name for menu in (report.menus if report else ())}
    names = dict.fromkeys(
        menu.name
        for other in catalog.REPORTS.values()
        for menu in other.menus
        if menu.source == "choices" and menu.name not in own
    )
    return tuple((name, fields.text(name)) for name in names if fields.text(name))


def left_behind(fields: FormFields, report: Report) -> tuple[str, ...]:
    """The titles of menus in which values were picked for another report, and which this one has not."""
    own = {menu.name for menu in report.menus}
    return tuple(
        {
            menu.title: None
            for other in catalog.REPORTS.values()
            for menu in other.menus
            if menu.name not in own and menu.source in LISTS and ticked(menu.name, fields)
        }
    )
