import type { LintContext, Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { lintCommands } from './commands.ts';
import { type ConfigView, configView } from './config-view.ts';
import { lintViews } from './nova-conf.ts';

/** A fenced block of a Markdown text. */
interface Fence {
  readonly text: string;
  readonly base: number;
}

const config = /^[ \t]*\[(pci|filter_scheduler|devices|DEFAULT|mdev_[^\]]+|placement|workarounds)\]/im;

/** Guides in Markdown: their fenced blocks, as far as they are configuration or commands of OpenStack. */
export const guideLinter: Linter = {
  name: 'OpenStack guide (Markdown)',
  recognises: ({ path, text }) =>
    /\.(md|markdown|rst)$/i.test(path) &&
    /openstack |nova\.conf|passthrough_whitelist|device_spec|enabled_mdev_types/.test(text),
  lint(file: SourceFile, context?: LintContext): readonly LintFinding[] {
    const fences = fencesOf(file.text);
    const views = fences.filter(({ text }) => config.test(text)).flatMap((fence) => viewsOf(file, fence));
    const found = [
      ...lintViews(views, context),
      ...fences.flatMap((fence) => lintCommands(file, fence, views)),
    ];
    return found.sort(byPlace);
  },
};

function byPlace(a: LintFinding, b: LintFinding): number {
  return (a.where.line ?? 0) - (b.where.line ?? 0) || (a.where.column ?? 0) - (b.where.column ?? 0);
}

/** Blocks between lines of three backticks or tildes; one that is not closed ends with the text. */
function fencesOf(text: string): readonly Fence[] {
  const fences: Fence[] = [];
  let open: { readonly mark: string; readonly base: number } | undefined;
  let offset = 0;
  for (const line of text.split('\n')) {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1]?.slice(0, 3);
    if (open === undefined && mark !== undefined) open = { mark, base: offset + line.length + 1 };
    else if (open !== undefined && mark === open.mark) {
      fences.push({ text: text.slice(open.base, offset), base: open.base });
      open = undefined;
    }
    offset += line.length + 1;
  }
  if (open !== undefined) fences.push({ text: text.slice(open.base), base: open.base });
  return fences;
}

/** The path that an editor or `cat >` in the block names, else the text is nobody's own file. */
function viewsOf(file: SourceFile, { text, base }: Fence): readonly ConfigView[] {
  const path =
    /(?:vim?|nano|cat\s*>>?|tee|edit|#)\s+(?:-a\s+)?(\/?[\w./@-]+\.conf)\b/.exec(text)?.[1] ?? 'guide';
  return [configView(file, { text, base, path, guide: true })];
}
