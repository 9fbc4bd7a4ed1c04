"""The connection to adreel's REST API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

SECONDS = 60.0
"""How long an answer may take."""

TRIES = 4
"""How often a request is sent that gets no answer."""

_PORT = 8765
_PASSING = frozenset({429, 502, 503, 504})


class NoAnswerError(AirflowException):  # type: ignore[misc] # Airflow is untyped here
    """adreel did not answer, or was busy, which may pass."""


class AdreelHook(BaseHook):  # type: ignore[misc] # Airflow is untyped here
    """Calls adreel's REST API.

    The connection has the address of `adreel serve` as its host, such as https://adreel.example.com, and an API token
    with full access as its password.
    """

    conn_name_attr = "adreel_conn_id"
    default_conn_name = "adreel_default"
    conn_type = "adreel"
    hook_name = "adreel"

    def __init__(self, adreel_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.adreel_conn_id = adreel_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The fields of the connection's form."""
        return {
            "hidden_fields": ["schema", "port", "login", "extra"],
            "relabeling": {"host": "Address of adreel", "password": "API token"},
            "placeholders": {"host": "https://adreel.example.com"},
        }

    def start_run(self, dataset: str, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Queues a run and returns it; with a key that was sent before, the run of then.

        Raises AirflowException with adreel's message if it is refused, and NoAnswerError.
        """
        for attempt in range(TRIES):
            try:
                return self._request(
                    "POST", f"/datasets/{dataset}/runs", json=dict(body), headers={"Idempotency-Key": key}
                )
            except NoAnswerError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(2**attempt)
        raise AssertionError("the last try raised")

    def run(self, run_id: str) -> dict[str, Any]:
        """A run as it is now. Raises AirflowException and NoAnswerError."""
        return self._request("GET", f"/runs/{run_id}")

    def cancel(self, run_id: str) -> None:
        """Asks a run to stop. Raises AirflowException and NoAnswerError."""
        self._request("POST", f"/runs/{run_id}/cancel")

    async def arun(self, run_id: str) -> dict[str, Any]:
        """The same as `run`, for triggers."""
        return await self._arequest("GET", f"/runs/{run_id}")

    async def acancel(self, run_id: str) -> None:
        """The same as `cancel`, for triggers."""
        await self._arequest("POST", f"/runs/{run_id}/cancel")

    def test_connection(self) -> tuple[bool, str]:
        """Whether the address and the token are right, in words."""
        try:
            me = self._request("GET", "/me")
        except AirflowException as error:
            return False, str(error)
        if me["read_only"]:
            return False, "The token is read-only. Create a token with full access, which may run datasets."
        return True, f"Signed in to adreel as {me['user']['name']}."

    def _request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        connection = self.get_connection(self.adreel_conn_id)
        with httpx.Client(**_options(connection)) as client:
            try:
                return _answer(client.request(method, _path(path), **more))
            except httpx.TransportError as error:
                raise _silence(connection, error) from error

    async def _arequest(self, method: str, path: str) -> dict[str, Any]:
        connection = await self.aget_connection(self.adreel_conn_id)
        async with httpx.AsyncClient(**_options(connection)) as client:
            try:
                return _answer(await client.request(method, _path(path)))
            except httpx.TransportError as error:
                raise _silence(connection, error) from error


def _options(connection: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {connection.password or ''}"}
    return {"base_url": _address(connection), "headers": headers, "timeout": SECONDS}


def _address(connection: Any) -> str:
    host = connection.host or "localhost"
    if "://" in host:
        return str(host)
    return f"{connection.schema or 'http'}://{host}:{connection.port or _PORT}"


def _path(path: str) -> str:
    return f"/api/v1{path}"


def _silence(connection: Any, error: Exception) -> NoAnswerError:
    return NoAnswerError(f"adreel at {_address(connection)} did not answer ({error}). Check that adreel serve runs.")


def _answer(response: httpx.Response) -> dict[str, Any]:
    """The JSON of a successful answer; else adreel's message."""
    if response.is_success:
        answer: dict[str, Any] = response.json()
        return answer
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {response.status_code}, which is no answer of adreel. Check the address of the connection."
    kind = NoAnswerError if response.status_code in _PASSING else AirflowException
    raise kind(message)
