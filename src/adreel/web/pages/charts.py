"""A dataset's charts: figures of its latest version, each with a table of the same values."""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from adreel.access import RoleRight
from adreel.charts import (
    CALENDAR_PERIODS,
    COMPARISONS,
    DAYS,
    CardData,
    CardFacts,
    CardOffer,
    CardsData,
    CardTable,
    FilterValues,
    as_table,
    cards_data,
    cards_of,
    chart_of,
    filter_values,
    no_charts,
)
from adreel.charts.choices import CONVERT, UNCONVERTED, AskedCharts, as_shown, asked_of, opened_with
from adreel.charts.drilling import LEVELS, drills_of, is_above
from adreel.charts.echarts import NO_VALUE
from adreel.charts.files import rows_of
from adreel.charts.filters import ADVERTISER, FilterValue, named_by_id, named_values
from adreel.charts.labels import amount
from adreel.charts.notes import incomplete_note
from adreel.charts.periods import period_words
from adreel.charts.selection import span_text
from adreel.connections import covered
from adreel.datasets.creatives import names_by_id
from adreel.datasets.dataset import Dataset
from adreel.datasets.provenance import provenance
from adreel.datasets.row_hints import row_hints
from adreel.dates import Span
from adreel.errors import AdreelError, InputError, NotFoundError
from adreel.exchange_rates import WorkspaceRates
from adreel.export.files import stream
from adreel.language import Phrase, in_english, integer, phrase, phrases, shown_day
from adreel.store import SavedDataset
from adreel.store.audit import AuditAction, Subject
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.downloads import MEDIA_TYPES, attachment
from adreel.web.pages.heading import Heading, account_of, heading, parsed
from adreel.web.pages.wording import sentence
from adreel.web.render import Page, go, is_fragment, is_opened, respond

router = APIRouter()

CHOICES = "adreel_charts"
"""The cookie with the last choices on a dataset's Charts tab, as the query of its address."""

CURRENCY = "adreel_last_currency"
"""The cookie with the currency that a person chose on Home, for all pages: a code, convert:EUR, or each."""

OWN_CURRENCY = "adreel_currency"
"""The cookie with the currency that a person chose on a dataset's Charts tab, for that tab alone."""

LONGEST_CHOICES = 3_000
"""Characters of choices that are kept: browsers take cookies of about 4,000."""

NOT_CONVERTED = Phrase("Not converted, for the reason above.")

KEPT = 180 * 86_400
"""Seconds for which choices are kept."""


@dataclass(frozen=True, slots=True)
class Number:
    """A figure that is shown large; `change` is by how many percent it grew, `rise` is better, worse or empty.

    `late` says that TikTok adds to recent days for weeks.
    """

    title: str
    value: str
    change: float | None
    rise: str = ""
    late: bool = False

    @property
    def is_early(self) -> bool:
        """Whether it looks worse than it will be, as recent days still grow."""
        return self.late and self.change is not None and (self.change > 0) != (self.rise == "better")


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as a page shows it: not yet loaded, drawn with its table, refused, empty or failed.

    `chart` is JSON for charts.js, empty without data. `numbers` are shown large. `links` lead from the rows of the
    table one level down, `down` says to what; `pictures` are addresses of the rows' pictures at TikTok. `metrics` are
    names and titles to switch to, `metric` the chosen name, `own_metric` what the chart shows by itself.
    `converted` is the currency that money was converted to.
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
    links: tuple[str, ...] = ()
    down: str = ""
    metrics: tuple[tuple[str, str], ...] = ()
    metric: str = ""
    own_metric: str = ""
    not_offered: tuple[str, ...] = ()
    pictures: tuple[str | None, ...] = ()
    previous_name: str = ""
    converted: str = ""

    @property
    def name(self) -> str:
        """The id of the chart's element in the page."""
        return "card-" + "".join(character if character.isalnum() else "-" for character in self.key)


@dataclass(frozen=True, slots=True)
class ChoiceMenu:
    """A filter with its selected values. `address` is the query without it."""

    key: str
    title: str
    selected: tuple[FilterValue, ...]
    address: str

    @property
    def summary(self) -> str:
        """What is selected, in a word or two."""
        if not self.selected:
            return phrase("All")
        if len(self.selected) == 1:
            return self.selected[0].name
        return phrase("%(values)s selected", values=integer(len(self.selected)))


