"""Prototypes from header files: through libclang where it is installed, else the preprocessor of a C compiler."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from soinspect.calling.declarations import Declarations, parse
from soinspect.calling.toolchain import CallEnvironment, find_c_compiler
from soinspect.errors import CannotRun, InputError, UsageError
from soinspect.model.lateclass import dataclass
from soinspect.model.signature import Signature

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# A header includes what it likes, /dev/zero and itself among it: who reads it is a process of its own, within these.
_TIMEOUT = 20.0
_MAX_MEMORY = 2 << 30
_MAX_LENGTH = 64 << 20

_Functions = tuple[dict[str, Signature], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header declares: ``functions`` by name, and how many of its declarations are ``unread``."""

    name: str
    functions: Mapping[str, Signature]
    unread: int

    def why_without(self, function: str) -> str:
        """Why it has no prototype of a function, as the rest of a sentence."""
        unread = f", as far as it is understood ({self.unread} declarations are not)" if self.unread else ""
        return f"does not declare {function}{unread}"


def read_header(path: str, environment: CallEnvironment) -> Header:
    """The functions that the header at ``path``, and what it includes, declare for C.

    :raises InputError: there is no such file.
    :raises UsageError: it is no C that can be read.
    :raises CannotRun: there is neither libclang nor a C compiler.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(path, "no such file")
    functions, unread = _through_libclang(file, environment) or _through_preprocessor(file, environment)
    return Header(name=file.name, functions=functions, unread=unread)


def _through_libclang(file: Path, environment: CallEnvironment) -> _Functions | None:
    """The functions by name, and how many declarations are not understood; None without libclang."""
    try:
        from soinspect.calling.clangheader import new_index, parse_header
    except ImportError:
        return None
    index = new_index()
    if index is None:
        return None
    fork = get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    parse = partial(parse_header, index, file, _folders(environment))
    reader = fork.Process(target=_send_functions, args=(theirs, parse), daemon=True)
    reader.start()
    theirs.close()
    try:
        if not ours.poll(_TIMEOUT):
            raise UsageError(f"--header {file}: libclang takes more than {_TIMEOUT:.0f} s to read it")
        answer: _Functions | UsageError = ours.recv()
    except EOFError:
        raise UsageError(f"--header {file}: libclang died of it (of a lack of memory?)") from None
    finally:
        reader.kill()
        reader.join()
        ours.close()
    if isinstance(answer, UsageError):
        raise answer
    return answer


def _send_functions(answer: Connection, parse: Callable[[], _Functions]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is for the process that waits to tell
    _limit()
    try:
        answer.send(parse())
    except UsageError as error:
        answer.send(error)


def _limit() -> None:
    """From now on, this process is refused more time, memory and output than a header takes."""
    for number, most in (
        (resource.RLIMIT_CPU, int(_TIMEOUT)),
        (resource.RLIMIT_DATA, _MAX_MEMORY),
        (resource.RLIMIT_FSIZE, _MAX_LENGTH),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(number)[1]
        resource.setrlimit(number, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _folders(environment: CallEnvironment) -> list[str]:
    """Where included files are: what CPATH names, and the compiler's own, which libclang comes without."""
    named = [folder for folder in environment.variables.get("CPATH", "").split(":") if folder]
    compiler = find_c_compiler(environment)
    if compiler is None:
        return named
    try:
        own = _run([*shlex.split(compiler), "-print-file-name=include"], environment).stdout.decode().strip()
    except CannotRun:
        return named
    return [*named, own] if Path(own).is_absolute() else named


def _through_preprocessor(file: Path, environment: CallEnvironment) -> _Functions:
    source = _preprocessed(file, environment)
    # What this changes is not in the syntax tree.
    declarations = Declarations(file.name, file.name, layouts=b"#pragma pack" not in source)
    functions: dict[str, Signature] = {}
    unread = 0
    for node in parse(source).children:
        try:
            if node.has_error:
                unread += 1
            else:
                functions.update((signature.name, signature) for signature in declarations.read(node))
        except UsageError:
            unread += 1
    return functions, unread


def _preprocessed(file: Path, environment: CallEnvironment) -> bytes:
    compiler = find_c_compiler(environment)
    if compiler is None:
        raise CannotRun(
            "--header needs libclang or a C compiler, and there is neither",
            "install gcc or clang, or: pip install 'soinspect[header]'",
        )
    command = [*shlex.split(compiler), "-E", "-P", "-x", "c", str(file.absolute())]
    done = _run(command, environment)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").splitlines()
        why = next((line for line in said if "error" in line), "it does not say why")
        raise UsageError(f"--header {file}: it is refused: {why}")
    return done.stdout


def _run(command: list[str], environment: CallEnvironment) -> subprocess.CompletedProcess[bytes]:
    """Run the compiler, which starts others: none of them is left."""
    try:
        with TemporaryFile() as out, TemporaryFile() as err:
            process = subprocess.Popen(
                command,
                env=dict(environment.variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
                preexec_fn=_limit,
            )
            try:
                code = process.wait(_TIMEOUT)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, code, out.read(), err.read())
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"the C compiler does not work: {error}", f"try it: {shlex.join(command)}") from None
