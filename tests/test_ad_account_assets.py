"""Pixels and identities: what ads refer to by ID."""

from __future__ import annotations

from typing import Any

import pytest

from adreel.errors import ExitCode
from home import SPEND, Home

PIXELS: dict[str, Any] = {**dict.fromkeys(SPEND), "name": "Pixels", "account": "demo", "report": "pixels"}
IDENTITIES = {**PIXELS, "name": "Identities", "report": "identities"}


def run(home: Home, **values: Any) -> dict[str, Any]:
    """Runs the dataset; its run."""
    home.good("run", "-f", home.file(**values), "--yes")
    return dict(home.json("history", values["name"].lower())[0])


def test_pixels_of_all_pages_are_read_with_their_owner_and_events(home: Home) -> None:
    assert run(home, **PIXELS, other_fields=True)["state"] == "verified"
    counts = home.rows("SELECT advertiser_id, count(DISTINCT pixel_id) AS pixels FROM pixels GROUP BY ALL")
    assert [row["pixels"] for row in counts] == [23] * 3
    (row,) = home.rows("SELECT * FROM pixels WHERE pixel_name = 'Website 2' LIMIT 1")
    assert (row["asset_relation_status"], row["ownership_status"]) == ("SHARED", False)
    (event,) = home.rows("SELECT events[1] ->> '$.event_type' AS kind, other_fields FROM pixels LIMIT 1")
    assert event == {
        "kind": "ON_WEB_ORDER",
        "other_fields": '{"create_time":"2026-01-05 10:00:00","pixel_script":"<script></script>"}',
    }
    assert len(home.json("preview", "-f", home.file(**{**PIXELS, "name": "Other"}))) > 0


@pytest.mark.parametrize("plain", [False, True])
def test_identities_are_read_whatever_their_list_is_called_and_one_for_each_business_center(
    home: Home, plain: bool
) -> None:
    home.door("further-reports", {"plain_identity_list": plain})
    assert run(home, **IDENTITIES)["state"] == "verified"
    query = (
        "SELECT identity_type AS kind, identity_authorized_bc_id AS center, count(*) AS n FROM identities GROUP BY ALL"
    )
    counts = {(row["kind"], row["center"]): row["n"] for row in home.rows(query)}
    assert counts == {
        ("CUSTOMIZED_USER", "0"): 6,
        ("AUTH_CODE", "0"): 6,
        ("TT_USER", "0"): 6,
        ("BC_AUTH_TT", "7000000000000000100"): 6,
        ("BC_AUTH_TT", "7000000000000000101"): 3,
    }


def test_a_list_of_fewer_pixels_than_tiktok_counts_fails_the_run(home: Home) -> None:
    home.door("trouble", {"kind": "drop", "path": "pixel/list", "times": 0})
    code, text = home.bad("run", "-f", home.file(**PIXELS), "--yes")
    assert code == ExitCode.CHECK_FAILED
    assert "TikTok" in text
