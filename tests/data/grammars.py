"""Curated grammars with member and non-member texts, written by hand: data for every engine and every twin."""

from __future__ import annotations

from dataclasses import dataclass

from constrain.ir import rx
from constrain.ir.grammar import (
    EMPTY,
    NEVER,
    Bag,
    Choice,
    Encoding,
    Expr,
    Grammar,
    Item,
    Joined,
    Literal,
    Ref,
    Repeat,
    Seq,
    Terminal,
)
from constrain.ir.rx import ANY_BYTE, ANY_CHAR, EPSILON, Rx


@dataclass(frozen=True)
class Case:
    name: str
    grammar: Grammar
    accept: tuple[bytes, ...]
    reject: tuple[bytes, ...]


CASES: list[Case] = []


def case(name: str, rules: dict[str, Expr] | Expr, accept: list[str | bytes], reject: list[str | bytes]) -> None:
    """Add a case; the first rule is the start; texts given as ``str`` are meant as UTF-8."""
    rules = rules if isinstance(rules, dict) else {"start": rules}
    grammar = Grammar(next(iter(rules)), rules)
    CASES.append(Case(name, grammar, _texts(accept), _texts(reject)))


def _texts(texts: list[str | bytes]) -> tuple[bytes, ...]:
    return tuple(t if isinstance(t, bytes) else t.encode() for t in texts)


def lit(text: str | bytes) -> Literal:
    return Literal(text if isinstance(text, bytes) else text.encode())


def term(expr: Rx, encoding: Encoding = "utf8", low: int = 0, high: int | None = None) -> Terminal:
    return Terminal(expr, encoding, low, high)


def one_of(text: str) -> Rx:
    return rx.chars((ord(c), ord(c)) for c in text)


def span(first: str, last: str) -> Rx:
    return rx.chars(((ord(first), ord(last)),))


def some(body: Rx) -> Rx:
    return rx.repeat(body, 1, None)


def many(body: Rx) -> Rx:
    return rx.repeat(body, 0, None)


DIGIT = span("0", "9")
WORD = some(span("a", "z"))
ANYTHING = many(ANY_CHAR)
QUOTED = rx.concat((one_of('"'), many(rx.chars(rx.invert_ranges(((0, 31), (34, 34), (92, 92))))), one_of('"')))

# --- Shapes of recursion -------------------------------------------------------------------------------------------

