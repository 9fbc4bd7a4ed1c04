import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from adreel.errors import StopError
from adreel.web.assets import STATIC, Assets

ROOT = Path(__file__).parent.parent
PACKAGE = json.loads((ROOT / "package.json").read_text())
LOCK = json.loads((ROOT / "package-lock.json").read_text())
FETCHED = sorted(name for name in PACKAGE["vendor"] if name.endswith((".css", ".js")))
PLAIN = {"Accept-Encoding": "identity"}


def ask(
    assets: Assets, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[httpx2.Response, bytes]:
    """An answer of the files under the app's mount, and its body as it went over the wire."""

    async def send() -> tuple[httpx2.Response, bytes]:
        app = GZipMiddleware(Starlette(routes=[Mount("/static", assets)]), minimum_size=800)
        async with (
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client,
            client.stream(method, path, headers=headers) as answer,
        ):
            return answer, b"".join([part async for part in answer.aiter_raw()])

    return anyio.run(send)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that may be served, among others that may not."""
    static = tmp_path / "static"
    (static / "vendor").mkdir(parents=True)
    (static / "own.css").write_text("p { color: red }\n" * 50)
    (static / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (static / "vendor/big.js").write_text("let a = 1;\n" * 50)
    (static / "vendor/big.js.gz").write_bytes(gzip.compress(b"let a = 1;\n" * 50))
    (static / "vendor/.made").write_text("stamp")
    (static / "notes.py").write_text("secret = 1")
    (tmp_path / "secret.css").write_text("secret")
    return static


def test_a_browser_may_keep_a_file_under_its_address_for_good(folder: Path) -> None:
    assets = Assets(folder)
    answer, body = ask(assets, assets.url("own.css"), headers=PLAIN)
    assert re.fullmatch(r"/static/own\.css\?v=[0-9a-f]{16}", assets.url("own.css"))
    assert answer.status_code == 200
    assert body == (folder / "own.css").read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_file_that_changed_has_another_address(folder: Path) -> None:
    before = Assets(folder).url("own.css")
    (folder / "own.css").write_text("p { color: blue }")
    assert Assets(folder).url("own.css") != before


@pytest.mark.parametrize("address", ["/static/own.css", "/static/own.css?v=0123456789abcdef", "/static/own.css?v="])
def test_a_file_without_its_hash_is_asked_for_again(folder: Path, address: str) -> None:
    answer, body = ask(Assets(folder), address, headers=PLAIN)
    assert answer.status_code == 200
    assert body == (folder / "own.css").read_bytes()
    assert answer.headers["cache-control"] == "no-cache"


def test_a_file_that_the_browser_has_is_not_sent_again(folder: Path) -> None:
    first, _ = ask(Assets(folder), "/static/own.css")
    again, body = ask(Assets(folder), "/static/own.css", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    (folder / "own.css").write_text("p { color: blue }")
    changed, _ = ask(Assets(folder), "/static/own.css", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        *(("vendor/big.js", accepted) for accepted in ("gzip", "br, GZIP;q=0.5", "gzip;q=1.0", "deflate,gzip")),
        ("own.css", "gzip"),
    ],
)
def test_files_are_sent_compressed_where_that_is_understood(folder: Path, name: str, accepted: str) -> None:
    answer, body = ask(Assets(folder), f"/static/{name}", headers={"Accept-Encoding": accepted})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == (folder / name).read_bytes()
    assert int(answer.headers["content-length"]) == len(body) < len((folder / name).read_bytes())


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", "gzip; q=0.000", "gzipped", ""])
def test_files_are_sent_as_they_are_elsewhere(folder: Path, accepted: str) -> None:
    answer, body = ask(Assets(folder), "/static/vendor/big.js", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"
    assert body == (folder / "vendor/big.js").read_bytes()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("own.css", "text/css; charset=utf-8"),
        ("vendor/big.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_says_what_it_is_and_nothing_is_guessed(folder: Path, name: str, kind: str) -> None:
    answer, _ = ask(Assets(folder), f"/static/{name}")
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/vendor",
        "/static/vendor/",
        "/static/vendor/.made",
        "/static/vendor/big.js.gz",
        "/static/notes.py",
        "/static/missing.css",
        "/static/OWN.css",
        "/static/./own.css%00",
        "/static/%2e%2e/secret.css",
        "/static/..%2fsecret.css",
        "/static/%2e%2e%5csecret.css",
        "/static/vendor/%2e%2e/%2e%2e/secret.css",
        "/static/%252e%252e/secret.css",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/C:%5csecret.css",
    ],
)
def test_no_path_leads_out_of_the_folder_or_to_other_files(folder: Path, path: str) -> None:
    answer, body = ask(Assets(folder), path)
    assert answer.status_code == 404
    assert b"secret" not in body


@given(st.lists(st.sampled_from(["..", ".", "", "vendor", "own.css", "big.js", "secret.css", "\x00", "~", "\\"])))
def test_a_path_is_a_files_name_or_nothing(parts: list[str]) -> None:
    path = quote("/".join(parts), safe="/~")
    answer, _ = ask(Assets(), f"/static/{path}")
    # The client or the router may shorten a path to the mount's own, which leads to its index: there is none.
    assert answer.status_code in (404, 307)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_can_only_be_read(folder: Path, method: str) -> None:
    answer, _ = ask(Assets(folder), "/static/own.css", method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_the_head_of_a_file_says_what_its_body_would(folder: Path) -> None:
    whole, body = ask(Assets(folder), "/static/vendor/big.js", headers=PLAIN)
    head, nothing = ask(Assets(folder), "/static/vendor/big.js", "HEAD", PLAIN)
    assert (head.status_code, nothing) == (200, b"")
    assert head.headers == whole.headers
    assert int(head.headers["content-length"]) == len(body)


def test_a_page_that_names_a_missing_file_says_what_to_do(folder: Path) -> None:
    with pytest.raises(
        StopError, match=r"'vendor/gone\.js' of the pages is missing from this installation.*make setup"
    ):
        Assets(folder).url("vendor/gone.js")


# -- what the build fetched


@pytest.mark.parametrize("name", FETCHED)
def test_each_file_that_is_declared_is_served_as_its_package_holds_it(name: str) -> None:
    assets = Assets()
    answer, body = ask(assets, assets.url(f"vendor/{name}"), headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert gzip.decompress(body) == (ROOT / PACKAGE["vendor"][name]).read_bytes()


@pytest.mark.parametrize("name", sorted(set(PACKAGE["vendor"]) - set(FETCHED)))
def test_each_package_comes_with_its_licence(name: str) -> None:
    answer, _ = ask(Assets(), f"/static/vendor/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_first_page_with_charts_stays_under_its_budget() -> None:
    # The page of the API has files of its own, and none of these charts.
    own = sorted(path.name for path in STATIC.glob("*") if path.is_file() and path.stem != "api-docs")
    fetched = ["vendor/htmx.min.js", "vendor/tabler.min.css", "vendor/echarts.min.js"]
    sizes = {
        name: len(ask(Assets(), f"/static/{name}", headers={"Accept-Encoding": "gzip"})[1]) for name in (*own, *fetched)
    }
    assert sum(sizes.values()) < 380_000, sizes


def test_versions_are_exact_and_the_lock_holds_hashes_and_no_addresses() -> None:
    wanted = PACKAGE["dependencies"] | PACKAGE["devDependencies"]
    packages = {path.removeprefix("node_modules/"): facts for path, facts in LOCK["packages"].items() if path}
    assert {name: packages[name]["version"] for name in wanted} == wanted
    assert all(facts["integrity"].startswith("sha512-") for facts in packages.values())
    assert not [name for name, facts in packages.items() if "resolved" in facts]


NPM = """\
import json, pathlib, sys
with open("calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
for source in json.loads(pathlib.Path("package.json").read_text())["vendor"].values():
    if source.startswith("node_modules"):
        path = pathlib.Path(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {source}\\n" * 20)
"""


class Checkout:
    """What the build needs of a checkout, and a machine whose npm is a program of this test."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.root.mkdir()
        for name in ("package.json", "package-lock.json", "hatch_build.py"):
            shutil.copy(ROOT / name, self.root)
        shutil.copytree(ROOT / "LICENSES", self.root / "LICENSES")
        self.vendor = self.root / "src/adreel/web/static/vendor"

    def npm(self, program: str) -> None:
        path = self.bin / "npm"
        path.write_text(f"#!{sys.executable}\n{program}")
        path.chmod(0o755)

    def build(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "hatch_build.py"],
            cwd=self.root,
            env=os.environ | {"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.vendor)): path.read_bytes() for path in self.vendor.rglob("*.*")}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_build_copies_what_is_declared_once_and_runs_no_package_scripts(checkout: Checkout) -> None:
    checkout.npm(NPM)
    assert checkout.build().returncode == 0
    files = checkout.files()
    assert set(files) >= set(PACKAGE["vendor"])
    assert gzip.decompress(files["htmx.min.js.gz"]) == files["htmx.min.js"]
    assert files["htmx.min.js.gz"][4:8] == bytes(4), "the time of making is no part of the file"
    assert checkout.build().returncode == 0
    assert len(checkout.calls()) == 1
    assert "--ignore-scripts" in checkout.calls()[0]


def test_the_build_makes_the_same_bytes_again_when_the_list_changes(checkout: Checkout) -> None:
    checkout.npm(NPM)
    checkout.build()
    before = checkout.files()
    changed = PACKAGE | {
        "vendor": {name: source for name, source in PACKAGE["vendor"].items() if name != "htmx.min.js"}
    }
    (checkout.root / "package.json").write_text(json.dumps(changed))
    assert checkout.build().returncode == 0
    after = checkout.files()
    assert set(before) - set(after) == {"htmx.min.js", "htmx.min.js.gz"}
    assert {name: before[name] for name in after if name != ".made"} == {
        name: body for name, body in after.items() if name != ".made"
    }


def test_files_that_were_made_need_no_npm(checkout: Checkout) -> None:
    checkout.npm(NPM)
    checkout.build()
    checkout.npm("raise SystemExit('npm was asked')")
    assert checkout.build().returncode == 0
    (checkout.vendor / "htmx.min.js").unlink()
    assert "npm was asked" in checkout.build().stderr


def test_a_failed_npm_ends_the_build_with_its_message_and_what_to_do(checkout: Checkout) -> None:
    checkout.npm("raise SystemExit('npm error: no way out')")
    failed = checkout.build()
    assert failed.returncode == 1
    assert "npm error: no way out" in failed.stderr
    assert "Install Node.js" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not checkout.vendor.exists()


def test_a_package_without_a_declared_file_ends_the_build_and_leaves_nothing_half_made(checkout: Checkout) -> None:
    checkout.npm(NPM.replace('source.startswith("node_modules")', '"echarts" not in source'))
    failed = checkout.build()
    assert failed.returncode == 1
    assert "echarts.common.min.js, which its package does not hold" in failed.stderr
    assert not (checkout.vendor / ".made").exists()
