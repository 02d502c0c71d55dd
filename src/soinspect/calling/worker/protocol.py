"""What the monitor and the worker tell each other.

The request travels from parent to child only, as :mod:`marshal` data. The answer is a log of events in shared memory,
which survives every way to die and every closed descriptor. The callee can write there too: the parent treats each
byte as hostile, and what does not parse ends the log.

The log: 8 bytes with the length of what follows, then events. An event is a kind, the index of the action that it is
about (both 16 bits), the length of its payload (32 bits), and the payload. All numbers are little-endian.
"""

from __future__ import annotations

import marshal
from struct import Struct

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    Pointers = tuple[tuple[int, bytes, "Pointers"], ...]
    Argument = tuple[int, int | bytes, Pointers]

REQUEST_FD = 3
LOG_FD = 4
LOG_SIZE = 1 << 20

# Behind the log lies the scene, which faults.py writes. The fields of SCENE: whether a thread began to write it, that
# thread, the length of the mappings, where the kept stack starts, its length, whether all is written; the siginfo_t,
# the general registers in the order of SCENE_REGISTERS, and the code at the program counter. The offset of the stack
# and that of the mappings (the text of /proc/self/maps) follow.
SCENE_SIZE = 0x51000
SCENE = Struct("<6Q16x128s34Q16s")
SCENE_REGISTERS = {
    "x86_64": ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx",
               "rsp", "rip", "eflags"),
    "aarch64": (*(f"x{n}" for n in range(31)), "sp", "pc", "pstate"),
}  # fmt: skip
SCENE_STACK = 0x1000
SCENE_MAPS = 0x11000

COMMITTED = Struct("<Q")
EVENT = Struct("<HHI")

# Kinds of events; the payload is UTF-8 text unless said otherwise.
READY = 1  # set up: from here on foreign code may run
NOTE = 2  # something the user should know
WALL = 3  # a part of the sandbox stands
NO_WALL = 4  # a part of the sandbox could not be built; payload: which, and why
LOADING = 5  # dlopen begins
LOADED = 6  # payload: LOADED_PAYLOAD
LOAD_FAILED = 7  # payload: the text of dlerror
BEGUN = 8  # an action begins
NO_SYMBOL = 9  # payload: the text of dlerror
CONVENTION = 10  # the calling convention was checked; payload: one violation a line, empty when it was kept
CALLED_BACK = 11  # one of the first calls of a callback; payload: CALLBACK_PLACE, then CALLBACK_ARGUMENT records
BUFFER = 12  # a buffer was changed; payload: BUFFER_PAYLOAD, then what it holds after the call
RETURNED = 13  # payload: RETURNED_PAYLOAD, then the result where it came back in memory
CONTENTS = 14  # payload: CONTENTS_PAYLOAD, then the bytes of the variable
ASSIGNED = 15  # the variable was written
TIMED = 16  # the function was called several times; payload: TIMED_PAYLOAD
PLACED = 17  # a buffer is in memory; payload: PLACED_PAYLOAD
OVERRUN = 18  # something was written around a buffer; payload: OVERRUN_PAYLOAD
FOLLOWED = 19  # payload: FOLLOWED_PAYLOAD, then what a pointer in the result leads to
CALLBACK_CALLS = 20  # how often a callback was called; payload: CALLBACK_CALLS_PAYLOAD
UNLOADING = 21  # dlclose begins
DONE = 22  # everything ended; the process leaves

LOADED_PAYLOAD = Struct("<Qd")  # load address, seconds that dlopen took
RETURNED_INTEGERS = Struct("<QQ")
RETURNED_PAYLOAD = Struct("<QQ16s16s16s16sid")  # two integer and four vector return registers, errno, seconds
CONTENTS_PAYLOAD = Struct("<Q")  # address of the variable
BUFFER_PAYLOAD = Struct("<H")  # position of the argument, from 0
PLACED_PAYLOAD = Struct("<HQQ")  # position of the argument, address, size
OVERRUN_PAYLOAD = Struct("<HHH")  # position of the argument, how many bytes in front, how many behind
FOLLOWED_PAYLOAD = Struct("<H")  # where in the result the pointer is
CALLBACK_PLACE = Struct("<HH")  # which callback: the index of the action and the position of the argument that made it
CALLBACK_ARGUMENT = Struct("<H")  # how many bytes follow: 8, of which a float takes half, and what a text says
CALLBACK_CALLS_PAYLOAD = Struct("<HHQ")  # which callback, how many calls
TIMED_PAYLOAD = Struct("<Qdd")  # how many calls, the median and the least of their seconds

# Kinds of actions.
CALL = 1
CALL_WITH_INTERPRETER_LOCK = 2  # for functions that use the Python interpreter of the worker
READ = 3
ASSIGN = 4

