import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfiguration } from '@salvor/service-kit';
import { configuredDriver } from '../../src/restart/configured-driver.ts';
import { restartSettings } from '../../src/restart/restart-settings.ts';

const driverOf = (env: Record<string, string>) =>
  configuredDriver(readConfiguration(restartSettings, { argv: [], env }));

describe('the configuration of restarts', () => {
  it('is none by default', () => {
    assert.equal(driverOf({}), null);
  });

  it('takes a command for all engines, or one for each', () => {
    for (const command of [
      '["restart","{port}"]',
      '{"10.0.0.1:1":["restart"],"*":["restart","{address}"]}',
    ]) {
      const driver = driverOf({ SALVOR_RESTART_DRIVER: 'exec', SALVOR_RESTART_COMMAND: command });
      assert.equal(driver?.name, 'exec');
    }
  });

  it('names what a driver lacks, before anything fails', () => {
    for (const [driver, variable] of [
      ['exec', /SALVOR_RESTART_COMMAND is not set/],
      ['docker', /SALVOR_DOCKER_CONTAINER is not set/],
      ['nomad', /SALVOR_NOMAD_JOB is not set/],
      ['systemd', /SALVOR_RESTART_DRIVER is "systemd": expected one of none, exec, docker, nomad/],
    ] as const) {
      assert.throws(() => driverOf({ SALVOR_RESTART_DRIVER: driver }), {
        code: 'bad-configuration',
        message: variable,
      });
    }
  });

  it('says what a command must look like', () => {
    for (const command of ['restart', '[1]', '{"a":[]}', '"restart"']) {
      const env = { SALVOR_RESTART_DRIVER: 'exec', SALVOR_RESTART_COMMAND: command };
      assert.throws(() => driverOf(env), {
        code: 'bad-configuration',
        message: /expected a (JSON array|program and its)/,
      });
    }
  });
});
