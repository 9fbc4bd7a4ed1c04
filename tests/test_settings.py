import dataclasses
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platformdirs import user_data_path

from adreel.errors import InputError
from adreel.settings import SETTINGS, Secret, Settings

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def load(home: Path, **variables: str) -> Settings:
    return Settings.load({"ADREEL_HOME": str(home), **variables})


def write_file(home: Path, text: str) -> Path:
    file = home / "adreel.env"
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return file


def test_without_any_variable_the_home_is_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = Settings.load({})
    assert settings.home == user_data_path("adreel", appauthor=False)
    assert settings.lake_url == str(settings.home / "lake")


def test_what_is_not_set_has_the_documented_default(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.home == tmp_path
    assert settings.lake_url == str(tmp_path / "lake")
    assert settings.tiktok_url == "https://business-api.tiktok.com/open_api/v1.3"
    assert settings.tiktok_auth_url == "https://business-api.tiktok.com/portal/auth"
    assert settings.tiktok_redirect_url == "http://localhost:8765/callback"
    assert (settings.tiktok_app_id, settings.tiktok_level) == ("", "basic")
    assert not settings.tiktok_secret
    assert not settings.secret_key
    assert settings.warnings == ()


def test_every_field_is_declared_once_with_help_and_what_is_allowed() -> None:
    fields = [field.name for field in dataclasses.fields(Settings)]
    assert [setting.name for setting in SETTINGS] == [name for name in fields if name not in {"warnings", "sources"}]
    for setting in SETTINGS:
        assert setting.variable == f"ADREEL_{setting.name.upper()}"
        assert setting.help.endswith(".")
        assert setting.allowed


def test_values_of_the_environment_are_read(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        ADREEL_LAKE_URL="s3://bucket/lake/",
        ADREEL_TIKTOK_URL="http://127.0.0.1:9000/open_api/v1.3/",
        ADREEL_TIKTOK_APP_ID=" 7123 ",
        ADREEL_TIKTOK_SECRET="hush",
        ADREEL_TIKTOK_LEVEL="Premium",
        ADREEL_SECRET_KEY=f"{KEY}, {KEY}",
    )
    assert settings.lake_url == "s3://bucket/lake"
    assert settings.tiktok_url == "http://127.0.0.1:9000/open_api/v1.3"
    assert settings.tiktok_app_id == "7123"
    assert settings.tiktok_secret.reveal() == "hush"
    assert settings.tiktok_level == "premium"
    assert settings.secret_key.reveal() == f"{KEY},{KEY}"


@pytest.mark.parametrize("level", ["basic", "ultimate", "1", "20", "0.5"])
def test_a_level_is_a_name_or_a_number_of_requests_per_second(tmp_path: Path, level: str) -> None:
    assert load(tmp_path, ADREEL_TIKTOK_LEVEL=level).tiktok_level == level


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ADREEL_TIKTOK_LEVEL", "fast", "basic, advanced, premium, ultimate"),
        ("ADREEL_TIKTOK_LEVEL", "0", "at least one a minute"),
        ("ADREEL_TIKTOK_LEVEL", "0.01", "at least one a minute"),
        ("ADREEL_TIKTOK_LEVEL", "-3", "at least one a minute"),
        ("ADREEL_TIKTOK_LEVEL", "nan", "at least one a minute"),
        ("ADREEL_TIKTOK_LEVEL", "inf", "at least one a minute"),
        ("ADREEL_TIKTOK_URL", "business-api.tiktok.com", "http"),
        ("ADREEL_TIKTOK_URL", "ftp://business-api.tiktok.com", "http"),
        ("ADREEL_TIKTOK_URL", "https://", "http"),
        ("ADREEL_TIKTOK_URL", "https://host:notaport/", "http"),
        ("ADREEL_TIKTOK_AUTH_URL", "https://host/a b", "http"),
        ("ADREEL_TIKTOK_REDIRECT_URL", "localhost", "http"),
        ("ADREEL_TIKTOK_APP_ID", "71 23", "one word"),
        ("ADREEL_LAKE_URL", "http://somewhere/lake", "s3"),
        ("ADREEL_LAKE_URL", "s3://", "s3"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variable_the_value_and_what_is_allowed(
    tmp_path: Path, variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, **{variable: value})
    assert variable in str(caught.value)
    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="ADREEL_HOME"):
        load(file)


@pytest.mark.parametrize(
    "address", ["s3://someone:hush@bucket/lake", "s3://someone:hu/hush@bucket", "az://bucket/lake?sig=hush"]
)
def test_credentials_in_the_address_of_the_lake_are_refused_and_not_shown(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, ADREEL_LAKE_URL=address)
    assert "ADREEL_LAKE_URL" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("keys", ["short", "not base64 at all", f"{KEY},{KEY[:-8]}", "ключ"])
def test_a_key_that_is_no_fernet_key_is_refused_and_not_shown(tmp_path: Path, keys: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, ADREEL_SECRET_KEY=keys)
    assert "ADREEL_SECRET_KEY" in str(caught.value)
    assert keys not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text(string.ascii_letters + string.digits, min_size=1))
