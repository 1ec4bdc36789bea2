"""How deep a function's calls go: frames as the unwind table gives them, calls as the disassembly has them."""
import bisect
import re
import subprocess

ROW = re.compile(r"^([0-9a-f]{8,16})\s+(exp|r\w+\+\d+)\s")


def parse_frames(text):
    """`readelf --debug-dump=frames-interp`: [(address, bytes between the caller's stack pointer and ours)], sorted; None
    for bytes that another register knows."""
    rows = []
    for line in text.splitlines():
        if fde := re.search(r"pc=([0-9a-f]+)\.\.([0-9a-f]+)", line):
            # What has no rows of its own is as at a call; a row of the same address is the truer one.
            rows.append((int(fde.group(1), 16), 8))
        elif found := ROW.match(line):
            cfa = re.fullmatch(r"rsp\+(\d+)", found.group(2))
            rows.append((int(found.group(1), 16), int(cfa.group(1)) if cfa else None))
    return sorted(dict(rows).items())


class Frames:
    def __init__(self, library, rows):
        self.library = library
        self.rows = rows
        self.addresses = [address for address, _ in rows]
        self.starts = sorted(library.functions)
        self.indirect = set()   # functions that call through a pointer
        self.unknown = set()    # functions whose frames have no fixed size
        self.known = {}

    def at(self, address):
        place = bisect.bisect_right(self.addresses, address) - 1
        found = self.rows[place][1] if place >= 0 else 8
        name = "" if found is not None else self.library.name_of(self.function_of(address))
        if found is None and not name.startswith("address "):  # else the linker's own
            self.unknown.add(name)
        return found or 8

    def function_of(self, address):
        """First address of the function around it: a cold part is entered in its middle, too."""
        place = bisect.bisect_right(self.starts, address) - 1
        return self.starts[place] if place >= 0 else None

    def leaves(self, first):
        """(bytes on the stack when it leaves, target) of each call and each jump out of the function at `first`."""
        code = self.library.functions[first]
        inside = {instruction.address for instruction in code}
        for instruction in code:
            is_call = instruction.mnemonic.startswith("call")
            if not is_call and not instruction.mnemonic.startswith("j"):
                continue
            depth = self.at(instruction.address) - (0 if is_call else 8)
            if instruction.target is not None:
                if is_call or instruction.target not in inside:
                    yield depth, self.function_of(instruction.target)
            elif instruction.refers_to in self.library.slots:
                yield depth, self.library.address_of(self.library.name_of(instruction.refers_to))
            elif is_call:  # a jump through a register is a switch's
                self.indirect.add(self.library.name_of(first))

    def deepest(self, first, skip):
        """(bytes of stack with the return address, names on the way): of the function at `first` and all it calls.

        skip: a pattern of names that are not entered. Of functions that call each other one may count twice, none more often.
        libc's functions are not in the library and count nothing.
        """
        depth, names, _ = self.walk(first, skip, {})
        return depth, names

    def walk(self, first, skip, above):
        """The same, and the place of the highest function of `above` (address: place) that it would have called again."""
        name = self.library.name_of(first) if first is not None else ""
        if first not in self.library.functions or skip.search(name):
            return 0, [], len(above)
        if first in above:
            return 0, [], above[first]
        if first in self.known:
            return *self.known[first], len(above)
        best = max(self.at(instruction.address) for instruction in self.library.functions[first]), [name]
        place, highest = len(above), len(above)
        for depth, target in self.leaves(first):
            deeper, names, met = self.walk(target, skip, {**above, first: place})
            best = max(best, (depth + deeper, [name, *names]), key=lambda found: found[0])
            highest = min(highest, met)
        # What was cut short because of a function above is deeper where that one is not above.
        if highest >= place:
            self.known[first] = best
        return *best, highest


def read_frames(library, path):
    text = subprocess.run(["readelf", "--debug-dump=frames-interp", path], check=True, capture_output=True,
                          text=True).stdout
    return Frames(library, parse_frames(text))
