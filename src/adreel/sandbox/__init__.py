"""SQL of people in processes of their own, whose memory, time, processes and output the system limits.

`client` asks, `launcher` is the process that children are forked from, `child` is one query, `limits` is what it may
take. Nothing else in adreel runs SQL that a person wrote.
"""

from adreel.sandbox.answers import column_of
from adreel.sandbox.client import AnswerFile, Sandbox, object_store_environment
from adreel.sandbox.limits import QueryLimits, of_the_command, of_the_web
from adreel.sandbox.request import AnswerForm, QueryRequest

__all__ = [
    "AnswerFile",
    "AnswerForm",
    "QueryLimits",
    "QueryRequest",
    "Sandbox",
    "column_of",
    "object_store_environment",
    "of_the_command",
    "of_the_web",
]
