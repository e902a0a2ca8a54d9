import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { testSeed } from '@salvor/testkit';
import { InteropStack, throughAFault } from './interop-stack.ts';
import { toolPasses } from './tool-passes.ts';

let stack: InteropStack;
before(async () => {
  stack = await InteropStack.start();
  for (const vdisk of new Set(toolPasses.map((pass) => pass.vdisk))) await stack.healing.createVdisk(vdisk);
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
});

for (const pass of toolPasses) {
  test(`${pass.name}: all is well on healthy engines`, () => pass.run(stack));
}

// A few at a time: each spends most of its time waiting for a repair.
const PASSES_AT_ONCE = 3;

test('while engines are killed, paused, emptied, started again and repaired', {
  concurrency: PASSES_AT_ONCE,
}, async (t) => {
  const seed = testSeed();
  t.diagnostic(`seed ${seed}`);
  const driver = stack.faults(seed);
  driver.start();
  await Promise.all(
    toolPasses.map((pass) =>
      t.test(`${pass.name}: all is well`, () => throughAFault(driver, () => pass.run(stack))),
    ),
  );
  const injected = await driver.stop();
  t.diagnostic(JSON.stringify(injected));
  assert.ok(injected.length >= toolPasses.length / PASSES_AT_ONCE);
});
