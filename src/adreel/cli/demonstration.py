"""`adreel demo`: a simulated TikTok, an account connected to it, datasets run, and the Data Center over them."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from adreel.access import AccountRight, DatasetRight
from adreel.cli import CommandContext
from adreel.cli.context import Opened, guard_of, open_store, settings_of
from adreel.cli.output import print_table, say
from adreel.cli.runs import tell_report, watched
from adreel.cli.serving import PORT, listening, reached, serve_on
from adreel.cli.simulation import sizes_checked
from adreel.clock import HomeClock
from adreel.connections import app_access, connected, owner_of, refresh
from adreel.datasets import service
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.datasets.verification import checked_in
from adreel.errors import InputError, StopError
from adreel.pipeline.run import RunReport
from adreel.settings import Secret
from adreel.simulator import WorldConfig
from adreel.simulator.server import serve_on as simulate_on
from adreel.store import Account, Role, SavedDataset, Store
from adreel.tiktok.oauth import Listener, consent_url, new_state

DEMO_ACCOUNT = "demo"
DEMO_PORT = 8766
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

_REST: dict[str, Any] = {"account": DEMO_ACCOUNT, "advertisers": "all", "skip_failing_advertisers": True}
MORE_DATASETS: tuple[dict[str, Any], ...] = (
    _REST
    | {
        "name": "Campaign spend by hour",
        "description": "Which hours of the week bring results",
        "tags": ["hourly"],
        "report": "performance",
        "data_level": "campaign",
        "time_dimension": "hour",
        "metrics": ["campaign_name", "spend", "impressions", "clicks", "conversion"],
        "dates": {"start": "today-7", "end": "yesterday"},
        "update": {"method": "partition"},
    },
    _REST
    | {
        "name": "Audience by age and gender",
        "description": "Who sees the ads, and who buys",
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
    _REST
    | {
        "name": "Advertiser spend by country",
        "description": "Where the money goes",
        "tags": ["spend"],
        "report": "performance",
        "data_level": "advertiser",
        "time_dimension": "day",
        "targeting_dimension": "country_code",
        "metrics": ["spend", "impressions", "clicks"],
        "dates": {"period": "last_30_days"},
        "update": {"method": "upsert"},
    },
    _REST
    | {
        "name": "Video creatives",
        "description": "Which videos earn their place",
        "tags": ["creative"],
        "report": "creatives",
        "material_type": "video",
        "metrics": ["spend", "impressions", "clicks"],
        "dates": {"start": "today-14", "end": "yesterday"},
        "update": {"method": "replace"},
    },
    _REST
    | {
        "name": "Campaigns",
        "description": "Every campaign with its settings, deleted ones too",
        "tags": ["settings"],
        "report": "campaigns",
        "update": {"method": "replace"},
    },
)
"""Beside the first dataset, so that the Data Center has a chart of every kind to show."""

SUMMARY = """
select advertiser_id as advertiser, currency, timezone as zone, count(distinct ad_id) as ads,
       count(distinct stat_time_day) as days, sum(spend) as spend, sum(impressions)::bigint as impressions,
       sum(clicks)::bigint as clicks, round(100 * sum(clicks) / nullif(sum(impressions), 0), 2)::decimal(9, 2) as ctr,
       sum(conversion)::bigint as conversions
