/** Configuration files of OpenStack's hosts, written over SSH. */
import type { HostWork } from '@vmgpu/openstack';
import type { OpenStackConnection } from './connections.ts';
import type { Io } from './io.ts';
import { openHosts } from './ssh-hosts.ts';

export type HostFilesSettings = NonNullable<OpenStackConnection['hostFiles']>;

/** Reaches no host, and reads no key, before there is a step to be done. */
export function hostWorkOf(
  settings: HostFilesSettings,
  io: Io,
): { readonly work: HostWork; close(): Promise<void> } {
  let opened: ReturnType<typeof open> | undefined;
  const work = () => {
    opened ??= open(settings, io);
    return opened;
  };
  return {
    work: {
      doStep: async (step, context) => (await work()).doStep(step, context),
      undoStep: async (step, outcome, context) => (await work()).undoStep?.(step, outcome, context),
    },
    close: async () => (await opened?.catch(() => undefined))?.close(),
  };
}

async function open(settings: HostFilesSettings, io: Io): Promise<HostWork & { close(): Promise<void> }> {
  const [{ filesOnHosts }, { managedFilesOn }, { parseSshTarget }] = await Promise.all([
    import('@vmgpu/openstack'),
    import('@vmgpu/host-prep/exec'),
    import('@vmgpu/host-prep/ssh'),
  ]);
  const { compute = [], control = [], deploy, hosts, identity, knownHosts, ...more } = settings;
  const { settleSeconds, stateDirectory, ...rest } = more;
  const names = [...new Set([...compute, ...control, ...(deploy === undefined ? [] : [deploy])])];
  const words: Readonly<Record<string, string | undefined>> = { hosts, identity, 'known-hosts': knownHosts };
  const ports = await openHosts(
    { value: (name) => words[name], values: (name) => (name === 'ssh' ? names : []) },
    io,
  );
  const options = {
    ...(settleSeconds === undefined ? {} : { settleSeconds }),
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
  };
  const found = new Map(
    names.flatMap((name, index) => {
      const port = ports[index];
      // Nova's name of a host has no user and no port.
      const known = port && { ...managedFilesOn(port, options), name: parseSshTarget(name).host };
      return known === undefined ? [] : [[name, known] as const];
    }),
  );
  const chosen = (wanted: readonly string[]) => wanted.flatMap((name) => found.get(name) ?? []);
  const [deployHost] = deploy === undefined ? [] : chosen([deploy]);
  return {
    ...filesOnHosts({
      ...rest,
      compute: chosen(compute),
      control: chosen(control),
      ...(deployHost === undefined ? {} : { deploy: deployHost }),
    }),
    close: async () => void (await Promise.all(ports.map((port) => port.close()))),
  };
}
