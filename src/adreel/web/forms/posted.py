"""The fields of a form that a browser sends."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from adreel.errors import InputError
from adreel.language import phrase
from adreel.web.forms.fields import FormFields


async def posted_fields(request: Request) -> FormFields:
    """The fields of the form that was sent. InputError if it is too long, or the browser did not send all of it."""
    try:
        return FormFields.read(await request.body())
    except ClientDisconnect as error:
        # The person typed on, and the next question is on its way.
        raise InputError(phrase("The browser closed the connection. Try again.")) from error


Posted = Annotated[FormFields, Depends(posted_fields)]
"""The fields, as a page asks for them."""
