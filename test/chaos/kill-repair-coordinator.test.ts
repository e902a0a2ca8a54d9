import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop('repair-coordinator');
