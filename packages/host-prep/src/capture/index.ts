export * from './format.ts';
export { captureScript } from './script.ts';