def test_secrets_are_in_no_text_made_from_the_settings(word: str) -> None:
    secret = f"~{word}~"
    settings = Settings.load({"ADREEL_HOME": "/nowhere", "ADREEL_TIKTOK_SECRET": secret, "ADREEL_SECRET_KEY": KEY})
    texts = (
        repr(settings),
        str(settings),
        f"{settings.tiktok_secret} {settings.secret_key!r}",
        str(dataclasses.asdict(settings)),
        str([(shown.setting.name, shown.text, shown.source) for shown in settings.shown()]),
    )
    for text in texts:
        assert secret not in text
        assert KEY not in text


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


def test_the_file_in_the_home_is_read_and_the_environment_goes_before_it(tmp_path: Path) -> None:
    write_file(
        tmp_path,
        "\ufeff# TikTok app\n\nADREEL_TIKTOK_APP_ID=from-file\nexport ADREEL_TIKTOK_SECRET = 'hush=hush'\n"
        'ADREEL_TIKTOK_LEVEL="advanced"\nADREEL_LAKE_URL=\n',
    )
    settings = load(tmp_path, ADREEL_TIKTOK_APP_ID="from-environment", ADREEL_TIKTOK_LEVEL="")
    assert settings.tiktok_app_id == "from-environment"
    assert settings.tiktok_secret.reveal() == "hush=hush"
    assert settings.tiktok_level == "advanced"
    assert settings.lake_url == str(tmp_path / "lake")
    sources = {shown.setting.name: shown.source for shown in settings.shown()}
    assert sources["home"] == sources["tiktok_app_id"] == "environment"
    assert sources["tiktok_level"] == f"{tmp_path / 'adreel.env'}, line 5"
    assert sources["lake_url"] == "default"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hush", "not KEY=VALUE"),
        ("not a name=hush", "not KEY=VALUE"),
        ("ADREEL_TIKTOK_SECRETS=hush", "Did you mean 'ADREEL_TIKTOK_SECRET'?"),
        ("adreel_tiktok_app=hush", "Did you mean 'ADREEL_TIKTOK_APP_ID'?"),
        ("PATH=hush", "unknown setting PATH"),
        ("ADREEL_HOME=/hush", "set it in the environment"),
        ("ADREEL_TIKTOK_SECRET=hush hush", "allowed: one word"),
        ("ADREEL_TIKTOK_SECRET=a\nADREEL_TIKTOK_SECRET=hush", "twice"),
    ],
)
def test_a_wrong_line_of_the_file_is_refused_by_its_number_and_not_shown(
    tmp_path: Path, line: str, message: str
) -> None:
    write_file(tmp_path, f"# settings\n{line}\n")
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert message in str(caught.value)
    assert f"adreel.env, line {3 if 'twice' in message else 2}" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adreel.env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load(tmp_path)


def test_a_file_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    file = write_file(tmp_path, "ADREEL_TIKTOK_SECRET=hush\n")
    assert load(tmp_path).warnings == ()
    file.chmod(0o640)
    (warning,) = load(tmp_path).warnings
    assert f"chmod 600 {file}" in warning
    assert "hush" not in warning


def test_an_unknown_variable_of_the_environment_is_a_warning_with_the_nearest(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, ADREEL_TIKTOK_LEVLE="hush", OTHER="x").warnings
    assert "ADREEL_TIKTOK_LEVLE" in warning
    assert "Did you mean 'ADREEL_TIKTOK_LEVEL'?" in warning
    assert "hush" not in warning


def test_an_address_that_sends_tokens_in_clear_over_the_network_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, ADREEL_TIKTOK_URL="http://example.org/v1.3").warnings
    assert "without encryption" in warning
    assert load(tmp_path, ADREEL_TIKTOK_URL="http://localhost:9000/v1.3").warnings == ()
