#!/usr/bin/env python3
"""Writes greenflash.json, convosphere.json, workflux.json and emberqa.json beside this file: deliveries, and what a
receiver must make of each. README.md says how they are read. Run it with

    python3 signature/testdata/generate.py            # writes
    python3 signature/testdata/generate.py --check    # writes nothing; fails if a file is not up to date

It needs nothing but Python 3.9. It is a second implementation, on purpose not a translation of the Go one: WorkFlux's
MAC comes from the sample on WorkFlux's own page, the others from their description. Each vector says by hand what must
become of it, and `judge` in reference.py (emberqa.py, for EmberQA) has to agree before anything is written.
"""

import pathlib
import string
import sys
from datetime import datetime, timezone

sys.dont_write_bytecode = True
import emberqa  # noqa: E402
from cases import (FUTURE, MALFORMED, MISMATCH, MISSING, NO_OBJECT, NO_TIME, NOW, REPEATED, SECRET, STALE, Vendor,  # noqa: E402
                   accepted, add_bodies, add_keys, add_signatures, add_window)
from reference import WINDOWS, mac, verify_webhook_signature  # noqa: E402

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
            "negative zero": "-0", "zero": "0", "tab before": f"\t{ts}", "tab after": f"{ts}\t", "newline after": f"{ts}\n",
            "nothing but a space": " ", "no-break space before": f"\u00a0{ts}", "letter after": f"{ts}s", "plus sign, ten characters": f"+{ts[:9]}",
            "plus sign and milliseconds": f"+{ts}000", "a fraction, ten characters": f"{ts[:8]}.5", "a fraction, thirteen characters": f"{ts}.00",
            "exponent, ten characters": "179528e+04", "the greatest of 64 bits": str(2**63 - 1), "the least of 64 bits": str(-(2**63)),
            "past 64 bits by this very time": str(2**64 + NOW), "past 32 bits by this very time": str(2**32 + NOW) + "0",
            "superscript digits": "\u00b9" * 5, "percent-encoded": f"%31{ts[1:]}", "thousands": "1,795,283,259", "dot after": f"{ts}.",
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
            "begins with a dot": ".dlv", "tab after": "dlv\t", "space before": " dlv_1", "nothing but a space": " ", "percent-encoded": "dlv%2E1",
            "the time and a dot": f"{ts}.", "backslash": "dlv\\", "tilde": "dlv~", "semicolon": "dlv;1", "DEL byte": "dlv\x7f",
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
    for form in "timestamp.body", "delivery.timestamp.body":
        for name, printed, want in [
            ("three leading zeros", f"000{ts}", MISMATCH), ("two leading zeros", f"00{ts}", MISMATCH), ("a leading zero", f"0{ts}", MALFORMED),
            ("a plus sign", f"+{ts}", MALFORMED), ("a space before", f" {ts}", MALFORMED), ("a space after", f"{ts} ", MALFORMED),
            ("a fraction of zero", f"{ts}.0", MALFORMED), ("milliseconds", f"{ts}000", MISMATCH),
        ]:
            v.add(f"{form}: signed over the number, sent with {name}", sent(form, ts=printed, signed=(ts, dlv)), want)
            v.add(f"{form}: signed with {name}, sent as the number", sent(form, signed=(printed, dlv)), MISMATCH)

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

    add_pins(v, sent, prefixes, stamp, ts, delivery)

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
    recut("timestamp.body, the last digit of the time in the body", "timestamp.body", [(stamp, ts[:-1])], f"{ts[-1]}.".encode() + body)
    recut("timestamp.body, the first digit of the time in the delivery id", "timestamp.body", [(delivery, ts[0]), (stamp, ts[1:])], body)
    recut("delivery.timestamp.body, a letter of the id in the time", "delivery.timestamp.body", [(delivery, dlv[:-1]), (stamp, dlv[-1] + ts[:9])], body)
    recut("timestamp.body, the first brace in the time", "timestamp.body", [(stamp, ts + ".{")], body[1:], want=MALFORMED)
    recut("body, its beginning as the time", "body", [(stamp, body[:10].decode())], body[11:], want=MALFORMED)
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


