import type { HostFacts } from '../facts/host-facts.ts';

/** Files that belong to vmgpu; nothing else is created. */
export const own = {
  modprobe: '/etc/modprobe.d/zz-vmgpu.conf',
  modulesLoad: '/etc/modules-load.d/vmgpu.conf',
  grub: '/etc/default/grub.d/99-vmgpu.cfg',
  devices: '/etc/vmgpu/devices',
  bind: '/etc/vmgpu/bind',
  bindUnit: '/etc/systemd/system/vmgpu-bind.service',
  arguments: '/etc/vmgpu/kernel-arguments',
  vgpus: '/etc/vmgpu/vgpus',
  vgpuScript: '/etc/vmgpu/apply-vgpus',
  vgpuUnit: '/etc/systemd/system/vmgpu-vgpu.service',
  functions: '/etc/vmgpu/functions',
  functionsScript: '/etc/vmgpu/apply-functions',
  functionsUnit: '/etc/systemd/system/vmgpu-functions.service',
  initramfsHook: '/etc/initramfs-tools/hooks/vmgpu',
  // The scripts of init-top run in the order of tsort, which is that of their names: this one must come before "udev",
  // whose script loads all drivers (initramfs-tools 0.142, hook-functions: cache_run_scripts).
  initramfsScript: '/etc/initramfs-tools/scripts/init-top/00-vmgpu',
  dracut: '/etc/dracut.conf.d/vmgpu.conf',
  dracutModule: '/usr/lib/dracut/modules.d/90vmgpu/module-setup.sh',
  mkinitcpio: '/etc/mkinitcpio.conf.d/vmgpu.conf',
} as const;

/** A service's drop-in of ours. */
export function memlockFile(service: string): string {
  return `/etc/systemd/system/${service}.service.d/vmgpu.conf`;
}

const memlockPattern = /^\/etc\/systemd\/system\/[^/]+\.service\.d\/vmgpu\.conf$/;
const originals = '/var/lib/vmgpu/original/';

/** True for a file that vmgpu made and may remove. */
export function isOwn(path: string): boolean {
  return (Object.values(own) as readonly string[]).includes(path) || memlockPattern.test(path);
}

/** Where the original of a foreign file is kept: one flat folder, `/` written as `%`. */
export function backupOf(path: string): string {
  return originals + path.replaceAll('/', '%');
}

/** Foreign files whose originals are kept. */
export function editedFiles({ files = {} }: HostFacts): readonly string[] {
  return Object.keys(files)
    .filter((path) => path.startsWith(originals))
    .map((path) => path.slice(originals.length).replaceAll('%', '/'));
}

/** The first lines of every file of ours. */
export function header(purpose: string): string {
  return `# Made by vmgpu: ${purpose}\n# Changes here are lost at the next \`vmgpu prepare\`; \`vmgpu prepare --rollback\` removes this file.\n`;
}

/** A file's text; null when it is not there, undefined when that is not known. */
export function textOf({ files, gaps }: HostFacts, path: string): string | null | undefined {
  if (files === undefined || gaps.some(({ source }) => source === path)) return undefined;
  return files[path] ?? null;
}

/** Lines of a file of ours that say something. */
export function ownLines(facts: HostFacts, path: string): readonly string[] {
  return (textOf(facts, path) ?? '').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}
