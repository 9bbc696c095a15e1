"""Embeddings in files: numpy reads them, rows find their items, and a half-done chunk is mended."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from nasfarm.core.jobs import Segment
from nasfarm.core.lines import Embedding, Fault, Line
from nasfarm.errors import LeaseLostError, RejectError
from nasfarm.jobs.store import JobStore
from nasfarm.jobs.vectors import decoded, encoded, vectors, write_npy
from nasfarm_workers.runtime.publish import publish

JOB = "embed-0123456789"


def vector(number: float) -> bytes:
    return np.array([number, 0.5, -1.0], "<f2").tobytes()


def good(i: int, number: float) -> Line:
    return Line(i, f"photos:{i}.jpg", fields={"embedding": Embedding(vector(number))})


def bad(i: int) -> Line:
    return Line(i, f"photos:{i}.jpg", fault=Fault("decode", "it ends too soon"))


def numbers_in(content: bytes) -> list[float]:
    """The first number of each row, as numpy reads it."""
    array = np.load(io.BytesIO(content))
    assert array.dtype == np.dtype("<f2")
    assert array.shape[1] == 3
    return [float(row[0]) for row in array]


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    store = JobStore(tmp_path)
    store.chunk_file(JOB, 0).parent.mkdir(parents=True)
    return store


def published(store: JobStore, number: int, *lines: Line, links: bool = True) -> bool:
    path = store.chunk_file(JOB, number)
    return publish(path, lines, links=links, fence="f1", confirm=lambda: None)


@pytest.mark.parametrize("count", [1, 9, 10, 1000])
def test_numpy_reads_what_is_written_and_it_is_read_back(count: int) -> None:
    rows = [vector(n) for n in range(count - 1)] + [b""] + [vector(7)]
    content = encoded(rows)
    np.testing.assert_array_equal(numbers_in(content), [*range(count - 1), np.nan, 7])
    assert decoded(content, "0.npy") == rows


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(encoded([vector(1)])[:-1], id="cut"),
        pytest.param(b"x" + encoded([vector(1)])[1:], id="other-file"),
    ],
)
def test_a_damaged_file_is_named(content: bytes) -> None:
    with pytest.raises(RejectError, match=r"^0\.npy: "):
        decoded(content, "0.npy")


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_a_lines_embedding_is_its_place_in_the_chunk(store: JobStore, links: bool) -> None:
    assert published(store, 0, good(4, 1), bad(5), good(6, 3), links=links)
    lines = [json.loads(line) for line in store.chunk_file(JOB, 0).read_text().splitlines()]
    assert [line.get("embedding") for line in lines] == [0, None, 2]
    content = store.vectors_file(JOB, 0).read_bytes()
    np.testing.assert_array_equal(numbers_in(content), [1, np.nan, 3])


def test_a_chunk_without_embeddings_has_no_file_for_them(store: JobStore) -> None:
    assert published(store, 0, bad(0))
    assert [path.name for path in store.chunk_file(JOB, 0).parent.iterdir()] == ["0.jsonl"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
@pytest.mark.parametrize(
    ("left", "wanted"),
    [
        pytest.param(encoded([vector(8), b""]), [8, 2], id="a-row-is-missing"),
        pytest.param(encoded([b"", vector(9)]), [1, 9], id="another-row-is-missing"),
        pytest.param(encoded([vector(8), vector(9)]), [8, 9], id="all-there"),
        pytest.param(b"", [1, 2], id="torn-by-a-power-cut"),
    ],
)
def test_what_a_dead_worker_left_is_kept_and_completed(
    store: JobStore, left: bytes, wanted: list[float], links: bool
) -> None:
    store.vectors_file(JOB, 0).write_bytes(left)
    assert published(store, 0, good(0, 1), good(1, 2), links=links)
    assert numbers_in(store.vectors_file(JOB, 0).read_bytes()) == wanted


def test_who_has_lost_the_lease_publishes_no_embeddings(store: JobStore) -> None:
    def lost() -> None:
        raise LeaseLostError("another worker has the chunk")

    with pytest.raises(LeaseLostError):
        publish(store.chunk_file(JOB, 0), [good(0, 1)], links=True, fence="f1", confirm=lost)
    assert not store.vectors_file(JOB, 0).exists()


def test_a_retried_items_embedding_is_that_of_its_newest_line(store: JobStore) -> None:
    published(store, 0, good(0, 10), bad(1))
    published(store, 1, good(2, 12))
    published(store, 2, good(1, 11))
    plan = (
        Segment(0, "photos", 0, 3, 2, 0),
        Segment(2, "photos", 0, 0, 2, 0, generation=1, picked=(1,)),
    )
    found = list(vectors(store, JOB, plan))
    assert found == [(0, vector(10)), (1, vector(11)), (2, vector(12))]


def test_the_array_of_a_job_has_a_row_for_every_item(store: JobStore) -> None:
    published(store, 0, bad(0), good(1, 1), bad(2), good(3, 3))
    out = io.BytesIO()
    plan = (Segment(0, "photos", 0, 6, 6, 0),)
    assert write_npy(vectors(store, JOB, plan), 6, out) == 2
    nan = np.nan
    np.testing.assert_array_equal(numbers_in(out.getvalue()), [nan, 1, nan, 3, nan, nan])


def test_a_job_without_embeddings_says_how_to_make_them(store: JobStore) -> None:
    with pytest.raises(RejectError, match="farm submit PATH --recipe embed"):
        write_npy(iter(()), 3, io.BytesIO())
