"""A farm as this machine sees it to checks: what, where, how good, and the command that mends it.

The `judge_…` functions decide and are pure; the others look. Nothing that is found is changed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from nasfarm import keep, upgrade
from nasfarm.api import Farm
from nasfarm.broker.connection import shown
from nasfarm.config import Settings
from nasfarm.core.checks import Check, Level, broken, ok, warning
from nasfarm.core.items import HOME_ROOT
from nasfarm.core.models import ModelRef, PinnedModel
from nasfarm.core.nodes import NodeReport
from nasfarm.drop_checks import look_at_drops
from nasfarm.errors import BrokerError, FarmError, RejectError, StorageError
from nasfarm.nodes.cores import place_here
from nasfarm.nodes.memory import by_cgroup, fair_share
from nasfarm.nodes.roots import known_roots, present
from nasfarm.recipe_specs import specs
from nasfarm.registry.publish import sha256_of
from nasfarm.registry.store import ModelStore
from nasfarm.storage.mounts import SHARES, Mount, is_network, mount_of, probe

SKEW_S = 5.0
"""Nothing but the times in logs goes by a node's clock; so far apart they mislead their reader."""

LITTLE_BYTES, TOO_LITTLE_BYTES = 1 << 30, 100 << 20
UP = "farm up --detach"


def examine(farm: Farm) -> list[Check]:
    """Every check, in the order in which they are best mended."""
    try:
        settings = farm.settings
    except RejectError as error:
        return [broken("settings", "-", str(error), "Mend the file or variable it names.")]
    looks: list[Iterable[Check]] = [
        look_at_home(settings),
        look_at_state(settings),
        look_at_machine(settings),
    ]
    if settings.farm_file.exists():
        form = [*look_at_format(settings.home)]
        looks += [form, look_at_roots(settings), look_at_recipes(settings)]
        looks += [look_at_models(settings), look_at_broker(farm)]
        if form[0].level is not Level.BROKEN:
            looks += [look_at_drops(settings, farm.home, lambda: farm.broker)]
    return [check for look in looks for check in look]


# -- the home and the state folder ------------------------------------------------------------


def look_at_home(settings: Settings) -> Iterator[Check]:
    """Is it there, on what disk, can it be written, and how are results published."""
    home = settings.home
    if not settings.farm_file.exists():
        mend = f"Mount its disk or share; if there never was one: farm --home {home} init"
        yield broken("home", home, "there is no farm here", mend)
        return
    yield judge_mount("home", home, mount_of(home))
    try:
        able = probe(settings.jobs_folder)
    except StorageError as error:
        mend = f"Make room, or let this user write below {home}; the farm goes on by itself."
        yield broken("home", home, f"cannot be written: {error}", mend)
        return
    how = "by hard link" if able.links else "by rename: this disk or share refuses hard links"
    yield ok("publishing", settings.jobs_folder, how)
    if not able.fsync:
        mend = f"Move the home to another disk or share, then: farm --home FOLDER init; {UP}"
        yield broken("home", home, "cannot force writes to the disk (fsync)", mend)
    yield judge_room("home", home, shutil.disk_usage(home).free)


def look_at_format(home: Path) -> Iterator[Check]:
    """Is the home of this release's format."""
    try:
        found = upgrade.refuse_newer(home)
    except FarmError as error:
        mend = "Do what it says; until then no part of the farm starts here."
        yield broken("home format", home, str(error), mend)
        return
    if found < upgrade.NEWEST:
        mend = f"The next start of the farm brings it to format {upgrade.NEWEST}: farm down; {UP}"
        yield warning("home format", home, f"{found}, of an older release", mend)
    else:
        yield ok("home format", home, str(found))


