"""Tables with Fivetran's names and keys: a simulated TikTok, adreel, and Postgres or a DuckDB file.

`make fivetran` runs it with a Postgres server of its own, which ends with it. `--postgres URL` uses another server,
and `--duckdb` a file. It ends with an error if totals of a published report differ from those of adreel's own table.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal

from parts import Adreel, choices, connected, rows, simulator, warehouse

REPORTS = ("campaign_report_hourly", "adgroup_report_hourly", "ad_report_hourly", "campaign_country_report")
LISTS = ("advertiser", "campaign_history", "adgroup_history", "ad_history")
TOTALS = ("spend", "impressions", "clicks")
SUMS = ", ".join(f"sum({metric}) AS {metric}" for metric in TOTALS)


def main() -> None:
    chosen = choices(__doc__, "fivetran")
    with warehouse(chosen) as address, simulator() as (url, config):
        adreel = connected(chosen.folder, url, config)
        adreel("destinations", "add", "warehouse", "--layout", "fivetran", stdin=f"{address}\n")
        adreel("destinations", "create-datasets", "warehouse", "--daily")
        for dataset in json.loads(adreel.output("datasets", "list", "--json")):
            adreel("run", dataset["slug"])
            adreel("publish", dataset["slug"])
        for table in LISTS:
            ((count,),) = rows(address, f"SELECT count(*) FROM tiktok_ads.{table}")
            print(f"tiktok_ads.{table}: {count} rows")
        different = [table for table in REPORTS if not agrees(adreel, address, table)]
    if different:
        sys.exit(f"Totals differ from those of adreel: {', '.join(different)}.")


def agrees(adreel: Adreel, address: str, table: str) -> bool:
    """Whether totals over all currencies, which only a comparison may add, are those of the dataset."""
    answer = adreel.output("query", f"SELECT {SUMS} FROM {table}_demo", "--format", "json")
    ours = [Decimal(str(json.loads(answer)[0][metric])) for metric in TOTALS]
    ((count, *published),) = rows(address, f"SELECT count(*), {SUMS} FROM tiktok_ads.{table}")
    same = ours == [Decimal(str(amount)) for amount in published]
    print(f"tiktok_ads.{table}: {count} rows, totals {'as in' if same else 'NOT as in'} adreel")
    return same


if __name__ == "__main__":
    main()
