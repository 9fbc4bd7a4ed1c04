"""Reading the form that a browser sends."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Request
from starlette.types import Message

from adreel.errors import InputError
from adreel.web.forms.fields import FormFields
from adreel.web.forms.posted import posted_fields


def posted(*messages: Message) -> FormFields:
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return asyncio.run(posted_fields(Request({"type": "http", "headers": []}, receive)))


def test_a_form_is_read_in_all_its_parts() -> None:
    bodies = (b"a=1&b=x+y", b"&", b"a=2")
    parts = ({"type": "http.request", "body": body, "more_body": body != b"a=2"} for body in bodies)
    assert posted(*parts).values == {"a": ("1", "2"), "b": ("x y",)}


def test_a_browser_that_leaves_while_it_sends_a_form_is_refused() -> None:
    begun = {"type": "http.request", "body": b"name=Ada", "more_body": True}
    with pytest.raises(InputError, match="The browser closed the connection"):
        posted(begun, {"type": "http.disconnect"})
