"""TikTok's Business API for development and tests: the real paths and refusals, an invented world behind them."""

from adreel.simulator.api.grants import access_token
from adreel.simulator.app import create_app
from adreel.simulator.server import serve
from adreel.simulator.world.config import WorldConfig

__all__ = ["WorldConfig", "access_token", "create_app", "serve"]
