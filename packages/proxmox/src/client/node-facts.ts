import type { PciItem } from '../translate/inventory.ts';
import { type NodeReport, parseNodeReport } from '../translate/report.ts';
import { getNodeReport, getNodeStatus, listPciDevices, type NodeStatus } from './nodes.ts';
import type { Reader } from './read-snapshot.ts';

/**
 * What a node tells of itself over the API, without a shell: enough for most of a host's readiness. It holds addresses and
 * configurations: keep it in memory, never log it.
 */
export interface NodeHostFacts {
  readonly node: string;
  /** The report's outputs by command (`cat /proc/cmdline`, `lspci -nnk` ...), and the ones that readiness reads by name. */
  readonly report: NodeReport;
  readonly status: NodeStatus;
  /** Every PCI function with its IOMMU group, bridges too. */
  readonly pci: readonly PciItem[];
}

/** Needs Sys.Audit on `/`. The report takes seconds. */
export async function readNodeFacts(read: Reader, node: string): Promise<NodeHostFacts> {
  const [status, pci, text] = await Promise.all([
    read((pve, options) => getNodeStatus(pve, node, options)),
    read((pve, options) => listPciDevices(pve, node, options)),
    read((pve, options) => getNodeReport(pve, node, options)),
  ]);
  return { node, report: parseNodeReport(text), status, pci };
}
