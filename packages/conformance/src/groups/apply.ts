import type { Group } from '../suite.ts';

export const applying: Group = ({ test }) => {
  test('creates what is not there, and says so', async ({ plan, applyIntent, assert }) => {
    const { steps } = await plan();
    const result = await applyIntent();
    assert.ok(result.changed);
    for (const step of steps.filter(({ before }) => before === null)) {
      const status = result.steps.find((done) => done.step === step.id)?.status;
      assert.deepEqual(status, 'created', `${step.id} was not there`);
    }
  });

  test('updates what is there, and says so', async ({ applyIntent, plan, harness, assert }) => {
    await applyIntent();
    const { steps } = await plan(harness.changed);
    const { steps: results, changed } = await applyIntent(harness.changed);
    assert.ok(changed);
    assert.ok(
      results.some(({ status }) => status === 'updated'),
      'something was updated',
    );
    assert.deepEqual(results.length, steps.length);
    assert.ok(!results.some(({ status }) => status === 'created' || status === 'deleted'));
  });

  test('touches nothing that is not its own', async ({ applyIntent, fixture, harness, assert }) => {
    await applyIntent();
    await fixture.addForeign();
    await applyIntent(harness.intent);
    const before = await fixture.state();
    await applyIntent(harness.changed);
    await applyIntent(harness.intent);
    assert.deepEqual(await fixture.state(), before, 'there and back leaves the rest as it was');
  });
};
