"""EmberQA signs nothing: what lets a delivery in is a credential in the URL. Its cases and its reference, used by
generate.py."""

import base64
import hmac
import re
from urllib.parse import unquote, unquote_to_bytes

from cases import accepted, refused, write
from reference import BLANK

TOKEN, NEXT, LIVE = "q3v9TzKx7LwY2mNp", "Zk4RbQ8sW1xHc6Jd", "/webhooks/emberqa/"
PASSWORD = "a long password"
DENIED, BLOCKED = refused("credential"), refused("keys_refused")


def token(secret=TOKEN, name="default"):
    return {"name": name, "token": secret}


def basic(user="emberqa", password=PASSWORD, name="default"):
    return {"name": name, "user": user, "password": password}


def usable(credentials):
    """Whether a receiver may be built with these credentials."""
    names = [c["name"] for c in credentials]
    secrets = [s for c in credentials for s in (c.get("token"), c.get("user"), c.get("password")) if s is not None]
    return (1 <= len(credentials) <= 16 and len(set(names)) == len(names) and all(n.strip() for n in names)
            and all(s.strip(BLANK) for s in secrets) and not any("/" in c.get("token", "") for c in credentials))


ESCAPES = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*", re.ASCII)


def last_segment(path):
    segments = [s for s in unquote(path, errors="surrogateescape").split("/") if s]
    return segments[-1] if segments else None


def query_token(query):
    """The one parameter `token`; None if it is not there once, or if the query cannot be read for certain."""
    if ";" in query or not ESCAPES.fullmatch(query):
        return None
    pairs = [part.partition("=") for part in query.split("&") if part]
    plain = lambda s: unquote_to_bytes(s.replace("+", " ")).decode("utf-8", "surrogateescape")
    values = [plain(value) for name, _, value in pairs if plain(name) == "token"]
    return values[0] if len(values) == 1 else None


def basic_credentials(headers):
    values = [v for n, v in headers if n.lower() == "authorization"]
    if len(values) != 1 or values[0][:6].lower() != "basic ":
        return None
    try:
        user, colon, password = base64.b64decode(values[0][6:].encode(), validate=True).decode("utf-8", "surrogateescape").partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def same(a, b):
    return a is not None and hmac.compare_digest(a.encode("utf-8", "surrogateescape"), b.encode("utf-8", "surrogateescape"))


def judge(target, headers, credentials):
    """What a receiver must make of a delivery to target, which is a path and perhaps a query."""
    if not usable(credentials):
        return BLOCKED
    path, _, query = target.partition("?")
    shown = basic_credentials(headers)
    for c in credentials:
        if "token" in c:
            good = same(last_segment(path), c["token"]) | same(query_token(query), c["token"])
        else:
            good = shown is not None and same(shown[0], c["user"]) & same(shown[1], c["password"])
        if good:
            return accepted("", c["name"])
    return DENIED


