"""A pickle machine that runs nothing: it reads the opcodes of protocols 0 to 5 and builds inert values.

Python's own unpickler imports what a file names and calls it. This one never imports, so a hostile file can at most
waste time and memory, and for that there is a `Budget`: instructions, bytes of one integer, memo entries. There is no
recursion; nesting a million levels deep costs a million list items and no stack.

    read_pickle(b"\\x80\\x02}X\\x01\\x00\\x00\\x00aK\\x07s.")   ->   value {"a": 7}, end 15, globals ()

The loop is one long `if` ladder, the opcodes of a tensor first, because a method call for each opcode would triple the
time: a state dict of 50,000 tensors is 1.7 million opcodes. What is rare is in `opcodes`.

Opcode meanings: `Lib/pickletools.py` of CPython. What `torch.load(weights_only=True)` accepts: the `Unpickler` class
in `torch/_weights_only_unpickler.py` of torch 2.13.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import Struct
from struct import error as StructProblem  # noqa: N812
from typing import NamedTuple

from ckptlint.checkpoint.inert import Call, Global, PersistentId
from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.opcodes import INLINE_BYTES, WITH_MARK, Budget, CutOff, RareOpcodes, Stumble

_INT32 = Struct("<i").unpack_from
_UINT32 = Struct("<I").unpack_from
_FLOAT = Struct(">d").unpack_from

# The budgets that grow slowly are looked at once in so many instructions.
_INSTRUCTIONS_PER_LOOK = 1000
# A text line of the old protocols: a global's name, a decimal number.
_LINE_BYTES = 65536


class Pickle(NamedTuple):
    """One pickle: its `value`, the offset after its STOP, the globals it names in the order met, the first opcode
    that torch's weights_only reader does not know (None: it knows them all), and the references to storages."""

    value: object
    end: int
    protocol: int
    globals: tuple[Global, ...]
    foreign_opcode: int | None
    persistent: tuple[object, ...]


