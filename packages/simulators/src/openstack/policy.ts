import { refuse } from './failure.ts';
import type { Role } from './scenario.ts';
import type { TokenRecord } from './state.ts';
import type { ServiceName } from './versions.ts';

const held: Readonly<Record<Role, readonly Role[]>> = {
  admin: ['admin', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
};

/** With the roles below them. */
export function impliedRoles(roles: readonly Role[]): readonly Role[] {
  return [...new Set(roles.flatMap((own) => held[own]))];
}

/** Whether the token has the role, or one above it. */
export function hasRole({ roles }: TokenRecord, role: Role): boolean {
  return roles.some((own) => held[own].includes(role));
}

/** Throws the service's own 403 when the token's roles do not allow the rule. Source: sample policy files of Zed. */
export function demand(service: ServiceName, token: TokenRecord, rule: string, role: Role): void {
  if (hasRole(token, role)) return;
  switch (service) {
    case 'identity':
      throw refuse(403, `You are not authorized to perform the requested action: ${rule}.`);
    case 'placement':
      throw refuse(403, `Policy does not allow ${rule} to be performed.`);
    case 'image':
      throw refuse(403, 'You are not authorized to complete this action.');
    case 'network':
      throw refuse(403, `rule:${rule} is disallowed by policy`, 'PolicyNotAuthorized');
    case 'compute':
    case 'volume':
      throw refuse(403, `Policy doesn't allow ${rule} to be performed.`);
  }
}
