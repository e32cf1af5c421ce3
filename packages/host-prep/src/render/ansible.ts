import { shellCommand } from '@vmgpu/core';
import type { Command, HostPlan, HostStep } from '../plan/host-plan.ts';
import { isBlocked } from '../plan/host-plan.ts';
import { installCommand } from './shell-step.ts';

type Task = Readonly<Record<string, unknown>>;

/**
 * The plan as a playbook. Handlers rebuild the initramfs, make the boot entries anew, compare them and reboot, once and in
 * this order; steps behind the reboot come after a flush of the handlers.
 */
export function playbook(plan: HostPlan): readonly Task[] {
  const handlers = plan.steps.flatMap((step) => handlerOf(step));
  const notify = handlers.map(({ name }) => name);
  const tasks = plan.steps.flatMap((step) => tasksOf(step, notify));
  const blocked = plan.diagnostics.filter(({ kind }) => kind === 'blocked').map(({ message }) => message);
  return [
    {
      name: raw(
        plan.goal === null ? `Take back what was prepared on ${plan.host}` : `Prepare ${plan.host} for GPUs`,
      ),
      hosts: raw(plan.host),
      become: true,
      // A play that fails half-way must still rebuild what its files went into.
      force_handlers: true,
      tasks: isBlocked(plan)
        ? [{ name: 'The plan is blocked', 'ansible.builtin.fail': { msg: raw(blocked.join('\n')) } }]
        : tasks,
      ...(isBlocked(plan) ? {} : { handlers }),
    },
  ];
}

function tasksOf(step: HostStep, notify: readonly unknown[]): readonly Task[] {
  const name = raw(step.summary);
  const told = notify.length > 0 ? { notify } : {};
  switch (step.kind) {
    case 'write-file':
      return [
        directory(step.path),
        {
          name,
          'ansible.builtin.copy': { dest: raw(step.path), content: raw(step.after), mode: octal(step.mode) },
          ...told,
        },
      ];
    case 'edit-file':
      return [
        directory(step.backup),
        {
          name: raw(`Keep the original of ${step.path}`),
          'ansible.builtin.copy': {
            src: raw(step.path),
            dest: raw(step.backup),
            remote_src: true,
            force: false,
            mode: 'preserve',
          },
        },
        ...asPlanned(step),
        {
          name,
          'ansible.builtin.copy': {
            dest: raw(step.path),
            content: raw(step.after),
            // No mode: a file that is there keeps its own. With a content, "preserve" would be that of Ansible's temporary file.
            follow: true,
          },
          ...told,
        },
      ];
    case 'restore-file':
      return [
        ...asPlanned(step),
        {
          name: raw(`Look for the original of ${step.path}`),
          'ansible.builtin.stat': { path: raw(step.backup) },
          register: 'vmgpu_original',
        },
        {
          name,
          'ansible.builtin.copy': {
            src: raw(step.backup),
            dest: raw(step.path),
            remote_src: true,
            mode: 'preserve',
            follow: true,
          },
          when: ['vmgpu_original.stat.exists'],
          ...told,
        },
        {
          name: raw(`Forget the original of ${step.path}`),
          'ansible.builtin.file': { path: raw(step.backup), state: 'absent' },
        },
      ];
    case 'remove-file':
      return [{ name, 'ansible.builtin.file': { path: raw(step.path), state: 'absent' }, ...told }];
    case 'run':
      return command(name, step.argv, step.check);
    case 'write-sysfs':
      return command(
        name,
        ['sh', '-c', 'printf "%s\\n" "$2" >"$1"', 'sh', step.path, step.value],
        step.done && [
          'sh',
          '-c',
          '[ -d "$1" ] && [ "$(basename "$(readlink -f "$1")")" = "$2" ]',
          'sh',
          step.done.path,
          step.done.value,
        ],
      );
    case 'service':
      return [
        {
          name,
          'ansible.builtin.systemd_service': {
            name: raw(step.unit),
            daemon_reload: true,
            enabled: step.action !== 'disable',
            state: { enable: 'started', restart: 'restarted', disable: 'stopped' }[step.action],
          },
        },
      ];
    case 'package':
      return [
        { name, 'ansible.builtin.command': { argv: installCommand(step).map(raw) }, changed_when: false },
      ];
    case 'manual':
      return [{ name, 'ansible.builtin.debug': { msg: raw(step.instructions) } }];
    case 'reboot':
      return [
        {
          name: 'Rebuild, compare and reboot where something was changed',
          'ansible.builtin.meta': 'flush_handlers',
        },
      ];
    default:
      return [];
  }
}

