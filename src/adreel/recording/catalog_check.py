"""Compares the catalogue with what TikTok answers for a connected account.

TikTok adds and withdraws metrics without notice, and what it offers differs by account. Every report is asked for all
of its metrics, every breakdown and every entity list once, for one ad account, one shop and yesterday, with few rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any, Literal

from adreel import catalog
from adreel.advertisers import Advertiser, Shop
from adreel.catalog import gmv_max, smart_plus
from adreel.catalog.records import LEVELS, Menu, Report
from adreel.datasets import menus
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.validation import parse
from adreel.errors import AdreelError, AdvertiserError, ReconnectError, RequestError
from adreel.language import phrase
from adreel.pipeline.gmv_max import COST, narrowed
from adreel.pipeline.plan import Request, make_plan
from adreel.recording.disguise import without_names
from adreel.tiktok.client import Client

MOST_REQUESTS = 200
"""Requests of one check, so that it costs an account little of its day."""

_ROWS = 10
_BREAKDOWNS = (("basic", "targeting_dimension"), ("audience", "audience_dimensions"), ("dsa", "dsa_dimension"))
_LISTS = ("campaigns", "ad_groups", "ads", "creatives", *smart_plus.LISTS)
_ABOVE = frozenset({"campaign_id", "item_group_id", "room_id"})
_CHAIN_OF_IDS = 2
"""Levels of GMV Max from this length of the chain on need ids in the request."""

_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]{1,59}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,79}")

Kind = Literal["metric", "dimension", "field", "value", "report"]
Difference = Literal["refused", "missing", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference: what TikTok refuses or leaves out, or gives although the catalogue does not have it.

    `of` is the report and its grouping. `code` and `words` are TikTok's, without names, IDs and figures.
    """

    difference: Difference
    kind: Kind
    name: str
    of: str
    code: int | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class CatalogCheck:
    """What a check found, in a form that names nothing of the account.

    `unchecked` was not asked for, as there were too many requests, and `without_ids` as there was no shop, or as TikTok
    gave no campaign, product or LIVE session of yesterday to ask with.
    """

    adreel: str
    requests: int
    checked: int
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    without_ids: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """The same as JSON, as it is sent to the project."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Probe:
    """One grouping of a report. `dimension` is the breakdown that is asked for, empty for the report's metrics."""

    of: str
    values: Mapping[str, Any]
    dimension: str = ""


def probes() -> Iterator[Probe]:
    """All that is asked for: the metrics of each level, each breakdown, and the fields of each list."""
    report = catalog.REPORTS["performance"]
    for level in reversed(LEVELS):
        chosen = {"report_type": "basic", "data_level": level, "time_dimension": "day"}
        yield Probe(f"performance basic {level} day", _values(report, chosen))
    for kind, menu in _BREAKDOWNS:
        for dimension in _offered(report, menu, {"report_type": kind, "data_level": "ad", "time_dimension": "none"}):
            chosen = {"report_type": kind, "data_level": "ad", "time_dimension": "none", menu: dimension}
            values = _values(report, chosen)
            yield Probe(f"performance {kind} ad {dimension}", values | {"metrics": values["metrics"][:1]}, dimension)
    yield from _material_probes()
    yield from _shop_probes()
    for name in _LISTS:
        yield Probe(name, _values(catalog.REPORTS[name], {}))


def _shop_probes() -> Iterator[Probe]:
    """All metrics of each level of GMV Max, from the shop down: a request needs the ids of the level above."""
    report = catalog.REPORTS[gmv_max.REPORT]
    for level in gmv_max.LEVELS.values():
        time = "none" if level.by_period else "day"
        for promotion in ("product", "live") if level.name == "campaign" else ("",):
            chosen = {"gmv_max_level": level.name, "time_dimension": time}
            chosen |= {"promotion_type": promotion} if promotion else {}
            of = " ".join(part for part in (report.name, promotion, level.name, time) if part)
            yield Probe(of, _values(report, chosen))


