import { replicationDriverConformance } from './driver-conformance.ts';
import { RbdStage } from './rbd-stage.ts';

replicationDriverConformance('rbd, over a model of two Ceph clusters', async () => new RbdStage());
