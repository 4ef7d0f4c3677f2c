"""Compiling makes many objects that stay; Python's cyclic collector, called for every few hundred, finds nothing.

In a process with a large heap (transformers, torch) one of its full passes takes 50 to 150 ms, which was most of the
time of compiling a large schema. Nothing here makes cyclic garbage, so the collector waits until compiling is done.
"""

from __future__ import annotations

import gc
from types import TracebackType


class collected_later:
    """``with collected_later():`` switches the cyclic collector off meanwhile, if it is on. (Reference counts go on
    freeing what is unused.)"""

    __slots__ = ("_was_on",)

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._was_on:
            gc.enable()
