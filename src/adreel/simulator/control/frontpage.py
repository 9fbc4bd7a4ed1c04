"""The page at the simulator's own address: which day it is in its world, and a button that lets a day go by."""

from __future__ import annotations

from adreel.simulator.control.state import Simulator

_STYLE = "body{font:16px system-ui;max-width:36rem;margin:3rem auto;padding:0 1rem}button{font:inherit}"


def show_front(simulator: Simulator) -> str:
    """The page as HTML."""
    present = simulator.clock.now
    count = len(simulator.world.advertisers)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Simulated TikTok</title>'
        '<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style><h1>Simulated TikTok</h1>"
        "<p>This is adreel's simulator, not TikTok. All its data is invented.</p>"
        f"<p>Simulated time: {present:%Y-%m-%d %H:%M} UTC. Ad accounts: {count:,}.</p>"
        '<form method="post" action="/"><button>Advance one day</button></form>'
        "<p>As with TikTok, results arrive late: after each day, the figures of earlier days are restated. Run a "
        "dataset to see what changed. If all accounts of a home use this simulator, the home uses the simulated "
        "time, so that dates such as yesterday advance with it.</p></html>"
    )


def advance_one_day(simulator: Simulator) -> None:
    """It is the same time of the next day."""
    simulator.go_on(1)