@dataclass(frozen=True, slots=True)
class Crumb:
    """A level above the one that is shown: its name, and the query that shows it."""

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Menus:
    """What is selected and what may be; `facts` is None until the charts are loaded.

    `empty` are the ad accounts that the dataset reads and that have no rows. `crumbs` are the levels above, from all
    rows down to the one that is shown. `fault` says why nothing can be shown as selected.
    `may_import` says whether the person can import exchange rates. `yesterday` is that of the workspace's zone.
    `removed` says which filters did not go with the currency that was chosen.
    """

    slug: str
    asked: AskedCharts
    facts: CardFacts | None = None
    filters: tuple[ChoiceMenu, ...] = ()
    empty: tuple[str, ...] = ()
    crumbs: tuple[Crumb, ...] = ()
    fault: str = ""
    may_import: bool = False
    yesterday: date | None = None
    removed: str = ""
    days: tuple[int, ...] = DAYS
    calendar: tuple[tuple[str, str], ...] = tuple(CALENDAR_PERIODS.items())
    comparisons: tuple[tuple[str, str], ...] = tuple(COMPARISONS.items())

    @property
    def query(self) -> str:
        """The query of the address, without default values."""
        return self.asked.query

    @property
    def period(self) -> str:
        """The selected period in words."""
        days = self.asked.choices.days
        return phrase("Custom range") if isinstance(days, Span) else period_words(days)

    @property
    def comparison(self) -> str:
        """The selected comparison in words."""
        comparison = self.asked.choices.comparison
        words = phrase("Custom range") if isinstance(comparison, Span) else str(COMPARISONS[comparison])
        if self.facts and self.facts.no_previous:
            return phrase("%(comparison)s: not available", comparison=words)
        return words

    @property
    def cautions(self) -> tuple[str, ...]:
        """What changes how to read the figures besides filters: what is left out, incomplete days, no comparison."""
        if self.facts is None:
            return ()
        removed = (self.removed,) if self.removed else ()
        return (*removed, *_late(self.facts, self.yesterday), *_cautions(self.facts))

    @property
    def conversion(self) -> tuple[str, str] | None:
        """The currency and the query that show the ad accounts of all currencies, if some are left out for theirs."""
        if self.facts is None or self.facts.convert or not self.facts.left_out_advertisers:
            return None
        target = next((offer.target for offer in self.facts.conversions if not offer.refusal), None)
        if target is None:
            return None
        choices = replace(self.asked.choices, currency=None, convert=target)
        return target, replace(self.asked, choices=choices).query

    @property
    def selected(self) -> tuple[ChoiceMenu, ...]:
        """The filters that apply."""
        return tuple(menu for menu in self.filters if menu.selected)

    @property
    def filtered(self) -> str:
        """The filters that apply, as a sentence; empty without any."""
        filters = [phrase("%(filter)s: %(values)s", filter=menu.title, values=menu.summary) for menu in self.selected]
        return phrase("Filtered by %(filters)s.", filters="; ".join(filters)) if filters else ""

    @property
    def unfiltered(self) -> str:
        """The query without filters."""
        return self.asked.having(*(menu.key for menu in self.filters))

    @property
    def shown(self) -> str:
        """What the charts show, for who does not see them change."""
        window = self.facts.window if self.facts else None
        days = (span_text(window),) if window else ()
        updated = phrase("Charts updated: %(shown)s.", shown="; ".join((self.period, *days)))
        return " ".join(part for part in (updated, self.filtered, *self.cautions) if part)

    def folded(self, notes: Iterable[str]) -> tuple[str, ...]:
        """The notes without those that are in sight."""
        in_sight = (*self.cautions, *(self.facts.range_notes if self.facts and not self.facts.window else ()))
        return tuple(note for note in notes if note not in in_sight)

    @property
    def range(self) -> Span | None:
        """The days for the fields of a custom range: those that are shown."""
        days = self.asked.choices.days
        return days if isinstance(days, Span) else self.facts.window if self.facts else None

    @property
    def compared(self) -> Span | None:
        """The days for the fields of a custom comparison: those that are compared with."""
        comparison = self.asked.choices.comparison
        return comparison if isinstance(comparison, Span) else self.facts.previous if self.facts else None

    @property
    def budget_days(self) -> Span | None:
        """The days for the fields of a budget: its own, else the month of the last complete day."""
        if self.asked.choices.budget is not None:
            return self.asked.choices.budget.days
        last = self.facts.complete_until if self.facts else None
        return month_of(last) if last else None

    def hidden(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Names and values of the address that a form sends along with its own fields `names`."""
        return tuple(pair for pair in self.asked.pairs if pair[0] not in names)

    def with_days(self, days: str) -> str:
        """The query with another period."""
        return self.asked.having("start", "end", days=days)

    def with_comparison(self, compare: str) -> str:
        """The query with another comparison."""
        return self.asked.having("compare_start", "compare_end", compare=compare)

    def other_metrics(self, key: str) -> tuple[tuple[str, str], ...]:
        """Names and values of the address without the metric of a chart."""
        return tuple(pair for pair in self.asked.pairs if pair[0] != "metric" or not pair[1].startswith(f"{key}:"))


@dataclass(frozen=True, slots=True)
class Cards(Page):
    """The Charts tab with titles and meanings; the charts are loaded after it.

    `fault` is why there are none, `no_charts` why the report never has any.
    """

    template: ClassVar[str] = "cards.html"
    head: Heading
    menus: Menus
    figures: tuple[Figure, ...]
    has_table: bool
    fault: str
    notes: tuple[str, ...] = ()
    no_charts: str = ""


@dataclass(frozen=True, slots=True)
class CardsPart(Page):
    """All charts and the menus above them; `notes` are those that several charts share, or that none has."""

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
class ValuesPart(Page):
    """The values of a filter that match a search; the selected ones come first."""

    template: ClassVar[str] = "_chart_values.html"
    key: str
    matches: FilterValues
    search: str


@dataclass(frozen=True, slots=True)
class _Offered:
    """A dataset's charts, and what is needed to fill them; `names` are the table's columns."""

    saved: SavedDataset
    dataset: Dataset
    names: frozenset[str]
    asked: AskedCharts
    offers: tuple[CardOffer, ...]


@router.get("/datasets/{slug}/cards")
def cards(request: Request, deps: Here, who: Who, slug: str, reset: bool = False) -> Response:
    """The dataset's charts, as titles; `all_cards` loads the figures.

    An address without choices opens the last ones of this browser; `reset` forgets these.
    """
    saved = who.guard.dataset(slug)
    base = f"/datasets/{saved.slug}/cards"
    if reset:
        answer = go(request, base)
        answer.delete_cookie(CHOICES, path=base)
        answer.delete_cookie(OWN_CURRENCY, path=base)
        return answer
    if not request.url.query and (last := _last_query(request, base)):
        return go(request, f"{base}?{last}") if not is_fragment(request) else _titles(request, deps, who, saved, last)
    return _titles(request, deps, who, saved, request.url.query)


def _titles(request: Request, deps: Deps, who: Visitor, saved: SavedDataset, query: str) -> Response:
    asked = opened_with(QueryParams(query), last_currency(request))
    menus = Menus(saved.slug, asked)
    # Without a query: a refresh of the page takes what is chosen by then.
    head = heading(deps, who, saved, "cards", f"/datasets/{saved.slug}/cards")
    try:
        offered = _offered(deps, saved, asked)
    except NotFoundError:
        return respond(request, Cards(head, menus, (), has_table=False, fault=""), visitor=who)
    except AdreelError as error:
        return respond(request, Cards(head, menus, (), has_table=False, fault=sentence(error)), visitor=who)
    figures = tuple(waiting(offer) for offer in offered.offers)
    reason = no_charts(offered.dataset)
    answer = respond(request, Cards(head, menus, figures, has_table=True, fault="", no_charts=reason), visitor=who)
    return _remembered(answer, request, deps, saved, asked)


@router.get("/datasets/{slug}/cards/all")
def all_cards(request: Request, deps: Here, who: Who, slug: str) -> Response:
    """All charts with their figures."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}/cards?{request.url.query}")
    asked = opened_with(request.query_params, last_currency(request))
    offered, removed = _offered(deps, saved, asked), ""
    try:
        names, drawn = _drawn(deps, who, offered, offered.offers)
        if request.query_params.get("prefer") and (titles := _filters_of_other_currencies(asked, drawn.facts)):
            removed = _removed_words(titles, str(asked.choices.currency))
            offered = _offered(deps, saved, _without_filters(asked))
            names, drawn = _drawn(deps, who, offered, offered.offers)
    except AdreelError as error:
        # Each chart shows the error and can be retried.
        failed = tuple(
            replace(waiting(card_offer), loaded=True, error=sentence(error)) for card_offer in offered.offers
        )
        return respond(request, CardsPart(Menus(saved.slug, asked, fault=sentence(error)), failed), visitor=who)
    menus = replace(_menus(deps, who, offered, drawn.facts, names), removed=removed)
    drawn_figures = (figure_of(card, menus, offered.names) for card in drawn.cards)
    figures, notes = _without_shared_notes(tuple(_without_reason(figure, drawn.facts) for figure in drawn_figures))
    answer = respond(request, CardsPart(menus, figures, menus.folded((*notes, *drawn.facts.missing))), visitor=who)
    if request.query_params:
        # The first load completes the address of its page; every other choice is an address of its own.
        header = "HX-Replace-Url" if _is_of_page(request, asked) else "HX-Push-Url"
        answer.headers[header] = f"/datasets/{saved.slug}/cards{menus.query or asked.having()}"
    return _remembered(answer, request, deps, saved, asked)


