"""Writes docs/pictures: the Data Center over a simulated TikTok, in a home that is thrown away, seen with Chromium.

`make pictures` starts it, with the folder of the tests among Python's: it looks at the same Data Center as they do.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, expect

from adreel.store import ExchangeRate, Level, Role, User
from adreel.worker.schedules import enqueue_due
from browser import PASSWORD, PHONE, WIDE, Town, chromium_path, opened, started, visiting
from home import make_home

PICTURES = Path(__file__).with_name("pictures")
EXAMPLES = Path(__file__).parent.parent / "examples"

MOST_BYTES = 170_000

METRICS = (
    *("ad_name", "campaign_id", "campaign_name", "spend", "impressions", "clicks", "ctr", "cpc", "cpm", "reach"),
    *("frequency", "conversion", "cost_per_conversion", "conversion_rate", "video_play_actions"),
    *("video_watched_2s", "video_watched_6s", "likes", "comments", "shares"),
)
"""Of the first dataset: with the names of campaigns, as people who look at cards choose them."""

SAVED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "ad_daily": {"metrics": list(METRICS), "schedule": {"every": "day", "at": "06:00"}},
        "campaign_hourly": {
            "dates": {"start": "today-14", "end": "yesterday"},
            "tags": ["hourly"],
            "schedule": {"every": "2 hours", "between": "08:00-20:00"},
        },
        "audience_age_gender": {
            "dates": {"period": "last_30_days"},
            "tags": ["audience"],
            "schedule": {"every": "day", "at": "18:00"},
        },
        "spend_by_country": {"schedule": {"every": "week", "on": ["monday"], "at": "07:30"}},
        "campaigns": {},
        "creatives": {"tags": ["video"]},
    }
)
"""The examples that are saved, and what differs from their files."""


RATES: Mapping[str, str] = MappingProxyType(
    {"USD": "0.92", "GBP": "1.17", "AUD": "0.60", "BRL": "0.16", "NZD": "0.55", "JPY": "0.0061", "INR": "0.0109"}
)
"""Made-up rates to euros."""

PINS = (
    ("ad_spend_by_day", "spend", "convert=EUR&days=30"),
    ("spend_by_country", "map", "convert=EUR&days=30"),
    ("ad_spend_by_day", "campaigns", "convert=EUR&days=7"),
    ("audience_by_age_and_gender", "age_gender", "currency=EUR"),
)
"""Charts of the dashboard: dataset, chart, choices."""


def main() -> None:
    """Takes every picture."""
    if chromium_path() is None:
        sys.exit("There is no Chromium here to take pictures with; see make browser.")
    for name in [name for name in os.environ if name.startswith("ADREEL_")]:
        del os.environ[name]
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home", advertisers=5, ads=40, days=400, hostile_names=False)
        with opened(home, {"ADREEL_TIKTOK_LEVEL": "basic"}) as town, started() as chromium:
            furnish(town)
            take_all(Camera(chromium, town, folder))
    too_large = [path.name for path in PICTURES.glob("*.png") if path.stat().st_size > MOST_BYTES]
    if too_large:
        sys.exit(f"Larger than {MOST_BYTES:,} bytes: {', '.join(too_large)}")


# -- what there is to see


def furnish(town: Town) -> None:
    """People, accounts and datasets; those with a schedule have run on two days, one cannot run any more."""
    ada, ben = town.store.users.add_first("ada", PASSWORD), town.user("ben", Role.EDITOR)
    town.user("vera", Role.VIEWER)
    town.home.now -= timedelta(days=1)
    town.later(0)
    shop, agency = town.connect("Nordlicht", ada), town.connect("Agency", ben, advertisers=1)
    town.store.shares.set(shop, ben, Level.EDIT)
    saved = [town.save({**example(name), **changes, "account": shop.name}, ada) for name, changes in SAVED.items()]
    weekly = {"every": "week", "on": ["monday"], "at": "09:00"}
    leads = town.dataset(agency, ben, name="Leads of the week", tags=["leads"], schedule=weekly)
    for saved_dataset in (*saved, leads):
        town.run(saved_dataset)
    town.later(1)
    # As a worker does; what is due runs before the last run below.
    enqueue_due(town.store, town.home.now)
    town.door("revoke", token=town.store.accounts.token(agency))
    town.run(leads)
    board(town, ada)


def board(town: Town, owner: User) -> None:
    """A dashboard of three datasets, with the cost of all currencies in euros."""
    first = town.home.now.date() - timedelta(days=120)
    rates = [ExchangeRate(first, currency, "EUR", Decimal(rate)) for currency, rate in RATES.items()]
    town.store.exchange_rates.save(rates, "rates.csv", replace=True)
    town.store.exchange_rates.set_valid_days(366)
    morning = town.store.dashboards.add(owner, "Every morning")
    for slug, card, query in PINS:
        town.store.dashboards.add_pin(morning, town.store.datasets.get(slug), card, query)


def example(name: str) -> dict[str, Any]:
    """A dataset of the examples' folder."""
    values: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


# -- what is seen of it


