import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop('health-analyzer');
