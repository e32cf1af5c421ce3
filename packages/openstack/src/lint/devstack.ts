import type { Linter, LintFinding, SourceFile, TextEdit } from '@vmgpu/core';
import type { OsloOption } from '../translate/oslo-config.ts';
import type { NovaService } from '../translate/snapshot.ts';
import { type ConfigView, configView, whereIs } from './config-view.ts';
import { lintViews } from './nova-conf.ts';

const header = /^\[\[\s*([^|\]]+)\|([^\]]+)\]\][^\n]*$/gm;
const services: Readonly<Record<string, NovaService>> = {
  NOVA_CPU_CONF: 'nova-compute',
  PLACEMENT_CONF: 'placement-api',
};

/** DevStack's local.conf: its meta sections are configuration, in which JSON quotes are written `\\\"`. */
export const devstackLinter: Linter = {
  name: 'DevStack local.conf',
  recognises: ({ path, text }) => /(^|\/)local\.conf$/.test(path) || /^\[\[(local|post-config)\|/m.test(text),
  lint(file, context) {
    const views = sectionsOf(file);
    return [...views.flatMap((view) => quotes(file, view)), ...lintViews(views.map(unescaped), context)];
  },
};

function sectionsOf(file: SourceFile): readonly ConfigView[] {
  const heads = [...file.text.matchAll(header)];
  return heads.flatMap((head, index) => {
    const [whole, phase = '', target = ''] = head;
    if (!phase.startsWith('post-') || !/NOVA|PLACEMENT/.test(target)) return [];
    const base = (head.index ?? 0) + whole.length + 1;
    const text = file.text.slice(base, heads[index + 1]?.index ?? file.text.length);
    const service = Object.entries(services).find(([name]) => target.includes(name))?.[1];
    const view = configView(file, { text, base, path: target });
    return [{ ...view, ...(service === undefined ? {} : { service }), deployment: 'devstack' as const }];
  });
}

const jsonOptions = ['device_spec', 'alias', 'passthrough_whitelist'];
const escaped = '\\\\\\"';

/** Quotes that reach nova.conf in another form than they stand here. */
function quotes(file: SourceFile, view: ConfigView): readonly LintFinding[] {
  return view.options
    .filter(
      ({ key, raw }) => jsonOptions.includes(key) && /(^|[^\\])(\\\\)*\\?"/.test(raw.replaceAll(escaped, '')),
    )
    .map((option) => ({
      rule: 'devstack.quotes',
      severity: 'error',
      where: whereIs(file, view.base + option.at.value),
      message: 'a quote in local.conf needs three backslashes before it',
      why: 'DevStack’s merger takes quotes away, so that nova.conf gets a value that is not JSON',
      remedy: `Write ${escaped} for each quote.`,
      fix: quoteEdits(option, view.base),
    }));
}

function quoteEdits(option: OsloOption, base: number): readonly TextEdit[] {
  const start = option.at.value;
  const text = option.raw.slice(start - option.start, option.at.end - option.start);
  return [{ start: base + start, end: base + option.at.end, text: text.replace(/\\*"/g, escaped) }];
}

/** Values as they reach nova.conf; places stay those of the file. */
function unescaped(view: ConfigView): ConfigView {
  return {
    ...view,
    options: view.options.map((option) => ({ ...option, value: option.value.replace(/\\*"/g, '"') })),
  };
}
