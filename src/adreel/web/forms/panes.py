"""The Details pane as values: what stands in each menu, what can be chosen and why the rest cannot, what it would ask.

Pure: it is made from the form's fields and from what is known of accounts and their advertisers, and asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from adreel import catalog
from adreel.catalog.records import Menu, Report
from adreel.connections import covered
from adreel.datasets import lookback, menus
from adreel.datasets.advertisers import names_of
from adreel.datasets.dataset import Dataset, day_column
from adreel.datasets.fitting import Fitted, fitted
from adreel.datasets.menus import Offer
from adreel.datasets.presets import SETS, MetricSet
from adreel.datasets.schema import Column, key, readable_columns
from adreel.datasets.stored import dataset_of
from adreel.datasets.values import LISTS, texts
from adreel.errors import DatasetError, Problem
from adreel.language import Phrase, integer, phrase
from adreel.pipeline.preview import Planned
from adreel.store import Account, AccountAdvertiser, AccountStatus, SavedDataset
from adreel.update_methods import TITLES as METHOD_TITLES
from adreel.update_methods import Method
from adreel.web.forms.buttons import PressedButton, TakenOut, moved
from adreel.web.forms.calculated import CalculatedPane, Sums, calculated_after, calculated_pane, entries_of
from adreel.web.forms.dates import DatesPane, dates_of, dates_pane, names_beside, offsets_of
from adreel.web.forms.fields import FormFields, advertiser_ids, carried, left_behind, values_of
from adreel.web.forms.lateness import late_yesterday
from adreel.web.forms.pickers import Picker, Question, advertiser_picker, field_picker, metric_picker
from adreel.web.forms.problems import Said, found_in, preventing_preview, shown_at_menus, to_fill
from adreel.web.forms.scheduling import SchedulePane, at_its_field, schedule_pane
from adreel.web.forms.sections import (
    FIX,
    STATUS_WORDS,
    TITLES,
    FormSection,
    credentials_line,
    details_line,
    following,
    name_line,
    opened_section,
    scheduling_line,
    section_of,
    tried_sections,
)

UPDATE_METHODS: Mapping[Method, str] = MappingProxyType(
    {
        Method.REPLACE: Phrase("Each run replaces the whole table. Earlier versions stay readable."),
        Method.APPEND: Phrase("Each run adds rows. Days that are read twice are in the table twice."),
        Method.UPSERT: Phrase(
            "Rows with the same primary key are updated, new ones are added, none are deleted. "
            "Picks up days that TikTok restates."
        ),
        Method.PARTITION: Phrase(
            "The days in the run are replaced, other days stay. Picks up days that TikTok restates."
        ),
    }
)
"""The meaning of each."""

TIME_MENUS = ("time_dimension", "time_granularity")
"""The menus that say whether rows are of days; a report has one of them at most."""

RESET = "reset_schema"
"""The menu that stands with the update method."""

RARE = frozenset(
    {
        *("service_type", "dsa_type", "id_dimension", "targeting_dimension"),
        *("skip_failing_advertisers", "include_deleted", "excludes_gmv_max", "lifetime", "reading", "hour_type"),
    }
)
"""Menus of the details that few people change; they are folded, with their values in sight."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a form is shown among: the accounts that may be used, the chosen one's advertisers as last seen, the time.

    `zone` is the workspace's. `saved` is the dataset that is being changed. `plan` prices a dataset over the account.
    `metric_sets` are the presets that can be added, built-in and saved; `last_sums` gives those of the last run.
    """

    accounts: tuple[Account, ...]
    account: Account | None
    advertisers: tuple[AccountAdvertiser, ...]
    now: datetime
    zone: str
    saved: SavedDataset | None
    plan: Callable[[Dataset, Account, tuple[AccountAdvertiser, ...], SavedDataset | None], Planned]
    metric_sets: tuple[MetricSet, ...] = tuple(SETS.values())
    last_sums: Callable[[], Sums] = Sums


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a menu; `refusal` says why it cannot be chosen now, `unconfirmed` that its sources are weak."""

    value: str
    title: str
    meaning: str
    refusal: str | None
    chosen: bool
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class Pane:
    """One menu: `options` of choices and dimensions, `on` of a switch, `picker` of a long list, `text` of typed ids.

    `options` are those to show. `chosen` are dimensions in the order of the columns. `way` is how advertisers are
    named: all, picked or typed; `ids` are those named, also while all are chosen. `is_default` says whether the menu
    has what it would have if nobody had chosen anything.
    """

    name: str
    title: str
    meaning: str
    source: str
    required: bool
    options: tuple[Option, ...] = ()
    chosen: tuple[str, ...] = ()
    on: bool = False
    picker: Picker | None = None
    text: str = ""
    way: str = ""
    ids: str = ""
    is_default: bool = True

    @property
    def value_titles(self) -> str:
        """What is chosen in a menu of few values, in words."""
        if self.source == "switch":
            return phrase("On") if self.on else phrase("Off")
        return ", ".join(str(option.title) for option in self.options if option.chosen) or phrase("None")

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to choose: the only value follows from the menus above."""
        return self.source == "choices" and len(self.options) == 1 and self.options[0].chosen

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a menu of few values can be shown."""
        return self.source in ("choices", "dimensions") and not self.options

    @property
    def is_rare(self) -> bool:
        """Whether it is folded with the menus that few people change."""
        return self.name in RARE and not self.is_settled


