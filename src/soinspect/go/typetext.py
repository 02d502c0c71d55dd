"""Go's types as text: what a programmer writes, brought into the one form in which ``reflect`` prints it.

Grammar: the Go specification, "Types"; the printed form: tconv in src/cmd/compile/internal/types/fmt.go. Names of
parameters and results are no part of a type; the names of packages stand for import paths (:class:`TypeName`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from soinspect.errors import UsageError
from soinspect.model.lateclass import dataclass

# A name with its package, before a plain word: "gopkg.in/yaml.v3.Node" is one token. "·1" ends a local type's name.
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<package>\w[\w%~+-]*(?:[./][\w%~+-]+)*)\.(?P<name>[^\W\d][\w·]*)
    | (?P<word>[\w·]+)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    | (?P<mark>\.\.\.|<-|[()\[\]{},;*])
    )""",
    re.VERBOSE,
)
_BLANK = re.compile(r"\s*")
_PREDECLARED = {
    name: name
    for name in (
        "bool string error int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 uintptr float32 float64"
        " complex64 complex128"
    ).split()
} | {"byte": "uint8", "rune": "int32", "any": "interface {}"}
_KEYWORDS = ("map", "chan", "func", "struct", "interface")
_MAX_LENGTH = 1 << 14  # characters: the longest types of real plugins have some hundred
_MAX_DEPTH = 60
_MAJOR_VERSION = re.compile(r"v[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeName:
    """A type with a name; ``package`` as written: an import path if it ``has_path``, else the package's name.

    ``is_argument``: it stands in the brackets of a generic type, where Go prints the whole import path.
    """

    package: str
    name: str
    has_path: bool
    is_argument: bool = False

    @property
    def text(self) -> str:
        """The name as written."""
        return f"{self.package}.{self.name}"


Pieces = tuple[str | TypeName, ...]
"""A type in its printed form: what stands between the names of types, and these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method that an interface asks for; ``signature`` is its func type."""

    name: str
    signature: Pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeText:
    """A type; ``asked`` are the methods of an interface that is written out, or of error, None for other types.

    ``has_hidden``: names in lower case of fields or methods are part of it, and with them the package they are of.
    """

    pieces: Pieces
    asked: tuple[Method, ...] | None = None
    has_hidden: bool = False

    @property
    def names(self) -> tuple[TypeName, ...]:
        """The types with names, from left to right."""
        return tuple(it for it in self.pieces if isinstance(it, TypeName))

    def has_shape_of(self, other: TypeText) -> bool:
        """Whether the two differ in nothing but the packages that their names are of."""
        return [_plain(it) for it in self.pieces] == [_plain(it) for it in other.pieces]


_OWN_INTERFACES: dict[Pieces, tuple[Method, ...]] = {
    ("interface {}",): (),
    ("error",): (Method(name="Error", signature=("func() string",)),),
}


def parse_type(text: str, *, with_paths: bool = False) -> TypeText:
    """The type that ``text`` says in Go's notation; ``with_paths`` if packages stand in it as import paths only.

    :raises UsageError: it is none, or needs more than the text to be understood.
    """
    return _Parser(text, with_paths=with_paths).whole()


def as_name(text: str) -> TypeName | None:
    """The type with a name that ``text`` is; None if it is anything else."""
    try:
        pieces = parse_type(text).pieces
    except UsageError:
        return None
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], TypeName) else None


def is_written_alike(wanted: str, found: str) -> bool:
    """Whether two types are the same as far as their texts tell, which may name a package without its path."""
    try:
        one, other = parse_type(wanted), parse_type(found)
    except UsageError:
        return False
    names = zip(one.names, other.names, strict=False)
    return one.has_shape_of(other) and all(_last(it.package) == _last(that.package) for it, that in names)


