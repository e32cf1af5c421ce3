import { badInput, isUnknown } from '@vmgpu/core';
import type { Draft, Unordered } from './draft.ts';
import type { Command, HostStep } from './host-plan.ts';

type Manager = Extract<HostStep, { kind: 'package' }>['manager'];

/** Programs and headers that build a kernel module, by package manager. */
function buildPackages(manager: Manager, release: string, proxmox: boolean): readonly string[] {
  switch (manager) {
    case 'apt':
      return ['build-essential', 'dkms', `${proxmox ? 'proxmox' : 'linux'}-headers-${release}`];
    case 'dnf':
      return ['gcc', 'make', 'dkms', `kernel-devel-${release}`];
    case 'zypper':
      return ['gcc', 'make', 'dkms', 'kernel-default-devel'];
    case 'pacman':
      return ['base-devel', 'dkms', 'linux-headers'];
  }
}

/** The host's package manager, by its family of distributions. */
export function packageManager({ facts }: Draft): Manager | undefined {
  const { os } = facts.system;
  const names = isUnknown(os) ? [] : [os.id, ...os.idLike];
  const has = (form: RegExp) => names.some((name) => form.test(name));
  if (has(/^(debian|ubuntu|proxmox)$/)) return 'apt';
  if (has(/^(rhel|fedora|centos|rocky|almalinux|ol)$/)) return 'dnf';
  if (has(/^(s(use|les)|opensuse.*)$/)) return 'zypper';
  return has(/^arch$/) ? 'pacman' : undefined;
}

const always = { risk: 'none', reversible: true } as const;

/** Installs the NVIDIA driver that the mode needs: the vGPU manager, or the driver for containers. */
export function settleDriver(draft: Draft, hasNvidia: boolean): void {
  const { facts, goal } = draft;
  if (!hasNvidia || goal.mode === 'vm-passthrough') return;
  const { flavour } = facts.nvidia;
  const fits =
    goal.mode === 'vm-vgpu'
      ? flavour === 'vgpu-host'
      : typeof flavour === 'string' && flavour !== 'vgpu-host';
  const checks = goal.mode === 'vm-vgpu' ? ['H20', 'H34', 'V01', 'V02', 'V05'] : ['H21', 'H34', 'H45'];
  if (fits || (isUnknown(flavour) && goal.driver === undefined)) return;
  if (goal.driver === undefined || (typeof flavour === 'string' && !fits)) {
    draft.diagnostics.push({
      kind: 'blocked',
      code: 'host.driver',
      check: 'H34',
      path: 'goal.driver',
      message:
        typeof flavour === 'string'
          ? `The NVIDIA driver on the host (${flavour}) is of the other kind; one host cannot have both.`
          : goal.mode === 'vm-vgpu'
            ? 'The NVIDIA vGPU manager is not installed, and only you can get it.'
            : 'No NVIDIA driver is loaded.',
      remedy:
        typeof flavour === 'string'
          ? 'Remove that driver first (nvidia-uninstall, or the packages of the distribution) and reboot.'
          : goal.mode === 'vm-vgpu'
            ? "Put NVIDIA's file NVIDIA-Linux-x86_64-…-vgpu-kvm.run on the host and name it in goal.driver.runFile."
            : 'Name the packages of the driver in goal.driver.packages, or its .run file in goal.driver.runFile.',
    });
    return;
  }
  const manager = packageManager(draft);
  if ('packages' in goal.driver) {
    if (manager !== undefined)
      draft.later.push(packageStep(manager, goal.driver.packages, 'the NVIDIA driver', checks));
  } else {
    const { runFile } = goal.driver;
    if (!runFile.startsWith('/'))
      throw badInput('the installer is named by its place on the host', {
        where: { path: 'driver.runFile' },
        found: runFile,
        expected: 'an absolute path',
      });
    const release = isUnknown(facts.system.kernelRelease) ? undefined : facts.system.kernelRelease;
    if (manager !== undefined && release !== undefined && facts.kernelModules.kernelHeaders !== true)
      draft.later.push(
        packageStep(
          manager,
          buildPackages(manager, release, release.includes('-pve')),
          'what builds kernel modules',
          ['H35'],
        ),
      );
    draft.later.push(
      run('nvidia-driver', ['sh', runFile, '--silent', '--dkms'], `Install ${runFile}`, checks, {
        check: ['test', '-e', goal.mode === 'vm-vgpu' ? '/usr/bin/nvidia-vgpu-mgr' : '/usr/bin/nvidia-smi'],
        undo: ['nvidia-uninstall', '--silent'],
      }),
    );
  }
  if (goal.mode === 'vm-vgpu')
    for (const unit of ['nvidia-vgpud.service', 'nvidia-vgpu-mgr.service'])
      draft.later.push({
        ...always,
        id: `service/${unit}`,
        kind: 'service',
        unit,
        action: 'enable',
        summary: `Start ${unit}, now and at every boot`,
        turnsGreen: ['V02'],
      });
}

