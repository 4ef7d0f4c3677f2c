"""The byte alphabet of GPT-2: each byte is written as one printable character.

Bytes that are printable in Latin-1 stand for themselves; the other 68 are written, in order, as U+0100, U+0101, ...
(byte-level BPE: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2; the alphabet
is that of the code released with it). Almost every byte-level
BPE vocabulary (GPT-2, Llama 3, Qwen, DeepSeek, ...) spells its tokens so.
"""

from __future__ import annotations


def _alphabet() -> dict[int, str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + i) for i, byte in enumerate(hidden)}


CHAR_OF_BYTE: dict[int, str] = _alphabet()
"""The character that stands for each of the 256 bytes."""

# For str.translate: a letter of the alphabet becomes the Latin-1 character of its byte; a Latin-1 character outside
# the alphabet (space, controls) becomes one that Latin-1 cannot encode, so that it is noticed.
_TO_LATIN_1 = {i: "\uffff" for i in range(256)} | {ord(char): chr(byte) for byte, char in CHAR_OF_BYTE.items()}


def byte_level_bytes(text: str) -> bytes:
    """Bytes of a token spelled in the alphabet. A token with any other character stands for its own UTF-8 text.

    That second rule is the one of the ``ByteLevel`` decoder of ``tokenizers``, on which added tokens rely. It has a
    sharp edge that is kept: an added token spelled with letters of the alphabet alone, such as an accented letter,
    is decoded as bytes.
    """
    try:
        return text.translate(_TO_LATIN_1).encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")
