"""Long lists to pick from: metrics, fields and advertisers found by words and shown a page at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from adreel import catalog
from adreel.catalog.additions import per_catalogue
from adreel.catalog.records import Field, Metric
from adreel.datasets.menus import MOST_METRICS, Offer
from adreel.datasets.metric_search import search_metrics
from adreel.datasets.presets import GROUP_TITLES, MetricSet
from adreel.datasets.schema import TYPE_TITLES, UNIT_TITLES
from adreel.language import Phrase, phrase
from adreel.store import AccountAdvertiser
from adreel.web.forms.buttons import TakenOut
from adreel.web.forms.fields import FormFields

PAGE = 60
"""Values that are shown at first, and how many more each time."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A value that can be picked: `facts` are short words beside it, `refusal` why it cannot be picked now."""

    value: str
    title: str
    meaning: str
    facts: tuple[str, ...]
    refusal: str | None
    chosen: bool


SURFACE_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "app": Phrase("App"),
        "website": Phrase("Website"),
        "onsite": "TikTok",
        "shop": Phrase("Shop"),
        "offline": Phrase("Offline"),
    }
)
"""The places where events are counted, in the order of their columns."""

_SURFACE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "app": Phrase("app"),
        "website": Phrase("website"),
        "onsite": "TikTok",
        "shop": Phrase("shop"),
        "offline": Phrase("offline"),
    }
)
"""The same after other words, and in brackets in the titles of metrics."""


@dataclass(frozen=True, slots=True)
class TwinRow:
    """One figure of an event: `cells` are its metrics by place, in the order of the heads; most have one or none."""

    title: str
    cells: tuple[tuple[Pick, ...], ...]


@dataclass(frozen=True, slots=True)
class TwinTable:
    """The same event in different places: `heads` are their titles, `places` their names; each row is a figure."""

    heads: tuple[str, ...]
    places: tuple[str, ...]
    rows: tuple[TwinRow, ...]

    @property
    def title(self) -> str:
        """What is counted."""
        return self.rows[0].title


def twin_table(picks: Iterable[Pick]) -> TwinTable:
    """Twins side by side: a column for each place, and a row of its own for unique events."""
    every, catalogue = tuple(picks), catalog.metrics()
    there = {catalogue[pick.value].surface for pick in every}
    surfaces = [surface for surface in SURFACE_TITLES if surface in there]
    rows: dict[bool, dict[str, list[Pick]]] = {}
    for pick in every:
        row = rows.setdefault("unique" in pick.title.lower(), {surface: [] for surface in surfaces})
        row[catalogue[pick.value].surface].append(pick)
    return TwinTable(
        tuple(SURFACE_TITLES[surface] for surface in surfaces),
        tuple(_SURFACE_WORDS[surface] for surface in surfaces),
        tuple(_twin_row([tuple(row[surface]) for surface in surfaces]) for _, row in sorted(rows.items())),
    )


def _twin_row(cells: Sequence[tuple[Pick, ...]]) -> TwinRow:
    first = next(pick for cell in cells for pick in cell)
    return TwinRow(_without_place(first.title), tuple(cells))


