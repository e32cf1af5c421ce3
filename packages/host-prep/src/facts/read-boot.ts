import { type Fact, isUnknown, unknown } from '@vmgpu/core';
import { parseGrubby, parseGrubConfig, parseLoaderEntry } from './boot-entries.ts';
import { type CaptureReader, mapFact } from './capture-reader.ts';
import { parseCommandLine } from './command-line.ts';
import { parseGrubDefaults } from './grub.ts';
import type { BootEntry, BootFacts, BootLoader, InitramfsFacts, MemoryRange } from './host-facts.ts';
import { linesOf, wholeNumber } from './text.ts';

export function readBoot(reader: CaptureReader): BootFacts {
  const efi = reader.exists('/sys/firmware/efi');
  const firmware = mapFact(efi, (there) => (there ? 'efi' : 'bios'));
  const secureBoot = firmware === 'bios' ? false : readSecureBoot(reader);
  return {
    bootId: mapFact(reader.required('/proc/sys/kernel/random/boot_id'), (text) => text.trim()),
    cmdline: mapFact(reader.required('/proc/cmdline'), parseCommandLine),
    firmware,
    secureBoot,
    lockdown: mapFact(reader.optional('/sys/kernel/security/lockdown'), (text) =>
      text === null ? 'none' : (/\[(\w+)\]/.exec(text)?.[1] ?? unknown('no current word in it')),
    ),
    loader: readLoader(reader, firmware, secureBoot),
    grub: readGrub(reader),
    kernelCmdlineFile: mapFact(reader.optional('/etc/kernel/cmdline'), (text) => text?.trimEnd() ?? null),
    entries: readEntries(reader),
    rebootRequired: mapFact(reader.exists('/run/reboot-required'), (there) =>
      there ? true : reader.exists('/var/run/reboot-required'),
    ),
    installedKernels: mapFact(reader.pathsBelow('/lib/modules/'), (names) =>
      names.filter((name) => !name.includes('/')),
    ),
    initramfs: readInitramfs(reader),
    acpiTables: mapFact(reader.pathsBelow('/sys/firmware/acpi/tables/'), (names) =>
      names.filter((name) => /^[A-Z]/.test(name)),
    ),
    framebuffers: mapFact(reader.required('/proc/iomem'), parseFramebuffers),
  };
}

/** The last byte of the EFI variable, or what mokutil says. */
function readSecureBoot(reader: CaptureReader): Fact<boolean> {
  const variable = reader.matching(/^od .*SecureBoot-/)[0];
  if (variable) {
    const bytes = variable.text.trim().split(/\s+/);
    if (bytes.length === 5 && /^[01]$/.test(bytes[4] ?? '')) return bytes[4] === '1';
  }
  return mapFact(reader.required('mokutil --sb-state'), (text) => {
    const state = /SecureBoot (enabled|disabled)/.exec(text)?.[1];
    return state === undefined ? unknown('mokutil does not say') : state === 'enabled';
  });
}

/**
 * Which loader started the host. Proxmox VE keeps `/etc/kernel/cmdline` on GRUB hosts too, so that file proves
 * nothing; the boot entry in use does (pve-docs, system-booting: "Determine which Bootloader is Used").
 */
function readLoader(
  reader: CaptureReader,
  firmware: Fact<string>,
  secureBoot: Fact<boolean>,
): Fact<BootLoader> {
  const tool = reader.section('proxmox-boot-tool status');
  const proxmoxBootTool = reader.exists('/etc/kernel/proxmox-boot-uuids') === true;
  const loader = (kind: BootLoader['kind'], source: string, text: string): BootLoader => ({
    kind,
    proxmoxBootTool,
    evidence: { source, text },
  });
  const grubFile = ['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg'].find((file) => {
    const status = reader.section(file)?.status;
    return status !== undefined && status !== 'absent';
  });
  if (firmware === 'bios' && grubFile) return loader('grub', '/sys/firmware/efi', 'absent: started by BIOS');
  const info = loaderInfo(reader);
  const told = /^(systemd-boot|GRUB)\b/i.exec(info ?? '')?.[1]?.toLowerCase();
  if (info !== undefined && (told === 'systemd-boot' || told === 'grub'))
    return loader(told, 'LoaderInfo', info);
  const entry = currentEfiEntry(reader.section('efibootmgr -v')?.text ?? '');
  if (entry && /systemd-boot|\\systemd\\/i.test(entry)) return loader('systemd-boot', 'efibootmgr -v', entry);
  if (entry && /grub|shim/i.test(entry)) return loader('grub', 'efibootmgr -v', entry);
  const configured = linesOf(tool?.text ?? '').find((line) => line.includes('configured with:'));
  if (configured) {
    return loader(
      configured.includes('uefi') ? 'systemd-boot' : 'grub',
      'proxmox-boot-tool status',
      configured.trim(),
    );
  }
  if (tool && tool.status !== 'absent' && secureBoot === true) {
    return loader('grub', 'Secure Boot', 'on: Proxmox VE then starts by GRUB');
  }
  const installed = reader.section('bootctl is-installed');
  if (installed?.text.trim() === 'yes' && !grubFile)
    return loader('systemd-boot', 'bootctl is-installed', 'yes');
  if (grubFile && installed?.text.trim() !== 'yes') return loader('grub', grubFile, 'exists');
  if (installed?.text.trim() === 'yes' && grubFile) {
    return unknown(
      `both systemd-boot and ${grubFile} are installed, and efibootmgr -v does not tell which is in use`,
    );
  }
  if (isUnknown(firmware)) return firmware;
  return entry ? loader('other', 'efibootmgr -v', entry) : unknown('no boot loader was recognised');
}

