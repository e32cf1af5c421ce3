/** Typed calls to the Proxmox VE API: one function for each call, the port first. */
export * from './access.ts';
export * from './auth.ts';
export * from './errors.ts';
export * from './mappings.ts';
export * from './nodes.ts';
export * from './port.ts';
export * from './start-timeout.ts';
export * from './storage.ts';
export * from './tasks.ts';
export * from './upid.ts';
export * from './vms.ts';
