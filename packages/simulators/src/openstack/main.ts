import { createOpenStackSim, defaultScenario, project } from './index.ts';

// For people: a cloud to try the command on. PORT is 5000 unless the environment says another one.

const sim = await createOpenStackSim({
  port: Number(process.env.PORT ?? 5000),
  times: { scheduleMs: 300, buildMs: 1_500, deleteMs: 500, resizeMs: 1_000 },
});
const logins = defaultScenario().users.map(
  ({ name, password }) => `  OS_USERNAME=${name} OS_PASSWORD=${password}`,
);
console.log(
  `OpenStack (simulated)\n  OS_AUTH_URL=${sim.authUrl} OS_PROJECT_ID=${project} OS_USER_DOMAIN_ID=default\n${logins.join('\n')}\n^C ends it`,
);
