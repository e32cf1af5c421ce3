export { type ExitStatus, exitStatus, type Io } from './io.ts';
export { commands, run } from './run.ts';
