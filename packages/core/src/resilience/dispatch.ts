import { isVmgpuError } from '../errors/vmgpu-error.ts';
import { isRetryable, type RetryOptions, retryCall, wasNeverSent } from './retry.ts';

export interface DispatchOptions<Handle, T> extends RetryOptions {
  /** Handle of a dispatch that an earlier process made: it is only waited for. */
  readonly handle?: Handle;
  readonly dispatch: () => Promise<Handle>;
  /** Called once the platform has taken the order, before the wait; put the handle where it outlives the process. */
  readonly onDispatched?: (handle: Handle) => Promise<void> | void;
  readonly wait: (handle: Handle) => Promise<T>;
  /**
   * On the second and later tries: says whether the error means that an earlier try had been carried out after all
   * (`already-exists` for a creation), and what to return then.
   */
  readonly alreadyDone?: (error: unknown) => Promise<T | undefined>;
}

/**
 * The second kind of retry: order once, then wait. The order is repeated only when it surely was not taken; a wait that
 * failed is never answered by a second order.
 */
export async function dispatchThenWait<Handle, T>(options: DispatchOptions<Handle, T>): Promise<T> {
  const { handle, dispatch, onDispatched, wait, alreadyDone, retryable = notTaken, ...retry } = options;
  if (handle !== undefined) return wait(handle);
  const order = await retryCall<{ handle: Handle } | { value: T }>(
    async (attempt) => {
      try {
        return { handle: await dispatch() };
      } catch (error) {
        const value = attempt > 1 ? await alreadyDone?.(error) : undefined;
        if (value === undefined) throw error;
        return { value };
      }
    },
    { ...retry, retryable },
  );
  if ('value' in order) return order.value;
  await onDispatched?.(order.handle);
  return wait(order.handle);
}

/** Sure cases: no connection was made, or the platform said itself that it did not take the order (429, 503). */
function notTaken(error: unknown): boolean {
  if (wasNeverSent(error)) return true;
  return isRetryable(error) && isVmgpuError(error) && error.details?.refusedUnprocessed === true;
}
