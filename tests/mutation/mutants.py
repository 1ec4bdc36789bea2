"""All mutants: each state edge, each bitmap step, each step and memory order of the protocols, broken in turn."""
from order_rows import ORDERS
from state_rows import BITS, EDGES
from step_rows import STEPS

MUTANTS = EDGES + BITS + STEPS + ORDERS