@router.get("/datasets/{slug}/cards/values")
def card_values(request: Request, deps: Here, who: Who, slug: str, key: str, search: str = "") -> Response:
    """The values of the filter `key` to choose from, by a search in their names and ids."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}/cards?{request.url.query}")
    asked = asked_of(request.query_params)
    matches = filter_values(
        deps.lake,
        saved.table_slug,
        _offered(deps, saved, asked).dataset,
        key,
        search,
        advertisers=asked.choices.advertisers,
        filters=asked.choices.filters,
        names_by_id=names_by_id(who.guard, deps.lake, saved),
    )
    return respond(request, ValuesPart(key, matches, search.strip()), visitor=who)


@router.get("/datasets/{slug}/cards/one")
def one_card(request: Request, deps: Here, who: Who, slug: str, key: str) -> Response:
    """One chart with its figures."""
    saved = who.guard.dataset(slug)
    if is_opened(request):
        return go(request, f"/datasets/{saved.slug}/cards?{request.url.query}")
    asked = opened_with(request.query_params, last_currency(request))
    offered = _offered(deps, saved, asked)
    offer = _offer(offered, key)
    menus = Menus(saved.slug, asked)
    try:
        names, drawn = _drawn(deps, who, offered, (offer,))
    except AdreelError as error:
        return respond(
            request, CardPart(menus, replace(waiting(offer), loaded=True, error=sentence(error))), visitor=who
        )
    menus = _menus(deps, who, offered, drawn.facts, names)
    return respond(request, CardPart(menus, figure_of(drawn.cards[0], menus, offered.names)), visitor=who)


@router.get("/datasets/{slug}/cards/file")
def card_file(request: Request, deps: Here, who: Who, slug: str, key: str) -> Response:
    """What one chart shows as a CSV file, in English as all files."""
    saved = who.guard.dataset(slug)
    with in_english():
        offered = _offered(deps, saved, opened_with(request.query_params, last_currency(request)))
        _, drawn = _drawn(deps, who, offered, (_offer(offered, key),))
        (data,) = drawn.cards
        if data.refusal is not None:
            raise InputError(str(data.refusal))
        text = b"".join(stream(rows_of(data), "csv", for_spreadsheet=True))
    deps.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": "csv", "chart": key})
    name = f"{saved.slug}.{key}.csv"
    return Response(text, media_type=MEDIA_TYPES["csv"], headers=attachment(name, name))


def _offer(offered: _Offered, key: str) -> CardOffer:
    for card_offer in offered.offers:
        if card_offer.key == key:
            return card_offer
    raise NotFoundError(
        phrase("Dataset %(dataset)s has no chart %(chart)s.", dataset=repr(offered.saved.name), chart=repr(key))
    )


def _drawn(
    deps: Deps, who: Visitor, offered: _Offered, offers: tuple[CardOffer, ...]
) -> tuple[Mapping[str, str], CardsData]:
    """The data of some of a dataset's charts, and the names of its ad accounts."""
    saved = offered.saved
    rows_origin, names = provenance(deps.store, deps.lake, saved), names_by_id(who.guard, deps.lake, saved)
    drawn = cards_data(
        deps.lake,
        saved.table_slug,
        offered.dataset,
        offers,
        offered.asked.choices,
        read_at=rows_origin.read_at,
        methods=rows_origin.methods,
        names=names,
        rates=WorkspaceRates(deps.store),
    )
    # Charts of lists say themselves that they count an ad account once.
    hints = row_hints(offered.dataset, next(iter(deps.store.runs.good(saved)), None)) if offered.dataset.metrics else ()
    return names, replace(drawn, facts=replace(drawn.facts, choice_notes=(*drawn.facts.choice_notes, *hints)))


