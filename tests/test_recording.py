"""Records of what TikTok answers: nothing real stays in, and a replay comes to the same end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adreel import catalog
from adreel.access import guard_of
from adreel.datasets.files import read
from adreel.datasets.validation import parse
from adreel.pipeline.report import ReportReader
from adreel.recording.disguise import Disguise
from adreel.recording.exchanges import Exchange, Record, from_lines, to_lines
from adreel.recording.record import Recorded, record
from adreel.recording.replay import replay
from adreel.store import Store
from home import SPEND, Home
from running import Change, Hurry, Tampered, settings_of

KEY = b"a key of the tests"
EXAMPLES = Path(__file__).parent.parent / "examples"


class Listening(httpx2.AsyncBaseTransport):
    """What TikTok really answers."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.answers: list[Any] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        self.answers.append(orjson.loads(await response.aread()))
        return response


def recorded(home: Home, transport: httpx2.AsyncBaseTransport, values: Mapping[str, Any] = SPEND) -> Recorded:
    chosen = settings_of(home)
    with Store.open(chosen, clock=lambda: home.now) as store:
        account = guard_of(chosen, store).usable(SPEND["account"])
        source = read(json.dumps(values))
        reader = ReportReader(chosen, store, lambda: home.now, transport, Hurry().waits())
        return record(reader, parse(source, home.now), source, account)


def real_values(answers: Any) -> Iterator[str]:
    """All names, IDs and figures that are long enough to be told from others."""
    match answers:
        case dict():
            for name, value in answers.items():
                if name not in ("page_info", "code", "currency", "timezone", "display_timezone", "country"):
                    yield from real_values(value)
        case list():
            for value in answers:
                yield from real_values(value)
        case bool() | None:
            return
        case _:
            labels = {label for of_column in catalog.value_labels().values() for label in of_column}
            text = str(answers)
            if len(re.sub(r"[^0-9A-Za-z]", "", text)) >= 5 and text not in labels and text != "OK":
                yield text


def test_a_record_has_nothing_real_in_it_and_reads_as_the_original(home: Home) -> None:
    listening = Listening(httpx2.ASGITransport(home.world))
    record_made = recorded(home, listening, SPEND | {"metrics": ["ad_name", "spend", "clicks", "ctr"]})
    assert record_made.error is None
    text = to_lines(record_made.record)
    real = set(real_values([answer["data"] for answer in listening.answers]))
    assert len(real) > 50
    assert [value for value in real if value in text] == []
    assert home.config.secret not in text
    assert replay(from_lines(text, "record")).rows == record_made.record.outcome["rows"] > 20


@pytest.mark.slow
def test_a_record_of_gmv_max_by_period_replays_however_tiktok_writes_periods(home: Home) -> None:
    values = {
        "name": "Periods",
        "account": SPEND["account"],
        "report": "gmv_max",
        "gmv_max_level": "product_duration",
        "metrics": ["bid_type", "cost", "orders"],
        "dates": {"start": "today-9", "end": "today-3"},
    }
    for written in ("texts", "numbers"):
        home.door("gmv-max", {"periods": written})
        listening = Listening(httpx2.ASGITransport(home.world))
        reading = recorded(home, listening, values)
        assert reading.error is None
        text = to_lines(reading.record)
        real = set(real_values([answer["data"] for answer in listening.answers]))
        assert [value for value in real if value in text] == []
        days = {day for value in real for day in re.findall(r"\d{4}-\d\d-\d\d", value)}
        assert [day for day in days if day in text] == []
        assert replay(from_lines(text, "record")).rows == reading.record.outcome["rows"] > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "example",
    ["all_spend", "business_center_costs", "campaign_hourly", "creatives", "gmv_max_products", "smart_plus_materials"],
)
def test_what_a_run_compares_between_requests_agrees_in_a_record_as_well(home: Home, example: str) -> None:
    values = {**read((EXAMPLES / f"{example}.yaml").read_text("utf-8")).values, "account": SPEND["account"]}
    reading = recorded(home, httpx2.ASGITransport(home.world), values)
    assert reading.error is None
    again = replay(from_lines(to_lines(reading.record), "record"))
    assert (again.error, again.rows) == (None, reading.record.outcome["rows"])


def test_a_period_and_no_id_mean_in_a_record_what_they_meant() -> None:
    periods = ["2026-11-01 15:00 - 2026-11-08 03:00", "7", "8", 9]
    rows = [
        {"dimensions": {"campaign_id": f"71000000000000{number}", "duration": period}, "metrics": {"item_id": "-1"}}
        for number in range(40)
        for period in periods
    ]
    exchange = Exchange("GET", "/r/", {}, None, 200, {}, {"code": 0, "data": {"list": rows}})
    original = Record("1", "2026-11-30T10:00:00+00:00", {"report": "gmv_max"}, (), {"rows": 160}, (exchange,))
    (disguised,) = Disguise(KEY).record(original).exchanges
    listed = disguised.answer["data"]["list"]
    written = [row["dimensions"]["duration"] for row in listed]
    assert len(set(map(str, written))) == len(periods)
    assert written == written[: len(periods)] * 40
    assert re.fullmatch(r"\d{4}-\d\d-\d\d 15:00 - \d{4}-\d\d-\d\d 03:00", written[0])
    first, last = (date.fromisoformat(text[:10]) for text in written[0].split(" - "))
    assert last - first == timedelta(days=7)
    assert {row["metrics"]["item_id"] for row in listed} == {"-1"}


