"""Mounts: which file system a path lies on, and what a state folder's disk must be able to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasfarm.errors import RejectError
from nasfarm.storage import mounts
from nasfarm.storage.mounts import Abilities, filesystem, is_network, probe, require_local

TABLE = rb"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /volume1 rw - btrfs /dev/md2 rw
31 30 0:50 /photos /volume1/my\040photos rw shared:7 master:2 - nfs4 nas:/photos rw
32 21 0:51 / /volume1/a\134b\011c rw - cifs //nas/b rw
33 21 0:52 / /media rw - autofs systemd-1 rw
34 33 0:53 / /media rw - fuse.sshfs box:/ rw
garbage
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/", "ext4", id="slash"),
        pytest.param("/home/x", "ext4", id="root-disk"),
        pytest.param("/volume1", "btrfs", id="mount-itself"),
        pytest.param("/volume1/docs/a", "btrfs", id="below"),
        pytest.param("/volume10", "ext4", id="longer-name"),
        pytest.param("/volume1/my photos/2026", "nfs4", id="space"),
        pytest.param("/volume1/a\\b\tc/d", "cifs", id="backslash-and-tab"),
        pytest.param("/media/x", "fuse.sshfs", id="later-mount-covers"),
        pytest.param("/volume1/my photos/../docs", "btrfs", id="dots"),
    ],
)
def test_the_deepest_mount_above_a_path_says_its_type(path: str, kind: str) -> None:
    assert filesystem(Path(path), TABLE) == kind


def test_links_are_followed_to_the_disk_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/volume1/my photos")
    assert filesystem(tmp_path / "link" / "x", TABLE) == "nfs4"


def test_this_machines_own_table_can_be_read(tmp_path: Path) -> None:
    assert filesystem(Path("/proc")) == "proc"
    assert filesystem(tmp_path)


@pytest.mark.parametrize(
    ("kind", "network"),
    [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("9p", True), ("ext4", False)],
)
def test_network_file_systems_are_known(kind: str, network: bool) -> None:
    assert is_network(kind) is network


def test_a_local_disk_passes_the_probe_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    assert probe(tmp_path) == Abilities(locks=True, fsync=True, links=True)
    assert list(tmp_path.iterdir()) == []


def test_what_a_disk_lacks_is_listed() -> None:
    assert Abilities(locks=False, fsync=True, links=False).lacking == ("file locks", "hard links")


def test_a_link_that_cannot_be_made_is_found_out(tmp_path: Path) -> None:
    # Across two disks a link fails as it does within one of FAT.
    (tmp_path / "a").write_bytes(b"")
    assert mounts._links_work(tmp_path / "a", Path("/proc/self/a")) is False


def test_a_local_state_folder_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    require_local(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3"])
def test_a_state_folder_on_a_share_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"31 30 0:50 / {tmp_path} rw - {kind} nas:/x rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", table)
    with pytest.raises(RejectError, match=f"network share .{kind}.*Set FARM_STATE_DIR"):
        require_local(tmp_path / "state")
    assert not (tmp_path / "state").exists()