/**
 * What the loader says of itself (systemd, Boot Loader Interface: LoaderInfo). systemd-boot always sets it, GRUB from 2.12 on
 * where its module bli is loaded. Four bytes of attributes, then UTF-16.
 */
function loaderInfo(reader: CaptureReader): string | undefined {
  const bytes = reader
    .matching(/^od .*LoaderInfo-/)[0]
    ?.text.trim()
    .split(/\s+/)
    .map(Number);
  return bytes
    ?.slice(4)
    .filter((byte, index) => index % 2 === 0 && byte >= 32 && byte < 127)
    .map((byte) => String.fromCharCode(byte))
    .join('');
}

function currentEfiEntry(text: string): string | undefined {
  const number = /^BootCurrent: ([0-9A-F]{4})/m.exec(text)?.[1];
  return number === undefined ? undefined : linesOf(text).find((line) => line.startsWith(`Boot${number}`));
}

function readGrub(reader: CaptureReader): BootFacts['grub'] {
  const main = reader.required('/etc/default/grub');
  if (isUnknown(main)) return main;
  const folder = reader.matching(/^\/etc\/default\/grub\.d\/[^/]+\.cfg$/);
  const denied = folder.find(({ status }) => status === 'denied');
  if (denied) return unknown(`${denied.name} needs root`);
  const files = [...folder].sort((a, b) => (a.name < b.name ? -1 : 1));
  return parseGrubDefaults([
    { path: '/etc/default/grub', text: main },
    ...files.map(({ name, text }) => ({ path: name, text })),
  ]);
}

function readEntries(reader: CaptureReader): Fact<readonly BootEntry[]> {
  const sources = reader.matching(
    /\/grub2?\/grub\.cfg$|\/loader\/entries\/[^/]+\.conf$|^grubby --info=ALL$|^rpm-ostree kargs$/,
  );
  const readable = sources.filter(({ status }) => status === 'ok' || status === 'rc=0');
  const entries = readable.flatMap(({ name, text }) => {
    if (name.startsWith('grubby')) return parseGrubby(text);
    if (name.startsWith('rpm-ostree')) return [{ file: name, args: text.trim() }];
    return name.endsWith('grub.cfg') ? parseGrubConfig(text, name) : parseLoaderEntry(text, name);
  });
  const denied = sources.find(({ status }) => status === 'denied');
  if (entries.length === 0 && denied) return unknown(`${denied.name} needs root`);
  if (sources.length === 0) return unknown('not in the capture');
  // Folders that only root may enter look empty to everybody else.
  const root = reader.section('id -u')?.text.trim() === '0';
  return entries.length > 0 || root ? entries : unknown('no boot entry was readable: needs root');
}

function readInitramfs(reader: CaptureReader): Fact<InitramfsFacts | null> {
  const [stat] = reader.matching(/^stat -c %Y %n /);
  if (!stat) return isUnknown(reader.exists('/')) ? unknown('not in the capture') : null;
  const [, modified, file = ''] = /^(\d{1,12}) (\S+)/.exec(stat.text) ?? [];
  const [listing] = reader.matching(/^(?:lsinitramfs|lsinitrd|lsinitcpio) /);
  return {
    file: file || stat.name.replace(/^stat -c %Y %n /, ''),
    modified: wholeNumber(modified) ?? unknown('stat does not say'),
    contents: listing ? mapFact(reader.required(listing.name), linesOf) : unknown('not in the capture'),
  };
}

/** `c0000000-c07fffff : BOOTFB` lines of /proc/iomem; only root sees the addresses. */
export function parseFramebuffers(text: string): Fact<readonly MemoryRange[]> {
  const ranges = linesOf(text).flatMap((line) => {
    const [, start, end, name = ''] = /^\s*([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.{1,60})$/i.exec(line) ?? [];
    if (start === undefined || end === undefined) return [];
    return [{ name: name.trim(), start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) }];
  });
  return ranges.some(({ end }) => end === 0) ? unknown('needs root: the addresses are hidden') : ranges;
}
