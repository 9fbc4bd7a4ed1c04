"""What one running simulator knows: its world, its present, what was revoked, and who asked what."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adreel.simulator.api.errors import ApiError
from adreel.simulator.api.further_behavior import FurtherBehavior
from adreel.simulator.api.gmv_query import GmvBehavior
from adreel.simulator.api.grants import Grant, read_token
from adreel.simulator.api.limits import Throttle
from adreel.simulator.api.params import Params
from adreel.simulator.api.part import ReportMemory, Scene
from adreel.simulator.api.query import Query, TaskBehavior
from adreel.simulator.control.trouble import Trouble
from adreel.simulator.world.advertisers import SimulatedAdvertiser, World
from adreel.simulator.world.calendar import noon
from adreel.simulator.world.clock import Clock
from adreel.simulator.world.config import WorldConfig
from adreel.simulator.world.figures import Lags
from adreel.simulator.world.hashing import word
from adreel.simulator.world.ledger import DailyCosts, Ledger
from adreel.simulator.world.memory import Memory
from adreel.simulator.world.shops import Shops, SimulatedShop

_REPORT_BYTES = 64 << 20
_COST_BYTES = 4 << 20
_LOG = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request in the log: `at` is in monotonic seconds, `code` is the answer's (or its HTTP status, negative)."""

    method: str
    path: str
    params: dict[str, object]
    advertiser: str
    page: int
    code: int
    at: float


TASK_LIFE = timedelta(days=30)
"""How long a task and its output are kept (doc 1740302808815618)."""


@dataclass(slots=True)
class Task:
    """An asynchronous report of the figures at `clock`, created at `at` monotonic seconds.

    It is ready once it was `asked` after for `polls` times; one with a `failure` fails then, for that reason.
    """

    token: str = field(repr=False)
    advertisers: tuple[SimulatedAdvertiser, ...]
    params: Params
    name: str
    format: str
    polls: int
    failure: str
    behavior: TaskBehavior
    clock: Clock
    created: datetime
    at: float
    asked: int = 0
    canceled: bool = False
    expired: bool = False

    @property
    def status(self) -> str:
        """As the API names it."""
        if self.canceled:
            return "CANCELED"
        if self.asked < self.polls:
            return "PROCESSING" if self.asked else "QUEUING"
        return "FAILED" if self.failure else "SUCCESS"


@dataclass(slots=True)
class TaskOrders:
    """What tasks created from now on do: how many questions they take, and why they fail, if they do."""

    polls: int = 2
    failure: str = ""


