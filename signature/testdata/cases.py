"""What can be asked of every vendor's signature, keys, body and window: used by generate.py."""

import base64
import hashlib
import hmac
import json
import pathlib

from reference import SCHEMES, WINDOWS, judge, mac

HERE = pathlib.Path(__file__).parent
NOW = 1795283259  # 2026-11-21T17:47:39Z
SECRET = "whsec_3c1f5a7e9b2d4806"
OLD, NEW = "old-3c1f5a7e9b2d4806", "new-8d2e6b1a4f7c9035"


class Vendor:
    def __init__(self, name, body):
        self.name, self.body, self.vectors = name, body, []
        self.header = SCHEMES[name]["header"]

    def add(self, name, headers, want, body=None, keys=None, now=NOW, repeat=1, pin=None):
        piece = self.body if body is None else body
        keys = [{"name": "default", "secret": SECRET}] if keys is None else keys
        whole = piece * repeat
        assert name not in [v["name"] for v in self.vectors], name
        judged = judge(self.name, headers, whole, keys, now, pin)
        assert judged == want, f"{self.name}: {name}: by hand {want}, by the reference {judged}"
        vector = {"name": name, "vendor": self.name, "form": want.get("form", ""), "headers": [list(h) for h in headers]}
        vector["body"] = base64.b64encode(piece).decode()
        if repeat != 1:
            vector["repeat"] = repeat
        if pin is not None:
            vector["pin"] = pin
        vector.update(keys=keys, now=now, want=want)
        self.vectors.append(vector)

    def write(self, check):
        return write(self.name, {"vendor": self.name, "scheme": SCHEMES[self.name], "window": WINDOWS[self.name]}, self.vectors, check)


def write(name, head, vectors, check):
    lines = [json.dumps(v, ensure_ascii=True) for v in vectors]
    text = json.dumps(head, indent=1)[:-2] + ',\n "vectors": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
    path = HERE / f"{name}.json"
    if check:
        return path.exists() and path.read_text(encoding="ascii") == text
    path.write_bytes(text.encode("ascii"))
    return True


def accepted(form, key="default"):
    return {"accepted": True, "key": key, "form": form}


def refused(reason):
    return {"accepted": False, "reason": reason}


