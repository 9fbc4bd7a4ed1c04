"""Reads a dataset once and records what TikTok answers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import httpx2

from adreel import catalog
from adreel.connections import INFO_FIELDS, account_access
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.validation import GENERAL_KEYS
from adreel.errors import AdreelError
from adreel.pipeline.report import ReportReader
from adreel.recording.disguise import Disguise
from adreel.recording.exchanges import KEPT_HEADERS, Exchange, Record, asked, read_json
from adreel.store import Account
from adreel.tiktok.transport import network

CONNECTIONS = 10


class Recorder(httpx2.AsyncBaseTransport):
    """Keeps every exchange that goes through it; the token is in none."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, base_url: str) -> None:
        """`base_url` is the API's, to tell its path."""
        self._inner = inner
        self._base_url = base_url
        self.exchanges: list[Exchange] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer of the inner transport, and its errors."""
        method, path, params, body = asked(request.method, str(request.url), request.content, self._base_url)
        sent = Exchange(method, path, params, body, 0, {}, None)
        try:
            response = await self._inner.handle_async_request(request)
            content = await response.aread()
        except httpx2.HTTPError as error:
            self.exchanges.append(replace(sent, failure=type(error).__name__))
            raise
        if path.startswith("/oauth2/"):
            # Its parameters and answers are of the app, and a replay knows the ad accounts.
            return response
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        answered = replace(sent, status=response.status_code, headers=headers, answer=read_json(content))
        self.exchanges.append(answered)
        return response

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._inner.aclose()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record that may be sent to others, and the error with which the reading ended, if any."""

    record: Record
    error: AdreelError | None


def record(reader: ReportReader, dataset: Dataset, source: Source, account: Account) -> Recorded:
    """Reads the dataset as `reader` does and returns the record, with everything of the account replaced.

    No rows are saved. `source` is the dataset's file.
    """
    base_url = account_access(reader.settings, reader.store, account).base_url
    recorder = Recorder(reader.transport or network(base_url, CONNECTIONS), base_url)
    now = reader.clock()
    error = None
    try:
        report = replace(reader, transport=recorder).read(dataset, account)
        outcome: Mapping[str, Any] = {"rows": sum(batch.num_rows for batch in report.batches())}
    except AdreelError as failure:
        error = failure
        outcome = {"error": str(failure)}
    advertisers = [asdict(advertiser) for advertiser in reader.store.accounts.advertisers(account)]
    whole = Record(
        adreel=version("adreel"),
        now=now.isoformat(),
        dataset=_asked_keys(source),
        advertisers=tuple({name: advertiser[name] for name in INFO_FIELDS} for advertiser in advertisers),
        outcome=outcome,
        exchanges=tuple(recorder.exchanges),
    )
    return Recorded(Disguise(secrets.token_bytes(32)).record(whole), error)


def _asked_keys(source: Source) -> dict[str, Any]:
    """The keys of the dataset's file that decide what TikTok is asked."""
    report = catalog.REPORTS[str(source.values["report"])]
    menus = {menu.name for menu in report.menus}
    kept = {key: value for key, value in source.values.items() if key in menus and key not in GENERAL_KEYS}
    return {"report": report.name, **kept}
