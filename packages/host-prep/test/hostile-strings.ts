/** Texts that mean something to a shell, to apt or to Ansible. Each makes a file called `pwned` where it is run. */
export const hostileStrings = [
  '$(touch pwned)',
  '`touch pwned`',
  '"; touch pwned; "',
  "'; touch pwned; '",
  '\nVMGPU_END\ntouch pwned\n',
  '$IFS; touch pwned',
  '&& touch pwned',
  '| touch pwned',
  '-e',
  '-oDPkg::Pre-Invoke::=touch pwned',
  '../../etc/passwd',
  '*',
  '{{ lookup("pipe", "touch pwned") }}',
];
