import type { Linter, LintFinding, SourceFile } from '@vmgpu/core';
import type { OsloOption } from '../translate/oslo-config.ts';
import { type ConfigView, configView, whereIs } from './config-view.ts';
import { lintViews } from './nova-conf.ts';

const variables: Readonly<Record<string, string>> = {
  nova_device_spec: 'device_spec',
  nova_pci_passthrough_whitelist: 'passthrough_whitelist',
  nova_pci_alias: 'alias',
};

/** openstack-ansible's variables: the JSON texts in them are judged like options of nova.conf. */
export const ansibleLinter: Linter = {
  name: 'openstack-ansible variables',
  recognises: ({ path, text }) =>
    /\.ya?ml$/.test(path) &&
    /^nova_(device_spec|pci_alias|pci_passthrough_whitelist|enabled_mdev_types|scheduler_\w*filters)\s*:/m.test(
      text,
    ),
  lint: (file, context) => [...lintViews([ansibleView(file)], context), ...mdevTypes(file)],
};

/** kolla-ansible's globals.yml. */
export const kollaGlobalsLinter: Linter = {
  name: 'kolla-ansible globals',
  recognises: ({ path, text }) =>
    /(^|\/)globals\.ya?ml$/.test(path) && /^(kolla_|openstack_release|enable_)/m.test(text),
  lint(file, _context) {
    const on = (name: string) =>
      new RegExp(`^${name}\\s*:\\s*["']?(?:yes|true)["']?\\s*$`, 'im').exec(file.text);
    const sriov = on('enable_neutron_sriov');
    const cyborg = on('enable_cyborg');
    return [
      ...(sriov
        ? [
            finding(
              file,
              sriov.index,
              'kolla.neutron-sriov-whitelist',
              'with enable_neutron_sriov kolla-ansible writes a [pci] passthrough_whitelist of its own',
              'its values add to your device_spec; with PCI in Placement the same device must not stand in both',
            ),
          ]
        : []),
      ...(cyborg
        ? [
            finding(
              file,
              cyborg.index,
              'kolla.cyborg',
              'Cyborg is enabled',
              'a card that Cyborg claims must not stand in Nova’s device_spec: both would hand it out',
            ),
          ]
        : []),
    ];
  },
};

/** cyborg.conf: mistakes that leave its vGPUs unusable. */
export const cyborgLinter: Linter = {
  name: 'cyborg.conf',
  recognises: ({ path }) => /(^|\/)cyborg[^/]*\.conf$/.test(path),
  lint(file) {
    const view = configView(file);
    const types = view.options.filter(
      ({ section, key }) => section === 'gpu_devices' && /^enabled_(vgpu|mdev)_types$/.test(key),
    );
    return types.flatMap((option) => [
      ...(option.key === 'enabled_mdev_types'
        ? [
            finding(
              file,
              option.at.key,
              'cyborg.option-unknown',
              'Cyborg calls it enabled_vgpu_types',
              'enabled_mdev_types is Nova’s word and is ignored here',
              'warning',
            ),
          ]
        : []),
      finding(
        file,
        option.at.key,
        'cyborg.vgpu-unattached',
        'vGPUs of Cyborg do not reach the guest',
        'Nova composes only whole PCI devices of Cyborg into a guest; use Nova’s [devices] for vGPUs',
        'warning',
      ),
    ]);
  },
};

function finding(
  file: SourceFile,
  offset: number,
  rule: string,
  message: string,
  why: string,
  severity: LintFinding['severity'] = 'info',
): LintFinding {
  return { rule, severity, where: whereIs(file, offset), message, why };
}

/** List items of the variables, as options of `[pci]`. */
function ansibleView(file: SourceFile): ConfigView {
  const options: OsloOption[] = [];
  let key: string | undefined;
  let start = 0;
  for (const raw of file.text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const name = /^(\w+)\s*:/.exec(raw)?.[1];
    if (name !== undefined) key = variables[name];
    const quoted = /^\s*-\s*'((?:[^']|'')*)'\s*$/.exec(raw) ?? /^\s*-\s*"((?:[^"\\]|\\.)*)"\s*$/.exec(raw);
    if (key !== undefined && quoted) {
      const text = quoted[1] ?? '';
      const double = raw.trimEnd().endsWith('"');
      const value = double ? text.replace(/\\(.)/g, '$1') : text.replaceAll("''", "'");
      const at = start + raw.indexOf(text);
      const place = { key: at, separator: at, value: at, end: at + text.length };
      options.push({ kind: 'option', raw, start, section: 'pci', key, separator: '=', value, at: place });
    }
    start += raw.length;
  }
  const view = configView({ ...file, text: '' }, { text: '', base: 0, path: file.path });
  return { ...view, file, options, deployment: 'openstack-ansible' };
}

function mdevTypes(file: SourceFile): readonly LintFinding[] {
  const types = /^nova_enabled_mdev_types\s*:/m.exec(file.text);
  const ignored = /^\s+(mdev_class|max_instances)\s*:/m.exec(types ? file.text.slice(types.index) : '');
  if (!types || !ignored) return [];
  const at = types.index + ignored.index + ignored[0].search(/\S/);
  return [
    {
      ...finding(
        file,
        at,
        'ansible.mdev-key-ignored',
        `openstack-ansible does not write ${ignored[1]}`,
        'nova_enabled_mdev_types knows type and address only',
        'error',
      ),
      remedy: 'Write it in nova_nova_conf_overrides, under the section mdev_<type>.',
    },
  ];
}