# Kinds of arguments, and what comes with each. Where that is bytes, pointers may follow: at an offset in the bytes
# goes the address of other bytes, which may have pointers of their own.
INTEGER = 1  # a number of 64 bits
VECTOR = 2  # the 8 low bytes of a vector register: a double, or a float and padding
BYTES = 3  # bytes that the worker places in memory; the address is passed
CALLBACK = 4  # CALLBACK_RESULT and a byte a parameter of a function of the worker; its address is passed
PIECES = 5  # PIECE records: a structure that travels in registers, or, if they are not all free, on the stack
STACKED = 6  # bytes that go to the stack, a multiple of 8
COPIED = 7  # bytes that the worker places in memory for the callee to keep; the address is passed
LITERAL = 8  # of the parent only: what is nothing yet without its type, such as a structure
ALIGNED = 9  # bytes that go to the stack at a multiple of 16: a long double of x86-64
WIDE = 10  # 16 bytes, for two integer registers or, if they are not both free, as ALIGNED: an __int128 of x86-64

PIECE = Struct("<BB8s")  # INTEGER or VECTOR, how many bytes its register holds, and these
CALLBACK_RESULT = Struct("<B8s")  # INTEGER or VECTOR, and what the register holds; parameters may be BYTES: texts
SHOWN_CALLBACKS = 4  # the calls of a callback that are told in full


class Action:
    """One thing to do after loading, with a symbol or, where ``name`` is empty, with what lies at ``offset``.

    Call it ``repeat`` times with ``arguments`` and room for ``result_room`` bytes of result in memory, read ``size``
    bytes of it, or write ``data`` there. ``version`` is the symbol version to ask for, or None for the default one.
    An argument is its kind, what comes with it, and pointers. ``followed`` are the offsets of pointers in what comes
    back: in the variable, the result in memory, or, where there is none, the integer return registers. ``pointers`` are
    those in ``data``.
    """

    __slots__ = (
        "arguments",
        "data",
        "followed",
        "kind",
        "name",
        "offset",
        "pointers",
        "repeat",
        "result_room",
        "size",
        "version",
    )

    def __init__(
        self,
        *,
        kind: int,
        name: bytes,
        version: bytes | None = None,
        offset: int = 0,
        size: int = 0,
        data: bytes = b"",
        arguments: tuple[Argument, ...] = (),
        repeat: int = 1,
        result_room: int = 0,
        followed: tuple[int, ...] = (0,),
        pointers: Pointers = (),
    ) -> None:
        self.kind = kind
        self.name = name
        self.version = version
        self.offset = offset
        self.size = size
        self.data = data
        self.arguments = arguments
        self.repeat = repeat
        self.result_room = result_room
        self.followed = followed
        self.pointers = pointers


class Request:
    """Load ``path``, carry out ``actions`` in order, unload.

    ``parent`` is the process id of the monitor, ``folder`` a private one to work in; ``cpu_seconds`` and ``memory``
    (bytes) are limits. ``lazy`` binds functions at their first call, ``namespace`` loads apart from all that is loaded.
    ``untraced`` says that nobody watches: the worker is to write down itself what ends it. ``sandbox`` asks for walls,
    of which ``network`` and ``processes`` leave some out; nothing runs if one cannot be built and ``strict`` is set.
    ``writable`` are the folders that may be written to.
    """

    __slots__ = (
        "actions",
        "cpu_seconds",
        "folder",
        "lazy",
        "memory",
        "namespace",
        "network",
        "parent",
        "path",
        "processes",
        "sandbox",
        "strict",
        "untraced",
        "writable",
    )

    def __init__(
        self,
        *,
        parent: int,
        folder: bytes,
        path: bytes,
        actions: tuple[Action, ...],
        cpu_seconds: int,
        memory: int,
        lazy: bool,
        sandbox: bool,
        strict: bool,
        network: bool,
        processes: bool,
        writable: tuple[bytes, ...],
        namespace: bool = False,
        untraced: bool = False,
    ) -> None:
        self.parent = parent
        self.folder = folder
        self.path = path
        self.actions = actions
        self.cpu_seconds = cpu_seconds
        self.memory = memory
        self.lazy = lazy
        self.sandbox = sandbox
        self.strict = strict
        self.network = network
        self.processes = processes
        self.writable = writable
        self.namespace = namespace
        self.untraced = untraced

    def pack(self) -> bytes:
        """The request as bytes."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        actions = [{name: getattr(action, name) for name in action.__slots__} for action in self.actions]
        return marshal.dumps({**fields, "actions": actions})

    @classmethod
    def unpack(cls, data: bytes) -> Request:
        """The inverse of :meth:`pack`; only for data of the parent, never for what the worker wrote."""
        fields = marshal.loads(data)  # noqa: S302
        actions = tuple(Action(**action) for action in fields.pop("actions"))
        return cls(actions=actions, **fields)
