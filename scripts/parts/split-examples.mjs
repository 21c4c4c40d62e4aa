// Writes each example payload of @octokit/webhooks-examples as a file of its own, EVENT.NUMBER.json, for tests that are not JavaScript.
// usage: node split-examples.mjs INDEX.json DIR
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [index, dir] = process.argv.slice(2);
mkdirSync(dir, { recursive: true });
let count = 0;
for (const { name, examples } of JSON.parse(readFileSync(index, "utf8"))) {
  if (!/^[a-z0-9_]+$/.test(name)) throw new Error(`an event of an unexpected name: ${name}`);
  examples.forEach((example, i) => {
    writeFileSync(join(dir, `${name}.${i + 1}.json`), JSON.stringify(example, null, 2) + "\n");
    count++;
  });
}
console.log(`${count} payloads in ${dir}`);
