"""`adreel worker`: works on the queue without the Data Center."""

from __future__ import annotations

import sys

from adreel.cli import CommandContext
from adreel.cli.context import open_store, settings_of
from adreel.cli.output import announce
from adreel.clock import wall_clock
from adreel.logs import set_up_logs
from adreel.worker import Worker, environment, stop_event


def work(session: CommandContext, runs_at_once: int) -> None:
    """Works on queued runs and starts those that are due, until interrupted."""
    settings = settings_of(session)
    set_up_logs(settings, sys.stderr)
    with open_store(session, settings) as store, stop_event() as stop:
        environ = environment(settings, session.environ)
        worker = Worker(settings, store, environ, clock=session.clock, wall=wall_clock, runs_at_once=runs_at_once)
        announce(
            settings, f"Worker started for {settings.home}, with {runs_at_once} runs at once (stop it with Ctrl-C)."
        )
        worker.run(stop)
    announce(settings, "The worker stopped. Runs in progress continue.")
