import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { tempDir } from '@salvor/testkit';
import { HookFileError, parseHooks, readHookFile } from '../../src/hooks/hook-file.ts';

const parse = (text: string, env: Record<string, string> = {}) => parseHooks(text, 'hooks.yaml', env);

/** What is wrong with the file, place by place. */
function problemsOf(text: string, env: Record<string, string> = {}): string[] {
  try {
    parse(text, env);
  } catch (error) {
    assert.ok(error instanceof HookFileError, String(error));
    assert.equal(error.code, 'bad-hooks-file');
    assert.match(error.message, /^the hooks file hooks\.yaml cannot be used: /);
    return error.details.map(({ path, expected }) => `${path}: ${expected}`);
  }
  return assert.fail('the file was taken');
}

describe('a hooks file', () => {
  it('in YAML names programs and webhooks, with defaults for what it leaves out', () => {
    const [page, stop] = parse(
      `
hooks:
  - name: page
    on: [cluster.unhealthy, cluster.healthy]
    where: { cluster: p1 }
    webhook: { url: 'https://pager.example.com/x?token=1', secretEnv: PAGER, headers: { X-Team: storage } }
    timeoutMs: 500
    attempts: 3
    backoffMs: 20
  - name: stop
    on: [incident.opened]
    exec: [/usr/bin/true, --now]
    env: { COLOR: red }
`,
      { PAGER: 's3cret' },
    );
    assert.deepEqual(page, {
      name: 'page',
      on: ['cluster.unhealthy', 'cluster.healthy'],
      where: { cluster: 'p1' },
      kind: 'webhook',
      url: 'https://pager.example.com/x?token=1',
      headers: { 'X-Team': 'storage' },
      secret: 's3cret',
      timeoutMs: 500,
      attempts: 3,
      backoffMs: 20,
    });
    assert.deepEqual(stop, {
      name: 'stop',
      on: ['incident.opened'],
      where: {},
      kind: 'exec',
      argv: ['/usr/bin/true', '--now'],
      env: { COLOR: 'red' },
      timeoutMs: 10_000,
      attempts: 5,
      backoffMs: 1_000,
    });
  });

  it('may be JSON', () => {
    const hooks = parse('{"hooks":[{"name":"a","on":["incident.closed"],"exec":["true"]}]}');
    assert.deepEqual(
      hooks.map(({ name, on }) => [name, ...on]),
      [['a', 'incident.closed']],
    );
  });

  it('that is wrong in many places is refused with every one of them', () => {
    const problems = problemsOf(`
hooks:
  - name: 'not a name'
    on: [cluster.sick]
    exec: []
    attempts: 0
  - name: b
    on: []
    exec: [x]
    webhook: { url: 'ftp://x' }
  - name: c
    on: [incident.opened]
  - name: d
    on: [incident.opened]
    exec: [x]
    env: { SALVOR_HOOK: mine }
    timeout: 5
`);
    for (const expected of [
      /^hooks\[0\]\.name: a name of 1 to 64/,
      /^hooks\[0\]\.on\[0\]: one of .*cluster\.healthy, /,
      /^hooks\[0\]\.exec: a program and its arguments/,
      /^hooks\[0\]\.attempts: at least 1/,
      /^hooks\[1\]\.on: at least one point/,
      /^hooks\[1\]\.webhook\.url: an http or https URL/,
      /^hooks\[3\]\.timeout: no such member/,
      /^hooks\[3\]\.env\.SALVOR_HOOK: a variable that does not begin with SALVOR_/,
    ])
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        `${expected} in ${problems.join('\n')}`,
      );
  });

  it('says what a hook has to be: one program or one webhook, under a name of its own', () => {
    const hook = (more: string): string => `{"hooks":[{"name":"a","on":["incident.opened"]${more}}]}`;
    assert.deepEqual(problemsOf(hook('')), ['hooks[0]: either exec or webhook, and not both']);
    assert.deepEqual(problemsOf(hook(',"exec":["x"],"webhook":{"url":"http://x"}')), [
      'hooks[0]: either exec or webhook, and not both',
    ]);
    assert.deepEqual(problemsOf(hook(',"webhook":{"url":"http://x"},"env":{}')), [
      'hooks[0]: env only beside exec',
    ]);
    const twice = '{"name":"a","on":["incident.opened"],"exec":["x"]}';
    assert.deepEqual(problemsOf(`{"hooks":[${twice},${twice}]}`), [
      'hooks[1].name: a name that no other hook has',
    ]);
  });

  it('that is no YAML, no object or cannot be read is refused', () => {
    assert.match(problemsOf('hooks: [')[0] ?? '', /: YAML or JSON$/);
    assert.deepEqual(problemsOf('- 1'), [': an object']);
    assert.deepEqual(problemsOf(''), [': an object']);
    assert.throws(() => readHookFile('/nowhere/hooks.yaml', {}), {
      code: 'bad-hooks-file',
      message: /no such file.*expected a file that can be read/,
    });
  });

  it('takes a secret from a file or the environment, and refuses one that is not there', () => {
    using dir = tempDir('hooks');
    writeFileSync(dir.join('secret'), 'from-a-file\n');
    const hook = (secret: string): string =>
      `{"hooks":[{"name":"a","on":["incident.opened"],"webhook":{"url":"http://x",${secret}}}]}`;
    const [kept] = parse(hook(`"secretFile":"${dir.join('secret')}"`));
    assert.equal(kept?.kind === 'webhook' && kept.secret, 'from-a-file');
    const expected = 'a secret that can be read and is not empty';
    assert.deepEqual(problemsOf(hook('"secretFile":"/nowhere/secret"')), [
      `hooks[0].webhook.secretFile: ${expected}`,
    ]);
    assert.deepEqual(problemsOf(hook('"secretEnv":"UNSET"')), [`hooks[0].webhook.secretEnv: ${expected}`]);
  });
});
