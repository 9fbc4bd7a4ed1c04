"""Datasets as assets of Dagster: an asset is materialized by a run, and fails with what adreel says.

    defs = dg.Definitions(assets=adreel.dagster.dataset_assets(["ad_spend"]))

or as a component, in the defs.yaml of a component folder:

    type: adreel.dagster.AdreelComponent
    attributes:
      datasets: [ad_spend]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from adreel.errors import AdreelError
from adreel.notebook import Home
from adreel.notebook import open as open_home
from adreel.pipeline.run import RunReport


def dataset_assets(
    datasets: Sequence[str] | None = None, home: str | None = None, *, group: str = "tiktok_ads"
) -> list[dg.AssetsDefinition]:
    """An asset for each dataset of the home, or for those named, with the dataset's name as its key.

    Raises NotFoundError for a dataset that does not exist. An asset whose run fails, or whose version fails its check,
    fails with adreel's message; it is retried only for what may pass, such as a network that is down.
    """
    with open_home(home) as opened:
        infos = {info.slug: info for info in opened.datasets}
        chosen = [opened.info(name) for name in datasets] if datasets is not None else list(infos.values())
    return [_asset(info.slug, info.description or info.name, home, group) for info in chosen]


class AdreelComponent(dg.Component, dg.Model, dg.Resolvable):  # type: ignore[misc] # Dagster is in the environment of integrations only
    """The assets of a home, as a component. `home` is its folder, by default that of ADREEL_HOME."""

    home: str | None = None
    datasets: list[str] | None = None
    group: str = "tiktok_ads"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's signature
        """The definitions of `dataset_assets`."""
        return dg.Definitions(assets=dataset_assets(self.datasets, self.home, group=self.group))


def _asset(slug: str, description: str, home: str | None, group: str) -> dg.AssetsDefinition:
    def materialize() -> dg.MaterializeResult:
        with open_home(home) as opened:
            try:
                report = opened.run(slug)
            except AdreelError as error:
                raise dg.Failure(str(error), {"kind": type(error).__name__}, allow_retries=error.passes) from error
            metadata = _metadata(opened, slug, report)
        if not report.state.verified:
            raise dg.Failure(" ".join([report.state.sentence, *report.warnings]), metadata, allow_retries=False)
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(report.run_id))

    return dg.asset(name=slug, description=description, group_name=group, kinds={"tiktok", "deltalake"})(materialize)


def _metadata(home: Home, slug: str, report: RunReport) -> dict[str, Any]:
    """What Dagster shows of a run; rows are those of the table and those that the run read."""
    table = home.read(slug, report.version)
    return {
        "dagster/row_count": table.rows,
        "dagster/uri": report.table,
        "version": table.version,
        "run": report.run_id,
        "state": report.state.value,
        "rows_read": report.rows,
        "verification": dict(report.verification),
        "warnings": list(report.warnings),
        "skipped_ad_accounts": dict(report.skipped),
    }
