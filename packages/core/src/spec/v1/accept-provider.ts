import { VmgpuError } from '../../errors/vmgpu-error.ts';
import type { Provider } from './provider.ts';

const methods = ['snapshot', 'describe', 'doStep'] as const;

/**
 * The door: a provider made for another contract, or with a piece missing, is refused with one clear `bad-input` instead
 * of an undefined method in the middle of the work.
 */
export function acceptProvider<Snapshot, Native>(
  provider: Provider<Snapshot, Native>,
): Provider<Snapshot, Native> {
  const refuse = (message: string, found: unknown, expected: string) =>
    new VmgpuError('bad-input', message, {
      found: String(found),
      expected,
      hint: 'use versions of the provider and of @vmgpu/core that belong together',
    });
  const candidate = provider as Partial<Provider> | null | undefined;
  if (candidate?.specVersion !== 'v1') {
    throw refuse('the provider does not speak this contract', candidate?.specVersion, 'specVersion v1');
  }
  for (const method of methods) {
    if (typeof candidate[method] !== 'function') {
      throw refuse(`the provider has no ${method}()`, typeof candidate[method], 'a function');
    }
  }
  if (candidate.translate?.specVersion !== 'v1' || candidate.translate.platform !== candidate.platform) {
    throw refuse(
      'the provider and its translator do not belong together',
      `${candidate.translate?.platform} ${candidate.translate?.specVersion}`,
      `${candidate.platform} v1`,
    );
  }
  return provider;
}
