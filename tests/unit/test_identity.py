"""A state folder is one node, whatever it is called; a copy of it on another box is another."""

from __future__ import annotations

import shutil
from pathlib import Path

from nasfarm.nodes.identity import node_id


def test_a_state_folder_keeps_its_id_and_no_other_has_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert node_id(one) == node_id(one) != node_id(other)


def test_a_copy_on_another_box_is_another_node(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (tmp_path / "box").write_text("1\n")
    (tmp_path / "other-box").write_text("2\n")
    here.mkdir()
    before = node_id(here, tmp_path / "box")
    shutil.copytree(here, there)
    assert node_id(there, tmp_path / "box") == before
    assert node_id(there, tmp_path / "other-box") != before
    assert node_id(there, tmp_path / "has-none") != before