def look_at_state(settings: Settings) -> Iterator[Check]:
    """Is it on a local disk that can do what the farm needs, with room."""
    folder = settings.state_dir
    if not folder.is_dir():
        yield broken("state folder", folder, "it is not there", "farm init")
        return
    mount = mount_of(folder)
    mend = "Set FARM_STATE_DIR to a folder on a disk of this machine, then: farm init"
    if mount.kind in SHARES:
        yield broken("state folder", folder, f"lies on a network share ({mount.kind})", mend)
        return
    try:
        lacking = probe(folder).lacking
    except StorageError as error:
        yield broken("state folder", folder, f"cannot be written: {error}", mend)
        return
    if lacking:
        yield broken("state folder", folder, f"its disk has no {', no '.join(lacking)}", mend)
        return
    if mount.kind in ("tmpfs", "ramfs"):
        yield warning("state folder", folder, "lies in memory: gone after a restart", mend)
    else:
        yield ok("state folder", folder, f"on a local disk ({mount.kind or 'unknown type'})")
    yield judge_room("state folder", folder, shutil.disk_usage(folder).free)


def judge_mount(what: str, folder: Path, mount: Mount) -> Check:
    """Type and flags of the disk or share that results are written to."""
    kind = mount.kind or "unknown type"
    if "ro" in mount.flags:
        mend = f"mount -o remount,rw {folder}"
        return broken(what, folder, f"is mounted read-only ({kind})", mend)
    if mount.kind.startswith("nfs") and "soft" in mount.flags:
        mend = "Mount it with the option 'hard'."
        return warning(what, folder, "NFS mounted 'soft': a slow server loses writes", mend)
    if mount.kind in ("tmpfs", "ramfs"):
        mend = "Move it to a disk: results are in memory."
        return warning(what, folder, f"lies in memory ({kind}): gone after a restart", mend)
    if is_network(mount.kind):
        return ok(what, folder, f"on a network share ({kind})")
    return ok(what, folder, f"on {kind}")


def judge_room(what: str, folder: Path, free_bytes: int) -> Check:
    """Free space."""
    found = f"{free_bytes / 2**30:.1f} GB free"
    if free_bytes < TOO_LITTLE_BYTES:
        return broken(what, folder, found, "Make room on this disk.")
    if free_bytes < LITTLE_BYTES:
        return warning(what, folder, found, "Make room on this disk soon.")
    return ok(what, folder, found)


# -- the machine ------------------------------------------------------------------------------


def look_at_machine(settings: Settings) -> Iterator[Check]:
    """Can slots be pinned, and how is their memory capped."""
    where = os.uname().nodename
    taskset = shutil.which("taskset")
    if taskset is None:
        yield broken("taskset", where, "it is not installed", "apt-get install util-linux")
    else:
        yield ok("taskset", where, taskset)
    try:
        placed = place_here(settings.cores_wanted)
    except RejectError as error:
        yield broken("slots", where, str(error), f"Edit {settings.node_file}, then: {UP}")
        return
    slots = len(placed.slots)
    yield ok("slots", where, f"{slots} on {placed.why}")
    megabytes = settings.slot_memory_mb or fair_share(slots) >> 20
    how = "by cgroup" if by_cgroup() else "by rlimit: this user may make no cgroups"
    yield ok("memory cap", where, f"{megabytes} MB for each of {slots} slots, {how}")


# -- roots and models -------------------------------------------------------------------------


def look_at_roots(settings: Settings) -> Iterator[Check]:
    """Which roots of this machine are here."""
    try:
        known = known_roots(settings.state_dir, settings.roots)
    except FarmError as error:
        yield broken("root", settings.state_dir, str(error), "farm roots add NAME PATH")
        return
    for root in known:
        if present(root):
            yield ok(f"root {root.name}", root.path, f"here ({mount_of(root.path).kind})")
        else:
            add = f"farm roots add {root.name} {root.path}"
            again = "farm init" if root.name == HOME_ROOT else add
            mend = f"Mount its disk or share; if it is there and new: {again}"
            yield warning(f"root {root.name}", root.path, "away; its pictures wait", mend)


