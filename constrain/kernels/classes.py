"""Classes of characters that patterns seldom tell apart, and their numbers. Plain data, no kernels.

The vocabulary's quotient (``vocab/quotient.py``) is its trie read in classes instead of bytes: digits, small and
capital letters, each other ASCII byte alone, blocks of other characters. Blocks begin and end where the first two bytes
of UTF-8 change, and what white space, dots and letters of popular patterns split is kept in small blocks of its own.
"""

from __future__ import annotations

# First and last symbol of each class of more than one.
CLASSES = (
    (0x30, 0x39),
    (0x61, 0x7A),
    (0x41, 0x5A),
    (0x80, 0xFF),  # U+00A0 is white space
    (0x100, 0x3FF),
    (0x400, 0x53F),  # Cyrillic
    (0x540, 0x7FF),
    (0x800, 0x167F),
    (0x1680, 0x16BF),  # U+1680 is white space
    (0x16C0, 0x1FFF),
    (0x2000, 0x207F),  # white space and line ends
    (0x2080, 0x2FFF),
    (0x3000, 0x303F),  # U+3000 is white space
    (0x3040, 0x4DFF),
    (0x4E00, 0x9FFF),  # CJK ideographs
    (0xA000, 0xABFF),
    (0xAC00, 0xD7FF),  # Hangul
    (0xE000, 0xFDFF),
    (0xFE00, 0xFFFF),  # U+FEFF is white space
    (0x10000, 0x10FFFF),
)
FIRST_BLOCK = 3  # classes from here on are blocks of characters past ASCII
WIDTH = len(CLASSES)

# Labels of the quotient's edges: an ASCII byte; a class; a token's end inside a character of a block; a token's end
# after a first byte that more than one block shares (label - ``LEAD`` + 0xC0).
CLASS = 128
PARTIAL = CLASS + WIDTH
LEAD = 192

# Bits of the sets "what is read somewhere below a node" and "what keeps a leaf state": ASCII bytes at their own number,
# but control characters other than tab and line ends at one; blocks; bytes that are not UTF-8.
SET_WORDS = 4
CONTROL_BIT, INVALID_BIT, KNOWN_BIT = 0, 1, 2  # ``KNOWN_BIT`` is in no set of bytes: the set has been computed
BLOCK_BIT = 14 - FIRST_BLOCK  # + class


def ascii_bit(byte: int) -> int:
    """The bit of an ASCII byte."""
    return byte if byte >= 0x20 or byte in b"\t\n\r" else CONTROL_BIT
