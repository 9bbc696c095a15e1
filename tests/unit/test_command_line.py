"""Words on the command line that cannot be meant: refused, and said so in plain words."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from nasfarm.cli import main
from nasfarm.errors import UnknownNameError


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-5"])
@pytest.mark.parametrize(
    "command", [("wait", "a-job"), ("submit", "photos", "--recipe", "detect"), ("up",)]
)
def test_a_time_to_wait_is_a_number_above_0(command: tuple[str, ...], seconds: str) -> None:
    ran = CliRunner().invoke(main, [*command, "--timeout", seconds])
    assert ran.exit_code == 2
    assert f"got {seconds}, wanted seconds, more than 0" in ran.output


@pytest.mark.parametrize(
    ("said", "meant"),
    [("submti", "'submit'?"), ("inti", "'init'?"), ("frobnicate", None), ("xyz", None)],
)
def test_only_what_is_near_is_taken_for_a_slip(said: str, meant: str | None) -> None:
    told = str(UnknownNameError.of("command", said, ["init", "submit", "wait"]))
    assert (meant or "there are: init, submit, wait.") in told
    assert ("did you mean" in told) == (meant is not None)
