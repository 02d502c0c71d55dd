"""Rules on types, from debug information: prototypes of exports, layouts of what they reach."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.comparing.change import SIGNATURE_RULES, Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.wording import few
from soinspect.model.absence import Absent
from soinspect.model.finding import Severity
from soinspect.model.texts import count

_DWARF = "https://dwarfstd.org/doc/DWARF5.pdf"
_PSABI = "https://gitlab.com/x86-psABIs/x86-64-ABI"
_ITANIUM = "https://itanium-cxx-abi.github.io/cxx-abi/abi.html"
_REBUILD = "Rebuild everything that was compiled against the old header."


def _debug_missing(pair: Pair) -> Iterator[Change]:
    old, new = pair.old_types, pair.new_types
    if isinstance(new, Absent) and not isinstance(old, Absent) and pair.common_rows:
        yield Change(subject=pair.new.path, before=old.source, after=new.reason, evidence="types were not compared")
    if isinstance(old, Absent) and not isinstance(new, Absent) and pair.common_rows:
        yield Change(subject=pair.old.path, before=old.reason, after=new.source, evidence="types were not compared")


def _debug_partial(pair: Pair) -> Iterator[Change]:
    old, new = pair.old_types, pair.new_types
    if isinstance(old, Absent) or isinstance(new, Absent):
        return
    common = {symbol.versioned_name for symbol, _ in pair.common_symbols}
    lost = [name for name in new.missing if name in common and name not in old.missing]
    if lost:
        yield Change(subject=count(len(lost), "export"), after="not described", evidence=few(lost))


def _parameters_renamed(pair: Pair) -> Iterator[Change]:
    found = [it.change for it in pair.type_changes if it.rule == "dwarf.func-param-renamed"]
    yield from (change for change in found if change.severity is not None)
    harmless = [change for change in found if change.severity is None]
    if len(harmless) == 1:
        yield harmless[0]
    elif harmless:
        evidence = few([f"{it.subject} ({it.before} -> {it.after})" for it in harmless])
        yield Change(subject=count(len(harmless), "function"), evidence=evidence)


def _rule(rule_id: str, severity: Severity, title: str, why: str, fix: str, reference: str = _PSABI) -> ComparisonRule:
    """A rule whose changes the comparison of types finds."""

    def find(pair: Pair) -> Iterator[Change]:
        if pair.go and rule_id in SIGNATURE_RULES:
            return iter(())  # see cgo.export-signature-changed
        return (found.change for found in pair.type_changes if found.rule == rule_id)

    return ComparisonRule.of(rule_id, severity, title, why, fix, reference, find)


RULES = (
    _rule(
        "dwarf.func-param-added",
        Severity.BREAKING,
        "A function takes a further parameter",
        "Callers compiled against the old prototype do not pass it: the function reads whatever the register holds.",
        "Add a new function beside the old one.",
    ),
    _rule(
        "dwarf.func-param-removed",
        Severity.BREAKING,
        "A function takes one parameter less",
        "Callers go on passing it; what they ask for by it is ignored, and later parameters shift.",
        "Keep the parameter, or add a new function.",
    ),
    _rule(
        "dwarf.func-param-type-changed",
        Severity.BREAKING,
        "A parameter has another type",
        "Callers pass a value of the old type: another size, register or meaning.",
        "Add a new function beside the old one.",
    ),
    _rule(
        "dwarf.func-return-changed",
        Severity.BREAKING,
        "A function returns another type",
        "Callers read the result as the old type: another size, register or meaning.",
        "Add a new function beside the old one.",
    ),
    _rule(
        "dwarf.func-variadic-changed",
        Severity.BREAKING,
        "A function has become variadic, or no longer is",
        "Variadic calls tell the number of vector registers in AL and promote arguments; ordinary calls do not.",
        "Add a new function beside the old one.",
    ),
    _rule(
        "dwarf.callback-signature-changed",
        Severity.BREAKING,
        "A callback has another prototype",
        "The library calls the caller's old function with other arguments than it expects.",
        "Take the new callback by a new function.",
    ),
    _rule(
        "dwarf.var-type-changed",
        Severity.BREAKING,
        "An exported variable has another type",
        "Code compiled against the old declaration reads and writes it as the old type.",
        _REBUILD,
    ),
    _rule(
        "dwarf.type-size-changed",
        Severity.BREAKING,
        "A type has another size",
        "Callers that allocate it, embed it, or keep arrays of it use the old size. Those who only hold a pointer "
        "do not notice that it grew at its end.",
        _REBUILD,
    ),
    _rule(
        "dwarf.member-removed",
        Severity.BREAKING,
        "A member is gone",
        "Code compiled against the old header still reads and writes it at its old place.",
        _REBUILD,
    ),
    _rule(
        "dwarf.member-moved",
        Severity.BREAKING,
        "Members are at other offsets",
        "Code compiled against the old header reads and writes them at their old places.",
        "Add new members at the end.",
    ),
    _rule(
        "dwarf.member-type-changed",
        Severity.BREAKING,
        "A member has another type",
        "Code compiled against the old header reads and writes it as the old type.",
        _REBUILD,
    ),
    _rule(
        "dwarf.tail-padding-filled",
        Severity.BREAKING,
        "A member was put behind the last one of a class",
        "The class is as large as before. But unless it is plain data as in C, a class derived from it keeps its own "
        "first member in the padding at the end of its base, and so does the neighbour of a [[no_unique_address]] one: "
        "both members then share these bytes.",
        "Put the new member into a hole between others, or rebuild what derives from the class.",
        _ITANIUM,
    ),
    _rule(
        "dwarf.bitfield-changed",
        Severity.BREAKING,
        "A bit-field has another width",
        "Code compiled against the old header masks and shifts the wrong bits.",
        _REBUILD,
    ),
    _rule(
        "dwarf.alignment-changed",
        Severity.BREAKING,
        "A type has another alignment",
        "Callers place it, and what follows it in their own types, by the old alignment; vector instructions fault on "
        "what is aligned too little.",
        _REBUILD,
    ),
    _rule(
        "dwarf.typedef-changed",
        Severity.BREAKING,
        "A typedef stands for another type",
        "Callers pass, store and read values of the old type. Between types of the same size and encoding (long, "
        "long long) no compiled code sees a difference.",
        _REBUILD,
    ),
    _rule(
        "dwarf.enum-value-changed",
        Severity.BREAKING,
        "An enumerator has another value",
        "Callers pass the old number, which now means something else.",
        "Give new enumerators new numbers, at the end.",
    ),
    _rule(
        "dwarf.enum-underlying-changed",
        Severity.BREAKING,
        "An enumeration has another size",
        "Callers pass, embed and store it with the old size.",
        _REBUILD,
    ),
    _rule(
        "dwarf.base-class-changed",
        Severity.BREAKING,
        "A class has other bases",
        "Casts, members and virtual calls of code compiled against the old header use the old layout.",
        _REBUILD,
        _ITANIUM,
    ),
    _rule(
        "dwarf.vtable-changed",
        Severity.BREAKING,
        "A class has other virtual methods",
        "Virtual calls go by slot number: a caller's old slot now holds another method.",
        "Add new virtual methods at the end of a final class, or use a new class.",
        _ITANIUM,
    ),
    _rule(
        "dwarf.passing-class-changed",
        Severity.BREAKING,
        "Values of a class are passed in another way",
        "Other members put it into other registers or on the stack; a destructor or copy constructor of its own makes "
        "it travel by address. Caller and callee then look for it in different places.",
        "Keep its members and the class trivial, or pass it by reference.",
        _ITANIUM,
    ),
    _rule(
        "dwarf.enumerator-removed",
        Severity.RISKY,
        "An enumerator is gone",
        "Callers may still pass its number.",
        "Keep it, marked as deprecated.",
    ),
    _rule(
        "dwarf.member-added",
        Severity.COMPATIBLE,
        "A member fills what was padding",
        "Size and offsets are as before; old callers leave the new member uninitialised. At the end of a C++ structure "
        "it is harmless as long as no member has an initialiser, which debug information need not tell.",
        "Do not rely on its value for objects that callers allocate.",
    ),
    _rule(
        "dwarf.enumerator-added",
        Severity.COMPATIBLE,
        "An enumeration has new values",
        "Old callers never pass them; they may receive them.",
        "Nothing.",
    ),
    _rule(
        "dwarf.member-renamed",
        Severity.INFO,
        "A member has another name",
        "Compiled code goes by offsets; source code must follow.",
        "Nothing for binaries.",
    ),
    _rule(
        "dwarf.type-renamed",
        Severity.INFO,
        "A type has another name, and the same layout",
        "Compiled C code does not know names of types; source code must follow.",
        "Nothing for binaries.",
    ),
    ComparisonRule.of(
        "dwarf.func-param-renamed",
        Severity.INFO,
        "A parameter has another name",
        "Compiled code goes by order. Names that changed places are a risk: the meaning may have changed with them.",
        "Nothing, if the meaning is the same.",
        _PSABI,
        _parameters_renamed,
    ),
    ComparisonRule.of(
        "scan.debug-missing",
        Severity.INFO,
        "Only one of the files has debug information",
        "Prototypes and layouts could not be compared: a change in them would not be seen here.",
        "Build with -g, or install the separate debug file.",
        _DWARF,
        _debug_missing,
    ),
    ComparisonRule.of(
        "scan.debug-partial",
        Severity.INFO,
        "The new file describes fewer of its exports",
        "The prototypes of these exports could not be compared.",
        "Build all of it with -g.",
        _DWARF,
        _debug_partial,
    ),
)