@dataclass(frozen=True, slots=True)
class UpdatePane:
    """The update method: `key` is the proposed one, `other_key` what was typed in its place.

    `key_change` warns that the rows of the table would be named otherwise. `lookback` is what was typed in place of
    `default_lookback`, and `lookback_text` says which days are read again and why, or why none.
    """

    methods: tuple[Option, ...]
    method: str
    key: tuple[str, ...]
    other_key: str
    keep_days: str
    lookback: str
    default_lookback: str
    lookback_text: str
    key_change: str


@dataclass(frozen=True, slots=True)
class Form:
    """The whole form, in four panes.

    `sections` are the panes. `everything` says whether choices that are not available are shown too. `problems` are
    told at their menus, `missing` are the titles of what is yet to be filled in, `notices` is what was taken back.
    `menus` are those of the report, but for those that stand with the dates and with the update method.
    `dataset` is what can be read so far, also if its name is missing, and None if it cannot. `names` are those of the
    account's advertisers by their ids. `to_fill` says what to choose before there is an estimate. `calculated`
    are the calculated metrics; None if the report has none. `values` are those of the dataset file.
    """

    fields: FormFields
    sections: tuple[FormSection, ...]
    tried_sections: tuple[str, ...]
    everything: bool
    saved: SavedDataset | None
    spec_version: str
    tried: bool
    notices: tuple[str, ...]
    problems: tuple[Said, ...]
    missing: tuple[str, ...]
    accounts: tuple[Option, ...]
    account: Account | None
    reports: tuple[Option, ...]
    report: Report | None
    menus: tuple[Pane, ...]
    dating: tuple[Pane, ...]
    dates: DatesPane | None
    update: UpdatePane
    resetting: tuple[Pane, ...]
    scheduling: SchedulePane
    dataset: Dataset | None
    columns: tuple[Column, ...]
    planned: Planned | None
    to_fill: str
    names: Mapping[str, str]
    calculated: CalculatedPane | None
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """What stands in a text field."""
        return self.fields.last(name)

    def at(self, menu: str) -> tuple[Said, ...]:
        """The problems to tell at a menu, and at what belongs to it."""
        return tuple(
            problem for problem in self.problems if problem.menu == menu or problem.menu.startswith(f"{menu}.")
        )

    @property
    def carried(self) -> tuple[tuple[str, str], ...]:
        """Fields of other reports that the page keeps."""
        return carried(self.fields, self.report)

    @property
    def open_section(self) -> str:
        """The name of the open pane; empty if all are folded."""
        return next((section.name for section in self.sections if section.is_open), "")

    @property
    def plain_menus(self) -> tuple[Pane, ...]:
        """The menus that everybody is asked."""
        return tuple(menu for menu in self.menus if not menu.is_rare and not menu.is_empty)

    @property
    def rare_menus(self) -> tuple[Pane, ...]:
        """The menus behind More options."""
        return tuple(menu for menu in (*self.menus, *self.dating) if menu.is_rare and not menu.is_empty)

    @property
    def spoken(self) -> str:
        """What is worth being read out after a change."""
        if not self.planned:
            return phrase("%(order)s to see the estimate.", order=self.to_fill) if self.to_fill else ""
        requests = self.planned.estimate.requests_text
        if not self.columns:
            return phrase("Estimate: %(requests)s requests.", requests=requests)
        return phrase(
            "Estimate: %(requests)s requests, %(columns)s columns.",
            requests=requests,
            columns=integer(len(self.columns)),
        )

    @property
    def advertisers(self) -> int:
        """How many advertisers a run would read."""
        return self.planned.advertisers if self.planned else 0

    @property
    def convertible(self) -> bool:
        """Whether the saved dataset is one of a deprecated report."""
        return self.saved is not None and self.report is not None and self.report.deprecated


