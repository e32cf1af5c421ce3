export * from './translate/index.ts';
