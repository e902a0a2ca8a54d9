import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop(['nbd-server', 'log-watcher', 'repair-coordinator']);
