"""`adreel validate`, `plan`, `preview`, `run`, `cancel`, `history`."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from adreel.access import DatasetRight
from adreel.cli import CommandContext
from adreel.cli.context import OpenHome, open_home
from adreel.cli.files import read_text
from adreel.cli.output import SQL_NULL, confirm, messages, print_json, print_table, say, text
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.files import read
from adreel.datasets.runs import rows_of, run_json, started_by, title, took
from adreel.datasets.schema import columns, key
from adreel.datasets.stored import account_id_of, publish_targets_of, source_of
from adreel.datasets.validation import parse
from adreel.datasets.verification import Check, checked_in, checks_of
from adreel.errors import (
    AdreelError,
    CancelledError,
    ConfirmError,
    DatasetError,
    ExitCode,
    InputError,
    NotFoundError,
    StorageError,
    disk_fault,
    error_id_of,
)
from adreel.store import IN_PROGRESS, SUCCESSFUL, Account, Run, RunState, SavedDataset
from adreel.store import Progress as RunProgress

if TYPE_CHECKING:
    from adreel.pipeline.orders import DateRange
    from adreel.pipeline.preview import Asking, Planned
    from adreel.pipeline.run import RunReport

PREVIEW_ROWS = 20
LISTED_ADVERTISERS = 20
"""Most advertisers that an estimate lists with their days."""


def _source(home: OpenHome, name: str | None, file: Path | None, right: DatasetRight) -> Source:
    """The dataset of a command: of a file, or a saved one. Raises ForbiddenError without the right to it."""
    if (name is None) == (file is None):
        raise InputError("Specify either the name of a saved dataset or a file (-f FILE).")
    if file is not None:
        return read(read_text(file))
    return source_of(home.guard.dataset(str(name), right))


def _with_account(
    home: OpenHome, name: str | None, file: Path | None, given: tuple[str | None, str | None]
) -> tuple[Dataset, Account]:
    """The dataset to estimate or preview, and its account. Raises ForbiddenError without the right to use it."""
    source = _source(home, name, file, DatasetRight.RUN)
    dataset = parse(_dated(source, _dates(given)), home.session.clock())
    saved = home.guard.dataset(name) if name is not None else None
    if saved is not None:
        return dataset, home.store.accounts.get(account_id_of(saved))
    return dataset, home.guard.usable(dataset.account)


def asked_dataset(home: OpenHome, name: str) -> tuple[SavedDataset, Dataset, Account, int]:
    """A saved dataset that may be run, its account, and the estimated number of requests."""
    saved = home.guard.dataset(name, DatasetRight.RUN)
    dataset, account = _with_account(home, name, None, (None, None))
    return saved, dataset, account, _plan(home, dataset, account).estimate.requests


def _dates(given: tuple[str | None, str | None]) -> DateRange | None:
    start, end = given
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InputError("--start and --end must be used together.")
    return start, end


def _dated(source: Source, dates: DateRange | None) -> Source:
    if dates is None:
        return source
    return source.with_values(dates={"start": dates[0], "end": dates[1]})


def validate(session: CommandContext, name: str | None, file: Path | None, *, as_json: bool) -> None:
    """Prints the columns and primary key of a valid dataset. Raises DatasetError with every problem."""
    with open_home(session) as home:
        try:
            source = _source(home, name, file, DatasetRight.SEE)
            saved = home.guard.dataset(name) if name is not None else None
            checked = service.checked(home.guard, source, session.clock(), saved)
            if checked.dataset is None:
                raise DatasetError(checked.problems)
        except DatasetError as error:
            if as_json:
                print_json({"valid": False, "problems": [asdict(problem) for problem in error.problems]})
            raise
        changes = service.changes(home.guard, checked.dataset, home.lake(), session.clock()) if file else ()
        if as_json:
            print_json({"valid": True, "problems": [], "notes": [*checked.notes, *changes]})
        else:
            _print_valid(checked.dataset, (*changes, *checked.notes))


def _print_valid(dataset: Dataset, notes: Iterable[str]) -> None:
    say(f"{dataset.name!r} is valid: {len(columns(dataset)):,} columns, primary key {', '.join(key(dataset))}.")
    for note in notes:
        say(f"note: {note}")


def plan(
    session: CommandContext, name: str | None, file: Path | None, given: tuple[str | None, str | None], *, as_json: bool
) -> None:
    """Prints the estimate of a run: requests, rows per page, and time at the rate limit of the app's API level."""
    with open_home(session) as home:
        saved = home.guard.dataset(name) if name is not None else None
        planned = _plan(home, *_with_account(home, name, file, given), saved, other_days=_dates(given) is not None)
        if as_json:
            print_json(planned.figures() | {"days": [_days(pair) for pair in planned.plan.days()]})
        else:
            _print_plan(planned)


