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
        "<p>This is adreel's simulator, not TikTok. Everything in it is made up.</p>"
        f"<p>In its world it is {present:%Y-%m-%d %H:%M} UTC, and there are {count} advertisers.</p>"
        '<form method="post" action="/"><button>Advance one day</button></form>'
        "<p>Results come in late, as with TikTok: after another day its figures of the days before are other ones. "
        "Run a dataset then, and its page shows what changed. A home whose accounts all read this simulator goes by "
        "its time, so dates such as yesterday move along.</p></html>"
    )


def let_a_day_go_by(simulator: Simulator) -> None:
    """It is the same time of the next day."""
    simulator.go_on(1)
