"""Reads a dataset from a record instead of TikTok."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from adreel.connections import Waits
from adreel.datasets.dataset import Source
from adreel.datasets.validation import parse
from adreel.errors import AdreelError
from adreel.language import phrase
from adreel.pipeline.report import ReportReader
from adreel.recording.exchanges import Exchange, Record, answer_of, asked
from adreel.settings import Settings
from adreel.store import AdvertiserInfo, Store

_ACCOUNT = "record"
_TOKEN = "token-of-no-account"  # noqa: S105 - of no account


class Recording(httpx2.AsyncBaseTransport):
    """TikTok's end as it was recorded: each request gets its answers in their order, the last one again and again."""

    def __init__(self, record: Record, base_url: str) -> None:
        """`base_url` is that of the requests."""
        self._base_url = base_url
        self._answers: dict[str, deque[Exchange]] = defaultdict(deque)
        for exchange in record.exchanges:
            self._answers[_key(exchange.method, exchange.path, exchange.params, exchange.body)].append(exchange)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The next recorded answer; one that no try can mend for a request that was not recorded."""
        method, path, params, body = asked(request.method, str(request.url), request.content, self._base_url)
        answers = self._answers.get(_key(method, path, params, body))
        if not answers:
            message = phrase("The record has no answer to %(method)s %(path)s.", method=method, path=path)
            return httpx2.Response(200, json={"code": 40002, "message": message, "request_id": "", "data": {}})
        return answer_of(answers.popleft() if len(answers) > 1 else answers[0])


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a record: the number of verified rows, or the error."""

    rows: int | None
    error: AdreelError | None


def replay(record: Record) -> Replayed:
    """Reads the record's dataset in a home of its own, without network and without waiting."""
    began = datetime.fromisoformat(record.now)
    with TemporaryDirectory(prefix="adreel-replay-") as folder:
        settings = Settings.load({"ADREEL_HOME": str(Path(folder) / "home")})
        with Store.open(settings, clock=lambda: began) as store:
            account = store.accounts.add(_ACCOUNT, token=_TOKEN, app_id="1", base_url=settings.tiktok_url)
            store.accounts.save_advertisers(account, [AdvertiserInfo(**facts) for facts in record.advertisers])
            transport = Recording(record, settings.tiktok_url)
            reader = ReportReader(settings, store, lambda: began, transport, _Instant(began).waits)
            dataset = parse(Source({"name": _ACCOUNT, "account": _ACCOUNT, **record.dataset}, {}), began)
            try:
                report = reader.read(dataset, store.accounts.get(account.id))
                return Replayed(sum(batch.num_rows for batch in report.batches()), None)
            except AdreelError as error:
                return Replayed(None, error)


class _Instant:
    """Clocks that waiting puts forward at once."""

    def __init__(self, began: datetime) -> None:
        self._began = began.timestamp()
        self._passed = 0.0

    @property
    def waits(self) -> Waits:
        return Waits(clock=lambda: self._began + self._passed, monotonic=lambda: self._passed, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self._passed += max(seconds, 0.0)


def _key(method: str, path: str, params: Mapping[str, Any], body: Any) -> str:
    """Names a request, whatever the order of what it lists: IDs are replaced by others in a record."""
    return json.dumps([method, path, _in_order(params), _in_order(body)], sort_keys=True, default=str)


def _in_order(value: Any) -> Any:
    match value:
        case dict():
            return {name: _in_order(item) for name, item in value.items()}
        case list():
            return sorted((_in_order(item) for item in value), key=lambda item: json.dumps(item, default=str))
        case bool() | int():
            return str(value).lower()
        case _:
            return value
