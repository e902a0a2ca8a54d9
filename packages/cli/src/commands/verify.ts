/** Is a Tier-2 whole, and is what was brought back from it what it has? */
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Finding, TreeOutline } from '@salvor/pravega';
import type { TreeVerification, VerifiableTree, VerifiedSegment } from '@salvor/segments';
import { SalvorError } from '@salvor/service-kit';
import type { Call, Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { CliError, exitCodes, usageError } from '../failure.ts';
import { BoundedLines } from '../rendering/bounded-lines.ts';
import { findingLine } from '../rendering/finding-line.ts';
import { segmentRecoveryText } from '../rendering/segment-recovery-text.ts';
import { printable } from '../rendering/text.ts';
import { verificationText } from '../rendering/verification-text.ts';
import { layoutBelow } from '../tier2-layout.ts';
import { reportOf, slow } from './recover.ts';
import { operationIdOption } from './vdisk.ts';
import { verifyArchived } from './verify-archived.ts';

const MAX_CONTAINERS = 2 ** 31 - 1;
const TELL_INTERVAL_MS = 2_000;
const PAGE = 500;

/** Layout -> how its directories are opened. */
const pravegaLayouts: Readonly<
  Record<string, (root: string, containers: number | undefined) => Promise<OpenTree>>
> = {
  pravega: (root, containers) => openPravega(root, containers),
  'pravega-chunked': (root, containers) => openPravega(root, containers, 'chunked'),
  'pravega-legacy': (root, containers) => openPravega(root, containers, 'legacy'),
};

const layouts: readonly string[] = ['salvor', ...Object.keys(pravegaLayouts)];

interface OpenTree extends VerifiableTree {
  readonly outline: Pick<TreeOutline, 'root' | 'layout' | 'containerCount' | 'segments' | 'files'>;
  findings(): Promise<readonly Finding[]>;
  close(): Promise<void>;
}

export const verifyCommands: readonly Command[] = [
  {
    name: 'dr verify',
    sends: 'dr.verify',
    description:
      'Reads a Tier-2 directory to its last byte. Of Pravega: every file, every chain of chunks, every page of an index, every entry and event, and the SHA-256 of every segment. Of Salvor: every chunk, its index, the checksum of every block, the numbers of all segments, and every configuration. With --tier1 each segment of Pravega is compared with what was brought back: its facts, and every message of its log. Nothing is changed. Exit code 0: all is whole, and the same. 1: something is damaged, or differs. 2: there is no such directory. 3: no bus.',
    positionals: [{ name: 'root', help: 'the directory' }],
    options: {
      layout: {
        type: 'string',
        value: 'name',
        help: `${layouts.join(', ')} (default: as the directory tells)`,
      },
      containers: {
        type: 'string',
        value: 'n',
        help: 'how many containers the cluster had (else deduced from the metadata)',
      },
      tier1: { type: 'boolean', help: 'compare with the segments that Tier-1 has; needs the bus' },
      'on-server': {
        type: 'boolean',
        help: 'let segment-recovery do it, where the directory is mounted; it compares with Tier-1, too',
      },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor dr verify /mnt/tier2',
      'salvor dr verify /mnt/tier2 --tier1 --json',
      'salvor dr verify /mnt/tier2 --on-server',
    ],
    async run(call) {
      const { args } = call;
      const named = args.text('layout');
      if (named !== undefined && !layouts.includes(named))
        throw usageError(
          `dr verify: expected --layout to be one of ${layouts.join(', ')}, found '${printable(named)}'`,
        );
      if (args.flag('on-server')) return onServer(call, named);
      const root = resolve(call.terminal.cwd, args.positional('root'));
      const layout = named ?? (await orUnusable(layoutBelow(root)));
      if (layout === 'salvor') return verifyArchived(call, root);
      const tree = await opened(call, layout);
      try {
        if (args.flag('tier1')) await call.withBus((session) => verify(call, tree, session));
        else await verify(call, tree, null);
      } finally {
        await tree.close();
      }
    },
  },
];

async function openPravega(
  root: string,
  containerCount: number | undefined,
  layout?: 'chunked' | 'legacy',
): Promise<OpenTree> {
  const { TreeReader } = await import('@salvor/pravega');
  // Of a large tree there is much garbage: it is collected before the process grows.
  setFlagsFromString('--optimize-for-size');
  return TreeReader.open(root, {
    ...(layout === undefined ? {} : { layout }),
    ...(containerCount === undefined ? {} : { containerCount }),
  });
}

async function opened({ args, terminal }: Call, layout: string): Promise<OpenTree> {
  const root = resolve(terminal.cwd, args.positional('root'));
  const open = pravegaLayouts[layout];
  if (open === undefined) throw usageError(`dr verify: there is no layout '${layout}'`);
  return orUnusable(open(root, args.integer('containers', 1, MAX_CONTAINERS)));
}

/** What cannot be verified at all ends otherwise than what is damaged. */
async function orUnusable<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof SalvorError)) throw error;
    throw new CliError(exitCodes.usage, error.code, error.message, { cause: error });
  }
}

