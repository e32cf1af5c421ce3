/**
 * A UUID that is the same for the same text, without randomness: version 8 (RFC 9562, 5.8: custom). Four FNV-1a hashes
 * with different starts; it names devices of one host, and protects nothing.
 */
export function stableUuid(text: string): string {
  const hex = [0x811c9dc5, 0x01000193, 0x9e3779b9, 0x85ebca6b].map((start) => hash(text, start)).join('');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}

function hash(text: string, start: number): string {
  let value = start;
  for (const byte of new TextEncoder().encode(`${text}\n${start}`))
    value = Math.imul(value ^ byte, 0x01000193);
  // One more round of mixing: FNV's upper bits hardly depend on the last byte.
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return ((value ^ (value >>> 13)) >>> 0).toString(16).padStart(8, '0');
}
