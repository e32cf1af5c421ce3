/** cloud-init user data: a snippet that the API cannot upload, and a drive that shows it to the guest. */
import type { GpuVm } from '@vmgpu/core';
import type { ProxmoxOptions } from './provider-options.ts';
import { storageOf } from './vm-devices.ts';
import type { ComposeContext } from './vm-options.ts';

export function cloudInitOptions(intent: GpuVm, native: ProxmoxOptions, context: ComposeContext) {
  if (intent.spec.userData === undefined) return {};
  const { storage: snippets, file } = snippetOf(intent.metadata.name, native);
  context.report.add(
    'approximated',
    'user-data-snippet',
    'spec.userData',
    `user data must lie as a snippet file on the storage ${snippets}; the API cannot upload it`,
    `put the rendered file ${file} there and allow content type snippets on the storage`,
  );
  const storage = storageOf(context, 'spec.userData');
  return {
    cicustom: `user=${snippets}:snippets/${file}`,
    ...(storage === undefined ? {} : { ide2: `${storage}:cloudinit,media=cdrom` }),
  };
}

/** Where the user data must lie. */
export function snippetOf(name: string, native: ProxmoxOptions) {
  return { storage: native.snippets ?? 'local', file: `vmgpu-${name}-user.yaml` };
}
