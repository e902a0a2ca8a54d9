import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop('nats-server');
