"""`adreel demo`: a simulated TikTok, an account connected to it, datasets with data, and the Data Center."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx2

from adreel.access import AccountRight, DatasetRight, RoleRight, guard_of
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_store, settings_of
from adreel.cli.output import counted, print_table, say
from adreel.cli.runs import print_report, watched
from adreel.cli.serving import PORT, listening, reached, serve_on
from adreel.cli.simulation import sizes_checked
from adreel.clock import HomeClock
from adreel.connections import app_access, connected, owner_of, refresh
from adreel.datasets import service
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.datasets.verification import checked_in
from adreel.errors import InputError, StopError
from adreel.exchange_rates import RateFile
from adreel.exchange_rates import save as save_rates
from adreel.pipeline.run import RunReport
from adreel.settings import SIMULATOR_PORT, Secret
from adreel.simulator import WorldConfig
from adreel.simulator.server import serve_on as simulate_on
from adreel.store import Account, ExchangeRate, SavedDataset, Store
from adreel.store.audit import Means, Origin, acting
from adreel.tiktok.oauth import Listener, consent_url, new_state

DEMO_ACCOUNT = "demo"
DEMO_PORT = SIMULATOR_PORT
DEMO_DATASET: dict[str, Any] = {
    "name": "Ad spend by day",
    "description": "Spend and results of every ad, day by day",
    "tags": ["spend", "daily"],
    "account": DEMO_ACCOUNT,
    "report": "performance",
    "advertisers": "all",
    "skip_failing_advertisers": True,
    "data_level": "ad",
    "id_dimension": "ad_id",
    "time_dimension": "day",
    "metrics": [
        *(
            "ad_name",
            "adgroup_name",
            "campaign_name",
            "adgroup_id",
            "campaign_id",
            "spend",
            "impressions",
            "clicks",
            "ctr",
            "cpc",
            "cpm",
            "reach",
        ),
        *("frequency", "conversion", "cost_per_conversion", "conversion_rate", "video_play_actions"),
        *("video_watched_2s", "video_watched_6s", "video_views_p25", "video_views_p50", "video_views_p75"),
        *("video_views_p100", "likes", "comments", "shares"),
    ],
    "dates": {"start": "today-60", "end": "yesterday"},
    "update": {"method": "upsert"},
}

DEMO_RATES = {
    code: Decimal(rate)
    for code, rate in {
        "USD": "0.92",
        "GBP": "1.17",
        "AUD": "0.60",
        "BRL": "0.16",
        "NZD": "0.55",
        "JPY": "0.0061",
        "INR": "0.0109",
    }.items()
}
"""About what a unit of each currency of the simulated ad accounts is worth in EUR."""

DEMO_RATE_DAYS = 130
"""Days of rates: those of the first dataset and as many before."""

_COMMON: dict[str, Any] = {"account": DEMO_ACCOUNT, "advertisers": "all", "skip_failing_advertisers": True}
MORE_DATASETS: tuple[dict[str, Any], ...] = (
    _COMMON
    | {
        "name": "Campaign spend by hour",
        "description": "Spend and results of every campaign, hour by hour",
        "tags": ["hourly"],
        "report": "performance",
        "data_level": "campaign",
        "time_dimension": "hour",
        "metrics": ["campaign_name", "spend", "impressions", "clicks", "conversion"],
        "dates": {"start": "today-7", "end": "yesterday"},
        "update": {"method": "partition"},
    },
    _COMMON
    | {
        "name": "Audience by age and gender",
        "description": "Impressions and results by age and gender",
        "tags": ["audience"],
        "report": "performance",
        "report_type": "audience",
        "data_level": "campaign",
        "time_dimension": "day",
        "audience_dimensions": ["age", "gender"],
        "metrics": ["campaign_name", "spend", "impressions", "clicks", "conversion"],
        "dates": {"start": "today-14", "end": "yesterday"},
        "update": {"method": "partition"},
    },
    _COMMON
    | {
        "name": "Spend by country",
        "description": "Spend of every ad account by country",
        "tags": ["spend"],
        "report": "performance",
        "data_level": "advertiser",
        "time_dimension": "day",
        "targeting_dimension": "country_code",
        "metrics": ["spend", "impressions", "clicks"],
        "dates": {"period": "last_30_days"},
        "update": {"method": "upsert"},
    },
    _COMMON
    | {
        "name": "Video creatives",
        "description": "Spend and clicks of every video",
        "tags": ["creative"],
        "report": "creatives",
        "material_type": "video",
        "metrics": ["spend", "impressions", "clicks"],
        "dates": {"start": "today-14", "end": "yesterday"},
        "update": {"method": "replace"},
    },
    _COMMON
    | {
        "name": "GMV Max by day",
        "description": "Cost, orders and revenue of the shops' GMV Max campaigns",
        "tags": ["shop", "daily"],
        "report": "gmv_max",
        "gmv_max_level": "campaign",
        "time_dimension": "day",
        "metrics": ["campaign_name", "cost", "net_cost", "orders", "gross_revenue", "roi", "live_views"],
        "dates": {"period": "last_30_days"},
        "update": {"method": "upsert"},
    },
    _COMMON
    | {
        "name": "Campaigns",
        "description": "Every campaign with its settings, including deleted ones",
        "tags": ["settings"],
        "report": "campaigns",
        "update": {"method": "replace"},
    },
)
"""The other datasets, which give the Data Center charts of every type."""

SUMMARY = """
select advertiser_id as "ad account", currency, timezone as "time zone", count(distinct ad_id) as ads,
       count(distinct stat_time_day) as days, sum(spend) as spend, sum(impressions)::bigint as impressions,
       sum(clicks)::bigint as clicks,
       round(100 * sum(clicks) / nullif(sum(impressions), 0), 2)::decimal(9, 2) as "ctr (%)",
       sum(conversion)::bigint as conversions