case(
    "arithmetic, left-recursive",
    {
        "e": Choice(Seq(Ref("e"), lit("+"), Ref("t")), Ref("t")),
        "t": Choice(Seq(Ref("t"), lit("*"), Ref("f")), Ref("f")),
        "f": Choice(Seq(lit("("), Ref("e"), lit(")")), term(some(DIGIT))),
    },
    ["1", "12+3", "1+2*3+4", "(1)", "((1+2)*3)", "1*(2+(3))"],
    ["", "+", "1+", "(1", "1)", "()", "1++2", "1 +2"],
)
case(
    "arithmetic, ambiguous",
    {"e": Choice(Seq(Ref("e"), lit("+"), Ref("e")), Seq(Ref("e"), lit("*"), Ref("e")), lit("x"))},
    ["x", "x+x", "x+x*x", "x*x*x+x+x*x+x"],
    ["", "x+", "*x", "xx", "x+*x"],
)
case(
    "indirect left recursion",
    {
        "a": Choice(Seq(Ref("b"), lit("x")), lit("p")),
        "b": Choice(Seq(Ref("c"), lit("y")), lit("q")),
        "c": Choice(Seq(Ref("a"), lit("z")), lit("r")),
    },
    ["p", "qx", "ryx", "pzyx", "qxzyx", "ryxzyxzyx"],
    ["", "q", "px", "yx", "pz", "pzy", "pzyxz", "ryxx"],
)
case(
    "hidden left recursion behind a nullable rule",
    {"a": Choice(Seq(Ref("n"), Ref("a"), lit("x")), lit("y")), "n": Choice(EMPTY, lit("n"))},
    ["y", "yx", "yxx", "nyx", "nnyxx", "nyxx"],
    ["", "ny", "x", "nnyx", "yn", "nyxxn"],
)
case(
    "right recursion",
    {"s": Choice(EMPTY, Seq(lit("ab"), Ref("s")))},
    ["", "ab", "ababab"],
    ["a", "aba", "ba", "abb"],
)
case(
    "counted sequences that begin with a rule that nothing else names",
    {"s": Repeat(Ref("r"), 0, None), "r": Repeat(Seq(Ref("x"), lit("b")), 2, 3), "x": Repeat(lit("a"), 1, 2)},
    ["", "abab", "abaabab", "abababab"],
    ["ab", "aab", "abaaab", "ababa"],
)
case(
    "a rule in what never happens, and a counted one that is empty",
    {"s": Seq(Repeat(Ref("x"), 0, 0), Repeat(Repeat(Ref("e"), 0, None), 2, 2), lit("a")), "x": lit("b"), "e": EMPTY},
    ["a"],
    ["", "b", "ba"],
)
case(
    "elements of a bag that begin with a rule",
    {"s": Bag((Item(Seq(Ref("x"), lit("1"))), Item(Seq(Ref("y"), lit("2")))), lit(",")), "x": lit("a"), "y": lit("a")},
    ["", "a1", "a2", "a2,a1", "a1,a2"],
    ["a", "a1,a1", "a1,", "b1"],
)
case(
    "a rule that is itself",
    {"s": Choice(Ref("s"), lit("a"))},
    ["a"],
    ["", "aa", "b"],
)
case(
    "unit cycle of three rules",
    {"a": Choice(Ref("b"), lit("1")), "b": Choice(Ref("c"), lit("2")), "c": Choice(Ref("a"), lit("3"))},
    ["1", "2", "3"],
    ["", "12", "4", "33"],
)
case(
    "nullable cycle with doubling",
    {"s": Choice(Seq(Ref("s"), Ref("s")), lit("a"), EMPTY)},
    ["", "a", "aa", "aaaaaaa"],
    ["b", "ab", "aab"],
)
case(
    "nullable chain",
    {
        "s": Seq(Ref("a"), Ref("b"), Ref("c")),
        "a": Choice(EMPTY, lit("a")),
        "b": Choice(Ref("a"), lit("b")),
        "c": Choice(Ref("b"), Seq(lit("c"), Ref("a"))),
    },
    ["", "a", "aa", "aaa", "b", "ab", "aba", "abca", "bb", "abb", "ca"],
    ["aaaa", "cb", "ba" * 2, "bbb", "cc"],
)
case(
    "middle recursion, palindromes",
    {"p": Choice(Seq(lit("a"), Ref("p"), lit("a")), Seq(lit("b"), Ref("p"), lit("b")), lit("a"), lit("b"), EMPTY)},
    ["", "a", "bb", "aba", "abba", "aabbaa", "babab"],
    ["ab", "ba", "aab", "abab", "abbb"],
)
case(
    "x^n then n letters of y or z: stacks differ, sets stay small",
    {"s": Choice(EMPTY, Seq(lit("x"), Ref("s"), lit("y")), Seq(lit("x"), Ref("s"), lit("z")))},
    ["", "xy", "xz", "xxyz", "xxxzyz", "xxxxxyzyzy"],
    ["x", "y", "xxy", "xyz", "yx", "xyxy"],
)
case(
    "dangling else",
    {"s": Choice(Seq(lit("if "), Ref("s")), Seq(lit("if "), Ref("s"), lit(" else "), Ref("s")), lit("a"), lit("b"))},
    ["a", "if a", "if a else b", "if if a else b", "if if a else b else a", "if a else if b"],
    ["", "if", "if ", "a else b", "if a else", "if a else b else a"],
)
case(
    "balanced brackets of three kinds",
    {
        "s": Repeat(
            Choice(
                Seq(lit("("), Ref("s"), lit(")")),
                Seq(lit("["), Ref("s"), lit("]")),
                Seq(lit("{"), Ref("s"), lit("}")),
            ),
            0,
            None,
        )
    },
    ["", "()", "([]{})", "()[]{}", "((({}))[])"],
    ["(", ")", "(]", "([)]", "())", "}{"],
)
case(
    "equal numbers a^n b^n or a^n b^2n",
    {
        "s": Choice(Ref("one"), Ref("two")),
        "one": Choice(lit("ab"), Seq(lit("a"), Ref("one"), lit("b"))),
        "two": Choice(lit("abb"), Seq(lit("a"), Ref("two"), lit("bb"))),
    },
    ["ab", "abb", "aabb", "aabbbb", "aaabbb", "aaabbbbbb"],
    ["", "a", "aab", "aabbb", "aaabbbb", "aabbbbb"],
)
case(
    "union of two context-free languages a^i b^j c^k with i = j or j = k",
    {
        "s": Choice(Seq(Ref("ab"), Repeat(lit("c"), 0, None)), Seq(Repeat(lit("a"), 0, None), Ref("bc"))),
        "ab": Choice(EMPTY, Seq(lit("a"), Ref("ab"), lit("b"))),
        "bc": Choice(EMPTY, Seq(lit("b"), Ref("bc"), lit("c"))),
    },
    ["", "abc", "aabbc", "abbcc", "aaa", "ccc", "aabbcc", "abccc", "aaabc"],
    ["aabbbc", "b", "bbc", "aab", "ba", "abcb"],
)
case(
    "mutual recursion through a repeat",
    {
        "list": Seq(lit("["), Repeat(Seq(Ref("item"), lit(";")), 0, None), lit("]")),
        "item": Choice(lit("x"), Ref("list"), Seq(lit("<"), Ref("list"), lit(">"))),
    },
    ["[]", "[x;]", "[x;x;]", "[[];<[x;]>;]"],
    ["", "[x]", "[;]", "[<>;]", "[[]"],
)
case(
    "unproductive alternative is no alternative",
    {"s": Choice(Seq(lit("a"), Ref("dead")), lit("ab")), "dead": Seq(lit("x"), Ref("dead"))},
    ["ab"],
    ["", "a", "ax", "axx"],
)
case(
    "one text by many routes",
    {
        "s": Choice(Seq(Ref("x"), Ref("y")), lit("abc")),
        "x": Choice(lit("a"), lit("ab")),
        "y": Choice(lit("bc"), lit("c")),
    },
    ["abc", "abbc", "ac"],
    ["ab", "abcc", "abb", "bc"],
)

