"""The calculated metrics of the form: those of the dataset, ready-made ones, and the editor of one formula.

The editor's fields begin with `calc.`. What it says of a formula comes from the check that files and the API have, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog.calculated import UNITS
from adreel.catalog.formulas import FormulaError, name_spans, parts, value_of
from adreel.catalog.records import Metric
from adreel.charts.labels import amount
from adreel.datasets.calculated import KEY, CheckedEntry, EntryFault, ReadFormula, check_entry, read_formula
from adreel.datasets.fitting import Fitted, fitted
from adreel.datasets.menus import Offer
from adreel.datasets.metric_search import search_calculated, search_metrics
from adreel.datasets.values import scalar, texts
from adreel.errors import Problem, did_you_mean
from adreel.language import Phrase, in_language, listed, phrase, phrases
from adreel.web.forms.buttons import PressedButton, moved
from adreel.web.forms.fields import FormFields, values_of
from adreel.web.forms.sections import BETWEEN

NEW = "+"
"""What stands for a calculated metric that is not in the list yet."""

UNIT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "account_currency": Phrase("money"),
        "percent": Phrase("percent"),
        "ratio": Phrase("ratio"),
        "number": Phrase("number"),
    }
)
"""What formulas give."""

_PLAIN_NUMBER = re.compile(r"-?\d{1,24}(\.\d{1,6})?", re.ASCII)
_LONGEST_SUMS = 100_000
_LONGEST_WORDS = 100
MOST_SUGGESTIONS = 8
"""Metrics that are suggested at a time."""
_NUMBER = re.compile(r"\d[\d,]*(\.\d+)?", re.ASCII)
_NO_NAME = re.compile(r"[^a-z0-9]+")
_CALC = "calc"
_UNDER_WAY = "formula_under_way"
"""The name that a formula is checked under while it is written."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums by metric that an example is computed from; `source` says of which rows, such as "the first rows".

    `currency` is that of the money; empty if it is unknown. Money of `several_currencies` has no sum.
    """

    source: str = ""
    values: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    currency: str = ""
    several_currencies: bool = False

    @staticmethod
    def of_preview(text: str) -> Sums:
        """Those of the first rows, as the page carries them along; none if the text is something else."""
        try:
            given = json.loads(text[:_LONGEST_SUMS])
            sums = {name: Decimal(value) for name, value in given["sums"].items() if _PLAIN_NUMBER.fullmatch(value)}
            several = given.get("several_currencies") is True
            return Sums(phrase("the first rows"), sums, scalar(given["currency"])[:10], several)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Sums()

    @property
    def text(self) -> str:
        """As `of_preview` reads it; empty if there are none."""
        sums = {name: f"{value:f}" for name, value in self.values.items()}
        given = {"currency": self.currency, "several_currencies": self.several_currencies, "sums": sums}
        return json.dumps(given) if sums else ""


@dataclass(frozen=True, slots=True)
class ListedMetric:
    """A calculated metric of the dataset; `adds` are the titles of metrics that it needs and that are not selected."""

    name: str
    title: str
    formula: str
    unit: str
    adds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadyMetric:
    """A ready-made one that can be added, with the titles of the metrics that are added with it."""

    name: str
    title: str
    meaning: str
    formula: str
    adds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormulaCheck:
    """What is to be said of a formula.

    `pieces` are its text in order, each with whether it is at fault. `missing` are the metrics that it needs and that
    are not selected, by name with their titles. `unit` is that of what it gives, in words. `example` has figures of
    `source`; `no_example` says why there is none.
    """

    pieces: tuple[tuple[str, bool], ...] = ()
    faults: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    example: str = ""
    source: str = ""
    no_example: str = ""
    needs_factor: bool = False


@dataclass(frozen=True, slots=True)
class FormulaEditor:
    """One calculated metric while it is written: `opened` is its name in the list, or `NEW`.

    `name_faults` are told at the name, `title_faults` at the title, the rest in `check`.
    """

    opened: str
    name: str
    title: str
    formula: str
    unit: str
    default_name: str
    check: FormulaCheck
    name_faults: tuple[str, ...] = ()
    title_faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CalculatedPane:
    """The part of the form; `text` is what stands in the file, as JSON, which the page carries along.

    `matching` are the ready-made ones that the search of metrics finds. `removed` is an entry that was just removed,
    with its place, and `removed_title` its title.
    """

    text: str
    listed: tuple[ListedMetric, ...]
    ready: tuple[ReadyMetric, ...]
    matching: tuple[ReadyMetric, ...]
    editor: FormulaEditor | None
    removed: str
    removed_title: str


# -- entries of a file


def entries_of(values: Mapping[str, Any]) -> list[Any]:
    """The calculated metrics of a file's values, each as the file has it."""
    given = values.get(KEY)
    return list(given) if isinstance(given, list) else [] if given in (None, "") else [given]


