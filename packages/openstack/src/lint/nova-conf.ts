import type { LintContext, Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { aliasRules } from './alias-rules.ts';
import { type ConfigView, configView, releaseOf, runRules } from './config-view.ts';
import { deviceSpecRules } from './device-spec-rules.ts';
import { mdevRules } from './mdev-rules.ts';
import { schedulerRules } from './scheduler-rules.ts';
import { serviceRules } from './service-rules.ts';

const configRules = [deviceSpecRules, aliasRules, mdevRules, schedulerRules, serviceRules];

/** Sections that only Nova and Placement have. */
const section =
  /^\[(pci|filter_scheduler|devices|mdev_[^\]]+|vgpu_[^\]]+|workarounds|placement|api_database|libvirt)\]/im;

/** nova.conf, its drop-ins, kolla-ansible's parts of it, and placement.conf. */
export const novaConfLinter: Linter = {
  name: 'nova.conf',
  recognises: ({ path, text }) =>
    !/(^|\/)(local\.conf|[^/]*cyborg[^/]*)$/.test(path) &&
    (/(^|\/)(nova|placement)[^/]*\.conf$/.test(path) || (/\.(conf|ini)$/.test(path) && section.test(text))),
  lint: (file, context) => lintViews([configView(file)], context),
};

/** Judges texts together with the other files of the system. */
export function lintViews(views: readonly ConfigView[], context?: LintContext): readonly LintFinding[] {
  const own = new Set(views.map(({ file }) => file.path));
  const others = (context?.files ?? []).filter(
    (file) => !own.has(file.path) && novaConfLinter.recognises(file),
  );
  const all = [...views, ...others.map((file: SourceFile) => configView(file))];
  const release = releaseOf(context);
  return views.flatMap((view) => runRules(configRules, { view, all, release }));
}