def form_of(fields: FormFields, around: Around, refused: Iterable[Problem] = (), notes: Iterable[str] = ()) -> Form:
    """The form; `refused` are problems that saving it met, `notes` what the person is told besides."""
    return _Shape(fields, around, notes).form(tuple(refused))


def posted_values(fields: FormFields) -> dict[str, Any]:
    """The dataset file's values that a form stands for, without what does not fit."""
    values = _acted(fields, values_of(fields))
    fit = fitted(values)
    return fit.values if fit else values


def _acted(fields: FormFields, values: dict[str, Any]) -> dict[str, Any]:
    """The values after a button that changes a list, or switches something on."""
    order = PressedButton.of(fields)
    given = values.get(order.menu)
    if order.verb == "calc":
        return calculated_after(fields, values)
    if order.verb == "switch-on" and order.menu in _switches(values):
        return {**values, order.menu: True}
    if order.verb == "restore":
        restored = TakenOut.of(fields.last(f"{order.menu}.removed")).restored(texts(given))
        return {**values, order.menu: restored} if order.menu in _lists(values) else values
    if not isinstance(given, list):
        return values
    return {**values, order.menu: _list_after(order, given)}


def _list_after(order: PressedButton, given: list[str]) -> list[str]:
    """The list after a button that empties it, takes a value out, or moves one."""
    if order.verb == "empty":
        return []
    if order.verb == "remove":
        return [item for item in given if item != order.value]
    value, _, way = order.value.partition(" ")
    return moved(given, given.index(value), way) if order.verb == "move" and value in given else given


def _lists(values: Mapping[str, Any]) -> frozenset[str]:
    """The menus of the report of which many values can be picked."""
    report = catalog.REPORTS.get(values["report"])
    return frozenset(menu.name for menu in (report.menus if report else ()) if menu.source in LISTS)


def _switches(values: Mapping[str, Any]) -> frozenset[str]:
    """The menus of the report that are switches."""
    report = catalog.REPORTS.get(values["report"])
    return frozenset(menu.name for menu in (report.menus if report else ()) if menu.source == "switch")