def _days(pair: Any) -> dict[str, Any]:
    advertiser, days = pair
    return {"advertiser_id": advertiser.id, "timezone": advertiser.zone, "start": days.start, "end": days.end}


def _print_plan(planned: Planned) -> None:
    plan, estimate = planned.plan, planned.estimate
    rows = [(advertiser.id, advertiser.name, advertiser.zone, days.start, days.end) for advertiser, days in plan.days()]
    if rows:
        print_table(("ad account", "name", "time zone", "start date", "end date"), rows[:LISTED_ADVERTISERS])
    if len(rows) > LISTED_ADVERTISERS:
        say(f"First {LISTED_ADVERTISERS} of {len(rows):,} ad accounts.")
    print_table(
        ("requests", "time", "API level", "rows per page", "chunks"),
        [(estimate.requests_text, estimate.time_text, planned.level, plan.page_size, plan.chunk_count)],
    )
    say(estimate.basis_text)
    if estimate.choice.text:
        say(estimate.choice.text)
    if planned.lookback:
        say(planned.lookback.text)
    for note in plan.notes:
        say(f"note: {note}")


def _plan(
    home: OpenHome, dataset: Dataset, account: Account, saved: SavedDataset | None = None, *, other_days: bool = False
) -> Planned:
    # Imported here, as other commands do not need it.
    from adreel.connections import unreadable_notes

    asking = _asking(home)
    advertisers = asyncio.run(asking.advertisers(account))
    planned = asking.planned(dataset, account, advertisers, saved, other_days=other_days)
    for note in unreadable_notes(planned.covering, skip_failing=dataset.skip_failing):
        say(f"note: {note}")
    return planned


def _asking(home: OpenHome) -> Asking:
    # Imported here: it takes 0.1 s, which `adreel run` saves.
    from adreel.pipeline.preview import Asking

    return Asking(home.settings, home.store, home.session.clock, home.session.transport, say)


def preview(
    session: CommandContext, name: str | None, file: Path | None, given: tuple[str | None, str | None], *, as_json: bool
) -> None:
    """Prints the first rows with the types of the table."""
    with open_home(session) as home:
        dataset, account = _with_account(home, name, file, given)
        _plan(home, dataset, account)
        table = asyncio.run(_asking(home).preview(dataset, account, PREVIEW_ROWS))
        if as_json:
            print_json(table.to_pylist())
        elif table.num_rows:
            print_table(table.column_names, [tuple(row.values()) for row in table.to_pylist()], null=SQL_NULL)
        else:
            say("TikTok returned 0 rows for the first ad accounts on these days.")


def _to_run(home: OpenHome, name: str | None, file: Path | None, dates: DateRange | None) -> SavedDataset:
    """The dataset to run; one in a file is saved first, unless it cannot be run with these dates."""
    source, now = _source(home, name, file, DatasetRight.RUN), home.session.clock()
    if file is None:
        return home.guard.dataset(str(name), DatasetRight.RUN)
    dataset = parse(_dated(source, dates), now)
    own = dataset if dates is None else parse(source, now)
    for line in service.changes(home.guard, own, home.lake(), now):
        say(f"note: {line}")
    saved = service.save(home.guard, own, now)
    home.guard.need(DatasetRight.RUN, saved)
    return saved