# --- Repeats and joins ---------------------------------------------------------------------------------------------

case("exact count", Repeat(lit("ab"), 3, 3), ["ababab"], ["", "ab", "abab", "abababab", "ababa"])
case("between two and four", Repeat(lit("a"), 2, 4), ["aa", "aaa", "aaaa"], ["", "a", "aaaaa", "ab"])
case("zero times", Seq(lit("x"), Repeat(lit("a"), 0, 0), lit("y")), ["xy"], ["xay", "x", ""])
case("at least two", Repeat(Choice(lit("a"), lit("bb")), 2, None), ["aa", "abb", "bbbba"], ["a", "bb", "ab", ""])
case(
    "nested counted repeats",
    Repeat(Seq(Repeat(lit("a"), 1, 2), lit(",")), 2, 3),
    ["a,a,", "aa,a,", "a,aa,a,", "aa,aa,aa,"],
    ["", "a,", "aaa,a,", "a,a,a,a,", "a,a", "a,,a,"],
)
case(
    "counted repeat of a nullable body",
    Repeat(Repeat(lit("a"), 0, 2), 3, 3),
    ["", "a", "aaaa", "aaaaaa"],
    ["aaaaaaa", "b", "ab"],
)
case(
    "star of a nullable body",
    Repeat(Choice(EMPTY, lit("a"), Seq(lit("b"), Repeat(lit("c"), 0, None))), 0, None),
    ["", "a", "b", "bcc", "abcabcc"],
    ["c", "ac", "bd"],
)
case(
    "ambiguous counted repeat",
    Seq(Repeat(Choice(lit("a"), lit("aa")), 2, 3), lit("a")),
    ["aaa", "aaaa", "aaaaaaa"],
    ["", "a", "aa", "aaaaaaaa"],
)
case(
    "counted repeat of a recursive rule",
    {"s": Seq(lit("("), Repeat(Ref("s"), 0, 2), lit(")"))},
    ["()", "(())", "(()())", "((()())())"],
    ["", "(", "(()()())", "()()"],
)
case(
    "joined, all optional",
    Seq(lit("{"), Joined(((lit("a"), False), (lit("b"), False), (lit("c"), False)), lit(",")), lit("}")),
    ["{}", "{a}", "{b}", "{a,b}", "{a,c}", "{b,c}", "{a,b,c}"],
    ["{", "{,}", "{a,}", "{,a}", "{b,a}", "{ab}", "{a,,c}", "{c,c}"],
)
case(
    "joined, some required",
    Joined(((lit("a"), False), (lit("b"), True), (lit("c"), False), (lit("d"), True)), lit(", ")),
    ["b, d", "a, b, d", "b, c, d", "a, b, c, d"],
    ["", "d", "a, d", "b", "b, c", "a, b, d, ", "b,d"],
)
case(
    "joined with items that may be empty",
    Joined(((Repeat(lit("a"), 0, 1), True), (Repeat(lit("b"), 0, 1), False)), lit(",")),
    ["", "a", ",", "a,", ",b", "a,b"],
    ["b", ",,", "ab", ",a"],
)
case(
    "joined that recurs",
    {"o": Seq(lit("<"), Joined(((lit("k"), False), (Ref("o"), False), (lit("z"), False)), lit("|")), lit(">"))},
    ["<>", "<k>", "<k|<>>", "<<k|z>|z>", "<k|<<>>|z>"],
    ["", "<|>", "<k|>", "<z|k>", "<<>"],
)

# --- Terminals -----------------------------------------------------------------------------------------------------

