"""The form of a dataset: created, changed, previewed and saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import pyarrow as pa
from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from adreel import catalog
from adreel.access import AccountRight, DatasetRight, RoleRight
from adreel.arrow import pc
from adreel.catalog.templates import Template
from adreel.charts.labels import cell
from adreel.connections import covered
from adreel.datasets import saved_presets, service
from adreel.datasets.dataset import Dataset, Source
from adreel.datasets.imports import beside
from adreel.datasets.schema import NAME_COLUMNS, Column, columns, readable_columns, unit_mark
from adreel.datasets.stored import converted, dataset_of, schedule_of, source_of, without_field
from adreel.datasets.templates import file_of, free_name, template_named
from adreel.datasets.validation import parse
from adreel.datasets.values import scalar, texts
from adreel.datasets.views import default_columns
from adreel.errors import AdreelError, DatasetError, ForbiddenError, InputError, Problem
from adreel.language import phrase, spoken_day
from adreel.pipeline.lateness import template_file
from adreel.scheduling import words
from adreel.store import Account, Draft, SavedDataset
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.forms.calculated import FormulaCheck, Sums, suggestions, typed_editor, unfinished
from adreel.web.forms.fields import FormFields, fields_of
from adreel.web.forms.lateness import time_words
from adreel.web.forms.panes import Around, Form, form_of, posted_values
from adreel.web.forms.posted import posted_fields
from adreel.web.forms.problems import Said, found_in, readable, shown_at_menus, to_fill
from adreel.web.forms.scheduling import with_start
from adreel.web.pages import drafts, transfers
from adreel.web.pages.drafts import continued, keep_draft, with_draft
from adreel.web.pages.heading import Heading, heading
from adreel.web.pages.wording import sentence
from adreel.web.render import NextStep, Notice, Page, go, is_fragment, respond
from adreel.web.wording import weekday_and_time

router = APIRouter()
router.routes.extend(drafts.router.routes)
router.routes.extend(transfers.router.routes)

PREVIEW_ROWS = 20
"""Rows that Load preview shows."""

HEARD_SUMS = 4
"""Metrics of a row of the preview that are heard with its name."""

LONGEST_CLASH = 300
"""Letters of a menu that another user changed."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A menu that another user changed meanwhile: what is there now, and what this form has."""

    title: str
    there: str
    yours: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows with their `sums`, which the page carries along for examples, or why there are none.

    `currencies` are those of all of the rows, `name` is that of the dataset as it is typed, and `year` the current one.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    error: str
    problems: tuple[Said, ...]
    sums: str = ""
    currencies: frozenset[str] = frozenset()
    name: str = ""
    year: int = 0

    def words(self, row: tuple[Any, ...]) -> str:
        """A row's day and its first sums in one sentence, for whoever hears it; empty for a row without sums."""
        pairs = list(zip(self.columns, row, strict=True))
        day = next((value for _, value in pairs if isinstance(value, date)), None)
        own = next((str(value) for column, value in pairs if column.name == "currency" and value), "")
        values = ", ".join(
            f"{column.title} {cell(column.name, value).text}{f' {own}' if own and column.type == 'money' else ''}"
            for column, value in [pair for pair in pairs if pair[0].additive and pair[1] is not None][:HEARD_SUMS]
        )
        if day is None or not values:
            return values
        clock = f" {day:%H:%M}" if isinstance(day, datetime) else ""
        return phrase("%(day)s: %(values)s", day=spoken_day(day, self.year) + clock, values=values)

    def unit(self, column: Column) -> str:
        """What the heading of a column says of its unit."""
        return unit_mark(column.unit, self.currencies)


@dataclass(frozen=True, slots=True)
class NewDatasetPage(Page):
    """The page of a new dataset; `like` is the name of the one that it began as a copy of.

    `begun` is the template that filled it in, `begun_time` why it runs at its time. `drafts` and `templates` are those
    to begin with instead.
    """

    template: ClassVar[str] = "details.html"
    form: Form
    like: str
    preview: Preview | None
    begun: Template | None = None
    templates: tuple[Template, ...] = ()
    drafts: tuple[Draft, ...] = ()
    discarded: str = ""
    begun_time: str = ""


