/** One screen about zones that run beside each other: how to reach each, and how a volume comes to be in two of them. */
import type { Paint } from './paint.ts';
import { partsOfStack, type StackSummary, section, tokenLine } from './stack-screen.ts';
import { properties } from './text.ts';

export function zonesScreen(paint: Paint, dir: string, zones: readonly StackSummary[]): string {
  return [
    ...zones.map((zone) => partsOfStack(paint, zone)),
    ...zones.map((zone) => section(paint, `To work in zone ${zone.zone}`, ways(paint, zone))),
    section(paint, 'Try: a volume in two zones', volumeToTry(paint, zones)),
    `Ctrl-C stops everything; the data stays, and the next salvor up with --dir ${dir} goes on with it.\n`,
  ].join('\n');
}

function ways(paint: Paint, { natsUrl, nbdServers, processes, ...zone }: StackSummary): string {
  return properties(paint, [
    ['commands in a terminal', `export NATS_URL=${natsUrl}`],
    ['a command by hand', `nats --server ${natsUrl} req salvor.cmd.v1.volume.list '{}'`],
    ['its page', processes.find(({ name }) => name === 'console')?.at],
    ['the token to act there', tokenLine({ natsUrl, nbdServers, processes, ...zone })],
    ['vdisks', `${nbdServers[0]?.uri ?? ''}<vdisk>`],
  ]);
}

function volumeToTry(paint: Paint, [first, second]: readonly StackSummary[]): string {
  const make = 'salvor vdisk create v1 --size 1 --cluster p1 --slave-cluster s1 --tlog block';
  return properties(paint, [
    ['in both zones', make],
    [`in ${first?.zone}`, 'salvor volume enable vol1 --vdisk v1'],
    [`in ${first?.zone}`, `salvor volume replicate vol1 --to ${second?.zone}`],
    [`in ${second?.zone}`, `salvor volume enable vol1 --vdisk v1 --from ${first?.zone}`],
    ['its first client', `qemu-io -f raw -c 'write -P 0x5a 0 64M' -c flush ${first?.nbdServers[0]?.uri}v1`],
    [`in ${second?.zone}`, 'salvor volume status vol1'],
  ]);
}
