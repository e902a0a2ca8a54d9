import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics, DurationCounts } from '@salvor/service-kit';

const linesOf = async (text: Promise<string>, name: string): Promise<string[]> =>
  (await text).split('\n').filter((line) => line.startsWith(name));

describe('metrics that are read when they are asked for', () => {
  it('have the series there are now, and no more', async () => {
    const metrics = createMetrics();
    let clusters = ['p1', 's1'];
    metrics.gaugesFrom('salvor_spares', 'Spares', ['cluster'], () =>
      clusters.map((cluster) => [{ cluster }, 2] as const),
    );
    metrics.counterFrom('salvor_lines_total', 'Lines', () => 5);
    assert.deepEqual(await linesOf(metrics.text(), 'salvor_spares'), [
      'salvor_spares{cluster="p1"} 2',
      'salvor_spares{cluster="s1"} 2',
    ]);
    clusters = ['s1'];
    assert.deepEqual(await linesOf(metrics.text(), 'salvor_spares'), ['salvor_spares{cluster="s1"} 2']);
    for (let i = 0; i < 2; i++)
      assert.deepEqual(await linesOf(metrics.text(), 'salvor_lines_total'), ['salvor_lines_total 5']);
  });

  it('are left out when they cannot be read, and the others are there', async () => {
    const metrics = createMetrics();
    metrics.gaugeFrom('salvor_spares', 'Spares', () => Promise.reject(new Error('etcd does not answer')));
    metrics.gaugeFrom('salvor_pages', 'Pages', () => 1);
    assert.deepEqual(await linesOf(metrics.text(), 'salvor_spares'), []);
    assert.deepEqual(await linesOf(metrics.text(), 'salvor_pages'), ['salvor_pages 1']);
  });
});

it('durations are counted into every bucket that holds them', async () => {
  const metrics = createMetrics();
  const counts = new DurationCounts();
  for (const seconds of [0.000_05, 0.001, 0.3, 100]) counts.add(seconds);
  metrics.histogramFrom('salvor_request_seconds', 'Requests', 'type', () => [['read', counts]]);
  const found = new Map(
    (await linesOf(metrics.text(), 'salvor_request_seconds')).map((line) => {
      const [series = '', value] = line.split(' ');
      return [series, Number(value)];
    }),
  );
  const below = (le: string) => found.get(`salvor_request_seconds_bucket{type="read",le="${le}"}`);
  assert.deepEqual(
    [below('0.0001'), below('0.001'), below('0.25'), below('0.5'), below('60'), below('+Inf')],
    [1, 2, 2, 3, 3, 4],
  );
  assert.equal(found.get('salvor_request_seconds_count{type="read"}'), 4);
  assert.ok(Math.abs((found.get('salvor_request_seconds_sum{type="read"}') ?? 0) - 100.301_05) < 1e-9);
});
