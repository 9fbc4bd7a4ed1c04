import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from home import Home, make_home

if TYPE_CHECKING:
    from postgres import PostgresServer
    from web_home import Site

# Seeds are given and nothing is left behind: the same examples on every machine, and no store of failures.
settings.register_profile("adreel", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("adreel")

# A shell starts what runs in the background deaf to control-c, and so would be the processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


# These files take ten seconds of a processor and more. At the end, the other processes would wait for them alone.
FIRST = (
    "test_worker_faults",
    "test_accessibility",
    "test_dbt_package",
    "test_pipeline",
    "test_dlt_databases",
    "test_spark",
    "test_publishing",
    "test_layout_datasets",
    "test_api_operations",
    "test_fuzzed_answers",
    "test_readers",
    "test_airflow",
    "test_cli_serving",
    "test_margin_networks",
    "test_publishing_faults",
    "test_publishing_files",
    "test_layouts",
    "test_manual_long",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of the folder of long ones as slow, and lets the slowest files come first."""
    for item in items:
        if item.path.parent.name == "integrations":
            item.add_marker("slow")
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """Leaves what was imported out of garbage collection, which was a fifth of the time of tests of pages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the developer's own settings out of the tests."""
    for name in os.environ:
        # COLUMNS and LINES: the terminal of whoever runs the tests, which pytest hands to its workers.
        if name.startswith("ADREEL_") or name in ("COLUMNS", "LINES"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def connected_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a home with an account, from which others are copied; nobody works in it."""
    home = make_home(tmp_path_factory.mktemp("connected") / "home")
    home.add_account()
    return home.path


@pytest.fixture
def home(tmp_path: Path, connected_home: Path) -> Home:
    """A home with three ordinary advertisers and an account that reads them."""
    shutil.copytree(connected_home, tmp_path / "home")
    return make_home(tmp_path / "home")


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A Postgres server; one for each process of the tests that needs it."""
    from postgres import postgres_server

    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every kind of database that a store can be in: ADREEL_DATABASE_URL of a fresh one, empty for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def store_folder(tmp_path: Path, database_url: str) -> Path:
    """The home folder of a store that is not there yet, whose settings say where its database is."""
    folder = tmp_path / "home"
    if database_url:
        folder.mkdir(mode=0o700)
        settings_file = folder / "adreel.env"
        settings_file.touch(0o600)
        settings_file.write_text(f"ADREEL_DATABASE_URL={database_url}\n")
    return folder


@pytest.fixture
def site(home: Home) -> Iterator["Site"]:
    """The Data Center over that home."""
    # Imported here: most tests have no use for the web.
    from web_home import open_site

    with open_site(home) as opened:
        yield opened
