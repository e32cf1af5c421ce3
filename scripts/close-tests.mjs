// Closing line of a CI run: counts from the test runner's report. A skipped test fails the run, because it proves
// nothing there; locally the same tests may be skipped for want of Chromium or ../shared.
import { readFileSync } from 'node:fs';

const [file, runnerStatus] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const skipped = report.testResults.flatMap((suite) =>
  suite.assertionResults
    .filter(({ status }) => status === 'pending' || status === 'skipped' || status === 'todo')
    .map(({ fullName }) => `${suite.name}: ${fullName}`),
);
for (const name of skipped) console.error(`skipped: ${name}`);
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped.length} skipped`);
process.exitCode = Number(runnerStatus) !== 0 || report.numFailedTests > 0 || skipped.length > 0 ? 1 : 0;
