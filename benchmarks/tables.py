"""Markdown tables and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float) -> str:
    """Microseconds and the like: one decimal below a hundred."""
    return "n/a" if math.isnan(value) else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def ratio(value: float, first: float) -> str:
    """How many times ``first`` is ``value``?"""
    if math.isnan(value) or math.isnan(first) or not first:
        return "n/a"
    return f"{value / first:,.0f}x" if value / first >= 100 else f"{value / first:.2g}x"
