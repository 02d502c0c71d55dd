"""Where the program starts: as ``soinspect``, and as ``python -m soinspect``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word, even while modules are still being loaded."""
    try:
        from soinspect.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)  # the number that exits.Exit names, whose import may be what was interrupted


if __name__ == "__main__":
    main()
