import { badInput, VmgpuError } from '@vmgpu/core';
import { algorithmsFor, fingerprintOf, type KnownHost } from './known-hosts.ts';

/** Against what a host's key is checked; there is no third way. */
export type HostTrust =
  | { readonly fingerprint: string }
  | { readonly known: KnownHost; readonly file: string };

export interface HostKeyCheck {
  /** Algorithms to ask the host for; undefined leaves it to the library. */
  readonly algorithms: readonly string[] | undefined;
  /** Sees the host's key in its wire format. */
  verify(key: Uint8Array): boolean;
  /** Why it was refused. */
  readonly error: VmgpuError | undefined;
}

/** The check of one connection. `name` is the host in words, as it stands in errors. */
export function createHostKeyCheck(name: string, trust: HostTrust): HostKeyCheck {
  let error: VmgpuError | undefined;
  const refuse = (message: string, found: string, expected: string, hint: string) => {
    error = new VmgpuError('auth-failed', message, {
      found,
      expected,
      hint,
      details: { found, expected, retryable: false },
    });
    return false;
  };
  const wanted = 'fingerprint' in trust ? pinned(trust.fingerprint) : undefined;
  const types = 'known' in trust ? trust.known.keys.map(({ type }) => type) : [];
  return {
    // A host has keys of several types; it must show one of those that are known.
    algorithms: types.length === 0 ? undefined : [...new Set(types.flatMap(algorithmsFor))],
    get error() {
      return error;
    },
    verify(key) {
      const found = fingerprintOf(key);
      if (!('known' in trust)) {
        if (found === wanted) return true;
        const hint =
          'if the host was installed anew, compare the fingerprint at its console, then change it here';
        return refuse(`the host key of ${name} is not the pinned one`, found, wanted ?? '', hint);
      }
      const { known, file } = trust;
      const is = ({ key: other }: { readonly key: string }) => fingerprintOf(other) === found;
      if (known.revoked.some(is))
        return refuse(
          `the host key of ${name} is revoked`,
          found,
          `a key that ${file} does not revoke`,
          file,
        );
      if (known.keys.some(is)) return true;
      if (known.keys.length > 0) {
        const expected = known.keys.map(({ key: other }) => fingerprintOf(other)).join(' or ');
        const hint = `somebody may be listening in. If the host was installed anew: ssh-keygen -R, then log in once with ssh (${file})`;
        return refuse(`the host key of ${name} has changed`, found, expected, hint);
      }
      const hint = known.authority
        ? `${file} trusts a certificate authority for it, which vmgpu does not support: give the fingerprint`
        : `compare the fingerprint at the host's console, then log in once with ssh, or give it as fingerprint (--fingerprint)`;
      return refuse(`the host ${name} is not known`, found, `a line for it in ${file}`, hint);
    },
  };
}

function pinned(text: string): string {
  const value = text.trim().replace(/=+$/, '');
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(value)) return value;
  throw badInput('not the fingerprint of a host key', {
    found: text,
    expected: 'SHA256:… as ssh-keygen -l prints it',
  });
}
