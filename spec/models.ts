/** Every model that TLC checks. */
import { logModels } from './log-models.ts';
import type { Model } from './model.ts';
import { raftModels } from './raft-models.ts';

export const MODELS: readonly Model[] = [...logModels, ...raftModels];
