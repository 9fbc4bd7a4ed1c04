"""`adreel backfill` and `adreel backfills`: list, pause, resume, cancel."""

from __future__ import annotations

from typing import Any

from adreel.access import DatasetRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import print_json, print_table, say
from adreel.pipeline.backfill_orders import BackfillOrders, backfill_json, progress, visible
from adreel.pipeline.backfills import commands, run_of
from adreel.pipeline.orders import Orders
from adreel.store import IN_PROGRESS, Backfill, BackfillState, SavedDataset, Store


def start(session: CommandContext, name: str, days: tuple[str, str], *, as_json: bool) -> None:
    """A new backfill, which workers work off."""
    with open_home(session) as home:
        saved = home.guard.dataset(name, DatasetRight.RUN)
        backfill = _orders(home).start(home.guard, saved, days)
        if as_json:
            print_json(backfill_json(home.store, backfill, saved))
            return
        slices = -(-backfill.days // backfill.slice_days)
        number = f"{slices:,} slices" if slices > 1 else "1 slice"
        length = f" of {backfill.slice_days} day{'' if backfill.slice_days == 1 else 's'}" if slices > 1 else ""
        say(f"Backfill of {saved.name!r}, {backfill.first_day} to {backfill.last_day}: {number}{length}, newest first.")
        say(f"{progress(home.store, backfill).words}.")
        say(
            "Workers (adreel serve, or adreel worker) read it; other runs of the dataset go first. Progress: adreel "
            "backfills list"
        )


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """All backfills, latest first."""
    with open_home(session) as home:
        entries = list(visible(home.guard))
        if as_json:
            print_json([backfill_json(home.store, backfill, saved) for backfill, saved in entries])
        elif entries:
            heads = ("dataset", "days", "status", "progress", "started")
            print_table(heads, [_row(home.store, *entry) for entry in entries], hidden_first=("started",))
            for backfill, saved in entries:
                if backfill.reason:
                    say(f"{saved.name}: {backfill.reason} {commands(home.store, backfill, saved.slug)}")
        else:
            say("No backfills yet. Start one with: adreel backfill NAME --start 2026-01-01 --end 2026-06-30")


def _row(store: Store, backfill: Backfill, saved: SavedDataset) -> tuple[Any, ...]:
    days = f"{backfill.first_day} to {backfill.last_day}"
    is_over = backfill.ended_at is not None
    done = f"{backfill.days_done:,} of {backfill.days:,} days" if is_over else progress(store, backfill).words
    return saved.name, days, backfill.state.label, done, f"{backfill.created_at:%Y-%m-%d %H:%M}"


def pause(session: CommandContext, name: str) -> None:
    """No further slice begins."""
    with open_home(session) as home:
        saved, backfill = _open(home, name)
        _orders(home).pause(home.guard, backfill)
        say(f"Paused the backfill of {saved.name!r}. Resume: adreel backfills resume {saved.slug}")


def resume(session: CommandContext, name: str, *, accept: bool) -> None:
    """A paused backfill goes on."""
    with open_home(session) as home:
        saved, backfill = _open(home, name)
        resumed = _orders(home).resume(home.guard, backfill, accept=accept)
        if resumed.state is BackfillState.DONE:
            say(f"The backfill of {saved.name!r} is done.")
        else:
            say(f"Resumed the backfill of {saved.name!r}: {progress(home.store, resumed).words}.")


def cancel(session: CommandContext, name: str) -> None:
    """Days that were read stay."""
    with open_home(session) as home:
        saved, backfill = _open(home, name)
        cancelled = _orders(home).cancel(home.guard, backfill)
        run = run_of(home.store, cancelled)
        # The process stops when it sees the order, and a run that is already committing ends with its days.
        in_progress = run is not None and run.state in IN_PROGRESS
        rest = " The slice in progress is being cancelled; if it ends first, its days stay too." if in_progress else ""
        say(f"Cancelled the backfill of {saved.name!r}. The {cancelled.days_done:,} days that it read stay.{rest}")


def _orders(home: OpenHome) -> BackfillOrders:
    return BackfillOrders(Orders(home.settings, home.store, clock=home.session.clock))


def _open(home: OpenHome, name: str) -> tuple[SavedDataset, Backfill]:
    saved = home.guard.dataset(name, DatasetRight.RUN)
    return saved, home.store.backfills.open_of(saved)
