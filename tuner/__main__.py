"""The command `tuner`, which is `python -m tuner` too."""

import os
import signal


def main() -> None:
    """Runs the command line.

    Until its modules are loaded, Ctrl-C ends the process at once: there is nothing to clean up
    yet, and a KeyboardInterrupt that comes within an import can get lost.
    """
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from .terminal.cli import main as run

    run()


if __name__ == "__main__":
    main()
