"""`adreel schedules`: list, show, set, pause, resume, explain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

from adreel.access import DatasetRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import print_json, print_table, say
from adreel.datasets import schedules
from adreel.datasets.status import standing, standings
from adreel.datasets.stored import retry_of, schedule_of, timing_of
from adreel.errors import InputError
from adreel.scheduling import Meaning, meaning_of, words
from adreel.scheduling.durations import written_duration, written_retry
from adreel.scheduling.reading import written
from adreel.store import SavedDataset

if TYPE_CHECKING:
    from adreel.pipeline.estimate import Estimate


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """What is due next."""
    with open_home(session) as home:
        zone = home.store.workspace.get().zone
        entries = schedules.scheduled(standings(home.store, home.guard, session.clock()))
        if as_json:
            print_json([_values(entry, zone) for entry in entries])
        elif entries:
            local = () if zone == "UTC" else (f"next run ({zone})",)
            heads = ("dataset", "schedule", "next run (UTC)", *local, "last run", "status")
            print_table(heads, [_row(entry, zone) for entry in entries], hidden_first=("status", "last run"))
        else:
            say('No dataset has a schedule yet. Set one with: adreel schedules set NAME --every "6 hours"')


def _values(entry: schedules.Scheduled, zone: str) -> dict[str, Any]:
    saved, latest = entry.standing.saved, entry.standing.latest
    due = saved.next_run_at
    return {
        "dataset": saved.slug,
        "name": saved.name,
        "words": words(entry.schedule),
        "next": {"utc": due, "local": due.astimezone(ZoneInfo(zone)).isoformat()} if due else None,
        "zone": zone,
        "paused_at": saved.paused_at,
        "last_run": {"run_id": latest.id, "state": latest.state, "created_at": latest.created_at} if latest else None,
        "status": str(entry.standing.status),
    }


def _row(entry: schedules.Scheduled, zone: str) -> tuple[Any, ...]:
    saved = entry.standing.saved
    pause = f"paused since {saved.paused_at:%Y-%m-%d}" if saved.paused_at else "none"
    due = saved.next_run_at
    times = (f"{due:%Y-%m-%d %H:%M}" if due else pause, _local(due, zone))
    ran = f"{entry.standing.ran_at:%Y-%m-%d %H:%M}" if entry.standing.ran_at else None
    return (
        saved.name,
        words(entry.schedule),
        *times[: 1 if zone == "UTC" else 2],
        ran,
        entry.standing.status.label,
    )


def _local(time: datetime | None, zone: str) -> str | None:
    return f"{time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if time else None


def show(session: CommandContext, name: str, *, as_json: bool) -> None:
    """A dataset's schedule with its next times."""
    with open_home(session) as home:
        _show(home, home.guard.dataset(name), as_json=as_json)


def _show(home: OpenHome, saved: SavedDataset, *, as_json: bool) -> None:
    meaning = meaning_of(schedule_of(saved), home.session.clock(), home.store.workspace.get().zone)
    estimate = _estimate(home, saved) if meaning.runs_per_day else None
    load = estimate.daily_text(meaning.runs_per_day) if estimate else None
    retry, stale_after = retry_of(saved), timing_of(saved).stale_after
    if as_json:
        print_json(
            {"dataset": saved.slug, "name": saved.name}
            | schedules.times_of(saved, meaning)
            | {
                "load": load,
                "retry": written_retry(retry),
                "stale_after": written_duration(stale_after) if stale_after else None,
            }
        )
        return
    if saved.paused_at:
        typer.echo(f"Paused since {saved.paused_at:%Y-%m-%d %H:%M} UTC. Resume: adreel schedules resume {saved.slug}")
    _print(meaning, "next runs if resumed now" if saved.paused_at else "next runs")
    if load:
        typer.echo(f"{load[:1].upper()}{load[1:]}.")
    if stale_after:
        say(f"Stale if not updated for {written_duration(stale_after)}.")
    if meaning.times:
        retries = f"{retry.times} retries, {written_duration(retry.wait)} apart" if retry else "no retries"
        say(f"After a failed scheduled run: {retries}.")
        current = standing(home.store, home.guard, saved, home.session.clock())
        if current.words:
            say(f"{current.status.label}: {current.words}")


def _estimate(home: OpenHome, saved: SavedDataset) -> Estimate | None:
    # Imported here: Arrow and TikTok's client, which the other commands need not load.
    from adreel.pipeline.preview import Asking

    return Asking(home.settings, home.store, home.session.clock).estimate(saved)


