import type { Cases } from './log-world.ts';
export const damageCases: Cases = () => {};
