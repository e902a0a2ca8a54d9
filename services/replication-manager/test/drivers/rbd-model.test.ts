/** The model answers in the shapes of the recorded calls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRbdStatus } from '../../src/drivers/rbd/rbd-answers.ts';
import { parseRbdJson } from '../../src/drivers/rbd/rbd-json.ts';
import { finish } from './driver-conformance.ts';
import type { Site } from './rbd-model.ts';
import { IMAGE, RbdStage } from './rbd-stage.ts';
import { commandOf, isRecordingHere, laterCalls, recordedCalls, sayWhatIsMissing } from './recorded-calls.ts';

sayWhatIsMissing();

/** Commands whose answers the driver reads. */
const READ = ['info', 'snap ls', 'mirror image status', 'mirror pool info', 'lock ls'];

function readerOf(command: string): string | undefined {
  return READ.find((each) => command.startsWith(each));
}

/** Each member as `path: type`, lists as one member. */
function shapeOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return [`${path}: list`, ...value.flatMap((each) => shapeOf(each, `${path}[]`))];
  if (typeof value !== 'object' || value === null) return [`${path}: ${typeof value}`];
  return Object.entries(value).flatMap(([name, each]) => shapeOf(each, `${path}.${name}`));
}

test('every member of every answer of the model is one of a recorded answer, of the same type, and none that is always there is missing', async () => {
  const recorded = new Map<string, { readonly all: Set<string>; always: Set<string> }>();
  for (const call of recordedCalls()) {
    const command = readerOf(commandOf(call));
    if (command === undefined || call.exitCode !== 0 || !call.argv.includes('json')) continue;
    const shape = new Set(shapeOf(parseRbdJson(call.stdout)));
    const known = recorded.get(command) ?? { all: new Set<string>(), always: shape };
    for (const each of shape) known.all.add(each);
    known.always = new Set([...known.always].filter((each) => shape.has(each)));
    recorded.set(command, known);
  }
  const seen = new Set<string>();
  const stage = new RbdStage();
  const { model } = stage;
  const watching = model.answer.bind(model);
  model.intercept = (site, args) => {
    const end = watching(site, args);
    const command = readerOf(args.filter((word) => !word.startsWith('--') && word !== 'json').join(' '));
    if (command === undefined || end.exitCode !== 0) return end;
    seen.add(command);
    const shape = shapeOf(parseRbdJson(end.stdout));
    const known = recorded.get(command);
    if (known === undefined) return end;
    // A clone that was not flattened was never asked about.
    const strange = shape.filter((each) => !known.all.has(each) && !each.startsWith('.parent'));
    assert.deepEqual(strange, [], `${command}: ${end.stdout}`);
    const missing = [...known.always].filter((each) => !shape.includes(each) && !each.includes('[]'));
    assert.deepEqual(missing, [], `${command}: ${end.stdout}`);
    return end;
  };
  const { north, south } = stage;
  await finish(stage, north, (driver, each) => driver.enable(each, { mode: 'periodic' }));
  await finish(stage, south, (driver, each) => driver.enable(each, { mode: 'periodic' }));
  await finish(stage, north, (driver, each) => driver.takePoint(each));
  await finish(stage, south, (driver, each) => driver.testClone(each));
  await finish(stage, north, (driver, each) => driver.demote(each));
  await finish(stage, south, (driver, each) => driver.promote(each, { force: false }));
  model.answer('south', ['snap', 'create', `vol/${IMAGE}@user`]);
  await finish(stage, south, (driver, each) => driver.takePoint(each));
  model.hold('south', IMAGE, true);
  await south.driver.demote('held');
  assert.deepEqual([...seen].sort(), [...READ].sort());
  if (isRecordingHere) assert.equal(recorded.size, READ.length);
});

/** What a daemon says, without how far it is. */
function wordsOf(status: string): string {
  const { state, text } = parseRbdStatus(status);
  return `${state}, ${text}`;
}

for (const [mode, step] of [
  ['instant', 'demoted-by-journal'],
  ['periodic', 'demoted-by-snapshot'],
] as const)
  test(`when nobody is primary, and when one is again, the daemons of the model say what was recorded, ${mode}`, async () => {
    const recorded = { 'site-a': new Set<string>(), 'site-b': new Set<string>() };
    for (const call of laterCalls())
      if (call.step === step && commandOf(call).startsWith('mirror image status'))
        recorded[call.site].add(wordsOf(call.stdout));
    const said = { north: new Set<string>(), south: new Set<string>() };
    const stage = new RbdStage();
    const { model, north, south } = stage;
    const look = async (site: Site): Promise<void> => {
      const { stdout } = await model.exec(site)(['mirror', 'image', 'status', `vol/${IMAGE}`]);
      said[site].add(wordsOf(stdout));
    };
    const pass = async (): Promise<void> => {
      for (let i = 0; i < 8; i++) {
        await stage.pass();
        for (const site of ['north', 'south'] as const) await look(site);
      }
    };
    for (const zone of [north, south])
      await finish(stage, zone, (driver, each) => driver.enable(each, { mode }));
    await finish(stage, south, async (driver, operation) => {
      const { status } = await driver.status();
      const state = status === 'active - secondary' ? 'done' : 'waiting';
      return { operation, verb: 'enable', state, code: '', reason: '', made: '' };
    });
    await pass();
    await finish(stage, north, (driver, each) => driver.demote(each));
    await pass();
    const first = mode === 'instant' ? south : north;
    await finish(stage, first, (driver, each) => driver.promote(each, { force: false }));
    await pass();
    for (const [site, zone] of [
      ['site-a', 'north'],
      ['site-b', 'south'],
    ] as const)
      for (const words of recorded[site])
        assert.ok(said[zone].has(words), `zone ${zone} never says ${words}: ${[...said[zone]].join('; ')}`);
    // A daemon says for a moment that it saw the demotion: a look may miss it.
    const moment = 'up+unknown, remote image demoted';
    const all = new Set([...recorded['site-a'], ...recorded['site-b'], moment]);
    for (const words of [...said.north, ...said.south]) assert.ok(all.has(words), `never recorded: ${words}`);
  });
