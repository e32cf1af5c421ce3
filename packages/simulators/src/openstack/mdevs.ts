import type { Allocation } from './candidates.ts';
import { mdevTypeOf, providersOf } from './providers.ts';
import type { CloudState } from './state.ts';

/**
 * Mediated devices that the guest gets for what is reserved in Placement, as `type on host address`: before 33.0.0 those of one
 * provider only, whatever else is reserved. Source: nova/virt/libvirt/driver.py, _allocate_mdevs; seen on 26.2.2.
 */
export function guestMdevs(state: CloudState, hostName: string, allocation: Allocation): readonly string[] {
  const host = state.hosts.find(({ name }) => name === hostName);
  if (!host) return [];
  const cards = providersOf(state).flatMap(({ name, addresses }) => {
    const device = host.devices.find(({ address }) => addresses.includes(address));
    const made = name.includes('_pci_') && device ? mdevTypeOf(state, host, device) : undefined;
    const amount = made && allocation[name]?.[made.className];
    if (!made || !device || !amount) return [];
    return [Array.from({ length: amount }, () => `${made.type} on ${hostName} ${device.address}`)];
  });
  return (state.scenario.release < 33 ? cards.slice(0, 1) : cards).flat();
}
