// Closing lines of a CI run: what took longest, each failure with its first line, and the counts, all from the test runner's
// reports. A skipped test fails the run, because it proves nothing there; locally the same tests may be skipped for want
// of Chromium or ../shared.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [runnerStatus, ...files] = process.argv.slice(2);
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
const sum = (count) => reports.reduce((total, report) => total + count(report), 0);
const results = reports.flatMap(({ testResults }) => testResults);
/** Lines about the tests of any of these states; a file that could not be loaded has a message and no tests. */
const linesOf = (states, line) =>
  results.flatMap((file) =>
    file.assertionResults
      .filter(({ status }) => states.includes(status))
      .map((test) => line(relative('.', file.name), test)),
  );
const firstLine = (text) => text?.split('\n').find((line) => line.trim() !== '') ?? '';

const slowest = results
  .map(({ name, startTime, endTime }) => ({ name, seconds: Math.round((endTime - startTime) / 1000) }))
  .filter(({ seconds }) => seconds >= 30)
  .sort((a, b) => b.seconds - a.seconds);
for (const { name, seconds } of slowest) console.log(`${relative('.', name)}: ${seconds} s`);

const failures = [
  ...results
    .filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
    .map(({ name, message }) => `${relative('.', name)}: ${firstLine(message)}`),
  ...linesOf(
    ['failed'],
    (file, { fullName, failureMessages }) => `${file}: ${fullName}: ${firstLine(failureMessages[0])}`,
  ),
];
for (const failure of failures) console.error(`failed: ${failure}`);
const skipped = linesOf(['pending', 'skipped', 'todo'], (file, { fullName }) => `${file}: ${fullName}`);
for (const name of skipped) console.error(`skipped: ${name}`);
const passed = sum(({ numPassedTests }) => numPassedTests);
const failed = failures.length;
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = Number(runnerStatus) !== 0 || failed > 0 || skipped.length > 0 ? 1 : 0;
