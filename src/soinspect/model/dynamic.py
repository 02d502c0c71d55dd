"""What an object asks of the dynamic linker, as values."""

from __future__ import annotations

from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNeed:
    """A version that ``library`` must define for this object to load (unless ``weak``)."""

    library: str
    version: str
    weak: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFloor:
    """The newest version of one family (``GLIBC``) that an object needs, and the symbols that force it.

    ``library`` is the file that must define it. ``symbols`` are raw names; it is empty when the version is needed
    without a symbol (``GLIBC_ABI_DT_RELR``, which glibc defines since 2.36).
    """

    family: str
    version: str
    library: str
    symbols: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What this is the floor of."""
        return self.key_of(self.family, self.library)

    @staticmethod
    def key_of(family: str, library: str) -> tuple[str, str]:
        """The family, and the library where the family alone says too little; glibc is one thing in many files."""
        return (family, "" if family == "GLIBC" else library)

    @property
    def number(self) -> tuple[int, ...]:
        """The version's number, to be compared."""
        digits = self.version.rpartition("_")[2]
        return tuple(int(part[:9]) for part in digits.split(".")) if digits[:1].isdigit() else (2, 36)
