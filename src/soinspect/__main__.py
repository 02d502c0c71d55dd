"""Where the program starts: as ``soinspect``, and as ``python -m soinspect``."""

import gc
import os
import sys

# Values have no cycles, modules and tables are made to stay: looking for garbage as often as Python does by default
# (every 700 objects) would be a tenth of a run.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
# What typer and what it builds on import for shell completion, help, tracebacks and documentation: a fifth of its time.
_OF_TYPER = (
    "ast", "bz2", "ipaddress", "linecache", "locale", "lzma", "platform", "shellingham", "subprocess", "textwrap",
    "tokenize", "zlib",
)  # fmt: skip


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word, even while modules are still being loaded."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        from soinspect.cli.late import load_late

        load_late(*_OF_TYPER)
        from soinspect.cli.app import main as run

        gc.freeze()  # looking for garbage in these modules at the end would be a tenth of a short run
        run()
    except KeyboardInterrupt:
        sys.exit(130)  # the number that exits.Exit names, whose import may be what was interrupted


if __name__ == "__main__":
    # python -m puts the folder in which it is started in front: no file there may stand in for a module, least of all
    # the plugins that are looked at.
    if sys.path[0] == os.getcwd():  # noqa: PTH109  (pathlib is not loaded yet)
        del sys.path[0]
    main()
