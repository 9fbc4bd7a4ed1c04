"""Each page of the docs in Chromium, in both themes, and all of them from a wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import browser
from adreel.manual.contents import Contents, folder
from browser import WIDE, Person, Town, opened, visiting
from home import make_home
from test_browser_axe import look

chromium = browser.chromium

ROOT = Path(__file__).parents[2]

CONTENTS = Contents.read(folder())

PATHS = [entry.path for entry in CONTENTS.entries]

LONGEST = 60_000
"""Characters of a page that axe reads in seconds. Longer ones are tables of the reference, all made alike."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with opened(make_home(tmp_path_factory.mktemp("manual") / "home", advertisers=1, ads=1)) as opened_town:
        yield opened_town


@pytest.fixture(scope="module")
def reader(chromium: Browser, town: Town) -> Iterator[Person]:
    with visiting(chromium, town, None, reduced_motion="reduce") as person:
        yield person


@pytest.mark.parametrize("path", [entry.path for entry in CONTENTS.entries if len(CONTENTS.text(entry)) < LONGEST])
def test_a_page_of_the_docs_is_accessible_in_both_themes_and_fits_a_phone(reader: Person, path: str) -> None:
    reader.page.emulate_media(color_scheme="light")
    reader.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    reader.goto(path)
    look(reader.page)
    faults = reader.take_faults()
    assert not faults, "\n".join(faults)


def test_search_answers_while_a_person_types_and_with_enter(reader: Person) -> None:
    page = reader.page
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    reader.goto("/docs")
    page.get_by_role("searchbox", name="Search the docs").fill("look-back")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Search the docs")).to_be_visible()
    page.get_by_role("searchbox", name="Search the docs").fill("restore a backup")
    page.get_by_role("link", name=re.compile(r"^Backup, restore and upgrades\s+Restore$")).click()
    expect(page.get_by_role("heading", name="Restore", exact=True)).to_be_in_viewport()


def test_a_wheel_has_the_docs_and_shows_them_anywhere(tmp_path: Path) -> None:
    built = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    program = (
        "from adreel.web.pages.manual import Manual\n"
        "manual = Manual()\n"
        "for entry in manual.contents.entries:\n"
        "    assert 'table_open' not in manual.page(entry).html\n"
        "print(manual.contents.root, len(manual.contents.entries), len(manual.index.find('duckdb')))\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environ, check=True, capture_output=True, text=True
    )
    root, pages, hits = done.stdout.split()
    assert root == str(tmp_path / "installed" / "adreel" / "manual" / "docs")
    assert int(pages) == len(PATHS)
    assert int(hits) > 5