def _offered(deps: Deps, saved: SavedDataset, asked: AskedCharts) -> _Offered:
    """The charts that say something about what is selected."""
    dataset, problems = parsed(deps, saved)
    if dataset is None:
        raise InputError(
            phrase("The settings are no longer valid: %(problem)s", problem=replace(problems[0], advice=""))
        )
    names = frozenset(deps.lake.table(saved.table_slug).schema.names)
    offers = cards_of(dataset, names, metrics=asked.metrics)
    shown = tuple(offer for offer in offers if not is_above(offer, asked.choices))
    return _Offered(saved, dataset, names, asked, shown)


# -- what is remembered


def _last_query(request: Request, base: str) -> str:
    """The choices that the page has, for one that refreshes itself, else the last ones of this browser."""
    shown = urlsplit(request.headers.get("hx-current-url", "")) if is_fragment(request) else None
    if shown is not None and shown.path == base:
        return shown.query
    query = unquote(request.cookies.get(CHOICES, ""))
    try:
        asked_of(QueryParams(query))
    except InputError:
        return ""
    return query


def _is_of_page(request: Request, asked: AskedCharts) -> bool:
    """Whether the page that asks has the address of the same choices."""
    try:
        query = urlsplit(request.headers.get("hx-current-url", "")).query
        return asked_of(QueryParams(query)).pairs == asked.pairs
    except InputError:
        return False