class _Shape:
    """Makes one form."""

    def __init__(self, fields: FormFields, around: Around, notes: Iterable[str]) -> None:
        self._fields = fields
        self._around = around
        self._everything = fields.last("unavailable") == "yes"
        self._before = values_of(fields)
        values = _acted(fields, self._before)
        self._reports = tuple(_reports(around.saved))
        if values["report"] not in (report.name for report in self._reports):
            values["report"] = ""
        self._fit = fitted(values)
        self._values: dict[str, Any] = self._fit.values if self._fit else values
        self._chosen = dict(self._fit.chosen) if self._fit else {}
        self._notices = [*notes, *(self._fit.notices if self._fit else ())]
        behind = left_behind(fields, self._fit.report) if self._fit else ()
        if self._fit and behind:
            self._notices.append(
                phrase(
                    "%(settings)s removed: not available in %(report)s.",
                    settings=", ".join(map(str, behind)),
                    report=self._fit.report.title,
                )
            )

    def form(self, refused: tuple[Problem, ...]) -> Form:
        """The form as it is shown."""
        fields, around, fit = self._fields, self._around, self._fit
        report = fit.report if fit else None
        # Buttons in the panes may add to the values, so the panes come before the check.
        panes = tuple(self._pane(fit, menu) for menu in self._shown(fit)) if fit else ()
        outcome = found_in(self._values, around.now)
        tried = fields.last("tried") == "yes" or bool(refused)
        planned, unplanned = self._planned(outcome.dataset)
        every = tuple(
            dict.fromkeys(at_its_field(problem, fields) for problem in (*outcome.problems, *unplanned, *refused))
        )
        lacking = self._lacking(every, report)
        tried_in = frozenset(TITLES) if tried else tried_sections(fields, lacking)
        at_saving = frozenset(refused) - frozenset(outcome.problems)
        shown_problems, missing = shown_at_menus(every, report, self._values, tried_in=tried_in, at_saving=at_saving)
        beside = names_beside(report) if report else frozenset()
        dates = self._dates(report, outcome.problems) if report else None
        update = self._update(outcome.described, planned)
        scheduling = schedule_pane(
            fields,
            around.now,
            around.zone,
            planned.estimate if planned else None,
            partial(self._late, outcome.dataset),
        )
        lines = {
            "credentials": credentials_line(fields.text("account"), self._status(), len(around.advertisers)),
            "details": details_line(report, self._chosen, _titles(panes), dates, len(entries_of(self._values))),
            "scheduling": scheduling_line(scheduling, update.method, update.lookback),
            "name": name_line(fields.text("name"), texts(self._values.get("tags"))),
        }
        opened = opened_section(fields, lacking, refused, is_saved=around.saved is not None)
        return Form(
            fields=fields,
            sections=tuple(_sections(lines, lacking, shown_problems, opened)),
            tried_sections=() if tried else tuple(sorted(tried_in)),
            everything=self._everything,
            saved=around.saved,
            spec_version=fields.last("spec_version") or (str(around.saved.spec_version) if around.saved else ""),
            tried=tried,
            notices=tuple(self._notices),
            problems=shown_problems,
            missing=missing,
            accounts=self._accounts(),
            account=around.account,
            reports=tuple(
                Option(
                    report_choice.name,
                    report_choice.title,
                    report_choice.meaning,
                    None,
                    report_choice.name == self._values["report"],
                )
                for report_choice in self._reports
            ),
            report=report,
            menus=tuple(pane for pane in panes if pane.name not in beside and pane.name != RESET),
            dating=tuple(pane for pane in panes if pane.name in beside),
            dates=dates,
            update=update,
            resetting=tuple(pane for pane in panes if pane.name == RESET),
            scheduling=scheduling,
            dataset=outcome.dataset,
            columns=readable_columns(outcome.described) if outcome.described else (),
            planned=planned,
            to_fill=to_fill(preventing_preview(outcome.problems), report, self._values),
            names=names_of(around.advertisers),
            calculated=self._calculated(outcome.described),
            values=self._values,
        )

    def _lacking(self, problems: Iterable[Problem], report: Report | None) -> dict[str, str]:
        """By pane that is not done: what to do in it."""
        by_section: dict[str, list[Problem]] = {}
        for problem in problems:
            by_section.setdefault(section_of(problem.menu), []).append(problem)
        lacking = {name: to_fill(of_section, report, self._values) or FIX for name, of_section in by_section.items()}
        if self._fields.text("account") and self._around.account is None:
            lacking.setdefault("credentials", phrase("Select another account"))
        return lacking

    def _status(self) -> AccountStatus | None:
        return self._around.account.status if self._around.account else None

    # -- account and report

    def _accounts(self) -> tuple[Option, ...]:
        named = self._fields.text("account")
        options = [
            Option(
                account.name,
                account.name,
                STATUS_WORDS[account.status],
                None,
                account.name == named,
            )
            for account in self._around.accounts
        ]
        if named and not any(option.chosen for option in options):
            why = phrase("it was deleted or is no longer shared with you") if self._around.account is None else None
            options.insert(0, Option(named, named, "", why, True))
        return tuple(options)

    # -- menus

    def _shown(self, fit: Fitted) -> list[Menu]:
        return [menu for menu in menus.shown(fit.report, self._chosen) if menu.source != "dates"]

    def _pane(self, fit: Fitted, menu: Menu) -> Pane:
        pane = Pane(menu.name, menu.title, menu.meaning, menu.source, menu.required)
        chosen = self._chosen.get(menu.name, ())
        if menu.source in ("choices", "switch"):
            pane = replace(pane, is_default=chosen == menus.defaults(menu, self._chosen))
        if menu.source == "choices":
            return self._with_options(pane, menus.offers(fit.report, menu, self._chosen), chosen)
        if menu.source == "switch":
            return replace(pane, on=chosen == ("true",))
        if menu.source == "ids":
            return replace(pane, text="\n".join(chosen))
        if menu.source == "dimensions":
            # Older names of a deprecated report are chosen though they are not offered.
            unknown = (Offer(value, value, "", None) for value in chosen if value not in fit.offers[menu.name])
            dimensions = self._with_options(pane, (*fit.offers[menu.name].values(), *unknown), chosen)
            return replace(dimensions, chosen=chosen, is_default=not chosen)
        if menu.source == "advertisers":
            return self._advertisers(pane, menu)
        return replace(pane, picker=self._picker(fit, menu))

    def _with_options(self, pane: Pane, offers: Iterable[Offer], chosen: tuple[str, ...]) -> Pane:
        options = _options(offers, chosen)
        return replace(pane, options=tuple(option for option in options if self._everything or option.refusal is None))

    def _advertisers(self, pane: Pane, menu: Menu) -> Pane:
        way = self._fields.last(f"{menu.name}.how") or "all"
        given = self._values.get(menu.name)
        ids = tuple(given) if isinstance(given, list) else advertiser_ids(menu, self._fields)
        question = Question.of(menu.name, self._fields)
        picker = advertiser_picker(question, self._around.advertisers, ids) if way == "picked" else None
        order = PressedButton.of(self._fields)
        if picker is not None and (order.verb, order.menu) == ("add-found", menu.name):
            ids = tuple(dict.fromkeys((*ids, *picker.available)))
            self._values[menu.name] = list(ids)
            picker = advertiser_picker(question, self._around.advertisers, ids)
        return replace(pane, way=way, ids=" ".join(ids), text="\n".join(ids), picker=picker)

    def _picker(self, fit: Fitted, menu: Menu) -> Picker:
        picker = self._asked(fit, menu)
        more = self._added(fit, menu, picker)
        if not more:
            return picker
        self._chosen[menu.name] = tuple(dict.fromkeys((*self._chosen.get(menu.name, ()), *more)))
        self._values[menu.name] = list(self._chosen[menu.name])
        return self._asked(fit, menu)

    def _asked(self, fit: Fitted, menu: Menu) -> Picker:
        question, chosen = Question.of(menu.name, self._fields), self._chosen.get(menu.name, ())
        if menu.source == "metrics":
            sets, removed = self._around.metric_sets, self._removed(menu, chosen)
            return metric_picker(question, fit.offers[menu.name], chosen, sets, removed, everything=self._everything)
        return field_picker(question, fit.report.name, fit.offers[menu.name], chosen)

    def _removed(self, menu: Menu, chosen: Collection[str]) -> TakenOut:
        """What can be put back: what was taken out by this button, or by the last one that did."""
        order = PressedButton.of(self._fields)
        if order.menu == menu.name and order.verb in ("remove", "empty"):
            return TakenOut.between(texts(self._before.get(menu.name)), chosen)
        return TakenOut.of(self._fields.last(f"{menu.name}.removed")).missing(chosen)

    def _calculated(self, dataset: Dataset | None) -> CalculatedPane | None:
        if self._fit is None:
            return None
        sums = Sums.of_preview(self._fields.last("calc.sums"))
        is_open = bool(self._fields.last("calc.open")) or PressedButton.of(self._fields).verb == "calc"
        if is_open and not sums.values:
            sums = self._around.last_sums()
        names = (
            [column.name for column in readable_columns(dataset) if column.part not in ("metrics", "calculated")]
            if dataset
            else []
        )
        return calculated_pane(self._fields, self._before, self._fit, names, sums)

    def _added(self, fit: Fitted, menu: Menu, picker: Picker) -> tuple[str, ...]:
        """What a button adds: a set of metrics, or all that was found; what cannot go is left out and told."""
        order = PressedButton.of(self._fields)
        if order.menu != menu.name or order.verb not in ("add-found", "add-set"):
            return ()
        if order.verb == "add-found":
            return picker.available
        preset = next((preset for preset in self._around.metric_sets if preset.name == order.value), None)
        if preset is None:
            return ()
        offered = fit.offers[menu.name]
        # A saved preset may have a metric that an older catalogue had.
        metrics = tuple(metric for metric in preset.metrics if metric in offered)
        refused = [metric for metric in metrics if offered[metric].refusal is not None]
        added = tuple(metric for metric in metrics if metric not in refused)
        # Of a preset that fits, metrics of other report types are no news; of one that does not, they are the reason.
        kind = menus.grouping_of(fit.report, fit.chosen).kind
        unfit = [metric for metric in refused if not added or not kind or kind in catalog.metrics()[metric].reports]
        if unfit:
            why = "; ".join(f"{offered[metric].title} ({offered[metric].refusal})" for metric in unfit)
            self._notices.append(phrase("Not added from %(preset)s: %(metrics)s.", preset=preset.title, metrics=why))
        return added

    # -- dates, update, price

    def _dates(self, report: Report, problems: Iterable[Problem]) -> DatesPane | None:
        menu = next((menu for menu in report.menus if menu.source == "dates"), None)
        if menu is None:
            return None
        faulty = any(problem.menu.split(".")[0] == menu.name for problem in problems)
        return dates_pane(
            menu,
            self._chosen,
            self._fields,
            None if faulty else dates_of(self._values.get(menu.name)),
            offsets_of(self._around.advertisers, self._selection),
            self._around.now,
            self._around.zone,
        )

    def _late(self, dataset: Dataset | None, moment: datetime) -> str:
        """What a run of the dataset at that time would read too early."""
        if dataset is None:
            return ""
        readable = covered(self._around.advertisers, self._selection).advertisers
        return late_yesterday(dataset, readable, moment, self._around.zone)

    @property
    def _selection(self) -> tuple[str, ...] | None:
        """The ids of the ad accounts that are chosen; None for all."""
        given, account = self._values.get("advertisers"), self._around.account
        return tuple(given) if isinstance(given, list) else account.selection if account else None

    def _lookback_text(self, dataset: Dataset | None, planned: Planned | None) -> str:
        """The look-back window with its price, as far as it is known; empty for a report without dates."""
        if dataset is None or dataset.dates is None:
            return ""
        text = planned.lookback.text if planned and planned.lookback else lookback.described(dataset)
        return " ".join((text, phrase("0 turns it off."))) if lookback.lookback_days(dataset) else text

    def _update(self, dataset: Dataset | None, planned: Planned | None) -> UpdatePane:
        method = self._fields.text("update.method") or str(Method.REPLACE)
        refusals: dict[Method, str] = {}
        if not self._has_days(dataset):
            refusals[Method.PARTITION] = phrase("requires a time dimension")
        if dataset is not None and (reason := lookback.period_refusal(dataset)):
            refusals[Method.UPSERT] = reason
        if self._values.get(RESET):
            refusals[Method.APPEND] = phrase("requires Reset schema: off")
        options = (
            Option(
                str(each_method),
                METHOD_TITLES[each_method],
                meaning,
                None if each_method == method else refusals.get(each_method),
                each_method == method,
            )
            for each_method, meaning in UPDATE_METHODS.items()
        )
        return UpdatePane(
            methods=tuple(option for option in options if self._everything or option.refusal is None),
            method=method,
            key=key(replace(dataset, update=replace(dataset.update, key=None))) if dataset else (),
            other_key=self._fields.last("update.key"),
            keep_days=self._fields.last("update.keep_days"),
            lookback=self._fields.last("update.lookback"),
            default_lookback=str(lookback.default_days(dataset)) if dataset else "",
            lookback_text=self._lookback_text(dataset, planned),
            key_change=self._key_change(dataset, fresh=method == Method.REPLACE and bool(self._values.get(RESET))),
        )

    def _has_days(self, dataset: Dataset | None) -> bool:
        """Whether rows belong to days; the menus say it also while something else is wrong, such as the dates."""
        if dataset is not None:
            return day_column(dataset) is not None
        return any(self._chosen.get(menu, ("none",)) not in ((), ("none",)) for menu in TIME_MENUS)

    def _key_change(self, dataset: Dataset | None, *, fresh: bool) -> str:
        """The warning that rows of the saved table and new ones could not be told apart; not if it is made afresh."""
        saved = self._around.saved
        if saved is None or dataset is None or fresh:
            return ""
        try:
            before = key(dataset_of(saved, self._around.now))
        except DatasetError:
            return ""
        after = key(dataset)
        if before == after:
            return ""
        return phrase(
            "The primary key would change from %(before)s to %(after)s, so old and new rows would not "
            "match. To save, create another dataset, or choose Replace with Reset schema.",
            before=", ".join(before),
            after=", ".join(after),
        )

    def _planned(self, dataset: Dataset | None) -> tuple[Planned | None, tuple[Problem, ...]]:
        """The estimate, or why there is none: days that have not begun in any ad account."""
        around = self._around
        if dataset is None or around.account is None or not around.advertisers:
            return None, ()
        try:
            return around.plan(dataset, around.account, around.advertisers, around.saved), ()
        except DatasetError as error:
            return None, error.problems


