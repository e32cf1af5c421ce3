import type { Secret } from '@vmgpu/core';
import { badInput } from '@vmgpu/core';

/** How the server proves who it is. By default against the certificate authorities of Node. */
export interface TlsSettings {
  /** PEM text of the authorities that are trusted, instead of Node's own. */
  readonly ca?: string;
  /**
   * SHA-256 fingerprint of the server's certificate, 32 bytes as colon-separated hex. It replaces the verification by
   * authorities and by name: exactly this certificate is accepted.
   */
  readonly fingerprint?: string;
  /** Name to verify the certificate against, when the URL has another one. */
  readonly serverName?: string;
  /** PEM text of a client certificate and its key. */
  readonly clientCertificate?: { readonly certificate: string; readonly key: Secret };
  /** Accept any certificate. Whoever stands between reads and changes everything. */
  readonly insecureSkipTlsVerify?: boolean;
}

/** `AA:BB:…`, 32 bytes, as Node prints it. Throws `bad-input`. */
export function parseFingerprint(text: string): string {
  const hex = text.trim().toUpperCase();
  if (!/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/.test(hex)) {
    throw badInput('not a SHA-256 fingerprint', {
      where: { path: 'tls.fingerprint' },
      found: text,
      expected: '32 bytes as colon-separated hex',
      hint: 'openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE prints it',
    });
  }
  return hex;
}

/** Refuses settings that contradict each other, before anything is sent. */
export function checkTls(tls: TlsSettings, proxy: 'none' | 'env'): void {
  if (tls.fingerprint !== undefined) parseFingerprint(tls.fingerprint);
  if (tls.insecureSkipTlsVerify && (tls.fingerprint !== undefined || tls.ca !== undefined)) {
    throw badInput('tls settings contradict each other', {
      where: { path: 'tls' },
      expected: 'insecureSkipTlsVerify, or a ca or fingerprint, not both',
    });
  }
  if (tls.fingerprint !== undefined && proxy === 'env') {
    throw badInput('a fingerprint cannot be checked through a proxy', {
      where: { path: 'tls.fingerprint' },
      expected: "proxy 'none', or tls.ca",
    });
  }
}
