import type { Pair } from '../pair.ts';
import type { RespValue } from '../resp.ts';
import { parseSector, sectorsKey } from './sector.ts';
import type { TemplateCluster } from './template-cluster.ts';

/** Sectors copied in one step, and steps under way at once. */
const STEP_SECTORS = 32;
const STEPS_AT_ONCE = 8;

export interface MapCopyTask {
  readonly template: TemplateCluster;
  /** The vdisk that is the template. */
  readonly from: string;
  /** Sectors that the new vdisk has. */
  readonly sectors: number;
  readonly pairs: readonly Pair[];
  /** Resolves when the new vdisk has the sector; null = no block of it. */
  write(sector: number, content: Buffer | null): Promise<void>;
}

/**
 * Copies the block map of a template: from then on the vdisk names all its content itself, and what a client zeroes is
 * zero for good. What an earlier, interrupted copy left and the template no longer has is removed.
 *
 * @returns how many sectors it copied
 */
export async function copyBlockMap(task: MapCopyTask): Promise<number> {
  const { template, from, sectors } = task;
  const numbers: number[] = [];
  for (let shard = 0; shard < template.shards; shard++) {
    if (template.isRip(shard)) continue;
    // A sector is placed by its number; the shard's own number is placed on the shard.
    const [fields] = await template.ask(shard, (frame) => frame.command('HKEYS', sectorsKey(from)));
    numbers.push(
      ...sectorNumbers(fields).filter((sector) => sector < sectors && template.shardOf(sector) === shard),
    );
  }
  await removeOthers(task, new Set(numbers));
  const steps: number[][] = [];
  for (const group of groupBy(numbers, (sector) => template.shardOf(sector)).values())
    for (let at = 0; at < group.length; at += STEP_SECTORS) steps.push(group.slice(at, at + STEP_SECTORS));
  const worker = async (): Promise<void> => {
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) await copyStep(task, step);
  };
  await Promise.all(Array.from({ length: STEPS_AT_ONCE }, worker));
  return numbers.length;
}

async function copyStep({ template, from, write }: MapCopyTask, step: readonly number[]): Promise<void> {
  const [values] = await template.ask(step[0] ?? 0, (frame) =>
    frame.command('HMGET', sectorsKey(from), ...step),
  );
  const found = Array.isArray(values) ? values : [];
  await Promise.all(step.map((sector, i) => write(sector, parseSector(from, sector, found[i]))));
}

async function removeOthers({ pairs, write }: MapCopyTask, wanted: ReadonlySet<number>): Promise<void> {
  for (const pair of pairs) {
    if (pair.members.every(({ record }) => record.status === 'rip')) continue;
    for (const sector of (await pair.storedAtMost(Number.MAX_SAFE_INTEGER)) ?? [])
      if (!wanted.has(sector)) await write(sector, null);
  }
}

function sectorNumbers(fields: RespValue | undefined): number[] {
  return (Array.isArray(fields) ? fields : [])
    .map((field) => (Buffer.isBuffer(field) ? Number(field.toString('latin1')) : -1))
    .filter((sector) => Number.isSafeInteger(sector) && sector >= 0);
}

function groupBy(numbers: readonly number[], key: (n: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const number of numbers) {
    const group = groups.get(key(number));
    if (group === undefined) groups.set(key(number), [number]);
    else group.push(number);
  }
  return groups;
}
