import type { OperationEvent } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import type { Bench, Group } from '../suite.ts';

/** Checks the grammar: see `OperationEvent`. */
function checkGrammar({ assert }: Bench, events: readonly OperationEvent[]): void {
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_event, index) => index + 1),
    'sequence numbers have no gaps',
  );
  assert.deepEqual([events[0]?.type, events.at(-1)?.type], ['operation-start', 'operation-end']);
  let open: string | undefined;
  let fraction = 0;
  for (const [index, event] of events.entries()) {
    assert.ok(index === 0 || event.time >= (events[index - 1]?.time ?? 0), 'time does not go back');
    switch (event.type) {
      case 'step-start':
      case 'undo-start':
        assert.ok(open === undefined, 'one step at a time');
        open = event.step;
        fraction = 0;
        break;
      case 'step-end':
      case 'undo-end':
        assert.deepEqual(event.step, open, 'each end has its start');
        open = undefined;
        break;
      case 'step-progress':
        assert.deepEqual(event.step, open, 'progress is of the step that runs');
        assert.ok((event.fraction ?? fraction) >= fraction, 'progress does not go back');
        fraction = event.fraction ?? fraction;
        break;
      case 'step-retry':
        assert.deepEqual(event.step, open, 'a retry is of the step that runs');
        break;
    }
  }
  assert.deepEqual(open, undefined, 'each start has its end');
}

export const events: Group = ({ test }) => {
  const collect = async (operation: AsyncIterable<OperationEvent>) => {
    const all: OperationEvent[] = [];
    for await (const event of operation) all.push(event);
    return all;
  };

  test('keep their grammar when all goes well', async (bench) => {
    const operation = apply(await bench.plan(), bench.provider, bench.options);
    const told = await collect(operation);
    checkGrammar(bench, told);
    bench.assert.deepEqual(await collect(operation), told, 'who comes late gets all of them');
  });

  test('keep their grammar through retries, a failure and the way back', async (bench) => {
    const made = await bench.plan();
    void bench.fixture.inject({ kind: 'unavailable', on: 'read', times: 2 });
    void bench.fixture.inject({ kind: 'invalid', on: 'order' });
    checkGrammar(bench, await collect(apply(made, bench.provider, bench.options)));
  });

  test('an observer that throws breaks nothing', async ({ plan, provider, options, assert }) => {
    const result = await apply(await plan(), provider, {
      ...options,
      onEvent: () => {
        throw new Error('observer');
      },
    });
    assert.deepEqual(result.warnings.length, 1);
  });
};