def read_pickle(
    data: bytes,
    start: int = 0,
    budget: Budget = Budget(),  # noqa: B008 (an immutable value)
    refer: Callable[[object], object] = PersistentId,
) -> Pickle:
    """Read the pickle that starts at `start` of `data`; `refer` makes the value of a persistent id.

    Raises CutOff when `data` ends first, BadCheckpoint when it is no pickle or goes over the budget.
    """
    with collector_paused():
        machine = _Machine(data, budget, refer)
        value, end = machine.run(start)
        return Pickle(
            value, end, machine.protocol, tuple(machine.globals.values()), machine.foreign, tuple(machine.persistent)
        )


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cycle collector from looking at a million small values again and again that all stay alive."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Machine(RareOpcodes):
    """The loop over the opcodes."""

    def run(self, start: int) -> tuple[object, int]:  # noqa: PLR0915 (one ladder on purpose, see the module)
        """Execute from `start` to STOP; any stumble of the input becomes a BadCheckpoint."""
        data = self.data
        size = len(data)
        memo = self.memo
        stack: list[object] = []
        marks: list[list[object]] = []
        ordered = self.ordered
        persistent = self.persistent
        refer = self.refer
        pos = start
        try:
            for _ in range(self.budget.instructions // _INSTRUCTIONS_PER_LOOK):
                if pos - start - self.left_out > self.budget.inline_bytes:
                    raise BadCheckpoint(
                        f"its pickle holds more than {self.budget.inline_bytes:,} bytes beside the tensors, "
                        "far beyond any state dict: it is not listed"
                    )
                if len(memo) > self.budget.memo or len(marks) > self.budget.marks:
                    raise Stumble("nests or remembers more than any state dict does")
                for _ in range(_INSTRUCTIONS_PER_LOOK):
                    op = data[pos]
                    pos += 1
                    if op == 0x72:  # LONG_BINPUT
                        memo[_UINT32(data, pos)[0]] = stack[-1]
                        pos += 4
                    elif op == 0x68:  # BINGET
                        stack.append(memo[data[pos]])
                        pos += 1
                    elif op == 0x58:  # BINUNICODE
                        stop = pos + 4 + _UINT32(data, pos)[0]
                        if stop > size or stop - pos > INLINE_BYTES:
                            stack.append(self.long(pos + 4, stop, "str"))
                        else:
                            stack.append(str(data[pos + 4 : stop], "utf-8", "surrogatepass"))
                        pos = stop
                    elif op == 0x28:  # MARK
                        marks.append(stack)
                        stack = []
                    elif op == 0x74:  # TUPLE
                        items = stack
                        stack = marks.pop()
                        stack.append(tuple(items))
                    elif op == 0x4B:  # BININT1
                        stack.append(data[pos])
                        pos += 1
                    elif op == 0x4D:  # BININT2
                        stack.append(data[pos] | data[pos + 1] << 8)
                        pos += 2
                    elif op == 0x52:  # REDUCE
                        args = stack.pop()
                        func = stack[-1]
                        if func is ordered:
                            stack[-1] = self.ordered_dict(args)
                        else:
                            stack[-1] = Call(func, args, "reduce")
                    elif op == 0x86:  # TUPLE2
                        last = stack.pop()
                        stack[-1] = (stack[-1], last)
                    elif op == 0x4A:  # BININT
                        stack.append(_INT32(data, pos)[0])
                        pos += 4
                    elif op == 0x51:  # BINPERSID
                        stack[-1] = reference = refer(stack[-1])
                        persistent.append(reference)
                    elif op == 0x89:  # NEWFALSE
                        stack.append(False)
                    elif op == 0x29:  # EMPTY_TUPLE
                        stack.append(())
                    elif op == 0x71:  # BINPUT
                        memo[data[pos]] = stack[-1]
                        pos += 1
                    elif op == 0x85:  # TUPLE1
                        stack[-1] = (stack[-1],)
                    elif op == 0x87:  # TUPLE3
                        third = stack.pop()
                        second = stack.pop()
                        stack[-1] = (stack[-1], second, third)
                    elif op == 0x6A:  # LONG_BINGET
                        stack.append(memo[_UINT32(data, pos)[0]])
                        pos += 4
                    elif op == 0x47:  # BINFLOAT
                        stack.append(_FLOAT(data, pos)[0])
                        pos += 8
                    elif op == 0x7D:  # EMPTY_DICT
                        stack.append({})
                    elif op == 0x5D:  # EMPTY_LIST
                        stack.append([])
                    elif op == 0x4E:  # NONE
                        stack.append(None)
                    elif op == 0x88:  # NEWTRUE
                        stack.append(True)
                    elif op == 0x73:  # SETITEM
                        value = stack.pop()
                        key = stack.pop()
                        self.assign(stack[-1], [key, value])
                    elif op == 0x61:  # APPEND
                        value = stack.pop()
                        self.append(stack[-1], [value])
                    elif op == 0x63:  # GLOBAL
                        pos = self.import_global(stack, pos)
                    elif op == 0x2E:  # STOP
                        if not stack:
                            raise Stumble("stops without a value")
                        return stack.pop(), pos
                    elif op in WITH_MARK:
                        items = stack
                        stack = marks.pop()
                        pos = self.with_mark(op, stack, items, pos)
                    elif op == 0x30 and not stack:  # POP of a mark
                        self.note_foreign(op)
                        stack = marks.pop()
                    else:
                        pos = self.rare(op, stack, pos)
        except CutOff:
            raise
        except (Stumble, IndexError, KeyError, StructProblem, UnicodeDecodeError) as error:
            if pos >= size - 9 and isinstance(error, (IndexError, StructProblem)):
                raise CutOff("its pickle is cut off: copy or download the file again") from None
            raise BadCheckpoint(
                f"its pickle is broken near byte {pos}: it {_describe(error)}; "
                "torch.save writes no such thing, so get the file again from where it came"
            ) from None
        raise BadCheckpoint(
            f"its pickle has more than {self.budget.instructions:,} instructions, far beyond any state dict: "
            "it is not listed, and should not be loaded either"
        )


def _describe(error: Exception) -> str:
    if isinstance(error, Stumble):
        return str(error)
    if isinstance(error, KeyError):
        return "refers to something that it never stored"
    if isinstance(error, UnicodeDecodeError):
        return "holds text that is not UTF-8"
    return "takes more from its stack than is there"
