"""What to install is named so that it can be typed here."""

import subprocess
import sys

import pytest

from tuner.errors import InputError
from tuner.system.extras import required
from tuner.system.text import printable


@pytest.mark.process
def test_the_command_is_of_this_environment() -> None:
    """Else who works in a clone installs into another Python, or another package of that name."""
    with pytest.raises(InputError, match="no_such_module is not installed: ") as caught:
        required("no_such_module", "postgres")
    command = str(caught.value).split(": ", 1)[1]
    assert command.startswith(f"{sys.executable} -m pip install ")
    assert "[postgres]'" in command
    done = subprocess.run(
        f"{command} --dry-run --no-deps --quiet --no-build-isolation --no-index",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_steers_a_terminal_is_written_out() -> None:
    assert printable("a\x1b]0;title\x07b\r\x9bc\u202ed") == r"a\x1b]0;title\x07b\r\x9bc\u202ed"
    assert printable("± ü 日本 [x]\n\t") == "± ü 日本 [x]\n\t"
