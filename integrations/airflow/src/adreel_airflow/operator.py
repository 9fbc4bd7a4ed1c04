"""Runs a dataset and waits until it is verified."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.configuration import conf
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from adreel_airflow.hook import AdreelHook, NoAnswerError
from adreel_airflow.trigger import MISSES, AdreelRunTrigger

GOOD_STATES = frozenset({"verified", "verified_with_warnings", "advertisers_skipped"})
"""States of a run whose rows are those that TikTok counts."""

RESULT = ("run_id", "dataset", "state", "version", "rows", "table_rows", "verification", "warnings")


class AdreelRunOperator(BaseOperator):  # type: ignore[misc] # Airflow is untyped here
    """Runs a dataset of adreel. The task fails with adreel's message if the run fails or its check does.

    `dataset` is the dataset's name in addresses, such as ad_spend. `start` and `end` replace its days for this run; as
    templates they can be Airflow's, such as "{{ ds }}". A try of a task starts one run, even if its worker dies and
    begins anew; the next try starts another one, or resumes it. The result is the run: see `RESULT`.
    """

    template_fields: Sequence[str] = ("dataset", "start", "end")

    def __init__(
        self,
        *,
        dataset: str,
        start: str | None = None,
        end: str | None = None,
        adreel_conn_id: str = AdreelHook.default_conn_name,
        poll_seconds: float = 10,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.start = start
        self.end = end
        self.adreel_conn_id = adreel_conn_id
        self.poll_seconds = poll_seconds
        self.deferrable = deferrable
        self._run_id = ""

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Starts the run and waits for its end."""
        hook = AdreelHook(self.adreel_conn_id)
        body = {"start": self.start, "end": self.end} if self.start or self.end else {}
        run = hook.start_run(self.dataset, _key(context["ti"]), body)
        self._run_id = run["run_id"]
        self.log.info("Run %s of dataset %s is %s", self._run_id, self.dataset, run["state"])
        if self.deferrable and run["exit_code"] is None:
            trigger = AdreelRunTrigger(self.adreel_conn_id, self._run_id, self.poll_seconds)
            self.defer(trigger=trigger, method_name="execute_complete")
        return self._result(self._waited(hook, run))

    def execute_complete(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """The result, after the trigger has fired."""
        if "error" in event:
            raise AirflowException(event["error"])
        return self._result(event["run"])

    def on_kill(self) -> None:
        """Cancels the run if the task is ended."""
        if self._run_id:
            AdreelHook(self.adreel_conn_id).cancel(self._run_id)

    def _waited(self, hook: AdreelHook, run: dict[str, Any]) -> dict[str, Any]:
        misses = 0
        while run["exit_code"] is None:
            time.sleep(self.poll_seconds)
            try:
                run = hook.run(self._run_id)
                misses = 0
            except NoAnswerError:
                misses += 1
                if misses == MISSES:
                    raise
        return run

    def _result(self, run: Mapping[str, Any]) -> dict[str, Any]:
        for warning in run["warnings"]:
            self.log.warning("%s", warning)
        if run["state"] in GOOD_STATES:
            return {name: run[name] for name in RESULT}
        message = " ".join([run["error"] or run["meaning"], *run["warnings"]])
        if run["version"] is not None:
            # The same days would fail their check again: a person has to look.
            raise AirflowFailException(message)
        raise AirflowException(message)


def _key(task: Any) -> str:
    """The same for every start of one try of a task, and for no other."""
    names = (task.dag_id, task.run_id, task.task_id, task.map_index, task.try_number)
    return hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()
