"""What a server has in memory: no numpy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx2

from home import environment_of, make_home, served
from test_cli_serve import OURS, serving
from web_home import PASSWORD

PAGES = (
    "/home/state /home/restated /home/spend /datasets /datasets/new?template=ad_daily&account=demo /query "
    "/datasets/spend /datasets/spend/data?sort=-spend&page=2 /datasets/spend/data?where=spend%3A%3E%3D%3A1 "
    "/datasets/spend/data/columns?count=1 /datasets/spend/cards/all /datasets/spend/cards/file?key=spend "
    "/datasets/spend/next /datasets/spend/backfill?start=2026-11-01&end=2026-11-02 "
    "/datasets/spend/export?format=csv /datasets/spend/export?format=parquet /datasets/spend/export?format=xlsx "
    "/datasets/spend/difference/rows?before=0&after=1 /datasets/spend/restatements "
    "/datasets/spend/since /datasets/spend/versions /api/v1/datasets/spend/difference?before=0&after=1 "
    "/api/v1/datasets/spend/statistics /api/v1/datasets/spend/rows?sort=-spend"
)


SERVE = ("serve", "--port", "0", "--no-browser", "--no-worker")


def adreels(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("ADREEL_")}


def test_a_server_shows_every_kind_of_page_without_numpy(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", advertisers=2, ads=3)
    home.add_account()
    home.good("run", "-f", home.file(dates={"start": "today-20", "end": "yesterday"}))
    home.now += timedelta(hours=1)
    home.good("run", "spend")
    home.good("users", "add", "ada", "--role", "admin", "--password-stdin", stdin=PASSWORD)
    with (
        served(home.config) as tiktok,
        serving(home.path, *SERVE, **adreels(environment_of(home, tiktok))) as (process, address, _),
        httpx2.Client(base_url=address, timeout=60, headers=OURS) as client,
    ):
        client.post("/login", data={"name": "ada", "password": PASSWORD})

        def show(page: str) -> None:
            answer = client.get(page, headers={"HX-Request": "true"})
            assert answer.status_code == 200, (page, answer.text)
            assert answer.content, page

        for page in PAGES.split():
            show(page)
        preview = client.get("/api/v1/datasets/spend/preview?rows=3")
        assert preview.json().get("items"), preview.text
        answer = client.post("/query", data={"sql": "SELECT ad_id, sum(spend) FROM spend GROUP BY 1"})
        assert answer.status_code == 200
        maps = Path(f"/proc/{process.pid}/maps")
        assert "numpy" not in maps.read_text(encoding="utf-8")
