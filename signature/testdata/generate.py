#!/usr/bin/env python3
"""Writes greenflash.json, convosphere.json and workflux.json beside this file: signed deliveries, and what a receiver
must make of each. Run it with

    python3 signature/testdata/generate.py            # writes
    python3 signature/testdata/generate.py --check    # writes nothing; fails if a file is not up to date

It needs nothing but Python 3.9. It is a second implementation, on purpose not a translation of the Go one: WorkFlux's
MAC comes from the sample on WorkFlux's own page, the others from their description. Each vector says by hand what must
become of it, and `judge` in reference.py has to agree before anything is written.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import string
import sys
from datetime import datetime, timezone

sys.dont_write_bytecode = True
from reference import SCHEMES, WINDOWS, judge, mac, verify_webhook_signature  # noqa: E402

HERE = pathlib.Path(__file__).parent
NOW = 1795283259  # 2026-11-21T17:47:39Z
SECRET = "whsec_3c1f5a7e9b2d4806"
OLD, NEW = "old-3c1f5a7e9b2d4806", "new-8d2e6b1a4f7c9035"


class Vendor:
    def __init__(self, name, body):
        self.name, self.body, self.vectors = name, body, []
        self.header = SCHEMES[name]["header"]

    def add(self, name, headers, want, body=None, keys=None, now=NOW, repeat=1):
        piece = self.body if body is None else body
        keys = keys or [{"name": "default", "secret": SECRET}]
        whole = piece * repeat
        assert name not in [v["name"] for v in self.vectors], name
        judged = judge(self.name, headers, whole, keys, now)
        assert judged == want, f"{self.name}: {name}: by hand {want}, by the reference {judged}"
        vector = {"name": name, "vendor": self.name, "form": want.get("form", ""), "headers": [list(h) for h in headers]}
        vector["body"] = base64.b64encode(piece).decode()
        if repeat != 1:
            vector["repeat"] = repeat  # the body is this many times the piece
        vector.update(keys=keys, now=now, want=want)  # now null: the time is not looked at
        self.vectors.append(vector)

    def write(self, check):
        head = {"vendor": self.name, "scheme": SCHEMES[self.name], "window": WINDOWS[self.name]}
        lines = [json.dumps(v, ensure_ascii=True) for v in self.vectors]
        text = json.dumps(head, indent=1)[:-2] + ',\n "vectors": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
        path = HERE / f"{self.name}.json"
        if check:
            return path.exists() and path.read_text(encoding="ascii") == text
        path.write_text(text, encoding="ascii", newline="\n")
        return True


def accepted(form, key="default"):
    return {"accepted": True, "key": key, "form": form}


def refused(reason):
    return {"accepted": False, "reason": reason}


MISSING, REPEATED, MALFORMED = refused("header_missing"), refused("header_repeated"), refused("header_malformed")
MISMATCH, STALE, FUTURE = refused("signature_mismatch"), refused("stale"), refused("future")


def mixed(digits):
    return "".join(c.upper() if i % 2 else c for i, c in enumerate(digits))


def add_signatures(v, form, signed, others):
    """How the signature itself may and may not be written. `others` are the headers beside it."""
    good = mac(SECRET, signed)
    with_it = lambda *values: others + [(v.header, value) for value in values]
    ok = accepted(form)
    has_prefix = SCHEMES[v.name]["prefix"] == "sha256="
    raw = bytes.fromhex(good)

    v.add(f"{form}: lower-case hex", with_it(good), ok)
    v.add(f"{form}: upper-case hex", with_it(good.upper()), ok)
    v.add(f"{form}: mixed-case hex", with_it(mixed(good)), ok)
    v.add(f"{form}: prefix sha256=", with_it("sha256=" + good), ok if has_prefix else MALFORMED)
    v.add(f"{form}: prefix and upper-case hex", with_it("sha256=" + good.upper()), ok if has_prefix else MALFORMED)
    v.add(f"{form}: prefix in upper case", with_it("SHA256=" + good), MALFORMED)
    for prefix in "sha1=", "sha512=", "v1,", "v1=", "sha256:", "sha256=sha256=", "=", " sha256=", "sha256= ", "0x":
        v.add(f"{form}: prefix {prefix!r}", with_it(prefix + good), MALFORMED)
    v.add(f"{form}: prefix alone", with_it("sha256="), MALFORMED)
    v.add(f"{form}: prefix instead of digits, 64 long", with_it("sha256=" + good[7:]), MALFORMED)
    v.add(f"{form}: digits instead of the prefix, 71 long", with_it("0000000" + good), MALFORMED)
    v.add(f"{form}: header twice, the same", with_it(good, good), REPEATED)
    v.add(f"{form}: header twice, the second good", with_it("0" * 64, good), REPEATED)
    v.add(f"{form}: header twice, the second empty", with_it(good, ""), REPEATED)
    v.add(f"{form}: header missing", others, MISSING)
    v.add(f"{form}: header empty", with_it(""), MISSING)
    v.add(f"{form}: header of another vendor", others + [("X-Other-Signature", good)], MISSING)
    v.add(f"{form}: space before", with_it(" " + good), MALFORMED)
    v.add(f"{form}: space after", with_it(good + " "), MALFORMED)
    v.add(f"{form}: nothing but a space", with_it(" "), MALFORMED)
    v.add(f"{form}: newline after", with_it(good + "\n"), MALFORMED)
    v.add(f"{form}: one digit short", with_it(good[:-1]), MALFORMED)
    v.add(f"{form}: one digit long", with_it(good + "0"), MALFORMED)
    v.add(f"{form}: half of it", with_it(good[:32]), MALFORMED)
    v.add(f"{form}: one digit", with_it(good[0]), MALFORMED)
    v.add(f"{form}: base64", with_it(base64.b64encode(raw).decode()), MALFORMED)
    v.add(f"{form}: base64 of the hex", with_it(base64.b64encode(good.encode()).decode()), MALFORMED)
    v.add(f"{form}: a letter past f", with_it(good[:-1] + "g"), MALFORMED)
    v.add(f"{form}: a full-width digit", with_it(good[:-3] + "\uff10"), MALFORMED)
    v.add(f"{form}: a NUL byte", with_it(good[:-1] + "\x00"), MALFORMED)
    v.add(f"{form}: two joined with a comma", with_it(good + "," + good), MALFORMED)
    v.add(f"{form}: a wrong and a good one joined with a comma", with_it("0" * 64 + ", " + good), MALFORMED)
    v.add(f"{form}: in quotes", with_it(f'"{good}"'), MALFORMED)
    v.add(f"{form}: one bit wrong in the first digit", with_it(format(int(good[0], 16) ^ 1, "x") + good[1:]), MISMATCH)
    v.add(f"{form}: one bit wrong in the last digit", with_it(good[:-1] + format(int(good[-1], 16) ^ 1, "x")), MISMATCH)
    v.add(f"{form}: all zero", with_it("0" * 64), MISMATCH)
    v.add(f"{form}: plain SHA-256 without a key", with_it(hashlib.sha256(signed).hexdigest()), MISMATCH)
    v.add(f"{form}: SHA-256 of secret and body", with_it(hashlib.sha256(SECRET.encode() + signed).hexdigest()), MISMATCH)
    v.add(f"{form}: HMAC-SHA512, cut off", with_it(hmac.new(SECRET.encode(), signed, hashlib.sha512).hexdigest()[:64]), MISMATCH)
    v.add(f"{form}: HMAC-SHA1", with_it(hmac.new(SECRET.encode(), signed, hashlib.sha1).hexdigest()), MALFORMED)


def add_keys(v, form, signed, others):
    """Which key signed."""
    by = lambda secret: others + [(v.header, mac(secret, signed))]
    both = [{"name": "new", "secret": NEW}, {"name": "old", "secret": OLD}]
    v.add(f"{form}: two keys, signed by the first", by(NEW), accepted(form, "new"), keys=both)
    v.add(f"{form}: two keys, signed by the second", by(OLD), accepted(form, "old"), keys=both)
    v.add(f"{form}: rotated, signed by the key that is gone", by(OLD), MISMATCH, keys=both[:1])
    sixteen = [{"name": f"k{i}", "secret": f"secret-number-{i}"} for i in range(16)]
    v.add(f"{form}: sixteen keys, signed by the last", by("secret-number-15"), accepted(form, "k15"), keys=sixteen)
    v.add(f"{form}: wrong secret", by("another"), MISMATCH)
    v.add(f"{form}: empty secret", by(""), MISMATCH)
    v.add(f"{form}: secret in upper case", by(SECRET.upper()), MISMATCH)
    v.add(f"{form}: sender's secret has a trailing newline", by(SECRET + "\n"), MISMATCH)
    newline = [{"name": "newline", "secret": SECRET + "\n"}]
    v.add(f"{form}: our secret has a trailing newline", by(SECRET), MISMATCH, keys=newline)
    v.add(f"{form}: both secrets have a trailing newline", by(SECRET + "\n"), accepted(form, "newline"), keys=newline)
    long = "long-" * 40
    v.add(f"{form}: secret longer than a block", by(long), accepted(form, "long"), keys=[{"name": "long", "secret": long}])
    odd = "gehe\u00efm-\U0001f511 "
    v.add(f"{form}: secret that is not ASCII and ends in a space", by(odd), accepted(form, "odd"), keys=[{"name": "odd", "secret": odd}])


def add_bodies(v, form, prefix, others, fresh):
    """What becomes of the body. `fresh` says whether bodies without a time can be checked against the window."""
    def delivery(body):
        return others + [(v.header, mac(SECRET, prefix + body))]

    def add(name, body, want=None, repeat=1):
        v.add(f"{form}: {name}", delivery(body * repeat), want or accepted(form), body=body, now=NOW if fresh else None, repeat=repeat)

    good = delivery(v.body)
    for name, body in {
        "one byte changed": v.body.replace(b"e", b"E", 1),
        "last byte missing": v.body[:-1],
        "trailing newline": v.body + b"\n",
        "trailing CR LF": v.body + b"\r\n",
        "byte order mark in front": b"\xef\xbb\xbf" + v.body,
        "re-serialised, compact": json.dumps(json.loads(v.body), separators=(",", ":")).encode(),
        "re-serialised, sorted": json.dumps(json.loads(v.body), sort_keys=True, indent=1).encode(),
        "in base64": base64.b64encode(v.body),
        "twice": v.body * 2,
        "gone": b"",
    }.items():
        assert body != v.body, name
        v.add(f"{form}: body changed: {name}", good, MISMATCH, body=body)

    add("empty body", b"")
    add("body of one brace", b"{")
    add("body with a trailing newline that was signed", v.body + b"\n")
    add("body that is not UTF-8", b'{"text":"\xff\xfe\xc0\x80"}')
    add("body with NUL bytes", b'{"text":"\x00\x00"}\x00')
    add("body that is nothing but NUL bytes", b"\x00" * 64)
    add("body of every byte", bytes(range(256)))
    for size in 55, 56, 63, 64, 65, 119, 120, 127, 128, 129:  # around the blocks of SHA-256
        add(f"body of {size} bytes", b"{" * size)
    add("body of 1 MiB", b'{"0123456789":1},', repeat=(1 << 20) // 17 + 1)


def add_window(v, form, at, steps):
    """The edges of the window: `at(t)` makes headers and body sent at t."""
    past, future = WINDOWS[v.name]["past"], WINDOWS[v.name]["future"]
    for name, t, want in [
        ("as old as may be", NOW - past, accepted(form)),
        ("a second older than may be", NOW - past - 1, STALE),
        ("as far ahead as may be", NOW + future, accepted(form)),
        ("a second further ahead than may be", NOW + future + 1, FUTURE),
        ("now", NOW, accepted(form)),
        ("a year old", NOW - 31536000, STALE),
        ("a year ahead", NOW + 31536000, FUTURE),
    ] + steps:
        headers, body = at(t)
        v.add(f"{form}: {name}", headers, want, body=body)


# ---------------------------------------------------------------- the vendors

def greenflash():
    body = (b'{"type": "conversation.frustration", "id": "evt_1", "createdAt": "2026-11-21T17:47:39.000Z", '
            b'"data": {"conversationId": "c_1", "frustration": {"label": "high", "score": 0.90}}}')
    v = Vendor("greenflash", body)
    stamp, delivery = "X-Greenflash-Timestamp", "X-Greenflash-Delivery"
    ts, dlv = str(NOW), "dlv_7Kx-2"
    others = [(stamp, ts), (delivery, dlv)]
    prefixes = {"timestamp.body": f"{ts}.".encode(), "delivery.timestamp.body": f"{dlv}.{ts}.".encode(), "body": b""}

    for form, prefix in prefixes.items():
        add_signatures(v, form, prefix + body, others)
        add_keys(v, form, prefix + body, others)
        add_bodies(v, form, prefix, others, True)

    def parts(form, ts, dlv):
        return {"timestamp.body": f"{ts}.", "delivery.timestamp.body": f"{dlv}.{ts}.", "body": ""}[form].encode()

    def sent(form, ts=ts, dlv=dlv, signed=None, payload=body):
        """A delivery with these headers; signed are the covered headers as the signature has them, if others."""
        prefix = parts(form, *(signed or (ts, dlv)))
        headers = [(stamp, ts)] + ([(delivery, dlv)] if dlv is not None else [])
        return headers + [(v.header, mac(SECRET, prefix + payload))]

    for form in prefixes:
        ms = lambda t: (sent(form, ts=str(t)), None)
        add_window(v, form, ms, [
            ("milliseconds, as old as may be", (NOW - 300) * 1000, accepted(form)),
            ("milliseconds, one older than may be", (NOW - 300) * 1000 - 1, STALE),
            ("milliseconds, as far ahead as may be", (NOW + 300) * 1000, accepted(form)),
            ("milliseconds, one further ahead than may be", (NOW + 300) * 1000 + 1, FUTURE),
            ("nine digits, which are before September 2001", 946684800, STALE),
            ("twelve digits, which are before September 2001", 946684800000, STALE),
            ("the last time of ten digits", 9999999999, FUTURE),
            ("the last time of thirteen digits", 9999999999999, FUTURE),
        ])
        # All of these are signed as they stand: what refuses them is the grammar.
        for name, bad in {
            "negative": f"-{ts}", "plus sign": f"+{ts}", "leading zero": f"0{ts}",
            "fraction": f"{ts}.0", "fraction of nine digits": f"{ts}.123456789", "exponent": "1.795283259e9",
            "exponent without a point": "1795283e3", "eight digits": "17952832", "eleven digits": f"{ts}0",
            "fourteen digits": f"{ts}0000", "microseconds": f"{ts}000000", "nanoseconds": f"{ts}000000000",
            "twenty digits": "18446744073709551616", "negative, ten characters": "-179528325",
            "hexadecimal": hex(NOW), "hexadecimal digits alone": "6b01f87bab", "underscore": "1_795283259", "RFC 3339": "2026-11-21T20:27:39Z",
            "space before": f" {ts}", "space after": f"{ts} ", "space within": f"{ts[:5]} {ts[5:9]}", "full-width digits": "\uff11" * 10,
            "full-width digits, ten bytes": "\uff11\uff12\uff13" + "1", "Arabic digits, ten bytes": "\u0661" * 5,
            "not a number": "NaN", "infinite": "Infinity", "NUL byte": ts[:9] + "\x00", "comma list": f"{ts},{ts}",
        }.items():
            v.add(f"{form}: timestamp: {name}", sent(form, ts=bad), MALFORMED)
        # With two or three leading zeros the length is that of milliseconds; as such it is far too old.
        for zeros in "00", "000":
            v.add(f"{form}: timestamp: {len(zeros)} leading zeros are milliseconds of 1970", sent(form, ts=zeros + ts), STALE)
        v.add(f"{form}: timestamp missing", sent(form)[1:], MISSING)
        v.add(f"{form}: timestamp empty", sent(form, ts=""), MISSING)
        v.add(f"{form}: timestamp twice", [(stamp, ts)] + sent(form), REPEATED)
        v.add(f"{form}: timestamp twice, the first one stale", [(stamp, str(NOW - 9999))] + sent(form), REPEATED)
        for name, bad in {
            "dot": "dlv.1", "ends in a dot": "dlv.", "nothing but a dot": ".", "129 characters": "d" * 129, "space": "dlv 1",
            "space after": "dlv_1 ", "slash": "dlv/1", "colon": "dlv:1", "plus": "dlv+1", "equals": "dlv=", "letter that is not ASCII": "dlv_\u00e9",
            "full-width letter": "\uff44", "zero-width space": "dlv\u200b1", "NUL byte": "dlv\x00", "newline": "dlv\n1", "brace": "{dlv}",
            "quote": 'dlv"', "at sign": "dlv@", "bracket": "dlv[", "backtick": "dlv`", "comma list": "dlv_1,dlv_2", "1000 characters": "d" * 1000,
        }.items():
            v.add(f"{form}: delivery id: {name}", sent(form, dlv=bad), MALFORMED)
        v.add(f"{form}: delivery id empty", sent(form, dlv=""), MISSING)
        v.add(f"{form}: delivery id twice", [(delivery, dlv)] + sent(form), REPEATED)
        for name, odd in {
            "128 characters": "d" * 128, "one character": "-", "all letters, digits and signs": string.ascii_letters + string.digits + "_-",
            "a UUID": "0f8fad5b-d9cb-469f-a165-70867728950e", "looks like a timestamp": "1795283000",
        }.items():
            v.add(f"{form}: delivery id: {name}", sent(form, dlv=odd), accepted(form))
        v.add(f"{form}: other headers do not matter", [("Content-Type", "text/plain"), ("X-Convosphere-Signature", "00")] + sent(form), accepted(form))

    # The MAC is over the header as it came, never over a number that was read and printed again.
    for name, printed in {"leading zeros": f"000{ts}", "two leading zeros": f"00{ts}", "milliseconds cut to seconds": f"{ts}000"}.items():
        headers = sent("timestamp.body", ts=printed, signed=(ts, dlv))
        v.add(f"signed over the number, sent with {name}", headers, MISMATCH)
        v.add(f"signed with {name}, sent as the number", sent("timestamp.body", signed=(printed, dlv)), MISMATCH)
    v.add("signed over seconds with a fraction of zero", sent("timestamp.body", signed=(f"{ts}.0", dlv)), MISMATCH)
    v.add("signed over milliseconds, sent as seconds, with the delivery", sent("delivery.timestamp.body", signed=(f"{ts}000", dlv)), MISMATCH)

    # What a form covers cannot be changed, what it does not cover can.
    v.add("another timestamp under a signature that covers it", sent("timestamp.body", ts=str(NOW - 1), signed=(ts, dlv)), MISMATCH)
    v.add("another timestamp under a signature over delivery and timestamp", sent("delivery.timestamp.body", ts=str(NOW - 1), signed=(ts, dlv)), MISMATCH)
    v.add("another delivery id under a signature that covers it", sent("delivery.timestamp.body", dlv="other", signed=(ts, dlv)), MISMATCH)
    v.add("another case of the delivery id", sent("delivery.timestamp.body", dlv=dlv.upper(), signed=(ts, dlv)), MISMATCH)
    v.add("another delivery id under a signature that does not cover it", sent("timestamp.body", dlv="other"), accepted("timestamp.body"))
    v.add("another timestamp under a signature over the body alone", sent("body", ts=str(NOW - 1)), accepted("body"))
    v.add("no delivery id, not covered", sent("timestamp.body", dlv=None), accepted("timestamp.body"))
    v.add("no delivery id, body alone", sent("body", dlv=None), accepted("body"))
    v.add("no delivery id, covered", [h for h in sent("delivery.timestamp.body") if h[0] != delivery], MISMATCH)

    # The bytes of one form, cut differently.
    def recut(name, form, headers, payload, signed_dlv=dlv, want=MISMATCH):
        v.add(f"cut differently: {name}", headers + [(v.header, mac(SECRET, parts(form, ts, signed_dlv) + body))], want, body=payload)

    recut("timestamp.body sent as body", "timestamp.body", [(stamp, ts)], f"{ts}.".encode() + body)
    recut("timestamp.body sent as body, with a fresh timestamp", "timestamp.body", [(stamp, str(NOW + 9))], f"{ts}.".encode() + body)
    recut("delivery.timestamp.body sent as body", "delivery.timestamp.body", [(stamp, ts)], f"{dlv}.{ts}.".encode() + body)
    recut("delivery.timestamp.body sent as timestamp.body, the id being digits", "delivery.timestamp.body",
          [(stamp, "1795283000")], f"{ts}.".encode() + body, signed_dlv="1795283000")
    recut("delivery.timestamp.body, the dot and the time in the delivery id", "delivery.timestamp.body", [(stamp, ts), (delivery, f"{dlv}.{ts}")], body, want=MALFORMED)
    recut("timestamp.body sent with the timestamp as delivery id", "timestamp.body", [(stamp, ts), (delivery, ts)], f"{ts}.".encode() + body)
    recut("empty body: the dot as body", "body", [(stamp, ts)], b".")
    for name, odd in {"a number with a fraction": b"1.5", "a host": b"example.com", "a word and a dot": b"ping."}.items():
        v.add(f"body that another form could have made: {name}", sent("body", payload=odd), MISMATCH, body=odd)
    for name, odd in {"a dot in front": b".", "a space in front": b" 1.5", "no dot": b"12345", "129 characters before the dot": b"d" * 129 + b"."}.items():
        v.add(f"body that no other form could have made: {name}", sent("body", payload=odd), accepted("body"), body=odd)
    longest = b"d" * 128 + b"."
    v.add("body that another form could have made: 128 characters before the dot", sent("body", payload=longest), MISMATCH, body=longest)
    v.add("covered headers joined without a dot", [(stamp, ts), (v.header, mac(SECRET, ts.encode() + body))], MISMATCH)
    v.add("covered headers joined in the other order", [(stamp, ts), (delivery, dlv), (v.header, mac(SECRET, f"{ts}.{dlv}.".encode() + body))], MISMATCH)
    v.add("a newline instead of the dot", [(stamp, ts), (v.header, mac(SECRET, f"{ts}\n".encode() + body))], MISMATCH)
    return v


def in_body(name, body, stamp):
    """A vendor that signs its body alone and has the time in it; `stamp(t)` is the member's value for t."""
    v = Vendor(name, body(stamp(NOW)))
    sign = lambda payload: [(v.header, mac(SECRET, payload))]
    assert verify_webhook_signature(v.body.decode(), sign(v.body)[0][1], SECRET), "the vendor's own sample disagrees"
    add_signatures(v, "body", v.body, [])
    add_keys(v, "body", v.body, [])
    add_bodies(v, "body", b"", [], False)
    at = lambda t: (sign(body(stamp(t))), body(stamp(t)))
    add_window(v, "body", at, [])
    for odd in b"1.5", b"ping.", b"[]", b"null":  # one form alone: nothing to take it for
        v.add(f"body: body {odd.decode()!r}", sign(odd), accepted("body"), body=odd, now=None)
    v.add("signed as Greenflash does, over time and body", [(v.header, mac(SECRET, f"{NOW}.".encode() + v.body)), ("X-Greenflash-Timestamp", str(NOW))], MISMATCH)
    return v


def convosphere():
    body = lambda t: f'{{"id": "evt_123", "type": "message.created", "timestamp": {t}, "data": {{"content": "Gr\u00fc\u00dfe"}}}}'.encode()
    return in_body("convosphere", body, str)


def workflux():
    rfc3339 = lambda t: datetime.fromtimestamp(t, timezone.utc).strftime('"%Y-%m-%dT%H:%M:%SZ"')
    body = lambda t: f'{{\n"event": "conversation.started",\n"timestamp": {t},\n"data": {{"conversation_id": "conv-123"}}\n}}'.encode()
    return in_body("workflux", body, rfc3339)


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    stale = [v.name for v in (greenflash(), convosphere(), workflux()) if not v.write(check)]
    if stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run python3 {pathlib.Path(__file__).name}")


if __name__ == "__main__":
    main()
