// Reads vitest's JSON report, names what was skipped (CI skips nothing), and prints the closing line.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const tests = report.testResults.flatMap((file) => file.assertionResults.map((one) => ({ file: file.name, ...one })));
const count = (status) => tests.filter((one) => one.status === status).length;
const skipped = tests.filter((one) => one.status !== 'passed' && one.status !== 'failed');
for (const one of skipped) console.log(`skipped in CI: ${one.file}: ${one.fullName}`);
const brokenFiles = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
for (const file of brokenFiles) console.log(`did not run: ${file.name}: ${file.message}`);
const failed = count('failed') + skipped.length + brokenFiles.length;
if (failed > 0 || count('passed') === 0) process.exitCode = 1;
console.log(`${count('passed')} passed, ${failed} failed`);
