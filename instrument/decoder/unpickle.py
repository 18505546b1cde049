"""Reads pickles without running them: a machine of its own that only ever builds inert values.

Python's pickles are programs. `pickle.load` runs them, and a program may import and call
anything. This machine knows the same opcodes as far as checkpoints use them (protocols 2 to 4),
but nothing it does can reach Python: a global is looked up in a table that is handed in, and what
stands there is either nothing, which gives a `Record` that just remembers what it was called
with, or one of our own functions. Whatever is not in the table ends the reading by its name.

Bytes are views of the file and are never copied, so weights cost nothing until they are wanted.
Text longer than any name (the source code that NVIDIA's pickles carry) is read past.

This module knows no checkpoint and no tensor.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import partial

from instrument import InstrumentError
from instrument.decoder.records import Global, LongText, Record

MOST_OPCODES = 500_000  # a StyleGAN3 takes 8000, and a file holds three networks
_MOST_ON_STACK = 100_000
_DEEPEST_MARKS = 1_000
_LONGEST_INTEGER = 16  # bytes; the largest in a checkpoint is torch's magic number, 10
_LONGEST_TEXT = 4096  # bytes; more is nobody's name
_LONGEST_NAME = 200

Make = Callable[[tuple[object, ...]], object]
Globals = Mapping[str, Make | None]


def unpickle(
    data: memoryview, table: Globals, persistent: Make | None = None, start: int = 0
) -> tuple[object, int]:
    """The value of the pickle that begins at byte `start` of `data`, and where it ends.

    `table` names every global a pickle may mention; `persistent` makes a value of the arguments
    of a persistent id. Lists and sets are lists; bytes are views of `data`. Raises
    InstrumentError on what is damaged, too large or not in the table.
    """
    return _Machine(data, table, persistent, start).run()


class _Machine:
    """A stack, a memo and a place in the file."""

    def __init__(
        self, data: memoryview, table: Globals, persistent: Make | None, start: int
    ) -> None:
        self._data = data
        self._table = table
        self._persistent = persistent
        self._at = start
        self._stack: list[object] = []
        self._below: list[list[object]] = []  # the stacks under each mark
        self._memo: dict[int, object] = {}

    def run(self) -> tuple[object, int]:
        for _ in range(MOST_OPCODES):
            code = self._take(1)[0]
            if code == _STOP:
                return self._pop(), self._at
            step = _STEPS.get(code)
            if step is None:
                raise self._damaged(f"has opcode {chr(code)!r}, which no checkpoint needs")
            step(self)
            if len(self._stack) > _MOST_ON_STACK or len(self._below) > _DEEPEST_MARKS:
                raise self._damaged("is nested too deep")
        raise self._damaged(f"has more than {MOST_OPCODES} opcodes")

    def _damaged(self, reason: str) -> InstrumentError:
        return InstrumentError(f"the pickle {reason} (byte {self._at})")

    def _take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            self._at = start
            raise self._damaged("ends in the middle")
        return self._data[start : self._at]

    def _number(self, form: str) -> int:
        number: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _line(self) -> str:
        """Up to the end of the line: half of a global's name."""
        raw = bytes(self._data[self._at : self._at + _LONGEST_NAME])
        end = raw.find(b"\n")
        if end < 0:
            raise self._damaged("has a name without an end")
        self._at += end + 1
        return raw[:end].decode("ascii", "backslashreplace")

    def _pop(self) -> object:
        if not self._stack:
            raise self._damaged("takes from an empty stack")
        return self._stack.pop()

    def _top(self) -> object:
        if not self._stack:
            raise self._damaged("looks at an empty stack")
        return self._stack[-1]

    def _pop_mark(self) -> list[object]:
        if not self._below:
            raise self._damaged("has no mark where one is needed")
        items, self._stack = self._stack, self._below.pop()
        return items

    def _protocol(self) -> None:
        version = self._number("<B")
        if not 2 <= version <= 4:
            raise self._damaged(f"has protocol {version}; allowed are 2, 3 and 4")

    def _frame(self) -> None:
        if self._number("<Q") > len(self._data) - self._at:
            raise self._damaged("ends in the middle of a frame")

    def _integer(self, form: str) -> None:
        self._stack.append(self._number(form))

    def _float(self) -> None:
        self._stack.append(struct.unpack(">d", self._take(8))[0])

    def _long(self, form: str) -> None:
        size = self._number(form)
        if not 0 <= size <= _LONGEST_INTEGER:
            raise self._damaged(f"has an integer of {size} bytes")
        self._stack.append(int.from_bytes(self._take(size), "little", signed=True))

    def _text(self, form: str) -> None:
        size = self._number(form)
        raw = self._take(size)
        if size > _LONGEST_TEXT:
            self._stack.append(LongText(size))
            return
        try:
            self._stack.append(bytes(raw).decode())
        except UnicodeDecodeError as error:
            raise self._damaged("has text that is not UTF-8") from error

    def _bytes(self, form: str) -> None:
        self._stack.append(self._take(self._number(form)))

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _tuple(self, size: int) -> None:
        items = [self._pop() for _ in range(size)]
        self._stack.append(tuple(reversed(items)))

    def _marked_tuple(self) -> None:
        items = tuple(self._pop_mark())
        self._stack.append(items)

    def _marked_list(self) -> None:
        items = self._pop_mark()
        self._stack.append(items)

    def _append(self) -> None:
        self._add([self._pop()])

    def _extend(self) -> None:
        self._add(self._pop_mark())

    def _add(self, items: list[object]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise self._damaged("appends to what is no list")
        target.extend(items)

    def _set_item(self) -> None:
        value = self._pop()
        self._set([self._pop(), value])

    def _set_items(self) -> None:
        self._set(self._pop_mark())

    def _set(self, flat: list[object]) -> None:
        target = self._top()
        if isinstance(target, Record):
            target = target.items
        if not isinstance(target, dict):
            raise self._damaged("sets a key in what is no dict")
        if len(flat) % 2:
            raise self._damaged("has a key without a value")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # Of foreign containers no hash is asked: a deep one would overrun the C stack. And
            # longer integers are easily made to share one, which makes a dict endlessly slow.
            if not isinstance(key, str | int | float | None) or _is_long(key):
                raise self._damaged("has a dict key that is no text and no number")
            target[key] = value

    def _memoise(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def _put(self, form: str) -> None:
        self._memo[self._number(form)] = self._top()

    def _get(self, form: str) -> None:
        number = self._number(form)
        if number not in self._memo:
            raise self._damaged(f"recalls entry {number}, which was never stored")
        self._stack.append(self._memo[number])

    def _global(self) -> None:
        module = self._line()
        self._look_up(module, self._line())

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise self._damaged("has a global whose name is no text")
        self._look_up(module, name)

    def _look_up(self, module: str, name: str) -> None:
        wanted = f"{module}.{name}"
        if wanted not in self._table:
            shown = wanted if wanted.isprintable() else repr(wanted)
            raise InstrumentError(f"wants {shown[:_LONGEST_NAME]}, which no checkpoint needs")
        self._stack.append(Global(wanted))

    def _call(self) -> None:
        """REDUCE and NEWOBJ: both have a global and its arguments on the stack."""
        arguments, target = self._pop(), self._pop()
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            raise self._damaged("calls what is no global")
        make = self._table[target.name]
        self._stack.append(make(arguments) if make else Record(target.name, arguments))

    def _build(self) -> None:
        state = self._pop()
        target = self._top()
        if not isinstance(target, Record):
            raise self._damaged("gives a state to what has none")
        target.state = state

    def _resolve(self) -> None:
        arguments = self._pop()
        if self._persistent is None or not isinstance(arguments, tuple):
            raise self._damaged("has a persistent id where none belongs")
        self._stack.append(self._persistent(arguments))


def _is_long(key: object) -> bool:
    return isinstance(key, int) and key.bit_length() > 63


_STOP = ord(".")
_STEPS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine._protocol,
    0x95: _Machine._frame,
    ord("N"): lambda machine: machine._stack.append(None),
    0x88: lambda machine: machine._stack.append(True),
    0x89: lambda machine: machine._stack.append(False),
    ord(")"): lambda machine: machine._stack.append(()),
    ord("]"): lambda machine: machine._stack.append([]),
    ord("}"): lambda machine: machine._stack.append({}),
    0x8F: lambda machine: machine._stack.append([]),  # a set
    ord("J"): partial(_Machine._integer, form="<i"),
    ord("K"): partial(_Machine._integer, form="<B"),
    ord("M"): partial(_Machine._integer, form="<H"),
    ord("G"): _Machine._float,
    0x8A: partial(_Machine._long, form="<B"),
    0x8B: partial(_Machine._long, form="<i"),
    0x8C: partial(_Machine._text, form="<B"),
    ord("X"): partial(_Machine._text, form="<I"),
    0x8D: partial(_Machine._text, form="<Q"),
    ord("C"): partial(_Machine._bytes, form="<B"),
    ord("B"): partial(_Machine._bytes, form="<I"),
    0x8E: partial(_Machine._bytes, form="<Q"),
    ord("("): _Machine._mark,
    0x85: partial(_Machine._tuple, size=1),
    0x86: partial(_Machine._tuple, size=2),
    0x87: partial(_Machine._tuple, size=3),
    ord("t"): _Machine._marked_tuple,
    ord("a"): _Machine._append,
    ord("e"): _Machine._extend,
    0x90: _Machine._extend,  # a set's
    0x91: _Machine._marked_list,  # a frozen set
    ord("s"): _Machine._set_item,
    ord("u"): _Machine._set_items,
    0x94: _Machine._memoise,
    ord("q"): partial(_Machine._put, form="<B"),
    ord("r"): partial(_Machine._put, form="<I"),
    ord("h"): partial(_Machine._get, form="<B"),
    ord("j"): partial(_Machine._get, form="<I"),
    ord("c"): _Machine._global,
    0x93: _Machine._stack_global,
    ord("R"): _Machine._call,
    0x81: _Machine._call,
    ord("b"): _Machine._build,
    ord("Q"): _Machine._resolve,
}
