import { isUnknown } from '@vmgpu/core';
import { container, deviceCheck, fault, hostCheck, pass, seen, skip, some, unclear, warn } from './check.ts';
import { isKubernetes } from './drivers-in-use.ts';
import { hasNvidia } from './nvidia.ts';

const toolkit = hostCheck('H44', 'NVIDIA container toolkit', 'blocker', container, (facts, subject) => {
  if (!hasNvidia(subject)) return skip('The toolkit is for NVIDIA GPUs.');
  const { toolkitVersion, cdiFiles, configuredRuntimes } = facts.containers;
  if (isUnknown(toolkitVersion)) return unclear('nvidia-ctk --version', toolkitVersion);
  if (toolkitVersion === null) {
    const evidence = [seen('nvidia-ctk --version', 'not found')];
    const remedy = 'Install nvidia-container-toolkit and run nvidia-ctk runtime configure.';
    return isKubernetes(subject)
      ? warn('The host has no container toolkit; the GPU Operator brings its own.', evidence, remedy)
      : fault('The container toolkit is not installed, so containers do not get the GPU.', evidence, remedy);
  }
  const configured = [
    ...(isUnknown(configuredRuntimes) ? [] : configuredRuntimes),
    ...(isUnknown(cdiFiles) ? [] : cdiFiles),
  ];
  if (configured.length > 0)
    return pass(
      'The toolkit is installed and a runtime knows it.',
      seen('nvidia-ctk --version', toolkitVersion),
      seen('container runtimes', some(configured)),
    );
  if (isUnknown(configuredRuntimes))
    return unclear('the configuration of the container runtimes', configuredRuntimes);
  return fault(
    'The toolkit is installed, but no runtime was told: installing it alone does not configure containerd or docker.',
    [seen('container runtimes', 'none names nvidia'), seen('/etc/cdi', 'no specification')],
    'Run nvidia-ctk runtime configure for the runtime in use and restart it; or nvidia-ctk cdi generate.',
  );
});

/** Device nodes that programs open, by vendor. */
const nodes = {
  nvidia: [/^(\/dev\/)?nvidia\d+$/, /^(\/dev\/)?nvidiactl$/],
  amd: [/^(\/dev\/)?kfd$/, /^(\/dev\/)?dri\/renderD\d+$/],
  intel: [/^(\/dev\/)?dri\/renderD\d+$/],
  other: [],
} as const;

const deviceNodes = deviceCheck('H45', 'Device nodes', 'blocker', container, (facts, _subject, gpu) => {
  const wanted = nodes[gpu.vendor];
  if (wanted.length === 0) return skip('No device nodes are known for this vendor.');
  const present = facts.deviceNodes;
  if (isUnknown(present)) return unclear('/dev', present);
  const missing = wanted.filter((form) => !present.some((node) => form.test(node)));
  const evidence = seen('/dev', some(present) || 'none of them');
  return missing.length === 0
    ? pass('The device nodes are there.', evidence)
    : fault(
        'The driver has made no device nodes, so no program can open the GPU.',
        [evidence],
        gpu.vendor === 'nvidia'
          ? 'Load the driver and run nvidia-modprobe -u -c=0.'
          : 'Load the driver; udev makes the nodes.',
      );
});

/** What containers need besides the driver. */
export const containerToolkitChecks = [toolkit, deviceNodes];