def lose_a_row(_parameters: dict[str, str], data: dict[str, Any]) -> None:
    data["list"] = data["list"][1:]


def raise_totals(_parameters: dict[str, str], data: dict[str, Any]) -> None:
    if "total_metrics" in data:
        data["total_metrics"]["spend"] = str(Decimal(data["total_metrics"]["spend"]) + 1)


def repeat_a_row(_parameters: dict[str, str], data: dict[str, Any]) -> None:
    data["list"] = [data["list"][0], *data["list"]]
    data["page_info"]["total_number"] += 1


@pytest.mark.parametrize("fault", [lose_a_row, raise_totals, repeat_a_row])
def test_a_replay_ends_with_the_fault_that_the_account_has(home: Home, fault: Change) -> None:
    original = recorded(home, Tampered(home, fault))
    again = replay(from_lines(to_lines(original.record), "record"))
    assert (again.rows is None) is (original.error is not None)
    assert type(again.error) is type(original.error)
    assert again.rows == original.record.outcome.get("rows")
    if original.error is not None:
        assert _words(str(again.error)) == _words(str(original.error))


def _words(text: str) -> list[str]:
    return re.findall(r"\b[a-z]{3,}\b", text)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9)
    | st.text(min_size=0, max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=12), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=60)
@given(answer=values, names=st.lists(st.sampled_from(["campaign_id", "campaign_name", "spend", "create_time"])))
def test_any_answer_keeps_its_shape_and_loses_its_texts(answer: Any, names: list[str]) -> None:
    data = {"list": [{"metrics": dict.fromkeys(names, answer), "dimensions": {"ad_id": "1234567890123"}}]}
    whole = {"code": 0, "message": "OK", "data": data}
    exchange = Exchange("GET", "/report/integrated/get/", {"page": "1"}, None, 200, {}, whole)
    original = Record("1", "2026-11-30T10:00:00+00:00", {"report": "performance"}, (), {"rows": 1}, (exchange,) * 2)
    disguised = Disguise(KEY).record(original)
    first, second = disguised.exchanges
    assert first == second
    assert _shape(first.answer["data"]) == _shape(data)
    assert from_lines(to_lines(disguised), "record").exchanges[0].status == 200
    kept = to_lines(disguised)
    long = [text for text in real_values(answer) if len(re.sub(r"[^0-9A-Za-z]", "", text)) >= 9]
    assert [text for text in long if json.dumps(text, ensure_ascii=False)[1:-1] in kept] == []


def _shape(value: Any) -> Any:
    """What of an answer has to stay: lists, names of fields, what is nothing, and which values are texts."""
    match value:
        case dict():
            items = [_shape(item) for item in value.values()]
            return {"object": sorted(map(str, items))}
        case list():
            return [_shape(item) for item in value]
        case None | bool():
            return value
        case _:
            return "text" if isinstance(value, str) else "number"


def test_the_same_id_and_name_are_always_replaced_by_the_same_in_the_same_order() -> None:
    ids = ["7100000000000000009", "7100000000000000001", "7100000000000000005"]
    rows = [
        {"dimensions": {"ad_id": ad_id}, "metrics": {"ad_name": f"Ad {ad_id[-1]} \N{SNOWMAN}", "spend": "0.00"}}
        for ad_id in ids
    ]
    answer = {"code": 0, "message": f"ad {ids[0]} of 'Secret brand' not found", "data": {"list": rows}}
    filtering = [{"field_name": "ad_ids", "filter_type": "IN", "filter_value": json.dumps(ids)}]
    exchange = Exchange("GET", "/r/", {"filtering": filtering}, None, 200, {}, answer)
    original = Record("1", "2026-11-30T10:00:00+00:00", {"report": "performance"}, (), {"rows": 1}, (exchange,))
    (disguised,) = Disguise(KEY).record(original).exchanges
    listed = [row["dimensions"]["ad_id"] for row in disguised.answer["data"]["list"]]
    assert json.loads(disguised.params["filtering"][0]["filter_value"]) == listed
    assert sorted(listed).index(listed[0]) == 2
    assert {len(ad_id) for ad_id in listed} == {19}
    assert set(listed).isdisjoint(ids)
    assert [row["metrics"]["spend"] for row in disguised.answer["data"]["list"]] == ["0.00"] * 3
    assert all(row["metrics"]["ad_name"].endswith("\N{SNOWMAN}") for row in disguised.answer["data"]["list"])
    assert re.fullmatch(rf"ad {listed[0]} of '\w{{6}} \w{{5}}' not found", disguised.answer["message"])
    assert "Secret" not in disguised.answer["message"]


def test_the_command_asks_first_writes_a_file_for_oneself_and_replays_it(home: Home, tmp_path: Path) -> None:
    home.good("run", "-f", home.file())
    file = tmp_path / "record.jsonl"
    code, words = home.bad("record", "spend", "-o", str(file))
    assert (code, "Add --yes to confirm" in words) == (3, True)
    assert not file.exists()
    versions = home.kept()
    words = home.good("record", "spend", "-o", str(file), "--yes").stderr
    assert f"to {file}" in words
    assert home.kept() == versions
    assert file.stat().st_mode & 0o077 == 0
    rows = len(home.rows("select * from spend"))
    assert f"Verified: {rows:,} rows." in home.good("replay", str(file)).stderr
    assert "already exists" in home.bad("record", "spend", "-o", str(file), "--yes")[1]
    file.write_text("nonsense\n")
    assert "is no record of adreel" in home.bad("replay", str(file))[1]
