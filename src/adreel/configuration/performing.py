"""One pass over all that files say, within a transaction: compares, writes, and collects changes and problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from adreel import catalog, pruning, sharing
from adreel.access import AccountRight, DatasetRight, Guard, RoleRight
from adreel.configuration.addresses import parts_of
from adreel.configuration.desired import Desired
from adreel.configuration.documents import (
    FOR_GOOD,
    AccountDocument,
    ChartEntry,
    DashboardDocument,
    DatasetDocument,
    DeliveryEntry,
    DestinationDocument,
    DocumentKind,
    DocumentPlace,
    NotificationDocument,
    PresetDocument,
    RetentionDocument,
)
from adreel.configuration.own_dashboards import (
    addresses_of,
    arrange,
    charts_of,
    deliveries_of,
    own_dashboards,
    send_to,
)
from adreel.configuration.plan import (
    AbsentThing,
    ConfigurationPlan,
    FieldChange,
    PlanAction,
    PlannedChange,
    field_changes,
    secret_mark,
)
from adreel.connections import Connecting, Granted
from adreel.dashboards import boards
from adreel.datasets import saved_presets
from adreel.datasets import service as datasets
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.files import read
from adreel.datasets.stored import as_file, source_of
from adreel.destinations import service as destinations
from adreel.destinations.kinds import DestinationAddress
from adreel.destinations.status import publishers
from adreel.enumerations import first_of
from adreel.errors import AdreelError, DatasetError, ForbiddenError, InputError
from adreel.notify.schemes import shown
from adreel.notify.subscriptions import (
    NewSubscription,
    SubscriptionChanges,
    Subscriptions,
    read_kinds,
    read_threshold,
    written_threshold,
)
from adreel.settings import Settings
from adreel.store import Account, Dashboard, Destination, Level, MetricPreset, Retention, SavedDataset, User
from adreel.store.destinations import NewDestination
from adreel.store.names import slug
from adreel.store.notifications import Address, IncidentKind
from adreel.store.users import name_key

MOST_NAMES = 5

AddressIdentity = tuple[int | None, str, int]
"""What tells notification addresses apart: the id of the dataset, None for the workspace; the name; and the number."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """Whether what is not in the files is deleted, and whether tables of datasets stay."""

    delete: bool = False
    keep_tables: bool = False


@dataclass(slots=True)
class Outside:
    """What is not in the transaction.

    Before it, `destinations` are reached, each with what it was, and TikTok is asked whether accounts can read other
    `selections`. After it, datasets and destinations are deleted. `changed` datasets may lose rows or columns, and with
    another `retention` workers delete what it does not keep.
    """

    destinations: list[tuple[Destination | None, NewDestination]] = field(default_factory=list)
    selections: list[tuple[Account, tuple[str, ...] | None]] = field(default_factory=list)
    changed: list[tuple[SavedDataset, Dataset]] = field(default_factory=list)
    retention: Retention | None = None
    deleted_datasets: list[SavedDataset] = field(default_factory=list)
    deleted_destinations: list[Destination] = field(default_factory=list)


class Performance:
    """The pass; for one transaction."""

    def __init__(
        self, settings: Settings, guard: Guard, now: datetime, deletions: Deletions, granted: Mapping[int, Granted]
    ) -> None:
        """`granted` is what TikTok said of accounts whose selection changes, by their ids; empty for a plan."""
        self._store = guard.store
        self._settings = settings
        self._guard = guard
        self._now = now
        self._deletions = deletions
        self._granted = granted
        self._subscriptions = Subscriptions(settings, guard, now)
        self._connecting = Connecting(settings, guard.store)
        self._changes: list[PlannedChange] = []
        self._absent: list[AbsentThing] = []
        self._problems: list[tuple[str, bool]] = []
        self._account_fields: dict[str, list[FieldChange]] = {}
        self._outside = Outside()
        self._unsure: set[tuple[DocumentKind, str]] = set()

    def perform(self, desired: Desired) -> tuple[ConfigurationPlan, Outside]:
        """Carries out what the files say. InputError with every problem; ForbiddenError if all are missing rights.

        What refers to a document that has a problem is not looked at as far as it does: that is no problem of its own.
        """
        self._problems = [(problem, False) for problem in desired.problems]
        self._unsure = set(desired.unread)
        if desired.problems:
            # What the files seem to lack may be what could not be read of them.
            self._deletions = Deletions()
        for destination, address in desired.destinations:
            act = partial(self._destination, destination, address)
            self._try_named(DocumentKind.DESTINATION, destination, "address", act)
        for account in desired.accounts:
            self._try(account.place, "name", partial(self._selection, account))
        for dataset in desired.datasets:
            self._try_named(DocumentKind.DATASET, dataset, "name", partial(self._dataset, dataset))
        self._absent_datasets(desired)
        self._notifications(desired)
        for dashboard in desired.dashboards:
            self._try(dashboard.place, "charts", partial(self._dashboard, dashboard))
        self._absent_dashboards(desired)
        for preset in desired.presets:
            self._try(preset.place, "name", partial(self._preset, preset))
        self._absent_presets(desired)
        if desired.retention is not None:
            self._try(desired.retention.place, "kind", partial(self._retention, desired.retention))
        # At the end, as an actor may lower their own access level.
        for account in desired.accounts:
            self._try(account.place, "shares", partial(self._shares, account))
        self._absent_accounts(desired)
        self._absent_destinations(desired)
        if self._problems:
            message = "\n".join(dict.fromkeys(text for text, _ in self._problems))
            raise (ForbiddenError if all(forbidden for _, forbidden in self._problems) else InputError)(message)
        return ConfigurationPlan(tuple(self._changes), tuple(self._absent)), self._outside

    def _try_named(
        self, kind: DocumentKind, document: DatasetDocument | DestinationDocument, key: str, act: Callable[[], None]
    ) -> None:
        """The same for a document that others refer to."""
        before = len(self._problems)
        self._try(document.place, key, act)
        if len(self._problems) > before:
            self._unsure.add((kind, name_key(document.name)))

    def _is_unsure(self, kind: DocumentKind, name: str | None) -> bool:
        """Whether a document of that name, or for a dataset of that slug, has a problem."""
        if not isinstance(name, str):
            return False
        unsure = {unsure_name for other_kind, unsure_name in self._unsure if other_kind is kind}
        return name_key(name) in unsure or name in {slug(unsure_name) for unsure_name in unsure if unsure_name}

    def _try(self, place: DocumentPlace, key: str, act: Callable[[], None]) -> None:
        """An error becomes a problem with file and line; what was written is undone with all the rest."""
        try:
            act()
        except DatasetError as error:
            self._problems += [(place.of(problem), False) for problem in error.problems]
        except AdreelError as error:
            self._problems.append((place.fault(key, error.message), isinstance(error, ForbiddenError)))

    def _try_deletion(self, act: Callable[[], None]) -> None:
        try:
            act()
        except AdreelError as error:
            self._problems.append((error.message, isinstance(error, ForbiddenError)))

    def _note(
        self,
        action: PlanAction,
        kind: str,
        name: str,
        place: DocumentPlace,
        fields: Iterable[FieldChange],
        notes: tuple[str, ...] = (),
    ) -> None:
        self._changes.append(PlannedChange(action, kind, name, str(place), tuple(fields), notes=notes))

    def _note_deletion(self, kind: str, name: str, consequence: str, mark: str) -> None:
        self._changes.append(PlannedChange(PlanAction.DELETE, kind, name, consequence=consequence, mark=mark))

    # -- destinations

    def _destination(self, document: DestinationDocument, address: DestinationAddress) -> None:
        before = self._stored_destinations().get(name_key(document.name))
        if before is None:
            new = destinations.new_destination(self._guard, document.name, address, document.schema, document.layout)
            self._store.destinations.add(new)
            self._outside.destinations.append((None, new))
            shown = parts_of(address.full).shown(address.shown)
            values = {"address": shown, "layout": document.layout.value, "schema": new.schema_name}
            self._note(PlanAction.CREATE, "destination", document.name, document.place, field_changes({}, values))
            return
        if document.layout != before.layout:
            raise InputError(
                f"Destination {before.name!r} has the layout {before.layout}, which cannot change. Define another "
                f"destination with the layout {document.layout.value}."
            )
        fields = (
            *_address_change(self._store.destinations.address(before), before.shown, address.full, address.shown),
            *field_changes({"schema": before.schema_name}, {"schema": address.kind.schema or document.schema}),
        )
        if fields:
            new = destinations.new_destination(self._guard, before.name, address, document.schema, document.layout)
            self._store.destinations.change(before, new)
            self._outside.destinations.append((before, new))
            self._note(PlanAction.CHANGE, "destination", before.name, document.place, fields)

    def _stored_destinations(self) -> Mapping[str, Destination]:
        return {name_key(destination.name): destination for destination in self._store.destinations.list()}

    def _absent_destinations(self, desired: Desired) -> None:
        if not self._guard.may_role(RoleRight.VIEW_DESTINATIONS):
            return
        named = {name_key(document.name) for document, _ in desired.destinations}
        for key, destination in self._stored_destinations().items():
            if key in named:
                continue
            if self._deletions.delete:
                self._try_deletion(partial(self._delete_destination, destination))
            else:
                self._absent.append(AbsentThing("destination", destination.name))

    def _delete_destination(self, destination: Destination) -> None:
        self._guard.need_role(RoleRight.CHANGE_DESTINATIONS)
        gone = {saved.id for saved in self._outside.deleted_datasets}
        users = [saved.name for saved in publishers(self._store, destination) if saved.id not in gone]
        if users:
            raise InputError(
                f"Destination {destination.name!r} is not in the files, but datasets publish there: "
                f"{first_of(users, MOST_NAMES)}. Remove it from their `publish`, or define it."
            )
        self._outside.deleted_destinations.append(destination)
        self._note_deletion("destination", destination.name, "The tables there stay as they are.", destination.shown)

    # -- datasets

    def _dataset(self, document: DatasetDocument) -> None:
        account, source = self._with_account(document)
        source = self._without_unsure(source)
        saved = self._store.datasets.named(document.name) if document.name else None
        if saved is not None and not self._guard.may(DatasetRight.SEE, saved):
            saved = None
        before = _values_of(saved, source) if saved is not None else {}
        is_reconnected = saved is not None and not saved.connected and account is not None
        if saved is not None and before == source.values and not source.problems and not is_reconnected:
            return
        # One that is disconnected is checked as what it becomes.
        becoming = replace(saved, account_id=account.id) if saved is not None and account is not None else saved
        outcome = datasets.checked(self._guard, source, self._now, becoming)
        if outcome.dataset is None:
            raise DatasetError(outcome.problems)
        datasets.save(self._guard, outcome.dataset, self._now)
        if saved is not None:
            self._outside.changed.append((saved, outcome.dataset))
        if is_reconnected:
            before = {**before, "account": f"{before['account']} (deleted)"}
        action = PlanAction.CREATE if saved is None else PlanAction.CHANGE
        fields = field_changes(before, source.values)
        self._note(action, "dataset", document.name, document.place, fields, outcome.notes)

    def _with_account(self, document: DatasetDocument) -> tuple[Account | None, Source]:
        """The account of a dataset, if the actor may see it, and the dataset with names as the store keeps them."""
        source = document.source
        if isinstance(source.values.get("name"), str) and document.name:
            source = source.with_values(name=document.name)
        name = source.values.get("account")
        with suppress(AdreelError):
            if isinstance(name, str) and name.strip():
                account = self._guard.account(name.strip())
                return account, source.with_values(account=account.name)
        return None, source

    def _without_unsure(self, source: Source) -> Source:
        """The dataset without the destinations that have a problem."""
        given = source.values.get("publish")
        items = given if isinstance(given, list) else [given]
        kept = [
            item
            for item in items
            if not self._is_unsure(DocumentKind.DESTINATION, item.get("to") if isinstance(item, Mapping) else item)
        ]
        return source if len(kept) == len(items) else source.with_values(publish=kept)

    def _absent_datasets(self, desired: Desired) -> None:
        named = {document.name for document in desired.datasets}
        for saved in self._guard.datasets():
            if saved.name in named:
                continue
            if self._deletions.delete:
                self._try_deletion(partial(self._delete_dataset, saved))
            else:
                self._absent.append(AbsentThing("dataset", saved.name))

    def _delete_dataset(self, saved: SavedDataset) -> None:
        self._guard.need(DatasetRight.DELETE, saved)
        self._outside.deleted_datasets.append(saved)
        consequence = (
            "Its table stays in the lake; its runs stay in the history."
            if self._deletions.keep_tables
            else "Its table is deleted with all versions; its runs stay in the history."
        )
        self._note_deletion("dataset", saved.name, consequence, f"{saved.id} {saved.spec_version}")

    # -- notifications

    def _notifications(self, desired: Desired) -> None:
        stored: dict[AddressIdentity, Address] = {}
        for address in self._subscriptions.all():
            if address.user_id is None:
                earlier = sum(identity[:2] == (address.dataset_id, address.name) for identity in stored)
                stored[address.dataset_id, address.name, earlier + 1] = address
        defined: dict[AddressIdentity, DocumentPlace] = {}
        for document, url in desired.notifications:
            if self._is_unsure(DocumentKind.DATASET, document.dataset):
                continue
            key = "name" if document.dataset is None else "dataset"
            self._try(document.place, key, partial(self._notification, document, url, stored, defined))
        gone = {saved.id for saved in self._outside.deleted_datasets}
        for identity, address in stored.items():
            if identity not in defined and address.dataset_id not in gone:
                self._try_deletion(partial(self._absent_notification, address, identity[2]))

    def _notification(
        self,
        document: NotificationDocument,
        url: str,
        stored: Mapping[AddressIdentity, Address],
        defined: dict[AddressIdentity, DocumentPlace],
    ) -> None:
        dataset = self._guard.dataset(document.dataset) if document.dataset is not None else None
        identity = (dataset.id if dataset is not None else None, document.name, document.number)
        if identity in defined:
            raise InputError(f"{document.name!r} is defined twice; also in {defined[identity]}")
        defined[identity] = document.place
        if identity in stored:
            self._change_notification(document, url, stored[identity], dataset)
            return
        kinds = read_kinds(document.kinds)
        wanted = NewSubscription(url, document.name, tuple(kinds), document.threshold)
        self._subscriptions.add(wanted, dataset=dataset, is_checked=True)
        name = _notification_name(dataset, document.name, document.number)
        values = {"address": parts_of(url).shown(shown(url)), "kinds": _names(kinds), "threshold": document.threshold}
        self._note(PlanAction.CREATE, "notification", name, document.place, field_changes({}, values))

    def _change_notification(
        self, document: NotificationDocument, url: str, before: Address, dataset: SavedDataset | None
    ) -> None:
        kinds, threshold = read_kinds(document.kinds), read_threshold(document.threshold)
        other_address = _address_change(self._store.addresses.url(before), before.shown, url, shown(url))
        fields = (
            *other_address,
            *field_changes(
                {"kinds": _names(before.kinds), "threshold": written_threshold(before.threshold)},
                {"kinds": _names(kinds), "threshold": written_threshold(threshold)},
            ),
        )
        if not fields:
            return
        changes = SubscriptionChanges(
            url=url if other_address else None,
            kinds=tuple(kinds) if kinds != before.kinds else None,
            threshold=document.threshold if threshold != before.threshold else None,
        )
        self._subscriptions.change(before.id, changes, is_checked=True)
        name = _notification_name(dataset, document.name, document.number)
        self._note(PlanAction.CHANGE, "notification", name, document.place, fields)

    def _absent_notification(self, address: Address, number: int) -> None:
        dataset = self._store.datasets.get(address.dataset_id) if address.dataset_id is not None else None
        name = _notification_name(dataset, address.name, number)
        if not self._deletions.delete:
            self._absent.append(AbsentThing("notification", name))
            return
        self._subscriptions.remove(address.id)
        mark = secret_mark(f"{address.id} {address.shown} {address.kinds} {address.threshold}")
        self._note_deletion("notification", name, "Messages and dashboards are no longer sent there.", mark)

    # -- dashboards

    def _dashboard(self, document: DashboardDocument) -> None:
        if any(self._is_unsure(DocumentKind.DATASET, entry.dataset) for entry in document.charts):
            return
        wanted = [self._chart(entry) for entry in document.charts]
        before = own_dashboards(self._guard).get(name_key(document.name))
        board = before or boards.create(self._guard, document.name)
        old = self._dashboard_values(board)
        if old["charts"] != [entry.values for _, entry in wanted]:
            arrange(self._guard, board, wanted, self._now)
        if document.shared is not None and document.shared is not bool(board.share):
            board = boards.share(self._guard, board, shared=document.shared)
        if document.deliveries is not None:
            send = partial(self._send, board, document.deliveries)
            self._try(document.place, "deliveries", send)
        fields = field_changes(old if before is not None else {}, self._dashboard_values(board))
        if fields:
            action = PlanAction.CREATE if before is None else PlanAction.CHANGE
            self._note(action, "dashboard", board.name, document.place, fields)

    def _chart(self, entry: ChartEntry) -> tuple[SavedDataset, ChartEntry]:
        saved = self._guard.dataset(entry.dataset)
        if saved.id in {gone.id for gone in self._outside.deleted_datasets}:
            raise InputError(
                f"Dataset {saved.name!r} is not in the files and is deleted. Remove its chart, or define it."
            )
        return saved, replace(entry, dataset=saved.name)

    def _send(self, board: Dashboard, deliveries: Sequence[DeliveryEntry]) -> None:
        if any(
            self._is_unsure(DocumentKind.NOTIFICATION, entry.to) or self._is_unsure(DocumentKind.DATASET, entry.dataset)
            for entry in deliveries
        ):
            return
        wanted = [
            replace(entry, dataset=self._guard.dataset(entry.dataset).name) if entry.dataset else entry
            for entry in deliveries
        ]
        addresses = addresses_of(self._guard, self._subscriptions)
        send_to(self._settings, self._guard, board, wanted, addresses, self._now)

    def _dashboard_values(self, board: Dashboard) -> Mapping[str, Any]:
        addresses = addresses_of(self._guard, self._subscriptions)
        return {
            "shared": bool(board.share),
            "charts": [entry.values for _, entry in charts_of(self._guard, board)],
            "deliveries": [entry.values for _, entry in deliveries_of(self._guard, board, addresses)],
        }

    def _absent_dashboards(self, desired: Desired) -> None:
        named = {name_key(document.name) for document in desired.dashboards}
        for key, board in own_dashboards(self._guard).items():
            if key in named:
                continue
            if self._deletions.delete:
                self._try_deletion(partial(self._delete_dashboard, board))
            else:
                self._absent.append(AbsentThing("dashboard", board.name))

    def _delete_dashboard(self, board: Dashboard) -> None:
        mark = f"{board.id} {self._dashboard_values(board)}"
        boards.delete(self._guard, board)
        self._note_deletion("dashboard", board.name, "Its charts are deleted, and it is no longer sent.", mark)

    # -- presets

    def _shared_presets(self) -> Mapping[str, MetricPreset]:
        visible = saved_presets.presets(self._guard)
        return {name_key(preset.name): preset for preset in visible if preset.shared}

    def _preset(self, document: PresetDocument) -> None:
        before = self._shared_presets().get(name_key(document.name))
        if before is None:
            saved = saved_presets.save(self._guard, document.name, document.metrics, shared=True)
            values = field_changes({}, {"metrics": saved.metrics})
            self._note(PlanAction.CREATE, "preset", saved.name, document.place, values)
        elif before.metrics != document.metrics:
            changed = saved_presets.change(self._guard, before, metrics=document.metrics)
            values = field_changes({"metrics": before.metrics}, {"metrics": changed.metrics})
            self._note(PlanAction.CHANGE, "preset", before.name, document.place, values)

    def _absent_presets(self, desired: Desired) -> None:
        named = {name_key(document.name) for document in desired.presets}
        for key, preset in self._shared_presets().items():
            if key in named:
                continue
            if self._deletions.delete:
                self._try_deletion(partial(self._delete_preset, preset))
            else:
                self._absent.append(AbsentThing("preset", preset.name))

    def _delete_preset(self, preset: MetricPreset) -> None:
        saved_presets.delete(self._guard, preset)
        mark = f"{preset.id} {', '.join(preset.metrics)}"
        self._note_deletion("preset", preset.name, "Datasets that were made with it stay as they are.", mark)

    # -- retention

    def _retention(self, document: RetentionDocument) -> None:
        before = self._store.retention.get()
        after = replace(before, **document.values)
        if after == before:
            return
        pruning.change(self._guard, after)
        self._outside.retention = after
        old, new = ({name: _period(value) for name, value in asdict(policy).items()} for policy in (before, after))
        self._note(PlanAction.CHANGE, "retention", document.name, document.place, field_changes(old, new))

    # -- accounts

    def _selection(self, document: AccountDocument) -> None:
        account = self._guard.account(document.name)
        if not document.has_selection or _as_set(account.selection) == _as_set(document.advertisers):
            return
        self._guard.need(AccountRight.EDIT, account)
        if account.id in self._granted:
            self._connecting.keep_selection(account, document.advertisers, self._granted[account.id])
        else:
            self._store.accounts.choose_advertisers(account, document.advertisers)
        self._outside.selections.append((account, document.advertisers))
        change = FieldChange("advertisers", account.selection or "all", document.advertisers or "all")
        self._account_fields[document.name] = [change]

    def _shares(self, document: AccountDocument) -> None:
        with suppress(AdreelError):
            # One that cannot be seen is a problem of `_selection` already.
            account = self._guard.account(document.name)
            fields = self._account_fields.setdefault(document.name, [])
            everyone = self._store.shares.everyone(account)
            if document.everyone is not None and document.everyone is not everyone:
                change = FieldChange("everyone", everyone.value, document.everyone.value)
                share = partial(sharing.share_with_everyone, self._guard, account, document.everyone)
                self._try(document.place, "everyone", share)
                fields.append(change)
            if document.shares is not None:
                fields += self._user_shares(document, account, document.shares)
            if fields:
                self._note(PlanAction.CHANGE, "account", account.name, document.place, fields)

    def _user_shares(
        self, document: AccountDocument, account: Account, shares: Mapping[str, Level]
    ) -> Iterable[FieldChange]:
        before = {user.id: (user, level) for user, level in self._store.shares.of(account).items()}
        wanted: dict[int, tuple[User, Level, str]] = {}
        for name, level in shares.items():
            self._try(document.place, f"shares.{name}", partial(self._add_user, wanted, name, level))
        for user_id, (user, _) in before.items():
            if user_id in wanted:
                continue
            if self._deletions.delete:
                wanted[user_id] = (user, Level.NONE, "shares")
            else:
                self._absent.append(AbsentThing("share", f"{account.name}: {user.name}"))
        # Others become owners before an owner is none any more.
        for user, level, key in sorted(wanted.values(), key=lambda item: (-item[1].rank, item[0].name)):
            old = before[user.id][1] if user.id in before else Level.NONE
            if level is not old:
                self._try(document.place, key, partial(sharing.share, self._guard, account, user, level))
                yield FieldChange(f"shares.{user.name}", old.value, level.value)

    def _add_user(self, wanted: dict[int, tuple[User, Level, str]], name: str, level: Level) -> None:
        user = self._store.users.get(name)
        wanted[user.id] = (user, level, f"shares.{name}")

    def _absent_accounts(self, desired: Desired) -> None:
        named = {document.name for document in desired.accounts}
        self._absent += [
            AbsentThing("account", account.name) for account in self._guard.accounts() if account.name not in named
        ]


def _address_change(old: str, old_shown: str, new: str, new_shown: str) -> tuple[FieldChange, ...]:
    """The change of an address, without its secrets; nothing if it is the same."""
    before, after = parts_of(old), parts_of(new)
    if before == after:
        return ()
    is_other = before.secret != after.secret or not (before.is_public and after.is_public)
    return (FieldChange("address", before.shown(old_shown), after.shown(new_shown), is_other, secret_mark(old)),)


def _values_of(saved: SavedDataset, source: Source) -> Mapping[str, Any]:
    """The values of a saved dataset as its file would be read, where they are not those of the source at once."""
    values = {**source_of(saved).values, "name": saved.name}
    if values == source.values or values.get("report") not in catalog.REPORTS:
        return values
    return read(as_file(values)).values


def _notification_name(dataset: SavedDataset | None, name: str, number: int) -> str:
    whose = f"{dataset.name}: " if dataset is not None else ""
    return f"{whose}{name}" + (f" ({number})" if number > 1 else "")


def _period(value: int | None) -> int | str:
    return FOR_GOOD if value is None else value


def _names(kinds: Iterable[IncidentKind]) -> tuple[str, ...]:
    return tuple(kind.value for kind in kinds)


def _as_set(selection: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if selection is None else frozenset(selection)
