import { describe, expect, it } from 'vitest';
import { sharedWork } from '../src/resilience/index.ts';

/** Work that ends when it is told to, and notes when it begins and is aborted. */
function recorded() {
  const begun: { readonly signal: AbortSignal; end(value: string): void; fail(error: Error): void }[] = [];
  const ask = sharedWork(
    (signal) =>
      new Promise<string>((resolve, reject) => {
        begun.push({ signal, end: resolve, fail: reject });
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  );
  return { ask, begun };
}

describe('shared work', () => {
  it('is begun once for all who ask while it is under way, and anew afterwards', async () => {
    const { ask, begun } = recorded();
    const both = [ask(), ask(new AbortController().signal)];
    expect(begun).toHaveLength(1);
    begun[0]?.end('a');
    expect(await Promise.all(both)).toEqual(['a', 'a']);
    expect(begun[0]?.signal.aborted).toBe(false);
    const next = ask();
    begun[1]?.end('b');
    expect(await next).toBe('b');
  });

  it('goes on for the others when one aborts', async () => {
    const { ask, begun } = recorded();
    const leaver = new AbortController();
    const left = ask(leaver.signal);
    const stays = ask();
    leaver.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    expect(begun[0]?.signal.aborted).toBe(false);
    begun[0]?.end('a');
    expect(await stays).toBe('a');
  });

  it('is aborted with the last of them, and who asks next does not wait for it', async () => {
    const { ask, begun } = recorded();
    const leaver = new AbortController();
    const left = ask(leaver.signal);
    leaver.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    expect(begun[0]?.signal).toMatchObject({ aborted: true, reason: new Error('enough') });
    const next = ask();
    begun[1]?.end('b');
    expect(await next).toBe('b');
  });

  it('fails for all, and is begun anew', async () => {
    const { ask, begun } = recorded();
    const both = Promise.allSettled([ask(), ask()]);
    begun[0]?.fail(new Error('no'));
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = ask();
    begun[1]?.end('b');
    expect(await next).toBe('b');
  });

  it('is not begun for who has aborted before', async () => {
    const { ask, begun } = recorded();
    await expect(ask(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    expect(begun).toHaveLength(0);
  });
});
