import type { Dict } from '../types.ts';
import type { Identity } from './identity.ts';
import type { Authorizer } from './rbac.ts';
import type { ResourcePath } from './request.ts';

/** "May I" and "who am I": SelfSubjectAccessReview and SelfSubjectReview, which every authenticated user may ask. */
export function createReviews(authorizer: Authorizer) {
  return (path: ResourcePath, user: Identity, body: () => Dict): Dict | undefined => {
    if (path.group === 'authentication.k8s.io' && path.plural === 'selfsubjectreviews') {
      const userInfo = { username: user.name, groups: user.groups, extra: user.extra };
      return { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', status: { userInfo } };
    }
    if (path.group !== 'authorization.k8s.io' || path.plural !== 'selfsubjectaccessreviews') return undefined;
    const { spec = {} } = body();
    const { resourceAttributes: wanted, nonResourceAttributes: place } = spec;
    const allowed = place
      ? authorizer.allowsPath(user, place.verb, place.path)
      : authorizer.allows(user, {
          verb: wanted?.verb,
          group: wanted?.group ?? '',
          resource: wanted?.resource,
          subresource: wanted?.subresource || undefined,
          namespace: wanted?.namespace || undefined,
          name: wanted?.name || undefined,
        });
    return {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      metadata: {},
      spec,
      status: { allowed },
    };
  };
}
