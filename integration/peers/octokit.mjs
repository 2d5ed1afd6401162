// Reads lines [secret, body, signature], and prints the result of octokit's verify for each. The first argument is its module.
import { createInterface } from "node:readline";

const { verify } = await import(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(await verify(...JSON.parse(line)).catch((err) => "error: " + err.message));
}