@dataclass(slots=True, eq=False)
class Simulator:
    """A world and everything that changes in it."""

    config: WorldConfig
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    world: World = field(init=False)
    clock: Clock = field(init=False)
    lags: Lags = field(init=False)
    throttle: Throttle = field(init=False)
    task_throttle: Throttle = field(init=False)
    gmv_throttle: Throttle = field(init=False)
    shops: Shops = field(init=False)
    gmv: GmvBehavior = field(init=False)
    further: FurtherBehavior = field(init=False)
    shop_owners: dict[str, int] = field(init=False)
    finance_roles: dict[str, str] = field(init=False)
    new_fields: dict[str, dict[str, object]] = field(init=False)
    reports: ReportMemory = field(init=False)
    pages: Memory[tuple[bytes, bool]] = field(init=False)
    costs: Memory[DailyCosts] = field(init=False)
    revoked: set[str] = field(init=False)
    used_codes: set[str] = field(init=False)
    removed: dict[str, bool] = field(init=False)
    troubles: list[Trouble] = field(init=False)
    tasks: dict[str, Task] = field(init=False)
    task_orders: TaskOrders = field(init=False)
    task_behavior: TaskBehavior = field(init=False)
    log: deque[Entry] = field(init=False)
    follows_wall: bool = field(init=False)
    shift: timedelta = field(init=False)
    set_at: float = field(init=False)
    consents: int = field(init=False)
    requests: int = field(init=False)
    latency: float = field(init=False)
    jitter: float = field(init=False)
    arrivals: int = field(init=False)

    def __post_init__(self) -> None:
        """A world is made once; everything else begins with `reset`."""
        self.world = World(self.config)
        self.shops = Shops(self.world)
        self.lags = Lags(self.config.restate_days)
        self.reports = ReportMemory(_REPORT_BYTES)
        self.pages = Memory(self.config.page_cache_mb << 20, lambda page: len(page[0]))
        self.costs = Memory(_COST_BYTES, lambda costs: costs.nbytes)
        self.reset()

    def reset(self) -> None:
        """As it was when it started."""
        config = self.config
        self.follows_wall, self.shift = config.live, timedelta()
        self.set_now(noon(config.today).replace(tzinfo=UTC))
        self.throttle = Throttle(config.qps, config.per_minute)
        self.task_throttle = Throttle(2 if config.qps else 0, 60 if config.qps else 0)
        # The report's own limits of a basic app (page "Rate limits", doc 1740029171730433).
        self.gmv_throttle = Throttle(8 if config.qps else 0, 240 if config.qps else 0)
        self.gmv, self.shop_owners = GmvBehavior(), {}
        self.further = FurtherBehavior()
        self.new_fields, self.finance_roles = {}, {}
        self.revoked, self.used_codes, self.removed = set(), set(), {}
        self.troubles, self.tasks, self.log = [], {}, deque(maxlen=_LOG)
        self.consents = self.requests = self.arrivals = 0
        self.task_orders, self.task_behavior = TaskOrders(), TaskBehavior()
        self.latency, self.jitter = config.latency_ms / 1000, config.jitter_ms / 1000

    def set_now(self, now: datetime) -> None:
        """Moves the present."""
        config = self.config
        self.set_at = self.wall()
        self.clock = Clock.at(now, self.world.first_day, config.restate_days, late=config.uses_late_figures)
        self.reports.clear()
        self.pages.clear()
        self.costs.clear()

    def catch_up(self) -> None:
        """Goes on to the machine's hour, in a world that lives by it."""
        if self.follows_wall:
            hour = datetime.fromtimestamp(self.wall() // 3600 * 3600, UTC) + self.shift
            if hour != self.clock.now:
                self.set_now(hour)

    def way(self) -> float:
        """How many seconds longer than the quickest the next request is on its way: evenly from 0 to the jitter."""
        self.arrivals += 1
        return self.jitter * word(self.config.seed, "way", self.arrivals) / 2**64

    def go_on(self, days: int) -> None:
        """The same time some days later; a world that lives by the machine's hours still does."""
        self.shift += timedelta(days=days)
        self.set_now(self.clock.now + timedelta(days=days))

    @property
    def ahead_seconds(self) -> float:
        """How far the present is ahead of the machine's, as it was when it was set."""
        return self.shift.total_seconds() if self.follows_wall else self.clock.now.timestamp() - self.set_at

    def shop_owner(self, shop: SimulatedShop) -> int:
        """The index of the advertiser that has the shop's authorization now."""
        return self.shop_owners.get(shop.id, shop.owner)

    def ledger(self) -> Ledger:
        """What the ad accounts cost and paid until now."""
        return Ledger(self.world, self.shops, self.clock, self.lags, self.costs)

    def scene(self, query: Query) -> Scene:
        """What a report is made from."""
        return Scene(self.world, self.clock, self.lags, query, self.reports)

    def task_scene(self, task: Task, query: Query) -> Scene:
        """What the report of a task is made from: the figures as they were when it was created, or before."""
        return Scene(self.world, task.clock, self.lags, query, ReportMemory(_REPORT_BYTES))

    def task_clock(self) -> Clock:
        """The time of the figures that a task created now has."""
        then = self.clock.now - timedelta(hours=self.task_behavior.stale_hours)
        return Clock.at(then, self.world.first_day, self.config.restate_days, late=self.config.uses_late_figures)

    def request_id(self) -> str:
        """The next request id: it begins with the world's time, as TikTok's do."""
        self.requests += 1
        return f"{self.clock.now:%Y%m%d%H%M%S}{self.requests:020X}"

    def grant(self, token: str) -> Grant:
        """What a token allows; 40104 without one, 40105 for a wrong or revoked one."""
        if not token:
            raise ApiError(40104, "Access token is null, you should set it in http header with key Access-Token.")
        grant = None if token in self.revoked else read_token(self.config, token)
        if grant is None:
            raise ApiError(40105, "Access token is incorrect or has been revoked.")
        return grant

    def granted(self, grant: Grant) -> list[SimulatedAdvertiser]:
        """The advertisers of a grant that the account's list still shows."""
        return [
            advertiser
            for advertiser in self.world.advertisers
            if advertiser.index in grant.advertisers and self.removed.get(advertiser.id, True)
        ]

    def advertiser(self, grant: Grant, identity: str) -> SimulatedAdvertiser:
        """An advertiser that may be read; 40300 if it is gone, 40001 if the token has no right to it."""
        if identity in self.removed:
            raise ApiError(40300, f"The advertiser {identity} does not exist or has been deleted.")
        advertiser = self.world.by_id.get(identity)
        if advertiser is None or advertiser.kind == "no_permission" or advertiser.index not in grant.advertisers:
            raise ApiError(40001, f"No permission to operate advertiser {identity}.")
        return advertiser