from {table} group by all order by advertiser
"""
"""Sums of what may be summed, by advertiser so that no currencies are mixed; the rate is made of its parts."""


def demo(session: CommandContext, *, once: bool, advertisers: int, ads: int, port: int, browser: bool) -> None:
    """Simulator, consent, runs, proof, summary, and what to try next; then the Data Center, unless `once`."""
    with sizes_checked():
        config = WorldConfig(session.clock().astimezone(UTC).date(), advertisers=advertisers, ads=ads, live=True)
    if once:
        with _simulator(config) as url, _opened(session, config, url) as have:
            later = config.today + timedelta(days=3)
            _made(have, SIMULATE, options=_simulate_words(url, config), later=later)
        return
    with (
        listening("127.0.0.1", port, otherwise_free=port == PORT) as listener,
        _simulator(config) as url,
        _opened(session, config, url) as have,
    ):
        _with_yesterday(have, config, url)
        _made(have, LET_A_DAY_GO_BY, url=url)
        for values in MORE_DATASETS:
            saved = service.save(have.guard, parse(Source(values, {}), session.clock()), session.clock())
            report = watched(have, saved)
            proved = f", proved by {checked_in(report.proof)}" if report.proof["proved"] else ""
            say(f"{saved.name}: {report.state}, {report.rows:,} rows{proved}.")
        settings = reached(have.settings, listener)
        serve_on(session, settings, have.store, listener, browser=browser)


@contextmanager
def _opened(session: CommandContext, config: WorldConfig, url: str) -> Iterator[Opened]:
    """The home, with the simulated TikTok in place of the real one, and the demo account connected."""
    settings = replace(
        settings_of(session),
        tiktok_url=f"{url}/open_api/v1.3",
        tiktok_auth_url=f"{url}/portal/auth",
        tiktok_app_id=config.app_id,
        tiktok_secret=Secret(config.secret),
    )
    say(f"Simulated TikTok at {url}, with {config.advertisers} advertisers of {config.ads} ads.")
    with open_store(session, settings) as store:
        have = Opened(session, settings, store, guard_of(settings, store))
        have.guard.need_role(Role.ADMIN, Role.EDITOR)
        _refuse_own(have)
        _connected(have)
        yield have


def _made(have: Opened, third: str, **words: object) -> None:
    """The first dataset run and shown; `third` is the last thing to try next, and takes the `words`."""
    saved = _demo_dataset(have)
    report = watched(have, saved)
    tell_report(saved, report)
    _summarise(have, saved)
    _tell_next(saved, report, third, words)


def _demo_dataset(have: Opened) -> SavedDataset:
    now = have.session.clock()
    return service.save(have.guard, parse(Source(DEMO_DATASET, {}), now), now)


def _with_yesterday(have: Opened, config: WorldConfig, url: str) -> None:
    """The first dataset as it was a day ago, so that there is something that TikTok changed since.

    Only in a home where it has no table yet.
    """
    saved = _demo_dataset(have)
    if have.lake().exists(saved.table_slug):
        return
    yesterday = config.today - timedelta(days=1)
    say(f"First as it was on {yesterday}, so that you can see what TikTok changes afterwards.")
    with httpx2.Client(base_url=url, trust_env=False) as door:
        door.post("/_simulator/now", json={"today": yesterday.isoformat(), "hour": 15}).raise_for_status()
        _look_at_the_clock(have)
        days = [(config.today - timedelta(days=ago)).isoformat() for ago in (60, 2)]
        watched(have, saved, (days[0], days[1]))
        door.post("/_simulator/reset", json={}).raise_for_status()
        _look_at_the_clock(have)


def _look_at_the_clock(have: Opened) -> None:
    """The simulator's time was changed, and the home goes by it."""
    if isinstance(have.session.clock, HomeClock):
        have.session.clock.forget()


@contextmanager
def _simulator(config: WorldConfig) -> Iterator[str]:
    """The simulator in a thread of this process, at the demo's port or a free one."""
    try:
        listener = socket.create_server(("127.0.0.1", DEMO_PORT))
    except OSError:
        listener = socket.create_server(("127.0.0.1", 0))
        say(f"Port {DEMO_PORT} is taken, so the demo has another; the account will look for TikTok there from now on.")
    address: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    def tell(url: str) -> None:
        address.append(url)
        ready.set()

    task = loop.create_task(simulate_on(config, listener, tell))

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=work, name="simulator")
    thread.start()
    try:
        ready.wait(30)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        listener.close()


def _connected(have: Opened) -> None:
    """The demo account, through the consent page and the token exchange that a person's browser would go through."""

    async def consent() -> tuple[str, str]:
        state, settings = new_state(), have.settings
        async with Listener(state) as listener:
            page = consent_url(settings.tiktok_auth_url, settings.tiktok_app_id, state, listener.redirect_uri)
            await asyncio.gather(_allow(page), waiting := asyncio.ensure_future(listener.code(30)))
            code = waiting.result()
        async with connected(settings, app_access(settings)) as client:
            token = (await client.exchange(code)).access_token
        async with connected(settings, app_access(settings, token)) as client:
            return token, await owner_of(client)

    token, owner = asyncio.run(consent())
    account = _kept(have, token, owner)

    async def advertisers() -> None:
        async with connected(have.settings, app_access(have.settings, token)) as client:
            await refresh(client, have.store, account)

    asyncio.run(advertisers())
    say(f"Connected the account {account.name!r} through the simulated consent page.")


