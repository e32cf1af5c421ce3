import {
  apiVersion,
  deepFreeze,
  type GpuRequest,
  type GpuVm,
  type GpuVmSpec,
  parseGpuVm,
  printBytes,
  type Reading,
} from '@vmgpu/core';
import { createReport, type Report } from './diagnostics.ts';
import { propertiesOf } from './formats.ts';
import { canonicalOption, isDrive, requestForm, sizeInGiB, type VmOptions } from './option-text.ts';
import type { ProxmoxOptions } from './provider-options.ts';
import { readGpus } from './read-gpus.ts';
import { optionsAsText, type ProxmoxSnapshot } from './snapshot.ts';
import { nextStart, parseVmConfig } from './vm-config.ts';
import { composeOptions, markTag } from './vm-options.ts';

/** A VM as Proxmox VE has it: the text of `NNN.conf`, or the object that `GET .../config` answers. */
export type ProxmoxNative = string | ProxmoxVmDocument;

export interface ProxmoxVmDocument {
  readonly config: string | Readonly<Record<string, unknown>>;
  readonly vmid?: number;
  readonly node?: string;
  /** Of a text with pending changes: what runs now, or what the next start brings (default). */
  readonly state?: 'current' | 'next';
}

/** Options that belong to this one VM and are made anew for another: ids, volumes' bookkeeping, state. */
const identity =
  /^(digest|meta|vmgenid|lock|parent|unused\d+|vmstate|snaptime|snapstate|running\w+|smbios1)$/;

/** Options that a person moving the VM elsewhere need not hear about. */
const housekeeping =
  /^(boot|bootdisk|net\d+|scsihw|agent|onboot|startup|tags|name|ostype|machine|cpu|balloon|memory|tablet|hotplug|description)$/;

/** A VM's configuration in neutral words. What has none is kept in `providerOptions.proxmox`, so that it comes back. */
export function toIntent(native: ProxmoxNative, snapshot?: ProxmoxSnapshot): Reading {
  const document = typeof native === 'string' ? { config: native } : native;
  const report = createReport();
  const config = readConfig(document, report);
  const node =
    snapshot?.nodes.find(({ name }) => name === document.node) ??
    (snapshot?.nodes.length === 1 ? snapshot.nodes[0] : undefined);
  const gpus = readGpus(config, node, snapshot, report);
  const { extra, requests, untouched } = gpus;
  const storage = storageOf(config);
  const bare: ProxmoxOptions = {
    ...(document.node === undefined ? {} : { node: document.node }),
    ...(document.vmid === undefined ? {} : { vmid: document.vmid }),
    ...(storage === undefined ? {} : { storage }),
    ...tagsOf(config),
    ...(Object.keys(extra).length > 0 ? { hostpci: extra } : {}),
  };
  const spec = readSpec(config, requests);
  const intent: GpuVm = {
    apiVersion,
    kind: 'GpuVm',
    metadata: { name: nameOf(config, document, report) },
    spec,
  };
  const options = residue(intent, bare, config, untouched, report);
  const proxmox = { ...bare, ...(Object.keys(options).length > 0 ? { options } : {}) };
  return deepFreeze({
    intent: parseGpuVm({
      ...intent,
      spec: { ...spec, ...(Object.keys(proxmox).length > 0 ? { providerOptions: { proxmox } } : {}) },
    }),
    diagnostics: report.diagnostics,
  });
}

function readConfig({ config, state = 'next' }: ProxmoxVmDocument, report: Report): VmOptions {
  if (typeof config !== 'string') return withValue(optionsAsText(config));
  const parsed = parseVmConfig(config);
  if (parsed.pending) {
    report.add(
      'approximated',
      'pending-changes',
      '[PENDING]',
      state === 'next'
        ? 'the VM has pending changes; this is what the next start brings'
        : 'the VM has pending changes; this is what runs now',
    );
  }
  return withValue(state === 'next' ? nextStart(parsed) : parsed.options);
}

/** Blank values (`boot: ` of a VM without disks) say nothing. */
function withValue(options: VmOptions): VmOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value.trim() !== ''));
}

