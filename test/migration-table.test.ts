import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withTable } from '../scripts/build-migrations-table.mjs';

it('docs/migrations.md says what the code does', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/migrations.md'), 'utf8');
  expect(withTable(page)).toBe(page);
  expect(page).not.toContain('SILENT');
});
