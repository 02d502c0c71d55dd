"""Where the worker process starts: a script, which finds its package by path under a name of its own.

The first argument is the module to run: ``program`` to load a file here, ``launch`` to become another program.
"""

import os
import sys

# Appended, not inserted: no file of the caller's folder may stand in for a module of the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120  (pathlib is slow)
__import__(f"worker.{sys.argv[1]}", fromlist=["main"]).main()