from {table} group by all order by advertiser_id
"""
"""Sums of additive metrics by advertiser, so that no currencies are mixed; the rate is computed from its parts."""


def demo(session: CommandContext, *, once: bool, advertisers: int, ads: int, port: int, browser: bool) -> None:
    """Runs the demo; then serves the Data Center, unless `once`.

    Raises InputError if the demo's names are in use for the user's own account or datasets.
    """
    with sizes_checked():
        config = WorldConfig(session.clock().astimezone(UTC).date(), advertisers=advertisers, ads=ads, live=True)
    if once:
        with _simulator(config) as url, _demo_home(session, config, url) as home:
            later = config.today + timedelta(days=3)
            saved, report = _run_first(home)
            _print_next_steps(session, saved, report, NEXT_ONCE, options=_simulate_options(url, config), later=later)
        return
    with (
        listening("127.0.0.1", port, otherwise_free=port == PORT) as listener,
        _simulator(config) as url,
        _demo_home(session, config, url) as home,
    ):
        _run_yesterday(home, config, url)
        first, first_report = _run_first(home)
        for values in _scheduled(MORE_DATASETS, session.clock()):
            saved = service.save(home.guard, parse(Source(values, {}), session.clock()), session.clock())
            report = watched(home, saved)
            rows = counted(report.rows, "row")
            state = ": ".join(filter(None, (report.state.label, checked_in(report.verification))))
            say(f"{saved.name}: {rows}. {state}.")
            if saved.next_run_at is not None:
                say(f"{saved.name}: next run by its schedule at {saved.next_run_at:%H:%M} UTC.")
        _print_next_steps(session, first, first_report, NEXT_SERVED, url=url)
        settings = reached(home.settings, listener)
        serve_on(session, settings, home.store, listener, browser=browser)


@contextmanager
def _demo_home(session: CommandContext, config: WorldConfig, url: str) -> Iterator[OpenHome]:
    """The home with the simulated TikTok instead of the real one, and the demo account connected."""
    settings = replace(
        settings_of(session),
        tiktok_url=f"{url}/open_api/v1.3",
        tiktok_auth_url=f"{url}/portal/auth",
        tiktok_app_id=config.app_id,
        tiktok_secret=Secret(config.secret),
        # A dataset of the demo reads them, which is created after the first one has run.
        gmv_max_check="off",
    )
    size = f"{counted(config.advertisers, 'ad account')} with {counted(config.ads, 'ad')} each"
    say(f"Simulated TikTok at {url}: {size}.")
    with open_store(session, settings) as store:
        home = OpenHome(session, settings, store, guard_of(settings, store))
        with acting(Origin.of(home.guard.actor.user, Means.COMMAND)):
            home.guard.need_role(RoleRight.CONNECT)
            _refuse_own(home)
            _connect(home, config)
            _import_rates(home, config)
            yield home


def _scheduled(datasets: tuple[dict[str, Any], ...], now: datetime) -> Iterator[dict[str, Any]]:
    """The datasets, the first with a schedule that begins in some two minutes, so that a person sees it at work.

    The others update daily, so that yesterday's figures do not stay incomplete.
    """
    first, *others = datasets
    start = now.astimezone(UTC) + timedelta(minutes=2)
    yield first | {"schedule": {"every": "15 minutes", "start": f"{start:%Y-%m-%d %H:%M}"}}
    for values in others:
        yield values | {"schedule": {"every": "day", "at": "18:00"}}


def _run_first(home: OpenHome) -> tuple[SavedDataset, RunReport]:
    """Runs the first dataset and prints its report and summary."""
    saved = _demo_dataset(home)
    report = watched(home, saved)
    print_report(saved, report)
    _print_summary(home, saved)
    return saved, report


def _demo_dataset(home: OpenHome) -> SavedDataset:
    now = home.session.clock()
    return service.save(home.guard, parse(Source(DEMO_DATASET, {}), now), now)


def _run_yesterday(home: OpenHome, config: WorldConfig, url: str) -> None:
    """Runs the first dataset as of yesterday, if it has no table yet, so that the next run has restated values."""
    saved = _demo_dataset(home)
    if home.lake().exists(saved.table_slug):
        return
    yesterday = config.today - timedelta(days=1)
    say(f"Running {saved.name!r} as of yesterday, {yesterday}. A second run as of today shows what TikTok restated.")
    with httpx2.Client(base_url=url, trust_env=False) as simulator:
        simulator.post("/_simulator/now", json={"today": yesterday.isoformat(), "hour": 15}).raise_for_status()
        _update_clock(home)
        days = [(config.today - timedelta(days=ago)).isoformat() for ago in (60, 2)]
        watched(home, saved, (days[0], days[1]))
        simulator.post("/_simulator/reset", json={}).raise_for_status()
        _update_clock(home)


def _update_clock(home: OpenHome) -> None:
    """Makes the home's clock follow a change of the simulator's time."""
    if isinstance(home.session.clock, HomeClock):
        home.session.clock.forget()


@contextmanager
def _simulator(config: WorldConfig) -> Iterator[str]:
    """The URL of a simulator in a thread of this process, at the demo's port or a free one."""
    try:
        listener = socket.create_server(("127.0.0.1", DEMO_PORT))
    except OSError:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        say(f"Port {DEMO_PORT} is in use. The simulated TikTok uses port {port}, and so does account {DEMO_ACCOUNT!r}.")
    address: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    def on_ready(url: str) -> None:
        address.append(url)
        ready.set()

    task = loop.create_task(simulate_on(config, listener, on_ready))

    def serve_simulator() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=serve_simulator, name="simulator")
    thread.start()
    try:
        ready.wait(30)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        listener.close()


