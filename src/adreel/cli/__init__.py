"""The command line: its commands, arguments and options. What a command does is in the other modules of this package.

Those are imported when their command runs, so that `adreel --help` loads typer and rich only. Data goes to stdout,
messages to stderr; exit codes are `adreel.errors.ExitCode`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from adreel.errors import AdreelError, ExitCode, NotFoundError, disk_faults_raised, error_id_of

if TYPE_CHECKING:
    import httpx2

    from adreel.sandbox import Sandbox


def _home_clock() -> Callable[[], datetime]:
    # Imported here: `adreel --help` needs no clock.
    from adreel.clock import HomeClock

    return HomeClock()


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What a command works with: environment variables, a clock of aware times, and a transport for tests.

    `sandbox` is where SQL runs; a command that has none starts one.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], datetime] = field(default_factory=_home_clock)
    transport: httpx2.AsyncBaseTransport | None = None
    sandbox: Sandbox | None = None


PANELS = ("Try out", "Manage", "Look up", "Run", "Tables", "Data Center")
"""The groups of commands, in the order of `adreel --help`."""


_MEANT = MappingProxyType(
    {
        "runs": "history NAME",
        "log": "history NAME --run RUN",
        "logs": "history NAME --run RUN",
        "list": "datasets list",
        "ls": "datasets list",
        "show": "datasets show NAME",
        "create": "datasets create",
        "start": "run NAME",
        "connect": "accounts connect NAME",
        "sql": "query",
    }
)
"""Words that people try as commands, and the commands that do what they mean."""


class _Commands(TyperGroup):
    """Turns adreel's errors into a message on stderr and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands by panel."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: PANELS.index(getattr(self.commands[name], "rich_help_panel", "")))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command; for a word of another meaning than its spelling, the error names the command that is meant."""
        meant = _MEANT.get(args[0]) if args[0] not in self.commands else None
        if meant:
            ctx.fail(f"No such command {args[0]!r}. Did you mean: adreel {meant}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Reads the arguments, and prints `--help` and `--version`."""
        with _errors_printed():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command. Raises typer.Exit with the exit code of an AdreelError."""
        with _errors_printed():
            answer = super().invoke(ctx)
            # Flushed here, where a full disk still becomes an error message.
            sys.stdout.flush()
        return answer


@contextmanager
def _errors_printed() -> Iterator[None]:
    """Prints an AdreelError. Raises typer.Exit with its exit code."""
    try:
        with disk_faults_raised():
            yield
    except AdreelError as error:
        # Where stderr is on the same full disk, only the exit code is left.
        with suppress(OSError):
            _print_error(f"{error}{_list_hint(error)}")
        _discard_unwritable(sys.stdout)
        _discard_unwritable(sys.stderr)
        raise typer.Exit(int(error.exit_code)) from error


def _list_hint(error: AdreelError) -> str:
    """Where the right name is found, if none is like the wrong one."""
    if not isinstance(error, NotFoundError) or not error.kind or error.nearest:
        return ""
    return f" List all with: adreel {error.kind}s list"


def _discard_unwritable(stream: TextIO) -> None:
    """Drops what cannot be written: else the interpreter tries again at its end, and exits with a code of its own."""
    try:
        stream.flush()
    except OSError:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)


def _print_error(message: str) -> None:
    for line in message.splitlines():
        typer.secho(f"error: {line}", err=True, fg="red" if sys.stderr.isatty() else None)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="TikTok Ads reports as verified, versioned tables on your own machine.",
    epilog="Try it: adreel demo. With your own app: adreel accounts connect NAME.",
)
catalog_commands = typer.Typer(no_args_is_help=True, help="Add to the catalogue, and compare it with TikTok.")
account_commands = typer.Typer(no_args_is_help=True, help="Connect and manage TikTok for Business accounts.")
dataset_commands = typer.Typer(no_args_is_help=True, help="Create, show, edit and delete datasets.")
schedule_commands = typer.Typer(help="Show what is due next; set, pause and resume the schedules of datasets.")
backfill_commands = typer.Typer(no_args_is_help=True, help="List, pause, resume and cancel backfills.")
user_commands = typer.Typer(no_args_is_help=True, help="Create users, and manage their roles, passwords and sign-in.")
app_commands = typer.Typer(no_args_is_help=True, help="Set the TikTok app that connections use.")
secret_commands = typer.Typer(no_args_is_help=True, help="Manage the encryption keys of access tokens.")
notification_commands = typer.Typer(no_args_is_help=True, help="Manage who is notified of failures and warnings.")
preset_commands = typer.Typer(no_args_is_help=True, help="List, save, rename, share and delete metric presets.")
link_commands = typer.Typer(no_args_is_help=True, help="Manage links that give a table as CSV to spreadsheets.")
dashboard_commands = typer.Typer(no_args_is_help=True, help="Show, change, share, send and export dashboards.")
rate_commands = typer.Typer(no_args_is_help=True, help="Manage the exchange rates that charts convert money at.")
import_commands = typer.Typer(no_args_is_help=True, help="Create datasets from the settings of another connector.")
destination_commands = typer.Typer(no_args_is_help=True, help="Manage the databases that datasets publish to.")
app.add_typer(catalog_commands, name="catalog", rich_help_panel="Look up")
app.add_typer(account_commands, name="accounts", rich_help_panel="Manage")
app.add_typer(app_commands, name="app", rich_help_panel="Manage")
app.add_typer(dataset_commands, name="datasets", rich_help_panel="Manage")
app.add_typer(schedule_commands, name="schedules", rich_help_panel="Manage")
app.add_typer(backfill_commands, name="backfills", rich_help_panel="Manage")
app.add_typer(user_commands, name="users", rich_help_panel="Manage")
app.add_typer(secret_commands, name="secrets", rich_help_panel="Manage")
app.add_typer(notification_commands, name="notifications", rich_help_panel="Manage")
app.add_typer(preset_commands, name="presets", rich_help_panel="Manage")
app.add_typer(link_commands, name="links", rich_help_panel="Manage")
app.add_typer(dashboard_commands, name="dashboards", rich_help_panel="Manage")
app.add_typer(rate_commands, name="rates", rich_help_panel="Manage")
app.add_typer(destination_commands, name="destinations", rich_help_panel="Manage")
app.add_typer(import_commands, name="import", rich_help_panel="Manage")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[
    Path | None,
    typer.Option("-f", "--file", metavar="FILE", help="A dataset file.", exists=True, dir_okay=False, readable=True),
]
RequiredFile = Annotated[
    Path, typer.Option("-f", "--file", metavar="FILE", help="A dataset file.", exists=True, dir_okay=False)
]
Start = Annotated[str | None, typer.Option(help="Start date; overrides the dataset's dates.", metavar="DAY")]
End = Annotated[str | None, typer.Option(help="End date; overrides the dataset's dates.", metavar="DAY")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]
PresetName = Annotated[str, typer.Argument(metavar="NAME", help="The preset's name or ID.")]
DashboardName = Annotated[str, typer.Argument(metavar="NAME", help="The dashboard's name or ID.")]
DestinationName = Annotated[str, typer.Argument(metavar="NAME", help="The destination's name.")]
AddressId = Annotated[int, typer.Argument(metavar="ADDRESS", help="The ID of a notification address.")]
AccountName = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
UserName = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name or slug.")]
OptionalDataset = Annotated[str | None, typer.Argument(metavar="NAME", help="A saved dataset's name or slug.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="WORDS", help="Words to search for; all must match.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the URL of the consent page without opening it.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin instead of prompting.")
]
Paste = Annotated[
    bool, typer.Option("--paste", help="Paste the URL that TikTok redirected to; for a browser on another machine.")
]
Every = Annotated[
    str | None, typer.Option(metavar="INTERVAL", help="30 minutes, 6 hours, day, weekday, 2 weeks or month.")
]
At = Annotated[list[str] | None, typer.Option(metavar="TIME", help="Time of the day in UTC; can be repeated.")]
CronExpression = Annotated[str | None, typer.Argument(metavar="CRON", help="A cron expression in UTC, in quotes.")]
CronOption = Annotated[str | None, typer.Option("--cron", metavar="CRON", help="The same as the argument.")]
On = Annotated[list[str] | None, typer.Option(metavar="DAY", help="Day of a weekly schedule; can be repeated.")]
MonthDay = Annotated[str | None, typer.Option(metavar="DAY", help="Day of a monthly schedule: 1 to 31, or last.")]
Between = Annotated[
    str | None, typer.Option(metavar="HOURS", help="Active hours in UTC, such as 08:00-20:00; the end is not included.")
]
ScheduleStart = Annotated[str | None, typer.Option(metavar="TIME", help="First time in UTC, such as 2026-12-01T08:30.")]
DatasetNames = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or slugs of datasets.")]


def _version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"adreel {version('adreel')}")
        raise typer.Exit


@app.callback()
def _start(
    ctx: typer.Context,
    _version_requested: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.obj = ctx.obj or CommandContext()


@account_commands.command("connect")
def accounts_connect(
    ctx: typer.Context, name: AccountName, no_browser: NoBrowser = False, paste: Paste = False
) -> None:
    """Connect an account through TikTok's consent page."""
    from adreel.cli import accounts as act

    act.connect(ctx.obj, name, browser=not no_browser, paste=paste)


@account_commands.command("add")
def accounts_add(
    ctx: typer.Context,
    name: AccountName,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the access token from stdin. Required.")
    ] = False,
    advertisers: Annotated[
        str | None, typer.Option(metavar="ID,ID", help="Use only these ad accounts; no app ID or secret is required.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="Time zone of these ad accounts, such as UTC+08:00, if TikTok returns none (sandbox)."
        ),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Currency of these ad accounts, such as USD, if TikTok returns none (sandbox)."
        ),
    ] = None,
) -> None:
    """Add an account with an existing access token."""
    from adreel.cli import accounts as act

    act.add(ctx.obj, name, token_stdin=token_stdin, advertisers=advertisers, timezone=timezone, currency=currency)


