"""Any answer of TikTok's with something in it changed: the rows that are right stay right, or there is no version."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from adreel.connections import account_access, connected, covered
from adreel.datasets.dataset import Dataset
from adreel.datasets.files import read
from adreel.datasets.validation import parse
from adreel.errors import AdreelError
from adreel.lake import Lake
from adreel.pipeline.extract import Extraction
from adreel.pipeline.load import Committed, commit_run
from adreel.pipeline.parts import Parts
from adreel.pipeline.plan import Plan, make_plan
from adreel.store import Store
from home import SPEND, Home, make_home
from running import Hurry, settings_of

REPORTS: dict[str, dict[str, Any]] = {
    "report/integrated": SPEND | {"metrics": ["spend", "clicks", "reach", "ctr", "ad_name"]},
    "report/integrated, by country": SPEND | {"metrics": ["spend"], "targeting_dimension": "country_code"},
    "report/integrated, by hour": SPEND | {"time_dimension": "hour", "dates": {"date": "yesterday"}},
    "report/integrated, several advertisers": SPEND | {"metrics": ["clicks", "impressions"]},
    "campaign/get": {"report": "campaigns"},
    "adgroup/get": {"report": "ad_groups"},
    "ad/get": {"report": "ads"},
    "dmp/custom_audience/list": {"report": "custom_audiences"},
    "dmp/custom_audience/get": {"report": "custom_audience_details"},
    "advertiser/info": {"report": "advertisers"},
    "creative/report": {
        "report": "creatives",
        "material_type": "video",
        "metrics": ["spend", "clicks"],
        "dates": {"start": "today-3", "end": "yesterday"},
    },
}
"""A dataset for each endpoint that rows come from."""

GONE = object()
TWICE = object()

ODD = [
    *(
        b"null",
        b"true",
        b"0",
        b"-1",
        b"12.5",
        b"1e400",
        b"NaN",
        b"9" * 40,
        b"9" * 5000,
        b"[]",
        b"{}",
        b"[[]]",
        b'{"a":1}',
    ),
    *(b'""', b'"-"', b'"x"', b'"12.5"', b'"1e999999999"', b'"Infinity"', b'"0000-01-01 00:00:00"', b'"9999-12-31"'),
    *(b'"\\ud83d"', b'"\xff"', b'"\\u0000"', b'"\x01"', b'"12345678901234567890.123"', b'["\\udc00",null,[1]]'),
    *(GONE, TWICE),
]


class Bench:
    """Reads reports and lists as a run does, over the simulated world."""

    def __init__(self, home: Home, plans: dict[str, Plan]) -> None:
        self.home = home
        self.plans = plans
        self.good: dict[str, list[Any]] = {}

    def read(self, name: str, run_id: str, transport: httpx2.AsyncBaseTransport) -> Committed:
        """Asks, proves and commits as a version of the table `name`."""
        return asyncio.run(self._read(name, run_id, transport))

    async def _read(self, name: str, run_id: str, transport: httpx2.AsyncBaseTransport) -> Committed:
        plan, lake, settings = self.plans[name], self.lake, settings_of(self.home)
        with Store.open(settings, clock=lambda: self.home.now) as store:
            access = account_access(settings, store, store.accounts.list()[0])
            async with connected(settings, store, access, transport=transport, waits=Hurry().waits()) as client:
                extraction = Extraction(plan, client, Parts(lake, run_id), lambda *_: None, {})
                outcomes = [await extraction.chunk(chunk) for chunk in plan.chunks()]
        newest = lake.newest_version(slug(name))
        return commit_run(lake, slug(name), run_id, plan, self.home.now, outcomes, newest=newest)

    @property
    def lake(self) -> Lake:
        return Lake(self.home.path / "lake")

    def rows(self, name: str) -> list[Any]:
        """The table's rows as texts; numbers alike, whatever type of number their column is of."""
        rows = self.lake.read(slug(name)).read_all().to_pylist()
        return [str({column: _plain(value) for column, value in row.items()}) for row in rows]


def _plain(value: Any) -> Any:
    return Decimal(value).normalize() if isinstance(value, int | Decimal) else value


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    home = make_home(tmp_path_factory.mktemp("fuzz") / "home", advertisers=2, ads=6)
    home.add_account()
    with Store.open(settings_of(home), clock=lambda: home.now) as store:
        advertisers = covered(store.accounts.advertisers(store.accounts.list()[0]), None).advertisers
    plans = {}
    for name, values in REPORTS.items():
        update = {"update": {"method": "replace"}}
        dataset: Dataset = parse(read(json.dumps({"name": name, "account": "demo"} | values | update)), home.now)
        plans[name] = make_plan(dataset, advertisers, home.now)
    bench = Bench(home, plans)
    for name in REPORTS:
        assert bench.read(name, f"good{slug(name)}", httpx2.ASGITransport(home.world)).verification["verified"]
        bench.good[name] = bench.rows(name)
        assert bench.good[name]
    return bench


class Mutated(httpx2.AsyncBaseTransport):
    """The simulated world with one thing changed in each answer of a path, the `place`-th of all that it has."""

    def __init__(self, home: Home, path: str, place: int, odd: Any) -> None:
        self._under = httpx2.ASGITransport(home.world)
        self._path, self._place, self._odd = path, place, odd
        self.changed = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._under.handle_async_request(request)
        if self._path not in request.url.path:
            return response
        answer = orjson.loads(await response.aread())
        self.changed += 1
        return httpx2.Response(200, content=mutated(answer, self._place, self._odd))


def mutated(answer: Any, place: int, odd: Any) -> bytes:
    """The answer with its data, or something in them, replaced, gone or there twice."""
    spots = list(spots_of(answer, "data"))
    parent, name = spots[place % len(spots)]
    mark = "~ here ~"
    if odd is GONE:
        del parent[name]
    elif odd is TWICE:
        if isinstance(parent, list):
            parent.append(parent[name])
        return orjson.dumps(answer)
    else:
        parent[name] = mark
    return orjson.dumps(answer).replace(orjson.dumps(mark), odd if isinstance(odd, bytes) else b"null")


def spots_of(parent: Any, name: Any) -> Iterator[tuple[Any, Any]]:
    """Everything that can be changed, from the outside to the inside."""
    yield parent, name
    value = parent[name]
    if isinstance(value, dict | list):
        for inner in value if isinstance(value, dict) else range(len(value)):
            yield from spots_of(value, inner)


NUMBER = iter(range(10**9))


@pytest.mark.parametrize("name", REPORTS)
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(place=st.integers(0, 400), odd=st.sampled_from(ODD))
@example(place=0, odd=b"null")
@example(place=0, odd=b"[]")
@example(place=0, odd=b"{}")
@example(place=1, odd=GONE)
def test_an_answer_with_one_changed_value_affects_no_other_row_and_no_table(
    bench: Bench, name: str, place: int, odd: Any
) -> None:
    good = Counter(bench.good[name])
    if Counter(bench.rows(name)) != good:
        bench.read(name, f"before{next(NUMBER)}", httpx2.ASGITransport(bench.home.world))
    number = len(bench.lake.versions(slug(name)))
    transport = Mutated(bench.home, name.partition(",")[0], place, odd)
    try:
        bench.read(name, f"after{next(NUMBER)}", transport)
    except AdreelError:
        assert len(bench.lake.versions(slug(name))) == number
        assert Counter(bench.rows(name)) == good
        return
    rows = Counter(bench.rows(name))
    assert rows.total() == good.total(), "no row is lost or doubled"
    assert (good - rows).total() <= transport.changed, "only the row that was changed is another"