def add_pins(v, sent, forms, stamp, ts, delivery):
    """A receiver may take one form alone."""
    for pin in forms:
        for form in forms:
            v.add(f"pinned to {pin}, signed as {form}", sent(form), accepted(form) if form == pin else MISMATCH, pin=pin)
        without = [h for h in sent(pin) if h[0] != stamp]
        v.add(f"pinned to {pin}, timestamp missing", without, MISSING, pin=pin)
        v.add(f"pinned to {pin}, timestamp with a plus sign", sent(pin, ts="+" + ts), MALFORMED, pin=pin)
        v.add(f"pinned to {pin}, timestamp stale", sent(pin, ts=str(NOW - 301)), STALE, pin=pin)
        v.add(f"pinned to {pin}, delivery id with a dot", sent(pin, dlv="dlv.1"), MALFORMED, pin=pin)
        without = [h for h in sent(pin) if h[0] != delivery]
        v.add(f"pinned to {pin}, no delivery id", without, MISSING if pin.startswith("delivery") else accepted(pin), pin=pin)
        # With one form there is nothing that such a body could be taken for.
        odd = b"ping."
        v.add(f"pinned to {pin}, body that another form could have made", sent(pin, payload=odd), accepted(pin), body=odd, pin=pin)
        whole = forms[pin] + v.body
        v.add(f"pinned to {pin}, what it covers sent as the body", [(stamp, ts), (v.header, mac(SECRET, whole))],
              accepted(pin) if pin == "body" else MISSING if pin.startswith("delivery") else MISMATCH, body=whole, pin=pin)


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
    add_written_times(v, sign, body)
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


