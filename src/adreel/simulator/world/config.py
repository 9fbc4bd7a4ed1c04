"""What a simulated world is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

APP_ID = "7000000000000000001"
SECRET = "simulated-app-secret"  # noqa: S105 - the simulator's own app, which guards nothing


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The world's size, its age and the limits of its app; two worlds with equal configs are equal to the byte.

    `today` is a day in UTC, and the time of day is noon UTC until the side door says otherwise. `ads` counts per
    advertiser. `qps` and `qpm` are the app's limits (0: none; `qpm=None` is sixty times `qps`). With `jitter_ms` each
    request is up to so much longer on its way here, at random from the seed: it is counted, and answered, so much
    later. `days` is how much history there is at least: figures begin on the first of January of the year that lies so
    far back. `id_cut` is how many ids a synchronous report returns at most. `plain` makes every advertiser an ordinary
    one and every ad live on every day, and no figure late, so that advertisers x ads x days rows come exactly. With
    `late` unset, de-duplicated metrics and audience reports are as fresh as the others. With `hostile_names`, names
    hold what breaks careless clients: quotes, markup, formulas, other scripts. With `live`, the present is the
    machine's own, hour by hour, until the side door sets another; `today` then only says where the history reaches back
    from.
    """

    today: date
    seed: int = 1
    advertisers: int = 6
    ads: int = 200
    qps: int = 10
    qpm: int | None = None
    latency_ms: int = 0
    jitter_ms: int = 0
    days: int = 730
    restate_days: int = 28
    id_cut: int = 20_000
    plain: bool = False
    late: bool = True
    live: bool = False
    hostile_names: bool = False
    app_id: str = APP_ID
    secret: str = field(default=SECRET, repr=False)
    page_cache_mb: int = 256

    def __post_init__(self) -> None:
        """Refuses sizes that the ids have no room for."""
        if not 0 < self.advertisers <= 1024:
            raise ValueError(f"advertisers is {self.advertisers}; the simulator has room for 1 to 1024.")
        if not 0 <= self.ads <= 1 << 18:
            raise ValueError(f"ads is {self.ads}; the simulator has room for 0 to {1 << 18} per advertiser.")
        if not 0 <= self.restate_days <= 60:
            raise ValueError(f"restate_days is {self.restate_days}; it can be 0 to 60.")

    @property
    def per_minute(self) -> int:
        """Requests that the app may make in a minute; 0 is no limit."""
        return 60 * self.qps if self.qpm is None else self.qpm

    @property
    def uses_late_figures(self) -> bool:
        """Whether some figures lag behind the others."""
        return self.late and not self.plain