@dataclass(frozen=True, slots=True)
class DatasetSettings(Page):
    """The page of a dataset's settings. `clashes` are what another user saved meanwhile; None if there were none."""

    template: ClassVar[str] = "details_settings.html"
    head: Heading
    form: Form
    clashes: tuple[Clash, ...] | None
    preview: Preview | None
    drafts: tuple[Draft, ...] = ()
    discarded: str = ""


@dataclass(frozen=True, slots=True)
class FormulaPart(Page):
    """What is to be said of a formula."""

    template: ClassVar[str] = "_details_formula.html"
    check: FormulaCheck


@dataclass(frozen=True, slots=True)
class FormPart(Page):
    """The form alone, after a change in it, or where it could not be saved; `clashes` as in `DatasetSettings`."""

    template: ClassVar[str] = "_details_form.html"
    form: Form
    clashes: tuple[Clash, ...] | None = None


@dataclass(frozen=True, slots=True)
class PreviewPart(Page):
    """The preview alone."""

    template: ClassVar[str] = "_details_preview.html"
    preview: Preview


async def _posted(request: Request, deps: Here) -> FormFields:
    return with_start(await posted_fields(request), deps.clock())


Posted = Annotated[FormFields, Depends(_posted)]
"""A page's parameter: the fields of the form that was sent."""


# -- the form


@router.get("/datasets/new")
def new(
    request: Request,
    deps: Here,
    who: Who,
    account: str = "",
    report: str = "",
    like: str = "",
    template: str = "",
    draft: str = "",
    discarded: str = "",
) -> Response:
    """An empty form, or one filled from a template, a draft, or as another dataset is."""
    who.guard.need_role(RoleRight.CREATE)
    if draft:
        return _page_of(request, deps, who, continued(deps.store.drafts.get(who.user, draft)))
    if like:
        saved = who.guard.dataset(like)
        fields, notes = _copied(saved, deps)
        return _page_of(request, deps, who, fields, notes, like=saved.name)
    accounts = _usable(who)
    account = account or (accounts[0].name if len(accounts) == 1 else "")
    if template:
        begun = template_named(template)
        values = _template_values(deps, who, begun, account)
        why = _time_words(deps, who, values, account)
        return _page_of(request, deps, who, fields_of(values), begun=begun, begun_time=why)
    offered = [report.name for report in catalog.REPORTS.values() if not report.deprecated]
    # Rows of days are what most people ask for, and what can be updated day by day.
    first = {"account": account, "report": report if report in offered else offered[0], "time_dimension": "day"}
    shape = form_of(with_draft(fields_of(first)), _around(deps, who, fields_of(first)))
    drafts = deps.store.drafts.list(who.user)
    page = NewDatasetPage(shape, "", None, None, tuple(catalog.TEMPLATES.values()), drafts, discarded)
    return respond(request, page)


def _time_words(deps: Deps, who: Visitor, values: Mapping[str, Any], account: str) -> str:
    """Why the template begins at its time; empty while no account is chosen."""
    usable = next((usable for usable in _usable(who) if usable.name == account), None)
    if usable is None:
        return ""
    advertisers = covered(deps.store.accounts.advertisers(usable), usable.selection).advertisers
    return time_words(values, advertisers, deps.clock(), deps.store.workspace.get().zone)


def _template_values(deps: Deps, who: Visitor, template: Template, account: str) -> dict[str, Any]:
    """The template over the account; over none while it is to be chosen."""
    name = free_name(who.guard, template.title)
    usable = next((usable for usable in _usable(who) if usable.name == account), None)
    if usable is None:
        return file_of(template, account, name)
    return template_file(deps.store, template, usable, name, deps.clock())


def _page_of(
    request: Request,
    deps: Deps,
    who: Visitor,
    fields: FormFields,
    notes: tuple[str, ...] = (),
    *,
    like: str = "",
    begun: Template | None = None,
    begun_time: str = "",
) -> Response:
    """The page of a form that is filled in."""
    fields = with_draft(fields)
    return respond(
        request,
        NewDatasetPage(
            form_of(fields, _around(deps, who, fields), notes=notes), like, None, begun, begun_time=begun_time
        ),
    )