/** JSON comes in pieces, so that no tree is too large for it. */
async function verify(call: Call, tree: OpenTree, session: Session | null): Promise<void> {
  const { args, terminal, paint } = call;
  const { verifyTree } = await import('@salvor/segments');
  const isJson = args.flag('json');
  const { root, layout, containerCount } = tree.outline;
  const shown = new BoundedLines(terminal.err);
  if (isJson) {
    const head = JSON.stringify({ root, layout, containerCount });
    terminal.out(`${head.slice(0, -1)},"segments":[`);
  }
  let separator = '\n';
  const json = (value: unknown) => {
    if (isJson) terminal.out(`${separator}${JSON.stringify(value)}`);
    separator = ',\n';
  };
  const onlyInTier1: string[] = [];
  const findings: Finding[] = [];
  let told = performance.now();
  const found = await verifyTree({
    tree,
    tier1:
      session === null ? null : { streams: session.bus.logStreams, segments: () => everySegment(session) },
    onSegment(verified) {
      json(segmentJson(verified));
      if (isJson) return;
      const { name, uncertain } = verified.account.facts;
      for (const [fact, why] of Object.entries(uncertain))
        shown.tell(`uncertain: ${fact} of ${name}: ${why}`);
      if (verified.differences === null) shown.tell(`differs: ${name} is not in Tier-1`);
      for (const { what, tree: wanted, tier1 } of verified.differences ?? [])
        shown.tell(`differs: ${what} of ${name}: the directory has ${wanted}, Tier-1 has ${tier1}`);
    },
    onlyInTier1({ segment }) {
      onlyInTier1.push(segment);
      if (!isJson) shown.tell(`differs: ${segment} is in Tier-1, and not in the directory`);
    },
    onFinding(finding) {
      findings.push(finding as Finding);
      if (finding.severity === 'damage' && !isJson) shown.tell(findingLine(finding as Finding));
    },
    progress(what, done, total) {
      if (performance.now() - told < TELL_INTERVAL_MS || isJson) return;
      told = performance.now();
      terminal.err(`salvor: ${done} of ${total} ${what}\n`);
    },
  });
  shown.end();
  if (isJson) {
    const tail = JSON.stringify({
      findings,
      onlyInTier1,
      ...found,
      segmentCount: found.segments,
      segments: undefined,
    });
    terminal.out(`\n],${tail.slice(1)}\n`);
  } else terminal.out(verificationText(paint, tree.outline, found));
  refuseUnclean(root, found);
}

function refuseUnclean(root: string, { verdict }: TreeVerification): void {
  if (verdict === 'damaged')
    throw new CliError(exitCodes.failed, 'tree-damaged', `${root} is damaged: see the findings`);
  if (verdict === 'differs')
    throw new CliError(exitCodes.failed, 'tier1-differs', `Tier-1 does not have what ${root} has`);
}

function segmentJson({ account: { facts, framing, holes }, entries, differences }: VerifiedSegment) {
  const { name, container, length, startOffset, sealed, sha256, uncertain } = facts;
  const events = framing.runs.reduce((sum, run) => sum + run.events, 0);
  return {
    ...{ name, container, length, startOffset, sealed, sha256 },
    ...(framing.kind === 'events' ? { events } : {}),
    ...(framing.kind === 'entries' ? { entries } : {}),
    ...(holes.length > 0 ? { missing: holes } : {}),
    ...(Object.keys(uncertain).length > 0 ? { uncertain } : {}),
    ...(differences === undefined ? {} : { tier1: differences ?? 'missing' }),
  };
}

async function* everySegment({ ask }: Session) {
  let after: string | undefined;
  do {
    const { reply } = await ask('segment.list', { after, limit: PAGE });
    yield* reply.segments;
    after = reply.next;
  } while (after !== undefined);
}

/** The service reads the directory where it is mounted. */
async function onServer(call: Call, layout: string | undefined): Promise<void> {
  const { args, paint, print } = call;
  const request = {
    ...{ root: args.positional('root'), layout, operationId: args.text('operation-id') },
    containers: args.integer('containers', 1, MAX_CONTAINERS),
  };
  const answer = await call.withBus(async (session) => {
    const { operation } = (await session.ask('dr.verify', request, slow)).reply;
    return reportOf(call, session, operation);
  });
  print(answer.json, () => segmentRecoveryText(paint, answer.reply));
  const { status, message, code } = answer.reply;
  if (status !== 'completed') throw new SalvorError(code ?? `operation-${status}`, message);
}