async def _allow(page: str) -> None:
    """Opens the consent page, ticks every advertiser, allows, and follows the redirect, as a browser would."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        form = (await browser.get(page)).text
        fields = re.findall(r'name="([^"]+)" value="([^"]*)"', form)
        hidden = {name: value for name, value in fields if name in ("app_id", "state", "redirect_uri")}
        ids = re.findall(r'name="advertiser_id" value="([^"]*)" checked', form)
        sent = await browser.post(page.split("?")[0], data={**hidden, "advertiser_id": ids, "decision": "allow"})
        if sent.status_code not in (302, 303):
            raise StopError(f"The simulated consent page answered {sent.status_code}.")
        await browser.get(sent.headers["location"])


def _demo_account(store: Store) -> Account | None:
    return next((account for account in store.accounts.list() if account.name == DEMO_ACCOUNT), None)


def _refuse_own(have: Opened) -> None:
    """Raises InputError if the demo's names stand for something of the person's own; ForbiddenError, of another's."""
    account = _demo_account(have.store)
    if account is not None:
        have.guard.need(AccountRight.EDIT, account)
    for values in (DEMO_DATASET, *MORE_DATASETS):
        saved = have.store.datasets.named(str(values["name"]))
        if saved is not None:
            _refuse_others(have, saved)
    if account is not None and urlsplit(account.base_url).hostname != "127.0.0.1":
        raise InputError(
            f"The account {DEMO_ACCOUNT!r} is a real one; rename it first: adreel accounts rename {DEMO_ACCOUNT} NAME"
        )


def _refuse_others(have: Opened, saved: SavedDataset) -> None:
    have.guard.need(DatasetRight.EDIT, saved)
    if saved.account_name != DEMO_ACCOUNT:
        raise InputError(
            f"The dataset {saved.name!r} of the account {saved.account_name!r} has the name of the demo's; give it "
            f"another with: adreel datasets edit {saved.slug}"
        )


def _kept(have: Opened, token: str, owner: str) -> Account:
    account = _demo_account(have.store)
    access = app_access(have.settings, token)
    where = {"app_id": access.app_id, "app_secret": access.secret, "base_url": access.base_url, "owner": owner}
    if account is None:
        return have.store.accounts.add(DEMO_ACCOUNT, token=token, **where, user=have.guard.actor.user)
    return have.store.accounts.set_token(account, token, **where)


def _summarise(have: Opened, saved: SavedDataset) -> None:
    with have.lake().connect({saved.slug: saved.table_slug}) as connection:
        answer = connection.sql(SUMMARY.format(table=saved.slug))
        assert answer is not None
        print_table(answer.columns, answer.fetchall(), title="The last 60 days, by advertiser", fit=True)


def _simulate_words(url: str, config: WorldConfig) -> str:
    """The options that serve the demo's own world, where the account will look for it."""
    default, port = WorldConfig(config.today), urlsplit(url).port
    options = {
        "port": (port, DEMO_PORT),
        "advertisers": (config.advertisers, default.advertisers),
        "ads": (config.ads, default.ads),
    }
    return "".join(f" --{name} {value}" for name, (value, usual) in options.items() if value != usual)


def _tell_next(saved: SavedDataset, report: RunReport, third: str, words: Mapping[str, object]) -> None:
    version = report.version or 0
    known = {"table": report.table, "adreel": _command(), "slug": saved.slug, "before": version, "after": version + 1}
    say((NEXT + third).format(**known, **words))


def _command() -> str:
    """The program as the person can type it here."""
    command, path = Path(sys.argv[0]).absolute(), Path.cwd()
    found = shutil.which(command.name)
    if found is not None and Path(found).absolute() == command:
        return command.name
    return shlex.quote(str(command.relative_to(path) if command.is_relative_to(path) else command))


NEXT = """\
The table lies at {table}
Three things to try next:
  {adreel} query "select stat_time_day, sum(clicks) from {slug} group by 1 order by 1"
  {adreel} export {slug} -o spend.xlsx
"""

SIMULATE = """\
  {adreel} simulate{options} --today {later}
    and in another shell, to see what TikTok restated by then:
    {adreel} run {slug} && {adreel} diff {slug} {before} {after}"""

LET_A_DAY_GO_BY = """\
  open {url}/ and advance one day there; then, to see what TikTok restated:
    {adreel} run {slug} && {adreel} diff {slug} {before} {after}"""