def package_name(path: str) -> str | None:
    """The name of the package at an import path of Go's own library; others may be named as they like: None."""
    if "." in path.partition("/")[0]:
        return None
    *folders, last = path.split("/")
    return folders[-1] if folders and _MAJOR_VERSION.fullmatch(last) else last


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _plain(piece: str | TypeName) -> tuple[str, bool]:
    return (piece.name, True) if isinstance(piece, TypeName) else (piece, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A token: a mark, a word or a struct tag as written, or the name of a type with its package."""

    text: str
    kind: str
    name: TypeName | None = None


_END = _Token(text="", kind="end")


class _Parser:
    """Recursive descent over the tokens of one type; each method takes what its name says, and gives its pieces."""

    def __init__(self, text: str, *, with_paths: bool) -> None:
        self._text = text
        self._with_paths = with_paths
        self._has_hidden = False
        self._tokens = self._read_tokens()
        self._at = 0
        self._depth = 0

    def whole(self) -> TypeText:
        """The type that the whole text is."""
        asked: tuple[Method, ...] | None
        if self._tokens[0].text == "interface":
            self._at = 1
            asked = self._interface()
            pieces = _merged(_interface_pieces(asked))
        else:
            pieces = _merged(self._type())
            asked = _OWN_INTERFACES.get(pieces)
        if self._next is not _END:
            raise self._error(f"{self._next.text!r} is left over")
        return TypeText(pieces=pieces, asked=asked, has_hidden=self._has_hidden)

    # -- tokens ------------------------------------------------------------------------------------------------

    def _read_tokens(self) -> list[_Token]:
        if len(self._text) > _MAX_LENGTH:
            raise UsageError(f"{self._text[:40]}...: is no Go type: longer than {_MAX_LENGTH} characters")
        tokens, at = [], 0
        while match := _TOKEN.match(self._text, at):
            at = match.end()
            kind, text = match.lastgroup or "", match[match.lastgroup or 0]
            if kind == "name":
                package = match["package"]
                has_path = self._with_paths or "/" in package or "." in package
                name = TypeName(package=package, name=text, has_path=has_path)
                tokens.append(_Token(text=name.text, kind=kind, name=name))
            else:
                tokens.append(_Token(text=text, kind=kind))
        if (rest := _BLANK.sub("", self._text[at:])) or not tokens:
            raise self._error(f"{rest[:1]!r} is not understood" if rest else "it is empty")
        return [*tokens, _END]

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token is not _END
        return token

    def _took(self, mark: str) -> bool:
        """Whether ``mark`` came next, and was taken."""
        found = self._next.text == mark and self._next.kind in ("mark", "word")
        self._at += found
        return found

    def _expect(self, mark: str) -> None:
        if not self._took(mark):
            raise self._error(f"{mark!r} is missing before {self._next.text or 'its end'!r}")

    def _error(self, why: str) -> UsageError:
        return UsageError(f"{self._text}: is no Go type: {why}")

    # -- types -------------------------------------------------------------------------------------------------

    def _type(self) -> Pieces:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("it is nested too deeply")
        token = self._take()
        if token.name is not None:
            found = self._named(token.name)
        elif token.kind == "word" and token.text not in _KEYWORDS:
            found = (self._predeclared(token.text),)
        else:
            found = self._literal(token.text)
        self._depth -= 1
        return found

    def _literal(self, mark: str) -> Pieces:
        match mark:
            case "*":
                return ("*", *self._type())
            case "(":
                inner = self._type()
                self._expect(")")
                return inner
            case "[":
                return self._list()
            case "map":
                self._expect("[")
                key = self._type()
                self._expect("]")
                return ("map[", *key, "]", *self._type())
            case "chan":
                return self._channel()
            case "<-":
                self._expect("chan")
                return ("<-chan ", *self._type())
            case "func":
                return ("func", *self._signature())
            case "struct":
                return self._struct()
            case "interface":
                return tuple(_interface_pieces(self._interface()))
        raise self._error(f"no type begins with {mark!r}" if mark else "it ends too early")

    def _predeclared(self, word: str) -> str:
        if word not in _PREDECLARED:
            raise self._error(f"{word} is none of Go's own types; write its package, as in main.{word}")
        return _PREDECLARED[word]

    def _named(self, name: TypeName) -> Pieces:
        if not self._took("["):
            return (name,)
        found: list[str | TypeName] = [name, "["]
        while True:
            found += (replace(it, is_argument=True) if isinstance(it, TypeName) else it for it in self._type())
            if not self._took(","):
                break
            found.append(",")
        self._expect("]")
        return (*found, "]")

    def _list(self) -> Pieces:
        if self._took("]"):
            return ("[]", *self._type())
        length = self._take().text
        if not length.isdecimal():
            raise self._error(f"the length of an array is a number, not {length!r}")
        self._expect("]")
        return (f"[{int(length)}]", *self._type())

    def _channel(self) -> Pieces:
        if self._took("<-"):
            return ("chan<- ", *self._type())
        element = self._type()
        receives = element[0] == "<-chan "
        return ("chan (", *element, ")") if receives else ("chan ", *element)

    def _signature(self) -> Pieces:
        """Parameters and results, of a func type or a method."""
        self._expect("(")
        parameters = self._parameters()
        results: list[Pieces] = []
        if self._took("("):
            results = self._parameters()
        elif self._next.kind in ("name", "word") or self._next.text in ("*", "[", "<-"):
            results = [self._type()]
        if any(it[0] == "..." for it in (*parameters[:-1], *results)):
            raise self._error("only the last parameter can be variadic")
        found: Pieces = ("(", *_listed(parameters), ")")
        if len(results) == 1:
            return (*found, " ", *results[0])
        return (*found, " (", *_listed(results), ")") if results else found

    def _parameters(self) -> list[Pieces]:
        """The types of a list up to its closing parenthesis, whether its entries have names or not."""
        entries: list[tuple[str, Pieces]] = []
        while not self._took(")"):
            word = ""
            if self._next.kind == "word" and self._next.text not in _KEYWORDS:
                word = self._take().text
            stops = word and (self._next is _END or self._next.text in (",", ")"))
            entries.append((word, () if stops else self._parameter()))
            if not self._took(",") and self._next.text != ")":
                raise self._error(f"',' or ')' is missing before {self._next.text or 'its end'!r}")
        if not any(word and kind for word, kind in entries):
            return [kind or (self._predeclared(word),) for word, kind in entries]
        if not entries[-1][1] or not all(word for word, _ in entries):
            raise self._error("either all parameters have names, or none")
        types: list[Pieces] = []
        for _, kind in reversed(entries):  # "a, b int": the type of the next one that has any
            types.append(kind or types[-1])
        return types[::-1]

    def _parameter(self) -> Pieces:
        return ("...", *self._type()) if self._took("...") else self._type()

    def _struct(self) -> Pieces:
        self._expect("{")
        fields: list[Pieces] = []
        while not self._took("}"):
            names, kind = self._field()
            tag = (f" {_quoted(self._take().text)}",) if self._next.kind == "text" else ()
            fields += ((name and f"{name} ", *kind, *tag) for name in names)
            self._end_of_entry()
        return ("struct { ", *_listed(fields, "; "), " }") if fields else ("struct {}",)

    def _field(self) -> tuple[list[str], Pieces]:
        """The names of fields that share a type, ``""`` for an embedded one, and the type."""
        names: list[str] = []
        while self._next.kind == "word":
            names.append(self._take().text)
            if not self._took(","):
                break
        if len(names) == 1 and (self._next.text in (";", "}") or self._next.kind == "text"):
            return [""], (self._predeclared(names[0]),)
        self._has_hidden |= any(map(_is_hidden, names))
        return names or [""], self._type()

    def _interface(self) -> tuple[Method, ...]:
        self._expect("{")
        methods: list[Method] = []
        while not self._took("}"):
            name = self._take()
            if name.kind not in ("name", "word") or self._next.text != "(":
                raise self._error(f"{name.text!r} is no method: write out those of an embedded interface")
            self._has_hidden |= _is_hidden(name.text)
            methods.append(Method(name=name.text, signature=_merged(("func", *self._signature()))))
            self._end_of_entry()
        return tuple(sorted(methods, key=_method_order))

    def _end_of_entry(self) -> None:
        if not self._took(";") and self._next.text != "}":
            raise self._error(f"';' or '}}' is missing before {self._next.text or 'its end'!r}")


def _method_order(method: Method) -> tuple[bool, str]:
    """Go's order of methods: exported ones first."""
    return _is_hidden(method.name), method.name.rpartition(".")[2]


def _is_hidden(name: str) -> bool:
    """Whether a method is not exported; Go prints those with their package in front."""
    return not name.rpartition(".")[2][0].isupper()


def _interface_pieces(asked: Sequence[Method]) -> Iterator[str | TypeName]:
    if not asked:
        yield _PREDECLARED["any"]
        return
    methods = []
    for method in asked:
        head, *rest = method.signature
        assert isinstance(head, str)  # noqa: S101  (every signature begins with "func(")
        methods.append((method.name + head.removeprefix("func"), *rest))
    yield from ("interface { ", *_listed(methods, "; "), " }")


def _listed(items: Sequence[Pieces], separator: str = ", ") -> Iterator[str | TypeName]:
    for number, item in enumerate(items):
        if number:
            yield separator
        yield from item


def _merged(pieces: Sequence[str | TypeName] | Iterator[str | TypeName]) -> Pieces:
    """The pieces with no two texts next to each other, so that equal types have equal pieces."""
    found: list[str | TypeName] = []
    for is_text, run in groupby(pieces, key=lambda it: isinstance(it, str)):
        if is_text:
            found.append("".join(map(str, run)))
        else:
            found += run
    return tuple(found)


def _quoted(tag: str) -> str:
    """A struct tag as Go prints it: a raw one in quotes."""
    return json.dumps(tag[1:-1], ensure_ascii=False) if tag.startswith("`") else tag
