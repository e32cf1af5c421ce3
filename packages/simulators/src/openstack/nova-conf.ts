import type { CloudState } from './state.ts';

/** Values by section and option; of multi-string options all, of others the last counts. */
export type Conf = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** nova.conf of a service, on a host when it is only for that. Source: oslo.config 9, the rules of its parser. */
export function confOf({ config }: CloudState, service: string, host?: string): Conf {
  const texts = config.filter(
    (one) => one.service === service && (one.host === undefined || one.host === host),
  );
  const conf: Record<string, Record<string, string[]>> = {};
  for (const { text } of texts) {
    let section: Record<string, string[]> = {};
    let values: string[] | undefined;
    for (const line of text.split('\n')) {
      if (/^\s*([#;].*)?$/.test(line)) {
        values = undefined;
        continue;
      }
      if (/^\s/.test(line) && values) {
        values.push(`${values.pop() ?? ''}\n${line.trim()}`);
        continue;
      }
      const head = /^\[(.+)\]\s*$/.exec(line);
      if (head) {
        const name = (head[1] ?? '').toLowerCase();
        section = conf[name] ?? {};
        conf[name] = section;
        values = undefined;
        continue;
      }
      const at = line.search(/[=:]/);
      if (at < 0) continue;
      const key = line.slice(0, at).trim();
      values = section[key] ?? [];
      section[key] = values;
      values.push(unquote(line.slice(at + 1).trim()));
    }
  }
  return conf;
}

function unquote(text: string): string {
  const match = /^(["'])(.*)\1$/s.exec(text);
  return (match ? (match[2] ?? '') : text).replaceAll('$$', '$');
}

export function manyOf(conf: Conf, section: string, ...keys: readonly string[]): readonly string[] {
  return keys.flatMap((key) => conf[section]?.[key] ?? []);
}

export function oneOf(conf: Conf, section: string, ...keys: readonly string[]): string | undefined {
  return manyOf(conf, section, ...keys).at(-1);
}

export function listOf(conf: Conf, section: string, ...keys: readonly string[]): readonly string[] {
  const text = oneOf(conf, section, ...keys);
  return text === undefined
    ? []
    : text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean);
}

export function truthOf(conf: Conf, section: string, key: string): boolean {
  return /^(1|t|true|on|y|yes)$/i.test(oneOf(conf, section, key) ?? '');
}
