/** The OpenStack adapter. Loads no third-party code until the first request. */
export {
  type DeviceProfile,
  listDeviceProfiles,
  listDevices as listAccelerators,
} from './client/accelerators.ts';
export { type CloudConnection, type CloudSources, readCloud } from './client/clouds.ts';
export type { LoginScope, NamedOrId, OpenStackLogin } from './client/login.ts';
export type { OsPort, ServiceRequest } from './client/port.ts';
export type { Interface, ServiceType } from './client/services.ts';
export { createOpenStack, type OpenStackProvider, type OpenStackSettings, openServices } from './provider.ts';
export { type OpenStackGrant, platformRole, vmRole } from './roles.ts';
export type { HostWork, OpenStackTimeouts } from './steps/env.ts';
export {
  type FileHost,
  type FileSet,
  filesOnHosts,
  type HostFiles,
  type ServiceCommands,
} from './steps/host-files.ts';
export * from './translate/index.ts';
