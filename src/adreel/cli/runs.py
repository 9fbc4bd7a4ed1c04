"""`adreel validate`, `plan`, `preview`, `run`, `cancel`, `history`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adreel.access import DatasetRight
from adreel.cli import Session
from adreel.cli.context import Opened, opened, seen
from adreel.cli.files import read_text
from adreel.cli.output import confirm, print_json, print_table, say, talk, text
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


def _source(have: Opened, name: str | None, file: Path | None, right: DatasetRight) -> Source:
    """The dataset that a command is about: a file, or a saved one with which the person has the right."""
    if (name is None) == (file is None):
        raise InputError("Name a saved dataset, or give a file with -f FILE; one of the two.")
    if file is not None:
        return read(read_text(file))
    return source_of(have.guard.dataset(str(name), right))


def _asked(
    have: Opened, name: str | None, file: Path | None, given: tuple[str | None, str | None]
) -> tuple[Dataset, Account]:
    """What a person wants to know more of before a run, and the account to ask with, which they may use for it."""
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
        raise InputError("--start and --end go together.")
    return start, end


def _dated(source: Source, dates: DateRange | None) -> Source:
    if dates is None:
        return source
    return Source({**source.values, "dates": {"start": dates[0], "end": dates[1]}}, source.lines)


def validate(session: Session, name: str | None, file: Path | None, *, as_json: bool) -> None:
    """Every problem of a dataset, or what it will make."""
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
            _tell_valid(have, dataset)
            for line in service.losses(have.guard, dataset, have.lake(), session.clock()) if file else ():
                say(f"note: {line}")


def _tell_valid(have: Opened, dataset: Dataset) -> None:
    found = columns(dataset)
    say(f"{dataset.name!r} is valid: {len(found)} columns, rows named by {', '.join(key(dataset))}.")
    for note in dataset.notes:
        say(f"note: {note}")
    if not any(account.name == dataset.account for account in have.guard.accounts()):
        say(f"note: no account {dataset.account!r} is connected yet; adreel accounts connect {dataset.account}")


def plan(
    session: Session, name: str | None, file: Path | None, given: tuple[str | None, str | None], *, as_json: bool
) -> None:
    """The requests of a run, its rows a page, and the minutes at the app's limit."""
    with opened(session) as have:
        planned = _plan(have, *_asked(have, name, file, given))
        made = planned.plan
        facts = {
            "requests": made.request_count,
            "steps": made.chunk_count,
            "rows_per_page": made.page_size,
            "minutes": planned.minutes,
            "level": planned.level,
            "advertisers": sum(len(read.advertisers) for read in made.reads),
            "metric_batches": len(made.batches),
            "notes": list(made.notes),
        }
        if as_json:
            print_json(facts | {"days": [_days(day) for day in made.days()]})
        else:
            _tell_plan(made, facts)


def _days(pair: Any) -> dict[str, Any]:
    advertiser, days = pair
    return {"advertiser_id": advertiser.id, "timezone": advertiser.zone, "start": days.start, "end": days.end}


def _tell_plan(made: Plan, facts: Mapping[str, Any]) -> None:
    rows = [(advertiser.id, advertiser.name, advertiser.zone, days.start, days.end) for advertiser, days in made.days()]
    if rows:
        print_table(("advertiser", "name", "time zone", "from", "to"), rows[:20])
    if len(rows) > 20:
        say(f"... and {len(rows) - 20:,} more advertisers.")
    print_table(
        ("requests at least", "rows a page", "minutes at least", "app level", "steps"),
        [(facts["requests"], facts["rows_per_page"], facts["minutes"], facts["level"], facts["steps"])],
    )
    say("Each request is for one page; where there are more rows, each further page is one more request.")
    for note in made.notes:
        say(f"note: {note}")


def _plan(have: Opened, dataset: Dataset, account: Account) -> Planned:
    asking = _asking(have)
    planned = asking.planned(dataset, account, asyncio.run(asking.advertisers(account)))
    for advertiser_id, reason in planned.unreadable.items():
        say(f"note: advertiser {advertiser_id} cannot be read: {reason}.")
    return planned


def _asking(have: Opened) -> Asking:
    # Imported here: 0.1 s that a run, which asks by itself, need not pay.
    from adreel.pipeline.preview import Asking

    return Asking(have.settings, have.store, have.session.clock, have.session.transport, say)


