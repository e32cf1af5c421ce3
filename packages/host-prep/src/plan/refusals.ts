import { companionKind, type GpuDevice, isUnknown } from '@vmgpu/core';
import { isReleased } from '../modules/drivers-in-use.ts';
import { describe } from '../modules/iommu-group.ts';
import { remappingOff } from '../modules/kernel-arguments.ts';
import { bindsById } from './binding.ts';
import { consents, type Draft, wantLine } from './draft.ts';
import type { BootFamily, Consent, HostDiagnostic } from './host-plan.ts';
import { own, ownLines } from './own-files.ts';
import { twinsOf } from './vfio-ids.ts';

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly consent?: Consent;
  readonly device?: GpuDevice;
  readonly check?: string;
  /** What it is once consent is given. */
  readonly accepted?: HostDiagnostic['kind'];
}

function refuse(draft: Draft, { accepted = 'lossy', device, consent, ...refusal }: Refusal): boolean {
  const given = consent !== undefined && consents(draft, consent);
  draft.diagnostics.push({
    ...refusal,
    kind: given ? accepted : 'blocked',
    path: device === undefined ? '' : `goal.devices[${device.address}]`,
    ...(device === undefined ? {} : { device: device.address }),
    ...(consent === undefined ? {} : { consent }),
    ...(consent === undefined || given
      ? {}
      : { remedy: `${refusal.remedy} To go on all the same, give the consent ${consent}.` }),
  });
  return given;
}

/** What must not be done without being asked for by name. */
export function refuseDangers(draft: Draft, gpus: readonly GpuDevice[], family: BootFamily): void {
  refuseSystem(draft, family);
  if (draft.goal.mode === 'vm-passthrough')
    for (const gpu of gpus) {
      refuseConsole(draft, gpu);
      refuseGroup(draft, gpu);
    }
  if (draft.goal.mode !== 'container') refuseMissingIommu(draft);
  if (draft.goal.mode === 'vm-passthrough') {
    refuseInterrupts(draft);
    refuseTwins(draft, gpus);
  }
  refuseUnsigned(draft);
}

function refuseSystem(draft: Draft, { name, writable }: BootFamily): void {
  const { container, os } = draft.facts.system;
  if (!isUnknown(container) && container !== 'none')
    refuse(draft, {
      code: 'host.in-container',
      check: 'H02',
      message: `The facts were read inside a container (${container}); its host cannot be prepared from there.`,
      remedy: 'Read and prepare the host itself.',
    });
  if (!writable) {
    const system = isUnknown(os) ? 'The system' : (os.prettyName ?? os.id);
    refuse(draft, {
      code: 'host.not-writable',
      check: 'H02',
      message:
        name === 'foreign'
          ? `How ${system} keeps its boot configuration is not known, or it belongs to another program.`
          : `${system} takes its boot configuration from its own mechanism (${name}); files written by hand are lost.`,
      remedy: 'Render the plan and apply the result with the tools of the system.',
    });
  }
}

function refuseConsole(draft: Draft, gpu: GpuDevice): void {
  if (gpu.bootVga !== true || isReleased(gpu.driver)) return;
  const others = draft.facts.gpus.filter(
    (other) => other.address !== gpu.address && other.role === 'physical' && /^03(00|80)/.test(other.class),
  );
  const left = others.filter(
    (other) => !draft.readiness.devices.some(({ address }) => address === other.address),
  );
  refuse(draft, {
    code: left.length === 0 ? 'host.only-display' : 'host.console',
    check: 'H27',
    device: gpu,
    consent: left.length === 0 ? 'single-gpu-console' : 'console-gpu',
    message:
      left.length === 0
        ? `${gpu.address} is the only display of the host; without it there is no screen, only the network.`
        : `The host shows its console on ${gpu.address}; it ends when the GPU is given away.`,
    remedy:
      left.length === 0
        ? 'Make sure of a serial or management console.'
        : 'Make the other display the primary one in the firmware settings.',
  });
}

/** Storage, network, USB. */
const vital = /^(01|02|0c03)/;

function refuseGroup(draft: Draft, gpu: GpuDevice): void {
  const held = gpu.groupNeighbours.filter(
    (member) =>
      isReleased(member.driver) === false &&
      !member.class.startsWith('06') &&
      !draft.readiness.devices.some(({ address }) => address === member.address),
  );
  if (held.length === 0) return;
  const needed = held.filter((member) => vital.test(member.class));
  refuse(draft, {
    code: 'host.group',
    check: 'H13',
    device: gpu,
    consent: needed.length > 0 ? 'host-devices-in-group' : 'group-neighbours',
    message:
      needed.length > 0
        ? `The IOMMU group of ${gpu.address} also holds devices that the host works with (${needed.map((item) => companionKind(item.class)).join(', ')}): ${needed.map(describe).join(', ')}. It would lose them.`
        : `The IOMMU group of ${gpu.address} also holds ${held.map(describe).join(', ')}, which would be taken from the host as well.`,
    remedy: 'Move the card to a slot with a group of its own.',
  });
}

function refuseMissingIommu({ readiness, diagnostics }: Draft): void {
  const failed = readiness.findings.find(({ id, status }) => id === 'H08' && status === 'fail');
  if (failed !== undefined)
    diagnostics.push({
      kind: 'blocked',
      code: 'host.no-iommu',
      check: 'H08',
      path: '',
      message: failed.why,
      ...(failed.remedy === undefined ? {} : { remedy: failed.remedy }),
    });
}

const unsafe = 'options vfio_iommu_type1 allow_unsafe_interrupts=1';

function refuseInterrupts(draft: Draft): void {
  const { iommu, boot } = draft.facts;
  const ours = ownLines(draft.facts, own.modprobe).includes(unsafe);
  if (iommu.interruptRemapping !== false) return;
  const removable = !isUnknown(boot.cmdline) && remappingOff(boot.cmdline.args).length > 0;
  if (removable || (iommu.unsafeInterruptsAllowed === true && !ours)) return;
  const accepted = refuse(draft, {
    code: 'host.no-interrupt-remapping',
    check: 'H14',
    consent: 'unsafe-interrupts',
    accepted: 'insecure',
    message: 'The host does not remap interrupts: a guest with a device could send interrupts to the host.',
    remedy: 'Switch interrupt remapping (x2APIC) on in the firmware settings.',
  });
  if (!accepted && !ours) return;
  wantLine(draft, own.modprobe, unsafe, 'H14');
  if (iommu.unsafeInterruptsAllowed !== true) draft.rebootFor.add('module options');
}

function refuseTwins(draft: Draft, gpus: readonly GpuDevice[]): void {
  const twins = twinsOf(draft, gpus);
  if (bindsById(draft) === undefined || twins.length === 0) return;
  refuse(draft, {
    code: 'host.equal-cards',
    check: 'H18',
    message: `Ids cannot tell equal cards apart: ${twins.map(({ address }) => address).join(', ')} would be taken as well.`,
    remedy: 'Bind by address: strategy initramfs.',
  });
}

function refuseUnsigned(draft: Draft): void {
  const { boot, nvidia } = draft.facts;
  const installs = draft.goal.driver !== undefined && 'runFile' in draft.goal.driver;
  if (boot.secureBoot !== true || !installs || typeof nvidia.driverVersion === 'string') return;
  refuse(draft, {
    code: 'host.secure-boot',
    check: 'H33',
    consent: 'unsigned-modules',
    message:
      'Secure Boot is on: the kernel refuses the modules of the driver until their key is enrolled at the console.',
    remedy: 'Sign the modules with a key enrolled by mokutil --import, or switch Secure Boot off.',
  });
}
