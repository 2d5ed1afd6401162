"""How each vendor signs, as data, and what a receiver must make of a delivery: used by generate.py."""

import hashlib
import hmac
import json
import re
import string
from datetime import date
from decimal import Decimal
from fractions import Fraction

# ---------------------------------------------------------------- the schemes, as data

SCHEMES = {
    "greenflash": {
        "header": "X-Greenflash-Signature",
        "prefix": "sha256=",
        "forms": [
            {"name": "timestamp.body", "covers": ["X-Greenflash-Timestamp"]},
            {"name": "delivery.timestamp.body", "covers": ["X-Greenflash-Delivery", "X-Greenflash-Timestamp"]},
            {"name": "body", "covers": []},
        ],
        "fields": [
            {"header": "X-Greenflash-Timestamp", "grammar": "unix_time", "required": True},
            {"header": "X-Greenflash-Delivery", "grammar": "opaque", "required": False},
        ],
    },
    "convosphere": {
        "header": "X-Convosphere-Signature",
        "prefix": "",
        "forms": [{"name": "body", "covers": []}],
        "fields": [],
    },
    "workflux": {
        "header": "X-Workflux-Signature",
        "prefix": "",
        "forms": [{"name": "body", "covers": []}],
        "fields": [],
    },
}

# Where the time stands that the window is checked against, and how wide the window is, in seconds.
WINDOWS = {
    "greenflash": {"header": "X-Greenflash-Timestamp", "past": 300, "future": 300},
    "convosphere": {"member": "timestamp", "past": 3600, "future": 300},
    "workflux": {"member": "timestamp", "past": 7200, "future": 300},
}


# ---------------------------------------------------------------- the reference

def verify_webhook_signature(payload, signature, secret):
    """WorkFlux's sample as it stands on its page."""
    expected_signature = hmac.new(
        secret.encode(),
        payload.encode(),
        hashlib.sha256
    ).hexdigest()
    return hmac.compare_digest(expected_signature, signature)


def mac(secret, payload):
    """The sample's MAC in lower-case hex, for a payload that need not be text."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


GRAMMARS = {
    "opaque": re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII),
    "unix_time": re.compile(r"[0-9]{9,10}|[0-9]{12,13}", re.ASCII),
}
LOOKS_COVERED = re.compile(rb"[A-Za-z0-9_-]{1,128}\.")


BLANK = " \t\n\v\f\r\x00\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200b)))


def usable(keys):
    """Whether a receiver may be built with these keys."""
    names = [key["name"] for key in keys]
    return (1 <= len(keys) <= 16 and len(set(names)) == len(names) and all(name.strip() for name in names)
            and all(key["secret"].strip(BLANK) and key["secret"] != "[redacted]" for key in keys))


def judge(vendor, headers, body, keys, now, pin=None):
    """What a receiver must make of a delivery, in the words of the vendors' pages rather than of the code."""
    scheme = SCHEMES[vendor]
    forms = [form for form in scheme["forms"] if pin in (None, form["name"])]

    def refuse(reason):
        return {"accepted": False, "reason": reason}

    def one(name):
        values = [v for n, v in headers if n.lower() == name.lower()]
        if not values or values == [""]:
            return None, "header_missing"
        return (None, "header_repeated") if len(values) > 1 else (values[0], None)

    if not usable(keys):
        return refuse("keys_refused")
    claimed, reason = one(scheme["header"])
    if reason:
        return refuse(reason)
    hexed = claimed
    if scheme["prefix"] and claimed.startswith(scheme["prefix"]):
        hexed = claimed[len(scheme["prefix"]):]
    if len(hexed) != 64 or not set(hexed) <= set(string.hexdigits):
        return refuse("header_malformed")
    fields = {}
    for field in scheme["fields"]:
        name = field["header"]
        if not field["required"] and name.lower() not in [n.lower() for n, _ in headers]:
            continue
        fields[name], reason = one(name)
        if reason:
            return refuse(reason)
        if not GRAMMARS[field["grammar"]].fullmatch(fields[name]):
            return refuse("header_malformed")
    if len(forms) > 1 and LOOKS_COVERED.match(body):
        return refuse("signature_mismatch")
    forms = [form for form in forms if set(form["covers"]) <= set(fields)]
    if not forms:
        return refuse("header_missing")
    for form in forms:
        signed = b"".join(fields[name].encode() + b"." for name in form["covers"]) + body
        for key in keys:
            if hmac.compare_digest(mac(key["secret"], signed), hexed.lower()):
                late = outside(vendor, headers, body, now)
                return refuse(late) if late else {"accepted": True, "key": key["name"], "form": form["name"]}
    return refuse("signature_mismatch")