def _connect(home: OpenHome, config: WorldConfig) -> None:
    """Connects the demo account through the simulated consent page and the token exchange."""

    async def consent() -> tuple[str, str]:
        state, settings = new_state(), home.settings
        async with Listener(state) as listener:
            page = consent_url(settings.tiktok_auth_url, settings.tiktok_app_id, state, listener.redirect_uri)
            await asyncio.gather(_allow(page), waiting := asyncio.ensure_future(listener.code(30)))
            code = waiting.result()
        async with connected(settings, home.store, app_access(settings, home.store)) as client:
            token = (await client.exchange(code)).access_token
        async with connected(settings, home.store, app_access(settings, home.store, token)) as client:
            return token, await owner_of(client)

    token, owner = asyncio.run(consent())
    account = _save_account(home, token, owner)

    async def advertisers() -> int:
        async with connected(home.settings, home.store, app_access(home.settings, home.store, token)) as client:
            return sum(not advertiser.gone for advertiser in await refresh(client, home.store, account))

    granted = asyncio.run(advertisers())
    refused = config.advertisers - granted
    access = (f"{granted:,} of " if refused else "") + counted(config.advertisers, "ad account")
    example = " The other one is an example of missing permissions." if refused == 1 else ""
    say(f"Connected account {account.name!r} through the simulated consent page: {access}.{example}")


