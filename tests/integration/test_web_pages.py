"""What the pages show of a home, and that nothing else of the disk can be had through them."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from farmyard import wait_until
from jobfolders import job_of, line, many_jobs, put_chunk, put_done, put_job
from nasfarm import listing
from nasfarm.api import Farm
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.jobs import Summary
from nasfarm.core.nodes import NodeReport, Slot
from nasfarm.errors import StorageError, UnknownNameError
from nasfarm.home import Home
from nasfarm.jobs.results import parsed
from nasfarm.nodes.holds import hold, introduce
from ownbroker import OwnBroker, own_broker
from webserver import HTML, Served, made_farm, press, served

HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with own_broker(tmp_path_factory.mktemp("broker")) as own:
        yield own


@pytest.fixture
def farm(tmp_path: Path, own: OwnBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    yield made_farm(tmp_path, monkeypatch, own.url)
    for key in list(own.client.scan_iter()):
        own.client.delete(key)


@pytest.fixture
def server(farm: Farm) -> Iterator[Served]:
    with served(Farm, pause_s=0.05) as it:
        yield it


def get(server: Served, path: str = "/") -> httpx.Response:
    return httpx.get(server.url + path, headers=HTML, timeout=20, trust_env=False)


def report(node: str, **other: object) -> NodeReport:
    slots = (Slot(0, (0,), 11, "ready"), Slot(1, (1,), 12, "ready"))
    plain = NodeReport(node, "boot", "0.1.0", 7, (HOME_ROOT, "photos"), (), slots)
    return replace(plain, **other)  # type: ignore[arg-type]


def put_failed(home: Home, job_id: str, item: str = "", message: str = "it is broken") -> None:
    """A finished job of two items, the second failed."""
    put_job(home.jobs, job_of(job_id))
    bad = line(1, "decode", item)
    bad["error"]["message"] = message
    put_chunk(home.jobs, job_id, 0, [line(0), bad])
    home.jobs.finish(Summary(job_id, 0, 2, 1, 1, ()), home.jobs.pace(job_id))


def put_picture(
    home: Home, job_id: str, name: str | bytes, content: bytes = b"\xff\xd8jpeg"
) -> None:
    folder = home.jobs.path(job_id) / "pictures"
    folder.mkdir(exist_ok=True)
    path = os.path.join(os.fsencode(folder), os.fsencode(name))
    with open(path, "wb") as file:
        file.write(content)


def test_a_fresh_farm_says_what_to_do_first(server: Served) -> None:
    page = get(server)
    assert page.status_code == 200
    assert "farm submit FOLDER --recipe detect" in page.text and "farm up" in page.text


def test_jobs_and_nodes_are_shown_with_what_holds_them_back(server: Served, farm: Farm) -> None:
    put_done(farm.home.jobs, "detect-0", errors=1)
    put_job(farm.home.jobs, job_of("detect-1"))
    farm.broker.leases.register("detect-1", 1)
    farm.broker.presence.report(report("nas", away=("videos",), placement="2 cores"))
    introduce(farm.settings.home, "attic")
    hold(farm.settings.home, "attic", "pause", time.time())
    text = get(server).text
    for said in ("detect-0", "1 failed", "detect-1", "0 of 2 pictures", "2 slots on cores 0, 1",
                 "away: videos", "attic", "paused by hand", "/nodes/attic/resume",
                 "/nodes/nas/pause", "/nodes/nas/drain"):  # fmt: skip
        assert said in text, said
    assert text.index("detect-1") < text.index("detect-0")  # what is at work comes first


def test_a_node_that_went_without_a_word_is_shown(
    server: Served, farm: Farm, own: OwnBroker
) -> None:
    farm.broker.presence.report(report("attic"))
    own.client.delete("farm:node:attic")
    assert "went without a word" in get(server).text


def test_a_jobs_page_shows_its_failures_and_what_was_asked_for(server: Served, farm: Farm) -> None:
    put_failed(farm.home, "detect-1", "photos:a.jpg", "photos:a.jpg: is damaged")
    (farm.home.jobs.path("detect-1") / "chunks" / "0.failures.json").write_text(
        json.dumps([{"i": 1, "attempts": 3, "node": "attic", "excerpt": "it said <help>"}])
    )
    text = get(server, "/jobs/detect-1").text
    for said in ("photos:a.jpg", "is damaged", "decode", "3 tries", "attic", "it said &lt;help&gt;",
                 "/jobs/detect-1/retry/1", "/jobs/detect-1/results.csv",
                 "nanodet-g@1/int8"):  # fmt: skip
        assert said in text, said
    assert "report.html" not in text


@pytest.mark.parametrize("item", [HOSTILE, "<script>alert(1)</script>", "photos:caf%E9.jpg"])
def test_a_hostile_name_is_inert_on_every_page(server: Served, farm: Farm, item: str) -> None:
    put_failed(farm.home, "detect-1", f"photos:{item}", HOSTILE)
    put_picture(farm.home, "detect-1", f"000001-{item.replace('/', '')}.jpg")
    put_picture(farm.home, "detect-1", b"000002-\xff\xfe.jpg")
    for path in ("/", "/jobs/detect-1", "/jobs"):
        text = get(server, path).text
        assert "<img src=x" not in text and "<script>alert" not in text
    assert get(server, "/jobs/detect-1").text.count("<img ") == 2


def test_drawn_pictures_are_served_by_their_exact_names(server: Served, farm: Farm) -> None:
    put_done(farm.home.jobs, "detect-1")
    names = [b"000001-cat.jpg", "000002-照片 'x'.jpg".encode(), b"000003-\xff\xfe.jpg"]
    for n, name in enumerate(names):
        put_picture(farm.home, "detect-1", name, b"\xff\xd8" + bytes([n]))
    page = get(server, "/jobs/detect-1").text
    links = sorted({word for word in page.split('"') if "/pictures/" in word})
    assert len(links) == 3
    for n, link in enumerate(links):
        answer = get(server, link)
        assert (answer.status_code, answer.content) == (200, b"\xff\xd8" + bytes([n]))
        assert answer.headers["Content-Type"] == "image/jpeg"
    assert links[0] in get(server).text  # among the last pictures


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/detect-1/pictures/..%2Fjob.json", "/jobs/detect-1/pictures/%2e%2e%2fjob.json",
        "/jobs/detect-1/pictures/..%2f..%2f..%2ffarm.yml", "/jobs/detect-1/pictures/link.jpg",
        "/jobs/detect-1/pictures/folder.jpg", "/jobs/detect-1/pictures/pipe.jpg",
        "/jobs/detect-1/pictures/job.json", "/jobs/detect-1/pictures/%00.jpg",
        "/jobs/detect-1/pictures/nothing.jpg", "/jobs/..%2F..%2Fetc/report.html",
        "/jobs/linked/report.html", "/jobs/linked/pictures/secret.jpg", "/jobs/.%2e/results.csv",
        "/jobs/detect-1%2F..%2Fdetect-1", "/jobs/%2e%2e", "/static/..%2fserver.py",
        "/static/../server.py", "/static/%2e%2e/%2e%2e/cli/root.py", "/jobs/detect-1/pictures/",
        "/jobs/linked/tables/secret.csv", "/jobs/detect-1/tables/..%2fjob.json",
        "/jobs/detect-1/tables/nothing.csv",
        "/jobs/detect-1/job.json", "/jobs/nothing", "/jobs?page=0", "/jobs?page=-1", "/jobs?page=x",
        "/jobs?page=99999999", "/jobs/detect-1/results.yolo", "/jobs/detect-1/report.html",
    ],
)  # fmt: skip
def test_no_address_leads_out_of_the_jobs_folder(
    server: Served, farm: Farm, tmp_path: Path, path: str
) -> None:
    put_done(farm.home.jobs, "detect-1")
    put_picture(farm.home, "detect-1", "real.jpg")
    pictures = farm.home.jobs.path("detect-1") / "pictures"
    outside = tmp_path / "outside"
    for below in ("pictures", "tables"):
        (outside / below).mkdir(parents=True)
    for name in ("secret.jpg", "report.html", "pictures/secret.jpg", "tables/secret.csv"):
        (outside / name).write_bytes(b"secret")
    (pictures / "link.jpg").symlink_to(outside / "secret.jpg")
    (pictures / "folder.jpg").mkdir()
    os.mkfifo(pictures / "pipe.jpg")
    (farm.home.jobs.folder / "linked").symlink_to(outside)
    with httpx.Client(base_url=server.url, timeout=10, trust_env=False) as client:
        answer = client.get(httpx.URL(server.url, raw_path=path.encode()), headers=HTML)
    assert answer.status_code in (400, 403, 404), answer.text
    assert "secret" not in answer.text and "def " not in answer.text


def test_a_report_may_look_as_it_likes_and_runs_nothing(server: Served, farm: Farm) -> None:
    put_done(farm.home.jobs, "detect-1")
    (farm.home.jobs.path("detect-1") / "report.html").write_text("<h1>Found</h1>")
    assert "/jobs/detect-1/report.html" in get(server, "/jobs/detect-1").text
    answer = get(server, "/jobs/detect-1/report.html")
    assert answer.text == "<h1>Found</h1>"
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-same-origin allow-downloads;" in policy and "script" not in policy


def test_the_tables_that_a_report_leads_to_are_served(server: Served, farm: Farm) -> None:
    put_done(farm.home.jobs, "detect-1")
    folder = farm.home.jobs.path("detect-1") / "tables"
    folder.mkdir()
    (folder / "zones.csv").write_text("zone,pictures\ndoor,7\n")
    answer = get(server, "/jobs/detect-1/tables/zones.csv")
    assert answer.text == "zone,pictures\ndoor,7\n"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == 'attachment; filename="detect-1-zones.csv"'


def test_results_come_as_a_table_and_as_lines(server: Served, farm: Farm) -> None:
    put_failed(farm.home, "detect-1", f"photos:{HOSTILE}.jpg")
    table = get(server, "/jobs/detect-1/results.csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="detect-1.csv"'
    assert table.content.startswith(b"\xef\xbb\xbfi,item,status")
    lines = get(server, "/jobs/detect-1/results.jsonl")
    assert [json.loads(each)["i"] for each in lines.text.splitlines()] == [0, 1]
    assert "attachment" in lines.headers["Content-Disposition"]


def test_a_reader_that_leaves_in_the_middle_of_a_table_leaves_no_thread_at_work(
    server: Served, farm: Farm
) -> None:
    put_job(farm.home.jobs, job_of("detect-1", items=200_000))
    put_chunk(farm.home.jobs, "detect-1", 0, [line(n) for n in range(200_000)])
    for _ in range(6):  # more than there are threads for it
        with httpx.stream("GET", f"{server.url}/jobs/detect-1/results.jsonl", timeout=20,
                          trust_env=False) as answer:  # fmt: skip
            next(answer.iter_bytes())
    whole = get(server, "/jobs/detect-1/results.jsonl")
    assert whole.text.count("\n") == 200_000


def test_a_table_that_cannot_be_read_to_its_end_does_not_look_whole(
    server: Served, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(text: bytes) -> dict[str, Any]:
        found = parsed(text)
        if found["i"] == 9_000:
            raise StorageError("disk: Input/output error.")
        return found

    put_job(farm.home.jobs, job_of("detect-1", items=10_000))
    put_chunk(farm.home.jobs, "detect-1", 0, [line(n) for n in range(10_000)])
    monkeypatch.setattr("nasfarm.web.files.parsed", read)
    for form in ("csv", "jsonl"):
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            get(server, f"/jobs/detect-1/results.{form}")


def test_a_reader_that_rests_too_long_is_not_told_that_this_was_all(
    server: Served, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasfarm.web.files.SLOW_READER_S", 0.3)
    put_job(farm.home.jobs, job_of("detect-1", items=200_000))
    put_chunk(farm.home.jobs, "detect-1", 0, [line(n) for n in range(200_000)])
    with httpx.stream("GET", f"{server.url}/jobs/detect-1/results.jsonl", timeout=20,
                      trust_env=False) as answer:  # fmt: skip
        pieces = answer.iter_bytes()
        next(pieces)
        time.sleep(2)
        with pytest.raises(httpx.HTTPError):
            for _ in pieces:
                pass


def test_older_jobs_are_listed_page_by_page(server: Served, farm: Farm) -> None:
    ids = many_jobs(farm.home.jobs.folder, 260)[::-1]
    first = get(server).text
    assert ids[49] in first and ids[50] not in first and "210 older jobs" in first
    second, third = get(server, "/jobs").text, get(server, "/jobs?page=2").text
    assert ids[0] in second and ids[199] in second and ids[200] not in second
    assert ids[200] in third and ids[259] in third and ids[199] not in third


def test_a_thousand_jobs_and_twenty_nodes_come_quickly_and_small(
    server: Served, farm: Farm
) -> None:
    many_jobs(farm.home.jobs.folder, 1000)
    for n in range(8):
        job_id = f"detect-live-{n}"
        put_job(farm.home.jobs, job_of(job_id, items=400))
        farm.broker.leases.register(job_id, 1)
    for n in range(20):
        farm.broker.presence.report(report(f"node-{n:02}", placement="4 slots on 4 cores."))
    listing.jobs(farm.home, farm.broker)  # as an agent has looked at them once
    took_s, work_s = [], []
    for _ in range(5):
        time.sleep(0.3)  # the page that was just shown is shown again within its pause
        begun, worked = time.monotonic(), time.process_time()
        page = get(server)
        took_s.append(time.monotonic() - begun)
        work_s.append(time.process_time() - worked)
    assert page.text.count('class="job"') == 50 and page.text.count('class="node"') == 20
    assert len(page.content) < 300_000
    print(
        f"{min(took_s) * 1000:.0f} ms, work {min(work_s) * 1000:.0f} ms, {len(page.content)} bytes"
    )
    # Of this process, so that a busy machine does not count; alone the two are nearly the same.
    assert min(work_s) < 0.2, work_s


# -- when something is away --------------------------------------------------------------------


def test_without_the_broker_the_page_says_so_and_shows_the_rest(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_done(farm.home.jobs, "detect-0")
    monkeypatch.setenv("FARM_BROKER_URL", "redis://127.0.0.1:1/0")
    with served(Farm) as server:
        page = get(server)
        assert page.status_code == 200
        assert "The broker does not answer" in page.text and "farm up" in page.text
        assert "detect-0" in page.text
        ready = get(server, "/health/ready")
        assert (ready.status_code, ready.json()["missing"]) == (503, {"broker": "does not answer"})
        assert get(server, "/health/live").status_code == 200


def test_without_the_home_the_page_says_so_and_comes_back_by_itself(
    server: Served, farm: Farm
) -> None:
    put_done(farm.home.jobs, "detect-0")
    assert get(server, "/health/ready").json() == {"ready": True, "missing": {}}
    home = farm.settings.home
    away = home.with_name("unplugged")
    home.rename(away)
    home.mkdir()  # what is left of a share is its empty mount point
    time.sleep(0.1)
    page = get(server)
    assert page.status_code == 200 and "folder is away" in page.text and "init" in page.text
    assert get(server, "/jobs/detect-0").status_code == 200
    assert get(server, "/jobs").status_code == 200
    assert get(server, "/health/ready").json()["missing"] == {"home": "is away"}
    with server.browser() as client:
        answer = press(client, "/nodes/nas/pause")
        assert answer.status_code == 503 and "away" in answer.text
    home.rmdir()
    away.rename(home)
    wait_until(lambda: "detect-0" in get(server).text, 5)


def test_a_server_that_starts_before_the_home_is_there_finds_it_later(
    farm: Farm, own: OwnBroker
) -> None:
    put_done(farm.home.jobs, "detect-0")
    home, away = farm.settings.home, farm.settings.home.with_name("unplugged")
    home.rename(away)
    with served(Farm, pause_s=0.05) as server:
        assert "folder is away" in get(server).text
        away.rename(home)
        wait_until(lambda: "detect-0" in get(server).text, 5)


def test_slots_that_are_not_ready_make_this_node_not_ready(server: Served, farm: Farm) -> None:
    slots = (Slot(0, (0,), 11, "ready"), Slot(1, (1,), 0, "restarting"))
    farm.broker.presence.report(report("nas", slots=slots))
    farm.broker.presence.report(report("other", slots=slots[1:]))
    ready = get(server, "/health/ready")
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "missing": {"slots": "slot 1 is restarting"}}


def test_a_damaged_job_is_shown_as_such(server: Served, farm: Farm) -> None:
    put_done(farm.home.jobs, "detect-0")
    (farm.home.jobs.path("detect-0") / "job.json").write_text("{")
    (farm.home.jobs.path("detect-0") / "summary.json").unlink()
    assert "job.json" in get(server).text
    page = get(server, "/jobs/detect-0")
    assert page.status_code == 200 and "cannot be read" in page.text


def test_a_broker_that_is_silent_is_called_so_and_nothing_else_waits_for_it(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_done(farm.home.jobs, "detect-0")
    put_picture(farm.home, "detect-0", "000001-a.jpg")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it lets in, and answers nobody
        port = silent.getsockname()[1]
        monkeypatch.setenv("FARM_BROKER_URL", f"redis://127.0.0.1:{port}/0")
        with served(Farm) as server:
            begun_s = time.monotonic()
            assert get(server, "/jobs/detect-0/pictures/000001-a.jpg").status_code == 200
            assert get(server, "/jobs/detect-0/results.csv").status_code == 200
            assert time.monotonic() - begun_s < 1.5
            page = get(server)
            assert "The broker does not answer" in page.text and "detect-0" in page.text
            ready = get(server, "/health/ready")
            assert ready.json()["missing"] == {"broker": "does not answer"}
            assert "farm_broker_up 0.0" in get(server, "/metrics").text


def test_a_look_that_hangs_is_said_and_holds_up_nothing_else(
    server: Served, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasfarm.web.shared.PATIENCE_S", 0.2)
    monkeypatch.setattr("nasfarm.web.hub.PATIENCE_S", 0.2)
    release = farm.settings.home / "nodes"
    introduce(farm.settings.home, "nas")
    os.mkfifo(release / "slow.json")  # whoever opens it waits for a writer
    try:
        page = get(server)
        assert page.status_code == 200 and "has not answered for 0.2 s" in page.text
        assert get(server, "/health/live").status_code == 200
        assert get(server, "/static/page.css").status_code == 200
    finally:
        os.close(os.open(release / "slow.json", os.O_RDWR))
        (release / "slow.json").unlink()


def test_connections_that_say_nothing_leave_the_server_alive(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasfarm.web.server.MOST_CONNECTIONS", 5)
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(address, 5)) for _ in range(6)]
        assert held[-1].recv(1) == b""  # one too many
        with pytest.raises(httpx.TransportError):
            get(server, "/health/live")
    wait_until(lambda: lives(server), what="room for others")


def lives(server: Served) -> bool:
    try:
        return get(server, "/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_one_picture_can_be_tried_again_and_then_the_rest(server: Served, farm: Farm) -> None:
    put_job(farm.home.jobs, job_of("detect-1", items=4))
    put_chunk(farm.home.jobs, "detect-1", 0, [line(0), *(line(n, "decode") for n in (1, 2, 3))])
    farm.home.jobs.finish(Summary("detect-1", 0, 4, 1, 3, ()), farm.home.jobs.pace("detect-1"))
    with server.browser() as client:
        asked = {"Accept": "application/json"}
        page = client.get("/jobs/detect-1")
        assert "Try all 3 again" in page.text
        from webserver import token

        sent = {"_xsrf": token(page)}
        said = client.post("/jobs/detect-1/retry/2", data=sent, headers=asked)
        assert said.json() == {"said": "1 picture handed in again."}
        plan = farm.home.jobs.plan(farm.home.jobs.load("detect-1"))
        assert plan[-1].picked == (2,)
        text = client.get("/jobs/detect-1").text
        assert "It is being tried again." in text
        assert "when the job is done" in text  # until then, the others wait
        refused = client.post("/jobs/detect-1/retry", data=sent, headers=asked)
        assert refused.status_code == 409 and "farm wait detect-1" in refused.json()["said"]
        unknown = client.post("/jobs/detect-2/retry", data=sent, headers=asked)
        assert unknown.status_code == 404 and "detect-1" in unknown.json()["said"]
    with pytest.raises(UnknownNameError):
        farm.home.jobs.load("detect-2")
