import { Secret } from '@vmgpu/core';
import { parseJson } from './errors.ts';
import type { HttpPort, HttpRequest } from './port.ts';

/** The value that goes onto the wire. */
export function reveal(value: unknown): string {
  return value instanceof Secret ? value.reveal() : String(value);
}

/** A server may echo what it was sent: takes the request's secrets out of every answer that is an error. */
export function withScrubbedErrors(port: HttpPort): HttpPort {
  return {
    async request(request) {
      const response = await port.request(request);
      if (response.status < 400) return response;
      const secrets = secretsOf(request);
      const { text, statusText } = response;
      const clean = {
        ...response,
        text: scrub(text, secrets),
        ...(statusText === undefined ? {} : { statusText: scrub(statusText, secrets) }),
      };
      return { ...clean, json: <T>() => parseJson(request, clean) as T };
    },
  };
}

function secretsOf({ headers, json, form, body }: HttpRequest): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (value instanceof Secret) {
      const text = value.reveal();
      // `Bearer TOKEN` and `PVEAPIToken=USER!ID=UUID`: the last word alone is a secret, too.
      found.push(text, text.split(/[\s=]/).at(-1) ?? '');
    } else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
      for (const item of Object.values(value)) visit(item);
    }
  };
  visit([headers, json, form, body]);
  return found;
}

/** Values of a few characters would blank words that are no secrets. */
function scrub(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= 6)
    .reduce((current, secret) => current.replaceAll(secret, '[secret]'), text);
}
