import { defaultScenario, startPve } from './index.ts';

// For people: a cluster to try the command on. `pnpm sim:pve`

const simulator = await startPve({ port: Number(process.env.PORT ?? 8006), taskMs: 300 });
const users = defaultScenario().users.map(
  ({ id, tokens }) => `${id}${tokens ? `, token ${Object.keys(tokens).join(', ')}` : ''}`,
);
console.log(`Proxmox VE (simulated) on ${simulator.url}\nusers: ${users.join('; ')}\n^C ends it`);
