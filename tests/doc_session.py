"""A person who types what the docs say, page by page, over a home and a simulated TikTok."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from starlette.testclient import TestClient
from typer.testing import Result

from adreel.datasets.dataset import Source
from adreel.datasets.files import read
from adreel.datasets.validation import check
from adreel.manual.contents import Contents, folder
from adreel.manual.markdown import PROMPT, SHELL, console_groups
from api_home import program
from home import Home, copied, environment_of, make_home, served
from web_home import PASSWORD, Site, open_site

ROOT = Path(__file__).parent.parent

CONTENTS = Contents.read(folder())

PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (ROOT / "README.md", *((CONTENTS.root / entry.file).resolve() for entry in CONTENTS.entries))
}

SHOWN = frozenset({"text", "json", "csv", "nginx", "caddyfile"})
"""Languages of what is shown: answers, and settings of other programs."""

RUN = frozenset({*SHELL, "python", "sql", "yaml"})

LONG = frozenset({"docs/dashboards.md", "docs/notifications.md", "docs/python.md"})
"""Pages whose commands draw, send or start programs for seconds: `make test-integrations` runs them."""

FILES = {
    "docs/destinations.md": {"address.txt": "duckdb:///{folder}/srv/data/team.duckdb\n"},
    "docs/notifications.md": {"address.txt": "https://hooks.slack.com/services/T0/B0/x\n"},
    "docs/rates.md": {"eurofxref.csv": "Date, USD, JPY\n2026-11-27, 1.0925, 163.93\n"},
}
"""Files that a page takes as there, by its name."""

MARKS = re.compile(r"<!-- (not run|run by|file): (.+?) -->")

OWN_FOLDERS = re.compile(r"(?<![\w.~])/(?=(?:backups|srv|var/lib)/)")
"""Absolute paths of the docs, which are in the folder of the session here."""

USER = "ada"
"""The administrator whose API token a page uses."""

PROGRAMS = frozenset({"cat", "cp", "cut", "echo", "head", "ls", "mkdir", "python3", "sort", "tail", "tar", "wc"})
"""What any machine has."""

ANSWERS: Mapping[str, str] = {
    "users add": f"{PASSWORD}\n{PASSWORD}\n",
    "users password": f"{PASSWORD}\n{PASSWORD}\n",
    "prune": "y\n",
    "record": "y\n",
    "vacuum": "y\n",
    "retention": "y\n",
    "restore": "y\n",
    "rates clear": "y\n",
    "rates import": "y\n",
    "notifications add": "https://hooks.slack.com/services/T0/B0/x\n",
}
"""What a person answers to commands that ask."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page, with the mark before it: what to do instead of running it."""

    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    mark, value = "", ""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "html_block":
            match = MARKS.search(token.content)
            mark, value = (match[1], match[2]) if match else ("", "")
        elif token.type == "fence":
            assert token.map is not None
            language = token.info.split()[0] if token.info.strip() else "text"
            yield Block(token.map[0] + 1, language, token.content, mark, value)
        if token.type not in ("html_block", "list_item_open", "bullet_list_open", "ordered_list_open"):
            mark, value = "", ""