class Vectors:
    name = "emberqa"

    def __init__(self):
        self.vectors = []
        self.add_tokens()
        self.add_basic()
        self.add_credentials()

    def add(self, name, target, want, headers=(), credentials=None):
        credentials = [token()] if credentials is None else credentials
        assert name not in [v["name"] for v in self.vectors], name
        judged = judge(target, headers, credentials)
        assert judged == want, f"emberqa: {name}: by hand {want}, by the reference {judged}"
        self.vectors.append({"name": name, "vendor": "emberqa", "target": target, "headers": [list(h) for h in headers],
                             "credentials": credentials, "want": want})

    def write(self, check):
        return write(self.name, {"vendor": self.name}, self.vectors, check)

    def add_tokens(self):
        yes = accepted("", "default")
        escaped = "%71" + TOKEN[1:]
        for name, target in {
            "last in the path": LIVE + TOKEN, "with a slash after it": LIVE + TOKEN + "/", "with two slashes after it": LIVE + TOKEN + "//",
            "and a query": LIVE + TOKEN + "?x=1", "and another token": LIVE + TOKEN + "?token=other", "and a broken query": LIVE + TOKEN + "?a=%zz",
            "and an empty query": LIVE + TOKEN + "?", "at the root": "/" + TOKEN, "two slashes before": "/webhooks//" + TOKEN,
            "escaped": LIVE + escaped, "escaped as a whole": LIVE + "".join(f"%{ord(c):02x}" for c in TOKEN),
            "an escaped slash before": "/webhooks%2F" + TOKEN, "an escaped slash after": LIVE + TOKEN + "%2F",
        }.items():
            self.add(f"path: {name}", target, yes)
        for name, target in {
            "nothing": LIVE, "the root": "/", "another token": LIVE + NEXT, "in lower case": LIVE + TOKEN.lower(), "in upper case": LIVE + TOKEN.upper(),
            "all but its last letter": LIVE + TOKEN[:-1], "all but its first letter": LIVE + TOKEN[1:], "its last letter changed": LIVE + TOKEN[:-1] + "q",
            "a letter more": LIVE + TOKEN + "x", "a letter before": LIVE + "x" + TOKEN, "not last": LIVE + TOKEN + "/more", "first of all": "/" + TOKEN + "/webhooks",
            "a space after": LIVE + TOKEN + "%20", "a plus after": LIVE + TOKEN + "+", "a NUL byte after": LIVE + TOKEN + "%00", "a newline after": LIVE + TOKEN + "%0A",
            "escaped twice": LIVE + "%2571" + TOKEN[1:], "a dot after": LIVE + TOKEN + ".", "a file ending": LIVE + TOKEN + ".json",
            "a parameter of the path": LIVE + TOKEN + ";v=1", "in quotes": LIVE + "%22" + TOKEN + "%22", "twice, joined": LIVE + TOKEN + TOKEN,
            "the token's name": LIVE + "default", "as a name and a value": LIVE + "token=" + TOKEN, "full-width letter": LIVE + "%EF%BD%91" + TOKEN[1:],
            "a byte that is not UTF-8 after": LIVE + TOKEN + "%FF", "a dot segment after": LIVE + TOKEN + "/.", "two dots after": LIVE + "x/" + TOKEN + "/..",
        }.items():
            self.add(f"path: {name}", target, DENIED)
        for name, query in {
            "alone": f"token={TOKEN}", "among others": f"a=b&token={TOKEN}&c=d", "escaped": f"token={escaped}", "its name escaped": f"%74oken={TOKEN}",
            "empty parts around": f"&&token={TOKEN}&", "another one under another name": f"token={TOKEN}&Token=x", "a parameter without a value": f"a&token={TOKEN}",
        }.items():
            self.add(f"query: {name}", "/webhooks?" + query, yes)
        for name, query in {
            "empty": "token=", "without a value": "token", "another token": f"token={NEXT}", "in lower case": f"token={TOKEN.lower()}",
            "twice, the same": f"token={TOKEN}&token={TOKEN}", "twice, the second empty": f"token={TOKEN}&token=", "twice, the first wrong": f"token=x&token={TOKEN}",
            "twice, once escaped": f"token={TOKEN}&%74oken=x", "another case of the name": f"Token={TOKEN}", "the name in upper case": f"TOKEN={TOKEN}",
            "an indexed name": f"token[]={TOKEN}", "another name": f"key={TOKEN}", "as a name": TOKEN, "a plus after": f"token={TOKEN}+", "a space after": f"token={TOKEN}%20",
            "after a broken escape": f"a=%zz&token={TOKEN}", "before a broken escape": f"token={TOKEN}&a=%zz", "before a cut-off escape": f"token={TOKEN}&a=%7",
            "parted by a semicolon": f"a=b;token={TOKEN}", "a semicolon after": f"token={TOKEN};", "a second equals sign": f"token=={TOKEN}",
            "in quotes": f"token=%22{TOKEN}%22", "escaped twice": "token=%2571" + TOKEN[1:], "with a question mark": f"?token={TOKEN}",
        }.items():
            self.add(f"query: {name}", "/webhooks?" + query, DENIED)

    def add_basic(self):
        yes, only = accepted("", "default"), [basic()]
        encode = lambda text: base64.b64encode(text.encode()).decode()
        good = encode(f"emberqa:{PASSWORD}")
        header = lambda value: [("Authorization", value)]
        for name, value in {"as documented": f"Basic {good}", "scheme in lower case": f"basic {good}", "scheme in upper case": f"BASIC {good}"}.items():
            self.add(f"basic: {name}", LIVE, yes, header(value), only)
        self.add("basic: header's name in lower case", LIVE, yes, [("authorization", f"Basic {good}")], only)
        self.add("basic: any path and query", LIVE + "x?token=y", yes, header(f"Basic {good}"), only)
        for odd in "ends in colon:", "a:b:c", ":", "gehe\u00efm":
            self.add(f"basic: password {odd}", LIVE, yes, header("Basic " + encode("emberqa:" + odd)), [basic(password=odd)])
        for name, value in {
            "no scheme": good, "another scheme": f"Bearer {good}", "two spaces": f"Basic  {good}", "a tab": f"Basic\t{good}", "no space": f"Basic{good}",
            "a space after": f"Basic {good} ", "scheme alone": "Basic", "scheme and a space": "Basic ", "not base64": "Basic emberqa:" + PASSWORD,
            "without padding": "Basic " + encode(f"emberqa:{PASSWORD}!").rstrip("="), "no colon": "Basic " + encode("emberqa" + PASSWORD),
            "wrong password": "Basic " + encode("emberqa:wrong"), "wrong user": "Basic " + encode("other:" + PASSWORD), "empty": "",
            "no password": "Basic " + encode("emberqa:"), "no user": "Basic " + encode(":" + PASSWORD), "user in another case": "Basic " + encode("Emberqa:" + PASSWORD),
            "password in another case": "Basic " + encode("emberqa:" + PASSWORD.upper()), "a newline after the password": "Basic " + encode(f"emberqa:{PASSWORD}\n"),
            "the colon moved": "Basic " + encode("ember:qa" + PASSWORD), "user and password exchanged": "Basic " + encode(PASSWORD + ":emberqa"),
            "two joined with a comma": f"Basic {good}, Basic {good}", "in base64 twice": "Basic " + encode(good),
        }.items():
            self.add(f"basic: {name}", LIVE, DENIED, header(value), only)
        self.add("basic: header missing", LIVE, DENIED, [], only)
        self.add("basic: header twice, the same", LIVE, DENIED, header(f"Basic {good}") * 2, only)
        self.add("basic: header twice, the second good", LIVE, DENIED, header("Basic x") + header(f"Basic {good}"), only)
        self.add("basic: header twice, once in lower case", LIVE, DENIED, header(f"Basic {good}") + [("authorization", f"Basic {good}")], only)
        self.add("basic: another header", LIVE, DENIED, [("Proxy-Authorization", f"Basic {good}")], only)
        # A token is no password, and a password no token.
        self.add("basic: the password in the path", LIVE + "a%20long%20password", DENIED, [], only)
        self.add("basic: both in the path", LIVE + "emberqa:a%20long%20password", DENIED, [], only)
        self.add("basic: both in the query", "/webhooks?token=emberqa:a+long+password", DENIED, [], only)
        colon = [token("emberqa:a-long-password")]
        self.add("token with a colon, in the path", LIVE + "emberqa:a-long-password", yes, [], colon)
        self.add("token with a colon, as basic", LIVE, DENIED, header("Basic " + encode("emberqa:a-long-password")), colon)
        self.add("token as a password", LIVE, DENIED, header("Basic " + encode("emberqa:" + TOKEN)))
        self.add("token as a bearer", LIVE, DENIED, header("Bearer " + TOKEN))
        self.add("token in a header of its own", LIVE, DENIED, [("X-Emberqa-Token", TOKEN), ("Token", TOKEN)])

    def add_credentials(self):
        both = [token(NEXT, "new"), token(TOKEN, "old")]
        self.add("keys: two tokens, the first shown", LIVE + NEXT, accepted("", "new"), (), both)
        self.add("keys: two tokens, the second shown", LIVE + TOKEN, accepted("", "old"), (), both)
        self.add("keys: two tokens, both shown", f"{LIVE}{TOKEN}?token={NEXT}", accepted("", "new"), (), both)
        self.add("keys: rotated, the one that is gone is shown", LIVE + TOKEN, DENIED, (), both[:1])
        mixed = [basic(name="basic"), token(name="token")]
        self.add("keys: basic and a token, the token shown", LIVE + TOKEN, accepted("", "token"), (), mixed)
        shown = [("Authorization", "Basic " + base64.b64encode(f"emberqa:{PASSWORD}".encode()).decode())]
        self.add("keys: basic and a token, basic shown", LIVE, accepted("", "basic"), shown, mixed)
        sixteen = [token(f"token-number-{i}", f"k{i}") for i in range(16)]
        self.add("keys: sixteen tokens, the last shown", LIVE + "token-number-15", accepted("", "k15"), (), sixteen)
        spaced = [token(" spaced out, not ASCII: \u00ef ")]
        self.add("keys: token with spaces that is not ASCII, in the path", LIVE + "%20spaced%20out,%20not%20ASCII:%20%C3%AF%20", accepted("", "default"), (), spaced)
        self.add("keys: token with spaces that is not ASCII, in the query", "/?token=+spaced+out%2C+not+ASCII%3A+%C3%AF+", accepted("", "default"), (), spaced)
        self.add("keys: token with a plus, in the path", LIVE + "one+two", accepted("", "default"), (), [token("one+two")])
        self.add("keys: token with a plus, as it is in the query", "/?token=one+two", DENIED, (), [token("one+two")])
        self.add("keys: token with a plus, escaped in the query", "/?token=one%2Btwo", accepted("", "default"), (), [token("one+two")])
        for name, target, credentials in [
            ("none", LIVE, []),
            ("seventeen", LIVE + "token-number-0", sixteen + [token("token-number-16", "k16")]),
            ("two of one name", LIVE + TOKEN, [token(), token(NEXT)]),
            ("one without a name", LIVE + TOKEN, [token(name="")]),
            ("an empty token", LIVE, [token("")]),
            ("an empty token, shown in the query", "/webhooks?token=", [token("")]),
            ("a blank token", "/webhooks?token=+", [token(" ")]),
            ("a token of a NUL byte", LIVE + "%00", [token("\x00")]),
            ("a token with a slash", LIVE + "a/b", [token("a/b")]),
            ("a second token that is empty", LIVE + NEXT, [both[0], token("", "old")]),
            ("no user", LIVE, [basic(user="")]),
            ("no password", LIVE, [basic(password="")]),
            ("a blank password", LIVE, [basic(password=" ")]),
        ]:
            self.add(f"keys refused: {name}", target, BLOCKED, (), credentials)
