"""The Python programs of the manual run as they are written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doc_programs import add_what_the_manual_names, programs, run_programs
from live_home import LiveHome, live_home

# Of the programs of others, and of a report of days that are not complete.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHome]:
    with live_home(tmp_path_factory.mktemp("live") / "home", advertisers=1, ads=4) as live:
        add_what_the_manual_names(live, runs=4)
        yield live


@pytest.mark.parametrize("page", ["python.md", "readers.md"])
def test_the_programs_of_a_page_run(live: LiveHome, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADREEL_HOME", live.folder)
    names = run_programs(programs(page))
    names["home"].close()
