/**
 * What two spellings of a board's name have in common: no vendor or brand word, no punctuation, lower case. A Kubernetes
 * resource name (`nvidia.com/GA102GL_A10`) has the key of the pci.ids text it was made from (`GA102GL [A10]`).
 */
export function nameKey(text: string): string {
  return text
    .toLowerCase()
    .replace(/^[a-z.]+\//, '')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
    .join(' ')
    .replace(/^(nvidia|amd|intel) (?=.)/, '')
    .replace(/^(tesla|quadro|geforce|instinct) (?=.)/, '');
}
