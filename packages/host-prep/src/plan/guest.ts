import { badInput, type GpuBoard, shellCommand } from '@vmgpu/core';

/** Which NVIDIA driver a GPU takes. */
export interface DriverRule {
  /** Newest branch that drives it; absent where every current one does. */
  readonly lastBranch?: number;
  /** `proprietary` up to Volta, which the open modules do not know; `open` where nothing else works (Blackwell). */
  readonly modules: 'proprietary' | 'open' | 'either';
}

/**
 * By architecture. NVIDIA's driver release notes: 580 is the last branch for Maxwell, Pascal and Volta, 470 for Kepler; the
 * open kernel modules begin with Turing (NVIDIA/open-gpu-kernel-modules, README), and are the only ones for Blackwell.
 */
const rules: readonly (readonly [architecture: RegExp, rule: DriverRule])[] = [
  [/kepler/i, { lastBranch: 470, modules: 'proprietary' }],
  [/maxwell|pascal|volta/i, { lastBranch: 580, modules: 'proprietary' }],
  [/turing|ampere|ada|hopper/i, { modules: 'either' }],
  [/blackwell/i, { modules: 'open' }],
];

/** The rule for a board of the catalogue; undefined when its architecture is not known. */
export function driverRule({ architecture = '' }: Pick<GpuBoard, 'architecture'>): DriverRule | undefined {
  return rules.find(([form]) => form.test(architecture))?.[1];
}

export interface GuestOptions {
  /** Distribution of the image; its package names differ. */
  readonly distribution: 'ubuntu' | 'debian';
  /** What the guest's GPU needs; decides between open and proprietary modules. Default: `open`. */
  readonly rule?: DriverRule;
  /** Driver branch; 580 when not given. Debian has one branch a release and ignores it. */
  readonly branch?: number;
  /** A .run file already in the guest, instead of packages: a vGPU guest driver has no public package. */
  readonly runFile?: string;
  /** Container runtimes that shall know the GPU. */
  readonly runtimes?: readonly ('containerd' | 'docker')[];
}

const script = '/var/lib/vmgpu/guest-driver';

/** `#cloud-config` parts as an object: nouveau off, driver, container toolkit, and a check at the end. */
export function guestCloudConfig(options: GuestOptions): Readonly<Record<string, unknown>> {
  return {
    write_files: [
      {
        path: '/etc/modprobe.d/zz-vmgpu.conf',
        permissions: '0644',
        content:
          '# Made by vmgpu: the NVIDIA driver instead of nouveau\nblacklist nouveau\noptions nouveau modeset=0\n',
      },
      { path: script, permissions: '0755', content: guestScript(options) },
    ],
    runcmd: [[script]],
    // Lists of several parts are joined, not replaced (cloud-init, "Merging user data sections").
    merge_how: [
      { name: 'list', settings: ['append'] },
      { name: 'dict', settings: ['no_replace', 'recurse_list'] },
    ],
  };
}

/**
 * User data with the driver added to what is there. Several parts become a `#cloud-config-archive`, which needs no parser
 * of the part that is there (cloud-init, "User data formats").
 */
export function guestUserData(options: GuestOptions, existing?: string): string {
  const ours = `#cloud-config\n${JSON.stringify(guestCloudConfig(options), null, 2)}\n`;
  if (existing === undefined || existing.trim() === '') return ours;
  const type = typeOf(existing);
  return `#cloud-config-archive\n${JSON.stringify(
    [
      { type, content: existing },
      { type: 'text/cloud-config', content: ours },
    ],
    null,
    2,
  )}\n`;
}

function typeOf(text: string): string {
  if (text.startsWith('#cloud-config-archive') || /^(?:content-type|mime-version):/i.test(text))
    throw badInput('user data of several parts cannot be added to', {
      where: { path: 'spec.userData' },
      found: text.split('\n', 1)[0] ?? '',
      expected: '#cloud-config or a script',
      hint: 'Add the parts of guestCloudConfig yourself.',
    });
  if (text.startsWith('#cloud-config')) return 'text/cloud-config';
  if (text.startsWith('#!')) return 'text/x-shellscript';
  throw badInput('not user data that cloud-init knows', {
    where: { path: 'spec.userData' },
    found: text.split('\n', 1)[0] ?? '',
    expected: '#cloud-config or #! in its first line',
  });
}

