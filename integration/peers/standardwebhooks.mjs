// Runs the JavaScript reference library of Standard Webhooks. The first argument is its module.
//
// With the second argument "generate", it writes signature/testdata/standardwebhooks.json to its output. Otherwise it reads
// vectors, one on a line, and prints true for each that the library accepts with one of the keys. The library has no
// Ed25519, so node's crypto signs and verifies that.
import { createHmac, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { createInterface } from "node:readline";

const { Webhook } = await import(process.argv[2]);

// ---------------------------------------------------------------- keys, which are all fixed

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const bytes = (n, from) => Uint8Array.from({ length: n }, (_, i) => (from + 7 * i) % 256);
const secretOf = (raw) => "whsec_" + base64(raw);
const secret = secretOf(bytes(32, 1));
const previous = secretOf(bytes(32, 100));
const other = secretOf(bytes(32, 200));

const privateOf = (seed) =>
  createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });
const pair = (seed) => {
  const key = privateOf(seed);
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return { key, raw, private: "whsk_" + base64(seed), both: "whsk_" + base64(Buffer.concat([seed, raw])), public: "whpk_" + base64(raw) };
};
const signing = pair(bytes(32, 3));
const otherPair = pair(bytes(32, 150));

// ---------------------------------------------------------------- vectors

const now = 1795283259;
const id = "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj";
const payload = '{"type":"invoice.paid","timestamp":"2026-11-21T17:47:39Z","data":{"number":"A-1"}}';
const empty = "0".repeat(43) + "=";

const signed = (i, at, body) => Buffer.concat([Buffer.from(`${i}.${at}.`), Buffer.from(body)]);
// v1 is by the library, and raw by node's crypto: the library cannot sign every text.
const v1 = (key, { i = id, at = now, body = payload } = {}) => new Webhook(key).sign(i, new Date(at * 1000), body);
const raw = (key, { i = id, at = now, body = payload } = {}) =>
  "v1," + createHmac("sha256", Buffer.from(key.slice(6), "base64")).update(signed(i, at, body)).digest("base64");
const v1a = (p, { i = id, at = now, body = payload } = {}) => "v1a," + base64(sign(null, signed(i, at, body), p.key));

// malleable adds the order of the curve to the second half of a signature. A verifier must refuse that.
function malleable(signature) {
  const sig = Buffer.from(signature.slice(4), "base64");
  let s = 0n;
  for (let i = 63; i >= 32; i--) s = (s << 8n) | BigInt(sig[i]);
  s += 2n ** 252n + 27742317777372353535851937790883648493n;
  for (let i = 32; i < 64; i++, s >>= 8n) sig[i] = Number(s & 255n);
  return "v1a," + base64(sig);
}

const vectors = [];

function add(name, want, lines, { i = id, at = String(now), body = payload, keys = [["default", secret]], extra = [], names = ["webhook-id", "webhook-timestamp", "webhook-signature"] } = {}) {
  const headers = [];
  if (i !== null) headers.push([names[0], i]);
  if (at !== null) headers.push([names[1], at]);
  for (const line of [lines].flat()) headers.push([names[2], line]);
  headers.push(...extra);
  const accepted = want.startsWith("by ");
  vectors.push({
    name, vendor: "standardwebhooks", form: accepted ? "id.timestamp.body" : "",
    headers, body: base64(Buffer.from(body)), keys: keys.map(([name, secret]) => ({ name, secret })), now,
    want: accepted ? { accepted, key: want.slice(3), form: "id.timestamp.body" } : { accepted, reason: want },
  });
}

