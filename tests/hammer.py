"""Threads that switch as often as Python can."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from threading import Thread


def run_at_once(threads: Sequence[Thread]) -> None:
    """Start all threads and wait for all, with a thousand times as many switches between them as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
