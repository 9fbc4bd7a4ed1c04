"""`adreel validate`, `plan`, `preview`, `run`, `cancel`, `history`."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adreel.access import DatasetRight
from adreel.cli import CommandContext
from adreel.cli.context import Opened, opened, seen
from adreel.cli.files import read_text
from adreel.cli.output import SQL_NULL, confirm, messages, print_json, print_table, say, text
from adreel.datasets import service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.files import read
from adreel.datasets.schema import columns, key
from adreel.datasets.stored import source_of
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
)
from adreel.pipeline.plan import Plan
from adreel.store import IN_PROGRESS, Account, Run, RunState, SavedDataset
from adreel.store import Progress as RunProgress

if TYPE_CHECKING:
    from adreel.pipeline.orders import DateRange
    from adreel.pipeline.preview import Asking, Planned
    from adreel.pipeline.run import RunReport

PREVIEW_ROWS = 20
LISTED_ADVERTISERS = 20
"""Most advertisers that an estimate lists with their days."""


def _source(have: Opened, name: str | None, file: Path | None, right: DatasetRight) -> Source:
    """The dataset of a command: of a file, or a saved one. Raises ForbiddenError without the right to it."""
    if (name is None) == (file is None):
        raise InputError("Specify either the name of a saved dataset or a file (-f FILE).")
    if file is not None:
        return read(read_text(file))
    return source_of(have.guard.dataset(str(name), right))


def _with_account(
    have: Opened, name: str | None, file: Path | None, given: tuple[str | None, str | None]
) -> tuple[Dataset, Account]:
    """The dataset to estimate or preview, and its account. Raises ForbiddenError without the right to use it."""
    source = _source(have, name, file, DatasetRight.RUN)
    dataset = parse(_dated(source, _dates(given)), have.session.clock())
    saved = have.guard.dataset(name) if name is not None else None
    if saved is not None and saved.account_id is not None:
        return dataset, have.store.accounts.get(saved.account_id)
    return dataset, have.guard.usable(dataset.account)


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
    return Source({**source.values, "dates": {"start": dates[0], "end": dates[1]}}, source.lines)


def validate(session: CommandContext, name: str | None, file: Path | None, *, as_json: bool) -> None:
    """Prints the columns and primary key of a valid dataset. Raises DatasetError with every problem."""
    with opened(session) as have:
        try:
            source = _source(have, name, file, DatasetRight.SEE)
            dataset = parse(source, session.clock())
        except DatasetError as error:
            if as_json:
                print_json({"valid": False, "problems": [asdict(problem) for problem in error.problems]})
            raise
        if as_json:
            print_json({"valid": True, "problems": []})
        else:
            _print_valid(have, dataset)
            for line in service.losses(have.guard, dataset, have.lake(), session.clock()) if file else ():
                say(f"note: {line}")


def _print_valid(have: Opened, dataset: Dataset) -> None:
    say(f"{dataset.name!r} is valid: {len(columns(dataset)):,} columns, primary key {', '.join(key(dataset))}.")
    for note in dataset.notes:
        say(f"note: {note}")
    if not any(account.name == dataset.account for account in have.guard.accounts()):
        say(
            f"note: Account {dataset.account!r} is not connected. Connect it: adreel accounts connect {dataset.account}"
        )


def plan(
    session: CommandContext, name: str | None, file: Path | None, given: tuple[str | None, str | None], *, as_json: bool
) -> None:
    """Prints the estimate of a run: requests, rows per page, and minutes at the app's limit."""
    with opened(session) as have:
        planned = _plan(have, *_with_account(have, name, file, given))
        estimate = planned.plan
        facts = {
            "requests": estimate.request_count,
            "steps": estimate.chunk_count,
            "rows_per_page": estimate.page_size,
            "minutes": planned.minutes,
            "level": planned.level,
            "advertisers": sum(len(read.advertisers) for read in estimate.reads),
            "metric_batches": len(estimate.batches),
            "notes": list(estimate.notes),
        }
        if as_json:
            print_json(facts | {"days": [_days(pair) for pair in estimate.days()]})
        else:
            _print_plan(estimate, facts)


def _days(pair: Any) -> dict[str, Any]:
    advertiser, days = pair
    return {"advertiser_id": advertiser.id, "timezone": advertiser.zone, "start": days.start, "end": days.end}


def _print_plan(estimate: Plan, facts: Mapping[str, Any]) -> None:
    rows = [
        (advertiser.id, advertiser.name, advertiser.zone, days.start, days.end) for advertiser, days in estimate.days()
    ]
    if rows:
        print_table(("ad account", "name", "time zone", "start date", "end date"), rows[:LISTED_ADVERTISERS])
    if len(rows) > LISTED_ADVERTISERS:
        say(f"First {LISTED_ADVERTISERS} of {len(rows):,} ad accounts.")
    print_table(
        ("min. requests", "rows per page", "min. minutes", "app level", "steps"),
        [(facts["requests"], facts["rows_per_page"], facts["minutes"], facts["level"], facts["steps"])],
    )
    say("Each request reads one page. Steps with more rows than one page need more requests.")
    for note in estimate.notes:
        say(f"note: {note}")