@account_commands.command("list")
def accounts_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the accounts."""
    from adreel.cli import accounts as act

    act.show_all(ctx.obj, as_json=as_json)


@account_commands.command("rename")
def accounts_rename(
    ctx: typer.Context, name: AccountName, to: Annotated[str, typer.Argument(metavar="TO", help="The new name.")]
) -> None:
    """Rename an account."""
    from adreel.cli import accounts as act

    act.rename(ctx.obj, name, to)


@account_commands.command("reconnect")
def accounts_reconnect(
    ctx: typer.Context,
    name: AccountName,
    no_browser: NoBrowser = False,
    paste: Paste = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read a new access token from stdin.")] = False,
) -> None:
    """Reconnect an account whose access token expired or was revoked."""
    from adreel.cli import accounts as act

    act.reconnect(ctx.obj, name, browser=not no_browser, paste=paste, token_stdin=token_stdin)


@account_commands.command("delete")
def accounts_delete(
    ctx: typer.Context,
    name: AccountName,
    yes: Yes = False,
    revoke: Annotated[bool, typer.Option(help="Also revoke access in TikTok.")] = False,
) -> None:
    """Delete an account. Its datasets keep their data and are no longer updated."""
    from adreel.cli import accounts as act

    act.delete(ctx.obj, name, yes=yes, revoke=revoke)


@account_commands.command("share")
def accounts_share(
    ctx: typer.Context,
    name: AccountName,
    user: Annotated[str | None, typer.Argument(metavar="USER", help="The user to share with.")] = None,
    level: Annotated[
        str | None, typer.Argument(metavar="LEVEL", help="Access level: none, read, share, edit or owner.")
    ] = None,
    everyone: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Access level of every user: none, read, share or edit.")
    ] = None,
) -> None:
    """Share an account with a user or with everyone, or stop sharing it."""
    from adreel.cli import accounts as act

    act.share(ctx.obj, name, user, level, everyone)


@account_commands.command("shares")
def accounts_shares(ctx: typer.Context, name: AccountName, as_json: Json = False) -> None:
    """List the users that an account is shared with, and their access levels."""
    from adreel.cli import accounts as act

    act.shares(ctx.obj, name, as_json=as_json)


@account_commands.command("advertisers")
def accounts_advertisers(ctx: typer.Context, name: AccountName, as_json: Json = False) -> None:
    """Refresh the ad accounts of an account from TikTok, and list them."""
    from adreel.cli import accounts as act

    act.advertisers(ctx.obj, name, as_json=as_json)


@app_commands.command("set")
def app_set(
    ctx: typer.Context,
    app_id: Annotated[str, typer.Argument(metavar="APP_ID", help="ID of the app in TikTok's developer portal.")],
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the app's secret from stdin. Required.")
    ] = False,
) -> None:
    """Store the ID and secret of a TikTok app, encrypted. ADREEL_TIKTOK_APP_ID takes precedence over it."""
    from adreel.cli import tiktok_app as act

    act.set_app(ctx.obj, app_id, secret_stdin=secret_stdin)


@app_commands.command("show")
def app_show(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the TikTok app that new connections use, and where it is set."""
    from adreel.cli import tiktok_app as act

    act.show(ctx.obj, as_json=as_json)


@app_commands.command("test")
def app_test(ctx: typer.Context, as_json: Json = False) -> None:
    """Test the TikTok app with one request, and show what TikTok answers."""
    from adreel.cli import tiktok_app as act

    act.test(ctx.obj, as_json=as_json)


@app_commands.command("remove")
def app_remove(ctx: typer.Context, yes: Yes = False) -> None:
    """Remove the stored TikTok app. Asks for confirmation. Connected accounts keep it."""
    from adreel.cli import tiktok_app as act

    act.remove(ctx.obj, yes=yes)


@secret_commands.command("rotate")
def secrets_rotate(
    ctx: typer.Context,
    new_key: Annotated[bool, typer.Option("--new-key", help="Add a new key to secret.key first.")] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Remove the old keys from secret.key afterwards.")
    ] = False,
) -> None:
    """Encrypt all access tokens with the first key, so that other keys can be removed."""
    from adreel.cli import secrets as act

    act.rotate(ctx.obj, new_key=new_key, drop_old=drop_old)


