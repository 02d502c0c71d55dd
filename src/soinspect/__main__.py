"""Run the command line as ``python -m soinspect``."""

from soinspect.cli.app import main

if __name__ == "__main__":
    main()
