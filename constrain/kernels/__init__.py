"""Kernels over flat arrays, in a subset of Python that is compiled through LLVM. Python classes own the arrays
(``tokens/``). ``jit.py`` has the decorators, ``compiler.py`` the subset, ``library.py`` the machine code.

Every kernel takes *tables*: one int64 array holds counters and the address and length of each array of an
arena (``layout.py``). One small argument keeps a call cheap (about 0.1 us), and growing an array only changes a
number in the table. A kernel never allocates and never raises: when an arena is full it returns ``-(group + 1)``,
the caller doubles that group and calls again. That is safe because arenas are append-only and an item is published
in its hash table only once it is complete.
"""
