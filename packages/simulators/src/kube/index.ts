/**
 * A Kubernetes API server with KubeVirt, for demonstrations and fast tests: it speaks HTTP on a loopback port, keeps state
 * and behaves as kube-apiserver 1.36 with KubeVirt v1.9.0 and the NVIDIA GPU Operator v26.7.0 were seen to behave.
 *
 * Not modelled (NOT-MODELLED.md beside this file has the whole list): protobuf and tables, OpenAPI documents, schemas of
 * core types, CEL rules, conversion webhooks, live migration, snapshots, consoles, quotas, real network and storage.
 */
export { launcherResources, RenderFailure } from './controllers/launcher.ts';
export {
  type NodeOptions,
  sampleClusterPolicy,
  sampleKubeVirt,
  sampleNamespace,
  sampleNode,
  sampleScenario,
  twoA10,
} from './samples.ts';
export type {
  Cards,
  Controllers,
  Hardware,
  KubeOptions,
  LauncherFailure,
  Scenario,
  Timings,
  User,
} from './scenario.ts';
export { type KubeSimulator, type StartOptions, startKube } from './simulator.ts';
export type { Dict, KubeObject, StructuralSchema } from './types.ts';
export type { Fault, Faults } from './wire/faults.ts';
export type { LogEntry, RequestLog } from './wire/log.ts';