def _material_probes() -> Iterator[Probe]:
    """All metrics of Smart+ materials in their ads, then each asset of the ad account by day."""
    report = catalog.REPORTS[smart_plus.MATERIALS]
    assets = _offered(report, "asset_dimensions", {"data_level": "ad"})
    whole = {"data_level": "ad", "time_dimension": "none", "asset_dimensions": assets[0]}
    yield Probe(f"{report.name} ad {assets[0]}", _values(report, whole))
    for asset in assets:
        daily = {"data_level": "advertiser", "time_dimension": "day", "asset_dimensions": asset}
        values = _values(report, daily) | {"metrics": ["spend"]}
        yield Probe(f"{report.name} advertiser {asset} day", values, asset)


def _values(report: Report, chosen: Mapping[str, str]) -> dict[str, Any]:
    """A dataset of the report with all metrics or fields that go with what is chosen."""
    values: dict[str, Any] = {"report": report.name, **chosen}
    for menu in report.menus:
        if menu.source == "metrics":
            values["metrics"] = _offered(report, menu.name, chosen)
        elif menu.source == "dates":
            values["dates"] = {"date": "yesterday"}
    many = {menu.name for menu in report.menus if menu.many}
    return {name: [value] if name in many and isinstance(value, str) else value for name, value in values.items()}


def _offered(report: Report, name: str, chosen: Mapping[str, str]) -> list[str]:
    menu: Menu = next(menu for menu in report.menus if menu.name == name)
    offers = menus.offers(report, menu, {key: (value,) for key, value in chosen.items()})
    return [offer.value for offer in offers if offer.refusal is None and offer.value != "none"]


