"""compilers.py: clang++ and g++ compile one large generated file; the object files must be the same bytes."""

from __future__ import annotations

from catalogue import program
from sandbox import Sandbox

HEADERS = ("algorithm", "functional", "map", "memory", "numeric", "regex", "set", "sstream", "string", "tuple", "unordered_map",
           "variant", "vector")

TEMPLATES = """
template <int N> struct Chain { static constexpr long value = (Chain<N - 1>::value * 31 + N) % 65521; };
template <> struct Chain<0> { static constexpr long value = 1; };
template <typename... T> long sizes() { return (0L + ... + static_cast<long>(sizeof(T))); }
template <int K> struct Tag { long v = K; bool operator<(const Tag& o) const { return v < o.v; } };
"""


def unit(number: int) -> str:
    """One part of the file: a type of its own in containers of its own, so that nothing is instantiated twice."""
    n = number
    return f"""
long part{n}(const std::vector<std::string>& words) {{
  std::map<Tag<{n}>, std::vector<std::string>> byTag;
  std::set<std::tuple<Tag<{n}>, int>> seen;
  std::unordered_map<std::string, std::unique_ptr<Tag<{n}>>> owned;
  std::variant<int, Tag<{n}>, std::string> choice = {n};
  for (const auto& w : words) {{
    byTag[Tag<{n}>{{static_cast<long>(w.size() % {n + 3})}}].push_back(w + "{n}");
    owned.emplace(w, std::make_unique<Tag<{n}>>());
    seen.insert({{Tag<{n}>{{}}, {n}}});
    if (w.size() > {n}) choice = w; else choice = Tag<{n}>{{}};
  }}
  std::vector<Tag<{n}>> tags(words.size());
  std::sort(tags.begin(), tags.end(), [](const auto& a, const auto& b) {{ return b.v * {n} < a.v; }});
  std::stable_sort(tags.begin(), tags.end());
  std::function<long(long)> f = [&](long x) {{ return x * Chain<{40 + n}>::value + static_cast<long>(byTag.size()); }};
  return std::accumulate(tags.begin(), tags.end(), f({n}), [](long s, const auto& t) {{ return s + t.v; }}) +
         sizes<Tag<{n}>, decltype(byTag), decltype(choice)>() + static_cast<long>(owned.size() + seen.size() + choice.index());
}}
"""


def source(units: int) -> str:
    regex = 'bool matches(const std::string& s) { static const std::regex r("(a|b)*c+[0-9]{2,5}"); return std::regex_match(s, r); }\n'
    return "".join([*(f"#include <{name}>\n" for name in HEADERS), TEMPLATES, regex, *(unit(n) for n in range(1, units + 1))])


def compile_with(box: Sandbox, compiler: str, units: int) -> None:
    (box.work / "large.cpp").write_text(source(units))
    box.keep_run("stdout", [compiler, "-std=c++20", "-O1", "-w", "-frandom-seed=7", "-c", "large.cpp", "-o", "large.o"])
    box.keep("large.o", (box.work / "large.o").read_bytes())


@program("clang++", needs=["clang++"], images=["clang"])
def clang(box: Sandbox) -> None:
    compile_with(box, "clang++", units=5)


@program("g++", needs=["g++"], images=["cc1plus"])
def gcc(box: Sandbox) -> None:
    """The driver hands LD_PRELOAD on: the proof asks for the compiler proper."""
    compile_with(box, "g++", units=3)
