"""Slow, obvious checks of string formats, by splitting and counting. They share nothing with the library's patterns."""

from __future__ import annotations

import calendar
import ipaddress
import re
from itertools import pairwise

HEX = set("0123456789abcdefABCDEF")
LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS = set("0123456789")
UNRESERVED = LETTERS | DIGITS | set("-._~")
SUB_DELIMS = set("!$&'()*+,;=")


def _number(text: str, length: int) -> int:
    return int(text) if len(text) == length and set(text) <= DIGITS else -1


def date(text: str) -> bool:
    parts = text.split("-")
    if len(parts) != 3:
        return False
    year, month, day = (_number(part, length) for part, length in zip(parts, (4, 2, 2), strict=True))
    if year < 0 or not 1 <= month <= 12:
        return False
    longest = calendar.mdays[month] + (month == 2 and calendar.isleap(year))
    return 1 <= day <= longest


def _clock(text: str) -> tuple[int, int, int] | None:
    """Minutes since midnight, seconds, minutes east of Greenwich."""
    if text[-1:] in ("Z", "z"):
        body, east = text[:-1], 0
    else:
        body, zone = text[:-6], text[-6:]
        hours, minutes = _number(zone[1:3], 2), _number(zone[4:], 2)
        if zone[:1] not in ("+", "-") or zone[3:4] != ":" or not (0 <= hours <= 23 and 0 <= minutes <= 59):
            return None
        east = (hours * 60 + minutes) * (1 if zone[0] == "+" else -1)
    whole, dot, fraction = body.partition(".")
    parts = whole.split(":")
    if len(parts) != 3 or (dot and (not fraction or not set(fraction) <= DIGITS)):
        return None
    hour, minute, second = (_number(part, 2) for part in parts)
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 60):
        return None
    return hour * 60 + minute, second, east


def _is_half_hour(east: int) -> bool:
    return east % 30 == 0


def time(text: str, *, any_leap_second: bool = False) -> bool:
    clock = _clock(text)
    if clock is None or clock[1] < 60 or any_leap_second:
        return clock is not None
    return (clock[0] - clock[2]) % 1440 == 1439 and _is_half_hour(clock[2])


def date_time(text: str, *, any_leap_second: bool = False) -> bool:
    day, separator, clock_text = text[:10], text[10:11], text[11:]
    if not date(day) or separator not in ("T", "t") or not time(clock_text, any_leap_second=any_leap_second):
        return False
    clock = _clock(clock_text)
    assert clock is not None
    if clock[1] < 60 or any_leap_second:
        return True
    at_utc = clock[0] - clock[2]  # before midnight of the day, or of the day before
    return day[5:] in (("06-30", "12-31") if at_utc >= 0 else ("07-01", "01-01"))


def duration(text: str) -> bool:
    if text[:1] != "P":
        return False
    days, mark, clock = text[1:].partition("T")
    if mark and not _units(clock, "HMS"):
        return False
    if not days:
        return bool(mark)
    return _units(days, "YMD") or (not mark and _units(days, "W"))


def _units(text: str, order: str) -> bool:
    """Numbers with units, in order, none left out between two."""
    found = re.findall(r"([0-9]+)([A-Z])", text)
    letters = "".join(letter for _, letter in found)
    return bool(found) and "".join(map("".join, found)) == text and letters in order


def hostname(text: str) -> bool:
    return len(text) <= 253 and all(_is_label(label) and label[:4].lower() != "xn--" for label in text.split("."))


def _is_label(label: str) -> bool:
    return 1 <= len(label) <= 63 and set(label) <= LETTERS | DIGITS | {"-"} and label[0] != "-" and label[-1] != "-"


def ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def uuid(text: str) -> bool:
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] and set(text) <= HEX | {"-"}


