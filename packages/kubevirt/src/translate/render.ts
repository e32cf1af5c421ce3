import { type Artifact, type Plan, type Step, shellCommand, shellQuote } from '@vmgpu/core';
import { type Json, type Manifest, nest } from './manifest.ts';
import { mergeKubeVirt } from './merge.ts';

const secretMode = 0o600;
const scriptMode = 0o755;

/** The plan's steps as files that `kubectl`, `helm` and `sh` take. */
export function render(plan: Plan): readonly Artifact[] {
  const steps = (kind: string) => plan.steps.filter((step) => step.kind === kind);
  const objects = steps('kubevirt.object');
  const secrets = objects.filter(({ target }) => target.type === 'Secret');
  const labels = steps('kubevirt.node-labels');
  return [
    ...steps('kubevirt.vgpu-manager-image').map(imageScript),
    ...steps('kubevirt.vgpu-config').map((step) => manifests('vgpu-config-map.yaml', [step])),
    ...steps('kubevirt.gpu-operator').flatMap(operatorFiles),
    ...(labels.length > 0 ? [labelScript(labels)] : []),
    ...steps('kubevirt.config').map(configFile),
    ...(secrets.length > 0 ? [{ ...manifests('secret.yaml', secrets), mode: secretMode }] : []),
    ...group('resource-claim-template.yaml', objects, 'ResourceClaimTemplate'),
    ...group('data-volume.yaml', objects, 'DataVolume'),
    ...steps('kubevirt.virtual-machine').map(vmFile),
    ...steps('kubevirt.waiting-virtual-machine').map(vmFile),
  ];
}

function group(path: string, steps: readonly Step[], type: string): readonly Artifact[] {
  const found = steps.filter(({ target }) => target.type === type);
  return found.length > 0 ? [manifests(path, found)] : [];
}

function manifests(file: string, steps: readonly Step[]): Artifact {
  const path = `kubevirt/${file}`;
  return {
    path,
    content: { format: 'yaml', documents: steps.map(({ after }) => after) },
    scope: steps[0]?.scope ?? 'vm',
    apply: `kubectl apply -f ${path}`,
  };
}

/** An attachment is a patch; anything else a whole object. */
function vmFile(step: Step): Artifact {
  const vm = step.after as Manifest;
  const whole = manifests(
    vm.kind === 'VirtualMachineInstance' ? 'virtual-machine-instance.yaml' : 'virtual-machine.yaml',
    [step],
  );
  const path = 'kubevirt/virtual-machine-patch.yaml';
  return isPatch(step) ? { ...whole, path, apply: patchCommand(step, path) } : whole;
}

/** A whole VM says how it runs; a patch of its devices does not. */
function isPatch({ after }: Step): boolean {
  const spec = (after as Manifest).spec as Json;
  if ((after as Manifest).kind !== 'VirtualMachine') return false;
  return !('runStrategy' in spec) && !('running' in spec);
}

/**
 * The allow-list is a list that a patch replaces as a whole: the file has the whole lists when the plan knows what is
 * there, and says so when it does not.
 */
function configFile(step: Step): Artifact {
  const path = `kubevirt/${step.target.type === 'HyperConverged' ? 'hyperconverged' : 'kubevirt-cr'}.yaml`;
  const known = step.before !== undefined;
  const command = patchCommand(step, path);
  return {
    path,
    content: {
      format: 'yaml',
      documents: [mergeKubeVirt(step.before as Manifest | null | undefined, step.after as Manifest)],
    },
    scope: 'platform',
    apply: known ? command : `join it with the lists that are there, or when there are none: ${command}`,
  };
}

function patchCommand({ target }: Step, path: string): string {
  const namespace = target.in === undefined ? [] : ['-n', target.in];
  return shellCommand([
    'kubectl',
    ...namespace,
    'patch',
    target.type.toLowerCase(),
    target.name,
    '--type=merge',
    '--patch-file',
    path,
  ]);
}

/** The same settings twice: for an operator that helm installs, and for one that is there. */
function operatorFiles(step: Step): readonly Artifact[] {
  const { spec } = step.after as { readonly spec: Json };
  const subChart = step.target.in;
  const values = 'kubevirt/gpu-operator-values.yaml';
  const patch = 'kubevirt/cluster-policy-patch.yaml';
  const yaml = (document: unknown) => ({ format: 'yaml' as const, documents: [document] });
  return [
    {
      path: values,
      content: yaml(subChart === undefined ? spec : nest(spec, subChart)),
      scope: 'platform',
      apply: `helm upgrade --install gpu-operator nvidia/gpu-operator -n gpu-operator --create-namespace -f ${values}`,
    },
    {
      path: patch,
      content: yaml({ spec }),
      scope: 'platform',
      apply: `instead of the values, for an operator that is there: kubectl patch clusterpolicy ${shellQuote(step.target.name)} --type=merge --patch-file ${patch}`,
    },
  ];
}

function script(path: string, lines: readonly string[], apply: string): Artifact {
  const text = ['#!/bin/sh', 'set -eu', ...lines, ''].join('\n');
  return {
    path,
    content: { format: 'text', text, comment: '#' },
    scope: 'platform',
    apply,
    mode: scriptMode,
  };
}

function labelScript(steps: readonly Step[]): Artifact {
  const path = 'kubevirt/label-nodes.sh';
  const lines = steps.map(({ target, after }) =>
    shellCommand([
      'kubectl',
      'label',
      'node',
      target.name,
      '--overwrite',
      ...Object.entries(after as Readonly<Record<string, string>>).map(([key, value]) => `${key}=${value}`),
    ]),
  );
  return script(path, lines, `sh ${path}`);
}

/**
 * Builds the image from the `.run` file that NVIDIA hands out on its licensing portal (gpu-operator documentation, "Building
 * the NVIDIA vGPU Manager image"; the sources moved to github.com/NVIDIA/gpu-driver-container). `OS_TAG` names the
 * system of the nodes, not of the guests.
 */
function imageScript({ target, after }: Step): Artifact {
  const { version, osTag, cudaVersion } = after as Readonly<Record<string, string>>;
  const path = 'kubevirt/build-vgpu-manager.sh';
  const cuda = cudaVersion === undefined ? [] : [`--build-arg CUDA_VERSION=${shellQuote(cudaVersion)}`];
  const run = `NVIDIA-Linux-x86_64-${version}-vgpu-kvm.run`;
  return script(
    path,
    [
      'if [ "$#" -ne 1 ] || [ ! -r "$1" ]; then',
      `  echo "usage: sh $0 FILE  (FILE is" ${shellQuote(run)} "from the NVIDIA Licensing Portal)" >&2`,
      '  exit 2',
      'fi',
      'work=$(mktemp -d)',
      `trap 'rm -rf "$work"' EXIT`,
      'git clone --depth 1 https://github.com/NVIDIA/gpu-driver-container "$work/driver"',
      `build="$work/driver/vgpu-manager/"${shellQuote(osTag ?? '')}`,
      `cp "$1" "$build/"${shellQuote(run)}`,
      `docker build ${[`--build-arg DRIVER_VERSION=${shellQuote(version ?? '')}`, ...cuda].join(' ')} -t ${shellQuote(target.name)} "$build"`,
      `docker push ${shellQuote(target.name)}`,
    ],
    `sh ${path} ${run}`,
  );
}
