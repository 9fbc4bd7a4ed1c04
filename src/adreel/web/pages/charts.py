"""A dataset's cards: charts of its newest version, each with a table beside it."""

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
from adreel.connections import covered
from adreel.datasets.dataset import Dataset
from adreel.datasets.provenance import made
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.store import SavedDataset
from adreel.web.deps import Center, Here, Visitor, Who
from adreel.web.pages.heading import Heading, account_of, advertiser_names, heading, parsed
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, respond

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
    """A card as a page shows it: before it is loaded, with its chart and table, refused, empty, or failed.

    `chart` is what charts.js draws, as JSON, and empty where there is nothing to draw. `numbers` are shown large
    instead of a chart.
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
        """What the card is called in addresses of the page's parts."""
        return "card-" + "".join(one if one.isalnum() else "-" for one in self.key)


@dataclass(frozen=True, slots=True)
class Menus:
    """What the person chose, and what there is to choose from; `facts` is None until the cards were loaded.

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
        """The address's query; what is as it is at first is left out."""
        chosen = self.choices
        pairs = [("currency", chosen.currency), ("advertiser", chosen.advertiser)]
        if chosen.days != CardChoices().days:
            pairs.append(("days", ALL_DAYS if chosen.days is None else str(chosen.days)))
        text = urlencode([(name, value) for name, value in pairs if value])
        return f"?{text}" if text else ""


@dataclass(frozen=True, slots=True)
class Cards(Page):
    """The Cards tab at first: titles and meanings, while the charts are on their way. `fault` is why there are none."""

    template: ClassVar[str] = "cards.html"
    head: Heading
    menus: Menus
    figures: tuple[Figure, ...]
    has_table: bool
    fault: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardsPart(Page):
    """All cards with their charts, and the menus above them; `notes` are what several cards have to say."""

    template: ClassVar[str] = "_cards.html"
    menus: Menus
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardPart(Page):
    """One card, loaded anew."""

    template: ClassVar[str] = "_card.html"
    menus: Menus
    figure: Figure


@dataclass(frozen=True, slots=True)
class _Offered:
    """A dataset's cards, and what is needed to fill them."""

    saved: SavedDataset
    dataset: Dataset
    offers: tuple[CardOffer, ...]


@router.get("/datasets/{slug}/cards")
def cards(
    request: Request, deps: Here, who: Who, slug: str, currency: str = "", advertiser: str = "", days: str = ""
) -> Response:
    """The cards that the dataset has. Their charts come with a request of their own."""
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
    """All cards with their charts."""
    saved = who.guard.dataset(slug)
    choices = choices_of(currency, advertiser, days)
    offered = _offered(deps, saved)
    by, names = made(deps.store, deps.lake, saved), advertiser_names(deps, who, saved)
    try:
        found = cards_data(
            deps.lake,
            saved.table_slug,
            offered.dataset,
            offered.offers,
            choices,
            read_at=by.read_at,
            methods=by.methods,
            names=names,
        )
    except AdreelError as error:
        # In each card's place, from where each can be asked for again.
        failed = tuple(
            replace(_waiting(card_offer), loaded=True, error=sentence(error)) for card_offer in offered.offers
        )
        return respond(request, CardsPart(Menus(saved.slug, choices, None, ()), failed), visitor=who)
    there = tuple(_advertisers(names, found.facts))
    menus = Menus(saved.slug, choices, found.facts, there, _empty(deps, who, offered, found.facts))
    figures, notes = _told_once(tuple(map(figure_of, found.cards)))
    return respond(request, CardsPart(menus, figures, notes), visitor=who)


