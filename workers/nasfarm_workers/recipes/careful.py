"""A leased chunk's items to what is run together, and the lines of those that are not run. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nasfarm.core.items import Item
from nasfarm.core.lease_rules import BLAMES, Held, condemned
from nasfarm.core.leases import Lease
from nasfarm.core.lines import Fault, Line
from nasfarm_workers.recipes.lines import failed

_WHY = {
    "crashed": f"a worker process ended {BLAMES} times while it worked on this image",
    "timeout": f"work on this image took too long {BLAMES} times and was ended",
}


def groups(items: Sequence[Item], lease: Lease, most: int) -> list[list[Item]]:
    """Items that are run together: at most `most`, or one by one where a worker is careful."""
    out = condemned(lease.held)
    wanted = [item for item in items if item.i not in out and not item.same_as]
    size = 1 if lease.careful else most
    return [wanted[start : start + size] for start in range(0, len(wanted), size)]


def unrun(items: Sequence[Item], held: Held) -> list[Line]:
    """The error lines of images that are condemned, and those of what was there before."""
    out = condemned(held)
    bad = [failed(item, Fault(out[item.i], _WHY[out[item.i]])) for item in items if item.i in out]
    return bad + [Line(item.i, item.item, same_as=item.same_as) for item in items if item.same_as]
