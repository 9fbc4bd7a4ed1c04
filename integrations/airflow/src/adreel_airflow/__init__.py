"""Runs datasets of adreel from Apache Airflow, by adreel's REST API."""

from __future__ import annotations

from typing import Any

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """What Airflow reads to show the connection type."""
    return {
        "package-name": "adreel-airflow",
        "name": "adreel",
        "description": "Runs datasets of adreel.",
        "connection-types": [{"connection-type": "adreel", "hook-class-name": "adreel_airflow.hook.AdreelHook"}],
    }