@dataclass(frozen=True, slots=True)
class Camera:
    """Takes pictures of what somebody sees; `folder` is what is not to be seen of this machine."""

    chromium: Browser
    town: Town
    folder: str

    @contextmanager
    def person(self, *, phone: bool = False, dark: bool = False) -> Iterator[Page]:
        """The administrator, to whom nothing moves."""
        width, height = PHONE if phone else WIDE
        with visiting(
            self.chromium,
            self.town,
            "ada",
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        ) as person:
            yield person.page

    def take(self, page: Page, name: str) -> None:
        """Writes what stands in the window now, without where the home lies."""
        expect(page.locator(".htmx-request, [aria-busy=true]")).to_have_count(0)
        page.locator("code").evaluate_all(
            "(all, folder) => all.forEach((one) => { one.textContent = one.textContent.replace(folder, '~') })",
            self.folder,
        )
        page.screenshot(path=PICTURES / f"{name}.png")


def take_all(camera: Camera) -> None:
    """Every picture."""
    with camera.person() as page:
        lists(camera, page)
        form(camera, page)
        dataset(camera, page)
        running(camera, page)
    with camera.person(phone=True) as page:
        page.goto("/datasets/ad_spend_by_day/cards?currency=EUR")
        drawn(page)
        camera.take(page, "phone")
    with camera.person(dark=True) as page:
        page.goto("/datasets/ad_spend_by_day/cards?currency=EUR")
        drawn(page)
        scroll_to(page, "Cost by day")
        camera.take(page, "dark")


def lists(camera: Camera, page: Page) -> None:
    """What stands on the first pages."""
    page.goto("/home")
    expect(page.get_by_text("Last 7 days").first).to_be_visible()
    drawn(page)
    camera.take(page, "home")
    page.goto("/datasets")
    camera.take(page, "datasets")
    page.goto("/accounts")
    camera.take(page, "accounts")
    page.goto("/status")
    expect(page.locator(".chart.drawn")).to_be_visible()
    camera.take(page, "status")
    page.goto("/dashboards/1")
    expect(page.locator(".chart.drawn")).to_have_count(len(PINS))
    camera.take(page, "dashboard")


def form(camera: Camera, page: Page) -> None:
    """A new dataset: its metrics, and the first rows."""
    page.goto("/datasets/new?account=Nordlicht")
    camera.take(page, "templates")
    page.get_by_role("radio", name="Ad", exact=True).check()
    page.get_by_role("radio", name="Daily").check()
    page.get_by_role("button", name="+ Core").click()
    page.get_by_label("Search metrics").fill("purchase")
    expect(page.locator(".twins").first).to_be_visible()
    # The folded list of columns leaves the picture to the metrics. A click could meet the bar below.
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.locator(".details-aside #columns").evaluate("columns => { columns.open = false }")
    scroll_to(page, "Metrics")
    camera.take(page, "metrics")
    page.get_by_role("button", name="Load preview").click()
    expect(page.get_by_role("region", name="First rows").get_by_role("row").nth(1)).to_be_visible()
    camera.take(page, "preview")


def dataset(camera: Camera, page: Page) -> None:
    """A dataset that has run twice, and the cards of others."""
    page.goto("/datasets/ad_spend_by_day")
    expect(page.get_by_text("Since version 0:")).to_be_visible()
    camera.take(page, "overview")
    page.goto("/datasets/ad_spend_by_day/settings")
    page.get_by_role("heading", name="Scheduling", exact=True).click()
    page.get_by_label("Unit", exact=True).select_option("week")
    page.get_by_label("Friday").check()
    expect(page.locator("#schedule-meaning")).to_contain_text("Every week on Monday and Friday")
    scroll_to(page, "Scheduling")
    camera.take(page, "schedule")
    page.goto("/datasets/ad_spend_by_day/data?sort=-spend")
    camera.take(page, "data")
    page.goto("/datasets/ad_spend_by_day/versions")
    expect(page.get_by_role("heading", name="Changes by day")).to_be_visible()
    drawn(page)
    camera.take(page, "difference")
    page.goto("/datasets/ad_spend_by_day/restatements")
    expect(page.get_by_role("table").first).to_be_visible()
    camera.take(page, "restatements")
    for slug, card, name in (
        ("ad_spend_by_day", "Totals", "cards"),
        ("campaign_spend_by_hour", "Cost by hour", "cards-hours"),
        ("audience_by_age_and_gender", "Cost by age", "cards-audience"),
    ):
        page.goto(f"/datasets/{slug}/cards?currency=EUR")
        drawn(page)
        scroll_to(page, card)
        camera.take(page, name)


def running(camera: Camera, page: Page) -> None:
    """A run in its middle."""
    page.goto("/datasets/campaign_spend_by_hour")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", re.compile("^[4-8][0-9]$"))
    camera.take(page, "run")


def drawn(page: Page) -> None:
    """Waits until charts are there."""
    expect(page.get_by_role("figure").locator("canvas").first).to_be_visible()


def scroll_to(page: Page, heading: str) -> None:
    """Brings the part with that heading to the top of the window, below the bar."""
    target = page.get_by_role("heading", name=re.compile(f"^{heading}")).or_(page.locator("legend", has_text=heading))
    target.first.evaluate("element => scrollTo(0, element.getBoundingClientRect().top + scrollY - 90)")


if __name__ == "__main__":
    main()
