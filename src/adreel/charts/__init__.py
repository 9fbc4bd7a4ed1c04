"""Charts of a dataset's table, as data: which there are, their rows, and what a browser needs to draw them.

In code a chart is a card. `cards_of` lists a dataset's cards, `cards_data` reads their rows from its table, `chart_of`
and `as_table` convert one to plain values. The cards are declared in `adreel.charts.definitions`.

`chart_of` returns, for every kind of chart, `name`, `kind`, `title`, `meaning`, `notes` (sentences), `refusal` (a
sentence or null), `empty`, and `converted` (the currency that money was converted to, or null). A chart that is neither
refused nor empty also has:

    numbers   numbers: [{title, format, value, previous, change, rise, late}], period, previous_period; rise is
              what a rise means: better, worse or null; late: TikTok adds to recent days for weeks
    line      x, previous_x (days or null), panels; each panel has a scale of its own and shares x with the others
    bars      x, panels (one); the longest first, to be drawn as horizontal bars; shares (percents of the sum over all
              values), where each row has one of the values
    columns   x, panels (one); in the order of time, to be drawn as vertical columns
    grouped   x, panels (one, with a series for each value)
    funnel    x, panels (one), shares (percents of the first step, which need not fall)
    map       x, panels (one), tiles: [{code, name, x, y, value}], one for each country; y grows downwards
    curve     x, panels (one, in percent), numbers: [{title, format, value}] of what is on no place of x
    pacing    x, panels (one: spend to date and, as `previous`, an even pace), numbers: [{title, format, value}]
    heat      x, y, cells: [[x, y, value], ...], least, most, format, title_value

    panel     {title, format, series: [{name, role, values}], total}; role is main, previous or part; null is a gap;
              total is the sum of the main series of a line over complete days, null if its figure is not summed;
              `open` are the positions of days on which this figure alone was incomplete, if there are any
    x, y      {title, type, values}; texts may have `ids` and `pictures` (addresses at TikTok or null); days may have
              `open`, the positions of incomplete days
    format    {unit, currency, decimals}; unit is money, count, percent (1.25 is 1.25 %), ratio, seconds, per_user or
              number

Names are texts for people; days are written as 2026-01-31 and months as 2026-01.
"""

from adreel.charts.available import CardOffer, cards_of, no_charts
from adreel.charts.conversion import ConversionOffer
from adreel.charts.echarts import CardTable, as_table, chart_of
from adreel.charts.filters import CardFilter, FilterFacts, FilterValues, filter_values
from adreel.charts.pacing import Budget, Pacing
from adreel.charts.periods import CALENDAR_PERIODS, COMPARISONS, DAYS, CalendarPeriod, Comparison
from adreel.charts.rows import CardColumn, CardData, CardsData, card_data, cards_data
from adreel.charts.selection import AdvertiserFacts, CardChoices, CardFacts, CurrencyFacts

__all__ = [
    "CALENDAR_PERIODS",
    "COMPARISONS",
    "DAYS",
    "AdvertiserFacts",
    "Budget",
    "CalendarPeriod",
    "CardChoices",
    "CardColumn",
    "CardData",
    "CardFacts",
    "CardFilter",
    "CardOffer",
    "CardTable",
    "CardsData",
    "Comparison",
    "ConversionOffer",
    "CurrencyFacts",
    "FilterFacts",
    "FilterValues",
    "Pacing",
    "as_table",
    "card_data",
    "cards_data",
    "cards_of",
    "chart_of",
    "filter_values",
    "no_charts",
]
