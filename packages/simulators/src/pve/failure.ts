/** A refusal as Proxmox VE answers it: a status, a text, and texts by parameter. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: Readonly<Record<string, string>> | undefined;
  constructor(status: number, message: string, errors?: Readonly<Record<string, string>>) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** Nearly everything that Proxmox VE refuses is a 500 with the text. */
export function refuse(message: string, status = 500): Refusal {
  return new Refusal(status, message);
}

export function badParameters(errors: Readonly<Record<string, string>>): Refusal {
  return new Refusal(400, 'Parameter verification failed.\n', errors);
}
