"""The exception tree.

::

    SoinspectError
    ├── InputError            the file cannot be read as what the command needs   (exit code 2)
    │   ├── NotElf            it is something else, which is named
    │   ├── FormatError       it is ELF, and broken at an offset, in a field
    │   └── Unsupported       it is sound, and outside of what this command serves
    ├── UsageError            the request makes no sense                          (exit code 2)
    └── CannotRun             sound request, but not on this machine as it is     (exit code 3)

Findings, verdicts and absent facts are values, never exceptions.
"""

from __future__ import annotations


class SoinspectError(Exception):
    """Root of all errors that soinspect raises on purpose; its text is one line for the user."""


class InputError(SoinspectError):
    """A file that cannot be read: missing, a directory, empty, not permitted."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class NotElf(InputError):
    """The file is not an ELF object; ``reason`` says what it is instead."""


class FormatError(InputError):
    """The file is ELF, and a field of it contradicts the rest of the file.

    ``offset`` is the file offset in bytes of the field, ``field`` its name in the gABI, ``value`` what it holds, None
    where the file ends before it.
    """

    def __init__(self, path: str, *, offset: int, field: str, value: int | None, why: str) -> None:
        self.offset = offset
        self.field = field
        self.value = value
        held = "missing" if value is None else f"{value:#x}"
        super().__init__(path, f"damaged ELF file: {field} at offset {offset:#x} is {held}: {why}")


class Unsupported(InputError):
    """A sound file that this command does not serve; ``known`` says what it does serve."""

    def __init__(self, path: str, what: str, known: str) -> None:
        self.what = what
        self.known = known
        super().__init__(path, f"{what}; {known}")


class UsageError(SoinspectError):
    """A request that makes no sense, such as a symbol that the file does not have."""


class CannotRun(SoinspectError):
    """A sound request that this machine cannot carry out now; ``remedy`` is what would change that."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(reason)
