/**
 * Removal of secrets from anything that may be printed, logged, stored or thrown. Two nets: values that were declared
 * secret (`Secret`), and texts that look like a credential in one of the wire formats we speak.
 */

const placeholder = '[secret]';

/** Names whose values are secret wherever they appear: headers, form fields, JSON keys, YAML keys. */
const secretKey =
  /^(authorization|cookie|set-cookie|x-auth-token|x-subject-token|x-service-token|csrfpreventiontoken|pveauthcookie|password|passwd|passphrase|secret|client[-_]?secret|token|ticket|access[-_]?token|refresh[-_]?token|id[-_]?token|api[-_]?key|private[-_]?key|adminpass|user[-_]?data(base64)?|cipassword|otp|tfa-challenge|credential|client-key-data)$/i;

const textPatterns: readonly (readonly [RegExp, string])[] = [
  [/(PVEAPIToken[= ][^\s=!]+![^\s=]+=)[^\s"',;]+/g, `$1${placeholder}`],
  [/PVE(?:ADM|AUTH|[A-Z]*):[^\s"';,]+::[A-Za-z0-9+/=%]+/g, placeholder],
  [/\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/gi, `$1${placeholder}`],
  [/(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, `$1${placeholder}$2`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]+:)[^\s@/]+@/gi, `$1${placeholder}@`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, placeholder],
  [/\bgAAAAA[A-Za-z0-9_-]{20,}={0,2}/g, placeholder],
  [
    /(["']?\b(?:password|passwd|passphrase|secret|x-auth-token|x-subject-token|adminPass|access_token|refresh_token|api[-_]?key|csrfpreventiontoken|cipassword)\b["']?\s*[:=]\s*["']?)(?!\[secret\])[^\s"'&,;}]+/gi,
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
          secretKey.test(key) && item !== null && item !== undefined && typeof item !== 'object'
            ? placeholder
            : redactValue(item, ancestors),
        ]),
      );
  ancestors.delete(value);
  return copy;
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