@notification_commands.command("list")
def notifications_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the notification addresses that you may change."""
    from adreel.cli import notifications as act

    act.show_all(ctx.obj, as_json=as_json)


@notification_commands.command("add")
def notifications_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the address; default: its masked form.")] = "",
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only for this dataset; default: the workspace.")
    ] = None,
    personal: Annotated[bool, typer.Option("--personal", help="For the user in ADREEL_USER.")] = False,
    all_visible: Annotated[
        bool, typer.Option("--all-visible", help="With --personal: also for datasets that others own.")
    ] = False,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="failed, check_failed, warnings, reconnect, stale or restated."),
    ] = None,
    threshold: Annotated[
        str, typer.Option(metavar="SIZE", help="Least restatement, such as 0.1% of a sum, or 100 values.")
    ] = "0.1%",
    file: Annotated[
        Path | None,
        typer.Option("-f", "--file", metavar="FILE", help="Read the address from a file.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Add an address of apprise, such as mailto://… or jsons://…. Prompts for it, or reads it from stdin."""
    from adreel.cli import notifications as act
    from adreel.notify.subscriptions import NewSubscription

    wanted = NewSubscription("", name, tuple(kinds or ()), threshold, owned_only=not all_visible)
    act.add(ctx.obj, wanted, dataset=dataset, personal=personal, file=file)


@notification_commands.command("change")
def notifications_change(
    ctx: typer.Context,
    address: Annotated[int, typer.Argument(metavar="ID", help="The address's ID.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Another name.")] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Only these kinds from now on. Repeatable.")
    ] = None,
    threshold: Annotated[str | None, typer.Option(metavar="SIZE", help="Another least restatement.")] = None,
    new_address: Annotated[
        bool, typer.Option("--new-address", help="Another address, from a prompt or from stdin.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("-f", "--file", metavar="FILE", help="A file with another address.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Change a notification address. What is not given stays."""
    from adreel.cli import notifications as act
    from adreel.notify.subscriptions import SubscriptionChanges

    wanted = SubscriptionChanges(name=name, kinds=tuple(kinds) if kinds else None, threshold=threshold)
    act.change(ctx.obj, address, wanted, other_address=new_address, file=file)


@notification_commands.command("test")
def notifications_test(
    ctx: typer.Context, address: Annotated[int, typer.Argument(metavar="ID", help="The address's ID.")]
) -> None:
    """Send a test message at once, and print what came back."""
    from adreel.cli import notifications as act

    act.test(ctx.obj, address)


@notification_commands.command("remove")
def notifications_remove(
    ctx: typer.Context, address: Annotated[int, typer.Argument(metavar="ID", help="The address's ID.")]
) -> None:
    """Remove a notification address."""
    from adreel.cli import notifications as act

    act.remove(ctx.obj, address)


@preset_commands.command("list")
def presets_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the built-in presets, your own, and those that are shared."""
    from adreel.cli import presets as act

    act.show_all(ctx.obj, as_json=as_json)


@preset_commands.command("show")
def presets_show(ctx: typer.Context, name: PresetName, as_json: Json = False) -> None:
    """Print a preset's metrics as dataset files list them."""
    from adreel.cli import presets as act

    act.show(ctx.obj, name, as_json=as_json)


@preset_commands.command("save")
def presets_save(
    ctx: typer.Context,
    name: PresetName,
    metrics: Annotated[list[str] | None, typer.Argument(metavar="METRICS", help="Names of metrics, in order.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--from", metavar="DATASET", help="Take the metrics of this dataset.")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Share it with all users.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Change the preset of that name.")] = False,
) -> None:
    """Save metrics as a preset; datasets get its metrics when it is chosen."""
    from adreel.cli import presets as act

    act.save(ctx.obj, name, metrics or [], dataset, shared=shared, replace=replace)


@preset_commands.command("rename")
def presets_rename(
    ctx: typer.Context,
    name: PresetName,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="The new name.")],
) -> None:
    """Rename a preset."""
    from adreel.cli import presets as act

    act.rename(ctx.obj, name, new_name)


@preset_commands.command("share")
def presets_share(
    ctx: typer.Context,
    name: PresetName,
    stop: Annotated[bool, typer.Option("--stop", help="Do not share it any longer.")] = False,
) -> None:
    """Share a preset with all users."""
    from adreel.cli import presets as act

    act.share(ctx.obj, name, shared=not stop)


@preset_commands.command("delete")
def presets_delete(ctx: typer.Context, name: PresetName, yes: Yes = False) -> None:
    """Delete a preset; datasets made with it stay as they are."""
    from adreel.cli import presets as act

    act.delete(ctx.obj, name, yes=yes)


@link_commands.command("list")
def links_list(ctx: typer.Context, name: DatasetName, as_json: Json = False) -> None:
    """List the CSV links of a dataset's table."""
    from adreel.cli import links as act

    act.show_all(ctx.obj, name, as_json=as_json)


@link_commands.command("create")
def links_create(
    ctx: typer.Context,
    name: DatasetName,
    link_name: Annotated[str, typer.Argument(metavar="LINK", help="A name for the link.")],
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="COLUMN", help="Only these columns, in this order.")
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="FILTER", help="column:operator:value, such as 'spend:>=:10'."),
    ] = None,
    sorts: Annotated[
        list[str] | None, typer.Option("--sort", metavar="COLUMN", help="Sort by a column; -COLUMN for largest first.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, metavar="DAYS", help="Days until it expires; 0 for never.")] = 365,
) -> None:
    """Create a link that gives the newest rows as CSV without signing in, and print its Google Sheets formula once."""
    from adreel.cli import links as act

    act.create(ctx.obj, name, link_name, (columns or (), filters or (), sorts or ()), days or None)


@link_commands.command("revoke")
def links_revoke(
    ctx: typer.Context,
    name: DatasetName,
    link: Annotated[int, typer.Argument(metavar="ID", help="The link's ID.")],
    yes: Yes = False,
) -> None:
    """Revoke a CSV link. Asks for confirmation."""
    from adreel.cli import links as act

    act.revoke(ctx.obj, name, link, yes=yes)


@dashboard_commands.command("list")
def dashboards_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List your dashboards."""
    from adreel.cli import dashboards as act

    act.show_all(ctx.obj, as_json=as_json)


@dashboard_commands.command("show")
def dashboards_show(ctx: typer.Context, name: DashboardName, as_json: Json = False) -> None:
    """Print the figures of a dashboard's charts, and when it is sent."""
    from adreel.cli import dashboards as act

    act.show(ctx.obj, name, as_json=as_json)


@dashboard_commands.command("create")
def dashboards_create(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="A name for the dashboard.")]
) -> None:
    """Create a dashboard."""
    from adreel.cli import dashboards as act

    act.create(ctx.obj, name)


@dashboard_commands.command("pin")
def dashboards_pin(
    ctx: typer.Context,
    name: DashboardName,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or slug.")],
    card: Annotated[str, typer.Argument(metavar="CHART", help="The chart's key, such as spend.")],
    choices: Annotated[
        str, typer.Option("--choices", metavar="QUERY", help="Choices as in the Charts tab's address, such as days=7.")
    ] = "",
    title: Annotated[str, typer.Option("--title", metavar="TITLE", help="A title; the chart's own by default.")] = "",
) -> None:
    """Pin a chart of a dataset to a dashboard."""
    from adreel.cli import dashboards as act

    act.pin(ctx.obj, name, dataset, card, choices, title)


@dashboard_commands.command("unpin")
def dashboards_unpin(
    ctx: typer.Context,
    name: DashboardName,
    pin: Annotated[int, typer.Argument(metavar="ID", help="The chart's ID, from `dashboards show`.")],
) -> None:
    """Remove a chart from a dashboard."""
    from adreel.cli import dashboards as act

    act.unpin(ctx.obj, name, pin)


@dashboard_commands.command("rename")
def dashboards_rename(
    ctx: typer.Context,
    name: DashboardName,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="The new name.")],
) -> None:
    """Rename a dashboard."""
    from adreel.cli import dashboards as act

    act.rename(ctx.obj, name, new_name)


