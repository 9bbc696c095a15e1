"""Who may ask Flower for what, and what it calls the work."""

from __future__ import annotations

import base64

import pytest

from nasfarm.broker.hints import about, task_name
from nasfarm.broker.monitor import Login, refusal
from nasfarm.core.leases import REDUCE, Hint
from nasfarm.core.listening import basic, host_of, is_loopback, split_listen
from nasfarm.errors import RejectError
from nasfarm.keep import Beside

LOGIN = Login.of("anna:secret:with:colons", "file")


def header(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


RIGHT = header("anna:secret:with:colons")


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/healthcheck", "/api/workers", "/static/js/flower.js", "/login"]
)
@pytest.mark.parametrize(
    "said",
    ["", "Basic", "Basic !!", "Bearer x", header("anna:secret"), header("anna"), header("é:ü"),
     header("")],
)  # fmt: skip
def test_without_the_login_nothing_is_answered(path: str, said: str) -> None:
    assert refusal("GET", path, "nas.lan:5555", said, LOGIN) == 401
    assert refusal("POST", path, "nas.lan:5555", said, LOGIN) == 401


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthcheck", "/api/workers", "/tasks"])
def test_with_the_login_everything_can_be_looked_at(path: str) -> None:
    assert refusal("GET", path, "nas.lan:5555", RIGHT, LOGIN) == 0


@pytest.mark.parametrize(
    "path", ["/api/worker/shutdown/slot0@nas", "/api/task/apply/farm.chunk", "/tasks", "/"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(method: str, path: str) -> None:
    assert refusal(method, path, "nas.lan", RIGHT, LOGIN) == 403
    assert refusal(method, path, "127.0.0.1:5555", "", None) == 403


def test_the_page_of_tasks_may_ask_for_its_rows() -> None:
    assert refusal("POST", "/tasks/datatable", "127.0.0.1:5555", "", None) == 0


@pytest.mark.parametrize("host", ["127.0.0.1:5555", "localhost:5555", "[::1]:5555", "localhost"])
def test_on_this_machine_no_login_is_needed(host: str) -> None:
    assert refusal("GET", "/", host, "", None) == 0


@pytest.mark.parametrize(
    "host", ["", "evil.example:5555", "nas.lan", "127.0.0.1.evil.example", "localhost@evil.example"]
)
def test_another_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert refusal("GET", "/", host, "", None) == 403


@pytest.mark.parametrize("text", ["", "anna", "anna:", ":secret", "anna:sec\nret", "änna:secret"])
def test_a_password_file_that_holds_no_login_is_refused(text: str) -> None:
    with pytest.raises(RejectError, match="the file: wanted one line of the form name:password"):
        Login.of(text, "the file")


@pytest.mark.parametrize(
    ("listen", "host", "port", "loopback"),
    [
        ("127.0.0.1:5555", "127.0.0.1", 5555, True),
        ("[::1]:5555", "::1", 5555, True),
        ("localhost:1", "localhost", 1, True),
        ("0.0.0.0:5555", "0.0.0.0", 5555, False),
        ("[::]:5555", "::", 5555, False),
        ("nas.lan:5555", "nas.lan", 5555, False),
    ],
)
def test_an_address_is_this_machines_own_or_not(
    listen: str, host: str, port: int, loopback: bool
) -> None:
    assert split_listen(listen) == (host, port)
    assert is_loopback(host) == loopback


def test_headers_are_read_and_never_raise() -> None:
    assert basic(header("a:b:c")) == ("a", "b:c")
    assert [basic(text) for text in ("", "Basic \xff", "Basic YQ==")] == [None] * 3
    assert [host_of(text) for text in ("[::1", "a b", "u@h", "nas:80")] == ["", "a b", "", "nas"]


@pytest.mark.parametrize(
    ("hint", "name", "text"),
    [
        (
            Hint("detect-a6f90fca2d", 5, "q", "detect", 32),
            "detect",
            "32 images · job detect-a6f90fca2d · chunk 5",
        ),
        (Hint("ocr-1", 0, "q", "ocr", 1), "ocr", "1 image · job ocr-1 · chunk 0"),
        (Hint("ocr-1", REDUCE, "q", "ocr", 900), "ocr · results", "900 images · job ocr-1"),
        (Hint("ocr-1", 3, "q"), None, "job ocr-1 · chunk 3"),
    ],
)
def test_flower_shows_a_task_by_its_recipe_and_what_it_is_about(
    hint: Hint, name: str | None, text: str
) -> None:
    assert task_name(hint) == name
    assert about(hint) == text


def test_what_is_left_out_of_a_farm_is_told_as_options() -> None:
    assert Beside().left_out == []
    assert Beside(flower=False).left_out == ["--no-flower"]
    assert Beside(watch=False, page=False).monitors == ["flower"]
