"""The opcodes that torch seldom or never writes, and the state of the pickle machine that they share.

See `machine` for the loop. A method here takes the stack (without what lies under the last mark) and the position after
the opcode, and returns the position after its argument. What no pickle may do raises `Stumble`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from ckptlint.checkpoint.inert import Blob, Call, Global, OrderedDictValue
from ckptlint.checkpoint.model import BadCheckpoint

_INT32 = Struct("<i").unpack_from

# Strings and bytes longer than this stay in the file (a `Blob`).
INLINE_BYTES = 16384
# A text line of the old protocols: a global's name, a decimal number.
_LINE_BYTES = 65536

# The opcodes that torch's weights_only reader knows (`Unpickler` in torch/_weights_only_unpickler.py of torch 2.13);
# any other makes it refuse the file.
_WEIGHTS_ONLY_OPCODES = frozenset(b"c\x81Rbaesu(t\x85\x86\x87N\x89\x88)]}\x8fJKMGXUQhjqr\x8a\x80.")

# SETITEMS APPENDS DICT LIST OBJ INST ADDITEMS FROZENSET POP_MARK
WITH_MARK = frozenset(b"\x75\x65\x64\x6c\x6f\x69\x90\x91\x31")
# PERSID GET PUT INT LONG FLOAT STRING UNICODE
_TEXT = frozenset(b"\x50\x67\x70\x49\x4c\x46\x53\x56")


class Budget(NamedTuple):
    """What one pickle may cost. The defaults hold 170,000 tensors and keep the machine below 500 MB and 5 s.

    Bytes are those outside of long strings. `expanded` counts what one instruction can make much of: sets, byte arrays,
    the pairs that Python 2's way to pickle an OrderedDict takes from lists. A torch.save pickle has four bytes an
    instruction, a memo entry for every third, and less than a hundred globals.
    """

    instructions: int = 6_000_000
    inline_bytes: int = 48_000_000
    integer_bytes: int = 1024
    key_parts: int = 64
    memo: int = 2_500_000
    marks: int = 100_000
    globals: int = 20_000
    expanded: int = 500_000


class CutOff(BadCheckpoint):
    """The data ended before the pickle did: more data may help."""


class Stumble(Exception):  # noqa: N818 (not an error yet: `machine` turns it into a BadCheckpoint)
    """The input does what no pickle may; the text goes on after "it"."""


class RareOpcodes:
    """The state that the rare opcodes share; the stack of the current mark is a local of the loop."""

    def __init__(self, data: bytes, budget: Budget, refer: Callable[[object], object]) -> None:
        """A machine at its start: nothing stored, no global seen."""
        self.data = data
        self.budget = budget
        self.memo: dict[int, object] = {}
        self.globals: dict[tuple[str, str], Global] = {}
        self.ordered = Global("collections", "OrderedDict")
        self.refer = refer
        self.persistent: list[object] = []
        self.left_out = 0
        self.expanded = 0
        self.foreign: int | None = None
        self.protocol = 0

    def note_foreign(self, op: int) -> None:
        """Remember the first opcode that torch's weights_only reader does not know."""
        if self.foreign is None and op not in _WEIGHTS_ONLY_OPCODES:
            self.foreign = op

    def long(self, start: int, stop: int, kind: str) -> object:
        """A string or bytes value: itself, a `Blob` when it is long, CutOff when it is longer than the file."""
        if stop > len(self.data):
            raise CutOff("its pickle is cut off in the middle of a string: copy or download the file again")
        if stop - start > INLINE_BYTES:
            self.left_out += stop - start
            return Blob(kind, start, stop - start)
        raw = bytes(self.data[start:stop])
        return str(raw, "utf-8", "surrogatepass") if kind == "str" else raw

    def _expand(self, count: int) -> None:
        self.expanded += count
        if self.expanded > self.budget.expanded:
            raise Stumble("makes dictionaries or sets over and over")

    def ordered_dict(self, args: object) -> OrderedDictValue:
        """`OrderedDict()`, or Python 2's `OrderedDict([[key, value], ...])`."""
        made = OrderedDictValue()
        if args == ():
            return made
        if type(args) is tuple and len(args) == 1 and type(args[0]) in (list, tuple):
            self._expand(len(args[0]))
            flat: list[object] = []
            for pair in args[0]:
                if type(pair) not in (list, tuple) or len(pair) != 2:
                    raise Stumble("makes an OrderedDict of something that is no list of pairs")
                flat.extend(pair)
            self.assign(made, flat)
            return made
        raise Stumble("makes an OrderedDict of something that is no list of pairs")

    def assign(self, target: object, flat: list[object]) -> None:
        """`target[flat[0]] = flat[1]` and so on."""
        if len(flat) % 2:
            raise Stumble("sets a key without a value")
        keys = flat[::2]
        for key in keys:
            if type(key) is not str:
                self._check_key(key)
        if isinstance(target, dict):
            target.update(zip(keys, flat[1::2], strict=True))
        elif type(target) is Call:
            if target.assigned is None:
                target.assigned = []
            target.assigned.extend(zip(keys, flat[1::2], strict=True))
        else:
            raise Stumble(f"sets a key of a {type(target).__name__}, which has none")

    def _check_key(self, key: object) -> None:
        """Hashing recurses into tuples, and equal hashes make a dict slow: allow only the keys that people use."""
        waiting = [key]
        for _ in range(self.budget.key_parts):
            part = waiting.pop()
            if type(part) is tuple and len(part) <= self.budget.key_parts:
                waiting.extend(part)
            elif type(part) is tuple:
                break
            elif isinstance(part, int) and not -(2**60) < part < 2**60:
                raise Stumble("uses a giant integer as a key")
            elif isinstance(part, (dict, list)):
                raise Stumble(f"uses a {type(part).__name__} as a key")
            if not waiting:
                return
        raise Stumble("uses a tuple of many parts as a key")

    def append(self, target: object, items: list[object]) -> None:
        """`target.extend(items)`."""
        if type(target) is list:
            target.extend(items)
        elif type(target) is Call:
            if target.appended is None:
                target.appended = []
            target.appended.extend(items)
        else:
            raise Stumble(f"appends to a {type(target).__name__}, which is no list")

    def _name(self, module: str, name: str) -> Global:
        """The one `Global` for a name, so that identity is equality."""
        found = self.globals.get((module, name))
        if found is None:
            if len(self.globals) >= self.budget.globals:
                raise Stumble(f"names more than {self.budget.globals:,} globals")
            ordered = (module, name) == ("collections", "OrderedDict")
            found = self.globals[(module, name)] = self.ordered if ordered else Global(module, name)
        return found

    def _line(self, pos: int) -> tuple[bytes, int]:
        stop = self.data.find(b"\n", pos, pos + _LINE_BYTES)
        if stop < 0:
            if len(self.data) - pos < _LINE_BYTES:
                raise CutOff("its pickle is cut off in the middle of a line: copy or download the file again")
            raise Stumble("has a line that never ends")
        return bytes(self.data[pos:stop]), stop + 1

    def import_global(self, stack: list[object], pos: int) -> int:
        """Push the record of a name that stands in two lines."""
        module, pos = self._line(pos)
        name, pos = self._line(pos)
        stack.append(self._name(module.decode(), name.decode()))
        return pos

    def with_mark(self, op: int, stack: list[object], items: list[object], pos: int) -> int:
        """The opcodes that take everything above the mark (`items`)."""
        self.note_foreign(op)
        if op == 0x75:  # SETITEMS
            self.assign(stack[-1], items)
        elif op == 0x65:  # APPENDS
            self.append(stack[-1], items)
        elif op == 0x64:  # DICT
            made: dict[object, object] = {}
            self.assign(made, items)
            stack.append(made)
        elif op == 0x6C:  # LIST
            stack.append(items)
        elif op == 0x6F:  # OBJ
            stack.append(Call(items[0], tuple(items[1:]), "reduce"))
        elif op == 0x69:  # INST
            pos = self.import_global(stack, pos)
            stack[-1] = Call(stack[-1], tuple(items), "reduce")
        elif op == 0x90:  # ADDITEMS
            target = stack[-1]
            if type(target) is not Call or type(target.args) is not tuple or not target.args:
                raise Stumble("adds to what is no set")
            self.append(target.args[0], items)
        elif op == 0x91:  # FROZENSET
            stack.append(Call(self._name("builtins", "frozenset"), (items,), "reduce"))
        return pos  # 0x31, POP_MARK, drops them

    def rare(self, op: int, stack: list[object], pos: int) -> int:  # noqa: PLR0915 (one opcode, one branch)
        """One of the opcodes that torch seldom or never writes."""
        data = self.data
        self.note_foreign(op)
        if op == 0x80:  # PROTO
            self.protocol = data[pos]
            if self.protocol > 5:
                raise BadCheckpoint(f"it says it is pickle protocol {self.protocol}, which does not exist")
            return pos + 1
        if op in (0x55, 0x54, 0x43, 0x42, 0x8C, 0x8D, 0x8E, 0x96):
            return self._counted(op, stack, pos)
        if op in (0x8A, 0x8B):  # LONG1, LONG4
            width = 1 if op == 0x8A else 4
            count = data[pos] if op == 0x8A else _INT32(data, pos)[0]
            pos += width
            if not 0 <= count <= self.budget.integer_bytes:
                raise Stumble("holds a giant integer")
            if pos + count > len(data):
                raise CutOff("its pickle is cut off in the middle of a number: copy or download the file again")
            stack.append(int.from_bytes(data[pos : pos + count], "little", signed=True))
            return pos + count
        if op == 0x81:  # NEWOBJ
            args = stack.pop()
            stack[-1] = Call(stack[-1], args, "newobj")
        elif op == 0x92:  # NEWOBJ_EX
            keywords = stack.pop()
            args = stack.pop()
            stack[-1] = Call(stack[-1], (args, keywords), "newobj_ex")
        elif op == 0x62:  # BUILD
            state = stack.pop()
            target = stack[-1]
            if not isinstance(target, (Call, OrderedDictValue)):
                raise Stumble(f"sets attributes of a {type(target).__name__}")
            target.state = state
        elif op == 0x8F:  # EMPTY_SET
            self._expand(1)
            stack.append(Call(self._name("builtins", "set"), ([],), "reduce"))
        elif op == 0x93:  # STACK_GLOBAL
            name = stack.pop()
            module = stack.pop()
            if type(name) is not str or type(module) is not str:
                raise Stumble("names a global by something that is no text")
            stack.append(self._name(module, name))
        elif op == 0x94:  # MEMOIZE
            self.memo[len(self.memo)] = stack[-1]
        elif op == 0x95:  # FRAME
            return pos + 8
        elif op == 0x30:  # POP
            stack.pop()
        elif op == 0x32:  # DUP
            stack.append(stack[-1])
        elif op in (0x82, 0x83, 0x84):  # EXT1, EXT2, EXT4
            width = {0x82: 1, 0x83: 2, 0x84: 4}[op]
            code = int.from_bytes(data[pos : pos + width], "little")
            stack.append(self._name("copyreg", f"extension {code}"))
            return pos + width
        elif op in _TEXT:
            return self._text(op, stack, pos)
        else:
            raise Stumble(f"has the byte 0x{op:02x} where an instruction should be")
        return pos

    def _counted(self, op: int, stack: list[object], pos: int) -> int:
        """Strings and bytes that are preceded by their length."""
        width = {0x55: 1, 0x54: 4, 0x43: 1, 0x42: 4, 0x8C: 1, 0x8D: 8, 0x8E: 8, 0x96: 8}[op]
        if pos + width > len(self.data):
            raise CutOff("its pickle is cut off: copy or download the file again")
        count = int.from_bytes(self.data[pos : pos + width], "little")
        start = pos + width
        kind = "str" if op in (0x8C, 0x8D) else "bytes"
        value = self.long(start, start + count, kind)
        if op in (0x55, 0x54) and type(value) is bytes:  # Python 2's str: text where it can be
            value = _text_or_bytes(value)
        if op == 0x96:  # BYTEARRAY8
            self._expand(1)
            value = Call(self._name("builtins", "bytearray"), (value,), "reduce")
        stack.append(value)
        return start + count

    def _text(self, op: int, stack: list[object], pos: int) -> int:
        """The opcodes of protocol 0, whose argument is a line of text."""
        line, pos = self._line(pos)
        if op == 0x50:  # PERSID
            self.persistent.append(self.refer(line.decode()))
            stack.append(self.persistent[-1])
        elif op == 0x67:  # GET
            stack.append(self.memo[self._number(line)])
        elif op == 0x70:  # PUT
            self.memo[self._number(line)] = stack[-1]
        elif op == 0x49 and line in (b"00", b"01"):  # INT that is a bool
            stack.append(line == b"01")
        elif op in (0x49, 0x4C):  # INT, LONG
            stack.append(self._number(line.rstrip(b"L")))
        elif op == 0x46:  # FLOAT
            try:
                stack.append(float(line))
            except ValueError:
                raise Stumble("has a number that is none") from None
        elif op == 0x53:  # STRING
            if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
                raise Stumble("has a string without quotes")
            stack.append(_text_or_bytes(line[1:-1].decode("unicode_escape").encode("latin-1", "replace")))
        else:  # 0x56, UNICODE
            stack.append(line.decode("raw_unicode_escape"))
        return pos

    def _number(self, line: bytes) -> int:
        if len(line) > self.budget.integer_bytes:
            raise Stumble("holds a giant integer")
        try:
            return int(line)
        except ValueError:
            raise Stumble("has a number that is none") from None


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
