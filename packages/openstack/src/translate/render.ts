import { type Artifact, deepFreeze, type Plan, type Scope, type Step, shellCommand } from '@vmgpu/core';
import { decodeBase64 } from './base64.ts';
import { needsOldMicroversion } from './extra-specs.ts';
import type { FlavorState } from './flavor.ts';
import { configFiles } from './layout.ts';
import { parseRelease } from './releases.ts';
import { requestsOf } from './requests.ts';
import type { ServerState } from './server.ts';

/** A plan as files: configuration where the deployment wants it, `openstack` commands, and the same as REST calls. */
export function renderOpenStack(plan: Plan): readonly Artifact[] {
  const config = configFiles(plan.steps).map(({ file, content, hosts, apply }): Artifact => {
    const [host] = hosts ?? [];
    const folder = host !== undefined && file.startsWith('/etc/nova/') ? `/${host}` : '';
    return {
      path: `openstack${folder}${file.startsWith('/') ? '' : '/'}${file}`,
      content,
      scope: 'platform',
      apply,
    };
  });
  const scopes: readonly Scope[] = ['platform', 'vm'];
  return deepFreeze([...config, ...scopes.flatMap((scope) => scripts(plan, scope))]);
}

function scripts(plan: Plan, scope: Scope): readonly Artifact[] {
  const steps = plan.steps.filter((step) => step.scope === scope);
  const release = parseRelease(plan.platformVersion);
  const requests = steps.flatMap((step) => requestsOf(step, release));
  if (requests.length === 0) return [];
  const who = scope === 'platform' ? 'an administrator' : 'the project’s member';
  const rest: Artifact = {
    path: `openstack/${scope}.rest.json`,
    content: { format: 'json', document: { requests } },
    scope,
    apply: `send these calls as ${who}; \${kind:NAME} stands for the id of what it names`,
  };
  // The client has no option for every field of a server; then the calls are the only way to say them all.
  if (!steps.every(fitsClient)) return [rest];
  const lines = ['#!/bin/sh', 'set -eu', 'cd "$(dirname "$0")"', ...steps.flatMap(linesOf)];
  return [
    {
      path: `openstack/${scope}.sh`,
      content: { format: 'text', text: `${lines.join('\n')}\n`, comment: '#' },
      scope,
      apply: `run as ${who}, with the openstack client and its credentials in the environment`,
      mode: 0o755,
    },
    ...steps.flatMap(userData),
    rest,
  ];
}

const userDataFile = 'user-data';
const clientFields = 'name flavorRef imageRef networks key_name availability_zone metadata user_data'.split(
  ' ',
);

function fitsClient(step: Step): boolean {
  if (step.kind !== 'openstack.server') return true;
  return Object.keys((step.after as ServerState).server).every((key) => clientFields.includes(key));
}

function userData(step: Step): readonly Artifact[] {
  const encoded = step.kind === 'openstack.server' ? (step.after as ServerState).server.user_data : undefined;
  if (typeof encoded !== 'string') return [];
  const text = decodeBase64(encoded);
  return [
    {
      path: `openstack/${userDataFile}`,
      content: { format: 'text', text },
      scope: 'vm',
      apply: 'read by vm.sh',
      // May hold passwords and keys.
      mode: 0o600,
    },
  ];
}

/** Commands that do nothing when the thing is there already, so that the script may run twice. */
function linesOf(step: Step): readonly string[] {
  const lines = commandsOf(step).map(shellCommand);
  const creates =
    step.kind === 'openstack.flavor' ? 'flavor' : step.kind === 'openstack.server' ? 'server' : undefined;
  if (creates === undefined) return lines;
  const [create = '', ...others] = lines;
  const show = shellCommand(['openstack', creates, 'show', '-c', 'id', step.target.name]);
  return [`${show} >/dev/null 2>&1 ||\n  ${create}`, ...others];
}

