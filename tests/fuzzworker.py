"""Commands on mutants, one after the other in this process, which its limits end where a command exceeds them.

python fuzzworker.py SOUND FIRST LAST SHARE COMMAND...    # run by fuzzing.py; a COMMAND is one text, {} the mutant

Of the commands each mutant gets one in SHARE, the next one the next. Each step is announced on standard output
before it begins: the number of the mutant and of the command, then either nothing or what is wrong as a JSON text.
So the parent knows what the process was at when it was ended.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from pathlib import Path

from bounded import judge, limit_memory, limit_next_step
from mutation import Mutator, apply
from soinspect.cli.app import main


def run(arguments: list[str]) -> str:
    """What is wrong with the answer of the command line; empty if nothing is."""
    sys.argv = ["soinspect", *arguments]
    out, err = io.BytesIO(), io.BytesIO()
    sys.stdout, sys.stderr = io.TextIOWrapper(out, encoding="utf-8"), io.TextIOWrapper(err, encoding="utf-8")
    limit_next_step()
    code: object = 0
    try:
        main()
    except SystemExit as leave:
        code = leave.code or 0
    except BaseException:  # noqa: BLE001  (whatever escapes is what is looked for)
        return traceback.format_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    return judge(int(str(code)), out.getvalue(), err.getvalue(), is_json="json" in arguments)


def work(sound: Path, first: int, last: int, share: int, commands: list[str]) -> None:
    """Run the commands on each mutant of the sound file from one number to another."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    limit_memory()
    data = sound.read_bytes()
    mutator = Mutator(data)
    mutant = sound.with_name("mutant" + sound.suffix)
    for number in range(first, last):
        mutant.write_bytes(apply(data, mutator.edits(number)))
        for which in range(number % share, len(commands), share):
            report.write(f"{number} {which} ")
            report.flush()
            trouble = run([str(mutant) if word == "{}" else word for word in commands[which].split("\x1f")])
            report.write(json.dumps(trouble) + "\n")


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
