/** The model answers in the shapes of the recorded calls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRbdJson } from '../../src/drivers/rbd/rbd-json.ts';
import { finish } from './driver-conformance.ts';
import { IMAGE, RbdStage } from './rbd-stage.ts';
import { commandOf, isRecordingHere, recordedCalls, sayWhatIsMissing } from './recorded-calls.ts';

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
