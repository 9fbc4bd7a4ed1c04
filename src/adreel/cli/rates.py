"""`adreel rates`: show, import, export, clear, validity."""

from __future__ import annotations

from pathlib import Path

import typer

from adreel import exchange_rates
from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.output import confirm, counted, print_json, print_table, say
from adreel.enumerations import first_of
from adreel.errors import InputError
from adreel.exchange_rates import MOST_BYTES, Direction, RatesChange, in_words, shown_rate

MOST_EXAMPLES = 40
MOST_JUMPS = 10


def show(session: CommandContext, *, as_json: bool) -> None:
    """Prints a line for each currency: its latest rate, its days, and what to check."""
    with open_home(session) as home:
        store = home.store.exchange_rates
        valid_days = store.valid_days()
        series = exchange_rates.series_of(store.list(), valid_days)
        if as_json:
            print_json({"valid_days": valid_days, "series": [each.as_json() for each in series]})
            return
        if not series:
            say("There are no exchange rates. Import some: adreel rates import FILE")
            return
        print_table(
            ("currency", "to", "latest rate", "first day", "last day", "rates", "days without"),
            [
                (
                    each.currency,
                    each.target,
                    shown_rate(each.latest.rate),
                    each.rates[0].day,
                    each.latest.day,
                    len(each.rates),
                    each.gap_days,
                )
                for each in series
            ],
        )
        say(f"A rate holds until the next one of its currency, and for at most {counted(valid_days, 'day')}.")
        _warn([jump.text for each in series for jump in each.jumps])


def import_file(
    session: CommandContext, path: Path, target: str, direction: str | None, *, replace: bool, yes: bool
) -> None:
    """Saves the rates of a CSV file, once a user has confirmed what that does."""
    if direction is not None and direction not in list(Direction):
        raise InputError(f"--direction: {direction[:40]!r} is not one of: {', '.join(Direction)}.")
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CHANGE_WORKSPACE)
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        rate_file = exchange_rates.read_rates(
            content,
            today=session.clock().date(),
            target=target,
            direction=Direction(direction) if direction is not None else None,
        )
        change = exchange_rates.preview(home.store, rate_file, replace_all=replace)
        _print_change(change)
        confirm("Delete all other rates and save these?" if replace else "Save these rates?", yes=yes)
        exchange_rates.save(home.guard, rate_file, path.name, replace_all=replace)
        say(f"Imported {counted(len(rate_file.rates), 'exchange rate')}.")


def _print_change(change: RatesChange) -> None:
    say(change.summary)
    if change.file.is_inverse:
        say("The file has units of each currency for one of the target, so they are inverted:")
    latest = {(rate.target, rate.currency): rate for rate in change.file.rates}
    for rate in list(latest.values())[:MOST_EXAMPLES]:
        say(f"  {in_words(rate)}")
    if len(latest) > MOST_EXAMPLES:
        say(f"  and {len(latest) - MOST_EXAMPLES:,} more")
    _warn([jump.text for jump in change.jumps])


def _warn(jumps: list[str]) -> None:
    if jumps:
        say(f"warning: more than 20 % from the rate before: {first_of(jumps, MOST_JUMPS)}")


def export(session: CommandContext, output: Path | None) -> None:
    """Writes all rates as CSV, to stdout without a file."""
    with open_home(session) as home:
        rates = home.store.exchange_rates.list()
        text = exchange_rates.as_csv(rates)
        if output is None:
            typer.echo(text, nl=False)
            return
        output.write_text(text, encoding="utf-8", newline="")
        say(f"Wrote {counted(len(rates), 'exchange rate')} to {output}.")


def clear(session: CommandContext, target: str | None, *, yes: bool) -> None:
    """Deletes the rates to a currency, or all, once a user has confirmed it."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.CHANGE_WORKSPACE)
        code = target.strip().upper() if target else None
        count = len(home.store.exchange_rates.list(code))
        confirm(f"Delete {counted(count, 'exchange rate')}{f' to {code}' if code else ''}?", yes=yes)
        deleted = exchange_rates.delete(home.guard, code)
        say(f"Deleted {counted(deleted, 'exchange rate')}.")


def validity(session: CommandContext, days: int) -> None:
    """Changes for how many days a rate holds."""
    with open_home(session) as home:
        exchange_rates.set_valid_days(home.guard, days)
        say(f"A rate now holds for at most {counted(days, 'day')}.")