def _import_rates(home: OpenHome, config: WorldConfig) -> None:
    """Imports rates that are made up, if there are none and the user may."""
    if home.store.exchange_rates.targets() or not home.guard.may_role(RoleRight.CHANGE_WORKSPACE):
        return
    rates = tuple(_demo_rates(config))
    save_rates(home.guard, RateFile(rates, 0, is_inverse=False), "made-up rates", replace_all=False)
    say("Imported made-up exchange rates to EUR, so that charts can show all currencies in one.")


def _demo_rates(config: WorldConfig) -> Iterator[ExchangeRate]:
    """Rates of working days that wander by up to 0.4 % a day."""
    for currency, rate in DEMO_RATES.items():
        random = Random(f"{config.seed} {currency}")  # noqa: S311 - made-up figures
        for ago in range(DEMO_RATE_DAYS, -1, -1):
            day = config.today - timedelta(days=ago)
            if day.weekday() < 5:
                rate = (rate * (1 + Decimal(random.randint(-40, 40)) / 10_000)).quantize(Decimal("1E-8"))
                yield ExchangeRate(day, currency, "EUR", rate)


async def _allow(page: str) -> None:
    """Opens the consent page, selects every advertiser, allows access, and follows the redirect, like a browser."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        form = (await browser.get(page)).text
        fields = re.findall(r'name="([^"]+)" value="([^"]*)"', form)
        hidden = {name: value for name, value in fields if name in ("app_id", "state", "redirect_uri")}
        ids = re.findall(r'name="advertiser_id" value="([^"]*)" checked', form)
        response = await browser.post(page.split("?")[0], data={**hidden, "advertiser_id": ids, "decision": "allow"})
        if response.status_code not in (302, 303):
            raise StopError(f"The simulated consent page answered with HTTP status {response.status_code}.")
        await browser.get(response.headers["location"])


def _demo_account(store: Store) -> Account | None:
    return next((account for account in store.accounts.list() if account.name == DEMO_ACCOUNT), None)


def _refuse_own(home: OpenHome) -> None:
    """Raises InputError if the demo's names are in use otherwise, ForbiddenError if by another user."""
    account = _demo_account(home.store)
    if account is not None:
        home.guard.need(AccountRight.EDIT, account)
    for values in (DEMO_DATASET, *MORE_DATASETS):
        saved = home.store.datasets.named(str(values["name"]))
        if saved is not None:
            _refuse_others(home, saved)
    if account is not None and urlsplit(account.base_url).hostname != "127.0.0.1":
        raise InputError(
            f"Account {DEMO_ACCOUNT!r} is not the demo's. Rename it first: adreel accounts rename {DEMO_ACCOUNT} NAME"
        )