def email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    if not at:
        return False
    atext = LETTERS | DIGITS | set("!#$%&'*+-/=?^_`{|}~")
    if local[:1] == '"':
        if not re.fullmatch(r'"(\\[ -~]|[ !#-\[\]-~])*"', local):
            return False
    elif not all(atom and set(atom) <= atext for atom in local.split(".")):
        return False
    if domain[:1] == "[" and domain[-1:] == "]":
        inner = domain[1:-1]
        if inner[:5].lower() == "ipv6:":
            # RFC 5321 wants :: to stand for two groups at least.
            written = len(re.findall(r"[0-9a-fA-F.]+", inner[5:])) + inner.count(".") // 3
            return ipv6(inner[5:]) and not ("::" in inner and written > 6)
        return ipv4(inner)
    return all(
        label and set(label) <= LETTERS | DIGITS | {"-"} and label[0] != "-" and label[-1] != "-"
        for label in domain.split(".")
    )


def _made_of(text: str, allowed: set[str]) -> bool:
    """Allowed characters and percent-encoded ones."""
    plain = re.sub("%[0-9A-Fa-f]{2}", "", text)
    return set(plain) <= allowed


def uri(text: str) -> bool:
    return bool(re.match("[^:/?#]+:", text)) and uri_reference(text)


def uri_reference(text: str) -> bool:
    """Split as in appendix B of RFC 3986, then every component on its own."""
    found = re.fullmatch(r"(([^:/?#]+):)?(//([^/?#]*))?([^?#]*)(\?([^#]*))?(#(.*))?", text, re.DOTALL)
    assert found
    scheme, authority, path, query, fragment = found[2], found[4], found[5], found[7], found[9]
    pchar = UNRESERVED | SUB_DELIMS | set(":@")
    if scheme is not None and not (scheme[0] in LETTERS and set(scheme) <= LETTERS | DIGITS | set("+-.")):
        return False
    if authority is not None and not _is_authority(authority):
        return False
    if text.startswith(":"):  # appendix B finds no scheme, yet the first segment has a colon
        return False
    return _made_of(path, pchar | {"/"}) and all(_made_of(part or "", pchar | set("/?")) for part in (query, fragment))


def _is_authority(text: str) -> bool:
    user, at, rest = text.rpartition("@")
    if at and not _made_of(user, UNRESERVED | SUB_DELIMS | {":"}):
        return False
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]*)?", rest)
    if not found:
        return False
    host = found[1]
    if not host.startswith("["):
        return _made_of(host, UNRESERVED | SUB_DELIMS)
    future = re.fullmatch(r"[vV][0-9A-Fa-f]+\.(.+)", host[1:-1])
    return set(future[1]) <= UNRESERVED | SUB_DELIMS | {":"} if future else ipv6(host[1:-1])


def json_pointer(text: str) -> bool:
    return text in ("",) or (
        text[0] == "/" and all(after in "01" for before, after in pairwise(text + "!") if before == "~")
    )


def relative_json_pointer(text: str) -> bool:
    digits = re.match("[0-9]*", text)[0]  # type: ignore[index]
    rest = text[len(digits) :]
    return digits != "" and str(int(digits)) == digits and (rest == "#" or json_pointer(rest))


def uri_template(text: str) -> bool:
    outside = re.split(r"\{[^{}]*\}", text)
    inside = re.findall(r"\{([^{}]*)\}", text)
    if any(set(part) & set("{}") for part in outside):
        return False
    for part in outside:
        if any(c in ' "<>\\^`|' or ord(c) < 0x20 or ord(c) == 0x7F for c in part) or re.search(
            "%(?![0-9A-Fa-f]{2})", part
        ):
            return False
    name = r"(?:\w|%[0-9A-Fa-f]{2})"
    spec = rf"{name}(?:\.?{name})*(?:\*|:[1-9][0-9]{{0,3}})?"
    return all(re.fullmatch(rf"[+#./;?&]?{spec}(?:,{spec})*", part, re.ASCII) for part in inside)
