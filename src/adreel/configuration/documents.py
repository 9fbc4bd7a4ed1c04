"""The documents of a configuration folder: datasets as in dataset files, and the other kinds of `DocumentKind`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import fields as dataclass_fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from adreel.configuration.references import ReferringText, is_reference, read_references
from adreel.dashboards.times import read_time
from adreel.datasets.dataset import Source
from adreel.datasets.files import read_all
from adreel.datasets.layouts import WarehouseLayout, read_layout
from adreel.datasets.menus import nearest
from adreel.dates import WEEKDAYS
from adreel.destinations.kinds import secrets_of
from adreel.errors import AdreelError, DatasetError, InputError, Problem
from adreel.notify.mail import SCHEMES as MAIL_SCHEMES
from adreel.notify.subscriptions import read_kinds, read_threshold, written_threshold
from adreel.store import Level, Retention
from adreel.store.names import clean_name, kept_name
from adreel.store.notifications import Threshold
from adreel.store.users import name_key

MOST_NUMBER = 20

FOR_GOOD = "all"
"""What a retention has in place of a number of days for what is kept for good."""


class DocumentKind(StrEnum):
    """What a document is of; one without `kind` is a dataset."""

    ACCOUNT = "account"
    DESTINATION = "destination"
    NOTIFICATION = "notification"
    DASHBOARD = "dashboard"
    PRESET = "preset"
    RETENTION = "retention"
    DATASET = "dataset"


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """A key of a document, with what it is if it is absent."""

    name: str
    absent: str
    meaning: str


KEYS: Mapping[DocumentKind, tuple[DocumentKey, ...]] = MappingProxyType(
    {
        DocumentKind.ACCOUNT: (
            DocumentKey("name", "required", "Name of a connected account."),
            DocumentKey("advertisers", "not changed", "IDs of the ad accounts that the account uses, or `all`."),
            DocumentKey("everyone", "not changed", "Access level of all users: `none`, `read`, `share` or `edit`."),
            DocumentKey("shares", "not changed", "Access levels of single users, by user name."),
        ),
        DocumentKind.DESTINATION: (
            DocumentKey("name", "required", "Name of the destination."),
            DocumentKey("address", "required", "Address, its password, token or key by reference."),
            DocumentKey("layout", "`datasets`", "Which tables datasets fill: `datasets`, `fivetran` or `airbyte`."),
            DocumentKey("schema", "that of the layout", "Schema of the tables."),
        ),
        DocumentKind.NOTIFICATION: (
            DocumentKey("name", "required", "Name of the address."),
            DocumentKey("dataset", "the workspace", "Name or slug of the dataset whose address it is."),
            DocumentKey(
                "address", "required", "Address by reference; an e-mail address with its password by reference."
            ),
            DocumentKey("kinds", "all", "Kinds of notifications, such as `failed`."),
            DocumentKey("threshold", f"`{written_threshold(Threshold())}`", "Least restatement, as `0.1%` or `100`."),
            DocumentKey("number", "`1`", "Counts addresses of the same name, in the order in which they were added."),
        ),
        DocumentKind.DASHBOARD: (
            DocumentKey("name", "required", "Name of the dashboard."),
            DocumentKey("shared", "not changed", "`true` for a link that all users can open, or `false`."),
            DocumentKey("charts", "required", "Charts in their order, each with the keys below."),
            DocumentKey("deliveries", "not changed", "Notification addresses that it is sent to, with the keys below."),
        ),
        DocumentKind.PRESET: (
            DocumentKey("name", "required", "Name of the shared preset."),
            DocumentKey("metrics", "required", "Metrics in their order."),
        ),
        DocumentKind.RETENTION: (
            DocumentKey("version_days", "not changed", "Days for which versions of tables are kept, or `all`."),
            DocumentKey("version_count", "not changed", "Latest versions of each table that always stay."),
            DocumentKey("run_days", "not changed", "Days for which runs are kept, or `all`."),
            DocumentKey("log_days", "not changed", "Days for which logs of runs are kept, or `all`."),
            DocumentKey("audit_days", "not changed", "Days for which audit entries are kept, or `all`."),
        ),
    }
)
"""The keys of each kind of document besides `kind`; those of datasets are in `docs/dataset-files.md`."""


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Where a document is: its file, by its path in the folder, and the lines of its keys."""

    file: str
    lines: Mapping[str, int]

    @property
    def line(self) -> int | None:
        """The first line of the document."""
        return min(self.lines.values(), default=None)

    def __str__(self) -> str:
        """The file and the line."""
        return self.file if self.line is None else f"{self.file}, line {self.line}"

    def fault(self, key: str, reason: str) -> str:
        """A sentence on a key of the document."""
        return self.of(Problem(key, reason, line=self.lines.get(key)))

    def of(self, problem: Problem) -> str:
        """A problem with its file and line."""
        placed = replace(problem, line=problem.line or self.line)
        return f"{self.file}, {placed}" if placed.line else f"{self.file}: {placed}"


