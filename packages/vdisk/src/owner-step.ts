/** What etcd shows about a vdisk that a server wants to own; servers by their names, null where there is none. */
export interface OwnerView {
  /** The server that takes the vdisk over. */
  readonly taking: string | null;
  readonly owner: string | null;
  /** Not even an earlier run of the server itself may own it. */
  readonly mustBeFree: boolean;
}

export type OwnerStep = 'take' | 'replace-own' | 'owned-elsewhere' | 'taken-over-elsewhere';

/** What `server` may do. An earlier run of its own is replaced at once: the fence on the engines makes that safe. */
export function decideOwnerStep({ taking, owner, mustBeFree }: OwnerView, server: string): OwnerStep {
  if (taking !== null && taking !== server) return 'taken-over-elsewhere';
  if (owner === null) return 'take';
  return mustBeFree || owner !== server ? 'owned-elsewhere' : 'replace-own';
}
