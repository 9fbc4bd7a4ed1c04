"""What of a dataset's values goes together, menu by menu from the top; the rest is taken out and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adreel import catalog
from adreel.catalog.records import Menu, Report
from adreel.datasets import calculated, menus
from adreel.datasets.menus import Offer
from adreel.datasets.values import FIRST_DATES, LISTS, texts
from adreel.language import integer, phrase, phrases

MOST_LISTED = 6
"""Values of one menu that are told of one by one."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Values of a report without what goes with nothing above it. `notices` says what was removed, in sentences.

    `chosen` is what stands in each menu, as `menus` wants it, and `offers` what each list offers beside that.
    """

    report: Report
    values: dict[str, Any]
    chosen: dict[str, tuple[str, ...]]
    offers: dict[str, dict[str, Offer]]
    notices: tuple[str, ...]


def fitted(values: Mapping[str, Any]) -> Fitted | None:
    """The values without what no longer fits; None without a report that there is."""
    report = catalog.REPORTS.get(str(values.get("report") or ""))
    return _Fitting(report, values).fitted() if report else None


class _Fitting:
    """Goes through a report's menus."""

    def __init__(self, report: Report, given: Mapping[str, Any]) -> None:
        self._report = report
        self._given = given
        self._chosen: dict[str, tuple[str, ...]] = {}
        self._offers: dict[str, dict[str, Offer]] = {}
        self._notices: list[str] = []

    def fitted(self) -> Fitted:
        """What there is when all menus were gone through."""
        for menu in self._report.menus:
            if menu.source != "dates":
                self._read(menu)
        # Dimensions and metrics look at menus below them too (lifetime), so they come when all is read.
        for menu in self._report.menus:
            if menu.source in LISTS and menu.name in self._chosen:
                self._fit_list(menu)
        values = self._values()
        if values.get(calculated.KEY):
            self._fit_calculated(values)
        removals = tuple(dict.fromkeys(self._notices))
        return Fitted(self._report, values, self._chosen, self._offers, removals)

    def _read(self, menu: Menu) -> None:
        given = texts(self._given.get(menu.name))
        refusal = menus.unmet(menu.when, self._chosen)
        if refusal is None and menu.source == "choices":
            self._fit_choice(menu, given)
        elif refusal is None:
            self._chosen[menu.name] = given or menus.defaults(menu, self._chosen)
        else:
            default = menus.defaults(menu, self._chosen)
            if given not in ((), default):
                self._tell(menu.title, refusal)
            if menu.source == "switch":
                self._chosen[menu.name] = default

    def _fit_choice(self, menu: Menu, given: tuple[str, ...]) -> None:
        offered = {offer.value: offer for offer in menus.offers(self._report, menu, self._chosen)}
        good = tuple(value for value in given if value in offered and offered[value].refusal is None)
        self._chosen[menu.name] = good or menus.defaults(menu, self._chosen)
        now = [offered[value].title for value in self._chosen[menu.name] if value in offered]
        if menu.default is None and now and not good and given:
            # It follows from the menus above, as the ID does from the level.
            self._notices.append(phrase("%(menu)s is now %(value)s.", menu=menu.title, value=now[0]))
        else:
            self._tell_of([value for value in given if value not in good], menu, offered)

    def _fit_list(self, menu: Menu) -> None:
        given = self._chosen[menu.name]
        if menu.source == "dimensions":
            kept = self._kept_dimensions(menu, given)
            offered = self._offered(menu, kept)
        else:
            offered = self._offered(menu, ())
            kept = tuple(value for value in given if value in offered and offered[value].refusal is None)
        self._offers[menu.name] = offered
        if self._report.deprecated:
            # Older names stay; whether TikTok takes what became of them is for the check to say.
            return
        self._chosen[menu.name] = kept
        good = {*kept, "none"}
        self._tell_of([value for value in given if value not in good], menu, offered)

    def _fit_calculated(self, values: dict[str, Any]) -> None:
        """Takes out the calculated metrics whose metrics are not offered; in deprecated and entity reports all."""
        menu = next((menu for menu in self._report.menus if menu.source == "metrics"), None)
        if menu is None or self._report.deprecated:
            self._notices.append(
                phrase("Calculated metrics were removed: not available in %(report)s.", report=self._report.title)
            )
            del values[calculated.KEY]
            return
        kept, removed = calculated.fitting_entries(values[calculated.KEY], self._offers.get(menu.name, {}))
        for metric in removed:
            self._tell(metric.name, metric.reason)
        values[calculated.KEY] = kept
        if not kept:
            del values[calculated.KEY]

    def _kept_dimensions(self, menu: Menu, given: tuple[str, ...]) -> tuple[str, ...]:
        """Dimensions decide about each other, so they come one at a time, some only once another is there."""
        kept: list[str] = []
        while True:
            offered = self._offered(menu, tuple(kept))
            able = [
                value for value in given if value not in kept and value in offered and offered[value].refusal is None
            ]
            if not able:
                return tuple(value for value in given if value in kept)
            kept.append(able[0])

    def _offered(self, menu: Menu, kept: tuple[str, ...]) -> dict[str, Offer]:
        chosen = {**self._current(), menu.name: kept}
        return {offer.value: offer for offer in menus.offers(self._report, menu, chosen)}

    def _current(self) -> dict[str, tuple[str, ...]]:
        """What is chosen in today's names: old reports repeat ids and times of other menus among their dimensions."""
        current = dict(self._chosen)
        dimensions = catalog.dimensions()
        for menu in self._report.menus if self._report.deprecated else ():
            if menu.source == "dimensions":
                now = (catalog.legacy.current_name(value) or value for value in current.get(menu.name, ()))
                current[menu.name] = tuple(
                    value for value in now if value in dimensions and dimensions[value].kind not in ("id", "time")
                )
        return current

    def _tell_of(self, dropped: list[str], menu: Menu, offered: Mapping[str, Offer]) -> None:
        for value in dropped[:MOST_LISTED]:
            offer = offered.get(value)
            self._tell(offer.title if offer else value, offer.refusal if offer else None)
        if len(dropped) > MOST_LISTED:
            self._notices.append(
                phrases(
                    "%(values)s more value of %(menu)s was removed.",
                    "%(values)s more values of %(menu)s were removed.",
                    len(dropped) - MOST_LISTED,
                    values=integer(len(dropped) - MOST_LISTED),
                    menu=menu.title,
                )
            )

    def _tell(self, title: str, refusal: str | None) -> None:
        self._notices.append(
            phrase(
                "%(value)s was removed: %(reason)s.",
                value=title,
                reason=refusal or phrase("not available in %(report)s", report=self._report.title),
            )
        )

    def _values(self) -> dict[str, Any]:
        every = {menu.name for report in catalog.REPORTS.values() for menu in report.menus}
        values = {name: value for name, value in self._given.items() if name not in every}
        own = ((menu.name, self._value(menu)) for menu in self._report.menus)
        return values | {name: value for name, value in own if value is not None}

    def _value(self, menu: Menu) -> Any:
        shown = menus.unmet(menu.when, self._chosen) is None
        given = self._given.get(menu.name)
        if menu.source == "dates":
            # Dates that are not used now are kept: they are back when lifetime data is switched off.
            return {"period": FIRST_DATES["period"]} if shown and given is None else given
        if not shown:
            return None
        chosen = self._chosen[menu.name]
        if menu.source == "switch":
            return chosen == ("true",) if chosen != menus.defaults(menu, self._chosen) else None
        if menu.source == "advertisers":
            return "all" if given is None else given
        if menu.many:
            return list(chosen) or None
        return chosen[0] if chosen else None
