"""All mutants: each state edge, each bitmap step, each step and memory order of the protocols, what is retained of huge
blocks, the scavenger's sleep and each check of the hardened flavour, broken in turn."""
from hardened_rows import HARDENED_ROWS
from large_rows import LARGE_ROWS
from order_rows import ORDERS
from scavenger_rows import SCAVENGER_ROWS
from state_rows import BITS, EDGES
from step_rows import STEPS

MUTANTS = EDGES + BITS + STEPS + ORDERS + LARGE_ROWS + SCAVENGER_ROWS + HARDENED_ROWS
