import { shellCommand, VmgpuError } from '@vmgpu/core';
import type { RunResult } from '../exec/host-port.ts';
import type { SshOptions } from './options.ts';

const prompt = 'vmgpu-sudo-password:';
const go = 'vmgpu-sudo-go';

/** The line that runs a program as root, and the talk that goes with it. */
export interface Become {
  readonly line: string;
  /** Sees standard error from the start; undefined when input can be sent at once. */
  readonly talk?: (heard: string) => 'password' | 'wrong' | 'go' | undefined;
  /** What sudo itself has said does not belong to the program. */
  strip(stderr: string): string;
  /** sudo's own refusals, which look like the program's failures. */
  refusal(result: RunResult): VmgpuError | undefined;
}

/**
 * With a password, the input waits until the program runs: a sudo that asks again would read it as a password, and one
 * that does not ask would leave the password to the program. Answering prompts sends the password only where it is asked.
 */
export function becomeRoot(
  argv: readonly string[],
  name: string,
  { become, user = 'root' }: Pick<SshOptions, 'become' | 'user'>,
): Become {
  const way = become ?? (user === 'root' ? 'none' : 'sudo');
  if (way === 'none')
    return { line: shellCommand(argv), strip: (stderr) => stderr, refusal: () => undefined };
  if (way === 'sudo')
    return {
      line: shellCommand(['sudo', '-n', '--', ...argv]),
      strip: (stderr) => stderr,
      refusal: (result) => refusalOf(name, user, result),
    };
  let prompts = 0;
  return {
    line: shellCommand([
      'sudo',
      '-k',
      '-S',
      '-p',
      prompt,
      '--',
      'sh',
      '-c',
      `echo ${go} >&2; exec "$@"`,
      'sh',
      ...argv,
    ]),
    talk(heard) {
      if (heard.includes(`${go}\n`)) return 'go';
      const asked = heard.split(prompt).length - 1;
      if (asked === prompts) return undefined;
      prompts = asked;
      return asked > 1 ? 'wrong' : 'password';
    },
    strip: (stderr) => stderr.split(`${go}\n`).at(-1) ?? stderr,
    refusal: (result) => (result.stderr.includes(`${go}\n`) ? undefined : refusalOf(name, user, result)),
  };
}

export function wrongPassword(name: string, user: string): VmgpuError {
  return new VmgpuError('auth-failed', `sudo on ${name} does not take the password of ${user}`, {
    hint: 'the password of sudo is the one of the user who logs in, not that of root',
    details: { sent: false },
  });
}

/** Texts of sudo 1.9 (parse of sudoers, check of passwords) and of a shell that has no sudo. */
const refusals =
  /^sudo: (?:a password is required|a terminal is required|no password was provided|sorry, you must have a tty|.*incorrect password)|is not in the sudoers file|is not allowed to (?:execute|run)|sudo: (?:command )?not found/im;

function refusalOf(name: string, user: string, { status, stderr }: RunResult): VmgpuError | undefined {
  const line = status === 0 ? undefined : stderr.split('\n').find((text) => refusals.test(text));
  if (line === undefined) return undefined;
  if (line.includes('incorrect password')) return wrongPassword(name, user);
  return new VmgpuError('permission-denied', `${user} cannot become root on ${name}`, {
    found: line.trim(),
    expected: 'sudo that asks for no password, or its password',
    hint: 'log in as root, or name the password of sudo',
    details: { sent: false },
  });
}
