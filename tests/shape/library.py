"""A shared library as binutils show it: functions, symbols, and what an address inside it stands for."""
import re
import subprocess
from dataclasses import dataclass, field

# The linker puts addr32 before a call whose pointer it could make a plain one of.
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:addr32|notrack|bnd)\s+)*(\S+)\s*(.*)$")
HEAD = re.compile(r"^([0-9a-f]+) <(.+)>:$")
# Assembler's filling between blocks; `xchg %ax,%ax` is a nop of two bytes.
FILLING = re.compile(r"^(?:nop\w*|xchg\s+%ax,%ax|(?:cs|data16)\s.*nop\w*)")


@dataclass(frozen=True)
class Instruction:
    address: int
    mnemonic: str
    operands: str        # AT&T: sources first, destination last
    refers_to: int | None = None  # the address of a RIP-relative operand

    @property
    def target(self):
        """Where a direct jump or call goes."""
        found = re.match(r"^([0-9a-f]+)\b", self.operands)
        return int(found.group(1), 16) if found else None


@dataclass
class Symbol:
    address: int
    size: int
    name: str
    is_exported: bool = False


@dataclass
class Library:
    compiler: str                                    # "g++ 12", "clang++ 14"
    functions: dict[int, list[Instruction]] = field(default_factory=dict)  # by first address
    symbols: list[Symbol] = field(default_factory=list)
    slots: dict[int, str] = field(default_factory=dict)  # GOT entry: whose address is loaded into it

    def code_of(self, name):
        for symbol in self.symbols:
            if symbol.name == name and symbol.address in self.functions:
                return self.functions[symbol.address]
        return None

    def address_of(self, name):
        """Of a function here; None when another library has it."""
        return next((symbol.address for symbol in self.symbols
                     if symbol.name == name and symbol.address in self.functions), None)

    def name_of(self, address):
        """The symbol that an address belongs to: what a GOT entry holds, else what lies there."""
        if address in self.slots:
            return self.slots[address]
        for symbol in self.symbols:
            if symbol.address <= address < symbol.address + max(symbol.size, 1):
                return symbol.name
        return f"address {address:#x}"


def parse_disassembly(text):
    functions, code = {}, []
    for line in text.splitlines():
        head, found = HEAD.match(line), LINE.match(line)
        if head:
            code = functions.setdefault(int(head.group(1), 16), [])
        elif found:
            address, mnemonic, rest = found.groups()
            refers_to = re.search(r"#\s*([0-9a-f]+)", rest)
            operands = re.split(r"[#<]", rest)[0].strip()
            if not FILLING.match(f"{mnemonic} {operands}"):
                code.append(Instruction(int(address, 16), mnemonic, operands,
                                        int(refers_to.group(1), 16) if refers_to else None))
    return functions


def parse_symbols(text):
    """`readelf -Ws`: functions and objects, and the thread-local ones by their offset."""
    symbols, thread_local = [], {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 8 or parts[6] == "UND":
            continue
        name = parts[7].split("@")[0]
        if parts[3] in ("FUNC", "OBJECT", "NOTYPE"):
            symbols.append(Symbol(int(parts[1], 16), int(parts[2], 0), name,
                                  parts[4] in ("GLOBAL", "WEAK") and parts[5] == "DEFAULT"))
        elif parts[3] == "TLS":
            thread_local[int(parts[1], 16)] = name
    return symbols, thread_local


def parse_slots(text, symbols, thread_local):
    """`readelf -rW`: a slot holds a symbol's address, an address of ours, or a thread-local word's offset."""
    at = {symbol.address: symbol.name for symbol in symbols}
    slots = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 4 or not parts[2].startswith("R_X86_64_"):
            continue
        slot, last = int(parts[0], 16), parts[-1]
        if len(parts) > 4:
            slots[slot] = parts[4].split("@")[0]
        elif parts[2] == "R_X86_64_TPOFF64":
            slots[slot] = thread_local.get(int(last, 16), f"thread-local {last}")
        else:
            slots[slot] = at.get(int(last, 16), f"address {last}")
    return slots


def compiler_of(comment):
    """From .comment. A library of clang's also names gcc, which made the C runtime's start files."""
    for name, pattern in (("clang++", r"clang version (\d+)"), ("g++", r"GCC: .*?(\d+)\.\d+\.\d+\s*$")):
        found = re.search(pattern, comment, re.M)
        if found:
            return f"{name} {found.group(1)}"
    return "unknown"


def read_library(path):
    def output(*command):
        return subprocess.run([*command, path], check=True, capture_output=True, text=True).stdout

    symbols, thread_local = parse_symbols(output("readelf", "-Ws"))
    return Library(compiler_of(output("readelf", "-p", ".comment")),
                   parse_disassembly(output("objdump", "-d", "--no-show-raw-insn")), symbols,
                   parse_slots(output("readelf", "-rW"), symbols, thread_local))