@dataclass(frozen=True, slots=True)
class DatasetDocument:
    """A dataset file's dataset."""

    place: DocumentPlace
    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class AccountDocument:
    """Settings of a connected account; what is None is not changed.

    With `has_selection`, `advertisers` is what the account uses: None for all that it covers.
    """

    place: DocumentPlace
    name: str
    has_selection: bool
    advertisers: tuple[str, ...] | None
    everyone: Level | None
    shares: Mapping[str, Level] | None


@dataclass(frozen=True, slots=True)
class DestinationDocument:
    """A destination, its address without secrets."""

    place: DocumentPlace
    name: str
    address: ReferringText
    layout: WarehouseLayout
    schema: str


@dataclass(frozen=True, slots=True)
class NotificationDocument:
    """A notification address of a dataset, or with None of the workspace; `kinds` empty stands for all."""

    place: DocumentPlace
    name: str
    dataset: str | None
    number: int
    address: ReferringText
    kinds: tuple[str, ...]
    threshold: str


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """A chart of a dashboard: name or slug of its dataset, key, choices as in an address, title; empty for its own."""

    dataset: str
    chart: str
    choices: str = ""
    title: str = ""

    @property
    def values(self) -> Mapping[str, str]:
        """As files have it."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class DeliveryEntry:
    """That a dashboard is sent to a notification address, as `NotificationDocument` has it; `dataset` may be empty.

    `at` is a time of the day as 08:00, and `weekdays` are counted from Monday as 0.
    """

    to: str
    dataset: str
    number: int
    at: str
    weekdays: tuple[int, ...]

    @property
    def target(self) -> tuple[str, str, int]:
        """What tells addresses apart: the dataset, the name and the number."""
        return self.dataset, self.to, self.number

    @property
    def values(self) -> Mapping[str, Any]:
        """As files have it."""
        days = [WEEKDAYS[number] for number in self.weekdays]
        return {
            "to": self.to,
            **({"dataset": self.dataset} if self.dataset else {}),
            **({"number": self.number} if self.number > 1 else {}),
            "at": self.at,
            **({"weekdays": days} if len(days) < len(WEEKDAYS) else {}),
        }


@dataclass(frozen=True, slots=True)
class DashboardDocument:
    """A dashboard of who applies the files; what is None is not changed."""

    place: DocumentPlace
    name: str
    shared: bool | None
    charts: tuple[ChartEntry, ...]
    deliveries: tuple[DeliveryEntry, ...] | None


@dataclass(frozen=True, slots=True)
class PresetDocument:
    """A metric preset that is shared with all users."""

    place: DocumentPlace
    name: str
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetentionDocument:
    """Keys of the home's retention policy with their values, None for what is kept for good; others do not change."""

    place: DocumentPlace
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What messages call it, as a home has one policy."""
        return "policy"


Document = (
    DatasetDocument
    | AccountDocument
    | DestinationDocument
    | NotificationDocument
    | DashboardDocument
    | PresetDocument
    | RetentionDocument
)


@dataclass(frozen=True, slots=True)
class FolderReading:
    """The documents of a folder, and the problems of others, each with its file and line.

    `unread` are kind and name of these; None if some have neither, so that names may be missing from `documents` that
    others refer to.
    """

    documents: tuple[Document, ...]
    problems: tuple[str, ...]
    unread: frozenset[tuple[DocumentKind, str]] | None


def read_documents(texts: Mapping[str, str]) -> FolderReading:
    """Reads the files of a folder, given by their paths in it."""
    documents: dict[tuple[str, ...], Document] = {}
    every: list[Document] = []
    problems: list[str] = []
    unread: set[tuple[DocumentKind, str] | None] = set()
    for file, text in texts.items():
        try:
            sources = read_all(text)
        except DatasetError as error:
            problems += [f"{file}: {problem.reason}" for problem in error.problems]
            unread.add(None)
            continue
        for source in sources:
            document = _document(file, source, problems)
            if document is None:
                unread.add(_identified(source))
                continue
            every.append(document)
            documents.setdefault(_identity(document) if document.name else (str(document.place),), document)
    problems += _duplicates(every)
    named = frozenset(item for item in unread if item is not None)
    return FolderReading(tuple(documents.values()), tuple(problems), named if len(named) == len(unread) else None)


def defined_in_both(own: Mapping[str, str], others: Mapping[str, str]) -> tuple[Document, ...]:
    """The documents of the files `own` that files of the same folder define as well."""
    identities = {_identity(document) for document in read_documents(others).documents if document.name}
    return tuple(
        document for document in read_documents(own).documents if document.name and _identity(document) in identities
    )


def _identified(source: Source) -> tuple[DocumentKind, str] | None:
    kind, name = source.values.get("kind"), source.values.get("name")
    if kind == DocumentKind.RETENTION:
        return DocumentKind.RETENTION, ""
    if not isinstance(kind, str) or kind not in _READERS or not isinstance(name, str) or not name:
        return None
    return DocumentKind(kind), name_key(name)


def _document(file: str, source: Source, problems: list[str]) -> Document | None:
    place = DocumentPlace(file, source.lines)
    if "kind" not in source.values:
        return DatasetDocument(place, kept_name(str(source.values.get("name") or "")), source)
    kind = source.values["kind"]
    if not isinstance(kind, str) or kind not in _READERS:
        kinds = ", ".join(_READERS)
        problems.append(
            place.fault("kind", f"{kind!r} is not a kind; choose from {kinds}, or leave it out for a dataset")
        )
        return None
    fields = _Fields(DocumentKind(kind), place, source)
    document = _READERS[kind](fields)
    problems += fields.problems
    return None if fields.problems else document


class _Fields:
    """The values of a document, read key by key; collects its problems."""

    def __init__(self, kind: DocumentKind, place: DocumentPlace, source: Source) -> None:
        self.place = place
        self.values = source.values
        self.problems = [place.of(problem) for problem in source.problems]
        names = [key.name for key in KEYS[kind]]
        for name in self.values:
            if name != "kind" and name not in names:
                near = nearest(str(name), names)
                problem = Problem(
                    str(name), f"unknown key; {kind} has {', '.join(names)}", near, place.lines.get(str(name))
                )
                self.problems.append(place.of(problem))

    def fault(self, key: str, reason: str) -> None:
        self.problems.append(self.place.fault(key, reason))

    def text(self, key: str, absent: str | None = None) -> str:
        """The text of a key; `absent` None makes it required."""
        value = self.values.get(key, absent)
        if not isinstance(value, str) or not value.strip():
            self.fault(key, "required" if value is None else "must be a text")
            return ""
        return value.strip()

    def name(self, subject: str) -> str:
        text = self.text("name")
        return self.valid("name", lambda: clean_name(text, subject), "") if text else ""

    def valid(self, key: str, read: Callable[[], Any], otherwise: Any) -> Any:
        """What `read` gives; its error is a problem of the key."""
        try:
            return read()
        except AdreelError as error:
            self.fault(key, error.message)
            return otherwise

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(item, str) and item.strip() for item in items):
            self.fault(key, "must be a text or a list of texts")
            return ()
        return tuple(dict.fromkeys(item.strip() for item in items))


def _account(fields: _Fields) -> AccountDocument:
    name = fields.name("an account")
    has_selection = "advertisers" in fields.values
    advertisers = fields.texts("advertisers")
    are_ids = bool(advertisers) and all(text.isascii() and text.isdigit() for text in advertisers)
    if has_selection and advertisers != ("all",) and not are_ids:
        fields.fault("advertisers", "must be `all`, or IDs of ad accounts")
    everyone = _level(fields, "everyone", fields.values["everyone"]) if "everyone" in fields.values else None
    if everyone is Level.OWNER:
        fields.fault("everyone", "cannot be owner; list users as owners in `shares`")
    selected = None if advertisers == ("all",) else advertisers
    return AccountDocument(fields.place, name, has_selection, selected, everyone, _shares(fields))


def _shares(fields: _Fields) -> Mapping[str, Level] | None:
    if "shares" not in fields.values:
        return None
    value = fields.values["shares"]
    if value is None:
        return {}
    if not isinstance(value, dict):
        fields.fault("shares", "must have users and their access levels, as in: shares: {ada: owner}")
        return {}
    shares = {str(user): _level(fields, f"shares.{user}", level) for user, level in value.items()}
    if len({name_key(user) for user in shares}) < len(shares):
        fields.fault("shares", "has a user twice")
    return {user: level for user, level in shares.items() if level is not None}


def _level(fields: _Fields, key: str, value: Any) -> Level | None:
    if value not in set(Level):
        fields.fault(key, f"{value!r} is not an access level; choose from {', '.join(Level)}")
        return None
    return Level(value)


def _destination(fields: _Fields) -> DestinationDocument:
    name = fields.name("a destination")
    address = _address(fields)
    if not address.is_whole and not all(map(is_reference, _passwords(address))):
        fields.fault("address", "has a password, which files must not contain; write ${env:NAME} in its place")
    layout = _layout(fields)
    return DestinationDocument(fields.place, name, address, layout, fields.text("schema", layout.schema))


def _layout(fields: _Fields) -> WarehouseLayout:
    try:
        return read_layout(fields.text("layout", WarehouseLayout.DATASETS.value))
    except InputError as error:
        fields.fault("layout", str(error))
        return WarehouseLayout.DATASETS


def _notification(fields: _Fields) -> NotificationDocument:
    name = fields.name("a notification address")
    address = _address(fields)
    if fields.values.get("address") and not address.is_whole:
        _refuse_secrets(fields, address)
    number = fields.text("number", "1")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MOST_NUMBER:
        fields.fault("number", f"must be a number from 1 to {MOST_NUMBER}")
        number = "1"
    dataset = fields.text("dataset") if "dataset" in fields.values else None
    kinds = fields.texts("kinds")
    threshold = fields.text("threshold", written_threshold(Threshold()))
    fields.valid("kinds", lambda: read_kinds(kinds), ())
    fields.valid("threshold", lambda: read_threshold(threshold), Threshold())
    return NotificationDocument(fields.place, name, dataset, int(number), address, kinds, threshold)


def _refuse_secrets(fields: _Fields, address: ReferringText) -> None:
    """E-mail addresses are written out but for their password; all others are secrets as a whole."""
    scheme, _, rest = address.sample.partition("://")
    if scheme.lower() not in MAIL_SCHEMES or not rest:
        fields.fault("address", "is a secret as a whole, which files must not contain; write address: ${env:NAME}")
        return
    options = dict(parse_qsl(urlsplit(address.sample).query))
    passwords = (_password(address), options.get("pass"), options.get("password"))
    if any(password is not None and not is_reference(password) for password in passwords):
        fields.fault("address", "has a password, which files must not contain; write ${env:NAME} in its place")


def _dashboard(fields: _Fields) -> DashboardDocument:
    name = fields.name("a dashboard")
    shared = str(fields.values["shared"]).lower() if "shared" in fields.values else None
    if shared not in ("true", "false", None):
        fields.fault("shared", "must be true or false")
    charts = fields.values.get("charts")
    if not isinstance(charts, list):
        fields.fault("charts", "required" if charts is None else "must be a list of charts")
        charts = []
    entries = tuple(_chart(fields, number, values) for number, values in enumerate(charts, start=1))
    is_shared = None if shared is None else shared == "true"
    return DashboardDocument(fields.place, name, is_shared, entries, _deliveries(fields))


def _deliveries(fields: _Fields) -> tuple[DeliveryEntry, ...] | None:
    if "deliveries" not in fields.values:
        return None
    listed = fields.values["deliveries"]
    if not isinstance(listed, list):
        fields.fault("deliveries", "must be a list")
        return None
    return tuple(_delivery(fields, number, values) for number, values in enumerate(listed, start=1))


def _delivery(fields: _Fields, number: int, values: Any) -> DeliveryEntry:
    is_delivery = isinstance(values, dict) and {"to", "at"} <= values.keys() <= set(_DELIVERY_KEYS)
    texts = {key: value for key, value in values.items() if key != "weekdays"} if is_delivery else {}
    days = values.get("weekdays", list(WEEKDAYS)) if is_delivery else None
    days = [days] if isinstance(days, str) else days
    count = str(texts.get("number", "1"))
    if (
        not is_delivery
        or not isinstance(days, list)
        or not days
        or not set(map(str, days)) <= set(WEEKDAYS)
        or not all(isinstance(texts[key], str) for key in texts.keys() - {"number"})
        or not (count.isascii() and count.isdecimal() and 1 <= len(count) <= 2)
    ):
        keys = ", ".join(_DELIVERY_KEYS)
        fields.fault("deliveries", f"delivery {number} must have the keys {keys}, the first and `at` always")
        return DeliveryEntry("", "", 1, "", ())
    at = fields.valid("deliveries", lambda: read_time(texts["at"]), "")
    weekdays = tuple(sorted(WEEKDAYS.index(day) for day in set(days)))
    return DeliveryEntry(kept_name(texts["to"]), texts.get("dataset", "").strip(), int(count), at, weekdays)


_DELIVERY_KEYS = tuple(key.name for key in dataclass_fields(DeliveryEntry))


def _chart(fields: _Fields, number: int, values: Any) -> ChartEntry:
    is_chart = (
        isinstance(values, dict)
        and {"dataset", "chart"} <= values.keys() <= set(_CHART_KEYS)
        and all(isinstance(value, str) for value in values.values())
    )
    if not is_chart:
        fields.fault("charts", f"chart {number} must have the texts {', '.join(_CHART_KEYS)}, the last two if needed")
        return ChartEntry("", "")
    texts = {key: value.strip() for key, value in values.items()}
    if texts.get("title"):
        texts["title"] = fields.valid("charts", lambda: clean_name(texts["title"], "a chart"), "")
    return ChartEntry(**texts | {"choices": texts.get("choices", "").removeprefix("?")})


_CHART_KEYS = tuple(key.name for key in dataclass_fields(ChartEntry))


def _preset(fields: _Fields) -> PresetDocument:
    name = fields.name("a metric preset")
    metrics = fields.texts("metrics")
    if not metrics and not fields.problems:
        fields.fault("metrics", "required")
    return PresetDocument(fields.place, name, metrics)


def _retention(fields: _Fields) -> RetentionDocument:
    values: dict[str, Any] = {
        key.name: _period(fields, key.name) for key in KEYS[DocumentKind.RETENTION] if key.name in fields.values
    }
    for name, value in values.items() if not fields.problems else ():
        try:
            replace(Retention(), **{name: value}).checked()
        except InputError as error:
            fields.fault(name, error.message.removeprefix(f"{name}: "))
    return RetentionDocument(fields.place, values)


def _period(fields: _Fields, key: str) -> int | None:
    """A number of days, or of versions; None for what is kept for good."""
    text = fields.text(key)
    if text == FOR_GOOD and key != "version_count":
        return None
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        choices = "a number of versions" if key == "version_count" else f"a number of days, or `{FOR_GOOD}`"
        fields.fault(key, f"must be {choices}")
        return None
    return int(text or 0)


def _address(fields: _Fields) -> ReferringText:
    text = fields.text("address")
    empty = ReferringText(())
    address: ReferringText = fields.valid("address", lambda: read_references(text), empty) if text else empty
    return address


def _password(address: ReferringText) -> str | None:
    try:
        return urlsplit(address.sample).password
    except ValueError:
        return None


def _passwords(address: ReferringText) -> tuple[str, ...]:
    """The passwords, tokens and keys in the address of a destination."""
    try:
        return secrets_of(address.sample)
    except ValueError:
        return ()


_READERS: Mapping[str, Callable[[_Fields], Document]] = MappingProxyType(
    {
        DocumentKind.ACCOUNT: _account,
        DocumentKind.DESTINATION: _destination,
        DocumentKind.NOTIFICATION: _notification,
        DocumentKind.DASHBOARD: _dashboard,
        DocumentKind.PRESET: _preset,
        DocumentKind.RETENTION: _retention,
    }
)


def _duplicates(documents: Sequence[Document]) -> Iterator[str]:
    """Documents of the same thing, and addresses whose number follows none."""
    first: dict[tuple[str, ...], Document] = {}
    for document in documents:
        identity = _identity(document)
        if identity in first and document.name:
            key = "kind" if isinstance(document, RetentionDocument) else "name"
            yield document.place.fault(key, f"{document.name!r} is defined twice; also in {first[identity].place}")
        first.setdefault(identity, document)
    for document in documents:
        if isinstance(document, NotificationDocument) and document.number > 1:
            before = replace(document, number=document.number - 1)
            if _identity(before) not in first:
                reason = f"there is no number {before.number} of {document.name!r}; count from 1"
                yield document.place.fault("number", reason)


def _identity(document: Document) -> tuple[str, ...]:
    match document:
        case NotificationDocument():
            return "notification", document.name, document.dataset or "", str(document.number)
        case DestinationDocument():
            return "destination", name_key(document.name)
        case AccountDocument():
            return "account", document.name
        case DatasetDocument():
            return "dataset", document.name
        case DashboardDocument():
            return "dashboard", name_key(document.name)
        case PresetDocument():
            return "preset", name_key(document.name)
        case RetentionDocument():
            return ("retention",)