function generate() {
  const good = v1(secret);
  const MISSING = "header_missing", REPEATED = "header_repeated", MALFORMED = "header_malformed", MISMATCH = "signature_mismatch";
  const OK = "by default", KEYS = "keys_refused";

  // One secret.
  add("HMAC", OK, good);
  add("HMAC: secret without its prefix", OK, good, { keys: [["default", secret.slice(6)]] });
  for (const n of [1, 24, 64, 65]) add(`HMAC: secret of ${n} bytes`, OK, v1(secretOf(bytes(n, 9))), { keys: [["default", secretOf(bytes(n, 9))]] });
  add("HMAC: names of headers in capitals", OK, good, { names: ["WEBHOOK-ID", "WEBHOOK-TIMESTAMP", "WEBHOOK-SIGNATURE"] });
  add("HMAC: other secret", MISMATCH, v1(other));
  add("HMAC: secret not decoded", MISMATCH, "v1," + createHmac("sha256", secret).update(signed(id, now, payload)).digest("base64"));

  // Several signatures and secrets.
  const both = `${v1(secret)} ${v1(previous)}`;
  add("rotation: new and previous, receiver has the new one", OK, both);
  add("rotation: new and previous, receiver has the previous one", OK, both, { keys: [["default", previous]] });
  add("rotation: new and previous, receiver has both", "by new", both, { keys: [["new", secret], ["previous", previous]] });
  add("rotation: only previous, receiver has both", "by previous", v1(previous), { keys: [["new", secret], ["previous", previous]] });
  add("rotation: only previous, receiver has the new one", MISMATCH, v1(previous));
  add("rotation: receiver has neither", MISMATCH, both, { keys: [["default", other]] });
  add("list: the last of eight", OK, Array(7).fill("v1," + empty).concat(good).join(" "));
  add("list: nine signatures", MALFORMED, Array(8).fill("v1," + empty).concat(good).join(" "));
  add("list: sixteen elements", OK, Array(15).fill("v9,x").concat(good).join(" "));
  add("list: seventeen elements", MALFORMED, Array(16).fill("v9,x").concat(good).join(" "));
  add("list: unknown version before", OK, `v2,${empty} ${good}`);
  add("list: unknown version after", OK, `${good} v2,x`);
  add("list: element without a comma", OK, `x ${good}`);
  add("list: two lines, the first good", OK, [good, v1(other)]);
  add("list: two lines, the second good", OK, [v1(other), good]);
  add("list: no good signature", MISMATCH, `${v1(other)} v1,${empty}`);
  add("list: two spaces", MALFORMED, `${v1(other)}  ${good}`);
  add("list: truncated next to a good one", MALFORMED, `${good.slice(0, -3)} ${good}`);
  add("list: no base64 next to a good one", MALFORMED, `v1,* ${good}`);
  add("list: empty signature next to a good one", MALFORMED, `v1, ${good}`);
  add("list: truncated Ed25519 next to a good HMAC", MALFORMED, `v1a,abcd ${good}`);
  add("list: commas", MALFORMED, `${good},${v1(other)}`);
  add("list: tab", MALFORMED, `${v1(other)}\t${good}`);

  // The text of a signature.
  add("signature: header is missing", MISSING, []);
  add("signature: header is empty", MISSING, "");
  add("signature: no prefix", MALFORMED, good.slice(3));
  add("signature: only unknown version", MALFORMED, "v2," + good.slice(3));
  add("signature: version in capitals", MALFORMED, "V1," + good.slice(3));
  add("signature: version with an equals sign", MALFORMED, "v1=" + good.slice(3));
  add("signature: only a version", MALFORMED, "v1");
  add("signature: empty", MALFORMED, "v1,");
  add("signature: truncated", MALFORMED, good.slice(0, -3));
  add("signature: no padding", MALFORMED, good.slice(0, -1));
  add("signature: four characters more", MALFORMED, good + "AAAA");
  add("signature: hex", MALFORMED, "v1," + Buffer.from(good.slice(3), "base64").toString("hex"));
  const odd = "msg_15"; // whose signature has a character that the two alphabets differ in
  add("signature: alphabet of URLs", MALFORMED, v1(secret, { i: odd }).replace(/[+/]/g, (c) => (c === "+" ? "-" : "_")), { i: odd });
  const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  add("signature: other last bits", MALFORMED, good.slice(0, -2) + last[last.indexOf(good.at(-2)) + 1] + "=");
  add("signature: one bit changed", MISMATCH, good.slice(0, 3) + last[last.indexOf(good[3]) ^ 1] + good.slice(4));
  add("signature: all zeros", MISMATCH, "v1," + "A".repeat(43) + "=");

  // The id.
  add("id: other", MISMATCH, good, { i: id + "x" });
  add("id: in lower case", MISMATCH, good, { i: id.toLowerCase() });
  add("id: missing", MISSING, good, { i: null });
  add("id: empty", MISSING, v1(secret, { i: "" }), { i: "" });
  add("id: twice", REPEATED, good, { extra: [["webhook-id", id]] });
  add("id: 128 characters", OK, v1(secret, { i: "m".repeat(128) }), { i: "m".repeat(128) });
  add("id: 129 characters", MALFORMED, v1(secret, { i: "m".repeat(129) }), { i: "m".repeat(129) });
  add("id: punctuation", OK, v1(secret, { i: "a:b/c,d=e{}~" }), { i: "a:b/c,d=e{}~" });
  add("id: dot", MALFORMED, v1(secret, { i: "msg.1" }), { i: "msg.1" });
  add("id: space", MALFORMED, v1(secret, { i: "msg 1" }), { i: "msg 1" });
  add("id: accent", MALFORMED, v1(secret, { i: "é" }), { i: "é" });

  // The timestamp.
  const at = (t, text = String(t)) => [raw(secret, { at: t }), { at: text }];
  add("timestamp: other", MISMATCH, good, { at: String(now + 1) });
  add("timestamp: missing", MISSING, good, { at: null });
  add("timestamp: empty", MISSING, good, { at: "" });
  add("timestamp: twice", REPEATED, good, { extra: [["webhook-timestamp", String(now)]] });
  add("timestamp: as old as it may be", OK, ...at(now - 300));
  add("timestamp: one second too old", "stale", ...at(now - 301));
  add("timestamp: as far ahead as it may be", OK, ...at(now + 300));
  add("timestamp: one second too far ahead", "future", ...at(now + 301));
  add("timestamp: milliseconds", OK, ...at(now * 1000));
  add("timestamp: number signed, sent with a sign", MALFORMED, ...at(now, "+" + now));
  add("timestamp: number signed, sent with a zero before it", MALFORMED, ...at(now, "0" + now));
  add("timestamp: number signed, sent with a fraction", MALFORMED, ...at(now, now + ".9"));
  add("timestamp: number signed, sent with letters", MALFORMED, ...at(now, now + "abc"));
  add("timestamp: number signed, sent with an exponent", MALFORMED, ...at(now, now + "e9"));
  add("timestamp: hexadecimal", MALFORMED, ...at("0x" + now.toString(16)));
  add("timestamp: date", MALFORMED, ...at("2026-11-21T17:47:39Z"));
  add("timestamp: negative", MALFORMED, ...at(-now));

  // The body.
  const spaced = JSON.stringify(JSON.parse(payload), null, 2);
  add("body: changed", MISMATCH, good, { body: payload.replace("A-1", "A-2") });
  add("body: empty instead", MISMATCH, good, { body: "" });
  add("body: line break at the end", MISMATCH, good, { body: payload + "\n" });
  add("body: serialized again", MISMATCH, good, { body: spaced });
  add("body: empty", OK, v1(secret, { body: "" }), { body: "" });
  add("body: other languages", OK, v1(secret, { body: '{"a":"é 漢 \u{1f600}"}' }), { body: '{"a":"é 漢 \u{1f600}"}' });
  add("body: begins like an id and a time", OK, v1(secret, { body: `${id}.${now}.{}` }), { body: `${id}.${now}.{}` });
  add("body: no text", OK, raw(secret, { body: Buffer.from([0xff, 0, 0xfe]) }), { body: Buffer.from([0xff, 0, 0xfe]) });
  add("body: split at another dot", MISMATCH, raw(secret), { i: "msg", body: `${now}.${payload}`, at: String(now) });

  // Keys of the receiver.
  add("secret: empty", KEYS, good, { keys: [["default", ""]] });
  add("secret: only a prefix", KEYS, good, { keys: [["default", "whsec_"]] });
  add("secret: no base64", KEYS, good, { keys: [["default", "whsec_no base64!"]] });
  add("secret: NUL bytes", KEYS, v1(secretOf(bytes(32, 0).fill(0))), { keys: [["default", secretOf(bytes(32, 0).fill(0))]] });
  add("secret: no padding", KEYS, good, { keys: [["default", secret.slice(0, -1)]] });
  const loose = secret.slice(0, -2) + last[last.indexOf(secret.at(-2)) + 1] + "=";
  add("secret: other last bits", OK, good, { keys: [["default", loose]] });

  // Ed25519.
  const pub = [["default", signing.public]], sig = v1a(signing);
  add("Ed25519", OK, sig, { keys: pub });
  add("Ed25519: receiver has the private key", OK, sig, { keys: [["default", signing.private]] });
  add("Ed25519: receiver has the private and public key", OK, sig, { keys: [["default", signing.both]] });
  add("Ed25519: HMAC next to it, receiver has the public key", OK, `${good} ${sig}`, { keys: pub });
  add("Ed25519: HMAC next to it, receiver has the secret", OK, `${sig} ${good}`);
  add("Ed25519: HMAC next to it, receiver has both", "by ed25519", `${good} ${sig}`, { keys: [["ed25519", signing.public], ["hmac", secret]] });
  add("Ed25519: new and previous key", "by previous", `${v1a(otherPair)} ${sig}`, { keys: [["previous", signing.public]] });
  add("Ed25519: empty body", OK, v1a(signing, { body: "" }), { keys: pub, body: "" });
  add("Ed25519: other key", MISMATCH, v1a(otherPair), { keys: pub });
  add("Ed25519: only HMAC, receiver has the public key", MISMATCH, good, { keys: pub });
  add("Ed25519: receiver has the secret only", MISMATCH, sig);
  add("Ed25519: HMAC keyed with the public key", MISMATCH, raw("whsec_" + base64(signing.raw)), { keys: pub });
  add("Ed25519: other id", MISMATCH, sig, { keys: pub, i: id + "x" });
  add("Ed25519: other timestamp", MISMATCH, sig, { keys: pub, at: String(now + 1) });
  add("Ed25519: other body", MISMATCH, sig, { keys: pub, body: payload + " " });
  add("Ed25519: too old", "stale", v1a(signing, { at: now - 301 }), { keys: pub, at: String(now - 301) });
  add("Ed25519: one bit changed", MISMATCH, sig.slice(0, 4) + last[last.indexOf(sig[4]) ^ 1] + sig.slice(5), { keys: pub });
  add("Ed25519: order of the curve added", MISMATCH, malleable(sig), { keys: pub });
  add("Ed25519: truncated", MALFORMED, sig.slice(0, -4), { keys: pub });
  add("Ed25519: size of an HMAC", MALFORMED, "v1a," + good.slice(3), { keys: pub });
  add("Ed25519: in an element of HMAC", MALFORMED, "v1," + sig.slice(4), { keys: pub });
  add("Ed25519: short public key", KEYS, sig, { keys: [["default", "whpk_" + base64(signing.raw.subarray(1))]] });
  add("Ed25519: private key as public key", MISMATCH, sig, { keys: [["default", "whpk_" + signing.private.slice(5)]] });

  const head = { vendor: "standardwebhooks", window: { header: "Webhook-Timestamp", past: 300, future: 300 } };
  const lines = vectors.map((v) => "  " + JSON.stringify(v));
  process.stdout.write(JSON.stringify(head).slice(0, -1) + ',"vectors":[\n' + lines.join(",\n") + "\n]}\n");
}

