/** What each action asks before it is given. */

export interface Order {
  readonly title: string;
  /** What will happen. */
  readonly about: string;
  /** The field of the request that names what it is about. */
  readonly field: string | null;
  readonly asksReason: boolean;
  /** What the request says beside. */
  readonly more?: Readonly<Record<string, string | boolean>>;
  /** A flag of the request that the reader may set, and what it means. */
  readonly option?: { readonly field: string; readonly label: string };
  /** A text of several lines that the request takes. */
  readonly text?: { readonly field: string; readonly label: string; readonly example: string };
  /** Whether something has to be typed: the name of what it is about, unless the button says something else. */
  readonly confirms: boolean;
}

const PLAN_EXAMPLE = `plan: shop
zones: [north, south]
groups:
  - name: database
    volumes: [vol1]
`;

export const orders: Readonly<Record<string, Order>> = {
  'incident.acknowledge': {
    title: 'Acknowledge the incident',
    about: 'Others see that somebody looks after it. Nothing else changes.',
    ...{ field: 'incident', asksReason: true, confirms: false },
  },
  'healing.pause': {
    title: 'Pause all healing',
    about:
      'Repairs under way rest, and no engine is given up or replaced, until healing goes on. Failovers go on.',
    ...{ field: null, asksReason: true, confirms: false },
  },
  'healing.resume': {
    title: 'Let healing go on',
    about: 'Repairs go on where they were.',
    ...{ field: 'cluster', asksReason: true, confirms: false },
  },
  'engine.take-offline': {
    title: 'Take the engine offline',
    about:
      'Its partner serves alone until the engine is brought online. Without a partner that is online this is refused.',
    ...{ field: 'address', asksReason: true, confirms: true },
  },
  'engine.bring-online': {
    title: 'Bring the engine online',
    about:
      'It is given back, and gets the blocks that it missed. Where something would be lost, this is refused.',
    ...{ field: 'address', asksReason: true, confirms: true },
  },
  'engine.set-verdict permanent': {
    title: 'Give the engine up',
    about:
      'It will not come back. A spare takes its place, and its blocks are rebuilt from its partner. When its partner is lost as well, a recovery from the log is prepared.',
    ...{ field: 'address', asksReason: true, confirms: true, more: { verdict: 'permanent' } },
  },
  'dr.plan order': {
    title: 'Prepare a recovery from the log',
    about:
      'The engines of this cluster and its partner that are down count as gone for good. What would come back from the log, and onto which engines, is worked out; nothing else is changed until the recovery is begun.',
    ...{ field: 'cluster', asksReason: false, confirms: true, more: { order: true } },
  },
  'dr.replay': {
    title: 'Recover from the log',
    about:
      'The lost engines leave the configuration, and their blocks are written again from the transaction log.',
    ...{ field: 'cluster', asksReason: false, confirms: true },
    option: { field: 'force', label: 'Take vdisks away from those who still use them' },
  },
  'dr.cancel': {
    title: 'Stop the recovery',
    about:
      'A plan is dropped. A replay under way stops where it is: its vdisks stay locked until it is begun again.',
    ...{ field: 'cluster', asksReason: false, confirms: true },
  },
  'dr.accept-loss': {
    title: 'Give lost blocks up',
    about:
      'No log holds these blocks of the vdisk. They will read as zeros, and the vdisk may be used again. This cannot be taken back.',
    ...{ field: 'vdisk', asksReason: true, confirms: true },
  },
  'operation.cancel': {
    title: 'Cancel the operation',
    about:
      'It ends as soon as that is safe. What it has done is taken back, or stays where that is safe; the operation says which.',
    ...{ field: 'operation', asksReason: false, confirms: false },
  },
  'plan.apply create': {
    title: 'Write a recovery plan',
    about:
      'The zones it is for, and which volumes and instances move together. The other zone takes it over.',
    ...{ field: null, asksReason: false, confirms: false, more: { create: true } },
    text: { field: 'document', label: 'The plan, as YAML or JSON', example: PLAN_EXAMPLE },
  },
  'plan.delete': {
    title: 'Delete the plan',
    about: 'Its volumes and instances stay as they are; they are not moved together any more.',
    ...{ field: 'plan', asksReason: false, confirms: true },
  },
  'plan.run planned': {
    title: 'Move everything here',
    about:
      'The volumes of the plan come to this zone without loss: what uses them stops there, and starts here.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'planned' } },
  },
  'plan.run failover': {
    title: 'Fail over to this zone',
    about:
      'For a zone that is lost: the volumes go on here with what has arrived. What did not arrive is lost to this side.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'failover' } },
  },
  'plan.run reprotect': {
    title: 'Protect the plan again',
    about:
      'After a failover, when the other zone is back: what runs there is stopped, and it follows this zone.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'reprotect' } },
  },
  'plan.run test': {
    title: 'Test the plan',
    about: 'Instances are started here on clones; nothing that serves is touched.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'test' } },
  },
  'plan.run cleanup': {
    title: 'Remove what the test has made',
    about: 'The instances and clones of tests of this plan are removed.',
    ...{ field: 'plan', asksReason: false, confirms: true, more: { kind: 'cleanup' } },
  },
  'volume.promote': {
    title: 'Make this zone the primary',
    about:
      'Once all that arrived is applied, this zone serves the volume. Refused while the other zone is primary.',
    ...{ field: 'volume', asksReason: false, confirms: true },
    option: {
      field: 'force',
      label:
        'Although the other zone is primary or does not answer: what did not arrive is lost to this side',
    },
  },
  'volume.demote': {
    title: 'Make this zone a secondary',
    about: 'Nobody may use its vdisk here from then on. Refused while a server has it.',
    ...{ field: 'volume', asksReason: false, confirms: true },
  },
  'volume.resync': {
    title: 'Copy the volume anew',
    about:
      'It is compared with the primary in the other zone, block by block, and gets what differs. Nothing changes in the other zone.',
    ...{ field: 'volume', asksReason: false, confirms: true },
  },
  'volume.resync discard': {
    title: 'Give up the writes of this zone',
    about:
      'What this zone wrote and the primary lacks is given up here, and the volume follows the other zone. It stays in the log of this zone, which earlier states are read from.',
    ...{ field: 'volume', asksReason: false, confirms: true },
  },
};
