/** What a user may do in a namespace. Each role includes those before it. */
export const roles = ['read', 'write', 'owner'] as const;

export type Role = (typeof roles)[number];

/** Whether `held` suffices where `needed` is asked for; no role at all never does. */
export function roleSuffices(held: Role | null, needed: Role): boolean {
  return held !== null && roles.indexOf(held) >= roles.indexOf(needed);
}
