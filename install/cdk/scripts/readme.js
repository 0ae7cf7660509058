// Writes each TypeScript block of README.md into a file of its own, which is compiled with the tests.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const cdk = path.join(__dirname, '..');
const folder = path.join(cdk, 'test/readme');
for (const made of [folder, path.join(cdk, 'build')]) {
  fs.rmSync(made, { recursive: true, force: true });
}
fs.mkdirSync(folder);
const readme = fs.readFileSync(path.join(cdk, 'README.md'), 'utf8');
for (const [place, found] of [...readme.matchAll(/^```ts\n(.*?)^```/gms)].entries()) {
  fs.writeFileSync(path.join(folder, `block-${place + 1}.ts`), found[1]);
}
