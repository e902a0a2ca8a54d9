import assert from 'node:assert/strict';
import { test } from 'node:test';
import { residentMb, slopeMbPerMin } from './resident-memory.ts';

const minutes = (n: number): number => n * 60_000;

test('memory that grows by 2 MB a minute has that slope, whatever swings on top of it', () => {
  const samples = Array.from({ length: 61 }, (_, n) => ({
    atMs: minutes(n),
    mb: 100 + 2 * n + (n % 2 === 0 ? 5 : -5),
  }));
  assert.ok(Math.abs((slopeMbPerMin(samples) ?? 0) - 2) < 0.02);
});

test('memory that is flat has no slope, and a single sample tells nothing', () => {
  const flat = [0, 1, 2].map((n) => ({ atMs: minutes(n), mb: 80 }));
  assert.equal(slopeMbPerMin(flat), 0);
  assert.equal(slopeMbPerMin(flat.slice(0, 1)), null);
});

test('a process has resident memory until it is gone', () => {
  assert.ok((residentMb(process.pid) ?? 0) > 10);
  assert.equal(residentMb(2 ** 22 + 1), null);
});