def run(
    session: CommandContext,
    name: str | None,
    file: Path | None,
    given: tuple[str | None, str | None],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Runs a dataset and prints its report; exits with the exit code of the run."""
    own: tuple[Run, ...] = ()
    try:
        with _terminated_as_interrupted(), open_home(session) as home:
            dates = _dates(given)
            saved = _to_run(home, name, file, dates)
            _confirm_loss(home, saved, dates, yes=yes)
            before = home.store.runs.list(saved, limit=1)
            try:
                report = watched(home, saved, dates)
                ended = home.store.runs.get(report.run_id)
            finally:
                # The actual state: an interruption may arrive while the state is being written.
                own = tuple(home.store.seen(run) for run in home.store.runs.list(saved, limit=1) if run not in before)
    except (Exception, KeyboardInterrupt) as error:
        if as_json:
            print_json(_failure(disk_fault(error) or error, own))
        raise
    if as_json:
        print_json(run_json(ended) | {name: getattr(report, name) for name in ("seconds", "table", "resumed")})
    else:
        print_report(saved, report)
    if ended.state in SUCCESSFUL and publish_targets_of(saved):
        say(f"Not published yet: adreel serve and adreel worker do so. Without them: adreel publish {saved.slug}")
    if ended.exit_code:
        sys.exit(ended.exit_code)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Ends the block like Ctrl-C when a scheduler ends the process by SIGTERM: with a report and a run to resume."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _confirm_loss(home: OpenHome, saved: SavedDataset, dates: DateRange | None, *, yes: bool) -> None:
    """Asks for confirmation of a backfill that removes rows from the table without reading them again.

    Raises ConfirmError without a terminal and `yes`.
    """
    if dates is None:
        return
    # Imported here: other commands do not need it.
    from adreel.pipeline.orders import Orders

    try:
        Orders(home.settings, home.store, clock=home.session.clock).refuse_loss(saved, dates)
    except ConfirmError as error:
        if not yes and not sys.stdin.isatty():
            raise ConfirmError(f"{error.message} To confirm, add --yes.", error.rows) from None
        say(error.message)
        confirm("Run the dataset?", yes=yes)


def _failure(error: BaseException, started: tuple[Run, ...]) -> dict[str, Any]:
    """What `run --json` prints of a run that failed, was cancelled, or (`run_id` null) never started."""
    if isinstance(error, KeyboardInterrupt):
        # Before or after the run itself, which turns an interruption into a CancelledError.
        ended = any(run.state in SUCCESSFUL for run in started)
        message = "Interrupted after the run ended." if ended else "Interrupted."
        answer: dict[str, Any] = {"error": message, "error_kind": "KeyboardInterrupt", "exit_code": 130}
    elif isinstance(error, AdreelError):
        answer = {
            "error": str(error),
            "error_kind": type(error).__name__,
            "exit_code": int(error.exit_code),
            "tiktok_code": error.code,
            "request_id": error.request_id,
        }
    else:
        message = (
            f"Unexpected error {error_id_of(error)}: {error!r}. Send the traceback on stderr, which has this error ID, "
            "to the developers of adreel."
        )
        answer = {"error": message, "error_kind": type(error).__name__, "exit_code": int(ExitCode.BUG)}
    # A run of another process, which prevented this one, is not reported as this command's.
    is_own = not isinstance(error, AdreelError) or isinstance(error, CancelledError | StorageError)
    own = next((run for run in started if is_own or run.error == str(error)), None)
    if isinstance(error, DatasetError):
        answer["problems"] = [asdict(problem) for problem in error.problems]
    if own is None:
        return {"run_id": None, "state": str(RunState.FAILED)} | answer
    return run_json(own) | answer


def watched(home: OpenHome, saved: SavedDataset, dates: DateRange | None = None) -> RunReport:
    """Runs the dataset with a progress bar on stderr."""
    # Imported here: it takes 0.7 s, which the other commands save.
    from adreel.pipeline.run import Runner, Watch

    runner = Runner(home.settings, home.store, clock=home.session.clock, transport=home.session.transport)
    from adreel.pipeline.progress import progress_words

    bar = Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        TaskProgressColumn(table_column=Column(no_wrap=True, width=4)),
        TimeElapsedColumn(table_column=Column(no_wrap=True, width=7)),
        TextColumn("{task.fields[words]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        console=messages(),
        expand=True,
    )
    with bar:
        task = bar.add_task(escape(saved.name), total=1.0, words="")

        def show(now: RunProgress) -> None:
            took = timedelta(seconds=bar.tasks[0].elapsed or 0)
            bar.update(task, completed=now.share, words=escape(" · ".join(progress_words(now, took))))

        def trouble(line: str) -> None:
            # Shown beside the bar until the next update; the log of the run keeps every line.
            if bar.console.is_terminal:
                bar.update(task, words=escape(line))

        return runner.run(saved, Watch(show, say, trouble), dates)


def print_report(saved: SavedDataset, report: RunReport) -> None:
    """Prints a run: its figures, verification, skipped ad accounts and warnings."""
    say(
        f"{saved.name}: {report.state.label}, {report.rows:,} rows in {report.seconds:.1f} s; "
        f"{report.requests:,} requests{f', {report.refused:,} rate-limited' if report.refused else ''}. "
        f"Version {report.version} of {report.table}"
    )
    _print_checks(report.state, report.verification)
    for advertiser, reason in report.skipped.items():
        say(f"Skipped ad account {advertiser}: {reason}")
    for note in report.notes:
        say(f"note: {note}")
    for warning in report.warnings:
        say(f"warning: {warning}")


def _print_checks(state: RunState, verification: Mapping[str, Any]) -> None:
    """Prints the figures of TikTok beside those of the rows."""
    rows = [
        (
            _check_name(check),
            _number(check.expected),
            _number(check.actual),
            "Matches" if check.agrees else "Differs",
        )
        for check in checks_of(verification)
    ]
    label = (RunState.VERIFIED if state.verified else RunState.CHECK_FAILED).label
    title = ": ".join(filter(None, (label, checked_in(verification))))
    print_table(("check", "TikTok", "rows read", "result"), rows, title=title)


def _check_name(check: Check) -> str:
    """The label of a check; a sum over several currencies is labeled as a checksum."""
    name = {"rows": "Rows", "keys": "Duplicate keys"}.get(check.kind, check.name)
    return f"{name} (checksum of mixed currencies)" if check.is_checksum else name


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def cancel(session: CommandContext, run_id: str) -> None:
    """Asks a run to stop, and ends one without a live process at once."""
    from adreel.pipeline.orders import Orders, cancel_words

    with open_home(session) as home:
        run = home.guard.run(run_id, DatasetRight.RUN)
        say(cancel_words(Orders(home.settings, home.store, clock=session.clock).cancel(home.guard, run)))


def history(session: CommandContext, name: str, run_id: str | None, *, as_json: bool) -> None:
    """Prints the runs and restores of a dataset, or one of them with its log."""
    with open_home(session) as home:
        try:
            saved = home.guard.dataset(name)
        except NotFoundError as error:
            if run_id is not None:
                raise
            saved, run_id = _dataset_of(home, name, error), name
        if run_id is not None:
            _print_run(home, saved, run_id, as_json=as_json)
            return
        runs = home.store.runs.list(saved)
        runs = (home.store.seen(runs[0]), *runs[1:]) if runs else ()
        if as_json:
            print_json([run_json(run) for run in runs])
        elif runs:
            heads = ("run", "started (UTC)", "state", "seconds", "requests", "rows", "version", "triggered by")
            less = ("requests", "seconds", "version", "triggered by", "rows", "started (UTC)")
            print_table((*heads, "details"), [_row(run, session.clock()) for run in runs], hidden_first=less)
        else:
            say(f"{saved.name!r} has 0 runs. Run it: adreel run {saved.slug}")


def _dataset_of(home: OpenHome, run_id: str, error: NotFoundError) -> SavedDataset:
    """The dataset of the run; raises `error` if there is no such run or its dataset was deleted."""
    try:
        run = home.guard.run(run_id)
    except NotFoundError:
        raise error from None
    if run.dataset_id is None:
        raise error
    return home.guard.dataset(run.dataset_id)


def _row(run: Run, now: datetime) -> tuple[Any, ...]:
    skipped = f"{len(run.skipped):,} ad account{'s' if len(run.skipped) != 1 else ''} skipped" if run.skipped else ""
    details = (title(run), run.error or next(iter(run.warnings), "") or skipped)
    return (
        run.id,
        run.started_at or run.created_at,
        run.state.label,
        _seconds(run, now),
        None if run.restores else run.requests,
        rows_of(run),
        run.version,
        started_by(run),
        ": ".join(filter(None, details)) or None,
    )


def _seconds(run: Run, now: datetime) -> int | None:
    duration = took(run, now)
    return round(duration.total_seconds()) if duration is not None else None


def _print_run(home: OpenHome, saved: SavedDataset, run_id: str, *, as_json: bool) -> None:
    run = home.guard.run(run_id)
    if run.dataset_id != saved.id:
        raise NotFoundError(f"Run {run.id} does not belong to dataset {saved.name!r}.")
    run = home.store.seen(run)
    lines = home.store.runs.log_lines(run.id)
    if as_json:
        print_json(run_json(run) | {"log": [asdict(line) for line in lines]})
        return
    print_table(("run", run.id), _facts(run, home.session.clock()))
    if run.verification:
        _print_checks(run.state, run.verification)
    if run.version is not None:
        _print_advertisers(home, saved, run.version)
    if run.skipped:
        print_table(("ad account skipped", "reason"), list(run.skipped.items()))
    for head, texts in (("note", run.notes), ("warning", run.warnings)):
        if texts:
            print_table((head,), [(line,) for line in texts])
    if lines:
        print_table(("time (UTC)", "log"), [(f"{line.at:%Y-%m-%d %H:%M:%S}", line.text) for line in lines])
    if run.state in IN_PROGRESS:
        say(f"Cancel it: adreel cancel {run.id}")


def _facts(run: Run, now: datetime) -> list[tuple[str, str]]:
    """What is known of a run; what does not apply is left out."""
    exit_code = run.exit_code
    by = f"{text(run.created_at)} by {started_by(run)}"
    facts: list[tuple[str, Any]] = [
        ("Dataset", run.dataset_name),
        ("Type", title(run) or "Run of the dataset's dates"),
        ("State", f"{run.state.label}. {run.meaning}"),
        ("Error", run.error or None),
        ("Triggered (UTC)", by),
        ("Started (UTC)", run.started_at),
        ("Finished (UTC)", run.finished_at),
        ("Seconds", _seconds(run, now)),
        (
            "Exit code",
            f"{int(exit_code)} ({exit_code.name.lower().replace('_', ' ')})" if exit_code is not None else None,
        ),
    ]
    if run.restores:
        facts += [("Rows read at (UTC)", run.read_at), ("Rows restored", rows_of(run))]
    else:
        requests = f"{run.requests:,}"
        if run.state in IN_PROGRESS and run.requests_planned > run.requests:
            requests += f" of about {run.requests_planned:,}"
        facts += [("Requests", requests), ("Rate-limited", run.refused or None), ("Pages", run.pages)]
        facts += [("Rows read", run.rows), ("Chunks", f"{run.chunks_done:,} of {run.chunks_total:,}")]
    facts += [
        ("Version", run.version),
        ("Rows of the table", run.table_rows),
        ("Columns of the table", run.table_columns),
    ]
    return [(name, text(value)) for name, value in facts if value is not None]


def _print_advertisers(home: OpenHome, saved: SavedDataset, version: int) -> None:
    """Prints how many rows the version has of each ad account, if it can still be read."""
    counts: Counter[str] = Counter()
    with suppress(NotFoundError, InputError):
        for batch in home.lake().read(saved.table_slug, version, columns=("advertiser_id",)):
            counts.update(str(value) for value in batch.column(0).to_pylist())
    if counts:
        rows = counts.most_common(LISTED_ADVERTISERS)
        print_table(("ad account", "rows of the table"), rows)
        if len(counts) > len(rows):
            say(f"First {len(rows)} of {len(counts):,} ad accounts.")
