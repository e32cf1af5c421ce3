// Closing line of a CI run: counts from the test runner's reports. A skipped test fails the run, because it proves
// nothing there; locally the same tests may be skipped for want of Chromium or ../shared.
import { readFileSync } from 'node:fs';

const [runnerStatus, ...files] = process.argv.slice(2);
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const sum = (count) => reports.reduce((total, report) => total + count(report), 0);
const skipped = reports.flatMap(({ testResults }) =>
  testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'pending' || status === 'skipped' || status === 'todo')
      .map(({ fullName }) => `${name}: ${fullName}`),
  ),
);
for (const name of skipped) console.error(`skipped: ${name}`);
const passed = sum(({ numPassedTests }) => numPassedTests);
const failed = sum(({ numFailedTests }) => numFailedTests);
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = Number(runnerStatus) !== 0 || failed > 0 || skipped.length > 0 ? 1 : 0;
