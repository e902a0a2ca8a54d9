import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { type Scenario, scenarios } from './scenario-list.ts';
import { ScenarioScene, ScenarioStage, type StageShape } from './scenario-stage.ts';

/** Options of `bench -- scenarios`, as given on the command line. */
export const scenarioOptions = { only: { type: 'string' } } as const;

export interface ScenarioRow {
  readonly name: string;
  /** File and name of the test that proves it. */
  readonly test: string;
  /** From the fault, or where nobody could serve before it from the engine's return, to an acknowledged write. Null: nobody wrote. */
  readonly msToServeAgain: number | null;
  /** From the end of the fault (the engine is back, somebody ordered it back), or where it has none from the fault itself. */
  readonly msToFullRedundancy: number | null;
  /** Nothing acknowledged was lost, no request failed that should not, and it healed. */
  readonly okay: boolean;
  /** What was not okay. */
  readonly why?: string;
}

export interface ScenarioReport {
  readonly loadAverage: number;
  readonly rows: readonly ScenarioRow[];
}

interface Staged {
  readonly shape: StageShape;
  readonly on: ScenarioStage;
}

/** Plays every scenario once. Those of one shape share a stack, unless one of them went wrong. */
export async function benchScenarios(options: {
  only: string | undefined;
  progress: (line: string) => void;
}): Promise<ScenarioReport> {
  const wanted = scenarios.filter(({ name }) => name.includes(options.only ?? ''));
  const rows: ScenarioRow[] = [];
  let stage = null as Staged | null;
  try {
    for (const scenario of wanted) {
      if (stage?.shape !== scenario.shape) {
        await stage?.on[Symbol.asyncDispose]();
        stage = null;
        stage = { shape: scenario.shape, on: await ScenarioStage.start(scenario.shape) };
      }
      const row = await played(scenario, stage.on);
      rows.push(row);
      options.progress(JSON.stringify(row));
      if (row.okay) continue;
      await stage.on[Symbol.asyncDispose]();
      stage = null;
    }
  } finally {
    await stage?.on[Symbol.asyncDispose]();
  }
  return { loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10, rows };
}

async function played(scenario: Scenario, stage: ScenarioStage): Promise<ScenarioRow> {
  const { name, proof, play, mayFail = [] } = scenario;
  const load = stage.newLoad();
  const scene = new ScenarioScene(stage, load);
  const problems: string[] = isProven(proof) ? [] : [`there is no test “${proof[1]}” in ${proof[0]}`];
  try {
    await load.start();
    await scene.wrote(20);
    await play(scene);
    const { ioErrors, connectionsLost } = await load.stop();
    const { blocksLost, details } = await load.verifyOverNbd();
    const wrongBytes = await stage.wrongBytes();
    if (blocksLost > 0) problems.push(`${blocksLost} blocks lost: ${JSON.stringify(details[0])}`);
    if (wrongBytes > 0) problems.push(`${wrongBytes} stored bytes are wrong`);
    if (ioErrors > 0 && !mayFail.includes('requests')) problems.push(`${ioErrors} requests failed`);
    if (connectionsLost > 0 && !mayFail.includes('connections'))
      problems.push(`${connectionsLost} connections lost`);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    await load.stop().catch(() => undefined);
  }
  return {
    name,
    test: `${proof[0]}: ${proof[1]}`,
    msToServeAgain: rounded(scene.msToServeAgain),
    msToFullRedundancy: rounded(scene.msToFullRedundancy),
    okay: problems.length === 0,
    ...(problems.length === 0 ? {} : { why: problems.join('; ') }),
  };
}

function isProven([file, test]: Scenario['proof']): boolean {
  return readFileSync(join(import.meta.dirname, '../..', file), 'utf8').includes(test);
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}

/** As Markdown. */
export function scenarioTable({ loadAverage, rows }: ScenarioReport): string {
  const cells = [
    ['scenario', 'serves again, ms', 'fully redundant, ms', 'okay', 'proof'],
    ...rows.map(({ name, test, msToServeAgain, msToFullRedundancy, okay, why }) => [
      name,
      String(msToServeAgain ?? '–'),
      String(msToFullRedundancy ?? '–'),
      okay ? 'yes' : `no: ${why ?? ''}`,
      test,
    ]),
  ];
  const widths = cells[0]?.map((_, i) => Math.max(3, ...cells.map((row) => row[i]?.length ?? 0))) ?? [];
  const lines = cells.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return `load average ${loadAverage}\n\n${lines.join('\n')}\n`;
}