def _without_place(title: str) -> str:
    """The title of a metric without the place in brackets, as the language in force has both."""
    names = "|".join(re.escape(str(name)) for name in (*_SURFACE_WORDS.values(), "%"))
    return re.sub(rf" \(({names})\)", "", str(title), flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that is chosen; `note` says so if the list does not know it."""

    value: str
    title: str
    note: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a list is searched for, and how many values of it are shown at most."""

    words: str
    group: str
    most: int

    @staticmethod
    def of(name: str, fields: FormFields) -> Question:
        """As the form has it; another search begins with the first page."""
        words, group = fields.text(f"{name}.search"), fields.text(f"{name}.group")
        same = fields.last(f"{name}.searched") == f"{group} {words}"
        shown = fields.last(f"{name}.most")
        most = int(shown) if same and shown.isascii() and shown.isdigit() and len(shown) < 7 else PAGE
        more = fields.last("do") == f"more {name}"
        return Question(words, group, max(PAGE, most) + PAGE * more)

    @property
    def mark(self) -> str:
        """What the form keeps, to know another search from the same."""
        return f"{self.group} {self.words}"


@dataclass(frozen=True, slots=True)
class Picker:
    """A list as it is shown: `blocks` are values side by side that count the same thing in different places.

    `matching` values were found, of `total`; those in `blocks` have boxes now. `hidden` more match and are not
    available. `kept` are chosen, in their order. `removed` were until just now; the page carries `removed_text` along.
    """

    question: Question
    groups: tuple[tuple[str, str], ...]
    sets: tuple[MetricSet, ...]
    blocks: tuple[tuple[Pick, ...], ...]
    matching: int
    total: int
    available: tuple[str, ...]
    kept: tuple[Kept, ...]
    hidden: int = 0
    removed: tuple[Kept, ...] = ()
    removed_text: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """The values that have boxes."""
        return tuple(pick.value for block in self.blocks for pick in block)

    @property
    def tables(self) -> tuple[TwinTable | None, ...]:
        """For each block of several values the table that it is shown as."""
        return tuple(twin_table(block) if len(block) > 1 else None for block in self.blocks)

    @property
    def batches(self) -> int:
        """Requests that so many metrics take."""
        return -(-len(self.kept) // MOST_METRICS)


# -- metrics


def metric_picker(
    question: Question,
    offers: Mapping[str, Offer],
    chosen: Collection[str],
    sets: tuple[MetricSet, ...],
    removed: TakenOut | None = None,
    *,
    everything: bool,
) -> Picker:
    """The metrics; `chosen` are in the order of the columns, `sets` the presets to add, `removed` can be put back.

    With `everything` unavailable ones come after the rest.
    """
    refused = frozenset(name for name, offer in offers.items() if offer.refusal is not None)
    matching = search_metrics(question.words, question.group, refused)
    if not everything:
        offers = {name: offer for name, offer in offers.items() if offer.refusal is None}
    metrics = [metric for metric in matching if metric.name in offers]
    blocks = tuple(_metric_blocks(metrics, offers, frozenset(chosen), question.most))
    return Picker(
        question=question,
        groups=tuple((name, GROUP_TITLES.get(name, name)) for name in _groups()),
        sets=sets,
        blocks=blocks,
        matching=len(metrics),
        total=len(offers),
        available=tuple(metric.name for metric in metrics if offers[metric.name].refusal is None),
        kept=tuple(_kept_metric(name) for name in chosen),
        hidden=len(matching) - len(metrics),
        removed=tuple(_kept_metric(name) for _, name in (removed.values if removed else ())),
        removed_text=removed.text if removed else "",
    )


@per_catalogue()
def _groups() -> tuple[str, ...]:
    return tuple(dict.fromkeys(metric.group for metric in catalog.metrics().values()))


def _metric_blocks(
    metrics: Iterable[Metric], offers: Mapping[str, Offer], chosen: frozenset[str], most: int
) -> Iterator[tuple[Pick, ...]]:
    """Metrics with their twins beside them, each once, up to so many."""
    catalogue = catalog.metrics()
    shown: set[str] = set()
    for metric in metrics:
        if len(shown) >= most:
            return
        if metric.name not in shown:
            names = [name for name in _same_event(metric) if name in offers and name not in shown]
            shown.update(names)
            yield tuple(_metric_pick(catalogue[name], offers[name], name in chosen) for name in names)


def _same_event(metric: Metric) -> Iterator[str]:
    """The metric, and the others of its event: those in other places, and unique ones beside all."""
    yield metric.name
    event = catalog.events().get(metric.event) if metric.twins else None
    for names in event.surfaces.values() if event else ():
        yield from (name for name in names if name != metric.name)


def _metric_pick(metric: Metric, offer: Offer, chosen: bool) -> Pick:
    unit = UNIT_TITLES.get(metric.unit, metric.unit)
    kind = (
        TYPE_TITLES[metric.type]
        if not unit
        else unit
        if metric.type in ("money", "int", "rate", "ratio")
        else f"{TYPE_TITLES[metric.type]}, {unit}"
    )
    adds = () if metric.attribute or metric.type in ("string", "list", "bool") else (_ADDS[metric.additive],)
    doubt = (Phrase("unconfirmed"),) if offer.unconfirmed else ()
    facts = (GROUP_TITLES.get(metric.group, metric.group), kind, *adds, *doubt)
    return Pick(metric.name, metric.title, metric.meaning, facts, offer.refusal, chosen)


_ADDS = {True: Phrase("additive"), False: Phrase("non-additive")}


def _kept_metric(name: str) -> Kept:
    metric = catalog.metrics().get(name)
    if metric is not None:
        return Kept(name, metric.title, "")
    now = catalog.legacy.current_name(name)
    return Kept(
        name,
        name,
        phrase("older name of %(metric)s", metric=now)
        if now
        else phrase("no longer offered by TikTok; its column stays empty"),
    )


# -- fields of entities


def field_picker(question: Question, report: str, offers: Mapping[str, Offer], chosen: Collection[str]) -> Picker:
    """The columns that a report about things can have."""
    words = question.words.lower().split()
    columns = catalog.fields()[report]
    fields = [field for field in columns if all(word in _described(field) for word in words)]
    blocks = tuple(
        (
            Pick(
                field.name,
                field.title,
                field.meaning,
                (TYPE_TITLES[field.type],),
                offers[field.name].refusal,
                field.name in chosen,
            ),
        )
        for field in fields[: question.most]
    )
    names = tuple(field.name for field in fields)
    titles = {field.name: field.title for field in columns}
    kept = tuple(Kept(name, titles.get(name, name), "") for name in chosen)
    return Picker(question, (), (), blocks, len(fields), len(columns), names, kept)


def _described(field: Field) -> str:
    """What a field is found by: its texts in English and in the language in force."""
    english = (field.name, field.title, field.meaning)
    return " ".join((*english, str(field.title), str(field.meaning))).lower()


# -- advertisers


def advertiser_picker(
    question: Question, advertisers_seen: Iterable[AccountAdvertiser], chosen: Collection[str]
) -> Picker:
    """The account's advertisers, as far as they were seen; those that are gone only if they are chosen or searched."""
    by_id = {advertiser.advertiser_id: advertiser for advertiser in advertisers_seen}
    words = question.words.lower().split()
    picked = frozenset(chosen)
    advertisers = [
        advertiser
        for advertiser in by_id.values()
        if all(word in _searchable(advertiser) for word in words)
        and (words or not advertiser.gone or advertiser.advertiser_id in picked)
    ]
    advertisers.sort(key=lambda advertiser: (advertiser.gone, advertiser.name.lower(), advertiser.advertiser_id))
    blocks = tuple(
        (_advertiser_pick(advertiser, advertiser.advertiser_id in picked),)
        for advertiser in advertisers[: question.most]
    )
    names = tuple(advertiser.advertiser_id for advertiser in advertisers if not advertiser.gone)
    return Picker(
        question,
        (),
        (),
        blocks,
        len(advertisers),
        len(by_id),
        names,
        tuple(_kept_advertiser(advertiser_id, by_id) for advertiser_id in chosen),
    )


def _searchable(advertiser: AccountAdvertiser) -> str:
    parts = (advertiser.advertiser_id, advertiser.name, advertiser.currency, advertiser.country, advertiser.timezone)
    status = catalog.label("status", advertiser.status)
    return " ".join((*parts, status, str(status))).lower()


def _advertiser_pick(advertiser: AccountAdvertiser, chosen: bool) -> Pick:
    facts = (
        advertiser.currency,
        advertiser.display_timezone or advertiser.timezone,
        catalog.label("status", advertiser.status),
    )
    refusal = phrase("no longer in the account") if advertiser.gone else None
    return Pick(
        advertiser.advertiser_id,
        advertiser.name or advertiser.advertiser_id,
        "",
        tuple(fact for fact in facts if fact),
        refusal,
        chosen,
    )


def _kept_advertiser(advertiser_id: str, by_id: Mapping[str, AccountAdvertiser]) -> Kept:
    advertiser = by_id.get(advertiser_id)
    note = "" if advertiser is not None and not advertiser.gone else phrase("not in the account")
    return Kept(advertiser_id, (advertiser.name if advertiser else "") or advertiser_id, note)