def last_currency(request: Request) -> str:
    """The currency that the person chose for the page, else for all, as `opened_with` takes it; empty without."""
    chosen = unquote(request.cookies.get(OWN_CURRENCY) or request.cookies.get(CURRENCY, ""))
    return chosen if re.fullmatch(f"{UNCONVERTED}|({CONVERT})?[A-Z]{{3}}", chosen) else ""


def remember_currency(answer: Response, deps: Deps, currency: str) -> None:
    """Has the browser keep the currency for all pages on which the person chose none."""
    answer.set_cookie(
        CURRENCY, quote(currency), max_age=KEPT, path="/", httponly=True, samesite="lax", secure=deps.secure
    )


def _remembered(answer: Response, request: Request, deps: Deps, saved: SavedDataset, asked: AskedCharts) -> Response:
    """The answer, after which the browser keeps what its address chooses; the currency, if the person chose it."""
    base = f"/datasets/{saved.slug}/cards"
    query = quote(asked.having("currency", "convert", "rates").removeprefix("?"))
    if request.url.query and len(query) <= LONGEST_CHOICES:
        answer.set_cookie(CHOICES, query, max_age=KEPT, path=base, httponly=True, samesite="lax", secure=deps.secure)
    chosen = asked.choices
    code = f"{CONVERT}{chosen.convert}" if chosen.convert else chosen.currency or ""
    if request.query_params.get("prefer") and re.fullmatch(f"({CONVERT})?[A-Z]{{3}}", code):
        answer.set_cookie(
            OWN_CURRENCY, quote(code), max_age=KEPT, path=base, httponly=True, samesite="lax", secure=deps.secure
        )
    return answer


# -- menus


