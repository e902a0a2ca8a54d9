import { killSomewhereInTheLoop } from './kill-anything.ts';

killSomewhereInTheLoop('etcd');
