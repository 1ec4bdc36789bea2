"""The style rules. Each is a generator of (line, message) for one source file, and says where it applies."""
import re
from dataclasses import dataclass
from typing import Callable

# Includes go down this list only (DESIGN §5): a box may use itself and what stands before it.
LAYERS = ["base", "os", "config", "superslab", "pool", "front", "large", "profile", "heap", "hardened", "observe", "api"]
LINES_MAX = 400
FUNCTION_LINES_MAX = 70
CONTRACT_WORDS = ["Responsibility", "Contract", "Observable", "Composable"]
PASSKEY, PASSKEY_OWNERS = "PoolKey", ("SharedPool", "PoolShard")


@dataclass(frozen=True)
class Rule:
    name: str
    applies: Callable   # Source -> bool
    check: Callable     # Source -> iterable of (line, message)


RULES = []


def rule(name, applies):
    def add(check):
        RULES.append(Rule(name, applies, check))
        return check
    return add


def _is_cpp(source):
    return source.path.suffix in (".h", ".hpp", ".cpp", ".c")


def _in_src(source):
    return _is_cpp(source) and source.path.parts[0] == "src"


def _above_os(source):
    return _in_src(source) and source.box != "os"


def _find(source, pattern, message, text=None):
    for match in re.finditer(pattern, source.body if text is None else text, re.M):
        yield source.line_at(match.start()), message.format(match.group().strip())


@rule("layers", _in_src)
def layers(source):
    if source.box not in LAYERS:
        yield 1, f"lies in no box; the boxes are {', '.join(LAYERS)}"
        return
    height = LAYERS.index(source.box)
    for line, name, is_quoted in source.includes:
        box = name.split("/")[0]
        if not is_quoted or box == "hakmem":
            continue
        if "/" not in name or box not in LAYERS:
            yield line, f'include "{name}" does not name its box'
        elif LAYERS.index(box) > height:
            yield line, f"{source.box} includes {name}, which is a layer above it"


@rule("file-length", _is_cpp)
def file_length(source):
    lines = source.text.count("\n")
    if lines > LINES_MAX:
        yield lines, f"the file has {lines} lines, more than {LINES_MAX}"


@rule("function-length", _is_cpp)
def function_length(source):
    for function in source.functions:
        if function.lines > FUNCTION_LINES_MAX:
            yield function.line, (f"{function.name} has {function.lines} lines, "
                                  f"more than {FUNCTION_LINES_MAX}")


@rule("contract", lambda s: _in_src(s) and s.path.suffix == ".h")
def contract(source):
    block = re.match(r"(?://[^\n]*\n)*", source.text).group()
    missing = [word for word in CONTRACT_WORDS if not re.search(rf"^// {word}\b", block, re.M)]
    if missing:
        yield 1, f"the comment block that opens the header does not say {', '.join(missing)}"
    if "#pragma once" not in source.code:
        yield 1, "the header has no #pragma once"


@rule("environment", _above_os)
def environment(source):
    yield from _find(source, r"\b(?:environ|__environ|getenv|secure_getenv|setenv|putenv)\b",
                     "{} outside os/")


@rule("system-calls", _above_os)
def system_calls(source):
    for line, name, is_quoted in source.includes:
        if name == "unistd.h" or name.startswith(("sys/", "linux/", "asm/", "os/raw_syscall")):
            yield line, f"{name} is included outside os/"
    yield from _find(source, r"\b(?:SYS_\w+|__NR_\w+|(?:raw_)?syscall)\b|"
                     r"(?<![\w.>:])(?:::\s*)?(?:mmap|munmap|mremap|mprotect|madvise|mincore|s?brk)\s*(?=\()",
                     "{}: a system call outside os/")
    literals = re.finditer(r'"[^"\n]*\b(?:syscall|svc)\b', source.text)
    for match in literals:
        if source.code[match.start()] == '"' and "asm" in source.text[max(0, match.start() - 40):match.start()]:
            yield source.line_at(match.start()), "a system call instruction outside os/"


@rule("conditionals", _above_os)
def conditionals(source):
    yield from _find(source, r"^[ \t]*#[ \t]*if\w*[^\n]*", "{} outside os/", source.code)


# Every operation of std::atomic and of the fences. Lock-like types may not take these names.
_ATOMIC = (r"(?:\.|->)\s*(?:load|store|exchange|fetch_(?:add|sub|and|or|xor)|"
           r"compare_exchange_(?:weak|strong)|test_and_set)\s*\(|"
           r"\b(?:atomic_thread_fence|atomic_signal_fence)\s*\(")


@rule("memory-order", _in_src)
def memory_order(source):
    for match in re.finditer(_ATOMIC, source.body):
        arguments = source.arguments_at(match.end() - 1)
        if "memory_order" not in arguments:
            yield source.line_at(match.start()), f"{match.group().strip()}...) names no memory order"
    # A member that is an atomic, used as if it were a plain variable: the order is not written.
    declared = list(re.finditer(r"\bstd::atomic(?:<[^;={}]*>|_flag|_bool|_int)\s+(\w+_)\b", source.body))
    for name in {match.group(1) for match in declared}:
        use = re.compile(rf"\b{name}(?:\[[^\]]*\])?\s*(?:\+\+|--|[-+&|^]?=(?!=))|"
                         rf"(?:\+\+|--)\s*(?:\w+(?:\.|->))*{name}\b")
        for match in use.finditer(source.body):
            if match.start() not in [declaration.start(1) for declaration in declared]:
                yield source.line_at(match.start()), f"{match.group()}: an atomic used without an order"


@rule("passkey", lambda s: _is_cpp(s) and not (s.path.parts[0] == "src" and s.box == "pool"))
def passkey(source):
    definition = re.search(rf"\bclass\s+{PASSKEY}\s*\{{(.*?)\}}\s*;", source.body, re.S)
    body = source.body
    if definition:
        start, end = definition.span(1)
        friends = re.findall(r"\bfriend\s+([^;]*);", definition.group(1))
        if friends != [f"class {owner}" for owner in PASSKEY_OWNERS]:
            yield source.line_at(start), f"{PASSKEY} may befriend {' and '.join(PASSKEY_OWNERS)} only"
        body = body[:definition.start()] + re.sub(r"[^\n]", " ", definition.group()) + body[definition.end():]
    yield from _find(source, rf"\b{PASSKEY}\s*[({{]|\b{PASSKEY}\s+\w+\s*[;{{=(]|<\s*{PASSKEY}\s*>\s*\(",
                     "{}: only the pool makes a passkey", body)


@rule("sleep", lambda s: s.path.parts[0] == "tests")
def sleep(source):
    code = source.code if _is_cpp(source) else re.sub(r"(?m)(?:^|\s)#.*$", "", source.text)
    yield from _find(source, r"\b\w*sleep(?:_for|_until)?\s*(?=\()", "{}: a test waits for an event, not for time", code)
