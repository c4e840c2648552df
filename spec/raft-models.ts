/** The models of MetadataRaft. */
import type { Model } from './models.ts';

export const raftModels: readonly Model[] = [];