def look_at_recipes(settings: Settings) -> Iterator[Check]:
    """Which recipes of the home cannot be read."""
    for name in specs.names(settings.recipes_folder):
        try:
            specs.load(settings.recipes_folder, name)
        except FarmError as error:
            first = str(error).splitlines()[0]
            yield warning("recipe", name, first, f"farm recipes check {name}")


def look_at_models(settings: Settings) -> Iterator[Check]:
    """Does the home have every recipe's models, with the content their manifests name."""
    store = ModelStore(settings.models_folder)
    for name in recipe_models(settings):
        ref = ModelRef.parse(name) or ModelRef(name)
        try:
            yield judge_model(store, store.pin(ref))
        except FarmError as error:
            yield broken("model", name, str(error), f"farm models pull {ref.name}")


def recipe_models(settings: Settings) -> list[str]:
    """The models that recipes name, built-in and own ones; one that cannot be read names none."""
    found: set[str] = set()
    for name in specs.names(settings.recipes_folder):
        try:
            found |= {stage.model for stage in specs.load(settings.recipes_folder, name).stages}
        except FarmError:
            continue
    return sorted(found)


def judge_model(store: ModelStore, pinned: PinnedModel) -> Check:
    """The variant that jobs get by default. Raises StorageError."""
    folder = store.version_folder(pinned.name, pinned.version)
    variant = store.manifest(pinned.name, pinned.version).variants[pinned.variant]
    if sha256_of(folder / variant.file) != pinned.sha256:
        mend = f"rm -r {folder} && farm models pull {pinned.name}"
        return broken("model", pinned, f"{folder / variant.file} is damaged", mend)
    return ok("model", pinned, "here and as its manifest says")


# -- broker, clocks, nodes --------------------------------------------------------------------


def look_at_broker(farm: Farm) -> Iterator[Check]:
    """Does it answer, and what do the nodes that report to it say."""
    own = farm.settings.broker_url
    where = shown(own) if own else "of this farm's own"
    if own is None and keep.running(farm.settings.state_dir) is None:
        yield warning("broker", where, "the farm is not running on this machine", UP)
        return
    try:
        before = time.time()
        theirs = farm.broker.clock_s()
        skew_s = (before + time.time()) / 2 - theirs
        alive, known = farm.broker.presence.alive(), farm.broker.presence.known()
    except BrokerError as error:
        mend = f"Start it, or mend broker.url in {farm.settings.node_file}" if own else UP
        yield broken("broker", where, str(error), mend)
        return
    yield ok("broker", where, "answers")
    yield judge_clock(os.uname().nodename, skew_s)
    yield from judge_nodes(alive, known)


def judge_clock(where: str, skew_s: float) -> Check:
    """This machine's clock against the broker's."""
    found = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the broker's"
    if abs(skew_s) > SKEW_S:
        mend = "timedatectl set-ntp true   (work is not harmed; times in logs are wrong)"
        return warning("clock", where, found, mend)
    return ok("clock", where, "agrees with the broker's")


def judge_nodes(alive: Iterable[NodeReport], known: set[str]) -> Iterator[Check]:
    """Which nodes work, which do not, and why."""
    there = {node.node for node in alive}
    if not there:
        yield warning("nodes", "-", "no node is running", UP)
    for node in alive:
        slots = [slot for slot in node.slots if slot.state != "ready"]
        late = ", ".join(f"slot {slot.number} is {slot.state}" for slot in slots)
        if node.paused:
            by_hand = node.held_by("pause", "drain")
            itself = "Mend what it says; the node goes on by itself."
            mend = f"farm resume {node.node}" if by_hand else itself
            yield warning("node", node.node, f"takes no work: {node.paused}", mend)
        elif late:
            mend = "Wait a moment; then look into its logs folder."
            yield warning("node", node.node, late, mend)
        else:
            yield ok("node", node.node, f"{len(node.slots)} slots at work")
    for name in sorted(known - there):
        mend = f"On {name}: {UP}"
        yield warning("node", name, "went without a word", mend)