def _copied(saved: SavedDataset, deps: Deps) -> tuple[FormFields, tuple[str, ...]]:
    """The fields for a copy; one of a deprecated report begins as what serves it now."""
    values = dict(source_of(saved).values)
    notes: tuple[str, ...] = ()
    if catalog.REPORTS[str(values["report"])].deprecated:
        values = converted(dataset_of(saved, deps.clock()))
        title = catalog.REPORTS[values["report"]].title
        notes = (
            phrase(
                "The report of %(dataset)s is deprecated. The copy uses %(report)s.",
                dataset=repr(saved.name),
                report=title,
            ),
        )
    return fields_of({**values, "name": phrase("%(dataset)s copy", dataset=saved.name)}), notes


@router.get("/datasets/{slug}/settings")
def settings(request: Request, deps: Here, who: Who, slug: str, draft: str = "", discarded: str = "") -> Response:
    """A saved dataset's form, or the draft of another one."""
    saved = who.guard.dataset(slug, DatasetRight.EDIT)
    if draft:
        fields = continued(deps.store.drafts.get(who.user, draft), saved)
        return _settings(request, deps, who, saved, form_of(fields, _around(deps, who, fields, saved)))
    fields = with_draft(fields_of(source_of(saved).values))
    drafts = deps.store.drafts.list(who.user, saved)
    shape = form_of(fields, _around(deps, who, fields, saved))
    return _settings(request, deps, who, saved, shape, drafts=drafts, discarded=discarded)


