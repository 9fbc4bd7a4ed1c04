"""A DAG that runs as a program, as Airflow does not share an environment with the tests.

Lies in Airflow's folder of DAGs. ADREEL_TASKS has the options of operators by their names, as JSON. The last line on
stdout is a JSON object: the state of each task, and its result.
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
    for name, options in json.loads(os.environ["ADREEL_TASKS"]).items():
        AdreelRunOperator(task_id=name, poll_seconds=0.2, retries=0, **options)

if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        run = dag.test(logical_date=datetime(2026, 11, 20, tzinfo=UTC))
        tasks = run.get_task_instances()
        results = {
            task.task_id: [task.state, task.xcom_pull(task_ids=task.task_id) if task.state == "success" else None]
            for task in tasks
        }
    sys.stdout.write("\n" + json.dumps(results))
