"""Datasets from templates: what pages, the command line and the API make of one."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from adreel import catalog
from adreel.access import Guard
from adreel.catalog.templates import Template
from adreel.datasets.menus import nearest
from adreel.errors import NotFoundError, did_you_mean
from adreel.language import phrase


def template_named(name: str) -> Template:
    """The template. Raises NotFoundError with similar names."""
    template = catalog.TEMPLATES.get(name)
    if template is None:
        near = did_you_mean(nearest(name, catalog.TEMPLATES))
        if not near:
            near = " " + phrase("Available: %(templates)s.", templates=", ".join(catalog.TEMPLATES))
        raise NotFoundError(phrase("Template %(template)s was not found.", template=repr(name)) + near)
    return template


def file_of(template: Template, account: str, name: str | None = None) -> dict[str, Any]:
    """The values of a dataset file: the template over an account, named as the template unless it has a name."""
    own = {key: _plain(value) for key, value in template.values.items()}
    return {"name": name or str(template.title), "description": str(template.question), "account": account} | own


def template_values(template: Template) -> dict[str, Any]:
    """The template by name, as the command line and the API give it."""
    return {
        "name": template.name,
        "title": template.title,
        "question": template.question,
        "group": template.group,
        "values": {key: _plain(value) for key, value in template.values.items()},
    }


def free_name(guard: Guard, title: str) -> str:
    """The title, or with the first number after it with which no dataset of this home is named."""
    refusals = guard.store.datasets.refusals
    names = (title if number == 1 else f"{title} {number}" for number in count(1))
    return next(name for name in names if not refusals([name]))


def _plain(value: Any) -> Any:
    """The value with the lists and mappings of YAML and JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
