import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop('nbd-server');
