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

const ofAddress = ({ address }: Fields): unknown => address;
const ofCluster = ({ cluster }: Fields): unknown => cluster;
const ofPlan = ({ plan }: Fields): unknown => plan;
const ofVolume = ({ volume }: Fields): unknown => volume;

/** What a page may do, and nothing else. */
export const allowedActions: Readonly<Partial<Record<CommandName, AllowedAction>>> = {
  'incident.acknowledge': { fields: ['incident', 'reason'], confirm: null, by: true },
  'healing.pause': { fields: ['cluster', 'reason'], confirm: null, by: true },
  'healing.resume': { fields: ['cluster', 'reason'], confirm: null, by: true },
  'engine.take-offline': { fields: ['address', 'reason'], confirm: ofAddress, by: true },
  'engine.bring-online': { fields: ['address', 'reason'], confirm: ofAddress, by: true },
  'engine.set-verdict': { fields: ['address', 'verdict', 'reason'], confirm: ofAddress, by: true },
  'dr.plan': { fields: ['cluster', 'order'], confirm: ofCluster, by: true },
  'dr.replay': { fields: ['cluster', 'force'], confirm: ofCluster, by: true },
  'dr.cancel': { fields: ['cluster'], confirm: ofCluster, by: true },
  'dr.accept-loss': {
    fields: ['vdisk', 'blocks', 'reason'],
    // Who gives blocks up knows how many they are.
    confirm: ({ blocks }) => String(blocks),
    by: true,
  },
  'operation.cancel': { fields: ['operation'], confirm: null, by: false },
  'plan.apply': { fields: ['document', 'create'], confirm: null, by: false },
  'plan.run': { fields: ['plan', 'kind'], confirm: ofPlan, by: false },
  'plan.delete': { fields: ['plan'], confirm: ofPlan, by: false },
  'volume.promote': { fields: ['volume', 'force'], confirm: ofVolume, by: false },
  'volume.demote': { fields: ['volume'], confirm: ofVolume, by: false },
  'volume.resync': { fields: ['volume', 'discard'], confirm: ofVolume, by: false },
};