def preview(
    session: Session, name: str | None, file: Path | None, given: tuple[str | None, str | None], *, as_json: bool
) -> None:
    """Real first rows, typed as the table would have them."""
    with opened(session) as have:
        dataset, account = _asked(have, name, file, given)
        _plan(have, dataset, account)
        table = asyncio.run(_asking(have).preview(dataset, account, PREVIEW_ROWS))
        if as_json:
            print_json(table.to_pylist())
        elif table.num_rows:
            left_out = print_table(table.column_names, [tuple(row.values()) for row in table.to_pylist()], fit=True)
            if left_out:
                say(f"Not shown for want of room: {', '.join(left_out)}; --json has all.")
        else:
            say("TikTok has no rows for the first advertisers in these days.")


def _to_run(have: Opened, name: str | None, file: Path | None, dates: DateRange | None) -> SavedDataset:
    """The dataset to run, saved first if it is in a file; nothing is saved if it cannot be run with these dates."""
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
    session: Session,
    name: str | None,
    file: Path | None,
    given: tuple[str | None, str | None],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """A dataset run to its end; a file is saved as a dataset first."""
    own: tuple[Run, ...] = ()
    try:
        with opened(session) as have:
            dates = _dates(given)
            saved = _to_run(have, name, file, dates)
            _agree_to_loss(have, saved, dates, yes=yes)
            before = have.store.runs.list(saved, limit=1)
            try:
                report = watched(have, saved, dates)
                code = have.store.runs.get(report.run_id).exit_code or ExitCode.OK
            finally:
                # As it is, whatever is written down: an interruption may come while it is being written.
                own = tuple(seen(have, one) for one in have.store.runs.list(saved, limit=1) if one not in before)
    except (Exception, KeyboardInterrupt) as error:
        if as_json:
            print_json(_failure(disk_fault(error) or error, own))
        raise
    if as_json:
        print_json(report.as_json() | {"exit_code": int(code)})
    else:
        tell_report(saved, report)
    if code is not ExitCode.OK:
        sys.exit(code)


def _agree_to_loss(have: Opened, saved: SavedDataset, dates: DateRange | None, *, yes: bool) -> None:
    """Asks before a run for other days takes rows out of the table that it does not read again."""
    if dates is None:
        return
    # Imported here: what waits is no matter of the other commands.
    from adreel.pipeline.orders import Orders

    try:
        Orders(have.settings, have.store, clock=have.session.clock).refuse_loss(saved, dates)
    except ConfirmError as error:
        if not yes and not sys.stdin.isatty():
            raise ConfirmError(f"{error.message} Nobody can answer here; to agree, say --yes.", error.rows) from None
        say(error.message)
        confirm("Run it?", yes=yes)


def _failure(error: BaseException, begun: tuple[Run, ...]) -> dict[str, Any]:
    """What `run --json` prints of a run that failed, was stopped, or (`run_id` null) never began."""
    if isinstance(error, KeyboardInterrupt):
        # Before or after the run itself, which turns an interruption into a CancelledError.
        ended = any(one.state is RunState.SUCCEEDED for one in begun)
        words = "Interrupted after the run had ended." if ended else "Interrupted."
        known: dict[str, Any] = {"error": words, "error_kind": "KeyboardInterrupt", "exit_code": 130}
    elif isinstance(error, AdreelError):
        known = {
            "error": str(error),
            "error_kind": type(error).__name__,
            "exit_code": int(error.exit_code),
            "tiktok_code": error.code,
            "request_id": error.request_id,
        }
    else:
        words = f"Unexpected error: {error!r}. Please report it, with what stands on stderr."
        known = {"error": words, "error_kind": type(error).__name__, "exit_code": int(ExitCode.BUG)}
    # Another process's run of the dataset, which made this one impossible, is not this command's.
    certain = not isinstance(error, AdreelError) or isinstance(error, CancelledError | StorageError)
    ours = (one for one in begun if certain or one.error == str(error))
    own = next(ours, None)
    if isinstance(error, DatasetError):
        known["problems"] = [asdict(problem) for problem in error.problems]
    if own is None:
        return {"run_id": None, "state": str(RunState.FAILED)} | known
    counts = {name: getattr(own, name) for name in ("rows", "requests", "refused", "pages")}
    return {"run_id": own.id, "state": str(own.state), **known, **counts}


