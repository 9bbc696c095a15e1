"""Settings: who wins, what is refused and with which words, how node.yml is edited."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from nasfarm.config import Settings, add_root_path, load
from nasfarm.errors import RejectError, UnknownNameError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    (tmp_path / "state").mkdir()
    return {
        "HOME": str(tmp_path),
        "FARM_HOME": str(tmp_path / "home"),
        "FARM_STATE_DIR": str(tmp_path / "state"),
    }


def write_farm(environ: dict[str, str], text: str) -> Path:
    path = Path(environ["FARM_HOME"], "farm.yml")
    path.write_text(text)
    return path


def write_node(environ: dict[str, str], text: str, mode: int = 0o600) -> Path:
    path = Path(environ["FARM_STATE_DIR"], "node.yml")
    path.write_text(text)
    path.chmod(mode)
    return path


def test_without_files_or_variables_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(None, {"HOME": str(tmp_path)})
    assert settings == Settings(
        home=tmp_path / "nasfarm",
        state_dir=tmp_path / ".local/state/nasfarm",
        node=settings.node,
    )
    assert settings.node
    assert settings.roots == {"home": tmp_path / "nasfarm"}
    assert (settings.broker_url, settings.slots, settings.lease_s) == (None, None, 30)


def test_an_absolute_xdg_state_home_is_used_and_a_relative_one_ignored(tmp_path: Path) -> None:
    user = {"HOME": str(tmp_path)}
    assert load(None, user | {"XDG_STATE_HOME": "/x/y"}).state_dir == Path("/x/y/nasfarm")
    relative = load(None, user | {"XDG_STATE_HOME": "x"}).state_dir
    assert relative == tmp_path / ".local/state/nasfarm"


def test_environment_beats_node_file_beats_farm_file_beats_default(
    environ: dict[str, str],
) -> None:
    write_farm(environ, "lease_s: 11\nslots: 5\nreconcile_s: 7\n")
    write_node(environ, "lease_s: 12\nslots: 6\n")
    settings = load(None, environ | {"FARM_LEASE_S": "13"})
    assert settings.lease_s == 13
    assert settings.slots == 6
    assert settings.reconcile_s == 7
    assert settings.grace_s == 10


def test_an_empty_variable_or_value_counts_as_not_said(environ: dict[str, str]) -> None:
    write_farm(environ, "slots: 5\n")
    write_node(environ, "slots:\n")
    assert load(None, environ | {"FARM_SLOTS": ""}).slots == 5


def test_the_home_named_by_the_caller_beats_the_variable(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert load(tmp_path / "other", environ).home == tmp_path / "other"


def test_folders_become_absolute_and_know_the_users_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(Path("h"), {"HOME": "/u", "FARM_STATE_DIR": "~/s"})
    assert settings.home == tmp_path / "h"
    assert settings.state_dir == Path("/u/s")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        pytest.param("FARM_LEASES", "FARM_LEASE_S", id="key"),
        pytest.param("FARM_STATEDIR", "FARM_STATE_DIR", id="folder"),
        pytest.param("FARM_BROKER", "FARM_BROKER_URL", id="dotted"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_one(
    environ: dict[str, str], name: str, near: str
) -> None:
    with pytest.raises(UnknownNameError, match=f"'{name}': did you mean '{near}'"):
        load(None, environ | {name: "1"})


def test_an_unknown_key_is_refused_with_its_file_and_the_nearest_one(
    environ: dict[str, str],
) -> None:
    path = write_farm(environ, "lease: 5\n")
    with pytest.raises(UnknownNameError, match="'lease': did you mean 'lease_s'") as caught:
        load(None, environ)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "got", "wanted"),
    [
        pytest.param("lease_s: soon", "'soon'", "a number from 1 to 3600", id="text"),
        pytest.param("lease_s: .nan", "nan", "a number from 1 to 3600", id="not-a-number"),
        pytest.param("lease_s: yes", "True", "a number from 1 to 3600", id="flag"),
        pytest.param("slots: 0", "0", "a whole number from 1", id="too-small"),
        pytest.param("slots: 1.5", "1.5", "a whole number from 1", id="fraction"),
        pytest.param("slots: '2'", "'2'", "a whole number from 1", id="quoted"),
        pytest.param("node: a b", "'a b'", "letters, digits", id="node"),
        pytest.param("log.level: loud", "'loud'", "one of debug, info", id="level"),
        pytest.param("roots: [/a]", r"\['/a'\]", "'name: /folder'", id="roots-list"),
        pytest.param("roots: {home: /a}", "'home'", "is taken", id="root-home"),
        pytest.param("roots: {Photos: /a}", "'Photos'", "small letters", id="root-name"),
        pytest.param("roots: {photos: a}", "'a'", "'name: /folder'", id="root-relative"),
    ],
)
def test_a_wrong_value_is_refused_with_place_got_and_wanted(
    environ: dict[str, str], text: str, got: str, wanted: str
) -> None:
    path = write_node(environ, text)
    with pytest.raises(RejectError, match=f"got .*{got}.*, wanted .*{wanted}") as caught:
        load(None, environ)
    assert f"{path}: {text.partition(':')[0]}" in str(caught.value)


def test_a_wrong_variable_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(RejectError, match="variable FARM_SLOTS: got 'many', wanted a whole number"):
        load(None, environ | {"FARM_SLOTS": "many"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("slots: [1", "line 1: .*not YAML", id="syntax"),
        pytest.param("just words", "'name: value'", id="no-mapping"),
        pytest.param("slots: 1\nslots: 2", "line 2: 'slots' is there twice", id="twice"),
        pytest.param("roots:\n  a: /a\n  a: /b", "line 3: 'a' is there twice", id="twice-inside"),
        pytest.param("node: \x00", "not YAML", id="binary"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_with_its_line(
    environ: dict[str, str], text: str, words: str
) -> None:
    path = write_node(environ, text)
    with pytest.raises(RejectError, match=words) as caught:
        load(None, environ)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("text", ["node: a", "roots: {a: /a}"])
def test_what_is_each_machines_own_is_refused_in_the_shared_file(
    environ: dict[str, str], text: str
) -> None:
    write_farm(environ, text)
    with pytest.raises(RejectError, match=r"move it into .*node\.yml"):
        load(None, environ)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis://farm:s3cret@nas:6379/0", id="user"),
        pytest.param("rediss://:s3cret@nas", id="no-user"),
        pytest.param("redis://nas/0?password=s3cret", id="query"),
    ],
)
def test_a_password_is_refused_in_the_shared_file_and_not_shown(
    environ: dict[str, str], url: str
) -> None:
    write_farm(environ, f"broker.url: {url}")
    with pytest.raises(RejectError, match=r"holds a password.*node\.yml") as caught:
        load(None, environ)
    assert "s3cret" not in str(caught.value)


def test_a_password_is_read_from_a_private_node_file_and_kept_out_of_repr(
    environ: dict[str, str],
) -> None:
    path = write_node(environ, "broker.url: redis://farm:s3cret@nas:6379/0")
    settings = load(None, environ)
    assert settings.broker_url == "redis://farm:s3cret@nas:6379/0"
    assert "s3cret" not in repr(settings)
    path.chmod(0o640)
    with pytest.raises(RejectError, match=f"chmod 600 {path}"):
        load(None, environ)


@pytest.mark.parametrize("url", ["nas:6379", "http://nas", "redis://", "redis://nas:s3cret"])
def test_an_address_that_is_none_is_refused_without_being_shown(
    environ: dict[str, str], url: str
) -> None:
    with pytest.raises(RejectError, match="wanted an address such as redis://") as caught:
        load(None, environ | {"FARM_BROKER_URL": url})
    assert "s3cret" not in str(caught.value)


def test_adding_a_root_keeps_the_other_lines_and_comments_and_makes_it_private(
    environ: dict[str, str],
) -> None:
    state = Path(environ["FARM_STATE_DIR"])
    path = write_node(
        environ, "# my box\nroots:\n  photos: /volume1/photos\n\nslots: 3  # of 4\n", mode=0o644
    )
    add_root_path(state, "films", Path("/volume2/films: new"))
    text = path.read_text()
    assert text.startswith("# my box\n")
    assert "slots: 3  # of 4\n" in text
    assert path.stat().st_mode & 0o777 == 0o600
    settings = load(None, environ)
    assert settings.slots == 3
    assert dict(settings.added_roots) == {
        "photos": Path("/volume1/photos"),
        "films": Path("/volume2/films: new"),
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("slots: 3", id="no-line-break"),
        pytest.param("{roots: {a: /a}, slots: 3}", id="flow"),
        pytest.param("'roots':\n  a: /a\nslots: 3\n", id="quoted-key"),
        pytest.param("roots:\n\n# why\n  a: /a\nslots: 3\n", id="comment-in-between"),
        pytest.param("slots: 3\n...\n", id="end-of-document"),
    ],
)
def test_adding_a_root_works_in_any_style_of_file(environ: dict[str, str], text: str) -> None:
    path = write_node(environ, text)
    before = yaml.safe_load(text) or {}
    add_root_path(Path(environ["FARM_STATE_DIR"]), "b", Path("/b"))
    roots = {**before.get("roots", {}), "b": "/b"}
    assert yaml.safe_load(path.read_text()) == {**before, "roots": roots}


def test_a_root_whose_path_is_not_utf8_comes_back_as_it_was(environ: dict[str, str]) -> None:
    path = Path("/caf\udce9")
    add_root_path(Path(environ["FARM_STATE_DIR"]), "a", path)
    assert load(None, environ).roots["a"] == path


def test_roots_added_at_the_same_time_all_stay(environ: dict[str, str]) -> None:
    state = Path(environ["FARM_STATE_DIR"])
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(add_root_path, state, f"r{n}", Path(f"/{n}")) for n in range(16)]:
            done.result()
    assert len(load(None, environ).added_roots) == 16
    assert [path.name for path in state.iterdir()] == ["node.yml"]


def test_importing_config_does_not_load_yaml() -> None:
    code = "import sys, nasfarm.config; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- password files and addresses --------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://nas:6379/0", "redis://:p%40ss%2Fword@nas:6379/0"),
        ("redis://farm@nas:6379/0", "redis://farm:p%40ss%2Fword@nas:6379/0"),
        ("rediss://farm@[::1]:6379/0", "rediss://farm:p%40ss%2Fword@[::1]:6379/0"),
    ],
)
def test_the_brokers_password_may_lie_in_a_file(
    environ: dict[str, str], tmp_path: Path, url: str, whole: str
) -> None:
    (tmp_path / "secret").write_text("p@ss/word\n")
    said = {"FARM_BROKER_URL": url, "FARM_BROKER_PASSWORD_FILE": str(tmp_path / "secret")}
    assert load(None, environ | said).broker_url == whole


@pytest.mark.parametrize(
    ("content", "url", "words"),
    [
        (None, "redis://nas:6379", "No such file"),
        (b"", "redis://nas:6379", "is empty"),
        (b"\xff\xfe", "redis://nas:6379", "is not text"),
        (b"other", "redis://:one@nas:6379", "Leave one out"),
    ],
)
def test_a_password_file_that_is_of_no_use_is_refused(
    environ: dict[str, str], tmp_path: Path, content: bytes | None, url: str, words: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RejectError, match=words):
        load(None, environ | {"FARM_BROKER_URL": url, "FARM_BROKER_PASSWORD_FILE": str(path)})


@pytest.mark.parametrize(
    "value", ["8790", "nas", "nas:", "nas:0", "nas:99999", "http://nas:80", "me@nas:80", "nas:80/x"]
)
def test_what_is_no_address_to_listen_on_is_refused(environ: dict[str, str], value: str) -> None:
    with pytest.raises(RejectError, match=r"such as 127\.0\.0\.1:8790"):
        load(None, environ | {"FARM_WEB_LISTEN": value})


def test_an_address_may_be_of_ipv6(environ: dict[str, str]) -> None:
    assert load(None, environ | {"FARM_WEB_LISTEN": "[::1]:8790"}).web_listen == "[::1]:8790"
