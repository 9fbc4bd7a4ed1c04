"""Restored versions beside those that TikTok restated."""

from __future__ import annotations

import pytest

import test_restatement
from api_home import program
from home import Home
from test_restatement import _metric, as_an_older_adreel_wrote, kinds
from web_home import open_site, words_of

small = test_restatement.small


@pytest.mark.parametrize("method", ["replace", "partition"])
@pytest.mark.parametrize("is_old", [False, True])
def test_what_a_restore_brought_back_is_not_restated_by_tiktok(small: Home, method: str, is_old: bool) -> None:
    small.good("run", "-f", small.file(dates={"start": "today-5", "end": "yesterday"}, update={"method": method}))
    small.later(1)
    small.good("run", "spend")
    if is_old:
        as_an_older_adreel_wrote(small)
    small.good("restore", "spend", "0", "--yes")
    forward, back = (small.json("diff", "spend", *pair) for pair in (("0", "1"), ("1", "2")))
    assert kinds(forward)["restated"]
    assert kinds(back)["unread"] == kinds(forward)["restated"]
    assert not {"restated", "incomplete"} & kinds(back).keys()
    assert not any(metric["values_restated"] for metric in back["metrics"])
    assert not any(part["restated"] for metric in back["metrics"] for part in metric["sums"])
    count = sum(day["changed"] for day in back["days"] if day["kind"] == "unread")
    words = f"Version 2 restores version 0. {count} rows changed on {len(kinds(back)['unread'])} day"
    assert back["summary"].startswith(words)
    assert "not read again" in back["summary"]
    with open_site(small) as site:
        visit = site.visit("admin")
        page = words_of(visit.part("/datasets/spend/difference", before=1, after=2).text)
        assert words in page
        assert "Restated by TikTok" not in page
        assert f"of {back['changed'] + back['added'] + back['removed']} rows changed, added or removed" in page
        same = words_of(visit.part("/datasets/spend/difference", before=0, after=2).text)
        assert "Version 2 restores version 0. No changes." in same
    assert "Version 2 restores version 0." in small.good("diff", "spend", "0", "2").stderr


def test_a_metric_that_a_user_took_out_was_not_restated_by_tiktok(small: Home) -> None:
    dates = {"start": "2026-11-17", "end": "2026-11-18"}
    every = ["spend", "impressions", "clicks"]
    for metrics in (every, ["spend", "clicks"], ["spend", "clicks"], every):
        small.good("run", "-f", small.file(metrics=metrics, dates=dates))
    small.good("restore", "spend", "2", "--yes")
    for pair in (("0", "1"), ("0", "2"), ("3", "4")):
        gone = small.json("diff", "spend", *pair)
        assert (gone["columns_removed"], gone["columns_added"], gone["changed"]) == (["impressions"], [], 0)
        assert [metric["name"] for metric in gone["metrics"] if metric["name"] in every] == ["spend", "clicks"]
        assert "Columns removed: impressions." in gone["summary"]
        assert gone["examples"] == []
    back = small.json("diff", "spend", "2", "3")
    assert (back["columns_removed"], back["columns_added"], back["changed"]) == ([], ["impressions"], 0)
    # Read again since: its values are compared.
    again = small.json("diff", "spend", "0", "3")
    assert (again["columns_removed"], again["columns_added"]) == ([], [])
    assert _metric(again, "impressions")["sums"][0]["after"]
    still = small.json("diff", "spend", "1", "2")
    assert (still["columns_removed"], still["columns_added"]) == ([], [])
    assert "Impressions" not in small.good("diff", "spend", "0", "1").stdout
    with open_site(small) as site:
        page = words_of(site.visit("admin").part("/datasets/spend/difference", before=0, after=1).text)
        assert "No rows changed" in site.visit("admin").words("/datasets/spend/difference/rows", before=0, after=1)
        answer = program(site).get("/datasets/spend/difference?before=0&after=1")
    assert "Columns removed: impressions." in page
    assert "Impressions" not in page
    assert answer["columns_removed"] == ["impressions"]
