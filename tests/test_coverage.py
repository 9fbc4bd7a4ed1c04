"""The page about what of TikTok's API is read says what the code asks for."""

from __future__ import annotations

import re
from pathlib import Path

from adreel import catalog

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/coverage.md").read_text("utf-8")
CODE = "\n".join(
    path.read_text("utf-8")
    for path in sorted((ROOT / "src/adreel").rglob("*.py"))
    if not {"simulator", "web"} & set(path.relative_to(ROOT).parts)
)


def endpoints(answer: str) -> set[str]:
    """The endpoints of the rows that have this answer in the column "read"."""
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith("| `/")]
    return {path for row in rows if row[2].strip() == answer for path in re.findall(r"`(/[a-z0-9_/]+/)`", row[1])}


def test_every_endpoint_that_the_code_asks_for_is_read_by_the_page_and_no_other() -> None:
    assert endpoints("yes") == set(re.findall(r'"(/[a-z0-9_]+(?:/[a-z0-9_]+)+/)"', CODE))
    assert len(endpoints("no")) > 10


def test_no_endpoint_is_read_and_not_read() -> None:
    assert not endpoints("yes") & endpoints("no")


def test_the_reports_that_the_page_names_are_those_of_the_catalogue() -> None:
    named = set(re.findall(r"\*([a-z_]+)\*", PAGE))
    assert named == {name for name, report in catalog.REPORTS.items() if not report.deprecated}
