"""`adreel destinations`: list, add, change, test, delete; and `adreel publish`."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from adreel.access import RoleRight
from adreel.cli import CommandContext
from adreel.cli.context import open_home
from adreel.cli.datasets import only_account
from adreel.cli.output import confirm, counted, print_json, print_table, say, secret_line
from adreel.datasets.layouts import WarehouseLayout, plans, read_layout
from adreel.datasets.stored import as_file
from adreel.destinations import service
from adreel.destinations.history import SUFFIX
from adreel.destinations.kinds import DestinationAddress, DestinationKind, read_address
from adreel.destinations.publishing import PublishMode
from adreel.destinations.status import destination_json, publishers, status_json, statuses, statuses_of, with_repairs
from adreel.errors import InputError
from adreel.store import SavedDataset, Store
from adreel.store.users import name_key


def show_all(session: CommandContext, *, as_json: bool) -> None:
    """Prints the destinations, and how many datasets publish to each."""
    with open_home(session) as home:
        home.guard.need_role(RoleRight.VIEW_DESTINATIONS)
        rows = [
            {**destination_json(destination), "datasets": [saved.slug for saved in publishers(home.store, destination)]}
            for destination in home.store.destinations.list()
        ]
        if as_json:
            print_json(rows)
        elif rows:
            print_table(
                ("name", "kind", "address", "schema", "layout", "datasets"),
                [
                    (row["name"], row["kind"], row["address"], row["schema"], row["layout"], len(row["datasets"]))
                    for row in rows
                ],
            )
        else:
            say("0 destinations. Add one: adreel destinations add NAME")


def add(
    session: CommandContext, name: str, address: str | None, *, schema: str | None, layout: str, file: Path | None
) -> None:
    """Adds a destination whose address is a path of a DuckDB file, or comes from a prompt, a file or stdin."""
    tables = read_layout(layout)
    parsed = _address(address, file)
    with open_home(session) as home:
        destination = service.add(home.guard, name, parsed, schema, tables)
        say(f"Added destination {destination.name!r}: {destination.shown}, schema {destination.schema_name}.")
        quoted_name = shlex.quote(destination.name)
        if tables is WarehouseLayout.FIVETRAN:
            say(f"Create the datasets that fill its tables: adreel destinations create-datasets {quoted_name}")
        else:
            say(f"Publish a dataset there: adreel destinations attach DATASET {quoted_name}")


def _address(address: str | None, file: Path | None) -> DestinationAddress:
    if address is not None and file is not None:
        raise InputError("Give either ADDRESS or --from-file.")
    text = secret_line("Address", file) if address is None else address
    if address is not None and "://" not in address:
        text = f"{DestinationKind.DUCKDB}://{Path(address).expanduser().absolute()}"
    parsed = read_address(text)
    if address is not None and parsed.has_password:
        raise InputError(
            "An address with a password is visible to others as an argument. Type the address at the prompt, "
            "or give it by --from-file or stdin."
        )
    return parsed


def change(session: CommandContext, name: str, address: str | None, *, schema: str | None, file: Path | None) -> None:
    """Changes the address or the schema of a destination; the address comes from where `add` has it."""
    only_schema = schema is not None and address is None and file is None
    parsed = None if only_schema else _address(address, file)
    with open_home(session) as home:
        destination = service.change(home.guard, home.store.destinations.get(name), parsed, schema)
        say(f"Changed destination {destination.name!r}: {destination.shown}, schema {destination.schema_name}.")


def test(session: CommandContext, name: str) -> None:
    """Makes a table there and takes it back."""
    with open_home(session) as home:
        destination = home.store.destinations.get(name)
        service.test(home.guard, destination)
        say(f"{destination.name}: adreel can write to schema {destination.schema_name} of {destination.shown}.")


def delete(session: CommandContext, name: str) -> None:
    """Forgets a destination."""
    with open_home(session) as home:
        destination = home.store.destinations.get(name)
        service.delete(home.guard, destination)
        say(f"Deleted destination {destination.name!r}. The tables at {destination.shown} stay as they are.")


def create_datasets(
    session: CommandContext,
    name: str,
    account: str | None,
    *,
    daily: bool,
    every: str | None,
    smart_plus: bool,
    dry_run: bool,
) -> None:
    """Creates the datasets that a destination's layout needs, or prints them as files."""
    with open_home(session) as home:
        destination = home.store.destinations.get(name)
        account = account or only_account(home.guard)
        planned = plans.plan(home.guard, destination, account, daily=daily, every=every, smart_plus=smart_plus)
        for saved, table in planned.existing:
            say(f"{table}: {saved.name!r} publishes to it already, unchanged.")
        if dry_run:
            typer.echo("---\n".join(as_file(values) for values in planned.sources.values()), nl=False)
        else:
            for saved in plans.create(home.guard, planned, session.clock()):
                say(f"Created {saved.name!r}. Next: adreel run {saved.slug}")
        for note in plans.empty_columns(planned):
            say(note)


