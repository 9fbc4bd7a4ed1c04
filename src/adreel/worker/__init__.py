"""The worker: takes runs from the queue and gives each a process, and puts runs into it whose schedule is due."""

from adreel.worker.child import WorkerChild, stop_event
from adreel.worker.processes import environment
from adreel.worker.worker import RUNS_AT_ONCE, Worker

__all__ = ["RUNS_AT_ONCE", "Worker", "WorkerChild", "environment", "stop_event"]
