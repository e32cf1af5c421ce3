/**
 * Which product a PCI id is, which vGPU profiles it makes, and where each of these facts comes from. A sub-path of its
 * own, because the data are larger than the rest of core; they are decoded at the first question.
 */
export { catalog } from './catalog.ts';
export { checkIntent } from './check-intent.ts';
export { type CatalogMatches, searchCatalog } from './search.ts';