def _print(meaning: Meaning, head: str = "next runs") -> None:
    typer.echo(f"{meaning.words}.")
    if meaning.times:
        zone = () if meaning.zone == "UTC" else (meaning.zone,)
        rows = [
            (f"{time.utc:%a %Y-%m-%d %H:%M}", f"{time.local:%a %Y-%m-%d %H:%M}")[: 1 + len(zone)]
            for time in meaning.times
        ]
        print_table((f"{head} (UTC)", *zone), rows)
    for note in meaning.notes:
        typer.echo(note)


def explain(session: CommandContext, options: Mapping[str, Any], *, as_json: bool) -> None:
    """What a schedule means; nothing is saved."""
    value = value_of(options)
    if value is None:
        raise InputError("Give a cron expression, or --every. Example: adreel schedules explain '0 6 * * MON'")
    with open_home(session) as home:
        meaning = meaning_of(schedules.schedule_in(value), session.clock(), home.store.workspace.get().zone)
        if as_json:
            print_json(meaning.values())
        else:
            _print(meaning)


def value_of(options: Mapping[str, Any]) -> Any:
    """The schedule of the options, as dataset files have it; None without any. InputError for options that conflict."""
    given = {key: _unwrapped(value) for key, value in options.items() if value not in (None, [], False)}
    if given.pop("manual", False):
        if given:
            raise InputError(f"--manual cannot be combined with {', '.join(f'--{key}' for key in given)}.")
        return "manual"
    if "cron" in given and "every" in given:
        raise InputError("--cron and --every cannot be combined; give one of them.")
    return given or None


def _unwrapped(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def either(cron: str | None, option: str | None) -> str | None:
    """The cron expression, which may be an argument or an option, as `cron` is a key in dataset files."""
    if cron is not None and option is not None:
        raise InputError("Give the cron expression once.")
    return cron if option is None else option


def change(
    session: CommandContext,
    name: str,
    options: Mapping[str, Any],
    *,
    retries: int | None,
    wait: str | None,
    stale_after: str | None,
) -> None:
    """Another schedule, other retries or another stale warning."""
    changes: dict[str, Any] = {}
    schedule = value_of(options)
    if schedule is not None:
        changes["schedule"] = schedule
    if stale_after is not None:
        changes["stale_after"] = None if stale_after == "never" else stale_after
    with open_home(session) as home:
        saved = home.guard.dataset(name, DatasetRight.EDIT)
        if isinstance(schedule, dict) and not schedule.keys() & {"cron", "every"}:
            changes["schedule"] = _completed(saved, schedule)
        if retries is not None or wait is not None:
            before = written_retry(retry_of(saved)) or {}
            times = before.get("times", 3) if retries is None else retries
            changes["retry"] = {"times": times, "wait": wait or before.get("wait", "15 minutes")} if times else False
        if not changes:
            raise InputError('Nothing to set. Example: adreel schedules set NAME --every "6 hours"')
        changed = schedules.retimed(home.guard, saved, changes, session.clock())
        if saved.stale_after is not None and changed.stale_after is None and stale_after is None:
            say("note: the stale warning is removed: it is for datasets that are updated manually.")
        _show(home, changed, as_json=False)


def _completed(saved: SavedDataset, given: Mapping[str, Any]) -> dict[str, Any]:
    """The dataset's present schedule with the options that were given. InputError without times to change."""
    present = written(schedule_of(saved))
    if not isinstance(present, Mapping) or "every" not in present:
        options = ", ".join(f"--{key}" for key in given)
        raise InputError(f"{options} needs --every. Example: adreel schedules set {saved.slug} --every day --at 07:00")
    return {**present, **given}


def pause(session: CommandContext, names: Iterable[str]) -> None:
    """No more scheduled runs until resumed."""
    with open_home(session) as home:
        for saved in [home.guard.dataset(name, DatasetRight.EDIT) for name in names]:
            schedules.pause(home.guard, saved)
            say(f"Paused the schedule of {saved.name!r}. Resume: adreel schedules resume {saved.slug}")


def resume(session: CommandContext, names: Iterable[str]) -> None:
    """Scheduled runs from now on."""
    with open_home(session) as home:
        for saved in [home.guard.dataset(name, DatasetRight.EDIT) for name in names]:
            due = schedules.resume(home.guard, saved).next_run_at
            say(f"Resumed the schedule of {saved.name!r}. {f'Next run: {due:%Y-%m-%d %H:%M} UTC.' if due else ''}")
