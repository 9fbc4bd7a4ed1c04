"""`adreel status`: what runs, waits and fails."""

from __future__ import annotations

from datetime import datetime

from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import counted, print_json, print_table, say
from adreel.monitoring.status import HomeStatus, home_status


def status(session: CommandContext, *, as_json: bool) -> None:
    """Prints the state of the home."""
    with open_home(session) as home:
        state = home_status(home.store, home.guard, home.settings, session.clock())
    if as_json:
        print_json(state.as_json())
        return
    _print(state)


def _print(state: HomeStatus) -> None:
    if state.running:
        heads = ("running", "progress", "trigger", "started (UTC)", "run")
        rows = [(run.dataset_name, run.words, run.trigger, run.started_at, run.run_id) for run in state.running]
        print_table(heads, rows, hidden_first=("run", "trigger"))
    if state.queued:
        queue_heads = ("queued", "position", "reason", "trigger", "since (UTC)", "run")
        waiting = [
            (run.dataset_name, run.position, run.reason, run.trigger, run.created_at, run.run_id)
            for run in state.queued
        ]
        print_table(queue_heads, waiting, hidden_first=("run", "trigger"))
        if state.queued_total > len(state.queued):
            say(f"The first {len(state.queued):,} of {counted(state.queued_total, 'queued run')}.")
    trouble = [(account.name, account.status, account.words) for account in state.accounts]
    trouble += [(dataset.dataset_name, dataset.label, dataset.words) for dataset in state.failing]
    trouble += [(entry.dataset_name, "Backfill paused", f"{entry.words} {entry.command}") for entry in state.backfills]
    trouble += [
        (entry.dataset_name, f"Not published to {entry.destination}", entry.words) for entry in state.publications
    ]
    if trouble:
        print_table(("needs attention", "status", "reason"), trouble)
    if state.unread:
        unread = [(each.advertiser_name, each.advertiser_id, each.account) for each in state.unread]
        print_table(("ad account without a dataset", "ID", "account"), unread)
    if state.publishing:
        lag_heads = ("destination", "datasets behind", "oldest version (UTC)", "failed tries")
        lags = [(lag.destination, lag.datasets, lag.oldest_at, lag.failed_tries) for lag in state.publishing]
        print_table(lag_heads, lags)
    if state.workers:
        heads = ("worker", "process", "runs", "runs at once", "started (UTC)")
        workers = [(each.host, str(each.pid), each.runs, each.runs_at_once, each.started_at) for each in state.workers]
        print_table(heads, workers)
    if state.apps:
        app_heads = ("app", "level", "requests in 24 h", "refused", "since 00:00 UTC", "limit of the day")
        budgets = [
            (app.app_id, app.level, app.sent, app.refused, app.sent_today, app.limit_of_day) for app in state.apps
        ]
        print_table(app_heads, budgets)
    say(_summary(state))


def _summary(state: HomeStatus) -> str:
    parts = [f"{len(state.running):,} running", f"{state.queued_total:,} queued"]
    waiting = f", {counted(len(state.backfills), 'backfill')}" if state.backfills else ""
    waiting += f", {len(state.publications):,} not published" if state.publications else ""
    datasets, accounts = counted(len(state.failing), "dataset"), counted(len(state.accounts), "account")
    parts.append(f"{datasets}{waiting} and {accounts} to look at")
    if state.workers is not None:
        parts.append(counted(len(state.workers), "worker"))
    return f"{_moment(state.at)}: {', '.join(parts)}."


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
