"""Formats of strings: own cases, slow checkers, the official suite, and the checkers of the ``jsonschema`` package."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

import format_oracles as oracles
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import FormatChecker
from pattern_oracles import matches

from constrain.frontends.json_schema.formats import FORMATS, NOT_REGULAR, format_rx, string_format, why_not_regular
from constrain.frontends.json_schema.leap_seconds import leap_date_times, leap_times
from constrain.frontends.regex import regex_to_rx

LATEST = 2020

EXAMPLES: dict[str, list[str]] = {
    "date": ["2024-02-29", "1900-02-28", "0000-01-31", "2023-11-30"],
    "time": ["00:00:00Z", "23:59:60Z", "05:29:60.5+05:30", "12:34:56.789-11:45", "09:59:60-14:00"],
    "date-time": [
        "2024-02-29T12:34:56z", "2016-12-31T23:59:60Z", "2017-01-01t00:59:60.1+01:00", "2015-06-30T16:29:60-07:30",
    ],
    "duration": ["P1Y2M3DT4H5M6S", "PT0S", "P2W", "P3M", "PT5H6M", "P1DT12H"],
    "email": ["joe.bloggs@example.com", '"a b\\"c"@x-y.org', "a+b@[127.0.0.1]", "x@[IPv6:2001:db8::1]"],
    "hostname": ["www.example.com", "a", "x-1.y--z.0", "xn-a", "x" * 63 + ".de", "xn-" + "a" * 60],
    "ipv4": ["0.0.0.0", "255.249.199.99", "10.1.20.200"],
    "ipv6": [
        "::", "1:2:3:4:5:6:7:8", "2001:DB8::8a2e:370:7334", "::ffff:1.2.3.4", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:1.2.3.4",
    ],
    "uri": ["https://u:p@ex.org:80/a/b;c?q=1&r#f", "urn:isbn:1", "a:", "ftp://[::1]:/x", "x://[v1.a:b]", "file:///%20"],
    "uri-reference": ["", "../a?b#c", "//h", "?", "#", "./a:b", "a/b:c", "http://x//y"],
    "uri-template": ["/a/{+b,c*}{?d:30}", "{%41.b_}", "x'", ""],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "ABCDEF01-2345-6789-abcd-ef0123456789"],
    "json-pointer": ["", "/", "/a/~0~1/0", "//"],
    "relative-json-pointer": ["0", "10/a", "1#", "0/"],
}  # fmt: skip
CHECKERS: dict[str, Callable[[str], bool]] = {name: getattr(oracles, name.replace("-", "_")) for name in EXAMPLES}
LETTERS = {
    "date": "0123469-",
    "time": "012359:.+-Zz6",
    "date-time": "01235679:.+-TZ",
    "duration": "PTYMDWHS019.",
    "email": 'a1.-@"\\[] :é',
    "hostname": "aXxNn0-._é",
    "ipv4": "0125.9a",
    "ipv6": "0aF:.1g%",
    "uri": "a1:/?#[]@%2.vé +",
    "uri-reference": "a1:/?#[]@%2.é ",
    "uri-template": "a1{},:*+.%2 _'é",
    "uuid": "0aF-g",
    "json-pointer": "a/~012",
    "relative-json-pointer": "0127/~#a-",
}


def conforms(name: str, text: str, year: int = LATEST) -> bool:
    found = string_format(name, year)
    assert found
    return (found.high is None or len(text) <= found.high) and matches(found.rx, text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_conform(name: str) -> None:
    found = string_format(name, LATEST)
    assert found and found.widest
    for text in EXAMPLES[name]:
        assert conforms(name, text) and CHECKERS[name](text), text
        assert matches(found.widest, text), text


@pytest.mark.parametrize("name", EXAMPLES)
def test_slow_checkers_agree_about_mutated_examples(name: str) -> None:
    rng = Random(3)
    verdicts = set()
    for _ in range(400):
        symbols = list(rng.choice(EXAMPLES[name]))
        for _ in range(rng.choice((1, 1, 2, 3))):
            at, letter = rng.randrange(len(symbols) + 1), rng.choice(LETTERS[name])
            action = rng.randrange(3)
            if action == 0:
                symbols.insert(at, letter)
            elif symbols and action == 1:
                symbols[min(at, len(symbols) - 1)] = letter
            elif symbols:
                del symbols[min(at, len(symbols) - 1)]
        text = "".join(symbols)
        verdicts.add(CHECKERS[name](text))
        assert conforms(name, text) == CHECKERS[name](text), text
    assert verdicts == {True, False}


def test_every_day_of_some_years() -> None:
    for year in ("0000", "0004", "0100", "1900", "2000", "2023", "2024", "9996"):
        for month in range(14):
            for day in (0, 1, 27, 28, 29, 30, 31, 32):
                text = f"{year}-{month:02}-{day:02}"
                assert conforms("date", text) == oracles.date(text), text


@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(["Z", "+", "-"]), st.integers(0, 23), st.integers(0, 59))
@example(23, 59, "-", 0, 0)
@example(0, 29, "-", 23, 30)
@example(23, 29, "+", 23, 30)
def test_leap_seconds(hour: int, minute: int, sign: str, hours: int, minutes: int) -> None:
    half_hours = hour, 59 - 30 * (minute % 2), sign, hours, 30 * (minutes % 2)
    right_hour = (23 + (hours + half_hours[4] // 30 if sign == "+" else -hours)) % 24
    loose = string_format("time", LATEST)
    assert loose and loose.widest
    for h, m, s, oh, om in ((hour, minute, sign, hours, minutes), half_hours, (right_hour, *half_hours[1:])):
        text = f"{h:02}:{m:02}:60" + (s if s == "Z" else f"{s}{oh:02}:{om:02}")
        assert conforms("time", text) == oracles.time(text), text
        assert matches(loose.widest, text)
        for day in ("2020-06-30", "2021-01-01", "2021-05-05"):
            assert conforms("date-time", f"{day}T{text}") == oracles.date_time(f"{day}T{text}"), (day, text)


def test_all_leap_seconds_of_half_hours_are_there() -> None:
    zones = [f"{sign}{offset // 60:02}:{offset % 60:02}" for sign in "+-" for offset in range(0, 1440, 30)]
    texts = [f"{h:02}:{m}:60{zone}" for h in range(24) for m in (29, 59) for zone in zones]
    times = leap_times()
    assert [matches(times, text) for text in texts] == [oracles.time(text) for text in texts]
    assert sum(map(oracles.time, texts)) == len(zones)
    assert matches(leap_date_times(), "2021-01-01T00:59:60+01:00")


@given(
    st.lists(st.sampled_from(["", "0", "ffff", "1", "A0", "12345", "1.2.3.4", "256.1.1.1"]), max_size=9).map(":".join)
)
@example("1:2:3:4:5:6:7::")
@example("1::2:3:4:5:6:7:8")
@example("::2:3:4:5:6:7:8")
@example("1:2:3:4:5::1.2.3.4")
@example("::1:2:3:4:5:1.2.3.4")
@example("1::2:3:4:5:6:1.2.3.4")
def test_ipv6_addresses(text: str) -> None:
    assert conforms("ipv6", text) == oracles.ipv6(text)
    mail = f"a@[IPv6:{text}]"
    assert conforms("email", mail) == oracles.email(mail)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("duration", "p1d"), ("hostname", "xn--9n2bp8q"), ("email", "a@[127.000.0.1]"), ("email", "a@[x:y]"),
        ("iri", "http://x/\u200e"), ("uri-template", "{=x}"), ("relative-json-pointer", "0+1/a"),
        ("time", "12:34:60Z"), ("date-time", "2020-01-01T23:59:60Z"), ("relative-json-pointer", "1-2#"),
    ],
)  # fmt: skip
def test_what_only_some_take_to_conform(name: str, text: str) -> None:
    found = string_format(name, LATEST)
    assert found and found.widest and not found.is_exact
    assert not conforms(name, text)
    assert matches(found.widest, text)


def test_beyond_ascii() -> None:
    for name, text in [
        ("iri", "http://ä.de/ö?\ue000#ü"), ("iri-reference", "ä/ö:b"), ("idn-email", 'ä@ö.é'),
        ("idn-email", '"ä "@x.y'), ("json-pointer", "/ä\n"), ("uri-template", "ä{x}"),
    ]:  # fmt: skip
        assert conforms(name, text), text
    for name, text in [
        ("uri", "http://ä.de/"), ("iri", "http://x/\ue000"), ("iri", "ä:b"), ("email", "ä@x.y"), ("hostname", "ä.de"),
        ("iri", "http://x/ "), ("date", "2024-01-0\u0661"), ("iri", "http://x/\ufffe"), ("idn-email", "ä b@x.y"),
    ]:  # fmt: skip
        assert not conforms(name, text), text


def test_length_of_host_names() -> None:
    label = "a" * 63
    assert conforms("hostname", ".".join([label] * 3 + ["a" * 61]))
    assert not conforms("hostname", ".".join([label] * 3 + ["a" * 62]))
    assert not conforms("hostname", "a" * 64)


DEFINED = {
    2013: {"date-time", "email", "hostname", "ipv4", "ipv6", "uri"},
    2017: {"uri-reference", "uri-template", "json-pointer"},
    2018: {"date", "time", "idn-email", "iri", "iri-reference", "relative-json-pointer", "idn-hostname", "regex"},
    2019: {"duration", "uuid"},
    2020: set(),
}


def test_drafts_define_formats() -> None:
    known: set[str] = set()
    for year, added in DEFINED.items():
        known |= added
        for name in (*FORMATS, *NOT_REGULAR, "color", "ip-address", "host-name", "int32"):
            regular = string_format(name, year) is not None
            assert regular == (name in known and name not in NOT_REGULAR), (name, year)
            assert (why_not_regular(name, year) is not None) == (name in known and name in NOT_REGULAR)
            assert (format_rx(name, year) is not None) == regular


def test_drafts_differ_in_meaning() -> None:
    assert conforms("hostname", "xn--x", 2013) and not conforms("hostname", "xn--x", 2018)
    old, new = string_format("email", 2018), string_format("email", 2019)
    assert old and new and old.rx == new.rx
    assert old.widest is None and new.widest is not None  # comments of RFC 5322 nest


def test_regex_writes_valid_patterns_only() -> None:
    for text in [
        "",
        "a|",
        r"^(?:[^a-z\d-]+?|\.\b){2,10}$",
        "((((a))))",
        "[^-]",
        "[-a]",
        "a{2,4}?",
        "(){3}",
        r"\u0041[\-]",
        "[3-7]",
    ]:
        assert conforms("regex", text), text
        re.compile(text)
    for text in [
        "(",
        "a**",
        "a{4,2}",
        "a{,2}",
        "[",
        "[z-a]",
        "(?<n>a)",
        "*",
        "a{12,11}",
        r"\1",
        r"\a",
        "^*",
        "(?i)a",
        "[7-3]",
    ]:
        assert not conforms("regex", text), text
    found = string_format("regex", LATEST)
    assert found and found.widest is None and not found.is_exact


@given(st.text(r"ab()[]{}|*+?^$\\-:,.012d", max_size=9))
@example("(a[b-]{1,2})*?")
def test_regex_is_a_part_of_what_python_takes(text: str) -> None:
    if conforms("regex", text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
        regex_to_rx(text, dialect="ecma", search=True)


def suite_cases(folder: Path) -> list[tuple[str, int, str, bool]]:
    years = {"draft4": 2013, "draft6": 2017, "draft7": 2018, "draft2019-09": 2019, "draft2020-12": 2020}
    found = []
    for draft, year in years.items():
        for path in sorted((folder / f"json-schema-test-suite/tests/{draft}/optional/format").glob("*.json")):
            for group in json.loads(path.read_text()):
                name = group["schema"].get("format")
                for case in group["tests"]:
                    if isinstance(case["data"], str) and string_format(name, year):
                        found.append((name, year, case["data"], case["valid"]))
    return found


def test_official_suite(shared_data: Path) -> None:
    """Every verdict, except that A-labels of host names are not written, nor all of a pattern's syntax."""
    cases = suite_cases(shared_data)
    assert len(cases) > 1900
    for name, year, text, valid in cases:
        found = string_format(name, year)
        assert found
        if valid and not conforms(name, text, year):
            assert name == "regex" or (name == "hostname" and "xn--" in text), (name, text)
            assert found.widest is None or matches(found.widest, text)
        else:
            assert conforms(name, text, year) == valid, (name, year, text)


@pytest.mark.parametrize("name", ["date", "email", "idn-email", "ipv4", "ipv6", "uuid"])
def test_jsonschema_accepts_what_conforms(name: str) -> None:
    """Its checker of dates knows no year 0, in which nobody was born."""
    checker = FormatChecker([name])
    texts = [text for text in EXAMPLES.get(name, EXAMPLES["email"]) if not text.startswith("0000")]
    assert texts
    for text in texts:
        assert conforms(name, text) and checker.conforms(text, name), text
