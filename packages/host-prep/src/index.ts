export type * from './facts/host-facts.ts';
