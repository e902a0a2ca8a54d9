import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop('log-watcher');