// ---------------------------------------------------------------- verdicts

function accepts({ headers, body, now }, key) {
  const text = {};
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    text[lower] = lower in text ? `${text[lower]}, ${value}` : value; // as node's HTTP server joins lines
  }
  const payload = Buffer.from(body, "base64");
  if (!/^wh[ps]k_/.test(key)) {
    Date.now = () => now * 1000;
    new Webhook(key).verify(payload, text, { jsonParse: false });
    return true;
  }
  const decoded = Buffer.from(key.slice(5), "base64");
  const seed = key.startsWith("whsk_") ? decoded.subarray(0, 32) : null;
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), decoded]);
  const publicKey = createPublicKey(seed ? privateOf(seed) : { key: spki, format: "der", type: "spki" });
  const message = signed(text["webhook-id"], text["webhook-timestamp"], payload);
  return (
    Math.abs(now - Number(text["webhook-timestamp"])) <= 300 &&
    text["webhook-signature"].split(" ").some((e) => e.startsWith("v1a,") && verify(null, message, publicKey, Buffer.from(e.slice(4), "base64")))
  );
}

if (process.argv[3] === "generate") {
  generate();
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const vector = JSON.parse(line);
    console.log(vector.keys.some(({ secret }) => { try { return accepts(vector, secret); } catch { return false; } }));
  }
}