def name_of(entry: Any) -> str:
    """The name of an entry, whichever way it is written."""
    return scalar(entry.get("name") if isinstance(entry, dict) else entry).strip()


def _with_entries(values: Mapping[str, Any], entries: Sequence[Any]) -> dict[str, Any]:
    """The values with these calculated metrics; the key is gone with the last one."""
    others = {key: value for key, value in values.items() if key != KEY}
    return others | ({KEY: list(entries)} if entries else {})


def _with_metrics(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values with these metrics selected besides."""
    menu = _metrics_menu(values)
    return {**values, menu: list(dict.fromkeys((*texts(values.get(menu)), *names)))} if menu else dict(values)


def _metrics_menu(values: Mapping[str, Any]) -> str:
    report = catalog.REPORTS.get(scalar(values.get("report")))
    return next((menu.name for menu in (report.menus if report else ()) if menu.source == "metrics"), "")


# -- buttons


def calculated_after(fields: FormFields, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values after a button of this part: add, remove, restore, move, save, need."""
    order, entries = PressedButton.of(fields), entries_of(values)
    names = [name_of(entry) for entry in entries]
    ready = catalog.calculated_metrics().get(order.value)
    if order.menu == "add" and ready is not None and ready.name not in names:
        return _with_metrics(_with_entries(values, [*entries, ready.name]), ready.parts)
    if order.menu == "need" and order.value in catalog.metrics():
        return _with_metrics(values, [order.value])
    if order.menu == "save":
        return _saved(fields, values, entries)
    if order.menu == "restore":
        place, entry = _removed(fields.last("calc.removed"))
        return _with_entries(values, [*entries[:place], entry, *entries[place:]]) if entry else dict(values)
    return _with_entries(values, _listed_after(order, entries, names))


def _listed_after(order: PressedButton, entries: list[Any], names: list[str]) -> list[Any]:
    """The entries after one was removed or moved."""
    name, _, way = order.value.partition(" ")
    if name not in names:
        return entries
    place = names.index(name)
    if order.menu == "remove":
        return [*entries[:place], *entries[place + 1 :]]
    return moved(entries, place, way) if order.menu == "move" else entries


def _saved(fields: FormFields, values: Mapping[str, Any], entries: list[Any]) -> dict[str, Any]:
    """The values with what stands in the editor, if nothing is wrong with it."""
    fit = fitted(values)
    if fit is None:
        return dict(values)
    opened, entry = fields.last("calc.open"), _typed_entry(fields, entries)
    outcome = _outcome(entry, opened, fit, ())
    if outcome.metric is None:
        return dict(values)
    names = [name_of(other) for other in entries]
    place = names.index(opened) if opened in names else len(entries)
    return _with_metrics(_with_entries(values, [*entries[:place], entry, *entries[place + 1 :]]), outcome.added)


def _removed(text: str) -> tuple[int, Any]:
    """The place and the entry that the page carries along after one was removed; None for none."""
    try:
        place, entry = json.loads(text)
        return (int(place), entry) if isinstance(entry, dict | str) and 0 <= int(place) < 1000 else (0, None)
    except (ValueError, TypeError, RecursionError):
        return 0, None


def _removed_text(order: PressedButton, fields: FormFields, before: list[Any], after: list[Any]) -> str:
    """What the page carries along of an entry that was removed, until another one is or it is back."""
    if order.verb == _CALC and order.menu == "remove" and len(after) < len(before):
        place = next(place for place, entry in enumerate(before) if name_of(entry) == order.value)
        return json.dumps([place, before[place]], ensure_ascii=False)
    text = fields.last("calc.removed")
    entry = _removed(text)[1]
    return text if entry and name_of(entry) not in [name_of(other) for other in after] else ""


# -- the editor


def _opened(fields: FormFields, after: list[Any]) -> tuple[str, bool]:
    """What the editor has: the name of an entry, or `NEW`, or nothing; and whether this request opens it."""
    order, opened = PressedButton.of(fields), fields.last("calc.open")
    names = [name_of(entry) for entry in after]
    if order.verb == _CALC and order.menu in ("new", "edit"):
        return (NEW, True) if order.menu == "new" else (order.value, True) if order.value in names else ("", False)
    is_over = order.verb == _CALC and (
        order.menu == "close" or (order.menu == "save" and _typed_entry(fields, after) in after)
    )
    return ("", False) if is_over or opened not in (NEW, *names) else (opened, False)


def _typed_entry(fields: FormFields, entries: Iterable[Any]) -> Any:
    """The entry that stands in the editor, as the file has it; one that is as it was stays as it is written."""
    opened = fields.last("calc.open")
    before = next((entry for entry in entries if name_of(entry) == opened), None)
    title, formula, unit = fields.text("calc.title"), _formula(fields), fields.text("calc.unit")
    name = fields.text("calc.name") or name_for(title)
    if before is not None and _texts_of(before) == (name, title, formula, unit):
        return before
    entry = dict(before) if isinstance(before, dict) else {}
    entry |= {"name": name, "formula": formula, "title": title, "unit": unit}
    return {key: value for key, value in entry.items() if value or key in ("name", "formula")}


def _formula(fields: FormFields) -> str:
    """The formula as it was typed, or made a percentage by a button."""
    formula, order = " ".join(fields.last("calc.formula").split()), PressedButton.of(fields)
    return f"100 * ({formula})" if (order.verb, order.menu) == (_CALC, "percent") and formula else formula


def _texts_of(entry: Any) -> tuple[str, str, str, str]:
    """Name, title, formula and unit of an entry, with those of a ready-made one that it names."""
    values = entry if isinstance(entry, dict) else {"name": entry}
    name, formula = name_of(entry), scalar(values.get("formula"))
    ready = catalog.calculated_metrics().get(name) if "formula" not in values else None
    if ready is None:
        return name, scalar(values.get("title")), formula, scalar(values.get("unit"))
    unit = ready.unit if ready.unit in ("percent", "ratio") else ""
    return name, scalar(values.get("title")) or str(ready.title), ready.formula, unit


def name_for(title: str) -> str:
    """A column's name after a title: `Hook rate (2 s)` as `hook_rate_2_s`; empty if it has no letter to begin with."""
    return _NO_NAME.sub("_", title.lower()).lstrip("_0123456789")[:60].rstrip("_")


def _outcome(entry: Any, opened: str, fit: Fitted, columns: Iterable[str]) -> CheckedEntry:
    """The check of an entry beside the others."""
    menu = _metrics_menu(fit.values)
    others = [other for other in entries_of(fit.values) if name_of(other) != opened]
    return check_entry(entry, others, texts(fit.values.get(menu)), fit.offers.get(menu, {}).values(), columns)


def formula_editor(fields: FormFields, fit: Fitted, columns: Iterable[str], sums: Sums) -> FormulaEditor | None:
    """The editor as the form has it, with what is to be said of its formula; None while it is closed."""
    entries = entries_of(fit.values)
    opened, begun = _opened(fields, entries)
    if not opened:
        return None
    if begun:
        begun_with: Any = next((entry for entry in entries if name_of(entry) == opened), {})
        name, title, formula, unit = _texts_of(begun_with)
    else:
        name, title, unit = (fields.text(f"calc.{key}") for key in ("name", "title", "unit"))
        formula = _formula(fields)
    tried = PressedButton.of(fields).verb == _CALC and PressedButton.of(fields).menu == "save"
    typed = {"title": title, "formula": formula, "unit": unit}
    # Under a name that is free: what is wrong with the name is no reason not to tell what is wrong with the formula.
    of_formula = _outcome({"name": _UNDER_WAY} | typed, opened, fit, columns).faults if formula or tried else ()
    of_name = _outcome({"name": name or name_for(title)} | typed, opened, fit, columns).faults if name or tried else ()
    return FormulaEditor(
        opened,
        name,
        title,
        formula,
        unit,
        name_for(title),
        _checked(formula, unit, [fault for fault in of_formula if fault.key != "title"], fit, sums),
        tuple(_name_sentence(name or name_for(title), fault) for fault in of_name if fault.key == "name"),
        tuple(_sentence(fault) for fault in of_formula if fault.key == "title"),
    )


def _checked(formula: str, unit: str, faults: Iterable[EntryFault], fit: Fitted, sums: Sums) -> FormulaCheck:
    """What is to be said of the formula itself."""
    read, by_itself = read_formula(formula, unit), read_formula(formula)
    selected = texts(fit.values.get(_metrics_menu(fit.values)))
    spans = [span for fault in read.faults for span in fault.spans]
    example, why_not = _example(formula, read, sums)
    return FormulaCheck(
        pieces=tuple(_pieces(formula, spans)) if formula and spans else (),
        faults=tuple(_of_format(unit, by_itself, fault) for fault in faults),
        missing=tuple((name, _title(name)) for name in _parts(read) if name not in selected),
        unit=_unit_words(read, sums),
        example=example,
        source=sums.source if example else "",
        no_example=why_not,
        needs_factor=unit == "percent" and read.unit is None and by_itself.unit in ("number", "ratio"),
    )


def _parts(read: ReadFormula) -> tuple[str, ...]:
    return parts(read.expression) if read.expression else ()


def _sentence(fault: EntryFault) -> str:
    """The reason as a sentence, without the name of the entry before it, and with the nearest choice."""
    reason = fault.reason.removeprefix(f"{_UNDER_WAY}: ").replace(_UNDER_WAY, phrase("the formula"))
    first = reason.split(" ")[0]
    # A metric's name stays as TikTok spells it.
    words = reason if first in catalog.metrics() else f"{reason[:1].upper()}{reason[1:]}"
    return f"{words}.{did_you_mean(fault.nearest)}"


def _of_format(unit: str, by_itself: ReadFormula, fault: EntryFault) -> str:
    """What is wrong with the formula; a format that it cannot have is told of in the words of the editor."""
    if fault.key == "formula" and unit in UNITS and by_itself.unit == "account_currency":
        return phrase(
            "The formula gives an amount of money, not a %(unit)s; choose the automatic format.", unit=UNIT_WORDS[unit]
        )
    return _sentence(fault)


def _name_sentence(name: str, fault: EntryFault) -> str:
    """What is wrong with the name of the column."""
    return _sentence(fault) if name else phrase("Enter a title, or a column name.")


def _pieces(formula: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """The text in pieces; a place behind its end is shown as a blank that is at fault."""
    place = 0
    for start, end in sorted(spans):
        if start > place:
            yield formula[place:start], False
        if start >= place:
            yield formula[start:end] or " ", True
            place = max(end, start)
    if place < len(formula):
        yield formula[place:], False


def _title(name: str) -> str:
    metric = catalog.metrics().get(name)
    return metric.title if metric else name


def _unit_words(read: ReadFormula, sums: Sums) -> str:
    if read.unit == "account_currency":
        return (
            phrase("money in %(currency)s", currency=sums.currency)
            if sums.currency
            else phrase("money in the ad account's currency")
        )
    return UNIT_WORDS[read.unit] if read.unit else ""


def _example(formula: str, read: ReadFormula, sums: Sums) -> tuple[str, str]:
    """The formula with figures and what it gives, or why there is no example."""
    if read.expression is None:
        return "", ""
    if not sums.values:
        return "", phrase("Load preview for an example with figures.")
    lacking = [name for name in _parts(read) if name not in sums.values]
    if lacking:
        return "", _no_sum(lacking, sums)
    value = value_of(read.expression, sums.values)
    unit = {"account_currency": "money", "percent": "percent"}.get(str(read.unit))
    result = (
        phrase("empty: it divides by zero") if value is None else amount(float(value), unit, sums.currency or None, 2)
    )
    return f"{_with_figures(formula, sums.values)} = {result}", ""


def _no_sum(lacking: Sequence[str], sums: Sums) -> str:
    """Why there is no example: metrics without a sum."""
    money = [name for name in lacking if name in catalog.metrics() and catalog.metrics()[name].type == "money"]
    if money and sums.several_currencies:
        return phrases(
            "No example: %(metrics)s is in several currencies, so it has no sum.",
            "No example: %(metrics)s are in several currencies, so they have no sum.",
            len(money),
            metrics=_titles(money),
        )
    return phrase("No example: %(rows)s have no sum of %(metrics)s.", rows=sums.source, metrics=_titles(lacking))


def _titles(names: Iterable[str]) -> str:
    return listed(str(_title(name)) for name in names)


def _with_figures(formula: str, values: Mapping[str, Decimal]) -> str:
    """The formula with the sums in place of the names, its numbers as the language in force writes them."""
    try:
        spans = sorted((span, name) for name, places in name_spans(formula).items() for span in places)
    except FormulaError:
        return formula
    for (start, end), name in reversed(spans):
        value = values[name]
        number = f"{value:,.2f}" if value % 1 else f"{value:,.0f}"
        formula = f"{formula[:start]}{number}{formula[end:]}"
    return _NUMBER.sub(lambda match: in_language(match[0]), formula)


# -- the part of the form


def calculated_pane(
    fields: FormFields, before: Mapping[str, Any], fit: Fitted, columns: Iterable[str], sums: Sums
) -> CalculatedPane | None:
    """The part as it is shown; `before` are the values before the button that was pressed. None without metrics."""
    menu = _metrics_menu(fit.values)
    if not menu or fit.report.deprecated:
        return None
    entries, selected = entries_of(fit.values), frozenset(texts(fit.values.get(menu)))
    names = {name_of(entry) for entry in entries}
    offers = fit.offers.get(menu, {})
    ready = tuple(_ready(offers, selected, names))
    words = fields.text(f"{menu}.search")
    names_found = {metric.name for metric in search_calculated(words)} if words else set()
    removed = _removed_text(PressedButton.of(fields), fields, entries_of(before), entries)
    return CalculatedPane(
        text=json.dumps(fit.values[KEY], ensure_ascii=False) if fit.values.get(KEY) else "",
        listed=tuple(_listed(entry, selected) for entry in entries),
        ready=ready,
        matching=tuple(metric for metric in ready if metric.name in names_found),
        editor=formula_editor(fields, fit, columns, sums),
        removed=removed,
        removed_title=_shown_title(_removed(removed)[1]) if removed else "",
    )


def _ready(offers: Mapping[str, Offer], selected: Collection[str], names: Collection[str]) -> Iterator[ReadyMetric]:
    """Those whose metrics the report has and that the dataset does not have yet."""
    for metric in catalog.calculated_metrics().values():
        parts_offered = [offers.get(part) for part in metric.parts]
        if metric.name not in names and all(offer is not None and offer.refusal is None for offer in parts_offered):
            adds = tuple(_title(part) for part in metric.parts if part not in selected)
            yield ReadyMetric(metric.name, metric.title, metric.meaning, metric.formula, adds)


def _listed(entry: Any, selected: Collection[str]) -> ListedMetric:
    name, _, formula, unit = _texts_of(entry)
    read = read_formula(formula, unit if unit in UNITS else "")
    adds = tuple(_title(part) for part in _parts(read) if part not in selected)
    return ListedMetric(name, _shown_title(entry), formula, UNIT_WORDS.get(str(read.unit), ""), adds)


def _shown_title(entry: Any) -> str:
    name, title, _, _ = _texts_of(entry)
    return title or name.replace("_", " ").capitalize()


def unfinished(fields: FormFields, values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """The problem of a form that is saved while a formula stands in its editor and not in the list."""
    entries = entries_of(values)
    opened, begun = _opened(fields, entries)
    if not opened or begun or not _formula(fields) or _typed_entry(fields, entries) in entries:
        return ()
    return (Problem(KEY, phrase("the formula in the editor is not in the list yet. Add it, or cancel it.")),)


# -- while a formula is typed


def typed_editor(fields: FormFields, sums: Sums) -> FormulaEditor | None:
    """The editor of a form as it stands, for what is to be said while a person types; None while it is closed."""
    fit = fitted(values_of(fields))
    return formula_editor(fields, fit, (), sums) if fit else None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A metric that can stand in a formula. `more` are its title and what is to be known before it is chosen."""

    name: str
    more: str


def suggestions(fields: FormFields, words: str) -> tuple[Suggestion, ...]:
    """Additive metrics that the words may mean, the best first: those that the report has before the others."""
    fit = fitted(values_of(fields))
    offers = fit.offers.get(_metrics_menu(fit.values), {}) if fit else {}
    refused = frozenset(name for name, offer in offers.items() if offer.refusal is not None)
    selected = frozenset(texts(fit.values.get(_metrics_menu(fit.values)))) if fit else frozenset()
    additive = [metric for metric in search_metrics(words[:_LONGEST_WORDS], "", refused) if metric.additive]
    beginning = words.strip().lower()

    def later(metric: Metric) -> tuple[bool, bool, bool]:
        """Enter takes the first: the name that begins so, of these what the dataset has already."""
        begins = metric.name.startswith(beginning)
        return metric.name in refused, not begins, not (begins and metric.name in selected)

    metrics = sorted(additive, key=later)

    def standing(name: str) -> str:
        return phrase("not available") if name in refused else "" if name in selected else phrase("not selected")

    return tuple(
        Suggestion(metric.name, BETWEEN.join(filter(None, (str(metric.title), standing(metric.name)))))
        for metric in islice(metrics, MOST_SUGGESTIONS)
    )
