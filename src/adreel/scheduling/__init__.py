"""What a schedule is, how it is written, its next times and its words: pure functions without a clock."""

from adreel.scheduling.meaning import Meaning, meaning_of
from adreel.scheduling.reading import read_schedule, written
from adreel.scheduling.schedule import Cron, Recurrence, Schedule, Unit
from adreel.scheduling.times import first_times, next_time
from adreel.scheduling.wording import words

__all__ = [
    "Cron",
    "Meaning",
    "Recurrence",
    "Schedule",
    "Unit",
    "first_times",
    "meaning_of",
    "next_time",
    "read_schedule",
    "words",
    "written",
]
