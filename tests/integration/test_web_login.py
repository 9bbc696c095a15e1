"""Beyond the machine nobody sees anything without a login, and nobody acts without the right."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from nasfarm.api import Farm
from nasfarm.errors import RejectError
from nasfarm.nodes.holds import hold_of, introduce
from nasfarm.web.attempts import FREE
from nasfarm.web.server import ROUTES, site_of
from nasfarm.web.users import Users
from ownbroker import own_broker
from webserver import OUTSIDE, Served, log_in, made_farm, press, served, token

PASSWORDS = {"anna": "operate-password", "bert": "reading-password"}
OPEN = ("/health/live", "/health/ready")
SAMPLES = {
    r"/jobs/([^/]+)/retry/([0-9]{1,9})": "/jobs/detect-1/retry/3",
    r"/jobs/([^/]+)/results\.(csv|jsonl)": "/jobs/detect-1/results.csv",
    r"/jobs/([^/]+)/report\.html": "/jobs/detect-1/report.html",
    r"/jobs/([^/]+)/tables/([a-z][a-z0-9_-]{0,63}\.csv)": "/jobs/detect-1/tables/zones.csv",
    r"/jobs/([^/]+)/pictures/([^/]+)": "/jobs/detect-1/pictures/000001-a.jpg",
    r"/nodes/([^/]+)/(pause|drain|resume)": "/nodes/nas/pause",
    r"/jobs/([^/]+)/retry": "/jobs/detect-1/retry",
    r"/jobs/([^/]+)": "/jobs/detect-1",
}
PATHS = [SAMPLES.get(route[0], route[0]) for route in ROUTES] + [
    "/static/page.css", "/static/page.js", "/no/such/page", "/jobs/%ff", "/favicon.ico",
]  # fmt: skip


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    with own_broker(folder / "broker") as own, pytest.MonkeyPatch.context() as patch:
        farm = made_farm(folder, patch, own.url)
        introduce(farm.settings.home, "nas")
        yield farm


@pytest.fixture(scope="module")
def closed(farm: Farm) -> Iterator[Served]:
    """A server that others reach; nobody logs in."""
    Users(farm.settings.state_dir).put("anna", PASSWORDS["anna"], "operate")
    with served(Farm, OUTSIDE) as it:
        yield it


@pytest.fixture
def outside(farm: Farm) -> Iterator[Served]:
    """A server that others reach, with two users who may log in."""
    users = Users(farm.settings.state_dir)
    users.put("anna", PASSWORDS["anna"], "operate")
    users.put("bert", PASSWORDS["bert"], "read")
    with served(Farm, OUTSIDE) as it:
        yield it


METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS")
FORM = '<form method="post" action="/login">'


@pytest.mark.parametrize("path", [path for path in PATHS if path not in OPEN])
def test_without_a_login_nothing_is_answered(closed: Served, path: str) -> None:
    # The form itself is open, but cannot be sent blindly.
    form = {"GET": 401, "POST": 403, "PUT": 403, "DELETE": 403}
    with closed.browser() as client:
        for method in METHODS:
            answer = client.request(method, path)
            assert answer.status_code == (form.get(method, 405) if path == "/login" else 401), (
                method
            )
            if method == "GET" and path != "/metrics":
                assert FORM in answer.text and "Jobs" not in answer.text


@pytest.mark.parametrize("path", OPEN)
def test_whether_it_lives_and_is_ready_is_told_to_everybody(outside: Served, path: str) -> None:
    answer = httpx.get(outside.url + path, trust_env=False)
    assert answer.status_code == 200
    assert str(outside.site.settings.home) not in answer.text


@pytest.mark.parametrize("headers", [
    {"Authorization": "Basic YW5uYTp3cm9uZw=="}, {"Authorization": "Basic ???"},
    {"Cookie": "farm_login=2|1:0|10:1700000000|10:farm_login|8:YW5uYXw=|00ff"},
    {"Cookie": "farm_login=anna|operate"},
])  # fmt: skip
def test_what_only_looks_like_a_login_is_none(outside: Served, headers: dict[str, str]) -> None:
    assert httpx.get(outside.url, headers=headers, trust_env=False).status_code == 401


def test_browsers_get_the_form_and_programs_are_asked_by_http(outside: Served) -> None:
    with outside.browser() as client:
        page = client.get("/jobs/detect-1")
        assert "WWW-Authenticate" not in page.headers
        assert 'name="next" value="/jobs/detect-1"' in page.text
    program = httpx.get(f"{outside.url}/jobs/detect-1", trust_env=False)
    assert program.headers["WWW-Authenticate"].startswith("Basic ")
    assert "<form" not in program.text


def test_a_login_is_a_cookie_that_no_script_and_no_other_site_gets(
    outside: Served,
) -> None:
    with outside.browser() as client:
        answer = press(client, "/login", on="/jobs/x?y=1", name="anna",
                       password=PASSWORDS["anna"], next="/jobs")  # fmt: skip
        assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs")
        said = answer.headers["Set-Cookie"]
        assert "HttpOnly" in said and "SameSite=Strict" in said
        assert client.get("/").status_code == 200
        assert press(client, "/logout").status_code == 303
        assert client.get("/").status_code == 401
    key = outside.site.settings.state_dir / "secrets" / "web.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_wrong_password_stays_outside_and_says_so(outside: Served) -> None:
    with outside.browser() as client:
        for name, password in [("anna", "wrong"), ("nobody", "wrong"), ("", "")]:
            answer = log_in(client, name, password)
            assert answer.status_code == 401 and "is wrong" in answer.text
        assert client.get("/").status_code == 401


def test_many_wrong_passwords_have_to_wait_and_right_ones_too(outside: Served) -> None:
    with outside.browser() as client:
        for _ in range(FREE + 2):
            log_in(client, "anna", "wrong")
        answer = log_in(client, "anna", PASSWORDS["anna"])
        assert answer.status_code == 429 and "Too many wrong passwords" in answer.text
        assert FORM in answer.text
    basic = httpx.get(outside.url, auth=("anna", PASSWORDS["anna"]), trust_env=False)
    assert basic.status_code == 429 and basic.headers["Retry-After"]


def test_many_tries_at_once_are_no_way_round_the_wait(outside: Served) -> None:
    def tried(password: str) -> int:
        page = f"{outside.url}/static/page.css"
        return httpx.get(page, auth=("anna", password), trust_env=False, timeout=20).status_code

    with ThreadPoolExecutor(20) as threads:
        right = list(threads.map(tried, [PASSWORDS["anna"]] * 20))
        wrong = list(threads.map(tried, [f"wrong-{n}" for n in range(20)]))
    assert set(right) == {200}
    assert wrong.count(401) <= FREE + 2 and set(wrong) == {401, 429}


@pytest.mark.parametrize("change", ["remove", "password", "role"])
def test_a_login_is_over_when_its_user_is_another(outside: Served, change: str) -> None:
    users = outside.site.users
    with outside.browser() as client:
        assert log_in(client, "anna", PASSWORDS["anna"]).status_code == 303
        assert client.get("/").status_code == 200
        if change == "remove":
            users.remove("anna")
        elif change == "password":
            users.put("anna", "another password", "operate")
        else:
            users.put("anna", PASSWORDS["anna"], "read")
        assert client.get("/").status_code == 401


def test_programs_may_send_name_and_password_each_time(outside: Served) -> None:
    with httpx.Client(auth=("bert", PASSWORDS["bert"]), trust_env=False) as client:
        assert client.get(outside.url).status_code == 200
        outside.site.users.put("bert", "changed password", "read")
        assert client.get(outside.url).status_code == 401


def test_whoever_reads_sees_everything_and_changes_nothing(outside: Served) -> None:
    home = outside.site.settings.home
    with outside.browser() as client:
        log_in(client, "bert", PASSWORDS["bert"])
        page = client.get("/")
        assert page.status_code == 200 and "may only look" in page.text
        assert "Pause" not in page.text
        for path in ("/nodes/nas/pause", "/jobs/detect-1/retry", "/jobs/detect-1/retry/3"):
            answer = client.post(path, data={"_xsrf": token(page)})
            assert answer.status_code == 403 and "role operate" in answer.text
    assert hold_of(home, "nas") is None


def test_whoever_operates_pauses_and_resumes(outside: Served) -> None:
    home = outside.site.settings.home
    with outside.browser() as client:
        log_in(client, "anna", PASSWORDS["anna"])
        assert press(client, "/nodes/nas/pause").status_code == 303
        held = hold_of(home, "nas")
        assert held is not None and held.reason == "pause"
        page = client.get("/").text
        assert "/nodes/nas/resume" in page and "paused by hand" in page
        press(client, "/nodes/nas/drain")
        held = hold_of(home, "nas")
        assert held is not None and held.reason == "drain"
        press(client, "/nodes/nas/resume")
        assert hold_of(home, "nas") is None
        assert press(client, "/nodes/nobody/pause").status_code == 404
        assert press(client, "/nodes/..%2Fx/pause").status_code == 404
        assert not (home / "nodes" / "nobody.json").exists()


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "null"},
])  # fmt: skip
def test_another_sites_form_is_refused_even_with_login_and_token(
    outside: Served, headers: dict[str, str]
) -> None:
    with outside.browser() as client:
        log_in(client, "anna", PASSWORDS["anna"])
        mine = token(client.get("/"))
        answer = client.post("/nodes/nas/pause", data={"_xsrf": mine}, headers=headers)
        assert answer.status_code == 403
    assert hold_of(outside.site.settings.home, "nas") is None


@pytest.mark.parametrize("sent", [{}, {"_xsrf": ""}, {"_xsrf": "2|aaaa|bbbb|1700000000"}])
def test_a_form_without_the_pages_token_is_refused(outside: Served, sent: dict[str, str]) -> None:
    with outside.browser() as client:
        log_in(client, "anna", PASSWORDS["anna"])
        client.get("/")
        assert client.post("/nodes/nas/pause", data=sent).status_code == 403
        assert client.post("/logout", data=sent).status_code == 403
    assert hold_of(outside.site.settings.home, "nas") is None


def test_nobody_listens_beyond_the_machine_before_there_is_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_farm(tmp_path, monkeypatch, "redis://127.0.0.1:1/0")
    monkeypatch.setenv("FARM_WEB_LISTEN", "0.0.0.0:8790")
    with pytest.raises(RejectError, match="farm users add NAME --role operate"):
        site_of(Farm)


# -- on the machine itself ---------------------------------------------------------------------


@pytest.fixture
def inside(farm: Farm) -> Iterator[Served]:
    with served(Farm) as it:
        yield it


def test_on_the_machine_itself_nobody_logs_in(inside: Served) -> None:
    with inside.browser() as client:
        page = client.get("/")
        assert page.status_code == 200 and "Log out" not in page.text
        assert press(client, "/nodes/nas/pause").status_code == 303
        assert press(client, "/nodes/nas/resume").status_code == 303


@pytest.mark.parametrize(
    "host", ["rebound.example", "rebound.example:8790", "192.168.1.4", "", "a@b"]
)
@pytest.mark.parametrize("path", [*OPEN, "/", "/events", "/static/page.js"])
def test_another_name_that_leads_here_is_not_answered(inside: Served, host: str, path: str) -> None:
    answer = httpx.get(inside.url + path, headers={"Host": host}, trust_env=False)
    assert answer.status_code in (400, 403)
    assert "nas" not in answer.text.replace("nasfarm", "")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "x-forwarded-host", "Forwarded"])
def test_a_proxy_before_the_loopback_address_lets_nobody_in(inside: Served, header: str) -> None:
    with inside.browser(**{header: "192.0.2.9"}) as client:
        answer = client.get("/")
    assert answer.status_code == 403 and "web.listen" in answer.text


def test_a_form_of_another_site_is_refused_here_too(inside: Served) -> None:
    with inside.browser() as client:
        mine = token(client.get("/"))
        for headers, sent in [({"Origin": "http://evil.example"}, mine), ({}, "wrong")]:
            answer = client.post("/nodes/nas/pause", data={"_xsrf": sent}, headers=headers)
            assert answer.status_code == 403
    assert hold_of(inside.site.settings.home, "nas") is None


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_tells_browsers_to_be_careful(inside: Served, path: str) -> None:
    if path == "/events":
        return
    headers = httpx.get(inside.url + path, headers={"Accept": "text/html"}, trust_env=False).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy and "script-src 'unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