def _plan(have: Opened, dataset: Dataset, account: Account) -> Planned:
    asking = _asking(have)
    planned = asking.planned(dataset, account, asyncio.run(asking.advertisers(account)))
    for advertiser_id, reason in planned.unreadable.items():
        say(f"note: Ad account {advertiser_id} cannot be read: {reason}.")
    return planned


def _asking(have: Opened) -> Asking:
    # Imported here: it takes 0.1 s, which `adreel run` saves.
    from adreel.pipeline.preview import Asking

    return Asking(have.settings, have.store, have.session.clock, have.session.transport, say)


def preview(
    session: CommandContext, name: str | None, file: Path | None, given: tuple[str | None, str | None], *, as_json: bool
) -> None:
    """Prints the first rows with the types of the table."""
    with opened(session) as have:
        dataset, account = _with_account(have, name, file, given)
        _plan(have, dataset, account)
        table = asyncio.run(_asking(have).preview(dataset, account, PREVIEW_ROWS))
        if as_json:
            print_json(table.to_pylist())
        elif table.num_rows:
            print_table(table.column_names, [tuple(row.values()) for row in table.to_pylist()], null=SQL_NULL)
        else:
            say("TikTok returned 0 rows for the first ad accounts on these days.")


def _to_run(have: Opened, name: str | None, file: Path | None, dates: DateRange | None) -> SavedDataset:
    """The dataset to run; one in a file is saved first, unless it cannot be run with these dates."""
    source, now = _source(have, name, file, DatasetRight.RUN), have.session.clock()
    if file is None:
        return have.guard.dataset(str(name), DatasetRight.RUN)
    dataset = parse(_dated(source, dates), now)
    own = dataset if dates is None else parse(source, now)
    for line in service.losses(have.guard, own, have.lake(), now):
        say(f"note: {line}")
    saved = service.save(have.guard, own, now)
    have.guard.need(DatasetRight.RUN, saved)
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
        with _terminated_as_interrupted(), opened(session) as have:
            dates = _dates(given)
            saved = _to_run(have, name, file, dates)
            _confirm_loss(have, saved, dates, yes=yes)
            before = have.store.runs.list(saved, limit=1)
            try:
                report = watched(have, saved, dates)
                code = have.store.runs.get(report.run_id).exit_code or ExitCode.OK
            finally:
                # The actual state: an interruption may arrive while the state is being written.
                own = tuple(seen(have, run) for run in have.store.runs.list(saved, limit=1) if run not in before)
    except (Exception, KeyboardInterrupt) as error:
        if as_json:
            print_json(_failure(disk_fault(error) or error, own))
        raise
    if as_json:
        print_json(report.as_json() | {"exit_code": int(code)})
    else:
        print_report(saved, report)
    if code is not ExitCode.OK:
        sys.exit(code)


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


def _confirm_loss(have: Opened, saved: SavedDataset, dates: DateRange | None, *, yes: bool) -> None:
    """Asks for confirmation of a backfill that removes rows from the table without reading them again.

    Raises ConfirmError without a terminal and `yes`.
    """
    if dates is None:
        return
    # Imported here: other commands do not need it.
    from adreel.pipeline.orders import Orders

    try:
        Orders(have.settings, have.store, clock=have.session.clock).refuse_loss(saved, dates)
    except ConfirmError as error:
        if not yes and not sys.stdin.isatty():
            raise ConfirmError(f"{error.message} To confirm, add --yes.", error.rows) from None
        say(error.message)
        confirm("Run the dataset?", yes=yes)


def _failure(error: BaseException, started: tuple[Run, ...]) -> dict[str, Any]:
    """What `run --json` prints of a run that failed, was cancelled, or (`run_id` null) never started."""
    if isinstance(error, KeyboardInterrupt):
        # Before or after the run itself, which turns an interruption into a CancelledError.
        ended = any(run.state is RunState.SUCCEEDED for run in started)
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
        message = f"Unexpected error: {error!r}. Report it with the text on stderr."
        answer = {"error": message, "error_kind": type(error).__name__, "exit_code": int(ExitCode.BUG)}
    # A run of another process, which prevented this one, is not reported as this command's.
    is_own = not isinstance(error, AdreelError) or isinstance(error, CancelledError | StorageError)
    own = next((run for run in started if is_own or run.error == str(error)), None)
    if isinstance(error, DatasetError):
        answer["problems"] = [asdict(problem) for problem in error.problems]
    if own is None:
        return {"run_id": None, "state": str(RunState.FAILED)} | answer
    counts = {name: getattr(own, name) for name in ("rows", "requests", "refused", "pages")}
    return {"run_id": own.id, "state": str(own.state), **answer, **counts}


