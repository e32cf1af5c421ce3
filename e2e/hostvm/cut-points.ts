import type { Stop } from './stops.ts';

/** What happens at a point: vmgpu is killed, or the host is cut off (`Cut` of host.ts) together with vmgpu. */
export type Mishap = 'kill' | 'reset' | 'power';

export type CutPoint = {
  readonly name: string;
  /** One of the few that CI tries, and with what. */
  readonly ci?: Mishap;
  /** Held for so many seconds first, for the kernel to write what it has: its journal every 5 s, all of it after 30 s. */
  readonly hold?: number;
  /** Tried with this alone: for a disk it is like another one, or what a killed vmgpu leaves at work goes past it. */
  readonly only?: 'kill' | 'cut';
  /** The host reboots, whatever becomes of vmgpu: once it is held no longer, or by itself. */
  readonly reboots?: 'released' | 'by itself';
} & (
  | { readonly stop: Stop }
  /** When vmgpu tells so, and so many seconds later. */
  | { readonly event: 'reboot-start' | 'reboot-end'; readonly seconds: number }
);

const replacing = (path: string, { ci, only }: Pick<CutPoint, 'ci' | 'only'> = {}): readonly CutPoint[] => [
  {
    ...(only === undefined ? {} : { only }),
    name: `${path}: before it is replaced`,
    stop: { when: 'before', command: `mv -f *new ${path}` },
  },
  ...(only === 'kill'
    ? []
    : [
        {
          ...(ci === undefined ? {} : { ci }),
          only: 'cut' as const,
          name: `${path}: replaced`,
          stop: { when: 'after', command: `mv -f *new ${path}` } as const,
        },
      ]),
];

/** Every boundary of an apply, in the order in which it comes to them. */
export const applyPoints: readonly CutPoint[] = [
  { name: 'the plan is being kept', stop: { when: 'before', command: 'sync *plan.json.new' } },
  { only: 'kill', name: 'the plan is kept', stop: { when: 'after', command: 'mv -f *plan.json.new *' } },
  ...replacing('/etc/vmgpu/devices', { ci: 'reset' }),
  ...replacing('/etc/vmgpu/bind', { only: 'kill' }),
  ...replacing('/etc/initramfs-tools/hooks/vmgpu', { only: 'kill' }),
  ...replacing('/etc/initramfs-tools/scripts/init-top/00-vmgpu', { only: 'kill' }),
  ...replacing('/etc/modules-load.d/vmgpu.conf', { only: 'kill' }),
  ...replacing('/etc/default/grub.d/99-vmgpu.cfg', { only: 'kill' }),
  {
    name: "another's file: its original is kept",
    stop: { when: 'after', command: 'cp -p /etc/modprobe.d/local.conf *' },
    hold: 6,
  },
  ...replacing('/etc/modprobe.d/local.conf'),
  { only: 'kill', name: 'initramfs: begun', stop: { when: 'before', command: 'update-initramfs -u*' } },
  { name: 'initramfs: 10 s at work', stop: { when: 10, command: 'update-initramfs -u*' } },
  {
    only: 'kill',
    name: 'initramfs: 30 s at work',
    stop: { when: 30, command: 'update-initramfs -u*' },
    hold: 6,
  },
  {
    name: 'initramfs: whole, not in place',
    stop: { when: 'before', command: 'mv -f *initrd.img*.new *' },
    ci: 'kill',
  },
  { name: 'initramfs: in place', stop: { when: 'after', command: 'mv -f *initrd.img*.new *' }, hold: 6 },
  { only: 'kill', name: 'initramfs: done', stop: { when: 'after', command: 'update-initramfs -u*' } },
  { only: 'kill', name: 'boot menu: 2 s at work', stop: { when: 2, command: 'update-grub *' } },
  {
    name: 'boot menu: its file empty',
    stop: { when: 'before', command: 'cat *grub.cfg*.new' },
    hold: 40,
    ci: 'power',
  },
  {
    only: 'kill',
    name: 'boot menu: its file written',
    stop: { when: 'after', command: 'cat *grub.cfg*.new' },
  },
  ...replacing('/boot/grub/grub.cfg'),
  { name: 'reboot: asked for', stop: { when: 'before', command: 'systemctl reboot' }, reboots: 'released' },
];

/** Points behind the reboot: each needs a run from the beginning of the reboot. */
export const rebootPoints: readonly CutPoint[] = [
  {
    name: 'reboot: going down',
    stop: { when: 'after', command: 'systemctl reboot' },
    hold: 1,
    ci: 'power',
    reboots: 'by itself',
  },
  { name: 'reboot: coming up', event: 'reboot-start', seconds: 25, reboots: 'by itself' },
  { name: 'reboot: it answers, checks begin', event: 'reboot-end', seconds: 0 },
];

/** Points behind the checks: a run that has the reboot behind it comes to them. */
export const donePoints: readonly CutPoint[] = [
  { name: 'the plan is done and forgotten', stop: { when: 'before', command: 'rm -f *plan.json' } },
];

/** The way back. */
export const rollbackPoints: readonly CutPoint[] = [
  {
    name: "another's file: before it is restored",
    stop: { when: 'before', command: 'mv -f *new /etc/modprobe.d/local.conf' },
  },
  { name: 'rollback: a file is removed', stop: { when: 'after', command: 'rm -f /etc/vmgpu/devices' } },
  { name: 'rollback: initramfs 20 s at work', stop: { when: 20, command: 'update-initramfs -u*' } },
  {
    name: 'rollback: boot menu: its file empty',
    stop: { when: 'before', command: 'cat *grub.cfg*.new' },
    hold: 40,
  },
  {
    name: 'rollback: reboot asked for',
    stop: { when: 'before', command: 'systemctl reboot' },
    reboots: 'released',
  },
];
