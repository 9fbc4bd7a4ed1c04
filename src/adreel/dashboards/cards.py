"""What the pins of a dashboard show, to who asks: figures of the newest versions, or why there are none.

Pages, API, command line and messages all read their figures here, with the functions of the Charts tab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from starlette.datastructures import QueryParams

from adreel.access import DatasetRight, Guard
from adreel.charts import CalendarPeriod, CardData, CardFacts, CardOffer, cards_data, cards_of
from adreel.charts.choices import CUSTOM, AskedCharts, asked_of, days_of
from adreel.datasets.creatives import names_by_id
from adreel.datasets.provenance import provenance
from adreel.datasets.schema import columns
from adreel.datasets.status import Standing, standing
from adreel.datasets.stored import dataset_of
from adreel.dates import Span
from adreel.enumerations import TextEnum
from adreel.errors import AdreelError, DatasetError, NotFoundError
from adreel.exchange_rates import WorkspaceRates
from adreel.lake import Lake
from adreel.language import Phrase, phrase
from adreel.store import Dashboard, Pin, SavedDataset
from adreel.store.names import LONGEST_NAME

_NO_TABLE = Phrase("The dataset has no table yet. Run the dataset.")
_CHART_GONE = Phrase("The dataset no longer has this chart, as columns that it needs were removed.")


class PinState(TextEnum):
    """What there is to see of a pin; what is `lasting` stays so until a person changes something."""

    lasting: bool

    SHOWN = "shown", False
    HIDDEN = "hidden", True
    DELETED = "deleted", True
    NO_TABLE = "no_table", False
    INVALID = "invalid", True
    CHART_GONE = "chart_gone", True
    FAILED = "failed", False


@dataclass(frozen=True, slots=True)
class CommonPeriod:
    """Days that all charts show in place of their own; as in `CardChoices`."""

    days: int | CalendarPeriod | Span | None

    def applied(self, asked: AskedCharts) -> AskedCharts:
        """The choices with these days, compared with the period before where they named the days to compare with."""
        own = asked.choices.comparison
        comparison = "previous" if isinstance(own, Span) else own
        choices = replace(asked.choices, days=self.days, fitting_days=False, comparison=comparison)
        return replace(asked, choices=choices)


def period_of(days: str, start: str = "", end: str = "") -> CommonPeriod | None:
    """The common period of an address; None without one. InputError for what is none."""
    if not days and not start and not end:
        return None
    return CommonPeriod(days_of(days or CUSTOM, start, end))


def query_of(query: str) -> QueryParams:
    """The query of an address, with or without its question mark, by its parts."""
    return QueryParams(query.strip().removeprefix("?"))


def kept_choices(query: str) -> AskedCharts:
    """What a pin shows: without a currency, money is converted as on other pages. InputError for invalid choices."""
    asked = asked_of(query_of(query))
    return replace(asked, choices=replace(asked.choices, convert_if_possible=""))


@dataclass(frozen=True, slots=True)
class ChartFigures:
    """A chart of a dataset with its figures. `names` are the columns of the table."""

    offer: CardOffer
    data: CardData
    facts: CardFacts
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class PinnedCard:
    """A pin as who asks sees it.

    `title` is empty for the chart's own, and `saved` None for a dataset that they may not see. `problem` says why
    nothing is shown. `asked` is what is chosen, and `period_note` says that the common period cannot be.
    """

    pin: Pin
    state: PinState
    title: str
    problem: str = ""
    saved: SavedDataset | None = None
    standing: Standing | None = None
    chart: ChartFigures | None = None
    asked: AskedCharts = field(default_factory=AskedCharts)
    period_note: str = ""

    @property
    def trouble(self) -> str:
        """What is wrong with the dataset, if a person has to act, as its rows may be older than they should be."""
        if self.standing is None or not self.standing.status.attention:
            return ""
        status = self.standing.status
        return f"{status.label}: {self.standing.words or status.meaning}"


def pinned_cards(
    guard: Guard, lake: Lake, board: Dashboard, now: datetime, period: CommonPeriod | None = None
) -> tuple[PinnedCard, ...]:
    """All cards of a dashboard, in order."""
    return tuple(pinned_card(guard, lake, board, pin, now, period) for pin in guard.store.dashboards.pins(board))


def pinned_card(
    guard: Guard, lake: Lake, board: Dashboard, pin: Pin, now: datetime, period: CommonPeriod | None = None
) -> PinnedCard:
    """What a pin shows to the actor. Errors become the card's `problem`, as the other cards are shown all the same."""
    card = described(guard, board, pin, now)
    saved = card.saved
    if saved is None:
        return card
    try:
        asked = kept_choices(pin.query)
        card = replace(card, asked=period.applied(asked) if period is not None else asked)
        if not lake.exists(saved.table_slug):
            return replace(card, state=PinState.NO_TABLE, problem=_NO_TABLE)
        chart = read_chart(guard, lake, saved, pin.card, card.asked, now)
    except DatasetError as error:
        reason = phrase("The settings of the dataset are no longer valid. %(problem)s", problem=error.message)
        return replace(card, state=PinState.INVALID, problem=reason)
    except AdreelError as error:
        return replace(card, state=PinState.FAILED, problem=str(error))
    if chart is None:
        return replace(card, state=PinState.CHART_GONE, problem=_CHART_GONE)
    if period is not None and chart.facts.window is None:
        card = replace(card, period_note=_period_note(chart.facts))
        # In sight on the page, and not with the notes that are folded.
        chart = replace(chart, facts=replace(chart.facts, choice_notes=(card.period_note, *chart.facts.choice_notes)))
    is_own = card.title in ("", chart.offer.stored_title[:LONGEST_NAME])
    card = replace(card, title=chart.offer.title if is_own else card.title, chart=chart)
    if chart.offer.metric and chart.offer.refusal is not None:
        return replace(card, state=PinState.CHART_GONE, problem=chart.offer.refusal)
    return card


