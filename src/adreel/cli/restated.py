"""`adreel restatements`: what TikTok restated, of all datasets or day by day of one."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.output import counted, print_json, print_table, say
from adreel.datasets.restatement import amount
from adreel.datasets.restatement_calendar import RestatementCalendar, calendar
from adreel.dates import Span, read_day
from adreel.errors import InputError
from adreel.monitoring.home import Restated, restated
from adreel.store import SavedDataset

ALL_AT_ONCE = 1_000_000
"""A command reads all versions that nobody has looked at yet."""


def restatements(
    session: CommandContext, name: str | None, figure: tuple[str, str], since: str | None, *, as_json: bool
) -> None:
    """Prints what TikTok restated: of all datasets since yesterday, or the days of one dataset.

    `figure` is a metric and the ID of an ad account, empty for the first and for all.
    """
    metric, advertiser = figure
    with open_home(session) as home:
        today = session.clock().astimezone(ZoneInfo(home.store.workspace.get().zone)).date()
        first = _first_day(since, today)
        if name is None:
            if metric:
                raise InputError("--metric requires the NAME of a dataset.")
            if advertiser:
                raise InputError("--advertiser requires the NAME of a dataset.")
            _all(home, session, first, as_json=as_json)
        else:
            _one(home, session, home.guard.dataset(name), figure, first, as_json=as_json)


def _first_day(text: str | None, today: date) -> date | None:
    """The day of the option, None without it. Raises InputError."""
    if text is None:
        return None
    try:
        return read_day(text).on(today)
    except ValueError:
        raise InputError(f"--since: {text!r} is not a day. Enter a day such as 2026-01-31 or today-7.") from None


def _all(home: OpenHome, session: CommandContext, first: date | None, *, as_json: bool) -> None:
    zone = ZoneInfo(home.store.workspace.get().zone)
    since = None if first is None else datetime.combine(first, time(), zone)
    findings = restated(home.store, home.lake(), home.guard, session.clock(), since=since, read_at_once=ALL_AT_ONCE)
    if as_json:
        print_json(findings.as_json())
    else:
        _print_all(findings)


def _print_all(findings: Restated) -> None:
    heads = ("ad account", "metric", "restated", "days", "dataset", "versions")
    rows = [
        (
            figure.advertiser_name or figure.advertiser_id,
            figure.title,
            amount(figure.amount, figure.currency, signed=True),
            _days([each.day for each in figure.days]),
            figure.dataset,
            f"{figure.before} to {figure.after}",
        )
        for figure in findings.figures
    ]
    if rows:
        print_table(heads, rows, hidden_first=("versions",))
    for total in findings.totals:
        say(f"{total.title}: {amount(total.amount, total.currency, signed=True)}.")
    for metric in findings.unchanged:
        say(f"{metric.title}: nothing restated.")
    for reading in findings.outdated:
        say(
            f"{reading.dataset_name} has no schedule and was read last at {reading.read_at:%Y-%m-%d %H:%M} UTC. "
            f"Run it: adreel run {reading.dataset}"
        )
    last = findings.last_compared
    if last is not None and not findings.versions:
        say(f"Last compared: {last.dataset_name}, {last.read_at:%Y-%m-%d %H:%M} UTC.")
    compared = f"{counted(findings.versions, 'version')} compared since {findings.since:%Y-%m-%d %H:%M} UTC."
    say(compared if rows else f"No restatements. {compared}")
    if findings.missing:
        say(f"{counted(findings.missing, 'dataset')} could not be read.")


def _days(days: list[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days):,} days, {days[0]} to {days[-1]}"


def _one(
    home: OpenHome,
    session: CommandContext,
    saved: SavedDataset,
    figure: tuple[str, str],
    first: date | None,
    *,
    as_json: bool,
) -> None:
    metric, advertiser = figure
    days = None if first is None else Span(first, date.max)
    shown = calendar(
        home.store,
        home.lake(),
        saved,
        session.clock(),
        key=metric,
        advertiser=advertiser,
        days=days,
        read_at_once=ALL_AT_ONCE,
    )
    if as_json:
        print_json(shown.as_json())
    else:
        _print_calendar(shown)


def _print_calendar(shown: RestatementCalendar) -> None:
    figure = shown.figure
    if figure is not None and shown.days:
        rows = [
            (
                day.day if place == 0 else "",
                move.advertiser_id,
                amount(move.amount, figure.currency, signed=True),
                f"{move.before} to {move.version}",
                move.read_at,
                move.run_id,
            )
            for day in shown.days
            for place, move in enumerate(day.moves)
        ]
        heads = ("day", "ad account", "restated", "versions", "read (UTC)", "run")
        print_table(heads, rows, hidden_first=("run",))
        total = amount(shown.amount, figure.currency, signed=True)
        say(f"{figure.title}: {total} on {counted(len(shown.days), 'day')}.")
        others = [each.key for each in shown.figures if each != figure and each.restated]
        if others:
            say(f"Other metrics (--metric): {', '.join(others)}.")
    else:
        compared = sum(1 for version in shown.versions if version.before is not None)
        say(f"No restatements. {counted(compared, 'version')} compared with the one before.")
    nothing = [each.key for each in shown.figures if not each.restated]
    if nothing:
        say(f"Nothing restated of: {', '.join(nothing)}.")
    if shown.missing:
        say(f"{counted(shown.missing, 'version')} could not be read.")
