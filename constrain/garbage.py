"""Compiling makes many objects that stay; Python's cyclic collector, called for every few hundred, finds nothing.

In a process with a large heap (transformers, torch) one of its full passes takes 50 to 150 ms, which was most of the
time of compiling a large schema. Nothing here makes cyclic garbage, so the collector waits until compiling is done.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collected_later() -> Iterator[None]:
    """Switch the cyclic collector off meanwhile, if it is on. (Reference counts go on freeing what is unused.)"""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
