import { badInput, isUnknown } from '@vmgpu/core';
import { addArgument, type Draft, wantFile } from './draft.ts';
import { memlockFile, textOf } from './own-files.ts';

/** Sets huge pages aside at boot: later there may be no contiguous memory left. */
export function settleHugepages(draft: Draft): void {
  const { hugepages } = draft.goal;
  if (hugepages === undefined) return;
  const { size, count } = hugepages;
  const unit = Object.entries({ G: 2 ** 30, M: 2 ** 20, K: 2 ** 10 }).find(([, bytes]) => size % bytes === 0);
  if (unit === undefined || size <= 0 || !Number.isInteger(count) || count <= 0)
    throw badInput('not a pool of huge pages', {
      where: { path: 'hugepages' },
      found: `${count} of ${size} bytes`,
      expected: 'a size in bytes such as 1073741824, and how many',
    });
  addArgument(draft, `hugepagesz=${size / unit[1]}${unit[0]}`, 'H37');
  addArgument(draft, `hugepages=${count}`, 'H37');
}

/** Lets services lock any amount of memory. */
export function settleMemlock(draft: Draft): void {
  const services = (draft.goal.memlock ?? []).map((name) => name.replace(/\.service$/, ''));
  for (const name of services) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9:_.@-]{0,199}$/.test(name))
      throw badInput('not the name of a systemd service', {
        where: { path: 'memlock' },
        found: name,
        expected: 'a name such as libvirtd',
      });
    wantFile(draft, memlockFile(name), '[Service]\nLimitMEMLOCK=infinity\n', {
      purpose: 'virtual machines with GPUs lock all their memory',
      turnsGreen: ['H38'],
    });
  }
  const changed = services.filter(
    (name) => draft.files.get(memlockFile(name))?.text !== textOf(draft.facts, memlockFile(name)),
  );
  const units = isUnknown(draft.facts.services) ? {} : draft.facts.services;
  for (const name of changed)
    if (units[name]?.activeState !== 'inactive')
      draft.later.push({
        id: `service/${name}`,
        kind: 'service',
        unit: `${name}.service`,
        action: 'restart',
        summary: `Restart ${name} so that it gets its new limit`,
        risk: 'service-restart',
        reversible: true,
        turnsGreen: ['H38'],
      });
}
