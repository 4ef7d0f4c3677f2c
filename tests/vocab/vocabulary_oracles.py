"""What the tests of real tokenizers share: texts, random token sequences, and what decoders do with invalid UTF-8."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from hypothesis import strategies as st

TEXTS = [
    "The quick brown fox; can't won't it's 12345.678 (end)\n",
    "Größe, naïve café, Ærøskøbing, Łódź, Tiếng Việt, İstanbul",
    "Ελληνικά, Русский язык, עברית, العَرَبِيَّة, हिन्दी, বাংলা, தமிழ், ไทย, 한국어, 日本語、中文\uff0c𠮷野家",
    "a  b   c    d\t\te\n\n\nf \t \n  g\r\n\r\nh\u00a0i\u2003j\u3000k\u200b.",
    "   leading and trailing   ",
    "\n\n    indented\n",
    "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 👍🏽 🇨🇭 ✈\ufe0f ☃ 🫠 𝄞 \U0001d518\U0001d52b\U0001d526",
    "e\u0301 n\u0303 a\u0308\u0304 Z\u0351\u036b\u0343 \u1100\u1161\u11a8",
    'def f(x: int) -> str:\n    return f"{x!r:>10}" if x % 2 else "\\n\\t\\u00e9"  # ok\n',
    '{"a": [1, -2.5e+10, null, true], "b": {"c": "d\\"e\\\\"}, "": "\\ud83d\\ude00"}',
    "SELECT * FROM t WHERE x <> 'it''s' AND y >= 1e-3; -- done",
    "\x00\x01\x07\x08\x0b\x0c\x0e\x1b[31m\x1f\x7f\x80\x9f",
    "\ufeff\ufffd\uffff\U0010ffff\u2028\u2029\u00ad\u0600\ue000",
    "ĠĊĉ ▁▁ <0x0A> <s> </s",
    " ",
    "x",
]
"""Scripts, runs of white space, emoji with joiners, combining marks, code, controls, look-alikes of special pieces."""

BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


def random_ids(tokens: Sequence[bytes | None]) -> st.SearchStrategy[list[int]]:
    """Sequences of ids that stand for text, with many that are not UTF-8 by themselves."""
    text = [i for i, data in enumerate(tokens) if data is not None]
    broken = [i for i in text if not _is_utf8(tokens[i])]
    short = [i for i in text if len(tokens[i] or b"") == 1]
    pools = [st.sampled_from(pool) for pool in (text, broken, short) if pool]
    return st.lists(st.one_of(pools), max_size=12)


def decode_with_byte_pieces(tokens: Iterable[str], spell: Callable[[bytes], str]) -> str:
    """Text of SentencePiece tokens: ordinary pieces as they are, each run of byte pieces through ``spell``."""
    out, run = [], bytearray()
    for token in tokens:
        if found := BYTE_PIECE.fullmatch(token):
            run.append(int(found[1], 16))
            continue
        out += [spell(bytes(run)), token.replace("▁", " ")]
        run.clear()
    return "".join([*out, spell(bytes(run))])


def replace_whole_run(run: bytes) -> str:
    """``tokenizers``' ByteFallback: a run that is not UTF-8 is one U+FFFD for each byte, valid parts included."""
    return run.decode("utf-8") if _is_utf8(run) else "\ufffd" * len(run)


def replace_each_byte(run: bytes) -> str:
    """SentencePiece: in a run, each byte that starts no valid character is one U+FFFD."""
    out = ""
    while run:
        size = next((n for n in range(1, 5) if len(run) >= n and _is_utf8(run[:n])), 0)
        out += run[:size].decode("utf-8") if size else "\ufffd"
        run = run[size or 1 :]
    return out


def _is_utf8(data: bytes | None) -> bool:
    try:
        (data or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
