import { assert, describe, it } from 'vitest';
import { describeProvider, memoryHarness } from '../src/index.ts';
import { withoutUndo } from './broken.ts';

describe('the memory provider', () => {
  describeProvider({ describe, it, assert }, memoryHarness());
});

describe('a provider that undoes nothing, and says so', () => {
  describeProvider({ describe, it, assert }, memoryHarness(withoutUndo), { undo: false });
});