@router.post("/datasets/form")
def form(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """The form after something in it was changed, or a button in it was pressed."""
    who.guard.need_role(RoleRight.CREATE)
    return _answer(request, deps, who, fields)


@router.post("/datasets/form/formula")
def formula(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """What is to be said of the formula in the editor, while it is typed."""
    who.guard.need_role(RoleRight.CREATE)
    sums = Sums.of_preview(fields.last("calc.sums"))
    editor = typed_editor(fields, sums if sums.values else _last_sums(deps, _edited(who, fields)))
    return respond(request, FormulaPart(editor.check if editor else FormulaCheck()), visitor=who)


@router.post("/datasets/form/metrics")
def metrics(who: Who, fields: Posted, q: str = "") -> Response:
    """Metrics that a word of a formula may mean, for the editor's script."""
    who.guard.need_role(RoleRight.CREATE)
    return JSONResponse({"metrics": [asdict(metric) for metric in suggestions(fields, q)]})


@router.post("/datasets/draft")
def keep(deps: Here, who: Who, fields: Posted) -> Response:
    """Keeps what is typed as a draft, where the page needs no answer, as it is being left."""
    who.guard.need_role(RoleRight.CREATE)
    kept, _ = keep_draft(deps, who, fields, posted_values(fields), _edited(who, fields))
    is_kept = kept.last("draft.kept") == "yes"
    return Response(status_code=204, headers={"Adreel-Draft": kept.last("draft")} if is_kept else {})


@router.post("/datasets/form/advertisers")
async def ask_advertisers(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """The form after TikTok was asked anew for the account's advertisers."""
    who.guard.need_role(RoleRight.CREATE)
    await deps.asking.refreshed(who.guard.usable(fields.text("account")))
    return await run_in_threadpool(_answer, request, deps, who, fields)


@router.post("/datasets/form/preset")
def save_preset(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """The form after its metrics were saved as a preset, or with the reason why they were not."""
    who.guard.need_role(RoleRight.SAVE_PRESETS)
    metrics, shared = texts(posted_values(fields).get("metrics")), fields.last("preset.shared") == "true"
    try:
        preset = saved_presets.save(who.guard, fields.text("preset.name"), metrics, shared=shared)
    except InputError as error:
        return _answer(
            request, deps, who, fields, notes=(phrase("The preset was not saved. %(error)s", error=sentence(error)),)
        )
    saved = (
        phrase("Saved preset %(name)s; shared with all users.", name=repr(preset.name))
        if preset.shared
        else phrase("Saved preset %(name)s; only you see it.", name=repr(preset.name))
    )
    done = FormFields({name: value for name, value in fields.values.items() if not name.startswith("preset.")})
    return _answer(request, deps, who, done, notes=(saved,))


def _answer(
    request: Request,
    deps: Deps,
    who: Visitor,
    fields: FormFields,
    preview: Preview | None = None,
    notes: tuple[str, ...] = (),
) -> Response:
    """The form, in a page of its own where no part of one was asked for."""
    saved = _edited(who, fields)
    shape = _kept(deps, who, form_of(fields, _around(deps, who, fields, saved), notes=notes), saved)
    if is_fragment(request):
        return respond(request, FormPart(shape), visitor=who)
    if saved is None:
        return respond(request, NewDatasetPage(shape, "", preview))
    return _settings(request, deps, who, saved, shape, preview=preview)


def _kept(deps: Deps, who: Visitor, shape: Form, saved: SavedDataset | None) -> Form:
    """The form, kept as a draft as it is now, after what its buttons did."""
    given = shape.fields
    if shape.calculated is None or shape.calculated.editor is None:
        given = FormFields({name: value for name, value in given.values.items() if not name.startswith("calc.")})
    fields, notes = keep_draft(deps, who, given, shape.values, saved)
    return replace(shape, fields=fields, notices=(*notes, *shape.notices))


def _settings(
    request: Request,
    deps: Deps,
    who: Visitor,
    saved: SavedDataset,
    shape: Form,
    *,
    clashes: tuple[Clash, ...] | None = None,
    preview: Preview | None = None,
    drafts: tuple[Draft, ...] = (),
    discarded: str = "",
    status: int = 200,
) -> Response:
    if is_fragment(request):
        return respond(request, FormPart(shape, clashes), status, visitor=who)
    head = heading(deps, who, saved, "settings", f"/datasets/{saved.slug}/settings")
    return respond(request, DatasetSettings(head, shape, clashes, preview, drafts, discarded), status)


def _edited(who: Visitor, fields: FormFields) -> SavedDataset | None:
    """The dataset whose settings the form changes; None for a new one."""
    slug = fields.last("slug")
    return who.guard.dataset(slug, DatasetRight.EDIT) if slug else None


def _usable(who: Visitor) -> tuple[Account, ...]:
    return tuple(account for account in who.guard.accounts() if who.guard.may(AccountRight.USE, account))


def _around(deps: Deps, who: Visitor, fields: FormFields, saved: SavedDataset | None = None) -> Around:
    accounts = _usable(who)
    name = fields.text("account")
    account = next((usable for usable in accounts if usable.name == name), None)
    if account is None and saved is not None and saved.account_id is not None and name == saved.account_name:
        # One's own dataset can be changed also where its account is no longer shared.
        account = deps.store.accounts.get(saved.account_id)
    return Around(
        accounts=accounts,
        account=account,
        advertisers=deps.store.accounts.advertisers(account) if account else (),
        now=deps.clock(),
        zone=deps.store.workspace.get().zone,
        saved=saved,
        plan=deps.asking.planned,
        metric_sets=saved_presets.metric_sets(who.guard),
        last_sums=lambda: _last_sums(deps, saved),
    )


# -- preview


@router.post("/datasets/preview")
async def preview(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """The first rows that TikTok gives for what the form has; nothing is saved."""
    who.guard.need_role(RoleRight.PREVIEW)
    rows = await _preview(deps, who, fields)
    if is_fragment(request):
        return respond(request, PreviewPart(rows))
    return await run_in_threadpool(_answer, request, deps, who, fields, rows)


async def _preview(deps: Deps, who: Visitor, fields: FormFields) -> Preview:
    values = posted_values(fields)
    try:
        dataset = readable(values, deps.clock())
        saved = _edited(who, fields)
        own = saved is not None and saved.account_id is not None and dataset.account == saved.account_name
        account = deps.store.accounts.get(dataset.account) if own else who.guard.usable(dataset.account)
        table = await deps.asking.preview(dataset, account, PREVIEW_ROWS)
    except DatasetError as error:
        report = catalog.REPORTS.get(scalar(values["report"]))
        order = to_fill(error.problems, report, values)
        shown = shown_at_menus(error.problems, report, values)[0]
        refusal = (
            phrase("%(advice)s to see a preview.", advice=order)
            if order
            else phrase("Fix these settings to see a preview.")
        )
        return Preview((), (), refusal, shown)
    except AdreelError as error:
        return Preview((), (), sentence(error), ())
    in_order = _preview_columns(dataset, table)
    rows = _rows(table.select([column.name for column in in_order]))
    return Preview(
        in_order,
        tuple(rows),
        "",
        (),
        _sums(dataset, table).text,
        _currencies(table),
        scalar(values["name"]),
        deps.clock().year,
    )


def _preview_columns(dataset: Dataset, table: pa.Table) -> tuple[Column, ...]:
    """Names, of which the narrowest heads its row, then the order of the Data tab; columns without a value are last."""
    by_name = {column.name: column for column in readable_columns(dataset)}
    ordered = default_columns(tuple(by_name), by_name)
    is_empty = {name: all(value in (None, "", []) for value in table[name].to_pylist()) for name in ordered}
    labels = set(NAME_COLUMNS.values())
    return tuple(by_name[name] for name in sorted(ordered, key=lambda name: (is_empty[name], name not in labels)))


def _sums(dataset: Dataset, table: pa.Table) -> Sums:
    """The sums of the first rows, of metrics that each of them has; money only if it is of one currency."""
    currencies = _currencies(table)
    named = [
        column.name
        for column in columns(dataset)
        if column.additive and not (column.type == "money" and len(currencies) > 1)
    ]
    full = [name for name in named if table.num_rows and not table[name].null_count]
    sums = {name: Decimal(str(pc.sum(table[name]).as_py())) for name in full}
    several = len(currencies) > 1
    return Sums("", sums, next(iter(currencies)) if len(currencies) == 1 else "", several)


def _currencies(table: pa.Table) -> frozenset[str]:
    """The currencies of some rows; an unknown one is empty."""
    return (
        frozenset(text or "" for text in table["currency"].to_pylist())
        if "currency" in table.column_names
        else frozenset()
    )


def _last_sums(deps: Deps, saved: SavedDataset | None) -> Sums:
    """The sums of what the last run read, as its verification has them; none for a new dataset."""
    runs = deps.store.runs.good(saved) if saved else ()
    if not runs:
        return Sums()
    verification = runs[0].verification
    checksums, currencies = verification.get("checksums", ()), verification.get("currencies", ())
    totals = verification.get("totals", {}).items()
    sums = {name: Decimal(str(pair["actual"])) for name, pair in totals if name not in checksums}
    currency = currencies[0] if len(currencies) == 1 else ""
    return Sums(phrase("the rows of the last run"), sums, currency, several_currencies=len(currencies) > 1)


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


# -- saving


@router.post("/datasets/new")
def save(request: Request, deps: Here, who: Who, fields: Posted) -> Response:
    """Saves a new dataset and has its first run begin; opens it, or another form."""
    who.guard.need_role(RoleRight.CREATE)
    values = posted_values(fields)
    refused = (*_refusals(deps, who, values, None), *unfinished(fields, values))
    if refused:
        shape = _kept(deps, who, form_of(fields, _around(deps, who, fields), refused), None)
        return respond(request, FormPart(shape) if is_fragment(request) else NewDatasetPage(shape, "", None), 422)
    saved = service.create(who.guard, parse(Source(values, {}), deps.clock()))
    deps.store.drafts.spend(who.user, fields.last("draft"), fields.last("draft.tab"))
    message = " ".join((_begun(deps, who, saved), *_next_run(deps.store.datasets.get(saved.id)), *beside(saved)))
    if fields.last("then") == "again":
        again = urlencode({"account": saved.account_name, "report": scalar(values["report"])})
        return go(request, f"/datasets/new?{again}", message)
    return go(request, f"/datasets/{saved.slug}", Notice(message, offer=NextStep.CHARTS, subject=saved.slug))


def _begun(deps: Deps, who: Visitor, saved: SavedDataset) -> str:
    """Has the first run begin, and says so; a dataset that cannot run now is saved all the same."""
    try:
        deps.orders.enqueue(who.guard, saved)
    except AdreelError as error:
        return phrase(
            "Created %(name)s, but the first run could not start: %(error)s", name=repr(saved.name), error=error
        )
    return phrase("Created %(name)s. The first run is queued.", name=repr(saved.name))


RUN_SOON = timedelta(hours=1)
"""A run that is due within this time need not be started by hand."""


@router.post("/datasets/{slug}/settings")
def change(request: Request, deps: Here, who: Who, slug: str, fields: Posted) -> Response:
    """Saves a dataset's settings, unless another user saved others after this form was opened."""
    saved = who.guard.dataset(slug, DatasetRight.EDIT)
    values = posted_values(fields) | without_field(saved)
    if fields.last("spec_version") != str(saved.spec_version):
        return _clash(request, deps, who, saved, fields)
    refused = (*_refusals(deps, who, values, saved), *unfinished(fields, values))
    losses: tuple[str, ...] = ()
    if not refused:
        now = deps.clock()
        dataset = parse(Source(values, {}), now)
        losses = service.losses(who.guard, dataset, deps.lake, now, saved)
        refused = _changed(who, saved, dataset, now)
    if refused:
        shape = _kept(deps, who, form_of(fields, _around(deps, who, fields, saved), refused), saved)
        return _settings(request, deps, who, saved, shape, status=422)
    deps.store.drafts.spend(who.user, fields.last("draft"), fields.last("draft.tab"))
    changed = deps.store.datasets.get(saved.id)
    text = " ".join((_settings_saved(changed), *losses))
    is_soon = changed.next_run_at is not None and changed.next_run_at - deps.clock() < RUN_SOON
    offer = NextStep.RUN if who.guard.may(DatasetRight.RUN, changed) and not is_soon else None
    return go(request, f"/datasets/{slug}", Notice(text, offer=offer, subject=changed.slug))


def _settings_saved(saved: SavedDataset) -> str:
    if saved.next_run_at is None or saved.paused_at is not None:
        return phrase("Settings saved. The next run uses them.")
    return phrase("Settings saved. Next run: %(time)s UTC.", time=weekday_and_time(saved.next_run_at))


def _next_run(saved: SavedDataset) -> Iterator[str]:
    """The schedule of a new dataset and its first run by it, if it has one."""
    schedule = schedule_of(saved)
    if schedule is not None and saved.next_run_at is not None:
        next_run = weekday_and_time(saved.next_run_at)
        yield phrase("%(schedule)s; next run %(time)s UTC.", schedule=words(schedule), time=next_run)


def _changed(who: Visitor, saved: SavedDataset, dataset: Dataset, now: datetime) -> tuple[Problem, ...]:
    """Saves the change, or says why it cannot be; nothing is written where nothing is different."""
    try:
        if not saved.connected or dataset_of(saved, now) != dataset:
            service.change(who.guard, saved, dataset, now)
    except InputError as error:
        return (Problem("update.key", error.message),)
    return ()


def _refusals(deps: Deps, who: Visitor, values: Mapping[str, Any], saved: SavedDataset | None) -> Iterator[Problem]:
    """Why the values cannot be saved, each with the menu at fault."""
    faults = found_in(values, deps.clock()).problems
    yield from faults
    if not faults:
        # Days that have not begun in any ad account: the form alone does not know them.
        at_home = service.checked(who.guard, Source(values, {}), deps.clock()).problems
        yield from (problem for problem in at_home if problem.menu == "dates")
    name, account = scalar(values["name"]), scalar(values["account"])
    try:
        service.refuse_new_deprecated(Source(values, {}), saved)
    except InputError as error:
        yield Problem("report", error.message.removeprefix("report: "))
    if name:
        for refusal in deps.store.datasets.refusals([name], besides=saved).values():
            yield Problem("name", refusal.message)
    if account and (saved is None or not saved.connected or account != saved.account_name):
        try:
            who.guard.usable(account)
        except (InputError, ForbiddenError) as error:
            yield Problem("account", error.message)


def _clash(request: Request, deps: Deps, who: Visitor, saved: SavedDataset, fields: FormFields) -> Response:
    """Tells what another user has saved meanwhile; saved again, this form goes over it knowingly."""
    # As the form writes them, which may not be as the file has them.
    stored = posted_values(fields_of(source_of(saved).values))
    clashes = tuple(_clashes(stored, posted_values(fields)))
    current = FormFields({**fields.values, "spec_version": (str(saved.spec_version),)})
    shape = form_of(current, _around(deps, who, current, saved))
    return _settings(request, deps, who, saved, shape, clashes=clashes, status=409)


def _clashes(stored: Mapping[str, Any], yours: Mapping[str, Any]) -> Iterator[Clash]:
    titles = {menu.name: menu.title for report in catalog.REPORTS.values() for menu in report.menus}
    for name in dict.fromkeys((*stored, *yours)):
        before, after = _shown(stored.get(name)), _shown(yours.get(name))
        if before != after:
            yield Clash(titles.get(name, name.replace("_", " ").capitalize()), before, after)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    words = ", ".join(texts(value)) or "\N{EN DASH}"
    return words if len(words) <= LONGEST_CLASH else f"{words[:LONGEST_CLASH]}…"