function handlerOf(step: HostStep): readonly Task[] {
  const name = raw(step.summary);
  switch (step.kind) {
    case 'initramfs':
    case 'boot-loader':
      return [{ name, 'ansible.builtin.command': { argv: step.argv.map(raw) }, changed_when: true }];
    case 'verify-boot-entry':
      return [
        {
          name,
          'ansible.builtin.command': { argv: compareCommand(step).map(raw) },
          changed_when: false,
        },
      ];
    case 'reboot':
      return [{ name, 'ansible.builtin.reboot': { reboot_timeout: 1800 } }];
    default:
      return [];
  }
}

/** Fails when the first boot entry lacks a word or has one it must not have. */
function compareCommand(step: Extract<HostStep, { kind: 'verify-boot-entry' }>): Command {
  const reader =
    step.read === undefined
      ? `cat ${(step.files ?? []).join(' ')} 2>/dev/null | grep -E '^[[:space:]]*(linux|options)'`
      : `${shellCommand(step.read)} | sed -n 's/^args=//p'`;
  const unread = step.unread === 'go-on' ? 'exit 0' : 'echo "no boot entry could be read" >&2; exit 1';
  return [
    'sh',
    '-c',
    `entry=" $(${reader} | head -n 1 | tr '"\\t' '  ') "
[ -n "$(echo $entry)" ] || { ${unread}; }
for word; do
  case $entry in
    *" \${word#?} "*) case $word in -*) exit 1 ;; esac ;;
    *) case $word in +*) exit 1 ;; esac ;;
  esac
done`,
    'sh',
    ...step.present.map((word) => `+${word}`),
    ...step.absent.map((word) => `-${word}`),
  ];
}

function command(name: string, argv: Command, check?: Command): readonly Task[] {
  const run = { name, 'ansible.builtin.command': { argv: argv.map(raw) } };
  if (check === undefined) return [{ ...run, changed_when: true }];
  return [
    {
      name: raw(`Look whether it is done: ${name}`),
      'ansible.builtin.command': { argv: check.map(raw) },
      register: 'vmgpu_done',
      changed_when: false,
      failed_when: false,
      check_mode: false,
    },
    { ...run, when: 'vmgpu_done.rc != 0' },
  ];
}

function directory(path: string): Task {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return {
    name: raw(`Folder ${parent}`),
    'ansible.builtin.file': { path: raw(parent), state: 'directory' },
  };
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** Text that Jinja must leave as it is. */
function raw(text: string): string {
  if (!/\{[{%#]/.test(text)) return text;
  // "endraw" inside the text would end it early, so the brackets themselves are quoted.
  return text.replace(/\{(?=[{%#])/g, "{{ '{' }}");
}

/** Whoever else wrote the file since is not overwritten: it must be as it was planned, or as it shall be. */
function asPlanned({
  path,
  before,
  after,
}: Extract<HostStep, { kind: 'edit-file' | 'restore-file' }>): readonly Task[] {
  return [
    { name: raw(`Read ${path}`), 'ansible.builtin.slurp': { src: raw(path) }, register: 'vmgpu_file' },
    {
      name: raw(`${path} is as it was planned`),
      'ansible.builtin.assert': {
        that: ['(vmgpu_file.content | b64decode).rstrip() in [vmgpu_before.rstrip(), vmgpu_after.rstrip()]'],
      },
      vars: { vmgpu_before: raw(before), vmgpu_after: raw(after) },
    },
  ];
}
