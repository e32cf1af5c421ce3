import type { Step } from '@vmgpu/core';
import type { Ask } from './ask.ts';
import { note, type PlanContext } from './context.ts';
import type { Asked } from './extra-spec-keys.ts';

/** Traits of vGPU providers, in the file that nova-compute reads them from (22.0.0 and later). */
export function providerSteps({ settings, snapshot }: PlanContext): readonly Step[] {
  const traits = settings.filter(({ section }) => section === 'provider.yaml');
  const hosts = [...new Set(traits.flatMap(({ host }) => host ?? []))].sort();
  return hosts.map((host) => {
    const ofHost = traits.filter((setting) => setting.host === host);
    return {
      id: `provider-config/${host}`,
      kind: 'openstack.provider-config',
      target: { type: 'provider.yaml', name: 'vmgpu.yaml', in: host },
      after: {
        deployment: snapshot.deployment,
        host,
        document: {
          meta: { schema_version: '1.0' },
          providers: [...new Set(ofHost.map(({ key }) => key))].map((name) => ({
            identification: { name },
            traits: { additional: ofHost.filter(({ key }) => key === name).map(({ value }) => value) },
          })),
        },
      },
      scope: 'platform',
      risk: 'service-restart',
      reversible: true,
      summary: `give the vGPU providers of ${host} their traits, then restart nova-compute`,
    };
  });
}

/** Custom classes and traits, so that Placement knows them before the first host reports one. */
export function nameSteps(
  { snapshot }: PlanContext,
  asked: readonly Asked[],
  specs: Readonly<Record<string, string>>,
): readonly Step[] {
  const asks: readonly Ask[] = asked.flatMap((one) => one.asks);
  const classes = asks.flatMap((ask) =>
    ask.kind === 'class' && ask.name.startsWith('CUSTOM_') ? [ask.name] : [],
  );
  const traits = Object.keys(specs).flatMap((key) => /^trait[^:]*:(CUSTOM_.*)$/.exec(key)?.[1] ?? []);
  const step = (
    type: 'resource-class' | 'trait',
    name: string,
    known: readonly string[] | undefined,
  ): Step => ({
    id: `${type}/${name}`,
    kind: `openstack.${type}`,
    target: { type, name },
    ...(known === undefined ? {} : { before: known.includes(name) ? { name } : null }),
    after: { name },
    scope: 'platform',
    risk: 'none',
    reversible: true,
    summary: `make the ${type === 'trait' ? 'trait' : 'resource class'} ${name} known to Placement`,
  });
  return [
    ...[...new Set(classes)].sort().map((name) => step('resource-class', name, snapshot.resourceClasses)),
    ...[...new Set(traits)].sort().map((name) => step('trait', name, snapshot.traits)),
  ];
}

export function limitSteps(context: PlanContext): readonly Step[] {
  const limits = Object.entries(context.options.limits ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (limits.length > 0) {
    note(
      context,
      'approximated',
      'unified-limits',
      'spec.providerOptions.openstack.limits',
      'Nova obeys registered limits only with [quota] driver = nova.quota.UnifiedLimitsDriver, and then every resource without one counts as 0 (before 31.0.0)',
    );
  }
  return limits.map(([name, limit]) => ({
    id: `limit/${name}`,
    kind: 'openstack.limit',
    target: { type: 'registered-limit', name },
    after: { resource_name: name, default_limit: limit },
    scope: 'platform',
    risk: 'none',
    reversible: true,
    summary: `register ${limit} as default limit of ${name}`,
  }));
}
