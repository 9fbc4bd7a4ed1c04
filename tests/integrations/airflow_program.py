"""A DAG of one task, which runs as a program, as Airflow does not share an environment with the tests.

Lies in Airflow's folder of DAGs. ADREEL_TASK has the options of the operator as JSON. The last line on stdout is a JSON
object: the state of the task, and its result.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime

from adreel_airflow.operator import AdreelRunOperator
from airflow.sdk import DAG

with DAG("ads", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    AdreelRunOperator(task_id="run", poll_seconds=0.2, retries=0, **json.loads(os.environ["ADREEL_TASK"]))

if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        run = dag.test(logical_date=datetime(2026, 11, 20, tzinfo=UTC))
        (task,) = run.get_task_instances()
        result = task.xcom_pull(task_ids="run") if task.state == "success" else None
    sys.stdout.write("\n" + json.dumps({"state": task.state, "result": result}))
