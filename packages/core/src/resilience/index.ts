export * from './backoff.ts';
export * from './clock.ts';
export * from './deadline.ts';
export * from './dispatch.ts';
export * from './poll.ts';
export * from './retry.ts';
export * from './shared-work.ts';