def _menus(deps: Deps, who: Visitor, offered: _Offered, facts: CardFacts, names: Mapping[str, str]) -> Menus:
    asked = as_shown(offered.asked, facts)
    return Menus(
        slug=offered.saved.slug,
        asked=asked,
        facts=facts,
        filters=filter_menus(asked, facts, names),
        empty=_empty(deps, who, offered, facts),
        crumbs=tuple(_crumbs(asked, facts, names)),
        may_import=who.guard.may_role(RoleRight.CHANGE_WORKSPACE),
        yesterday=yesterday_of(deps),
    )


def yesterday_of(deps: Deps) -> date:
    """The day before today in the workspace's zone."""
    return deps.clock().astimezone(ZoneInfo(deps.store.workspace.get().zone)).date() - timedelta(days=1)


def filter_menus(asked: AskedCharts, facts: CardFacts, names: Mapping[str, str]) -> tuple[ChoiceMenu, ...]:
    """The filters of a table; `names` are those of its ad accounts, and of what its table has only IDs of."""
    menus = [
        ChoiceMenu(entry.key, entry.title, named_values(entry.selected, names), asked.having(entry.key))
        for entry in facts.filters
    ]
    if len(facts.advertisers) < 2 and not asked.choices.advertisers:
        return tuple(menus)
    return (
        ChoiceMenu(ADVERTISER, phrase("Ad account"), _selected_accounts(asked, names), asked.having(ADVERTISER)),
        *menus,
    )


def _cautions(facts: CardFacts) -> Iterator[str]:
    if facts.left_out_advertisers:
        yield _left_out_words(facts)
    yield from facts.choice_notes
    if facts.open_days and facts.window and facts.window.end not in facts.open_days:
        yield incomplete_note(facts.open_days)
    if facts.no_previous:
        yield facts.no_previous


def _filters_of_other_currencies(asked: AskedCharts, facts: CardFacts) -> tuple[str, ...]:
    """The titles of the selected filters if none of their rows are in the chosen currency."""
    chosen = asked.choices
    if chosen.currency is None or facts.currency == chosen.currency:
        return ()
    accounts = (phrase("Ad account"),) if chosen.advertisers else ()
    return (*accounts, *(entry.title for entry in facts.filters if entry.selected))


def _without_filters(asked: AskedCharts) -> AskedCharts:
    return replace(asked, choices=replace(asked.choices, advertisers=(), filters=()))


def _removed_words(titles: Sequence[str], currency: str) -> str:
    return phrases(
        "The filter %(filters)s was removed, as its rows are not in %(currency)s.",
        "The filters %(filters)s were removed, as their rows are not in %(currency)s.",
        len(titles),
        filters=", ".join(titles),
        currency=currency,
    )


def _late(facts: CardFacts, yesterday: date | None) -> Iterator[str]:
    """That the table is not up to date, if it has days and yesterday is none of them."""
    last = max((advertiser.last for advertiser in facts.advertisers if advertiser.last), default=None)
    if last is not None and yesterday is not None and last < yesterday:
        yield phrase("The table ends on %(day)s; yesterday was not read.", day=shown_day(last))


def _left_out_words(facts: CardFacts) -> str:
    return phrases(
        "%(left_out)s of %(ad_accounts)s ad accounts is in another currency and left out.",
        "%(left_out)s of %(ad_accounts)s ad accounts are in other currencies and left out.",
        facts.left_out_advertisers,
        left_out=integer(facts.left_out_advertisers),
        ad_accounts=integer(facts.shown_advertisers),
    )


def _selected_accounts(asked: AskedCharts, names: Mapping[str, str]) -> tuple[FilterValue, ...]:
    return tuple(FilterValue(account, named_by_id(account, names), 0) for account in asked.choices.advertisers)


def _crumbs(asked: AskedCharts, facts: CardFacts, names: Mapping[str, str]) -> list[Crumb]:
    """The levels above the one that is shown, if a single ad account, campaign or ad group is selected."""
    selected: dict[str, tuple[FilterValue, ...]] = {ADVERTISER: _selected_accounts(asked, names)}
    selected |= {entry.key: named_values(entry.selected, names) for entry in facts.filters}
    keys = [level.key for level in LEVELS]
    crumbs = [
        Crumb(f"{level.title} {selected[level.key][0].name}", asked.having(*keys[number + 1 :]))
        for number, level in enumerate(LEVELS)
        if len(selected.get(level.key, ())) == 1
    ]
    return [Crumb(phrase("All"), asked.having(*keys)), *crumbs] if crumbs else []