def outside(vendor, headers, body, now):
    """Why a delivery with a good signature is refused all the same, or None."""
    if now is None:
        return None
    window = WINDOWS[vendor]
    if "header" in window:
        value = {name.lower(): value for name, value in headers}[window["header"].lower()]
    else:
        try:
            members = json.loads(body, parse_int=Written, parse_float=Written, parse_constant=no_constant)
        except ValueError:
            return "no_json_object"
        value = members.get(window["member"])  # of a member that is there twice, the last
    t = read_time(value)
    if t is None:
        return "no_time"
    if t < now - window["past"]:
        return "stale"
    return "future" if t > now + window["future"] else None


class Written(str):
    """A number as it is written."""


def no_constant(name):
    raise ValueError(name + " is not JSON")


DATE = re.compile(r"""
    (?P<year>\d{4}) (?: - (?P<month>\d\d) - | (?P<basic>\d\d) ) (?P<day>\d\d)
    [Tt\ ] (?P<hour>\d\d) (?: :? (?P<minute>\d\d) (?: :? (?P<second>\d\d) (?: [.,] (?P<fraction>\d+) )? )? )?
    \ ? (?: [Zz] | (?i:UTC|GMT) | (?P<sign>[+-]) (?P<h>\d\d) (?: :? (?P<m>\d\d) (?: :? (?P<s>\d\d) )? )? )
    (?: \[ [^]![\ ] [^][\ ]* \] )*""", re.ASCII | re.VERBOSE)
QUOTED = re.compile(r"([1-9][0-9]{8,9}|[1-9][0-9]{11,12})\.[0-9]+", re.ASCII)
DAY, YEAR_10000 = 86400, 253402300800


def read_time(value):
    """The Unix time that is written in value, exactly; None if it is in no notation that a receiver has to know."""
    if isinstance(value, Written) or isinstance(value, str) and QUOTED.fullmatch(value):
        return read_unix(Decimal(value))
    if not isinstance(value, str):
        return None
    if GRAMMARS["unix_time"].fullmatch(value):
        return read_unix(Decimal(value), len(value))
    m = DATE.fullmatch(value)
    return read_date({name: int(digits or 0) for name, digits in m.groupdict().items() if name not in ("sign", "fraction")}, m) if m else None


def read_unix(number, digits=None):
    """A Unix time in seconds or milliseconds, by the digits before its point."""
    if number < 0 or number.adjusted() > 20:
        return None
    digits = digits or len(str(int(number)))
    if digits not in (9, 10, 12, 13):
        return None
    return Fraction(number) / (1 if digits <= 10 else 1000)


def read_date(n, m):
    """A date with a zone, in any of the notations that other languages write and that means one instant."""
    try:
        day = date(n["year"], n["month"] or n["basic"], n["day"]).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    fraction = Fraction("0." + (m["fraction"] or "0"))
    clock = n["hour"] * 3600 + n["minute"] * 60 + n["second"] + fraction
    if n["minute"] > 59 or n["second"] > 60 or n["hour"] > 23 and clock != DAY:
        return None
    if n["h"] > 23 or n["m"] > 59 or n["s"] > 59:
        return None
    offset = (n["h"] * 3600 + n["m"] * 60 + n["s"]) * (-1 if m["sign"] == "-" else 1)
    t = day * DAY + clock - offset
    if n["second"] == 60 and (t - fraction) % DAY:  # a leap second is the last of a day in UTC
        return None
    return t if t < YEAR_10000 else None
