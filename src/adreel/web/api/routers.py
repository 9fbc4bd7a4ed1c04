"""The routers of the API, whose operations are called as their functions are."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute


def api_router(*tags: str, prefix: str = "") -> APIRouter:
    """A router whose operations stand under these tags in the description."""
    return APIRouter(prefix=prefix, tags=[*tags], generate_unique_id_function=_operation)


def _operation(route: APIRoute) -> str:
    return route.name
