import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { User } from '../scenario.ts';

export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Client certificates by user, for kubeconfigs without a token. */
  readonly clients: Readonly<Record<string, { readonly cert: string; readonly key: string }>>;
}

/**
 * A CA of its own, a certificate for 127.0.0.1 and one for each user without a token, made by the `openssl` command in a
 * folder that is removed again.
 */
export function makeCertificates(users: readonly User[]): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'kube-simulator-'));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const sign = (name: string, subject: string, extensions: string) => {
    writeFileSync(file(`${name}.ext`), extensions);
    openssl(
      'req',
      '-new',
      ...newKey.slice(0, 5),
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      subject,
    );
    const chain = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...chain, '-extfile', `${name}.ext`, '-out', `${name}.crt`);
    return {
      cert: readFileSync(file(`${name}.crt`), 'utf8'),
      key: readFileSync(file(`${name}.key`), 'utf8'),
    };
  };
  try {
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-subj',
      '/CN=kube-simulator-ca',
    );
    const server = sign('server', '/CN=kube-apiserver', 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const clients = users
      .filter(({ token }) => token === undefined)
      .map(({ name, groups = [] }, index) => {
        const subject = `/${['CN', ...groups.map(() => 'O')]
          .map(
            (part, at) => `${part}=${(at === 0 ? name : (groups[at - 1] as string)).replaceAll('/', '\\/')}`,
          )
          .join('/')}`;
        return [name, sign(`client${index}`, subject, 'extendedKeyUsage=clientAuth\n')] as const;
      });
    return { ca: readFileSync(file('ca.crt'), 'utf8'), ...server, clients: Object.fromEntries(clients) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