@dashboard_commands.command("share")
def dashboards_share(
    ctx: typer.Context,
    name: DashboardName,
    stop: Annotated[bool, typer.Option("--stop", help="Revoke the link.")] = False,
) -> None:
    """Share a dashboard with all users by a new link, and print it."""
    from adreel.cli import dashboards as act

    act.share(ctx.obj, name, stop=stop)


@dashboard_commands.command("deliver")
def dashboards_deliver(
    ctx: typer.Context,
    name: DashboardName,
    address: AddressId,
    at: Annotated[str, typer.Option(metavar="TIME", help="Time of the day in the workspace's zone.")] = "08:00",
    on: Annotated[list[str] | None, typer.Option(metavar="DAY", help="A weekday; can be repeated.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Do not send it any longer.")] = False,
) -> None:
    """Send a dashboard to a notification address at a time of the day."""
    from adreel.cli import dashboards as act

    act.deliver(ctx.obj, name, address, at, on or (), stop=stop)


@dashboard_commands.command("send")
def dashboards_send(ctx: typer.Context, name: DashboardName, address: AddressId) -> None:
    """Send a dashboard now to an address that it is sent to."""
    from adreel.cli import dashboards as act

    act.send(ctx.obj, name, address)


@dashboard_commands.command("export")
def dashboards_export(
    ctx: typer.Context,
    name: DashboardName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="A file.png or file.pdf.")],
) -> None:
    """Draw a dashboard as a picture or PDF."""
    from adreel.cli import dashboards as act

    act.export(ctx.obj, name, output)


@dashboard_commands.command("delete")
def dashboards_delete(ctx: typer.Context, name: DashboardName, yes: Yes = False) -> None:
    """Delete a dashboard; datasets stay."""
    from adreel.cli import dashboards as act

    act.delete(ctx.obj, name, yes=yes)


@rate_commands.command("show")
def rates_show(ctx: typer.Context, as_json: Json = False) -> None:
    """List the currencies with exchange rates, their days, and what to check."""
    from adreel.cli import rates as act

    act.show(ctx.obj, as_json=as_json)


@rate_commands.command("import")
def rates_import(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV file.", exists=True, dir_okay=False, readable=True)
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="CODE", help="The currency to convert to, for files that do not name it.")
    ] = "",
    direction: Annotated[
        str | None,
        typer.Option(
            metavar="DIRECTION",
            help="to_target: units of the target for 1 unit of the currency. from_target: the reverse, as the ECB.",
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete all other rates.")] = False,
    yes: Yes = False,
) -> None:
    """Import exchange rates from a CSV file. Asks for confirmation."""
    from adreel.cli import rates as act

    act.import_file(ctx.obj, file, target, direction, replace=replace, yes=yes)


@rate_commands.command("export")
def rates_export(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A .csv file; by default stdout.")
    ] = None,
) -> None:
    """Export all exchange rates as CSV."""
    from adreel.cli import rates as act

    act.export(ctx.obj, output)


@rate_commands.command("clear")
def rates_clear(
    ctx: typer.Context,
    target: Annotated[str | None, typer.Option("--to", metavar="CODE", help="Only rates to this currency.")] = None,
    yes: Yes = False,
) -> None:
    """Delete exchange rates. Asks for confirmation."""
    from adreel.cli import rates as act

    act.clear(ctx.obj, target, yes=yes)


@rate_commands.command("validity")
def rates_validity(
    ctx: typer.Context,
    days: Annotated[int, typer.Argument(metavar="DAYS", help="Days that a rate holds if no other follows.")],
) -> None:
    """Set for how many days a rate holds; 7 by default, 31 for monthly rates."""
    from adreel.cli import rates as act

    act.validity(ctx.obj, days)


@destination_commands.command("list")
def destinations_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the destinations, and how many datasets publish to each."""
    from adreel.cli import destinations as act

    act.show_all(ctx.obj, as_json=as_json)


@destination_commands.command("add")
def destinations_add(
    ctx: typer.Context,
    name: DestinationName,
    address: Annotated[
        str | None,
        typer.Argument(
            metavar="ADDRESS",
            help="The path of a DuckDB file, or an address without a password; by default a prompt or stdin.",
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEMA",
            help="The schema or folder of the tables, created if need be. Default: tiktok; tiktok_ads with the layout "
            "fivetran; tiktok_marketing with airbyte.",
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            metavar="LAYOUT",
            help="Which tables datasets fill: datasets (one each), fivetran, or airbyte.",
        ),
    ] = "datasets",
    file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="FILE", help="A file with the address.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Add a database, a folder or an object store, once adreel can write there."""
    from adreel.cli import destinations as act

    act.add(ctx.obj, name, address, schema=schema, layout=layout, file=file)


@destination_commands.command("create-datasets")
def destinations_create_datasets(
    ctx: typer.Context,
    name: DestinationName,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The account to read; by default the only one.")
    ] = None,
    daily: Annotated[
        bool, typer.Option("--daily", help="One row for each day at 00:00 in place of 24 hours: fewer requests.")
    ] = False,
    every: Annotated[
        str | None, typer.Option(metavar="INTERVAL", help='A schedule such as "6 hours"; by default none.')
    ] = None,
    smart_plus: Annotated[
        bool, typer.Option("--smart-plus", help="Also smart_plus_ad_history, which newer dbt packages read.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the dataset files and create nothing.")] = False,
) -> None:
    """Create the datasets that fill the tables of a destination with the layout of Fivetran."""
    from adreel.cli import destinations as act

    act.create_datasets(ctx.obj, name, account, daily=daily, every=every, smart_plus=smart_plus, dry_run=dry_run)