def watched(have: Opened, saved: SavedDataset, dates: DateRange | None = None) -> RunReport:
    """Runs the dataset with a progress bar on stderr."""
    # Imported here: it takes 0.7 s, which the other commands save.
    from adreel.pipeline.run import Runner, Watch

    runner = Runner(have.settings, have.store, clock=have.session.clock, transport=have.session.transport)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, {task.fields[rows]} rows, {task.fields[pages]} pages{task.fields[left]}"),
        TimeElapsedColumn(),
        console=messages(),
    )
    with bar:
        task = bar.add_task(escape(saved.name), total=None, rows="0", pages="0", left="")

        def show(now: RunProgress) -> None:
            left = _left(now, bar.tasks[0].elapsed or 0)
            bar.update(
                task,
                completed=now.chunks_done,
                total=now.chunks_total or None,
                rows=f"{now.rows:,}",
                pages=f"{now.pages:,}",
                left=left,
            )

        def trouble(line: str) -> None:
            # Shown beside the bar until the next update; the log of the run keeps every line.
            bar.update(task, left=f", {escape(line)}" if bar.console.is_terminal else "")

        return runner.run(saved, Watch(show, say, trouble), dates)


def _left(now: RunProgress, elapsed: float) -> str:
    """The time left, estimated from the steps done in `elapsed` seconds; empty in the first 5 seconds."""
    if not now.chunks_done or now.chunks_done >= now.chunks_total or elapsed < 5:
        return ""
    seconds = elapsed / now.chunks_done * (now.chunks_total - now.chunks_done)
    return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"


def print_report(saved: SavedDataset, report: RunReport) -> None:
    """Prints a run: its figures, verification, skipped ad accounts and warnings."""
    proof = report.proof
    say(
        f"{saved.name}: {report.state}, {report.rows:,} rows in {report.seconds:.1f} s; {report.requests:,} requests, "
        f"{report.refused:,} rate-limited. Version {report.version} of {report.table}"
    )
    rows = [
        (
            _check_name(check),
            _number(check.expected),
            _number(check.got),
            "Matches" if check.agrees else "Differs",
        )
        for check in checks_of(proof)
    ]
    state = "Verified" if proof["proved"] else "Check failed"
    print_table(("check", "TikTok", "this run", "result"), rows, title=f"{state}: {checked_in(proof)}")
    for advertiser, reason in report.skipped_advertisers.items():
        say(f"Skipped ad account {advertiser}: {reason}")
    for warning in report.warnings:
        say(f"warning: {warning}")


def _check_name(check: Check) -> str:
    """The label of a check; a sum over several currencies is labeled as a checksum."""
    name = {"rows": "Rows", "keys": "Duplicate keys"}.get(check.kind, check.name)
    return f"{name} (checksum of mixed currencies)" if check.is_checksum else name


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def cancel(session: CommandContext, run_id: str) -> None:
    """Cancels a run, and ends one without a live process at once."""
    from adreel.pipeline.orders import Orders

    with opened(session) as have:
        run = have.guard.run(run_id, DatasetRight.RUN)
        Orders(have.settings, have.store, clock=session.clock).cancel(have.guard, run)
        say(f"Cancelling run {run.id} of {run.dataset_name!r}. The table stays unchanged.")


def history(session: CommandContext, name: str, run_id: str | None, *, as_json: bool) -> None:
    """Prints the runs of a dataset, or one run with its log."""
    with opened(session) as have:
        saved = have.guard.dataset(name)
        if run_id is not None:
            _print_run(have, saved, run_id, as_json=as_json)
            return
        runs = have.store.runs.list(saved)
        runs = (seen(have, runs[0]), *runs[1:]) if runs else ()
        if as_json:
            print_json([asdict(run) for run in runs])
        elif runs:
            heads = ("run", "started (UTC)", "state", "seconds", "requests", "rows", "version", "verified")
            less = ("requests", "seconds", "version", "verified", "rows", "started (UTC)")
            print_table((*heads, "error or warning"), [_row(run) for run in runs], hidden_first=less)
        else:
            say(f"{saved.name!r} has 0 runs. Run it: adreel run {saved.slug}")


def _row(run: Run) -> tuple[Any, ...]:
    ended = run.finished_at or run.heartbeat_at
    started = None if run.restores else run.started_at
    seconds = round((ended - started).total_seconds()) if ended and started else None
    proved = run.proof.get("proved")
    return (
        run.id,
        run.read_at,
        str(run.state),
        seconds,
        run.requests,
        run.rows,
        run.version,
        proved,
        run.error or next(iter(run.warnings), None),
    )


def _print_run(have: Opened, saved: SavedDataset, run_id: str, *, as_json: bool) -> None:
    run = have.guard.run(run_id)
    if run.dataset_id != saved.id:
        raise NotFoundError(f"Run {run.id} does not belong to dataset {saved.name!r}.")
    lines = have.store.runs.log_lines(run.id)
    if as_json:
        print_json(asdict(run) | {"log": [asdict(line) for line in lines]})
        return
    print_table(("", run.id), [(name, _plain(value)) for name, value in asdict(run).items() if name != "id"])
    for line in lines:
        say(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.text}")
    if run.state in IN_PROGRESS:
        say(f"Cancel it: adreel cancel {run.id}")


def _plain(value: Any) -> str:
    return str(dict(value)) if isinstance(value, Mapping) else text(value)
