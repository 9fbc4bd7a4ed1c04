"""The command line: what can be said, in one place; what is done stands in the modules beside this one.

Those are imported when their command runs: typer and rich are all that `adreel --help` pays for. stdout is for data,
stderr for talk; exit codes are `adreel.errors.ExitCode`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from adreel.errors import AdreelError, disk_faults_raised

if TYPE_CHECKING:
    import httpx2


def _home_clock() -> Callable[[], datetime]:
    # Imported here: `adreel --help` needs no clock.
    from adreel.clock import HomeClock

    return HomeClock()


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What a command works with: the environment, a clock of aware times, and a transport in place of the network."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], datetime] = field(default_factory=_home_clock)
    transport: httpx2.AsyncBaseTransport | None = None


class _Commands(TyperGroup):
    """Turns adreel's errors into a sentence on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            with disk_faults_raised():
                answer = super().invoke(ctx)
                # Here, where a full disk can still be told of.
                sys.stdout.flush()
        except AdreelError as error:
            _tell(str(error))
            raise typer.Exit(int(error.exit_code)) from error
        return answer


def _tell(message: str) -> None:
    for line in message.splitlines():
        typer.secho(f"error: {line}", err=True, fg="red" if sys.stderr.isatty() else None)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="TikTok Ads reports as proved, versioned tables on your own machine.",
    epilog="First steps: adreel demo. Your own app: adreel accounts connect NAME.",
)
account_commands = typer.Typer(no_args_is_help=True, help="Connect TikTok for Business accounts and look after them.")
dataset_commands = typer.Typer(no_args_is_help=True, help="Save, show, change and remove datasets.")
user_commands = typer.Typer(no_args_is_help=True, help="Say who may sign in, and what they may do.")
secret_commands = typer.Typer(no_args_is_help=True, help="Look after the keys that tokens are encrypted with.")
app.add_typer(account_commands, name="accounts")
app.add_typer(dataset_commands, name="datasets")
app.add_typer(user_commands, name="users")
app.add_typer(secret_commands, name="secrets")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[
    Path | None,
    typer.Option("-f", "--file", help="A dataset file.", exists=True, dir_okay=False, readable=True),
]
NeededFile = Annotated[Path, typer.Option("-f", "--file", help="A dataset file.", exists=True, dir_okay=False)]
Start = Annotated[str | None, typer.Option(help="First day instead of the dataset's own.", metavar="DAY")]
End = Annotated[str | None, typer.Option(help="Last day instead of the dataset's own.", metavar="DAY")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AccountName = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
UserName = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name or slug.")]
MaybeDataset = Annotated[str | None, typer.Argument(metavar="NAME", help="A saved dataset's name or slug.")]
Words = Annotated[list[str] | None, typer.Argument(metavar="WORDS", help="Only those with all of these words.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address of the consent page.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin instead of asking for it.")
]
Paste = Annotated[bool, typer.Option("--paste", help="Paste the address that TikTok led to, as from another machine.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"adreel {version('adreel')}")
        raise typer.Exit


@app.callback()
def _start(
    ctx: typer.Context,
    _version_wanted: Annotated[
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
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read an access token from stdin.")] = False,
    advertisers: Annotated[
        str | None, typer.Option(metavar="ID,ID", help="Read only these advertisers; needs no app id and secret.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Their time zone, such as UTC+08:00, where TikTok tells none (its sandbox)."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Their currency, such as USD, where TikTok tells none.")
    ] = None,
) -> None:
    """Add an account by an access token that you already have."""
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
    """Give an account another name."""
    from adreel.cli import accounts as act

    act.rename(ctx.obj, name, to)


@account_commands.command("reconnect")
def accounts_reconnect(
    ctx: typer.Context,
    name: AccountName,
    no_browser: NoBrowser = False,
    paste: Paste = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read an access token from stdin.")] = False,
) -> None:
    """Connect an account again, after its token died; its datasets go on."""
    from adreel.cli import accounts as act

    act.reconnect(ctx.obj, name, browser=not no_browser, paste=paste, token_stdin=token_stdin)


@account_commands.command("delete")
def accounts_delete(
    ctx: typer.Context,
    name: AccountName,
    yes: Yes = False,
    revoke: Annotated[bool, typer.Option(help="Also revoke the token at TikTok.")] = False,
) -> None:
    """Forget an account; its datasets keep their data and stop updating."""
    from adreel.cli import accounts as act

    act.delete(ctx.obj, name, yes=yes, revoke=revoke)


@account_commands.command("share")
def accounts_share(
    ctx: typer.Context,
    name: AccountName,
    user: Annotated[str | None, typer.Argument(metavar="USER", help="With whom.")] = None,
    level: Annotated[
        str | None, typer.Argument(metavar="LEVEL", help="How far: none, read, share, edit or owner.")
    ] = None,
    everyone: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Share with every user: none, read, share or edit.")
    ] = None,
) -> None:
    """Share an account with a user or with everyone, or end that."""
    from adreel.cli import accounts as act

    act.share(ctx.obj, name, user, level, everyone)


@account_commands.command("shares")
def accounts_shares(ctx: typer.Context, name: AccountName, as_json: Json = False) -> None:
    """List with whom an account is shared, and how far."""
    from adreel.cli import accounts as act

    act.shares(ctx.obj, name, as_json=as_json)


@account_commands.command("advertisers")
def accounts_advertisers(ctx: typer.Context, name: AccountName, as_json: Json = False) -> None:
    """Ask TikTok which advertisers an account covers now, and list them."""
    from adreel.cli import accounts as act

    act.advertisers(ctx.obj, name, as_json=as_json)


@secret_commands.command("rotate")
def secrets_rotate(
    ctx: typer.Context,
    new_key: Annotated[bool, typer.Option("--new-key", help="First put a new key into secret.key.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Then take the old keys out of secret.key.")] = False,
) -> None:
    """Encrypt all tokens anew with the first key, after which the others are not needed."""
    from adreel.cli import secrets as act

    act.rotate(ctx.obj, new_key=new_key, drop_old=drop_old)


@user_commands.command("list")
def users_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the users."""
    from adreel.cli import users as act

    act.show_all(ctx.obj, as_json=as_json)


@user_commands.command("add")
def users_add(
    ctx: typer.Context,
    name: UserName,
    role: Annotated[str, typer.Option(help="admin, editor or viewer; the first user is an admin.")] = "viewer",
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a user; asks for the password."""
    from adreel.cli import users as act

    act.add(ctx.obj, name, role, password_stdin=password_stdin)


@user_commands.command("role")
def users_role(
    ctx: typer.Context,
    name: UserName,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="admin, editor or viewer.")],
) -> None:
    """Give a user another role."""
    from adreel.cli import users as act

    act.set_role(ctx.obj, name, role)


@user_commands.command("password")
def users_password(
    ctx: typer.Context,
    name: UserName,
    password_stdin: PasswordStdin = False,
    keep_tokens: Annotated[
        bool, typer.Option("--keep-tokens", help="Keep your API tokens, where the password is your own.")
    ] = False,
) -> None:
    """Give a user another password, sign them out everywhere, end their API tokens; asks for the password."""
    from adreel.cli import users as act

    act.set_password(ctx.obj, name, password_stdin=password_stdin, keep_tokens=keep_tokens)


@user_commands.command("disable")
def users_disable(ctx: typer.Context, name: UserName) -> None:
    """Lock a user out; what they own stays."""
    from adreel.cli import users as act

    act.disable(ctx.obj, name)


@user_commands.command("enable")
def users_enable(ctx: typer.Context, name: UserName) -> None:
    """Let a user in again."""
    from adreel.cli import users as act

    act.enable(ctx.obj, name)


@user_commands.command("delete")
def users_delete(
    ctx: typer.Context,
    name: UserName,
    heir: Annotated[
        str | None, typer.Option(metavar="USER", help="Who takes over accounts that nobody else owns.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete a user; their datasets stay and have no owner then. Asks first."""
    from adreel.cli import users as act

    act.delete(ctx.obj, name, heir, yes=yes)


@app.command("reports", rich_help_panel="Look up")
def reports(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One report.")] = None, as_json: Json = False
) -> None:
    """List the reports, or one report's menus and what each offers."""
    from adreel.cli import catalog

    catalog.reports(name, as_json=as_json)


@app.command("metrics", rich_help_panel="Look up")
def metrics(words: Words = None, as_json: Json = False) -> None:
    """Find metrics by words in their names, titles and meanings."""
    from adreel.cli import catalog

    catalog.metrics(words or [], as_json=as_json)


@app.command("dimensions", rich_help_panel="Look up")
def dimensions(words: Words = None, as_json: Json = False) -> None:
    """Find dimensions by words in their names, titles and meanings."""
    from adreel.cli import catalog

    catalog.dimensions(words or [], as_json=as_json)


@dataset_commands.command("create")
def datasets_create(ctx: typer.Context, file: NeededFile) -> None:
    """Save a dataset from a file."""
    from adreel.cli import datasets as act

    act.create(ctx.obj, file)


@dataset_commands.command("import")
def datasets_import(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Dataset files, one or several.", exists=True, dir_okay=False)
    ],
) -> None:
    """Bring over datasets of the older connector, with the reports and metric names that they had."""
    from adreel.cli import datasets as act

    act.bring_over(ctx.obj, file)


@dataset_commands.command("convert")
def datasets_convert(ctx: typer.Context, name: DatasetName) -> None:
    """Turn a dataset of a deprecated report into one of the Performance report."""
    from adreel.cli import datasets as act

    act.convert(ctx.obj, name)


@dataset_commands.command("list")
def datasets_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List the datasets with their last run."""
    from adreel.cli import datasets as act

    act.show_all(ctx.obj, as_json=as_json)


@dataset_commands.command("show")
def datasets_show(ctx: typer.Context, name: DatasetName) -> None:
    """Print a dataset as a dataset file."""
    from adreel.cli import datasets as act

    act.show(ctx.obj, name)


@dataset_commands.command("edit")
def datasets_edit(ctx: typer.Context, name: DatasetName, file: File = None) -> None:
    """Change a dataset in your editor, or take over a file."""
    from adreel.cli import datasets as act

    act.edit(ctx.obj, name, file)


@dataset_commands.command("delete")
def datasets_delete(
    ctx: typer.Context,
    name: DatasetName,
    yes: Yes = False,
    keep_table: Annotated[bool, typer.Option("--keep-table", help="Leave the table in the lake.")] = False,
) -> None:
    """Delete a dataset with its table; asks first."""
    from adreel.cli import datasets as act

    act.delete(ctx.obj, name, yes=yes, keep_table=keep_table)


@app.command("validate", rich_help_panel="Run")
def validate(ctx: typer.Context, name: MaybeDataset = None, file: File = None, as_json: Json = False) -> None:
    """Check a dataset against the catalogue and list every problem."""
    from adreel.cli import runs

    runs.validate(ctx.obj, name, file, as_json=as_json)


@app.command("plan", rich_help_panel="Run")
def plan(
    ctx: typer.Context,
    name: MaybeDataset = None,
    file: File = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Show what a run would ask TikTok, and how long that takes; no report is asked for."""
    from adreel.cli import runs

    runs.plan(ctx.obj, name, file, (start, end), as_json=as_json)


@app.command("preview", rich_help_panel="Run")
def preview(
    ctx: typer.Context,
    name: MaybeDataset = None,
    file: File = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Show real first rows; nothing is saved."""
    from adreel.cli import runs

    runs.preview(ctx.obj, name, file, (start, end), as_json=as_json)


@app.command("run", rich_help_panel="Run")
def run(
    ctx: typer.Context,
    name: MaybeDataset = None,
    file: File = None,
    start: Start = None,
    end: End = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run a dataset: read, prove, commit. An interrupted run goes on where it stopped.

    With --start and --end only these days are replaced in the table; asks first where that cannot be.
    """
    from adreel.cli import runs

    runs.run(ctx.obj, name, file, (start, end), yes=yes, as_json=as_json)


@app.command("cancel", rich_help_panel="Run")
def cancel(
    ctx: typer.Context, run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or its beginning.")]
) -> None:
    """Stop a run; the table stays as it was."""
    from adreel.cli import runs

    runs.cancel(ctx.obj, run_id)


@app.command("history", rich_help_panel="Tables")
def history(
    ctx: typer.Context,
    name: DatasetName,
    run_id: Annotated[str | None, typer.Option("--run", help="One run with its proof, warnings and log.")] = None,
    as_json: Json = False,
) -> None:
    """List a dataset's runs, or show one."""
    from adreel.cli import runs

    runs.history(ctx.obj, name, run_id, as_json=as_json)


@app.command("versions", rich_help_panel="Tables")
def versions(ctx: typer.Context, name: DatasetName, as_json: Json = False) -> None:
    """List the versions of a dataset's table that can be read."""
    from adreel.cli import tables

    tables.versions(ctx.obj, name, as_json=as_json)


@app.command("diff", rich_help_panel="Tables")
def diff(
    ctx: typer.Context,
    name: DatasetName,
    before: Annotated[int, typer.Argument(metavar="V1", help="The earlier version.")],
    after: Annotated[int, typer.Argument(metavar="V2", help="The later version.")],
    as_json: Json = False,
) -> None:
    """Show what changed between two versions: rows, and by how much each metric moved on which day."""
    from adreel.cli import tables

    tables.diff(ctx.obj, name, before, after, as_json=as_json)


@app.command("query", rich_help_panel="Tables")
def query(
    ctx: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A query.")],
    format: Annotated[str, typer.Option("--format", help="table, csv, json, parquet or xlsx.")] = "table",  # noqa: A002 - the option's name
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")] = None,
) -> None:
    """Ask SQL; every dataset is a table by its slug, such as ad_spend_by_day."""
    from adreel.cli import tables

    tables.query(ctx.obj, sql, format, output)


@app.command("export", rich_help_panel="Tables")
def export(
    ctx: typer.Context,
    name: DatasetName,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .csv, .json, .parquet or .xlsx file; its ending says which.")
    ],
    version: Annotated[int | None, typer.Option(help="An earlier version.")] = None,
    for_spreadsheet: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheet",
            help="CSV that Excel reads as UTF-8, with an apostrophe before texts that look like formulas.",
        ),
    ] = False,
) -> None:
    """Write a dataset's table to a file."""
    from adreel.cli import tables

    tables.export(ctx.obj, name, output, version, for_spreadsheet=for_spreadsheet)


@app.command("restore", rich_help_panel="Tables")
def restore(
    ctx: typer.Context,
    name: DatasetName,
    version: Annotated[int, typer.Argument(help="The version whose rows are to be the table's again.")],
) -> None:
    """Bring back an earlier version's rows as a new version; nothing is lost."""
    from adreel.cli import tables

    tables.restore(ctx.obj, name, version)


@app.command("vacuum", rich_help_panel="Tables")
def vacuum(
    ctx: typer.Context,
    name: DatasetName,
    keep_days: Annotated[int, typer.Option(min=0, help="Versions of so many days stay readable.")] = 30,
    keep_versions: Annotated[int, typer.Option(min=1, help="So many versions stay readable in any case.")] = 10,
    yes: Yes = False,
) -> None:
    """Free the space of old versions; asks first."""
    from adreel.cli import tables

    tables.vacuum(ctx.obj, name, keep_days, keep_versions, yes=yes)


@app.command("settings", rich_help_panel="Look up")
def settings(ctx: typer.Context, as_json: Json = False) -> None:
    """Show every setting, where it comes from, and what it is for; secrets stay hidden."""
    from adreel.cli import catalog

    catalog.settings(ctx.obj, as_json=as_json)


@app.command("simulate", rich_help_panel="Try out")
def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8766,
    seed: Annotated[int, typer.Option(help="Another seed makes another world.")] = 1,
    today: Annotated[
        str | None, typer.Option(metavar="DAY", help="The simulated today; by default the real one.")
    ] = None,
    advertisers: Annotated[int, typer.Option(min=1, help="Ad accounts.")] = 6,
    ads: Annotated[int, typer.Option(min=1, help="Ads of each advertiser.")] = 200,
    qps: Annotated[int, typer.Option(min=0, help="Requests a second; 0 lifts the limit.")] = 10,
    latency_ms: Annotated[int, typer.Option(min=0, help="How long each answer takes.")] = 0,
    jitter_ms: Annotated[
        int, typer.Option("--jitter", min=0, help="Up to how many milliseconds more a request is on its way.")
    ] = 0,
) -> None:
    """Serve a simulated TikTok API on this machine."""
    from adreel.cli import simulation

    simulation.simulate(port, seed, today, advertisers, ads, qps, latency_ms, jitter_ms)


@app.command("demo", rich_help_panel="Try out")
def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End after the first run.")] = False,
    advertisers: Annotated[int, typer.Option(min=1, help="Ad accounts.")] = 6,
    ads: Annotated[int, typer.Option(min=1, help="Ads of each advertiser.")] = 200,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the Data Center; 0 takes a free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the Data Center in a browser.")] = True,
) -> None:
    """Simulate TikTok, connect an account, run datasets, and serve the Data Center over them."""
    from adreel.cli import demonstration

    demonstration.demo(ctx.obj, once=once, advertisers=advertisers, ads=ads, port=port, browser=browser)


@app.command("serve", rich_help_panel="Data Center")
def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 is every one of this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the Data Center in a browser.")] = True,
) -> None:
    """Serve the Data Center: pages for people and the REST API."""
    from adreel.cli import serving

    serving.serve(ctx.obj, host, port, browser=browser)


def main() -> None:
    """The console script."""
    _open_streams()
    # Loading modules makes many objects and no garbage: looking for it is a tenth of the start, and again 70 ms at the
    # end of the process, which frees everything anyway. numpy's algebra is not used; its threads would spin.
    gc.set_threshold(200_000, 50, 100)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What DuckDB has freed goes back to the system at once: a server of small questions holds 20 MB less.
    os.environ.setdefault("DUCKDB_JE_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:2")
    try:
        app()
    finally:
        gc.freeze()


def _open_streams() -> None:
    """Stands in for stdin, stdout and stderr that whoever started the process has closed.

    Else the next file that is opened would have their number, and what is printed would end in it.
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
