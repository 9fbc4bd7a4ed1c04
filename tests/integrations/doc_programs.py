"""The programs in the manual, to be run as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from live_home import LiveHome

DOCS = Path(__file__).parent.parent.parent / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs(page: str, section: str = "") -> list[str]:
    """The Python programs of a page, or of one of its sections."""
    text = (DOCS / page).read_text("utf-8")
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks: list[str] = _BLOCK.findall(text)
    assert blocks, (page, section)
    return blocks


def run_programs(blocks: list[str], **names: Any) -> dict[str, Any]:
    """Runs programs one after the other, as in a notebook that has these names; what it has in the end."""
    space = dict(names)
    for block in blocks:
        exec(compile(block, "a program of the manual", "exec"), space)
    return space


def add_what_the_manual_names(live: LiveHome, runs: int = 1) -> None:
    """The account "My business", and the dataset "ad_spend" with so many versions."""
    live.home.add_account("My business")
    file = live.home.file("manual.json", name="Ad spend", account="My business", metrics=["spend", "clicks"])
    for _ in range(runs):
        live.home.good("run", "-f", file)
