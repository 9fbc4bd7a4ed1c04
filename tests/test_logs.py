"""What processes log: fields, formats, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from adreel.logs import Redaction, log_fields, log_handler
from adreel.settings import Settings
from adreel.web.request_log import RequestLog
from home import Home, environment_of, make_home
from test_bad_input import Broken
from web_home import ADDRESS, PASSWORD, open_site, words_of

APP_SECRET = "s3cret/with+signs"
FORMATS = ("text", "json")


def settings_with(home: Path, **more: str) -> Settings:
    return Settings.load({"ADREEL_HOME": str(home), "ADREEL_TIKTOK_SECRET": APP_SECRET, **more})


class Log:
    """A logger of its own whose lines are kept."""

    def __init__(self, home: Path, form: str, **more: str) -> None:
        self._stream = io.StringIO()
        self.logger = logging.Logger("adreel.test")
        self.logger.addHandler(log_handler(settings_with(home, ADREEL_LOG_FORMAT=form, **more), self._stream))

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]


def hexadecimal(size: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=size, max_size=size)


# As secrets.token_urlsafe(32) gives them.
RANDOM = st.binary(min_size=32, max_size=32).map(lambda data: urlsafe_b64encode(data).decode().rstrip("="))
WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=8, max_size=24).map(
    "q".__add__
)
PASSWORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=8, max_size=20).filter(
    lambda text: not set(text) & set("\"'\\<>")
)
NAMES = st.sampled_from(
    ["access_token", "Access-Token", "app_secret", "secret", "auth_code", "password", "refresh_token", "api_key",
     "X-Amz-Signature", "aws_secret_access_key", "azure_storage_account_key", "sas_token"]
)  # fmt: skip
ADDRESSES = st.sampled_from(
    ["https://lake.s3.amazonaws.com/t/part-0.parquet?X-Amz-Date=1&X-Amz-Signature={}", "https://a.test/x?sig={}&se=2",
     "postgresql+psycopg://adreel:{}@db.internal:5432/adreel", "https://ada:{}@ads.example.com/x", "tgram://{}/123",
     "mailto://ada:{}@mail.example.com", "https://hooks.slack.com/services/T0/B0/{}", "slack://{}/B0/x",
     "https://discord.com/api/webhooks/1/{}", "/callback?auth_code={}&state=2"]
)  # fmt: skip
CONTEXTS = st.sampled_from(["{}", "sent {} twice", "({})", "'{}'", '"{}"', "a={}, b", "[{}]", "{}.", "<{}>", "x\n{}"])

SHAPES: st.SearchStrategy[tuple[str, str]] = st.one_of(
    # Recognized wherever they are.
    st.tuples(hexadecimal(40), CONTEXTS),
    st.tuples(RANDOM.map("adreel_".__add__), CONTEXTS),
    st.tuples(RANDOM.filter(lambda text: text.lower() != text != text.upper()), CONTEXTS),
    st.tuples(st.just(Fernet.generate_key().decode()), CONTEXTS),
    st.tuples(st.binary(max_size=60).map(lambda data: Fernet(b"A" * 43 + b"=").encrypt(data).decode()), CONTEXTS),
    st.tuples(st.just("AKIAIOSFODNN7EXAMPLE"), CONTEXTS),
    st.tuples(st.sampled_from([APP_SECRET, quote(APP_SECRET, safe="")]), CONTEXTS),
    # Recognized by what is before them.
    st.tuples(WORD, NAMES.flatmap(lambda name: st.sampled_from([
        f"{name}={{}}", f"{name}: {{}}", f"'{name}': '{{}}', 'day': 1", f'{{{{"{name}": "{{}}"}}}}', f"?{name}={{}}&a=1",  # noqa: E501 - a list
        f"('{name}', '{{}}')", f"(b'{name}', b'{{}}')", f"{name.upper()} = {{}}",
    ]))),
    st.tuples(WORD, st.sampled_from([
        "Authorization: Bearer {}", "authorization: Basic {}", "Cookie: a=1; adreel_session={}; b=2",
        "Set-Cookie: adreel_session={}; Path=/", "{{'Authorization': 'Bearer {}'}}", "(b'cookie', b'adreel_session={}')",  # noqa: E501 - a list
        "sent with Bearer {}",
    ])),
    st.tuples(WORD, ADDRESSES),
    st.tuples(PASSWORDS, st.just("connecting to postgresql+psycopg://adreel:{}@db:5432/x failed")),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def _written(folder: Path, form: str, words: str) -> tuple[str, ...]:
    """What a log has after messages, fields and an exception with some words."""
    log = Log(folder, form)
    log.logger.warning("It says %s", words)
    log.logger.warning(words.replace("%", "%%"), extra={"path": words, "dataset": words})
    with log_fields(worker=words):
        try:
            raise RuntimeError(words)
        except RuntimeError as error:
            log.logger.exception("Unexpected error: %r", error)
    values = [str(value) for line in log.lines for value in line.values()] if form == "json" else []
    return (log.text, log.text.replace("\\\\", "\\"), *values)


@settings(max_examples=400)
@given(SHAPES, st.sampled_from(FORMATS))
@example(("hunter2hunter2", "('access_token', 'hunter2hunter2')"), "json")
@example(("p@ss:w/rd?#", "connecting to postgresql+psycopg://adreel:{}@db:5432/x failed"), "text")
def test_no_secret_reaches_the_log(folder: Path, secret: tuple[str, str], form: str) -> None:
    hidden, context = secret
    # A generated word may be one that the log writes anyway, such as "expected".
    assume(not any(hidden in text for text in _written(folder, form, context.format(""))))
    for text in _written(folder, form, context.format(hidden)):
        assert hidden not in text


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_no_secret_stays_readable(folder: Path, form: str) -> None:
    log = Log(folder, form)
    texts = [
        "GET https://business-api.tiktok.com/open_api/v1.3/report/integrated/get/ for advertiser 7000000000000000001",
        "Run 0123456789abcdef of spend_by_day: 1,234 rows, request 20261129A1B2C3D4E5F60718293A4B5C6D",
        "The access token of account 'acme' is revoked. Reconnect the account, then run.",
        "/var/lib/adreel/lake/tables/spend/part-00000-7e9c6f9e-0a52-4a77-b1c6-2f2d2f9f6c11-c000.snappy.parquet",
        "s3://lake/adreel/tables/spend/_delta_log/00000000000000000001.json was not found",
    ]
    for text in texts:
        log.logger.info("%s", text)
        assert text in log.text


def test_redaction_takes_time_in_proportion_to_the_text() -> None:
    redaction = Redaction(["a secret"])
    for piece in (
        "a",
        "a.",
        "a-A",
        "://",
        "a://",
        "token=",
        "'token', ",
        "/a?",
        "@",
        "gAAAA",
        "-----BEGIN PRIVATE KEY-----",
    ):
        began = time.process_time()
        redaction(piece * 40_000)
        assert time.process_time() - began < 2, piece


def test_a_json_line_has_time_level_logger_message_and_fields(folder: Path) -> None:
    log = Log(folder, "json")
    with log_fields(run_id="ab12", dataset="spend", worker="w1"):
        log.logger.warning("Run ended: %s", "Failed", extra={"duration_seconds": 1.5, "rows": 3})
    log.logger.info("alone")
    first, second = log.lines
    assert abs(datetime.fromisoformat(str(first.pop("time"))) - datetime.now(UTC)).total_seconds() < 60
    assert first == {
        "level": "warning", "logger": "adreel.test", "message": "Run ended: Failed", "run_id": "ab12",
        "dataset": "spend", "worker": "w1", "rows": 3, "duration_seconds": 1.5,
    }  # fmt: skip
    assert second.keys() == {"time", "level", "logger", "message"}


@given(st.text(st.characters(exclude_categories=())))
def test_a_record_is_one_line_whatever_its_message(folder: Path, text: str) -> None:
    for form in FORMATS:
        log = Log(folder, form)
        log.logger.info("%s", text, extra={"path": text})
        assert len(log.text.splitlines()) == 1
        assert log.text.encode()
        assert log.text[:-1].isprintable()


def test_a_text_line_reads_as_time_level_logger_message_and_fields(folder: Path) -> None:
    log = Log(folder, "text")
    with log_fields(run_id="ab12"):
        log.logger.warning("Run ended", extra={"path": "/a b", "rows": 3})
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING adreel\.test Run ended run_id=ab12 path="/a b" rows=3\n',
        log.text,
    )


@pytest.mark.parametrize(
    "wrong", [{"ADREEL_LOG_LEVEL": "loud"}, {"ADREEL_LOG_FORMAT": "xml"}, {"ADREEL_METRICS_TOKEN": "short"}]
)
def test_a_wrong_setting_of_logs_is_refused(folder: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(Exception, match=next(iter(wrong)) + " is .*; allowed: one") as refused:
        settings_with(folder, **wrong)
    assert "short'" not in str(refused.value)


@pytest.fixture
def kept() -> Iterator[Log]:
    """The log of this process while a test runs, as `set_up_logs` has it for others."""
    log = Log(Path("/nowhere"), "json")
    logger = logging.getLogger("adreel")
    level, handlers = logger.level, list(logger.handlers)
    logger.handlers[:] = log.logger.handlers
    logger.setLevel(logging.DEBUG)
    yield log
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_an_unexpected_error_has_its_ids_in_the_log_and_on_the_page(tmp_path: Path, kept: Log) -> None:
    home = make_home(tmp_path / "home", advertisers=1, ads=1)
    home.add_account()
    home.transport = Broken(ZeroDivisionError(f"of nothing with {home.token}"))
    with open_site(home) as site:
        client = TestClient(RequestLog(site.app), base_url=ADDRESS)
        headers = {"Sec-Fetch-Site": "same-origin"}
        client.post("/login", data={"name": "admin", "password": PASSWORD}, headers=headers)
        answer = client.post("/accounts/1/refresh?note=hidden", headers=headers)
    error_id = re.findall(r"Unexpected error ([0-9a-f]{8})\. Send", words_of(answer.text))[0]
    (line,) = [line for line in kept.lines if line["level"] == "error"]
    assert (line["error_id"], line["request_id"]) == (error_id, answer.headers["x-request-id"])
    assert "ZeroDivisionError" in str(line["exception"])
    request = kept.lines[-1]
    assert [request[name] for name in ("message", "method", "path", "status", "request_id")] == [
        "Request", "POST", "/accounts/1/refresh", 500, line["request_id"],
    ]  # fmt: skip
    assert isinstance(request["duration_seconds"], float)
    for hidden in ("note=hidden", home.token, PASSWORD):
        assert hidden not in kept.text


def test_an_error_before_any_answer_is_logged_and_raised(kept: Log) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        TestClient(RequestLog(broken)).get("/x")
    assert [(line["level"], line.get("status")) for line in kept.lines] == [("error", None), ("debug", 500)]


@pytest.mark.slow
def test_a_command_that_runs_a_dataset_prints_no_log(home: Home) -> None:
    home.good("datasets", "create", "-f", home.file())
    program = "from adreel.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "spend"],
        env=environment_of(home, "http://127.0.0.1:9") | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert all(" WARNING " not in line and "Run ended" not in line for line in done.stderr.splitlines()), done.stderr
