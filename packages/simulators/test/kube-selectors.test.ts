import { describe, expect, it } from 'vitest';
import { CelFailure, deviceSelector } from '../src/kube/device-selector.ts';
import { withKube } from './kube-client.ts';

const gpu = {
  attributes: {
    deviceID: { string: '0x2236' },
    index: { int: 3 },
    iommuFDEnabled: { bool: false },
    driverVersion: { version: '570.86.15' },
    'resource.kubernetes.io/pciBusID': { string: '0000:65:00.0' },
  },
  capacity: { memory: { value: '32Gi' } },
};
const own = 'device.attributes["gpu.nvidia.com"]';

const truths: readonly string[] = [
  'device.driver == "gpu.nvidia.com"',
  "device.driver == 'gpu.nvidia.com' && !(device.driver != 'gpu.nvidia.com')",
  `${own}.deviceID.endsWith("2236") || ${own}.deviceID.endsWith("20b1")`,
  `${own}.deviceID.endsWith("20b1") || ${own}.deviceID.startsWith("0x") && ${own}.index < 4`,
  `!(${own}.deviceID.endsWith("2236") && ${own}.index > 3)`,
  `${own}.deviceID.contains("22") && ${own}.deviceID.matches("^0x22[0-9]{2}$")`,
  `${own}.index in [1, 3] && ${own}.index <= 3 && ${own}.index >= 3 && ${own}["index"] != 4`,
  `"deviceID" in ${own} && !("uuid" in ${own})`,
  'device.attributes["resource.kubernetes.io"].pciBusID == "0000:65:00.0"',
  '!("model" in device.attributes["example.com"])',
  `cel.bind(gpu, ${own}, has(gpu.deviceID) && !has(gpu.uuid))`,
  `${own}.uuid == "x" || device.driver == "gpu.nvidia.com"`,
  'device.capacity["gpu.nvidia.com"].memory.compareTo(quantity("24Gi")) > 0',
  'device.capacity["gpu.nvidia.com"].memory.isLessThan(quantity("40G"))',
  `${own}.driverVersion.compareTo(semver("550.0.0")) > 0 && ${own}.driverVersion.isLessThan(semver("570.100.0"))`,
];

describe('CEL selectors of devices', () => {
  it.each(truths)('%s', (expression) => {
    expect(deviceSelector(expression).matches('gpu.nvidia.com', gpu)).toBe(true);
    expect(deviceSelector(`!(${expression})`).matches('gpu.nvidia.com', gpu)).toBe(false);
  });

  it.each([
    [`${own}.uuid == "x"`, 'no such key: uuid'],
    ['device.attributes["example.com"].model == "x"', 'no such key: model'],
    [`${own}.index.endsWith("3")`, "found no matching overload for 'int.endsWith(string)'"],
    [`${own}.deviceID`, 'CEL result of type string could not be converted to bool'],
  ])('%s fails for a device', (expression, message) => {
    const selector = deviceSelector(expression);
    expect(() => selector.matches('gpu.nvidia.com', gpu)).toThrow(new CelFailure(message));
  });

  it.each([
    ['device.driver ==', /^compilation failed: ERROR: Unexpected token: EOF/],
    ['device.name == "x"', /^compilation failed: ERROR: no such key: name/],
    ['claim == "x"', /^compilation failed: ERROR: Unknown variable: claim/],
    ['device.driver == 1', /^compilation failed: ERROR: no such overload: string == int/],
    ['device.driver.frobnicate()', /^compilation failed: ERROR: found no matching overload/],
    ['device.driver', /^must evaluate to bool or the unknown type, not string$/],
  ])('%s does not compile', (expression, message) => {
    expect(() => deviceSelector(expression)).toThrow(message);
  });
});

describe('selectors on the server', () => {
  const apiVersion = 'resource.k8s.io/v1';
  const dra = `/apis/${apiVersion}`;
  const selectors = (expression: string) => [{ cel: { expression } }];
  const requests = (expression: string) => [
    { name: 'gpu', exactly: { deviceClassName: 'gpu', selectors: selectors(expression) } },
  ];

  it('are refused where they do not compile, with their path', () =>
    withKube({}, async ({ post }) => {
      const deviceClass = {
        apiVersion,
        kind: 'DeviceClass',
        metadata: { name: 'gpu' },
        spec: { selectors: selectors('device.driver') },
      };
      const refused = await post(`${dra}/deviceclasses`, deviceClass);
      expect([refused.status, refused.body.details.causes]).toEqual([
        422,
        [
          {
            reason: 'FieldValueInvalid',
            field: 'spec.selectors[0].cel.expression',
            message: 'Invalid value: "device.driver": must evaluate to bool or the unknown type, not string',
          },
        ],
      ]);
      const template = {
        apiVersion,
        kind: 'ResourceClaimTemplate',
        metadata: { name: 't' },
        spec: { spec: { devices: { requests: requests('device.model == "x"') } } },
      };
      const { body } = await post(`${dra}/namespaces/vms/resourceclaimtemplates`, template);
      expect(body.message).toContain(
        'spec.spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: "device.model == \\"x\\"": compilation failed: ERROR: ',
      );
    }));

  it('are an error of the scheduler where they fail for a device', () =>
    withKube({}, async ({ get, post }, simulator) => {
      const metadata = { name: 'gpu' };
      await post(`${dra}/deviceclasses`, { apiVersion, kind: 'DeviceClass', metadata, spec: {} });
      const devices = [{ name: 'gpu-0', ...gpu }];
      const slice = { driver: 'gpu.nvidia.com', nodeName: 'gpu-2', pool: { name: 'gpu-2' }, devices };
      await post(`${dra}/resourceslices`, { apiVersion, kind: 'ResourceSlice', metadata, spec: slice });
      await post(`${dra}/namespaces/vms/resourceclaims`, {
        apiVersion,
        kind: 'ResourceClaim',
        metadata,
        spec: { devices: { requests: requests(`${own}.uuid == "x"`) } },
      });
      const path = '/api/v1/namespaces/vms/pods';
      const spec = {
        containers: [{ name: 'c' }],
        resourceClaims: [{ name: 'gpu', resourceClaimName: 'gpu' }],
      };
      await post(path, { apiVersion: 'v1', kind: 'Pod', metadata, spec });
      simulator.advance(1000);
      expect((await get(`${path}/gpu`)).body.status.conditions).toMatchObject([
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulerError',
          message:
            'running "DynamicResources" filter plugin: claim vms/gpu: selector #0: CEL runtime error: no such key: uuid',
        },
      ]);
    }));
});
