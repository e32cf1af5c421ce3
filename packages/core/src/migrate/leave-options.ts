import type { Say } from './say.ts';

/**
 * Settings by which a platform keeps its own house: where the VM lies, what its parts are called there, which slot a
 * device sits in. The target decides these anew, so that a person need not weigh them one by one. Paths below
 * `spec.providerOptions.<platform>`; everything else counts as a loss.
 */
const housekeeping: Readonly<Record<string, RegExp>> = {
  kubevirt:
    /^(kind|namespace|dataVolumes|memoryField|nodes|resources|hostDevices|vgpuConfig|vgpuManager)\b|^patch\.(metadata\.namespace|spec\.running|spec\.runStrategy|spec\.template\.metadata)$|^patch\.spec\.(instancetype|preference)\b/,
  openstack:
    /^(flavor\.(name|description|public)|pciInPlacement|limits|gpus|server\.(OS-DCF:diskConfig|hostname))\b/,
  proxmox:
    /^(node|vmid|storage|snippets|bridge|raw|start|acceptIommuGroup|tags$|hostpci\.[^.]+\.(index|host|mapping|pcie)|options\.(boot|bootdisk|scsihw|tablet|meta|tags|((ide|sata|scsi|virtio|efidisk|tpmstate)\d+)))\b/,
};

/** Settings that say where neutral values came from: the values go along, so there is nothing to tell. */
const sources: Readonly<Record<string, RegExp>> = { kubevirt: /^given\b/ };

/** Names every setting that only the source platform knows: its housekeeping in one remark, losses by their first key. */
export function leaveOptions(from: string, options: Readonly<Record<string, unknown>>, say: Say): void {
  const root = `spec.providerOptions.${from}`;
  const all = [...leaves(options, '')].filter(([path]) => !sources[from]?.test(path));
  const isKept = (path: string) => housekeeping[from]?.test(path) ?? false;
  const kept = all.filter(([path]) => isKept(path));
  if (kept.length > 0) {
    say(
      'approximated',
      'housekeeping',
      root,
      `what ${from} keeps its own house with is decided anew by the target: ${list(kept)}`,
    );
  }
  for (const key of Object.keys(options)) {
    const lost = all.filter(
      ([path]) =>
        !isKept(path) && (path === key || (/^[.[]/.test(path.slice(key.length)) && path.startsWith(key))),
    );
    if (lost.length === 0) continue;
    say(
      'lossy',
      'provider-option',
      lost.length === 1 ? `${root}.${lost[0]?.[0]}` : `${root}.${key}`,
      `only ${from} knows ${lost.length === 1 ? 'this setting' : 'these settings'}, which stay behind: ${list(lost)}`,
    );
  }
}

function list(entries: readonly (readonly [string, unknown])[]): string {
  return entries.map(([path, value]) => `${path} (${shorten(value)})`).join(', ');
}

/** Every value at the end of a path, in document order; an empty list or object is a value too. */
function* leaves(value: unknown, path: string): Generator<readonly [string, unknown]> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) {
    if (path !== '') yield [path, value];
    return;
  }
  for (const [key, item] of entries) {
    yield* leaves(item, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);
  }
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
