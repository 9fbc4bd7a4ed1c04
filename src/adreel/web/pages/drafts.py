"""Drafts: what is filled in is kept at the server, and can be continued or discarded."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from adreel import catalog
from adreel.access import RoleRight
from adreel.datasets.calculated import KEY as CALCULATED
from adreel.datasets.stored import source_of
from adreel.datasets.values import texts
from adreel.errors import InputError, NotFoundError
from adreel.language import Phrase, in_english, phrase
from adreel.store import Draft, SavedDataset
from adreel.store.drafts import DraftWriter
from adreel.web.deps import Deps, Here, Visitor, Who
from adreel.web.forms.fields import FormFields, calculated_text, fields_of, ids_in, ticked
from adreel.web.forms.panes import posted_values
from adreel.web.render import go, own_path

router = APIRouter()

_OF_PAGE = frozenset({"draft", "draft.tab", "draft.seen", "draft.kept", "do", "then", "tried", "tried.section", "pane"})
"""Fields of the page and not of the dataset."""

_VIEW = (".search", ".searched", ".group", ".most", ".seen", ".tick", ".removed", ".sums")
"""How the names of fields end that say what a list shows."""

ELSEWHERE = Phrase("This draft was changed in another tab. Your changes are kept as a draft of their own.")


def with_draft(fields: FormFields) -> FormFields:
    """The fields with the key of a draft that nobody has written yet, unless they are of a draft."""
    if "draft" in fields:
        return fields
    key = secrets.token_urlsafe(12)
    return FormFields({**fields.values, "draft": (key,), "draft.tab": (key,), "draft.seen": ("0",)})


def continued(draft: Draft, saved: SavedDataset | None = None) -> FormFields:
    """The fields of a draft, for another page that goes on with it.

    `saved` is the dataset of the page. NotFoundError if the draft is of another one.
    """
    if draft.dataset_id != (saved.id if saved else None):
        raise NotFoundError(phrase("This draft belongs to another form. Open it from the list of drafts."))
    own = {"draft": (draft.key,), "draft.tab": (secrets.token_urlsafe(12),), "draft.seen": (str(draft.revision),)}
    return FormFields({**FormFields.of(draft.fields).values, **own})


def keep_draft(
    deps: Deps, who: Visitor, fields: FormFields, values: Mapping[str, Any], saved: SavedDataset | None
) -> tuple[FormFields, tuple[str, ...]]:
    """Keeps the form as a draft, or deletes that where nothing is left of it; the fields, and what to tell.

    `values` are those of the dataset file after what a button did.

    A form without a key, as programs send it, is not kept.
    """
    key, seen = fields.last("draft"), fields.last("draft.seen")
    if not key:
        return fields, ()
    drafts = deps.store.drafts
    if values == _untouched(fields, saved):
        drafts.remove(who.user, key)
        return fields, ()
    pairs = [(name, value) for name, texts_of in _chosen(fields, values).items() for value in texts_of]
    writer = DraftWriter(key, fields.last("draft.tab"), int(seen) if seen.isascii() and seen.isdecimal() else 0)
    try:
        draft = drafts.keep(who.user, writer, _title(fields), pairs, saved)
    except InputError as error:
        return fields, (error.message,)
    if draft is None:
        return fields, ()
    kept = FormFields({**fields.values, "draft": (draft.key,), "draft.kept": ("yes",)})
    return kept, (ELSEWHERE,) if draft.key != key else ()


def _chosen(fields: FormFields, values: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """The fields of the dataset, with what is chosen in lists whatever part of them the page shows."""
    lists = {name.removesuffix(".seen") for name in fields.values if name.endswith(".seen")}
    chosen = {name: _picked(name, fields, values) for name in sorted(lists)}
    chosen[CALCULATED] = tuple(filter(None, [calculated_text(values)]))
    others = {
        name: values
        for name, values in fields.values.items()
        if name not in _OF_PAGE and not name.endswith(_VIEW) and name not in chosen
    }
    return others | chosen


def _picked(name: str, fields: FormFields, values: Mapping[str, Any]) -> tuple[str, ...]:
    """What is chosen in a list; ad accounts that are picked also while all are chosen."""
    given = values.get(name)
    return ticked(name, fields, ids_in(*fields.all(name))) if given == "all" else texts(given)


def _untouched(fields: FormFields, saved: SavedDataset | None) -> object:
    """The values of the form before anything was filled in."""
    if saved is not None:
        return posted_values(fields_of(source_of(saved).values))
    begun = {"account": fields.text("account"), "report": fields.text("report"), "time_dimension": "day"}
    return posted_values(fields_of(begun))


def _title(fields: FormFields) -> str:
    report = catalog.REPORTS.get(fields.text("report"))
    # Kept in English.
    with in_english():
        return fields.text("name") or (phrase("Unnamed %(title)s", title=report.title) if report else phrase("Unnamed"))


Onward = Annotated[str, Form()]


@router.post("/drafts/{key}/discard")
def discard(request: Request, deps: Here, who: Who, key: str, onward: Onward = "/datasets/new") -> Response:
    """Puts one's own draft away; the page after it offers to undo that."""
    who.guard.need_role(RoleRight.CREATE)
    deps.store.drafts.discard(who.user, key)
    path = urlsplit(own_path(onward, "/datasets/new")).path
    return go(request, f"{path}?{urlencode({'discarded': key})}")


@router.post("/drafts/{key}/restore")
def restore(request: Request, deps: Here, who: Who, key: str, onward: Onward = "/datasets/new") -> Response:
    """Brings a discarded draft back."""
    who.guard.need_role(RoleRight.CREATE)
    draft = deps.store.drafts.restore(who.user, key)
    return go(
        request, own_path(onward, "/datasets/new"), phrase("Restored the draft %(title)s.", title=repr(draft.title))
    )
