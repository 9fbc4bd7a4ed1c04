"""Charts of tables of 3 and 30 million rows, and the rows that two versions differ in.

`python -m bench.charts` makes the tables, which takes some minutes and 3 GB, and prints the figures; `--rows 3` makes
the smaller one alone. Each table is measured in a process of its own, in which nothing else runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median

from adreel.charts import CardChoices, cards_data, cards_of
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.validation import parse
from adreel.dates import Span
from adreel.exchange_rates import RateTable
from adreel.lake import Lake
from adreel.lake.changed_rows import ChangedRowsQuery
from adreel.store import ExchangeRate
from bench import tables
from bench.tables import DAYS, FIRST_DAY, peak, timed

MILLION = 1_000_000
SIZES = {3: tables.ADS, 30: 10 * tables.ADS}
"""Ads of each advertiser, by millions of rows."""

READ_AT = datetime.combine(FIRST_DAY + timedelta(days=DAYS + 1), datetime.min.time(), UTC)
TIMES = 9


class BenchRates:
    """A rate to EUR of each currency and day."""

    targets = ("EUR",)
    usual = "EUR"

    def table(self, target: str, currencies: Iterable[str], days: Span) -> RateTable:
        every_day = [days.start + timedelta(days=number) for number in range(days.days)]
        rates = [
            ExchangeRate(day, code, target, round(Decimal(number) / 7, 15))
            for number, code in enumerate(tables.CURRENCIES, start=1)
            if code in set(currencies)
            for day in every_day
        ]
        return RateTable(target, 7, rates, {})


def slug_of(millions: int) -> str:
    return f"ads_{millions}"


def dataset() -> Dataset:
    metrics = ["ad_name", "adgroup_id", "campaign_id", *tables.MONEY, *tables.COUNTS]
    values = {
        "name": "Ads",
        "account": "bench",
        "report": "performance",
        "data_level": "ad",
        "time_dimension": "day",
        "metrics": metrics,
        "dates": {"start": str(FIRST_DAY), "end": str(FIRST_DAY + timedelta(days=DAYS - 1))},
        "update": {"method": "upsert"},
    }
    return parse(Source(values, {}), READ_AT)


def chart(choices: CardChoices, key: str | None = None) -> Callable[[Lake, str], object]:
    """One chart, or all of them."""
    parsed = dataset()

    def call(lake: Lake, slug: str) -> object:
        offers = cards_of(parsed, lake.table(slug).schema.names)
        chosen = [offer for offer in offers if key in (None, offer.key)]
        page = cards_data(lake, slug, parsed, chosen, choices, read_at=READ_AT, rates=BenchRates())
        refused = [card.refusal for card in page.cards if card.refusal]
        if refused:
            raise SystemExit(refused[0])
        return page

    return call


def changed_rows(lake: Lake, slug: str) -> object:
    """The rows of a day that changed most: one page of them."""
    day = FIRST_DAY + timedelta(days=DAYS - 3)
    with lake.changed_rows(slug, 0, 1, ChangedRowsQuery(day, by="spend")) as reader:
        return reader.head(), reader.rows(0, 50)


QUESTIONS: dict[str, Callable[[Lake, str], object]] = {
    "one chart, 30 days": chart(CardChoices(), "spend"),
    "one chart, 400 days": chart(CardChoices(days=400, comparison="none"), "spend"),
    "one chart, 400 days, converted": chart(CardChoices(days=400, comparison="none", convert="EUR"), "spend"),
    "all charts, 30 days": chart(CardChoices()),
    "all charts, 30 days, converted": chart(CardChoices(convert="EUR")),
    "changed rows of a day in two versions": changed_rows,
}


def measure(url: str, millions: int) -> Iterator[str]:
    lake, slug = Lake(url), slug_of(millions)
    what = f"{millions} million rows, {lake.table(slug).size / 1e6:,.0f} MB"
    yield f"| {what} | first ms | median ms | median CPU ms | peak MB |"
    yield "| --- | --: | --: | --: | --: |"
    for question, call in QUESTIONS.items():
        walls: list[float] = []
        cpus: list[float] = []
        for _ in range(TIMES):
            with timed(walls, cpus):
                call(lake, slug)
        yield f"| {question} | {walls[0]:.0f} | {median(walls[1:]):.0f} | {median(cpus[1:]):.0f} | {peak()} |"
    lake.close()


def lines(folder: str | None = None, sizes: Sequence[int] = tuple(SIZES)) -> Iterator[str]:
    """The tables as Markdown; those of the lake are made in a folder that goes again, unless one is given."""
    with tempfile.TemporaryDirectory() as own:
        url = folder or own
        for millions in sizes:
            if not Lake(url).exists(slug_of(millions)):
                tables.make(Lake(url), slug_of(millions), SIZES[millions])
            words = [sys.executable, "-m", "bench.charts", "--lake", url, "--rows", str(millions), "--measure"]
            # A process for each, so that what it starts and keeps counts.
            yield from subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
            yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", help="a folder to keep the tables in; made anew each time if none is given")
    parser.add_argument("--rows", type=int, choices=sorted(SIZES), help="millions of rows of the only table")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sizes = [given.rows] if given.rows else sorted(SIZES)
    printed = lines(given.lake, sizes)
    if given.measure:
        printed = (line for millions in sizes for line in measure(given.lake, millions))
    for line in printed:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
