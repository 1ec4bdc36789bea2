"""C++ source text as the style rules see it: without comments and literals, and cut into functions."""
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# In this order: a comment or literal that starts first hides what looks like another inside it.
_HIDDEN = re.compile(
    r"""(?P<line>//(?:\\\n|[^\n])*)
      | (?P<block>/\*.*?\*/)
      | (?P<raw>R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)")
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')""", re.X | re.S)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)


def _blank(text):
    """As many lines and columns, but nothing in them."""
    return re.sub(r"[^\n]", " ", text)


def _hide(match):
    text = match.group()
    if match.lastgroup in ("line", "block"):
        return _blank(text)
    return text[0] + _blank(text[1:-1]) + text[-1] if match.lastgroup != "raw" else _blank(text)


@dataclass
class Function:
    name: str
    line: int
    lines: int


class Source:
    """One file. `path` is relative to the root of the tree."""

    def __init__(self, path: Path, text: str):
        self.path = path
        self.text = text
        self.box = path.parts[1] if path.parts[0] == "src" and len(path.parts) == 3 else ""

    @cached_property
    def code(self):
        """Comments and the insides of literals blanked; lines and columns stay."""
        return _HIDDEN.sub(_hide, self.text)

    @cached_property
    def body(self):
        """`code` without preprocessor directives."""
        return _DIRECTIVE.sub(lambda m: _blank(m.group()), self.code)

    @cached_property
    def includes(self):
        """(line, name, is_quoted) of each #include."""
        found = re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]*)', self.text, re.M)
        return [(self.line_at(m.start()), m.group(2), m.group(1) == '"') for m in found
                if self.code[m.end(1) - 1] in '<"']

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def arguments_at(self, opening):
        """The text between the parenthesis at `opening` and its partner."""
        depth = 0
        for index in range(opening, len(self.body)):
            depth += {"(": 1, ")": -1}.get(self.body[index], 0)
            if depth == 0:
                return self.body[opening + 1:index]
        return self.body[opening + 1:]

    @cached_property
    def functions(self):
        return list(_functions(self))


_TYPE = re.compile(r"(?:(?:typedef|static|inline|constexpr|export|const)\s+)*"
                   r"(?:class|struct|union|enum)\b")


def _scope_kind(head):
    """What the `{` after `head` opens: "scope" (functions may follow), "function" or "other"."""
    head = re.sub(r"^(?:\s*(?:public|protected|private|case\b[^:]*|default)\s*:(?!:))*", "", head)
    head = re.sub(r"\[\[.*?\]\]|alignas\s*\([^()]*(?:\([^()]*\)[^()]*)*\)", " ", head, flags=re.S)
    while (match := re.match(r"\s*template\s*<", head)):
        depth, index = 1, match.end()
        while depth and index < len(head):
            depth += {"<": 1, ">": -1}.get(head[index], 0)
            index += 1
        head = head[index:]
    head = head.strip()
    if re.match(r"(?:inline\s+)?namespace\b", head) or re.match(r'extern\s*"[^"]*"$', head):
        return "scope"
    if _TYPE.match(head):
        return "scope"
    opening = head.find("(")
    if opening < 0 or "=" in re.sub(r"operator\s*[^\w\s(]+", "operator", head[:opening]):
        return "other"
    return "function"


def _functions(source):
    """Functions at namespace or class level; a lambda belongs to the function it is written in."""
    body = source.body
    kinds = []         # of the braces that are open
    starts = []        # of the heads of those braces
    head_start = 0
    parentheses = 0
    for index, char in enumerate(body):
        if char in "()":
            parentheses += 1 if char == "(" else -1
        outside = all(kind == "scope" for kind in kinds)
        if char == "{":
            head = body[head_start:index]
            before = head.rstrip()[-1:]
            member = re.search(r"\)[^;{}()]*:(?!:)", head) and (before.isalnum() or before in "_>")
            if not outside or parentheses or member:
                kinds.append("initializer" if outside else "other")
            else:
                kinds.append(_scope_kind(head))
            starts.append((head_start, parentheses))
            if kinds[-1] == "scope":
                head_start = index + 1
        elif char == "}" and kinds:
            kind = kinds.pop()
            start, parentheses = starts.pop()
            if kind == "function":
                start += len(body[start:index]) - len(body[start:index].lstrip())
                signature = body[start:body.index("{", start)]
                name = re.search(r"([\w:~]+)\s*\(", signature)
                first = source.line_at(start)
                yield Function(name.group(1) if name else "?", first,
                               source.line_at(index) - first + 1)
            if kind in ("function", "scope"):
                head_start = index + 1
        elif char == ";" and outside and parentheses == 0:
            head_start = index + 1