def add_written_times(v, sign, body):
    """How the time in the body may be written. Both vendors' receivers read the same notations. Left open is what Go's
    parser of RFC 3339 takes against the RFC: one digit for the hour, an offset of a day."""
    def add(name, raw, want=accepted("body")):
        whole = body(raw)
        v.add(f"time in the body: {name}", sign(whole), want, body=whole)

    add("seconds", str(NOW))
    add("seconds, as a string", f'"{NOW}"')
    add("milliseconds", f"{NOW}000")
    add("milliseconds, as a string", f'"{NOW}999"')
    add("RFC 3339", '"2026-11-21T17:47:39Z"')
    for name, text in {
        "with milliseconds": "17:47:39.999Z", "with nanoseconds": "17:47:39.123456789Z", "with an offset": "18:47:39+01:00",
        "with an offset of zero": "17:47:39+00:00", "with an unknown offset": "17:47:39-00:00", "with an offset of half an hour": "12:17:39-05:30",
    }.items():
        add(f"RFC 3339 {name}", f'"2026-11-21T{text}"')
    add("RFC 3339 on the next day elsewhere", '"2026-11-22T07:47:39+14:00"')
    add("RFC 3339, escaped", '"2026-11-21T17\\u003a47:39Z"')
    for name, raw in {
        "fraction": f"{NOW}.0", "fraction of a second": f"{NOW}.25", "fraction, as a string": f'"{NOW}.25"', "exponent": "1.795283259e9",
        "negative exponent": f"{NOW}000e-3", "milliseconds with an exponent": "1.795283259E+12", "milliseconds with a fraction": f"{NOW}000.5",
        "a space for the T": '"2026-11-21 17:47:39Z"', "small t": '"2026-11-21t17:47:39Z"', "small z": '"2026-11-21T17:47:39z"',
        "small t and z": '"2026-11-21t17:47:39z"', "a comma before the fraction": '"2026-11-21T17:47:39,5Z"',
        "twenty digits of a fraction": '"2026-11-21T17:47:39.12345678901234567890Z"',
        "offset without a colon": '"2026-11-21T17:47:39+0000"', "offset of hours alone": '"2026-11-21T18:47:39+01"',
        "offset with seconds": '"2026-11-21T18:41:07+00:53:28"', "a space before the offset": '"2026-11-21 17:47:39 +0000"',
        "UTC for the zone": '"2026-11-21 17:47:39 UTC"', "the zone's name after the offset": '"2026-11-21T18:47:39+01:00[Europe/Paris]"',
        "no seconds": '"2026-11-21T17:47Z"', "no minutes": '"2026-11-21T17Z"', "without separators": '"20261121T174739Z"',
        "without separators and seconds": '"20261121T1747+0000"',
    }.items():
        add(name, raw)
    for name, raw in {
        "negative": f"-{NOW}", "eight digits": "17952832", "eleven digits": f"{NOW}0", "a huge exponent": "1e999999999",
        "fourteen digits": f"{NOW}0000", "zero": "0", "null": "null", "true": "true", "an object": f'{{"seconds": {NOW}}}', "a list": f"[{NOW}]",
        "an empty string": '""', "plus sign, as a string": f'"+{NOW}"', "leading zero, as a string": f'"0{NOW}"', "space before, as a string": f'" {NOW}"',
        "exponent, as a string": '"1.795283259e9"', "no offset": '"2026-11-21T17:47:39"', "no offset, a zone's name": '"2026-11-21T17:47:39[Europe/Paris]"',
        "a zone's name that must not be ignored": '"2026-11-21T17:47:39Z[!Europe/Paris]"', "an ambiguous zone": '"2026-11-21 17:47:39 IST"',
        "a date alone": '"2026-11-21"', "a date with a zone": '"2026-11-21Z"', "day before month": '"21/11/2026 17:47:39Z"',
        "a leap second within the day": '"2026-11-21T17:47:60Z"', "a second past hour 24": '"2026-11-20T24:00:01Z"',
        "30 February": '"2026-02-30T17:47:39Z"', "five digits for the year": '"+12026-11-21T17:47:39Z"',
        "one hyphen": '"2026-1121T17:47:39Z"', "a fraction of a minute": '"2026-11-21T17:47.5Z"', "no digit in the fraction": '"2026-11-21T17:47:39.Z"',
        "RFC 1123": '"Sat, 21 Nov 2026 17:47:39 GMT"', "full-width digits": '"' + "\uff11" * 10 + '"',
        "past the year 9999": '"9999-12-31T23:59:60Z"',
    }.items():
        add(name, raw, NO_TIME)
    for name, raw in {"plus sign": f"+{NOW}", "leading zero": f"0{NOW}", "NaN": "NaN", "missing value": "", "in single quotes": f"'{NOW}'"}.items():
        add(f"not JSON: {name}", raw, NO_OBJECT)
    add("twice, the last one counts", f'"then", "timestamp": {NOW}')
    add("twice, the last one stale", f'{NOW}, "timestamp": {NOW - 99999}', STALE)
    past, future = WINDOWS[v.name]["past"], WINDOWS[v.name]["future"]
    add("milliseconds, as old as may be", str((NOW - past) * 1000))
    add("milliseconds, one older than may be", str((NOW - past) * 1000 - 1), STALE)
    add("milliseconds, as far ahead as may be", str((NOW + future) * 1000))
    add("milliseconds, one further ahead than may be", str((NOW + future) * 1000 + 1), FUTURE)
    add("nanosecond further ahead than may be", '"2026-11-21T17:52:39.000000001Z"', FUTURE)
    for name, old, ahead in [
        ("small t and z", '"2026-11-21t15:47:38z"', '"2026-11-21t17:52:40z"'),
        ("without separators", '"20261121T154738Z"', '"20261121T175240Z"'),
        ("offset without a colon", '"2026-11-21T17:47:38+0200"', '"2026-11-21T15:52:40-0200"'),
        ("the zone's name after the offset", '"2026-11-21T16:47:38+01:00[Europe/Paris]"', '"2026-11-21T18:52:40+01:00[Europe/Paris]"'),
        ("no seconds", '"2026-11-21T15:47Z"', '"2026-11-21T17:53Z"'),
        ("a leap second", '"2026-11-20T23:59:60Z"', '"2026-11-21T23:59:60Z"'),
        ("hour 24", '"2026-11-20T24:00:00Z"', '"2026-11-21T24:00:00Z"'),
        ("fraction", f"{NOW - 7201}.0", f"{NOW + 301}.0"),
        ("exponent", "1.795276058e9", "1.79528356e9"),
    ]:
        add(f"{name}, older than may be", old, STALE)
        add(f"{name}, further ahead than may be", ahead, FUTURE)
    add("the year 2603", '"2603-11-21T17:47:39Z"', FUTURE)
    add("the last second of the year 9999", '"9999-12-31T23:59:59Z"', FUTURE)
    add("the year 1900", '"1900-11-21T17:47:39Z"', STALE)


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    stale = [v.name for v in (greenflash(), convosphere(), workflux(), emberqa.Vectors()) if not v.write(check)]
    if stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run python3 {pathlib.Path(__file__).name}")


if __name__ == "__main__":
    main()
