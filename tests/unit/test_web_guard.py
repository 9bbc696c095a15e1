"""Who may ask the node's server: names, origins, passwords, and the pause after wrong ones."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from nasfarm.errors import RejectError, UnknownNameError
from nasfarm.web import guard
from nasfarm.web.attempts import FREE, LONGEST_S, MOST, Attempts
from nasfarm.web.users import Users, signing_key


@pytest.mark.parametrize(
    ("header", "mine"),
    [
        ("127.0.0.1:8790", True), ("localhost:8790", True), ("[::1]:8790", True),
        ("127.1.2.3", True), ("farm.localhost", True),
        ("rebound.example:8790", False), ("192.168.1.10:8790", False), ("", False),
        ("127.0.0.1.example", False), ("localhost@rebound.example", False), ("[::1", False),
        ("127.0.0.1:8790/@x", False), ("localhost:nine", False),
    ],
)  # fmt: skip
def test_a_loopback_name_is_this_machines_own_and_nothing_that_looks_like_it(
    header: str, mine: bool
) -> None:
    assert guard.is_loopback(guard.host_of(header)) is mine


@pytest.mark.parametrize(
    ("listen", "parts"),
    [("127.0.0.1:8790", ("127.0.0.1", 8790)), ("[::1]:80", ("::1", 80)),
     ("0.0.0.0:1", ("0.0.0.0", 1))],
)  # fmt: skip
def test_an_address_to_listen_on_has_a_host_and_a_port(listen: str, parts: tuple[str, int]) -> None:
    assert guard.split_listen(listen) == parts


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        (None, False), ("http://nas:8790", False), ("https://NAS:8790", False),
        ("http://nas:5000", True), ("http://evil.example", True), ("null", True), ("", True),
        ("http://[", True),
    ],
)  # fmt: skip
def test_a_form_of_another_site_or_port_is_foreign(origin: str | None, foreign: bool) -> None:
    assert guard.is_foreign(origin, "nas:8790") is foreign


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Basic " + base64.b64encode(b"anna:a:b").decode(), ("anna", "a:b")),
        ("basic " + base64.b64encode("anna:pässe".encode()).decode(), ("anna", "pässe")),
        ("Basic " + base64.b64encode(b"anna").decode(), None),
        ("Basic " + base64.b64encode(b"anna:\xff").decode(), None),
        ("Basic !!!", None), ("Bearer abc", None), ("", None),
    ],
)  # fmt: skip
def test_name_and_password_of_a_header(header: str, said: tuple[str, str] | None) -> None:
    assert guard.basic(header) == said


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/jobs/a?x=1", "/jobs/a?x=1"), ("//evil.example", "/"), ("/\\evil.example", "/"),
        ("https://evil.example", "/"), ("", "/"), ("/a\r\nSet-Cookie: x", "/"),
    ],
)  # fmt: skip
def test_a_login_leads_to_a_page_of_ours_only(asked: str, goes: str) -> None:
    assert guard.local_path(asked) == goes


def test_after_a_few_wrong_passwords_the_next_try_has_to_wait_longer_and_longer() -> None:
    attempts = Attempts()
    waits = []
    for n in range(20):
        waits.append(attempts.wait_s("1.2.3.4", n))
        attempts.failed("1.2.3.4", n)
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE] == 1 - 1 and attempts.wait_s("1.2.3.4", 19) == LONGEST_S
    assert attempts.wait_s("5.6.7.8", 19) == 0
    attempts.passed("1.2.3.4")
    assert attempts.wait_s("1.2.3.4", 19) == 0


def test_what_is_remembered_of_wrong_passwords_is_bounded_and_fades() -> None:
    attempts = Attempts()
    for n in range(3 * MOST):
        attempts.failed(f"address {n}", 0)
    assert len(attempts.wrong) == MOST
    for _ in range(FREE):
        attempts.failed("1.2.3.4", 0)
    attempts.failed("1.2.3.4", 100_000)
    assert attempts.wait_s("1.2.3.4", 100_000) == 0


# -- users -------------------------------------------------------------------------------------


def test_a_user_is_known_by_the_right_password_only(tmp_path: Path) -> None:
    users = Users(tmp_path)
    assert users.put("anna", "correct horse", "operate")
    found = users.check("anna", "correct horse")
    assert found is not None and found.role == "operate"
    for name, password in [("anna", "correct hors"), ("anna", ""), ("bert", "correct horse")]:
        assert users.check(name, password) is None


def test_the_file_holds_no_password_and_is_the_farms_alone(tmp_path: Path) -> None:
    users = Users(tmp_path / "state")
    users.put("anna", "correct horse", "read")
    users.put("bert", "correct horse", "read")
    text = users.path.read_text()
    assert "horse" not in text
    assert users.all()["anna"].hash != users.all()["bert"].hash  # each has a salt of its own
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(users.folder.stat().st_mode) == 0o700


def test_another_password_or_role_is_another_mark(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.put("anna", "correct horse", "operate")
    before = users.all()["anna"].mark
    assert not users.put("anna", "correct horse", "operate")
    again = users.all()["anna"].mark
    assert before != again  # the salt is new
    users.remove("anna")
    assert users.all() == {}
    with pytest.raises(UnknownNameError, match="farm users list"):
        users.remove("anna")


@pytest.mark.parametrize(
    ("name", "password"), [("", "long enough"), ("a:b", "long enough"), ("-a", "long enough"),
                           ("a" * 64, "long enough"), ("anna", "short")]
)  # fmt: skip
def test_names_and_passwords_that_are_none_are_refused(
    tmp_path: Path, name: str, password: str
) -> None:
    with pytest.raises(RejectError, match="wanted"):
        Users(tmp_path).put(name, password, "read")
    assert not (tmp_path / "secrets" / "users.json").exists()


def test_a_damaged_file_lets_nobody_in(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.put("anna", "correct horse", "read")
    users.path.write_text('{"format": 1, "users": {"anna": {}}}')
    with pytest.raises(RejectError, match=r"users\.json"):
        users.check("anna", "correct horse")


def test_the_signing_key_is_made_once_and_is_the_farms_alone(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    assert len(key) == 64 and signing_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secrets" / "web.key").stat().st_mode) == 0o600
