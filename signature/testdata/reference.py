"""How each vendor signs, as data, and what a receiver must make of a delivery: used by generate.py."""

import hashlib
import hmac
import json
import re
import string
from datetime import datetime

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


def judge(vendor, headers, body, keys, now):
    """What a receiver must make of a delivery, in the words of vendors.md rather than of the code."""
    scheme = SCHEMES[vendor]

    def refuse(reason):
        return {"accepted": False, "reason": reason}

    def one(name):
        values = [v for n, v in headers if n == name]
        if not values or values == [""]:
            return None, "header_missing"
        return (None, "header_repeated") if len(values) > 1 else (values[0], None)

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
        if not field["required"] and name not in [n for n, _ in headers]:
            continue
        fields[name], reason = one(name)
        if reason:
            return refuse(reason)
        if not GRAMMARS[field["grammar"]].fullmatch(fields[name]):
            return refuse("header_malformed")
    if len(scheme["forms"]) > 1 and LOOKS_COVERED.match(body):
        return refuse("signature_mismatch")
    for form in scheme["forms"]:
        if not all(name in fields for name in form["covers"]):
            continue
        signed = b"".join(fields[name].encode() + b"." for name in form["covers"]) + body
        for key in keys:
            if hmac.compare_digest(mac(key["secret"], signed), hexed.lower()):
                late = outside(vendor, headers, body, now)
                return refuse(late) if late else {"accepted": True, "key": key["name"], "form": form["name"]}
    return refuse("signature_mismatch")


def outside(vendor, headers, body, now):
    if now is None:
        return None
    window = WINDOWS[vendor]
    if "header" in window:
        value = dict(headers)[window["header"]]
        t = int(value) if len(value) <= 10 else int(value) / 1000
    else:
        value = json.loads(body)[window["member"]]
        t = value if isinstance(value, int) else datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    if t < now - window["past"]:
        return "stale"
    return "future" if t > now + window["future"] else None
