"""difference.py: say where two runs' outputs differ, in a few lines a person can use."""

from __future__ import annotations

import difflib

LINES_MAX = 30
WIDTH_MAX = 160
BYTES_SHOWN = 16


def is_text(data: bytes) -> bool:
    return b"\0" not in data[:4096] and all(byte >= 9 for byte in data[:4096])


def describe_bytes(expected: bytes, actual: bytes) -> list[str]:
    at = next((i for i, (a, b) in enumerate(zip(expected, actual)) if a != b), min(len(expected), len(actual)))
    return [f"first difference at byte {at} (sizes {len(expected)} and {len(actual)})",
            f"system:  {expected[at:at + BYTES_SHOWN].hex(' ') or '(end)'}",
            f"library: {actual[at:at + BYTES_SHOWN].hex(' ') or '(end)'}"]


def describe(expected: bytes, actual: bytes) -> list[str]:
    """Lines that show the first differences; empty when there are none."""
    if expected == actual:
        return []
    if not (is_text(expected) and is_text(actual)):
        return describe_bytes(expected, actual)
    old, new = (data.decode(errors="backslashreplace").splitlines() for data in (expected, actual))
    at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))
    first = max(0, at - 3)  # difflib is quadratic: it sees the neighbourhood only
    window = slice(first, first + 200)
    lines = [line.rstrip("\n") for line in
             difflib.unified_diff(old[window], new[window], "system", "library", n=2, lineterm="")]
    shown = [line[:WIDTH_MAX] for line in lines[:LINES_MAX]]
    return [f"first difference at line {at + 1} of {len(old)} and {len(new)}", *shown] if shown else describe_bytes(expected, actual)
