"""The simulator for a benchmark: plain advertisers, so that the rows come exactly; prints its address."""

from __future__ import annotations

import argparse
import sys
from datetime import date

from adreel.simulator import WorldConfig, serve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--today", type=date.fromisoformat, required=True)
    for name in ("advertisers", "ads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    config = WorldConfig(
        today=given.today,
        advertisers=given.advertisers,
        ads=given.ads,
        qps=0,
        plain=True,
        page_cache_mb=2048,
    )

    def ready(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    serve(config, ready=ready)


if __name__ == "__main__":
    main()