case(
    "keys excluded by complement",
    Seq(
        lit('"'),
        Choice(
            Seq(lit('id":'), term(some(DIGIT))),
            Seq(term(WORD - (rx.literal("id") | rx.literal("idx"))), lit('":true')),
        ),
    ),
    ['"id":1', '"i":true', '"idy":true', '"ix":true', '"idxx":true', '"name":true'],
    ['"id":true', '"idx":true', '"idx":1', '"i":1', '"":true', '"ID":true'],
)
case(
    "intersection: contains ab and is of even length",
    term(
        rx.intersect(
            (
                rx.concat((ANYTHING, rx.literal("ab"), ANYTHING)),
                rx.repeat(rx.concat((ANY_CHAR, ANY_CHAR)), 0, None),
            )
        )
    ),
    ["ab", "xaby", "aaab", "éabé"],
    ["", "a", "ba", "xab", "abé"],
)
case(
    "comment that ends at its first end mark",
    Seq(lit("/*"), term(rx.complement(rx.concat((ANYTHING, rx.literal("*/"), ANYTHING)))), lit("*/")),
    ["/**/", "/* x */", "/***/", "/* / * */", "/*é*/"],
    ["/*", "/*/", "/* */ */", "/**/*/", "/*\n* /"],
)
case(
    "complement of a text, then anything that follows",
    Seq(term(rx.complement(rx.literal("no"))), lit("!")),
    ["!", "n!", "no!!", "not!", "é!"],
    ["no!", "no", "x"],
)
case(
    "difference of classes",
    term(rx.repeat(span("a", "z") - one_of("aeiou"), 1, 3)),
    ["b", "xyz", "zz"],
    ["", "a", "be", "bcdf", "B"],
)
case(
    "characters of one to four bytes",
    term(rx.repeat(rx.chars(((0x61, 0x63), (0xE9, 0xE9), (0x20AC, 0x20AC), (0x1F600, 0x1F64F))), 1, 2)),
    ["a", "é", "€", "😀", "a€", "🙏é"],
    ["", "d", "è", "😀😀😀", b"\xc3", b"\xf0\x9f\x98", "\U0001f650", b"\xa9"],
)
case(
    "any character is well-formed UTF-8",
    term(rx.repeat(ANY_CHAR, 1, 1)),
    ["a", "\0", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"],
    ["", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
     b"\xf5\x80\x80\x80", b"\xff", "ab", b"\xe2\x82"],
)  # fmt: skip
case(
    "window counts characters, not bytes",
    term(ANYTHING, low=2, high=3),
    ["ab", "éé", "😀a😀", "abc"],
    ["", "é", "a", "abcd", b"a\xc3", "éééé"],
)
case(
    "window on a word",
    Seq(term(WORD, low=3, high=5), lit("-")),
    ["abc-", "abcde-"],
    ["ab-", "abcdef-", "abc", "-", "aBc-"],
)
case(
    "window that the expression narrows",
    term(rx.repeat(rx.literal("ab"), 0, None), low=3, high=5),
    ["abab"],
    ["", "ab", "aba", "ababa", "ababab"],
)
case(
    "adjacent terminals split in every way",
    Seq(term(many(one_of("ab"))), term(many(one_of("bc"))), term(some(one_of("b")))),
    ["b", "abcb", "bbb", "abab" + "cbb", "bcb"],
    ["", "abc", "cab", "ba", "bca"],
)
case(
    "bytes with invalid UTF-8",
    Seq(lit(b"\xff\xfe"), term(rx.repeat(rx.chars(((0x80, 0xBF),)), 1, 2), "bytes")),
    [b"\xff\xfe\x80", b"\xff\xfe\xbf\x80"],
    [b"\xff\xfe", b"\xff\xfea", b"\xfe\xff\x80", b"\xff\xfe\x80\x80\x80", b"\xff\xfe\xc2\x80"],
)
case(
    "length-prefixed bytes",
    Choice(*(Seq(lit(bytes([n])), term(rx.repeat(ANY_BYTE, n, n), "bytes")) for n in range(3))),
    [b"\x00", b"\x01\x00", b"\x01\xff", b"\x02\xc3\xa9", b"\x02\x80\x80"],
    [b"", b"\x01", b"\x00\x00", b"\x02a", b"\x03abc", b"\x01ab"],
)
case(
    "complement over bytes",
    Seq(term(rx.complement(rx.concat((many(ANY_BYTE), rx.literal(b"\xff"), many(ANY_BYTE)))), "bytes"), lit(b"\xff")),
    [b"\xff", b"a\xff", b"\xc3\xff", b"\x80\xfe\xff"],
    [b"", b"a", b"\xff\xff", b"a\xffb"],
)
case(
    "a nullable terminal beside a literal",
    Seq(term(many(one_of("a"))), lit("ab")),
    ["ab", "aab", "aaaab"],
    ["", "b", "aa", "abb"],
)
case("only the empty text", term(EPSILON), [""], ["a", "\0"])
case("only the empty text, by rules", {"s": Repeat(Ref("t"), 0, 3), "t": EMPTY}, [""], ["a"])

# --- JSON strings --------------------------------------------------------------------------------------------------

case(
    "JSON string of anything",
    Seq(lit('"'), term(ANYTHING, "json")),
    ['""', '"a"', '"é"', r'"\n"', r'"\""', r'"\\"', r'"\u0041"', r'"\u00e9\/"', r'"\ud83d\ude00"', r'"\uD83D\uDE00"',
     '"😀"', '"\x7f"'],
    ['"', "", '"a', '"a"b', r'"\"', r'"\x"', r'"\u00"', r'"\u12g4"', r'"\ud83d"', r'"\ude00"', r'"\ud83d\u0041"',
     r'"\ud83dx"', '"\n"', '"\t"', b'"\xc3"', b'"\xed\xa0\x80"', r'"\ud83d\n"', '"""', '""" '],
)  # fmt: skip
case(
    "JSON string window counts characters of the value",
    Seq(lit('"'), term(ANYTHING, "json", low=1, high=2)),
    ['"a"', '"ab"', r'"\n\n"', r'"\ud83d\ude00"', r'"😀\ud83d\ude00"', '"éé"', r'"a\u0062"'],
    ['""', '"abc"', r'"a\u0062c"', r'"\ud83d\ude00ab"', '"ééé"', r'"\ud83d"'],
)
case(
    "JSON string that must be one value, in every spelling",
    Seq(lit('"'), term(rx.literal('a"\n/é'), "json")),
    [r'"a\"\n/é"', r'"a\"\n\/é"', r'"\u0061\u0022\u000a\u002F\u00E9"', r'"a\u0022\u000A/\u00e9"'],
    ['"a"', r'"a\"n/é"', '"a\\"\n/é"', r'"a\"\n/e"', r'"a\"\n/é', r'"a\"\r/é"'],
)
case(
    "JSON string of the emoji block",
    Seq(lit('"'), term(some(rx.chars(((0x1F600, 0x1F64F),))), "json"), lit(",")),
    ['"😀",', r'"\ud83d\ude00",', r'"\uD83D\ude4f🙏",'],
    ['"",', r'"\ud83d",', r'"\ud83d\ude50",', r'"\ud83c\ude00",', '"a",', '"😀"', '"\U0001f5ff",'],
)
case(
    "JSON string that is not a given value, however spelled",
    Seq(lit('"'), term(rx.complement(rx.literal("ab")), "json")),
    ['""', '"a"', '"abc"', r'"a\n"', '"b"', r'"\u0061"'],
    ['"ab"', r'"\u0061b"', r'"\u0061\u0062"', r'"a\u0062"', '"a'],
)
case(
    "JSON string of control characters",
    Seq(lit('"'), term(some(rx.chars(((0, 31),))), "json")),
    [r'"\n"', r'"\u0000"', r'"\b\f\n\r\t\u001f"'],
    ['""', r'"\/"', r'"\u0020"', '"\n"', '"a"', r'"\""'],
)

# --- Small real formats --------------------------------------------------------------------------------------------

SPACE = term(many(one_of(" \n")))
JSON_RULES: dict[str, Expr] = {
    "text": Seq(SPACE, Ref("value"), SPACE),
    "value": Choice(Ref("object"), Ref("array"), Ref("string"), Ref("number"), lit("true"), lit("false"), lit("null")),
    "object": Seq(lit("{"), SPACE, Choice(EMPTY, Ref("members")), lit("}")),
    "members": Choice(Ref("member"), Seq(Ref("member"), lit(","), SPACE, Ref("members"))),
    "member": Seq(Ref("string"), SPACE, lit(":"), Ref("text")),
    "array": Seq(lit("["), Choice(SPACE, Seq(Ref("text"), Repeat(Seq(lit(","), Ref("text")), 0, None))), lit("]")),
    "string": Seq(lit('"'), term(ANYTHING, "json")),
    "number": term(
        rx.concat(
            (
                rx.repeat(one_of("-"), 0, 1),
                rx.union((one_of("0"), rx.concat((span("1", "9"), many(DIGIT))))),
                rx.repeat(rx.concat((one_of("."), some(DIGIT))), 0, 1),
                rx.repeat(rx.concat((one_of("eE"), rx.repeat(one_of("+-"), 0, 1), some(DIGIT))), 0, 1),
            )
        )
    ),
}
case(
    "JSON",
    JSON_RULES,
    ["1", "-0.5e+10", '"a"', "[]", "[ ]", "{ }", "[1, 2,3]", '{"a":1}',
     '{"a" : [null, true], "\\u00e9":{}}\n', " [[[]]] "],
    ["", "01", "1.", "[1,]", "{a:1}", '{"a":1,}', "[1 2]", '"\n"', "nul", "[}", '{"a"}', "+1", ".5"],
)  # fmt: skip
case(
    "CSV",
    {
        "file": Seq(Ref("row"), Repeat(Seq(lit("\n"), Ref("row")), 0, None)),
        "row": Seq(Ref("field"), Repeat(Seq(lit(","), Ref("field")), 0, None)),
        "field": Choice(
            term(many(rx.chars(rx.invert_ranges(((10, 10), (34, 34), (44, 44)))))),
            Seq(lit('"'), term(many(rx.union((ANY_CHAR - one_of('"'), rx.literal('""'))))), lit('"')),
        ),
    },
    ["", "a", "a,b", "a,\nb,c", '"x,\ny",z', '"say ""hi"""', ",,", "é,😀\n"],
    ['"', '"a', 'a"b', '"a"b', '"a""', b"\xff"],
)
case(
    "date",
    Seq(
        term(rx.repeat(DIGIT, 4, 4)),
        lit("-"),
        term(rx.union((rx.concat((one_of("0"), span("1", "9"))), rx.concat((one_of("1"), span("0", "2")))))),
        lit("-"),
        Choice(Seq(lit("0"), term(span("1", "9"))), Seq(term(one_of("12")), term(DIGIT)), lit("30"), lit("31")),
    ),
    ["2024-01-31", "0000-12-09", "1999-10-20"],
    ["", "2024-1-01", "2024-13-01", "2024-00-01", "2024-01-32", "2024-01-00", "20240101"],
)
case(
    "tags that nest, names not matched",
    {
        "doc": Seq(
            Seq(lit("<"), Ref("name"), lit(">")),
            Repeat(Choice(Ref("doc"), Ref("text")), 0, None),
            Seq(lit("</"), Ref("name"), lit(">")),
        ),
        "name": term(WORD),
        "text": term(some(ANY_CHAR - one_of("<&"))),
    },
    ["<a></a>", "<a>x</b>", "<a>é<b></b> y</a>", "<p>a > b</p>"],
    ["", "<a>", "<a></a", "<></>", "<a>&</a>", "<a></a></a>"],
)
case(
    "blocks by braces with statements",
    {
        "block": Seq(lit("{"), Ref("statements"), lit("}")),
        "statements": Choice(EMPTY, Seq(Ref("statements"), Ref("statement"))),
        "statement": Choice(Seq(term(WORD), lit("="), Ref("sum"), lit(";")), Ref("block")),
        "sum": Choice(Ref("atom"), Seq(Ref("sum"), term(one_of("+-")), Ref("atom"))),
        "atom": Choice(term(WORD), term(some(DIGIT)), Seq(lit("("), Ref("sum"), lit(")"))),
    },
    ["{}", "{a=1;}", "{a=b+1-(c+2);{}b=a;}", "{{{}}}"],
    ["", "{", "{a=;}", "{a=1}", "{=1;}", "{a=1;}}", "{a=1+;}"],
)
case(
    "keyword or identifier, both readings alive",
    Choice(Seq(lit("if"), lit("("), term(some(DIGIT)), lit(")")), Seq(term(WORD), lit("("), term(WORD), lit(")"))),
    ["if(1)", "if(a)", "iff(b)", "i(f)"],
    ["iff(1)", "if(1a)", "if()", "if(1", "(a)"],
)
case(
    "long literals with common beginnings",
    Choice(*(lit(w) for w in ("international", "internationalise", "internal", "internet", "inter", "in"))),
    ["in", "inter", "internet", "internationalise"],
    ["", "i", "inte", "intern", "internationali", "internets", "inn"],
)
case(
    "large counts stay exact",
    Seq(Repeat(lit("a"), 40, 60), Repeat(lit("ab"), 0, 20)),
    ["a" * 40, "a" * 60, "a" * 41 + "b", "a" * 61 + "b", "a" * 40 + "ab" * 20],
    ["a" * 39, "a" * 62 + "b", "a" * 39 + "b", "a" * 61, "a" * 40 + "ab" * 21, "a" * 40 + "b"],
)

# --- Bags ----------------------------------------------------------------------------------------------------------

NUMBER = term(rx.union((one_of("0"), rx.concat((span("1", "9"), many(DIGIT))))))


def bag(*items: Item, low: int = 0, high: int | None = None, ordered: bool = False, separator: str = ",") -> Bag:
    return Bag(items, lit(separator), low, high, ordered=ordered)


def keyed(
    body: Expr | str, key: Rx = ANYTHING, low: int = 0, high: int | None = None, **needs: tuple[int, ...]
) -> Item:
    """Members of a JSON object with a key of a language."""
    body = lit(body) if isinstance(body, str) else body
    return Item(Seq(lit(":"), body), low, high, opening=lit('"'), word=term(key, "json"), **needs)


def unique(expr: Rx, low: int = 0, high: int | None = None, encoding: Encoding = "utf8") -> Item:
    """Elements that are words."""
    return Item(EMPTY, low, high, word=term(expr, encoding))


case(
    "bag in any order",
    bag(Item(lit("a"), 1), Item(lit("b")), Item(lit("c"), 1, 2)),
    ["a,c", "c,a", "b,a,c", "c,b,a", "a,c,c", "c,a,b,c"],
    ["", "a", "c", "b", "a,b", "a,c,", ",a,c", "a,c,a", "c,c,c,a", "a,b,c,b", "ac"],
)
case(
    "bag in order",
    bag(Item(lit("a"), 0, None), Item(lit("b"), 1, 2), Item(lit("c"), 0, 1, needs=(0,)), ordered=True),
    ["b", "a,b", "a,a,b,b", "a,b,c", "b,b"],
    ["", "a", "b,a", "b,c", "a,c", "a,c,b", "b,b,b", "a,b,a", "a,b,c,c"],
)
case(
    "bag with bounds on the total",
    bag(Item(lit("a"), 0, 2), Item(lit("b"), 0, None), Item(lit("c")), low=2, high=3),
    ["a,a", "a,b", "b,b,b", "c,a,a", "b,c"],
    ["", "a", "b", "c", "a,a,a", "c,c", "b,b,b,b", "a,b,"],
)
case(
    "bag that may be empty, or one element, before more text",
    Seq(lit("["), bag(Item(lit("a")), Item(lit("ab"), 0, 2), high=2), lit("]")),
    ["[]", "[a]", "[ab]", "[ab,ab]", "[a,ab]"],
    ["[", "[a,a]", "[ab,ab,a]", "[,]", "[a,]"],
)
case(
    "bag with needs, one of them through another, and in a circle",
    bag(
        Item(lit("a"), needs=(1,)),
        Item(lit("b"), needs=(2,)),
        Item(lit("c"), 0, None),
        Item(lit("d"), needs=(4,)),
        Item(lit("e"), needs=(3,)),
        high=3,
    ),
    ["", "c", "c,c", "b,c", "c,b", "a,b,c", "c,a,b", "d,e", "e,d", "c,d,e", "c,c,c"],
    ["a", "b", "a,b", "a,c", "d", "d,c", "e,c,c", "a,b,c,c", "d,e,b", "d,e,d"],
)
case(
    "bag where a circle of needs jumps over the bounds",
    bag(
        Item(lit("a"), needs=(1,)),
        Item(lit("b"), needs=(0,)),
        Item(lit("c"), 0, 2, needs=(3,)),
        Item(lit("d"), needs=(2,)),
        low=3,
        high=3,
    ),
    ["c,d,c", "d,c,c", "c,c,d"],
    ["", "a,b", "c,d", "a,b,c", "a", "c,c", "a,b,c,d"],
)
case(
    "bag of unique JSON keys",
    Seq(lit("{"), bag(keyed("1")), lit("}")),
    ["{}", '{"a":1}', '{"a":1,"b":1}', '{"a":1,"ab":1,"":1}', r'{"a":1,"\u0061b":1}', '{"é":1,"e":1}',
     r'{"\n":1,"n":1}'],
    ['{"a":1,"a":1}', r'{"a":1,"\u0061":1}', r'{"\u0061":1,"a":1}', '{"":1,"":1}', r'{"é":1,"\u00e9":1}',
     r'{"\/":1,"/":1}', r'{"\ud83d\ude00":1,"😀":1}', '{"a":1,"b":1,"a":1}', '{"a":1,}', '{"a"}',
     r'{"\n":1,"\u000A":1}'],
)  # fmt: skip
JSON_BAG = {
    "value": Choice(lit("1"), Ref("string"), Ref("object"), Ref("array")),
    "string": Seq(lit('"'), term(ANYTHING, "json")),
    "object": Seq(lit("{"), bag(keyed(Ref("value"))), lit("}")),
    "array": Seq(lit("["), bag(Item(Ref("value"), 0, None)), lit("]")),
}
case(
    "objects in objects, keys unique in each",
    JSON_BAG,
    ['{"a":{"a":1},"b":{"a":[{"a":1},{"a":1}]}}', '{"a":"a","b":"a"}', "[1,1]", '{"a":{},"b":{}}', '{"1":"1"}'],
    ['{"a":{"b":1,"b":1}}', '{"a":{},"a":{}}', '{"a":[{"a":1,"a":1}]}', '{"a":{"b":1},"c":1,"a":1}', '[{"":1,"":1}]'],
)
case(
    "bag with a witness among other keys",
    Seq(
        lit("{"),
        bag(
            keyed("1", some(one_of("ab")), 1), keyed("2", some(one_of("ab"))), keyed("3", rx.literal("c"), 0, 1), high=3
        ),
        lit("}"),
    ),
    ['{"a":1}', '{"a":2,"b":1}', '{"a":1,"b":2,"c":3}', '{"c":3,"a":1}', '{"a":1,"b":1}', '{"b":2,"ab":2,"a":1}'],
    ["{}", '{"a":2}', '{"c":3}', '{"a":1,"a":2}', '{"a":2,"b":2,"ab":2}', '{"c":1}', '{"a":1,"c":3,"c":3}'],
)
case(
    "bag where an element is of two kinds at once",
    bag(Item(term(some(one_of("ab"))), 2, 2), Item(lit("a"), 0, None), Item(lit("b"), 1)),
    ["a,a,b", "b,a,a", "b,b,b", "ab,b,ba", "a,b,ab", "a,a,a,b,b", "ab,a,b,a,a"],
    ["", "a,b", "b,b", "ab,ab", "ab,ab,a", "ab,ab,ab,b", "b,b,b,b"],
)
case(
    "two bags with different bounds, both readings alive",
    Choice(
        Seq(bag(keyed("1", low=0, high=2)), lit(";")),
        Seq(bag(Item(Seq(lit('"'), term(ANYTHING, "json"), lit(":1")), 1, None)), lit("!")),
    ),
    [";", '"a":1;', '"a":1!', '"a":1,"b":1;', '"a":1,"a":1!', '"a":1,"b":1,"c":1!'],
    ["!", '"a":1,"a":1;', '"a":1,"b":1,"c":1;', '"a":1,!'],
)
case(
    "bag of unique numbers",
    Seq(lit("["), bag(Item(EMPTY, 0, None, word=NUMBER)), lit("]")),
    ["[]", "[1]", "[1,2]", "[1,11,0]", "[12,1,2]", "[1,10]"],
    ["[1,1]", "[0,0]", "[12,3,12]", "[1,2,1]", "[1,]", "[01]", "[10,1,10]"],
)
case(
    "bag with words that can be used up",
    Seq(lit("{"), bag(keyed("1", rx.repeat(one_of("ab"), 1, 2))), lit("}")),
    ["{}", '{"a":1,"b":1,"aa":1,"ab":1,"ba":1,"bb":1}', '{"ab":1,"aa":1,"a":1}', r'{"\u0061b":1,"aa":1,"a":1}'],
    ['{"a":1,"b":1,"aa":1,"ab":1,"ba":1,"bb":1,"a":1}', '{"a":1,"b":1,"aa":1,"ab":1,"ba":1,"bb":1,',
     '{"ab":1,"aa":1,"a":1,"a"',
     '{"aa":1,"ab":1,"a":1,"aa', r'{"a":1,"\u0061":1}', '{"aa":1,"ab":1,"a":1,"a', r'{"aa":1,"ab":1,"a":1,"\u0061'],
)  # fmt: skip
case(
    "bag whose demands must share the words that are left",
    bag(unique(one_of("ab"), 1, 1), unique(one_of("bc"), 1, 1), unique(one_of("abc"), 0, 1), low=3),
    ["a,b,c", "b,c,a", "c,a,b", "c,b,a", "a,c,b"],
    ["", "a", "a,b", "a,a,b", "b,b,c"],
)
case(
    "bag of words with endings and the rest of each used up",
    bag(unique(rx.concat((rx.repeat(span("a", "b"), 1, 1), rx.literal("-x")))), Item(lit("z"), 0, None)),
    ["", "a-x", "b-x,a-x", "a-x,z,b-x", "a-x,b-x,z", "z,z"],
    ["a-x,a-x", "a-x,a", "a-x,b-x,", "a-x,b-x,a", "a-x,b", "a-"],
)
case(
    "bag whose last words end it",
    Seq(lit("{"), bag(keyed("1", one_of("ab"))), lit("}")),
    ["{}", '{"a":1}', '{"a":1,"b":1}', r'{"\u0062":1,"a":1}'],
    ['{"a":1,"b":1,', '{"a":1,"b":1,"a":1}', r'{"\u0061":1,"b":1,', '{"a":1,"a":1}'],
)
case(
    "bag where a word that is gone was needed",
    bag(
        Item(lit("1"), word=term(one_of("a"))),
        Item(lit("2"), word=term(some(one_of("b")))),
        Item(lit("3"), needs=(3,), word=term(one_of("c"))),
        Item(lit("4"), word=term(one_of("a"))),
    ),
    ["a1", "a1,b2", "b2,a1", "c3,a4", "a4,c3", "bb2,c3,a4"],
    ["a1,b2,", "a1,c", "b2,a1,c", "c3", "a1,a4", "a1,b2,c3"],
)
case(
    "bag where one word is needed for something else",
    bag(Item(lit("!"), 1, 1, word=term(one_of("a"))), Item(lit("."), 0, None, word=term(one_of("ab")))),
    ["a!", "a!,b.", "b.,a!"],
    ["", "a.", "b.", "b.,a.", "a.,b.", "b.,b.", "a!,a."],
)
case(
    "bag where two words are needed for two others",
    bag(
        Item(lit("!"), 1, 1, word=term(one_of("ab"))),
        Item(lit("?"), 1, 1, word=term(one_of("ba"))),
        Item(lit("."), 0, None, word=term(one_of("abc"))),
    ),
    ["a!,b?", "b?,a!,c.", "c.,b!,a?", "a?,b!"],
    ["a.", "a!,b.", "c.,a.", "a!,a?", "b?,a.", "c.,c.", "c.,a!,b."],
)
case(
    "bag of unique raw bytes",
    bag(unique(rx.repeat(rx.chars(((0x80, 0xFF),)), 1, 2), encoding="bytes"), low=1),
    [b"\x80", b"\xff,\x80", b"\x80,\x80\x80", b"\xc3\xa9,\xc3"],
    [b"", b"\x80,\x80", b"\xc3\xa9,\xc3\xa9", b"a"],
)
case(
    "bag with equal words of two encodings",
    bag(
        Item(lit("."), 0, None, opening=lit("j"), word=term(WORD, "json")),
        Item(lit("."), 0, None, opening=lit("u"), word=term(WORD)),
        separator="",
    ),
    ['ja".', "ua.", 'ja".ua.', 'ua.jb".ja".', r'j\u0061".ua.'],
    ['ja".ja".', "ua.ua.", r'ja".j\u0061".', 'ja".ub.ub.'],
)
case(
    "bag with a nullable separator, nullable bodies and openings",
    Bag(
        (
            Item(
                Repeat(lit("!"), 0, 1),
                0,
                None,
                opening=Repeat(lit("#"), 0, None),
                word=term(rx.concat((one_of("a"), many(one_of("b"))))),
            ),
            Item(Choice(lit("x"), lit("xx"))),
        ),
        Repeat(lit(","), 0, 1),
    ),
    ["", "a", "aab", "#a!ab", "a,ab!x", "abb##a", "xx", "x,a"],
    ["aa", "a,a", "b", "a!#a", "xxx", "#", "a,,ab", "x,x"],
)
case(
    "bag behind a left-recursive rule",
    {
        "s": Choice(Seq(Ref("s"), lit(";"), Ref("b")), Ref("b")),
        "b": bag(keyed("1"), Item(lit("a"))),
    },
    ["", ";", "a", '"a":1;a', '"a":1,a;"a":1', "a;;a"],
    ["a,a", '"a":1,"a":1', ';"a":1,"a":1', "a;,a"],
)
case(
    "bag with parts that match nothing",
    bag(
        Item(NEVER),
        Item(lit("a"), needs=(0,)),
        Item(lit("b"), needs=(3,)),
        Item(lit("c")),
        unique(one_of("x") & one_of("y")),
    ),
    ["", "c", "b,c", "c,b"],
    ["a", "b", "x", "c,c", "b,c,a"],
)
case(
    "bag with a separator that matches nothing",
    Bag((Item(lit("a"), 0, None), Item(lit("b"), needs=(0,))), NEVER, 1),
    ["a"],
    ["", "b", "aa", "a,a"],
)