def _refuse_others(home: OpenHome, saved: SavedDataset) -> None:
    home.guard.need(DatasetRight.EDIT, saved)
    if saved.account_name != DEMO_ACCOUNT:
        raise InputError(
            f"Dataset {saved.name!r} of account {saved.account_name!r} has the name of a demo dataset. Rename it "
            f"first: adreel datasets edit {saved.slug}"
        )


def _save_account(home: OpenHome, token: str, owner: str) -> Account:
    account = _demo_account(home.store)
    access = app_access(home.settings, home.store, token)
    app_id, secret, base_url = access.app_id, access.secret, access.base_url
    if account is None:
        user = home.guard.actor.user
        return home.store.accounts.add(
            DEMO_ACCOUNT, token=token, app_id=app_id, app_secret=secret, base_url=base_url, owner=owner, user=user
        )
    return home.store.accounts.set_token(
        account, token, app_id=app_id, app_secret=secret, base_url=base_url, owner=owner
    )


def _print_summary(home: OpenHome, saved: SavedDataset) -> None:
    with home.lake().connect({saved.slug: saved.table_slug}) as connection:
        answer = connection.sql(SUMMARY.format(table=saved.slug))
        assert answer is not None
        rows = answer.fetchall()
    hidden_first = ("days", "time zone", "ads", "ctr (%)", "conversions")
    title = "Last 60 days by ad account"
    print_table(answer.columns, rows, title=title, hidden_first=hidden_first, for_all="query the table")
    shown, account = {row[0] for row in rows}, _demo_account(home.store)
    empty = [
        advertiser
        for advertiser in (home.store.accounts.advertisers(account) if account else ())
        if not advertiser.gone and advertiser.advertiser_id not in shown
    ]
    for advertiser in empty:
        say(f"Ad account {advertiser.advertiser_id} ({advertiser.name}) has no rows: an example of one without ads.")


def _simulate_options(url: str, config: WorldConfig) -> str:
    """The options of `adreel simulate` that serve the demo's data at the address of its account."""
    default, port = WorldConfig(config.today), urlsplit(url).port
    options = {
        "port": (port, DEMO_PORT),
        "advertisers": (config.advertisers, default.advertisers),
        "ads": (config.ads, default.ads),
    }
    return "".join(f" --{name} {value}" for name, (value, usual) in options.items() if value != usual)


def _print_next_steps(
    session: CommandContext, saved: SavedDataset, report: RunReport, steps: str, **values: object
) -> None:
    """Prints commands to try, after filling `values` into `steps`."""
    version = report.version or 0
    given = session.environ.get("ADREEL_HOME")
    # Another shell may not have it, and would look into the default home.
    command = f"ADREEL_HOME={shlex.quote(given)} {_command()}" if given else _command()
    names = {"adreel": command, "slug": saved.slug, "before": version, "after": version + 1}
    say(steps.format(**names, **values))


def _command() -> str:
    """The command to type in this folder for the running program."""
    command, path = Path(sys.argv[0]).absolute(), Path.cwd()
    on_path = shutil.which(command.name)
    if on_path is not None and Path(on_path).absolute() == command:
        return command.name
    return shlex.quote(str(command.relative_to(path) if command.is_relative_to(path) else command))


NEXT = """\
  {adreel} query "select stat_time_day, sum(clicks) from {slug} group by 1 order by 1"
  {adreel} export {slug} -o spend.xlsx
"""

NEXT_ONCE = f"""\
Next steps:
{NEXT}\
To see what TikTok restates in 3 days, start the simulator, and run the dataset again in another shell:
  {{adreel}} simulate{{options}} --today {{later}}
  {{adreel}} run {{slug}} && {{adreel}} diff {{slug}} {{before}} {{after}}"""

NEXT_SERVED = f"""\
Next steps, in another shell:
{NEXT}\
To see what TikTok restates, open {{url}}/ and advance one day. Then:
  {{adreel}} run {{slug}} && {{adreel}} diff {{slug}} {{before}} {{after}}"""
