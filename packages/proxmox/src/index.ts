/** The Proxmox VE adapter. Loads no third-party code until the first request. */
export {
  callerOf,
  type PasswordLogin,
  type ProxmoxLogin,
  type TokenLogin,
} from './client/auth.ts';
export { type PveErrorKind, pveErrorKind } from './client/errors.ts';
export type { NodeHostFacts } from './client/node-facts.ts';
export { parseUpid, printUpid, tryParseUpid, type Upid } from './client/upid.ts';
export { createProxmox, type ProxmoxProvider, type ProxmoxSettings } from './provider.ts';
export { type ProxmoxGrant, platformRole, vmRole } from './roles.ts';
export type { ProxmoxTimeouts } from './steps/env.ts';
export * from './translate/index.ts';