/** The container toolkit, and the runtimes that shall know it. `nvidia-ctk` of nvidia-container-toolkit 1.17. */
export function settleContainers(draft: Draft, hasNvidia: boolean): void {
  const { facts, goal } = draft;
  if (!hasNvidia || goal.mode !== 'container') return;
  const { toolkitVersion, configuredRuntimes } = facts.containers;
  const manager = packageManager(draft);
  const failing = draft.readiness.findings.some(({ id, status }) => id === 'H44' && status === 'fail');
  if (toolkitVersion === null && failing && manager !== undefined) {
    draft.later.push(
      packageStep(manager, ['nvidia-container-toolkit'], 'the NVIDIA container toolkit', ['H44']),
    );
    draft.diagnostics.push({
      kind: 'approximated',
      code: 'host.toolkit-repository',
      check: 'H44',
      path: '',
      message:
        "The package nvidia-container-toolkit comes from NVIDIA's package repository, which the plan does not set up.",
      remedy: 'Add the repository to the host before the plan is applied.',
    });
  }
  for (const runtime of goal.runtimes ?? []) {
    if (!['containerd', 'docker', 'crio'].includes(runtime))
      throw badInput('not a container runtime that nvidia-ctk knows', {
        where: { path: 'runtimes' },
        found: runtime,
        expected: 'containerd, docker or crio',
      });
    if (!isUnknown(configuredRuntimes) && configuredRuntimes.some((name) => name.includes(runtime))) continue;
    draft.later.push(
      run(
        `nvidia-ctk/${runtime}`,
        ['nvidia-ctk', 'runtime', 'configure', `--runtime=${runtime}`],
        `Tell ${runtime} of the NVIDIA runtime`,
        ['H44'],
      ),
      {
        ...always,
        id: `service/${runtime}`,
        kind: 'service',
        unit: `${runtime}.service`,
        action: 'restart',
        summary: `Restart ${runtime}`,
        risk: 'service-restart',
        turnsGreen: ['H44'],
      },
    );
  }
  if (failing)
    draft.later.push(
      run(
        'cdi',
        ['nvidia-ctk', 'cdi', 'generate', '--output=/etc/cdi/nvidia.yaml'],
        'Describe the GPUs to container runtimes (CDI)',
        ['H44'],
        {
          undo: ['rm', '-f', '/etc/cdi/nvidia.yaml'],
        },
      ),
    );
}

function packageStep(
  manager: Manager,
  names: readonly string[],
  what: string,
  turnsGreen: readonly string[],
): Unordered {
  const odd = names.find((name) => !/^[A-Za-z0-9][A-Za-z0-9.+_:~=-]{0,199}$/.test(name));
  if (odd !== undefined)
    throw badInput('not the name of a package', {
      where: { path: 'driver.packages' },
      found: odd,
      expected: 'a name such as nvidia-driver',
    });
  return {
    ...always,
    id: `package/${names[names.length - 1]}`,
    kind: 'package',
    manager,
    names,
    summary: `Install ${what} (${names.join(' ')})`,
    turnsGreen,
  };
}

function run(
  id: string,
  argv: Command,
  summary: string,
  turnsGreen: readonly string[],
  more: { readonly check?: Command; readonly undo?: Command } = {},
): Unordered {
  return {
    ...always,
    reversible: more.undo !== undefined,
    id,
    kind: 'run',
    argv,
    summary,
    turnsGreen,
    ...more,
  };
}
