import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../../core/test/shared-data.ts';

const root = new URL('../../../../', import.meta.url);
const clientFolder = new URL('packages/proxmox/src/client/', root);

/** Calls in the client's code: `pve.METHOD(at`PATH``, and the log-in, which is sent before there is a port. */
function callsInCode(): string[] {
  const sources = readdirSync(clientFolder).map((file) => readFileSync(new URL(file, clientFolder), 'utf8'));
  const calls: string[] = [];
  for (const text of sources) {
    // A path in a variable of its own belongs to the next call.
    const inlined = text.replace(/const path = (at`[^`]+`);([\s\S]*?)\(path,/g, '$2($1,');
    for (const [, method = '', path = ''] of inlined.matchAll(
      /pve\s*\.(get|post|put|delete)(?:<(?:[^()]|\([^)]*\))*?>)?\(\s*at`([^`]+)`/g,
    )) {
      calls.push(`${method.toUpperCase()} ${path.replace(/\$\{/g, '{')}`);
    }
    for (const [, method = '', path = ''] of text.matchAll(/method: '([A-Z]+)',\s*url: '(\/[^']+)'/g)) {
      calls.push(`${method} ${path}`);
    }
  }
  return [...new Set(calls)].sort();
}

interface Row {
  readonly call: string;
  readonly cells: readonly string[];
}

function callsInTable(): Row[] {
  const text = readFileSync(new URL('docs/providers/proxmox-endpoints.md', root), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const cells = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return { call: (cells[0] ?? '').replaceAll('`', ''), cells };
    });
}

describe('calls to the API', () => {
  it('finds every call site there is', () => {
    const sources = readdirSync(clientFolder).map((file) =>
      readFileSync(new URL(file, clientFolder), 'utf8'),
    );
    const sites = sources.join('\n').match(/(?<!\w)at`/g)?.length ?? 0;
    // The log-in has none; no path stands at two places.
    expect(callsInCode().length).toBe(sites + 1);
  });

  it('are those of the table, in both directions', () => {
    expect(
      callsInTable()
        .map(({ call }) => call)
        .sort(),
    ).toEqual(callsInCode());
  });

  it('have a function, a permission, a source and a use in the table', () => {
    const sources = readdirSync(clientFolder)
      .map((file) => readFileSync(new URL(file, clientFolder), 'utf8'))
      .join('\n');
    for (const { call, cells } of callsInTable()) {
      expect(cells.length, call).toBe(5);
      for (const cell of cells) expect(cell.length, call).toBeGreaterThan(0);
      expect(sources, call).toMatch(new RegExp(`function ${(cells[1] ?? '').replaceAll('`', '')}\\b`));
    }
  });

  const schemaFile = sharedData('proxmox/pve-9.1-apidata.json');
  it.skipIf(schemaFile === undefined)('exist in the API schema of Proxmox VE 9.1', () => {
    interface Entry {
      readonly path: string;
      readonly info?: Readonly<Record<string, unknown>>;
      readonly children?: readonly Entry[];
    }
    const known = new Set<string>();
    const walk = (entries: readonly Entry[]): void => {
      for (const { path, info = {}, children = [] } of entries) {
        for (const method of Object.keys(info)) known.add(`${method} ${path.replace(/\{[^}]+\}/g, '{}')}`);
        walk(children);
      }
    };
    walk(JSON.parse(readFileSync(schemaFile ?? '', 'utf8')));
    expect(known.size).toBeGreaterThan(100);
    const missing = callsInCode().filter((call) => !known.has(call.replace(/\{[^}]+\}/g, '{}')));
    expect(missing).toEqual([]);
  });
});
