"""A dataset's charts: figures of its latest version, each with a table of the same values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from adreel.charts import (
    DAYS,
    CardChoices,
    CardData,
    CardFacts,
    CardOffer,
    CardTable,
    as_table,
    card_data,
    cards_data,
    cards_of,
    chart_of,
)
from adreel.charts.labels import amount
from adreel.connections import covered
from adreel.datasets.dataset import Dataset
from adreel.datasets.provenance import provenance
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.store import SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.pages.heading import Heading, account_of, advertiser_names, heading, parsed
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, is_opened, respond

router = APIRouter()

ALL_DAYS = "all"


@dataclass(frozen=True, slots=True)
class Number:
    """A figure that is shown large; `change` is by how many percent it grew."""

    title: str
    value: str
    change: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as a page shows it: not yet loaded, drawn with its table, refused, empty or failed.

    `chart` is JSON for charts.js, empty without data. `numbers` are shown large in place of a chart.
    """

    key: str
    title: str
    meaning: str
    kind: str
    loaded: bool
    chart: str = ""
    numbers: tuple[Number, ...] = ()
    period: str = ""
    previous_period: str = ""
    table: CardTable | None = None
    notes: tuple[str, ...] = ()
    refusal: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        """The id of the chart's element in the page."""
        return "card-" + "".join(character if character.isalnum() else "-" for character in self.key)


@dataclass(frozen=True, slots=True)
class Menus:
    """The selected filters and their options; `facts` is None until the charts are loaded.

    `empty` are the ad accounts that the dataset reads and that have no rows.
    """

    slug: str
    choices: CardChoices
    facts: CardFacts | None
    advertisers: tuple[tuple[str, str], ...]
    empty: tuple[str, ...] = ()
    days: tuple[int, ...] = DAYS

    @property
    def query(self) -> str:
        """The query of the address, without default values."""
        chosen = self.choices
        pairs = [("currency", chosen.currency), ("advertiser", chosen.advertiser)]
        if chosen.days != CardChoices().days:
            pairs.append(("days", ALL_DAYS if chosen.days is None else str(chosen.days)))
        text = urlencode([(name, value) for name, value in pairs if value])
        return f"?{text}" if text else ""


@dataclass(frozen=True, slots=True)
class Cards(Page):
    """The Charts tab with titles and meanings; the charts are loaded after it. `fault` is why there are none."""

    template: ClassVar[str] = "cards.html"
    head: Heading
    menus: Menus
    figures: tuple[Figure, ...]
    has_table: bool
    fault: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardsPart(Page):
    """All charts and the menus above them; `notes` are those that several charts share."""

    template: ClassVar[str] = "_cards.html"
    menus: Menus
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardPart(Page):
    """One chart, reloaded."""

    template: ClassVar[str] = "_card.html"
    menus: Menus
    figure: Figure


@dataclass(frozen=True, slots=True)
class _Offered:
    """A dataset's charts, and what is needed to fill them."""

    saved: SavedDataset
    dataset: Dataset
    offers: tuple[CardOffer, ...]


@router.get("/datasets/{slug}/cards")
def cards(
    request: Request, deps: Here, who: Who, slug: str, currency: str = "", advertiser: str = "", days: str = ""
) -> Response:
    """The dataset's charts, as titles; `all_cards` loads the figures."""
    saved = who.guard.dataset(slug)
    menus = Menus(saved.slug, choices_of(currency, advertiser, days), None, ())
    head = heading(deps, who, saved, "cards", f"/datasets/{saved.slug}/cards{menus.query}")
    try:
        offered = _offered(deps, saved)
    except NotFoundError:
        return respond(request, Cards(head, menus, (), has_table=False, fault=""), visitor=who)
    except AdreelError as error:
        return respond(request, Cards(head, menus, (), has_table=False, fault=sentence(error)), visitor=who)
    figures = tuple(_waiting(offer) for offer in offered.offers)
    return respond(request, Cards(head, menus, figures, has_table=True, fault=""), visitor=who)


@router.get("/datasets/{slug}/cards/all")
def all_cards(
    request: Request, deps: Here, who: Who, slug: str, currency: str = "", advertiser: str = "", days: str = ""
) -> Response:
    """All charts with their figures."""
    saved = who.guard.dataset(slug)
    choices = choices_of(currency, advertiser, days)
    offered = _offered(deps, saved)
    rows_origin, names = provenance(deps.store, deps.lake, saved), advertiser_names(deps, who, saved)
    try:
        answer = cards_data(
            deps.lake,
            saved.table_slug,
            offered.dataset,
            offered.offers,
            choices,
            read_at=rows_origin.read_at,
            methods=rows_origin.methods,
            names=names,
        )
    except AdreelError as error:
        # Each chart shows the error and can be retried.
        failed = tuple(
            replace(_waiting(card_offer), loaded=True, error=sentence(error)) for card_offer in offered.offers
        )
        return respond(request, CardsPart(Menus(saved.slug, choices, None, ()), failed), visitor=who)
    advertisers = tuple(_advertisers(names, answer.facts))
    menus = Menus(saved.slug, choices, answer.facts, advertisers, _empty(deps, who, offered, answer.facts))
    figures, notes = _without_shared_notes(tuple(map(figure_of, answer.cards)))
    return respond(request, CardsPart(menus, figures, notes), visitor=who)


