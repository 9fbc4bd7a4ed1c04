"""`adreel record`, `adreel replay` and `adreel catalog check`."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.files import read_text
from adreel.cli.output import confirm, print_json, print_table, say
from adreel.cli.runs import asked_dataset
from adreel.connections import account_access, connected, covered
from adreel.datasets.stored import source_of
from adreel.errors import AdvertiserError, InputError
from adreel.pipeline.preview import Asking
from adreel.pipeline.report import ReportReader
from adreel.pipeline.shops import own_shops
from adreel.recording.catalog_check import MOST_REQUESTS, CatalogCheck, CatalogChecker, summary
from adreel.recording.exchanges import from_lines, to_lines
from adreel.recording.record import record
from adreel.recording.replay import replay
from adreel.store import Account
from adreel.store.audit import AuditAction, Subject

_QUESTION = (
    "Read {dataset!r} from TikTok once, about {requests:,} requests, and write its answers to {path}? Names, IDs, "
    "figures and days are replaced; no rows are saved. Nothing is sent anywhere."
)


def write_record(session: CommandContext, name: str, path: Path, *, yes: bool) -> None:
    """Reads a saved dataset and writes what TikTok answered, with everything of the account replaced."""
    if path.exists():
        raise InputError(f"{path} already exists. Choose another file with -o.")
    with open_home(session) as home:
        saved, dataset, account, requests = asked_dataset(home, name)
        confirm(_QUESTION.format(dataset=saved.name, requests=requests, path=path), yes=yes)
        reader = ReportReader(home.settings, home.store, home.session.clock, home.session.transport)
        recorded = record(reader, dataset, source_of(saved), account)
        home.store.audit.add(AuditAction.EXPORT, Subject.of(saved), {"format": "record"})
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(to_lines(recorded.record))
    if recorded.error is not None:
        say(f"The dataset could not be read: {recorded.error}")
    say(f"Wrote {len(recorded.record.exchanges):,} answers to {path}. Look through the file before you send it.")
    say(f"Try it: adreel replay {path}")


def replay_record(path: Path) -> None:
    """Reads a dataset from a record and says what came of it. Raises the error that it ends with."""
    result = replay(from_lines(read_text(path), str(path)))
    if result.error is not None:
        raise result.error
    say(f"Verified: {result.rows:,} rows.")


def check_catalog(
    session: CommandContext, name: str, advertiser_id: str | None, path: Path | None, *, as_json: bool
) -> None:
    """Compares the catalogue with TikTok's answers and prints the differences; to a file, too, if there is a path."""
    if path is not None and path.exists():
        raise InputError(f"{path} already exists. Choose another file with -o.")
    with open_home(session) as home:
        account = home.guard.usable(name)
        check = asyncio.run(_checked(home, account, advertiser_id))
    if path is not None:
        path.write_text(f"{json.dumps(check.figures(), indent=2)}\n", "utf-8")
    if as_json:
        print_json(check.figures())
        return
    say(summary(check))
    if check.findings:
        rows = [
            (finding.difference, finding.kind, finding.name, finding.of, finding.words) for finding in check.findings
        ]
        print_table(("difference", "kind", "name", "report", "TikTok's words"), rows)
    for of in check.unchecked:
        say(f"note: not compared, as {MOST_REQUESTS} requests were sent: {of}")
    for of in check.without_ids:
        say(f"note: not compared, as the ad account has no shop, campaign, product or session for it: {of}")


async def _checked(home: OpenHome, account: Account, advertiser_id: str | None) -> CatalogCheck:
    asking = Asking(home.settings, home.store, home.session.clock, home.session.transport, say)
    advertisers = await asking.advertisers(account)
    selection = (advertiser_id,) if advertiser_id is not None else account.selection
    covering = covered(advertisers, selection)
    if not covering.advertisers:
        raise InputError(next(iter(covering.unreadable.values()), f"Account {account.name!r} has no ad account."))
    access = account_access(home.settings, home.store, account)
    async with connected(home.settings, home.store, access, transport=home.session.transport, log=say) as client:
        advertiser = covering.advertisers[0]
        try:
            shops = await own_shops(client, advertiser)
        except AdvertiserError as error:
            say(f"note: the shops of the ad account cannot be read, so GMV Max is not compared: {error}")
            shops = ()
        return await CatalogChecker(client, advertiser, shops, home.session.clock()).check()
