"""A state folder to the id that tells its node from every other, whatever their names."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from nasfarm.storage.atomic import publish_file, storage_errors

MACHINE_ID = Path("/etc/machine-id")


def node_id(state_dir: Path, machine_id: Path = MACHINE_ID) -> str:
    """The id of a state folder on this machine: 16 hex digits. Raises StorageError.

    Made once and kept in the folder. The machine's id (where it has one) takes part, so that a
    copy of the folder on a second box is another node; alone it would not do, as containers and
    cloned boxes share it.
    """
    path = state_dir / "node.id"
    if not path.exists():
        publish_file(path, uuid.uuid4().hex.encode())
    with storage_errors(path):
        own = path.read_bytes()
        box = machine_id.read_bytes() if machine_id.is_file() else b""
    return hashlib.blake2b(own + box, digest_size=8).hexdigest()