MISSING, REPEATED, MALFORMED = refused("header_missing"), refused("header_repeated"), refused("header_malformed")
MISMATCH, STALE, FUTURE = refused("signature_mismatch"), refused("stale"), refused("future")
KEYS, NO_TIME, NO_OBJECT = refused("keys_refused"), refused("no_time"), refused("no_json_object")


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
    for prefix in ("Sha256=", "sha256", "sha1=", "sha512=", "v1,", "v1=", "sha256:", "sha256=sha256=", "=", " sha256=", "sha256= ",
                   "sha256 =", "sha-256=", "hmac-sha256=", "HMAC-SHA256 ", "0x", "\\x"):
        v.add(f"{form}: prefix {prefix!r}", with_it(prefix + good), MALFORMED)
    v.add(f"{form}: prefix alone", with_it("sha256="), MALFORMED)
    v.add(f"{form}: prefix instead of digits, 64 long", with_it("sha256=" + good[7:]), MALFORMED)
    v.add(f"{form}: digits instead of the prefix, 71 long", with_it("0000000" + good), MALFORMED)
    v.add(f"{form}: header twice, the same", with_it(good, good), REPEATED)
    v.add(f"{form}: header twice, the second good", with_it("0" * 64, good), REPEATED)
    v.add(f"{form}: header twice, the second empty", with_it(good, ""), REPEATED)
    v.add(f"{form}: header twice, the first good", with_it(good, "0" * 64), REPEATED)
    v.add(f"{form}: header three times", with_it(good, good, good), REPEATED)
    lower = v.header.lower()
    v.add(f"{form}: header's name in lower case", others + [(lower, good)], ok)
    v.add(f"{form}: every header's name in lower case", [(n.lower(), value) for n, value in with_it(good)], ok)
    v.add(f"{form}: header's name in upper case", others + [(v.header.upper(), good)], ok)
    v.add(f"{form}: header twice, once in lower case", with_it(good) + [(lower, good)], REPEATED)
    v.add(f"{form}: header's name with underscores", others + [(v.header.replace("-", "_"), good)], MISSING)
    v.add(f"{form}: header missing", others, MISSING)
    v.add(f"{form}: header empty", with_it(""), MISSING)
    v.add(f"{form}: header of another vendor", others + [("X-Other-Signature", good)], MISSING)
    v.add(f"{form}: space before", with_it(" " + good), MALFORMED)
    v.add(f"{form}: space after", with_it(good + " "), MALFORMED)
    v.add(f"{form}: tab before", with_it("\t" + good), MALFORMED)
    v.add(f"{form}: tab after", with_it(good + "\t"), MALFORMED)
    v.add(f"{form}: no-break space before", with_it("\u00a0" + good), MALFORMED)
    v.add(f"{form}: space within", with_it(good[:32] + " " + good[32:]), MALFORMED)
    v.add(f"{form}: space in place of the last digit", with_it(good[:-1] + " "), MALFORMED)
    v.add(f"{form}: nothing but a space", with_it(" "), MALFORMED)
    v.add(f"{form}: newline after", with_it(good + "\n"), MALFORMED)
    v.add(f"{form}: one digit short", with_it(good[:-1]), MALFORMED)
    v.add(f"{form}: one digit long", with_it(good + "0"), MALFORMED)
    v.add(f"{form}: half of it", with_it(good[:32]), MALFORMED)
    v.add(f"{form}: one digit", with_it(good[0]), MALFORMED)
    v.add(f"{form}: base64", with_it(base64.b64encode(raw).decode()), MALFORMED)
    v.add(f"{form}: base64 of the hex", with_it(base64.b64encode(good.encode()).decode()), MALFORMED)
    v.add(f"{form}: base64 for URLs, without padding", with_it(base64.urlsafe_b64encode(raw).decode().rstrip("=")), MALFORMED)
    v.add(f"{form}: colons between the bytes", with_it(raw.hex(":")), MALFORMED)
    v.add(f"{form}: percent-encoded", with_it("%" + raw.hex("%")), MALFORMED)
    v.add(f"{form}: a letter past f", with_it(good[:-1] + "g"), MALFORMED)
    v.add(f"{form}: a full-width digit", with_it(good[:-3] + "\uff10"), MALFORMED)
    v.add(f"{form}: a NUL byte", with_it(good[:-1] + "\x00"), MALFORMED)
    v.add(f"{form}: two joined with a comma", with_it(good + "," + good), MALFORMED)
    v.add(f"{form}: a wrong and a good one joined with a comma", with_it("0" * 64 + ", " + good), MALFORMED)
    v.add(f"{form}: two with prefixes joined with a comma", with_it(f"sha256={good},sha256={good}"), MALFORMED)
    v.add(f"{form}: two joined with a space", with_it(good + " " + good), MALFORMED)
    v.add(f"{form}: two without anything between", with_it(good + good), MALFORMED)
    v.add(f"{form}: a hundred, the last one good", with_it(("0" * 64 + ",") * 99 + good), MALFORMED)
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
    again = [{"name": "a", "secret": SECRET}, {"name": "b", "secret": SECRET}]
    v.add(f"{form}: one secret under two names, the first is named", by(SECRET), accepted(form, "a"), keys=again)
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
    decoded = hmac.new(base64.b64decode(SECRET[len("whsec_"):]), signed, hashlib.sha256).hexdigest()
    v.add(f"{form}: sender decoded the secret from base64", others + [(v.header, decoded)], MISMATCH)
    v.add(f"{form}: sender cut whsec_ off the secret", by(SECRET[len("whsec_"):]), MISMATCH)
    padded = [{"name": "padded", "secret": SECRET + "\x00"}]  # HMAC fills a short key up with NUL bytes
    v.add(f"{form}: our secret ends in a NUL byte, which HMAC cannot tell", by(SECRET), accepted(form, "padded"), keys=padded)

    # Secrets that no receiver may be built with. Each signature is the one that such a receiver would expect.
    for name, secret in {
        "empty": "", "a space": " ", "white space": "\t\r\n ", "a no-break space": "\u00a0", "an ideographic space": "\u3000",
        "a NUL byte": "\x00", "a byte order mark": "\ufeff", "what a redacted one shows": "[redacted]",
    }.items():
        v.add(f"{form}: our secret is {name}", by(secret), KEYS, keys=[{"name": "default", "secret": secret}])
    v.add(f"{form}: our second secret is empty, signed by the first", by(NEW), KEYS, keys=[both[0], {"name": "old", "secret": ""}])
    v.add(f"{form}: our second secret is empty, signed by it", by(""), KEYS, keys=[both[0], {"name": "old", "secret": ""}])
    v.add(f"{form}: no key at all", by(""), KEYS, keys=[])
    v.add(f"{form}: seventeen keys", by("secret-number-0"), KEYS, keys=sixteen + [{"name": "k16", "secret": "secret-number-16"}])
    v.add(f"{form}: two keys of one name", by(NEW), KEYS, keys=[both[0], {"name": "new", "secret": OLD}])
    v.add(f"{form}: a key without a name", by(NEW), KEYS, keys=[{"name": "", "secret": NEW}])


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
        "first byte missing": v.body[1:],
        "last bit changed": v.body[:-1] + bytes([v.body[-1] ^ 1]),
        "space in front": b" " + v.body,
        "trailing space": v.body + b" ",
        "trailing NUL byte": v.body + b"\x00",
        "without a space": v.body.replace(b" ", b"", 1),
        "trailing newline": v.body + b"\n",
        "trailing CR LF": v.body + b"\r\n",
        "byte order mark in front": b"\xef\xbb\xbf" + v.body,
        "re-serialised, compact": json.dumps(json.loads(v.body), separators=(",", ":")).encode(),
        "re-serialised, sorted": json.dumps(json.loads(v.body), sort_keys=True, indent=1).encode(),
        "re-serialised, as JSON.stringify does": json.dumps(json.loads(v.body), separators=(",", ":"), ensure_ascii=False).encode(),
        "re-serialised, two members exchanged": json.dumps(dict(reversed(json.loads(v.body).items())), ensure_ascii=False).encode(),
        "in UTF-16": v.body.decode().encode("utf-16-le"),
        "in Latin-1, with a letter that shows it": v.body.decode().encode("latin-1") + b"\xfc",
        "as a JSON string": json.dumps(v.body.decode()).encode(),
        "as a form": b"payload=" + v.body,
        "in base64": base64.b64encode(v.body),
        "twice": v.body * 2,
        "gone": b"",
    }.items():
        assert body != v.body, name
        v.add(f"{form}: body changed: {name}", good, MISMATCH, body=body)

    add("empty body", b"")
    add("body of one brace", b"{")
    add("body with a trailing newline that was signed", v.body + b"\n")
    add("body with a byte order mark that was signed", b"\xef\xbb\xbf" + v.body)
    add("body of one newline", b"\n")
    add("body with CR LF", b'{\r\n"a": 1\r\n}\r\n')
    add("body of two JSON objects", b"{}{}")
    add("body with a member twice", b'{"type": "a", "type": "b"}')
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


