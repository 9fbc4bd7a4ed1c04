"""The side door: trouble to order, and what it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adreel.simulator import create_app
from simulator_client import BASE, REPORT, Sim, world

SIM = Sim()


# --- the side door ------------------------------------------------------------------------------------------


def test_the_next_requests_to_a_path_fail_with_a_code() -> None:
    sim = Sim()
    sim.door("POST", "trouble", kind="code", code=50002, message="Error processing", path="integrated", times=2)
    assert sim.code("user/info/") == 0
    answers = [sim.get(REPORT, **sim.basic()) for _ in range(3)]
    assert [answer["code"] for answer in answers] == [50002, 50002, 0]
    assert answers[0]["message"] == "Error processing"


def test_trouble_can_wait_for_certain_parameters_and_let_some_pass() -> None:
    sim = Sim()
    where = {"page": "2"}
    sim.door("POST", "trouble", kind="code", code=40202, where=where, skip=1, times=0)
    codes = [sim.code(REPORT, **{**sim.basic(), "page": page}) for page in ("1", "2", "2", "1", "2")]
    assert codes == [0, 0, 40202, 0, 40202]
    sim.door("POST", "calm")
    assert sim.code(REPORT, **{**sim.basic(), "page": "2"}) == 0


@pytest.mark.parametrize(
    ("order", "status", "kind"),
    [
        ({"kind": "http", "status": 503}, 503, "text/plain"),
        ({"kind": "html", "status": 200}, 200, "text/html"),
        ({"kind": "garbage"}, 200, "application/json"),
    ],
)
def test_answers_can_be_something_else_than_an_envelope(order: dict[str, Any], status: int, kind: str) -> None:
    sim = Sim()
    sim.door("POST", "trouble", **order)
    response = sim.send("GET", BASE + "user/info/", headers={"Access-Token": sim.token})
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (status, kind)
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content)


def test_an_answer_can_hang_and_every_answer_can_take_its_time() -> None:
    sim = Sim(world(latency_ms=50))
    sim.door("POST", "trouble", kind="hang", seconds=30)
    assert [sim.code("user/info/") for _ in range(2)] == [0, 0]
    assert sim.slept == [30.05, 0.05]


def test_requests_can_be_longer_on_their_way_as_the_seed_has_it() -> None:
    ways = []
    for seed in (1, 1, 2):
        sim = Sim(world(seed=seed, jitter_ms=300))
        assert {sim.code("user/info/") for _ in range(40)} == {0}
        ways.append(sim.slept)
    assert ways[0] == ways[1] != ways[2]
    assert all(0 <= way <= 0.3 for way in ways[0])
    assert min(ways[0]) < 0.05 < 0.25 < max(ways[0])
    sim.door("POST", "jitter", ms=0)
    assert [sim.code("user/info/"), len(sim.slept)] == [0, 40]


def test_a_request_counts_for_the_limits_when_it_is_here() -> None:
    async def go_by(seconds: float) -> None:
        sim.ticks += seconds

    sim = Sim(world(qps=1, jitter_ms=900))
    sim.app = create_app(sim.config, monotonic=lambda: sim.ticks, sleep=go_by)
    way = sim.app.state.simulator.way
    first = way()
    sim.door("POST", "reset")
    assert sim.code("user/info/") == 0
    assert sim.door("GET", "requests")["requests"][0]["at"] == first > 0
    sim.door("POST", "jitter", ms=0)
    sim.ticks = 0.999
    assert sim.code("user/info/") == 40100
    sim.ticks = first + 1.001
    assert sim.code("user/info/") == 0


def test_rows_can_be_dropped_or_repeated_and_the_total_can_change() -> None:
    sim = Sim()
    intact = sim.report()
    for order in ({"kind": "drop", "rows": 2}, {"kind": "repeat"}, {"kind": "total", "change": 5}):
        sim.door("POST", "trouble", **order)
    dropped, repeated, changed = sim.report(), sim.report(), sim.report()
    assert dropped["list"] == intact["list"][:-2]
    assert repeated["list"] == [*intact["list"][:-1], intact["list"][0]]
    assert changed["page_info"]["total_number"] == intact["page_info"]["total_number"] + 5
    assert sim.report() == intact


def test_pages_can_lose_their_count_and_be_capped_and_answers_can_have_other_data_or_a_mark() -> None:
    sim = Sim()
    full_report = sim.report()
    for order in ({"kind": "uncounted"}, {"kind": "cap", "rows": 2}, {"kind": "data", "value": "[]"}):
        sim.door("POST", "trouble", **order)
    uncounted, capped, other = sim.report(), sim.report(), sim.get(REPORT, **sim.basic())
    assert uncounted["list"] == full_report["list"]
    assert "page_info" not in uncounted
    assert capped["list"] == full_report["list"][:2]
    assert capped["page_info"]["page_size"] == 2
    assert capped["page_info"]["total_number"] == full_report["page_info"]["total_number"]
    assert (other["code"], other["data"]) == (0, [])
    sim.door("POST", "trouble", kind="mark")
    marked = sim.send("GET", BASE + "user/info/", headers={"Access-Token": sim.token})
    assert marked.content.startswith(b"\xef\xbb\xbf{")


def test_fields_of_rows_can_have_any_json_or_be_gone() -> None:
    sim = Sim()
    for value in ('"12.5"', "1" * 30, ""):
        sim.door("POST", "trouble", kind="value", field="metrics.spend", value=value, rows=2)
    answers = [sim.report()["list"] for _ in range(3)]
    assert [row["metrics"]["spend"] for row in answers[0][:2]] == ["12.5", "12.5"]
    assert answers[1][1]["metrics"]["spend"] == int("1" * 30)
    assert "spend" not in answers[2][1]["metrics"]
    assert all("spend" in row["metrics"] for row in answers[2][2:])


def test_limits_latency_and_the_present_can_be_changed_and_reset() -> None:
    sim = Sim()
    sim.door("POST", "limits", qps=1)
    assert [sim.code("user/info/") for _ in range(2)] == [0, 40100]
    sim.door("POST", "latency", ms=20)
    sim.door("POST", "now", today="2026-09-01", hour=3, minute=30)
    sim.door("POST", "remove", advertiser_id=sim.ids[0])
    sim.door("POST", "revoke", token=sim.token)
    assert sim.door("GET", "state")["now"] == "2026-09-01T03:30:00+00:00"
    sim.door("POST", "reset")
    assert sim.door("GET", "state")["now"] == "2026-08-20T12:00:00+00:00"
    assert [sim.code(REPORT, **sim.basic()) for _ in range(3)] == [0, 0, 0]
    assert sim.slept == []


def test_the_side_door_gives_tokens_without_consent() -> None:
    sim = Sim()
    sim.token = sim.door("POST", "token", advertiser_ids=sim.ids[:1])["access_token"]
    assert [sim.code("campaign/get/", advertiser_id=identity) for identity in sim.ids[:2]] == [0, 40001]


def test_the_log_says_who_asked_what_and_hides_secrets() -> None:
    sim = Sim()
    sim.ticks = 5.0
    sim.code("oauth2/advertiser/get/", app_id=sim.config.app_id, secret=sim.config.secret)
    sim.code(REPORT, **{**sim.basic(), "page": "3", "page_size": "0"})
    log = sim.door("GET", "requests")["requests"]
    assert [(entry["path"], entry["code"], entry["page"], entry["at"]) for entry in log] == [
        ("oauth2/advertiser/get/", 0, 0, 5.0),
        (REPORT, 40002, 3, 5.0),
    ]
    assert log[1]["advertiser"] == sim.ids[0]
    assert sim.config.secret not in json.dumps(log)
    assert len(sim.send("GET", "/_simulator/requests?path=integrated").json()["requests"]) == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("trouble", {"kind": "earthquake"}),
        ("trouble", {"kind": "code", "times": "often"}),
        ("trouble", {"kind": "code", "colour": 1}),
        ("now", {"today": "soon"}),
        ("limits", {"qps": "many"}),
        ("remove", {}),
        ("token", {"advertiser_ids": ["1"]}),
    ],
)
def test_an_order_that_is_not_in_order_is_answered_with_a_sentence(name: str, body: dict[str, object]) -> None:
    response = SIM.send("POST", f"/_simulator/{name}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_an_unknown_order_names_the_known_ones() -> None:
    response = SIM.send("GET", "/_simulator/nothing")
    assert response.status_code == 404
    assert "POST trouble" in response.json()["error"]