@destination_commands.command("change")
def destinations_change(
    ctx: typer.Context,
    name: DestinationName,
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="As of the command add. Not needed if only the schema changes."),
    ] = None,
    schema: Annotated[str | None, typer.Option(metavar="SCHEMA", help="Another schema of the tables.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="FILE", help="A file with the address.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Change the address of a destination, such as its password. At another place, tables are published anew."""
    from adreel.cli import destinations as act

    act.change(ctx.obj, name, address, schema=schema, file=file)


@destination_commands.command("test")
def destinations_test(ctx: typer.Context, name: DestinationName) -> None:
    """Check that adreel can write to a destination, and retry what failed there."""
    from adreel.cli import destinations as act

    act.test(ctx.obj, name)


@destination_commands.command("delete")
def destinations_delete(ctx: typer.Context, name: DestinationName) -> None:
    """Delete a destination that no dataset publishes to; its tables stay."""
    from adreel.cli import destinations as act

    act.delete(ctx.obj, name)


@destination_commands.command("attach")
def destinations_attach(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or slug.")],
    name: DestinationName,
    table: Annotated[
        str | None, typer.Option(metavar="TABLE", help="The table's name there; by default the dataset's slug.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also publish each row as every version had it, to TABLE_history.")
    ] = False,
) -> None:
    """Publish a dataset to a destination after each of its runs."""
    from adreel.cli import destinations as act

    act.attach(ctx.obj, dataset, name, table, history=history)


@destination_commands.command("detach")
def destinations_detach(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or slug.")],
    name: DestinationName,
) -> None:
    """Stop publishing a dataset to a destination; its table there stays."""
    from adreel.cli import destinations as act

    act.detach(ctx.obj, dataset, name)


@destination_commands.command("status")
def destinations_status(ctx: typer.Context, name: OptionalDataset = None, as_json: Json = False) -> None:
    """Show which version each destination has of a dataset, or of all datasets."""
    from adreel.cli import destinations as act

    act.published(ctx.obj, name, as_json=as_json)


SettingsFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Exported JSON, one file or several.", exists=True, dir_okay=False),
]
ImportAccount = Annotated[
    str | None, typer.Option("--account", metavar="ACCOUNT", help="The account to read; by default the only one.")
]
ImportDestination = Annotated[
    str | None, typer.Option("--to", metavar="DESTINATION", help="Publish the datasets to this destination.")
]
PrintOnly = Annotated[bool, typer.Option("--dry-run", help="Print the dataset files and create nothing.")]


@import_commands.command("airbyte")
def import_airbyte(
    ctx: typer.Context,
    files: SettingsFiles,
    account: ImportAccount = None,
    destination: ImportDestination = None,
    dry_run: PrintOnly = False,
) -> None:
    """Create datasets from an Airbyte catalog or connection, and the configuration of its source."""
    from adreel.cli import connectors as act

    act.import_settings(ctx.obj, "airbyte", files, account, destination, dry_run=dry_run)


@import_commands.command("fivetran")
def import_fivetran(
    ctx: typer.Context,
    files: SettingsFiles,
    account: ImportAccount = None,
    destination: ImportDestination = None,
    dry_run: PrintOnly = False,
) -> None:
    """Create datasets from a Fivetran connection and its schema, as its API returns them."""
    from adreel.cli import connectors as act

    act.import_settings(ctx.obj, "fivetran", files, account, destination, dry_run=dry_run)


@user_commands.command("list")
def users_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the users."""
    from adreel.cli import users as act

    act.show_all(ctx.obj, as_json=as_json)


@user_commands.command("add")
def users_add(
    ctx: typer.Context,
    name: UserName,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="admin, editor or viewer; the first user is an admin.")
    ] = "viewer",
    password_stdin: PasswordStdin = False,
) -> None:
    """Create a user. Prompts for the password."""
    from adreel.cli import users as act

    act.add(ctx.obj, name, role, password_stdin=password_stdin)


@user_commands.command("role")
def users_role(
    ctx: typer.Context,
    name: UserName,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="admin, editor or viewer.")],
) -> None:
    """Change the role of a user."""
    from adreel.cli import users as act

    act.set_role(ctx.obj, name, role)


@user_commands.command("password")
def users_password(
    ctx: typer.Context,
    name: UserName,
    password_stdin: PasswordStdin = False,
    keep_tokens: Annotated[
        bool, typer.Option("--keep-tokens", help="Keep your API tokens when you change your own password.")
    ] = False,
) -> None:
    """Change a user's password, sign them out everywhere and revoke their API tokens. Prompts for the password."""
    from adreel.cli import users as act

    act.set_password(ctx.obj, name, password_stdin=password_stdin, keep_tokens=keep_tokens)


@user_commands.command("disable")
def users_disable(ctx: typer.Context, name: UserName) -> None:
    """Disable the sign-in of a user. Their datasets and accounts are kept."""
    from adreel.cli import users as act

    act.disable(ctx.obj, name)


@user_commands.command("enable")
def users_enable(ctx: typer.Context, name: UserName) -> None:
    """Enable the sign-in of a user again."""
    from adreel.cli import users as act

    act.enable(ctx.obj, name)


