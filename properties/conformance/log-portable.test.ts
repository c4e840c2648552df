import { logConformance } from './log.ts';

logConformance('portable');