def _reports(saved: SavedDataset | None) -> Iterator[Report]:
    """Those that a new dataset can have, and the dataset's own."""
    own = json.loads(saved.spec).get("report") if saved else None
    return (report for report in catalog.REPORTS.values() if not report.deprecated or report.name == own)


def _titles(panes: Iterable[Pane]) -> Iterator[str]:
    """What is chosen in menus of few values, as far as it says something."""
    for pane in panes:
        is_shown = pane.source == "dimensions" or (pane.source == "choices" and not pane.is_settled)
        if is_shown and pane.name != "id_dimension" and not (pane.is_default and not pane.required):
            yield from (option.title for option in pane.options if option.chosen)


def _sections(
    lines: Mapping[str, str], lacking: Mapping[str, str], problems: Iterable[Said], opened: str
) -> Iterator[FormSection]:
    menus_at_fault = [section_of(problem.menu) for problem in problems]
    for number, name in enumerate(TITLES, 1):
        yield FormSection(
            name=name,
            number=number,
            line=lines[name],
            lacking=lacking.get(name, ""),
            errors=menus_at_fault.count(name),
            is_open=name == opened,
            following=following(name),
        )


def _options(offers: Iterable[Offer], chosen: tuple[str, ...]) -> tuple[Option, ...]:
    return tuple(
        Option(
            offer.value,
            offer.title,
            offer.meaning,
            None if offer.value in chosen else offer.refusal,
            offer.value in chosen,
            offer.unconfirmed,
        )
        for offer in offers
    )