def watched(have: Opened, saved: SavedDataset, dates: DateRange | None = None) -> RunReport:
    """Runs the dataset with a progress bar on stderr."""
    # Imported here: 0.7 s that the other commands need not pay.
    from adreel.pipeline.run import Runner, Watch

    runner = Runner(have.settings, have.store, clock=have.session.clock, transport=have.session.transport)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps · {task.fields[rows]} rows · {task.fields[pages]} pages · {task.fields[left]}"),
        TimeElapsedColumn(),
        console=talk(),
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
            # Beside the bar, and gone with the next: the run's log keeps every line.
            bar.update(task, left=escape(line) if bar.console.is_terminal else "")

        return runner.run(saved, Watch(show, say, trouble), dates)


def _left(now: RunProgress, elapsed: float) -> str:
    """The minutes that are left, from the steps that are done."""
    if not now.chunks_done or now.chunks_done >= now.chunks_total or elapsed < 5:
        return ""
    seconds = elapsed / now.chunks_done * (now.chunks_total - now.chunks_done)
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def tell_report(saved: SavedDataset, report: RunReport) -> None:
    """What a run did and whether it is proved, in words."""
    proof = report.proof
    say(
        f"{saved.name}: {report.state}, {report.rows:,} rows in {report.seconds:.1f} s; {report.requests:,} requests, "
        f"{report.refused:,} refused. Version {report.version} of {report.table}"
    )
    rows = [
        (_check_name(check), _number(check.expected), _number(check.got), _mark(check.agrees))
        for check in checks_of(proof)
    ]
    state = "Proved" if proof["proved"] else "NOT PROVED"
    print_table(("proof", "TikTok says", "the table has", ""), rows, title=f"{state}: {checked_in(proof)}")
    for advertiser, reason in report.skipped_advertisers.items():
        say(f"skipped advertiser {advertiser}: {reason}")
    for warning in report.warnings:
        say(f"warning: {warning}")


def _check_name(check: Check) -> str:
    """A sum of money over several currencies is a checksum and not an amount, and says so."""
    name = "keys that repeat" if check.kind == "keys" else check.name
    return f"{name} (checksum over currencies, not an amount)" if check.is_checksum else name


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _mark(good: bool) -> str:
    return "ok" if good else "DIFFERS"


def cancel(session: Session, run_id: str) -> None:
    """Asks a run to stop; one whose process died is over at once."""
    from adreel.pipeline.orders import Orders

    with opened(session) as have:
        run = have.guard.run(run_id, DatasetRight.RUN)
        Orders(have.settings, have.store, clock=session.clock).cancel(have.guard, run)
        say(f"Run {run.id} of {run.dataset_name!r} is asked to stop; its table stays as it was.")


def history(session: Session, name: str, run_id: str | None, *, as_json: bool) -> None:
    """A dataset's runs, or one with all that is known of it."""
    with opened(session) as have:
        saved = have.guard.dataset(name)
        if run_id is not None:
            _one_run(have, saved, run_id, as_json=as_json)
            return
        runs = have.store.runs.list(saved)
        runs = (seen(have, runs[0]), *runs[1:]) if runs else ()
        if as_json:
            print_json([asdict(one) for one in runs])
        elif runs:
            heads = ("run", "started (UTC)", "state", "seconds", "requests", "rows", "version", "proved")
            print_table((*heads, "error or warning"), [_row(one) for one in runs], whole=True)
        else:
            say(f"{saved.name!r} has not run yet. Run it with: adreel run {saved.slug}")


def _row(one: Run) -> tuple[Any, ...]:
    ended = one.finished_at or one.heartbeat_at
    began = None if one.restores else one.started_at
    seconds = round((ended - began).total_seconds()) if ended and began else None
    proved = one.proof.get("proved")
    return (
        one.id,
        one.read_at,
        str(one.state),
        seconds,
        one.requests,
        one.rows,
        one.version,
        proved,
        one.error or next(iter(one.warnings), None),
    )


def _one_run(have: Opened, saved: SavedDataset, run_id: str, *, as_json: bool) -> None:
    one = have.guard.run(run_id)
    if one.dataset_id != saved.id:
        raise NotFoundError(f"The run {one.id} is of {one.dataset_name!r}, not of {saved.name!r}.")
    lines = have.store.runs.log_lines(one.id)
    if as_json:
        print_json(asdict(one) | {"log": [asdict(line) for line in lines]})
        return
    print_table(("", one.id), [(name, _plain(value)) for name, value in asdict(one).items() if name != "id"])
    for line in lines:
        say(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.text}")
    if one.state in IN_PROGRESS:
        say(f"Stop it with: adreel cancel {one.id}")


def _plain(value: Any) -> str:
    return str(dict(value)) if isinstance(value, Mapping) else text(value)