/** The packages of a distribution: modules, user-space tools and what builds the modules. */
export function driverPackages({ distribution, rule, branch = 580 }: GuestOptions): readonly string[] {
  const limit = rule?.lastBranch ?? Number.POSITIVE_INFINITY;
  if (branch > limit)
    throw badInput('the GPU is not driven by this branch', {
      where: { path: 'branch' },
      found: String(branch),
      expected: `at most ${limit}`,
    });
  const open = (rule?.modules ?? 'open') !== 'proprietary';
  if (distribution === 'debian')
    return [
      'linux-headers-amd64',
      open ? 'nvidia-open-kernel-dkms' : 'nvidia-kernel-dkms',
      'nvidia-driver',
      'nvidia-smi',
    ];
  const name = `${branch}-server`;
  return [`nvidia-headless-${name}${open ? '-open' : ''}`, `nvidia-utils-${name}`];
}

function guestScript(options: GuestOptions): string {
  const { distribution, runFile, runtimes = [] } = options;
  const install = ['apt-get', 'install', '-y', '--no-install-recommends'];
  const lines = ['export DEBIAN_FRONTEND=noninteractive', 'apt-get update'];
  if (runFile !== undefined) {
    lines.push(`${shellCommand([...install, 'build-essential', 'dkms'])} "linux-headers-$(uname -r)"`);
    lines.push(shellCommand(['sh', runFile, '--silent', '--dkms']));
  } else {
    // Debian keeps the driver outside its main section.
    if (distribution === 'debian')
      lines.push(
        "sed -i 's/^Components: main$/Components: main contrib non-free non-free-firmware/' /etc/apt/sources.list.d/debian.sources 2>/dev/null || :",
        'apt-get update',
      );
    lines.push(shellCommand([...install, ...driverPackages(options)]));
  }
  lines.push('rmmod nouveau 2>/dev/null || :', 'update-initramfs -u -k all', 'modprobe nvidia || reboot=yes');
  if (runtimes.length > 0) {
    lines.push(shellCommand([...install, 'nvidia-container-toolkit']));
    for (const runtime of runtimes)
      lines.push(
        shellCommand(['nvidia-ctk', 'runtime', 'configure', `--runtime=${runtime}`]),
        shellCommand(['systemctl', 'restart', runtime]),
      );
    lines.push('nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml');
  }
  return `#!/bin/sh
# Made by vmgpu: the NVIDIA driver of this guest. May be run again.
set -eu
reboot=no
${lines.join('\n')}
if [ "$reboot" = yes ]; then
  echo 'vmgpu: the driver loads after a reboot' >&2
  systemctl reboot
else
  nvidia-smi
fi
`;
}

/** Kubernetes objects for a cluster whose nodes have NVIDIA's driver: runtime class, device plugin, and a first workload. */
export function devicePlugin(image = 'nvcr.io/nvidia/k8s-device-plugin:v0.17.1'): readonly unknown[] {
  const labels = { name: 'nvidia-device-plugin-ds' };
  return [
    { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'nvidia' }, handler: 'nvidia' },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'nvidia-device-plugin-daemonset', namespace: 'kube-system' },
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: 'RollingUpdate' },
        template: {
          metadata: { labels },
          spec: {
            runtimeClassName: 'nvidia',
            priorityClassName: 'system-node-critical',
            tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
            containers: [
              {
                name: 'nvidia-device-plugin-ctr',
                image,
                env: [{ name: 'FAIL_ON_INIT_ERROR', value: 'false' }],
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
                volumeMounts: [{ name: 'device-plugin', mountPath: '/var/lib/kubelet/device-plugins' }],
              },
            ],
            volumes: [{ name: 'device-plugin', hostPath: { path: '/var/lib/kubelet/device-plugins' } }],
          },
        },
      },
    },
  ];
}

/** A pod that runs nvidia-smi once on a number of GPUs. */
export function gpuWorkload(image: string, gpus = 1): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'gpu-check' },
    spec: {
      runtimeClassName: 'nvidia',
      restartPolicy: 'Never',
      containers: [
        { name: 'check', image, command: ['nvidia-smi'], resources: { limits: { 'nvidia.com/gpu': gpus } } },
      ],
    },
  };
}