@dataclass
class CatalogChecker:
    """Asks for the probes, at most `most_requests` requests."""

    client: Client
    advertiser: Advertiser
    shops: tuple[Shop, ...]
    now: datetime
    most_requests: int = MOST_REQUESTS
    _requests: int = 0
    _checked: int = 0
    _findings: dict[tuple[str, str, str, str], Finding] = field(default_factory=dict)
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)
    _without_ids: list[str] = field(default_factory=list)

    async def check(self) -> CatalogCheck:
        """The differences. Raises the errors of the client that no other question can mend, such as ReconnectError."""
        unchecked = []
        for probe in probes():
            if self._requests >= self.most_requests:
                unchecked.append(probe.of)
                continue
            await self._probe(probe)
        findings = tuple(self._findings[key] for key in sorted(self._findings))
        without = tuple(self._without_ids)
        return CatalogCheck(version("adreel"), self._requests, self._checked, findings, tuple(unchecked), without)

    async def _probe(self, probe: Probe) -> None:
        dataset = parse(Source({"name": "check", "account": "check", **probe.values}, {}), self.now)
        for planned in self._planned(probe, dataset):
            request = self._with_ids(dataset, planned)
            if request is None:
                self._without_ids.append(probe.of)
                continue
            asked = tuple(request.params.get("metrics") or ())
            rows = await self._rows(probe, request, asked)
            if rows:
                self._compare(probe, request, asked, rows)
                self._note_ids(request, rows)

    def _planned(self, probe: Probe, dataset: Dataset) -> Iterator[Request]:
        """The requests of the plan: of reservation ads none, and of shops those of the first one."""
        if dataset.report == gmv_max.REPORT and not self.shops:
            self._without_ids.append(probe.of)
            return
        shops = {self.advertiser.id: self.shops[:1]} if dataset.report == gmv_max.REPORT else None
        plan = make_plan(dataset, (self.advertiser,), self.now, shops=shops)
        yield from (request for request in plan.requests() if not request.buying)

    def _with_ids(self, dataset: Dataset, request: Request) -> Request | None:
        """The request for one campaign, product or LIVE session where TikTok wants one; None if there is none."""
        level = gmv_max.LEVELS[dataset.level or "account"] if dataset.report == gmv_max.REPORT else None
        if level is None or level.chain < _CHAIN_OF_IDS:
            return request
        above = level.ids[: level.chain - 1]
        ids = {name: self._ids.get((request.promotion or "", name), "") for name in above}
        return narrowed(request, ids, beside_id=level.by_period) if all(ids.values()) else None

    def _note_ids(self, request: Request, rows: Sequence[Any]) -> None:
        """Keeps the ids of a row, one with cost if there is any, for the levels below."""
        cells = [dict(_cells(row)) for row in rows if isinstance(row, dict)]
        for row in sorted(cells, key=lambda row: str(row.get(COST) or "0").strip("0.") == "", reverse=True):
            for name in _ABOVE & row.keys():
                if row[name] not in ("", "-", None):
                    self._ids[request.promotion or "", name] = str(row[name])

    async def _rows(self, probe: Probe, request: Request, asked: Sequence[str]) -> Sequence[Any]:
        """The first rows, without the metrics that are refused; each of these is noted."""
        left = list(asked)
        while self._requests < self.most_requests:
            self._requests += 1
            params = {name: value for name, value in request.params.items() if name != "enable_total_metrics"}
            try:
                page = await self.client.page(request.path, params | ({"metrics": left} if left else {}), 1, _ROWS)
            except ReconnectError:
                raise
            except (RequestError, AdvertiserError) as error:
                refused = named_in(error.message, left)
                if not refused or probe.dimension:
                    kind: Kind = "dimension" if probe.dimension else "report"
                    self._note("refused", kind, probe.dimension or probe.of, probe.of, error)
                    return ()
                for name in refused:
                    self._note("refused", "metric", name, probe.of, error)
                left = [name for name in left if name not in refused]
                if not left:
                    return ()
                continue
            self._checked += max(1, len(left))
            return page.rows
        return ()

    def _compare(self, probe: Probe, request: Request, asked: Sequence[str], rows: Sequence[Any]) -> None:
        in_catalog = {*asked, *request.params.get("dimensions", ()), *request.params.get("fields", ())}
        in_catalog |= {field.name for field in catalog.fields().get(str(probe.values["report"]), ())}
        in_catalog |= {"currency"} if probe.values["report"] == gmv_max.REPORT else set()
        in_catalog |= smart_plus.UNASKED if probe.values["report"] == smart_plus.MATERIALS else set()
        cells = [dict(_cells(row)) for row in rows if isinstance(row, dict)]
        present = {name for row in cells for name in row}
        for name in sorted(present - in_catalog):
            if _FIELD.fullmatch(name):
                self._note("unknown", "field", name, probe.of)
        for name in sorted(set(asked) - present):
            self._note("missing", "metric", name, probe.of)
        for name, labels in catalog.value_labels().items():
            for value in sorted({str(row[name]) for row in cells if isinstance(row.get(name), str)} - labels.keys()):
                if _CONSTANT.fullmatch(value):
                    self._note("unknown", "value", f"{name}: {value}", probe.of)

    def _note(self, difference: Difference, kind: Kind, name: str, of: str, error: AdreelError | None = None) -> None:
        code, words = (None, "") if error is None else (error.code, without_names(error.message))
        self._findings[difference, kind, name, of] = Finding(difference, kind, name, of, code, words)


def named_in(message: str, names: Iterable[str]) -> set[str]:
    """The names that a refusal has in quotes, as in "Invalid metric fields: ['x']"."""
    quoted = set(re.findall(r"['\"]([a-z0-9_]+)['\"]", message))
    return quoted & set(names)


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a row; those of reports stand in objects of their own."""
    for name, value in row.items():
        if name in ("metrics", "dimensions", "info") and isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def summary(check: CatalogCheck) -> str:
    """What was compared, in a sentence."""
    return phrase(
        "%(checked)s metrics, breakdowns and lists compared in %(requests)s requests: %(findings)s differences.",
        checked=check.checked,
        requests=check.requests,
        findings=len(check.findings),
    )
