"""Which bytes at the end of a C++ class may hold members of others: of a class derived from it, or of its neighbours.

Itanium C++ ABI, 2.4: a derived class begins its own members where the data of its base ends (``dsize``), not where the
base itself ends, unless the base is a POD for the purpose of layout; so do members marked ``[[no_unique_address]]``. No
debug information tells ``final``, and a final class may still be such a member.
"""

from __future__ import annotations

from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    ArrayType,
    CallingConvention,
    Derivation,
    DerivedType,
    Member,
    Prototypes,
    Type,
    Typedef,
)

# More than any class has; whoever derives and nests more in a hostile file is not waited for.
_MAX_BASES = 100
_MAX_PARTS = 1000


def may_hold_members_of_others(side: Prototypes, aggregate: Aggregate) -> bool:
    """Whether classes derived from this one may use the bytes from :func:`tail_start` to its end."""
    is_empty = tail_start(side, aggregate) == 0
    return aggregate.kind is not AggregateKind.UNION and (is_empty or not _is_pod(side, aggregate))


def tail_start(side: Prototypes, aggregate: Aggregate) -> int:
    """Where the data of a class ends, in bytes from its start; that of virtual bases, which follow it, left aside."""
    end = 0
    todo = [(aggregate, 0)]
    for _ in range(_MAX_BASES):
        if not todo:
            break
        current, start = todo.pop()
        end = max([end, *(start + (end_of(side, member) or 0) for member in current.members)])
        for base in current.bases:
            found = _held(side, base.type)
            if base.offset is not None and isinstance(found, Aggregate):
                todo.append((found, start + base.offset))
    return end


def end_of(side: Prototypes, member: Member) -> int | None:
    """The offset of the first byte behind a member, None if its place is not known."""
    if member.bit_size is not None and member.bit_offset is not None:
        return -(-(member.bit_offset + member.bit_size) // 8)
    return None if member.offset is None else member.offset + (side.size_of(member.type) or 0)


def _is_pod(side: Prototypes, aggregate: Aggregate) -> bool:
    """Whether a class is a POD for the purpose of layout; what has too many parts to tell is none."""
    todo: list[Type] = [aggregate]
    seen: set[int] = set()
    while todo:
        match todo.pop():
            case DerivedType(derivation=Derivation.REFERENCE | Derivation.RVALUE_REFERENCE):
                return False
            case Aggregate() as part:
                by_reference = part.convention is CallingConvention.PASS_BY_REFERENCE
                if not part.plain or part.bases or part.virtual_methods or by_reference:
                    return False
                fresh = {member.type for member in part.members} - seen
                seen |= fresh
                todo += (_held(side, index) for index in sorted(fresh))
            case _:
                pass
        if len(seen) > _MAX_PARTS:
            return False
    return True


def _held(side: Prototypes, index: int) -> Type:
    """What a member of this type holds, behind typedefs, qualifiers and arrays."""
    found = side.types[index]
    for _ in range(_MAX_PARTS):  # a hostile file may lead in circles
        match found:
            case Typedef(target=target) | ArrayType(element=target):
                found = side.types[target]
            case DerivedType(derivation=derivation, target=target) if derivation.qualifies:
                found = side.types[target]
            case _:
                break
    return found