/** The same step as commands of python-openstackclient. */
function commandsOf(step: Step): readonly (readonly string[])[] {
  const openstack = (...words: readonly string[]) => ['openstack', ...words];
  const properties = (entries: Readonly<Record<string, string>>) =>
    Object.entries(entries).flatMap(([key, value]) => ['--property', `${key}=${value}`]);
  switch (step.kind) {
    case 'openstack.resource-class':
      return [openstack('--os-placement-api-version', '1.7', 'resource', 'class', 'set', step.target.name)];
    case 'openstack.trait':
      return [openstack('--os-placement-api-version', '1.6', 'trait', 'create', step.target.name)];
    case 'openstack.limit': {
      const { resource_name, default_limit } = step.after as { resource_name: string; default_limit: number };
      const words = [
        'registered',
        'limit',
        'create',
        '--service',
        'compute',
        '--default-limit',
        String(default_limit),
      ];
      return [openstack(...words, resource_name)];
    }
    case 'openstack.image-properties': {
      const { properties: set } = step.after as { properties: Record<string, string> };
      return [openstack('image', 'set', ...properties(set), step.target.name)];
    }
    case 'openstack.flavor':
      return flavorCommands(step.after as FlavorState, openstack, properties);
    case 'openstack.server':
      return [serverCommand(step.after as ServerState, openstack)];
    case 'openstack.resize': {
      const { flavorRef } = step.after as { flavorRef: string };
      return [openstack('server', 'resize', '--flavor', flavorRef, '--wait', step.target.name)];
    }
    default:
      return [];
  }
}

type Words = (...words: readonly string[]) => readonly string[];

function flavorCommands(
  { flavor, extraSpecs }: FlavorState,
  openstack: Words,
  properties: (entries: Readonly<Record<string, string>>) => readonly string[],
): readonly (readonly string[])[] {
  const size = (option: string, value: number | undefined) =>
    value === undefined ? [] : [option, String(value)];
  const shown = flavor['os-flavor-access:is_public'];
  const pick = (old: boolean) =>
    Object.fromEntries(Object.entries(extraSpecs).filter(([key]) => needsOldMicroversion(key) === old));
  const set = (version: string, entries: Readonly<Record<string, string>>) =>
    Object.keys(entries).length === 0
      ? []
      : [
          openstack(
            '--os-compute-api-version',
            version,
            'flavor',
            'set',
            ...properties(entries),
            flavor.name,
          ),
        ];
  const created = openstack(
    ...(flavor.description === undefined ? [] : ['--os-compute-api-version', '2.55']),
    'flavor',
    'create',
    '--id',
    flavor.id,
    ...size('--vcpus', flavor.vcpus),
    ...size('--ram', flavor.ram),
    ...size('--disk', flavor.disk),
    ...size('--swap', flavor.swap),
    ...size('--ephemeral', flavor['OS-FLV-EXT-DATA:ephemeral']),
    ...(shown === undefined ? [] : [shown ? '--public' : '--private']),
    ...(flavor.description === undefined ? [] : ['--description', flavor.description]),
    flavor.name,
  );
  return [created, ...set('2.86', pick(false)), ...set('2.85', pick(true))];
}

function serverCommand({ server, ...hints }: ServerState, openstack: Words): readonly string[] {
  const { name, flavorRef, imageRef, networks, key_name, availability_zone, metadata, user_data } = server;
  const named = (value: unknown) => String(value).replace(/^\$\{[a-z]+:(.*)\}$/, '$1');
  const option = (flag: string, value: unknown) => (value === undefined ? [] : [flag, String(value)]);
  const nics =
    typeof networks === 'string'
      ? ['--nic', networks]
      : Array.isArray(networks)
        ? networks.flatMap((network: { uuid?: string }) => ['--network', named(network.uuid)])
        : [];
  return openstack(
    'server',
    'create',
    '--flavor',
    flavorRef,
    ...(imageRef === undefined ? [] : ['--image', named(imageRef)]),
    ...nics,
    ...(user_data === undefined ? [] : ['--user-data', userDataFile]),
    ...option('--key-name', key_name),
    ...option('--availability-zone', availability_zone),
    ...Object.entries((metadata ?? {}) as Record<string, string>).flatMap(([key, value]) => [
      '--property',
      `${key}=${value}`,
    ]),
    ...Object.entries((hints['os:scheduler_hints'] ?? {}) as Record<string, string>).flatMap(
      ([key, value]) => ['--hint', `${key}=${value}`],
    ),
    '--wait',
    name,
  );
}
