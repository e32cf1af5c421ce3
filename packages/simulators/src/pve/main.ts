import { defaultScenario, startPve } from './index.ts';

// For people: a cluster to try the command on. `pnpm sim:pve`; PORT is 8006 unless the environment says another one.

const simulator = await startPve({ port: Number(process.env.PORT ?? 8006), taskMs: 300 });
const logins = defaultScenario().users.flatMap(({ id, password, totp, tokens = {} }) => [
  `  ${id}, password ${password}${totp === undefined ? '' : `, second factor ${totp}`}`,
  ...Object.entries(tokens).map(([name, { secret }]) => `  PVEAPIToken=${id}!${name}=${secret}`),
]);
console.log(`Proxmox VE (simulated) on ${simulator.url}\n${logins.join('\n')}\n^C ends it`);
