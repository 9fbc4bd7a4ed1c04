"""The official SDK in a loop: one request after the other, short waits when refused, JSON lines at the end."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import business_api_client
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from bench.work import APP_ID, DIMENSIONS, METRICS, SECRET, windows


class NoThreads:
    """In place of the client's thread pool, which needs a writable /dev/shm; only calls with async_req use it."""

    def close(self) -> None: ...

    def join(self) -> None: ...


def main() -> None:
    business_api_client.api_client.ThreadPool = NoThreads
    configuration = business_api_client.Configuration()
    configuration.host = os.environ["BENCH_URL"].removesuffix("/open_api/v1.3")
    client = business_api_client.ApiClient(configuration)
    token = os.environ["BENCH_TOKEN"]
    reporting = business_api_client.ReportingApi(client)
    counts = {"requests": 0, "refused": 0, "rows": 0}

    def ask(call: Any, *words: Any, **named: Any) -> Any:
        while True:
            counts["requests"] += 1
            try:
                return call(*words, **named)["data"]
            except TiktokSDKError as error:
                if error.error_code != 40100:
                    raise
                counts["refused"] += 1
                time.sleep(1)

    authentication = business_api_client.AuthenticationApi(client)
    listed = ask(authentication.oauth2_advertiser_get, APP_ID, SECRET, token)
    with Path(sys.argv[1]).open("w") as file:
        for advertiser in listed["list"]:
            for start, end in windows():
                page, pages = 1, 1
                while page <= pages:
                    answer = ask(
                        reporting.report_integrated_get,
                        "BASIC",
                        token,
                        advertiser_id=advertiser["advertiser_id"],
                        data_level="AUCTION_AD",
                        dimensions=DIMENSIONS,
                        metrics=METRICS,
                        start_date=start,
                        end_date=end,
                        page=page,
                        page_size=1000,
                    )
                    pages = answer["page_info"]["total_page"]
                    for row in answer["list"]:
                        record = {"advertiser_id": advertiser["advertiser_id"], **row["dimensions"], **row["metrics"]}
                        file.write(json.dumps(record) + "\n")
                    counts["rows"] += len(answer["list"])
                    page += 1
    client.pool.close()
    client.pool.join()
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
