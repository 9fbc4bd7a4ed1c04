"""A rotation of keys that is killed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from adreel.settings import Settings
from adreel.store import Store
from home import Home, environment_of
from test_cli_accounts import KILLER


def test_a_rotation_that_is_killed_anywhere_leaves_every_token_readable(home: Home) -> None:
    """Before each change of the key file in turn; that of the database is one transaction."""
    script = "import os, sys\nfrom adreel.cli import main\nleft = [int(sys.argv.pop(1))]\n" + KILLER
    environ = environment_of(home, "http://tiktok.test")
    for writes in range(10):
        words = [sys.executable, "-c", script, str(writes), "secrets", "rotate", "--new-key", "--drop-old"]
        ended = subprocess.run(words, env=environ, capture_output=True, check=False)
        with Store.open(Settings.load({"ADREEL_HOME": str(home.path)}), clock=lambda: home.now) as store:
            assert store.accounts.token(store.accounts.get("demo")) == home.token
        if ended.returncode == 0:
            break
        assert ended.returncode == 9, ended.stderr
    else:
        pytest.fail("the rotation never ended")
    assert writes == 4
