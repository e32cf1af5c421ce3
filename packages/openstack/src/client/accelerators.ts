/** Cyborg, to look at only. Source: Cyborg, Acceleration API v2, "Device profiles", "Devices". */
import type { CallOptions } from '@vmgpu/core';
import { listAll } from './pages.ts';
import type { OsPort } from './port.ts';

export interface DeviceProfile {
  readonly name: string;
  readonly uuid: string;
  /** Like the GPU part of a flavor's extra specs, one object a group. */
  readonly groups: readonly Readonly<Record<string, string>>[];
}

/** `GET /v2/device_profiles`. */
export function listDeviceProfiles(os: OsPort, options: CallOptions): Promise<readonly DeviceProfile[]> {
  return listAll(
    os,
    'accelerator',
    { method: 'GET', path: '/v2/device_profiles', ...options },
    'device_profiles',
  );
}

/** `GET /v2/devices`: what Cyborg's agents found. Administrator. */
export function listDevices(
  os: OsPort,
  options: CallOptions,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return listAll(os, 'accelerator', { method: 'GET', path: '/v2/devices', ...options }, 'devices');
}
