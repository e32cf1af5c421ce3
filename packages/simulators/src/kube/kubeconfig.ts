import type { User } from './scenario.ts';
import type { Dict } from './types.ts';
import type { Certificates } from './wire/tls.ts';

/** A kubeconfig with the user's token or client certificate, and the server's CA. */
export function kubeconfig(server: string, user: User, certificates: Certificates | undefined): Dict {
  const encoded = (pem: string) => Buffer.from(pem).toString('base64');
  const client = certificates?.clients[user.name];
  const credentials = {
    ...(user.token !== undefined && { token: user.token }),
    ...(client && {
      'client-certificate-data': encoded(client.cert),
      'client-key-data': encoded(client.key),
    }),
  };
  const name = 'simulator';
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: { server, ...(certificates && { 'certificate-authority-data': encoded(certificates.ca) }) },
      },
    ],
    users: [{ name: user.name, user: credentials }],
    contexts: [{ name, context: { cluster: name, user: user.name } }],
    'current-context': name,
  };
}
