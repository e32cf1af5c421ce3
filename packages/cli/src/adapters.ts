import type { HostInventory, Linter, PlatformName, Translator } from '@vmgpu/core';

/** What the commands need of an adapter, whatever its snapshot and native types are. */
export interface Adapter {
  readonly translator: Translator<unknown, unknown>;
  /** A snapshot for rendering without a network. Throws `unknown-name` for a version that does not exist. */
  offlineSnapshot(options: OfflineOptions): unknown;
  /** Checks a snapshot read from disk. */
  parseSnapshot(document: unknown): unknown;
}

export interface OfflineOptions {
  /** Version or release of the platform; the newest known when not given. */
  readonly version?: string;
  /** GPUs of the hosts, from captures. */
  readonly hosts?: readonly HostInventory[];
}

/** Loads one adapter; the others stay unloaded. */
export async function loadAdapter(platform: PlatformName): Promise<Adapter> {
  switch (platform) {
    case 'kubevirt': {
      const { kubevirtTranslator, offlineSnapshot, parseSnapshot } = await import(
        '@vmgpu/kubevirt/translate'
      );
      return {
        translator: kubevirtTranslator as Translator<unknown, unknown>,
        offlineSnapshot,
        parseSnapshot,
      };
    }
    case 'openstack': {
      const { openstackTranslator, offlineSnapshot, parseSnapshot } = await import(
        '@vmgpu/openstack/translate'
      );
      return {
        translator: openstackTranslator as Translator<unknown, unknown>,
        offlineSnapshot,
        parseSnapshot,
      };
    }
    case 'proxmox': {
      const { proxmoxTranslator, offlineSnapshot, parseSnapshot } = await import('@vmgpu/proxmox/translate');
      return {
        translator: proxmoxTranslator as Translator<unknown, unknown>,
        offlineSnapshot,
        parseSnapshot,
      };
    }
  }
}

/** All linters, of every platform and of hosts. */
export async function loadLinters(): Promise<readonly Linter[]> {
  const [kubevirt, openstack, proxmox, host] = await Promise.all([
    import('@vmgpu/kubevirt/lint'),
    import('@vmgpu/openstack/lint'),
    import('@vmgpu/proxmox/lint'),
    import('@vmgpu/host-prep/lint'),
  ]);
  return [
    ...kubevirt.kubevirtLinters,
    ...openstack.openstackLinters,
    ...proxmox.proxmoxLinters,
    ...host.hostLinters,
  ];
}