def _empty(deps: Deps, who: Visitor, offered: _Offered, facts: CardFacts) -> tuple[str, ...]:
    """The ad accounts that a run reads and of which the table has no rows; none if the account may not be seen."""
    account = account_of(who, offered.saved)
    if account is None:
        return ()
    read = covered(deps.store.accounts.advertisers(account), offered.dataset.advertisers or account.selection)
    with_rows = {advertiser.id for advertiser in facts.advertisers}
    return tuple(advertiser.name for advertiser in read.advertisers if advertiser.id not in with_rows)


def month_of(day: date) -> Span:
    """The month of a day, from its first to its last day."""
    return Span(day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))


# -- charts


def _without_shared_notes(figures: tuple[Figure, ...]) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The charts without the notes that several of them share, and these notes."""
    times = Counter(note for figure in figures for note in figure.notes)
    shared = tuple(note for note in times if times[note] > 1)
    return tuple(
        replace(figure, notes=tuple(note for note in figure.notes if note not in shared)) for figure in figures
    ), shared


def _without_reason(figure: Figure, facts: CardFacts) -> Figure:
    """The chart without the reason why money is not converted, which the page gives once above all charts."""
    is_unconverted = facts.conversion_refusal and figure.refusal == facts.conversion_refusal
    return replace(figure, refusal=NOT_CONVERTED) if is_unconverted else figure


def waiting(offer: CardOffer) -> Figure:
    """A chart before its figures are loaded."""
    own = offer.figures[0] if len(offer.figures) == 1 or offer.kind != "line" else None
    return Figure(
        offer.key,
        offer.title,
        offer.meaning,
        offer.kind,
        loaded=False,
        refusal=str(offer.refusal or ""),
        metrics=tuple((figure.name, str(figure.title)) for figure in offer.metrics) if len(offer.metrics) > 1 else (),
        metric=offer.metric or (own.name if own else ""),
        own_metric="" if own and not offer.metric else phrase("By default"),
        not_offered=tuple(map(str, offer.not_offered)),
    )


def figure_of(data: CardData, menus: Menus, names: Collection[str]) -> Figure:
    """A chart with its table, and with links one level down; `names` are the columns of its table."""
    chart = chart_of(data)
    drawn = data.refusal is None and not data.is_empty
    has_picture = drawn and data.offer.kind != "numbers"
    numbers = tuple(map(_number, chart.get("numbers", ()) if drawn else ()))
    drills = drills_of(data, names) if drawn else None
    links = tuple(_link(menus, drills.key, value) for value in drills.values) if drills else ()
    if links:
        chart["x"]["links"] = links
    return replace(
        waiting(data.offer),
        loaded=True,
        meaning=data.meaning,
        chart=json.dumps(chart, ensure_ascii=False, separators=(",", ":")) if has_picture else "",
        numbers=numbers,
        period=str(chart.get("period") or ""),
        previous_period=str(chart.get("previous_period") or ""),
        table=as_table(data) if drawn else None,
        notes=menus.folded(data.notes),
        refusal=str(data.refusal or ""),
        links=links,
        previous_name=str(data.previous_name),
        converted=data.converted or "",
        pictures=tuple(chart["x"].get("pictures", ())) if has_picture and "x" in chart else (),
        down=str(drills.down) if drills else "",
    )


def _link(menus: Menus, key: str, value: str) -> str:
    """The address of the charts of one value, one level down; empty for rows without an id."""
    below = [level.key for level in LEVELS][[level.key for level in LEVELS].index(key) :]
    return f"/datasets/{menus.slug}/cards{menus.asked.having(*below, **{key: value})}" if value else ""


def _number(figure: Mapping[str, Any]) -> Number:
    value, shape = figure["value"], figure["format"]
    if value is None:
        return Number(figure["title"], NO_VALUE, None)
    text = amount(value, shape["unit"], shape["currency"], shape["decimals"])
    return Number(figure["title"], text, figure.get("change"), figure.get("rise") or "", bool(figure.get("late")))
