import { describe } from 'vitest';
import { conflictsSuite } from './conflicts-suite.ts';
import { engines } from './engines.ts';

describe.each(engines())('metadata on $name', (engine) => conflictsSuite(engine));