function nameOf(config: VmOptions, document: ProxmoxVmDocument, report: Report): string {
  const { name } = config;
  const clean = (name ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  if (name !== undefined && name !== clean) {
    report.add(
      'approximated',
      'vm-name',
      'name',
      `the name ${name} is not a DNS label; the intent says ${clean || 'vm'}`,
    );
  }
  return clean || `vm${document.vmid === undefined ? '' : `-${document.vmid}`}`;
}

function storageOf(config: VmOptions): string | undefined {
  const drives = Object.entries(config).filter(([key, value]) => isDrive(key) && !/media=cdrom/.test(value));
  const storages = drives.flatMap(
    ([key, value]) => /^([^:/,]+):/.exec(propertiesOf(key, value).file ?? '')?.[1] ?? [],
  );
  return storages[0];
}

function tagsOf({ tags }: VmOptions): { readonly tags?: readonly string[] } {
  const list = (tags ?? '')
    .split(/[;, ]+/)
    .filter(Boolean)
    .sort();
  return list.length === 1 && list[0] === markTag ? {} : { tags: list };
}

function readSpec(config: VmOptions, gpus: readonly GpuRequest[]): GpuVmSpec {
  const { type: machine } = propertiesOf('machine', config.machine);
  const { cputype, hidden } = propertiesOf('cpu', config.cpu);
  const { current } = propertiesOf('memory', config.memory);
  const sockets = numberOf(config.sockets);
  const perSocket = numberOf(config.cores);
  const cpu = {
    ...(perSocket === undefined ? {} : { cores: perSocket * (sockets ?? 1) }),
    ...(sockets === undefined ? {} : { sockets }),
    ...(cputype === undefined ? {} : { model: cputype }),
  };
  const firmware = readFirmware(config);
  const affinity = { preferred: 'preferred', bind: 'required' }[
    propertiesOf('numa0', config.numa0).policy ?? ''
  ] as 'preferred' | 'required' | undefined;
  const pages = { 2: '2MiB', 1024: '1GiB' }[config.hugepages ?? ''];
  const { disks, networks } = readDevices(config);
  return {
    ...(/^w/.test(config.ostype ?? '')
      ? { guestOs: 'windows' }
      : /^l2/.test(config.ostype ?? '')
        ? { guestOs: 'linux' }
        : {}),
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(current === undefined ? {} : { memory: printBytes(Number(current) * 2 ** 20) }),
    ...(pages === undefined ? {} : { hugepages: pages }),
    ...(machine === undefined ? {} : { machine }),
    ...(Object.keys(firmware).length > 0 ? { firmware } : {}),
    ...(affinity === undefined ? {} : { numa: { gpuAffinity: affinity } }),
    ...(hidden === undefined ? {} : { hideHypervisor: hidden === '1' }),
    ...(disks.length > 0 ? { disks } : {}),
    // None is said too: elsewhere a VM that leaves it open gets one.
    networks,
    ...(gpus.length > 0 ? { gpus } : {}),
  };
}

function readFirmware(config: VmOptions) {
  const keys = propertiesOf('efidisk0', config.efidisk0)['pre-enrolled-keys'];
  return {
    ...(config.bios === 'ovmf'
      ? { type: 'uefi' as const }
      : config.bios === 'seabios'
        ? { type: 'bios' as const }
        : {}),
    ...(keys === undefined || config.bios !== 'ovmf' ? {} : { secureBoot: keys === '1' }),
    ...(propertiesOf('tpmstate0', config.tpmstate0).version === 'v2.0' ? { tpm: true } : {}),
  };
}

function readDevices(config: VmOptions) {
  const keys = Object.keys(config).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const disks = keys
    .filter((key) => /^(ide|sata|scsi|virtio)\d+$/.test(key) && !/media=cdrom/.test(config[key] ?? ''))
    .map((key) => {
      const { file = '', size } = propertiesOf(key, config[key]);
      const gib = /^[^:/]+:\d+$/.test(file) ? Number(file.slice(file.indexOf(':') + 1)) : sizeInGiB(size);
      return { name: key, ...(!gib ? {} : { size: `${gib}GiB` }) };
    });
  const bridges = keys
    .filter((key) => /^net\d+$/.test(key))
    .map((key) => {
      const { bridge = '' } = propertiesOf(key, config[key]);
      return /^[\w-]{1,63}$/.test(bridge) ? bridge : key;
    });
  return { disks, networks: [...new Set(bridges)].map((name) => ({ name })) };
}

/** What planning the neutral words again would not give: the rest of the configuration, as one would ask for it. */
function residue(
  intent: GpuVm,
  bare: ProxmoxOptions,
  config: VmOptions,
  untouched: readonly string[],
  report: Report,
): Record<string, string | null> {
  const again = composeOptions(intent, bare, {
    create: true,
    storage: bare.storage,
    numaNode: undefined,
    report: createReport(),
  });
  const options: Record<string, string | null> = {};
  for (const key of [...new Set([...Object.keys(again), ...Object.keys(config)])].sort()) {
    if (identity.test(key) || (/^hostpci\d+$/.test(key) && !untouched.includes(key))) continue;
    const actual = config[key];
    const planned = again[key];
    if (actual === undefined) options[key] = null;
    else if (planned === undefined || requestForm(key, actual) !== canonicalOption(key, planned)) {
      options[key] = requestForm(key, actual);
      if (
        planned === undefined &&
        !housekeeping.test(key) &&
        !report.diagnostics.some(({ path }) => path === key)
      ) {
        report.add(
          'lossy',
          'kept-native',
          key,
          `${key} has no neutral word; only Proxmox VE understands it (providerOptions.proxmox.options)`,
        );
      }
    }
  }
  return options;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || !/^[1-9]\d*$/.test(text) ? undefined : Number(text);
}
