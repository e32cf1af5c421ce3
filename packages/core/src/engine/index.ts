export { acceptProvider } from '../spec/v1/accept-provider.ts';
export { apply, resume, undo } from './apply.ts';
export * from './apply-many.ts';
export type * from './operation.ts';
export { orderSteps } from './order.ts';
export {
  type JournalPort,
  type OperationState,
  type OperationStatus,
  parseOperationState,
  type StepRecord,
} from './state.ts';
export * from './wrappers.ts';
