/**
 * Removal of secrets from anything that may be printed, logged, stored or thrown. Two nets: values that were declared
 * secret (`Secret`), and texts that look like a credential in one of the wire formats we speak.
 */

const placeholder = '[secret]';

/** Names whose values are secret wherever they appear: headers, form fields, JSON keys, YAML keys, variables. */
const secretKey =
  /^(?:(?:proxy-)?authorization|(?:set-)?cookie|pveauthcookie|ticket|otp|tfa-challenge|credential|client-key-data|user[-_]?data(?:base64)?)$|(?:password|passwd|passphrase|adminpass|secret|token|(?:api|access|private)[-_]?key)$/i;

// No quantifier may start anew inside what it has scanned already (bounds, look-behinds): redaction runs over texts of any size and must stay linear.
const textPatterns: readonly (readonly [RegExp, string])[] = [
  [/(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, `$1${placeholder}$2`],
  [/(@[\w.-]{1,60}![\w.-]{1,60}=)[^\s"',;]+/g, `$1${placeholder}`],
  [/PVE[A-Z]{0,12}:[^\s"';,]{1,200}::[A-Za-z0-9+/=%]+/g, placeholder],
  [/\b(PVEAuthCookie=)[^\s"';,]+/gi, `$1${placeholder}`],
  [/\b((?:set-)?cookie\s*:\s*)[^\r\n"']+/gi, `$1${placeholder}`],
  [/\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/gi, `$1${placeholder}`],
  [/(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]{0,100}:)[^\s@/]+@/gi, `$1${placeholder}@`],
  [/(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, placeholder],
  [/\bgAAAAA[A-Za-z0-9_-]{20,}={0,2}/g, placeholder],
  // key=value, key: value, "key": "two words", and the same with \" inside another text.
  [
    /((?:[\w-]{0,40}(?:password|passwd|passphrase|adminpass|secret|[-_]token|preventiontoken|api[-_]?key|access[-_]?key|private[-_]?key|client-key-data)|(?<=["'?&])token)(?:\\*["'])?\s*[:=]\s*)(?!\[secret\])(?:\\+"[\s\S]*?\\"|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|["']?[^\s"'&,;}]+)/gi,
    `$1${placeholder}`,
  ],
];

/** A copy of the value without secrets. Strings are cleaned, objects and arrays walked, secret keys blanked. */
export function redact<T>(value: T): T {
  return redactValue(value, new Set()) as T;
}

function redactValue(value: unknown, ancestors: Set<object>): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Secret) return placeholder;
  if (ancestors.has(value)) return '[circular]';
  ancestors.add(value);
  const copy = Array.isArray(value)
    ? value.map((item) => redactValue(item, ancestors))
    : Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          secretKey.test(key) ? redactSecret(item, ancestors) : redactValue(item, ancestors),
        ]),
      );
  ancestors.delete(value);
  return copy;
}

/** The value of a secret name: blank, also as a list; an object is looked into (Keystone's `token`, `password.user`). */
function redactSecret(value: unknown, ancestors: Set<object>): unknown {
  if (Array.isArray(value)) return value.map((item) => redactSecret(item, ancestors));
  return typeof value === 'string' || typeof value === 'number' ? placeholder : redactValue(value, ancestors);
}

function redactText(text: string): string {
  return textPatterns.reduce(
    (current, [pattern, replacement]) => current.replace(pattern, replacement),
    text,
  );
}

/** A credential in memory. It prints as `[secret]` everywhere; `reveal()` is the only way to the value. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return placeholder;
  }
  toJSON(): string {
    return placeholder;
  }
  /** Node's `util.inspect` and `console.log`. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return placeholder;
  }
}