def _told_once(figures: tuple[Figure, ...]) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The cards without the notes that several of them have, and these notes."""
    times = Counter(note for figure in figures for note in figure.notes)
    shared = tuple(note for note in times if times[note] > 1)
    return tuple(replace(one, notes=tuple(note for note in one.notes if note not in shared)) for one in figures), shared


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
    """One card with its chart."""
    saved = who.guard.dataset(slug)
    choices = choices_of(currency, advertiser, days)
    offered = _offered(deps, saved)
    offer = next((card_offer for card_offer in offered.offers if card_offer.key == key), None)
    if offer is None:
        raise NotFoundError(f"{saved.name!r} has no card {key!r}.")
    menus = Menus(saved.slug, choices, None, ())
    by, names = made(deps.store, deps.lake, saved), advertiser_names(deps, who, saved)
    try:
        found = card_data(
            deps.lake,
            saved.table_slug,
            offered.dataset,
            offer,
            choices,
            read_at=by.read_at,
            methods=by.methods,
            names=names,
        )
    except AdreelError as error:
        return respond(
            request, CardPart(menus, replace(_waiting(offer), loaded=True, error=sentence(error))), visitor=who
        )
    return respond(request, CardPart(menus, figure_of(found)), visitor=who)


def choices_of(currency: str, advertiser: str, days: str) -> CardChoices:
    """What the address chooses. InputError for days that are no number."""
    if days in ("", ALL_DAYS):
        wanted = None if days else CardChoices().days
    elif days.isascii() and days.isdecimal() and len(days) < 5:
        wanted = int(days)
    else:
        raise InputError(f"{days!r} is no number of days; choose one such as 30, or {ALL_DAYS}.")
    return CardChoices(currency or None, wanted, advertiser or None)


def _offered(deps: Center, saved: SavedDataset) -> _Offered:
    dataset, problems = parsed(deps, saved)
    if dataset is None:
        raise InputError(f"The settings do not hold any more: {problems[0]}")
    names = deps.lake.table(saved.table_slug).schema.names
    return _Offered(saved, dataset, cards_of(dataset, names))


def _advertisers(names: Mapping[str, str], facts: CardFacts) -> Iterator[tuple[str, str]]:
    """The advertisers to choose from, with their names where they are known."""
    for advertiser in facts.advertisers:
        name = names.get(advertiser.id, "")
        yield advertiser.id, f"{name} ({advertiser.id})" if name else advertiser.id


def _empty(deps: Center, who: Visitor, offered: _Offered, facts: CardFacts) -> tuple[str, ...]:
    """The ad accounts that a run reads and of which the table has no rows; none if the account may not be seen."""
    account = account_of(who, offered.saved)
    if account is None:
        return ()
    read = covered(deps.store.accounts.advertisers(account), offered.dataset.advertisers or account.selection)
    there = {advertiser.id for advertiser in facts.advertisers}
    return tuple(one.name for one in read.advertisers if one.id not in there)


def _waiting(offer: CardOffer) -> Figure:
    return Figure(offer.key, offer.title, offer.meaning, offer.kind, loaded=False, refusal=offer.refusal or "")


def figure_of(data: CardData) -> Figure:
    """A card with its chart and table."""
    chart = chart_of(data)
    drawn = data.refusal is None and not data.is_empty
    numbers = tuple(map(_number, chart.get("numbers", ()) if drawn else ()))
    return replace(
        _waiting(data.offer),
        loaded=True,
        chart=json.dumps(chart, ensure_ascii=False, separators=(",", ":")) if drawn and not numbers else "",
        numbers=numbers,
        period=str(chart.get("period") or ""),
        previous_period=str(chart.get("previous_period") or ""),
        table=as_table(data) if drawn else None,
        notes=data.notes,
        refusal=data.refusal or "",
    )


def _number(one: Mapping[str, Any]) -> Number:
    value, shape = one["value"], one["format"]
    if value is None:
        return Number(one["title"], "not known", None)
    text = f"{value:,.{shape['decimals']}f}"
    ending = {"money": f" {shape['currency']}" if shape["currency"] else "", "percent": " %"}.get(shape["unit"], "")
    return Number(one["title"], text + ending, one["change"])
