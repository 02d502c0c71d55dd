"""How deeply types are nested in the text that declares them, where types with a name of their own end it."""

from __future__ import annotations

from collections.abc import Sequence

from soinspect.model.prototype import ArrayType, DerivedType, Enumeration, FunctionType, MemberPointer, Type, Typedef

# Deeper, and of more parts, than any declaration that somebody wrote; whoever follows types may rely on it.
_MAX_DEPTH = 64
_MAX_PARTS = 1000


def spelled_with(one: Type) -> tuple[int, ...]:
    """The indexes of the types that a type is directly made of; none for structures, which hold theirs by name."""
    match one:
        case DerivedType(target=target) | Typedef(target=target) | ArrayType(element=target):
            return (target,)
        case MemberPointer(target=target, owner=owner):
            return target, owner
        case Enumeration(underlying=int(underlying)):
            return (underlying,)
        case FunctionType(result=result, parameters=parameters):
            return (result, *(parameter.type for parameter in parameters))
        case _:
            return ()


def nested_too_deeply(types: Sequence[Type]) -> frozenset[int]:
    """The indexes of types that are made of themselves, of too many others, or of others nested too deeply.

    Once they are replaced by types without parts, all others are sound. Each type is looked at once.
    """
    found: set[int] = set()
    depths: dict[int, int] = {}
    parts: dict[int, int] = {}
    for start in range(len(types)):
        # Depth first without recursion: each type that is not done, with its parts that are still to be looked at.
        path = [(start, iter(spelled_with(types[start])))] if start not in depths else []
        unfinished = {start}
        while path:
            index, following = path[-1]
            part = next(following, None)
            if part is not None:
                if part in unfinished:
                    found.add(index)
                elif part not in depths:
                    path.append((part, iter(spelled_with(types[part]))))
                    unfinished.add(part)
                continue
            path.pop()
            unfinished.remove(index)
            one = types[index]
            own = max(1, len(one.dimensions)) if isinstance(one, ArrayType) else 1
            below = [part for part in spelled_with(one) if part in depths]
            depths[index] = own + max((depths[part] for part in below), default=0)
            parts[index] = own + sum(parts[part] for part in below)
            if index in found or depths[index] > _MAX_DEPTH or parts[index] > _MAX_PARTS:
                found.add(index)
                depths[index] = parts[index] = 1
    return frozenset(found)
