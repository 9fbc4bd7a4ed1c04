"""`adreel simulate`: a simulated TikTok API, served on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import typer

from adreel.cli.output import say
from adreel.errors import InputError
from adreel.simulator import WorldConfig, serve


def simulate(
    port: int, seed: int, today: str | None, advertisers: int, ads: int, qps: int, latency_ms: int, jitter_ms: int
) -> None:
    """Serves until interrupted. Raises InputError if the port is in use or a size is out of bounds."""
    with sizes_checked():
        day = date.fromisoformat(today) if today else datetime.now(UTC).date()
        config = WorldConfig(
            day, seed, advertisers, ads, qps, latency_ms=latency_ms, jitter_ms=jitter_ms, live=today is None
        )
    try:
        serve(config, port=port, ready=lambda url: _print_address(url, config))
    except OSError as error:
        raise InputError(
            f"Port {port} is not available: {error.strerror}. Choose another with --port, or 0 for any free one."
        ) from error
    except KeyboardInterrupt:
        say("The simulator stopped.")


@contextmanager
def sizes_checked() -> Iterator[None]:
    """Turns the ValueError of a size out of bounds into InputError."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"The simulated data cannot be created: {error}") from error


def _print_address(url: str, config: WorldConfig) -> None:
    typer.echo(url)
    say(
        f"Simulated TikTok, today {config.today}. In another shell:\n"
        f"  export ADREEL_TIKTOK_URL={url}/open_api/v1.3 ADREEL_TIKTOK_AUTH_URL={url}/portal/auth\n"
        f"  export ADREEL_TIKTOK_APP_ID={config.app_id} ADREEL_TIKTOK_SECRET={config.secret}\n"
        f"  curl -s -X POST {url}/_simulator/token | cut -d'\"' -f4 | adreel accounts add demo --token-stdin\n"
        "Consent page, faults on request and limits: docs/simulator.md. Stop it with Ctrl-C."
    )