@user_commands.command("delete")
def users_delete(
    ctx: typer.Context,
    name: UserName,
    heir: Annotated[
        str | None,
        typer.Option(metavar="USER", help="User who becomes the owner of accounts that have no other owner."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete a user. Their datasets are kept without an owner. Asks for confirmation."""
    from adreel.cli import users as act

    act.delete(ctx.obj, name, heir, yes=yes)


@app.command("reports", rich_help_panel="Look up")
def reports(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show only this report.")] = None,
    as_json: Json = False,
) -> None:
    """List the reports, or the menus of one report with their choices."""
    from adreel.cli import catalog

    catalog.reports(name, as_json=as_json)


@app.command("templates", rich_help_panel="Look up")
def templates(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this template as a dataset file.")] = None,
    as_json: Json = False,
) -> None:
    """List the templates: ready questions for new datasets; or print one as a dataset file."""
    from adreel.cli import catalog

    catalog.templates(name, as_json=as_json)


@app.command("metrics", rich_help_panel="Look up")
def metrics(ctx: typer.Context, words: Words = None, as_json: Json = False) -> None:
    """Search the metrics by name, title, synonyms and meaning."""
    from adreel.cli import catalog

    catalog.metrics(ctx.obj, words or [], as_json=as_json)


@app.command("calculated-metrics", rich_help_panel="Look up")
def calculated_metrics(words: Words = None, as_json: Json = False) -> None:
    """Search the ready-made calculated metrics, which datasets can have by name."""
    from adreel.cli import catalog

    catalog.calculated_metrics(words or [], as_json=as_json)


@app.command("dimensions", rich_help_panel="Look up")
def dimensions(ctx: typer.Context, words: Words = None, as_json: Json = False) -> None:
    """Search the dimensions by name, title and meaning."""
    from adreel.cli import catalog

    catalog.dimensions(ctx.obj, words or [], as_json=as_json)


@dataset_commands.command("create")
def datasets_create(
    ctx: typer.Context,
    file: File = None,
    template: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Create it from this template: see adreel templates.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --template: the account; default: the only one.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --template: the dataset's name; default: the template's.")
    ] = None,
) -> None:
    """Create a dataset from a file or from a template."""
    from adreel.cli import datasets as act

    act.create(ctx.obj, file, template=template, account=account, name=name)


@dataset_commands.command("import")
def datasets_import(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file with one or more datasets.", exists=True, dir_okay=False)
    ],
) -> None:
    """Import datasets of the older connector with their reports and metric names."""
    from adreel.cli import datasets as act

    act.bring_over(ctx.obj, file)


@dataset_commands.command("convert")
def datasets_convert(ctx: typer.Context, name: DatasetName) -> None:
    """Convert a dataset of a deprecated report to the Performance report."""
    from adreel.cli import datasets as act

    act.convert(ctx.obj, name)


@dataset_commands.command("list")
def datasets_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the datasets with their last runs."""
    from adreel.cli import datasets as act

    act.show_all(ctx.obj, as_json=as_json)


@dataset_commands.command("show")
def datasets_show(ctx: typer.Context, name: DatasetName) -> None:
    """Print a dataset as a dataset file."""
    from adreel.cli import datasets as act

    act.show(ctx.obj, name)


@dataset_commands.command("edit")
def datasets_edit(ctx: typer.Context, name: DatasetName, file: File = None) -> None:
    """Edit a dataset in your editor, or replace it with a file."""
    from adreel.cli import datasets as act

    act.edit(ctx.obj, name, file)


@dataset_commands.command("delete")
def datasets_delete(
    ctx: typer.Context,
    name: DatasetName,
    yes: Yes = False,
    keep_table: Annotated[bool, typer.Option("--keep-table", help="Keep the table; prints where it is.")] = False,
) -> None:
    """Delete a dataset and its table. Asks for confirmation."""
    from adreel.cli import datasets as act

    act.delete(ctx.obj, name, yes=yes, keep_table=keep_table)


@schedule_commands.callback(invoke_without_command=True)
def schedules_due(ctx: typer.Context) -> None:
    """Show what is due next; set, pause and resume the schedules of datasets."""
    if ctx.invoked_subcommand is None:
        schedules_list(ctx)


@schedule_commands.command("list")
def schedules_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the scheduled datasets, the next one due first."""
    from adreel.cli import schedules as act

    act.show_all(ctx.obj, as_json=as_json)


@schedule_commands.command("show")
def schedules_show(ctx: typer.Context, name: DatasetName, as_json: Json = False) -> None:
    """Show a dataset's schedule with its next runs."""
    from adreel.cli import schedules as act

    act.show(ctx.obj, name, as_json=as_json)


@schedule_commands.command("explain")
def schedules_explain(
    ctx: typer.Context,
    cron: CronExpression = None,
    every: Every = None,
    at: At = None,
    on: On = None,
    day: MonthDay = None,
    between: Between = None,
    start: ScheduleStart = None,
    cron_option: CronOption = None,
    as_json: Json = False,
) -> None:
    """Explain a schedule with its next runs, without saving it."""
    from adreel.cli import schedules as act

    options = {
        "cron": act.either(cron, cron_option),
        "every": every,
        "at": at,
        "on": on,
        "day": day,
        "between": between,
        "start": start,
    }
    act.explain(ctx.obj, options, as_json=as_json)


@schedule_commands.command("set")
def schedules_set(
    ctx: typer.Context,
    name: DatasetName,
    cron: CronExpression = None,
    every: Every = None,
    at: At = None,
    on: On = None,
    day: MonthDay = None,
    between: Between = None,
    start: ScheduleStart = None,
    cron_option: CronOption = None,
    manual: Annotated[bool, typer.Option("--manual", help="Remove the schedule: update manually.")] = False,
    retries: Annotated[
        int | None, typer.Option(metavar="TIMES", help="Retries of a scheduled run that failed; 0 for none.")
    ] = None,
    wait: Annotated[str | None, typer.Option(metavar="TIME", help="Wait between retries, such as 15 minutes.")] = None,
    stale_after: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Warn if a manual dataset is not updated for this time; never for no warning."
        ),
    ] = None,
) -> None:
    """Set a dataset's schedule, its retries or its stale warning."""
    from adreel.cli import schedules as act

    options = {
        "cron": act.either(cron, cron_option),
        "every": every,
        "at": at,
        "on": on,
        "day": day,
        "between": between,
        "start": start,
        "manual": manual,
    }
    act.change(ctx.obj, name, options, retries=retries, wait=wait, stale_after=stale_after)


@schedule_commands.command("pause")
def schedules_pause(ctx: typer.Context, names: DatasetNames) -> None:
    """Pause the schedules of datasets."""
    from adreel.cli import schedules as act

    act.pause(ctx.obj, names)


@schedule_commands.command("resume")
def schedules_resume(ctx: typer.Context, names: DatasetNames) -> None:
    """Resume the schedules of datasets. Runs missed during the pause are not repeated."""
    from adreel.cli import schedules as act

    act.resume(ctx.obj, names)


@app.command("validate", rich_help_panel="Run")
def validate(ctx: typer.Context, name: OptionalDataset = None, file: File = None, as_json: Json = False) -> None:
    """Validate a dataset against the catalog and list every problem."""
    from adreel.cli import runs

    runs.validate(ctx.obj, name, file, as_json=as_json)


@app.command("plan", rich_help_panel="Run")
def plan(
    ctx: typer.Context,
    name: OptionalDataset = None,
    file: File = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Estimate the requests and the time of a run, without requesting a report."""
    from adreel.cli import runs

    runs.plan(ctx.obj, name, file, (start, end), as_json=as_json)


@app.command("preview", rich_help_panel="Run")
def preview(
    ctx: typer.Context,
    name: OptionalDataset = None,
    file: File = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Preview the first rows without saving anything."""
    from adreel.cli import runs

    runs.preview(ctx.obj, name, file, (start, end), as_json=as_json)


@app.command("run", rich_help_panel="Run")
def run(
    ctx: typer.Context,
    name: OptionalDataset = None,
    file: File = None,
    start: Start = None,
    end: End = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run a dataset: read, verify, commit. An interrupted run is resumed.

    With --start and --end, only these days are replaced in the table; asks for confirmation if rows would be lost.
    """
    from adreel.cli import runs

    runs.run(ctx.obj, name, file, (start, end), yes=yes, as_json=as_json)


@catalog_commands.command("additions")
def catalog_additions(ctx: typer.Context, as_json: Json = False) -> None:
    """Check the file catalog.yaml of the home, and list what it adds to the catalogue.

    The file adds metrics, dimensions and values of TikTok's that this release of adreel does not know yet.
    """
    from adreel.cli import catalog

    catalog.additions(ctx.obj, as_json=as_json)


@catalog_commands.command("check")
def catalog_check(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Name of the account to ask with.")],
    advertiser: Annotated[
        str | None, typer.Option("--advertiser", metavar="ID", help="The ad account to ask for; default: the first.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the result as JSON.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the catalogue with what TikTok answers for an account, in at most 200 requests.

    The result names no ad account, campaign or figure, so that it can be sent to the project.
    """
    from adreel.cli import recording

    recording.check_catalog(ctx.obj, account, advertiser, output, as_json=as_json)


@app.command("record", rich_help_panel="Look up")
def record(
    ctx: typer.Context,
    name: DatasetName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
    yes: Yes = False,
) -> None:
    """Record what TikTok answers when a dataset is read, with all names, IDs, figures and days replaced.

    For faults that only show with your account: the file can be sent to the project and replayed in a test.
    """
    from adreel.cli import recording

    recording.write_record(ctx.obj, name, output, yes=yes)


@app.command("replay", rich_help_panel="Look up")
def replay(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A record, as adreel record writes it.")],
) -> None:
    """Read a dataset from a record instead of TikTok, and print what comes of it."""
    from adreel.cli import recording

    recording.replay_record(path)


@app.command("backfill", rich_help_panel="Run")
def backfill(
    ctx: typer.Context,
    name: DatasetName,
    start: Annotated[str, typer.Option(metavar="DAY", help="First day: 2026-01-31, or today-365.")],
    end: Annotated[str, typer.Option(metavar="DAY", help="Last day: 2026-06-30, or yesterday.")],
    as_json: Json = False,
) -> None:
    """Read earlier days in slices, newest first, by the workers. Other runs of the dataset go first.

    For a few days at once: adreel run NAME --start DAY --end DAY
    """
    from adreel.cli import backfills as act

    act.start(ctx.obj, name, (start, end), as_json=as_json)


@backfill_commands.command("list")
def backfills_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List backfills with their progress, latest first."""
    from adreel.cli import backfills as act

    act.show_all(ctx.obj, as_json=as_json)


@backfill_commands.command("pause")
def backfills_pause(ctx: typer.Context, name: DatasetName) -> None:
    """Pause a dataset's backfill. A slice in progress is read to its end."""
    from adreel.cli import backfills as act

    act.pause(ctx.obj, name)


@backfill_commands.command("resume")
def backfills_resume(
    ctx: typer.Context,
    name: DatasetName,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Leave the days of the latest slice as they are, and continue with the next slice. Later slices may "
            "skip the ad accounts that it skipped.",
        ),
    ] = False,
) -> None:
    """Resume a dataset's paused backfill. A slice that failed is read again."""
    from adreel.cli import backfills as act

    act.resume(ctx.obj, name, accept=accept)


@backfill_commands.command("cancel")
def backfills_cancel(ctx: typer.Context, name: DatasetName) -> None:
    """Cancel a dataset's backfill. The days that were read stay in the table."""
    from adreel.cli import backfills as act

    act.cancel(ctx.obj, name)


@app.command("cancel", rich_help_panel="Run")
def cancel(
    ctx: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's ID, or its first characters.")],
) -> None:
    """Cancel a run. If it is committing its rows by then, they stay; its state says how it ended."""
    from adreel.cli import runs

    runs.cancel(ctx.obj, run_id)


@app.command("history", rich_help_panel="Tables")
def history(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name, or the ID of one of its runs.")],
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Show this run with its verification, warnings and log.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the runs of a dataset, or show one run."""
    from adreel.cli import runs

    runs.history(ctx.obj, name, run_id, as_json=as_json)


@app.command("versions", rich_help_panel="Tables")
def versions(ctx: typer.Context, name: DatasetName, as_json: Json = False) -> None:
    """List the available versions of a dataset's table."""
    from adreel.cli import tables

    tables.versions(ctx.obj, name, as_json=as_json)


@app.command("restatements", rich_help_panel="Tables")
def restatements(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A dataset's name or slug. Default: all datasets.")
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="METRIC", help="With NAME: a metric, such as conversion or spend:EUR.")
    ] = "",
    advertiser: Annotated[str, typer.Option(metavar="ID", help="With NAME: only this ad account.")] = "",
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DAY",
            help="With NAME the first restated day, else the first day of runs. Default: all days; the last 24 hours.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what TikTok restated: cost and conversions since yesterday, or the days of one dataset."""
    from adreel.cli import restated

    restated.restatements(ctx.obj, name, (metric, advertiser), since, as_json=as_json)


@app.command("diff", rich_help_panel="Tables")
def diff(
    ctx: typer.Context,
    name: DatasetName,
    before: Annotated[
        int | None, typer.Argument(metavar="V1", help="The earlier version; by default the one before V2.")
    ] = None,
    after: Annotated[int | None, typer.Argument(metavar="V2", help="The later version; by default the latest.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="List the rows, before and after, by name.")] = False,
    day: Annotated[str | None, typer.Option(metavar="DAY", help="With --rows: only this day, 2026-01-31.")] = None,
    advertiser: Annotated[str, typer.Option(metavar="ID", help="With --rows: only this ad account.")] = "",
    by: Annotated[
        str | None, typer.Option(metavar="METRIC", help="With --rows: the largest change first, such as spend:EUR.")
    ] = None,
    restated: Annotated[
        bool, typer.Option("--restated", help="With --rows: only of days that TikTok restated.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="With --rows: rows to print.")] = 50,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="With --rows: write all of them to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two versions: rows changed, added and removed, and metrics by day; or the rows themselves."""
    from adreel.cli import tables

    if rows:
        tables.diff_rows(
            ctx.obj, name, (before, after), (day, advertiser, by, restated), limit, output, as_json=as_json
        )
    else:
        tables.diff(ctx.obj, name, before, after, as_json=as_json)


@app.command("query", rich_help_panel="Tables")
def query(
    ctx: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A SQL query.")],
    format_name: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, csv, json, parquet or xlsx.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file.")] = None,
) -> None:
    """Query tables with SQL. Tables are dataset slugs, such as ad_spend_by_day; "ad_spend_by_day@3" is version 3."""
    from adreel.cli import tables

    tables.query(ctx.obj, sql, format_name, output)


@app.command("export", rich_help_panel="Tables")
def export(
    ctx: typer.Context,
    name: DatasetName,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="A .csv, .json, .parquet or .xlsx file.")
    ],
    version: Annotated[int | None, typer.Option(metavar="VERSION", help="The version; by default the latest.")] = None,
    for_spreadsheet: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheet",
            help="CSV for Excel: UTF-8 with BOM, and an apostrophe before formula-like texts.",
        ),
    ] = False,
) -> None:
    """Export a dataset's table to a file."""
    from adreel.cli import tables

    tables.export(ctx.obj, name, output, version, for_spreadsheet=for_spreadsheet)


@app.command("publish", rich_help_panel="Tables")
def publish(
    ctx: typer.Context,
    name: DatasetName,
    destination: Annotated[
        str | None, typer.Option("--to", metavar="DESTINATION", help="Only to this destination of the dataset.")
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Drop the table there and load it anew, as after a change of types.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish the newest version of a dataset to its destinations now. A worker does so after each run."""
    from adreel.cli import destinations as act

    act.publish(ctx.obj, name, destination, reload=reload, yes=yes, as_json=as_json)


@app.command("restore", rich_help_panel="Tables")
def restore(
    ctx: typer.Context,
    name: DatasetName,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to restore.")],
    yes: Yes = False,
) -> None:
    """Restore an earlier version as a new version. All versions are kept. Asks for confirmation."""
    from adreel.cli import tables

    tables.restore(ctx.obj, name, version, yes=yes)


@app.command("vacuum", rich_help_panel="Tables")
def vacuum(
    ctx: typer.Context,
    name: DatasetName,
    keep_days: Annotated[int, typer.Option(min=0, metavar="DAYS", help="Keep versions of this many days.")] = 30,
    keep_versions: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Keep at least this many of the latest versions.")
    ] = 10,
    yes: Yes = False,
) -> None:
    """Delete old versions to free disk space. Asks for confirmation."""
    from adreel.cli import tables

    tables.vacuum(ctx.obj, name, keep_days, keep_versions, yes=yes)


@app.command("apply", rich_help_panel="Manage")
def apply(
    ctx: typer.Context,
    folder: Annotated[
        Path,
        typer.Option("-f", "--folder", metavar="FOLDER", help="The folder of files.", exists=True, file_okay=False),
    ],
    plan: Annotated[
        bool, typer.Option("--plan", help="Only plan. The exit code is 13 if something would change.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what is not in the files, except accounts, which stay.")
    ] = False,
    keep_tables: Annotated[
        bool, typer.Option("--keep-tables", help="With --delete: keep the tables of deleted datasets.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Change accounts, datasets, destinations and notifications to what files say. Asks for confirmation."""
    from adreel.cli import configuration
    from adreel.configuration.performing import Deletions

    deletions = Deletions(delete, keep_tables)
    configuration.apply(ctx.obj, folder, deletions, plan_only=plan, yes=yes, as_json=as_json)


@app.command("export-config", rich_help_panel="Manage")
def export_config(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write to.", file_okay=False)],
) -> None:
    """Write accounts, datasets, destinations and notifications as files for adreel apply, without secrets."""
    from adreel.cli import configuration

    configuration.export_config(ctx.obj, folder)


@app.command("migrate-store", rich_help_panel="Manage")
def migrate_store(
    ctx: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="The address of an empty Postgres database; - reads it from stdin, files means those of the home.",
        ),
    ],
) -> None:
    """Copy accounts, datasets, runs and users to another database. The lake stays where it is."""
    from adreel.cli import moving

    moving.migrate_store(ctx.obj, to)


@app.command("retention", rich_help_panel="Manage")
def retention(
    ctx: typer.Context,
    version_days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Keep versions of tables this long, or 'all'.")
    ] = None,
    version_count: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Always keep this many of the latest versions.")
    ] = None,
    run_days: Annotated[str | None, typer.Option(metavar="DAYS", help="Keep runs this long, or 'all'.")] = None,
    log_days: Annotated[str | None, typer.Option(metavar="DAYS", help="Keep logs of runs this long, or 'all'.")] = None,
    audit_days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Keep audit entries this long, or 'all'.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show or change how long versions, runs, logs and audit entries are kept. Asks for confirmation."""
    from adreel.cli import pruning

    days = {"version_days": version_days, "run_days": run_days, "log_days": log_days, "audit_days": audit_days}
    pruning.retention(ctx.obj, days, version_count, yes=yes, as_json=as_json)


@app.command("prune", rich_help_panel="Manage")
def prune(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted.")] = False,
    yes: Yes = False,
) -> None:
    """Delete now what the retention policy does not keep. Asks for confirmation."""
    from adreel.cli import pruning

    pruning.prune(ctx.obj, dry_run=dry_run, yes=yes)


@app.command("backup", rich_help_panel="Manage")
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write, such as adreel.tar.")],
    without_tables: Annotated[
        bool, typer.Option("--without-tables", help="Leave out the tables: only accounts, datasets, users and history.")
    ] = False,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Include secret.key, so that the file gives access to TikTok.")
    ] = False,
) -> None:
    """Back up everything to one file, while adreel runs."""
    from adreel.cli import backups

    backups.backup(ctx.obj, file, tables=not without_tables, key=with_key)


@app.command("restore-backup", rich_help_panel="Manage")
def restore_backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", exists=True, dir_okay=False)],
    check: Annotated[bool, typer.Option("--check", help="Verify the file without restoring it.")] = False,
) -> None:
    """Restore a backup into an empty ADREEL_HOME. For a version of a table, use: adreel restore."""
    from adreel.cli import backups

    backups.restore_backup(ctx.obj, file, check=check)


@app.command("audit", rich_help_panel="Manage")
def audit(
    ctx: typer.Context,
    user: Annotated[str, typer.Option(metavar="NAME", help="Only entries of this user, or of 'command line'.")] = "",
    action: Annotated[
        list[str] | None, typer.Option(metavar="ACTION", help="Only this action, such as run_start. Repeatable.")
    ] = None,
    subject: Annotated[str, typer.Option(metavar="NAME", help="Only subjects with this in their name.")] = "",
    start: Annotated[str, typer.Option(metavar="DAY", help="First day, in UTC.")] = "",
    end: Annotated[str, typer.Option(metavar="DAY", help="Last day, in UTC.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of entries.")] = 50,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Export all to this .csv or .json file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what people did: sign-ins, runs, changes, exports. Latest first."""
    from adreel.auditing import AuditSearch
    from adreel.cli import audit_log

    search = AuditSearch(user, tuple(action or ()), subject, start, end)
    audit_log.show(ctx.obj, search, limit, output, as_json=as_json)


@app.command("settings", rich_help_panel="Look up")
def settings(ctx: typer.Context, as_json: Json = False) -> None:
    """Show every setting with its value, source and meaning. Secrets stay hidden."""
    from adreel.cli import catalog

    catalog.settings(ctx.obj, as_json=as_json)


@app.command("status", rich_help_panel="Look up")
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show what runs, waits and fails, the workers, and the requests of each app."""
    from adreel.cli import monitoring

    monitoring.status(ctx.obj, as_json=as_json)


_RunsAtOnce = Annotated[
    int, typer.Option("--runs-at-once", min=1, max=64, help="Number of runs that are in progress at the same time.")
]


@app.command("demo", rich_help_panel="Try out")
def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Exit after the first run.")] = False,
    advertisers: Annotated[int, typer.Option(min=1, help="Number of ad accounts.")] = 6,
    ads: Annotated[int, typer.Option(min=1, help="Number of ads in each ad account.")] = 200,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port of the Data Center; 0 selects a free one.")
    ] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the Data Center in a browser.")] = True,
) -> None:
    """Try adreel: simulate TikTok, connect an account, run datasets, and serve the Data Center."""
    from adreel.cli import demonstration

    demonstration.demo(ctx.obj, once=once, advertisers=advertisers, ads=ads, port=port, browser=browser)


@app.command("simulate", rich_help_panel="Try out")
def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 selects a free one.")] = 8766,
    seed: Annotated[int, typer.Option(help="Seed of the simulated data.")] = 1,
    today: Annotated[
        str | None, typer.Option(metavar="DAY", help="The simulated date; by default the real one.")
    ] = None,
    advertisers: Annotated[int, typer.Option(min=1, help="Number of ad accounts.")] = 6,
    ads: Annotated[int, typer.Option(min=1, help="Number of ads in each ad account.")] = 200,
    qps: Annotated[int, typer.Option(min=0, help="Requests per second; 0 removes the limit.")] = 10,
    latency_ms: Annotated[int, typer.Option(min=0, help="Latency of each response, in milliseconds.")] = 0,
    jitter_ms: Annotated[
        int, typer.Option("--jitter", min=0, help="Random extra latency of up to this many milliseconds.")
    ] = 0,
) -> None:
    """Serve a simulated TikTok API on this machine."""
    from adreel.cli import simulation

    simulation.simulate(port, seed, today, advertisers, ads, qps, latency_ms, jitter_ms)


@app.command("serve", rich_help_panel="Data Center")
def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for every address of this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 selects a free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the Data Center in a browser.")] = True,
    worker: Annotated[bool, typer.Option(help="Also work on queued and scheduled runs.")] = True,
    runs_at_once: _RunsAtOnce = 2,
) -> None:
    """Serve the Data Center (web pages and REST API), and work on its runs."""
    from adreel.own_process import keep_numpy_out

    keep_numpy_out()
    from adreel.cli import serving

    serving.serve(ctx.obj, host, port, browser=browser, runs_at_once=runs_at_once if worker else 0)


@app.command("worker", rich_help_panel="Data Center")
def worker(ctx: typer.Context, runs_at_once: _RunsAtOnce = 2) -> None:
    """Work on queued and scheduled runs, without the Data Center."""
    from adreel.cli import working

    working.work(ctx.obj, runs_at_once)


def main() -> None:
    """Runs the command line; the entry point of the console script."""
    import adreel.own_process  # noqa: F401 - for what it does when it is imported

    _open_streams()
    _encode_streams()
    if not os.environ.get("COLUMNS", "1").strip("0"):
        # Some terminals report the width 0, which would make tables empty.
        del os.environ["COLUMNS"]
    # Imports create many objects and no garbage: collecting it takes a tenth of the start. numpy's algebra is not used;
    # its threads would spin.
    gc.set_threshold(200_000, 50, 100)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # DuckDB returns freed memory to the system at once: a server of small queries needs 20 MB less.
    os.environ.setdefault("DUCKDB_JE_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:2")
    try:
        app()
    except Exception as error:  # noqa: BLE001 - an error that no command expects ends the process here
        _print_unexpected(error)
        sys.exit(int(ExitCode.BUG))


def _print_unexpected(error: Exception) -> None:
    """Prints the traceback with its error ID, and what to send to whom."""
    error_id = error_id_of(error)
    with suppress(OSError):
        traceback.print_exception(error)
        _print_error(
            f"Unexpected error {error_id}. Send the traceback above, which has this error ID, and the command to the "
            "developers of adreel."
        )


def _encode_streams() -> None:
    """UTF-8 for pipes and files, whatever the locale; for a terminal its own encoding, with escapes for the rest."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _open_streams() -> None:
    """Replaces stdin, stdout and stderr where the parent process closed them.

    Otherwise the next file that is opened gets their descriptor, and printed text is written to it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