@dataclass
class DocSession:
    """One shell in one folder: what a block of a page changes, the next one has."""

    home: Home
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    site: Site | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        for name in ("backups", "srv/data", "var/lib"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def console(self, text: str) -> None:
        """Types a block; what it shows below its commands has to be among what they print, in this order."""
        printed = ""
        for typed, lines in console_groups(text):
            if typed:
                printed = "".join(self.line(line) for line in statements(lines))
            else:
                missing = first_missing(lines, printed)
                assert missing is None, f"{missing!r} is not in:\n{printed}"

    def line(self, statement: str) -> str:
        """Runs one statement, with its here-document; gives what it prints."""
        command, _, document = statement.partition("\n")
        marker = re.search(r"<<\s*'?(\w+)'?", command)
        if marker:
            command = command.replace(marker[0], "")
            document = document.rpartition(marker[1])[0]
        else:
            command, document = statement, ""
        printed = document
        for part in parts(OWN_FOLDERS.sub(f"{self.folder}/", command), ("&&", ";")):
            printed = self._pipeline(part, document)
        return printed

    def _pipeline(self, words: Sequence[str], stdin: str) -> str:
        stages = list(split(words, ("|",)))
        for stage in stages:
            stdin = self._stage([self._expanded(word) for word in stage], stdin, is_last=stage is stages[-1])
        return stdin

    def _expanded(self, word: str) -> str:
        variables = {**self.environ, "HOME": str(self.folder)}
        text = re.sub(r"\$\{?(\w+)\}?", lambda name: variables.get(name[1], name[0]), word)
        return re.sub(r"(^|=)~(?=/|$)", rf"\1{self.folder}", text)

    def _stage(self, words: list[str], stdin: str, *, is_last: bool) -> str:
        target, append = None, False
        for sign in (">", ">>", "<"):
            if sign in words:
                place = words.index(sign)
                path = self.folder / words[place + 1]
                words = words[:place] + words[place + 2 :]
                if sign == "<":
                    stdin = path.read_text("utf-8")
                else:
                    target, append = path, sign == ">>"
        printed = self._command(words, stdin, is_shown=is_last and target is None)
        if target is None:
            return printed
        target.write_text((target.read_text("utf-8") if append and target.exists() else "") + printed, "utf-8")
        return ""

    def _command(self, words: list[str], stdin: str, *, is_shown: bool) -> str:
        before = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
            name, _, value = words.pop(0).partition("=")
            before[name] = value
        if not words:
            self.environ |= before
            return ""
        name, *rest = words
        if name == "export":
            self.environ |= {key: value for key, _, value in (word.partition("=") for word in rest)}
            return ""
        if Path(name).name == "adreel":
            result = self._adreel(rest, stdin, before)
            # A pipe and a file get no messages.
            return result.output if is_shown else result.stdout
        if name == "curl":
            return self._curl(rest, stdin)
        assert name in PROGRAMS, f"{name} is no program that the test can run; mark the block: <!-- not run: why -->"
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=os.environ | self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _adreel(self, words: list[str], stdin: str, environ: Mapping[str, str]) -> Result:
        answers = {"accounts add": f"{self.home.token}\n", **ANSWERS}
        answer = next((text for start, text in answers.items() if " ".join(words).startswith(start)), "")
        home = replace(self.home, environ={**self.home.environ, **self.environ, **environ})
        with contextlib.chdir(self.folder):
            result = home.adreel(*words, stdin=stdin or answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        # 12: a run with ad accounts that could not be read, which is one of the things that the docs show.
        assert result.exit_code in (0, 12), f"adreel {' '.join(words)}: {result.output}"
        return result

    def _curl(self, words: list[str], stdin: str) -> str:
        """What curl would send, to the Data Center over this home or to the simulated TikTok."""
        method, body, target, headers, url = "", "", "", {}, ""
        rest = iter(words)
        for word in rest:
            if word in ("-H", "--header"):
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            elif word in ("-d", "--data"):
                body = next(rest)
                body = stdin if body == "@-" else body
            elif word in ("-X", "--request"):
                method = next(rest)
            elif word in ("-o", "--output"):
                target = next(rest)
            elif not word.startswith("-"):
                url = word if "://" in word else f"http://{word}"
        site = None if "/_simulator/" in url else self.open_site()
        client = self.closing.enter_context(TestClient(self.home.world)) if site is None else site.visit().client
        headers = {name: self._expanded(value) for name, value in headers.items()}
        answer = client.request(method or ("POST" if body else "GET"), url, headers=headers, content=body or None)
        assert answer.status_code < 300, f"{url}: {answer.status_code} {answer.text[:2000]}"
        if self.site is not None:
            self.site.work()
        if not target:
            return str(answer.text)
        (self.folder / target).write_bytes(answer.content)
        return ""

    def open_site(self) -> Site:
        """The Data Center over the home, with an API token in TOKEN."""
        if self.site is None:
            home = replace(self.home, environ=self.home.environ | self.environ)
            self.site = self.closing.enter_context(open_site(home))
            self.environ["TOKEN"] = program(self.site, USER).token
        return self.site

    def close(self) -> None:
        """Closes what a block opened."""
        self.closing.close()


def statements(lines: Sequence[str]) -> Iterator[str]:
    """Lines as statements: those of a quoted text, a continued line or a here-document together."""
    rest = [line.removeprefix(PROMPT) for line in lines]
    while rest:
        text = rest.pop(0)
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        marker = re.search(r"<<\s*'?(\w+)'?", text)
        while rest and (text.endswith("\\") or (marker and text.split("\n")[-1] != marker[1]) or is_open(text)):
            text = f"{text.removesuffix(chr(92))}{'' if text.endswith(chr(92)) else chr(10)}{rest.pop(0)}"
            marker = marker or re.search(r"<<\s*'?(\w+)'?", text.split("\n")[0])
        yield text


def is_open(text: str) -> bool:
    """Whether a quoted text goes on in the next line."""
    if "<<" in text:
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


def parts(command: str, signs: Sequence[str]) -> Iterator[list[str]]:
    """The words of each command of a statement."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    yield from split(list(lexer), signs)


def split(words: Sequence[str], signs: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in (*words, signs[0]):
        if word in signs:
            if part:
                yield part
            part = []
        else:
            part.append(word)


def first_missing(lines: Sequence[str], printed: str) -> str | None:
    """The first line that is not printed after those before it; `…` is any text. Spaces count as one."""
    rest = iter(" ".join(line.split()) for line in printed.splitlines())
    for line in lines:
        words = " ".join(line.split())
        if not words or words == "…":
            continue
        pattern = ".*".join(re.escape(piece.strip()) for piece in words.split("…"))
        if not any(re.fullmatch(rf"{pattern}", shown) for shown in rest):
            return line
    return None


# -- pages

NAMES = ("Ad spend by day", "Ad spend", "Spend")
"""The datasets that pages begin with; each has two versions."""


def of_language(block: Block) -> str:
    return "yaml" if block.language == "yml" else block.language


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with accounts, and datasets with two versions, a day apart."""
    home = make_home(tmp_path_factory.mktemp("docs") / "home", advertisers=2, ads=6, days=40)
    for account in ("demo", "acme", "My business"):
        home.add_account(account)
    metrics = ["ad_name", "campaign_name", "campaign_id", "spend", "impressions", "clicks", "conversion"]
    dates = {"start": "today-10", "end": "yesterday"}
    for name in NAMES:
        home.good("run", "-f", home.file(name=name, metrics=[*metrics, "video_watched_2s"], dates=dates))
    home.later(1)
    for name in NAMES:
        home.good("run", name.lower().replace(" ", "_"))
    for name, role in ((USER, "admin"), ("grace", "editor")):
        home.good("users", "add", name, "--role", role, stdin="correct horse battery\n" * 2)
    with webhook() as url:
        home.good("notifications", "add", "--name", "Ops", stdin=f"{url}\n")
        yield home


@contextmanager
def webhook() -> Iterator[str]:
    """The address of a server on this machine that takes notifications."""

    class Taken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"json://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def session(prepared: Home, tmp_path: Path) -> Iterator[DocSession]:
    home = copied(prepared, tmp_path / "home")
    home.later(0)
    typing = DocSession(home, tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "lake").symlink_to(home.path / "lake")
    yield typing
    typing.close()


def type_page(session: DocSession, page: str) -> None:
    """Does what a page says, block by block. Errors name the line."""
    blocks = list(blocks_of(PAGES[page]))
    for name, text in FILES.get(page, {}).items():
        (session.folder / name).write_text(text.format(folder=session.folder), "utf-8")
    for block in blocks:
        try:
            run_block(session, block)
        except Exception as error:
            error.add_note(f"{page}:{block.line}")
            raise
    programs = [block for block in blocks if block.language == "python" and not block.mark]
    if programs:
        run_program(session, programs)


def run_block(session: DocSession, block: Block) -> None:
    language = of_language(block)
    if block.mark == "file":
        (session.folder / block.value).write_text(block.text, "utf-8")
    elif block.mark or language in SHOWN:
        return
    elif language in SHELL:
        session.console(block.text)
    elif language == "sql":
        session.home.good("query", block.text)
    if language == "yaml":
        assert problems_of(session, block.text) == []


def run_program(session: DocSession, blocks: Sequence[Block]) -> None:
    """The Python of a page as one program in a process of its own; errors name the lines of the page."""
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (block.line - len(lines)) + block.text.splitlines()
    home = session.home
    with served(replace(home.config, today=home.now.date())) as url:
        with closing(sqlite3.connect(home.path / "adreel.db")) as database, database:
            database.execute("UPDATE accounts SET base_url = ?", (f"{url}/open_api/v1.3",))
        done = subprocess.run(
            [sys.executable, "-"],
            cwd=session.folder,
            env=environment_of(home, url),
            input=OWN_FOLDERS.sub(f"{session.folder}/", "\n".join(lines)),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def problems_of(session: DocSession, text: str) -> list[str]:
    """What is wrong with a dataset file, or with a part of one."""
    source = read(text)
    if "report" not in source.values:
        source = Source({**read(Path(session.home.file()).read_text("utf-8")).values, **source.values}, {})
    return [str(problem) for problem in check(source, session.home.now).problems]
