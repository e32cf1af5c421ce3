import { type Evidence, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { fault, hostCheck, pass, passthrough, seen, skip, some, unclear } from './check.ts';
import { isVfioDriver } from './drivers-in-use.ts';
import { misspelt, moduleName, vfioPciParameters } from './module-names.ts';
import { vfioIds } from './vfio-ids.ts';

const contents = hostCheck('H24', 'VFIO in the initramfs', 'warning', passthrough, (facts, { devices }) => {
  const { initramfs } = facts.boot;
  const early = earlyFiles(facts);
  if (early.length === 0) return skip('Nothing asks vfio-pci to be early.');
  if (facts.kernelModules.vfioPci === 'builtin') return skip('vfio-pci is part of the kernel.');
  if (isUnknown(initramfs)) return unclear('the initramfs', initramfs);
  if (initramfs === null) return skip('The host boots without an initramfs.');
  if (isUnknown(initramfs.contents)) return unclear(`the contents of ${initramfs.file}`, initramfs.contents);
  const inside = initramfs.contents;
  const missing = [
    ...(inside.some((path) => /vfio[-_]pci(?:[-_]core)?\.ko/.test(path)) ? [] : ['vfio-pci']),
    ...early.filter((file) => file.startsWith('/') && !inside.some((path) => `/${path}`.endsWith(file))),
  ];
  if (missing.length === 0) {
    const ours = inside.filter((path) => path.includes('vfio'));
    return pass('The initramfs has vfio-pci and its configuration.', seen(initramfs.file, some(ours, 3)));
  }
  const evidence = seen(initramfs.file, `without ${some(missing)}`);
  const functions = devices.flatMap((gpu) => [gpu, ...gpu.companions]);
  if (functions.every(({ driver }) => typeof driver === 'string' && isVfioDriver(driver)))
    return pass(
      `The initramfs lacks ${some(missing)}, but the GPUs came to vfio-pci all the same.`,
      evidence,
    );
  return fault(
    `The initramfs lacks ${some(missing)}, so the host's drivers load first.`,
    [evidence],
    'Rebuild the initramfs of all kernels (Debian: update-initramfs -u -k all).',
    true,
  );
});

/** Files that want vfio-pci to come before other drivers. */
function earlyFiles(facts: HostFacts): string[] {
  const { modprobe } = facts.kernelModules;
  const ids = vfioIds(facts);
  const files = isUnknown(ids) ? [] : ids.sources.map(({ source }) => source.replace(/:\d+$/, ''));
  const softdeps = isUnknown(modprobe)
    ? []
    : modprobe.softdep
        .filter(({ pre }) => pre.some((name) => moduleName(name) === 'vfio_pci'))
        .map(({ file }) => file);
  return [...new Set([...files, ...softdeps])].filter((file) => file !== '/proc/cmdline');
}

const spelling = hostCheck('H25', 'Names spelt right', 'warning', passthrough, ({ kernelModules }) => {
  const { modprobe, loadAtBoot, vfioPciParameters: asked } = kernelModules;
  if (isUnknown(modprobe)) return unclear('modprobe.d', modprobe);
  const parameters = isUnknown(asked) || asked.length === 0 ? vfioPciParameters : asked;
  const doubtful: { readonly word: string; readonly evidence: Evidence }[] = [];
  for (const { module, parameters: text, file, line } of modprobe.options) {
    if (moduleName(module) !== 'vfio_pci') continue;
    for (const word of text.split(/\s+/)) {
      const key = word.split('=')[0] ?? '';
      // A bare id is the rest of a list with a blank in it, which H18 reports.
      if (/^[a-z_]+$/.test(key) && !parameters.includes(key))
        doubtful.push({ word: key, evidence: seen(`${file}:${line}`, `options ${module} ${text}`) });
    }
  }
  const names = [
    ...modprobe.options.map((item) => ({ ...item, keyword: 'options' })),
    ...modprobe.softdep.map((item) => ({ ...item, keyword: 'softdep' })),
    ...modprobe.blacklist.map((item) => ({ ...item, keyword: 'blacklist' })),
  ];
  for (const { module, file, line, keyword } of names) {
    const meant = misspelt(module);
    if (meant !== undefined)
      doubtful.push({
        word: `${module} (${meant}?)`,
        evidence: seen(`${file}:${line}`, `${keyword} ${module}`),
      });
  }
  for (const { file, line, text } of isUnknown(loadAtBoot) ? [] : loadAtBoot) {
    if (/^[\w-]+\s+\S/.test(text.trim()) && /vfio/.test(text))
      doubtful.push({ word: text.trim(), evidence: seen(`${file}:${line}`, text) });
  }
  return doubtful.length === 0
    ? pass('Module names and vfio-pci options are spelt as the kernel knows them.')
    : fault(
        `These are not what the kernel knows, so they do nothing: ${some(doubtful.map(({ word }) => word))}.`,
        doubtful.map(({ evidence }) => evidence),
        'Correct the names; lists of modules take one name a line and no parameters.',
      );
});

/** Whether early binding is really early, and spelt right. */
export const initramfsChecks = [contents, spelling];
