"""Waits for a run without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from adreel_airflow.hook import AdreelHook, NoAnswerError

MISSES = 30
"""Questions in a row that adreel may leave without an answer, as while it is updated."""


class AdreelRunTrigger(BaseTrigger):  # type: ignore[misc] # Airflow is untyped here
    """Fires when a run has finished, with the run as adreel's API gives it, or with an error in words."""

    def __init__(self, adreel_conn_id: str, run_id: str, poll_seconds: float) -> None:
        super().__init__()
        self.adreel_conn_id = adreel_conn_id
        self.run_id = run_id
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another process needs to go on."""
        values = {
            "adreel_conn_id": self.adreel_conn_id,
            "run_id": self.run_id,
            "poll_seconds": self.poll_seconds,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", values

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Asks for the run until it has finished."""
        hook, misses = AdreelHook(self.adreel_conn_id), 0
        while True:
            try:
                run = await hook.arun(self.run_id)
                misses = 0
                if run["exit_code"] is not None:
                    yield TriggerEvent({"run": run})
                    return
            except NoAnswerError as error:
                misses += 1
                if misses == MISSES:
                    yield TriggerEvent({"error": str(error)})
                    return
            except AirflowException as error:
                yield TriggerEvent({"error": str(error)})
                return
            await asyncio.sleep(self.poll_seconds)

    async def on_kill(self) -> None:
        """Cancels the run if a person ends the task."""
        await AdreelHook(self.adreel_conn_id).acancel(self.run_id)