def _without_shared_notes(figures: tuple[Figure, ...]) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The charts without the notes that several of them share, and these notes."""
    times = Counter(note for figure in figures for note in figure.notes)
    shared = tuple(note for note in times if times[note] > 1)
    return tuple(
        replace(figure, notes=tuple(note for note in figure.notes if note not in shared)) for figure in figures
    ), shared


@router.get("/datasets/{slug}/cards/one")
def one_card(
    request: Request,
    deps: Here,
    who: Who,
    slug: str,
    key: str,
    currency: str = "",
    advertiser: str = "",
    days: str = "",
) -> Response:
    """One chart with its figures."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}/cards?{request.url.query}")
    choices = choices_of(currency, advertiser, days)
    offered = _offered(deps, saved)
    offer = next((card_offer for card_offer in offered.offers if card_offer.key == key), None)
    if offer is None:
        raise NotFoundError(f"Dataset {saved.name!r} has no chart {key!r}.")
    menus = Menus(saved.slug, choices, None, ())
    rows_origin, names = provenance(deps.store, deps.lake, saved), advertiser_names(deps, who, saved)
    try:
        chart = card_data(
            deps.lake,
            saved.table_slug,
            offered.dataset,
            offer,
            choices,
            read_at=rows_origin.read_at,
            methods=rows_origin.methods,
            names=names,
        )
    except AdreelError as error:
        return respond(
            request, CardPart(menus, replace(_waiting(offer), loaded=True, error=sentence(error))), visitor=who
        )
    return respond(request, CardPart(menus, figure_of(chart)), visitor=who)


def choices_of(currency: str, advertiser: str, days: str) -> CardChoices:
    """What the address chooses. InputError for days that are no number."""
    if days in ("", ALL_DAYS):
        count = None if days else CardChoices().days
    elif days.isascii() and days.isdecimal() and len(days) < 5:
        count = int(days)
    else:
        raise InputError(f"{days!r} is not a valid number of days. Enter a number such as 30, or {ALL_DAYS}.")
    return CardChoices(currency or None, count, advertiser or None)


def _offered(deps: Deps, saved: SavedDataset) -> _Offered:
    dataset, problems = parsed(deps, saved)
    if dataset is None:
        raise InputError(f"The settings are no longer valid: {replace(problems[0], advice='')}")
    names = deps.lake.table(saved.table_slug).schema.names
    return _Offered(saved, dataset, cards_of(dataset, names))


def _advertisers(names: Mapping[str, str], facts: CardFacts) -> Iterator[tuple[str, str]]:
    """The advertisers to choose from, with their names where they are known."""
    for advertiser in facts.advertisers:
        name = names.get(advertiser.id, "")
        yield advertiser.id, f"{name} ({advertiser.id})" if name else advertiser.id


def _empty(deps: Deps, who: Visitor, offered: _Offered, facts: CardFacts) -> tuple[str, ...]:
    """The ad accounts that a run reads and of which the table has no rows; none if the account may not be seen."""
    account = account_of(who, offered.saved)
    if account is None:
        return ()
    read = covered(deps.store.accounts.advertisers(account), offered.dataset.advertisers or account.selection)
    with_rows = {advertiser.id for advertiser in facts.advertisers}
    return tuple(advertiser.name for advertiser in read.advertisers if advertiser.id not in with_rows)


def _waiting(offer: CardOffer) -> Figure:
    return Figure(offer.key, offer.title, offer.meaning, offer.kind, loaded=False, refusal=offer.refusal or "")


def figure_of(data: CardData) -> Figure:
    """A chart with its table."""
    chart = chart_of(data)
    drawn = data.refusal is None and not data.is_empty
    numbers = tuple(map(_number, chart.get("numbers", ()) if drawn else ()))
    return replace(
        _waiting(data.offer),
        loaded=True,
        meaning=data.meaning,
        chart=json.dumps(chart, ensure_ascii=False, separators=(",", ":")) if drawn and not numbers else "",
        numbers=numbers,
        period=str(chart.get("period") or ""),
        previous_period=str(chart.get("previous_period") or ""),
        table=as_table(data) if drawn else None,
        notes=data.notes,
        refusal=data.refusal or "",
    )


def _number(figure: Mapping[str, Any]) -> Number:
    value, shape = figure["value"], figure["format"]
    if value is None:
        return Number(figure["title"], "Unknown", None)
    text = amount(value, shape["unit"], shape["currency"], shape["decimals"])
    return Number(figure["title"], text, figure["change"])