def attach(session: CommandContext, dataset: str, name: str, table: str | None, *, history: bool) -> None:
    """Has a dataset publish to a destination."""
    with open_home(session) as home:
        destination = home.store.destinations.get(name)
        saved = service.attach(
            home.guard, home.guard.dataset(dataset), destination, table, session.clock(), history=history
        )
        (status,) = [status for status in statuses(home.store, saved) if status.destination == destination]
        with_history = f" with its history in {status.place}{SUFFIX}" if history else ""
        say(f"Dataset {saved.name!r} publishes to {status.place} of {destination.name!r} after each run{with_history}.")
        say(f"A worker does so; publish now: adreel publish {saved.slug} --to {destination.name}")


def detach(session: CommandContext, dataset: str, name: str) -> None:
    """Has a dataset no longer publish to a destination."""
    with open_home(session) as home:
        saved = service.detach(home.guard, home.guard.dataset(dataset), name, session.clock())
        say(f"Dataset {saved.name!r} no longer publishes to {name!r}. Its table there stays as it is.")


def publish(
    session: CommandContext, name: str, destination: str | None, *, reload: bool, yes: bool, as_json: bool
) -> None:
    """Publishes a dataset's newest version now. JSON has each destination as `destinations status`, with notes."""
    notes: dict[str, tuple[str, ...]] = {}
    with open_home(session) as home:
        saved = home.guard.dataset(name)
        if reload:
            confirm(_reload_question(home.store, saved, destination), yes=yes)
        lake = home.lake()
        for status, published in service.publish_now(
            home.guard, lake, saved, destination, session.clock, reload=reload
        ):
            notes[status.name] = published.notes
            for note in (*published.repairs, *published.notes):
                say(note)
            if published.mode is PublishMode.NOTHING:
                say(f"{status.name}: {status.place} has version {status.newest} already.")
                continue
            what = "all rows" if published.mode is PublishMode.FULL else "changes"
            say(
                f"{status.name}: {status.place} has version {status.newest}, verified: "
                f"{counted(published.rows, 'row')}. Sent {what}: {published.written:,} written, "
                f"{published.removed:,} removed."
            )
        if as_json:
            listed = with_repairs(home.store, statuses_of(home.store, (saved,)))
            print_json(
                [{**status_json(status), "notes": notes[status.name]} for _, status in listed if status.name in notes]
            )


def _reload_question(store: Store, saved: SavedDataset, name: str | None) -> str:
    """What loading anew does: tables of a layout are shared, and stay."""
    layouts = {
        status.destination.layout
        for status in statuses(store, saved)
        if status.destination and (name is None or name_key(name) == name_key(status.name))
    }
    if WarehouseLayout.DATASETS in layouts or not layouts:
        return "Drop the table at the destination and load it anew? Views that use it may stop working."
    return "Send all rows of this dataset again, and take over days that another dataset published there?"


def published(session: CommandContext, name: str | None, *, as_json: bool) -> None:
    """Prints which version each destination has of a dataset, or of all that a person may see."""
    with open_home(session) as home:
        datasets = home.guard.datasets() if name is None else (home.guard.dataset(name),)
        listed = with_repairs(home.store, statuses_of(home.store, datasets))
    if as_json:
        own = [{"dataset": saved.slug} if name is None else {} for saved, _ in listed]
        print_json([{**before, **status_json(status)} for before, (_, status) in zip(own, listed, strict=True)])
    elif not listed:
        say("No dataset publishes." if name is None else f"Dataset {datasets[0].name!r} publishes nowhere.")
    else:
        print_table(
            ("dataset", "destination", "table", "state", "version", "newest", "failure", "last repair"),
            [
                (
                    saved.slug,
                    status.name,
                    status.place,
                    status.state.value,
                    "" if status.version is None else status.version,
                    "" if status.newest is None else status.newest,
                    status.publication.failure if status.publication else "",
                    "" if status.repair is None else f"{status.repair.at:%Y-%m-%d %H:%M}Z",
                )
                for saved, status in listed
            ],
        )
