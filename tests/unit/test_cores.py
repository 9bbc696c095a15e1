"""Which cores a farm's slots get, on machines made of files as Linux writes them below /sys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasfarm.errors import RejectError
from nasfarm.nodes.cores import Wanted, place
from nasfarm.nodes.topology import Processor, Topology, read_topology

CPUS = "sys/devices/system/cpu"


def machine(root: Path, threads: str, more: Mapping[str, str] = {}, allowed: str = "") -> Topology:
    """A machine as files. threads: each core's processors, e.g. `0,4 1,5`; allowed: `0-3`."""
    numbers = sorted(int(number) for number in re.split("[ ,]", threads))
    files = {f"{CPUS}/online": f"0-{numbers[-1]}\n", **more}
    for core in threads.split():
        for number in core.split(","):
            files[f"{CPUS}/cpu{number}/topology/core_cpus_list"] = f"{core}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    mask = [int(number) for number in allowed.split(",")] if allowed else numbers
    return read_topology(root, mask)


SMT = "0,4 1,5 2,6 3,7"
HYBRID = "0,1 2,3 4 5 6 7"
ATOMS = {"sys/devices/cpu_atom/cpus": "4-7\n", "sys/devices/cpu_core/cpus": "0-3\n"}
BIG_LITTLE = {
    f"{CPUS}/cpu{n}/cpu_capacity": "414\n" if n < 4 else "1024\n" if n > 5 else "990\n"
    for n in range(8)
}
TWO_NODES = {
    "sys/devices/system/node/node0/cpulist": "0-2\n",
    "sys/devices/system/node/node1/cpulist": "3-5\n",
}
V2 = {"proc/self/cgroup": "0::/docker/x\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
V2_ABOVE = {
    "proc/self/cgroup": "0::/farm/slot\n",
    "sys/fs/cgroup/farm/cpu.max": "300000 100000\n",
    "sys/fs/cgroup/farm/slot/cpu.max": "max 100000\n",
}
V1 = {
    "proc/self/cgroup": "9:name=systemd:/x\n4:cpu,cpuacct:/docker/x\n",
    "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}


@pytest.mark.parametrize(
    ("threads", "more", "allowed", "wanted", "slots"),
    [
        pytest.param("0 1", {}, "", Wanted(), [(0,), (1,)], id="two cores"),
        pytest.param(SMT, {}, "", Wanted(), [(0,), (1,), (2,), (3,)], id="4 cores of 8 threads"),
        pytest.param(
            "0,1 2,3", {}, "", Wanted(), [(0,), (2,)], id="threads of a core are neighbours"
        ),
        pytest.param(SMT, {}, "", Wanted(5), [(0,), (1,), (2,), (3,), (4,)], id="a slot more"),
        pytest.param(SMT, {}, "", Wanted(None, 2), [(0, 1), (2, 3)], id="two cores a slot"),
        pytest.param(SMT, {}, "", Wanted(spare=1), [(0,), (1,), (2,)], id="a spare core"),
        pytest.param(SMT, {}, "", Wanted(6, spare=1), [(0,), (1,), (2,), (4,), (5,), (6,)],
                     id="both threads of a spare core are spared"),
        pytest.param(SMT, {}, "1,2,6,7", Wanted(), [(1,), (2,), (7,)], id="a cpuset"),
        pytest.param(HYBRID, ATOMS, "", Wanted(), [(0,), (2,), (4,), (5,), (6,), (7,)],
                     id="hybrid: strong cores first"),
        pytest.param(HYBRID, ATOMS, "", Wanted(2), [(0,), (2,)], id="hybrid: the strong ones"),
        pytest.param(HYBRID, ATOMS, "", Wanted(spare=2), [(0,), (2,), (4,), (5,)],
                     id="hybrid: efficient ones are spared"),
        pytest.param(HYBRID, ATOMS, "", Wanted(None, 3), [(4, 5, 6)],
                     id="hybrid: no slot of both kinds"),
        pytest.param("0 1 2 3 4 5 6 7", BIG_LITTLE, "", Wanted(3), [(4,), (5,), (6,)],
                     id="Arm, three kinds: the two strong ones are alike"),
        pytest.param("0 1 2 3 4 5", TWO_NODES, "", Wanted(None, 2), [(0, 1), (3, 4)],
                     id="two memory nodes"),
        pytest.param("0 1 2 3", V2, "", Wanted(), [(0,)], id="a quota of 1.5"),
        pytest.param("0 1 2 3", V2, "", Wanted(2), [(0,), (1,)], id="a quota, slots as set"),
        pytest.param("0 1 2 3", V2_ABOVE, "", Wanted(), [(0,), (1,), (2,)], id="one further up"),
        pytest.param("0 1 2 3", V2_ABOVE, "", Wanted(None, 2), [(0, 1)], id="one for wide slots"),
        pytest.param("0 1 2 3", V1, "", Wanted(), [(0,)], id="cgroups version 1"),
    ],
)  # fmt: skip
def test_slots_get_the_cores_that_compute_best(
    tmp_path: Path, threads: str, more: Mapping[str, str], allowed: str, wanted: Wanted,
    slots: list[tuple[int, ...]],
) -> None:  # fmt: skip
    assert list(place(machine(tmp_path, threads, more, allowed), wanted).slots) == slots


@pytest.mark.parametrize(
    ("more", "quota"),
    [
        pytest.param({}, None, id="no cgroups"),
        pytest.param(V2, 1.5, id="version 2, the host's path in a container"),
        pytest.param(V2_ABOVE, 3.0, id="version 2, of a group above"),
        pytest.param(V1, 0.5, id="version 1"),
        pytest.param({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
                     None, id="no limit"),
    ],
)  # fmt: skip
def test_the_tightest_quota_counts(
    tmp_path: Path, more: Mapping[str, str], quota: float | None
) -> None:
    assert machine(tmp_path, "0 1 2 3", more).quota == quota


def test_a_machine_that_tells_nothing_has_as_many_cores_as_may_be_used(tmp_path: Path) -> None:
    topology = read_topology(tmp_path, [2, 5])
    assert topology == Topology((Processor(2, 2), Processor(5, 5)), online=2)


@pytest.mark.parametrize(
    ("threads", "more", "allowed", "wanted", "said"),
    [
        pytest.param(SMT, {}, "", Wanted(), "4 cores, one thread of each; their second threads "
                     "stay free for the NAS.", id="threads"),
        pytest.param(HYBRID, ATOMS, "4,5", Wanted(), "2 cores. A container's or taskset's limit "
                     "hides the others of 8 processors.", id="a cpuset"),
        pytest.param(HYBRID, ATOMS, "0,2,4,5,6,7", Wanted(spare=1), "2 fast and 4 efficient cores. "
                     "A container's or taskset's limit hides the others of 8 processors. "
                     "1 core left to the NAS (spare_cores).", id="a spare core"),
        pytest.param("0 1", V2, "", Wanted(), "2 cores. The container may use 1.5 cores' worth of "
                     "time.", id="a quota"),
        pytest.param("0 1", V2, "", Wanted(2), "2 cores. The container may use 1.5 cores' worth of "
                     "time. 2 slots as set, more than the 1 that would be chosen.",
                     id="set against a quota"),
    ],
)  # fmt: skip
def test_it_says_why(
    tmp_path: Path, threads: str, more: Mapping[str, str], allowed: str, wanted: Wanted, said: str
) -> None:
    assert place(machine(tmp_path, threads, more, allowed), wanted).why == said


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        pytest.param(Wanted(9), "4 core(s) of 8 threads", id="more slots than threads"),
        pytest.param(Wanted(None, 5), "'cores_per_slot'", id="more cores a slot than cores"),
        pytest.param(Wanted(spare=4), "'spare_cores'", id="all spare"),
        pytest.param(Wanted(4, 1, 9), "9 of them spare", id="more spare than there are"),
    ],
)
def test_what_cannot_be_is_refused_with_the_setting_to_change(
    tmp_path: Path, wanted: Wanted, named: str
) -> None:
    with pytest.raises(RejectError, match=re.escape(named)):
        place(machine(tmp_path, SMT), wanted)


PROCESSORS = st.lists(
    st.builds(Processor, st.integers(0, 31), st.integers(0, 15), st.integers(0, 1), st.booleans()),
    min_size=1,
    max_size=32,
    unique_by=lambda one: one.number,
)


@given(PROCESSORS, st.none() | st.integers(1, 32), st.integers(1, 4), st.integers(0, 3))
def test_no_processor_is_in_two_slots_and_no_slot_is_of_two_kinds(
    processors: list[Processor], slots: int | None, per_slot: int, spare: int
) -> None:
    known = {one.number: one for one in processors}
    try:
        placed = place(Topology(tuple(processors), 32), Wanted(slots, per_slot, spare))
    except RejectError:
        return
    numbers = [number for group in placed.slots for number in group]
    assert len(numbers) == len(set(numbers))
    assert {len(group) for group in placed.slots} == {per_slot}
    assert all(len({(known[n].efficient, known[n].node) for n in group}) == 1
               for group in placed.slots)  # fmt: skip
    if slots is None:
        assert len({known[number].core for number in numbers}) == len(numbers)
    else:
        assert len(placed.slots) == slots
