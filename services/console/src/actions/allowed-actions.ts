import type { CommandName } from '@salvor/contracts';

type Fields = Readonly<Record<string, unknown>>;

export interface AllowedAction {
  /** What may be said of the request; all else is refused. */
  readonly fields: readonly string[];
  /** What has to be typed before it is done; null for what harms nobody. */
  readonly confirm: ((request: Fields) => unknown) | null;
  /** Whether the request says who gave it. */
  readonly by: boolean;
}

/** What a page may do, and nothing else. */
export const allowedActions: Readonly<Partial<Record<CommandName, AllowedAction>>> = {
  'incident.acknowledge': { fields: ['incident', 'reason'], confirm: null, by: true },
  'healing.pause': { fields: ['cluster', 'reason'], confirm: null, by: true },
  'healing.resume': { fields: ['cluster', 'reason'], confirm: null, by: true },
  'engine.take-offline': { fields: ['address', 'reason'], confirm: ({ address }) => address, by: true },
  'engine.bring-online': { fields: ['address', 'reason'], confirm: ({ address }) => address, by: true },
  'dr.replay': { fields: ['cluster'], confirm: ({ cluster }) => cluster, by: true },
  'plan.run': { fields: ['plan', 'kind'], confirm: ({ plan }) => plan, by: false },
  'volume.promote': { fields: ['volume'], confirm: ({ volume }) => volume, by: false },
  'volume.demote': { fields: ['volume'], confirm: ({ volume }) => volume, by: false },
};
