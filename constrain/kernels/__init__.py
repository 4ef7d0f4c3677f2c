"""Numba kernels over flat arrays. They import numpy and numba only; Python classes own the arrays (``tokens/``).

Every kernel takes *tables*: one int64 array holds counters and the address and length of each array of an
arena (``layout.py``). One small argument keeps a call cheap (about 0.3 us; a NamedTuple of arrays costs 2 to 4 us),
and growing an array only changes a number in the table. A kernel never allocates and never raises: when an
arena is full it returns ``-(group + 1)``, the caller doubles that group and calls again. That is safe because
arenas are append-only and an item is published in its hash table only once it is complete.
"""
