import { pciIdParts } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { entryNames } from './gpus.ts';
import { dnsLabel, type Json, type Manifest } from './manifest.ts';
import type { ResolvedGpu } from './resolve.ts';
import { atLeast } from './version.ts';

export interface DraClaim {
  /** Entry of the VM's `resourceClaims`. */
  readonly entry: Json;
  readonly claims: readonly { readonly claimName: string; readonly requestName: string }[];
  readonly template: Manifest;
}

/**
 * One claim template for a request, with one device request for each GPU (KubeVirt takes exactly one device of a
 * request). Device class, attributes and `VfioDeviceConfig`: dra-driver-nvidia-gpu v0.4.1,
 * cmd/gpu-kubelet-plugin/deviceinfo.go and demo/specs/quickstart/v1/gpu-test-vfio.yaml.
 */
export function buildClaim(gpu: ResolvedGpu, vm: string, namespace: string): DraClaim {
  const claimName = dnsLabel(gpu.request.name) || 'gpu';
  const requests = entryNames(gpu.request).map((name) => dnsLabel(name) || 'gpu');
  const expressions = deviceExpressions(gpu);
  const templateName = dnsLabel(`${vm}-${claimName}`);
  return {
    entry: { name: claimName, resourceClaimTemplateName: templateName },
    claims: requests.map((requestName) => ({ claimName, requestName })),
    template: {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name: templateName, namespace },
      spec: {
        spec: {
          devices: {
            requests: requests.map((name) => ({
              name,
              exactly: {
                deviceClassName: 'vfio.gpu.nvidia.com',
                allocationMode: 'ExactCount',
                count: 1,
                ...(expressions.length > 0
                  ? { selectors: expressions.map((expression) => ({ cel: { expression } })) }
                  : {}),
              },
            })),
            config: [
              {
                requests,
                opaque: {
                  driver: 'gpu.nvidia.com',
                  parameters: {
                    apiVersion: 'resource.nvidia.com/v1beta1',
                    kind: 'VfioDeviceConfig',
                    iommu: { backendPolicy: 'LegacyOnly', enableAPIDevice: true },
                  },
                },
              },
            ],
          },
        },
      },
    },
  };
}

/** CEL selectors for the card that is wanted: by device id, by address. */
function deviceExpressions({ ids, request }: ResolvedGpu): readonly string[] {
  const wanted = ids.map(
    (id) => `device.attributes["gpu.nvidia.com"].deviceID.endsWith("${pciIdParts(id).device}")`,
  );
  const address = request.device?.address;
  return [
    ...(wanted.length > 0 ? [wanted.join(' || ')] : []),
    ...(address === undefined
      ? []
      : [`device.attributes["resource.kubernetes.io"].pciBusID == "${address.toLowerCase()}"`]),
  ];
}

/** Says what stands in the way of DRA on this release. */
export function checkDra(version: string, openshift: boolean, report: Report): void {
  if (!atLeast(version, '1.6')) {
    const message = `KubeVirt ${version} cannot take GPUs from resource claims; 1.6 is the first that can`;
    report('blocked', 'dra-version', 'spec.gpus', message, 'use the device plugin');
  } else if (openshift && atLeast(version, '1.9')) {
    const message = 'HyperConverged switches off beta gates that it does not know, GPUsWithDRA among them';
    report(
      'approximated',
      'dra-hyperconverged',
      'spec.gpus',
      message,
      'see its kubevirt.kubevirt.io/jsonpatch annotation',
    );
  }
}