def _period_note(facts: CardFacts) -> str:
    note = phrase("The period of the dashboard does not apply, as this report has no days.")
    return " ".join((note, *facts.range_notes))


def described(guard: Guard, board: Dashboard, pin: Pin, now: datetime) -> PinnedCard:
    """The card without its figures: title, dataset and status of that; or why it is not shown."""
    user = guard.actor.user
    is_own = user is None or board.user_id == user.id
    # A title, and the name of a dataset, may tell others what they may not see.
    title = pin.title if is_own else ""
    saved = _dataset(guard, pin)
    if saved is None:
        problem = (
            phrase("The dataset %(dataset)s of this chart was deleted.", dataset=repr(pin.dataset_name))
            if is_own
            else phrase("The dataset of this chart was deleted.")
        )
        return PinnedCard(pin, PinState.DELETED, title, problem)
    if not guard.may(DatasetRight.SEE, saved):
        return PinnedCard(pin, PinState.HIDDEN, title, phrase("You have no access to the dataset of this chart."))
    return PinnedCard(pin, PinState.SHOWN, pin.title, saved=saved, standing=standing(guard.store, guard, saved, now))


def _dataset(guard: Guard, pin: Pin) -> SavedDataset | None:
    if pin.dataset_id is None:
        return None
    try:
        return guard.store.datasets.get(pin.dataset_id)
    except NotFoundError:
        return None


def read_chart(
    guard: Guard, lake: Lake, saved: SavedDataset, key: str, asked: AskedCharts, now: datetime
) -> ChartFigures | None:
    """A chart of a dataset with its figures; None if the dataset has none of that key, at least not any more.

    Raises DatasetError if the settings of the dataset are no longer valid, InputError for choices that the table does
    not have, NotFoundError without a table, and StorageError.
    """
    dataset = dataset_of(saved, now)
    names = frozenset(lake.table(saved.table_slug).schema.names)
    offers = cards_of(dataset, names, metrics=asked.metrics)
    offer = next((offer for offer in offers if offer.key == key), None)
    if offer is None:
        return None
    origin = provenance(guard.store, lake, saved)
    drawn = cards_data(
        lake,
        saved.table_slug,
        dataset,
        (offer,),
        asked.choices,
        read_at=origin.read_at,
        methods=origin.methods,
        names=names_by_id(guard, lake, saved),
        rates=WorkspaceRates(guard.store),
    )
    return ChartFigures(offer, drawn.cards[0], drawn.facts, names)


def offered_charts(saved: SavedDataset, now: datetime, metrics: Mapping[str, str]) -> tuple[CardOffer, ...]:
    """The charts that the dataset has by its settings, also before it has a table. DatasetError as `read_chart`."""
    dataset = dataset_of(saved, now)
    return cards_of(dataset, [column.name for column in columns(dataset)], metrics=metrics)


def chart_keys(lake: Lake, saved: SavedDataset, now: datetime) -> tuple[str, ...]:
    """The keys of the charts that the dataset has. Errors as `read_chart`."""
    names = lake.table(saved.table_slug).schema.names
    return tuple(offer.key for offer in cards_of(dataset_of(saved, now), names))
